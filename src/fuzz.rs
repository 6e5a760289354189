//! What fuzzing asks of every reader of foreign bytes: no panic, no endless work, and the laws that its
//! callers rest on. `fuzz/` feeds each target with inputs of its own making; the inputs worth keeping lie
//! in `fuzz/corpus` and pass through here in every `cargo test`. Compiled for these two only.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Config, ConfigPlace, Environment, Look};
use crate::model::{Dated, Origin, RawItem, Severity, SourceId, SourceKind, Timestamp, TopicId};
use crate::pipeline::classify::{Document as Classified, TermConfig, TopicConfig, TopicSet, query};
use crate::pipeline::normalize::{NormalizeRules, normalize};
use crate::source::feed::last_documents::LastDocument;
use crate::source::feed::reading::{opml, parse as feed};
use crate::source::feed::{FeedContext, IdentifiedBy};
use crate::source::mend_json::mend;
use crate::source::{DocumentFormat, Limits, ParsedDocument, seed};
use crate::text::tokens::Tokens;
use crate::text::{article, charset, clean, date, html};

/// Caps small enough for inputs of a few kilobytes to reach them.
const LIMITS: Limits = Limits {
    decoded_bytes_max: 64 << 10,
    items_max: 40,
    depth_max: 32,
    attributes_max: 20,
    item_text_bytes_max: 4 << 10,
    parse_time_max: Duration::from_secs(5),
};

/// 2025-03-17, noon.
const NOW: Timestamp = Timestamp::from_seconds(1_742_212_800);

/// Items of a document that go on through `normalize`: it has its own laws, but documents are the point.
const NORMALIZED_MAX: usize = 8;

/// What takes the bytes of one input.
pub type Target = fn(&[u8]);

/// Every target with its name, which is also that of its corpus.
pub const TARGETS: [(&str, Target); 13] = [
    ("scan_repair", scan_repair),
    ("feed_parse", feed_parse),
    ("seed_parse", seed_parse),
    ("mail", mail),
    ("news_formats", news_formats),
    ("mend_json", json_mending),
    ("query", query_language),
    ("config", config),
    ("html_text", html_text),
    ("article", article_extraction),
    ("dates", dates),
    ("opml", opml_lists),
    ("charset", charset_decoding),
];

/// Scan and repair alone: what is mended is well-formed, no larger than it may be, and mends to itself.
pub fn scan_repair(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Some(once) = feed::mended(&text, &LIMITS) else { return };
    assert!(once.left.is_empty(), "mended, and still {:?}: {}", once.left, once.text);
    assert!(once.text.len() <= text.len() * 6 + 4096, "{} bytes became {}", text.len(), once.text.len());
}

/// A feed of any format: keys are distinct and the same every time, caps hold, items can be normalised, and what is known
/// of its items changes nothing.
pub fn feed_parse(bytes: &[u8]) {
    let trust = if bytes.len().is_multiple_of(2) { IdentifiedBy::Guid } else { IdentifiedBy::Link };
    let base = Some("https://wire.example/feeds/all.xml");
    let context = FeedContext { base_url: base, content_type: None, trust, limits: &LIMITS, received: NOW };
    let first = feed::parse(bytes, &context);
    assert_eq!(first, feed::parse(bytes, &context), "read twice, read differently");
    if let Ok(document) = first {
        let mut keys = HashSet::new();
        assert!(document.items.iter().all(|item| keys.insert(item.key.as_str())), "two items, one key");
        holds(&document);
        let again = feed::parse_after(bytes, &context, &LastDocument::after(&document)).expect("it was read before");
        feed::assert_same(document, &again);
    }
}

/// A file of any format, under a name that the first byte chooses.
pub fn seed_parse(bytes: &[u8]) {
    let names = ["a.txt", "a.md", "a.html", "a.json", "a.jsonl", "a.xml", "a", "2025-03-17 a.txt"];
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let name = names[usize::from(*choice) % names.len()];
    let split = if bytes.len().is_multiple_of(2) { seed::MailSplit::Whole } else { seed::MailSplit::Links };
    let mail = seed::MailRules { split, ..seed::MailRules::default() };
    let file = seed::FileContext { name, modified: NOW, received: NOW, limits: &LIMITS, mail: &mail };
    let first = seed::parse(bytes, &file);
    assert_eq!(first, seed::parse(bytes, &file), "read twice, read differently");
    if let Ok(document) = first {
        holds(&document);
    }
}

/// An e-mail, whole and split at its headlines, and a page saved like one: whatever the bytes look like.
pub fn mail(bytes: &[u8]) {
    for split in [seed::MailSplit::Whole, seed::MailSplit::Links] {
        let require_auth_results = vec!["spf".to_owned()];
        let auth_results_by = Some("mx.desk.example".to_owned());
        let rules = seed::MailRules { split, require_auth_results, auth_results_by };
        read_as(DocumentFormat::Mail, bytes, &rules);
    }
    read_as(DocumentFormat::Mhtml, bytes, &seed::DEFAULT_MAIL_RULES);
}

/// Tables, agency XML, archives and JSON: whatever the bytes look like.
pub fn news_formats(bytes: &[u8]) {
    for (_, format) in NEWS_FORMATS {
        read_as(format, bytes, &seed::DEFAULT_MAIL_RULES);
    }
}

/// The formats that people's programs write, by the name of their reader.
const NEWS_FORMATS: [(&str, DocumentFormat); 7] = [
    ("table", DocumentFormat::Table),
    ("news-xml", DocumentFormat::NewsXml),
    ("press-archive", DocumentFormat::PressArchive),
    ("json", DocumentFormat::Json),
    ("json-lines", DocumentFormat::JsonLines),
    ("front-matter", DocumentFormat::Markdown),
    ("mhtml", DocumentFormat::Mhtml),
];

fn read_as(format: DocumentFormat, bytes: &[u8], mail: &seed::MailRules) {
    let file = seed::FileContext { name: "2031-05-14-a", modified: NOW, received: NOW, limits: &LIMITS, mail };
    let first = seed::parse_as(format, bytes, &file);
    assert_eq!(first, seed::parse_as(format, bytes, &file), "read twice, read differently");
    if let Ok(document) = first {
        assert!(!document.items.is_empty(), "taken, and nothing in it");
        holds(&document);
    }
}

/// Broken JSON mended: what comes out is JSON, hardly longer, and mends to itself; what was whole means the same.
pub fn json_mending(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Some(mended) = mend(&text) else { return };
    assert!(mended.text.len() <= text.len() * 6 + 64, "{} bytes became {}", text.len(), mended.text.len());
    assert!(text.is_char_boundary(mended.consumed), "{} in {text:?}", mended.consumed);
    // Deeper than serde_json goes is refused by whoever reads it.
    let parsed = serde_json::from_str::<serde_json::Value>(&mended.text);
    match &parsed {
        Err(error) if error.to_string().starts_with("recursion") => return,
        Err(error) => panic!("{text:?} became {:?}: {error}", mended.text),
        Ok(_) => {}
    }
    let again = mend(&mended.text).map(|again| (again.text, again.was_broken));
    assert_eq!(again, Some((mended.text.clone(), false)), "mended, and still broken");
    if let Ok(whole) = serde_json::from_str::<serde_json::Value>(&text) {
        assert_eq!(parsed.ok(), Some(whole));
    }
}

fn holds(document: &ParsedDocument) {
    assert!(document.items.len() <= LIMITS.items_max.max(1), "{} items", document.items.len());
    assert!(document.items.iter().all(|item| !item.key.as_str().is_empty()), "an item without a key");
    for item in document.items.iter().take(NORMALIZED_MAX) {
        normalizes(item);
    }
}

/// What comes out of `normalize` is clean, whatever went in.
fn normalizes(raw: &RawItem) {
    let source = SourceId::new("wire").expect("invariant: a valid name");
    let origin = Origin { source, kind: SourceKind::Feed, received: NOW };
    let rules = NormalizeRules { text_bytes_max: 2 << 10, ..NormalizeRules::default() };
    let Ok(normal) = normalize(raw, &origin, &rules) else { return };
    let item = normal.item;
    assert!(item.text.len() <= 2 << 10);
    is_clean(&item.title);
    is_clean(&item.text);
    is_clean(&item.summary);
    let latest = NOW.plus(Duration::from_secs(3600));
    assert!(item.published.is_none_or(|dated| dated.at <= latest), "published in the future");
}

fn is_clean(text: &str) {
    let bad = text.chars().find(|c| *c != '\n' && clean::is_harmful(*c));
    assert!(bad.is_none(), "{bad:?} in {text:?}");
}

/// A query in the first line, a text in the rest: printing and parsing are inverse, problems point into
/// the query, and what compiles can be asked of any text.
pub fn query_language(bytes: &[u8]) {
    let input = String::from_utf8_lossy(bytes);
    let (text, body) = input.split_once('\n').unwrap_or((&input, "Port closed after the storm of 12 March"));
    match query::parse(text) {
        Ok(parsed) => {
            let printed = parsed.to_string();
            let again = query::parse(&printed);
            let same = again.as_ref().is_ok_and(|again| again.to_string() == printed);
            assert!(same, "{text:?} prints as {printed:?}, which reads as {again:?}");
        }
        Err(problem) => {
            assert!(text.get(problem.span.clone()).is_some(), "{:?} points beside {text:?}", problem.span);
        }
    }
    if let Ok(set) = TopicSet::compile(&[topic(text)], &[]) {
        let (title, words) = ("Storm closes the harbour", Tokens::of(body));
        let source = SourceId::new("wire").expect("invariant: a valid name");
        let (title_words, tags) = (Tokens::of(title), ["ports".to_owned()]);
        let (text_words, url) = (&words, Some("https://wire.example/a"));
        let title_words = &title_words;
        let document =
            Classified { title, title_words, text: body, text_words, url, tags: &tags, source: &source, lang: None };
        for found in set.classify(&document).iter().flat_map(|found| &found.evidence) {
            assert!(found.start <= found.end, "{found:?}");
        }
    }
}

fn topic(query: &str) -> TopicConfig {
    TopicConfig {
        id: TopicId::new("t").expect("invariant: a valid name"),
        label: "T".to_owned(),
        severity: Severity::Low,
        severity_bands: Vec::new(),
        threshold: 0.5,
        title_boost: 1.5,
        lead_boost: 1.2,
        repeat_bonus: 0.25,
        terms: vec![TermConfig { id: "r".to_owned(), query: query.to_owned(), weight: 1.0, severity: None }],
        require: Vec::new(),
        exclude: Vec::new(),
        languages: Vec::new(),
        sources: Vec::new(),
        model_weight: None,
    }
}

/// A folder of this thread, gone with its holder, however that ends.
struct ScratchFolder(PathBuf);

impl ScratchFolder {
    fn new() -> Option<Self> {
        let name = format!("wirewatch-fuzz-{}-{:?}", std::process::id(), std::thread::current().id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).ok().map(|()| Self(folder))
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        // What cannot be removed is the system's to clear away.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A config file: it loads or is reported, and the report can be printed.
pub fn config(bytes: &[u8]) {
    // Included files are somebody else's: the folder is empty but for this one.
    let Some(folder) = ScratchFolder::new() else { return };
    let path = folder.0.join("wirewatch.toml");
    if std::fs::write(&path, bytes).is_err() {
        return;
    }
    let environment = Environment { home: Some(PathBuf::from("/nowhere")), ..Environment::default() };
    match Config::load(&ConfigPlace::File(path), &environment) {
        Ok(loaded) => {
            drop(loaded.report.render(Look::Plain));
            // Whether the queries compile is another matter; that they may be tried is this one.
            drop(TopicSet::compile(&loaded.config.topics, &loaded.config.aliases));
            assert_eq!(loaded.config.fingerprint(), loaded.config.clone().fingerprint());
        }
        Err(report) => assert!(!report.render(Look::Plain).is_empty(), "refused without a word"),
    }
}

/// HTML fragments and entities to text: clean, and not much longer than what came.
pub fn html_text(bytes: &[u8]) {
    let markup = String::from_utf8_lossy(bytes);
    let most = markup.len() * 4 + 64;
    for text in [html::to_text(&markup), html::inline(&markup), html::plain(&markup), html::plain_inline(&markup)] {
        assert!(text.len() <= most, "{} bytes became {}", markup.len(), text.len());
        is_clean(&text);
    }
    assert!(!html::inline(&markup).contains('\n') && !html::plain_inline(&markup).contains('\n'));
    drop(html::unescape(&markup));
    let _ = html::looks_like_markup(&markup);
    drop(html::links::links(&markup));
}

/// A whole page: clean text or none.
pub fn article_extraction(bytes: &[u8]) {
    let page = String::from_utf8_lossy(bytes);
    if let Some(article) = article::extract(&page, Some("https://wire.example/a")) {
        assert!(!article.text.is_empty());
        is_clean(&article.text);
        is_clean(&article.title);
    }
}

/// Dates alone and in lines: what was read prints as what reads the same.
pub fn dates(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(Dated { at, .. }) = date::parse(&text) {
        let printed = at.to_string();
        assert_eq!(date::parse(&printed).map(|dated| dated.at), Some(at), "{printed}");
    }
    for line in text.lines() {
        if let Some(found) = date::find(line) {
            assert!(line.get(found.span.clone()).is_some(), "{:?} beside {line:?}", found.span);
            let _ = found.resolve(&[NOW], NOW);
            let _ = found.resolve(&[], NOW);
        }
    }
}

/// Feed lists: what is written reads as what was written.
pub fn opml_lists(bytes: &[u8]) {
    let read = opml::read(bytes);
    let written = opml::write("feeds", &read.outlines);
    let again = opml::read(written.as_bytes());
    assert_eq!((&again.outlines, &again.broken), (&read.outlines, &None), "{written}");
}

/// Bytes of any encoding, declared as the first byte chooses.
pub fn charset_decoding(bytes: &[u8]) {
    let types = [
        None,
        Some("text/xml; charset=utf-8"),
        Some("text/xml; charset=\"iso-8859-1\""),
        Some("text/html;charset=shift_jis"),
        Some("a/b; charset=iso-2022-jp"),
        Some("a/b; charset='utf-16'"),
        Some("charset=;"),
    ];
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let declared = types[usize::from(*choice) % types.len()].and_then(charset::of_content_type);
    let decoded = charset::decode(bytes, declared);
    assert!(decoded.text.len() <= bytes.len() * 4 + 4, "{} bytes became {}", bytes.len(), decoded.text.len());
    let rest = charset::after_declaration(&decoded.text);
    assert!(decoded.text.ends_with(rest));
    if !decoded.had_errors && decoded.encoding == "UTF-8" {
        let whole = String::from_utf8_lossy(bytes);
        assert_eq!(decoded.text, whole.strip_prefix('\u{feff}').unwrap_or(&whole));
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use super::*;
    use crate::text::work;

    type Target = Box<dyn Fn(&[u8])>;

    /// Mutations of each corpus in a normal run; `WIREWATCH_MUTATIONS` asks for more, and
    /// `WIREWATCH_TARGET` for one target only.
    const MUTATIONS: u64 = 100;

    /// Larger inputs take a debug build too long.
    const MUTATED_BYTES_MAX: usize = 4096;

    /// Bytes that mean something to somebody.
    const JUNK: &[u8] = b"<>&\"'\0;/=[]\n\x1b\xff";

    fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(&folder).expect("a corpus").map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        assert!(paths.len() >= 5, "{name} has {} inputs", paths.len());
        paths.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("an input"))).collect()
    }

    #[test]
    fn corpora_hold() {
        for (name, target) in TARGETS {
            for (path, bytes) in corpus(name) {
                let held = std::panic::catch_unwind(|| target(&bytes));
                assert!(held.is_ok(), "{} does not hold", path.display());
            }
        }
    }

    /// What `proof/fuzz` runs, where no fuzzer can be built: `WIREWATCH_TARGET` alone (a target, or one reader of
    /// `news_formats`), `WIREWATCH_MUTATIONS` of it or as many as fit into `WIREWATCH_SECONDS`, from `WIREWATCH_SEED` on.
    #[test]
    #[ignore = "looks for what nobody has found yet"]
    fn mutated_corpora_hold() {
        let asked = |name: &str| std::env::var(name).ok();
        let number = |name: &str| asked(name).and_then(|text| text.parse::<u64>().ok());
        let seconds = number("WIREWATCH_SECONDS").map(Duration::from_secs);
        let mutations = number("WIREWATCH_MUTATIONS").unwrap_or(if seconds.is_some() { u64::MAX } else { MUTATIONS });
        let only = asked("WIREWATCH_TARGET");
        let mut targets: Vec<(&str, &str, Target)> =
            TARGETS.iter().map(|(name, target)| (*name, *name, Box::new(target) as Target)).collect();
        if let Some((name, format)) = NEWS_FORMATS.iter().find(|(name, _)| only.as_deref() == Some(name)) {
            let corpus = if *format == DocumentFormat::Mhtml { "mail" } else { "news_formats" };
            let read = |bytes: &[u8]| read_as(*format, bytes, &seed::DEFAULT_MAIL_RULES);
            targets.push((name, corpus, Box::new(read)));
        }
        targets.retain(|(name, _, _)| only.as_deref().is_none_or(|only| only == *name));
        assert!(!targets.is_empty(), "nothing has that name");
        for (name, corpus_name, target) in targets {
            let inputs: Vec<Vec<u8>> = corpus(corpus_name).into_iter().map(|(_, bytes)| bytes).collect();
            let words = std::fs::read_to_string(
                PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/dictionaries").join(corpus_name),
            )
            .unwrap_or_default();
            let words: Vec<&str> = words.lines().map(|line| line.trim_matches('"')).collect();
            let mut lot = Lot(0x9e37_79b9_7f4a_7c15 ^ number("WIREWATCH_SEED").unwrap_or(0));
            let begun = tokio::time::Instant::now();
            let (mut tried, mut steps_per_byte) = (0, 0);
            while tried < mutations && seconds.is_none_or(|seconds| begun.elapsed() < seconds) {
                let bytes = mutated(&inputs, &words, &mut lot);
                let (held, steps) = work::counted(|| std::panic::catch_unwind(AssertUnwindSafe(|| target(&bytes))));
                assert!(held.is_ok(), "{name} does not hold for {}", bytes.escape_ascii());
                steps_per_byte = steps_per_byte.max(steps / (bytes.len() as u64 + 256));
                tried += 1;
            }
            println!(
                "{name}: {tried} inputs in {} s, at most {steps_per_byte} counted steps a byte",
                begun.elapsed().as_secs()
            );
        }
    }

    /// The same numbers in every run.
    struct Lot(u64);

    impl Lot {
        fn draw(&mut self, below: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % below.max(1)
        }
    }

    /// One input with a few bytes changed, left out, doubled, or taken from another.
    fn mutated(inputs: &[Vec<u8>], words: &[&str], lot: &mut Lot) -> Vec<u8> {
        let mut bytes = inputs[lot.draw(inputs.len())].clone();
        bytes.truncate(MUTATED_BYTES_MAX);
        for _ in 0..=lot.draw(6) {
            let at = lot.draw(bytes.len() + 1);
            let end = (at + lot.draw(40)).min(bytes.len());
            match lot.draw(7) {
                0 if at < bytes.len() => bytes[at] ^= 1 << lot.draw(8),
                1 => bytes.insert(at, JUNK[lot.draw(JUNK.len())]),
                2 => drop(bytes.drain(at..end)),
                3 => {
                    let again = bytes[at..end].repeat(1 + lot.draw(8));
                    bytes.splice(at..at, again);
                }
                4 => {
                    let other = &inputs[lot.draw(inputs.len())];
                    let from = lot.draw(other.len() + 1);
                    let part = other[from..(from + lot.draw(80)).min(other.len())].to_vec();
                    bytes.splice(at..end, part);
                }
                5 if !words.is_empty() => {
                    let word = words[lot.draw(words.len())].replace("\\\"", "\"");
                    bytes.splice(at..at, word.into_bytes());
                }
                _ => bytes.truncate(at),
            }
        }
        bytes.truncate(2 * MUTATED_BYTES_MAX);
        bytes
    }
}

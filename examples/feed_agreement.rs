//! Compares our reading of a corpus of feeds with what other readers' tests expect of them: a table per
//! project, and two figures with floors: what a news reader needs of well-formed feeds (titles, links, ids,
//! dates), and the items recovered from broken ones. `--verbose N` shows the first N disagreements, `--dump`
//! every document as JSON Lines. Needs `WIREWATCH_SHARED`, a folder with `feeds/MANIFEST.jsonl`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use html5ever::data::NAMED_ENTITIES;
use regex::Regex;
use serde_json::{Value, json};
use wirewatch::model::{Dated, Markup, RawItem, RawText, Rejection, Timestamp};
use wirewatch::source::feed::reading::parse::parse;
use wirewatch::source::feed::{FeedContext, IdentifiedBy};
use wirewatch::source::{Limits, ParsedDocument};

/// Corpora have documents that no feed reader should take; whether they can be read is asked all the same.
const LIMITS: Limits = Limits { decoded_bytes_max: 64 << 20, ..Limits::SHIPPED };

/// The columns of the table.
const COLUMNS: [&str; 8] = ["items", "title", "link", "id", "date", "text", "author", "feed"];

/// What a news reader needs, of well-formed feeds: at least so much of it must be as expected.
const NEEDED: [&str; 4] = ["title", "link", "id", "date"];
const NEEDED_FLOOR: f64 = 0.99;

/// Of the broken files, at least so many must give as many items as they should.
const RECOVERED_FLOOR: f64 = 0.95;

/// Expectations that a news reader does better without: part of a file's name, the column, the reason.
const EXCEPTIONS: [(&str, &str, &str); 11] = [
    ("/cdf/", "date", "CDF, a channel format of 1997 that is not read"),
    ("entry_created_multiple_values", "date", "two dates of creation that contradict each other: the first is kept"),
    ("http_entry_id_base_content_location", "id", "ids are names, compared as they are and never resolved"),
    ("TestParseEntryWithIDAsURL", "link", FRONT_PAGE),
    ("TestParseEntryWithoutLink.", "link", FRONT_PAGE),
    ("TestParseItemWithoutLink.", "link", "the item's own `rdf:about` instead of the site's front page"),
    ("WithoutLinkAndWithEnclosureURLs", "link", "a sound file is no page to read"),
    ("WithoutTitle", "feed", MADE_UP),
    ("WithoutFeedTitle", "feed", MADE_UP),
    ("MissingTitle", "feed", MADE_UP),
    ("EmptyTitle", "feed", MADE_UP),
];
const MADE_UP: &str = "no title is made up for a feed: its own name from the config is shown";
const FRONT_PAGE: &str = "the site's front page is no link to the item: it would make all of them one";

/// The two figures.
#[derive(Default)]
struct Figures {
    agreed: u32,
    compared: u32,
    excepted: BTreeMap<&'static str, u32>,
    recovered: u32,
    broken: u32,
    short: Vec<String>,
}

/// One expectation that could be read.
struct Check {
    column: &'static str,
    what: String,
    expected: String,
    actual: String,
    agrees: bool,
}

#[derive(Default)]
struct Row {
    files: u32,
    refused: u32,
    slowest: Duration,
    columns: BTreeMap<&'static str, (u32, u32)>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(shared) = std::env::var_os("WIREWATCH_SHARED") else {
        println!("skipped: WIREWATCH_SHARED is not set");
        return Ok(());
    };
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let dump = arguments.iter().any(|argument| argument == "--dump");
    let verbose = arguments.iter().position(|argument| argument == "--verbose");
    let mut shown_max = verbose.and_then(|at| arguments.get(at + 1)).and_then(|n| n.parse().ok()).unwrap_or(0u32);
    let only = arguments.iter().position(|a| a == "--only").and_then(|at| arguments.get(at + 1));
    let folder = Path::new(&shared).join("feeds");
    let mut table: BTreeMap<String, Row> = BTreeMap::new();
    let mut figures = Figures::default();
    for line in std::fs::read_to_string(folder.join("MANIFEST.jsonl"))?.lines() {
        let entry: Value = serde_json::from_str(line)?;
        let (project, file) = (text_at(&entry, "project"), text_at(&entry, "file"));
        if only.is_some_and(|only| !file.contains(only.as_str()))
            || entry["kind"] == "json" && file.contains("references")
        {
            continue;
        }
        let bytes = std::fs::read(folder.join(&file))?;
        let started = tokio::time::Instant::now();
        let document = read(&bytes, &entry, &folder);
        let took = started.elapsed();
        if dump {
            println!("{}", dumped(&file, &document));
            continue;
        }
        let well_formed = entry["wellformed_xml"] == true || entry["kind"] == "json";
        let row = table.entry(format!("{project}{}", if well_formed { "" } else { " (broken)" })).or_default();
        row.files += 1;
        row.refused += u32::from(document.is_err());
        row.slowest = row.slowest.max(took);
        let checks = checks(&folder, &entry, &document);
        figures.count(&file, well_formed, &bytes, &document, &checks);
        for check in checks {
            let cell = row.columns.entry(check.column).or_default();
            cell.0 += u32::from(check.agrees);
            cell.1 += 1;
            if !check.agrees && shown_max > 0 {
                shown_max -= 1;
                println!("{file}\n    {}: {}\n    ours: {}", check.what, short(&check.expected), short(&check.actual));
            }
        }
    }
    if dump || only.is_some() {
        return Ok(());
    }
    print(&table);
    figures.print()
}

impl Figures {
    fn count(
        &mut self,
        file: &str,
        well_formed: bool,
        bytes: &[u8],
        document: &Result<ParsedDocument, Rejection>,
        checks: &[Check],
    ) {
        let needed = checks.iter().filter(|check| NEEDED.contains(&check.column));
        for check in needed.filter(|_| well_formed) {
            let reason = EXCEPTIONS.iter().find(|(name, column, _)| file.contains(name) && *column == check.column);
            if let Some((.., reason)) = reason.filter(|_| !check.agrees) {
                *self.excepted.entry(reason).or_default() += 1;
                continue;
            }
            self.compared += 1;
            self.agreed += u32::from(check.agrees);
        }
        if well_formed {
            return;
        }
        // As many as are expected, and as many as begin in the file.
        let expected = checks.iter().filter(|check| check.column == "items").filter_map(|c| c.expected.parse().ok());
        let expected = expected.chain([begun(bytes)]).max().unwrap_or(0);
        let found = document.as_ref().map_or(0, |document| document.items.len());
        self.broken += 1;
        self.recovered += u32::from(found >= expected);
        if found < expected {
            self.short.push(format!("{file}: {found} of {expected}"));
        }
    }

    fn print(&self) -> Result<(), Box<dyn std::error::Error>> {
        let share = |part: u32, all: u32| f64::from(part) / f64::from(all.max(1));
        let (needed, recovered) = (share(self.agreed, self.compared), share(self.recovered, self.broken));
        let excepted: u32 = self.excepted.values().sum();
        println!(
            "well-formed: {}/{} titles, links, ids and dates as expected, {needed:.3} (floor {NEEDED_FLOOR}); {:.3} with the {excepted} exceptions",
            self.agreed,
            self.compared,
            share(self.agreed, self.compared + excepted)
        );
        for (reason, count) in &self.excepted {
            println!("  exception, {count}: {reason}");
        }
        println!(
            "broken: {}/{} files give all items that begin in them, {recovered:.3} (floor {RECOVERED_FLOOR})",
            self.recovered, self.broken
        );
        for short in &self.short {
            println!("  fewer: {short}");
        }
        if needed < NEEDED_FLOOR || recovered < RECOVERED_FLOOR {
            return Err("the agreement fell below its floor".into());
        }
        Ok(())
    }
}

/// Items that begin in a document, by their start tags.
fn begun(bytes: &[u8]) -> usize {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let starts =
        ["<item", "<entry"].into_iter().flat_map(|tag| text.match_indices(tag).map(move |(at, _)| at + tag.len()));
    starts.filter(|at| text[*at..].starts_with([' ', '>', '\t', '\n', '\r', '/'])).count()
}

fn read(bytes: &[u8], entry: &Value, folder: &Path) -> Result<ParsedDocument, Rejection> {
    let header = text_at(entry, "header");
    let content_type = header.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let base = match text_at(entry, "project").as_str() {
        "miniflux" => stated_base(entry, folder).unwrap_or_else(|| "https://example.org/".to_owned()),
        _ => "http://127.0.0.1:8097/".to_owned(),
    };
    let ctx = FeedContext {
        base_url: Some(&base),
        content_type: content_type.map(|(_, value)| value.trim()),
        trust: IdentifiedBy::Guid,
        limits: &LIMITS,
        received: Timestamp::from_seconds(0),
    };
    parse(bytes, &ctx)
}

/// Where a test says its document comes from: `ParseFeed("http://…", …`.
fn stated_base(entry: &Value, folder: &Path) -> Option<String> {
    let source = std::fs::read_to_string(folder.join(entry["expected_file"].as_str()?)).ok()?;
    let call = Regex::new(r#"Parse\w*\("(https?://[^"]+)""#).ok()?;
    Some(call.captures(&source)?[1].to_owned())
}

fn checks(folder: &Path, entry: &Value, document: &Result<ParsedDocument, Rejection>) -> Vec<Check> {
    let file = text_at(entry, "file");
    let mut checks = Vec::new();
    if let Some(expect) = entry["expect"].as_str() {
        feedparser(expect, document, &mut checks);
    }
    if let Some(expected) = entry["expected_file"].as_str()
        && let Ok(source) = std::fs::read_to_string(folder.join(expected))
    {
        miniflux(&source, document, &mut checks);
    }
    if let Some(stem) = file.strip_suffix(".xml")
        && file.contains("references")
        && let Ok(source) = std::fs::read_to_string(folder.join(format!("{stem}.json")))
        && let Ok(expected) = serde_json::from_str(&source)
    {
        feedsmith(&expected, document, &mut checks);
    }
    checks
}

/// `entries[0]['title'] == 'literal' and …`
fn feedparser(expect: &str, document: &Result<ParsedDocument, Rejection>, checks: &mut Vec<Check>) {
    let Ok(clause) = Regex::new(r"^\(?(entries\[(\d+)\]|feed|len\(entries\))((?:\.\w+|\['\w+'\]|\[0\])*) == (.+?)\)?$")
    else {
        return;
    };
    // Sanitising is a later step's work.
    if expect.contains("safe description") || expect.contains("Crazy HTML") {
        return;
    }
    for part in expect.split(" and ") {
        let Some(found) = clause.captures(part.trim()) else { continue };
        let at = found.get(2).and_then(|n| n.as_str().parse::<usize>().ok());
        let field = found[3].replace(['[', ']', '\''], ".").replace("..", ".");
        let field = field.trim_matches('.').replace("..", ".");
        if &found[1] == "len(entries)" {
            count(&found[4], document, checks);
        } else if let Some(literal) = python(&found[4]) {
            compare(at, &field, &literal, part, document, checks);
        } else if let Some(date) = python_date(&found[4]) {
            compare_date(at, &field, &date, part, document, checks);
        }
    }
}

/// `if feed.Entries[0].Title != "literal"`
fn miniflux(source: &str, document: &Result<ParsedDocument, Rejection>, checks: &mut Vec<Check>) {
    let expressions = [
        r"len\(feed\.Entries\) != (\d+)",
        r#"feed\.Entries\[(\d+)\]\.(Title|URL|Content|Author) != ("(?:[^"\\]|\\.)*"|`[^`]*`)"#,
        r"feed\.Entries\[(\d+)\]\.Date\.Equal\(time\.Date\((\d+), time\.(\w+), (\d+), (\d+), (\d+), (\d+), \d+, time\.UTC",
        r#"(?m)feed\.Title != ("(?:[^"\\]|\\.)*"|`[^`]*`)"#,
    ];
    let [Ok(len), Ok(field), Ok(date), Ok(title)] = expressions.map(Regex::new) else { return };
    if let Some(found) = len.captures(source) {
        count(&found[1], document, checks);
    }
    for found in field.captures_iter(source) {
        let name = match &found[2] {
            "Title" => "title",
            "URL" => "link",
            "Content" => "content.value",
            _ => "author",
        };
        compare(found[1].parse().ok(), name, &go(&found[3]), &found[0], document, checks);
    }
    for found in date.captures_iter(source) {
        let months = "January February March April May June July August September October November December";
        let month = months.split(' ').position(|month| month == &found[3]).unwrap_or(0) + 1;
        let at = format!(
            "{}-{month:02}-{:0>2}T{:0>2}:{:0>2}:{:0>2}Z",
            &found[2], &found[4], &found[5], &found[6], &found[7]
        );
        compare_date(found[1].parse().ok(), "published_parsed", &at, &found[0], document, checks);
    }
    if let Some(found) = title.captures(source) {
        compare(None, "title", &go(&found[1]), &found[0], document, checks);
    }
}

fn feedsmith(expected: &Value, document: &Result<ParsedDocument, Rejection>, checks: &mut Vec<Check>) {
    let items =
        expected.get("items").or(expected.get("entries")).and_then(Value::as_array).cloned().unwrap_or_default();
    count(&items.len().to_string(), document, checks);
    for (at, item) in items.iter().enumerate() {
        let link = item["link"].as_str().or_else(|| {
            let links = item["links"].as_array()?;
            links.iter().find(|link| link["rel"].as_str().is_none_or(|rel| rel == "alternate"))?["href"].as_str()
        });
        let id = item["id"].as_str().or(item["guid"]["value"].as_str());
        let text = item["content"]["encoded"].as_str().or(item["content"].as_str()).or(item["description"].as_str());
        for (field, value) in [("title", item["title"].as_str()), ("link", link), ("id", id), ("content.value", text)] {
            // Links are expected as written, where we resolve them.
            if let Some(value) = value.filter(|value| !(field == "link" && value.starts_with('/'))) {
                compare(Some(at), field, value, field, document, checks);
            }
        }
    }
    if let Some(title) = expected["title"].as_str() {
        compare(None, "title", title, "feed title", document, checks);
    }
}

fn count(expected: &str, document: &Result<ParsedDocument, Rejection>, checks: &mut Vec<Check>) {
    let actual = document.as_ref().map_or_else(|e| e.reason.to_string(), |d| d.items.len().to_string());
    let agrees = actual == expected;
    checks.push(Check { column: "items", what: "items".to_owned(), expected: expected.to_owned(), actual, agrees });
}

/// Compares one text; fields a news reader has no use for are passed over.
fn compare(
    at: Option<usize>,
    field: &str,
    expected: &str,
    what: &str,
    document: &Result<ParsedDocument, Rejection>,
    checks: &mut Vec<Check>,
) {
    let (column, in_item) = match (at, field) {
        (Some(_), "title" | "title_detail.value") => ("title", true),
        (Some(_), "link") => ("link", true),
        (Some(_), "id" | "guid") => ("id", true),
        (Some(_), "description" | "summary" | "content.0.value" | "content.value" | "summary_detail.value") => {
            ("text", true)
        }
        (Some(_), "author" | "author_detail.name") => ("author", true),
        (None, "title") => ("feed", false),
        _ => return,
    };
    let document = match document {
        Ok(document) => document,
        Err(rejection) => {
            let (what, expected) = (what.to_owned(), expected.to_owned());
            checks.push(Check { column, what, expected, actual: rejection.reason.to_string(), agrees: false });
            return;
        }
    };
    let item = at.and_then(|at| document.items.get(at));
    let actual: Vec<String> = match (column, in_item, item) {
        ("feed", ..) => document.title.iter().cloned().collect(),
        // As `Item::headline` does: what stands for an item that has no title of its own.
        ("title", _, Some(item)) => [item.title.as_ref(), item.summary.as_ref(), item.content.as_ref()]
            .into_iter()
            .map(shown)
            .find(|shown| shown.iter().any(|text| !plain(text).is_empty()))
            .unwrap_or_else(|| item.url.iter().cloned().collect()),
        ("link", _, Some(item)) => item.url.iter().cloned().collect(),
        ("id", _, Some(item)) => vec![item.key.as_str().to_owned()],
        ("text", _, Some(item)) => [shown(item.content.as_ref()), shown(item.summary.as_ref())].concat(),
        ("author", _, Some(item)) => item.author.iter().cloned().collect(),
        _ => vec!["no such item".to_owned()],
    };
    let nothing = actual.is_empty() && plain(expected).is_empty();
    let agrees = nothing || actual.iter().any(|actual| alike(column, actual, expected));
    checks.push(Check {
        column,
        what: what.to_owned(),
        expected: expected.to_owned(),
        actual: actual.join(" | "),
        agrees,
    });
}

fn compare_date(
    at: Option<usize>,
    field: &str,
    expected: &str,
    what: &str,
    document: &Result<ParsedDocument, Rejection>,
    checks: &mut Vec<Check>,
) {
    if at.is_none() || !matches!(field, "published_parsed" | "updated_parsed" | "created_parsed") {
        return;
    }
    let item: Option<&RawItem> = document.as_ref().ok().and_then(|document| document.items.get(at.unwrap_or(0)));
    let dates: Vec<String> =
        item.map(|item| [item.published, item.updated].iter().flatten().map(printed).collect()).unwrap_or_default();
    let agrees = dates.iter().any(|date| date == expected);
    let (what, expected) = (what.to_owned(), expected.to_owned());
    checks.push(Check { column: "date", what, expected, actual: dates.join(" | "), agrees });
}

fn alike(column: &str, actual: &str, expected: &str) -> bool {
    let same_url = || {
        let parse = |text: &str| url::Url::parse(text.trim()).ok();
        parse(actual).is_some() && parse(actual) == parse(expected)
    };
    actual == expected
        || (matches!(column, "link" | "id") && same_url())
        || spaces(actual) == spaces(expected)
        || spaces(actual) == plain(expected)
        || plain(actual) == plain(expected)
        || (column == "author" && expected.starts_with(actual))
        || (column == "id" && actual.starts_with(&format!("{expected}|")))
}

fn shown(text: Option<&RawText>) -> Vec<String> {
    text.map(|raw| if raw.markup == Markup::Html { plain(&raw.text) } else { spaces(&raw.text) }).into_iter().collect()
}

/// Tags out, references resolved, white space folded.
fn plain(html: &str) -> String {
    let mut out = String::new();
    let mut in_tag = false;
    for c in html.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => in_tag = false,
            c if !in_tag => out.push(c),
            _ => {}
        }
    }
    let Ok(reference) = Regex::new(r"&(#x[0-9a-fA-F]+|#[0-9]+|[A-Za-z0-9]+);") else { return out };
    let resolved = reference.replace_all(&out, |found: &regex::Captures<'_>| {
        let name = &found[1];
        let code = match name.strip_prefix("#x").or(name.strip_prefix('#')) {
            Some(hex) if name.starts_with("#x") => u32::from_str_radix(hex, 16).ok(),
            Some(number) => number.parse().ok(),
            None => NAMED_ENTITIES.get(&found[0][1..]).map(|(code, _)| *code),
        };
        code.and_then(char::from_u32).map_or_else(|| found[0].to_owned(), String::from)
    });
    spaces(&resolved)
}

fn spaces(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A Python string literal.
fn python(literal: &str) -> Option<String> {
    let literal = literal.trim().trim_start_matches('u');
    let quote = literal.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let body = literal.strip_prefix(quote)?.strip_suffix(quote)?;
    Some(unescaped(body))
}

fn go(literal: &str) -> String {
    match literal.strip_prefix('`') {
        Some(raw) => raw.trim_end_matches('`').to_owned(),
        None => unescaped(literal.trim_matches('"')),
    }
}

fn unescaped(body: &str) -> String {
    let mut out = String::new();
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let digits = match chars.next() {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            Some('n') => {
                out.push('\n');
                continue;
            }
            Some('t') => {
                out.push('\t');
                continue;
            }
            Some(other) => {
                out.push(other);
                continue;
            }
            None => break,
        };
        let code: String = chars.by_ref().take(digits).collect();
        out.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
    }
    out
}

/// `(2003, 12, 31, 10, 14, 55, 2, 365, 0)`
fn python_date(literal: &str) -> Option<String> {
    let numbers: Vec<u32> =
        literal.trim_matches(['(', ')']).split(',').map(|n| n.trim().parse().ok()).collect::<Option<_>>()?;
    let [year, month, day, hour, minute, second, ..] = numbers[..] else { return None };
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}

fn printed(date: &Dated) -> String {
    Timestamp::from_seconds(date.at.seconds()).to_string()
}

fn dumped(file: &str, document: &Result<ParsedDocument, Rejection>) -> Value {
    match document {
        Ok(document) => json!({"file": file, "format": document.format, "encoding": document.encoding,
            "title": document.title, "warnings": document.warnings,
            "rejected": document.rejected.iter().map(|r| format!("{} {} {}", r.reason, r.count, r.detail)).collect::<Vec<_>>(),
            "items": document.items.iter().map(|item| json!({"key": item.key, "title": item.title.as_ref().map(|t| &t.text),
                "url": item.url, "author": item.author, "published": item.published.as_ref().map(printed),
                "updated": item.updated.as_ref().map(printed), "lang": item.lang, "tags": item.tags,
                "summary": item.summary.as_ref().map(|t| t.text.chars().take(200).collect::<String>()),
                "content": item.content.as_ref().map(|t| t.text.chars().take(200).collect::<String>())})).collect::<Vec<_>>()}),
        Err(rejection) => json!({"file": file, "refused": rejection.reason, "detail": rejection.detail}),
    }
}

fn text_at(entry: &Value, name: &str) -> String {
    entry[name].as_str().unwrap_or_default().to_owned()
}

fn short(text: &str) -> String {
    text.chars().take(160).collect()
}

fn print(table: &BTreeMap<String, Row>) {
    print!("{:22} {:>5} {:>7} {:>7}", "project", "files", "refused", "ms max");
    for column in COLUMNS {
        print!(" {column:>9}");
    }
    println!();
    for (project, row) in table {
        print!("{project:22} {:>5} {:>7} {:>7}", row.files, row.refused, row.slowest.as_millis());
        for column in COLUMNS {
            match row.columns.get(column) {
                Some((agree, all)) => print!(" {:>9}", format!("{agree}/{all}")),
                None => print!(" {:>9}", "-"),
            }
        }
        println!();
    }
}

//! Furniture by its look: one-word labels, "Read more: …" lines, update stamps, picture credits. The
//! tests are on single units; where they stand is judged by `boilerplate`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use crate::text::date;
use crate::text::tokens::fold;

/// Whole units that are furniture when they say just this (folded, marks at the ends aside).
#[rustfmt::skip]
const LABELS: &[&str] = &[
    "advertisement", "advertisements", "advertising", "ad", "sponsored", "sponsored content", "promoted", "anzeige",
    "werbung", "publicite", "publicidad", "pubblicita", "publicidade", "reklama", "реклама", "annonse", "annons",
    "advertentie", "share", "share this", "save", "print", "email", "e-mail", "copy link", "link copied", "tweet",
    "facebook", "twitter", "whatsapp", "telegram", "linkedin", "teilen", "drucken", "partager", "compartir",
    "condividi", "udostepnij", "поділитися", "поделиться", "close", "menu", "search", "home", "skip", "more",
    "read more", "see more", "show more", "load more", "view more", "learn more", "find out more", "continue reading",
    "keep reading", "now playing", "read more now playing", "details", "деталі", "подробности", "довідка", "related",
    "related topics", "related articles", "related stories", "related news", "related content", "read also",
    "see also", "more stories", "more news", "more from", "more articles", "recommended", "most read", "most popular",
    "trending", "top stories", "latest news", "editors' picks", "mehr zum thema", "a lire aussi", "lire aussi",
    "lea tambien", "leggi anche", "czytaj tez", "czytaj takze", "zobacz takze", "lees ook", "читаите також",
    "читаите также", "las mer", "leia tambem", "newsletter", "subscribe", "sign up", "sign in", "log in", "login",
    "register", "subscribe now", "follow us", "follow", "comments", "comment", "leave a comment", "view comments",
    "no comments", "listen", "listen to this article", "listen to article", "watch", "video", "gallery", "photos",
    "loading", "supported by", "advertisement supported by", "skip advertisement", "in this article",
    "table of contents", "jump to", "back to top", "home page", "copyright", "terms of use", "privacy policy",
    "contact us", "about us", "faq", "all rights reserved", "report", "tags", "topics", "categories", "filed under",
    "источник", "джерело", "legal statement",
];

/// Starts of lines that lead elsewhere; what follows is a headline.
#[rustfmt::skip]
const POINTERS: &[&str] = &[
    "read more:", "read more on", "read more about", "read also:", "read also", "read next:", "also read:",
    "also read |", "see also:", "more:", "related:", "related article:", "related story:", "related |",
    "recommended:", "watch:", "watch |", "watch more:", "listen:", "must read", "don't miss:", "go deeper:",
    "explainer:", "subscribe:", "follow:", "click here", "lesen sie auch", "lesen sie mehr", "mehr dazu:",
    "mehr zum thema", "lire aussi", "a lire aussi", "a lire :", "lire notre", "lea tambien", "lea mas", "leer mas",
    "te puede interesar", "leggi anche", "leia tambem", "leia mais", "czytaj tez", "czytaj takze", "czytaj wiecej",
    "zobacz tez", "zobacz takze", "lees ook", "читаите також", "читаите также", "читати також", "також читаите",
    "дивіться також", "смотрите также", "las ocksa", "las mer", "tags:", "topics:", "filed under:", "теги:",
    "edited by", "reporting by", "additional reporting by", "source:", "джерело:", "источник:", "quelle:",
];

/// Starts of lines that carry a date or time and nothing else.
#[rustfmt::skip]
const STAMPS: &[&str] = &[
    "last update", "last updated", "last modified", "updated", "update", "published", "first published", "posted",
    "modified", "created", "issued", "date", "veroffentlicht", "aktualisiert", "stand", "publie", "mis a jour",
    "modifie", "publicado", "actualizado", "pubblicato", "aggiornato", "opublikowano", "aktualizacja", "опубліковано",
    "оновлено", "опубликовано", "обновлено", "gepubliceerd", "bijgewerkt", "publicerad", "uppdaterad", "atualizado",
];

/// What stands before the name in a picture credit.
#[rustfmt::skip]
const CREDITS: &[&str] = &[
    "photo", "photos", "photo by", "photo credit", "photograph", "picture", "picture by", "image", "image credit",
    "image source", "images", "credit", "credits", "foto", "fotos", "bild", "bildquelle", "archivbild", "symbolbild",
    "credit photo", "photo d'illustration", "фото", "фото з", "світлина", "ілюстративне фото", "иллюстративное фото",
    "zdjecie", "fot", "imagen", "immagine", "illustration", "file photo", "caption", "getty images", "video by",
    "graphic",
];

/// Agencies that sign the pictures they sell, as they stand at the end of a caption.
#[rustfmt::skip]
const PICTURE_AGENCIES: &[&str] = &[
    "AP", "PA", "AFP", "EPA", "EFE", "dpa", "DPA", "Reuters", "REUTERS", "Alamy", "Getty", "Getty Images",
    "GETTY IMAGES", "Shutterstock", "AP Photo", "PA Images", "PA Wire", "Imago", "IMAGO", "Keystone", "Belga", "ANSA",
    "ANP", "NurPhoto", "Anadolu", "Unsplash", "Pixabay", "iStock", "Wikimedia Commons", "Wikipedia", "TT", "NTB",
    "Ritzau", "PAP", "Ukrinform", "УНІАН", "Укрінформ",
];

const LABEL_WORDS_MAX: usize = 5;
const LINE_WORDS_MAX: usize = 40;
const STAMP_WORDS_MAX: usize = 16;
const STAMP_WORDS_BEFORE_MAX: usize = 3;
const STAMP_WORDS_AFTER_MAX: usize = 2;

fn bare(written: &str) -> String {
    fold(written.trim_matches(|c: char| !c.is_alphanumeric()))
}

fn has_at_most(written: &str, words: usize) -> bool {
    written.split_whitespace().nth(words).is_none()
}

/// Furniture by its look; `words` is how many it has.
pub(super) fn is_furniture(written: &str, words: usize) -> bool {
    is_label(written, words) || is_line(written, words)
}

/// A pointer, a credit or a stamp: what may also be a paragraph of several sentences.
pub(super) fn is_line(written: &str, words: usize) -> bool {
    words <= LINE_WORDS_MAX
        && ((starts_as_known(written) && (is_pointer(written) || is_stamp(written, words))) || is_credit(written))
}

/// Nothing but a label of the page.
fn is_label(written: &str, words: usize) -> bool {
    if words > LABEL_WORDS_MAX {
        return false;
    }
    let bare = bare(written);
    LABELS.contains(&bare.as_str()) || (bare.is_empty() && written.chars().count() <= 5)
}

/// The first words of [`POINTERS`] and [`STAMPS`]: most lines begin with none of them.
static FIRST_WORDS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| POINTERS.iter().chain(STAMPS).map(|start| first_word(start)).collect());

fn first_word(text: &str) -> &str {
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’').next().unwrap_or_default()
}

fn starts_as_known(written: &str) -> bool {
    let first = first_word(written);
    first.len() <= 40 && FIRST_WORDS.contains(fold(first).as_str())
}

/// A line that leads to another article or names who worked on this one; it [`starts_as_known`].
fn is_pointer(written: &str) -> bool {
    let head: String = written.trim_start_matches(|c: char| !c.is_alphanumeric()).chars().take(40).collect();
    let head = fold(&head);
    POINTERS.iter().any(|pointer| {
        head.strip_prefix(pointer)
            .is_some_and(|rest| pointer.ends_with([':', '|']) || !rest.starts_with(char::is_alphanumeric))
    })
}

/// A line with a date behind its label, and hardly a word more; it [`starts_as_known`].
fn is_stamp(written: &str, words: usize) -> bool {
    if words > STAMP_WORDS_MAX {
        return false;
    }
    let folded = fold(written.trim_start_matches(|c: char| !c.is_alphanumeric()));
    let labelled = STAMPS
        .iter()
        .any(|stamp| folded.strip_prefix(stamp).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric)));
    if !labelled {
        return false;
    }
    let Some(found) = date::find(written) else { return false };
    let real_words = |part: &str| part.split_whitespace().filter(|w| w.chars().any(char::is_alphanumeric)).count();
    // The label and a little more may stand before the date, next to nothing after it.
    real_words(&written[..found.span.start]) <= STAMP_WORDS_BEFORE_MAX
        && real_words(&written[found.span.end..]) <= STAMP_WORDS_AFTER_MAX
}

/// A picture's credit, or a caption that ends with one; of [`LINE_WORDS_MAX`] words at most.
fn is_credit(written: &str) -> bool {
    let line = written.trim().trim_end_matches([')', ']']);
    let lead = line.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '©');
    if let Some((label, name)) = lead.split_once(',')
        && label.contains(' ')
        && CREDITS.contains(&bare(label).as_str())
        && has_at_most(name, 6)
    {
        return true;
    }
    if let Some((label, rest)) = split_label(lead) {
        let label = bare(label);
        let short = has_at_most(rest, 12);
        if short && CREDITS.contains(&label.as_str()) && !rest.trim_end().ends_with(['?', '!', '"', '”']) {
            return true;
        }
        // `The harbour today. (Photo: …`
        if let Some((_, inner)) = line.rsplit_once(['(', '[', '|'])
            && let Some((label, name)) = inner.split_once([':', '/', '©'])
            && CREDITS.contains(&bare(label).as_str())
            && has_at_most(name, 10)
        {
            return true;
        }
    }
    // Most lines end with a full stop, no agency does.
    line.ends_with(char::is_alphabetic)
        && PICTURE_AGENCIES.iter().any(|agency| {
            line.strip_suffix(agency).is_some_and(|caption| {
                let caption = caption.trim_end();
                let signed = caption.ends_with(['.', '/', '©', '|', '•', '…', '”']) || caption.is_empty();
                signed
                    || PICTURE_AGENCIES.iter().any(|first| {
                        caption.ends_with(&format!("{first}/")) || caption.ends_with(&format!("{first} via"))
                    })
            })
        })
}

/// What stands before the first sign that a label ends with, and behind it.
fn split_label(line: &str) -> Option<(&str, &str)> {
    const STEP: usize = 32;
    // Most lines have none. Without a branch, and over steps of one size: the compiler makes wide instructions of that.
    let is = |byte: u8, stop: u8| u8::from(byte == stop);
    let stops = |byte: &u8| is(*byte, b':') | is(*byte, b'/') | is(*byte, b'|') | u8::from(!byte.is_ascii());
    let without = |step: &&[u8]| step.iter().fold(0, |found, byte| found | stops(byte)) == 0;
    let from = line.as_bytes().chunks_exact(STEP).take_while(without).count() * STEP;
    let at = from + line[from..].find([':', '/', '©', '|'])?;
    let sign = line[at..].chars().next().map_or(0, char::len_utf8);
    Some((&line[..at], &line[at + sign..]))
}

/// Reported speech: whatever it says, somebody said it.
pub(super) fn is_quoted(written: &str) -> bool {
    written.contains(['“', '”', '"', '«', '»', '„'])
}

/// Speaks as the publisher to the reader.
pub(super) fn addresses_the_reader(written: &str) -> bool {
    const WORDS: [&str; 16] = [
        "you", "your", "we", "our", "us", "please", "vous", "votre", "nous", "sie", "ihre", "wir", "unsere", "ви",
        "вас", "ваш",
    ];
    written
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| word != "US" && WORDS.iter().any(|known| known.eq_ignore_ascii_case(word)))
}

/// Labels that run into the prose at the ends of a text, and credits in brackets.
pub(super) fn trim(written: &str, first: bool, last: bool) -> Cow<'_, str> {
    const LEADING: [&str; 7] = [
        "Advertisement ",
        "ADVERTISEMENT ",
        "Supported by ",
        "Listen to this article ",
        "In this article ",
        "Skip advertisement ",
        "SKIP ADVERTISEMENT ",
    ];
    const TRAILING: [&str; 5] = [" Advertisement", " ADVERTISEMENT", " Read more", " Continue reading", " Share this"];
    let mut rest = written;
    while first && let Some(shorter) = LEADING.iter().find_map(|label| rest.strip_prefix(label)) {
        if !shorter.starts_with(|c: char| c.is_uppercase() || matches!(c, '“' | '"' | '‘' | '\'') || c.is_ascii_digit())
        {
            break;
        }
        rest = shorter;
    }
    while last && let Some(shorter) = TRAILING.iter().find_map(|label| rest.strip_suffix(label)) {
        let shorter = shorter.trim_end();
        if !shorter.ends_with(['.', '!', '?', '…', '"', '”', ')']) {
            break;
        }
        rest = shorter;
    }
    match bracketed_credit(rest) {
        Some(range) => {
            let (before, after) = (rest[..range.start].trim_end(), rest[range.end..].trim_start());
            let glue = if before.is_empty() || after.is_empty() { "" } else { " " };
            Cow::Owned(format!("{before}{glue}{after}"))
        }
        None => Cow::Borrowed(rest),
    }
}

/// The text without what pages put between two words of prose: notices of players and log-ins, and
/// "CLICK HERE …" in capitals.
pub(super) fn without_inline(text: &str) -> Cow<'_, str> {
    const SPANS: [(&str, &str); 2] = [
        ("To view this video please enable JavaScript", "supports HTML5 video"),
        ("Please refresh the page", "browser to be logged in"),
    ];
    const CLICK: &str = "CLICK HERE ";
    const INLINE_BYTES_MAX: usize = 180;
    static STARTS: LazyLock<AhoCorasick> = LazyLock::new(|| {
        AhoCorasick::new(SPANS.iter().map(|(start, _)| *start).chain([CLICK]))
            .expect("invariant: three constant phrases")
    });
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = STARTS.find(rest).map(|found| found.start()) {
        let inline = &rest[start..];
        let span = SPANS.iter().find(|(start, _)| inline.starts_with(start));
        let len = span.map_or_else(
            || shouted(inline),
            |(start, end)| {
                inline.find(end).filter(|at| *at <= INLINE_BYTES_MAX).map_or(start.len(), |at| at + end.len())
            },
        );
        out.push_str(&rest[..start]);
        rest = inline[len..].trim_start_matches(' ');
        if out.is_empty() || out.ends_with(['\n', ' ']) {
            rest = rest.trim_start_matches('.').trim_start_matches(' ');
        }
    }
    if rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Bytes of the words in capitals at the start; the last may be the first of the prose ("A") and stays.
fn shouted(text: &str) -> usize {
    let mut end = 0;
    for word in text.split_inclusive(' ') {
        let bare = word.trim();
        if bare.contains(char::is_lowercase)
            || bare.contains('\n')
            || !bare.contains(char::is_alphabetic)
            || (bare.len() == 1 && bare != "&")
        {
            break;
        }
        end += word.len();
    }
    end
}

/// The first `(credit: …)`, `(Photo by …)`, `[Photo/…]` of a unit.
fn bracketed_credit(written: &str) -> Option<std::ops::Range<usize>> {
    const INSIDE_BYTES_MAX: usize = 160;
    // Most units have neither: one pass for both, without a branch.
    if written.bytes().fold(0, |found, byte| found | u8::from(byte == b'(') | u8::from(byte == b'[')) == 0 {
        return None;
    }
    written.match_indices(['(', '[']).find_map(|(start, open)| {
        let inner = &written[start + 1..];
        let close = inner.find(if open == "(" { ')' } else { ']' }).filter(|close| *close <= INSIDE_BYTES_MAX)?;
        let inner = &inner[..close];
        let label = inner.split([':', '/']).next().filter(|label| label.len() < inner.len());
        let labelled = label.is_some_and(|label| CREDITS.contains(&bare(label).as_str()));
        let by = fold(inner.get(..9).unwrap_or_default()) == "photo by ";
        (labelled || by).then_some(start..start + 1 + close + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(line: &str) -> bool {
        is_label(line, line.split_whitespace().count())
    }

    fn pointer(line: &str) -> bool {
        starts_as_known(line) && is_pointer(line)
    }

    fn stamp(line: &str) -> bool {
        starts_as_known(line) && is_stamp(line, line.split_whitespace().count())
    }

    #[test]
    fn tables_are_folded() {
        for word in [LABELS, POINTERS, STAMPS, CREDITS].concat() {
            assert_eq!(fold(word), word);
        }
    }

    #[test]
    fn label_only_when_nothing_else_is_said() {
        assert!(label("Advertisement") && label(" — Реклама — ") && label("Read more »") && label("* * *"));
        assert!(!label("Advertisement tax rises") && !label("War"));
    }

    #[test]
    fn pointer_leads_elsewhere() {
        for line in [
            "Read more: Ferries collide",
            "READ ALSO: x",
            "Читайте також: Пороми",
            "À lire aussi Le port",
            "Lesen Sie auch: x",
        ] {
            assert!(pointer(line), "{line}");
        }
        for line in [
            "Readers morelike this",
            "More than 40 ships waited",
            "Related companies were searched",
            "Watchmen stood there",
        ] {
            assert!(!pointer(line), "{line}");
        }
    }

    #[test]
    fn stamp_is_a_label_and_a_date() {
        for line in [
            "LAST UPDATE | 24 Feb",
            "Published 3 March",
            "Updated at 10:30 a.m. ET, Feb. 24",
            "Оновлено: 17 березня 2025, 14:30",
            "Stand: 25.02.25, 14:30 Uhr",
        ] {
            assert!(stamp(line), "{line}");
        }
        for line in [
            "Updated rules enter into force on 3 March in all ports",
            "Published figures show growth",
            "24 February was cold",
        ] {
            assert!(!stamp(line), "{line}");
        }
    }

    #[test]
    fn credit_lines_and_captions_that_end_with_one() {
        for line in [
            "Photo: Example Agency",
            "Foto: dpa",
            "Фото: Example",
            "Image source, Getty Images",
            "The quay today. Alamy",
            "Ships at the quay. AP/Reuters",
            "The quay in March (Photo: A. Example)",
            "[Photo/Example]",
            "Getty Images",
        ] {
            assert!(is_credit(line), "{line}");
        }
        for line in [
            "The minister told Reuters",
            "Photo: why did they do it?",
            "He works for AP.",
            "Pictures show: the quay is gone and nobody knows when it will be rebuilt by the town",
        ] {
            assert!(!is_credit(line), "{line}");
        }
    }

    #[test]
    fn without_inline_leaves_the_prose_on_both_sides() {
        assert_eq!(without_inline("One. CLICK HERE TO GET THE EXAMPLE APP A ferry left."), "One. A ferry left.");
        let player = "To view this video please enable JavaScript, and consider a browser that supports HTML5 video";
        assert_eq!(without_inline(&format!("One. {player} Two.")), "One. Two.");
        assert!(matches!(without_inline("Click here and there."), Cow::Borrowed(_)));
    }

    #[test]
    fn trim_takes_labels_and_bracketed_credits() {
        assert_eq!(trim("Advertisement Supported by The port reopened.", true, false), "The port reopened.");
        assert_eq!(trim("Advertisement spending fell.", true, false), "Advertisement spending fell.");
        assert_eq!(trim("The port reopened. Advertisement", false, true), "The port reopened.");
        assert_eq!(trim("The quay. (credit: A. Example/Agency) Ships wait.", false, false), "The quay. Ships wait.");
        assert_eq!(trim("The quay (built: 1901) stands.", false, false), "The quay (built: 1901) stands.");
    }
}

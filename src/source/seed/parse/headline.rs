//! Which line of a plain text is the title, who wrote it and for whom. Site furniture may stand
//! before the title, and many texts have none: a wrong title is worse than no title, because it
//! weighs more than the body in every later stage.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::dates;
use crate::text::tokens::Tokens;

/// Longer lines are paragraphs.
const TITLE_CHARS_MAX: usize = 200;
/// A title stands at most this many lines above the byline, date or dateline.
const ABOVE_ANCHOR_MAX: usize = 3;
/// Lines searched from the top.
const SEARCHED_MAX: usize = dates::TOP_LINES;

/// Lines that start like this are the site's, not the article's.
const FURNITURE_STARTS: [&str; 26] = [
    "advertisement",
    "advertising",
    "skip to",
    "subscribe",
    "sign in",
    "sign up",
    "log in",
    "register",
    "menu",
    "share",
    "read more",
    "listen to",
    "save article",
    "print",
    "comments",
    "photo",
    "image",
    "follow us",
    "breaking news",
    "home",
    "we need your",
    "support us",
    "support our",
    "your support",
    "newsletter",
    "you are visiting",
];
/// So does whatever begins like this.
const VISITING: &str = "you are visiting";
/// Paragraphs with these words ask for something.
const FURNITURE_WORDS: [&str; 10] = [
    "cookies",
    "subscribe",
    "subscription",
    "newsletter",
    "contribute",
    "donate",
    "our journalism",
    "our reporting",
    "readers like you",
    "ad blocker",
];

/// Finds any of these in whatever case.
static FURNITURE_SEARCH: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let search = AhoCorasick::builder().ascii_case_insensitive(true).build(FURNITURE_WORDS);
    search.expect("invariant: a few constant words")
});

/// What was found around the body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SeedHeadline {
    /// Index of the title's line.
    pub title: Option<usize>,
    /// Index of the byline and the name in it.
    pub byline: Option<(usize, String)>,
    /// The outlet a dateline names.
    pub publisher: Option<String>,
}

/// What a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeadlineLine {
    /// The site's own: an appeal, a label, a caption.
    Furniture,
    /// Byline, date or dateline: stands just below the title.
    Anchor,
    /// Short and no sentence.
    TitleLike,
    /// A sentence or more.
    Prose,
}

/// Reads the top of a text, given as its non-empty trimmed lines.
pub(super) fn find(lines: &[&str]) -> SeedHeadline {
    let top = &lines[..lines.len().min(SEARCHED_MAX)];
    // The very first line may be "By land and sea": only what stands below something is a byline.
    let byline = top.iter().enumerate().skip(1).find_map(|(at, line)| byline_of(line).map(|name| (at, name)));
    let publisher = top.iter().find_map(|line| outlet_of(line));
    let kinds: Vec<HeadlineLine> = top.iter().map(|line| kind_of(line)).collect();
    let title = title_above_anchor(top, &kinds, lines).or_else(|| title_from_top(&kinds));
    SeedHeadline { title, byline, publisher }
}

/// The title-like line just above the first byline, date or dateline; of several, the one whose
/// words come again in the text.
fn title_above_anchor(top: &[&str], kinds: &[HeadlineLine], lines: &[&str]) -> Option<usize> {
    let anchor = kinds.iter().position(|kind| *kind == HeadlineLine::Anchor)?;
    let candidates =
        (anchor.saturating_sub(ABOVE_ANCHOR_MAX)..anchor).filter(|at| kinds[*at] == HeadlineLine::TitleLike);
    let told_again = |at: usize| {
        let body: std::collections::HashSet<String> = lines[anchor..]
            .iter()
            .take(SEARCHED_MAX)
            .flat_map(|line| Tokens::of(line).iter().map(|t| t.folded.to_owned()).collect::<Vec<_>>())
            .collect();
        let tokens = Tokens::of(top[at]);
        tokens.iter().filter(|t| t.folded.len() > 3 && body.contains(t.folded)).count()
    };
    let mut best: Option<(usize, usize)> = None;
    for at in candidates {
        let score = told_again(at);
        if best.is_none_or(|(_, top_score)| score > top_score) {
            best = Some((at, score));
        }
    }
    best.map(|(at, _)| at)
}

/// The first line that is not furniture, if it is like a title.
fn title_from_top(kinds: &[HeadlineLine]) -> Option<usize> {
    let at = kinds.iter().position(|kind| matches!(kind, HeadlineLine::TitleLike | HeadlineLine::Prose))?;
    (kinds[at] == HeadlineLine::TitleLike).then_some(at)
}

fn kind_of(line: &str) -> HeadlineLine {
    if byline_of(line).is_some() || dates::is_date_line(line) || is_dateline(line) {
        HeadlineLine::Anchor
    } else if is_furniture(line) {
        HeadlineLine::Furniture
    } else if is_title_like(line) {
        HeadlineLine::TitleLike
    } else {
        HeadlineLine::Prose
    }
}

fn is_furniture(line: &str) -> bool {
    // A label is a word or three ("Share this"); a title may start with the same word.
    if has_words_at_most(line, 6) {
        let lower = line.to_lowercase();
        let short = line.chars().count() <= 60;
        let label = |start: &&str| {
            lower.strip_prefix(*start).is_some_and(|rest| !rest.starts_with(char::is_alphabetic))
                && short
                && !line.ends_with('.')
        };
        if FURNITURE_STARTS.iter().any(label) {
            return true;
        }
    }
    (!is_title_like(line) && FURNITURE_SEARCH.is_match(line))
        || line.get(..VISITING.len()).is_some_and(|start| start.eq_ignore_ascii_case(VISITING))
        || is_caption(line)
}

/// Without a look at the rest of a long line.
fn has_words_at_most(line: &str, words: usize) -> bool {
    line.split_whitespace().nth(words).is_none()
}

/// "The harbour at dawn today. Agency": a sentence and a credit.
fn is_caption(line: &str) -> bool {
    let credit = line.as_bytes().windows(2).rposition(|pair| pair == b". ").map(|at| &line[at + 2..]);
    credit.is_some_and(|credit| {
        has_words_at_most(credit, 3) && credit.starts_with(char::is_uppercase) && !ends_sentence(credit)
    })
}

/// Short, no sentence, with at least two words.
pub(super) fn is_title_like(line: &str) -> bool {
    let mut words = line.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric));
    line.chars().nth(TITLE_CHARS_MAX).is_none()
        && words.nth(1).is_some()
        && !ends_sentence(line)
        && !line.ends_with([':', ',', ';'])
        && !line.contains("://")
        && !has_two_sentences(line)
}

/// Ends with a full stop, also within quotes; "in the U.S." does not count.
fn ends_sentence(line: &str) -> bool {
    let line = line.trim_end_matches(['"', '”', '’', '\'', '»', ')', ' ']);
    let Some(before) = line.strip_suffix(['.', '…', '。']) else { return false };
    let last = before.rsplit(|c: char| c.is_whitespace() || c == '.').next().unwrap_or_default();
    !(last.chars().count() == 1 && last.chars().all(char::is_uppercase))
}

/// A full stop in the middle, after a word in lower case and before one in upper case.
fn has_two_sentences(line: &str) -> bool {
    line.match_indices(". ").any(|(at, _)| {
        let word = line[..at].rsplit(' ').next().unwrap_or_default();
        word.chars().count() > 3 && line[at + 2..].starts_with(char::is_uppercase)
    })
}

/// The name in "By Jane Placeholder | Correspondent".
fn byline_of(line: &str) -> Option<String> {
    let starts = ["By ", "BY ", "Author: ", "Written by ", "Reporting by "];
    let rest = starts.iter().find_map(|start| line.strip_prefix(start))?;
    let name = rest.split(['|', '•', '·', '–', '—']).next().unwrap_or_default().trim().trim_end_matches(',');
    let small = [
        "and",
        "of",
        "the",
        "for",
        "in",
        "de",
        "da",
        "van",
        "von",
        "der",
        "la",
        "al",
        "bin",
        "staff",
        "newsroom",
        "desk",
        "correspondent",
        "reporter",
        "reporters",
        "editor",
        "writer",
        "agencies",
    ];
    let names = name.split_whitespace().all(|w| small.contains(&w) || !w.starts_with(char::is_lowercase));
    let count = name.split_whitespace().count();
    (names && (1..=10).contains(&count) && !ends_sentence(name)).then(|| name.to_owned())
}

/// A line that is nothing but a place and an outlet: "Kyiv • UNN".
fn is_dateline(line: &str) -> bool {
    has_words_at_most(line, 6) && bullet_outlet(line).is_some()
}

fn bullet_outlet(line: &str) -> Option<&str> {
    let (place, outlet) = line.split_once(" • ").or_else(|| line.split_once(" · "))?;
    let named = |s: &str| s.trim().starts_with(char::is_uppercase) && s.split_whitespace().count() <= 3;
    (named(place) && named(outlet) && !outlet.contains(['•', '·']) && crate::text::date::find(outlet).is_none())
        .then(|| outlet.trim())
}

/// The outlet in "Kyiv • UNN", "BRUSSELS (Agency) — The…" or "AGENCY- The…".
fn outlet_of(line: &str) -> Option<String> {
    if has_words_at_most(line, 6)
        && let Some(outlet) = bullet_outlet(line)
    {
        return Some(outlet.to_owned());
    }
    let place = dates::dateline_of(line)?;
    if let Some((_, outlet)) = place.strip_suffix(')').and_then(|p| p.rsplit_once('(')) {
        return (outlet.split_whitespace().count() <= 4).then(|| outlet.trim().to_owned()).filter(|o| !o.is_empty());
    }
    // A dash without a space before it follows an agency's name; a city's is set off by spaces.
    let attached = line[place.len()..].starts_with("- ");
    (attached && !place.contains(' ')).then(|| place.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title<'a>(lines: &[&'a str]) -> Option<&'a str> {
        find(lines).title.map(|at| lines[at])
    }

    const BODY: &str =
        "The harbour board said on Monday that the new pier would open in spring, after two years of work.";

    #[test]
    fn title_first_short_line_without_a_full_stop() {
        assert_eq!(title(&["Harbour opens new pier", BODY]), Some("Harbour opens new pier"));
        assert_eq!(title(&["Will the pier open in the U.S.", BODY]), Some("Will the pier open in the U.S."));
        assert_eq!(title(&["Harbour opens new pier"]), Some("Harbour opens new pier"));
    }

    #[test]
    fn title_text_that_starts_with_a_sentence_has_none() {
        assert_eq!(title(&[BODY, "Details", BODY]), None);
        assert_eq!(title(&["NORTHWIRE- The pier opens in spring.", "Details", BODY]), None);
        assert_eq!(title(&["“It opens in spring.”", BODY]), None);
        assert_eq!(title(&["Details:", BODY]), None);
    }

    #[test]
    fn title_behind_furniture_is_found_above_the_date_line() {
        let lines = [
            "Advertisement",
            "Our readers pay for this page",
            "Your donation keeps it open. Please consider supporting us with what you can spare.",
            "The new pier seen from the north this morning. Northwire",
            "Harbour opens new pier but warns of 'busy weeks' ahead",
            "The board told shipping lines to expect delays.",
            "LAST UPDATE | 24 Feb",
            BODY,
        ];
        assert_eq!(title(&lines), Some(lines[4]));
    }

    #[test]
    fn title_of_two_candidates_the_one_told_again_wins() {
        let lines = ["Great stories every morning here", "Harbour opens new pier", "By Jane Placeholder", BODY];
        assert_eq!(title(&lines), Some("Harbour opens new pier"));
        let lines = ["Harbour opens new pier", "Board promises quiet nights", "By Jane Placeholder", BODY];
        assert_eq!(title(&lines), Some("Harbour opens new pier"));
    }

    #[test]
    fn byline_names_a_person_and_not_a_phrase() {
        assert_eq!(byline_of("By Jane Placeholder | Correspondent").as_deref(), Some("Jane Placeholder"));
        assert_eq!(
            byline_of("By Jane Placeholder and John van Placeholder").as_deref(),
            Some("Jane Placeholder and John van Placeholder")
        );
        assert_eq!(byline_of("By the end of the year all will be well"), None);
        assert_eq!(find(&["By Land And Sea", BODY]).byline, None);
    }

    #[test]
    fn publisher_comes_from_datelines_only() {
        let table = [
            ("Northport • NNA", Some("NNA")),
            ("NORTHPORT, 14 May (Northwire) — The pier opened.", Some("Northwire")),
            ("NORTHWIRE- The pier opened on Monday.", Some("NORTHWIRE")),
            ("NORTHPORT — The pier opened on Monday.", None),
            ("A well-known pier - the oldest - opened.", None),
        ];
        for (line, expected) in table {
            assert_eq!(outlet_of(line).as_deref(), expected, "{line}");
        }
    }
}

//! A headline and the publisher's name that some sources hang on it ("… - Reuters", "… | BBC News",
//! "… - domain.tld"). The name is split off only when something says it is one: a list, the shape of
//! a domain, the item's own link or source, or a word that only publishers carry. A doubtful ending stays.

use super::url;
use crate::model::SourceId;
use crate::text::domain;
use crate::text::tokens::fold;

/// Between headline and publisher; each begins with a blank.
const SEPARATORS: [&str; 8] = [" | ", " - ", " – ", " — ", " · ", " :: ", " » ", " • "];
/// A publisher's name is short.
const PUBLISHER_CHARS_MAX: usize = 40;
const PUBLISHER_WORDS_MAX: usize = 6;
/// What must be left of a headline.
const TITLE_CHARS_MIN: usize = 10;

/// Publishers by their folded name: those whose name neither its shape nor a link gives away.
#[rustfmt::skip]
const KNOWN: &[&str] = &[
    "reuters", "bbc", "bbc news", "bbc sport", "bbc news ukraine", "bbc verify", "ap", "ap news", "associated press",
    "the associated press", "afp", "agence france-presse", "dpa", "ansa", "efe", "tass", "interfax",
    "interfax-ukraine", "ukrinform", "unian", "unn", "ria novosti", "bloomberg", "bloomberg.com", "cnn", "cnn.com",
    "cnn politics", "cnbc", "nbc", "nbc news", "abc news", "cbs news", "fox news", "npr", "pbs", "msnbc",
    "the guardian", "guardian", "the independent", "the telegraph", "the times", "the sun", "the economist",
    "financial times", "ft", "wsj", "the wall street journal", "the new york times", "nyt", "washington post",
    "the washington post", "politico", "politico europe", "axios", "the hill", "the atlantic", "time", "newsweek",
    "forbes", "usa today", "los angeles times", "sky news", "itv news", "al jazeera", "al jazeera english",
    "al arabiya", "al arabiya english", "albawaba", "dw", "deutsche welle", "spiegel", "der spiegel",
    "spiegel online", "zeit online", "die zeit", "faz.net", "faz", "welt", "die welt", "sz.de", "tagesschau", "n-tv",
    "le monde", "le monde.fr", "le figaro", "liberation", "le parisien", "france 24", "france24", "rfi", "euronews",
    "el pais", "el mundo", "abc", "la vanguardia", "corriere della sera", "la repubblica", "la stampa", "rai news",
    "onet", "gazeta wyborcza", "rzeczpospolita", "tvn24", "pap", "meduza", "medusa", "the moscow times",
    "novaya gazeta europe", "rferl", "rfe/rl", "radio free europe/radio liberty", "voice of america", "voa",
    "kyiv independent", "the kyiv independent", "ukrainska pravda", "ukrainian pravda", "українська правда",
    "укрінформ", "уніан", "унн", "суспільне", "liga.net", "nv", "нв", "цензор.нет", "рбк", "рбк-украина",
    "рбк-україна", "интерфакс", "коммерсантъ", "lenta.ru", "xinhua", "global times", "scmp",
    "south china morning post", "the japan times", "nhk world", "kyodo news", "yonhap", "the hindu", "ndtv",
    "times of israel", "the times of israel", "the jerusalem post", "haaretz", "anadolu", "anadolu ajansi",
    "daily sabah", "hurriyet daily news", "yahoo", "yahoo news", "msn", "google news", "aol", "slashdot", "the verge",
    "ars technica", "wired", "techcrunch", "the register", "bleepingcomputer", "krebs on security", "defense news",
    "breaking defense", "janes", "euractiv", "euobserver", "irish times", "the irish times", "rte", "thejournal.ie",
    "nos", "de volkskrant", "nrc", "svt nyheter", "dagens nyheter", "yle", "err", "lrt", "delfi", "publico", "globo",
    "g1",
];
/// Words that name a publication wherever they stand in a short name.
#[rustfmt::skip]
const MEDIA_WORDS: &[&str] = &[
    "news", "times", "post", "herald", "tribune", "gazette", "journal", "daily", "press", "magazine", "tv", "radio",
    "zeitung", "nachrichten", "presse", "online", "newspaper", "chronicle", "observer", "telegraph", "courier",
    "inquirer", "weekly", "review", "broadcasting", "newswire", "newsletter", "agency", "новини", "новости", "правда",
    "noticias", "notizie", "nouvelles", "wiadomosci", "gazeta", "diario", "nieuws", "nyheter",
];
/// Sections that stand between headline and publisher: "… | World news | The Example".
#[rustfmt::skip]
const SECTIONS: &[&str] = &[
    "world", "world news", "uk news", "us news", "news", "politics", "business", "europe", "opinion", "international",
    "sport", "technology", "economy", "culture", "ukraine", "russia", "middle east", "ausland", "politik", "monde",
    "international news",
];

/// A headline taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Headline {
    pub title: String,
    pub publisher: Option<String>,
}

/// Splits the publisher off a clean one-line headline.
pub(super) fn split(title: &str, link: Option<&str>, source: &SourceId) -> Headline {
    let whole = || Headline { title: title.to_owned(), publisher: None };
    let Some((rest, name, separator)) = last_segment(title) else { return whole() };
    if !is_publisher(name, separator, link, source) || !can_stand_alone(rest) {
        return whole();
    }
    let publisher = Some(name.to_owned());
    let mut rest = rest;
    while let Some((shorter, section, " | ")) = last_segment(rest) {
        let folded = fold(section);
        let goes = SECTIONS.contains(&folded.as_str()) || is_publisher(section, " | ", link, source);
        if !goes || !can_stand_alone(shorter) {
            break;
        }
        rest = shorter;
    }
    // The same name twice, "… - Example - Example", and any that now came to the end: once more, so
    // that a split headline has nothing left to split.
    Headline { publisher, title: split(rest, link, source).title }
}

fn last_segment(title: &str) -> Option<(&str, &str, &'static str)> {
    let separator_at = |at: usize| SEPARATORS.iter().find(|separator| title[at..].starts_with(**separator));
    let mut spaces = title.bytes().enumerate().rev().filter(|(_, byte)| *byte == b' ');
    let (at, separator) = spaces.find_map(|(at, _)| Some((at, *separator_at(at)?)))?;
    let (rest, name) = (title[..at].trim(), title[at + separator.len()..].trim());
    (!rest.is_empty() && !name.is_empty()).then_some((rest, name, separator))
}

fn can_stand_alone(rest: &str) -> bool {
    rest.chars().count() >= TITLE_CHARS_MIN && rest.split_whitespace().count() >= 2 || is_unspaced(rest)
}

/// Chinese and Japanese headlines have no words to count.
fn is_unspaced(rest: &str) -> bool {
    rest.chars().filter(|c| matches!(c, '\u{3040}'..='\u{9fff}')).count() >= 5
}

fn is_publisher(name: &str, separator: &str, link: Option<&str>, source: &SourceId) -> bool {
    let words: Vec<&str> = name.split_whitespace().collect();
    if name.chars().count() > PUBLISHER_CHARS_MAX || words.is_empty() || words.len() > PUBLISHER_WORDS_MAX {
        return false;
    }
    let folded = fold(name);
    if KNOWN.contains(&folded.as_str()) || is_domain(&folded) || names_the_source(&folded, link, source) {
        return true;
    }
    let capitalised = words.iter().all(|w| {
        !w.starts_with(char::is_lowercase)
            || matches!(*w, "of" | "the" | "de" | "la" | "le" | "del" | "di" | "and" | "für")
    });
    let media =
        folded.split_whitespace().any(|w| MEDIA_WORDS.contains(&w.trim_matches(|c: char| !c.is_alphanumeric())));
    // After a dash a name of one word is too often the headline's own last word: "Breaking - News".
    capitalised && media && words.len() <= 4 && (separator == " | " || words.len() >= 2) && !starts_like_prose(&folded)
}

/// "Daily briefing", "Live news": ends of headlines, not names.
fn starts_like_prose(folded: &str) -> bool {
    let last = folded.split_whitespace().next_back().unwrap_or_default();
    let first = folded.split_whitespace().next().unwrap_or_default();
    matches!(
        first,
        "breaking"
            | "latest"
            | "live"
            | "fake"
            | "good"
            | "bad"
            | "more"
            | "in"
            | "your"
            | "this"
            | "what"
            | "how"
            | "why"
    ) || matches!(last, "briefing" | "update" | "updates" | "conference" | "freedom" | "release" | "review" | "quiz")
}

fn is_domain(folded: &str) -> bool {
    let name = folded.strip_prefix("www.").unwrap_or(folded);
    !name.contains(char::is_whitespace)
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        && domain::is_public(name)
        && name.split('.').all(|label| label.len() > 1)
}

/// The name is what the link's host or the source's id says, spaces and marks aside.
fn names_the_source(folded: &str, link: Option<&str>, source: &SourceId) -> bool {
    let bare = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let name = bare(folded.strip_prefix("the ").unwrap_or(folded));
    if name.chars().count() < 3 {
        return false;
    }
    let host = link.and_then(url::host);
    let label = host.as_deref().and_then(domain::registered).and_then(|owner| owner.split('.').next()).map(bare);
    let source = source.as_str().split(['-', '_', '.']).collect::<String>();
    [label, Some(source)].into_iter().flatten().any(|known| {
        let known = known.strip_prefix("the").filter(|k| k.len() > 3).unwrap_or(&known);
        known == name || (name.len() >= 5 && known.starts_with(&name)) || (known.len() >= 5 && name.starts_with(known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(title: &str, link: &str, expected: (&str, Option<&str>)) {
        let source = SourceId::new("harbour-post").expect("a valid name");
        let headline = split(title, Some(link), &source);
        assert_eq!((headline.title.as_str(), headline.publisher.as_deref()), expected, "{title:?}");
        assert_eq!(split(&headline.title, Some(link), &source).title, headline.title, "again");
    }

    #[test]
    fn split_publishers_are_taken_off() {
        for (title, rest, publisher) in [
            ("Ships wait at the port - Reuters", "Ships wait at the port", "Reuters"),
            ("Ships wait at the port | BBC News", "Ships wait at the port", "BBC News"),
            ("Ships wait at the port – harbour.example.com", "Ships wait at the port", "harbour.example.com"),
            ("Ships wait at the port | World news | The Guardian", "Ships wait at the port", "The Guardian"),
            ("Ships wait - and wait - at the port - AP News", "Ships wait - and wait - at the port", "AP News"),
            ("Ships wait at the port — The Coastal Tribune", "Ships wait at the port", "The Coastal Tribune"),
            ("Ships wait at the port - Tidewatch", "Ships wait at the port", "Tidewatch"),
            ("Ships wait at the port | Harbour Post", "Ships wait at the port", "Harbour Post"),
            ("Ships wait at the port - Reuters - Reuters", "Ships wait at the port", "Reuters"),
            ("Кораблі чекають у порту - Укрінформ", "Кораблі чекають у порту", "Укрінформ"),
        ] {
            check(title, "https://www.tidewatch.example/a", (rest, Some(publisher)));
        }
    }

    #[test]
    fn split_real_titles_stay_whole() {
        for title in [
            "Ships wait at the port - live updates",
            "Harbour strike: talks fail - what we know",
            "Minister resigns – third this year",
            "Port - Reuters",
            "Reuters",
            "Ferry v Tug - Breaking News",
            "The port, the ships and the strike | A long read",
            "Weather today - Monday",
            "Crossword No. 5 - Quick",
            " - ",
            "Storm ahead - Daily Briefing",
        ] {
            check(title, "https://www.tidewatch.example/a", (title, None));
        }
    }
}

//! Whether a headline announces many events at once: a live blog, a briefing, a list of the week. Such an item
//! reports no event that others could join, however much of each it tells.

use std::sync::LazyLock;

use xxhash_rust::xxh3::xxh3_64;

use crate::text::tokens::{Tokens, fold};

/// Words of a headline that say so, as they stand in it when folded, with a space on either side.
#[rustfmt::skip]
const CUES: &[&str] = &[
    // live blogs
    " live blog ", " liveblog ", " live updates ", " live update ", " live coverage ", " as it happened ", " liveticker ",
    " live ticker ", " newsblog ", " im live ", " newsticker ", " en direct ", " en directo ", " in diretta ",
    " la diretta ", " na zywo ", " relacja live ", " наживо ", " онлаин трансляция ", " текстовая трансляция ",
    " текстова трансляція ",
    // briefings and lists
    " morning briefing ", " evening briefing ", " daily briefing ", " weekly briefing ", " news briefing ", " news in brief ",
    " in brief ", " round up ", " roundup ", " newsletter ", " list of key events ", " key events day ",
    " what we know on day ", " what you need to know this ", " things to know ", " week in review ", " the week in ",
    " weekly review ", " weekly digest ", " news digest ", " daily digest ", " week ahead ", " day ahead ", " what to watch ",
    " top stories ", " top news ", " headlines of the day ", " headlines today ", " today's headlines ", " at a glance ",
    " nachrichten am morgen ", " nachrichten am abend ", " das wichtigste ", " der tag im ueberblick ", " der tag im uberblick ",
    " wochenrueckblick ", " wochenruckblick ", " im uberblick ", " nachrichtenueberblick ", " nachrichtenuberblick ",
    " l'essentiel de ", " ce qu'il faut retenir ", " revue de presse ", " la semaine en ", " resumen de la semana ",
    " las noticias de ", " rassegna stampa ", " le notizie del giorno ", " przeglad prasy ", " przeglad wydarzen ",
    " najwazniejsze wydarzenia ", " podsumowanie dnia ", " podsumowanie tygodnia ", " головне за ", " головні новини ",
    " дайджест ", " главное за ", " главные новости ", " итоги дня ", " итоги недели ", " підсумки дня ", " підсумки тижня ",
];
/// Words before the colon of a headline that lists what follows.
#[rustfmt::skip]
const LISTS: &[&str] = &[
    "briefing", "brief", "week", "weekend", "weekly", "today", "tonight", "world", "morning", "evening", "digest",
    "news", "review", "overview", "recap", "live", "updates",
];

/// How many things such a headline counts.
#[rustfmt::skip]
const NUMBERS: &[&str] = &[
    "three", "four", "five", "six", "seven", "eight", "ten", "drei", "vier", "funf", "fuenf", "sechs", "sieben", "trois", "quatre",
    "cinq", "tres", "cuatro", "cinco", "tre", "quattro", "cinque", "trzy", "piec", "три", "п'ять", "пять",
];
#[rustfmt::skip]
const THINGS: &[&str] = &[
    "things", "stories", "headlines", "takeaways", "dinge", "nachrichten", "choses", "infos", "cosas", "noticias", "cose", "notizie",
    "rzeczy", "wiadomosci", "речеи", "новин", "вещеи", "новостеи",
];
/// What makes such things those of a day, or something to be known.
#[rustfmt::skip]
const OF_A_DAY: &[&str] = &[
    "today", "tonight", "morning", "evening", "week", "weekend", "day", "know", "watch", "heute", "morgen", "woche", "tages", "wissen",
    "savoir", "jour", "semaine", "matin", "saber", "dia", "semana", "hoy", "sapere", "giorno", "settimana", "oggi", "wiedziec",
    "dnia", "tygodnia", "dzis", "дня", "тижня", "сьогодні", "знати", "недели", "сегодня", "знать",
];

/// What a headline announces.
#[must_use]
pub fn is_roundup(title: &str) -> bool {
    announces_many(title, &Tokens::of(title))
}

/// [`is_roundup`] for a headline whose words are known.
#[must_use]
pub fn announces_many(title: &str, words: &Tokens) -> bool {
    let mut line = String::with_capacity(title.len() * 2 + 2);
    line.push(' ');
    for word in words.iter() {
        line.push_str(word.folded);
        line.push(' ');
    }
    has_cue(&line) || is_live(title) || is_list(title) || counts_things(&line) || counts_days(title, words)
}

/// The cues by a hash of their first word, in order: most headlines have none of those.
static CUES_BY_WORD: LazyLock<Vec<(u64, &str)>> = LazyLock::new(|| {
    let first = |cue: &str| xxh3_64(cue.split(' ').next().unwrap_or_default().as_bytes());
    let mut by_word: Vec<(u64, &str)> = CUES.iter().map(|cue| cue.trim_start()).map(|cue| (first(cue), cue)).collect();
    by_word.sort_unstable();
    by_word
});

/// Whether one of the cues stands in a line of folded words, each with a space behind it.
fn has_cue(line: &str) -> bool {
    let mut rest = line.trim_start_matches(' ');
    while let Some((word, behind)) = rest.split_once(' ') {
        let hash = xxh3_64(word.as_bytes());
        let from = CUES_BY_WORD.partition_point(|(known, _)| *known < hash);
        let mut cues = CUES_BY_WORD[from..].iter().take_while(|(known, _)| *known == hash);
        if cues.any(|(_, cue)| rest.starts_with(cue)) {
            return true;
        }
        rest = behind;
    }
    false
}

/// "Five things this morning", "5 choses à savoir": a number of things, and a word that says they are of a day or to be known.
fn counts_things(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.windows(2).enumerate().any(|(at, pair)| {
        let counted =
            NUMBERS.contains(&pair[0]) || pair[0].parse::<u8>().is_ok_and(|number| (2..=20).contains(&number));
        counted && THINGS.contains(&pair[1]) && words[at + 2..].iter().take(4).any(|word| OF_A_DAY.contains(word))
    })
}

/// Words for a day that a chronicle numbers.
const DAYS: &[&str] = &["day", "tag", "jour", "giorno", "dia", "dzien", "день"];
/// From here on it is no day of a trial or a tour, of which each is an event.
const LONG_DAYS_MIN: u32 = 100;

/// "War in the north, day 1370: what we know".
fn counts_days(title: &str, words: &Tokens) -> bool {
    let number = |word: &str| word.parse::<u32>().is_ok_and(|days| days >= LONG_DAYS_MIN);
    let pairs = words.iter().zip(words.iter().skip(1));
    title.contains([':', '|', '–', '—'])
        && pairs
            .map(|(a, b)| (a.folded, b.folded))
            .any(|(a, b)| DAYS.contains(&a) && number(b) || DAYS.contains(&b) && number(a))
}

/// Words before the colon of a headline that say that something is followed as it happens, folded.
#[rustfmt::skip]
const LIVE_HEADS: &[&str] = &[
    " live ", " liveblog ", " live blog ", " liveticker ", " live ticker ", " newsblog ", " newsticker ", " en direct ",
    " en directo ", " in diretta ", " diretta ", " na zywo ", " наживо ", " онлаин ",
];
/// A headline of fewer words names a place or a matter, not what happened there.
const LIVE_WORDS_MIN: usize = 4;

/// What a live blog has on top: "Harbour dispute live: council calls off the vote" says that the council called off
/// the vote. `None` where the headline is that of no live blog, names no one event, or names several.
#[must_use]
pub fn live_headline(title: &str) -> Option<&str> {
    // Most headlines have neither.
    let at = title.find(": ").or_else(|| title.find(" | "))?;
    if !is_roundup(title) {
        return None;
    }
    let (head, rest) = (title.get(..at)?, title.get(at..)?.trim_start_matches([':', '|', ' ', '+']));
    let rest = rest.trim_end_matches(['+', ' ']);
    let words = |text: &str| Tokens::of(text).iter().map(|word| fold(word.folded)).collect::<Vec<_>>();
    let line = format!(" {} ", words(head).join(" "));
    let follows = LIVE_HEADS.iter().any(|cue| line.contains(cue));
    let one = !rest.contains([';', '|', '+']) && !rest.contains(" – ") && !is_roundup(rest) && !is_list(title);
    (follows && one && words(rest).len() >= LIVE_WORDS_MIN).then_some(rest)
}

/// Where the newest entry of a live blog ends: before the second line that starts with a time of day; without such
/// lines, after the first paragraph of what is longer than a note.
#[must_use]
pub fn live_entry_end(text: &str) -> usize {
    let lines = || text.split_inclusive('\n').scan(0, |at, line| Some((std::mem::replace(at, *at + line.len()), line)));
    let mut timed = lines().filter(|(_, line)| starts_with_time(line)).map(|(at, _)| at);
    let end = match (timed.next(), timed.next()) {
        (Some(_), Some(second)) => second,
        (Some(_), None) => text.len(),
        (None, _) if text.len() <= LIVE_NOTE_BYTES => text.len(),
        (None, _) => lines().find(|(_, line)| line.len() > 1).map_or(text.len(), |(at, line)| at + line.len()),
    };
    text[..end].trim_end().len()
}

/// The text of a live blog without times is as long as this at most, where all of it is on what the headline says.
const LIVE_NOTE_BYTES: usize = 600;

/// "11:32 …", "11.32 Uhr …", "11h32 …", "+++ 11:32 …".
fn starts_with_time(line: &str) -> bool {
    let line = line.trim_start_matches(|c: char| !c.is_alphanumeric());
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let rest = line.as_bytes().get(digits..).unwrap_or_default();
    (1..=2).contains(&digits)
        && matches!(rest, [b':' | b'.' | b'h', tens, ones, ..] if tens.is_ascii_digit() && ones.is_ascii_digit())
        && !rest.get(3).is_some_and(u8::is_ascii_digit)
}

/// "… live: …", "Live: …", "… live | …".
fn is_live(title: &str) -> bool {
    let mut parts = title.split([':', '|', '–']);
    let head = fold(parts.next().unwrap_or_default().trim());
    parts.next().is_some() && (head == "live" || head.ends_with(" live"))
}

/// "This week: one thing, another and a third": a heading, then three things or more.
fn is_list(title: &str) -> bool {
    let Some((heading, rest)) = title.split_once(": ") else { return false };
    let heading = Tokens::of(heading);
    if heading.len() > 7 || !heading.iter().any(|word| LISTS.contains(&word.folded)) {
        return false;
    }
    rest.split([',', ';']).flat_map(|part| part.split(" and ")).filter(|part| !part.trim().is_empty()).count() >= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roundup_is_known_by_its_headline() {
        for title in [
            "Harbour dispute live: ministers arrive for second day",
            "Live: votes are counted in the north",
            "Harbour dispute – as it happened",
            "Morning briefing: a new ferry, two strikes and a lighthouse",
            "The coast this week: a new ferry, two strikes, one lighthouse",
            "Liveticker zum Hafenstreit",
            "List of key events on day 40 of the strike",
            "Northern towns in brief",
            "The Quay Letter: five things this morning",
            "5 choses à savoir ce matin",
            "Drei Dinge, die man heute wissen muss",
            "Harbour strike, day 137: what we know",
        ] {
            assert!(is_roundup(title), "{title}");
        }
    }

    #[test]
    fn live_blog_has_one_event_on_top_or_none() {
        for (title, top) in [
            ("Harbour dispute live: council calls off the vote", Some("council calls off the vote")),
            ("Harbour dispute live updates: council calls off the vote", Some("council calls off the vote")),
            ("Live: council calls off the vote", Some("council calls off the vote")),
            ("Hafenstreit im Liveticker: +++ Rat sagt die Abstimmung ab +++", Some("Rat sagt die Abstimmung ab")),
            ("Port, en direct : le conseil annule le vote", Some("le conseil annule le vote")),
            ("Harbour dispute live: latest updates", None),
            ("Live: a ferry, two strikes, one lighthouse", None),
            ("Live: council calls off vote; ferry aground", None),
            ("Harbour dispute: council calls off the vote", None),
            ("Oldtown v Newport – live", None),
            ("Morning briefing: council calls off the vote", None),
        ] {
            assert_eq!(live_headline(title), top, "{title}");
        }
    }

    #[test]
    fn newest_entry_ends_where_the_one_before_it_begins() {
        let blog = "All that happens at the harbour.\n11:32 The council calls off the vote.\n10:05 Boats arrive.";
        assert_eq!(
            &blog[..live_entry_end(blog)],
            "All that happens at the harbour.\n11:32 The council calls off the vote."
        );
        for whole in ["The council calls off the vote. 9.50 euros were asked.", "11h32 Le conseil annule le vote.", ""]
        {
            assert_eq!(live_entry_end(whole), whole.len(), "{whole}");
        }
        let long = format!("The council calls off the vote.\n{}", "Boats arrive, and nobody knows why. ".repeat(30));
        assert_eq!(&long[..live_entry_end(&long)], "The council calls off the vote.");
    }

    #[test]
    fn report_of_one_event_is_none() {
        for title in [
            "Where the fishermen live",
            "Minister: ferry, bridge and tunnel will be paid for",
            "Two strikes, one lighthouse: how a town got its light back",
            "Concert to be shown live on the harbour square",
            "Weekly market moves to the harbour",
            "Five things were stolen from the lighthouse",
            "Council hears three stories of the flood",
            "Two things about the ferry that nobody wanted to know of",
            "Harbour trial, day 3: captain says he slept",
            "What we know of the ferry that sank",
            "",
        ] {
            assert!(!is_roundup(title), "{title}");
        }
    }
}

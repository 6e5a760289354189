//! Whether a headline announces many events at once: a live blog, a briefing, a list of the week. Such an item
//! reports no event that others could join, however much of each it tells.

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
    let mut line = String::from(" ");
    for word in Tokens::of(title).iter() {
        line.push_str(word.folded);
        line.push(' ');
    }
    CUES.iter().any(|cue| line.contains(cue))
        || is_live(title)
        || is_list(title)
        || counts_things(&line)
        || counts_days(title)
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
fn counts_days(title: &str) -> bool {
    let words = Tokens::of(title);
    let words: Vec<&str> = words.iter().map(|word| word.folded).collect();
    let number = |word: &str| word.parse::<u32>().is_ok_and(|days| days >= LONG_DAYS_MIN);
    let counted = words
        .windows(2)
        .any(|pair| DAYS.contains(&pair[0]) && number(pair[1]) || DAYS.contains(&pair[1]) && number(pair[0]));
    counted && title.contains([':', '|', '–', '—'])
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

//! The weekdays that an opening names: what happened on Tuesday is not what happened on Wednesday. Says
//! nothing about which week, and reads the languages feeds come in.

use crate::text::tokens::Tokens;

/// Words that are read: a report says in its first sentences when it was.
const WORDS_MAX: usize = 60;

/// How the days begin in each language, Monday first; the folded word has to begin with the whole of it and to
/// end within a few letters (cases, plurals).
const DAYS: [&[&str]; 7] = [
    &[
        "monday",
        "montag",
        "lundi",
        "lunes",
        "lunedi",
        "segundafeira",
        "maandag",
        "poniedzial",
        "понедельник",
        "понеділ",
    ],
    &[
        "tuesday",
        "dienstag",
        "mardi",
        "martes",
        "martedi",
        "dinsdag",
        "wtorek",
        "wtorku",
        "вторник",
        "вівтор",
        "вівтір",
    ],
    &["wednesday", "mittwoch", "mercredi", "miercoles", "mercoledi", "woensdag", "srod", "среду", "среда", "серед"],
    &["thursday", "donnerstag", "jeudi", "jueves", "giovedi", "donderdag", "czwart", "четверг", "четвер"],
    &["friday", "freitag", "vendredi", "viernes", "venerdi", "vrijdag", "piatek", "piatku", "пятниц", "п'ятниц"],
    &["saturday", "samstag", "sonnabend", "samedi", "sabado", "sabato", "zaterdag", "sobot", "суббот", "субот"],
    &["sunday", "sonntag", "dimanche", "domingo", "domenica", "zondag", "niedziel", "воскресень", "неділ"],
];
/// Letters of a case or plural ending.
const ENDING_MAX: usize = 4;

/// A bit for each weekday that the first words of headline and body name, Monday lowest.
#[must_use]
pub fn named(title: &Tokens, text: &Tokens) -> u8 {
    let words = title.iter().chain(text.iter().take(WORDS_MAX));
    words.filter_map(|word| weekday(word.folded)).fold(0, |days, day| days | 1 << day)
}

fn weekday(folded: &str) -> Option<usize> {
    // Every form has five bytes at least, and no word is this long.
    if !(5..=24).contains(&folded.len()) {
        return None;
    }
    let first = folded.as_bytes()[0];
    DAYS.iter().position(|forms| {
        forms.iter().filter(|form| form.as_bytes()[0] == first).any(|form| {
            folded
                .strip_prefix(form)
                .is_some_and(|rest| rest.len() <= 2 * ENDING_MAX && rest.chars().count() <= ENDING_MAX)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(title: &str, text: &str) -> u8 {
        named(&Tokens::of(title), &Tokens::of(text))
    }

    #[test]
    fn weekday_is_found_in_any_case_of_any_language() {
        assert_eq!(of("", "The bridge was shut on Tuesday night, and not on Sunday."), 1 << 1 | 1 << 6);
        assert_eq!(of("Am Montag kommt der Rat zusammen", ""), 1);
        assert_eq!(of("", "W środę przyjęto ustawę"), 1 << 2);
        assert_eq!(of("", "у п'ятницю ввечері; в пятницу вечером"), 1 << 4);
        assert_eq!(of("Mondays and months", "sunlight, friends, средства"), 1);
    }

    #[test]
    fn weekday_far_down_in_the_text_says_nothing() {
        assert_eq!(of("", &format!("{} Monday", "word ".repeat(WORDS_MAX))), 0);
    }
}

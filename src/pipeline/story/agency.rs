//! The marks that agencies put before a headline: "URGENT:", "UPDATE 2-", "WRAPUP 1-". They say how an outlet files a
//! report, nothing about what it reports, and two of them would pass for another name and another number.

/// Marks as they are written, in capitals; a number may follow.
const MARKS: &[&str] = &[
    "URGENT",
    "BREAKING NEWS",
    "BREAKING",
    "UPDATED",
    "UPDATE",
    "WRAPUP",
    "EXCLUSIVE",
    "CORRECTED",
    "CORRECTION",
    "REFILE",
    "RECAST",
    "FLASH",
    "EILMELDUNG",
    "EILT",
    "EXKLUSIV",
    "ALERTE INFO",
    "EXCLUSIF",
    "ÚLTIMA HORA",
    "URGENTE",
    "EXCLUSIVA",
    "ULTIM'ORA",
    "ESCLUSIVA",
    "PILNE",
    "ТЕРМІНОВО",
    "СРОЧНО",
    "МОЛНИЯ",
];
/// Marks that one headline can have.
const AT_MOST: usize = 2;

/// The headline without them.
#[must_use]
pub fn without_marks(title: &str) -> &str {
    let mut rest = title;
    for _ in 0..AT_MOST {
        let Some(next) = MARKS.iter().find_map(|mark| strip(rest, mark)) else { break };
        rest = next;
    }
    rest
}

/// What follows a mark; "UPDATE" before a word that goes on with the sentence is none.
fn strip<'a>(title: &'a str, mark: &str) -> Option<&'a str> {
    let rest = title.strip_prefix(mark)?;
    let numbered = rest.trim_start_matches(' ').trim_start_matches(|c: char| c.is_ascii_digit());
    let after = numbered.trim_start_matches(' ').strip_prefix([':', '-', '–', '—', '|'])?;
    let after = after.trim_start();
    (!after.is_empty()).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_taken_off_and_words_are_not() {
        for (title, bare) in [
            ("URGENT: Ferry aground", "Ferry aground"),
            ("UPDATE 2-Ferry freed", "Ferry freed"),
            ("BREAKING: EXCLUSIVE - Ferry sold", "Ferry sold"),
            ("СРОЧНО: паром сел на мель", "паром сел на мель"),
            ("UPDATE of the harbour map", "UPDATE of the harbour map"),
            ("Breaking the ice: a harbour in winter", "Breaking the ice: a harbour in winter"),
            ("URGENT:", "URGENT:"),
        ] {
            assert_eq!(without_marks(title), bare);
        }
    }
}

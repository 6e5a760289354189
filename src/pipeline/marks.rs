//! Whether an item says of itself that it corrects, or takes back, what was reported before: the marks that agencies
//! and papers of eight languages set at the head of such a piece.

use crate::text::tokens::Tokens;

/// What an item says of what was reported before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CorrectionMark {
    /// Something in it was wrong.
    Corrected,
    /// It does not stand any more.
    Withdrawn,
}

/// At the head of the headline, before a colon, a dash or a bracket, or alone.
const CORRECTED_HEADS: [&str; 24] = [
    "correction",
    "corrected",
    "corrects",
    "clarification",
    "erratum",
    "korrektur",
    "berichtigung",
    "richtigstellung",
    "korrigiert",
    "rectificatif",
    "precision",
    "correccion",
    "rectificacion",
    "fe de erratas",
    "fe de errores",
    "correzione",
    "rettifica",
    "errata corrige",
    "sprostowanie",
    "korekta",
    "виправлено",
    "уточнення",
    "исправлено",
    "поправка",
];

const WITHDRAWN_HEADS: [&str; 16] = [
    "retraction",
    "retracted",
    "withdrawn",
    "kill",
    "kill notice",
    "mandatory kill",
    "story withdrawn",
    "zuruckgezogen",
    "annule",
    "depeche annulee",
    "anulado",
    "annullato",
    "anulowano",
    "wycofano",
    "анульовано",
    "аннулировано",
];

/// In the first words of the text.
const CORRECTED_OPENINGS: [&str; 11] = [
    "an earlier version of this",
    "a previous version of this",
    "this story has been corrected",
    "this article has been corrected",
    "in einer fruheren version",
    "une version precedente de",
    "una version anterior de",
    "una versione precedente di",
    "we wczesniejszej wersji",
    "у попередній версії",
    "в предыдущей версии",
];

const WITHDRAWN_OPENINGS: [&str; 4] = [
    "this story has been withdrawn",
    "this article has been retracted",
    "has withdrawn its story",
    "has retracted its",
];

/// Words of the text that are looked at.
const OPENING_WORDS: usize = 30;
/// Bytes in which they are looked for first.
const START_BYTES: usize = 320;

/// The mark that an item carries, if any.
pub(super) fn correction_mark(title: &str, text: &str) -> Option<CorrectionMark> {
    let head =
        title.split([':', '–', '—', '-', '(', '[', '|', '/']).find(|part| !part.trim().is_empty()).unwrap_or_default();
    let (head, opening) = (folded(head, usize::MAX), folded(text, OPENING_WORDS));
    let says = |heads: &[&str], openings: &[&str]| {
        heads.contains(&head.as_str()) || openings.iter().any(|words| opening.contains(words))
    };
    if says(&WITHDRAWN_HEADS, &WITHDRAWN_OPENINGS) {
        Some(CorrectionMark::Withdrawn)
    } else if says(&CORRECTED_HEADS, &CORRECTED_OPENINGS) {
        Some(CorrectionMark::Corrected)
    } else {
        None
    }
}

/// The first words of a text, folded. What stands behind them is not read: articles are long.
fn folded(text: &str, words: usize) -> String {
    let mut read = START_BYTES.min(text.len());
    loop {
        // Words end at a space, whatever stands around.
        let end = text.as_bytes()[read..].iter().position(|byte| *byte == b' ').map_or(text.len(), |at| read + at);
        let tokens = Tokens::of(&text[..end]);
        if end < text.len() && tokens.len() < words {
            read = (end * 2).min(text.len());
            continue;
        }
        return tokens.iter().take(words).map(|token| token.folded).collect::<Vec<_>>().join(" ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_words_are_those_of_the_whole_text() {
        let letters = "Гавань ".repeat(90);
        let long = format!("{} end", "x".repeat(2_000));
        for text in ["", "one", "An earlier version of this report named three.", &letters, &long] {
            let all = Tokens::of(text);
            let whole: Vec<&str> = all.iter().take(OPENING_WORDS).map(|token| token.folded).collect();
            assert_eq!(folded(text, OPENING_WORDS), whole.join(" "), "{text}");
            assert_eq!(folded(text, usize::MAX).split(' ').filter(|word| !word.is_empty()).count(), all.len());
        }
    }

    #[test]
    fn marks_stand_at_the_head_and_nowhere_else() {
        use CorrectionMark::{Corrected, Withdrawn};
        for (title, text, mark) in [
            ("CORRECTION: Two harbours, not three, stay closed", "", Some(Corrected)),
            ("Correction – Two harbours stay closed", "", Some(Corrected)),
            ("Korrektur: Zwei Häfen bleiben zu", "", Some(Corrected)),
            ("Rectificatif (port)", "", Some(Corrected)),
            ("Fe de erratas: el puerto sigue cerrado", "", Some(Corrected)),
            ("Errata corrige: il porto resta chiuso", "", Some(Corrected)),
            ("Sprostowanie: port pozostaje zamknięty", "", Some(Corrected)),
            ("Виправлено: порт закрито", "", Some(Corrected)),
            ("Исправлено: порт закрыт", "", Some(Corrected)),
            ("Two harbours closed", "An earlier version of this report named three.", Some(Corrected)),
            ("KILL: Harbour report", "", Some(Withdrawn)),
            ("Withdrawn: harbour report", "", Some(Withdrawn)),
            ("Harbours", "The agency has withdrawn its story about the harbours.", Some(Withdrawn)),
            ("Market correction: shares fall", "", None),
            ("House of correction opens", "", None),
            ("Police kill two in raid", "", None),
            ("Troops withdrawn from the border", "They left at noon.", None),
            ("Two harbours closed", "The council met. Nobody mentioned an earlier plan of this kind.", None),
        ] {
            assert_eq!(correction_mark(title, text), mark, "{title} / {text}");
        }
    }
}

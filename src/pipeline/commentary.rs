//! Whether an item says of itself that it comments, analyses or explains: by the mark before its headline, the part of
//! the site that it stands in, whom it quotes, or a headline that asks or sums up. Such a piece follows the news; it is no report of it, however
//! much it says about a topic.

use crate::model::Lang;
use crate::text::tokens::{Tokens, fold};

/// Parts of a link's path that hold such pieces.
#[rustfmt::skip]
const SECTIONS: &[&str] = &[
    "opinion", "opinions", "commentisfree", "comment", "commentary", "analysis", "editorial", "editorials", "op-ed", "oped",
    "columns", "columnists", "columnist", "explainer", "explainers", "perspectives", "viewpoint", "viewpoints",
    "meinung", "kommentare", "kommentar", "gastbeitrag", "debatte", "opinie", "opinia", "felietony", "komentarze", "publicystyka",
    "tribune", "tribunes", "debats", "idees", "editos", "chroniques", "tribuna", "columnas", "opinioni", "editoriali",
    "commenti", "dumka", "blogs", "mneniya", "opinions-and-editorials",
];
/// Marks at the head of a headline, before a colon or a bar, or behind the last bar.
#[rustfmt::skip]
const MARKS: &[&str] = &[
    "analysis", "news analysis", "explainer", "explained", "factbox", "opinion", "editorial", "comment", "commentary", "column",
    "op ed", "essay", "perspective", "viewpoint", "q a", "timeline", "analyse", "kommentar", "meinung", "gastbeitrag",
    "leitartikel", "faktencheck", "hintergrund", "gastkommentar", "tribune", "edito", "decryptage", "chronique", "point de vue",
    "analisis", "editorial invitada", "tribuna", "columna", "analisi", "commento", "opinione", "editoriale", "analiza",
    "komentarz", "opinia", "felieton", "wyjasniamy", "аналіз", "аналітика", "думка", "колонка", "погляд", "пояснюємо", "блог",
    "анализ", "аналитика", "мнение", "разбор",
];
/// First words of headlines that explain, by language.
#[rustfmt::skip]
const ASKING: &[(&str, &[&str])] = &[
    ("en", &["why", "how", "what", "what's"]),
    ("de", &["warum", "wieso", "weshalb", "wie", "was"]),
    ("fr", &["pourquoi", "comment"]),
    ("it", &["perche"]),
    ("es", &["por que", "que es", "que significa"]),
    ("pl", &["dlaczego"]),
    ("uk", &["чому", "навіщо"]),
    ("ru", &["почему", "зачем"]),
];
/// First words of questions that want a yes or a no.
#[rustfmt::skip]
const YES_OR_NO: &[&str] = &[
    "will", "can", "could", "should", "would", "is", "are", "does", "do", "did", "has", "have", "czy", "чи", "ist", "sind",
    "kann", "wird",
];

/// What says at the end of a headline, behind a dash, who is no witness of anything: a poll, those who study a matter.
#[rustfmt::skip]
const ATTRIBUTED: &[&str] = &[
    "poll", "survey", "analyst", "analysts", "expert", "experts", "economists", "umfrage", "experten", "analysten", "sondage",
    "experts disent", "sondaggio", "analisti", "encuesta", "analistas", "sondaz", "eksperci", "analitycy", "експерти", "аналітики",
    "опитування", "эксперты", "аналитики", "опрос",
];
/// What a headline ends on that tells what is known of an event that others reported.
#[rustfmt::skip]
const KNOWN: &[&str] = &[
    "what we know", "what we know so far", "what to know", "what you need to know", "what you should know", "here's what we know",
    "here's what to know", "was wir wissen", "was wir bisher wissen", "was man weiss", "das ist bekannt", "ce que l'on sait",
    "ce qu'on sait", "ce que l'on sait pour l'instant", "lo que se sabe", "lo que sabemos", "cosa sappiamo", "cosa si sa",
    "co wiemy", "co wiadomo", "що відомо", "що ми знаємо", "что известно", "что мы знаем",
];

/// Whether a headline or a link announces such a piece.
pub(super) fn is_commentary(title: &str, url: Option<&str>, lang: Option<Lang>) -> bool {
    url.is_some_and(in_section) || is_marked(title) || asks(title, lang) || is_attributed(title) || sums_up(title)
}

/// "Sanctions must grow to work – analysts", "Most voters want a ferry -poll".
fn is_attributed(title: &str) -> bool {
    let tail = [" -", " –", " —"].iter().filter_map(|dash| title.rsplit_once(dash)).map(|(_, tail)| tail);
    tail.min_by_key(|tail| tail.len()).is_some_and(|tail| ATTRIBUTED.contains(&words(tail).as_str()))
}

/// "Ferry aground at Oldtown: what we know so far".
fn sums_up(title: &str) -> bool {
    let tail = [": ", " – ", " — ", " - ", ". ", " | "]
        .iter()
        .filter_map(|mark| title.rsplit_once(mark))
        .map(|(_, tail)| tail);
    tail.min_by_key(|tail| tail.len()).is_some_and(|tail| KNOWN.contains(&words(tail).as_str()))
}

fn in_section(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    // Scheme, host; the last part is the article's own.
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let inner = parts.get(2..parts.len().saturating_sub(1)).unwrap_or_default();
    inner.iter().any(|part| SECTIONS.contains(&part.to_ascii_lowercase().as_str()))
}

fn is_marked(title: &str) -> bool {
    let mark = |part: &str| MARKS.contains(&words(part).as_str());
    let head = title.find(": ").or_else(|| title.find('|')).is_some_and(|end| mark(&title[..end]));
    head || title.rsplit_once('|').is_some_and(|(_, tail)| mark(tail))
}

fn asks(title: &str, lang: Option<Lang>) -> bool {
    let line = words(title);
    let starts = |start: &&str| line.strip_prefix(start).is_some_and(|rest| rest.starts_with(' '));
    let lang = lang.as_ref().map_or("", Lang::as_str);
    let asking = ASKING.iter().find(|(code, _)| *code == lang).map_or(&[][..], |(_, words)| words);
    asking.iter().any(starts) || title.contains('?') && YES_OR_NO.iter().any(starts)
}

fn words(text: &str) -> String {
    let folded = fold(text);
    Tokens::of(&folded).iter().map(|token| token.folded.to_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commentary_is_known_by_its_mark_its_place_or_its_question() {
        let en = Some(Lang::EN);
        for (title, url, lang) in [
            ("Explainer: the harbour toll", "", en),
            ("Opinion | Pay the toll and be glad", "", en),
            ("The toll must go | Editorial", "", en),
            ("Kommentar: Die Maut muss weg", "", Lang::from_tag("de")),
            ("Думка: мито треба скасувати", "", Lang::from_tag("uk")),
            ("The toll must go", "https://gazette.example/opinion/2025/toll", en),
            ("The toll must go", "https://gazette.example/news/commentisfree/toll?x=1", en),
            ("Why the harbour toll hurts", "", en),
            ("Warum die Maut schadet", "", Lang::from_tag("de")),
            ("Will the toll go? Do not count on it", "", en),
            ("Toll will not last -analysts", "", en),
            ("Most boatmen want the toll gone – poll", "", en),
            ("Harbour toll dropped: what we know so far", "", en),
            ("Hafenmaut fällt weg: Was wir wissen", "", Lang::from_tag("de")),
            ("Мито скасовано: що відомо", "", Lang::from_tag("uk")),
        ] {
            assert!(is_commentary(title, Some(url), lang), "{title} {url}");
        }
    }

    #[test]
    fn report_is_no_commentary() {
        let en = Some(Lang::EN);
        for (title, url) in [
            ("Council drops the harbour toll", "https://gazette.example/news/2025/opinion"),
            ("Minister: toll goes in spring", "https://opinion.example/news/toll"),
            ("Will Smith opens the harbour", ""),
            ("Harbour toll to go?", ""),
            ("Howard asks for a toll", ""),
            ("Poll opens at the harbour – three boats first", ""),
            ("Council drops the toll – mayor", ""),
            ("Divers say what we know of the wreck is wrong", ""),
            ("", ""),
        ] {
            assert!(!is_commentary(title, Some(url), en), "{title} {url}");
        }
        assert!(!is_commentary("Was the toll paid", None, en), "a German question, not an English one");
    }
}

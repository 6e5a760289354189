//! A word → its stem in a language. Snowball where there is an algorithm; light suffix stripping of
//! our own for Ukrainian and Polish, which Snowball lacks. Stems are folded, so they compare like words.

use std::borrow::Cow;

use frostem::{Algorithm, Stemmer};

use crate::model::Lang;
use crate::text::tokens::fold;

/// Languages that have stems, by ISO code. A [`Language`] is an index into this.
const LANGUAGES: [(&str, Method); COUNT] = [
    ("en", Method::Snowball(Algorithm::English)),
    ("fr", Method::Snowball(Algorithm::French)),
    ("de", Method::Snowball(Algorithm::German)),
    ("es", Method::Snowball(Algorithm::Spanish)),
    ("it", Method::Snowball(Algorithm::Italian)),
    ("pt", Method::Snowball(Algorithm::Portuguese)),
    ("nl", Method::Snowball(Algorithm::Dutch)),
    ("sv", Method::Snowball(Algorithm::Swedish)),
    ("ru", Method::Snowball(Algorithm::Russian)),
    ("uk", Method::Endings(UKRAINIAN)),
    ("pl", Method::Endings(POLISH)),
];

/// How many languages have stems.
pub(super) const COUNT: usize = 11;

/// Case and number endings of nouns and adjectives.
const UKRAINIAN: &str = "\
    остями іями ністю ності ями ами ові еві єві ого ому ими іми ією іях іям ість ості ах ях ам ям ом ем єм ою \
    ею єю ів їв ей ий ій их їх им їм ої ую юю ая яя ії ію ія а я у ю о е і и";
const POLISH: &str = "\
    owie iami ości ach iom ami ymi imi ych ich ego emu iej iem owi ów om em ym im ej ie ią ię ia ii ji \
    ją ję ja je jo a ą e ę i o u y";
/// What is left of a word never gets shorter than this.
const STEM_LETTERS_MIN: usize = 3;

#[derive(Clone, Copy)]
enum Method {
    Snowball(Algorithm),
    Endings(&'static str),
}

/// A language with stems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Language(usize);

impl Language {
    /// Every one that could write a word like this: Latin and Cyrillic never mix.
    pub fn that_write(word: &str) -> impl Iterator<Item = Self> {
        let cyrillic = word.chars().any(|c| ('\u{400}'..='\u{52f}').contains(&c));
        (0..COUNT).map(Self).filter(move |language| language.is_cyrillic() == cyrillic)
    }

    /// The language of an item; an unknown one is read as English.
    pub fn of(lang: Option<Lang>) -> Option<Self> {
        let code = lang.unwrap_or(Lang::EN);
        LANGUAGES.iter().position(|(known, _)| *known == code.as_str()).map(Self)
    }

    /// Its number, below [`COUNT`].
    pub fn index(self) -> usize {
        self.0
    }

    fn is_cyrillic(self) -> bool {
        matches!(LANGUAGES[self.0].0, "ru" | "uk")
    }

    /// The folded stem of a lower-case word.
    pub fn stem(self, word: &str) -> String {
        let stem: Cow<'_, str> = match LANGUAGES[self.0].1 {
            Method::Snowball(algorithm) => Stemmer::new(algorithm).stem(word),
            Method::Endings(endings) => Cow::Borrowed(strip(word, endings)),
        };
        fold(&stem)
    }
}

/// Takes the longest ending off that leaves enough of the word.
fn strip<'a>(word: &'a str, endings: &str) -> &'a str {
    endings
        .split(' ')
        .filter_map(|ending| word.strip_suffix(ending))
        .filter(|rest| rest.chars().count() >= STEM_LETTERS_MIN)
        .min_by_key(|rest| rest.len())
        .unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stems(lang: &str, words: &[&str]) -> Vec<String> {
        let language = Language::of(Lang::from_tag(lang)).expect("a language with stems");
        words.iter().map(|word| language.stem(word)).collect()
    }

    #[test]
    fn stem_forms_of_one_word_agree_in_each_language() {
        for (lang, words) in [
            ("en", &["sanction", "sanctions", "sanctioned", "sanctioning"][..]),
            ("fr", &["soldat", "soldats"]),
            ("de", &["truppe", "truppen"]),
            ("es", &["sanción", "sanciones"]),
            ("it", &["soldato", "soldati"]),
            ("pl", &["sankcje", "sankcji", "sankcja"]),
            ("uk", &["санкції", "санкцій", "санкціями", "санкціях", "санкція"]),
            ("ru", &["санкции", "санкций", "санкциями", "санкция"]),
        ] {
            let stems = stems(lang, words);
            assert!(stems.iter().all(|stem| *stem == stems[0]), "{lang}: {stems:?}");
        }
    }

    #[test]
    fn stem_short_words_stay() {
        assert_eq!(stems("uk", &["рф", "сша"]), ["рф", "сша"]);
        assert_eq!(stems("pl", &["ue"]), ["ue"]);
    }

    #[test]
    fn language_unknown_reads_as_english_and_scripts_do_not_mix() {
        assert_eq!(Language::of(None), Language::of(Some(Lang::EN)));
        assert_eq!(Language::of(Lang::from_tag("ja")), None);
        assert_eq!(Language::that_write("війна").count(), 2);
        assert_eq!(Language::that_write("war").count(), COUNT - 2);
    }
}

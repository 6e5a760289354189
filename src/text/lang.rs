//! The language of a text. A declaration is a prior, not the truth: feeds inherit `en` from their
//! software. Letters decide between the scripts and among Cyrillic languages; stop words confirm the
//! common case cheaply; whatlang judges the rest, and a headline alone is never enough for it.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::model::Lang;
use crate::text::letters;
use crate::text::tokens::beyond_ascii;

/// Characters of the text that are looked at.
const SAMPLE_CHARS_MAX: usize = 1_200;
/// Letters below which only letters that a single language uses are believed.
const LETTERS_MIN: usize = 60;
/// Letters from which the detector may overrule a declaration, and the confidence it needs.
const OVERRULE_LETTERS_MIN: usize = 150;
const OVERRULE_CONFIDENCE_MIN: f64 = 0.9;
/// Confidence needed without any declaration.
const CONFIDENCE_MIN: f64 = 0.5;
/// Share of stop words, in percent, that settles a language; prose has two to three times as many.
const STOP_WORDS_PERCENT_MIN: usize = 14;

/// Words that make up a fifth of any text in their language and are rare in the others.
const STOP_WORDS: &[(&str, &[&str])] = &[
    (
        "en",
        &[
            "the", "of", "and", "to", "that", "with", "for", "is", "was", "has", "said", "by", "on", "it", "from",
            "have", "are",
        ],
    ),
    (
        "de",
        &[
            "der", "die", "und", "das", "den", "von", "mit", "ist", "nicht", "sich", "auf", "ein", "eine", "dem",
            "für", "auch", "im",
        ],
    ),
    (
        "fr",
        &[
            "le", "les", "des", "et", "du", "une", "est", "que", "dans", "pour", "qui", "sur", "au", "par", "pas",
            "aux", "avec",
        ],
    ),
    ("es", &["el", "los", "las", "y", "del", "que", "en", "por", "con", "una", "su", "para", "se", "más", "al", "es"]),
    (
        "it",
        &[
            "il", "di", "che", "della", "dei", "gli", "per", "è", "nel", "sono", "con", "alla", "ha", "del", "anche",
            "dal",
        ],
    ),
    ("pt", &["o", "os", "do", "da", "que", "em", "um", "uma", "não", "para", "com", "dos", "ao", "foi", "mais", "são"]),
    (
        "nl",
        &["het", "een", "van", "en", "dat", "niet", "zijn", "op", "voor", "met", "ook", "aan", "naar", "wordt", "bij"],
    ),
    ("pl", &["w", "i", "na", "się", "że", "nie", "z", "do", "jest", "przez", "od", "oraz", "po", "dla", "to", "jak"]),
    ("sv", &["och", "att", "det", "som", "på", "är", "av", "för", "inte", "har", "till", "den", "med", "ett", "om"]),
];

/// The language of an item from its headline, text and declared tag; `None` when nothing says.
#[must_use]
pub fn detect(title: &str, text: &str, declared: Option<&str>) -> Option<Lang> {
    let sample = sample(title, text);
    let letters = Letters::count(&sample);
    let declared = declared.and_then(declared_lang).filter(|lang| letters.total() == 0 || letters.fits(*lang));
    if let Some(lang) = letters.language(declared) {
        return Some(lang);
    }
    if letters.total() < LETTERS_MIN {
        return declared;
    }
    if letters.is_latin()
        && let Some(lang) = by_stop_words(&sample)
    {
        return Some(lang);
    }
    let Some(found) = whatlang::detect(&sample) else { return declared };
    let lang = known(found.lang().code());
    match declared {
        None => lang.filter(|_| found.is_reliable() || found.confidence() >= CONFIDENCE_MIN),
        Some(declared) => {
            let overruled = letters.total() >= OVERRULE_LETTERS_MIN
                && found.is_reliable()
                && found.confidence() >= OVERRULE_CONFIDENCE_MIN;
            if overruled { lang.or(Some(declared)) } else { Some(declared) }
        }
    }
}

/// The beginning of the text, filled up with the headline.
fn sample<'t>(title: &str, text: &'t str) -> Cow<'t, str> {
    let mut chars = text.chars();
    if chars.nth(SAMPLE_CHARS_MAX - 1).is_some() {
        return Cow::Borrowed(&text[..text.len() - chars.as_str().len()]);
    }
    let room = SAMPLE_CHARS_MAX - text.chars().count() - 1;
    let end = title.char_indices().nth(room).map_or(title.len(), |(end, _)| end);
    Cow::Owned([text, " ", &title[..end]].concat())
}

/// A declared tag, common mistakes put right.
fn declared_lang(tag: &str) -> Option<Lang> {
    let lang = Lang::from_tag(tag)?;
    let right = match lang.as_str() {
        "ua" => "uk",
        "jp" => "ja",
        "cn" => "zh",
        "gr" => "el",
        "cz" => "cs",
        "dk" => "da",
        "nb" | "nn" | "nob" | "nno" => "no",
        "iw" => "he",
        "in" => "id",
        _ => return known(lang.as_str()).or(Some(lang)),
    };
    Lang::from_tag(right)
}

/// ISO 639-3 codes, as detectors and some feeds give them, to ISO 639-1.
fn known(code: &str) -> Option<Lang> {
    const PAIRS: &str = "eng en, rus ru, cmn zh, zho zh, spa es, por pt, ita it, ben bn, fra fr, fre fr, deu de, ger de, \
        ukr uk, kat ka, ara ar, hin hi, jpn ja, heb he, yid yi, pol pl, amh am, jav jv, kor ko, nob no, \
        nor no, dan da, swe sv, fin fi, tur tr, nld nl, dut nl, hun hu, ces cs, cze cs, ell el, gre el, \
        bul bg, bel be, mar mr, kan kn, ron ro, rum ro, slv sl, hrv hr, srp sr, mkd mk, lit lt, lav lv, \
        est et, tam ta, vie vi, urd ur, tha th, guj gu, uzb uz, pan pa, aze az, ind id, tel te, pes fa, \
        fas fa, mal ml, ori or, mya my, nep ne, sin si, khm km, tuk tk, aka ak, zul zu, sna sn, afr af, \
        lat la, slk sk, cat ca, tgl tl, hye hy, epo eo, cym cy, kaz kk";
    // Most tags have two letters, and stand for themselves.
    if code.len() != 3 {
        return Lang::from_tag(code);
    }
    let two = PAIRS.split(", ").filter_map(|pair| pair.split_once(' ')).find(|(three, _)| *three == code);
    Lang::from_tag(two.map_or(code, |(_, two)| two))
}

/// Bytes of the longest stop word; words are looked up as the number their bytes make.
const STOP_WORD_BYTES_MAX: u32 = u64::BITS / 8;
/// Slots of the table: enough that most words of a text fall on an empty one.
const STOP_WORD_SLOTS: usize = 1 << 10;

/// The languages of [`STOP_WORDS`] that have a word, one bit each, in an open-addressed table.
static STOP_WORD_LANGS: LazyLock<Vec<(u64, u16)>> = LazyLock::new(|| {
    let mut table = vec![(0, 0); STOP_WORD_SLOTS];
    for (lang, (_, words)) in STOP_WORDS.iter().enumerate() {
        for word in *words {
            let key = word.bytes().fold(0, |key, byte| key << 8 | u64::from(byte));
            let mut at = stop_word_slot(key);
            while table[at].0 != 0 && table[at].0 != key {
                at = (at + 1) % STOP_WORD_SLOTS;
            }
            table[at] = (key, table[at].1 | 1 << lang);
        }
    }
    table
});

fn stop_word_slot(key: u64) -> usize {
    (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - STOP_WORD_SLOTS.trailing_zeros())) as usize
}

/// Words of a sample, and how many of them are stop words of each language.
struct StopWords {
    table: &'static [(u64, u16)],
    words: usize,
    hits: [usize; STOP_WORDS.len()],
    /// The word being read: its bytes as a number, and how many they are.
    key: u64,
    bytes: u32,
}

impl StopWords {
    fn count(sample: &str) -> Self {
        let mut words = Self { table: &STOP_WORD_LANGS, words: 0, hits: [0; STOP_WORDS.len()], key: 0, bytes: 0 };
        let (bytes, mut at) = (sample.as_bytes(), 0);
        while let Some(byte) = bytes.get(at) {
            if words.bytes == 0
                && let Some((key, len)) = bytes[at..].first_chunk().and_then(|eight| short_word(*eight))
            {
                (words.key, words.bytes) = (key, len);
                words.end();
                // With what ended it.
                at += len as usize + 1;
                continue;
            }
            at += 1;
            if byte.is_ascii_alphabetic() {
                words.read(byte | 0x20);
            } else if byte.is_ascii() {
                words.end();
            } else if let Some(c) = sample[at - 1..].chars().next() {
                at += c.len_utf8() - 1;
                c.to_lowercase().for_each(|small| words.read_foreign(small));
            }
        }
        words.end();
        words
    }

    fn read_foreign(&mut self, c: char) {
        if c.is_alphabetic() {
            c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| self.read(byte));
        } else {
            self.end();
        }
    }

    fn read(&mut self, byte: u8) {
        self.key = self.key << 8 | u64::from(byte);
        self.bytes += 1;
    }

    fn end(&mut self) {
        if self.bytes == 0 {
            return;
        }
        self.words += 1;
        let mut at = stop_word_slot(self.key);
        while self.bytes <= STOP_WORD_BYTES_MAX && self.table[at].0 != 0 {
            let (key, mut langs) = self.table[at];
            if key == self.key {
                while langs != 0 {
                    self.hits[langs.trailing_zeros() as usize] += 1;
                    langs &= langs - 1;
                }
                break;
            }
            at = (at + 1) % STOP_WORD_SLOTS;
        }
        (self.key, self.bytes) = (0, 0);
    }
}

/// The word of ASCII letters that eight bytes begin with, as the number it is looked up by, and how many letters it has;
/// none where it is longer, or goes on with another letter.
fn short_word(eight: [u8; 8]) -> Option<(u64, u32)> {
    let (small, len) = letters::leading(eight);
    let ends = eight.get(len as usize).is_some_and(u8::is_ascii);
    let key = if len == 0 { 0 } else { (small << (64 - 8 * len)).swap_bytes() };
    ends.then_some((key, len))
}

/// The language whose stop words fill the sample, if one stands out.
fn by_stop_words(sample: &str) -> Option<Lang> {
    let StopWords { words, hits, .. } = StopWords::count(sample);
    let (best, most) = hits.iter().enumerate().max_by_key(|(_, hits)| **hits)?;
    let second = hits.iter().enumerate().filter(|(at, _)| *at != best).map(|(_, hits)| *hits).max().unwrap_or(0);
    let settled = words >= 12 && most * 100 >= words * STOP_WORDS_PERCENT_MIN && *most >= second * 2;
    settled.then(|| Lang::from_tag(STOP_WORDS[best].0)).flatten()
}

/// Letters of a sample by script, and those that tell Cyrillic languages apart.
#[derive(Debug, Default)]
struct Letters {
    latin: usize,
    cyrillic: usize,
    greek: usize,
    arabic: usize,
    hebrew: usize,
    han: usize,
    kana: usize,
    hangul: usize,
    georgian: usize,
    armenian: usize,
    thai: usize,
    other: usize,
    ukrainian: usize,
    russian: usize,
    hard_sign: usize,
    belarusian: usize,
    serbian: usize,
    kazakh: usize,
    persian: usize,
}

impl Letters {
    fn count(sample: &str) -> Self {
        let mut letters = Self { latin: letters::count(sample.as_bytes()), ..Self::default() };
        for c in beyond_ascii(sample).filter(|c| c.is_alphabetic()) {
            let script = match c {
                '\u{aa}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => &mut letters.latin,
                '\u{400}'..='\u{52f}' => &mut letters.cyrillic,
                '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => &mut letters.greek,
                '\u{600}'..='\u{77f}' => &mut letters.arabic,
                '\u{590}'..='\u{5ff}' => &mut letters.hebrew,
                '\u{3040}'..='\u{30ff}' => &mut letters.kana,
                '\u{3400}'..='\u{9fff}' => &mut letters.han,
                '\u{1100}'..='\u{11ff}' | '\u{ac00}'..='\u{d7a3}' => &mut letters.hangul,
                '\u{10a0}'..='\u{10ff}' => &mut letters.georgian,
                '\u{530}'..='\u{58f}' => &mut letters.armenian,
                '\u{e00}'..='\u{e7f}' => &mut letters.thai,
                _ => &mut letters.other,
            };
            *script += 1;
            match c {
                'і' | 'ї' | 'є' | 'ґ' | 'І' | 'Ї' | 'Є' | 'Ґ' => letters.ukrainian += 1,
                'ы' | 'э' | 'ё' | 'Ы' | 'Э' | 'Ё' => letters.russian += 1,
                'ъ' | 'Ъ' => letters.hard_sign += 1,
                'ў' | 'Ў' => letters.belarusian += 1,
                'ј' | 'љ' | 'њ' | 'ћ' | 'ђ' | 'џ' | 'ѓ' | 'ќ' => letters.serbian += 1,
                'ә' | 'ғ' | 'қ' | 'ң' | 'ө' | 'ұ' | 'ү' | 'һ' => letters.kazakh += 1,
                'پ' | 'چ' | 'ژ' | 'گ' => letters.persian += 1,
                _ => {}
            }
        }
        letters
    }

    fn total(&self) -> usize {
        self.latin
            + self.cyrillic
            + self.greek
            + self.arabic
            + self.hebrew
            + self.han
            + self.kana
            + self.hangul
            + self.georgian
            + self.armenian
            + self.thai
            + self.other
    }

    fn is_latin(&self) -> bool {
        self.latin * 2 > self.total()
    }

    fn is_cyrillic(&self) -> bool {
        self.cyrillic * 2 > self.total()
    }

    /// Whether a declared language is written in the script at hand.
    fn fits(&self, lang: Lang) -> bool {
        let half = self.total() / 2;
        match lang.as_str() {
            "uk" | "ru" | "be" | "bg" | "mk" | "kk" | "ky" | "tg" | "mn" => self.cyrillic > half,
            "sr" | "uz" | "az" | "bs" | "tk" => self.cyrillic + self.latin > half,
            "el" => self.greek > half,
            "ar" | "fa" | "ur" | "ps" | "ckb" => self.arabic > half,
            "he" | "yi" => self.hebrew > half,
            "zh" | "ja" => self.han + self.kana > half,
            "ko" => self.hangul + self.han > half,
            "ka" => self.georgian > half,
            "hy" => self.armenian > half,
            "th" => self.thai > half,
            "hi" | "mr" | "ne" | "bn" | "ta" | "te" | "kn" | "ml" | "gu" | "pa" | "si" | "my" | "km" | "am" | "or"
            | "lo" => self.other > half,
            _ => self.latin > half,
        }
    }

    /// The language the letters alone give away.
    fn language(&self, declared: Option<Lang>) -> Option<Lang> {
        let half = self.total() / 2;
        let only = [
            (self.greek, "el"),
            (self.hebrew, "he"),
            (self.hangul, "ko"),
            (self.georgian, "ka"),
            (self.armenian, "hy"),
            (self.thai, "th"),
        ];
        if let Some((_, code)) = only.iter().find(|(count, _)| *count > half) {
            return declared.or_else(|| Lang::from_tag(code));
        }
        if (self.han + self.kana) > half {
            return Lang::from_tag(if self.kana * 10 > self.han { "ja" } else { "zh" });
        }
        self.is_cyrillic().then(|| self.cyrillic_language(declared)).flatten()
    }

    fn cyrillic_language(&self, declared: Option<Lang>) -> Option<Lang> {
        let code = if self.kazakh * 50 > self.cyrillic {
            return declared.filter(|lang| !matches!(lang.as_str(), "ru" | "uk")).or_else(|| Lang::from_tag("kk"));
        } else if self.belarusian > 0 && self.ukrainian > 0 && self.belarusian * 200 > self.cyrillic {
            "be"
        } else if self.serbian * 50 > self.cyrillic {
            return declared.filter(|lang| matches!(lang.as_str(), "sr" | "mk")).or_else(|| Lang::from_tag("sr"));
        } else if self.ukrainian > self.russian {
            "uk"
        } else if self.russian > self.ukrainian {
            "ru"
        } else if self.hard_sign * 100 > self.cyrillic {
            "bg"
        } else {
            return declared;
        };
        Lang::from_tag(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lang(text: &str, declared: Option<&str>) -> Option<String> {
        detect("", text, declared).map(|lang| lang.to_string())
    }

    #[test]
    fn detect_languages_of_plain_paragraphs() {
        for (text, expected) in [
            (
                "The harbour reopened on Monday after three days of storm, and the ferries left at nine with four hundred people.",
                "en",
            ),
            (
                "Der Hafen ist am Montag nach drei Tagen Sturm wieder geöffnet worden, und die Fähren legten um neun Uhr mit vielen Menschen ab.",
                "de",
            ),
            (
                "Le port a rouvert lundi après trois jours de tempête, et les ferries sont partis à neuf heures avec des centaines de personnes.",
                "fr",
            ),
            (
                "El puerto reabrió el lunes después de tres días de tormenta, y los barcos salieron a las nueve con cientos de personas.",
                "es",
            ),
            (
                "Il porto ha riaperto lunedì dopo tre giorni di tempesta, e i traghetti sono partiti alle nove con centinaia di persone a bordo della nave.",
                "it",
            ),
            (
                "Port został otwarty w poniedziałek po trzech dniach sztormu, a promy odpłynęły o dziewiątej i nie było na nich wolnych miejsc.",
                "pl",
            ),
            ("Порт відкрили в понеділок після трьох днів шторму, і пороми вийшли о дев'ятій годині.", "uk"),
            (
                "Порт открыли в понедельник после трёх дней шторма, и паромы вышли в девять часов утра с пассажирами.",
                "ru",
            ),
            ("Порт адкрылі ў панядзелак пасля трох дзён шторму, і паромы выйшлі ў дзевяць гадзін.", "be"),
            (
                "Пристанището беше отворено в понеделник след тридневна буря, а фериботите тръгнаха в девет часа сутринта към островъ.",
                "bg",
            ),
            ("Το λιμάνι άνοιξε τη Δευτέρα", "el"),
            ("港は三日間の嵐の後、月曜日に再開しました。", "ja"),
            ("港口在三天风暴后于星期一重新开放。", "zh"),
            ("항구는 사흘간의 폭풍 뒤 월요일에 다시 열렸다.", "ko"),
            (
                "Hamnen öppnade igen på måndagen efter tre dagars storm, och färjorna gick klockan nio med flera hundra personer som inte hade sovit.",
                "sv",
            ),
        ] {
            assert_eq!(lang(text, None).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn detect_declaration_is_a_prior_not_the_truth() {
        let ukrainian = "Порт відкрили в понеділок після трьох днів шторму, і пороми вийшли о дев'ятій годині.";
        assert_eq!(lang(ukrainian, Some("en")).as_deref(), Some("uk"));
        assert_eq!(lang("Порт закрыт", Some("uk")).as_deref(), Some("ru"));
        assert_eq!(lang("Порт закрито", Some("ua")).as_deref(), Some("uk"));
        let german = "Der Hafen ist am Montag nach drei Tagen Sturm wieder geöffnet worden, und die Fähren legten um neun Uhr mit vielen Menschen ab.";
        assert_eq!(lang(german, Some("en-US")).as_deref(), Some("de"));
    }

    proptest::proptest! {
        #[test]
        fn stop_words_are_those_among_the_lower_case_words(
            words in proptest::collection::vec("the|Der|UND|für|FÜR|più|È|não|się|että|Σας|[a-zA-ZéİK0-9'’]{1,12}", 0..30)
        ) {
            let text = words.join(" ");
            let lower = text.to_lowercase();
            let found: Vec<&str> = lower.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).collect();
            let counted = StopWords::count(&text);
            proptest::prop_assert_eq!(counted.words, found.len());
            for (hits, (_, stop_words)) in counted.hits.iter().zip(STOP_WORDS) {
                proptest::prop_assert_eq!(*hits, found.iter().filter(|word| stop_words.contains(word)).count());
            }
        }

        #[test]
        fn sample_is_the_beginning_of_the_text_and_then_the_headline(title in "[a-zé]{0,9}", length in 1_190usize..1_210) {
            let text = "aé".repeat(length).chars().take(length).collect::<String>();
            let whole = format!("{text} {title}");
            proptest::prop_assert_eq!(sample(&title, &text), whole.chars().take(SAMPLE_CHARS_MAX).collect::<String>());
        }
    }

    #[test]
    fn stop_words_fit_the_number_they_are_looked_up_by() {
        for word in STOP_WORDS.iter().flat_map(|(_, words)| *words) {
            assert!(word.len() <= STOP_WORD_BYTES_MAX as usize, "{word}");
        }
    }

    #[test]
    fn detect_headline_alone_takes_the_declaration() {
        assert_eq!(lang("Ferry deal near", Some("en-GB")).as_deref(), Some("en"));
        assert_eq!(lang("Ferry deal near", None), None);
        assert_eq!(lang("", Some("nb-NO")).as_deref(), Some("no"));
        assert_eq!(lang("12 345 %", None), None);
        assert_eq!(lang("", Some("nonsense")), None);
    }

    #[test]
    fn detect_detector_codes_are_two_letters() {
        for lang in whatlang::Lang::all() {
            assert_eq!(known(lang.code()).map(|l| l.as_str().len()), Some(2), "{}", lang.code());
        }
    }
}

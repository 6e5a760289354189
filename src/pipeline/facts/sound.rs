//! Words to how they sound, so that a name is one name in every spelling and script: `latin` writes a
//! word in plain Latin letters (places are looked up by that), `skeleton` keeps only the consonants, with
//! those that languages write differently made one (names of people are compared by that).

use crate::model::Lang;

/// Letters of a word that are looked at.
const LETTERS_MAX: usize = 32;
/// Consonants a skeleton must have to stand for a name; shorter ones keep their vowels.
const CONSONANTS_MIN: usize = 3;

/// A few plain letters, kept where they are made.
#[derive(Debug, Clone, Copy)]
pub struct Letters {
    bytes: [u8; LETTERS_MAX * 2],
    len: usize,
}

impl Letters {
    fn new() -> Self {
        Self { bytes: [0; LETTERS_MAX * 2], len: 0 }
    }

    fn push(&mut self, byte: u8) {
        // Twice the same sound is once: Zelenskyy, Zelensky; Brussel, Bruxelles.
        if self.len < self.bytes.len() && self.as_bytes().last() != Some(&byte) {
            self.bytes[self.len] = byte;
            self.len += 1;
        }
    }

    /// The letters.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The letters as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

/// What a Cyrillic letter sounds like; empty for signs that have no sound of their own.
fn cyrillic(c: char) -> Option<&'static str> {
    Some(match c {
        'а' => "a",
        'б' => "b",
        'в' => "v",
        'г' | 'ґ' | 'ѓ' => "g",
        'д' | 'ђ' => "d",
        'е' | 'э' | 'ѐ' => "e",
        'є' => "ie",
        'ж' => "zh",
        'з' => "z",
        'и' | 'і' | 'й' | 'ї' | 'ы' | 'ј' => "i",
        'к' | 'ќ' => "k",
        'л' | 'љ' => "l",
        'м' => "m",
        'н' | 'њ' => "n",
        'о' => "o",
        'п' => "p",
        'р' => "r",
        'с' => "s",
        'т' => "t",
        'у' | 'ў' => "u",
        'ф' => "f",
        'х' => "kh",
        'ц' => "ts",
        'ч' | 'ћ' => "tsh",
        'ш' => "sh",
        'щ' => "shtsh",
        'ю' => "iu",
        'я' => "ia",
        'џ' => "dzh",
        'ъ' | 'ь' | '\'' => "",
        _ => return None,
    })
}

/// What a Greek letter sounds like.
fn greek(c: char) -> Option<&'static str> {
    Some(match c {
        'α' => "a",
        'β' => "v",
        'γ' => "g",
        'δ' => "d",
        'ε' => "e",
        'ζ' => "z",
        'η' | 'ι' | 'υ' => "i",
        'θ' | 'τ' => "t",
        'κ' => "k",
        'λ' => "l",
        'μ' => "m",
        'ν' => "n",
        'ξ' => "ks",
        'ο' | 'ω' => "o",
        'π' => "p",
        'ρ' => "r",
        'σ' | 'ς' => "s",
        'φ' => "f",
        'χ' => "kh",
        'ψ' => "ps",
        _ => return None,
    })
}

/// A folded word in Latin letters, before any sounds are made one; `None` for scripts not known here.
fn romanised(folded: &str) -> Option<([u8; LETTERS_MAX * 2], usize)> {
    let mut out = [0; LETTERS_MAX * 2];
    let mut len = 0;
    for c in folded.chars().take(LETTERS_MAX) {
        let single = [c as u8];
        let written: &[u8] = if c.is_ascii_lowercase() {
            &single
        } else if matches!(c, '\'' | '-' | '.') || c.is_ascii_digit() {
            &[]
        } else if c == 'ı' {
            b"i"
        } else if let Some(latin) = cyrillic(c).or_else(|| greek(c)) {
            latin.as_bytes()
        } else {
            return None;
        };
        for byte in written {
            if len < out.len() {
                out[len] = *byte;
                len += 1;
            }
        }
    }
    Some((out, len))
}

/// A folded word as plain Latin letters, vowels kept, with the spellings of one sound made one: places
/// of all languages meet in it. `None` for scripts that are not known here.
#[must_use]
pub fn latin(folded: &str) -> Option<Letters> {
    let (bytes, len) = romanised(folded)?;
    let word = &bytes[..len];
    let mut out = Letters::new();
    let mut at = 0;
    while at < word.len() {
        let rest = &word[at..];
        let (sound, taken): (&[u8], usize) = match rest {
            [b's', b'h', b't', b's', b'h', ..] => (b"s", 5),
            [b't', b's', b'c', b'h', ..] => (b"c", 4),
            [b's', b'c', b'h', ..] => (b"s", 3),
            [b't', b's', b'h', ..] => (b"c", 3),
            [b's', b'h' | b'z', ..] => (b"s", 2),
            [b'c', b'h' | b'z', ..] | [b't', b's' | b'z', ..] => (b"c", 2),
            [b'z', b'h', ..] => (b"z", 2),
            [b'k', b'h', ..] => (b"h", 2),
            [b'p', b'h', ..] => (b"f", 2),
            [b't', b'h', ..] => (b"t", 2),
            [b'c', b'k', ..] => (b"k", 2),
            [b'o', b'u', ..] => (b"u", 2),
            [b'w', ..] => (b"v", 1),
            [b'y' | b'j', ..] => (b"i", 1),
            [b'q', ..] => (b"k", 1),
            [b'x', ..] => (b"ks", 1),
            [letter, ..] => (std::slice::from_ref(letter), 1),
            [] => break,
        };
        for byte in sound {
            out.push(*byte);
        }
        at += taken;
    }
    Some(out)
}

fn is_vowel(byte: u8) -> bool {
    matches!(byte, b'a' | b'e' | b'i' | b'o' | b'u' | b'y')
}

/// Case endings that add a consonant, with the letters that must stay before them.
const ENDINGS: [(&str, usize); 13] = [
    ("skogo", 2),
    ("skomu", 2),
    ("iego", 3),
    ("iemu", 3),
    ("ogo", 4),
    ("omu", 4),
    ("ego", 4),
    ("emu", 4),
    ("ovi", 3),
    ("evi", 3),
    ("imi", 4),
    ("om", 4),
    ("em", 4),
];

/// The consonants of a name as they sound: Zelenskyy, Selenskyj and Зеленського are all `slnsk`. Names
/// with fewer than three keep their vowels. `None` for scripts that are not known here.
#[must_use]
pub fn skeleton(folded: &str, lang: Option<Lang>) -> Option<Letters> {
    let (bytes, len) = romanised(folded)?;
    let code = lang.as_ref().map_or("", Lang::as_str);
    let cyrillic = !folded.is_ascii() && !folded.chars().any(|c| c.is_ascii_lowercase());
    let word = without_ending(&bytes[..len], code, cyrillic);
    let sounds = sounds(word, code, cyrillic);
    let mut bones = Letters::new();
    sounds.as_bytes().iter().filter(|byte| !is_vowel(**byte)).for_each(|byte| bones.push(*byte));
    if bones.len >= CONSONANTS_MIN {
        return Some(bones);
    }
    let mut short = Letters::new();
    let end = sounds.as_bytes().iter().rposition(|byte| !is_vowel(*byte)).map_or(0, |at| at + 1);
    sounds.as_bytes()[..end].iter().for_each(|byte| short.push(*byte));
    Some(short)
}

fn without_ending<'a>(word: &'a [u8], code: &str, cyrillic: bool) -> &'a [u8] {
    if cyrillic || code == "pl" {
        for (ending, left) in ENDINGS {
            if let Some(stem) = word.strip_suffix(ending.as_bytes())
                && stem.len() >= left
            {
                // The adjective's own consonants stay: -ського leaves -ськ.
                let kept = if ending.starts_with("sk") { stem.len() + 2 } else { stem.len() };
                return &word[..kept];
            }
        }
    }
    let genitive = code == "de" && word.len() >= 6;
    match word {
        [stem @ .., before, b's'] if genitive && !is_vowel(*before) && !matches!(before, b's' | b'n' | b'h') => {
            &word[..=stem.len()]
        }
        [stem @ .., b'n', b's'] if genitive && stem.last().is_some_and(|b| is_vowel(*b)) => &word[..=stem.len()],
        _ => word,
    }
}

/// The sounds of a word, vowels still in.
fn sounds(word: &[u8], code: &str, cyrillic: bool) -> Letters {
    let soft_ch = !matches!(code, "de" | "pl") && !cyrillic;
    let j_is_vowel = cyrillic || matches!(code, "de" | "pl");
    let mut out = Letters::new();
    let mut at = 0;
    while at < word.len() {
        let rest = &word[at..];
        let (sound, taken): (&[u8], usize) = match rest {
            [b's', b'h', b't', b's', b'h', ..] | [b's', b'h', b'c', b'h', ..] => {
                (b"s", if rest[2] == b't' { 5 } else { 4 })
            }
            [b's', b'c', b'h', b't', b's', b'c', b'h', ..] => (b"s", 7),
            [b's', b'z', b'c', b'z', ..] | [b't', b's', b'c', b'h', ..] => (b"s", 4),
            [b's' | b't', b'c', b'h', ..]
            | [b't', b's', b'h', ..]
            | [b'd', b's', b'c', ..]
            | [b'd', b'z', b'h', ..] => (b"s", 3),
            [b's', b'h' | b'z', ..]
            | [b'c', b'z', ..]
            | [b't', b's' | b'z', ..]
            | [b'z', b'h', ..]
            | [b'd', b'j' | b'z', ..] => (b"s", 2),
            [b'c', b'h', ..] if soft_ch => (b"s", 2),
            [b'c', b'h' | b'k', ..] => (if rest[1] == b'k' { b"k" } else { b"g" }, 2),
            [b'k' | b'g', b'h', ..] => (b"g", 2),
            [b'p', b'h', ..] => (b"v", 2),
            [b't', b'h', ..] | [b'd', b't', ..] => (b"t", 2),
            [b'q', b'u', ..] => (b"k", 2),
            [b'c', b'e' | b'i' | b'y', ..] | [b'z', ..] => (b"s", 1),
            [b'c' | b'q', ..] => (b"k", 1),
            [b'x', ..] => (if at == 0 { b"s" } else { b"ks" }, 1),
            [b'f' | b'w', ..] => (b"v", 1),
            // Уиткофф is Witkoff.
            [b'u', b'i' | b'e' | b'a' | b'o', ..] if cyrillic && at == 0 => (b"v", 1),
            // An h that only lengthens a vowel is not heard.
            [b'h', ..] if at > 0 && is_vowel(word[at - 1]) && rest.get(1).is_none_or(|next| !is_vowel(*next)) => {
                (b"", 1)
            }
            [b'h', ..] => (b"g", 1),
            [b'j', ..] if j_is_vowel || at + 1 == word.len() || (at > 0 && !is_vowel(rest[1])) => (b"i", 1),
            [b'j', ..] => (b"s", 1),
            [b'y', ..] => (b"i", 1),
            [letter, ..] => (std::slice::from_ref(letter), 1),
            [] => break,
        };
        for byte in sound {
            out.push(*byte);
        }
        at += taken;
    }
    out
}

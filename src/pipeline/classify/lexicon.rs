//! Every word of every rule, once: looks a token up and says which terms it is. The cost of reading a
//! document is one hash per token, whatever the number of rules; prefixes and stems are probed only for
//! tokens that begin like one of them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64;

use super::filter::{StartSet, WordFilter, start_of};
use super::query::{Bounds, Form, Word};
use super::stem::{self, Language};
use crate::model::Lang;
use crate::text::tokens::{Token, fold};

/// A word, prefix, stem or number range that some rule asks for.
pub(super) type TermId = u32;

type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<WordHasher>>;

/// Words that elide before a vowel in French, Italian and Catalan: `l'Ukraine` is also `Ukraine`.
const ELIDED: [&str; 22] = [
    "c", "d", "j", "l", "m", "n", "s", "t", "qu", "un", "dell", "nell", "all", "dall", "sull", "coll", "quell",
    "quest", "lorsqu", "puisqu", "jusqu", "quelqu",
];

/// Shorter words have no parts; a piece of one is at least so long, too.
const PIECE_BYTES_MIN: usize = 4;

/// Numbers stand in every other sentence.
const NUMBER_COMMONNESS: u32 = 200;

/// All terms.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    terms: Vec<TermInfo>,
    /// Words of every language.
    common: Words,
    /// Words of one language only, sought in items of that language and of an unknown one.
    tagged: Vec<(Lang, Words)>,
    numbers: Vec<(Bounds, TermId)>,
}

/// Words by the way they are looked up.
#[derive(Debug, Default)]
struct Words {
    exact: FastMap<Box<str>, TermId>,
    /// Nearly every word of a text is none of them: few bits of its hash tell.
    exact_filter: WordFilter,
    prefixes: Starts,
    /// `*part*` and `*end`: parts of longer words, German compounds for instance.
    inside: Starts,
    endings: Starts,
    stemmed: FastMap<Box<str>, TermId>,
    stems: [FastMap<Box<str>, Vec<TermId>>; stem::COUNT],
    stem_starts: StartSet,
    written: FastMap<Box<str>, TermId>,
}

/// Pieces of words by their first two bytes, so that most words cost one probe.
#[derive(Debug, Default)]
struct Starts {
    pieces: FastMap<Box<str>, TermId>,
    /// Bit n: some piece that starts with these two bytes is n bytes long.
    lengths: FastMap<u16, u128>,
    known: StartSet,
}

impl Starts {
    fn insert(&mut self, key: &str, term: TermId) {
        self.known.insert(key);
        *self.lengths.entry(start_of(key)).or_default() |= 1 << key.len().min(127);
        self.pieces.insert(key.into(), term);
    }

    /// Every piece that a word starts with.
    fn of(&self, word: &str, found: &mut impl FnMut(TermId)) {
        if word.len() >= 2 && self.known.has(word) {
            self.of_start(word, found);
        }
    }

    fn of_start(&self, word: &str, found: &mut impl FnMut(TermId)) {
        let mut lengths = self.lengths.get(&start_of(word)).copied().unwrap_or(0);
        while lengths != 0 {
            let length = lengths.trailing_zeros() as usize;
            lengths &= lengths - 1;
            if let Some(term) = word.get(..length).and_then(|start| self.pieces.get(start)) {
                found(*term);
            }
        }
    }

    /// Every piece that a word has anywhere, once for each place.
    fn within(&self, word: &str, found: &mut impl FnMut(TermId)) {
        if !self.pieces.is_empty() && word.len() >= PIECE_BYTES_MIN {
            word.char_indices().for_each(|(at, _)| self.of(&word[at..], found));
        }
    }

    /// Every piece that a word ends in.
    fn ending(&self, word: &str, found: &mut impl FnMut(TermId)) {
        if !self.pieces.is_empty() && word.len() >= PIECE_BYTES_MIN {
            let ends = word.char_indices().filter_map(|(at, _)| self.pieces.get(&word[at..]));
            ends.for_each(|term| found(*term));
        }
    }
}

/// What a term stands for.
#[derive(Debug)]
struct TermInfo {
    /// The folded word; empty for numbers.
    key: Box<str>,
    form: Form,
    /// Only in this language.
    lang: Option<Lang>,
    /// How often this is expected in a text, on no particular scale.
    commonness: u32,
}

impl Words {
    fn of_form(&self, form: Form) -> &FastMap<Box<str>, TermId> {
        match form {
            Form::Exact => &self.exact,
            Form::Prefix => &self.prefixes.pieces,
            Form::Inside => &self.inside.pieces,
            Form::Ending => &self.endings.pieces,
            Form::Stem => &self.stemmed,
            Form::Written => &self.written,
        }
    }

    fn insert(&mut self, word: &Word, key: &str, lang: Option<Lang>, term: TermId) {
        match word.form {
            Form::Exact => {
                self.exact_filter.insert(xxh3_64(key.as_bytes()));
                self.exact.insert(key.into(), term);
            }
            Form::Written => {
                self.written.insert(key.into(), term);
            }
            Form::Prefix => self.prefixes.insert(key, term),
            Form::Inside => self.inside.insert(key, term),
            Form::Ending => self.endings.insert(key, term),
            Form::Stem => {
                let lower = word.text.to_lowercase();
                let own = lang.map(|lang| Language::of(Some(lang)));
                for language in Language::that_write(&lower).filter(|one| own.is_none_or(|own| own == Some(*one))) {
                    let stem = language.stem(&lower);
                    self.stem_starts.insert(&stem);
                    self.stems[language.index()].entry(stem.into()).or_default().push(term);
                }
                self.stemmed.insert(key.into(), term);
            }
        }
    }

    /// Calls `found` with every term that a token which is no number is.
    fn look_up(&self, token: &Token<'_>, text: &str, language: Option<Language>, found: &mut impl FnMut(TermId)) {
        let word = token.folded;
        self.look_up_form(word, token.hash, found);
        let inner = if token.has_apostrophe() { inner_form(word) } else { None };
        if let Some(inner) = inner {
            self.look_up_inner(word, inner, found);
        }
        let stem_of = inner.unwrap_or(word);
        self.inside.within(stem_of, found);
        self.endings.ending(stem_of, found);
        if let Some(language) = language
            && self.stem_starts.has(stem_of)
        {
            self.look_up_stem(stem_of, &text[token.start..token.end], language, found);
        }
    }

    fn look_up_written(&self, written: &str, found: &mut impl FnMut(TermId)) {
        let owner = written.strip_suffix("'s").or_else(|| written.strip_suffix("\u{2019}s"));
        for form in [Some(written), owner].into_iter().flatten() {
            if let Some(term) = self.written.get(form) {
                found(*term);
            }
        }
    }

    fn look_up_exact(&self, word: &str, hash: u64, found: &mut impl FnMut(TermId)) {
        if self.exact_filter.may_have(hash)
            && let Some(term) = self.exact.get(word)
        {
            found(*term);
        }
    }

    fn look_up_form(&self, word: &str, hash: u64, found: &mut impl FnMut(TermId)) {
        self.look_up_exact(word, hash, found);
        self.prefixes.of(word, found);
    }

    /// `Ukraine's` is `Ukraine`; prefixes were found with the whole word unless the tail is meant.
    fn look_up_inner(&self, word: &str, inner: &str, found: &mut impl FnMut(TermId)) {
        let hash = xxh3_64(inner.as_bytes());
        if word.starts_with(inner) {
            self.look_up_exact(inner, hash, found);
        } else {
            self.look_up_form(inner, hash, found);
        }
    }

    fn look_up_stem(&self, folded: &str, written: &str, language: Language, found: &mut impl FnMut(TermId)) {
        let stems = &self.stems[language.index()];
        if stems.is_empty() {
            return;
        }
        // Stemmers need the accents that folding takes away.
        let stem = if written.is_ascii() {
            language.stem(folded)
        } else {
            let lower = written.to_lowercase().replace('\u{2019}', "'");
            language.stem(inner_form(&lower).unwrap_or(&lower))
        };
        for term in stems.get(stem.as_str()).into_iter().flatten() {
            found(*term);
        }
    }
}

impl Lexicon {
    /// The term for a word, the same for the same word. With a language: only in that one.
    pub fn word(&mut self, word: &Word, lang: Option<Lang>) -> TermId {
        let folded = fold(&word.text);
        let key = if word.form == Form::Written { word.text.clone() } else { number_key(&folded).unwrap_or(folded) };
        if let Some(term) = self.words(lang).and_then(|words| words.of_form(word.form).get(key.as_str())) {
            return *term;
        }
        let term = self.add(&key, word.form, lang, commonness(&key, word.form));
        self.words_mut(lang).insert(word, &key, lang, term);
        term
    }

    fn words(&self, lang: Option<Lang>) -> Option<&Words> {
        match lang {
            None => Some(&self.common),
            Some(lang) => self.tagged.iter().find(|(known, _)| *known == lang).map(|(_, words)| words),
        }
    }

    fn words_mut(&mut self, lang: Option<Lang>) -> &mut Words {
        let Some(lang) = lang else { return &mut self.common };
        let known = self.tagged.iter().position(|(known, _)| *known == lang);
        let at = known.unwrap_or_else(|| {
            self.tagged.push((lang, Words::default()));
            self.tagged.len() - 1
        });
        &mut self.tagged[at].1
    }

    /// The term for numbers within bounds.
    pub fn number(&mut self, bounds: Bounds) -> TermId {
        if let Some((_, term)) = self.numbers.iter().find(|(known, _)| *known == bounds) {
            return *term;
        }
        let term = self.add("", Form::Exact, None, NUMBER_COMMONNESS);
        self.numbers.push((bounds, term));
        term
    }

    fn add(&mut self, key: &str, form: Form, lang: Option<Lang>, commonness: u32) -> TermId {
        self.terms.push(TermInfo { key: key.into(), form, lang, commonness });
        (self.terms.len() - 1) as TermId
    }

    /// How many terms there are.
    pub fn len(&self) -> usize {
        self.terms.len()
    }

    /// How often a term is expected in a text, on no particular scale.
    pub fn commonness(&self, term: TermId) -> u32 {
        self.terms[term as usize].commonness
    }

    /// Whether every word that is the one term is also the other, in any language.
    pub fn implies(&self, narrow: TermId, wide: TermId) -> bool {
        let (narrow, wide) = (&self.terms[narrow as usize], &self.terms[wide as usize]);
        if narrow.key.is_empty() || wide.key.is_empty() || wide.lang.is_some() && wide.lang != narrow.lang {
            return false;
        }
        match (narrow.form, wide.form) {
            (Form::Exact | Form::Prefix, Form::Prefix) => narrow.key.starts_with(&*wide.key),
            (Form::Exact | Form::Prefix | Form::Inside | Form::Ending, Form::Inside) => narrow.key.contains(&*wide.key),
            (Form::Exact | Form::Ending, Form::Ending) => narrow.key.ends_with(&*wide.key),
            (Form::Written, Form::Exact) => fold(&narrow.key) == *wide.key,
            (Form::Written, Form::Prefix) => fold(&narrow.key).starts_with(&*wide.key),
            (Form::Exact, Form::Exact | Form::Stem) => narrow.key == wide.key,
            _ => false,
        }
    }

    /// Other terms that every word of a term is, too: `sanction*` for `sanctions`.
    pub fn wider(&self, term: TermId) -> Vec<TermId> {
        let TermInfo { key, form, .. } = &self.terms[term as usize];
        let mut wider = Vec::new();
        if matches!(form, Form::Exact | Form::Prefix) {
            self.common.look_up_form(key, xxh3_64(key.as_bytes()), &mut |found| wider.push(found));
        }
        wider.retain(|found| *found != term && self.implies(term, *found));
        wider
    }

    /// A term as it would stand in a query.
    pub fn shown(&self, term: TermId) -> String {
        let TermInfo { key, form, .. } = &self.terms[term as usize];
        match form {
            _ if key.is_empty() => "#".to_owned(),
            Form::Exact => key.to_string(),
            Form::Prefix => format!("{key}*"),
            Form::Inside => format!("*{key}*"),
            Form::Ending => format!("*{key}"),
            Form::Stem => format!("{key}~"),
            Form::Written => format!("={key}"),
        }
    }

    /// The folded word of a term, empty for numbers.
    pub fn key(&self, term: TermId) -> &str {
        &self.terms[term as usize].key
    }

    /// What the words of a text in a language are looked up in.
    pub fn reading(&self, lang: Option<Lang>) -> LexiconReading<'_> {
        let tagged = self.tagged.iter().filter(|(known, _)| lang.is_none_or(|lang| lang == *known));
        let words = std::iter::once(&self.common).chain(tagged.map(|(_, words)| words)).collect();
        LexiconReading { lexicon: self, words, language: Language::of(lang) }
    }

    fn look_up_number(&self, word: &str, found: &mut impl FnMut(TermId)) {
        if self.numbers.is_empty() {
            return;
        }
        let key = number_key(word);
        let plain = key.as_deref().unwrap_or(word);
        if let Ok(number) = plain.parse::<f64>() {
            for (bounds, term) in &self.numbers {
                if bounds.hold(number) {
                    found(*term);
                }
            }
        }
    }
}

/// The lexicon, opened for texts of one language.
pub(super) struct LexiconReading<'a> {
    lexicon: &'a Lexicon,
    /// Those of every language, then those of this one.
    words: Vec<&'a Words>,
    language: Option<Language>,
}

impl LexiconReading<'_> {
    /// Calls `found` with every term that a token of a text is.
    pub fn look_up(&self, token: &Token<'_>, text: &str, mut found: impl FnMut(TermId)) {
        let word = token.folded;
        let is_number = word.as_bytes().first().is_some_and(u8::is_ascii_digit);
        for words in &self.words {
            if !words.written.is_empty() {
                words.look_up_written(&text[token.start..token.end], &mut found);
            }
            if is_number {
                let key = number_key(word);
                let hash = key.as_deref().map_or(token.hash, |key| xxh3_64(key.as_bytes()));
                words.look_up_form(key.as_deref().unwrap_or(word), hash, &mut found);
            } else {
                words.look_up(token, text, self.language, &mut found);
            }
        }
        if is_number {
            self.lexicon.look_up_number(word, &mut found);
        }
    }
}

/// The word inside `Ukraine's` or `l'Ukraine`.
fn inner_form(word: &str) -> Option<&str> {
    let (head, tail) = word.split_once('\'')?;
    if tail == "s" || tail.is_empty() {
        Some(head)
    } else if ELIDED.contains(&head) {
        Some(tail)
    } else {
        None
    }
}

/// `26,000`, `26.000` and `26'000` are 26000; a comma that is no thousands mark is a decimal point.
fn number_key(word: &str) -> Option<String> {
    let separator = |c: char| matches!(c, ',' | '.' | '\'');
    if !word.contains(separator) || !word.chars().all(|c| c.is_ascii_digit() || separator(c)) {
        return None;
    }
    let mut groups = word.split(separator);
    let first = groups.next().unwrap_or_default().len();
    if (1..=3).contains(&first) && groups.all(|group| group.len() == 3) {
        return Some(word.replace(separator, ""));
    }
    word.contains(',').then(|| word.replace(',', "."))
}

/// Short words are common, long ones rare; a guess that only steers which term a rule waits for.
fn commonness(word: &str, form: Form) -> u32 {
    let letters = word.chars().count().min(12) as u32;
    let base = 1200 / (1 + letters * letters);
    match form {
        Form::Exact | Form::Written => base + 1,
        Form::Stem => base * 2 + 2,
        Form::Prefix => base * 4 + 4,
        Form::Inside | Form::Ending => base * 8 + 8,
    }
}

/// Multiply-and-rotate over eight bytes at a time. Rules are the operator's own, so no attacker picks
/// the keys; tokens of documents are only looked up.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct WordHasher(u64);

impl WordHasher {
    fn mix(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for WordHasher {
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.mix(u64::from_le_bytes(chunk.try_into().expect("invariant: eight bytes")));
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.mix(u64::from_le_bytes(last));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    fn write_u16(&mut self, value: u16) {
        self.mix(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

/// The folded keys that a word of a query and a token of a text are compared by, for the reference matcher.
#[cfg(test)]
pub(super) fn forms_of(folded: &str) -> Vec<String> {
    let mut forms = vec![number_key(folded).unwrap_or_else(|| folded.to_owned())];
    if !folded.starts_with(|c: char| c.is_ascii_digit()) {
        forms.extend(inner_form(folded).map(str::to_owned));
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::tokens::Tokens;

    fn word(text: &str, form: Form) -> Word {
        Word { text: text.to_owned(), form }
    }

    fn found(lexicon: &Lexicon, text: &str, lang: &str) -> Vec<TermId> {
        let mut terms = Vec::new();
        let reading = lexicon.reading(Lang::from_tag(lang));
        for token in Tokens::of(text).iter() {
            reading.look_up(&token, text, |t| terms.push(t));
        }
        terms.sort_unstable();
        terms
    }

    #[test]
    fn look_up_finds_each_form_of_a_word() {
        let mut lexicon = Lexicon::default();
        let exact = lexicon.word(&word("Ukraine", Form::Exact), None);
        let prefix = lexicon.word(&word("sanction", Form::Prefix), None);
        let stem = lexicon.word(&word("guarantee", Form::Stem), None);
        assert_eq!(lexicon.word(&word("UKRAINE", Form::Exact), None), exact);
        assert_eq!(found(&lexicon, "Ukraine’s sanctioned", "en"), [exact, prefix]);
        assert_eq!(found(&lexicon, "l'Ukraine garantit", "fr"), [exact]);
        assert_eq!(found(&lexicon, "guaranteed guarantees", "en"), [stem, stem]);
        assert!(found(&lexicon, "Ukrainian sanct", "en").is_empty());
    }

    #[test]
    fn look_up_words_of_a_language_only_in_items_of_it_or_of_an_unknown_one() {
        let mut lexicon = Lexicon::default();
        let (de, pl) = (Lang::from_tag("de"), Lang::from_tag("pl"));
        let german = lexicon.word(&word("einsatz", Form::Inside), de);
        let polish = lexicon.word(&word("do", Form::Exact), pl);
        let stem = lexicon.word(&word("Truppe", Form::Stem), de);
        assert_eq!(found(&lexicon, "Bundeswehreinsatz Einsätze Truppen do", "de"), [german, german, stem]);
        assert!(found(&lexicon, "what to do with a Bundeswehreinsatz", "en").is_empty());
        assert_eq!(found(&lexicon, "do Bundeswehreinsatz", "??"), [german, polish]);
        assert_ne!(lexicon.word(&word("do", Form::Exact), None), polish);
    }

    #[test]
    fn look_up_parts_and_ends_of_compounds() {
        let mut lexicon = Lexicon::default();
        let part = lexicon.word(&word("truppe", Form::Inside), None);
        let end = lexicon.word(&word("paket", Form::Ending), None);
        assert_eq!(found(&lexicon, "Friedenstruppen Truppenverlegung", "de"), [part, part]);
        assert_eq!(found(&lexicon, "Sanktionspaket Paketbote", "de"), [end]);
        let narrow = lexicon.word(&word("Friedenstruppe", Form::Prefix), None);
        assert!(lexicon.implies(narrow, part) && !lexicon.implies(part, narrow));
    }

    #[test]
    fn look_up_numbers_whatever_the_thousands_mark() {
        let mut lexicon = Lexicon::default();
        let exact = lexicon.word(&word("26000", Form::Exact), None);
        let range = lexicon.number(Bounds { from: Some(20_000), to: Some(30_000) });
        for text in ["26,000", "26.000", "26'000", "26000"] {
            assert_eq!(found(&lexicon, text, "en"), [exact, range], "{text}");
        }
        assert!(found(&lexicon, "26,00 2600", "en").is_empty());
    }

    #[test]
    fn inner_form_takes_possessives_and_elisions_but_no_names() {
        assert_eq!(inner_form("russia's"), Some("russia"));
        assert_eq!(inner_form("l'otan"), Some("otan"));
        assert_eq!(inner_form("o'brien"), None);
        assert_eq!(inner_form("зв'язок"), None);
    }

    #[test]
    fn number_key_tells_thousands_from_decimals() {
        assert_eq!(number_key("1,234,567").as_deref(), Some("1234567"));
        assert_eq!(number_key("1,5").as_deref(), Some("1.5"));
        assert_eq!(number_key("1.5"), None);
        assert_eq!(number_key("1.5m"), None);
    }
}

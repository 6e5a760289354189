//! A headline and its first sentences to [`ItemFacts`].

use xxhash_rust::xxh3::xxh3_64;

use super::lexicon::{Found, Lexicon, Sense, Word, bare};
use super::numbers::{self, Written};
use super::{Amount, FACTS_MAX, FRAME_MAX, Fact, ItemFacts, Sort, UNIT_HASHED, sound};
use crate::model::Lang;
use crate::pipeline::classify::{AliasConfig, AliasForm};
use crate::pipeline::story::background;
use crate::pipeline::story::words::term_hash;
use crate::text::tokens::{Token, Tokens};

/// Words of a headline that are read.
const TITLE_WORDS_MAX: usize = 32;
/// Words of the text that are read.
const LEAD_WORDS_MAX: usize = 60;
/// Idf from which a capitalised English word that a sentence or headline may have capitalised is a name.
const NAME_IDF_MIN: f32 = 7.0;
/// Words after a number in which what it counts is looked for.
const UNIT_REACH: usize = 4;
/// Beyond this nothing is numbered; years and sums are.
const NTH_MAX: f64 = 60_000.0;
/// Forms up to which an alias of the user's is one thing; longer ones are lists.
const ALIAS_FORMS_MAX: usize = 8;
/// Letters of a word by which headlines are compared: its stem, near enough, in any language.
const FRAME_LETTERS: usize = 6;

/// The user's `[[aliases]]` as names: an alias that names no other one and has few forms is one thing,
/// however it is written.
#[derive(Debug, Default)]
pub struct KnownNames(Option<Lexicon>);

impl KnownNames {
    /// The aliases of the config.
    #[must_use]
    pub fn of(aliases: &[AliasConfig]) -> Self {
        let list = |form: &AliasForm| form.text.contains(['@', '(', '/', '~', '"', '?']);
        let one_thing = |alias: &&AliasConfig| alias.forms.len() <= ALIAS_FORMS_MAX && !alias.forms.iter().any(list);
        let known: Vec<(u32, &str)> = aliases
            .iter()
            .filter(one_thing)
            .flat_map(|alias| {
                let name = xxh3_64(alias.name.as_bytes()) as u32;
                alias.forms.iter().map(move |form| (name, form.text.as_str()))
            })
            .collect();
        Self((!known.is_empty()).then(|| Lexicon::of_aliases(&known)))
    }
}

/// One word with its place.
struct Spot<'a> {
    word: Word<'a>,
    start: usize,
    end: usize,
    opens_sentence: bool,
    sounds: Option<sound::Letters>,
    /// Its senses in [`Zone::found`].
    senses: std::ops::Range<usize>,
    /// Something was elided before it (n'enverra, l'Ukraine).
    elided: bool,
    /// Part of something that started before it, or was used up.
    taken: bool,
}

/// One stretch of text, its words looked up.
struct Zone<'a> {
    text: &'a str,
    title: bool,
    lang: Option<Lang>,
    code: &'static str,
    spots: Vec<Spot<'a>>,
    found: Vec<Found>,
}

/// Reads an item.
#[must_use]
pub fn read(
    title: &str,
    title_tokens: &Tokens,
    text: &str,
    tokens: &Tokens,
    lang: Option<Lang>,
    names: &KnownNames,
) -> ItemFacts {
    let lang_number = LISTED.iter().position(|known| *known == listed(lang)).map_or(0, |at| at as u8 + 1);
    let mut out = ItemFacts { lang: lang_number, has_lead: !tokens.is_empty(), ..ItemFacts::default() };
    for (text, tokens, words_max, is_title) in
        [(title, title_tokens, TITLE_WORDS_MAX, true), (text, tokens, LEAD_WORDS_MAX, false)]
    {
        let mut zone = Zone::of(text, tokens, words_max, is_title, lang);
        zone.look_up(names);
        zone.tell(&mut out);
    }
    out
}

/// The languages whose words are in the tables.
const LISTED: [&str; 8] = ["en", "de", "fr", "it", "es", "pl", "uk", "ru"];

fn listed(lang: Option<Lang>) -> &'static str {
    let code = lang.as_ref().map_or("", Lang::as_str);
    LISTED.iter().find(|known| **known == code).copied().unwrap_or("")
}

impl<'a> Zone<'a> {
    fn of(text: &'a str, tokens: &'a Tokens, words_max: usize, title: bool, lang: Option<Lang>) -> Self {
        let mut spots: Vec<Spot<'a>> = Vec::with_capacity(tokens.len().min(words_max));
        let mut before = 0;
        for token in tokens.iter().take(words_max) {
            let gap = &text[before..token.start];
            let opens_sentence =
                spots.is_empty() || gap.contains(['.', '!', '?', ':', '\n', '“', '"', '«', '„', '|', '•', '–', '—']);
            before = token.end;
            spots.push(spot(text, token, opens_sentence));
        }
        Self { text, title, lang, code: listed(lang), spots, found: Vec::with_capacity(words_max * 2) }
    }

    /// Finds what each word says.
    fn look_up(&mut self, names: &KnownNames) {
        let lexicon = Lexicon::shipped();
        let words: Vec<Word<'_>> = self.spots.iter().map(|spot| spot.word).collect();
        let sounds: Vec<Option<sound::Letters>> = self.spots.iter().map(|spot| spot.sounds).collect();
        let inflected = matches!(self.code, "pl" | "uk" | "ru" | "");
        let mut here = Vec::new();
        for at in 0..words.len() {
            let from = self.found.len();
            lexicon.find(&words, at, self.code, &mut here);
            let placed = here
                .iter()
                .filter(|f| matches!(f.sense, Sense::Place { .. } | Sense::Body { .. }))
                .map(|f| f.words)
                .max();
            if words[at].capital
                && let Some((sense, taken)) = lexicon.city(&sounds, at, inflected)
                && placed.is_none_or(|words| taken > usize::from(words))
            {
                here.retain(|f| !matches!(f.sense, Sense::Place { .. } | Sense::Body { .. }));
                here.push(Found::of(sense, taken as u8));
            } else if placed.is_none()
                && let Some(aliases) = &names.0
            {
                let mut own = Vec::new();
                aliases.find(&words, at, "", &mut own);
                here.append(&mut own);
            }
            self.found.append(&mut here);
            self.spots[at].senses = from..self.found.len();
        }
    }

    fn senses(&self, at: usize) -> &[Found] {
        self.spots.get(at).map_or(&[], |spot| &self.found[spot.senses.clone()])
    }

    fn has(&self, at: usize, is: impl Fn(Sense) -> bool) -> bool {
        self.senses(at).iter().any(|found| is(found.sense))
    }

    fn gap(&self, at: usize) -> &str {
        let from = at.checked_sub(1).map_or(0, |before| self.spots[before].end);
        &self.text[from..self.spots.get(at).map_or(self.text.len(), |spot| spot.start)]
    }

    /// Puts what was found into facts.
    fn tell(&mut self, out: &mut ItemFacts) {
        let mut facts = Facts { out, title: self.title };
        let shouted = self.spots.iter().filter(|spot| spot.word.shouted).count() * 2 > self.spots.len();
        let title_case = self.title && self.is_title_case();
        let mut at = 0;
        while at < self.spots.len() {
            if self.spots[at].taken {
                at += 1;
                continue;
            }
            let used = self.number(at, &mut facts).max(self.placed(at, &mut facts));
            if used > 0 {
                self.spots[at..at + used].iter_mut().for_each(|spot| spot.taken = true);
                at += used;
                continue;
            }
            self.day(at, &mut facts);
            self.deed(at, &mut facts);
            if !shouted {
                let run = self.name(at, title_case, &mut facts);
                if run > 0 {
                    self.spots[at..at + run].iter_mut().for_each(|spot| spot.taken = true);
                    at += run;
                    continue;
                }
            }
            if self.title {
                self.frame(at, facts.out);
            }
            at += 1;
        }
    }

    /// English headlines that capitalise every word: capitals say nothing then.
    fn is_title_case(&self) -> bool {
        let long = self
            .spots
            .iter()
            .filter(|spot| spot.word.folded.len() > 3 && !spot.word.folded.starts_with(|c: char| c.is_ascii_digit()));
        let (capital, all) =
            long.fold((0, 0), |(capital, all), spot| (capital + usize::from(spot.word.capital), all + 1));
        self.code != "de" && all >= 4 && capital * 10 >= all * 7
    }

    /// A place, an institution, one of the user's aliases: words used.
    fn placed(&self, at: usize, facts: &mut Facts<'_>) -> usize {
        for found in self.senses(at) {
            let fact = match found.sense {
                Sense::Place { country, city } => Fact::place(facts.title, country, city, self.role(at)),
                Sense::Body { body, country } => Fact::body(facts.title, body, country),
                Sense::Alias(hash) => Fact::new(Sort::Name, facts.title, hash),
                _ => continue,
            };
            facts.add(fact);
            return usize::from(found.words);
        }
        0
    }

    /// Whether something goes to the place at a position, or comes from it.
    fn role(&self, at: usize) -> Option<bool> {
        (1..=2).filter_map(|back| at.checked_sub(back)).find_map(|before| {
            self.senses(before).iter().find_map(|found| match found.sense {
                Sense::Direction { from } => Some(from),
                _ => None,
            })
        })
    }

    fn day(&self, at: usize, facts: &mut Facts<'_>) {
        for found in self.senses(at) {
            if let Sense::Weekday(day) = found.sense {
                facts.add(Fact::new(Sort::Day, facts.title, u32::from(day)));
            }
        }
    }

    /// Verbs and genres, which only a headline is believed in.
    fn deed(&self, at: usize, facts: &mut Facts<'_>) {
        if !facts.title {
            return;
        }
        // A German verb stands at the end, far from its negation; a French one carries it (n'enverra).
        let reach = if self.code == "de" { 6 } else { 2 };
        let not = (1..=reach)
            .filter_map(|back| at.checked_sub(back))
            .any(|before| self.has(before, |s| s == Sense::Not))
            || self.code == "fr" && self.text[self.spots[at].start..].starts_with(['n', 'N']) && self.spots[at].elided;
        for found in self.senses(at) {
            match found.sense {
                Sense::Act { class, positive } => {
                    facts.add(Fact::new(Sort::Act, true, u32::from(class) << 1 | u32::from(positive != not)));
                }
                Sense::Stage { firm } => facts.add(Fact::new(Sort::Stage, true, u32::from(firm))),
                Sense::Genre(genre) => facts.add(Fact::new(Sort::Genre, true, u32::from(genre))),
                _ => {}
            }
        }
    }

    /// A word of the headline that is nothing else.
    fn frame(&self, at: usize, out: &mut ItemFacts) {
        let word = self.spots[at].word.folded;
        let says_more = |found: &Found| {
            matches!(
                found.sense,
                Sense::Stop
                    | Sense::Not
                    | Sense::Direction { .. }
                    | Sense::Act { .. }
                    | Sense::Stage { .. }
                    | Sense::Weekday(_)
            )
        };
        if out.frame.len() == FRAME_MAX || word.chars().count() < 3 || self.senses(at).iter().any(says_more) {
            return;
        }
        let unit = self.senses(at).iter().find_map(|found| match found.sense {
            Sense::Unit(unit) => Some(u64::from(unit)),
            _ => None,
        });
        let end = word.char_indices().nth(FRAME_LETTERS).map_or(word.len(), |(end, _)| end);
        // What is counted is one thing under many names: soldiers, troops.
        let hash = unit.map_or_else(|| xxh3_64(&word.as_bytes()[..end]), |unit| xxh3_64(&unit.to_le_bytes()));
        let hash = (hash >> 48) as u16;
        if !out.frame.contains(&hash) {
            out.frame.push(hash);
        }
    }

    /// A name that no table holds: words of the run it ends.
    fn name(&self, at: usize, title_case: bool, facts: &mut Facts<'_>) -> usize {
        if !self.is_name(at, title_case) {
            return 0;
        }
        let mut end = at + 1;
        while end < self.spots.len() && end < at + 4 && self.gap(end) == " " && self.is_name(end, title_case) {
            end += 1;
        }
        // Whom a sentence opens with is a name if it goes on like one, or is no word of the language.
        let alone = end == at + 1;
        if alone && !self.stands_alone(at, title_case) {
            return 0;
        }
        let last = &self.spots[end - 1];
        if last.word.shouted {
            facts.add(Fact::new(Sort::Name, facts.title, xxh3_64(last.word.folded.as_bytes()) as u32));
        } else if let Some(bones) = sound::skeleton(last.word.folded, self.lang)
            && bones.as_bytes().len() >= 2
        {
            facts.add(Fact::new(Sort::Name, facts.title, xxh3_64(bones.as_bytes()) as u32));
        }
        end - at
    }

    fn is_name(&self, at: usize, title_case: bool) -> bool {
        let spot = &self.spots[at];
        let word = spot.word;
        let known = |found: &Found| {
            !matches!(found.sense, Sense::Act { .. } | Sense::Stage { .. } | Sense::Direction { .. })
                || self.code == "de"
        };
        if !word.capital || spot.taken || word.folded.chars().count() < 3 || self.senses(at).iter().any(known) {
            return false;
        }
        if word.folded.bytes().any(|b| b.is_ascii_digit()) {
            return false;
        }
        let rare = || background::idf(term_hash(word.folded)) >= NAME_IDF_MIN;
        match self.code {
            "de" => !is_german_noun(word.folded),
            "en" if title_case || spot.opens_sentence => word.shouted || rare(),
            _ => true,
        }
    }

    /// Whether a capitalised word that has no other beside it is a name.
    fn stands_alone(&self, at: usize, title_case: bool) -> bool {
        let spot = &self.spots[at];
        let after_title = at.checked_sub(1).is_some_and(|before| self.has(before, |sense| sense == Sense::Title));
        match self.code {
            // Every noun has a capital: only acronyms, and whom a title announces.
            "de" => spot.word.shouted || after_title,
            "en" => true,
            _ => (!spot.opens_sentence && !title_case) || spot.word.shouted,
        }
    }

    /// A number and what it counts, the how-manieth of what, an identifier: words used.
    fn number(&self, at: usize, facts: &mut Facts<'_>) -> usize {
        let word = self.spots[at].word.folded;
        if word.bytes().any(|b| b.is_ascii_digit()) || word.chars().any(|c| numbers::western(c).is_ascii_digit()) {
            return self.digits(at, facts);
        }
        for found in self.senses(at) {
            match found.sense {
                Sense::Ordinal(n) if n > 1 => {
                    self.nth(at, 1, n, facts);
                    return 1;
                }
                Sense::Number(n) => {
                    let (mut sum, mut used) = (u64::from(n), 1);
                    // Twenty-one.
                    if n >= 20
                        && let Some(small) = self.number_word(at + 1).filter(|small| *small < 10)
                        && matches!(self.gap(at + 1), "-" | " ")
                    {
                        sum += u64::from(small);
                        used += 1;
                    }
                    return self.quantity(at, used, Amount::new(sum, 0), facts, n == 1);
                }
                _ => {}
            }
        }
        0
    }

    fn number_word(&self, at: usize) -> Option<u16> {
        self.senses(at).iter().find_map(|found| match found.sense {
            Sense::Number(n) => Some(n),
            _ => None,
        })
    }

    fn digits(&self, at: usize, facts: &mut Facts<'_>) -> usize {
        let spot = &self.spots[at];
        let joined = at > 0 && self.gap(at) == "-";
        let letters_before = joined && !self.has(at - 1, |s| matches!(s, Sense::Unit(_) | Sense::Scale(_)));
        // CVE-2025-41822, F-16, 2-1: what a dash ties together is one.
        let mut end = at + 1;
        while end < self.spots.len()
            && self.gap(end) == "-"
            && self.spots[end].word.folded.bytes().all(|b| b.is_ascii_digit())
        {
            end += 1;
        }
        if end == at + 1 && self.gap(end) == ":" && end < self.spots.len() {
            // A time of day.
            return 2.min(self.spots.len() - at);
        }
        if letters_before || end > at + 1 {
            let from = if letters_before { self.spots[at - 1].start } else { spot.start };
            let whole = &self.text[from..self.spots[end - 1].end];
            let kind = if letters_before { self.spots[at - 1].word.folded } else { "" };
            facts.add(code(facts.title, kind, whole));
            return end - at;
        }
        let original = &self.text[spot.start..spot.end];
        match numbers::written(spot.word.folded, original, matches!(self.code, "en" | "")) {
            Written::Nth(n) => {
                self.nth(at, 1, n, facts);
                1
            }
            Written::Code => {
                let kind = spot.word.folded.trim_end_matches(|c: char| c.is_ascii_digit());
                facts.add(code(
                    facts.title,
                    if kind.len() < spot.word.folded.len() { kind } else { "" },
                    spot.word.folded,
                ));
                1
            }
            Written::Amount(amount) => self.amount(at, amount, facts),
        }
    }

    fn amount(&self, at: usize, mut amount: Amount, facts: &mut Facts<'_>) -> usize {
        let mut used = 1;
        let plain = amount.value();
        // 120 000.
        while self.code != "en"
            && self
                .spots
                .get(at + used)
                .is_some_and(|s| s.word.folded.len() == 3 && s.word.folded.bytes().all(|b| b.is_ascii_digit()))
            && matches!(self.gap(at + used), " " | "\u{a0}" | "\u{202f}" | "\u{2009}")
            && amount.value() < 1e9
        {
            let next: u64 = self.spots[at + used].word.folded.parse().unwrap_or(0);
            amount = Amount::new((amount.value() as u64) * 1000 + next, 0);
            used += 1;
        }
        let whole = plain.fract() == 0.0 && used == 1;
        let numbered = |at| self.has(at, |s| matches!(s, Sense::Numbered(_)));
        // 17-й, 17-го.
        if whole
            && self.gap(at + 1) == "-"
            && self.spots.get(at + 1).is_some_and(|s| s.word.folded.chars().count() <= 2)
        {
            self.nth(at, 2, plain as u16, facts);
            return 2;
        }
        let month =
            |at: usize| self.senses(at).iter().find_map(|f| if let Sense::Month(m) = f.sense { Some(m) } else { None });
        if whole && (1.0..=31.0).contains(&plain) {
            let before = at.checked_sub(1).and_then(month);
            if let Some(month) = month(at + 1).or(before) {
                facts.add(Fact::new(Sort::Day, facts.title, u32::from(month) << 5 | plain as u32));
                return if before.is_none() { 2 } else { 1 };
            }
        }
        let dotted = self.gap(at + 1).starts_with('.') && (numbered(at + 1) || numbered(at + 2));
        // General License 132, Resolution 1701: the capital says that the number belongs to the word.
        let titled = at > 0 && self.spots[at - 1].word.capital && self.gap(at) == " ";
        let most = if titled { NTH_MAX } else { 1000.0 };
        if whole && plain < most && (dotted || at > 0 && numbered(at - 1)) {
            self.nth(at, 1, plain as u16, facts);
            return 1;
        }
        self.quantity(at, used, amount, facts, false)
    }

    fn nth(&self, at: usize, used: usize, n: u16, facts: &mut Facts<'_>) {
        let class_at = |at: usize| {
            self.senses(at).iter().find_map(|found| match found.sense {
                Sense::Numbered(class) => Some(class),
                _ => None,
            })
        };
        let after = (at + used..(at + used + 3).min(self.spots.len())).find_map(class_at);
        let class = after.or_else(|| at.checked_sub(1).and_then(class_at));
        if self.title || class.is_some() {
            facts.add(Fact::new(Sort::Nth, facts.title, u32::from(n) << 8 | u32::from(class.unwrap_or(0))));
        }
    }

    /// A number of something. `weak`: an article in some languages, believed only right before what is counted.
    fn quantity(&self, at: usize, used: usize, amount: Amount, facts: &mut Facts<'_>, weak: bool) -> usize {
        let (mut amount, mut end) = (amount, at + used);
        while let Some(power) = self.scale(end) {
            amount = amount.times_ten_to(power);
            end += 1;
        }
        let before = &self.text[..self.spots[at].start];
        let after = &self.text[self.spots[end - 1].end..];
        let unit = if after.starts_with('%') || after.starts_with(" %") || after.starts_with("\u{a0}%") {
            Lexicon::shipped().unit("percent").map(u32::from)
        } else {
            sign(before, after)
                .or_else(|| self.unit_after(end, weak))
                .or_else(|| self.unit_before(at))
                .or_else(|| self.counted(end).filter(|_| !weak))
        };
        let counts = self.has(end, |s| matches!(s, Sense::Unit(_))) && self.gap(end) == " ";
        let year = end == at + 1
            && (1900.0..2100.0).contains(&amount.value())
            && self.spots[at].word.folded.len() == 4
            && !counts;
        match unit {
            _ if year => {}
            Some(unit) if unit < UNIT_HASHED || self.title && !weak => {
                facts.add(Fact::quantity(facts.title, amount, unit));
            }
            None if self.title && !weak => facts.add(Fact::quantity(facts.title, amount, UNIT_HASHED)),
            _ if weak => return 0,
            _ => {}
        }
        end - at
    }

    fn scale(&self, at: usize) -> Option<u8> {
        self.senses(at).iter().find_map(|found| match found.sense {
            Sense::Scale(power) => Some(power),
            _ => None,
        })
    }

    /// What stands after a number and is counted by it; the dead before the soldiers they were.
    fn unit_after(&self, from: usize, weak: bool) -> Option<u32> {
        let lexicon = Lexicon::shipped();
        let mut first = None;
        let reach = if weak { 1 } else { UNIT_REACH };
        for at in from..(from + reach).min(self.spots.len()) {
            // 2 tys. żołnierzy: the dot is the abbreviation's.
            let abbreviated = at == from && self.scale(at - 1).is_some();
            let gap = if abbreviated { self.gap(at).trim_start_matches('.') } else { self.gap(at) };
            let stops = gap.contains([',', ';', ':', '.', '(', '–', '—', '|']);
            let another =
                self.number_word(at).is_some() || self.spots[at].word.folded.starts_with(|c: char| c.is_ascii_digit());
            if stops || another {
                break;
            }
            for found in self.senses(at) {
                if let Sense::Unit(unit) = found.sense {
                    let victims = matches!(lexicon.unit_name(unit), "dead" | "hurt" | "missing" | "held");
                    if victims {
                        return Some(u32::from(unit));
                    }
                    first = first.or((at < from + 3).then_some(u32::from(unit)));
                }
            }
        }
        first
    }

    /// The word after a number, where it is in no table: by the hash of its stem.
    fn counted(&self, from: usize) -> Option<u32> {
        let word = self.spots.get(from).filter(|_| self.gap(from) == " ")?.word.folded;
        let stop = self.has(from, |s| matches!(s, Sense::Stop | Sense::Act { .. } | Sense::Stage { .. }));
        let end = word.char_indices().nth(FRAME_LETTERS).map_or(word.len(), |(end, _)| end);
        (!stop && word.len() > 2).then(|| UNIT_HASHED + (xxh3_64(&word.as_bytes()[..end]) % 127 + 1) as u32)
    }

    /// What stands before a number: killing 19, magnitude 6.1, NOK 48.
    fn unit_before(&self, at: usize) -> Option<u32> {
        // "dozens of tankers, 2 insurers": what stands before a comma is not counted behind it.
        let joined =
            |before: usize| (before + 1..=at).all(|word| !self.gap(word).contains([',', ';', '(', '–', '—', '|']));
        (1..=2).filter_map(|back| at.checked_sub(back)).filter(|before| joined(*before)).find_map(|before| {
            self.senses(before).iter().find_map(|found| match found.sense {
                Sense::Unit(unit) => Some(u32::from(unit)),
                _ => None,
            })
        })
    }
}

/// A currency by its sign.
fn sign(before: &str, after: &str) -> Option<u32> {
    let lexicon = Lexicon::shipped();
    let after = after.trim_start_matches([' ', '\u{a0}']);
    let of = |c: char| match c {
        '$' => lexicon.unit("usd"),
        '€' => lexicon.unit("eur"),
        '£' => lexicon.unit("gbp"),
        '₽' => lexicon.unit("rub"),
        '₴' => lexicon.unit("uah"),
        _ => None,
    };
    before.chars().next_back().and_then(of).or_else(|| after.chars().next().and_then(of)).map(u32::from)
}

/// An identifier: what sort it is of (CVE, F, A) and which.
fn code(title: bool, kind: &str, whole: &str) -> Fact {
    let kind = (xxh3_64(kind.as_bytes()) % 127) as u32;
    let folded = whole.to_lowercase();
    Fact::new(Sort::Code, title, kind << 20 | (xxh3_64(folded.as_bytes()) as u32 & 0xF_FFFF))
}

fn spot<'a>(text: &'a str, token: Token<'a>, opens_sentence: bool) -> Spot<'a> {
    let (from, to) = bare(token.folded);
    let folded = &token.folded[from..token.folded.len() - to];
    let original = &text[token.start..token.end];
    let letters = original.chars().skip(from);
    let capital = letters.clone().next().is_some_and(char::is_uppercase);
    let shouted = capital
        && original.len() > 1
        && letters.clone().count() > 1
        && letters.filter(|c| c.is_alphabetic()).all(char::is_uppercase);
    let sounds = if capital { sound::latin(folded) } else { None };
    Spot {
        word: Word { folded, capital, shouted },
        start: token.start,
        end: token.end,
        opens_sentence,
        sounds,
        senses: 0..0,
        elided: from > 0,
        taken: false,
    }
}

/// Endings and lengths of what is a noun in German, not a name.
fn is_german_noun(word: &str) -> bool {
    const ENDINGS: [&str; 26] = [
        "ung",
        "ungen",
        "heit",
        "keit",
        "schaft",
        "tion",
        "tionen",
        "ismus",
        "tat",
        "chen",
        "nis",
        "tum",
        "enz",
        "anz",
        "ierung",
        "gruppe",
        "partei",
        "minister",
        "prasident",
        "chef",
        "gericht",
        "regierung",
        "ministerium",
        "land",
        "stadt",
        "krieg",
    ];
    word.chars().count() > 13 || ENDINGS.iter().any(|ending| word.len() > ending.len() && word.ends_with(ending))
}

/// Facts being gathered, each once, within their bounds.
struct Facts<'a> {
    out: &'a mut ItemFacts,
    title: bool,
}

impl Facts<'_> {
    fn add(&mut self, fact: Fact) {
        let facts = &mut self.out.facts;
        let same = |old: &Fact| old.sort() == fact.sort() && old.value() == fact.value();
        if facts.len() == FACTS_MAX || facts.iter().any(same) {
            return;
        }
        if !self.title {
            let most = match fact.sort() {
                Sort::Place | Sort::Name | Sort::Quantity => 3,
                Sort::Body | Sort::Code => 2,
                Sort::Nth | Sort::Day => 1,
                Sort::Act | Sort::Stage | Sort::Genre => 0,
            };
            if facts.iter().filter(|old| !old.in_title() && old.sort() == fact.sort()).count() >= most {
                return;
            }
        }
        facts.push(fact);
    }
}

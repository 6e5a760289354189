//! Numbers: what they count, the how-manieth of what they are, or the identifier they belong to.

use xxhash_rust::xxh3::xxh3_64;

use super::super::lexicon::{Lexicon, Sense};
use super::super::numbers::{self, Written};
use super::super::{Amount, Fact, Sort, UNIT_HASHED};
use super::{FRAME_LETTERS, Facts, NTH_MAX, Zone};

/// Words after a number in which what it counts is looked for.
const UNIT_REACH: usize = 4;

impl Zone<'_> {
    /// A number and what it counts, the how-manieth of what, an identifier: words used.
    pub(super) fn number(&self, at: usize, facts: &mut Facts<'_>) -> usize {
        let word = self.spots[at].word.folded;
        let foreign = !word.is_ascii() && word.chars().any(|c| numbers::western(c).is_ascii_digit());
        if foreign || word.bytes().any(|b| b.is_ascii_digit()) {
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
                .or_else(|| self.age(at))
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

    /// Who dies at 88 is not 88 dead.
    fn age(&self, at: usize) -> Option<u32> {
        let before = |back: usize| at.checked_sub(back).map(|at| self.spots[at].word.folded);
        let of_life = match before(1)? {
            "aged" => true,
            "at" => at >= 2 && self.has(at - 2, |s| matches!(s, Sense::Unit(_))),
            _ => false,
        };
        (self.code == "en" && of_life).then(|| Lexicon::shipped().unit("years").map(u32::from))?
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

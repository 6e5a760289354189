//! What near-duplicates and stories need to know of one item: made in `prepare` from the text,
//! persisted with the item, enough to rebuild the memory without the text.

use xxhash_rust::xxh3::xxh3_64;

use crate::model::{DateCertainty, Item, Lang};
use crate::pipeline::dedupe::sketch::Sketch;
use crate::pipeline::facts::{self, ItemFacts, KnownNames};
use crate::pipeline::story::profile::{Profile, Term, Zone};
use crate::pipeline::story::signals::Facts;
use crate::pipeline::story::words::Kind;
use crate::pipeline::story::{agency, roundup, weekday};
use crate::text::tokens::Tokens;

/// First byte of the stored form; features of another version are made again from the text.
const VERSION: u8 = 2;

/// Shingle sketch and telling terms of one item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    /// For near-duplicates.
    pub sketch: Sketch,
    /// For stories.
    pub profile: Profile,
    /// What it says, free of its language.
    pub facts: ItemFacts,
    /// Hours since 1970 when it was published, if a date was given and can be trusted.
    pub published_h: Option<i32>,
    /// Who published it, as a hash; 0: not known.
    pub source: u32,
    /// Weekdays that its opening names, a bit each.
    pub weekdays: u8,
    /// It announces many events: others do not join it, and it joins none.
    pub roundup: bool,
}

impl Features {
    /// Whether it is known to be of that source.
    #[must_use]
    pub fn is_of(&self, source: u32) -> bool {
        self.source != 0 && self.source == source
    }

    /// Reads an item; `title` and `text` are the tokens of its title and body, `names` the user's own names.
    #[must_use]
    pub fn of(item: &Item, title: &Tokens, text: &Tokens, names: &KnownNames) -> Self {
        let trusted =
            item.published.filter(|d| !matches!(d.certainty, DateCertainty::FileTime | DateCertainty::Clamped));
        let published_h = trusted.and_then(|d| i32::try_from(d.at.seconds().div_euclid(3600)).ok());
        let bare = agency::without_marks(&item.title);
        let marked = (bare.len() < item.title.len()).then(|| Tokens::of(bare));
        let title = marked.as_ref().unwrap_or(title);
        let mut features = Self::of_text(bare, title, &item.text, text, published_h);
        features.facts = facts::read(bare, title, &item.text, text, item.lang, names);
        features.source = item.outlet.as_ref().map_or(0, |outlet| source_hash(outlet.as_str()));
        features
    }

    /// Reads a title and a body; what they say is left out, see [`Features::with_facts`].
    #[must_use]
    pub fn of_text(title: &str, title_tokens: &Tokens, text: &str, tokens: &Tokens, published_h: Option<i32>) -> Self {
        // Without a body the headline is the text: two feeds that carry headlines only still find copies.
        let sketch = if tokens.is_empty() { Sketch::of(title, title_tokens) } else { Sketch::of(text, tokens) };
        Self {
            sketch,
            profile: Profile::of(title, title_tokens, text, tokens),
            facts: ItemFacts::default(),
            published_h,
            source: 0,
            weekdays: weekday::named(title_tokens, tokens),
            roundup: roundup::announces_many(title, title_tokens),
        }
    }

    /// Whether its text takes up its headline: a text that does not is what the source says under everything.
    #[must_use]
    pub fn is_grounded(&self) -> bool {
        self.profile.terms.iter().any(|term| term.zone == Zone::Title && term.count > 1)
    }

    /// What comparisons need beside the terms, for an item that came at this hour.
    #[must_use]
    pub fn circumstances(&self, arrived_h: i32) -> Facts {
        Facts {
            words: self.profile.words,
            published_h: self.published_h,
            arrived_h,
            source: self.source,
            weekdays: self.weekdays,
        }
    }

    /// With what a title and a body in a language say.
    #[must_use]
    pub fn with_facts(mut self, title: &str, text: &str, lang: Option<Lang>) -> Self {
        self.facts = facts::read(title, &Tokens::of(title), text, &Tokens::of(text), lang, &KnownNames::default());
        self
    }

    /// The stored form: about 240 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let packed = self.sketch.pack();
        let mut out = vec![
            VERSION,
            self.sketch.keys.len() as u8,
            packed.len() as u8,
            self.profile.terms.len() as u8,
            self.sketch.halvings,
            self.weekdays,
            u8::from(self.roundup),
        ];
        out.extend(self.source.to_le_bytes());
        out.extend(self.sketch.shingles.to_le_bytes());
        out.extend(self.sketch.opening.to_le_bytes());
        out.extend(self.profile.words.to_le_bytes());
        out.extend(self.published_h.unwrap_or(i32::MIN).to_le_bytes());
        out.extend(self.sketch.keys.iter().flat_map(|key| key.to_le_bytes()));
        out.extend(packed);
        for term in &self.profile.terms {
            let bits = term.hash << 8 | (term.zone as u32) << 6 | (term.kind as u32) << 4 | u32::from(term.count);
            out.extend(bits.to_le_bytes());
        }
        self.facts.write(&mut out);
        out
    }

    /// Reads the stored form; `None` if it is of another version or damaged.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[version, keys, packed, terms, halvings, weekdays, roundup], rest) = bytes.split_first_chunk::<7>()?;
        if version != VERSION || halvings > 16 {
            return None;
        }
        let (source, rest) = rest.split_first_chunk()?;
        let (shingles, rest) = rest.split_first_chunk()?;
        let (opening, rest) = rest.split_first_chunk()?;
        let (words, rest) = rest.split_first_chunk()?;
        let (published, rest) = rest.split_first_chunk()?;
        let (keys, rest) = rest.split_at_checked(usize::from(keys) * 4)?;
        let (packed, rest) = rest.split_at_checked(usize::from(packed))?;
        let (terms, rest) = rest.split_at_checked(usize::from(terms) * 4)?;
        let (facts, rest) = ItemFacts::read_from(rest)?;
        if !rest.is_empty() {
            return None;
        }
        let quads = |b: &[u8]| -> Vec<u32> {
            b.chunks_exact(4).map(|q| u32::from_le_bytes(q.try_into().expect("invariant: four bytes"))).collect()
        };
        let sketch = Sketch {
            keys: quads(keys),
            samples: Sketch::unpack(packed)?,
            halvings,
            shingles: u16::from_le_bytes(*shingles),
            opening: u16::from_le_bytes(*opening),
        };
        let profile =
            Profile { terms: quads(terms).into_iter().map(term).collect(), words: u32::from_le_bytes(*words) };
        let published_h = Some(i32::from_le_bytes(*published)).filter(|h| *h != i32::MIN);
        let source = u32::from_le_bytes(*source);
        Some(Self { sketch, profile, facts, published_h, source, weekdays, roundup: roundup != 0 })
    }
}

/// Who published an item, as features keep it; never 0.
#[must_use]
pub fn source_hash(outlet: &str) -> u32 {
    (xxh3_64(outlet.as_bytes()) as u32).max(1)
}

fn term(bits: u32) -> Term {
    let zone = match bits >> 6 & 3 {
        0 => Zone::Body,
        1 => Zone::Lead,
        _ => Zone::Title,
    };
    let kind = match bits >> 4 & 3 {
        0 => Kind::Plain,
        1 => Kind::Name,
        _ => Kind::Number,
    };
    Term { hash: bits >> 8 & 0x3F_FFFF, zone, kind, count: (bits & 15) as u8 }
}

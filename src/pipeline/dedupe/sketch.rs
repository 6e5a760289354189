//! Text to a sketch of its shingles: a sample that shows how much two texts share, in either
//! direction, and the few keys under which a copy finds the original.
//!
//! A shingle is three words in a row, or five characters in scripts without spaces. The sample is
//! all shingles whose hash lies below a limit that halves until few enough are left (nested, so
//! sketches of texts of any length compare at the coarser limit: Broder 1997); the keys are the
//! lowest hashes: texts that share most shingles share one of four with near certainty (bottom-k).

use crate::pipeline::story::words::is_unspaced;
use crate::text::tokens::Tokens;

/// Keys per text.
pub const KEYS: usize = 4;
/// Words in a shingle.
const SHINGLE_WORDS: usize = 3;
/// Characters in a shingle of a script without spaces, where each is a token of its own.
const SHINGLE_CHARACTERS: usize = 5;
/// Samples kept at most; half as many at least where the text has them.
const SAMPLES_MAX: usize = 40;
/// Bits of a sample's hash below the limit that are kept.
const SAMPLE_BITS: u32 = 12;
/// Limit is not halved more often: enough for any text that is read.
const HALVINGS_MAX: u8 = 16;
/// Words of a text that are read; what follows in a gigantic text changes nothing.
const WORDS_MAX: usize = 20_000;
/// A text with fewer shingles has exact copies only.
const SHINGLES_MIN: usize = 8;

/// What is kept of a text to tell whether another is a copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sketch {
    /// Lowest hashes, at most [`KEYS`]; none for texts too short for near copies.
    pub keys: Vec<u32>,
    /// The sample, rising, 12 bits each.
    pub samples: Vec<u16>,
    /// How often the limit was halved.
    pub halvings: u8,
    /// Shingles of the text, repeats counted, capped.
    pub shingles: u16,
    /// Hash of the first words, to recognise cut copies.
    pub opening: u16,
}

/// How much two texts share, estimated from their sketches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlap {
    /// Shared shingles over all shingles of both.
    pub jaccard: f32,
    /// Shared shingles over those of the shorter text.
    pub containment: f32,
    /// Length of the shorter text over that of the longer.
    pub length_ratio: f32,
    /// Samples of the shorter text that were compared.
    pub samples: usize,
    /// Whether both begin with the same words.
    pub same_opening: bool,
}

impl Sketch {
    /// Reads a text.
    #[must_use]
    pub fn of(text: &str, tokens: &Tokens) -> Self {
        let mut sample = Sample { hashes: Vec::with_capacity(tokens.len().min(SAMPLES_MAX * 4 + 1)), halvings: 0 };
        let mut window = Window::default();
        let (mut shingles, mut opening) = (0u32, 0u32);
        for token in tokens.iter().take(WORDS_MAX) {
            let unspaced = !token.is_ascii() && text[token.start..].starts_with(is_unspaced);
            let size = if unspaced { SHINGLE_CHARACTERS } else { SHINGLE_WORDS };
            let Some(hash) = window.push(token.hash, size) else { continue };
            shingles += 1;
            if shingles <= 5 {
                opening = opening.rotate_left(7) ^ hash;
            }
            sample.take(hash);
        }
        sample.settle();
        let drop = u32::BITS - SAMPLE_BITS - u32::from(sample.halvings);
        let enough = shingles as usize >= SHINGLES_MIN;
        Self {
            keys: sample.hashes.iter().take(if enough { KEYS } else { 0 }).map(|h| mix(*h)).collect(),
            samples: sample.hashes.iter().map(|h| (h >> drop) as u16).collect(),
            halvings: sample.halvings,
            shingles: shingles.min(u32::from(u16::MAX)) as u16,
            opening: (opening ^ opening >> 16) as u16,
        }
    }

    /// Compares two sketches, each given as its parts.
    #[must_use]
    pub fn overlap(&self, other: View<'_>) -> Overlap {
        let halvings = self.halvings.max(other.halvings);
        let (ours_cut, theirs_cut) = (halvings - self.halvings, halvings - other.halvings);
        // The finer sample is restricted to the coarser limit; the coarser one loses as many low bits.
        let ours = self
            .samples
            .iter()
            .map(|v| u32::from(*v))
            .take_while(|v| v >> SAMPLE_BITS.saturating_sub(u32::from(ours_cut)) == 0);
        let ours = ours.map(|v| v >> theirs_cut);
        let theirs = other
            .samples()
            .take_while(|v| v >> SAMPLE_BITS.saturating_sub(u32::from(theirs_cut)) == 0)
            .map(|v| v >> ours_cut);
        let (shared, ours_count, theirs_count) = intersect(ours, theirs);
        let (short, long) = (self.shingles.min(other.shingles), self.shingles.max(other.shingles));
        let of_short = if self.shingles <= other.shingles { ours_count } else { theirs_count };
        let share = |part: usize, whole: usize| if whole == 0 { 0.0 } else { (part as f32 / whole as f32).min(1.0) };
        Overlap {
            jaccard: share(shared, ours_count + theirs_count - shared),
            containment: share(shared, of_short),
            length_ratio: share(usize::from(short), usize::from(long)),
            samples: of_short,
            same_opening: self.opening == other.opening,
        }
    }

    /// The sample as bytes: differences of neighbours, an escape byte for each 255 of a larger one.
    #[must_use]
    pub fn pack(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.samples.len() + 4);
        let mut last = 0;
        for sample in &self.samples {
            let mut step = sample - last;
            while step >= 255 {
                out.push(255);
                step -= 255;
            }
            out.push(step as u8);
            last = *sample;
        }
        out
    }

    /// Reads [`Sketch::pack`]; `None` if a value is out of range.
    #[must_use]
    pub fn unpack(packed: &[u8]) -> Option<Vec<u16>> {
        let view = View { packed, halvings: 0, shingles: 0, opening: 0 };
        view.samples().map(|v| u16::try_from(v).ok().filter(|v| *v < 1 << SAMPLE_BITS)).collect()
    }
}

/// A sketch in storage.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// As from [`Sketch::pack`].
    pub packed: &'a [u8],
    /// See [`Sketch`].
    pub halvings: u8,
    /// See [`Sketch`].
    pub shingles: u16,
    /// See [`Sketch`].
    pub opening: u16,
}

impl View<'_> {
    /// The samples, rising.
    pub fn samples(&self) -> impl Iterator<Item = u32> + '_ {
        let mut at = 0u32;
        self.packed.iter().filter_map(move |byte| {
            at += u32::from(*byte);
            (*byte != 255).then_some(at)
        })
    }
}

/// How many values two rising sequences share, and how many each has.
fn intersect(a: impl Iterator<Item = u32>, b: impl Iterator<Item = u32>) -> (usize, usize, usize) {
    let (mut a, mut b) = (a.peekable(), b.peekable());
    let (mut shared, mut a_count, mut b_count) = (0, 0, 0);
    loop {
        match (a.peek(), b.peek()) {
            (Some(x), Some(y)) => {
                let (x, y) = (*x, *y);
                if x <= y {
                    a.next();
                    a_count += 1;
                }
                if y <= x {
                    b.next();
                    b_count += 1;
                }
                shared += usize::from(x == y);
            }
            (Some(_), None) => {
                a_count += a.count();
                break;
            }
            (None, Some(_)) => {
                b_count += b.count();
                break;
            }
            (None, None) => break,
        }
    }
    (shared, a_count, b_count)
}

/// Shingle hashes below a limit that adapts.
struct Sample {
    hashes: Vec<u32>,
    halvings: u8,
}

impl Sample {
    fn take(&mut self, hash: u32) {
        if hash <= u32::MAX >> self.halvings {
            self.hashes.push(hash);
            if self.hashes.len() > SAMPLES_MAX * 4 {
                self.settle();
            }
        }
    }

    fn settle(&mut self) {
        self.hashes.sort_unstable();
        self.hashes.dedup();
        while self.hashes.len() > SAMPLES_MAX && self.halvings < HALVINGS_MAX {
            self.halvings += 1;
            self.hashes.truncate(self.hashes.partition_point(|h| *h <= u32::MAX >> self.halvings));
        }
    }
}

/// The last hashes of words, the newest first, combined into shingles.
#[derive(Default)]
struct Window {
    hashes: [u64; SHINGLE_CHARACTERS],
    seen: usize,
}

impl Window {
    fn push(&mut self, word: u64, size: usize) -> Option<u32> {
        self.hashes.copy_within(..SHINGLE_CHARACTERS - 1, 1);
        self.hashes[0] = word;
        self.seen += 1;
        if self.seen < size {
            return None;
        }
        let mut mixed = 0u64;
        for hash in &self.hashes[..size] {
            mixed = (mixed ^ hash).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        }
        Some(mix((mixed >> 32) as u32 ^ mixed as u32))
    }
}

/// Finaliser of MurmurHash3: spreads a hash over all bits.
fn mix(mut h: u32) -> u32 {
    h ^= h >> 16;
    h = h.wrapping_mul(0x85EB_CA6B);
    h ^= h >> 13;
    h = h.wrapping_mul(0xC2B2_AE35);
    h ^ (h >> 16)
}

//! Texts that stand together in one value of SQLite, and the function that takes one out. Together they deflate better than
//! each by itself, and setting a compressor up is paid once.
//!
//! The value: CRC-32 of what follows, least byte first; how many texts; for each its distance from the item before (of the
//! first from the number the block goes by, so 0) and its length in bytes; then all of them, one after the other, deflated.
//! Numbers are of seven bits a byte, the lowest first.

use std::cell::RefCell;

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, ffi};

/// Texts go into one block up to so many bytes; a longer text has one to itself.
pub(in crate::store) const BLOCK_BYTES: usize = 16 << 10;
/// From measurements: see docs/development/speed.md.
const LEVEL: u32 = 2;
/// Deflate makes at most so many bytes of one.
const GROWTH_MAX: usize = 1032;
/// What a connection keeps unpacked for the next question is no larger.
const KEPT_BYTES_MAX: usize = 4 * BLOCK_BYTES;
const CRC_BYTES: usize = 4;
/// How the words of an error begin by which damage is told from other failures of a function.
const DAMAGE: &str = "texts of the items from number ";

/// Texts on their way into a block.
#[derive(Debug, Default)]
pub(in crate::store) struct BlockTexts {
    /// The number of each item, and where its text ends.
    ends: Vec<(i64, usize)>,
    raw: String,
}

impl BlockTexts {
    /// Adds the text of an item with a higher number than those that are in it.
    pub(in crate::store) fn push(&mut self, seq: i64, text: &str) {
        self.raw.push_str(text);
        self.ends.push((seq, self.raw.len()));
    }

    /// Whether another text of so many bytes would be too much.
    pub(in crate::store) fn is_full_for(&self, bytes: usize) -> bool {
        !self.ends.is_empty() && self.raw.len() + bytes > BLOCK_BYTES
    }

    /// Numbers of its first and last item; `None`: there is none.
    pub(in crate::store) fn span(&self) -> Option<(i64, i64)> {
        Some((self.ends.first()?.0, self.ends.last()?.0))
    }

    /// How many there are.
    pub(in crate::store) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Takes all of them out.
    pub(in crate::store) fn clear(&mut self) {
        self.ends.clear();
        self.raw.clear();
    }

    /// All of them as they are stored.
    pub(in crate::store) fn packed(&self) -> Vec<u8> {
        let mut packed = vec![0; CRC_BYTES];
        write_number(&mut packed, self.ends.len() as u64);
        let (mut before, mut start) = (self.span().map_or(0, |(first, _)| first), 0);
        for &(seq, end) in &self.ends {
            write_number(&mut packed, seq.abs_diff(before));
            write_number(&mut packed, (end - start) as u64);
            (before, start) = (seq, end);
        }
        COMPRESSOR.with_borrow_mut(|compressor| deflate(compressor, self.raw.as_bytes(), &mut packed));
        let crc = crc(&packed[CRC_BYTES..]);
        packed[..CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
        packed
    }
}

thread_local! {
    /// Making one takes longer than what it does for a text.
    static COMPRESSOR: RefCell<Compress> = RefCell::new(Compress::new(Compression::new(LEVEL), false));
}

fn deflate(compressor: &mut Compress, raw: &[u8], out: &mut Vec<u8>) {
    compressor.reset();
    out.reserve(raw.len() / 2 + 64);
    loop {
        let read = usize::try_from(compressor.total_in()).expect("invariant: it is in memory");
        match compressor.compress_vec(&raw[read..], out, FlushCompress::Finish) {
            Ok(Status::StreamEnd) => return,
            Ok(Status::Ok | Status::BufError) => out.reserve(raw.len() / 4 + 64),
            Err(error) => panic!("invariant: bytes in memory can be deflated: {error}"),
        }
    }
}

/// Why a block cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct BlockDamage(&'static str);

/// Unpacks blocks, and keeps the last one: what is read next is often in it as well.
#[derive(Debug, Default)]
pub(in crate::store) struct Unpacker(Option<OpenBlock>);

#[derive(Debug)]
struct OpenBlock {
    packed: Vec<u8>,
    directory: Directory,
    inflater: Decompress,
    /// As far as it was asked for.
    raw: Vec<u8>,
}

impl Unpacker {
    /// The text of the item that many numbers behind the one a block goes by; `None`: it has none there.
    pub(in crate::store) fn text(&mut self, packed: &[u8], place: u64) -> Result<Option<&str>, BlockDamage> {
        let mut block = match self.0.take().filter(|block| block.raw.capacity() <= KEPT_BYTES_MAX) {
            Some(block) if block.packed == packed => block,
            Some(block) => block.turned_to(packed)?,
            None => OpenBlock::of(packed)?,
        };
        let Ok(at) = block.directory.ends.binary_search_by_key(&place, |(place, _)| *place) else {
            self.0 = Some(block);
            return Ok(None);
        };
        let start = if at == 0 { 0 } else { block.directory.ends[at - 1].1 };
        let end = block.directory.ends[at].1;
        block.inflate_to(end)?;
        let block = self.0.insert(block);
        str::from_utf8(&block.raw[start..end]).map(Some).map_err(|_| BlockDamage("no text"))
    }
}

impl OpenBlock {
    fn of(packed: &[u8]) -> Result<Self, BlockDamage> {
        let directory = Directory::of(packed)?;
        Ok(Self { packed: packed.to_owned(), directory, inflater: Decompress::new(false), raw: Vec::new() })
    }

    /// Another one, with what was made for this one.
    fn turned_to(mut self, packed: &[u8]) -> Result<Self, BlockDamage> {
        self.directory = Directory::of(packed)?;
        self.packed.clear();
        self.packed.extend_from_slice(packed);
        self.inflater.reset(false);
        self.raw.clear();
        Ok(self)
    }

    fn inflate_to(&mut self, end: usize) -> Result<(), BlockDamage> {
        let mut written = self.raw.len();
        if written >= end {
            return Ok(());
        }
        self.raw.resize(end, 0);
        let stream = &self.packed[self.directory.stream_at..];
        while written < end {
            let read = usize::try_from(self.inflater.total_in()).unwrap_or(usize::MAX);
            let rest = stream.get(read..).unwrap_or_default();
            let status = self.inflater.decompress(rest, &mut self.raw[written..], FlushDecompress::None);
            let now = usize::try_from(self.inflater.total_out()).unwrap_or(usize::MAX);
            if status.is_err() || now == written {
                return Err(BlockDamage("what is deflated ends too soon"));
            }
            written = now;
        }
        Ok(())
    }
}

/// What a block says of its texts.
#[derive(Debug)]
struct Directory {
    /// How far behind the block's number each item is, and where its text ends.
    ends: Vec<(u64, usize)>,
    stream_at: usize,
}

impl Directory {
    fn of(packed: &[u8]) -> Result<Self, BlockDamage> {
        let short = BlockDamage("it is cut short");
        let (sum, mut rest) = packed.split_at_checked(CRC_BYTES).ok_or(short)?;
        if sum != crc(rest).to_le_bytes() {
            return Err(BlockDamage("its sum is wrong"));
        }
        let count = read_number(&mut rest).ok_or(short)?;
        let (mut ends, mut place, mut end) = (Vec::new(), 0u64, 0u64);
        for _ in 0..count {
            place = read_number(&mut rest).and_then(|gap| place.checked_add(gap)).ok_or(short)?;
            end = read_number(&mut rest).and_then(|bytes| end.checked_add(bytes)).ok_or(short)?;
            ends.push((place, usize::try_from(end).map_err(|_| short)?));
        }
        // Nothing is made room for that cannot be there.
        if end > (rest.len() as u64).saturating_mul(GROWTH_MAX as u64) {
            return Err(BlockDamage("its texts are longer than what is there"));
        }
        Ok(Self { ends, stream_at: packed.len() - rest.len() })
    }
}

/// All texts of a block, with the numbers of their items.
pub(in crate::store) fn texts_of(first: i64, packed: &[u8]) -> Result<Vec<(i64, String)>, BlockDamage> {
    let mut unpacker = Unpacker::default();
    let places = Directory::of(packed)?.ends;
    let one = |(place, _): &(u64, usize)| {
        let text = unpacker.text(packed, *place)?.unwrap_or_default().to_owned();
        Ok((first.saturating_add_unsigned(*place), text))
    };
    places.iter().map(one).collect()
}

/// Whether a block is as it was written.
pub(in crate::store) fn check(packed: &[u8]) -> Result<(), BlockDamage> {
    Directory::of(packed).map(|_| ())
}

/// Teaches a connection `text_in(FIRST, PACKED, SEQ)`: the text of an item that is in a block, or NULL.
pub(super) fn teach(connection: &Connection) -> rusqlite::Result<()> {
    let unpacker = RefCell::new(Unpacker::default());
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("text_in", 3, flags, move |context| {
        let (first, seq): (i64, i64) = (context.get(0)?, context.get(2)?);
        let packed = context.get_raw(1).as_blob()?;
        let text = unpacker.borrow_mut().text(packed, seq.abs_diff(first)).map(|text| text.map(str::to_owned));
        text.map_err(|damage| damaged(first, damage))
    })
}

/// Damage as SQLite would tell of its own.
pub(in crate::store) fn damaged(first: i64, BlockDamage(why): BlockDamage) -> rusqlite::Error {
    let words = format!("{DAMAGE}{first} on cannot be unpacked: {why}");
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(words))
}

/// SQLite keeps of a function's failure that has words only the words: here it is what it was again.
pub(super) fn told(error: rusqlite::Error) -> rusqlite::Error {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(words)) if words.starts_with(DAMAGE) => {
            rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(words))
        }
        error => error,
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn read_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(texts: &[(i64, String)]) -> Vec<u8> {
        let mut block = BlockTexts::default();
        for (seq, text) in texts {
            block.push(*seq, text);
        }
        block.packed()
    }

    fn sample() -> Vec<(i64, String)> {
        let words = ["the harbour ", "was closed ", "by a storm ", "at nine ", "für Stunden ", "港 "];
        let text = |seq: i64| (0..40 + seq % 7).map(|n| words[(n * seq + n) as usize % words.len()]).collect();
        (0..20).map(|n| (1000 + n * n, text(n + 1))).collect()
    }

    #[test]
    fn texts_in_any_order_come_out_as_they_went_in() {
        proptest!(ProptestConfig::with_cases(64), |(
            texts in prop::collection::vec((1i64..1000, "(\\PC|[a-c ]){0,300}"), 1..40),
            order in prop::collection::vec(0usize..60, 1..60),
        )| {
            let mut seq = 17;
            let texts: Vec<(i64, String)> =
                texts.into_iter().map(|(gap, text)| { seq += gap; (seq, text) }).collect();
            let (first, packed) = (texts[0].0, block(&texts));
            let mut unpacker = Unpacker::default();
            for at in order {
                let (seq, text) = &texts[at % texts.len()];
                prop_assert_eq!(unpacker.text(&packed, seq.abs_diff(first)), Ok(Some(text.as_str())));
                let between = texts.iter().all(|(other, _)| *other != seq + 1);
                prop_assert!(!between || unpacker.text(&packed, (seq + 1).abs_diff(first)) == Ok(None));
            }
            prop_assert_eq!(texts_of(first, &packed), Ok(texts));
        });
    }

    #[test]
    fn another_block_is_not_taken_for_the_one_that_was_read_last() {
        let mut texts = sample();
        let (before, mut unpacker) = (block(&texts), Unpacker::default());
        texts[3].1 = "corrected".to_owned();
        let (after, place) = (block(&texts), texts[3].0.abs_diff(texts[0].0));
        assert_ne!(unpacker.text(&before, place), Ok(Some("corrected")));
        assert_eq!(unpacker.text(&after, place), Ok(Some("corrected")));
    }

    #[test]
    fn texts_together_take_less_than_half() {
        let texts = sample();
        let bytes: usize = texts.iter().map(|(_, text)| text.len()).sum();
        assert!(block(&texts).len() < bytes / 2);
    }

    #[test]
    fn flipped_bit_and_cut_end_are_damage_and_never_another_text() {
        let packed = block(&sample());
        for bit in 0..packed.len() * 8 {
            let mut damaged = packed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Unpacker::default().text(&damaged, 0), Err(BlockDamage("its sum is wrong")), "{bit}");
        }
        for length in 0..packed.len() {
            assert!(texts_of(1000, &packed[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn lengths_that_cannot_be_true_are_damage_and_take_no_room() {
        let with_sum = |rest: &[u8]| [&crc(rest).to_le_bytes()[..], rest].concat();
        let stream = block(&[(1, "short".to_owned())])[CRC_BYTES + 3..].to_vec();
        for (directory, why) in [
            (vec![1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f], "its texts are longer than what is there"),
            (vec![1, 0, 9], "what is deflated ends too soon"),
            (vec![0xff; 20], "it is cut short"),
            (vec![2, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 9], "it is cut short"),
        ] {
            let packed = with_sum(&[&directory[..], &stream[..]].concat());
            assert_eq!(Unpacker::default().text(&packed, 0), Err(BlockDamage(why)), "{directory:?}");
        }
        let broken = with_sum(&[&[1, 0, 5][..], &[0xff; 9]].concat());
        assert!(Unpacker::default().text(&broken, 0).is_err());
    }
}

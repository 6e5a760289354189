//! An inverted index for keys that are mostly rare: from a key to the slots that carry it, newest
//! first, in about eight bytes per entry. A key keeps its newest entries only, so one text sent ten
//! thousand times makes no list longer.
//!
//! What it answers depends on the inserted entries alone, never on how its table has grown: a
//! rebuilt index answers the same.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Slot;

/// Entries kept per key: the newest.
pub const PER_KEY_MAX: usize = 8;
/// Slots per block; whole blocks are dropped when all their slots are forgotten.
const BLOCK_SLOTS: u32 = 512;
/// Bounds of the table. 24 bits of a key count: the low 16 follow from the bucket, since there are
/// at least 2^16 of those, 8 more are kept beside each entry.
const HEADS_MIN: usize = 1 << 16;
const HEADS_MAX: usize = 1 << 24;
/// Entries per bucket at which the table doubles.
const LOAD_MAX: usize = 4;
/// No entry.
const NONE: u32 = u32::MAX;
/// Entries looked at for one key; reached only if keys are made to collide.
const STEPS_MAX: usize = 4096;

/// The index; `keys` entries are reserved per slot.
#[derive(Debug)]
pub struct Chains {
    keys: u32,
    heads: Vec<u32>,
    blocks: VecDeque<Block>,
    /// First slot of the first block.
    base: Slot,
    /// First slot that still counts.
    live: Slot,
    /// One past the last slot.
    end: Slot,
}

#[derive(Debug)]
struct Block {
    entries: Vec<Entry>,
}

/// The next entry of the chain (four bytes) and the tag, side by side: one cache line per step.
type Entry = [u8; 5];

/// The end of a chain.
const END: Entry = entry(NONE, 0);

const fn entry(next: u32, tag: u8) -> Entry {
    let [a, b, c, d] = next.to_le_bytes();
    [a, b, c, d, tag]
}

fn next_of([a, b, c, d, _]: Entry) -> u32 {
    u32::from_le_bytes([a, b, c, d])
}

/// What an index is beside its heads and blocks, for a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChainBounds {
    keys: u32,
    heads: u32,
    blocks: u32,
    base: Slot,
    live: Slot,
    end: Slot,
}

impl Chains {
    /// An empty index.
    #[must_use]
    pub fn new(keys: usize) -> Self {
        Self { keys: keys as u32, heads: vec![NONE; HEADS_MIN], blocks: VecDeque::new(), base: 0, live: 0, end: 0 }
    }

    /// Adds the next slot with its keys; those beyond the reserved number are left out.
    pub fn push(&mut self, keys: impl IntoIterator<Item = u32>) {
        let slot = self.end;
        self.end += 1;
        if (slot - self.base) / BLOCK_SLOTS >= self.blocks.len() as u32 {
            let entries = (BLOCK_SLOTS * self.keys) as usize;
            self.blocks.push_back(Block { entries: vec![END; entries] });
        }
        if (self.end - self.live) as usize * self.keys as usize > self.heads.len() * LOAD_MAX
            && self.heads.len() < HEADS_MAX
        {
            self.grow();
        }
        for (k, key) in keys.into_iter().take(self.keys as usize).enumerate() {
            self.unlink_oldest(key);
            let number = slot * self.keys + k as u32;
            let bucket = self.bucket(key);
            let head = std::mem::replace(&mut self.heads[bucket], number);
            *self.entry_mut(number) = entry(head, (key >> 16) as u8);
        }
    }

    /// The newest slots with that key.
    pub fn find(&self, key: u32) -> impl Iterator<Item = Slot> + '_ {
        let tag = (key >> 16) as u8;
        let mut entry = self.heads[self.bucket(key)];
        let mut steps = 0;
        std::iter::from_fn(move || {
            while entry != NONE && entry / self.keys >= self.live && steps < STEPS_MAX {
                let slot = entry / self.keys;
                let here = self.entry(entry);
                entry = next_of(here);
                steps += 1;
                if here[4] == tag {
                    return Some(slot);
                }
            }
            None
        })
    }

    /// [`Chains::find`] for several keys at once: the place of the key and a slot, in the order of the keys. In a
    /// large memory nearly every step waits for the next entry; the chains are walked side by side, so that the
    /// waits are, too.
    pub fn find_each(&self, keys: &[u32], out: &mut Vec<(usize, Slot)>) {
        let from = out.len();
        let mut open: Vec<(usize, u32)> =
            keys.iter().enumerate().map(|(at, key)| (at, self.heads[self.bucket(*key)])).collect();
        for _ in 0..STEPS_MAX {
            open.retain_mut(|(at, number)| {
                if *number == NONE || *number / self.keys < self.live {
                    return false;
                }
                let here = self.entry(*number);
                if here[4] == (keys[*at] >> 16) as u8 {
                    out.push((*at, *number / self.keys));
                }
                *number = next_of(here);
                true
            });
            if open.is_empty() {
                break;
            }
        }
        // Stable: within a key, the newest stay first.
        out[from..].sort_by_key(|(at, _)| *at);
    }

    /// Forgets all slots before `live`.
    pub fn forget_before(&mut self, live: Slot) {
        self.live = self.live.max(live.min(self.end));
        while !self.blocks.is_empty() && self.base + BLOCK_SLOTS <= self.live {
            self.blocks.pop_front();
            self.base += BLOCK_SLOTS;
        }
    }

    /// Counts slots anew from a lower number. `by` must not exceed [`Chains::base`].
    pub fn renumber(&mut self, by: Slot) {
        let keys = self.keys;
        let shift = |n: u32| if n == NONE { NONE } else { n.checked_sub(by * keys).unwrap_or(NONE) };
        self.heads.iter_mut().for_each(|head| *head = shift(*head));
        for here in self.blocks.iter_mut().flat_map(|block| block.entries.iter_mut()) {
            *here = entry(shift(next_of(*here)), here[4]);
        }
        self.base -= by;
        self.live -= by;
        self.end -= by;
    }

    /// What it is beside its heads and blocks.
    pub(super) fn bounds(&self) -> ChainBounds {
        let (heads, blocks) = (self.heads.len() as u32, self.blocks.len() as u32);
        ChainBounds { keys: self.keys, heads, blocks, base: self.base, live: self.live, end: self.end }
    }

    /// The first entry of each bucket.
    pub(super) fn heads(&self) -> &[u32] {
        &self.heads
    }

    /// The entries, block by block.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &[u8]> {
        self.blocks.iter().map(|block| block.entries.as_flattened())
    }

    /// The same index again. `None`: these are not its heads and blocks.
    pub(super) fn from_parts(bounds: ChainBounds, heads: Vec<u32>, blocks: Vec<Vec<u8>>) -> Option<Self> {
        let ChainBounds { keys, heads: buckets, blocks: count, base, live, end } = bounds;
        let entries = (BLOCK_SLOTS * keys) as usize;
        let fit = heads.len() == buckets as usize
            && heads.len().is_power_of_two()
            && heads.len() >= HEADS_MIN
            && blocks.len() == count as usize
            && blocks.iter().all(|bytes| bytes.len() == entries * size_of::<Entry>())
            && base <= live
            && end.checked_sub(base)? as usize <= blocks.len() * BLOCK_SLOTS as usize;
        let block = |bytes: Vec<u8>| Block { entries: bytes.as_chunks().0.to_vec() };
        fit.then(|| Self { keys, heads, blocks: blocks.into_iter().map(block).collect(), base, live, end })
    }

    /// First slot that memory is still held for.
    #[must_use]
    pub fn base(&self) -> Slot {
        self.base
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let block = (BLOCK_SLOTS * self.keys) as usize * size_of::<Entry>() + size_of::<Block>();
        self.heads.capacity() * size_of::<u32>() + self.blocks.len() * block
    }

    fn bucket(&self, key: u32) -> usize {
        key as usize & (self.heads.len() - 1)
    }

    fn place(&self, entry: u32) -> (usize, usize) {
        let offset = entry - self.base * self.keys;
        let entries = BLOCK_SLOTS * self.keys;
        ((offset / entries) as usize, (offset % entries) as usize)
    }

    fn entry(&self, number: u32) -> Entry {
        let (block, at) = self.place(number);
        self.blocks[block].entries[at]
    }

    fn entry_mut(&mut self, number: u32) -> &mut Entry {
        let (block, at) = self.place(number);
        &mut self.blocks[block].entries[at]
    }

    /// Makes room for one more entry of a key that has its full number.
    fn unlink_oldest(&mut self, key: u32) {
        let tag = (key >> 16) as u8;
        let mut before = NONE;
        let mut number = self.heads[self.bucket(key)];
        let mut same = 0;
        for _ in 0..STEPS_MAX {
            if number == NONE || number / self.keys < self.live {
                return;
            }
            let here = self.entry(number);
            let next = next_of(here);
            same += usize::from(here[4] == tag);
            if here[4] == tag && same == PER_KEY_MAX {
                if before == NONE {
                    let bucket = self.bucket(key);
                    self.heads[bucket] = next;
                } else {
                    let link = self.entry_mut(before);
                    *link = entry(next, link[4]);
                }
                return;
            }
            before = number;
            number = next;
        }
    }

    /// Doubles the table; entries keep their order, forgotten ones are dropped.
    fn grow(&mut self) {
        let old = std::mem::take(&mut self.heads);
        self.heads = vec![NONE; old.len() * 2];
        for (bucket, head) in old.iter().enumerate() {
            let mut tails = [NONE; 2];
            let mut number = *head;
            while number != NONE && number / self.keys >= self.live {
                let here = self.entry(number);
                *self.entry_mut(number) = entry(NONE, here[4]);
                // The low 16 bits of the key are those of the bucket, the next 8 are the tag.
                let key = u32::from(here[4]) << 16 | bucket as u32 & 0xFFFF;
                let target = self.bucket(key);
                let side = usize::from(target != bucket);
                if tails[side] == NONE {
                    self.heads[target] = number;
                } else {
                    let link = self.entry_mut(tails[side]);
                    *link = entry(number, link[4]);
                }
                tails[side] = number;
                number = next_of(here);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(chains: &Chains, key: u32) -> Vec<Slot> {
        chains.find(key).collect()
    }

    #[test]
    fn find_gives_the_newest_first_and_only_that_key() {
        let mut chains = Chains::new(2);
        chains.push([1, 1 + (1 << 16)]);
        chains.push([1, 9]);
        assert_eq!(found(&chains, 1), [1, 0]);
        assert_eq!(found(&chains, 1 + (1 << 16)), [0]);
        assert!(found(&chains, 8).is_empty());
    }

    #[test]
    fn push_keeps_the_newest_of_a_flooded_key_and_others_beside_it() {
        let mut chains = Chains::new(1);
        chains.push([7 + (3 << 16)]);
        for _ in 0..10_000 {
            chains.push([7]);
        }
        assert_eq!(found(&chains, 7).len(), PER_KEY_MAX);
        assert_eq!(found(&chains, 7)[0], 10_000);
        assert_eq!(found(&chains, 7 + (3 << 16)), [0], "a key in the same bucket is not pushed out");
    }

    #[test]
    fn growth_and_renumbering_change_no_answer() {
        let key = |slot: u32| (slot % 5_000).wrapping_mul(0x9E37_79B1);
        let mut grown = Chains::new(3);
        for slot in 0..200_000u32 {
            grown.push([key(slot), key(slot / 3), key(slot / 7)]);
            if slot % 1000 == 999 {
                grown.forget_before(slot.saturating_sub(120_000));
            }
        }
        let mut fresh = Chains::new(3);
        let start = grown.live;
        for slot in start..200_000u32 {
            fresh.push([key(slot), key(slot / 3), key(slot / 7)]);
        }
        let keys: Vec<u32> = (0..64).map(|n| key(n * 71)).collect();
        let mut together = Vec::new();
        grown.find_each(&keys, &mut together);
        let apart: Vec<(usize, Slot)> =
            keys.iter().enumerate().flat_map(|(at, key)| grown.find(*key).map(move |slot| (at, slot))).collect();
        assert_eq!(together, apart);
        grown.renumber(grown.base());
        let offset = grown.live;
        for slot in 0..5_000 {
            let old: Vec<Slot> = grown.find(key(slot)).map(|s| s - offset).collect();
            assert_eq!(old, found(&fresh, key(slot)), "{slot}");
        }
    }

    #[test]
    fn forget_before_frees_whole_blocks() {
        let mut chains = Chains::new(2);
        for slot in 0..100_000u32 {
            chains.push([slot, slot + 1]);
            chains.forget_before(slot.saturating_sub(1000));
        }
        assert!(chains.blocks.len() <= 4, "{}", chains.blocks.len());
        assert_eq!(found(&chains, 99_000), [99_000, 98_999]);
    }
}

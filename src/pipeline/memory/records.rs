//! What is remembered of each item, packed: the head in 40 bytes, sample, terms and facts beside it, in
//! blocks that are dropped whole. A slot is an item's number of arrival.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Slot;
use crate::model::{ItemId, Timestamp};
use crate::pipeline::dedupe::sketch::View;
use crate::pipeline::facts::ItemFacts;
use crate::pipeline::features::Features;
use crate::pipeline::story::rarity::Weighted;
use crate::pipeline::story::signals::Facts;

/// Items per block: their packed parts stay below the 64 KiB that a 16-bit offset reaches.
const BLOCK_ITEMS: usize = 128;
/// Hours value for "not known".
const UNDATED: i32 = i32::MIN;

/// Records by slot.
#[derive(Debug, Default)]
pub struct Records {
    blocks: VecDeque<Block>,
    base: Slot,
    end: Slot,
}

/// Items that came one after the other; a snapshot takes them as they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::pipeline) struct Block {
    heads: Vec<Head>,
    #[serde(with = "serde_bytes")]
    packed: Vec<u8>,
}

/// The fixed part.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Head {
    #[serde(with = "item_number")]
    item: ItemId,
    arrived_s: u32,
    published_h: i32,
    /// Number of the story's group, or [`super::ALONE`].
    group: u32,
    words: u16,
    shingles: u16,
    opening: u16,
    offset: u16,
    /// Who published it; 0: not known.
    source: u32,
    halvings: u8,
    sample_bytes: u8,
    terms: u8,
    weekdays: u8,
    roundup: bool,
    /// Whether its text takes up its headline.
    grounded: bool,
}

/// One remembered item.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    head: &'a Head,
    packed: &'a [u8],
}

impl Records {
    /// Remembers an item; its slot is the number of items before it.
    pub fn push(&mut self, item: ItemId, features: &Features, terms: &[(Weighted, f32)], at: Timestamp) -> Slot {
        if self.blocks.back().is_none_or(|block| block.heads.len() == BLOCK_ITEMS) {
            if let Some(full) = self.blocks.back_mut() {
                full.packed.shrink_to_fit();
            }
            self.blocks.push_back(Block { heads: Vec::with_capacity(BLOCK_ITEMS), packed: Vec::new() });
        }
        let block = self.blocks.back_mut().expect("invariant: a block was just made");
        let sample = features.sketch.pack();
        let head = Head {
            item,
            arrived_s: u32::try_from(at.seconds()).unwrap_or(0),
            published_h: features.published_h.unwrap_or(UNDATED),
            group: super::ALONE,
            words: features.profile.words.min(u32::from(u16::MAX)) as u16,
            shingles: features.sketch.shingles,
            opening: features.sketch.opening,
            offset: block.packed.len() as u16,
            halvings: features.sketch.halvings,
            sample_bytes: sample.len() as u8,
            terms: terms.len() as u8,
            source: features.source,
            weekdays: features.weekdays,
            roundup: features.roundup,
            grounded: features.is_grounded(),
        };
        block.packed.extend_from_slice(&sample);
        for (term, _) in terms {
            block.packed.extend_from_slice(&term.to_bits().to_le_bytes());
        }
        features.facts.write(&mut block.packed);
        block.heads.push(head);
        self.end += 1;
        self.end - 1
    }

    /// The record of a slot that is still held.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Record<'_> {
        let offset = (slot - self.base) as usize;
        let block = &self.blocks[offset / BLOCK_ITEMS];
        let head = &block.heads[offset % BLOCK_ITEMS];
        Record { head, packed: &block.packed[usize::from(head.offset)..] }
    }

    /// Puts an item into a group.
    pub fn set_group(&mut self, slot: Slot, group: u32) {
        let offset = (slot - self.base) as usize;
        self.blocks[offset / BLOCK_ITEMS].heads[offset % BLOCK_ITEMS].group = group;
    }

    /// Drops blocks that hold nothing at or after `live`.
    pub fn forget_before(&mut self, live: Slot) {
        while self.blocks.len() > 1 && self.base + BLOCK_ITEMS as u32 <= live {
            self.blocks.pop_front();
            self.base += BLOCK_ITEMS as u32;
        }
    }

    /// Counts slots anew from a lower number.
    pub fn renumber(&mut self, by: Slot) {
        self.base -= by;
        self.end -= by;
    }

    /// First slot held.
    #[must_use]
    pub fn base(&self) -> Slot {
        self.base
    }

    /// One past the last slot.
    #[must_use]
    pub fn end(&self) -> Slot {
        self.end
    }

    /// The blocks, oldest first.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter()
    }

    /// The same records again, from where they were counted. `None`: these are not their blocks.
    pub(super) fn from_blocks(base: Slot, end: Slot, blocks: VecDeque<Block>) -> Option<Self> {
        let held: usize = blocks.iter().map(|block| block.heads.len()).sum();
        let whole = blocks.iter().rev().skip(1).all(|block| block.heads.len() == BLOCK_ITEMS);
        (whole && held == end.checked_sub(base)? as usize).then_some(Self { blocks, base, end })
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let block = |b: &Block| size_of::<Block>() + b.heads.capacity() * size_of::<Head>() + b.packed.capacity();
        self.blocks.iter().map(block).sum()
    }
}

impl<'a> Record<'a> {
    /// Which item.
    #[must_use]
    pub fn item(&self) -> ItemId {
        self.head.item
    }

    /// Number of its story's group.
    #[must_use]
    pub fn group(&self) -> u32 {
        self.head.group
    }

    /// When it arrived, in whole seconds.
    #[must_use]
    pub fn arrived(&self) -> Timestamp {
        Timestamp::from_seconds(i64::from(self.head.arrived_s))
    }

    /// Its sketch.
    #[must_use]
    pub fn sketch(&self) -> View<'a> {
        View {
            packed: &self.packed[..usize::from(self.head.sample_bytes)],
            halvings: self.head.halvings,
            shingles: self.head.shingles,
            opening: self.head.opening,
        }
    }

    /// Its terms, the most telling first.
    pub fn terms(&self) -> impl ExactSizeIterator<Item = Weighted> + Clone + use<'a> {
        let start = usize::from(self.head.sample_bytes);
        let bytes = &self.packed[start..start + usize::from(self.head.terms) * 4];
        let read = |b: &[u8]| Weighted::from_bits(u32::from_le_bytes(b.try_into().expect("invariant: four bytes")));
        bytes.chunks_exact(4).map(read)
    }

    /// The language it was read in, as [`ItemFacts::lang`] counts them.
    #[must_use]
    pub fn lang(&self) -> u8 {
        let start = usize::from(self.head.sample_bytes) + usize::from(self.head.terms) * 4;
        self.packed.get(start).map_or(0, |byte| byte >> 4)
    }

    /// What it says, free of its language.
    #[must_use]
    pub fn said(&self) -> ItemFacts {
        let start = usize::from(self.head.sample_bytes) + usize::from(self.head.terms) * 4;
        ItemFacts::read_from(&self.packed[start..]).map(|(facts, _)| facts).unwrap_or_default()
    }

    /// What else is known.
    #[must_use]
    pub fn facts(&self) -> Facts {
        Facts {
            words: u32::from(self.head.words),
            published_h: (self.head.published_h != UNDATED).then_some(self.head.published_h),
            arrived_h: (self.head.arrived_s / 3600).cast_signed(),
            source: self.head.source,
            weekdays: self.head.weekdays,
        }
    }

    /// Whether its text takes up its headline.
    #[must_use]
    pub fn is_grounded(&self) -> bool {
        self.head.grounded
    }

    /// Whether it announces many events.
    #[must_use]
    pub fn is_roundup(&self) -> bool {
        self.head.roundup
    }
}

/// An item as the number that the store knows it by: outside it is a text of seventeen letters.
mod item_number {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::model::ItemId;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
    pub fn serialize<S: Serializer>(id: &ItemId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(id.to_i64())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ItemId, D::Error> {
        i64::deserialize(deserializer).map(ItemId::from_i64)
    }
}

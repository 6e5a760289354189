//! The memory in pieces, and back from them. Taken over as it is rather than learned anew, a million items stand
//! again in a second or two; what [`Memory`] answers afterwards is what it would have answered before.

use std::borrow::Cow;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::across::FactCounts;
use super::chains::{ChainBounds, Chains};
use super::groups::Groups;
use super::records::{Block, Records};
use super::{Memory, MemoryConfig, Slot};
use crate::model::{StoryId, Timestamp};
use crate::pipeline::story::rarity::Rarity;

/// Heads of an index in one piece.
const HEADS_A_PIECE: usize = 1 << 18;
/// Groups in one piece.
const GROUPS_A_PIECE: usize = 1 << 12;

/// One piece of a memory.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::pipeline) enum MemoryPiece<'a> {
    /// Comes first.
    Bounds(MemoryBounds),
    Records(Cow<'a, Block>),
    /// Of the index with that number.
    Heads(u8, Cow<'a, [u32]>),
    Entries(u8, #[serde(borrow, with = "serde_bytes")] Cow<'a, [u8]>),
    FactCounts(Cow<'a, FactCounts>),
    Rarity(Cow<'a, Rarity>),
    /// Number, story and members.
    Groups(Vec<(u32, i64, Vec<Slot>)>),
    Apart(Vec<(i64, i64)>),
}

/// What is counted from where.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(in crate::pipeline) struct MemoryBounds {
    base: Slot,
    end: Slot,
    live: Slot,
    story_live: Slot,
    now_ms: i64,
    next_group: u32,
    chains: [ChainBounds; 4],
}

/// Pieces on their way to being a memory again.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct MemoryPieces {
    bounds: Option<MemoryBounds>,
    records: VecDeque<Block>,
    heads: [Vec<u32>; 4],
    entries: [Vec<Vec<u8>>; 4],
    fact_counts: Option<FactCounts>,
    rarity: Option<Rarity>,
    groups: Groups,
}

impl Memory {
    /// What it is made for.
    #[must_use]
    pub(in crate::pipeline) fn config(&self) -> MemoryConfig {
        self.config
    }

    /// All of it, in pieces of a few megabytes at most.
    pub(in crate::pipeline) fn pieces(&self) -> impl Iterator<Item = MemoryPiece<'_>> {
        let chains = [&self.by_shingle, &self.by_term, &self.by_story, &self.by_fact];
        let bounds = MemoryBounds {
            base: self.records.base(),
            end: self.records.end(),
            live: self.live,
            story_live: self.story_live,
            now_ms: self.now.millis(),
            next_group: self.groups.next(),
            chains: chains.map(Chains::bounds),
        };
        let indexes = (0u8..).zip(chains).flat_map(|(number, chain)| {
            let heads = chain.heads().chunks(HEADS_A_PIECE);
            let heads = heads.map(move |heads| MemoryPiece::Heads(number, Cow::Borrowed(heads)));
            heads.chain(chain.blocks().map(move |bytes| MemoryPiece::Entries(number, Cow::Borrowed(bytes))))
        });
        let groups = self.groups.each().map(|(number, story, members)| (number, story.to_i64(), members.to_vec()));
        let apart = self.groups.apart().map(|(a, b)| (a.to_i64(), b.to_i64())).collect();
        std::iter::once(MemoryPiece::Bounds(bounds))
            .chain(self.records.blocks().map(|block| MemoryPiece::Records(Cow::Borrowed(block))))
            .chain(indexes)
            .chain([
                MemoryPiece::FactCounts(Cow::Borrowed(&self.fact_counts)),
                MemoryPiece::Rarity(Cow::Borrowed(&self.rarity)),
                MemoryPiece::Apart(apart),
            ])
            .chain(in_chunks(groups, GROUPS_A_PIECE).map(MemoryPiece::Groups))
    }
}

impl MemoryPieces {
    /// Takes the next piece.
    pub(in crate::pipeline) fn take(&mut self, piece: MemoryPiece<'_>) -> Option<()> {
        match piece {
            MemoryPiece::Bounds(bounds) => self.bounds = Some(bounds),
            MemoryPiece::Records(block) => self.records.push_back(block.into_owned()),
            MemoryPiece::Heads(number, heads) => self.heads.get_mut(usize::from(number))?.extend_from_slice(&heads),
            MemoryPiece::Entries(number, bytes) => {
                self.entries.get_mut(usize::from(number))?.push(bytes.into_owned());
            }
            MemoryPiece::FactCounts(counts) => self.fact_counts = Some(counts.into_owned()),
            MemoryPiece::Rarity(rarity) => self.rarity = Some(rarity.into_owned()).filter(Rarity::is_whole),
            MemoryPiece::Groups(groups) => {
                for (number, story, members) in groups {
                    self.groups.restore(number, StoryId::from_i64(story), members);
                }
            }
            MemoryPiece::Apart(pairs) => {
                for (a, b) in pairs {
                    self.groups.keep_apart(StoryId::from_i64(a), StoryId::from_i64(b));
                }
            }
        }
        Some(())
    }

    /// The memory, if all its pieces are there and fit.
    pub(in crate::pipeline) fn complete(self, config: MemoryConfig) -> Option<Memory> {
        let Self { bounds, records, heads, entries, fact_counts, rarity, mut groups } = self;
        let bounds = bounds?;
        groups.restore_next(bounds.next_group);
        let mut chains = bounds.chains.into_iter().zip(heads.into_iter().zip(entries));
        let mut next = || chains.next().and_then(|(bounds, (heads, blocks))| Chains::from_parts(bounds, heads, blocks));
        let (by_shingle, by_term, by_story, by_fact) = (next()?, next()?, next()?, next()?);
        let within = |slot: Slot| (bounds.base..=bounds.end).contains(&slot);
        let fits = within(bounds.live) && within(bounds.story_live);
        fits.then_some(Memory {
            records: Records::from_blocks(bounds.base, bounds.end, records)?,
            by_shingle,
            by_term,
            by_story,
            by_fact,
            fact_counts: fact_counts?,
            rarity: rarity?,
            groups,
            live: bounds.live,
            story_live: bounds.story_live,
            now: Timestamp::from_millis(bounds.now_ms),
            ..Memory::new(config)
        })
    }
}

/// What an iterator gives, some at a time.
pub(in crate::pipeline) fn in_chunks<T>(
    mut from: impl Iterator<Item = T>,
    size: usize,
) -> impl Iterator<Item = Vec<T>> {
    std::iter::from_fn(move || {
        let chunk: Vec<T> = from.by_ref().take(size).collect();
        (!chunk.is_empty()).then_some(chunk)
    })
}

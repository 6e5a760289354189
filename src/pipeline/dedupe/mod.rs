//! Same text: exact copies by hash, near copies by sketch, both as sightings of the first item.

use crate::model::{Item, ItemId, Timestamp};
use crate::text::tokens::Tokens;

#[derive(Debug, Clone, Default)]
pub struct Features;
impl Features {
    pub fn of(_: &Item, _: &Tokens, _: &Tokens) -> Self {
        Self
    }
    pub fn to_bytes(&self) -> Vec<u8> {
        Vec::new()
    }
    pub fn from_bytes(_: &[u8]) -> Option<Self> {
        Some(Self)
    }
}
#[derive(Debug, Default)]
pub struct Index;
#[derive(Debug, Clone, Copy)]
pub struct NearDuplicate {
    pub item: ItemId,
    pub overlap: f32,
}
impl Index {
    pub fn nearest(&self, _: &Features, _: Timestamp) -> Option<NearDuplicate> {
        None
    }
    pub fn insert(&mut self, _: ItemId, _: &Features, _: Timestamp) {}
    pub fn expire(&mut self, _: Timestamp) {}
}

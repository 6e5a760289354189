//! Same story: each item joins the story it belongs to, or opens one.
use super::dedupe::Features;
use crate::model::{ItemId, SourceId, StoryId, Timestamp};
#[derive(Debug, Default)]
pub struct Index;
#[derive(Debug, Default)]
pub struct Placement {
    pub story: Option<StoryId>,
}
impl Index {
    pub fn place(&self, _: ItemId, _: &Features, _: Timestamp) -> Placement {
        Placement::default()
    }
    pub fn insert(&mut self, _: ItemId, _: StoryId, _: &Features, _: Timestamp, _: &SourceId) {}
    pub fn expire(&mut self, _: Timestamp) {}
}

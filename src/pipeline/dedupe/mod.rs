//! Same text: exact copies by hash, near copies by sketch, both as sightings of the first item.
//!
//! [`sketch`] reads a text, [`verdict`] says whether two texts are one; finding candidates and
//! remembering is the work of [`super::memory`].

pub mod sketch;
pub mod verdict;

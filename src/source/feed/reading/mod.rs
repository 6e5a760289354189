//! Reading feeds: bytes → `sniff` (which format) → `scan` (nothing that would hurt a parser; items that the last document
//! had are `left_out`) → `upstream`, `lenient` or `json_feed` after `repair` → `entry` (one shape for all readers) →
//! `finish` and `key` (raw items with keys of our own). Pure: nothing here asks, waits or remembers.

pub mod discover;
mod entry;
mod finish;
mod hints;
mod json_feed;
mod key;
mod left_out;
mod lenient;
mod names;
pub mod opml;
pub mod parse;
mod repair;
mod scan;
mod sniff;
mod survey;
mod upstream;

//! Reading feeds: bytes → `sniff` (which format) → `scan` (nothing that would hurt a parser) → `upstream`,
//! `lenient` or `json_feed` after `repair` → `entry` (one shape for all readers) → `finish` and `key` (raw
//! items with keys of our own). Pure: nothing here asks, waits or remembers.

pub mod discover;
mod entry;
mod finish;
mod hints;
mod json_feed;
mod key;
mod lenient;
mod names;
pub mod opml;
pub mod parse;
mod repair;
mod scan;
mod sniff;
mod upstream;

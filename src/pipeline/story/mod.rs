//! Same story: each item joins the story it belongs to, or opens one.

pub mod agency;
pub mod background;
pub mod decision;
mod model;
pub mod profile;
pub mod rarity;
pub mod roundup;
pub mod signals;
pub mod weekday;
pub mod words;

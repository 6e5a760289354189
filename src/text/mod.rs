//! Reading raw text: bytes to characters, HTML to paragraphs, words, dates, languages; whose a host is.
//!
//! Pure and synchronous; sources and the pipeline both stand on it. It knows nothing of feeds, items
//! in the store, or rules.

pub mod article;
pub mod changes;
pub mod charset;
pub mod clean;
mod counted;
pub mod date;
pub mod domain;
pub mod html;
pub mod lang;
pub mod letters;
mod span;
pub mod tokens;
pub mod work;

pub use counted::counted;
pub use span::span;

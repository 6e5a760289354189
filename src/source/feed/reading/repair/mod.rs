//! Broken XML made whole, so that one bad item costs one item: `lex` mends characters, references and
//! stray signs; `balance` mends tags. The result is well-formed and goes back to `scan`. Neither step
//! looks at a byte more than a fixed number of times.

mod balance;
mod lex;

#[cfg(test)]
mod tests;

use super::sniff::RootElement;

/// A mended document.
#[derive(Debug)]
pub(super) struct RepairedText {
    /// Well-formed XML without declaration, DOCTYPE, comments.
    pub text: String,
    /// Items that were cut off and left out.
    pub lost: u64,
}

/// Mends a document.
pub(super) fn repair(text: &str, root: RootElement) -> RepairedText {
    balance::balance(&lex::lex(text), root)
}

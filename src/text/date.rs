//! Dates as the wild writes them.

use crate::model::{DateCertainty, Dated, Timestamp};

/// Reads one date that stands alone, as feeds carry it.
#[must_use]
pub fn parse(text: &str) -> Option<Dated> {
    let at = Timestamp::parse(text.trim()).ok()?;
    Some(Dated { at, certainty: DateCertainty::Exact })
}

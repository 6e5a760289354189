//! CSV and TSV with a header line whose names are known: an item a row.

use super::super::rows::{Rows, separator_of, without_separator_line};
use super::json::assign;
use super::{DraftItem, FileContext, ItemDraft, rejected};
use crate::model::{RejectReason, Rejection};
use crate::text::work;

/// Columns of one table.
const COLUMNS_MAX: usize = 200;
/// Reads the rows.
pub(super) fn read(body: &str, file: &FileContext, draft: &mut ItemDraft) -> Result<(), Rejection> {
    let (_, rest) = without_separator_line(body);
    let Some(separator) = separator_of(body) else {
        return Err(rejected(RejectReason::Malformed, "a table without columns"));
    };
    let mut rows = Rows::new(rest, separator);
    let names = rows.next().unwrap_or_default();
    if names.len() > COLUMNS_MAX {
        return Err(rejected(RejectReason::TooManyAttributes, format!("a table of more than {COLUMNS_MAX} columns")));
    }
    let (mut empty, mut ragged, mut over_cap) = (0u64, 0u64, 0u64);
    for row in rows.by_ref() {
        work::spend(1 + row.len());
        if row.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if row.len() > names.len() {
            ragged += 1;
            continue;
        }
        if draft.items.len() >= file.limits.items_max {
            over_cap += 1;
            continue;
        }
        let mut item = DraftItem::default();
        for (name, cell) in names.iter().zip(row) {
            assign(&mut item, name.trim(), &[cell.into_owned()], file, &mut draft.warnings);
        }
        if item.has_text() {
            draft.items.push(item);
        } else {
            empty += 1;
        }
    }
    if rows.is_open {
        draft.rejected.push(rejected(RejectReason::Malformed, "the last row ends within quotes"));
        draft.items.pop();
    }
    for (reason, detail, count) in [
        (RejectReason::Empty, "rows without title and text", empty),
        (RejectReason::Malformed, "rows with more cells than the header", ragged),
    ] {
        if count > 0 {
            draft.rejected.push(Rejection { reason, detail: detail.to_owned(), count });
        }
    }
    draft.count_over_cap(over_cap, file);
    if draft.items.is_empty() {
        let first = draft.rejected.first().cloned();
        return Err(first.unwrap_or_else(|| rejected(RejectReason::Empty, "a table without rows")));
    }
    Ok(())
}

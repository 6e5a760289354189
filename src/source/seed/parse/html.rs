//! A saved web page: its title and all of its text.

use super::{Draft, DraftItem, FileContext, rejected};
use crate::model::{RawText, RejectReason, Rejection};
use crate::text::html;

/// Reads one page.
pub(super) fn read(body: &str, file: &FileContext, draft: &mut Draft) -> Result<(), Rejection> {
    let text = html::to_text(body);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return Err(rejected(RejectReason::Empty, "the page has no text"));
    }
    let title = body.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let title = title.map(|(title, _)| RawText::html(title)).filter(|title| !title.text.trim().is_empty());
    let mut item = DraftItem { title, ..DraftItem::default() };
    super::text::fill(&mut item, &lines, file);
    draft.items.push(item);
    Ok(())
}

//! A saved web page: the article in it, by readability and by what the page says of itself. Runs on a
//! parser thread: pages may be nested deeply.

use super::{DraftItem, FileContext, ItemDraft, rejected};
use crate::model::{RawText, RejectReason, Rejection};
use crate::text::article;

/// Reads one page; `place` is where it was, if anybody knows.
pub(super) fn read(
    body: &str,
    place: Option<&str>,
    file: &FileContext,
    draft: &mut ItemDraft,
) -> Result<(), Rejection> {
    let Some(found) = article::extract(body, place) else {
        return Err(rejected(RejectReason::Empty, "the page has no text"));
    };
    let title = Some(found.title).filter(|title| !title.trim().is_empty());
    let mut item = DraftItem {
        url: found.url,
        title: title.map(RawText::plain),
        author: found.author,
        publisher: found.site,
        published: found.published,
        lang: found.lang,
        ..DraftItem::default()
    };
    // What the page does not say of itself, its text may.
    let lines: Vec<&str> = found.text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    super::text::fill(&mut item, &lines, file);
    draft.items.push(item);
    Ok(())
}

//! A saved web page: the article in it, by readability and its own metadata; where there is none,
//! all of its text.

use super::{Draft, DraftItem, FileContext, rejected};
use crate::model::{RawText, RejectReason, Rejection};
use crate::text::{article, html};

/// Reads one page.
pub(super) fn read(body: &str, file: &FileContext, draft: &mut Draft) -> Result<(), Rejection> {
    if let Some(found) = article::extract(body, None) {
        draft.items.push(DraftItem {
            url: found.url,
            title: found.title.map(RawText::plain),
            author: found.author,
            publisher: found.site,
            published: found.published,
            lang: found.lang,
            content: Some(RawText::plain(found.text)),
            ..DraftItem::default()
        });
        return Ok(());
    }
    let text = html::to_text(body);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return Err(rejected(RejectReason::Empty, "the page has no text"));
    }
    draft.warnings.push("no article was found in the page: all of its text was taken".to_owned());
    let mut item = DraftItem::default();
    super::text::fill(&mut item, &lines, file);
    draft.items.push(item);
    Ok(())
}

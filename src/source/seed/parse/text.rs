//! Plain text: an optional `date …` head, a title or none, a dateline, a byline, the body. Lines
//! wrapped by hand are joined again. Furniture stays in the text: `normalize` knows it better.

use std::borrow::Cow;

use super::{DraftItem, FileContext, ItemDraft, dates, headline, rejected};
use crate::model::{RawText, RejectReason, Rejection};

/// Lines of a hand-wrapped text are at most this wide.
const WRAP_CHARS_MAX: usize = 100;
/// And the widest at least this wide: shorter ones are lists or verse.
const WRAP_CHARS_MIN: usize = 50;

/// Reads one article.
pub(super) fn read(body: &str, file: &FileContext, draft: &mut ItemDraft) -> Result<(), Rejection> {
    let (body, unread_bytes) = file.readable(body.trim());
    let mut item = DraftItem { unread_bytes, ..DraftItem::default() };
    let (first, rest) = body.split_once('\n').unwrap_or((body, ""));
    let head = dates::head(first, file);
    let joined;
    let lines: Vec<&str> = if let Some(head) = &head {
        item.published = head.date;
        if head.date.is_none() {
            draft.warnings.push("the date in the first line is not a date".to_owned());
        }
        joined = unwrapped(rest);
        let rest = joined.iter().map(|line| &**line).filter(|line| !line.is_empty());
        std::iter::once(head.rest.trim()).chain(rest).filter(|line| !line.is_empty()).collect()
    } else {
        joined = unwrapped(body);
        joined.iter().map(|line| &**line).filter(|line| !line.is_empty()).collect()
    };
    if lines.is_empty() {
        return Err(rejected(RejectReason::Empty, "the file has a date but no text"));
    }
    fill(&mut item, &lines, file);
    draft.items.push(item);
    Ok(())
}

/// Fills what the lines of a text tell about it, and leaves what is known already.
pub(super) fn fill(item: &mut DraftItem, lines: &[&str], file: &FileContext) {
    let found = headline::find(lines);
    let title = if item.title.is_none() { found.title } else { None };
    if let Some(at) = title {
        item.title = Some(RawText::plain(lines[at]));
    }
    let byline = found.byline.filter(|_| item.author.is_none());
    let left_out = [title, byline.as_ref().map(|(at, _)| *at)];
    if item.published.is_none() {
        let dates = dates::find(lines, file);
        item.published = dates.published;
        item.updated = item.updated.or(dates.updated);
    }
    item.author = item.author.take().or(byline.map(|(_, name)| name));
    item.publisher = item.publisher.take().or(found.publisher);
    let body: Vec<&str> =
        lines.iter().enumerate().filter(|(at, _)| !left_out.contains(&Some(*at))).map(|(_, line)| *line).collect();
    if !body.is_empty() {
        item.content = Some(RawText::plain(body.join("\n")));
    }
}

/// The trimmed lines of a text, with paragraphs that were wrapped by hand made whole again.
pub(super) fn unwrapped(text: &str) -> Vec<Cow<'_, str>> {
    let Some(width) = wrap_width(text) else { return trimmed(text).map(Cow::Borrowed).collect() };
    let mut paragraphs: Vec<Cow<'_, str>> = Vec::new();
    let mut goes_on = false;
    for line in trimmed(text) {
        match paragraphs.last_mut().filter(|_| goes_on && !line.is_empty()) {
            Some(paragraph) => {
                let paragraph = paragraph.to_mut();
                paragraph.push(' ');
                paragraph.push_str(line);
            }
            None => paragraphs.push(Cow::Borrowed(line)),
        }
        // A line much shorter than the others was ended on purpose.
        goes_on = !line.is_empty() && line.chars().count() * 10 >= width * 7;
    }
    paragraphs
}

fn trimmed(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim)
}

/// The width a text was wrapped at by hand; `None` when its lines are paragraphs.
fn wrap_width(text: &str) -> Option<usize> {
    let width = trimmed(text).map(|line| line.chars().count()).max()?;
    if !(WRAP_CHARS_MIN..=WRAP_CHARS_MAX).contains(&width) {
        return None;
    }
    // Lines that another one follows directly: nearly all of a wrapped text's are nearly full, and
    // some of them do not end a sentence.
    let pairs = trimmed(text).zip(trimmed(text).skip(1));
    let (mut followed, mut full, mut open) = (0, 0, 0);
    for (line, _) in pairs.filter(|(line, next)| !line.is_empty() && !next.is_empty()) {
        followed += 1;
        full += usize::from(line.chars().count() * 10 >= width * 7);
        open += usize::from(!line.ends_with(['.', '!', '?', '"', '”', ':']));
    }
    (followed >= 2 && full * 3 >= followed * 2 && open * 2 >= followed).then_some(width)
}

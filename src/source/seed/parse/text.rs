//! Plain text: an optional `date …` head, a title or none, a dateline, a byline, the body. Lines
//! wrapped by hand are joined again. Furniture stays in the text: `normalize` knows it better.

use super::{DraftItem, FileContext, ItemDraft, dates, headline, rejected};
use crate::model::{RawText, RejectReason, Rejection};

/// Lines of a hand-wrapped text are at most this wide.
const WRAP_CHARS_MAX: usize = 100;
/// And the widest at least this wide: shorter ones are lists or verse.
const WRAP_CHARS_MIN: usize = 50;

/// Reads one article.
pub(super) fn read(body: &str, file: &FileContext, draft: &mut ItemDraft) -> Result<(), Rejection> {
    let mut item = DraftItem::default();
    let body = body.trim();
    let (first, rest) = body.split_once('\n').unwrap_or((body, ""));
    let head = dates::head(first, file);
    let joined;
    let lines: Vec<&str> = if let Some(head) = &head {
        item.published = head.date;
        if head.date.is_none() {
            draft.warnings.push("the date in the first line is not a date".to_owned());
        }
        joined = unwrapped(rest);
        let rest = joined.iter().map(String::as_str).filter(|line| !line.is_empty());
        std::iter::once(head.rest.trim()).chain(rest).filter(|line| !line.is_empty()).collect()
    } else {
        joined = unwrapped(body);
        joined.iter().map(String::as_str).filter(|line| !line.is_empty()).collect()
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
pub(super) fn unwrapped(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let Some(width) = wrap_width(&lines) else { return lines.into_iter().map(str::to_owned).collect() };
    let mut paragraphs: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in lines {
        match paragraphs.last_mut().filter(|_| goes_on && !line.is_empty()) {
            Some(paragraph) => {
                paragraph.push(' ');
                paragraph.push_str(line);
            }
            None => paragraphs.push(line.to_owned()),
        }
        // A line much shorter than the others was ended on purpose.
        goes_on = !line.is_empty() && line.chars().count() * 10 >= width * 7;
    }
    paragraphs
}

/// The width a text was wrapped at by hand; `None` when its lines are paragraphs.
fn wrap_width(lines: &[&str]) -> Option<usize> {
    let width = lines.iter().map(|line| line.chars().count()).max()?;
    if !(WRAP_CHARS_MIN..=WRAP_CHARS_MAX).contains(&width) {
        return None;
    }
    // Lines that another one follows directly: nearly all of a wrapped text's are nearly full, and
    // some of them do not end a sentence.
    let followed: Vec<&str> = lines.windows(2).filter(|p| !p[0].is_empty() && !p[1].is_empty()).map(|p| p[0]).collect();
    let full = followed.iter().filter(|line| line.chars().count() * 10 >= width * 7).count();
    let open = followed.iter().filter(|line| !line.ends_with(['.', '!', '?', '"', '”', ':'])).count();
    (followed.len() >= 2 && full * 3 >= followed.len() * 2 && open * 2 >= followed.len()).then_some(width)
}

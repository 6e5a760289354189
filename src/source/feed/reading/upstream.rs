//! The first reader: feed-rs, on text that `scan` has passed. Its model becomes [`DocumentParts`]; what it does
//! not report comes from the scan's notes. Its ids are used only where the feed gave them: the made-up
//! ones (random without link and title) never leave this file.

use std::io::{self, Read};

use chrono::{DateTime, Utc};
use feed_rs::model::{self, Entry as Model, FeedType};
use feed_rs::parser::Builder;
use url::Url;

use super::entry::{DocumentParts, EntryLink, FeedEntry, LinkRole, from_base64, guess_markup, web_link};
use super::survey::{ItemNotes, XmlSurvey};
use crate::model::{DateCertainty, Dated, RawText, Timestamp};
use crate::source::parser::quietly;
use crate::text::{date, work};

/// Bytes that feed-rs gets at a time.
const READ_BYTES_MAX: usize = 16 << 10;

/// Reads a document against the base that its `xml:base` builds on, if it has any; `None` when feed-rs refuses it, panics over it, or sees other items than the scan.
pub(super) fn read(text: &str, survey: &XmlSurvey, base: Option<&Url>) -> Option<DocumentParts> {
    let feed = quietly(|| {
        Builder::new()
            .base_uri(base.map(Url::as_str))
            .sanitize_content(false)
            .id_generator(|_, _, _| String::new())
            .timestamp_parser(|text| date::parse(text).and_then(moment))
            .build()
            .parse(CountedText(text.as_bytes()))
            .ok()
    });
    let feed = feed.ok()??;
    if feed.entries.len() != survey.items.len() {
        return None;
    }
    let kind = feed.feed_type.clone();
    let feed_authors: Vec<String> = feed.authors.into_iter().filter_map(person).collect();
    let entries = feed.entries.into_iter().zip(&survey.items).map(|(model, notes)| entry(model, notes, &kind, base));
    Some(DocumentParts {
        title: feed.title.map(text_of),
        lang: feed.language,
        entries: entries.collect(),
        authors: if matches!(kind, FeedType::Atom) { feed_authors } else { Vec::new() },
        site: feed
            .links
            .into_iter()
            .find(|link| link.rel.as_deref().is_none_or(|rel| rel == "alternate"))
            .map(|l| l.href),
        lost: 0,
        is_cut: false,
        over_cap: 0,
        unchanged: Vec::new(),
    })
}

/// The text on its way into feed-rs, which has no budget of its own: it ends with an error where the job has to end.
struct CountedText<'a>(&'a [u8]);

impl Read for CountedText<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if work::is_stopped() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let most = into.len().min(READ_BYTES_MAX);
        self.0.read(&mut into[..most])
    }
}

fn entry(model: Model, notes: &ItemNotes, kind: &FeedType, base: Option<&Url>) -> FeedEntry {
    let atom = matches!(kind, FeedType::Atom);
    // An Atom id is often the address, if nothing else is.
    let id_is_link = atom || notes.guid_is_link;
    let mut entry = FeedEntry { id_is_link, lang: notes.lang.clone(), bytes: notes.bytes, ..FeedEntry::default() };
    let stated = Some(model.id).filter(|id| !id.trim().is_empty());
    entry.id_is_link |= stated.is_none();
    entry.id = stated.or_else(|| notes.about.clone());
    entry.links = links(&model.links, notes, atom, base);
    let text_of = if atom { text_of } else { |text: model::Text| guess_markup(text.content) };
    entry.title = model.title.map(text_of);
    entry.summary = model.summary.map(text_of);
    entry.content = model.content.and_then(content);
    entry.authors = model.authors.into_iter().filter_map(person).collect();
    entry.lang = entry.lang.or(model.language);
    entry.published = model.published.map(dated);
    // For RSS, feed-rs copies the date of publication.
    entry.updated = model.updated.filter(|at| atom || Some(*at) != model.published).map(dated);
    entry.tags = model.categories.into_iter().map(|category| category.label.unwrap_or(category.term)).collect();
    if entry.authors.is_empty() {
        entry.authors.extend(notes.itunes_author.clone());
    }
    for media in model.media {
        for recording in &media.content {
            let role = LinkRole::of_enclosure(
                recording.content_type.as_ref().map(|kind| kind.essence().to_string()).as_deref(),
            );
            if let (Some(url), LinkRole::Enclosure) = (&recording.url, role) {
                entry.links.push(EntryLink { href: url.as_str().to_owned(), role });
            }
        }
        // A video's or podcast's description is all the text such a feed has.
        if let Some(description) = media.description.or(media.texts.into_iter().map(|text| text.text).next())
            && entry.summary.is_none()
        {
            entry.summary = Some(text_of(description));
        }
        if entry.title.is_none() {
            entry.title = media.title.map(text_of);
        }
    }
    entry
}

fn links(links: &[model::Link], notes: &ItemNotes, atom: bool, base: Option<&Url>) -> Vec<EntryLink> {
    let original = notes.original_link.as_deref().map(|href| (href, LinkRole::Original));
    let stated = links.iter().map(|link| {
        let role = match (atom, link.target.is_some()) {
            (_, true) => LinkRole::Other,
            (true, _) => LinkRole::of_atom(link.rel.as_deref(), link.media_type.as_deref()),
            (false, _) => LinkRole::Page,
        };
        (link.href.as_str(), role)
    });
    original
        .into_iter()
        .chain(stated)
        .map(|(href, role)| EntryLink { href: web_link(href, base).unwrap_or_else(|| href.trim().to_owned()), role })
        .collect()
}

fn content(content: model::Content) -> Option<RawText> {
    let body = content.body?;
    let kind = content.content_type;
    match (kind.ty().as_str(), kind.subty().as_str()) {
        ("text", "plain") => Some(RawText::plain(body)),
        ("text", _) | (_, "xhtml" | "xml") => Some(RawText::html(body)),
        ("image" | "audio" | "video", _) => None,
        _ => from_base64(&body),
    }
}

fn text_of(text: model::Text) -> RawText {
    match text.content_type.subty().as_str() {
        // Escaped once too often: `it&#8217;s` in plain text is nobody's intention, `<b>` may be.
        "plain" if text.content.contains('<') => RawText::plain(text.content),
        "plain" => guess_markup(text.content),
        _ => RawText::html(text.content),
    }
}

fn person(person: model::Person) -> Option<String> {
    let name = person.name.or(person.email)?;
    let name = name.trim();
    // feed-rs leaves the brackets of `jane@example.org (Jane Roe)`.
    let name = name.strip_prefix('(').and_then(|name| name.strip_suffix(')')).unwrap_or(name);
    (!name.is_empty()).then(|| name.to_owned())
}

/// feed-rs's hook returns only a moment; how sure we are of it travels in the nanoseconds below our
/// milliseconds.
fn moment(Dated { at, certainty }: Dated) -> Option<DateTime<Utc>> {
    let nanos = match certainty {
        DateCertainty::Exact => 0,
        DateCertainty::Day => 1,
        DateCertainty::ZoneAssumed => 2,
        DateCertainty::YearInferred => 3,
        DateCertainty::FileTime => 4,
        DateCertainty::Clamped => 5,
    };
    DateTime::from_timestamp(at.seconds(), at.millis().rem_euclid(1000) as u32 * 1_000_000 + nanos)
}

fn dated(at: DateTime<Utc>) -> Dated {
    let certainty = match at.timestamp_subsec_nanos() % 1_000_000 {
        1 => DateCertainty::Day,
        2 => DateCertainty::ZoneAssumed,
        3 => DateCertainty::YearInferred,
        4 => DateCertainty::FileTime,
        5 => DateCertainty::Clamped,
        _ => DateCertainty::Exact,
    };
    Dated { at: Timestamp::from_millis(at.timestamp_millis()), certainty }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_certainty_survives_the_way_through_feed_rs() {
        for certainty in [
            DateCertainty::Exact,
            DateCertainty::Day,
            DateCertainty::ZoneAssumed,
            DateCertainty::YearInferred,
            DateCertainty::FileTime,
            DateCertainty::Clamped,
        ] {
            let before = Dated { at: Timestamp::from_millis(-1_500), certainty };
            assert_eq!(moment(before).map(dated), Some(before));
        }
    }
}

//! JSON Feed 1.0 and 1.1, read leniently: integer ids, missing titles, wrong types cost a field, a bad
//! item costs one item. feed-rs is not asked: it refuses such documents whole and does not report an
//! item's language. Depth is checked before serde_json recurses.

use serde_json::{Map, Value};

use super::entry::{DocumentParts, EntryLink, FeedEntry, LinkRole, guess_markup};
use crate::model::{Dated, RawText, RejectReason, Rejection};
use crate::source::Limits;
use crate::source::mend_json::mend;
use crate::text::{date, work};

/// serde_json refuses deeper documents on its own.
const SERDE_DEPTH_MAX: usize = 127;

/// Values in one document: a list of all of them is made before an item is looked at. Twenty times what a feed of as many
/// items as are taken has.
const VALUES_MAX: usize = 200_000;

/// Reads a document.
///
/// # Errors
/// [`RejectReason::TooDeep`] by the limits, [`RejectReason::Malformed`] for what is no JSON, and
/// [`RejectReason::NotAFeed`] for JSON that is something else.
pub(super) fn read(text: &str, limits: &Limits, warnings: &mut Vec<String>) -> Result<DocumentParts, Rejection> {
    let reject = |reason, detail| Rejection { reason, detail, count: 1 };
    let depth_max = limits.depth_max.min(SERDE_DEPTH_MAX);
    if let Some(at) = too_deep(text, depth_max) {
        let detail = format!("more than {depth_max} containers within one another, at byte {at}");
        return Err(reject(RejectReason::TooDeep, detail));
    }
    if holds_more_values(text, VALUES_MAX) {
        let detail = format!("more than {VALUES_MAX} values in one document");
        return Err(reject(RejectReason::TooManyItems, detail));
    }
    let first = |text: &str| serde_json::Deserializer::from_str(text).into_iter::<Value>().next();
    let (mut value, mut is_cut) = (first(text), false);
    if matches!(value, Some(Err(_)))
        && let Some(mended) = mend(text)
    {
        warnings.push("broken JSON was mended; what is whole was read".to_owned());
        (value, is_cut) = (first(&mended.text), mended.is_cut);
    }
    let feed = match value {
        Some(Ok(Value::Object(feed))) => feed,
        Some(Err(error)) => return Err(reject(RejectReason::Malformed, format!("broken JSON: {error}"))),
        Some(Ok(_)) | None => return Err(reject(RejectReason::NotAFeed, "JSON without an object".to_owned())),
    };
    let version = string(&feed, "version");
    let is_named = version.as_deref().is_some_and(|version| version.contains("jsonfeed.org/version"));
    let Some(Value::Array(items)) = feed.get("items") else {
        let detail = "JSON without a list `items`".to_owned();
        return Err(reject(RejectReason::NotAFeed, detail));
    };
    if !is_named {
        let looks_alike = items.iter().take(3).any(|item| item.get("id").is_some() || item.get("url").is_some());
        if !looks_alike {
            return Err(reject(RejectReason::NotAFeed, "JSON without the version of JSON Feed".to_owned()));
        }
        warnings.push("JSON without a version was read as JSON Feed".to_owned());
    }
    let mut parts = DocumentParts {
        title: string(&feed, "title").map(RawText::plain),
        lang: string(&feed, "language"),
        authors: authors(&feed),
        site: string(&feed, "home_page_url").or_else(|| string(&feed, "feed_url")),
        lost: u64::from(is_cut),
        is_cut,
        ..DocumentParts::default()
    };
    for item in items {
        work::spend(1);
        match item {
            Value::Object(item) => parts.push(entry(item), limits.items_max),
            _ => parts.lost += 1,
        }
    }
    Ok(parts)
}

fn entry(item: &Map<String, Value>) -> FeedEntry {
    let links = [("url", LinkRole::Page), ("external_url", LinkRole::External)];
    let links = links.into_iter().filter_map(|(name, role)| Some(EntryLink { href: string(item, name)?, role }));
    let plain = string(item, "content_text").map(RawText::plain);
    FeedEntry {
        id: string(item, "id"),
        id_is_link: true,
        links: links.chain(attachments(item)).collect(),
        title: string(item, "title").map(guess_markup),
        summary: string(item, "summary").map(guess_markup),
        content: string(item, "content_html").map(RawText::html).or(plain),
        authors: authors(item),
        published: dated(item, "date_published"),
        updated: dated(item, "date_modified"),
        lang: string(item, "language"),
        tags: match item.get("tags") {
            Some(Value::Array(tags)) => tags.iter().filter_map(scalar).collect(),
            Some(Value::String(tags)) => tags.split(',').map(|tag| tag.trim().to_owned()).collect(),
            _ => Vec::new(),
        },
        bytes: None,
    }
}

/// Recordings that come with an item.
fn attachments(item: &Map<String, Value>) -> impl Iterator<Item = EntryLink> {
    let listed = item.get("attachments").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    listed.iter().filter_map(|attachment| {
        let attachment = attachment.as_object()?;
        let role = LinkRole::of_enclosure(string(attachment, "mime_type").as_deref());
        Some(EntryLink { href: string(attachment, "url")?, role })
    })
}

/// 1.1's `authors` before 1.0's `author`, which may be an object or, wrongly, a name.
fn authors(object: &Map<String, Value>) -> Vec<String> {
    let listed = match object.get("authors") {
        Some(Value::Array(authors)) => authors.as_slice(),
        Some(one @ (Value::Object(_) | Value::String(_))) => std::slice::from_ref(one),
        _ => &[],
    };
    let mut names: Vec<String> = listed.iter().chain(object.get("author")).filter_map(author).collect();
    names.dedup();
    names
}

fn author(value: &Value) -> Option<String> {
    match value {
        Value::Object(author) => string(author, "name"),
        other => scalar(other),
    }
}

fn dated(object: &Map<String, Value>, name: &str) -> Option<Dated> {
    date::parse(string(object, name)?.trim())
}

fn string(object: &Map<String, Value>, name: &str) -> Option<String> {
    scalar(object.get(name)?).filter(|text| !text.trim().is_empty())
}

/// A string, or a number that should have been one.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Whether a text holds more values than allowed: each but the first follows a comma, a colon or a bracket.
fn holds_more_values(text: &str, values_max: usize) -> bool {
    let (mut values, mut in_string, mut escaped) = (0usize, false, false);
    text.bytes().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b',' | b'[' | b'{' | b':' if !in_string => values += 1,
            _ => {}
        }
        values > values_max
    })
}

/// Where a text nests deeper than allowed, strings aside.
fn too_deep(text: &str, depth_max: usize) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > depth_max {
                    return Some(at);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DocumentParts, Rejection> {
        read(text, &Limits::SHIPPED, &mut Vec::new())
    }

    #[test]
    fn read_lenient_fields_and_inheritance() {
        let text = r#"{"version":"https://jsonfeed.org/version/1","title":"T","home_page_url":"https://j.example/a/",
            "author":{"name":"Desk"},"language":"en","items":[
            {"id":7,"url":"b","title":"AT&amp;T","content_text":"x < y","tags":["one",2,null],"date_published":"2024-05-01T10:00:00Z"},
            {"id":"https://j.example/c","external_url":"https://other.example/","content_html":"<p>z","language":"fr","authors":[{"name":"A"},"B"]},
            "not an item"]}"#;
        let parts = parse(text).expect("a feed");
        let [first, second] = parts.entries.as_slice() else { panic!("two items") };
        assert_eq!((first.id.as_deref(), first.links[0].href.as_str()), (Some("7"), "b"));
        assert_eq!(first.content, Some(RawText::plain("x < y")));
        assert_eq!(first.tags, ["one", "2"]);
        assert!(first.published.is_some());
        assert_eq!(
            (second.lang.as_deref(), second.authors.as_slice()),
            (Some("fr"), &["A".to_owned(), "B".to_owned()][..])
        );
        assert_eq!((parts.lost, parts.lang.as_deref()), (1, Some("en")));
    }

    #[test]
    fn read_what_is_no_feed_is_refused_by_name() {
        for (text, reason) in [
            ("{\"items\": 1}", RejectReason::NotAFeed),
            ("{\"items\": [{\"x\": 1}]}", RejectReason::NotAFeed),
            ("{\"items\": [", RejectReason::Malformed),
            (&"[".repeat(100_000), RejectReason::TooDeep),
            (&"{\"a\":".repeat(100_000), RejectReason::TooDeep),
        ] {
            assert_eq!(parse(text).map_err(|r| r.reason).err(), Some(reason));
        }
    }

    #[test]
    fn read_cut_document_keeps_the_whole_items_and_counts_the_lost_one() {
        let text = "{\"version\":\"https://jsonfeed.org/version/1\",\"items\":[{\"id\":\"1\"},{\"id\":\"2\",\"tags\":[\"a\nb\"]},{\"id\":\"3\",\"ti";
        let parts = parse(text).expect("a feed");
        assert_eq!((parts.entries.len(), parts.lost), (2, 1));
        assert_eq!(parts.entries[1].tags, ["a\nb"]);
    }

    #[test]
    fn read_blemish_costs_one_item_at_most_and_the_count_is_true() {
        let text = r#"{"version":"https://jsonfeed.org/version/1","items":[{"id":"1","title":"It\'s open"},
            {"id":"2","title":"Half \udfc6"},{"id":"3","title":"He said "no" today"},{"id":"4","size":NaN},]}"#;
        let parts = parse(text).expect("a feed");
        let ids: Vec<_> = parts.entries.iter().filter_map(|entry| entry.id.as_deref()).collect();
        assert_eq!((ids, parts.lost, parts.is_cut), (vec!["1", "2", "4"], 1, false));
        assert_eq!(parts.entries[0].title.as_ref().map(|title| title.text.as_str()), Some("It's open"));
    }

    #[test]
    fn read_list_of_very_many_values_is_refused_before_it_is_made() {
        let items = "{},".repeat(VALUES_MAX);
        let text = format!("{{\"version\":\"https://jsonfeed.org/version/1\",\"items\":[{items}{{}}]}}");
        assert_eq!(parse(&text).map_err(|r| r.reason).err(), Some(RejectReason::TooManyItems));
        let commas = format!("{{\"items\":[{{\"id\":\"1\",\"content_text\":\"{}\"}}]}}", ",[{\\\"".repeat(VALUES_MAX));
        assert_eq!(parse(&commas).expect("a feed").entries.len(), 1);
    }

    #[test]
    fn too_deep_looks_past_strings() {
        assert_eq!(too_deep(r#"["[[[[\"[[[["]"#, 1), None);
        assert_eq!(too_deep("[[", 1), Some(1));
    }
}

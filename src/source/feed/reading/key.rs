//! Names items (promise P4): the guid, else the canonical link, else a hash of title, summary and date.
//! Never random, never the time of parsing; the same document gives the same keys for ever, so a change
//! here would turn every stored item into a new one.

use std::collections::{BTreeSet, HashMap, HashSet};

use url::Url;

use crate::model::{ItemKey, RawItem, RejectReason, Rejection};
use crate::source::feed::IdentifiedBy;
use crate::source::feed::last_documents::{ItemFingerprint, KeyMark};

/// An item and what may name it.
#[derive(Debug)]
pub(super) struct KeyCandidate {
    /// The guid as the feed gave it.
    pub guid: Option<String>,
    /// The item; its key is still to be set.
    pub item: RawItem,
}

/// The named items with what became of the others.
#[derive(Debug, Default)]
pub(super) struct KeyedItem {
    pub items: Vec<RawItem>,
    pub rejected: Vec<Rejection>,
    pub warnings: Vec<String>,
    /// One of them may have the key of an item that was left out.
    pub is_ambiguous: bool,
}

/// Names the items of one document. Items that share a key are told apart by link, then by content;
/// what cannot be told apart is one item, and the rest is counted. `unchanged` are those that were left out of the document.
pub(super) fn assign(
    mut candidates: Vec<KeyCandidate>,
    trust: IdentifiedBy,
    unchanged: &[ItemFingerprint],
) -> KeyedItem {
    let links: Vec<Option<String>> = candidates.iter().map(|c| c.item.url.as_deref().map(canonical)).collect();
    let first: Vec<String> =
        candidates.iter().zip(&links).map(|(c, link)| first_key(c, link.as_deref(), trust)).collect();
    let mut groups: HashMap<&str, Vec<usize>> = HashMap::with_capacity(first.len());
    for (at, key) in first.iter().enumerate() {
        groups.entry(key).or_default().push(at);
    }
    let mut keys: Vec<Option<String>> = first.iter().cloned().map(Some).collect();
    let (mut split, mut duplicates) = (0u64, 0u64);
    for (key, members) in groups.into_iter().filter(|(_, members)| members.len() > 1) {
        let distinct_links: BTreeSet<&str> = members.iter().filter_map(|at| links[*at].as_deref()).collect();
        let by_link = distinct_links.len() > 1;
        let mut seen: HashMap<String, usize> = HashMap::with_capacity(members.len());
        let mut narrowed: HashMap<String, BTreeSet<String>> = HashMap::new();
        let linked = |at: usize| match links[at].as_deref().filter(|_| by_link) {
            Some(link) => format!("{key}|{link}"),
            None => key.to_owned(),
        };
        for &at in &members {
            narrowed.entry(linked(at)).or_default().insert(content_key(&candidates[at].item));
        }
        for &at in &members {
            // What it is called depends on the others: its own bytes do not tell.
            candidates[at].item.bytes = None;
            let mut unique = linked(at);
            if narrowed.get(&unique).is_some_and(|contents| contents.len() > 1) {
                unique = format!("{unique}|{}", content_key(&candidates[at].item));
            }
            if seen.insert(unique.clone(), at).is_some() {
                keys[at] = None;
                duplicates += 1;
            } else {
                split += u64::from(unique != key);
                keys[at] = Some(unique);
            }
        }
    }
    let left_out: HashSet<KeyMark> = unchanged.iter().map(|item| item.key()).collect();
    let is_left_out = |key: &str| !left_out.is_empty() && left_out.contains(&KeyMark::of(&ItemKey::new(key)));
    let is_ambiguous = first.iter().chain(keys.iter().flatten()).any(|key| is_left_out(key));
    let mut named = KeyedItem { is_ambiguous, ..KeyedItem::default() };
    for (candidate, key) in candidates.into_iter().zip(keys) {
        if let Some(key) = key {
            named.items.push(RawItem { key: ItemKey::new(&key), ..candidate.item });
        }
    }
    if split > 0 {
        named.warnings.push(format!(
            "{} shared an id with others, told apart by link or text",
            crate::text::counted(split, "item")
        ));
    }
    if duplicates > 0 {
        let detail = "the same item again in one document".to_owned();
        named.rejected.push(Rejection { reason: RejectReason::DuplicateKey, detail, count: duplicates });
    }
    named
}

fn first_key(candidate: &KeyCandidate, link: Option<&str>, trust: IdentifiedBy) -> String {
    let guid = candidate.guid.as_deref().map(str::trim).filter(|guid| !guid.is_empty());
    let stated = match trust {
        IdentifiedBy::Guid => guid.or(link),
        IdentifiedBy::Link => link.or(guid),
    };
    stated.map_or_else(|| content_key(&candidate.item), str::to_owned)
}

/// Title, summary (or body) and date of publication; not `updated`, which edits change.
fn content_key(item: &RawItem) -> String {
    let title = item.title.as_ref().map_or("", |title| title.text.trim());
    let text = item.summary.as_ref().or(item.content.as_ref()).map_or("", |text| text.text.trim());
    let published = item.published.map_or(i64::MIN, |date| date.at.millis());
    let key = ItemKey::of_content(&[title.as_bytes(), text.as_bytes(), &published.to_le_bytes()]);
    key.as_str().to_owned()
}

/// A link as a key: host in lower case, default port and `utm_` parameters dropped. The fragment stays:
/// weblogs tell the entries of a day apart by it.
fn canonical(link: &str) -> String {
    let Ok(mut url) = Url::parse(link) else { return link.to_owned() };
    if url.query().is_some_and(|query| query.contains("utm_")) {
        let query = url.query().unwrap_or_default();
        let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("utm_")).collect();
        let query = kept.join("&");
        url.set_query((!query.is_empty()).then_some(&query));
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RawText;

    fn candidate(guid: &str, link: &str, title: &str) -> KeyCandidate {
        let mut item = RawItem::new(ItemKey::new(""));
        item.url = (!link.is_empty()).then(|| link.to_owned());
        item.title = Some(RawText::plain(title));
        KeyCandidate { guid: (!guid.is_empty()).then(|| guid.to_owned()), item }
    }

    fn keys(candidates: Vec<KeyCandidate>, trust: IdentifiedBy) -> Vec<String> {
        assign(candidates, trust, &[]).items.iter().map(|item| item.key.as_str().to_owned()).collect()
    }

    #[test]
    fn key_is_guid_then_link_then_content() {
        let list = || {
            vec![
                candidate(" tag:a,1 ", "http://a.example/1", "One"),
                candidate("", "HTTP://A.example:80/2?utm_source=x&id=2#c", "Two"),
                candidate(" ", "", "Three"),
            ]
        };
        let named = keys(list(), IdentifiedBy::Guid);
        assert_eq!(named[..2], ["tag:a,1", "http://a.example/2?id=2#c"]);
        assert!(named[2].starts_with("content:"));
        assert_eq!(keys(list(), IdentifiedBy::Guid), named, "the same on every parse");
        assert_eq!(keys(list(), IdentifiedBy::Link)[0], "http://a.example/1");
    }

    #[test]
    fn key_title_edit_keeps_the_key_of_linked_items() {
        let before = keys(vec![candidate("", "http://a.example/1", "Old")], IdentifiedBy::Guid);
        assert_eq!(keys(vec![candidate("", "http://a.example/1", "New")], IdentifiedBy::Guid), before);
    }

    #[test]
    fn key_same_guid_with_another_link_is_told_apart_with_a_warning() {
        let list = vec![candidate("g", "http://a.example/1", "One"), candidate("g", "http://a.example/2", "Two")];
        let named = assign(list, IdentifiedBy::Guid, &[]);
        let keys: Vec<_> = named.items.iter().map(|item| item.key.as_str()).collect();
        assert_eq!(keys, ["g|http://a.example/1", "g|http://a.example/2"]);
        assert!(named.rejected.is_empty());
        assert_eq!(named.warnings.len(), 1);
    }

    #[test]
    fn key_same_link_with_other_titles_loses_no_item() {
        let home = "http://a.example/";
        let named = assign(vec![candidate("", home, "One"), candidate("", home, "Two")], IdentifiedBy::Guid, &[]);
        assert_eq!(named.items.len(), 2);
        assert_ne!(named.items[0].key, named.items[1].key);
    }

    #[test]
    fn key_identical_items_are_one_and_counted() {
        let list = (0..3).map(|_| candidate("g", "http://a.example/1", "One")).collect();
        let named = assign(list, IdentifiedBy::Guid, &[]);
        assert_eq!((named.items.len(), named.items[0].key.as_str()), (1, "g"));
        assert_eq!((named.rejected[0].reason, named.rejected[0].count), (RejectReason::DuplicateKey, 2));
    }
}

//! What stood in each feed's last document: nine of ten polls bring one new item among fifty old ones, and reading those
//! again costs more than everything else. `reading` leaves out of a document what stands there byte for byte, `ingest`
//! sets aside what says the same in other bytes. Two hashes an item, in memory alone; what is not known is simply read.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::model::{BytesHash, ItemKey, Markup, Origin, RawItem, RawText, SourceId, SourceKind};
#[cfg(any(test, fuzzing))]
use crate::source::ParsedDocument;

/// Items remembered of one document, as many as are taken of one by default; what stands behind them is read again
/// each time …
const ITEMS_MAX: usize = 2000;
/// … and so many of each where there are very many feeds.
const ITEMS_MAX_OF_MANY: usize = 400;
/// Beyond so many items in all, at 16 bytes each, there are.
const ALL_ITEMS_MAX: usize = 1 << 20;

/// The last documents of all feeds; cheap to clone, and every clone has the same.
#[derive(Debug, Clone, Default)]
pub struct LastDocuments(Arc<Mutex<RememberedFeeds>>);

#[derive(Debug, Default)]
struct RememberedFeeds {
    /// Each sorted.
    of_feeds: HashMap<SourceId, Box<[ItemFingerprint]>>,
    items: usize,
}

impl LastDocuments {
    /// What is remembered of a feed's last document.
    #[must_use]
    pub fn of(&self, feed: &SourceId) -> LastDocument {
        LastDocument(self.0.lock().of_feeds.get(feed).map(|items| items.to_vec()).unwrap_or_default())
    }

    /// A feed has a new last document. Only items that are stored, or were, may be among these.
    pub fn replace(&self, origin: &Origin, mut items: Vec<ItemFingerprint>) {
        if origin.kind != SourceKind::Feed {
            return;
        }
        let feeds = &mut *self.0.lock();
        items.truncate(if feeds.items < ALL_ITEMS_MAX { ITEMS_MAX } else { ITEMS_MAX_OF_MANY });
        items.sort_unstable();
        feeds.items += items.len();
        let before = feeds.of_feeds.insert(origin.source.clone(), items.into());
        feeds.items -= before.map_or(0, |before| before.len());
    }
}

/// The last document of one feed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastDocument(Vec<ItemFingerprint>);

impl LastDocument {
    /// As it is remembered once all of a document is stored.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn after(document: &ParsedDocument) -> Self {
        let read = document.items.iter().map(ItemFingerprint::of);
        let mut items: Vec<_> = document.unchanged.iter().copied().chain(read).collect();
        items.sort_unstable();
        Self(items)
    }

    /// Whether an item stood there in these words.
    #[must_use]
    pub fn has_text_of(&self, item: ItemFingerprint) -> bool {
        let at = self.0.partition_point(|known| known.key_and_text() < item.key_and_text());
        self.0.get(at).is_some_and(|known| known.key_and_text() == item.key_and_text())
    }

    /// Whether all of these are what stood there.
    #[must_use]
    pub fn has_all(&self, items: &[ItemFingerprint]) -> bool {
        items.iter().all(|item| self.0.binary_search(item).is_ok())
    }

    /// Its items by the bytes they were read from; those that have none of their own are not among them.
    pub(super) fn by_bytes(&self) -> ItemsByBytes {
        ItemsByBytes::of(self.0.iter().copied().filter(|item| item.bytes() != 0).collect())
    }
}

/// The items of a feed's last document that are known by their bytes.
#[derive(Debug, Default)]
pub(super) struct ItemsByBytes(Vec<ItemFingerprint>);

impl ItemsByBytes {
    pub fn of(mut items: Vec<ItemFingerprint>) -> Self {
        items.sort_unstable_by_key(|item| item.bytes());
        Self(items)
    }

    /// Of a feed of which nothing is remembered.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The item that was read from these bytes.
    pub fn find(&self, bytes: BytesHash) -> Option<ItemFingerprint> {
        let at = self.0.binary_search_by_key(&bytes.get(), |item| item.bytes());
        at.ok().and_then(|at| self.0.get(at)).copied()
    }
}

/// An item of a feed, what its text is made from, and the bytes it was read from, if it has any of its own: 32, 40 and 56
/// bits. Within one feed's documents that is enough: one edit in 10¹² would pass for none, and one new item in 10¹⁵ for a known one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemFingerprint(u128);

const KEY_SHIFT: u32 = 96;
const TEXT_BITS: u32 = KEY_SHIFT - BytesHash::BITS;

impl ItemFingerprint {
    /// What `normalize` makes title and text from; nothing else makes an item another one.
    #[must_use]
    pub fn of(raw: &RawItem) -> Self {
        let mut hash = Xxh3::new();
        let mut part = |text: Option<&RawText>| {
            let (mark, text) =
                text.map_or((0, ""), |raw| (1 + u8::from(raw.markup == Markup::Html), raw.text.as_str()));
            hash.update(&[mark]);
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        part(raw.title.as_ref());
        part(raw.summary.as_ref());
        part(raw.content.as_ref());
        hash.update(raw.url.as_deref().unwrap_or("").as_bytes());
        let key = u128::from(KeyMark::of(&raw.key).0);
        let text = u128::from(hash.digest() >> (64 - TEXT_BITS));
        let bytes = raw.bytes.map_or(0, BytesHash::get);
        Self(key << KEY_SHIFT | text << BytesHash::BITS | u128::from(bytes))
    }

    /// Of its key.
    pub(super) fn key(self) -> KeyMark {
        KeyMark((self.0 >> KEY_SHIFT) as u32)
    }

    fn key_and_text(self) -> u128 {
        self.0 >> BytesHash::BITS
    }

    /// 0 for none.
    fn bytes(self) -> u64 {
        self.0 as u64 & ((1 << BytesHash::BITS) - 1)
    }
}

impl fmt::Debug for ItemFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ItemFingerprint({:032x})", self.0)
    }
}

/// A hash of an item's key. Two items that share it may share their key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct KeyMark(u32);

impl KeyMark {
    pub fn of(key: &ItemKey) -> Self {
        Self(xxh3_64(key.as_str().as_bytes()) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn origin(kind: SourceKind) -> Origin {
        Origin { source: SourceId::new("wire").expect("a name"), kind, received: Timestamp::default() }
    }

    fn raw(key: &str, title: &str, body: &str) -> RawItem {
        let text = |text: &str, markup| Some(RawText { text: text.to_owned(), markup });
        RawItem {
            title: text(title, Markup::Plain),
            content: text(body, Markup::Html),
            ..RawItem::new(ItemKey::new(key))
        }
    }

    fn last(documents: &LastDocuments) -> LastDocument {
        documents.of(&origin(SourceKind::Feed).source)
    }

    #[test]
    fn document_has_the_text_of_an_item_only_for_the_same_words_under_the_same_key() {
        let origin = origin(SourceKind::Feed);
        let documents = LastDocuments::default();
        let seen = ItemFingerprint::of;
        let first = raw("1", "Dyke holds", "<p>Water fell.</p>");
        assert!(!last(&documents).has_text_of(seen(&first)));
        documents.replace(&origin, vec![seen(&raw("2", "b", "")), seen(&first)]);
        assert!(last(&documents).has_text_of(seen(&first)));
        let beside =
            RawItem { tags: vec!["x".to_owned()], quiet: true, bytes: Some(BytesHash::of(7)), ..first.clone() };
        assert!(last(&documents).has_text_of(seen(&beside)));
        assert!(!last(&documents).has_all(&[seen(&beside)]), "it was not read from these bytes");
        assert!(last(&documents).has_all(&[seen(&first)]));
        for other in [
            raw("3", "Dyke holds", "<p>Water fell.</p>"),
            raw("1", "Dyke held", "<p>Water fell.</p>"),
            raw("1", "Dyke holds", "<p>Water rose.</p>"),
            raw("1", "Dyke holds<p>Water fell.</p>", ""),
            RawItem { url: Some("https://b.example/".to_owned()), ..first.clone() },
        ] {
            assert!(!last(&documents).has_text_of(seen(&other)), "{other:?}");
        }
        documents.replace(&origin, vec![seen(&raw("2", "b", ""))]);
        assert!(!last(&documents).has_text_of(seen(&first)), "only the last document counts");
    }

    #[test]
    fn replace_takes_so_many_and_only_of_feeds() {
        let documents = LastDocuments::default();
        let seen = |n: usize| ItemFingerprint::of(&raw(&n.to_string(), "t", ""));
        documents.replace(&origin(SourceKind::Seed), vec![seen(0)]);
        assert!(!last(&documents).has_text_of(seen(0)));
        documents.replace(&origin(SourceKind::Feed), (0..=ITEMS_MAX).map(seen).collect());
        assert!(last(&documents).has_text_of(seen(ITEMS_MAX - 1)));
        assert!(!last(&documents).has_text_of(seen(ITEMS_MAX)));
    }

    #[test]
    fn item_is_found_by_its_bytes_where_it_has_any() {
        let read = |n: u64| RawItem { bytes: Some(BytesHash::of(n)), ..raw(&n.to_string(), "t", "") };
        let items: Vec<_> = [u64::MAX, 1 << 56, 5].map(|n| ItemFingerprint::of(&read(n))).into();
        let documents = LastDocuments::default();
        documents.replace(&origin(SourceKind::Feed), [&items[..], &[ItemFingerprint::of(&raw("x", "t", ""))]].concat());
        let known = last(&documents).by_bytes();
        for (n, item) in [u64::MAX, 1 << 56, 5].into_iter().zip(items) {
            assert_eq!(known.find(BytesHash::of(n)), Some(item));
            assert_eq!(item.key(), KeyMark::of(&ItemKey::new(&n.to_string())));
        }
        assert_eq!(known.find(BytesHash::of(6)), None);
        assert_eq!(size_of::<ItemFingerprint>(), 16);
    }
}

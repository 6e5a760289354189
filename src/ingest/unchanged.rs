//! Which items of a feed stand in its document as they did last time: nine of ten polls bring one new
//! item among fifty old ones, and reading those again costs more than everything else. Remembers a hash
//! per item of each feed's last document, in memory alone; what it does not know is simply read.

use std::collections::HashMap;

use xxhash_rust::xxh3::Xxh3;

use crate::model::{ItemId, Markup, Origin, RawItem, RawText, SourceId, SourceKind};

/// Items remembered of one document, as many as are taken of one by default; what stands behind them is read again
/// each time …
const ITEMS_MAX: usize = 2000;
/// … and so many of each where there are very many feeds.
const ITEMS_MAX_OF_MANY: usize = 400;
/// Beyond so many items in all, at 16 bytes each, there are.
const ALL_ITEMS_MAX: usize = 1 << 20;

/// The last documents of all feeds.
#[derive(Debug, Default)]
pub struct LastDocuments {
    of_feeds: HashMap<SourceId, Box<[ItemFingerprint]>>,
    items: usize,
}

/// An item, and what its text is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ItemFingerprint {
    pub(super) id: ItemId,
    hash: u64,
}

impl ItemFingerprint {
    /// What `normalize` makes title and text from; nothing else makes an item another one.
    pub fn of(raw: &RawItem, origin: &Origin) -> Self {
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
        Self { id: ItemId::of(&origin.source, &raw.key), hash: hash.digest() }
    }
}

impl LastDocuments {
    /// Whether an item stood in its feed's last document just so.
    pub(super) fn contain(&self, origin: &Origin, item: ItemFingerprint) -> bool {
        let last = self.of_feeds.get(&origin.source);
        last.is_some_and(|last| last.binary_search_by_key(&item.id, |known| known.id).is_ok_and(|at| last[at] == item))
    }

    /// A feed has a new last document. Only items that are stored, or were, may be among these.
    pub(super) fn replace(&mut self, origin: &Origin, mut items: Vec<ItemFingerprint>) {
        if origin.kind != SourceKind::Feed {
            return;
        }
        items.truncate(if self.items < ALL_ITEMS_MAX { ITEMS_MAX } else { ITEMS_MAX_OF_MANY });
        items.sort_by_key(|item| item.id);
        self.items += items.len();
        let before = self.of_feeds.insert(origin.source.clone(), items.into());
        self.items -= before.map_or(0, |before| before.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ItemKey, Timestamp};

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

    #[test]
    fn contain_is_true_only_for_the_same_words_under_the_same_key() {
        let origin = origin(SourceKind::Feed);
        let mut last = LastDocuments::default();
        let seen = |raw: &RawItem| ItemFingerprint::of(raw, &origin);
        let first = raw("1", "Dyke holds", "<p>Water fell.</p>");
        assert!(!last.contain(&origin, seen(&first)));
        last.replace(&origin, vec![seen(&raw("2", "b", "")), seen(&first)]);
        assert!(last.contain(&origin, seen(&first)));
        assert!(last.contain(&origin, seen(&RawItem { tags: vec!["x".to_owned()], quiet: true, ..first.clone() })));
        for other in [
            raw("3", "Dyke holds", "<p>Water fell.</p>"),
            raw("1", "Dyke held", "<p>Water fell.</p>"),
            raw("1", "Dyke holds", "<p>Water rose.</p>"),
            raw("1", "Dyke holds<p>Water fell.</p>", ""),
            RawItem { url: Some("https://b.example/".to_owned()), ..first.clone() },
        ] {
            assert!(!last.contain(&origin, seen(&other)), "{other:?}");
        }
        last.replace(&origin, vec![seen(&raw("2", "b", ""))]);
        assert!(!last.contain(&origin, seen(&first)), "only the last document counts");
    }

    #[test]
    fn replace_takes_so_many_and_only_of_feeds() {
        let mut last = LastDocuments::default();
        let seen = |n: usize| ItemFingerprint::of(&raw(&n.to_string(), "t", ""), &origin(SourceKind::Feed));
        last.replace(&origin(SourceKind::Seed), vec![seen(0)]);
        assert!(!last.contain(&origin(SourceKind::Feed), seen(0)));
        last.replace(&origin(SourceKind::Feed), (0..=ITEMS_MAX).map(seen).collect());
        assert!(last.contain(&origin(SourceKind::Feed), seen(ITEMS_MAX - 1)));
        assert!(!last.contain(&origin(SourceKind::Feed), seen(ITEMS_MAX)));
    }
}

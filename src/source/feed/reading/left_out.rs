//! Which items of a document are left out of what is read: those that its feed's last document had byte for byte. `scan`
//! says where items begin and end and what stands around them; here their bytes are hashed with all that decides how they
//! are read, and what is known is jumped over. Nothing of it is looked at again, so whatever is odd is to be read whole.

use std::ops::Range;

use memchr::memmem::Finder;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::model::BytesHash;
use crate::source::feed::last_documents::{ItemFingerprint, ItemsByBytes};

/// The items of a document, on the way through it.
#[derive(Debug)]
pub(super) struct ItemRanges<'a> {
    text: &'a str,
    last: &'a ItemsByBytes,
    /// A hash of all that decides how an item is read that begins here: the settings, the frame around it, and the
    /// namespaces declared before it. `None`: nobody asks.
    context: Option<u64>,
    open: Option<OpenItem>,
    end_tag: Option<EndTag>,
    /// Up to here an end was looked for: none is looked for twice, so that the time for it does not grow with the square
    /// of the document.
    searched: usize,
    left_out: Vec<LeftOutItem>,
}

/// An item that has begun.
#[derive(Debug)]
struct OpenItem {
    start: usize,
    context: u64,
    voids_open: i64,
}

#[derive(Debug)]
struct EndTag {
    name: String,
    finder: Finder<'static>,
}

/// An item that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeftOutItem {
    /// Its place in the text.
    pub range: Range<usize>,
    /// What it was when it was read.
    pub item: ItemFingerprint,
}

impl<'a> ItemRanges<'a> {
    /// Of a text that is read under these settings, given by their hash.
    pub fn new(text: &'a str, settings: u64, last: &'a ItemsByBytes) -> Self {
        Self { context: Some(settings), last, ..Self::unasked(text) }
    }

    /// Of a text about whose items nobody asks.
    pub fn unasked(text: &'a str) -> Self {
        static NONE: ItemsByBytes = ItemsByBytes::none();
        Self { text, last: &NONE, context: None, open: None, end_tag: None, searched: 0, left_out: Vec::new() }
    }

    /// Something was met by which what follows is read: the tag of the root or of a channel, its end, a namespace.
    pub fn goes_on_under(&mut self, what: &str) {
        self.context = self.context.map(|context| xxh3_64_with_seed(what.as_bytes(), context));
    }

    /// An item begins of which nothing is to be known by its bytes.
    pub fn forget(&mut self) {
        self.open = None;
    }

    /// An item of this name may begin, as a child of the root or a channel. Gives its end where it is left out.
    pub fn item_begins(&mut self, start: usize, name: &str, voids_open: i64) -> Option<usize> {
        let context = self.context?;
        self.open = Some(OpenItem { start, context, voids_open });
        if self.last.is_empty() || start < self.searched {
            return None;
        }
        let end = self.end_of(start, name);
        self.searched = end.unwrap_or(usize::MAX);
        let range = start..end?;
        let item = self.last.find(hash(self.text.get(range.clone())?, context))?;
        self.open = None;
        self.left_out.push(LeftOutItem { range, item });
        end
    }

    /// The first place behind an end tag of this name. What is within CDATA counts as well: then the item is not found.
    fn end_of(&mut self, start: usize, name: &str) -> Option<usize> {
        let end_tag = match self.end_tag.take().filter(|known| known.name == name) {
            Some(known) => known,
            None => EndTag { name: name.to_owned(), finder: Finder::new(&format!("</{name}>")).into_owned() },
        };
        let end_tag = self.end_tag.insert(end_tag);
        let at = end_tag.finder.find(self.text.as_bytes().get(start..)?)?;
        Some(start + at + end_tag.finder.needle().len())
    }

    /// The item ends. Gives the hash of its bytes, unless it changes what those behind it are read by.
    pub fn item_ends(&mut self, end: usize, voids_open: i64) -> Option<BytesHash> {
        let open = self.open.take()?;
        let is_apart = self.context == Some(open.context) && voids_open == open.voids_open;
        let bytes = self.text.get(open.start..end).filter(|_| is_apart)?;
        Some(hash(bytes, open.context))
    }

    /// How many are left out so far.
    pub fn left_out(&self) -> usize {
        self.left_out.len()
    }

    /// What is left out.
    pub fn into_left_out(self) -> Vec<LeftOutItem> {
        self.left_out
    }
}

fn hash(bytes: &str, context: u64) -> BytesHash {
    BytesHash::of(xxh3_64_with_seed(bytes.as_bytes(), context))
}

/// Whether one of them stands there twice.
pub(super) fn has_twice(left_out: &[LeftOutItem]) -> bool {
    let mut items: Vec<_> = left_out.iter().map(|one| one.item).collect();
    items.sort_unstable();
    items.windows(2).any(|pair| pair[0] == pair[1])
}

/// The text without them.
pub(super) fn rest(text: &str, left_out: &[LeftOutItem]) -> String {
    let bytes: usize = left_out.iter().map(|one| one.range.len()).sum();
    let (mut rest, mut from) = (String::with_capacity(text.len().saturating_sub(bytes)), 0);
    for LeftOutItem { range, .. } in left_out {
        rest.push_str(&text[from..range.start]);
        from = range.end;
    }
    rest.push_str(&text[from..]);
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_is_what_stands_between() {
        let at = |range: Range<usize>| LeftOutItem { range, item: ItemFingerprint::of(&raw()) };
        assert_eq!(rest("0123456789", &[at(1..3), at(3..4), at(8..10)]), "04567");
        assert_eq!(rest("0123", &[]), "0123");
        assert!(has_twice(&[at(1..3), at(5..7)]) && !has_twice(&[at(1..3)]));
    }

    #[test]
    fn item_begins_looks_for_no_end_a_second_time() {
        let item = ItemFingerprint::of(&crate::model::RawItem { bytes: Some(BytesHash::of(1)), ..raw() });
        let last = ItemsByBytes::of(vec![item]);
        let mut ranges = ItemRanges::new("<item></item ><item></item ></item>.<item>", 1, &last);
        for (start, searched) in [(0, 35), (14, 35), (36, usize::MAX)] {
            assert_eq!(ranges.item_begins(start, "item", 0), None);
            assert_eq!(ranges.searched, searched, "from {start}");
        }
    }

    fn raw() -> crate::model::RawItem {
        crate::model::RawItem::new(crate::model::ItemKey::new("1"))
    }

    #[test]
    fn item_ends_has_no_bytes_of_its_own_where_it_leaves_something_behind() {
        let text = "<item>one</item><item>two</item>";
        let last = ItemsByBytes::default();
        let mut ranges = ItemRanges::new(text, 1, &last);
        assert_eq!(ranges.item_begins(0, "item", 0), None);
        assert_eq!(ranges.item_ends(16, 1), None, "it opened an element that nobody closes");
        ranges.item_begins(0, "item", 0);
        ranges.goes_on_under("x");
        assert_eq!(ranges.item_ends(16, 0), None, "it declared a namespace");
        ranges.item_begins(0, "item", 0);
        let first = ranges.item_ends(16, 0);
        assert!(first.is_some());
        ranges.item_begins(0, "item", 0);
        assert_eq!(ranges.item_ends(16, 0), first);
        let mut elsewhere = ItemRanges::new(text, 2, &last);
        elsewhere.item_begins(0, "item", 0);
        assert_ne!(elsewhere.item_ends(16, 0), first, "under other settings it may be another item");
        let mut unasked = ItemRanges::unasked(text);
        unasked.item_begins(0, "item", 0);
        assert_eq!(unasked.item_ends(16, 0), None);
    }
}

//! Whether an id can be believed: an item that comes under a known id with other words is an edit of what is filed
//! there only if a link, a headline, a text or the moment of publication agrees. Two exports that both count from 1,
//! and a feed whose one guid is "latest", are no editors. Decides about sameness of items, never of stories.

use crate::model::{DateCertainty, Dated, Item, ItemId, ItemKey};
use crate::text::tokens::Tokens;

use super::story::background;
use super::story::roundup::live_headline;
use super::story::words::for_each_word;

/// Share of the telling words of the shorter headline that the other one must have: headlines of one template ("X
/// levee holds near Y") share half.
const TITLE_SHARE_MIN: f32 = 0.6;
/// The same of the texts: two reports from one field of news share a quarter, an edit keeps more than half.
const TEXT_SHARE_MIN: f32 = 0.4;
/// Words of a text that are compared.
const TEXT_WORDS_MAX: usize = 400;

/// What is filed under an id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FiledItem {
    /// Its headline; may be empty.
    pub title: String,
    /// Its canonical link.
    pub url: Option<String>,
    /// When it was published, where it said so to the second.
    pub published: Option<Dated>,
    /// Its text, or the beginning of it; may be empty.
    pub text: String,
}

impl FiledItem {
    /// What an item files under its id.
    #[must_use]
    pub fn of(item: &Item) -> Self {
        Self { title: item.title.clone(), url: item.url.clone(), published: item.published, text: item.text.clone() }
    }

    /// Whether an item that comes under the same id can be an edit of this one. Where there is nothing to hold against
    /// each other, the id is believed.
    #[must_use]
    pub fn agrees_with(&self, item: &Item) -> bool {
        if self.url.is_some() && self.url == item.url {
            return true;
        }
        let exact = |dated: Option<Dated>| dated.filter(|dated| dated.certainty == DateCertainty::Exact);
        if exact(self.published).is_some_and(|ours| exact(item.published).is_some_and(|theirs| ours.at == theirs.at)) {
            return true;
        }
        let titles = share(&Words::of(&self.title), &Words::of(&item.title));
        let texts = share(&Words::of(&self.text), &Words::of(&item.text));
        match (titles, texts) {
            (None, None) => true,
            (titles, texts) => {
                titles.is_some_and(|share| share >= TITLE_SHARE_MIN)
                    || texts.is_some_and(|share| share >= TEXT_SHARE_MIN)
            }
        }
    }
}

impl FiledItem {
    /// Whether a live blog has another event on top than the one that is filed: the item is that event.
    #[must_use]
    pub fn is_earlier_entry_of(&self, item: &Item) -> bool {
        let (Some(ours), Some(theirs)) = (live_headline(&self.title), live_headline(&item.title)) else { return false };
        share(&Words::of(ours), &Words::of(theirs)).is_some_and(|share| share < TITLE_SHARE_MIN)
    }
}

/// The telling words of a text, each once, with their rarity.
struct Words(Vec<(u32, f32)>);

impl Words {
    fn of(text: &str) -> Self {
        let mut found: Vec<(u32, f32)> = Vec::new();
        for_each_word(text, &Tokens::of(text), TEXT_WORDS_MAX, |word| {
            let rarity = background::idf(word.hash);
            if rarity > 0.0 {
                found.push((word.hash, rarity));
            }
        });
        found.sort_unstable_by_key(|(hash, _)| *hash);
        found.dedup_by_key(|(hash, _)| *hash);
        Self(found)
    }

    fn weight(&self) -> f32 {
        self.0.iter().map(|(_, rarity)| rarity).sum()
    }
}

/// How much of the lighter one the other has, by rarity; `None` where one of them says nothing.
fn share(a: &Words, b: &Words) -> Option<f32> {
    let lighter = a.weight().min(b.weight());
    let known = |hash: u32| b.0.binary_search_by_key(&hash, |(known, _)| *known).is_ok();
    let shared: f32 = a.0.iter().filter(|(hash, _)| known(*hash)).map(|(_, rarity)| rarity).sum();
    (lighter > 0.0).then(|| shared / lighter)
}

/// Gives an item whose id is not believed an id of its own: by its link, else by its words. The same item gets the
/// same one whenever it comes again.
pub fn rename(item: &mut Item) {
    let mark = match &item.url {
        // One link for all that a live blog has on top in the course of a day.
        Some(url) if live_headline(&item.title).is_none() => url.clone(),
        None if item.title.is_empty() => ItemKey::of_content(&[item.text.as_bytes()]).as_str().to_owned(),
        _ => ItemKey::of_content(&[item.title.as_bytes()]).as_str().to_owned(),
    };
    item.key = ItemKey::new(&format!("{}|{mark}", item.key.as_str()));
    item.id = ItemId::of(&item.source, &item.key);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Origin, RawItem, RawText, SourceId, SourceKind, Timestamp};
    use crate::pipeline::normalize::{NormalizeRules, normalize};

    fn item(url: &str, published: &str, title: &str, text: &str) -> Item {
        let mut raw = RawItem::new(ItemKey::new("1"));
        raw.url = (!url.is_empty()).then(|| url.to_owned());
        raw.published = crate::text::date::parse(published);
        raw.title = (!title.is_empty()).then(|| RawText::plain(title));
        raw.content = (!text.is_empty()).then(|| RawText::plain(text));
        let origin = Origin {
            source: SourceId::new("seeds").expect("a name"),
            kind: SourceKind::Seed,
            received: Timestamp::parse("2026-05-04T12:00:00Z").expect("a time"),
        };
        normalize(&raw, &origin, &NormalizeRules::default()).expect("readable").item
    }

    const FERRY: (&str, &str) = (
        "Ferry to Oldtown runs aground",
        "A ferry with ninety passengers ran aground on a sandbank before Oldtown on Monday, the coastguard said.",
    );
    const BRIDGE: (&str, &str) = (
        "Newport council votes for a second bridge",
        "The council of Newport has voted by nine to four for a second bridge over the estuary, to be built by 2031.",
    );

    #[test]
    fn an_id_that_two_different_items_use_is_not_believed() {
        let filed = FiledItem::of(&item("", "", FERRY.0, FERRY.1));
        assert!(!filed.agrees_with(&item("", "", BRIDGE.0, BRIDGE.1)));
        let (a, b) = ("https://a.example/1", "https://b.example/1");
        let filed = FiledItem::of(&item(a, "2026-05-04T08:00:00Z", FERRY.0, FERRY.1));
        assert!(!filed.agrees_with(&item(b, "2026-05-04T09:00:00Z", BRIDGE.0, BRIDGE.1)));
        // A day is no moment: every export of that day has it.
        let filed = FiledItem::of(&item("", "2026-05-04", FERRY.0, FERRY.1));
        assert!(!filed.agrees_with(&item("", "2026-05-04", BRIDGE.0, BRIDGE.1)));
    }

    #[test]
    fn one_thing_that_agrees_makes_it_an_edit() {
        let link = "https://a.example/ferry";
        let filed = FiledItem::of(&item(link, "2026-05-04T08:00:00Z", FERRY.0, FERRY.1));
        for (url, published, title, text, what) in [
            (link, "", BRIDGE.0, BRIDGE.1, "the link"),
            ("", "2026-05-04T08:00:00Z", BRIDGE.0, BRIDGE.1, "the moment"),
            ("", "", "Ferry aground at Oldtown: all safe", BRIDGE.1, "the headline"),
            ("", "", "All safe after night on sandbank", FERRY.1, "the text"),
            ("", "", "", "", "nothing to hold against it"),
        ] {
            let edit = if text.is_empty() { item(link, "", "Live", "") } else { item(url, published, title, text) };
            assert!(filed.agrees_with(&edit), "{what}");
        }
    }

    #[test]
    fn a_live_blog_with_another_event_on_top_is_another_item() {
        let link = "https://a.example/live";
        let filed = FiledItem::of(&item(link, "", "Coast live: ferry runs aground at Oldtown", FERRY.1));
        let now = |title: &str| item(link, "", title, BRIDGE.1);
        assert!(filed.is_earlier_entry_of(&now("Coast live: Newport votes for second bridge")));
        assert!(!filed.is_earlier_entry_of(&now("Coast live: ferry aground at Oldtown, all safe")), "an edit");
        assert!(!filed.is_earlier_entry_of(&now("Newport votes for a second bridge")), "no live blog");
        let renamed = |title: &str| {
            let mut item = now(title);
            rename(&mut item);
            item.id
        };
        let (bridge, strike) = ("Coast live: Newport votes for second bridge", "Coast live: dockers call a strike");
        assert_eq!(renamed(bridge), renamed(bridge));
        assert_ne!(renamed(bridge), renamed(strike), "one link for all of them");
    }

    #[test]
    fn a_renamed_item_gets_the_same_id_each_time() {
        let renamed = |title: &str, url: &str| {
            let mut item = item(url, "", title, "Some text of a report.");
            rename(&mut item);
            item.id
        };
        assert_eq!(renamed("Ferry aground", ""), renamed("Ferry aground", ""));
        assert_ne!(renamed("Ferry aground", ""), renamed("Bridge voted for", ""));
        let link = "https://a.example/1";
        assert_eq!(renamed("Ferry aground", link), renamed("Ferry afloat", link), "an edit of it stays an edit");
    }
}

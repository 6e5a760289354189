//! Whether a feed has given its items new ids all at once: the same titles or links under keys nobody
//! knows. Pure; `ingest` asks the store for what the feed had before, and only when this suspects it.

use std::collections::{HashMap, HashSet};

use crate::model::Item;

/// Items of a feed that are compared with.
pub(super) const FACES_MAX: usize = 4000;

/// With fewer items it cannot be told from news.
const ITEMS_MIN: usize = 3;

/// More than so many of a hundred.
const SHARE_PERCENT: usize = 80;

/// Whether so many unknown keys among all are more than news.
pub(super) fn is_suspect(unknown: usize, all: usize) -> bool {
    all >= ITEMS_MIN && unknown * 100 > all * SHARE_PERCENT
}

/// Whether so many known faces among all are a re-key.
pub(super) fn is_rekey(same: usize, all: usize) -> bool {
    is_suspect(same, all)
}

/// Titles and links that a feed had before.
pub(super) struct ItemFaces {
    titles: HashSet<String>,
    links: HashSet<String>,
}

impl ItemFaces {
    pub fn of(items: Vec<(String, Option<String>)>) -> Self {
        // The same item under several keys is one face. A link or title that different items share (a
        // front page, "Live") tells none of them.
        let faces: HashSet<(String, Option<String>)> =
            items.into_iter().map(|(title, link)| (title.to_lowercase(), link)).collect();
        let (mut titles, mut links) = (HashMap::new(), HashMap::new());
        for (title, link) in faces {
            if let Some(link) = link {
                *links.entry(link).or_insert(0) += 1;
            }
            *titles.entry(title).or_insert(0) += 1;
        }
        titles.remove("");
        let once = |counts: HashMap<String, usize>| {
            counts.into_iter().filter(|(_, count)| *count == 1).map(|(face, _)| face).collect()
        };
        Self { titles: once(titles), links: once(links) }
    }

    pub fn contains(&self, item: &Item) -> bool {
        item.url.as_ref().is_some_and(|url| self.links.contains(url))
            || self.titles.contains(&item.title.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rekey_is_more_than_four_in_five_of_at_least_three() {
        for (same, all, expected) in
            [(2, 2, false), (3, 3, true), (4, 5, false), (5, 5, true), (41, 50, true), (40, 50, false)]
        {
            assert_eq!(is_rekey(same, all), expected, "{same} of {all}");
        }
    }

    #[test]
    fn faces_shared_by_several_items_tell_nothing() {
        let face = |title: &str, link: &str| (title.to_owned(), Some(link.to_owned()));
        let faces = ItemFaces::of(vec![
            face("Live", "https://a.example/1"),
            face("LIVE", "https://a.example/2"),
            face("Tides", "https://a.example/t"),
            face("Tides", "https://a.example/t"),
            face("Wind", "https://a.example/"),
            face("Rain", "https://a.example/"),
        ]);
        assert_eq!((faces.titles.len(), faces.links.len()), (3, 3));
        assert!(faces.titles.contains("tides") && !faces.links.contains("https://a.example/"));
    }
}

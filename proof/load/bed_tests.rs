//! What the load bed serves is what it says: the same everywhere, in the promised shares, readable by others.

use std::collections::{HashMap, HashSet};

use wirewatch::model::Timestamp;

use crate::documents::{Feed, Format, render};
use crate::words::{Language, Numbers};

#[test]
fn article_same_number_gives_the_same_text_everywhere() {
    let language = Language::new();
    assert_eq!(language.article(3, 7), Language::new().article(3, 7));
    let sizes: Vec<usize> = (0..500).map(|n| language.article(n, 7).paragraphs.concat().len()).collect();
    assert!(sizes.iter().all(|size| (450..3600).contains(size)), "{sizes:?}");
}

#[test]
fn article_that_is_unshared_is_nobodys_copy() {
    let language = Language::new();
    let alone = (0..500).map(|number| language.unshared((3 << 62) | number).title);
    let carried = (0..50).flat_map(|feed| (0..50).map(move |item| (feed, item)));
    let carried = carried.map(|(feed, item)| language.article(feed, item).title).collect::<HashSet<_>>();
    let mut seen = HashSet::new();
    assert!(alone.into_iter().all(|title| !carried.contains(&title) && seen.insert(title)), "a title comes twice");
}

#[test]
fn words_follow_zipf_with_function_words_first() {
    let (language, mut numbers) = (Language::new(), Numbers::of(5));
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for _ in 0..100_000 {
        *counts.entry(language.any_word(&mut numbers)).or_default() += 1;
    }
    let (the, tenth) = (counts["the"], counts[language.word(9)]);
    assert!(the > 7 * tenth && the < 13 * tenth, "{the} against {tenth}");
    assert!(counts.len() > 8000, "{}", counts.len());
}

#[test]
fn article_one_in_ten_is_a_lightly_edited_copy_of_a_neighbour() {
    let language = Language::new();
    let mut by_title: HashMap<String, Vec<String>> = HashMap::new();
    for (feed, item) in (0..50).flat_map(|feed| (0..50).map(move |item| (feed, item))) {
        let article = language.article(feed, item);
        by_title.entry(article.title).or_default().push(article.paragraphs.join(" "));
    }
    let copies: usize = by_title.values().map(Vec::len).filter(|carried| *carried > 1).sum();
    assert!((180..320).contains(&copies), "{copies} of 2,500");
    let pair = by_title.values().find(|texts| texts.len() > 1).expect("a syndicated text");
    let words = |at: usize| pair[at].split(' ').map(str::to_lowercase);
    let changed = words(0).zip(words(1)).filter(|(a, b)| a != b).count();
    assert!(changed > 0 && changed * 10 < words(0).count(), "{changed} of {}", words(0).count());
}

#[test]
fn render_every_format_is_read_whole_with_ids_of_its_own() {
    let language = Language::new();
    let mut ids = HashSet::new();
    for number in 0..10 {
        let feed = Feed { number, items: 50, newest: 60, begins: Timestamp::from_seconds(1_700_000_000) };
        let text = render(&language, feed);
        let read = feed_rs::parser::parse(text.as_bytes()).expect("feed-rs reads it");
        assert_eq!(read.entries.len(), 50, "feed {number}");
        ids.extend(read.entries.into_iter().map(|entry| entry.id));
        assert!((60_000..200_000).contains(&text.len()), "{}", text.len());
    }
    assert_eq!(ids.len(), 500);
    let formats: Vec<Format> = (0..10).map(Format::of).collect();
    let share = |format| formats.iter().filter(|f| **f == format).count();
    assert_eq!((share(Format::Rss), share(Format::Atom), share(Format::Rdf)), (6, 3, 1));
}

//! The whole stage on raw items as sources give them.

use proptest::prelude::*;

use super::*;
use crate::model::{DateCertainty, Dated, ItemKey, SourceId, SourceKind, Timestamp};

fn origin() -> Origin {
    Origin {
        source: SourceId::new("tidewatch").expect("a valid name"),
        kind: SourceKind::Feed,
        received: Timestamp::parse("2025-03-17T08:00:00Z").expect("valid"),
    }
}

fn raw(title: &str, content: &str) -> RawItem {
    let mut raw = RawItem::new(ItemKey::new("1"));
    raw.title = Some(RawText::html(title));
    raw.content = Some(RawText::html(content));
    raw
}

fn read(raw: &RawItem) -> Item {
    normalize(raw, &origin(), &NormalizeRules::default()).expect("a readable item").item
}

/// The item as a source would carry it that publishes exactly what we read.
fn published_again(item: &Item) -> RawItem {
    let mut raw = RawItem::new(item.key.clone());
    raw.title = Some(RawText::plain(item.title.clone()));
    raw.url = item.url.clone();
    raw.author = item.author.clone();
    raw.published = item.published;
    raw.content = Some(RawText::plain(item.text.clone()));
    raw.tags = item.tags.clone();
    raw
}

#[test]
fn normalize_a_feed_item_is_read_whole() {
    let mut raw = raw(
        "Harbour reopens &amp; ferries leave - Tidewatch",
        "<p>The harbour reopened on Monday.</p><p>Two ferries left.</p><p>Read more: <a href=x>Storm</a></p><script>x</script>",
    );
    raw.url = Some(" https://m.tidewatch.example/a?utm_source=rss#top ".to_owned());
    raw.author = Some("By A. Example".to_owned());
    raw.summary = Some(RawText::html("The harbour <b>reopened</b>."));
    raw.published =
        Some(Dated { at: Timestamp::parse("2099-01-01T00:00:00Z").expect("valid"), certainty: DateCertainty::Exact });
    raw.lang = Some("en-GB".to_owned());
    raw.tags = vec!["Ports".to_owned()];
    let item = read(&raw);
    assert_eq!(item.title, "Harbour reopens & ferries leave");
    assert_eq!(item.publisher.as_deref(), Some("Tidewatch"));
    assert_eq!(item.url.as_deref(), Some("https://tidewatch.example/a"));
    assert_eq!(item.url_original.as_deref(), Some("https://m.tidewatch.example/a?utm_source=rss#top"));
    assert_eq!(item.author.as_deref(), Some("A. Example"));
    assert_eq!(item.text, "The harbour reopened on Monday.\nTwo ferries left.");
    assert_eq!(item.text_source, TextSource::Content);
    assert_eq!(item.summary, "The harbour reopened.");
    assert_eq!(
        item.published.map(|d| (d.at.to_string(), d.certainty)),
        Some(("2025-03-17T09:00:00Z".to_owned(), DateCertainty::Clamped))
    );
    assert_eq!(item.lang, Some(Lang::EN));
    assert_eq!(item.id, ItemId::of(&origin().source, &raw.key));
}

#[test]
fn normalize_text_comes_from_where_there_is_one() {
    let long = "The harbour reopened on Monday after three days of storm, the port office said.";
    let sources = |content: &str, summary: &str| {
        let mut raw = raw("Harbour reopens", content);
        raw.summary = Some(RawText::html(summary));
        let item = read(&raw);
        (item.text_source, item.text, item.summary)
    };
    assert_eq!(sources("", long), (TextSource::Summary, long.to_owned(), String::new()));
    assert_eq!(sources("Read more", long), (TextSource::Summary, long.to_owned(), String::new()));
    assert_eq!(sources(long, long), (TextSource::Content, long.to_owned(), String::new()));
    assert_eq!(sources("", "").0, TextSource::Title);
}

#[test]
fn normalize_nothing_readable_is_rejected() {
    for (title, content) in [("", ""), ("<img src=x>", "<script>x</script>"), (" — ", "<p>…</p>")] {
        let rejection =
            normalize(&raw(title, content), &origin(), &NormalizeRules::default()).expect_err("nothing to read");
        assert_eq!((rejection.reason, rejection.count), (RejectReason::Empty, 1));
    }
}

#[test]
fn normalize_refusal_quotes_what_stands_where_words_should() {
    let details = [("🎉🔥", ""), ("", "?! …"), ("", "")].map(|(title, content)| {
        normalize(&raw(title, content), &origin(), &NormalizeRules::default()).expect_err("no words").detail
    });
    let [emoji, marks, nothing] = details.each_ref().map(|detail| detail.split_once(" has no words").expect("why").1);
    assert_eq!((emoji, marks, nothing), (": “🎉🔥”", ": “?! …”", ""));
}

#[test]
fn normalize_long_text_is_cut_on_a_character_and_counted() {
    let rules = NormalizeRules { text_bytes_max: 101, ..NormalizeRules::default() };
    let read = normalize(&raw("Порт", &"ж".repeat(100)), &origin(), &rules).expect("readable");
    assert_eq!(read.item.text.len(), 100);
    assert_eq!(read.cut_bytes, 100);
}

#[test]
fn normalize_default_language_stands_in() {
    let rules = NormalizeRules { lang_default: Lang::from_tag("pt"), ..NormalizeRules::default() };
    let read = normalize(&raw("Aveiro", ""), &origin(), &rules).expect("readable");
    assert_eq!(read.item.lang.map(|l| l.to_string()).as_deref(), Some("pt"));
}

#[test]
fn text_hash_is_equal_for_the_same_text_from_any_source() {
    let one = read(&raw(
        "Harbour reopens - Tidewatch",
        "<p>The harbour’s gates reopened.</p><p>“Two ferries” left.</p><p>Advertisement</p>",
    ));
    let mut two = raw("HARBOUR REOPENS", "");
    two.content = Some(RawText::plain("Harbour reopens\n\nThe harbour's gates  reopened\n\n\"Two ferries\" left"));
    assert_eq!(one.text_hash, read(&two).text_hash);
    assert_ne!(one.text_hash, text_hash("Harbour reopens", "The harbour’s gates reopened. Three ferries left."));
    assert_ne!(text_hash("a b", ""), text_hash("a", "b"));
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop_oneof![
            Just("<p>The port reopened on Monday.</p>"),
            Just("<p>“We waited,” she said.</p>"),
            Just("<br>"),
            Just("Advertisement "),
            Just("<p>Read more: a story</p>"),
            Just("All rights reserved. "),
            Just("&amp;"),
            Just("<b>"),
            Just("</b>"),
            Just("\n"),
            Just("Photo: Example\n"),
            Just(" - Reuters"),
            Just(" | News"),
            Just("Updated 3 March "),
            Just("Порт відкрито. "),
            Just("<li>"),
        ]
        .prop_map(str::to_owned),
        "[a-zé .,!?0-9]{0,12}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|parts| parts.concat())
}

/// What the hash is of, word by word.
fn words_folded_one_by_one(text: &str) -> String {
    let words = text.split(parts_words).map(|word| word.trim_matches(['\'', '’'])).filter(|word| !word.is_empty());
    words.map(|word| tokens::fold(word) + " ").collect()
}

proptest! {
    #[test]
    fn folded_words_are_the_words_folded(text in "([a-zA-Z0-9 .,\n\t_-]|['’é“…Ж漢\u{301}\u{2bc}ﷺİſ]){0,40}") {
        prop_assert_eq!(String::from_utf8(folded_words(&text)), Ok(words_folded_one_by_one(&text)));
    }

    #[test]
    fn normalize_of_normalized_changes_nothing(title in pieces(), content in pieces()) {
        if let Ok(once) = normalize(&raw(&title, &content), &origin(), &NormalizeRules::default()) {
            let again = normalize(&published_again(&once.item), &origin(), &NormalizeRules::default()).expect("still readable").item;
            prop_assert_eq!(&again.title, &once.item.title);
            prop_assert_eq!(&again.text, &once.item.text);
            prop_assert_eq!(again.text_hash, once.item.text_hash);
            prop_assert_eq!(again.lang, once.item.lang);
        }
    }

    #[test]
    fn normalize_never_panics(title in "\\PC{0,40}", content in "\\PC{0,120}", plain in any::<bool>(), cap in 0usize..200) {
        let mut item = raw(&title, &content);
        if plain {
            item.content = Some(RawText::plain(content));
        }
        item.url = Some(title.clone());
        item.author = Some(title.clone());
        item.tags = vec![title];
        let rules = NormalizeRules { text_bytes_max: cap, ..NormalizeRules::default() };
        if let Ok(read) = normalize(&item, &origin(), &rules) {
            prop_assert!(read.item.text.len() <= cap);
        }
    }
}

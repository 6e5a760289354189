//! Whole files in, documents out: one table or case per thing a reader of the formats would expect.

use super::*;
use crate::model::Markup;

const LEAD: &str = "The harbour board said on Monday that the new pier would open in spring, after two years of work.";

pub(super) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

pub(super) fn file(name: &str) -> FileContext<'_> {
    let (modified, received) = (at("2031-06-01T10:00:00Z"), at("2031-06-01T12:00:00Z"));
    FileContext { name, modified, received, limits: &Limits::SHIPPED, mail: &DEFAULT_MAIL_RULES }
}

pub(super) fn read(text: &str) -> ParsedDocument {
    parse(text.as_bytes(), &file("a")).expect("a document")
}

pub(super) fn only(text: &str) -> RawItem {
    let mut document = read(text);
    assert_eq!(document.items.len(), 1, "{document:?}");
    document.items.remove(0)
}

pub(super) fn title(item: &RawItem) -> Option<&str> {
    item.title.as_ref().map(|t| t.text.as_str())
}

pub(super) fn content(item: &RawItem) -> &str {
    item.content.as_ref().map_or("", |t| t.text.as_str())
}

pub(super) fn day(text: &str) -> Dated {
    Dated { at: at(&format!("{text}T00:00:00Z")), certainty: DateCertainty::Day }
}

#[test]
fn text_date_head_with_title_on_the_same_line() {
    let item = only(&format!(" date 2031-05-14 Harbour opens new pier\nNorthport • NNA\n{LEAD}"));
    assert_eq!(item.published, Some(day("2031-05-14")));
    assert_eq!(title(&item), Some("Harbour opens new pier"));
    assert_eq!(item.publisher.as_deref(), Some("NNA"));
    assert_eq!(content(&item), format!("Northport • NNA\n{LEAD}"));
}

#[test]
fn text_date_head_with_text_on_the_same_line_has_no_title() {
    let item = only(&format!(" date 2031-05-14 {LEAD}\n\n\"It is ready,\" the board said.\n"));
    assert_eq!((item.published, title(&item)), (Some(day("2031-05-14")), None));
    assert_eq!(content(&item), format!("{LEAD}\n\"It is ready,\" the board said."));
}

#[test]
fn text_date_head_alone_on_its_line_or_damaged() {
    let item = only(&format!("Date: 2031-05-14\nHarbour opens new pier\n{LEAD}"));
    assert_eq!((item.published, title(&item)), (Some(day("2031-05-14")), Some("Harbour opens new pier")));
    let document = read(&format!("date 2031-15-44 Harbour opens new pier\n{LEAD}"));
    assert_eq!(title(&document.items[0]), Some("Harbour opens new pier"));
    assert_eq!(document.items[0].published.map(|d| d.certainty), Some(DateCertainty::FileTime));
    assert_eq!(document.warnings.len(), 1);
    assert_eq!(
        title(&only("Date palms return to the harbour\n\nThey are back.")),
        Some("Date palms return to the harbour")
    );
}

#[test]
fn text_date_without_year_takes_it_from_the_copyright_line() {
    let text =
        format!("Harbour opens new pier\nThe board is proud.\nLAST UPDATE | 24 Feb\n{LEAD}\n © Northwire 2029\n");
    let item = only(&text);
    assert_eq!(item.published, Some(Dated { at: at("2029-02-24T00:00:00Z"), certainty: DateCertainty::YearInferred }));
    assert_eq!(title(&item), Some("Harbour opens new pier"));
    // Without evidence the file's time is the best there is.
    let item = only(&text.replace(" © Northwire 2029\n", ""));
    assert_eq!(item.published.map(|d| d.at), Some(at("2031-02-24T00:00:00Z")));
}

#[test]
fn text_dates_in_lines_of_their_own_and_datelines() {
    let table = [
        (format!("Pier opens today\nPublished: 14 May 2031\n{LEAD}"), "2031-05-14"),
        (format!("Pier opens today\n14 May 2031 | Northwire\n{LEAD}"), "2031-05-14"),
        (format!("Pier opens today\nNORTHPORT, May 14, 2031 (Northwire) — {LEAD}"), "2031-05-14"),
        (format!("Pier opens today\nUpdated 15 May 2031\nPublished 14 May 2031\n{LEAD}"), "2031-05-14"),
    ];
    for (text, expected) in table {
        assert_eq!(only(&text).published, Some(day(expected)), "{text}");
    }
}

#[test]
fn text_dates_told_in_sentences_are_not_the_articles() {
    let item =
        only(&format!("Pier opens today\n{LEAD}\nWork began after the vote of 3 March 2029, when all agreed.\n"));
    assert_eq!(item.published, Some(Dated { at: at("2031-06-01T10:00:00Z"), certainty: DateCertainty::FileTime }));
}

#[test]
fn text_file_time_that_cannot_be_true_gives_way_to_the_arrival() {
    for modified in ["1970-01-01T00:00:00Z", "2042-01-01T00:00:00Z"] {
        let context = FileContext { modified: at(modified), ..file("a") };
        let document = parse(LEAD.as_bytes(), &context).expect("a document");
        assert_eq!(document.items[0].published.map(|d| d.at), Some(context.received));
    }
}

#[test]
fn text_byline_becomes_the_author() {
    let item = only(&format!("Harbour opens new pier\nBy Jane Placeholder | Harbour correspondent\n{LEAD}"));
    assert_eq!(item.author.as_deref(), Some("Jane Placeholder"));
    assert_eq!(content(&item), LEAD);
}

#[test]
fn text_wrapped_by_hand_is_joined_and_its_first_line_is_no_title() {
    let wrapped = "The harbour board said on Monday that the new pier would\nopen in spring, after two years of work and a long\n\
                   dispute about the cranes that stand on its far end.\n\nShips from the north may use it at once, the board\n\
                   said, while those from the south have to wait.\n";
    let item = only(wrapped);
    assert_eq!(title(&item), None);
    assert_eq!(content(&item).lines().count(), 2);
    let item = only(&format!("Harbour opens new pier\n\n{wrapped}"));
    assert_eq!(title(&item), Some("Harbour opens new pier"));
    assert!(content(&item).starts_with("The harbour board said on Monday that the new pier would open in spring"));
}

#[test]
fn key_is_the_content_unless_the_file_names_itself() {
    let key = |text: &str, name: &str| parse(text.as_bytes(), &file(name)).expect("a document").items.remove(0).key;
    assert_eq!(key(LEAD, "a"), key(LEAD, "b.txt"));
    assert_ne!(key(LEAD, "a"), key(&format!("{LEAD} And more."), "a"));
    let front = |text: &str| key(&format!("---\nurl: https://a.example/1\n---\n{text}"), "a");
    assert_eq!(front("One text."), front("Another text."));
}

#[test]
fn markdown_front_matter_heading_and_body() {
    let item = only(&format!(
        "---\ntitle: Harbour opens new pier\ndate: 2031-05-14\nauthor: Jane Placeholder\nsource: Northwire\n\
         url: https://northwire.example/pier\nlang: en\ntags: [harbour, trade]\n---\n# Harbour opens new pier\n\n{LEAD}\n"
    ));
    assert_eq!(title(&item), Some("Harbour opens new pier"));
    assert_eq!(content(&item), LEAD);
    assert_eq!(item.published, Some(day("2031-05-14")));
    assert_eq!((item.author.as_deref(), item.publisher.as_deref()), (Some("Jane Placeholder"), Some("Northwire")));
    assert_eq!((item.key.as_str(), item.lang.as_deref()), ("https://northwire.example/pier", Some("en")));
    assert_eq!(item.tags, ["harbour", "trade"]);
    let item = only(&format!("# Harbour opens new pier\n\n*14 May 2031*\n\n{LEAD}"));
    assert_eq!((title(&item), item.published), (Some("Harbour opens new pier"), Some(day("2031-05-14"))));
}

#[test]
fn html_gives_title_and_text_without_markup() {
    let html = format!(
        "<!DOCTYPE html><html><head><title>Harbour opens new pier</title></head><body><p>{LEAD}</p></body></html>"
    );
    let document = read(&html);
    assert_eq!(document.format, DocumentFormat::Html);
    assert_eq!(title(&document.items[0]), Some("Harbour opens new pier"));
    assert!(content(&document.items[0]).contains(LEAD));
    assert_eq!(parse(b"<html><body></body></html>", &file("a")).expect_err("empty").reason, RejectReason::Empty);
}

#[test]
fn json_item_in_the_items_format_and_with_other_names() {
    let ours = r#"{"id":"n-1","title":"Pier","text":"Opens.","url":"https://a.example/1","source":"northwire",
        "published":"2031-05-14T08:00:00Z","lang":"en","labels":["harbour"],"unknown":{"deep":[1,2]}}"#;
    let item = only(ours);
    assert_eq!((item.key.as_str(), title(&item), content(&item)), ("n-1", Some("Pier"), "Opens."));
    assert_eq!((item.publisher.as_deref(), item.lang.as_deref()), (Some("northwire"), Some("en")));
    assert_eq!(item.published.map(|d| d.at), Some(at("2031-05-14T08:00:00Z")));
    let others = r#"{"headline":"Pier","articleBody":"Opens.","link":"https://a.example/1","publishedAt":"2031-05-14T08:00:00Z",
        "source":{"id":null,"name":"Northwire"},"authors":[{"name":"J. Placeholder"}],"inLanguage":"en"}"#;
    let item = only(others);
    assert_eq!((item.key.as_str(), title(&item), content(&item)), ("https://a.example/1", Some("Pier"), "Opens."));
    assert_eq!((item.publisher.as_deref(), item.author.as_deref()), (Some("Northwire"), Some("J. Placeholder")));
}

#[test]
fn json_lists_and_wrappers_are_looked_through() {
    for text in [
        r#"[{"id":"n1","title":"a"},{"id":"n2","title":"b"}]"#,
        r#"{"items":[{"id":"n1","title":"a"},{"id":"n2","title":"b"}]}"#,
        r#"{"status":"ok","totalResults":2,"articles":[{"id":"n1","title":"a"},{"id":"n2","title":"b"}]}"#,
        r#"{"data":{"page":1,"results":[{"id":"n1","title":"a"},{"id":"n2","title":"b"}]}}"#,
        r#"{"hits":{"total":2,"hits":[{"_id":"x","_source":{"id":"n1","title":"a"}},{"_source":{"id":"n2","title":"b"}}]}}"#,
    ] {
        let document = read(text);
        let keys: Vec<_> = document.items.iter().map(|i| i.key.as_str()).collect();
        assert_eq!(keys, ["n1", "n2"], "{text}");
        assert!(document.rejected.is_empty(), "{text} {:?}", document.rejected);
    }
}

#[test]
fn json_broken_parts_cost_themselves_only() {
    let document = read(r#"[{"id":"1","title":"a"}, 7, {"id":"2"}, {"id":"3","title":"c"}"#);
    assert_eq!(document.items.len(), 2);
    let reasons: Vec<_> = document.rejected.iter().map(|r| r.reason).collect();
    assert_eq!(reasons, [RejectReason::Malformed, RejectReason::Empty, RejectReason::Malformed]);
}

#[test]
fn json_without_any_item_is_refused_with_the_reason() {
    for (text, reason) in [
        ("{}", RejectReason::Empty),
        ("[]", RejectReason::Empty),
        (r#"{"name_of_thing": 1}"#, RejectReason::Empty),
        (r#"{"title": "cut of"#, RejectReason::Malformed),
    ] {
        assert_eq!(parse(text.as_bytes(), &file("a.json")).expect_err("refused").reason, reason, "{text}");
    }
}

#[test]
fn json_nesting_beyond_the_cap_is_refused_and_does_not_overflow() {
    let deep = format!("{{\"items\":{}", "[".repeat(100_000));
    assert_eq!(parse(deep.as_bytes(), &file("a")).expect_err("refused").reason, RejectReason::Malformed);
    let unknown = format!("{{\"title\":\"a\",\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(read(&unknown).items.len(), 1, "a field nobody reads is skipped without recursion");
}

#[test]
fn json_lines_bad_lines_are_told_by_number() {
    let document = read(
        "{\"id\":\"1\",\"title\":\"a\"}\n\nnonsense\n{\"id\":\"2\",\"title\":\"b\"} x\n{\"id\":\"3\",\"title\":\"c\"}\n",
    );
    assert_eq!(document.format, DocumentFormat::JsonLines);
    assert_eq!(document.items.len(), 2);
    let details: Vec<_> = document.rejected.iter().map(|r| r.detail.as_str()).collect();
    assert!(details[0].starts_with("line 3: ") && details[1].starts_with("line 4: "), "{details:?}");
}

#[test]
fn json_caps_are_counted() {
    let limits = Limits { items_max: 2, ..Limits::SHIPPED };
    let context = FileContext { limits: &limits, ..file("a") };
    let lines: String = ["a", "b", "c", "d", "e"].map(|n| format!("{{\"id\":\"{n}\",\"title\":\"{n}\"}}\n")).concat();
    let document = parse(lines.as_bytes(), &context).expect("a document");
    assert_eq!((document.items.len(), document.rejected[0].count), (2, 3));
    assert_eq!(document.rejected[0].reason, RejectReason::TooManyItems);
    let bad: String = (0..100).map(|_| "x\n").collect();
    let document = parse(format!("{{\"title\":\"t\"}}\n{bad}").as_bytes(), &file("a.jsonl")).expect("a document");
    assert_eq!(document.rejected.iter().map(|r| r.count).sum::<u64>(), 100);
    assert!(document.rejected.len() < 30);
}

#[test]
fn keys_repeated_in_one_file_lose_nothing() {
    let document = read(
        "{\"id\":\"1\",\"title\":\"a\"}\n{\"id\":\"1\",\"title\":\"a\"}\n{\"id\":\"1\",\"title\":\"b\"}\n{\"id\":\"1\",\"title\":\"b\"}\n",
    );
    assert_eq!(document.items.len(), 2);
    assert_ne!(document.items[0].key, document.items[1].key);
    assert_eq!((document.rejected[0].reason, document.rejected[0].count), (RejectReason::DuplicateKey, 2));
}

#[test]
fn numbers_as_ids_count_within_their_outlet() {
    let key = |source: &str| only(&format!("{{\"id\":7,\"title\":\"a\",\"source\":\"{source}\"}}")).key;
    assert_ne!(key("northwire"), key("southwire"));
}

#[test]
fn text_too_long_is_cut_on_a_character_with_a_warning() {
    let limits = Limits { item_text_bytes_max: 101, ..Limits::SHIPPED };
    let context = FileContext { limits: &limits, ..file("a") };
    let document = parse("é".repeat(500).as_bytes(), &context).expect("a document");
    assert_eq!(content(&document.items[0]).len(), 100);
    assert_eq!(document.warnings.len(), 1);
}

#[test]
fn text_far_too_long_is_not_split_into_all_its_lines() {
    let limits = Limits { item_text_bytes_max: 64, ..Limits::SHIPPED };
    for name in ["x.txt", "x.md"] {
        let text = format!("# Levee holds near Grobu\n\n{}", "The water fell.\n\n".repeat(1000));
        let document = parse(text.as_bytes(), &FileContext { limits: &limits, ..file(name) }).expect("read");
        assert!(content(&document.items[0]).len() <= 64, "{name}");
        let [warning] = &*document.warnings else { panic!("{:?}", document.warnings) };
        let whole: usize = warning.split_whitespace().find_map(|word| word.parse().ok()).expect("a number");
        // What is behind the part that is split is counted as it stands, the rest as it was read.
        assert!(whole > text.len() - 128 && whole < text.len(), "{name}: {warning}");
    }
}

#[test]
fn markup_in_json_is_told_from_stray_signs() {
    let markup = |text: &str| only(&format!("{{\"title\":\"t\",\"text\":\"{text}\"}}")).content.map(|c| c.markup);
    assert_eq!(markup("<p>One</p>"), Some(Markup::Html));
    assert_eq!(markup("a < b & c; d"), Some(Markup::Plain));
}

#[test]
fn feed_files_go_to_the_feed_parser() {
    let rss = "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>N</title><link>https://n.example/</link>\
               <description>d</description><item><title>Pier opens</title><guid>n-1</guid></item></channel></rss>";
    let document = parse(rss.as_bytes(), &file("a.txt")).expect("a document");
    assert_eq!((document.format, document.items.len()), (DocumentFormat::Rss, 1));
}

#[test]
fn binaries_and_empty_files_are_refused() {
    assert_eq!(parse(b"%PDF-1.4 \x00", &file("a.txt")).expect_err("refused").reason, RejectReason::NotText);
    assert_eq!(parse(b"", &file("a.txt")).expect_err("refused").reason, RejectReason::Empty);
    assert_eq!(parse(b"date 2031-05-14", &file("a.txt")).expect_err("refused").reason, RejectReason::Empty);
}

proptest::proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
        _ = parse(&bytes, &file("a"));
    }

    #[test]
    fn any_text_never_panics(text in "[ -~\n•—é“”’©]{0,400}", name in "a\\.(txt|md|json|jsonl|html)") {
        _ = parse(text.as_bytes(), &file(&name));
    }
}

#[test]
fn shipped_examples_are_read_whole_and_without_complaint() {
    let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let mut items = Vec::new();
    for entry in std::fs::read_dir(seeds).expect("seeds").map(|e| e.expect("an entry")) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.path().is_file() || name.starts_with("README") {
            continue;
        }
        let now = at("2027-01-01T00:00:00Z");
        let context = FileContext { modified: now, received: now, ..file(&name) };
        let document = parse(&std::fs::read(entry.path()).expect("read"), &context).expect("a document");
        assert_eq!((document.rejected.len(), document.warnings.len()), (0, 0), "{name}");
        for item in document.items {
            let dated = item.published.is_some_and(|d| d.certainty != DateCertainty::FileTime);
            assert_eq!(dated, !name.starts_with("09"), "{name} {:?}", item.published);
            assert_eq!(item.title.is_some(), !name.starts_with("09"), "{name}");
            items.push(item);
        }
    }
    assert_eq!(items.len(), 13);
    let text = |key: &str| items.iter().find(|i| i.key.as_str().starts_with(key)).map(content);
    assert!(items.iter().filter(|item| Some(content(item)) == text("harbour-post-5490")).count() == 2, "the reprint");
}

/// Reads five real articles where they are at hand, against what a person would say of them.
#[test]
fn real_articles_are_dated_and_titled_as_a_person_would() {
    let Ok(shared) = std::env::var("WIREWATCH_SHARED") else {
        println!("skipped: WIREWATCH_SHARED is not set");
        return;
    };
    let expected = [
        ("000_", Some("2025-02-25"), false),
        ("001_", Some("2025-03-17"), true),
        ("002_", None, false),
        ("003_", Some("2025-02-24"), true),
        ("004_", None, false),
    ];
    let entries = std::fs::read_dir(std::path::Path::new(&shared).join("seeds")).expect("seeds");
    for entry in entries.map(|e| e.expect("an entry")) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((_, date, titled)) = expected.iter().find(|(start, ..)| name.starts_with(start)) else { continue };
        let bytes = std::fs::read(entry.path()).expect("read");
        let now = at("2026-11-21T12:00:00Z");
        let context = FileContext {
            name: &name,
            modified: now,
            received: now,
            limits: &Limits::SHIPPED,
            mail: &DEFAULT_MAIL_RULES,
        };
        let item = parse(&bytes, &context).expect("a document").items.remove(0);
        println!("{name}: {:?} {:?} {:?} {:?}", item.published, title(&item), item.publisher, item.author);
        let found = item
            .published
            .filter(|d| d.certainty != DateCertainty::FileTime)
            .map(|d| d.at.to_string()[..10].to_owned());
        assert_eq!(found.as_deref(), *date, "{name}");
        assert_eq!(item.title.is_some(), *titled, "{name}");
    }
}

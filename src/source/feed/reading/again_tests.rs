//! Documents that are read after one another: what is left out is what stood there before, and all else is as it is when
//! each is read whole.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;
use crate::model::Timestamp;
use crate::source::feed::last_documents::LastDocument;
use crate::text::work;

const LIMITS: Limits = Limits { items_max: 30, item_text_bytes_max: 400, ..Limits::SHIPPED };

fn context(trust: IdentifiedBy, limits: &Limits) -> FeedContext<'_> {
    let base_url = Some("https://harbour.example/feeds/all.xml");
    FeedContext { base_url, content_type: None, trust, limits, received: Timestamp::MIN }
}

/// Reads a document after another; gives how many items were left out, once it is sure that it changed nothing.
fn left_out(before: &str, after: &str) -> usize {
    let ctx = context(IdentifiedBy::Guid, &LIMITS);
    let last = LastDocument::after(&parse(before.as_bytes(), &ctx).expect("a feed"));
    let whole = parse(after.as_bytes(), &ctx).expect("a feed");
    let read = parse_after(after.as_bytes(), &ctx, &last).expect("a feed");
    assert_same(whole, &read);
    read.unchanged.len()
}

fn rss(head: &str, items: &[String]) -> String {
    format!(
        "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>Harbour</title>{head}\n{}\n</channel></rss>",
        items.join("\n")
    )
}

fn item(n: usize) -> String {
    format!(
        "<item><guid>g{n}</guid><link>https://harbour.example/{n}</link><title>Ferry {n}</title><description>Wind &lt;b&gt;{n}&lt;/b&gt;</description></item>"
    )
}

fn items(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(item).collect()
}

#[test]
fn again_with_one_new_item_only_that_is_read() {
    let before = rss("", &items(0..20));
    assert_eq!(left_out(&before, &before), 20);
    assert_eq!(
        left_out(&before, &rss("<lastBuildDate>Wed, 01 May 2024 10:00:00 GMT</lastBuildDate>", &items(0..20))),
        20
    );
    assert_eq!(left_out(&before, &rss("", &items([20].into_iter().chain(0..19)))), 19);
    assert_eq!(left_out(&before, &rss("", &items([3, 99, 2, 1]))), 3, "in whatever order");
    let edited = [item(0).replace("Ferry", "Tram")].into_iter().chain(items(1..20)).collect::<Vec<_>>();
    assert_eq!(left_out(&before, &rss("", &edited)), 19);
}

#[test]
fn again_costs_next_to_nothing_where_only_the_head_is_new() {
    let long = "Wind and water. ".repeat(20);
    let items: Vec<String> = items(0..30).iter().map(|item| item.replace("Wind", &long)).collect();
    let ctx = context(IdentifiedBy::Guid, &LIMITS);
    let last = LastDocument::after(&parse(rss("", &items).as_bytes(), &ctx).expect("a feed"));
    let after = rss("<lastBuildDate>Wed, 01 May 2024 10:00:00 GMT</lastBuildDate>", &items);
    let (read, steps) = work::counted(|| parse_after(after.as_bytes(), &ctx, &last).expect("a feed"));
    let (_, steps_whole) = work::counted(|| parse(after.as_bytes(), &ctx).expect("a feed"));
    assert_eq!((read.items.len(), read.unchanged.len()), (0, 30));
    assert!(steps * 20 < steps_whole, "{steps} steps, {steps_whole} for the whole");
}

#[test]
fn again_in_every_format_that_feed_rs_reads() {
    let atom = |updated: &str, numbers: &[usize]| {
        let entries: String = numbers.iter().fold(String::new(), |mut out, n| {
            let _ = write!(out, "<entry xml:lang='de'><id>tag:x,{n}</id><title>Fähre {n}</title><link href='https://harbour.example/{n}'/><updated>2024-05-01T10:00:00Z</updated><content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'><p>Wind {n}</p></div></content></entry>");
            out
        });
        format!(
            "<feed xmlns='http://www.w3.org/2005/Atom' xml:lang='en'><id>x</id><title>Harbour</title><updated>{updated}</updated>{entries}</feed>"
        )
    };
    assert_eq!(left_out(&atom("2024-05-01T10:00:00Z", &[1, 2, 3]), &atom("2024-05-02T10:00:00Z", &[4, 1, 2])), 2);
    let rdf = |date: &str, numbers: &[usize]| {
        let items: String = numbers.iter().fold(String::new(), |mut out, n| {
            let _ = write!(out, "<item rdf:about='https://harbour.example/{n}'><title>Ferry {n}</title><link>https://harbour.example/{n}</link></item>");
            out
        });
        format!(
            "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/' xmlns:dc='http://purl.org/dc/elements/1.1/'><channel rdf:about='x'><title>Harbour</title><link>https://harbour.example/</link><dc:date>{date}</dc:date></channel>{items}</rdf:RDF>"
        )
    };
    assert_eq!(left_out(&rdf("2024-05-01", &[1, 2, 3]), &rdf("2024-05-02", &[4, 1, 2])), 2);
    let old = |numbers: &[usize]| rss("", &items(numbers.iter().copied())).replace("2.0", "0.91");
    assert_eq!(left_out(&old(&[1, 2, 3]), &old(&[4, 1, 2])), 2);
}

/// What stands there byte for byte, and may be another item all the same.
#[test]
fn again_what_is_not_told_by_its_own_bytes_is_read() {
    let one = |item: &str| rss("<link>https://harbour.example/</link>", &[item.to_owned(), self::item(1)]);
    let relative = item(0).replace("https://harbour.example/0", "/0");
    assert_eq!(left_out(&one(&relative), &one(&relative)), 1, "its link is made of another's");
    let moved = one(&relative).replace("<link>https://harbour.example/</link>", "<link>https://quay.example/</link>");
    assert_eq!(left_out(&one(&relative), &moved), 1);
    let cut = item(0).replace("Wind", &"Wind ".repeat(200));
    assert_eq!(left_out(&one(&cut), &one(&cut)), 1, "it is said each time that it was cut");
    let declares =
        item(0).replace("<guid>", "<dc:creator xmlns:dc='http://purl.org/dc/elements/1.1/'>A</dc:creator><guid>");
    assert_eq!(left_out(&one(&declares), &one(&declares)), 1, "what follows may rest on what it declares");
    let shows_an_end = item(0).replace("Wind", "<![CDATA[</item>]]>");
    assert_eq!(left_out(&one(&shows_an_end), &one(&shows_an_end)), 1);
    let spaced = item(0).replace("</item>", "</item >");
    assert_eq!(left_out(&one(&spaced), &one(&spaced)), 0, "the end that is found for it is that of the next");
    let pending = |item: &str| one(item).replace("</link>\n", "</link><ttl/>");
    assert_eq!(left_out(&pending(&item(0)), &pending(&item(0))), 1, "the empty hint before it takes in its text");
    let based = |base: &str| one(&item(0)).replace("<channel>", &format!("<channel xml:base='{base}'>"));
    assert_eq!(left_out(&based("https://a.example/"), &based("https://a.example/")), 2);
    assert_eq!(left_out(&based("https://a.example/"), &based("https://b.example/")), 0);
    assert_eq!(left_out(&one(&item(0)), &based("https://b.example/")), 0);
}

/// What is left out would have told the others apart, or something about the document is odd.
#[test]
fn again_where_others_depend_on_them_all_are_read() {
    let before = rss("", &items(0..4));
    let with = |more: &str| rss("", &[items(0..4), vec![more.to_owned()]].concat());
    assert_eq!(left_out(&before, &with(&item(1))), 0, "the same item again");
    let other = item(1).replace("https://harbour.example/1", "https://harbour.example/other");
    assert_eq!(left_out(&before, &with(&other)), 0, "another under its id");
    assert_eq!(left_out(&with(&other), &with(&other)), 3, "these two are told apart by each other");
    let unresolved = item(7).replace("Wind", "Wind &nbsp; &hearts;");
    assert_eq!(left_out(&before, &with(&unresolved)), 0, "mending takes the whole text");
    let own_field = item(7).replace("</item>", "<fulltext>More</fulltext></item>");
    assert_eq!(left_out(&before, &with(&own_field)), 0, "feed-rs does not read that");
    assert_eq!(left_out(&before, &rss("", &items(0..40))), 0, "more items than are taken");
    assert_eq!(left_out(&before, before.trim_end_matches("</channel></rss>")), 0, "it is cut off");
    assert_eq!(left_out(&before, &(before.clone() + "\n" + &before)), 0, "two documents");
    let twice_open = before.replace("</channel>", &format!("</channel><channel>{}</channel>", item(8)));
    assert_eq!(left_out(&before, &twice_open), 0, "feed-rs reads the first channel alone");
}

#[test]
fn again_under_other_settings_nothing_is_left_out() {
    let document = rss("", &items(0..4));
    let by_guid = context(IdentifiedBy::Guid, &LIMITS);
    let last = LastDocument::after(&parse(document.as_bytes(), &by_guid).expect("a feed"));
    let shorter = Limits { item_text_bytes_max: 399, ..LIMITS };
    let shallower = Limits { depth_max: 5, ..LIMITS };
    for ctx in [
        context(IdentifiedBy::Link, &LIMITS),
        context(IdentifiedBy::Guid, &shorter),
        context(IdentifiedBy::Guid, &shallower),
    ] {
        assert_eq!(parse_after(document.as_bytes(), &ctx, &last).expect("a feed").unchanged, []);
    }
    let elsewhere = FeedContext { base_url: None, ..by_guid };
    assert_eq!(parse_after(document.as_bytes(), &elsewhere, &last).expect("a feed").unchanged.len(), 4);
    let most = Limits { items_max: 3, ..LIMITS };
    let ctx = context(IdentifiedBy::Guid, &most);
    let read = parse_after(document.as_bytes(), &ctx, &last).expect("a feed");
    assert_same(parse(document.as_bytes(), &ctx).expect("a feed"), &read);
    assert_eq!((read.items.len(), read.rejected.len()), (3, 1));
}

#[test]
fn again_what_a_channel_says_behind_its_items_is_not_the_last_items() {
    let names = "xmlns:itunes='http://www.itunes.com/dtds/podcast-1.0.dtd' xmlns:fb='http://rssnamespace.org/feedburner/ext/1.0'";
    let of_channel = "<itunes:author>The desk</itunes:author><fb:origLink>https://quay.example/</fb:origLink>";
    let document = |items: Vec<String>| {
        rss("", &items)
            .replace("<rss", &format!("<rss {names}"))
            .replace("</channel>", &format!("{of_channel}</channel>"))
    };
    let read = parse(document(items(0..2)).as_bytes(), &context(IdentifiedBy::Guid, &LIMITS)).expect("a feed");
    assert_eq!(read.items[1].url.as_deref(), Some("https://harbour.example/1"));
    assert_eq!(read.items[1].author, None);
    assert_eq!(left_out(&document(items(0..2)), &document(items(1..4))), 1);
}

/// One document of a sequence.
#[derive(Debug, Clone)]
struct Drawn {
    head: usize,
    trust: bool,
    items: Vec<(usize, usize, usize)>,
}

const NAMES: &str = " xmlns:itunes='http://www.itunes.com/dtds/podcast-1.0.dtd' xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:fb='http://rssnamespace.org/feedburner/ext/1.0'";
const HEADS: usize = 9;
const SHAPES: usize = 16;

fn drawn() -> impl Strategy<Value = Drawn> {
    // Mostly plain ones, or something odd would stand in every document.
    let shape = prop_oneof![6 => 0..3usize, 1 => 0..SHAPES];
    let head = prop_oneof![3 => 0..2usize, 1 => 0..HEADS];
    let version = prop_oneof![5 => Just(0usize), 1 => 0..3usize];
    (head, prop::bool::weighted(0.9), prop::collection::vec((0..9usize, version, shape), 0..12)).prop_map(
        |(head, trust, mut items)| {
            // A number has one shape most of the time, as items do in the documents of a feed.
            for (number, _, shape) in &mut items {
                *shape = if *shape < 3 { *number % 3 } else { *shape };
            }
            Drawn { head, trust, items }
        },
    )
}

fn write_item(format: usize, number: usize, version: usize, shape: usize) -> String {
    let (name, id) = if format == 1 { ("entry", "id") } else { ("item", "guid") };
    let link = match (shape, format) {
        (3, 1) => format!("<link href='/{number}'/>"),
        (_, 1) => format!("<link href='https://harbour.example/{number}'/>"),
        (3, _) => format!("<link>/{number}</link>"),
        (4, _) => String::new(),
        _ => format!("<link>https://harbour.example/{number}</link>"),
    };
    let guid = match shape {
        1 | 4 => String::new(),
        5 => format!("<{id}>shared</{id}>"),
        _ => format!("<{id}>tag:{number}</{id}>"),
    };
    let attributes = match shape {
        6 => " xml:base='https://quay.example/'".to_owned(),
        7 => " xml:lang='de'".to_owned(),
        _ if format == 2 => format!(" rdf:about='https://harbour.example/{number}'"),
        _ => String::new(),
    };
    let text = match shape {
        2 => "&lt;p&gt;Wind&lt;/p&gt;".to_owned(),
        8 => format!("<![CDATA[</{name}>]]>"),
        9 => "Wind &nbsp; rain".to_owned(),
        10 => "Wind ".repeat(100),
        11 => "<b>Wind</b>".to_owned(),
        _ => "Wind".to_owned(),
    };
    let more = match shape {
        12 => "<dc:creator xmlns:dc='http://purl.org/dc/elements/1.1/'>A</dc:creator>",
        13 => "<dc:creator>B</dc:creator>",
        14 => "<itunes:author/>",
        15 => "<x:fulltext>More</x:fulltext><fulltext>More</fulltext><br>",
        _ => "",
    };
    let summary = if format == 1 { "summary" } else { "description" };
    format!(
        "<{name}{attributes}>{guid}{link}<title>Ferry {number}.{version}</title><{summary}>{text}</{summary}>{more}</{name}>"
    )
}

fn write_document(format: usize, drawn: &Drawn) -> String {
    let items: Vec<String> =
        drawn.items.iter().map(|(number, version, shape)| write_item(format, *number, *version, *shape)).collect();
    let items = items.join("\n");
    let (attributes, head, tail) = match drawn.head {
        1 => (NAMES, "<updated>2024-05-01T10:00:00Z</updated>", ""),
        2 => (" xml:base='https://quay.example/'", "", ""),
        3 => (" xmlns:dc='http://purl.org/dc/elements/1.1/'", "", ""),
        4 => ("", "<link>https://quay.example/</link>", ""),
        5 => ("", "<ttl/>", "<ttl>30</ttl>"),
        6 => (NAMES, "", "<itunes:author>C</itunes:author><fb:origLink>https://quay.example/x</fb:origLink>"),
        7 => ("", "<atom:link href='x' xmlns:atom='http://www.w3.org/2005/Atom'/>", "<br>"),
        8 => ("", "</channel><channel>", ""),
        _ => ("", "", ""),
    };
    match format {
        0 => format!("<rss version=\"2.0\"{attributes}><channel><title>T</title>{head}{items}{tail}</channel></rss>"),
        1 => {
            format!("<feed xmlns='http://www.w3.org/2005/Atom'{attributes}><title>T</title>{head}{items}{tail}</feed>")
        }
        2 => format!(
            "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/'{attributes}><channel><title>T</title>{head}</channel>{items}{tail}</rdf:RDF>"
        ),
        _ => format!("<rss version=\"0.92\"{attributes}><channel>{items}<title>T</title>{head}{tail}</channel></rss>"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn again_whatever_came_before_a_document_is_what_it_is(
        format in 0..4usize,
        documents in prop::collection::vec(drawn(), 1..7),
    ) {
        let mut last = LastDocument::default();
        for drawn in &documents {
            let trust = if drawn.trust { IdentifiedBy::Guid } else { IdentifiedBy::Link };
            let limits = Limits { items_max: 10, item_text_bytes_max: 300, ..Limits::SHIPPED };
            let (ctx, text) = (context(trust, &limits), write_document(format, drawn));
            let whole = parse(text.as_bytes(), &ctx);
            let read = parse_after(text.as_bytes(), &ctx, &last);
            match (whole, read) {
                (Ok(whole), Ok(read)) => {
                    assert_same(whole, &read);
                    last = LastDocument::after(&read);
                }
                (whole, read) => prop_assert_eq!(whole, read),
            }
        }
    }
}

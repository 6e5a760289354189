//! Whole documents: every format, everything that is wrong with them in the wild, and what is meant
//! to hurt.

use std::fmt::Write;

use super::*;
use crate::model::{Markup, RawText, Timestamp};
use crate::source::Limits;
use crate::source::feed::IdentifiedBy;

const CTX: FeedContext<'_> = FeedContext {
    base_url: Some("https://harbour.example/feeds/all.xml"),
    content_type: None,
    trust: IdentifiedBy::Guid,
    limits: &Limits::SHIPPED,
    received: Timestamp::MIN,
};

fn read(text: &str) -> ParsedDocument {
    parse(text.as_bytes(), &CTX).expect("a feed")
}

fn refused(text: &str) -> RejectReason {
    parse(text.as_bytes(), &CTX).expect_err("no feed").reason
}

fn rss(items: &str) -> String {
    format!("<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>Harbour</title>{items}</channel></rss>")
}

fn titles(document: &ParsedDocument) -> Vec<&str> {
    document.items.iter().map(|item| item.title.as_ref().map_or("", |title| title.text.as_str())).collect()
}

fn keys(document: &ParsedDocument) -> Vec<&str> {
    document.items.iter().map(|item| item.key.as_str()).collect()
}

#[test]
fn parse_documents_behind_one_another_and_lists_around_items_are_read() {
    let feed = |n: u32| {
        format!(
            "<?xml version=\"1.0\"?>\n<rss version=\"2.0\"><channel><title>T</title><item><guid>{n}</guid><title>Item {n}</title></item></channel></rss>\n"
        )
    };
    assert_eq!(keys(&read(&(feed(1) + &feed(2) + &feed(3)))), ["1", "2", "3"]);
    let wrapped = feed(1)
        .replace("<item>", "<items><item>")
        .replace("</item>", "</item><item><guid>2</guid><title>Two</title></item></items>");
    assert_eq!(keys(&read(&wrapped)), ["1", "2"]);
}

#[test]
fn parse_rss_reads_every_field() {
    let document = read(
        r#"<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/"
        xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"><channel><title>Harbour &amp; sea</title><language>en-gb</language>
        <ttl>30</ttl><skipHours><hour>2</hour></skipHours><skipDays><day>Sunday</day></skipDays>
        <item><title>Ferry late</title><link>/late?a=1&amp;b=2</link><guid isPermaLink="false">id-1</guid>
        <pubDate>Wed, 01 May 2024 10:00:00 GMT</pubDate><dc:creator>The desk</dc:creator><category>Sea</category>
        <description>Wind &amp; rain</description><content:encoded><![CDATA[<p>Wind.</p>]]></content:encoded></item></channel></rss>"#,
    );
    assert_eq!(
        (document.format, document.encoding, document.title.as_deref()),
        (DocumentFormat::Rss, "UTF-8", Some("Harbour & sea"))
    );
    assert_eq!((document.warnings.len(), document.rejected.len()), (0, 0), "{:?}", document.warnings);
    let item = &document.items[0];
    assert_eq!(item.key.as_str(), "id-1");
    assert_eq!(item.url.as_deref(), Some("https://harbour.example/late?a=1&b=2"));
    assert_eq!(item.published.map(|date| date.at.to_string()).as_deref(), Some("2024-05-01T10:00:00Z"));
    assert_eq!((item.updated, item.author.as_deref(), item.lang.as_deref()), (None, Some("The desk"), Some("en-gb")));
    assert_eq!(
        (&item.summary, &item.content),
        (&Some(RawText::plain("Wind & rain")), &Some(RawText::html("<p>Wind.</p>")))
    );
    assert_eq!(item.tags, ["Sea"]);
    assert_eq!(document.hints.ttl, Some(std::time::Duration::from_secs(1800)));
    assert_eq!((document.hints.skip_hours, document.hints.skip_days), (vec![2], vec![7]));
}

#[test]
fn parse_atom_inherits_author_and_language_and_prefers_the_page() {
    let document = read(
        r#"<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="uk" xml:base="http://other.example/x/"><title>T</title>
        <author><name>Desk</name></author><entry xml:lang="en"><id>tag:x,1</id><title type="html">A &amp;amp; B</title>
        <link rel="self" href="self"/><link rel="alternate" type="application/json" href="j"/><link href="page"/>
        <updated>2024-05-01T10:00:00+02:00</updated><content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Hi</p></div></content>
        </entry><entry><id>http://other.example/2</id><title>Plain &lt;b&gt;</title><updated>2024-05-01T10:00:00Z</updated></entry></feed>"#,
    );
    let [first, second] = document.items.as_slice() else { panic!("two items") };
    assert_eq!((first.url.as_deref(), first.lang.as_deref()), (Some("http://other.example/x/page"), Some("en")));
    assert_eq!((first.author.as_deref(), first.published), (Some("Desk"), None));
    assert_eq!(first.title, Some(RawText::html("A &amp; B")));
    assert_eq!(first.content.as_ref().map(|text| text.markup), Some(Markup::Html));
    assert_eq!((second.url.as_deref(), second.lang.as_deref()), (Some("http://other.example/2"), Some("uk")));
}

#[test]
fn parse_rdf_sitemap_and_json_feed() {
    let rdf = read(
        r#"<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">
        <channel rdf:about="x"><title>R</title></channel><item rdf:about="http://r.example/1"><title>One</title>
        <link>http://r.example/1</link><dc:date>2024-05-01T10:00:00Z</dc:date></item><item rdf:about="http://r.example/2"><title>Two</title></item></rdf:RDF>"#,
    );
    assert_eq!((rdf.format, keys(&rdf)), (DocumentFormat::Rdf, vec!["http://r.example/1", "http://r.example/2"]));
    assert_eq!(rdf.items[1].url.as_deref(), Some("http://r.example/2"));
    let map = read("<urlset><url><loc>http://n.example/1</loc></url></urlset>");
    assert_eq!((map.format, keys(&map)), (DocumentFormat::Sitemap, vec!["http://n.example/1"]));
    let json = read("\u{feff}{\"version\":\"https://jsonfeed.org/version/1.1\",\"items\":[{\"id\":1,\"url\":\"/a\"}]}");
    assert_eq!((json.format, keys(&json)), (DocumentFormat::JsonFeed, vec!["1"]));
    assert_eq!(json.items[0].url.as_deref(), Some("https://harbour.example/a"));
}

#[test]
fn parse_guid_is_the_link_unless_it_says_otherwise() {
    let document = read(&rss(
        "<item><guid>https://a.example/1</guid></item><item><guid isPermaLink='false'>https://a.example/2</guid></item>
        <item><guid>12345</guid></item><item><title>x</title><link>javascript:alert(1)</link></item>",
    ));
    let urls: Vec<_> = document.items.iter().map(|item| item.url.as_deref()).collect();
    assert_eq!(urls, [Some("https://a.example/1"), None, None, None]);
}

#[test]
fn parse_items_without_ids_get_the_same_keys_every_time() {
    let text = rss("<item><title>One</title><description>x</description></item><item><title>Two</title></item>");
    let first = read(&text);
    assert_eq!(keys(&first), keys(&read(&text)));
    assert!(keys(&first).iter().all(|key| key.starts_with("content:")));
}

#[test]
fn parse_odd_versions_and_namespaces_are_still_read() {
    for root in [
        "<rss>",
        "<rss version='2'>",
        "<rss version='2.0.1'>",
        "<rss version='0.93'>",
        "<rss version='2.0 '>",
        "<rss version='2.0' xmlns='http://backend.userland.com/rss2'>",
        "<!DOCTYPE rss PUBLIC '-//Netscape Communications//DTD RSS 0.91//EN' 'http://my.netscape.com/publish/formats/rss-0.91.dtd'><rss version='0.91'>",
        "<!DOCTYPE html><rss version='2.0'>",
    ] {
        let document = read(&format!("{root}<channel><item><title>One</title><guid>1</guid></item></channel></rss>"));
        assert_eq!((titles(&document), keys(&document)), (vec!["One"], vec!["1"]), "{root}");
    }
    let upper = read(
        "<RSS VERSION='0.9'><CHANNEL><TITLE>T</TITLE><ITEM><TITLE>One</TITLE><LINK>http://a.example/1</LINK></ITEM></CHANNEL></RSS>",
    );
    assert_eq!((titles(&upper), keys(&upper)), (vec!["One"], vec!["http://a.example/1"]));
    let prefixed = read(
        "<x:feed xmlns:x='http://www.w3.org/2005/Atom'><x:entry><x:id>1</x:id><x:title>One</x:title></x:entry></x:feed>",
    );
    assert_eq!((titles(&prefixed), keys(&prefixed)), (vec!["One"], vec!["1"]));
}

#[test]
fn parse_undeclared_prefixes_and_foreign_fields_are_not_lost() {
    let document = read(&rss("<item><guid>1</guid><dc:date>2024-05-01</dc:date><content:encoded>Body</content:encoded>
        <atom:link xmlns:atom='http://www.w3.org/2005/Atom' href='http://a.example/1'/><x:title xmlns:x='urn:x'>No</x:title></item>"));
    let item = &document.items[0];
    assert_eq!(item.content, Some(RawText::plain("Body")));
    assert_eq!((item.url.as_deref(), item.title.as_ref()), (Some("http://a.example/1"), None));
    assert!(item.published.is_some());
}

#[test]
fn parse_one_bad_item_among_fifty_costs_one_item() {
    let breaks = [
        "<title>AT&T</title>",
        "<title>a < b</title>",
        "<title>&#0;&eacute;&bogus;</title>",
        "<title>x\u{0}\u{b}</title>",
        "<description>l <b>b<br></description>",
        "<title>never ended",
        "<description></title>",
        "<enclosure url=\"x>",
        "<author>jane@example.org（名無し）</author>",
        "<author>名無し、x@example.org</author>",
        "<itunes:duration>99999999999999999999999</itunes:duration>",
        "<media:thumbnail time='٣٣' url='x'/>",
        "<title><![CDATA[a]]]]><![CDATA[>b]]></title>",
        "</item></item>",
        "<?xml version='1.0' encoding='utf-16'?>",
    ];
    for broken in breaks {
        let mut items = String::new();
        for n in 0..50 {
            let extra = if n == 20 { broken } else { "" };
            write!(items, "<item><guid>{n}</guid>{extra}<pubDate>Wed, 01 May 2024 10:00:00 GMT</pubDate></item>")
                .expect("a string");
        }
        let document = read(&rss(&items));
        let good = document.items.iter().filter(|item| item.key.as_str() != "20" && item.published.is_some()).count();
        assert_eq!(good, 49, "{broken}: {:?} {:?}", document.warnings, document.rejected);
    }
}

#[test]
fn parse_cut_document_keeps_whole_items_and_counts_the_other() {
    let text = rss("<item><guid>1</guid></item><item><guid>2</guid><title>Two</title></item>");
    let from = text.find("<title>Two").expect("the second item");
    for cut in from..text.len() - "</item></channel></rss>".len() {
        let document = read(&text[..cut]);
        assert_eq!(keys(&document), ["1"], "cut at {cut}");
        let lost: Vec<_> = document.rejected.iter().map(|r| (r.reason, r.count)).collect();
        assert_eq!(lost, [(RejectReason::Malformed, 1)], "cut at {cut}");
        assert!(!document.warnings.is_empty());
    }
}

#[test]
fn parse_same_guid_twice_and_item_cap_are_counted() {
    let limits = Limits { items_max: 3, ..Limits::SHIPPED };
    let text = rss(&"<item><guid>1</guid></item>".repeat(10));
    let document = parse(text.as_bytes(), &FeedContext { limits: &limits, ..CTX }).expect("a feed");
    let counted: Vec<_> = document.rejected.iter().map(|r| (r.reason, r.count)).collect();
    assert_eq!(document.items.len(), 1);
    assert_eq!(counted, [(RejectReason::TooManyItems, 7), (RejectReason::DuplicateKey, 2)]);
}

#[test]
fn parse_oldest_first_keeps_the_newest_under_the_cap() {
    let limits = Limits { items_max: 2, ..Limits::SHIPPED };
    let dated = |day: u8| format!("<item><guid>{day}</guid><pubDate>{day:02} May 2024 10:00:00 GMT</pubDate></item>");
    let kept = |items: String| {
        let document = parse(rss(&items).as_bytes(), &FeedContext { limits: &limits, ..CTX }).expect("a feed");
        assert_eq!(document.rejected.first().map(|lost| lost.reason), Some(RejectReason::TooManyItems));
        keys(&document).join(" ")
    };
    assert_eq!(kept((1..=5).map(dated).collect()), "4 5");
    assert_eq!(kept((1..=5).rev().map(dated).collect()), "5 4");
    let undated = |id: &str| format!("<item><guid>{id}</guid></item>");
    assert_eq!(kept(["a", "b", "c"].map(undated).concat()), "a b", "no date: the first");
    assert_eq!(kept([dated(1), dated(9), undated("x"), dated(2)].concat()), "9 x", "as old as the one before");
}

#[test]
fn parse_cdata_escaped_once_too_often_leaves_its_text() {
    let document = read(&rss(
        "<item><title>&lt;![CDATA[Pier opens]]&gt;</title><link>&lt;![CDATA[https://a.example/1]]&gt;</link>
        <guid isPermaLink='false'>&lt;![CDATA[one]]&gt;</guid><pubDate>&lt;![CDATA[Wed, 01 May 2024 10:00:00 GMT]]&gt;</pubDate>
        <description>&lt;![CDATA[&lt;p&gt;Wind.&lt;/p&gt;]]&gt;</description></item>",
    ));
    let item = &document.items[0];
    assert_eq!((item.key.as_str(), item.url.as_deref()), ("one", Some("https://a.example/1")));
    assert_eq!(item.title, Some(RawText::plain("Pier opens")));
    assert_eq!(item.summary, Some(RawText::html("<p>Wind.</p>")));
    assert_eq!(item.published.map(|date| date.at.to_string()).as_deref(), Some("2024-05-01T10:00:00Z"));
}

#[test]
fn parse_recording_is_the_link_of_last_resort() {
    let recording = "<enclosure url='https://a.example/1.mp3' length='9' type='audio/mpeg'/>";
    let picture = "<enclosure url='https://a.example/1.png' length='9' type='image/png'/>";
    let item = |inner: &str| format!("<item><title>{}</title>{inner}</item>", inner.len());
    let text = rss(&[
        item(recording),
        item(picture),
        item(&format!("{recording}<link>https://a.example/page</link>")),
        item(&format!("<guid>https://a.example/id</guid>{recording}")),
    ]
    .concat());
    let expected =
        [Some("https://a.example/1.mp3"), None, Some("https://a.example/page"), Some("https://a.example/id")];
    for text in [text.clone(), text.replacen("<rss ", "<RSS ", 1).replacen("</rss>", "</RSS>", 1)] {
        let document = read(&text);
        let urls: Vec<_> = document.items.iter().map(|item| item.url.as_deref()).collect();
        assert_eq!(urls, expected);
    }
    let json = read(
        r#"{"version":"https://jsonfeed.org/version/1.1","items":[{"id":"x","title":"t",
        "attachments":[{"url":"https://a.example/2.mp3","mime_type":"audio/mpeg"}]}]}"#,
    );
    assert_eq!(json.items[0].url.as_deref(), Some("https://a.example/2.mp3"));
}

#[test]
fn parse_says_whether_the_document_is_cut() {
    let text = rss("<item><guid>1</guid></item><item><guid>2</guid></item>");
    assert!(!read(&text).is_cut);
    for end in ["</item></channel></rss>", "</channel></rss>", "</rss>"] {
        assert!(read(text.strip_suffix(end).expect("its end")).is_cut, "{end}");
    }
    let json = r#"{"version":"https://jsonfeed.org/version/1.1","items":[{"id":"1"},{"id":"2"}]}"#;
    assert!(!read(json).is_cut);
    assert!(read(&json[..json.len() - 8]).is_cut);
}

#[test]
fn parse_what_is_no_feed_is_refused_by_name() {
    for (text, reason) in [
        ("", RejectReason::Empty),
        (" \n ", RejectReason::Empty),
        ("<!DOCTYPE html><html><body>Sign in</body></html>", RejectReason::HtmlPage),
        ("<html><head></head></html>", RejectReason::HtmlPage),
        ("{\"error\": \"rate limited\"}", RejectReason::NotAFeed),
        ("not found", RejectReason::NotAFeed),
        ("<opml version='2.0'><body/></opml>", RejectReason::NotAFeed),
        ("\u{1}\u{0}\u{2}PK", RejectReason::NotText),
    ] {
        assert_eq!(refused(text), reason, "{text}");
    }
    let small = Limits { decoded_bytes_max: 10, ..Limits::SHIPPED };
    let large = parse(rss("").as_bytes(), &FeedContext { limits: &small, ..CTX });
    assert_eq!(large.expect_err("too large").reason, RejectReason::TooLarge);
    assert!(read(&rss("")).items.is_empty(), "an empty feed is a feed");
}

#[test]
fn parse_nesting_is_refused_at_any_depth_and_place() {
    for depth in [1_000, 20_000, 100_000] {
        let nest = |open: &str, close: &str| format!("{}{}", open.repeat(depth), close.repeat(depth));
        let media = "<rss version='2.0' xmlns:media='http://search.yahoo.com/mrss/'><channel><item>";
        for text in [
            format!("{media}{}</item></channel></rss>", nest("<media:group>", "</media:group>")),
            format!("{media}{}", "<media:group>".repeat(depth)),
            rss(&nest("<div>", "</div>")),
            rss(&format!("<item><description>{}</description></item>", nest("<b>", "</b>"))),
            rss(&format!("<item>{}</item>", nest("<itunes:category>", "</itunes:category>"))),
            nest("<feed xmlns='http://www.w3.org/2005/Atom'>", "</feed>"),
            format!("<feed xmlns='http://www.w3.org/2005/Atom'><entry><content type='xhtml'>{}", "<div>".repeat(depth)),
            format!(
                "{{\"version\":\"https://jsonfeed.org/version/1\",\"items\":[{}{}]}}",
                "[".repeat(depth),
                "]".repeat(depth)
            ),
        ] {
            assert_eq!(refused(&text), RejectReason::TooDeep, "{depth}: {}", &text[..80]);
        }
    }
}

#[test]
fn parse_attribute_flood_is_refused() {
    let mut flood = String::from("<rss version='2.0' ");
    for n in 0..200_000 {
        write!(flood, "a{n}='' ").expect("a string");
    }
    assert_eq!(refused(&format!("{flood}><channel/></rss>")), RejectReason::TooManyAttributes);
    let bare = "a ".repeat(800_000);
    assert_eq!(refused(&rss(&format!("<item {bare}/>"))), RejectReason::TooManyAttributes);
}

#[test]
fn parse_entities_are_never_expanded_or_fetched() {
    let mut laughs = String::from("<!DOCTYPE rss [<!ENTITY a0 'ha'>");
    for n in 1..30 {
        write!(laughs, "<!ENTITY a{n} '&a{0};&a{0};&a{0};&a{0};&a{0};&a{0};&a{0};&a{0};'>", n - 1).expect("a string");
    }
    let bomb = format!(
        "{laughs}]><rss version='2.0'><channel><item><guid>1</guid><title>&a29;</title></item></channel></rss>"
    );
    assert_eq!(titles(&read(&bomb)), ["&a29;"]);
    let external =
        "<!DOCTYPE rss [<!ENTITY x SYSTEM 'file:///etc/passwd'><!ENTITY % d SYSTEM 'http://127.0.0.1/d'>%d;]>";
    let document =
        read(&format!("{external}<rss version='2.0'><channel><item><title>a&x;b</title></item></channel></rss>"));
    assert_eq!(titles(&document), ["a&x;b"]);
}

#[test]
fn parse_encodings_end_to_end() {
    let text = rss("<item><guid>1</guid><title>Порт закрито</title></item>");
    let koi8 = text.replace("<?xml version=\"1.0\"?>", "\n<?xml version=\"1.0\" encoding=\"koi8-u\"?>");
    let koi8 = encoding_rs::KOI8_U.encode(&koi8).0.into_owned();
    let wide: Vec<u8> = format!("\u{feff}{}", text.replace("1.0\"?", "1.0\" encoding=\"utf-16\"?"))
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    for (bytes, encoding) in [(koi8, "KOI8-U"), (wide, "UTF-16BE"), (text.into_bytes(), "UTF-8")] {
        let document = parse(&bytes, &CTX).expect("a feed");
        assert_eq!((titles(&document), document.encoding), (vec!["Порт закрито"], encoding));
    }
}

#[test]
fn parse_long_texts_are_cut_on_a_character_with_a_warning() {
    let document =
        read(&rss(&format!("<item><guid>1</guid><description>{}</description></item>", "ї".repeat(200_000))));
    let cut = document.items[0].summary.as_ref().map_or(0, |text| text.text.len());
    assert!((Limits::SHIPPED.item_text_bytes_max - 4..=Limits::SHIPPED.item_text_bytes_max).contains(&cut));
    assert_eq!(document.warnings.len(), 1);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "<rss version='2.0'>",
            "<channel>",
            "<item>",
            "</item>",
            "<title>",
            "</title>",
            "<description>",
            "</description>",
            "<link>",
            "<guid isPermaLink='false'>",
            "&amp;",
            "&",
            "<",
            ">",
            "<![CDATA[",
            "]]>",
            "<!--",
            "-->",
            "<?xml ?>",
            "\"",
            "'",
            "<media:group>",
            "</media:group>",
            "<entry>",
            "<feed xmlns='http://www.w3.org/2005/Atom'>",
            "<content type='xhtml'>",
            "&#55357;",
            "ї",
            "😀",
            "x@example.org（",
            "<author>",
            "</author>",
            "<br>",
            " a='1'",
            "/>",
            "{\"items\":[",
            "\u{0}",
            "=",
        ]);
        prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn parse_any_bytes_give_a_verdict_and_the_same_one_twice(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(parse(&bytes, &CTX), parse(&bytes, &CTX));
        }

        #[test]
        fn parse_shuffled_markup_gives_a_verdict_and_unique_keys(text in pieces()) {
            for text in [text.clone(), rss(&text)] {
                if let Ok(document) = parse(text.as_bytes(), &CTX) {
                    let mut seen = keys(&document);
                    seen.sort_unstable();
                    seen.dedup();
                    prop_assert_eq!(seen.len(), document.items.len());
                }
            }
        }
    }
}

#[test]
fn parse_more_items_than_the_cap_keeps_the_newest_in_bounded_lists() {
    let limits = Limits { items_max: 3, ..Limits::SHIPPED };
    let dated =
        |n: usize| format!("<item><guid>{n}</guid><pubDate>{:02} Mar 2025 10:00:00 GMT</pubDate></item>", n + 1);
    let oldest_first: String = (0..20).map(dated).collect();
    let newest_first: String = (0..20).rev().map(dated).collect();
    let undated = (0..20).map(|n| format!("<item><guid>{n}</guid></item>")).collect::<Vec<_>>().concat();
    for (items, kept) in
        [(oldest_first, ["17", "18", "19"]), (newest_first, ["19", "18", "17"]), (undated, ["0", "1", "2"])]
    {
        let document = parse(rss(&items).as_bytes(), &FeedContext { limits: &limits, ..CTX }).expect("a feed");
        assert_eq!(keys(&document), kept);
        assert_eq!((document.rejected[0].reason, document.rejected[0].count), (RejectReason::TooManyItems, 17));
    }
    // Nothing is listed beyond twice the cap, however often `<item/>` stands there.
    let mut parts = DocumentParts::default();
    for _ in 0..100 {
        parts.push(super::super::entry::FeedEntry::default(), 3);
        assert!(parts.entries.len() < 6);
    }
    let many = rss(&"<item/>".repeat(100_000));
    let survey = scan(&many, RootElement::Rss, &limits).expect("passes");
    assert_eq!((survey.items.len(), survey.is_crowded), (3, true));
}

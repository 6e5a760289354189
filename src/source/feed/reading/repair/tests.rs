//! What mending makes of broken documents; each result must be well-formed.

use super::*;
use crate::source::Limits;
use crate::source::feed::reading::scan::scan;
use crate::source::feed::reading::survey::XmlQuirk;

fn mended(text: &str, root: RootElement) -> RepairedText {
    let repaired = repair(text, root);
    let survey = scan(&repaired.text, root, &Limits { depth_max: 4096, ..Limits::SHIPPED }).expect("within limits");
    let structural = [
        XmlQuirk::Mismatched,
        XmlQuirk::Truncated,
        XmlQuirk::StrayCharacter,
        XmlQuirk::Unlexable,
        XmlQuirk::BadReference,
    ];
    for quirk in structural {
        assert!(!survey.quirks.contains(&quirk), "{quirk:?} in {}", repaired.text);
    }
    repaired
}

/// The mended body of one RSS channel.
fn rss(body: &str) -> String {
    let text = mended(&format!("<rss version='2.0'><channel>{body}</channel></rss>"), RootElement::Rss).text;
    let start = text.find("<channel>").expect("a channel") + 9;
    text[start..text.len() - "</channel></rss>".len()].to_owned()
}

#[test]
fn repair_characters_and_references() {
    for (broken, whole) in [
        ("AT&T & co", "AT&amp;T &amp; co"),
        ("caf&eacute;&nbsp;&mdash;", "café\u{a0}—"),
        ("a&#0;b&#x1F;c&#55357;d", "abcd"),
        ("&#55357;&#56832;", "😀"),
        ("&#150; \u{92}", "– ’"),
        ("&amp;eacute; &lt;", "&amp;eacute; &lt;"),
        ("&LT;b&GT;", "&lt;b&gt;"),
        ("1 < 2 <3 <=", "1 &lt; 2 &lt;3 &lt;="),
        ("bell\u{7} \u{1b}[31m\u{fffe}", "bell [31m"),
        ("<![CDATA[a & b \u{0}<c]]>", "<![CDATA[a & b <c]]>"),
    ] {
        assert_eq!(
            rss(&format!("<item><title>{broken}</title></item>")),
            format!("<item><title>{whole}</title></item>")
        );
    }
}

#[test]
fn repair_inline_markup_becomes_escaped_html() {
    assert_eq!(
        rss("<item><description>l <b>b</b><br> &amp; r<p></description><link>x</link></item>"),
        "<item><description>l &lt;b>b&lt;/b>&lt;br> &amp;amp; r&lt;p></description><link>x</link></item>"
    );
    assert_eq!(
        rss("<item><description>a <i><![CDATA[b <u>c</u>]]></i></description></item>"),
        "<item><description>a &lt;i>b &lt;u>c&lt;/u>&lt;/i></description></item>"
    );
}

#[test]
fn repair_missing_end_tags_cost_at_most_their_item() {
    assert_eq!(
        rss("<item><title>One<link>a</link></item><item><title>Two</title></item>"),
        "<item><title>One</title><link>a</link></item><item><title>Two</title></item>"
    );
    assert_eq!(
        rss("<item><guid>1</guid><item><guid>2</guid></item>"),
        "<item><guid>1</guid></item><item><guid>2</guid></item>"
    );
    assert_eq!(
        rss("<ITEM><GUID>1</GUID><ITEM><GUID>2</GUID></ITEM>"),
        "<ITEM><GUID>1</GUID></ITEM><ITEM><GUID>2</GUID></ITEM>"
    );
    // Nothing stands between this field and the next.
    assert_eq!(
        rss("<item><link><title>R</title></wrong><guid>1</guid></item>"),
        "<item><link></link><title>R</title><guid>1</guid></item>"
    );
    // An item of another name is a field that nobody knows.
    let other = "<item><guid>1</guid></wrong><atom:item>2</atom:item></item>";
    assert_eq!(rss(other), other.replace("</wrong>", ""));
    let urls = mended("<urlset><url><loc>a</loc><url><loc>b</loc></url></urlset>", RootElement::Urlset).text;
    assert!(urls.ends_with("<url><loc>a</loc></url><url><loc>b</loc></url></urlset>"), "{urls}");
    assert_eq!(
        rss("<item><guid><![CDATA[a]]\u{1}>b&c]]></guid></item>"),
        "<item><guid><![CDATA[a]]]]><![CDATA[>b&c]]></guid></item>"
    );
    assert_eq!(rss("<item><a\u{b}b=\"c\">d</a></item>"), "<item><a>d</a></item>");
    assert_eq!(rss("<item><a/b\" c=\"d>e</a></item>"), "<item><a>e</a></item>");
    assert_eq!(rss("<item><guid>1</guid></wrong></item>"), "<item><guid>1</guid></item>");
    assert_eq!(
        rss("<item><title>a</title><enclosure url='x></item><item><guid>2</guid></item>"),
        "<item><title>a</title><enclosure></enclosure></item><item><guid>2</guid></item>"
    );
}

#[test]
fn repair_entry_that_is_the_whole_document_ends_where_another_begins() {
    for second in ["<entry><id>2</id>", "<entry/>", "<title>b<entry>"] {
        let repaired = mended(&format!("<entry><id>1</id><title>a</title>{second}</entry>"), RootElement::Entry);
        assert!(repaired.text.contains("<id>1</id><title>a</title>"), "{}", repaired.text);
        assert_eq!(repaired.text.matches("<entry").count(), 1, "{}", repaired.text);
        assert_eq!(repaired.lost, 1);
    }
}

#[test]
fn repair_cut_off_document_ends_with_its_last_whole_item() {
    let whole = "<rss version=\"2.0\"><channel><title>T</title><item><guid>1</guid></item><item><guid>2</guid><description><![CDATA[text <b>";
    let first_item_end = whole.find("</item>").expect("an item") + 7;
    for cut in first_item_end..whole.len() {
        let repaired = mended(&whole[..cut], RootElement::Rss);
        assert_eq!(repaired.text.matches("<item>").count(), 1, "cut at {cut}: {}", repaired.text);
        let in_item = whole[..cut].contains("<item><guid>2") || whole[first_item_end..cut].contains("<item>");
        assert_eq!(repaired.lost, u64::from(in_item), "cut at {cut}");
    }
}

#[test]
fn repair_element_left_open_before_the_first_item_does_not_swallow_the_items() {
    let text = "<rss version='2.0'><channel><title>T</title><itunes:category text='a'><itunes:category text='b'/>\
        <item><guid>1</guid></item><item><guid>2</guid></item></channel></rss>";
    let repaired = mended(text, RootElement::Rss);
    assert!(repaired.text.contains("</itunes:category><item><guid>1</guid></item><item>"), "{}", repaired.text);
    assert_eq!(repaired.lost, 0);
}

#[test]
fn repair_root_without_attributes_that_are_no_names() {
    let text =
        mended("<rss version=\"2.0\" a=\"x\" xm://b.example/\" xm://b.example/\"><channel></rss>", RootElement::Rss)
            .text;
    assert!(text.starts_with("<rss a=\"x\" version=\"2.0\""), "{text}");
}

#[test]
fn repair_root_gets_version_and_namespaces() {
    let text = mended(
        "junk <?xml version='1.0'?><!DOCTYPE rss [<!ENTITY a 'b'>]><rss version='2.0.1' xmlns='http://odd.example/' \
        xmlns:media='http://search.yahoo.com/mrss'><channel/></rss><rss/>",
        RootElement::Rss,
    )
    .text;
    assert!(
        text.starts_with("<rss xmlns:media=\"http://search.yahoo.com/mrss/\" version=\"2.0\" xmlns:atom="),
        "{text}"
    );
    assert!(text.ends_with("><channel/></rss>"), "{text}");
    assert!(!text.contains("ENTITY") && !text.contains("odd.example"));
}

#[test]
fn repair_hostile_documents_stay_linear_and_small() {
    let many = 40_000;
    for hostile in [
        "<item><title>".repeat(many / 8),
        "<title>".repeat(many),
        "<a \"".repeat(many),
        "<![CDATA[".repeat(many),
        "<!--".repeat(many),
        "<?x".repeat(many),
        "<!DOCTYPE [".repeat(many / 4),
        "&#".repeat(many),
        "<b>".repeat(many),
        "</b>".repeat(many),
        "<description><item>".repeat(many / 8),
    ] {
        let text = format!("<rss version='2.0'><channel>{hostile}");
        let repaired = repair(&text, RootElement::Rss);
        assert!(repaired.text.len() < text.len() * 6, "{}", &hostile[..20]);
    }
}

//! Lists of feeds as other readers write them (OPML 1.0 and 2.0) to [`OpmlOutline`]s and back. Read leniently:
//! raw `&`, attribute names in any case, a cut tail; what cannot be a feed is counted. Written strictly.

use std::collections::HashSet;
use std::fmt::Write;
use std::hash::BuildHasher;

use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::{BytesStart, Event};
use url::Url;

use crate::model::SourceId;
use crate::text::{charset, clean, html};

/// Feeds of one list.
const OUTLINES_MAX: usize = 100_000;
/// Groups within one another that become tags; deeper ones are not told apart.
const GROUPS_MAX: usize = 8;
/// Characters of an id made from a title.
const ID_CHARS_MAX: usize = 40;

/// One feed of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpmlOutline {
    /// Its name for people; may be empty.
    pub title: String,
    /// Where it is.
    pub url: Url,
    /// The groups it stands in, outermost first.
    pub groups: Vec<String>,
}

/// A list as read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpmlDocument {
    /// The feeds, in order; each address once.
    pub outlines: Vec<OpmlOutline>,
    /// Outlines whose address cannot be a feed's, with the reason.
    pub skipped: Vec<String>,
    /// Outlines with an address that came before.
    pub repeated: u64,
    /// Where the markup ends before its time.
    pub broken: Option<String>,
}

/// Reads a list.
#[must_use]
pub fn read(bytes: &[u8]) -> OpmlDocument {
    let text = charset::decode(bytes, None).text;
    let mut reader = Reader::from_str(&text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let mut opml = OpmlDocument::default();
    let mut seen = HashSet::new();
    // One entry per open outline: whether it is a group.
    let mut open: Vec<Option<String>> = Vec::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) if is_outline(&tag) => {
                let found = outline(&tag);
                let group = found.address.is_none().then(|| found.title.clone());
                take(found, &open, &mut seen, &mut opml);
                if open.len() < OUTLINES_MAX {
                    open.push(group);
                }
            }
            Ok(Event::Empty(tag)) if is_outline(&tag) => take(outline(&tag), &open, &mut seen, &mut opml),
            Ok(Event::End(tag)) if tag.local_name().as_ref().eq_ignore_ascii_case("outline") => {
                open.pop();
            }
            Ok(Event::Eof) => return opml,
            Ok(_) => {}
            Err(error) => {
                opml.broken = Some(format!("byte {}: {error}", reader.error_position()));
                return opml;
            }
        }
    }
}

fn is_outline(tag: &BytesStart<'_>) -> bool {
    tag.local_name().as_ref().eq_ignore_ascii_case("outline")
}

struct FoundOutlines {
    title: String,
    address: Option<String>,
}

fn outline(tag: &BytesStart<'_>) -> FoundOutlines {
    let (mut title, mut text, mut address, mut kind, mut plain_url) = Default::default();
    for attribute in tag.html_attributes().with_checks(false).flatten() {
        // A raw `&` stays what it is; a reference is decoded.
        let value = html::unescape(&attribute.value).trim().to_owned();
        let into: &mut String = match attribute.key.local_name().as_ref().to_ascii_lowercase().as_str() {
            "title" => &mut title,
            "text" => &mut text,
            "xmlurl" => &mut address,
            "type" => &mut kind,
            "url" => &mut plain_url,
            _ => continue,
        };
        *into = value;
    }
    if address.is_empty() && matches!(kind.as_str(), "rss" | "atom" | "feed") {
        address = plain_url;
    }
    let title = clean::excerpt(if title.is_empty() { &text } else { &title }, 200);
    FoundOutlines { title, address: Some(address).filter(|address| !address.is_empty()) }
}

fn take(found: FoundOutlines, open: &[Option<String>], seen: &mut HashSet<String>, opml: &mut OpmlDocument) {
    let Some(address) = found.address else { return };
    let address = address.strip_prefix("feed://").map_or(address.clone(), |rest| format!("https://{rest}"));
    let url = match Url::parse(&address) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.host().is_some() => url,
        _ => {
            opml.skipped.push(format!("{}: not an http(s) address", clean::excerpt(&found.title, 80)));
            return;
        }
    };
    if opml.outlines.len() >= OUTLINES_MAX {
        opml.skipped.push(format!("{}: more than {OUTLINES_MAX} feeds", clean::excerpt(&found.title, 80)));
        return;
    }
    if !seen.insert(url.to_string()) {
        opml.repeated += 1;
        return;
    }
    let groups = open.iter().flatten().filter(|group| !group.is_empty()).take(GROUPS_MAX).cloned().collect();
    opml.outlines.push(OpmlOutline { title: found.title, url, groups });
}

/// Writes a list: one outline per feed below its first group.
#[must_use]
pub fn write(title: &str, outlines: &[OpmlOutline]) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<opml version=\"2.0\">\n<head><title>{}</title></head>\n<body>\n",
        attribute(title)
    );
    let mut groups: Vec<&[String]> = Vec::new();
    for outline in outlines {
        if !groups.contains(&outline.groups.as_slice()) {
            groups.push(&outline.groups);
        }
    }
    // Writing to a String cannot fail.
    for group in groups {
        for name in group {
            let _ = writeln!(out, "<outline text=\"{}\">", attribute(name));
        }
        for outline in outlines.iter().filter(|outline| outline.groups == group) {
            let (text, url) = (attribute(&outline.title), attribute(outline.url.as_str()));
            let _ = writeln!(out, "  <outline type=\"rss\" text=\"{text}\" title=\"{text}\" xmlUrl=\"{url}\"/>");
        }
        out.push_str(&"</outline>\n".repeat(group.len()));
    }
    out + "</body>\n</opml>\n"
}

fn attribute(text: &str) -> String {
    escape(clean::one_line(text).as_ref()).into_owned()
}

/// An id from a title, or from the address where the title has nothing to make one of; unlike all taken.
#[must_use]
pub fn unique_id<S: BuildHasher>(title: &str, url: &Url, taken: &mut HashSet<SourceId, S>) -> SourceId {
    let host = url.host_str().unwrap_or("feed").trim_start_matches("www.");
    let stem = [title, host, "feed"].into_iter().map(slug).find(|slug| !slug.is_empty()).unwrap_or_default();
    let numbered = (1u32..).map(|n| if n == 1 { stem.clone() } else { format!("{stem}-{n}") });
    let id = numbered
        .filter_map(|name| SourceId::new(&name).ok())
        .find(|id| !taken.contains(id))
        .expect("invariant: a slug is a name, and numbers do not run out");
    taken.insert(id.clone());
    id
}

/// `Ports & Ferries – Île` to `ports-ferries-ile`, short enough for a number behind it; empty where no
/// letter has a Latin base.
#[must_use]
pub fn slug(text: &str) -> String {
    let name = SourceId::slug(text).map(|id| id.as_str().to_owned()).unwrap_or_default();
    name[..name.len().min(ID_CHARS_MAX)].trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(opml: &OpmlDocument) -> Vec<&str> {
        opml.outlines.iter().map(|outline| outline.url.as_str()).collect()
    }

    #[test]
    fn read_keeps_groups_and_forgives_raw_ampersands_and_odd_names() {
        let list = "<opml><body><outline text='Sea'><outline title='Ports &amp; Ferries' text='x' \
            xmlUrl='https://a.example/rss?a=1&b=2'/><outline text='Deep'><outline TEXT='Tides' \
            XMLURL='feed://b.example/t'></outline></outline></outline><outline type=rss text=C \
            url=\"https://c.example/?x=1&amp;y=2\"/>";
        let read = read(list.as_bytes());
        assert_eq!(urls(&read), ["https://a.example/rss?a=1&b=2", "https://b.example/t", "https://c.example/?x=1&y=2"]);
        assert_eq!(read.outlines[0].title, "Ports & Ferries");
        assert_eq!(read.outlines[0].groups, ["Sea"]);
        assert_eq!(read.outlines[1].groups, ["Sea", "Deep"]);
        assert_eq!(read.outlines[2].groups, [""; 0]);
    }

    #[test]
    fn read_counts_what_is_no_feed_and_what_comes_twice() {
        let list = "<opml><outline xmlUrl='ftp://a.example/'/><outline xmlUrl='nonsense'/>\
            <outline xmlUrl='https://b.example/'/><outline xmlUrl='https://b.example'/></opml>";
        let read = read(list.as_bytes());
        assert_eq!((urls(&read), read.skipped.len(), read.repeated), (vec!["https://b.example/"], 2, 1));
    }

    #[test]
    fn read_cut_or_hostile_list_keeps_what_came_before_and_ends() {
        let cut = read(b"<opml><outline xmlUrl='https://a.example/'/><outline xmlUrl='https://b.exa");
        assert_eq!(urls(&cut), ["https://a.example/"]);
        assert!(cut.broken.is_some());
        let deep = "<outline text='g'>".repeat(200_000) + "<outline xmlUrl='https://a.example/'/>";
        assert_eq!(read(deep.as_bytes()).outlines[0].groups.len(), GROUPS_MAX);
        assert_eq!(read(b"\0\xff<"), OpmlDocument { broken: read(b"\0\xff<").broken, ..OpmlDocument::default() });
    }

    #[test]
    fn write_is_read_back_the_same() {
        let outline = |title: &str, url: &str, groups: &[&str]| OpmlOutline {
            title: title.to_owned(),
            url: url.parse().expect("a URL"),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
        };
        let list = [
            outline("A \"quoted\" <b> & co", "https://a.example/?a=1&b=%3C", &["Sea & Air"]),
            outline("B", "https://b.example/", &["Sea & Air", "Deep"]),
            outline("C", "https://c.example/", &[]),
        ];
        let written = write("Ours & theirs", &list);
        assert_eq!(read(written.as_bytes()).outlines, list);
        let mut strict = Reader::from_str(&written);
        strict.config_mut().check_end_names = true;
        while !matches!(strict.read_event().expect("well-formed"), Event::Eof) {}
    }

    #[test]
    fn unique_id_is_a_name_and_never_one_that_is_taken() {
        let url: Url = "https://www.c.example/feed".parse().expect("a URL");
        let mut taken = HashSet::new();
        let mut id = |title: &str| unique_id(title, &url, &mut taken).as_str().to_owned();
        assert_eq!(id("Ports & Ferries – Île"), "ports-ferries-ile");
        assert_eq!(id("Ports, ferries: île!"), "ports-ferries-ile-2");
        assert_eq!(id("Порт"), "c-example");
        assert_eq!(id(""), "c-example-2");
        assert_eq!(id(&"long ".repeat(50)).len(), 39);
    }
}

//! Which hub a feed names, and how it calls itself: in the `Link` fields of its answer, else in the head of its document
//! (`<link rel="hub">`, `<atom:link …>`, `hubs` of JSON Feed). A hub counts only together with the feed's own address.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use reqwest::header::{HeaderMap, LINK};
use serde_json::Value;

use crate::model::HubLinks;
use crate::source::feed::reading::parse::attribute_of;
use crate::text::charset;

/// Hubs of one feed that are tried.
const HUBS_MAX: usize = 4;
/// A longer address is none.
const ADDRESS_BYTES_MAX: usize = 2048;
/// The head of a document: what stands before its first item.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Elements in it.
const HEAD_EVENTS_MAX: usize = 2000;

impl HubLinks {
    /// From an answer and its document.
    #[must_use]
    pub fn read(headers: &HeaderMap, document: &[u8], content_type: Option<&str>) -> Self {
        let of_answer = Self::of_headers(headers);
        if of_answer.is_whole() { of_answer } else { Self::of_document(document, content_type) }
    }

    fn is_whole(&self) -> bool {
        !self.hubs.is_empty() && self.topic.is_some()
    }

    /// `Link: <https://hub.example/>; rel="hub"` (RFC 8288).
    #[must_use]
    pub fn of_headers(headers: &HeaderMap) -> Self {
        let mut out = Self::default();
        for field in headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()) {
            for link in field.split('<').skip(1) {
                let Some((href, parameters)) = link.split_once('>') else { continue };
                let rels = parameters.split([';', ',']).filter_map(|parameter| {
                    let (name, value) = parameter.split_once('=')?;
                    name.trim().eq_ignore_ascii_case("rel").then(|| value.trim().trim_matches('"'))
                });
                // Only the first `rel` of a link counts.
                if let Some(rel) = rels.take(1).next() {
                    out.note(rel, href.trim());
                }
            }
        }
        out
    }

    /// From what stands before the first item of a document.
    #[must_use]
    pub fn of_document(document: &[u8], content_type: Option<&str>) -> Self {
        let head = &document[..document.len().min(HEAD_BYTES_MAX)];
        let decoded = charset::decode(head, content_type.and_then(charset::of_content_type));
        let text = decoded.text.trim_start_matches('\u{feff}').trim_start();
        if text.starts_with('{') {
            // Cut off, it would be no JSON: the hubs may also stand behind the items.
            return Self::of_json(document);
        }
        let mut out = Self::default();
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_end_names = false;
        for _ in 0..HEAD_EVENTS_MAX {
            match reader.read_event() {
                Ok(Event::Start(tag) | Event::Empty(tag)) => match tag.local_name().as_ref() {
                    "item" | "entry" => break,
                    "link" => out.note_element(&tag),
                    _ => {}
                },
                // What is broken further on is the business of who reads the items.
                Ok(Event::Eof) | Err(_) => break,
                Ok(_) => {}
            }
        }
        out
    }

    fn note_element(&mut self, tag: &BytesStart<'_>) {
        if let (Some(rel), Some(href)) = (attribute_of(tag, "rel"), attribute_of(tag, "href")) {
            self.note(&rel, href.trim());
        }
    }

    fn of_json(document: &[u8]) -> Self {
        let mut out = Self::default();
        let Ok(Value::Object(feed)) = serde_json::from_slice(document) else { return out };
        let hubs = feed.get("hubs").and_then(Value::as_array);
        for hub in hubs.into_iter().flatten() {
            let is_websub = hub["type"].as_str().is_some_and(|name| name.eq_ignore_ascii_case("websub"));
            if let Some(url) = hub["url"].as_str().filter(|_| is_websub) {
                out.note("hub", url);
            }
        }
        if let Some(own) = feed.get("feed_url").and_then(Value::as_str) {
            out.note("self", own);
        }
        out
    }

    fn note(&mut self, rels: &str, href: &str) {
        if href.is_empty() || href.len() > ADDRESS_BYTES_MAX {
            return;
        }
        for rel in rels.split_ascii_whitespace() {
            if rel.eq_ignore_ascii_case("hub") && self.hubs.len() < HUBS_MAX && !self.hubs.iter().any(|hub| hub == href)
            {
                self.hubs.push(href.to_owned());
            } else if rel.eq_ignore_ascii_case("self") && self.topic.is_none() {
                self.topic = Some(href.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[&str]) -> HeaderMap {
        let mut out = HeaderMap::new();
        for field in fields {
            out.append(LINK, field.parse().expect("a field"));
        }
        out
    }

    fn links(hubs: &[&str], topic: Option<&str>) -> HubLinks {
        HubLinks { hubs: hubs.iter().map(|hub| (*hub).to_owned()).collect(), topic: topic.map(str::to_owned) }
    }

    #[test]
    fn links_of_an_answer_in_every_form() {
        let both = links(&["https://hub.example/"], Some("https://a.example/f,1?x=a;b"));
        for fields in [
            &["<https://hub.example/>; rel=\"hub\", <https://a.example/f,1?x=a;b>; rel=\"self\""][..],
            &["<https://hub.example/>; rel=hub", "<https://a.example/f,1?x=a;b>; title=\"x\"; rel=\"self\""],
            &["<https://hub.example/>;REL=\"HUB\"", "< https://a.example/f,1?x=a;b > ; rel = \"up self\""],
        ] {
            assert_eq!(HubLinks::of_headers(&headers(fields)), both, "{fields:?}");
        }
        for fields in [&["https://hub.example/; rel=hub"][..], &["<https://hub.example/"], &["<>; rel=hub"]] {
            assert_eq!(HubLinks::of_headers(&headers(fields)), HubLinks::default(), "{fields:?}");
        }
    }

    #[test]
    fn links_of_a_document_in_every_format() {
        let both = links(&["https://hub.example/"], Some("https://a.example/f?x=1&y=2"));
        let marks = "rel=\"hub\" href=\"https://hub.example/\"/>";
        let own = "rel='self' href='https://a.example/f?x=1&amp;y=2'/>";
        for document in [
            format!("<feed xmlns=\"http://www.w3.org/2005/Atom\"><link {marks}<link {own}</feed>"),
            format!("<rss><channel><atom:link {marks}<atom10:link {own}<link>https://a.example/</link></channel></rss>"),
            "{\"hubs\":[{\"type\":\"rssCloud\",\"url\":\"https://x.example/\"},{\"type\":\"WebSub\",\"url\":\"https://hub.example/\"}],\
             \"items\":[],\"feed_url\":\"https://a.example/f?x=1&y=2\"}"
                .to_owned(),
        ] {
            assert_eq!(HubLinks::of_document(document.as_bytes(), None), both, "{document}");
        }
    }

    #[test]
    fn links_of_items_and_broken_documents_do_not_count() {
        for document in [
            "<feed><entry><link rel=\"hub\" href=\"https://hub.example/\"/></entry></feed>",
            "<feed><link rel=\"alternate\" href=\"https://hub.example/\"/></feed>",
            "<rss><channel><item/><atom:link rel=\"hub\" href=\"https://hub.example/\"/></channel></rss>",
            "{\"hubs\":[{\"type\":\"WebSub\",\"url\":7}]",
            "{\"hubs\":3}",
            "<feed><link rel=\"hub\"",
            "",
        ] {
            assert_eq!(HubLinks::of_document(document.as_bytes(), None), HubLinks::default(), "{document}");
        }
    }

    #[test]
    fn links_of_the_answer_come_before_those_of_the_document() {
        let document = b"<feed><link rel=\"hub\" href=\"https://b.example/\"/><link rel=\"self\" href=\"https://b.example/f\"/></feed>";
        let whole = headers(&["<https://a.example/>; rel=hub, <https://a.example/f>; rel=self"]);
        assert_eq!(HubLinks::read(&whole, document, None), links(&["https://a.example/"], Some("https://a.example/f")));
        // A hub without the feed's own address is none.
        let half = headers(&["<https://a.example/>; rel=hub"]);
        assert_eq!(HubLinks::read(&half, document, None), links(&["https://b.example/"], Some("https://b.example/f")));
    }

    proptest::proptest! {
        #[test]
        fn links_of_any_bytes_end_without_a_panic(head in "[<>/a-z:=\"' {}\\[\\]&;#]{0,200}", bytes: Vec<u8>) {
            let links = HubLinks::of_document(&[head.as_bytes(), &bytes].concat(), None);
            proptest::prop_assert!(links.hubs.len() <= HUBS_MAX);
            if let Ok(field) = head.parse() {
                let mut headers = HeaderMap::new();
                headers.insert(LINK, field);
                proptest::prop_assert!(HubLinks::of_headers(&headers).hubs.len() <= HUBS_MAX);
            }
        }
    }

    #[test]
    fn links_are_few_and_short() {
        let links = (0..9).map(|n| format!("<link rel=\"hub\" href=\"https://h{n}.example/\"/>"));
        let many = links.collect::<Vec<_>>().concat();
        assert_eq!(HubLinks::of_document(format!("<feed>{many}</feed>").as_bytes(), None).hubs.len(), HUBS_MAX);
        let long = format!("<feed><link rel=\"self\" href=\"https://a.example/{}\"/></feed>", "x".repeat(3000));
        assert_eq!(HubLinks::of_document(long.as_bytes(), None), HubLinks::default());
    }
}

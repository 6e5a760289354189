//! Exports of WordPress (WXR): RSS in which drafts, attachments and menus stand beside the posts. What was not published
//! is taken out, and the rest read as the feed that it is.

use super::{FileContext, read_feed};
use crate::model::Rejection;
use crate::source::ParsedDocument;
use crate::text::{charset, work};

/// Reads an export; `None` where the feed is none, or there is nothing to take out.
pub(super) fn read(bytes: &[u8], file: &FileContext) -> Option<Result<ParsedDocument, Rejection>> {
    if !bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes()) {
        return None;
    }
    let decoded = charset::decode(bytes, None);
    let (published, left_out) = without_unpublished(charset::after_declaration(&decoded.text));
    if left_out == 0 {
        return None;
    }
    Some(read_feed(published.as_bytes(), file).map(|mut document| {
        document.encoding = decoded.encoding;
        document.warnings.push(format!("drafts, attachments and the like that were left out: {left_out}"));
        document
    }))
}

const MARK: &str = "<wp:status>";

/// A document without the items that are no published posts, and how many there were.
fn without_unpublished(text: &str) -> (String, usize) {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut left_out) = (text, 0);
    while let Some(at) = rest.find("<item>") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        work::spend(1 + at);
        let Some(len) = rest.find("</item>").map(|end| end + "</item>".len()) else { break };
        let item = &rest[..len];
        let is = |element: &str, wanted: &[&str]| value(item, element).is_none_or(|value| wanted.contains(&value));
        if is("wp:status", &["publish"]) && is("wp:post_type", &["post", "page"]) {
            out.push_str(item);
        } else {
            left_out += 1;
        }
        rest = &rest[len..];
    }
    out.push_str(rest);
    (out, left_out)
}

/// The text of an element, out of its CDATA.
fn value<'a>(item: &'a str, element: &str) -> Option<&'a str> {
    let (_, after) = item.split_once(&format!("<{element}>"))?;
    let (value, _) = after.split_once("</")?;
    let value = value.trim();
    Some(value.strip_prefix("<![CDATA[").and_then(|value| value.strip_suffix("]]>")).unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wordpress_drafts_and_attachments_are_left_out() {
        let item = |n: u32, status: &str, kind: &str| {
            format!(
                "<item><title>{n}</title><wp:status><![CDATA[{status}]]></wp:status><wp:post_type>{kind}</wp:post_type></item>"
            )
        };
        let text = format!(
            "<rss><channel>{}{}{}</channel></rss>",
            item(1, "publish", "post"),
            item(2, "draft", "post"),
            item(3, "inherit", "attachment")
        );
        let (published, left_out) = without_unpublished(&text);
        assert_eq!(left_out, 2);
        assert!(published.contains("<title>1<") && !published.contains("<title>2<") && published.ends_with("</rss>"));
        assert_eq!(without_unpublished("<rss><item><wp:status>draft").1, 0);
    }
}

//! The `<link>` elements of a page and its `<base>`: what the page says belongs to it. Nothing is
//! resolved or fetched; `source::feed::reading::discover` chooses among them.

use std::cell::RefCell;

use html5ever::tokenizer::states::{Rawtext, Rcdata, ScriptData};
use html5ever::tokenizer::{Tag, TagKind, Token, TokenSink, TokenSinkResult};

use super::run_tokenizer;

/// Bytes of a page that are looked at: links stand in its head.
const PAGE_BYTES_MAX: usize = 1 << 20;
/// PageLinks kept.
const LINKS_MAX: usize = 200;

/// One `<link>`, as written; entities decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageLink {
    /// `rel`, in lower case.
    pub rel: String,
    /// `type`, in lower case.
    pub media_type: String,
    /// `href`.
    pub href: String,
    /// `title`.
    pub title: String,
}

/// The links of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageLinks {
    /// The first `<base href>`: what relative links stand against.
    pub base: Option<String>,
    /// In page order.
    pub links: Vec<PageLink>,
}

/// Reads them.
#[must_use]
pub fn links(html: &str) -> PageLinks {
    run_tokenizer(&html[..html.floor_char_boundary(PAGE_BYTES_MAX)], LinkSink::default()).0.into_inner()
}

#[derive(Default)]
struct LinkSink(RefCell<PageLinks>);

impl TokenSink for LinkSink {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        let Token::TagToken(tag) = token else { return TokenSinkResult::Continue };
        if tag.kind == TagKind::StartTag {
            self.note(&tag);
            // What looks like a tag inside of these is none.
            return match &*tag.name {
                "script" => TokenSinkResult::RawData(ScriptData),
                "style" | "noframes" | "xmp" | "iframe" => TokenSinkResult::RawData(Rawtext),
                "title" | "textarea" => TokenSinkResult::RawData(Rcdata),
                _ => TokenSinkResult::Continue,
            };
        }
        TokenSinkResult::Continue
    }
}

impl LinkSink {
    fn note(&self, tag: &Tag) {
        let value = |name: &str| {
            let found = tag.attrs.iter().find(|attribute| &*attribute.name.local == name);
            found.map(|attribute| attribute.value.trim().to_owned()).unwrap_or_default()
        };
        let mut found = self.0.borrow_mut();
        match &*tag.name {
            "base" if found.base.is_none() => found.base = Some(value("href")).filter(|href| !href.is_empty()),
            "link" if found.links.len() < LINKS_MAX => {
                let link = PageLink {
                    rel: value("rel").to_ascii_lowercase(),
                    media_type: value("type").to_ascii_lowercase(),
                    href: value("href"),
                    title: value("title"),
                };
                if !link.href.is_empty() {
                    found.links.push(link);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_from_elements_only() {
        let page = "<!doctype html><title><link href=/no></title><script>'<link href=/no>'</script>\
            <!-- <link href=/no> --><BASE href=' /sub/ '><base href=/late>\
            <LINK REL='Alternate' TYPE=application/RSS+xml title='A &amp; B' href='feed?a=1&amp;b=2'><link rel=x>";
        let found = links(page);
        assert_eq!(found.base.as_deref(), Some("/sub/"));
        assert_eq!(
            found.links,
            [PageLink {
                rel: "alternate".to_owned(),
                media_type: "application/rss+xml".to_owned(),
                href: "feed?a=1&b=2".to_owned(),
                title: "A & B".to_owned(),
            }]
        );
    }

    #[test]
    fn links_many_or_late_are_capped() {
        let many = "<link href=/a>".repeat(1000);
        assert_eq!(links(&many).links.len(), LINKS_MAX);
        let late = format!("{}<link href=/a>", "é".repeat(PAGE_BYTES_MAX));
        assert!(links(&late).links.is_empty());
    }
}

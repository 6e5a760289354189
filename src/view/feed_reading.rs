//! What one look at a feed shows: the document as it is read, and what is wrong with it. For `feeds check` and the page.

use serde::Serialize;

use crate::model::{FeedFailure, Markup, RawItem, Timestamp};
use crate::source::feed::polling::look::FeedInspection;
use crate::source::{DocumentFormat, ParsedDocument};
use crate::text::html;

/// A feed as it was read.
#[derive(Debug, Clone, Serialize)]
pub struct FeedReading {
    /// Its id, or its address where it has none.
    pub feed: String,
    /// The address that answered.
    pub url: String,
    /// Whether there is a feed.
    pub ok: bool,
    /// What went wrong.
    pub failure: Option<FeedFailure>,
    /// The same in words.
    pub error: Option<String>,
    /// What kind of document it is.
    pub format: Option<DocumentFormat>,
    /// Its charset.
    pub encoding: Option<&'static str>,
    /// What it calls itself.
    pub title: Option<String>,
    /// How long that took.
    pub took_ms: u64,
    /// Bytes of the body on the wire.
    pub wire_bytes: usize,
    /// Redirects that were followed.
    pub redirects: usize,
    /// What is in it, in its order.
    pub items: Vec<FeedItemReading>,
    /// What is odd about it, and what is not taken of it.
    pub warnings: Vec<String>,
}

/// One of its items.
#[derive(Debug, Clone, Serialize)]
pub struct FeedItemReading {
    /// What tells it from others.
    pub key: String,
    /// Its headline as text.
    pub title: String,
    /// Where it leads.
    pub url: Option<String>,
    /// When it says that it was published.
    pub published: Option<Timestamp>,
}

impl FeedReading {
    /// Of a look at a feed.
    #[must_use]
    pub fn of(name: &str, looked: &FeedInspection) -> Self {
        let (document, failure) = match &looked.document {
            Ok(document) => (Some(document), None),
            Err(failure) => (None, Some(failure)),
        };
        Self {
            feed: name.to_owned(),
            url: looked.url.clone(),
            ok: document.is_some(),
            failure: failure.map(|(class, _)| *class),
            error: failure.map(|(_, words)| words.clone()),
            format: document.map(|document| document.format),
            encoding: document.map(|document| document.encoding),
            title: document.and_then(|document| document.title.clone()),
            took_ms: looked.took.as_millis() as u64,
            wire_bytes: looked.wire_bytes,
            redirects: looked.hops,
            items: document.map(|document| document.items.iter().map(item).collect()).unwrap_or_default(),
            warnings: document.map(warnings).unwrap_or_default(),
        }
    }
}

fn item(raw: &RawItem) -> FeedItemReading {
    let title = raw.title.as_ref().map(|title| match title.markup {
        Markup::Plain => html::plain_inline(&title.text),
        Markup::Html => html::inline(&title.text),
    });
    FeedItemReading {
        key: raw.key.as_str().to_owned(),
        title: title.unwrap_or_default(),
        url: raw.url.clone(),
        published: raw.published.map(|dated| dated.at),
    }
}

fn warnings(document: &ParsedDocument) -> Vec<String> {
    let rejected = document.rejected.iter().map(|r| format!("not taken: {} × {}: {}", r.count, r.reason, r.detail));
    document.warnings.iter().cloned().chain(rejected).collect()
}

//! The webhook of another wirewatch as an item: so one may be the endpoint of another, without a program between
//! them. Only what the item itself says is taken; what the other decided is its own business.

use serde::Deserialize;

use crate::model::{ItemKey, RawItem, RawText};
use crate::text::date;

#[derive(Deserialize)]
struct WebhookBody {
    r#type: String,
    timestamp: String,
    data: WebhookData,
}

#[derive(Deserialize)]
struct WebhookData {
    item: Option<WebhookItem>,
}

#[derive(Deserialize)]
struct WebhookItem {
    id: String,
    title: String,
    url: Option<String>,
    outlet: Option<String>,
    publisher: Option<String>,
    author: Option<String>,
    published: Option<String>,
    lang: Option<String>,
    #[serde(default)]
    excerpt: String,
}

/// What a body is, as a webhook.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WebhookReading {
    /// None at all.
    Other,
    /// One about a source or an endpoint.
    WithoutItem,
    /// One about an item.
    Item(Box<RawItem>),
}

impl WebhookReading {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let Ok(body) = serde_json::from_slice::<WebhookBody>(bytes) else { return Self::Other };
        if !body.r#type.contains('.') || body.timestamp.is_empty() {
            return Self::Other;
        }
        body.data.item.map_or(Self::WithoutItem, |item| Self::Item(Box::new(item.into_raw())))
    }
}

impl WebhookItem {
    fn into_raw(self) -> RawItem {
        let mut item = RawItem::new(ItemKey::new(&self.id));
        item.title = Some(RawText::plain(self.title));
        item.url = self.url;
        item.publisher = self.outlet.or(self.publisher);
        item.author = self.author;
        item.published = self.published.as_deref().and_then(date::parse);
        item.lang = self.lang;
        item.content = Some(self.excerpt).filter(|text| !text.trim().is_empty()).map(RawText::plain);
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhook_is_its_item_and_nothing_else_is_a_webhook() {
        let body = br#"{"type":"alert.matched","timestamp":"2025-03-17T08:02:11Z","data":{"alert":{"id":"alr_1"},
            "topics":[],"story":{"id":"sty_1"},"item":{"id":"itm_1","title":"Levee holds","url":"https://a.example/1",
            "outlet":"a.example","source":"wire","author":null,"published":"2025-03-17T08:00:00Z","lang":"en",
            "excerpt":"The levee holds."}}}"#;
        let WebhookReading::Item(item) = WebhookReading::of(body) else { panic!("a webhook with an item") };
        assert_eq!((item.key.as_str(), item.publisher.as_deref()), ("itm_1", Some("a.example")));
        assert!(item.published.is_some() && item.content.is_some());
        let notice = br#"{"type":"source.silent","timestamp":"2025-03-17T08:02:11Z","data":{"source":{"id":"wire"}}}"#;
        assert_eq!(WebhookReading::of(notice), WebhookReading::WithoutItem);
        for other in [r#"{"title":"t"}"#, r#"{"type":"news","timestamp":"x","data":{}}"#, "[]", ""] {
            assert_eq!(WebhookReading::of(other.as_bytes()), WebhookReading::Other, "{other}");
        }
    }
}

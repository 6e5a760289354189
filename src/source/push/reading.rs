//! The body of a push to raw items: JSON as the seed directory takes it, a webhook of another wirewatch, a feed
//! document as a poll would read it, or an e-mail. Reading happens on parser threads: a body may be anything.

use crate::model::{ItemKey, PushRejection, RawItem, RejectReason, Rejection, Timestamp};
use crate::source::feed::IdentifiedBy;
use crate::source::parser::Parser;
use crate::source::seed::{DEFAULT_MAIL_RULES, FileContext, parse_as};
use crate::source::{DocumentFormat, Limits, ParsedDocument};

use super::PushConfig;
use super::webhook::WebhookReading;

/// What a body is, by its `Content-Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushBody {
    /// One item, a list of them, a wrapper around it, or a webhook.
    Json,
    /// One item a line.
    JsonLines,
    /// RSS, Atom or JSON Feed.
    Feed,
    /// An e-mail.
    Mail,
}

/// Media types that are read, for people.
const MEDIA_TYPES: &str = "application/json, application/x-ndjson, application/rss+xml, application/atom+xml, application/feed+json, message/rfc822";

impl PushBody {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Json, Self::JsonLines, Self::Feed, Self::Mail];

    /// A name for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::JsonLines => "json-lines",
            Self::Feed => "feed",
            Self::Mail => "mail",
        }
    }

    /// By the media type, its parameters aside.
    #[must_use]
    pub fn of_media_type(written: &str) -> Option<Self> {
        let name = written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        Some(match name.as_str() {
            "application/json" | "application/cloudevents+json" => Self::Json,
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
                Self::JsonLines
            }
            "application/rss+xml"
            | "application/atom+xml"
            | "application/rdf+xml"
            | "application/feed+json"
            | "application/xml"
            | "text/xml" => Self::Feed,
            "message/rfc822" => Self::Mail,
            _ => return None,
        })
    }

    /// What may be sent, for people.
    #[must_use]
    pub fn media_types() -> &'static str {
        MEDIA_TYPES
    }
}

/// What a body holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PushDocument {
    /// The items, each with its line where the body has lines.
    pub items: Vec<(Option<u64>, RawItem)>,
    /// What was not taken.
    pub rejected: Vec<PushRejection>,
}

/// Reads bodies for one source.
#[derive(Clone)]
pub struct PushReader {
    /// Who sends.
    pub config: PushConfig,
    /// Caps.
    pub limits: Limits,
    /// When it came.
    pub received: Timestamp,
}

impl PushReader {
    /// Reads a whole body on a parser thread. What cannot be read is in the document, as a rejection.
    pub async fn read(self, parser: &Parser, kind: PushBody, bytes: Vec<u8>) -> PushDocument {
        let budget = self.limits.parse_time_max;
        let read = parser.run(budget, move || self.read_now(kind, &bytes)).await;
        read.unwrap_or_else(|reason| failed(reason, format!("reading it did not end well within {budget:?}")))
    }

    /// Reads numbered lines on a parser thread.
    pub async fn read_lines(self, parser: &Parser, lines: Vec<(u64, Vec<u8>)>) -> PushDocument {
        let budget = self.limits.parse_time_max;
        let read = parser.run(budget, move || self.read_lines_now(&lines)).await;
        read.unwrap_or_else(|reason| failed(reason, format!("reading the lines did not end well within {budget:?}")))
    }

    fn read_now(&self, kind: PushBody, bytes: &[u8]) -> PushDocument {
        match kind {
            PushBody::Json => self.read_json(bytes, None),
            PushBody::JsonLines => {
                let lines = bytes.split(|byte| *byte == b'\n').zip(1..).map(|(line, number)| (number, line.to_vec()));
                self.read_lines_now(&lines.collect::<Vec<_>>())
            }
            PushBody::Mail => self.document(parse_as(DocumentFormat::Mail, bytes, &self.context()), None),
            // The feed parser finds out itself which of the feeds it is.
            PushBody::Feed => self.document(parse_as(DocumentFormat::Rss, bytes, &self.context()), None),
        }
    }

    fn read_lines_now(&self, lines: &[(u64, Vec<u8>)]) -> PushDocument {
        let mut all = PushDocument::default();
        for (number, line) in lines.iter().filter(|(_, line)| !line.trim_ascii().is_empty()) {
            let read = self.read_json(line, Some(*number));
            all.items.extend(read.items);
            all.rejected.extend(read.rejected);
        }
        all
    }

    fn read_json(&self, bytes: &[u8], line: Option<u64>) -> PushDocument {
        match WebhookReading::of(bytes) {
            WebhookReading::Item(item) => {
                PushDocument { items: vec![(line, self.finished(*item))], rejected: Vec::new() }
            }
            // Heard, and nothing to store.
            WebhookReading::WithoutItem => PushDocument::default(),
            WebhookReading::Other => self.document(parse_as(DocumentFormat::Json, bytes, &self.context()), line),
        }
    }

    fn context(&self) -> FileContext<'_> {
        let (received, limits, mail) = (self.received, &self.limits, &DEFAULT_MAIL_RULES);
        FileContext { name: "push", modified: received, received, limits, mail }
    }

    fn document(&self, parsed: Result<ParsedDocument, Rejection>, line: Option<u64>) -> PushDocument {
        match parsed {
            Ok(document) => PushDocument {
                items: document.items.into_iter().map(|item| (line, self.finished(item))).collect(),
                rejected: document.rejected.into_iter().map(|rejection| at_line(rejection, line)).collect(),
            },
            Err(rejection) => PushDocument { items: Vec::new(), rejected: vec![at_line(rejection, line)] },
        }
    }

    /// What the config says of this source.
    fn finished(&self, mut item: RawItem) -> RawItem {
        if self.config.trust == IdentifiedBy::Link
            && let Some(url) = item.url.as_deref().filter(|url| !url.trim().is_empty())
        {
            item.key = ItemKey::new(url);
        }
        item.quiet |= self.config.quiet;
        if item.lang.is_none() {
            item.lang = self.config.lang.map(|lang| lang.to_string());
        }
        item.tags.extend(self.config.tags.iter().cloned());
        item
    }
}

fn at_line(rejection: Rejection, line: Option<u64>) -> PushRejection {
    let Rejection { reason, detail, count } = rejection;
    PushRejection { line, reason, detail, count }
}

fn failed(reason: RejectReason, detail: String) -> PushDocument {
    PushDocument { items: Vec::new(), rejected: vec![PushRejection { line: None, reason, detail, count: 1 }] }
}

#[cfg(test)]
mod tests {
    use super::super::PushRate;
    use super::*;
    use crate::model::SourceId;

    fn reader() -> PushReader {
        PushReader {
            config: PushConfig {
                id: SourceId::new("desk").expect("a name"),
                token_file: None,
                secret_file: None,
                rate: PushRate { requests: 1, per: std::time::Duration::from_secs(1) },
                trust: IdentifiedBy::Guid,
                quiet: false,
                lang: None,
                tags: Vec::new(),
            },
            limits: Limits::SHIPPED,
            received: Timestamp::from_seconds(1_742_198_531),
        }
    }

    fn keys(document: &PushDocument) -> Vec<&str> {
        document.items.iter().map(|(_, item)| item.key.as_str()).collect()
    }

    #[test]
    fn body_is_read_as_one_item_a_list_lines_or_a_feed() {
        let one = br#"{"id":"a","title":"Levee holds"}"#;
        assert_eq!(keys(&reader().read_now(PushBody::Json, one)), ["a"]);
        let batch = br#"{"source":"desk","items":[{"id":"a","title":"x"},{"id":"b","title":"y"}]}"#;
        assert_eq!(keys(&reader().read_now(PushBody::Json, batch)), ["a", "b"]);
        let lines = b"{\"id\":\"a\",\"title\":\"x\"}\n\nnonsense\n{\"id\":\"b\",\"title\":\"y\"}";
        let read = reader().read_now(PushBody::JsonLines, lines);
        assert_eq!(keys(&read), ["a", "b"]);
        assert_eq!(read.items.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [Some(1), Some(4)]);
        assert_eq!((read.rejected[0].line, read.rejected[0].reason), (Some(3), RejectReason::Malformed));
        let feed = b"<rss version=\"2.0\"><channel><title>w</title><item><guid>g</guid><title>t</title></item></channel></rss>";
        assert_eq!(keys(&reader().read_now(PushBody::Feed, feed)), ["g"]);
        assert_eq!(reader().read_now(PushBody::Feed, b"no feed").rejected.len(), 1);
        let mail = b"Message-ID: <m@x>\nFrom: a@port.example\nSubject: Pier opens\n\nIt opens in spring.\n";
        assert_eq!(keys(&reader().read_now(PushBody::Mail, mail)), ["m@x"]);
    }

    #[test]
    fn body_of_odd_strings_and_numbers_is_an_item_or_a_refusal_and_no_panic() {
        let number = format!("{{\"id\":{},\"title\":\"t\"}}", "9".repeat(1 << 20));
        for body in [
            r#"{"id":"\u0000","title":"a\u0000b","url":"\u0000","author":"\u0000","published":"\u0000","lang":"\u0000"}"#,
            r#"{"id":"a","title":"\ud800"}"#,
            r#"{"id":"\udfff","title":"t"}"#,
            r#"{"title":{"title":{"title":[[[]]]}}}"#,
            number.as_str(),
            "",
            "null",
            "[[[[[[",
        ] {
            let read = reader().read_now(PushBody::Json, body.as_bytes());
            assert_eq!(read.items.len() + read.rejected.len(), 1, "{}", &body[..body.len().min(80)]);
        }
    }

    #[test]
    fn body_is_finished_by_what_the_config_says() {
        let mut reader = reader();
        reader.config.trust = IdentifiedBy::Link;
        (reader.config.quiet, reader.config.tags) = (true, vec!["wire".to_owned()]);
        reader.config.lang = crate::model::Lang::from_tag("de");
        let read = reader.read_now(PushBody::Json, br#"{"id":7,"title":"t","url":"https://a.example/1"}"#);
        let item = &read.items[0].1;
        assert_eq!((item.key.as_str(), item.quiet, item.lang.as_deref()), ("https://a.example/1", true, Some("de")));
        assert_eq!(item.tags, ["wire"]);
    }
}

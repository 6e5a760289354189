//! `wirewatch receive`: a small receiver to try things out with. Verifies signatures in constant time,
//! says when an id came before, prints alerts for people or as JSON lines, and can be told to fail.
//! Keeps nothing on disk; it is an example of what a receiver should check, not a place to store alerts.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::routing::any;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::deliver::console::{Console, Style, block};
use crate::deliver::sign::{ID_HEADER, SIGNATURE_HEADER, SignedHeaders, Signer, TIMESTAMP_HEADER};
use crate::text::clean;

/// Largest request; the alerts of this program have a few kilobytes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// RecentIds remembered to recognise a repeat.
const IDS_MAX: usize = 10_000;
/// Characters of an id or path that are shown.
const SHOWN_CHARS_MAX: usize = 80;

/// How requests are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiverOutput {
    /// One block each.
    People(Style),
    /// One JSON object each: `{"id","timestamp","verified","repeat","status","body"}`.
    JsonLines,
}

/// A receiver, ready to serve.
pub struct Receiver {
    /// Where requests come in; the caller chose the port.
    pub listener: TcpListener,
    /// Keys to verify with; `None` believes everything and says so.
    pub signer: Option<Signer>,
    /// What time it is.
    pub clock: Clock,
    /// Where to print.
    pub console: Console,
    /// How to print.
    pub show: ReceiverOutput,
    /// The status for what is verified; 204 unless something else is to be tried out.
    pub answer: StatusCode,
}

/// What a request turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct JudgedRequest {
    id: String,
    timestamp: String,
    /// `Ok(true)` verified, `Ok(false)` not checked for lack of a secret.
    verified: Result<bool, String>,
    repeat: bool,
    status: StatusCode,
}

struct ReceiverState {
    signer: Option<Signer>,
    clock: Clock,
    console: Console,
    show: ReceiverOutput,
    answer: StatusCode,
    ids: Mutex<RecentIds>,
}

/// The last ids, oldest first.
#[derive(Default)]
struct RecentIds {
    known: HashSet<String>,
    order: VecDeque<String>,
}

impl Receiver {
    /// Serves until cancelled.
    ///
    /// # Errors
    /// Those of the listener.
    pub async fn run(self, cancel: CancellationToken) -> io::Result<()> {
        let Self { listener, signer, clock, console, show, answer } = self;
        let shared = Arc::new(ReceiverState { signer, clock, console, show, answer, ids: Mutex::default() });
        let router =
            Router::new().fallback(any(receive)).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(shared);
        axum::serve(listener, router).with_graceful_shutdown(cancel.cancelled_owned()).await
    }
}

async fn receive(
    State(shared): State<Arc<ReceiverState>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    if method != Method::POST {
        let what = clean::excerpt(&format!("{method} {}", uri.path()), SHOWN_CHARS_MAX);
        return (StatusCode::METHOD_NOT_ALLOWED, format!("{what}: this is a webhook receiver, send POST\n"));
    }
    let seen = shared.judge(&headers, &body);
    let printed = {
        let (shared, seen) = (shared.clone(), seen.clone());
        tokio::task::spawn_blocking(move || shared.console.print_text(&shared.render(&seen, &body))).await
    };
    if !matches!(printed, Ok(Ok(()))) {
        // Not shown is not received: the sender should try again.
        return (StatusCode::INTERNAL_SERVER_ERROR, "the receiver cannot print\n".to_owned());
    }
    let text = match &seen.verified {
        Err(reason) => format!("{reason}\n"),
        Ok(_) => String::new(),
    };
    (seen.status, text)
}

impl ReceiverState {
    fn judge(&self, headers: &HeaderMap, body: &[u8]) -> JudgedRequest {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let signed = SignedHeaders {
            id: header(ID_HEADER),
            timestamp: header(TIMESTAMP_HEADER),
            signature: header(SIGNATURE_HEADER),
        };
        let verified = match &self.signer {
            None => Ok(false),
            Some(signer) => {
                signer.verify(signed, body, self.clock.now()).map(|()| true).map_err(|error| error.to_string())
            }
        };
        let id = signed.id.unwrap_or_default();
        // An unbelieved request must not make a later good one look like a repeat.
        let repeat = verified.is_ok() && !id.is_empty() && self.remember(id);
        let status = if verified.is_ok() { self.answer } else { StatusCode::UNAUTHORIZED };
        let shown = |text: &str| clean::excerpt(text, SHOWN_CHARS_MAX);
        JudgedRequest {
            id: shown(id),
            timestamp: shown(signed.timestamp.unwrap_or_default()),
            verified,
            repeat,
            status,
        }
    }

    /// Says whether the id came before.
    fn remember(&self, id: &str) -> bool {
        let mut ids = self.ids.lock();
        if !ids.known.insert(id.to_owned()) {
            return true;
        }
        ids.order.push_back(id.to_owned());
        if ids.order.len() > IDS_MAX
            && let Some(oldest) = ids.order.pop_front()
        {
            ids.known.remove(&oldest);
        }
        false
    }

    fn render(&self, seen: &JudgedRequest, body: &[u8]) -> String {
        match &self.show {
            ReceiverOutput::JsonLines => json_line(seen, body),
            ReceiverOutput::People(style) => people(seen, body, style),
        }
    }
}

fn people(seen: &JudgedRequest, body: &[u8], style: &Style) -> String {
    let id = if seen.id.is_empty() { "no webhook-id" } else { &seen.id };
    let status = seen.status.as_u16();
    match &seen.verified {
        Err(reason) => format!("✗ {id}: not believed, answered {status}: {reason}\n\n"),
        Ok(_) if seen.repeat => format!("= {id} came before; a receiver skips it. Answered {status}.\n\n"),
        Ok(verified) => {
            let how = if *verified { "signature verified" } else { "signature not checked: no --secret" };
            let block = block(body, style);
            format!("{}\n  {id} · {how} · answered {status}\n\n", block.trim_end())
        }
    }
}

fn json_line(seen: &JudgedRequest, body: &[u8]) -> String {
    #[derive(serde::Serialize)]
    struct Line<'a> {
        id: &'a str,
        timestamp: &'a str,
        verified: bool,
        problem: Option<&'a str>,
        repeat: bool,
        status: u16,
        body: Option<&'a RawValue>,
    }
    // A body with line breaks of its own would break the line; it is written anew then.
    let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let body = value.and_then(|value| serde_json::value::to_raw_value(&value).ok());
    let line = Line {
        id: &seen.id,
        timestamp: &seen.timestamp,
        verified: seen.verified == Ok(true),
        problem: seen.verified.as_ref().err().map(String::as_str),
        repeat: seen.repeat,
        status: seen.status.as_u16(),
        body: body.as_deref(),
    };
    serde_json::to_string(&line).expect("invariant: a line holds only strings, numbers and JSON") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::secret::Secret;
    use crate::model::Timestamp;

    const NOW: Timestamp = Timestamp::from_seconds(1_614_265_330);
    const BODY: &[u8] = b"{\"test\": 2432232314}";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn shared(signer: Option<&str>, show: ReceiverOutput) -> ReceiverState {
        let signer = signer.map(|text| Signer::new(&[Secret::parse(text).expect("a secret")]).expect("keys"));
        ReceiverState {
            signer,
            clock: Clock::manual(NOW),
            console: Console::to(Box::new(io::sink()), Style::plain(80)),
            show,
            answer: StatusCode::NO_CONTENT,
            ids: Mutex::default(),
        }
    }

    fn signed() -> HeaderMap {
        let pairs = [
            (ID_HEADER, "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            (TIMESTAMP_HEADER, "1614265330"),
            (SIGNATURE_HEADER, SIGNATURE),
        ];
        pairs
            .into_iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect()
    }

    #[test]
    fn receive_official_vector_is_believed_once_and_named_a_repeat_after() {
        let shared = shared(Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), ReceiverOutput::JsonLines);
        let first = shared.judge(&signed(), BODY);
        assert_eq!((first.verified.clone(), first.repeat, first.status), (Ok(true), false, StatusCode::NO_CONTENT));
        let again = shared.judge(&signed(), BODY);
        assert!(again.repeat);
        let line: serde_json::Value = serde_json::from_str(&shared.render(&again, BODY)).expect("JSON");
        assert_eq!(line["repeat"], true);
        assert_eq!(line["body"]["test"], 2_432_232_314_u64);
    }

    #[test]
    fn receive_forged_request_is_refused_and_does_not_spoil_the_id() {
        let shared = shared(Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), ReceiverOutput::JsonLines);
        let forged = shared.judge(&signed(), b"{}");
        assert_eq!(forged.status, StatusCode::UNAUTHORIZED);
        assert!(forged.verified.is_err());
        assert!(!shared.judge(&signed(), BODY).repeat);
    }

    #[test]
    fn receive_without_secret_says_that_nothing_was_checked() {
        let style = Style::plain(80);
        let shared = shared(None, ReceiverOutput::People(style));
        let seen = shared.judge(&HeaderMap::new(), BODY);
        let text = shared.render(&seen, BODY);
        assert!(text.contains("signature not checked") && text.contains("no webhook-id"), "{text}");
        assert!(!shared.judge(&HeaderMap::new(), BODY).repeat, "no id, no repeat");
    }

    #[test]
    fn receive_hostile_headers_are_cleaned_and_cut() {
        let shared = shared(None, ReceiverOutput::People(Style::plain(80)));
        let mut headers = HeaderMap::new();
        headers.insert(ID_HEADER, format!("x\t{}", "y".repeat(500)).parse().expect("a value"));
        let seen = shared.judge(&headers, b"\x1b[2J");
        assert!(seen.id.chars().count() <= SHOWN_CHARS_MAX);
        let text = shared.render(&seen, b"\x1b[2J");
        assert!(!text.chars().any(|c| c != '\n' && clean::is_harmful(c)), "{text:?}");
    }

    #[test]
    fn ids_memory_is_bounded() {
        let shared = shared(None, ReceiverOutput::JsonLines);
        for n in 0..IDS_MAX + 5 {
            assert!(!shared.remember(&n.to_string()));
        }
        assert!(!shared.remember("0"), "forgotten");
        assert!(shared.remember("10004"));
        assert!(shared.ids.lock().known.len() <= IDS_MAX + 1);
    }
}

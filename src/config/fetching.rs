//! What one feed's requests carry: header fields, credentials by file, `User-Agent`, time. Secrets stay in
//! their files; header fields that would hold one, or that wirewatch writes itself, are refused.

use std::time::Duration;

use super::found::{Fault, Found};
use super::problem::ProblemKind;
use super::section::Section;
use crate::source::feed::{Credentials, FetchConfig};

const HOUR: Duration = Duration::from_secs(3600);

/// Header fields that hold secrets.
const SECRET: [&str; 5] = ["authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"];

/// Header fields that are written by wirewatch, or by HTTP.
const OWN: [&str; 13] = [
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "if-modified-since",
    "if-none-match",
    "range",
    "referer",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

pub(super) fn fetching(s: &Section<'_>) -> FetchConfig {
    let basic = s.secret_file("basic_file").map(Credentials::Basic);
    let bearer = s.secret_file("bearer_file").map(Credentials::Bearer);
    if let (Some(_), Some(_), Some(place)) = (&basic, &bearer, s.written("bearer_file")) {
        let fault = Fault::new(ProblemKind::Duplicate, "and `basic_file` are both set", "which one counts?");
        s.fault("bearer_file", &place, fault);
    }
    FetchConfig {
        headers: s.list_or_empty("headers", header),
        credentials: basic.or(bearer),
        user_agent: s.get("user_agent", user_agent),
        timeout: s.get("timeout", |found| found.duration(&(Duration::from_millis(100)..=HOUR))),
    }
}

fn user_agent(found: &Found<'_>) -> Result<String, Fault> {
    let text = found.text()?.replace("{version}", env!("CARGO_PKG_VERSION"));
    if (1..=256).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Ok(text);
    }
    Err(Fault::new(ProblemKind::Value, "must be 1 to 256 printable ASCII characters", "cannot be sent in a header"))
}

/// `name: value`.
fn header(found: &Found<'_>) -> Result<(String, String), Fault> {
    let text = found.text()?;
    let fault = |what: &str, label: &str| Err(Fault::new(ProblemKind::Value, what.to_owned(), label.to_owned()));
    let Some((name, value)) = text.split_once(':') else {
        return fault("must have the form \"name: value\"", "no colon");
    };
    let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(is_token) || !value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return fault("must be printable ASCII with a header name", "cannot be sent in a header");
    }
    if SECRET.contains(&name.as_str()) {
        let fault = Fault::new(ProblemKind::Secret, "has a header that is a secret", "refused");
        return Err(fault.hint("put it into a file that others cannot read: basic_file or bearer_file"));
    }
    if OWN.contains(&name.as_str()) {
        return fault("has a header that is written by wirewatch itself", "refused");
    }
    Ok((name, value.to_owned()))
}

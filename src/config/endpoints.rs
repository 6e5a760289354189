//! `[[endpoints]]`: where alerts go, in which form, signed by what. A template is compiled and tried
//! here, so that one that cannot work is refused before anything runs.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;
use url::{Host, Url};

use super::Config;
use super::entries::{Names, SEVERITIES, Unique};
use super::found::{Fault, Found};
use super::problem::{Problem, ProblemKind};
use super::reader::Reader;
use super::section::Section;
use super::services;
use super::value::nearest;
use crate::deliver::{EndpointConfig, PayloadFormat};
use crate::model::{EndpointId, Score, Severity, Timestamp};
use crate::net::{check_roots, guard};
use crate::pipeline::alert::Timing;
use crate::pipeline::alert::format::Template;

/// What an endpoint's `format` may say.
const FORMATS: [(&str, PayloadFormat); 11] = [
    ("standard", PayloadFormat::Standard),
    ("console", PayloadFormat::Console),
    ("cloudevents", PayloadFormat::CloudEvents),
    ("slack", PayloadFormat::Slack),
    ("discord", PayloadFormat::Discord),
    ("teams", PayloadFormat::Teams),
    ("mattermost", PayloadFormat::Mattermost),
    ("ntfy", PayloadFormat::Ntfy),
    ("telegram", PayloadFormat::Telegram),
    ("email", PayloadFormat::Email),
    ("template", PayloadFormat::Template),
];

/// Headers of one endpoint.
const HEADERS_MAX: usize = 32;
/// Headers that belong to the transport, to the signature or to the body.
const HEADERS_OURS: [&str; 8] = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];
/// Headers that carry a secret, which does not stand in a config.
const HEADERS_SECRET: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "x-api-key"];

/// What an endpoint can have from `[defaults.endpoint]`, with a name and place of its own to come.
fn endpoint_settings(s: &Section<'_>, names: &Names, id: EndpointId) -> EndpointConfig {
    let format = s.choice("format", &FORMATS);
    EndpointConfig {
        id,
        url: None,
        secret_file: None,
        secret_credential: None,
        format,
        enabled: s.flag("enabled"),
        topics: s.list("topics", |found| names.topic(found)),
        sources: s.list("sources", |found| names.source(s, found)),
        languages: s.list("languages", Found::lang),
        severity_min: s.choice("severity_min", &SEVERITIES),
        score_min: Score::from_f64(s.number("score_min", 0.0..=1000.0)),
        source_alerts: s.flag("source_alerts"),
        allow_private: s.list("allow_private", Found::cidr),
        concurrency: s.count("concurrency", 1..=64),
        timeout: s.duration("timeout", Duration::from_millis(100)..=Duration::from_secs(300)),
        ca_file: s.file("ca_file"),
        headers: Vec::new(),
        secret_old: None,
        chat: None,
        mail: None,
        template: None,
        timing: timing(s, format),
    }
}

pub(super) fn endpoints(reader: &Reader<'_>, names: &Names) -> Vec<EndpointConfig> {
    let unnamed = || EndpointId::new("unnamed").expect("invariant: a valid name");
    let defaults = reader.defaults("endpoint");
    let _ = endpoint_settings(&defaults, names, unnamed());
    let mut ids = Unique::new("endpoint");
    let mut out = Vec::new();
    for s in reader.entries("endpoints", Some(&defaults)) {
        let id = s.required("id", |found| found.id(EndpointId::new));
        let mut endpoint = endpoint_settings(&s, names, id.clone().unwrap_or_else(unnamed));
        endpoint.secret_file = match endpoint.format {
            PayloadFormat::Console | PayloadFormat::Telegram | PayloadFormat::Email => s.secret_file("secret_file"),
            _ => s.signing_secret("secret_file"),
        };
        endpoint.secret_credential = s.get("secret_credential", |found| match found.text()? {
            text if !text.is_empty() && !text.contains('/') && text.len() < 256 && text != ".." => Ok(text.to_owned()),
            _ => Err(Fault::new(ProblemKind::Value, "must be the name of a credential", "not a name")),
        });
        endpoint.secret_old = secret_old(&s);
        endpoint.headers = headers(&s);
        endpoint.template = template(&s, endpoint.format);
        address(&s, &mut endpoint);
        if id.is_some_and(|id| ids.take(&s, "id", id)) {
            out.push(endpoint);
        }
        s.finish();
    }
    defaults.finish();
    out
}

/// Where to, and what else each format needs for that.
fn address(s: &Section<'_>, endpoint: &mut EndpointConfig) {
    services::read(s, endpoint);
    match endpoint.format {
        PayloadFormat::Console => {
            endpoint.url = s.get("url", Found::url);
            refuse_with(s, &["url", "secret_file", "secret_credential", "secret_file_old", "headers"], "console");
        }
        PayloadFormat::Telegram => refuse_with(s, &["secret_file_old"], "telegram"),
        PayloadFormat::Email => refuse_with(s, &["secret_file_old", "headers"], "email"),
        _ => {
            endpoint.url = s.required("url", Found::url);
            refuse_topicless(s, endpoint);
            warn_unsigned(s, endpoint);
        }
    }
    if endpoint.format != PayloadFormat::Console {
        refuse_unreachable(s, endpoint);
        refuse_two_secrets(s);
    }
}

/// `delivery.operations` names endpoints; one that is not there would hear nothing.
pub(super) fn check_operations(reader: &Reader<'_>, config: &Config) {
    for id in &config.delivery.operations {
        if !config.endpoints.iter().any(|endpoint| endpoint.id == *id) {
            let what = format!("`operations` names endpoint `{id}`, which does not exist");
            let problem = Problem::new(ProblemKind::Reference, what).key("delivery.operations");
            let names = config.endpoints.iter().map(|endpoint| endpoint.id.as_str());
            reader.problem(match nearest(id.as_str(), names) {
                Some(meant) => problem.hint(format!("did you mean \"{meant}\"?")),
                None => problem,
            });
        }
    }
}

fn refuse_with(s: &Section<'_>, keys: &[&'static str], format: &str) {
    for key in keys {
        if let Some(place) = s.written(key) {
            let what = format!("has no meaning for format = \"{format}\"");
            s.fault(key, &place, Fault::new(ProblemKind::Value, what, "not used"));
        }
    }
}

/// What no attempt could ever reach: an address that the guard refuses, a server that nothing vouches for.
fn refuse_unreachable(s: &Section<'_>, endpoint: &EndpointConfig) {
    let literal: Option<IpAddr> = match endpoint.url.as_ref().and_then(Url::host) {
        Some(Host::Ipv4(v4)) => Some(v4.into()),
        Some(Host::Ipv6(v6)) => Some(v6.into()),
        // In a mail server's URL an address is not told from a name.
        Some(Host::Domain(name)) => name.trim_matches(['[', ']']).parse().ok(),
        None => None,
    };
    if let Some(address) = literal.filter(|address| !guard::is_allowed(*address, &endpoint.allow_private))
        && let Some(place) = s.written("url")
    {
        let why = format!("{address} is not public");
        let fault = Fault::new(ProblemKind::Value, "names an address that `allow_private` does not have", why);
        s.fault(
            "url",
            &place,
            fault.hint(format!("allow_private = [\"{address}/{}\"]", if address.is_ipv4() { 32 } else { 128 })),
        );
    }
    let roots = endpoint.ca_file.as_deref().filter(|path| path.is_file()).map(check_roots);
    if let (Some(Err(error)), Some(place)) = (roots, s.written("ca_file")) {
        let fault = Fault::new(ProblemKind::File, "names a file without a certificate", error.to_string());
        s.fault("ca_file", &place, fault);
    }
}

fn refuse_two_secrets(s: &Section<'_>) {
    if let Some((_, place)) = s.written("secret_file").zip(s.written("secret_credential")) {
        let fault = Fault::new(ProblemKind::Duplicate, "and `secret_file` are both set", "which one counts?");
        s.fault("secret_credential", &place, fault);
    }
}

fn warn_unsigned(s: &Section<'_>, endpoint: &EndpointConfig) {
    let chat = endpoint.format.is_chat();
    if !chat && s.written("secret_file").is_none() && endpoint.secret_credential.is_none() {
        let problem = Problem::new(ProblemKind::Secret, format!("endpoint `{}` has no secret", endpoint.id))
            .at(s.place.clone(), "requests are not signed: the receiver cannot tell them from forged ones")
            .key(format!("{}.secret_file", s.path))
            .hint("set secret_file, or secret_credential under systemd")
            .warning();
        s.reader.problem(problem);
    }
}

fn timing(s: &Section<'_>, format: PayloadFormat) -> Timing {
    let bad = |what: &str, why: String| Fault::new(ProblemKind::Value, what.to_owned(), why);
    let zone = s.get("time_zone", |found| {
        TimeZone::get(found.text()?)
            .map_err(|_| bad("must be a time zone such as \"Europe/Berlin\"", "not known on this machine".to_owned()))
    });
    let urgent: Vec<(&str, Option<Severity>)> =
        SEVERITIES.iter().map(|&(name, severity)| (name, Some(severity))).chain([("none", None)]).collect();
    let timing = Timing {
        group_wait: s
            .get("group_wait", |found| found.duration(&(Duration::ZERO..=Duration::from_secs(3600))))
            .unwrap_or_else(|| format.group_wait()),
        quiet: s.list("quiet", |found| {
            let must = "must hold hours such as \"22:00-07:00\"";
            found.text()?.parse().map_err(|why: &str| bad(must, why.to_owned()))
        }),
        digest: s.get("digest", |found| {
            found.text()?.parse().map_err(|why| bad("must be a schedule such as \"0 8 * * mon-fri\"", why))
        }),
        zone: zone.unwrap_or(TimeZone::UTC),
        urgent: s.choice("urgent", &urgent),
        rate: s.get("rate", |found| {
            found.text()?.parse().map_err(|why: &str| bad("must be a rate such as \"30/m\"", why.to_owned()))
        }),
    };
    if !timing.has_loud_hours()
        && let Some(place) = s.written("quiet")
    {
        s.fault("quiet", &place, bad("leaves no time of day to send at", "all day and night".to_owned()));
    }
    timing
}

/// The key before this one, and until when it signs as well.
fn secret_old(s: &Section<'_>) -> Option<(PathBuf, Timestamp)> {
    let old = s.signing_secret("secret_file_old");
    let until = s.get("secret_old_until", Found::time);
    let (one, other) = match (&old, until) {
        (Some(_), None) => ("secret_file_old", "secret_old_until"),
        (None, Some(_)) => ("secret_old_until", "secret_file_old"),
        (Some(path), Some(until)) => return Some((path.clone(), until)),
        (None, None) => return None,
    };
    if let Some(place) = s.written(one) {
        s.fault(one, &place, Fault::new(ProblemKind::Missing, format!("needs `{other}` as well"), "alone"));
    }
    None
}

/// Each as it goes over the wire: `x-team: desk`.
fn headers(s: &Section<'_>) -> Vec<(String, String)> {
    let headers = s.list_or_empty("headers", |found| header(found.text()?));
    if headers.len() > HEADERS_MAX
        && let Some(place) = s.written("headers")
    {
        let fault = Fault::new(ProblemKind::Range, format!("has more than {HEADERS_MAX} headers"), "too many");
        s.fault("headers", &place, fault);
    }
    headers
}

fn header(written: &str) -> Result<(String, String), Fault> {
    let bad = |what: &str, why: &str| Fault::new(ProblemKind::Value, what.to_owned(), why.to_owned());
    let Some((name, value)) = written.split_once(':') else {
        return Err(bad("must be headers such as \"x-team: desk\"", "no colon"));
    };
    let (lower, value) = (name.trim().to_ascii_lowercase(), value.trim());
    if HEADERS_OURS.contains(&lower.as_str()) {
        return Err(bad("has a header that is written by wirewatch itself", &lower));
    }
    if HEADERS_SECRET.contains(&lower.as_str()) {
        return Err(Fault::new(ProblemKind::Secret, "has a header that is a secret", lower)
            .hint("receivers check the signature instead: secret_file"));
    }
    let token = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    if lower.is_empty() || lower.len() > 64 || !lower.bytes().all(token) {
        return Err(bad("has a name that is no header's", "not a name"));
    }
    if value.len() > 1024 || !value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Err(bad("has a value that cannot be sent", "not printable ASCII, or too long"));
    }
    Ok((lower, value.to_owned()))
}

fn template(s: &Section<'_>, format: PayloadFormat) -> Option<Template> {
    let content_type = s.get("template_type", |found| match found.text()? {
        text if text.contains('/') && text.len() <= 100 && text.bytes().all(|b| (b' '..=b'~').contains(&b)) => {
            Ok(text.to_owned())
        }
        _ => Err(Fault::new(ProblemKind::Value, "must be a media type such as \"text/plain\"", "not one")),
    });
    let path = s.file("template_file");
    let place = s.written("template_file");
    let content_type = content_type.unwrap_or_else(|| "application/json".to_owned());
    match (format, path, place) {
        (PayloadFormat::Template, Some(path), Some(place)) => {
            let source = std::fs::read_to_string(&path).map_err(|e| e.to_string());
            let compiled = source.and_then(|source| {
                Template::compile(&source, &content_type).map_err(|e| (e.line, e.what)).map_err(|(line, what)| {
                    let line = line.map(|line| format!(":{line}")).unwrap_or_default();
                    format!("{}{line}: {what}", path.display())
                })
            });
            compiled
                .map_err(|why| {
                    s.fault(
                        "template_file",
                        &place,
                        Fault::new(ProblemKind::Value, "names a template that does not work", why),
                    );
                })
                .ok()
        }
        (PayloadFormat::Template, _, None) => {
            let problem = Problem::new(ProblemKind::Missing, "`template_file` is missing")
                .at(s.place.clone(), "format = \"template\" needs one")
                .key(format!("{}.template_file", s.path));
            s.reader.problem(problem);
            None
        }
        (format, _, Some(place)) if format != PayloadFormat::Template => {
            let fault = Fault::new(ProblemKind::Value, "has a meaning only for format = \"template\"", "not used");
            s.fault("template_file", &place, fault);
            None
        }
        _ => None,
    }
}

fn refuse_topicless(s: &Section<'_>, endpoint: &EndpointConfig) {
    if endpoint.format == PayloadFormat::Ntfy
        && endpoint.url.is_some()
        && endpoint.ntfy_topic().is_none()
        && let Some(place) = s.written("url")
    {
        let fault = Fault::new(ProblemKind::Value, "must end in ntfy's topic", "no topic");
        s.fault("url", &place, fault.hint("as in https://ntfy.example.org/newsdesk"));
    }
}

//! `[[pushes]]`: who may send items to the listener, and by what they are known.

use std::time::Duration;

use super::entries::Unique;
use super::found::{Fault, Found};
use super::problem::{Problem, ProblemKind};
use super::reader::Reader;
use super::section::Section;
use crate::deliver::secret::AccessToken;
use crate::model::SourceId;
use crate::pipeline::alert::Rate;
use crate::source::feed::IdentifiedBy;
use crate::source::push::{PushConfig, PushRate};

/// Shortest token: a word can be guessed.
const TOKEN_BYTES_MIN: usize = 16;

fn push_settings(s: &Section<'_>, id: SourceId) -> PushConfig {
    PushConfig {
        id,
        token_file: token_file(s),
        secret_file: s.signing_secret("secret_file"),
        rate: s
            .get("rate", |found| {
                let rate: Rate = found.text()?.parse().map_err(|why: &str| {
                    let must = "must be requests in a time such as \"600/m\"";
                    Fault::new(ProblemKind::Value, must, why)
                })?;
                Ok(PushRate { requests: rate.alerts, per: rate.per })
            })
            .unwrap_or(PushRate { requests: 600, per: Duration::from_secs(60) }),
        trust: s.choice("trust", &[("id", IdentifiedBy::Guid), ("url", IdentifiedBy::Link)]),
        quiet: s.flag("quiet"),
        lang: s.get("lang", Found::lang),
        tags: s.list("tags", |found| found.text().map(str::to_owned)),
    }
}

pub(super) fn pushes(reader: &Reader<'_>) -> Vec<PushConfig> {
    let unnamed = || SourceId::new("unnamed").expect("invariant: a valid name");
    let defaults = reader.defaults("push");
    let _ = push_settings(&defaults, unnamed());
    let mut ids = Unique::new("push source");
    let mut out = Vec::new();
    for s in reader.entries("pushes", Some(&defaults)) {
        let id = s.required("id", |found| found.id(SourceId::new));
        let push = push_settings(&s, id.clone().unwrap_or_else(unnamed));
        if push.token_file.is_none() && push.secret_file.is_none() {
            let problem = Problem::new(ProblemKind::Missing, "`token_file` and `secret_file` are both missing")
                .at(s.place.clone(), "anybody could send in its name")
                .key(format!("{}.token_file", s.path))
                .hint("token_file = \"secrets/desk-token\": openssl rand -hex 32 > secrets/desk-token");
            s.reader.problem(problem);
        } else if id.is_some_and(|id| ids.take(&s, "id", id)) {
            out.push(push);
        }
        s.finish();
    }
    defaults.finish();
    out
}

fn token_file(s: &Section<'_>) -> Option<std::path::PathBuf> {
    let path = s.secret_file("token_file")?;
    let place = s.written("token_file")?;
    match AccessToken::from_file(&path) {
        Ok(token) if token.len() < TOKEN_BYTES_MIN => {
            let why = format!("{} bytes", token.len());
            let fault = Fault::new(ProblemKind::Secret, "names a file whose token is too short", why);
            s.fault("token_file", &place, fault.hint(format!("at least {TOKEN_BYTES_MIN}: openssl rand -hex 32")));
        }
        // What cannot be read at all is told of already.
        _ => {}
    }
    Some(path)
}

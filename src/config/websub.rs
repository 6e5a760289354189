//! `[websub]`: whether hubs push what feeds have new. They must reach the listener under a public name.

use url::{Host, Url};

use super::found::Fault;
use super::problem::{Problem, ProblemKind};
use super::section::Section;
use super::settings::HttpConfig;
use crate::source::websub::WebSubConfig;
use crate::text::domain;

pub(super) fn websub(s: &Section<'_>, http: &HttpConfig) -> WebSubConfig {
    let read = WebSubConfig {
        enabled: s.flag("enabled"),
        hubs_deny: s.list("hubs_deny", |found| {
            let host = found.text()?.trim_end_matches('.').to_ascii_lowercase();
            if Host::parse(&host).is_ok() {
                return Ok(host);
            }
            Err(Fault::new(ProblemKind::Value, "must be the name of a host", "no host")
                .hint("such as \"hub.example.org\""))
        }),
    };
    let place = s.written("enabled").filter(|_| read.enabled);
    if let (Some(place), Some((why, hint))) = (place, unreachable(http)) {
        let what = "`enabled` needs a listener that hubs reach";
        s.reader.problem(Problem::new(ProblemKind::Missing, what).at(place, why).key("websub.enabled").hint(hint));
    }
    read
}

/// Why no hub could reach the listener, and what to do.
fn unreachable(http: &HttpConfig) -> Option<(&'static str, &'static str)> {
    let hint =
        "public_url = \"https://watch.example.org\" in [http]: where your proxy takes requests and passes them on";
    if http.listen.is_none() {
        return Some(("there is no listener", "set `listen` in [http], and put a proxy with a certificate before it"));
    }
    let Some(url) = http.public_url.as_deref().and_then(|url| Url::parse(url).ok()) else {
        return Some(("`public_url` in [http] says nothing", hint));
    };
    if url.scheme() != "https" {
        return Some(("`public_url` is not https", hint));
    }
    // Whatever is made up within a network, or is an address, is nothing that a hub on the internet knows.
    let is_public = match url.host() {
        Some(Host::Domain(name)) => domain::is_public(name) || (is_example(name) && domain::registered(name).is_some()),
        _ => false,
    };
    (!is_public).then_some(("`public_url` is not under a public name", hint))
}

/// Names for documents (RFC 2606) are as good as any in a test.
fn is_example(name: &str) -> bool {
    name.ends_with(".example")
}

//! The sections of the config, each read into the struct its stage works with. A key is one line here
//! and one in `config/wirewatch.toml`; a test holds the two together. Lists are read in `entries`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::found::{Fault, Found};
use super::problem::{Problem, ProblemKind};
use super::section::Section;
use crate::deliver::DeliveryConfig;
use crate::model::{EndpointId, SourceId};
use crate::net::Cidr;
use crate::pipeline::alert::source::HealthRules;
use crate::pipeline::alert::{Commentary, Developments, OnRevision, RoundUps};
use crate::pipeline::memory::{Languages, MemoryConfig};
use crate::pipeline::normalize::NormalizeRules;
use crate::source::Limits;
use crate::source::feed::{PollingConfig, SpacingScope};
use crate::source::seed::{AfterTaken, MailRules, MailSplit, SeedConfig};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people and the journal.
    Text,
    /// One JSON object a line.
    Json,
}

/// The `[daemon]` section, checked. Changes need a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonConfig {
    /// Where everything is remembered; absolute.
    pub state_dir: PathBuf,
    /// Part of every alert id; `None`: the random name the store got when it was made.
    pub instance: Option<String>,
    /// Worker threads; `None`: one per core.
    pub threads: Option<usize>,
    /// Filter for log lines, as `tracing_subscriber::EnvFilter` reads it.
    pub log: String,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// Whether it is reloaded when its files change.
    pub reload_on_change: bool,
    /// How long a stop waits for work in flight.
    pub stop_timeout: Duration,
    /// Below this much free disk nothing new is taken.
    pub free_space_bytes_min: u64,
}

/// The `[retention]` section, checked; `None` is for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionConfig {
    /// Full texts.
    pub texts: Option<Duration>,
    /// Items without their text.
    pub items: Option<Duration>,
    /// Keys only, so that what comes back is not new.
    pub keys: Option<Duration>,
    /// Deliveries that are settled, and their attempts.
    pub deliveries: Option<Duration>,
    /// What happened, for streams and scripts that read on.
    pub changes: Option<Duration>,
}

/// The `[http]` section, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where to listen; `None`: not at all.
    pub listen: Option<SocketAddr>,
    /// File with the token that callers send.
    pub token_file: Option<PathBuf>,
    /// File with a token that only reads.
    pub read_token_file: Option<PathBuf>,
    /// File with the people who may log in; it need not be there yet.
    pub users_file: Option<PathBuf>,
    /// The header in which a proxy says who asks.
    pub proxy_user_header: Option<String>,
    /// From where that is believed.
    pub proxy_from: Vec<Cidr>,
    /// Further host names that are answered.
    pub hosts: Vec<String>,
    /// Where people reach the page, without a slash at its end: for links in alerts.
    pub public_url: Option<String>,
}

/// The `[alerts]` section, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertConfig {
    /// Counts of outlets at which a story speaks again; rising.
    pub growth: Vec<usize>,
    /// When a changed item speaks again.
    pub on_revision: OnRevision,
    /// What becomes of something new in a story.
    pub developments: Developments,
    /// At most one of those for a story in this time.
    pub development_pause: Duration,
    /// What becomes of comments and explainers.
    pub commentary: Commentary,
    /// What becomes of the event that a live blog has on top.
    pub round_ups: RoundUps,
    /// How long that waits for a report of its own.
    pub round_up_wait: Duration,
    /// Items of feeds that were published longer ago when they come are not told.
    pub age_max: Option<Duration>,
    /// When a source is worth an alert.
    pub health: HealthRules,
}

pub(super) fn daemon(s: &Section<'_>, limits: &Section<'_>, state_dir_default: &Path) -> DaemonConfig {
    DaemonConfig {
        state_dir: s.path("state_dir").unwrap_or_else(|| state_dir_default.to_owned()),
        instance: s.id("instance", SourceId::new).map(|id| id.as_str().to_owned()),
        threads: Some(s.count("threads", 0..=256)).filter(|&threads| threads > 0),
        log: log_filter(s),
        log_format: s.choice("log_format", &[("text", LogFormat::Text), ("json", LogFormat::Json)]),
        reload_on_change: s.flag("reload_on_change"),
        stop_timeout: s.duration("stop_timeout", SECOND..=5 * MINUTE),
        free_space_bytes_min: limits.bytes("free_space_min", 0..=1024 * GIB),
    }
}

fn log_filter(s: &Section<'_>) -> String {
    let valid = |text: &str| tracing_subscriber::EnvFilter::try_new(text).is_ok();
    s.get("log", |found| match found.text()? {
        text if valid(text) => Ok(text.to_owned()),
        _ => Err(Fault::new(
            ProblemKind::Value,
            "must be levels, such as \"info,wirewatch::deliver=debug\"",
            "not a filter",
        )
        .hint("levels: error, warn, info, debug, trace, off")),
    })
    .unwrap_or_default()
}

pub(super) fn seeds(s: &Section<'_>) -> SeedConfig {
    let off = s.get("dir", |found| Ok(found.text().ok() == Some("off"))) == Some(true);
    let dir = if off { None } else { s.path("dir") };
    let (done, error) = (s.path("done"), s.path("error"));
    let moves = s.choice("after", &[("keep", false), ("move", true)]);
    let below = |name: &str| dir.clone().unwrap_or_default().join(name);
    SeedConfig {
        id: s.id("id", SourceId::new).unwrap_or_else(|| SourceId::new("seeds").expect("invariant: a valid name")),
        after: if moves {
            AfterTaken::Move {
                done: done.unwrap_or_else(|| below("done")),
                error: error.unwrap_or_else(|| below("error")),
            }
        } else {
            AfterTaken::Keep
        },
        include: s.list("include", |found| found.text().map(str::to_owned)),
        ignore: s.list("ignore", |found| found.text().map(str::to_owned)),
        settle: s.duration("settle", Duration::from_millis(10)..=HOUR),
        rescan: s.duration("rescan", Duration::from_millis(100)..=DAY),
        file_bytes_max: s.bytes("file_max", KIB..=GIB),
        mail: mail(s),
        dir,
    }
}

/// What `[seeds]` says about e-mail.
fn mail(s: &Section<'_>) -> MailRules {
    let methods = ["spf", "dkim", "dmarc"];
    let require_auth_results: Vec<String> = s.list("require_auth_results", |found| {
        let method = found.text()?;
        methods
            .iter()
            .find(|known| **known == method)
            .map(|known| (*known).to_owned())
            .ok_or_else(|| Fault::new(ProblemKind::Value, "must be \"spf\", \"dkim\" or \"dmarc\"", "not a method"))
    });
    let auth_results_by = s
        .get("auth_results_by", |found| found.text().map(str::to_owned))
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty());
    if !require_auth_results.is_empty()
        && auth_results_by.is_none()
        && let Some(place) = s.written("require_auth_results")
    {
        let hint = "name the receiver whose word counts, as it stands first in `Authentication-Results`";
        let fault =
            Fault::new(ProblemKind::Value, "needs `auth_results_by`: anybody can write such a header", "whose?");
        s.fault("require_auth_results", &place, fault.hint(hint));
    }
    let split = s.choice("split", &[("none", MailSplit::Whole), ("links", MailSplit::Links)]);
    MailRules { split, require_auth_results, auth_results_by }
}

pub(super) fn polling(s: &Section<'_>) -> PollingConfig {
    PollingConfig {
        fetches_max: s.count("fetches_max", 1..=1024),
        fetches_per_host_max: s.count("fetches_per_host_max", 1..=64),
        host_spacing: s.duration("host_spacing", Duration::ZERO..=HOUR),
        spacing_scope: s.choice("spacing_scope", &[("host", SpacingScope::Host), ("feed", SpacingScope::Feed)]),
        pages_per_hour_max: s.count("pages_per_hour_max", 1..=100_000),
        pages_per_feed_max: s.count("pages_per_feed_max", 1..=100_000),
        interval_floor: s.duration("interval_floor", SECOND..=DAY),
        interval_ceiling: s.duration("interval_ceiling", MINUTE..=30 * DAY),
        start_spread: s.duration("start_spread", Duration::ZERO..=DAY),
        connect_timeout: s.duration("connect_timeout", 100 * MILLI..=5 * MINUTE),
        idle_timeout: s.duration("idle_timeout", 100 * MILLI..=10 * MINUTE),
        total_timeout: s.duration("total_timeout", 100 * MILLI..=HOUR),
        redirects_max: s.count("redirects_max", 0..=20),
        wire_bytes_max: s.bytes("wire_max", KIB..=GIB) as usize,
        header_bytes_max: s.bytes("header_max", KIB..=16 * MIB) as usize,
        user_agent: user_agent(s),
        ca_file: s.file("ca_file"),
        proxy: s.get("proxy", |found| {
            let url = found.url()?;
            if url.username().is_empty() && url.password().is_none() {
                return Ok(url);
            }
            Err(Fault::new(ProblemKind::Secret, "must not hold credentials", "user and password in the address"))
        }),
    }
}

const MILLI: Duration = Duration::from_millis(1);

fn user_agent(s: &Section<'_>) -> String {
    let sendable =
        |text: &str| !text.is_empty() && text.len() <= 256 && text.bytes().all(|b| (b' '..=b'~').contains(&b));
    let read = s.get("user_agent", |found| {
        let text = found.text()?.replace("{version}", env!("CARGO_PKG_VERSION"));
        if sendable(&text) {
            return Ok(text);
        }
        Err(Fault::new(ProblemKind::Value, "must be 1 to 256 printable ASCII characters", "cannot be sent in a header"))
    });
    read.unwrap_or_default()
}

pub(super) fn limits(s: &Section<'_>) -> Limits {
    Limits {
        decoded_bytes_max: s.bytes("document_max", KIB..=GIB) as usize,
        items_max: s.count("items_max", 1..=100_000),
        depth_max: s.count("depth_max", 8..=1024),
        attributes_max: s.count("attributes_max", 16..=100_000),
        item_text_bytes_max: s.bytes("item_max", KIB..=64 * MIB) as usize,
        parse_time_max: s.duration("parse_time_max", 100 * MILLI..=5 * MINUTE),
    }
}

pub(super) fn normalize(daemon: &Section<'_>, limits: &Section<'_>) -> NormalizeRules {
    NormalizeRules {
        lang_default: daemon.get("lang", Found::lang),
        text_bytes_max: limits.bytes("text_max", KIB..=16 * MIB) as usize,
        outlets: BTreeMap::new(),
    }
}

pub(super) fn memory(s: &Section<'_>) -> MemoryConfig {
    MemoryConfig {
        copies_window: s.duration("copies_window", MINUTE..=366 * DAY),
        story_window: s.duration("story_window", MINUTE..=366 * DAY),
        story_span: s.duration("story_span", HOUR..=366 * DAY),
        bytes_max: s.bytes("bytes_max", MIB..=64 * GIB) as usize,
        languages: s.choice(
            "languages",
            &[("apart", Languages::Apart), ("related", Languages::Related), ("together", Languages::Together)],
        ),
    }
}

pub(super) fn retention(s: &Section<'_>) -> RetentionConfig {
    let age = |key| s.duration_or(key, "forever", HOUR..=36_500 * DAY);
    let read = RetentionConfig {
        texts: age("texts"),
        items: age("items"),
        keys: age("keys"),
        deliveries: age("deliveries"),
        changes: age("changes"),
    };
    // A text without its item, or an item without its key, would be of no use.
    for (short, long, [short_key, long_key]) in
        [(read.texts, read.items, ["texts", "items"]), (read.items, read.keys, ["items", "keys"])]
    {
        if short.unwrap_or(Duration::MAX) > long.unwrap_or(Duration::MAX)
            && let Some(place) = s.written(short_key).or_else(|| s.written(long_key))
        {
            let fault = Fault::new(ProblemKind::Range, format!("must not be longer than `{long_key}`"), "kept longer");
            s.fault(short_key, &place, fault);
        }
    }
    read
}

pub(super) fn http(s: &Section<'_>) -> HttpConfig {
    let mut read = HttpConfig {
        listen: s
            .get("listen", |found| match found.text()? {
                "off" => Ok(None),
                text => text.parse::<SocketAddr>().map(Some).map_err(|_| {
                    let must = "must be an address and port such as \"127.0.0.1:7411\", or \"off\"";
                    Fault::new(ProblemKind::Value, must, "not an address and port")
                }),
            })
            .flatten(),
        token_file: s.secret_file("token_file"),
        read_token_file: s.secret_file("read_token_file"),
        users_file: s.users_file("users_file"),
        proxy_user_header: s.get("proxy_user_header", |found| {
            let name = found.text()?.to_ascii_lowercase();
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
            // What a browser sends by itself says nothing about who sends it.
            let taken = ["authorization", "cookie", "host", "origin", "accept", "user-agent"];
            if name.is_empty() || !name.chars().all(fits) || taken.contains(&name.as_str()) {
                return Err(Fault::new(ProblemKind::Value, "must be the name of a header", "no name for this").hint(
                    "such as \"x-forwarded-user\": the one that your proxy sets, and takes out of what comes in",
                ));
            }
            Ok(name)
        }),
        proxy_from: s.list("proxy_from", Found::cidr),
        hosts: s.list("hosts", |found| found.text().map(str::to_ascii_lowercase)),
        public_url: None,
    };
    let public = s.get("public_url", |found| {
        let url = found.url()?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.path() == "/";
        if plain && matches!(url.scheme(), "http" | "https") {
            return Ok(url);
        }
        let fault = Fault::new(ProblemKind::Value, "must be the root of a host", "more than scheme, host and port");
        Err(fault.hint("such as \"https://watch.example.org\""))
    });
    if let Some(url) = public {
        // Whoever follows such a link comes under that name.
        read.hosts.extend(url.host_str().map(str::to_ascii_lowercase));
        read.public_url = Some(url.as_str().trim_end_matches('/').to_owned());
    }
    if let Some(listen) = read.listen
        && !listen.ip().to_canonical().is_loopback()
        && ["token_file", "users_file", "proxy_user_header"].iter().all(|key| s.written(key).is_none())
        && let Some(place) = s.written("listen")
    {
        let fault = Fault::new(ProblemKind::Missing, "needs `token_file`", "reachable from other machines")
            .hint("set token_file, users_file or proxy_user_header, or listen on 127.0.0.1");
        s.fault("listen", &place, fault);
    }
    if read.proxy_user_header.is_some() == read.proxy_from.is_empty()
        && let Some((key, place)) =
            ["proxy_user_header", "proxy_from"].iter().find_map(|key| Some((*key, s.written(key)?)))
    {
        let other = if key == "proxy_from" { "proxy_user_header" } else { "proxy_from" };
        let fault = Fault::new(ProblemKind::Missing, format!("needs `{other}`"), "means nothing without")
            .hint("the header that says who asks is believed from these addresses only");
        s.fault(key, &place, fault);
    }
    read
}

pub(super) fn alerts(s: &Section<'_>) -> AlertConfig {
    let choices = [("never", OnRevision::Never), ("new-topic", OnRevision::NewTopic), ("title", OnRevision::Title)];
    let growth = s.list("growth", |found| match found.integer()? {
        step @ 2..=100_000 => Ok(step as usize),
        _ => Err(Fault::new(ProblemKind::Range, "is out of range", "not 2 to 100000")
            .hint("counts of outlets, the first alert being the first outlet")),
    });
    if !growth.is_sorted_by(|a, b| a < b)
        && let Some(place) = s.written("growth")
    {
        s.fault("growth", &place, Fault::new(ProblemKind::Value, "must rise", "not in rising order"));
    }
    let developments = [("alert", Developments::Alert), ("digest", Developments::Digest), ("off", Developments::Off)];
    AlertConfig {
        growth,
        on_revision: s.choice("on_revision", &choices),
        developments: s.choice("developments", &developments),
        development_pause: s.duration("development_pause", Duration::ZERO..=7 * DAY),
        commentary: s.choice("commentary", &[("off", Commentary::Off), ("alert", Commentary::Alert)]),
        round_ups: s.choice("round_ups", &[("alone", RoundUps::Alone), ("withheld", RoundUps::Withheld)]),
        round_up_wait: s.duration("round_up_wait", Duration::ZERO..=DAY),
        age_max: s.duration_or("age_max", "off", HOUR..=3660 * DAY),
        health: health(s),
    }
}

fn health(s: &Section<'_>) -> HealthRules {
    HealthRules {
        failing_weighted: (s.number("failing_failures", 0.25..=10_000.0) * 100.0) as u32,
        failing_after: s.duration("failing_after", MINUTE..=366 * DAY),
        silent_periods: Some(s.number("silent_periods", 0.0..=1000.0)).filter(|&periods| periods > 0.0),
    }
}

pub(super) fn delivery(s: &Section<'_>) -> DeliveryConfig {
    let schedule = s.list("schedule", |found| found.duration(&(Duration::ZERO..=30 * DAY)));
    if !(1..=100).contains(&schedule.len())
        && let Some(place) = s.written("schedule")
    {
        s.fault("schedule", &place, Fault::new(ProblemKind::Range, "must have 1 to 100 waits", "not so many"));
    }
    DeliveryConfig {
        schedule,
        jitter: s.number("jitter", 0.0..=0.5),
        connect_timeout: s.duration("connect_timeout", 100 * MILLI..=5 * MINUTE),
        user_agent: user_agent(s),
        disable_after: s.duration("disable_after", HOUR..=30 * DAY),
        operations: s.list("operations", |found| found.id(EndpointId::new)),
    }
}

/// Warns about a directory that is not there: it may come later, so it is no error.
pub(super) fn warn_missing_dir(s: &Section<'_>, seeds: &SeedConfig) {
    let (Some(dir), Some(place)) = (&seeds.dir, s.written("dir")) else { return };
    if !dir.is_dir() {
        let problem = Problem::new(ProblemKind::File, format!("the seed directory {} is not there", dir.display()))
            .at(place, "watched as soon as it is")
            .key("seeds.dir")
            .warning();
        s.reader.problem(problem);
    }
}

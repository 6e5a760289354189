//! TOML files to one checked [`Config`]: `files` reads and parses, `reader`, `section` and `found`
//! are the cursor that collects every problem, `settings`, `entries` and `topics` know the keys,
//! `problem` shows what is wrong and where.
//! Nothing here starts, opens or compiles anything; `app` does, with the structs of the stages.

mod check;
mod diff;
mod edit;
mod embedded;
mod endpoints;
mod entries;
mod fetching;
mod files;
mod found;
mod init;
mod pattern;
mod places;
mod problem;
mod pushes;
mod reader;
mod reload_record;
mod scaffold;
mod section;
mod services;
mod settings;
mod span;
mod store;
mod topic_text;
mod topics;
mod users;
mod value;
mod websub;

#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod report_tests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use check::{QueryProblem, TestRun, check};
pub use diff::{ConfigDiff, ListDiff, diff};
pub use edit::{EditError, FeedEdit, NewFeed, edit_feeds};
pub use entries::{SilenceConfig, TestCase};
pub use files::ConfigPlace;
pub use init::{InitError, Initialised, init};
pub use problem::{FileId, Look, Place, Problem, ProblemKind, Report, Severity};
pub use reload_record::{RELOAD_FILE, ReloadRecord, last_reload};
pub use scaffold::{ScaffoldError, Scaffolded, scaffold};
pub use section::is_language;
pub use settings::{AlertConfig, DaemonConfig, HttpConfig, LogFormat, RetentionConfig};
pub use store::{NodeConfig, StoreConfig};
pub use topic_text::{read_topic_text, topic_text};
pub use topics::QueryKey;
pub use users::{
    PASSWORD_BYTES_MAX, PASSWORD_CHARACTERS_MIN, PasswordHash, USERS_BYTES_MAX, UserEntry, UserRole, UsersFault,
    is_user_name, read_users,
};
pub use value::{duration, show_duration, show_size, size_bytes};

use crate::deliver::{DeliveryConfig, EndpointConfig};
use crate::model::ContentHash;
use crate::pipeline::classify::{AliasConfig, TopicConfig};
use crate::pipeline::memory::MemoryConfig;
use crate::pipeline::normalize::NormalizeRules;
use crate::source::Limits;
use crate::source::feed::{FeedConfig, PollingConfig};
use crate::source::push::PushConfig;
use crate::source::seed::SeedConfig;
use crate::source::websub::WebSubConfig;
use crate::store::NodeRole;
use entries::Names;
use files::{Files, SourceFile};
use reader::Reader;
use topics::QueryPlaces;

/// The whole config, checked. Secrets are not in it, only where they are.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[daemon]`.
    pub daemon: DaemonConfig,
    /// `[store]`.
    pub store: StoreConfig,
    /// `[node]`.
    pub node: NodeConfig,
    /// `[seeds]`.
    pub seeds: SeedConfig,
    /// `[polling]`.
    pub polling: PollingConfig,
    /// `[limits]`, of documents.
    pub limits: Limits,
    /// `[limits]`, of what rules see.
    pub normalize: NormalizeRules,
    /// `[memory]`.
    pub memory: MemoryConfig,
    /// `[retention]`.
    pub retention: RetentionConfig,
    /// `[http]`.
    pub http: HttpConfig,
    /// `[websub]`.
    pub websub: WebSubConfig,
    /// `[alerts]`.
    pub alerts: AlertConfig,
    /// `[delivery]`.
    pub delivery: DeliveryConfig,
    /// `[[feeds]]`.
    pub feeds: Vec<Arc<FeedConfig>>,
    /// `[[topics]]` that are enabled.
    pub topics: Vec<TopicConfig>,
    /// `[[aliases]]`.
    pub aliases: Vec<AliasConfig>,
    /// `[[endpoints]]`.
    pub endpoints: Vec<EndpointConfig>,
    /// `[[silences]]`.
    pub silences: Vec<SilenceConfig>,
    /// `[[pushes]]`.
    pub pushes: Vec<PushConfig>,
}

/// What the process finds around it; passed in so that reading a config depends on nothing hidden.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `$STATE_DIRECTORY`: what systemd gives (the first of several).
    pub state_directory: Option<PathBuf>,
    /// `$CREDENTIALS_DIRECTORY`: where systemd puts secrets.
    pub credentials_directory: Option<PathBuf>,
    /// `$XDG_STATE_HOME`.
    pub xdg_state_home: Option<PathBuf>,
    /// `$HOME`.
    pub home: Option<PathBuf>,
}

impl Environment {
    /// Of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let first = |name: &str| {
            let paths = std::env::var(name).ok()?;
            paths.split(':').next().map(PathBuf::from).filter(|path| path.is_absolute())
        };
        Self {
            state_directory: first("STATE_DIRECTORY"),
            credentials_directory: absolute("CREDENTIALS_DIRECTORY"),
            xdg_state_home: absolute("XDG_STATE_HOME"),
            home: absolute("HOME"),
        }
    }

    /// wirewatch's own folder where no config says otherwise: `$XDG_STATE_HOME/wirewatch`,
    /// `~/.local/state/wirewatch`, or below the temporary directory for a user without a home.
    fn local_folder(&self) -> PathBuf {
        let base = self.xdg_state_home.clone().or_else(|| self.home.as_ref().map(|home| home.join(".local/state")));
        base.unwrap_or_else(std::env::temp_dir).join("wirewatch")
    }

    fn state_dir(&self) -> PathBuf {
        self.state_directory.clone().unwrap_or_else(|| self.local_folder().join("state"))
    }
}

/// Where the config is: the file that was asked for, else `./config/wirewatch.toml`, else
/// `/etc/wirewatch/wirewatch.toml`, else the shipped one.
#[must_use]
pub fn locate(asked: Option<&Path>, environment: &Environment) -> ConfigPlace {
    let usual = ["config/wirewatch.toml", "/etc/wirewatch/wirewatch.toml"].map(Path::new);
    match asked.or_else(|| usual.into_iter().find(|path| path.exists())) {
        Some(path) => ConfigPlace::File(path.to_owned()),
        None => ConfigPlace::BuiltIn { folder: environment.local_folder().join("config") },
    }
}

/// The files that make up the config right now, as named; none of the built-in one.
#[must_use]
pub fn files_of(place: &ConfigPlace) -> Vec<PathBuf> {
    Files::read(place).read.into_iter().filter_map(|file| file.path).collect()
}

/// A config that can be used, and what came with it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The config.
    pub config: Config,
    /// Its `[[tests]]`.
    pub tests: Vec<TestCase>,
    /// Warnings; queries and tests add theirs through [`Loaded::query_problem`].
    pub report: Report,
    texts: Vec<String>,
    queries: QueryPlaces,
}

impl Config {
    /// Reads and checks a config.
    ///
    /// # Errors
    /// The report, when it has errors: all of them at once.
    pub fn load(place: &ConfigPlace, environment: &Environment) -> Result<Loaded, Report> {
        let files = Files::read(place);
        let loaded = read(files, environment).0?;
        if loaded.report.is_ok() { Ok(loaded) } else { Err(loaded.report) }
    }

    /// The same with its errors in the report and wrong entries left out, for `check`; `None` where not even the
    /// main file can be read.
    pub(super) fn load_with_problems(place: &ConfigPlace, environment: &Environment) -> Option<Loaded> {
        read(Files::read(place), environment).0.ok()
    }

    /// What can be read of a config that may have errors, wrong entries left out: fit for looking at what a
    /// daemon that keeps to its old rules does, never for running. Nothing where its file cannot be read.
    #[must_use]
    pub fn readable(place: &ConfigPlace, environment: &Environment) -> Option<Config> {
        let Files { read: files, .. } = Files::read(place);
        if files.len() < 2 {
            return None;
        }
        let roots: Vec<_> = files.iter().map(SourceFile::table).collect();
        let reader = Reader::new(&files, &roots);
        let (config, _) = read_all(&reader, environment, &mut QueryPlaces::new());
        Some(config)
    }

    /// The shipped config, as if it stood in the local state folder.
    ///
    /// # Errors
    /// As for [`Config::load`]; a test keeps this from happening.
    pub fn embedded(environment: &Environment) -> Result<Loaded, Report> {
        let folder = environment.local_folder().join("config");
        Self::load(&ConfigPlace::BuiltIn { folder }, environment)
    }

    /// A hash of what the config means: comments, order and the split into files do not change it.
    #[must_use]
    pub fn fingerprint(&self) -> ContentHash {
        let mut same = self.clone();
        same.feeds.sort_by(|a, b| a.id.cmp(&b.id));
        same.topics.sort_by(|a, b| a.id.cmp(&b.id));
        same.aliases.sort_by(|a, b| a.name.cmp(&b.name));
        same.endpoints.sort_by(|a, b| a.id.cmp(&b.id));
        same.silences.sort_by(|a, b| a.id.cmp(&b.id));
        same.pushes.sort_by(|a, b| a.id.cmp(&b.id));
        ContentHash::of(&[format!("{same:?}").as_bytes()])
    }
}

impl Loaded {
    /// A compiler's complaint about a query, at its place in the file: `inside` is the byte range in the
    /// query as the compiler saw it.
    #[must_use]
    pub fn query_problem(&self, problem: &QueryProblem) -> Problem {
        let report = Problem::new(ProblemKind::Query, problem.what.clone()).key(problem.key_path());
        let report = if problem.severity == Severity::Warning { report.warning() } else { report };
        let report = match (self.queries.get(&problem.query), self.topic_place(&problem.query)) {
            (Some(written), _) if !matches!(problem.query, QueryKey::Topic(_)) => {
                let text = self.texts.get(written.file.0).map_or("", String::as_str);
                let span = span::in_file(text, written.span.clone(), problem.inside.clone());
                report.at(Place { file: written.file, span }, problem.why.clone())
            }
            (_, Some(topic)) => report.at(topic.clone(), problem.why.clone()),
            _ => report,
        };
        match &problem.hint {
            Some(hint) => report.hint(hint.clone()),
            None => report,
        }
    }
}

impl Loaded {
    /// The entry of the topic a query belongs to.
    fn topic_place(&self, query: &QueryKey) -> Option<&Place> {
        match query {
            QueryKey::Topic(topic)
            | QueryKey::Term(topic, _)
            | QueryKey::Require(topic, _)
            | QueryKey::Exclude(topic, _) => self.queries.get(&QueryKey::Topic(topic.clone())),
            QueryKey::Alias(..) => None,
        }
    }
}

/// Everything that can be read, the problems, and every key that was asked for.
fn read(files: Files, environment: &Environment) -> (Result<Loaded, Report>, BTreeSet<String>) {
    let Files { read: files, mut problems, .. } = files;
    let quoted = || files.iter().map(SourceFile::quoted).collect();
    if files.len() < 2 {
        return (Err(Report::new(quoted(), problems)), BTreeSet::new());
    }
    let roots: Vec<_> = files.iter().map(SourceFile::table).collect();
    let reader = Reader::new(&files, &roots);
    let mut queries = QueryPlaces::new();
    let (config, tests) = read_all(&reader, environment, &mut queries);
    let (found, keys) = reader.finish();
    drop(roots);
    // What is missing from a file that is not TOML may stand in the part that was not understood.
    let damaged = files.iter().any(|file| file.damaged);
    let sound = |problem: &Problem| match &problem.place {
        _ if damaged && problem.kind == ProblemKind::Reference => false,
        Some(place) => !files[place.file.0].damaged,
        None => !damaged,
    };
    problems.extend(found.into_iter().filter(sound));
    let report = Report::new(quoted(), problems);
    let texts = files.into_iter().map(|file| file.text).collect();
    (Ok(Loaded { config, tests, report, texts, queries }), keys)
}

fn read_all(reader: &Reader<'_>, environment: &Environment, queries: &mut QueryPlaces) -> (Config, Vec<TestCase>) {
    let [daemon, stored, node, seeds, polling, limits, memory, retention, http, websub, alerts, delivery] = [
        "daemon",
        "store",
        "node",
        "seeds",
        "polling",
        "limits",
        "memory",
        "retention",
        "http",
        "websub",
        "alerts",
        "delivery",
    ]
    .map(|name| reader.section(name));
    let polled = settings::polling(&polling);
    let mut seeded = settings::seeds(&seeds);
    settings::warn_missing_dir(&seeds, &seeded);
    let feeds = entries::feeds(reader, &polled);
    let mut names = Names {
        topics: BTreeSet::new(),
        enabled: BTreeMap::new(),
        sources: feeds.iter().map(|feed| feed.id.clone()).collect(),
    };
    if let Some(feed) = feeds.iter().find(|feed| feed.id == seeded.id) {
        let what = format!("feed `{}` has the name of the seed directory", feed.id);
        reader.problem(Problem::new(ProblemKind::Duplicate, what).key("seeds.id").hint("give either another id"));
    }
    names.sources.insert(seeded.id.clone());
    let pushes = pushes::pushes(reader);
    for push in &pushes {
        if !names.sources.insert(push.id.clone()) {
            let what = format!("push source `{}` has the name of a feed or of the seed directory", push.id);
            reader.problem(Problem::new(ProblemKind::Duplicate, what).key("pushes.id").hint("give either another id"));
        }
    }
    let topics = topics::topics(reader, &mut names, queries);
    let store = store::store(&stored);
    let node = store::node(&node, &store);
    let mut listens = settings::http(&http);
    // One of several that is not to serve needs no address of its own.
    listens.listen = listens.listen.filter(|_| node.has(NodeRole::Serve));
    // Nor has one that is not to fetch a seed directory.
    seeded.dir = seeded.dir.filter(|_| node.has(NodeRole::Fetch));
    let config = Config {
        daemon: settings::daemon(&daemon, &limits, &environment.state_dir()),
        node,
        store,
        limits: settings::limits(&limits),
        normalize: NormalizeRules { outlets: entries::outlets(&feeds), ..settings::normalize(&daemon, &limits) },
        memory: settings::memory(&memory),
        retention: settings::retention(&retention),
        websub: websub::websub(&websub, &listens),
        http: listens,
        alerts: settings::alerts(&alerts),
        delivery: settings::delivery(&delivery),
        aliases: topics::aliases(reader, queries),
        endpoints: endpoints::endpoints(reader, &names),
        silences: entries::silences(reader, &names),
        seeds: seeded,
        polling: polled,
        feeds,
        topics,
        pushes,
    };
    let tests = entries::tests(reader, &names);
    check_credentials(reader, &config.endpoints, environment);
    endpoints::check_operations(reader, &config);
    warn_idle(reader, &config);
    for section in [daemon, seeds, polling, limits, memory, retention, http, websub, alerts, delivery] {
        section.finish();
    }
    (config, tests)
}

/// A credential can only be looked for inside the service, and there by its main process alone: a reload's own
/// command has the variable, but may not read the folder.
fn check_credentials(reader: &Reader<'_>, endpoints: &[EndpointConfig], environment: &Environment) {
    for endpoint in endpoints {
        let Some(name) = &endpoint.secret_credential else { continue };
        let found = environment.credentials_directory.as_ref().map(|folder| std::fs::metadata(folder.join(name)));
        let missing = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
        let problem = match found {
            Some(Ok(found)) if found.is_file() => continue,
            Some(Err(error)) if missing(&error) => Problem::new(
                ProblemKind::Secret,
                format!("endpoint `{}`: the service was given no credential `{name}`", endpoint.id),
            )
            .hint(format!("add LoadCredential={name}:/etc/wirewatch/secrets/{name} to the unit")),
            _ => Problem::new(
                ProblemKind::Secret,
                format!(
                    "endpoint `{}`: credential `{name}` was not checked, only the service itself can read it",
                    endpoint.id
                ),
            )
            .warning(),
        };
        reader.problem(problem.key(format!("endpoints.{}.secret_credential", endpoint.id)));
    }
}

/// A config that can never alert is valid, and hardly meant.
fn warn_idle(reader: &Reader<'_>, config: &Config) {
    let idle = [
        (
            config.feeds.iter().all(|feed| !feed.enabled) && config.seeds.dir.is_none() && config.pushes.is_empty(),
            "nothing is watched: no feed, no seed directory",
        ),
        (config.topics.is_empty(), "no topic: nothing will ever match"),
        (config.endpoints.iter().all(|endpoint| !endpoint.enabled), "no endpoint: alerts are stored but go nowhere"),
    ];
    for (_, what) in idle.into_iter().filter(|(holds, _)| *holds) {
        reader.problem(Problem::new(ProblemKind::Missing, what).warning());
    }
    for endpoint in config.endpoints.iter().filter(|endpoint| endpoint.enabled) {
        let taken =
            config.topics.iter().filter(|topic| endpoint.topics.is_empty() || endpoint.topics.contains(&topic.id));
        let reach = taken.map(TopicConfig::severity_max).max();
        if reach.is_some_and(|reach| reach < endpoint.severity_min) {
            let (id, least) = (&endpoint.id, endpoint.severity_min.as_str());
            let what = format!("endpoint `{id}` takes only {least}, and no topic that it takes can become that");
            let hint = "severity_bands of a topic, or `severity` of one of its terms, say what is as loud";
            let problem = Problem::new(ProblemKind::Value, what).key(format!("endpoints.{id}.severity_min"));
            reader.problem(problem.hint(hint).warning());
        }
    }
}

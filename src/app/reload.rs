//! A reload: load → check everything → compile → diff, all beside the running stages; then one swap that
//! cannot fail. Whole or not at all (promise P7): what is refused leaves every old rule in place.

use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use super::departed::{DepartedEndpoint, Departures, losses};
use super::start::App;
use super::{compile, hubs, silences};
use crate::config::{self, Config, ConfigDiff, ConfigPlace, Environment, Loaded, RELOAD_FILE, ReloadRecord, Report};
use crate::deliver::DeliveryRules;
use crate::model::{FeedState, Timestamp};
use crate::net::Client;
use crate::pipeline::Rules;
use crate::source::feed::polling::rules::{self, PollRules};
use crate::store::Store;
use crate::text::clean;

/// Between two readings of the config: a file that is still being written differs by then.
const SETTLE: Duration = Duration::from_millis(250);

/// Pauses before a config that would take much away is read once more: ten seconds.
const LOSSES_PAUSES: usize = 40;

/// Readings until a config that keeps changing is refused.
const READINGS_MAX: usize = 12;

/// Problems kept in a record.
const PROBLEMS_MAX: usize = 20;

/// Why a reload was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadRefusal {
    /// In one sentence.
    pub summary: String,
    /// Every problem, one line each.
    pub problems: Vec<String>,
}

/// A new config, wholly checked, ready to be swapped in.
pub struct ReloadCandidate {
    /// What looks wrong though it works, one line each.
    warnings: Vec<String>,
    pub(super) config: Config,
    pub(super) diff: ConfigDiff,
    pub(super) rules: Arc<Rules>,
    client: Client,
    states: Vec<FeedState>,
    departures: Departures,
}

/// What a reload is prepared from; independent of the running stages.
pub(super) struct ReloadBase {
    pub(super) place: ConfigPlace,
    pub(super) environment: Environment,
    pub(super) config: Arc<Config>,
    pub(super) rules: Arc<Rules>,
    pub(super) client: Client,
    pub(super) store: Store,
    pub(super) departed: Vec<DepartedEndpoint>,
    pub(super) now: Timestamp,
}

/// Does everything that can fail. Blocks for a moment: keep it off the runtime's threads.
///
/// # Errors
/// [`ReloadRefusal`]; nothing has changed then.
pub(super) fn prepare(base: &ReloadBase) -> Result<ReloadCandidate, ReloadRefusal> {
    prepare_after(base, || std::thread::sleep(SETTLE))
}

/// The same with a pause of its own between two readings.
pub(super) fn prepare_after(base: &ReloadBase, mut pause: impl FnMut()) -> Result<ReloadCandidate, ReloadRefusal> {
    let (mut loaded, losses) = settled_whole(base, &mut pause)?;
    let diff = config::diff(&base.config, &loaded.config);
    let departures = Departures::of(&base.departed, &base.config, &loaded.config, base.now);
    // Compiling and looking for what is odd is most of a reload's work, and polls wait for a processor meanwhile.
    let rules = if keeps_rules(&diff, &loaded.config) && !departures.changes_routes() {
        base.rules.clone()
    } else {
        match compile::rules(&loaded.config) {
            Ok(mut rules) => {
                silences::date(&mut rules.alert.silences, &loaded.config, &base.store, base.now)
                    .map_err(|error| refuse(error.to_string(), Vec::new()))?;
                loaded.add_query_problems(&compile::warnings(&rules, &loaded.config));
                departures.add_routes(&mut rules);
                Arc::new(rules)
            }
            Err(problems) => {
                loaded.add_query_problems(&problems);
                return Err(refused(&loaded.report));
            }
        }
    };
    loaded.run_tests(|test| compile::tried(&rules, test));
    if !loaded.report.is_ok() {
        return Err(refused(&loaded.report));
    }
    if !diff.restart_only.is_empty() {
        let names = diff.restart_only.iter().map(|name| format!("`{name}` changed")).collect();
        return Err(refuse(format!("only a restart can change {}", diff.restart_only.join(", ")), names));
    }
    let client = if base.config.polling == loaded.config.polling {
        base.client.clone()
    } else {
        rules::client(&loaded.config.polling).map_err(|error| refuse(error.to_string(), Vec::new()))?
    };
    let states = base.store.feed_states().map_err(|error| refuse(error.to_string(), Vec::new()))?;
    let mut warnings = loaded.report.lines();
    warnings.extend(losses);
    Ok(ReloadCandidate { warnings, config: loaded.config, diff, rules, client, states, departures })
}

/// Whether the rules that run are those of this config. Learned scores lie outside of it, and may be new.
fn keeps_rules(diff: &ConfigDiff, config: &Config) -> bool {
    !diff.rules_changed() && config.topics.iter().all(|topic| topic.model_weight.is_none())
}

fn read(place: &ConfigPlace, environment: &Environment) -> Result<Loaded, ReloadRefusal> {
    Config::load(place, environment).map_err(|report| refused(&report))
}

/// A config that would take much away is read once more after a while: it may be half of one, and happen to be valid.
/// Also gives what it takes away.
fn settled_whole(base: &ReloadBase, mut pause: impl FnMut()) -> Result<(Loaded, Vec<String>), ReloadRefusal> {
    let mut loaded = settled(|| read(&base.place, &base.environment), &mut pause)?;
    for _ in 0..READINGS_MAX {
        let losses = losses(&base.config, &loaded.config, &base.store);
        if losses.is_empty() {
            break;
        }
        for loss in &losses {
            warn!(%loss, "config is read once more before it is taken");
        }
        (0..LOSSES_PAUSES).for_each(|_| pause());
        let again = settled(|| read(&base.place, &base.environment), &mut pause)?;
        let stays = again.config.fingerprint() == loaded.config.fingerprint();
        loaded = again;
        if stays {
            return Ok((loaded, losses));
        }
    }
    Ok((loaded, Vec::new()))
}

/// Reads until two readings in a row mean the same: a half-written file is not taken even where its
/// half happens to be valid.
fn settled(read: impl Fn() -> Result<Loaded, ReloadRefusal>, mut pause: impl FnMut()) -> Result<Loaded, ReloadRefusal> {
    let mut last = read()?;
    for _ in 0..READINGS_MAX {
        pause();
        let next = read()?;
        if next.config.fingerprint() == last.config.fingerprint() {
            return Ok(next);
        }
        last = next;
    }
    Err(refuse("it kept changing while it was read; reload again when it is written".to_owned(), Vec::new()))
}

fn refused(report: &Report) -> ReloadRefusal {
    refuse(format!("it has {}", report.summary()), report.lines())
}

fn refuse(summary: String, problems: Vec<String>) -> ReloadRefusal {
    ReloadRefusal { summary, problems }
}

impl App {
    /// Prepares a reload from this config beside everything that runs.
    pub fn begin_reload(
        &self,
        place: &ConfigPlace,
        environment: &Environment,
    ) -> tokio::task::JoinHandle<Result<ReloadCandidate, ReloadRefusal>> {
        let base = ReloadBase {
            place: place.clone(),
            environment: environment.clone(),
            config: self.live.config.clone(),
            rules: self.live.rules.borrow().clone(),
            client: self.live.client.clone(),
            store: self.store.clone(),
            departed: self.live.departed.clone(),
            now: self.now(),
        };
        tokio::task::spawn_blocking(move || prepare(&base))
    }

    /// Swaps the new rules in, or keeps the old ones and says so; records what came of it either way.
    pub fn finish_reload(
        &mut self,
        begun: Timestamp,
        prepared: Result<ReloadCandidate, ReloadRefusal>,
    ) -> ReloadRecord {
        let (taken, summary, problems) = match prepared {
            Ok(candidate) => {
                let summary = changes(&candidate.diff);
                for problem in &candidate.warnings {
                    warn!(problem = %clean::one_line(problem), "config warning");
                }
                self.adopt(candidate);
                self.store.set_rules(&self.live.config.rules_fingerprint());
                info!(changes = summary, "config reloaded");
                (true, summary, Vec::new())
            }
            Err(refusal) => {
                let first = refusal.problems.first().map(|p| clean::excerpt(p, 300)).unwrap_or_default();
                error!(reason = %refusal.summary, first, problems = refusal.problems.len(), "reload refused, the old rules stay");
                let problems = refusal.problems.iter().take(PROBLEMS_MAX).map(|p| clean::excerpt(p, 500)).collect();
                (false, refusal.summary, problems)
            }
        };
        let fingerprint = self.live.config.fingerprint().to_string();
        let record = ReloadRecord { begun_ms: begun.millis(), taken, summary, problems, fingerprint };
        self.live.reload.send_replace(Some(record.clone()));
        let path = self.live.config.daemon.state_dir.join(RELOAD_FILE);
        if let Err(error) = record.write(&path) {
            error!(%error, path = %path.display(), "the result of a reload could not be written");
        }
        record
    }

    /// The swap: every stage follows a channel; none of them can refuse.
    fn adopt(&mut self, candidate: ReloadCandidate) {
        let ReloadCandidate { config, rules, client, states, departures, .. } = candidate;
        // Before delivery hears of the endpoints: what it finds parked then stays so.
        departures.settle(&self.store, self.live.clock.now());
        if let Err(error) = departures.note(&self.store, &config) {
            error!(%error, "which endpoints there are could not be noted: a restart will not know of those that are gone");
        }
        let live = &mut self.live;
        live.departed = departures.gone;
        if !Arc::ptr_eq(&live.rules.borrow(), &rules) {
            live.rules.send_replace(rules);
        }
        let delivery = DeliveryRules { config: config.delivery.clone(), endpoints: config.endpoints.clone() };
        if **live.delivery_rules.borrow() != delivery {
            live.delivery_rules.send_replace(Arc::new(delivery));
        }
        live.hub_rules.send_replace(Arc::new(hubs::rules(&config, client.clone())));
        // Always: an operator may have enabled a feed, or want it polled now, and says so in the store. Feeds
        // that stay as they were notice nothing else of it.
        live.polling.put(PollRules {
            feeds: config.feeds.clone(),
            polling: config.polling.clone(),
            limits: config.limits,
            client: client.clone(),
            states,
        });
        live.client = client;
        let seeds_changed = live.config.seeds != config.seeds || live.config.limits != config.limits;
        live.config = Arc::new(config);
        live.config_told.send_replace(live.config.clone());
        if seeds_changed {
            self.replace_watcher();
        }
    }
}

/// What changed, as a sentence.
fn changes(diff: &ConfigDiff) -> String {
    fn list<Id: std::fmt::Display>(what: &str, diff: &config::ListDiff<Id>) -> Option<String> {
        let part = |verb: &str, ids: &[Id]| {
            let shown: Vec<String> = ids.iter().take(5).map(ToString::to_string).collect();
            let more = if ids.len() > 5 { format!(" and {} more", ids.len() - 5) } else { String::new() };
            (!ids.is_empty()).then(|| format!("{verb} {}{more}", shown.join(", ")))
        };
        let parts: Vec<String> =
            [part("added", &diff.added), part("removed", &diff.removed), part("changed", &diff.changed)]
                .into_iter()
                .flatten()
                .collect();
        (!parts.is_empty()).then(|| format!("{what}: {}", parts.join(", ")))
    }
    let sections = (!diff.sections.is_empty()).then(|| format!("sections: {}", diff.sections.join(", ")));
    let parts: Vec<String> = [
        list("feeds", &diff.feeds),
        list("topics", &diff.topics),
        list("aliases", &diff.aliases),
        list("endpoints", &diff.endpoints),
        list("silences", &diff.silences),
        list("pushes", &diff.pushes),
        sections,
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() { "nothing changed".to_owned() } else { parts.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Access;

    const CONFIG: &str = "[daemon]\nstate_dir = \"state\"\n[[feeds]]\nid = \"a\"\nurl = \"https://a.example/\"\n\
                          [[topics]]\nid = \"t\"\nterms = [{ match = \"@port\" }]\n\
                          [[aliases]]\nname = \"port\"\nforms = [\"harbour\"]\n";

    /// What runs by the config in a file.
    fn base(dir: &tempfile::TempDir, place: ConfigPlace) -> ReloadBase {
        let environment = Environment::default();
        let config = Config::load(&place, &environment).expect("valid").config;
        ReloadBase {
            rules: Arc::new(compile::rules(&config).expect("compiles")),
            client: rules::client(&config.polling).expect("a client"),
            store: Store::open(&dir.path().join("state"), Access::Own).expect("opens"),
            departed: Vec::new(),
            now: Timestamp::default(),
            config: Arc::new(config),
            place,
            environment,
        }
    }

    #[test]
    fn reload_compiles_rules_anew_only_where_they_changed() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("wirewatch.toml");
        let place = ConfigPlace::File(file.clone());
        std::fs::write(&file, CONFIG).expect("written");
        let base = base(&dir, place);
        for (from, to, kept) in [
            ("", "", true),
            ("[daemon]", "# a remark\n[daemon]\nlog = \"debug\"", true),
            ("https://a.example/", "https://b.example/", true),
            ("harbour", "quay", false),
            ("match = ", "weight = 2.0, match = ", false),
            ("[daemon]", "[limits]\ntext_max = \"32KiB\"\n[daemon]", false),
            ("[daemon]", "[alerts]\ngrowth = [5]\n[daemon]", false),
            ("[[topics]]", "[[silences]]\nid = \"quiet\"\ntext = \"drill\"\n[[topics]]", false),
            ("[[topics]]", "[[endpoints]]\nid = \"more\"\nformat = \"console\"\n[[topics]]", false),
        ] {
            std::fs::write(&file, CONFIG.replacen(from, to, 1)).expect("written");
            let candidate = prepare(&base).map_err(|refusal| refusal.problems).expect("taken");
            assert_eq!(Arc::ptr_eq(&candidate.rules, &base.rules), kept, "{to}");
        }
        // Tests of the config are run against rules that stay as well.
        std::fs::write(&file, format!("{CONFIG}[[tests]]\ntitle = \"quiet\"\ntopics = [\"t\"]\n")).expect("written");
        assert!(prepare(&base).is_err_and(|refusal| refusal.summary.contains("1 error")));
    }

    #[test]
    fn reload_that_takes_much_away_is_read_twice_and_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("wirewatch.toml");
        let place = ConfigPlace::File(file.clone());
        let feed = |n: u32| format!("[[feeds]]\nid = \"f{n}\"\nurl = \"https://f{n}.example/\"\n");
        let console = "[[endpoints]]\nid = \"console\"\nformat = \"console\"\n";
        let text = |feeds: u32| format!("{CONFIG}{console}{}", (0..feeds).map(feed).collect::<String>());
        std::fs::write(&file, text(9)).expect("written");
        let base = base(&dir, place);
        let taken = |pause: &dyn Fn(usize)| {
            let pauses = std::cell::Cell::new(0);
            let candidate = prepare_after(&base, || {
                pauses.set(pauses.get() + 1);
                pause(pauses.get());
            });
            let candidate = candidate.map_err(|refusal| refusal.problems).expect("taken");
            (candidate.config.feeds.len(), candidate.warnings.join("; "), pauses.get())
        };
        // Half of them is an edit.
        std::fs::write(&file, text(4)).expect("written");
        assert_eq!(taken(&|_| ()), (5, String::new(), 1));
        std::fs::write(&file, text(3)).expect("written");
        let (feeds, warnings, pauses) = taken(&|_| ());
        assert_eq!((feeds, pauses), (4, LOSSES_PAUSES + 2));
        assert!(warnings.contains("of 10 feeds 4 are left in the config"), "{warnings}");
        // Half of a config that is being written is not what is taken.
        let whole = |pause| {
            if pause == 20 {
                std::fs::write(&file, text(9)).expect("written");
            }
        };
        let (feeds, warnings, _) = taken(&whole);
        assert_eq!((feeds, warnings.as_str()), (10, ""));
    }
}

//! The lists of the config: feeds, topics, aliases, endpoints, silences, tests. Each entry is read by
//! itself, with the defaults of its list behind it. Names it refers to are looked up in [`Names`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::found::{Fault, Found};
use super::problem::{FileId, Place, Problem, ProblemKind};
use super::reader::Reader;
use super::section::Section;
use super::value::{nearest, show_duration};
use crate::model::{Lang, Outlet, Severity, SourceId, StoryId, Timestamp, TopicId};
use crate::pipeline::alert::SILENCE_LASTS;
use crate::pipeline::normalize::outlet::{FeedOutlet, of_link};
use crate::source::feed::{Backfill, FeedConfig, FetchConfig, FullText, IdentifiedBy, PollingConfig};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// A feed without news is polled so many times more seldom, unless its `interval_max` says otherwise.
const INTERVAL_GROWTH: u32 = 4;
/// Shortest interval of a feed that may be on a private address.
const PRIVATE_INTERVAL_MIN: Duration = Duration::from_millis(100);

pub(super) const SEVERITIES: [(&str, Severity); 4] =
    [("low", Severity::Low), ("medium", Severity::Medium), ("high", Severity::High), ("critical", Severity::Critical)];

/// One `[[silences]]` entry, checked: what fits all that is given is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilenceConfig {
    /// Its name.
    pub id: String,
    /// These topics; empty: any.
    pub topics: Vec<TopicId>,
    /// These sources; empty: any.
    pub sources: Vec<SourceId>,
    /// Words in the title.
    pub text: Option<String>,
    /// This story.
    pub story: Option<StoryId>,
    /// From then on; `None`: at once.
    pub starts: Option<Timestamp>,
    /// Until then; `None`: seven days after it was first read, or `forever`.
    pub ends: Option<Timestamp>,
    /// Until it is taken out of the config.
    pub forever: bool,
    /// Who.
    pub author: Option<String>,
    /// Why.
    pub comment: Option<String>,
}

impl SilenceConfig {
    /// Whether its end follows from when it was first read.
    #[must_use]
    pub fn is_undated(&self) -> bool {
        self.ends.is_none() && !self.forever
    }

    /// What it names, as text: with another it is another silence.
    #[must_use]
    pub fn matchers(&self) -> String {
        let Self { topics, sources, text, story, .. } = self;
        let list = |names: Vec<&str>| names.join(",");
        let topics = list(topics.iter().map(TopicId::as_str).collect());
        let sources = list(sources.iter().map(SourceId::as_str).collect());
        let story = story.map(|story| story.to_string()).unwrap_or_default();
        format!("topics={topics} sources={sources} story={story} text={}", text.as_deref().unwrap_or_default())
    }
}

/// One `[[tests]]` entry: a text and what it must match of the topics it judges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCase {
    /// Title of the item.
    pub title: String,
    /// Its text.
    pub text: String,
    /// Its language, if that matters.
    pub lang: Option<Lang>,
    /// Its source, if that matters.
    pub source: Option<SourceId>,
    /// What must match, of this file's topics and of others.
    pub topics: BTreeSet<TopicId>,
    /// Topics that it says something of: those of its own file and those it names. All others are their own tests' business.
    pub judged: BTreeSet<TopicId>,
    /// Where it stands.
    pub place: Place,
}

/// What entries may refer to.
pub(super) struct Names {
    pub topics: BTreeSet<TopicId>,
    /// Topics that are on, and the file each stands in.
    pub enabled: BTreeMap<TopicId, FileId>,
    pub sources: BTreeSet<SourceId>,
}

impl Names {
    /// A topic of this config.
    pub fn topic(&self, found: &Found<'_>) -> Result<TopicId, Fault> {
        let id = found.id(TopicId::new)?;
        if self.topics.contains(&id) {
            return Ok(id);
        }
        let fault = Fault::new(ProblemKind::Reference, "names a topic that does not exist", "no such topic");
        Err(match nearest(id.as_str(), self.topics.iter().map(TopicId::as_str)) {
            Some(meant) => fault.hint(format!("did you mean \"{meant}\"?")),
            None => fault,
        })
    }

    /// A source, by preference one of this config: pushes and files may bring others, so an unknown one
    /// is only a warning.
    pub fn source(&self, s: &Section<'_>, found: &Found<'_>) -> Result<SourceId, Fault> {
        let id = found.id(SourceId::new)?;
        if !self.sources.contains(&id) {
            let problem = Problem::new(ProblemKind::Reference, format!("no source is called `{id}`"))
                .at(found.place.clone(), "no feed has this id")
                .key(format!("{}.sources", s.path))
                .warning();
            s.reader.problem(match nearest(id.as_str(), self.sources.iter().map(SourceId::as_str)) {
                Some(meant) => problem.hint(format!("did you mean \"{meant}\"?")),
                None => problem,
            });
        }
        Ok(id)
    }
}

/// Keeps the first of several entries with one name, and says so.
pub(super) struct Unique<Id> {
    what: &'static str,
    first: HashMap<Id, Place>,
}

impl<Id: Hash + Eq + std::fmt::Display> Unique<Id> {
    pub fn new(what: &'static str) -> Self {
        Self { what, first: HashMap::new() }
    }

    pub fn take(&mut self, section: &Section<'_>, key: &'static str, id: Id) -> bool {
        let place = section.written(key).unwrap_or_else(|| section.place.clone());
        if let Some(first) = self.first.get(&id) {
            let problem = Problem::new(ProblemKind::Duplicate, format!("{} `{id}` is there twice", self.what))
                .at(place, "second use")
                .key(format!("{}.{key}", section.path))
                .related(first.clone(), "first used here");
            section.reader.problem(problem);
            return false;
        }
        self.first.insert(id, place);
        true
    }
}

const FULL_TEXT: [(&str, FullText); 3] =
    [("off", FullText::Off), ("on", FullText::On), ("if_short", FullText::IfShort)];

/// What a feed can have from `[defaults.feed]`.
struct FeedSettings {
    enabled: bool,
    interval: Duration,
    interval_max: Duration,
    allow_private: Vec<crate::net::Cidr>,
    backfill: Backfill,
    trust: IdentifiedBy,
    ignore_http_cache: bool,
    full_text: FullText,
    lang: Option<Lang>,
    outlet: Option<Outlet>,
    tags: Vec<String>,
    bytes_per_day_max: Option<u64>,
    alerts_per_day_max: Option<u64>,
    websub: bool,
    via: Option<String>,
    fetch: FetchConfig,
}

fn feed_settings(s: &Section<'_>, polling: &PollingConfig) -> FeedSettings {
    let allow_private = s.list("allow_private", Found::cidr);
    // A private address is a test or one's own server: nobody else is bothered.
    let floor = if allow_private.is_empty() { polling.interval_floor } else { PRIVATE_INTERVAL_MIN };
    let interval = s.duration("interval", PRIVATE_INTERVAL_MIN..=30 * DAY);
    if interval < floor
        && let Some(place) = s.written("interval")
    {
        let shown = show_duration(floor);
        let fault = Fault::new(ProblemKind::Range, "is out of range", format!("less than {shown}"))
            .hint("polling.interval_floor is the least, but for feeds with `allow_private`");
        s.fault("interval", &place, fault);
    }
    let interval_max = interval_max(s, interval, allow_private.is_empty());
    FeedSettings {
        enabled: s.flag("enabled"),
        interval,
        interval_max,
        allow_private,
        backfill: s.get("backfill", backfill).unwrap_or(Backfill::None),
        trust: s.choice("trust", &[("guid", IdentifiedBy::Guid), ("link", IdentifiedBy::Link)]),
        ignore_http_cache: s.flag("ignore_http_cache"),
        full_text: s.choice("full_text", &FULL_TEXT),
        lang: s.get("lang", Found::lang),
        outlet: s.get("outlet", outlet),
        tags: s.list("tags", |found| found.text().map(str::to_owned)),
        bytes_per_day_max: s.bytes_or_off("bytes_per_day_max", 64 << 10..=1 << 50),
        alerts_per_day_max: s.count_or_off("alerts_per_day_max", 1..=1_000_000),
        websub: s.choice("websub", &[("auto", true), ("off", false)]),
        via: s.get("via", super::store::region).flatten(),
        fetch: super::fetching::fetching(s),
    }
}

/// Where nobody says, a feed of others is left alone for up to four intervals while it has no news, and
/// one's own server is asked at its interval always.
fn interval_max(s: &Section<'_>, interval: Duration, public: bool) -> Duration {
    let Some(asked) = s.get("interval_max", |found| found.duration(&(PRIVATE_INTERVAL_MIN..=30 * DAY))) else {
        return if public { interval * INTERVAL_GROWTH } else { interval };
    };
    if asked < interval
        && let Some(place) = s.written("interval_max")
    {
        let fault = Fault::new(ProblemKind::Range, "must not be less than `interval`", "less than `interval`");
        s.fault("interval_max", &place, fault);
    }
    asked
}

fn backfill(found: &Found<'_>) -> Result<Backfill, Fault> {
    if found.is_integer() {
        return match found.integer()? {
            0 => Ok(Backfill::None),
            newest @ 1..=100_000 => Ok(Backfill::Newest(newest as usize)),
            _ => Err(Fault::new(ProblemKind::Range, "is out of range", "not 0 to 100000")),
        };
    }
    found.choice(&[("none", Backfill::None), ("all", Backfill::All)]).map_err(|fault| Fault {
        what: "must be \"none\", \"all\", or how many of the newest items alert".to_owned(),
        ..fault
    })
}

fn outlet(found: &Found<'_>) -> Result<Outlet, Fault> {
    Outlet::new(found.text()?).ok_or_else(|| {
        let most = Outlet::CHARS_MAX;
        Fault::new(
            ProblemKind::Value,
            "must be the name of a publisher",
            format!("empty, or more than {most} characters"),
        )
    })
}

/// Whose feeds they are, as far as the config says.
pub(super) fn outlets(feeds: &[Arc<FeedConfig>]) -> BTreeMap<SourceId, FeedOutlet> {
    let known = |feed: &FeedConfig| FeedOutlet { given: feed.outlet.clone(), site: of_link(feed.url.as_str()) };
    feeds.iter().map(|feed| (feed.id.clone(), known(feed))).collect()
}

pub(super) fn feeds(reader: &Reader<'_>, polling: &PollingConfig) -> Vec<Arc<FeedConfig>> {
    let defaults = reader.defaults("feed");
    let _ = feed_settings(&defaults, polling);
    let mut ids = Unique::new("feed");
    let mut urls: HashMap<String, Place> = HashMap::new();
    let mut out = Vec::new();
    for s in reader.entries("feeds", Some(&defaults)) {
        let id = s.required("id", |found| found.id(SourceId::new));
        let url = s.required("url", Found::url);
        let settings = feed_settings(&s, polling);
        let id = id.filter(|id| ids.take(&s, "id", id.clone()));
        if let Some(url) = &url {
            warn_about_url(&s, url, &mut urls);
        }
        if let (Some(id), Some(url)) = (id, url) {
            out.push(Arc::new(FeedConfig {
                id,
                url,
                enabled: settings.enabled,
                interval: settings.interval,
                interval_max: settings.interval_max,
                allow_private: settings.allow_private,
                backfill: settings.backfill,
                trust: settings.trust,
                ignore_http_cache: settings.ignore_http_cache,
                full_text: settings.full_text,
                lang: settings.lang,
                outlet: settings.outlet,
                tags: settings.tags,
                bytes_per_day_max: settings.bytes_per_day_max,
                alerts_per_day_max: settings.alerts_per_day_max,
                websub: settings.websub,
                via: settings.via,
                fetch: settings.fetch,
            }));
        }
        s.finish();
    }
    defaults.finish();
    out
}

/// The same URL under two names counts every item twice: legal, hardly ever meant.
fn warn_about_url(s: &Section<'_>, url: &url::Url, urls: &mut HashMap<String, Place>) {
    let Some(place) = s.written("url") else { return };
    if let Some(first) = urls.get(url.as_str()) {
        let problem = Problem::new(ProblemKind::Duplicate, "two feeds have the same URL")
            .at(place, "this one is polled as well")
            .key(format!("{}.url", s.path))
            .related(first.clone(), "first used here")
            .warning();
        s.reader.problem(problem);
        return;
    }
    urls.insert(url.to_string(), place);
}

pub(super) fn silences(reader: &Reader<'_>, names: &Names) -> Vec<SilenceConfig> {
    let text = |s: &Section<'_>, key| s.get(key, |found| found.text().map(str::to_owned));
    let mut ids = Unique::new("silence");
    let mut out = Vec::new();
    for s in reader.entries("silences", None) {
        let id = s.required("id", |found| found.id(SourceId::new).map(|id| id.as_str().to_owned()));
        let mut silence = SilenceConfig {
            id: id.clone().unwrap_or_default(),
            topics: s.list_or_empty("topics", |found| names.topic(found)),
            sources: s.list_or_empty("sources", |found| names.source(&s, found)),
            text: text(&s, "text").filter(|text| !text.trim().is_empty()),
            story: s.get("story", |found| {
                StoryId::parse(found.text()?)
                    .map_err(|error| Fault::new(ProblemKind::Value, "must be the id of a story", error.to_string()))
            }),
            starts: s.get("starts", Found::time),
            ends: s.get("ends", Found::time),
            forever: s.get("forever", Found::flag).unwrap_or(false),
            author: text(&s, "author"),
            comment: text(&s, "comment"),
        };
        if let (Some(starts), Some(ends), Some(place)) = (silence.starts, silence.ends, s.written("ends"))
            && ends <= starts
        {
            s.fault("ends", &place, Fault::new(ProblemKind::Range, "must be after `starts`", "not after it"));
        }
        if let (true, Some(_), Some(place)) = (silence.forever, silence.ends, s.written("forever")) {
            s.fault("forever", &place, Fault::new(ProblemKind::Value, "contradicts `ends`", "it ends, too"));
        }
        if names_nothing(&silence, &s) {
            matcherless(&s, &silence.id);
        }
        if let (false, None, Some(starts)) = (silence.forever, silence.ends, silence.starts) {
            silence.ends = Some(starts.plus(SILENCE_LASTS));
        }
        if id.is_some_and(|id| ids.take(&s, "id", id)) {
            out.push(silence);
        }
        s.finish();
    }
    out
}

/// Whether nothing is named: no key is there, or a list is empty, or a text blank. A name that is wrong is told of by itself.
fn names_nothing(silence: &SilenceConfig, s: &Section<'_>) -> bool {
    let has_elements = |found: &Found<'_>| Ok(found.value.get_ref().as_array().is_some_and(|list| !list.is_empty()));
    let lists = ["topics", "sources"].into_iter().any(|key| s.get(key, has_elements).unwrap_or(false));
    !lists && silence.text.is_none() && s.written("story").is_none()
}

/// It would keep every alert from everybody: surely not what was meant.
fn matcherless(s: &Section<'_>, id: &str) {
    let mut problem =
        Problem::new(ProblemKind::Missing, format!("silence `{id}` names nothing and would silence everything"))
            .at(s.place.clone(), "no `topics`, `sources`, `text` or `story`")
            .key(s.path.clone());
    problem.hint = Some("name one of them; an endpoint that is to hear nothing has `enabled = false`".to_owned());
    s.reader.problem(problem);
}

pub(super) fn tests(reader: &Reader<'_>, names: &Names) -> Vec<TestCase> {
    let mut out: Vec<TestCase> = Vec::new();
    for s in reader.entries("tests", None) {
        let text = |key| s.get(key, |found| found.text().map(str::to_owned)).unwrap_or_default();
        let test = TestCase {
            title: text("title"),
            text: text("text"),
            lang: s.get("lang", Found::lang),
            source: s.get("source", |found| names.source(&s, found)),
            topics: {
                let _ = s.required("topics", |_| Ok(()));
                let own = s.list_or_empty("topics", |found| names.topic(found));
                own.into_iter().chain(s.list_or_empty("also", |found| names.topic(found))).collect()
            },
            judged: s.list_or_empty("not", |found| names.topic(found)).into_iter().collect(),
            place: s.place.clone(),
        };
        if test.title.trim().is_empty() && test.text.trim().is_empty() {
            let problem = Problem::new(ProblemKind::Missing, "this test has neither `title` nor `text`")
                .at(s.place.clone(), "nothing to match")
                .key(s.path.clone());
            s.reader.problem(problem);
        }
        out.push(test);
        s.finish();
    }
    judge(&mut out, names);
    out
}

/// Each test judges the topics of its file; in a file without any, those that its tests name. A topic that is off is
/// judged by none.
fn judge(tests: &mut [TestCase], names: &Names) {
    let mut own: BTreeMap<FileId, BTreeSet<TopicId>> = BTreeMap::new();
    for (topic, file) in &names.enabled {
        own.entry(*file).or_default().insert(topic.clone());
    }
    let mut named: BTreeMap<FileId, BTreeSet<TopicId>> = BTreeMap::new();
    for test in tests.iter() {
        named.entry(test.place.file).or_default().extend(test.topics.iter().cloned());
    }
    for test in tests {
        let file = test.place.file;
        let of_file = own.get(&file).or_else(|| named.get(&file)).cloned().unwrap_or_default();
        test.judged.extend(of_file.into_iter().chain(test.topics.iter().cloned()));
        test.judged.retain(|topic| names.enabled.contains_key(topic));
        test.topics.retain(|topic| names.enabled.contains_key(topic));
    }
}

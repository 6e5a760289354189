//! A daemon without disk or network for one case: items go through the real readers, the decision and the outbox, and
//! endpoints hear what they would in life.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;
use std::time::Duration;

use wirewatch::app::compile;
use wirewatch::config::{Config, ConfigPlace, Environment};
use wirewatch::eval::outbox::{PretendedOutbox, SentAlert};
use wirewatch::model::{EndpointId, ItemId, Origin, RawItem, Severity, SourceId, SourceKind, Timestamp};
use wirewatch::pipeline::alert::Route;
use wirewatch::pipeline::identity::{self, FiledItem};
use wirewatch::pipeline::{Ledger, Rules, decide, prepare};
use wirewatch::source::Limits;
use wirewatch::source::seed::{self, DEFAULT_MAIL_RULES, FileContext};

type Failure = Box<dyn std::error::Error>;

/// How long an alert waits for more of its story, as for formats that people read.
const GROUP_WAIT: Duration = Duration::from_secs(120);

/// The shipped topics, and those that some cases need beside them.
pub fn config(folder: &Path) -> Result<Config, Failure> {
    let topics = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/topics/*.toml");
    let extra = folder.join("topics-extra.toml");
    let text = format!("include = [\"{}\", \"{}\"]\n", topics.display(), extra.display());
    let own = tempfile::tempdir()?;
    let path = own.path().join("wirewatch.toml");
    std::fs::write(&path, text)?;
    let loaded = Config::load(&ConfigPlace::File(path), &Environment::default());
    Ok(loaded.map_err(|report| format!("{report:?}"))?.config)
}

/// One alert that an endpoint got.
#[derive(Debug, Clone)]
pub struct Heard {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub endpoint: String,
    /// Why.
    pub reason: String,
    /// How loud.
    pub severity: String,
    /// The file of the item that it shows.
    pub file: String,
    /// Its headline.
    pub title: String,
    /// The end of its story's id.
    pub story: String,
    /// What is new in it.
    pub news: Vec<String>,
}

impl Heard {
    /// Whether it is as loud as that.
    pub fn is_at_least(&self, floor: Severity) -> bool {
        Severity::ALL.iter().any(|severity| *severity >= floor && severity.as_str() == self.severity)
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, endpoint, reason, severity, file, title, story, news } = self;
        write!(f, "{at} {endpoint}: {reason}, {severity}, …{story}, {file}: {title}")?;
        if news.is_empty() { Ok(()) } else { write!(f, " [{}]", news.join("; ")) }
    }
}

/// The daemon of one case.
pub struct Town {
    /// The rules, endpoints among them.
    pub rules: Rules,
    /// The memory, silences among them.
    pub ledger: Ledger,
    outbox: PretendedOutbox,
    filed: HashMap<ItemId, FiledItem>,
    files: BTreeMap<String, String>,
    heard: Vec<Heard>,
    now: Option<Timestamp>,
    /// What an article names as its source is the source, as of a feed; in a drop directory it is its outlet.
    pub by_source: bool,
}

impl Town {
    /// With one endpoint that hears everything.
    pub fn new(config: &Config) -> Result<Self, Failure> {
        let mut rules = compile::rules(config).map_err(|problems| format!("{problems:?}"))?;
        rules.alert.routes = vec![endpoint("desk")?];
        Ok(Self {
            rules,
            ledger: Ledger::new("cases", config.memory),
            outbox: PretendedOutbox::default(),
            filed: HashMap::new(),
            files: BTreeMap::new(),
            heard: Vec::new(),
            now: None,
            by_source: false,
        })
    }

    /// An article is dropped; without a time, when it was published.
    pub fn drop(&mut self, path: &Path, file: &str, at: Option<Timestamp>) -> Result<(), Failure> {
        let bytes = std::fs::read(path)?;
        self.drop_bytes(&bytes, file, at)
    }

    /// The same with what the file holds.
    pub fn drop_bytes(&mut self, bytes: &[u8], file: &str, at: Option<Timestamp>) -> Result<(), Failure> {
        let (late, limits, mail) = (Timestamp::from_seconds(4_000_000_000), &Limits::SHIPPED, &DEFAULT_MAIL_RULES);
        let context = FileContext { name: file, modified: late, received: late, limits, mail };
        let document = seed::parse(bytes, &context).map_err(|rejection| rejection.detail)?;
        for raw in &document.items {
            let published = raw.published.map(|published| published.at);
            let next = at.or(published).or(self.now).unwrap_or_default();
            let now = self.now.map_or(next, |now| now.max(next));
            self.now = Some(now);
            self.take(raw, file, now)?;
        }
        Ok(())
    }

    fn take(&mut self, raw: &RawItem, file: &str, now: Timestamp) -> Result<(), Failure> {
        self.send(Some(now));
        let named = raw.publisher.as_deref().filter(|_| self.by_source);
        let source = SourceId::new(named.unwrap_or("seeds"))?;
        let kind = if named.is_some() { SourceKind::Feed } else { SourceKind::Seed };
        let mut prepared =
            prepare(raw, &Origin { source, kind, received: now }, &self.rules).map_err(|rejection| rejection.detail)?;
        let live = !prepared.matches.is_empty() && self.rules.live_headline(&prepared.item.title).is_some();
        let filed = self.filed.get(&prepared.item.id);
        if live && filed.is_some_and(|filed| filed.is_earlier_entry_of(&prepared.item)) {
            identity::rename(&mut prepared.item);
        }
        let (id, headline) = (prepared.item.id, prepared.item.headline().into_owned());
        let before = self.filed.insert(id, FiledItem::of(&prepared.item)).map(|filed| filed.title);
        prepared.headline_before = before.filter(|before| *before != headline);
        self.files.insert(format!("{id}|{headline}"), file.to_owned());
        let decision = decide(prepared, &mut self.ledger, &self.rules, now);
        let ledger = &self.ledger;
        self.outbox.take(&decision.alerts, &decision.refreshed, |story| ledger.resolve(story));
        Ok(())
    }

    fn send(&mut self, now: Option<Timestamp>) {
        for sent in self.outbox.send(now) {
            let heard = self.heard_of(&sent);
            self.heard.push(heard);
        }
    }

    fn heard_of(&self, sent: &SentAlert) -> Heard {
        let data = &sent.payload.data;
        let file = self.files.get(&format!("{}|{}", data.item.id, data.item.title)).cloned().unwrap_or_default();
        Heard {
            at: sent.at,
            endpoint: sent.endpoint.as_str().to_owned(),
            reason: data.alert.reason.clone(),
            severity: data.alert.severity.clone(),
            file,
            title: data.item.title.clone(),
            story: data.story.id.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect(),
            news: data.new.iter().map(|news| format!("{news:?}")).collect(),
        }
    }

    /// What was heard until now.
    pub fn heard(&self) -> &[Heard] {
        &self.heard
    }

    /// Time passes until nothing waits.
    pub fn settle(&mut self) {
        self.send(None);
    }

    /// What was heard in all.
    pub fn end(mut self) -> Vec<Heard> {
        self.settle();
        self.heard
    }
}

/// An endpoint that takes everything, for people.
pub fn endpoint(name: &str) -> Result<Route, Failure> {
    let mut route = Route::everything(EndpointId::new(name)?);
    route.timing.group_wait = GROUP_WAIT;
    Ok(route)
}

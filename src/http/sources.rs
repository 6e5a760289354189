//! What the listener answers from: the verdict, the figures, the store, and who may ask.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;

use super::access::guard::GuardConfig;
use super::look::ReadSources;
use crate::clock::Clock;
use crate::config::Config;
use crate::model::{FeedState, Timestamp, TopicId};
use crate::source::feed::FeedConfig;
use crate::source::push::PushIntake;
use crate::source::websub::HubEntrance;
use crate::store::{NodeRecord, Store, StoreError};
use crate::telemetry::Sample;
use crate::view::FeedReading;

/// What `/readyz` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Everything that should run does.
    pub ready: bool,
    /// Why not, in words.
    pub reasons: Vec<String>,
    /// What an operator should look at, though news is taken and alerts go out.
    pub warnings: Vec<String>,
    /// The page, the API and pushes are answered here, by whichever process decides.
    pub serves: bool,
    /// The processes that share the store, where several do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeRecord>,
}

impl Readiness {
    /// All is well.
    #[must_use]
    pub fn ready() -> Self {
        Self { ready: true, reasons: Vec::new(), warnings: Vec::new(), serves: true, nodes: Vec::new() }
    }

    /// Not now.
    #[must_use]
    pub fn not(reason: &str) -> Self {
        Self { ready: false, reasons: vec![reason.to_owned()], warnings: Vec::new(), serves: false, nodes: Vec::new() }
    }
}

/// What the daemon is told after somebody did something; what is in the store counts, and it would find out by itself a
/// little later.
#[derive(Debug, Clone)]
pub enum DaemonNudge {
    /// Something is due.
    Deliveries,
    /// Somebody corrected stories.
    Corrections,
    /// A feed is due: what the store knows of it.
    Feed(Box<FeedState>),
}

/// What is to be tried.
#[derive(Debug, Clone)]
pub struct TrialWish {
    /// The topic that is looked at.
    pub topic: TopicId,
    /// Its rules as TOML.
    pub text: String,
    /// From so long ago until now.
    pub window: Duration,
    /// The time.
    pub now: Timestamp,
}

/// Why a run gave nothing.
#[derive(Debug)]
pub enum TrialRefusal {
    /// The rules are wrong: where and why, for people.
    Rules(String),
    /// The store cannot be read.
    Store(StoreError),
}

/// Tries rules on what is stored; gives what it found as a document.
pub type TrialRun = Arc<dyn Fn(&Store, &Config, &TrialWish) -> Result<Value, TrialRefusal> + Send + Sync>;

/// Looks at a feed as it is now, without a trace; what is in the way of that in words.
pub type FeedLook =
    Arc<dyn Fn(Arc<Config>, Arc<FeedConfig>) -> BoxFuture<'static, Result<FeedReading, String>> + Send + Sync>;

/// What is served.
#[derive(Clone)]
pub struct ListenerSources {
    /// The verdict.
    pub readiness: watch::Receiver<Readiness>,
    /// The figures at a time; answers from memory.
    pub samples: Arc<dyn Fn(Timestamp) -> Vec<Sample> + Send + Sync>,
    /// Who may ask, as the config says now.
    pub guard: Arc<dyn Fn() -> GuardConfig + Send + Sync>,
    /// The time.
    pub clock: Clock,
    /// What the page and `/v1` are made of.
    pub reads: ReadSources,
    /// Tries rules on what is stored.
    pub trial: TrialRun,
    /// Looks at a feed of the config.
    pub feed_look: FeedLook,
    /// Tells the daemon.
    pub nudge: Arc<dyn Fn(DaemonNudge) + Send + Sync>,
    /// The way in for items that are sent.
    pub pushes: PushIntake,
    /// The way in for what hubs say.
    pub hubs: HubEntrance,
}

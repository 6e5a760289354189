//! What a process serves while another one decides: everything that the database has, live by what it hears of commits.
//! What people do is written there, where the one that decides finds it; pushes and what hubs say go there by the inbox.

use std::sync::Arc;

use tokio::sync::watch;

use super::error::AppError;
use super::{compile, feed_look, hub_inbox, inbox, measure, trial};
use crate::clock::Clock;
use crate::config::Config;
use crate::deliver::DeliveryCounters;
use crate::http::{ListenerSources, ReadSources, Readiness};
use crate::model::Timestamp;
use crate::source::parser::Parser;
use crate::source::push::PushIntake;
use crate::source::websub::{FeedHint, HubEntrance};
use crate::store::Store;
use crate::telemetry::{Metric, Sample};

/// What it is made of.
pub(super) struct BesideParts<'a> {
    pub(super) config: &'a Config,
    /// Where the config was read from.
    pub(super) place: &'a str,
    pub(super) clock: &'a Clock,
    /// To read, and to write beside the one that decides.
    pub(super) store: Store,
    /// When it came.
    pub(super) since: Timestamp,
    /// What it sends beside.
    pub(super) counters: DeliveryCounters,
}

impl BesideParts<'_> {
    /// Everything the listener needs.
    pub(super) fn served(
        &self,
        readiness: watch::Receiver<Readiness>,
        parser: &Parser,
        hint: FeedHint,
    ) -> Result<ListenerSources, AppError> {
        let (clock, since) = (self.clock.clone(), self.since);
        let rules = compile::rules(self.config).map_err(|problems| AppError::Rules(problems.len()))?;
        // Neither changes until it is begun anew.
        let (rules, config) = (watch::channel(Arc::new(rules)).1, watch::channel(Arc::new(self.config.clone())).1);
        let (sent, counters) = (config.clone(), self.counters.clone());
        let reads = ReadSources::new(self.store.clone(), config.clone(), rules, self.place, clock.clone());
        let told = readiness.clone();
        let hubs = hub_inbox::forwarding(&self.store, &clock, hint, self.config.polling.wire_bytes_max);
        let hub_counters = hubs.counters().clone();
        Ok(ListenerSources {
            readiness,
            samples: Arc::new(move |_| {
                let mut out = samples(since, &told.borrow());
                measure::attempts(&mut out, &sent.borrow(), &counters);
                measure::hub_drops(&mut out, &hub_counters);
                out
            }),
            guard: measure::guard(config),
            reads,
            trial: Arc::new(trial::run),
            feed_look: feed_look::looker(parser.clone(), clock.clone()),
            // The one that decides hears of it with the commit.
            nudge: Arc::new(|_| {}),
            pushes: PushIntake::elsewhere(
                inbox::relay(self.store.clone(), clock.clone()),
                parser.clone(),
                clock.clone(),
            ),
            hubs: HubEntrance::Elsewhere(hubs),
            clock,
        })
    }
}

fn samples(since: Timestamp, readiness: &Readiness) -> Vec<Sample> {
    let mut out = vec![
        Sample::labelled(Metric::BuildInfo, "version", env!("CARGO_PKG_VERSION"), 1.0),
        Sample::new(Metric::StartTime, since.millis() as f64 / 1000.0),
        Sample::new(Metric::Up, f64::from(u8::from(readiness.ready))),
        Sample::new(Metric::StandingBy, 1.0),
    ];
    measure::nodes(&mut out, &readiness.nodes);
    out
}

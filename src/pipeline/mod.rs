//! [2] The whole decision, pure: `prepare` reads one raw item (stateless, runs in parallel), `decide`
//! places it among what is remembered (serial, cheap, deterministic). No IO, no clock, no queries:
//! replay, backtest, `explain` and the tests run the very same code. Next: `ingest`.

pub mod alert;
pub mod classify;
mod commentary;
pub mod consider;
mod decide;
#[cfg(test)]
mod decide_tests;
pub mod dedupe;
pub mod facts;
pub mod features;
pub mod identity;
mod ledger;
mod marks;
pub mod memory;
mod news;
pub mod normalize;
#[cfg(test)]
mod one_event_tests;
mod prepare;
mod raise;
#[cfg(test)]
mod raise_table_tests;
#[cfg(test)]
mod raise_tests;
mod snapshot;
pub mod story;
mod tell;
mod told;

pub use decide::{Decision, Grounds, SightingLevel, Verdict, decide};
pub use ledger::{Known, Ledger, Remembered, StoryState, TopicState};
pub use prepare::{Prepared, prepare};
pub use raise::{RaisedAlert, Withheld};
pub use snapshot::{LedgerPieces, SnapshotError};
pub use tell::{TellDecision, TellRequest, Untold};
pub use told::{Listener, Told};

use std::borrow::Cow;

use crate::model::{Item, Timestamp};

/// Everything the decision needs from the config, compiled once and swapped whole on reload.
#[derive(Debug)]
pub struct Rules {
    /// How raw items are read.
    pub normalize: normalize::NormalizeRules,
    /// The topics.
    pub topics: classify::TopicSet,
    /// The user's aliases as names that are one in every language.
    pub names: facts::KnownNames,
    /// When a story speaks, and to whom.
    pub alert: alert::AlertRules,
}

impl Rules {
    /// Why an item raises nothing by itself and leaves that to reports; `None`: it is one.
    #[must_use]
    pub fn withholds(&self, item: &Item) -> Option<Withheld> {
        let off = self.alert.commentary == alert::Commentary::Off;
        if off && commentary::is_commentary(&item.title, item.url.as_deref(), item.lang) {
            Some(Withheld::Comment)
        } else if story::roundup::is_roundup(&item.title) && self.live_headline(&item.title).is_none() {
            Some(Withheld::RoundUp)
        } else {
            None
        }
    }

    /// What a live blog has on top, where that is told like a report.
    #[must_use]
    pub fn live_headline<'a>(&self, title: &'a str) -> Option<&'a str> {
        let alone = self.alert.round_ups == alert::RoundUps::Alone;
        alone.then(|| story::roundup::live_headline(title))?
    }

    /// What of an item is read for its topics and its story: of a live blog, what it has on top.
    #[must_use]
    pub fn reading<'a>(&self, item: &'a Item) -> Cow<'a, Item> {
        if self.live_headline(&item.title).is_none() {
            return Cow::Borrowed(item);
        }
        let mut newest = item.clone();
        newest.text.truncate(story::roundup::live_entry_end(&item.text));
        Cow::Owned(newest)
    }

    /// Whether an item was published too long before it came to be news. A date from before the Web is a blemish, and
    /// what was changed lately may be.
    #[must_use]
    pub fn is_too_old(&self, item: &Item) -> bool {
        let latest = [item.published, item.updated].into_iter().flatten().filter(|date| !date.certainty.is_suspect());
        let Some(latest) = latest.map(|date| date.at).max().filter(|at| *at >= Self::DATES_FROM) else { return false };
        self.alert.age_max.is_some_and(|age_max| item.first_seen.since(latest) > age_max)
    }

    /// 1995-01-01.
    const DATES_FROM: Timestamp = Timestamp::from_seconds(788_918_400);

    /// Rules that take everything and tell nobody: what replay and evaluation start from.
    #[must_use]
    pub fn of_topics(topics: classify::TopicSet) -> Self {
        Self {
            normalize: normalize::NormalizeRules::default(),
            topics,
            names: facts::KnownNames::default(),
            alert: alert::AlertRules::default(),
        }
    }
}

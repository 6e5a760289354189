//! The outbox: what is owed to endpoints, and what came of each attempt. `claim` reads the due rows with
//! their exact bytes, `record` settles attempts in one transaction, `manage` is for operators. Rows are
//! never deleted here. Who decides when to try again is `deliver::retry`.

mod claim;
mod clock;
mod endpoint;
mod hold;
mod manage;
mod raise;
mod record;
mod story;

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::model::Timestamp;

pub use claim::{Claim, ClaimNumber, ClaimRequest, Claimed, SharedClaim, claim_due};
pub use clock::mend_clock;
pub use endpoint::{
    EndpointHealth, EndpointState, OUTAGE_MIN, disable, enable, health, is_tried_one_by_one, lift_pause, note,
    put_first, send_now, state, take_unwritten,
};
pub use hold::{Release, end_group_waits, release};
pub(super) use hold::{fold_into, over_rate};
pub use manage::{
    AttemptRow, DeliveryDetail, DeliveryFilter, DeliveryRow, Replay, cancel, give_up_orphans, list, owed, park_orphans,
    release_orphans, replay, show,
};
pub(super) use raise::{NewDelivery, is_idle, next_sequence, write_now};
pub use raise::{raise, write_bodies};
pub use record::{AttemptRecord, record};
pub(super) use story::{fold_alert, fold_row, follow, unsent};

/// A row of the outbox; `dlv_12` outside.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(i64);

/// A text that is no delivery id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a delivery id like dlv_12")]
pub struct DeliveryIdError {
    text: String,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// Owed; tried again when due.
    Pending,
    /// A 2xx was recorded.
    Delivered,
    /// Given up for now: listed, counted, replayable.
    Parked,
    /// An operator said no.
    Cancelled,
    /// It went up in another: a digest, a later alert of its story, or the line for what was too many.
    Folded,
}

/// What becomes of a delivery after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settle {
    /// It arrived.
    Delivered,
    /// Try again then.
    RetryAt(Timestamp),
    /// It was not tried, for this machine could not: try then. Counts neither as an attempt nor against the endpoint.
    WaitUntil(Timestamp),
    /// Stop trying, keep it.
    Park,
}

/// What an answer means for everything else owed to the same endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// Nothing.
    Unchanged,
    /// Nothing is sent before then, and then one at a time until one succeeds.
    PauseUntil(Timestamp),
    /// Nothing is sent until an operator enables the endpoint; rows stay as they are.
    Disable {
        /// In words, for the operator.
        reason: &'static str,
    },
}

impl DeliveryId {
    /// The integer form, for the store and for seeding jitter.
    #[must_use]
    pub fn to_i64(self) -> i64 {
        self.0
    }

    /// Back from the store.
    #[must_use]
    pub fn from_i64(value: i64) -> Self {
        Self(value)
    }
}

impl FromStr for DeliveryId {
    type Err = DeliveryIdError;

    fn from_str(text: &str) -> Result<Self, DeliveryIdError> {
        // Its number alone will do.
        let number = text.strip_prefix("dlv_").unwrap_or(text);
        Some(number)
            .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|number| number.parse().ok())
            .filter(|&number: &i64| number > 0)
            .map(Self)
            .ok_or_else(|| DeliveryIdError { text: text.to_owned() })
    }
}

impl DeliveryId {
    /// From its number.
    #[must_use]
    pub fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> i64 {
        self.0
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("dlv_{}", self.0))
    }
}

impl Serialize for DeliveryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Debug for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Delivered, Self::Parked, Self::Cancelled, Self::Folded];

    /// The stored and printed name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Parked => "parked",
            Self::Cancelled => "cancelled",
            Self::Folded => "folded",
        }
    }

    /// Reads the stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A stored time that may be absent.
pub(super) fn optional_time(millis: Option<i64>) -> Option<Timestamp> {
    millis.map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod model_tests;

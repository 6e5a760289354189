//! What people do to a running wirewatch, once for the command line, `/v1` and the page: checked, carried out in one
//! transaction on the store, and never without the name of who did it. What the daemon is to be told of afterwards
//! is up to the caller.

mod deliveries;
mod endpoints;
mod feeds;
mod items;
mod silences;
mod stories;

use crate::config::Config;
use crate::model::Timestamp;
use crate::store::{Store, StoreError};

pub use deliveries::{cancel_delivery, replay_deliveries};
pub use endpoints::{disable_endpoint, enable_endpoint, raise_test, settle_test};
pub use feeds::hurry_feed;
pub use items::label_item;
pub use silences::{SilenceEnd, SilenceWish, add_silence, expire_silence, preview_silence};
pub use stories::{ask_correction, correction_undone, tell_item};

/// What a deed is done with, when, and by whom.
#[derive(Clone, Copy)]
pub struct ActionScene<'a> {
    /// The store, open for writing.
    pub store: &'a Store,
    /// The config as it is now.
    pub config: &'a Config,
    /// The time.
    pub now: Timestamp,
    /// Who does it.
    pub author: &'a str,
}

/// Why a deed was not done. Words are a fragment: "silence topic x: the config has none of this name".
#[derive(Debug, thiserror::Error)]
pub enum ActionRefusal {
    /// What it is to be done to is not there.
    #[error("{what}")]
    Unknown {
        /// What was wanted and why it cannot be.
        what: String,
        /// What to do.
        hint: Option<String>,
    },
    /// What was given means nothing.
    #[error("{what}")]
    Invalid {
        /// What was wanted and why it cannot be.
        what: String,
        /// What to do.
        hint: Option<String>,
    },
    /// It does not go with how things stand.
    #[error("{what}")]
    Conflict {
        /// What was wanted and why it cannot be.
        what: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ActionRefusal {
    fn unknown(what: String) -> Self {
        Self::Unknown { what, hint: None }
    }

    fn invalid(what: String) -> Self {
        Self::Invalid { what, hint: None }
    }

    fn conflict(what: String) -> Self {
        Self::Conflict { what, hint: None }
    }

    fn with_hint(mut self, words: String) -> Self {
        match &mut self {
            Self::Unknown { hint, .. } | Self::Invalid { hint, .. } | Self::Conflict { hint, .. } => {
                *hint = Some(words);
            }
            Self::Store(_) => {}
        }
        self
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Unknown { hint, .. } | Self::Invalid { hint, .. } | Self::Conflict { hint, .. } => hint.as_deref(),
            Self::Store(_) => None,
        }
    }
}

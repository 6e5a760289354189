//! What others send us: `reading` makes raw items of a body, `intake` hands them to `ingest` and waits until they are
//! durable. Who may send, and over what, is the listener's business.

mod intake;
mod reading;
mod webhook;

use std::path::PathBuf;
use std::time::Duration;

use crate::model::{Lang, SourceId};
use crate::source::feed::IdentifiedBy;

pub use intake::{PushForm, PushIntake, PushKey, PushRelay, PushUntaken, RelayedPush};
pub use reading::{PushBody, PushDocument, PushReader};

/// One `[[pushes]]` entry, checked: somebody who may send items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushConfig {
    /// The source's name.
    pub id: SourceId,
    /// Holds the token that its requests carry.
    pub token_file: Option<PathBuf>,
    /// Holds the secret that its requests are signed with, as webhooks are.
    pub secret_file: Option<PathBuf>,
    /// Requests in a time; more are told to come later.
    pub rate: PushRate,
    /// What identifies an item.
    pub trust: IdentifiedBy,
    /// Its items are stored and alert nobody.
    pub quiet: bool,
    /// Language of an item that does not say.
    pub lang: Option<Lang>,
    /// Tags given to every item.
    pub tags: Vec<String>,
}

/// So many requests in such a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushRate {
    /// How many.
    pub requests: u32,
    /// In which time.
    pub per: Duration,
}

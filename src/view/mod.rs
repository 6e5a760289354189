//! Read models: what the command line prints as JSON, what `/v1` answers, and what the page shows, once. Each is
//! made of the config and the store; nothing here writes or waits.

mod endpoints;
mod explained;
mod feed_push;
mod feed_reading;
mod feeds;
mod hearing;
mod nodes;
mod rule_trial;
mod silences;
mod status;
mod syndication;
mod topics;

pub use endpoints::{EndpointLine, EndpointPreview, PreviewError};
pub use explained::{
    EndpointHearing, ExplainError, ItemExplained, NamedConsideration, RecalledStories, StoredItem, StoryExplained,
    ToldEndpoint, explain,
};
pub use feed_push::{FeedPush, HubsStatus};
pub use feed_reading::{FeedItemReading, FeedReading};
pub use feeds::{FeedLine, clean_url};
pub use hearing::{delivery_words, untold};
pub use nodes::{node_in_words, node_warnings, nodes_in_short, region_warnings, regions_without_nodes};
pub use rule_trial::{RuleTrial, TrialError, TrialExample};
pub use silences::{SilencePreview, SilenceShown, SilenceTally, active_silences, silences};
pub use status::{DISK_FULL_BYTES, EndpointStatus, FailingFeed, FeedsStatus, Status, quarantined};
pub use syndication::{FeedDocument, FeedForm, SyndicatedEntry};
pub use topics::{SeverityBand, TopicLine, TopicRule, TopicShown};

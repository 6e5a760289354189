//! Read models: what the command line prints as JSON, what `/v1` answers, and what the page shows, once. Each is
//! made of the config and the store; nothing here writes or waits.

mod endpoints;
mod feeds;
mod silences;
mod status;
mod topics;

pub use endpoints::EndpointLine;
pub use feeds::{FeedLine, clean_url};
pub use silences::{SilencePreview, SilenceShown, SilenceTally, active_silences, silences};
pub use status::{DISK_FULL_BYTES, EndpointStatus, FailingFeed, FeedsStatus, Status};
pub use topics::{SeverityBand, TopicLine, TopicRule, TopicShown};

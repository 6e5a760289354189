//! Values every stage speaks in: ids, time, items, stories, topics, alerts, source state.
//!
//! Nothing here does IO, waits, or reads a clock. Every other module may use this one; it uses none.

mod alert;
mod health;
mod id;
mod item;
mod outlet;
mod push;
mod source;
mod story;
mod subscription;
mod time;
mod topic;

pub use alert::{AlertDraft, AlertKind, AlertNews, AlertReason, AlertTopic, NewsKind};
pub use health::{Health, SourceHealth};
pub use id::{AlertId, ContentHash, EndpointId, IdError, ItemId, ItemKey, SourceId, StoryId, TopicId};
pub use item::{
    BytesHash, DateCertainty, Dated, Item, LINK_BYTES_MAX, Lang, Markup, RawItem, RawText, RejectReason, Rejection,
    TextSource,
};
pub use outlet::{Outlet, StoredOutlets};
pub use push::{PushAnswer, PushOutcome, PushRecord, PushRejection, PushedItem};
pub use source::{Cursor, DailyUse, FeedFailure, FeedState, MovedFeed, Origin, SeedFile, SeedOutcome, SourceKind};
pub use story::{Phase, RelatedStory, StorySummary};
pub use subscription::{FoundHubs, HubLinks, HubRecord, HubSecret, Subscription, SubscriptionState, UnreliableHub};
pub use time::{TimeError, Timestamp};
pub use topic::{Evidence, Field, Match, Score, Severity};

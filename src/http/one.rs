//! One thing by its id, or why not: the same for `/v1` and for the page.

use super::look::StoreLook;
use super::refusal::{AnswerRefusal, RefusalKind};
use crate::deliver::EndpointConfig;
use crate::model::{ItemId, StoryId};
use crate::store::outbox::{self, DeliveryDetail, DeliveryId};
use crate::store::{AlertRecord, ItemRecord, StoryRecord};
use crate::view::{EndpointLine, FeedLine, SilenceShown, TopicShown};

fn bad_id(error: &dyn std::fmt::Display) -> AnswerRefusal {
    AnswerRefusal::new(RefusalKind::BadId, error.to_string())
}

pub(super) fn item(look: &StoreLook, id: &str) -> Result<ItemRecord, AnswerRefusal> {
    let item = ItemId::parse(id).map_err(|error| bad_id(&error))?;
    match look.store.item(item)? {
        Some(found) => Ok(found),
        None if look.store.was_removed(item)? => {
            let detail = format!("{id} is older than `[retention]` keeps items; only its key remains");
            Err(AnswerRefusal::new(RefusalKind::Gone, detail))
        }
        None => Err(AnswerRefusal::not_found("item", id)),
    }
}

/// One that was merged into another comes as that, and says so.
pub(super) fn story(look: &StoreLook, id: &str) -> Result<StoryRecord, AnswerRefusal> {
    let story = StoryId::parse(id).map_err(|error| bad_id(&error))?;
    look.store.story(story)?.ok_or_else(|| AnswerRefusal::not_found("story", id))
}

pub(super) fn alert(look: &StoreLook, id: &str) -> Result<AlertRecord, AnswerRefusal> {
    look.store.alert(id)?.ok_or_else(|| AnswerRefusal::not_found("alert", id))
}

pub(super) fn delivery(look: &StoreLook, id: &str) -> Result<DeliveryDetail, AnswerRefusal> {
    let delivery: DeliveryId = id.parse().map_err(|error| bad_id(&error))?;
    let found = look.store.read("read a delivery", |c| outbox::show(c, delivery))?;
    found.ok_or_else(|| AnswerRefusal::not_found("delivery", id))
}

pub(super) fn feed(look: &StoreLook, id: &str) -> Result<FeedLine, AnswerRefusal> {
    let feed = look.config.feeds.iter().find(|feed| feed.id.as_str() == id);
    let feed = feed.ok_or_else(|| AnswerRefusal::not_found("feed in the config named", id))?;
    Ok(FeedLine::of(feed, Some(&look.store), true)?)
}

pub(super) fn endpoint<'a>(look: &'a StoreLook, id: &str) -> Result<(&'a EndpointConfig, EndpointLine), AnswerRefusal> {
    let endpoint = look.config.endpoints.iter().find(|endpoint| endpoint.id.as_str() == id);
    let endpoint = endpoint.ok_or_else(|| AnswerRefusal::not_found("endpoint in the config named", id))?;
    let health = look.store.read("read an endpoint", |c| outbox::health(c, &endpoint.id))?;
    Ok((endpoint, EndpointLine::of(endpoint, health)))
}

pub(super) fn silence(look: &StoreLook, id: &str) -> Result<SilenceShown, AnswerRefusal> {
    SilenceShown::find(id, &look.config, &look.store, look.now)?.ok_or_else(|| AnswerRefusal::not_found("silence", id))
}

pub(super) fn topic(look: &StoreLook, id: &str) -> Result<TopicShown, AnswerRefusal> {
    let found = TopicShown::find(id, &look.config.topics, Some(&look.store), look.now)?;
    found.ok_or_else(|| AnswerRefusal::not_found("topic in the config named", id))
}

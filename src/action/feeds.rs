//! Having a feed polled now, due or not.

use super::{ActionRefusal, ActionScene};
use crate::model::FeedState;
use crate::store::{ActionNote, note_action};

/// Makes a feed due now. Gives what the store knows of it, for the poller to be told; none where it was never polled, for
/// then it is due already.
///
/// # Errors
/// [`ActionRefusal`] when the config has no such feed, it is disabled or gone, or the store cannot be written.
pub fn hurry_feed(scene: &ActionScene<'_>, id: &str) -> Result<Option<FeedState>, ActionRefusal> {
    let &ActionScene { store, config, now, author } = scene;
    let feed = config.feeds.iter().find(|feed| feed.id.as_str() == id).ok_or_else(|| {
        ActionRefusal::unknown(format!("find feed {id}: the config has none of this name"))
            .with_hint("`wirewatch feeds` lists them".to_owned())
    })?;
    if !feed.enabled {
        return Err(ActionRefusal::conflict(format!("poll `{id}`: it is disabled"))
            .with_hint(format!("`wirewatch feeds enable {id}`, or look at it with `wirewatch feeds check {id}`")));
    }
    if store.feed(id)?.is_some_and(|state| state.gone) {
        return Err(ActionRefusal::conflict(format!("poll `{id}`: it answered 410 (gone) and is stopped"))
            .with_hint(format!("`wirewatch feeds enable {id}` has it polled again")));
    }
    store.hurry_feed(&feed.id, now)?;
    store.write("note who polls a feed", |tx| {
        note_action(tx, &ActionNote { author, verb: "poll", about: id, detail: "", at: now })
    })?;
    Ok(store.feed(id)?)
}

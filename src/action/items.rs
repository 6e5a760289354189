//! What people say an item is about.

use super::{ActionRefusal, ActionScene};
use crate::model::{ItemId, TopicId};
use crate::store::Relevance;

/// Notes labels of an item, or forgets them; of a copy, of the item it is a copy of: gives that.
///
/// # Errors
/// [`ActionRefusal`] when there is no such item or topic, or the store cannot be written.
pub fn label_item(
    scene: &ActionScene<'_>,
    item: ItemId,
    labels: &[(TopicId, Option<Relevance>)],
) -> Result<ItemId, ActionRefusal> {
    for (topic, relevance) in labels {
        // A topic that was removed may still be forgotten.
        if relevance.is_some() && !scene.config.topics.iter().any(|known| known.id == *topic) {
            let names: Vec<&str> = scene.config.topics.iter().map(|topic| topic.id.as_str()).collect();
            return Err(ActionRefusal::invalid(format!("label {item}: the config has no topic `{topic}`"))
                .with_hint(format!("its topics are {}", names.join(", "))));
        }
    }
    let labelled = scene.store.label(item, labels, scene.author, scene.now)?;
    labelled.ok_or_else(|| ActionRefusal::unknown(format!("label {item}: no such item")))
}

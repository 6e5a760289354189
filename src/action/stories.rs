//! What people say about stories: these are one, those are two, and the last one who said so was wrong. Whoever holds
//! the store carries it out with its next batch.

use super::{ActionRefusal, ActionScene};
use crate::model::ItemId;
use crate::store::{Correction, CorrectionRecord, Store};

/// Asks for a correction; gives its number.
///
/// # Errors
/// [`ActionRefusal`] when it cannot be carried out, or the store cannot be written.
pub fn ask_correction(scene: &ActionScene<'_>, asked: &Correction, comment: &str) -> Result<i64, ActionRefusal> {
    let verb = asked.verb();
    scene.store.ask_correction(asked, (scene.author, comment), scene.now)?.map_err(|why| {
        ActionRefusal::conflict(format!("{verb}: {why}"))
            .with_hint("`wirewatch stories show` lists what is in it".to_owned())
    })
}

/// What tells one report alone, whatever its story was told by.
///
/// # Errors
/// [`ActionRefusal`] when there is no such item, or the store cannot be read.
pub fn tell_item(store: &Store, item: ItemId) -> Result<Correction, ActionRefusal> {
    let Some(record) = store.item(item)? else {
        return Err(ActionRefusal::unknown(format!("tell {item}: there is no such item")));
    };
    Ok(Correction::Tell { story: record.line.story, item: Some(item) })
}

/// What undoes a correction that was carried out: two halves are one again; those that came with a story that was merged
/// leave again.
///
/// # Errors
/// [`ActionRefusal`] when there is no such correction, it was not carried out, or nothing is left to undo.
pub fn correction_undone(
    scene: &ActionScene<'_>,
    number: i64,
) -> Result<(CorrectionRecord, Correction), ActionRefusal> {
    let Some(done) = scene.store.correction(number)? else {
        return Err(ActionRefusal::unknown(format!("undo correction {number}: there is none of this number")));
    };
    if done.verb == "tell" {
        let what = format!("undo {number}: it told a story, and what was told cannot be taken back");
        return Err(ActionRefusal::conflict(what));
    }
    let (Some(_), None, Some(into)) = (done.done_at, &done.refused, done.into) else {
        return Err(ActionRefusal::conflict(format!("undo correction {number}: it was not carried out")));
    };
    let back = if done.verb == "split" {
        Correction::Merge { story: done.story, other: into }
    } else {
        let story = scene.store.standing_story(into)?.unwrap_or(into);
        let items = scene.store.items_still_in(story, &done.items)?;
        if items.is_empty() {
            let what = format!("undo correction {number}: none of the items that came along is there any more");
            return Err(ActionRefusal::conflict(what));
        }
        Correction::Split { story, items }
    };
    Ok((done, back))
}

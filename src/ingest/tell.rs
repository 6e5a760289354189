//! Reports that people asked to be told: decided and stored one by one, by whoever holds the store, a daemon or a
//! command while none runs.

use crate::model::Timestamp;
use crate::pipeline::{Ledger, Rules};
use crate::store::{AskedTell, CorrectionRecord, Store, StoreError};

/// Reports told in one turn; the next turn takes the next.
const TURN_MAX: usize = 100;

/// Tells what waits. Says what came of each; the ledger knows of it then.
///
/// # Errors
/// [`StoreError`]: what was not carried out by then still waits.
pub fn tell_waiting(
    store: &Store,
    ledger: &mut Ledger,
    rules: &Rules,
    now: Timestamp,
) -> Result<Vec<CorrectionRecord>, StoreError> {
    let mut all = Vec::new();
    while all.len() < TURN_MAX
        && let Some(AskedTell { asked, request }) = store.next_tell()?
    {
        let done = match request {
            Err(why) => store.settle_tell(&asked, Err(&why), now)?,
            Ok(request) => {
                if ledger.story(request.story).is_none() {
                    store.recall_story(request.story, ledger)?;
                }
                let telling = ledger.tell(&request, rules, now);
                let done = store.settle_tell(&asked, Ok((&request, &telling)), now)?;
                if done.refused.is_none() {
                    ledger.note_told(request.story, &telling.told);
                }
                done
            }
        };
        all.push(done);
    }
    Ok(all)
}

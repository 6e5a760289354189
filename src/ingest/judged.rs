//! What is to be said of the hub of a feed, and which items came late for a feed that a hub pushes.

use std::time::Duration;

use super::Ingest;
use crate::model::{HubRecord, Origin, SourceHealth, Timestamp};
use crate::pipeline::alert::source::{self, SourceAlert};
use crate::pipeline::{Decision, Ledger, Rules, Verdict};
use crate::store::StoreError;

/// An item that was published longer ago when it comes, comes late, ...
const LATE_AFTER: Duration = Duration::from_secs(15 * 60);

/// ... and out of an archive after this time.
const ARCHIVED_AFTER: Duration = Duration::from_secs(24 * 3600);

impl Ingest {
    /// What is to be said of the hub of a feed.
    pub(super) fn judge_hub(
        &mut self,
        record: &HubRecord,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Option<SourceAlert>, StoreError> {
        let Some(hub) = &record.unreliable else { return Ok(None) };
        let Some(state) = self.store.feed(record.source.as_str())? else { return Ok(None) };
        let Ledger { sources, instance, sequence, .. } = &mut self.ledger;
        let health = sources.entry(record.source.clone()).or_insert_with(|| SourceHealth::new(record.source.clone()));
        let cause = source::Cause { rules: &rules.alert, instance, sequence: *sequence + 1, now };
        let alert = source::tell_unreliable(hub, health, &state, &cause);
        *sequence += 1;
        Ok(Some(alert))
    }
}

/// New items that were published longer than a quarter of an hour and less than a day before they came. What is older is
/// an archive that was put online, not what a hub failed to push.
pub(super) fn late_of(decisions: &[Decision], origin: &Origin) -> u64 {
    let is_late = |decision: &&Decision| {
        let is_fresh = matches!(decision.verdict, Verdict::New { .. } | Verdict::Sighting { again: false, .. });
        let age = decision.prepared.item.published.map(|published| origin.received.since(published.at));
        is_fresh && age.is_some_and(|age| (LATE_AFTER..ARCHIVED_AFTER).contains(&age))
    };
    decisions.iter().filter(is_late).count() as u64
}

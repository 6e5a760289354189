//! What is said of sources themselves, where a poll becomes durable: that one fails, works again, is silent, or has brought
//! more on a day than its quota; and what of its alerts waits then.

use super::Ingest;
use crate::model::{Cursor, FeedState, Health, Origin, RejectReason, Rejection, SourceHealth, Timestamp};
use crate::pipeline::alert::source::{self, QuotaReached, SourceAlert};
use crate::pipeline::alert::{QuotaOutcome, hold_beyond_quota};
use crate::pipeline::{Decision, Ledger, Rules};
use crate::source::Receipt;

impl Ingest {
    /// Notes a poll in the record of its source and says what has changed about it.
    pub(super) fn judge_source(
        &mut self,
        state: &FeedState,
        fresh: u64,
        reached: Option<QuotaReached>,
        rules: &Rules,
        now: Timestamp,
    ) -> (Option<SourceHealth>, Option<SourceAlert>) {
        let Ledger { sources, instance, sequence, .. } = &mut self.ledger;
        let health = sources.entry(state.source.clone()).or_insert_with(|| SourceHealth::new(state.source.clone()));
        let mut changed = source::note_poll(health, state, fresh, now);
        if let Some(reached) = reached {
            // How the source does is told at the next poll, if there is anything to tell.
            *sequence += 1;
            let cause = source::Cause { rules: &rules.alert, instance, sequence: *sequence, now };
            let alert = source::tell_quota(reached, health, state, &cause);
            return (Some(health.clone()).filter(|_| changed), Some(alert));
        }
        let judged = source::judge(health, state, &rules.alert.health, now);
        // When most feeds fail at once, saying so of each would be a flood, and nobody could be reached.
        if judged == health.told || judged == Health::Failing && !state.gone && source::is_outage(sources.values()) {
            return (sources.get(&state.source).filter(|_| changed).cloned(), None);
        }
        let Some(health) = sources.get_mut(&state.source) else { return (None, None) };
        let cause = source::Cause { rules: &rules.alert, instance, sequence: *sequence + 1, now };
        let alert = source::tell(health, state, judged, &cause);
        changed |= alert.is_some();
        *sequence += u64::from(alert.is_some());
        (Some(health.clone()).filter(|_| changed), alert)
    }
}

/// Has alerts wait for a digest that their feed raises beyond its quota of the day.
pub(super) fn hold(cursor: &Cursor, decisions: &mut [Decision], rules: &Rules, now: Timestamp) -> QuotaOutcome {
    let Cursor::Feed(state) = cursor else { return QuotaOutcome::default() };
    let quota = rules.alert.alerts_per_day_max.get(&state.source).copied();
    let alerts = decisions.iter_mut().flat_map(|decision| &mut decision.alerts);
    let endpoints = alerts.map(|alert| &mut alert.endpoints);
    hold_beyond_quota(endpoints, state.used.alerts, quota, &rules.alert, now)
}

/// The quota that this poll was the first to reach on its day; of two, that of bytes, for nothing more comes after it.
pub(super) fn reached(state: &FeedState, rejected: &[Rejection], receipt: &Receipt) -> Option<QuotaReached> {
    if rejected.iter().any(|one| one.reason == RejectReason::OverByteQuota) {
        Some(QuotaReached::Bytes)
    } else if receipt.over_quota > 0 && !state.used.alerts_over {
        Some(QuotaReached::Alerts)
    } else {
        None
    }
}

/// How many wait, for whoever looks at the feed.
pub(super) fn note(quota: QuotaOutcome, origin: &Origin, rules: &Rules) -> Option<Rejection> {
    let most = rules.alert.alerts_per_day_max.get(&origin.source).copied().unwrap_or_default();
    let detail = format!("alerts beyond `alerts_per_day_max` ({most}): they wait for the next digest");
    (quota.held > 0).then_some(Rejection { reason: RejectReason::OverAlertQuota, detail, count: quota.held })
}

//! Alerts of one feed beyond its quota of a day: nothing is dropped, and nobody's phone rings for each of them. They
//! wait for the next digest of whoever was to hear of them; that it is so is told once.

use super::route::{AlertRules, EndpointAlert};
use crate::model::Timestamp;

/// What came of the alerts of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuotaOutcome {
    /// Alerts that go to somebody.
    pub told: u64,
    /// Of these, those that wait for a digest now.
    pub held: u64,
}

/// Counts the alerts that go to somebody, each with those it goes to, on from what the feed raised on this day before,
/// and has those beyond the quota wait.
pub fn hold_beyond_quota<'a>(
    alerts: impl Iterator<Item = &'a mut Vec<EndpointAlert>>,
    before: u64,
    quota: Option<u64>,
    rules: &AlertRules,
    now: Timestamp,
) -> QuotaOutcome {
    let mut outcome = QuotaOutcome::default();
    for endpoints in alerts.filter(|endpoints| !endpoints.is_empty()) {
        outcome.told += 1;
        if quota.is_none_or(|quota| before + outcome.told <= quota) {
            continue;
        }
        outcome.held += 1;
        for to in endpoints {
            let route = rules.routes.iter().find(|route| route.endpoint == to.endpoint);
            to.held = route.map(|route| route.timing.in_digest(now)).or(to.held);
            // A digest is one message: it counts against no rate, and nothing in it is in a hurry.
            (to.rate, to.urgent) = (None, false);
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::super::{Hold, Route};
    use super::*;
    use crate::model::{AlertKind, EndpointId, Severity};

    #[test]
    fn alerts_beyond_the_quota_wait_for_a_digest_and_those_to_nobody_count_for_nothing() {
        let now = Timestamp::from_seconds(1_742_198_400);
        let route = Route::everything(EndpointId::new("desk").expect("a name"));
        let alert = || vec![route.alert(AlertKind::Matched, Severity::Critical, now)];
        let rules = AlertRules { routes: vec![route.clone()], ..AlertRules::default() };
        let mut alerts = [alert(), Vec::new(), alert(), alert()];
        let outcome = hold_beyond_quota(alerts.iter_mut(), 1, Some(3), &rules, now);
        assert_eq!(outcome, QuotaOutcome { told: 3, held: 1 });
        let held = alerts.iter().map(|to| to.first().and_then(|to| to.held).map(|held| held.hold));
        assert_eq!(held.collect::<Vec<_>>(), [None, None, None, Some(Hold::Digest)]);
        assert_eq!(hold_beyond_quota(alerts.iter_mut(), 9, None, &rules, now).held, 0);
    }
}

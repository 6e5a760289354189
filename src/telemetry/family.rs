//! Counts and durations by the name of what they are of. Topics and endpoints come from the config, so such names
//! are a closed set at any time: `/metrics` shows those that the config has now. Handles are cheap.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::histogram::Histogram;

/// Upper bounds in seconds: from a commit to a night of quiet hours, one set for all, so that they can be compared.
const BUCKETS: [f64; 17] =
    [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0];

/// How long something took, in buckets.
#[derive(Debug, Clone)]
pub struct DurationHistogram(Histogram);

impl Default for DurationHistogram {
    fn default() -> Self {
        Self(Histogram::new(BUCKETS))
    }
}

impl DurationHistogram {
    /// Counts one.
    pub fn observe(&self, took: Duration) {
        self.0.observe(took.as_secs_f64());
    }

    /// How many were counted.
    #[cfg(test)]
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.count()
    }

    pub(super) fn inner(&self) -> &Histogram {
        &self.0
    }
}

/// Makes the buckets of a name that is counted for the first time.
#[derive(Debug, Clone, Copy, Default)]
struct SameBuckets;

impl MetricConstructor<DurationHistogram> for SameBuckets {
    fn new_metric(&self) -> DurationHistogram {
        DurationHistogram::default()
    }
}

/// Durations by name.
#[derive(Debug, Clone)]
pub struct NamedDurations(Family<String, DurationHistogram, SameBuckets>);

impl Default for NamedDurations {
    fn default() -> Self {
        Self(Family::new_with_constructor(SameBuckets))
    }
}

impl NamedDurations {
    /// Counts one of this name.
    pub fn observe(&self, name: &str, took: Duration) {
        self.0.get_or_create(&name.to_owned()).observe(took);
    }

    /// Those of a name, of which there may be none.
    #[must_use]
    pub fn of(&self, name: &str) -> DurationHistogram {
        self.0.get_or_create_owned(&name.to_owned())
    }
}

/// Counts by name, or by a name and a member of another closed set.
#[derive(Debug, Clone, Default)]
pub struct NamedCounts(Family<(String, &'static str), Counter>);

impl NamedCounts {
    /// Counts so many more.
    pub fn add(&self, name: &str, member: &'static str, count: u64) {
        self.0.get_or_create(&(name.to_owned(), member)).inc_by(count);
    }

    /// The count, zero where there is none.
    #[must_use]
    pub fn of(&self, name: &str, member: &'static str) -> u64 {
        self.0.get(&(name.to_owned(), member)).map_or(0, |counter| counter.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_apart_and_those_never_seen_are_zero() {
        let counts = NamedCounts::default();
        counts.add("desk", "delivered", 2);
        counts.clone().add("desk", "timeout", 1);
        let of = |name, member| counts.of(name, member);
        assert_eq!((of("desk", "delivered"), of("desk", "timeout"), of("phone", "timeout")), (2, 1, 0));
        let durations = NamedDurations::default();
        durations.observe("desk", Duration::from_secs(2));
        assert_eq!((durations.of("desk").count(), durations.of("phone").count()), (1, 0));
    }
}

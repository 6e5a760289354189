//! How many requests were refused, by the name of the refusal.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::refusal::RefusalKind;
use crate::telemetry::{Metric, Sample};

/// Counts refusals; a cheap handle.
#[derive(Debug, Clone, Default)]
pub(super) struct RefusalCounts(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl RefusalCounts {
    /// Counts one.
    pub fn count(&self, kind: RefusalKind) {
        *self.0.lock().entry(kind.parts().0).or_default() += 1;
    }

    /// Those that happened so far.
    pub fn samples(&self) -> Vec<Sample> {
        let counts = self.0.lock();
        let sample = |(reason, count): (&&'static str, &u64)| {
            Sample::labelled(Metric::HttpRefusals, "reason", *reason, *count as f64)
        };
        counts.iter().map(sample).collect()
    }
}

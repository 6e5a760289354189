//! How often each subscription may be pushed to.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::model::Timestamp;

/// Requests of one subscription in a minute.
const REQUESTS_MAX: u32 = 30;
const RATE_SPAN: Duration = Duration::from_secs(60);

/// What came in the last minute, by callback; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct PushRates(Arc<Mutex<HashMap<String, (Timestamp, u32)>>>);

impl PushRates {
    /// Counts a request; `Err`: seconds until the next one may come.
    pub fn count(&self, callback: &str, now: Timestamp) -> Result<(), u64> {
        let mut rates = self.0.lock();
        // One of the future is of a clock that was set back.
        rates.retain(|_, (from, _)| *from <= now && now.since(*from) < RATE_SPAN);
        let window = rates.entry(callback.to_owned()).or_insert((now, 0));
        if window.1 < REQUESTS_MAX {
            window.1 += 1;
            return Ok(());
        }
        Err(RATE_SPAN.saturating_sub(now.since(window.0)).as_secs() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_one_subscription_are_bounded_in_a_minute_and_others_are_free() {
        let (rates, began) = (PushRates::default(), Timestamp::from_seconds(1_742_198_400));
        let after = |seconds| began.plus(Duration::from_secs(seconds));
        for _ in 0..REQUESTS_MAX {
            assert_eq!(rates.count("a", after(10)), Ok(()));
        }
        assert_eq!(rates.count("a", after(40)), Err(31));
        assert_eq!(rates.count("b", after(40)), Ok(()));
        assert_eq!(rates.count("a", after(70)), Ok(()), "a minute is over");
        assert_eq!(rates.count("a", began), Ok(()), "the clock was set back");
    }
}

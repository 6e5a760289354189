//! Who guesses passwords waits: five failures a minute from one address, then one try in ten seconds.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use std::time::Duration;

use parking_lot::Mutex;

use crate::model::Timestamp;

/// Failures from one address in [`FAILURES_WINDOW`] before it has to wait.
const FAILURES_MAX: usize = 5;
const FAILURES_WINDOW: Duration = Duration::from_secs(60);
/// From then on one try in this time.
const TRY_EVERY: Duration = Duration::from_secs(10);
/// Addresses that are remembered; of more, the one that failed longest ago is forgotten.
const ADDRESSES_MAX: usize = 10_000;

/// Failed tries by address.
#[derive(Default)]
pub(in crate::http) struct LoginThrottle(Mutex<HashMap<IpAddr, VecDeque<Timestamp>>>);

impl LoginThrottle {
    /// Counts a try as failed until it is known better; or says how long to wait before one.
    pub fn begin(&self, from: IpAddr, now: Timestamp) -> Result<(), Duration> {
        let mut tries = self.0.lock();
        let from = from.to_canonical();
        if !tries.contains_key(&from) && tries.len() >= ADDRESSES_MAX {
            let oldest = tries.iter().min_by_key(|(_, failed)| failed.back().copied()).map(|(address, _)| *address);
            oldest.and_then(|oldest| tries.remove(&oldest));
        }
        let failed = tries.entry(from).or_default();
        while failed.front().is_some_and(|at| now.since(*at) >= FAILURES_WINDOW) {
            failed.pop_front();
        }
        if let Some(last) = failed.back().filter(|_| failed.len() >= FAILURES_MAX) {
            let wait = TRY_EVERY.saturating_sub(now.since(*last));
            if !wait.is_zero() {
                return Err(wait);
            }
        }
        failed.push_back(now);
        // Enough to know that there were too many.
        while failed.len() > FAILURES_MAX {
            failed.pop_front();
        }
        Ok(())
    }

    /// The last try was right: its address starts anew.
    pub fn succeeded(&self, from: IpAddr) {
        self.0.lock().remove(&from.to_canonical());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttle_lets_five_fail_a_minute_and_one_in_ten_seconds_then() {
        let throttle = LoginThrottle::default();
        let here: IpAddr = "192.0.2.7".parse().expect("an address");
        let at = |n: i64| Timestamp::from_seconds(1_742_198_531 + n);
        for n in 0..5 {
            assert_eq!(throttle.begin(here, at(n)), Ok(()));
        }
        assert_eq!(throttle.begin(here, at(5)), Err(Duration::from_secs(9)));
        assert_eq!(throttle.begin("::ffff:192.0.2.7".parse().expect("an address"), at(6)), Err(Duration::from_secs(8)));
        assert_eq!(throttle.begin("192.0.2.8".parse().expect("an address"), at(6)), Ok(()), "others do not wait");
        assert_eq!(throttle.begin(here, at(14)), Ok(()));
        assert!(throttle.begin(here, at(15)).is_err());
        assert_eq!(throttle.begin(here, at(90)), Ok(()), "a minute later it is forgotten");
        throttle.succeeded(here);
        for n in 0..5 {
            assert_eq!(throttle.begin(here, at(91 + n)), Ok(()));
        }
    }
}

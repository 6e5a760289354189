//! How often a page may be asked for in part: once a second by each of the tabs that show it live, and by so many tabs
//! of one caller at once. The script keeps to it by itself; this holds whoever does not.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;

use crate::http::access::guard::RequestCaller;
use crate::http::refusal::{AnswerRefusal, RefusalKind};
use crate::model::Timestamp;

/// Names the tab that asks; without it all tabs of a caller are one.
const TAB_HEADER: &str = "wirewatch-tab";
const TAB_BYTES_MAX: usize = 32;
/// One part in this time, ...
const PART_EVERY: Duration = Duration::from_secs(1);
/// ... and one that comes early: what was sent a second apart need not arrive so.
const AHEAD_MAX: Duration = Duration::from_secs(1);
/// Tabs of one caller at a time: as many as there are streams to keep them live.
const TABS_MAX: usize = 32;
/// Callers that are remembered, each for two seconds at most.
const CALLERS_MAX: usize = 1000;

/// Who asks: from where, and under which name.
type PartCaller = (IpAddr, Option<String>);

/// When each tab may ask again; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct PartPace(Arc<Mutex<HashMap<PartCaller, HashMap<String, Timestamp>>>>);

impl PartPace {
    /// Counts a request for a part, or says when to come again.
    pub fn take(
        &self,
        from: IpAddr,
        caller: &RequestCaller,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<(), AnswerRefusal> {
        let tab = headers.get(TAB_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let tab = if tab.len() <= TAB_BYTES_MAX { tab } else { "" };
        self.take_for((from.to_canonical(), caller.name.clone()), tab, now)
    }

    fn take_for(&self, caller: PartCaller, tab: &str, now: Timestamp) -> Result<(), AnswerRefusal> {
        let mut callers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever asked before that is as one who never did; a clock that was set back holds nobody for long.
        let waits = |free_at: &Timestamp| *free_at > now && free_at.since(now) <= PART_EVERY + AHEAD_MAX;
        if callers.len() >= CALLERS_MAX && !callers.contains_key(&caller) {
            callers.retain(|_, tabs| tabs.values().any(waits));
            if callers.len() >= CALLERS_MAX {
                return Err(refused("too many ask for parts of pages at once"));
            }
        }
        let tabs = callers.entry(caller).or_default();
        tabs.retain(|_, free_at| waits(free_at));
        if tabs.len() >= TABS_MAX && !tabs.contains_key(tab) {
            return Err(refused("more tabs ask for parts of pages than may be live"));
        }
        let free_at = tabs.get(tab).copied().unwrap_or(now);
        if free_at > now && free_at.since(now) > AHEAD_MAX {
            return Err(refused("a part of a page may be asked for once a second"));
        }
        tabs.insert(tab.to_owned(), free_at.max(now).plus(PART_EVERY));
        Ok(())
    }
}

fn refused(detail: &str) -> AnswerRefusal {
    AnswerRefusal::new(RefusalKind::RateLimited, detail).retry_after(PART_EVERY.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str) -> PartCaller {
        ("192.0.2.7".parse().expect("an address"), Some(name.to_owned()))
    }

    #[test]
    fn parts_are_one_a_second_by_tab_and_caller() {
        let pace = PartPace::default();
        let at = |ms: i64| Timestamp::from_millis(1_742_198_531_000 + ms);
        let take = |name: &str, tab: &str, ms: i64| pace.take_for(caller(name), tab, at(ms)).map_err(|r| r.retry_after);
        assert_eq!(take("ada", "a", 0), Ok(()));
        assert_eq!(take("ada", "a", 20), Ok(()), "one may come early");
        assert_eq!(take("ada", "a", 40), Err(Some(1)));
        assert_eq!(take("ada", "b", 40), Ok(()), "another tab");
        assert_eq!(take("eve", "a", 40), Ok(()), "another caller");
        for second in 1..20 {
            assert_eq!(take("ada", "a", second * 1000 + 40), Ok(()), "a second later");
        }
        assert_eq!(take("ada", "a", 19_100), Err(Some(1)), "on average it is one a second");
        assert_eq!(take("ada", "a", -3_600_000), Ok(()), "a clock that was set back holds nobody");
    }

    #[test]
    fn parts_of_one_caller_are_for_so_many_tabs() {
        let pace = PartPace::default();
        let now = Timestamp::from_seconds(1_742_198_531);
        for tab in 0..TABS_MAX {
            assert!(pace.take_for(caller("ada"), &tab.to_string(), now).is_ok());
        }
        assert!(pace.take_for(caller("ada"), "one more", now).is_err(), "new names are no way around it");
        assert!(pace.take_for(caller("ada"), "one more", now.plus(Duration::from_secs(2))).is_ok());
        for n in 0..CALLERS_MAX {
            let _ = pace.take_for(caller(&format!("n{n}")), "", now);
        }
        assert!(pace.take_for(caller("late"), "", now).is_err());
        assert!(pace.take_for(caller("late"), "", now.plus(Duration::from_secs(3))).is_ok());
    }
}

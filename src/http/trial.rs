//! Rules tried on what is stored: who may, how many at once, and what is asked of the part that does it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;

use super::look::StoreLook;
use super::refusal::{AnswerRefusal, RefusalKind};
use super::sources::{ListenerSources, TrialRefusal, TrialWish};
use crate::config::duration;

/// Runs at once.
const RUNS_MAX: usize = 2;
/// The longest window.
const WINDOW_MAX: Duration = Duration::from_hours(30 * 24);
/// The window where none is named.
pub(super) const WINDOW_USUAL: &str = "7d";

/// Who has a run under way.
#[derive(Clone, Default)]
pub(super) struct TrialDesk(Arc<Mutex<HashSet<String>>>);

/// A place to run; it is free again when this is dropped.
struct TrialPlace {
    desk: TrialDesk,
    who: String,
}

impl Drop for TrialPlace {
    fn drop(&mut self) {
        self.desk.0.lock().remove(&self.who);
    }
}

impl TrialDesk {
    fn take(&self, who: &str) -> Result<TrialPlace, AnswerRefusal> {
        let busy = |detail: &str| Err(AnswerRefusal::new(RefusalKind::Busy, detail));
        let mut running = self.0.lock();
        if running.contains(who) {
            return busy("a trial of yours is under way: it ends within seconds");
        }
        if running.len() >= RUNS_MAX {
            return busy("others try rules as well; ask again in a moment");
        }
        running.insert(who.to_owned());
        Ok(TrialPlace { desk: self.clone(), who: who.to_owned() })
    }
}

/// A window as it is written.
pub(super) fn window(text: &str) -> Result<Duration, AnswerRefusal> {
    let read = duration(text).ok().filter(|window| !window.is_zero() && *window <= WINDOW_MAX);
    read.ok_or_else(|| {
        AnswerRefusal::new(RefusalKind::BadBody, format!("`window={text}` is none")).hint("write 24h, 7d or 30d")
    })
}

/// What a run found, or what is wrong with the rules in words.
pub(super) async fn run(
    served: &ListenerSources,
    desk: &TrialDesk,
    who: &str,
    wish: TrialWish,
) -> Result<Result<Value, String>, AnswerRefusal> {
    let place = desk.take(who)?;
    let known = move |look: &StoreLook| Ok((look.store.clone(), look.config.clone()));
    let (store, config) = served.reads.answer(known).await?;
    let trial = served.trial.clone();
    let (answer, answered) = tokio::sync::oneshot::channel();
    // A thread of its own, that may be slowed down without anybody else.
    let spawned = std::thread::Builder::new().name("trial".to_owned()).spawn(move || {
        let found = trial(&store, &config, &wish);
        // Whoever has the answer may ask again at once.
        drop(place);
        let _ = answer.send(found);
    });
    let failed = || AnswerRefusal::new(RefusalKind::StoreFailed, "the trial broke; the log says why");
    spawned.map_err(|_| failed())?;
    match answered.await.map_err(|_| failed())? {
        Ok(found) => Ok(Ok(found)),
        Err(TrialRefusal::Rules(words)) => Ok(Err(words)),
        Err(TrialRefusal::Store(error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_are_one_of_a_person_and_two_in_all() {
        let desk = TrialDesk::default();
        let ada = desk.take("ada").expect("a place");
        assert!(desk.take("ada").is_err());
        let bob = desk.take("bob").expect("a place");
        assert!(desk.take("eve").is_err());
        drop(ada);
        assert!(desk.take("eve").is_ok());
        drop(bob);
    }

    #[test]
    fn trial_window_is_thirty_days_at_most() {
        assert_eq!(window("24h").map_err(|_| ()), Ok(Duration::from_hours(24)));
        for bad in ["31d", "0h", "week", ""] {
            assert!(window(bad).is_err(), "{bad}");
        }
    }
}

//! Pushes that reach a process which does not decide: it puts them into the inbox of the database as they came and waits
//! for their answer; the one that decides takes them from there, and answers with the commit that holds their items.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::hub_inbox::{self, HubInbox};
use super::inbox_answer::{AGAIN_AFTER, ANSWER_WAIT_MAX, answer_of};
use crate::clock::Clock;
use crate::config::Config;
use crate::model::{ContentHash, SourceId};
use crate::source::push::{PushBody, PushForm, PushIntake, PushKey, PushRelay, PushUntaken, RelayedPush};
use crate::source::websub::HubIntake;
use crate::store::{InboxOutcome, InboxPush, Store, StoreError};

/// How often it is looked without a word.
const TAKE_EVERY: Duration = Duration::from_secs(5);
/// Pushes of the inbox that are decided on at once.
const IN_HAND_MAX: usize = 16;
/// The form of a part of a body of lines; the others go by the names of bodies.
const LINES: &str = "lines";

/// Passes pushes on to the process that decides.
pub(super) fn relay(store: Store, clock: Clock) -> PushRelay {
    Arc::new(move |push| {
        let (store, clock) = (store.clone(), clock.clone());
        Box::pin(async move { pass_on(&store, &clock, push).await })
    })
}

async fn pass_on(store: &Store, clock: &Clock, push: RelayedPush) -> Result<String, PushUntaken> {
    let unreachable = |error: StoreError| {
        warn!(%error, "a push cannot be passed on");
        PushUntaken::Unreachable
    };
    let (entry, now) = (entry(push), clock.now());
    let mut others = store.heard_answered();
    let put = store.blocking(move |store| store.put_into_inbox(&entry, now)).await;
    let row = put.map_err(unreachable)?.ok_or(PushUntaken::Full)?;
    match answer_of(store, clock, row, &mut others, ANSWER_WAIT_MAX).await.map_err(unreachable)? {
        Some(InboxOutcome::Stored(answer)) => Ok(answer),
        Some(InboxOutcome::Refused(why)) => {
            warn!(row, why, "a push was passed on and not taken");
            Err(PushUntaken::UnknownThere)
        }
        Some(InboxOutcome::Waits) | None => Err(PushUntaken::Late),
    }
}

fn entry(push: RelayedPush) -> InboxPush {
    let RelayedPush { source, form, key, body } = push;
    let (form, first_line) = match form {
        PushForm::Whole(kind) => (kind.as_str(), 0),
        PushForm::Lines(first) => (LINES, first),
    };
    let key = key.map(|PushKey { key, body_hash }| (key, body_hash.to_bytes().to_vec()));
    InboxPush { source: source.as_str().to_owned(), form: form.to_owned(), first_line, key, body }
}

/// What was passed on; `None` where it is of a form that this version does not know.
fn relayed(push: InboxPush) -> Option<RelayedPush> {
    let InboxPush { source, form, first_line, key, body } = push;
    let form = if form == LINES {
        PushForm::Lines(first_line)
    } else {
        PushForm::Whole(PushBody::ALL.into_iter().find(|kind| kind.as_str() == form)?)
    };
    let key = match key {
        Some((key, hash)) => Some(PushKey { key, body_hash: ContentHash::from_bytes(hash.try_into().ok()?) }),
        None => None,
    };
    Some(RelayedPush { source: SourceId::new(&source).ok()?, form, key, body })
}

/// The process that decides takes what the others have put into the inbox.
pub(super) struct InboxTaker {
    pub(super) store: Store,
    pub(super) config: watch::Receiver<Arc<Config>>,
    pub(super) pushes: PushIntake,
    pub(super) hubs: HubIntake,
    pub(super) clock: Clock,
}

impl InboxTaker {
    /// Takes pushes and what hubs say, in the order in which they came, until cancelled.
    pub(super) async fn run(self, cancel: CancellationToken) {
        let mut others = self.store.heard_pushed();
        let (mut tasks, mut in_hand) = (JoinSet::new(), Vec::new());
        // Those that were taken up before: what may come in a minute counts each of them once.
        let mut taken_up = HashSet::new();
        loop {
            others.mark_unchanged();
            let (except, most) = (in_hand.clone(), IN_HAND_MAX - in_hand.len());
            match self.store.blocking(move |store| store.waiting_in_inbox(&except, most)).await {
                Ok(waiting) => {
                    for (row, push) in waiting {
                        in_hand.push(row);
                        let is_counted = !taken_up.insert(row);
                        tasks.spawn(self.take(row, push, is_counted));
                    }
                }
                Err(error) => debug!(%error, "the inbox cannot be read"),
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = others.changed() => {}
                () = tokio::time::sleep(TAKE_EVERY) => {}
                Some(done) = tasks.join_next() => match done {
                    Ok((row, is_answered)) => {
                        in_hand.retain(|one| *one != row);
                        if is_answered {
                            taken_up.remove(&row);
                        }
                    }
                    // Which of them panicked is not known: those that have not ended are known still.
                    Err(_) if tasks.is_empty() => in_hand.clear(),
                    Err(_) => {}
                },
            }
        }
    }
}

impl InboxTaker {
    /// Takes one; gives its number when it need not be left alone any more, and whether it is answered.
    fn take(
        &self,
        row: i64,
        push: InboxPush,
        is_counted: bool,
    ) -> impl Future<Output = (i64, bool)> + Send + 'static + use<> {
        let (store, config, pushes) = (self.store.clone(), self.config.borrow().clone(), self.pushes.clone());
        let hubs = HubInbox { store: store.clone(), hubs: self.hubs.clone(), clock: self.clock.clone() };
        async move {
            let is_answered = if hub_inbox::is_of_a_hub(&push) {
                hubs.take(row, push, is_counted).await
            } else {
                take(store, config, pushes, row, push).await
            };
            (row, is_answered)
        }
    }
}

/// Takes a push; whether it is answered.
async fn take(store: Store, config: Arc<Config>, pushes: PushIntake, row: i64, push: InboxPush) -> bool {
    let sender = config.pushes.iter().find(|one| one.id.as_str() == push.source);
    let (Some(sender), Some(push)) = (sender, relayed(push.clone())) else {
        warn!(
            row,
            source = push.source,
            "a push that another node has passed on is not taken: nobody knows its sender"
        );
        let why = "the node that decides knows no such sender";
        if let Err(error) = store.blocking(move |store| store.refuse_in_inbox(row, why)).await {
            debug!(%error, "a push cannot be refused");
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        return true;
    };
    let taken = pushes.take_relayed(sender, config.limits, push, row).await;
    if let Err(untaken) = &taken {
        debug!(row, ?untaken, "a push of the inbox waits");
        tokio::time::sleep(AGAIN_AFTER).await;
    }
    taken.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn push_comes_out_of_the_inbox_as_it_went_in() {
        let key = Some(PushKey { key: "k".to_owned(), body_hash: ContentHash::of(&[b"body"]) });
        let forms = PushBody::ALL.map(PushForm::Whole).into_iter().chain([PushForm::Lines(101)]);
        for (form, key) in forms.zip([key.clone(), None, key.clone(), key, None]) {
            let source = SourceId::new("desk").expect("a name");
            let push = RelayedPush { source, form, key, body: b"one\n\ntwo".to_vec() };
            assert_eq!(relayed(entry(push.clone())), Some(push));
        }
        let source = SourceId::new("desk").expect("a name");
        let known = entry(RelayedPush { source, form: PushForm::Lines(1), key: None, body: Vec::new() });
        let unknown = InboxPush { form: "of-tomorrow".to_owned(), ..known };
        assert_eq!(relayed(unknown), None, "a version that is newer may know more");
    }
}

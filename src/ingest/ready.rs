//! The way from preparing to deciding: what is prepared collects here while the group before it is decided and
//! stored, so that one transaction, with its one sync, takes all of it.

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::prepared::PreparedBatch;

/// No more is waited for from here on, nor is more added: one sync among so many items is little, and more would be
/// memory and a writer that is held for long.
const ENOUGH: usize = 256;

/// What is ready waits for so many rounds of preparing to bring more, whatever else there is to prepare.
const ROUNDS_MAX: usize = 2;

/// Shared by the two threads; what ends one ends the other.
#[derive(Default)]
pub(super) struct ReadyQueue {
    state: Mutex<ReadyState>,
    changed: Condvar,
}

#[derive(Default)]
struct ReadyState {
    batches: Vec<PreparedBatch>,
    /// Their items to decide, and one for each batch: its cursor is a row, too.
    weight: usize,
    /// More is being prepared and will be here soon.
    more: bool,
    /// Rounds of preparing since the first of them was ready.
    rounds: usize,
    /// Whoever takes is to come round although there may be nothing to take.
    woken: bool,
    ended: bool,
}

impl ReadyState {
    fn is_full(&self) -> bool {
        !self.ended && self.weight >= ENOUGH
    }

    /// Whether whoever takes is better off waiting.
    fn is_too_little(&self) -> bool {
        let more = self.more && self.rounds < ROUNDS_MAX;
        !self.ended && !self.woken && (self.weight == 0 || more && self.weight < ENOUGH)
    }
}

impl ReadyQueue {
    /// More is on its way: whoever takes may wait for it.
    pub(super) fn expect_more(&self) {
        self.state().more = true;
    }

    /// Adds what is ready, once there is room; `more` follows at once. False: nobody will take it.
    pub(super) fn add(&self, mut batches: Vec<PreparedBatch>, more: bool) -> bool {
        let mut state = self.state();
        self.changed.wait_while(&mut state, |state| state.is_full());
        state.rounds += usize::from(state.weight > 0);
        state.weight += batches.iter().map(PreparedBatch::weight).sum::<usize>();
        state.batches.append(&mut batches);
        state.more = more;
        self.changed.notify_all();
        !state.ended
    }

    /// Lets whoever takes come round at once, with whatever is there.
    pub(super) fn wake(&self) {
        self.state().woken = true;
        self.changed.notify_all();
    }

    /// Waits for something, or to be woken, and takes what goes into one transaction; `None`: nothing will ever come.
    pub(super) fn take(&self) -> Option<Vec<PreparedBatch>> {
        let mut state = self.state();
        self.changed.wait_while(&mut state, |state| state.is_too_little());
        let woken = std::mem::take(&mut state.woken);
        let count = fitting(state.batches.iter().map(PreparedBatch::weight));
        let batches: Vec<PreparedBatch> = state.batches.drain(..count).collect();
        state.rounds = 0;
        state.weight -= batches.iter().map(PreparedBatch::weight).sum::<usize>();
        self.changed.notify_all();
        Some(batches).filter(|batches| woken || !batches.is_empty())
    }

    fn end(&self) {
        self.state().ended = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, ReadyState> {
        self.state.lock()
    }
}

/// How many of the first go into one transaction. A large one goes alone, so that those before it do not wait for it.
fn fitting(weights: impl Iterator<Item = usize>) -> usize {
    let (mut sum, mut count) = (0, 0);
    for weight in weights {
        sum += weight;
        if count > 0 && sum > ENOUGH {
            break;
        }
        count += 1;
    }
    count
}

/// Held by each of the two: however one ends, a panic included, the other does not wait for it.
pub(super) struct ReadyEnd<'a>(pub(super) &'a ReadyQueue);

impl Drop for ReadyEnd<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(weight: usize, more: bool) -> ReadyState {
        ReadyState { weight, more, ..ReadyState::default() }
    }

    #[test]
    fn take_waits_for_more_until_it_is_enough_and_add_for_room() {
        for (state, too_little, full) in [
            (state(0, false), true, false),
            (state(0, true), true, false),
            (state(1, false), false, false),
            (state(ENOUGH - 1, true), true, false),
            (state(ENOUGH, true), false, true),
            (ReadyState { rounds: ROUNDS_MAX, ..state(1, true) }, false, false),
            (ReadyState { woken: true, ..state(0, false) }, false, false),
            (ReadyState { woken: true, ..state(ENOUGH, true) }, false, true),
            (ReadyState { ended: true, ..state(0, true) }, false, false),
            (ReadyState { ended: true, ..state(ENOUGH, false) }, false, false),
        ] {
            let shown = (state.weight, state.more, state.ended);
            assert_eq!((state.is_too_little(), state.is_full()), (too_little, full), "{shown:?}");
        }
    }

    #[test]
    fn take_lets_a_large_batch_go_alone() {
        for (weights, together) in [
            (vec![4, 2, 5 * ENOUGH], 2),
            (vec![5 * ENOUGH, 4, 2], 1),
            (vec![ENOUGH - 1, 1, 1], 2),
            (vec![1; 3], 3),
            (vec![], 0),
        ] {
            assert_eq!(fitting(weights.iter().copied()), together, "{weights:?}");
        }
    }

    #[test]
    fn wake_brings_the_taker_round_once_with_nothing() {
        let ready = ReadyQueue::default();
        ready.wake();
        assert!(ready.take().is_some_and(|batches| batches.is_empty()));
        ready.end();
        assert!(ready.take().is_none(), "woken once, it comes round once");
    }

    #[test]
    fn end_of_one_side_ends_the_wait_of_the_other() {
        let ready = ReadyQueue::default();
        std::thread::scope(|scope| {
            let taker = scope.spawn(|| ready.take().is_none());
            drop(ReadyEnd(&ready));
            assert!(taker.join().expect("no panic"));
        });
        let ready = ReadyQueue::default();
        ready.state().weight = ENOUGH;
        std::thread::scope(|scope| {
            let adder = scope.spawn(|| ready.add(Vec::new(), false));
            drop(ReadyEnd(&ready));
            assert!(!adder.join().expect("no panic"), "it is told that nobody takes it");
        });
    }
}

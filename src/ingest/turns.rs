//! Whose work is done next. Not that of whoever came first, for then all would wait for a source that brings much; each
//! source has its line, and the one goes first that would have finished first if all had been served at once. Order
//! within a source stays. Knows costs and names only.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use crate::model::SourceId;

/// Work of many sources, in fair turns.
#[derive(Debug)]
pub(super) struct FairTurns<T> {
    /// The heads of the lines, by when they would have finished; then by when they came.
    heads: BinaryHeap<Reverse<(u64, u64, SourceId)>>,
    lines: HashMap<SourceId, SourceLine<T>>,
    /// How far everybody has been served.
    served: u64,
    numbers: u64,
    waiting: usize,
    /// Whose turn it is: its line has no head until it is known whether it is done.
    open: Option<SourceId>,
}

#[derive(Debug)]
struct SourceLine<T> {
    work: VecDeque<(u64, T)>,
    /// When what was begun of it has finished.
    finished: u64,
}

impl<T> Default for FairTurns<T> {
    fn default() -> Self {
        Self { heads: BinaryHeap::new(), lines: HashMap::new(), served: 0, numbers: 0, waiting: 0, open: None }
    }
}

impl<T> FairTurns<T> {
    /// Work that waits.
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    /// Further work of a source, behind what it has already.
    pub(super) fn push(&mut self, source: &SourceId, cost: u64, work: T) {
        let is_open = self.open.as_ref() == Some(source);
        if self.waiting == 0 {
            // Nobody waits, so nobody owes anything.
            let open = self.open.as_ref();
            self.lines.retain(|source, _| open == Some(source));
        }
        let served = self.served;
        let line =
            self.lines.entry(source.clone()).or_insert_with(|| SourceLine { work: VecDeque::new(), finished: served });
        line.work.push_back((cost, work));
        self.waiting += 1;
        if line.work.len() == 1 && !is_open {
            self.line_up(source.clone());
        }
    }

    /// The next work, and whose it is.
    pub(super) fn next(&mut self) -> Option<(SourceId, T)> {
        if let Some(source) = self.open.take() {
            self.close(source);
        }
        let Reverse((finish, _, source)) = self.heads.pop()?;
        let line = self.lines.get_mut(&source)?;
        let (cost, work) = line.work.pop_front()?;
        line.finished = finish;
        self.served = self.served.max(finish - cost);
        self.waiting -= 1;
        self.open = Some(source.clone());
        Some((source, work))
    }

    /// What is left of the work that was given out last; it stays first of its source.
    pub(super) fn put_back(&mut self, cost: u64, work: T) {
        let line = self.open.as_ref().and_then(|source| self.lines.get_mut(source));
        if let Some(line) = line {
            line.work.push_front((cost, work));
            self.waiting += 1;
        }
    }

    /// Whoever was served may have more.
    fn close(&mut self, source: SourceId) {
        match self.lines.get(&source) {
            Some(line) if !line.work.is_empty() => self.line_up(source),
            // Its debt ends with its line once everybody has come as far.
            Some(line) if line.finished <= self.served => drop(self.lines.remove(&source)),
            _ => self.sweep(),
        }
    }

    /// Lines of sources that have nothing and owe nothing are forgotten, now and then.
    fn sweep(&mut self) {
        if self.lines.len() > 2 * self.heads.len() + 64 {
            let served = self.served;
            self.lines.retain(|_, line| !line.work.is_empty() || line.finished > served);
        }
    }

    fn line_up(&mut self, source: SourceId) {
        let Some(line) = self.lines.get(&source) else { return };
        let Some((cost, _)) = line.work.front() else { return };
        self.numbers += 1;
        self.heads.push(Reverse((line.finished.max(self.served) + cost, self.numbers, source)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SourceId {
        SourceId::new(text).expect("a name")
    }

    /// Takes turns until nothing is left; work is a number of pieces, each of cost ten.
    fn order(turns: &mut FairTurns<u32>) -> Vec<String> {
        let mut order = Vec::new();
        while let Some((source, pieces)) = turns.next() {
            order.push(source.to_string());
            if pieces > 1 {
                turns.put_back(10, pieces - 1);
            }
        }
        order
    }

    #[test]
    fn source_that_brings_much_waits_for_itself_and_nobody_for_it() {
        let mut turns = FairTurns::default();
        turns.push(&name("large"), 10, 5);
        turns.push(&name("small"), 1, 1);
        turns.push(&name("middle"), 10, 2);
        assert_eq!(order(&mut turns), ["small", "large", "middle", "large", "middle", "large", "large", "large"]);
        assert_eq!(turns.len(), 0);
    }

    #[test]
    fn order_within_a_source_stays_and_idle_time_is_no_credit() {
        let mut turns = FairTurns::default();
        for number in 1..=3 {
            turns.push(&name("one"), 10, number);
        }
        let next = |turns: &mut FairTurns<u32>| turns.next().map(|(source, work)| (source.to_string(), work));
        assert_eq!(next(&mut turns), Some(("one".to_owned(), 1)));
        // Who comes now has not saved up for the time before: they take turns from here on.
        turns.push(&name("two"), 10, 7);
        turns.push(&name("two"), 10, 8);
        let rest: Vec<_> = std::iter::from_fn(|| next(&mut turns)).map(|(_, work)| work).collect();
        assert_eq!(rest, [7, 2, 8, 3]);
    }

    #[test]
    fn lines_of_sources_that_left_are_forgotten() {
        let mut turns = FairTurns::default();
        for number in 0..10_000 {
            turns.push(&name(&format!("s{number}")), 1, 1);
            turns.next();
        }
        assert!(turns.lines.len() < 200, "{}", turns.lines.len());
    }
}

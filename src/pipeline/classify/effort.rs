//! What an expression costs, counted and not timed: the steps of a plain simulation of its automaton over
//! texts that are hard on it. The same on every machine, however busy, so a config that was taken once
//! is always taken. An upper bound: the engine that searches documents mostly does better.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use regex_automata::nfa::thompson::{BuildError, Compiler, NFA, State, WhichCaptures};
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;

/// Most steps per byte. At some 3 ns a step the longest text that is searched takes 50 ms at this bound.
pub(super) const STEPS_PER_BYTE_MAX: usize = 250;
/// Length of the texts it is measured on: the ratio does not depend on it.
const TEXT_BYTES: usize = 768;
/// As many places as a document is searched for.
const HITS_MAX: usize = 64;
/// Texts of one letter, of words, of numbers, of another script.
const TEXTS: [&str; 5] = ["a", "ab cd efg ", "0123456789", "A, b. C! ", "жщ "];

/// The most steps per byte over all texts.
pub(super) fn steps_per_byte(pattern: &str, nfa: &NFA) -> usize {
    let own: String = pattern.chars().filter(|c| c.is_alphanumeric() || *c == ' ').collect();
    let texts = TEXTS.iter().copied().chain([own.as_str()]).filter(|seed| !seed.is_empty());
    let mut simulation = Simulation::of(nfa);
    let steps = texts.map(|seed| {
        let text = seed.repeat(TEXT_BYTES.div_ceil(seed.len()));
        let steps = simulation.search_all(text.as_bytes());
        steps.div_ceil(text.len())
    });
    steps.max().unwrap_or(0)
}

thread_local! {
    /// What it remembers of one expression takes longer to lay out than a usual one takes to compile.
    static COMPILER: RefCell<Compiler> = RefCell::new(NFA::compiler());
}

/// The program of a pattern, of so many bytes at most.
pub(super) fn automaton(pattern: &str, bytes_max: usize) -> Result<NFA, Box<BuildError>> {
    COMPILER.with_borrow_mut(|compiler| {
        compiler
            .syntax(syntax::Config::new().case_insensitive(true))
            .configure(NFA::config().which_captures(WhichCaptures::None).nfa_size_limit(Some(bytes_max)))
            .build(pattern)
            .map_err(Box::new)
    })
}

/// Whether it is found where there is nothing.
pub(super) fn matches_empty(nfa: &NFA) -> bool {
    let (mut waiting, mut seen) = (vec![nfa.start_anchored()], Reached::of(nfa.states().len()));
    while let Some(state) = waiting.pop() {
        if !seen.insert(state) {
            continue;
        }
        match nfa.state(state) {
            State::Match { .. } => return true,
            State::Look { look, next } if nfa.look_matcher().matches(*look, b"", 0) => waiting.push(*next),
            State::Capture { next, .. } => waiting.push(*next),
            State::Union { alternates } => waiting.extend(alternates.iter()),
            State::BinaryUnion { alt1, alt2 } => waiting.extend([*alt1, *alt2]),
            _ => {}
        }
    }
    false
}

/// States in the order they were reached, each once.
struct Reached {
    order: Vec<StateID>,
    seen: Vec<bool>,
}

impl Reached {
    fn of(states: usize) -> Self {
        Self { order: Vec::new(), seen: vec![false; states] }
    }

    fn insert(&mut self, state: StateID) -> bool {
        let new = !std::mem::replace(&mut self.seen[state.as_usize()], true);
        if new {
            self.order.push(state);
        }
        new
    }

    fn clear(&mut self) {
        for state in self.order.drain(..) {
            self.seen[state.as_usize()] = false;
        }
    }
}

/// Sets of states that are remembered; the texts repeat themselves, so few come up for most patterns.
const SETS_MAX: usize = 1024;

/// What one byte leads to.
#[derive(Clone, Copy)]
struct StepOutcome {
    steps: usize,
    /// The set of states behind it.
    next: u32,
    is_match: bool,
}

/// Sets of states by number, and what each byte that was met led to from them, so that it is counted out once.
#[derive(Default)]
struct KnownSteps {
    numbers: HashMap<Rc<[StateID]>, u32>,
    sets: Vec<Rc<[StateID]>>,
    outcomes: Vec<Vec<(u16, StepOutcome)>>,
}

impl KnownSteps {
    fn number(&mut self, set: &[StateID]) -> u32 {
        if let Some(number) = self.numbers.get(set) {
            return *number;
        }
        let (number, set) = (self.sets.len() as u32, Rc::<[StateID]>::from(set));
        self.numbers.insert(Rc::clone(&set), number);
        self.sets.push(set);
        self.outcomes.push(Vec::new());
        number
    }

    fn outcome(&self, set: u32, key: u16) -> Option<StepOutcome> {
        self.outcomes[set as usize].iter().find(|(known, _)| *known == key).map(|(_, outcome)| *outcome)
    }
}

/// All threads side by side (Pike 1987), counting every state that is looked at.
struct Simulation<'a> {
    nfa: &'a NFA,
    now: Reached,
    next: Reached,
    waiting: Vec<StateID>,
    known: KnownSteps,
    steps: usize,
}

impl<'a> Simulation<'a> {
    fn of(nfa: &'a NFA) -> Self {
        let states = nfa.states().len();
        let (now, next) = (Reached::of(states), Reached::of(states));
        Self { nfa, now, next, waiting: Vec::new(), known: KnownSteps::default(), steps: 0 }
    }

    /// Searches for one place after the other, as a document is searched; the steps of that.
    fn search_all(&mut self, text: &[u8]) -> usize {
        self.steps = 0;
        let mut at = 0;
        for _ in 0..HITS_MAX {
            match self.search(text, at) {
                Some(end) if end < text.len() => at = end.max(at + 1),
                _ => break,
            }
        }
        self.steps
    }

    /// The end of the leftmost match from `start` on: threads that began earlier go first.
    fn search(&mut self, text: &[u8], start: usize) -> Option<usize> {
        let mut set = self.known.number(&[]);
        let mut matched = None;
        for at in start..=text.len() {
            if matched.is_some() && self.known.sets[set as usize].is_empty() {
                break;
            }
            let outcome = self.step(set, matched.is_none(), text.get(at).copied());
            self.steps += outcome.steps;
            if outcome.is_match {
                matched = Some(at);
            }
            set = outcome.next;
        }
        matched
    }

    /// From a set of states over one byte, or the end of the text; `begins`: a thread begins here, too.
    fn step(&mut self, set: u32, begins: bool, byte: Option<u8>) -> StepOutcome {
        let key = byte.map_or(256, u16::from) << 1 | u16::from(begins);
        if let Some(outcome) = self.known.outcome(set, key) {
            return outcome;
        }
        self.now.clear();
        self.next.clear();
        for state in self.known.sets[set as usize].iter() {
            self.now.insert(*state);
        }
        let (mut steps, mut is_match) = (0, false);
        if begins {
            steps += reach(self.nfa, &mut self.now, &mut self.waiting, self.nfa.start_anchored());
        }
        for index in 0..self.now.order.len() {
            steps += 1;
            let follows = match self.nfa.state(self.now.order[index]) {
                State::Match { .. } => {
                    is_match = true;
                    break;
                }
                State::ByteRange { trans } => byte.filter(|b| trans.matches_byte(*b)).map(|_| trans.next),
                State::Sparse(ranges) => byte.and_then(|b| ranges.matches_byte(b)),
                State::Dense(table) => byte.and_then(|b| table.matches_byte(b)),
                _ => None,
            };
            if let Some(follows) = follows {
                steps += reach(self.nfa, &mut self.next, &mut self.waiting, follows);
            }
        }
        let is_full = self.known.sets.len() >= SETS_MAX;
        if is_full {
            self.known = KnownSteps::default();
        }
        let outcome = StepOutcome { steps, next: self.known.number(&self.next.order), is_match };
        if !is_full {
            self.known.outcomes[set as usize].push((key, outcome));
        }
        outcome
    }
}

/// Adds a state and all that follow without a byte, in the order of preference; says how many were looked at.
/// Conditions such as `\b` count as met: this is an upper bound.
fn reach(nfa: &NFA, reached: &mut Reached, waiting: &mut Vec<StateID>, from: StateID) -> usize {
    waiting.push(from);
    let mut steps = 0;
    while let Some(state) = waiting.pop() {
        steps += 1;
        if !reached.insert(state) {
            continue;
        }
        match nfa.state(state) {
            State::Look { next, .. } | State::Capture { next, .. } => waiting.push(*next),
            State::Union { alternates } => waiting.extend(alternates.iter().rev()),
            State::BinaryUnion { alt1, alt2 } => waiting.extend([*alt2, *alt1]),
            _ => {}
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps_per_byte(pattern: &str) -> usize {
        super::steps_per_byte(pattern, &automaton(pattern, 1 << 20).expect("it compiles"))
    }

    #[test]
    fn effort_usual_patterns_cost_little() {
        for pattern in [r"su-?(24|27|35)s?\b", "^live:", "al[p]ha|b1", "[0-9]+ (soldiers|troops)", "[a-z]+-[0-9]{1,3}"]
        {
            let steps = steps_per_byte(pattern);
            assert!((1..80).contains(&steps), "{pattern}: {steps}");
        }
    }

    #[test]
    fn effort_counts_threads_that_live_on_and_searches_that_start_over() {
        for pattern in ["[a-z]{0,90}[0-9a-f]{2,90}z", ".*[^A-Z]|[A-Z]", "(?:[a-z ]{1,40}){1,6}q"] {
            let steps = steps_per_byte(pattern);
            assert!(steps > STEPS_PER_BYTE_MAX, "{pattern}: {steps}");
        }
    }

    #[test]
    fn effort_is_the_same_every_time() {
        assert_eq!(steps_per_byte("a[bc]{2,9}d"), steps_per_byte("a[bc]{2,9}d"));
    }

    #[test]
    fn effort_is_what_is_counted_out_byte_by_byte() {
        // More sets of states than are remembered among them.
        for pattern in [
            "su-?(24|27)s?\\b",
            "[a-z]{0,40}[0-9a-f]{2,40}z",
            ".*[^A-Z]|[A-Z]",
            "(a|b)*a(a|b){11}",
            "x*",
            "[ab ]{1,9}c",
        ] {
            let nfa = automaton(pattern, 1 << 20).expect("it compiles");
            for seed in ["ab cd efg ", "aabab bba", "zzz9f0 q", "жщ "] {
                let text = seed.repeat(40);
                let steps = Simulation::of(&nfa).search_all(text.as_bytes());
                // With nothing kept from one step to the next.
                let mut forgetful = Simulation::of(&nfa);
                let mut at = 0;
                let mut counted = 0;
                for _ in 0..HITS_MAX {
                    let (mut set, mut matched): (Vec<StateID>, _) = (Vec::new(), None);
                    for place in at..=text.len() {
                        if matched.is_some() && set.is_empty() {
                            break;
                        }
                        forgetful.known = KnownSteps::default();
                        let number = forgetful.known.number(&set);
                        let outcome = forgetful.step(number, matched.is_none(), text.as_bytes().get(place).copied());
                        counted += outcome.steps;
                        if outcome.is_match {
                            matched = Some(place);
                        }
                        set = forgetful.known.sets[outcome.next as usize].to_vec();
                    }
                    match matched {
                        Some(end) if end < text.len() => at = end.max(at + 1),
                        _ => break,
                    }
                }
                assert_eq!(steps, counted, "{pattern} over {seed}");
            }
        }
    }
}

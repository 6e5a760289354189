//! A stream cut anywhere, with everything rebuilt from the store, decides as if it had never been cut:
//! verdicts, story ids, alert ids, sequences and bodies; with people who split and merge stories meanwhile.

use std::time::Duration;

use proptest::prelude::*;
use wirewatch::app::compile;
use wirewatch::model::{ItemId, ItemKey, Origin, RawItem, RawText, SourceId, SourceKind, StoryId, Timestamp};
use wirewatch::pipeline::memory::MemoryConfig;
use wirewatch::pipeline::{Decision, Ledger, Listener, RaisedAlert, Rules, Told, Verdict, decide, prepare};
use wirewatch::store::{Access, AlertFilter, BatchWrite, Correction, RecalledFrom, Store};

use super::newsroom::{Newsroom, body, title};

const START: Timestamp = Timestamp::from_seconds(1_742_198_531);
const DAY: Duration = Duration::from_secs(86_400);

/// One appearance of an event: which, told by whom, under which key, in which words, how much later.
#[derive(Debug, Clone)]
struct Appearance {
    event: u64,
    outlet: u8,
    key: u8,
    wording: Wording,
    ferry: bool,
    linked: bool,
    after: Duration,
}

#[derive(Debug, Clone, Copy)]
enum Wording {
    Same,
    Edited,
    Half,
    Retold,
}

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    Arrives(Appearance),
    /// Some story with two items or more is split: which one, and which of its items leave.
    Split(usize, usize),
    /// Some two stories are made one.
    Merge(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => appearance().prop_map(Step::Arrives),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(story, items)| Step::Split(story, items)),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(one, other)| Step::Merge(one, other)),
    ]
}

fn arrivals(appearances: &[Appearance]) -> Vec<Step> {
    appearances.iter().cloned().map(Step::Arrives).collect()
}

fn numbers(store: &Store, sql: &'static str, of: i64) -> Vec<i64> {
    let read = |c: &wirewatch::store::engine::Connection| c.prepare(sql)?.query_map([of], |row| row.get(0))?.collect();
    store.read("numbers", read).expect("read")
}

/// A correction that can be made now, if any.
fn correction(step: &Step, store: &Store) -> Option<Correction> {
    let pick = |from: &[i64], at: usize| (!from.is_empty()).then(|| StoryId::from_i64(from[at % from.len()]));
    match *step {
        Step::Arrives(_) => None,
        Step::Split(story, leaving) => {
            let several = "SELECT id FROM stories WHERE merged_into IS NULL AND items >= 2 AND ?1 = 0 ORDER BY id";
            let story = pick(&numbers(store, several, 0), story)?;
            let items = numbers(store, "SELECT id FROM items WHERE story = ?1 ORDER BY seq", story.to_i64());
            let leave = |(at, id): (usize, i64)| (leaving >> (at % 60) & 1 == 1).then(|| ItemId::from_i64(id));
            let mut leaving: Vec<ItemId> = items.iter().copied().enumerate().filter_map(leave).collect();
            leaving.truncate(items.len() - 1);
            (!leaving.is_empty()).then_some(Correction::Split { story, items: leaving })
        }
        Step::Merge(one, other) => {
            let all = numbers(store, "SELECT id FROM stories WHERE merged_into IS NULL AND ?1 = 0 ORDER BY id", 0);
            let (story, other) = (pick(&all, one)?, pick(&all, other)?);
            (story != other).then_some(Correction::Merge { story, other })
        }
    }
}

fn appearance() -> impl Strategy<Value = Appearance> {
    let wording = prop_oneof![Just(Wording::Same), Just(Wording::Edited), Just(Wording::Half), Just(Wording::Retold)];
    let gap = prop_oneof![Just(0), 1u64..600, 600u64..40_000, 40_000u64..400_000];
    (0u64..6, 0u8..5, 0u8..3, wording, prop::bool::weighted(0.2), prop::bool::weighted(0.3), gap).prop_map(
        |(event, outlet, key, wording, ferry, linked, gap)| {
            let after = Duration::from_secs(gap);
            Appearance { event, outlet, key, wording, ferry, linked, after }
        },
    )
}

impl Appearance {
    fn raw(&self) -> RawItem {
        let text = body(self.event);
        let mut text = match self.wording {
            Wording::Same => text,
            Wording::Edited => format!("{text} Nobody was hurt, the mayor added on the quay."),
            Wording::Half => text[..text.len() / 2].to_owned(),
            Wording::Retold => {
                let mut sentences: Vec<&str> = text.split(". ").collect();
                sentences.reverse();
                format!("Seen from the shore. {}. {}", sentences[..4].join(". "), body(self.event + 100))
            }
        };
        if self.ferry {
            text.push_str(" The ferry was stopped, and the ferry waits.");
        }
        let mut raw = RawItem::new(ItemKey::new(&format!("{}-{}", self.event, self.key)));
        raw.title = Some(RawText::plain(title(self.event)));
        raw.content = Some(RawText::plain(text));
        raw.url = self.linked.then(|| format!("https://outlet{}.example/{}", self.outlet, self.event));
        raw
    }

    fn origin(&self, received: Timestamp) -> Origin {
        let source = SourceId::new(&format!("outlet-{}", self.outlet)).expect("a name");
        Origin { source, kind: SourceKind::Feed, received }
    }
}

fn rules() -> Rules {
    compile::rules(&Newsroom::silent("[alerts]\ngrowth = [3, 4]\n").config()).expect("sound rules")
}

/// What must not depend on cuts.
type Outcome = (Verdict, Vec<RaisedAlert>, Vec<(Listener, Told)>);

fn outcome(decision: &Decision) -> Outcome {
    (decision.verdict.clone(), decision.alerts.clone(), decision.told.clone())
}

/// What was told, in order: number and id.
fn told(store: &Store) -> Vec<(u64, String)> {
    let alerts = store.alerts(&AlertFilter { limit: 10_000, ..AlertFilter::default() }).expect("read");
    alerts.into_iter().map(|alert| (alert.sequence, alert.id)).collect()
}

/// Each story with its items as they are found by the story, after they were held against a look at all rows.
fn memberships(store: &Store) -> Vec<(i64, Vec<i64>)> {
    let stories = numbers(store, "SELECT id FROM stories WHERE merged_into IS NULL AND ?1 = 0 ORDER BY id", 0);
    let items_of = |story: i64| {
        let record = store.story(StoryId::from_i64(story)).expect("read").expect("there");
        let items = record.timeline.iter().filter(|event| ["opened", "joined"].contains(&event.what.as_str()));
        let mut found: Vec<i64> = items.map(|event| event.item.to_i64()).collect();
        found.sort_unstable();
        assert_eq!(found, numbers(store, "SELECT id FROM items WHERE story = ?1 ORDER BY id", story), "of {story}");
        (story, found)
    };
    stories.into_iter().map(items_of).collect()
}

/// For people who look at a difference.
fn shown((verdict, alerts, told): &Outcome) -> String {
    let alert = |a: &RaisedAlert| {
        let payload = String::from_utf8(a.payload.to_bytes()).expect("text");
        format!("\n  {} {} {payload}", a.draft.id, a.draft.reason)
    };
    format!("{verdict:?}{}\n  {told:?}", alerts.iter().map(alert).collect::<String>())
}

/// What happens before an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Nothing.
    No,
    /// Everything is rebuilt from the store.
    Rebuilt,
    /// A snapshot of the memory is written.
    Kept,
    /// The memory is taken over from the last snapshot, with what came after it.
    TakenOver,
}

/// As `ingest` does it, one batch at a time; `cut` says what happens before which items.
fn run(store: &Store, steps: &[Step], rules: &Rules, memory: MemoryConfig, cut: impl Fn(usize) -> Cut) -> Vec<Outcome> {
    let window = memory.copies_window.max(memory.story_window);
    let mut ledger = Ledger::new(store.instance(), memory);
    let mut now = START;
    let mut outcomes = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        if let Some(correction) = correction(step, store) {
            store.ask_correction(&correction, ("somebody", "because"), now).expect("asked").expect("possible");
            let done = store.carry_out_corrections(now).expect("done");
            assert!(done.iter().all(|c| c.refused.is_none()), "{done:?}");
            store.recall_corrected(&done, &mut ledger).expect("recalled");
        }
        let Step::Arrives(appearance) = step else { continue };
        match cut(at) {
            Cut::No => {}
            Cut::Rebuilt => ledger = store.recall(memory, now.minus(window)).expect("recalled"),
            Cut::Kept => drop(store.keep_snapshot(&ledger).expect("kept")),
            Cut::TakenOver => {
                let (again, recalled) = store.recall_quickly(memory, now.minus(window)).expect("recalled");
                let odd = [None, Some("stories were corrected by hand after it".to_owned())];
                let sound = match &recalled {
                    RecalledFrom::Snapshot { .. } => true,
                    RecalledFrom::Followed { .. } => false,
                    RecalledFrom::Database { because } => odd.contains(because),
                };
                assert!(sound, "{recalled:?}");
                ledger = again;
            }
        }
        now = now.plus(appearance.after);
        ledger.expire(now.minus(window));
        let origin = appearance.origin(now);
        let prepared = prepare(&appearance.raw(), &origin, rules).expect("readable");
        store.recall_known(&[prepared.item.id], &mut ledger, now).expect("looked up");
        let decision = decide(prepared, &mut ledger, rules, now);
        outcomes.push(outcome(&decision));
        store.apply(&[BatchWrite::new(origin, vec![decision])], now).expect("applied");
    }
    outcomes
}

/// The store of a stream that runs whole, then the same stream over another one of the same instance name.
fn same_however_cut(steps: &[Step], memory: MemoryConfig, cut: impl Fn(usize) -> Cut) {
    let rules = rules();
    let dirs = [tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory")];
    drop(Store::open(dirs[0].path(), Access::Own).expect("a store"));
    let whole = Store::open(dirs[0].path(), Access::Own).expect("a store");
    let fresh = Store::open(dirs[1].path(), Access::Own).expect("a store");
    let name = "UPDATE meta SET value = ?1 WHERE key = 'instance'";
    fresh.write("name it as the other one", |tx| tx.execute(name, [whole.instance()])).expect("named");
    drop(fresh);
    let cut_up = Store::open(dirs[1].path(), Access::Own).expect("a store");
    let expected = run(&whole, steps, &rules, memory, |_| Cut::No);
    let actual = run(&cut_up, steps, &rules, memory, cut);
    assert_eq!(expected.len(), actual.len());
    for (at, (expected, actual)) in expected.iter().zip(&actual).enumerate() {
        let differ = || format!("item {at} of {steps:?}:\n{}\n{}", shown(expected), shown(actual));
        assert!(expected == actual, "{}", differ());
    }
    assert_eq!(told(&whole), told(&cut_up), "{steps:?}");
    assert_eq!(memberships(&whole), memberships(&cut_up), "{steps:?}");
}

fn rebuilt(cut: bool) -> Cut {
    if cut { Cut::Rebuilt } else { Cut::No }
}

/// A snapshot every so many items, and a start every so many.
fn snapshots(item: usize, kept: usize, taken: usize) -> Cut {
    match (item.is_multiple_of(kept), item % taken == taken - 1) {
        (true, _) => Cut::Kept,
        (false, true) => Cut::TakenOver,
        (false, false) => Cut::No,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replay_cut_once_anywhere_decides_the_same(
        appearances in prop::collection::vec(appearance(), 2..50),
        share in 0.0f64..1.0,
    ) {
        let at = (appearances.len() as f64 * share) as usize;
        same_however_cut(&arrivals(&appearances), MemoryConfig::default(), |item| rebuilt(item == at));
    }

    #[test]
    fn replay_with_corrections_by_hand_decides_the_same(
        steps in prop::collection::vec(step(), 2..60),
        every in 1usize..8,
    ) {
        same_however_cut(&steps, MemoryConfig::default(), |item| rebuilt(item % every == 0));
    }

    #[test]
    fn replay_with_corrections_and_short_windows_decides_the_same(
        steps in prop::collection::vec(step(), 2..60),
        every in 1usize..8,
    ) {
        let memory = MemoryConfig { copies_window: 3 * DAY, story_window: DAY, ..MemoryConfig::default() };
        same_however_cut(&steps, memory, |item| rebuilt(item % every == 0));
    }

    #[test]
    fn replay_cut_before_every_item_decides_the_same(
        appearances in prop::collection::vec(appearance(), 2..30),
    ) {
        same_however_cut(&arrivals(&appearances), MemoryConfig::default(), |_| Cut::Rebuilt);
    }

    #[test]
    fn replay_from_snapshots_decides_the_same(
        steps in prop::collection::vec(step(), 2..60),
        kept in 1usize..9,
        taken in 2usize..7,
        short in any::<bool>(),
    ) {
        let windows = MemoryConfig { copies_window: 3 * DAY, story_window: DAY, ..MemoryConfig::default() };
        let memory = if short { windows } else { MemoryConfig::default() };
        same_however_cut(&steps, memory, |item| snapshots(item, kept, taken));
    }

    #[test]
    fn replay_with_short_windows_decides_the_same(
        appearances in prop::collection::vec(appearance(), 2..40),
        every in 1usize..6,
    ) {
        let memory = MemoryConfig { copies_window: 3 * DAY, story_window: DAY, ..MemoryConfig::default() };
        same_however_cut(&arrivals(&appearances), memory, |item| rebuilt(item % every == 0));
    }
}

#[test]
fn replay_stream_has_everything_in_it() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let appearances = prop::collection::vec(appearance(), 200..201).new_tree(&mut runner).expect("a tree").current();
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path(), Access::Own).expect("a store");
    let outcomes = run(&store, &arrivals(&appearances), &rules(), MemoryConfig::default(), |_| Cut::No);
    let count = |of: fn(&Verdict) -> bool| outcomes.iter().filter(|(verdict, ..)| of(verdict)).count();
    let reason = |name: &str| outcomes.iter().flat_map(|o| &o.1).filter(|a| a.draft.reason.as_str() == name).count();
    let seen = [
        ("unchanged", count(|v| matches!(v, Verdict::Unchanged))),
        ("opened", count(|v| matches!(v, Verdict::New { opened: true, .. }))),
        ("joined", count(|v| matches!(v, Verdict::New { opened: false, .. }))),
        ("revision", count(|v| matches!(v, Verdict::Revision { .. }))),
        ("copy", count(|v| matches!(v, Verdict::Sighting { again: false, .. }))),
        ("copy edited", count(|v| matches!(v, Verdict::Sighting { again: true, .. }))),
        ("first", reason("first")),
        ("topic", reason("topic")),
        ("growth", reason("growth")),
        ("revision alert", reason("revision")),
    ];
    let missing: Vec<&str> = seen.iter().filter(|(_, count)| *count == 0).map(|(name, _)| *name).collect();
    assert!(missing.is_empty(), "the generator never makes {missing:?}: {seen:?}");
}

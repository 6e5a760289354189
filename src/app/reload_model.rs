//! Reloads as a state machine beside a model of a few lines: whatever is written, broken, half-written or
//! taken away between them, the config in force is the last one that was whole at a reload, and what a
//! reload says changed is what changed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use proptest::prelude::*;

use super::compile;
use super::reload::{ReloadBase, prepare_after};
use crate::config::{Config, ConfigPlace, Environment, ListDiff};
use crate::model::Timestamp;
use crate::source::feed::polling::rules;
use crate::store::{Access, Store};

/// What a config says, by the names of its entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wanted {
    /// With minutes between polls.
    feeds: BTreeMap<&'static str, u8>,
    /// With thresholds.
    topics: BTreeMap<&'static str, u8>,
    /// With its endpoints, each with the port it is at.
    endpoints: BTreeMap<&'static str, u8>,
    /// A key that only a restart can change.
    threads: u8,
}

/// What stands in the file.
#[derive(Debug, Clone)]
enum Text {
    Whole(Wanted),
    /// A whole config with one thing wrong, and words of the refusal.
    Broken(Wanted, &'static str, &'static str),
    /// No bytes at all.
    Empty,
    Gone,
}

#[derive(Debug, Clone)]
enum Step {
    Write(Text),
    Reload,
    /// The file is written again between the two readings of one reload.
    ReloadWhileWriting(Text),
}

/// What is wrong with a config, and how its refusal names it.
const FAULTS: [(&str, &str); 5] = [
    ("[daemon", "wirewatch.toml"),
    ("[[topics]]\nid = \"levee\"\nunknown_key = 1\nterms = [{ match = \"dike\" }]\n", "unknown_key"),
    ("[[topics]]\nid = \"broken\"\nterms = [{ match = \"(dike\" }]\n", "never closed"),
    (
        "[[feeds]]\nid = \"twin\"\nurl = \"https://a.example/\"\n[[feeds]]\nid = \"twin\"\nurl = \"https://b.example/\"\n",
        "twin",
    ),
    ("[[feeds]]\nid = \"odd\"\nurl = \"ftp://a.example/\"\n", "http or https"),
];

impl Wanted {
    fn text(&self) -> String {
        let mut text = format!("[daemon]\nstate_dir = \"state\"\nthreads = {}\n", self.threads);
        for (id, minutes) in &self.feeds {
            write!(text, "[[feeds]]\nid = \"{id}\"\nurl = \"https://{id}.example/\"\ninterval = \"{minutes}m\"\n")
                .expect("a string");
        }
        for (id, threshold) in &self.topics {
            write!(
                text,
                "[[topics]]\nid = \"{id}\"\nthreshold = {threshold}.0\nterms = [{{ match = \"{id}\", weight = 9.0 }}]\n"
            )
            .expect("a string");
        }
        for (id, port) in &self.endpoints {
            write!(text, "[[endpoints]]\nid = \"{id}\"\nurl = \"https://{id}.example:80{port}/\"\n").expect("a string");
        }
        text
    }
}

impl Text {
    fn write(&self, file: &std::path::Path) {
        match self {
            Self::Whole(wanted) => fs::write(file, wanted.text()).expect("written"),
            Self::Broken(wanted, fault, _) => fs::write(file, wanted.text() + fault).expect("written"),
            Self::Empty => fs::write(file, "").expect("written"),
            Self::Gone => drop(fs::remove_file(file)),
        }
    }

    /// What a reload of it brings, or a word of its refusal.
    fn meant(&self, in_force: &Wanted) -> Result<Wanted, &'static str> {
        let whole = match self {
            Self::Whole(wanted) => wanted.clone(),
            Self::Broken(_, _, word) => return Err(word),
            Self::Empty => return Err("is empty"),
            Self::Gone => return Err("wirewatch.toml"),
        };
        if whole.threads == in_force.threads { Ok(whole) } else { Err("daemon.threads") }
    }
}

fn entries(
    ids: &'static [&'static str],
    values: std::ops::Range<u8>,
) -> impl Strategy<Value = BTreeMap<&'static str, u8>> {
    proptest::collection::btree_map(proptest::sample::select(ids), values, 0..=ids.len())
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let threads = prop_oneof![6 => Just(2u8), 1 => Just(3u8)];
    let feeds = entries(&["quay", "weir", "pier"], 10..13);
    let topics = entries(&["levee", "ferry"], 4..7);
    (feeds, topics, entries(&["desk", "night"], 80..83), threads)
        .prop_map(|(feeds, topics, endpoints, threads)| Wanted { feeds, topics, endpoints, threads })
}

fn text() -> impl Strategy<Value = Text> {
    prop_oneof![
        6 => wanted().prop_map(Text::Whole),
        3 => (wanted(), proptest::sample::select(&FAULTS[..])).prop_map(|(wanted, (fault, word))| Text::Broken(wanted, fault, word)),
        1 => Just(Text::Empty),
        1 => Just(Text::Gone),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![4 => text().prop_map(Step::Write), 4 => Just(Step::Reload), 1 => text().prop_map(Step::ReloadWhileWriting)]
}

/// What the model says of a list, as the diff says it.
fn changes(old: &BTreeMap<&str, u8>, new: &BTreeMap<&str, u8>) -> [Vec<String>; 3] {
    let names = |of: &BTreeMap<&str, u8>, keep: &dyn Fn(&str) -> bool| {
        of.keys().filter(|id| keep(id)).map(ToString::to_string).collect()
    };
    [
        names(new, &|id| !old.contains_key(id)),
        names(old, &|id| !new.contains_key(id)),
        names(new, &|id| old.get(id).is_some_and(|value| new.get(id) != Some(value))),
    ]
}

fn said<Id: std::fmt::Display>(diff: &ListDiff<Id>) -> [Vec<String>; 3] {
    [&diff.added, &diff.removed, &diff.changed].map(|ids| ids.iter().map(ToString::to_string).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn reload_any_history_is_that_of_the_model(first in wanted(), steps in proptest::collection::vec(step(), 1..12)) {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("wirewatch.toml");
        let (place, environment) = (ConfigPlace::File(file.clone()), Environment::default());
        let load = |wanted: &Wanted| {
            Text::Whole(wanted.clone()).write(&file);
            Config::load(&place, &environment).expect("valid").config
        };
        let config = load(&first);
        let mut base = ReloadBase {
            rules: Arc::new(compile::rules(&config).expect("compiles")),
            client: rules::client(&config.polling).expect("a client"),
            store: Store::open(&config.daemon.state_dir, Access::Own).expect("a store"),
            departed: Vec::new(),
            now: Timestamp::default(),
            config: Arc::new(config),
            place: place.clone(),
            environment: environment.clone(),
        };
        let mut in_force = first.clone();
        let mut on_disk = Text::Whole(first);
        for step in steps {
            let between = RefCell::new(None);
            match step {
                Step::Write(text) => {
                    text.write(&file);
                    on_disk = text;
                    continue;
                }
                Step::Reload => {}
                Step::ReloadWhileWriting(text) => {
                    // A first reading that fails ends the reload: nobody waits for a text that is broken.
                    if !matches!(on_disk, Text::Whole(_)) {
                        continue;
                    }
                    between.replace(Some(text));
                }
            }
            let result = prepare_after(&base, || {
                if let Some(text) = between.take() {
                    text.write(&file);
                    on_disk = text;
                }
            });
            match (result, on_disk.meant(&in_force)) {
                (Ok(taken), Ok(meant)) => {
                    prop_assert_eq!(said(&taken.diff.feeds), changes(&in_force.feeds, &meant.feeds));
                    prop_assert_eq!(said(&taken.diff.topics), changes(&in_force.topics, &meant.topics));
                    prop_assert_eq!(said(&taken.diff.endpoints), changes(&in_force.endpoints, &meant.endpoints));
                    prop_assert_eq!(taken.diff.is_empty(), in_force == meant);
                    base.config = Arc::new(taken.config);
                    base.rules = taken.rules;
                    in_force = meant;
                }
                (Err(refusal), Err(word)) => {
                    let words = format!("{} {}", refusal.summary, refusal.problems.join(" "));
                    prop_assert!(words.contains(word), "{:?} is not named: {}", word, words);
                }
                (Ok(_), Err(word)) => prop_assert!(false, "{} was taken", word),
                (Err(refusal), Ok(meant)) => prop_assert!(false, "{:?} was refused: {:?}", meant, refusal),
            }
            let standing = base.config.fingerprint();
            on_disk.write(&file);
            let expected = load(&in_force).fingerprint();
            on_disk.write(&file);
            prop_assert_eq!(standing, expected, "the rules in force are not those of the last whole config");
        }
    }
}

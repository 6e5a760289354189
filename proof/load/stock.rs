//! A store that has grown: items through the real `prepare`, `decide` and `apply` until there are so many,
//! then what a user meets there: the daemon's start, a search, a backup. And matching as rules grow.

use std::time::Duration;

use tokio::time::Instant;
use wirewatch::clock::Clock;
use wirewatch::model::{Origin, RawItem, Timestamp};
use wirewatch::pipeline::classify::Document;
use wirewatch::pipeline::memory::MemoryConfig;
use wirewatch::pipeline::{Decision, Ledger, Prepared, Rules, decide, prepare};
use wirewatch::store::{Access, BatchWrite, SearchQuery, Store};
use wirewatch::text::tokens::Tokens;

use crate::Failure;
use crate::bed::Bed;
use crate::daemon::Place;
use crate::figures::{Figures, mib};
use crate::inputs;
use crate::retention;
use crate::words::{Language, Numbers};

/// How large it gets.
#[derive(Debug, Clone, clap::Args)]
pub struct StockArgs {
    /// Looked at with so many items, by tens from 10,000 on.
    #[arg(long, default_value_t = 100_000)]
    items: u64,
    /// Items that are stored in one transaction.
    #[arg(long, default_value_t = 100)]
    each: usize,
    /// Leaves a copy of the state directory here, at the largest size.
    #[arg(long)]
    keep: Option<std::path::PathBuf>,
}

/// Feeds read and stored as one batch.
const FEEDS_EACH: usize = 8;
const SEARCHES: usize = 60;

/// Fills a store and looks at it at 10,000 items, 100,000, and so on.
pub fn stock(args: &StockArgs, figures: &Figures) -> Result<(), Failure> {
    let bed = Bed::start(1, 1, 1)?;
    let place = Place::new()?;
    place.configure(&bed, 0, "1h")?;
    let state = place.database().parent().ok_or("no folder")?.to_owned();
    let language = Language::new();
    let rules = inputs::rules(&language, 100);
    // As of today, so that a start finds all of it in the window.
    let now = Clock::system().now();
    let mut filler = Filler { language: &language, rules, now, each: args.each, feed: 0, items: 0, ledger: None };
    let mut size = 10_000;
    while size <= args.items {
        let began = Instant::now();
        let (grown, rates) = filler.fill(&state, size)?;
        let took = began.elapsed();
        let searches = search(&state, &language)?;
        let daemon = place.start()?;
        let (start, resident) = (daemon.start.as_secs_f64(), daemon.spent()?.resident_bytes);
        daemon.stop()?;
        // The stop has written the memory down.
        let again = place.start()?;
        let (start_again, resident_again) = (again.start.as_secs_f64(), again.spent()?.resident_bytes);
        again.stop()?;
        let snapshot = state.join(wirewatch::store::SNAPSHOT_FILE).metadata().map_or(0, |meta| meta.len());
        let began = Instant::now();
        let copy = place.dir.path().join(format!("backup-{size}.db"));
        place.command(&["backup", copy.to_str().ok_or("an odd path")?])?;
        let backup = began.elapsed().as_secs_f64();
        std::fs::remove_file(copy)?;
        let values = [
            ("fill_s", took.as_secs_f64()),
            ("items_per_s", grown as f64 / took.as_secs_f64()),
            ("decide_us", rates.decide.as_secs_f64() * 1e6 / grown as f64),
            ("apply_per_s", grown as f64 / rates.apply.as_secs_f64()),
            ("apply_kib", rates.written as f64 / 1024.0 / grown as f64),
            ("index_per_s", grown as f64 / rates.index.as_secs_f64()),
            ("start_s", start),
            ("start_again_s", start_again),
            ("resident_mib", mib(resident)),
            ("resident_again_mib", mib(resident_again)),
            ("snapshot_mib", mib(snapshot)),
            ("search_p50_ms", searches[searches.len() / 2]),
            ("search_p95_ms", searches[searches.len() * 95 / 100]),
            ("backup_s", backup),
            ("database_mib", mib(place.database().metadata()?.len())),
        ];
        figures.tell("store", size, &values)?;
        size *= 10;
    }
    if let Some(keep) = &args.keep {
        std::fs::create_dir_all(keep)?;
        for entry in std::fs::read_dir(&state)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                std::fs::copy(entry.path(), keep.join(entry.file_name()))?;
            }
        }
    }
    retention::measure(&state, size / 10, figures)
}

/// Fills a store with so many items as of today.
pub fn fill_to(language: &Language, state: &std::path::Path, items: u64) -> Result<(), Failure> {
    let (rules, now) = (inputs::rules(language, 100), Clock::system().now());
    Filler { language, rules, now, each: 100, feed: 0, items: 0, ledger: None }.fill(state, items).map(|_| ())
}

struct Filler<'a> {
    language: &'a Language,
    rules: Rules,
    now: Timestamp,
    each: usize,
    feed: usize,
    items: u64,
    ledger: Option<Ledger>,
}

/// Time in each stage since the last look.
#[derive(Default)]
struct Rates {
    decide: Duration,
    apply: Duration,
    index: Duration,
    /// What apply wrote, to the log and when that is moved into the file.
    written: u64,
}

impl Filler<'_> {
    /// Until the store has so many items and copies; tells how many came to it.
    fn fill(&mut self, state: &std::path::Path, size: u64) -> Result<(u64, Rates), Failure> {
        let store = Store::open(state, Access::Own)?;
        let mut ledger = self.ledger.take().unwrap_or_else(|| {
            let config = MemoryConfig { bytes_max: 1 << 30, ..MemoryConfig::default() };
            Ledger::new(store.instance(), config)
        });
        let (before, mut rates) = (self.items, Rates::default());
        while self.items < size {
            let first = self.feed;
            self.feed += FEEDS_EACH;
            let prepared = self.prepare(first);
            let began = Instant::now();
            let mut decisions: Vec<Decision> =
                prepared.into_iter().map(|p| decide(p, &mut ledger, &self.rules, self.now)).collect();
            rates.decide += began.elapsed();
            self.items += decisions.len() as u64;
            let (began, before, origin) = (Instant::now(), written_bytes(), self.origin(first));
            while !decisions.is_empty() {
                let together = decisions.drain(..decisions.len().min(self.each)).collect();
                store.apply(&[BatchWrite::new(origin.clone(), together)], self.now)?;
            }
            rates.apply += began.elapsed();
            rates.written += written_bytes() - before;
        }
        let began = Instant::now();
        while store.index_batch()? {}
        rates.index = began.elapsed();
        store.checkpoint()?;
        self.ledger = Some(ledger);
        Ok((self.items - before, rates))
    }

    fn origin(&self, feed: usize) -> Origin {
        Origin { received: self.now, ..inputs::origin(feed) }
    }

    /// Items of the next feeds, prepared on two threads.
    fn prepare(&self, first: usize) -> Vec<Prepared> {
        let part = |feeds: std::ops::Range<usize>| -> Vec<Prepared> {
            let items = |feed: usize| inputs::read(&inputs::document(self.language, feed)).items;
            let all: Vec<(Origin, RawItem)> =
                feeds.flat_map(|feed| items(feed).into_iter().map(move |raw| (self.origin(feed), raw))).collect();
            all.iter().filter_map(|(origin, raw)| prepare(raw, origin, &self.rules).ok()).collect()
        };
        let half = first + FEEDS_EACH / 2;
        std::thread::scope(|scope| {
            let second = scope.spawn(|| part(half..first + FEEDS_EACH));
            let mut all = part(first..half);
            all.extend(second.join().expect("invariant: sound items"));
            all
        })
    }
}

/// What this process has given the system to write, ever.
fn written_bytes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines().find_map(|line| line.strip_prefix("wchar: ")).and_then(|n| n.parse().ok()).unwrap_or_default()
}

/// Milliseconds of searches for words from frequent to rare and for pairs of them, sorted.
fn search(state: &std::path::Path, language: &Language) -> Result<Vec<f64>, Failure> {
    let (store, mut numbers) = (Store::open(state, Access::Read)?, Numbers::of(11));
    let mut took = Vec::with_capacity(SEARCHES);
    for n in 0..SEARCHES {
        let mut word = || language.word(50 + numbers.below(5000)).to_owned();
        let text = if n % 2 == 0 { word() } else { format!("{} {}", word(), word()) };
        let query = SearchQuery { text, limit: 20, ..SearchQuery::default() };
        let began = Instant::now();
        store.search(&query)?;
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    Ok(took)
}

/// Matching at 10 to 10,000 topics of three queries.
pub fn rules(figures: &Figures) -> Result<(), Failure> {
    let language = Language::new();
    let items = inputs::items(&language, 8);
    for topics in [10, 100, 1000, 10_000] {
        let began = Instant::now();
        let rules = inputs::rules(&language, topics);
        let compile = began.elapsed();
        let words: Vec<(Prepared, Tokens, Tokens)> = inputs::prepared(&items, &Rules::of_topics(empty()?))
            .into_iter()
            .map(|p| (p.clone(), Tokens::of(&p.item.title), Tokens::of(&p.item.text)))
            .collect();
        let (mut hits, mut best) = (0, Duration::MAX);
        for _ in 0..3 {
            let began = Instant::now();
            hits = 0;
            for (prepared, title, text) in &words {
                hits += rules.topics.classify(&Document::of(&prepared.item, title, text)).len();
            }
            best = best.min(began.elapsed());
        }
        let each = best.as_secs_f64() / words.len() as f64;
        let values = [
            ("us_per_item", each * 1e6),
            ("items_per_s", 1.0 / each),
            ("compile_s", compile.as_secs_f64()),
            ("hits_per_item", hits as f64 / words.len() as f64),
        ];
        figures.tell("rules", topics as u64, &values)?;
    }
    Ok(())
}

fn empty() -> Result<wirewatch::pipeline::classify::TopicSet, Failure> {
    wirewatch::pipeline::classify::TopicSet::compile(&[], &[]).map_err(|_| "no topics, no problems".into())
}

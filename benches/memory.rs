//! What once-per-story costs, on made-up news: `prepare` and `decide` per 2 KB item at several sizes of
//! memory, near-duplicates alone with their recall, bytes per item, the rebuild from the store, floods.
//! Times of one run compare among themselves; across machines look at the ratios. Figures, not checks:
//! `cargo bench --bench memory [-- --items 1000000]`. The peer stands in `benches/peers`.

mod text;

use std::time::Duration;

use tokio::time::Instant;
use wirewatch::model::{ItemId, ItemKey, Origin, RawItem, RawText, SourceId, SourceKind, StoryId, Timestamp};
use wirewatch::pipeline::classify::TopicSet;
use wirewatch::pipeline::dedupe::sketch::Sketch;
use wirewatch::pipeline::features::Features;
use wirewatch::pipeline::memory::{Memory, MemoryConfig};
use wirewatch::pipeline::story::profile::Profile;
use wirewatch::pipeline::{Decision, Ledger, Rules, Verdict, decide, prepare};
use wirewatch::store::{Access, BatchWrite, RecalledFrom, Store};
use wirewatch::text::tokens::Tokens;

use text::Writer;

/// Items measured at each size.
const SAMPLE: usize = 2_000;
/// Items of the near-duplicate stage, and of a flood.
const COPIES: usize = 10_000;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let largest = arguments.iter().position(|a| a == "--items").and_then(|at| arguments.get(at + 1));
    let largest: usize = largest.map_or(Ok(100_000), |n| n.parse())?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load {}; up to {largest} items, {SAMPLE} measured at each size", load.trim());
    copies();
    let mut bed = Bed::new();
    let mut first = None;
    for size in [10_000, 100_000, 1_000_000].into_iter().filter(|size| *size <= largest) {
        bed.fill(size);
        let each = bed.measure();
        let base = *first.get_or_insert(each);
        println!("    {:.2} × the smallest", each.as_secs_f64() / base.as_secs_f64());
    }
    bed.floods();
    rebuild(largest.min(100_000))
}

/// The decision with everything it needs.
struct Bed {
    ledger: Ledger,
    rules: Rules,
    writer: Writer,
    number: usize,
}

impl Bed {
    fn new() -> Self {
        let rules = Rules::of_topics(TopicSet::compile(&[], &[]).expect("no topics, no problems"));
        let config = MemoryConfig { bytes_max: 1 << 30, ..MemoryConfig::default() };
        Self { ledger: Ledger::new("bench", config), rules, writer: Writer::new(1), number: 0 }
    }

    fn origin(&self) -> Origin {
        let received = Timestamp::from_millis(1_700_000_000_000 + self.number.cast_signed() as i64 * 100);
        Origin { source: SourceId::new("bench").expect("a name"), kind: SourceKind::Feed, received }
    }

    fn raw(&mut self, (title, text): (String, String)) -> RawItem {
        self.number += 1;
        let mut raw = RawItem::new(ItemKey::new(&self.number.to_string()));
        raw.title = Some(RawText::plain(title));
        raw.content = Some(RawText::plain(text));
        raw
    }

    fn take(&mut self, raw: &RawItem) -> Decision {
        let origin = self.origin();
        let prepared = prepare(raw, &origin, &self.rules).expect("readable");
        decide(prepared, &mut self.ledger, &self.rules, origin.received)
    }

    fn fill(&mut self, size: usize) {
        while self.ledger.len() < size {
            let article = self.writer.article();
            let raw = self.raw(article);
            self.take(&raw);
        }
    }

    /// Time per item.
    fn measure(&mut self) -> Duration {
        let size = self.ledger.len();
        let articles: Vec<_> = (0..SAMPLE).map(|_| self.writer.article()).collect();
        let bytes: usize = articles.iter().map(|(title, text)| title.len() + text.len()).sum();
        let raws: Vec<RawItem> = articles.into_iter().map(|article| self.raw(article)).collect();
        let origin = self.origin();
        let start = Instant::now();
        let prepared: Vec<_> = raws.iter().map(|raw| prepare(raw, &origin, &self.rules).expect("readable")).collect();
        let prepare_all = start.elapsed();
        let start = Instant::now();
        for prepared in prepared {
            decide(prepared, &mut self.ledger, &self.rules, origin.received);
        }
        let decide_all = start.elapsed();
        let each = |spent: Duration| spent.as_secs_f64() * 1e6 / SAMPLE as f64;
        println!(
            "{size:>9} remembered: prepare {:.1} µs + decide {:.1} µs = {:.1} µs per item of {} B; memory {:.0} B per item",
            each(prepare_all),
            each(decide_all),
            each(prepare_all + decide_all),
            bytes / SAMPLE,
            self.ledger.memory_bytes() as f64 / self.ledger.memory_len().max(1) as f64,
        );
        (prepare_all + decide_all) / SAMPLE as u32
    }

    fn floods(&mut self) {
        let before = self.measure();
        let article = self.writer.article();
        let known = self.ledger.len();
        let remembered = self.ledger.memory_len();
        for _ in 0..COPIES {
            let raw = self.raw(article.clone());
            self.take(&raw);
        }
        println!(
            "one text {COPIES} times: {} ids known, {} texts remembered",
            self.ledger.len() - known,
            self.ledger.memory_len() - remembered
        );
        let mut sizes = std::collections::HashMap::new();
        for n in 0..COPIES {
            let notice = self.writer.notice(n as u64);
            let raw = self.raw(notice);
            if let Verdict::New { story, .. } | Verdict::Sighting { story, .. } = self.take(&raw).verdict {
                *sizes.entry(self.ledger.resolve(story)).or_insert(0) += 1;
            }
        }
        println!(
            "{COPIES} texts of one template: {} stories, the largest of {}",
            sizes.len(),
            sizes.values().max().unwrap_or(&0)
        );
        let after = self.measure();
        println!("    {:.2} × what an item cost before the floods", after.as_secs_f64() / before.as_secs_f64());
    }
}

/// Near-duplicates alone: words, sketch, headline, query, insert; then edited copies of known texts. A copy is told
/// by its text and its headline: without one the text has to prove more, which the second figure of each shows.
fn copies() {
    let mut writer = Writer::new(7);
    let articles: Vec<(String, String)> = (0..COPIES).map(|_| writer.article()).collect();
    let edited: Vec<(String, String)> =
        articles.iter().map(|(title, text)| (writer.edit(title), writer.edit(text))).collect();
    for with_headline in [true, false] {
        copies_of(&articles, &edited, with_headline);
    }
}

fn copies_of(articles: &[(String, String)], edited: &[(String, String)], with_headline: bool) {
    let mut memory = Memory::new(MemoryConfig { bytes_max: 1 << 30, ..MemoryConfig::default() });
    let fixed = memory.bytes();
    let at = Timestamp::from_seconds(1_700_000_000);
    let source = SourceId::new("bench").expect("a name");
    let features = |(title, text): &(String, String)| {
        let title = if with_headline { title.as_str() } else { "" };
        let profile = Profile::of(title, &Tokens::of(title), "", &Tokens::default());
        Features { sketch: Sketch::of(text, &Tokens::of(text)), profile, ..Features::default() }
            .with_facts("", text, None)
    };
    let start = Instant::now();
    let mut strangers = 0;
    for (number, article) in articles.iter().enumerate() {
        let features = features(article);
        strangers += usize::from(memory.nearest(&features).is_some());
        let id = ItemId::of(&source, &ItemKey::new(&number.to_string()));
        memory.insert(id, StoryId::opened_by(id), &features, at);
    }
    let spent = start.elapsed();
    let found = edited.iter().filter(|article| memory.nearest(&features(article)).is_some()).count();
    println!(
        "near-duplicates alone, {}: {:.0} docs/s (words, sketch, query, insert); {:.4} of copies with 1 to 5 % of \
         the words changed found; {strangers} strangers taken for copies; {:.0} B per text",
        if with_headline { "with headlines" } else { "without headlines" },
        articles.len() as f64 / spent.as_secs_f64(),
        found as f64 / articles.len() as f64,
        (memory.bytes() - fixed) as f64 / articles.len() as f64,
    );
}

/// A store with so many items, and the time until the memory stands again.
fn rebuild(items: usize) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let store = Store::open(dir.path(), Access::Own)?;
    let mut bed = Bed::new();
    let mut last = bed.origin();
    while bed.number < items {
        let mut decisions = Vec::with_capacity(256);
        for _ in 0..256 {
            let article = bed.writer.article();
            let raw = bed.raw(article);
            decisions.push(bed.take(&raw));
        }
        last = bed.origin();
        store.apply(&[BatchWrite::new(last.clone(), decisions)], last.received)?;
    }
    let config = MemoryConfig { bytes_max: 1 << 30, ..MemoryConfig::default() };
    let start = Instant::now();
    let ledger = store.recall(config, last.received.minus(config.copies_window))?;
    let spent = start.elapsed().as_secs_f64();
    println!(
        "rebuild from the store: {} items in {spent:.2} s, {:.2} s per 100,000",
        ledger.len(),
        spent * 1e5 / ledger.len() as f64
    );
    let start = Instant::now();
    let kept = store.keep_snapshot(&ledger)?;
    let spent = start.elapsed().as_secs_f64();
    println!("snapshot: {} bytes written in {spent:.2} s, {} B an item", kept.bytes, kept.bytes / ledger.len() as u64);
    let before = ledger.len();
    drop(ledger);
    let start = Instant::now();
    let (ledger, recalled) = store.recall_quickly(config, last.received.minus(config.copies_window))?;
    let spent = start.elapsed().as_secs_f64();
    assert!(matches!(recalled, RecalledFrom::Snapshot { .. }) && ledger.len() == before, "{recalled:?}");
    println!("taken over from the snapshot: {} items in {spent:.2} s", ledger.len());
    Ok(())
}

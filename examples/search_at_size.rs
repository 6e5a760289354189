//! Search, lists and backup over a store of a given size: `cargo run --release --example search_at_size --
//! FOLDER [ITEMS]`. Makes the store the first time (a million items take a quarter of an hour), then
//! prints the median and the 95th percentile of every kind of query, and the time of a backup beside a
//! writer. Words are drawn as words of a language are: few very often, most hardly ever.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use wirewatch::model::Timestamp;
use wirewatch::store::{Access, ItemFilter, SearchQuery, Store};

/// Words of a text.
const TEXT_WORDS: u64 = 120;
/// Different words.
const WORDS: u64 = 60_000;
/// Items a transaction.
const CHUNK: u64 = 5000;
/// Runs of each query, each with other words.
const RUNS: u64 = 60;
/// What a query took: on the wall, and on a processor. On a busy machine only the second says anything.
type Cost = (Duration, Duration);
/// The first item's time; one every 20 seconds.
const START: i64 = 1_700_000_000;
const SPACING: i64 = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next() else { return Err("name a folder for the store".into()) };
    let items: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let store = Store::open(Path::new(&folder), Access::Own)?;
    fill(&store, items)?;
    let total = store.totals()?.items;
    println!("{total} items, database {} MiB", store.database_bytes() >> 20);
    measure(&store, total)?;
    backup(&store, Path::new(&folder), total)?;
    store.checkpoint()?;
    Ok(())
}

/// Numbers that look random and are the same each time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// Zipf's law, nearly: the logarithm of the rank is even.
    fn rank(&mut self) -> u64 {
        let share = self.below(1 << 20) as f64 / f64::from(1 << 20);
        ((WORDS as f64).powf(share) as u64).min(WORDS - 1)
    }
}

fn word(rank: u64) -> String {
    const HEADS: [&str; 12] = ["b", "br", "d", "dr", "g", "k", "l", "m", "n", "pr", "t", "v"];
    const VOWELS: [&str; 6] = ["a", "e", "i", "o", "u", "ei"];
    let mut rest = rank + 72;
    let mut out = String::new();
    while rest > 0 {
        out.push_str(HEADS[(rest % 12) as usize]);
        out.push_str(VOWELS[(rest / 12 % 6) as usize]);
        rest /= 72;
    }
    out
}

fn fill(store: &Store, items: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut done = store.totals()?.items;
    while done < items {
        let to = (done + CHUNK).min(items);
        store.write("fill", |tx| (done + 1..=to).try_for_each(|seq| insert(tx, seq)))?;
        done = to;
        print!("\r{done} stored");
        std::io::stdout().flush()?;
    }
    let mut batches = 0_u64;
    while store.index_batch()? {
        batches += 1;
        if batches.is_multiple_of(50) {
            print!("\r{} to index   ", store.search_lag()?);
            std::io::stdout().flush()?;
        }
    }
    println!();
    Ok(())
}

fn insert(tx: &rusqlite::Transaction<'_>, seq: u64) -> Result<(), rusqlite::Error> {
    let mut draw = Draw(seq.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let text: Vec<String> = (0..TEXT_WORDS).map(|_| word(draw.rank())).collect();
    let (title, id) = (text[..8].join(" "), seq.wrapping_mul(0x5851_f42d_4c95_7f2d).cast_signed());
    let at = (START + seq.cast_signed() * SPACING) * 1000;
    tx.prepare_cached(
        "INSERT INTO items (seq, id, source, key, revision, title, headline, url, first_seen, lang, summary,
             text_source, text_hash, text_bytes, quiet, story, features)
         VALUES (?1, ?2, ?3, ?4, 0, ?5, ?5, ?6, ?7, 'en', '', 'content', x'0011223344556677', 800, 0, ?8, zeroblob(600))",
    )?
    .execute(rusqlite::params![
        seq.cast_signed(),
        id,
        format!("outlet-{}", draw.rank() % 1000),
        format!("key-{seq}"),
        title,
        format!("https://outlet.example/{seq}"),
        at,
        (seq / 4).cast_signed(),
    ])?;
    tx.prepare_cached("INSERT INTO texts VALUES (?1, ?2)")?
        .execute(rusqlite::params![seq.cast_signed(), text.join(" ")])?;
    // Topics from one in three to one in ten thousand.
    for (topic, every) in [("common", 3), ("usual", 40), ("rare", 10_000)] {
        if draw.below(every) == 0 {
            tx.prepare_cached("INSERT INTO matches VALUES (?1, ?2, 500, 500, 'low', '[]')")?
                .execute(rusqlite::params![id, topic])?;
        }
    }
    Ok(())
}

fn measure(store: &Store, items: u64) -> Result<(), Box<dyn std::error::Error>> {
    let end = START + items.cast_signed() * SPACING;
    let query = |text: String| SearchQuery { text, limit: 20, ..SearchQuery::default() };
    let week = Some(Timestamp::from_seconds(end - 7 * 86_400));
    let named = |name: &str| Some(name.to_owned());
    type Make<'a> = Box<dyn Fn(&mut Draw) -> SearchQuery + 'a>;
    let kinds: Vec<(&str, Make<'_>)> = vec![
        ("one frequent word", Box::new(|d| query(word(d.below(20))))),
        ("one usual word", Box::new(|d| query(word(500 + d.below(2000))))),
        ("two words", Box::new(|d| query(format!("{} {}", word(d.below(50)), word(500 + d.below(500)))))),
        (
            "two frequent words without a third",
            Box::new(|d| query(format!("{} {} -{}", word(d.below(20)), word(20 + d.below(20)), word(d.below(5))))),
        ),
        ("a phrase", Box::new(|d| query(format!("\"{} {}\"", word(d.below(50)), word(d.below(50)))))),
        ("a prefix", Box::new(|d| query(format!("{}*", word(2000 + d.below(2000)))))),
        ("usual topic", Box::new(|d| SearchQuery { topic: named("usual"), ..query(word(d.below(20))) })),
        ("rare topic", Box::new(|d| SearchQuery { topic: named("rare"), ..query(word(d.below(20))) })),
        (
            "rare source",
            Box::new(|d| SearchQuery {
                source: Some(format!("outlet-{}", 900 + d.below(90))),
                ..query(word(d.below(20)))
            }),
        ),
        ("the last week", Box::new(|d| SearchQuery { since: week, ..query(word(500 + d.below(2000))) })),
        ("nothing found", Box::new(|d| query(format!("{} zzzz", word(d.below(20)))))),
    ];
    let mut all = Vec::new();
    for (what, make) in &kinds {
        let mut draw = Draw(7);
        let mut spans = Vec::new();
        for _ in 0..RUNS {
            let query = make(&mut draw);
            spans.push(timed(|| store.search(&query).map(|hits| hits.len()))?);
        }
        all.extend(spans.iter().copied());
        report(what, &mut spans);
    }
    report("search, all kinds", &mut all);
    let filter = |source: Option<&str>, topic: Option<&str>, since| ItemFilter {
        source: source.map(str::to_owned),
        topic: topic.map(str::to_owned),
        since,
        limit: 50,
    };
    for (what, filter) in [
        ("items", filter(None, None, None)),
        ("items, rare topic", filter(None, Some("rare"), None)),
        ("items, usual topic of the last week", filter(None, Some("usual"), week)),
        ("items, one source", filter(Some("outlet-500"), None, None)),
    ] {
        let mut spans = Vec::new();
        for _ in 0..10 {
            spans.push(timed(|| store.items(&filter).map(|items| items.len()))?);
        }
        report(what, &mut spans);
    }
    let mut spans = Vec::new();
    for _ in 0..10 {
        spans.push(timed(|| store.activity(Timestamp::from_seconds(end)).map(|a| a.topics.len()))?);
    }
    report("one look of top", &mut spans);
    let mut spans = vec![timed(|| store.totals().map(|totals| totals.items as usize))?];
    report("totals of status", &mut spans);
    Ok(())
}

fn timed<E>(work: impl FnOnce() -> Result<usize, E>) -> Result<Cost, E> {
    let (begun, before) = (Instant::now(), processor());
    work()?;
    Ok((begun.elapsed(), processor().saturating_sub(before)))
}

/// Time this thread was on a processor (proc(5), `schedstat`); zero where that is not to be had.
fn processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

fn report(what: &str, costs: &mut [Cost]) {
    let mut at = |share: usize, of: fn(&Cost) -> Duration| {
        costs.sort_unstable_by_key(of);
        of(&costs[(costs.len() * share / 100).min(costs.len() - 1)]).as_secs_f64() * 1000.0
    };
    let (p50, p95) = (at(50, |cost| cost.0), at(95, |cost| cost.0));
    let (cpu50, cpu95) = (at(50, |cost| cost.1), at(95, |cost| cost.1));
    println!("{what:<40} p50 {p50:8.2} ms   p95 {p95:8.2} ms   processor: p50 {cpu50:8.2} ms   p95 {cpu95:8.2} ms");
}

/// A backup while items go on being stored.
fn backup(store: &Store, folder: &Path, items: u64) -> Result<(), Box<dyn std::error::Error>> {
    let (file, done, written) = (folder.join("backup.db"), AtomicBool::new(false), AtomicU64::new(0));
    let begun = Instant::now();
    let made = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut seq = items;
            while !done.load(Ordering::Relaxed) {
                seq += 1;
                if store.write("write beside a backup", |tx| insert(tx, seq)).is_ok() {
                    written.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let made = store.backup(&file, |_| {});
        done.store(true, Ordering::Relaxed);
        made
    })?;
    let (seconds, written) = (begun.elapsed().as_secs_f64(), written.into_inner());
    println!("backup: {} MiB in {seconds:.1} s, checked; {written} items were stored meanwhile", made.bytes >> 20);
    std::fs::remove_file(file)?;
    Ok(())
}

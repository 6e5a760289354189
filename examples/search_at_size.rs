//! Search, lists, backup and retention over a store of a given size: `cargo run --release --example
//! search_at_size -- FOLDER [ITEMS] [prune]`. Makes the store the first time (a million items take a quarter
//! of an hour), then prints the median and the 95th percentile of every kind of query, and the time of a
//! backup beside a writer; with `prune` it removes all items beside a writer instead. Words are drawn as
//! words of a language are: few very often, most hardly ever.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use wirewatch::model::{StoryId, Timestamp};
use wirewatch::store::engine::{self, Transaction};
use wirewatch::store::{Access, Ages, ItemFilter, Pruning, SearchQuery, Store, put_texts};

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
    if arguments.next().is_some_and(|text| text == "prune") {
        prune(&store, total)?;
        return Ok(store.checkpoint()?);
    }
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
        store.write("fill", |tx| {
            let texts = (done + 1..=to).map(|seq| insert(tx, seq).map(|text| (seq.cast_signed(), text)));
            let texts = texts.collect::<engine::Result<Vec<_>>>()?;
            put_texts(tx, texts.iter().map(|(seq, text)| (*seq, text.as_str())))
        })?;
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

/// An item; its text is given back.
fn insert(tx: &Transaction<'_>, seq: u64) -> engine::Result<String> {
    let mut draw = Draw(seq.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let text: Vec<String> = (0..TEXT_WORDS).map(|_| word(draw.rank())).collect();
    let (title, id) = (text[..8].join(" "), seq.wrapping_mul(0x5851_f42d_4c95_7f2d).cast_signed());
    let at = (START + seq.cast_signed() * SPACING) * 1000;
    tx.prepare_cached(
        "INSERT INTO items (seq, id, source, key, revision, title, headline, url, first_seen, lang, summary,
             text_source, text_hash, text_bytes, quiet, story, outlet, features)
         VALUES (?1, ?2, ?3, ?4, 0, ?5, ?5, ?6, ?7, 'en', '', 'content', x'0011223344556677', 800, 0, ?8, ?3, zeroblob(600))",
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
    // Topics from one in three to one in ten thousand.
    for (topic, every) in [("common", 3), ("usual", 40), ("rare", 10_000)] {
        if draw.below(every) == 0 {
            tx.prepare_cached("INSERT INTO matches VALUES (?1, ?2, 500, 500, 'low', '[]')")?
                .execute(rusqlite::params![id, topic])?;
        }
    }
    beside(tx, seq.cast_signed(), id, at)?;
    Ok(text.join(" "))
}

/// What belongs to items: stories of four, a copy of every fifth, a delivered alert of every fortieth.
fn beside(tx: &Transaction<'_>, seq: i64, id: i64, at: i64) -> engine::Result<()> {
    tx.prepare_cached(
        "INSERT INTO stories (id, title, first_seen, last_seen, items, sightings_exact, sightings_near)
         VALUES (?1, 'a story', ?2, ?2, 1, 0, 0) ON CONFLICT DO UPDATE SET last_seen = ?2, items = items + 1",
    )?
    .execute([seq / 4, at])?;
    tx.prepare_cached("INSERT INTO story_sources VALUES (?1, ?2, ?3, ?4)")?.execute(rusqlite::params![
        seq / 4,
        format!("outlet-{}", seq % 4),
        seq % 4,
        at
    ])?;
    if seq % 5 == 0 {
        tx.prepare_cached(
            "INSERT INTO sightings (seq, id, item, source, outlet, key, title, level, overlap, text_hash, seen_at)
             VALUES (?1, ?2, ?3, 'copier', 'copier', ?4, 'a copy', 'exact', 1000, x'00', ?5)",
        )?
        .execute(rusqlite::params![(1_i64 << 40) + seq, id ^ 1, id, format!("copy-{seq}"), at])?;
    }
    if seq % 40 == 0 {
        tx.prepare_cached(
            "INSERT INTO alerts (sequence, id, kind, story, item, reason, severity, score, outlets, at, payload)
             VALUES (?1, ?2, 'item', ?3, ?4, 'first', 'low', 500, 1, ?5, zeroblob(1500))",
        )?
        .execute(rusqlite::params![seq, format!("alr_{seq}"), seq / 4, id, at])?;
        tx.prepare_cached("INSERT INTO alert_topics VALUES (?1, 'usual', 500, 'low', 1)")?.execute([seq])?;
        tx.prepare_cached(
            "INSERT INTO deliveries (id, alert, webhook_id, endpoint, content_type, state, attempts, created_at, due_at,
                 settled_at) VALUES (?1, ?1, ?2, 'desk', 'application/json', 'delivered', 1, ?3, ?3, ?3)",
        )?
        .execute(rusqlite::params![seq, format!("alr_{seq}"), at])?;
        tx.prepare_cached("INSERT INTO attempts VALUES (?1, 1, ?2, 'delivered', 200, 12, 'ok')")?.execute([seq, at])?;
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
        (
            "one story",
            Box::new(|d| SearchQuery {
                story: Some(StoryId::from_i64(d.below(items / 4).cast_signed())),
                ..query(word(d.below(20)))
            }),
        ),
        (
            "usual topic, one source, the last week",
            Box::new(|d| SearchQuery {
                topic: named("usual"),
                source: Some(format!("outlet-{}", d.below(20))),
                since: week,
                ..query(word(d.below(20)))
            }),
        ),
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
    lists(store, end, week)
}

fn lists(store: &Store, end: i64, week: Option<Timestamp>) -> Result<(), Box<dyn std::error::Error>> {
    let filter = |source: Option<&str>, topic: Option<&str>, since| ItemFilter {
        source: source.map(str::to_owned),
        topic: topic.map(str::to_owned),
        since,
        limit: 50,
        ..ItemFilter::default()
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

/// Retention of everything that is stored, as the daemon does it, while an item is written every 5 ms: how
/// long the writer waits, and what memory is taken.
fn prune(store: &Store, items: u64) -> Result<(), Box<dyn std::error::Error>> {
    const PAUSE: Duration = Duration::from_millis(20);
    // As the keeper of the store does. Less often, and it falls to some write to move all of a long log.
    const LOOK_EVERY: Duration = Duration::from_secs(2);
    let age = Some(Duration::from_secs(86_400));
    let ages = Ages { texts: age, items: age, keys: None, deliveries: age, changes: None };
    let now = Timestamp::from_seconds(START + items.cast_signed() * SPACING + 10 * 86_400);
    let (memory, done) = (memory_kib(), AtomicBool::new(false));
    let (mut steps, mut waits, mut memory_most, mut log_most) = (Vec::new(), Vec::new(), memory, 0);
    let begun = Instant::now();
    let pruned = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (mut waits, mut seq) = (Vec::new(), items + (1 << 32));
            while !done.load(Ordering::Relaxed) {
                seq += 1;
                // Beyond every age, so that these stay.
                waits.extend(timed(|| store.write("write beside retention", |tx| insert(tx, seq)).map(|_| 1)));
                std::thread::sleep(Duration::from_millis(5));
            }
            waits
        });
        let (mut pruning, mut looked) = (Pruning::default(), Instant::now());
        let pruned = loop {
            let mut more = Ok(false);
            steps.extend(timed(|| {
                more = store.prune_step(&mut pruning, &ages, now);
                Ok::<_, std::convert::Infallible>(0)
            }));
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                print!("\r{} removed", pruning.pruned.items);
                let _ = std::io::stdout().flush();
                (memory_most, log_most) = (memory_most.max(memory_kib()), log_most.max(store.log_bytes()));
                let _ = store.checkpoint_passive();
            }
            match more {
                Ok(true) => std::thread::sleep(PAUSE),
                Ok(false) => break Ok(pruning.pruned),
                Err(error) => break Err(error),
            }
        };
        done.store(true, Ordering::Relaxed);
        waits = writer.join().unwrap_or_default();
        pruned
    })?;
    println!("\r{pruned:?} in {:.0} s, {} steps", begun.elapsed().as_secs_f64(), steps.len());
    report("a step of retention", &mut steps);
    report("a write beside it", &mut waits);
    let longest = waits.iter().map(|cost| cost.0).max().unwrap_or_default();
    println!(
        "longest write {:.0} ms of {}; memory {} MiB before, {} MiB at most; log {} MiB at most; database {} MiB after",
        longest.as_secs_f64() * 1000.0,
        waits.len(),
        memory >> 10,
        memory_most >> 10,
        log_most >> 20,
        store.database_bytes() >> 20
    );
    Ok(())
}

/// Memory of this process that is its own.
fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

//! Every hot stage on its own, over the load bed's fixed inputs: read (beside feed-rs alone), HTML to
//! text, normalise, prepare, match at 10 to 1,000 topics, decide at 10k and 100k remembered, apply at
//! several batch sizes, sign, search. `cargo bench --bench stages [-- NAME]`. Figures, not checks.

#[path = "../proof/load/documents.rs"]
mod documents;
#[path = "../proof/load/inputs.rs"]
mod inputs;
#[path = "../proof/load/words.rs"]
mod words;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use tokio::time::Instant;
use wirewatch::deliver::secret::Secret;
use wirewatch::deliver::sign::Signer;
use wirewatch::model::{ItemKey, Origin, RawItem};
use wirewatch::pipeline::classify::Document;
use wirewatch::pipeline::memory::MemoryConfig;
use wirewatch::pipeline::normalize::{NormalizeRules, normalize};
use wirewatch::pipeline::{Decision, Ledger, Prepared, decide, prepare};
use wirewatch::store::{Access, BatchWrite, SearchQuery, Store};
use wirewatch::text::html;
use wirewatch::text::tokens::Tokens;

use words::Language;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let language = Language::new();
    documents_read(&mut criterion, &language);
    items_read(&mut criterion, &language);
    matched(&mut criterion, &language);
    decided(&mut criterion, &language);
    applied(&mut criterion, &language);
    signed(&mut criterion);
    criterion.final_summary();
}

/// A document of 50 items: ours (scan, feed-rs, keys, dates) and feed-rs alone.
fn documents_read(criterion: &mut Criterion, language: &Language) {
    let mut group = criterion.benchmark_group("document");
    for (name, number) in [("rss", 0), ("atom", 6), ("rdf", 9)] {
        let text = inputs::document(language, number);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(BenchmarkId::new("read", name), |b| b.iter(|| inputs::read(black_box(&text))));
        group.bench_function(BenchmarkId::new("feed-rs alone", name), |b| {
            b.iter(|| feed_rs::parser::parse(black_box(text.as_bytes())).expect("sound"));
        });
    }
    group.finish();
}

/// Per item of about 2 KB.
fn items_read(criterion: &mut Criterion, language: &Language) {
    let items = inputs::items(language, 4);
    let rules = inputs::rules(language, 100);
    let bodies: Vec<&str> = items
        .iter()
        .filter_map(|(_, raw)| raw.content.as_ref().or(raw.summary.as_ref()))
        .map(|body| body.text.as_str())
        .collect();
    let mut group = criterion.benchmark_group("item");
    group.throughput(Throughput::Elements(1));
    let mut next = 0;
    let mut turn = |count: usize| {
        next = (next + 1) % count.max(1);
        next
    };
    group.bench_function("html to text", |b| b.iter(|| html::to_text(black_box(bodies[turn(bodies.len())]))));
    let normal = NormalizeRules::default();
    group.bench_function("normalize", |b| {
        b.iter(|| {
            let (origin, raw) = &items[turn(items.len())];
            normalize(raw, origin, &normal)
        });
    });
    group.bench_function("prepare, 100 topics", |b| {
        b.iter(|| {
            let (origin, raw) = &items[turn(items.len())];
            prepare(raw, origin, &rules)
        });
    });
    group.finish();
}

fn matched(criterion: &mut Criterion, language: &Language) {
    let items = inputs::items(language, 4);
    let mut group = criterion.benchmark_group("match");
    group.throughput(Throughput::Elements(1));
    for topics in [10, 100, 1000] {
        let rules = inputs::rules(language, topics);
        let words: Vec<(Prepared, Tokens, Tokens)> = inputs::prepared(&items, &rules)
            .into_iter()
            .map(|p| (p.clone(), Tokens::of(&p.item.title), Tokens::of(&p.item.text)))
            .collect();
        let mut next = 0;
        group.bench_function(BenchmarkId::new("topics of 3 queries", topics), |b| {
            b.iter(|| {
                next = (next + 1) % words.len();
                let (prepared, title, text) = &words[next];
                rules.topics.classify(&Document::of(&prepared.item, title, text))
            });
        });
    }
    group.finish();
}

fn decided(criterion: &mut Criterion, language: &Language) {
    let rules = inputs::rules(language, 100);
    let mut ledger = Ledger::new("bench", MemoryConfig::default());
    let mut group = criterion.benchmark_group("decide");
    group.throughput(Throughput::Elements(1));
    let mut feed = 0;
    let mut fresh = move || {
        feed += 1;
        let text = inputs::document(language, feed);
        let items: Vec<(Origin, RawItem)> =
            inputs::read(&text).items.into_iter().map(|raw| (inputs::origin(feed), raw)).collect();
        items
    };
    for size in [10_000, 100_000] {
        while ledger.len() < size {
            for prepared in inputs::prepared(&fresh(), &rules) {
                decide(prepared, &mut ledger, &rules, inputs::now());
            }
        }
        let mut waiting: Vec<Prepared> = Vec::new();
        group.bench_function(BenchmarkId::new("remembered", size), |b| {
            b.iter_custom(|rounds| {
                let mut took = Duration::ZERO;
                for _ in 0..rounds {
                    if waiting.is_empty() {
                        waiting = inputs::prepared(&fresh(), &rules);
                    }
                    let Some(prepared) = waiting.pop() else { continue };
                    let began = Instant::now();
                    black_box(decide(prepared, &mut ledger, &rules, inputs::now()));
                    took += began.elapsed();
                }
                took
            });
        });
    }
    group.finish();
}

/// Rows a second with all side tables and full sync; then search over what was stored.
fn applied(criterion: &mut Criterion, language: &Language) {
    let rules = inputs::rules(language, 100);
    let mut ledger = Ledger::new("bench", MemoryConfig::default());
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let store = Store::open(dir.path(), Access::Own).expect("opens");
    let stock = inputs::items(language, 20);
    let mut number = 0u64;
    let mut batch = |size: usize| -> Vec<Decision> {
        (0..size)
            .map(|_| {
                number += 1;
                let (origin, raw) = &stock[number as usize % stock.len()];
                let raw = RawItem {
                    key: ItemKey::new(&format!("k{number}")),
                    url: Some(format!("https://wire.example/{number}")),
                    ..raw.clone()
                };
                let mut prepared = prepare(&raw, origin, &rules).expect("readable");
                // Stock comes again and again: each time it is to be stored, not told apart.
                prepared.features = wirewatch::pipeline::features::Features::default();
                decide(prepared, &mut ledger, &rules, inputs::now())
            })
            .collect()
    };
    let origin = inputs::origin(0);
    let mut group = criterion.benchmark_group("apply");
    for size in [1, 100, 1000] {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("batch", size), |b| {
            b.iter_batched(
                || batch(size),
                |decisions| {
                    let write = BatchWrite::new(origin.clone(), decisions);
                    store.apply(&[write], inputs::now()).expect("stored");
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
    while store.index_batch().expect("indexed") {}
    let mut group = criterion.benchmark_group("search");
    for (name, text) in [("frequent", language.word(60).to_owned()), ("rare", language.word(1500).to_owned())] {
        let query = SearchQuery { text, limit: 20, ..SearchQuery::default() };
        group.bench_function(name, |b| b.iter(|| store.search(&query).expect("searched")));
    }
    group.finish();
}

fn signed(criterion: &mut Criterion) {
    let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
    let signer = Signer::new(&[secret]).expect("a key");
    let body = vec![b'x'; 1400];
    criterion.bench_function("sign 1,400 bytes", |b| b.iter(|| signer.sign("alr_0", inputs::now(), black_box(&body))));
}

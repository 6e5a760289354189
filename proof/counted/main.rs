//! One stage over fixed inputs, so many rounds of it, for counting instructions: `counted STAGE ROUNDS`.
//! What making the inputs costs falls out as the difference of two runs; `proof/instructions` does that
//! under valgrind and compares with the file beside it. It prints nothing that depends on time.

#[path = "../load/documents.rs"]
mod documents;
#[path = "../load/inputs.rs"]
mod inputs;
#[path = "../load/words.rs"]
mod words;

use std::hint::black_box;

use wirewatch::pipeline::classify::Document;
use wirewatch::pipeline::memory::MemoryConfig;
use wirewatch::pipeline::{Decision, Ledger, Prepared, Rules, decide, prepare};
use wirewatch::store::{Access, BatchWrite, SearchQuery, Store};
use wirewatch::text::tokens::Tokens;

use words::Language;

/// Feeds of 50 items that a round goes over.
const FEEDS: usize = 2;
const TOPICS: usize = 100;
const QUERIES: usize = 20;
/// Of those stages that need a store for each.
const ROUNDS_MAX: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let stage = arguments.next().ok_or("usage: counted scan|prepare|match|decide|store|search ROUNDS")?;
    let rounds: usize = arguments.next().ok_or("usage: counted STAGE ROUNDS")?.parse()?;
    let language = Language::new();
    match stage.as_str() {
        // The document's way to items: the scan, then feed-rs or our own reader.
        "scan" => {
            let documents = [0, 6, 9].map(|number| inputs::document(&language, number));
            for _ in 0..rounds {
                for text in &documents {
                    black_box(inputs::read(text));
                }
            }
        }
        "prepare" => {
            let (items, rules) = (inputs::items(&language, FEEDS), inputs::rules(&language, TOPICS));
            for _ in 0..rounds {
                for (origin, raw) in &items {
                    drop(black_box(prepare(raw, origin, &rules)));
                }
            }
        }
        "match" => {
            let (items, rules) = (inputs::items(&language, FEEDS), inputs::rules(&language, TOPICS));
            let prepared = inputs::prepared(&items, &rules);
            let words: Vec<_> =
                prepared.iter().map(|p| (Tokens::of(&p.item.title), Tokens::of(&p.item.text))).collect();
            for _ in 0..rounds {
                for (prepared, (title, text)) in prepared.iter().zip(&words) {
                    black_box(rules.topics.classify(&Document::of(&prepared.item, title, text)));
                }
            }
        }
        "decide" => {
            let (items, rules) = (inputs::items(&language, FEEDS), inputs::rules(&language, TOPICS));
            let prepared = inputs::prepared(&items, &rules);
            for _ in 0..rounds {
                let mut ledger = Ledger::new("counted", MemoryConfig::default());
                for prepared in prepared.iter().cloned() {
                    black_box(decide(prepared, &mut ledger, &rules, inputs::now()));
                }
            }
        }
        // A transaction of all items with all that belongs to them.
        "store" => {
            let (items, rules) = (inputs::items(&language, FEEDS), inputs::rules(&language, TOPICS));
            let prepared = inputs::prepared(&items, &rules);
            let stores = empty_stores()?;
            let batches = stores.iter().map(|_| [BatchWrite::new(inputs::origin(0), decided(&prepared, &rules))]);
            let batches: Vec<[BatchWrite; 1]> = batches.collect();
            for ((_, store), batch) in stores.iter().zip(&batches).take(rounds) {
                store.apply(batch, inputs::now())?;
            }
        }
        // Items on their way into the index, and questions to it.
        "search" => {
            let (items, rules) = (inputs::items(&language, FEEDS), inputs::rules(&language, TOPICS));
            let prepared = inputs::prepared(&items, &rules);
            let stores = empty_stores()?;
            for (_, store) in &stores {
                store.apply(&[BatchWrite::new(inputs::origin(0), decided(&prepared, &rules))], inputs::now())?;
            }
            for (_, store) in stores.iter().take(rounds) {
                while store.index_batch()? {}
                for nth in 0..QUERIES {
                    let text = format!("{} {}", language.word(50 + nth * 7), language.word(90 + nth * 11));
                    black_box(store.search(&SearchQuery { text, limit: 20, ..SearchQuery::default() })?);
                }
            }
        }
        other => return Err(format!("no stage {other}").into()),
    }
    Ok(())
}

/// As many as there are rounds at most: what making them costs is the same however many are used.
fn empty_stores() -> Result<Vec<(tempfile::TempDir, Store)>, Box<dyn std::error::Error>> {
    let open = || {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path(), Access::Own)?;
        Ok((dir, store))
    };
    (0..ROUNDS_MAX).map(|_| open()).collect()
}

fn decided(prepared: &[Prepared], rules: &Rules) -> Vec<Decision> {
    let mut ledger = Ledger::new("counted", MemoryConfig::default());
    prepared.iter().cloned().map(|prepared| decide(prepared, &mut ledger, rules, inputs::now())).collect()
}

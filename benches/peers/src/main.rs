//! Near-duplicates side by side with a MinHash LSH library, in one run over the same made-up texts: sign,
//! query, insert; then edited copies of known texts. Run with
//! `cargo run --release --manifest-path benches/peers/Cargo.toml`.

#[path = "../../text/mod.rs"]
mod text;

use std::time::Instant;

use gaoya::minhash::{MinHashIndex, MinHasher, MinHasher32V1};
use wirewatch::model::{ItemId, ItemKey, SourceId, StoryId, Timestamp};
use wirewatch::pipeline::dedupe::sketch::Sketch;
use wirewatch::pipeline::features::Features;
use wirewatch::pipeline::memory::{Memory, MemoryConfig};
use wirewatch::pipeline::story::profile::Profile;
use wirewatch::text::tokens::Tokens;
use xxhash_rust::xxh3::xxh3_64;

const TEXTS: usize = 20_000;
/// Bands and rows that find 99.7 % of such edits.
const BANDS: usize = 32;
const ROWS: usize = 4;

fn main() {
    let mut writer = text::Writer::new(7);
    let articles: Vec<Article> = (0..TEXTS).map(|_| writer.article()).collect();
    let edited: Vec<Article> = articles.iter().map(|(title, text)| (writer.edit(title), writer.edit(text))).collect();
    for round in 1..=2 {
        let theirs = gaoya(&articles, &edited);
        let ours = ours(&articles, &edited);
        println!(
            "round {round}: wirewatch {ours:.0} docs/s, gaoya {theirs:.0} docs/s: {:.1} times as many",
            ours / theirs
        );
    }
}

/// Headline and text.
type Article = (String, String);

fn gaoya(articles: &[Article], edited: &[Article]) -> f64 {
    let hasher = MinHasher32V1::new(BANDS * ROWS);
    let mut index = MinHashIndex::new(BANDS, ROWS, 0.5);
    // Words as it would be fed them: lower case, three in a row.
    let sign = |text: &str| {
        let lower = text.to_lowercase();
        let words: Vec<u64> = lower
            .split(|c: char| !c.is_alphanumeric())
            .filter(|w| !w.is_empty())
            .map(|w| xxh3_64(w.as_bytes()))
            .collect();
        hasher.create_signature(words.windows(3))
    };
    let start = Instant::now();
    let mut strangers = 0;
    for (number, (_, text)) in articles.iter().enumerate() {
        let signature = sign(text);
        strangers += usize::from(!index.query(&signature).is_empty());
        index.insert(number, signature);
    }
    let each = TEXTS as f64 / start.elapsed().as_secs_f64();
    let found =
        edited.iter().enumerate().filter(|(number, (_, text))| index.query(&sign(text)).contains(number)).count();
    println!("gaoya {BANDS} × {ROWS}: recall {:.4}, {strangers} strangers", found as f64 / TEXTS as f64);
    each
}

/// With the headline beside the text, as every item has one: it is half of what tells a copy.
fn ours(articles: &[Article], edited: &[Article]) -> f64 {
    let mut memory = Memory::new(MemoryConfig { bytes_max: 1 << 30, ..MemoryConfig::default() });
    let source = SourceId::new("peers").expect("a name");
    let at = Timestamp::from_seconds(1_700_000_000);
    let id = |number: usize| ItemId::of(&source, &ItemKey::new(&number.to_string()));
    let features = |(title, text): &Article| {
        let profile = Profile::of(title, &Tokens::of(title), "", &Tokens::default());
        Features { sketch: Sketch::of(text, &Tokens::of(text)), profile, published_h: None }
    };
    let (start, fixed) = (Instant::now(), memory.bytes());
    let mut strangers = 0;
    for (number, article) in articles.iter().enumerate() {
        let features = features(article);
        strangers += usize::from(memory.nearest(&features).is_some());
        memory.insert(id(number), StoryId::opened_by(id(number)), &features, at);
    }
    let each = TEXTS as f64 / start.elapsed().as_secs_f64();
    let bytes = (memory.bytes() - fixed) / TEXTS;
    let is_found =
        |(number, article): (usize, &Article)| memory.nearest(&features(article)).is_some_and(|n| n.item == id(number));
    let found = edited.iter().enumerate().filter(|pair| is_found(*pair)).count();
    println!("wirewatch: recall {:.4}, {strangers} strangers, {bytes} B per text", found as f64 / TEXTS as f64);
    each
}

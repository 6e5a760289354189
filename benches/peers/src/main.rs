//! Near-duplicates side by side with a MinHash LSH library, over the same made-up texts, words and shingles:
//! sign, query, insert; then edited copies of known texts, texts of the same kind that are none, and notices of one
//! template. Each contender runs in a process of its own, by turns; times are processor time. Run with
//! `cargo run --release --manifest-path benches/peers/Cargo.toml`; Linux only.

#[path = "../../text/mod.rs"]
mod text;

use std::collections::{HashMap, HashSet};
use std::process::Command;

use fnv::FnvBuildHasher;
use gaoya::minhash::{MinHashIndex, MinHasher, MinHasher32, SmallVecContainer};
use wirewatch::model::{ItemId, ItemKey, SourceId, StoryId, Timestamp};
use wirewatch::pipeline::dedupe::sketch::Sketch;
use wirewatch::pipeline::features::Features;
use wirewatch::pipeline::memory::{Memory, MemoryConfig};
use wirewatch::pipeline::story::profile::Profile;
use wirewatch::text::tokens::Tokens;
use xxhash_rust::xxh3::xxh3_64;

type Failure = Box<dyn std::error::Error>;
/// Headline and text.
type Article = (String, String);

const TEXTS: usize = 20_000;
const NOTICES: usize = 1_000;
const ROUNDS: usize = 3;
/// Bands and rows that find more than .99 of such edits; 16 × 8 find three in four.
const BANDS: usize = 32;
const ROWS: usize = 4;
const JACCARD_MIN: f64 = 0.5;

fn main() -> Result<(), Failure> {
    if let Some(contender) = std::env::args().nth(1) {
        let bed = Bed::new();
        let outcome = match contender.as_str() {
            "gaoya" => race(&bed, &mut Gaoya::new())?,
            "wirewatch" => race(&bed, &mut Wirewatch::new(true))?,
            "wirewatch, no headline" => race(&bed, &mut Wirewatch::new(false))?,
            other => return Err(format!("there is no contender `{other}`").into()),
        };
        println!("{contender:<24}{outcome}");
        return Ok(());
    }
    println!("{TEXTS} texts, as many edited copies and strangers, {NOTICES} notices of one template");
    println!(
        "{:<24}{:>8}  {:>7}  {:>9}  {:>8}  {:>16}",
        "", "docs/s", "recall", "precision", "B/doc", "notices as copies"
    );
    for _ in 0..ROUNDS {
        for contender in ["gaoya", "wirewatch", "wirewatch, no headline"] {
            let status = Command::new(std::env::current_exe()?).arg(contender).status()?;
            if !status.success() {
                return Err(format!("{contender} failed").into());
            }
        }
    }
    Ok(())
}

/// What all contenders read, and the truth: text n and its edited copy have number n, all else is alone.
struct Bed {
    articles: Vec<Article>,
    edited: Vec<Article>,
    strangers: Vec<Article>,
    notices: Vec<Article>,
}

impl Bed {
    fn new() -> Self {
        let mut writer = text::Writer::new(7);
        let articles: Vec<Article> = (0..TEXTS).map(|_| writer.article()).collect();
        let edited = articles.iter().map(|(title, text)| (writer.edit(title), writer.edit(text))).collect();
        let strangers = (0..TEXTS).map(|_| writer.article()).collect();
        let notices = (0..NOTICES as u64).map(|n| writer.notice(n)).collect();
        Self { articles, edited, strangers, notices }
    }
}

/// One that says which known texts a text is a copy of.
trait Contender {
    type Signature;
    fn sign(&self, article: &Article) -> Self::Signature;
    fn originals(&self, signature: &Self::Signature) -> HashSet<usize>;
    fn insert(&mut self, number: usize, signature: Self::Signature);
}

/// One line of the table.
fn race<C: Contender>(bed: &Bed, contender: &mut C) -> Result<String, Failure> {
    let (resident, started) = (resident_bytes()?, cpu_seconds()?);
    let mut wrong = 0;
    for (number, article) in bed.articles.iter().enumerate() {
        let signature = contender.sign(article);
        wrong += contender.originals(&signature).len();
        contender.insert(number, signature);
    }
    let each_second = TEXTS as f64 / (cpu_seconds()? - started);
    let bytes = (resident_bytes()? - resident) / TEXTS as f64;
    let mut right = 0;
    for (number, copy) in bed.edited.iter().enumerate() {
        let found = contender.originals(&contender.sign(copy));
        right += usize::from(found.contains(&number));
        wrong += found.iter().filter(|n| **n != number).count();
    }
    for stranger in &bed.strangers {
        wrong += contender.originals(&contender.sign(stranger)).len();
    }
    let mut copies = 0;
    for (number, notice) in bed.notices.iter().enumerate() {
        let signature = contender.sign(notice);
        copies += usize::from(!contender.originals(&signature).is_empty());
        contender.insert(TEXTS + number, signature);
    }
    let (recall, precision) = (right as f64 / TEXTS as f64, right as f64 / (right + wrong).max(1) as f64);
    Ok(format!("{each_second:>8.0}  {recall:>7.4}  {precision:>9.4}  {bytes:>8.0}  {copies:>16}"))
}

/// With the leanest of its containers: most bands hold one text.
struct Gaoya {
    hasher: MinHasher32<FnvBuildHasher>,
    index: MinHashIndex<u32, u32, SmallVecContainer<u32, 1>>,
}

impl Gaoya {
    fn new() -> Self {
        Self { hasher: MinHasher32::new(BANDS * ROWS), index: MinHashIndex::new_index(BANDS, ROWS, JACCARD_MIN) }
    }
}

impl Contender for Gaoya {
    type Signature = Vec<u32>;

    fn sign(&self, (_, text): &Article) -> Vec<u32> {
        // As ours: words by the same rules, case folded, three in a row.
        let words: Vec<u64> = Tokens::of(text).iter().map(|token| xxh3_64(token.folded.as_bytes())).collect();
        self.hasher.create_signature(words.windows(3))
    }

    fn originals(&self, signature: &Vec<u32>) -> HashSet<usize> {
        self.index.query(signature).into_iter().map(|number| *number as usize).collect()
    }

    fn insert(&mut self, number: usize, signature: Vec<u32>) {
        self.index.insert(number as u32, signature);
    }
}

/// With the headline beside the text, as every item has one (half of what tells a copy), or without.
struct Wirewatch {
    memory: Memory,
    headlines: bool,
    source: SourceId,
    numbers: HashMap<ItemId, usize>,
}

impl Wirewatch {
    fn new(headlines: bool) -> Self {
        let memory = Memory::new(MemoryConfig { bytes_max: 1 << 30, ..MemoryConfig::default() });
        Self { memory, headlines, source: SourceId::new("peers").expect("a name"), numbers: HashMap::new() }
    }
}

impl Contender for Wirewatch {
    type Signature = Features;

    fn sign(&self, (title, text): &Article) -> Features {
        let title = if self.headlines { title } else { "" };
        let profile = Profile::of(title, &Tokens::of(title), "", &Tokens::default());
        Features { sketch: Sketch::of(text, &Tokens::of(text)), profile, ..Features::default() }
    }

    /// It names one: the nearest that passes its verdict.
    fn originals(&self, features: &Features) -> HashSet<usize> {
        self.memory.nearest(features).and_then(|near| self.numbers.get(&near.item).copied()).into_iter().collect()
    }

    fn insert(&mut self, number: usize, features: Features) {
        let id = ItemId::of(&self.source, &ItemKey::new(&number.to_string()));
        self.memory.insert(id, StoryId::opened_by(id), &features, Timestamp::from_seconds(1_700_000_000));
        self.numbers.insert(id, number);
    }
}

/// Processor time of this thread: other work on the machine counts little.
fn cpu_seconds() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = stat.split_whitespace().next().ok_or("no processor time")?.parse()?;
    Ok(nanoseconds / 1e9)
}

/// What the process holds, whoever counts it.
fn resident_bytes() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no resident size")?;
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024.0)
}

//! Cost of the memory on made-up news: time per item for reading and deciding at several sizes of
//! memory, copies recognised, bytes held per item, and what floods do.
//! Run with `cargo run --release --example memory_cost [-- ITEMS]`.

use std::time::Duration;

use tokio::time::Instant;
use wirewatch::model::{ItemId, ItemKey, SourceId, StoryId, Timestamp};
use wirewatch::pipeline::features::Features;
use wirewatch::pipeline::memory::{Memory, MemoryConfig};
use wirewatch::text::tokens::Tokens;

/// Items measured at each size.
const SAMPLE: usize = 2_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let largest: usize = std::env::args().nth(1).map_or(Ok(100_000), |n| n.parse())?;
    let config = MemoryConfig { bytes_max: 1 << 30, ..MemoryConfig::default() };
    let mut memory = Memory::new(config);
    let mut writer = Writer { state: 1 };
    let mut number = 0;
    for size in [10_000, 100_000, 1_000_000].into_iter().filter(|s| *s <= largest) {
        while memory.len() < size {
            let (title, text) = writer.article();
            decide(&mut memory, number, &features(&title, &text));
            number += 1;
        }
        measure(&mut memory, &mut writer, &mut number);
    }
    flood(&mut memory, &mut writer, &mut number);
    Ok(())
}

fn features(title: &str, text: &str) -> Features {
    Features::of_text(title, &Tokens::of(title), text, &Tokens::of(text), None)
}

fn id(number: usize) -> ItemId {
    ItemId::of(&SourceId::new("bench").expect("a valid name"), &ItemKey::new(&number.to_string()))
}

fn at(number: usize) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + number.cast_signed() as i64 * 100)
}

/// What `decide` does: whether it was a copy, and the story.
fn decide(memory: &mut Memory, number: usize, features: &Features) -> (bool, StoryId) {
    memory.advance(at(number));
    if let Some(copy) = memory.nearest(features) {
        return (true, copy.story);
    }
    let item = id(number);
    let placement = memory.place(item, features);
    memory.insert(item, placement.story(), features, at(number));
    if let Some(gone) = placement.merged {
        memory.merge(placement.story(), gone);
    }
    (false, placement.story())
}

fn measure(memory: &mut Memory, writer: &mut Writer, number: &mut usize) {
    let size = memory.len();
    let articles: Vec<_> = (0..SAMPLE).map(|_| writer.article()).collect();
    let bytes: usize = articles.iter().map(|(title, text)| title.len() + text.len()).sum();
    let start = Instant::now();
    let tokens: Vec<_> = articles.iter().map(|(title, text)| (Tokens::of(title), Tokens::of(text))).collect();
    let tokenize = start.elapsed();
    let start = Instant::now();
    let read = |((title, text), (title_tokens, tokens)): (&(String, String), &(Tokens, Tokens))| {
        Features::of_text(title, title_tokens, text, tokens, None)
    };
    let prepared: Vec<_> = articles.iter().zip(&tokens).map(read).collect();
    let prepare = start.elapsed();
    let start = Instant::now();
    let copies: usize = prepared.iter().map(|f| usize::from(memory.nearest(f).is_some())).sum();
    let nearest = start.elapsed();
    let start = Instant::now();
    let considered: usize = prepared.iter().map(|f| memory.place(id(0), f).candidates.len()).sum();
    let place = start.elapsed();
    let start = Instant::now();
    for features in &prepared {
        decide(memory, *number, features);
        *number += 1;
    }
    let decided = start.elapsed();
    let edited: Vec<_> = articles.iter().map(|(title, text)| features(title, &writer.edit(text))).collect();
    let found = edited.iter().filter(|f| memory.nearest(f).is_some()).count();
    let each = |spent: Duration| spent.as_secs_f64() * 1e6 / SAMPLE as f64;
    println!(
        "{size} remembered, {} B texts: words {:.1} µs, features {:.1} µs, nearest {:.1} µs, place {:.1} µs ({:.1} stories shown), decide in all {:.1} µs; \
         {:.0} bytes/item; copies with 1-5 % of words changed found {:.4}, strangers called copies {copies}",
        bytes / SAMPLE,
        each(tokenize),
        each(prepare),
        each(nearest),
        each(place),
        considered as f64 / SAMPLE as f64,
        each(decided),
        memory.bytes() as f64 / memory.len() as f64,
        found as f64 / SAMPLE as f64,
    );
}

fn flood(memory: &mut Memory, writer: &mut Writer, number: &mut usize) {
    let (title, text) = writer.article();
    let before = memory.len();
    let start = Instant::now();
    for _ in 0..10_000 {
        decide(memory, *number, &features(&title, &text));
        *number += 1;
    }
    println!(
        "one text 10,000 times: {:.1} µs each, {} remembered",
        start.elapsed().as_secs_f64() * 100.0,
        memory.len() - before
    );
    let mut sizes = std::collections::HashMap::new();
    let start = Instant::now();
    for n in 0..10_000 {
        let (title, text) = writer.notice(n);
        *sizes.entry(decide(memory, *number, &features(&title, &text)).1).or_insert(0) += 1;
        *number += 1;
    }
    println!(
        "10,000 texts of one template: {:.1} µs each, {} stories, largest {}",
        start.elapsed().as_secs_f64() * 100.0,
        sizes.len(),
        sizes.values().max().unwrap_or(&0)
    );
    measure(memory, writer, number);
}

/// Makes articles of about 2 KB over a vocabulary with a natural spread, and names of their own.
struct Writer {
    state: u64,
}

impl Writer {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.state >> 33
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// A word of rank 0 to about 60,000, common ranks far more often (Zipf).
    fn word(&mut self) -> String {
        let uniform = (self.below(1 << 30) as f64 + 1.0) / f64::from(1 << 30);
        spell((60_000f64.powf(uniform)) as u64 - 1)
    }

    fn name(&mut self) -> String {
        let word = spell(60_000 + self.below(200_000));
        word[..1].to_uppercase() + &word[1..]
    }

    fn article(&mut self) -> (String, String) {
        let names: Vec<String> = (0..6).map(|_| self.name()).collect();
        let mut text = String::new();
        let sentences = 14 + self.below(8);
        for _ in 0..sentences {
            for w in 0..16 {
                let word = if self.below(9) == 0 { names[self.below(6) as usize].clone() } else { self.word() };
                text.push_str(&word);
                text.push_str(if w == 15 { ". " } else { " " });
            }
        }
        let title =
            format!("{} {} {} {} {} {}", names[0], self.word(), self.word(), names[1], self.word(), self.word());
        (title, text)
    }

    /// The text with 1 to 5 words of a hundred replaced.
    fn edit(&mut self, text: &str) -> String {
        let percent = 1 + self.below(5);
        let words = text.split(' ').map(|w| if self.below(100) < percent { "edited" } else { w }.to_owned());
        words.collect::<Vec<_>>().join(" ")
    }

    fn notice(&mut self, n: u64) -> (String, String) {
        let (place, other) = (self.name(), self.name());
        let title = format!("Water level notice {n} for {place}");
        let body = "The office for waterways gives notice that the level at the gauge has passed the mark at which boats \
                    have to keep to the middle of the channel and landing stages close until the level has fallen again. \
                    Crews call the lock before they set out and follow the signs along both banks of the river";
        (title, format!("{body}. The gauge at {place} read {} centimetres. Next station: {other}.", 300 + n % 700))
    }
}

/// A pronounceable word for a rank.
fn spell(mut rank: u64) -> String {
    const SYLLABLES: [&str; 32] = [
        "ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "wo", "zu", "bra", "cle", "dri",
        "flo", "gru", "ka", "lem", "min", "nor", "pus", "ran", "sel", "tin", "vor", "wun", "xa", "ye",
    ];
    let mut word = String::new();
    loop {
        word.push_str(SYLLABLES[(rank % 32) as usize]);
        rank /= 32;
        if rank == 0 {
            return word;
        }
    }
}

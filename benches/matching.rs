//! What matching costs as rules grow: 10 to 10,000 of them over articles of 2 KB, boolean queries and plain
//! terms and phrases, beside a plain scan of every rule and one Aho-Corasick pass over all their words, in
//! the same run, in time on a core. `cargo bench --bench matching`; `-- backtest` makes a store of 100,000 items and asks.
//! Text and rules come from a vocabulary with Zipf's frequencies, made here, the same every time.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use aho_corasick::AhoCorasick;
use tokio::time::Instant;
use wirewatch::model::{Lang, Severity, SourceId, TopicId};
use wirewatch::pipeline::classify::{Document, TermConfig, TopicConfig, TopicSet};
use wirewatch::text::tokens::Tokens;

const VOCABULARY: usize = 60_000;
const ARTICLES: usize = 400;
const ARTICLE_BYTES: usize = 2048;
/// Each figure is the best of so many rounds: other work on the machine only ever adds.
const ROUNDS: usize = 5;
const BACKTEST_ITEMS: usize = 100_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "backtest") {
        let items = arguments.iter().find_map(|argument| argument.parse().ok());
        return backtest(items.unwrap_or(BACKTEST_ITEMS));
    }
    let once = arguments.iter().any(|argument| argument == "once");
    let mut random = Random(7);
    let words = vocabulary(&mut random);
    let zipf = Zipf::of(words.len());
    let articles: Vec<Article> = (0..ARTICLES).map(|_| Article::of(&words, &zipf, &mut random)).collect();
    if once {
        return one_pass(&words, &articles, &mut random);
    }
    println!("kind     rules  x scan  of AC    docs/s      scan   Aho-Corasick  goal     hits/doc");
    for kind in [Kind::Boolean, Kind::Plain] {
        for rules in [10, 100, 1_000, 10_000] {
            line(kind, rules, &words, &articles, &mut random);
        }
    }
    compile_cost(&words, &mut random);
    let tokens = best(|| {
        for article in &articles {
            black_box(Tokens::of(&article.text));
        }
    });
    println!("splitting into words, done once for all stages: {:.0} docs/s", per_second(tokens));
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// `(a OR b) AND c`, `a NEAR/6 b`, `a AND b AND NOT c`, by turns.
    Boolean,
    /// A word or two words in a row.
    Plain,
}

/// One rule as a query, and as a plain scan sees it.
struct Written {
    query: String,
    /// Groups of which each needs one word (or words in a row); the last is what must not be there.
    groups: Vec<Vec<String>>,
    not: Option<String>,
}

fn written(kind: Kind, words: &[String], random: &mut Random) -> Written {
    // Rules ask for the words that tell something: neither the most frequent ones nor only the rarest.
    let mut word = || words[300 + random.below(words.len() / 3)].clone();
    let (a, b, c) = (word(), word(), word());
    let written = |query: String, groups: &[&[&String]], not: Option<&String>| Written {
        query,
        groups: groups.iter().map(|group| group.iter().map(|word| (*word).clone()).collect()).collect(),
        not: not.cloned(),
    };
    match (kind, random.below(3)) {
        (Kind::Boolean, 0) => written(format!("({a} OR {b}) AND {c}"), &[&[&a, &b], &[&c]], None),
        (Kind::Boolean, 1) => written(format!("{a} NEAR/6 {b}"), &[&[&a], &[&b]], None),
        (Kind::Boolean, _) => written(format!("{a} AND {b} AND NOT {c}"), &[&[&a], &[&b]], Some(&c)),
        (Kind::Plain, 0) => written(format!("\"{a} {b}\""), &[&[&format!("{a} {b}")]], None),
        (Kind::Plain, _) => written(a.clone(), &[&[&a]], None),
    }
}

fn compile(rules: &[Written]) -> TopicSet {
    let topics: Vec<TopicConfig> = rules
        .chunks(100)
        .enumerate()
        .map(|(number, rules)| TopicConfig {
            id: TopicId::new(&format!("topic-{number}")).expect("a name"),
            label: String::new(),
            severity: Severity::Medium,
            severity_bands: Vec::new(),
            threshold: 5.0,
            title_boost: 2.0,
            lead_boost: 1.5,
            repeat_bonus: 0.25,
            terms: rules
                .iter()
                .enumerate()
                .map(|(at, rule)| TermConfig {
                    id: format!("rule-{at}"),
                    query: rule.query.clone(),
                    weight: 4.0,
                    severity: None,
                })
                .collect(),
            require: Vec::new(),
            exclude: Vec::new(),
            languages: Vec::new(),
            sources: Vec::new(),
            model_weight: None,
        })
        .collect();
    TopicSet::compile(&topics, &[]).expect("good rules")
}

fn line(kind: Kind, count: usize, words: &[String], articles: &[Article], random: &mut Random) {
    let rules: Vec<Written> = (0..count).map(|_| written(kind, words, random)).collect();
    let set = compile(&rules);
    let mut hits = 0;
    let ours = best(|| {
        hits = articles.iter().map(|article| article.ask(&set)).sum();
    });
    let scanned = best_of(if count > 1_000 { 1 } else { ROUNDS }, || {
        // A tenth of the articles is enough for what takes so long.
        for article in articles.iter().step_by(10) {
            black_box(rules.iter().filter(|rule| rule.scan(&article.text)).count());
        }
    }) * 10;
    let needles = rules.iter().flat_map(|rule| rule.groups.iter().flatten().chain(&rule.not));
    let all = AhoCorasick::new(needles).expect("an automaton");
    let bound = best(|| {
        for article in articles {
            black_box(all.find_overlapping_iter(&article.text).count());
        }
    });
    let goal = match (kind, count) {
        (Kind::Boolean, 1_000) => "16000",
        (Kind::Boolean, 10_000) => "3000",
        (Kind::Plain, 1_000) => "60000",
        (Kind::Plain, 10_000) => "20000",
        _ => "",
    };
    println!(
        "{:8}{count:>6}{:>8.1}{:>7.2}{:>10.0}{:>10.0}{:>15.0}  {goal:8}{:>9.2}",
        if kind == Kind::Boolean { "boolean" } else { "plain" },
        scanned.as_secs_f64() / ours.as_secs_f64(),
        bound.as_secs_f64() / ours.as_secs_f64(),
        per_second(ours),
        per_second(scanned),
        per_second(bound),
        hits as f64 / articles.len() as f64,
    );
}

/// For callgrind: every article once against 1,000 and 10,000 rules of each kind.
fn one_pass(words: &[String], articles: &[Article], random: &mut Random) {
    for kind in [Kind::Boolean, Kind::Plain] {
        let rules: Vec<Written> = (0..10_000).map(|_| written(kind, words, random)).collect();
        let set = compile(&rules);
        let hits: usize = articles.iter().map(|article| article.ask(&set)).sum();
        println!("{hits} topics hit");
    }
}

fn compile_cost(words: &[String], random: &mut Random) {
    let rules: Vec<Written> = (0..10_000).map(|_| written(Kind::Boolean, words, random)).collect();
    let before = resident_bytes();
    let started = spent();
    let set = compile(&rules);
    let took = spent().saturating_sub(started);
    let grown = resident_bytes().saturating_sub(before);
    let size = black_box(&set).size();
    println!(
        "10,000 boolean rules compile in {:.3} s (goal 0.5) to {} MiB (goal 64): {} terms, {} nodes",
        took.as_secs_f64(),
        grown >> 20,
        size.terms,
        size.nodes
    );
}

impl Written {
    /// What a program does that knows nothing better: one search of the text per word of every rule.
    fn scan(&self, text: &str) -> bool {
        self.groups.iter().all(|group| group.iter().any(|word| text.contains(word.as_str())))
            && self.not.as_ref().is_none_or(|word| !text.contains(word.as_str()))
    }
}

/// A text in its words.
struct Article {
    text: String,
    words: Tokens,
    title: Tokens,
    source: SourceId,
}

impl Article {
    fn of(words: &[String], zipf: &Zipf, random: &mut Random) -> Self {
        let text = text(words, zipf, random);
        let source = SourceId::new("bench").expect("a name");
        Self { words: Tokens::of(&text), title: Tokens::default(), text, source }
    }

    fn ask(&self, set: &TopicSet) -> usize {
        let document = Document {
            title: "",
            title_words: &self.title,
            text: &self.text,
            text_words: &self.words,
            url: None,
            tags: &[],
            source: &self.source,
            lang: Some(Lang::EN),
        };
        set.classify(&document).len()
    }
}

fn text(words: &[String], zipf: &Zipf, random: &mut Random) -> String {
    let mut text = String::with_capacity(ARTICLE_BYTES + 16);
    while text.len() < ARTICLE_BYTES {
        text.push_str(&words[zipf.draw(random)]);
        text.push(if random.below(12) == 0 { '.' } else { ' ' });
        if text.ends_with('.') {
            text.push(' ');
        }
    }
    text
}

/// Words of two to four syllables, the frequent ones short.
fn vocabulary(random: &mut Random) -> Vec<String> {
    const ONSETS: [&str; 16] = ["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr", "pl"];
    const RIMES: [&str; 12] = ["a", "e", "i", "o", "u", "an", "er", "in", "on", "ar", "es", "ol"];
    let mut seen = std::collections::HashSet::new();
    let mut words = Vec::with_capacity(VOCABULARY);
    while words.len() < VOCABULARY {
        let syllables = 1 + (words.len() + 1).ilog10() as usize / 2 + random.below(3);
        let mut word = String::new();
        for _ in 0..syllables.max(1) {
            word.push_str(ONSETS[random.below(ONSETS.len())]);
            word.push_str(RIMES[random.below(RIMES.len())]);
        }
        if seen.insert(word.clone()) {
            words.push(word);
        }
        if words.is_empty() {
            words.push("the".to_owned());
        }
    }
    words
}

/// Ranks with frequencies that fall as one over the rank.
struct Zipf(Vec<f64>);

impl Zipf {
    fn of(ranks: usize) -> Self {
        let mut sum = 0.0;
        let mut upto = Vec::with_capacity(ranks);
        for rank in 1..=ranks {
            sum += 1.0 / rank as f64;
            upto.push(sum);
        }
        Self(upto)
    }

    fn draw(&self, random: &mut Random) -> usize {
        let all = self.0.last().copied().unwrap_or(1.0);
        let at = random.below(1 << 40) as f64 / (1u64 << 40) as f64 * all;
        self.0.partition_point(|upto| *upto < at).min(self.0.len() - 1)
    }
}

/// xorshift64*: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((u128::from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)) * bound as u128) >> 64) as usize
    }
}

fn best(work: impl FnMut()) -> Duration {
    best_of(ROUNDS, work)
}

fn best_of(rounds: usize, mut work: impl FnMut()) -> Duration {
    let round = |_| {
        let before = spent();
        work();
        spent().saturating_sub(before)
    };
    (0..rounds).map(round).min().unwrap_or_default().max(Duration::from_nanos(1))
}

/// Time this thread had on a core: a busy machine takes longer, but not more of it.
fn spent() -> Duration {
    // Field 1: nanoseconds on a core; brought up to date when the thread gives it up.
    std::thread::yield_now();
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    Duration::from_nanos(stat.split(' ').next().and_then(|ns| ns.parse().ok()).expect("a number"))
}

fn per_second(all_articles: Duration) -> f64 {
    ARTICLES as f64 / all_articles.as_secs_f64()
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// A store of so many items through the program itself, then the time of `backtest` over all of it.
fn backtest(items: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = Random(11);
    let words = vocabulary(&mut random);
    let zipf = Zipf::of(words.len());
    let mut files = Vec::new();
    for file in 0..items.div_ceil(1_000) {
        let path = folder.path().join(format!("{file}.jsonl"));
        let lines: Vec<String> = (0..1_000).map(|line| item(file * 1_000 + line, &words, &zipf, &mut random)).collect();
        std::fs::write(&path, lines.join("\n")).expect("written");
        files.push(path);
    }
    let config = folder.path().join("wirewatch.toml");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/topics/*.toml");
    let text = format!(
        "include = [\"{}\"]\n[daemon]\nstate_dir = \"state\"\nlog = \"error\"\n[http]\nlisten = \"off\"\n",
        shipped.display()
    );
    std::fs::write(&config, text).expect("written");
    let run = |arguments: &[&str], files: &[std::path::PathBuf]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wirewatch"));
        command.arg("--config").arg(&config).args(arguments).args(files);
        let started = Instant::now();
        let output = command.output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (started.elapsed(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (took, _) = run(&["ingest", "--quiet", "--json"], &files);
    println!("{items} items taken in {:.1} s", took.as_secs_f64());
    let (took, said) = run(&["backtest"], &[]);
    println!("backtest in {:.1} s (goal 20): {}", took.as_secs_f64(), said.lines().nth(1).unwrap_or_default());
}

fn item(number: usize, words: &[String], zipf: &Zipf, random: &mut Random) -> String {
    let title: Vec<&str> = (0..8).map(|_| words[zipf.draw(random)].as_str()).collect();
    let subject = if random.below(40) == 0 { "European Union agrees on sanctions against Russia. " } else { "" };
    serde_json::json!({
        "id": format!("item-{number}"), "title": title.join(" "), "source": format!("wire-{}", number % 50),
        "text": format!("{subject}{}", text(words, zipf, random)), "lang": "en",
    })
    .to_string()
}

//! `backtest`: rules asked again about what was taken: this config against the rules of the time, against
//! another config, or with one topic changed. Reads the store page by page (or a file of items), asks on
//! all cores, counts in order of arrival. Changes nothing.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use clap::Args;
use indicatif::ProgressBar;
use parking_lot::Mutex;
use serde_json::Value;

use super::output::{self, Output};
use super::{CliError, Context, labelled};
use crate::app::trial::{self, PastAnswer};
use crate::config::{ConfigPlace, Loaded};
use crate::eval::backtest::{Backtest, Example, NEAR_SHARE, TopicBacktest};
use crate::eval::hearing::{EndpointBacktest, PastHearing};
use crate::model::{Match, StoryId, Timestamp, TopicId};
use crate::pipeline::alert::Silence;
use crate::pipeline::classify::Document;
use crate::pipeline::memory::MemoryConfig;
use crate::pipeline::{Ledger, Prepared, Rules, decide, prepare};
use crate::store::{PAGE_ITEMS, PastCopy, PastItem, SilenceRecord, Store};
use crate::text::tokens::Tokens;
use crate::text::{clean, counted};

/// Pages that wait for a core, and answers that wait to be counted.
const PAGES_WAITING_MAX: usize = 8;
/// Days drawn as bars; earlier ones are in the JSON.
const DAYS_MAX: usize = 62;
/// Widest bar.
const BAR_COLUMNS: u64 = 40;

/// Asks rules about the past: what they match, gain and lose, and what each endpoint would have heard.
///
/// Without an option, this config's topics are compared with the matches stored when the items came.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct BacktestArgs {
    /// Only items seen this long ago or since a time: 12h, 7d, 2025-03-17T00:00:00Z.
    #[arg(long, value_parser = super::since)]
    since: Option<super::Since>,
    /// Compare this config with another one: gained is what only this one matches.
    #[arg(long, value_name = "OTHER.toml", conflicts_with = "topic")]
    against: Option<PathBuf>,
    /// Try a file with changed [[topics]] (and [[aliases]]) in this config, and compare with this config.
    #[arg(long, value_name = "FILE")]
    topic: Option<PathBuf>,
    /// Ask about the items of a file (JSON Lines, as for `eval`) in place of the store.
    #[arg(long, value_name = "ITEMS.jsonl", conflicts_with = "since")]
    file: Option<PathBuf>,
    /// Show so many gained and lost items per topic.
    #[arg(long, default_value_t = 10, value_name = "N")]
    examples: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The rules that are tried, and what they are compared with.
struct Trial {
    rules: Rules,
    before: Before,
    memory: MemoryConfig,
    /// Those given by hand, as they were.
    silences: Vec<Silence>,
    /// In words.
    compared: String,
    topics: Vec<TopicId>,
}

enum Before {
    /// What the store says was matched when the item came.
    Stored,
    /// Other rules.
    Rules(Box<Rules>),
    /// Nothing: there is only one set of rules.
    Same,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when a config cannot be used, or the past cannot be read.
pub fn run(args: &BacktestArgs, context: &Context) -> Result<(), CliError> {
    let mut loaded = context.load()?;
    let mut trial = Trial::of(args, &mut loaded, context)?;
    let account = if let Some(file) = &args.file {
        let bar = output::progress(labelled::count(file)?, "items");
        run_pages(&trial, Lines { lines: labelled::lines(file)?, number: 0 }, &bar)?
    } else {
        let store = context.read_store()?;
        let since = args.since.map_or(Timestamp::from_millis(i64::MIN), |since| since.at(context.clock.now()));
        trial.silences = store.silences(context.clock.now(), true)?.iter().filter_map(SilenceRecord::matcher).collect();
        let bar = output::progress(store.history_len(since)?, "items");
        run_pages(&trial, Pages { store, since, behind: 0 }, &bar)?
    };
    if Output::of(args.json) == Output::Json {
        return Ok(output::document(&serde_json::json!({ "compared": trial.compared, "backtest": account }))?);
    }
    Ok(print(&account, &trial, args.examples)?)
}

impl Trial {
    fn of(args: &BacktestArgs, loaded: &mut Loaded, context: &Context) -> Result<Self, CliError> {
        let name = context.place_name();
        let here = super::compiled(loaded, &name)?;
        let mut topics: Vec<TopicId> = loaded.config.topics.iter().map(|topic| topic.id.clone()).collect();
        let memory = loaded.config.memory;
        let (rules, before, compared) = if let Some(path) = &args.against {
            let other_name = path.display().to_string();
            let mut other = context.load_from(&ConfigPlace::File(path.clone()), &other_name)?;
            let there = super::compiled(&mut other, &other_name)?;
            topics.extend(other.config.topics.iter().map(|topic| topic.id.clone()));
            (here, Before::Rules(Box::new(there)), format!("{name} compared with {other_name}"))
        } else if let Some(path) = &args.topic {
            let changed_name = path.display().to_string();
            let changed = context.load_from(&ConfigPlace::File(path.clone()), &changed_name)?;
            let mut merged = loaded.clone();
            if changed.config.topics.is_empty() && changed.config.aliases.is_empty() {
                return Err(CliError::data("find a topic in the file").hint("it needs [[topics]] as in the config"));
            }
            merged.config = merged.config.with_topics_of(changed.config);
            topics = merged.config.topics.iter().map(|topic| topic.id.clone()).collect();
            let tried = super::compiled(&mut merged, &changed_name)?;
            (tried, Before::Rules(Box::new(here)), format!("{changed_name} in {name}, compared with {name}"))
        } else if args.file.is_some() {
            (here, Before::Same, name)
        } else {
            (here, Before::Stored, format!("{name} compared with the rules of the time"))
        };
        topics.sort();
        topics.dedup();
        Ok(Self { rules, before, memory, silences: Vec::new(), compared, topics })
    }

    /// What the rules they are compared with say of a document; `stored` is what was said when it came.
    fn before(&self, document: &Document<'_>, now: &[Match], stored: Vec<Match>) -> Vec<Match> {
        match &self.before {
            Before::Stored => stored,
            Before::Same => now.to_vec(),
            Before::Rules(rules) => rules.topics.classify(document),
        }
    }

    /// The rules that they are compared with; those of the time had the endpoints of this config, for all that is known.
    fn rules_before(&self) -> &Rules {
        match &self.before {
            Before::Stored | Before::Same => &self.rules,
            Before::Rules(rules) => rules,
        }
    }
}

/// Where the past comes from: pages read one after the other, asked about on any thread, and settled in order.
trait Past {
    type Page: Send;
    type Answer: Send;

    fn next_page(&mut self) -> Result<Option<Self::Page>, CliError>;
    fn ask(page: Self::Page, trial: &Trial) -> Vec<Self::Answer>;
    fn settle(answer: Self::Answer, ledger: &mut Ledger, trial: &Trial) -> Option<PastAnswer>;
}

/// The store.
struct Pages {
    store: Store,
    since: Timestamp,
    behind: i64,
}

impl Past for Pages {
    type Page = Vec<PastItem>;
    type Answer = PastAnswer;

    fn next_page(&mut self) -> Result<Option<Self::Page>, CliError> {
        let page = self.store.history(self.since, self.behind)?;
        self.behind = page.last().map_or(self.behind, |item| item.seq);
        Ok((!page.is_empty()).then_some(page))
    }

    fn ask(page: Self::Page, trial: &Trial) -> Vec<PastAnswer> {
        let ask = |mut past: PastItem| {
            // Of a live blog what was on top, as when it came.
            past.item = trial.rules.reading(&past.item).into_owned();
            trial::ask(past, &trial.rules.topics, |document, now, stored| trial.before(document, now, stored))
        };
        page.into_iter().map(ask).collect()
    }

    fn settle(answer: PastAnswer, _: &mut Ledger, _: &Trial) -> Option<PastAnswer> {
        Some(answer)
    }
}

/// A file: its items find their stories here.
struct Lines<L> {
    lines: L,
    number: usize,
}

impl<L: Iterator<Item = Result<Value, CliError>>> Past for Lines<L> {
    type Page = (usize, Vec<Value>);
    type Answer = (Prepared, Vec<Match>, Vec<Match>);

    fn next_page(&mut self) -> Result<Option<Self::Page>, CliError> {
        let first = self.number;
        let page: Vec<Value> = self.lines.by_ref().take(PAGE_ITEMS).collect::<Result<_, _>>()?;
        self.number += page.len();
        Ok((!page.is_empty()).then_some((first, page)))
    }

    fn ask((first, page): Self::Page, trial: &Trial) -> Vec<Self::Answer> {
        let ask = |(offset, item): (usize, &Value)| {
            let received = labelled::published(item).unwrap_or(labelled::START);
            let raw = labelled::raw(item, first + offset);
            // What has nothing to read matches nothing.
            let prepared = prepare(&raw, &labelled::origin(item, received), &trial.rules).ok()?;
            let (title, text) = (Tokens::of(&prepared.item.title), Tokens::of(&prepared.item.text));
            let document = Document::of(&prepared.item, &title, &text);
            let before = trial.before(&document, &prepared.matches, Vec::new());
            let matches = trial.rules.topics.classify_from(&document, NEAR_SHARE);
            Some((prepared, before, matches))
        };
        page.iter().enumerate().filter_map(ask).collect()
    }

    fn settle((prepared, before, matches): Self::Answer, ledger: &mut Ledger, trial: &Trial) -> Option<PastAnswer> {
        let at = prepared.item.first_seen;
        let decision = decide(prepared, ledger, &trial.rules, at);
        let story = decision.story()?;
        Some(PastAnswer::of(decision.prepared, before, matches, story))
    }
}

/// Reads here, asks on every core, counts in order. Every queue is bounded.
fn run_pages<P: Past>(trial: &Trial, mut past: P, bar: &ProgressBar) -> Result<Backtest, CliError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (pages, waiting) = sync_channel::<(usize, P::Page)>(PAGES_WAITING_MAX);
    let (answers, answered) = sync_channel::<(usize, Vec<P::Answer>)>(PAGES_WAITING_MAX);
    let waiting = Arc::new(Mutex::new(waiting));
    let account = std::thread::scope(|scope| {
        for _ in 0..cores {
            let (waiting, answers) = (Arc::clone(&waiting), answers.clone());
            scope.spawn(move || work::<P>(&waiting, &answers, trial));
        }
        // Whoever works holds them: when nobody does, both queues end.
        drop((waiting, answers));
        let counter = scope.spawn(move || count::<P>(&answered, trial, bar));
        let mut read = Ok(());
        for number in 0.. {
            let page = match past.next_page() {
                Ok(page) => page,
                Err(error) => {
                    read = Err(error);
                    break;
                }
            };
            // Nobody takes it when every worker broke.
            let Some(page) = page else { break };
            if pages.send((number, page)).is_err() {
                break;
            }
        }
        drop(pages);
        let account = counter.join().map_err(|_| CliError::new(super::error::IO, "count the items: a thread broke"));
        read.and(account)
    });
    bar.finish_and_clear();
    account
}

fn work<P: Past>(
    waiting: &Mutex<Receiver<(usize, P::Page)>>,
    answers: &SyncSender<(usize, Vec<P::Answer>)>,
    trial: &Trial,
) {
    loop {
        // Only the waiting is under the lock.
        let next = waiting.lock().recv();
        let Ok((number, page)) = next else { return };
        if answers.send((number, P::ask(page, trial))).is_err() {
            return;
        }
    }
}

/// Answers come as the cores finish; they are counted as they were asked.
fn count<P: Past>(answered: &Receiver<(usize, Vec<P::Answer>)>, trial: &Trial, bar: &ProgressBar) -> Backtest {
    let mut account = Backtest::of(trial.topics.iter().cloned());
    let mut ledger = Ledger::new("backtest", trial.memory);
    let rules = (&trial.rules, trial.rules_before());
    let heard = |rules| PastHearing::new(rules, trial.silences.clone());
    let (mut now, mut before) = (heard(rules.0), heard(rules.1));
    let mut copies = CopiesToCome::default();
    let mut early: BTreeMap<usize, Vec<P::Answer>> = BTreeMap::new();
    let mut due = 0;
    while let Ok((number, page)) = answered.recv() {
        early.insert(number, page);
        while let Some(page) = early.remove(&due) {
            due += 1;
            bar.inc(page.len() as u64);
            for answer in page {
                let Some(PastAnswer { asked, mut prepared, before: hit, copies: again, .. }) =
                    P::settle(answer, &mut ledger, trial)
                else {
                    continue;
                };
                account.add(&asked);
                copies.hear_until(Some(asked.at), (&mut now, &mut before), rules);
                now.hear(&prepared, asked.story, rules.0);
                let matches = std::mem::replace(&mut prepared.matches, hit);
                before.hear(&prepared, asked.story, rules.1);
                if !matches.is_empty() || !prepared.matches.is_empty() {
                    copies.wait(again, prepared, matches, asked.story);
                }
            }
        }
    }
    copies.hear_until(None, (&mut now, &mut before), rules);
    account.endpoints(now.end(), before.end());
    account
}

/// Copies of items that were asked about, until their time comes.
#[derive(Default)]
struct CopiesToCome {
    by_time: BTreeMap<(Timestamp, u64), (PastCopy, Arc<CopiedItem>)>,
    number: u64,
}

/// What copies are copies of.
struct CopiedItem {
    /// With what it hits under the rules of the comparison.
    prepared: Prepared,
    /// What it hits under those that are tried.
    matches: Vec<Match>,
    story: StoryId,
}

impl CopiesToCome {
    fn wait(&mut self, copies: Vec<PastCopy>, prepared: Prepared, matches: Vec<Match>, story: StoryId) {
        if copies.is_empty() {
            return;
        }
        let copied = Arc::new(CopiedItem { prepared, matches, story });
        for copy in copies {
            self.number += 1;
            self.by_time.insert((copy.at, self.number), (copy, Arc::clone(&copied)));
        }
    }

    /// Those that came until then; without a time, all.
    fn hear_until(
        &mut self,
        until: Option<Timestamp>,
        (now, before): (&mut PastHearing, &mut PastHearing),
        rules: (&Rules, &Rules),
    ) {
        while let Some(next) = self.by_time.first_entry().filter(|next| until.is_none_or(|until| next.key().0 <= until))
        {
            let (copy, copied) = next.remove();
            let CopiedItem { prepared, matches, story } = &*copied;
            let mut prepared = Prepared { item: copy.of(&prepared.item), ..prepared.clone() };
            before.hear_copy(&prepared, *story, rules.1);
            prepared.matches.clone_from(matches);
            now.hear_copy(&prepared, *story, rules.0);
        }
    }
}

fn print(account: &Backtest, trial: &Trial, examples: usize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", trial.compared)?;
    let day = |at: Option<Timestamp>| at.map(|at| output::minute(at)[..10].to_owned()).unwrap_or_default();
    writeln!(out, "{}, {} to {}", counted(account.items, "item"), day(account.from), day(account.to))?;
    let compares = !matches!(trial.before, Before::Same);
    for (topic, account) in &account.topics {
        writeln!(out, "\n{topic}: {}", summary(account, compares))?;
        bars(&mut out, account, compares)?;
        list(&mut out, "+", "gained", account.gained_count, &account.gained, examples)?;
        list(&mut out, "−", "lost", account.lost_count, &account.lost, examples)?;
        nearly(&mut out, account, examples)?;
    }
    for (endpoint, heard) in &account.endpoints {
        writeln!(out, "\nendpoint {endpoint}: {}", summary_of_endpoint(heard, compares))?;
    }
    Ok(())
}

/// What an endpoint would have got, and what it consists of.
fn summary_of_endpoint(heard: &EndpointBacktest, compares: bool) -> String {
    let EndpointBacktest { now, before } = heard;
    let was = |before: u64| if compares { format!(" (was {before})") } else { String::new() };
    let reasons: Vec<String> = now.reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
    let (messages, stories) = (counted(now.messages, "message"), counted(now.stories, "story"));
    format!("{messages}{} about {stories}{}{reasons}", was(before.messages), was(before.stories))
}

fn summary(account: &TopicBacktest, compares: bool) -> String {
    if !compares {
        return format!("{} matched, {}", account.matched, counted(account.alerts, "alert"));
    }
    format!(
        "{} matched (was {}), {} (was {}); {} gained, {} lost",
        account.matched,
        account.matched_before,
        counted(account.alerts, "alert"),
        account.alerts_before,
        account.gained_count,
        account.lost_count
    )
}

/// A bar per day: what is matched by both or newly is full, what was matched more before is light.
fn bars(out: &mut impl Write, account: &TopicBacktest, compares: bool) -> io::Result<()> {
    let most = account.days.values().map(|day| day.matched.max(day.matched_before)).max().unwrap_or(0);
    let hidden = account.days.len().saturating_sub(DAYS_MAX);
    if hidden > 0 {
        writeln!(out, "  … {hidden} earlier days")?;
    }
    for (name, day) in account.days.iter().skip(hidden) {
        let columns = |count: u64| (count * BAR_COLUMNS).div_ceil(most.max(1)) as usize;
        let (full, before) = (columns(day.matched), columns(day.matched_before));
        let bar = format!("{}{}", "█".repeat(full), "░".repeat(before.saturating_sub(full)));
        let was = if compares && day.matched != day.matched_before {
            format!(" (was {})", day.matched_before)
        } else {
            String::new()
        };
        let alerts = match day.alerts {
            0 => String::new(),
            alerts => format!(", {}", counted(alerts, "alert")),
        };
        writeln!(out, "  {name} {bar} {}{was}{alerts}", day.matched)?;
    }
    Ok(())
}

/// What came near the threshold, nearest first: what a lower one would bring, and what a rule may lack.
fn nearly(out: &mut impl Write, account: &TopicBacktest, examples: usize) -> io::Result<()> {
    if account.near_count > 0 {
        writeln!(out, "  {} near misses, from {:.0} % of the threshold:", account.near_count, NEAR_SHARE * 100.0)?;
    }
    for near in account.near.iter().take(examples) {
        let (title, at) = (clean::excerpt(&near.title, 90), output::minute(near.at));
        writeln!(out, "  ~ {:>5} of {} {at} {} {}  {title}", near.score, near.threshold, near.id, near.source)?;
    }
    Ok(())
}

fn list(
    out: &mut impl Write,
    sign: &str,
    word: &str,
    count: u64,
    shown: &[Example],
    examples: usize,
) -> io::Result<()> {
    for example in shown.iter().take(examples) {
        let alert = if example.alert { "alert" } else { "     " };
        let title = clean::excerpt(&example.title, 90);
        writeln!(out, "  {sign} {alert} {} {} {}  {title}", output::minute(example.at), example.id, example.source)?;
    }
    let left = count.saturating_sub(examples as u64);
    if left > 0 {
        writeln!(out, "  {sign} … {left} more {word} (--examples {count}, or --json)")?;
    }
    Ok(())
}

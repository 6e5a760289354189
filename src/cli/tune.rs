//! `tune`: labels → how well each topic is told, what goes wrong and why, and what could be changed. Prints a
//! TOML diff to paste; never edits a config. `--train` learns a score and writes it to the state directory.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::output::{self, Output, Table};
use super::{CliError, Context, labelled, labels};
use crate::app::models;
use crate::config::Config;
use crate::eval::Quality;
use crate::eval::train::{EXAMPLES_MIN, train};
use crate::eval::tune::{
    Example, MissingTerm, Setting, Suggestion, SweepPoint, contradicted, f1_interval, missing_terms, suggest, sweep,
};
use crate::model::{Score, Timestamp, TopicId};
use crate::pipeline::classify::model::{Training, words_of};
use crate::pipeline::classify::{Document, TopicConfig, TopicExplanation};
use crate::pipeline::{Rules, prepare};
use crate::text::tokens::Tokens;
use crate::text::{clean, counted};

/// Mistakes listed per topic and kind.
const MISTAKES_MAX: usize = 20;
/// Fewer labelled items about a topic than this, and every figure is a guess.
const FEW: usize = 30;

/// Shows what labels say of the rules, and suggests better ones; changes no config.
///
/// Labels come from a file (JSON Lines as for `eval topics`), or from the store (`items label`).
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct TuneArgs {
    /// Labelled items; without it, those labelled in the store.
    labels: Option<PathBuf>,
    /// Only this topic.
    #[arg(long)]
    topic: Option<String>,
    /// Parts for cross-validation.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..=50))]
    folds: u16,
    /// Learn a score for each topic with `model = true` (or for --topic) and store it.
    #[arg(long)]
    train: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is said of one topic.
#[derive(Serialize)]
struct Account {
    topic: TopicId,
    items: usize,
    about: usize,
    quality: Quality,
    /// F1 in nine of ten resamples.
    f1_interval: (f64, f64),
    threshold: f64,
    sweep: Vec<SweepPoint>,
    false_alarms: Vec<Mistake>,
    misses: Vec<Mistake>,
    suggestion: Suggestion,
    terms: Vec<MissingTerm>,
    /// To paste, with `-` and `+`.
    diff: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    trained: Option<TrainedLine>,
}

/// An item told wrong.
#[derive(Serialize)]
struct Mistake {
    id: String,
    title: String,
    score: Score,
    /// What hit, strongest first; gates that were closed.
    evidence: Vec<String>,
}

#[derive(Serialize)]
struct TrainedLine {
    path: String,
    items: usize,
    about: usize,
    cross_validated: Quality,
    /// Whether the config uses it.
    used: bool,
}

/// An item with its labels and what every topic says of it.
struct Judged {
    id: String,
    title: String,
    labels: Vec<TopicId>,
    left_out: Vec<TopicId>,
    explained: Vec<TopicExplanation>,
    words: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when there are no labels, or the config or a file cannot be used.
pub fn run(args: &TuneArgs, context: &Context) -> Result<(), CliError> {
    let mut loaded = context.load()?;
    let rules = super::compiled(&mut loaded, &context.place_name())?;
    let config = loaded.config;
    let values = match &args.labels {
        Some(file) => labelled::read(file)?,
        None => context.read_store()?.labelled()?.iter().map(labels::line).collect(),
    };
    if values.is_empty() {
        return Err(CliError::data("find labelled items")
            .hint("label some with `wirewatch items label ITEM +topic -topic`, or name a file"));
    }
    let topics = chosen(&config, args.topic.as_deref())?;
    let all: Vec<TopicId> = config.topics.iter().map(|topic| topic.id.clone()).collect();
    let bar = output::progress(values.len() as u64, "items");
    let judged: Vec<Judged> = values
        .iter()
        .enumerate()
        .filter_map(|(number, value)| {
            bar.inc(1);
            judge(value, number, &rules, &all)
        })
        .collect();
    bar.finish_and_clear();
    let mut accounts = Vec::with_capacity(topics.len());
    for topic in topics {
        let examples = examples(&judged, topic);
        let mut account = account(topic, &judged, &examples, usize::from(args.folds));
        if args.train && (topic.model_weight.is_some() || args.topic.is_some()) {
            account.trained = Some(learn(topic, &examples, args, &config, context.clock.now())?);
        }
        accounts.push(account);
    }
    if Output::of(args.json) == Output::Json {
        return Ok(output::document(
            &serde_json::json!({ "items": judged.len(), "folds": args.folds, "topics": accounts }),
        )?);
    }
    Ok(print(&accounts, judged.len(), args.folds)?)
}

fn chosen<'a>(config: &'a Config, only: Option<&str>) -> Result<Vec<&'a TopicConfig>, CliError> {
    let topics: Vec<&TopicConfig> =
        config.topics.iter().filter(|topic| only.is_none_or(|only| topic.id.as_str() == only)).collect();
    if topics.is_empty() {
        let names: Vec<&str> = config.topics.iter().map(|topic| topic.id.as_str()).collect();
        return Err(CliError::usage(format!(
            "tune topic {}: the config has none of this name",
            only.unwrap_or_default()
        ))
        .hint(format!("its topics are {}", names.join(", "))));
    }
    Ok(topics)
}

fn judge(value: &Value, number: usize, rules: &Rules, topics: &[TopicId]) -> Option<Judged> {
    let received = labelled::published(value).unwrap_or(labelled::START);
    let raw = labelled::raw(value, number);
    let prepared = prepare(&raw, &labelled::origin(value, received), rules).ok()?;
    let (title, text) = (Tokens::of(&prepared.item.title), Tokens::of(&prepared.item.text));
    Some(Judged {
        id: labelled::text(value, "id").unwrap_or_else(|| format!("line {}", number + 1)),
        title: prepared.item.headline().into_owned(),
        labels: labelled::labels(value),
        left_out: labelled::borderline(value, topics),
        explained: rules.topics.explain(&Document::of(&prepared.item, &title, &text)),
        words: words_of(&title, &text).into_iter().map(str::to_owned).collect(),
    })
}

impl Judged {
    fn explained(&self, topic: &TopicId) -> Option<&TopicExplanation> {
        self.explained.iter().find(|explained| explained.topic == *topic)
    }
}

/// Items that somebody judged for this topic without a doubt.
fn examples(judged: &[Judged], topic: &TopicConfig) -> Vec<Example> {
    let rules: Vec<String> = topic.terms.iter().map(|term| term.id.clone()).collect();
    let certain = judged.iter().filter(|item| !item.left_out.contains(&topic.id));
    certain
        .filter_map(|item| {
            let explained = item.explained(&topic.id)?;
            let about = item.labels.contains(&topic.id);
            Some(Example::of(&item.id, about, explained, &rules, item.words.clone()))
        })
        .collect()
}

fn account(topic: &TopicConfig, judged: &[Judged], examples: &[Example], folds: usize) -> Account {
    let setting = Setting { weights: topic.terms.iter().map(|term| term.weight).collect(), threshold: topic.threshold };
    let mistakes = |about: bool| -> Vec<Mistake> {
        let wrong = examples.iter().filter(|e| e.about == about && setting.matches(e) != about);
        wrong.take(MISTAKES_MAX).filter_map(|e| mistake(judged, &e.id, &topic.id)).collect()
    };
    let suggestion = suggest(examples, &setting, folds);
    let terms = missing_terms(examples, &setting);
    let boost = topic.title_boost.max(topic.lead_boost).max(1.0);
    // One item is an anecdote, not a rule; and labels that speak against it are worth more than those that miss it.
    let fits = |term: &MissingTerm| term.weak > 1 && !contradicted(term, examples, &setting, boost);
    Account {
        topic: topic.id.clone(),
        items: examples.len(),
        about: examples.iter().filter(|e| e.about).count(),
        quality: setting.quality(examples),
        f1_interval: f1_interval(examples, &setting),
        threshold: topic.threshold,
        sweep: sweep(examples, &setting),
        false_alarms: mistakes(false),
        misses: mistakes(true),
        diff: diff(topic, &suggestion, terms.iter().find(|term| fits(term))),
        suggestion,
        terms,
        trained: None,
    }
}

fn mistake(judged: &[Judged], id: &str, topic: &TopicId) -> Option<Mistake> {
    let item = judged.iter().find(|item| item.id == id)?;
    let explained = item.explained(topic)?;
    let mut rules: Vec<_> = explained.rules.iter().collect();
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.points));
    let hits = rules.iter().map(|rule| {
        let text = rule.hits.first().map(|hit| clean::excerpt(&hit.text, 80)).unwrap_or_default();
        format!("{} {}: {text}", rule.points, rule.rule)
    });
    let gates = explained.gates.iter().filter(|gate| !gate.open);
    let gates = gates.map(|gate| format!("closed by {}", clean::excerpt(&gate.query, 60)));
    Some(Mistake {
        id: item.id.clone(),
        title: item.title.clone(),
        score: explained.score,
        evidence: hits.chain(gates).collect(),
    })
}

/// What to change, as people paste it: only what holds for items it was not fitted on, and the likeliest term.
fn diff(topic: &TopicConfig, suggestion: &Suggestion, term: Option<&MissingTerm>) -> String {
    let mut lines = Vec::new();
    if suggestion.holds {
        if let Some(threshold) = suggestion.threshold {
            lines.push(format!("-threshold = {}\n+threshold = {threshold}", topic.threshold));
        }
        for change in &suggestion.weights {
            let id = topic.terms.get(change.rule).map_or("", |term| term.id.as_str());
            lines.push(format!(" [[topics.terms]]\n id = {id:?}\n-weight = {}\n+weight = {}", change.from, change.to));
        }
    }
    if let Some(term) = term {
        let id = term.term.replace(' ', "-");
        let query = if term.term.contains(' ') { format!("\"{}\"", term.term) } else { term.term.clone() };
        lines.push(format!("+[[topics.terms]]\n+id = {id:?}\n+match = '{query}'\n+weight = {}", term.weight));
    }
    if lines.is_empty() {
        return String::new();
    }
    format!(" [[topics]]\n id = {:?}\n{}\n", topic.id.as_str(), lines.join("\n"))
}

fn learn(
    topic: &TopicConfig,
    examples: &[Example],
    args: &TuneArgs,
    config: &Config,
    now: Timestamp,
) -> Result<TrainedLine, CliError> {
    let training = Training { topic: topic.id.clone(), at: now, items: 0, about: 0, f1: 0.0 };
    let trained = train(examples, usize::from(args.folds), &training).ok_or_else(|| {
        CliError::data(format!("train {}: it needs {EXAMPLES_MIN} items about it and {EXAMPLES_MIN} others", topic.id))
            .hint("label more with `wirewatch items label ITEM +topic -topic`")
    })?;
    let path = models::save(&config.daemon.state_dir, &topic.id, &trained.model).map_err(|e| {
        CliError::new(
            super::error::IO,
            format!("write the model of {} below {}: {e}", topic.id, config.daemon.state_dir.display()),
        )
    })?;
    Ok(TrainedLine {
        path: path.display().to_string(),
        items: trained.model.items,
        about: trained.model.about,
        cross_validated: trained.cross_validated,
        used: topic.model_weight.is_some(),
    })
}

fn print(accounts: &[Account], items: usize, folds: u16) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{items} labelled items")?;
    for account in accounts {
        // Nothing is said from no labels: every figure would be 1 or 0 and mean neither.
        if account.about == 0 {
            unlabelled(&mut out, account)?;
            continue;
        }
        let Account { topic, quality: q, f1_interval: (low, high), .. } = account;
        let judged = counted(account.items as u64, "item");
        writeln!(out, "\n{topic}: {judged} judged, {} about it", account.about)?;
        writeln!(
            out,
            "  precision {:.3}, recall {:.3}, F1 {:.3} (in nine of ten resamples {low:.3} to {high:.3})",
            q.precision, q.recall, q.f1
        )?;
        if account.about < FEW {
            writeln!(out, "  fewer than {FEW} items about it: take every figure as a hint")?;
        }
        mistakes(&mut out, "false alarms", &account.false_alarms)?;
        mistakes(&mut out, "missed", &account.misses)?;
        thresholds(&mut out, account)?;
        suggested(&mut out, account, folds)?;
        if let Some(trained) = &account.trained {
            print_trained(&mut out, trained, account)?;
        }
    }
    Ok(())
}

/// A topic that no label is about: only what alarmed without being meant.
fn unlabelled(out: &mut impl Write, account: &Account) -> io::Result<()> {
    if account.false_alarms.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}: no item is labelled as about it; of {} that are not", account.topic, account.items)?;
    mistakes(out, "false alarms", &account.false_alarms)
}

fn mistakes(out: &mut impl Write, name: &str, mistakes: &[Mistake]) -> io::Result<()> {
    if mistakes.is_empty() {
        return Ok(());
    }
    writeln!(out, "  {name}:")?;
    for mistake in mistakes {
        writeln!(
            out,
            "    {:>6}  {}  {}",
            mistake.score,
            clean::excerpt(&mistake.id, 40),
            clean::excerpt(&mistake.title, 90)
        )?;
        for evidence in mistake.evidence.iter().take(3) {
            writeln!(out, "            {evidence}")?;
        }
    }
    Ok(())
}

fn thresholds(out: &mut impl Write, account: &Account) -> io::Result<()> {
    let mut table = Table::new(&["THRESHOLD", "PRECISION", "RECALL", "F1"]);
    for point in &account.sweep {
        let mark = if (point.threshold - account.threshold).abs() < 1e-9 { " <" } else { "" };
        let q = point.quality;
        let shares = [q.precision, q.recall, q.f1].map(|n| format!("{n:.3}"));
        table.row([format!("{}{mark}", point.threshold)].into_iter().chain(shares));
    }
    indented(out, &table)
}

fn suggested(out: &mut impl Write, account: &Account, folds: u16) -> io::Result<()> {
    let s = &account.suggestion;
    let (now, fitted, held) = (s.now.f1, s.fitted.f1, s.cross_validated.f1);
    if s.weights.is_empty() && s.threshold.is_none() {
        writeln!(
            out,
            "  no other weights or threshold tell these items better; fitted within {folds} folds: F1 {held:.3}"
        )?;
    } else if s.holds {
        writeln!(out, "  other weights: F1 {now:.3} now, {held:.3} on items they were not fitted on ({folds} folds)")?;
    } else {
        writeln!(
            out,
            "  other weights fit these items better (F1 {now:.3} to {fitted:.3}), but not items they were not fitted on ({held:.3}): left alone"
        )?;
    }
    if !account.terms.is_empty() {
        writeln!(out, "  words of missed and narrowly found items that others lack:")?;
        let mut table = Table::new(&["TERM", "WEAK", "FOUND", "OTHERS", "LOG ODDS"]);
        for term in &account.terms {
            let counts = [term.weak, term.found, term.others].map(|n| n.to_string());
            table
                .row([format!("    {}", term.term)].into_iter().chain(counts).chain([format!("{:.1}", term.log_odds)]));
        }
        indented(out, &table)?;
    }
    if !account.diff.is_empty() {
        writeln!(out, "  to paste, after a look at what it would change (`wirewatch backtest --topic FILE`):")?;
        for line in account.diff.lines() {
            writeln!(out, "    {}", clean::one_line(line))?;
        }
    }
    Ok(())
}

fn indented(out: &mut impl Write, table: &Table) -> io::Result<()> {
    table.render(output::terminal_width()).lines().try_for_each(|line| writeln!(out, "    {line}"))
}

fn print_trained(out: &mut impl Write, trained: &TrainedLine, account: &Account) -> io::Result<()> {
    let q = trained.cross_validated;
    writeln!(
        out,
        "  learned score: precision {:.3}, recall {:.3}, F1 {:.3} on items it was not trained on",
        q.precision, q.recall, q.f1
    )?;
    writeln!(
        out,
        "    from {}, {} about it; written to {}",
        counted(trained.items as u64, "item"),
        trained.about,
        clean::one_line(&trained.path)
    )?;
    if trained.used {
        writeln!(out, "    in force after `wirewatch reload`")
    } else {
        writeln!(out, "    not used yet: set `model = true` for {}", account.topic)
    }
}

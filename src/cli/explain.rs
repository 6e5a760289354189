//! `explain`: the whole decision for a stored item, a file or standard input: the rules that hit and what
//! they brought, the gates, the sum, the stories it was held against, and whether it would alert.

mod story;

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use clap::Args;
use serde_json::Value;

use super::output::{self, Output};
use super::{CliError, Context, ids, labelled};
use crate::app::compile;
use crate::config::{Config, TestCase};
use crate::model::{Field, Origin, RawItem, SourceKind, Timestamp, TopicId};
use crate::pipeline::classify::{GateKind, RuleExplanation, TopicExplanation};
use crate::pipeline::{Rules, prepare};
use crate::source::parser::Parser;
use crate::source::seed::parse_file;
use crate::store::{Access, StoreError};
use crate::text::{clean, counted};
use crate::view::{ExplainError, ItemExplained, RecalledStories, explain};

/// Explains the decision for an item of the store, a file, or standard input.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// An item's id (`itm_…`, or the beginning of it), a file (also of `eval alerts --posts`), or `-`.
    #[arg(required_unless_present = "test")]
    what: Option<String>,
    /// One of the config's [[tests]], by the start of its title or a part of it.
    #[arg(long, value_name = "TITLE", conflicts_with = "what")]
    test: Option<String>,
    /// Only this topic.
    #[arg(long)]
    topic: Option<String>,
    /// Print JSON Lines, one per item.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] when the item or file cannot be found or read, or the config's rules are wrong.
pub fn run(args: &ExplainArgs, context: &Context) -> Result<(), CliError> {
    let mut loaded = context.load()?;
    let rules = super::compiled(&mut loaded, &context.place_name())?;
    let config = loaded.config;
    let what = args.what.as_deref().unwrap_or_default();
    let explained = match &args.test {
        Some(title) => vec![of_test(title, &loaded.tests, &rules)?],
        None if ids::is_item(what) => vec![stored(what, &rules, &config, context)?],
        None => file(Path::new(what), &rules, &config, context)?,
    };
    let keep = |topic: &TopicExplanation| args.topic.as_deref().is_none_or(|only| topic.topic.as_str() == only);
    let explained: Vec<ItemExplained> = explained
        .into_iter()
        .map(|mut one| {
            one.topics.retain(keep);
            one.endpoints.retain(|hearing| args.topic.as_deref().is_none_or(|only| hearing.topic == only));
            one
        })
        .collect();
    if Output::of(args.json) == Output::Json {
        return Ok(output::lines(&explained)?);
    }
    let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    for one in &explained {
        print(one, colour)?;
    }
    Ok(())
}

fn stored(what: &str, rules: &Rules, config: &Config, context: &Context) -> Result<ItemExplained, CliError> {
    let store = context.read_store()?;
    let id = ids::item(&store, what)?;
    match ItemExplained::of_stored(id, &store, rules, config) {
        Ok(Some(explained)) => Ok(explained),
        Ok(None) => Err(CliError::data(format!("find {id}: no such item"))),
        Err(ExplainError::Store(error)) => Err(error.into()),
        Err(error) => Err(CliError::data(error.to_string())),
    }
}

/// One of the config's `[[tests]]`.
fn of_test(title: &str, tests: &[TestCase], rules: &Rules) -> Result<ItemExplained, CliError> {
    let wanted = title.to_lowercase();
    let name = |test: &TestCase| if test.title.trim().is_empty() { test.text.clone() } else { test.title.clone() };
    let starts = tests.iter().find(|test| name(test).to_lowercase().starts_with(&wanted));
    let test = starts.or_else(|| tests.iter().find(|test| name(test).to_lowercase().contains(&wanted)));
    let test = test.ok_or_else(|| {
        CliError::usage(format!(
            "explain test \"{}\": no [[tests]] entry has this in its title",
            clean::one_line(title)
        ))
        .hint(format!("the config has {}; name the start of one's title", counted(tests.len() as u64, "test")))
    })?;
    let prepared = compile::item_of(rules, test)
        .ok_or_else(|| CliError::data(format!("read test \"{}\": it has nothing to match", clean::one_line(title))))?;
    let topics = explain(&prepared.item, rules);
    let matched = topics.iter().filter(|topic| topic.matched).map(|topic| topic.topic.clone()).collect();
    let (missing, surplus) = test.wrong(&matched);
    let list = |topics: &[TopicId]| topics.iter().map(TopicId::as_str).collect::<Vec<_>>().join(", ");
    let verdict = match (missing.is_empty(), surplus.is_empty()) {
        (true, true) => "the test holds".to_owned(),
        (false, true) => format!("the test fails: it does not match {}", list(&missing)),
        (true, false) => format!("the test fails: it also matches {}", list(&surplus)),
        (false, false) => format!("the test fails: it does not match {}, but {}", list(&missing), list(&surplus)),
    };
    let item = prepared.item;
    let title = item.headline().into_owned();
    Ok(ItemExplained { id: item.id, title, topics, endpoints: Vec::new(), stored: None, story: None, verdict, item })
}

fn file(path: &Path, rules: &Rules, config: &Config, context: &Context) -> Result<Vec<ItemExplained>, CliError> {
    let input = super::input::InputFile::of(path)?;
    let path = &input.path;
    let now = context.clock.now();
    // Without a store there is no story to be held against.
    let mut memory = match config.open_store(Access::Read) {
        Err(StoreError::Missing { .. }) => None,
        store => Some(RecalledStories::of(&store?, config, now)?),
    };
    let items = match posted(path) {
        Some(articles) => articles,
        None => parsed(path, config, now)?,
    };
    let origin = Origin { source: config.seeds.id.clone(), kind: SourceKind::Seed, received: now };
    let mut explained = Vec::new();
    for raw in &items {
        match prepare(raw, &origin, rules) {
            Err(rejection) => errln!("note: {} ({})", clean::one_line(&rejection.detail), rejection.reason),
            Ok(prepared) => explained.push(ItemExplained::of_prepared(prepared, memory.as_mut(), rules, now)?),
        }
    }
    Ok(explained)
}

/// What a file of any kind holds.
fn parsed(path: &Path, config: &Config, now: Timestamp) -> Result<Vec<RawItem>, CliError> {
    let runtime = super::run::runtime(config)?;
    let read = runtime.block_on(parse_file(path, now, &config.limits, &config.seeds.mail, &Parser::new(1)));
    let (document, _) = read.map_err(|rejection| {
        CliError::data(format!("read {}: {} ({})", path.display(), rejection.detail, rejection.reason))
    })?;
    Ok(document.items)
}

/// The articles of what `eval alerts --posts` wrote; `None` for any other file.
fn posted(path: &Path) -> Option<Vec<RawItem>> {
    let is_post = |line: &Value| line["article"].is_object() && line["verdict"].is_string();
    labelled::lines(path).ok()?.next()?.ok().filter(is_post)?;
    let articles = labelled::lines(path).ok()?.enumerate().map(|(number, line)| {
        let line = line.ok().filter(is_post)?;
        Some(labelled::raw(&line["article"], number))
    });
    articles.collect()
}

fn print(one: &ItemExplained, colour: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", clean::one_line(&one.title))?;
    if let Some(stored) = &one.stored {
        writeln!(out, "  {} in {}", one.id, stored.story)?;
    }
    for topic in &one.topics {
        let mark = if topic.matched { "✓" } else { "✗" };
        writeln!(out, "\n{mark} {}: {} of {} points, {}", topic.topic, topic.score, topic.threshold, topic.severity)?;
        for rule in &topic.rules {
            let points = rule.points.to_string();
            writeln!(out, "  {points:>7}  {}  {}", rule.rule, factors(rule))?;
            for hit in rule.hits.iter().take(3) {
                writeln!(out, "           {} “{}”", field(hit.field), clean::excerpt(&hit.text, 100))?;
            }
        }
        for gate in topic.gates.iter().filter(|gate| !gate.open) {
            writeln!(out, "  closed   {} {}", gate_name(gate.kind), clean::excerpt(&gate.query, 100))?;
        }
        for hearing in one.endpoints.iter().filter(|hearing| hearing.topic == topic.topic.as_str()) {
            match &hearing.because {
                None => writeln!(out, "  taken by {}", hearing.endpoint)?,
                Some(because) if hearing.by_filter => {
                    writeln!(out, "  not by   {}, by its {because}", hearing.endpoint)?;
                }
                Some(because) => writeln!(out, "  not by   {}: {because}", hearing.endpoint)?,
            }
        }
    }
    if let Some(story) = &one.story {
        story::print(&mut out, story)?;
    }
    writeln!(out, "\n{}", one.verdict)?;
    for told in one.stored.iter().flat_map(|stored| &stored.deliveries) {
        writeln!(out, "  {}: {}", told.endpoint, clean::one_line(&told.state))?;
    }
    if colour {
        writeln!(out)?;
        marked(&mut out, one)?;
    }
    writeln!(out)
}

/// How the points of a rule come about.
fn factors(rule: &RuleExplanation) -> String {
    if rule.telling.is_empty() {
        return format!("{} × {:.2} place × {:.2} repeats", rule.weight, rule.place, rule.repeat);
    }
    let words =
        rule.telling.iter().map(|telling| format!("{} {:+.1}", clean::excerpt(&telling.word, 40), telling.weight));
    format!("{} × {:.2} sure, by {}", rule.weight, rule.place, words.collect::<Vec<_>>().join(", "))
}

/// The text with the hits of matching topics marked.
fn marked(out: &mut impl Write, one: &ItemExplained) -> io::Result<()> {
    let mut spans: Vec<(usize, usize)> = one
        .topics
        .iter()
        .filter(|topic| topic.matched)
        .flat_map(|topic| &topic.rules)
        .flat_map(|rule| &rule.hits)
        .filter(|hit| hit.field == Field::Body)
        .map(|hit| (hit.start, hit.end))
        .collect();
    spans.sort_unstable();
    let text = &one.item.text;
    let mut at = 0;
    for (start, end) in spans {
        let (start, end) = (start.max(at), end.max(at));
        let (Some(before), Some(hit)) = (text.get(at..start), text.get(start..end)) else { continue };
        write!(out, "{}\u{1b}[1;33m{}\u{1b}[0m", paragraphs(before), paragraphs(hit))?;
        at = end;
    }
    writeln!(out, "{}", paragraphs(text.get(at..).unwrap_or_default()))
}

/// Paragraph breaks stay; everything else that is harmful goes.
fn paragraphs(text: &str) -> String {
    text.chars().map(|c| if c == '\n' || !clean::is_harmful(c) { c } else { ' ' }).collect()
}

fn field(field: Field) -> &'static str {
    match field {
        Field::Title => "title",
        Field::Body => "body ",
        Field::Url => "url  ",
        Field::Tag => "tag  ",
        Field::Source => "source",
        Field::Lang => "lang ",
    }
}

fn gate_name(kind: GateKind) -> &'static str {
    match kind {
        GateKind::Require => "nothing hits the required",
        GateKind::Exclude => "excluded by",
        GateKind::Language => "language is not among",
        GateKind::Source => "source is not among",
    }
}

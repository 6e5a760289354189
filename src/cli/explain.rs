//! `explain`: the whole decision for a stored item, a file or standard input: the rules that hit and what
//! they brought, the gates, the sum, the stories it was held against, and whether it would alert.

mod story;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use self::story::StoryExplained;
use super::output::{self, Output};
use super::{CliError, Context, ids};
use crate::app::compile;
use crate::config::{Config, TestCase};
use crate::model::{Field, Item, ItemId, Origin, RawItem, RawText, SourceId, SourceKind, TopicId};
use crate::pipeline::alert::{Offer, Refusal, Route};
use crate::pipeline::classify::{Document, GateKind, RuleExplanation, TopicExplanation};
use crate::pipeline::{Rules, prepare};
use crate::source::parser::Parser;
use crate::source::seed::parse_file;
use crate::store::outbox::{self, DeliveryFilter};
use crate::store::{ItemRecord, Store};
use crate::text::tokens::Tokens;
use crate::text::{clean, counted};

/// Deliveries of one alert that are listed.
const DELIVERIES_MAX: usize = 100;

/// Explains the decision for an item of the store, a file, or standard input.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// An item's id (`itm_…`, or the beginning of it), a file, or `-`.
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

#[derive(Serialize)]
struct Explained {
    id: ItemId,
    title: String,
    topics: Vec<TopicExplanation>,
    /// For each topic that matches, who hears of it.
    endpoints: Vec<Hearing>,
    stored: Option<Stored>,
    story: Option<StoryExplained>,
    verdict: String,
    #[serde(skip)]
    item: Item,
}

/// Whether an endpoint takes what an item and a topic make.
#[derive(Serialize)]
struct Hearing {
    endpoint: String,
    topic: String,
    takes: bool,
    /// The key of the endpoint that keeps it away, and what it sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
}

/// What the store knows of it.
#[derive(Serialize)]
struct Stored {
    story: String,
    quiet: bool,
    alerts: Vec<String>,
    /// What became of them.
    deliveries: Vec<Told>,
}

/// A delivery of an alert of the item.
#[derive(Serialize)]
struct Told {
    endpoint: String,
    /// `delivered`, or why not.
    state: String,
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
    let explained: Vec<Explained> = explained
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

/// Why a comment is not told.
const COMMENTARY: &str =
    "no alert of its own: its headline or link says that it comments or explains ([alerts] commentary = \"off\")";

fn stored(what: &str, rules: &Rules, config: &Config, context: &Context) -> Result<Explained, CliError> {
    let store = context.read_store()?;
    let id = ids::item(&store, what)?;
    let record = store.item(id)?.ok_or_else(|| CliError::data(format!("find {id}: no such item")))?;
    let alerts = store.alerts_of_item(record.line.id)?;
    let quiet = record.quiet;
    let story = record.line.story.to_string();
    let item = item_of(record)?;
    let topics = explain(&item, rules);
    let matched = topics.iter().any(|t| t.matched);
    let endpoints = hearings(&item, &topics, rules);
    let verdict = match (matched, alerts.is_empty(), quiet) {
        (_, false, _) => alerted(&alerts),
        (false, ..) => "no alert: no topic reaches its threshold".to_owned(),
        (true, true, true) => {
            "no alert: part of its feed's first-poll baseline (set `backfill` to change that)".to_owned()
        }
        (true, true, false) if rules.leaves_to_reports(&item) => COMMENTARY.to_owned(),
        (true, true, false) => {
            "no alert of its own: its story was alerted on these topics before, or the rules changed since".to_owned()
        }
    };
    let alerts: Vec<String> = alerts.into_iter().map(|(id, _)| id).collect();
    let deliveries = told(&alerts, &store)?;
    let stored = Some(Stored { story, quiet, alerts, deliveries });
    let near = story::of_stored(id, &store, config)?;
    Ok(Explained { id, title: item.headline().into_owned(), topics, endpoints, stored, story: near, verdict, item })
}

/// Who was told, or is still to be.
fn told(alerts: &[String], store: &Store) -> Result<Vec<Told>, CliError> {
    let mut told = Vec::new();
    for alert in alerts {
        let Some(alert) = store.alert(alert)? else { continue };
        let filter = DeliveryFilter {
            alert: Some(alert.sequence.cast_signed()),
            rows_max: DELIVERIES_MAX,
            ..DeliveryFilter::default()
        };
        for row in store.read("list deliveries", |c| outbox::list(c, &filter))? {
            let state = match (&row.state, &row.hold, row.folded_into) {
                (_, Some(hold), _) => format!("pending, held for its {hold}"),
                (_, None, Some(into)) => format!("sent within {into}"),
                (state, None, None) => state.to_string(),
            };
            told.push(Told { endpoint: row.endpoint, state });
        }
    }
    Ok(told)
}

/// One of the config's `[[tests]]`.
fn of_test(title: &str, tests: &[TestCase], rules: &Rules) -> Result<Explained, CliError> {
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
    Ok(Explained { id: item.id, title, topics, endpoints: Vec::new(), stored: None, story: None, verdict, item })
}

/// Alerts by whether anybody was to hear of them.
fn alerted(alerts: &[(String, Option<String>)]) -> String {
    let one = |(id, silenced_by): &(String, Option<String>)| match silenced_by {
        Some(silence) => format!("{id} (told nobody: silenced by {silence})"),
        None => id.clone(),
    };
    format!("alerted: {}", alerts.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// The stored text, read as it was when it came.
fn item_of(record: ItemRecord) -> Result<Item, CliError> {
    let source = SourceId::new(&record.line.source).map_err(|e| CliError::data(e.to_string()))?;
    let origin = Origin { source, kind: SourceKind::Seed, received: record.line.first_seen };
    let mut raw = RawItem::new(crate::model::ItemKey::new(&record.key));
    raw.title = Some(RawText::plain(record.title));
    raw.url = record.line.url;
    raw.lang = record.line.lang;
    raw.content = Some(RawText::plain(record.text));
    crate::pipeline::normalize::normalize(&raw, &origin, &crate::pipeline::normalize::NormalizeRules::default())
        .map(|normalized| normalized.item)
        .map_err(|rejection| CliError::data(format!("read the stored item: {}", rejection.detail)))
}

fn file(path: &Path, rules: &Rules, config: &Config, context: &Context) -> Result<Vec<Explained>, CliError> {
    let path: PathBuf = super::ingest::stdin_to_file(path)?;
    let runtime = super::run::runtime(config)?;
    let now = context.clock.now();
    let (document, _) =
        runtime.block_on(parse_file(&path, now, &config.limits, &Parser::new(1))).map_err(|rejection| {
            CliError::data(format!("read {}: {} ({})", path.display(), rejection.detail, rejection.reason))
        })?;
    let origin = Origin { source: config.seeds.id.clone(), kind: SourceKind::Seed, received: now };
    let mut explained = Vec::new();
    let mut memory = story::Recalled::of(config, context)?;
    for raw in &document.items {
        match prepare(raw, &origin, rules) {
            Err(rejection) => errln!("note: {} ({})", clean::one_line(&rejection.detail), rejection.reason),
            Ok(prepared) => {
                let topics = explain(&prepared.item, rules);
                let endpoints = hearings(&prepared.item, &topics, rules);
                let heard = endpoints.is_empty() || endpoints.iter().any(|hearing| hearing.takes);
                let verdict = match (topics.iter().any(|t| t.matched), heard) {
                    (true, _) if rules.leaves_to_reports(&prepared.item) => COMMENTARY,
                    (true, true) => "would alert, unless its story was alerted on these topics before",
                    (true, false) => "would be stored as an alert, but no endpoint takes it",
                    (false, _) => "would not alert: no topic reaches its threshold",
                };
                let near = memory.as_mut().map(|memory| memory.consider(&prepared, now)).transpose()?;
                let (item, verdict) = (prepared.item, verdict.to_owned());
                let (id, title) = (item.id, item.headline().into_owned());
                explained.push(Explained { id, title, topics, endpoints, stored: None, story: near, verdict, item });
            }
        }
    }
    Ok(explained)
}

fn explain(item: &Item, rules: &Rules) -> Vec<TopicExplanation> {
    let (title, text) = (Tokens::of(&item.title), Tokens::of(&item.text));
    rules.topics.explain(&Document::of(item, &title, &text))
}

/// Who takes an alert on each topic that matches, and what keeps it from the others.
fn hearings(item: &Item, topics: &[TopicExplanation], rules: &Rules) -> Vec<Hearing> {
    let heard = |topic: &TopicExplanation, route: &Route| {
        let (severity, score) = (topic.severity, topic.score);
        let offer = Offer { topic: &topic.topic, source: &item.source, lang: item.lang, severity, score };
        let because = route.refusal(&offer).map(|refusal| match refusal {
            Refusal::Topic => "topics: not among them".to_owned(),
            Refusal::Source => format!("sources: {} is not among them", item.source),
            Refusal::Language => match item.lang {
                Some(lang) => format!("languages: {lang} is not among them"),
                None => "languages: that of the item is unknown".to_owned(),
            },
            Refusal::Severity => format!("severity_min: {} is above {severity}", route.severity_min),
            Refusal::Score => format!("score_min: {} is above {score}", route.score_min),
        });
        let (endpoint, topic) = (route.endpoint.as_str().to_owned(), topic.topic.as_str().to_owned());
        Hearing { endpoint, topic, takes: because.is_none(), because }
    };
    let matching = topics.iter().filter(|topic| topic.matched);
    matching.flat_map(|topic| rules.alert.routes.iter().map(move |route| heard(topic, route))).collect()
}

fn print(one: &Explained, colour: bool) -> io::Result<()> {
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
                Some(because) => writeln!(out, "  not by   {}, by its {because}", hearing.endpoint)?,
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
fn marked(out: &mut impl Write, one: &Explained) -> io::Result<()> {
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

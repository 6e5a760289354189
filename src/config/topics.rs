//! `[[topics]]` and `[[aliases]]`: what rules are written with, and where each query stands, so that a
//! compiler's complaint finds its way back. The queries themselves are compiled by `classify`.

use std::collections::{BTreeSet, HashMap};

use super::entries::{Names, SEVERITIES, Unique};
use super::found::{Fault, Found};
use super::problem::{Place, Problem, ProblemKind};
use super::reader::Reader;
use super::section::Section;
use crate::model::{Lang, Severity, SourceId, TopicId};
use crate::pipeline::classify::{AliasConfig, AliasForm, TermConfig, TopicConfig};

/// Which query of the config: the way from a compiler's complaint to its place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum QueryKey {
    /// The topic itself.
    Topic(TopicId),
    /// The term of a topic, by its id.
    Term(TopicId, String),
    /// A topic's `require`, by position.
    Require(TopicId, usize),
    /// A topic's `exclude`, by position.
    Exclude(TopicId, usize),
    /// A form of an alias, by position.
    Alias(String, usize),
}

/// Where each query stands.
pub(super) type QueryPlaces = HashMap<QueryKey, Place>;

/// Reads the topics and adds the names of all of them, those that are off too, to `names`.
pub(super) fn topics(reader: &Reader<'_>, names: &mut Names, places: &mut QueryPlaces) -> Vec<TopicConfig> {
    let defaults = reader.defaults("topic");
    let _ = topic_settings(&defaults, names);
    let mut ids = Unique::new("topic");
    let mut out = Vec::new();
    for s in reader.entries("topics", Some(&defaults)) {
        let id = s.required("id", |found| found.id(TopicId::new));
        let label = s.get("label", |found| found.text().map(str::to_owned));
        let enabled = s.flag("enabled");
        let settings = topic_settings(&s, names);
        // Read even where the id is bad: all problems at once.
        let named = id.clone().unwrap_or_else(|| TopicId::new("unnamed").expect("invariant: a valid name"));
        let mut own_places = QueryPlaces::new();
        let topic = TopicConfig {
            label: label.unwrap_or_else(|| named.as_str().to_owned()),
            terms: terms(&s, &named, settings.term_weight, &mut own_places),
            require: queries(&s, "require", |at| QueryKey::Require(named.clone(), at), &mut own_places),
            exclude: queries(&s, "exclude", |at| QueryKey::Exclude(named.clone(), at), &mut own_places),
            severity_bands: severity_bands(&s),
            severity: settings.severity,
            threshold: settings.threshold,
            title_boost: settings.title_boost,
            lead_boost: settings.lead_boost,
            repeat_bonus: settings.repeat_bonus,
            languages: settings.languages,
            sources: settings.sources,
            model_weight: settings.model.then_some(settings.model_weight),
            id: named,
        };
        names.topics.extend(id.clone());
        if let Some(id) = id
            && ids.take(&s, "id", id)
            && enabled
        {
            places.extend(own_places);
            places.insert(QueryKey::Topic(topic.id.clone()), s.place.clone());
            names.enabled.insert(topic.id.clone(), s.place.file);
            out.push(topic);
        }
        s.finish();
    }
    defaults.finish();
    out
}

/// What a topic can have from `[defaults.topic]`.
struct TopicSettings {
    severity: Severity,
    threshold: f64,
    title_boost: f64,
    lead_boost: f64,
    repeat_bonus: f64,
    term_weight: f64,
    languages: Vec<Lang>,
    sources: Vec<SourceId>,
    model: bool,
    model_weight: f64,
}

fn topic_settings(s: &Section<'_>, names: &Names) -> TopicSettings {
    s.flag("enabled");
    TopicSettings {
        severity: s.choice("severity", &SEVERITIES),
        threshold: s.number("threshold", 0.01..=1e6),
        title_boost: s.number("title_boost", 0.0..=100.0),
        lead_boost: s.number("lead_boost", 0.0..=100.0),
        repeat_bonus: s.number("repeat_bonus", 0.0..=10.0),
        term_weight: s.number("term_weight", -1e6..=1e6),
        languages: s.list("languages", Found::lang),
        sources: s.list("sources", |found| names.source(s, found)),
        model: s.flag("model"),
        model_weight: s.number("model_weight", 0.01..=1e6),
    }
}

fn terms(s: &Section<'_>, topic: &TopicId, weight_default: f64, places: &mut QueryPlaces) -> Vec<TermConfig> {
    let sections = s.tables("terms");
    if sections.is_empty() && s.written("terms").is_none() {
        let problem = Problem::new(ProblemKind::Missing, format!("topic `{topic}` has no `terms`"))
            .at(s.place.clone(), "it can never match")
            .key(format!("{}.terms", s.path))
            .hint("terms = [{ match = \"word\", weight = 5.0 }]");
        s.reader.problem(problem);
    }
    let mut ids = Unique::new("term");
    let mut used = BTreeSet::new();
    let mut out = Vec::new();
    for term in sections {
        let query = term.required("match", query);
        let id = term.get("id", |found| found.text().map(str::to_owned));
        let weight = term.get("weight", |found| found.number(&(-1e6..=1e6))).unwrap_or(weight_default);
        let severity = term.get("severity", |found| found.choice(&SEVERITIES));
        let unique = id.as_ref().is_none_or(|id| ids.take(&term, "id", id.clone()));
        if let Some((query, place)) = query.filter(|_| unique) {
            let id = id.unwrap_or_else(|| generated_id(&query, &used));
            used.insert(id.clone());
            places.insert(QueryKey::Term(topic.clone(), id.clone()), place);
            out.push(TermConfig { id, query, weight, severity });
        }
        term.finish();
    }
    out
}

fn query(found: &Found<'_>) -> Result<(String, Place), Fault> {
    match found.text()? {
        text if text.trim().is_empty() => Err(Fault::new(ProblemKind::Value, "must be a query", "it is empty")),
        text => Ok((text.to_owned(), found.place.clone())),
    }
}

fn queries(
    s: &Section<'_>,
    key: &'static str,
    at: impl Fn(usize) -> QueryKey,
    places: &mut QueryPlaces,
) -> Vec<String> {
    let read = s.list_or_empty(key, query);
    read.into_iter()
        .enumerate()
        .map(|(position, (query, place))| {
            places.insert(at(position), place);
            query
        })
        .collect()
}

/// A term's name where none is written: its words, so that evidence stays readable.
fn generated_id(query: &str, used: &BTreeSet<String>) -> String {
    const CHARS_MAX: usize = 40;
    let mut id = String::new();
    for c in query.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            id.push(c);
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
        if id.chars().count() >= CHARS_MAX {
            break;
        }
    }
    let id = id.trim_end_matches('-');
    let id = if id.is_empty() { "term" } else { id };
    if !used.contains(id) {
        return id.to_owned();
    }
    // One of so many numbers is free, there being fewer ids in use.
    let numbered = (2..=used.len() + 2).map(|n| format!("{id}-{n}")).find(|id| !used.contains(id));
    numbered.unwrap_or_else(|| id.to_owned())
}

fn severity_bands(s: &Section<'_>) -> Vec<(f64, Severity)> {
    let mut out = Vec::new();
    for band in s.tables("severity_bands") {
        let score = band.required("score", |found| found.number(&(0.01..=1e6)));
        let severity = band.required("severity", |found| found.choice(&SEVERITIES));
        out.extend(score.zip(severity));
        band.finish();
    }
    out.sort_by(|a, b| a.0.total_cmp(&b.0));
    out
}

pub(super) fn aliases(reader: &Reader<'_>, places: &mut QueryPlaces) -> Vec<AliasConfig> {
    let mut names = Unique::new("alias");
    let mut out = Vec::new();
    for s in reader.entries("aliases", None) {
        let name = s.required("name", |found| found.id(SourceId::new).map(|name| name.as_str().to_owned()));
        let named = name.clone().unwrap_or_default();
        let mut own_places = QueryPlaces::new();
        let mut forms = Vec::new();
        let mut languages = Vec::new();
        for key in std::iter::once("forms").chain(s.language_keys()) {
            let lang = Lang::from_tag(key).filter(|_| key != "forms");
            languages.extend(lang);
            for (text, place) in s.list_or_empty(key, query) {
                own_places.insert(QueryKey::Alias(named.clone(), forms.len()), place);
                forms.push(AliasForm { text, lang });
            }
        }
        if forms.is_empty() {
            let problem = Problem::new(ProblemKind::Missing, "`forms` is missing or empty")
                .at(s.place.clone(), "stands for nothing")
                .key(format!("{}.forms", s.path))
                .hint("write `forms = [\"word\"]`, or a list per language: `en = [\"word\"]`");
            s.reader.problem(problem);
        }
        if let Some(name) = name
            && names.take(&s, "name", name.clone())
        {
            places.extend(own_places);
            out.push(AliasConfig { name, forms, languages });
        }
        s.finish();
    }
    out
}

//! From a checked config to the rules of the pipeline, and from a rule's problem back to its place in
//! the config.

use std::collections::BTreeSet;

use super::models;
use crate::config::{Config, QueryKey, QueryProblem, Severity as ProblemSeverity, SilenceConfig, TestCase};
use crate::model::{ItemKey, Origin, RawItem, RawText, SourceId, SourceKind, Timestamp, TopicId};
use crate::pipeline::alert::{AlertRules, Route, Silence};
use crate::pipeline::classify::{RulePlace, RuleProblem, TopicConfig, TopicSet};
use crate::pipeline::facts::KnownNames;
use crate::pipeline::{Rules, prepare};

/// Compiles everything the pipeline needs.
///
/// # Errors
/// Every problem of every query.
pub fn rules(config: &Config) -> Result<Rules, Vec<QueryProblem>> {
    Ok(Rules {
        normalize: config.normalize.clone(),
        topics: topics(config)?,
        names: KnownNames::of(&config.aliases),
        alert: AlertRules {
            health: config.alerts.health,
            growth_steps: config.alerts.growth.iter().map(|&step| step as u64).collect(),
            routes: routes(config),
            silences: config.silences.iter().map(silence).collect(),
            labels: config.topics.iter().map(|t| (t.id.clone(), t.label.clone())).collect(),
        },
    })
}

/// A function that runs one of the config's `[[tests]]` through `prepare`, and what looks wrong with the rules.
pub type TestRunner = (Box<dyn Fn(&TestCase) -> BTreeSet<TopicId>>, Vec<QueryProblem>);

/// Compiles the rules for `check`.
///
/// # Errors
/// Every problem of every query.
pub fn test_runner(config: &Config) -> Result<TestRunner, Vec<QueryProblem>> {
    let rules = rules(config)?;
    let warnings = warnings(&rules, config);
    Ok((Box::new(move |test: &TestCase| matched(&rules, test)), warnings))
}

/// Rules that compile and still look wrong: never or always matching, said twice, or dear.
#[must_use]
pub fn warnings(rules: &Rules, config: &Config) -> Vec<QueryProblem> {
    let untrained = config.topics.iter().filter(|topic| rules.topics.lacks_model(&topic.id)).map(|topic| {
        let path = models::path(&config.daemon.state_dir, &topic.id);
        let what = format!("topic `{}` has no model at {}: its rules alone count", topic.id, path.display());
        model_problem(topic, ProblemSeverity::Warning, what)
    });
    let lints = rules.topics.lint().into_iter();
    let lints = lints.map(|lint| QueryProblem {
        severity: ProblemSeverity::Warning,
        inside: 0..written(&lint.place, config).map_or(0, str::len),
        query: key(lint.place, &config.topics),
        what: of_rule(lint.rule.as_deref(), lint.message),
        why: lint.kind.as_str().to_owned(),
        hint: lint.hint,
    });
    untrained.chain(lints).collect()
}

/// The topics that match one of the config's `[[tests]]`.
pub(super) fn matched(rules: &Rules, test: &TestCase) -> BTreeSet<TopicId> {
    let source = test.source.clone().unwrap_or_else(|| SourceId::new("test").expect("invariant: a valid name"));
    let origin = Origin { source, kind: SourceKind::Seed, received: Timestamp::default() };
    let mut raw = RawItem::new(ItemKey::new("test"));
    raw.title = Some(RawText::plain(test.title.clone()));
    raw.content = Some(RawText::plain(test.text.clone()));
    raw.lang = test.lang.map(|lang| lang.to_string());
    prepare(&raw, &origin, rules).map(|p| p.matches.into_iter().map(|m| m.topic).collect()).unwrap_or_default()
}

fn topics(config: &Config) -> Result<TopicSet, Vec<QueryProblem>> {
    let mut set = TopicSet::compile(&config.topics, &config.aliases)
        .map_err(|problems| problems.into_iter().map(|problem| located(problem, &config.topics)).collect::<Vec<_>>())?;
    let mut broken = Vec::new();
    for topic in config.topics.iter().filter(|topic| topic.model_weight.is_some()) {
        match models::load(&config.daemon.state_dir, &topic.id) {
            Ok(Some(model)) => set.set_model(&topic.id, model),
            // A warning: the state directory may be new, and the rules do without.
            Ok(None) => {}
            Err(error) => broken.push(model_problem(topic, ProblemSeverity::Error, error.to_string())),
        }
    }
    if broken.is_empty() { Ok(set) } else { Err(broken) }
}

fn model_problem(topic: &TopicConfig, severity: ProblemSeverity, what: String) -> QueryProblem {
    QueryProblem {
        severity,
        query: QueryKey::Topic(topic.id.clone()),
        inside: 0..0,
        what,
        why: "wants a learned score".to_owned(),
        hint: Some(format!("train it with `wirewatch tune --topic {} --train`, or take `model` out", topic.id)),
    }
}

fn located(problem: RuleProblem, topics: &[TopicConfig]) -> QueryProblem {
    QueryProblem {
        severity: ProblemSeverity::Error,
        query: key(problem.place, topics),
        inside: problem.span,
        what: of_rule(problem.rule.as_deref(), problem.message),
        why: String::new(),
        hint: problem.hint,
    }
}

/// Says whose fault it is: many rules may stand in one line.
fn of_rule(rule: Option<&str>, message: String) -> String {
    match rule {
        Some(rule) => format!("rule `{rule}`: {message}"),
        None => message,
    }
}

/// A rule is known to the compiler by its position, to the config by its id.
fn key(place: RulePlace, topics: &[TopicConfig]) -> QueryKey {
    let term_id = |topic: &TopicId, index: usize| {
        let terms = topics.iter().find(|t| t.id == *topic).map(|t| &t.terms);
        terms.and_then(|terms| terms.get(index)).map(|term| term.id.clone()).unwrap_or_default()
    };
    match place {
        RulePlace::Term { topic, index } => {
            let term = term_id(&topic, index);
            QueryKey::Term(topic, term)
        }
        RulePlace::Require { topic, index } => QueryKey::Require(topic, index),
        RulePlace::Exclude { topic, index } => QueryKey::Exclude(topic, index),
        RulePlace::Alias { name, index } => QueryKey::Alias(name, index),
        RulePlace::Topic { topic } => QueryKey::Topic(topic),
    }
}

/// The query at a place, as it was compiled.
fn written<'a>(place: &RulePlace, config: &'a Config) -> Option<&'a str> {
    let topic = |id: &TopicId| config.topics.iter().find(|topic| topic.id == *id);
    match place {
        RulePlace::Term { topic: id, index } => topic(id)?.terms.get(*index).map(|term| term.query.as_str()),
        RulePlace::Require { topic: id, index } => topic(id)?.require.get(*index).map(String::as_str),
        RulePlace::Exclude { topic: id, index } => topic(id)?.exclude.get(*index).map(String::as_str),
        RulePlace::Alias { .. } | RulePlace::Topic { .. } => None,
    }
}

fn silence(silence: &SilenceConfig) -> Silence {
    Silence {
        id: silence.id.clone(),
        topics: silence.topics.clone(),
        sources: silence.sources.clone(),
        story: silence.story,
        text: silence.text.clone(),
        starts: silence.starts,
        ends: silence.ends,
    }
}

fn routes(config: &Config) -> Vec<Route> {
    let enabled = config.endpoints.iter().filter(|endpoint| endpoint.enabled);
    enabled
        .map(|endpoint| Route {
            endpoint: endpoint.id.clone(),
            format: endpoint.wire_format(),
            topics: endpoint.topics.clone(),
            sources: endpoint.sources.clone(),
            languages: endpoint.languages.clone(),
            severity_min: endpoint.severity_min,
            score_min: endpoint.score_min,
            source_alerts: endpoint.source_alerts,
            timing: endpoint.timing.clone(),
        })
        .collect()
}

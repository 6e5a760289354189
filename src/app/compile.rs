//! From a checked config to the rules of the pipeline, and from a rule's problem back to its place in
//! the config.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::models;
use crate::config::{
    Config, QueryKey, QueryProblem, Severity as ProblemSeverity, SilenceConfig, TestCase, TestRun, is_language,
};
use crate::deliver::EndpointConfig;
use crate::model::{ItemKey, Origin, RawItem, RawText, SourceId, SourceKind, Timestamp, TopicId};
use crate::pipeline::alert::{AlertRules, Route, Silence};
use crate::pipeline::classify::query::{self, Clause, SourcePattern};
use crate::pipeline::classify::{Document, RulePlace, RuleProblem, TopicConfig, TopicSet};
use crate::pipeline::facts::KnownNames;
use crate::pipeline::{Prepared, Rules, prepare};
use crate::text::clean::excerpt;
use crate::text::tokens::Tokens;

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
            page: config.http.public_url.as_ref().map(|url| format!("{url}/alerts/")),
            growth_steps: config.alerts.growth.iter().map(|&step| step as u64).collect(),
            routes: routes(config),
            silences: config.silences.iter().map(silence).collect(),
            on_revision: config.alerts.on_revision,
            developments: config.alerts.developments,
            commentary: config.alerts.commentary,
            round_ups: config.alerts.round_ups,
            round_up_wait: config.alerts.round_up_wait,
            age_max: config.alerts.age_max,
            alerts_per_day_max: config
                .feeds
                .iter()
                .filter_map(|feed| Some((feed.id.clone(), feed.alerts_per_day_max?)))
                .collect(),
            development_pause: config.alerts.development_pause,
            told_window: config.memory.story_window,
            labels: config.topics.iter().map(|t| (t.id.clone(), t.label.clone())).collect(),
        },
    })
}

/// A function that runs one of the config's `[[tests]]` through `prepare`, and what looks wrong with the rules.
pub type TestRunner = (Box<dyn Fn(&TestCase) -> TestRun>, Vec<QueryProblem>);

/// Compiles the rules for `check`.
///
/// # Errors
/// Every problem of every query.
pub fn test_runner(config: &Config) -> Result<TestRunner, Vec<QueryProblem>> {
    let rules = rules(config)?;
    let warnings = warnings(&rules, config);
    Ok((Box::new(move |test: &TestCase| tried(&rules, test)), warnings))
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
        inside: lint.span.unwrap_or(0..written(&lint.place, config).map_or(0, str::len)),
        query: key(lint.place, &config.topics),
        what: of_rule(lint.rule.as_deref(), lint.message),
        why: lint.kind.as_str().to_owned(),
        hint: lint.hint,
    });
    untrained.chain(lints).chain(unknown_names(config)).collect()
}

/// `source:` and `lang:` that name nothing this config has.
fn unknown_names(config: &Config) -> Vec<QueryProblem> {
    let sources: Vec<&str> =
        config.feeds.iter().map(|feed| feed.id.as_str()).chain([config.seeds.id.as_str()]).collect();
    let mut problems = Vec::new();
    for topic in &config.topics {
        let terms = topic.terms.iter().map(|term| (QueryKey::Term(topic.id.clone(), term.id.clone()), &term.query));
        let require = topic.require.iter().enumerate();
        let require = require.map(|(at, query)| (QueryKey::Require(topic.id.clone(), at), query));
        let exclude = topic.exclude.iter().enumerate();
        let exclude = exclude.map(|(at, query)| (QueryKey::Exclude(topic.id.clone(), at), query));
        for (key, text) in terms.chain(require).chain(exclude) {
            let Ok(query) = query::parse(text) else { continue };
            for filter in query.name_filters() {
                if let Some((what, hint)) = unknown_name(&filter.clause, topic, &sources) {
                    problems.push(QueryProblem {
                        severity: ProblemSeverity::Warning,
                        query: key.clone(),
                        inside: filter.span.clone(),
                        what,
                        why: "names nothing".to_owned(),
                        hint: Some(hint),
                    });
                }
            }
        }
    }
    problems
}

fn unknown_name(clause: &Clause, topic: &TopicConfig, sources: &[&str]) -> Option<(String, String)> {
    match clause {
        Clause::Source(pattern) if sources.iter().all(|source| !pattern.holds(source)) => {
            let (SourcePattern::Name(name) | SourcePattern::Start(name)) = pattern;
            let hint = match query::closest(name, sources.iter().copied()) {
                Some(near) => format!("did you mean `source:{near}`?"),
                None => "`source:` takes the id of a feed, or its start with `*`".to_owned(),
            };
            Some((format!("no source of this config is called `{name}`"), hint))
        }
        Clause::Lang(code) if !is_language(code) => {
            let meant = match code.as_str() {
                "ua" => "uk",
                "cz" => "cs",
                "dk" => "da",
                "se" => "sv",
                "gr" => "el",
                "jp" => "ja",
                "cn" => "zh",
                "kr" => "ko",
                "by" => "be",
                _ => "en",
            };
            Some((
                format!("`{code}` is the code of no language that items are told in"),
                format!("did you mean `lang:{meant}`?"),
            ))
        }
        Clause::Lang(code)
            if !topic.languages.is_empty() && topic.languages.iter().all(|lang| lang.as_str() != code) =>
        {
            let what = format!("topic `{}` takes no items in `{code}`", topic.id);
            Some((what, format!("add \"{code}\" to its `languages`, or take `lang:{code}` out")))
        }
        _ => None,
    }
}

/// One of the config's `[[tests]]` as an item, prepared as every other.
#[must_use]
pub fn item_of(rules: &Rules, test: &TestCase) -> Option<Prepared> {
    let source = test.source.clone().unwrap_or_else(|| SourceId::new("test").expect("invariant: a valid name"));
    let origin = Origin { source, kind: SourceKind::Seed, received: Timestamp::default() };
    let mut raw = RawItem::new(ItemKey::new("test"));
    raw.title = Some(RawText::plain(test.title.clone()));
    raw.content = Some(RawText::plain(test.text.clone()));
    raw.lang = test.lang.map(|lang| lang.to_string());
    prepare(&raw, &origin, rules).ok()
}

/// What the rules make of one of the config's `[[tests]]`; of one that fails, also why.
pub(super) fn tried(rules: &Rules, test: &TestCase) -> TestRun {
    let Some(prepared) = item_of(rules, test) else { return TestRun::default() };
    let matched: BTreeSet<TopicId> = prepared.matches.iter().map(|matched| matched.topic.clone()).collect();
    let (missing, surplus) = test.wrong(&matched);
    let (title, text) = (Tokens::of(&prepared.item.title), Tokens::of(&prepared.item.text));
    let document = Document::of(&prepared.item, &title, &text);
    let account = missing.iter().chain(&surplus).filter_map(|topic| accounted(rules, topic, &document)).collect();
    TestRun { matched, account }
}

/// One topic's points, rule by rule, and the rules that nearly hit.
fn accounted(rules: &Rules, topic: &TopicId, document: &Document<'_>) -> Option<String> {
    let explained = rules.topics.explain(document).into_iter().find(|explained| explained.topic == *topic)?;
    let mut line = format!("`{topic}` has {} of {} points", explained.score, explained.threshold);
    let list = |words: Vec<String>| words.join(", ");
    if !explained.rules.is_empty() {
        let hit = explained.rules.iter().map(|rule| format!("{} {}", rule.rule, rule.points));
        let _ = write!(line, ": {}", list(hit.collect()));
    }
    let closed = explained.gates.iter().filter(|gate| !gate.open).map(|gate| excerpt(gate.query.trim(), 40));
    let closed: Vec<String> = closed.collect();
    if !closed.is_empty() {
        let _ = write!(line, ", closed by {}", list(closed));
    }
    let nearly = rules.topics.near_misses(document, topic);
    if !explained.matched && !nearly.is_empty() {
        let _ = write!(line, ", nearly {}", list(nearly.iter().map(ToString::to_string).collect()));
    }
    Some(line)
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
    config.endpoints.iter().filter(|endpoint| endpoint.enabled).map(EndpointConfig::route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigPlace, Environment, check};

    /// What `check` says of a config: severity, line of the main file, message, hint.
    fn said(main: &str) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("wirewatch.toml");
        std::fs::write(&file, main).expect("written");
        let report = check(&ConfigPlace::File(file), &Environment::default(), test_runner);
        let line = |problem: &crate::config::Problem| {
            let place = report.location(problem).unwrap_or_default();
            let line = place.rsplit(':').nth(1).unwrap_or_default().to_owned();
            let hint = problem.hint.clone().unwrap_or_default();
            format!("{:?} {line}: {} ({})", problem.severity, problem.what, hint)
        };
        report.problems().iter().map(line).collect()
    }

    fn config(topic: &str) -> String {
        format!("[[feeds]]\nid = \"wire-a\"\nurl = \"https://a.example/\"\n[[topics]]\nid = \"t\"\n{topic}")
    }

    #[test]
    fn check_warns_of_names_that_name_nothing_and_of_bands_that_fall() {
        for (topic, part) in [
            ("terms = [{ match = 'storm AND source:wire-b' }]", "Warning 6: rule"),
            ("terms = [{ match = 'storm AND source:wire-b' }]", "did you mean `source:wire-a`?"),
            (
                "terms = [{ match = 'storm' }]\nexclude = ['source:other-*']",
                "no source of this config is called `other-`",
            ),
            ("terms = [{ match = 'storm AND lang:ua' }]", "did you mean `lang:uk`?"),
            ("languages = ['en']\nterms = [{ match = 'storm AND lang:de' }]", "takes no items in `de`"),
            (
                "terms = [{ match = 'storm' }]\nthreshold = 1.0\n\
                 severity_bands = [{ score = 9.0, severity = 'high' }, { score = 5.0, severity = 'critical' }]",
                "the highest counts",
            ),
            ("terms = [{ match = 'storm, flood' }]", "write `storm OR flood`"),
            ("terms = [{ match = \"storm OR /\\bgale/\" }]", "a backspace sign"),
        ] {
            let lines = said(&config(topic));
            let part = part.strip_suffix(": rule").unwrap_or(part);
            assert!(lines.iter().any(|line| line.contains(part)), "{topic}: {lines:?}");
        }
        let sound = said(&config("threshold = 1.0\nterms = [{ match = 'storm AND source:wire-* AND lang:uk' }]"));
        assert!(sound.iter().all(|line| !line.contains("rule")), "{sound:?}");
    }

    #[test]
    fn check_tells_of_queries_though_something_else_is_wrong() {
        let lines = said(&format!("[polling]\nnonsense = 1\n{}", config("terms = [{ match = 'storm NEAR flood' }]")));
        assert!(lines.iter().any(|line| line.contains("nonsense")), "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("did you mean `NEAR/5`")), "{lines:?}");
    }

    #[test]
    fn check_says_of_a_failing_test_what_hit_and_what_nearly_did() {
        let topic = "threshold = 9.0\nterms = [{ id = 'gale', match = 'gale', weight = 4.0 }, { id = 'close', match = 'storm NEAR/1 coast' }]\n\
                     [[tests]]\ntitle = 'gale and storm far from the coast'\ntopics = ['t']\n";
        let lines = said(&config(topic));
        let failed = lines.iter().find(|line| line.contains("fails")).expect("fails");
        for part in ["of 9 points: gale 6", "nearly close (its words stand too far apart", "explain --test"] {
            assert!(failed.contains(part), "{failed}");
        }
    }
}

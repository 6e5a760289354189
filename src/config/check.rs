//! `wirewatch check`: reads a config, compiles its rules with a function it is given, runs its
//! `[[tests]]`, and reports everything that is wrong at once. Changes nothing.

use std::collections::BTreeSet;
use std::ops::Range;

use super::entries::TestCase;
use super::files::ConfigPlace;
use super::problem::{Problem, ProblemKind, Report, Severity};
use super::topics::QueryKey;
use super::{Config, Environment, Loaded};
use crate::model::TopicId;
use crate::text::clean::excerpt;

/// What a rule compiler has against a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryProblem {
    /// Whether the rules can be used all the same.
    pub severity: Severity,
    /// Which query.
    pub query: QueryKey,
    /// Byte range in the query's text.
    pub inside: Range<usize>,
    /// What is wrong, one line.
    pub what: String,
    /// What stands there, next to the place; may be empty.
    pub why: String,
    /// What to do.
    pub hint: Option<String>,
}

impl QueryProblem {
    /// The path of the key, as in `topics.sanctions.terms.package`.
    pub(super) fn key_path(&self) -> String {
        match &self.query {
            QueryKey::Topic(topic) => format!("topics.{topic}"),
            QueryKey::Term(topic, term) => format!("topics.{topic}.terms.{term}"),
            QueryKey::Require(topic, at) => format!("topics.{topic}.require[{at}]"),
            QueryKey::Exclude(topic, at) => format!("topics.{topic}.exclude[{at}]"),
            QueryKey::Alias(name, at) => format!("aliases.{name}.forms[{at}]"),
        }
    }
}

/// What rules made of a test.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TestRun {
    /// Topics that match.
    pub matched: BTreeSet<TopicId>,
    /// Of a test that fails: for each topic that is wrong, its points and what nearly hit, one line each.
    pub account: Vec<String>,
}

impl TestCase {
    /// Topics that should have matched, and those that should not have.
    #[must_use]
    pub fn wrong(&self, matched: &BTreeSet<TopicId>) -> (Vec<TopicId>, Vec<TopicId>) {
        let missing = self.topics.difference(matched).cloned().collect();
        let surplus = matched.iter().filter(|topic| self.judged.contains(topic) && !self.topics.contains(topic));
        (missing, surplus.cloned().collect())
    }
}

/// Checks a config wholly. `compile` turns the rules into a function from a test to the topics that
/// match it and what looks wrong though it works, or says what is wrong with them.
pub fn check<Compile, Classify>(place: &ConfigPlace, environment: &Environment, compile: Compile) -> Report
where
    Compile: FnOnce(&Config) -> Result<(Classify, Vec<QueryProblem>), Vec<QueryProblem>>,
    Classify: Fn(&TestCase) -> TestRun,
{
    let Some(mut loaded) = Config::load_with_problems(place, environment) else {
        return Config::load(place, environment).err().unwrap_or_default();
    };
    // What is wrong elsewhere hides no mistake of a query; but tests would fail of it.
    let sound = loaded.report.is_ok();
    match compile(&loaded.config) {
        Ok((classify, warnings)) => {
            loaded.add_query_problems(&warnings);
            if sound {
                loaded.run_tests(classify);
            }
        }
        Err(problems) => loaded.add_query_problems(&problems),
    }
    loaded.report
}

impl Loaded {
    /// Runs the `[[tests]]`; those that fail join the report.
    pub fn run_tests(&mut self, classify: impl Fn(&TestCase) -> TestRun) {
        let problems: Vec<Problem> = self.tests.iter().filter_map(|test| failed(test, &classify(test))).collect();
        self.report.extend(problems);
    }

    /// A compiler's complaints join the report.
    pub fn add_query_problems(&mut self, problems: &[QueryProblem]) {
        let problems: Vec<Problem> = problems.iter().map(|problem| self.query_problem(problem)).collect();
        self.report.extend(problems);
    }
}
/// A test whose text matches other topics than it says.
fn failed(test: &TestCase, run: &TestRun) -> Option<Problem> {
    let (missing, surplus) = test.wrong(&run.matched);
    let list = |topics: &[TopicId]| topics.iter().map(|topic| format!("`{topic}`")).collect::<Vec<_>>().join(", ");
    let why = match (missing.is_empty(), surplus.is_empty()) {
        (true, true) => return None,
        (false, true) => format!("did not match {}", list(&missing)),
        (true, false) => format!("also matched {}", list(&surplus)),
        (false, false) => format!("did not match {}, but {}", list(&missing), list(&surplus)),
    };
    let name = excerpt(if test.title.trim().is_empty() { &test.text } else { &test.title }, 60);
    let problem = Problem::new(ProblemKind::Test, format!("test \"{name}\" fails"));
    let start: String = name.chars().take(24).filter(|c| !matches!(c, '"' | '\'' | '`' | '…')).collect();
    let all = format!("`wirewatch explain --test \"{}\"` shows every rule that hit", start.trim());
    let hint = run.account.iter().cloned().chain([all]).collect::<Vec<_>>().join("; ");
    Some(problem.at(test.place.clone(), why).key("tests").hint(hint))
}

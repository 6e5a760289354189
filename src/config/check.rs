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

/// Checks a config wholly. `compile` turns the rules into a function from a test to the topics that
/// match it and what looks wrong though it works, or says what is wrong with them.
pub fn check<Compile, Classify>(place: &ConfigPlace, environment: &Environment, compile: Compile) -> Report
where
    Compile: FnOnce(&Config) -> Result<(Classify, Vec<QueryProblem>), Vec<QueryProblem>>,
    Classify: Fn(&TestCase) -> BTreeSet<TopicId>,
{
    let mut loaded = match Config::load(place, environment) {
        Ok(loaded) => loaded,
        Err(report) => return report,
    };
    match compile(&loaded.config) {
        Ok((classify, warnings)) => {
            loaded.add_query_problems(&warnings);
            loaded.run_tests(classify);
        }
        Err(problems) => loaded.add_query_problems(&problems),
    }
    loaded.report
}

impl Loaded {
    /// Runs the `[[tests]]`; those that fail join the report.
    pub fn run_tests(&mut self, classify: impl Fn(&TestCase) -> BTreeSet<TopicId>) {
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
fn failed(test: &TestCase, matched: &BTreeSet<TopicId>) -> Option<Problem> {
    if *matched == test.topics {
        return None;
    }
    let list = |topics: Vec<&TopicId>| topics.iter().map(|topic| format!("`{topic}`")).collect::<Vec<_>>().join(", ");
    let missing: Vec<_> = test.topics.difference(matched).collect();
    let surplus: Vec<_> = matched.difference(&test.topics).collect();
    let why = match (missing.is_empty(), surplus.is_empty()) {
        (false, true) => format!("did not match {}", list(missing)),
        (true, _) => format!("also matched {}", list(surplus)),
        (false, false) => format!("did not match {}, but {}", list(missing), list(surplus)),
    };
    let name = if test.title.trim().is_empty() { &test.text } else { &test.title };
    let problem = Problem::new(ProblemKind::Test, format!("test \"{}\" fails", excerpt(name, 60)));
    Some(problem.at(test.place.clone(), why).key("tests").hint("`wirewatch explain` shows which rules hit and why"))
}

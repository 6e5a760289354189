//! A topic as a text that can be changed and tried, and such a text read again: topics and their tables of words, and
//! nothing else, for whoever sends it may not look around on this machine.

use std::fmt::Write as _;

use toml::Value;

use super::files::Files;
use super::problem::{Problem, ProblemKind, Report};
use super::{Config, Environment, Loaded, read};
use crate::model::Lang;
use crate::pipeline::classify::TopicConfig;

/// What such a text may hold.
const KEYS: [&str; 3] = ["topics", "aliases", "defaults"];

/// A topic as it would stand in the config, whole: nothing is left to defaults.
#[must_use]
pub fn topic_text(topic: &TopicConfig) -> String {
    let quoted = |text: &str| Value::String(text.to_owned()).to_string();
    let list = |values: &mut dyn Iterator<Item = &str>| {
        let values: Vec<String> = values.map(quoted).collect();
        format!("[{}]", values.join(", "))
    };
    let mut out = String::from("[[topics]]\n");
    let mut line = |key: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{key} = {value}");
    };
    line("id", quoted(topic.id.as_str()));
    line("label", quoted(&topic.label));
    line("severity", quoted(topic.severity.as_str()));
    line("threshold", format!("{:?}", topic.threshold));
    line("title_boost", format!("{:?}", topic.title_boost));
    line("lead_boost", format!("{:?}", topic.lead_boost));
    line("repeat_bonus", format!("{:?}", topic.repeat_bonus));
    line("languages", list(&mut topic.languages.iter().map(Lang::as_str)));
    line("sources", list(&mut topic.sources.iter().map(crate::model::SourceId::as_str)));
    if let Some(weight) = topic.model_weight {
        line("model", "true".to_owned());
        line("model_weight", format!("{weight:?}"));
    }
    if !topic.severity_bands.is_empty() {
        let band = |(score, severity): &(f64, crate::model::Severity)| {
            format!("{{ score = {score:?}, severity = {} }}", quoted(severity.as_str()))
        };
        let bands: Vec<String> = topic.severity_bands.iter().map(band).collect();
        line("severity_bands", format!("[{}]", bands.join(", ")));
    }
    for (key, queries) in [("require", &topic.require), ("exclude", &topic.exclude)] {
        if !queries.is_empty() {
            let queries: Vec<String> = queries.iter().map(|query| format!("    {},\n", quoted(query))).collect();
            line(key, format!("[\n{}]", queries.concat()));
        }
    }
    let term = |term: &crate::pipeline::classify::TermConfig| {
        let severity = term.severity.map(|severity| format!(", severity = {}", quoted(severity.as_str())));
        let (id, query) = (quoted(&term.id), quoted(&term.query));
        format!("    {{ id = {id}, match = {query}, weight = {:?}{} }},\n", term.weight, severity.unwrap_or_default())
    };
    let terms: Vec<String> = topic.terms.iter().map(term).collect();
    line("terms", format!("[\n{}]", terms.concat()));
    out
}

/// Reads a text of topics and aliases.
///
/// # Errors
/// What is wrong with it, each with line and column.
pub fn read_topic_text(name: &str, text: &str) -> Result<Loaded, Report> {
    let files = Files::of_text(name, text);
    let foreign: Vec<Problem> = files
        .keys_of_last()
        .into_iter()
        .filter(|(key, _)| !KEYS.contains(&key.as_str()))
        .map(|(key, place)| {
            Problem::new(ProblemKind::Value, format!("`{key}` has no place here"))
                .at(place, "only topics are tried")
                .hint("a text to try holds [[topics]] and [[aliases]]")
        })
        .collect();
    if !foreign.is_empty() {
        return Err(Report::new(files.read.iter().map(super::files::SourceFile::quoted).collect(), foreign));
    }
    let loaded = read(files, &Environment::default()).0?;
    if loaded.report.is_ok() { Ok(loaded) } else { Err(loaded.report.errors_only()) }
}

impl Config {
    /// This config with topics and aliases of another in the place of those of the same name.
    #[must_use]
    pub fn with_topics_of(&self, changed: Config) -> Config {
        let mut config = self.clone();
        for topic in changed.topics {
            match config.topics.iter_mut().find(|known| known.id == topic.id) {
                Some(known) => *known = topic,
                None => config.topics.push(topic),
            }
        }
        for alias in changed.aliases {
            match config.aliases.iter_mut().find(|known| known.name == alias.name) {
                Some(known) => *known = alias,
                None => config.aliases.push(alias),
            }
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_text_reads_as_the_topic_it_was_made_of() {
        let shipped = Config::embedded(&Environment::default()).expect("sound").config;
        assert!(!shipped.topics.is_empty());
        for topic in &shipped.topics {
            let text = topic_text(topic);
            let read = read_topic_text("rules", &text).unwrap_or_else(|report| panic!("{report}\n{text}"));
            assert_eq!(read.config.topics, std::slice::from_ref(topic), "{text}");
        }
    }

    #[test]
    fn topic_text_that_is_wrong_is_told_with_line_and_column_and_looks_nowhere_else() {
        for (text, words) in [
            ("[[topics]]\nid = \"a\"\nterms = [{ match = \"\" }]\n", "rules:3:20"),
            ("[[topics]\n", "rules:1"),
            ("[http]\ntoken_file = \"/etc/shadow\"\n", "`http` has no place here"),
            ("include = [\"/etc/*.conf\"]\n", "`include` has no place here"),
            ("[[feeds]]\nid = \"a\"\n", "`feeds` has no place here"),
        ] {
            let said = read_topic_text("rules", text).err().map(|report| report.to_string()).unwrap_or_default();
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}

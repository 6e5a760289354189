//! `wirewatch init --topic NAME`: one file for one new topic beside the others: concept tables to fill in, two
//! rules that combine them, and two tests that already hold. Never overwrites anything.

use std::path::{Path, PathBuf};

use super::embedded;
use super::init::{InitError, write_new};
use crate::model::TopicId;

/// Longest id made of a name, in letters.
const ID_LETTERS_MAX: usize = 40;
/// Languages the tables are laid out for, with what a heading of them says.
const LANGUAGES: [(&str, &str); 7] = [
    ("de", "German: `*part*` also finds it inside compounds"),
    ("fr", "French"),
    ("it", "Italian"),
    ("es", "Spanish"),
    ("pl", "Polish: `word*` covers the endings"),
    ("uk", "Ukrainian"),
    ("ru", "Russian"),
];

/// Why there is no new topic.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// No id can be made of the name.
    #[error("`{0}` has no Latin letter or digit to make an id of")]
    Name(String),
    /// There is no config to add it to.
    #[error("{} is not there: a topic is added to a config", .0.display())]
    NoConfig(PathBuf),
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] InitError),
}

/// A topic that was laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaffolded {
    /// Its id.
    pub id: TopicId,
    /// Its file.
    pub file: PathBuf,
    /// Lines for people.
    pub next_steps: Vec<String>,
}

/// Lays out a topic of this name in the `topics` folder of a config.
///
/// # Errors
/// [`ScaffoldError`]; nothing was written then.
pub fn scaffold(folder: &Path, name: &str) -> Result<Scaffolded, ScaffoldError> {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let id = id_of(&name).ok_or_else(|| ScaffoldError::Name(name.clone()))?;
    let main = folder.join(embedded::MAIN_NAME);
    if !main.is_file() {
        return Err(ScaffoldError::NoConfig(main));
    }
    let file = folder.join("topics").join(format!("{id}.toml"));
    if file.symlink_metadata().is_ok() {
        return Err(InitError::Exists(file).into());
    }
    write_new(&file, &content(&id, &name), false).map_err(|source| InitError::Write { path: file.clone(), source })?;
    let main = main.display();
    let next_steps = vec![
        format!("fill in the tables of {}: what it is about, and what happens", file.display()),
        format!("wirewatch check --config {main}"),
        format!("wirewatch backtest --topic {} --config {main}    # what it would have matched", file.display()),
        format!("wirewatch explain --test \"{}\" --config {main}", title_of(&name)),
        format!("wirewatch reload --config {main}"),
    ];
    Ok(Scaffolded { id, file, next_steps })
}

fn id_of(name: &str) -> Option<TopicId> {
    let mut id = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            id.push(c);
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
        if id.len() >= ID_LETTERS_MAX {
            break;
        }
    }
    TopicId::new(id.trim_end_matches('-')).ok()
}

/// With a capital, as a heading.
fn title_of(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The words of the name that a form can hold.
fn form_of(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn content(id: &TopicId, name: &str) -> String {
    let (label, form) = (title_of(&form_of(name)), form_of(name));
    let tables = |what: &str| -> String {
        let line = |(code, note): &(&str, &str)| format!("#{code} = [\"{what}\"]    # {note}\n");
        LANGUAGES.iter().map(line).collect()
    };
    let (about, happening) = (tables("…"), tables("…"));
    format!(
        r#"# {label}: what counts and what does not, in a sentence or two. For whoever changes this next.
# docs/guide/topics.md is the whole language; sanctions.toml is a worked example.

# What it is about: names and nouns, one list per language. `word*` has any ending.
[[aliases]]
name = "{id}-subject"
en = ["{form}"]
{about}
# What must happen to it: verbs and nouns of events.
[[aliases]]
name = "{id}-event"
en = ["announc*", "order*", "warn*", "clos*", "shut*", "fail*", "attack*", "damag*", "agree*", "review*"]
{happening}
[[topics]]
id = "{id}"
label = "{label}"
severity = "medium"
# 4 points in one sentence of the text are too few, in the lead (× 1.5) or the title (× 2) they are enough.
threshold = 5.0
title_boost = 2.0
lead_boost = 1.5
repeat_bonus = 1.0

# The subject and an event close together.
[[topics.terms]]
id = "event"
match = '@{id}-subject NEAR/8 @{id}-event'
weight = 4.0

# A headline about it.
[[topics.terms]]
id = "headline"
match = 'title:@{id}-subject'
weight = 2.0

# Words that look alike and mean something else take points away:
#[[topics.terms]]
#id = "look-alike"
#match = 'film OR museum'
#weight = -4.0

# Run by `wirewatch check`; add one for every item that surprised you.
[[tests]]
title = "{label}: authority orders review"
lang = "en"
topics = ["{id}"]

[[tests]]
title = "Village fair opens"
text = "One of the visitors mentioned {form} in passing."
lang = "en"
topics = []
"#
    )
}

#[cfg(test)]
mod tests {
    use super::super::{Config, ConfigPlace, Environment, init};
    use super::*;

    #[test]
    fn scaffold_lays_out_a_topic_that_the_config_takes_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("watch");
        assert!(matches!(scaffold(&target, "ports"), Err(ScaffoldError::NoConfig(_))));
        init(&target, false).expect("written");
        for (name, id) in
            [("nuclear plant safety", "nuclear-plant-safety"), ("Élections  2027 (\"early\")", "lections-2027-early")]
        {
            let done = scaffold(&target, name).expect("written");
            assert_eq!(done.id.as_str(), id);
            let place = ConfigPlace::File(target.join("wirewatch.toml"));
            let loaded = Config::load(&place, &Environment::default()).unwrap_or_else(|report| panic!("{report}"));
            assert!(loaded.config.topics.iter().any(|topic| topic.id == done.id));
            assert_eq!(loaded.tests.iter().filter(|test| test.judged.contains(&done.id)).count(), 2);
            let again = scaffold(&target, name);
            assert!(matches!(again, Err(ScaffoldError::Write(InitError::Exists(_)))), "{again:?}");
        }
        assert!(matches!(scaffold(&target, "…"), Err(ScaffoldError::Name(_))));
    }

    #[test]
    fn init_without_topics_is_a_config_to_add_one_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("watch");
        init(&target, true).expect("written");
        scaffold(&target, "harbour closures").expect("written");
        let place = ConfigPlace::File(target.join("wirewatch.toml"));
        let loaded = Config::load(&place, &Environment::default()).unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(loaded.config.topics.len(), 1);
        assert_eq!(loaded.tests.len(), 2);
    }
}

//! Debug builds hold every model to every name of its template, also on branches that are not taken this time: strict
//! undefined alone finds only what is written out. So each test that shows a page tries all of its template.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use minijinja::Environment;
use regex::Regex;
use serde_json::Value;

use super::template_files::TEMPLATES;

/// What the environment gives.
const GIVEN: &[&str] = &["assets", "version", "loop"];

/// The names of each template and of those that it is made with.
static NAMES: LazyLock<BTreeMap<&'static str, BTreeSet<String>>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    for (name, source) in TEMPLATES {
        environment.add_template(name, source).expect("invariant: the templates are tried by tests");
    }
    TEMPLATES.iter().map(|(name, _)| (*name, names(&environment, name))).collect()
});

fn names(environment: &Environment<'_>, name: &str) -> BTreeSet<String> {
    let with = Regex::new(r#"\{% (?:extends|include) "([a-z_.]+)""#).expect("invariant: an expression");
    let template = environment.get_template(name).expect("invariant: it was added");
    let mut all: BTreeSet<String> = template.undeclared_variables(true).into_iter().collect();
    for part in with.captures_iter(template.source()) {
        all.extend(names(environment, &part[1]));
    }
    all
}

/// What a template names and a model lacks. What is null lacks nothing that could be in it.
pub(super) fn lacking(template: &str, model: &Value) -> Vec<String> {
    let has = |name: &&String| {
        let mut place = model;
        for part in name.split('.') {
            match place {
                Value::Null => return true,
                Value::Object(map) => match map.get(part) {
                    Some(inside) => place = inside,
                    None => return false,
                },
                _ => return false,
            }
        }
        true
    };
    let given = |name: &&String| GIVEN.contains(&name.split('.').next().unwrap_or_default());
    NAMES.get(template).into_iter().flatten().filter(|name| !given(name) && !has(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lacking_names_what_a_branch_that_is_not_taken_would_miss() {
        let whole = json!({"path": "/"});
        assert!(lacking("again.html", &whole).is_empty());
        assert_eq!(lacking("again.html", &json!({})), ["path"]);
        let missing = lacking("feed_read.html", &json!({"reading": {"ok": false}, "items": 0}));
        for name in ["reading.format", "reading.warnings", "user.name", "health.ready"] {
            assert!(missing.iter().any(|one| one == name), "{name} in {missing:?}");
        }
        assert!(!missing.iter().any(|one| one == "reading.ok" || one.starts_with("assets")), "{missing:?}");
    }
}

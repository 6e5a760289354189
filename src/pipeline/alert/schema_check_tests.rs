//! A JSON Schema checker for the keywords that our generator writes, and no others.

use std::cell::RefCell;
use std::collections::HashMap;

use serde_json::{Value, json};

use crate::model::Timestamp;

/// What a value has against a schema, for the keywords that the generator writes; others are an error.
pub(super) fn problems(value: &Value, schema: &Value, root: &Value, at: &str, out: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else { return };
    for (keyword, rule) in keywords {
        match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().and_then(|r| r.strip_prefix('#')).expect("a local reference");
                problems(value, root.pointer(pointer).expect("a definition"), root, at, out);
            }
            "type" => {
                let names: Vec<&str> = rule.as_array().map_or_else(
                    || rule.as_str().into_iter().collect(),
                    |list| list.iter().filter_map(Value::as_str).collect(),
                );
                if !names.iter().any(|name| is(value, name)) {
                    out.push(format!("{at}: {value} is not {names:?}"));
                }
            }
            "required" => {
                for name in rule.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    if value.is_object() && value.get(name).is_none() {
                        out.push(format!("{at}: no {name}"));
                    }
                }
            }
            "properties" => {
                for (name, part) in value.as_object().into_iter().flatten() {
                    match rule.get(name) {
                        Some(rule) => problems(part, rule, root, &format!("{at}/{name}"), out),
                        None => out.push(format!("{at}: {name} is not in the schema")),
                    }
                }
            }
            "items" => {
                for part in value.as_array().into_iter().flatten() {
                    problems(part, rule, root, &format!("{at}/*"), out);
                }
            }
            "anyOf" => {
                let fits = |rule: &Value| {
                    let mut found = Vec::new();
                    problems(value, rule, root, at, &mut found);
                    found.is_empty()
                };
                if !rule.as_array().into_iter().flatten().any(fits) {
                    out.push(format!("{at}: fits none of {rule}"));
                }
            }
            "enum" => {
                if !rule.as_array().into_iter().flatten().any(|one| one == value) {
                    out.push(format!("{at}: {value} is none of {rule}"));
                }
            }
            "const" => {
                if rule != value {
                    out.push(format!("{at}: {value} is not {rule}"));
                }
            }
            "pattern" => {
                if value.as_str().is_some_and(|text| !fits(text, rule.as_str().expect("a pattern"))) {
                    out.push(format!("{at}: {value} is not {rule}"));
                }
            }
            "minimum" => {
                if value.as_f64().is_some_and(|number| Some(number) < rule.as_f64()) {
                    out.push(format!("{at}: {value} is less than {rule}"));
                }
            }
            "maxItems" => {
                if value.as_array().is_some_and(|list| Some(list.len() as u64) > rule.as_u64()) {
                    out.push(format!("{at}: more than {rule}"));
                }
            }
            "format" => {
                if rule == "date-time" && value.as_str().is_some_and(|text| Timestamp::parse(text).is_err()) {
                    out.push(format!("{at}: {value} is no time"));
                }
            }
            "allOf" => {
                for part in rule.as_array().into_iter().flatten() {
                    problems(value, part, root, at, out);
                }
            }
            "if" => {
                let mut found = Vec::new();
                conditions(value, rule, &mut found);
                if found.is_empty() {
                    conditions(value, &schema["then"], out);
                }
            }
            "then" | "$schema" | "$defs" | "title" | "description" | "default" => {}
            other => out.push(format!("{at}: this check does not know `{other}`")),
        }
    }
}

/// Patterns are compiled once: a test asks for the same few some hundred thousand times.
fn fits(text: &str, pattern: &str) -> bool {
    thread_local! {
        static COMPILED: RefCell<HashMap<String, regex::Regex>> = RefCell::default();
    }
    COMPILED.with_borrow_mut(|compiled| {
        let new = || regex::Regex::new(pattern).expect("a pattern");
        compiled.entry(pattern.to_owned()).or_insert_with(new).is_match(text)
    })
}

/// A condition looks at some fields and says nothing of the others.
fn conditions(value: &Value, schema: &Value, out: &mut Vec<String>) {
    let root = &Value::Null;
    for (keyword, rule) in schema.as_object().into_iter().flatten() {
        if keyword == "properties" {
            for (name, rule) in rule.as_object().into_iter().flatten() {
                conditions(&value[name], rule, out);
            }
        } else {
            problems(value, &json!({keyword: rule}), root, "", out);
        }
    }
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type is called {other}"),
    }
}

/// Whether it has anything.
pub(super) fn has_problems(value: &Value, schema: &Value) -> bool {
    let mut found = Vec::new();
    problems(value, schema, schema, "", &mut found);
    !found.is_empty()
}

#[test]
fn schema_check_finds_what_does_not_fit() {
    let schema = json!({"type": "object", "required": ["a"], "properties": {"a": {"type": ["string", "null"]}}});
    let mut found = Vec::new();
    problems(&json!({"a": 1, "b": 2}), &schema, &schema, "", &mut found);
    problems(&json!({}), &schema, &schema, "", &mut found);
    assert_eq!(found, ["/a: 1 is not [\"string\", \"null\"]", ": b is not in the schema", ": no a"]);
}

//! What is sent along with a verb: a JSON object or the fields of a form, each known, each once unless it is a list. A
//! mistyped field must not silence more than was meant.

use serde_json::Value;

use crate::http::refusal::{AnswerRefusal, RefusalKind};

/// One field of a verb.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct VerbField {
    pub name: &'static str,
    /// There may be several.
    pub is_list: bool,
    pub about: &'static str,
}

impl VerbField {
    pub const fn one(name: &'static str, about: &'static str) -> Self {
        Self { name, is_list: false, about }
    }

    pub const fn list(name: &'static str, about: &'static str) -> Self {
        Self { name, is_list: true, about }
    }
}

/// The fields that were sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct GivenFields(Vec<(String, Vec<String>)>);

fn bad(detail: impl Into<String>) -> AnswerRefusal {
    AnswerRefusal::new(RefusalKind::BadBody, detail)
}

impl GivenFields {
    /// Reads a body; `author` is a field of every verb.
    pub fn read(content_type: &str, body: &[u8], known: &[VerbField]) -> Result<Self, AnswerRefusal> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let given = match essence.as_str() {
            _ if body.is_empty() => Vec::new(),
            "application/json" => object(body)?,
            "application/x-www-form-urlencoded" => form(body),
            other => {
                return Err(AnswerRefusal::new(RefusalKind::WrongType, format!("`{other}` is not read here"))
                    .hint("send application/json"));
            }
        };
        for (name, values) in &given {
            // Who does it may be said of every deed.
            let field = known.iter().find(|field| field.name == name);
            if field.is_none() && name != "author" {
                let names: Vec<&str> = known.iter().map(|field| field.name).collect();
                let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                return Err(bad(format!("`{name}` is no field of this")).hint(format!("known are: {names}")));
            }
            if values.len() > 1 && !field.is_some_and(|field| field.is_list) {
                return Err(bad(format!("`{name}` is given twice")));
            }
        }
        Ok(Self(given))
    }

    /// Fields that are known already.
    pub fn of(fields: &[(&str, Option<&str>)]) -> Self {
        Self(fields.iter().filter_map(|(name, value)| Some(((*name).to_owned(), vec![(*value)?.to_owned()]))).collect())
    }

    /// The value of a field.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.list(name).first().map(String::as_str)
    }

    /// The values of a field.
    pub fn list(&self, name: &str) -> &[String] {
        self.0.iter().find(|(given, _)| given == name).map_or(&[], |(_, values)| values)
    }

    /// Takes a field out.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(given, _)| given == name)?;
        self.0.remove(at).1.into_iter().next()
    }

    /// A field that must be there.
    pub fn required(&self, name: &str) -> Result<&str, AnswerRefusal> {
        self.text(name).ok_or_else(|| bad(format!("`{name}` is missing")))
    }

    /// A field that is read by its type.
    pub fn parsed<T, E: ToString>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, AnswerRefusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        parse(text).map(Some).map_err(|error| bad(format!("`{name}`: {}", error.to_string())))
    }

    /// A field that holds or does not.
    pub fn flag(&self, name: &str) -> Result<bool, AnswerRefusal> {
        match self.text(name) {
            None | Some("false" | "no") => Ok(false),
            Some("true" | "yes" | "on") => Ok(true),
            Some(_) => Err(bad(format!("`{name}` is true or false"))),
        }
    }
}

fn form(body: &[u8]) -> Vec<(String, Vec<String>)> {
    let mut fields: Vec<(String, Vec<String>)> = Vec::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        // A form sends what was left empty, too.
        let value = value.trim();
        if value.is_empty() {
            continue;
        }
        match fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value.to_owned()),
            None => fields.push((name.into_owned(), vec![value.to_owned()])),
        }
    }
    fields
}

fn object(body: &[u8]) -> Result<Vec<(String, Vec<String>)>, AnswerRefusal> {
    let read: Value = serde_json::from_slice(body).map_err(|error| bad(format!("it is not JSON: {error}")))?;
    let Value::Object(map) = read else { return Err(bad("it is not a JSON object")) };
    let mut fields = Vec::with_capacity(map.len());
    for (name, value) in map {
        let single = |value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Bool(flag) => Ok(flag.to_string()),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(bad(format!("`{name}` is neither text, number, truth value nor a list of these"))),
        };
        let values = match &value {
            Value::Null => continue,
            Value::Array(list) => list.iter().map(single).collect::<Result<_, _>>()?,
            one => vec![single(one)?],
        };
        fields.push((name, values));
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[VerbField] = &[VerbField::list("topics", ""), VerbField::one("comment", "")];

    #[test]
    fn verb_reads_json_and_forms_alike() {
        let json =
            GivenFields::read("application/json; charset=utf-8", br#"{"topics":["a","b"],"comment":"x"}"#, KNOWN);
        let form =
            GivenFields::read("application/x-www-form-urlencoded", b"topics=a&topics=b&comment=x&author=", KNOWN);
        let (json, form) = (json.expect("read"), form.expect("read"));
        for given in [&json, &form] {
            assert_eq!((given.list("topics").len(), given.text("comment")), (2, Some("x")));
        }
        let said = GivenFields::read("application/json", br#"{"author":"ada"}"#, &[]).expect("read");
        assert_eq!(said.text("author"), Some("ada"), "of a verb without fields, too");
        assert_eq!(GivenFields::read("", b"", KNOWN).expect("read"), GivenFields::default());
    }

    #[test]
    fn verb_field_that_is_mistyped_is_refused_by_name() {
        for (kind, body, word) in [
            ("application/json", r#"{"topic":"a"}"#, "`topic`"),
            ("application/json", r#"{"comment":["a","b"]}"#, "twice"),
            ("application/json", r#"{"author":["a","b"]}"#, "twice"),
            ("application/json", r#"{"comment":{"a":1}}"#, "`comment`"),
            ("application/json", "[]", "object"),
            ("application/json", "{", "JSON"),
            ("application/x-www-form-urlencoded", "comment=a&comment=b", "twice"),
            ("text/plain", "x", "text/plain"),
        ] {
            let refusal = GivenFields::read(kind, body.as_bytes(), KNOWN).expect_err(body);
            assert!(refusal.detail.contains(word), "{body}: {}", refusal.detail);
        }
    }
}

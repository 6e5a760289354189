//! Arguments of a call: each known, of its type and within bounds. A refusal names what would be right, so that an
//! assistant mends its call at once.

use serde_json::Value;

use crate::config::duration;
use crate::model::Timestamp;

/// Rows of a list.
const ROWS_MAX: u64 = 20;
const ROWS_DEFAULT: u64 = 10;

/// The arguments of one call.
pub(super) struct CallArguments<'a> {
    given: &'a Value,
    pub(super) now: Timestamp,
}

impl<'a> CallArguments<'a> {
    /// Refuses what no tool of this name knows.
    pub(super) fn new(given: &'a Value, known: &[&str], now: Timestamp) -> Result<Self, String> {
        let names = given.as_object().into_iter().flat_map(|object| object.keys());
        if let Some(unknown) = names.into_iter().find(|name| !known.contains(&name.as_str())) {
            return Err(format!("`{unknown}` is no argument of this tool; it takes: {}", known.join(", ")));
        }
        if !given.is_object() && !given.is_null() {
            return Err("the arguments are not an object".to_owned());
        }
        Ok(Self { given, now })
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        match &self.given[name] {
            Value::Null => Ok(None),
            Value::String(text) if text.is_empty() => Ok(None),
            Value::String(text) if text.len() <= 1000 => Ok(Some(text)),
            Value::String(_) => Err(format!("`{name}` is longer than 1000 bytes")),
            _ => Err(format!("`{name}` must be a text")),
        }
    }

    pub(super) fn required(&self, name: &str) -> Result<&'a str, String> {
        self.text(name)?.ok_or_else(|| format!("`{name}` is needed"))
    }

    /// A name that must be one of those that there are.
    pub(super) fn one_of<'n>(
        &self,
        name: &str,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<Option<&'a str>, String> {
        let Some(given) = self.text(name)? else { return Ok(None) };
        let names: Vec<&str> = names.collect();
        if names.contains(&given) {
            return Ok(Some(given));
        }
        Err(format!("`{name}`: there is no `{given}`; there are: {}", names.join(", ")))
    }

    pub(super) fn since(&self) -> Result<Option<Timestamp>, String> {
        let Some(text) = self.text("since")? else { return Ok(None) };
        if let Ok(at) = Timestamp::parse(text) {
            return Ok(Some(at));
        }
        match duration(text) {
            Ok(age) => Ok(Some(self.now.minus(age))),
            Err(_) => {
                Err("`since` must be an age such as 90m, 24h, 7d, or a time such as 2025-03-17T00:00:00Z".to_owned())
            }
        }
    }

    pub(super) fn number(&self, name: &str, range: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, String> {
        match &self.given[name] {
            Value::Null => Ok(None),
            value => value
                .as_u64()
                .filter(|number| range.contains(number))
                .map(Some)
                .ok_or_else(|| format!("`{name}` must be a whole number from {} to {}", range.start(), range.end())),
        }
    }

    pub(super) fn limit(&self) -> Result<usize, String> {
        Ok(self.number("limit", 1..=ROWS_MAX)?.unwrap_or(ROWS_DEFAULT) as usize)
    }
}

//! One written value: read as a type within a range, or a [`Fault`] that says what must stand there and
//! what does. `section` finds the value and puts the fault in its place.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use super::files::Value;
use super::problem::{Place, ProblemKind};
use super::value::{duration, masked, nearest, show_duration, show_size, size_bytes};
use crate::model::Timestamp;
use crate::text::clean::excerpt;

/// Characters of a value repeated in a message.
pub(super) const VALUE_CHARS_MAX: usize = 40;

/// A value and where it stands.
pub(super) struct Found<'a> {
    pub value: &'a Value<'a>,
    pub place: Place,
}

/// Why a value cannot be taken.
pub(super) struct Fault {
    pub kind: ProblemKind,
    /// Continues "`key` …".
    pub what: String,
    /// What stands there.
    pub why: String,
    pub hint: Option<String>,
}

impl Fault {
    pub fn new(kind: ProblemKind, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { kind, what: what.into(), why: why.into(), hint: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl<'a> Found<'a> {
    pub fn text(&self) -> Result<&'a str, Fault> {
        self.value.get_ref().as_str().ok_or_else(|| {
            let fault = wrong_type("must be text", self.value.get_ref());
            match self.value.get_ref() {
                DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) => fault.hint("put it in quotes"),
                _ => fault,
            }
        })
    }

    pub fn flag(&self) -> Result<bool, Fault> {
        match self.value.get_ref() {
            DeValue::Boolean(flag) => Ok(*flag),
            other => Err(wrong_type("must be true or false", other)),
        }
    }

    pub fn integer(&self) -> Result<i64, Fault> {
        let must = "must be a whole number";
        match self.value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_err(|_| Fault::new(ProblemKind::Range, must, "it is too large")),
            other @ DeValue::String(text) if text.parse::<i64>().is_ok() => {
                Err(wrong_type(must, other).hint("take the quotes away"))
            }
            other => Err(wrong_type(must, other)),
        }
    }

    /// A number, whole or not.
    pub fn number(&self, range: &RangeInclusive<f64>) -> Result<f64, Fault> {
        let number = match self.value.get_ref() {
            DeValue::Integer(_) => self.integer()? as f64,
            DeValue::Float(number) => number.as_str().parse().unwrap_or(f64::NAN),
            other => return Err(wrong_type("must be a number", other)),
        };
        in_range(&number, range, ToString::to_string)?;
        Ok(number)
    }

    pub fn duration(&self, range: &RangeInclusive<Duration>) -> Result<Duration, Fault> {
        let must = "must be a duration such as \"15m\"";
        let text = match self.value.get_ref() {
            DeValue::String(text) => text,
            other @ DeValue::Integer(number) => {
                return Err(wrong_type(must, other).hint(format!("write \"{number}s\" if seconds are meant")));
            }
            other => return Err(wrong_type(must, other)),
        };
        let units = "units: ms, s, m, h, d, w, as in \"1h30m\"";
        let span = duration(text).map_err(|why| Fault::new(ProblemKind::Value, must, why).hint(units))?;
        in_range(&span, range, |span| show_duration(*span))?;
        Ok(span)
    }

    /// A size in bytes.
    pub fn bytes(&self, range: &RangeInclusive<u64>) -> Result<u64, Fault> {
        let must = "must be a size such as \"10MiB\"";
        let text = match self.value.get_ref() {
            DeValue::String(text) => text,
            other @ DeValue::Integer(number) => {
                return Err(wrong_type(must, other).hint(format!("write \"{number}B\" if bytes are meant")));
            }
            other => return Err(wrong_type(must, other)),
        };
        let units = "units: B, KiB, MiB, GiB, kB, MB, GB";
        let bytes = size_bytes(text).map_err(|why| Fault::new(ProblemKind::Value, must, why).hint(units))?;
        in_range(&bytes, range, |bytes| show_size(*bytes))?;
        Ok(bytes)
    }

    /// A time: TOML's own, or its text in RFC 3339.
    pub fn time(&self) -> Result<Timestamp, Fault> {
        let text = match self.value.get_ref() {
            DeValue::Datetime(time) => time.to_string(),
            DeValue::String(text) => text.to_string(),
            other => return Err(wrong_type("must be a time such as 2025-03-17T08:00:00Z", other)),
        };
        Timestamp::parse(&text).map_err(|_| {
            Fault::new(
                ProblemKind::Value,
                "must be a time such as 2025-03-17T08:00:00Z",
                "date, time and zone are needed",
            )
        })
    }

    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, Fault> {
        let text = self.text()?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return Ok(*value);
        }
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let fault = Fault::new(ProblemKind::Value, format!("must be one of {}", names.join(", ")), "not one of them");
        Err(match nearest(text, choices.iter().map(|(name, _)| *name)) {
            Some(meant) => fault.hint(format!("did you mean \"{meant}\"?")),
            None => fault,
        })
    }

    /// Whether it is a whole number.
    pub fn is_integer(&self) -> bool {
        self.value.get_ref().is_integer()
    }
}

/// `a` to `b` as people read a range, or an error that names it.
pub(super) fn in_range<T: PartialOrd>(
    value: &T,
    range: &RangeInclusive<T>,
    show: impl Fn(&T) -> String,
) -> Result<(), Fault> {
    if range.contains(value) {
        return Ok(());
    }
    let why = if value < range.start() {
        format!("less than {}", show(range.start()))
    } else {
        format!("more than {}", show(range.end()))
    };
    let hint = format!("allowed: {} to {}", show(range.start()), show(range.end()));
    Err(Fault::new(ProblemKind::Range, "is out of range", why).hint(hint))
}

pub(super) fn wrong_type(must: &str, found: &DeValue<'_>) -> Fault {
    Fault::new(ProblemKind::Type, must, format!("found {}", describe(found)))
}

pub(super) fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text \"{}\"", excerpt(&masked(text), VALUE_CHARS_MAX)),
        DeValue::Integer(number) => format!("the number {}", excerpt(&number.to_string(), VALUE_CHARS_MAX)),
        DeValue::Float(number) => format!("the number {}", excerpt(&number.to_string(), VALUE_CHARS_MAX)),
        DeValue::Boolean(flag) => format!("{flag}"),
        DeValue::Datetime(_) => "a time".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

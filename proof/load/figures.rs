//! Figures as they are found: a line for people, and a JSON line for `report`.

use std::io::Write;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Failure;

/// Where figures go.
pub struct Figures(Option<PathBuf>);

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was done, such as `poll.cold`.
    pub run: String,
    /// To how much: feeds, items, rules.
    pub size: u64,
    /// What was measured, such as `wall_s`.
    pub name: String,
    /// The value.
    pub value: f64,
}

impl Figures {
    /// Adds to this file, if there is one.
    pub fn to(path: Option<PathBuf>) -> Self {
        Self(path)
    }

    /// Prints one run in a line and keeps its figures.
    pub fn tell(&self, run: &str, size: u64, values: &[(&str, f64)]) -> Result<(), Failure> {
        let words: Vec<String> = values.iter().map(|(name, value)| format!("{name} {}", short(*value))).collect();
        println!("{run} {size}: {}", words.join(", "));
        let Some(path) = &self.0 else { return Ok(()) };
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        for (name, value) in values {
            let figure = Figure { run: run.to_owned(), size, name: (*name).to_owned(), value: *value };
            writeln!(file, "{}", serde_json::to_string(&figure)?)?;
        }
        Ok(())
    }
}

/// Three digits that matter.
pub fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 || v == 0.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Bytes in MiB.
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

//! Topics and what hits them: scores and evidence.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::TopicId;

/// Points of a topic, in hundredths, so that sums do not depend on their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Score(i32);

impl Score {
    /// No points.
    pub const ZERO: Self = Self(0);

    /// From a written number, rounded to hundredths and kept within ±10 million.
    #[must_use]
    pub fn from_f64(points: f64) -> Self {
        Self((points * 100.0).round().clamp(-1e9, 1e9) as i32)
    }

    /// As a number.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// Hundredths, for the store.
    #[must_use]
    pub fn hundredths(self) -> i32 {
        self.0
    }

    /// Back from the store.
    #[must_use]
    pub fn from_hundredths(hundredths: i32) -> Self {
        Self(hundredths)
    }

    /// The sum, without overflow.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_f64().to_string())
    }
}

impl fmt::Debug for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Score {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let points = self.to_f64();
        if points.fract() == 0.0 { serializer.serialize_i64(points as i64) } else { serializer.serialize_f64(points) }
    }
}

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self::from_f64)
    }
}

/// How loudly a topic speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For the record.
    Low,
    /// The default.
    Medium,
    /// Should be seen today.
    High,
    /// Should be seen now.
    Critical,
}

impl Severity {
    /// Every severity, mildest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Reads the written name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == name)
    }

    /// The written name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which part of an item a rule hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Field {
    /// The headline.
    Title,
    /// The text.
    Body,
    /// The link.
    Url,
    /// A category or keyword.
    Tag,
    /// The source's name.
    Source,
    /// The language code.
    Lang,
}

impl Field {
    /// The stored and printed name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Body => "body",
            Self::Url => "url",
            Self::Tag => "tag",
            Self::Source => "source",
            Self::Lang => "lang",
        }
    }
}

/// One rule that hit, where, and what it is worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The rule's id within its topic.
    pub rule: String,
    /// Where it hit.
    pub field: Field,
    /// The words that hit, as written in the item.
    pub text: String,
    /// Byte offset of the first hit in the field.
    pub start: usize,
    /// Byte offset of its end.
    pub end: usize,
    /// Points this rule brought, boosts included.
    pub weight: Score,
}

/// A topic hit by an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Which topic.
    pub topic: TopicId,
    /// The sum.
    pub score: Score,
    /// What it had to reach.
    pub threshold: Score,
    /// The severity this score earns.
    pub severity: Severity,
    /// The rules that hit, in config order.
    pub evidence: Vec<Evidence>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn score_sums_do_not_depend_on_order() {
        let parts = [0.1, 0.2, 0.3, -0.6].map(Score::from_f64);
        let forward = parts.iter().fold(Score::ZERO, |sum, &p| sum.plus(p));
        let backward = parts.iter().rev().fold(Score::ZERO, |sum, &p| sum.plus(p));
        assert_eq!(forward, Score::ZERO);
        assert_eq!(backward, Score::ZERO);
    }

    #[test]
    fn score_prints_as_people_write_it() {
        assert_eq!(Score::from_f64(8.5).to_string(), "8.5");
        assert_eq!(serde_json::to_string(&Score::from_f64(5.0)).ok().as_deref(), Some("5"));
    }
}

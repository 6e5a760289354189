//! A learned score: a small linear model over hashed words and pairs of words says how likely an item is about
//! a topic, and which of its words speak for that. Trained by `eval::train` from labels; here it is only
//! read. It is one more weighted rule: it never decides alone unless its weight reaches the threshold.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::Document;
use crate::model::{ContentHash, Field, Timestamp, TopicId};
use crate::text::tokens::Tokens;

/// Version of the file; another one is refused.
const VERSION: u32 = 1;
/// What the file calls itself.
const FORMAT: &str = "wirewatch-model";
/// Words are hashed into so many places.
const BUCKETS: u64 = 1 << 18;
/// Words of the text that are read, behind those of the title.
const WORDS_MAX: usize = 300;
const MICRO: f64 = 1e6;
/// Most places with a weight that a file may hold.
pub const FEATURES_MAX: usize = 20_000;

/// A model as it is stored and used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinearModel {
    format: String,
    version: u32,
    /// The topic it was trained for.
    pub topic: String,
    /// When, in milliseconds since 1970.
    pub trained_ms: i64,
    /// Items it was trained on.
    pub items: usize,
    /// Those of them that are about the topic.
    pub about: usize,
    /// F1 under cross-validation at that time, at a probability of one half.
    pub f1: f64,
    bias_micro: i64,
    features: Vec<Feature>,
    check: String,
    #[serde(skip)]
    weights: HashMap<u32, f64>,
}

/// One place with its weight, and the word that it was made for. Weights are whole millionths: a number with
/// a point may not come back from JSON as it went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Feature {
    at: u32,
    weight_micro: i64,
    word: String,
}

impl Feature {
    fn weight(&self) -> f64 {
        self.weight_micro as f64 / MICRO
    }
}

/// What a model was trained on.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// The topic.
    pub topic: TopicId,
    /// When.
    pub at: Timestamp,
    /// Items.
    pub items: usize,
    /// Those about the topic.
    pub about: usize,
    /// F1 under cross-validation.
    pub f1: f64,
}

/// Why a model file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Not JSON of this kind.
    #[error("it is no model file: {0}")]
    Format(String),
    /// Written by another version.
    #[error("it has version {0}, this wirewatch reads version {VERSION}")]
    Version(u32),
    /// Made for another topic.
    #[error("it was trained for topic `{0}`")]
    Topic(String),
    /// Changed after it was written, or cut short.
    #[error("it is damaged: its check sum does not fit")]
    Damaged,
}

/// A word of an item that a model knows, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Telling {
    /// The word, or two.
    pub word: String,
    /// For the topic, or against it when negative.
    pub weight: f64,
    pub(super) field: Field,
    pub(super) at: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl LinearModel {
    /// From weights by word; the places are hashed here.
    #[must_use]
    pub fn new(training: &Training, bias: f64, words: impl IntoIterator<Item = (String, f64)>) -> Self {
        let micro = |number: f64| (number * MICRO).round() as i64;
        let feature =
            |(word, weight): (String, f64)| Feature { at: place_of(&word), weight_micro: micro(weight), word };
        let features = words.into_iter().map(feature).collect();
        let mut model = Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            topic: training.topic.to_string(),
            trained_ms: training.at.millis(),
            items: training.items,
            about: training.about,
            f1: (training.f1 * 1000.0).round() / 1000.0,
            bias_micro: micro(bias),
            features,
            check: String::new(),
            weights: HashMap::new(),
        };
        model.check = model.sum();
        model.index();
        model
    }

    /// Reads and checks a file's text.
    ///
    /// # Errors
    /// [`ModelError`] when it is none, from another version or topic, or damaged.
    pub fn parse(text: &str, topic: &TopicId) -> Result<Self, ModelError> {
        let head: Head = serde_json::from_str(text).map_err(|e| ModelError::Format(e.to_string()))?;
        if head.format != FORMAT {
            return Err(ModelError::Format(format!(
                "its format is `{}`",
                crate::text::clean::excerpt(&head.format, 40)
            )));
        }
        if head.version != VERSION {
            return Err(ModelError::Version(head.version));
        }
        let mut model: Self = serde_json::from_str(text).map_err(|e| ModelError::Format(e.to_string()))?;
        if model.check != model.sum() || model.features.len() > FEATURES_MAX {
            return Err(ModelError::Damaged);
        }
        if model.topic != topic.as_str() {
            return Err(ModelError::Topic(crate::text::clean::excerpt(&model.topic, 64)));
        }
        model.index();
        Ok(model)
    }

    /// The text of its file.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("invariant: numbers and strings are JSON")
    }

    fn index(&mut self) {
        self.weights = self.features.iter().map(|feature| (feature.at, feature.weight())).collect();
    }

    /// Over everything that decides.
    fn sum(&self) -> String {
        let mut bytes = Vec::with_capacity(self.features.len() * 16);
        bytes.extend(self.bias_micro.to_le_bytes());
        for feature in &self.features {
            bytes.extend(feature.at.to_le_bytes());
            bytes.extend(feature.weight_micro.to_le_bytes());
        }
        ContentHash::of(&[self.topic.as_bytes(), &bytes]).to_string()
    }

    /// How likely an item is about the topic, 0 to 1.
    #[must_use]
    pub fn probability(&self, document: &Document<'_>) -> f64 {
        let words = words_of(document.title_words, document.text_words);
        let places = places(words.iter().copied());
        self.probability_of(&places)
    }

    fn probability_of(&self, places: &[u32]) -> f64 {
        if places.is_empty() {
            return 0.0;
        }
        let scale = 1.0 / (places.len() as f64).sqrt();
        let sum: f64 = places.iter().filter_map(|at| self.weights.get(at)).sum();
        1.0 / (1.0 + (-(self.bias_micro as f64 / MICRO + sum * scale)).exp())
    }

    /// The words of an item that say most, for or against, strongest first.
    #[must_use]
    pub fn telling(&self, document: &Document<'_>, most: usize) -> Vec<Telling> {
        let by_place: HashMap<u32, &Feature> = self.features.iter().map(|feature| (feature.at, feature)).collect();
        let mut found: HashMap<u32, Telling> = HashMap::new();
        for (field, words, limit) in
            [(Field::Title, document.title_words, usize::MAX), (Field::Body, document.text_words, WORDS_MAX)]
        {
            let tokens: Vec<_> = words.iter().take(limit).collect();
            for at in 0..tokens.len() {
                for length in 1..=2.min(tokens.len() - at) {
                    let row = &tokens[at..at + length];
                    let text = row.iter().map(|token| token.folded).collect::<Vec<_>>().join(" ");
                    let Some(feature) = by_place.get(&place_of(&text)).filter(|feature| feature.word == text) else {
                        continue;
                    };
                    found.entry(feature.at).or_insert_with(|| Telling {
                        word: feature.word.clone(),
                        weight: feature.weight(),
                        field,
                        at,
                        start: row[0].start,
                        end: row[length - 1].end,
                    });
                }
            }
        }
        let mut telling: Vec<Telling> = found.into_values().collect();
        telling.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()).then_with(|| a.word.cmp(&b.word)));
        telling.truncate(most);
        telling
    }
}

/// Enough to tell what kind of file this is.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

/// The words of an item that a model reads.
#[must_use]
pub fn words_of<'a>(title: &'a Tokens, text: &'a Tokens) -> Vec<&'a str> {
    title.iter().chain(text.iter().take(WORDS_MAX)).map(|token| token.folded).collect()
}

/// Words and pairs of neighbours as a model knows them, each once.
#[must_use]
pub fn features_of(words: &[&str]) -> Vec<String> {
    let mut features: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    features.extend(words.windows(2).map(|pair| pair.join(" ")));
    features.sort_unstable();
    features.dedup();
    features
}

fn places<'a>(words: impl Iterator<Item = &'a str>) -> Vec<u32> {
    let mut places = Vec::new();
    let mut last: Option<u64> = None;
    for word in words {
        places.push((hash(SEED, word) % BUCKETS) as u32);
        if let Some(last) = last {
            places.push((hash(hash(last, " "), word) % BUCKETS) as u32);
        }
        last = Some(hash(SEED, word));
    }
    places.sort_unstable();
    places.dedup();
    places
}

/// The place of a word or of two with a blank between.
#[must_use]
pub fn place_of(feature: &str) -> u32 {
    (hash(SEED, feature) % BUCKETS) as u32
}

const SEED: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, 64 bits: a pair hashes like its text, so it needs no text.
fn hash(start: u64, text: &str) -> u64 {
    text.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Sample;
    use super::*;

    fn topic() -> TopicId {
        TopicId::new("storm").expect("a name")
    }

    fn model() -> LinearModel {
        let training = Training { topic: topic(), at: Timestamp::from_seconds(9), items: 40, about: 20, f1: 0.9 };
        let words = [("tidal surge", 8.0), ("flood", 6.0), ("festival", -9.123_456_7)];
        LinearModel::new(&training, -0.5, words.map(|(word, weight)| (word.to_owned(), weight)))
    }

    #[test]
    fn model_tells_items_by_their_words_and_says_which() {
        let model = model();
        let likely = |title: &str, text: &str| Sample::of(title, text).with(|document| model.probability(document));
        assert!(likely("Tidal surge expected", "A flood is near") > 0.9);
        assert!(likely("Harbour festival", "") < 0.1);
        assert!(likely("", "").abs() < 1e-9);
        let sample = Sample::of("Tidal surge", "No festival after the Flood");
        let telling = sample.with(|document| model.telling(document, 2));
        let words: Vec<_> = telling.iter().map(|t| (t.word.as_str(), t.field, t.start)).collect();
        assert_eq!(words, [("festival", Field::Body, 3), ("tidal surge", Field::Title, 0)]);
    }

    #[test]
    fn places_of_pairs_are_those_of_their_text() {
        assert_eq!(places(["a", "b"].into_iter()).len(), 3);
        assert!(places(["tidal", "surge"].into_iter()).contains(&place_of("tidal surge")));
        let names = features_of(&["tidal", "surge", "tidal"]);
        assert_eq!(names, ["surge", "surge tidal", "tidal", "tidal surge"]);
    }

    #[test]
    fn model_survives_its_file_and_a_bad_file_says_why() {
        let model = model();
        let text = model.to_text();
        assert_eq!(LinearModel::parse(&text, &topic()).expect("reads"), model);
        let other = TopicId::new("calm").expect("a name");
        assert_eq!(LinearModel::parse(&text, &other), Err(ModelError::Topic("storm".into())));
        assert_eq!(LinearModel::parse(&text.replace("8000000", "8500000"), &topic()), Err(ModelError::Damaged));
        let newer = text.replace("\"version\":1", "\"version\":2");
        assert_eq!(LinearModel::parse(&newer, &topic()), Err(ModelError::Version(2)));
        for broken in ["", "{}", "[]", &text[..text.len() / 2], &text.replace(FORMAT, "other")] {
            assert!(matches!(LinearModel::parse(broken, &topic()), Err(ModelError::Format(_))), "{broken}");
        }
    }
}

//! The labelled sets under `$WIREWATCH_SHARED/eval` to documents as the pipeline reads them: whole, cut to headline
//! and first sentence, and to the headline. Knows no pairs.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation;
use wirewatch::model::{ItemKey, Origin, RawItem, RawText, SourceId, SourceKind, Timestamp};
use wirewatch::pipeline::classify::TopicSet;
use wirewatch::pipeline::features::Features;
use wirewatch::pipeline::{Prepared, Rules, prepare};
use wirewatch::text::date;
use wirewatch::text::tokens::Tokens;

use super::Failure;
use super::data::{Corpus, Cut, Document, Set, ShortPair};

/// When the first undated document arrives.
pub const START: Timestamp = Timestamp::from_seconds(1_700_000_000);
/// First sentences shorter than this are labels and place names.
const SENTENCE_BYTES_MIN: usize = 40;

pub struct Reader {
    rules: Rules,
}

impl Reader {
    pub fn new() -> Result<Self, Failure> {
        Ok(Self { rules: Rules::of_topics(TopicSet::compile(&[], &[]).map_err(|_| "no topics, no problems")?) })
    }

    /// One set in the order of arrival, with the blocks of time that stand for folds where `blocked`.
    pub fn corpus(&self, shared: &Path, set: Set, cut: Cut, blocked: bool) -> Result<Corpus, Failure> {
        let mut items = lines(&shared.join("eval").join(set.file()))?;
        items.sort_by_key(|item| item["published"].as_str().unwrap_or_default().to_owned());
        let mut now = START;
        let mut documents = Vec::new();
        for (number, item) in items.iter().enumerate() {
            let published = item["published"].as_str().and_then(date::parse);
            now = published.map_or_else(|| now.plus(Duration::from_secs(1)), |date| date.at).max(now);
            let Some(mut prepared) = self.prepared(item, number, cut, now) else { continue };
            if matches!(set, Set::Ecb | Set::Energy) {
                // One name for all: not who published it.
                prepared.features.source = 0;
            }
            let cluster = item["cluster"].as_str().or(item["event"].as_str()).map(str::to_owned);
            let group = match set {
                Set::Ecb => item["topic"].to_string(),
                Set::Energy => number.to_string(),
                _ => cluster.clone().unwrap_or_else(|| format!("alone {number}")),
            };
            let name = item["id"].as_str().unwrap_or_default();
            documents.push(Document::new(name, prepared, now, cluster, &group));
        }
        Ok(Corpus::new(set, cut, documents, blocked))
    }

    pub fn short_pairs(&self, shared: &Path, cut: Cut) -> Result<Vec<ShortPair>, Failure> {
        let mut pairs = Vec::new();
        for pair in lines(&shared.join("eval/pairs-short.jsonl"))? {
            let later = Duration::from_secs_f64(pair["hours"].as_f64().unwrap_or(1.0) * 3600.0);
            let at = [START, START.plus(later)];
            let side = |name: &str, at: Timestamp| {
                let mut item = pair[name].clone();
                item["published"] = Value::String(at.to_string());
                self.prepared(&item, 0, cut, at).map(|prepared| prepared.features)
            };
            let (Some(a), Some(b)) = (side("a", at[0]), side("b", at[1])) else { continue };
            pairs.push(ShortPair {
                id: pair["id"].as_str().unwrap_or_default().to_owned(),
                features: [a, b],
                at,
                same: pair["same"].as_bool().unwrap_or_default(),
                across: pair["a"]["lang"] != pair["b"]["lang"],
            });
        }
        Ok(pairs)
    }

    fn prepared(&self, item: &Value, number: usize, cut: Cut, now: Timestamp) -> Option<Prepared> {
        let text = |name: &str| item[name].as_str().filter(|s| !s.is_empty()).map(|s| RawText::plain(s.to_owned()));
        let mut raw = RawItem::new(ItemKey::new(&number.to_string()));
        raw.title = text("title");
        raw.content = text("text");
        raw.summary = text("summary").filter(|_| cut == Cut::Full);
        if cut != Cut::Full {
            let whole = raw.content.take().map(|content| content.text).unwrap_or_default();
            let first = whole.unicode_sentences().map(str::trim).find(|s| s.len() >= SENTENCE_BYTES_MIN);
            raw.content = first.filter(|_| cut == Cut::Lead).map(RawText::plain);
        }
        raw.url = item["url"].as_str().map(str::to_owned);
        raw.lang = item["lang"].as_str().map(str::to_owned);
        raw.published = item["published"].as_str().and_then(date::parse);
        let source = item["source"].as_str().and_then(SourceId::slug);
        let source = source.or_else(|| SourceId::new("eval").ok())?;
        prepare(&raw, &Origin { source, kind: SourceKind::Feed, received: now }, &self.rules).ok()
    }
}

/// Names of two articles of the energy set, and whether they are one story.
pub fn energy_pairs(shared: &Path) -> Result<Vec<(String, String, bool)>, Failure> {
    let name = |pair: &Value, side: &str| pair[side].as_str().unwrap_or_default().to_owned();
    let same = |pair: &Value| pair["same_story"].as_bool().unwrap_or_default();
    let pairs = lines(&shared.join("eval/stories-energy-pairs.jsonl"))?;
    Ok(pairs.iter().map(|pair| (name(pair, "a"), name(pair, "b"), same(pair))).collect())
}

/// The five seed articles; their heads are read more simply than by the real reader.
pub fn seeds(dir: &Path) -> Result<Vec<Features>, Failure> {
    let mut paths: Vec<_> = std::fs::read_dir(dir)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|e| e == "txt"));
    paths.sort();
    let mut features = Vec::new();
    for path in &paths {
        let raw = std::fs::read_to_string(path)?;
        let mut text = raw.trim();
        let mut published_h = None;
        if let Some(rest) = text.strip_prefix("date ") {
            published_h = rest.get(..10).and_then(date::parse).map(|date| (date.at.seconds() / 3600) as i32);
            text = rest.get(10..).unwrap_or_default().trim();
        }
        let headline = text.split_once('\n').filter(|(line, _)| line.split_whitespace().count() < 20);
        let (title, body) = headline.unwrap_or(("", text));
        features.push(Features::of_text(title, &Tokens::of(title), body, &Tokens::of(body), published_h));
    }
    Ok(features)
}

fn lines(path: &Path) -> Result<Vec<Value>, Failure> {
    std::fs::read_to_string(path)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

//! Fixed inputs for measuring single stages, made from the load bed's language: documents, their items,
//! rules with so many topics, and items prepared by them. The same on every machine.

use wirewatch::model::{Origin, RawItem, Severity, SourceId, SourceKind, Timestamp, TopicId};
use wirewatch::pipeline::classify::{TermConfig, TopicConfig, TopicSet};
use wirewatch::pipeline::{Prepared, Rules, prepare};
use wirewatch::source::feed::reading::parse;
use wirewatch::source::feed::{FeedContext, IdentifiedBy};
use wirewatch::source::{Limits, ParsedDocument};

use crate::documents::{self, Feed};
use crate::words::Language;

/// When all of it happened.
pub fn now() -> Timestamp {
    Timestamp::from_seconds(1_750_000_000)
}

/// The document of a feed with 50 items.
pub fn document(language: &Language, number: usize) -> String {
    let begins = now().minus(std::time::Duration::from_secs(100 * 3600));
    documents::render(language, Feed { number, items: 50, newest: 49, begins })
}

/// Reads a document as `visit` does.
pub fn read(text: &str) -> ParsedDocument {
    let context = FeedContext {
        base_url: None,
        content_type: None,
        trust: IdentifiedBy::Guid,
        limits: &Limits::SHIPPED,
        received: now(),
    };
    parse::parse(text.as_bytes(), &context).expect("a sound document")
}

/// Where the items of a feed come from.
pub fn origin(number: usize) -> Origin {
    let source = SourceId::new(&format!("f{number}")).expect("a valid name");
    Origin { source, kind: SourceKind::Feed, received: now() }
}

/// Items of so many feeds, with their origins.
pub fn items(language: &Language, feeds: usize) -> Vec<(Origin, RawItem)> {
    let of = |number| read(&document(language, number)).items.into_iter().map(move |raw| (origin(number), raw));
    (0..feeds).flat_map(of).collect()
}

/// Rules with so many topics of three queries each, of words of middling frequency.
pub fn rules(language: &Language, topics: usize) -> Rules {
    let word = |topic: usize, nth: usize| language.word(300 + (topic * 7 + nth * 1009) % 4000);
    let term = |id: &str, query: String, weight: f64| TermConfig { id: id.to_owned(), query, weight, severity: None };
    let topic = |topic: usize| TopicConfig {
        id: TopicId::new(&format!("t{topic}")).expect("a valid name"),
        label: format!("Topic {topic}"),
        severity: Severity::Medium,
        severity_bands: Vec::new(),
        threshold: 5.0,
        title_boost: 1.5,
        lead_boost: 1.2,
        repeat_bonus: 0.25,
        terms: vec![
            term("phrase", format!("\"{} {}\"", word(topic, 0), word(topic, 1)), 5.0),
            term("near", format!("{} NEAR/5 {}", word(topic, 2), word(topic, 3)), 4.0),
            term("both", format!("{} AND {}", word(topic, 4), word(topic, 5)), 5.0),
        ],
        require: Vec::new(),
        exclude: Vec::new(),
        languages: Vec::new(),
        sources: Vec::new(),
        model_weight: None,
    };
    let topics: Vec<TopicConfig> = (0..topics).map(topic).collect();
    Rules::of_topics(TopicSet::compile(&topics, &[]).expect("sound queries"))
}

/// Items as `decide` gets them.
pub fn prepared(items: &[(Origin, RawItem)], rules: &Rules) -> Vec<Prepared> {
    items.iter().map(|(origin, raw)| prepare(raw, origin, rules).expect("readable")).collect()
}

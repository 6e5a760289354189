//! Silences: what fits one is stored as an alert and shown, and nobody is told. From the config or given
//! by hand; either way the same matchers.

use std::time::Duration;

use crate::model::{SourceId, StoryId, Timestamp, TopicId};
use crate::text::tokens::Tokens;

/// A silence that does not say when it ends ends so long after it began: one that is forgotten must not keep
/// alerts from people for good.
pub const SILENCE_LASTS: Duration = Duration::from_hours(7 * 24);

/// One silence: everything that is given must fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Its name, stored with what it silenced.
    pub id: String,
    /// These topics; empty: any.
    pub topics: Vec<TopicId>,
    /// These sources; empty: any.
    pub sources: Vec<SourceId>,
    /// This story.
    pub story: Option<StoryId>,
    /// These words, one after the other, in the title.
    pub text: Option<String>,
    /// From then on; `None`: at once.
    pub starts: Option<Timestamp>,
    /// Until then; `None`: for good.
    pub ends: Option<Timestamp>,
}

/// What a silence looks at.
#[derive(Debug, Clone, Copy)]
pub struct Loud<'a> {
    /// The topic that hit.
    pub topic: &'a TopicId,
    /// Where the item came from.
    pub source: &'a SourceId,
    /// Its story.
    pub story: StoryId,
    /// Its headline.
    pub title: &'a str,
}

impl Silence {
    /// Whether it holds at a time.
    #[must_use]
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.starts.is_none_or(|starts| starts <= now) && self.ends.is_none_or(|ends| now < ends)
    }

    /// Whether an alert falls under it. `resolve` gives the story that an id stands for today: a silence
    /// follows its story into the one it went up in.
    #[must_use]
    pub fn covers(&self, alert: &Loud<'_>, resolve: impl Fn(StoryId) -> StoryId, now: Timestamp) -> bool {
        self.holds_at(now)
            && (self.topics.is_empty() || self.topics.contains(alert.topic))
            && (self.sources.is_empty() || self.sources.contains(alert.source))
            && self.story.is_none_or(|story| resolve(story) == alert.story)
            && self.text.as_deref().is_none_or(|words| has_words(alert.title, words))
    }
}

/// Whether the words stand in the text one after the other, whatever their case and accents.
fn has_words(text: &str, words: &str) -> bool {
    let (text, words) = (Tokens::of(text), Tokens::of(words));
    let folded = |tokens: &Tokens| -> Vec<String> { tokens.iter().map(|t| t.folded.to_owned()).collect() };
    let (text, words) = (folded(&text), folded(&words));
    !words.is_empty() && text.windows(words.len()).any(|window| window == words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silence() -> Silence {
        Silence {
            id: "s".to_owned(),
            topics: Vec::new(),
            sources: Vec::new(),
            story: None,
            text: None,
            starts: None,
            ends: None,
        }
    }

    #[test]
    fn silence_covers_only_what_fits_everything_given() {
        let (topic, other) = (TopicId::new("storms").expect("a name"), TopicId::new("ports").expect("a name"));
        let (source, story) = (SourceId::new("gazette").expect("a name"), StoryId::from_i64(7));
        let loud = Loud { topic: &topic, source: &source, story, title: "Tempête sur le Vieux-Port" };
        let now = Timestamp::from_seconds(100);
        let cases = [
            (silence(), true),
            (Silence { topics: vec![topic.clone()], ..silence() }, true),
            (Silence { topics: vec![other], ..silence() }, false),
            (Silence { sources: vec![source.clone()], ..silence() }, true),
            (Silence { story: Some(StoryId::from_i64(8)), ..silence() }, false),
            (Silence { text: Some("TEMPETE sur".to_owned()), ..silence() }, true),
            (Silence { text: Some("pet".to_owned()), ..silence() }, false),
            (Silence { text: Some("  ".to_owned()), ..silence() }, false),
            (Silence { starts: Some(Timestamp::from_seconds(101)), ..silence() }, false),
            (Silence { ends: Some(now), ..silence() }, false),
            (Silence { starts: Some(now), ends: Some(Timestamp::from_seconds(101)), ..silence() }, true),
        ];
        for (silence, covers) in cases {
            assert_eq!(silence.covers(&loud, |story| story, now), covers, "{silence:?}");
        }
        let merged = |story: StoryId| if story == StoryId::from_i64(8) { StoryId::from_i64(7) } else { story };
        for (named, covers) in [(7, true), (8, true), (9, false)] {
            let silence = Silence { story: Some(StoryId::from_i64(named)), ..silence() };
            assert_eq!(silence.covers(&loud, merged, now), covers, "story {named}");
        }
    }
}

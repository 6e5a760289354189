//! The decision for people: which stories an item was held against, how near each came, what spoke for
//! and against it, and why it won or lost. Uses what `decide` uses and changes nothing.

use serde::Serialize;

use super::facts::{Difference, Separation};
use super::features::Features;
use super::ledger::Ledger;
use super::memory::{Bar, Candidate, Outcome, Placement, Recognised, Related};
use super::story::decision::{self, Model};
use super::story::words::spell;
use crate::model::{ItemId, StoryId, Timestamp, TopicId};
use crate::text::tokens::Tokens;

/// Shared words that are named.
const SHARED_WORDS_MAX: usize = 12;

/// What became of a story that was considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The item joined it.
    Joined,
    /// It and the joined one turned out to be one story.
    Merged,
    /// Near enough, but another one was nearer.
    Outscored,
    /// Not near enough.
    BelowThreshold,
    /// Near enough, but too few terms are shared to trust that.
    TooFewShared,
    /// Near enough by its words, but it says something else: another place, actor, number of a series.
    Different,
    /// Near enough, but the story opened too long before: what follows an event is another.
    TooLate,
    /// Near enough, but the item repeats a known text and goes where that is.
    CopyElsewhere,
}

/// One story that was considered.
#[derive(Debug, Clone, Serialize)]
pub struct Considered {
    /// Which.
    pub story: StoryId,
    /// What became of it.
    pub standing: Standing,
    /// Log-odds of belonging to it.
    pub score: f32,
    /// The same as a number between 0 and 1.
    pub likelihood: f32,
    /// Members compared.
    pub compared: usize,
    /// The nearest of them.
    pub nearest: ItemId,
    /// Log-odds with that one alone.
    pub nearest_score: f32,
    /// What each view of the two brought, in log-odds against an average pair.
    pub effects: Vec<Effect>,
    /// What the two say that cannot both be said of one event: `place: PE / CL`.
    pub differences: Vec<String>,
    /// Log-odds that these took.
    pub toll: f32,
    /// Both are of one source, whose template they fill with different things.
    pub fills_template: bool,
    /// Log-odds that it was given because the item goes on counting the victims at one place.
    pub count_bonus: f32,
    /// Log-odds that the story asks for beyond the threshold because of how much it holds.
    pub size_toll: f32,
    /// Telling words that it shares with the nearest, as the item writes them.
    pub shared: Vec<String>,
}

/// What one view of two items brought to their score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Effect {
    /// Headline, names, numbers and so on.
    pub view: &'static str,
    /// Log-odds more, or less, than if this view were that of an average pair.
    pub effect: f32,
}

/// A known text that the item repeats.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Repeats {
    /// The item that came first.
    pub of: ItemId,
    /// Share of the shorter text that is in the longer one.
    pub overlap: f32,
    /// How the headlines compare.
    pub headlines: &'static str,
}

/// A story of another language that may be of the same event.
#[derive(Debug, Clone, Serialize)]
pub struct ForeignStory {
    /// Which.
    pub story: StoryId,
    /// Its member that says most of the same.
    pub nearest: ItemId,
    /// Log-odds of being one event.
    pub score: f32,
    /// Whether that is enough to be one story, where `[memory] languages = "together"`.
    pub sure: bool,
    /// What both say.
    pub shared: Vec<String>,
    /// What tells the two apart, if anything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_apart_by: Option<String>,
}

impl ForeignStory {
    fn of(related: &Related) -> Self {
        Self {
            story: related.story,
            nearest: related.nearest,
            score: related.score,
            sure: related.joins,
            shared: related.shared.iter().map(|fact| fact.spell()).collect(),
            kept_apart_by: related.kept_apart_by.map(|difference| difference.spell()),
        }
    }
}

/// A story on a topic of the item that tells of the same event, though its words are too far from it.
#[derive(Debug, Clone, Serialize)]
pub struct RecognisedStory {
    /// Which.
    pub story: StoryId,
    /// Its member that says most of the same.
    pub nearest: ItemId,
    /// Log-odds of being one event, by what both say.
    pub score: f32,
    /// Log-odds needed.
    pub threshold: f32,
    /// What both say.
    pub shared: Vec<String>,
}

impl RecognisedStory {
    fn of(found: &Recognised) -> Self {
        let Recognised { story, nearest, score, threshold, ref shared } = *found;
        Self { story, nearest, score, threshold, shared: shared.iter().map(|fact| fact.spell()).collect() }
    }
}

/// Everything that was considered.
#[derive(Debug, Clone, Serialize)]
pub struct Consideration {
    /// The story it goes to, if it is none of its own.
    pub joins: Option<StoryId>,
    /// Log-odds needed.
    pub threshold: f32,
    /// The text it repeats.
    pub copy: Option<Repeats>,
    /// The nearest stories, nearest first.
    pub stories: Vec<Considered>,
    /// Where no story was near enough by its words: the one on a topic of the item that it joins by what both say.
    pub recognised: Option<RecognisedStory>,
    /// Stories of other languages that may be of the same event, the likeliest first.
    pub related: Vec<ForeignStory>,
}

/// The words that people see.
#[derive(Debug, Clone, Copy)]
pub struct Wording<'a> {
    /// Headline.
    pub title: &'a str,
    /// Body.
    pub text: &'a str,
}

impl Ledger {
    /// What `decide` would consider for an item that comes now; `hits` are the topics it is on.
    #[must_use]
    pub fn consider(
        &mut self,
        item: ItemId,
        features: &Features,
        wording: Wording<'_>,
        hits: &[TopicId],
        now: Timestamp,
    ) -> Consideration {
        self.memory.advance(now);
        let model = self.memory.model();
        let copy = self.memory.nearest(features);
        let placement = self.memory.place(item, features);
        let copy_story = copy.as_ref().map(|copy| self.resolve(copy.story));
        let recognised = match placement.outcome {
            Outcome::Open(_) if copy.is_none() => self.recognise(features, |topic| hits.contains(topic), now),
            _ => None,
        };
        let joins = copy_story.or(match placement.outcome {
            Outcome::Join(story) => Some(self.resolve(story)),
            Outcome::Open(_) => recognised.as_ref().map(|found| found.story),
        });
        let stories = placement.candidates.iter().map(|candidate| {
            let standing = standing(candidate, &placement, copy_story, model.join);
            considered(candidate, standing, wording, model)
        });
        Consideration {
            joins,
            threshold: model.join,
            copy: copy.as_ref().map(|copy| Repeats {
                of: copy.item,
                overlap: copy.overlap.containment,
                headlines: copy.headlines.as_str(),
            }),
            stories: stories.collect(),
            recognised: recognised.as_ref().map(RecognisedStory::of),
            related: placement.related.iter().map(ForeignStory::of).collect(),
        }
    }
}

fn standing(candidate: &Candidate, placement: &Placement, copy_story: Option<StoryId>, join: f32) -> Standing {
    let joined = placement.outcome == Outcome::Join(candidate.story);
    match copy_story {
        Some(story) if story == candidate.story => Standing::Joined,
        Some(_) if joined => Standing::CopyElsewhere,
        None if joined => Standing::Joined,
        _ if placement.merged == Some(candidate.story) => Standing::Merged,
        _ if candidate.score < join && candidate.score + candidate.toll >= join => Standing::Different,
        _ if candidate.score < join => Standing::BelowThreshold,
        _ if candidate.bar == Some(Bar::Span) => Standing::TooLate,
        _ if !candidate.shares_enough() => Standing::TooFewShared,
        _ => Standing::Outscored,
    }
}

fn considered(candidate: &Candidate, standing: Standing, wording: Wording<'_>, model: &Model) -> Considered {
    let effects = model.effects(&candidate.signals);
    Considered {
        story: candidate.story,
        standing,
        score: candidate.score,
        likelihood: decision::likelihood(candidate.score),
        compared: candidate.compared,
        nearest: candidate.nearest,
        nearest_score: model.pair(&candidate.signals),
        effects: effects.into_iter().map(|(view, effect)| Effect { view, effect }).collect(),
        differences: candidate
            .differences
            .iter()
            .filter(|d| d.separation == Separation::Clear)
            .map(Difference::spell)
            .collect(),
        toll: candidate.toll,
        fills_template: candidate.fills_template,
        count_bonus: candidate.count_bonus,
        size_toll: decision::mass(candidate.members),
        shared: shared_words(wording, &candidate.shared),
    }
}

/// The words behind terms, in the order of the terms, as the headline or else the body writes them.
#[must_use]
pub fn shared_words(wording: Wording<'_>, terms: &[u32]) -> Vec<String> {
    let whole = format!("{}\n{}", wording.title, wording.text);
    let mut words = spell(&whole, &Tokens::of(&whole), terms);
    words.truncate(SHARED_WORDS_MAX);
    words
}

/// Terms that two items share, those most telling to the first one first.
#[must_use]
pub fn shared_terms(ours: &Features, theirs: &Features) -> Vec<u32> {
    let hashes = ours.profile.terms.iter().map(|term| term.hash);
    hashes.filter(|hash| theirs.profile.terms.iter().any(|term| term.hash == *hash)).collect()
}

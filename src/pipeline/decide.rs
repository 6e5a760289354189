//! The serial half of the decision: is this item known, a copy, part of a story, or news; and does
//! somebody hear of it. Deterministic: the same items in the same order with the same times give the
//! same decisions, today or in a replay. Returns data; `store.apply` makes it durable.

use crate::model::{ItemId, RelatedStory, StoryId, Timestamp, TopicId};

use super::Rules;
use super::ledger::{Known, Ledger, Remembered, StoryState};
use super::memory::{Outcome, Placement, Recognised};
use super::prepare::Prepared;
use super::raise::{Cause, Raised, RaisedAlert, Withheld, raise_alerts};
use super::story::signals::Query;
use super::told::{Listener, Told};

/// How close a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SightingLevel {
    /// Same link or same text.
    Exact,
    /// Nearly the same text.
    Near,
}

impl SightingLevel {
    /// The stored and printed name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Near => "near",
        }
    }
}

/// What an item turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Seen before, same text.
    Unchanged,
    /// News: it opened or joined a story.
    New {
        /// The story.
        story: StoryId,
        /// Whether it opened it.
        opened: bool,
    },
    /// A known item whose text changed.
    Revision {
        /// Its story.
        story: StoryId,
        /// Counted from 1.
        revision: u32,
    },
    /// A further appearance of a known item.
    Sighting {
        /// That item.
        of: ItemId,
        /// Its story.
        story: StoryId,
        /// How close.
        level: SightingLevel,
        /// Share of text in common, 0 to 1.
        overlap: f32,
        /// This appearance was counted before; only its text changed.
        again: bool,
    },
}

/// What is to be written for one item.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The item.
    pub prepared: Prepared,
    /// What it turned out to be.
    pub verdict: Verdict,
    /// Who is told what.
    pub alerts: Vec<RaisedAlert>,
    /// How the story stands: goes up in what was not sent of it yet, and is nothing by itself.
    pub refreshed: Vec<RaisedAlert>,
    /// How those that heard something stand with the story now.
    pub told: Vec<(Listener, Told)>,
    /// Why nobody is told of a topic that it hits.
    pub withheld: Option<Withheld>,
    /// Stories that turned out to be one: `(from, into)`.
    pub merges: Vec<(StoryId, StoryId)>,
    /// What spoke for the place of a new item; `None` where nothing was near.
    pub grounds: Option<Grounds>,
    /// The item was counted as a copy in this story before, and is an item of its own now.
    pub promoted: Option<(StoryId, SightingLevel)>,
}

/// What a new item is nearest to, whether it joined its story or not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grounds {
    /// The nearest member of the nearest story.
    pub nearest: ItemId,
    /// Log-odds of belonging to that story; `None`: it has the same text as `nearest`.
    pub score: Option<f32>,
}

impl Decision {
    fn of(prepared: Prepared, verdict: Verdict, raised: Raised) -> Self {
        let Raised { alerts, refreshed, told, withheld } = raised;
        Self { prepared, verdict, alerts, refreshed, told, withheld, merges: Vec::new(), grounds: None, promoted: None }
    }

    /// The story it is in.
    #[must_use]
    pub fn story(&self) -> Option<StoryId> {
        match self.verdict {
            Verdict::Unchanged => None,
            Verdict::New { story, .. } | Verdict::Revision { story, .. } | Verdict::Sighting { story, .. } => {
                Some(story)
            }
        }
    }
}

/// Decides on one item and remembers it.
pub fn decide(prepared: Prepared, ledger: &mut Ledger, rules: &Rules, now: Timestamp) -> Decision {
    let id = prepared.item.id;
    let text = prepared.item.version.short();
    match ledger.known(id) {
        Some(known) if known.text == text => Decision::of(prepared, Verdict::Unchanged, Raised::default()),
        Some(known) if known.of == id => revise(prepared, known, ledger, rules, now),
        before => place(prepared, before, ledger, rules, now),
    }
}

/// A known item whose text changed stays where it is; only a topic it did not hit before is news.
fn revise(prepared: Prepared, known: Known, ledger: &mut Ledger, rules: &Rules, now: Timestamp) -> Decision {
    let story = ledger.resolve(known.story);
    let revision = known.revision + 1;
    ledger.revise(prepared.item.id, prepared.item.version, revision);
    let cause = Cause { revision: Some(revision), ..Cause::of(&prepared, story, now) };
    let raised = raise_alerts(&cause, ledger, rules);
    Decision::of(prepared, Verdict::Revision { story, revision }, raised)
}

/// Finds the place of an item that is new, or of a copy that was edited: `before` is what it was then.
fn place(prepared: Prepared, before: Option<Known>, ledger: &mut Ledger, rules: &Rules, now: Timestamp) -> Decision {
    ledger.memory.advance(now);
    let placement = ledger.memory.place(prepared.item.id, &prepared.features);
    let copy = find_copy(&prepared, &placement, ledger);
    let related = saga(&placement, ledger);
    let joined = match (copy, placement.outcome) {
        // A copy that hits a topic its story did not is news for that topic: it is kept as an item.
        (Some(copy), _) if !brings_topic(&prepared, copy.story, ledger) => {
            return sight(prepared, copy, before, ledger, rules, now);
        }
        (Some(copy), _) => {
            let grounds = Some(Grounds { nearest: copy.of, score: None });
            Joined { story: copy.story, opened: false, merged: None, grounds, before, related }
        }
        (None, outcome) => {
            let best = placement.candidates.first();
            let grounds = best.map(|c| Grounds { nearest: c.nearest, score: Some(c.score) });
            match outcome {
                Outcome::Join(story) => {
                    let story = ledger.resolve(story);
                    Joined { story, opened: false, merged: placement.merged, grounds, before, related }
                }
                Outcome::Open(own) => {
                    let recognised = recognise(&prepared, ledger, now);
                    let opened = recognised.is_none();
                    let story = recognised.as_ref().map_or(own, |found| found.story);
                    let found = recognised.map(|found| Grounds { nearest: found.nearest, score: Some(found.score) });
                    Joined { story, opened, merged: None, grounds: found.or(grounds), before, related }
                }
            }
        }
    };
    add(prepared, (joined, placement.query.as_ref()), ledger, rules, now)
}

/// The story on a topic of an item that tells of the same event, where its words alone found none.
fn recognise(prepared: &Prepared, ledger: &Ledger, now: Timestamp) -> Option<Recognised> {
    let hits = |topic: &TopicId| prepared.matches.iter().any(|matched| matched.topic == *topic);
    (!prepared.matches.is_empty()).then(|| ledger.recognise(&prepared.features, hits, now))?
}

/// Other stories of the saga that an item belongs to, by name.
fn saga(placement: &Placement, ledger: &Ledger) -> Vec<RelatedStory> {
    let mut found: Vec<RelatedStory> = Vec::new();
    for story in placement.saga(ledger.memory.model().join) {
        let id = ledger.resolve(story);
        if let Some(state) = ledger.story(id).filter(|_| found.iter().all(|known| known.id != id)) {
            found.push(RelatedStory { id, title: state.title.to_string() });
        }
    }
    found
}

/// Where an item goes.
struct Joined {
    story: StoryId,
    opened: bool,
    /// A story that turned out to be this one.
    merged: Option<StoryId>,
    grounds: Option<Grounds>,
    /// What the item was when it was seen before.
    before: Option<Known>,
    /// Other stories of the saga.
    related: Vec<RelatedStory>,
}

/// A known item that a new one is a copy of.
#[derive(Debug, Clone, Copy)]
struct DuplicateOf {
    of: ItemId,
    story: StoryId,
    level: SightingLevel,
    overlap: f32,
}

fn find_copy(prepared: &Prepared, placement: &Placement, ledger: &Ledger) -> Option<DuplicateOf> {
    let near = ledger.memory.nearest(&prepared.features);
    let share = near.as_ref().map_or(0.0, |near| near.overlap.containment);
    let copy = |of: ItemId, level, overlap| {
        let known = ledger.known(of)?;
        Some(DuplicateOf { of, story: ledger.resolve(known.story), level, overlap })
    };
    if let Some(of) = ledger.same_text(prepared.item.text_hash, text_bytes(prepared), &prepared.features) {
        return copy(of, SightingLevel::Exact, 1.0);
    }
    let of = prepared.item.url.as_deref().and_then(|url| ledger.same_link(url));
    if let Some((of, linked)) = of.and_then(|of| Some((of, copy(of, SightingLevel::Exact, share)?))) {
        // A link alone proves little: some feeds link every item to one page. The text must agree.
        let same_text = near.as_ref().is_some_and(|near| near.item == of);
        let same_story = matches!(placement.outcome, Outcome::Join(story) if ledger.resolve(story) == linked.story);
        if same_text || same_story {
            return Some(linked);
        }
    }
    copy(near?.item, SightingLevel::Near, share)
}

/// Bytes of title and text: what `same text` must have enough of.
fn text_bytes(prepared: &Prepared) -> u64 {
    (prepared.item.title.len() + prepared.item.text.len()) as u64
}

fn brings_topic(prepared: &Prepared, story: StoryId, ledger: &Ledger) -> bool {
    let Some(state) = ledger.story(story) else { return !prepared.matches.is_empty() };
    prepared.matches.iter().any(|m| !state.has_topic(&m.topic))
}

fn sight(
    prepared: Prepared,
    copy: DuplicateOf,
    before: Option<Known>,
    ledger: &mut Ledger,
    rules: &Rules,
    now: Timestamp,
) -> Decision {
    let DuplicateOf { of, story, level, overlap } = copy;
    let (item, again) = (&prepared.item, before.is_some());
    let text = item.version.short();
    // A copy that was edited stays the copy it was counted as: only its text is another now.
    let first = Known { text, of, story, revision: 0, copy: Some(level) };
    ledger.recall_known(item.id, before.map_or(first, |before| Known { text, ..before }), now);
    if let Some(url) = item.url.as_ref().filter(|_| !again) {
        ledger.recall_link(url, of);
    }
    if !again && let Some(state) = ledger.stories.get_mut(&story) {
        match level {
            SightingLevel::Exact => state.sightings_exact += 1,
            SightingLevel::Near => state.sightings_near += 1,
        }
        state.last_seen = state.last_seen.max(now);
        item.outlet.iter().for_each(|outlet| state.add_outlet(outlet));
    }
    let raised = raise_alerts(&Cause { duplicate: true, ..Cause::of(&prepared, story, now) }, ledger, rules);
    Decision::of(prepared, Verdict::Sighting { of, story, level, overlap, again }, raised)
}

/// Stories that this item shows to be one: the older id stays, the other redirects to it.
fn merge(gone: Option<StoryId>, story: StoryId, ledger: &mut Ledger) -> Vec<(StoryId, StoryId)> {
    let Some(gone) = gone.map(|gone| ledger.resolve(gone)).filter(|gone| *gone != story) else { return Vec::new() };
    ledger.merge(gone, story);
    vec![(gone, story)]
}

/// An item finds its place in a story, new or known.
fn add(
    prepared: Prepared,
    (to, placed): (Joined, Option<&Query>),
    ledger: &mut Ledger,
    rules: &Rules,
    now: Timestamp,
) -> Decision {
    let Joined { story, opened, merged, grounds, before, mut related } = to;
    related.retain(|other| other.id != story);
    let merges = merge(merged, story, ledger);
    let promoted = before.and_then(|known| promote(known, ledger));
    let state = ledger
        .stories
        .entry(story)
        .or_insert_with(|| StoryState::opened(prepared.item.headline().into_owned(), now).into());
    state.items += 1;
    state.last_seen = state.last_seen.max(now);
    prepared.item.outlet.iter().for_each(|outlet| state.add_outlet(outlet));
    state.add_language(prepared.item.lang);
    ledger.remember(&Remembered {
        id: prepared.item.id,
        story,
        at: now,
        text_hash: prepared.item.text_hash,
        text_bytes: text_bytes(&prepared),
        url: prepared.item.url.as_deref(),
        features: &prepared.features,
        placed,
    });
    ledger.revise(prepared.item.id, prepared.item.version, 0);
    let cause = Cause { related: &related, ..Cause::of(&prepared, story, now) };
    let raised = raise_alerts(&cause, ledger, rules);
    Decision { merges, grounds, promoted, ..Decision::of(prepared, Verdict::New { story, opened }, raised) }
}

/// A copy becomes an item: it counts as that from now on, and no longer as a copy.
fn promote(known: Known, ledger: &mut Ledger) -> Option<(StoryId, SightingLevel)> {
    let (story, level) = (ledger.resolve(known.story), known.copy?);
    if let Some(state) = ledger.stories.get_mut(&story) {
        let count = match level {
            SightingLevel::Exact => &mut state.sightings_exact,
            SightingLevel::Near => &mut state.sightings_near,
        };
        *count = count.saturating_sub(1);
    }
    Some((story, level))
}

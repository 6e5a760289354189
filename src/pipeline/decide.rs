//! The serial half of the decision: is this item known, a copy, part of a story, or news; and does
//! somebody hear of it. Deterministic: the same items in the same order with the same times give the
//! same decisions, today or in a replay. Returns data; `store.apply` makes it durable.

use crate::model::{
    AlertDraft, AlertId, AlertKind, AlertReason, AlertTopic, ItemId, Match, Severity, StoryId, Timestamp, TopicId,
};

use super::Rules;
use super::alert::{AlertPayload, EndpointAlert, Loud, Offer, PayloadInput, Route, Silence};
use super::ledger::{Known, Ledger, Remembered, StoryState, TopicState};
use super::memory::{Outcome, Placement};
use super::prepare::Prepared;

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

/// One alert, ready for the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct RaisedAlert {
    /// The decision.
    pub draft: AlertDraft,
    /// The standard payload; the store gives it its numbers.
    pub payload: AlertPayload,
    /// The silence it falls under; nobody gets it then.
    pub silenced_by: Option<String>,
    /// Who gets it, and how.
    pub endpoints: Vec<EndpointAlert>,
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
    fn of(prepared: Prepared, verdict: Verdict, alerts: Vec<RaisedAlert>) -> Self {
        Self { prepared, verdict, alerts, merges: Vec::new(), grounds: None, promoted: None }
    }
}

/// Decides on one item and remembers it.
pub fn decide(prepared: Prepared, ledger: &mut Ledger, rules: &Rules, now: Timestamp) -> Decision {
    let id = prepared.item.id;
    let text = prepared.item.version.short();
    match ledger.known(id) {
        Some(known) if known.text == text => Decision::of(prepared, Verdict::Unchanged, Vec::new()),
        Some(known) if known.of == id => revise(prepared, known, ledger, rules, now),
        before => place(prepared, before, ledger, rules, now),
    }
}

/// A known item whose text changed stays where it is; only a topic it did not hit before is news.
fn revise(prepared: Prepared, known: Known, ledger: &mut Ledger, rules: &Rules, now: Timestamp) -> Decision {
    let story = ledger.resolve(known.story);
    let revision = known.revision + 1;
    ledger.revise(prepared.item.id, prepared.item.version, revision);
    let cause = Cause { prepared: &prepared, story, revision: Some(revision), now };
    let alerts = raise_alerts(&cause, ledger, rules);
    Decision::of(prepared, Verdict::Revision { story, revision }, alerts)
}

/// Finds the place of an item that is new, or of a copy that was edited: `before` is what it was then.
fn place(prepared: Prepared, before: Option<Known>, ledger: &mut Ledger, rules: &Rules, now: Timestamp) -> Decision {
    ledger.memory.advance(now);
    let placement = ledger.memory.place(prepared.item.id, &prepared.features);
    let copy = find_copy(&prepared, &placement, ledger);
    let joined = match (copy, placement.outcome) {
        // A copy that hits a topic its story did not is news for that topic: it is kept as an item.
        (Some(copy), _) if !brings_topic(&prepared, copy.story, ledger) => {
            return sight(prepared, copy, before, ledger, rules, now);
        }
        (Some(copy), _) => {
            let grounds = Some(Grounds { nearest: copy.of, score: None });
            Joined { story: copy.story, opened: false, merged: None, grounds, before }
        }
        (None, outcome) => {
            let best = placement.candidates.first();
            let grounds = best.map(|c| Grounds { nearest: c.nearest, score: Some(c.score) });
            let (story, opened) = match outcome {
                Outcome::Join(story) => (ledger.resolve(story), false),
                Outcome::Open(story) => (story, true),
            };
            Joined { story, opened, merged: placement.merged, grounds, before }
        }
    };
    add(prepared, &joined, ledger, rules, now)
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
    let alerts = raise_alerts(&Cause { prepared: &prepared, story, revision: None, now }, ledger, rules);
    Decision::of(prepared, Verdict::Sighting { of, story, level, overlap, again }, alerts)
}

/// Stories that this item shows to be one: the older id stays, the other redirects to it.
fn merge(gone: Option<StoryId>, story: StoryId, ledger: &mut Ledger) -> Vec<(StoryId, StoryId)> {
    let Some(gone) = gone.map(|gone| ledger.resolve(gone)).filter(|gone| *gone != story) else { return Vec::new() };
    ledger.merge(gone, story);
    vec![(gone, story)]
}

/// An item finds its place in a story, new or known.
fn add(prepared: Prepared, to: &Joined, ledger: &mut Ledger, rules: &Rules, now: Timestamp) -> Decision {
    let Joined { story, opened, merged, grounds, before } = *to;
    let merges = merge(merged, story, ledger);
    let promoted = before.and_then(|known| promote(known, ledger));
    let state =
        ledger.stories.entry(story).or_insert_with(|| StoryState::opened(prepared.item.headline().into_owned(), now));
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
    });
    ledger.revise(prepared.item.id, prepared.item.version, 0);
    let alerts = raise_alerts(&Cause { prepared: &prepared, story, revision: None, now }, ledger, rules);
    Decision { prepared, verdict: Verdict::New { story, opened }, alerts, merges, grounds, promoted }
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

/// What may give rise to alerts.
struct Cause<'a> {
    prepared: &'a Prepared,
    story: StoryId,
    revision: Option<u32>,
    now: Timestamp,
}

/// Raises what the story has to say after this item: topics nobody was told of, or growth.
fn raise_alerts(cause: &Cause<'_>, ledger: &mut Ledger, rules: &Rules) -> Vec<RaisedAlert> {
    let Some(state) = ledger.stories.get_mut(&cause.story) else { return Vec::new() };
    let item = &cause.prepared.item;
    let steps = rules.alert.steps_passed(state.outlets.len());
    let told_before = state.topics.iter().any(|t| t.told);
    let mut new: Vec<TopicId> = Vec::new();
    for matched in &cause.prepared.matches {
        let topic = state.topic_entry(matched);
        if !topic.told && !item.quiet {
            (topic.told, topic.steps) = (true, steps);
            new.push(matched.topic.clone());
        }
    }
    let grown = told_before && state.topics.iter().any(|t| t.told && t.steps < steps);
    let (kind, reason) = match (cause.revision, told_before) {
        _ if item.quiet => return Vec::new(),
        _ if new.is_empty() && !grown => return Vec::new(),
        _ if new.is_empty() => (AlertKind::StoryUpdated, AlertReason::Growth),
        (Some(_), _) => (AlertKind::StoryUpdated, AlertReason::Revision),
        (None, true) => (AlertKind::StoryUpdated, AlertReason::Topic),
        (None, false) => (AlertKind::Matched, AlertReason::First),
    };
    state.topics.iter_mut().filter(|t| t.told).for_each(|t| t.steps = steps);
    let mut topics: Vec<AlertTopic> = state
        .topics
        .iter()
        .filter(|t| t.told)
        .map(|t| AlertTopic { matched: t.as_match(&cause.prepared.matches), new: new.contains(&t.topic) })
        .collect();
    topics.sort_by(|a, b| b.matched.score.cmp(&a.matched.score).then_with(|| a.matched.topic.cmp(&b.matched.topic)));
    let draft = AlertDraft {
        id: alert_id(cause, &ledger.instance, &topics, reason, steps),
        kind,
        reason,
        severity: topics.iter().map(|t| t.matched.severity).max().unwrap_or(Severity::Medium),
        at: cause.now,
        topics,
        item: item.id,
        story: state.summary(cause.story),
        previous: None,
        news: Vec::new(),
        grown_by: Vec::new(),
    };
    let silenced_by = silence(&draft, cause, ledger, rules);
    vec![routed(draft, silenced_by, cause, rules)]
}

fn alert_id(cause: &Cause<'_>, instance: &str, topics: &[AlertTopic], reason: AlertReason, steps: usize) -> AlertId {
    let item = &cause.prepared.item;
    let revision = cause.revision.unwrap_or(0).to_le_bytes();
    let steps = (if reason == AlertReason::Growth { steps as u64 } else { 0 }).to_le_bytes();
    let mut parts = vec![
        instance.as_bytes(),
        item.source.as_str().as_bytes(),
        item.key.as_str().as_bytes(),
        &revision,
        reason.as_str().as_bytes(),
        &steps,
    ];
    parts.extend(topics.iter().filter(|t| t.new).map(|t| t.matched.topic.as_str().as_bytes()));
    AlertId::derive(&parts)
}

/// The name of a silence that an alert falls under.
fn silence(draft: &AlertDraft, cause: &Cause<'_>, ledger: &Ledger, rules: &Rules) -> Option<String> {
    let item = &cause.prepared.item;
    let title = item.headline();
    let resolve = |story| ledger.resolve(story);
    let covers = |silence: &&Silence| {
        draft.topics.iter().all(|topic| {
            let topic = &topic.matched.topic;
            silence.covers(&Loud { topic, source: &item.source, story: cause.story, title: &title }, resolve, cause.now)
        })
    };
    rules.alert.silences.iter().chain(&ledger.silences).find(covers).map(|silence| silence.id.clone())
}

fn routed(draft: AlertDraft, silenced_by: Option<String>, cause: &Cause<'_>, rules: &Rules) -> RaisedAlert {
    let item = &cause.prepared.item;
    let labels: Vec<&str> = draft.topics.iter().map(|topic| rules.alert.label(&topic.matched.topic)).collect();
    let payload = AlertPayload::of(&PayloadInput { alert: &draft, item, labels: &labels });
    let as_first = || {
        let first = AlertDraft { kind: AlertKind::Matched, reason: AlertReason::First, ..draft.clone() };
        AlertPayload::of(&PayloadInput { alert: &first, item, labels: &labels })
    };
    let takes = |route: &&Route| draft.topics.iter().any(|t| route.refusal(&Offer::of(&t.matched, item)).is_none());
    let taking = rules.alert.routes.iter().filter(|_| silenced_by.is_none()).filter(takes);
    let endpoints = taking.map(|route| route.outgoing(&draft, as_first)).collect();
    RaisedAlert { draft, payload, silenced_by, endpoints }
}

impl StoryState {
    /// The state of a topic, made on its first hit and raised to its best score.
    fn topic_entry(&mut self, matched: &Match) -> &mut TopicState {
        let topic = self.topic_mut(&matched.topic, matched.threshold, matched.severity);
        if matched.score > topic.score {
            topic.score = matched.score;
            topic.threshold = matched.threshold;
            topic.severity = matched.severity;
        }
        topic
    }
}

impl TopicState {
    /// What an alert says of a topic: the story's best, with the evidence of the item that raised the alert.
    fn as_match(&self, matches: &[Match]) -> Match {
        let own = matches.iter().find(|matched| matched.topic == self.topic);
        Match {
            topic: self.topic.clone(),
            score: self.score,
            threshold: self.threshold,
            severity: self.severity,
            evidence: own.map(|matched| matched.evidence.clone()).unwrap_or_default(),
        }
    }
}

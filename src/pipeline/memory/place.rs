//! Which story an item belongs to: candidates by shared telling terms, each story judged by its
//! nearest member and by all that are compared, the best one joined if it is near enough.

use std::borrow::Cow;

use super::chains::PER_KEY_MAX;
use super::{ALONE, Languages, Memory, Related, Slot, telling, term_key};
use crate::model::{ItemId, StoryId};
use crate::pipeline::facts::{
    Aspect, Difference, ItemFacts, Separation, differences, fills_template, goes_on_counting,
};
use crate::pipeline::features::Features;
use crate::pipeline::story::decision;
use crate::pipeline::story::rarity::Weighted;
use crate::pipeline::story::signals::{Facts, Query, RAREST, SAME_SOURCE, SIGNALS};

/// Remembered items looked at while gathering candidates.
const POSTINGS_MAX: usize = 96;
/// Terms looked up: an item is filed under its four most telling ones, and finds others by more.
const PROBES_MAX: usize = 32;
/// So many at a time; what is read beyond [`POSTINGS_MAX`] is left.
const PROBES_AT_ONCE: usize = 8;
/// Items taken from those, by the weight of what they share.
const CANDIDATES_MAX: usize = 24;
/// Stories compared in full.
const STORIES_MAX: usize = 8;
/// Members compared per story: the first ones say what it began as, the last what it is now.
const MEMBERS_FIRST: usize = 4;
const MEMBERS_LAST: usize = 8;
/// Stories reported beside the best, and tried for a merge.
const RUNNERS_UP: usize = 3;
/// How far below the merge threshold an item's own score may be for its two stories to be compared.
const MERGE_SLACK: f32 = 1.0;
/// What differences can take at most.
const TOLL_MAX: f32 = 5.0;
/// What another thing in the template of one source takes: more than equal words bring.
const TEMPLATE_TOLL: f32 = 9.0;
/// What a rising count of victims at one place brings: an outlet that goes on reporting says it in other words.
const COUNT_BONUS: f32 = 4.0;
/// Terms an item needs to join anything: one-word items join by accident.
const TERMS_MIN: usize = 3;
/// Terms it must share with the nearest member, see [`Candidate::shares_enough`].
const SHARED_MIN: usize = 2;
/// What two places of the gazetteer come to at most.
const PLACES_IDF: f32 = 8.5;

/// One story that was considered.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Which.
    pub story: StoryId,
    /// Its member nearest to the item.
    pub nearest: ItemId,
    /// Log-odds of belonging; joined at the model's threshold or more.
    pub score: f32,
    /// Members it has.
    pub members: usize,
    /// Members compared.
    pub compared: usize,
    /// Signals with the nearest member.
    pub signals: [f32; SIGNALS],
    /// Terms shared with the nearest member, weightiest first.
    pub shared: Vec<u32>,
    /// What it and the nearest member say that cannot both be said of one event; looked at where the words are near.
    pub differences: Vec<Difference>,
    /// What these have taken from the score.
    pub toll: f32,
    /// What it was given because the item goes on counting the victims that the nearest member counts.
    pub count_bonus: f32,
    /// Whether the differences fill the template of one source.
    pub fills_template: bool,
    /// What keeps the item out of it, however near it is.
    pub bar: Option<Bar>,
}

impl Candidate {
    /// Whether the item shares enough with the nearest member to trust the score: three terms, or two of which one
    /// at least is no country or capital.
    #[must_use]
    pub fn shares_enough(&self) -> bool {
        share_enough(self.shared.len(), &self.signals)
    }
}

/// A story under judgement: what a [`Candidate`] is made of, where it is one of the best.
struct Judged {
    /// The member by which it was found, and its first one.
    slot: Slot,
    first: Slot,
    nearest: Slot,
    members: usize,
    compared: usize,
    score: f32,
    signals: [f32; SIGNALS],
    /// How many terms are shared.
    shared: usize,
    differences: Vec<Difference>,
    toll: f32,
    count_bonus: f32,
    fills_template: bool,
    bar: Option<Bar>,
}

/// See [`Candidate::shares_enough`].
fn share_enough(shared: usize, signals: &[f32; SIGNALS]) -> bool {
    let rarest = RAREST.iter().map(|signal| signals[*signal]).sum::<f32>() * 10.0;
    shared > SHARED_MIN || shared == SHARED_MIN && rarest > PLACES_IDF
}

/// What keeps an item out of a story that resembles it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bar {
    /// The story opened too long before: an event is over by then, and what follows is another.
    Span,
}

/// What happens to the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It belongs to the first candidate.
    Join(StoryId),
    /// It opens a story.
    Open(StoryId),
}

/// The decision with its grounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// Joined or opened.
    pub outcome: Outcome,
    /// Story that turned out to be one with the joined one: the older id is in `outcome`, this one goes.
    pub merged: Option<StoryId>,
    /// Stories considered, best first.
    pub candidates: Vec<Candidate>,
    /// Stories of other languages that may be of the same event, likeliest first.
    pub related: Vec<Related>,
    /// The item as it was compared; `None` where it was compared with nothing.
    pub query: Option<Query>,
}

impl Placement {
    /// The story the item is in.
    #[must_use]
    pub fn story(&self) -> StoryId {
        match self.outcome {
            Outcome::Join(story) | Outcome::Open(story) => story,
        }
    }
}

impl Placement {
    /// Stories of the same saga: what it would have joined, had they not opened too long before or said something
    /// else, and those of other languages that are near.
    #[must_use]
    pub fn saga(&self, join: f32) -> Vec<StoryId> {
        let near = |candidate: &&Candidate| candidate.shares_enough() && candidate.score + candidate.toll >= join;
        let late = |candidate: &&Candidate| candidate.bar == Some(Bar::Span);
        let candidates = || self.candidates.iter().filter(near);
        let own = candidates().filter(late).chain(candidates().filter(|c| !late(c) && c.toll > 0.0));
        let mut found = Vec::new();
        for story in own.map(|candidate| candidate.story).chain(self.related.iter().map(|related| related.story)) {
            if story != self.story() && self.merged != Some(story) && !found.contains(&story) {
                found.push(story);
            }
        }
        found.truncate(RUNNERS_UP);
        found
    }
}

impl Memory {
    /// Finds the story of an item that is no copy of a known one.
    #[must_use]
    pub fn place(&self, item: ItemId, features: &Features) -> Placement {
        let (mut judged, mut query) = (Vec::new(), None);
        // A live blog or a list of the week tells many events: it reports none that others could join.
        if features.profile.terms.len() >= TERMS_MIN && !features.roundup {
            let query = query.insert(self.query(features));
            judged = self.judge(query, features.facts.lang);
            let near = self.model.join - COUNT_BONUS;
            for story in judged.iter_mut().filter(|story| story.score >= near) {
                self.weigh_differences(&features.facts, story);
            }
            judged.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.first.cmp(&b.first)));
        }
        let joins = |story: &Judged| {
            story.bar.is_none() && story.score >= self.model.join && share_enough(story.shared, &story.signals)
        };
        let (outcome, merged) = match judged.iter().position(joins) {
            Some(best) => self.join_and_merge(&judged[best], &judged[best + 1..]),
            None => (Outcome::Open(StoryId::opened_by(item)), None),
        };
        let related = self.related(features);
        let (outcome, merged) = self.across(outcome, merged, &judged, &related);
        let candidates = query.as_ref().map_or_else(Vec::new, |query| {
            judged.into_iter().take(1 + RUNNERS_UP).map(|story| self.candidate(query, story)).collect()
        });
        Placement { outcome, merged, candidates, related, query }
    }

    /// Joins the best story; the next best becomes one with it if all members agree. The older id stays.
    fn join_and_merge(&self, best: &Judged, others: &[Judged]) -> (Outcome, Option<StoryId>) {
        let story = self.story_at(best.slot);
        for other in others.iter().take(RUNNERS_UP).filter(|other| other.score >= self.model.merge - MERGE_SLACK) {
            let (ours, theirs) = (self.records.get(best.first), self.records.get(other.first));
            let other_story = self.story_at(other.slot);
            let apart = other.bar.is_some()
                || self.groups.are_apart(story, other_story)
                || self.beyond_span(ours.facts(), theirs.facts());
            if apart {
                continue;
            }
            let taken = toll(&differences(&ours.said(), &theirs.said()));
            if self.likeness(best.first, other.first) - taken >= self.model.merge {
                let (keep, gone) = if best.first < other.first { (story, other_story) } else { (other_story, story) };
                return (Outcome::Join(keep), Some(gone));
            }
        }
        (Outcome::Join(story), None)
    }

    /// The story of a remembered item.
    fn story_at(&self, slot: Slot) -> StoryId {
        self.groups.story_of(&self.records.get(slot))
    }

    /// The story of another language that the item proves to be of the same event: it joins that, or the
    /// two stories become one, the older id staying.
    fn across(
        &self,
        outcome: Outcome,
        merged: Option<StoryId>,
        judged: &[Judged],
        related: &[Related],
    ) -> (Outcome, Option<StoryId>) {
        let sure = related.iter().find(|related| related.joins);
        let Some(sure) = sure.filter(|_| self.config.languages == Languages::Together && merged.is_none()) else {
            return (outcome, merged);
        };
        match outcome {
            Outcome::Open(_) => (Outcome::Join(sure.story), None),
            Outcome::Join(story) if story == sure.story || self.groups.are_apart(story, sure.story) => (outcome, None),
            Outcome::Join(story) => match judged.iter().find(|known| self.story_at(known.slot) == story) {
                Some(known) if known.first < sure.first => (outcome, Some(sure.story)),
                Some(_) => (Outcome::Join(sure.story), Some(story)),
                None => (outcome, None),
            },
        }
    }

    /// Mean log-odds over pairs of members of two stories, each given by its first member.
    fn likeness(&self, a: Slot, b: Slot) -> f32 {
        let (a_record, b_record) = (self.records.get(a), self.records.get(b));
        let (a, b) = (self.groups.members(&a, &a_record), self.groups.members(&b, &b_record));
        let sizes = a.len() + b.len();
        let (a, b) = (sampled(a), sampled(b));
        let mut sum = 0.0;
        let mut pairs = 0.0;
        for slot in a {
            let record = self.records.get(slot);
            let terms = record.terms().map(|term| (term, self.rarity.idf(term.hash()))).collect();
            let query = Query::new(terms, record.facts());
            for other in b.clone() {
                let other = self.records.get(other);
                if other.lang() != record.lang() {
                    continue;
                }
                sum += self.model.pair(&query.signals(other.terms(), other.facts()));
                pairs += 1.0;
            }
        }
        sum / pairs - decision::mass(sizes)
    }

    /// Scores the stories of the item's language that share telling terms with it, each with its first member. Names
    /// alone, which other languages share, are no measure of that: those are asked by what they say.
    fn judge(&self, query: &Query, lang: u8) -> Vec<Judged> {
        let mut stories: Vec<(u32, Slot)> = Vec::with_capacity(STORIES_MAX);
        let mut judged = Vec::with_capacity(STORIES_MAX);
        for slot in self.gather(query) {
            let record = self.records.get(slot);
            if record.is_roundup() || (lang != 0 && record.lang() != 0 && record.lang() != lang) {
                continue;
            }
            let group = record.group();
            let known = |(g, s): &(u32, Slot)| if group == ALONE { *s == slot } else { *g == group };
            if stories.iter().any(known) {
                continue;
            }
            stories.push((group, slot));
            judged.push(self.judge_story(query, slot));
            if judged.len() == STORIES_MAX {
                break;
            }
        }
        judged
    }

    fn judge_story(&self, query: &Query, slot: Slot) -> Judged {
        let record = self.records.get(slot);
        let members = self.groups.members(&slot, &record);
        let mut scores = [0.0; MEMBERS_FIRST + MEMBERS_LAST];
        let mut compared = 0;
        let mut nearest = (f32::NEG_INFINITY, slot, [0.0; SIGNALS]);
        // Members of another language share no words: they would only speak against it.
        let lang = |slot: Slot| self.records.get(slot).lang();
        let of_lang = |member: &Slot| lang(*member) == lang(slot);
        let own = if members.iter().all(of_lang) {
            Cow::Borrowed(members)
        } else {
            members.iter().copied().filter(of_lang).collect()
        };
        for member in sampled(&own) {
            let other = self.records.get(member);
            let signals = query.signals(other.terms(), other.facts());
            let score = self.model.pair(&signals);
            if score > nearest.0 {
                nearest = (score, member, signals);
            }
            scores[compared] = score;
            compared += 1;
        }
        let first = members.first().copied().unwrap_or(slot);
        Judged {
            slot,
            first,
            nearest: nearest.1,
            members: members.len(),
            compared,
            score: decision::story(&scores[..compared], members.len()),
            signals: nearest.2,
            shared: self.shared(query, nearest.1).count(),
            differences: Vec::new(),
            toll: 0.0,
            count_bonus: 0.0,
            fills_template: false,
            bar: self.beyond_span(query.facts(), self.records.get(first).facts()).then_some(Bar::Span),
        }
    }

    /// The terms that an item shares with a remembered one.
    fn shared(&self, query: &Query, slot: Slot) -> impl Iterator<Item = u32> {
        self.records.get(slot).terms().map(Weighted::hash).filter(|term| query.find(*term).is_some())
    }

    fn candidate(&self, query: &Query, judged: Judged) -> Candidate {
        Candidate {
            story: self.story_at(judged.slot),
            nearest: self.records.get(judged.nearest).item(),
            score: judged.score,
            members: judged.members,
            compared: judged.compared,
            signals: judged.signals,
            shared: self.shared(query, judged.nearest).collect(),
            differences: judged.differences,
            toll: judged.toll,
            count_bonus: judged.count_bonus,
            fills_template: judged.fills_template,
            bar: judged.bar,
        }
    }

    /// Takes from a story's score what clearly tells the item and the nearest member apart, however alike their
    /// words are.
    fn weigh_differences(&self, facts: &ItemFacts, story: &mut Judged) {
        let said = self.records.get(story.nearest).said();
        story.differences = differences(facts, &said);
        let one_source = story.signals[SAME_SOURCE] > 0.0;
        story.fills_template = one_source && fills_template(facts, &said, &story.differences);
        story.toll = if story.fills_template { TEMPLATE_TOLL } else { toll(&story.differences) };
        if goes_on_counting(facts, &said, &story.differences) {
            story.count_bonus = COUNT_BONUS;
        }
        story.score += story.count_bonus - story.toll;
    }

    /// Whether two items are too far apart in time to report one event.
    pub(super) fn beyond_span(&self, a: Facts, b: Facts) -> bool {
        let hours = match (a.published_h, b.published_h) {
            (Some(a), Some(b)) => a.abs_diff(b),
            // A date and an arrival say nothing about each other: an old article can arrive today.
            _ => a.arrived_h.abs_diff(b.arrived_h),
        };
        u64::from(hours) * 3600 > self.config.story_span.as_secs()
    }

    /// Items that share the item's telling terms, those that share the weightiest first.
    fn gather(&self, query: &Query) -> Vec<Slot> {
        let mut found: Vec<(Slot, f32)> = Vec::with_capacity(POSTINGS_MAX + PER_KEY_MAX);
        let mut postings = Vec::with_capacity(PROBES_AT_ONCE * PER_KEY_MAX);
        let probes = telling(query, PROBES_MAX);
        for probes in probes.chunks(PROBES_AT_ONCE) {
            let keys: Vec<u32> = probes.iter().map(|(term, _)| term_key(*term)).collect();
            postings.clear();
            self.by_term.find_each(&keys, &mut postings);
            for postings in postings.chunk_by(|a, b| a.0 == b.0) {
                if found.len() < POSTINGS_MAX {
                    found.extend(postings.iter().map(|(probe, slot)| (*slot, probes[*probe].1)));
                }
            }
            if found.len() >= POSTINGS_MAX {
                break;
            }
        }
        found.sort_unstable_by_key(|(slot, _)| *slot);
        let mut summed: Vec<(Slot, f32)> = Vec::new();
        for (slot, idf) in found {
            match summed.last_mut() {
                Some(last) if last.0 == slot => last.1 += idf,
                _ => summed.push((slot, idf)),
            }
        }
        summed.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
        summed.into_iter().take(CANDIDATES_MAX).map(|(slot, _)| slot).collect()
    }
}

/// Log-odds that clear differences take from an item's likeness to a story: how much rarer each is between reports of
/// one event than between others, on the labelled sets.
fn toll(differences: &[Difference]) -> f32 {
    let clear = differences.iter().filter(|difference| difference.separation == Separation::Clear);
    clear.map(|difference| toll_of(difference.aspect)).sum::<f32>().min(TOLL_MAX)
}

fn toll_of(aspect: Aspect) -> f32 {
    match aspect {
        Aspect::Identifier => 3.0,
        Aspect::Place | Aspect::Actor | Aspect::Nth => 2.5,
        Aspect::Quantity => 1.5,
        Aspect::Date => 1.0,
        Aspect::Polarity => 0.5,
        // Words and names are views of their own, and round-ups join nothing anyway.
        Aspect::Name | Aspect::Stage | Aspect::Genre | Aspect::Wording => 0.0,
    }
}

/// The members that speak for a story.
pub(super) fn sampled(members: &[Slot]) -> impl Iterator<Item = Slot> + Clone + '_ {
    let first = members.len().min(MEMBERS_FIRST);
    let last = first.max(members.len().saturating_sub(MEMBERS_LAST));
    members[..first].iter().chain(&members[last..]).copied()
}

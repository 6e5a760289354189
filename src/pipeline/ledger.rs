//! What is known of the recent stream and what was said about it: which items and links were seen, how
//! each story stands, who was told. Holds the [`Memory`] of texts and stories. Rebuilt from the store at
//! start, in arrival order; never queries anything.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use smallvec::SmallVec;
use thin_vec::ThinVec;

use crate::model::{
    ContentHash, ItemId, Lang, Outlet, Score, Severity, SourceHealth, SourceId, StoryId, StorySummary, Timestamp,
    TopicId,
};

use super::alert::Silence;
use super::decide::SightingLevel;
use super::features::Features;
use super::memory::{Memory, MemoryConfig, Recognised};
use super::story::signals::Query;
use super::told::{Listener, Told, add};

/// What is known of an item that was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Short hash of its version: another one means it was edited.
    pub text: u64,
    /// Itself, or the item it is a copy of.
    pub of: ItemId,
    /// The story of that item, before redirects.
    pub story: StoryId,
    /// How often it was edited.
    pub revision: u32,
    /// How close a copy it is; `None` for an item of its own.
    pub copy: Option<SightingLevel>,
}

/// What is known of a story. There are very many, and the common one has one outlet, one language and no topic: no
/// allocation for each of these, and eight bytes for a list that is empty.
#[derive(Debug, Clone, PartialEq)]
pub struct StoryState {
    /// Headline of the item that opened it.
    pub title: Box<str>,
    /// When that item was seen.
    pub first_seen: Timestamp,
    /// When its latest item was seen.
    pub last_seen: Timestamp,
    /// Items in it.
    pub items: u64,
    /// Outlets in order of appearance, copies included.
    pub outlets: SmallVec<[Outlet; 1]>,
    /// Languages of its items, in order of appearance.
    pub languages: SmallVec<[Lang; 4]>,
    /// Stories that went up in it, by their ids.
    pub merged_from: ThinVec<StoryId>,
    /// Exact copies.
    pub sightings_exact: u64,
    /// Near copies.
    pub sightings_near: u64,
    /// Topics hit by any of its items.
    pub topics: ThinVec<TopicState>,
    /// When the latest item that hit one was seen.
    pub on_topic_at: Timestamp,
    /// What each listener was told of it.
    pub(super) told: ThinVec<(Listener, Told)>,
}

/// What is known of one topic of one story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicState {
    /// The topic.
    pub topic: TopicId,
    /// Best score so far.
    pub score: Score,
    /// Threshold at that time.
    pub threshold: Score,
    /// Severity at that time.
    pub severity: Severity,
    /// Outlets whose own items hit it, by name.
    pub outlets: Vec<Outlet>,
}

/// Texts shorter than this are not the same just because they are equal: "Live updates" is many items.
const EXACT_TEXT_BYTES_MIN: u64 = 40;
/// And so many words: what is no word makes no difference to the hash, whatever there is of it.
const EXACT_TEXT_WORDS_MIN: u32 = 4;

/// Where a sixteenth more is known than there is room for, it is forgotten at once.
const CROWDED_SHARE: usize = 16;

/// An item that has its place, as it is remembered now and recalled at start.
#[derive(Debug, Clone, Copy)]
pub struct Remembered<'a> {
    /// The item.
    pub id: ItemId,
    /// Its story.
    pub story: StoryId,
    /// When it was seen.
    pub at: Timestamp,
    /// Hash of its first text.
    pub text_hash: ContentHash,
    /// Bytes of its first title and text.
    pub text_bytes: u64,
    /// Its canonical link.
    pub url: Option<&'a str>,
    /// What it is compared by.
    pub features: &'a Features,
    /// How it was compared, where it was placed just now.
    pub placed: Option<&'a Query>,
}

/// Stories that were on a topic within this time are looked at again for an item on it.
const RECOGNISED_WITHIN: Duration = Duration::from_secs(36 * 3600);

/// Everything `decide` knows.
#[derive(Debug)]
pub struct Ledger {
    /// Part of every alert id.
    pub instance: String,
    /// The last sequence number given to an alert.
    pub sequence: u64,
    /// How each polled source stands, and what was said of it.
    pub sources: HashMap<SourceId, SourceHealth>,
    /// Silences given by hand that hold now; whoever drives the decision keeps them fresh.
    pub silences: Vec<Silence>,
    /// The changes to silences that these stand for, as the store counts them; `None`: none were read yet.
    pub silences_count: Option<i64>,
    /// With the time each was last heard of.
    pub(super) known: HashMap<ItemId, (Known, Timestamp)>,
    pub(super) exact: HashMap<u64, ItemId>,
    pub(super) memory: Memory,
    /// Each by itself: a table of such entries would be half empty, and twice there while it grows.
    pub(super) stories: HashMap<StoryId, Box<StoryState>>,
    pub(super) redirects: HashMap<StoryId, StoryId>,
    /// Stories that hit a topic, by when they did last.
    pub(super) on_topic: BTreeSet<(Timestamp, StoryId)>,
    pub(super) arrivals: VecDeque<(Timestamp, ItemId)>,
}

impl Ledger {
    /// An empty ledger of an instance.
    #[must_use]
    pub fn new(instance: &str, config: MemoryConfig) -> Self {
        Self {
            instance: instance.to_owned(),
            sequence: 0,
            sources: HashMap::new(),
            silences: Vec::new(),
            silences_count: None,
            known: HashMap::new(),
            exact: HashMap::new(),
            memory: Memory::new(config),
            stories: HashMap::new(),
            redirects: HashMap::new(),
            on_topic: BTreeSet::new(),
            arrivals: VecDeque::new(),
        }
    }

    /// Whether an item was seen, as far as this ledger reaches.
    #[must_use]
    pub fn known(&self, id: ItemId) -> Option<Known> {
        self.known.get(&id).map(|(known, _)| *known)
    }

    /// Remembers that an id is known: an item older than the window, or a copy.
    pub fn recall_known(&mut self, id: ItemId, known: Known, at: Timestamp) {
        self.known.insert(id, (known, at));
        self.arrivals.push_back((at, id));
    }

    /// Remembers that a link leads to an item. The latest item is kept: it is the last to be forgotten.
    pub fn recall_link(&mut self, url: &str, of: ItemId) {
        if self.known.contains_key(&of) {
            self.exact.insert(link_key(url), of);
        }
    }

    /// Remembers an item that has its place. The same calls in the same order, today or at start, give
    /// the same ledger.
    pub fn remember(&mut self, item: &Remembered<'_>) {
        let known = Known { text: item.text_hash.short(), of: item.id, story: item.story, revision: 0, copy: None };
        self.recall_known(item.id, known, item.at);
        if let Some(key) = text_key(item.text_hash, item.text_bytes, item.features) {
            self.exact.insert(key, item.id);
        }
        if let Some(url) = item.url {
            self.recall_link(url, item.id);
        }
        self.memory.insert_placed(item.id, item.story, item.features, item.at, item.placed);
    }

    /// Notes the version and revision a known item has now.
    pub fn revise(&mut self, id: ItemId, version: ContentHash, revision: u32) {
        if let Some((known, _)) = self.known.get_mut(&id) {
            known.text = version.short();
            known.revision = revision;
        }
    }

    /// Notes the version a known item or copy has in the store; when it was heard of stays.
    pub fn recall_version(&mut self, id: ItemId, now: Known) {
        if let Some((known, _)) = self.known.get_mut(&id) {
            *known = now;
        }
    }

    /// Makes two stories one; `gone` redirects to `keep` from now on.
    pub(super) fn merge(&mut self, gone: StoryId, keep: StoryId) {
        if let (Some(state), Some(kept)) = (self.stories.remove(&gone), self.stories.get_mut(&keep)) {
            self.on_topic.remove(&(state.on_topic_at, gone));
            let before = kept.on_topic_at;
            kept.absorb(*state);
            kept.add_merged(gone);
            self.note_on_topic(keep, before);
        }
        self.redirects.insert(gone, keep);
        self.memory.merge(keep, gone);
    }

    /// People said that these items, and the copies of them, are a story of their own: they leave `from`,
    /// and the two stay two. How both stand then is recalled from the store.
    pub fn split(&mut self, items: &[ItemId], from: StoryId, into: StoryId) {
        for (known, _) in self.known.values_mut().filter(|(known, _)| items.contains(&known.of)) {
            known.story = into;
        }
        self.memory.assign(items, into);
        self.memory.keep_apart(from, into);
    }

    /// People said that two stories are one: `gone` redirects to `keep`.
    pub fn unite(&mut self, gone: StoryId, keep: StoryId) {
        self.merge(gone, keep);
    }

    /// Recalls that two stories were split by hand; merges since then have renamed them.
    pub fn recall_split(&mut self, a: StoryId, b: StoryId) {
        let (a, b) = (self.resolve(a), self.resolve(b));
        if a != b {
            self.memory.keep_apart(a, b);
        }
    }

    /// Whether more stories are known than there is room for the items of. Some more, since forgetting goes through all of them.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        let room = self.memory.items_max();
        self.stories.len() > room + room / CROWDED_SHARE
    }

    /// Forgets what was seen before a time, and what there was no room for; the store still knows it by id.
    pub fn expire(&mut self, before: Timestamp) {
        let before = before.max(self.memory.crowded_out_before().unwrap_or(before));
        let mut gone = std::collections::HashSet::new();
        while let Some(&(at, id)) = self.arrivals.front() {
            if at >= before {
                break;
            }
            self.arrivals.pop_front();
            // Heard of again since: a copy that became an item of its own, say.
            if self.known.get(&id).is_some_and(|&(_, heard)| heard < before) {
                self.known.remove(&id);
                gone.insert(id);
            }
        }
        if gone.is_empty() {
            return;
        }
        self.exact.retain(|_, id| !gone.contains(id));
        self.stories.retain(|_, story| story.last_seen >= before);
        self.on_topic.retain(|(_, story)| self.stories.contains_key(story));
        // A redirect can lead to a story that itself went up in another.
        let stale: Vec<StoryId> =
            self.redirects.keys().copied().filter(|from| !self.stories.contains_key(&self.resolve(*from))).collect();
        for from in stale {
            self.redirects.remove(&from);
        }
    }

    pub(super) fn same_text(&self, hash: ContentHash, text_bytes: u64, features: &Features) -> Option<ItemId> {
        text_key(hash, text_bytes, features).and_then(|key| self.exact.get(&key)).copied()
    }

    pub(super) fn same_link(&self, url: &str) -> Option<ItemId> {
        self.exact.get(&link_key(url)).copied()
    }

    /// Recalls the states of stories. At start, when there are none, they are taken over as they are: a second
    /// table of a hundred thousand would be the most that the process ever holds.
    pub fn recall_stories(&mut self, stories: HashMap<StoryId, Box<StoryState>>) {
        for id in stories.keys() {
            if let Some(known) = self.stories.get(id) {
                self.on_topic.remove(&(known.on_topic_at, *id));
            }
        }
        let on_topic = stories.iter().filter(|(_, state)| !state.topics.is_empty());
        self.on_topic.extend(on_topic.map(|(id, state)| (state.on_topic_at, *id)));
        if self.stories.is_empty() {
            self.stories = stories;
        } else {
            self.stories.extend(stories);
        }
    }

    /// Files a story under the time at which it hit a topic last; `before`: what it was filed under.
    pub(super) fn note_on_topic(&mut self, story: StoryId, before: Timestamp) {
        let Some(state) = self.stories.get(&story).filter(|state| !state.topics.is_empty()) else { return };
        self.on_topic.remove(&(before, story));
        self.on_topic.insert((state.on_topic_at, story));
    }

    /// The story on a topic of an item that no story took in which tells of the same event after all.
    #[must_use]
    pub fn recognise(
        &self,
        features: &Features,
        hits: impl Fn(&TopicId) -> bool,
        now: Timestamp,
    ) -> Option<Recognised> {
        let from = (now.minus(RECOGNISED_WITHIN), StoryId::from_i64(0));
        let lately = self.on_topic.range(from..).rev().map(|(_, story)| *story);
        let on_topic = |story: &StoryId| {
            self.stories.get(story).is_some_and(|state| state.topics.iter().any(|topic| hits(&topic.topic)))
        };
        self.memory.recognise(features, lately.filter(on_topic))
    }

    /// Recalls that a story went up in another.
    pub fn recall_merge(&mut self, from: StoryId, into: StoryId) {
        self.redirects.insert(from, into);
    }

    /// Stories went up in others since what this was taken from, in whatever order: their members are those of the
    /// stories that are left, whose states are recalled from the store.
    pub fn recall_merges_since(&mut self, merges: impl IntoIterator<Item = (StoryId, StoryId)>) {
        let new: Vec<(StoryId, StoryId)> =
            merges.into_iter().filter(|(from, into)| self.redirects.get(from) != Some(into)).collect();
        self.redirects.extend(new.iter().copied());
        for (gone, _) in new {
            self.stories.remove(&gone);
            self.memory.merge(self.resolve(gone), gone);
        }
    }

    /// The story an id stands for today: merges redirect.
    #[must_use]
    pub fn resolve(&self, mut story: StoryId) -> StoryId {
        // A redirect always points at an older story, so a chain ends; the bound only guards a damaged store.
        for _ in 0..64 {
            match self.redirects.get(&story) {
                Some(&into) => story = into,
                None => break,
            }
        }
        story
    }

    /// The state of a story.
    #[must_use]
    pub fn story(&self, id: StoryId) -> Option<&StoryState> {
        self.stories.get(&self.resolve(id)).map(Box::as_ref)
    }

    /// Items and copies known by id.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Texts that are remembered.
    #[must_use]
    pub fn memory_len(&self) -> usize {
        self.memory.len()
    }

    /// Bytes that the memory of texts and stories holds.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.memory.bytes()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

fn text_key(hash: ContentHash, text_bytes: u64, features: &Features) -> Option<u64> {
    let enough = text_bytes >= EXACT_TEXT_BYTES_MIN && features.profile.words >= EXACT_TEXT_WORDS_MIN;
    enough.then(|| hash.short())
}

fn link_key(url: &str) -> u64 {
    ContentHash::of(&[b"url", url.as_bytes()]).short()
}

impl StoryState {
    /// A story that an item opens.
    #[must_use]
    pub fn opened(title: String, at: Timestamp) -> Self {
        Self {
            title: title.into_boxed_str(),
            first_seen: at,
            last_seen: at,
            items: 0,
            outlets: SmallVec::new(),
            languages: SmallVec::new(),
            merged_from: ThinVec::new(),
            sightings_exact: 0,
            sightings_near: 0,
            topics: ThinVec::new(),
            on_topic_at: at,
            told: ThinVec::new(),
        }
    }

    /// What a listener was told of it.
    #[must_use]
    pub fn told(&self, listener: &Listener) -> Option<&Told> {
        let at = self.told.binary_search_by(|(known, _)| known.cmp(listener)).ok()?;
        Some(&self.told[at].1)
    }

    /// Whether nobody was told of it yet.
    pub(super) fn is_untold(&self) -> bool {
        self.told.is_empty()
    }

    /// Notes what a listener was told of it.
    pub fn tell(&mut self, listener: &Listener, told: Told) {
        match self.told.binary_search_by(|(known, _)| known.cmp(listener)) {
            Ok(at) => self.told[at].1 = told,
            Err(at) => self.told.insert(at, (listener.clone(), told)),
        }
    }

    /// Counts an outlet once.
    pub fn add_outlet(&mut self, outlet: &Outlet) {
        if !self.outlets.contains(outlet) {
            self.outlets.push(outlet.clone());
        }
    }

    /// Notes the language of an item, where it is known.
    pub fn add_language(&mut self, lang: Option<Lang>) {
        if let Some(lang) = lang.filter(|lang| !self.languages.contains(lang)) {
            self.languages.push(lang);
        }
    }

    /// Notes a story that went up in this one.
    pub fn add_merged(&mut self, from: StoryId) {
        if let Err(at) = self.merged_from.binary_search(&from) {
            self.merged_from.insert(at, from);
        }
    }

    /// The state of a topic, made where it is not there. They stand in the order of their names, however
    /// they came: what is recalled says its alerts in the same order as what was never forgotten.
    pub fn topic_mut(&mut self, topic: &TopicId, threshold: Score, severity: Severity) -> &mut TopicState {
        let at = self.topics.binary_search_by(|known| known.topic.cmp(topic)).unwrap_or_else(|at| {
            let topic = topic.clone();
            let new = TopicState { topic, score: Score::ZERO, threshold, severity, outlets: Vec::new() };
            self.topics.insert(at, new);
            at
        });
        &mut self.topics[at]
    }

    /// Recalls that an outlet's own items hit a topic.
    pub fn recall_topic_outlet(&mut self, topic: &TopicId, outlet: Outlet) {
        if let Ok(at) = self.topics.binary_search_by(|known| known.topic.cmp(topic)) {
            add(&mut self.topics[at].outlets, [outlet]);
        }
    }

    /// Whether any of its items hit a topic.
    #[must_use]
    pub fn has_topic(&self, topic: &TopicId) -> bool {
        self.topics.iter().any(|t| t.topic == *topic)
    }

    /// What an alert says about it now.
    #[must_use]
    pub fn summary(&self, id: StoryId) -> StorySummary {
        StorySummary {
            id,
            title: self.title.to_string(),
            first_seen: self.first_seen,
            items: self.items,
            outlets: self.outlets.iter().map(|s| s.as_str().to_owned()).collect(),
            languages: self.languages.to_vec(),
            sightings_exact: self.sightings_exact,
            sightings_near: self.sightings_near,
            related: Vec::new(),
            merged_from: self.merged_from.to_vec(),
        }
    }

    /// Takes in another story that turned out to be the same.
    fn absorb(&mut self, other: Self) {
        self.items += other.items;
        self.sightings_exact += other.sightings_exact;
        self.sightings_near += other.sightings_near;
        self.last_seen = self.last_seen.max(other.last_seen);
        for outlet in &other.outlets {
            self.add_outlet(outlet);
        }
        for lang in other.languages {
            self.add_language(Some(lang));
        }
        for from in other.merged_from {
            self.add_merged(from);
        }
        for topic in other.topics {
            let mine = self.topic_mut(&topic.topic, topic.threshold, topic.severity);
            let mut outlets = std::mem::take(&mut mine.outlets);
            add(&mut outlets, topic.outlets.iter().cloned());
            if topic.score > mine.score {
                *mine = topic;
            }
            mine.outlets = outlets;
        }
        self.on_topic_at = self.on_topic_at.max(other.on_topic_at);
        for (listener, theirs) in other.told {
            let both = match self.told(&listener) {
                Some(ours) => ours.clone().absorb(theirs),
                None => theirs,
            };
            self.tell(&listener, both);
        }
    }
}

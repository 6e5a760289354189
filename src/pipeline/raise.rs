//! Who hears what of an item: for each endpoint what its filters let through, less what silences cover, held
//! against what that endpoint was told of the story. Endpoints that hear the same share an alert.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Rules;
use super::alert::{
    AlertPayload, AlertRules, Developments, EndpointAlert, Loud, OnRevision, PayloadInput, Route, Silence,
};
use super::ledger::{Ledger, StoryState, TopicState};
use super::marks::{CorrectionMark, correction_mark};
use super::news::{edited, fact_keys, unheard};
use super::prepare::Prepared;
use super::told::{Listener, Told, add};
use crate::model::{
    AlertDraft, AlertId, AlertKind, AlertNews, AlertReason, AlertTopic, Match, NewsKind, Outlet, RelatedStory,
    Severity, StoryId, StorySummary, Timestamp, TopicId,
};

/// One alert, ready for the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct RaisedAlert {
    /// The decision.
    pub draft: AlertDraft,
    /// The standard payload; the store gives it its numbers, and the alert before.
    pub payload: AlertPayload,
    /// The silence it falls under; nobody gets it then.
    pub silenced_by: Option<String>,
    /// Who gets it, and how.
    pub endpoints: Vec<EndpointAlert>,
}

/// What an item gives rise to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Raised {
    pub alerts: Vec<RaisedAlert>,
    /// How the story stands, for those that were told of it and whose alert is not sent yet.
    pub refreshed: Vec<RaisedAlert>,
    /// How those that heard something stand now.
    pub told: Vec<(Listener, Told)>,
    /// Why it gives rise to nothing, although it hits a topic.
    pub withheld: Option<Withheld>,
}

/// Why an item raises no alert by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Withheld {
    /// It comments on what others report.
    Comment,
    /// It reports on many events at once: a live blog, a briefing, a list of the week.
    RoundUp,
}

/// What may give rise to alerts.
pub(super) struct Cause<'a> {
    pub prepared: &'a Prepared,
    pub story: StoryId,
    pub revision: Option<u32>,
    /// A further appearance of a text that is known: it says nothing of its own.
    pub duplicate: bool,
    /// Other stories of the saga that the item belongs to.
    pub related: &'a [RelatedStory],
    /// The number under which people asked for it.
    pub asked: Option<i64>,
    pub now: Timestamp,
}

impl<'a> Cause<'a> {
    /// An item that is there for the first time.
    pub fn of(prepared: &'a Prepared, story: StoryId, now: Timestamp) -> Self {
        Self { prepared, story, revision: None, duplicate: false, related: &[], asked: None, now }
    }
}

/// What one listener hears of an item.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heard {
    pub kind: AlertKind,
    pub reason: AlertReason,
    pub topics: Vec<AlertTopic>,
    pub severity: Severity,
    pub grown_by: Vec<String>,
    pub news: Vec<AlertNews>,
}

/// The item in its story, as it is put to every listener.
pub(super) struct Hearing<'a> {
    pub cause: &'a Cause<'a>,
    pub state: &'a StoryState,
    rules: &'a AlertRules,
    /// The topics that are silenced for this item, and by what.
    pub silenced: Vec<(&'a TopicId, String)>,
    /// When the item before came that hit a topic.
    on_topic_at: Timestamp,
    /// It says of itself that it corrects what was reported.
    mark: Option<CorrectionMark>,
    /// By the rules of its topics nothing is done or planned in it: it says what somebody thinks of what was told.
    only_spoken: bool,
    /// It is what a live blog has on top, and waits so long for another report of it.
    unconfirmed: Option<Duration>,
}

/// Notes what an item brings to its story, and says who hears of it.
pub(super) fn raise_alerts(cause: &Cause<'_>, ledger: &mut Ledger, rules: &Rules) -> Raised {
    let Some(state) = ledger.stories.get_mut(&cause.story) else { return Raised::default() };
    let on_topic_at = state.on_topic_at;
    state.note(cause);
    ledger.note_on_topic(cause.story, on_topic_at);
    let item = &cause.prepared.item;
    let matches = &cause.prepared.matches;
    // Of a story that nobody was told of there is nothing to correct.
    if item.quiet || matches.is_empty() && ledger.stories.get(&cause.story).is_none_or(|state| state.is_untold()) {
        return Raised::default();
    }
    let mark = marked(cause, &rules.alert);
    if matches.is_empty() && mark.is_none() {
        return Raised::default();
    }
    if let Some(why) = rules.withholds(item).filter(|_| mark.is_none()) {
        return Raised { withheld: Some(why), ..Raised::default() };
    }
    let Some(state) = ledger.stories.get(&cause.story) else { return Raised::default() };
    let hearing = Hearing { on_topic_at, mark, ..Hearing::of(cause, state, ledger, rules) };
    let raised = hearing.raise(&ledger.instance);
    if let Some(state) = ledger.stories.get_mut(&cause.story) {
        for (listener, told) in &raised.told {
            state.tell(listener, told.clone());
        }
    }
    raised
}

/// Whether an item says that it corrects what was reported: one that comes under that mark, or that was given it.
fn marked(cause: &Cause<'_>, rules: &AlertRules) -> Option<CorrectionMark> {
    let item = &cause.prepared.item;
    if cause.revision.is_none() {
        return correction_mark(&item.title, &item.text);
    }
    let before = cause.prepared.headline_before.as_deref().filter(|_| rules.on_revision != OnRevision::Never)?;
    correction_mark(&item.title, "").filter(|_| correction_mark(before, "").is_none())
}

impl Ledger {
    /// What an item of the past gives rise to in a story that is given, by other rules: its alerts, and how the story
    /// stands for those that wait to hear of it. A copy is no item, and says nothing of its own.
    pub fn raise_again(
        &mut self,
        prepared: &Prepared,
        story: StoryId,
        rules: &Rules,
        copy: bool,
    ) -> (Vec<RaisedAlert>, Vec<RaisedAlert>) {
        let now = prepared.item.first_seen;
        let headline = || StoryState::opened(prepared.item.headline().into_owned(), now).into();
        let state = self.stories.entry(story).or_insert_with(headline);
        if copy {
            state.sightings_near += 1;
        } else {
            state.items += 1;
        }
        state.last_seen = state.last_seen.max(now);
        prepared.item.outlet.iter().for_each(|outlet| state.add_outlet(outlet));
        let raised = raise_alerts(&Cause { duplicate: copy, ..Cause::of(prepared, story, now) }, self, rules);
        (raised.alerts, raised.refreshed)
    }
}

impl<'a> Hearing<'a> {
    pub(super) fn of(cause: &'a Cause<'a>, state: &'a StoryState, ledger: &Ledger, rules: &'a Rules) -> Self {
        let mut silenced = Vec::new();
        for TopicState { topic, .. } in &state.topics {
            silenced.extend(silence(topic, cause, ledger, rules).map(|by| (topic, by)));
        }
        let live = rules.live_headline(&cause.prepared.item.title).is_some();
        let unconfirmed = live.then_some(rules.alert.round_up_wait);
        let only_spoken = cause.prepared.matches.iter().all(|hit| rules.topics.is_only_spoken(hit));
        let on_topic_at = state.on_topic_at;
        Self { cause, state, rules: &rules.alert, silenced, on_topic_at, mark: None, only_spoken, unconfirmed }
    }
}

impl Hearing<'_> {
    fn raise(&self, instance: &str) -> Raised {
        let mut raised = Raised::default();
        let mut groups: Vec<(Heard, Vec<EndpointAlert>)> = Vec::new();
        let item = &self.cause.prepared.item;
        for route in &self.rules.routes {
            let listener = Listener::Endpoint(route.endpoint.clone());
            let takes_item = route.takes_item(&item.source, item.lang);
            let takes = |topic: &TopicState| {
                takes_item && !self.is_silenced(topic) && route.takes_topic(topic, self.own(topic))
            };
            let told = self.state.told(&listener);
            let Some(heard) = self.correction(told).or_else(|| self.hear(takes, told)) else {
                let newer = self.refresh(takes, told).map(|heard| {
                    let to = self.addressed(route, &heard);
                    self.alert(heard, None, vec![to], instance)
                });
                raised.refreshed.extend(newer);
                continue;
            };
            raised.told.push((listener, self.told_after(&heard, told)));
            let mut to = self.addressed(route, &heard);
            if heard.reason == AlertReason::Development && self.rules.developments == Developments::Digest {
                to.held = Some(route.timing.in_digest(self.cause.now));
            }
            match groups.iter_mut().find(|(same, _)| *same == heard) {
                Some((_, endpoints)) => endpoints.push(to),
                None => groups.push((heard, vec![to])),
            }
        }
        let nobody = groups.is_empty();
        let mut record = self.state.told(&Listener::Record).cloned();
        let mut recorded = false;
        for silenced in [false, true] {
            let heard = self.correction(record.as_ref()).filter(|_| !silenced);
            let heard = heard.or_else(|| self.hear(|topic| self.is_silenced(topic) == silenced, record.as_ref()));
            let Some(heard) = heard else { continue };
            record = Some(self.told_after(&heard, record.as_ref()));
            recorded = true;
            if silenced || nobody {
                let by = self.silenced.iter().find(|(topic, _)| silenced && heard.names(topic));
                raised.alerts.push(self.alert(heard, by.map(|(_, by)| by.clone()), Vec::new(), instance));
            }
        }
        raised.told.extend(record.filter(|_| recorded).map(|told| (Listener::Record, told)));
        let told = groups.into_iter().map(|(heard, endpoints)| self.alert(heard, None, endpoints, instance));
        raised.alerts.splice(0..0, told);
        raised
    }

    /// What a route makes of it: what only a live blog says waits for a report.
    fn addressed(&self, route: &Route, heard: &Heard) -> EndpointAlert {
        let now = self.cause.now;
        match self.unconfirmed {
            Some(wait) => route.alert_unconfirmed(heard.kind, heard.severity, now, wait),
            None => route.alert(heard.kind, heard.severity, now),
        }
    }

    pub(super) fn is_silenced(&self, topic: &TopicState) -> bool {
        self.silenced.iter().any(|(silenced, _)| **silenced == topic.topic)
    }

    /// What is news to a listener that takes these topics and was told that.
    fn hear(&self, takes: impl Fn(&TopicState) -> bool, told: Option<&Told>) -> Option<Heard> {
        let told = told.filter(|told| !told.is_past(self.on_topic_at, self.rules.told_window, self.cause.now));
        let taken: Vec<&TopicState> = self.state.topics.iter().filter(|topic| takes(topic)).collect();
        let of_item = |topic: &&&TopicState| self.own(topic).is_some();
        let own: Vec<&TopicState> = taken.iter().filter(of_item).copied().collect();
        if own.is_empty() {
            return None;
        }
        let grown_by = told.map(|told| self.grown_by(told)).unwrap_or_default();
        let mut news = told.map(|told| self.edited_headline(told)).unwrap_or_default();
        // Who else says something about it does nothing: that is a comment, whatever part of the site it stands in.
        let does = |news: &AlertNews| !self.only_spoken || !matches!(news.kind, NewsKind::Place | NewsKind::Actor);
        news.extend(told.map(|told| self.developments(told)).unwrap_or_default().into_iter().filter(does));
        let (kind, reason) = match told {
            None if self.cause.revision.is_some() && self.rules.on_revision == OnRevision::Never => return None,
            None => (AlertKind::Matched, AlertReason::First),
            Some(told) => (AlertKind::StoryUpdated, self.update(&own, told, &grown_by, &news)?),
        };
        let topics = self.named(&taken, told);
        let severity = topics.iter().map(|topic| topic.matched.severity).max()?;
        Some(Heard { kind, reason, topics, severity, grown_by, news })
    }

    /// How the story stands after an item that is no news to a listener that was told of it: what was not sent yet
    /// says that, and by the better report.
    fn refresh(&self, takes: impl Fn(&TopicState) -> bool, told: Option<&Told>) -> Option<Heard> {
        let told = told?;
        let known = self.state.topics.iter().filter(|topic| takes(topic) && told.has(&topic.topic));
        let known: Vec<&TopicState> = known.collect();
        known.iter().find(|topic| self.own(topic).is_some())?;
        let topics = self.named(&known, Some(told));
        let severity = topics.iter().map(|topic| topic.matched.severity).max()?;
        let (kind, reason) = (AlertKind::StoryUpdated, AlertReason::Growth);
        Some(Heard { kind, reason, topics, severity, grown_by: Vec::new(), news: Vec::new() })
    }

    /// Topics as an alert names them, the best first.
    pub(super) fn named(&self, topics: &[&TopicState], told: Option<&Told>) -> Vec<AlertTopic> {
        let was_told = |topic: &TopicState| told.is_some_and(|told| told.has(&topic.topic));
        let mut named: Vec<AlertTopic> = topics
            .iter()
            .map(|topic| AlertTopic { matched: topic.as_match(self.own(topic)), new: !was_told(topic) })
            .collect();
        named.sort_by(|a, b| b.matched.score.cmp(&a.matched.score).then_with(|| a.matched.topic.cmp(&b.matched.topic)));
        named
    }

    /// Why a listener that was told of the story hears of it again; `None`: it does not.
    fn update(&self, own: &[&TopicState], told: &Told, grown_by: &[String], news: &[AlertNews]) -> Option<AlertReason> {
        let further = own.iter().any(|topic| !told.has(&topic.topic));
        let worse = own.iter().filter_map(|topic| self.own(topic)).any(|matched| matched.severity > told.severity);
        match (self.cause.revision, self.rules.on_revision) {
            (None, _) if further => Some(AlertReason::Topic),
            (None, _) if worse => Some(AlertReason::Severity),
            (None, _) if !news.is_empty() => Some(AlertReason::Development),
            (None, _) if !grown_by.is_empty() => Some(AlertReason::Growth),
            (Some(_), OnRevision::NewTopic | OnRevision::Title) if further => Some(AlertReason::Revision),
            (Some(_), OnRevision::Title) if !news.is_empty() => Some(AlertReason::Revision),
            _ => None,
        }
    }

    /// What the item says that a listener was not told.
    fn developments(&self, told: &Told) -> Vec<AlertNews> {
        let paused = told.developed_at.is_some_and(|at| self.cause.now.since(at) < self.rules.development_pause);
        let off = self.rules.developments == Developments::Off;
        if off || paused || self.cause.duplicate || self.cause.revision.is_some() {
            return Vec::new();
        }
        unheard(&self.cause.prepared.features.facts, &told.facts)
    }

    /// A correction is for exactly those that were told, whatever their filters say of the item that brings it.
    fn correction(&self, told: Option<&Told>) -> Option<Heard> {
        let told = told?;
        let item = &self.cause.prepared.item;
        // The same notice from several outlets is told once.
        let repeated = told.facts.binary_search(&headline_key(&item.headline())).is_ok();
        let (kind, reason, news) = match (self.mark.filter(|_| !repeated), self.cause.revision) {
            (Some(CorrectionMark::Corrected), Some(_)) => {
                (AlertKind::ItemCorrected, AlertReason::Correction, self.edited_headline(told))
            }
            (Some(CorrectionMark::Withdrawn), _) => (AlertKind::ItemWithdrawn, AlertReason::Withdrawal, Vec::new()),
            (Some(CorrectionMark::Corrected), _) => {
                (AlertKind::ItemCorrected, AlertReason::Correction, self.developments(told))
            }
            (None, Some(_)) if self.rules.on_revision != OnRevision::Never => {
                let headline = self.edited_headline(told);
                let before = self.cause.prepared.headline_before.as_deref().unwrap_or_default();
                if headline.is_empty() || edited(before, &item.headline(), item.lang).is_empty() {
                    return None;
                }
                (AlertKind::ItemCorrected, AlertReason::Correction, headline)
            }
            (None, _) => return None,
        };
        let known = self.state.topics.iter().filter(|topic| told.has(&topic.topic) && !self.is_silenced(topic));
        let topics: Vec<AlertTopic> =
            known.map(|topic| AlertTopic { matched: topic.as_match(self.own(topic)), new: false }).collect();
        let severity = topics.iter().map(|topic| topic.matched.severity).max()?;
        Some(Heard { kind, reason, topics, severity, grown_by: Vec::new(), news })
    }

    /// The item's own hit of a topic.
    pub(super) fn own(&self, topic: &TopicState) -> Option<&Match> {
        self.cause.prepared.matches.iter().find(|matched| matched.topic == topic.topic)
    }

    /// The outlets whose own items hit one of these topics, in order of appearance.
    fn outlets(&self, topics: impl Fn(&TopicId) -> bool) -> Vec<&Outlet> {
        let of_topics = self.state.topics.iter().filter(|topic| topics(&topic.topic));
        let known: BTreeSet<&Outlet> = of_topics.flat_map(|topic| &topic.outlets).collect();
        self.state.outlets.iter().filter(|outlet| known.contains(outlet)).collect()
    }

    /// The outlets on told topics that are new, where their count has come to another step.
    fn grown_by(&self, told: &Told) -> Vec<String> {
        let outlets = self.outlets(|topic| told.has(topic));
        if self.rules.steps_passed(outlets.len()) <= self.rules.steps_passed(told.outlets.len()) {
            return Vec::new();
        }
        let new = |outlet: &&&Outlet| told.outlets.binary_search(outlet).is_err();
        outlets.iter().filter(new).map(|outlet| outlet.as_str().to_owned()).collect()
    }

    /// The headline, where the item was edited in it and this one was not told before.
    fn edited_headline(&self, told: &Told) -> Vec<AlertNews> {
        let item = &self.cause.prepared.item;
        let Some(was) = self.cause.prepared.headline_before.as_deref().filter(|_| self.cause.revision.is_some()) else {
            return Vec::new();
        };
        let headline = item.headline();
        let known = told.facts.binary_search(&headline_key(&headline)).is_ok();
        if known || headline == was {
            return Vec::new();
        }
        vec![AlertNews { kind: NewsKind::Headline, text: headline.into_owned(), was: Some(was.to_owned()) }]
    }

    /// How a listener stands once it has heard this.
    pub(super) fn told_after(&self, heard: &Heard, told: Option<&Told>) -> Told {
        let prepared = self.cause.prepared;
        let mut after = told.cloned().unwrap_or_else(|| Told {
            topics: Vec::new(),
            severity: heard.severity,
            outlets: Vec::new(),
            at: self.cause.now,
            developed_at: None,
            facts: Vec::new(),
        });
        add(&mut after.topics, heard.topics.iter().map(|topic| topic.matched.topic.clone()));
        let outlets = self.outlets(|topic| after.has(topic));
        add(&mut after.outlets, outlets.into_iter().cloned());
        let headlines = prepared.headline_before.iter().map(String::as_str).map(headline_key);
        add(&mut after.facts, headlines.chain([headline_key(&prepared.item.headline())]));
        add(&mut after.facts, fact_keys(&prepared.features.facts));
        if heard.reason == AlertReason::Development {
            after.developed_at = Some(self.cause.now);
        }
        after.severity = after.severity.max(heard.severity);
        after.at = self.cause.now;
        after
    }

    pub(super) fn alert(
        &self,
        heard: Heard,
        silenced_by: Option<String>,
        endpoints: Vec<EndpointAlert>,
        instance: &str,
    ) -> RaisedAlert {
        let Heard { kind, reason, topics, severity, grown_by, news } = heard;
        let item = &self.cause.prepared.item;
        let mut draft = AlertDraft {
            id: AlertId::derive(&[]),
            kind,
            reason,
            severity,
            at: self.cause.now,
            topics,
            item: item.id,
            story: StorySummary { related: self.cause.related.to_vec(), ..self.state.summary(self.cause.story) },
            news,
            grown_by,
        };
        draft.id = alert_id(&draft, self.cause, silenced_by.as_deref(), instance);
        let labels: Vec<&str> = draft.topics.iter().map(|topic| self.rules.label(&topic.matched.topic)).collect();
        let mut payload = AlertPayload::of(&PayloadInput { alert: &draft, item, labels: &labels });
        payload.data.alert.page = self.rules.page.as_ref().map(|page| format!("{page}{}", draft.id));
        RaisedAlert { draft, payload, silenced_by, endpoints }
    }
}

impl Heard {
    fn names(&self, topic: &TopicId) -> bool {
        self.topics.iter().any(|named| named.matched.topic == *topic)
    }
}

fn headline_key(headline: &str) -> u64 {
    // Above all keys of facts.
    crate::model::ContentHash::of(&[b"headline", headline.as_bytes()]).short() | 1 << 63
}

/// The same for the same item, version and news, whoever hears it and however endpoints are called.
fn alert_id(draft: &AlertDraft, cause: &Cause<'_>, silenced_by: Option<&str>, instance: &str) -> AlertId {
    let item = &cause.prepared.item;
    let revision = cause.revision.unwrap_or(0).to_le_bytes();
    let mut parts = vec![
        instance.as_bytes(),
        item.source.as_str().as_bytes(),
        item.key.as_str().as_bytes(),
        &revision,
        draft.reason.as_str().as_bytes(),
        silenced_by.unwrap_or_default().as_bytes(),
    ];
    for topic in &draft.topics {
        parts.extend([topic.matched.topic.as_str().as_bytes(), if topic.new { b"+" } else { b"=" }]);
    }
    for outlet in &draft.grown_by {
        parts.extend([b"outlet", outlet.as_bytes()]);
    }
    for news in &draft.news {
        parts.extend([news.kind.as_str().as_bytes(), news.text.as_bytes()]);
    }
    let asked = cause.asked.map(i64::to_le_bytes);
    parts.extend(asked.iter().flat_map(|number| [b"asked".as_slice(), number]));
    AlertId::derive(&parts)
}

/// The name of a silence that an item falls under on a topic.
fn silence(topic: &TopicId, cause: &Cause<'_>, ledger: &Ledger, rules: &Rules) -> Option<String> {
    let item = &cause.prepared.item;
    let title = item.headline();
    let loud = Loud { topic, source: &item.source, story: cause.story, title: &title };
    let resolve = |story| ledger.resolve(story);
    let covers = |silence: &&Silence| silence.covers(&loud, resolve, cause.now);
    rules.alert.silences.iter().chain(&ledger.silences).find(covers).map(|silence| silence.id.clone())
}

impl StoryState {
    /// Notes the topics that an item hits, and that its outlet carries them.
    fn note(&mut self, cause: &Cause<'_>) {
        let item = &cause.prepared.item;
        for matched in &cause.prepared.matches {
            let topic = self.topic_mut(&matched.topic, matched.threshold, matched.severity);
            if matched.score > topic.score {
                topic.score = matched.score;
                topic.threshold = matched.threshold;
                topic.severity = matched.severity;
            }
            add(&mut topic.outlets, item.outlet.clone());
        }
        if !cause.prepared.matches.is_empty() {
            self.on_topic_at = self.on_topic_at.max(cause.now);
        }
    }
}

impl TopicState {
    /// The severity of the report with the most points, or of this item where that is louder: a decision that few words
    /// tell is no less one.
    fn loudest(&self, own: Option<&Match>) -> Severity {
        own.map_or(self.severity, |own| own.severity.max(self.severity))
    }

    /// What an alert says of a topic: the story's best, with the evidence of the item that raised the alert, and as bad
    /// as that one has it: a rise that was told is not told again by the next report that says so.
    fn as_match(&self, own: Option<&Match>) -> Match {
        Match {
            topic: self.topic.clone(),
            score: self.score,
            threshold: self.threshold,
            severity: self.loudest(own),
            evidence: own.map(|matched| matched.evidence.clone()).unwrap_or_default(),
        }
    }
}

impl Route {
    /// Whether a topic of a story passes, by the story's best and by what the item says.
    fn takes_topic(&self, topic: &TopicState, own: Option<&Match>) -> bool {
        self.topic_refusal(&topic.topic, topic.loudest(own), topic.score).is_none()
    }
}

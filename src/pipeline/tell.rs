//! A report that people asked to be told: raised anew for the endpoints that take it and did not hear of it, and
//! for nobody else. What keeps it from the others is said by name.

use std::fmt;

use super::Rules;
use super::alert::{Refusal, Route};
use super::ledger::{Ledger, TopicState};
use super::prepare::Prepared;
use super::raise::{Cause, Heard, Hearing, RaisedAlert};
use super::told::{Listener, Told};
use crate::model::{AlertKind, AlertReason, EndpointId, StoryId, Timestamp};

/// A report that is to be told.
#[derive(Debug, Clone)]
pub struct TellRequest {
    /// Its number among what people asked for: part of the alert's id.
    pub number: i64,
    /// The report.
    pub prepared: Prepared,
    /// Its story.
    pub story: StoryId,
    /// The story was asked for, and this is its best report; otherwise the report alone.
    pub whole_story: bool,
    /// The endpoints that heard of it by an alert of its own.
    pub had: Vec<EndpointId>,
}

/// What comes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct TellDecision {
    /// The alerts; endpoints that hear the same share one.
    pub alerts: Vec<RaisedAlert>,
    /// How those that hear of it stand with the story then.
    pub told: Vec<(Listener, Told)>,
    /// Who does not hear of it, and why.
    pub untold: Vec<(EndpointId, Untold)>,
}

/// What keeps a report from an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Untold {
    /// It heard of it before.
    Before,
    /// One of its filters.
    Filter(Refusal),
    /// A silence, by its name.
    Silence(String),
}

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before => f.write_str("it heard of it before"),
            Self::Filter(refusal) => write!(f, "its {}", refusal.key()),
            Self::Silence(id) => write!(f, "silence {id}"),
        }
    }
}

impl Ledger {
    /// Says who hears of a report that people asked to be told. The ledger stands as before: [`Ledger::note_told`]
    /// follows once that is stored.
    #[must_use]
    pub fn tell(&self, request: &TellRequest, rules: &Rules, now: Timestamp) -> TellDecision {
        let mut telling = TellDecision { alerts: Vec::new(), told: Vec::new(), untold: Vec::new() };
        let Some(state) = self.story(request.story) else { return telling };
        let cause = Cause { asked: Some(request.number), ..Cause::of(&request.prepared, request.story, now) };
        let hearing = Hearing::of(&cause, state, self, rules);
        let mut groups: Vec<(Heard, Vec<_>)> = Vec::new();
        for route in &rules.alert.routes {
            let topics = match hearing.taken_of(route, request) {
                Ok(topics) => topics,
                Err(why) => {
                    telling.untold.push((route.endpoint.clone(), why));
                    continue;
                }
            };
            let named = hearing.named(&topics, None);
            let Some(severity) = named.iter().map(|topic| topic.matched.severity).max() else { continue };
            let heard = Heard { severity, ..Heard::first(named) };
            let listener = Listener::Endpoint(route.endpoint.clone());
            let told = hearing.told_after(&heard, state.told(&listener));
            telling.told.push((listener, told));
            // Somebody asked for it: it waits for no more of its story and goes up in nothing.
            let to = route.alert_alone(severity, now);
            match groups.iter_mut().find(|(same, _)| *same == heard) {
                Some((_, endpoints)) => endpoints.push(to),
                None => groups.push((heard, vec![to])),
            }
        }
        for (heard, endpoints) in groups {
            let record = telling.told.iter().find(|(listener, _)| *listener == Listener::Record);
            let before = record.map(|(_, told)| told).or_else(|| state.told(&Listener::Record));
            let after = hearing.told_after(&heard, before);
            telling.told.retain(|(listener, _)| *listener != Listener::Record);
            telling.told.push((Listener::Record, after));
            telling.alerts.push(hearing.alert(heard, None, endpoints, &self.instance));
        }
        telling
    }

    /// Notes that it is stored.
    pub fn note_told(&mut self, story: StoryId, told: &[(Listener, Told)]) {
        let story = self.resolve(story);
        if let Some(state) = self.stories.get_mut(&story) {
            for (listener, told) in told {
                state.tell(listener, told.clone());
            }
        }
    }
}

impl Hearing<'_> {
    /// The topics by which an endpoint hears of it, or what keeps it away.
    fn taken_of(&self, route: &Route, request: &TellRequest) -> Result<Vec<&TopicState>, Untold> {
        let item = &request.prepared.item;
        if request.had.contains(&route.endpoint) {
            return Err(Untold::Before);
        }
        if let Some(refusal) = route.item_refusal(&item.source, item.lang) {
            return Err(Untold::Filter(refusal));
        }
        let counts = |topic: &&TopicState| request.whole_story || self.own(topic).is_some();
        let all: Vec<&TopicState> = self.state.topics.iter().filter(counts).collect();
        let refusal = |topic: &TopicState| route.topic_refusal(&topic.topic, topic.severity, topic.score);
        let passing: Vec<&TopicState> = all.iter().filter(|topic| refusal(topic).is_none()).copied().collect();
        if passing.is_empty() {
            // A topic that it does not want at all says less than a bar that one of its own did not reach.
            let refusals: Vec<Refusal> = all.iter().filter_map(|topic| refusal(topic)).collect();
            let why = refusals.iter().find(|refusal| **refusal != Refusal::Topic).or(refusals.first());
            return Err(Untold::Filter(why.copied().unwrap_or(Refusal::Topic)));
        }
        let loud: Vec<&TopicState> = passing.iter().filter(|topic| !self.is_silenced(topic)).copied().collect();
        match self.silenced.iter().find(|(silenced, _)| passing.iter().any(|topic| topic.topic == **silenced)) {
            Some((_, by)) if loud.is_empty() => Err(Untold::Silence(by.clone())),
            _ => Ok(loud),
        }
    }
}

impl Heard {
    /// The first that somebody hears of a story.
    fn first(topics: Vec<crate::model::AlertTopic>) -> Self {
        Self {
            kind: AlertKind::Matched,
            reason: AlertReason::First,
            topics,
            severity: crate::model::Severity::Low,
            grown_by: Vec::new(),
            news: Vec::new(),
        }
    }
}

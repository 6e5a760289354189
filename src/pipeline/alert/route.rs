//! Which endpoints hear of an alert.

use std::collections::HashMap;
use std::time::Duration;

use super::format::Format;
use super::silence::Silence;
use super::source::HealthRules;
use super::timing::{Held, Hold, Rate, Timing};
use crate::model::{AlertKind, EndpointId, Lang, Score, Severity, SourceId, Timestamp, TopicId};

/// When a story speaks again, and to whom.
#[derive(Debug, Clone)]
pub struct AlertRules {
    /// Outlet counts at which a story already alerted is reported again.
    pub growth_steps: Vec<u64>,
    /// The endpoints, in config order.
    pub routes: Vec<Route>,
    /// When a source is worth an alert.
    pub health: HealthRules,
    /// Where people read why an alert was raised; an alert's id comes after it.
    pub page: Option<String>,
    /// Names of the topics for people.
    pub labels: HashMap<TopicId, String>,
    /// Silences of the config.
    pub silences: Vec<Silence>,
    /// When an item that was edited speaks again.
    pub on_revision: OnRevision,
    /// What becomes of something new in a story.
    pub developments: Developments,
    /// At most one of those for a story in this time.
    pub development_pause: Duration,
    /// What becomes of comments and explainers.
    pub commentary: Commentary,
    /// What becomes of the event that a live blog has on top.
    pub round_ups: RoundUps,
    /// How long that waits for a report of its own.
    pub round_up_wait: Duration,
    /// Items of feeds that were published longer ago when they come are not told.
    pub age_max: Option<Duration>,
    /// Alerts of a feed beyond so many on one day wait for the next digest.
    pub alerts_per_day_max: HashMap<SourceId, u64>,
    /// What was told so long ago, with nothing on its topics since, is news again.
    pub told_window: Duration,
}

/// What becomes of comments, analyses and explainers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Commentary {
    /// They raise nothing by themselves.
    #[default]
    Off,
    /// They are told as reports are.
    Alert,
}

/// What becomes of the event that a live blog has on top. Briefings and lists raise nothing in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RoundUps {
    /// It is told where no other report of it comes in time.
    #[default]
    Alone,
    /// It raises nothing.
    Withheld,
}

/// What becomes of something new in a story that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Developments {
    /// An alert of its own.
    #[default]
    Alert,
    /// It waits for the next digest.
    Digest,
    /// Nothing.
    Off,
}

/// When an item that was edited speaks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnRevision {
    /// Never.
    Never,
    /// When it hits a topic it did not.
    #[default]
    NewTopic,
    /// That, or when its title changed.
    Title,
}

impl Default for AlertRules {
    fn default() -> Self {
        Self {
            growth_steps: Vec::new(),
            routes: Vec::new(),
            health: HealthRules::default(),
            page: None,
            labels: HashMap::new(),
            silences: Vec::new(),
            on_revision: OnRevision::default(),
            developments: Developments::default(),
            commentary: Commentary::default(),
            round_ups: RoundUps::default(),
            round_up_wait: Duration::from_secs(1200),
            age_max: None,
            alerts_per_day_max: HashMap::new(),
            development_pause: Duration::from_secs(2 * 3600),
            told_window: Duration::from_secs(7 * 86_400),
        }
    }
}

impl AlertRules {
    /// How many growth steps so many outlets have passed.
    #[must_use]
    pub fn steps_passed(&self, sources: usize) -> usize {
        self.growth_steps.iter().filter(|&&step| sources as u64 >= step).count()
    }

    /// A topic's name for people; its id where it has none.
    #[must_use]
    pub fn label<'a>(&'a self, topic: &'a TopicId) -> &'a str {
        self.labels.get(topic).map_or(topic.as_str(), String::as_str)
    }
}

/// An alert on its way to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointAlert {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Its format.
    pub format: Format,
    /// What it waits for.
    pub held: Option<Held>,
    /// The rate it counts against; what is urgent counts against none.
    pub rate: Option<Rate>,
    /// It waits for as little as it can.
    pub urgent: bool,
    /// It goes up in what was not sent yet of its story, where there is something.
    pub folds: bool,
}

/// One endpoint and what it wants to hear.
#[derive(Debug, Clone)]
pub struct Route {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Its format.
    pub format: Format,
    /// Only these topics; empty means all.
    pub topics: Vec<TopicId>,
    /// Only these sources; empty means all.
    pub sources: Vec<SourceId>,
    /// Only items in these languages; empty means all, those of unknown language too.
    pub languages: Vec<Lang>,
    /// Only this severity and above.
    pub severity_min: Severity,
    /// Only this score and above.
    pub score_min: Score,
    /// Also alerts about sources that fail, recover or fall silent.
    pub source_alerts: bool,
    /// When it hears of it.
    pub timing: Timing,
}

impl Route {
    /// What a route makes of an alert that it takes.
    #[must_use]
    pub fn alert(&self, kind: AlertKind, severity: Severity, at: Timestamp) -> EndpointAlert {
        // Whoever was told something wrong hears of that at once, and by itself.
        let folds = matches!(kind, AlertKind::Matched | AlertKind::StoryUpdated);
        let urgent = self.timing.is_urgent(severity);
        EndpointAlert {
            endpoint: self.endpoint.clone(),
            format: self.format.clone(),
            held: self.timing.hold(severity, folds, at),
            rate: self.timing.rate.filter(|_| !urgent),
            urgent,
            folds,
        }
    }

    /// The same for what only a live blog says until now: it waits for another report of it.
    #[must_use]
    pub fn alert_unconfirmed(
        &self,
        kind: AlertKind,
        severity: Severity,
        at: Timestamp,
        wait: Duration,
    ) -> EndpointAlert {
        let mut alert = self.alert(kind, severity, at);
        let until = at.plus(wait);
        if alert.folds && !wait.is_zero() {
            let held = alert.held.unwrap_or(Held { hold: Hold::Group, until });
            alert.held = Some(Held { until: held.until.max(until), ..held });
        }
        alert
    }

    /// The same for an alert that belongs to no story.
    #[must_use]
    pub fn alert_alone(&self, severity: Severity, at: Timestamp) -> EndpointAlert {
        let urgent = self.timing.is_urgent(severity);
        EndpointAlert {
            endpoint: self.endpoint.clone(),
            format: self.format.clone(),
            held: self.timing.hold(severity, false, at),
            rate: self.timing.rate.filter(|_| !urgent),
            urgent,
            folds: false,
        }
    }

    /// A route that takes everything.
    #[must_use]
    pub fn everything(endpoint: EndpointId) -> Self {
        Self {
            endpoint,
            format: Format::Standard,
            topics: Vec::new(),
            sources: Vec::new(),
            languages: Vec::new(),
            severity_min: Severity::Low,
            score_min: Score::ZERO,
            source_alerts: true,
            timing: Timing::default(),
        }
    }

    /// Whether this endpoint hears of how a source stands.
    #[must_use]
    pub fn takes_source(&self, source: &SourceId) -> bool {
        self.source_alerts && (self.sources.is_empty() || self.sources.contains(source))
    }

    /// Whether it hears of items of a source in a language.
    #[must_use]
    pub fn takes_item(&self, source: &SourceId, lang: Option<Lang>) -> bool {
        self.item_refusal(source, lang).is_none()
    }

    /// Why it hears nothing by an item; `None`: it may.
    #[must_use]
    pub fn item_refusal(&self, source: &SourceId, lang: Option<Lang>) -> Option<Refusal> {
        if !self.sources.is_empty() && !self.sources.contains(source) {
            Some(Refusal::Source)
        } else if !self.languages.is_empty() && !lang.is_some_and(|lang| self.languages.contains(&lang)) {
            Some(Refusal::Language)
        } else {
            None
        }
    }

    /// Why it does not hear of a topic with the best score of a story; `None`: it does.
    #[must_use]
    pub fn topic_refusal(&self, topic: &TopicId, severity: Severity, score: Score) -> Option<Refusal> {
        if !self.topics.is_empty() && !self.topics.contains(topic) {
            Some(Refusal::Topic)
        } else if severity < self.severity_min {
            Some(Refusal::Severity)
        } else if score < self.score_min {
            Some(Refusal::Score)
        } else {
            None
        }
    }

    /// Why this endpoint does not hear of a topic by an item; `None`: it does.
    #[must_use]
    pub fn refusal(&self, offer: &Offer<'_>) -> Option<Refusal> {
        let topic = self.topic_refusal(offer.topic, offer.severity, offer.score);
        let item = || self.item_refusal(offer.source, offer.lang);
        if topic == Some(Refusal::Topic) { topic } else { item().or(topic) }
    }
}

/// What a route looks at: a topic that was hit and the item that hit it.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// The topic.
    pub topic: &'a TopicId,
    /// Where the item came from.
    pub source: &'a SourceId,
    /// Its language, where that is known.
    pub lang: Option<Lang>,
    /// How loud.
    pub severity: Severity,
    /// How sure.
    pub score: Score,
}

/// What keeps an alert from an endpoint; a closed set, named like the key that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Its topic is not among `topics`.
    Topic,
    /// Its source is not among `sources`.
    Source,
    /// Its language is not among `languages`, or unknown.
    Language,
    /// It is below `severity_min`.
    Severity,
    /// It is below `score_min`.
    Score,
}

impl Refusal {
    /// The key of the endpoint that keeps it away.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Topic => "topics",
            Self::Source => "sources",
            Self::Language => "languages",
            Self::Severity => "severity_min",
            Self::Score => "score_min",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_names_the_first_key_that_keeps_an_alert_away() {
        let (topic, other) = (TopicId::new("storms").expect("a name"), TopicId::new("ports").expect("a name"));
        let (source, elsewhere) = (SourceId::new("gazette").expect("a name"), SourceId::new("herald").expect("a name"));
        let german = Lang::from_tag("de-AT").expect("a language");
        let open = || Route::everything(EndpointId::new("desk").expect("a name"));
        let offer = Offer {
            topic: &topic,
            source: &source,
            lang: Some(german),
            severity: Severity::Medium,
            score: Score::from_f64(6.5),
        };
        let cases = [
            (open(), None),
            (Route { topics: vec![other.clone(), topic.clone()], ..open() }, None),
            (Route { topics: vec![other], ..open() }, Some(Refusal::Topic)),
            (Route { sources: vec![elsewhere], ..open() }, Some(Refusal::Source)),
            (Route { languages: vec![Lang::EN, german], ..open() }, None),
            (Route { languages: vec![Lang::EN], ..open() }, Some(Refusal::Language)),
            (Route { severity_min: Severity::Medium, ..open() }, None),
            (Route { severity_min: Severity::High, ..open() }, Some(Refusal::Severity)),
            (Route { score_min: Score::from_f64(6.5), ..open() }, None),
            (Route { score_min: Score::from_f64(6.51), ..open() }, Some(Refusal::Score)),
            (Route { languages: vec![Lang::EN], score_min: Score::from_f64(9.0), ..open() }, Some(Refusal::Language)),
        ];
        for (route, expected) in cases {
            assert_eq!(route.refusal(&offer), expected, "{route:?}");
        }
        let unknown = Offer { lang: None, ..offer };
        assert_eq!(open().refusal(&unknown), None);
        let english = Route { languages: vec![Lang::EN], ..open() };
        assert_eq!(english.refusal(&unknown), Some(Refusal::Language), "as for a topic's `languages`");
    }
}

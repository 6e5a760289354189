//! The outbox without a store, for questions about the past: alerts wait for more of their story, for the end of quiet
//! hours, for a digest or for room under a rate, and go out as one where the daemon would send them as one.

use std::collections::BTreeMap;

use crate::model::{EndpointId, StoryId, Timestamp};
use crate::pipeline::RaisedAlert;
use crate::pipeline::alert::{AlertPayload, EndpointAlert, Hold, Rate, fold};

/// An alert that is not sent yet: what comes of its story meanwhile goes up in it.
#[derive(Debug)]
struct WaitingAlert {
    to: EndpointAlert,
    hold: Option<Hold>,
    until: Timestamp,
    story: StoryId,
    payload: AlertPayload,
}

/// One that went out.
#[derive(Debug)]
pub struct SentAlert {
    /// To whom.
    pub endpoint: EndpointId,
    /// When.
    pub at: Timestamp,
    /// What it waited for at the end.
    pub hold: Option<Hold>,
    /// What it says.
    pub payload: AlertPayload,
}

/// What endpoints are owed.
#[derive(Debug, Default)]
pub struct PretendedOutbox {
    waiting: Vec<WaitingAlert>,
    /// Start and count of the window of each endpoint with a rate.
    windows: BTreeMap<EndpointId, (Timestamp, u32)>,
}

impl PretendedOutbox {
    /// Takes what a decision gives rise to; `resolve` says which story an id stands for by now.
    pub fn take(&mut self, alerts: &[RaisedAlert], refreshed: &[RaisedAlert], resolve: impl Fn(StoryId) -> StoryId) {
        for (alert, news) in
            refreshed.iter().map(|alert| (alert, false)).chain(alerts.iter().map(|alert| (alert, true)))
        {
            let story = resolve(alert.draft.story.id);
            for to in &alert.endpoints {
                let of_it =
                    |known: &&mut WaitingAlert| known.to.endpoint == to.endpoint && resolve(known.story) == story;
                let known = self.waiting.iter_mut().find(of_it).filter(|_| to.folds);
                let until = to.held.map_or(alert.draft.at, |held| held.until);
                if let Some(known) = known {
                    known.payload = fold(&known.payload, &alert.payload);
                    // What waited for another report of its event has it now.
                    if (to.urgent || known.hold == Some(Hold::Group)) && until < known.until {
                        (known.hold, known.until) = (to.held.map(|held| held.hold), until);
                    }
                } else if news {
                    let hold = to.held.map(|held| held.hold);
                    let (to, payload) = (to.clone(), alert.payload.clone());
                    self.waiting.push(WaitingAlert { to, hold, until, story, payload });
                }
            }
        }
    }

    /// What goes out until then, in order; without a time, everything.
    pub fn send(&mut self, now: Option<Timestamp>) -> Vec<SentAlert> {
        let mut sent = Vec::new();
        // What is over a rate waits anew, and may be due again.
        while let Some(first) =
            self.waiting.iter().map(|alert| alert.until).min().filter(|at| now.is_none_or(|now| *at <= now))
        {
            let mut due: Vec<WaitingAlert> = self.waiting.extract_if(.., |alert| alert.until == first).collect();
            due.sort_by(|a, b| a.to.endpoint.cmp(&b.to.endpoint));
            for mut alert in due {
                let counts = matches!(alert.hold, None | Some(Hold::Group));
                let over = alert.to.rate.filter(|_| counts).and_then(|rate| self.over(&alert.to.endpoint, rate, first));
                if let Some(until) = over {
                    (alert.hold, alert.until) = (Some(Hold::Rate), until);
                    self.waiting.push(alert);
                } else {
                    let WaitingAlert { to, hold, payload, .. } = alert;
                    sent.push(SentAlert { endpoint: to.endpoint, at: first, hold, payload });
                }
            }
        }
        sent
    }

    /// Counts an alert; `Some` is the end of a window that has no room for it.
    fn over(&mut self, endpoint: &EndpointId, rate: Rate, at: Timestamp) -> Option<Timestamp> {
        let window = self.windows.entry(endpoint.clone()).or_insert((at, 0));
        if at.since(window.0) >= rate.per {
            *window = (at, 0);
        }
        if window.1 >= rate.alerts {
            return Some(window.0.plus(rate.per));
        }
        window.1 += 1;
        None
    }
}

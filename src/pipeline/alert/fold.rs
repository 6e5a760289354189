//! An alert that was not sent yet takes in what comes meanwhile: it keeps its id and its reason, and says how the
//! story stands now, by the report that makes the case best.

use super::payload::{AlertPayload, EvidenceView};
use crate::model::{AlertKind, AlertReason, Severity};
use crate::pipeline::story::roundup::is_roundup;
use crate::pipeline::told::Told;

/// What goes out instead of `earlier`, which is not sent, and `later`, which follows it.
#[must_use]
pub fn fold(earlier: &AlertPayload, later: &AlertPayload) -> AlertPayload {
    let mut folded = earlier.clone();
    let (data, newer) = (&mut folded.data, &later.data);
    if rank(&newer.alert.severity) > rank(&data.alert.severity) {
        data.alert.severity.clone_from(&newer.alert.severity);
    }
    let known = std::mem::take(&mut data.topics);
    data.topics.clone_from(&newer.topics);
    for topic in &mut data.topics {
        let Some(known) = known.iter().find(|known| known.id == topic.id) else { continue };
        topic.new |= known.new;
        if rank(&known.severity) > rank(&topic.severity) {
            topic.severity.clone_from(&known.severity);
        }
    }
    let gone = known.into_iter().filter(|known| newer.topics.iter().all(|topic| topic.id != known.id));
    data.topics.extend(gone);
    data.story.clone_from(&newer.story);
    data.sightings.clone_from(&newer.sightings);
    // A report is shown rather than a live blog, whatever their points. The same item again was edited: nobody is shown
    // what it does not say any more.
    let better = match (is_roundup(&newer.item.title), is_roundup(&data.item.title)) {
        (false, true) => true,
        (true, false) => false,
        _ => best_topic(&newer.evidence) > best_topic(&data.evidence),
    };
    if better || newer.item.id == data.item.id {
        data.item.clone_from(&newer.item);
        data.evidence.clone_from(&newer.evidence);
    }
    // Whoever hears of a story for the first time has nothing that could have changed since.
    if folded.r#type != AlertKind::Matched.as_str() {
        for news in &newer.new {
            if !data.new.contains(news) {
                data.new.push(news.clone());
            }
        }
        match (&mut data.growth, &newer.growth) {
            (Some(growth), Some(more)) => {
                let new = more.outlets.iter().filter(|outlet| !growth.outlets.contains(outlet)).cloned();
                let new: Vec<String> = new.collect();
                growth.outlets.extend(new);
                growth.headlines.clone_from(&more.headlines);
            }
            (growth @ None, Some(more)) => *growth = Some(more.clone()),
            (_, None) => {}
        }
    }
    folded
}

/// How loud a severity is, by its name: what was to be told loudly is not told quietly.
fn rank(severity: &str) -> Option<usize> {
    Severity::ALL.iter().position(|known| known.as_str() == severity)
}

/// Hundredths of points that the item brings to the topic it hits best.
fn best_topic(evidence: &[EvidenceView]) -> i64 {
    let points = |hit: &EvidenceView| hit.points.as_f64().map_or(0, |points| (points * 100.0).round() as i64);
    let of = |topic: &str| evidence.iter().filter(|hit| hit.topic == topic).map(points).sum::<i64>();
    evidence.iter().map(|hit| of(&hit.topic)).max().unwrap_or(0)
}

impl AlertPayload {
    /// Its receiver has heard of the story by another alert meanwhile, and was told that.
    #[must_use]
    pub fn following(mut self, alert: &str, sequence: u64, told: &Told) -> Self {
        AlertKind::StoryUpdated.as_str().clone_into(&mut self.r#type);
        for topic in &mut self.data.topics {
            topic.new = told.topics.iter().all(|known| known.as_str() != topic.id);
        }
        let further = self.data.topics.iter().any(|topic| topic.new);
        let reason = if further { AlertReason::Topic } else { AlertReason::Severity };
        reason.as_str().clone_into(&mut self.data.alert.reason);
        self.data.previous = Some(super::payload::PreviousView { alert: alert.to_owned(), sequence });
        self
    }
}

//! Stories that hold items of several languages → how many of these meetings are right: every pair of items of two
//! languages in one story counts, where a person said what at least one of them reports. Pure counting; `cli/eval` runs
//! the stream.

use serde::Serialize;

use crate::model::{Lang, StoryId};

/// An item as it was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedItem {
    /// Its language.
    pub lang: Lang,
    /// Its story, as the stream ended.
    pub story: StoryId,
    /// What it reports, where a person said so.
    pub event: Option<String>,
}

/// How pairs of items of two languages were placed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct LanguagesQuality {
    /// Pairs that report one event.
    pub same: u64,
    /// Of these, in one story.
    pub joined: u64,
    /// Pairs in one story of which one reports an event that the other does not.
    pub wrong: u64,
    /// Of these, pairs of which a person said what both report.
    pub wrong_labelled: u64,
    /// Pairs in one story of which nobody said what they report.
    pub unjudged: u64,
    /// Share of the judged pairs in one story that belong there.
    pub precision: f64,
    /// The same of pairs of which a person said what both report: who reports nothing that was labelled may belong there.
    pub precision_labelled: f64,
    /// Share of the pairs of one event that are in one story.
    pub recall: f64,
}

/// Two items of two languages in one story that nobody can vouch for, by their places in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoubtfulPair {
    /// The earlier one.
    pub first: usize,
    /// The later one.
    pub second: usize,
    /// A person's labels say that they are of two events; else nobody labelled them.
    pub wrong: bool,
}

/// Counts a stream, and names what should be read.
#[must_use]
pub fn across_languages(items: &[Option<PlacedItem>]) -> (LanguagesQuality, Vec<DoubtfulPair>) {
    let mut quality = LanguagesQuality::default();
    let mut doubtful = Vec::new();
    for (second, later) in items.iter().enumerate() {
        let Some(later) = later else { continue };
        for (first, earlier) in items[..second].iter().enumerate() {
            let Some(earlier) = earlier.as_ref().filter(|earlier| earlier.lang != later.lang) else { continue };
            let together = earlier.story == later.story;
            let same = earlier.event.is_some() && earlier.event == later.event;
            quality.same += u64::from(same);
            if !together {
                continue;
            }
            let judged = earlier.event.is_some() || later.event.is_some();
            match (judged, same) {
                (true, true) => quality.joined += 1,
                (true, false) => {
                    quality.wrong += 1;
                    quality.wrong_labelled += u64::from(earlier.event.is_some() && later.event.is_some());
                }
                (false, _) => quality.unjudged += 1,
            }
            if !same {
                doubtful.push(DoubtfulPair { first, second, wrong: judged });
            }
        }
    }
    let share = |part: u64, whole: u64| if whole == 0 { 1.0 } else { part as f64 / whole as f64 };
    quality.precision = share(quality.joined, quality.joined + quality.wrong);
    quality.precision_labelled = share(quality.joined, quality.joined + quality.wrong_labelled);
    quality.recall = share(quality.joined, quality.same);
    (quality, doubtful)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_two_languages_are_counted_as_by_hand() {
        let item = |lang: &str, story: i64, event: Option<&str>| {
            let lang = Lang::from_tag(lang).expect("a language");
            Some(PlacedItem { lang, story: StoryId::from_i64(story), event: event.map(str::to_owned) })
        };
        let stream = [
            item("en", 1, Some("quake")),
            item("de", 1, Some("quake")),
            item("de", 1, None),
            item("fr", 2, Some("quake")),
            item("en", 3, None),
            item("pl", 3, None),
            item("pl", 1, Some("flood")),
            None,
        ];
        let (quality, doubtful) = across_languages(&stream);
        assert_eq!((quality.same, quality.joined, quality.wrong, quality.unjudged), (3, 1, 4, 1));
        assert_eq!(quality.wrong_labelled, 2);
        assert!((quality.precision_labelled - 1.0 / 3.0).abs() < 1e-9);
        assert!((quality.precision - 0.2).abs() < 1e-9 && (quality.recall - 1.0 / 3.0).abs() < 1e-9);
        let found: Vec<(usize, usize, bool)> = doubtful.iter().map(|d| (d.first, d.second, d.wrong)).collect();
        assert_eq!(found, [(0, 2, true), (4, 5, false), (0, 6, true), (1, 6, true), (2, 6, true)]);
    }
}

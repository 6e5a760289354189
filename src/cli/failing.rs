//! Feeds that fail, by cause: where a whole network is away, one line says so and not one per feed.

use std::collections::BTreeMap;

use crate::model::FeedFailure;
use crate::text::clean;

/// From so many on, feeds of one cause are one line.
const GROUPED_MIN: usize = 3;
/// Those of them that are named.
const NAMED_MAX: usize = 3;
/// Characters of an error.
const ERROR_CHARS_MAX: usize = 160;

/// A feed that fails.
pub(super) struct FeedInTrouble {
    pub(super) id: String,
    pub(super) class: FeedFailure,
    pub(super) error: String,
    pub(super) gone: bool,
}

/// One or several feeds with one cause, in words.
pub(super) struct FailingGroup {
    /// Of these feeds; one, or many.
    pub(super) ids: Vec<String>,
    /// Stopped until somebody enables it.
    pub(super) gone: bool,
    pub(super) words: String,
}

/// Groups what fails, of so many feeds; the largest group first, single feeds as they are.
pub(super) fn grouped(failing: Vec<FeedInTrouble>, of: usize) -> Vec<FailingGroup> {
    let mut by_class: BTreeMap<(bool, FeedFailure), Vec<FeedInTrouble>> = BTreeMap::new();
    for feed in failing {
        by_class.entry((feed.gone, feed.class)).or_default().push(feed);
    }
    let mut groups: Vec<FailingGroup> = Vec::new();
    for ((gone, class), feeds) in by_class {
        if feeds.len() < GROUPED_MIN {
            groups.extend(feeds.into_iter().map(|feed| {
                let words = format!("{} fails ({class}): {}", feed.id, clean::excerpt(&feed.error, ERROR_CHARS_MAX));
                FailingGroup { ids: vec![feed.id], gone, words }
            }));
            continue;
        }
        let ids: Vec<String> = feeds.into_iter().map(|feed| feed.id).collect();
        let more = if ids.len() > NAMED_MAX { ", …" } else { "" };
        let names = ids.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
        let network = matches!(class, FeedFailure::Dns | FeedFailure::Connect) && 2 * ids.len() > of;
        let end = if network { ": is there a network?".to_owned() } else { format!(": {names}{more}") };
        let words = format!("{} of {of} feeds {}{end}", ids.len(), class.of_several());
        groups.push(FailingGroup { ids, gone, words });
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.ids.len()));
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds_of_one_cause_are_one_line_and_others_their_own() {
        let feed = |n: usize, class| FeedInTrouble { id: format!("f{n}"), class, error: "why".to_owned(), gone: false };
        let words = |failing| grouped(failing, 42).into_iter().map(|group| group.words).collect::<Vec<_>>();
        let mut failing: Vec<FeedInTrouble> = (0..30).map(|n| feed(n, FeedFailure::Dns)).collect();
        failing.extend((30..35).map(|n| feed(n, FeedFailure::Timeout)));
        failing.push(feed(40, FeedFailure::Tls));
        assert_eq!(
            words(failing),
            [
                "30 of 42 feeds do not resolve: is there a network?",
                "5 of 42 feeds do not answer in time: f30, f31, f32, …",
                "f40 fails (tls): why"
            ]
        );
    }
}

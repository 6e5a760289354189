//! Raw item to [`Prepared`]: normalised, split into words, matched against the topics, and reduced to
//! the features by which it will be compared. Stateless: any number run at once.

use crate::model::{Item, Match, Origin, RawItem, Rejection};
use crate::text::tokens::Tokens;

use super::Rules;
use super::classify::Document;
use super::features::Features;
use super::normalize::{Normalized, normalize};

/// An item with everything that can be known of it on its own.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The item.
    pub item: Item,
    /// What dedupe and stories compare.
    pub features: Features,
    /// The topics it hits.
    pub matches: Vec<Match>,
    /// The headline it had, where it is known and was edited; whoever drives the decision looks it up.
    pub headline_before: Option<String>,
    /// Bytes of text beyond the cap, which nothing saw.
    pub cut_bytes: usize,
    /// Bytes of a link that was too long to be kept, 0 where there was none.
    pub dropped_link_bytes: usize,
}

/// Reads one raw item.
///
/// # Errors
/// A [`Rejection`] when nothing readable is left of it.
pub fn prepare(raw: &RawItem, origin: &Origin, rules: &Rules) -> Result<Prepared, Rejection> {
    let Normalized { item, cut_bytes, dropped_link_bytes, .. } = normalize(raw, origin, &rules.normalize)?;
    let (features, matches) = {
        let read = rules.reading(&item);
        let title = Tokens::of(&read.title);
        let text = Tokens::of(&read.text);
        let matches = rules.topics.classify(&Document::of(&read, &title, &text));
        (features(&read, &title, &text, rules), matches)
    };
    Ok(Prepared { item, features, matches, headline_before: None, cut_bytes, dropped_link_bytes })
}

/// What a live blog has on top is compared as a report with that headline would be.
fn features(item: &Item, title: &Tokens, text: &Tokens, rules: &Rules) -> Features {
    let Some(headline) = rules.live_headline(&item.title) else {
        return Features::of(item, title, text, &rules.names);
    };
    let report = Item { title: headline.to_owned(), ..item.clone() };
    Features::of(&report, &Tokens::of(headline), text, &rules.names)
}

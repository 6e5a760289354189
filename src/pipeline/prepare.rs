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
    let title = Tokens::of(&item.title);
    let text = Tokens::of(&item.text);
    let (features, matches) = if let Some(headline) = rules.live_headline(&item.title) {
        live(&item, headline, (&title, &text), rules)
    } else {
        let features = Features::of(&item, &title, &text, &rules.names);
        (features, rules.topics.classify(&Document::of(&item, &title, &text)))
    };
    Ok(Prepared { item, features, matches, headline_before: None, cut_bytes, dropped_link_bytes })
}

/// What a live blog has on top is read and compared as a report with that headline would be, where a topic asks for it;
/// otherwise the blog is a round-up, which no story is joined by.
fn live(item: &Item, headline: &str, (title, text): (&Tokens, &Tokens), rules: &Rules) -> (Features, Vec<Match>) {
    let newest = rules.reading(item);
    let newest_text = Tokens::of(&newest.text);
    let matches = rules.topics.classify(&Document::of(&newest, title, &newest_text));
    if matches.is_empty() {
        return (Features::of(item, title, text, &rules.names), matches);
    }
    let report = Item { title: headline.to_owned(), ..newest.into_owned() };
    (Features::of(&report, &Tokens::of(headline), &newest_text, &rules.names), matches)
}

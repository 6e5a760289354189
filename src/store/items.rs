//! Items and what they hit, read back as they were decided on.

use super::engine::{self, Row};
use super::outbox::optional_time;
use crate::model::{
    ContentHash, DateCertainty, Dated, Item, ItemId, ItemKey, Lang, Match, Outlet, Score, Severity, SourceId,
    TextSource, Timestamp, TopicId,
};

/// From the columns topic, score, threshold, severity, evidence; `None`: a topic from before the rules for names.
pub(super) fn stored_match(row: &Row<'_>) -> engine::Result<Option<Match>> {
    let Ok(topic) = TopicId::new(&row.get::<_, String>(0)?) else { return Ok(None) };
    Ok(Some(Match {
        topic,
        score: Score::from_hundredths(row.get(1)?),
        threshold: Score::from_hundredths(row.get(2)?),
        severity: Severity::from_name(&row.get::<_, String>(3)?).unwrap_or(Severity::Medium),
        evidence: serde_json::from_str(&row.get::<_, String>(4)?).unwrap_or_default(),
    }))
}

/// From the columns of `items`, and `body` of `texts`.
pub(super) fn stored_item(row: &Row<'_>) -> engine::Result<Item> {
    let source: String = row.get("source")?;
    let certainty: Option<String> = row.get("published_certainty")?;
    let certainty = certainty.and_then(|name| DateCertainty::from_name(&name)).unwrap_or(DateCertainty::Exact);
    let dated = |at: Timestamp| Dated { at, certainty };
    let text_hash = ContentHash::from_bytes(row.get("text_hash")?);
    let tags: Option<String> = row.get("tags")?;
    Ok(Item {
        id: ItemId::from_i64(row.get("id")?),
        // A name from before the rules for names: it matches no `source:` then.
        source: SourceId::new(&source).or_else(|_| SourceId::new("unknown")).expect("invariant: a valid name"),
        key: ItemKey::new(&row.get::<_, String>("key")?),
        title: row.get("title")?,
        publisher: row.get("publisher")?,
        outlet: row.get::<_, Option<String>>("outlet")?.map(|name| Outlet::from_stored(&name)),
        url: row.get("url")?,
        url_original: row.get("url_original")?,
        title_original: row.get("title_original")?,
        author: row.get("author")?,
        published: optional_time(row.get("published")?).map(dated),
        updated: optional_time(row.get("updated")?).map(|at| Dated { at, certainty: DateCertainty::Exact }),
        first_seen: Timestamp::from_millis(row.get("first_seen")?),
        lang: row.get::<_, Option<String>>("lang")?.and_then(|tag| Lang::from_tag(&tag)),
        summary: row.get("summary")?,
        text: row.get::<_, Option<String>>("body")?.unwrap_or_default(),
        text_source: TextSource::from_name(&row.get::<_, String>("text_source")?).unwrap_or(TextSource::Content),
        tags: tags.and_then(|tags| serde_json::from_str(&tags).ok()).unwrap_or_default(),
        text_hash,
        version: row.get::<_, Option<[u8; 16]>>("version_hash")?.map_or(text_hash, ContentHash::from_bytes),
        quiet: row.get("quiet")?,
    })
}

//! Which items and outlets a story has. The item that opened a story is found by the story, and its outlet stands there:
//! an index and a table would have a row of their own for it, at a place that is random. All the others are in these.

use super::engine::{self, Transaction, params};
use crate::model::{Outlet, StoryId, Timestamp};

/// The condition that a row `i` of `items` is in the story `?1`, as both engines find it by indexes.
pub(super) const IN_STORY: &str = "(i.is_opener = 0 AND i.story = ?1
    OR i.seq = (SELECT opener FROM stories WHERE id = ?1) AND i.story = ?1)";

/// The same for the story of a row `s` of `stories`.
pub(super) const IN_STORY_S: &str = "(i.is_opener = 0 AND i.story = s.id OR i.seq = s.opener AND i.story = s.id)";

pub(super) const ADD_OUTLET: &str = "INSERT INTO story_sources (story, source, position, at)
    SELECT s.id, CAST(?2 AS TEXT), coalesce((SELECT max(x.position) + 1 FROM story_sources x WHERE x.story = s.id),
        CASE WHEN s.outlet IS NULL THEN 0 ELSE 1 END), CAST(?3 AS BIGINT)
    FROM stories s WHERE s.id = ?1 AND s.outlet IS DISTINCT FROM ?2
    ON CONFLICT DO NOTHING";

/// An outlet carries a story, from now on where it did not before.
pub(super) fn add_outlet(
    tx: &Transaction<'_>,
    story: StoryId,
    outlet: Option<&Outlet>,
    now: Timestamp,
) -> engine::Result<()> {
    let Some(outlet) = outlet else { return Ok(()) };
    tx.prepare_cached(ADD_OUTLET)?.defer(params![story.to_i64(), outlet.as_str(), now.millis()])
}

/// The items and outlets of one story become those of another.
pub(super) fn move_all(tx: &Transaction<'_>, from: i64, into: i64) -> engine::Result<()> {
    tx.prepare_cached(
        "INSERT INTO story_sources (story, source, position, at)
         SELECT ?2, f.source, f.position + 1 + (SELECT coalesce(max(position), 0) FROM story_outlets WHERE story = ?2), f.at
         FROM story_outlets f
         WHERE f.story = ?1 AND NOT EXISTS (SELECT 1 FROM stories WHERE id = ?2 AND outlet = f.source) ORDER BY f.position
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![from, into])?;
    tx.prepare_cached(&format!("UPDATE items AS i SET story = ?2 WHERE {IN_STORY}"))?
        .execute(params![from, into])
        .map(|_| ())
}

/// From now on all outlets of a story are in `story_sources`: before they are counted anew.
pub(super) fn unfold_outlets(tx: &Transaction<'_>, story: i64) -> engine::Result<()> {
    for sql in [
        "INSERT INTO story_sources (story, source, position, at)
         SELECT id, outlet, 0, first_seen FROM stories WHERE id = ?1 AND outlet IS NOT NULL ON CONFLICT DO NOTHING",
        "UPDATE stories SET outlet = NULL WHERE id = ?1 AND outlet IS NOT NULL",
    ] {
        tx.prepare_cached(sql)?.execute([story])?;
    }
    Ok(())
}

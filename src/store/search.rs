//! Full text: indexes beside the tables, filled behind the commits and never in their way; their lag is
//! shown. They hold no text of their own, so they are small, and snippets are cut from the stored texts.

use std::fmt::Write as _;

use serde::Serialize;

use super::browse::{ItemLine, item_line};
use super::engine::{self, CommitWord, Connection, OptionalExtension, Row, params};
use super::membership::IN_STORY;
use super::operators::{self, SearchProblem};
use super::search_parts::{self, PartsQuery};
#[cfg(feature = "postgres")]
use super::search_postgres;
use super::{Store, StoreError};
use crate::model::{StoryId, Timestamp};
use crate::text::clean;

/// Items indexed in one transaction: it holds the writer for about 0.4 ms each, and alerts wait for it.
const BATCH_ITEMS: i64 = 12;
/// The same while so many wait that being behind is the greater evil.
const BATCH_ITEMS_BEHIND: i64 = 200;
/// From this lag on.
const BEHIND: u64 = 2000;
/// A lag is not counted further than this: with a million items to index, as after an import, each count would
/// read all of them.
const LAG_COUNTED_MAX: u64 = 10_000;
/// Characters of a snippet before and after its first hit.
const SNIPPET_CHARS: usize = 90;
/// Words of a query that are looked at.
const QUERY_WORDS_MAX: usize = 64;

/// What to look for.
#[derive(Debug, Clone, Default)]
pub struct SearchQuery {
    /// Words, `"phrases"`, `prefix*`, `-without`, `OR`; or the operators of topics.
    pub text: String,
    /// Only with a match on this topic.
    pub topic: Option<String>,
    /// Only of this source.
    pub source: Option<String>,
    /// Only of this story.
    pub story: Option<StoryId>,
    /// Only first seen at or after.
    pub since: Option<Timestamp>,
    /// Only what came before this number.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: usize,
}

/// One hit.
#[derive(Debug, Serialize)]
pub struct Hit {
    /// The item.
    #[serde(flatten)]
    pub item: ItemLine,
    /// Words around the first hit in its text.
    pub snippet: String,
}

impl Store {
    /// Indexes a batch of items that search does not know yet; `true` while there is more.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch is indexed then.
    pub fn index_batch(&self) -> Result<bool, StoreError> {
        let lag = self.lag(BEHIND + 1)?;
        if lag == 0 {
            return Ok(false);
        }
        let batch = if lag > BEHIND { BATCH_ITEMS_BEHIND } else { BATCH_ITEMS };
        self.write_saying(CommitWord::Nothing, "index items for search", |tx| {
            let from = indexed(tx)?;
            let edited: Vec<i64> = tx
                .prepare_cached("SELECT seq FROM search_stale ORDER BY seq LIMIT ?1")?
                .query_map([batch], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            for seq in &edited {
                if *seq <= from {
                    index_again(tx, *seq)?;
                }
                tx.prepare_cached("DELETE FROM search_stale WHERE seq = ?1")?.execute([seq])?;
            }
            let to: Option<i64> = tx
                .prepare_cached(
                    "SELECT max(seq) FROM (SELECT seq FROM items WHERE seq > ?1 ORDER BY seq LIMIT ?2) AS batch",
                )?
                .query_row(params![from, batch], |row| row.get(0))?;
            if let Some(to) = to {
                index(tx, from + 1, to)?;
                tx.prepare_cached(
                    "INSERT INTO meta (key, value) VALUES ('search_seq', ?1)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                )?
                .execute([to.to_string()])?;
            }
            Ok(to.is_some() || edited.len() as i64 == batch)
        })
    }

    /// Items that search does not know yet, or knows an older text of; 10,000 stands for more as well.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn search_lag(&self) -> Result<u64, StoreError> {
        self.lag(LAG_COUNTED_MAX)
    }

    fn lag(&self, counted_max: u64) -> Result<u64, StoreError> {
        self.read("read the state of search", |c| {
            let lag: i64 = c
                .prepare_cached(
                    "SELECT count(*) FROM (SELECT 1 FROM items WHERE seq > ?1 UNION ALL SELECT 1 FROM search_stale LIMIT ?2) AS waiting",
                )?
                .query_row([indexed(c)?, counted_max.cast_signed()], |row| row.get(0))?;
            Ok(lag.unsigned_abs())
        })
    }

    /// Items that hold what is asked for, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the index cannot be read.
    pub fn search(&self, query: &SearchQuery) -> Result<Vec<Hit>, StoreError> {
        let Ok((words, Some(expression))) = read(&query.text) else { return Ok(Vec::new()) };
        let expression = filtered(&expression, query);
        self.read("search", |c| {
            // Of one moment: a part that is known is still there when it is asked.
            let snapshot = c.snapshot()?;
            let c: &Connection = &snapshot;
            let Some((from, to)) = bounds(c, query)? else { return Ok(Vec::new()) };
            let (since, story) = (query.since.map_or(i64::MIN, Timestamp::millis), query.story.map(StoryId::to_i64));
            let asked = PartsQuery { expression: &expression, from, to, since, story, limit: query.limit };
            #[cfg(feature = "postgres")]
            if !self.is_file() {
                return search_postgres::find(c, &asked, |row| hit(c, row, &words));
            }
            search_parts::find(c, &asked, |row| hit(c, row, &words))
        })
    }

    /// Whether the index is whole in itself.
    ///
    /// # Errors
    /// [`StoreError`] when it is not, or cannot be read.
    pub fn check_search(&self) -> Result<(), StoreError> {
        if !self.is_file() {
            return Ok(());
        }
        self.write("check the search index", |tx| search_parts::check(tx))
    }
}

fn hit(c: &Connection, row: &Row<'_>, words: &[Word]) -> engine::Result<Hit> {
    let body: Option<String> = row.get("body")?;
    Ok(Hit { item: item_line(c, row)?, snippet: snippet(&body.unwrap_or_default(), words) })
}

fn indexed(c: &Connection) -> engine::Result<i64> {
    let text: Option<String> = c
        .prepare_cached("SELECT value FROM meta WHERE key = 'search_seq'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Takes an item that goes out of the index, where that does not go with its month.
#[cfg_attr(not(feature = "postgres"), expect(clippy::unnecessary_wraps, reason = "another engine has to be asked"))]
pub(super) fn forget(c: &Connection, seq: i64) -> engine::Result<()> {
    #[cfg(feature = "postgres")]
    if c.sqlite().is_none() {
        return search_postgres::forget(c, seq);
    }
    let _ = (c, seq);
    Ok(())
}

fn index(c: &Connection, from: i64, to: i64) -> engine::Result<()> {
    #[cfg(feature = "postgres")]
    if c.sqlite().is_none() {
        return search_postgres::index(c, from, to);
    }
    search_parts::index(c, from, to)
}

fn index_again(c: &Connection, seq: i64) -> engine::Result<()> {
    #[cfg(feature = "postgres")]
    if c.sqlite().is_none() {
        search_postgres::forget(c, seq)?;
        return search_postgres::index(c, seq, seq);
    }
    search_parts::index_again(c, seq)
}

/// Between which arrivals the hits lie; `None` where nothing can be. Found from an index, so that a filter
/// makes a search shorter.
fn bounds(c: &Connection, query: &SearchQuery) -> engine::Result<Option<(i64, i64)>> {
    let (mut from, mut to) = (0, query.before.map_or(i64::MAX, |before| before.saturating_sub(1)));
    if let Some(since) = query.since {
        let first = super::conditions::first_since(c, since)?;
        let Some(first) = first else { return Ok(None) };
        from = first;
    }
    if let Some(story) = query.story {
        let ends: (Option<i64>, Option<i64>) = c
            .prepare_cached(&format!("SELECT min(i.seq), max(i.seq) FROM items i WHERE {IN_STORY}"))?
            .query_row([story.to_i64()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (Some(first), Some(last)) = ends else { return Ok(None) };
        (from, to) = (from.max(first), to.min(last));
    }
    Ok(Some((from, to)))
}

/// The words in title and body, and the facets beside them.
fn filtered(expression: &str, query: &SearchQuery) -> String {
    let mut all = format!("({{title body}} : ({expression}))");
    for (kind, name) in [('s', &query.source), ('t', &query.topic)] {
        if let Some(name) = name {
            // Writing to a string cannot fail.
            let _ = write!(all, " AND (facets : \"{kind}");
            for byte in name.bytes() {
                let _ = write!(all, "{byte:02x}");
            }
            all.push_str("\")");
        }
    }
    all
}

impl SearchQuery {
    /// Whether it can be asked, and whether an order in it is not looked at.
    ///
    /// # Errors
    /// A [`SearchProblem`] where it is written with operators that are wrong or that the index lacks.
    pub fn check(&self) -> Result<bool, SearchProblem> {
        if !operators::is_operated(&self.text) {
            return Ok(false);
        }
        operators::operated(&self.text).map(|built| built.loose)
    }
}

/// Words to show and the expression for the index, which knows two ways of writing: as people type into a box, and
/// with the operators of topics.
fn read(text: &str) -> Result<(Vec<Word>, Option<String>), SearchProblem> {
    if !operators::is_operated(text) {
        let words = words(text);
        let expression = expression(&words);
        return Ok((words, expression));
    }
    let built = operators::operated(text)?;
    let shown = built.words.into_iter().map(|text| Word { text, prefix: false, without: false, or: false });
    Ok((shown.collect(), Some(built.expression)))
}

/// A part of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    text: String,
    prefix: bool,
    without: bool,
    /// Either this or the word before.
    or: bool,
}

/// Reads a query as people type it; everything else in it is only text.
fn words(query: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let (mut rest, mut or) = (query.trim_start(), false);
    while !rest.is_empty() && words.len() < QUERY_WORDS_MAX {
        let without = rest.starts_with('-');
        let at = rest.strip_prefix('-').unwrap_or(rest);
        let (text, after) = match at.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => at.split_at(at.find(char::is_whitespace).unwrap_or(at.len())),
        };
        rest = after.trim_start();
        if text == "OR" {
            or = !words.is_empty();
            continue;
        }
        let prefix = text.ends_with('*');
        let text: String = text.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if !text.is_empty() {
            words.push(Word { text, prefix, without, or: std::mem::take(&mut or) });
        }
    }
    words
}

/// The same for FTS5, whose own syntax is never passed through.
fn expression(words: &[Word]) -> Option<String> {
    let quote = |word: &Word| format!("\"{}\"{}", word.text, if word.prefix { " *" } else { "" });
    let mut groups: Vec<String> = Vec::new();
    for word in words.iter().filter(|word| !word.without) {
        match groups.last_mut() {
            Some(group) if word.or => {
                group.push_str(" OR ");
                group.push_str(&quote(word));
            }
            _ => groups.push(quote(word)),
        }
    }
    if groups.is_empty() {
        return None;
    }
    let mut all = groups.iter().map(|group| format!("({group})")).collect::<Vec<_>>().join(" AND ");
    for word in words.iter().filter(|word| word.without) {
        all = format!("({all}) NOT {}", quote(word));
    }
    Some(all)
}

/// The text around the first word of the query that is in it, on one line.
fn snippet(text: &str, words: &[Word]) -> String {
    let lower = text.to_lowercase();
    let first = words.iter().filter(|word| !word.without).filter_map(|word| {
        let head = word.text.to_lowercase();
        let head = head.split(' ').next().unwrap_or_default().to_owned();
        lower.find(&head).map(|at| lower[..at].chars().count())
    });
    let hit = first.min().unwrap_or(0);
    let from = hit.saturating_sub(SNIPPET_CHARS);
    let cut: String = text.chars().skip(from).take(2 * SNIPPET_CHARS).collect();
    let is_cut = text.chars().nth(from + 2 * SNIPPET_CHARS).is_some();
    // No half words at its ends, where there are words.
    let (mut start, mut end) = (0, cut.len());
    if from > 0 {
        start = cut.find(' ').filter(|at| *at < cut.len() / 4).unwrap_or(0);
    }
    if is_cut {
        end = cut.rfind(' ').filter(|at| *at > cut.len() / 4 * 3).unwrap_or(cut.len());
    }
    let cut = clean::one_line(&cut[start..end]).trim().to_owned();
    let before = if from > 0 { "… " } else { "" };
    let after = if is_cut { " …" } else { "" };
    format!("{before}{cut}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_as_people_type_it_becomes_an_expression_that_cannot_fail() {
        for (typed, expected) in [
            ("storm harbour", Some("(\"storm\") AND (\"harbour\")")),
            ("storm OR gale harbour", Some("(\"storm\" OR \"gale\") AND (\"harbour\")")),
            ("\"port of\" harb*", Some("(\"port of\") AND (\"harb\" *)")),
            ("storm -exercise", Some("((\"storm\")) NOT \"exercise\"")),
            ("-exercise", None),
            ("\" ( ) : ^ {", None),
            ("a:b NEAR(c", Some("(\"a b\") AND (\"NEAR c\")")),
            ("OR storm", Some("(\"storm\")")),
            ("", None),
        ] {
            assert_eq!(expression(&words(typed)).as_deref(), expected, "{typed}");
        }
    }

    #[test]
    fn snippet_shows_the_first_hit_on_one_line() {
        let text = format!("{} The storm\nclosed the harbour. {}", "Quiet. ".repeat(40), "More. ".repeat(40));
        let cut = snippet(&text, &words("Storm"));
        assert!(cut.starts_with("… ") && cut.ends_with(" …") && cut.contains("storm closed"), "{cut}");
        assert_eq!(snippet("short text", &words("absent")), "short text");
        let whole = ["Quiet.", "More.", "The", "storm", "closed", "the", "harbour.", "…"];
        assert!(cut.split(' ').all(|word| whole.contains(&word)), "no half words: {cut}");
        let long = "x".repeat(1000);
        assert_eq!(
            snippet(&long, &words("absent")).chars().count(),
            2 * SNIPPET_CHARS + 2,
            "one word is cut all the same"
        );
    }
}

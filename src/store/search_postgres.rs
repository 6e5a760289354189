//! Full text in PostgreSQL: the same questions as of SQLite's index, put as its text search takes them. Words are folded
//! before they go in and before they are asked for, so that both engines find the same.

use std::fmt::Write as _;

use super::engine::{self, Connection, Row, params};
use super::search_parts::PartsQuery;
use crate::text::tokens;

/// Characters of a text that are indexed: PostgreSQL has a limit of its own on what it takes, in bytes.
const TEXT_CHARS_MAX: usize = 120_000;
/// Distances that a `NEAR` is written out to.
const NEAR_MAX: usize = 32;

/// Indexes items by their numbers.
pub(super) fn index(c: &Connection, from: i64, to: i64) -> engine::Result<()> {
    let mut topics = c.prepare_cached("SELECT topic FROM matches WHERE item = ?1")?;
    let mut found = c.prepare_cached(
        "SELECT i.seq, i.id, i.source, i.title, coalesce(t.body, i.summary) FROM items i LEFT JOIN texts t ON t.seq = i.seq
         WHERE i.seq BETWEEN ?1 AND ?2",
    )?;
    let mut add = c.prepare_cached(
        "INSERT INTO search (seq, words) VALUES (?1, setweight(to_tsvector('simple', ?2), 'A')
             || setweight(to_tsvector('simple', ?3), 'D') || setweight(to_tsvector('simple', ?4), 'B'))",
    )?;
    let mut rows = found.query([from, to])?;
    while let Some(row) = rows.next()? {
        let mut facets = facet('s', &row.get::<_, String>(2)?);
        for topic in topics.query_map([row.get::<_, i64>(1)?], |row| row.get::<_, String>(0))? {
            facets.push(' ');
            facets.push_str(&facet('t', &topic?));
        }
        let (title, body) = (folded(&row.get::<_, String>(3)?), folded(&row.get::<_, String>(4)?));
        add.execute(params![row.get::<_, i64>(0)?, title, body, facets])?;
    }
    Ok(())
}

/// Hits, newest first.
pub(super) fn find<T>(
    c: &Connection,
    asked: &PartsQuery<'_>,
    read: impl FnMut(&Row<'_>) -> engine::Result<T>,
) -> engine::Result<Vec<T>> {
    let found = "SELECT i.*, t.body FROM search s JOIN items i ON i.seq = s.seq LEFT JOIN texts t ON t.seq = i.seq
         WHERE s.words @@ to_tsquery('simple', ?1) AND s.seq BETWEEN ?2 AND ?3 AND i.first_seen >= ?4
           AND (?5 IS NULL OR i.story = ?5)
         ORDER BY s.seq DESC LIMIT ?6";
    let expression = question(asked.expression);
    let limit = i64::try_from(asked.limit).unwrap_or(i64::MAX);
    let mut statement = c.prepare_cached(found)?;
    let rows = statement.query_map(params![expression, asked.from, asked.to, asked.since, asked.story, limit], read)?;
    rows.collect()
}

/// Takes an item out of the index.
pub(super) fn forget(c: &Connection, seq: i64) -> engine::Result<()> {
    c.prepare_cached("DELETE FROM search WHERE seq = ?1")?.execute([seq]).map(|_| ())
}

/// The word that stands for a source or a topic.
fn facet(kind: char, name: &str) -> String {
    let mut word = String::from(kind);
    for byte in name.bytes() {
        // Writing to a string cannot fail.
        let _ = write!(word, "{byte:02x}");
    }
    word
}

/// Letters and digits alone, without case and marks.
fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if out.len() >= TEXT_CHARS_MAX {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        tokens::fold_into(word, &mut out);
    }
    // Folding takes some letters apart into signs, which are of another meaning in a question.
    out.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect()
}

/// An expression of SQLite's index in the words of PostgreSQL's.
pub(super) fn question(expression: &str) -> String {
    let (mut out, mut rest) = (String::new(), expression.trim_start());
    // In which columns a group is looked for: the weights of its words.
    let (mut groups, mut next): (Vec<&str>, Option<&str>) = (vec!["AD"], None);
    while let Some(first) = rest.chars().next() {
        let weights = next.or(groups.last().copied()).unwrap_or("AD");
        if let Some((columns, after)) = columns(rest) {
            (next, rest) = (Some(columns), after);
        } else if let Some(inside) = rest.strip_prefix("NEAR(") {
            let (pair, after) = inside.split_once(')').unwrap_or((inside, ""));
            out.push_str(&near(pair, weights));
            (next, rest) = (None, after);
        } else if first == '"' {
            let (words, after) = rest[1..].split_once('"').unwrap_or((&rest[1..], ""));
            let open = after.trim_start().starts_with('*');
            out.push_str(&phrase(words, open, weights));
            (next, rest) = (None, if open { after.trim_start().trim_start_matches('*') } else { after });
        } else if first == '(' {
            groups.push(weights);
            out.push('(');
            (next, rest) = (None, &rest[1..]);
        } else if first == ')' {
            groups.pop();
            out.push(')');
            rest = &rest[1..];
        } else if let Some((sign, after)) = sign(rest) {
            out.push_str(sign);
            rest = after;
        } else {
            rest = &rest[first.len_utf8()..];
        }
        rest = rest.trim_start();
    }
    out
}

fn columns(rest: &str) -> Option<(&'static str, &str)> {
    let known = [("{title body} :", "AD"), ("{title} :", "A"), ("{body} :", "D"), ("facets :", "B")];
    known.into_iter().find_map(|(written, weights)| Some((weights, rest.strip_prefix(written)?)))
}

fn sign(rest: &str) -> Option<(&'static str, &str)> {
    let known = [("AND ", " & "), ("OR ", " | "), ("NOT ", " & !")];
    known.into_iter().find_map(|(written, sign)| Some((sign, rest.strip_prefix(written)?)))
}

fn phrase(words: &str, open: bool, weights: &str) -> String {
    let folded = folded(words);
    let words: Vec<&str> = folded.split(' ').filter(|word| !word.is_empty()).collect();
    let last = words.len().saturating_sub(1);
    let word = |(at, word): (usize, &&str)| format!("'{word}':{}{weights}", if open && at == last { "*" } else { "" });
    format!("({})", words.iter().enumerate().map(word).collect::<Vec<_>>().join(" <-> "))
}

/// Two phrases with at most so many words between them, either first.
fn near(pair: &str, weights: &str) -> String {
    let (phrases, most) = pair.rsplit_once(',').unwrap_or((pair, "10"));
    let most = most.trim().parse::<usize>().unwrap_or(10).min(NEAR_MAX);
    let mut sides = Vec::new();
    let mut rest = phrases;
    while let Some((_, from)) = rest.split_once('"') {
        let (words, after) = from.split_once('"').unwrap_or((from, ""));
        sides.push(phrase(words, after.trim_start().starts_with('*'), weights));
        rest = after;
    }
    let [left, right] = &sides[..] else { return sides.join(" & ") };
    let at = |from: &str, to: &str| (1..=most + 1).map(|words| format!("{from} <{words}> {to}")).collect::<Vec<_>>();
    format!("({})", [at(left, right), at(right, left)].concat().join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_of_one_index_is_that_of_the_other() {
        for (fts, postgres) in [
            (r#"("Storm") AND ("harb" *)"#, "(('storm':AD)) & (('harb':*AD))"),
            (r#"(("storm")) NOT "exercise""#, "((('storm':AD))) & !('exercise':AD)"),
            (r#"({title} : "Köln Messe")"#, "(('koln':A <-> 'messe':A))"),
            (
                r#"({title body} : (("port") OR ("gale"))) AND (facets : "s61")"#,
                "(((('port':AD)) | (('gale':AD)))) & (('s61':B))",
            ),
            (
                r#"(NEAR("port" "gale", 1))"#,
                "((('port':AD) <1> ('gale':AD) | ('port':AD) <2> ('gale':AD) | ('gale':AD) <1> ('port':AD) | ('gale':AD) <2> ('port':AD)))",
            ),
        ] {
            assert_eq!(question(fts), postgres, "{fts}");
        }
    }
}

//! A search written with the operators of topics → the same for the index: `AND`, `OR`, `NOT`, `NEAR/n`, `BEFORE/n`,
//! parentheses, `title:` and `body:`. What the index cannot answer is refused by name; nothing of its own syntax
//! is ever passed through.

use crate::pipeline::classify::query::{self, Clause, Form, Query, Scope, Word};

/// Most pairs that alternatives around `NEAR` are multiplied out to.
const PAIRS_MAX: usize = 64;

/// A query for the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operated {
    /// For FTS5.
    pub expression: String,
    /// Words that are asked for, for snippets.
    pub words: Vec<String>,
    /// Asked for without an order that the index knows: `BEFORE` is read as `NEAR`.
    pub loose: bool,
}

/// Why a query cannot be asked of the index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SearchProblem {
    message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

fn problem(message: impl Into<String>, hint: &str) -> SearchProblem {
    SearchProblem { message: message.into(), hint: Some(hint.to_owned()) }
}

/// Whether a text is written with operators; words with `-without` and a bare `OR` are read as before.
pub(super) fn is_operated(text: &str) -> bool {
    let sign = |word: &str| {
        let bare = word.trim_start_matches('(');
        matches!(bare, "AND" | "NOT")
            || bare.starts_with("NEAR/")
            || bare.starts_with("BEFORE/")
            || ["title:", "body:", "lead:", "tag:", "url:", "source:", "lang:"]
                .iter()
                .any(|field| bare.starts_with(field))
            || bare.starts_with('@') && bare.len() > 1
    };
    let grouped = text.contains('(') && text.contains(')') && text.split_whitespace().any(|word| word == "OR");
    let outside: String = text.split('"').step_by(2).collect::<Vec<_>>().join(" \u{1} ");
    grouped || outside.split_whitespace().any(sign)
}

/// Reads a query with operators.
pub(super) fn operated(text: &str) -> Result<Operated, SearchProblem> {
    let query = query::parse(text).map_err(|wrong| SearchProblem { message: wrong.message, hint: wrong.hint })?;
    let mut built = Operated { expression: String::new(), words: Vec::new(), loose: false };
    built.expression = part(&query, &mut built)?;
    Ok(built)
}

fn part(query: &Query, built: &mut Operated) -> Result<String, SearchProblem> {
    match &query.clause {
        Clause::Word(word) => phrase(std::slice::from_ref(word), built),
        Clause::Phrase(words) => phrase(words, built),
        Clause::Or(parts) => {
            let parts: Vec<String> = parts.iter().map(|one| part(one, built)).collect::<Result<_, _>>()?;
            Ok(format!("({})", parts.join(" OR ")))
        }
        Clause::And(parts) => all(parts, built),
        Clause::Not(_) => Err(problem("`NOT` alone finds nothing", "say what is looked for: `storm NOT film`")),
        Clause::Near { words, order, left, right } => {
            built.loose |= *order == query::Order::LeftFirst;
            near(left, right, *words, built)
        }
        Clause::Apart { words, left, right } => {
            let without = near(left, right, *words, &mut built.clone())?;
            Ok(format!("({} NOT {without})", part(left, built)?))
        }
        Clause::In(Scope::Title, inner) => Ok(format!("({{title}} : {})", part(inner, built)?)),
        Clause::In(Scope::Body, inner) => Ok(format!("({{body}} : {})", part(inner, built)?)),
        Clause::In(scope, _) => {
            Err(problem(format!("`{}:` is not in the index", scope.as_str()), "look in `title:` or `body:`"))
        }
        Clause::Source(_) => Err(problem("`source:` is an option here", "write `--source ID`")),
        Clause::Lang(_) => Err(problem("`lang:` is not in the index", "leave it out")),
        Clause::Alias(name) => Err(problem(
            format!("`@{name}` is known to rules only"),
            "write its forms: `(a OR b)`, or ask for its topic with `--topic`",
        )),
        Clause::Regex { .. } => Err(problem("the index knows no expressions", "write words, `word*` or \"a phrase\"")),
        Clause::Number(_) => Err(problem("the index knows no ranges of numbers", "write the number")),
    }
}

/// Several that must all occur, and those that must not.
fn all(parts: &[Query], built: &mut Operated) -> Result<String, SearchProblem> {
    let (mut found, mut without) = (Vec::new(), Vec::new());
    for one in parts {
        match &one.clause {
            Clause::Not(inner) => without.push(part(inner, &mut built.clone())?),
            _ => found.push(part(one, built)?),
        }
    }
    if found.is_empty() {
        return Err(problem("`NOT` alone finds nothing", "say what is looked for: `storm NOT film`"));
    }
    let found = format!("({})", found.join(" AND "));
    Ok(without.iter().fold(found, |found, one| format!("({found} NOT {one})")))
}

/// Phrases near each other; alternatives are multiplied out.
fn near(left: &Query, right: &Query, words: u8, built: &mut Operated) -> Result<String, SearchProblem> {
    let (left, right) = (phrases(left, built)?, phrases(right, built)?);
    if left.len() * right.len() > PAIRS_MAX {
        return Err(problem("too many alternatives around `NEAR`", "search for fewer at once"));
    }
    let pair = |a: &String, b: &String| format!("NEAR({a} {b}, {words})");
    let pairs: Vec<String> = left.iter().flat_map(|a| right.iter().map(move |b| pair(a, b))).collect();
    Ok(format!("({})", pairs.join(" OR ")))
}

fn phrases(query: &Query, built: &mut Operated) -> Result<Vec<String>, SearchProblem> {
    match &query.clause {
        Clause::Word(word) => Ok(vec![phrase(std::slice::from_ref(word), built)?]),
        Clause::Phrase(words) => Ok(vec![phrase(words, built)?]),
        Clause::Or(parts) => {
            let parts: Vec<Vec<String>> = parts.iter().map(|one| phrases(one, built)).collect::<Result<_, _>>()?;
            Ok(parts.concat())
        }
        _ => Err(problem("beside `NEAR` the index takes words and phrases", "join three with `AND` of two `NEAR`s")),
    }
}

fn phrase(words: &[Word], built: &mut Operated) -> Result<String, SearchProblem> {
    if words.iter().any(|word| matches!(word.form, Form::Inside | Form::Ending)) {
        return Err(problem("the index knows only the starts of words", "write `word*`"));
    }
    let clean = |word: &Word| word.text.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect::<String>();
    let text = words.iter().map(clean).collect::<Vec<_>>().join(" ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // A stem is asked for as the start that its forms share, more or less.
    let open = words.last().is_some_and(|word| matches!(word.form, Form::Prefix | Form::Stem));
    built.words.push(text.clone());
    Ok(format!("\"{text}\"{}", if open { " *" } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_of_topics_become_an_expression() {
        for (typed, expected) in [
            ("storm AND (gale OR hail)", "(\"storm\" AND (\"gale\" OR \"hail\"))"),
            ("storm NOT film", "((\"storm\") NOT \"film\")"),
            ("storm NEAR/5 \"far coast\"", "(NEAR(\"storm\" \"far coast\", 5))"),
            ("(storm OR gale) NEAR/3 coast*", "(NEAR(\"storm\" \"coast\" *, 3) OR NEAR(\"gale\" \"coast\" *, 3))"),
            ("storm NOT NEAR/3 film", "(\"storm\" NOT (NEAR(\"storm\" \"film\", 3)))"),
            ("title:storm AND body:coast", "(({title} : \"storm\") AND ({body} : \"coast\"))"),
        ] {
            assert!(is_operated(typed), "{typed}");
            assert_eq!(operated(typed).map(|built| built.expression).as_deref(), Ok(expected), "{typed}");
        }
        assert!(operated("storm BEFORE/2 coast").is_ok_and(|built| built.loose));
    }

    #[test]
    fn operators_find_in_the_index_what_they_say() {
        let index = crate::store::engine::sqlite::in_memory().expect("opens");
        index
            .execute_batch(
                "CREATE VIRTUAL TABLE search USING fts5 (title, body, facets);
                 INSERT INTO search VALUES ('storm off the coast', 'gale at sea', 's00');
                 INSERT INTO search VALUES ('film festival', 'a storm of applause on the far coast', 's00');",
            )
            .expect("made");
        for (typed, found) in [
            ("storm NEAR/3 coast", vec![1]),
            ("storm NEAR/9 coast", vec![1, 2]),
            ("storm NOT film", vec![1]),
            ("title:storm AND body:gale", vec![1]),
            ("title:(film OR storm) AND applause", vec![2]),
            ("(gale OR applause) NEAR/2 (sea OR far)", vec![1, 2]),
            ("storm NOT NEAR/3 applause", vec![1]),
        ] {
            let expression = format!("({{title body}} : ({}))", operated(typed).expect(typed).expression);
            let mut statement =
                index.prepare("SELECT rowid FROM search WHERE search MATCH ?1 ORDER BY rowid").expect("sql");
            let rows = statement.query_map([&expression], |row| row.get(0)).expect(typed);
            assert_eq!(rows.collect::<Result<Vec<i64>, _>>().expect(typed), found, "{typed}: {expression}");
        }
    }

    #[test]
    fn operators_that_the_index_lacks_are_refused_with_a_way() {
        for (typed, way) in [
            ("storm AND @coast", "--topic"),
            ("storm AND source:wire", "--source"),
            ("storm NEAR coast AND x1", "NEAR/5"),
            ("NOT storm", "storm NOT film"),
            ("storm AND *coast*", "word*"),
        ] {
            let refused = operated(typed).expect_err(typed);
            assert!(refused.hint.clone().unwrap_or_default().contains(way), "{typed}: {refused:?}");
        }
        for plain in ["storm coast", "storm -film", "storm OR gale coast", "\"this AND that\"", "note: storm"] {
            assert!(!is_operated(plain), "{plain}");
        }
    }
}

//! The store's SQL as PostgreSQL takes it. It is written for both: what is left is how placeholders are written, and what
//! tells SQLite's planner which way to go.

use std::fmt::Write as _;

/// A statement in PostgreSQL's words.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store::engine) struct Translated {
    sql: String,
    /// Placeholders that are asked whether they are null: of which type a null is, nothing else may say.
    asked: Vec<usize>,
}

impl Translated {
    pub(super) fn of(sql: &str) -> Self {
        let (mut out, mut asked, mut rest) = (String::with_capacity(sql.len()), Vec::new(), sql);
        while let Some(at) = rest.find(['\'', '?', 'I', 'C']) {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            let starts_word = !out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            rest = match from.as_bytes()[0] {
                b'\'' => {
                    // A doubled quote inside is the end of one literal and the beginning of the next.
                    let end = from[1..].find('\'').map_or(from.len(), |end| end + 2);
                    out.push_str(&from[..end]);
                    &from[end..]
                }
                b'?' => {
                    let digits = from[1..].find(|c: char| !c.is_ascii_digit()).map_or(from.len(), |end| end + 1);
                    let number: usize = from[1..digits].parse().unwrap_or_default();
                    // Writing to a string cannot fail.
                    let _ = write!(out, "${number}");
                    if from[digits..].trim_start().starts_with("IS NULL") && !asked.contains(&number) {
                        asked.push(number);
                    }
                    &from[digits..]
                }
                b'I' if starts_word && from.starts_with("INDEXED BY ") => {
                    let name = &from["INDEXED BY ".len()..];
                    &name[name.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(name.len())..]
                }
                // SQLite joins in the order that is written, with a condition.
                b'C' if starts_word && from.starts_with("CROSS JOIN ") => &from["CROSS ".len()..],
                _ => {
                    out.push_str(&from[..1]);
                    &from[1..]
                }
            };
        }
        out.push_str(rest);
        Self { sql: out, asked }
    }

    /// One that is in PostgreSQL's words already.
    pub(super) fn of_translated(sql: &str) -> Self {
        Self { sql: sql.to_owned(), asked: Vec::new() }
    }

    /// With no placeholder null.
    pub(super) fn plain(&self) -> String {
        self.sql.clone()
    }

    /// With the placeholders of these numbers null, where that has to be said.
    pub(super) fn with_nulls(&self, is_null: impl Fn(usize) -> bool) -> (String, Vec<usize>) {
        let said: Vec<usize> = self.asked.iter().copied().filter(|number| is_null(*number)).collect();
        let mut sql = self.sql.clone();
        for number in &said {
            let placeholder = format!("${number}");
            let mut out = String::with_capacity(sql.len());
            let mut rest = sql.as_str();
            while let Some(at) = rest.find(&placeholder) {
                let after = &rest[at + placeholder.len()..];
                out.push_str(&rest[..at]);
                out.push_str(if after.starts_with(|c: char| c.is_ascii_digit()) { &placeholder } else { "NULL" });
                rest = after;
            }
            out.push_str(rest);
            sql = out;
        }
        (sql, said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_and_words_to_the_planner_are_put_as_postgres_has_them() {
        for (sqlite, postgres) in [
            ("SELECT a FROM t WHERE b = ?1 AND c > ?12", "SELECT a FROM t WHERE b = $1 AND c > $12"),
            ("SELECT '?1, it''s ?2' WHERE a = ?1", "SELECT '?1, it''s ?2' WHERE a = $1"),
            ("SELECT 1 FROM t INDEXED BY t_a WHERE a = ?1", "SELECT 1 FROM t  WHERE a = $1"),
            ("SELECT 1 FROM t CROSS JOIN u ON u.a = t.a", "SELECT 1 FROM t JOIN u ON u.a = t.a"),
            ("INSERT INTO items (CI) VALUES (?1)", "INSERT INTO items (CI) VALUES ($1)"),
        ] {
            assert_eq!(Translated::of(sqlite).sql, postgres);
        }
    }

    #[test]
    fn null_is_written_out_only_where_nothing_else_says_of_which_type_it_is() {
        let asked = Translated::of("SELECT 1 FROM t WHERE (?1 IS NULL OR a = ?1) AND b = ?2 AND c = ?10");
        let (sql, said) = asked.with_nulls(|_| true);
        assert_eq!(sql, "SELECT 1 FROM t WHERE (NULL IS NULL OR a = NULL) AND b = $2 AND c = $10");
        assert_eq!(said, [1]);
        assert_eq!(asked.with_nulls(|_| false).0, asked.sql);
    }
}

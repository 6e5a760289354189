//! What a request asks for: the id in its path and the keys of its query, each known and given once. A mistyped
//! filter must not answer with everything.

use crate::config::duration;
use crate::model::Timestamp;

use super::refusal::{AnswerRefusal, RefusalKind};

/// Rows in one answer.
pub(super) const ROWS_MAX: usize = 200;
const ROWS_DEFAULT: usize = 50;
/// Rows that are counted; a list is told to have more.
const COUNTED_MAX: usize = 10_000;

/// A request, read.
#[derive(Debug, Clone)]
pub(super) struct AskedQuery {
    /// The path's form, such as `/v1/items/{id}`.
    pub route: &'static str,
    /// What stands for `{id}`, decoded.
    pub id: String,
    /// When it was asked.
    pub now: Timestamp,
    values: Vec<(String, String)>,
    /// Rows are counted, not shown.
    counts: bool,
}

impl AskedQuery {
    /// Reads a query string.
    pub fn read(
        route: &'static str,
        id: String,
        query: &str,
        known: &[&str],
        now: Timestamp,
    ) -> Result<Self, AnswerRefusal> {
        let mut values: Vec<(String, String)> = Vec::new();
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if !known.contains(&key.as_ref()) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(AnswerRefusal::new(RefusalKind::BadQuery, format!("`{key}` is no key of this query"))
                    .hint(format!("known are: {known}")));
            }
            if values.iter().any(|(given, _)| *given == key) {
                return Err(AnswerRefusal::new(RefusalKind::BadQuery, format!("`{key}` is given twice")));
            }
            // A form sends what was left empty, too.
            if !value.is_empty() {
                values.push((key.into_owned(), value.into_owned()));
            }
        }
        values.sort();
        Ok(Self { route, id, now, values, counts: false })
    }

    /// The value of a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.values.iter().find(|(given, _)| given == key).map(|(_, value)| value.as_str())
    }

    /// The same, owned.
    pub fn owned(&self, key: &str) -> Option<String> {
        self.text(key).map(str::to_owned)
    }

    /// All that was given, by its keys.
    pub fn given(&self) -> impl Iterator<Item = &(String, String)> {
        self.values.iter()
    }

    /// What was asked for but for where in the list, for cursors and links.
    pub fn filters(&self) -> impl Iterator<Item = &(String, String)> {
        self.values
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "cursor" | "after" | "limit" | "part" | "keys" | "count"))
    }

    /// The same query as it counts its rows: from the first on, up to as many as are counted.
    pub fn counting(&self) -> Self {
        let mut counting = self.clone();
        counting.values.retain(|(key, _)| !matches!(key.as_str(), "cursor" | "after" | "limit"));
        counting.counts = true;
        counting
    }

    /// `limit`: how many rows.
    pub fn limit(&self) -> Result<usize, AnswerRefusal> {
        if self.counts {
            return Ok(COUNTED_MAX);
        }
        let Some(text) = self.text("limit") else { return Ok(ROWS_DEFAULT) };
        text.parse().ok().filter(|limit| (1..=ROWS_MAX).contains(limit)).ok_or_else(|| {
            AnswerRefusal::new(RefusalKind::BadQuery, format!("`limit={text}` is no number from 1 to {ROWS_MAX}"))
        })
    }

    /// `since`: an age or a time.
    pub fn since(&self) -> Result<Option<Timestamp>, AnswerRefusal> {
        let Some(text) = self.text("since") else { return Ok(None) };
        if let Ok(at) = Timestamp::parse(text) {
            return Ok(Some(at));
        }
        duration(text).map(|age| Some(self.now.minus(age))).map_err(|_| {
            AnswerRefusal::new(RefusalKind::BadQuery, format!("`since={text}` is neither an age nor a time"))
                .hint("write 90m, 2h, 7d, or 2025-03-17T00:00:00Z")
        })
    }

    /// A key with few values.
    pub fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Result<Option<T>, AnswerRefusal> {
        let Some(text) = self.text(key) else { return Ok(None) };
        choices.iter().find(|(name, _)| *name == text).map(|(_, value)| Some(*value)).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            AnswerRefusal::new(RefusalKind::BadQuery, format!("`{key}={text}` means nothing"))
                .hint(format!("it takes: {}", names.join(", ")))
        })
    }

    /// A key that is read by its type.
    pub fn parsed<T, E: ToString>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, AnswerRefusal> {
        let Some(text) = self.text(key) else { return Ok(None) };
        parse(text).map(Some).map_err(|error| {
            AnswerRefusal::new(RefusalKind::BadQuery, format!("`{key}={text}`: {}", error.to_string()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<AskedQuery, AnswerRefusal> {
        let now = Timestamp::from_seconds(1_742_198_531);
        AskedQuery::read("/v1/items", String::new(), query, &["limit", "since", "topic"], now)
    }

    #[test]
    fn query_that_is_mistyped_is_refused_by_name() {
        for (query, word) in [
            ("topics=a", "topic"),
            ("topic=a&topic=b", "twice"),
            ("limit=0", "1 to 200"),
            ("limit=201", "1 to 200"),
            ("limit=-1", "1 to 200"),
            ("since=yesterday", "2h"),
        ] {
            let told = match read(query) {
                Err(refusal) => refusal,
                Ok(asked) => asked.limit().map(|_| ()).and(asked.since().map(|_| ())).expect_err(query),
            };
            let said = format!("{} {}", told.detail, told.hint.unwrap_or_default());
            assert!(said.contains(word), "{query}: {said}");
        }
    }

    #[test]
    fn query_of_an_empty_form_asks_for_nothing() {
        let asked = read("topic=&limit=&since=").expect("read");
        assert_eq!((asked.text("topic"), asked.limit().expect("read")), (None, ROWS_DEFAULT));
        assert_eq!(read("since=1h30m").expect("read").since().expect("read").expect("a time").seconds(), 1_742_193_131);
    }
}

//! The inbox: pushes that reached a process which does not decide. The one that does takes them in the order in which they
//! came, and answers each in the transaction that stores its items; whoever put it there waits for that.

use super::engine::{self, CommitWord, OptionalExtension as _, Transaction, params};
use super::{Store, StoreError};
use crate::model::Timestamp;

/// Pushes that wait; beyond them nobody may add one.
const WAITING_MAX: i64 = 512;
/// Bytes that wait, likewise.
const WAITING_BYTES_MAX: i64 = 256 << 20;
/// An answer that nobody came for is kept so long.
const ANSWER_KEPT_MS: i64 = 600_000;

/// A push as it came, or what a hub said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxPush {
    /// The name of its sender in the config; the callback of a hub.
    pub source: String,
    /// How its body is read, by a name of whoever reads it.
    pub form: String,
    /// The number of its first line, where it is a part of a body of lines.
    pub first_line: u64,
    /// What a repeat is known by, and the hash of the body.
    pub key: Option<(String, Vec<u8>)>,
    /// What was sent.
    pub body: Vec<u8>,
}

/// What has become of a push in the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboxOutcome {
    /// Nobody has taken it yet.
    Waits,
    /// Its items are stored: the answer, as JSON.
    Stored(String),
    /// It was not taken: why.
    Refused(String),
}

/// Answers a push of the inbox, in the transaction that stores its items; what was sent is let go.
pub(super) fn answer(tx: &Transaction<'_>, row: i64, answer: &str) -> engine::Result<()> {
    let set = "UPDATE inbox SET answer = ?2, body = NULL WHERE id = ?1";
    tx.prepare_cached(set)?.defer(params![row, answer])
}

/// Lets go of answers that nobody came for.
pub(super) fn forget_old(tx: &Transaction<'_>, now: Timestamp) -> engine::Result<()> {
    let old = now.millis() - ANSWER_KEPT_MS;
    let forget = "DELETE FROM inbox WHERE (answer IS NOT NULL OR refusal IS NOT NULL) AND at < ?1";
    tx.prepare_cached(forget)?.execute([old]).map(|_| ())
}

impl Store {
    /// Puts a push into the inbox; `None` where too many wait there already.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn put_into_inbox(&self, push: &InboxPush, now: Timestamp) -> Result<Option<i64>, StoreError> {
        self.put_into_inbox_within(push, WAITING_BYTES_MAX, now)
    }

    fn put_into_inbox_within(
        &self,
        push: &InboxPush,
        bytes_max: i64,
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let put = "INSERT INTO inbox (source, form, first_line, key, body_hash, body, at)
                   SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
                   WHERE (SELECT count(*) < ?8 AND coalesce(sum(octet_length(body)), 0) < ?9 FROM inbox
                          WHERE answer IS NULL AND refusal IS NULL AND form NOT LIKE 'batch-%')
                   RETURNING id";
        let (key, hash) = push.key.as_ref().map(|(key, hash)| (key.as_str(), hash.as_slice())).unzip();
        self.write_saying(CommitWord::Pushed, "put a push into the inbox", |tx| {
            let values = params![
                push.source,
                push.form,
                push.first_line.cast_signed(),
                key.unwrap_or_default(),
                hash.unwrap_or_default(),
                push.body,
                now.millis(),
                WAITING_MAX,
                bytes_max
            ];
            tx.prepare_cached(put)?.query_row(values, |row| row.get(0)).optional()
        })
    }

    /// What has become of a push in the inbox; one that nobody knows of was refused.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn inbox_outcome(&self, row: i64) -> Result<InboxOutcome, StoreError> {
        self.read("look for the answer to a push", |c| {
            let mut asked = c.prepare_cached("SELECT answer, refusal FROM inbox WHERE id = ?1")?;
            let found: Option<(Option<String>, Option<String>)> =
                asked.query_row([row], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            Ok(match found {
                Some((Some(answer), _)) => InboxOutcome::Stored(answer),
                Some((None, Some(why))) => InboxOutcome::Refused(why),
                Some((None, None)) => InboxOutcome::Waits,
                None => InboxOutcome::Refused("it is not in the inbox any more".to_owned()),
            })
        })
    }

    /// Lets go of a push whose answer was heard, and of those whose answer nobody came for.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn clear_inbox(&self, row: i64, now: Timestamp) -> Result<(), StoreError> {
        let clear = "DELETE FROM inbox WHERE (answer IS NOT NULL OR refusal IS NOT NULL) AND id = ?1";
        self.write_saying(CommitWord::Nothing, "clear the inbox", |tx| {
            tx.prepare_cached(clear)?.execute([row])?;
            forget_old(tx, now)
        })
    }

    /// The pushes that wait, but for those in hand, in the order in which they came.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn waiting_in_inbox(&self, except: &[i64], most: usize) -> Result<Vec<(i64, InboxPush)>, StoreError> {
        // Those in hand are few, and numbers.
        let except: Vec<String> = except.iter().map(ToString::to_string).collect();
        let except = if except.is_empty() { "0".to_owned() } else { except.join(", ") };
        let waiting = format!(
            "SELECT id, source, form, first_line, key, body_hash, body FROM inbox
             WHERE answer IS NULL AND refusal IS NULL AND form NOT LIKE 'batch-%' AND id NOT IN ({except}) ORDER BY id LIMIT ?1"
        );
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.read("read the inbox", |c| {
            let mut statement = c.prepare(&waiting)?;
            let pushes = statement.query_map([most], |row| {
                let key: String = row.get("key")?;
                let push = InboxPush {
                    source: row.get("source")?,
                    form: row.get("form")?,
                    first_line: row.get::<_, i64>("first_line")?.cast_unsigned(),
                    key: if key.is_empty() { None } else { Some((key, row.get("body_hash")?)) },
                    body: row.get("body")?,
                };
                Ok((row.get("id")?, push))
            })?;
            pushes.collect()
        })
    }

    /// Answers what is in the inbox and brings nothing to store, in the words of whoever waits for it.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn answer_in_inbox(&self, row: i64, said: &str) -> Result<(), StoreError> {
        self.write_saying(CommitWord::Answered, "answer what is in the inbox", |tx| answer(tx, row, said))
    }

    /// Lets go of what nobody waits for an answer to.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn drop_from_inbox(&self, row: i64) -> Result<(), StoreError> {
        self.write_saying(CommitWord::Nothing, "let go of what is in the inbox", |tx| {
            tx.prepare_cached("DELETE FROM inbox WHERE id = ?1")?.execute([row]).map(|_| ())
        })
    }

    /// Says that something in the inbox is not taken, and why.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn refuse_in_inbox(&self, row: i64, why: &str) -> Result<(), StoreError> {
        let refuse = "UPDATE inbox SET refusal = ?2, body = NULL WHERE id = ?1 AND answer IS NULL";
        self.write_saying(CommitWord::Answered, "refuse what is in the inbox", |tx| {
            tx.prepare_cached(refuse)?.execute(params![row, why]).map(|_| ())
        })
    }
}

/// Against a server that `WIREWATCH_TEST_STORE` names (`proof/postgres`); without one there is nothing to try.
#[cfg(test)]
mod tests {
    use std::sync::{Arc, OnceLock};

    use super::super::BatchWrite;
    use super::super::on_a_server_tests::owner_and_sharer;
    use super::*;
    use crate::model::{ContentHash, Cursor, Origin, PushAnswer, PushRecord, SourceId, SourceKind};

    const NOW: Timestamp = Timestamp::from_seconds(1_742_198_531);

    fn push(body: &str) -> InboxPush {
        let key = Some(("k".to_owned(), ContentHash::of(&[body.as_bytes()]).to_bytes().to_vec()));
        let (source, form) = ("desk".to_owned(), "json".to_owned());
        InboxPush { source, form, first_line: 0, key, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn push_is_answered_by_the_transaction_that_stores_it_and_by_no_other() {
        let Some((_dirs, decides, serves)) = owner_and_sharer("inbox_answered") else { return };
        let first = serves.put_into_inbox(&push("one"), NOW).expect("written").expect("there is room");
        let second = serves.put_into_inbox(&push("two"), NOW).expect("written").expect("there is room");
        let waiting = decides.waiting_in_inbox(&[], 10).expect("read");
        assert_eq!(waiting, [(first, push("one")), (second, push("two"))], "in their order, as they came");
        assert_eq!(decides.waiting_in_inbox(&[first], 10).expect("read"), waiting[1..]);
        assert_eq!(serves.inbox_outcome(first).expect("read"), InboxOutcome::Waits);
        let source = SourceId::new("desk").expect("a name");
        let answer = Arc::new(OnceLock::from(PushAnswer { received: 1, ..PushAnswer::default() }));
        let body_hash = ContentHash::of(&[b"one"]);
        let record = PushRecord {
            source: source.clone(),
            key: None,
            body_hash,
            lines: Vec::new(),
            rejected: Vec::new(),
            answer,
            inbox: Some(first),
        };
        let origin = Origin { source, kind: SourceKind::Push, received: NOW };
        let batch = BatchWrite { cursor: Cursor::Push(Box::new(record)), ..BatchWrite::new(origin, Vec::new()) };
        let cut = decides.write("test", |tx| {
            answer_of(tx, first)?;
            tx.execute("INSERT INTO nowhere VALUES (1)", [])
        });
        assert!(cut.is_err());
        assert_eq!(
            serves.inbox_outcome(first).expect("read"),
            InboxOutcome::Waits,
            "what was rolled back is no answer"
        );
        decides.apply(&[batch], NOW).expect("applied");
        let InboxOutcome::Stored(answer) = serves.inbox_outcome(first).expect("read") else { panic!("no answer") };
        assert!(answer.contains("\"received\":1"), "{answer}");
        decides.refuse_in_inbox(second, "nobody knows its sender").expect("written");
        assert_eq!(decides.waiting_in_inbox(&[], 10).expect("read"), []);
        let refused = InboxOutcome::Refused("nobody knows its sender".to_owned());
        assert_eq!(serves.inbox_outcome(second).expect("read"), refused);
        serves.clear_inbox(first, NOW).expect("written");
        assert!(matches!(serves.inbox_outcome(first).expect("read"), InboxOutcome::Refused(_)));
        assert_eq!(serves.inbox_outcome(second).expect("read"), refused, "its sender has not come yet");
        let later = Timestamp::from_millis(NOW.millis() + ANSWER_KEPT_MS + 1);
        serves.clear_inbox(first, later).expect("written");
        let left: i64 =
            serves.read("test", |c| c.query_row("SELECT count(*) FROM inbox", [], |row| row.get(0))).expect("read");
        assert_eq!(left, 0, "answers that nobody came for go");
    }

    fn answer_of(tx: &Transaction<'_>, row: i64) -> engine::Result<()> {
        answer(tx, row, "{}")
    }

    #[test]
    fn inbox_that_is_full_takes_no_more() {
        let Some((_dirs, _decides, serves)) = owner_and_sharer("inbox_full") else { return };
        let fill = "INSERT INTO inbox (source, form, first_line, key, body_hash, body, at)
                    SELECT 'desk', 'json', 0, '', '', '', 0 FROM generate_series(1, 512)";
        serves.write("test", |tx| tx.execute_batch(fill)).expect("written");
        assert_eq!(serves.put_into_inbox(&push("more"), NOW).expect("asked"), None);
        serves.write("test", |tx| tx.execute("UPDATE inbox SET answer = '{}'", [])).expect("written");
        assert!(serves.put_into_inbox(&push("more"), NOW).expect("asked").is_some());
        let put = |body: &str| serves.put_into_inbox_within(&push(body), 1000, NOW).expect("asked");
        let large = put(&"x".repeat(2000)).expect("what was there is below the bound");
        assert_eq!(put("small"), None);
        serves.answer_in_inbox(large, "{}").expect("written");
        let small = put("small").expect("there is room again");
        serves.drop_from_inbox(small).expect("written");
        assert!(matches!(serves.inbox_outcome(small).expect("read"), InboxOutcome::Refused(_)), "it is gone");
    }
}

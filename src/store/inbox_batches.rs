//! The inbox for what other processes fetch and take from their seed directories: items with the cursor of their source, in
//! one row. The one that decides takes rows in the order in which they came, and answers each in the transaction that
//! stores its items and its cursor; whoever put it there takes the answer away.

use serde::{Deserialize, Serialize};

use super::engine::{self, CommitWord, params};
use super::inbox::{InboxOutcome, forget_old};
use super::{Store, StoreError};
use crate::model::{Cursor, FeedState, FoundHubs, Origin, RawItem, Rejection, SeedFile, Timestamp};

/// How the rows of this version are written. A row of another one is refused by its name; whoever put it there still has
/// what it was made of.
const FORM: &str = "batch-1";
/// Batches that wait; beyond them nobody may add one.
const WAITING_MAX: i64 = 512;
/// Bytes that wait, likewise.
const WAITING_BYTES_MAX: i64 = 256 << 20;
/// Bytes that are taken at once, but for one row that is larger.
const TAKEN_BYTES_MAX: i64 = 16 << 20;

/// A longer body goes by itself: what goes with others is written out as text.
const BODY_BYTES_DEFERRED_MAX: usize = 64 << 10;

/// Items of one document, on their way to the process that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxBatch {
    /// The name of their source in the config.
    pub source: String,
    /// How it is written.
    pub form: String,
    /// By which right their feed was polled; `None` for what is no feed.
    pub lease: Option<PollLease>,
    /// What it holds.
    pub body: Vec<u8>,
}

/// The right of one process to ask a host, as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollLease {
    /// Who is asked.
    pub host: String,
    /// The number of the right: another one when it was given to another process.
    pub epoch: i64,
}

/// What is in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchContents {
    /// Where it comes from, and when.
    pub origin: Origin,
    /// The items.
    pub items: Vec<RawItem>,
    /// What was not taken.
    pub rejected: Vec<Rejection>,
    /// What its source must remember.
    pub cursor: RelayedCursor,
    /// What its poll found of hubs. One of another version does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hubs: Option<FoundHubs>,
}

/// What is remembered of a source, as far as another process can say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RelayedCursor {
    /// The state of a feed after a poll.
    Feed(Box<FeedState>),
    /// A seed file that was read.
    SeedFile(SeedFile),
    /// Nothing.
    None,
}

impl From<RelayedCursor> for Cursor {
    fn from(cursor: RelayedCursor) -> Self {
        match cursor {
            RelayedCursor::Feed(state) => Self::Feed(state),
            RelayedCursor::SeedFile(file) => Self::SeedFile(file),
            RelayedCursor::None => Self::None,
        }
    }
}

impl BatchContents {
    /// As it goes into the inbox.
    #[must_use]
    pub fn written(&self, lease: Option<PollLease>) -> InboxBatch {
        let body = serde_json::to_vec(self).expect("invariant: texts, numbers and names are JSON");
        InboxBatch { source: self.origin.source.as_str().to_owned(), form: FORM.to_owned(), lease, body }
    }

    /// Back from the inbox.
    ///
    /// # Errors
    /// In words: it is of another version, or damaged.
    pub fn read(batch: &InboxBatch) -> Result<Self, String> {
        if batch.form != FORM {
            let form = &batch.form;
            return Err(format!(
                "it is written as `{form}`, and the node that decides reads `{FORM}`: give all nodes one version"
            ));
        }
        serde_json::from_slice(&batch.body).map_err(|error| format!("what came with it cannot be read: {error}"))
    }
}

/// A row that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingBatch {
    /// Its number.
    pub row: i64,
    /// What was put there.
    pub batch: InboxBatch,
}

/// Whether there may be more behind these, for whose bytes there was no room.
#[must_use]
pub fn is_all_that_is_read_at_once(batches: &[WaitingBatch]) -> bool {
    batches.iter().map(|one| one.batch.body.len() as i64).sum::<i64>() >= TAKEN_BYTES_MAX
}

impl Store {
    /// Puts batches into the inbox, in this order and in one transaction; gives their numbers, `None` for those that found
    /// no room.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn put_batches(&self, batches: &[InboxBatch], now: Timestamp) -> Result<Vec<Option<i64>>, StoreError> {
        self.put_batches_within(batches, WAITING_BYTES_MAX, now)
    }

    fn put_batches_within(
        &self,
        batches: &[InboxBatch],
        bytes_max: i64,
        now: Timestamp,
    ) -> Result<Vec<Option<i64>>, StoreError> {
        // Their numbers are asked for beforehand, so that all of them go there together.
        let room = "SELECT (SELECT count(*) FROM inbox WHERE answer IS NULL AND refusal IS NULL AND form LIKE 'batch-%') AS waiting,
                (SELECT coalesce(sum(octet_length(body)), 0) FROM inbox
                 WHERE answer IS NULL AND refusal IS NULL AND form LIKE 'batch-%') AS bytes,
                nextval(pg_get_serial_sequence('inbox', 'id')) AS id
             FROM generate_series(1, ?1)";
        let put = "INSERT INTO inbox (id, source, form, first_line, key, body_hash, body, at, host, epoch)
                   VALUES (?1, ?2, ?3, 0, '', '', ?4, ?5, ?6, ?7)";
        self.write_saying(CommitWord::Fetched, "put what was fetched into the inbox", |tx| {
            let mut room = tx.prepare_cached(room)?;
            let asked = room.query_map([batches.len() as i64], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            let numbers = asked.collect::<engine::Result<Vec<(i64, i64, i64)>>>()?;
            let (mut waiting, mut bytes) = numbers.first().map_or((0, 0), |(waiting, bytes, _)| (*waiting, *bytes));
            let mut rows = vec![None; batches.len()];
            let places = rows.iter_mut().zip(numbers);
            for (InboxBatch { source, form, lease, body }, (row, (_, _, number))) in batches.iter().zip(places) {
                // Those behind one that found no room wait as well: order stays.
                if waiting >= WAITING_MAX || bytes >= bytes_max {
                    break;
                }
                let (host, epoch) = lease.as_ref().map_or(("", 0), |lease| (lease.host.as_str(), lease.epoch));
                let values = params![number, source, form, body, now.millis(), host, epoch];
                let mut put = tx.prepare_cached(put)?;
                if body.len() > BODY_BYTES_DEFERRED_MAX {
                    put.execute(values)?;
                } else {
                    put.defer(values)?;
                }
                (waiting, bytes) = (waiting + 1, bytes + body.len() as i64);
                *row = Some(number);
            }
            forget_old(tx, now)?;
            Ok(rows)
        })
    }

    /// Batches that wait, but for those in hand, in the order in which they came.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn waiting_batches(&self, in_hand: &[i64], most: usize) -> Result<Vec<WaitingBatch>, StoreError> {
        let in_hand = serde_json::to_string(in_hand).expect("invariant: numbers are JSON");
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.read("read the inbox", |c| {
            let mut waiting = c.prepare_cached(
                "SELECT id, source, form, host, epoch, body FROM (
                     SELECT i.*, sum(octet_length(i.body)) OVER (ORDER BY i.id) - octet_length(i.body) AS ahead FROM inbox i
                     WHERE i.answer IS NULL AND i.refusal IS NULL AND i.form LIKE 'batch-%'
                         AND i.id NOT IN (SELECT CAST(value AS BIGINT) FROM json_each(?1))) AS waiting
                 WHERE ahead < ?2 ORDER BY id LIMIT ?3",
            )?;
            let rows = waiting.query_map(params![in_hand, TAKEN_BYTES_MAX, most], |row| {
                let (host, epoch): (String, i64) = (row.get("host")?, row.get("epoch")?);
                let lease = Some(PollLease { host, epoch }).filter(|lease| !lease.host.is_empty());
                let (source, form, body) = (row.get("source")?, row.get("form")?, row.get("body")?);
                Ok(WaitingBatch { row: row.get("id")?, batch: InboxBatch { source, form, lease, body } })
            })?;
            rows.collect()
        })
    }

    /// Takes the answers to these away, as far as there are any. What is gone without one was refused. In one statement, which
    /// waits for no writer and not for the disk: an answer that comes back to a server that fell over goes with its age.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read or let go.
    pub fn take_batch_answers(&self, rows: &[i64]) -> Result<Vec<(i64, InboxOutcome)>, StoreError> {
        let listed = serde_json::to_string(rows).expect("invariant: numbers are JSON");
        // All of it is of one moment: what is gone was gone before.
        let take = "WITH asked AS (SELECT CAST(value AS BIGINT) AS id FROM json_each(?1)),
             taken AS (
                 DELETE FROM inbox i USING asked WHERE i.id = asked.id AND (i.answer IS NOT NULL OR i.refusal IS NOT NULL)
                 RETURNING i.id, i.answer, i.refusal)
             SELECT asked.id, t.answer, t.refusal
             FROM asked LEFT JOIN taken t ON t.id = asked.id LEFT JOIN inbox i ON i.id = asked.id
             WHERE t.id IS NOT NULL OR i.id IS NULL";
        self.beside("take the answers to what was fetched", |c| {
            let mut take = c.prepare_cached(take)?;
            let rows = take.query_map([&listed], |row| {
                let (answer, refusal): (Option<String>, Option<String>) = (row.get("answer")?, row.get("refusal")?);
                let gone = || InboxOutcome::Refused("it is not in the inbox any more".to_owned());
                Ok((
                    row.get("id")?,
                    answer.map_or_else(|| refusal.map_or_else(gone, InboxOutcome::Refused), InboxOutcome::Stored),
                ))
            })?;
            rows.collect::<engine::Result<Vec<(i64, InboxOutcome)>>>()
        })
    }
}

#[cfg(test)]
mod format_tests {
    use super::*;
    use crate::model::{
        ContentHash, DailyUse, DateCertainty, Dated, FeedFailure, HubLinks, ItemKey, MovedFeed, RawText, RejectReason,
        SeedOutcome, SourceId, SourceKind,
    };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn full() -> BatchContents {
        let source = SourceId::new("gazette").expect("a name");
        let item = RawItem {
            title: Some(RawText::html("A <b>narwhal</b> \u{0}\u{202e} \"quoted\"")),
            title_original: Some("Re: a narwhal".to_owned()),
            url: Some("https://gazette.example/1".to_owned()),
            author: Some("An author".to_owned()),
            publisher: Some("Gazette".to_owned()),
            published: Some(Dated { at: at(1_742_198_531_123), certainty: DateCertainty::YearInferred }),
            updated: Some(Dated { at: Timestamp::MAX, certainty: DateCertainty::Exact }),
            lang: Some("en-GB".to_owned()),
            summary: Some(RawText::plain("Short")),
            content: Some(RawText::html("<p>Long</p>")),
            page: Some(RawText::plain("Longer")),
            tags: vec!["sea".to_owned(), String::new()],
            quiet: true,
            ..RawItem::new(ItemKey::new("tag:gazette,1"))
        };
        let state = FeedState {
            title: Some("Gazette".to_owned()),
            etag: Some(vec![0, 34, 255]),
            last_modified: Some(b"Mon, 17 Mar 2025".to_vec()),
            body_hash: Some(ContentHash::of(&[b"body"])),
            last_poll_at: Some(at(-1)),
            failures_weighted: 150,
            failure: Some(FeedFailure::RateLimited),
            error: Some("429".to_owned()),
            ttl: Some(std::time::Duration::from_millis(1_500)),
            skip_hours: 3,
            moved: Some(MovedFeed { url: "https://new.example/".to_owned(), polls: 2, since: at(5), adopted: true }),
            baselined: true,
            polls: u64::MAX >> 1,
            interval: Some(std::time::Duration::from_secs(900)),
            seen_percent: Some(97),
            used: DailyUse { day: 20_000, bytes: 7, alerts: 1, bytes_over: true, alerts_over: false },
            ..FeedState::new(source.clone(), "https://gazette.example/rss".to_owned(), at(9))
        };
        let rejected = vec![Rejection { reason: RejectReason::TooManyItems, detail: "2001".to_owned(), count: 1 }];
        let origin = Origin { source, kind: SourceKind::Feed, received: at(1_742_198_531_001) };
        let links = HubLinks { hubs: vec!["https://hub.example/".to_owned()], topic: Some("\u{0}".to_owned()) };
        let hubs = Some(FoundHubs { links: Some(links), before: Some(at(3)) });
        BatchContents { origin, items: vec![item], rejected, cursor: RelayedCursor::Feed(Box::new(state)), hubs }
    }

    #[test]
    fn batch_comes_out_of_the_inbox_as_it_went_in() {
        let contents = full();
        assert_eq!(BatchContents::read(&contents.written(None)), Ok(contents.clone()));
        let silent = BatchContents { hubs: None, ..contents.clone() };
        assert!(!String::from_utf8_lossy(&silent.written(None).body).contains("hubs"), "as a version before wrote it");
        assert_eq!(BatchContents::read(&silent.written(None)), Ok(silent));
        let refusal = Rejection { reason: RejectReason::NotText, detail: "a picture".to_owned(), count: 1 };
        for outcome in [SeedOutcome::Taken { items: 3, rejected: 1 }, SeedOutcome::Refused(refusal)] {
            let hash = ContentHash::of(&[b"file"]);
            let file = SeedFile { hash, name: "a.json".to_owned(), size_bytes: 9, modified: at(7), outcome };
            let seed = BatchContents { cursor: RelayedCursor::SeedFile(file), ..contents.clone() };
            assert_eq!(BatchContents::read(&seed.written(None)), Ok(seed));
        }
    }

    #[test]
    fn batch_of_another_version_or_damaged_is_refused_in_words() {
        let batch = InboxBatch { form: "batch-0".to_owned(), ..full().written(None) };
        let refusal = BatchContents::read(&batch).expect_err("refused");
        assert!(refusal.contains("batch-0") && refusal.contains(FORM), "{refusal}");
        let mut cut = full().written(None);
        cut.body.truncate(40);
        assert!(BatchContents::read(&cut).expect_err("refused").contains("cannot be read"));
    }
}

/// Against a server that `WIREWATCH_TEST_STORE` names (`proof/postgres`); without one there is nothing to try.
#[cfg(test)]
mod tests {
    use super::super::BatchWrite;
    use super::super::on_a_server_tests::owner_and_sharer;
    use super::*;
    use crate::model::{SourceId, SourceKind};

    const NOW: Timestamp = Timestamp::from_seconds(1_742_198_531);

    fn origin() -> Origin {
        Origin { source: SourceId::new("gazette").expect("a name"), kind: SourceKind::Feed, received: NOW }
    }

    fn batch() -> InboxBatch {
        let cursor = RelayedCursor::None;
        BatchContents { origin: origin(), items: Vec::new(), rejected: Vec::new(), cursor, hubs: None }.written(None)
    }

    #[test]
    fn batch_is_answered_by_the_transaction_that_stores_it_and_by_no_other() {
        let Some((_dirs, decides, fetches)) = owner_and_sharer("fetched_answered") else { return };
        let lease = Some(PollLease { host: "gazette.example".to_owned(), epoch: 7 });
        let second = InboxBatch { lease, ..batch() };
        let rows = fetches.put_batches(&[batch(), second.clone()], NOW).expect("written");
        let rows: Vec<i64> = rows.into_iter().flatten().collect();
        let waiting = decides.waiting_batches(&[], 10).expect("read");
        let taken: Vec<_> = waiting.iter().map(|one| (one.row, &one.batch)).collect();
        assert_eq!(taken, [(rows[0], &batch()), (rows[1], &second)], "in their order, as they came");
        assert_eq!(decides.waiting_batches(&rows[..1], 10).expect("read").len(), 1, "one is in hand");
        assert_eq!(decides.waiting_in_inbox(&[], 10).expect("read"), [], "they are no pushes");
        let cut = decides.write("test", |tx| {
            super::super::inbox::answer(tx, rows[0], "{}")?;
            tx.execute("INSERT INTO nowhere VALUES (1)", [])
        });
        assert!(cut.is_err());
        assert_eq!(fetches.take_batch_answers(&rows).expect("read"), [], "what was rolled back is no answer");
        let write = BatchWrite { inbox: Some((rows[0], "{}".to_owned())), ..BatchWrite::new(origin(), Vec::new()) };
        decides.apply(&[write], NOW).expect("applied");
        decides.refuse_in_inbox(rows[1], "nobody can read it").expect("written");
        assert_eq!(decides.waiting_batches(&[], 10).expect("read"), []);
        let mut heard = fetches.take_batch_answers(&rows).expect("read");
        heard.sort_by_key(|(row, _)| *row);
        let refused = InboxOutcome::Refused("nobody can read it".to_owned());
        assert_eq!(heard, [(rows[0], InboxOutcome::Stored("{}".to_owned())), (rows[1], refused)]);
        let again = fetches.take_batch_answers(&rows).expect("read");
        assert!(again.iter().all(|(_, outcome)| matches!(outcome, InboxOutcome::Refused(_))), "it is gone: {again:?}");
        let left: i64 =
            decides.read("test", |c| c.query_row("SELECT count(*) FROM inbox", [], |row| row.get(0))).expect("read");
        assert_eq!(left, 0, "whoever heard an answer takes it away");
    }

    #[test]
    fn inbox_that_is_full_of_batches_takes_pushes_still_and_no_batch_passes_another() {
        let Some((_dirs, decides, fetches)) = owner_and_sharer("fetched_full") else { return };
        let fill = "INSERT INTO inbox (source, form, first_line, key, body_hash, body, at)
                    SELECT 'gazette', 'batch-1', 0, '', '', '', 0 FROM generate_series(1, 511)";
        fetches.write("test", |tx| tx.execute_batch(fill)).expect("written");
        let rows = fetches.put_batches(&[batch(), batch(), batch()], NOW).expect("asked");
        assert_eq!(rows.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(fetches.inbox_waiting().expect("read"), 512);
        decides.write("test", |tx| tx.execute("UPDATE inbox SET answer = '{}'", [])).expect("written");
        assert!(fetches.put_batches(&[batch()], NOW).expect("asked")[0].is_some());
        let large = InboxBatch { body: vec![b' '; 2000], ..batch() };
        let put = |batch: InboxBatch| fetches.put_batches_within(&[batch], 1000, NOW).expect("asked")[0].is_some();
        assert!(put(large), "what was there is below the bound");
        assert!(!put(batch()));
    }
}

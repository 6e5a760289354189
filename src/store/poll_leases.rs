//! Who may ask which host for feeds, where several processes poll. A right lasts for as long as its holder says that it is
//! there, so that keeping thousands of them costs nothing; whoever gets it next gets another number, by which what the one
//! before brings late is known.

use std::collections::{HashMap, HashSet};

use super::engine::{self, CommitWord, Transaction, params};
use super::lease::NOW;
use super::nodes::{NODE_ENDED_MS, NODE_SILENT_MS_MAX, has_session};
use super::{Store, StoreError};

/// A process that asks hosts, as its rights are written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeMark {
    /// Its name.
    pub name: String,
    /// What its sessions are known by: another one when it was begun anew.
    pub mark: String,
}

/// Whether somebody has the right still.
fn is_held() -> String {
    let has_session = has_session("n.mark");
    format!(
        "EXISTS (SELECT 1 FROM nodes n WHERE n.name = l.node AND n.mark = l.mark AND (n.seen_at > {NOW} - {NODE_ENDED_MS}
             OR n.seen_at > {NOW} - {NODE_SILENT_MS_MAX} AND {has_session}))"
    )
}

/// Those of these rows of the inbox that were fetched by a right which is another one's by now: they bring their items, and
/// nothing that their feed is to remember.
pub(super) fn fetched_late(tx: &Transaction<'_>, rows: &[i64]) -> engine::Result<HashSet<i64>> {
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = serde_json::to_string(rows).expect("invariant: numbers are JSON");
    let late =
        "SELECT i.id FROM inbox i WHERE i.host <> '' AND i.id IN (SELECT CAST(value AS BIGINT) FROM json_each(?1))
                    AND NOT EXISTS (SELECT 1 FROM poll_leases l WHERE l.host = i.host AND l.epoch = i.epoch)";
    tx.prepare_cached(late)?.query_map([rows], |row| row.get(0))?.collect()
}

impl Store {
    /// The hosts that a process may ask, with the number of its right to each; and, where there are any, the number of the
    /// last that hubs said of feeds ([`Store::hub_feeds_since`]).
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn poll_leases(&self, node: &NodeMark) -> Result<(HashMap<String, i64>, i64), StoreError> {
        self.read("read which hosts this node may ask", |c| {
            // Asked together, as often as each of them looks.
            let mut held = c.prepare_cached(
                "SELECT host, epoch, (SELECT coalesce(max(number), 0) FROM hub_feeds) AS hubs FROM poll_leases
                 WHERE node = ?1 AND mark = ?2",
            )?;
            let (mut leases, mut hubs) = (HashMap::new(), 0);
            let rows = held.query_map(params![node.name, node.mark], |row| {
                Ok((row.get("host")?, row.get("epoch")?, row.get::<_, i64>("hubs")?))
            })?;
            for row in rows {
                let (host, epoch, said): (String, i64, i64) = row?;
                leases.insert(host, epoch);
                hubs = said;
            }
            Ok((leases, hubs))
        })
    }

    /// Takes the right to ask these hosts, as far as nobody has it; gives those that it got.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be written.
    pub fn take_poll_leases(&self, node: &NodeMark, hosts: &[String]) -> Result<HashMap<String, i64>, StoreError> {
        let hosts = serde_json::to_string(hosts).expect("invariant: names are JSON");
        let make =
            "INSERT INTO poll_leases (host, node, mark, epoch) SELECT value, '', '', 0 FROM json_each(?1) AS names
                    ON CONFLICT (host) DO NOTHING";
        // What another one is taking just now is left to it.
        let take = format!(
            "UPDATE poll_leases SET node = ?2, mark = ?3, epoch = epoch + 1 WHERE host IN (
                 SELECT l.host FROM poll_leases l
                 WHERE l.host IN (SELECT value FROM json_each(?1)) AND NOT {} ORDER BY l.host FOR UPDATE SKIP LOCKED)
             RETURNING host, epoch",
            is_held()
        );
        self.write_saying(CommitWord::Nothing, "take hosts to ask", |tx| {
            tx.prepare_cached(make)?.execute([&hosts])?;
            let mut take = tx.prepare_cached(&take)?;
            take.query_map(params![hosts, node.name, node.mark], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }

    /// Says whether the polls of a process reach anybody.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be written.
    pub fn set_reaches(&self, node: &NodeMark, reaches: bool) -> Result<(), StoreError> {
        let set = "UPDATE nodes SET reaches = ?3 WHERE name = ?1 AND mark = ?2";
        self.write("say whether polls reach anybody", |tx| {
            tx.prepare_cached(set)?.execute(params![node.name, node.mark, reaches]).map(|_| ())
        })
    }

    /// Gives the right to ask these hosts back.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be written.
    pub fn give_back_poll_leases(&self, node: &NodeMark, hosts: &[String]) -> Result<(), StoreError> {
        let hosts = serde_json::to_string(hosts).expect("invariant: names are JSON");
        let give = "UPDATE poll_leases SET node = '', mark = '' WHERE node = ?1 AND mark = ?2
                        AND host IN (SELECT value FROM json_each(?3))";
        self.write_saying(CommitWord::Nothing, "give hosts back", |tx| {
            tx.prepare_cached(give)?.execute(params![node.name, node.mark, hosts]).map(|_| ())
        })
    }

    /// A process goes in order: all that it asked is free, and it is not counted on any more.
    ///
    /// # Errors
    /// [`StoreError`] when the tables cannot be written.
    pub fn leave_nodes(&self, node: &NodeMark) -> Result<(), StoreError> {
        self.write("leave the nodes", |tx| {
            let free = "UPDATE poll_leases SET node = '', mark = '' WHERE node = ?1 AND mark = ?2";
            tx.execute(free, params![node.name, node.mark])?;
            tx.execute("DELETE FROM nodes WHERE name = ?1 AND mark = ?2", params![node.name, node.mark]).map(|_| ())
        })
    }
}

/// Against a server that `WIREWATCH_TEST_STORE` names (`proof/postgres`); without one there is nothing to try.
#[cfg(test)]
mod tests {
    use super::super::engine::Connection;
    use super::super::on_a_server_tests::{owner_and_sharer, test_place};
    use super::super::{BatchContents, BatchWrite, InboxOutcome, PollLease, RelayedCursor};
    use super::*;
    use crate::model::{Cursor, FeedState, Origin, SourceId, SourceKind, Timestamp};

    const NOW: Timestamp = Timestamp::from_seconds(1_742_198_531);

    fn node(name: &str) -> NodeMark {
        NodeMark { name: name.to_owned(), mark: format!("{name} as begun") }
    }

    /// It said that it is there, so many milliseconds ago.
    fn is_there(store: &Store, node: &NodeMark, silent_ms: u64) {
        let there = format!(
            "INSERT INTO nodes (name, version, rules, roles, address, seeds, mark, regions, change_seen, current_at, clock_apart,
                 started_at, seen_at)
             VALUES (?1, '', '', '', '', '', ?2, '', 0, 0, 0, 0,
                 CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) - {silent_ms})
             ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at, mark = excluded.mark"
        );
        store.write("test", |tx| tx.execute(&there, params![node.name, node.mark])).expect("written");
    }

    fn hosts(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn host_is_one_nodes_until_that_is_gone_or_gives_it_back() {
        let Some((_dirs, first, second)) = owner_and_sharer("poll_leases") else { return };
        let (one, two) = (node("one"), node("two"));
        is_there(&first, &one, 0);
        is_there(&first, &two, 0);
        let got = first.take_poll_leases(&one, &hosts(&["a", "b", "c"])).expect("asked");
        assert_eq!(got, HashMap::from([("a".to_owned(), 1), ("b".to_owned(), 1), ("c".to_owned(), 1)]));
        let got = second.take_poll_leases(&two, &hosts(&["b", "d"])).expect("asked");
        assert_eq!(got, HashMap::from([("d".to_owned(), 1)]), "what another one has is left to it");
        first.give_back_poll_leases(&one, &hosts(&["b"])).expect("given");
        let got = second.take_poll_leases(&two, &hosts(&["b", "d"])).expect("asked");
        assert_eq!(got, HashMap::from([("b".to_owned(), 2)]), "with another number");
        let place = test_place("poll_leases").expect("there is a server").marked(&one.mark);
        let session = Connection::to_postgres(&place, false).expect("connects");
        is_there(&first, &one, NODE_ENDED_MS + 1_000);
        assert_eq!(second.take_poll_leases(&two, &hosts(&["a"])).expect("asked").len(), 0, "it has a session");
        is_there(&first, &one, NODE_SILENT_MS_MAX + 1);
        assert_eq!(second.take_poll_leases(&two, &hosts(&["a"])).expect("asked").len(), 1, "it is gone");
        drop(session);
        is_there(&first, &one, NODE_ENDED_MS - 4_000);
        assert_eq!(second.take_poll_leases(&two, &hosts(&["c"])).expect("asked").len(), 0, "it may connect again");
        is_there(&first, &NodeMark { mark: "anew".to_owned(), ..one.clone() }, 0);
        assert_eq!(second.take_poll_leases(&two, &hosts(&["c"])).expect("asked").len(), 1, "it was begun anew");
        assert_eq!(first.poll_leases(&one).expect("read").0, HashMap::new());
        assert_eq!(first.poll_leases(&two).expect("read").0.len(), 4);
        second.leave_nodes(&two).expect("gone");
        assert_eq!(first.poll_leases(&two).expect("read").0, HashMap::new());
    }

    #[test]
    fn late_result_brings_its_items_and_not_what_its_feed_remembers() {
        let Some((_dirs, decides, fetches)) = owner_and_sharer("poll_late") else { return };
        let (one, two) = (node("one"), node("two"));
        is_there(&decides, &one, 0);
        fetches.take_poll_leases(&one, &hosts(&["a"])).expect("taken");
        let source = SourceId::new("gazette").expect("a name");
        let origin = Origin { source: source.clone(), kind: SourceKind::Feed, received: NOW };
        let state = |polls: u64| FeedState { polls, ..FeedState::new(source.clone(), "http://a/".to_owned(), NOW) };
        let put = |polls: u64, epoch: i64| {
            let cursor = RelayedCursor::Feed(Box::new(state(polls)));
            let origin = origin.clone();
            let contents = BatchContents { origin, items: Vec::new(), rejected: Vec::new(), cursor, hubs: None };
            let lease = Some(PollLease { host: "a".to_owned(), epoch });
            fetches.put_batches(&[contents.written(lease)], NOW).expect("written")[0].expect("there is room")
        };
        let polls_after = |polls: u64, row: i64| {
            let (cursor, inbox) = (Cursor::Feed(Box::new(state(polls))), Some((row, "{}".to_owned())));
            let write = BatchWrite { cursor, inbox, ..BatchWrite::new(origin.clone(), Vec::new()) };
            decides.apply(&[write], NOW).expect("applied");
            let heard = fetches.take_batch_answers(&[row]).expect("read");
            assert!(matches!(heard[0].1, InboxOutcome::Stored(_)), "it is answered either way");
            decides.feed("gazette").expect("read").map(|state| state.polls)
        };
        assert_eq!(polls_after(1, put(1, 1)), Some(1));
        let late = put(2, 1);
        is_there(&decides, &one, NODE_SILENT_MS_MAX + 1);
        fetches.take_poll_leases(&two, &hosts(&["a"])).expect("taken");
        assert_eq!(polls_after(2, late), Some(1), "the host is another one's by now");
        assert_eq!(polls_after(7, put(7, 2)), Some(7));
    }
}

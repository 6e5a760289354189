//! What processes that poll hear of hubs, from the one that has the subscriptions: which feeds one pushes, so that they are
//! polled less often, and of which one has brought something, or says that there is something. A row for each such feed,
//! numbered by its last change. Rows stay: the highest number tells whether there is anything new.

use super::engine::{self, CommitWord, Connection, Transaction, params};
use super::{NodeMark, Store, StoreError};
use crate::model::SourceId;

/// The number of the next change: one process writes at a time, so they are seen in this order.
const NEXT: &str = "(SELECT coalesce(max(number), 0) + 1 AS next FROM hub_feeds) AS n";

/// Whether a hub pushes a feed, by its subscriptions.
const IS_COVERED: &str = "CASE WHEN EXISTS (SELECT 1 FROM subscriptions s WHERE s.source = f.source
    AND s.state IN ('active', 'renewing') AND s.unreliable_since IS NULL) THEN 1 ELSE 0 END";

/// What is new of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubFeedNews {
    /// The feed.
    pub source: SourceId,
    /// The number of its last change.
    pub number: i64,
    /// A hub pushes what it has new.
    pub is_covered: bool,
    /// One has brought something since: what is remembered of its document does not hold any more.
    pub is_pushed: bool,
    /// One has said since that there is something, to another process than the one that asks.
    pub is_hinted: bool,
}

/// A subscription of a feed has changed: notes whether a hub pushes it now.
pub(super) fn note_cover(tx: &Transaction<'_>, source: &str) -> engine::Result<()> {
    tx.prepare_cached(&format!(
        "INSERT INTO hub_feeds (source, covered, pushed, hinted, said_by, number)
         SELECT f.source, {IS_COVERED}, 0, 0, '', n.next
         FROM (SELECT DISTINCT source FROM subscriptions WHERE source = ?1
               UNION SELECT source FROM hub_feeds WHERE source = ?1) AS f, {NEXT}
         ON CONFLICT (source) DO UPDATE SET covered = excluded.covered, number = excluded.number
             WHERE hub_feeds.covered <> excluded.covered"
    ))?
    .execute([source])
    .map(|_| ())
}

/// A hub has brought something of a feed.
pub(super) fn note_push(tx: &Transaction<'_>, source: &SourceId) -> engine::Result<()> {
    note(tx, source, "pushed", "")
}

fn note(tx: &Transaction<'_>, source: &SourceId, what: &str, said_by: &str) -> engine::Result<()> {
    let make = "INSERT INTO hub_feeds (source, covered, pushed, hinted, said_by, number) VALUES (?1, 0, 0, 0, '', 0)
                ON CONFLICT (source) DO NOTHING";
    tx.prepare_cached(make)?.execute([source.as_str()])?;
    tx.prepare_cached(&format!(
        "UPDATE hub_feeds SET {what} = n.next, number = n.next, said_by = CASE WHEN ?2 = '' THEN said_by ELSE ?2 END
         FROM {NEXT} WHERE source = ?1"
    ))?
    .execute(params![source.as_str(), said_by])
    .map(|_| ())
}

impl Store {
    /// A hub says to a process that a feed has something new, without bringing it in a way that is believed. Whoever polls
    /// it hears of it.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn hint_feed(&self, source: &SourceId, said_by: &str) -> Result<(), StoreError> {
        // Whoever polls looks by itself, every other second.
        self.write_saying(CommitWord::Nothing, "note what a hub says of a feed", |tx| {
            note(tx, source, "hinted", said_by)
        })
    }

    /// What is new of feeds since a number, in the order of the changes.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn hub_feeds_since(&self, number: i64, node: &NodeMark) -> Result<Vec<HubFeedNews>, StoreError> {
        self.read("read what hubs push", |c| {
            let mut news = c.prepare_cached(
                "SELECT source, number, covered, pushed > ?1 AS is_pushed, hinted > ?1 AND said_by <> ?2 AS is_hinted
                 FROM hub_feeds WHERE number > ?1 ORDER BY number",
            )?;
            let rows = news.query_map(params![number, node.mark], |row| {
                let Ok(source) = SourceId::new(&row.get::<_, String>("source")?) else { return Ok(None) };
                let news = HubFeedNews {
                    source,
                    number: row.get("number")?,
                    is_covered: row.get("covered")?,
                    is_pushed: row.get("is_pushed")?,
                    is_hinted: row.get("is_hinted")?,
                };
                Ok(Some(news))
            })?;
            rows.filter_map(Result::transpose).collect()
        })
    }

    /// Sees that it is noted of every feed whether a hub pushes it: subscriptions may have come from another store.
    ///
    /// # Errors
    /// [`StoreError`] when the tables cannot be read or written.
    pub fn note_covers(&self) -> Result<(), StoreError> {
        let differing = format!(
            "SELECT f.source FROM (SELECT source FROM subscriptions UNION SELECT source FROM hub_feeds) AS f
             LEFT JOIN hub_feeds h ON h.source = f.source WHERE coalesce(h.covered, 0) <> {IS_COVERED}"
        );
        let read = |c: &Connection| -> engine::Result<Vec<String>> {
            c.prepare_cached(&differing)?.query_map([], |row| row.get(0))?.collect()
        };
        let differing = self.read("see which feeds hubs push", read)?;
        if differing.is_empty() {
            return Ok(());
        }
        self.write("note which feeds hubs push", |tx| differing.iter().try_for_each(|source| note_cover(tx, source)))
    }
}

/// Against a server that `WIREWATCH_TEST_STORE` names (`proof/postgres`); without one there is nothing to try.
#[cfg(test)]
mod tests {
    use super::super::BatchWrite;
    use super::super::on_a_server_tests::owner_and_sharer;
    use super::*;
    use crate::model::{
        ContentHash, Cursor, FeedState, HubRecord, Origin, SourceKind, Subscription, SubscriptionState, Timestamp,
    };

    const NOW: Timestamp = Timestamp::from_seconds(1_742_198_531);

    fn source(name: &str) -> SourceId {
        SourceId::new(name).expect("a name")
    }

    fn subscription(callback: &str, of: &str) -> Subscription {
        Subscription {
            callback: callback.to_owned(),
            callback_url: format!("https://watch.example.org/websub/{callback}"),
            topic: "https://a.example/f".to_owned(),
            hub: "https://hub.example/".to_owned(),
            hubs: vec!["https://hub.example/".to_owned()],
            ..Subscription::new(source(of), NOW)
        }
    }

    fn node(mark: &str) -> NodeMark {
        NodeMark { name: mark.to_owned(), mark: mark.to_owned() }
    }

    fn said(news: &[HubFeedNews]) -> Vec<(&str, bool, bool, bool)> {
        news.iter().map(|news| (news.source.as_str(), news.is_covered, news.is_pushed, news.is_hinted)).collect()
    }

    #[test]
    fn cover_is_noted_with_the_subscription_and_once() {
        let Some((_dirs, decides, polls)) = owner_and_sharer("hub_cover") else { return };
        let since = |number| polls.hub_feeds_since(number, &node("polls")).expect("read");
        let mut one = subscription("a", "wire");
        decides.keep_subscription(&one).expect("kept");
        assert_eq!(said(&since(0)), [("wire", false, false, false)], "it was asked for");
        one.state = SubscriptionState::Active;
        let asked = since(0)[0].number;
        decides.keep_subscription(&one).expect("kept");
        assert_eq!(said(&since(asked)), [("wire", true, false, false)]);
        let active = since(0)[0].number;
        one.pushed += 1;
        decides.keep_subscription(&one).expect("kept");
        assert_eq!(since(active), [], "counts are no news");
        one.unreliable_since = Some(NOW);
        decides.keep_subscription(&one).expect("kept");
        assert_eq!(said(&since(active)), [("wire", false, false, false)]);
        // Another hub of the same feed pushes it; the old one is left.
        let other = Subscription { state: SubscriptionState::Renewing, ..subscription("b", "wire") };
        decides.keep_subscription(&other).expect("kept");
        decides.forget_subscription("a").expect("forgotten");
        assert_eq!(said(&since(active)), [("wire", true, false, false)]);
        decides.forget_subscription("b").expect("forgotten");
        decides.forget_subscription("b").expect("nothing to do");
        assert_eq!(said(&since(active)), [("wire", false, false, false)]);
        // As after a copy from another store.
        decides.keep_subscription(&Subscription { source: source("copied"), ..other }).expect("kept");
        decides.write("test", |tx| tx.execute("DELETE FROM hub_feeds WHERE source = 'copied'", [])).expect("written");
        decides.note_covers().expect("noted");
        assert_eq!(said(&since(0)), [("wire", false, false, false), ("copied", true, false, false)]);
    }

    #[test]
    fn cover_in_the_store_is_that_of_the_subscription() {
        let Some((_dirs, decides, polls)) = owner_and_sharer("hub_cover_rule") else { return };
        for state in SubscriptionState::ALL {
            for unreliable_since in [None, Some(NOW)] {
                let one = Subscription { state, unreliable_since, ..subscription("a", "wire") };
                decides.keep_subscription(&one).expect("kept");
                let news = polls.hub_feeds_since(0, &node("polls")).expect("read");
                assert_eq!(news[0].is_covered, one.covers(), "{one:?}");
            }
        }
    }

    #[test]
    fn push_and_hint_are_heard_by_whoever_polls_and_what_is_remembered_goes() {
        let Some((_dirs, decides, polls)) = owner_and_sharer("hub_push") else { return };
        let since = |number, mark: &str| polls.hub_feeds_since(number, &node(mark)).expect("read");
        let body_hash = Some(ContentHash::of(&[b"body"]));
        let state = FeedState { body_hash, ..FeedState::new(source("wire"), "https://a.example/".to_owned(), NOW) };
        let of = |kind, cursor| {
            let origin = Origin { source: source("wire"), kind, received: NOW };
            BatchWrite { cursor, ..BatchWrite::new(origin, Vec::new()) }
        };
        decides.apply(&[of(SourceKind::Feed, Cursor::Feed(Box::new(state)))], NOW).expect("applied");
        assert_eq!(since(0, "polls"), [], "a poll is no word of a hub");
        let hub = HubRecord { source: source("wire"), unreliable: None };
        decides.apply(&[of(SourceKind::Hub, Cursor::Hub(Box::new(hub)))], NOW).expect("applied");
        assert_eq!(said(&since(0, "polls")), [("wire", false, true, false)]);
        assert_eq!(polls.feed("wire").expect("read").expect("known").body_hash, None);
        let pushed = since(0, "polls")[0].number;
        polls.hint_feed(&source("wire"), "serves").expect("written");
        assert_eq!(said(&since(pushed, "polls")), [("wire", false, false, true)], "the push before is known");
        assert_eq!(said(&since(0, "serves")), [("wire", false, true, false)], "who said it has heard it");
        let hinted = since(0, "polls")[0].number;
        polls.hint_feed(&source("other"), "serves").expect("written");
        assert_eq!(said(&since(hinted, "polls")), [("other", false, false, true)]);
    }
}

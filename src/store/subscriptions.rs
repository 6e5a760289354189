//! Subscriptions at hubs: written before a hub hears of them, read at start and by whoever shows a feed.

use super::engine::{self, OptionalExtension as _, Row, Transaction, params};
use super::{Store, StoreError};
use crate::model::{HubSecret, SourceId, Subscription, SubscriptionState, Timestamp};

impl Store {
    /// Every subscription. One whose feed or state has no name that is known is left out.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
        self.read("read the subscriptions at hubs", |c| {
            let mut statement = c.prepare_cached("SELECT * FROM subscriptions ORDER BY callback")?;
            statement.query_map([], subscription)?.filter_map(Result::transpose).collect()
        })
    }

    /// The one with this callback.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn subscription(&self, callback: &str) -> Result<Option<Subscription>, StoreError> {
        self.read("look up a subscription at a hub", |c| {
            let mut statement = c.prepare_cached("SELECT * FROM subscriptions WHERE callback = ?1")?;
            statement.query_row([callback], subscription).optional().map(Option::flatten)
        })
    }

    /// Those of one feed, the one that counts first.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be read.
    pub fn subscriptions_of(&self, source: &str) -> Result<Vec<Subscription>, StoreError> {
        self.read("read the subscriptions of a feed", |c| {
            let mut statement = c.prepare_cached(
                "SELECT * FROM subscriptions WHERE source = ?1 ORDER BY state = 'leaving', tally_from DESC, callback",
            )?;
            statement.query_map([source], subscription)?.filter_map(Result::transpose).collect()
        })
    }

    /// Keeps a subscription as it stands now.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be written.
    pub fn keep_subscription(&self, one: &Subscription) -> Result<(), StoreError> {
        self.write("store a subscription at a hub", |tx| {
            tx.prepare_cached(
                "INSERT INTO subscriptions (callback, callback_url, source, topic, hub, hubs, secret, state,
                    awaits, asked_at, verified_at, active_since, lease_until, next_at, refusals, error, last_push_at,
                    is_weak, tally_from, pushed, near, missed, dropped, unreliable_since)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,
                    ?22, ?23, ?24)
                 ON CONFLICT (callback) DO UPDATE SET callback_url = excluded.callback_url, source = excluded.source,
                    topic = excluded.topic, hub = excluded.hub, hubs = excluded.hubs, secret = excluded.secret, state =
                    excluded.state, awaits = excluded.awaits, asked_at = excluded.asked_at, verified_at =
                    excluded.verified_at, active_since = excluded.active_since, lease_until = excluded.lease_until,
                    next_at = excluded.next_at, refusals = excluded.refusals, error = excluded.error, last_push_at =
                    excluded.last_push_at, is_weak = excluded.is_weak, tally_from = excluded.tally_from, pushed =
                    excluded.pushed, near = excluded.near, missed = excluded.missed, dropped = excluded.dropped,
                    unreliable_since = excluded.unreliable_since",
            )?
            .execute(params![
                one.callback,
                one.callback_url,
                one.source.as_str(),
                one.topic,
                one.hub,
                one.hubs.join("\n"),
                one.secret.as_ref().map(|secret| secret.0.as_str()),
                one.state.as_str(),
                one.awaits,
                one.asked_at.map(Timestamp::millis),
                one.verified_at.map(Timestamp::millis),
                one.active_since.map(Timestamp::millis),
                one.lease_until.map(Timestamp::millis),
                one.next_at.millis(),
                one.refusals,
                one.error,
                one.last_push_at.map(Timestamp::millis),
                one.is_weak,
                one.tally_from.millis(),
                one.pushed.cast_signed(),
                one.near.cast_signed(),
                one.missed.cast_signed(),
                one.dropped.cast_signed(),
                one.unreliable_since.map(Timestamp::millis),
            ])?;
            note_cover(tx, one.source.as_str())
        })
    }

    /// Keeps nothing of a subscription.
    ///
    /// # Errors
    /// [`StoreError`] when the table cannot be written.
    pub fn forget_subscription(&self, callback: &str) -> Result<(), StoreError> {
        self.write("forget a subscription at a hub", |tx| {
            let forget = "DELETE FROM subscriptions WHERE callback = ?1 RETURNING source";
            let source = tx.prepare_cached(forget)?.query_row([callback], |row| row.get::<_, String>(0)).optional()?;
            source.map_or(Ok(()), |source| note_cover(tx, &source))
        })
    }
}

/// Processes that poll beside this one hear whether a hub pushes a feed.
#[cfg_attr(not(feature = "postgres"), expect(clippy::unnecessary_wraps, reason = "a file is one process's"))]
fn note_cover(tx: &Transaction<'_>, source: &str) -> engine::Result<()> {
    #[cfg(feature = "postgres")]
    if tx.sqlite().is_none() {
        return super::hub_feeds::note_cover(tx, source);
    }
    let _ = (tx, source);
    Ok(())
}

fn subscription(row: &Row<'_>) -> engine::Result<Option<Subscription>> {
    let time = |name: &str| row.get::<_, Option<i64>>(name).map(|t| t.map(Timestamp::from_millis));
    let count = |name: &str| row.get::<_, i64>(name).map(i64::cast_unsigned);
    let source = SourceId::new(&row.get::<_, String>("source")?).ok();
    let state = SubscriptionState::from_name(&row.get::<_, String>("state")?);
    let Some((source, state)) = source.zip(state) else { return Ok(None) };
    Ok(Some(Subscription {
        callback: row.get("callback")?,
        callback_url: row.get("callback_url")?,
        source,
        topic: row.get("topic")?,
        hub: row.get("hub")?,
        hubs: row.get::<_, String>("hubs")?.lines().map(str::to_owned).collect(),
        secret: row.get::<_, Option<String>>("secret")?.map(HubSecret),
        state,
        awaits: row.get("awaits")?,
        asked_at: time("asked_at")?,
        verified_at: time("verified_at")?,
        active_since: time("active_since")?,
        lease_until: time("lease_until")?,
        next_at: time("next_at")?.unwrap_or_default(),
        refusals: row.get("refusals")?,
        error: row.get("error")?,
        last_push_at: time("last_push_at")?,
        is_weak: row.get("is_weak")?,
        tally_from: time("tally_from")?.unwrap_or_default(),
        pushed: count("pushed")?,
        near: count("near")?,
        missed: count("missed")?,
        dropped: count("dropped")?,
        unreliable_since: time("unreliable_since")?,
    }))
}

#[cfg(test)]
mod tests {
    use super::super::Access;
    use super::*;

    #[test]
    fn subscription_every_field_survives_the_store() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), Access::Own).expect("opens");
        let at = |seconds| Some(Timestamp::from_seconds(seconds));
        let one = Subscription {
            callback: "abc".to_owned(),
            callback_url: "https://watch.example.org/websub/abc".to_owned(),
            source: SourceId::new("wire").expect("a name"),
            topic: "https://a.example/f".to_owned(),
            hub: "https://hub.example/".to_owned(),
            hubs: vec!["https://hub.example/".to_owned(), "https://other.example/".to_owned()],
            secret: Some(HubSecret("5f5f".to_owned())),
            state: SubscriptionState::Renewing,
            awaits: true,
            asked_at: at(1),
            verified_at: at(2),
            active_since: at(3),
            lease_until: at(4),
            next_at: Timestamp::from_seconds(5),
            refusals: 6,
            error: Some("busy".to_owned()),
            last_push_at: at(7),
            is_weak: true,
            tally_from: Timestamp::from_seconds(8),
            pushed: 9,
            near: 10,
            missed: 11,
            dropped: 12,
            unreliable_since: at(13),
        };
        store.keep_subscription(&one).expect("written");
        assert_eq!(store.subscriptions().expect("read"), std::slice::from_ref(&one));
        assert_eq!(store.subscription("abc").expect("read"), Some(one.clone()));
        assert_eq!(store.subscription("abd").expect("read"), None);
        let bare = Subscription {
            callback: "def".to_owned(),
            hubs: Vec::new(),
            secret: None,
            state: SubscriptionState::Leaving,
            asked_at: None,
            error: None,
            unreliable_since: None,
            ..one.clone()
        };
        store.keep_subscription(&bare).expect("written");
        assert_eq!(store.subscriptions_of("wire").expect("read"), [one.clone(), bare]);
        assert_eq!(store.subscriptions_of("other").expect("read"), []);
        store.forget_subscription("def").expect("written");
        assert_eq!(store.subscriptions_of("wire").expect("read"), [one]);
        assert!(!format!("{:?}", store.subscriptions().expect("read")).contains("5f5f"), "secrets are not printed");
    }
}

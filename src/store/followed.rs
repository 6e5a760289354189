//! The memory of a process that stands by: it follows what another one stores, so that it can decide at once when its turn
//! comes.

use super::snapshot::{SeenSoFar, catch_up};
use super::{Store, StoreError, recall};
use crate::model::Timestamp;
use crate::pipeline::Ledger;
use crate::pipeline::memory::MemoryConfig;

/// A memory that follows a store which another process writes.
pub struct FollowedMemory {
    ledger: Ledger,
    seen: SeenSoFar,
    /// Catching up failed in the middle: what it knows now is of no use.
    spoiled: bool,
}

impl FollowedMemory {
    /// The last line of what happened that it has.
    #[must_use]
    pub fn change_seen(&self) -> i64 {
        self.seen.change
    }

    /// Whether it has everything up to a line of what happened, and nothing but time has gone since.
    #[must_use]
    pub fn is_current(&self, newest_change: i64) -> bool {
        !self.spoiled && self.seen.change == newest_change
    }

    /// What has left the window is forgotten.
    pub fn expire(&mut self, since: Timestamp) {
        self.ledger.expire(since);
    }

    /// What it knows.
    #[must_use]
    pub fn into_ledger(self) -> Ledger {
        self.ledger
    }
}

/// What catching up came to.
enum CaughtUp {
    /// It knows all that there is, and so many items and copies more.
    With(SeenSoFar, u64),
    /// It has to be made anew.
    Anew,
    /// It knows more than the store.
    Behind,
}

impl Store {
    /// The memory of everything seen since `since`, ready to follow what is stored from here on.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read.
    pub fn follow(&self, config: MemoryConfig, since: Timestamp) -> Result<FollowedMemory, StoreError> {
        let mut ledger = Ledger::new(self.instance(), config);
        let seen = self.read("rebuild the memory", |c| {
            let moment = c.snapshot()?;
            let seen = SeenSoFar::of(&moment)?;
            recall::recall_all(&moment, &mut ledger, since)?;
            Ok(seen)
        })?;
        ledger.expire(since);
        Ok(FollowedMemory { ledger, seen, spoiled: false })
    }

    /// Brings a memory to where the store is now, from nothing where that cannot be done step by step; how many items and
    /// copies came.
    ///
    /// # Errors
    /// [`StoreError`] when a table cannot be read, or the store has less than it had.
    pub fn keep_up(&self, memory: &mut FollowedMemory, since: Timestamp) -> Result<u64, StoreError> {
        let before = memory.seen;
        let spoiled = std::mem::replace(&mut memory.spoiled, true);
        let caught_up = self.read("follow the store", |c| {
            let moment = c.snapshot()?;
            let now = SeenSoFar::of(&moment)?;
            if now.change < before.change {
                return Ok(CaughtUp::Behind);
            }
            if spoiled {
                return Ok(CaughtUp::Anew);
            }
            let came = catch_up(&moment, &mut memory.ledger, &before)?;
            Ok(came.map_or(CaughtUp::Anew, |came| CaughtUp::With(now, came)))
        })?;
        match caught_up {
            CaughtUp::With(now, came) => {
                memory.seen = now;
                memory.ledger.expire(since);
                memory.spoiled = false;
                Ok(came)
            }
            CaughtUp::Anew => {
                let config = memory.ledger.memory_config();
                *memory = self.follow(config, since)?;
                Ok((memory.seen.arrival - before.arrival).max(0).cast_unsigned())
            }
            CaughtUp::Behind => Err(StoreError::behind(self.place())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Access, BatchWrite};
    use super::*;
    use crate::model::{ItemKey, Origin, RawItem, RawText, SourceId, SourceKind};
    use crate::pipeline::{Rules, classify, decide, prepare};

    const START: Timestamp = Timestamp::from_seconds(1_742_198_531);

    fn store_items(store: &Store, items: std::ops::Range<usize>, ledger: &mut Ledger) {
        let rules = Rules::of_topics(classify::TopicSet::compile(&[], &[]).expect("no topics"));
        let source = SourceId::new("gazette").expect("a name");
        for item in items {
            let origin = Origin { source: source.clone(), kind: SourceKind::Feed, received: START };
            let mut raw = RawItem::new(ItemKey::new(&item.to_string()));
            raw.title = Some(RawText::plain(format!("Tram number {item} stays in depot {}", item * 7)));
            raw.content = Some(RawText::plain(format!("The company said tram {item} waits for track {}.", item * 3)));
            let prepared = prepare(&raw, &origin, &rules).expect("readable");
            let decision = decide(prepared, ledger, &rules, START);
            store.apply(&[BatchWrite::new(origin, vec![decision])], START).expect("applied");
        }
    }

    #[test]
    fn memory_that_follows_knows_what_the_one_that_decides_knows() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), Access::Own).expect("opens");
        let mut ledger = Ledger::new(store.instance(), MemoryConfig::default());
        store_items(&store, 0..20, &mut ledger);
        let mut followed = store.follow(MemoryConfig::default(), Timestamp::MIN).expect("recalled");
        assert_eq!(store.keep_up(&mut followed, Timestamp::MIN).expect("nothing came"), 0);
        let newest = |store: &Store| store.changes_kept().expect("read").newest;
        assert!(followed.is_current(newest(&store)), "there is nothing to look for");
        store_items(&store, 20..33, &mut ledger);
        assert!(!followed.is_current(newest(&store)));
        assert_eq!(store.keep_up(&mut followed, Timestamp::MIN).expect("caught up"), 13);
        let followed = followed.into_ledger();
        assert_eq!((followed.len(), followed.memory_len()), (ledger.len(), ledger.memory_len()));
    }

    #[test]
    fn store_that_has_less_than_it_had_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), Access::Own).expect("opens");
        let mut ledger = Ledger::new(store.instance(), MemoryConfig::default());
        store_items(&store, 0..5, &mut ledger);
        let mut followed = store.follow(MemoryConfig::default(), Timestamp::MIN).expect("recalled");
        followed.seen.change += 1;
        let refused = store.keep_up(&mut followed, Timestamp::MIN);
        assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
    }
}

//! Keys whose push is under way: the same key at the same time is told to come back, not taken twice.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::SourceId;

/// The keys under way; as many as there are pushes at most.
#[derive(Debug, Clone, Default)]
pub(super) struct KeysInFlight(Arc<Mutex<HashSet<(SourceId, String)>>>);

/// A key that is held until this is dropped.
#[derive(Debug)]
pub(super) struct KeyHold {
    keys: KeysInFlight,
    held: (SourceId, String),
}

impl KeysInFlight {
    /// Holds a key that nobody holds.
    pub fn hold(&self, source: &SourceId, key: &str) -> Option<KeyHold> {
        let held = (source.clone(), key.to_owned());
        let mut keys = self.0.lock();
        keys.insert(held.clone()).then(|| KeyHold { keys: self.clone(), held })
    }
}

impl Drop for KeyHold {
    fn drop(&mut self) {
        self.keys.0.lock().remove(&self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_held_once_per_source_until_it_is_let_go() {
        let keys = KeysInFlight::default();
        let (one, two) = (SourceId::new("one").expect("a name"), SourceId::new("two").expect("a name"));
        let held = keys.hold(&one, "k").expect("free");
        assert!(keys.hold(&one, "k").is_none());
        assert!(keys.hold(&two, "k").is_some() && keys.hold(&one, "other").is_some());
        drop(held);
        assert!(keys.hold(&one, "k").is_some());
    }
}

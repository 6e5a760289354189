//! Where a list goes on: opaque outside, and good for one list with one set of filters on one store only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::Xxh3;

use super::asked::AskedQuery;
use super::refusal::{AnswerRefusal, RefusalKind};
use crate::store::Store;

const VERSION: u8 = 1;

/// A place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListCursor {
    pub first: i64,
    pub second: i64,
}

impl ListCursor {
    /// As text, for the list that is asked for.
    pub fn encode(self, asked: &AskedQuery, instance: &str) -> String {
        self.encode_for(list_hash(asked, instance))
    }

    /// As text, for what a hash stands for.
    fn encode_for(self, hash: u64) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&hash.to_le_bytes());
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.second.to_le_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads one that was given for this list.
    pub fn decode(text: &str, asked: &AskedQuery, instance: &str) -> Result<Self, AnswerRefusal> {
        Self::decode_for(text, list_hash(asked, instance))
    }

    fn decode_for(text: &str, expected: u64) -> Result<Self, AnswerRefusal> {
        let refused = |detail: &str| {
            AnswerRefusal::new(RefusalKind::BadCursor, detail).hint("begin the list anew, without a cursor")
        };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused("the cursor is damaged"))?;
        let (version, rest) = bytes.split_first().ok_or_else(|| refused("the cursor is empty"))?;
        if *version != VERSION {
            return Err(refused("the cursor was made by another version"));
        }
        let number = |at: usize| rest.get(at..at + 8).and_then(|part| part.try_into().ok());
        match (number(0), number(8), number(16), rest.len()) {
            (Some(hash), Some(first), Some(second), 24) => {
                if u64::from_le_bytes(hash) != expected {
                    return Err(refused("the cursor is of another list, another filter or another store"));
                }
                Ok(Self { first: i64::from_le_bytes(first), second: i64::from_le_bytes(second) })
            }
            _ => Err(refused("the cursor is damaged")),
        }
    }
}

/// A place in what happened to a store, whatever part of it is asked for. Good for one store between two restores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChangeCursor(pub i64);

/// What a cursor says of this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangePlace {
    /// After this change.
    After(i64),
    /// It is of the store before it was restored: that past is not this one's.
    Restored,
}

impl ChangeCursor {
    /// As text.
    pub fn encode(self, store: &Store) -> String {
        ListCursor { first: self.0, second: store.epoch() }.encode_for(changes_hash(store.instance()))
    }

    /// Reads one; `0` is the beginning.
    pub fn decode(text: &str, store: &Store) -> Result<ChangePlace, AnswerRefusal> {
        if text == "0" {
            return Ok(ChangePlace::After(0));
        }
        let cursor = ListCursor::decode_for(text, changes_hash(store.instance()))?;
        Ok(if cursor.second == store.epoch() { ChangePlace::After(cursor.first) } else { ChangePlace::Restored })
    }
}

fn changes_hash(instance: &str) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(b"changes ");
    hash.update(instance.as_bytes());
    hash.digest()
}

fn list_hash(asked: &AskedQuery, instance: &str) -> u64 {
    let mut hash = Xxh3::new();
    let mut add = |text: &str| {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    add(instance);
    add(asked.route);
    for (key, value) in asked.filters() {
        add(key);
        add(value);
    }
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn asked(query: &str) -> AskedQuery {
        let known = ["limit", "topic", "cursor"];
        AskedQuery::read("/v1/items", String::new(), query, &known, Timestamp::default()).expect("read")
    }

    #[test]
    fn cursor_is_good_for_its_list_filter_and_store_only() {
        let place = ListCursor { first: 17, second: -3 };
        let text = place.encode(&asked("topic=storms&limit=10"), "one");
        assert_eq!(ListCursor::decode(&text, &asked("limit=50&topic=storms&cursor=x"), "one"), Ok(place));
        for (query, instance) in [("topic=floods", "one"), ("", "one"), ("topic=storms", "another")] {
            let refused = ListCursor::decode(&text, &asked(query), instance).expect_err(query);
            assert_eq!(refused.kind, RefusalKind::BadCursor);
        }
        for damaged in ["", "x", "AAAA", &text[..20], &format!("{text}AA"), "☃"] {
            assert!(ListCursor::decode(damaged, &asked("topic=storms"), "one").is_err(), "{damaged}");
        }
    }
}

//! Identities. Entities get a 63-bit or 128-bit id derived from what they are, so the same input
//! gives the same id after a crash, a replay or a restore; outside they carry a prefix (`itm_…`).
//! Names that people choose (sources, topics, endpoints) are checked text.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use aws_lc_rs::digest::{self, Context, SHA256};
use serde::{Serialize, Serializer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Crockford's base 32 in lower case: no `i`, `l`, `o`, `u`, so an id survives being read aloud.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text lacks the prefix of its kind.
    #[error("`{text}` is not {kind} id: it should start with `{prefix}`")]
    Prefix { text: String, kind: &'static str, prefix: &'static str },
    /// The part after the prefix is not base 32 of the right length.
    #[error("`{text}` is not {kind} id: the part after `{prefix}` is damaged")]
    Body { text: String, kind: &'static str, prefix: &'static str },
    /// A name holds a character outside `a-z 0-9 - _ .` or is empty or too long.
    #[error("`{text}` cannot be a name: use 1 to 64 of a-z, 0-9, `-`, `_` and `.`")]
    Name { text: String },
}

/// Bytes up to which what is hashed is put together first: nothing is allocated for that.
const HASHED_TOGETHER_MAX: usize = 512;

/// SHA-256 over length-prefixed parts: no two lists of parts share an input.
fn digest(domain: &str, parts: &[&[u8]]) -> [u8; 32] {
    let len = domain.len() + parts.iter().map(|part| size_of::<u64>() + part.len()).sum::<usize>();
    let mut together = [0; HASHED_TOGETHER_MAX];
    let hash = if let Some(together) = together.get_mut(..len) {
        let mut rest = &mut *together;
        let mut put = |bytes: &[u8]| {
            let (here, behind) = std::mem::take(&mut rest).split_at_mut(bytes.len());
            here.copy_from_slice(bytes);
            rest = behind;
        };
        put(domain.as_bytes());
        for part in parts {
            put(&(part.len() as u64).to_le_bytes());
            put(part);
        }
        digest::digest(&SHA256, together)
    } else {
        let mut context = Context::new(&SHA256);
        context.update(domain.as_bytes());
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        context.finish()
    };
    let mut out = [0; 32];
    out.copy_from_slice(hash.as_ref());
    out
}

fn encode(mut value: u128, digits: usize) -> String {
    let mut out = vec![b'0'; digits];
    for slot in out.iter_mut().rev() {
        *slot = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
    String::from_utf8(out).expect("invariant: the alphabet is ASCII")
}

fn decode(text: &str, digits: usize) -> Option<u128> {
    if text.len() != digits {
        return None;
    }
    text.bytes().try_fold(0u128, |value, byte| {
        let digit = ALPHABET.iter().position(|&c| c == byte.to_ascii_lowercase())?;
        value.checked_mul(32)?.checked_add(digit as u128)
    })
}

/// The numbers of the 63-bit ids that begin with a text; the prefix of their kind may be left out.
fn beginning(
    text: &str,
    kind: &'static str,
    prefix: &'static str,
    digits: usize,
) -> Result<RangeInclusive<i64>, IdError> {
    let written = text.strip_prefix(prefix);
    let body = written.unwrap_or(text);
    let known = decode(body, body.len().min(digits)).filter(|_| !body.is_empty());
    let first = known.map(|value| value << (5 * (digits - body.len())));
    match first.and_then(|first| i64::try_from(first).ok()) {
        Some(first) => {
            let more = (1_u128 << (5 * (digits - body.len()))) - 1;
            Ok(first..=i64::try_from(more).map_or(i64::MAX, |more| first.saturating_add(more)))
        }
        None if written.is_some() => Err(IdError::Body { text: text.to_owned(), kind, prefix }),
        None => Err(IdError::Prefix { text: text.to_owned(), kind, prefix }),
    }
}

macro_rules! hashed_id {
    ($(#[$doc:meta])* $name:ident, $int:ty, $digits:literal, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name($int);

        impl $name {
            /// The prefix of the text form.
            pub const PREFIX: &'static str = $prefix;

            /// Reads the text form.
            ///
            /// # Errors
            /// [`IdError`] when the prefix or the body is not that of this kind of id.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let body = text.strip_prefix($prefix).ok_or_else(|| IdError::Prefix {
                    text: text.to_owned(), kind: $kind, prefix: $prefix,
                })?;
                decode(body, $digits)
                    .and_then(|value| <$int>::try_from(value).ok())
                    .map(Self)
                    .ok_or_else(|| IdError::Body { text: text.to_owned(), kind: $kind, prefix: $prefix })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), encode(u128::from(self.0), $digits))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        #[cfg(feature = "postgres")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

/// An id that the store has as its integer key, and that people may cut short.
macro_rules! integer_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        hashed_id!($(#[$doc])* $name, u64, 13, $prefix, $kind);

        impl $name {
            /// The integer form, for the store.
            #[must_use]
            pub fn to_i64(self) -> i64 {
                self.0.cast_signed()
            }

            /// Back from the store.
            #[must_use]
            pub fn from_i64(value: i64) -> Self {
                Self(value.cast_unsigned())
            }

            /// The numbers of all ids that begin with a text, with or without the prefix.
            ///
            /// # Errors
            /// [`IdError`] when no id of this kind does.
            pub fn beginning(text: &str) -> Result<RangeInclusive<i64>, IdError> {
                beginning(text, $kind, Self::PREFIX, 13)
            }

            /// The text form, cut to so many digits after the prefix.
            #[must_use]
            pub fn short(self, digits: usize) -> String {
                self.to_string().chars().take(Self::PREFIX.len() + digits).collect()
            }
        }
    };
}

integer_id!(
    /// An item: derived from its source and its key there.
    ItemId, "itm_", "an item"
);
integer_id!(
    /// A story: derived from the item that opened it.
    StoryId, "sty_", "a story"
);
hashed_id!(
    /// An alert, and the `webhook-id` on the wire: derived from (instance, topic, item, revision, reason).
    AlertId, u128, 26, "alr_", "an alert"
);
hashed_id!(
    /// 128 bits of SHA-256 over some content; equal content, equal hash.
    ContentHash, u128, 26, "h_", "a content hash"
);

impl ItemId {
    /// The id of the item that `source` publishes under `key`.
    #[must_use]
    pub fn of(source: &SourceId, key: &ItemKey) -> Self {
        Self(first_63_bits(&digest("wirewatch item 1", &[source.as_str().as_bytes(), key.as_str().as_bytes()])))
    }
}

impl StoryId {
    /// The id of the story that `item` opens.
    #[must_use]
    pub fn opened_by(item: ItemId) -> Self {
        Self(first_63_bits(&digest("wirewatch story 1", &[&item.0.to_le_bytes()])))
    }

    /// The id of the story that a correction by hand, given by its number, takes out of this one.
    #[must_use]
    pub fn split_off(self, correction: i64) -> Self {
        Self(first_63_bits(&digest("wirewatch story split 1", &[&self.0.to_le_bytes(), &correction.to_le_bytes()])))
    }
}

impl AlertId {
    /// The id of an alert, from the parts that make it one of a kind (promise P3).
    #[must_use]
    pub fn derive(parts: &[&[u8]]) -> Self {
        Self(first_128_bits(&digest("wirewatch alert 1", parts)))
    }
}

impl ContentHash {
    /// The hash of some parts, in this order.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        Self(first_128_bits(&digest("wirewatch content 1", parts)))
    }

    /// The byte form, for the store.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Back from the store.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The first 64 bits: enough for an in-memory set whose hits are verified.
    #[must_use]
    pub fn short(self) -> u64 {
        (self.0 >> 64) as u64
    }
}

/// SQLite integers are signed: the top bit stays clear so that ids sort alike on both sides.
fn first_63_bits(hash: &[u8; 32]) -> u64 {
    u64::from_be_bytes(hash[..8].try_into().expect("invariant: eight bytes")) >> 1
}

fn first_128_bits(hash: &[u8; 32]) -> u128 {
    u128::from_be_bytes(hash[..16].try_into().expect("invariant: sixteen bytes"))
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks a name: 1 to 64 of `a-z 0-9 - _ .`.
            ///
            /// # Errors
            /// [`IdError::Name`] for anything else.
            pub fn new(text: &str) -> Result<Self, IdError> {
                let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
                if text.is_empty() || text.len() > 64 || !text.bytes().all(fits) {
                    return Err(IdError::Name { text: text.to_owned() });
                }
                Ok(Self(text.into()))
            }

            /// A name made from any text: lower case without accents, everything else a dash; `None` if nothing is left.
            #[must_use]
            pub fn slug(text: &str) -> Option<Self> {
                let mut name = String::with_capacity(text.len().min(64));
                for c in text.nfkd().filter(|c| !is_combining_mark(*c)) {
                    match c.to_ascii_lowercase() {
                        c @ ('a'..='z' | '0'..='9') => name.push(c),
                        '\'' | '\u{2019}' => {}
                        _ if name.is_empty() || name.ends_with('-') => {}
                        _ => name.push('-'),
                    }
                    if name.len() == 64 {
                        break;
                    }
                }
                Self::new(name.trim_end_matches('-')).ok()
            }

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        #[cfg(feature = "postgres")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

name_id!(
    /// A source as the config names it: a feed, the seed directory (`seeds`), a push.
    SourceId
);
name_id!(
    /// A topic as the config names it.
    TopicId
);
name_id!(
    /// An endpoint as the config names it.
    EndpointId
);

/// What identifies an item within its source: the guid, else the canonical link, else a hash of
/// title, summary and date. Never random, never the time of parsing (promise P4).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize)]
#[cfg_attr(feature = "postgres", derive(serde::Deserialize))]
pub struct ItemKey(String);

impl ItemKey {
    /// Longer keys are replaced by their hash: a key is an index entry, not a place for data.
    pub const BYTES_MAX: usize = 1024;

    /// Takes a key as the source gave it, trimmed.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.trim();
        if text.len() > Self::BYTES_MAX {
            return Self(format!("long:{}", ContentHash::of(&[text.as_bytes()])));
        }
        Self(text.to_owned())
    }

    /// A key from the content itself, for items that carry neither guid nor link.
    #[must_use]
    pub fn of_content(parts: &[&[u8]]) -> Self {
        Self(format!("content:{}", ContentHash::of(parts)))
    }

    /// The key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str) -> SourceId {
        SourceId::new(name).expect("a valid name")
    }

    #[test]
    fn item_id_same_parts_same_id_and_round_trips() {
        let id = ItemId::of(&source("a"), &ItemKey::new("1"));
        assert_eq!(id, ItemId::of(&source("a"), &ItemKey::new(" 1 ")));
        assert_eq!(ItemId::parse(&id.to_string()), Ok(id));
        assert_eq!(ItemId::from_i64(id.to_i64()), id);
        assert!(id.to_i64() >= 0);
    }

    #[test]
    fn id_a_beginning_stands_for_all_ids_that_have_it() {
        let id = ItemId::of(&source("a"), &ItemKey::new("1"));
        for digits in 1..=13 {
            let range = ItemId::beginning(&id.short(digits)).expect("a beginning");
            assert!(range.contains(&id.to_i64()), "{digits}");
            let bare = ItemId::beginning(&id.short(digits)[4..]).expect("without the prefix");
            assert_eq!(bare, range);
        }
        assert_eq!(ItemId::beginning(&id.to_string()), Ok(id.to_i64()..=id.to_i64()));
        assert_eq!(StoryId::beginning("7").map(|range| *range.end()), Ok(i64::MAX));
        for wrong in
            ["", "itm_", "sty_00", "nonsense", "itm_zz", "itm_00000000000000", "0000000000000000000000000000000"]
        {
            assert!(ItemId::beginning(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn item_id_parts_do_not_run_into_each_other() {
        assert_ne!(ItemId::of(&source("ab"), &ItemKey::new("c")), ItemId::of(&source("a"), &ItemKey::new("bc")));
    }

    #[test]
    fn id_damaged_text_is_refused_with_the_reason() {
        assert!(matches!(ItemId::parse("sty_0000000000000"), Err(IdError::Prefix { .. })));
        assert!(matches!(ItemId::parse("itm_000000000000u"), Err(IdError::Body { .. })));
        assert!(matches!(ItemId::parse("itm_zzzzzzzzzzzzz"), Err(IdError::Body { .. })));
    }

    #[test]
    fn alert_id_has_no_dot_and_round_trips() {
        let id = AlertId::derive(&[b"instance", b"topic"]);
        assert!(!id.to_string().contains('.'));
        assert_eq!(AlertId::parse(&id.to_string()), Ok(id));
    }

    #[test]
    fn name_odd_characters_are_refused() {
        for bad in ["", "Ab", "a b", "a/b", "ü", &"x".repeat(65)] {
            assert!(SourceId::new(bad).is_err(), "{bad:?}");
        }
        assert!(SourceId::new("bbc.world-2_en").is_ok());
    }

    #[test]
    fn slug_any_text_becomes_a_name_or_nothing() {
        let slug = |text: &str| SourceId::slug(text).map(|name| name.to_string());
        assert_eq!(slug("The Harbour Post, Ltd."), Some("the-harbour-post-ltd".to_owned()));
        assert_eq!(slug("L’Écho d'Île"), Some("lecho-dile".to_owned()));
        assert_eq!(slug(" — "), None);
        assert_eq!(slug(&"x ".repeat(100)).map(|name| name.len()), Some(63));
    }

    #[test]
    fn item_key_long_key_becomes_a_hash() {
        let long = "x".repeat(5000);
        assert!(ItemKey::new(&long).as_str().len() < 64);
        assert_ne!(ItemKey::new(&long), ItemKey::new(&"x".repeat(5001)));
    }
}

//! Answers whose validator is known: as long as nothing was committed and the config is the same, whoever has one hears
//! so without its being made again. Only answers that do not depend on the time are kept.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_64;

use crate::config::Config;

/// Answers whose validator is kept; beyond that all are forgotten.
const ANSWERS_MAX: usize = 1024;

/// What an answer was made of.
#[derive(Clone)]
pub(super) struct AnswerBasis {
    /// Of the store: another one after any commit.
    pub version: i64,
    pub config: Arc<Config>,
}

impl AnswerBasis {
    fn is(&self, other: &Self) -> bool {
        self.version == other.version && Arc::ptr_eq(&self.config, &other.config)
    }
}

/// The validators of answers, by what was asked.
#[derive(Clone, Default)]
pub(super) struct KnownAnswers(Arc<Mutex<HashMap<u64, (AnswerBasis, String)>>>);

impl KnownAnswers {
    /// The validator of an answer, where nothing it is made of has changed.
    pub fn tag(&self, path: &str, query: &str, basis: &AnswerBasis) -> Option<String> {
        let known = self.0.lock();
        known.get(&key(path, query)).filter(|(of, _)| of.is(basis)).map(|(_, tag)| tag.clone())
    }

    /// Remembers one that was made of this.
    pub fn keep(&self, path: &str, query: &str, basis: AnswerBasis, tag: String) {
        let mut known = self.0.lock();
        if known.len() >= ANSWERS_MAX {
            known.clear();
        }
        known.insert(key(path, query), (basis, tag));
    }
}

fn key(path: &str, query: &str) -> u64 {
    xxh3_64(format!("{path}?{query}").as_bytes())
}

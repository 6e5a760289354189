//! Two checked configs to what changed between them: what a reload does, and what it cannot do. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Config, HttpConfig};
use crate::model::{EndpointId, SourceId, TopicId};

/// What changed in a list, by name, each sorted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListDiff<Id> {
    /// Only in the new config.
    pub added: Vec<Id>,
    /// Only in the old config.
    pub removed: Vec<Id>,
    /// In both, with other content.
    pub changed: Vec<Id>,
}

impl<Id> ListDiff<Id> {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// What changed between two configs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigDiff {
    /// Feeds.
    pub feeds: ListDiff<SourceId>,
    /// Topics that are enabled.
    pub topics: ListDiff<TopicId>,
    /// Aliases: a topic that uses one changes with it.
    pub aliases: ListDiff<String>,
    /// Endpoints.
    pub endpoints: ListDiff<EndpointId>,
    /// Silences.
    pub silences: ListDiff<String>,
    /// Who may send items.
    pub pushes: ListDiff<SourceId>,
    /// Sections that a reload takes over.
    pub sections: Vec<&'static str>,
    /// Keys that changed but count only after a restart: a reload refuses them by name.
    pub restart_only: Vec<&'static str>,
}

impl ConfigDiff {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.feeds.is_empty()
            && self.topics.is_empty()
            && self.aliases.is_empty()
            && self.endpoints.is_empty()
            && self.silences.is_empty()
            && self.pushes.is_empty()
            && self.sections.is_empty()
            && self.restart_only.is_empty()
    }

    /// Whether what is compiled from the config (topics, routes, limits) has to be compiled anew.
    #[must_use]
    pub fn rules_changed(&self) -> bool {
        let lists = !self.topics.is_empty() || !self.aliases.is_empty();
        let routes = !self.endpoints.is_empty() || !self.silences.is_empty();
        lists || routes || self.sections.iter().any(|section| ["limits", "alerts", "delivery"].contains(section))
    }
}

/// What a reload from `old` to `new` means.
#[must_use]
pub fn diff(old: &Config, new: &Config) -> ConfigDiff {
    let restart_only = [
        ("daemon.state_dir", old.daemon.state_dir != new.daemon.state_dir),
        ("daemon.instance", old.daemon.instance != new.daemon.instance),
        ("daemon.threads", old.daemon.threads != new.daemon.threads),
        ("daemon.log_format", old.daemon.log_format != new.daemon.log_format),
        ("store", old.store != new.store),
        ("node", old.node != new.node),
        ("http.listen", old.http.listen != new.http.listen),
        ("seeds.id", old.seeds.id != new.seeds.id),
        ("memory.copies_window", old.memory.copies_window != new.memory.copies_window),
        ("memory.bytes_max", old.memory.bytes_max != new.memory.bytes_max),
        ("memory.story_span", old.memory.story_span != new.memory.story_span),
        ("memory.languages", old.memory.languages != new.memory.languages),
        ("memory.story_window", old.memory.story_window != new.memory.story_window),
    ];
    let soft_daemon = |config: &Config| {
        let daemon = &config.daemon;
        (daemon.log.clone(), daemon.stop_timeout, daemon.free_space_bytes_min, daemon.reload_on_change)
    };
    let sections = [
        ("daemon", soft_daemon(old) != soft_daemon(new)),
        ("seeds", old.seeds != new.seeds),
        ("polling", old.polling != new.polling),
        ("limits", old.limits != new.limits || normalize(old) != normalize(new)),
        ("retention", old.retention != new.retention),
        ("http", HttpConfig { listen: None, ..old.http.clone() } != HttpConfig { listen: None, ..new.http.clone() }),
        ("websub", old.websub != new.websub),
        ("alerts", old.alerts != new.alerts),
        ("delivery", old.delivery != new.delivery),
    ];
    let names =
        |changed: &[(&'static str, bool)]| changed.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
    ConfigDiff {
        feeds: list(&old.feeds, &new.feeds, |feed| feed.id.clone()),
        topics: list(&old.topics, &new.topics, |topic| topic.id.clone()),
        aliases: list(&old.aliases, &new.aliases, |alias| alias.name.clone()),
        endpoints: list(&old.endpoints, &new.endpoints, |endpoint| endpoint.id.clone()),
        silences: list(&old.silences, &new.silences, |silence| silence.id.clone()),
        pushes: list(&old.pushes, &new.pushes, |push| push.id.clone()),
        sections: names(&sections),
        restart_only: names(&restart_only),
    }
}

fn normalize(config: &Config) -> (Option<crate::model::Lang>, usize) {
    (config.normalize.lang_default, config.normalize.text_bytes_max)
}

fn list<T: PartialEq, Id: Ord + Clone>(old: &[T], new: &[T], id: impl Fn(&T) -> Id) -> ListDiff<Id> {
    let old: BTreeMap<Id, &T> = old.iter().map(|entry| (id(entry), entry)).collect();
    let new: BTreeMap<Id, &T> = new.iter().map(|entry| (id(entry), entry)).collect();
    ListDiff {
        added: new.keys().filter(|id| !old.contains_key(id)).cloned().collect(),
        removed: old.keys().filter(|id| !new.contains_key(id)).cloned().collect(),
        changed: new
            .iter()
            .filter(|(id, entry)| old.get(id).is_some_and(|old| old != *entry))
            .map(|(id, _)| id.clone())
            .collect(),
    }
}

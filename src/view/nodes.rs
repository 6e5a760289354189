//! The processes that share a store, in words.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::source::feed::FeedConfig;
use crate::store::{NodeRecord, NodeRole};
use crate::text::counted;

/// What one of several processes does, and how it stands.
#[must_use]
pub fn node_in_words(node: &NodeRecord) -> String {
    let mut words = Vec::new();
    if node.is_there() {
        words.push(standing(node).to_owned());
        let does = |(role, verb): &(NodeRole, &str)| node.roles.contains(&role.as_str()).then(|| (*verb).to_owned());
        words.extend([(NodeRole::Fetch, "fetches"), (NodeRole::Deliver, "sends")].iter().filter_map(does));
        if !node.decides {
            words.push(match node.behind {
                0 => "its memory has everything".to_owned(),
                behind => format!("its memory lacks {}, {} s old", counted(behind, "change"), node.behind_ms / 1000),
            });
        }
    } else {
        words.push(format!("silent for {} s", node.silent_ms / 1000));
    }
    if !node.same_rules {
        words.push("its topics, rules or endpoints are not those of the one that decides".to_owned());
    }
    if node.is_there() && node.has_other_time() {
        words.push(other_time(node));
    }
    if node.hosts > 0 {
        words.push(format!("asks {} for feeds", counted(node.hosts, "host")));
    }
    if !node.regions.is_empty() {
        words.push(format!("is in {}", node.regions.join(", ")));
    }
    if node.is_there() && !node.reaches {
        words.push("its polls reach nobody".to_owned());
    }
    if let Some(address) = &node.address {
        words.push(format!("serves at {address}"));
    }
    words.push(format!("version {}", node.version));
    words.join(", ")
}

fn standing(node: &NodeRecord) -> &'static str {
    match node {
        node if node.decides => "decides",
        node if node.stands_by => "stands by",
        _ => "does not decide",
    }
}

fn other_time(node: &NodeRecord) -> String {
    let (seconds, way) =
        (node.clock_apart_ms.unsigned_abs() / 1000, if node.clock_apart_ms > 0 { "ahead of" } else { "behind" });
    format!("its clock is {seconds} s {way} the database server's")
}

/// All of them in a few words.
#[must_use]
pub fn nodes_in_short(nodes: &[NodeRecord]) -> Option<String> {
    let leader = nodes.iter().find(|node| node.decides);
    let leader = leader.map_or_else(|| "no node decides".to_owned(), |node| format!("{} decides", node.name));
    let others = nodes.iter().filter(|node| !node.decides).map(|node| match node {
        node if !node.is_there() => format!("{} silent for {} s", node.name, node.silent_ms / 1000),
        node if node.behind > 0 => format!("{} {} s behind", node.name, node.behind_ms / 1000),
        node => node.name.clone(),
    });
    let others: Vec<_> = others.collect();
    let standby =
        if others.is_empty() { "nobody stands by".to_owned() } else { format!("beside it {}", others.join(", ")) };
    (!nodes.is_empty()).then(|| format!("{leader}; {standby}"))
}

/// What an operator should look at.
#[must_use]
pub fn node_warnings(nodes: &[NodeRecord]) -> Vec<String> {
    let mut lines = Vec::new();
    for node in nodes {
        let name = &node.name;
        if !node.is_there() {
            lines.push(format!("nodes: {name} has been silent for {} s", node.silent_ms / 1000));
            continue;
        }
        if !node.same_rules {
            lines.push(format!("nodes: {name} has other topics, rules or endpoints than the one that decides"));
        }
        if node.has_other_time() {
            lines.push(format!("nodes: {name}: {}", other_time(node)));
        }
        if !node.reaches {
            lines.push(format!("nodes: the polls of {name} reach nobody, others ask in its place"));
        }
    }
    let sends = |node: &NodeRecord| node.is_there() && node.roles.contains(&NodeRole::Deliver.as_str());
    if !nodes.is_empty() && !nodes.iter().any(sends) {
        lines.push("nodes: nobody sends what is owed to endpoints".to_owned());
    }
    let stands_by = nodes.iter().any(|node| node.is_there() && node.stands_by);
    if !stands_by && nodes.iter().any(|node| node.is_there() && node.decides) {
        lines.push("nodes: nobody stands by".to_owned());
    }
    lines
}

/// Regions that feeds are to be polled from, and where no node is that does: the region, and how many feeds.
#[must_use]
pub fn regions_without_nodes(feeds: &[Arc<FeedConfig>], nodes: &[NodeRecord]) -> Vec<(String, u64)> {
    if nodes.is_empty() {
        return Vec::new();
    }
    let mut wanted: BTreeMap<&str, u64> = BTreeMap::new();
    for via in feeds.iter().filter(|feed| feed.enabled).filter_map(|feed| feed.via.as_deref()) {
        *wanted.entry(via).or_default() += 1;
    }
    let polls_there = |region: &str| {
        let mut polling = nodes.iter().filter(|node| node.is_there() && node.fetches());
        polling.any(|node| node.regions.iter().any(|one| one == region))
    };
    let missing = wanted.into_iter().filter(|(region, _)| !polls_there(region));
    missing.map(|(region, feeds)| (region.to_owned(), feeds)).collect()
}

/// The same as lines for an operator.
#[must_use]
pub fn region_warnings(feeds: &[Arc<FeedConfig>], nodes: &[NodeRecord]) -> Vec<String> {
    let missing = regions_without_nodes(feeds, nodes).into_iter();
    missing
        .map(|(region, feeds)| format!("feeds: {} via {region}, where no node is that polls", counted(feeds, "feed")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn node(name: &str) -> NodeRecord {
        NodeRecord {
            name: name.to_owned(),
            decides: false,
            stands_by: true,
            roles: vec!["fetch", "deliver", "serve"],
            address: Some("http://10.0.0.2:8080".to_owned()),
            seeds: String::new(),
            regions: Vec::new(),
            hosts: 0,
            reaches: true,
            version: "1.2.3".to_owned(),
            same_rules: true,
            behind: 0,
            behind_ms: 0,
            clock_apart_ms: -4999,
            started_at: Timestamp::from_seconds(1_742_198_531),
            silent_ms: 900,
            has_session: true,
        }
    }

    #[test]
    fn nodes_are_told_of_by_what_they_do() {
        let roles = vec!["decide", "fetch", "deliver"];
        let leader = NodeRecord { decides: true, stands_by: false, address: None, roles, ..node("eu-1") };
        let late = NodeRecord { behind: 7, behind_ms: 3400, ..node("eu-2") };
        assert_eq!(node_in_words(&leader), "decides, fetches, sends, version 1.2.3");
        let words = "stands by, fetches, sends, its memory lacks 7 changes, 3 s old, serves at http://10.0.0.2:8080, version 1.2.3";
        assert_eq!(node_in_words(&late), words);
        let gone = NodeRecord { silent_ms: 61_000, ..node("eu-3") };
        let silent = |silent_ms, has_session| NodeRecord { silent_ms, has_session, ..node("eu-3") }.is_there();
        assert!(silent(14_000, true) && silent(7_000, false), "it may stand still, or connect again");
        assert!(!silent(9_000, false) && !silent(16_000, true), "it has ended, or does not go on");
        let short = nodes_in_short(&[leader.clone(), late, gone.clone(), node("eu-4")]);
        assert_eq!(short.as_deref(), Some("eu-1 decides; beside it eu-2 3 s behind, eu-3 silent for 61 s, eu-4"));
        assert_eq!(nodes_in_short(std::slice::from_ref(&leader)).as_deref(), Some("eu-1 decides; nobody stands by"));
        assert_eq!(nodes_in_short(&[]), None);
        let alone = ["nodes: eu-3 has been silent for 61 s", "nodes: nobody stands by"];
        assert_eq!(node_warnings(&[leader, gone]), alone);
    }

    #[test]
    fn region_where_nobody_polls_is_said_with_its_feeds() {
        let feed = |id: &str, via: Option<&str>| {
            let id = crate::model::SourceId::new(id).expect("a name");
            let url = url::Url::parse("https://h.example/rss").expect("a URL");
            Arc::new(FeedConfig { via: via.map(str::to_owned), ..FeedConfig::new(id, url) })
        };
        let feeds = [feed("a", Some("eu")), feed("b", Some("eu")), feed("c", Some("us")), feed("d", None)];
        let there = NodeRecord { regions: vec!["us".to_owned()], hosts: 1, ..node("us-1") };
        let gone = NodeRecord { regions: vec!["eu".to_owned()], silent_ms: 61_000, ..node("eu-1") };
        let only_serves = NodeRecord { roles: vec!["serve"], silent_ms: 0, ..gone.clone() };
        let said = ["feeds: 2 feeds via eu, where no node is that polls"];
        assert_eq!(region_warnings(&feeds, &[there.clone(), gone, only_serves]), said);
        assert_eq!(region_warnings(&feeds, &[]), [""; 0], "alone, a process polls all of them");
        assert!(node_in_words(&there).contains("asks 1 host for feeds, is in us"), "{}", node_in_words(&there));
    }

    #[test]
    fn clocks_apart_are_warned_of_beyond_a_few_seconds() {
        let leader = NodeRecord { decides: true, stands_by: false, ..node("eu-1") };
        assert_eq!(node_warnings(&[leader.clone(), node("eu-2")]), [""; 0]);
        let late = NodeRecord { clock_apart_ms: -3_600_000, ..node("eu-2") };
        let early = NodeRecord { clock_apart_ms: 5_001, ..node("eu-3") };
        let warned = [
            "nodes: eu-2: its clock is 3600 s behind the database server's",
            "nodes: eu-3: its clock is 5 s ahead of the database server's",
        ];
        assert_eq!(node_warnings(&[leader, late, early]), warned);
    }
}

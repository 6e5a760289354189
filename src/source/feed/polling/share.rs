//! Who asks which host, where several processes poll: every one of them works it out by itself from who is there, and
//! comes to the same. Nobody has more than its share, and little moves when one comes or goes. Knows names only; whoever
//! asks has to have the right to it besides.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::poller::spared;
use crate::model::ContentHash;
use crate::source::feed::{FeedConfig, SpacingScope};

/// A process that polls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchingNode {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub regions: Vec<String>,
}

/// Feeds that only one process may ask at a time, since they are spared together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedHost {
    /// What they are known by.
    pub host: String,
    /// From where they are to be asked; `None`: from anywhere.
    pub via: Option<String>,
    /// How many they are.
    pub feeds: usize,
}

/// What the feeds are known by that are spared together with this one and asked from where it is.
#[must_use]
pub fn shared_host(feed: &FeedConfig, scope: SpacingScope) -> String {
    let host = spared(feed, scope);
    match &feed.via {
        Some(region) => format!("{host} via {region}"),
        None => host,
    }
}

/// All hosts of these feeds.
#[must_use]
pub fn shared_hosts(feeds: &[Arc<FeedConfig>], scope: SpacingScope) -> Vec<SharedHost> {
    let mut hosts: BTreeMap<String, SharedHost> = BTreeMap::new();
    for feed in feeds.iter().filter(|feed| feed.enabled) {
        let host = shared_host(feed, scope);
        let one = || SharedHost { host: host.clone(), via: feed.via.clone(), feeds: 0 };
        hosts.entry(host.clone()).or_insert_with(one).feeds += 1;
    }
    hosts.into_values().collect()
}

/// Which hosts the process of this name is to have. One that nobody may ask is left out.
#[must_use]
pub fn share_of(name: &str, hosts: &[SharedHost], nodes: &[FetchingNode]) -> Vec<String> {
    let mut nodes: Vec<(&FetchingNode, usize)> = nodes.iter().map(|node| (node, 0)).collect();
    nodes.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    let may = |node: &FetchingNode, host: &SharedHost| host.via.as_ref().is_none_or(|via| node.regions.contains(via));
    let all: usize = hosts.iter().map(|host| host.feeds).sum();
    let fair = all.div_ceil(nodes.len().max(1));
    let mut order: Vec<&SharedHost> = hosts.iter().collect();
    // Those that few may ask, and large ones, choose first: the others fill up.
    order.sort_by_cached_key(|host| {
        let choice = nodes.iter().filter(|(node, _)| may(node, host)).count();
        (choice, usize::MAX - host.feeds, host.host.clone())
    });
    let mut share = Vec::new();
    for host in order {
        let liked = |node: &FetchingNode| ContentHash::of(&[node.name.as_bytes(), host.host.as_bytes()]).short();
        let chosen = nodes.iter_mut().filter(|(node, _)| may(node, host)).min_by_key(|(node, has)| {
            let beyond = (*has + host.feeds).saturating_sub(fair);
            (beyond, u64::MAX - liked(node))
        });
        if let Some((node, has)) = chosen {
            *has += host.feeds;
            if node.name == name {
                share.push(host.host.clone());
            }
        }
    }
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(count: usize) -> Vec<SharedHost> {
        (0..count).map(|number| SharedHost { host: format!("h{number}.example"), via: None, feeds: 1 }).collect()
    }

    fn node(name: &str, regions: &[&str]) -> FetchingNode {
        FetchingNode { name: name.to_owned(), regions: regions.iter().map(|region| (*region).to_owned()).collect() }
    }

    fn shares(hosts: &[SharedHost], nodes: &[FetchingNode]) -> Vec<Vec<String>> {
        nodes.iter().map(|node| share_of(&node.name, hosts, nodes)).collect()
    }

    #[test]
    fn everybody_has_its_share_and_every_host_has_one() {
        for count in [0, 1, 2, 3, 10, 100, 1000] {
            let (hosts, nodes) = (hosts(count), [node("a", &[]), node("b", &["eu"]), node("c", &[])]);
            let shares = shares(&hosts, &nodes);
            assert!(shares.iter().all(|share| share.len() <= count.div_ceil(3)), "{count}: {shares:?}");
            let mut all = shares.concat();
            all.sort();
            let mut wanted: Vec<String> = hosts.into_iter().map(|host| host.host).collect();
            wanted.sort();
            assert_eq!(all, wanted);
        }
    }

    #[test]
    fn little_moves_when_one_comes_or_goes_and_the_order_of_names_is_nothing() {
        let (hosts, three) = (hosts(900), [node("a", &[]), node("b", &[]), node("c", &[])]);
        let four: Vec<_> = three.iter().cloned().chain([node("d", &[])]).collect();
        let (before, after) = (shares(&hosts, &three), shares(&hosts, &four));
        let moved: usize =
            before.iter().zip(&after).map(|(had, has)| had.iter().filter(|host| !has.contains(host)).count()).sum();
        assert!(moved <= 300, "{moved} of 900 moved for the fourth of four");
        let turned: Vec<_> = three.iter().rev().cloned().collect();
        assert_eq!(share_of("b", &hosts, &turned), before[1]);
    }

    #[test]
    fn large_host_weighs_as_much_as_its_feeds() {
        let mut hosts = hosts(30);
        hosts.push(SharedHost { host: "large.example".to_owned(), via: None, feeds: 30 });
        let shares = shares(&hosts, &[node("a", &[]), node("b", &[])]);
        let mut sizes: Vec<usize> = shares.iter().map(Vec::len).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 30]);
    }

    #[test]
    fn feed_that_names_a_region_is_asked_from_there_or_by_nobody() {
        let mut feed = FeedConfig::new(
            crate::model::SourceId::new("wire").expect("a name"),
            url::Url::parse("https://h.example/rss").expect("a URL"),
        );
        feed.via = Some("eu".to_owned());
        let plain = FeedConfig { via: None, ..feed.clone() };
        let off = FeedConfig { enabled: false, ..feed.clone() };
        let hosts = shared_hosts(&[feed.clone(), plain, off].map(Arc::new), SpacingScope::Host);
        assert_eq!(hosts.iter().map(|host| host.host.as_str()).collect::<Vec<_>>(), ["h.example", "h.example via eu"]);
        let nodes = [node("a", &["us"]), node("b", &["eu", "us"])];
        assert!(share_of("b", &hosts, &nodes).contains(&"h.example via eu".to_owned()));
        let nobody = shares(&hosts, &nodes[..1]).concat();
        assert_eq!(nobody, ["h.example"]);
    }
}

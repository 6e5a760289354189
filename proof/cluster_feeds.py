"""Feeds that several nodes poll: each asks its share of the hosts, and what becomes of that when one of them is in trouble."""

import http.server
import json
import subprocess
import threading
import urllib.request

from cluster_rig import NODES, Feeds, Receiver, fail, until

FEED_HOSTS = [f"feed-{number}.example" for number in range(12)]


def begin_fetching(rig, regions=None, feeds_of=Feeds, settings=""):
    """Twelve hosts of feeds, which the nodes get to by a way each; until they are shared out. A host of its own is polled from
    one region alone, if any is named."""
    Feeds.forget()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), feeds_of)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    via = {FEED_HOSTS[0]: "north"} if regions else {}
    for node in rig.nodes.values():
        node.feeds.lead_to(server.server_port)
        feeds = "".join(f"""[[feeds]]
id = "{host}"
url = "http://{host}/news.rss"
interval = "500ms"
interval_max = "500ms"
backfill = "all"
allow_private = ["127.0.0.0/8"]
""" + (f'via = "{via[host]}"\n' if host in via else "") for host in FEED_HOSTS)
        text = node.config.read_text()
        text = text[:text.index("[[feeds]]")] + settings + f"""[polling]
user_agent = "{node.name}"
proxy = "http://127.0.0.1:{node.feeds.port}"
host_spacing = "100ms"
total_timeout = "2s"
start_spread = "100ms"
""" + feeds + text[text.index("[[endpoints]]"):]
        if regions and node.name in regions:
            text = text.replace(f'name = "{node.name}"', f'name = "{node.name}"\nregions = ["{regions[node.name]}"]')
        node.config.write_text(text)
    rig.begin()
    until(rig, lambda: held(rig) == [4, 4, 4], "the hosts are shared out")


def held(rig):
    """How many hosts those have that have any."""
    there = "EXISTS (SELECT 1 FROM nodes n WHERE n.name = l.node AND n.mark = l.mark)"
    return [int(count) for count in rig.database.ask(f"SELECT count(*) FROM poll_leases l WHERE {there} GROUP BY node ORDER BY 1")]


def asks(rig, host):
    """The node that has the right to ask a host."""
    return (rig.database.ask(f"SELECT node FROM poll_leases WHERE host LIKE '{host}%' AND node <> ''") or [None])[0]


def publish(rig, host):
    article = rig.article()
    Feeds.items[host].append(article)
    return article["title"]


def see_feeds(rig, titles, what):
    """Each is told, under one id, and no host was asked by two at once."""
    for title in titles:
        rig.await_alert_of([title], what)
    rig.see_that_nobody_wrote_besides(what)
    if Feeds.at_once:
        rig.show()
        fail(f"{what}: a host was asked by two at once: {Feeds.at_once[:3]}")


def fetched_by_all(rig):
    """Each of them asks its share of the hosts, and what it finds is told once."""
    begin_fetching(rig)
    see_shares(rig)
    rig.await_all("fetched by all")


def see_shares(rig):
    """Each asks its share of what is published, and one may die over it."""
    see_feeds(rig, [publish(rig, host) for host in FEED_HOSTS], "fetched by all")
    who = {node for host in FEED_HOSTS for node in Feeds.asked[host]}
    if who != set(rig.nodes):
        fail(f"not all of them ask: {who}")
    nodes = json.loads(subprocess.run([rig.program, "--config", rig.nodes[NODES[1]].config, "status", "--json"], capture_output=True, text=True).stdout)
    if [one["hosts"] for one in nodes["nodes"]] != [4, 4, 4]:
        fail(f"status does not show who asks how many hosts: {nodes['nodes']}")
    # One dies with what it fetched in the inbox: that is stored, once.
    decides = rig.await_leader()
    dying = next(node for node in rig.nodes.values() if node is not decides)
    dying.kill()
    dying.environment = {"WIREWATCH_FAILPOINT": "in-inbox:2"}
    dying.start()
    until(rig, lambda: dying.process.poll() is not None, "one that fetches dies with something in the inbox")
    dying.environment = {}
    dying.start()
    rig.await_standby(dying, "started again")
    see_feeds(rig, [publish(rig, host) for host in FEED_HOSTS], "after one has died")


def fetchers_in_trouble(rig):
    """One that fetches dies between asking and telling: another one asks. Feeds of one region wait for a node there. One that
    does not get to the feeds leaves them to the others."""
    begin_fetching(rig, {NODES[2]: "north"})
    north = rig.nodes[NODES[2]]
    see_feeds(rig, [publish(rig, host) for host in FEED_HOSTS], "at first")
    if set(Feeds.asked[FEED_HOSTS[0]]) != {north.name}:
        fail(f"a feed of a region is asked from elsewhere: {set(Feeds.asked[FEED_HOSTS[0]])}")
    decides = rig.await_leader()
    dying = next(node for node in rig.nodes.values() if node not in [decides, north])
    dying.kill()
    dying.environment = {"WIREWATCH_FAILPOINT": "feed-read:20"}
    dying.start()
    until(rig, lambda: dying.process.poll() is not None, "one that fetches dies between asking and telling")
    titles = [publish(rig, host) for host in FEED_HOSTS]
    see_feeds(rig, titles, "while one that fetched is gone")
    until(rig, lambda: sum(held(rig)) == len(FEED_HOSTS) and len(held(rig)) == 2, "the others ask its hosts")
    dying.environment = {}
    dying.start()
    until(rig, lambda: held(rig) == [4, 4, 4], "it has its share again")
    # The region's only node goes.
    if north is rig.await_leader():
        north.kill()
        north.start()
        rig.await_standby(north, "started again")
    north.kill()
    readyz = lambda: urllib.request.urlopen(f"http://127.0.0.1:{rig.await_leader().http}/readyz", timeout=5).read().decode()
    until(rig, lambda: "1 feed via north" in readyz(), "a region without a node is said")
    waits = publish(rig, FEED_HOSTS[0])
    see_feeds(rig, [publish(rig, host) for host in FEED_HOSTS[1:]], "while the region has no node")
    if waits in Receiver.told:
        fail("a feed of a region was asked from elsewhere")
    north.start()
    see_feeds(rig, [waits], "when the region has a node again")
    until(rig, lambda: held(rig) == [4, 4, 4], "all have their share")
    # The one that decides does not get to the feeds.
    decides = rig.await_leader()
    decides.feeds.cut()
    for end in [end for pair in decides.feeds.pairs for end in pair]:
        end.close()
    theirs = [host for host in FEED_HOSTS[1:] if asks(rig, host) == decides.name]
    titles = [publish(rig, host) for host in theirs if decides is not north]
    see_feeds(rig, titles, "while the one that decides does not get to its feeds")
    decides.feeds.mend()
    rig.await_all("with fetchers in trouble")


def feeds_gone(rig):
    """The one that decides does not get to the feeds: what comes another way is told."""
    leader = rig.await_leader()
    leader.feeds.cut()
    rig.await_alert_of(rig.drop(2), "while feeds are out of reach")
    leader.feeds.mend()
    leader.feeds.lead_to(rig.receiver.server_port)

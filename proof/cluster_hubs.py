"""Feeds that a hub pushes (WebSub), on several nodes: the hub gets to whichever of them, and the one that decides takes it in
hand."""

import collections
import hashlib
import hmac
import http.client
import threading
import time
import urllib.parse

from cluster_feeds import FEED_HOSTS, asks, begin_fetching, held, see_shares
from cluster_rig import PATIENCE_S, Feeds, fail, until

PUBLIC = "watch.example.org"
HUB, OTHER_HUB = "hub.example", "another-hub.example"
WEBSUB = f"""[websub]
enabled = true
"""


def speak(node, method, path, headers, body=None):
    """As a hub would through a proxy: by the public name. 0: nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", node.http, timeout=60)
    try:
        connection.request(method, path, body, {"Host": PUBLIC, **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


class HubFeeds(Feeds):
    """The feeds, each with its hub, and the hubs, behind one proxy. A hub asks back at whichever node `front` names."""

    hubs = collections.defaultdict(lambda: HUB)
    # By the topic: where its hub pushes to, signed with what.
    subscribed = {}
    # What was asked back: mode, topic, node, answer.
    verified = []
    front = None

    def head(self, host):
        atom = 'xmlns:a="http://www.w3.org/2005/Atom"'
        return (f'<a:link {atom} rel="hub" href="http://{self.hubs[host]}/"/>'
                f'<a:link {atom} rel="self" href="http://{host}/news.rss"/>')

    def do_POST(self):
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
        threading.Thread(target=self.ask_back, args=(form,), daemon=True).start()
        self.send_response(202)
        self.send_header("content-length", "0")
        self.end_headers()

    @classmethod
    def ask_back(cls, form):
        mode, topic, path = form["hub.mode"], form["hub.topic"], urllib.parse.urlparse(form["hub.callback"]).path
        query = {"hub.mode": mode, "hub.topic": topic, "hub.challenge": "chal/lenge", "hub.lease_seconds": "864000"}
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            node = cls.front()
            status, body = speak(node, "GET", f"{path}?{urllib.parse.urlencode(query)}", {})
            if status == 200 and body != b"chal/lenge":
                body = b"a challenge that is not given back: " + body
            cls.verified.append((mode, topic, node.name, status, body))
            if status == 200 and mode == "subscribe":
                cls.subscribed[topic] = (path, form["hub.secret"])
            # A hub asks once more where nobody could say.
            if status in (200, 404, 410):
                return
            time.sleep(0.3)


def topic(host):
    return f"http://{host}/news.rss"


def push(node, host, articles, secret=None, signed=True):
    """What a hub pushes of a feed: a part of it, which its document does not have."""
    path, known = HubFeeds.subscribed[topic(host)]
    body = Feeds.document(host, articles)
    signature = "sha256=" + hmac.new((secret or known).encode(), body, hashlib.sha256).hexdigest()
    return speak(node, "POST", path, {"X-Hub-Signature": signature} if signed else {}, body)[0]


def stored(rig, article):
    return rig.database.ask(f"SELECT count(*) FROM items WHERE title = '{article['title']}'") == ["1"]


def expect(rig, what, got, wanted):
    if got != wanted:
        rig.show()
        fail(f"{what}: {got} instead of {wanted}")


def hubs(rig):
    """A hub gets to nodes that do not decide: what it asks and pushes there is answered as by the one that does, and told
    once; what was forged fills nothing; its subscriptions outlive the node that made them."""
    for node in rig.nodes.values():
        text = node.config.read_text()
        node.config.write_text(text.replace("[http]\n", f'[http]\npublic_url = "https://{PUBLIC}"\n'))
    names = lambda: rig.database.ask("SELECT node FROM lease")
    besides = lambda: [node for node in rig.nodes.values() if node.process.poll() is None and [node.name] != names()]
    turns = iter(range(1 << 30))
    HubFeeds.front = lambda: besides()[next(turns) % len(besides())]
    begin_fetching(rig, feeds_of=HubFeeds, settings=WEBSUB)
    subscribed_everywhere(rig)
    pushed_beside(rig, besides())
    forged(rig, besides())
    pushed_while_nobody_decides(rig)
    hub_moves(rig)
    until(rig, lambda: held(rig) == [4, 4, 4], "the hosts are shared out again")
    # What hubs do not push is fetched by all of them, as without hubs.
    see_shares(rig)
    rig.await_all("with hubs")
    waiting = rig.database.ask("SELECT count(*) FROM inbox WHERE answer IS NULL AND refusal IS NULL AND form LIKE 'hub-%'")
    expect(rig, "what hubs said waits in the inbox", waiting, ["0"])


def subscribed_everywhere(rig):
    """Links that any of them finds reach the one that decides; it asks, and the hub asks back elsewhere."""
    active = "SELECT count(DISTINCT source) FROM subscriptions WHERE state = 'active'"
    until(rig, lambda: rig.database.ask(active) == [str(len(FEED_HOSTS))], "each feed is subscribed to")
    until(rig, lambda: len(HubFeeds.subscribed) == len(FEED_HOSTS), "the hub has heard so")
    decides = rig.database.ask("SELECT node FROM lease")
    # One that does not listen yet is asked again, or another.
    answered = [one for one in HubFeeds.verified if one[3]]
    odd = [one for one in answered if one[3] != 200 or one[4] != b"chal/lenge" or [one[2]] == decides]
    expect(rig, "a hub that asked back", odd, [])
    # Whoever polls a feed knows that it is pushed: four times as seldom, less what times are spread by.
    slow = "SELECT count(*) FROM feeds WHERE next_poll_at - last_poll_at >= 1500"
    until(rig, lambda: rig.database.ask(slow) == [str(len(FEED_HOSTS))], "feeds that are pushed are polled less often")


def pushed_beside(rig, besides):
    # Of some of them: what is told of one pair of places for the third time is no news to the desk.
    begun, pushed = time.monotonic(), FEED_HOSTS[::2]
    for number, host in enumerate(pushed):
        article = rig.article()
        expect(rig, "a push to one that does not decide", push(besides[number % 2], host, [article]), 200)
        if not stored(rig, article):
            fail("a push was answered before it was stored")
        if number % 2 == 0:
            expect(rig, "a push that comes again", push(besides[(number + 1) % 2], host, [article]), 200)
        rig.await_alert_of([article["title"]], "pushed to one that does not decide")
    took = (time.monotonic() - begun) / len(pushed)
    print(f"cluster: a push to one that does not decide was answered and told within {took * 1000:.0f} ms, on average")
    # What is remembered of a document before the push does not come back with the next polls.
    polls = "SELECT source, polls FROM feeds ORDER BY source"
    before = dict(line.split("|") for line in rig.database.ask(polls))
    late = " OR ".join(f"source = '{name}' AND polls < {int(count) + 2}" for name, count in before.items())
    until(rig, lambda: rig.database.ask(f"SELECT count(*) FROM feeds WHERE {late}") == ["0"], "all feeds are polled again")
    names = ", ".join(f"'{host}'" for host in pushed)
    known = f"SELECT count(*) FROM feeds WHERE body_hash IS NOT NULL AND source IN ({names})"
    until(rig, lambda: rig.database.ask(known) == ["0"], "whoever polls a feed that was pushed reads its next document in full")


def forged(rig, besides):
    node, host = besides[0], FEED_HOSTS[0]
    path, _ = HubFeeds.subscribed[topic(host)]
    forgery = {"id": "forged", "title": "Atlantis sends 9 soldiers to Lemuria", "url": "https://forged.example/1", "text": "It did not."}
    expect(rig, "a push with another signature", push(node, host, [forgery], secret="another"), 202)
    question = lambda topic: f"hub.mode=subscribe&hub.challenge=c&hub.topic={urllib.parse.quote(topic, safe='')}"
    expect(rig, "a question of another topic", speak(node, "GET", f"{path}?{question('http://other.example/')}", {})[0], 404)
    expect(rig, "a question of an unknown callback", speak(node, "GET", f"/websub/unknown?{question(topic(host))}", {})[0], 404)
    expect(rig, "a push to an unknown callback", speak(node, "POST", "/websub/unknown", {}, b"<rss/>")[0], 410)
    hinted = f"SELECT count(*) FROM hub_feeds WHERE source = '{host}' AND hinted > 0"
    expect(rig, "what a forger says of a feed", rig.database.ask(hinted), ["0"])
    expect(rig, "a push without a signature", push(node, host, [forgery], signed=False), 202)
    until(rig, lambda: rig.database.ask(hinted) == ["1"], "whoever polls the feed is told that it may have something new")
    metrics = speak(node, "GET", "/metrics", {})[1].decode()
    for reason in ["bad-signature", "unsigned"]:
        if f'wirewatch_websub_rejections_total{{reason="{reason}"}} 1.0\n' not in metrics:
            fail(f"{reason} is not counted: {[line for line in metrics.splitlines() if 'websub' in line]}")
    if stored(rig, forgery):
        fail("what was forged is stored")


def pushed_while_nobody_decides(rig):
    """What is pushed then waits for the next one that decides, which goes on with the same subscriptions."""
    leader = rig.await_leader()
    others = [node for node in rig.nodes.values() if node is not leader]
    articles = [rig.article() for _ in others]
    leader.kill()
    heard = collections.defaultdict(list)

    def until_taken(node, host, article):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            heard[node.name].append(push(node, host, [article]))
            if heard[node.name][-1] == 200:
                return
            time.sleep(0.5)

    hubs = [threading.Thread(target=until_taken, args=one) for one in zip(others, FEED_HOSTS, articles)]
    for hub in hubs:
        hub.start()
    for hub in hubs:
        hub.join(PATIENCE_S)
    odd = {name: answers for name, answers in heard.items() if answers[-1] != 200 or set(answers) - {200, 503, 0}}
    expect(rig, "pushes while nobody decides", odd, {})
    for article in articles:
        if not stored(rig, article):
            fail("a push was answered before it was stored")
        rig.await_alert_of([article["title"]], "pushed while nobody decided")
    leader.start()
    rig.await_standby(leader, "started again")
    for node, host in zip(rig.nodes.values(), FEED_HOSTS):
        article = rig.article()
        expect(rig, f"a push to {node.name} after a failover", push(node, host, [article]), 200)
        rig.await_alert_of([article["title"]], "pushed after a failover")


def hub_moves(rig):
    """A feed names another hub: that is asked, and the old one left, whoever polls the feed and is asked back."""
    decides = rig.await_leader()
    host = next(host for host in FEED_HOSTS if asks(rig, host) not in (None, decides.name))
    before = HubFeeds.subscribed[topic(host)]
    HubFeeds.hubs[host] = OTHER_HUB
    until(rig, lambda: HubFeeds.subscribed[topic(host)] != before, "the other hub is asked")
    left = lambda: any(mode == "unsubscribe" and where == topic(host) and status == 200 for mode, where, _, status, _ in HubFeeds.verified)
    until(rig, left, "the old hub is left")
    path, _ = before
    expect(rig, "a push of a hub that was left", speak(decides, "POST", path, {}, b"<rss/>")[0], 410)
    article = rig.article()
    expect(rig, "a push of the other hub", push(decides, host, [article]), 200)
    rig.await_alert_of([article["title"]], "pushed by another hub")

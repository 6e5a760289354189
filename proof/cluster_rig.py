"""What `proof/cluster` is made of: a PostgreSQL of the moment, nodes on it, ways between them that can be cut or slow, a
receiver that counts, and who wrote what without the right to."""

import contextlib
import collections
import glob
import http.server
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
NODES = ["one", "two", "three"]
# From the death of the node that decides to the first alert of the next.
FAILOVER_S_MAX = 15
PATIENCE_S = 120
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOKEN, PUSH_TOKEN = "token-of-those-who-look-and-act", "token-of-one-who-sends-items"
# Whose soldiers in whose country the shipped topic wants to hear of, and the other way round; a pair comes again late enough that
# hundreds of kills have an alert for each article.
WEST = ["Norway", "Spain", "Portugal", "Denmark", "Sweden", "Germany", "France", "Italy", "Britain", "Canada", "Croatia", "Czechia", "Greece", "Turkey"]
FLANK = ["Finland", "Latvia", "Lithuania", "Estonia", "Romania", "Poland", "Bulgaria", "Hungary", "Slovakia"]
SENT_EAST = [(one, FLANK[(at + turn) % len(FLANK)]) for turn in range(len(FLANK)) for at, one in enumerate(WEST)]
PAIRS = SENT_EAST + [(one, other) for other, one in SENT_EAST]

CONFIG = """
include = ["{root}/config/topics/*.toml"]
[daemon]
state_dir = "state"
[store]
url = "postgres://wirewatch@127.0.0.1:{database}/postgres"
[node]
name = "{name}"
[seeds]
dir = "{seeds}"
[http]
listen = "127.0.0.1:{http}"
[[feeds]]
id = "gazette"
url = "http://127.0.0.1:{feeds}/news.rss"
backfill = "all"
allow_private = ["127.0.0.0/8"]
[[endpoints]]
id = "desk"
url = "http://127.0.0.1:{receivers}/"
secret_file = "../secret"
allow_private = ["127.0.0.0/8"]
[[pushes]]
id = "sender"
token_file = "../push-token"
"""


def fail(why):
    sys.exit(f"cluster: FAILED: {why}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


FEED = """<?xml version="1.0"?><rss version="2.0"><channel><title>Gazette</title><link>https://gazette.example/</link>
<description>News</description><item><guid>1</guid><title>A narwhal visits the harbour of Vardal</title>
<link>https://gazette.example/1</link><description>It stayed for an hour and left with the tide.</description></item>
</channel></rss>""".encode()


def until(rig, holds, what):
    end = time.monotonic() + PATIENCE_S
    while not (held := holds()):
        if time.monotonic() > end:
            rig.show()
            fail(f"never: {what}")
        time.sleep(0.1)
    return held


class Receiver(http.server.BaseHTTPRequestHandler):
    """Counts what comes, by the item it tells of; serves a feed as well."""

    told = collections.defaultdict(list)
    first_at = {}
    bodies = {}
    polls = 0
    news = threading.Condition()

    @classmethod
    def forget(cls):
        for kept in [cls.told, cls.first_at, cls.bodies]:
            kept.clear()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.news:
            # A test of the endpoint tells of nothing.
            title = body["data"].get("item", {}).get("title", body["type"])
            self.told[title].append(self.headers["webhook-id"])
            self.bodies.setdefault(self.headers["webhook-id"], body)
            self.first_at.setdefault(title, time.monotonic())
            self.news.notify_all()
        self.send_response(204)
        self.end_headers()

    def do_GET(self):
        Receiver.polls += 1
        self.send_response(200)
        self.send_header("content-type", "application/rss+xml")
        self.send_header("content-length", str(len(FEED)))
        self.end_headers()
        self.wfile.write(FEED)

    def log_message(self, *_):
        pass


class Feeds(http.server.BaseHTTPRequestHandler):
    """All feeds of all hosts, as the proxy by which nodes get to them: it knows who asked which host, and when two did at once."""

    items = collections.defaultdict(list)
    asked = collections.defaultdict(list)
    asking, at_once = collections.defaultdict(int), []
    lock = threading.Lock()

    @classmethod
    def forget(cls):
        for kept in [cls.items, cls.asked, cls.asking, cls.at_once]:
            kept.clear()

    @staticmethod
    def document(host, items, head=""):
        entries = "".join(f"<item><guid>{one['id']}</guid><title>{one['title']}</title><link>{one['url']}</link><description>{one['text']}"
                          "</description></item>" for one in items)
        return f"""<?xml version="1.0"?><rss version="2.0"><channel><title>{host}</title><link>http://{host}/</link>{head}<description>News</description>
{entries}</channel></rss>""".encode()

    def head(self, host):
        """What a document says beside its items."""
        return ""

    def do_GET(self):
        host = self.path.split("/")[2]
        node = self.headers.get("user-agent", "?")
        with self.lock:
            self.asked[host].append(node)
            self.asking[host] += 1
            if self.asking[host] > 1:
                self.at_once.append((host, node))
            items = list(self.items[host])
        time.sleep(0.03)
        head = self.head(host)
        feed = self.document(host, items, head)
        etag = f'"{len(items)}-{len(head)}"'
        with self.lock:
            self.asking[host] -= 1
        known = self.headers.get("if-none-match") == etag
        self.send_response(304 if known else 200)
        for name, value in [("content-type", "application/rss+xml"), ("etag", etag), ("content-length", "0" if known else str(len(feed)))]:
            self.send_header(name, value)
        self.end_headers()
        if not known:
            # A node that was ended meanwhile hears nothing of it.
            with contextlib.suppress(ConnectionError):
                self.wfile.write(feed)

    def log_message(self, *_):
        pass


class Way:
    """A way through to a server: it can be cut, slow, or lead to another one."""

    def __init__(self, port):
        self.to, self.open, self.delay_s, self.pairs = port, True, 0, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            ours, _ = self.listener.accept()
            if not self.open:
                ours.close()
                continue
            try:
                theirs = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                ours.close()
                continue
            self.pairs.append((ours, theirs))
            for pair in [(ours, theirs), (theirs, ours)]:
                threading.Thread(target=self.pump, args=pair, daemon=True).start()

    def pump(self, source, sink):
        try:
            while data := source.recv(65536):
                if self.delay_s:
                    time.sleep(self.delay_s)
                # What is cut says nothing: neither end hears that the other is gone.
                while not self.open:
                    time.sleep(0.05)
                sink.sendall(data)
        except OSError:
            pass
        for end in [source, sink]:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        self.open = False

    def mend(self):
        self.open = True

    def lead_to(self, port):
        """Another server is behind it from here on: what is open ends."""
        self.to = port
        pairs, self.pairs = self.pairs, []
        for end in [end for pair in pairs for end in pair]:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Database:
    """A PostgreSQL of the moment; of another one's data, where that is named."""

    def __init__(self, room, copy_of=None, small_mib=None):
        found = shutil.which("initdb") or next(iter(sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))[::-1]), None)
        if not found:
            print("cluster: 1 skipped: there is no PostgreSQL on this machine")
            sys.exit(1 if os.environ.get("CI") else 0)
        self.bin, self.room, self.port, self.small = pathlib.Path(found).resolve().parent, room, free_port(), False
        self.data, self.user = room / "data", {}
        self.room.mkdir()
        if os.getuid() == 0:
            # The server refuses to run as root.
            nobody = pwd.getpwnam("nobody")
            self.user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        if small_mib:
            # What is written ahead has room elsewhere: a server that has none for that ends.
            mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={small_mib}m", "tmpfs", self.room], capture_output=True)
            self.small = mounted.returncode == 0
            if not self.small:
                raise OSError(mounted.stderr.decode(errors="replace"))
        self.own(self.room)
        if copy_of:
            self.run("pg_basebackup", "-h", "127.0.0.1", "-p", str(copy_of.port), "-U", "wirewatch", "-R", "-X", "stream", "-c", "fast",
                     "-D", self.data)
        else:
            ahead = []
            if small_mib:
                wal = room.with_name(room.name + "-wal")
                wal.mkdir()
                self.own(wal)
                ahead = ["-X", wal / "wal"]
            self.run("initdb", "-D", self.data, "-U", "wirewatch", "--auth=trust", "--locale=C", "--encoding=UTF8", "-N", *ahead)
        self.start()

    def own(self, path):
        if self.user:
            os.chown(path, self.user["user"], self.user["group"])

    def run(self, name, *args):
        done = subprocess.run([self.bin / name, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.room, **self.user)
        if done.returncode:
            fail(f"{name}: {done.stdout.decode(errors='replace')}")

    def start(self):
        options = f"-p {self.port} -k {self.room} -c listen_addresses=127.0.0.1 -c max_connections=200"
        done = subprocess.run([self.bin / "pg_ctl", "-D", self.data, "-l", self.room / "log", "-w", "-t", str(PATIENCE_S), "-o", options, "start"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.room, **self.user)
        if done.returncode:
            fail((self.room / "log").read_text())

    def stop(self, mode="immediate"):
        subprocess.run([self.bin / "pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", str(PATIENCE_S), "stop"], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, cwd=self.room, **self.user)

    def end(self):
        self.stop()
        if self.small:
            subprocess.run(["umount", "-l", self.room], capture_output=True)

    def promote(self):
        self.run("pg_ctl", "-D", self.data, "-w", "-t", str(PATIENCE_S), "promote")

    def ask(self, sql):
        done = subprocess.run([self.bin / "psql", "-X", "-A", "-t", "-h", "127.0.0.1", "-p", str(self.port), "-U", "wirewatch", "postgres",
                               "-c", f"SET search_path = wirewatch; {sql}"], capture_output=True, text=True, cwd="/")
        return done.stdout.splitlines()[1:] if done.returncode == 0 else []

    def administer(self, sql):
        """What may be in no transaction."""
        self.run("psql", "-X", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "wirewatch", "postgres", "-c", sql)

    def session(self, name, sql):
        """One that goes by the name of a program, until it has asked."""
        return subprocess.Popen([self.bin / "psql", "-X", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "wirewatch", "postgres", "-c", sql],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "PGAPPNAME": name}, cwd="/")

    def watch_writers(self):
        """From here on it notes whatever is stored by a process that does not have the lease, whatever that believes. A test of an
        endpoint anybody may ask for."""
        self.ask("""CREATE SCHEMA watched; CREATE TABLE watched.foreign_writes (tab TEXT, writer TEXT, holder TEXT);
            CREATE FUNCTION watched.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO watched.foreign_writes SELECT TG_TABLE_NAME, current_setting('application_name'), l.mark FROM wirewatch.lease l
                    WHERE 'wirewatch ' || l.mark <> current_setting('application_name');
                RETURN NULL; END $$;
            CREATE TRIGGER watched AFTER INSERT ON items FOR EACH STATEMENT EXECUTE FUNCTION watched.look();
            CREATE TRIGGER watched AFTER INSERT ON sightings FOR EACH STATEMENT EXECUTE FUNCTION watched.look();
            CREATE TRIGGER watched AFTER INSERT ON alerts FOR EACH ROW WHEN (NEW.kind LIKE 'alert.%') EXECUTE FUNCTION watched.look()""")
        if self.ask("SELECT count(*) FROM pg_trigger WHERE tgname = 'watched'") != ["3"]:
            fail("who writes cannot be watched")

    def foreign_writes(self):
        return self.ask("SELECT DISTINCT tab, writer, holder FROM watched.foreign_writes")


class Node:
    """One of the processes."""

    def __init__(self, rig, name, alias=None):
        self.rig, self.name = rig, alias or name
        self.home, self.way, self.http = rig.home / name, Way(rig.database.port), free_port()
        self.receivers, self.feeds = Way(rig.receiver.server_port), Way(rig.receiver.server_port)
        self.environment = {}
        (self.home / "state").mkdir(mode=0o700, parents=True)
        self.config = self.home / "w.toml"
        self.config.write_text(CONFIG.format(root=ROOT, database=self.way.port, name=self.name, seeds=rig.seeds, http=self.http,
                                             receivers=self.receivers.port, feeds=self.feeds.port))
        self.process = None

    def start(self):
        with open(self.home / "log", "ab") as log:
            self.process = subprocess.Popen([self.rig.program, "--config", self.config, "run", "--log"], stdout=log, stderr=log,
                                            env={**os.environ, **self.environment})

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ready(self):
        """What it says of itself: True, or why not."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/readyz", timeout=5) as answer:
                return json.load(answer)["ready"]
        except urllib.error.HTTPError as error:
            return json.loads(error.read() or b"{}").get("reasons", ["?"])[0]
        except OSError:
            return "does not answer"

    def log(self):
        return (self.home / "log").read_text(errors="replace")


class Rig:
    def __init__(self, program, home, nodes=NODES, database=None):
        self.program = program
        self.home, self.seeds, self.dropped, self.texts, self.copies = home, home / "seeds", [], {}, 0
        self.seeds.mkdir(mode=0o700)
        (home / "secret").touch(mode=0o600)
        (home / "secret").write_text(SECRET)
        for name, token in [("token", TOKEN), ("push-token", PUSH_TOKEN)]:
            (home / name).touch(mode=0o600)
            (home / name).write_text(token)
        self.receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=self.receiver.serve_forever, daemon=True).start()
        self.database = database or Database(home / "database")
        self.databases = [self.database]
        self.nodes = {name: Node(self, name) for name in nodes}
        self.taken_s, self.slow, self.others = [], [], 0

    def begin(self):
        """All of them, of which one decides."""
        for node in self.nodes.values():
            node.start()
        leader = self.await_leader()
        for node in self.nodes.values():
            if node is not leader:
                self.await_standby(node, "at first")
        self.database.watch_writers()
        return leader

    def took(self, what, seconds):
        """How long a failover took; one that is slow with what the machine and the database were doing."""
        self.taken_s.append((what, seconds))
        if seconds > FAILOVER_S_MAX:
            doing = self.database.ask("SELECT application_name, state, wait_event, left(query, 60) FROM pg_stat_activity WHERE query <> ''")
            self.slow.append(f"{what}: {seconds:.1f} s, at a load of {os.getloadavg()[0]:.1f}; {'; '.join(doing[:8])}")

    def end(self):
        for node in self.nodes.values():
            if node.process and node.process.poll() is None:
                node.process.send_signal(signal.SIGCONT)
                node.kill()
        for database in self.databases:
            database.end()
        self.receiver.shutdown()

    def drop(self, count=1):
        articles = [self.article() for _ in range(count)]
        for article in articles:
            self.put(article["id"], article)
        return [article["title"] for article in articles]

    def article(self):
        """One that is worth an alert, on its way in."""
        number = len(self.dropped)
        place, other = PAIRS[number % len(PAIRS)]
        title = f"{place} sends {3000 + number * 7} soldiers to {other}"
        text = f"The defence ministry of {place} said {3000 + number * 7} troops will be deployed. Ship {number} leaves today."
        self.dropped.append(title)
        self.texts[title] = text
        return {"id": str(number), "title": title, "url": f"https://paper-{number}.example/a", "publisher": f"Paper {number}", "text": text}

    def put(self, name, article):
        draft = self.home / f".{name}.tmp"
        draft.write_text(json.dumps(article))
        draft.rename(self.seeds / f"{name}.json")

    def drop_again(self, title):
        """The same report in another paper: whoever knows the first one tells nobody of it."""
        self.copies += 1
        self.put(f"copy-{self.copies}", {"id": f"copy-{self.copies}", "title": title, "url": f"https://other-{self.copies}.example/a",
                                         "publisher": f"Other {self.copies}", "text": self.texts[title]})

    def await_alert_of(self, titles, what, patience_s=PATIENCE_S):
        """Until one of them was told; when that was."""
        end = time.monotonic() + patience_s
        with Receiver.news:
            while not any(title in Receiver.told for title in titles):
                left = end - time.monotonic()
                if left <= 0:
                    self.show()
                    fail(f"{what}: nothing was told in {patience_s} s")
                Receiver.news.wait(left)
            return min(Receiver.first_at[title] for title in titles if title in Receiver.told)

    def await_leader(self, other_than=None):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            for node in self.nodes.values():
                if node is not other_than and node.process and node.process.poll() is None and node.ready() is True:
                    return node
            time.sleep(0.1)
        self.show()
        fail("nobody decides")

    def await_standby(self, node, what):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if str(node.ready()).startswith("standing by"):
                return
            if node.process.poll() is not None:
                self.show()
                fail(f"{what}: {node.name} ended with {node.process.returncode}")
            time.sleep(0.1)
        self.show()
        fail(f"{what}: {node.name} does not stand by: {node.ready()}")

    def await_all(self, what):
        """Until all that was dropped is stored, and every alert that was raised is received."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            items = self.database.ask("SELECT count(DISTINCT title) FROM items WHERE source <> 'gazette'")
            raised = set(self.database.ask("SELECT id FROM alerts WHERE kind LIKE 'alert.%'"))
            owed = self.database.ask("SELECT count(*) FROM deliveries WHERE state = 'pending'")
            told = {id for ids in list(Receiver.told.values()) for id in ids}
            copies = self.database.ask("SELECT count(*) FROM sightings WHERE level <> 'item'")
            self.see_that_nobody_wrote_besides(what)
            if items == [str(len(self.dropped) + self.others)] and copies == [str(self.copies)] and owed == ["0"] and raised and raised <= told:
                return
            time.sleep(0.2)
        self.show()
        fail(f"{what}: {items} of {len(self.dropped)} articles and {copies} of {self.copies} copies stored, {len(raised - told)} alerts not received, {owed} owed")

    def see_that_nobody_wrote_besides(self, what):
        """What is wrong and does not get better by waiting."""
        if foreign := self.database.foreign_writes():
            self.show()
            fail(f"{what}: a process wrote that does not have the lease: {foreign}")
        for title, ids in list(Receiver.told.items()):
            if len(set(ids)) > 1:
                self.show()
                fail(f"{what}: told under two ids: {title}")

    def show(self):
        for node in self.nodes.values():
            print(f"--- {node.name}: {node.ready()}", *node.log().splitlines()[-12:], sep="\n", file=sys.stderr)
        for line in self.database.ask("SELECT * FROM lease; SELECT name, seen_at FROM nodes"):
            print("---", line, file=sys.stderr)

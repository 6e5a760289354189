"""The program under load for a long time: `soak.py reload PROGRAM [SECONDS]` asks it to reload every 50 ms with
valid, broken and half-written configs in turn; `soak.py day PROGRAM [SECONDS]` polls a thousand feeds with
1 % faults for a simulated day in so many seconds (480: every feed is polled 96 times, as at 15 minutes in 24 hours); a
number after SECONDS: so many feeds.
Everything is counted at both ends: nothing may be lost, doubled or leaked. Standard library only."""

import atexit
import hashlib
import http.server
import json
import os
import random
import shutil
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
POLLS_A_DAY, ITEMS_A_DAY = 96, 8


def words(seed, count):
    draw = random.Random(seed)
    heads, vowels = ["b", "br", "d", "g", "k", "l", "m", "n", "pr", "t", "v", "z"], ["a", "e", "i", "o", "u"]
    return ["".join(draw.choice(heads) + draw.choice(vowels) for _ in range(3)) for _ in range(count)]


def title(key):
    return "{} levee holds near {}".format(*(word.capitalize() for word in words(key, 2)))


def text(key):
    return "The levee was inspected. " + " ".join(
        "In {} the {} office said that {}.".format(*(w.capitalize() for w in words(f"{key}-{n}", 2)), " ".join(words(f"{key}+{n}", 9)))
        for n in range(6))


class World(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Feeds that grow by an item now and then, and the receiver of what comes of them."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, grows_every, fault_share):
        super().__init__(("127.0.0.1", 0), Handler)
        self.begun, self.grows_every, self.fault_share = time.monotonic(), grows_every, fault_share
        self.polls, self.faults, self.received, self.still = {}, 0, {}, None
        self.repeats, self.lock = 0, threading.Lock()
        self.draw = random.Random(7)

    def items(self, feed):
        """Items that a feed has by now; none is added once the world stands still."""
        age = (self.still or time.monotonic()) - self.begun
        offset = int(hashlib.sha256(feed.encode()).hexdigest(), 16) % 1000 / 1000
        return int(age / self.grows_every + offset) + 1


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", kind="application/rss+xml", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        world, feed = self.server, self.path.strip("/")
        with world.lock:
            world.polls[feed] = world.polls.get(feed, 0) + 1
            fault = world.still is None and world.draw.random() < world.fault_share
            world.faults += fault
            kind = world.draw.randrange(5)
        if fault:
            if kind == 0:
                return self.answer(500)
            if kind == 1:
                return self.answer(200, b"<html><body>log in</body></html>", "text/html")
            if kind == 2:
                return self.answer(200, b"<rss><channel><item><title>cut")
            if kind == 3:
                return self.answer(404)
            self.close_connection = True
            return self.connection.close()
        count = world.items(feed)
        tag = f'"{count}"'
        if self.headers.get("If-None-Match") == tag:
            return self.answer(304, ETag=tag)
        items = "".join(
            f"<item><title>{title(f'{feed}-{n}')}</title><guid>{feed}-{n}</guid>"
            f"<link>http://feeds.example/{feed}/{n}</link><description>{text(f'{feed}-{n}')}</description></item>"
            for n in range(max(0, count - 15), count))
        body = f'<rss version="2.0"><channel><title>{feed}</title>{items}</channel></rss>'.encode()
        self.answer(200, body, ETag=tag)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name, payload = self.headers["webhook-id"], json.loads(body)
        with self.server.lock:
            known = self.server.received.setdefault(name, (payload, hashlib.sha256(body).hexdigest()))
            self.server.repeats += known[0] is not payload
            assert known[1] == hashlib.sha256(body).hexdigest(), f"{name} came with two bodies"
        self.answer(200, b"ok", "text/plain")


def config(folder, world, feeds, interval, more=""):
    url = f"http://127.0.0.1:{world.server_address[1]}"
    entries = "".join(
        f'[[feeds]]\nid = "{feed}"\nurl = "{url}/{feed}"\ninterval = "{interval}"\ninterval_max = "{interval}"\nbackfill = "all"\n'
        'allow_private = ["127.0.0.0/8"]\n' for feed in feeds)
    return f'''[daemon]
state_dir = "state"
log = "warn"
[seeds]
dir = "seeds"
settle = "100ms"
rescan = "1s"
[http]
listen = "127.0.0.1:{folder.port}"
[polling]
start_spread = "{interval}"
host_spacing = "0s"
fetches_per_host_max = 16
[alerts]
failing_failures = 10000.0
failing_after = "30d"
silent_periods = 0.0
[[topics]]
id = "levee"
label = "Levees"
terms = [ {{ id = "levee", match = "levee", weight = 5.0 }} ]
[[endpoints]]
id = "desk"
url = "{url}/hook"
secret_file = "secret"
allow_private = ["127.0.0.0/8"]
concurrency = 8
{entries}{more}'''


class Folder:
    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="wirewatch-soak-")
        os.mkdir(self.at("seeds"))
        with open(os.open(self.at("secret"), os.O_CREAT | os.O_WRONLY, 0o600), "w") as secret:
            secret.write(SECRET + "\n")
        with socketserver.TCPServer(("127.0.0.1", 0), None) as probe:
            self.port = probe.server_address[1]

    def at(self, *names):
        return os.path.join(self.path, *names)

    def write(self, text):
        with open(self.at("wirewatch.toml"), "w") as file:
            file.write(text)

    def drop(self, name, text):
        with open(self.at("seeds", name + ".tmp"), "w") as file:
            file.write(text)
        os.rename(self.at("seeds", name + ".tmp"), self.at("seeds", name))


class Daemon:
    def __init__(self, program, folder):
        self.folder, self.program = folder, program
        self.log = open(folder.at("log"), "ab")
        self.process = subprocess.Popen([program, "run", "--config", folder.at("wirewatch.toml")],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        atexit.register(self.process.kill)
        wait("it is ready", lambda: self.get("/readyz") is not None)

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.folder.port}{path}", timeout=30) as answer:
                return answer.read().decode()
        except OSError:
            assert self.process.poll() is None, "it ended by itself: " + open(self.folder.at("log")).read()[-2000:]
            return None

    def standing(self):
        """Descriptors, threads, inotify watches, and memory in KiB."""
        proc = f"/proc/{self.process.pid}"
        status = dict(line.split(":", 1) for line in open(f"{proc}/status"))
        watches = 0
        for name in os.listdir(f"{proc}/fdinfo"):
            try:
                watches += open(f"{proc}/fdinfo/{name}").read().count("inotify wd")
            except OSError:
                pass
        return {"descriptors": len(os.listdir(f"{proc}/fd")), "threads": int(status["Threads"]), "watches": watches,
                "rss_kib": int(status["VmRSS"].split()[0])}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, "it did not stop in order"

    def command(self, *arguments):
        return subprocess.run([self.program, *arguments, "--config", self.folder.at("wirewatch.toml")], text=True,
                              capture_output=True, check=False)


def wait(what, holds, seconds=300):
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(0.1)


def settle(world, expected):
    """No more news; everything that there is arrives, each under one id."""
    world.still = world.still or time.monotonic()
    wanted = {title(key) for key in expected()}
    titles = lambda: {payload["data"]["item"]["title"] for payload, _ in list(world.received.values())}
    try:
        wait("every alert arrives", lambda: wanted <= titles())
    except AssertionError:
        print("missing:", sorted(wanted - titles())[:10])
        raise
    time.sleep(2)
    got = [payload["data"]["item"]["title"] for payload, _ in world.received.values()]
    assert set(got) == wanted, f"unexpected: {sorted(set(got) - wanted)[:5]}"
    assert len(got) == len(wanted), f"{len(got)} alerts for {len(wanted)} items"
    return len(wanted)


def close(folder, daemon, items):
    stored = daemon.command("items", "--limit", "1000000", "--json").stdout.count("\n")
    daemon.stop()
    assert stored == items, f"{stored} items stored, {items} expected"
    shutil.rmtree(folder.path)


def reload(program, seconds):
    world, folder = World(grows_every=1.0, fault_share=0.0), Folder()
    threading.Thread(target=world.serve_forever, daemon=True).start()
    feeds = [f"feed-{n}" for n in range(10)]
    extra = '[[silences]]\nid = "quiet"\ntext = "nobody writes this"\n'
    good, other = config(folder, world, feeds, "1s"), config(folder, world, feeds, "1s", extra)
    texts = [good, other, good[:len(good) // 3], other + "[[topics]\n", other.replace('id = "levee"', 'idd = "levee"', 1), ""]
    folder.write(good)
    daemon = Daemon(program, folder)
    wait("the feeds were polled", lambda: len(world.polls) >= len(feeds))
    usual = sum(world.polls.values())
    time.sleep(10)
    usual = (sum(world.polls.values()) - usual) / 10
    before, polls = daemon.standing(), sum(world.polls.values())
    begun, files, signals, n, warm = time.monotonic(), 0, 0, 0, None
    while time.monotonic() - begun < seconds:
        if warm is None and time.monotonic() - begun > seconds / 3:
            # The threads for what blocks stay as long as there is work for each: by now all are there.
            warm = daemon.standing()
        if n % 4 == 0:
            folder.write(texts[n // 4 % len(texts)])
        daemon.process.send_signal(signal.SIGHUP)
        signals += 1
        if n % 5 == 0:
            folder.drop(f"{files}.txt", f"{title(f'file-{files}')}\n\n{text(f'file-{files}')}\n")
            files += 1
        n += 1
        time.sleep(0.05)
    rate = (sum(world.polls.values()) - polls) / (time.monotonic() - begun)
    folder.write(good)
    wait("the last config is taken", lambda: daemon.command("reload").returncode == 0)
    expected = lambda: [f"file-{n}" for n in range(files)] + [f"{f}-{n}" for f in feeds for n in range(world.items(f))]
    items = settle(world, expected)
    time.sleep(12)
    after = daemon.standing()
    print(f"{signals} SIGHUPs in {seconds} s: {items} items and alerts, {world.repeats} repeats; {rate:.1f} polls a second, "
          f"{usual:.1f} before")
    print("before:", before)
    print("warm:  ", warm)
    print("after: ", after)
    assert world.repeats == 0
    assert rate >= usual * 0.8, "reloads hold up the polls"
    # Idle connections and pooled threads come and go.
    assert after["descriptors"] <= before["descriptors"] + 12, "descriptors leak"
    assert after["threads"] <= warm["threads"] + 4, "threads leak"
    assert after["watches"] <= before["watches"], "watches leak"
    close(folder, daemon, items)


def day(program, seconds, count=1000):
    hours = 24
    interval = seconds / POLLS_A_DAY
    world, folder = World(grows_every=seconds / ITEMS_A_DAY, fault_share=0.01), Folder()
    threading.Thread(target=world.serve_forever, daemon=True).start()
    feeds = [f"feed-{n}" for n in range(count)]
    folder.write(config(folder, world, feeds, f"{interval * 1000:.0f}ms"))
    daemon = Daemon(program, folder)
    wait("the feeds were polled", lambda: len(world.polls) >= len(feeds))
    time.sleep(max(30, seconds / 8))
    looks, begun = [], time.monotonic()
    while time.monotonic() - begun < seconds:
        looks.append((time.monotonic() - begun, daemon.standing()))
        time.sleep(max(1, seconds / 96))
    expected = lambda: [f"{f}-{n}" for f in feeds for n in range(world.items(f))]
    items = settle(world, expected)
    simulated = [at / seconds * hours for at, _ in looks]
    rss = [look["rss_kib"] / 1024 for _, look in looks]
    mean_x, mean_y = sum(simulated) / len(looks), sum(rss) / len(looks)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(simulated, rss)) / sum((x - mean_x) ** 2 for x in simulated)
    descriptors = [look["descriptors"] for _, look in looks]
    third = len(looks) // 3
    polls = sum(world.polls.values())
    print(f"{hours} simulated hours in {seconds:.0f} s: {polls} polls of {len(feeds)} feeds, {world.faults} faults, {items} items and alerts, "
          f"{world.repeats} repeats")
    print(f"memory {rss[0]:.1f} to {rss[-1]:.1f} MiB (most {max(rss):.1f}), slope {slope:.3f} MiB/h; "
          f"descriptors {min(descriptors)} to {max(descriptors)}; threads {looks[0][1]['threads']} to {looks[-1][1]['threads']}")
    assert slope < 1.0, "memory grows"
    assert max(descriptors[-third:]) <= max(descriptors[:third]) + 16, "descriptors grow"
    close(folder, daemon, items)


if __name__ == "__main__":
    kind, program = sys.argv[1], os.path.abspath(sys.argv[2])
    length = float(sys.argv[3]) if len(sys.argv) > 3 else {"reload": 30, "day": 480}[kind]
    if kind == "day":
        day(program, length, *(int(count) for count in sys.argv[4:]))
    else:
        reload(program, length)

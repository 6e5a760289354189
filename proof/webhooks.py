#!/usr/bin/env python3
"""Every webhook wirewatch sends, checked by somebody else's libraries.

Verifies both official vectors of Standard Webhooks, then runs `wirewatch run` on seeds dropped one by one and
all at once, and checks each request: a good signature (`standardwebhooks` of PyPI and, where there is npm, of
npm), a body that fits its schema in docs/schema (`jsonschema`), the same alert as a CloudEvent (`cloudevents`),
one id and one body per alert, every alert of the store delivered. Exit code 1 on any mismatch.

usage: proof/webhooks.py [path of the program]   (needs: pip install standardwebhooks cloudevents jsonschema)
"""

import base64
import collections
import datetime
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from jsonschema import Draft202012Validator
from standardwebhooks import Webhook

ROOT = pathlib.Path(__file__).resolve().parent.parent
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTORS = [
    (SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}',
     "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1649367553,
     '{"email":"test@example.com","username":"test_user"}', "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="),
]
PATIENCE_S = 120
# Which schema a type of payload has; the beginning of its name says it.
SCHEMAS = {
    beginning: Draft202012Validator(json.loads((ROOT / "docs" / "schema" / file).read_text()))
    for beginning, file in [("alert.", "alert.json"), ("story.", "alert.json"), ("item.", "alert.json"), ("alerts.", "notice.json"),
                            ("endpoint.", "notice.json"), ("source.", "source.json")]
}
NODE = """
const { Webhook } = require("standardwebhooks");
const requests = JSON.parse(require("fs").readFileSync(0, "utf8"));
let wrong = 0;
for (const { secret, headers, body } of requests) {
  const raw = Buffer.from(body, "base64");
  try { new Webhook(secret).verify(raw.toString("utf8"), headers); }
  catch (error) { wrong += 1; console.log(`  refused: ${error}`); }
  try { new Webhook(secret).verify(raw.toString("utf8") + " ", headers); wrong += 1; }
  catch (error) {}
}
console.log(`npm standardwebhooks: ${requests.length} requests, ${wrong} mismatches`);
process.exit(wrong ? 1 : 0);
"""


# The folder of the package of npm, once it is there.
NODE_FOLDER = []


class Receiver(http.server.ThreadingHTTPServer):
    """Verifies what comes and remembers it; a bad signature is answered 401 and remembered as well."""

    def __init__(self):
        self.bodies = collections.defaultdict(set)
        self.alerts = {}
        self.events = {}
        self.taken = []
        self.requests = 0
        self.refused = []
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)

    def take(self, path, headers, body):
        fields = {name.lower(): value for name, value in headers.items()}
        try:
            Webhook(SECRET).verify(body, fields)
            event = from_http_event(HTTPMessage(fields, body)) if path == "/events" else None
            payload = json.loads(body)
            if event is None:
                schema = next(schema for beginning, schema in SCHEMAS.items() if payload["type"].startswith(beginning))
                schema.validate(payload)
        except Exception as error:  # whatever the libraries say, it is a refusal
            with self.lock:
                self.refused.append(repr(error)[:500])
            return 401
        with self.lock:
            self.taken.append((fields, body))
            if event is not None:
                self.events[fields["webhook-id"]] = event
                return 200
            self.requests += 1
            webhook = headers["webhook-id"]
            self.bodies[webhook].add(hashlib.sha256(body).hexdigest())
            self.alerts[webhook] = payload
        return 200


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.server.take(self.path, self.headers, body))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def vectors():
    """Ours and theirs must agree with the published signatures."""
    wrong = 0
    for secret, webhook, at, body, expected in VECTORS:
        when = datetime.datetime.fromtimestamp(at, tz=datetime.timezone.utc)
        found = Webhook(secret).sign(msg_id=webhook, timestamp=when, data=body)
        print(f"vector {webhook}: {'ok' if found == expected else 'WRONG ' + found}")
        wrong += found != expected
    return wrong


def read(program, config, *arguments):
    out = subprocess.run([program, *arguments, "--json", "--config", config], capture_output=True, text=True, check=True)
    try:
        whole = json.loads(out.stdout)
        return whole if isinstance(whole, list) else [whole]
    except json.JSONDecodeError:
        return [json.loads(line) for line in out.stdout.splitlines()]


def wait(what, holds):
    until = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > until:
            sys.exit(f"never: {what}")
        time.sleep(0.05)


def run(program, files, one_by_one):
    """Drops the files into a running program; gives the number of mismatches."""
    receiver = Receiver()
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        seeds = folder / "seeds"
        seeds.mkdir()
        secret = folder / "secret"
        secret.write_text(SECRET + "\n")
        secret.chmod(0o600)
        config = folder / "wirewatch.toml"
        config.write_text(f"""
include = ["{ROOT}/config/topics/*.toml"]
[daemon]
state_dir = "state"
log = "warn"
[seeds]
dir = "seeds"
[http]
listen = "off"
[[endpoints]]
id = "desk"
url = "http://127.0.0.1:{receiver.server_port}/hook"
secret_file = "secret"
allow_private = ["127.0.0.0/8"]
[[endpoints]]
id = "bus"
format = "cloudevents"
url = "http://127.0.0.1:{receiver.server_port}/events"
secret_file = "secret"
allow_private = ["127.0.0.0/8"]
""")
        daemon = subprocess.Popen([program, "run", "--config", config], stdout=subprocess.DEVNULL)
        try:
            status = [program, "status", "--config", config]
            wait("the store is there", lambda: subprocess.run(status, capture_output=True).returncode == 0)
            # Known by content: the same text under two names is one file.
            expected = set()
            taken = lambda: read(program, config, "status")[0]["totals"]
            for file in files:
                temporary = seeds / (file.name + ".tmp")
                shutil.copyfile(file, temporary)
                temporary.rename(seeds / file.name)
                expected.add(hashlib.sha256(file.read_bytes()).hexdigest())
                if one_by_one:
                    wait(f"{file.name} is taken", lambda: taken()["seed_files"] >= len(expected))
            wait("every file is taken", lambda: taken()["seed_files"] >= len(expected))
            wait("every alert is delivered", lambda: all(
                row["state"] == "delivered" for row in read(program, config, "deliveries", "--limit", "10000")))
            items = read(program, config, "items", "--limit", "10000")
            alerts = read(program, config, "alerts", "--limit", "10000")
        finally:
            daemon.send_signal(signal.SIGTERM)
            code = daemon.wait(PATIENCE_S)
    receiver.shutdown()
    how = "one by one" if one_by_one else "all at once"
    differ = [webhook for webhook in set(receiver.alerts) | set(receiver.events) if not same_event(receiver, webhook)]
    doubled = [webhook for webhook, bodies in receiver.bodies.items() if len(bodies) != 1]
    missing = {alert["id"] for alert in alerts} ^ set(receiver.bodies)
    print(f"{how}: {len(files)} files, {len(items)} items, {len(alerts)} alerts, {receiver.requests} webhooks, "
          f"{len(receiver.bodies)} ids, {len(receiver.events)} events, {len(differ)} of them differ, "
          f"{len(receiver.refused)} refused, exit {code}")
    for error in receiver.refused:
        print(f"  refused: {error}")
    if one_by_one:
        for item in sorted(items, key=lambda item: item["first_seen"]):
            topics = ", ".join(f"{topic['topic']} {topic['score']}" for topic in item["topics"]) or "-"
            print(f"  {(item['published'] or '?')[:10]}  {item['title'][:70]:<70}  {topics}")
    wrong = verify_with_node(receiver.taken)
    return wrong + len(receiver.refused) + len(differ) + len(doubled) + len(missing) + (code != 0) + (receiver.requests != len(receiver.bodies))


def same_event(receiver, webhook):
    """The event says what the plain request said."""
    plain, event = receiver.alerts.get(webhook), receiver.events.get(webhook)
    if plain is None or event is None:
        return False
    return (event.get_id() == webhook and event.get_specversion() == "1.0"
            and event.get_type() == "wirewatch." + plain["type"] and event.get_source() == "/wirewatch"
            and event.get_time() == datetime.datetime.fromisoformat(plain["timestamp"].replace("Z", "+00:00"))
            and event.get_data() == plain["data"])


def verify_with_node(taken):
    """The same requests by the package of npm, installed once into a folder that is thrown away."""
    if not NODE_FOLDER:
        return 0
    requests = [{"secret": SECRET, "headers": fields, "body": base64.b64encode(body).decode()} for fields, body in taken]
    run = subprocess.run(["node", "-e", NODE], cwd=NODE_FOLDER[0], input=json.dumps(requests), text=True)
    return int(run.returncode != 0)


def install_node_package(folder):
    """Says on the way why it cannot, if it cannot."""
    if not (shutil.which("node") and shutil.which("npm")):
        print("skipped: npm standardwebhooks: there is no node or npm")
        return
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, "standardwebhooks@1"]
    if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        print("skipped: npm standardwebhooks: it could not be installed")
        return
    NODE_FOLDER.append(folder)


def main():
    built = [ROOT / "target" / kind / "wirewatch" for kind in ("release", "debug")]
    program = sys.argv[1] if len(sys.argv) > 1 else next((path for path in built if path.exists()), None)
    if program is None:
        sys.exit("build the program first: cargo build")
    with tempfile.TemporaryDirectory() as folder:
        install_node_package(folder)
        sys.exit(1 if check(program) else 0)


def check(program):
    wrong = vectors()
    folders = [ROOT / "seeds"]
    if os.environ.get("WIREWATCH_SHARED"):
        folders.append(pathlib.Path(os.environ["WIREWATCH_SHARED"]) / "seeds")
    else:
        print("skipped: WIREWATCH_SHARED is not set")
    for folder in folders:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("README"))
        print(f"{folder.parent.name}/{folder.name}:")
        for one_by_one in (True, False):
            wrong += run(program, files, one_by_one)
    print("all verified" if not wrong else f"{wrong} mismatches")
    return wrong


main()

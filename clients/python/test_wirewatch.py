"""The client against a running wirewatch: `WIREWATCH=target/debug/wirewatch python3 clients/python/test_wirewatch.py`."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wirewatch  # noqa: E402

PROGRAM = os.path.abspath(os.environ.get("WIREWATCH", "target/debug/wirewatch"))
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
TOKEN, PUSH_TOKEN = "reads-and-nothing-else", "sends-and-nothing-else"
CONFIG = """
[daemon]
state_dir = "state"
[seeds]
dir = "off"
[http]
listen = "127.0.0.1:{port}"
token_file = "token"
[[topics]]
id = "levee"
terms = [{{ match = "levee", weight = 5.0 }}]
[[endpoints]]
id = "console"
format = "console"
[[pushes]]
id = "script"
token_file = "push-token"
rate = "100000/m"
"""


def signed(body, secret=SECRET, at=None, message="alr_1"):
    at = int(time.time() if at is None else at)
    key = base64.b64decode(secret[6:])
    mac = hmac.new(key, f"{message}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "Webhook-Id": message,
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": "v1,AAAA v1," + base64.b64encode(mac).decode(),
    }


class Daemon:
    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        for name, text in [("token", TOKEN), ("push-token", PUSH_TOKEN), ("c.toml", CONFIG.format(port=self.port))]:
            path = os.path.join(folder, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(path, 0o600)
        self.process = None

    def start(self):
        command = [PROGRAM, "--config", os.path.join(self.folder, "c.toml"), "run", "--log"]
        log = open(os.path.join(self.folder, "log"), "ab")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        with open(os.path.join(self.folder, "log"), encoding="utf-8") as file:
            raise AssertionError(file.read())

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(30)

    def client(self, **more):
        address = f"http://127.0.0.1:{self.port}"
        return wirewatch.Wirewatch(address, token=TOKEN, push_token=PUSH_TOKEN, **more)


class Verify(unittest.TestCase):
    def test_a_signed_body_is_read_and_every_other_is_refused(self):
        body = json.dumps({"type": "alert.matched"}).encode()
        self.assertEqual(wirewatch.verify(SECRET, signed(body), body)["type"], "alert.matched")
        other = "whsec_" + base64.b64encode(b"o" * 32).decode()
        self.assertEqual(wirewatch.verify([other, SECRET], signed(body), body)["type"], "alert.matched")
        for secret, headers, text in [
            (other, signed(body), body),
            (SECRET, signed(body), body + b" "),
            (SECRET, signed(body, at=time.time() - 301), body),
            (SECRET, signed(body, at=time.time() + 302), body),
            (SECRET, {**signed(body), "Webhook-Id": "alr_2"}, body),
            (SECRET, {**signed(body), "Webhook-Timestamp": "soon"}, body),
            (SECRET, {"webhook-id": "alr_1"}, body),
        ]:
            with self.assertRaises(wirewatch.VerifyError):
                wirewatch.verify(secret, headers, text)


class Client(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.daemon = Daemon(folder.name)
        self.daemon.start()
        self.addCleanup(lambda: (self.daemon.process.kill(), self.daemon.process.wait()))
        self.watch = self.daemon.client()

    def items(self, numbers):
        return [{"id": f"n{n}", "title": f"Levee {n} in Placeholder{n} holds", "text": f"Crews report {n}."} for n in numbers]

    def test_pushed_items_are_listed_and_pushed_again_are_known(self):
        results = self.watch.push(self.items(range(3)) + [{"id": "empty"}], key="first")
        self.assertEqual([r.get("outcome") for r in results], ["new", "new", "new", None])
        self.assertEqual(results[3]["rejected"]["reason"], "empty")
        self.assertEqual(self.watch.push(self.items(range(3)) + [{"id": "empty"}], key="first"), results)
        self.assertEqual([r["outcome"] for r in self.watch.push(self.items(range(3)))], ["known"] * 3)
        listed = list(self.watch.iterate("items", limit=2))
        self.assertEqual([item["title"] for item in listed], [item["title"] for item in self.items([2, 1, 0])])
        kinds = [change["kind"] for change, _ in self.watch.changes(kinds="item")]
        self.assertEqual(kinds, ["item"] * 3)
        with self.assertRaises(wirewatch.ApiError) as refused:
            self.watch.get("items/itm_0000000000000")
        self.assertEqual(refused.exception.kind, "not-found")
        with self.assertRaises(wirewatch.ApiError) as refused:
            self.daemon.client(retries=0).push_body(b"<html>", "text/html")
        self.assertEqual(refused.exception.kind, "wrong-type")

    def test_a_follower_goes_on_through_a_restart_and_misses_nothing(self):
        place = os.path.join(self.folder, "cursor")
        heard, stop = [], threading.Event()

        def follow():
            for event in self.daemon.client().follow(kinds="item", after="0", cursor_file=place):
                heard.append(event.data["id"])
                if stop.is_set():
                    return

        self.watch.push(self.items(range(5)))
        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        self.wait(lambda: len(heard) == 5)
        self.daemon.end(signal.SIGKILL)
        self.daemon.start()
        self.watch.push(self.items(range(5, 9)))
        self.wait(lambda: len(heard) == 9)
        stop.set()
        self.watch.push(self.items([9]))
        thread.join(30)
        self.assertEqual(len(set(heard)), 10)
        # Another process: the last event may come again, none is missed.
        events = self.daemon.client().follow(kinds="item", cursor_file=place)
        self.watch.push(self.items([10]))
        again = next(events)
        self.assertIn(again.data["id"], heard[-1:])
        self.assertNotIn(next(events).data["id"], heard)
        # Alerts with their payload.
        alerts = self.daemon.client().follow(kinds="alert", full=True, after="0")
        self.assertEqual(next(alerts).data["type"], "alert.matched")

    def test_a_push_is_sent_again_until_a_daemon_answers(self):
        self.daemon.end()
        sent = []
        thread = threading.Thread(target=lambda: sent.extend(self.watch.push(self.items([1]))))
        thread.start()
        time.sleep(0.5)
        self.daemon.start()
        thread.join(60)
        self.assertEqual([result["outcome"] for result in sent], ["new"])

    def wait(self, holds):
        until = time.monotonic() + 60
        while not holds():
            self.assertLess(time.monotonic(), until, "never")
            time.sleep(0.02)


if __name__ == "__main__":
    unittest.main()

"""Each adapter against a recorded answer and a running wirewatch, as the client's own test."""

import http.server
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import unittest
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "clients", "python")]
from test_wirewatch import Daemon  # noqa: E402


def recorded(*parts):
    with open(os.path.join(HERE, *parts), "rb") as file:
        return file.read()


def zipped(name, content):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, content)
    return out.getvalue()


FILE = "20250317081500.gkg.csv"
ANSWERS = {
    "/s/placeholder_channel": recorded("telegram", "recorded.html"),
    "/xrpc/app.bsky.feed.getAuthorFeed": recorded("bluesky", "recorded.json"),
    "/gdeltv2/lastupdate.txt": f"1 a http://x.example/gdeltv2/1.export.CSV.zip\n1 b http://x.example/gdeltv2/{FILE}.zip\n".encode(),
    f"/gdeltv2/{FILE}.zip": zipped(FILE, recorded("gdelt", "recorded.gkg.csv")),
}


class Recorded(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answer = ANSWERS.get(self.path.partition("?")[0])
        self.send_response(200 if answer else 404)
        self.end_headers()
        self.wfile.write(answer or b"")

    def log_message(self, *_):
        pass


class Adapters(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder, self.daemon = folder.name, Daemon(folder.name)
        self.daemon.start()
        self.addCleanup(lambda: (self.daemon.process.kill(), self.daemon.process.wait()))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorded)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(lambda: (self.server.shutdown(), self.server.server_close()))

    def run_adapter(self, name, *arguments):
        command = [
            sys.executable, os.path.join(HERE, name, name + ".py"), *arguments, "--once",
            "--base", f"http://127.0.0.1:{self.server.server_address[1]}", "--url", f"http://127.0.0.1:{self.daemon.port}",
            "--token-file", os.path.join(self.folder, "push-token"), "--cursor", os.path.join(self.folder, name),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def check(self, name, arguments, titles):
        tried = [json.loads(line)["title"] for line in self.run_adapter(name, *arguments, "--dry-run").splitlines()]
        self.assertEqual(tried, titles)
        self.assertEqual(list(self.daemon.client().iterate("items")), [], "a trial sends nothing")
        self.run_adapter(name, *arguments)
        items = list(self.daemon.client().iterate("items"))
        self.assertEqual([item["title"] for item in reversed(items)], titles)
        self.assertTrue(all(item["source"] == "script" for item in items))
        self.assertEqual(self.run_adapter(name, *arguments, "--dry-run"), "", "what was sent is not sent again")
        # The cursor is lost: what comes again is known.
        os.remove(os.path.join(self.folder, name))
        self.run_adapter(name, *arguments)
        self.assertEqual(len(list(self.daemon.client().iterate("items"))), len(titles))
        return items

    def test_telegram(self):
        items = self.check("telegram", ["placeholder_channel"], ["Levee in Placeholder41 holds", "Ferry of Placeholder43 runs again"])
        whole = self.daemon.client().get("items/" + items[1]["id"])
        self.assertIn("Crews report 41 metres & rising.", whole["text"])
        self.assertEqual(whole["url"], "https://t.me/placeholder_channel/41")

    def test_bluesky(self):
        items = self.check("bluesky", ["desk.example"], ["Levee in Placeholder1 holds", "Ferry of Placeholder2 runs again"])
        self.assertEqual(items[0]["url"], "https://bsky.app/profile/desk.example/post/3kb")

    def test_gdelt(self):
        items = self.check("gdelt", [], ["Levee in Placeholder1 holds & stays", "Fähre von Placeholder2 fährt wieder"])
        self.assertEqual((items[0]["outlet"], items[0]["lang"]), ("gazette2.example", "de"))

    def test_gdelt_of_one_theme(self):
        self.check("gdelt", ["--theme", "TRANSPORT"], ["Fähre von Placeholder2 fährt wieder"])


if __name__ == "__main__":
    unittest.main()

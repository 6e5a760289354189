"""What the adapters have in common: arguments, the way to the wirewatch, and how far they came."""

import argparse
import json
import os
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "clients", "python")]
import wirewatch  # noqa: E402


class Adapter:
    """One adapter: `ask(self)` looks once for what is new, and is called again and again."""

    def __init__(self, description, base, pause, **arguments):
        parser = argparse.ArgumentParser(description=description)
        for name, options in arguments.items():
            parser.add_argument(name if "nargs" in options else "--" + name, **options)
        parser.add_argument("--url", default="http://127.0.0.1:7411", help="the wirewatch")
        parser.add_argument("--token-file", required=True, help="the token of its [[pushes]] entry")
        parser.add_argument("--cursor", required=True, help="a file that remembers how far this came")
        parser.add_argument("--base", default=base, help=argparse.SUPPRESS)
        parser.add_argument("--once", action="store_true", help="look once, and end")
        parser.add_argument("--dry-run", action="store_true", help="print items, and send nothing")
        self.args, self.pause = parser.parse_args(), pause
        with open(self.args.token_file, encoding="ascii") as file:
            self.watch = wirewatch.Wirewatch(self.args.url, push_token=file.read().strip())
        self.seen = wirewatch.load_cursor(self.args.cursor, {})

    def fetch(self, address, bytes_max):
        request = urllib.request.Request(address, headers={"User-Agent": "wirewatch-adapter/1"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read(bytes_max)

    def send(self, name, upto, items, key):
        """Sends what is new of `name`, and then remembers that it came as far as `upto`."""
        if self.args.dry_run:
            for item in items:
                print(json.dumps(item))
            return
        self.watch.push(items, key=key)
        self.seen[name] = upto
        wirewatch.save_cursor(self.args.cursor, self.seen)

    def run(self, ask):
        while True:
            try:
                ask(self)
            except (OSError, ValueError) as error:
                # The next look comes; what was not answered is not remembered, and is sent again.
                print(error, file=sys.stderr)
            if self.args.once:
                return
            time.sleep(self.pause)

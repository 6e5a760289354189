#!/usr/bin/env python3
"""Posts of public Telegram channels, from their preview pages, to a wirewatch."""

import html.parser
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from adapter import Adapter  # noqa: E402

PAGE_BYTES_MAX = 4 << 20
PAUSE_SECONDS = 60


class Posts(html.parser.HTMLParser):
    """The posts of a preview page: number, time, text."""

    def __init__(self):
        super().__init__()
        self.posts, self.depth, self.inside = [], 0, None

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        classes = (values.get("class") or "").split()
        if "data-post" in values:
            self.posts.append({"post": values["data-post"], "text": "", "time": None})
        elif tag == "br" and self.inside is not None:
            self.posts[-1]["text"] += "\n"
        elif tag == "time" and self.posts and values.get("datetime"):
            self.posts[-1]["time"] = values["datetime"]
        if tag == "div":
            self.depth += 1
            if "tgme_widget_message_text" in classes and self.posts and self.inside is None:
                self.inside = self.depth

    def handle_endtag(self, tag):
        if tag == "div":
            if self.inside == self.depth:
                self.inside = None
            self.depth -= 1

    def handle_data(self, data):
        if self.inside is not None:
            self.posts[-1]["text"] += data


def items_of(page, channel, after):
    """Items of the posts after a number, oldest first."""
    reader = Posts()
    reader.feed(page)
    items = []
    for post in reader.posts:
        name, _, number = post["post"].partition("/")
        if not number.isdigit() or int(number) <= after or not post["text"].strip():
            continue
        lines = post["text"].strip().split("\n")
        items.append((int(number), {
            "id": post["post"], "title": lines[0][:200], "text": post["text"].strip(), "published": post["time"],
            "url": f"https://t.me/{post['post']}", "source": f"Telegram {name or channel}", "tags": ["telegram"]}))
    return sorted(items, key=lambda pair: pair[0])


def ask(adapter):
    for channel in (name for name in adapter.args.channels if re.fullmatch(r"\w{4,32}", name)):
        page = adapter.fetch(f"{adapter.args.base}/s/{channel}", PAGE_BYTES_MAX).decode("utf-8", "replace")
        items = items_of(page, channel, adapter.seen.get(channel, 0))
        if items:
            (first, _), (last, _) = items[0], items[-1]
            adapter.send(channel, last, [item for _, item in items], f"telegram-{channel}-{first}-{last}")


if __name__ == "__main__":
    channels = {"nargs": "+", "help": "names of public channels, without @"}
    Adapter(__doc__, "https://t.me", PAUSE_SECONDS, channels=channels).run(ask)

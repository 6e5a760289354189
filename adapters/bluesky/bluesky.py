#!/usr/bin/env python3
"""Posts of a Bluesky author or list, by the public API, to a wirewatch. A profile's RSS feed needs no adapter."""

import json
import os
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from adapter import Adapter  # noqa: E402

ANSWER_BYTES_MAX = 8 << 20
PAUSE_SECONDS = 60


def items_of(answer, after):
    """Items of the posts indexed after a time, oldest first."""
    items = []
    for entry in answer.get("feed", []):
        post = entry.get("post", {})
        record, author = post.get("record", {}), post.get("author", {})
        text, seen = (record.get("text") or "").strip(), post.get("indexedAt", "")
        # A repost is somebody else's post, and an answer half of a talk.
        if not text or seen <= after or entry.get("reason") or record.get("reply"):
            continue
        handle = author.get("handle", "")
        item = {"id": post.get("uri"), "title": text.split("\n")[0][:200], "text": text, "source": f"Bluesky {handle}",
                "author": author.get("displayName") or handle, "published": record.get("createdAt"), "tags": ["bluesky"],
                "url": f"https://bsky.app/profile/{handle}/post/{post.get('uri', '').rsplit('/', 1)[-1]}"}
        if record.get("langs"):
            item["lang"] = record["langs"][0]
        external = (record.get("embed") or {}).get("external") or {}
        if external.get("title"):
            item["text"] += f"\n\n{external['title']}\n{external.get('description', '')}"
        items.append((seen, item))
    return sorted(items, key=lambda pair: pair[0])


def ask(adapter):
    for source in adapter.args.sources:
        is_list = source.startswith("at://")
        method = "app.bsky.feed.getListFeed" if is_list else "app.bsky.feed.getAuthorFeed"
        query = urllib.parse.urlencode({"list" if is_list else "actor": source, "limit": 50})
        answer = json.loads(adapter.fetch(f"{adapter.args.base}/xrpc/{method}?{query}", ANSWER_BYTES_MAX))
        items = items_of(answer, adapter.seen.get(source, ""))
        if items:
            (first, _), (last, _) = items[0], items[-1]
            key = urllib.parse.quote(f"{source}-{first}-{last}", safe="")[-100:]
            adapter.send(source, last, [item for _, item in items], f"bluesky-{key}")


if __name__ == "__main__":
    sources = {"nargs": "+", "help": "handles, or at:// addresses of lists"}
    Adapter(__doc__, "https://public.api.bsky.app", PAUSE_SECONDS, sources=sources).run(ask)

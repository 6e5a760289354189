#!/usr/bin/env python3
"""GDELT 2.0, the Global Knowledge Graph's file of each quarter of an hour, to a wirewatch: metadata, no texts."""

import html
import io
import os
import re
import sys
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from adapter import Adapter  # noqa: E402

FILE_BYTES_MAX = 64 << 20
CONTENT_BYTES_MAX = 512 << 20
PAUSE_SECONDS = 300
TITLE = re.compile(r"<PAGE_TITLE>(.*?)</PAGE_TITLE>", re.S)
# Columns of a GKG 2.1 record.
RECORD, DATE, SOURCE, URL, THEMES, TRANSLATION, EXTRAS = 0, 1, 3, 4, 7, 25, 26


def items_of(lines, theme):
    """One item a record that has a title and a link."""
    for line in lines:
        columns = line.rstrip("\r\n").split("\t")
        title = TITLE.search(columns[EXTRAS]) if len(columns) > EXTRAS else None
        if not title or not columns[URL].startswith(("http://", "https://")):
            continue
        themes = [name for name in columns[THEMES].split(";") if name]
        if theme and not any(name.startswith(theme) for name in themes):
            continue
        date = columns[DATE]
        language = re.search(r"srclc:(\w+)", columns[TRANSLATION])
        item = {"id": columns[URL], "url": columns[URL], "title": html.unescape(title.group(1)).strip(),
                "source": columns[SOURCE], "tags": ["gdelt"] + themes[:20]}
        if re.fullmatch(r"\d{14}", date):
            item["published"] = f"{date[:4]}-{date[4:6]}-{date[6:8]}T{date[8:10]}:{date[10:12]}:{date[12:]}Z"
        if language:
            item["lang"] = language.group(1)[:2]
        yield item


def newest_file(adapter):
    """The address of the newest GKG file, from the list of three."""
    listed = adapter.fetch(f"{adapter.args.base}/gdeltv2/lastupdate.txt", 4096).decode("ascii", "replace")
    for line in listed.splitlines():
        name = line.rsplit("/", 1)[-1]
        if name.endswith(".gkg.csv.zip"):
            return f"{adapter.args.base}/gdeltv2/{name}"
    raise OSError("the list of files names no GKG file")


def lines_of(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        first = archive.infolist()[0]
        if first.file_size > CONTENT_BYTES_MAX:
            raise OSError(f"{first.filename} would have {first.file_size} bytes")
        with archive.open(first) as file:
            yield from io.TextIOWrapper(file, "utf-8", "replace")


def ask(adapter):
    address = newest_file(adapter)
    name = address.rsplit("/", 1)[-1]
    if adapter.seen.get("file") == name:
        return
    try:
        adapter.send("file", name, items_of(lines_of(adapter.fetch(address, FILE_BYTES_MAX)), adapter.args.theme), f"gdelt-{name}")
    except zipfile.BadZipFile as error:
        raise OSError(f"{name}: {error}") from error


if __name__ == "__main__":
    theme = {"help": "only records with a theme that begins so, such as SANCTIONS"}
    Adapter(__doc__, "http://data.gdeltproject.org", PAUSE_SECONDS, theme=theme).run(ask)

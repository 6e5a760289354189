"""A client of wirewatch in one file without dependencies, for Python 3.9 and later.

    watch = Wirewatch("http://127.0.0.1:7411", token="...")
    for item in watch.iterate("items", topic="sanctions"):
        print(item["title"])
    for event in watch.follow(kinds="alert", full=True, cursor_file="cursor"):
        print(event.kind, event.data)
    watch.push([{"id": "1", "title": "..."}])

`verify` checks a webhook that a wirewatch sent; it needs no connection.
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import time
import urllib.parse

__all__ = ["ApiError", "Event", "VerifyError", "Wirewatch", "load_cursor", "save_cursor", "verify"]

TOLERANCE_SECONDS = 300
PUSH_LINES = 1000


class VerifyError(Exception):
    """A webhook that is not to be believed; its text says why."""


class ApiError(Exception):
    """A request that was refused: `status`, and the problem document as `problem`."""

    def __init__(self, status, problem):
        self.status = status
        self.problem = problem
        kind = problem.get("type", "?")
        super().__init__(f"{status} {kind}: {problem.get('detail', '')}")

    @property
    def kind(self):
        return self.problem.get("type")


class Event:
    """Something that happened: `kind`, `data` (read from JSON where it is JSON), and the `cursor` behind it."""

    __slots__ = ("kind", "data", "cursor")

    def __init__(self, kind, data, cursor):
        self.kind, self.data, self.cursor = kind, data, cursor

    def __repr__(self):
        return f"Event({self.kind!r}, {self.data!r})"


def verify(secret, headers, body, now=None):
    """Checks a webhook and returns its body as read from JSON.

    `secret` is the text `whsec_...` of the endpoint, or several of them while one is replaced; `headers` any mapping;
    `body` the raw bytes, before anything parsed them. Raises VerifyError.
    """
    given = {str(name).lower(): value for name, value in headers.items()}
    try:
        message, sent, signatures = (given["webhook-" + part] for part in ("id", "timestamp", "signature"))
    except KeyError as error:
        raise VerifyError(f"no {error.args[0]} header") from None
    if not sent.isascii() or not sent.isdigit():
        raise VerifyError("webhook-timestamp is not a number of seconds")
    if abs((time.time() if now is None else now) - int(sent)) > TOLERANCE_SECONDS:
        raise VerifyError("signed too long ago, or in the future: check both clocks")
    secrets = [secret] if isinstance(secret, str) else list(secret)
    fits = False
    for one in secrets:
        key = base64.b64decode(one[len("whsec_"):] if one.startswith("whsec_") else one)
        mac = hmac.new(key, f"{message}.{sent}.".encode() + body, hashlib.sha256).digest()
        expected = b"v1," + base64.b64encode(mac)
        for signature in signatures.split(" ")[:16]:
            # All are compared: how long it takes says nothing.
            fits |= hmac.compare_digest(expected, signature.encode())
    if not fits:
        raise VerifyError("no signature fits: another secret, or the body was changed on the way")
    return json.loads(body)


class Wirewatch:
    """One wirewatch. `token` is that of its page and API; a push has its own `push_token`."""

    def __init__(self, url, token=None, push_token=None, timeout=30, retries=8):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no http or https address")
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._base = parts.path.rstrip("/")
        self._token, self._push_token, self._timeout, self._retries = token, push_token, timeout, retries

    def get(self, path, **query):
        """One document: `get("stories/sty_...")`."""
        body, _ = self._asked("GET", self._path(path, query))
        return json.loads(body)

    def iterate(self, path, **query):
        """Every row of a list, part by part, newest first."""
        while True:
            part = self.get(path, **query)
            yield from part["data"]
            if not part.get("next"):
                return
            query["cursor"] = part["next"]

    def changes(self, after="0", kinds=None, limit=200):
        """What happened after a cursor, oldest first, up to now: pairs of a change and the cursor behind its part."""
        while True:
            part = self.get("changes", after=after, kinds=kinds, limit=limit)
            for change in part["data"]:
                yield change, part["next"]
            if part["next"] == after:
                return
            after = part["next"]

    def follow(self, kinds=None, full=False, after="now", cursor_file=None):
        """What happens, for ever: comes back by itself, from where it was.

        With `cursor_file` it goes on after the last event whose successor was asked for, also in another process: an
        event that was being worked on when the process died comes again. A `reset` event says to list anew.
        """
        if cursor_file and os.path.exists(cursor_file):
            with open(cursor_file, encoding="ascii") as file:
                after = file.read().strip() or after
        failures = 0
        while True:
            try:
                for event in self._stream(kinds, full, after):
                    failures = 0
                    yield event
                    after = event.cursor
                    if cursor_file:
                        _replace(cursor_file, after)
            except ApiError as error:
                if error.status < 500 and error.status != 429:
                    raise
                failures += 1
            except (OSError, http.client.HTTPException):
                failures += 1
            time.sleep(min(0.2 * 2 ** min(failures, 8), 30))

    def push(self, items, key=None):
        """Sends items (an iterable of dicts) and returns what became of each. Sent again under one key until heard."""
        results, lines, number = [], [], 0
        for item in items:
            lines.append(json.dumps(item, ensure_ascii=True))
            if len(lines) == PUSH_LINES:
                results += self._push_lines(lines, key, number)
                lines, number = [], number + 1
        if lines:
            results += self._push_lines(lines, key, number)
        return results

    def push_body(self, body, content_type, key=None):
        """Sends one body of any type that is taken, and returns the answer as bytes."""
        key = key or hashlib.sha256(body).hexdigest()[:40]
        headers = {"Content-Type": content_type, "Idempotency-Key": key}
        return self._asked("POST", "/v1/items", headers, body, self._push_token or self._token)[0]

    def _push_lines(self, lines, key, number):
        body = ("\n".join(lines) + "\n").encode()
        answer = self.push_body(body, "application/x-ndjson", f"{key}-{number}" if key else None)
        results = []
        for line in answer.decode().splitlines():
            result = json.loads(line)
            if "error" in result:
                raise ApiError(result["error"].get("status", 0), result["error"])
            if "done" not in result:
                results.append(result)
        return results

    def _path(self, path, query):
        query = {name: value for name, value in query.items() if value is not None}
        return "/v1/" + path.lstrip("/") + ("?" + urllib.parse.urlencode(query) if query else "")

    def _connect(self, timeout):
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=timeout)

    def _headers(self, headers, token):
        return {**headers, **({"Authorization": f"Bearer {token}"} if token else {})}

    def _asked(self, method, path, headers=None, body=None, token=None):
        """Asks until there is an answer: what is asked may be asked twice."""
        attempt = 0
        while True:
            wait = min(0.2 * 2 ** min(attempt, 8), 30)
            connection = self._connect(self._timeout)
            try:
                connection.request(method, self._base + path, body, self._headers(headers or {}, token or self._token))
                response = connection.getresponse()
                content = response.read()
                if response.status < 300:
                    return content, response
                error = _refused(response.status, content)
                if response.status < 500 and response.status not in (408, 409, 429):
                    raise error
                wait = float(response.getheader("Retry-After") or wait)
            except (OSError, http.client.HTTPException) as failure:
                error = failure
            finally:
                connection.close()
            if attempt >= self._retries:
                raise error
            attempt += 1
            time.sleep(min(wait, 60))

    def _stream(self, kinds, full, after):
        query = {"kinds": kinds, "full": "1" if full else None, "after": after}
        # A line comes every 15 seconds, if only to say that it is still there.
        connection = self._connect(45)
        try:
            headers = self._headers({"Accept": "text/event-stream"}, self._token)
            connection.request("GET", self._base + self._path("stream", query), headers=headers)
            response = connection.getresponse()
            if response.status != 200:
                raise _refused(response.status, response.read())
            fields = {}
            for raw in response:
                line = raw.decode("utf-8").rstrip("\n")
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "id" in fields:
                    yield Event(fields.get("event", "message"), _read(fields.get("data", "")), fields["id"])
                    fields = {}
                else:
                    fields = {}
        finally:
            connection.close()


def load_cursor(path, empty):
    """What `save_cursor` wrote, or `empty`."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return empty


def save_cursor(path, value):
    """Remembers how far something came: whole or not at all."""
    _replace(path, json.dumps(value))


def _read(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def _refused(status, content):
    problem = _read(content.decode("utf-8", "replace"))
    return ApiError(status, problem if isinstance(problem, dict) else {"detail": str(problem).strip()})


def _replace(path, text):
    """Whole or not at all."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)

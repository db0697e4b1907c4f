"""Hostile input against a whole server: raw requests, JSON texts and strings that look like SQL, each list to its end.

A case is right when the status is one that it names, the request hidden behind it was not carried out, and the server goes on.
STEWARD_TEST_FULL sends every string to every place; otherwise each goes to every stored field and to a part of the others."""
import concurrent.futures
import contextlib
import itertools
import os
import re
import socket
import threading
import time
import urllib.parse

import pytest
import requests

from hostile_cases import HTTP, JSON, SQL
from server_kit import ROOT, Server, config
from test_http_floor import statuses

FULL = bool(os.environ.get("STEWARD_TEST_FULL"))


@pytest.fixture(scope="module")
def server():
    with Server(None, "--auth-failure-delay", "0", "--observe-every", "0") as s:
        yield s
        assert not re.search(r"Sanitizer|runtime error", s.log.read_text(errors="replace"))


def send(server, raw, seconds=20):
    """(answer, whether the server closed). Nothing is waited for that the server does not owe: the client half-closes."""
    host, port = server.url.removeprefix("http://").split(":")
    answer, is_closed = b"", False
    with socket.create_connection((host, int(port)), seconds) as s:
        with contextlib.suppress(OSError):
            s.sendall(raw)
            s.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while chunk := s.recv(1 << 16):
                answer += chunk
        is_closed = True
    return answer, is_closed


def token_names(server):
    names, path = [], "/tokens?limit=200"
    while path:
        page = server.ok("GET", path)
        names += [t["name"] for t in page["items"]]
        path = f"/tokens?limit=200&cursor={page['next']}" if page["next"] else None
    return names


def smuggled(server, name):
    """A whole request that leaves a trace: a token of this name."""
    body = b'{"name":"%s","scopes":["read"]}' % name.encode()
    return (b"POST /tokens HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n" % (server.token.encode(), len(body)) + body)


def test_hostile_http(server):
    wrong, hidden = [], {}
    for i, (name, raw, expected, *rest) in enumerate(HTTP):
        raw = raw.replace(b"TOKEN", b"Bearer " + server.token.encode())
        if not rest:
            hidden[f"smuggled{i}"] = name
        answer, is_closed = send(server, raw + smuggled(server, f"smuggled{i}"))
        got = statuses(answer)
        first = got[0] if got else None
        if first not in expected or not is_closed:
            wrong.append(f"{name}: {got}, expected {expected}: {answer[:300]}")
        elif first == 400 and len(got) != 1:
            wrong.append(f"{name}: goes on after a 400: {got}")
        elif first and first >= 400 and (b"application/problem+json" not in answer or b"X-Content-Type-Options: nosniff" not in answer):
            wrong.append(f"{name}: not a problem: {answer[:300]}")
        elif first and (b"Set-Cookie" in answer.split(b"\r\n\r\n")[0] or b"\r\nX: y" in answer.split(b"\r\n\r\n")[0]):
            wrong.append(f"{name}: reflected: {answer[:300]}")
        assert server.process.poll() is None, f"{name} ended the server\n{server.tail()}"
    names = token_names(server)
    executed = sorted(set(names) & set(hidden))
    assert len(names) == len(set(names)), "something was carried out twice"
    wrong += [f"{hidden[n]}: the request behind it was carried out" for n in executed]
    assert requests.get(server.url + "/healthz", timeout=5).status_code == 200
    print(f"\nhostile http {len(HTTP) - len(wrong)}/{len(HTTP)}")
    assert not wrong, "\n".join(wrong)


def test_the_request_behind_would_leave_a_trace(server):
    """The check of the test before bites: where the first request is whole, the second is carried out."""
    first = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert statuses(send(server, first + smuggled(server, "not hidden"))[0]) == [200, 201]
    assert "not hidden" in token_names(server)


def test_hostile_json(server):
    wrong = []
    headers = {"Content-Type": "application/json"}
    for name, body, expected in JSON:
        for path in ("/runs", "/configs"):
            began = time.monotonic()
            answer = server.call("POST", path, data=body, headers=headers)
            took = time.monotonic() - began
            if answer.status_code not in expected:
                wrong.append(f"{name} to {path}: {answer.status_code}, expected {expected}: {answer.text[:200]}")
            elif answer.headers["Content-Type"] != "application/problem+json" or not answer.json()["detail"]:
                wrong.append(f"{name} to {path}: {answer.text[:200]}")
            elif took > 10:
                wrong.append(f"{name} to {path} took {took:.1f} s")
        checked = server.call("POST", "/configs/validate", data=body, headers=headers)
        if checked.status_code not in (200, 413, 415) or (checked.status_code == 200 and checked.json()["valid"]):
            wrong.append(f"{name} is a valid config: {checked.status_code} {checked.text[:200]}")
    assert server.ok("GET", "/configs") == {"items": [], "next": None} and server.ok("GET", "/runs") == {"items": [], "next": None}
    names = {w.split(" to ")[0].split(" is ")[0] for w in wrong}
    print(f"\nhostile json {len(JSON) - len(names)}/{len(JSON)}")
    assert not wrong, "\n".join(wrong)


# ---- strings that look like SQL ----

class Sessions(threading.local):
    def __init__(self):
        self.session = requests.Session()


SESSIONS = Sessions()


def call(server, method, path, **kw):
    headers = kw.pop("headers", {}) | {"Authorization": f"Bearer {server.token}"}
    return SESSIONS.session.request(method, server.url + path, headers=headers, timeout=60, **kw)


def is_refusal(answer):
    return answer.status_code in (400, 404, 409, 410, 412, 415, 422) and answer.json()["detail"]


class Fields:
    """One object per thread whose text fields are written again and again, and read back."""

    def __init__(self, server):
        self.server = server
        self.numbers = itertools.count()
        self.local = threading.local()

    def own(self):
        if not hasattr(self.local, "schedule"):
            body = {"config": "sql", "kind": "observe", "expression": "rate(30 days)"}
            self.local.schedule = call(self.server, "POST", "/schedules", json=body).json()["id"]
            url = f"https://hooks.example.com/{next(self.numbers)}"
            self.local.webhook = call(self.server, "POST", "/webhooks", json={"url": url, "types": ["test.none"]}).json()["id"]
        return self.local

    def stored(self, text):
        """(field, answer of the write, what is read back) of every text field."""
        own = self.own()
        schedule, webhook = f"/schedules/{own.schedule}", f"/webhooks/{own.webhook}"
        answer = call(self.server, "POST", "/tokens", json={"name": text, "scopes": ["read"]})
        yield "token name", answer, lambda: call(self.server, "GET", f"/tokens/{answer.json()['id']}").json()["name"]
        yield "schedule name", call(self.server, "PATCH", schedule, json={"name": text}), \
            lambda: call(self.server, "GET", schedule).json()["name"]
        yield "pause reason", call(self.server, "PATCH", schedule, json={"paused": True, "reason": text}), \
            lambda: call(self.server, "GET", schedule).json()["paused"]["reason"]
        yield "webhook name", call(self.server, "PATCH", webhook, json={"name": text}), \
            lambda: call(self.server, "GET", webhook).json()["name"]
        yield "webhook url", call(self.server, "PATCH", webhook, json={"url": "https://hooks.example.com/" + urllib.parse.quote(text, safe="")}), \
            lambda: urllib.parse.unquote(call(self.server, "GET", webhook).json()["url"].removeprefix("https://hooks.example.com/"))

    def asked(self, text, part):
        """(place, answer) of the places that are only read; part: of three, None: all of them."""
        quoted = urllib.parse.quote(text, safe="")
        places = [f"/configs?cursor={quoted}", f"/runs?config={quoted}", f"/events?config={quoted}", f"/schedules?config={quoted}",
                  f"/audit?path={quoted}", f"/runs?status={quoted}", f"/events?type={quoted}", f"/orphans?kind={quoted}", f"/problems?config={quoted}",
                  f"/runs?createdAfter={quoted}", f"/runs?limit={quoted}", f"/configs?{quoted}=1"]
        if "/" not in text and "\\" not in text and text not in (".", ".."):
            places += [f"/configs/{quoted}", f"/runs/{quoted}", f"/schedules/{quoted}", f"/webhooks/{quoted}/deliveries", f"/tokens/{quoted}",
                       f"/solutions/{quoted}/versions", f"/configs/sql/schedules/{quoted}", f"/event-types/{quoted}", f"/configs/{quoted}/versions/1"]
        for i, place in enumerate(places):
            if part is None or i % 3 == part:
                yield place, call(self.server, "GET", place)
        if text.isascii() and text.isprintable() and text.strip() == text:
            for header in ("X-Request-Id", "Idempotency-Key", "If-Match", "Last-Event-ID", "Accept", "X-Forwarded-For", "traceparent"):
                answer = call(self.server, "POST", "/runs?dryRun=true", headers={header: text}, json={"config": "none", "kind": "import"})
                yield header, answer


def try_string(fields, number, text):
    """What is wrong, or None."""
    for field, answer, read in fields.stored(text):
        if answer.status_code >= 400:
            if not is_refusal(answer):
                return f"{text!r} as {field}: {answer.status_code} {answer.text[:200]}"
        elif read() != text:
            return f"{text!r} as {field} came back as {read()!r}"
    for place, answer in fields.asked(text, None if FULL else number % 3):
        if answer.status_code >= 500 or (answer.status_code >= 400 and not answer.json()["detail"]):
            return f"{text!r} in {place}: {answer.status_code} {answer.text[:200]}"
    return None


def test_sql_strings(server):
    server.apply(config("sql", solutions=0))
    before = set(server.ok("GET", "/configs?limit=200")["items"][0])
    fields = Fields(server)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda x: try_string(fields, *x), enumerate(SQL)))
    wrong = [f for f in found if f]
    assert set(server.ok("GET", "/configs?limit=200")["items"][0]) == before and server.ok("GET", "/configs/sql")["version"] == 1
    print(f"\nhostile sql {len(SQL) - len(wrong)}/{len(SQL)}")
    assert not wrong, "\n".join(wrong[:20])


def test_sql_strings_in_documents(server):
    """Message, revision, link and the document itself, a few strings to a version."""
    whole = "\n".join(SQL)
    for i in range(0, len(SQL) if FULL else 60, 3):
        said = dict(zip(("message", "revision", "url"), SQL[i:i + 3], strict=False))
        document = config("sqldoc", solutions=0)
        document["datasets"]["interactions"]["schema"]["serviceConfig"]["schema"]["doc"] = f"{i} {whole}"
        answer = server.post("/configs", params=said, json=document)
        if answer.status_code >= 400:
            assert is_refusal(answer), answer.text
            continue
        version = answer.json()["config"]["version"]
        read = server.ok("GET", f"/configs/sqldoc/versions/{version}")
        assert {k: read.get(k) for k in said} == said and read["document"] == document
        if i == 0:
            run = server.wait_run(answer.json()["run"]["id"], 120)
            assert run["status"] == "succeeded", run


def test_no_statement_is_put_together_from_text():
    """Values are parameters. The printf family makes no SQL: not in the store, and nobody else has any."""
    verb = re.compile(r'(printf|buf_add\w*|str_copy)\([^;]*"[^"]*\b(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b', re.S)
    for folder in ("api", "server/store", "server/engine", "cli"):
        for file in (ROOT / folder).glob("*.c"):
            text = file.read_text()
            for m in verb.finditer(text):  # server/db makes roles of fixed names
                line = text.count("\n", 0, m.start()) + 1
                assert re.search(r"db_quote|quote_ident|PQescape", text[m.start():m.end() + 400]), f"{file.name}:{line}: {m.group(0)[:120]}"

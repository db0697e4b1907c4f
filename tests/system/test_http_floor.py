"""The http floor over raw sockets: framing, deadlines, streams, refusals.

Drives build/http_probe (tests/system/http/probe.c), a server of nothing but the floor. STEWARD_BUILD names the build
folder; without it the newest build*/http_probe is taken. Deadlines are asserted with five-fold slack.
"""
import contextlib
import glob
import gzip
import hashlib
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def probe_path():
    build = os.environ.get("STEWARD_BUILD")
    if build:
        return str(pathlib.Path(build).resolve() / "http_probe")
    found = sorted(glob.glob(str(ROOT / "build*" / "http_probe")), key=os.path.getmtime)
    if not found:
        pytest.skip("http_probe is not built")
    return found[-1]


class Probe:
    def __init__(self, *options, files=None):
        def limit():
            if files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        self.process = subprocess.Popen([probe_path(), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        preexec_fn=limit)
        line = self.process.stdout.readline().decode()
        assert line.startswith("port "), self.process.stderr.read().decode()
        self.port = int(line.split()[1])

    def connect(self, timeout=10):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def get(self, path, headers="", method="GET"):
        with self.connect() as s:
            s.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n".encode())
            return read_response(s.makefile("rb"), method == "HEAD")

    def counters(self):
        return json.loads(self.get("/counters").body)

    def rss_kib(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text).group(1))

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        errors = self.process.stderr.read().decode()
        assert code == 0, errors
        assert "Sanitizer" not in errors and "runtime error" not in errors, errors


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        values = [v for n, v in self.headers if n.lower() == name.lower()]
        return values[0] if values else None


def read_head(f):
    line = f.readline()
    if not line:
        return None
    status = int(line.split()[1])
    headers = []
    while True:
        line = f.readline().rstrip(b"\r\n")
        if not line:
            return status, headers
        name, value = line.decode("latin-1").split(":", 1)
        headers.append((name, value.strip()))


def read_response(f, is_head=False):
    """One response off a buffered stream, or None at its end."""
    head = read_head(f)
    if head is None:
        return None
    status, headers = head
    if status == 100:
        return read_response(f, is_head)
    r = Response(status, headers, b"")
    if is_head or status in (204, 304):
        return r
    if (r.header("Transfer-Encoding") or "").lower() == "chunked":
        while True:
            n = int(f.readline().split(b";")[0], 16)
            r.body += f.read(n)
            f.readline()
            if n == 0:
                return r
    length = r.header("Content-Length")
    r.body = f.read(int(length)) if length is not None else f.read()
    return r


def send_all_and_read(probe, raw, timeout=5):
    """Everything the server says to raw bytes, until it closes or falls silent."""
    answer = b""
    with probe.connect(timeout) as s:
        with contextlib.suppress(ConnectionError):
            s.sendall(raw)
        with contextlib.suppress(ConnectionError, socket.timeout):
            while chunk := s.recv(65536):
                answer += chunk
    return answer


def statuses(answer):
    return [int(m) for m in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]


def wait_for(condition, seconds=10, what="condition"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true in {seconds} s")


@pytest.fixture(scope="module")
def probe():
    p = Probe()
    yield p
    p.stop()


@pytest.fixture
def hasty():
    """Short deadlines: 0.5 s to receive, 0.5 s to answer, 1 s idle, 1 s stalled."""
    p = Probe("receive_ms=500", "answer_ms=500", "idle_ms=1000", "stall_ms=1000")
    yield p
    p.stop()


# ---- the ordinary ----

def test_keep_alive_reuses_the_connection(probe):
    with probe.connect() as s:
        f = s.makefile("rb")
        for i in range(50):
            s.sendall(b"GET /echo?i=%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % i)
            r = read_response(f)
            assert r.status == 200 and json.loads(r.body)["query"] == {"i": str(i)}


def test_pipelining_answers_in_order_with_and_without_waiting(probe):
    paths = ["/delay?ms=3&i=%d" % i if i % 7 == 0 else "/echo?i=%d" % i for i in range(100)]
    with probe.connect() as s:
        s.sendall(b"".join(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % p.encode() for p in paths))
        f = s.makefile("rb")
        for p in paths:
            r = read_response(f)
            assert r.status == 200
            assert r.body == b"waited\n" if p.startswith("/delay") else json.loads(r.body)["rawUri"] == p


def test_a_thousand_pipelined_requests(probe):
    before = probe.counters()["executed"]
    with probe.connect(30) as s:
        s.sendall(b"GET /count HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000)
        f = s.makefile("rb")
        assert all(read_response(f).body == b"counted\n" for _ in range(1000))
    assert probe.counters()["executed"] == before + 1000


def test_bodies_of_all_sizes_arrive_whole(probe):
    with probe.connect() as s:
        f = s.makefile("rb")
        for n in (0, 1, 100, 16383, 16384, 16385, 100_000, 1024 * 1024):
            body = os.urandom(n)
            s.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % n + body)
            r = json.loads(read_response(f).body)
            assert r["bodyBytes"] == n and r["bodySha256"] == hashlib.sha256(body).hexdigest()


def chunked(body, size, extension=b""):
    parts = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x%s\r\n%s\r\n" % (len(p), extension, p) for p in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize("size,extension", [(1, b""), (7, b";a=b"), (4096, b""), (70000, b"")])
def test_chunked_bodies(probe, size, extension):
    body = os.urandom(3000 if size < 10 else 200_000)
    with probe.connect() as s:
        f = s.makefile("rb")
        for _ in range(2):
            s.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                      + chunked(body, size, extension))
            assert json.loads(read_response(f).body)["bodySha256"] == hashlib.sha256(body).hexdigest()


def test_a_body_of_64_mib_where_it_is_welcome(probe):
    body = os.urandom(1024 * 1024) * 64
    with probe.connect(60) as s:
        s.sendall(b"PUT /huge HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body))
        s.sendall(body)
        r = json.loads(read_response(s.makefile("rb")).body)
    assert r["bodyBytes"] == len(body) and r["bodySha256"] == hashlib.sha256(body).hexdigest()


def test_expect_100_continue(probe):
    with probe.connect() as s:
        f = s.makefile("rb")
        s.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert f.readline() == b"HTTP/1.1 100 Continue\r\n"
        f.readline()
        s.sendall(b"hello")
        assert json.loads(read_response(f).body)["bodyBytes"] == 5


def test_expect_100_continue_is_refused_before_the_body(probe):
    answer = send_all_and_read(probe, b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n"
                                      b"Expect: 100-continue\r\n\r\n")
    assert statuses(answer) == [413]


def test_raw_and_decoded_parts(probe):
    r = json.loads(probe.get("/echo/a%20b%25?x=1+2&x=%41&empty&y=%zz&=v").body)
    assert r["rawPath"] == "/echo/a%20b%25" and r["path"] == "/echo/a b%"
    assert r["query"] == {"x": "A", "empty": "", "y": "%zz", "": "v"}


def test_request_id_is_echoed_or_made(probe):
    assert probe.get("/static", "X-Request-Id: abc-1\r\n").header("X-Request-Id") == "abc-1"
    for bad in ("a b", "x" * 65, "a\"b", ""):
        made = probe.get("/static", f"X-Request-Id: {bad}\r\n").header("X-Request-Id")
        assert re.fullmatch(r"req_[a-z2-7]{8}[0-9a-f]{10}", made)


def test_head_has_the_headers_and_no_body(probe):
    for path in ("/static", "/big?n=100000", "/json?n=1000", "/fd?n=1000", "/sse?n=3", "/delay?ms=1"):
        r = probe.get(path, method="HEAD")
        assert r.status == 200
        with probe.connect() as s:
            s.sendall(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
                      f"GET /static HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            f = s.makefile("rb")
            assert read_response(f, is_head=True).status == 200
            assert read_response(f).body.startswith(b"{")
            assert f.read() == b""


def test_gzip(probe):
    for path in ("/big?n=100000", "/json?n=1000"):
        plain = probe.get(path)
        assert plain.header("Content-Encoding") is None and plain.header("Vary") == "Accept-Encoding"
        packed = probe.get(path, "Accept-Encoding: br, gzip;q=0.5\r\n")
        assert packed.header("Content-Encoding") == "gzip" and len(packed.body) < len(plain.body)
        assert gzip.decompress(packed.body) == plain.body
        head = probe.get(path, "Accept-Encoding: gzip\r\n", method="HEAD")
        assert head.header("Content-Length") == packed.header("Content-Length")
    assert probe.get("/big?n=100000", "Accept-Encoding: gzip;q=0\r\n").header("Content-Encoding") is None
    assert probe.get("/big?n=1024", "Accept-Encoding: gzip\r\n").header("Content-Encoding") is None
    assert probe.get("/fd?n=100000", "Accept-Encoding: gzip\r\n").header("Content-Encoding") is None
    assert probe.get("/sse?n=300&ms=0", "Accept-Encoding: gzip\r\n").header("Content-Encoding") is None


def test_pretty(probe):
    assert probe.get("/json?n=2").body == b"[0,1]"
    assert probe.get("/json?n=2&pretty").body == b"[\n  0,\n  1\n]\n"
    assert probe.get("/json?n=2&pretty=false").body == b"[0,1]"
    pretty = probe.get("/problem?pretty", "X-Request-Id: x\r\n").body
    assert pretty.startswith(b'{\n  "type": "/problems/invalid-config",\n')
    assert json.loads(pretty) == json.loads(probe.get("/problem", "X-Request-Id: x\r\n").body)


def test_files(probe):
    assert probe.get("/fd?n=20&offset=5").body == b"56789012345678901234"
    assert len(probe.get("/fd?n=3000000").body) == 3_000_000
    assert probe.get("/fd?n=0").body == b""


def test_default_headers_and_their_overrides(probe):
    r = probe.get("/static")
    assert r.header("X-Content-Type-Options") == "nosniff" and r.header("Cache-Control") == "no-store"
    r = probe.get("/header?v=a%0d%0aSet-Cookie:%20x=1%00z")
    assert r.status in (204, 400)
    r = probe.get("/header?v=a%0d%0aSet-Cookie:%20x=1")
    assert r.header("Set-Cookie") is None and r.header("X-Reflected") == "a  Set-Cookie: x=1"
    assert [v for n, v in r.headers if n == "Cache-Control"] == ["max-age=60"]
    assert [v for n, v in r.headers if n == "X-Twice"] == ["1", "2"]


def test_problem_shape(probe):
    r = probe.get("/problem", "X-Request-Id: me\r\n")
    assert r.status == 422 and r.header("Content-Type") == "application/problem+json"
    assert r.header("Retry-After") == "7"
    assert json.loads(r.body) == {
        "type": "/problems/invalid-config", "title": "Unprocessable Content", "status": 422, "detail": "One problem.",
        "instance": "/problem", "code": "invalid-config", "retryable": False,
        "errors": [{"pointer": "/a/0", "code": "required", "detail": "a is required"}], "requestId": "me",
        "upstream": {"service": "personalize"}}


def test_404_405_and_options(probe):
    assert probe.get("/nothing").status == 404
    r = probe.get("/echo", method="OPTIONS")
    assert r.status == 405 and set(r.header("Allow").split(", ")) == {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
    assert json.loads(r.body)["code"] == "method-not-allowed"


def test_wrong_host_is_421(probe):
    for host, status in (("localhost", 200), ("LOCALHOST:80", 200), ("127.0.0.1:8", 200), ("[::1]:9", 200),
                         ("evil.example", 421), ("localhost.evil.example", 421), ("localhost:x", 421),
                         ("127.0.0.1.nip.io", 421), ("[::1", 421), ("localhost.", 421)):
        answer = send_all_and_read(probe, f"GET /static HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert statuses(answer) == [status], host


def test_http_1_0(probe):
    answer = send_all_and_read(probe, b"GET /static HTTP/1.0\r\n\r\n")
    assert statuses(answer) == [200] and b"Connection: close" in answer
    answer = send_all_and_read(probe, b"GET /sse?n=3 HTTP/1.0\r\n\r\n")
    assert statuses(answer) == [200] and answer.endswith(b"id: 2\ndata: xxxx\n\n") and b"chunked" not in answer


# ---- too much ----

def test_413_without_reading_the_rest(probe):
    with probe.connect(20) as s:
        f = s.makefile("rb")
        s.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857600\r\n\r\n")
        r = read_response(f)
        assert r.status == 413 and json.loads(r.body)["code"] == "content-too-large"
        assert r.header("Connection") == "close" and f.read() == b""


def test_413_reaches_a_client_that_is_still_sending(probe):
    for _ in range(5):
        with probe.connect(20) as s:
            s.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1400000\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                for _ in range(14):
                    s.sendall(b"x" * 50_000)
            assert read_response(s.makefile("rb")).status == 413


def test_413_of_a_chunked_body_after_the_limit(probe):
    with probe.connect(20) as s:
        s.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(22):
                s.sendall(b"c350\r\n" + b"x" * 50_000 + b"\r\n")
        f = s.makefile("rb")
        r = read_response(f)
        assert r.status == 413 and json.loads(r.body)["status"] == 413 and r.header("X-Request-Id")
        assert f.read() == b""


def test_on_headers_may_answer_before_the_body(probe):
    answer = send_all_and_read(probe, b"POST /early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n"
                                      b"GET /count HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert statuses(answer) == [401]


def test_414_and_431(probe):
    for n, want in ((4000, 404), (5000, 414), (64_000, 414)):
        assert statuses(send_all_and_read(
            probe, b"GET /%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % (b"a" * n))) == [want]
    for n, want in ((6000, 200), (11_000, 431), (100_000, 431)):
        assert statuses(send_all_and_read(
            probe, b"GET /static HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: %s\r\n\r\n" % (b"a" * n))) == [want]
    for n, want in ((90, 200), (120, 431), (10_000, 431)):
        assert statuses(send_all_and_read(
            probe, b"GET /static HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + b"A: b\r\n" * n + b"\r\n")) == [want]


def test_connections_per_address_are_limited():
    p = Probe("per_ip=5")
    try:
        held = [p.connect() for _ in range(5)]
        for s in held:
            s.sendall(b"GET /static HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert read_response(s.makefile("rb")).status == 200
        answered = b""
        with contextlib.suppress(ConnectionError):
            answered = send_all_and_read(p, b"GET /static HTTP/1.1\r\nHost: localhost\r\n\r\n", 2)
        assert answered == b""
        held.pop().close()

        def is_free():
            with contextlib.suppress(ConnectionError):
                return statuses(send_all_and_read(p, b"GET /static HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")) == [200]
            return False
        wait_for(is_free, what="a free place")
    finally:
        for s in held:
            s.close()
        time.sleep(0.1)
        p.stop()


@pytest.mark.parametrize("files,option", [(40, "limit=1000"), (1024, "limit=20")])
def test_out_of_descriptors_or_places_waits_without_spinning(files, option):
    """Clients beyond the limit wait in the backlog; the server neither spins nor forgets them."""
    p = Probe(option, files=files)
    clients = [p.connect() for _ in range(60)]
    try:
        time.sleep(0.2)
        cpu = p.cpu_seconds()
        time.sleep(0.6)  # who has said nothing for two seconds makes room
        assert p.cpu_seconds() - cpu < 0.2
        for s in clients:  # each frees its place for one that waits
            s.sendall(b"GET /static HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        for s in clients:
            assert read_response(s.makefile("rb")).status == 200
        assert p.get("/healthz").status == 200
    finally:
        for s in clients:
            s.close()
        p.stop()


# ---- deadlines ----

def closed_within(s, seconds):
    """What came until the server closed; fails when it does not close in time."""
    s.settimeout(seconds)
    answer = b""
    with contextlib.suppress(ConnectionError):
        while chunk := s.recv(65536):
            answer += chunk
    return answer


def test_who_has_nothing_to_say_makes_room():
    """With all places taken by kept and by silent connections, others once waited for a minute."""
    p = Probe("limit=6")
    request = b"GET /static HTTP/1.1\r\nHost: localhost\r\n\r\n"
    clients = [p.connect() for _ in range(12)]
    try:
        for s in clients[::2]:  # kept; an answer in a crowd says that its connection ends
            s.sendall(request)
        seen = [read_response(s.makefile("rb")) for s in clients[::2]]
        assert {r.status for r in seen} == {200}
        assert any(r.header("Connection") == "close" for r in seen)
        for _ in range(3):
            assert p.get("/healthz").status == 200
    finally:
        for s in clients:
            s.close()
        p.stop()


@pytest.mark.parametrize("first", [b"", b"GE", b"GET /static HTTP/1.1\r\nHost: loc",
                                   b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc"])
def test_a_dripping_client_is_cut_off_by_the_absolute_deadline(hasty, first):
    start = time.monotonic()
    with hasty.connect() as s:
        s.sendall(first)
        answer = b""
        s.settimeout(0.05)
        while time.monotonic() - start < 5:
            try:
                chunk = s.recv(65536)
                if not chunk:
                    break
                answer += chunk
            except socket.timeout:
                with contextlib.suppress(ConnectionError):
                    if first:
                        s.sendall(b"a")
            except ConnectionError:
                break
        assert 0.3 < time.monotonic() - start < 2.5
    assert statuses(answer) == ([408] if first else [])
    if first:
        body = json.loads(answer.split(b"\r\n\r\n", 1)[1])
        assert body["code"] == "request-timeout" and body["retryable"] is True


def test_the_next_request_of_a_kept_connection_has_its_own_deadline(hasty):
    with hasty.connect() as s:
        f = s.makefile("rb")
        for _ in range(3):
            s.sendall(b"GET /static HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert read_response(f).status == 200
            time.sleep(0.4)
        start = time.monotonic()
        for _ in range(100):
            with contextlib.suppress(ConnectionError):
                s.sendall(b"G")
            time.sleep(0.05)
            if time.monotonic() - start > 3:
                break
        assert statuses(f.read() or b"HTTP/1.1 408 ") == [408]


def test_an_idle_connection_is_closed_silently(hasty):
    with hasty.connect() as s:
        s.sendall(b"GET /static HTTP/1.1\r\nHost: localhost\r\n\r\n")
        f = s.makefile("rb")
        assert read_response(f).status == 200
        start = time.monotonic()
        assert f.read() == b""
        assert 0.7 < time.monotonic() - start < 5


def test_a_client_that_hangs_up_along_with_its_request_is_answered_and_closed(hasty):
    for path, body in (("/static", b'"}'), ("/big?n=1000000", b"")):
        with hasty.connect() as s:
            start = time.monotonic()
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            s.shutdown(socket.SHUT_WR)
            answer = s.makefile("rb").read()
            assert statuses(answer) == [200] and answer.endswith(body) and time.monotonic() - start < 2.5


def test_slowloris_does_not_hurt_others(hasty):
    slow = [hasty.connect() for _ in range(300)]
    for i, s in enumerate(slow):
        s.sendall(b"GET /static HTTP/1.1\r\nX" if i % 2 else b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1")
    assert hasty.get("/static").status == 200
    for s in slow:
        assert statuses(closed_within(s, 3)) == [408]
        s.close()


def test_answer_deadline_gives_503_and_the_late_answer_is_dropped(hasty):
    start = time.monotonic()
    r = hasty.get("/late?ms=900")
    assert r.status == 503 and 0.3 < time.monotonic() - start < 0.89
    problem = json.loads(r.body)
    assert problem["code"] == "answer-timeout" and problem["retryable"] is True and r.header("Retry-After") == "1"
    wait_for(lambda: hasty.counters()["lateDropped"] == 1, what="the late answer")
    c = hasty.counters()
    assert c["gone"] == 1 and c["open"] == 1  # only the request that asks


def test_a_handler_may_extend_its_deadline(hasty):
    assert hasty.get("/late?ms=1200&extend=5000").body == b"waited\n"


def test_a_kept_connection_goes_on_after_a_503(hasty):
    with hasty.connect() as s:
        s.sendall(b"GET /never HTTP/1.1\r\nHost: localhost\r\n\r\nGET /static HTTP/1.1\r\nHost: localhost\r\n\r\n")
        f = s.makefile("rb")
        assert [read_response(f).status, read_response(f).status] == [503, 200]


def test_disconnect_of_a_suspended_request_is_noticed():
    p = Probe("receive_ms=800")
    try:
        for _ in range(20):
            with p.connect() as s:
                s.sendall(b"GET /delay?ms=600 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                time.sleep(0.005)
        wait_for(lambda: p.counters()["gone"] == 20, what="notice of 20 disconnects")
        wait_for(lambda: p.counters()["open"] == 1, what="the end of the requests")
        c = p.counters()
        assert c["lateDropped"] == 0 and c["done"] >= 20
    finally:
        p.stop()


def test_a_reader_that_never_reads_is_closed(hasty):
    with hasty.connect() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(b"GET /big?n=30000000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.2)
        assert hasty.get("/static").status == 200
        wait_for(lambda: hasty.counters()["open"] == 1, 10, "the end of the stalled answer")


def test_a_slow_reader_that_takes_its_share_is_served(hasty):
    n, got, start = 3_000_000, 0, time.monotonic()
    with hasty.connect() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        s.sendall(b"GET /big?n=%d HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % n)
        while chunk := s.recv(30_000):
            got += len(chunk)
            time.sleep(0.02)
    assert got > n and time.monotonic() - start > 1.5  # longer than every deadline of this server


# ---- streams ----

@pytest.mark.concurrency
def test_sse_delivers_in_order(probe):
    r = probe.get("/sse?n=500&ms=0&size=50")
    assert r.header("Content-Type") == "text/event-stream"
    assert [int(i) for i in re.findall(rb"id: (\d+)", r.body)] == list(range(500))


@pytest.mark.concurrency
def test_sse_heartbeat_and_late_disconnect(hasty):
    with hasty.connect() as s:
        s.sendall(b"GET /sse?n=0&heartbeat=100 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        f = s.makefile("rb")
        assert read_head(f)[0] == 200
        assert f.readline() == b"3\r\n" and f.readline() == b":\n"
        time.sleep(1.5)  # an idle stream is nobody's deadline
        assert hasty.counters()["sseClosed"] == 0
        f.close()
    wait_for(lambda: hasty.counters()["sseClosed"] == 1, what="notice of the disconnect")


@pytest.mark.concurrency
def test_sse_clients_that_vanish_are_noticed(probe):
    before = probe.counters()
    clients = []
    for i in range(200):
        s = probe.connect()
        s.sendall(b"GET /sse?n=%d&ms=1&size=%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % (10 ** 6 if i % 2 else 0, i))
        clients.append(s)
    wait_for(lambda: probe.counters()["sseOpen"] == before["sseOpen"] + 200, what="200 streams")
    for i, s in enumerate(clients):
        if i % 3 == 0:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
        s.close()
    wait_for(lambda: probe.counters()["sseClosed"] == before["sseClosed"] + 200, what="200 notices")


@pytest.mark.concurrency
def test_sse_reader_that_stalls_is_closed(hasty):
    with hasty.connect() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(b"GET /flood?size=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_for(lambda: hasty.counters()["sseClosed"] == 1, what="the end of the stalled stream")
    assert hasty.get("/static").status == 200
    assert hasty.rss_kib() < 300_000


def test_flood_is_paced_by_its_reader(probe):
    with probe.connect() as s:
        s.sendall(b"GET /flood?size=100 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        got = b""
        while len(got) < 3_000_000:
            got += s.recv(65536)
    ids = [int(i) for i in re.findall(rb"id: (\d+)\n", got)]
    assert len(ids) > 10_000 and ids == sorted(ids)


def test_thousand_idle_streams_cost_little():
    p = Probe()
    clients = []
    try:
        p.get("/static")
        before = p.rss_kib()
        for _ in range(900):
            s = p.connect()
            s.sendall(b"GET /sse?n=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            clients.append(s)
        wait_for(lambda: p.counters()["sseOpen"] == 900, what="900 streams")
        each = (p.rss_kib() - before) / 900
        cpu = p.cpu_seconds()
        time.sleep(2)
        cpu = (p.cpu_seconds() - cpu) / 2
        print(f"idle stream: {each:.1f} KiB each, {cpu * 100:.1f} % of a core for 900")
        if "asan" not in probe_path():
            assert each < 3 * 16
        assert cpu < 0.25
    finally:
        for s in clients:
            s.close()
        p.stop()


# ---- stopping ----

def test_stop_with_everything_open():
    p = Probe()
    held = []
    for path in (b"/never", b"/sse?n=0", b"/delay?ms=4000", b"/flood", b"/big?n=50000000"):
        s = p.connect()
        s.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
        held.append(s)
    half = p.connect()
    half.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12")
    wait_for(lambda: p.counters()["open"] >= 4, what="open requests")
    p.process.send_signal(signal.SIGTERM)
    assert statuses(closed_within(held[0], 10)) == [503]
    assert statuses(closed_within(held[2], 10)) == [503]
    assert closed_within(held[1], 10).endswith(b"0\r\n\r\n")
    with pytest.raises(ConnectionError):
        p.connect()
    for s in held + [half]:
        s.close()
    assert_clean_exit(p)


def assert_clean_exit(p):
    code = p.process.wait(timeout=70)
    errors = p.process.stderr.read().decode()
    assert code == 0 and "Sanitizer" not in errors, errors


# ---- hostile input: expected status, and what is smuggled behind it runs never ----

SMUGGLED = b"GET /count HTTP/1.1\r\nHost: localhost\r\n\r\n"
H = b"Host: localhost\r\n"
POST = b"POST /echo HTTP/1.1\r\n" + H
GET = b"GET /static HTTP/1.1\r\n" + H

# name, bytes, statuses that are right. CLOSED: no answer, or a refusal of libmicrohttpd's own.
HOSTILE = [
    ("te and cl", POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, [400]),
    ("cl and te", POST + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG" + SMUGGLED, [400]),
    ("equal lengths twice", POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc" + SMUGGLED, [400]),
    ("two lengths", POST + b"Content-Length: 3\r\nContent-Length: 0\r\n\r\n" + SMUGGLED, [400]),
    ("te xchunked", POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED, [400]),
    ("te chunked, chunked", POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, [400]),
    ("te gzip, chunked", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, [400]),
    ("te twice", POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED, [400]),
    ("te with vertical tab", POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED, [400]),
    ("te on 1.0", b"POST /echo HTTP/1.0\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, [400]),
    ("space before colon", POST + b"Content-Length : 40\r\n\r\n" + SMUGGLED, [400]),
    ("tab before colon", POST + b"Transfer-Encoding\t: chunked\r\n\r\n" + SMUGGLED, [400]),
    ("header name with junk", POST + b"Con\x01tent: 1\r\n\r\n" + SMUGGLED, [400]),
    ("header without colon", GET + b"garbage\r\n\r\n" + SMUGGLED, [400]),
    ("empty header name", GET + b": x\r\n\r\n" + SMUGGLED, [400]),
    ("control byte in value", GET + b"X: a\x07b\r\n\r\n" + SMUGGLED, [400]),
    ("length +5", POST + b"Content-Length: +5\r\n\r\nhello" + SMUGGLED, [400]),
    ("length 0x3", POST + b"Content-Length: 0x3\r\n\r\nabc" + SMUGGLED, [400]),
    ("length 3,3", POST + b"Content-Length: 3,3\r\n\r\nabc" + SMUGGLED, [400]),
    ("length -1", POST + b"Content-Length: -1\r\n\r\n" + SMUGGLED, [400]),
    ("length 2^64", POST + b"Content-Length: 18446744073709551616\r\n\r\n" + SMUGGLED, [400, 413]),
    ("length 2^64-1", POST + b"Content-Length: 18446744073709551615\r\n\r\n" + SMUGGLED, [400, 413]),
    ("length empty", POST + b"Content-Length: \r\n\r\n" + SMUGGLED, [400]),
    ("chunk size overflow", POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + SMUGGLED, [400, 413]),
    ("chunk size negative", POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + SMUGGLED, [400]),
    ("chunk size 0x", POST + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n" + SMUGGLED, [400]),
    ("chunk without crlf", POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcX0\r\n\r\n" + SMUGGLED, [400]),
    ("two hosts", b"GET /static HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n" + SMUGGLED, [400]),
    ("no host", b"GET /static HTTP/1.1\r\n\r\n" + SMUGGLED, [400]),
    ("host with path", b"GET /static HTTP/1.1\r\nHost: localhost/evil\r\n\r\n" + SMUGGLED, [400]),
    ("host with at", b"GET /static HTTP/1.1\r\nHost: a@localhost\r\n\r\n" + SMUGGLED, [400, 421]),
    ("absolute uri", b"GET http://localhost/static HTTP/1.1\r\n" + H + b"\r\n" + SMUGGLED, [400]),
    ("nul in path", b"GET /static%00x HTTP/1.1\r\n" + H + b"\r\n" + SMUGGLED, [400]),
    ("nul in query", b"GET /static?a=%00 HTTP/1.1\r\n" + H + b"\r\n" + SMUGGLED, [400]),
    ("raw nul in uri", b"GET /sta\x00tic HTTP/1.1\r\n" + H + b"\r\n" + SMUGGLED, [400, 404]),
    ("escaped slash", b"GET /echo%2fx HTTP/1.1\r\n" + H + b"\r\n" + SMUGGLED, [400]),
    ("escaped backslash", b"GET /echo%5Cx HTTP/1.1\r\n" + H + b"\r\n" + SMUGGLED, [400]),
    ("backslash", b"GET /echo\\x HTTP/1.1\r\n" + H + b"\r\n" + SMUGGLED, [400]),
    ("dot dot", b"GET /echo/../static HTTP/1.1\r\n" + H + b"\r\n" + SMUGGLED, [400]),
    ("escaped dot dot", b"GET /echo/%2e%2E/static HTTP/1.1\r\n" + H + b"\r\n" + SMUGGLED, [400]),
    ("dot dot at the end", b"GET /echo/.. HTTP/1.1\r\n" + H + b"\r\n" + SMUGGLED, [400]),
    ("blank in uri", b"GET /sta tic HTTP/1.1\r\n" + H + b"\r\n" + SMUGGLED, [400]),
    ("overlong utf-8", b"GET /\xc0\xae\xc0\xae/ HTTP/1.1\r\n" + H + b"\r\n" + SMUGGLED, [400]),
    ("fragment", b"GET /static#x HTTP/1.1\r\n" + H + b"\r\n" + SMUGGLED, [400]),
    ("bare lf", b"GET /count HTTP/1.1\nHost: localhost\n\n" + SMUGGLED, [400]),
    ("bare lf in one header", b"GET /count HTTP/1.1\r\nHost: localhost\r\nX: y\nContent-Length: 3\r\n\r\nabc", [400]),
    ("bare lf after the request line", b"GET /count HTTP/1.1\nHost: localhost\r\n\r\n", [400]),
    ("bare lf at the end", b"GET /count HTTP/1.1\r\nHost: localhost\r\n\n", [400]),
    ("obs-fold", b"GET /count HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n", [400]),
    ("obs-fold of the last", b"GET /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n 3\r\n\r\n", [400]),
    ("fold before any header", b"GET /count HTTP/1.1\r\n x: y\r\nHost: localhost\r\n\r\n", [400]),
    ("bare cr", b"GET /count HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n", [400]),
    ("nul in value", b"GET /count HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n", [400]),
    ("two blanks after the method", b"GET  /count HTTP/1.1\r\nHost: localhost\r\n\r\n", [400]),
    ("blank after the version", b"GET /count HTTP/1.1 \r\nHost: localhost\r\n\r\n", [400, 505]),
    ("head ended by an empty name", b"GET /static HTTP/1.1\r\nHost: localhost\r\n:\r\nGET /count HTTP/1.1\r\nHost: localhost\r\n\r\n", [400]),
    ("two authorizations", GET + b"Authorization: a\r\nAuthorization: b\r\n\r\n" + SMUGGLED, [400]),
    ("two content types", POST + b"Content-Type: a\r\nContent-Type: b\r\nContent-Length: 0\r\n\r\n" + SMUGGLED, [400]),
    ("trace", b"TRACE /static HTTP/1.1\r\n" + H + b"\r\n" + SMUGGLED, [405]),
    ("connect", b"CONNECT localhost:80 HTTP/1.1\r\n" + H + b"\r\n" + SMUGGLED, [400]),
    ("lower-case method", b"get /static HTTP/1.1\r\n" + H + b"\r\n" + SMUGGLED, [405]),
    ("method with control", b"GE\x01T /static HTTP/1.1\r\n" + H + b"\r\n" + SMUGGLED, [400]),
    ("http/0.9", b"GET /static\r\n" + SMUGGLED, "CLOSED"),
    ("http/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED, "CLOSED"),
    ("http/1.2", b"GET /static HTTP/1.2\r\n" + H + b"\r\n" + SMUGGLED, [400, 505]),
    ("tls hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200).replace(b"\n", b"") + b"\r\n", "CLOSED"),
    ("nothing but blanks", b" \r\n \r\n" + SMUGGLED, "CLOSED"),
]


@pytest.mark.parametrize("name,raw,expected", HOSTILE, ids=[h[0] for h in HOSTILE])
def test_hostile(probe, name, raw, expected):
    before = probe.counters()["executed"]
    answer = send_all_and_read(probe, raw, 3)
    got = statuses(answer)
    if expected == "CLOSED":
        assert got in ([], [400], [505]), answer
    else:
        assert len(got) == 1 and got[0] in expected, answer
    if got:
        head, body = answer.split(b"\r\n\r\n", 1)
        assert b"Content-Type: application/problem+json" in head and b"X-Content-Type-Options: nosniff" in head
        assert b"Connection: close" in head and json.loads(body)["status"] == got[0]
    start = time.monotonic()
    assert probe.get("/healthz").status == 200
    assert time.monotonic() - start < 0.25
    assert probe.counters()["executed"] == before


# What libmicrohttpd forgives must execute exactly what a strict reader would: the one request, once.
FORGIVEN = [
    ("leading empty line", b"\r\nGET /count HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    ("double-encoded dots", b"GET /count?x=%252e%252e HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    ("chunk extension", b"POST /count HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                        b"3;x=\"y\"\r\nabc\r\n0\r\nTrailer: 1\r\n\r\n"),
    ("upgrade", b"GET /count HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade, close\r\n\r\n"),
    ("range", b"GET /count HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-0,1-1,-5,0-18446744073709551616\r\n"
              b"Connection: close\r\n\r\n"),
    ("lf chunk framing", b"POST /count HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                         b"3\nabc\n0\n\n"),
]


@pytest.mark.parametrize("name,raw", FORGIVEN, ids=[f[0] for f in FORGIVEN])
def test_forgiven_or_refused_but_never_twice(probe, name, raw):
    before = probe.counters()["executed"]
    got = statuses(send_all_and_read(probe, raw, 3))
    assert got in ([200], [400]), got
    assert probe.counters()["executed"] == before + (got == [200])


def test_random_bytes_do_no_harm(probe):
    import random
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"SEED={seed}")
    rng = random.Random(seed)
    seeds = [h[1] for h in HOSTILE] + [f[1] for f in FORGIVEN]
    for _ in range(150):
        raw = bytearray(rng.choice(seeds).replace(b"/count", b"/static"))
        for _ in range(rng.randint(1, 8)):
            at = rng.randrange(len(raw))
            match rng.randrange(3):
                case 0: raw[at] = rng.randrange(256)
                case 1: del raw[at:at + rng.randint(1, 9)]
                case _: raw[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 9)))
            if not raw:
                raw = bytearray(b"x")
        with probe.connect(2) as s:
            with contextlib.suppress(ConnectionError):
                s.sendall(bytes(raw))
                s.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError, socket.timeout):
                while s.recv(65536):
                    pass
    assert probe.get("/healthz").status == 200

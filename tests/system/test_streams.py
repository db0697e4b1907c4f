"""Event streams and slow clients in crowds. Bounded here; STEWARD_TEST_FULL has the whole numbers, script/idle-streams the figures."""
import concurrent.futures
import os
import random
import re
import threading
import time

import requests

from server_kit import Server, wait_until
from stream_kit import Crowd, Drips, allow_files, cpu_seconds, pour_events, rss_kib, torture
from test_access import sql

FULL = bool(os.environ.get("STEWARD_TEST_FULL"))


def test_every_history_equals_the_log():
    """Clients that hang up at random bytes and resume by Last-Event-ID, while the log grows: nothing missing, nothing twice."""
    clients, events = (200, 10_000) if FULL else (40, 1500)
    seed = random.randrange(1 << 32)
    print(f"SEED={seed}")
    allow_files(2 * clients + 200)
    with Server(None, "--observe-every", "0") as server:
        first = max((int(e["sequence"]) for e in server.ok("GET", "/events?limit=1")["items"]), default=0)
        pouring = threading.Thread(target=pour_events, args=(lambda text, *values: sql(server, text, *values), events))
        pouring.start()
        last = first + events
        crowd = torture(server, clients, last, seed, 1200 if FULL else 300)
        pouring.join()
        log = [int(r[0]) for r in sql(server, "SELECT seq FROM events WHERE seq <= %s ORDER BY seq", last)]
        assert log == list(range(1, last + 1))
        assert all(c.ids == log for c in crowd), [c.ids[:5] for c in crowd if c.ids != log][:3]
        connects = sum(c.connects for c in crowd)
        print(f"{clients} clients, {events} events, {connects} connections: every history equals the log")
        assert connects > 2 * clients


def test_idle_streams_cost_little():
    n = 10_000 if FULL else 2000
    allow_files(n + 500)
    with Server(None, "--observe-every", "0") as server:
        server.ok("GET", "/configs")
        before = rss_kib(server.process.pid)
        crowd = Crowd(server, n)
        grown = rss_kib(server.process.pid) - before
        cpu = cpu_seconds(server.process.pid)
        time.sleep(2)
        cpu = (cpu_seconds(server.process.pid) - cpu) / 2
        server.ok("POST", "/tokens", json={"name": "wakes them", "scopes": ["read"]})
        took = crowd.wait_for(b"event: token.created", 60)
        print(f"{n} idle streams: {grown / 1024:.0f} MiB more, {cpu * 100:.0f} % of a core; one event reached"
              f" half in {took[n // 2] * 1000:.0f} ms, all in {took[-1] * 1000:.0f} ms")
        assert len(took) == n and grown < n * 32
        assert server.ok("GET", "/configs")["items"] == []
        crowd.close()
        wait_until(lambda: re.search(r"^steward_sse_clients 0$", server.get("/metrics").text, re.M), 60)


# ---- slow clients ----

def test_two_thousand_slow_clients():
    """Slowloris: the good ones are answered meanwhile, the slow ones are sent away by an absolute deadline."""
    allow_files(5000)
    with Server(None, "--observe-every", "0") as server:
        def ask(_):
            began = time.monotonic()
            answer = requests.get(server.url + "/configs", headers={"Authorization": f"Bearer {server.token}"}, timeout=60)
            assert answer.status_code == 200
            return (time.monotonic() - began) * 1000

        def p99():
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                return sorted(pool.map(ask, range(300)))[296]

        quiet = p99()
        slow = Drips(server, headers=1000, bodies=500, readers=500)
        try:
            beside = p99()
            print(f"2,000 slow clients: p99 of the good ones {beside:.0f} ms, without them {quiet:.0f} ms")
            answers = slow.answers(90)
            assert len(answers) == 1500 and answers.count(b"HTTP/1.1 408") > 1350, sorted(set(answers))
            ask(0)
        finally:
            slow.end()

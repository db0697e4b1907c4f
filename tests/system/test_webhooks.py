"""Webhooks: what goes out, how it is signed, what becomes of endpoints that fail in every way."""
import base64
import hashlib
import hmac
import json
import socket
import subprocess
import threading
import time

import pytest

from server_kit import IS_SANITIZED, ROOT, Server, config, wait_until
from test_contract import check
from webhook_kit import Receiver, Silent, with_the_public_library

FAST = ["--webhook-allow", "127.0.0.0/8", "--delivery-time-scale", "1000", "--delivery-timeout", "1500ms", "--observe-every", "0"]


@pytest.fixture(scope="module")
def server():
    with Server(None, *FAST) as s:
        yield s


def hook(server, url, **members):
    answer = server.post("/webhooks", json={"url": url, **members})
    assert answer.status_code == 201, answer.text
    check(answer, "POST", "/webhooks")
    return answer.json()


def ping(server, webhook):
    answer = server.post(f"/webhooks/{webhook}/test")
    assert answer.status_code == 202, answer.text
    check(answer, "POST", "/webhooks/{id}/test")
    return answer.json()


def delivery(server, webhook, event, status=("delivered", "dead"), seconds=30):
    def look():
        answer = server.get(f"/webhooks/{webhook}/deliveries?limit=200")
        check(answer, "GET", "/webhooks/{id}/deliveries")
        for d in answer.json()["items"]:
            if d["event"] == event and (status is None or d["status"] in status):
                return d
        return None
    return wait_until(look, seconds)


def attempts(server, webhook, event, n, seconds=30):
    def look():
        d = delivery(server, webhook, event, None)
        return d if len(d["log"]) >= n else None
    return wait_until(look, seconds)


def signature(secret, hit):
    h = hit["headers"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{h['webhook-id']}.{h['webhook-timestamp']}.".encode() + hit["body"], hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode()


def test_events_arrive_signed_filtered_and_in_order(server):
    with Receiver() as all_of_it, Receiver() as runs_only, Receiver() as other:
        secret = hook(server, all_of_it.url + "/a?b=c")["secret"]
        hook(server, runs_only.url, types=["run.*"], configs=["whk-shop"])
        hook(server, other.url, configs=["somebody-else"])
        server.put_data("whk-shop")
        run = server.apply(config("whk-shop", 0))["run"]["id"]
        server.wait_run(run)
        wanted = [e["id"] for e in server.ok("GET", "/events?config=whk-shop&limit=200")["items"]]
        wait_until(lambda: set(wanted) <= set(all_of_it.ids()))
        wait_until(lambda: {"run.queued", "run.started", "run.succeeded"} <= {e["type"] for e in runs_only.events()})
        assert {e["type"].split(".")[0] for e in runs_only.events()} == {"run"}
        assert other.hits == []
        hit = all_of_it.hits[0]
        assert hit["path"] == "/a?b=c" and hit["headers"]["Content-Type"] == "application/cloudevents+json"
        for hit in all_of_it.hits:
            event = json.loads(hit["body"])
            assert event["id"] == hit["headers"]["webhook-id"] and event["specversion"] == "1.0"
            assert abs(int(hit["headers"]["webhook-timestamp"]) - time.time()) < 120
            assert hit["headers"]["webhook-signature"] == signature(secret, hit)
        assert len(set(all_of_it.ids())) == len(all_of_it.ids()), "no repeats without a reason"


def test_the_public_library_verifies_them(server):
    """During a rotation, too: receivers that still have the old secret go on working. What was changed on the way is refused."""
    script = ("const [secret, body, headers] = process.argv.slice(1);"
              "try { console.log(new Webhook(secret).verify(body, JSON.parse(headers)).type) } catch (e) { console.log(e.constructor.name) }")
    with Receiver() as r:
        made = hook(server, r.url, types=["test.none"])
        new = server.ok("POST", f"/webhooks/{made['id']}/rotate")["secret"]
        ping(server, made["id"])
        hit = wait_until(lambda: r.hits)[0]
    headers, body = json.dumps({k.lower(): v for k, v in hit["headers"].items()}), hit["body"].decode()
    assert with_the_public_library(script, made["secret"], body, headers).strip() == "test.ping"
    assert with_the_public_library(script, new, body, headers).strip() == "test.ping"
    assert with_the_public_library(script, new, body + " ", headers).strip() == "WebhookVerificationError"


def test_a_secret_is_shown_once_and_rotation_signs_twice(server):
    with Receiver() as r:
        key = {"Idempotency-Key": "whk-once"}
        made = server.post("/webhooks", json={"url": r.url, "types": ["test.none"], "name": "once"}, headers=key).json()
        old = made["secret"]
        again = server.post("/webhooks", json={"url": r.url, "types": ["test.none"], "name": "once"}, headers=key)
        assert again.headers["Idempotency-Replayed"] == "true" and "secret" not in again.json()
        assert "secret" not in server.ok("GET", "/webhooks/once")
        assert old not in server.get("/webhooks").text and old not in server.get("/events?limit=200").text
        rotated = server.post(f"/webhooks/{made['id']}/rotate")
        check(rotated, "POST", "/webhooks/{id}/rotate")
        new = rotated.json()["secret"]
        assert new != old and "oldSecretUntil" in rotated.json()
        ping(server, made["id"])
        wait_until(lambda: r.hits)
        assert r.hits[0]["headers"]["webhook-signature"] == f"{signature(new, r.hits[0])} {signature(old, r.hits[0])}"
        given = "whsec_" + base64.b64encode(b"k" * 24).decode()
        assert hook(server, r.url, types=["test.none"], secret=given)["secret"] == given
    text = server.log.read_text()
    for secret in (old, new, given):
        assert secret not in text and secret.removeprefix("whsec_") not in text
    files = [p for p in server.data_dir.glob("*") if p.is_file() and p.name != "secrets.key"]
    assert (server.data_dir / "secrets.key").stat().st_mode & 0o777 == 0o600
    assert all(old.removeprefix("whsec_").encode() not in p.read_bytes() for p in files)


def test_failures_of_every_kind_are_tried_again_and_told(server):
    """Each way to fail once; then the endpoint is well again and the same id arrives."""
    kinds = {
        "status": lambda h, hit: h.reply(503, b"busy, token stw_abc123secret"),
        "redirect": lambda h, hit: h.reply(302, b"", Location="http://127.0.0.1:1/"),
        "timeout": lambda h, hit: time.sleep(4),
        "protocol": lambda h, hit: (h.wfile.write(b"nonsense\r\n\r\n"), h.connection.close()),
    }
    for kind, fail in kinds.items():
        with Receiver() as r:
            r.answer = lambda h, hit, fail=fail: fail(h, hit) if len(r.hits) == 1 else h.reply(204, b"")
            w = hook(server, r.url, types=["test.none"])["id"]
            event = ping(server, w)["event"]
            d = delivery(server, w, event, seconds=40)
            log = sorted(d["log"], key=lambda a: a["number"])
            assert d["status"] == "delivered" and log[0]["errorClass"] == kind and log[-1]["success"], d
            assert r.ids() == [event] * len(r.hits) and len(r.hits) == d["attempts"]
            stamps = [h["headers"]["webhook-timestamp"] for h in r.hits]
            assert stamps == sorted(stamps)
            if kind == "status":
                assert log[0]["status"] == 503 and "busy" in log[0]["response"] and "abc123secret" not in log[0]["response"]


def test_a_trickling_endpoint_is_cut_at_the_deadline(server):
    def trickle(h, hit):
        h.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(200):
            h.wfile.write(b"x")
            h.wfile.flush()
            time.sleep(0.05)

    with Receiver(trickle) as r:
        w = hook(server, r.url, types=["test.none"])["id"]
        d = attempts(server, w, ping(server, w)["event"], 1)
        assert d["log"][-1]["errorClass"] == "timeout" and not d["log"][-1]["success"]
        server.call("DELETE", f"/webhooks/{w}")


def test_a_long_answer_is_not_read_to_its_end(server):
    def flood(h, hit):
        h.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        try:
            for _ in range(400):
                h.wfile.write(b"y" * 65536)
            hit["whole"] = True
        except OSError:
            hit["whole"] = False

    with Receiver(flood) as r:
        w = hook(server, r.url, types=["test.none"])["id"]
        d = delivery(server, w, ping(server, w)["event"])
        assert d["status"] == "delivered" and len(d["log"][0]["response"]) == 1024
        assert wait_until(lambda: "whole" in r.hits[0]) and r.hits[0]["whole"] is False


def test_attempts_run_out_into_a_dead_letter_that_can_be_replayed(server):
    """With waits a thousandth as long 48 h pass in minutes; a faster server of its own sees the end."""
    with Server(None, "--webhook-allow", "127.0.0.0/8", "--delivery-time-scale", "100000", "--observe-every", "0") as s, Receiver(500) as r:
        w = hook(s, r.url, types=["test.none"], name="dies")["id"]
        event = ping(s, w)["event"]
        d = delivery(s, w, event, seconds=60)
        assert d["status"] == "dead" and d["reason"] == "exhausted" and d["attempts"] == 10 and len(r.hits) == 10
        gaps = [b["at"] - a["at"] for a, b in zip(r.hits, r.hits[1:])]
        assert gaps[8] > 0.7 and gaps[8] > gaps[5], "later waits are longer"
        failing = s.ok("GET", "/events?type=webhook.failing")["items"]
        assert [e["data"]["webhook"] for e in failing] == [w] and failing[0]["data"]["failures"] >= 3
        assert s.ok("GET", "/webhooks/dies")["status"] == "failing"
        r.answer = 200
        answer = s.post(f"/webhooks/{w}/replay", json={"since": "2020-01-01T00:00:00Z"})
        check(answer, "POST", "/webhooks/{id}/replay")
        assert answer.json() == {"replayed": 1}
        d = delivery(s, w, event, ("delivered",))
        assert d["attempts"] == 11 and r.ids() == [event] * 11
        assert s.ok("GET", "/webhooks/dies")["status"] == "active"


def test_a_failing_endpoint_is_switched_off_after_days_of_it():
    """Five days are 0.4 s here; the next failure after them switches it off."""
    with Server(None, "--webhook-allow", "127.0.0.0/8", "--delivery-time-scale", "1000000", "--observe-every", "0") as s, Receiver(500) as r, \
            Receiver() as watcher:
        hook(s, watcher.url, types=["webhook.*"])
        w = hook(s, r.url, types=["test.none"])["id"]
        ping(s, w)
        wait_until(lambda: s.ok("GET", f"/webhooks/{w}")["status"] == "failing")
        time.sleep(0.5)
        s.post(f"/webhooks/{w}/test")
        wait_until(lambda: s.ok("GET", f"/webhooks/{w}")["status"] == "disabled", 40)
        assert s.ok("GET", f"/webhooks/{w}")["disabledReason"] == "failing"
        wait_until(lambda: [e["data"].get("reason") for e in watcher.events() if e["type"] == "webhook.disabled"] == ["failing"])
        refused = s.post(f"/webhooks/{w}/test")
        assert refused.status_code == 409 and refused.json()["code"] == "webhook-disabled"
        r.answer = 200
        on = s.call("PATCH", f"/webhooks/{w}", json={"enabled": True})
        check(on, "PATCH", "/webhooks/{id}")
        assert on.json()["status"] == "active"
        assert delivery(s, w, ping(s, w)["event"])["status"] == "delivered"


def test_gone_switches_off_at_once_and_loudly(server):
    with Receiver(410) as r:
        w = hook(server, r.url, types=["test.none"])["id"]
        d = delivery(server, w, ping(server, w)["event"])
        assert d["status"] == "dead" and d["reason"] == "gone" and len(r.hits) == 1
        assert server.ok("GET", f"/webhooks/{w}")["disabledReason"] == "gone"
        wait_until(lambda: [e for e in server.ok("GET", "/events?type=webhook.disabled")["items"] if e["data"]["webhook"] == w])


def test_retry_after_is_waited_for(server):
    with Receiver() as r:
        r.answer = lambda h, hit: h.reply(429, b"", Retry_After="2") if len(r.hits) == 1 else h.reply(200)
        w = hook(server, r.url, types=["test.none"])["id"]
        assert delivery(server, w, ping(server, w)["event"])["status"] == "delivered"
        assert r.hits[1]["at"] - r.hits[0]["at"] >= 1.95, "5 ms would have been the plan's wait"


def test_slow_endpoints_delay_nobody_and_get_four_at_a_time(server):
    gate, most, now, lock = threading.Event(), [0], [0], threading.Lock()

    def hang(h, hit):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        gate.wait(1)
        with lock:
            now[0] -= 1
        h.reply(200)

    with Receiver(hang) as slow, Receiver() as good:
        s = hook(server, slow.url, types=["test.none"])["id"]
        g = hook(server, good.url, types=["test.none"])["id"]
        for _ in range(8):
            ping(server, s)
        wait_until(lambda: len(slow.hits) >= 4)
        start = time.monotonic()
        event = ping(server, g)["event"]
        wait_until(lambda: good.hits)
        took = time.monotonic() - start
        is_still_hanging = now[0] > 0
        assert good.ids() == [event] and (took < 1 or not is_still_hanging), "the slow one was waited for"
        wait_until(lambda: len(slow.hits) == 8)
        gate.set()
        assert most[0] == 4


def test_tests_are_limited_to_ten_a_minute(server):
    with Receiver() as r:
        w = hook(server, r.url, types=["test.none"])["id"]
        statuses = []
        threads = [threading.Thread(target=lambda: statuses.append(server.call("POST", f"/webhooks/{w}/test").status_code)) for _ in range(14)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        accepted = statuses.count(202)
        assert accepted <= 10 and set(statuses) <= {202, 429, 409}
        while accepted < 10:
            accepted += server.post(f"/webhooks/{w}/test").status_code == 202
        limited = server.post(f"/webhooks/{w}/test")
        assert limited.status_code == 429 and limited.headers["Retry-After"] == "60"


def test_killed_between_the_answer_and_its_record_the_same_id_comes_again():
    with Receiver() as r:
        s = Server(None, *FAST, "--engine-lease", "2s")
        s.start()
        w = hook(s, r.url, types=["test.none"])["id"]
        assert s.stop() == 0
        s.env["STEWARD_FAILPOINTS"] = "out.before_record=kill9@1"
        s.start()
        event = s.post(f"/webhooks/{w}/test").json()["event"]
        s.process.wait(60)
        assert r.ids() == [event]
        del s.env["STEWARD_FAILPOINTS"]
        s.process = None
        try:
            s.start()
            d = delivery(s, w, event, ("delivered",), 60)
            assert r.ids() == [event, event] and d["attempts"] == 1, "the first was never written down"
            assert s.stop() == 0
        finally:
            if s.process:
                s.stop()
            s.remove()


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer has to be the first library")
def test_what_may_not_be_reached_and_what_does_not_answer_look_the_same(tmp_path):
    """A name that leads to a forbidden address passes every look at the text; the socket to it is never made."""
    lie = tmp_path / "rebind.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", lie, ROOT / "tests/system/outbound/rebind.c", "-ldl"], check=True)
    silent, closed = Silent(), socket.socket()
    closed.bind(("127.0.0.2", 0))  # bound and not listening: refused
    closed_port = closed.getsockname()[1]
    with Server(None, "--webhook-allow", "127.0.0.2/32", "--webhook-http", "--delivery-time-scale", "100000", "--delivery-timeout", "600ms",
                "--observe-every", "0", env={"LD_PRELOAD": str(lie)}) as s:
        refused = s.post("/webhooks", json={"url": f"http://127.0.0.1:{silent.port}/"})
        assert refused.status_code == 422 and refused.json()["errors"][0]["pointer"] == "/url"
        forbidden = [hook(s, f"http://{name}:{silent.port}/", types=["test.none"])["id"] for name in ("hooks.rebind.example.com", "localhost")]
        dead = hook(s, f"http://127.0.0.2:{closed_port}/", types=["test.none"])["id"]
        seen = []
        for w in [*forbidden, dead]:
            start = time.monotonic()
            d = attempts(s, w, ping(s, w)["event"], 1)
            assert time.monotonic() - start >= 0.55, "held back until the time for a connection is over"
            seen.append({k: v for k, v in d["log"][-1].items() if k != "at"})
        assert seen == [{"number": 1, "success": False, "errorClass": "unreachable"}] * 3
        for w in forbidden:
            wait_until(lambda w=w: s.ok("GET", f"/webhooks/{w}")["failures"] >= 5, 60)
        assert silent.count == 0
    silent.close()
    closed.close()

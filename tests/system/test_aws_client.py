"""The AWS floor against a server that misbehaves: what is a definite no, what is unknown, what is sent how often.

Drives build/aws_probe (tests/system/aws/aws_probe.c). STEWARD_BUILD names the build folder; without it the newest
build*/aws_probe is taken.
"""
import concurrent.futures
import datetime
import glob
import hashlib
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import time
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/system/aws"))
from misbehaving import Server, answer, reset  # noqa: E402

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secretexample"}
HOSTILE = {"http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1",
           "HTTPS_PROXY": "http://127.0.0.1:1"}


def probe_path():
    build = os.environ.get("STEWARD_BUILD")
    if build:
        return str(pathlib.Path(build).resolve() / "aws_probe")
    found = sorted(glob.glob(str(ROOT / "build*" / "aws_probe")), key=os.path.getmtime)
    if not found:
        pytest.skip("aws_probe is not built")
    return found[-1]


def environment(tmp=None, **more):
    env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    env.update(AWS_EC2_METADATA_DISABLED="true", AWS_REGION="eu-west-1", HOME=str(tmp or "/nonexistent"))
    env.update({k: v for k, v in more.items() if v is not None})
    return env


def run(*words, env=None, stdin=None, timeout=60, check=True):
    done = subprocess.run([probe_path(), *map(str, words)], env=env or environment(**KEYS), input=stdin,
                          capture_output=True, text=True, timeout=timeout)
    assert not check or done.returncode in (0, 1), done.stderr
    assert "secretexample" not in done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def call(server, *options, operation="CreateSchema", request="{}", env=None, **more):
    env = env or environment(**KEYS, AWS_ENDPOINT_URL=server if isinstance(server, str) else server.url, **more)
    results = run(*options, "call", "personalize", operation, request, env=env)
    return results[0] if len(results) == 1 else results


# ---- outcomes ----

def modelled(code, status=400, message="because"):
    return lambda c, r: answer(c, status, {"__type": code, "message": message})


def raw(text):
    def behave(c, r):
        c.sendall(text)
        return "close"
    return behave


def endless_body(c, r):
    c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    block = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    for _ in range(16384):
        c.sendall(block)
    return "close"


def endless_headers(c, r):
    c.sendall(b"HTTP/1.1 200 OK\r\n")
    for i in range(20000):
        c.sendall(b"X-%d: %s\r\n" % (i, b"y" * 60))
    return "close"


def drip(c, r):
    c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        c.sendall(b" ")
        time.sleep(0.2)


OUTCOMES = {
    "an answer": (lambda c, r: answer(c, 200, {"schemaArn": "arn"}), "done", "none"),
    "an empty answer": (lambda c, r: answer(c, 200, b""), "done", "none"),
    "not found": (modelled("ResourceNotFoundException"), "refused", "not_found"),
    "exists": (modelled("ResourceAlreadyExistsException"), "refused", "exists"),
    "in use": (modelled("com.amazonaws.personalize#ResourceInUseException"), "refused", "in_use"),
    "limit": (modelled("LimitExceededException"), "refused", "limit"),
    "throttled": (modelled("ThrottlingException"), "refused", "throttled"),
    "429 without a known code": (modelled("Whatever", 429), "refused", "throttled"),
    "invalid": (modelled("InvalidInputException"), "refused", "invalid"),
    "denied": (modelled("AccessDeniedException"), "refused", "access_denied"),
    "bad signature": (modelled("InvalidSignatureException", 403, "The request signature we calculated"), "refused", "credentials"),
    "signature expired": (modelled("InvalidSignatureException", 403, "Signature expired: 1 is now earlier than 2"), "refused", "signature_expired"),
    "unknown modelled error": (modelled("TeapotException", 418), "refused", "other"),
    "400 of a page": (lambda c, r: answer(c, 400, b"<html>no</html>", kind="text/html"), "unknown", "server"),
    "403 of a middle box": (lambda c, r: answer(c, 403, b"go away", kind="text/plain"), "unknown", "server"),
    "internal": (modelled("InternalServerException", 500), "unknown", "server"),
    "unavailable": (modelled("ServiceUnavailable", 503), "unknown", "server"),
    "502 of a balancer": (lambda c, r: answer(c, 502, b"<html/>", kind="text/html"), "unknown", "server"),
    "not JSON": (lambda c, r: answer(c, 200, b"{\"a\":"), "unknown", "server"),
    "JSON of a wrong type": (lambda c, r: answer(c, 200, b"[1]"), "unknown", "server"),
    "NaN": (lambda c, r: answer(c, 200, b"{\"a\":NaN}"), "unknown", "server"),
    "gzip nobody asked for": (lambda c, r: answer(c, 200, bytes.fromhex("1f8b0800000000000003ab56020043bfa6a302000000"), [("Content-Encoding", "gzip")]), "unknown", "server"),
    "reset after reading": (lambda c, r: reset(c), "unknown", "transport"),
    "closed after reading": (lambda c, r: "close", "unknown", "transport"),
    "cut body": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"schemaArn\":"), "unknown", "transport"),
    # libcurl calls these two complete: a lost answer must not pass for an empty one.
    "cut headers": (raw(b"HTTP/1.1 200 OK\r\nContent-Le"), "unknown", "transport"),
    "no length, no body": (raw(b"HTTP/1.1 200 OK\r\n\r\n"), "unknown", "transport"),
    "no length, a whole object": (raw(b"HTTP/1.1 200 OK\r\n\r\n{}"), "done", "none"),
    "no length, half an object": (raw(b"HTTP/1.1 200 OK\r\n\r\n{\"a\":1"), "unknown", "server"),
    "an interim answer first": (raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), "done", "none"),
    "an interim answer only": (raw(b"HTTP/1.1 100 Continue\r\n\r\n"), "unknown", "transport"),
    "cut chunks": (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\""), "unknown", "transport"),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH\r\n"), "unknown", "transport"),
    "a body of 1 GB": (endless_body, "unknown", "transport"),
    "headers without end": (endless_headers, "unknown", "transport"),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_outcome(name):
    behave, outcome, error_class = OUTCOMES[name]
    with Server(behave) as server:
        result = call(server, "--mutating")
        assert result["outcome"] == outcome, result
        assert result["class"] == error_class, result
        assert len(server.requests) == 1
        assert outcome == "done" or result["message"], "a failure has words"


def test_outcome_carries_what_the_service_said():
    with Server(modelled("ResourceInUseException", message="The group is being deleted.")) as server:
        result = call(server, "--mutating", operation="CreateSolution")
    assert result["text"] == ("CreateSolution: ResourceInUseException: The group is being deleted. "
                              "(request 11111111-2222-3333-4444-555555555555)")
    assert result["status"] == 400


@pytest.mark.parametrize("name,behave,limit_s", [("one byte at a time", drip, 4), ("accepts, never answers", lambda c, r: time.sleep(10), 4)])
def test_slow_answers_end_in_time(name, behave, limit_s):
    with Server(behave) as server:
        started = time.monotonic()
        result = call(server, "--mutating", "--total-ms", "1500")
        assert (result["outcome"], result["class"]) == ("unknown", "transport")
        assert time.monotonic() - started < limit_s


def test_huge_answers_do_not_grow_the_process():
    with Server(endless_body) as server:
        script = ("import resource,subprocess,sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL);"
                  "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")

        def peak(target):
            env = environment(**KEYS, AWS_ENDPOINT_URL=target)
            return int(subprocess.run([sys.executable, "-c", script, probe_path(), "--mutating", "call", "personalize", "ListSchemas", "{}"],
                                      env=env, capture_output=True, text=True, check=True).stdout)
        with Server(lambda c, r: answer(c, 200, {})) as small:
            base = peak(small.url)
        grown = peak(server.url)
    assert grown - base < 8192, f"{base} -> {grown} KiB"


# ---- nothing sent ----

def test_refused_connection_is_not_sent():
    result = call("http://127.0.0.1:1", "--mutating")
    assert (result["outcome"], result["class"]) == ("refused", "not_sent")


def test_unknown_host_is_not_sent():
    result = call("https://nowhere.invalid", "--mutating")
    assert (result["outcome"], result["class"]) == ("refused", "not_sent")


def test_deadline_passed_is_not_sent():
    with Server(lambda c, r: answer(c, 200, {})) as server:
        result = call(server, "--mutating", "--late")
        assert (result["outcome"], result["class"]) == ("refused", "not_sent")
        time.sleep(0.2)
        assert server.requests == []


def has_failpoints():
    return b"eng.send_mid_body" in pathlib.Path(probe_path()).read_bytes()


@pytest.mark.parametrize("place", ["eng.send_after_connect"])
def test_a_pause_before_the_first_byte_is_noticed(place):
    """A worker frozen on a standing connection does not send when it thaws: the deadline is checked at the last moment."""
    if not has_failpoints():
        pytest.skip("built without failpoints")
    with Server(lambda c, r: answer(c, 200, {})) as server:
        result = call(server, "--mutating", "--send-within-ms", "500", STEWARD_FAILPOINTS=f"{place}=sleep(1500)")
        assert (result["outcome"], result["class"]) == ("refused", "not_sent")
        assert "time to send" in result["message"]
        assert server.requests == []
        assert call(server, "--mutating", "--send-within-ms", "500")["outcome"] == "done"


@pytest.mark.parametrize("place,arrives", [("eng.send_after_connect", 0), ("eng.send_mid_body", 0), ("eng.resp_headers", 1), ("eng.resp_mid_body", 1)])
def test_death_on_the_way(place, arrives):
    if not has_failpoints():
        pytest.skip("built without failpoints")
    with Server(lambda c, r: answer(c, 200, {"a": 1})) as server:
        done = subprocess.run([probe_path(), "--mutating", "call", "personalize", "CreateSchema", '{"name":"abcdef"}'], capture_output=True,
                              env=environment(**KEYS, AWS_ENDPOINT_URL=server.url, STEWARD_FAILPOINTS=f"{place}=kill9"), timeout=30)
        assert done.returncode == -9, done
        time.sleep(0.2)
        assert len([r for r in server.requests if r.body == b'{"name":"abcdef"}']) == arrives


def test_reset_at_accept_is_never_a_definite_no():
    with Server(None, at_accept=lambda c: reset(c) and "stop") as server:
        for _ in range(5):
            result = call(server, "--mutating")
            assert (result["outcome"], result["class"]) in (("unknown", "transport"), ("refused", "not_sent"))


# ---- TLS ----

@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test ca")
    for name, host, days in (("good", "localhost", "2"), ("other", "other.example", "2"), ("expired", "localhost", "-1")):
        (folder / "ext").write_text(f"subjectAltName=DNS:{host}\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={host}")
        if days == "-1":
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.pem",
                    "-extfile", "ext", "-days", "-1")
        else:
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.pem",
                    "-extfile", "ext", "-days", days)
    return folder


def tls_context(folder, name, old=False):
    import ssl
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    if old:
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@pytest.mark.parametrize("name,ca,old,good", [("good", True, False, True), ("other", True, False, False), ("expired", True, False, False),
                                              ("good", False, False, False), ("good", True, True, False)])
def test_certificates(certificates, name, ca, old, good):
    with Server(lambda c, r: answer(c, 200, {}), tls=tls_context(certificates, name, old)) as server:
        more = {"AWS_CA_BUNDLE": str(certificates / "ca.pem")} if ca else {}
        result = call(server, "--mutating", **more)
        assert (result["outcome"], result["class"]) == (("done", "none") if good else ("refused", "not_sent")), result
        assert len(server.requests) == (1 if good else 0)


def test_garbage_instead_of_tls_is_not_sent():
    with Server(None, at_accept=lambda c: c.sendall(b"HTTP/1.1 200 OK\r\n\r\n") or "stop") as server:
        result = call(server.url.replace("http:", "https:"), "--mutating")
        assert (result["outcome"], result["class"]) == ("refused", "not_sent")


# ---- one effect ----

def test_a_connection_that_dies_after_taking_the_post_has_one_effect():
    """libcurl sends a POST again when a reused connection dies: mutating calls must never be on one."""
    seen = {}

    def behave(c, r):
        seen[r.connection] = seen.get(r.connection, 0) + 1
        if seen[r.connection] == 1:
            return answer(c, 200, {})
        return "close"  # took the request, dies without a word
    with Server(behave) as server:
        results = call(server, "--mutating", "--sequential", "--batch", "10", operation="CreateSolutionVersion")
        assert len(results) == 10
        writes = [i for i in range(10) if i % 2 == 1]
        assert [results[i]["outcome"] for i in writes] == ["done"] * 5
        by_connection = {}
        for r in server.requests:
            by_connection.setdefault(r.connection, []).append(r.header("amz-sdk-invocation-id"))
        invocations = [r.header("amz-sdk-invocation-id") for r in server.requests]
        # A write is alone on its connection, and was sent once; only reads share connections and are sent again.
        assert max(invocations.count(i) for i in invocations) <= 2
        twice = {i for i in invocations if invocations.count(i) > 1}
        alone = [ids for ids in by_connection.values() if len(ids) == 1 and ids[0] not in twice]
        assert len(alone) >= 5


def test_each_write_has_its_own_connection_and_reads_share():
    with Server(lambda c, r: answer(c, 200, {"connection": r.connection})) as server:
        results = call(server, "--mutating", "--sequential", "--batch", "8")
        reads = {results[i]["response"]["connection"] for i in range(0, 8, 2)}
        writes = [results[i]["response"]["connection"] for i in range(1, 8, 2)]
    assert len(reads) == 1
    assert len(set(writes)) == 4 and not reads & set(writes)


def test_the_post_that_kills_its_connection_is_unknown_and_sent_once():
    count = []

    def behave(c, r):
        count.append(r)
        return answer(c, 200, {}) if len(count) == 1 else reset(c)
    with Server(behave) as server:
        results = call(server, "--mutating", "--sequential", "--batch", "2", operation="CreateSolutionVersion")
        assert [r["outcome"] for r in results] == ["done", "unknown"]
        assert len(count) == 2


def test_no_outcome_lies_about_the_effect():
    """Random trouble before and after the effect: refused means none, done means one, and no call ever has two."""
    rng, effects, refusals = random.Random(3), {}, []

    def behave(c, r):
        mine = r.header("amz-sdk-invocation-id")
        effect = rng.random() < 0.6
        if effect:
            effects[mine] = effects.get(mine, 0) + 1
            ends = [lambda: answer(c, 200, {"arn": mine}), lambda: answer(c, 500, {"__type": "InternalServerException"}), lambda: reset(c),
                    lambda: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"arn\""), lambda: c.sendall(b"HTTP/1.1 200 OK\r\nContent-"),
                    lambda: answer(c, 200, b"<html>"), lambda: None, lambda: answer(c, 502, b"", kind="text/html"),
                    lambda: answer(c, 403, b"<html>blocked</html>", kind="text/html"), lambda: time.sleep(2.5)]
        else:
            ends = [lambda: refusals.append(1) or answer(c, 400, {"__type": "ThrottlingException"}),
                    lambda: refusals.append(1) or answer(c, 400, {"__type": "InvalidInputException"}),
                    lambda: answer(c, 503, b""), lambda: reset(c), lambda: None, lambda: time.sleep(2.5)]
        end = rng.choice(ends)()
        return "close" if end in (None, "close") else None
    tally, not_sent = {}, 0
    with Server(behave) as server:
        for r in call(server, "--mutating", "--batch", "200", "--total-ms", "2000", operation="CreateSolutionVersion"):
            tally[r["outcome"]] = tally.get(r["outcome"], 0) + 1
            not_sent += r["class"] == "not_sent"
            if r["outcome"] == "done":
                assert effects.get(r["response"]["arn"]) == 1
        assert len(server.requests) == len({r.header("amz-sdk-invocation-id") for r in server.requests}), "each was sent once"
    assert set(effects.values()) == {1}
    assert sum(tally.values()) == 200 and min(tally.values()) > 10 and len(tally) == 3, tally
    assert len(server.requests) <= 200 - not_sent, "what was not sent did not arrive"
    assert tally["refused"] - not_sent <= len(refusals), "only what had no effect for certain is called refused"
    lost = sum(effects.values()) - tally["done"]
    assert 0 < lost <= tally["unknown"], (tally, lost)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(status):
    with Server(lambda c, r: answer(c, 200, {})) as evil:
        with Server(lambda c, r: answer(c, status, b"", [("Location", evil.url)])) as server:
            result = call(server, "--mutating")
            assert result["outcome"] == "unknown"
            assert len(server.requests) == 1
        assert evil.connections == 0


def test_proxies_of_the_environment_are_ignored():
    with Server(lambda c, r: answer(c, 200, {})) as server:
        assert call(server, "--mutating", **HOSTILE)["outcome"] == "done"


def test_the_request_on_the_wire():
    with Server(lambda c, r: answer(c, 200, {})) as server:
        call(server.url + "/base/", "--mutating", request='{"name":"a"}', AWS_SESSION_TOKEN="a-token")
        r = server.requests[0]
    assert (r.method, r.target, r.body) == ("POST", "/base/", b'{"name":"a"}')
    assert r.header("content-type") == "application/x-amz-json-1.1"
    assert r.header("x-amz-target") == "AmazonPersonalize.CreateSchema"
    assert r.header("x-amz-security-token") == "a-token"
    assert r.header("host") == f"localhost:{server.port}"
    assert r.header("amz-sdk-request") == "attempt=1; max=1"
    assert r.header("expect") is None and r.header("accept") is None and r.header("accept-encoding") is None
    assert len({k.lower() for k, _ in r.headers}) == len(r.headers)
    check_signature(r, "personalize")


# ---- retries of reads ----

def script(*steps):
    steps = list(steps)
    return lambda c, r: (steps.pop(0) if len(steps) > 1 else steps[0])(c, r)


@pytest.mark.parametrize("trouble", [modelled("InternalServerException", 500), modelled("ThrottlingException"), lambda c, r: reset(c),
                                     lambda c, r: answer(c, 503, b"<html/>", kind="text/html")])
def test_reads_are_tried_again(trouble):
    with Server(script(trouble, trouble, lambda c, r: answer(c, 200, {"schemas": []}))) as server:
        result = call(server, operation="ListSchemas")
        assert result["outcome"] == "done"
        assert [r.header("amz-sdk-request") for r in server.requests] == [f"attempt={i}; max=3" for i in (1, 2, 3)]
        assert len({r.header("amz-sdk-invocation-id") for r in server.requests}) == 1


def test_reads_give_up():
    with Server(modelled("InternalServerException", 500)) as server:
        result = call(server, operation="ListSchemas")
        assert result["outcome"] == "unknown" and len(server.requests) == 3


@pytest.mark.parametrize("code", ["InvalidInputException", "ResourceNotFoundException", "AccessDeniedException"])
def test_a_definite_no_is_not_asked_again(code):
    with Server(modelled(code)) as server:
        assert call(server, operation="DescribeSchema")["outcome"] == "refused"
        assert len(server.requests) == 1


def test_the_retry_quota_ends_a_storm():
    """500 tokens, 5 a retry: about 100 retries, however many calls there are."""
    with Server(modelled("ThrottlingException")) as server:
        calls = 45
        run("--threads", str(calls), "call", "personalize", "ListSchemas", "{}",
            env=environment(**KEYS, AWS_ENDPOINT_URL=server.url, AWS_MAX_ATTEMPTS="4"), timeout=120)
        assert calls < len(server.requests) <= calls + 100


# ---- clocks ----

def test_the_clock_of_the_service_is_learnt():
    with Server(lambda c, r: answer(c, 200, {}, date=time.time() + 600)) as server:
        results = call(server, "--repeat", "2", operation="ListSchemas")
        assert 598000 < results[0]["offsetMs"] < 602000
        first, second = (datetime.datetime.strptime(r.header("x-amz-date"), "%Y%m%dT%H%M%SZ") for r in server.requests)
    assert 595 < (second - first).total_seconds() < 605


def test_a_cached_answer_tells_no_time():
    with Server(lambda c, r: answer(c, 200, {}, [("Age", "60")], date=time.time() + 600)) as server:
        assert call(server, operation="ListSchemas")["offsetMs"] == 0


def test_a_signature_refused_for_its_time_is_made_again():
    def behave(c, r):
        signed = datetime.datetime.strptime(r.header("x-amz-date") + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
        if abs(signed - time.time() - 3600) > 300:
            return answer(c, 403, {"__type": "InvalidSignatureException", "message": "Signature expired: x is now earlier than y"},
                          date=time.time() + 3600)
        return answer(c, 200, {}, date=time.time() + 3600)
    with Server(behave) as server:
        assert call(server, operation="ListSchemas")["outcome"] == "done"
        assert len(server.requests) == 2


# ---- batches ----

def test_a_batch_runs_at_once():
    with Server(lambda c, r: time.sleep(0.5) or answer(c, 200, {})) as server:
        started = time.monotonic()
        results = call(server, "--batch", "20", operation="ListSchemas")
        assert len(results) == 20 and all(r["outcome"] == "done" for r in results)
        assert time.monotonic() - started < 6


def test_a_batch_is_woken_and_aborted():
    with Server(lambda c, r: time.sleep(5)) as server:
        result = call(server, "--batch", "3", "--wake-ms", "300")
        assert 250 <= result["wokenAfterMs"] < 2500 and result["open"] == 3


def test_one_bad_endpoint_of_many_calls_hurts_nobody_else():
    turns = []

    def behave(c, r):
        turns.append(1)
        return time.sleep(10) if len(turns) % 4 == 0 else answer(c, 200, {})
    with Server(behave) as server:
        results = call(server, "--batch", "20", "--mutating", "--total-ms", "2000")
        assert sorted(r["outcome"] for r in results) == ["done"] * 15 + ["unknown"] * 5


# ---- S3 ----

ODD_KEYS = ["plain.csv", "a b+c.csv", "a//b/../c/./d", "é€😀", "100%", "%2F%25", "~tilde-_.", "!'()*@:$,;=&?#", "tab\there", "a\\b",
            "+plus", " lead", "trail ", "a=b&c=d", "[x]", "x" * 900]


def test_s3_odd_keys_reach_the_server_whole():
    with Server(lambda c, r: answer(c, 200, b"data", [("ETag", '"1"')], kind="text/csv")) as server:
        for key in ODD_KEYS:
            result = run("s3-get", "bucket", key, env=environment(**KEYS, AWS_ENDPOINT_URL_S3=server.url))[0]
            assert (result["outcome"], result["body"], result["etag"]) == ("done", "data", '"1"')
            r = server.requests[-1]
            assert urllib.parse.unquote(r.path) == "/bucket/" + key
            check_signature(r, "s3")


def test_s3_head_and_errors():
    replies = {"there": lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nLast-Modified: Tue, 24 Nov 2026 00:14:39 GMT\r\nETag: \"e\"\r\n\r\n"),
               "gone": lambda c: c.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
               "closed": lambda c: c.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
               "far": lambda c: c.sendall(b"HTTP/1.1 301 Moved\r\nx-amz-bucket-region: us-west-2\r\nContent-Length: 0\r\n\r\n")}
    with Server(lambda c, r: replies[r.path.split("/")[-1]](c)) as server:
        env = environment(**KEYS, AWS_ENDPOINT_URL_S3=server.url)
        there, gone, closed, far = (run("s3-head", "b", k, env=env)[0] for k in replies)
    assert (there["outcome"], there["contentLength"], there["etag"]) == ("done", "12345", '"e"')
    assert (gone["outcome"], gone["class"]) == ("refused", "not_found")
    assert (closed["outcome"], closed["class"]) == ("refused", "access_denied")
    assert far["outcome"] == "refused" and "us-west-2" in far["message"]
    error = b"<?xml version='1.0'?><Error><Code>NoSuchBucket</Code><Message>The bucket is gone</Message><RequestId>R1</RequestId></Error>"
    with Server(lambda c, r: answer(c, 404, error, kind="application/xml")) as server:
        result = run("s3-list", "b", "", env=environment(**KEYS, AWS_ENDPOINT_URL_S3=server.url))[0]
    assert (result["outcome"], result["class"], result["code"]) == ("refused", "not_found", "NoSuchBucket")


def test_s3_first_bytes():
    with Server(lambda c, r: answer(c, 206, b"x" * 10, kind="text/csv")) as server:
        result = run("--first-bytes", "10", "s3-get", "b", "k", env=environment(**KEYS, AWS_ENDPOINT_URL_S3=server.url))[0]
        assert result["outcome"] == "done" and server.requests[0].header("range") == "bytes=0-9"


def listing(keys, token=None, encoded=True):
    items = "".join(f"<Contents><Key>{urllib.parse.quote(k) if encoded else k}</Key><LastModified>2026-11-24T00:14:39.000Z</LastModified>"
                    f"<ETag>&quot;e&quot;</ETag><Size>{i}</Size><Owner><ID>o</ID></Owner></Contents>" for i, k in enumerate(keys))
    return (f"<?xml version='1.0' encoding='UTF-8'?><ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Name>b</Name>"
            f"{items}<IsTruncated>{'true' if token else 'false'}</IsTruncated>"
            + (f"<NextContinuationToken>{token}</NextContinuationToken>" if token else "")
            + ("<EncodingType>url</EncodingType>" if encoded else "")
            + "<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListBucketResult>").encode()


def test_s3_list():
    with Server(lambda c, r: answer(c, 200, listing(ODD_KEYS, "t/+= &"[:4]), kind="application/xml")) as server:
        result = run("s3-list", "b", "in put/é", "to+ken", env=environment(**KEYS, AWS_ENDPOINT_URL_S3=server.url))[0]
        r = server.requests[0]
        check_signature(r, "s3")
    assert [k[0] for k in result["keys"]] == ODD_KEYS
    assert [k[1] for k in result["keys"]] == list(range(len(ODD_KEYS)))
    assert result["keys"][0][2] == 1795479279000
    assert result["next"] == "t/+="
    query = dict(urllib.parse.parse_qsl(r.query))
    assert (query["prefix"], query["continuation-token"], query["delimiter"], query["list-type"]) == ("in put/é", "to+ken", "/", "2")


@pytest.mark.parametrize("body,outcome", [
    (b"", "listError"), (b"<ListBucketResult>", "listError"), (b"<Other/>", "listError"),
    (b"<!DOCTYPE x [<!ENTITY a 'b'>]><ListBucketResult>&a;</ListBucketResult>", "listError"),
    (b"<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>", "listError"),
    (b"<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>", "listError"),
    (b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", "listError"),
    (b"<a>" * 40 + b"</a>" * 40, "listError"),
    (b"<ListBucketResult/>", "keys")])
def test_s3_list_that_is_no_list(body, outcome):
    with Server(lambda c, r: answer(c, 200, body, kind="application/xml")) as server:
        result = run("s3-list", "b", "", env=environment(**KEYS, AWS_ENDPOINT_URL_S3=server.url))[0]
    assert outcome in result, result


# ---- other protocols ----

def test_sts_identity():
    xml = (b"<GetCallerIdentityResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/a</Arn>"
           b"<UserId>U</UserId><Account>123456789012</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>R</RequestId></ResponseMetadata>"
           b"</GetCallerIdentityResponse>")
    with Server(lambda c, r: answer(c, 200, xml, kind="text/xml")) as server:
        result = run("identity", env=environment(**KEYS, AWS_ENDPOINT_URL_STS=server.url))[0]
        assert result == {"account": "123456789012", "arn": "arn:aws:iam::123456789012:user/a"}
        assert server.requests[0].body == b"Action=GetCallerIdentity&Version=2011-06-15"
        check_signature(server.requests[0], "sts")


def test_sts_refusal():
    xml = b"<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>no</Message></Error><RequestId>R9</RequestId></ErrorResponse>"
    with Server(lambda c, r: answer(c, 403, xml, kind="text/xml")) as server:
        result = run("identity", env=environment(**KEYS, AWS_ENDPOINT_URL_STS=server.url))[0]
    assert result["slug"] == "unauthenticated" and "InvalidClientTokenId" in result["error"]


@pytest.mark.parametrize("service,operation,path,target,kind,signing", [
    ("personalize-events", "PutEvents", "/events", None, "application/json", "personalize"),
    ("personalize-runtime", "GetRecommendations", "/recommendations", None, "application/json", "personalize"),
    ("events", "PutEvents", "/", "AWSEvents.PutEvents", "application/x-amz-json-1.1", "events"),
    ("cloudwatch", "PutMetricData", "/", "GraniteServiceVersion20100801.PutMetricData", "application/x-amz-json-1.0", "monitoring"),
    ("sqs", "ReceiveMessage", "/", "AmazonSQS.ReceiveMessage", "application/x-amz-json-1.0", "sqs")])
def test_services(service, operation, path, target, kind, signing):
    with Server(lambda c, r: answer(c, 200, {})) as server:
        result = run("call", service, operation, "{}", env=environment(**KEYS, AWS_ENDPOINT_URL=server.url))[0]
        assert result["outcome"] == "done", result
        r = server.requests[0]
    assert (r.target, r.header("x-amz-target"), r.header("content-type")) == (path, target, kind)
    check_signature(r, signing)


def test_sns_form():
    with Server(lambda c, r: answer(c, 200, b"<PublishResponse><PublishResult><MessageId>m1</MessageId></PublishResult></PublishResponse>", kind="text/xml")) as server:
        request = {"TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": "é & =", "Subject": "s"}
        result = run("call", "sns", "Publish", json.dumps(request), env=environment(**KEYS, AWS_ENDPOINT_URL=server.url))[0]
        assert result["response"]["MessageId"] == "m1"
        body = dict(urllib.parse.parse_qsl(server.requests[0].body.decode()))
    assert body == {"Action": "Publish", "Version": "2010-03-31", **request}


# ---- the signer against botocore ----

def check_signature(r, service, region="eu-west-1"):
    """What botocore computes over the signed headers of the request as it arrived."""
    from botocore.auth import S3SigV4Auth, SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    authorization = r.header("authorization")
    signed = re.search(r"SignedHeaders=([^,]+)", authorization).group(1).split(";")
    request = AWSRequest(r.method, f"http://{r.header('host')}{r.target}", {n: r.header(n) for n in signed}, r.body)
    request.context["timestamp"] = r.header("x-amz-date")
    auth = (S3SigV4Auth if service == "s3" else SigV4Auth)(Credentials("AKIDEXAMPLE", "secretexample"), service, region)
    prepared = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, prepared), request)
    assert authorization.endswith("Signature=" + signature), prepared
    assert {"host", "x-amz-date"} <= set(signed)
    assert {k.lower() for k, _ in r.headers if k.lower().startswith("x-amz-") or k.lower() == "content-type"} <= set(signed)


def random_text(rng, alphabet, most):
    return "".join(rng.choice(alphabet) for _ in range(rng.randrange(most + 1)))


def random_cases(count, seed):
    rng = random.Random(seed)
    alphabet = "abcXYZ019-_.~ !'()*@:$,;=&?#+%/\\\"<>[]{}|^`éß€😀"
    for _ in range(count):
        service = rng.choice(["personalize", "s3", "s3", "sts"])
        key = "/" + random_text(rng, alphabet + "//..", 20)
        path = urllib.parse.quote(key, safe="/~") if service == "s3" else "/"
        pairs = [(f"{random_text(rng, alphabet, 6)}{i}", random_text(rng, alphabet, 8)) for i in range(rng.randrange(5))]
        query = "&".join(urllib.parse.quote(k, safe="-_.~") + "=" + urllib.parse.quote(v, safe="-_.~") for k, v in sorted(pairs))
        headers = [["Host", rng.choice(["localhost:4580", "s3.eu-west-1.amazonaws.com"])]]
        for i in range(rng.randrange(4)):
            headers.append([f"X-Amz-Meta-{rng.choice('abcd')}{i}", rng.choice(["a  b   c", " lead", "x,y", "plain", "tab\tin"])])
        yield {"service": service, "region": "eu-west-1", "method": rng.choice(["GET", "POST", "PUT"]), "path": path, "query": query,
               "headers": headers, "body": random_text(rng, alphabet, 30), "key": "AKIDEXAMPLE", "secret": "secretexample",
               "time": rng.randrange(1500000000, 1900000000)}


def as_botocore(case):
    from botocore.awsrequest import AWSRequest
    return AWSRequest(case["method"], f"http://{case['headers'][0][1]}{case['path']}" + ("?" + case["query"] if case["query"] else ""),
                      dict(case["headers"]), case["body"].encode())


def amz_date(t):
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(t))


def botocore_auth(case, monkeypatch, presign=False):
    import botocore.auth
    from botocore.credentials import Credentials

    class Frozen(datetime.datetime):
        @classmethod
        def utcnow(cls):
            return datetime.datetime.utcfromtimestamp(case["time"])

        @classmethod
        def now(cls, tz=None):
            return datetime.datetime.fromtimestamp(case["time"], tz)
    monkeypatch.setattr(botocore.auth.datetime, "datetime", Frozen)
    names = {(False, False): "SigV4Auth", (True, False): "S3SigV4Auth", (False, True): "SigV4QueryAuth", (True, True): "S3SigV4QueryAuth"}
    kind = getattr(botocore.auth, names[case["service"] == "s3", presign])
    keys = Credentials("AKIDEXAMPLE", "secretexample", case.get("token"))
    return kind(keys, case["service"], case["region"], *([900] if presign else []))


def feed(command, cases):
    lines = "".join(json.dumps(c) + "\n" for c in cases)
    done = subprocess.run([probe_path(), command], input=lines, capture_output=True, text=True, timeout=60, env=environment())
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_we_sign_as_botocore_does():
    from botocore.auth import S3SigV4Auth, SigV4Auth
    from botocore.credentials import Credentials
    cases = list(random_cases(300, 7))
    for case in cases:
        case["headers"].append(["X-Amz-Date", amz_date(case["time"])])
        if case["service"] == "s3":
            case["headers"].append(["X-Amz-Content-SHA256", hashlib.sha256(case["body"].encode()).hexdigest()])
    for case, answer_ in zip(cases, feed("sign", cases), strict=True):
        auth = (S3SigV4Auth if case["service"] == "s3" else SigV4Auth)(Credentials("AKIDEXAMPLE", "secretexample"), case["service"], "eu-west-1")
        request = as_botocore(case)
        request.context["timestamp"] = amz_date(case["time"])
        text = auth.canonical_request(request)
        assert answer_["authorization"].endswith(auth.signature(auth.string_to_sign(request, text), request)), (case, text)


@pytest.mark.parametrize("presign", [False, True])
def test_what_botocore_signs_is_accepted(monkeypatch, presign):
    cases = []
    for case in random_cases(200, 11):
        if presign:
            case["method"], case["body"] = "GET", ""
        with monkeypatch.context() as patched:
            auth = botocore_auth(case, patched, presign)
            request = as_botocore(case)
            auth.add_auth(request)
        split = urllib.parse.urlsplit(request.url)
        wire = {**case, "path": split.path, "query": split.query, "headers": [[k, v] for k, v in request.headers.items()]}
        if not any(k.lower() == "host" for k, _ in wire["headers"]):
            wire["headers"].append(["Host", case["headers"][0][1]])
        cases.append(wire)
        broken = json.loads(json.dumps(wire))
        broken["path"] += "x"
        cases.append(broken)
    answers = feed("verify", cases)
    for i, (case, got) in enumerate(zip(cases, answers, strict=True)):
        assert got["verdict"] == ("ok" if i % 2 == 0 else "bad_signature"), (case, got)


def test_what_we_presign_is_what_botocore_presigns(monkeypatch):
    cases = [dict(c, method="GET", body="", headers=c["headers"][:1], expires=900) for c in random_cases(100, 13)]
    for case, got in zip(cases, feed("sign", cases), strict=True):
        with monkeypatch.context() as patched:
            auth = botocore_auth(case, patched, True)
            request = as_botocore(case)
            auth.add_auth(request)
        theirs = urllib.parse.parse_qs(urllib.parse.urlsplit(request.url).query, keep_blank_values=True)
        ours = urllib.parse.parse_qs(got["query"], keep_blank_values=True)
        assert ours["X-Amz-Signature"] == theirs["X-Amz-Signature"], (case, request.url)


# ---- settings ----

CONFIG = """
[default]
region = eu-central-1
[profile shop]
region = ap-southeast-2
services = local
[services local]
s3 =
  endpoint_url = http://localhost:9000/s3/
personalize =
  endpoint_url = http://localhost:4580
[profile broken]
services = nowhere
[profile fips]
use_fips_endpoint = true
[profile dual]
use_dualstack_endpoint = true
[profile all]
endpoint_url = http://localhost:1234
"""


@pytest.fixture
def home(tmp_path):
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text(CONFIG)
    return tmp_path


def settings(home, *options, **env):
    e = environment(home, **env)
    if "AWS_REGION" not in env:
        del e["AWS_REGION"]
    return run(*options, "settings", env=e)[0]


def test_region_places(home):
    assert settings(home)["region"] == "eu-central-1"
    assert settings(home, AWS_DEFAULT_REGION="us-east-1")["region"] == "us-east-1"
    assert settings(home, AWS_DEFAULT_REGION="us-east-1", AWS_REGION="us-west-2")["region"] == "us-west-2"
    assert settings(home, "--region", "cn-north-1", AWS_REGION="us-west-2")["personalize"] == "https://personalize.cn-north-1.amazonaws.com.cn"
    assert settings(home, AWS_PROFILE="shop")["region"] == "ap-southeast-2"
    assert "region" in settings(home, AWS_REGION="a/../b")["error"]


def test_endpoint_places(home):
    shop = settings(home, AWS_PROFILE="shop")
    assert (shop["s3"], shop["personalize"]) == ("http://localhost:9000/s3", "http://localhost:4580")
    assert shop["isCustom"] and shop["sts"] == "https://sts.ap-southeast-2.amazonaws.com"
    assert settings(home, AWS_PROFILE="shop", AWS_ENDPOINT_URL="http://localhost:7")["s3"] == "http://localhost:7"
    both = settings(home, AWS_ENDPOINT_URL="http://localhost:7", AWS_ENDPOINT_URL_S3="http://localhost:8")
    assert (both["s3"], both["personalize"]) == ("http://localhost:8", "http://localhost:7")
    assert not settings(home, AWS_PROFILE="all", AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true", AWS_REGION="us-east-1")["isCustom"]
    assert "nowhere" in settings(home, AWS_PROFILE="broken", AWS_REGION="us-east-1")["error"]
    assert "missing" in settings(home, AWS_PROFILE="missing")["error"]


def test_fips_and_dual_stack(home):
    assert settings(home, AWS_PROFILE="fips", AWS_REGION="us-east-1")["personalize"] == "https://personalize-fips.us-east-1.amazonaws.com"
    assert settings(home, AWS_PROFILE="dual", AWS_REGION="us-east-1")["personalize"] == "https://personalize.us-east-1.api.aws"
    assert "custom endpoint" in settings(home, AWS_PROFILE="fips", AWS_REGION="us-east-1", AWS_ENDPOINT_URL="http://localhost:1")["error"]


@pytest.mark.parametrize("url,good", [("http://localhost:4580", 1), ("http://127.0.0.1", 1), ("http://[::1]:4580", 1), ("http://simulator:4580", 1),
                                      ("http://10.1.2.3", 1), ("http://192.168.1.1/base", 1), ("https://aws.example.com/x", 1),
                                      ("http://aws.example.com", 0), ("http://8.8.8.8", 0), ("ftp://localhost", 0), ("localhost:4580", 0),
                                      ("https://u:p@host", 0), ("https://host/?q=1", 0), ("file:///etc/passwd", 0), ("https://", 0)])
def test_endpoint_urls(home, url, good):
    assert ("error" not in settings(home, AWS_ENDPOINT_URL=url)) == bool(good)


# ---- credentials ----

def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def keys_json(number=1, life=3600, **more):
    return {"AccessKeyId": f"ASIA{number}", "SecretAccessKey": "secretexample", "Token": f"token{number}", "Expiration": stamp(life), **more}


def used_keys(server):
    return [re.search(r"Credential=([^/]+)", r.header("authorization")).group(1) for r in server.requests]


@pytest.fixture
def service():
    with Server(lambda c, r: answer(c, 200, {})) as server:
        yield server


def cloud(service, home=None, **env):
    return environment(home, AWS_ENDPOINT_URL_PERSONALIZE=service.url, **env)


def test_container_once_for_all_threads(service, tmp_path):
    (tmp_path / "token").write_text("Bearer x")
    with Server(lambda c, r: time.sleep(0.3) or answer(c, 200, keys_json())) as container:
        env = cloud(service, AWS_CONTAINER_CREDENTIALS_FULL_URI=container.url + "/creds", AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(tmp_path / "token"))
        results = run("--threads", "16", "--repeat", "5", "call", "personalize", "ListSchemas", "{}", env=env)
        assert len(results) == 80 and all(r["outcome"] == "done" for r in results)
        assert len(container.requests) == 1
        assert container.requests[0].header("authorization") == "Bearer x"
    assert set(used_keys(service)) == {"ASIA1"}
    assert service.requests[0].header("x-amz-security-token") == "token1"


@pytest.mark.parametrize("url", ["http://8.8.8.8/x", "http://169.254.169.254/x", "http://example.com/", "file:///etc/passwd", "http://localhost.evil.com/"])
def test_container_urls_that_are_refused(service, url):
    result = run("call", "personalize", "ListSchemas", "{}", env=cloud(service, AWS_CONTAINER_CREDENTIALS_FULL_URI=url))[0]
    assert (result["outcome"], result["class"]) == ("refused", "credentials")
    assert "FULL_URI" in result["message"] and service.requests == []


def imds(role="role", keys=None, token_status=200):
    def behave(c, r):
        if r.target == "/latest/api/token":
            assert r.method == "PUT" and r.header("x-aws-ec2-metadata-token-ttl-seconds") == "21600"
            return answer(c, token_status, b"session", kind="text/plain")
        if r.header("x-aws-ec2-metadata-token") != "session":
            return answer(c, 401, b"")
        if r.target == "/latest/meta-data/iam/security-credentials/":
            return answer(c, 200 if role else 404, (role or "").encode(), kind="text/plain")
        if r.target == f"/latest/meta-data/iam/security-credentials/{role}":
            return answer(c, 200, keys() if keys else keys_json())
        if r.target == "/latest/meta-data/placement/availability-zone":
            return answer(c, 200, b"sa-east-1b", kind="text/plain")
        return answer(c, 404, b"")
    return behave


def imds_env(service, server, **env):
    return cloud(service, AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=server.url, **env)


def test_instance_role_and_region(service):
    with Server(imds()) as server:
        env = imds_env(service, server)
        del env["AWS_REGION"]
        assert run("call", "personalize", "ListSchemas", "{}", env=env)[0]["outcome"] == "done"
        assert run("settings", env=env)[0]["region"] == "sa-east-1"
    assert used_keys(service) == ["ASIA1"]


@pytest.mark.parametrize("status", [400, 403, 404, 405, 500])
def test_version_one_of_the_metadata_service_is_never_used(service, status):
    with Server(imds(token_status=status)) as server:
        result = run("call", "personalize", "ListSchemas", "{}", env=imds_env(service, server))[0]
        assert (result["outcome"], result["class"]) == ("refused", "credentials")
        assert all(r.method == "PUT" for r in server.requests)


def test_expired_instance_keys_stay_in_use(service):
    with Server(imds(keys=lambda: keys_json(life=-60))) as server:
        result = run("call", "personalize", "ListSchemas", "{}", env=imds_env(service, server))[0]
        assert result["outcome"] == "done"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"{\"AccessKeyId\":1}", b"<html>", b"{\"Code\":\"Failed\",\"Message\":\"m\"}"])
def test_instance_keys_that_are_none(service, body):
    def behave(c, r):
        if r.target.endswith("/role"):
            return answer(c, 200, body)
        return imds()(c, r)
    with Server(behave) as server:
        result = run("call", "personalize", "ListSchemas", "{}", env=imds_env(service, server))[0]
        assert (result["outcome"], result["class"]) == ("refused", "credentials")
        assert result["message"]


def test_keys_are_refreshed_before_they_end(service):
    """Keys of 4 s are refreshed at half their life; every call is signed with keys that hold."""
    count = []

    def behave(c, r):
        count.append(1)
        return answer(c, 200, keys_json(number=len(count), life=4))
    with Server(behave) as container:
        results = run("--repeat", "24", "--pause-ms", "250", "call", "personalize", "ListSchemas", "{}",
                      env=cloud(service, AWS_CONTAINER_CREDENTIALS_FULL_URI=container.url))
    assert all(r["outcome"] == "done" for r in results)
    used = used_keys(service)
    assert len(set(used)) >= 2 and used == sorted(used)
    assert len(count) <= 6


def test_a_failed_refresh_keeps_the_keys_until_they_end(service):
    count = []

    def behave(c, r):
        count.append(1)
        return answer(c, 200, keys_json(life=5)) if len(count) == 1 else answer(c, 500, b"")
    with Server(behave) as container:
        started = time.monotonic()
        results = run("--repeat", "40", "--pause-ms", "200", "call", "personalize", "ListSchemas", "{}",
                      env=cloud(service, AWS_CONTAINER_CREDENTIALS_FULL_URI=container.url), timeout=90)
        took = time.monotonic() - started
    outcomes = [(r["outcome"], r["class"]) for r in results]
    done = outcomes.count(("done", "none"))
    assert outcomes[:done] == [("done", "none")] * done and done >= 12, outcomes
    assert set(outcomes[done:]) == {("refused", "credentials")}
    assert len(service.requests) == done, "no call with keys that have ended"
    assert took < 60


def test_a_source_that_hangs_after_the_end_holds_up_no_worker(service):
    """Keys that have ended, and a source that takes the connection and says nothing: calls end in about a second, and so does the program."""
    count = []

    def behave(c, r):
        count.append(1)
        return answer(c, 200, keys_json(life=2)) if len(count) == 1 else time.sleep(20)
    with Server(behave) as container:
        started = time.monotonic()
        results = run("--repeat", "4", "--pause-ms", "1200", "call", "personalize", "ListSchemas", "{}",
                      env=cloud(service, AWS_CONTAINER_CREDENTIALS_FULL_URI=container.url))
        took = time.monotonic() - started
    assert results[0]["outcome"] == "done" and results[-1]["class"] == "credentials"
    assert took < 4 * 2.2 + 3, took


def test_keys_called_expired_are_replaced_once(service):
    def behave(c, r):
        if "ASIA1/" in r.header("authorization"):
            return answer(c, 400, {"__type": "ExpiredTokenException", "message": "The security token included in the request is expired"})
        return answer(c, 200, {})
    service.behave = behave
    count = []

    def container_behave(c, r):
        count.append(1)
        return answer(c, 200, keys_json(number=len(count)))
    with Server(container_behave) as container:
        results = run("--repeat", "3", "--pause-ms", "1500", "call", "personalize", "ListSchemas", "{}",
                      env=cloud(service, AWS_CONTAINER_CREDENTIALS_FULL_URI=container.url))
    assert results[-1]["outcome"] == "done"
    assert len(count) == 2


def sts(number=[0], life=3600):
    def behave(c, r):
        number[0] += 1
        form = dict(urllib.parse.parse_qsl(r.body.decode()))
        kind = form["Action"]
        xml = (f"<{kind}Response xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><{kind}Result><Credentials><AccessKeyId>ASIA-{form['RoleArn'].split('/')[-1]}</AccessKeyId>"
               f"<SecretAccessKey>secretexample</SecretAccessKey><SessionToken>token</SessionToken><Expiration>{stamp(life)}</Expiration></Credentials>"
               f"</{kind}Result></{kind}Response>")
        return answer(c, 200, xml.encode(), kind="text/xml")
    return behave


def write_profiles(tmp_path, config, credentials=""):
    (tmp_path / ".aws").mkdir(exist_ok=True)
    (tmp_path / ".aws/config").write_text(config)
    (tmp_path / ".aws/credentials").write_text(credentials)
    (tmp_path / ".aws/credentials").chmod(0o600)
    (tmp_path / ".aws/config").chmod(0o600)
    return tmp_path


BASE = "[base]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = secretexample\n"


def one_call(service, home, *options, **env):
    return run(*options, "call", "personalize", "ListSchemas", "{}", env=cloud(service, home, **env))[0]


def test_a_chain_of_roles(service, tmp_path):
    home = write_profiles(tmp_path, """
[profile outer]
role_arn = arn:aws:iam::1:role/outer
source_profile = inner
external_id = e x
[profile inner]
role_arn = arn:aws:iam::1:role/inner
source_profile = base
role_session_name = me
duration_seconds = 900
""", BASE)
    with Server(sts()) as server:
        assert one_call(service, home, AWS_PROFILE="outer", AWS_ENDPOINT_URL_STS=server.url)["outcome"] == "done"
        inner, outer = (dict(urllib.parse.parse_qsl(r.body.decode())) for r in server.requests)
        check_signature(server.requests[0], "sts")
        assert used_keys(server) == ["AKIDEXAMPLE", "ASIA-inner"]
        assert server.requests[1].header("x-amz-security-token") == "token"
    assert (inner["RoleSessionName"], inner["DurationSeconds"]) == ("me", "900")
    assert outer["ExternalId"] == "e x" and outer["RoleSessionName"].startswith("steward-")
    assert used_keys(service) == ["ASIA-outer"]


@pytest.mark.parametrize("config,words", [
    ("[profile x]\nrole_arn = r\n", "source_profile"),
    ("[profile x]\nrole_arn = r\nsource_profile = base\ncredential_source = Environment\n", "not both"),
    ("[profile x]\nrole_arn = r\nsource_profile = gone\n", "does not exist"),
    ("[profile x]\nrole_arn = r\nsource_profile = y\n[profile y]\nrole_arn = r\nsource_profile = x\n", "each other"),
    ("[profile x]\nrole_arn = r\nsource_profile = x\n", "each other"),
    ("[profile x]\nrole_arn = r\nsource_profile = base\nmfa_serial = m\n", "mfa_serial"),
    ("[profile x]\nrole_arn = r\ncredential_source = Moon\n", "Moon"),
    ("[profile x]\nrole_arn = r\ncredential_source = EcsContainer\n", "no credentials"),
    ("[profile x]\nweb_identity_token_file = /nonexistent\n", "no role"),
    ("[profile x]\ncredential_process = /bin/false\n", "status 1"),
    ("[profile x]\ncredential_process = 'open\n", "command line"),
    ("[profile x]\ncredential_process = echo {}\n", "Version"),
    ("[profile x]\ncredential_process = /nonexistent/program\n", "cannot be started"),
    ("[profile x]\naws_access_key_id = a\n", "aws_secret_access_key"),
    ("[profile x]\nsso_account_id = 1\n", "sso_role_name"),
    ("[profile x]\nsso_account_id = 1\nsso_role_name = r\nsso_start_url = https://x\nsso_region = eu-west-1\n", "aws sso login"),
])
def test_broken_profiles_say_what_is_wrong(service, tmp_path, config, words):
    home = write_profiles(tmp_path, config, BASE)
    result = one_call(service, home, AWS_PROFILE="x")
    assert (result["outcome"], result["class"]) == ("refused", "credentials"), result
    assert words in result["message"], result["message"]
    assert service.requests == []


def test_a_role_on_its_own_keys_and_on_the_environment(service, tmp_path):
    home = write_profiles(tmp_path, "[profile self]\nrole_arn = arn:aws:iam::1:role/self\nsource_profile = self\n"
                          "[profile env]\nrole_arn = arn:aws:iam::1:role/env\ncredential_source = environment\n",
                          BASE.replace("base", "self"))
    with Server(sts()) as server:
        assert one_call(service, home, AWS_PROFILE="self", AWS_ENDPOINT_URL_STS=server.url)["outcome"] == "done"
        assert one_call(service, home, "--profile", "env", AWS_ENDPOINT_URL_STS=server.url, **KEYS)["outcome"] == "done"
        assert used_keys(server) == ["AKIDEXAMPLE"] * 2
    assert used_keys(service) == ["ASIA-self", "ASIA-env"]


def test_environment_before_profile_unless_it_was_named(service, tmp_path):
    home = write_profiles(tmp_path, "", BASE.replace("AKIDEXAMPLE", "AKIDPROFILE"))
    one_call(service, home, AWS_PROFILE="base", **KEYS)
    one_call(service, home, "--profile", "base", **KEYS)
    assert used_keys(service) == ["AKIDEXAMPLE", "AKIDPROFILE"]


def test_web_identity(service, tmp_path):
    (tmp_path / "jwt").write_text("header.payload.signature\n")
    with Server(sts()) as server:
        result = one_call(service, tmp_path, AWS_WEB_IDENTITY_TOKEN_FILE=str(tmp_path / "jwt"), AWS_ROLE_ARN="arn:aws:iam::1:role/pod",
                          AWS_ROLE_SESSION_NAME="pod-1", AWS_ENDPOINT_URL_STS=server.url)
        assert result["outcome"] == "done"
        form = dict(urllib.parse.parse_qsl(server.requests[0].body.decode()))
        assert server.requests[0].header("authorization") is None
    assert form == {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": "arn:aws:iam::1:role/pod",
                    "RoleSessionName": "pod-1", "WebIdentityToken": "header.payload.signature"}
    assert used_keys(service) == ["ASIA-pod"]


def test_credential_process(service, tmp_path):
    program = tmp_path / "give keys"
    program.write_text("#!/bin/sh\necho \"$2\" >> \"$1\"\n"
                       "echo '{\"Version\":1,\"AccessKeyId\":\"ASIAPROC\",\"SecretAccessKey\":\"secretexample\",\"SessionToken\":\"t\"}'\n")
    program.chmod(0o700)
    home = write_profiles(tmp_path, f"[profile p]\ncredential_process = \"{program}\" {tmp_path}/log 'a $HOME \"b'\n")
    assert one_call(service, home, AWS_PROFILE="p")["outcome"] == "done"
    assert used_keys(service) == ["ASIAPROC"]
    assert (tmp_path / "log").read_text() == "a $HOME \"b\n"


def test_files_with_keys_that_others_can_read_are_refused(service, tmp_path):
    home = write_profiles(tmp_path, "", BASE)
    (tmp_path / ".aws/credentials").chmod(0o644)
    result = one_call(service, home, AWS_PROFILE="base")
    assert "chmod 600" in result["message"] and service.requests == []


def test_no_credentials_at_all(service, tmp_path):
    result = one_call(service, tmp_path)
    assert (result["outcome"], result["class"]) == ("refused", "credentials")
    assert "No AWS credentials" in result["message"] and service.requests == []


def test_a_batch_without_credentials_ends_at_once(service, tmp_path):
    results = run("--batch", "3", "--mutating", "call", "personalize", "CreateSchema", "{}", env=cloud(service, tmp_path))
    assert [(r["outcome"], r["class"]) for r in results] == [("refused", "credentials")] * 3
    assert service.requests == []


def test_local_mode_looks_at_nothing(service, tmp_path):
    home = write_profiles(tmp_path, "", BASE.replace("base", "default"))
    result = run("--local", "--region", "eu-west-1", "--endpoint", service.url, "call", "personalize", "ListSchemas", "{}",
                 env=environment(home, **KEYS))[0]
    assert result["class"] == "credentials" and service.requests == []

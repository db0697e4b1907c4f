"""Incoming triggers: who may deliver, what a repeat is, what is refused, and that a message makes one run whatever happens."""
import base64
import concurrent.futures
import hashlib
import hmac
import json
import subprocess
import time
import urllib.parse

import pytest
import requests

from server_kit import BUCKET, BUILD, Server, config, wait_until
from test_access import sql
from test_contract import check
from webhook_kit import with_the_public_library

SHOP = "trg-shop"


@pytest.fixture(scope="module")
def server():
    with Server(None, "--auth-failure-delay", "0", "--observe-every", "0", "--webhook-allow", "127.0.0.0/8") as s:
        s.put_data(SHOP)
        s.wait_run(s.apply(config(SHOP))["run"]["id"])
        yield s


def make(server, auth="standardWebhooks", **members):
    body = {"config": SHOP, "kind": "import", "auth": auth, "dedupeWindowSeconds": 0, "maxPerDay": 1000} | members
    answer = server.post("/triggers", json=body)
    assert answer.status_code == 201, answer.text
    check(answer, "POST", "/triggers")
    return answer.json()


def signature(secret, message_id, at, body):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256).digest()).decode()


def headers_of(trigger, body, message_id=None, at=None, secret=None):
    secret = secret or trigger.get("secret")
    if trigger["auth"] == "standardWebhooks":
        message_id, at = message_id or f"msg_{time.monotonic_ns()}", str(int(time.time() if at is None else at))
        return {"webhook-id": message_id, "webhook-timestamp": at, "webhook-signature": signature(secret, message_id, at, body)}
    if trigger["auth"] == "github":
        return {"X-GitHub-Delivery": message_id or f"d-{time.monotonic_ns()}", "X-GitHub-Event": "push",
                "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}
    return {"Authorization": f"Bearer {secret}"} | ({"Idempotency-Key": message_id} if message_id else {})


def send(server, trigger, body=b"{}", **kw):
    return post(server, trigger, headers_of(trigger, body, **kw), body)


def post(server, trigger, headers, body=b"{}"):
    answer = requests.post(server.url + trigger["hook"], data=body, headers={"Content-Type": "application/json"} | headers, timeout=60)
    if answer.status_code != 401:
        check(answer, "POST", "/hooks/{triggerId}")
    return answer


def runs_of(server, trigger):
    return [r[0] for r in sql(server, "SELECT id FROM runs WHERE trigger_id = %s ORDER BY id", trigger["id"])]


def deliveries(server, trigger, query=""):
    answer = server.get(f"/triggers/{trigger['id']}/deliveries?limit=200{query}")
    check(answer, "GET", "/triggers/{id}/deliveries")
    return answer.json()["items"]


# ---- who may deliver ----

@pytest.mark.parametrize("auth", ["standardWebhooks", "github", "bearer"])
def test_a_message_starts_what_the_trigger_says(server, auth):
    trigger = make(server, auth, options={"force": True})
    # The payload would like something else; it is not asked.
    wish = {"dataVersion": "7", "config": "other", "kind": "destroy", "options": {"confirm": True}}
    body = json.dumps(wish).encode()
    answer = send(server, trigger, body, message_id="first")
    assert answer.status_code == 202, answer.text
    run = server.ok("GET", "/runs/" + answer.json()["run"])
    assert answer.headers["Location"] == "/runs/" + run["id"]
    assert (run["config"], run["kind"], run["trigger"]) == (SHOP, "import", "hook")
    assert run["triggerId"] == trigger["id"] and run["dataVersion"] == "7" and run["options"]["force"] is True
    assert server.wait_run(run["id"])["status"] == "succeeded"
    again = send(server, trigger, body, message_id="first")
    assert again.status_code == 200 and again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["id"] == answer.json()["id"] and again.json()["run"] == run["id"]
    assert runs_of(server, trigger) == [run["id"]]
    shown = server.ok("GET", f"/triggers/{trigger['id']}")
    assert shown["lastRunId"] == run["id"] and "secret" not in shown


def test_what_is_forged_replayed_or_stale_is_refused_alike(server):
    """Twelve ways, for the three ways to sign; and a trigger that does not exist. All the same answer, and no run."""
    standard, github, bearer = (make(server, a) for a in ("standardWebhooks", "github", "bearer"))
    body, now = b'{"a": 1}', int(time.time())
    good = headers_of(standard, body, "m")
    hub = headers_of(github, body, "m")
    cases = [
        (standard, {}, body),
        (standard, good | {"webhook-signature": "v1," + base64.b64encode(b"x" * 32).decode()}, body),
        (standard, good, b'{"a": 2}'),
        (standard, good | {"webhook-id": "other"}, body),
        (standard, good | {"webhook-timestamp": str(now + 1)}, body),
        (standard, headers_of(standard, body, "old", at=now - 3600), body),
        (standard, headers_of(standard, body, "early", at=now + 3600), body),
        (standard, headers_of(standard, body, "m", secret="whsec_" + base64.b64encode(b"k" * 32).decode()), body),
        (github, hub | {"X-Hub-Signature-256": "sha256=" + "0" * 64}, body),
        (github, hub, b'{"a": 2}'),
        (bearer, {"Authorization": "Bearer " + bearer["secret"][:-1] + "x"}, body),
        (bearer, {"Authorization": f"Bearer {server.token}"}, body),
        (bearer, good, body),
        ({"hook": "/hooks/trg_01M85TKWP9FK0SMM7WJPKY9B07"}, good, body),
        ({"hook": "/hooks/nothing"}, good, body),
    ]
    seen = set()
    for trigger, headers, sent in cases:
        answer = post(server, trigger, headers, sent)
        assert answer.status_code == 401, (headers, answer.text)
        problem = answer.json()
        assert problem.pop("instance") == trigger["hook"] and problem.pop("requestId")
        seen.add((json.dumps(problem, sort_keys=True), tuple(sorted(k for k in answer.headers if k != "Date"))))
    assert len(seen) == 1, seen
    assert post(server, standard, good, body).status_code == 202, "what was not believed is not remembered either"
    assert post(server, standard, good, body).headers["Idempotency-Replayed"] == "true"
    # GitHub signs the body only: under another delivery id it is still the same message.
    assert post(server, github, hub, body).status_code == 202
    assert post(server, github, hub | {"X-GitHub-Delivery": "another"}, body).headers["Idempotency-Replayed"] == "true"
    assert [len(runs_of(server, t)) for t in (standard, github, bearer)] == [1, 1, 0]


def test_the_public_library_signs_for_it(server):
    trigger = make(server)
    script = ("const [s, id, body] = process.argv.slice(1); const at = new Date();"
              "console.log(JSON.stringify({at: Math.floor(at / 1000), signature: new Webhook(s).sign(id, at, body)}))")
    signed = json.loads(with_the_public_library(script, trigger["secret"], "lib-1", '{"é": 1}'))
    headers = {"webhook-id": "lib-1", "webhook-timestamp": str(signed["at"]), "webhook-signature": signed["signature"]}
    assert post(server, trigger, headers, '{"é": 1}'.encode()).status_code == 202


def test_github_pings_and_sends_forms(server):
    trigger = make(server, "github", secret="a-secret-that-github-knows")
    ping = headers_of(trigger, b'{"zen": "x"}') | {"X-GitHub-Event": "ping"}
    assert post(server, trigger, ping, b'{"zen": "x"}').json()["status"] == "pong" and not runs_of(server, trigger)
    form = ("payload=" + urllib.parse.quote_plus('{"client_payload": {"dataVersion": "v 9+"}}')).encode()
    answer = post(server, trigger, headers_of(trigger, form) | {"Content-Type": "application/x-www-form-urlencoded"}, form)
    assert answer.status_code == 202 and answer.json()["dataVersion"] == "v 9+"


def test_a_secret_is_shown_once_and_the_old_one_counts_for_a_day(server):
    key = {"Idempotency-Key": "trg-once"}
    body = {"config": SHOP, "kind": "import", "auth": "standardWebhooks", "name": "once", "dedupeWindowSeconds": 0}
    made = server.post("/triggers", json=body, headers=key).json()
    again = server.post("/triggers", json=body, headers=key)
    assert again.headers["Idempotency-Replayed"] == "true" and "secret" not in again.json()
    assert server.post("/triggers", json=body).json()["code"] == "name-taken"
    secrets = [made["secret"]]
    for auth in ("standardWebhooks", "github", "bearer"):
        trigger = made if auth == made["auth"] else make(server, auth)
        rotated = server.post(f"/triggers/{trigger['id']}/rotate")
        check(rotated, "POST", "/triggers/{id}/rotate")
        old, new = trigger["secret"], rotated.json()["secret"]
        secrets += [old, new]
        assert new != old and rotated.json()["oldSecretUntil"]
        for n, secret in enumerate((old, new)):
            assert send(server, trigger, b"%d" % n, secret=secret, message_id=f"r{n}").status_code == 202
        sql(server, "UPDATE triggers SET old_secret_until = now() WHERE id = %s", trigger["id"])
        assert send(server, trigger, b"9", secret=old, message_id="r9").status_code == 401
    dump = json.dumps(sql(server, "SELECT to_jsonb(t)::text FROM triggers t")) + server.log.read_text() + server.get("/events?limit=200").text
    dump += server.get("/triggers?limit=200").text + json.dumps(sql(server, "SELECT body FROM idempotency_keys"))
    assert not any(s.removeprefix("whsec_") in dump for s in secrets)


# ---- refused for now ----

def rejected(server, trigger, body=b"{}", **kw):
    answer = send(server, trigger, body, **kw)
    assert answer.status_code == 429, answer.text
    assert answer.json()["code"] == "trigger-rejected" and int(answer.headers["Retry-After"]) > 0
    return deliveries(server, trigger, "&status=rejected")[0]


def trouble(server, trigger):
    """What /problems says of it now."""
    found = [p for p in server.ok("GET", "/problems")["items"] if p["subject"] == f"triggers/{trigger['id']}"]
    return found[0] if found else None


def events(server, trigger):
    sequenced = wait_until(lambda: not sql(server, "SELECT 1 FROM events WHERE seq IS NULL") and
                           [e for e in server.ok("GET", "/events?type=trigger.rejected&limit=200")["items"]
                            if e["subject"] == f"triggers/{trigger['id']}"])
    return [e["data"]["code"] for e in sequenced]


def test_cooldown_daily_cap_pause_budget_and_switch(server):
    trigger = make(server, cooldownSeconds=3600)
    assert send(server, trigger).status_code == 202
    first = rejected(server, trigger, message_id="late")
    assert first["code"] == "cooldown" and first["messageId"] == "late"
    rejected(server, trigger, message_id="late")  # told once: the sender only tries again
    assert len(deliveries(server, trigger, "&status=rejected")) == 1
    server.ok("PATCH", f"/triggers/{trigger['id']}", json={"cooldownSeconds": 0})
    assert send(server, trigger, message_id="late").status_code == 202, "a rejected message is not a repeat"
    server.ok("PATCH", f"/triggers/{trigger['id']}", json={"maxPerDay": 2})
    assert rejected(server, trigger)["code"] == "daily-cap"
    server.ok("PATCH", f"/triggers/{trigger['id']}", json={"maxPerDay": 1000, "enabled": False})
    assert rejected(server, trigger)["code"] == "disabled"
    server.ok("PATCH", f"/triggers/{trigger['id']}", json={"enabled": True})
    server.ok("POST", "/pause", json={"reason": "the month is over"})
    try:
        assert "the month is over" in rejected(server, trigger)["reason"]
    finally:
        server.ok("POST", "/resume")
    training = make(server, kind="trainFull")
    assert server.ok("POST", f"/triggers/{training['id']}/test")["wouldStart"] is True
    sql(server, "UPDATE steps SET spent = 20, last_mark_at = now() WHERE id = (SELECT id FROM steps WHERE kind = 'solutionVersion' LIMIT 1)")
    try:
        assert rejected(server, training)["code"] == "budget"
        problem = trouble(server, training)  # /problems once said nothing of what a trigger could not start
        assert "trainings that the fuse allows" in problem["message"] and problem["command"] == f"GET /triggers/{training['id']}/deliveries"
        assert trouble(server, trigger) is None, "a pause and a cool-down are no trouble of the trigger's"
        assert server.ok("POST", f"/triggers/{training['id']}/test")["code"] == "budget"
    finally:
        sql(server, "UPDATE steps SET spent = 1 WHERE spent = 20")
    assert sorted(events(server, trigger)) == ["cooldown", "daily-cap", "disabled", "paused"]
    assert events(server, training) == ["budget"] and not runs_of(server, training)


def test_the_same_content_within_the_window_is_a_repeat(server):
    trigger = make(server, dedupeWindowSeconds=3600)
    first = send(server, trigger, b'{"data": {"dataVersion": "1"}}').json()
    same = send(server, trigger, b'{"dataVersion": "1", "try": 2}')
    assert same.status_code == 200 and same.json()["run"] == first["run"]
    assert send(server, trigger, b'{"dataVersion": "2"}').status_code == 202
    server.wait_run(first["run"])
    sql(server, "UPDATE runs SET state = 'failed' WHERE id = %s", first["run"])
    sql(server, "UPDATE trigger_deliveries SET run_id = %s WHERE trigger_id = %s", first["run"], trigger["id"])
    assert first["run"] in trouble(server, trigger)["message"]
    assert send(server, trigger, b'{"dataVersion": "1"}').status_code == 202, "it was not done the first time"
    assert send(server, trigger, b'{"dataVersion": 3}').json()["errors"][0]["pointer"] == "/dataVersion"
    sql(server, "UPDATE trigger_seen SET expires_at = now() WHERE trigger_id = %s", trigger["id"])
    assert send(server, trigger, b'{"dataVersion": "2"}').status_code == 202


def test_test_says_what_is_wrong_with_a_sample(server):
    trigger = make(server, "github", name="sample")
    body = '{"ref": "main"}'
    for secret, authentic in ((trigger["secret"], True), ("another-secret-altogether", False)):
        answer = server.post("/triggers/sample/test", json={"headers": headers_of(trigger, body.encode(), secret=secret), "body": body})
        check(answer, "POST", "/triggers/{id}/test")
        assert answer.json()["sample"]["authentic"] is authentic and answer.json()["steps"]
    assert not runs_of(server, trigger) and not deliveries(server, trigger)


def test_bodies_that_are_no_good(server):
    good = {"config": SHOP, "kind": "retrain", "auth": "bearer"}
    for change, pointer in (
            ({"kind": "nonsense"}, "/kind"), ({"kind": "destroy"}, "/kind"), ({"auth": "basic"}, "/auth"), ({"config": "none"}, "/config"),
            ({"options": {"mode": "half"}}, "/options/mode"), ({"options": {"no": 1}}, "/options/no"),
            ({"options": {"solutions": ["none"]}}, "/options"), ({"kind": "deleteData"}, "/options/confirm"),
            ({"auth": "sns"}, "/topicArn"), ({"auth": "sns", "topicArn": "arn:x"}, "/topicArn"),
            ({"topicArn": "arn:aws:sns:us-east-1:123456789012:x"}, "/topicArn"), ({"secret": "short"}, "/secret"),
            ({"maxPerDay": 0}, "/maxPerDay"), ({"quietSeconds": -1}, "/quietSeconds"), ({"cooldownSeconds": 10**9}, "/cooldownSeconds"),
            ({"more": 1}, "/more")):
        body = good | change
        if body["kind"] == "deleteData":
            body["options"] = {}
        answer = server.post("/triggers", json=body)
        assert answer.status_code == 422, (change, answer.text)
        assert pointer in [e["pointer"] for e in answer.json()["errors"]], (change, answer.text)
    deleting = good | {"kind": "deleteData", "options": {"confirm": True, "dataLocation": "s3://b/users.csv"}}
    assert server.post("/triggers", json=deleting, token=server.new_token("operate")).json()["errors"][0]["code"] == "forbidden"
    large = requests.post(server.url + make(server)["hook"], data=b"x" * ((1 << 20) + 1), timeout=60)
    assert large.status_code == 413


def test_the_command_line(server):
    def run(*arguments):
        return subprocess.run([str(BUILD / "steward"), "triggers", *arguments, "--data-dir", str(server.data_dir)], capture_output=True,
                              text=True, timeout=60, env=server.env)

    made = run("create", SHOP, "import", "--auth", "bearer", "--name", "by-hand", "--cooldown-seconds", "60")
    assert made.returncode == 0 and made.stdout.startswith("stw_hook_"), made.stderr
    assert "by-hand" in run("list", "--config", SHOP).stdout
    assert run("test", "by-hand").stdout.startswith("A delivery would start a run of ")
    assert run("update", "by-hand", "--disable", "--max-per-day", "3").returncode == 0
    shown = json.loads(run("get", "by-hand", "--json").stdout)
    assert shown["enabled"] is False and shown["maxPerDay"] == 3 and shown["cooldownSeconds"] == 60
    headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
    assert requests.post(server.url + shown["hook"], headers=headers, timeout=60).status_code == 429
    assert "switched off" in run("deliveries", "by-hand", "--status", "rejected").stdout
    assert run("rotate", "by-hand").stdout.startswith("stw_hook_") and run("delete", "by-hand").returncode == 0
    assert run("get", "by-hand").returncode == 1 and run("nonsense").returncode == 2


# ---- one run, whatever happens ----

@pytest.mark.concurrency
@pytest.mark.parametrize("quiet", [0, 1])
def test_a_hundred_deliveries_of_one_message_make_one_run(server, quiet):
    trigger = make(server, quietSeconds=quiet)
    headers = headers_of(trigger, b"{}", message_id="crowd")
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: post(server, trigger, headers), range(100)))
    assert {a.status_code for a in answers} <= {200, 202, 409}, [a.text for a in answers if a.status_code > 202]
    assert sum(a.status_code == 202 for a in answers) == 1
    assert len({a.json()["id"] for a in answers if a.status_code != 409}) == 1
    wait_until(lambda: runs_of(server, trigger), 30)
    assert len(runs_of(server, trigger)) == 1 and len(deliveries(server, trigger)) == 1


def test_an_upload_of_many_parts_makes_one_run(server):
    trigger = make(server, "bearer", quietSeconds=2)

    def created(*keys, bucket=BUCKET):
        return json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": {"key": k}}}
                                       for k in keys]}).encode()

    for ignored in (created("train/other/interactions.csv"), created(f"train/{SHOP}/notes.txt"), created(f"train/{SHOP}/users.csv", bucket="x"),
                    b'{"Service": "Amazon S3", "Event": "s3:TestEvent"}'):
        answer = send(server, trigger, ignored)
        assert answer.status_code == 200 and answer.json()["status"] == "ignored", answer.text
    for part in range(5):
        answer = send(server, trigger, created(f"train/{SHOP}/interactions/part-{part}.csv"))
        assert answer.status_code == 202 and answer.json()["status"] == "waiting" and answer.json()["dueAt"], answer.text
    bridge = {"source": "aws.s3", "detail-type": "Object Created",
              "detail": {"bucket": {"name": BUCKET}, "object": {"key": f"train/{SHOP}/interactions/part-5.csv"}}}
    send(server, trigger, json.dumps(bridge).encode())
    assert not runs_of(server, trigger)
    run, = wait_until(lambda: runs_of(server, trigger), 30)
    assert server.wait_run(run)["trigger"] == "hook"
    assert [(d["status"], d["run"]) for d in deliveries(server, trigger)] == [("started", run)] * 6
    assert "dueAt" not in server.ok("GET", f"/triggers/{trigger['id']}")


def test_what_waits_waits_for_the_end_of_a_pause_too(server):
    trigger, off = make(server, quietSeconds=1), make(server, quietSeconds=1)
    assert send(server, trigger).json()["status"] == "waiting"
    assert send(server, off).json()["status"] == "waiting"
    server.ok("PATCH", f"/triggers/{off['id']}", json={"enabled": False, "kind": "observe"})
    server.ok("POST", "/pause")
    try:
        wait_until(lambda: sql(server, "SELECT 1 FROM quiet_runs WHERE key = %s AND due_at < now()", trigger["id"]))
        time.sleep(1.5)  # a scheduler's turn or two
        assert not runs_of(server, trigger)
    finally:
        server.ok("POST", "/resume")
    wait_until(lambda: runs_of(server, trigger), 30)
    assert not runs_of(server, off)
    assert rejected(server, off)["code"] == "disabled"
    server.ok("PATCH", f"/triggers/{off['id']}", json={"enabled": True})
    run, = wait_until(lambda: runs_of(server, off), 30)
    assert server.ok("GET", f"/runs/{run}")["kind"] == "observe", "what the trigger says when it starts"


@pytest.mark.parametrize("point, quiet", [("api.committed", 0), ("quiet.before_commit", 1), ("quiet.after_commit", 1)])
def test_one_run_through_a_crash(tmp_path, point, quiet):
    """kill -9 between the commit and the answer, and around the start of what waited: the sender asks again, one run."""
    with Server(tmp_path, "--observe-every", "0") as server:
        server.wait_run(server.apply(config(SHOP, 0))["run"]["id"])
        trigger = server.ok("POST", "/triggers", json={"config": SHOP, "kind": "observe", "auth": "standardWebhooks", "quietSeconds": quiet})
        headers = headers_of(trigger, b"{}", message_id="crash")
        assert server.stop() == 0
        server.env["STEWARD_FAILPOINTS"] = f"{point}=kill9"
        server.start()
        try:
            requests.post(server.url + trigger["hook"], data=b"{}", headers=headers, timeout=20)
        except requests.RequestException:
            pass
        server.process.wait(timeout=30)
        server.process = None
        del server.env["STEWARD_FAILPOINTS"]
        server.start()
        answer = requests.post(server.url + trigger["hook"], data=b"{}", headers=headers, timeout=20)
        assert answer.status_code in (200, 202), answer.text
        wait_until(lambda: runs_of(server, trigger), 30)
        assert len(runs_of(server, trigger)) == 1
        assert [d["status"] for d in deliveries(server, trigger)] == ["started"]

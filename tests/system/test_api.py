"""The REST API as clients meet it: bad input on each route, concurrency, idempotency, cursors, long polls, streams."""
import concurrent.futures
import json
import threading
import time

import pytest
import requests

from server_kit import config, wait_until

UNKNOWN_RUN = "run_" + "0" * 26


def problem(answer, status, code=None):
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:400]}"
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    body = answer.json()
    assert body["status"] == status
    assert body["detail"]
    if code:
        assert body["code"] == code, body
    return body


@pytest.fixture(scope="module")
def shop(steward):
    """A config that exists."""
    steward.put_data("shop")
    steward.wait_run(steward.apply(config("shop"))["run"]["id"])
    return "shop"


# ---- who may ----

SCOPES = ("read", "operate", "apply", "admin")
CASES = [  # method, path, scope it needs, body
    ("GET", "/configs", "read", None), ("POST", "/configs", "apply", {}), ("PUT", "/configs/none", "apply", {}),
    ("POST", "/configs/validate", "read", {}), ("GET", "/configs/none", "read", None),
    ("GET", "/runs", "read", None), ("POST", "/runs", "operate", {}), ("GET", f"/runs/{UNKNOWN_RUN}", "read", None),
    ("POST", f"/runs/{UNKNOWN_RUN}/cancel", "operate", {}), ("GET", "/schedules", "read", None),
    ("GET", "/events", "read", None), ("GET", "/recipes", "read", None), ("GET", "/metrics", "read", None),
    ("GET", "/tokens", "admin", None), ("POST", "/tokens", "admin", {}), ("DELETE", "/tokens/000000000000", "admin", None),
]


def test_scopes(steward):
    tokens = {scope: steward.new_token(scope) for scope in SCOPES}
    for method, path, needed, body in CASES:
        for scope in SCOPES:
            answer = steward.call(method, path, token=tokens[scope], json=body)
            if SCOPES.index(scope) >= SCOPES.index(needed):
                assert answer.status_code not in (401, 403), (path, scope)
            else:  # before any object is looked up
                assert needed in problem(answer, 403, "forbidden")["detail"]
        problem(steward.call(method, path, token="", json=body), 401, "unauthenticated")


def test_bad_tokens(steward):
    good = steward.new_token("read")
    flipped = good[:-1] + ("0" if good[-1] != "0" else "1")
    other = "stw_" + "A" * 12 + good[16:]
    for token in (flipped, other, good[:-1], "x", good + "x"):
        problem(steward.get("/configs", token=token), 401, "unauthenticated")
    for header in ("Basic abc", "Bearer", good, f"bearer  {flipped}"):
        problem(steward.get("/configs", token="", headers={"Authorization": header}), 401)
    assert steward.get("/configs", token="", headers={"Authorization": f"bearer {good}"}).status_code == 200


def test_tokens_live_and_die(steward):
    made = steward.post("/tokens", json={"name": "gone", "scopes": ["read"], "expiresInDays": 1})
    assert made.status_code == 201
    body = made.json()
    assert made.headers["Location"] == f"/tokens/{body['id']}"
    assert steward.get("/configs", token=body["token"]).status_code == 200
    shown = steward.ok("GET", f"/tokens/{body['id']}")
    assert "token" not in shown and shown["scopes"] == ["read"]
    assert body["token"] not in steward.get("/tokens").text
    assert steward.call("DELETE", f"/tokens/{body['id']}").status_code == 204
    assert steward.call("DELETE", f"/tokens/{body['id']}").status_code == 204
    problem(steward.get("/configs", token=body["token"]), 401)


def test_a_token_gives_no_scope_it_lacks_and_the_last_admin_stays(start_server):
    server = start_server()
    admin = server.token
    second = server.ok("POST", "/tokens", json={"name": "second", "scopes": ["admin"]})
    first = next(t["id"] for t in server.ok("GET", "/tokens")["items"] if t["name"] == "first admin token")
    assert server.call("DELETE", f"/tokens/{first}", token=second["token"]).status_code == 204
    problem(server.get("/configs", token=admin), 401)
    problem(server.call("DELETE", f"/tokens/{second['id']}", token=second["token"]), 409, "last-admin-token")


def test_token_bodies(steward):
    def pointers(body):
        return {e["pointer"] for e in problem(steward.post("/tokens", json=body), 422)["errors"]}

    assert pointers({}) == {"/name", "/scopes"}
    assert pointers({"name": "", "scopes": []}) == {"/name"}
    assert pointers({"name": "x", "scopes": []}) == {"/scopes"}
    assert pointers({"name": "x", "scopes": ["root", 1], "expiresInDays": 9999}) == {"/scopes/0", "/scopes/1", "/expiresInDays"}
    assert pointers({"name": "x", "scopes": ["read"], "id": "mine"}) == {"/id"}


# ---- bad input ----

def test_routing(steward):
    problem(steward.get("/nothing"), 404, "no-such-route")
    answer = steward.call("DELETE", "/runs")
    problem(answer, 405, "method-not-allowed")
    assert {"GET", "POST"} <= set(answer.headers["Allow"].replace(" ", "").split(","))
    answer = steward.call("OPTIONS", "/runs", token="")
    assert answer.status_code == 204 and "POST" in answer.headers["Allow"]
    head = steward.call("HEAD", "/configs")
    assert head.status_code == 200 and not head.content


def test_unknown_query_parameters_are_named(steward, shop):
    for method, path in (("GET", "/configs"), ("GET", "/runs"), ("GET", "/events"), ("GET", f"/configs/{shop}"),
                         ("POST", "/configs"), ("GET", "/livez"), ("GET", f"/runs/{UNKNOWN_RUN}")):
        body = problem(steward.call(method, path + "?frobnicate=1", json={} if method == "POST" else None), 400,
                       "unknown-parameter")
        assert "frobnicate" in body["detail"]
    problem(steward.get("/runs?dryRun=true"), 400, "unknown-parameter")


@pytest.mark.parametrize("path", [
    "/runs?limit=0", "/runs?limit=201", "/runs?limit=x", "/runs?status=done", "/runs?kind=cook", "/runs?trigger=me",
    "/runs?createdAfter=yesterday", "/runs?cursor=abc", "/configs?cursor=zz", "/events?after=-1", "/events?type=%25",
    "/events?run=run_1", f"/runs/{UNKNOWN_RUN}?wait=61", "/schedules?paused=maybe", "/configs/x?view=raw"])
def test_bad_parameters(steward, path):
    problem(steward.get(path), 400)


@pytest.mark.parametrize("path", [
    "/configs/none", "/configs/%27%20or%201=1", "/configs/none/versions", "/configs/none/resources", "/configs/none/versions/1",
    "/configs/shop/versions/0", "/configs/shop/versions/99", "/configs/shop/versions/x", "/configs/shop/versions/1'",
    f"/runs/{UNKNOWN_RUN}", "/runs/run_1", "/runs/1;drop", f"/runs/{UNKNOWN_RUN}/events", "/runs/run_%00/events",
    "/schedules/sch_1", "/schedules/sch_" + "0" * 26, "/schedules/sch_" + "0" * 26 + "/fires", "/tokens/abc",
    "/tokens/000000000000", "/solutions/none/versions", "/solutions/%25/versions"])
def test_unknown_objects(steward, shop, path):
    answer = steward.get(path)
    assert answer.status_code in (404, 400) if "%00" in path else answer.status_code == 404, answer.text


BODIES = ["", "{", "[]", "null", "1", '"x"', '{"a":1,"a":2}', "{}x", "\ufeff{}", "[" * 40 + "]" * 40, '{"a":"\\u0000"}']


@pytest.mark.parametrize("method,path", [("POST", "/configs"), ("PUT", "/configs/shop"), ("POST", "/runs"), ("POST", "/tokens"),
                                         ("POST", "/configs/validate")])
def test_broken_bodies(steward, shop, method, path):
    for text in BODIES:
        answer = steward.call(method, path, data=text.encode(), headers={"Content-Type": "application/json"})
        if path.endswith("validate"):
            assert answer.status_code == 200 and not answer.json()["valid"], text
            continue
        body = problem(answer, 422 if text in ("[]", "null", "1", '"x"') else 400)
        assert body["errors"], text
    for raw in (b'{"a":"\xff"}', b"\x00", b"{} \x00"):
        answer = steward.call(method, path, data=raw, headers={"Content-Type": "application/json"})
        assert answer.status_code in (200, 400), raw


def test_body_types(steward):
    for path in ("/configs", "/runs", "/tokens", "/configs/validate"):
        body = problem(steward.call("POST", path, data="a=b", headers={"Content-Type": "application/x-www-form-urlencoded"}),
                       415)
        assert "Content-Type: application/json" in body["detail"]
        problem(steward.call("POST", path, data="{}", headers={"Content-Type": ""}), 415)
    problem(steward.call("GET", "/configs", data="{}"), 400, "unexpected-body")
    problem(steward.post("/runs", json={}, headers={"Sec-Fetch-Site": "cross-site"}), 403, "cross-site")
    answer = steward.call("POST", "/configs/validate", data="{}", headers={"Content-Type": "application/merge-patch+json; charset=utf-8"})
    assert answer.status_code == 200


def test_huge_bodies(steward):
    answer = steward.call("POST", "/configs", data=b" " * (1 << 20) + b"{}", headers={"Content-Type": "application/json"})
    problem(answer, 413)
    problem(steward.call("POST", "/configs", data=b'{"x":"' + b"a" * 900000 + b'"}',
                         headers={"Content-Type": "application/json"}), 422)


def test_run_bodies(steward, shop):
    def pointers(body):
        return {e["pointer"] for e in problem(steward.post("/runs", json=body), 422)["errors"]}

    assert pointers({}) == {"/config", "/kind"}
    assert pointers({"config": 1, "kind": [], "what": 1}) == {"/config", "/kind", "/what"}
    assert pointers({"config": "none", "kind": "import"}) == {"/config"}
    assert pointers({"config": shop, "kind": "cook"}) == {"/kind"}
    assert pointers({"config": shop, "kind": "adopt"}) == {"/kind"}  # POST /configs/import does it
    assert pointers({"config": shop, "kind": "deleteData"}) == {"/confirm", "/dataLocation"}
    operator = steward.new_token("operate")
    body = problem(steward.post("/runs", json={"config": shop, "kind": "destroy"}, token=operator), 403, "forbidden")
    assert "apply" in body["detail"]
    assert pointers({"config": shop, "kind": "retrain", "mode": "half", "import": "maybe", "solutions": [1]}) == \
        {"/mode", "/import", "/solutions/0"}
    problem(steward.post("/runs", json={"config": shop, "kind": "train", "solutions": ["nope"]}), 422, "invalid")


def test_all_problems_of_a_parameter_file_at_once(steward):
    document = config("bad", solutions=2)
    del document["solutions"][0]["serviceConfig"]["name"]
    document["solutions"][1]["campaigns"][0]["serviceConfig"]["minProvisionedTPS"] = "one"
    document["frobnicate"] = 1
    body = problem(steward.post("/configs", json=document), 422, "invalid")
    assert {e["pointer"] for e in body["errors"]} >= {
        "/solutions/0/serviceConfig/name", "/solutions/1/campaigns/0/serviceConfig/minProvisionedTPS", "/frobnicate"}
    assert steward.get("/configs/bad").status_code == 404
    checked = steward.ok("POST", "/configs/validate", json=document)
    assert not checked["valid"] and len(checked["errors"]) == len(body["errors"])


def test_names_belong_to_one_config(steward, shop):
    document = config("thief")
    document["solutions"][0]["campaigns"][0]["serviceConfig"]["name"] = "shop-c0"
    body = problem(steward.post("/configs", json=document), 422, "name-taken")
    assert [e["pointer"] for e in body["errors"]] == ["/solutions/0/campaigns/0/serviceConfig/name"]
    assert "shop" in body["errors"][0]["detail"]
    # The check alone once knew one file only, and called valid what a POST then refused. A solution's versions are not told beside it.
    document["solutions"][0]["serviceConfig"]["name"] = "shop-s0"
    checked = steward.ok("POST", "/configs/validate", json=document)
    assert not checked["valid"] and {(e["pointer"], e["code"]) for e in checked["errors"]} == {
        ("/solutions/0/serviceConfig/name", "name-taken"), ("/solutions/0/campaigns/0/serviceConfig/name", "name-taken")}
    document["frobnicate"] = 1
    assert {e["code"] for e in steward.ok("POST", "/configs/validate", json=document)["errors"]} == {"name-taken", "unknown-key"}
    assert steward.ok("POST", "/configs/validate", json=steward.ok("GET", "/configs/shop")["document"])["valid"], "its names are its own"


# ---- configs ----

def test_life_of_a_config(steward, name):
    steward.put_data(name)
    document = config(name)
    answer = steward.post("/configs?message=first&revision=abc123&url=https://x/1", json=document)
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/configs/{name}"
    body = answer.json()
    assert answer.headers["Link"] == f"</runs/{body['run']['id']}>; rel=\"run\""
    assert body["config"]["document"] == document
    assert (body["config"]["version"], body["config"]["message"], body["config"]["revision"]) == (1, "first", "abc123")
    run = steward.wait_run(body["run"]["id"])
    assert run["status"] == "succeeded", json.dumps(run, indent=1)
    assert {s["status"] for s in run["steps"]} == {"succeeded"}
    current = steward.ok("GET", f"/configs/{name}")
    assert current["status"]["sync"]["status"] == "synced"
    assert current["status"]["health"]["status"] == "healthy"
    assert current["lastRun"]["id"] == run["id"]

    same = steward.post("/configs", data=json.dumps(document, sort_keys=True, indent=3), headers={"Content-Type": "application/json"})
    assert same.status_code == 200  # another spelling is the same document: nothing to do
    assert same.json()["run"] is None and same.json()["config"]["version"] == 1

    document["solutions"][0]["campaigns"][0]["serviceConfig"]["minProvisionedTPS"] = 2
    changed = steward.call("PUT", f"/configs/{name}?message=more", json=document)
    assert changed.status_code == 200 and changed.json()["config"]["version"] == 2
    steward.wait_run(changed.json()["run"]["id"])
    versions = steward.ok("GET", f"/configs/{name}/versions")["items"]
    assert [(v["version"], v.get("message")) for v in versions] == [(2, "more"), (1, "first")]
    first = steward.ok("GET", f"/configs/{name}/versions/1")
    assert first["document"]["solutions"][0]["campaigns"][0]["serviceConfig"]["minProvisionedTPS"] == 1
    keys = [r["key"] for r in steward.ok("GET", f"/configs/{name}/resources")["items"]]
    assert f"campaign/{name}-c0" in keys and keys == sorted(keys)
    versions = steward.ok("GET", f"/solutions/{name}-s0/versions")["items"]
    assert versions and versions[0]["status"] == "ACTIVE"


def test_the_document_comes_back_as_it_went(steward, name):
    document = config(name, solutions=0, tags=[{"tagKey": "ключ", "tagValue": "späß"}])
    document["datasets"]["interactions"]["schema"]["serviceConfig"]["schema"]["doc"] = "🎬 \" \\ ' $1 %s \t; DROP TABLE runs"
    text = json.dumps(document, ensure_ascii=False)
    answer = steward.call("POST", "/configs", data=text.encode(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 201, answer.text
    raw = steward.get(f"/configs/{name}").text
    assert json.loads(raw)["document"] == json.loads(text)
    assert list(json.loads(raw)["document"]) == list(json.loads(text))  # members keep their order
    effective = steward.ok("GET", f"/configs/{name}?view=effective")
    assert effective["document"]["datasetGroup"]["serviceConfig"]["name"] == name


def test_put_needs_the_same_name(steward, name):
    body = problem(steward.call("PUT", f"/configs/{name}", json=config("other")), 422)
    assert body["errors"][0]["pointer"] == "/datasetGroup/serviceConfig/name"


def test_etags(steward, name):
    steward.apply(config(name, solutions=0))
    answer = steward.get(f"/configs/{name}/versions/1")
    tag = answer.headers["ETag"]
    again = steward.get(f"/configs/{name}/versions/1", headers={"If-None-Match": f'"x", {tag}'})
    assert again.status_code == 304 and not again.content and again.headers["ETag"] == tag
    assert steward.get(f"/configs/{name}/versions/1", headers={"If-None-Match": '"x"'}).status_code == 200


def test_if_match(steward, name):
    assert steward.post("/configs", json=config(name, solutions=0), headers={"If-None-Match": "*"}).status_code == 201
    problem(steward.post("/configs", json=config(name, solutions=0), headers={"If-None-Match": "*"}), 412, "exists")
    tag = steward.get(f"/configs/{name}").headers["ETag"]
    assert steward.call("PUT", f"/configs/{name}", json=config(name), headers={"If-Match": tag}).status_code == 200
    answer = steward.call("PUT", f"/configs/{name}", json=config(name, solutions=0), headers={"If-Match": tag})
    problem(answer, 412, "precondition-failed")
    assert answer.headers["ETag"].startswith('"v2-')
    problem(steward.call("PUT", f"/configs/{name}x", json=config(f"{name}x", solutions=0), headers={"If-Match": "*"}), 412)


@pytest.mark.concurrency
def test_of_many_writers_with_one_etag_one_wins(steward, name):
    steward.apply(config(name, solutions=0))
    tag = steward.get(f"/configs/{name}").headers["ETag"]

    def write(i):
        document = config(name, solutions=0, tags=[{"tagKey": "writer", "tagValue": str(i)}])
        return requests.put(steward.url + f"/configs/{name}", json=document, timeout=60,
                            headers={"If-Match": tag, "Authorization": f"Bearer {steward.token}"}).status_code

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        codes = list(pool.map(write, range(60)))
    assert codes.count(200) == 1 and codes.count(412) == 59, codes
    assert steward.ok("GET", f"/configs/{name}")["version"] == 2


def test_writers_without_etag_lose_nothing(steward, name):
    steward.apply(config(name, solutions=0))

    def write(i):
        document = config(name, solutions=0, tags=[{"tagKey": "writer", "tagValue": str(i)}])
        return requests.put(steward.url + f"/configs/{name}", json=document, timeout=60,
                            headers={"Authorization": f"Bearer {steward.token}"}).status_code

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(write, range(24)))
    good = codes.count(200)
    assert good >= 8 and set(codes) <= {200, 409}, codes
    assert steward.ok("GET", f"/configs/{name}")["version"] == 1 + good  # an acknowledged change is a version


def test_dry_run_changes_nothing(steward, name):
    answer = steward.post("/configs?dryRun=true", json=config(name))
    assert answer.status_code == 200
    assert answer.json()["run"] is True and answer.json()["steps"]
    assert steward.get(f"/configs/{name}").status_code == 404


def test_schedules_follow_the_document(steward, name):
    def schedules():
        return {s["path"]: s for s in steward.ok("GET", f"/schedules?config={name}")["items"]}

    def with_schedule(expression):
        document = config(name, solutions=0)
        document["datasetGroup"]["workflowConfig"] = {"schedules": {"import": expression}} if expression else {}
        return document

    steward.apply(with_schedule("cron(0 3 * * ? *)"))
    first = schedules()["import"]
    assert first["kind"] == "import" and first["owner"] == "config" and first["generation"] == 1
    assert first["nextFireAt"].endswith("T03:00:00.000Z")
    steward.apply(with_schedule("cron(0 3 * * ? *)") | {"tags": [{"tagKey": "a", "tagValue": "b"}]})
    assert schedules()["import"] == first  # another version with the same specification moves nothing
    steward.apply(with_schedule("cron(0 4 * * ? *)"))
    second = schedules()["import"]
    assert (second["id"], second["generation"]) == (first["id"], 2)
    assert second["nextFireAt"].endswith("T04:00:00.000Z")
    coming = steward.ok("GET", f"/schedules/{first['id']}/fires?count=3")["items"]
    assert len(coming) == 3 and all(f["nominalLocal"].endswith("T04:00:00") for f in coming)
    assert steward.ok("GET", f"/schedules/{first['id']}/fires") == {"items": [], "next": None}
    steward.apply(with_schedule(None))
    assert schedules() == {}
    assert "retiredAt" in steward.ok("GET", f"/schedules/{first['id']}")


# ---- idempotency ----

def test_a_hundred_posts_with_one_key_make_one_thing(steward, name):
    barrier = threading.Barrier(100)

    def post(_):
        barrier.wait()
        while True:
            answer = requests.post(steward.url + "/configs", json=config(name, solutions=0), timeout=60,
                                   headers={"Idempotency-Key": f"key-{name}", "Authorization": f"Bearer {steward.token}"})
            if answer.status_code != 409:
                return answer
            assert answer.json()["code"] == "in-progress" and answer.headers["Retry-After"] == "1"
            time.sleep(0.05)

    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(post, range(100)))
    assert {a.status_code for a in answers} == {201}
    assert len({a.text for a in answers}) == 1
    assert len({a.headers["Link"] for a in answers}) == 1
    assert sum("Idempotency-Replayed" not in a.headers for a in answers) == 1
    assert len(steward.ok("GET", f"/runs?config={name}")["items"]) == 1


def test_idempotency_keys(steward, shop, name):
    key = {"Idempotency-Key": f"{name}-1"}
    body = {"config": shop, "kind": "import"}
    first = steward.post("/runs", json=body, headers=key)
    again = steward.post("/runs", json=body, headers=key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.text == again.text and again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    problem(steward.post("/runs", json=body | {"force": True}, headers=key), 422, "idempotency-key-reused")
    problem(steward.post("/configs", json=config(shop), headers=key), 422, "idempotency-key-reused")
    other = steward.new_token("operate")
    assert steward.post("/runs", json=body, headers=key, token=other).json()["id"] != first.json()["id"]
    for bad in ("", "x" * 256):
        problem(steward.post("/runs", json=body, headers={"Idempotency-Key": bad}), 400, "bad-idempotency-key")
    made = steward.post("/tokens", json={"name": "k", "scopes": ["read"]}, headers={"Idempotency-Key": f"{name}-2"})
    replay = steward.post("/tokens", json={"name": "k", "scopes": ["read"]}, headers={"Idempotency-Key": f"{name}-2"})
    assert replay.json()["id"] == made.json()["id"] and "token" not in replay.json()
    # a refused request keeps no answer: the corrected one may use the key
    problem(steward.post("/runs", json={"config": shop}, headers={"Idempotency-Key": f"{name}-3"}), 422)
    assert steward.post("/runs", json=body, headers={"Idempotency-Key": f"{name}-3"}).status_code == 202


# ---- runs ----

def test_pages_and_cursors(steward, name):
    steward.apply(config(name, solutions=0))
    for _ in range(6):
        steward.ok("POST", "/runs", json={"config": name, "kind": "import"})
    path = f"/runs?config={name}&limit=3"
    seen, pages = [], 0
    cursor = None
    while True:
        answer = steward.get(path + (f"&cursor={cursor}" if cursor else ""))
        body = answer.json()
        seen += [r["id"] for r in body["items"]]
        pages += 1
        cursor = body["next"]
        if not cursor:
            assert "Link" not in answer.headers
            break
        link = answer.headers["Link"]
        assert link.endswith('>; rel="next"')
        # The same rows; what they say may move on between two reads.
        linked, cursored = (steward.get(p).json() for p in (link[1:link.index(">")], path + f"&cursor={cursor}"))
        assert [r["id"] for r in linked["items"]] == [r["id"] for r in cursored["items"]] and linked["next"] == cursored["next"]
        problem(steward.get(f"/runs?config=shop&cursor={cursor}"), 400, "bad-cursor")
        problem(steward.get(f"/configs?cursor={cursor}"), 400, "bad-cursor")
        problem(steward.get(path + f"&cursor={cursor[:-2]}00"), 400, "bad-cursor")
    assert pages == 3 and len(seen) == 7 and seen == sorted(seen, reverse=True) and len(set(seen)) == 7
    only = steward.ok("GET", f"/runs?config={name}&kind=apply&kind=train&trigger=apply")["items"]
    assert [r["kind"] for r in only] == ["apply"]
    assert steward.ok("GET", f"/runs?config={name}&createdAfter=2999-01-01T00:00:00Z")["items"] == []


def test_waiting_for_a_run(steward, name):
    steward.put_data(name)
    run = steward.apply(config(name))["run"]
    seen = []
    tag = None
    end = time.monotonic() + 60
    while time.monotonic() < end:
        answer = steward.get(f"/runs/{run['id']}?wait=20", headers={"If-None-Match": tag} if tag else {})
        assert answer.status_code == 200, answer.text
        assert answer.headers["ETag"] != tag
        tag = answer.headers["ETag"]
        seen.append(answer.json()["status"])
        if seen[-1] == "succeeded":
            break
    assert seen[-1] == "succeeded" and len(seen) >= 2
    started = time.monotonic()  # it is over: nothing to wait for
    answer = steward.get(f"/runs/{run['id']}?wait=20", headers={"If-None-Match": tag})
    assert answer.status_code == 304 and time.monotonic() - started < 5


def test_a_wait_ends_in_time(steward, name):
    run = steward.apply(config(name, solutions=0))["run"]  # no data: may wait or end, but the poll ends
    started = time.monotonic()
    tag = steward.get(f"/runs/{run['id']}").headers["ETag"]
    steward.get(f"/runs/{run['id']}?wait=2", headers={"If-None-Match": tag})
    assert time.monotonic() - started < 10


def test_cancel(start_server):
    server = start_server("--simulator-time-scale", "1")  # life cycles of real length: the run waits
    run = server.apply(config("slow"))["run"]
    wait_until(lambda: server.ok("GET", f"/runs/{run['id']}")["status"] == "running")
    queued = server.ok("POST", "/runs", json={"config": "slow", "kind": "import"})
    answer = server.post(f"/runs/{queued['id']}/cancel", json={"reason": "not now"})
    assert answer.status_code == 202 and answer.json()["status"] == "cancelled" and answer.json()["reason"] == "not now"
    problem_before = server.get(f"/runs/{run['id']}").json()["status"]
    assert problem_before == "running"
    assert server.post(f"/runs/{run['id']}/cancel?dryRun=true").json()["status"] == "running"
    assert server.post(f"/runs/{run['id']}/cancel").status_code == 202
    over = server.wait_run(run["id"])
    assert over["status"] == "cancelled" and "cancelRequestedAt" in over
    assert {s["status"] for s in over["steps"]} <= {"cancelled", "succeeded", "skipped"}
    assert server.post(f"/runs/{run['id']}/cancel").status_code == 202  # said once is enough
    types = [e["type"] for e in wait_until(lambda: [
        e for e in server.ok("GET", f"/runs/{run['id']}/events")["items"]] if any(
        e["type"] == "run.cancelled" for e in server.ok("GET", f"/runs/{run['id']}/events")["items"]) else None)]
    assert types.count("run.cancelled") == 1
    problem(server.post(f"/runs/{UNKNOWN_RUN}/cancel"), 404)
    problem(server.post(f"/runs/{run['id']}/cancel", json={"why": 1}), 422)


def test_finished_runs_can_not_be_cancelled(steward, shop):
    run = steward.ok("GET", f"/runs?config={shop}&status=succeeded")["items"][0]
    problem(steward.post(f"/runs/{run['id']}/cancel"), 409, "run-finished")


# ---- events ----

class Stream:
    """A text/event-stream client that parses frames."""

    def __init__(self, server, path="/events", **headers):
        self.answer = requests.get(server.url + path, stream=True, timeout=30, headers={
            "Authorization": f"Bearer {server.token}", "Accept": "text/event-stream", **headers})
        assert self.answer.status_code == 200, self.answer.text
        self.lines = self.answer.iter_lines(decode_unicode=True)

    def next(self):
        frame = {}
        end = time.monotonic() + 40
        for line in self.lines:
            if line.startswith(":"):
                assert time.monotonic() < end, "only heartbeats"
                continue
            if not line:
                if "data" in frame:
                    return frame
                continue
            key, value = line.split(": ", 1)
            frame[key] = value
        raise AssertionError("the stream ended")

    def close(self):
        self.answer.close()


def newest(server):
    items = server.ok("GET", "/events?limit=1")["items"]
    return int(items[0]["sequence"]) if items else 0


def test_event_pages(steward, shop):
    items = steward.ok("GET", f"/events?config={shop}&limit=5")["items"]
    numbers = [int(e["sequence"]) for e in items]
    assert numbers == sorted(numbers, reverse=True) and len(numbers) == 5
    up = steward.ok("GET", "/events?after=0&limit=200")["items"]
    assert [int(e["sequence"]) for e in up] == list(range(1, len(up) + 1))
    more = steward.ok("GET", "/events?after=0&limit=2")
    rest = steward.ok("GET", f"/events?after=0&limit=2&cursor={more['next']}")["items"]
    assert [int(e["sequence"]) for e in rest] == [3, 4]
    types = {e["type"] for e in steward.ok("GET", f"/events?config={shop}&type=run.*&type=config.created")["items"]}
    assert types <= {"config.created", "run.queued", "run.started", "run.succeeded"} and len(types) == 4
    run = steward.ok("GET", f"/runs?config={shop}&limit=1")["items"][0]["id"]
    assert steward.ok("GET", f"/events?run={run}")["items"] == steward.ok("GET", f"/runs/{run}/events")["items"]


def test_a_stream_resumes_without_a_gap(steward, name):
    start = newest(steward)
    stream = Stream(steward, f"/events?config={name}")
    steward.put_data(name)
    run = steward.apply(config(name))["run"]["id"]
    first = [stream.next() for _ in range(3)]
    stream.close()
    steward.wait_run(run)
    stream = Stream(steward, f"/events?config={name}", **{"Last-Event-ID": first[-1]["id"]})
    frames = first
    while frames[-1]["event"] != "run.succeeded":
        frames.append(stream.next())
    stream.close()
    log = steward.ok("GET", f"/events?config={name}&after={start}&limit=200")["items"]
    log = log[:[e["type"] for e in log].index("run.succeeded") + 1]
    assert [f["id"] for f in frames] == [e["sequence"] for e in log]
    assert [json.loads(f["data"]) for f in frames] == log


def test_a_stream_behind_the_ring_reads_pages(start_server):
    server = start_server()
    for i in range(4):
        server.apply(config(f"many{i}", solutions=0))
    last = wait_until(lambda: newest(server) >= 8 and newest(server))
    server.stop()
    server.start()  # the ring is empty now: everything comes from the log
    stream = Stream(server, "/events?after=0")
    assert [int(stream.next()["id"]) for _ in range(last)] == list(range(1, last + 1))
    server.apply(config("later", solutions=0))
    assert int(stream.next()["id"]) == last + 1
    stream.close()


def test_cursors_that_can_not_be(steward):
    far = newest(steward) + 1000
    problem(steward.get(f"/events?after={far}"), 410, "cursor-expired")
    answer = steward.get("/events", headers={"Accept": "text/event-stream", "Last-Event-ID": str(far)})
    problem(answer, 410, "cursor-expired")
    problem(steward.get("/events", headers={"Accept": "text/event-stream", "Last-Event-ID": "x"}), 400)


# ---- the process ----

def test_process(steward):
    assert steward.get("/livez", token="").json() == {"status": "ok"}
    assert steward.get("/readyz", token="").json() == {"status": "ready", "waitingFor": {}}
    assert steward.get("/version", token="").json()["simulated"] is True
    metrics = steward.get("/metrics").text
    for metric in ("steward_info", "steward_http_requests_total", "steward_http_request_seconds_bucket", "steward_database_up 1"):
        assert metric in metrics


def test_headers(steward, shop):
    for path in ("/livez", "/configs", f"/configs/{shop}", "/none"):
        answer = steward.get(path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Server" not in answer.headers
        assert answer.headers["X-Request-Id"]
    assert steward.get("/livez", headers={"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"
    assert "\n  " in steward.get("/configs?pretty").text
    problem(steward.get("/livez", headers={"Host": "evil.example"}), 421)


# ---- history and schedules by hand ----

def test_rollback(steward, name):
    one = config(name, solutions=0, tags=[{"tagKey": "v", "tagValue": "1"}])
    steward.apply(one)
    steward.apply(config(name, solutions=0, tags=[{"tagKey": "v", "tagValue": "2"}]))
    back = steward.post(f"/configs/{name}/rollback", json={"version": 1})
    assert back.status_code == 200, back.text
    body = back.json()["config"]
    assert (body["version"], body["message"], body["document"]) == (3, "Rollback to version 1", one)
    assert steward.ok("GET", f"/configs/{name}/versions/3")["sha256"] == steward.ok("GET", f"/configs/{name}/versions/1")["sha256"]
    wait_until(lambda: "config.rolledBack" in [e["type"] for e in steward.ok("GET", f"/events?config={name}")["items"]])
    body = problem(steward.post(f"/configs/{name}/rollback", json={"version": 9}), 422)
    assert body["errors"][0]["pointer"] == "/version"
    problem(steward.post(f"/configs/{name}x/rollback", json={"version": 1}), 422)


def test_schedules_by_hand(steward, name):
    document = config(name, solutions=0)
    document["datasetGroup"]["workflowConfig"] = {"schedules": {"import": "cron(0 3 * * ? *)"}}
    steward.put_data(name)
    steward.wait_run(steward.apply(document)["run"]["id"])
    path = "/schedules/" + steward.ok("GET", f"/schedules?config={name}")["items"][0]["id"]
    paused = steward.ok("PATCH", path, json={"paused": True, "reason": "moving house", "until": "2999-01-01T00:00:00Z"})
    assert paused["paused"]["reason"] == "moving house" and paused["paused"]["until"] == "2999-01-01T00:00:00.000Z"
    assert len(steward.ok("GET", f"/schedules?config={name}&paused=true")["items"]) == 1
    steward.apply(document | {"tags": [{"tagKey": "a", "tagValue": "b"}]})
    assert steward.ok("GET", path)["paused"]["reason"] == "moving house"  # a pause survives versions
    run = steward.post(path + "/run")
    assert run.status_code == 202 and run.json()["kind"] == "import" and path.endswith(run.json()["scheduleId"])
    assert "paused" not in steward.ok("PATCH", path, json={"paused": False})
    assert steward.post(path + "/run?dryRun=true").json()["steps"]
    for bad in ({}, {"paused": 1}, {"paused": True, "until": "soon"}):
        problem(steward.call("PATCH", path, json=bad), 422)
    steward.apply(config(name, solutions=0))
    problem(steward.call("PATCH", path, json={"paused": True}), 409, "schedule-retired")
    problem(steward.post(path + "/run"), 409, "schedule-retired")
    problem(steward.post("/schedules/sch_" + "0" * 26 + "/run"), 404)


def test_overview_and_problems(steward, name):
    document = config(name)
    document["datasetGroup"]["workflowConfig"] = {"schedules": {"import": "cron(0 3 * * ? *)"}}
    steward.put_data(name)
    steward.wait_run(steward.apply(document)["run"]["id"])
    card = next(c for c in steward.ok("GET", "/overview")["configs"] if c["name"] == name)
    assert card["status"]["health"]["status"] == "healthy" and card["openRuns"] == 0
    assert [r["kind"] for r in card["recentRuns"]] == ["apply"]
    assert card["nextFire"]["kind"] == "import" and card["modelTrainedAt"] and card["dataImportedAt"]
    assert steward.ok("GET", f"/problems?config={name}")["items"] == []
    schedule = card["nextFire"]["scheduleId"]
    steward.ok("PATCH", f"/schedules/{schedule}", json={"paused": True, "reason": "later"})
    items = steward.ok("GET", f"/problems?config={name}")["items"]
    assert [(i["code"], i["subject"]) for i in items] == [("schedule-paused", f"schedules/{schedule}")]
    assert "later" in items[0]["message"] and items[0]["command"].startswith("PATCH /schedules/")
    steward.ok("PATCH", f"/schedules/{schedule}", json={"paused": False})
    assert steward.ok("GET", f"/problems?config={name}")["items"] == []


def test_patch(steward, name):
    steward.apply(config(name, solutions=0, tags=[{"tagKey": "a", "tagValue": "b"}]))
    patch = {"tags": None, "datasetGroup": {"workflowConfig": {"schedules": {"import": "rate(1 day)"}}}}
    answer = steward.call("PATCH", f"/configs/{name}?message=less", json=patch,
                          headers={"Content-Type": "application/merge-patch+json"})
    assert answer.status_code == 200, answer.text
    document = answer.json()["config"]["document"]
    assert "tags" not in document and document["datasets"] and answer.json()["config"]["version"] == 2
    assert document["datasetGroup"] == {"serviceConfig": {"name": name}, "workflowConfig": {"schedules": {"import": "rate(1 day)"}}}
    problem(steward.call("PATCH", f"/configs/{name}", json={"frobnicate": 1}), 422, "invalid")
    problem(steward.call("PATCH", f"/configs/{name}", json={"datasetGroup": {"serviceConfig": {"name": "x"}}}), 422)
    problem(steward.call("PATCH", f"/configs/{name}x", json={}), 404)
    problem(steward.call("PATCH", f"/configs/{name}", json={}, headers={"Content-Type": "application/ld+json"}), 415)
    problem(steward.call("PATCH", f"/configs/{name}", json={}, headers={"If-Match": '"v1-x"'}), 412)


def test_patches_of_many_lose_nothing(steward, name):
    steward.apply(config(name, solutions=0))

    def patch(i):
        schema = {"schema": {"serviceConfig": {"schema": {"doc": f"doc {i}"}}}}
        body = {"datasets": {"interactions": schema}} if i % 2 else {"tags": [{"tagKey": "n", "tagValue": str(i)}]}
        return requests.patch(steward.url + f"/configs/{name}", timeout=60, json=body,
                              headers={"Authorization": f"Bearer {steward.token}"}).status_code

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(patch, range(8)))
    assert set(codes) <= {200, 409} and 200 in codes
    last = steward.ok("GET", f"/configs/{name}")
    assert last["version"] == 1 + codes.count(200)
    schema = last["document"]["datasets"]["interactions"]["schema"]["serviceConfig"]["schema"]
    if codes[::2].count(200) and codes[1::2].count(200):
        assert "tags" in last["document"] and "doc" in schema  # neither kind undid the other

"""Conventions that hold on many routes: patches, preconditions, names instead of ids, what Accept may ask for."""
import concurrent.futures
import itertools

import pytest

from server_kit import config, domain, wait_until
from test_api import problem
from webhook_kit import Receiver

JSON_PATCH = {"Content-Type": "application/json-patch+json"}


@pytest.fixture(scope="module")
def shop(steward):
    document = config("conventions", tags=[{"tagKey": "a", "tagValue": "b"}])
    document["datasetGroup"]["workflowConfig"] = {"schedules": {"import": "cron(0 3 * * ? *)"}}
    document["solutions"][0]["workflowConfig"] = {"schedules": {"full": "cron(0 4 * * ? *)"}}
    steward.put_data("conventions")
    steward.wait_run(steward.apply(document)["run"]["id"])
    return "conventions"


# ---- patches ----

def test_json_patch_changes_a_config(steward, shop):
    version = steward.ok("GET", f"/configs/{shop}")["version"]
    operations = [{"op": "test", "path": "/datasetGroup/serviceConfig/name", "value": shop},
                  {"op": "add", "path": "/tags/-", "value": {"tagKey": "c", "tagValue": "d"}},
                  {"op": "replace", "path": "/solutions/0/campaigns/0/serviceConfig/minProvisionedTPS", "value": 2}]
    tried = steward.call("PATCH", f"/configs/{shop}?dryRun=true", json=operations, headers=JSON_PATCH)
    assert {c["pointer"] for c in tried.json()["changes"]} >= {"/solutions/0/campaigns/0/serviceConfig/minProvisionedTPS"}
    answer = steward.call("PATCH", f"/configs/{shop}", json=operations, headers=JSON_PATCH)
    assert answer.status_code == 200, answer.text
    changed = answer.json()["config"]
    assert changed["version"] == version + 1 and changed["document"]["tags"][1] == {"tagKey": "c", "tagValue": "d"}
    assert steward.call("PATCH", f"/configs/{shop}", json=[], headers=JSON_PATCH).json()["config"]["version"] == version + 1


@pytest.mark.parametrize("operations, status, pointer", [
    ([{"op": "test", "path": "/datasetGroup/serviceConfig/name", "value": "x"}], 409, "/0/value"),
    ([{"op": "test", "path": "/nothing", "value": 1}], 409, "/0/path"),
    ([{"op": "remove", "path": "/nothing"}], 422, "/0/path"),
    ([{"op": "add", "path": "/tags/0", "value": 1}, {"op": "remove", "path": "tags"}], 422, "/1/path"),
    ([{"op": "add", "path": "/tags/00", "value": 1}], 422, "/0/path"),
    ([{"op": "add", "path": "/a~2b", "value": 1}], 422, "/0/path"),
    ([{"op": "add", "path": "/a"}], 422, "/0/value"),
    ([{"op": "move", "path": "/a"}], 422, "/0/from"),
    ([{"op": "move", "from": "/tags", "path": "/tags/0"}], 422, "/0/path"),
    ([{"op": "fly", "path": "/a"}], 422, "/0/op"), ([{"path": "/a"}], 422, "/0/op"), ([1], 422, "/0"),
    ([{"op": "remove", "path": ""}], 422, "/0/path"), ({"op": "remove"}, 422, ""),
    ([{"op": "replace", "path": "/datasetGroup/serviceConfig/name", "value": "y"}], 422, "/datasetGroup/serviceConfig/name"),
    ([{"op": "replace", "path": "", "value": 7}], 422, ""),
    ([{"op": "copy", "from": "", "path": "/x"}] * 60, 422, None),  # doubles each time
    ([{"op": "add", "path": "/x", "value": 1}] * 1001, 422, "/1000")])
def test_a_json_patch_that_can_not_be(steward, shop, operations, status, pointer):
    version = steward.ok("GET", f"/configs/{shop}")["version"]
    body = problem(steward.call("PATCH", f"/configs/{shop}", json=operations, headers=JSON_PATCH), status,
                   "patch-test-failed" if status == 409 else "invalid")
    assert pointer is None or body["errors"][0]["pointer"] == pointer, body
    assert steward.ok("GET", f"/configs/{shop}")["version"] == version


def test_patches_with_tests_count_right_together(steward, name):
    """Each adds one to a number that its own "test" has read: a lost update would show as a number too low."""
    steward.apply(config(name))
    path = "/solutions/0/campaigns/0/serviceConfig/minProvisionedTPS"

    def add(_):
        for _ in range(60):
            now = steward.ok("GET", f"/configs/{name}")["document"]["solutions"][0]["campaigns"][0]["serviceConfig"]["minProvisionedTPS"]
            operations = [{"op": "test", "path": path, "value": now}, {"op": "replace", "path": path, "value": now + 1}]
            answer = steward.call("PATCH", f"/configs/{name}", json=operations, headers=JSON_PATCH)
            assert answer.status_code in (200, 409), answer.text
            if answer.status_code == 200:
                return
        raise AssertionError("never its turn")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(8)))
    document = steward.ok("GET", f"/configs/{name}")["document"]
    assert document["solutions"][0]["campaigns"][0]["serviceConfig"]["minProvisionedTPS"] == 9


def test_patch_of_one_campaign(steward, shop):
    path = f"/configs/{shop}/campaigns/{shop}-c0"
    answer = steward.call("PATCH", path, json={"minProvisionedTPS": 3, "campaignConfig": {"enableMetadataWithRecommendations": False}})
    assert answer.status_code == 200, answer.text
    service = answer.json()["config"]["document"]["solutions"][0]["campaigns"][0]["serviceConfig"]
    assert (service["minProvisionedTPS"], service["name"]) == (3, f"{shop}-c0")
    steward.call("PATCH", path, json={"campaignConfig": None})
    assert problem(steward.call("PATCH", path, json={"minProvisionedTPS": "many"}), 422)["errors"][0]["pointer"] == \
        "/solutions/0/campaigns/0/serviceConfig/minProvisionedTPS"
    for bad in ({"name": "other"}, {"name": None}):
        assert problem(steward.call("PATCH", path, json=bad), 422)["errors"][0]["pointer"] == "/name"
    problem(steward.call("PATCH", path + "x", json={}), 404, "not-found")
    problem(steward.call("PATCH", f"/configs/{shop}x/campaigns/{shop}-c0", json={}), 404, "not-found")
    problem(steward.call("PATCH", path, json={"minProvisionedTPS": 4}, headers={"If-Match": '"v0-x"'}), 412)


def test_patch_of_one_recommender(steward, name):
    steward.apply(domain(name))
    path = f"/configs/{name}/recommenders/{name}-popular"
    for body, rate in (({"minRecommendationRequestsPerSecond": 2}, 2),
                       ({"recommenderConfig": {"minRecommendationRequestsPerSecond": 3}}, 3)):
        answer = steward.call("PATCH", path, json=body)
        assert answer.status_code == 200, answer.text
        service = answer.json()["config"]["document"]["recommenders"][0]["serviceConfig"]
        assert service["recommenderConfig"]["minRecommendationRequestsPerSecond"] == rate
    problem(steward.call("PATCH", path + "x", json={}), 404, "not-found")


# ---- addresses ----

def test_a_schedule_at_its_place_in_the_document(steward, shop):
    for place in ("import", f"solutions/{shop}-s0/full"):
        answer = steward.get(f"/configs/{shop}/schedules/{place}")
        assert answer.status_code == 200 and answer.json()["path"] == place
        own = steward.get(answer.headers["Content-Location"])
        assert own.json() == answer.json() and own.headers["ETag"] == answer.headers["ETag"]
    for bad in ("", "nothing", "solutions", f"solutions/{shop}-s0/full/"):
        problem(steward.get(f"/configs/{shop}/schedules/{bad}"), 404)
    problem(steward.get("/configs/none/schedules/import"), 404)


def test_a_schedule_by_its_name(steward, shop):
    body = {"config": shop, "kind": "observe", "expression": "rate(7 days)", "name": "weekly look"}
    made = steward.ok("POST", "/schedules", json=body)
    assert steward.ok("GET", "/schedules/weekly%20look")["id"] == made["id"]
    assert steward.ok("GET", "/schedules/weekly%20look/fires?count=2")["items"]
    assert steward.ok("PATCH", "/schedules/weekly%20look", json={"paused": True})["id"] == made["id"]
    assert steward.ok("POST", "/schedules/weekly%20look/run")["scheduleId"] == made["id"]
    other = steward.ok("POST", "/schedules", json=body)
    for method, path, json in (("GET", "", None), ("DELETE", "", None), ("PATCH", "", {"paused": True}), ("POST", "/run", {})):
        problem(steward.call(method, "/schedules/weekly%20look" + path, json=json), 409, "ambiguous-name")
    assert steward.call("DELETE", f"/schedules/{other['id']}").status_code == 204
    assert steward.call("DELETE", "/schedules/weekly%20look").status_code == 204
    problem(steward.get("/schedules/weekly%20look"), 404)


# ---- preconditions ----

def changes(steward, shop):
    """What has an ETag besides configs: (its path, method, path of the change, body) that may be sent again and again."""
    own = steward.ok("POST", "/schedules", json={"config": shop, "kind": "observe", "expression": "rate(7 days)"})
    token = steward.ok("POST", "/tokens", json={"name": "etag", "scopes": ["read"]})
    webhook = steward.ok("POST", "/webhooks", json={"url": "https://hooks.example.com/etag", "types": ["test.none"]})
    trigger = steward.ok("POST", "/triggers", json={"config": shop, "kind": "observe", "auth": "github"})
    numbers = itertools.count(8)
    return [(f"/schedules/{own['id']}", "PATCH", "", lambda: {"expression": f"rate({next(numbers)} days)"}),
            (f"/tokens/{token['id']}", "POST", "/rotate", dict),
            (f"/webhooks/{webhook['id']}", "PATCH", "", lambda: {"types": [f"test.n{chr(97 + next(numbers) % 26)}"]}),
            (f"/triggers/{trigger['id']}", "PATCH", "", lambda: {"maxPerDay": next(numbers)})]


def test_if_match_on_every_resource(steward, shop):
    """A precondition that is ignored is worse than none: schedules and tokens once ignored it."""
    for path, method, suffix, body in changes(steward, shop):
        tag = steward.get(path).headers["ETag"]
        stale = steward.call(method, path + suffix, json=body(), headers={"If-Match": '"00000000000000000000"'})
        problem(stale, 412, "precondition-failed")
        assert stale.headers["ETag"] == tag, path
        assert steward.call(method, path + suffix, json=body(), headers={"If-Match": tag}).status_code == 200, path
        problem(steward.call(method, path + suffix, json=body(), headers={"If-Match": tag}), 412)
        assert steward.call(method, path + suffix, json=body(), headers={"If-Match": f'"x", {steward.get(path).headers["ETag"]}'}).status_code == 200
        assert steward.call(method, path + suffix, json=body(), headers={"If-Match": "*"}).status_code == 200
        problem(steward.call("DELETE", path, headers={"If-Match": tag}), 412)
        assert steward.call("DELETE", path, headers={"If-Match": steward.get(path).headers["ETag"]}).status_code == 204


def test_of_many_writers_with_one_tag_one_wins(steward, shop):
    path, method, suffix, body = changes(steward, shop)[0]
    for _ in range(5):
        tag = steward.get(path).headers["ETag"]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            codes = list(pool.map(lambda _: steward.call(method, path + suffix, json=body(), headers={"If-Match": tag}).status_code, range(8)))
        assert sorted(codes) == [200] + [412] * 7


def test_if_none_match_of_a_write_names_states(steward, name):
    document = config(name, solutions=0)
    assert steward.post("/configs", json=document, headers={"If-None-Match": "*"}).status_code == 201
    problem(steward.post("/configs", json=document, headers={"If-None-Match": "*"}), 412, "exists")
    tag = steward.get(f"/configs/{name}").headers["ETag"]
    problem(steward.post("/configs", json=document, headers={"If-None-Match": tag}), 412, "exists")
    assert steward.post("/configs", json=document, headers={"If-None-Match": '"v99-x"'}).status_code == 200


# ---- Accept ----

@pytest.mark.parametrize("accept, path, status", [
    ("application/json", "/configs", 200), ("*/*", "/configs", 200), ("application/*", "/configs", 200), ("", "/configs", 200),
    ("text/html,application/xhtml+xml,*/*;q=0.8", "/configs", 200), ("text/html, application/json;q=0.1", "/configs", 200),
    ("APPLICATION/JSON; charset=utf-8", "/configs", 200),
    ("application/xml", "/configs", 406), ("text/html", "/configs", 406), ("application/json;q=0", "/configs", 406),
    ("application/json;q=0.000, text/*", "/configs", 406), ("*/*;q=0", "/configs", 406), ("json", "/configs", 406),
    ("text/plain", "/configs", 406), ("text/plain", "/configs/{}/plan", 200), ("text/markdown", "/configs/{}/plan", 200),
    ("text/event-stream", "/runs", 406), ("image/png", "/events", 406), ("application/schema+json", "/event-types/run.failed", 200),
    ("text/html", "/livez", 200), ("application/json", "/metrics", 200)])
def test_accept(steward, shop, accept, path, status):
    answer = steward.get(path.format(shop), headers={"Accept": accept})
    if status == 406:
        assert "application/json" in problem(answer, 406, "not-acceptable")["detail"]
    else:
        assert answer.status_code == status


def test_options_of_the_server(steward):
    from test_request_rules import raw
    status, headers, body = raw(steward, "OPTIONS", "*")
    assert status == 204 and "PATCH" in headers["Allow"] and not body
    assert raw(steward, "GET", "*")[0] == 400


# ---- quotas ----

def test_quotas(steward, shop):
    items = {i["name"]: i for i in steward.ok("GET", "/quotas")["items"]}
    assert items["dataset-import-jobs"]["limit"] == 500 and items["dataset-import-jobs"]["default"] == 5
    assert items["dataset-import-jobs"]["counts"] == "inProgress" and items["dataset-import-jobs"]["used"] >= 0
    groups = steward.ok("GET", "/configs?limit=200")["items"]
    assert 1 <= items["dataset-groups"]["used"] <= len(groups)
    wait_until(lambda: {i["name"]: i for i in steward.ok("GET", "/quotas")["items"]}["campaigns"].get("fullestConfig"))
    assert items["event-trackers"]["adjustable"] is False and items["filters"]["per"] == "datasetGroup"


# ---- traces ----

def test_a_trace_is_joined_and_forwarded(start_server):
    """From the request over its log line, its events and those of its run to the webhook."""
    with Receiver() as receiver:
        server = start_server("--webhook-http", "--webhook-allow", "127.0.0.0/8", "--observe-every", "0")
        server.ok("POST", "/webhooks", json={"url": receiver.url, "types": ["run.succeeded"]})
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        run = server.ok("POST", "/configs", json=config("traced", solutions=0), headers={"traceparent": trace})["run"]["id"]
        assert server.wait_run(run)["status"] == "succeeded"
        events = wait_until(lambda: (lambda e: e if any(x["type"] == "run.succeeded" for x in e) else None)(
            server.ok("GET", f"/events?run={run}&limit=200")["items"]))
        assert {e.get("traceparent") for e in events} == {trace} and {"run.queued", "step.succeeded"} <= {e["type"] for e in events}
        created = next(e for e in server.ok("GET", "/events?type=config.created")["items"])
        assert created["traceparent"] == trace
        wait_until(lambda: receiver.hits)
        assert receiver.hits[0]["headers"]["traceparent"] == trace
        assert "trace=4bf92f3577b34da6a3ce929d0e0e4736" in server.log.read_text()
        for bad in ("", "00-x", trace.upper(), trace[:-1], "01" + trace[2:], "00-" + "0" * 32 + trace[35:], trace[:36] + "0" * 16 + "-01", trace + "-x"):
            run = server.ok("POST", "/runs", json={"config": "traced", "kind": "observe"}, headers={"traceparent": bad})["id"]
            server.wait_run(run)
            assert all("traceparent" not in e for e in server.ok("GET", f"/events?run={run}&limit=200")["items"]), bad

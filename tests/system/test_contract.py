"""The route table, openapi.yaml and real answers agree."""
import json
import re
import subprocess

import jsonschema
import pytest
import yaml

from server_kit import BUILD, ROOT, config, domain

DOCUMENT = yaml.safe_load((ROOT / "openapi.yaml").read_text())
METHODS = ("get", "put", "post", "delete", "patch")


def resolve(node):
    while isinstance(node, dict) and "$ref" in node:
        target = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def operations():
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method], item.get("parameters", []) + item[method].get("parameters", [])


def table():
    out = subprocess.run([BUILD / "steward", "routes", "--json"], check=True, capture_output=True, text=True).stdout
    return json.loads(out)


def test_every_route_is_in_the_contract_and_the_other_way_round():
    routes = {(r["method"], r["path"]): r for r in table()}
    contract = {(m, p): (op, params) for m, p, op, params in operations()}
    assert set(routes) == set(contract)
    for key, route in routes.items():
        op, params = contract[key]
        names = {resolve(p)["name"] for p in params if resolve(p)["in"] == "query"}
        wanted = set(route["query"]) | {"pretty"} | ({"dryRun"} if key[0] != "GET" else set())
        assert op["operationId"] == route["operation"], key
        assert op["x-scope"] == route["scope"], key
        assert names == wanted, key
        assert ("requestBody" in op) == route["body"], key
        path_names = [resolve(p)["name"] for p in params if resolve(p)["in"] == "path"]
        assert path_names == re.findall(r"{(\w+)}", key[1]), key
        assert ("security" in op) == (route["scope"] == "open"), key


def test_examples_fit_their_schemas():
    checked = 0
    for _, _, op, _ in operations():
        bodies = [resolve(op["requestBody"])] if "requestBody" in op else []
        for holder in bodies + [resolve(r) for r in op["responses"].values()]:
            for media in holder.get("content", {}).values():
                if "example" in media:
                    validate(media["schema"], media["example"])
                    checked += 1
    assert checked >= 6


def validate(schema, value):
    schema = {**schema, "components": DOCUMENT["components"], "$schema": "https://json-schema.org/draft/2020-12/schema"}
    jsonschema.Draft202012Validator(schema).validate(value)


def check(answer, method, path):
    """The answer is one that the contract describes."""
    op = DOCUMENT["paths"][path][method.lower()]
    description = resolve(op["responses"].get(str(answer.status_code)) or op["responses"]["default"])
    content = description.get("content")
    if not content:
        assert not answer.content, (path, answer.text[:200])
        return
    media = content[answer.headers["Content-Type"].split(";")[0]]
    is_json = "json" in answer.headers["Content-Type"]
    validate(media["schema"], answer.json() if is_json else answer.text)


@pytest.fixture(scope="module")
def world(steward):
    """One applied config with a schedule, and the ids of what it made."""
    document = config("contract")
    document["datasetGroup"]["workflowConfig"] = {"schedules": {"import": "cron(0 3 * * ? *)"}}
    steward.put_data("contract")
    answer = steward.apply(document, params={"message": "why"})
    run = steward.wait_run(answer["run"]["id"])
    schedule = steward.ok("GET", "/schedules?config=contract")["items"][0]
    token = steward.ok("POST", "/tokens", json={"name": "contract", "scopes": ["read"]})
    steward.apply(domain("contract-video"))
    webhook = steward.ok("POST", "/webhooks", json={"url": "https://hooks.example.com/contract", "types": ["test.none"]})
    trigger = steward.ok("POST", "/triggers", json={"config": "contract", "kind": "observe", "auth": "bearer", "secret": steward.token})
    plan = steward.ok("POST", "/plans", json={"config": "contract"})
    assert steward.ok("GET", f"/plans/{plan['id']}?wait=30")["status"] == "ready"
    return {"webhook": webhook["id"], "trigger": trigger["id"], "document": document, "run": run["id"], "schedule": schedule["id"], "token": token["id"], "plan": plan["id"]}


def path_values(path, world):
    name = "contract-s0" if path.startswith("/solutions") else "contract-video" if "/recommenders/" in path else "contract"
    kind = path.split("/")[1]
    return {"name": name, "n": "1", "id": world.get(kind.rstrip("s"), ""), "campaign": "contract-c0",
            "recommender": "contract-video-popular", "path": "import", "type": "run.failed",
            "triggerId": world["trigger"]}


def test_a_real_answer_of_every_operation(steward, world):
    bodies = {
        "createConfig": world["document"], "replaceConfig": world["document"], "validateConfig": world["document"],
        "planConfig": world["document"], "importConfig": {"datasetGroup": "contract"},
        "createRun": {"config": "contract", "kind": "import"}, "savePlan": {"config": "contract"}, "createToken": {"name": "x", "scopes": ["read"]},
        "createWebhook": {"url": "https://hooks.example.com/contract", "types": ["test.none"]}, "patchWebhook": {"types": ["test.none"]},
        "createTrigger": {"config": "contract", "kind": "retrain", "auth": "standardWebhooks"}, "patchTrigger": {"maxPerDay": 9},
        "testTrigger": {"headers": {"webhook-id": "x"}, "body": "{}"}, "deliverToTrigger": {"dataVersion": "1"},
        "rotateTriggerSecret": {"secret": "x" * 30},
        "replayWebhook": {"since": "2026-11-24T00:00:00Z"}, "replayChannel": {"since": "2026-11-24T00:00:00Z"},
        "cancelRun": None, "approveRun": None, "rejectRun": None, "rollbackConfig": {"version": 1}, "patchConfig": {"tags": []},
        "patchCampaign": {"minProvisionedTPS": 1}, "patchRecommender": {"minRecommendationRequestsPerSecond": 2}, "patchSchedule": {"paused": True, "reason": "contract"},
        "createSchedule": {"config": "contract", "kind": "observe", "expression": "rate(1 day)"}, "login": {"ticket": "none"},
    }
    done = []
    for method, path, op, _ in sorted(operations(), key=lambda o: o[0] == "DELETE"):
        target = path
        for name, value in path_values(path, world).items():
            target = target.replace("{%s}" % name, value)
        params = {"resources": "keep"} if op["operationId"] == "deleteConfig" else None
        answer = steward.call(method, target, json=bodies.get(op["operationId"]), params=params)
        check(answer, method, path)
        expected = {"cancelRun": 409, "approveRun": 409, "rejectRun": 409, "importConfig": 409, "retryRun": 409, "promoteVersion": 202, "unpinCampaign": 202, "deleteConfig": 202,
                    "createRun": 202, "savePlan": 202, "applyPlan": 409, "runSchedule": 202, "createToken": 201, "createSchedule": 201,
                    "deleteSchedule": 409, "revokeToken": 204, "createLoginTicket": 201, "login": 401,
                    "createTrigger": 201, "deleteTrigger": 204, "deliverToTrigger": 202,
                    "createWebhook": 201, "deleteWebhook": 204, "testWebhook": 202, "replayWebhook": 202}
        # This server was started without channels; test_channels.py has the answers of those there are.
        expected |= {"getChannel": 404, "listChannelDeliveries": 404, "testChannel": 404, "replayChannel": 404}
        assert answer.status_code == expected.get(op["operationId"], 200), (target, answer.text[:300])
        done.append(op["operationId"])
    assert len(done) == len(table())


def test_a_problem_of_every_operation_that_needs_a_token(steward, world):
    for method, path, op, _ in operations():
        if op["x-scope"] == "open":
            continue
        answer = steward.call(method, path.replace("{name}", "x").replace("{id}", "x").replace("{n}", "1"), token="")
        assert answer.status_code == 401, path
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        check(answer, method, path)


def test_dry_runs_fit_the_contract(steward, world):
    check(steward.post("/configs?dryRun=true", json=config("contract-new")), "POST", "/configs")
    check(steward.call("PUT", "/configs/contract?dryRun", json=config("contract")), "PUT", "/configs/{name}")
    steward.apply(config("contract-dry"))  # the other one may be gone by now: a test before this one takes it down
    answer = steward.post("/runs?dryRun=1", json={"config": "contract-dry", "kind": "import"})
    assert answer.status_code == 200, answer.text
    check(answer, "POST", "/runs")
    assert steward.get("/configs/contract-new").status_code == 404


def test_stream_fits_the_contract(steward, world):
    with steward.get("/events?after=0", headers={"Accept": "text/event-stream"}, stream=True, timeout=20) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        seen = 0
        for line in answer.iter_lines(decode_unicode=True):
            if line.startswith("data: "):
                validate({"$ref": "#/components/schemas/Event"}, json.loads(line[6:]))
                seen += 1
                if seen == 5:
                    break


def test_the_served_contract_is_the_file(steward):
    assert steward.get("/openapi.yaml", token="").text == (ROOT / "openapi.yaml").read_text()
    assert steward.get("/openapi.json", token="").json() == json.loads(json.dumps(DOCUMENT))

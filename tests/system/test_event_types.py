"""GET /event-types: a JSON Schema per type, and every event that the server writes fits its own."""
import re

import jsonschema
import pytest

from event_schemas import check_events
from server_kit import ROOT, Server, config, wait_until

# Put together of two words in the sources, so that no search finds them: test_events_of_all_kinds_fit has to see each.
COMPOSED = {f"resource.{end}" for end in ("adopted", "created", "deleted", "failed", "updated")} | {
    f"run.{end}" for end in ("failed", "held", "succeeded")}


@pytest.fixture(scope="module")
def server():
    with Server(None, "--observe-every", "0") as s:
        yield s


def test_each_schema_is_a_schema(server):
    types = server.ok("GET", "/event-types")["items"]
    assert [t["type"] for t in types] == sorted(t["type"] for t in types)
    for t in types:
        jsonschema.Draft202012Validator.check_schema(t["schema"])
        assert t["schema"]["$id"] == f"/event-types/{t['type']}"
        alone = server.get(f"/event-types/{t['type']}", headers={"Accept": "application/schema+json"})
        assert alone.json() == t["schema"] and alone.headers["ETag"]
    assert server.get("/event-types/no.such").status_code == 404
    listed = {s["href"] for s in server.ok("GET", "/schemas")["items"]}
    assert listed == {f"/event-types/{t['type']}" for t in types} | {"/schemas/parameter-file.json"}
    for href in sorted(listed)[:3] + ["/schemas/parameter-file.json"]:
        assert server.get(href).status_code == 200


def test_every_type_that_the_sources_write_is_known_and_the_other_way_round(server):
    """A type that is only written on a rare path has its schema too. And a type is not promised before something writes it: four once
    were, so that whoever subscribed to model.promoted waited for ever."""
    known = {t["type"] for t in server.ok("GET", "/event-types")["items"]}
    families = "|".join(sorted({t.split(".")[0] for t in known}))
    found = set()
    for folder in ("api/*.c", "server/engine/*.c", "server/store/*.c", "server/domain/kinds.c"):
        for file in ROOT.glob(folder):
            found.update(re.findall(rf"""["'\s]((?:{families})\.[a-z][a-zA-Z]+)["']""", file.read_text()))
    assert len(found) > 25 and found <= known, sorted(found - known)
    assert known - found == COMPOSED, sorted((known - found) ^ COMPOSED)


def test_events_of_all_kinds_fit(server):
    s = server
    document = config("events", solutions=2)
    document["datasetGroup"]["workflowConfig"] = {"schedules": {"import": "cron(0 3 * * ? *)"}}
    bad = config("events-bad")  # no data: its training fails
    theirs = config("events-theirs", solutions=0)
    s.aws("personalize").create_dataset_group(name="events-theirs")
    theirs["datasetGroup"]["workflowConfig"] = {"adopt": "never"}
    assert s.wait_run(s.apply(theirs)["run"]["id"])["status"] == "failed"
    theirs["datasetGroup"]["workflowConfig"] = {"adopt": "auto"}
    assert s.wait_run(s.apply(theirs)["run"]["id"])["status"] == "succeeded"
    s.put_data("events")
    s.wait_run(s.apply(document, params={"message": "why", "revision": "abc"})["run"]["id"])
    failed = s.wait_run(s.apply(bad)["run"]["id"])
    assert failed["status"] == "failed"
    s.wait_run(s.ok("POST", f"/runs/{failed['id']}/retry")["id"])
    s.wait_run(s.apply(document | {"tags": [{"tagKey": "a", "tagValue": "b"}]})["run"]["id"])
    s.wait_run(s.ok("POST", "/configs/events/rollback", json={"version": 1})["run"]["id"])
    for body in ({"kind": "import"}, {"kind": "retrain", "import": "force"}, {"kind": "observe"}):
        s.wait_run(s.ok("POST", "/runs", json={"config": "events"} | body)["id"])
    arn = next(r["arn"] for r in s.ok("GET", "/configs/events/resources")["items"] if r["key"] == "campaign/events-c0")
    s.aws("personalize").update_campaign(campaignArn=arn, minProvisionedTPS=5)
    s.wait_run(s.ok("POST", "/runs", json={"config": "events", "kind": "observe"})["id"])
    schedule = s.ok("GET", "/schedules?config=events")["items"][0]["id"]
    s.ok("PATCH", f"/schedules/{schedule}", json={"paused": True, "reason": "r", "until": "2999-01-01T00:00:00Z"})
    s.ok("PATCH", f"/schedules/{schedule}", json={"paused": False})
    own = s.ok("POST", "/schedules", json={"config": "events", "kind": "observe", "expression": "rate(1 minute)", "name": "often"})
    s.ok("POST", "/pause", json={"reason": "r", "until": "2999-01-01T00:00:00Z"})
    document["solutions"][0]["campaigns"][0]["serviceConfig"]["minProvisionedTPS"] = 9
    raising = s.apply(document)["run"]["id"]
    wait_until(lambda: [x for x in s.ok("GET", f"/runs/{raising}")["steps"] if x.get("waitingFor") == "the end of the pause"], 60)
    s.post(f"/runs/{raising}/cancel", json={"reason": "r"})
    s.ok("POST", "/resume")
    token = s.ok("POST", "/tokens", json={"name": "t", "scopes": ["read"]})["id"]
    s.ok("POST", f"/tokens/{token}/rotate", json={})
    s.call("DELETE", f"/tokens/{token}")
    webhook = s.ok("POST", "/webhooks", json={"url": "https://hooks.example.com/x", "types": ["test.none"]})["id"]
    s.ok("POST", f"/webhooks/{webhook}/test")
    trigger = s.ok("POST", "/triggers", json={"config": "events", "kind": "observe", "auth": "bearer", "secret": s.token, "enabled": False})
    assert s.post(trigger["hook"], json={"dataVersion": "1"}, headers={"Idempotency-Key": "x"}).status_code == 429
    s.call("DELETE", f"/schedules/{own['id']}")
    document["solutions"][0]["workflowConfig"] = {"promotion": {"policy": "manual"}}
    s.apply(document)
    trained = s.ok("POST", "/runs", json={"config": "events", "kind": "trainFull"})["id"]
    wait_until(lambda: s.ok("GET", f"/runs/{trained}")["status"] == "held", 60)
    s.ok("POST", f"/runs/{trained}/approve")
    first = s.ok("GET", "/solutions/events-s0/versions")["items"][-1]["arn"]
    back = s.ok("POST", "/configs/events/campaigns/events-c0/promote", json={"version": first})["id"]
    assert s.wait_run(back)["status"] == "succeeded"
    s.wait_run(s.ok("DELETE", "/configs/events-bad?resources=delete")["id"])
    wanted = {"config.created", "config.updated", "config.rolledBack", "config.deleted", "run.queued", "run.started", "run.failed",
              "run.succeeded", "step.started", "step.failed", "step.succeeded", "resource.created", "resource.updated", "resource.deleted",
              "training.started", "training.succeeded", "import.succeeded", "drift.detected", "schedule.paused", "schedule.resumed",
              "server.paused", "server.resumed", "token.created", "token.rotated", "token.revoked", "test.ping",
              "trigger.rejected", "run.held", "run.cancelled", "model.held", "model.promoted", "model.rolledBack", "cost.blocked"} | COMPOSED
    seen = wait_until(lambda: (lambda seen: seen if wanted <= set(seen) else None)(check_events(s)), 30)
    print("events that fit, by type:", dict(sorted(seen.items())))

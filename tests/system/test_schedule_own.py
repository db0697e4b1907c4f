"""Schedules posted to /schedules: made, changed, paused, ended; and those of a document, which are changed there."""
import datetime
import json
import subprocess

import pytest

from server_kit import BUILD, config, wait_until
from test_schedules import DAILY, fires, make_due, query


@pytest.fixture(scope="module")
def shop(steward):
    document = config("own")
    document["datasetGroup"]["workflowConfig"] = {"schedules": {"import": DAILY}}
    steward.put_data("own")
    assert steward.wait_run(steward.apply(document)["run"]["id"])["status"] == "succeeded"
    return "own"


def post(server, **body):
    return server.post("/schedules", json=body)


def test_a_posted_schedule_fires(steward, shop):
    answer = post(steward, config=shop, kind="observe", expression="rate(6 hours)", name="look", timeZone="Europe/Berlin")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert answer.headers["Location"] == f"/schedules/{made['id']}"
    assert (made["owner"], made["kind"], made["description"], made["generation"]) == ("api", "observe", "every 6 hours", 1)
    assert made["nextFireAt"] and made["name"] == "look" and "path" not in made
    query(steward, "UPDATE schedules SET next_nominal_at = date_trunc('second', now()), next_fire_at = now() WHERE id = %s", made["id"])
    row, = wait_until(lambda: fires(steward, made))
    assert row["outcome"] == "started"
    assert steward.wait_run(row["runId"])["kind"] == "observe"
    assert steward.call("DELETE", f"/schedules/{made['id']}").status_code == 204
    assert steward.call("DELETE", f"/schedules/{made['id']}").status_code == 409
    assert steward.ok("GET", f"/schedules/{made['id']}")["retiredAt"]  # its history stays
    assert made["id"] not in [s["id"] for s in steward.ok("GET", "/schedules?limit=200")["items"]]


@pytest.mark.parametrize("body, pointer", [
    ({"kind": "observe", "expression": "cron(0 4 * * * *)"}, "/expression"),
    ({"kind": "observe", "expression": "delete"}, "/expression"),
    ({"kind": "observe"}, ""),
    ({"kind": "observe", "expression": "rate(1 hour)", "timeZone": "Europe/Berln"}, "/timeZone"),
    ({"kind": "observe", "expression": "rate(1 hour)", "overlap": "maybe"}, "/overlap"),
    ({"kind": "observe", "expression": "rate(1 hour)", "startAt": "2027-01-01T00:00:00Z", "endAt": "2026-01-01T00:00:00Z"}, "/endAt"),
    ({"kind": "paint", "expression": "rate(1 hour)"}, "/kind"),
    ({"kind": "destroy", "expression": "rate(1 hour)"}, "/kind"),
    ({"expression": "rate(1 hour)"}, "/kind"),
    ({"kind": "train", "expression": "rate(1 hour)", "options": {"solutions": ["nobody"]}}, "/options"),
    ({"kind": "observe", "expression": "rate(1 hour)", "colour": "red"}, "/colour"),
    ({"kind": "observe", "after": "import", "expression": "rate(1 hour)"}, ""),
    ({"config": "nobody", "kind": "observe", "expression": "rate(1 hour)"}, "/config"),
])
def test_what_is_refused_and_where(steward, shop, body, pointer):
    answer = post(steward, **{"config": shop, **body})
    assert answer.status_code == 422, answer.text
    assert pointer in [e["pointer"] for e in answer.json()["errors"]], answer.text


def test_all_problems_at_once(steward):
    """An unknown member once hid what was wrong with the others, and a kind what was wrong with the expression."""
    answer = post(steward, kind="paint", expression="cron(0 4 * * * *)", timeZone="Mars", overlap=5, jitterSeconds=-1, colour="red")
    assert answer.status_code == 422
    assert [e["pointer"] for e in answer.json()["errors"]] == [
        "/overlap", "/config", "/colour", "/kind", "/jitterSeconds", "/timeZone", "/expression"], answer.text


def test_changing_one(steward, shop):
    made = post(steward, config=shop, kind="train", expression=DAILY, options={"solutions": ["own-s0"]}).json()
    path = f"/schedules/{made['id']}"
    dry = steward.call("PATCH", path + "?dryRun=true", json={"expression": "rate(2 days)"}).json()
    assert dry["schedule"]["description"] == "every 2 days" and steward.ok("GET", path)["expression"] == DAILY
    changed = steward.ok("PATCH", path, json={"expression": "rate(2 days)", "overlap": "queue", "jitterSeconds": 60})
    assert (changed["generation"], changed["description"], changed["overlap"]) == (2, "every 2 days", "queue")
    assert changed["options"] == {"solutions": ["own-s0"]} and changed["nextFireAt"] != made["nextFireAt"]
    same = steward.ok("PATCH", path, json={"overlap": "queue"})
    assert (same["generation"], same["nextFireAt"]) == (2, changed["nextFireAt"])
    zone = steward.ok("PATCH", path, json={"expression": DAILY, "timeZone": "Asia/Tokyo"})
    assert zone["timeZone"] == "Asia/Tokyo" and zone["jitterSeconds"] == 60
    assert "timeZone" not in steward.ok("PATCH", path, json={"timeZone": None})
    after = steward.ok("PATCH", path, json={"after": "import"})
    assert after["description"] == "after every import" and "nextFireAt" not in after
    off = steward.ok("PATCH", path, json={"expression": DAILY, "enabled": False})
    assert off["enabled"] is False and "nextFireAt" not in off
    assert steward.call("PATCH", path, json={"expression": "cron(nonsense)"}).status_code == 422
    assert steward.call("PATCH", path, json={}).status_code == 422
    until = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    paused = steward.ok("PATCH", path, json={"paused": True, "reason": "a holiday", "until": until})
    assert paused["paused"]["reason"] == "a holiday" and paused["paused"]["until"] == until and paused["paused"]["by"]
    assert "paused" not in steward.ok("PATCH", path, json={"paused": False})


def test_one_of_a_document_is_changed_there(steward, shop):
    schedule, = [s for s in steward.ok("GET", f"/schedules?config={shop}")["items"] if s["owner"] == "config"]
    path = f"/schedules/{schedule['id']}"
    for answer in (steward.call("PATCH", path, json={"expression": "rate(1 day)"}), steward.call("DELETE", path)):
        assert answer.status_code == 409 and answer.json()["code"] == "owned-by-config", answer.text
        assert "own" in answer.json()["detail"] and "/datasetGroup/workflowConfig/schedules/import" in answer.json()["detail"]
    assert steward.ok("PATCH", path, json={"paused": True, "reason": "stocktaking"})["paused"]
    # A pause is not the file's: a new version, even of the schedule itself, changes nothing of it.
    document = steward.ok("GET", f"/configs/{shop}")["document"]
    document["datasetGroup"]["workflowConfig"]["schedules"]["import"] = "cron(17 4 * * ? *)"
    steward.wait_run(steward.apply(document)["run"]["id"])
    changed, = [s for s in steward.ok("GET", f"/schedules?config={shop}")["items"] if s["owner"] == "config"]
    assert changed["expression"] == "cron(17 4 * * ? *)" and changed["paused"]["reason"] == "stocktaking"
    assert "paused" not in steward.ok("PATCH", f"/schedules/{changed['id']}", json={"paused": False})


def test_a_calendar(steward, shop):
    made = post(steward, config=shop, kind="observe", expression="cron(30 2 * * ? *)", timeZone="Europe/Berlin").json()
    path = f"/schedules/{made['id']}/fires"
    days = steward.ok("GET", path + "?from=2027-03-27T00:00:00Z&to=2027-03-30T00:00:00Z")
    assert [f["nominalAt"] for f in days["items"]] == ["2027-03-27T01:30:00.000Z", "2027-03-28T01:00:00.000Z", "2027-03-29T00:30:00.000Z"]
    assert days["next"] is None
    cut = steward.ok("GET", path + "?from=2027-01-01T00:00:00Z&to=2028-01-01T00:00:00Z&count=100")
    assert len(cut["items"]) == 100 and cut["next"]
    rest = steward.ok("GET", path + f"?from={cut['next']}&to=2028-01-01T00:00:00Z")
    assert len(rest["items"]) == 265 and rest["next"] is None
    assert steward.get(path + "?from=yesterday").status_code == 400
    assert len(steward.ok("GET", path + "?count=3")["items"]) == 3


def test_the_command_line(steward, shop):
    made = steward.cli("schedules", "create", shop, "observe", "cron(0 6 ? * MON-FRI *)", "--time-zone", "Europe/Berlin", "--overlap", "queue")
    schedule = made.split()[0]
    assert schedule.startswith("sch_") and "06:00" in made
    assert schedule in steward.cli("schedules", "list", "--config", shop)
    assert json.loads(steward.cli("schedules", "get", schedule, "--json"))["overlap"] == "queue"
    assert "holiday" in steward.cli("schedules", "pause", schedule, "--reason", "a holiday")
    steward.cli("schedules", "resume", schedule)
    assert "every 3 hours" in steward.cli("schedules", "update", schedule, "--expression", "rate(3 hours)")
    assert len(steward.cli("schedules", "fires", schedule, "--count", "4").splitlines()) == 4
    assert "run_" in steward.cli("schedules", "run", schedule)
    steward.cli("schedules", "delete", schedule)
    assert "ended" in steward.cli("schedules", "delete", schedule, code=1)
    assert "expression" in steward.cli("schedules", "create", shop, "observe", "cron(1 2 3)", code=1)
    offline = subprocess.run([str(BUILD / "steward"), "schedules", "next", "rate(6 hours)", "--describe", "--count", "1"],
                             capture_output=True, text=True, timeout=60)
    assert offline.stdout.splitlines()[0] == "every 6 hours"


def test_stop_spending_from_the_command_line(start_server):
    server = start_server()
    assert "audit" in server.cli("pause", "--reason", "an audit")
    assert server.ok("GET", "/pause")["reason"] == "an audit"
    server.cli("resume")
    assert server.ok("GET", "/pause") == {"paused": False}

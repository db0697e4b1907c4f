"""Import: a config from what exists in Amazon Personalize, such that a plan of it is empty."""
import json
import subprocess

import pytest
import requests

from server_kit import BUILD, Server, config, wait_until
from test_engine_kinds import FAST, apply, domain, domain_csv, everything, put_all, resources, results, succeed


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("adopt"), *FAST) as s:
        yield s


def effects(server):
    lines = (server.data_dir / "simulator" / "ledger.jsonl").read_text().splitlines()
    return [e["operation"] for e in map(json.loads, lines) if e.get("hasEffect")]


def forget(server, name):
    """Takes the config away and leaves its resources, without our mark."""
    succeed(server, server.ok("DELETE", f"/configs/{name}?resources=keep")["id"])


def check_import(server, name):
    """Import, plan, apply: nothing is made."""
    before = len(effects(server))
    answer = server.post("/configs/import", json={"datasetGroup": name})
    assert answer.status_code == 201, answer.text
    assert answer.json().get("run") is None and answer.headers["Location"] == f"/configs/{name}"
    document = answer.json()["config"]["document"]
    plan = server.ok("GET", f"/configs/{name}/plan")
    assert plan["changes"] is False, [line for line in plan["lines"] if line["action"] not in ("noop", "adopt")]
    assert {line["action"] for line in plan["lines"]} <= {"noop", "adopt"}
    assert effects(server)[before:] == [], "an import touches nothing"
    done = succeed(server, server.ok("POST", "/runs", json={"config": name, "kind": "apply"})["id"])
    assert set(results(done).values()) <= {"adopted", "unchanged", "updated", "skipped"}
    assert set(effects(server)[before:]) <= {"TagResource"}
    return document


def test_import_of_every_kind(server):
    document = everything("whole")
    document["solutions"][0]["serviceConfig"]["tags"] = [{"tagKey": "team", "tagValue": "shop"}]
    put_all(server, "whole")
    apply(server, document)
    forget(server, "whole")
    made = check_import(server, "whole")
    assert made["eventTracker"]["serviceConfig"]["name"] == "whole-events"
    assert made["solutions"][0]["serviceConfig"]["tags"] == [{"tagKey": "team", "tagValue": "shop"}]
    assert made["solutions"][0]["campaigns"] == [{"serviceConfig": {"name": "whole-c0", "minProvisionedTPS": 1}}]
    assert [len(s.get("batchSegmentJobs", [])) for s in made["solutions"]] == [0, 1]
    assert made["metricAttribution"]["serviceConfig"]["metrics"][0]["metricName"] == "watches"
    assert made["deployment"]["bucket"] == "steward-local" and made["deployment"]["prefix"] == "train/whole/"
    assert "importRoleArn" in made["deployment"] and "batchRoleArn" in made["deployment"]


def test_import_of_a_domain_group(server):
    server.put_data("video", body=domain_csv())
    apply(server, domain("video"))
    forget(server, "video")
    made = check_import(server, "video")
    assert made["datasetGroup"]["serviceConfig"]["domain"] == "VIDEO_ON_DEMAND"
    assert made["recommenders"][0]["serviceConfig"]["name"] == "video-popular"


def test_a_campaign_behind_its_solution_stays_there(server):
    document = config("behind")
    document["solutions"][0]["workflowConfig"] = {"promotion": {"policy": "manual"}}
    server.put_data("behind")
    apply(server, document)
    run = server.ok("POST", "/runs", json={"config": "behind", "kind": "train"})["id"]
    wait_until(lambda: server.ok("GET", f"/runs/{run}")["status"] == "held", 60)
    server.ok("POST", f"/runs/{run}/reject", json={})
    server.wait_run(run)
    forget(server, "behind")
    made = check_import(server, "behind")
    assert made["solutions"][0]["workflowConfig"] == {"promotion": {"policy": "manual"}}


def test_what_is_not_there_cannot_be_imported(server):
    answer = server.post("/configs/import", json={"datasetGroup": "nowhere"})
    assert answer.status_code == 422 and "There is no dataset group nowhere" in answer.json()["errors"][0]["detail"]
    assert server.post("/configs/import", json={}).status_code == 422
    # A config that is there is not written over.
    server.put_data("standing")
    apply(server, config("standing", solutions=0))
    assert server.post("/configs/import", json={"datasetGroup": "standing"}).status_code == 409


def test_status_and_schedules_of_an_imported_config(server):
    server.put_data("timed")
    apply(server, config("timed"))
    forget(server, "timed")
    body = {"datasetGroup": "timed", "message": "from the console",
            "schedules": {"import": "cron(* * * * ? *)", "solutions": {"timed-s0": {"full": "cron(0 5 ? * SUN *)"}}}}
    dry = server.ok("POST", "/configs/import?dryRun=true", json=body)
    assert dry["dryRun"] is True and dry["kind"] == "adopt" and [x["verb"] for x in dry["steps"]] == ["import"]
    assert server.get("/configs/timed").status_code == 404
    answer = server.post("/configs/import", json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["config"]["message"] == "from the console" and made["config"]["version"] == 1 and isinstance(made["warnings"], list)
    status = made["config"]["status"]
    assert (status["sync"]["status"], status["sync"]["reason"]) == ("synced", "imported"), status
    assert (status["health"]["status"], status["health"]["reason"]) == ("healthy", "imported")
    document = made["config"]["document"]
    assert document["datasetGroup"]["workflowConfig"]["schedules"] == {"import": "cron(* * * * ? *)"}
    assert document["solutions"][0]["workflowConfig"]["schedules"] == {"full": "cron(0 5 ? * SUN *)"}
    schedules = server.ok("GET", "/schedules?config=timed")["items"]
    assert len(schedules) == 2 and all(s["paused"] for s in schedules), schedules
    assert all(server.ok("GET", f"/schedules/{s['id']}/fires")["items"] == [] for s in schedules)
    # The first apply takes it over; a pause survives new versions.
    done = succeed(server, server.apply(document)["run"]["id"])
    assert results(done)["solution/timed-s0"] == "adopted"
    assert all(s["paused"] for s in server.ok("GET", "/schedules?config=timed")["items"])
    assert server.ok("GET", "/configs/timed")["status"]["sync"]["reason"] == "applied"


def test_schedules_that_make_no_sense_are_refused(server):
    server.put_data("senseless")
    apply(server, config("senseless", solutions=0))
    forget(server, "senseless")
    for schedules, pointer in (({"import": "daily"}, "/schedules/import"), ({"export": "rate(1 day)"}, "/schedules/export"),
                               ({"solutions": {"x": {"full": "cron(1)"}}}, "/schedules/solutions/x/full"),
                               ({"solutions": {"x": "rate(1 day)"}}, "/schedules/solutions/x")):
        answer = server.post("/configs/import", json={"datasetGroup": "senseless", "schedules": schedules})
        assert answer.status_code == 422 and answer.json()["errors"][0]["pointer"] == pointer, answer.text
    answer = server.post("/configs/import", json={"datasetGroup": "senseless", "schedules": {"solutions": {"x": {"full": "rate(1 day)"}}}})
    assert answer.status_code == 422 and 'no solution "x"' in answer.json()["detail"]
    assert server.get("/configs/senseless").status_code == 404


def test_an_import_that_nobody_waits_for_is_stored_all_the_same(server):
    server.put_data("slow")
    apply(server, config("slow"))
    forget(server, "slow")
    try:
        server.post("/configs/import", json={"datasetGroup": "slow"}, timeout=0.02)
    except requests.Timeout:
        pass
    wait_until(lambda: server.get("/configs/slow").status_code == 200, 60)
    assert server.ok("GET", "/configs/slow/plan")["changes"] is False
    run = server.ok("GET", "/runs?config=slow&kind=adopt")["items"][0]
    assert run["status"] == "succeeded"


def test_command_line(server, tmp_path):
    server.put_data("shell")
    apply(server, config("shell", solutions=0))
    forget(server, "shell")
    out = subprocess.run([BUILD / "steward", "import", "shell", "--schedule", "import=rate(1 day)", "--data-dir", server.data_dir],
                         capture_output=True, text=True)
    assert out.returncode == 0, out
    document = json.loads(out.stdout)
    assert document["datasetGroup"]["serviceConfig"]["name"] == "shell"
    assert document["datasetGroup"]["workflowConfig"]["schedules"]["import"] == "rate(1 day)"
    path = tmp_path / "shell.json"
    path.write_text(out.stdout)
    assert subprocess.run([BUILD / "steward", "plan", path, "--data-dir", server.data_dir]).returncode == 0
    assert subprocess.run([BUILD / "steward", "import", "shell", "--data-dir", server.data_dir]).returncode == 1

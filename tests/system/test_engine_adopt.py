"""Import: a config from what exists in Amazon Personalize, such that a plan of it is empty."""
import json
import subprocess

import pytest

from server_kit import BUILD, Server, config
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
    assert made["deployment"]["bucket"] == "steward-local"


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
    succeed(server, server.ok("POST", "/runs", json={"config": "behind", "kind": "train"})["id"])
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


def test_command_line(server, tmp_path):
    server.put_data("shell")
    apply(server, config("shell", solutions=0))
    forget(server, "shell")
    out = subprocess.run([BUILD / "steward", "import", "shell", "--data-dir", server.data_dir], capture_output=True, text=True)
    assert out.returncode == 0, out
    document = json.loads(out.stdout)
    assert document["datasetGroup"]["serviceConfig"]["name"] == "shell"
    path = tmp_path / "shell.json"
    path.write_text(out.stdout)
    assert subprocess.run([BUILD / "steward", "plan", path, "--data-dir", server.data_dir]).returncode == 0
    assert subprocess.run([BUILD / "steward", "import", "shell", "--data-dir", server.data_dir]).returncode == 1

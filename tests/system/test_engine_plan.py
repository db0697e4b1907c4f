"""Plan, drift and the observe run, on the local Amazon Personalize."""
import copy
import subprocess

import pytest

from server_kit import BUILD, Server, config, wait_until
from test_engine_kinds import FAST, apply, calls, everything, put_all, resources, results, succeed


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("plan"), *FAST) as s:
        yield s


@pytest.fixture(scope="module")
def whole(server):
    document = everything("whole")
    put_all(server, "whole")
    apply(server, document)
    return document


def plan(server, document):
    return server.ok("POST", "/configs/plan", json=document)


def actions(answer, but="noop"):
    return {line["resourceKey"]: line["action"] for line in answer["lines"] if line["action"] != but}


def observe(server, name):
    return succeed(server, server.ok("POST", "/runs", json={"config": name, "kind": "observe"})["id"])


def event_types(server, name):
    return [e["type"] for e in server.ok("GET", f"/events?config={name}&limit=200")["items"]]


def test_plan_of_what_does_not_exist_creates_everything_and_leaves_no_trace(server, whole):
    document = everything("dream")
    put_all(server, "dream")
    before = len((server.data_dir / "simulator" / "ledger.jsonl").read_text().splitlines())
    answer = plan(server, document)
    assert answer["changes"] is True and answer["config"] == "dream"
    assert set(actions(answer).values()) == {"create", "job"}
    assert len(actions(answer)) == len(answer["lines"])
    assert answer["summary"]["create"] + answer["summary"]["job"] == len(answer["lines"])
    assert server.get("/configs/dream").status_code == 404
    entries = (server.data_dir / "simulator" / "ledger.jsonl").read_text().splitlines()[before:]
    assert not [e for e in entries if '"hasEffect":true' in e.replace(" ", "")]


def test_plan_after_apply_is_empty(server, whole):
    for answer in (plan(server, whole), server.ok("GET", "/configs/whole/plan")):
        assert actions(answer) == {} and answer["changes"] is False, actions(answer)


def test_plan_says_what_changes_and_how(server, whole):
    document = copy.deepcopy(whole)
    document["solutions"][0]["campaigns"][0]["serviceConfig"]["minProvisionedTPS"] = 7
    document["solutions"][0]["serviceConfig"]["eventType"] = "watch"
    document["filters"][0]["serviceConfig"]["filterExpression"] = "EXCLUDE ItemID WHERE Items.GENRE IN ($GENRE)"
    document["filters"].append({"serviceConfig": {
        "name": "whole-more", "filterExpression": "EXCLUDE ItemID WHERE Items.GENRE IN (\"g1\")"}})
    items = document["datasets"]["items"]["schema"]["serviceConfig"]
    items["schema"]["fields"].append({"name": "YEAR", "type": ["int", "null"]})
    del document["solutions"][0]["serviceConfig"]["eventType"]
    document["solutions"][1]["serviceConfig"]["performHPO"] = True
    answer = plan(server, document)
    assert actions(answer) == {
        "campaign/whole-c0": "updateInPlace", "filter/whole-genre": "replace", "filter/whole-more": "create",
        "schema/whole/whole-items-schema": "create", "dataset/whole/ITEMS": "updateInPlace", "solution/whole-segments": "blocked"}
    line = next(x for x in answer["lines"] if x["kind"] == "campaign")
    assert line["fields"] == [{"field": "minProvisionedTPS", "before": 1, "after": 7, "inPlace": True}]
    text = server.post("/configs/plan", json=document, headers={"Accept": "text/plain"})
    assert text.headers["Content-Type"].startswith("text/plain")
    assert "minProvisionedTPS: 1 -> 7" in text.text and "1 blocked" in text.text
    markdown = server.post("/configs/plan", json=document, headers={"Accept": "text/markdown"})
    assert "| replace | filter | `whole-genre` |" in markdown.text
    assert server.ok("GET", "/configs/whole/plan")["changes"] is False


def test_plan_of_a_bad_document_is_refused(server):
    answer = server.post("/configs/plan", json={"datasetGroup": {}})
    assert answer.status_code == 422 and answer.json()["errors"]
    assert server.get("/configs/nothing/plan").status_code == 404


def test_drift_is_seen_and_its_end_too(server, whole):
    personalize = server.aws("personalize")
    campaign = resources(server, "whole")["campaign/whole-c0"]
    assert not campaign["drift"]
    personalize.update_campaign(campaignArn=campaign["arn"], minProvisionedTPS=4)
    wait_until(lambda: personalize.describe_campaign(campaignArn=campaign["arn"])["campaign"]["minProvisionedTPS"] == 4)
    filter_arn = resources(server, "whole")["filter/whole-genre"]["arn"]
    personalize.delete_filter(filterArn=filter_arn)
    wait_until(lambda: filter_arn not in [f["filterArn"] for f in personalize.list_filters()["Filters"]])
    updates = len(calls(server, "UpdateCampaign"))
    observe(server, "whole")
    found = resources(server, "whole")
    assert [(d["field"], d["desired"], d["observed"]) for d in found["campaign/whole-c0"]["drift"]] == [("minProvisionedTPS", 1, 4)]
    assert found["filter/whole-genre"]["drift"][0]["field"] == "status" and found["filter/whole-genre"]["status"] is None
    status = server.ok("GET", "/configs/whole")["status"]
    assert status["sync"]["status"] == "outOfSync" and status["sync"]["reason"] == "drift"
    assert status["health"]["status"] == "degraded"
    assert event_types(server, "whole").count("drift.detected") == 2
    observe(server, "whole")  # the same drift is no news
    assert event_types(server, "whole").count("drift.detected") == 2
    assert len(calls(server, "UpdateCampaign")) == updates, "observing changes nothing"
    healed = succeed(server, server.apply(whole)["run"]["id"])
    assert {k for k, r in results(healed).items() if r not in ("unchanged",)} >= {"campaign/whole-c0", "filter/whole-genre"}
    assert event_types(server, "whole").count("drift.cleared") == 2
    assert server.ok("GET", "/configs/whole")["status"]["sync"]["status"] == "synced"
    observe(server, "whole")
    assert not [r["key"] for r in resources(server, "whole").values() if r["drift"]]


def test_drift_is_looked_for_on_a_timer(tmp_path):
    with Server(tmp_path, *FAST, "--observe-every", "1s") as s:
        document = config("timed")
        s.put_data("timed")
        apply(s, document)
        s.aws("personalize").update_campaign(campaignArn=resources(s, "timed")["campaign/timed-c0"]["arn"], minProvisionedTPS=3)
        wait_until(lambda: resources(s, "timed")["campaign/timed-c0"]["drift"], 20)
        assert s.ok("GET", "/configs/timed")["status"]["sync"]["reason"] == "drift"
        runs = s.ok("GET", "/runs?kind=observe&limit=200")["items"]
        assert {r["trigger"] for r in runs} == {"schedule"}
        # Looks that found nothing new leave no heap of runs behind.
        last = runs[0]["id"]
        wait_until(lambda: s.ok("GET", "/runs?kind=observe&limit=1")["items"][0]["id"] != last, 20)
        assert len(s.ok("GET", "/runs?kind=observe&limit=200")["items"]) <= 4


def test_what_others_manage_is_only_looked_at(server):
    server.aws("personalize").create_dataset_group(name="looked")
    document = config("looked", solutions=0)
    document["datasetGroup"]["workflowConfig"] = {"manage": "observe"}
    server.put_data("looked")
    done = apply(server, document)
    assert results(done)["datasetGroup/looked"] == "unchanged" and results(done)["dataset/looked/INTERACTIONS"] == "created"
    arn = resources(server, "looked")["datasetGroup/looked"]["arn"]
    assert server.aws("personalize").list_tags_for_resource(resourceArn=arn)["tags"] == []


def test_command_line(server, whole, tmp_path):
    import json
    path = tmp_path / "file.json"

    def steward(*args):
        return subprocess.run([BUILD / "steward", *args, "--data-dir", server.data_dir], capture_output=True, text=True)

    path.write_text(json.dumps(whole))
    same = steward("plan", path)
    assert same.returncode == 0 and "unchanged" in same.stdout, same
    changed = copy.deepcopy(whole)
    changed["solutions"][0]["campaigns"][0]["serviceConfig"]["minProvisionedTPS"] = 9
    path.write_text(json.dumps(changed))
    differs = steward("plan", path)
    assert differs.returncode == 2 and "updateInPlace" in differs.stdout, differs
    assert json.loads(steward("plan", path, "--json").stdout)["changes"] is True
    assert steward("plan", path, "--markdown").stdout.startswith("### Plan")
    path.write_text("{}")
    assert steward("plan", path).returncode == 1

"""What leaves the file, and what becomes of it."""
import copy
import json
import subprocess

import pytest

from server_kit import BUILD, Server, config, wait_until
from test_engine_kinds import FAST, apply, everything, put_all, resources, results, succeed


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("lifecycle"), *FAST) as s:
        yield s


def lines(plan, *but):
    return {line["resourceKey"]: line["action"] for line in plan["lines"] if line["action"] not in but}


def effects(server, since=0):
    entries = (server.data_dir / "simulator" / "ledger.jsonl").read_text().splitlines()[since:]
    return [e["operation"] for e in map(json.loads, entries) if e.get("hasEffect")]


def test_what_left_the_file_lives_on_until_a_prune(server):
    whole = everything("prune")
    put_all(server, "prune")
    apply(server, whole)
    smaller = copy.deepcopy(whole)
    gone = smaller["solutions"].pop(0)["serviceConfig"]["name"]
    del smaller["filters"], smaller["eventTracker"], smaller["metricAttribution"], smaller["datasets"]["items"]
    for solution in smaller["solutions"]:
        solution.pop("batchInferenceJobs", None)
    left = {f"solution/{gone}", "campaign/prune-c0", "filter/prune-genre", "eventTracker/prune", "metricAttribution/prune", "dataset/prune/ITEMS",
            "schema/prune/prune-items-schema"}
    # A plan says what is left behind and how to be rid of it.
    before = server.ok("POST", "/configs/plan", json=smaller)
    behind = {line["resourceKey"]: line for line in before["lines"] if line.get("leftBehind")}
    assert set(behind) == left and {line["action"] for line in behind.values()} == {"noop"}
    assert all("prune" in line["reason"] for line in behind.values())
    text = server.post("/configs/plan", json=smaller, headers={"Accept": "text/plain"}).text
    assert "left behind" in text and "--prune" in text
    # Without prune nothing is deleted, and the answer warns.
    answer = server.apply(smaller)
    assert {w["code"] for w in answer["warnings"]} >= {"left-behind"}
    succeed(server, answer["run"]["id"])
    assert "DeleteSolution" not in effects(server) and left <= set(resources(server, "prune"))
    # With prune the plan deletes, and the apply does.
    planned = server.ok("GET", "/configs/prune/plan?prune=true")
    assert lines(planned, "noop", "job") == {key: "delete" for key in left} and planned["changes"] is True
    assert planned["summary"]["delete"] == len(left)
    dry = server.ok("POST", "/configs?prune=true&dryRun=true", json=smaller)
    assert {s["resourceKey"] for s in dry["steps"] if s["verb"] == "delete"} == left
    since = len((server.data_dir / "simulator" / "ledger.jsonl").read_text().splitlines())
    done = succeed(server, server.apply(smaller, params={"prune": "true"})["run"]["id"])
    assert {k for k, r in results(done).items() if r == "deleted"} == left
    order = [o for o in effects(server, since) if o.startswith("Delete")]
    assert order.index("DeleteCampaign") < order.index("DeleteSolution") < order.index("DeleteDataset") < order.index("DeleteSchema")
    assert not left & set(resources(server, "prune"))
    assert server.ok("GET", "/configs/prune/plan?prune=true")["changes"] is False
    again = server.apply(smaller, params={"prune": "true"})
    assert again.get("run") is None and "left-behind" not in {w["code"] for w in again["warnings"]}, again.get("run")


def test_prevent_destroy_outlives_the_file(server):
    document = config("guarded")
    document["solutions"][0]["campaigns"][0]["workflowConfig"] = {"preventDestroy": True}
    server.put_data("guarded")
    apply(server, document)
    smaller = copy.deepcopy(document)
    smaller["solutions"][0]["campaigns"] = []
    apply(server, smaller)
    planned = server.ok("GET", "/configs/guarded/plan?prune=true")
    line = next(x for x in planned["lines"] if x["resourceKey"] == "campaign/guarded-c0")
    assert line["action"] == "blocked" and "preventDestroy" in line["reason"]
    for answer in (server.post("/configs?prune=true", json=smaller), server.post("/runs", json={"config": "guarded", "kind": "apply", "prune": True}),
                   server.call("DELETE", "/configs/guarded?resources=delete")):
        assert answer.status_code == 409 and answer.json()["code"] == "destroy-prevented", answer.text
    # Back into the file without it, and out again.
    del document["solutions"][0]["campaigns"][0]["workflowConfig"]
    apply(server, document)
    apply(server, smaller)
    run = server.ok("POST", "/runs", json={"config": "guarded", "kind": "apply", "prune": True})
    assert results(succeed(server, run["id"]))["campaign/guarded-c0"] == "deleted"


def test_what_is_not_ours_is_not_pruned(server):
    document = config("marked")
    server.put_data("marked")
    apply(server, document)
    arn = resources(server, "marked")["campaign/marked-c0"]["arn"]
    server.aws("personalize").untag_resource(resourceArn=arn, tagKeys=["steward:deployment"])
    document["solutions"][0]["campaigns"] = []
    apply(server, document)
    line = next(x for x in server.ok("GET", "/configs/marked/plan?prune=true")["lines"] if x["resourceKey"] == "campaign/marked-c0")
    assert line["action"] == "noop" and "not our mark" in line["reason"]
    run = server.ok("POST", "/runs", json={"config": "marked", "kind": "apply", "prune": True})
    assert results(succeed(server, run["id"]))["campaign/marked-c0"] == "skipped"
    assert server.aws("personalize").describe_campaign(campaignArn=arn)["campaign"]["status"] == "ACTIVE"


def test_a_config_goes_with_what_it_left_behind(server):
    document = config("leaving", solutions=2)
    server.put_data("leaving")
    apply(server, document)
    smaller = copy.deepcopy(document)
    smaller["solutions"].pop()
    apply(server, smaller)
    dry = server.ok("DELETE", "/configs/leaving?resources=delete&dryRun=true")
    actions = {line["resourceKey"]: line["action"] for line in dry["lines"]}
    assert actions["solution/leaving-s1"] == actions["datasetGroup/leaving"] == "delete" and dry["summary"]["delete"] == len(
        [a for a in actions.values() if a == "delete"])
    done = succeed(server, server.ok("DELETE", "/configs/leaving?resources=delete")["id"])
    assert results(done)["campaign/leaving-c1"] == results(done)["datasetGroup/leaving"] == "deleted"
    assert "leaving-s1" not in [s["name"] for s in server.aws("personalize").list_solutions()["solutions"]]


def test_command_line(server, tmp_path):
    document = config("pruner")
    server.put_data("pruner")
    apply(server, document)
    document["solutions"][0]["campaigns"] = []
    path = tmp_path / "file.json"
    path.write_text(json.dumps(document))

    def steward(*args):
        return subprocess.run([BUILD / "steward", *args, "--data-dir", server.data_dir], capture_output=True, text=True)

    assert "left behind" in steward("plan", path).stdout
    planned = steward("plan", path, "--prune")
    assert planned.returncode == 2 and "campaign" in planned.stdout and "to delete" in planned.stdout, planned
    out = steward("apply", path, "--wait", "--prune")
    assert out.returncode == 0, out
    assert "campaign/pruner-c0" not in resources(server, "pruner")


def orphans(server, query=""):
    return {o["arn"].split(":")[-1]: o for o in server.ok("GET", "/orphans?limit=200" + query)["items"]}


def test_orphans_are_listed(tmp_path):
    with Server(tmp_path, *FAST) as server:
        personalize = server.aws("personalize")
        document = config("parent")
        server.put_data("parent")
        apply(server, document)
        stray = personalize.create_dataset_group(name="stray")["datasetGroupArn"]
        wait_until(lambda: personalize.describe_dataset_group(datasetGroupArn=stray)["datasetGroup"]["status"] == "ACTIVE")
        personalize.create_solution(name="stray-solution", datasetGroupArn=stray, recipeArn="arn:aws:personalize:::recipe/aws-sims")
        personalize.create_event_tracker(name="theirs", datasetGroupArn=stray, tags=[{"tagKey": "steward:deployment", "tagValue": "another"}])
        del document["solutions"][0]["campaigns"]
        apply(server, document)
        found = orphans(server)
        assert set(found) - {k for k in found if k.startswith("event-tracker/")} == {
            "dataset-group/stray", "solution/stray-solution", "campaign/parent-c0"}, set(found)
        tracker = next(o for k, o in found.items() if k.startswith("event-tracker/"))
        assert (tracker["name"], tracker["owner"], tracker["deployment"]) == ("theirs", "other", "another")
        assert (found["campaign/parent-c0"]["owner"], found["campaign/parent-c0"]["config"]) == ("us", "parent")
        assert found["solution/stray-solution"]["owner"] == "nobody" and found["solution/stray-solution"]["kind"] == "solution"
        # Filters and pages.
        assert set(orphans(server, "&kind=campaign&kind=solution")) == {"solution/stray-solution", "campaign/parent-c0"}
        assert set(orphans(server, "&owner=us")) == set(orphans(server, "&config=parent")) == {"campaign/parent-c0"}
        assert server.get("/orphans?owner=me").status_code == 400
        seen, cursor = [], ""
        while cursor is not None:
            page = server.ok("GET", "/orphans?limit=1" + (f"&cursor={cursor}" if cursor else ""))
            seen += [o["arn"] for o in page["items"]]
            cursor = page["next"]
        assert seen == sorted(o["arn"] for o in found.values())
        metrics = server.get("/metrics").text
        assert 'steward_orphans_total{owner="us"} 1' in metrics and 'steward_orphans_total{owner="other"} 1' in metrics


def test_ignored_fields_are_left_alone_everywhere(server):
    document = config("ignoring")
    campaign = document["solutions"][0]["campaigns"][0]
    campaign["serviceConfig"]["tags"] = [{"tagKey": "team", "tagValue": "shop"}]
    campaign["workflowConfig"] = {"ignoreFields": ["minProvisionedTPS", "tags"]}
    server.put_data("ignoring")
    apply(server, document)
    personalize = server.aws("personalize")
    arn = resources(server, "ignoring")["campaign/ignoring-c0"]["arn"]
    personalize.update_campaign(campaignArn=arn, minProvisionedTPS=3)
    wait_until(lambda: personalize.describe_campaign(campaignArn=arn)["campaign"]["minProvisionedTPS"] == 3)
    personalize.tag_resource(resourceArn=arn, tags=[{"tagKey": "team", "tagValue": "others"}])
    assert server.ok("GET", "/configs/ignoring/plan")["changes"] is False
    succeed(server, server.ok("POST", "/runs", json={"config": "ignoring", "kind": "observe"})["id"])
    assert not resources(server, "ignoring")["campaign/ignoring-c0"]["drift"]
    run = succeed(server, server.ok("POST", "/runs", json={"config": "ignoring", "kind": "apply"})["id"])
    assert results(run)["campaign/ignoring-c0"] == "unchanged"
    assert personalize.describe_campaign(campaignArn=arn)["campaign"]["minProvisionedTPS"] == 3
    tags = {t["tagKey"]: t["tagValue"] for t in personalize.list_tags_for_resource(resourceArn=arn)["tags"]}
    assert tags["team"] == "others" and "steward:deployment" in tags
    # What is not ignored is seen, and mended.
    del campaign["workflowConfig"]
    plan = server.ok("POST", "/configs/plan", json=document)
    assert {f["field"] for x in plan["lines"] if x["kind"] == "campaign" for f in x["fields"]} == {"minProvisionedTPS", "tags"}
    apply(server, document)
    assert personalize.describe_campaign(campaignArn=arn)["campaign"]["minProvisionedTPS"] == 1

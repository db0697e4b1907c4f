"""Tags, promotion, stopping, trying again and taking down, on the local Amazon Personalize."""
import pytest
import requests

from server_kit import Server, config, wait_until
from test_engine_kinds import FAST, apply, calls, everything, live, put_all, resources, results, succeed
from test_schedules import query


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("upkeep"), *FAST) as s:
        yield s


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A second account, so to speak: five dataset groups are all that one may have."""
    with Server(tmp_path_factory.mktemp("upkeep2"), *FAST) as s:
        yield s


def tags(server, arn):
    return {t["tagKey"]: t["tagValue"] for t in server.aws("personalize").list_tags_for_resource(resourceArn=arn)["tags"]}


def run(server, config_name, kind, **more):
    return succeed(server, server.ok("POST", "/runs", json={"config": config_name, "kind": kind, **more})["id"])


def test_tags_converge_and_those_of_others_stay(server):
    document = config("tagged")
    service = document["solutions"][0]["serviceConfig"]
    service["tags"] = [{"tagKey": "team", "tagValue": "shop"}, {"tagKey": "stage", "tagValue": "test"}]
    server.put_data("tagged")
    apply(server, document)
    arn = resources(server, "tagged")["solution/tagged-s0"]["arn"]
    mine = tags(server, arn)
    mark = mine.pop("steward:deployment")
    assert mine == {"team": "shop", "stage": "test"}
    server.aws("personalize").tag_resource(resourceArn=arn, tags=[{"tagKey": "cost", "tagValue": "42"}])
    service["tags"] = [{"tagKey": "team", "tagValue": "films"}, {"tagKey": "owner", "tagValue": "ann"}]
    # A plan once read as if our own mark and others' tags were taken away: it now shows what the resource will bear, without our mark.
    line = next(x for x in server.ok("POST", "/configs/plan", json=document)["lines"] if x["resourceKey"] == "solution/tagged-s0")
    shown = {when: {t["tagKey"]: t["tagValue"] for t in line["fields"][0][when]} for when in ("before", "after")}
    assert shown == {"before": {"team": "shop", "stage": "test", "cost": "42"}, "after": {"team": "films", "owner": "ann", "cost": "42"}}
    changed = {k: r for k, r in results(apply(server, document)).items() if r != "unchanged"}
    assert changed["solution/tagged-s0"] == "updated"
    assert tags(server, arn) == {"team": "films", "owner": "ann", "cost": "42", "steward:deployment": mark}
    assert set(results(run(server, "tagged", "apply")).values()) == {"unchanged"}


def test_adoption_leaves_a_mark_and_respects_others(server):
    personalize = server.aws("personalize")
    personalize.create_dataset_group(name="found")
    personalize.create_dataset_group(name="theirs", tags=[{"tagKey": "steward:deployment", "tagValue": "another"}])
    document = config("found", solutions=0)
    server.put_data("found")
    done = apply(server, document)
    assert results(done)["datasetGroup/found"] == "adopted"
    assert "steward:deployment" in tags(server, resources(server, "found")["datasetGroup/found"]["arn"])
    document = config("theirs", solutions=0)
    server.put_data("theirs")
    failed = server.wait_run(server.apply(document)["run"]["id"])
    assert failed["status"] == "failed" and "another deployment" in failed["reason"], failed["reason"]
    document["datasetGroup"]["workflowConfig"] = {"adopt": "takeover"}
    assert results(apply(server, document))["datasetGroup/theirs"] == "adopted"
    personalize.create_dataset_group(name="hands-off")
    document = config("hands-off", solutions=0)
    document["datasetGroup"]["workflowConfig"] = {"adopt": "never"}
    failed = server.wait_run(server.apply(document)["run"]["id"])
    assert failed["status"] == "failed" and '"never"' in failed["reason"], failed["reason"]


def test_promote_by_hand_pin_and_unpin(server):
    document = config("hand")
    document["solutions"][0]["workflowConfig"] = {"promotion": {"policy": "manual"}}
    server.put_data("hand")
    apply(server, document)
    first = live(server, "hand")["campaign/hand-c0"]["solutionVersionArn"]
    trained = server.ok("POST", "/runs", json={"config": "hand", "kind": "train"})["id"]
    trained = wait_until(lambda: (lambda r: r if r["status"] == "held" else None)(server.ok("GET", f"/runs/{trained}")), 60)
    assert next(s for s in trained["steps"] if s["kind"] == "solutionVersion")["result"] == "created"
    assert live(server, "hand")["campaign/hand-c0"]["solutionVersionArn"] == first
    waiting = next(s for s in trained["steps"] if s["kind"] == "campaign")
    assert "waits to be promoted" in waiting["reason"]
    path = "/configs/hand/campaigns/hand-c0"
    assert server.post(f"{path}/promote", json={"version": "none"}).status_code == 422
    assert server.post("/configs/hand/campaigns/none/promote", json={}).status_code == 404
    succeed(server, server.ok("POST", f"{path}/promote", json={})["id"])
    second = live(server, "hand")["campaign/hand-c0"]["solutionVersionArn"]
    assert second != first
    succeed(server, server.ok("POST", f"{path}/promote", json={"version": first, "pin": True, "reason": "roll back"})["id"])
    assert live(server, "hand")["campaign/hand-c0"]["solutionVersionArn"] == first
    assert resources(server, "hand")["campaign/hand-c0"]["details"]["pin"] == {"version": first, "reason": "roll back"}
    # A pin stands above an automatic policy, too, and survives a new version of the config.
    document["solutions"][0]["workflowConfig"]["promotion"]["policy"] = "automatic"
    apply(server, document)
    assert live(server, "hand")["campaign/hand-c0"]["solutionVersionArn"] == first
    succeed(server, server.ok("POST", f"{path}/unpin", json={})["id"])
    assert live(server, "hand")["campaign/hand-c0"]["solutionVersionArn"] == second


def test_retry_takes_over_what_had_succeeded(other):
    document = config("again")
    other.put_data("again", body=b"USER_ID,ITEM_ID,TIMESTAMP\nu1,i1,1700000000\n")
    failed = other.wait_run(other.apply(document)["run"]["id"])
    assert failed["status"] == "failed"
    before = {s["resourceKey"]: s["status"] for s in failed["steps"]}
    assert before["dataset/again/INTERACTIONS"] == "succeeded" and before["datasetImportJob/again/INTERACTIONS"] == "failed"
    assert before["campaign/again-c0"] == "skipped"
    assert other.post(f"/runs/{failed['id'][:-1]}0/retry").status_code == 404
    other.put_data("again")
    answer = other.post(f"/runs/{failed['id']}/retry")
    assert answer.status_code == 202 and answer.json()["retryOf"] == failed["id"]
    assert answer.headers["Location"] == f"/runs/{answer.json()['id']}"
    done = succeed(other, answer.json()["id"])
    assert results(done)["dataset/again/INTERACTIONS"] == "unchanged"
    assert results(done)["datasetImportJob/again/INTERACTIONS"] == "created"
    assert results(done)["campaign/again-c0"] == "created"
    assert "Taken over" in next(s for s in done["steps"] if s["kind"] == "dataset")["reason"]
    assert other.post(f"/runs/{done['id']}/retry").status_code == 409


def inputs(server, run):
    """What the run was planned with: of the run, and of each of its steps."""
    of_run = query(server, "SELECT config, config_version, kind, options::text, claims FROM runs WHERE id = %s", run)
    return of_run, query(server, "SELECT ordinal, kind, verb, name, resource_key, request::text, tags::text, refs, options::text FROM steps"
                                 " WHERE run_id = %s ORDER BY ordinal", run)


def test_a_run_is_done_again_with_the_inputs_it_had(other):
    """Nothing could do a run that had succeeded again: who started the same kind anew got the plan of what the config has become."""
    document = config("inputs")
    other.put_data("inputs")
    apply(other, document)
    first = run(other, "inputs", "import", datasets=["INTERACTIONS"], force=True)
    document["datasets"]["interactions"]["dataset"]["serviceConfig"]["tags"] = [{"tagKey": "a", "tagValue": "b"}]
    document["solutions"][0]["campaigns"][0]["serviceConfig"]["minProvisionedTPS"] = 2
    apply(other, document)
    path = f"/runs/{first['id']}/retry"
    refused = other.post(path)
    assert refused.status_code == 409 and '"start"' in refused.json()["detail"], refused.text
    assert other.post(path, json={"from": "middle"}).status_code == 422
    assert other.post(f"{path}?dryRun=true", json={"from": "start"}).status_code == 200
    answer = other.post(path, json={"from": "start"})
    assert answer.status_code == 202 and answer.headers["Location"] == f"/runs/{answer.json()['id']}"
    again = succeed(other, answer.json()["id"])
    assert (again["retryOf"], again["configVersion"], again["options"]) == (first["id"], 1, {"datasets": ["INTERACTIONS"], "force": True})
    assert inputs(other, again["id"]) == inputs(other, first["id"])
    assert [s["result"] for s in again["steps"]] == [s["result"] for s in first["steps"]] == ["created"]
    assert again["steps"][0]["arn"] != first["steps"][0]["arn"]
    # By the command line, and an apply of a version that is no longer the newest: it says so of the config.
    old = other.ok("GET", "/runs?config=inputs&kind=apply")["items"][-1]["id"]
    assert " is queued" in other.cli("runs", "rerun", old, "--wait")
    sync = other.ok("GET", "/configs/inputs")["status"]["sync"]
    assert (sync["status"], sync["reason"]) == ("outOfSync", "newerVersion")
    assert live(other, "inputs")["campaign/inputs-c0"]["minProvisionedTPS"] == 1
    assert '"start"' in other.cli("runs", "retry", old, code=1)


def test_nothing_is_left_to_try_again(other):
    """Cancelled in doubt, the only step of a run had its effect all the same. Tried again, it took everything over, had nothing left to do,
    and so was never looked at again: running for ever, with all its claims."""
    document = config("left")
    other.put_data("left")
    apply(other, document)
    first = live(other, "left")["campaign/left-c0"]["solutionVersionArn"]
    run(other, "left", "trainFull")
    faults = other.simulator_url + "/_simulator/faults"
    requests.post(faults, json={"rules": ["UpdateCampaign=slow,ms=1500,times=1"]}, timeout=10).raise_for_status()
    promote = other.ok("POST", "/configs/left/campaigns/left-c0/promote", json={"version": first})["id"]
    wait_until(lambda: any(s["intent"] == "maybe_sent" for s in other.ok("GET", f"/runs/{promote}")["steps"]))
    other.ok("POST", f"/runs/{promote}/cancel")
    # Ends cancelled; where the answer was written down before the look, the step does too.
    assert other.wait_run(promote)["status"] == "cancelled"
    query(other, "UPDATE steps SET state = 'succeeded', result = 'updated' WHERE run_id = %s", promote)
    refused = other.post(f"/runs/{promote}/retry")
    assert refused.status_code == 409 and "had succeeded" in refused.json()["detail"], refused.text
    again = succeed(other, other.ok("POST", f"/runs/{promote}/retry", json={"from": "start"})["id"])
    assert live(other, "left")["campaign/left-c0"]["solutionVersionArn"] == first and again["kind"] == "promote"


def test_who_may_not_delete_may_not_try_a_deletion_again(other):
    """A retry asked for the scope of an operator only, whatever the run did. And a config that is gone was read again three times."""
    other.put_data("scoped")
    apply(other, config("scoped", solutions=0))
    destroy = other.ok("DELETE", "/configs/scoped?resources=delete")["id"]
    other.post(f"/runs/{destroy}/cancel")
    state = other.wait_run(destroy)["status"]
    operator = other.new_token("read", "operate")
    denied = other.post(f"/runs/{destroy}/retry", token=operator, json={"from": "start"})
    assert denied.status_code == 403 and '"apply"' in denied.json()["detail"], denied.text
    if state == "cancelled":
        succeed(other, other.ok("POST", f"/runs/{destroy}/retry")["id"])
    gone = other.post(f"/runs/{destroy}/retry", json={"from": "start"})
    assert gone.status_code == 409 and "it is gone" in gone.json()["detail"], gone.text


def test_destroy_deletes_what_is_ours_in_order(other):
    document = everything("gone")
    put_all(other, "gone")
    apply(other, document)
    personalize = other.aws("personalize")
    assert other.call("DELETE", "/configs/gone").status_code == 400
    dry = other.ok("DELETE", "/configs/gone?resources=delete&dryRun=true")
    assert dry["steps"][-1]["kind"] == "datasetGroup"
    final = succeed(other, other.ok("DELETE", "/configs/gone?resources=delete")["id"])
    assert {s["result"] for s in final["steps"]} <= {"deleted", "unchanged"}
    assert other.get("/configs/gone").status_code == 404
    for listing, key in (("list_dataset_groups", "datasetGroups"), ("list_schemas", "schemas"), ("list_solutions", "solutions"),
                         ("list_campaigns", "campaigns")):
        names = [r["name"] for r in getattr(personalize, listing)(maxResults=100)[key]]
        assert not [n for n in names if n.startswith("gone")], names
    types = [e["type"] for e in other.ok("GET", "/events?config=gone&limit=200")["items"]]
    assert "config.deleted" in types and "resource.deleted" in types
    # Its names are free again.
    put_all(other, "gone")
    assert results(apply(other, document))["campaign/gone-c0"] == "created"


def test_destroy_keeps_what_it_is_told_to(other):
    document = config("kept")
    document["solutions"][0]["workflowConfig"] = {"preventDestroy": True}
    other.put_data("kept")
    apply(other, document)
    answer = other.call("DELETE", "/configs/kept?resources=delete")
    assert answer.status_code == 409 and answer.json()["code"] == "destroy-prevented", answer.text
    arn = resources(other, "kept")["solution/kept-s0"]["arn"]
    succeed(other, other.ok("DELETE", "/configs/kept?resources=keep")["id"])
    assert other.get("/configs/kept").status_code == 404
    assert tags(other, arn) == {}
    assert not [c for c in calls(other, "DeleteSolution") if c["solutionArn"] == arn]


def test_destroy_leaves_what_is_not_ours(other):
    document = config("mixed", solutions=0)
    other.put_data("mixed")
    apply(other, document)
    personalize = other.aws("personalize")
    arn = resources(other, "mixed")["dataset/mixed/INTERACTIONS"]["arn"]
    personalize.untag_resource(resourceArn=arn, tagKeys=["steward:deployment"])
    run_id = other.ok("DELETE", "/configs/mixed?resources=delete")["id"]
    step = wait_until(lambda: next((s for s in other.ok("GET", f"/runs/{run_id}")["steps"]
                                    if s["kind"] == "dataset" and s["status"] == "succeeded"), None))
    assert step["result"] == "skipped" and "not our mark" in step["reason"]
    assert personalize.describe_dataset(datasetArn=arn)["dataset"]["status"] == "ACTIVE"
    other.post(f"/runs/{run_id}/cancel")  # the group cannot go while it has a dataset
    assert other.wait_run(run_id)["status"] == "cancelled"
    assert other.get("/configs/mixed").status_code == 200


def test_destroy_waits_for_what_is_being_made(tmp_path):
    """The tags of a campaign in creation are not asked for; without them it was taken for somebody else's: a destroy right after a cancel
    said "not our mark, so it stays", and the campaign was made, and billed, with nobody to own it."""
    with Server(tmp_path, *FAST, "--simulator-time-scale", "300") as slow:
        slow.put_data("early")
        run_id = slow.apply(config("early"))["run"]["id"]
        wait_until(lambda: any(s["kind"] == "campaign" and s.get("awsStatus", "").startswith("CREATE ")
                               for s in slow.ok("GET", f"/runs/{run_id}")["steps"]), 120)
        slow.ok("POST", f"/runs/{run_id}/cancel", json={})
        assert slow.wait_run(run_id)["status"] == "cancelled"
        gone = succeed(slow, slow.ok("DELETE", "/configs/early?resources=delete")["id"])
        assert results(gone)["campaign/early-c0"] == "deleted"
        assert slow.aws("personalize").list_campaigns()["campaigns"] == []


def test_stop_training(tmp_path):
    with Server(tmp_path, *FAST, "--simulator-time-scale", "200") as slow:
        slow.put_data("slow")
        run_id = slow.apply(config("slow"))["run"]["id"]
        wait_until(lambda: any(s["kind"] == "solutionVersion" and s["status"] == "waiting" and s["awsStatus"] == "CREATE IN_PROGRESS"
                               for s in slow.ok("GET", f"/runs/{run_id}")["steps"]), 60)
        stopped = run(slow, "slow", "stopTraining")
        assert results(stopped) == {"solutionVersion/slow-s0": "stopped"}
        final = slow.wait_run(run_id)
        assert final["status"] == "failed" and "was stopped" in final["reason"], final["reason"]
        assert len(calls(slow, "StopSolutionVersionCreation")) == 1

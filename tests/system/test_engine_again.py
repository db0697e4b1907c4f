"""What a later run makes of what it finds: trainings without news, creations that failed, recommenders that somebody stopped.
Nothing to do is no failure: the run succeeds, says why nothing was made, and what depends on it goes on."""

import pytest
import requests

from server_kit import Server, config, domain, wait_until
from test_engine_kinds import FAST, apply, apply_again, calls, domain_csv, everything, live, put_all, results, succeed

UPDATABLE = "arn:aws:personalize:::recipe/aws-user-personalization"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("again"), *FAST, "--fuse-per-solution", "50", "--fuse-per-account", "200") as s:
        yield s


@pytest.fixture
def faults(server):
    """Rules of the local Amazon Personalize, gone after the test."""
    address = server.simulator_url + "/_simulator/faults"
    yield lambda *rules: requests.post(address, timeout=10, json={"rules": list(rules)}).raise_for_status()
    requests.delete(address, timeout=10).raise_for_status()


def run(server, name, kind, **more):
    return server.wait_run(server.ok("POST", "/runs", json={"config": name, "kind": kind, **more})["id"])


def versions(server, solution):
    return server.ok("GET", f"/solutions/{solution}/versions")["items"]


def test_an_update_without_news_is_skipped(server):
    """Amazon refuses to train UPDATE on data it knows: the version fails. That failed the run, after it had tried a second time."""
    document = config("news")
    document["solutions"][0]["serviceConfig"]["recipeArn"] = UPDATABLE
    server.put_data("news")
    apply(server, document)
    serving = live(server, "news")["solutionVersion/news-s0"]["solutionVersionArn"]
    before = len(calls(server, "CreateSolutionVersion"))
    done = run(server, "news", "trainUpdate")
    assert (done["status"], done["result"]) == ("succeeded", "skipped"), done
    step = done["steps"][0]
    assert (step["result"], step["arn"]) == ("skipped", serving)
    assert "No new data since the last FULL training" in step["reason"] and step["reason"] in done["reason"]
    assert results(done)["campaign/news-c0"] == "unchanged"
    assert live(server, "news")["campaign/news-c0"]["solutionVersionArn"] == serving
    assert len(calls(server, "CreateSolutionVersion")) == before + 1
    assert [(v["status"], v["trainingMode"]) for v in versions(server, "news-s0")] == [("CREATE FAILED", "UPDATE"), ("ACTIVE", "FULL")]
    # With news it trains.
    run(server, "news", "import", force=True)
    assert results(run(server, "news", "trainUpdate")) == {"solutionVersion/news-s0": "created", "campaign/news-c0": "updated"}


def test_the_first_import_is_full(server):
    """INCREMENTAL adds to data that is there. The first import of a dataset was sent so, too, though the documentation said FULL: Amazon
    refused it, and a config that asks for INCREMENTAL never got any data."""
    document = config("adds", solutions=0)
    document["datasets"]["serviceConfig"] = {"importMode": "INCREMENTAL"}
    server.put_data("adds")
    apply(server, document)
    dataset = live(server, "adds")["dataset/adds/INTERACTIONS"]["datasetArn"]
    for _ in range(2):
        assert run(server, "adds", "import", force=True)["result"] == "changed"
    jobs = server.aws("personalize").list_dataset_import_jobs(datasetArn=dataset)["datasetImportJobs"]
    jobs.sort(key=lambda job: job["creationDateTime"])
    assert [(job["importMode"], job["status"]) for job in jobs] == [("FULL", "ACTIVE")] + 2 * [("INCREMENTAL", "ACTIVE")]


def test_a_training_that_was_tried_again_stays_in_the_history_as_failed(server, faults):
    """The first attempt was listed as CREATE PENDING for ever: its step had gone on to the second."""
    document = config("twice")
    server.put_data("twice")
    faults("CreateSolutionVersion/*twice*=create-failed,times=1")
    apply(server, document)
    assert [v["status"] for v in versions(server, "twice-s0")] == ["ACTIVE", "CREATE FAILED"]
    assert "failureReason" in versions(server, "twice-s0")[1]


@pytest.mark.parametrize("operation, key", [
    ("CreateDatasetGroup", "datasetGroup/{}"), ("CreateDataset", "dataset/{}/ITEMS"), ("CreateEventTracker", "eventTracker/{}"),
    ("CreateMetricAttribution", "metricAttribution/{}"), ("CreateFilter", "filter/{}-genre"), ("CreateSolution", "solution/{}-s0"),
    ("CreateCampaign", "campaign/{}-c0")])
def test_a_creation_that_failed_is_made_again_by_the_next_run(server, faults, operation, key):
    """Amazon keeps what it could not make, under its name, as CREATE FAILED. Every later apply found it and failed with the same
    words, until somebody deleted it by hand."""
    name = "broken" + operation[6:].lower()
    document = everything(name)
    put_all(server, name)
    if "Solution" in operation or "Campaign" in operation:
        document["solutions"].pop()
    which = "*-items" if operation == "CreateDataset" else f"{name}*"
    faults(f"{operation}/{which}=create-failed,times=1,reason=No luck")
    first = server.wait_run(server.apply(document)["run"]["id"])
    key = key.format(name)
    failed = {s["resourceKey"]: s for s in first["steps"] if s["status"] == "failed"}
    assert key in failed and "retry the run" in failed[key]["failure"]["cure"], failed
    plan = server.ok("POST", "/configs/plan", json=document)
    line = next(x for x in plan["lines"] if x["resourceKey"] == key)
    assert line["action"] == "replace" and "its creation failed" in line["reason"]
    retried = server.ok("POST", f"/runs/{first['id']}/retry")
    assert results(succeed(server, retried["id"]))[key] == "created"
    assert apply_again(server, document) == {"unchanged"}


def test_a_failed_creation_of_somebody_else_is_left_to_them(server, faults):
    document = config("theirs", solutions=0)
    server.put_data("theirs")
    faults("CreateDatasetGroup/theirs=create-failed,times=1")
    p = server.aws("personalize")
    arn = p.create_dataset_group(name="theirs")["datasetGroupArn"]
    wait_until(lambda: p.describe_dataset_group(datasetGroupArn=arn)["datasetGroup"]["status"] == "CREATE FAILED")
    done = server.wait_run(server.apply(document)["run"]["id"])
    assert done["status"] == "failed" and "Steward did not make it" in done["reason"]
    assert not [c for c in calls(server, "DeleteDatasetGroup") if c["datasetGroupArn"] == arn]


def status_of(server, arn):
    return server.aws("personalize").describe_recommender(recommenderArn=arn)["recommender"]["status"]


def line_of(plan, key):
    return next(x for x in plan["lines"] if x["resourceKey"] == key)


def test_a_recommender_is_stopped_and_started_as_the_file_says(server):
    """One that somebody had stopped answered no requests, and was called healthy and as wanted."""
    document = domain("onoff")
    server.put_data("onoff", body=domain_csv())
    apply(server, document)
    key = "recommender/onoff-popular"
    arn = live(server, "onoff")[key]["recommenderArn"]
    p = server.aws("personalize")
    p.stop_recommender(recommenderArn=arn)
    wait_until(lambda: status_of(server, arn) == "INACTIVE")
    run(server, "onoff", "observe")
    assert server.ok("GET", "/configs/onoff")["status"]["health"]["status"] == "degraded"
    line = line_of(server.ok("POST", "/configs/plan", json=document), key)
    assert (line["action"], line["fields"][0]["field"], line["fields"][0]["after"]) == ("updateInPlace", "status", "ACTIVE")
    assert line["cost"]["monthlyBefore"]["amount"] == "0.00" != line["cost"]["monthlyAfter"]["amount"]
    # Started first, then changed: Amazon changes what is on.
    document["recommenders"][0]["serviceConfig"]["recommenderConfig"]["minRecommendationRequestsPerSecond"] = 2
    assert results(apply(server, document))[key] == "updated"
    assert status_of(server, arn) == "ACTIVE"
    assert live(server, "onoff")[key]["recommenderConfig"]["minRecommendationRequestsPerSecond"] == 2
    # Stopped by the file, after what else changes; and it stays so.
    document["recommenders"][0]["workflowConfig"] = {"state": "stopped"}
    document["recommenders"][0]["serviceConfig"]["recommenderConfig"]["minRecommendationRequestsPerSecond"] = 1
    line = line_of(server.ok("POST", "/configs/plan", json=document), key)
    assert line["cost"]["monthlyAfter"]["amount"] == "0.00"
    assert results(apply(server, document))[key] == "updated"
    assert status_of(server, arn) == "INACTIVE" and apply_again(server, document) == {"unchanged"}
    assert server.ok("GET", "/configs/onoff")["status"]["health"]["status"] == "healthy"
    assert (len(calls(server, "StartRecommender")), len(calls(server, "StopRecommender"))) == (1, 2)
    # An import of what is stopped says so: the next apply must not start what nobody asked for.
    server.ok("DELETE", "/configs/onoff?resources=keep")
    wait_until(lambda: server.get("/configs/onoff").status_code == 404)
    stored = server.ok("POST", "/configs/import", json={"datasetGroup": "onoff"})["config"]
    assert stored["document"]["recommenders"][0]["workflowConfig"] == {"state": "stopped"}
    # Whoever switches it by hand is left alone.
    document["recommenders"][0]["workflowConfig"] = {"state": "any"}
    assert line_of(server.ok("POST", "/configs/plan", json=document), key)["action"] != "updateInPlace"


def test_nothing_is_started_while_spending_is_stopped(server):
    document = domain("costly")
    server.put_data("costly", body=domain_csv())
    document["recommenders"][0]["workflowConfig"] = {"state": "stopped"}
    apply(server, document)
    arn = live(server, "costly")["recommender/costly-popular"]["recommenderArn"]
    assert status_of(server, arn) == "INACTIVE"
    server.ok("POST", "/pause", json={"reason": "budget"})
    try:
        del document["recommenders"][0]["workflowConfig"]
        started = server.apply(document)["run"]["id"]
        wait_until(lambda: [s for s in server.ok("GET", f"/runs/{started}")["steps"] if s.get("waitingFor") == "the end of the pause"])
        assert status_of(server, arn) == "INACTIVE"
    finally:
        server.ok("POST", "/resume", json={})
    succeed(server, started)
    assert status_of(server, arn) == "ACTIVE"


def refused(server, **body):
    answer = server.post("/runs", json=body)
    assert answer.status_code == 422, answer.text
    return [(e["pointer"], e["detail"]) for e in answer.json()["errors"]]


def test_inputs_that_a_run_has_no_use_for_are_refused(server):
    """They were taken and ignored: a "train" with mode "update" bought a FULL training, and a dataset type in the file's own spelling
    was not found."""
    document = config("inputs")
    server.put_data("inputs")
    apply(server, document)
    told = refused(server, config="inputs", kind="train", mode="update", datasets=["items"], confirm=True)
    assert [p for p, _ in told] == ["/datasets", "/mode", "/confirm"] and 'no use for "mode"' in told[1][1]
    assert refused(server, config="inputs", kind="import", datasets=["nope"]) == [("", 'The config "inputs" has no dataset "nope".')]
    assert refused(server, config="inputs", kind="retrain", jobs=[3]) == [("", 'The config "inputs" has no batch job "3".')]
    assert refused(server, config="inputs", kind="exportData", destination="here")[0][0] == "/destination"
    assert refused(server, config="inputs", kind="deleteData", confirm=True, dataLocation="http://x/y")[0][0] == "/dataLocation"
    for kind, route in (("adopt", "/configs/import"), ("promote", "/promote"), ("destroy", "resources=delete")):
        assert route in refused(server, config="inputs", kind=kind)[0][1]
    for name in ("interactions", "INTERACTIONS", "Interactions"):
        assert run(server, "inputs", "import", datasets=[name])["result"] == "skipped"
    assert "Started run" in server.cli("run", "inputs", "retrain", "--options", '{"solutions": ["inputs-s0"], "batch": false}', "--wait")
    assert "no use for" in server.cli("run", "inputs", "import", "--options", '{"mode": "full"}', code=1)
    assert "not a JSON object" in server.cli("run", "inputs", "import", "--options", "[1", code=2)


def test_retrain_trains_what_has_news(server):
    """It trained, and paid, whenever somebody knocked: a pipeline that fires without new data bought a training each time."""
    document = config("knock")
    server.put_data("knock")
    apply(server, document)
    arn = live(server, "knock")["solutionVersion/knock-s0"]["solutionVersionArn"]
    idle = run(server, "knock", "retrain")
    assert (idle["status"], idle["result"]) == ("succeeded", "skipped")
    assert set(results(idle).values()) == {"skipped", "unchanged"}
    version = next(s for s in idle["steps"] if s["kind"] == "solutionVersion")
    assert version["arn"] == arn and "No data came since" in version["reason"]
    fresh = results(run(server, "knock", "retrain", **{"import": "force"}))
    assert set(fresh.values()) == {"created", "updated"}, fresh
    assert results(run(server, "knock", "retrain", force=True, **{"import": "skip"})) == {
        "solutionVersion/knock-s0": "created", "campaign/knock-c0": "updated"}
    # Deleted users are news as well.
    server.aws("s3").put_object(Bucket="steward-local", Key="gone/users.csv", Body=b"USER_ID\nu1\n")
    succeed(server, server.ok("POST", "/runs", json={"config": "knock", "kind": "deleteData", "confirm": True,
                                                     "dataLocation": "s3://steward-local/gone/users.csv"})["id"])
    assert results(run(server, "knock", "retrain"))["solutionVersion/knock-s0"] == "created"
    # Events come without an import.
    document["eventTracker"] = {"serviceConfig": {"name": "knock-events"}}
    apply(server, document)
    assert results(run(server, "knock", "retrain"))["solutionVersion/knock-s0"] == "created"

"""Every kind through the engine, and what can change in place, on the local Amazon Personalize."""
import copy
import json

import pytest
import requests

from server_kit import Server, config, domain, wait_until

FAST = ["--engine-lease", "2s", "--engine-quiescence", "6s", "--simulator-signature-window", "3s", "--poll-min", "50ms",
        "--poll-max", "300ms"]
ROLE = "arn:aws:iam::123456789012:role/Personalize"


def avro(name, *fields):
    return {"type": "record", "name": name, "namespace": "com.amazonaws.personalize.schema", "version": "1.0",
            "fields": [{"name": n, "type": t, **more} for n, t, more in fields]}


ITEMS = avro("Items", ("ITEM_ID", "string", {}), ("GENRE", ["string", "null"], {"categorical": True}))
ITEMS_CSV = ("ITEM_ID,GENRE\n" + "".join(f"i{i},g{i % 5}\n" for i in range(40))).encode()


def everything(name):
    """A custom group with every kind that one can have."""
    document = config(name)
    document["datasets"]["items"] = {
        "dataset": {"serviceConfig": {"name": f"{name}-items"}},
        "schema": {"serviceConfig": {"name": f"{name}-items-schema", "schema": copy.deepcopy(ITEMS)}}}
    document["eventTracker"] = {"serviceConfig": {"name": f"{name}-events"}}
    document["metricAttribution"] = {"serviceConfig": {
        "name": f"{name}-attribution",
        "metrics": [{"eventType": "watch", "metricName": "watches", "expression": "SAMPLECOUNT()"}],
        "metricsOutputConfig": {"roleArn": ROLE, "s3DataDestination": {"path": "s3://steward-local/attribution/"}}}}
    document["filters"] = [{"serviceConfig": {
        "name": f"{name}-genre", "filterExpression": "INCLUDE ItemID WHERE Items.GENRE IN ($GENRE)"}}]
    document["solutions"][0]["batchInferenceJobs"] = [{"serviceConfig": {"numResults": 5}}]
    document["solutions"].append({
        "serviceConfig": {"name": f"{name}-segments", "recipeArn": "arn:aws:personalize:::recipe/aws-item-affinity"},
        "batchSegmentJobs": [{"serviceConfig": {"numResults": 5}}]})
    return document


def domain_csv():
    rows = "".join(f"u{i * 7 % 60},i{i * 13 % 40},Watch,{1700000000 + i * 60}\n" for i in range(1500))
    return ("USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP\n" + rows).encode()


def put_all(server, name):
    server.put_data(name)
    server.put_data(name, "items", ITEMS_CSV)
    s3 = server.aws("s3")
    s3.put_object(Bucket="steward-local", Key=f"batch/{name}/{name}-s0/job_config.json", Body=b'{"userId": "u1"}\n')
    s3.put_object(Bucket="steward-local", Key=f"batch/{name}/{name}-segments/job_config.json", Body=b'{"itemId": "i1"}\n')


def succeed(server, run_id):
    run = server.wait_run(run_id)
    assert run["status"] == "succeeded", json.dumps(run, indent=1)[:6000]
    return run


def apply(server, document):
    return succeed(server, server.apply(document)["run"]["id"])


def results(run):
    return {s["resourceKey"]: s["result"] for s in run["steps"]}


def resources(server, name):
    return {r["key"]: r for r in server.ok("GET", f"/configs/{name}/resources?limit=200")["items"]}


def live(server, name):
    """Amazon's answer to Describe for each resource of the config that has an ARN."""
    return {key: r["observed"] for key, r in resources(server, name).items() if r["arn"]}


def calls(server, operation):
    """Requests of the operation that had an effect."""
    lines = (server.data_dir / "simulator" / "ledger.jsonl").read_text().splitlines()
    return [e["request"] for e in map(json.loads, lines) if e["operation"] == operation and e.get("hasEffect")]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("kinds"), *FAST) as s:
        yield s


@pytest.fixture(scope="module")
def whole(server):
    """The document of a config with every kind, applied to ACTIVE."""
    document = everything("whole")
    put_all(server, "whole")
    apply(server, document)
    return document


def test_every_kind_becomes_active(server, whole):
    found = {key: r["status"] for key, r in resources(server, "whole").items()}
    assert {key.split("/")[0] for key in found} == {
        "datasetGroup", "schema", "dataset", "datasetImportJob", "eventTracker", "metricAttribution", "filter", "solution",
        "solutionVersion", "campaign", "batchInferenceJob", "batchSegmentJob"}
    assert set(found.values()) == {"ACTIVE"}
    assert apply_again(server, whole) == {"unchanged"}


def apply_again(server, document):
    """Results of applying once more: the same document needs a run only when it is asked for."""
    run = server.ok("POST", "/runs", json={"config": document["datasetGroup"]["serviceConfig"]["name"], "kind": "apply"})
    return set(results(succeed(server, run["id"])).values())


def test_recommender_of_a_domain(server):
    document = domain("video")
    server.put_data("video", body=domain_csv())
    run = apply(server, document)
    assert results(run)["recommender/video-popular"] == "created"
    document["recommenders"][0]["serviceConfig"]["recommenderConfig"]["minRecommendationRequestsPerSecond"] = 3
    run = apply(server, document)
    assert {k for k, r in results(run).items() if r != "unchanged"} == {"recommender/video-popular"}
    seen = live(server, "video")["recommender/video-popular"]
    assert seen["recommenderConfig"]["minRecommendationRequestsPerSecond"] == 3
    assert len(calls(server, "UpdateRecommender")) == 1


def test_a_changed_filter_is_replaced(server, whole):
    document = copy.deepcopy(whole)
    document["filters"][0]["serviceConfig"]["filterExpression"] = "EXCLUDE ItemID WHERE Items.GENRE IN ($GENRE)"
    run = apply(server, document)
    assert results(run)["filter/whole-genre"] == "created"
    assert live(server, "whole")["filter/whole-genre"]["filterExpression"].startswith("EXCLUDE")
    assert len(calls(server, "DeleteFilter")) == 1
    assert len(calls(server, "CreateFilter")) == 2


def test_updates_in_place(server, whole):
    document = copy.deepcopy(whole)
    document["filters"][0]["serviceConfig"]["filterExpression"] = "EXCLUDE ItemID WHERE Items.GENRE IN ($GENRE)"
    solution = document["solutions"][0]
    solution["serviceConfig"]["performAutoTraining"] = True
    solution["serviceConfig"]["solutionConfig"] = {"autoTrainingConfig": {"schedulingExpression": "rate(9 days)"}}
    solution["campaigns"][0]["serviceConfig"]["minProvisionedTPS"] = 2
    solution["campaigns"][0]["serviceConfig"]["campaignConfig"] = {"enableMetadataWithRecommendations": True}
    document["metricAttribution"]["serviceConfig"]["metrics"] = [
        {"eventType": "watch", "metricName": "watches", "expression": "SUM(Interactions.TIMESTAMP)"},
        {"eventType": "click", "metricName": "clicks", "expression": "SAMPLECOUNT()"}]
    items = document["datasets"]["items"]["schema"]["serviceConfig"]
    items["name"] = "whole-items-schema-2"
    items["schema"]["fields"].append({"name": "YEAR", "type": ["int", "null"]})
    run = apply(server, document)
    changed = {key: r for key, r in results(run).items() if r != "unchanged"}
    assert changed == {"schema/whole/whole-items-schema-2": "created", "dataset/whole/ITEMS": "updated", "solution/whole-s0": "updated",
                       "campaign/whole-c0": "updated", "metricAttribution/whole": "updated"}
    seen = live(server, "whole")
    assert seen["solution/whole-s0"]["performAutoTraining"] is True
    assert seen["solution/whole-s0"]["solutionConfig"]["autoTrainingConfig"]["schedulingExpression"] == "rate(9 days)"
    assert seen["campaign/whole-c0"]["minProvisionedTPS"] == 2
    assert seen["campaign/whole-c0"]["campaignConfig"]["enableMetadataWithRecommendations"] is True
    assert seen["dataset/whole/ITEMS"]["schemaArn"].endswith("/whole-items-schema-2")
    assert {m["metricName"]: m["expression"] for m in seen["metricAttribution/whole"]["metrics"]} == {
        "watches": "SUM(Interactions.TIMESTAMP)", "clicks": "SAMPLECOUNT()"}
    for operation in ("UpdateSolution", "UpdateCampaign", "UpdateDataset", "UpdateMetricAttribution"):
        assert len(calls(server, operation)) == 1, operation
    assert apply_again(server, document) == {"unchanged"}


def test_changed_content_of_a_schema_gets_a_name_of_its_own(server):
    document = config("avro", solutions=0)
    document["datasets"]["items"] = {
        "dataset": {"serviceConfig": {"name": "avro-items"}},
        "schema": {"serviceConfig": {"name": "avro-items-schema", "schema": copy.deepcopy(ITEMS)}}}
    server.put_data("avro")
    server.put_data("avro", "items", ITEMS_CSV)
    apply(server, document)
    document["datasets"]["items"]["schema"]["serviceConfig"]["schema"]["fields"].append({"name": "YEAR", "type": ["int", "null"]})
    run = apply(server, document)
    assert results(run)["schema/avro/avro-items-schema"] == "created"
    assert results(run)["dataset/avro/ITEMS"] == "updated"
    seen = live(server, "avro")
    assert seen["dataset/avro/ITEMS"]["schemaArn"] == seen["schema/avro/avro-items-schema"]["schemaArn"]
    assert seen["schema/avro/avro-items-schema"]["name"].startswith("avro-items-schema-")
    assert apply_again(server, document) == {"unchanged"}
    # What Amazon would refuse in the middle of an apply was once planned as a change in place.
    fields = document["datasets"]["items"]["schema"]["serviceConfig"]["schema"]["fields"]
    for change, word in ((lambda: fields.append({"name": "PRICE", "type": "float"}), "PRICE cannot be null"),
                         (lambda: fields.pop(1), "GENRE is gone"),
                         (lambda: fields[1].update(type="string"), "GENRE is another one")):
        kept = copy.deepcopy(fields)
        change()
        plan = server.ok("POST", "/configs/plan", json=document)
        line = next(x for x in plan["lines"] if x["resourceKey"] == "dataset/avro/ITEMS")
        assert line["action"] == "blocked" and word in line["reason"], line
        fields[:] = kept
    assert server.ok("POST", "/configs/plan", json=document)["changes"] is False


def test_a_schema_that_others_make_at_the_same_moment(server):
    """Between our look and our create somebody takes the name for another content: ours gets a name of its own. It once took the
    service's "exists" for the derived name, waited for it to show, and gave up: two files that share schema names, applied together."""
    document = config("raced", solutions=0)
    name = document["datasets"]["interactions"]["schema"]["serviceConfig"]["name"]
    theirs = avro("Interactions", ("USER_ID", "string", {}), ("ITEM_ID", "string", {}), ("TIMESTAMP", "long", {}), ("PLACE", "string", {"categorical": True}))
    server.put_data("raced")
    faults = server.simulator_url + "/_simulator/faults"
    requests.post(faults, timeout=10, json={"rules": [f"CreateSchema/{name}=slow,ms=1500,times=1"]}).raise_for_status()
    run = server.apply(document)["run"]["id"]
    wait_until(lambda: [s for s in server.ok("GET", f"/runs/{run}")["steps"] if s["kind"] == "schema" and s["sends"]])
    server.aws("personalize").create_schema(name=name, schema=json.dumps(theirs))
    succeed(server, run)
    requests.delete(faults, timeout=10).raise_for_status()
    assert live(server, "raced")[f"schema/raced/{name}"]["name"].startswith(name + "-")
    assert apply_again(server, document) == {"unchanged"}


def test_what_a_group_has_one_of_keeps_its_name(server):
    """A tracker under another name was planned as unchanged, without a word."""
    document = config("renamed", solutions=0)
    document["eventTracker"] = {"serviceConfig": {"name": "renamed-events"}}
    server.put_data("renamed")
    apply(server, document)
    document["eventTracker"]["serviceConfig"]["name"] = "other-events"
    plan = server.ok("POST", "/configs/plan", json=document)
    line = next(x for x in plan["lines"] if x["kind"] == "eventTracker")
    assert (line["action"], line["liveName"]) == ("noop", "renamed-events") and "renamed-events" in line["reason"]
    assert plan["changes"] is False
    text = server.call("POST", "/configs/plan", json=document, headers={"Accept": "text/plain"}).text
    assert 'under the name "renamed-events"' in text


def test_batch_jobs_are_told_apart_by_what_they_do(server):
    """A second job of a solution, and one whose numbers changed, were taken for the job that was there and never ran."""
    document = config("jobs")
    jobs = document["solutions"][0]["batchInferenceJobs"] = [{"serviceConfig": {"numResults": 5}}]
    put_all(server, "jobs")
    apply(server, document)
    jobs.append({"serviceConfig": {"numResults": 7}})
    plan = server.ok("POST", "/configs/plan", json=document)
    assert [(x["name"], x["action"]) for x in plan["lines"] if x["kind"] == "batchInferenceJob"] == [("jobs-s0/0", "noop"), ("jobs-s0/1", "job")]
    assert results(apply(server, document))["batchInferenceJob/jobs-s0/1"] == "created"
    assert apply_again(server, document) == {"unchanged"}
    jobs[0]["serviceConfig"]["numResults"] = 9
    done = results(apply(server, document))
    assert (done["batchInferenceJob/jobs-s0/0"], done["batchInferenceJob/jobs-s0/1"]) == ("created", "unchanged")
    assert sorted(job["numResults"] for key, job in live(server, "jobs").items() if "batchInferenceJob" in key) == [7, 9]
    assert apply_again(server, document) == {"unchanged"}


def test_what_cannot_change_is_a_conflict_that_says_what(server):
    document = config("fixed")
    server.put_data("fixed")
    apply(server, document)
    document["solutions"][0]["serviceConfig"]["performHPO"] = True
    document["solutions"][0]["serviceConfig"]["recipeArn"] = "arn:aws:personalize:::recipe/aws-user-personalization"
    run = server.wait_run(server.apply(document)["run"]["id"])
    failed = [s for s in run["steps"] if s["status"] == "failed"]
    assert [s["resourceKey"] for s in failed] == ["solution/fixed-s0"]
    assert "recipeArn" in failed[0]["reason"] and "cannot be changed" in failed[0]["reason"]

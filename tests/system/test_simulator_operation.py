"""Running the local Amazon Personalize: faults, quotas, restarts, ledger, snapshots, roles, clock, options."""
import http.client
import json
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import (ClientError, ConnectionClosedError, EndpointConnectionError, HTTPClientError,
                                 IncompleteReadError, ReadTimeoutError)

from simulator_kit import (ACCOUNT, INTERACTIONS, ITEMS, REGION, ROLE, USERS, Simulator, binary, call,
                           interactions_csv, wait_until)

ARN = f"arn:aws:personalize:{REGION}:{ACCOUNT}:"
RECIPE = "arn:aws:personalize:::recipe/"
BROKEN = (ConnectionClosedError, EndpointConnectionError, HTTPClientError, IncompleteReadError, ReadTimeoutError)


@pytest.fixture
def make(tmp_path):
    made = []

    def start(*options, folder="sim"):
        made.append(Simulator(tmp_path / folder, *options))
        return made[-1]
    yield start
    for simulator in made:
        if simulator.process.poll() is None:
            assert simulator.stop() == 0


def fails(code, call, *args, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    assert caught.value.response["Error"]["Code"] == code, caught.value.response["Error"]
    return caught.value.response


def names(p):
    return [g["name"] for g in p.list_dataset_groups()["datasetGroups"]]


# ---- faults --------------------------------------------------------------------------------------------------------

def test_throttle_and_errors_before_the_effect(make):
    sim = make("--time-scale", "0", "--fault", "CreateDatasetGroup/a=throttle,times=1",
               "--fault", "CreateDatasetGroup/b*=error-before,status=503,times=2")
    p = sim.client()
    assert fails("ThrottlingException", p.create_dataset_group, name="a")["Error"]["Message"] == "Rate exceeded"
    p.create_dataset_group(name="a")
    for _ in range(2):
        answer = fails("ServiceUnavailable", p.create_dataset_group, name="b1")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert names(p) == ["a"]
    p.create_dataset_group(name="b1")


def test_effects_without_answers(make):
    sim = make("--time-scale", "0")
    p = sim.client(read_timeout=5)
    sim.admin("faults", {"rules": ["*/lost=lost-reply", "*/after=error-after", "*/cut=truncated-reply",
                                   "*/never=cut-before"]})
    with pytest.raises(BROKEN):
        p.create_dataset_group(name="lost")
    assert fails("InternalServerException", p.create_dataset_group, name="after")["ResponseMetadata"]["HTTPStatusCode"] == 500
    with pytest.raises(http.client.IncompleteRead):  # botocore takes half a document for an empty answer
        call(sim, '{"name": "cut"}', "AmazonPersonalize.CreateDatasetGroup")
    with pytest.raises(BROKEN):
        p.create_dataset_group(name="never")
    assert sorted(names(p)) == ["after", "cut", "lost"]
    calls = {(c["request"]["name"], c["hasEffect"], c.get("fault"), c["status"])
             for c in sim.admin("ledger?operation=CreateDatasetGroup")["calls"]}
    assert calls == {("lost", True, "lost-reply", 0), ("after", True, "error-after", 500),
                     ("cut", True, "truncated-reply", 200), ("never", False, "cut-before", 0)}


def test_slow_answers_do_not_hold_up_others(make):
    sim = make("--time-scale", "0", "--fault", "DescribeDatasetGroup=slow,ms=3000,times=1")
    p, other = sim.client(), sim.client()
    arn = p.create_dataset_group(name="g")["datasetGroupArn"]
    took = []

    def describe():
        begin = time.monotonic()
        p.describe_dataset_group(datasetGroupArn=arn)
        took.append(time.monotonic() - begin)
    thread = threading.Thread(target=describe)
    thread.start()
    for _ in range(5):
        other.list_schemas()
    assert not took  # all five were answered before the slow one
    thread.join()
    assert took[0] > 2.9


def test_creations_that_fail_and_late_lists(make):
    sim = make("--time-scale", "0", "--fault", "CreateDatasetGroup/bad-*=create-failed,reason=No capacity")
    p = sim.client()
    arn = p.create_dataset_group(name="bad-1")["datasetGroupArn"]
    group = p.describe_dataset_group(datasetGroupArn=arn)["datasetGroup"]
    assert (group["status"], group["failureReason"]) == ("CREATE FAILED", "No capacity")
    row, = p.list_dataset_groups()["datasetGroups"]
    assert row["failureReason"] == "No capacity"
    p.delete_dataset_group(datasetGroupArn=arn)
    sim.admin("faults", {"action": "list-lag", "operation": "List*", "ms": 60000})
    arn = p.create_dataset_group(name="late")["datasetGroupArn"]
    assert names(p) == []
    assert p.describe_dataset_group(datasetGroupArn=arn)
    sim.advance("2m")
    assert names(p) == ["late"]


def test_somebody_else_works_in_the_account(make):
    sim = make("--time-scale", "0", "--fault", "CreateDatasetGroup/taken=foreign-create", "--fault", "DescribeDatasetGroup/doomed=foreign-delete,times=1",
               "--fault", "DescribeSolution=foreign-update,times=1", "--fault", "ListTagsForResource/g=foreign-update,times=1",
               "--fault", "CreateSolutionVersion=foreign-create,times=1")
    p = sim.client()
    fails("ResourceAlreadyExistsException", p.create_dataset_group, name="taken", tags=[{"tagKey": "mine", "tagValue": "1"}])
    assert p.list_tags_for_resource(resourceArn=ARN + "dataset-group/taken")["tags"] == []
    doomed = p.create_dataset_group(name="doomed")["datasetGroupArn"]
    fails("ResourceNotFoundException", p.describe_dataset_group, datasetGroupArn=doomed)
    group = p.create_dataset_group(name="g")["datasetGroupArn"]
    assert p.list_tags_for_resource(resourceArn=group)["tags"] == [{"tagKey": "changed-by", "tagValue": "somebody-else"}]
    solution = p.create_solution(name="s", datasetGroupArn=group, recipeArn=RECIPE + "aws-sims")["solutionArn"]
    assert p.describe_solution(solutionArn=solution)["solution"]["performAutoTraining"] is False
    schema = p.create_schema(name="i", schema=INTERACTIONS)["schemaArn"]
    p.create_dataset(name="d", schemaArn=schema, datasetGroupArn=group, datasetType="Interactions")
    mine = p.create_solution_version(solutionArn=solution, name="mine", tags=[{"tagKey": "mine", "tagValue": "1"}])["solutionVersionArn"]
    versions = [v["solutionVersionArn"] for v in p.list_solution_versions(solutionArn=solution)["solutionVersions"]]
    assert len(versions) == 2 and mine in versions
    foreign, = set(versions) - {mine}
    assert "name" not in p.describe_solution_version(solutionVersionArn=foreign)["solutionVersion"]
    assert p.list_tags_for_resource(resourceArn=foreign)["tags"] == []
    acts = [(c["operation"], c["fault"], c["hasEffect"]) for c in sim.admin("ledger")["calls"] if c["accessKeyId"] == "somebody-else"]
    assert acts == [("CreateDatasetGroup", "foreign-create", True), ("DeleteDatasetGroup", "foreign-delete", True),
                    ("TagResource", "foreign-update", True), ("UpdateSolution", "foreign-update", True),
                    ("CreateSolutionVersion", "foreign-create", True)]


def test_probability_is_repeatable(make):
    def run(sim):
        sim.admin("faults", {"replace": True, "seed": 7, "rules": ["ListSchemas=throttle,probability=0.5"]})
        p, out = sim.client(), []
        for _ in range(40):
            try:
                p.list_schemas()
                out.append(True)
            except ClientError:
                out.append(False)
        return out
    sim = make()
    first = run(sim)
    assert run(sim) == first and 5 < sum(first) < 35


def test_spent_rules_stay_spent_after_kill_9(make):
    sim = make("--time-scale", "0")
    sim.admin("faults", {"rules": ["ListSchemas=throttle,times=1", "ListSchemas=denied,skip=1,times=1"]})
    fails("ThrottlingException", sim.client().list_schemas)
    sim.stop(kill=True)
    sim.start()
    assert [(r["action"], r["times"]) for r in sim.admin("faults")["rules"]] == [("throttle", 0), ("denied", 1)]
    sim.client().list_schemas()
    fails("AccessDeniedException", sim.client().list_schemas)


def test_denied_and_removal_of_rules(make):
    sim = make("--fault", "List*=denied")
    p = sim.client()
    fails("AccessDeniedException", p.list_schemas)
    assert sim.admin("faults")["rules"][0]["action"] == "denied"
    assert sim.admin("faults", method="DELETE") == {"rules": []}
    p.list_schemas()
    with pytest.raises(urllib.error.HTTPError):
        sim.admin("faults", {"action": "nonsense"})


# ---- quotas --------------------------------------------------------------------------------------------------------

def test_quotas(make):
    sim = make("--time-scale", "0", "--quota", "schemas=2")
    p = sim.client()
    for i in range(5):
        p.create_dataset_group(name=f"g{i}")
    message = fails("LimitExceededException", p.create_dataset_group, name="g5")["Error"]["Message"]
    assert message == "More than 5 resources in ACTIVE state. Please delete some and try again"
    fails("ResourceAlreadyExistsException", p.create_dataset_group, name="g1")  # before the quota
    sim.admin("quotas", {"dataset-groups": 6})
    p.create_dataset_group(name="g5")
    p.create_schema(name="a", schema=INTERACTIONS)
    p.create_schema(name="b", schema=INTERACTIONS)
    fails("LimitExceededException", p.create_schema, name="c", schema=INTERACTIONS)
    for wrong in ({"campaigns": -1}, {"campaigns": "many"}, {"nothing": 1}):
        with pytest.raises(urllib.error.HTTPError, match="422"):
            sim.admin("quotas", wrong)
    assert sim.admin("quotas")["campaigns"] == 5


def test_quota_of_jobs_in_progress(make):
    sim = make("--clock", "2026-01-01T00:00:00Z")
    sim.admin("clock", {"freeze": True})
    p = sim.client()
    sim.client("s3").create_bucket(Bucket="data")
    group = p.create_dataset_group(name="g")["datasetGroupArn"]
    sim.advance("5m")
    schema = p.create_schema(name="s", schema=ITEMS)["schemaArn"]
    dataset = p.create_dataset(name="d", schemaArn=schema, datasetGroupArn=group, datasetType="Items")["datasetArn"]
    sim.advance("5m")

    def start(i):
        return p.create_dataset_import_job(jobName=f"j{i}", datasetArn=dataset, roleArn=ROLE,
                                           dataSource={"dataLocation": "s3://data/x.csv"})
    for i in range(5):
        start(i)
    assert fails("LimitExceededException", start, 5)["Error"]["Message"] == (
        "More than 5 resources with PENDING or IN_PROGRESS status.")
    sim.advance("1h")
    start(5)


def test_rate_quota(make):
    sim = make("--quota", "reads-per-second=5")
    p, throttled = sim.client(), 0
    for _ in range(40):
        try:
            p.list_schemas()
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ThrottlingException"
            throttled += 1
    assert throttled > 10


# ---- state ---------------------------------------------------------------------------------------------------------

def test_state_survives_kill_9(make):
    sim = make("--time-scale", "0", "--quota", "campaigns=9")
    p, s3 = sim.client(), sim.client("s3")
    s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="i.csv", Body=interactions_csv())
    group = p.create_dataset_group(name="g", tags=[{"tagKey": "a", "tagValue": "b"}])["datasetGroupArn"]
    schema = p.create_schema(name="s", schema=INTERACTIONS)["schemaArn"]
    dataset = p.create_dataset(name="d", schemaArn=schema, datasetGroupArn=group, datasetType="Interactions")["datasetArn"]
    p.create_dataset_import_job(jobName="j", datasetArn=dataset, roleArn=ROLE, dataSource={"dataLocation": "s3://data/i.csv"})
    solution = p.create_solution(name="so", datasetGroupArn=group, recipeArn=RECIPE + "aws-sims",
                                 performAutoTraining=False)["solutionArn"]
    version = p.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    campaign = p.create_campaign(name="c", solutionVersionArn=version)["campaignArn"]
    sim.admin("quotas", {"filters": 3})
    before = p.describe_campaign(campaignArn=campaign)["campaign"]
    metrics = p.get_solution_metrics(solutionVersionArn=version)["metrics"]
    instance = sim.admin("instance")["instanceId"]
    assert sim.stop(kill=True) == -signal.SIGKILL
    assert os.path.exists(os.path.join(sim.data_dir, "simulator.pid"))
    sim.start()
    p = sim.client()
    assert p.describe_campaign(campaignArn=campaign)["campaign"] == before
    assert p.get_solution_metrics(solutionVersionArn=version)["metrics"] == metrics
    assert p.list_tags_for_resource(resourceArn=group)["tags"] == [{"tagKey": "a", "tagValue": "b"}]
    assert sim.admin("quotas")["filters"] == 3 and sim.admin("quotas")["campaigns"] == 9
    assert sim.admin("instance")["instanceId"] != instance
    answer = sim.client("personalize-runtime").get_recommendations(campaignArn=campaign, itemId="i2", numResults=3)
    assert len(answer["itemList"]) == 3
    files = os.listdir(os.path.join(sim.data_dir, "data"))
    p.create_dataset_import_job(jobName="j2", datasetArn=dataset, roleArn=ROLE, dataSource={"dataLocation": "s3://data/i.csv"})
    assert len(os.listdir(os.path.join(sim.data_dir, "data"))) == 2
    p.delete_campaign(campaignArn=campaign)
    sim.stop(kill=True)
    sim.start()
    fails("ResourceNotFoundException", sim.client().describe_campaign, campaignArn=campaign)
    left = os.listdir(os.path.join(sim.data_dir, "data"))  # the replaced import is gone
    assert len(left) == 1 and left != files


def test_every_acknowledged_create_survives_kill_9_under_load(make):
    sim = make("--time-scale", "0", "--quota", "schemas=100000")
    made = 0
    for round_ in range(3):
        p = sim.client()
        for i in range(40):
            p.create_schema(name=f"r{round_}-{i}", schema=INTERACTIONS)
            made += 1
        sim.stop(kill=True)
        sim.start()
        pages = sim.client().get_paginator("list_schemas").paginate()
        assert sum(len(x["schemas"]) for x in pages) == made


def test_a_job_goes_on_after_a_restart(make):
    sim = make("--time-scale", "600")  # an import takes a second
    p, s3 = sim.client(), sim.client("s3")
    s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="i.csv", Body=interactions_csv())
    group = p.create_dataset_group(name="g")["datasetGroupArn"]
    wait_until(lambda: p.describe_dataset_group(datasetGroupArn=group)["datasetGroup"]["status"] == "ACTIVE")
    schema = p.create_schema(name="s", schema=INTERACTIONS)["schemaArn"]
    dataset = p.create_dataset(name="d", schemaArn=schema, datasetGroupArn=group, datasetType="Interactions")["datasetArn"]
    wait_until(lambda: p.describe_dataset(datasetArn=dataset)["dataset"]["status"] == "ACTIVE")
    job = p.create_dataset_import_job(jobName="j", datasetArn=dataset, roleArn=ROLE,
                                      dataSource={"dataLocation": "s3://data/i.csv"})["datasetImportJobArn"]
    wait_until(lambda: p.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"]["status"] ==
               "CREATE IN_PROGRESS")
    sim.stop(kill=True)
    sim.start()
    p = sim.client()
    wait_until(lambda: p.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"]["status"] == "ACTIVE")


def test_ledger(make):
    sim = make("--time-scale", "0")
    p = sim.client()
    p.create_dataset_group(name="g")
    fails("ResourceAlreadyExistsException", p.create_dataset_group, name="g")
    p.list_schemas()
    calls = sim.admin("ledger")["calls"]
    assert [(c["operation"], c["status"], c["error"], c["hasEffect"]) for c in calls] == [
        ("CreateDatasetGroup", 200, None, True),
        ("CreateDatasetGroup", 400, "ResourceAlreadyExistsException", False), ("ListSchemas", 200, None, False)]
    assert calls[0]["arn"] == ARN + "dataset-group/g" and calls[0]["accessKeyId"] == "test"
    assert calls[0]["request"] == {"name": "g"} and len(calls[0]["requestId"]) == 36
    assert [c["seq"] for c in calls] == [1, 2, 3]
    assert [c["seq"] for c in sim.admin("ledger?since=1&operation=ListSchemas")["calls"]] == [3]
    assert [c["seq"] for c in sim.admin("ledger?effects=1")["calls"]] == [1]
    with open(os.path.join(sim.data_dir, "ledger.jsonl"), encoding="utf-8") as f:
        assert [json.loads(line)["seq"] for line in f] == [1, 2, 3]
    sim.stop(kill=True)
    sim.start()
    sim.client().list_schemas()
    assert sim.admin("ledger")["calls"][-1]["seq"] == 4


def test_reset_and_snapshot(make, tmp_path):
    """Its end under AddressSanitizer showed that a simulator which had been reset read freed memory while it stopped."""
    sim = make("--time-scale", "0")
    p = sim.client()
    sim.client("s3").create_bucket(Bucket="data")
    group = p.create_dataset_group(name="g", tags=[{"tagKey": "t", "tagValue": "v"}])["datasetGroupArn"]
    picture = sim.admin("snapshot")
    sim.admin("reset", {})
    assert names(p) == [] and sim.client("s3").list_buckets()["Buckets"] == []
    sim.admin("snapshot", picture)
    assert names(p) == ["g"]
    assert p.list_tags_for_resource(resourceArn=group)["tags"] == [{"tagKey": "t", "tagValue": "v"}]
    path = tmp_path / "picture.json"
    path.write_text(json.dumps(picture), encoding="utf-8")
    other = make("--load", str(path), folder="other")
    assert names(other.client()) == ["g"]


def test_a_picture_of_a_real_account_loads(make, tmp_path):
    arn = ARN + "dataset-group/shop"
    path = tmp_path / "picture.json"
    path.write_text(json.dumps({"resources": [
        {"kind": "datasetGroup", "arn": arn, "body": {
            "name": "shop", "datasetGroupArn": arn, "status": "ACTIVE", "creationDateTime": 1700000000.5,
            "lastUpdatedDateTime": 1700000001.5}, "tags": [{"tagKey": "a", "tagValue": "b"}]},
        {"kind": "solution", "arn": ARN + "solution/s", "body": {
            "name": "s", "solutionArn": ARN + "solution/s", "datasetGroupArn": arn, "status": "ACTIVE",
            "recipeArn": RECIPE + "aws-sims", "creationDateTime": 1700000100, "lastUpdatedDateTime": 1700000100}}]}))
    p = make("--load", str(path)).client()
    assert p.describe_dataset_group(datasetGroupArn=arn)["datasetGroup"]["creationDateTime"].timestamp() == 1700000000.5
    assert p.list_solutions(datasetGroupArn=arn)["solutions"][0]["name"] == "s"
    fails("ResourceInUseException", p.delete_dataset_group, datasetGroupArn=arn)


def test_a_picture_with_gaps_crashes_nothing(make, tmp_path):
    """Recipes newer than the simulator, datasets without their schema, versions without a model."""
    group, solution = ARN + "dataset-group/g", ARN + "solution/s"
    version, dataset = solution + "/0a0a0a0a", ARN + "dataset/g/USERS"

    def resource(kind, arn, **body):
        return {"kind": kind, "arn": arn, "body": {"status": "ACTIVE", "creationDateTime": 1700000000, **body}}
    path = tmp_path / "picture.json"
    path.write_text(json.dumps({"resources": [
        resource("datasetGroup", group, name="g", datasetGroupArn=group),
        resource("dataset", dataset, name="d", datasetArn=dataset, datasetGroupArn=group, datasetType="USERS",
                 schemaArn=ARN + "schema/gone"),
        resource("solution", solution, name="s", solutionArn=solution, datasetGroupArn=group, recipeArn=RECIPE + "aws-new"),
        resource("solutionVersion", version, solutionVersionArn=version, solutionArn=solution, datasetGroupArn=group,
                 recipeArn=RECIPE + "aws-new"),
        resource("campaign", ARN + "campaign/c", name="c", campaignArn=ARN + "campaign/c", solutionVersionArn=version,
                 minProvisionedTPS=1)]}))
    sim = make("--load", str(path), "--time-scale", "0")
    p = sim.client()
    assert p.list_campaigns(solutionArn=solution)["campaigns"][0]["name"] == "c"
    fails("InvalidInputException", p.create_solution_version, solutionArn=solution)
    fails("InvalidInputException", p.create_campaign, name="d", solutionVersionArn=version)
    fails("InvalidInputException", p.update_campaign, campaignArn=ARN + "campaign/c", minProvisionedTPS=2)
    fails("InvalidInputException", p.create_filter, name="f", datasetGroupArn=group,
          filterExpression="INCLUDE UserID WHERE Users.AGE > 3")
    fails("InvalidInputException", sim.client("personalize-runtime").get_recommendations,
          campaignArn=ARN + "campaign/c", userId="u")
    schema = p.create_schema(name="new", schema=USERS)["schemaArn"]
    p.update_dataset(datasetArn=dataset, schemaArn=schema)
    assert p.get_solution_metrics(solutionVersionArn=version)["solutionVersionArn"] == version
    sim.advance("40d")
    p.delete_campaign(campaignArn=ARN + "campaign/c")


# ---- roles, clock, settings ----------------------------------------------------------------------------------------

def test_strict_iam(make):
    sim = make("--time-scale", "0", "--strict-iam")
    p, s3 = sim.client(), sim.client("s3")
    for bucket in ("data", "other"):
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="i.csv", Body="ITEM_ID,GENRE,PRICE\na,b,1\n")
    group = p.create_dataset_group(name="g")["datasetGroupArn"]
    schema = p.create_schema(name="s", schema=ITEMS)["schemaArn"]
    dataset = p.create_dataset(name="d", schemaArn=schema, datasetGroupArn=group, datasetType="Items")["datasetArn"]

    def load(name, bucket):
        arn = p.create_dataset_import_job(jobName=name, datasetArn=dataset, roleArn=ROLE,
                                          dataSource={"dataLocation": f"s3://{bucket}/i.csv"})["datasetImportJobArn"]
        return p.describe_dataset_import_job(datasetImportJobArn=arn)["datasetImportJob"]

    fails("InvalidInputException", load, "a", "data")
    sim.admin("roles", {ROLE: {"trust": False, "buckets": ["data"]}})
    fails("InvalidInputException", load, "a", "data")
    sim.admin("roles", {ROLE: {"trust": True, "buckets": ["data"]}})
    assert load("a", "data")["status"] == "ACTIVE"
    assert load("b", "other")["failureReason"] == "Insufficient privileges for accessing data in Amazon S3."
    assert sim.admin("roles") == {ROLE: {"trust": True, "buckets": ["data"]}}


def test_clock(make):
    sim = make("--clock", "2030-02-03T04:05:06Z")
    assert sim.admin("clock")["now"].startswith("2030-02-03T04:05:0")
    p = sim.client()  # signatures are dated with real time, whatever the model clock says
    arn = p.create_dataset_group(name="g")["datasetGroupArn"]
    assert p.describe_dataset_group(datasetGroupArn=arn)["datasetGroup"]["creationDateTime"].year == 2030
    assert sim.admin("clock", {"set": "2031-01-01T00:00:00Z"})["now"].startswith("2031-01-01T00:00:0")
    assert p.describe_dataset_group(datasetGroupArn=arn)["datasetGroup"]["status"] == "ACTIVE"
    assert sim.admin("clock", {"advance": "36h", "freeze": True})["now"].startswith("2031-01-02T12:00:0")
    frozen = sim.admin("clock")["now"]
    time.sleep(0.05)
    assert sim.admin("clock")["now"] == frozen
    sim.stop(kill=True)
    sim.start()
    assert sim.admin("clock")["now"] == frozen
    with pytest.raises(urllib.error.HTTPError):
        sim.admin("clock", {"advance": "soon"})


def test_version_names(make):
    sim = make("--time-scale", "0")
    p, s3 = sim.client(), sim.client("s3")
    s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="i.csv", Body=interactions_csv())
    group = p.create_dataset_group(name="g")["datasetGroupArn"]
    schema = p.create_schema(name="s", schema=INTERACTIONS)["schemaArn"]
    dataset = p.create_dataset(name="d", schemaArn=schema, datasetGroupArn=group, datasetType="Interactions")["datasetArn"]
    p.create_dataset_import_job(jobName="j", datasetArn=dataset, roleArn=ROLE, dataSource={"dataLocation": "s3://data/i.csv"})
    solution = p.create_solution(name="so", datasetGroupArn=group, recipeArn=RECIPE + "aws-sims",
                                 performAutoTraining=False)["solutionArn"]
    p.create_solution_version(solutionArn=solution, name="v")
    p.create_solution_version(solutionArn=solution, name="v")
    sim.admin("faults", {"action": "names-unique", "operation": "CreateSolutionVersion"})
    fails("ResourceAlreadyExistsException", p.create_solution_version, solutionArn=solution, name="v")
    sim.admin("faults", {"replace": True, "rules": ["CreateSolutionVersion=names-refused"]})
    arn = p.create_solution_version(solutionArn=solution, name="v", tags=[{"tagKey": "a", "tagValue": "b"}])["solutionVersionArn"]
    assert "name" not in p.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]
    assert p.list_tags_for_resource(resourceArn=arn)["tags"] == []


def test_files_of_the_instance(make):
    sim = make()
    instance = sim.admin("instance")
    assert instance["simulated"] is True and instance["pid"] == sim.process.pid
    with open(os.path.join(sim.data_dir, "simulator.port"), encoding="utf-8") as f:
        assert int(f.read()) == instance["port"]
    with open(os.path.join(sim.data_dir, "simulator.pid"), encoding="utf-8") as f:
        assert int(f.read()) == instance["pid"]
    second = subprocess.run([binary(), "--listen", "127.0.0.1:0", "--data-dir", sim.data_dir], capture_output=True,
                            text=True, timeout=10)
    assert second.returncode == 3 and "Another simulator uses" in second.stderr


def test_pages_of_other_origins_are_refused(make):
    sim = make()
    request = urllib.request.Request(f"{sim.url}/_simulator/reset", data=b"{}", headers={"Origin": "https://evil.example"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 403


@pytest.mark.parametrize("options, says", [
    (["--quota", "nothing=3"], "--quota"), (["--fault", "x"], "fault rule"), (["--fault", "A=b"], "not a fault"),
    (["--clock", "now"], "--clock"), (["--account-id", "1"], "12 digits"), (["--time-scale", "-1"], "time-scale"),
    (["--listen", "nowhere"], "HOST:PORT"), (["--tim-scale", "1"], "did you mean --time-scale"),
    (["--load", "/nonexistent"], "--load"), (["--access-key-id", "AKIA234567ABCDEFGHIJ"], "dummy keys"),
])
def test_wrong_options_are_explained(tmp_path, options, says):
    done = subprocess.run([binary(), "--data-dir", str(tmp_path / "sim"), "--listen", "127.0.0.1:0", *options],
                          capture_output=True, text=True, timeout=10)
    assert done.returncode == 2 and says in done.stderr, done.stderr


def test_help_lists_every_option():
    out = subprocess.run([binary(), "--help"], capture_output=True, text=True, timeout=10).stdout
    for option in ("listen", "data-dir", "time-scale", "clock", "access-key-id", "secret-access-key", "account-id", "region",
                   "quota", "fault", "signature-window", "strict-iam", "load"):
        assert f"--{option}" in out


def test_a_delayed_request_lands_without_its_client(make):
    """The network may hold a request back: it has its effect when it arrives, unless its signature is too old by then."""
    sim = make("--time-scale", "0", "--signature-window", "3s", "--fault", "CreateDatasetGroup/late=slow,ms=600",
               "--fault", "CreateDatasetGroup/too-late=slow,ms=4500")
    for name in ("late", "too-late"):
        with pytest.raises(TimeoutError):
            call(sim, json.dumps({"name": name}), "AmazonPersonalize.CreateDatasetGroup", timeout=0.2)
    p = sim.client()
    wait_until(lambda: names(p) == ["late"])
    wait_until(lambda: any(c["request"]["name"] == "too-late" for c in
                           sim.admin("ledger?operation=CreateDatasetGroup")["calls"]))
    assert names(p) == ["late"]
    outcome = {c["request"]["name"]: (c["error"], c["hasEffect"]) for c in
               sim.admin("ledger?operation=CreateDatasetGroup")["calls"]}
    assert outcome == {"late": (None, True), "too-late": ("InvalidSignatureException", False)}


def test_faults_of_s3(make):
    sim = make("--fault", "*=throttle,times=1")
    s3 = sim.client("s3")
    s3.create_bucket(Bucket="data")  # rules of S3 begin with S3
    sim.admin("faults", {"replace": True, "rules": ["S3.PUT/data/bad*=throttle", "S3.GET/data/*=denied"]})
    s3.put_object(Bucket="data", Key="good", Body=b"x")
    fails("SlowDown", s3.put_object, Bucket="data", Key="bad", Body=b"x")
    fails("AccessDenied", s3.get_object, Bucket="data", Key="good")


def test_stop_answers_those_who_wait(make):
    sim = make("--fault", "ListSchemas=slow,ms=8000")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(call(sim, "{}")[0]))
    thread.start()
    time.sleep(0.3)
    assert sim.stop() == 0
    thread.join()
    assert answers == [503]

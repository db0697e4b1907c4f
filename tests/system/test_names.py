"""Where things lie and what they are called, as the AWS solution has it (tests/data/names.json) but for job names.

There all jobs of a kind in a solution share one name per second; here each has its own, made of what it is for and a hash.
"""
import json
import re

import pytest

from server_kit import BUCKET, ROOT, Server, config, interactions_csv
from test_engine_kinds import FAST, apply, succeed

NAMES = json.loads((ROOT / "tests/data/names.json").read_text())


def there(address):
    """s3://B/… of the cases, in the bucket of the test."""
    return address.replace("s3://B/", f"s3://{BUCKET}/")


def put(server, address, body):
    bucket, _, key = there(address).removeprefix("s3://").partition("/")
    server.aws("s3").put_object(Bucket=bucket, Key=key, Body=body)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("names"), *FAST) as s:
        yield s


def import_places(server):
    personalize = server.aws("personalize")
    jobs = [personalize.describe_dataset_import_job(datasetImportJobArn=j["datasetImportJobArn"])["datasetImportJob"]
            for j in personalize.list_dataset_import_jobs()["datasetImportJobs"]]
    return [(j["dataSource"]["dataLocation"], j["jobName"]) for j in sorted(jobs, key=lambda j: j["creationDateTime"])]


def test_data_and_jobs_lie_where_they_did(server):
    case, batch = NAMES["import"]["interactions"], NAMES["batch"]
    document = config("shop")
    document["solutions"][0]["serviceConfig"]["name"] = "up"
    document["solutions"][0]["batchInferenceJobs"] = [{"serviceConfig": {"numResults": 5}}, {"serviceConfig": {"numResults": 6}}]
    put(server, case["then"], interactions_csv())
    put(server, batch["input"], b'{"userId": "u1"}\n')
    apply(server, document)
    assert [place for place, _ in import_places(server)] == [there(case["then"])]
    # A folder of parts goes before the single file.
    put(server, case["first"] + "/part-1.csv", interactions_csv(rows=1600))
    succeed(server, server.ok("POST", "/runs", json={"config": "shop", "kind": "import", "force": True})["id"])
    places = import_places(server)
    assert [place for place, _ in places] == [there(case["then"]), there(case["first"])]
    personalize = server.aws("personalize")
    jobs = [personalize.describe_batch_inference_job(batchInferenceJobArn=j["batchInferenceJobArn"])["batchInferenceJob"]
            for j in personalize.list_batch_inference_jobs()["batchInferenceJobs"]]
    assert len(jobs) == 2
    for job in jobs:
        assert job["jobInput"]["s3DataSource"]["path"] == there(batch["input"])
        wanted = there(batch["output"]).replace(batch["jobName"], job["jobName"])
        assert job["jobOutput"]["s3DataDestination"]["path"] == wanted
        assert re.fullmatch(r"batch-up-[a-z2-7]{20}", job["jobName"])
    names = [name for _, name in places] + [job["jobName"] for job in jobs]
    assert len(set(names)) == len(names), "no two jobs share a name"


def test_a_solution_may_have_all_63_characters(server):
    document = config("long")
    document["solutions"][0]["serviceConfig"]["name"] = "s" * 63
    document["solutions"][0]["batchInferenceJobs"] = [{"serviceConfig": {}}]
    answer = server.ok("POST", "/configs/validate", json=document)
    assert answer["valid"], answer["errors"]

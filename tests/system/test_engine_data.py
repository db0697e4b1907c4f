"""Runs on the data itself: exports, and deletions of users' data."""
import json

import pytest

from server_kit import Server, config, wait_until

FAST = ["--engine-lease", "2s", "--engine-quiescence", "6s", "--simulator-signature-window", "3s", "--poll-min", "50ms",
        "--poll-max", "300ms"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("data"), *FAST) as s:
        yield s


def apply(server, document):
    name = document["datasetGroup"]["serviceConfig"]["name"]
    server.put_data(name)
    run = server.wait_run(server.apply(document)["run"]["id"])
    assert run["status"] == "succeeded", json.dumps(run)[:4000]


def put_users(server, *users):
    server.aws("s3").put_object(Bucket="steward-local", Key="forget/users.csv", Body="\n".join(["USER_ID", *users, ""]).encode())
    return "s3://steward-local/forget/users.csv"


def exported(server, run):
    """The rows of the first export of the run."""
    s3 = server.aws("s3")
    step = next(s for s in run["steps"] if s["kind"] == "datasetExportJob")
    prefix = step["request"]["jobOutput"]["s3DataDestination"]["path"].removeprefix("s3://steward-local/")
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket="steward-local", Prefix=prefix)["Contents"] if step["intentName"] in o["Key"]]
    return s3.get_object(Bucket="steward-local", Key=keys[0])["Body"].read().decode().splitlines()


def run_of(server, **body):
    run = server.wait_run(server.ok("POST", "/runs", json=body)["id"])
    assert run["status"] == "succeeded", json.dumps(run)[:4000]
    return run


def test_export_then_delete_users(server):
    apply(server, config("forget"))
    before = exported(server, run_of(server, config="forget", kind="exportData"))
    assert "USER_ID" in before[0] and any(line.startswith("u7,") for line in before[1:])
    # Twice the same is two exports: each run makes its own.
    assert len(exported(server, run_of(server, config="forget", kind="exportData"))) == len(before)
    run = run_of(server, config="forget", kind="deleteData", dataLocation=put_users(server, "u7"), confirm=True)
    job = next(s for s in run["steps"] if s["kind"] == "dataDeletionJob")
    assert job["result"] == "created" and job["awsStatus"] == "COMPLETED"
    after = exported(server, run_of(server, config="forget", kind="exportData", ingestionMode="BULK"))
    assert len(after) < len(before) and not any(line.startswith("u7,") for line in after)


def automatic(server, name):
    items = server.ok("GET", f"/configs/{name}/resources")["items"]
    return next(r for r in items if r["kind"] == "solution")["observed"]["performAutoTraining"]


@pytest.mark.parametrize("ends", ["succeeded", "failed"])
def test_automatic_training_is_off_meanwhile_and_restored(server, ends):
    name = f"auto-{ends}"
    document = config(name)
    document["solutions"][0]["serviceConfig"]["performAutoTraining"] = True
    apply(server, document)
    solution = document["solutions"][0]["serviceConfig"]["name"]
    assert automatic(server, name)
    location = put_users(server, "u1") if ends == "succeeded" else "s3://steward-local/forget/nobody.csv"
    body = {"config": name, "kind": "deleteData", "dataLocation": location, "confirm": True}
    run = server.wait_run(server.ok("POST", "/runs", json=body)["id"])
    assert run["status"] == ends
    updates = [json.loads(line) for line in (server.data_dir / "simulator" / "ledger.jsonl").read_text().splitlines()]
    switched = [u["request"]["performAutoTraining"] for u in updates
                if u["operation"] == "UpdateSolution" and u["request"]["solutionArn"].endswith(solution)]
    assert switched == [False, True]
    assert automatic(server, name)
    assert [s["result"] for s in run["steps"] if s["kind"] == "solution"] == ["updated", "updated"]


def test_deletion_locks_out_imports_and_trainings(server):
    apply(server, config("locked"))
    first = server.ok("POST", "/runs", json={"config": "locked", "kind": "train"})["id"]
    deletion = server.ok("POST", "/runs", json={"config": "locked", "kind": "deleteData", "confirm": True,
                                                "dataLocation": put_users(server, "u2")})["id"]
    imports = server.ok("POST", "/runs", json={"config": "locked", "kind": "import", "force": True})["id"]
    runs = [server.wait_run(r) for r in (first, deletion, imports)]
    assert [r["status"] for r in runs] == ["succeeded"] * 3
    assert runs[0]["finishedAt"] <= runs[1]["startedAt"] and runs[1]["finishedAt"] <= runs[2]["startedAt"]


def test_deletion_is_confirmed(server):
    answer = server.post("/runs", json={"config": "forget", "kind": "deleteData", "dataLocation": "s3://steward-local/x.csv"})
    assert answer.status_code == 422 and [e["pointer"] for e in answer.json()["errors"]] == ["/confirm"]

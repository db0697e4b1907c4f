"""Verdicts: hundreds of parameter files, each made of a good one by one change, against POST /configs/validate."""
import json

import pytest

from server_kit import BUCKET, Server
from verdict_cases import cases


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("verdicts")) as s:
        yield s


def judge(server, body):
    return server.ok("POST", "/configs/validate", data=body, headers={"Content-Type": "application/json"})


def test_every_file_gets_its_verdict_with_a_pointer(server):
    wrong = []
    rows = cases()
    for why, document, errors in rows:
        answer = judge(server, json.dumps(document))
        got = [e["pointer"] for e in answer["errors"]]
        assert answer["valid"] == (not got) and all(e["code"] and e["detail"] for e in answer["errors"]), why
        if bool(errors) != bool(got) or not set(errors) <= set(got):
            wrong.append((why, errors, answer["errors"][:3]))
    assert not wrong, wrong[:20]
    assert len(rows) > 700


def csv(document, kind):
    """Data that fits the schema of a document."""
    makers = {"USER_ID": lambda i: f"u{i * 7 % 60}", "ITEM_ID": lambda i: f"i{i * 13 % 40}", "TIMESTAMP": lambda i: 1700000000 + i * 60,
              "EVENT_TYPE": lambda i: ("click", "stream")[i % 2], "EVENT_VALUE": lambda i: i % 5 + .5, "AGE": lambda i: 20 + i % 50,
              "GENDER": lambda i: "fm"[i % 2], "GENRES": lambda i: f"g{i % 4}", "YEAR": lambda i: 1990 + i % 30}
    names = [f["name"] for f in document["datasets"][kind]["schema"]["serviceConfig"]["schema"]["fields"]]
    lines = [",".join(names)] + [",".join(str(makers[n](i)) for n in names) for i in range(1500)]
    return ("\n".join(lines) + "\n").encode()


def section(name, kind, fields, version=True, tags=None):
    """Names of datasets and schemas that do not carry their group's, as in files that people copy."""
    schema = {"type": "record", "name": kind, "namespace": "com.amazonaws.personalize.schema",
              "fields": [dict(zip(("name", "type", "categorical"), f)) for f in fields]} | ({"version": "1.0"} if version else {})
    return {"dataset": {"serviceConfig": {"name": f"{name}-data"} | ({"tags": tags} if tags else {})},
            "schema": {"serviceConfig": {"name": f"{name}-schema", "schema": schema}}}


def tag(name):
    return [{"tagKey": f"{name}-key", "tagValue": f"{name}-value"}]


RECIPE = "arn:aws:personalize:::recipe/"
EVENTS = [("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"), ("EVENT_TYPE", "string")]


def copied_files():
    """Three files in the manner of the AWS solution's: plain, with tags, with root tags. They share schema names, not contents."""
    plain = {
        "datasetGroup": {"serviceConfig": {"name": "copied-1"}, "workflowConfig": {"schedules": {"import": "cron(0 */6 * * ? *)"}}},
        "datasets": {"users": section("users", "users", [("USER_ID", "string"), ("AGE", "int"), ("GENDER", "string", True)], False),
                     "interactions": section("interactions", "interactions", EVENTS + [("EVENT_VALUE", "float")], False)},
        "solutions": [
            {"serviceConfig": {"name": "copied-popular", "recipeArn": RECIPE + "aws-popularity-count"},
             "workflowConfig": {"schedules": {"full": "cron(0 1 ? * 1 *)"}}},
            {"serviceConfig": {"name": "copied-personal", "recipeArn": RECIPE + "aws-user-personalization"},
             "workflowConfig": {"schedules": {"full": "cron(0 2 ? * 1 *)"}},
             "campaigns": [{"serviceConfig": {"name": "copied-live", "minProvisionedTPS": 1}}],
             "batchInferenceJobs": [{"serviceConfig": {}, "workflowConfig": {"schedule": "cron(0 3 * * ? *)"}}]}],
        "eventTracker": {"serviceConfig": {"name": "copied-tracker"}},
        "filters": [{"serviceConfig": {"name": "copied-any", "filterExpression": "INCLUDE ItemID WHERE Interactions.EVENT_TYPE in (\"*\")"}}]}
    tagged = {
        "datasetGroup": {"serviceConfig": {"name": "copied-2", "tags": tag("group")}},
        "datasets": {"serviceConfig": {"importMode": "FULL", "tags": tag("import")},
                     "interactions": section("interactions", "Interactions", EVENTS, tags=tag("events")),
                     "users": section("users", "Users", [("USER_ID", "string"), ("GENDER", "string", True)], tags=tag("users"))},
        "eventTracker": {"serviceConfig": {"name": "copied-tracker", "tags": tag("tracker")}},
        "solutions": [{"serviceConfig": {"name": "copied-tagged", "recipeArn": RECIPE + "aws-user-personalization", "performHPO": True,
                                         "tags": tag("solution"), "solutionVersion": {"name": "first", "trainingMode": "FULL", "tags": tag("version")}}}]}
    root = {"tags": [{"tagKey": "project", "tagValue": "p"}], "datasetGroup": {"serviceConfig": {"name": "copied-3"}},
            "datasets": {"serviceConfig": {"importMode": "FULL", "tags": tag("import")},
                         "interactions": section("interactions", "Interactions", EVENTS)},
            "eventTracker": {"serviceConfig": {"name": "copied-tracker"}},
            "solutions": [{"serviceConfig": {"name": "copied-root", "recipeArn": RECIPE + "aws-user-personalization", "tags": tag("solution")}}]}
    return [plain, tagged, root]


def test_files_that_share_names_of_schemas_and_datasets_become_active_side_by_side(server):
    runs = []
    for document in copied_files():
        name = document["datasetGroup"]["serviceConfig"]["name"]
        for kind in ("interactions", "users"):
            if kind in document["datasets"]:
                server.put_data(name, kind, csv(document, kind))
        server.aws("s3").put_object(Bucket=BUCKET, Key=f"batch/{name}/copied-personal/job_config.json", Body=b'{"userId": "u1"}\n')
        runs.append((name, server.apply(document)["run"]["id"]))
    schemas = {}
    for name, run in runs:
        done = server.wait_run(run, 120)
        assert done["status"] == "succeeded", [(s["kind"], s["name"], s.get("reason")) for s in done["steps"]]
        for resource in server.ok("GET", f"/configs/{name}/resources?limit=200")["items"]:
            assert resource["status"] == "ACTIVE", resource
            if resource["kind"] == "schema":
                schemas.setdefault(resource["name"].split("-schema")[0], []).append(resource["arn"])
        assert server.ok("GET", f"/configs/{name}/plan")["changes"] is False
    # Equal content is one schema; different content has a name of its own.
    assert len(schemas["interactions"]) == 3 and len(set(schemas["interactions"])) == 2
    assert len(set(schemas["users"])) == 2
    server.ok("DELETE", "/configs/copied-2?resources=delete")

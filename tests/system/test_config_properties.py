"""Properties of random configs that use every kind: effective is idempotent, a plan after an apply is empty, and so is one after
an import. The seed is in every failure: STEWARD_CONFIG_SEED=… makes the same configs again."""
import json
import os
import random

import pytest

import config_maker
from server_kit import BUCKET, Server
from test_engine_kinds import FAST, resources

SEED = int(os.environ.get("STEWARD_CONFIG_SEED", random.SystemRandom().randrange(10 ** 9)))
COUNT = 100 if os.environ.get("STEWARD_TEST_FULL") else 6


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("properties"), *FAST, "--fuse-per-account", "10000") as s:
        yield s


def put_data(server, document):
    name = document["datasetGroup"]["serviceConfig"]["name"]
    for section, file in config_maker.FILES.items():
        if section in document["datasets"]:
            server.put_data(name, file, config_maker.csv(document, section))
    for solution in document["solutions"]:
        for list_name, line in (("batchInferenceJobs", b'{"userId": "u1"}\n'), ("batchSegmentJobs", b'{"itemId": "i1"}\n')):
            if list_name in solution:
                recipe = solution["serviceConfig"]["recipeArn"]
                line = (b'{"itemId": "i1"}\n' if "sim" in recipe else
                        b'{"userId": "u1", "itemList": ["i1", "i2"]}\n' if "ranking" in recipe else line)
                server.aws("s3").put_object(Bucket=BUCKET, Key=f"batch/{name}/{solution['serviceConfig']['name']}/job_config.json", Body=line)


def changes(plan):
    return [(x["action"], x["resourceKey"], x["reason"], x["fields"]) for x in plan["lines"] if x["action"] not in ("noop", "adopt")]


def check_effective(server, name, document):
    effective = server.ok("GET", f"/configs/{name}?view=effective")["document"]
    assert server.ok("POST", "/configs/validate", json=effective)["valid"]
    plan = server.ok("POST", "/configs/plan", json=effective)
    assert plan["changes"] is False, changes(plan)
    answer = server.ok("PUT", f"/configs/{name}", json=effective)
    if answer.get("run"):
        assert server.wait_run(answer["run"]["id"], 120)["status"] == "succeeded"
    assert server.ok("GET", f"/configs/{name}?view=effective")["document"] == effective


def check(server, name, document):
    answer = server.ok("POST", "/configs/validate", json=document)
    assert answer["valid"], answer["errors"]
    put_data(server, document)
    run = server.wait_run(server.apply(document)["run"]["id"], 180)
    assert run["status"] == "succeeded", [(s["resourceKey"], s.get("reason")) for s in run["steps"] if s["status"] != "succeeded"]
    assert {r["status"] for r in resources(server, name).values()} == {"ACTIVE"}
    plan = server.ok("GET", f"/configs/{name}/plan")
    assert plan["changes"] is False, changes(plan)
    check_effective(server, name, document)
    gone = server.wait_run(server.ok("DELETE", f"/configs/{name}?resources=keep")["id"])
    assert gone["status"] == "succeeded"
    made = server.post("/configs/import", json={"datasetGroup": name})
    assert made.status_code == 201, made.text
    plan = server.ok("GET", f"/configs/{name}/plan")
    assert plan["changes"] is False, changes(plan)


@pytest.mark.parametrize("number", range(COUNT))
def test_properties(server, number):
    name, seed = f"p{number}", SEED + number
    document = config_maker.make(name, seed)
    try:
        check(server, name, document)
    except AssertionError as error:
        raise AssertionError(f"STEWARD_CONFIG_SEED={seed}: {error}\n{json.dumps(document, indent=1)}") from None

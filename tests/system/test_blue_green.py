"""onImmutableChange: blueGreen: a new solution beside the old, trained; the campaign moves; the old one goes."""
import copy

import pytest

from server_kit import Server, config
from test_engine_kinds import FAST, apply, resources, results, succeed

RECIPE = "arn:aws:personalize:::recipe/"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("blue"), *FAST) as s:
        yield s


def blue_green(name, **workflow):
    document = config(name)
    document["solutions"][0]["workflowConfig"] = {"onImmutableChange": "blueGreen"} | workflow
    return document


def solutions(server):
    return {s["name"]: s for s in server.aws("personalize").list_solutions(maxResults=100)["solutions"]}


def actions(plan):
    return {line["resourceKey"]: line["action"] for line in plan["lines"] if line["action"] != "noop"}


def serving(server, campaign):
    arn = resources(server, campaign.split("-")[0])[f"campaign/{campaign}"]["arn"]
    version = server.aws("personalize").describe_campaign(campaignArn=arn)["campaign"]["solutionVersionArn"]
    return version.split("/")[1]


def test_a_changed_recipe_moves_the_campaign_to_a_new_solution(server):
    document = blue_green("blue")
    server.put_data("blue")
    first = apply(server, document)
    assert results(first)["retired/blue-s0"] == "unchanged" and serving(server, "blue-c0") == "blue-s0"
    old = resources(server, "blue")["campaign/blue-c0"]["arn"]
    document["solutions"][0]["serviceConfig"]["recipeArn"] = RECIPE + "aws-popularity-count"
    planned = server.ok("POST", "/configs/plan", json=document)
    assert actions(planned) == {"solution/blue-s0": "replace", "solutionVersion/blue-s0": "job", "campaign/blue-c0": "updateInPlace"}
    line = next(x for x in planned["lines"] if x["kind"] == "solution")
    assert "beside" in line["reason"] and line["fields"][0]["field"] == "recipeArn"
    done = results(apply(server, document))
    assert (done["solution/blue-s0"], done["solutionVersion/blue-s0"], done["campaign/blue-c0"], done["retired/blue-s0"]) == (
        "created", "created", "updated", "deleted")
    green = serving(server, "blue-c0")
    assert green.startswith("blue-s0-") and len(green) == len("blue-s0-") + 8
    assert green in solutions(server) and "blue-s0" not in solutions(server)
    assert resources(server, "blue")["campaign/blue-c0"]["arn"] == old, "the campaign keeps its name and ARN"
    assert not [k for k in resources(server, "blue") if k.startswith("retired/")]
    assert server.ok("GET", "/configs/blue/plan")["changes"] is False
    # Nothing is made twice, and the next change has a name of its own.
    again = server.ok("POST", "/runs", json={"config": "blue", "kind": "apply"})
    assert set(results(succeed(server, again["id"])).values()) <= {"unchanged", "skipped"}
    document["solutions"][0]["serviceConfig"]["eventType"] = "watch"
    assert actions(server.ok("POST", "/configs/plan", json=document))["solution/blue-s0"] == "replace"
    del document["solutions"][0]["serviceConfig"]["eventType"]
    document["solutions"][0]["serviceConfig"]["recipeArn"] = RECIPE + "aws-user-personalization-v2"
    assert results(apply(server, document))["retired/blue-s0"] == "deleted"
    assert serving(server, "blue-c0") != green and green not in solutions(server)
    gone = succeed(server, server.ok("DELETE", "/configs/blue?resources=delete")["id"])
    assert results(gone)["datasetGroup/blue"] == "deleted" and not [n for n in solutions(server) if n.startswith("blue-")]


def test_without_it_the_change_is_blocked(server):
    document = config("blocked")
    server.put_data("blocked")
    apply(server, document)
    document["solutions"][0]["serviceConfig"]["recipeArn"] = RECIPE + "aws-popularity-count"
    assert actions(server.ok("POST", "/configs/plan", json=document))["solution/blocked-s0"] == "blocked"


def test_the_old_one_serves_until_somebody_promotes(server):
    document = blue_green("gate", promotion={"policy": "manual"})
    server.put_data("gate")
    apply(server, document)
    document = copy.deepcopy(document)
    document["solutions"][0]["serviceConfig"]["recipeArn"] = RECIPE + "aws-popularity-count"
    run = apply(server, document)
    assert results(run)["retired/gate-s0"] == "skipped" and serving(server, "gate-c0") == "gate-s0"
    step = next(s for s in run["steps"] if s["resourceKey"] == "retired/gate-s0")
    assert "still serves the campaign gate-c0" in step["reason"]
    newest = server.ok("GET", "/solutions/gate-s0/versions")["items"][0]
    promoted = succeed(server, server.ok("POST", "/configs/gate/campaigns/gate-c0/promote", json={"version": newest["arn"]})["id"])
    assert results(promoted)["retired/gate-s0"] == "deleted"
    assert serving(server, "gate-c0").startswith("gate-s0-") and "gate-s0" not in solutions(server)

"""Plans: what they cost, what forbids them, and plans that are kept and applied only when nothing moved."""
import copy
import json
import subprocess

import pytest

from server_kit import BUILD, ROOT, Server, config, wait_until
from test_engine_kinds import FAST, apply, resources, succeed

USD = "USD"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("plans"), *FAST) as s:
        yield s


@pytest.fixture(scope="module")
def shop(server):
    """An applied config with one campaign of 1 TPS on a v2 recipe."""
    document = config("plans")
    server.put_data("plans")
    apply(server, document)
    return document


def with_tps(document, tps, **extra):
    document = copy.deepcopy(document)
    document["solutions"][0]["campaigns"][0]["serviceConfig"]["minProvisionedTPS"] = tps
    document.update(extra)
    return document


def line_of(plan, key):
    return next(line for line in plan["lines"] if line["resourceKey"] == key)


def save(server, body, **params):
    answer = server.post("/plans", json=body, params=params)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/plans/{answer.json()['id']}"
    plan = server.ok("GET", answer.headers["Location"] + "?wait=30")
    assert plan["status"] == "ready", plan
    return plan


def refused(answer, code, status=409):
    assert answer.status_code == status and answer.json()["code"] == code, answer.text
    return answer.json()


def test_a_line_says_what_it_costs_and_uses(server, shop):
    plan = server.ok("POST", "/configs/plan", json=config("planned", 2))
    campaign = line_of(plan, "campaign/planned-c1")
    assert campaign["cost"]["monthly"] == {"amount": "394.20", "currency": USD}
    assert "1 TPS x 3,600 s x 730 h" in campaign["cost"]["formula"] and campaign["cost"]["isFloor"] is True
    assert campaign["quota"] == {"name": "campaigns", "per": "datasetGroup", "used": 2, "left": 3, "limit": 5}
    assert line_of(plan, "solutionVersion/planned-s0")["cost"]["oneOff"]["currency"] == USD
    assert plan["cost"]["monthly"]["amount"] == "788.40" and plan["cost"]["pricesAsOf"]
    assert "without traffic above the minimum" in plan["cost"]["note"]
    for accept in ("text/plain", "text/markdown"):
        text = server.post("/configs/plan", json=config("planned", 2), headers={"Accept": accept}).text
        assert "394.20 USD a month" in text and "2 of 5 campaigns" in text and "without traffic above the minimum" in text


def test_a_pull_request_that_is_too_dear(server, shop):
    document = with_tps(shop, 10, guards={"maxMonthlyFloor": {"amount": "1000.00", "currency": USD}})
    plan = server.ok("POST", "/configs/plan", json=document)
    line = line_of(plan, "campaign/plans-c0")
    assert (line["action"], line["rule"], line["guard"]) == ("blocked", "guard", "maxMonthlyFloor")
    assert line["cost"]["monthly"]["amount"] == "3547.80" and line["fields"][0]["after"] == 10
    text = server.post("/configs/plan", json=document, headers={"Accept": "text/markdown"}).text
    assert "| **blocked** | campaign | `plans-c0` |" in text and "+3547.80 USD a month" in text


def test_a_sixth_campaign_is_blocked_by_the_quota(server, shop):
    document = with_tps(shop, 1)
    document["solutions"][0]["campaigns"] += [
        {"serviceConfig": {"name": f"plans-more{i}", "minProvisionedTPS": 1}} for i in range(5)]
    plan = server.ok("POST", "/configs/plan", json=document)
    actions = [line_of(plan, f"campaign/plans-more{i}")["action"] for i in range(5)]
    assert actions == ["create"] * 4 + ["blocked"]
    assert line_of(plan, "campaign/plans-more4")["rule"] == "quota"


def test_a_name_of_another_config_is_taken(server, shop):
    document = config("thief")
    document["solutions"][0]["campaigns"][0]["serviceConfig"]["name"] = "plans-c0"
    plan = server.ok("POST", "/configs/plan", json=document)
    line = line_of(plan, "campaign/plans-c0")
    assert (line["action"], line["rule"]) == ("blocked", "nameTaken") and "plans" in line["reason"]


def test_a_saved_plan_is_kept_and_applied_once(server, shop):
    plan = save(server, {"document": with_tps(shop, 2)}, message="more throughput", revision="abc")
    assert line_of(plan, "campaign/plans-c0")["action"] == "updateInPlace"
    assert server.ok("GET", "/configs/plans")["version"] == 1, "a plan stores nothing"
    text = server.get(f"/plans/{plan['id']}", headers={"Accept": "text/plain"}).text
    assert f"steward apply --plan {plan['id']}" in text
    dry = server.ok("POST", f"/plans/{plan['id']}/apply?dryRun=true")
    assert dry["dryRun"] is True and dry["summary"]["updateInPlace"] == 1
    headers = {"Idempotency-Key": "plans-1"}
    answer = server.post(f"/plans/{plan['id']}/apply", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["config"]["version"] == 2 and answer.json()["config"]["message"] == "more throughput"
    again = server.post(f"/plans/{plan['id']}/apply", headers=headers)
    assert again.headers["Idempotency-Replayed"] == "true" and again.json() == answer.json()
    refused(server.post(f"/plans/{plan['id']}/apply"), "plan-applied")
    run = succeed(server, answer.json()["run"]["id"])
    applied = server.ok("GET", f"/plans/{plan['id']}")
    assert applied["status"] == "applied" and applied["appliedRun"] == run["id"]
    campaign = server.aws("personalize").describe_campaign(campaignArn=resources(server, "plans")["campaign/plans-c0"]["arn"])
    assert campaign["campaign"]["minProvisionedTPS"] == 2
    assert not [x for x in server.ok("GET", "/configs/plans/plan")["lines"] if x["action"] != "noop"]


def test_a_plan_is_refused_when_the_config_moved(server, shop):
    plan = save(server, {"document": with_tps(shop, 3)})
    apply(server, with_tps(shop, 4))
    moved = refused(server.post(f"/plans/{plan['id']}/apply"), "world-moved")
    assert "version" in moved["detail"]
    assert refused(server.post(f"/plans/{plan['id']}/apply?dryRun=true"), "world-moved")
    apply(server, with_tps(shop, 2))


def test_a_plan_is_refused_when_amazon_personalize_moved(server, shop):
    plan = save(server, {"config": "plans"})
    assert plan["changes"] is False
    arn = resources(server, "plans")["campaign/plans-c0"]["arn"]
    personalize = server.aws("personalize")
    personalize.update_campaign(campaignArn=arn, minProvisionedTPS=7)
    wait_until(lambda: personalize.describe_campaign(campaignArn=arn)["campaign"]["minProvisionedTPS"] == 7)
    versions = server.ok("GET", "/configs/plans")["version"]
    moved = refused(server.post(f"/plans/{plan['id']}/apply"), "world-moved")
    assert moved["errors"][0]["pointer"] == "/solutions/0/campaigns/0/serviceConfig" and "plans-c0" in moved["errors"][0]["detail"]
    assert server.ok("GET", "/configs/plans")["version"] == versions
    # A plan made of the world as it is now is good, and puts it right.
    plan = save(server, {"config": "plans"})
    assert line_of(plan, "campaign/plans-c0")["action"] == "updateInPlace"
    succeed(server, server.ok("POST", f"/plans/{plan['id']}/apply")["run"]["id"])
    assert server.ok("GET", "/configs/plans/plan")["changes"] is False


def test_a_plan_of_a_new_config_is_refused_when_it_came_to_be(server):
    document = config("newcomer", 0)
    plan = save(server, document)  # the file itself is a good body
    assert "configVersion" not in plan
    server.put_data("newcomer")
    apply(server, document)
    refused(server.post(f"/plans/{plan['id']}/apply"), "world-moved")


def test_a_plan_of_a_new_config_makes_it(server):
    plan = save(server, {"document": config("fresh", 0)})
    server.put_data("fresh")
    # Data has come meanwhile: an import would run that the plan does not know of.
    refused(server.post(f"/plans/{plan['id']}/apply"), "world-moved")
    plan = save(server, {"document": config("fresh", 0)})
    answer = server.post(f"/plans/{plan['id']}/apply")
    assert answer.status_code == 201
    succeed(server, answer.json()["run"]["id"])


def test_a_blocked_plan_is_not_applied(server, shop):
    document = with_tps(shop, 9, guards={"maxMinProvisionedTPS": 5})
    plan = save(server, {"document": document})
    answer = refused(server.post(f"/plans/{plan['id']}/apply"), "plan-blocked")
    assert answer["errors"][0]["code"] == "guard"


def test_what_is_no_plan(server, shop):
    for body, pointer in (({}, ""), ({"config": "plans", "document": {}}, ""), ({"config": "nobody"}, "/config"),
                          ({"document": {"datasetGroup": {}}}, "/datasetGroup/serviceConfig"), ({"konfig": 1}, "/konfig")):
        answer = server.post("/plans", json=body)
        assert answer.status_code == 422, answer.text
        assert pointer in [e["pointer"] for e in answer.json()["errors"]], answer.text
    assert server.get("/plans/pln_nothing").status_code == 404
    assert server.get("/plans/pln_01M85V5ZAKF8Z9JVPZ5D60T46Q").status_code == 404
    assert server.post("/plans/pln_01M85V5ZAKF8Z9JVPZ5D60T46Q/apply").status_code == 404
    before = server.ok("GET", "/runs?limit=1")["items"][0]["id"]
    assert server.ok("POST", "/plans?dryRun=true", json={"config": "plans"})["steps"]
    assert server.ok("GET", "/runs?limit=1")["items"][0]["id"] == before


def test_an_operators_price_list(tmp_path):
    prices = json.loads((ROOT / "model" / "prices.json").read_text())
    prices |= {"v2RequestsPer1000": "1.00", "asOf": "2030-05", "region": "eu-west-1"}
    (tmp_path / "prices.json").write_text(json.dumps(prices))
    with Server(tmp_path, "--prices", str(tmp_path / "prices.json"), "--quota", "campaigns=7", "--quota", "filters=44") as s:
        plan = s.ok("POST", "/configs/plan", json=config("dear"))
        line = line_of(plan, "campaign/dear-c0")
        assert line["cost"]["monthly"]["amount"] == "2628.00" and line["quota"]["limit"] == 7
        assert plan["cost"]["pricesAsOf"] == "2030-05"
        quotas = s.session.get(s.simulator_url + "/_simulator/quotas", timeout=10).json()
        assert quotas["filters"] == 44, "the local service knows of it, too"
    (tmp_path / "prices.json").write_text('{"currency": "USD", "asOf": "2030-05"}')
    done = subprocess.run([BUILD / "steward", "serve", "--prices", str(tmp_path / "prices.json")], capture_output=True, text=True, timeout=30)
    assert done.returncode != 0 and "hoursPerMonth" in done.stderr


def cli(server, *words):
    return subprocess.run([BUILD / "steward", *words], capture_output=True, text=True, timeout=120,
                          env={"STEWARD_URL": server.url, "STEWARD_TOKEN": server.token, "PATH": "/usr/bin:/bin"})


def test_the_command_line(server, shop, tmp_path):
    """Exit 0: nothing to do, 2: changes, 1: trouble; a saved plan is applied by its id."""
    current = server.ok("GET", "/configs/plans")["document"]
    file, bad = tmp_path / "plans.json", tmp_path / "bad.json"
    file.write_text(json.dumps(current))
    bad.write_text('{"datasetGroup": {}}')
    done = cli(server, "plan", str(file))
    assert done.returncode == 0 and "unchanged" in done.stdout, done.stderr
    file.write_text(json.dumps(with_tps(current, 6)))
    for words, part in ((["plan", str(file)], "cost: +"), (["plan", str(file), "--markdown"], "| updateInPlace |")):
        done = cli(server, *words)
        assert done.returncode == 2 and part in done.stdout, done.stdout + done.stderr
    assert json.loads(cli(server, "plan", str(file), "--json").stdout)["summary"]["updateInPlace"] == 1
    for words in (["plan", str(bad)], ["plan", str(tmp_path / "none.json")]):
        done = cli(server, *words)
        assert done.returncode == 1 and done.stderr and not done.stdout
    assert cli(server, "plan", str(file), "--url", "http://127.0.0.1:1").returncode == 1
    saved = cli(server, "plan", str(file), "--save")
    assert saved.returncode == 2, saved.stderr
    plan = saved.stdout.split("--plan ")[1].split('"')[0]
    done = cli(server, "apply", "--plan", plan, "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    again = cli(server, "apply", "--plan", plan)
    assert again.returncode == 1 and "applied" in again.stderr
    assert cli(server, "plan", str(file)).returncode == 0, "a plan after an apply is empty"
    assert cli(server, "apply").returncode == 2 and cli(server, "apply", str(file), "--plan", plan).returncode == 2


def test_what_changed_between_versions(server):
    document = config("history", 0)
    server.put_data("history")
    apply(server, document)
    document["tags"] = [{"tagKey": "team", "tagValue": "a"}]
    apply(server, document)
    document["tags"] = [{"tagKey": "cost", "tagValue": "1"}, {"tagKey": "team", "tagValue": "b"}]
    apply(server, document)
    diff = server.ok("GET", "/configs/history/versions/3?diff=2")
    assert (diff["from"], diff["to"]) == (2, 3)
    assert diff["changes"] == [
        {"op": "replace", "pointer": "/tags/1/tagValue", "before": "a", "after": "b"},
        {"op": "add", "pointer": "/tags/0", "after": {"tagKey": "cost", "tagValue": "1"}}]
    text = server.get("/configs/history/versions/3?diff=2", headers={"Accept": "text/plain"}).text
    assert 'from version 2 to 3' in text and '~ /tags/1/tagValue: "a" -> "b"' in text
    assert server.ok("GET", "/configs/history/versions/2?diff=2")["changes"] == []
    effective = server.ok("GET", "/configs/history/versions/2?diff=1&view=effective")["changes"]
    assert "/datasetGroup/serviceConfig/tags/0" in [c["pointer"] for c in effective], effective
    assert server.get("/configs/history/versions/3?diff=9").status_code == 404
    assert server.get("/configs/history/versions/3?diff=x").status_code == 400
    dry = server.ok("POST", "/configs/history/rollback?dryRun=true", json={"version": 1})
    assert dry["changes"] == [{"op": "remove", "pointer": "/tags", "before": document["tags"]}]
    assert server.ok("GET", "/configs/history")["version"] == 3


def test_a_prune_saves_what_left_the_file_cost(server):
    document = config("pruned")
    server.put_data("pruned")
    document["solutions"][0]["campaigns"].append({"serviceConfig": {"name": "pruned-dear", "minProvisionedTPS": 3}})
    apply(server, document)
    document["solutions"][0]["campaigns"].pop()
    line = line_of(server.ok("POST", "/configs/plan?prune=true", json=document), "campaign/pruned-dear")
    assert line["action"] == "delete" and line["cost"]["monthly"]["amount"] == "-1182.60", line
    kept = server.ok("POST", "/configs/plan", json=document)
    assert line_of(kept, "campaign/pruned-dear")["action"] == "noop" and kept["cost"]["monthlyAfter"]["amount"] == "1576.80"
    plan = server.ok("POST", "/plans?prune=true", json={"document": document})
    plan = server.ok("GET", f"/plans/{plan['id']}?wait=30")
    assert plan["prune"] is True and line_of(plan, "campaign/pruned-dear")["action"] == "delete"
    answer = server.post(f"/plans/{plan['id']}/apply")
    assert answer.status_code == 200, answer.text
    succeed(server, answer.json()["run"]["id"])
    assert not server.aws("personalize").list_campaigns(
        solutionArn=resources(server, "pruned")["solution/pruned-s0"]["arn"])["campaigns"][1:]

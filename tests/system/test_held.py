"""Held runs: where people promote, a training ends with a question. It holds nothing, later trainings go on and take its place, an answer
promotes or ends it, and time answers for whoever does not."""
import datetime

import pytest

from server_kit import Server, config, wait_until
from test_engine_kinds import FAST, apply, resources
from test_schedules import DAILY, fires, make_due, query


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("held"), *FAST, "--observe-every", "0", "--fuse-per-solution", "20",
                "--fuse-per-account", "200") as server:
        yield server


def manual(server, name, hold_for=None, campaigns=1):
    document = config(name)
    promotion = {"policy": "manual"} | ({"holdFor": hold_for} if hold_for else {})
    document["solutions"][0]["workflowConfig"] = {"promotion": promotion}
    first = document["solutions"][0]["campaigns"][0]
    for i in range(1, campaigns):
        second = {"serviceConfig": dict(first["serviceConfig"], name=f"{name}-c{i}")}
        document["solutions"][0]["campaigns"].append(second)
    server.put_data(name)
    apply(server, document)


def serving(server, campaign):
    personalize = server.aws("personalize")
    arn = f"arn:aws:personalize:us-east-1:123456789012:campaign/{campaign}"
    return personalize.describe_campaign(campaignArn=arn)["campaign"]["solutionVersionArn"]


def train(server, name):
    return server.ok("POST", "/runs", json={"config": name, "kind": "trainFull"})["id"]


def held(server, run):
    """The run, once all that is left of it asks."""
    def look():
        state = server.ok("GET", f"/runs/{run}")
        assert state["status"] in ("queued", "running", "held"), state
        return state if state["status"] == "held" else None
    return wait_until(look, 30)


def asks(run):
    return [s for s in run["steps"] if s["kind"] == "approval"]


def events(server, run):
    return [e["type"] for e in server.ok("GET", f"/runs/{run}/events?limit=200")["items"]]


def moves(server, name):
    """Of the config's campaigns, from the oldest on: (type, data)."""
    found = server.ok("GET", f"/events?config={name}&type=model.promoted&type=model.rolledBack&limit=200")["items"]
    return [(e["type"], e["data"]) for e in sorted(found, key=lambda e: int(e["sequence"]))]


def promote(server, name, campaign, **body):
    run = server.ok("POST", f"/configs/{name}/campaigns/{campaign}/promote", json=body)["id"]
    assert server.wait_run(run)["status"] == "succeeded"
    return run


def test_approved(server):
    manual(server, "yes")
    before = serving(server, "yes-c0")
    run = train(server, "yes")
    state = held(server, run)
    (step,) = asks(state)
    question = step["details"]["question"]
    assert step["status"] == "waiting" and step["waitingFor"] == "an approval"
    assert question["campaign"] == "yes-c0" and question["serving"] == before != question["version"]
    assert question["version"] in state["reason"] and f"/runs/{run}/approve" in state["reason"]
    # Amazon brings new items into the newest version only: whoever leaves it waiting is told.
    assert "free two-hourly updates" in state["reason"]
    newest, serves = server.ok("GET", "/solutions/yes-s0/versions")["items"][:2]
    assert serves["arn"] == before and "two-hourly updates" in serves["note"] and "note" not in newest
    assert "run.held" in events(server, run) and "model.held" in events(server, run)
    assert [r["id"] for r in server.ok("GET", "/runs?status=held&config=yes")["items"]] == [run]
    # It holds nothing: what needs the same resources goes on.
    imported = server.ok("POST", "/runs", json={"config": "yes", "kind": "import", "force": True})["id"]
    assert server.wait_run(imported)["status"] == "succeeded"
    assert server.ok("GET", f"/runs/{run}")["status"] == "held"
    trial = server.post(f"/runs/{run}/approve?dryRun=true")
    assert trial.status_code == 200 and trial.json()["kind"] == "promote", trial.text
    assert server.ok("GET", f"/runs/{run}")["status"] == "held"
    answer = server.post(f"/runs/{run}/approve", json={"reason": "it is better"})
    assert answer.status_code == 202 and answer.json()["kind"] == "promote", answer.text
    assert answer.headers["Location"] == f"/runs/{answer.json()['id']}"
    assert server.wait_run(answer.json()["id"])["status"] == "succeeded"
    assert serving(server, "yes-c0") == question["version"]
    moved = wait_until(lambda: moves(server, "yes"))
    assert moved == [("model.promoted", moved[0][1] | {
        "run": answer.json()["id"], "campaign": "yes-c0", "solution": "yes-s0", "solutionVersion": question["version"],
        "previousVersion": before, "trigger": "api", "by": answer.json()["createdBy"], "reason": "it is better"})]
    final = server.wait_run(run)
    (step,) = asks(final)
    assert final["status"] == "succeeded" and final["result"] == "changed" and step["result"] == "approved"
    assert "it is better" in step["reason"]
    again = server.post(f"/runs/{run}/approve")
    assert again.status_code == 409 and again.json()["code"] == "run-not-held"
    assert server.post(f"/runs/{run[:-1]}0/approve").status_code == 404
    assert server.post(f"/runs/{run}/reject", json={"why": 1}).status_code == 422


def test_a_newer_version_takes_the_place_of_the_question_and_is_rejected(server):
    manual(server, "newer")
    before = serving(server, "newer-c0")
    older = train(server, "newer")
    held(server, older)
    newer = train(server, "newer")
    held(server, newer)
    final = server.wait_run(older)
    assert final["status"] == "succeeded" and asks(final)[0]["result"] == "superseded"
    assert newer in asks(final)[0]["reason"]
    assert server.post(f"/runs/{older}/approve").status_code == 409
    assert server.post(f"/runs/{newer}/reject?dryRun=true").status_code == 200
    answer = server.post(f"/runs/{newer}/reject", json={"reason": "coverage fell"})
    assert answer.status_code == 202 and answer.json()["id"] == newer
    final = server.wait_run(newer)
    assert final["status"] == "succeeded" and asks(final)[0]["result"] == "rejected"
    assert "coverage fell" in asks(final)[0]["reason"]
    assert serving(server, "newer-c0") == before
    # Done again, it asks again: the answer of the old question once came along with its plan.
    rerun = server.ok("POST", f"/runs/{newer}/retry", json={"from": "start"})["id"]
    held(server, rerun)
    assert server.cli("runs", "reject", rerun, "--reason", "no", "--campaign", "newer-c0").startswith(f"{rerun} is ")
    assert "no" in asks(server.wait_run(rerun))[0]["reason"]


def test_no_answer_is_a_no(server):
    manual(server, "late", hold_for="3 seconds")
    before = serving(server, "late-c0")
    final = server.wait_run(train(server, "late"))
    assert final["status"] == "succeeded" and asks(final)[0]["result"] == "rejected"
    assert "Nobody answered" in asks(final)[0]["reason"]
    assert "run.held" in events(server, final["id"]) and serving(server, "late-c0") == before


def test_promoted_by_hand_or_cancelled_it_is_over(server):
    manual(server, "hand")
    run = train(server, "hand")
    version = asks(held(server, run))[0]["details"]["question"]["version"]
    promote = server.ok("POST", "/configs/hand/campaigns/hand-c0/promote", json={"version": version})["id"]
    assert server.wait_run(promote)["status"] == "succeeded"
    final = server.wait_run(run)
    assert final["status"] == "succeeded" and asks(final)[0]["result"] == "unchanged"
    run = train(server, "hand")
    held(server, run)
    assert server.post(f"/runs/{run}/cancel").status_code == 202
    final = server.wait_run(run)
    assert final["status"] == "cancelled" and asks(final)[0]["status"] == "cancelled"
    assert server.post(f"/runs/{run}/approve").status_code == 409


def test_each_campaign_has_its_question(server):
    manual(server, "two", campaigns=2)
    run = train(server, "two")
    assert len(asks(held(server, run))) == 2
    unclear = server.post(f"/runs/{run}/approve")
    assert unclear.status_code == 422 and '"two-c0", "two-c1"' in unclear.text.replace("\\", "")
    assert server.post(f"/runs/{run}/approve", json={"campaign": "none"}).status_code == 422
    promoted = server.ok("POST", f"/runs/{run}/approve", json={"campaign": "two-c1"})["id"]
    assert server.wait_run(promoted)["status"] == "succeeded"
    assert server.ok("GET", f"/runs/{run}")["status"] == "held"
    assert serving(server, "two-c1") != serving(server, "two-c0")
    server.ok("POST", f"/runs/{run}/reject")  # only one is left
    final = server.wait_run(run)
    assert sorted(s["result"] for s in asks(final)) == ["approved", "rejected"]


def test_a_pinned_campaign_is_not_asked_about(server):
    manual(server, "pinned")
    version = serving(server, "pinned-c0")
    pin = server.ok("POST", "/configs/pinned/campaigns/pinned-c0/promote", json={"version": version, "pin": True})["id"]
    assert server.wait_run(pin)["status"] == "succeeded"
    final = server.wait_run(train(server, "pinned"))
    assert final["status"] == "succeeded" and asks(final)[0]["result"] == "unchanged"


def test_what_a_campaign_serves_is_told_when_it_changes(server):
    """model.promoted and model.rolledBack had a schema and no event. Each is written once, with the change of the inventory, whoever made
    it: a person, the policy, a run that was cancelled after it had asked, or somebody at Amazon's console."""
    document = config("told")
    server.put_data("told")
    apply(server, document)
    first = serving(server, "told-c0")
    assert moves(server, "told") == [], "a new campaign serves its first version: nothing was promoted"
    trained = server.wait_run(train(server, "told"))["id"]
    second = serving(server, "told-c0")
    back = promote(server, "told", "told-c0", version=first)
    again = promote(server, "told", "told-c0", version=first)  # it serves that one already
    personalize = server.aws("personalize")
    arn = "arn:aws:personalize:us-east-1:123456789012:campaign/told-c0"
    personalize.update_campaign(campaignArn=arn, solutionVersionArn=second)
    wait_until(lambda: serving(server, "told-c0") == second)
    for _ in range(2):  # the second look has nothing to tell
        seen = server.wait_run(server.ok("POST", "/runs", json={"config": "told", "kind": "observe"})["id"])["id"]
    told = wait_until(lambda: len(m := moves(server, "told")) == 3 and m)
    assert [(kind, m["previousVersion"], m["solutionVersion"]) for kind, m in told] == [
        ("model.promoted", first, second), ("model.rolledBack", second, first), ("model.promoted", first, second)]
    assert [m.get("trigger") for _, m in told] == ["api", "api", None] and [m["run"] for _, m in told[:2]] == [trained, back]
    assert ["newest version" in told[0][1]["reason"], told[1][1]["reason"]] == [True, "Promoted by hand."]
    assert "not asked for by this server" in told[2][1]["reason"] and "by" not in told[2][1]
    assert again != back and seen


def test_a_pin_ends_when_its_time_is_over(server):
    """A pin could only be taken off. It stands above a new version of the file; with an end it is gone from then on, for whoever looks."""
    document = config("timed")
    server.put_data("timed")
    apply(server, document)
    first = serving(server, "timed-c0")
    path = "/configs/timed/campaigns/timed-c0/promote"
    for body in ({"until": "2020-01-01T00:00:00Z"}, {"until": "soon"}, {"pin": False, "until": "2999-01-01T00:00:00Z"}):
        refused = server.post(path, json=body | {"version": first})
        assert refused.status_code == 422 and refused.json()["errors"][0]["pointer"] == "/until", refused.text
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    promote(server, "timed", "timed-c0", version=first, until=until.isoformat(), reason="the season")
    pin = resources(server, "timed")["campaign/timed-c0"]["details"]["pin"]
    assert pin == {"version": first, "reason": "the season", "until": until.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
    waits = next(s for s in server.wait_run(train(server, "timed"))["steps"] if s["kind"] == "campaign")
    assert f"not promoted until {pin['until']}" in waits["reason"] and "two-hourly" in waits["reason"]
    document["solutions"][0]["campaigns"][0]["serviceConfig"]["minProvisionedTPS"] = 2
    apply(server, document)
    assert serving(server, "timed-c0") == first
    query(server, "UPDATE resources SET details = jsonb_set(details, '{pin,until}', to_jsonb(clock_timestamp())) WHERE key = 'campaign/timed-c0'")
    assert "pin" not in resources(server, "timed")["campaign/timed-c0"]["details"]
    server.wait_run(train(server, "timed"))
    assert serving(server, "timed-c0") == server.ok("GET", "/solutions/timed-s0/versions")["items"][0]["arn"] != first


@pytest.mark.parametrize("overlap", ["skip", "queue", "cancelOther", "allow"])
def test_a_question_stands_in_no_schedules_way(server, overlap):
    """The run before asks something. For its schedule it is over: nothing is left out, waits for it or cancels it, whatever the policy."""
    name = f"lap-{overlap.lower()}"
    manual(server, name)
    document = server.ok("GET", f"/configs/{name}")["document"]
    document["solutions"][0]["workflowConfig"]["schedules"] = {"full": {"expression": DAILY, "overlap": overlap}}
    apply(server, document)
    schedule, = server.ok("GET", f"/schedules?config={name}")["items"]
    asked = server.ok("POST", f"/schedules/{schedule['id']}/run")["id"]
    held(server, asked)
    make_due(server, schedule)
    row, = wait_until(lambda: fires(server, schedule))
    assert row["outcome"] == "started", row
    held(server, row["runId"])
    final = server.wait_run(asked)
    assert (final["status"], asks(final)[0]["result"]) == ("succeeded", "superseded")
    assert row["runId"] in asks(final)[0]["reason"]

"""Cancelling, wherever a run is: at once where nothing was begun, after a look where a call is in doubt, and with the training stopped when that
is asked for, once, whatever the server dies of."""
import pytest
import requests

from server_kit import BUILD, Server, config, wait_until
from test_crash import is_dead, revive
from test_engine_kinds import FAST, apply, calls, put_all
from test_schedules import query


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("cancel"), *FAST, "--observe-every", "0", "--fuse-per-solution", "20") as s:
        yield s


def clock(server, **how):
    requests.post(server.simulator_url + "/_simulator/clock", json=how, timeout=30).raise_for_status()


def pace(server, scale):
    clock(server, timeScale=scale)


@pytest.fixture
def slow(server):
    """Its trainings take ten seconds and more, whatever was applied before."""
    yield lambda: pace(server, 120)
    pace(server, 100000)


def fault(server, rule):
    requests.post(server.simulator_url + "/_simulator/faults", json={"rules": [rule]}, timeout=10).raise_for_status()


def start(server, name, kind="trainFull"):
    return server.ok("POST", "/runs", json={"config": name, "kind": kind})["id"]


def version_step(server, run):
    return next(s for s in server.ok("GET", f"/runs/{run}")["steps"] if s["kind"] == "solutionVersion")


def in_progress(server, run):
    return wait_until(lambda: (s := version_step(server, run)).get("awsStatus") == "CREATE IN_PROGRESS" and s)


def cancel(server, run, **body):
    answer = server.post(f"/runs/{run}/cancel", json=body)
    assert answer.status_code == 202 and answer.headers["Location"] == f"/runs/{run}", answer.text
    return answer.json()


def status_of(server, arn):
    return server.aws("personalize").describe_solution_version(solutionVersionArn=arn)["solutionVersion"]["status"]


def stops(server, arn):
    return [c for c in calls(server, "StopSolutionVersionCreation") if c["solutionVersionArn"] == arn]


def prepare(server, name):
    put_all(server, name)
    apply(server, config(name))


def assert_stopped(server, run):
    final = server.wait_run(run)
    step = next(s for s in final["steps"] if s["kind"] == "solutionVersion")
    assert (final["status"], step["status"], step["result"]) == ("cancelled", "cancelled", "stopped"), step
    assert status_of(server, step["arn"]) == "CREATE STOPPED" and len(stops(server, step["arn"])) == 1
    return final


def test_the_training_is_stopped_when_asked_to(server, slow):
    """A cancel once left every training running, and nothing could ask for more; and a stop was counted by the training fuse as if it had
    bought one, and told as training.started."""
    prepare(server, "stop")
    slow()
    run = start(server, "stop")
    in_progress(server, run)
    trial = server.post(f"/runs/{run}/cancel?dryRun=true", json={"stopTraining": True})
    assert trial.status_code == 200 and trial.json()["status"] == "running"
    assert server.post(f"/runs/{run}/cancel", json={"stopTraining": "yes"}).status_code == 422
    said = cancel(server, run, stopTraining=True, reason="wrong data")
    assert (said["status"], said["stopTraining"], said["reason"]) == ("cancelling", True, "wrong data")
    assert server.ok("POST", f"/runs/{run}/cancel", json={})["status"] in ("cancelling", "cancelled")
    final = assert_stopped(server, run)
    assert final["reason"] == "wrong data" and {s["status"] for s in final["steps"]} == {"cancelled"}
    told = wait_until(lambda: (t := [e["type"] for e in server.ok("GET", f"/runs/{run}/events?limit=200")["items"]])[0] == "run.cancelled" and t)
    assert "training.stopped" in told and told.count("training.started") == 1
    assert "stopTraining" not in server.ok("GET", f"/runs?config=stop&kind=apply")["items"][0]

    left = start(server, "stop")
    arn = in_progress(server, left)["arn"]
    assert cancel(server, left)["status"] == "cancelling"
    assert server.wait_run(left)["status"] == "cancelled" and status_of(server, arn) == "CREATE IN_PROGRESS"
    ended = server.wait_run(start(server, "stop", "stopTraining"))
    assert [s["result"] for s in ended["steps"]] == ["stopped"] and len(stops(server, arn)) == 1
    assert "training.started" not in [e["type"] for e in server.ok("GET", f"/runs/{ended['id']}/events?limit=200")["items"]]
    spent = query(server, "SELECT sum(spent) FROM steps WHERE kind = 'solutionVersion' AND name = 'stop-s0'")
    assert spent == [(3,)], "the first, and the two that were stopped; a stop buys nothing"


def test_a_training_in_doubt_is_found_and_then_stopped(server, slow):
    """The answer to the create is on its way when the cancel comes: what it made is not left running."""
    prepare(server, "doubt")
    slow()
    fault(server, "CreateSolutionVersion=slow,ms=1500,times=1")
    run = start(server, "doubt")
    wait_until(lambda: version_step(server, run)["intent"] == "maybe_sent")
    assert cancel(server, run, stopTraining=True)["status"] == "cancelling"
    assert_stopped(server, run)


def test_a_training_that_ends_first_is_not_lost(server, slow):
    """Refused, because it has just ended: the step says what became of it."""
    prepare(server, "late")
    slow()
    run = start(server, "late")
    in_progress(server, run)
    fault(server, "StopSolutionVersionCreation=slow,ms=1500,times=1")
    cancel(server, run, stopTraining=True)
    wait_until(lambda: version_step(server, run)["intent"] == "maybe_sent")
    clock(server, advance="3h")
    final = server.wait_run(run)
    step = next(s for s in final["steps"] if s["kind"] == "solutionVersion")
    assert (final["status"], step["status"], step["result"]) == ("cancelled", "succeeded", "created"), step
    assert stops(server, step["arn"]) == []


def test_what_only_waits_is_over_at_once(server, slow):
    """In line for a quota, and queued behind another run: nothing was begun, so nothing is asked of Amazon."""
    prepare(server, "line")
    prepare(server, "holder")
    slow()
    server.set_quotas(solution_versions=1)
    before = len(calls(server, "CreateSolutionVersion"))
    try:
        holder = start(server, "holder")
        in_progress(server, holder)
        waiting = start(server, "line")
        wait_until(lambda: version_step(server, waiting).get("waitingFor") == "the service's quota")
        queued = start(server, "line")
        wait_until(lambda: "works on the same resources" in server.ok("GET", f"/runs/{queued}").get("reason", ""))
        assert cancel(server, queued, stopTraining=True)["status"] == "cancelled"
        cancel(server, waiting, stopTraining=True)
        for run in (queued, waiting):
            final = server.wait_run(run)
            assert final["status"] == "cancelled" and {s["status"] for s in final["steps"]} == {"cancelled"}
        assert len(calls(server, "CreateSolutionVersion")) == before + 1
        cancel(server, holder, stopTraining=True)
        assert_stopped(server, holder)
    finally:
        server.set_quotas(solution_versions=500)


@pytest.mark.skipif(b"eng.mark_after_commit" not in (BUILD / "steward").read_bytes(), reason="built without failpoints")
def test_the_stop_outlives_kill9(server, slow):
    """Dead after the stop was marked, and again when its answer has come but is not written down: it is sent once all the same."""
    prepare(server, "killed")
    slow()
    run = start(server, "killed")
    in_progress(server, run)
    server.kill()
    revive(server, {"STEWARD_FAILPOINTS": "eng.mark_after_commit=kill9@1"})
    server.cli("runs", "cancel", run, "--stop-training", "--reason", "wrong data")
    wait_until(lambda: is_dead(server))
    server.kill()
    revive(server, {"STEWARD_FAILPOINTS": "eng.resp_parsed=kill9@1"})
    wait_until(lambda: is_dead(server))
    server.kill()
    revive(server)
    assert server.ok("GET", f"/runs/{run}")["status"] == "cancelling"
    assert_stopped(server, run)

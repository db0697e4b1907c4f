"""What a fire does when another run is in its way, what comes first at one minute, and what fires after imports."""
import pytest

from server_kit import config, wait_until
from test_schedules import DAILY, fires, make_due, nominal, query, runs_of


@pytest.fixture(scope="module")
def slow():
    """A server whose jobs take many minutes."""
    from server_kit import Server
    with Server(None, "--simulator-time-scale", "1") as server:
        yield server


def with_apply_at_work(server, name, **extra):
    """A config whose first apply takes many minutes, and its schedule."""
    document = config(name, solutions=0)
    document["datasetGroup"]["workflowConfig"] = {"schedules": {"import": {"expression": DAILY, **extra}}}
    server.put_data(name)
    run = server.apply(document)["run"]["id"]
    schedule, = server.ok("GET", f"/schedules?config={name}")["items"]
    wait_until(lambda: status(server, run) == "running", 60)
    return run, schedule


def status(server, run):
    return server.ok("GET", f"/runs/{run}")["status"]


def has_started(server, run):
    """Whatever became of it since: without its dataset an import fails at once."""
    return "startedAt" in server.ok("GET", f"/runs/{run}")


def test_cancel_other(slow, name):
    apply, schedule = with_apply_at_work(slow, name, overlap="cancelOther")
    make_due(slow, schedule)
    row, = wait_until(lambda: fires(slow, schedule))
    assert row["outcome"] == "started"
    cancelled = slow.wait_run(apply)
    assert cancelled["status"] == "cancelled" and row["runId"] in cancelled["reason"]
    wait_until(lambda: has_started(slow, row["runId"]))


def test_allow_starts_beside_and_queue_waits(slow, name):
    apply, schedule = with_apply_at_work(slow, name, overlap="allow")
    make_due(slow, schedule)
    row, = wait_until(lambda: fires(slow, schedule))
    assert row["outcome"] == "started"
    wait_until(lambda: has_started(slow, row["runId"]))
    assert status(slow, apply) == "running"
    # Who does not share waits for both.
    waiting = slow.ok("POST", "/runs", json={"config": name, "kind": "import"})["id"]
    wait_until(lambda: "works on the same resources" in slow.ok("GET", f"/runs/{waiting}").get("reason", ""))
    assert status(slow, waiting) == "queued"


def test_catch_up_all_and_overlap(slow, name):
    """One transaction sees its own runs: with skip the first starts, the others find it in their way; with queue all of them start."""
    _, schedule = with_apply_at_work(slow, name, catchUp="all", overlap="queue")
    make_due(slow, schedule, days=12)
    wait_until(lambda: fires(slow, schedule))
    outcomes = [(f["outcome"], f["count"]) for f in reversed(fires(slow, schedule))]
    assert outcomes == [("coalesced", 2)] + [("started", 1)] * 10
    assert len(runs_of(slow, schedule)) == 10
    for run in runs_of(slow, schedule):
        slow.ok("POST", f"/runs/{run}/cancel")
    apply = slow.ok("GET", f"/runs?config={name}&kind=apply")["items"][0]["id"]
    slow.ok("POST", f"/runs/{apply}/cancel")
    slow.wait_run(apply)
    query(slow, "UPDATE schedules SET overlap = 'skip', generation = generation + 1 WHERE id = %s", schedule["id"])
    make_due(slow, schedule, days=3)
    rows = [f for f in wait_until(lambda: [f for f in fires(slow, schedule) if f["generation"] == 2]) if f]
    assert [f["outcome"] for f in reversed(rows)] == ["started", "skippedOverlap", "skippedOverlap"]
    assert rows[-1]["runId"] in rows[0]["reason"]


def test_the_order_at_one_minute(start_server):
    """Import, update, full, batch: each begins when those before it are over, however they were fired."""
    server = start_server()
    document = config("order")
    solution = document["solutions"][0]
    solution["serviceConfig"]["recipeArn"] = "arn:aws:personalize:::recipe/aws-user-personalization"
    solution["workflowConfig"] = {"schedules": {"full": DAILY, "update": DAILY}}
    document["datasetGroup"]["workflowConfig"] = {"schedules": {"import": DAILY}}
    server.put_data("order")
    assert server.wait_run(server.apply(document)["run"]["id"])["status"] == "succeeded"
    server.put_data("order")  # newer: there is something to import
    at = nominal(1)
    query(server, "UPDATE schedules SET next_nominal_at = %s, next_fire_at = %s WHERE config = 'order'", at, at)
    listed = wait_until(lambda: len(r := server.ok("GET", "/runs?config=order&trigger=schedule")["items"]) == 3 and r, 60)
    runs = {r["kind"]: server.wait_run(r["id"], 120) for r in listed}
    # An update right after a full import is refused by the service; the full training comes all the same.
    assert runs["import"]["status"] == runs["trainFull"]["status"] == "succeeded", runs
    assert runs["import"]["finishedAt"] <= runs["trainUpdate"]["startedAt"]
    assert runs["trainUpdate"]["finishedAt"] <= runs["trainFull"]["startedAt"]


def test_after_import(start_server):
    server = start_server()
    document = config("after")
    document["solutions"][0]["workflowConfig"] = {"schedules": {"full": {"after": "import"}}}
    server.put_data("after")
    assert server.wait_run(server.apply(document)["run"]["id"])["status"] == "succeeded"
    schedule, = server.ok("GET", "/schedules?config=after")["items"]
    assert schedule["description"] == "after every import" and "nextFireAt" not in schedule
    server.put_data("after")
    done = server.ok("POST", "/runs", json={"config": "after", "kind": "import", "force": True})["id"]
    imported = server.wait_run(done)
    assert (imported["status"], imported["result"]) == ("succeeded", "changed"), imported
    row, = wait_until(lambda: fires(server, schedule))
    assert row["outcome"] == "started", row
    run = server.wait_run(row["runId"])
    assert (run["status"], run["kind"], run["trigger"]) == ("succeeded", "trainFull", "schedule")
    # Nothing newer: nothing was imported, so nothing is trained.
    again = server.ok("POST", "/runs", json={"config": "after", "kind": "import"})["id"]
    assert server.wait_run(again)["result"] != "changed"
    assert len(fires(server, schedule)) == 1


def test_a_schedule_that_can_not_fire_waits_longer_each_time(steward, name):
    document = config(name, solutions=0)
    document["datasetGroup"]["workflowConfig"] = {"schedules": {"import": DAILY}}
    steward.put_data(name)
    steward.wait_run(steward.apply(document)["run"]["id"])
    schedule, = steward.ok("GET", f"/schedules?config={name}")["items"]
    query(steward, "UPDATE schedules SET time_zone = 'No/Where' WHERE id = %s", schedule["id"])  # an older release knew it
    make_due(steward, schedule)
    def state():
        return query(steward, "SELECT fire_failures, next_fire_at - clock_timestamp() > interval '2 seconds' FROM schedules WHERE id = %s",
                     schedule["id"])
    wait_until(lambda: state()[0][0] >= 3 and state()[0][1])
    query(steward, "UPDATE schedules SET time_zone = NULL, next_fire_at = clock_timestamp() WHERE id = %s", schedule["id"])
    wait_until(lambda: fires(steward, schedule))
    assert query(steward, "SELECT fire_failures FROM schedules WHERE id = %s", schedule["id"]) == [(0,)]

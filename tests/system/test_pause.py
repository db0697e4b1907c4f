"""Stop spending: nothing that buys is marked while the server is paused, everything else passes, and all goes on afterwards."""
import datetime

from server_kit import config, wait_until
from test_schedules import DAILY, fires, make_due, make_schedule, nominal, query, runs_of, text


def pause(server, **body):
    return server.ok("POST", "/pause", json=body)


def resume(server):
    return server.ok("POST", "/resume")


def calls(server, operation):
    """How often the simulator was asked for it."""
    lines = (server.data_dir / "simulator" / "ledger.jsonl").read_text().splitlines()
    return sum(f'"{operation}"' in line for line in lines)


def steps(server, run):
    return {s["kind"]: s for s in server.ok("GET", f"/runs/{run}")["steps"]}


def event_types(server, subject):
    return [e["type"] for e in server.ok("GET", "/events?limit=200")["items"] if e["subject"] == subject]


def test_an_apply_waits_where_it_would_buy_and_goes_on(start_server):
    server = start_server()
    server.put_data("thrift")
    state = pause(server, reason="budget review")
    assert state["paused"] and state["reason"] == "budget review" and state["by"] and "still bill" in state["note"]
    run = server.apply(config("thrift"))["run"]["id"]  # desired state is stored; what costs nothing is made
    waiting = wait_until(lambda: (s := steps(server, run)["datasetImportJob"])["status"] == "waiting" and s)
    assert waiting["waitingFor"] == "the end of the pause" and "budget review" in waiting["reason"]
    assert steps(server, run)["dataset"]["status"] == "succeeded"
    assert calls(server, "CreateDatasetImportJob") == 0
    overview = server.ok("GET", "/overview")["pause"]
    assert overview["paused"] and overview["reason"] == "budget review"
    assert any(p["code"] == "server-paused" and "budget review" in p["message"] for p in server.ok("GET", "/problems")["items"])

    for kind in ("import", "train", "retrain"):
        refused = server.post("/runs", json={"config": "thrift", "kind": kind})
        assert refused.status_code == 423, refused.text
        assert refused.json()["code"] == "spending-stopped" and "budget review" in refused.json()["detail"]
    assert server.post("/runs?dryRun=true", json={"config": "thrift", "kind": "import"}).status_code == 423
    looked = server.post("/runs", json={"config": "thrift", "kind": "observe"})
    assert looked.status_code == 202, looked.text

    # A pause that is said anew has the step look again; it is told once that it does not buy.
    pause(server, reason="still the budget")
    query(server, "UPDATE steps SET wake_at = clock_timestamp(), waiting_for = 'AWS to answer' WHERE run_id = %s AND state = 'waiting'", run)
    wait_until(lambda: "still the budget" in (steps(server, run)["datasetImportJob"].get("reason") or ""))
    assert resume(server) == {"paused": False}
    assert server.wait_run(run)["status"] == "succeeded"
    told = [e for e in server.ok("GET", f"/runs/{run}/events?limit=200")["items"] if e["type"] == "cost.blocked"]
    assert [(e["data"]["code"], e["data"]["kind"]) for e in told] == [("paused", "datasetImportJob")]
    assert calls(server, "CreateDatasetImportJob") == 1 and calls(server, "CreateSolutionVersion") == 1
    assert event_types(server, "server") == ["server.resumed", "server.paused", "server.paused"]
    assert resume(server) == {"paused": False}  # said twice is said once
    assert event_types(server, "server") == ["server.resumed", "server.paused", "server.paused"]


def test_lowering_promoting_and_deleting_pass_and_raising_waits(start_server):
    server = start_server()
    server.put_data("lower")
    document = config("lower")
    tps = document["solutions"][0]["campaigns"][0]["serviceConfig"]
    tps["minProvisionedTPS"] = 3
    assert server.wait_run(server.apply(document)["run"]["id"])["status"] == "succeeded"
    pause(server)
    tps["minProvisionedTPS"] = 1
    assert server.wait_run(server.apply(document)["run"]["id"])["status"] == "succeeded"
    assert calls(server, "UpdateCampaign") == 1
    promoted = server.ok("POST", "/configs/lower/campaigns/lower-c0/promote", json={})
    assert server.wait_run(promoted["id"])["status"] == "succeeded"
    tps["minProvisionedTPS"] = 2
    raising = server.apply(document)["run"]["id"]
    wait_until(lambda: steps(server, raising)["campaign"].get("waitingFor") == "the end of the pause")
    server.ok("POST", f"/runs/{raising}/cancel")
    assert server.wait_run(raising)["status"] == "cancelled"
    assert calls(server, "UpdateCampaign") == 1
    gone = server.call("DELETE", "/configs/lower?resources=delete").json()
    assert server.wait_run(gone["id"])["status"] == "succeeded", gone


def test_schedules_record_paused_and_do_not_catch_up(start_server):
    server = start_server()
    schedule = make_schedule(server, "quiet")
    pause(server, reason="year end")
    make_due(server, schedule, days=2)
    row, = wait_until(lambda: fires(server, schedule))
    assert (row["outcome"], row["count"], row["fromAt"]) == ("paused", 2, text(nominal(2))) and "year end" in row["reason"]
    assert server.post(f"/schedules/{schedule['id']}/run").status_code == 423
    resume(server)
    wait_until(lambda: server.ok("GET", f"/schedules/{schedule['id']}")["nextNominalAt"] == text(nominal(0)))
    assert runs_of(server, schedule) == [] and len(fires(server, schedule)) == 1
    assert server.post(f"/schedules/{schedule['id']}/run").status_code == 202
    assert DAILY == schedule["expression"]


def test_a_pause_ends_by_itself(start_server):
    server = start_server()
    server.put_data("short")
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    assert pause(server, until=until.isoformat().replace("+00:00", "Z"))["until"]
    run = server.apply(config("short", solutions=0))["run"]["id"]
    wait_until(lambda: steps(server, run)["datasetImportJob"].get("waitingFor") == "the end of the pause")
    query(server, "UPDATE server_pause SET until_at = clock_timestamp()")
    assert server.wait_run(run)["status"] == "succeeded"
    assert server.ok("GET", "/pause") == {"paused": False}
    wait_until(lambda: event_types(server, "server") == ["server.resumed", "server.paused"])
    late = server.post("/pause", json={"until": "2020-01-01T00:00:00Z"})
    assert late.status_code == 422 and late.json()["errors"][0]["pointer"] == "/until"

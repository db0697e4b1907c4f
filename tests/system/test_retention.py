"""What is old goes: events from the oldest on, finished runs, kept answers; the audit log stays."""
from server_kit import config, wait_until
from test_access import sql


def test_old_events_runs_and_answers_go_and_the_audit_log_stays(start_server, name):
    server = start_server()
    server.put_data(name)
    run = server.apply(config(name), headers={"Idempotency-Key": "old"})["run"]["id"]
    server.wait_run(run)
    other = server.ok("POST", "/runs", json={"config": name, "kind": "import"})["id"]
    server.wait_run(other)
    newest = server.ok("GET", "/events?limit=1")["items"][0]
    audit = sql(server, "SELECT count(*) FROM audit")[0][0]
    # No foreign key of the edges does it: a trigger of the steps takes them along.
    assert sql(server, "SELECT count(*) FROM step_edges e JOIN steps s ON s.id = e.needs_id WHERE s.run_id = %s", run)[0][0] > 0
    sql(server, "UPDATE events SET time = time - interval '31 days' WHERE seq <= 5")
    sql(server, "UPDATE runs SET created_at = created_at - interval '400 days', started_at = started_at - interval '400 days',"
                " finished_at = finished_at - interval '400 days' WHERE id = %s", run)
    sql(server, "UPDATE idempotency_keys SET created_at = created_at - interval '26 hours'")
    wait_until(lambda: server.get(f"/runs/{run}").status_code == 404, 60)
    wait_until(lambda: sql(server, "SELECT min(seq) FROM events")[0][0] == 6, 60)
    assert server.ok("GET", f"/runs/{other}")["status"] == "succeeded"
    assert sql(server, "SELECT count(*) FROM idempotency_keys")[0][0] == 0
    assert sql(server, "SELECT count(*) FROM steps WHERE run_id = %s", run)[0][0] == 0
    assert sql(server, "SELECT count(*) FROM step_edges e WHERE NOT EXISTS (SELECT FROM steps s WHERE s.id = e.needs_id)")[0][0] == 0
    assert sql(server, "SELECT count(*) FROM step_edges e WHERE NOT EXISTS (SELECT FROM steps s WHERE s.id = e.step_id)")[0][0] == 0
    assert sql(server, "SELECT count(*) FROM audit")[0][0] == audit
    assert server.get("/events?after=3").json()["code"] == "cursor-expired"
    assert [e["sequence"] for e in server.ok("GET", "/events?after=5&limit=1")["items"]] == ["6"]
    for headers in ({"Last-Event-ID": "3"}, {"Last-Event-ID": str(int(newest["sequence"]) + 1000)}):
        answer = server.get("/events", headers=headers | {"Accept": "text/event-stream"}, stream=True)
        assert answer.status_code == 410 and answer.json()["code"] == "cursor-expired"

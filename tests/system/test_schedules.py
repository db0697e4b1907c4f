"""Schedules fire: once, whatever dies; what does not start a run has a row that says why.

A schedule is made due by moving its next nominal time into the past, in the database: nobody waits for a clock here. The expressions
name an hour twelve hours away, so that nothing fires by itself while a test runs."""
import datetime
import time

import psycopg2
import pytest
import requests

from server_kit import BUILD, Server, config, wait_until

HOUR = (datetime.datetime.now(datetime.timezone.utc).hour + 12) % 24
DAILY = f"cron(0 {HOUR} * * ? *)"
has_failpoints = b"sch.before_commit" in (BUILD / "steward").read_bytes()


def nominal(days):
    """The daily schedule's nominal time of so many fires ago; 1 is the last one."""
    now = datetime.datetime.now(datetime.timezone.utc)
    last = now.replace(hour=HOUR, minute=0, second=0, microsecond=0)
    return last - datetime.timedelta(days=days - 1 + (last > now))


def text(at):
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def database(server):
    """A connection with the rights of the server itself."""
    runtime = (server.data_dir / "postgres.runtime").read_text().strip()
    connection = psycopg2.connect(host=runtime, user="steward", dbname="steward", passfile=str(server.data_dir / "postgres.pgpass"))
    connection.autocommit = True
    return connection


def query(server, sql, *parameters):
    connection = database(server)
    try:
        cursor = connection.cursor()
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else cursor.rowcount
    finally:
        connection.close()


def make_due(server, schedule, days=1):
    at = nominal(days)
    assert query(server, "UPDATE schedules SET next_nominal_at = %s, next_fire_at = %s WHERE id = %s", at, at, schedule["id"]) == 1


def make_schedule(server, name, **extra):
    """A config with a daily import; its first apply is over."""
    document = config(name, solutions=0)
    document["datasetGroup"]["workflowConfig"] = {"schedules": {"import": {"expression": DAILY, **extra} if extra else DAILY}}
    server.put_data(name)
    run = server.apply(document)["run"]["id"]
    assert server.wait_run(run)["status"] == "succeeded"
    return server.ok("GET", f"/schedules?config={name}")["items"][0]


def fires(server, schedule):
    return server.ok("GET", f"/schedules/{schedule['id']}/fires")["items"]


def runs_of(server, schedule):
    return [r for r, in query(server, "SELECT id FROM runs WHERE schedule_id = %s", schedule["id"])]


def assert_one_run(server, schedule):
    """One fire at the last nominal time, its one run, and the next fire in the future."""
    started, = wait_until(lambda: [f for f in fires(server, schedule) if f["outcome"] == "started"])
    assert started["nominalAt"] == text(nominal(1))
    run = server.wait_run(started["runId"])
    assert run["status"] == "succeeded" and run["kind"] == "import"
    assert runs_of(server, schedule) == [started["runId"]]
    now = server.ok("GET", f"/schedules/{schedule['id']}")
    assert now["nextNominalAt"] == text(nominal(0)) and now["lastFire"]["runId"] == started["runId"]


def test_due_starts_one_run(steward, name):
    schedule = make_schedule(steward, name)
    make_due(steward, schedule)
    assert_one_run(steward, schedule)
    assert len(fires(steward, schedule)) == 1
    make_due(steward, schedule)  # the clock jumps back: this nominal time has its row already
    wait_until(lambda: steward.ok("GET", f"/schedules/{schedule['id']}")["nextNominalAt"] == text(nominal(0)))  # and yet it moves on
    assert len(fires(steward, schedule)) == 1 and len(runs_of(steward, schedule)) == 1


def test_pause_is_recorded_and_not_caught_up(steward, name):
    schedule = make_schedule(steward, name)
    query(steward, "UPDATE schedules SET paused_at = now(), paused_reason = 'a holiday', paused_by = 'me' WHERE id = %s", schedule["id"])
    make_due(steward, schedule, days=3)
    row, = wait_until(lambda: fires(steward, schedule))
    assert (row["outcome"], row["count"], row["fromAt"], row["toAt"]) == ("paused", 3, text(nominal(3)), text(nominal(1)))
    query(steward, "UPDATE schedules SET paused_at = NULL, paused_reason = NULL, paused_by = NULL WHERE id = %s", schedule["id"])
    time.sleep(1.5)
    assert len(fires(steward, schedule)) == 1 and runs_of(steward, schedule) == []


def test_overlap_is_recorded(start_server):
    server = start_server("--simulator-time-scale", "1")  # the first apply takes many minutes
    document = config("overlap", solutions=0)
    document["datasetGroup"]["workflowConfig"] = {"schedules": {"import": DAILY}}
    server.put_data("overlap")
    run = server.apply(document)["run"]["id"]
    schedule = server.ok("GET", "/schedules?config=overlap")["items"][0]
    make_due(server, schedule)
    row, = wait_until(lambda: fires(server, schedule))
    assert row["outcome"] == "skippedOverlap" and run in row["reason"]
    assert runs_of(server, schedule) == []
    assert server.ok("GET", f"/schedules/{schedule['id']}")["nextNominalAt"] == text(nominal(0))


def test_downtime_gives_one_run_and_one_gap_row(start_server):
    server = start_server()
    schedule = make_schedule(server, "downtime")
    server.kill()
    make_due(server, schedule, days=20000)
    server.start()
    assert_one_run(server, schedule)
    started, gap = fires(server, schedule)
    assert (gap["outcome"], gap["count"]) == ("coalesced", 19999)
    assert (gap["fromAt"], gap["toAt"]) == (text(nominal(20000)), text(nominal(2)))


@pytest.mark.skipif(not has_failpoints, reason="built without failpoints")
@pytest.mark.parametrize("failpoint", ["sch.select", "sch.before_commit", "sch.after_commit"])
def test_kill9_while_firing(tmp_path, failpoint):
    server = Server(tmp_path)
    server.start()
    try:
        schedule = make_schedule(server, "killed")
        server.kill()
        make_due(server, schedule)
        server.env["STEWARD_FAILPOINTS"] = f"{failpoint}=kill9@1"
        server.start(ready=False)
        wait_until(lambda: server.process.poll() is not None, 60)
        server.kill()
        del server.env["STEWARD_FAILPOINTS"]
        server.start()
        assert_one_run(server, schedule)
        assert len(fires(server, schedule)) == 1
    except BaseException:
        if server.process is not None:
            server.kill()
        raise
    assert server.stop() == 0


def is_ready(server):
    assert server.process.poll() is None, server.tail()
    url = server.data_dir / "steward.url"
    try:
        return url.exists() and requests.get(url.read_text().strip() + "/readyz", timeout=5).status_code == 200
    except requests.RequestException:
        return False


@pytest.mark.concurrency
def test_two_servers_fire_a_hundred_once(start_server, tmp_path):
    """Two servers on one database, 100 schedules due in the same second: 100 fires, 100 runs."""
    one = start_server()
    schedule = make_schedule(one, "many")
    # The second replica has a database URL, and so migrates too: the owner's.
    password = next(line.split(":")[-1] for line in (one.data_dir / "postgres.pgpass").read_text().splitlines() if ":steward_owner:" in line)
    runtime = (one.data_dir / "postgres.runtime").read_text().strip()
    url = f"postgresql://steward_owner:{password}@/steward?host={runtime.replace('/', '%2F')}"
    two = Server(tmp_path, "--local", "--database-url", url, "--simulator-url", one.simulator_url, local=False)
    two.start(ready=False)
    try:
        wait_until(lambda: is_ready(two), 60)
        columns = "config, kind, run_options, expression, catch_up, overlap, next_nominal_at, next_fire_at"
        query(one, f"INSERT INTO schedules (id, {columns}) SELECT 'sch_' || lpad(i::text, 26, '0'), config, kind, run_options, expression,"
                   " catch_up, 'allow', %s, clock_timestamp() + interval '1 second' FROM schedules, generate_series(1, 100) AS i WHERE id = %s",
              nominal(1), schedule["id"])
        wait_until(lambda: query(one, "SELECT 1 FROM schedules WHERE next_nominal_at < now()") == [], 30)
        assert query(one, "SELECT outcome, count(*), count(DISTINCT run_id), count(DISTINCT schedule_id) FROM schedule_fires"
                          " GROUP BY outcome") == [("started", 100, 100, 100)]
        assert query(one, "SELECT count(*), count(DISTINCT schedule_id) FROM runs WHERE trigger = 'schedule'") == [(100, 100)]
    except BaseException:
        two.kill()
        raise
    assert two.stop() == 0, two.tail()

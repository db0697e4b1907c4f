#!/usr/bin/python3
"""Figures of the scheduler, as JSON: what a crowd of schedules costs at rest, how fast many fire at once, what ten years of absence cost.

usage: tests/tools/schedules_bench.py [--build DIR] [--stored N] [--due N] [--seconds S]
Starts a server of its own with the local Personalize and takes it down again."""
import argparse
import json
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--build", default=str(ROOT / "build"))
parser.add_argument("--stored", type=int, default=1_000_000, help="schedules in the database")
parser.add_argument("--due", type=int, default=10_000, help="how many fire in one second")
parser.add_argument("--seconds", type=float, default=20, help="how long the rest is watched")
options = parser.parse_args()
os.environ["STEWARD_BUILD"] = options.build

import psycopg2  # noqa: E402
from server_kit import Server, config  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def processes(server):
    """The server, and the PostgreSQL processes that serve it."""
    postmaster = int((server.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    pids = [server.process.pid]
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(entry.name) == postmaster or int(fields[1]) == postmaster:
                pids.append(int(entry.name))
    return pids


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


def connect(server):
    runtime = (server.data_dir / "postgres.runtime").read_text().strip()
    connection = psycopg2.connect(host=runtime, user="steward", dbname="steward", passfile=str(server.data_dir / "postgres.pgpass"))
    connection.autocommit = True
    return connection.cursor()


def ask(cursor, sql, *parameters):
    cursor.execute(sql, parameters)
    return cursor.fetchall() if cursor.description else None


def wait(cursor, sql, *parameters, seconds=300):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        rows = ask(cursor, sql, *parameters)
        if rows:
            return rows[0]
        time.sleep(0.02)
    raise SystemExit(f"nothing came of: {sql}")


def store(cursor, n):
    started = time.monotonic()
    ask(cursor, """INSERT INTO schedules (id, config, kind, expression, description, overlap, next_nominal_at, next_fire_at)
                   SELECT 'sch_' || lpad(i::text, 26, '0'), 'bench', 'stopTraining', 'cron(0 4 * * ? *)', 'every day at 04:00 UTC', 'allow',
                          date_trunc('day', now()) + interval '10 days 4 hours', date_trunc('day', now()) + interval '10 days 4 hours'
                     FROM generate_series(1, %s) AS i""", n)
    ask(cursor, "VACUUM ANALYZE schedules")
    return round(time.monotonic() - started, 1)


def idle(server, seconds):
    time.sleep(8)  # what the loading left behind
    pids = processes(server)
    before, started = cpu_seconds(pids), time.monotonic()
    time.sleep(seconds)
    return round(100 * (cpu_seconds(pids) - before) / (time.monotonic() - started), 2)


def scheduler_sessions(cursor):
    return [pid for pid, in ask(cursor, "SELECT pid FROM pg_stat_activity WHERE application_name ^@ 'steward scheduler'")]


def fire_many(cursor, n):
    """n schedules due at one second, each for a run of one step; how long after it the last of their rows was written."""
    (at,), = ask(cursor, "SELECT date_trunc('second', clock_timestamp()) + interval '30 seconds'")
    ask(cursor, "UPDATE schedules SET next_nominal_at = %s, next_fire_at = %s, expression = 'rate(1 day)'"
                " WHERE id IN (SELECT id FROM schedules WHERE config = 'bench' ORDER BY id LIMIT %s)", at, at, n)
    before = cpu_seconds(scheduler_sessions(cursor))
    (now,), = ask(cursor, "SELECT clock_timestamp()")
    if now >= at:
        raise SystemExit("the machine is too slow to prepare the crowd in time")
    time.sleep((at - now).total_seconds())
    wait(cursor, "SELECT 1 WHERE (SELECT count(*) FROM schedule_fires WHERE nominal_at = %s AND outcome = 'started') >= %s", at, n)
    spent = cpu_seconds(scheduler_sessions(cursor)) - before
    (last, half, runs), = ask(cursor, """SELECT extract(epoch FROM max(created_at) - %s), extract(epoch FROM percentile_disc(0.5)
                                         WITHIN GROUP (ORDER BY created_at) - %s), count(DISTINCT run_id)
                                         FROM schedule_fires WHERE nominal_at = %s""", at, at, at)
    return {"due": n, "runs": runs, "medianSeconds": round(float(half), 3), "lastSeconds": round(float(last), 3),
            "databaseCpuSeconds": round(spent, 3)}  # of the scheduler's own sessions, two of them for a crowd


def ten_years(cursor):
    """A schedule of every minute that was not looked at for ten years."""
    schedule = "sch_" + "T" * 26
    ask(cursor, """INSERT INTO schedules (id, config, kind, expression, overlap, next_nominal_at, next_fire_at)
                   VALUES (%s, 'bench', 'stopTraining', 'cron(* * * * ? *)', 'allow', date_trunc('minute', now()) - interval '10 years',
                           now() - interval '10 years')""", schedule)
    started = time.monotonic()
    ask(cursor, "SELECT pg_notify('steward_events', '')")  # as a change through the API would
    wait(cursor, "SELECT 1 FROM schedule_fires WHERE schedule_id = %s AND outcome = 'started'", schedule)
    took = time.monotonic() - started
    rows = ask(cursor, "SELECT outcome, count FROM schedule_fires WHERE schedule_id = %s ORDER BY nominal_at", schedule)
    ask(cursor, "UPDATE schedules SET next_fire_at = NULL, next_nominal_at = NULL WHERE id = %s", schedule)
    return {"milliseconds": round(took * 1000, 1), "runs": sum(1 for outcome, _ in rows if outcome == "started"),
            "recordedTogether": sum(count for outcome, count in rows if outcome == "coalesced")}


def main():
    figures = {"build": options.build, "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    with Server(None, "--observe-every", "0") as server:
        server.put_data("bench")
        assert server.wait_run(server.apply(config("bench"))["run"]["id"], 120)["status"] == "succeeded"
        cursor = connect(server)
        figures["idlePercentWithout"] = idle(server, options.seconds)
        figures["stored"] = options.stored
        figures["storedInSeconds"] = store(cursor, options.stored)
        figures["idlePercent"] = idle(server, options.seconds)
        figures["tenYears"] = ten_years(cursor)
        figures["fired"] = fire_many(cursor, min(options.due, options.stored))
        server.kill()
    print(json.dumps(figures, indent=2))


main()

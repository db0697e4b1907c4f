"""Three servers on one PostgreSQL, 2,000 schedules due in the same second, kill -9 of one of them while they fire: exactly 2,000 runs."""
import os
import random
import time

import pytest

from server_kit import Server, wait_until
from test_schedules import is_ready, make_schedule, nominal, query

SCHEDULES = 2000
SEED = int(os.environ.get("SEED") or time.time_ns() % 1_000_000_000)
COLUMNS = "config, kind, run_options, expression, catch_up, overlap, next_nominal_at, next_fire_at"


def second_server(tmp_path, first, name, **kw):
    """Another replica; having a database URL it migrates too, so it gets the owner's."""
    lines = (first.data_dir / "postgres.pgpass").read_text().splitlines()
    password = next(line.split(":")[-1] for line in lines if ":steward_owner:" in line)
    runtime = (first.data_dir / "postgres.runtime").read_text().strip()
    url = f"postgresql://steward_owner:{password}@/steward?host={runtime.replace('/', '%2F')}"
    server = Server(tmp_path / name, "--local", "--database-url", url, "--simulator-url", first.simulator_url, local=False, **kw)
    return server.start(ready=False)


def crowd(server, schedule, n, when="clock_timestamp() + interval '1 second'"):
    """n schedules like the given one, of another kind, all due at one moment."""
    query(server, f"INSERT INTO schedules (id, {COLUMNS}) SELECT 'sch_' || lpad(i::text, 26, '0'), config, 'observe', run_options, expression,"
                  f" catch_up, 'allow', %s, {when} FROM schedules, generate_series(1, {n}) AS i WHERE id = %s", nominal(1), schedule["id"])


def check_exactly_once(server, n):
    left = "SELECT count(*) FROM schedules WHERE kind = 'observe' AND path IS NULL AND next_nominal_at < now()"
    wait_until(lambda: query(server, left) == [(0,)], 60)
    assert query(server, "SELECT outcome, count(*), count(DISTINCT run_id), count(DISTINCT schedule_id) FROM schedule_fires"
                         " GROUP BY outcome") == [("started", n, n, n)]
    assert query(server, "SELECT count(*), count(DISTINCT schedule_id), count(DISTINCT id) FROM runs WHERE trigger = 'schedule'"
                         " AND schedule_id IS NOT NULL") == [(n, n, n)]
    # Each run has its steps: what was committed was committed whole.
    assert query(server, "SELECT count(*) FROM runs r WHERE trigger = 'schedule' AND total_steps <>"
                         " (SELECT count(*) FROM steps s WHERE s.run_id = r.id)") == [(0,)]


@pytest.mark.concurrency
def test_kill9_of_a_replica_while_two_thousand_fire(tmp_path):
    print(f"SEED={SEED}")
    tmp_path.chmod(0o755)
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir(mode=0o755)
    one = Server(tmp_path / "one", "--observe-every", "0").start()
    servers = [one]
    try:
        schedule = make_schedule(one, "many")
        servers += [second_server(tmp_path, one, name) for name in ("two", "three")]
        for server in servers[1:]:
            wait_until(lambda: is_ready(server), 60)
        crowd(one, schedule, SCHEDULES)
        wait_until(lambda: query(one, "SELECT count(*) FROM schedule_fires")[0][0] > 0, 30)
        victim = random.Random(SEED).choice(servers)
        victim.kill()
        check_exactly_once(one, SCHEDULES)
    finally:
        for server in reversed(servers):
            if server.process is not None:
                server.kill()
        one.end_orphans()

"""A clock that jumps fires nothing twice: the machine's own (one replica of two, by libfaketime), and the database's.

Schedules go by the database's clock alone; a replica whose own clock is a day off fires neither early nor again."""
import pathlib

import pytest

from server_kit import IS_SANITIZED, Server, wait_until
from test_schedule_replicas import check_exactly_once, crowd, second_server
from test_schedules import is_ready, make_due, make_schedule, nominal, query, runs_of, text

LIBRARY = next(iter(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)


@pytest.mark.skipif(LIBRARY is None, reason="script/bootstrap installs faketime")
@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer has to be the first library")
@pytest.mark.parametrize("jump", ["+1d", "-1d"])
def test_the_clock_of_one_replica_is_a_day_off(tmp_path, jump):
    tmp_path.chmod(0o755)
    for name in ("one", "two"):
        (tmp_path / name).mkdir(mode=0o755)
    one = Server(tmp_path / "one", "--observe-every", "0").start()
    two = None
    try:
        schedule = make_schedule(one, "clocks")
        # Only the wall clock: timers go by the monotonic one.
        two = second_server(tmp_path, one, "two", env={"LD_PRELOAD": str(LIBRARY), "FAKETIME": jump, "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
        wait_until(lambda: is_ready(two), 60)
        before = query(one, "SELECT count(*) FROM schedule_fires")[0][0]
        assert before == 0, "the replica whose clock is ahead fired early"
        crowd(one, schedule, 200)
        check_exactly_once(one, 200)
    finally:
        for server in (two, one):
            if server is not None and server.process is not None:
                server.kill()
        one.end_orphans()


def test_the_clock_of_the_database_jumps(start_server):
    """A day ahead, as seen from a schedule: what is due moves a day back, and comes again. Its nominal times have their rows, so nothing runs
    twice, and the schedule goes on."""
    server = start_server("--observe-every", "0")
    schedule = make_schedule(server, "jumps")
    for _ in range(3):
        make_due(server, schedule)
        wait_until(lambda: server.ok("GET", f"/schedules/{schedule['id']}")["nextNominalAt"] == text(nominal(0)))
    make_due(server, schedule, days=3)  # further back: the last of them has its row, the others are new and stand in one
    wait_until(lambda: server.ok("GET", f"/schedules/{schedule['id']}")["nextNominalAt"] == text(nominal(0)))
    assert len(runs_of(server, schedule)) == 1
    rows = query(server, "SELECT nominal_at, count(*) FROM schedule_fires WHERE schedule_id = %s GROUP BY 1 HAVING count(*) > 1", schedule["id"])
    assert rows == []

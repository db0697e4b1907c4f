"""A database that goes back in time: an asynchronous standby that takes over, or a dump that is restored, has lost marks of calls that were
sent. Sends stop until none of those can land any more; what they made is found by its name, and nothing is bought twice."""
import os
import subprocess

import pytest

from server_kit import config, wait_until
from world_kit import PG_BIN, Postgres, World

pytestmark = pytest.mark.slow


def trainings(world):
    return sum(n for key, n in world.simulator.made().items() if key[0] == "CreateSolutionVersion")


def version_step(server, run):
    return next(s for s in server.ok("GET", f"/runs/{run}")["steps"] if s["kind"] == "solutionVersion")


@pytest.fixture
def waiting(tmp_path):
    """(world, server, run): the training of the run stands before its mark."""
    with Postgres(tmp_path / "pg") as pg, World(tmp_path / "w", pg) as world:
        server = world.start(0)
        world.simulator.put_data("back")
        assert world.wait_run(server.apply(config("back"))["run"]["id"]) == "succeeded"
        run = start_training(world, server)
        wait_until(lambda: version_step(server, run).get("waitingFor") == "the end of the pause", 20)
        yield world, server, run


def start_training(world, server):
    """Spending is stopped in the transaction that makes the run: nobody starts one by hand afterwards."""
    world.query("CREATE FUNCTION stop_spending() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " UPDATE server_pause SET paused_at = clock_timestamp(), reason = 'to be copied'; RETURN NULL; END $$")
    world.query("CREATE TRIGGER stop_spending AFTER INSERT ON runs FOR EACH ROW EXECUTE FUNCTION stop_spending()")
    run = server.ok("POST", "/runs", json={"config": "back", "kind": "trainFull"})["id"]
    world.query("DROP TRIGGER stop_spending ON runs")
    world.query("DROP FUNCTION stop_spending()")
    return run


def buy(world, server, run):
    """Spending goes on: the training is marked, sent and made."""
    before = trainings(world)
    server.ok("POST", "/resume")
    wait_until(lambda: trainings(world) == before + 1, 20)
    return before + 1


def judge(world, server, run, bought):
    server.ok("POST", "/resume")  # the copy is from before the first one
    assert world.wait_run(run, 60) == "succeeded", server.ok("GET", f"/runs/{run}")
    step = version_step(server, run)
    assert step["result"] == "created" and step["intent"] == "saved", step
    assert trainings(world) == bought, "bought twice"
    assert not world.faults_found()
    ((halt,),) = world.query("SELECT extract(epoch FROM halted_until - halted_at)::float8 FROM server_identity")
    assert abs(halt - 6) < 0.5
    assert "event=database_restored" in server.tail(100_000)


def test_a_standby_that_was_behind_takes_over(tmp_path, waiting):
    """PG-5: the primary dies under a running server; the standby has not got its last commits: the mark of a training that was sent."""
    world, server, run = waiting
    primary = world.postgres
    copy = tmp_path / "pg" / "standby"
    subprocess.run([str(PG_BIN / "pg_basebackup"), "-h", str(primary.folder), "-U", "postgres", "-D", str(copy), "-X", "fetch",
                    "-c", "fast", "--no-sync"], check=True, capture_output=True)
    if primary.user:
        for path, folders, files in os.walk(copy):
            for name in [".", *folders, *files]:
                os.chown(os.path.join(path, name), primary.user.pw_uid, primary.user.pw_gid)
    bought = buy(world, server, run)
    primary.stop("immediate")
    (copy / "standby.signal").touch()
    primary.data = copy
    primary.start()
    primary.run("pg_ctl", "promote", "-s", "-w")
    wait_until(lambda: server.call("GET", "/readyz").status_code == 200, 30)
    judge(world, server, run, bought)


def test_a_dump_is_restored(waiting):
    """BAK-1: the server is started on a restored dump of before the training was bought. While sends are stopped, a new run waits too, and
    says why."""
    world, server, run = waiting
    folder = world.postgres.folder
    dump = subprocess.run([str(PG_BIN / "pg_dump"), "-h", str(folder), "-U", "postgres", world.database], check=True, capture_output=True)
    bought = buy(world, server, run)
    server.kill()
    world.query("DROP SCHEMA public CASCADE")
    world.query("CREATE SCHEMA public")
    subprocess.run([str(PG_BIN / "psql"), "-q", "-h", str(folder), "-U", "postgres", "-v", "ON_ERROR_STOP=1", world.database],
                   input=dump.stdout, check=True, capture_output=True)
    server = world.start(0)
    world.simulator.put_data("fresh")
    server.ok("POST", "/resume")
    fresh = server.apply(config("fresh"))["run"]["id"]
    group = wait_until(lambda: next((s for s in server.ok("GET", f"/runs/{fresh}")["steps"]
                                     if "failover" in s.get("waitingFor", "")), None), 20)
    assert "steward_sends_halted 1" in server.call("GET", "/metrics").text
    assert "nothing is sent until" in group["reason"] and group["sends"] == 0
    assert world.wait_run(fresh, 60) == "succeeded"
    judge(world, server, run, bought + 1)

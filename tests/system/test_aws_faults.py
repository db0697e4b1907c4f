"""Runs go on through what AWS may do to them: errors with and without effect, broken and halved answers, a storm of throttling, lists
that lag. Nothing is made twice, no run fails for it, and the calls stay within reason."""
import collections
import os
import time

import pytest
import requests

from server_kit import config, wait_until
from world_kit import Postgres, World

pytestmark = pytest.mark.slow
FULL = bool(os.environ.get("STEWARD_TEST_FULL"))


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    with Postgres(tmp_path_factory.mktemp("faults") / "pg") as pg:
        yield pg


def calls(world):
    return sum(1 for e in world.simulator.ledger() if e["service"] == "personalize")


def apply_many(world, prefix, runs):
    server = world.replicas[0]
    requests.post(world.simulator.url + "/_simulator/quotas", json={"dataset-groups": 3000}, timeout=10).raise_for_status()
    ids = []
    for i in range(runs):
        document = {"datasetGroup": {"serviceConfig": {"name": f"{prefix}{i}"}}}
        if i % 10 == 0:
            world.simulator.put_data(f"{prefix}{i}")
            document = config(f"{prefix}{i}")
        ids.append(server.apply(document)["run"]["id"])
    return ids


def assert_all_succeed(world, ids, seconds):
    try:
        wait_until(lambda: not world.query("SELECT 1 FROM runs WHERE finished_at IS NULL LIMIT 1"), seconds)
    except AssertionError:
        raise AssertionError(world.query("SELECT s.kind, s.state, s.waiting_for, left(s.reason, 160), count(*), max(s.failures), min(s.wake_at - now())::text"
                                         " FROM steps s JOIN runs r ON r.id = s.run_id WHERE r.finished_at IS NULL AND s.state <> 'blocked'"
                                         " AND s.finished_at IS NULL GROUP BY 1, 2, 3, 4 LIMIT 9")) from None
    states = collections.Counter(r[0] for r in world.query("SELECT state::text FROM runs WHERE id = ANY(%s)", ids))
    assert states == {"succeeded": len(ids)}, (states, world.query(
        "SELECT name, kind, reason, failure::text FROM steps WHERE state = 'failed' LIMIT 3"))
    twice = {k: n for k, n in world.simulator.made().items() if n > 1}
    assert not twice, twice
    wait_until(lambda: not world.query("SELECT 1 FROM events WHERE seq IS NULL LIMIT 1"), 30)
    assert not world.faults_found()


def test_mixed_faults(tmp_path, postgres):
    """AWS-1. Errors before and after the effect, broken connections, halved answers: about every third call is lost."""
    runs = 2000 if FULL else 200
    rules = ["*=error-before,probability=0.2", "*=error-after,probability=0.1", "*=lost-reply,probability=0.05",
             "*=truncated-reply,probability=0.05"]
    with World(tmp_path / "w", postgres, options=["--fuse-per-account", "1000"]) as world:
        world.start(0)
        assert_all_succeed(world, apply_many(world, "q", runs), 120 if not FULL else 1200)
        least = calls(world)
        set_faults(world, *rules)
        ids = apply_many(world, "f", runs)
        assert_all_succeed(world, ids, 60 if not FULL else 3600)
        made = calls(world) - least
        hurt = sum(1 for e in world.simulator.ledger() if e.get("fault"))
    print(f"{runs} runs: {made} calls with faults ({hurt} of them hurt), {least} without: {made / least:.2f} x; made twice 0")
    assert made <= 2 * least, "1.55 x is what the dice alone cost"


def set_faults(world, *rules):
    requests.post(world.simulator.url + "/_simulator/faults", timeout=10, json={"replace": True, "rules": list(rules)}).raise_for_status()


def has_said(server, what):
    return f"event={what}" in server.log.read_text(errors="replace")


def test_a_storm_of_throttling(tmp_path, postgres):
    """AWS-2. 19 of 20 calls are throttled for a while. The workers' calls once knew no brake but each step's own patience; now the retry
    quota is spent, calls go out one at a time, none fails for it, and when the storm is over everything ends soon, and none much later."""
    with World(tmp_path / "w", postgres) as world:
        server = world.start(0)
        set_faults(world, "*=throttle,probability=0.95")
        ids = apply_many(world, "s", 40)
        wait_until(lambda: has_said(server, "brake_on"), 60)
        peak = calls(world)
        time.sleep(10 if not FULL else 600)
        before, since = calls(world), time.monotonic()
        time.sleep(4)
        rate = (calls(world) - before) / (time.monotonic() - since)
        assert not world.query("SELECT 1 FROM runs WHERE state = 'failed'")
        assert server.get("/runs?limit=1").status_code == 200
        set_faults(world)
        began = world.query("SELECT clock_timestamp()")[0][0]
        assert_all_succeed(world, ids, 180)
        assert has_said(server, "brake_off")
        took = sorted(r[0] for r in world.query("SELECT extract(epoch FROM finished_at - %s)::float FROM runs WHERE id = ANY(%s)", began, ids))
    print(f"{peak} calls until the brake was on; {rate:.1f} calls a second in the storm; all over {took[-1]:.1f} s after it, half of them after "
          f"{took[len(took) // 2]:.1f} s")
    assert rate < 10, "one in five seconds is what the brake lets go"


def test_lists_that_lag(tmp_path, postgres):
    """Lists show a new resource late: a restarted worker does not make it again."""
    with World(tmp_path / "w", postgres, simulator=["--fault", "List*=list-lag,ms=3000", "--fault", "Create*=lost-reply,times=4"]) as world:
        world.start(0)
        assert_all_succeed(world, apply_many(world, "l", 11), 180)

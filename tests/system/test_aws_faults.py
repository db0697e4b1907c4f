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
    wait_until(lambda: not world.query("SELECT 1 FROM runs WHERE finished_at IS NULL LIMIT 1"), seconds)
    states = collections.Counter(r[0] for r in world.query("SELECT state::text FROM runs WHERE id = ANY(%s)", ids))
    assert states == {"succeeded": len(ids)}, (states, world.query(
        "SELECT name, kind, reason, failure::text FROM steps WHERE state = 'failed' LIMIT 3"))
    twice = {k: n for k, n in world.simulator.made().items() if n > 1}
    assert not twice, twice
    wait_until(lambda: not world.query("SELECT 1 FROM events WHERE seq IS NULL LIMIT 1"), 30)
    assert not world.faults_found()


def test_mixed_faults(tmp_path, postgres):
    """Errors before and after the effect, broken connections, halved answers: one call in five; with --full, two in five."""
    runs, harder = (2000, 2) if FULL else (60, 1)
    rules = [f"*=error-before,probability={0.1 * harder}", f"*=error-after,probability={0.05 * harder}",
             f"*=lost-reply,probability={0.025 * harder}", f"*=truncated-reply,probability={0.025 * harder}"]
    faults = [x for rule in rules for x in ("--fault", rule)]
    with World(tmp_path / "quiet", postgres) as world:
        world.start(0)
        assert_all_succeed(world, apply_many(world, "q", runs), 300)
        least = calls(world)
    with World(tmp_path / "w", postgres, simulator=faults) as world:
        world.start(0)
        ids = apply_many(world, "f", runs)
        assert_all_succeed(world, ids, 600 if not FULL else 3600)
        made = calls(world)
    print(f"{runs} runs: {made} calls with faults, {least} without: {made / least:.2f} x")
    assert made <= 4 * least


def test_a_storm_of_throttling(tmp_path, postgres):
    """19 of 20 calls are throttled for a while: nothing fails, the calls become fewer, and afterwards everything ends."""
    with World(tmp_path / "w", postgres) as world:
        server = world.start(0)
        requests.post(world.simulator.url + "/_simulator/faults", timeout=10, json={
            "replace": True, "rules": ["*=throttle,probability=0.95"]}).raise_for_status()
        ids = apply_many_through_a_storm(world, 40)
        time.sleep(8)
        before = calls(world)
        time.sleep(4)
        rate = (calls(world) - before) / 4
        print(f"{rate:.0f} calls a second in the storm")
        assert not world.query("SELECT 1 FROM runs WHERE state = 'failed'")
        assert server.get("/runs?limit=1").status_code == 200
        requests.post(world.simulator.url + "/_simulator/faults", timeout=10, json={"replace": True, "rules": []}).raise_for_status()
        assert_all_succeed(world, ids, 180)


def apply_many_through_a_storm(world, runs):
    return [world.replicas[0].apply({"datasetGroup": {"serviceConfig": {"name": f"s{i}"}}})["run"]["id"] for i in range(runs)]


def test_lists_that_lag(tmp_path, postgres):
    """Lists show a new resource late: a restarted worker does not make it again."""
    with World(tmp_path / "w", postgres, simulator=["--fault", "List*=list-lag,ms=3000", "--fault", "Create*=lost-reply,times=4"]) as world:
        world.start(0)
        assert_all_succeed(world, apply_many(world, "l", 11), 180)

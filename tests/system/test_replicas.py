"""Three replicas on one database while random ones are killed, stopped and continued; ten minutes of it: script/under-fire. Two of which
each loses the way to the database in turn."""
import os
import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))

from aws_proxy import FaultProxy  # noqa: E402
from server_kit import config, wait_until  # noqa: E402
from under_fire import under_fire  # noqa: E402
from world_kit import Gate, Postgres, World  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.concurrency]


def test_replicas_under_fire(tmp_path):
    seed = int(os.environ.get("SEED", time.time_ns() % 1_000_000))
    print(f"SEED={seed}")
    seen = under_fire(tmp_path, 25, 100, 3, seed)
    print(seen)
    assert seen["acknowledged"] > 0 and seen["kills"] + seen["stops"] > 0


class Sends:
    """When a replica sent something that changes something."""

    def __init__(self):
        self.at = []

    def __call__(self, request):
        if request.operation.startswith("Create"):
            self.at.append(time.monotonic())

    def last_before(self, moment):
        return max((t for t in self.at if t <= moment), default=0.0)


def test_a_partitioned_replica_stops_sending_by_itself(tmp_path):
    """REP-2. Without its database a replica can mark nothing, and what it has marked it sends within five seconds or not at all; the other
    takes its steps over when their lease is over. Each in turn, while runs go on: nothing is made twice."""
    with Postgres(tmp_path / "pg") as pg, Gate(tmp_path / "g0", pg) as left, Gate(tmp_path / "g1", pg) as right, FaultProxy() as a, FaultProxy() as b:
        a.watch, b.watch = sends = [Sends(), Sends()]
        with World(tmp_path / "w", pg, replicas=2, gates=[left, right], aws=[a, b], options=["--fuse-per-account", "1000"]) as world:
            for i in range(2):
                world.start(i)
            runs, last = [], []
            for lost, gate in enumerate((left, right)):
                for n in range(6):
                    name = f"apart{lost}-{n}"
                    world.simulator.put_data(name)
                    runs.append(world.replicas[lost].apply(config(name))["run"]["id"])
                wait_until(lambda: sends[lost].at, 20)
                gate.open.clear()
                shut = time.monotonic()
                other = world.replicas[1 - lost]
                runs += [other.apply({"datasetGroup": {"serviceConfig": {"name": f"on{lost}-{n}"}}})["run"]["id"] for n in range(5)]
                wait_until(lambda: not world.query("SELECT 1 FROM runs WHERE finished_at IS NULL LIMIT 1"), 90)
                over = time.monotonic()
                gate.open.set()
                last.append(max(0.0, sends[lost].last_before(over) - shut))
                print(f"replica {lost} apart: last send {last[-1]:.2f} s after, all {len(runs)} runs over {over - shut:.1f} s after")
                wait_until(lambda: world.wait_ready(lost), 60)
            assert {world.run_status(run) for run in runs} == {"succeeded"}
            assert not {k: n for k, n in world.simulator.made().items() if n > 1}
            wait_until(lambda: not world.query("SELECT 1 FROM events WHERE seq IS NULL LIMIT 1"), 30)
            assert not world.faults_found()
            assert max(last) < 5 + 5  # five, and the time a call takes to get here

"""Replicas on one database: killed, stopped and continued at random (ten minutes of it: script/under-fire), stopped in the middle of a write,
cut off from the database. Nothing is made twice, and who lost his lease changes nothing any more."""
import os
import pathlib
import signal
import sys
import threading
import time

import pytest
import requests

from aws_proxy import FaultProxy
from server_kit import BUILD, config, wait_until
from world_kit import Gate, Postgres, World

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))

from under_fire import under_fire  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.concurrency]
has_failpoints = b"eng.mark_after_commit" in (BUILD / "steward").read_bytes()
SEND_WITHIN_S = 5  # after its mark a call goes out within this time, or not at all
LEASE_S = 8        # longer than that, as the default is


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    with Postgres(tmp_path_factory.mktemp("replicas") / "pg") as pg:
        yield pg


def test_replicas_under_fire(tmp_path):
    seed = int(os.environ.get("SEED", time.time_ns() % 1_000_000))
    print(f"SEED={seed}")
    seen = under_fire(tmp_path, 25, 100, 3, seed)
    print(seen)
    assert seen["acknowledged"] > 0 and seen["kills"] + seen["stops"] + seen["partitions"] > 0


def is_stopped(server):
    return pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


def judge(world):
    wait_until(lambda: not world.query("SELECT 1 FROM events WHERE seq IS NULL"), 30)
    assert not any(world.ledger_faults().values()), world.ledger_faults()
    assert not world.faults_found(), world.faults_found()


@pytest.mark.skipif(not has_failpoints, reason="built without failpoints")
@pytest.mark.parametrize("failpoint", ["eng.mark_before_commit", "eng.send_before_connect", "eng.resp_parsed", "eng.save_before_commit"])
def test_the_write_of_a_stale_replica_is_refused(tmp_path, postgres, failpoint):
    """SIGSTOP in the middle of a create for longer than the lease; another replica takes over and waits for what it has made; then SIGCONT:
    the write that was about to be made comes too late, is refused by its token though the step is still open, and is counted."""
    with World(tmp_path / "w", postgres, 2, simulator=("--time-scale", "1")) as world:  # the group stays pending
        first = world.replicas[0]
        token = world.folder / "token"
        first.env |= {"STEWARD_FAILPOINTS": f"{failpoint}=stop@1", "STEWARD_FAILPOINTS_TOKEN": str(token)}
        world.start(0)
        world.install_witness()
        token.touch()
        try:
            run = first.post("/configs", json={"datasetGroup": {"serviceConfig": {"name": "stale"}}}, timeout=5).json()["run"]["id"]
        except OSError:  # stopped before it answered
            run = wait_until(lambda: world.query("SELECT id FROM runs WHERE kind = 'apply'"))[0][0]
        wait_until(lambda: is_stopped(first), 60)
        world.start(1)
        wait_until(lambda: world.takeovers() and world.query("SELECT 1 FROM steps WHERE state = 'waiting' AND intent_state = 'saved'"), 60)
        first.process.send_signal(signal.SIGCONT)
        world.wait_ready(0)
        wait_until(lambda: world.metric(0, "engine_fence_losses_total") > 0, 30)
        requests.post(world.simulator.url + "/_simulator/clock", json={"advance": "1h"}, timeout=30).raise_for_status()
        assert world.wait_run(run) == "succeeded"
        judge(world)


class Work(threading.Thread):
    """One config after the other, until it is enough."""

    def __init__(self, server, turn):
        super().__init__()
        self.server, self.turn, self.end = server, turn, threading.Event()
        self.start()

    def run(self):
        n = 0
        while not self.end.is_set():
            self.server.apply({"datasetGroup": {"serviceConfig": {"name": f"cut{self.turn}-{n}"}}})
            n += 1


def test_a_replica_without_its_database_stops_before_another_takes_over(tmp_path, postgres):
    """Each of two replicas is cut off in turn, while many runs are under way: its last call that could change something is sent before the
    first of its steps has another owner, though it can still reach Amazon Personalize."""
    with World(tmp_path / "w", postgres, 2, options=("--engine-lease", f"{LEASE_S}s"), has_wires=True,
               simulator=("--fault", "CreateDatasetGroup=slow,ms=1000")) as world:
        world.start(0)
        world.install_witness()
        world.start(1)
        for turn in (0, 1):
            wire, calls, other = world.wires[turn], world.aws_wires[turn], world.replicas[1 - turn]
            before = len(world.takeovers())
            work = Work(other, turn)
            try:
                # In the middle of its work: it has just sent something, and more is to come.
                wait_until(lambda: calls.last_change() > time.time() - 0.2, 60)
                wire.is_silent.set()
                cut_at = time.time()
                wait_until(lambda: len(world.takeovers()) > before, 5 * LEASE_S)
            finally:
                work.end.set()
                work.join()
            wait_until(lambda: not world.query("SELECT 1 FROM runs WHERE finished_at IS NULL"), 5 * (LEASE_S + SEND_WITHIN_S))
            taken = world.takeovers()[before:]
            # Not a time of ours: both are of one clock, and the promise is their order.
            assert calls.last_change() < taken[0], (cut_at, calls.last_change(), taken[0])
            time.sleep(max(0, cut_at + LEASE_S - time.time()))
            last = calls.last_change()
            wire.heal()
            world.wait_ready(turn)
            assert calls.last_change() == last, "sent after it was fenced off"
        judge(world)


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

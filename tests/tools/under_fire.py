#!/usr/bin/python3
"""Replicas under fire: clients start runs while random replicas are killed, stopped and continued, and cut off from the database.

usage: script/under-fire [--seconds 600] [--runs 2000] [--replicas 3] [--seed N]

Every few hundred milliseconds one replica is killed with -9 and started again, or stopped or cut off, often for longer than its lease. Clients
go on to store configs at whichever replica answers, each with an Idempotency-Key that it repeats until it has an answer. In the end: every
acknowledged config is there, every run has succeeded, the simulator's ledger shows each resource made once, the invariants hold.

Ends with one line of figures; exit 1 when something did not hold."""
import argparse
import json
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import threading
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))

from server_kit import config, wait_until  # noqa: E402
from world_kit import Postgres, World  # noqa: E402

CLIENTS = 4
SLOW = ("--fault", "Create*=slow,ms=400")  # so that who is killed has mostly something under way
STUCK = ("SELECT r.id, r.config, r.state, r.reason, s.ordinal, s.kind, s.verb, s.state, s.intent_state, s.failures, s.claims, s.wake_at::text,"
         " s.lease_owner, s.waiting_for, s.reason FROM runs r LEFT JOIN steps s ON s.run_id = r.id AND s.finished_at IS NULL"
         " WHERE r.finished_at IS NULL ORDER BY r.id, s.ordinal LIMIT 20")


class Chaos(threading.Thread):
    """Kills, stops or cuts off one replica after the other; at most one is away at a time."""

    def __init__(self, world, seed):
        super().__init__()
        self.world, self.rng, self.end = world, random.Random(seed), threading.Event()
        self.kills = self.stops = self.partitions = 0
        self.trouble = None

    def run(self):
        try:
            while not self.end.wait(self.rng.uniform(0.3, 1.5)):
                i = self.rng.randrange(len(self.world.replicas))
                dice = self.rng.random()
                if dice < 0.5:
                    self.world.replicas[i].kill()
                    self.kills += 1
                    self.end.wait(self.rng.uniform(0, 1))
                    self.world.start(i, ready=False)
                elif dice < 0.65:
                    self.partitions += 1
                    self.world.wires[i].is_silent.set()
                    self.end.wait(self.rng.uniform(0.1, 8))
                    self.world.wires[i].heal()
                else:
                    self.stops += 1
                    self.world.replicas[i].process.send_signal(signal.SIGSTOP)
                    self.end.wait(self.rng.uniform(0.1, 4))  # the lease is 2 s
                    self.world.replicas[i].process.send_signal(signal.SIGCONT)
        except Exception as e:  # noqa: BLE001 - told by the main thread
            self.trouble = e


class Clients:
    def __init__(self, world, runs, seconds):
        self.world, self.end_at = world, time.monotonic() + seconds
        self.pause_s = 0.7 * seconds * CLIENTS / runs  # the runs are spread over the whole time
        self.left, self.every = iter(range(runs)), max(1, runs // 12)
        self.lock = threading.Lock()
        self.acknowledged, self.odd = [], []
        self.threads = [threading.Thread(target=self.work, args=(i,)) for i in range(CLIENTS)]

    def work(self, seed):
        rng = random.Random(seed)
        while time.monotonic() < self.end_at:
            with self.lock:
                n = next(self.left, None)
            if n is None:
                return
            name = f"fire{n}"
            # Most runs are small; some go the whole way to a training, where doubling would cost. Twelve: the fuse allows 20 a day.
            if n % self.every:
                document = {"datasetGroup": {"serviceConfig": {"name": name}}}
            else:
                self.world.simulator.put_data(name)
                document = config(name)
            self.send(rng, name, document)
            time.sleep(rng.uniform(0, 2 * self.pause_s))

    def send(self, rng, name, document):
        """Until it is acknowledged: a lost answer is asked for again with the same key."""
        headers = {"Authorization": f"Bearer {self.world.token()}", "Idempotency-Key": name}
        while True:
            server = rng.choice(self.world.replicas)
            try:
                url = (server.data_dir / "steward.url").read_text().strip()
                answer = requests.post(url + "/configs", json=document, headers=headers, timeout=3)
            except (OSError, requests.RequestException):
                time.sleep(0.05)
                continue
            if answer.status_code in (200, 201):
                with self.lock:
                    self.acknowledged.append((name, answer.json()["run"]["id"]))
                return
            if answer.status_code not in (409, 429, 503):
                with self.lock:
                    self.odd.append((name, answer.status_code, answer.text[:300]))
                return
            time.sleep(0.1)


def under_fire(folder, seconds, runs, replicas, seed):
    """What was seen, as a dict; an AssertionError when something did not hold."""
    with Postgres(folder / "pg") as postgres, World(folder / "w", postgres, replicas, has_wires=True, simulator=SLOW) as world:
        requests.post(world.simulator.url + "/_simulator/quotas", json={"dataset-groups": runs + 10}, timeout=10).raise_for_status()
        for i in range(replicas):
            world.start(i)
            if i == 0:
                world.install_witness()
        started = time.monotonic()
        chaos, clients = Chaos(world, seed), Clients(world, runs, seconds)
        for thread in (chaos, *clients.threads):
            thread.start()
        try:
            for thread in clients.threads:
                thread.join()
            # The fire goes on for its whole time, while what was started ends.
            time.sleep(max(0, started + seconds - time.monotonic()))
        finally:
            chaos.end.set()
            chaos.join()
        assert chaos.trouble is None, chaos.trouble
        for i, server in enumerate(world.replicas):
            if server.process is None or server.process.poll() is not None:
                world.start(i, ready=False)
        try:
            wait_until(lambda: not world.query("SELECT 1 FROM runs WHERE finished_at IS NULL LIMIT 1"), 180)
        except AssertionError:
            raise AssertionError(f"stuck: {world.query(STUCK)}") from None
        wait_until(lambda: not world.query("SELECT 1 FROM events WHERE seq IS NULL LIMIT 1"), 30)
        assert not clients.odd, clients.odd[:3]
        stored = {r[0] for r in world.query("SELECT id FROM runs")}
        lost = [name for name, run in clients.acknowledged if run not in stored]
        assert not lost, f"acknowledged and lost: {lost[:5]}"
        states = dict(world.query("SELECT state::text, count(*) FROM runs GROUP BY 1"))
        assert set(states) == {"succeeded"}, (states, world.query(
            "SELECT r.id, s.kind, s.name, s.reason, s.failure::text FROM runs r JOIN steps s ON s.run_id = r.id"
            " WHERE r.state = 'failed' AND s.state = 'failed' LIMIT 3"))
        made = world.simulator.made()
        ledger = world.ledger_faults()
        assert not any(ledger.values()), ledger
        found = world.faults_found()
        assert not found, json.dumps(found, indent=1)
        return {"runs": sum(states.values()), "acknowledged": len(clients.acknowledged), "resources": sum(made.values()),
                "trainings": sum(n for k, n in made.items() if k[0] == "CreateSolutionVersion"), "kills": chaos.kills,
                "stops": chaos.stops, "partitions": chaos.partitions, "takeovers": len(world.takeovers()), "seconds": round(time.monotonic() - started), "seed": seed}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    o = parser.parse_args()
    print(f"SEED={o.seed}", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="steward-fire-"))
    folder.chmod(0o755)
    seen = under_fire(folder, o.seconds, o.runs, o.replicas, o.seed)
    shutil.rmtree(folder)
    print("under fire: " + ", ".join(f"{k} {v}" for k, v in seen.items()) + "; lost 0, made twice 0, orphans 0, stuck 0")


if __name__ == "__main__":
    main()

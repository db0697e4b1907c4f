#!/usr/bin/python3
"""The crash matrix: every engine failpoint x {kill9, stop, cut} x {names unique, names refused} x {1, 3 replicas}.

usage: script/crash-matrix [--jobs N] [--only TEXT] [--actions kill9,stop,cut] [--replicas 1,3] [--modes unique,refused]

A cell starts replicas on a database of its own, the first with the failpoint armed, and applies a parameter file of eight steps.
  kill9  the process dies there; it is started again once everybody saw it dead
  stop   SIGSTOP there for longer than the lease, then SIGCONT: the stale worker comes back to a world that went on
  cut    every connection of the process breaks there: a commit in flight, a call half sent
Then the run must succeed, the simulator's ledger must show each resource made once, and the invariants must hold in the database.
With "names refused" the service ignores names of solution versions, as its older endpoints do, and only time tells versions apart.

Ends with one line of figures; exit 1 when a cell failed."""
import argparse
import concurrent.futures
import itertools
import json
import pathlib
import re
import shutil
import statistics
import sys
import tempfile
import threading
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))

from server_kit import config, wait_until  # noqa: E402
from world_kit import Postgres, World  # noqa: E402

STOPPED_S = 3.5  # longer than the lease of 2 s
ROOMS = ("server/engine", "server/aws", "server/db")
# Not on the way of an apply: starting and stopping, credentials of a real account, schedules (they have tests of their own).
ELSEWHERE = ("pg.", "cred.", "sch.", "out.", "quiet.", "imp.", "adt.", "obs.", "ob.retention", "ob.audit", "db.connect", "db.auth",
             "db.reconnect", "eng.cancel_seen", "eng.mark_held", "eng.probe_page", "lease.before_release", "lease.after_release")


def failpoints():
    """Read from the source: a new one is in the matrix by being written."""
    names = set()
    for room in ROOMS:
        for path in (ROOT / room).glob("*.c"):
            names |= set(re.findall(r'FP\("([a-z_.0-9]+)"\)', path.read_text()))
    return sorted(n for n in names if not n.startswith(ELSEWHERE))


def is_stopped(pid):
    return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "T"


def watch(world, action, end, hit):
    """Does to the first replica what a supervisor or a network would, as soon as the failpoint was hit."""
    server = world.replicas[0]
    while not end.is_set():
        process = server.process
        if action == "kill9" and process.poll() is not None:
            hit.set()
            server.env = {k: v for k, v in server.env.items() if k != "STEWARD_FAILPOINTS"}
            world.start(0, ready=False)
            return
        if action == "stop" and is_stopped(process.pid):
            hit.set()
            end.wait(STOPPED_S)
            process.send_signal(18)
            return
        if action == "cut" and "event=failpoint_hit" in server.log.read_text(errors="replace"):
            hit.set()
            return
        time.sleep(0.02)


def apply_somewhere(world, name):
    """The run, whoever answers: the armed replica may die at any moment, so the request is repeated with its key."""
    world.simulator.put_data(name)
    key, document = {"Idempotency-Key": name}, config(name)
    end = time.monotonic() + 60
    order = [*range(1, len(world.replicas)), 0]
    while time.monotonic() < end:
        for i in order:
            try:
                world.wait_ready(i, 20)
                answer = world.replicas[i].post("/configs", json=document, headers=key, timeout=10)
                if answer.status_code < 300:
                    return answer.json()["run"]["id"]
            except Exception:  # noqa: BLE001 - dead, stopped or cut: the next one, or the next try
                time.sleep(0.1)
    raise AssertionError("no replica took the parameter file\n" + world.replicas[0].tail())


def cell(folder, postgres, failpoint, action, mode, replicas):
    """Seconds from the hit to the end of the run, or None when the failpoint was never hit."""
    simulator = ("--fault", f"CreateSolutionVersion=names-{mode}")
    with World(folder, postgres, replicas, simulator=simulator, env={"STEWARD_FAILPOINTS": f"{failpoint}={action}@2"}) as world:
        end, hit = threading.Event(), threading.Event()
        watcher = threading.Thread(target=watch, args=(world, action, end, hit))
        for i in range(replicas):
            world.start(i, ready=False)
        watcher.start()
        try:
            run = apply_somewhere(world, "cell")
            started = time.monotonic()
            status = world.wait_run(run, 120)
            seconds = time.monotonic() - started
            if replicas > 1 and not hit.is_set():
                # The others did all the work: give the armed one its turn.
                for i in range(1, replicas):
                    world.replicas[i].stop()
                again, started = apply_somewhere(world, "later"), time.monotonic()
                assert world.wait_run(again, 120) == "succeeded", explain(world, again)
                seconds = time.monotonic() - started
        finally:
            end.set()
            watcher.join()
        assert status == "succeeded", explain(world, run)
        judge(world)
        return seconds if hit.is_set() else None


def explain(world, run):
    rows = world.query("SELECT ordinal, kind, name, state, intent_state, sends, reason, failure::text FROM steps WHERE run_id = %s"
                       " ORDER BY ordinal", run)
    return "\n".join([world.run_status(run) or "?", *map(str, rows)])


def judge(world):
    made = world.simulator.made()
    assert made, "the ledger is empty"
    twice = {k: n for k, n in made.items() if n > 1}
    assert not twice, f"made twice: {twice}\n" + "\n".join(
        json.dumps(e) for e in world.simulator.ledger() if any(e["operation"] == k[0] for k in twice))
    wait_until(lambda: not world.query("SELECT 1 FROM events WHERE seq IS NULL"), 20)
    found = world.faults_found()
    assert not found, json.dumps(found, indent=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--actions", default="kill9,stop,cut")
    parser.add_argument("--modes", default="unique,refused")
    parser.add_argument("--replicas", default="1,3")
    options = parser.parse_args()
    cells = [c for c in itertools.product(failpoints(), options.actions.split(","), options.modes.split(","),
                                          map(int, options.replicas.split(",")))
             if options.only in " ".join(map(str, c))]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="steward-crash-"))
    folder.chmod(0o755)
    failed, seconds, idle, started = [], [], [], time.monotonic()
    with Postgres(folder / "pg", max_connections=100 * options.jobs) as postgres, \
            concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        futures = {pool.submit(cell, folder / f"cell{i}", postgres, *c): c for i, c in enumerate(cells)}
        for n, future in enumerate(concurrent.futures.as_completed(futures), 1):
            name = " ".join(map(str, futures[future]))
            try:
                took = future.result()
                (idle if took is None else seconds).append(name if took is None else took)
                print(f"[{n}/{len(cells)}] {name}: {'not hit' if took is None else f'{took:.1f} s'}", flush=True)
            except Exception:  # noqa: BLE001 - told below, with its place
                failed.append(name)
                print(f"[{n}/{len(cells)}] {name}: FAILED\n{traceback.format_exc()}", flush=True)
    if not failed:
        shutil.rmtree(folder)
    seconds.sort()
    print(f"crash matrix: {len(cells) - len(failed)}/{len(cells)} cells held, failpoint hit in {len(seconds)}, not hit in {len(idle)};"
          f" run ended after median {statistics.median(seconds or [0]):.1f} s, p99 {(seconds or [0])[int(len(seconds) * .99) - 1]:.1f} s;"
          f" {time.monotonic() - started:.0f} s in all")
    for name in failed:
        print("failed:", name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

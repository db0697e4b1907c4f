"""The central proof with the real binary: whatever line the server dies at, every run ends as it should and nothing is made twice.

The crash matrix arms one failpoint per cell (kill -9 at its first or second hit), restarts the server on the same data directory (it
adopts PostgreSQL and the simulator), and reads the simulator's ledger: one effect per resource."""
import collections
import json
import os
import random
import re
import time

import pytest

from server_kit import BUILD, ROOT, Server, config, wait_until

pytestmark = pytest.mark.slow

FAST = ["--engine-lease", "2s", "--engine-quiescence", "6s", "--simulator-signature-window", "3s", "--poll-min", "100ms",
        "--poll-max", "500ms"]


def engine_failpoints():
    """Every engine and lease failpoint in the source that an apply passes: a new one is in the matrix by being written. The others (a cancel,
    a quota, a list of many pages, schedules, deliveries, triggers, the way out) have tests of their own."""
    elsewhere = ("sch.", "out.", "quiet.", "queue.", "upload.", "imp.", "adt.", "obs.", "ob.retention", "ob.audit", "eng.cancel_seen", "eng.mark_held",
                 "eng.probe_page", "lease.before_release", "lease.after_release")
    names = set()
    for path in [*(ROOT / "server" / "engine").glob("*.c")]:
        names |= set(re.findall(r'FP\("([a-z_.0-9]+)"\)', path.read_text()))
    return sorted(n for n in names if not n.startswith(elsewhere))


def ledger(server):
    """The calls that had an effect, by (operation, resource)."""
    made = collections.Counter()
    for line in (server.data_dir / "simulator" / "ledger.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["operation"].startswith("Create") and entry.get("hasEffect"):
            request = entry.get("request") or {}
            made[(entry["operation"], request.get("jobName") or request.get("name") or "", request.get("datasetType") or "")] += 1
    return made


def assert_nothing_twice(server):
    made = ledger(server)
    assert made, "the ledger is empty"
    twice = {k: n for k, n in made.items() if n > 1}
    assert not twice, twice
    # One training per solution and run: names of versions are generated, so count them by solution too.
    return made


def versions_per_solution(server):
    count = collections.Counter()
    personalize = server.aws("personalize")
    for solution in personalize.list_solutions()["solutions"]:
        versions = personalize.list_solution_versions(solutionArn=solution["solutionArn"])["solutionVersions"]
        count[solution["name"]] = len(versions)
    return count


def revive(server, env=None):
    server.env = {k: v for k, v in server.env.items() if k != "STEWARD_FAILPOINTS"} | (env or {})
    server.start()


def is_dead(server):
    return server.process.poll() is not None


@pytest.mark.skipif(b"eng.mark_after_commit" not in (BUILD / "steward").read_bytes(), reason="built without failpoints")
@pytest.mark.parametrize("hit", [1, 3])
@pytest.mark.parametrize("failpoint", engine_failpoints())
def test_kill9_at_failpoint(tmp_path, failpoint, hit):
    name = f"crash{hit}"
    server = Server(tmp_path, *FAST, env={"STEWARD_FAILPOINTS": f"{failpoint}=kill9@{hit}"})
    server.start(ready=False)
    try:
        # The failpoint may be hit before the first request: claims happen from the start.
        try:
            server.wait_ready()
            server.put_data(name)
            run = server.apply(config(name))["run"]["id"]
            wait_until(lambda: is_dead(server) or server.ok("GET", f"/runs/{run}")["status"] == "succeeded", 30)
        except Exception:
            # A connection that broke is seen a moment before the process is gone.
            end = time.monotonic() + 3
            while not is_dead(server):
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
            run = None
        # A cell that killed nothing proves nothing. (Leases are renewed, and what waits is looked at again, only by a slow enough world.)
        assert hit > 1 or is_dead(server) or failpoint in ("lease.before_renew", "lease.after_renew", "eng.poll"), "never hit"
        if is_dead(server):
            server.kill()
            revive(server)
            if run is None:
                server.put_data(name)
                answer = server.apply(config(name))
                run = (answer.get("run") or server.ok("GET", "/runs?limit=1")["items"][0])["id"]
        final = server.wait_run(run, 60)
        assert final["status"] == "succeeded", json.dumps(final, indent=1)[:4000] + server.tail()
        assert_nothing_twice(server)
        assert versions_per_solution(server) == {f"{name}-s0": 1}
    except BaseException:
        server.kill()
        raise
    assert server.stop() == 0


@pytest.mark.skipif(b"eng.mark_after_commit" not in (BUILD / "steward").read_bytes(), reason="built without failpoints")
@pytest.mark.parametrize("failpoint", ["eng.cancel_seen", "eng.mark_held"])
def test_kill9_where_a_run_is_held_up_or_ends(tmp_path, failpoint):
    """Dead while a cancel is written down, and where a training finds its quota used up: after the restart the one is over, the other goes
    on in its turn."""
    # The answer to the first create is left lying for a while: its step is in doubt when the cancel comes.
    doubt = "eng.resp_parsed=sleep(5000)@1;" if failpoint == "eng.cancel_seen" else ""
    server = Server(tmp_path, *FAST, "--engine-lease", "8s", "--simulator-time-scale", "200", "--quota", "solution-versions=1",
                    env={"STEWARD_FAILPOINTS": f"{doubt}{failpoint}=kill9@1"})
    server.start()
    try:
        server.put_data("held")
        run = server.apply(config("held", solutions=2))["run"]["id"]
        if doubt:
            wait_until(lambda: any(s["intent"] == "maybe_sent" for s in server.ok("GET", f"/runs/{run}")["steps"]), 30)
            server.ok("POST", f"/runs/{run}/cancel")
        wait_until(lambda: is_dead(server), 60)
        server.kill()
        revive(server)
        final = server.wait_run(run, 90)
        assert final["status"] == ("cancelled" if failpoint == "eng.cancel_seen" else "succeeded"), json.dumps(final, indent=1)[:4000]
        assert_nothing_twice(server)
    except BaseException:
        server.kill()
        raise
    assert server.stop() == 0


@pytest.mark.concurrency
def test_kill9_at_random_moments(tmp_path):
    """kill -9 at ten random moments of one apply with three solutions, each time restarted: the run succeeds, nothing is made twice."""
    seed = int(os.environ.get("SEED", time.time_ns() % 1_000_000))
    print(f"SEED={seed}")
    rng = random.Random(seed)
    server = Server(tmp_path, *FAST, "--simulator-time-scale", "1000")
    server.start()
    try:
        server.put_data("kill")
        run = server.apply(config("kill", solutions=3))["run"]["id"]
        for _ in range(10):
            time.sleep(rng.uniform(0.02, 1.2))
            server.kill()
            server.start()
        final = server.wait_run(run, 120)
        assert final["status"] == "succeeded", json.dumps(final, indent=1)[:4000]
        assert_nothing_twice(server)
        assert versions_per_solution(server) == {f"kill-s{i}": 1 for i in range(3)}
    finally:
        assert server.stop() == 0

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
    """Every engine, lease and scheduler failpoint in the source: a new one is in the matrix by being written."""
    names = set()
    for path in [*(ROOT / "server" / "engine").glob("*.c")]:
        names |= set(re.findall(r'FP\("([a-z_.0-9]+)"\)', path.read_text()))
    return sorted(n for n in names if not n.startswith("sch.") and n != "lease.before_release")


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

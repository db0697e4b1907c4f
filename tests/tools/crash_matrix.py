#!/usr/bin/python3
"""The crash matrix: every failpoint on the way x {kill9, stop, cut} x {names unique, names refused} x {1, 3 replicas}, for ten scenarios.

usage: script/crash-matrix [--jobs N] [--only TEXT] [--scenarios apply,change,...] [--actions kill9,stop,cut] [--replicas 1,3]
                           [--modes unique,refused] [--hits 1,4]

A scenario starts from a stage that is prepared once and copied for each cell: database, simulator, secrets. Its reference run, which
nothing disturbs, tells which failpoints it passes and what stands in the account when it is over. A cell is the same with one
failpoint armed; the first replica to reach it acts.
  kill9  the process dies there; it is started again once everybody saw it dead
  stop   SIGSTOP there for longer than the lease, then SIGCONT: the stale worker comes back to a world that went on
  cut    every connection of the process breaks there: a commit in flight, a call half sent
Then every run must have ended as in the reference, the simulator's ledger must show one effect per intent and none without its step,
the same things must stand in the account, and the invariants must hold in the database, where a witness (world_kit.py) saw every change.
With "names refused" the service ignores names of solution versions, as its older endpoints do, and only time tells versions apart.

Takeover: from the hit to the new lease of the first step that the hit one held; recovery: to the end of all runs.
Ends with one line of figures; exit 1 when a cell failed."""
import argparse
import collections
import concurrent.futures
import itertools
import json
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))

from server_kit import BUILD, config, wait_until  # noqa: E402
from test_engine_kinds import everything, put_all  # noqa: E402
from test_schedules import DAILY, nominal  # noqa: E402
from webhook_kit import Receiver  # noqa: E402
from world_kit import Postgres, World  # noqa: E402

EXITS = {0, -signal.SIGKILL, -signal.SIGTERM}  # the last: told to end before it could listen
STOPPED_S = 3.5  # longer than the lease of 2 s
NAME = "cell"
SLOW = ("--time-scale", "100")  # a training can be caught while it runs
RUNS_OVER = "SELECT 1 FROM runs WHERE finished_at IS NULL LIMIT 1"
# Not on the way of a run. Some have a crash test of their own: a first start (test_embedded_pg.py), what is dropped into a bucket or a queue
# (test_upload_queue.py, test_triggers.py), a used-up quota and a cancel in doubt (test_crash.py). The others only read, or clean up once a day.
ELSEWHERE = ("pg.", "cred.", "quiet.", "queue.", "upload.", "sse.", "eng.mark_held", "eng.cancel_seen", "eng.probe_page", "ob.retention")


class Cell:
    """One world and what its scenario needs to remember."""

    def __init__(self, world, receiver):
        self.world, self.receiver, self.notes = world, receiver, {}

    def call(self, method, path, key, done=(), **kw):
        """Whoever answers: any replica may die at any moment, so the request is repeated with its key. done: refusals that say it is done."""
        headers = {"Idempotency-Key": key}
        end = time.monotonic() + 90
        while time.monotonic() < end:
            for i in range(len(self.world.replicas)):
                try:
                    self.world.wait_ready(i, 20)
                    answer = self.world.replicas[i].call(method, path, headers=headers, timeout=10, **kw)
                except (AssertionError, AttributeError, OSError, requests.RequestException):
                    time.sleep(0.05)  # dead, stopped or cut: the next one, or the next try
                    continue
                if answer.status_code < 300:
                    return answer.json()
                if answer.json().get("code") in done:
                    return None
                assert answer.status_code in (409, 429, 503) and answer.json().get("retryable", True), (answer.status_code, answer.text)
                time.sleep(0.1)
        raise AssertionError("no replica took the request\n" + self.world.replicas[0].tail())

    def wait_over(self, seconds=150):
        end = time.monotonic() + seconds
        while self.world.query(RUNS_OVER):
            assert time.monotonic() < end, "stuck:\n" + explain(self.world)
            time.sleep(0.1)

    def wait_version(self, status):
        wait_until(lambda: self.world.query("SELECT 1 FROM steps WHERE kind = 'solutionVersion' AND state = 'waiting' AND aws_status = %s",
                                            status), 60)


# ---- the scenarios: a stage that is prepared once, and what each cell does to its copy ----

def stage_empty(world):
    world.simulator.put_data(NAME)


def apply(cell):
    cell.call("POST", "/configs", "apply", json=config(NAME))


def apply_without_connections(cell):
    """All connections to the database are ended while the run goes on."""
    world = cell.world
    apply(cell)
    for _ in range(3):
        world.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = %s", world.database)
        time.sleep(0.3)


def apply_through_a_restart(cell):
    """One replica is told to end in the middle of the work, and is started again."""
    server = cell.world.replicas[0]
    apply(cell)
    wait_until(lambda: cell.world.query("SELECT 1 FROM steps WHERE sends > 0"), 60)
    process = server.process
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: server.process is not process, 60)


def stage_everything(world):
    server = world.replicas[0]
    server.aws = world.simulator.client
    put_all(server, NAME)
    assert server.wait_run(server.apply(everything(NAME))["run"]["id"])["status"] == "succeeded"


def change(cell):
    """Updates of four kinds, a new schema, and everything that hangs on a dropped solution deleted."""
    document = everything(NAME)
    solution = document["solutions"][0]
    solution["serviceConfig"]["performAutoTraining"] = True
    solution["serviceConfig"]["solutionConfig"] = {"autoTrainingConfig": {"schedulingExpression": "rate(9 days)"}}
    solution["campaigns"][0]["serviceConfig"]["minProvisionedTPS"] = 2
    document["metricAttribution"]["serviceConfig"]["metrics"] = [{"eventType": "click", "metricName": "clicks", "expression": "SAMPLECOUNT()"}]
    items = document["datasets"]["items"]["schema"]["serviceConfig"]
    items["name"] += "-2"
    items["schema"]["fields"].append({"name": "YEAR", "type": ["int", "null"]})
    del document["solutions"][1], document["eventTracker"], document["filters"]
    cell.call("POST", "/configs", "change", json=document, params={"prune": "true"})


def destroy(cell):
    cell.call("DELETE", f"/configs/{NAME}", "destroy", params={"resources": "delete"})


def stage_applied(world):
    server = world.replicas[0]
    world.simulator.put_data(NAME)
    assert server.wait_run(server.apply(config(NAME))["run"]["id"])["status"] == "succeeded"


def train_slowly(cell):
    cell.call("POST", "/runs", "train", json={"config": NAME, "kind": "trainFull"})
    cell.wait_version("CREATE IN_PROGRESS")


def stop_training(cell):
    cell.call("POST", "/runs", "stop", json={"config": NAME, "kind": "stopTraining"})


def cancel(cell):
    run = cell.world.query("SELECT id FROM runs WHERE finished_at IS NULL")[0][0]
    cell.call("POST", f"/runs/{run}/cancel", "cancel", json={"stopTraining": True})


def stage_given_up(world):
    """A config of which only the resources are left."""
    stage_applied(world)
    server = world.replicas[0]
    assert server.wait_run(server.ok("DELETE", f"/configs/{NAME}", params={"resources": "keep"})["id"])["status"] == "succeeded"


def take_over(cell):
    """What stands in the account becomes a config, and the account is audited. An import keeps no key: it may be read twice."""
    cell.call("POST", "/configs/import", "import", done=("exists",), json={"datasetGroup": NAME})
    cell.call("GET", "/orphans", "orphans")


def check_taken_over(cell):
    assert cell.world.query("SELECT name, version FROM configs") == [(NAME, 1)]


def observe(cell):
    """The next look for drift."""
    known = [r[0] for r in cell.world.query("SELECT id FROM runs WHERE kind = 'observe'")]
    wait_until(lambda: cell.world.query("SELECT 1 FROM runs WHERE kind = 'observe' AND state = 'succeeded' AND id <> ALL(%s)", known), 90)


def stage_scheduled(world):
    server = world.replicas[0]
    document = config(NAME, solutions=0)
    document["datasetGroup"]["workflowConfig"] = {"schedules": {"import": DAILY}}
    world.simulator.put_data(NAME)
    assert server.wait_run(server.apply(document)["run"]["id"])["status"] == "succeeded"


def listen(cell):
    cell.call("POST", "/webhooks", "webhook", json={"url": cell.receiver.url + "/" + cell.world.database, "name": "all"})


def fire(cell):
    """A schedule is due, its run ends, its events are delivered."""
    at = nominal(1)
    cell.world.query("UPDATE schedules SET next_nominal_at = %s, next_fire_at = %s", at, at)
    wait_until(lambda: cell.world.query("SELECT 1 FROM schedule_fires"), 60)


def check_fired(cell):
    world = cell.world
    fires = world.query("SELECT outcome, count(*), count(DISTINCT run_id) FROM schedule_fires GROUP BY 1")
    assert fires == [("started", 1, 1)], fires
    assert world.query("SELECT count(*) FROM runs WHERE trigger = 'schedule'") == [(1,)]
    # Every event of the run gets there, each message with one id however often it comes.
    wanted = {r[0] for r in world.query("SELECT id FROM events WHERE run_id = (SELECT run_id FROM schedule_fires)"
                                        " AND type IN ('run.queued', 'run.started', 'run.succeeded')")}

    def came():
        with cell.receiver.lock:
            return {h["headers"]["webhook-id"] for h in cell.receiver.hits if h["path"] == "/" + world.database}
    assert wanted
    wait_until(lambda: wanted <= came(), 60)


Scenario = collections.namedtuple("Scenario", "stage before act modes check options simulator")
NOTHING = (lambda cell: None)
SCENARIOS = {
    "apply": Scenario(stage_empty, NOTHING, apply, ("unique", "refused"), NOTHING, (), ()),
    "reconnect": Scenario(stage_empty, NOTHING, apply_without_connections, ("unique",), NOTHING, (), ()),
    "restart": Scenario(stage_empty, NOTHING, apply_through_a_restart, ("unique",), NOTHING, (), ()),
    "change": Scenario(stage_everything, NOTHING, change, ("unique",), NOTHING, (), ()),
    "destroy": Scenario(stage_everything, NOTHING, destroy, ("unique",), NOTHING, (), ()),
    "stop": Scenario(stage_applied, train_slowly, stop_training, ("unique",), NOTHING, (), SLOW),
    "cancel": Scenario(stage_applied, train_slowly, cancel, ("unique",), NOTHING, (), SLOW),
    "import": Scenario(stage_given_up, NOTHING, take_over, ("unique",), check_taken_over, (), ()),
    "observe": Scenario(stage_applied, NOTHING, observe, ("unique",), NOTHING, ("--observe-every", "6s"), ()),
    "fire": Scenario(stage_scheduled, listen, fire, ("unique",), check_fired, ("--webhook-allow", "127.0.0.1/32"), ()),
}


def explain(world):
    rows = world.query("SELECT r.id, r.kind, r.state, s.ordinal, s.kind, s.verb, s.name, s.state, s.intent_state, s.sends, s.waiting_for, s.reason,"
                       " s.failure::text FROM runs r JOIN steps s ON s.run_id = r.id WHERE s.state <> 'succeeded' OR r.state <> 'succeeded'"
                       " ORDER BY r.id, s.ordinal")
    return "\n".join(map(str, rows))


# ---- a supervisor and a network ----

def is_stopped(process):
    try:
        return pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
    except OSError:
        return False  # it has just died


class Watcher(threading.Thread):
    """Notes the hit, and does what a supervisor would: starts the dead again, lets the stopped go on."""

    def __init__(self, world, action):
        super().__init__()
        self.world, self.action, self.end, self.hit_at = world, action, threading.Event(), None
        self.exits = []

    def noted(self, server):
        found = re.search(r"event=failpoint_hit .*at_ms=(\d+)", server.log.read_text(errors="replace"))
        return int(found[1]) / 1000 if found else None

    def run(self):
        is_last = False
        while not is_last:
            is_last = self.end.is_set()  # what acted at the very end is seen to as well
            for i, server in enumerate(self.world.replicas):
                self.see_to(i, server)
            time.sleep(0.02)

    def see_to(self, i, server):
        code = server.process.poll()
        if code is not None or self.action == "cut":
            self.hit_at = self.hit_at or self.noted(server)
        if code is not None:
            self.exits.append(code)
            self.world.start(i, ready=False)
        elif self.action == "stop" and not self.hit_at and is_stopped(server.process):
            self.hit_at = self.noted(server)
            self.end.wait(STOPPED_S)
            server.process.send_signal(signal.SIGCONT)


Seen = collections.namedtuple("Seen", "hit takeover recovery stale_writes")


class Matrix:
    def __init__(self, folder, postgres):
        self.folder, self.postgres = folder, postgres
        self.receiver = Receiver()
        self.stages, self.references = {}, {}

    def world(self, folder, scenario, mode, replicas, stage):
        simulator = ["--fault", f"CreateSolutionVersion=names-{mode}", *(scenario.simulator if stage else ())]
        return World(folder, self.postgres, replicas, simulator=simulator, options=scenario.options if stage else (), stage=stage)

    def prepare(self, name, mode):
        """The stage and the reference run of a scenario: what it passes, and what stands at its end."""
        scenario = SCENARIOS[name]
        key = (scenario.stage, mode)
        if key not in self.stages:
            with self.world(self.folder / f"stage-{name}-{mode}", scenario, mode, 1, None) as world:
                world.is_kept = True
                world.start(0)
                world.install_witness()
                scenario.stage(world)
                self.stages[key] = world
        passed = self.folder / f"passed-{name}-{mode}"
        seen = self.play(name, mode, 1, {"STEWARD_FAILPOINTS_SEEN": str(passed)}, "none", self.folder / f"reference-{name}-{mode}")
        self.references[name, mode] = seen
        return set(passed.read_text().split())

    def play(self, name, mode, replicas, env, action, folder):
        """The scenario in a world of its own; for the reference what it came to, for a cell a Seen."""
        scenario = SCENARIOS[name]
        with self.world(folder, scenario, mode, replicas, self.stages[scenario.stage, mode]) as world:
            token = world.folder / "token"
            for i, server in enumerate(world.replicas):
                server.env |= {**env, "STEWARD_FAILPOINTS_TOKEN": str(token)}
                world.start(i, ready=False)
            for i in range(replicas):
                world.wait_ready(i)
            cell = Cell(world, self.receiver)
            scenario.before(cell)
            watcher = Watcher(world, action)
            watcher.start()
            token.touch()
            try:
                scenario.act(cell)
                cell.wait_over()
                over = time.time()
                wait_until(lambda: not world.query("SELECT 1 FROM events WHERE seq IS NULL"), 30)
                scenario.check(cell)
            finally:
                token.unlink(missing_ok=True)  # from here on nobody acts
                time.sleep(0.05)
                watcher.end.set()
                watcher.join()
            assert set(watcher.exits) <= EXITS, f"exits {watcher.exits}"
            return self.judge(name, mode, cell, watcher, over)

    def judge(self, name, mode, cell, watcher, over):
        world = cell.world
        for i in range(world.n):
            world.wait_ready(i)
        ledger = world.ledger_faults()
        assert not any(ledger.values()), "\n".join(f"{what}: {rows}" for what, rows in ledger.items() if rows)
        found = world.faults_found()
        assert not found, json.dumps(found, indent=1)
        came_to = {"runs": world.query("SELECT kind, state::text, result, count(*) FROM runs GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"),
                   "steps": world.query("SELECT s.kind, s.verb, s.state::text, s.result, count(*) FROM steps s GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"),
                   "standing": world.simulator.standing()}
        if watcher.action == "none":
            return came_to
        self.compare(self.references[name, mode], came_to, world)
        if not watcher.hit_at:
            return Seen(False, None, None, 0)
        takeovers = [t for t in world.takeovers() if t >= watcher.hit_at]
        stale = sum(world.metric(i, "engine_fence_losses_total") for i in range(world.n)) if watcher.action == "stop" else 0
        return Seen(True, takeovers[0] - watcher.hit_at if takeovers else None, over - watcher.hit_at, stale)

    def compare(self, reference, came_to, world):
        # What only reads may have been read twice.
        runs, wanted = ([(*r[:3], 1 if r[0] in ("adopt", "observe") else r[3]) for r in x["runs"]] for x in (came_to, reference))
        assert runs == wanted, f"runs {runs}, not {wanted}\n{explain(world)}"
        # What a step found when it looked again after a crash may be called adopted or unchanged; how it ended may not differ.
        steps, wanted = (collections.Counter() for _ in range(2))
        for counter, rows in ((steps, came_to["steps"]), (wanted, reference["steps"])):
            for kind, verb, state, _, n in rows:
                counter[kind, verb, state] += 1 if verb in ("import", "observe", "audit") else n
        assert steps == wanted, f"steps {steps - wanted}, not {wanted - steps}"
        here, there = (collections.Counter(x["standing"]) for x in (came_to, reference))
        assert here == there, f"standing, and not in the reference: {list(here - there)}; missing: {list(there - here)}"


def kind_of_failure(text):
    """For the figures: duplicates, lost, orphans, stuck, or other."""
    for word in ("duplicates", "lost", "orphans", "stuck"):
        if re.search(rf"^(AssertionError: )?{word}:", text, re.M):
            return word
    return "other"


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(len(values) * q))] if values else 0.0


def list_failpoints():
    return subprocess.run([BUILD / "steward", "--list-failpoints"], capture_output=True, text=True, check=True).stdout.split()


def choose_cells(matrix, options):
    """Every failpoint that a scenario passes; a line tells of those that none does."""
    cells, covered, names = [], set(), options.scenarios.split(",")
    for name in names:
        for mode in set(SCENARIOS[name].modes) & set(options.modes.split(",")):
            passed = matrix.prepare(name, mode)
            covered |= passed
            cells += itertools.product([name], sorted(passed), options.actions.split(","), [mode],
                                       map(int, options.replicas.split(",")), map(int, options.hits.split(",")))
    listed = set(list_failpoints())
    elsewhere = {p for p in listed - covered if p.startswith(ELSEWHERE)}
    print(f"failpoints: {len(listed)}; passed by these scenarios {len(covered)}, not on the way of a run {len(elsewhere)};"
          f" missed: {' '.join(sorted(listed - covered - elsewhere)) or '-'}", flush=True)
    return [c for c in cells if options.only in " ".join(map(str, c))]


def run_cells(matrix, cells, jobs, report):
    results, failures = {}, {}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = {}
        for i, (name, failpoint, action, mode, replicas, hit) in enumerate(cells):
            env = {"STEWARD_FAILPOINTS": f"{failpoint}={action}@{hit}"}
            futures[pool.submit(matrix.play, name, mode, replicas, env, action, matrix.folder / f"cell{i}")] = (i, cells[i])
        for n, future in enumerate(concurrent.futures.as_completed(futures), 1):
            i, cell = futures[future]
            text = " ".join(map(str, cell))
            try:
                seen = results[cell] = future.result()
                shutil.rmtree(matrix.folder / f"cell{i}")
                report(f"[{n}/{len(cells)}] {text}: " + (f"{seen.recovery:.1f} s" if seen.hit else "not hit"))
            except Exception:  # noqa: BLE001 - told with its place; what it left is kept
                failures[cell] = traceback.format_exc()
                report(f"[{n}/{len(cells)}] {text}: FAILED, see {matrix.folder}/cell{i}\n{failures[cell]}")
    return results, failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--scenarios", default=",".join(SCENARIOS))
    parser.add_argument("--actions", default="kill9,stop,cut")
    parser.add_argument("--modes", default="unique,refused")
    parser.add_argument("--replicas", default="1,3")
    parser.add_argument("--hits", default="1", help="at which hit of its failpoint a cell acts; several: a cell for each")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="steward-crash-"))
    folder.chmod(0o755)
    started = time.monotonic()
    with Postgres(folder / "pg", max_connections=100 * options.jobs) as postgres:
        matrix = Matrix(folder, postgres)
        cells = choose_cells(matrix, options)
        results, failures = run_cells(matrix, cells, options.jobs, lambda line: print(line, flush=True))
        matrix.receiver.close()
    if not failures:
        shutil.rmtree(folder)
    hit = [s for s in results.values() if s.hit]
    takeovers, recoveries = [s.takeover for s in hit if s.takeover is not None], [s.recovery for s in hit]
    bad = collections.Counter(map(kind_of_failure, failures.values()))
    print(f"crash matrix: {len(results)}/{len(cells)} cells, failpoint hit in {len(hit)}, duplicates {bad['duplicates']}, lost {bad['lost']},"
          f" orphans {bad['orphans']}, stuck {bad['stuck']}, other {bad['other']}; stale writes rejected {sum(s.stale_writes for s in hit)};"
          f" takeover median {statistics.median(takeovers or [0]):.1f} s, p99 {quantile(takeovers, .99):.1f} s ({len(takeovers)} cells);"
          f" recovery median {statistics.median(recoveries or [0]):.1f} s, p99 {quantile(recoveries, .99):.1f} s;"
          f" {time.monotonic() - started:.0f} s in all")
    for cell in failures:
        print("failed:", " ".join(map(str, cell)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

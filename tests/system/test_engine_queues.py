"""What waits in line: for a quota of the service, for the fuse; and what becomes of a cancelled apply."""
import json

import pytest
import requests

from server_kit import Server, config, wait_until

FAST = ["--engine-lease", "2s", "--engine-quiescence", "6s", "--simulator-signature-window", "3s", "--poll-min", "50ms",
        "--poll-max", "300ms"]


def add_types(document, *types):
    """Beside interactions: items and users, so that the config has several imports."""
    name = document["datasetGroup"]["serviceConfig"]["name"]
    fields = {"items": ("ITEM_ID", "Items"), "users": ("USER_ID", "Users")}
    for kind in types:
        key, record = fields[kind]
        document["datasets"][kind] = {
            "dataset": {"serviceConfig": {"name": f"{name}-{kind}"}},
            "schema": {"serviceConfig": {"name": f"{name}-{kind}-schema", "schema": {
                "type": "record", "name": record, "namespace": "com.amazonaws.personalize.schema", "version": "1.0",
                "fields": [{"name": key, "type": "string"},
                           {"name": "KIND", "type": ["string", "null"], "categorical": True}]}}}}
    return document


def put_all(server, name, *types):
    server.put_data(name)
    for kind in types:
        server.put_data(name, kind, f"{kind[:4].upper()}_ID,KIND\n".encode() + b"".join(b"x%d,k\n" % i for i in range(50)))


def imports_of(run):
    return [s for s in run["steps"] if s["kind"] == "datasetImportJob"]


def effects(server, operation):
    lines = (server.data_dir / "simulator" / "ledger.jsonl").read_text().splitlines()
    return [e for e in map(json.loads, lines) if e["operation"] == operation and e.get("hasEffect")]


@pytest.fixture
def slow_imports(tmp_path):
    """One import at a time, and each takes seconds."""
    with Server(tmp_path, *FAST, "--quota", "dataset-import-jobs=1", "--simulator-time-scale", "600") as s:
        yield s


def test_imports_stand_in_line_for_their_quota(slow_imports):
    server = slow_imports
    documents = [add_types(config("greedy", solutions=0), "items", "users"), config("modest", solutions=0)]
    for run in [server.apply(d)["run"]["id"] for d in documents]:
        assert server.wait_run(run, 120)["status"] == "succeeded"  # nothing to import yet
    for name in ("greedy", "modest"):
        put_all(server, name, *(["items", "users"] if name == "greedy" else []))
    greedy = server.ok("POST", "/runs", json={"config": "greedy", "kind": "import"})["id"]

    def in_line():
        waiting = [s for s in imports_of(server.ok("GET", f"/runs/{greedy}")) if s.get("waitingFor") == "the service's quota"]
        return waiting if len(waiting) == 2 else None

    standing = wait_until(in_line, 60)
    for step in standing:
        assert step["status"] == "waiting" and step["waitingSince"] and step["nextLookAt"]
        assert "--quota dataset-import-jobs=1" in step["reason"]
        assert step["sends"] == 0 and step["intent"] == "none"
    modest = server.ok("POST", "/runs", json={"config": "modest", "kind": "import"})["id"]

    def begun():
        return [s for s in imports_of(server.ok("GET", f"/runs/{greedy}"))
                if s["name"] in {x["name"] for x in standing} and s.get("waitingFor", "").startswith("CREATE")]

    # Since when it waits for this; it was the time since which it had waited for anything.
    assert wait_until(begun, 60)[0]["waitingSince"] > min(s["waitingSince"] for s in standing)
    first, second = server.wait_run(modest, 120), server.wait_run(greedy, 120)
    assert (first["status"], second["status"]) == ("succeeded", "succeeded")
    # Fair across configs: the one import of the modest config does not wait for all three of the greedy one.
    assert first["finishedAt"] < second["finishedAt"]
    calls = [json.loads(line) for line in (server.data_dir / "simulator" / "ledger.jsonl").read_text().splitlines()]
    assert not [c for c in calls if c.get("error") == "LimitExceededException"], "the service was asked in vain"
    assert len(effects(server, "CreateDatasetImportJob")) == 4


def test_a_refused_quota_is_waited_for(tmp_path):
    """Somebody else uses up the quota of the account: we are refused, stand in line, and go on when there is room."""
    with Server(tmp_path, *FAST, "--quota", "dataset-import-jobs=2", "--simulator-time-scale", "600") as server:
        server.set_quotas(**{"dataset-import-jobs": 1})
        put_all(server, "full", "items", "users")
        run = server.apply(add_types(config("full", solutions=0), "items", "users"))["run"]["id"]
        refused = wait_until(lambda: [s for s in imports_of(server.ok("GET", f"/runs/{run}"))
                                      if "LimitExceeded" in (s.get("reason") or "")], 60)
        assert {s["waitingFor"] for s in refused} == {"the service's quota"}
        assert server.wait_run(run, 120)["status"] == "succeeded"
        assert len(effects(server, "CreateDatasetImportJob")) == 3


def test_one_training_does_not_wait_for_thirty(tmp_path):
    """Two trainings at a time: a config with thirty, then one with a single one. Its turn comes next, not after the others; and runs of one
    config on different solutions run side by side, as they do not meet."""
    with Server(tmp_path, *FAST, "--quota", "solution-versions=2", "--fuse-per-account", "500", "--simulator-time-scale", "3000") as server:
        documents = {name: config(name, solutions=n) for name, n in (("many", 30), ("single", 1))}
        for name in documents:
            server.put_data(name)

        def versions(run):
            return [s for s in server.ok("GET", f"/runs/{run}")["steps"] if s["kind"] == "solutionVersion"]

        def in_line(run):
            return [s for s in versions(run) if s.get("waitingFor") == "the service's quota"]

        many = server.apply(documents["many"])["run"]["id"]
        wait_until(lambda: len(in_line(many)) >= 25, 60)
        single = server.apply(documents["single"])["run"]["id"]
        wait_until(lambda: versions(single)[0]["status"] == "succeeded", 60)
        assert sum(s["status"] == "succeeded" for s in versions(many)) <= 12
        step = in_line(many)[0]
        assert "--quota solution-versions=2" in step["reason"] and step["waitingSince"] and step["sends"] == 0
        for run in (many, single):
            server.post(f"/runs/{run}/cancel")
            server.wait_run(run)
        runs = [server.ok("POST", "/runs", json={"config": "many", "kind": "trainFull", "solutions": [f"many-s{i}"]})["id"] for i in (0, 1, 1)]
        wait_until(lambda: [server.ok("GET", f"/runs/{r}")["status"] for r in runs] == ["running", "running", "queued"])
        for run in runs:
            server.post(f"/runs/{run}/cancel")


def test_fuse_options(tmp_path):
    with Server(tmp_path, *FAST, "--fuse-per-solution", "1") as server:
        server.put_data("fused")
        assert server.wait_run(server.apply(config("fused"))["run"]["id"])["status"] == "succeeded"
        run = server.ok("POST", "/runs", json={"config": "fused", "kind": "train"})["id"]
        step = wait_until(lambda: next((s for s in server.ok("GET", f"/runs/{run}")["steps"]
                                        if s.get("waitingFor") == "the training fuse"), None), 30)
        assert "--fuse-per-solution" in step["reason"]
        assert len(effects(server, "CreateSolutionVersion")) == 1
        cancelled = server.ok("POST", "/runs", json={"config": "fused", "kind": "trainFull"})["id"]
        server.ok("POST", f"/runs/{cancelled}/cancel", json={})  # it stands in line behind the first
        assert server.wait_run(cancelled)["status"] == "cancelled"
        # A larger fuse once changed nothing until the day was over.
        assert server.stop() == 0
        server.options[-1] = "2"
        server.start()
        assert server.wait_run(run)["status"] == "succeeded"
        assert len(effects(server, "CreateSolutionVersion")) == 2
        blocked, = [e["data"] for e in server.ok("GET", f"/runs/{run}/events?limit=200")["items"] if e["type"] == "cost.blocked"]
        assert blocked["code"] == "fuse" and "--fuse-per-solution" in blocked["reason"]


def test_a_cancelled_apply_says_so_whoever_ends_it(slow_imports):
    """A checkpoint and the admission both may end a cancelled run: the config says the same, and ends at once."""
    server = slow_imports
    put_all(server, "stopped")
    run = server.apply(config("stopped", solutions=0))["run"]["id"]
    wait_until(lambda: [s for s in server.ok("GET", f"/runs/{run}")["steps"] if s["status"] == "waiting"], 60)
    server.ok("POST", f"/runs/{run}/cancel", json={})
    assert server.wait_run(run, 20)["status"] == "cancelled"
    status = server.ok("GET", "/configs/stopped")["status"]
    assert (status["sync"]["status"], status["sync"]["reason"]) == ("unknown", "runCancelled")
    assert (status["health"]["status"], status["health"]["reason"]) == ("missing", "runCancelled")
    assert "observedVersion" not in status["sync"]

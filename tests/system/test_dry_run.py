"""?dryRun=true on every mutating route: answered as if it were done, and nothing of it in the database."""
import hashlib
import re

import psycopg2
import pytest

from server_kit import Server, config, domain, wait_until
from test_contract import check, operations, resolve, table
from test_engine_kinds import FAST, apply


class World:
    """A server at rest with one of everything that the routes work on."""

    def __init__(self, server):
        self.server = server
        server.put_data("dry")
        document = config("dry")
        document["datasetGroup"]["workflowConfig"] = {"schedules": {"import": "cron(0 3 1 1 ? 2099)"}}
        apply(server, document)
        changed = dict(document, tags=[{"tagKey": "a", "tagValue": "b"}])
        apply(server, changed)
        server.apply(domain("dry-video"))  # without data: that its training fails is nobody's business here
        self.document = dict(document, tags=[{"tagKey": "c", "tagValue": "d"}])
        server.aws("personalize").create_dataset_group(name="dry-alone")
        wait_until(lambda: any(g["name"] == "dry-alone" and g["status"] == "ACTIVE" for g in
                               server.aws("personalize").list_dataset_groups()["datasetGroups"]))
        self.cancelled = server.ok("POST", "/runs", json={"config": "dry", "kind": "import"})["id"]
        server.wait_run(self.cancelled)
        self.token = server.ok("POST", "/tokens", json={"name": "dry", "scopes": ["read"]})["id"]
        self.schedule = server.ok("GET", "/schedules?config=dry")["items"][0]["id"]
        self.trigger = server.ok("POST", "/triggers", json={"config": "dry", "kind": "observe", "auth": "bearer",
                                                            "secret": server.token})["id"]
        self.plan = server.ok("POST", "/plans", json={"document": self.document})["id"]
        assert server.ok("GET", f"/plans/{self.plan}?wait=30")["status"] == "ready"
        lines = (server.data_dir / "postgres/postmaster.pid").read_text().splitlines()
        password = next(line.split(":")[-1] for line in (server.data_dir / "postgres.pgpass").read_text().splitlines()
                        if ":steward_owner:" in line)
        self.database = psycopg2.connect(host=lines[4], port=lines[3], user="steward_owner", dbname="steward", password=password)
        self.database.autocommit = True
        # Nobody is quick enough to cancel it for certain.
        with self.database.cursor() as cursor:
            cursor.execute("UPDATE runs SET state = 'cancelled', cancel_requested_at = now(), updated_at = now() WHERE id = %s",
                           (self.cancelled,))
        self.settle()

    def rows(self, sql):
        with self.database.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def settle(self):
        wait_until(lambda: self.rows("SELECT count(*) FROM runs WHERE finished_at IS NULL")[0][0] == 0
                   and self.rows("SELECT count(*) FROM events WHERE seq IS NULL")[0][0] == 0
                   and self.rows("SELECT count(*) FROM deliveries WHERE state = 'pending'")[0][0] == 0
                   and self.rows("SELECT count(*) FROM audit WHERE seq IS NULL")[0][0] in (0, self.unnumbered()), 60)

    def unnumbered(self):
        return self.rows("SELECT count(*) FROM audit WHERE seq IS NULL")[0][0]

    def picture(self):
        """{table: hash of its rows}; when a token was last used, or a channel renewed, is not an effect of the request's meaning."""
        tables = [name for name, in self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        columns = {"tokens": "to_jsonb(t) - 'last_used_at'", "endpoints": "to_jsonb(t) - 'renewed_at'"}
        out = {}
        for name in tables:
            what = columns.get(name, "to_jsonb(t)")
            rows = self.rows(f'SELECT ({what})::text FROM "{name}" t ORDER BY 1')
            out[name] = hashlib.sha256("\n".join(r[0] for r in rows).encode()).hexdigest()
        return out


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("dry"), *FAST, "--observe-every", "0", "--cloudwatch-namespace", "dry") as server:
        yield World(server)


def requests_of(world):
    """operation: (path, body, query) of a request that would succeed. Say here how a new route is tried; until then its
    example is sent, to an id that may not exist."""
    campaign = "/configs/dry/campaigns/dry-c0"
    return {
        "createConfig": ("/configs", config("dry-new"), {}),
        "validateConfig": ("/configs/validate", config("dry-new"), {}),
        "replaceConfig": ("/configs/dry", world.document, {"message": "why"}),
        "planConfig": ("/configs/plan", world.document, {}),
        "importConfig": ("/configs/import", {"datasetGroup": "dry-alone"}, {}),
        "patchConfig": ("/configs/dry", {"tags": []}, {}),
        "patchCampaign": (campaign, {"minProvisionedTPS": 2}, {}),
        "patchRecommender": ("/configs/dry-video/recommenders/dry-video-popular", {"minRecommendationRequestsPerSecond": 2}, {}),
        "deleteConfig": ("/configs/dry", None, {"resources": "delete"}),
        "promoteVersion": (campaign + "/promote", {"pin": True}, {}),
        "unpinCampaign": (campaign + "/unpin", None, {}),
        "rollbackConfig": ("/configs/dry/rollback", {"version": 1}, {}),
        "createRun": ("/runs", {"config": "dry", "kind": "train"}, {}),
        "cancelRun": (f"/runs/{world.cancelled}/cancel", None, {}),
        "retryRun": (f"/runs/{world.cancelled}/retry", {"from": "start"}, {}),
        "patchSchedule": (f"/schedules/{world.schedule}", {"paused": True}, {}),
        "runSchedule": (f"/schedules/{world.schedule}/run", None, {}),
        "testChannel": ("/channels/cloudwatch/test", None, {}),
        "replayChannel": ("/channels/cloudwatch/replay", {"since": "2020-01-01T00:00:00Z", "all": True}, {}),
        "pauseServer": ("/pause", {"reason": "dear"}, {}),
        "resumeServer": ("/resume", None, {}),
        "savePlan": ("/plans", {"config": "dry"}, {}),
        "applyPlan": (f"/plans/{world.plan}/apply", None, {}),
        "createTrigger": ("/triggers", {"config": "dry", "kind": "retrain", "auth": "github"}, {}),
        "patchTrigger": (f"/triggers/{world.trigger}", {"maxPerDay": 2}, {}),
        "rotateTriggerSecret": (f"/triggers/{world.trigger}/rotate", None, {}),
        "testTrigger": (f"/triggers/{world.trigger}/test", None, {}),
        "deliverToTrigger": (f"/hooks/{world.trigger}", {"dataVersion": "1"}, {}),
        "createToken": ("/tokens", {"name": "dry-new", "scopes": ["read"]}, {}),
        "revokeToken": (f"/tokens/{world.token}", None, {}),
    }


def tried(world, path, operation):
    known = requests_of(world)
    if operation == "login":  # a ticket lives for a minute, and a refused one leaves an audit row
        return path, {"ticket": world.server.ok("POST", "/login-tickets")["ticket"]}, {}, True
    if operation in known:
        return *known[operation], True
    op = next(op for _, p, op, _ in operations() if op["operationId"] == operation)
    media = resolve(op["requestBody"])["content"].get("application/json", {}) if "requestBody" in op else {}
    return re.sub(r"{\w+}", "x", path), media.get("example"), {}, False


MUTATING = [(method, path, op["operationId"]) for method, path, op, _ in operations() if method != "GET"]


def test_the_list_is_whole():
    assert {r["operation"] for r in table() if r["method"] != "GET"} == {operation for _, _, operation in MUTATING}


@pytest.mark.parametrize("method, path, operation", MUTATING, ids=[m[2] for m in MUTATING])
def test_a_dry_run_changes_nothing(world, method, path, operation):
    target, body, params, is_known = tried(world, path, operation)
    world.settle()
    before = world.picture()
    answer = world.server.call(method, target, json=body, params=params | {"dryRun": "true"},
                               headers={"Idempotency-Key": f"dry-{operation}"})
    assert answer.status_code == 200 or not is_known, answer.text
    check(answer, method, path)
    world.settle()
    after = world.picture()
    moved = {name for name in after if after[name] != before.get(name)}
    assert not moved, f"{operation} changed {moved}"


@pytest.mark.parametrize("method, path, operation", MUTATING, ids=[m[2] for m in MUTATING])
def test_a_dry_run_needs_the_same_scope(world, method, path, operation):
    target, body, params, _ = tried(world, path, operation)
    scope = next(op["x-scope"] for m, p, op, _ in operations() if op["operationId"] == operation)
    if scope == "open":
        return
    less = {"read": None, "operate": "read", "apply": "operate", "admin": "apply"}[scope]
    token = world.server.new_token(less) if less else ""
    answer = world.server.call(method, target, token=token, json=body, params=params | {"dryRun": "true"})
    assert answer.status_code == (403 if less else 401), answer.text


def test_a_dry_run_finds_what_is_wrong(world):
    server = world.server
    for method, target, body, status in (
            ("POST", "/configs", {"datasetGroup": {}}, 422), ("PUT", "/configs/other", config("dry"), 422),
            ("POST", "/configs/dry/rollback", {"version": 99}, 422), ("POST", "/runs", {"config": "none", "kind": "apply"}, 422),
            ("POST", "/configs/dry/campaigns/none/promote", {}, 404), ("DELETE", "/configs/none?resources=keep", None, 404),
            ("POST", "/runs/run_01M85V5ZAKF9E9A7NZY4VYA0J9/cancel", None, 404), ("POST", "/tokens", {"name": "x", "scopes": ["no"]}, 422)):
        answer = server.call(method, target + ("&" if "?" in target else "?") + "dryRun=true", json=body)
        assert answer.status_code == status, (target, answer.text)

"""POST /configs: a parameter file of 6 KB, validated and stored durably; we also plan, and store a run with its steps."""
import json

from kit import Area, Contender, Goal, Steward, node, replay, wrk
from record import record

FRESH = "bnchmark"
LIBPQ = "our statements by libpq alone, 4 connections"


def document(name=FRESH):
    """About 6 KB: three datasets, seven solutions with campaigns, ten filters."""
    def schema(kind, *fields):
        return {"type": "record", "name": kind, "namespace": "com.amazonaws.personalize.schema", "version": "1.0",
                "fields": [{"name": n, "type": t, **more} for n, t, more in fields]}

    def dataset(kind, *fields):
        return {"dataset": {"serviceConfig": {"name": f"{name}-{kind.lower()}"}},
                "schema": {"serviceConfig": {"name": f"{name}-{kind.lower()}-schema", "schema": schema(kind, *fields)}}}

    word = {"categorical": True}
    return {
        "datasetGroup": {"serviceConfig": {"name": name}},
        "datasets": {
            "interactions": dataset("Interactions", ("USER_ID", "string", {}), ("ITEM_ID", "string", {}), ("TIMESTAMP", "long", {}),
                                    ("EVENT_TYPE", "string", {}), ("EVENT_VALUE", ["null", "float"], {}), ("DEVICE", ["null", "string"], word)),
            "users": dataset("Users", ("USER_ID", "string", {}), ("AGE", "long", {}), ("GENDER", ["null", "string"], word)),
            "items": dataset("Items", ("ITEM_ID", "string", {}), ("GENRES", ["null", "string"], word), ("PRICE", ["null", "float"], {}),
                             ("CREATION_TIMESTAMP", "long", {}))},
        "filters": [{"serviceConfig": {"name": f"{name}-filter-{i}", "filterExpression":
                     f'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watched", "bought-{i}") | INCLUDE ItemID WHERE Items.GENRES IN ($GENRE)'}}
                    for i in range(10)],
        "solutions": [{"serviceConfig": {"name": f"{name}-solution-{i}", "recipeArn": "arn:aws:personalize:::recipe/aws-user-personalization-v2",
                                         "solutionConfig": {"trainingDataConfig": {"excludedDatasetColumns": {}}}},
                       "campaigns": [{"serviceConfig": {"name": f"{name}-campaign-{i}", "minProvisionedTPS": 1,
                                                        "campaignConfig": {"itemExplorationConfig": {"explorationWeight": "0.3"}}}}]}
                      for i in range(7)]}


def lua(text, headers):
    """A new name for every request: the counter of the run, and a beginning of its own per run of wrk."""
    quoted = "[==[" + text + "]==]"
    return f"""{headers}
local document = {quoted}
local counter = 0
local prefix = string.format('%04x', os.time() % 65536)
wrk.headers['Content-Type'] = 'application/json'
function request()
   counter = counter + 1
   return wrk.format('POST', '/configs', nil, (string.gsub(document, '{FRESH}', string.format('b%s%05x', prefix, counter))))
end
"""


def is_ours(name):
    """Statements of a POST: what is read for it, the version and inventory, the run, events. The feed's polling is not among them."""
    return name.startswith(("api_", "run_insert", "event_insert")) and name != "api_events_feed"


def prepare(bench):
    text = json.dumps(document(), separators=(",", ":"))
    bench.pg.create("configs")
    bench.pg.create("configs_peer")
    bench.pg.sql("configs_peer", "CREATE TABLE configs (name text PRIMARY KEY, version bigint NOT NULL)",
                 "CREATE TABLE config_versions (config text REFERENCES configs, version bigint, document json NOT NULL, PRIMARY KEY (config, version))")
    us = bench.add(Steward(bench, "configs", workers=0))
    fastify = bench.add(node(bench.folder, "fastify.mjs", bench.pg.url("configs_peer")))
    peer_url = f"http://127.0.0.1:{fastify.ready.split()[1]}"

    def post(i):
        status, body = us.request("POST", "/configs", document(FRESH[:-1] + "jk"[i]) if i == 0 else document())
        assert status == 201, body

    path = bench.folder / "configs.json"
    statements = record(bench, "configs", post, FRESH, is_ours)
    path.write_text(json.dumps(statements))

    def load(url, headers):
        return lambda seconds: wrk(url, seconds, script=lua(text, headers), folder=bench.folder)

    return Area("config", f"POST /configs ({len(text) / 1000:.1f} KB, {len(statements)} statements), 64 connections", "requests/s", [
        Contender("us", "us", load(us.url, us.lua_headers()), us.pid),
        Contender("Fastify", "peer", load(peer_url, ""), fastify.pid),
        Contender(LIBPQ, "limit", lambda s: replay(bench, "configs", path, s, 4)),
    ], [Goal("≥ 1.5 × Fastify, which does less", against="Fastify", at_least=1.5),
        Goal("≥ 0.8 × our very statements", against=LIBPQ, at_least=0.8)])

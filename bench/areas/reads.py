"""One run of 1 KB by its id, and the newest fifty: the reads of the API, each against the peer's and PostgreSQL's own."""
import json

from data import FUNCTIONS, REQUEST, finished_runs, random_run_lua, run_id
from kit import Area, Contender, Goal, Steward, node, replay, wrk
from record import record

LIBPQ = "our statement by libpq alone, 16 connections"


def fill(bench, database, runs, steps):
    """Finished runs for us, and the same documents, ready made, in one table for the peers."""
    us = bench.add(Steward(bench, database, workers=0))
    bench.pg.script(database, FUNCTIONS + finished_runs(1, runs, steps) + "ANALYZE;")
    status, body = us.request("GET", "/runs/" + run_id("run", 1))
    assert status == 200, body
    document = json.dumps(json.loads(body), separators=(",", ":"))
    summary = json.dumps({k: v for k, v in json.loads(body).items() if k != "steps"}, separators=(",", ":"))
    peer = database + "_peer"
    bench.pg.create(peer)
    bench.pg.script(peer, FUNCTIONS + f"""
        CREATE TABLE runs (id text PRIMARY KEY, document json NOT NULL, summary json NOT NULL);
        INSERT INTO runs SELECT bench_id('run', n), replace($d${document}$d$, bench_id('run', 1), bench_id('run', n))::json,
            replace($d${summary}$d$, bench_id('run', 1), bench_id('run', n))::json FROM generate_series(1, {runs}) n;
        ANALYZE;""")
    return us, peer, len(body)


def load(bench, url, script, **kw):
    return lambda seconds: wrk(url, seconds, script=script, folder=bench.folder, **kw)


def prepare(bench, steps=1, name="run"):
    runs = bench.pick(1000, 10000, 10000)
    bench.pg.create("reads")
    us, peer, size = fill(bench, "reads", runs, steps)
    fastify = bench.add(node(bench.folder, "fastify.mjs", bench.pg.url(peer)))
    peer_url = f"http://127.0.0.1:{fastify.ready.split()[1]}"
    script = random_run_lua(runs)
    one_row = f"\\set n random(1, {runs})\nSELECT document::text FROM runs WHERE id = 'run_01' || lpad(:n::text, 24, '0');\n"
    goals = [Goal("≥ 4 × Fastify", against="Fastify", at_least=4), Goal("p99 ≤ ¼ of Fastify's", metric="p99", against="Fastify", at_most=0.25),
             Goal("≥ 1.2 × pgbench's best", against="pgbench, 16 clients", at_least=1.2)]
    return Area(name, f"GET /runs/{{id}} ({steps} step{'s'[:steps > 1]}, {size / 1000:.1f} KB), 64 connections", "requests/s", [
        Contender("us", "us", load(bench, us.url, us.lua_headers() + script), us.pid),
        Contender("Fastify", "peer", load(bench, peer_url, script), fastify.pid),
        Contender("pgbench, 64 clients", "limit", lambda s: bench.pg.pgbench(peer, one_row, s, 64)),
        Contender("pgbench, 16 clients", "limit", lambda s: bench.pg.pgbench(peer, one_row, s, 16)),
    ], goals if steps == 1 else [Goal("(no goal) against Fastify", against="Fastify")],
        note="pgbench reads the peer's single row, the cheapest statement of the area.", full_rounds=5 if steps == 1 else 3)


def prepare_big(bench):
    return prepare(bench, 21, "bigrun")


def prepare_list(bench):
    runs = bench.pick(1000, 10000, 10000)
    bench.pg.create("lists")
    us, peer, _ = fill(bench, "lists", runs, 1)
    fastify = bench.add(node(bench.folder, "fastify.mjs", bench.pg.url(peer)))
    peer_url = f"http://127.0.0.1:{fastify.ready.split()[1]}/runs?limit=50"
    recording = record(bench, "lists", lambda i: us.request("GET", "/runs?limit=50"), wanted=lambda n: n.startswith("api_runs"))
    path = bench.folder / "list.json"
    path.write_text(json.dumps(recording))
    return Area("list", "GET /runs?limit=50, 64 connections", "requests/s", [
        Contender("us", "us", load(bench, us.url + "/runs?limit=50", us.lua_headers()), us.pid),
        Contender("Fastify", "peer", load(bench, peer_url, ""), fastify.pid),
        Contender(LIBPQ, "limit", lambda s: replay(bench, "lists", path, s, 16)),
    ], [Goal("≥ 3 × Fastify", against="Fastify", at_least=3), Goal("≥ 0.8 × our very statement", against=LIBPQ, at_least=0.8)],
        note="libpq instead of pgbench, which takes the colons of our statement for variables.")

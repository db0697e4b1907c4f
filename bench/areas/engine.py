"""What the engine does: durable workflows, steps that do nothing, how soon it begins, what waiting costs, take-over."""
import http.client
import json
import socket
import threading
import time

from data import FUNCTIONS, chain
from kit import Area, Contender, Goal, Steward, Watch, limit, node, rss_mib, tree_cpu

SCHEMA = json.dumps({"schema": {"schemaArn": "arn:aws:personalize:us-east-1:123456789012:schema/b", "name": "b", "schema": "{}",
                                "creationDateTime": 1.7e9, "lastUpdatedDateTime": 1.7e9}})
CAMPAIGN = json.dumps({"campaign": {"campaignArn": "arn:aws:personalize:us-east-1:123456789012:campaign/b", "name": "b",
                                    "status": "CREATE IN_PROGRESS", "creationDateTime": 1.7e9, "lastUpdatedDateTime": 1.7e9}})
GROUP = json.dumps({"datasetGroup": {"name": "bench", "datasetGroupArn": "arn:aws:personalize:us-east-1:123456789012:dataset-group/bench",
                                     "status": "ACTIVE", "creationDateTime": 1.7e9, "lastUpdatedDateTime": 1.7e9}})
JSON = "application/x-amz-json-1.1"
PEERS = {"dbos": "DBOS", "graphile": "graphile-worker", "pgboss": "pg-boss"}
FINISHED = "SELECT count(*) FROM runs WHERE finished_at IS NOT NULL"


def remote(bench, answer, *log):
    """The one HTTP server that everybody's steps call."""
    path = bench.folder / "answer.json"
    path.write_text(answer)
    program = bench.add(limit("mhd_static", path, JSON, *log))
    return program, f"http://127.0.0.1:{program.ready.split()[1]}"


def engine(bench, kind, url):
    bench.pg.create(kind)
    program = bench.add(node(bench.folder, "workflows.mjs", kind, bench.pg.tcp_url(kind) if kind == "dbos" else bench.pg.url(kind), url + "/call"))
    program.database = "dbos_system" if kind == "dbos" else kind
    return program


def until(bench, database, query, wanted, seconds=300):
    end = time.monotonic() + seconds
    while int(bench.pg.sql(database, query)[0][0]) < wanted:
        if time.monotonic() > end:
            raise RuntimeError(f"{query}: {bench.pg.sql(database, query)} after {seconds} s, not {wanted}")
        time.sleep(0.05)


def counted(bench, program, command, n):
    """A peer's answer with its commits for one of n."""
    before = bench.pg.commits(program.database)
    answer = program.ask(f"{command} {n}")
    return answer | {"n": n, "commits": (bench.pg.commits(program.database) - before) / n}


class OurFlows:
    """Batches of runs of ten steps, each step one call of AWS (an observed schema), each needing the one before."""

    def __init__(self, bench, database, url):
        self.bench, self.database = bench, database
        bench.pg.create(database)
        self.server = bench.add(Steward(bench, database, endpoint=url))
        bench.pg.script(database, FUNCTIONS)
        self.first = 1

    def run(self, n, steps=10):
        pg, first = self.bench.pg, self.first
        self.first += n
        before = pg.commits(self.database)
        pg.script(self.database, "BEGIN;" + chain(first, n, steps) + "COMMIT;")
        until(self.bench, self.database, FINISHED, self.first - 1)
        only = f"WHERE id >= bench_id('run', {first})"
        seconds, failed = pg.sql(self.database, f"SELECT extract(epoch FROM max(finished_at) - min(started_at)), count(*) FILTER (WHERE state <> 'succeeded') FROM runs {only}")[0]
        if int(failed):
            raise RuntimeError(f"{failed} of {n} runs failed: " + str(pg.sql(self.database, f"SELECT reason FROM runs {only} AND state = 'failed' LIMIT 1")))
        return {"rate": n / float(seconds), "n": n, "seconds_of_work": float(seconds), "commits": (pg.commits(self.database) - before) / n}


def prepare_flows(bench):
    _, url = remote(bench, SCHEMA)
    ours = OurFlows(bench, "flows", url)
    n = {"us": bench.pick(20, 400, 4000), "graphile": bench.pick(10, 100, 400), "pgboss": bench.pick(10, 150, 1000), "dbos": bench.pick(10, 60, 300)}
    peers = {kind: engine(bench, kind, url) for kind in bench.pick(("graphile",), tuple(PEERS), tuple(PEERS))}
    bench.pg.create("flow_limit")
    bench.pg.sql("flow_limit", "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL) WITH (fillfactor = 80)",
                 "INSERT INTO t SELECT i, 0 FROM generate_series(1, 10000) i")
    eleven = "\\set i random(1, 10000)\n" + "UPDATE t SET n = n + 1 WHERE id = :i;\n" * 11
    ours.run(n["us"] // 4 or 1)
    return Area("flow", "durable workflow of 10 steps, one reused call a step", "runs/s", [
        Contender("us", "us", lambda s: ours.run(n["us"]), lambda: ours.server.process.pid),
        *[Contender(PEERS[k], "peer", lambda s, k=k: counted(bench, peers[k], "flow", n[k]), peers[k].pid) for k in peers],
        Contender("11 commits", "limit", lambda s: bench.pg.pgbench("flow_limit", eleven, s, 16)),
    ], [Goal("≥ 1,000/s", at_least=1000), Goal("≥ 10 × DBOS", against="DBOS", at_least=10), Goal("≥ 1.7 × pg-boss", against="pg-boss", at_least=1.7),
        Goal("(no goal) against graphile-worker", against="graphile-worker"), Goal("≤ 11 commits a run", metric="commits", at_most=11),
        Goal("(no goal) against 11 bare commits", against="11 commits")])


def prepare_noop(bench):
    _, url = remote(bench, SCHEMA)
    ours = OurFlows(bench, "noop", url)
    n = {"us": bench.pick(500, 5000, 40000), "graphile": bench.pick(200, 4000, 40000), "pgboss": bench.pick(200, 4000, 40000),
         "dbos": bench.pick(20, 200, 2000)}
    peers = {kind: engine(bench, kind, url) for kind in bench.pick(("graphile",), tuple(PEERS), tuple(PEERS))}

    def drain():
        """Steps of cancelled runs: claimed, decided and written down like any other, with nothing to call."""
        first, runs = ours.first, n["us"] // 10
        ours.first += runs
        bench.pg.script("noop", f"""BEGIN;{chain(first, runs, 10)}
            DELETE FROM step_edges;
            UPDATE runs SET state = 'cancelling', started_at = now(), cancel_requested_at = now() WHERE id >= bench_id('run', {first});
            UPDATE steps SET state = 'ready', blocked_by = 0, wake_at = clock_timestamp() WHERE run_id >= bench_id('run', {first}); COMMIT;""")
        until(bench, "noop", FINISHED, ours.first - 1)
        seconds = bench.pg.sql("noop", f"SELECT extract(epoch FROM max(finished_at) - min(finished_at)) FROM steps WHERE run_id >= bench_id('run', {first})")[0][0]
        return {"rate": runs * 10 / max(float(seconds), 1e-3), "n": runs * 10, "seconds_of_work": float(seconds)}

    bench.pg.create("noop_limit")
    bench.pg.sql("noop_limit", "CREATE TABLE jobs (id int PRIMARY KEY, state int NOT NULL, due float8 NOT NULL) WITH (fillfactor = 80)",
                 "CREATE INDEX ON jobs (due) WHERE state = 0", "INSERT INTO jobs SELECT i, 0, i FROM generate_series(1, 100000) i", "ANALYZE jobs")
    claim = ("UPDATE jobs SET state = 1 WHERE id = ANY (ARRAY(SELECT id FROM jobs WHERE state = 0 ORDER BY due LIMIT 100 FOR UPDATE SKIP LOCKED));\n"
             "UPDATE jobs SET state = 0, due = due + 1000000 WHERE id = ANY (ARRAY(SELECT id FROM jobs WHERE state = 1 LIMIT 100 FOR UPDATE SKIP LOCKED));\n")
    return Area("noop", "steps that do nothing, drained from a backlog", "steps/s", [
        Contender("us", "us", lambda s: drain(), lambda: ours.server.process.pid),
        *[Contender(PEERS[k], "peer", lambda s, k=k: peers[k].ask(f"noop {n[k]}") | {"n": n[k]}, peers[k].pid) for k in peers],
        Contender("claim and complete by 100", "limit", lambda s: bench.pg.pgbench("noop_limit", claim, s, 2, units=100)),
    ], [Goal("≥ 0.5 × the limit", against="claim and complete by 100", at_least=0.5), Goal("(no goal) against graphile-worker", against="graphile-worker"),
        Goal("(no goal) against pg-boss", against="pg-boss"), Goal("(no goal) against DBOS", against="DBOS")])


# ---- how soon ----
class Calls:
    """When the remote end was called: it writes a line for each request as it comes."""

    def __init__(self, path):
        self.file = open(path)
        self.rest = ""

    def wait(self, seconds=30):
        """Seconds (monotonic) of the first call that was not seen yet."""
        end = time.monotonic() + seconds
        while "\n" not in self.rest:
            self.rest += self.file.read()
            if time.monotonic() > end:
                raise RuntimeError(f"no call within {seconds} s")
            time.sleep(0.0005)
        return int(self.rest.split(None, 1)[0]) / 1e6

    def forget(self):
        self.file.read()
        self.rest = ""

    def stop(self):
        self.file.close()


def prepare_latency(bench):
    log = bench.folder / "calls"
    _, aws = remote(bench, GROUP, log)
    calls = bench.add(Calls(log))
    bench.pg.create("latency")
    us = bench.add(Steward(bench, "latency", endpoint=aws))
    status, body = us.request("POST", "/configs", {"datasetGroup": {"serviceConfig": {"name": "bench"}}})
    assert status == 201, body
    until(bench, "latency", FINISHED, 1, 60)
    _, url = remote(bench, SCHEMA)
    peers = {kind: engine(bench, kind, url) for kind in bench.pick(("graphile",), tuple(PEERS), tuple(PEERS))}
    n = bench.pick(4, 20, 150)

    def ours(_):
        times, body = [], json.dumps({"config": "bench", "kind": "observe"})
        headers = {"Authorization": f"Bearer {us.token}", "Content-Type": "application/json"}
        client = http.client.HTTPConnection(us.host, int(us.port), timeout=30)
        client.connect()
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(n):
            done = int(bench.pg.sql("latency", FINISHED)[0][0])
            time.sleep(0.03)
            calls.forget()
            begun = time.monotonic()
            client.request("POST", "/runs", body, headers)
            answer = client.getresponse()
            text = answer.read()
            assert answer.status == 202, text
            times.append((calls.wait() - begun) * 1000)
            until(bench, "latency", FINISHED, done + 1, 30)
        client.close()
        times.sort()
        return {"rate": None, "p50": times[len(times) // 2], "p99": times[int(len(times) * 0.99)]}

    def peer(kind):
        return lambda s: {"rate": None} | peers[kind].ask(f"latency {n}")

    return Area("latency", "enqueue to first call, idle server", "ms", [
        Contender("us", "us", ours, us.pid), *[Contender(PEERS[k], "peer", peer(k), peers[k].pid) for k in peers],
    ], [Goal("p50 ≤ 1.0 × graphile-worker's", "p50", "graphile-worker", at_most=1.0), Goal("p99 ≤ 0.7 × graphile-worker's", "p99", "graphile-worker", at_most=0.7),
        Goal("(no goal) p50 against pg-boss", "p50", "pg-boss"), Goal("(no goal) p50 against DBOS", "p50", "DBOS")],
        note="Ours: from before the POST of a run to the call's arrival at the remote end; the peers': from before the enqueue in their own process to the job's first line.", full_rounds=3)


# ---- waiting ----
LATENESS = """
CREATE TABLE bench_lateness (ms float8);
CREATE FUNCTION bench_note() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO bench_lateness VALUES (extract(epoch FROM clock_timestamp() - OLD.wake_at) * 1000); RETURN NULL; END $$;
CREATE TRIGGER bench_note AFTER UPDATE ON steps FOR EACH ROW WHEN (OLD.lease_token < NEW.lease_token) EXECUTE FUNCTION bench_note();
"""


def writing_s(count):
    """None is due before all are written."""
    return 1 + count / 4000


def waiting_steps(first, count, every_s):
    return chain(first, count, 1, "campaign", "ensure") + f"""
UPDATE runs SET state = 'running', started_at = now() WHERE state = 'queued';
UPDATE steps SET state = 'waiting', waiting_for = 'inProgress', waiting_since = now(), started_at = now(), intent_state = 'saved', intent_op = 'create',
    intent_name = name, sends = 1, last_mark_at = now() - interval '1 hour', arn = 'arn:aws:personalize:us-east-1:123456789012:campaign/' || name,
    wake_at = now() + interval '{writing_s(count)} seconds' + random() * interval '{every_s} seconds' WHERE state = 'blocked';
"""


def waiting_cost(bench, database, url, count, every_s, seconds):
    """RSS above the idle server's, share of a core, and lateness of looks, with so many waiting."""
    bench.pg.create(database)
    us = bench.add(Steward(bench, database, "--poll-min", f"{every_s}s", "--poll-max", f"{every_s}s", endpoint=url))
    time.sleep(1)
    idle = rss_mib(us.pid)
    begun = time.monotonic()
    bench.pg.script(database, FUNCTIONS + LATENESS + "BEGIN;" + waiting_steps(1, count, every_s) + "COMMIT; ANALYZE steps;")
    time.sleep(max(0.0, writing_s(count) - (time.monotonic() - begun)) + min(3.0, seconds))
    bench.pg.sql(database, "TRUNCATE bench_lateness")
    watch = Watch(us.pid, bench.pg.process.pid)
    time.sleep(seconds)
    seen = watch.stop()
    looks, p50, p99 = bench.pg.sql(database, "SELECT count(*), coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), 0),"
                                             " coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms), 0) FROM bench_lateness")[0]
    grown = rss_mib(us.pid) - idle
    us.stop()
    return {"rate": int(looks) / seconds, "p50": float(p50), "p99": float(p99), "grown": grown, "share": seen["cpu"], "pg_share": seen["pg_cpu"], "n": int(looks),
            "cpu": seen["cpu"], "memory": seen["memory"]}


def prepare_waiting(bench):
    _, url = remote(bench, CAMPAIGN)
    count, every_s, seconds = bench.pick((200, 2, 1), (10000, 20, 8), (10000, 20, 25))
    peer = engine(bench, "graphile", url)
    started = []

    def theirs(_):
        if not started:
            started.append(peer.ask(f"wait {count} {every_s}"))
        time.sleep(bench.pick(0.5, 2, 2))
        peer.ask("late")
        cpu = tree_cpu(peer.pid)
        time.sleep(seconds)
        return {"rate": None, "share": (tree_cpu(peer.pid) - cpu) / seconds, "grown": rss_mib(peer.pid)} | peer.ask("late")

    return Area("waiting", f"{count:,} waiting, each looked at every {every_s} s", "looks/s", [
        Contender("us", "us", lambda s: waiting_cost(bench, "waiting", url, count, every_s, seconds)),
        Contender("graphile-worker", "peer", theirs, peer.pid),
    ], [Goal("RSS ≤ 24 MiB above an idle server's", "grown", at_most=24), Goal("p99 lateness ≤ 200 ms", "p99", at_most=200),
        Goal("≤ 10 % of a core", "share", at_most=0.10), Goal("(no goal) p99 lateness against graphile-worker", "p99", "graphile-worker")],
        note="Lateness of ours: from wake_at to the claim, by a trigger. 500 looks a second call one Describe each.",
        quick_rounds=1, full_rounds=3)


# ---- take-over ----
class BlackHole:
    """Takes calls and never answers; remembers when each connection sent something."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.calls, self.open = [], []
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.open.append(connection)
            threading.Thread(target=self.read, args=(connection,), daemon=True).start()

    def read(self, connection):
        try:
            while connection.recv(65536):
                self.calls.append(time.monotonic())
        except OSError:
            pass

    def stop(self):
        self.socket.close()
        for c in self.open:
            c.close()


def prepare_takeover(bench):
    lease = bench.pick(1, 5, 30)

    def once(_):
        hole = bench.add(BlackHole())
        bench.pg.create("takeover")
        first = bench.add(Steward(bench, "takeover", "--engine-lease", f"{lease}s", endpoint=hole.url))
        bench.pg.script("takeover", FUNCTIONS + "BEGIN;" + chain(1, 1, 1) + "COMMIT;")
        end = time.monotonic() + 30
        while not hole.calls and time.monotonic() < end:
            time.sleep(0.005)
        second = bench.add(Steward(bench, "takeover", "--engine-lease", f"{lease}s", endpoint=hole.url))
        seen = len(hole.calls)
        first.kill()
        killed = time.monotonic()
        while len(hole.calls) <= seen and time.monotonic() < killed + lease * 3 + 20:
            time.sleep(0.005)
        answer = {"rate": None, "takeover": hole.calls[-1] - killed, "beyond": hole.calls[-1] - killed - lease}
        second.kill()
        hole.stop()
        return answer

    return Area("takeover", f"take-over after kill -9 (lease {lease} s)", "s", [Contender("us", "us", once)],
                [Goal("≤ lease + 1 s", "beyond", at_most=1.0)], note="graphile-worker 4 h, pg-boss 15 min by their defaults: not waited for.", quick_rounds=1, full_rounds=3)

"""What lies about in great numbers: schedules and idle readers of events; and how long a start takes."""
import contextlib
import json
import resource
import shutil
import threading
import time

from areas.engine import until
from data import FUNCTIONS
from kit import BUILD, Area, Contender, Goal, Program, Steward, rss_mib, tree_cpu, wrk


# ---- schedules ----
def schedules(first, count, config="bench"):
    """Far in the future, every day: nothing is due."""
    return f"""
INSERT INTO schedules (id, config, kind, run_options, expression, overlap, next_nominal_at, next_fire_at)
SELECT bench_id('sch', n), '{config}', 'observe', '{{}}', 'cron(0 0 * * ? *)', 'allow', now() + interval '10 days' + n * interval '1 millisecond',
    now() + interval '10 days' + n * interval '1 millisecond' FROM generate_series({first}, {first + count - 1}) n;
"""


def make_due(bench, database, first, count, in_s):
    """So many are due in the same second; gives back that second."""
    at = int(time.time()) + in_s
    bench.pg.sql(database, f"UPDATE schedules SET expression = 'at(' || to_char(to_timestamp({at}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') || ')',"
                           f" next_nominal_at = to_timestamp({at}), next_fire_at = to_timestamp({at}), considered_at = to_timestamp({at} - 60)"
                           f" WHERE id >= bench_id('sch', {first}) AND id < bench_id('sch', {first + count})")
    return at


def small(name="bench"):
    return {"datasetGroup": {"serviceConfig": {"name": name}}}


def with_schedules(bench, database, count):
    bench.pg.create(database)
    us = bench.add(Steward(bench, database, workers=0))
    status, body = us.request("POST", "/configs", small())
    assert status == 201, body
    bench.pg.script(database, FUNCTIONS + schedules(1, count) + "ANALYZE schedules;")
    return us


def prepare_schedules(bench):
    count, due, idle_s = bench.pick((1000, 50, 1), (200_000, 1000, 2), (1_000_000, 1000, 10))
    us = with_schedules(bench, "schedules", count)
    turn = [1]

    def once(_):
        time.sleep(bench.pick(0.2, 2, 2))
        cpu = tree_cpu(us.pid)
        time.sleep(idle_s)
        idle = (tree_cpu(us.pid) - cpu) / idle_s
        first = turn[0]
        turn[0] += due
        at = make_due(bench, "schedules", first, due, bench.pick(1, 3, 3))
        only = f"FROM schedule_fires WHERE outcome = 'started' AND nominal_at = to_timestamp({at})"
        until(bench, "schedules", f"SELECT count(*) {only}", due, 60)
        p50, p99, seconds, doubled = bench.pg.sql("schedules", f"""SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY late), percentile_cont(0.99)
            WITHIN GROUP (ORDER BY late), max(late), count(*) - count(DISTINCT schedule_id) FROM (SELECT schedule_id,
            extract(epoch FROM created_at - nominal_at) * 1000 AS late {only}) x""")[0]
        assert int(doubled) == 0
        return {"rate": due / (float(seconds) / 1000), "p50": float(p50), "p99": float(p99), "idle": idle}

    return Area("schedules", f"{count:,} schedules, {due:,} due in one second", "fires/s", [Contender("us", "us", once, us.pid)],
                [Goal("idle < 1 % of a core", "idle", at_most=0.01), Goal("p99 lateness ≤ 100 ms", "p99", at_most=100), Goal("(no goal) fires/s of the herd")],
                note="A fire is a plan, a run with its steps, events and the row of the fire, in one transaction each.")


# ---- readers of events ----
def prepare_sse(bench):
    count = bench.pick(100, 3000, 10000)
    with contextlib.suppress(ValueError, OSError):  # what root may raise for its children
        resource.setrlimit(resource.RLIMIT_NOFILE, (65536, 65536))
    count = min(count, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500))

    def write_tokens(us, n):
        for i in range(n):
            status, body = us.request("POST", "/tokens", {"name": f"b{i}", "scopes": ["read"]})
            assert status == 201, body

    def once(seconds):
        bench.pg.create("sse")  # each round a server of its own, whose first token is made with its database
        us = bench.add(Steward(bench, "sse", workers=0))
        time.sleep(0.5)
        idle = rss_mib(us.pid)
        readers = bench.add(Program(BUILD / "bench" / "sse_clients", us.host, us.port, us.token, count))
        grown = rss_mib(us.pid) - idle
        readers.process.stdin.write("mark token.created 1\n")
        readers.process.stdin.flush()
        assert "marked" in readers.line()
        begun = time.monotonic()
        write_tokens(us, 1)
        fan = json.loads(readers.line())
        fan_ms = (fan["at"] - begun) * 1000 if fan["reached"] == count else float("inf")
        readers.stop()
        few = bench.add(Program(BUILD / "bench" / "sse_clients", us.host, us.port, us.token, 10))
        script = us.lua_headers() + "wrk.headers['Content-Type'] = 'application/json'\nwrk.method = 'POST'\nwrk.body = '{\"name\":\"b\",\"scopes\":[\"read\"]}'\n"
        # Eight writers that take a breath of 7 ms each: about a thousand a second.
        script += "function delay()\n   return 7\nend\n"
        writer = threading.Thread(target=lambda: rates.append(wrk(us.url + "/tokens", seconds + 1, 8, script, bench.folder)["rate"]))
        rates = []
        writer.start()
        lag = few.ask(f"lag {seconds}")
        writer.join()
        few.stop()
        us.stop()
        return {"rate": rates[0] if rates else None, "grown": grown, "each_kib": grown * 1024 / count, "fan_out": fan_ms, "p50": lag["p50"], "p99": lag["p99"]}

    return Area("sse", f"{count:,} idle SSE clients", "events/s", [Contender("us", "us", once)],
                [Goal(f"≤ {16 * count / 1000:.0f} MiB for {count:,} (16 KiB each)", "grown", at_most=16 * count / 1000),
                 Goal("one event reaches all ≤ 1,500 ms", "fan_out", at_most=1500), Goal("commit to SSE p99 ≤ 50 ms, by about 1,000 events/s", "p99", at_most=50),
                 Goal("(no goal) events/s of the writers")],
                note="From an event's time, which is written before its commit, to its arrival at ten readers.", full_rounds=3)


# ---- start ----
def prepare_start(bench):
    bench.pg.create("start")
    us = bench.add(Steward(bench, "start"))
    us.stop()

    def again(_):
        seconds = us.start()
        us.stop()
        return {"rate": None, "ready": seconds}

    def first(_):
        folder = bench.folder / "fresh"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o755)
        fresh = Steward.__new__(Steward)
        fresh.folder, fresh.data, fresh.bench, fresh.process = folder, folder / "data", bench, None
        at = us.command.index("--database-url")
        fresh.command = [x if x != us.data else fresh.data for x in us.command[:at] + us.command[at + 2:]]
        fresh.environment = us.environment
        bench.add(fresh)
        seconds = fresh.start()
        fresh.stop()
        return {"rate": None, "ready": seconds}

    return Area("start", "start until /readyz", "s", [Contender("us", "us", again), Contender("first start", "us", first)],
                [Goal("≤ 0.3 s on an existing database", "ready", at_most=0.3), Goal("≤ 3 s with a first initdb", "ready", at_most=3, us="first start")])

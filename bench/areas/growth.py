"""How cost grows: the same work with more and more of what lies about. Each function gives one series of points over one size.

A point's figures are medians or single measurements; a plot shows the shape, the table of the areas shows the ratios."""
import json
import statistics
import time

from areas.engine import CAMPAIGN, SCHEMA, OurFlows, remote, until, waiting_cost
from areas.rows import make_due, schedules, with_schedules
from data import chain, finished_runs, random_run_lua
from kit import BUILD, Program, Steward, rss_mib, tree_cpu, wrk


def column(key, label, axis=1):
    """axis 2 has its scale on the right of the plot."""
    return {"key": key, "label": label, "axis": axis}


def series(title, x, columns, points, is_log=True):
    return {"title": title, "x": x, "columns": columns, "points": points, "is_log": is_log}


def has_time(bench, begun):
    """Points that take longer and longer: none that would not fit any more."""
    return time.monotonic() + 2.5 * (time.monotonic() - begun) < bench.deadline


def grow_history(bench):
    """Finished runs of one step; then the reads and the engine's own work beside them."""
    sizes = bench.pick((100,), (1000, 10_000, 100_000), (1000, 10_000, 100_000, 1_000_000))
    seconds, flows = bench.pick(1, 2, 3), bench.pick(5, 100, 400)
    _, url = remote(bench, SCHEMA)
    ours = OurFlows(bench, "history", url)
    base, present, points = 10_000_000, 0, []  # ids of the finished runs begin above those of the flows
    ours.run(flows)
    for size in sizes:
        begun = time.monotonic()
        for first in range(present, size, 100_000):
            bench.pg.script("history", finished_runs(base + first + 1, min(size, first + 100_000) - first))
        present = size
        bench.pg.sql("history", "VACUUM ANALYZE")
        bench.pg.calm()
        url = ours.server.url
        script = ours.server.lua_headers() + random_run_lua(size).replace("math.random(1, ", f"{base} + math.random(1, ")
        one = wrk(url, seconds, script=script, folder=bench.folder)
        many = wrk(url + "/runs?limit=50", seconds, script=ours.server.lua_headers(), folder=bench.folder)
        done = [run_flows(bench, ours, flows, base) for _ in range(bench.pick(1, 2, 3))]
        points.append({"x": size, "get": one["rate"], "list": many["rate"], "flow": statistics.median(done)})
        if not has_time(bench, begun):
            break
    return series("Finished runs in the database", "finished runs", [column("get", "GET /runs/{id} a second"), column("list", "GET /runs?limit=50 a second"),
                                                                    column("flow", "workflows of 10 steps a second", 2)], points)


def run_flows(bench, ours, n, base):
    """As OurFlows.run, which counts everything that is finished."""
    first = ours.first
    ours.first += n
    bench.pg.script("history", "BEGIN;" + chain(first, n, 10) + "COMMIT;")
    only = f"id >= 'run_01' || lpad('{first}', 24, '0') AND id < 'run_01' || lpad('{base}', 24, '0')"
    until(bench, "history", f"SELECT count(*) FROM runs WHERE finished_at IS NOT NULL AND {only}", n)
    seconds = bench.pg.sql("history", f"SELECT extract(epoch FROM max(finished_at) - min(started_at)) FROM runs WHERE {only}")[0][0]
    return n / float(seconds)


def grow_waiting(bench):
    """The looks are kept at 500 a second at most: what grows is the number of those that wait."""
    sizes = bench.pick((50,), (10, 1000, 10_000), (10, 100, 1000, 10_000, 100_000))
    _, url = remote(bench, CAMPAIGN)
    points = []
    for size in sizes:
        begun = time.monotonic()
        every_s = max(bench.pick(1, 20, 20), size // 500)
        found = waiting_cost(bench, "grow_waiting", url, size, every_s, bench.pick(1, 4, 10))
        points.append({"x": size, "grown": found["grown"], "share": found["share"] * 100, "p99": found["p99"]})
        if not has_time(bench, begun):
            break
    return series("Steps that wait, each looked at every 20 s (100,000: every 200 s)", "waiting steps", [
        column("grown", "RSS above an idle server's, MiB"), column("share", "% of a core"), column("p99", "p99 lateness, ms", 2)], points)


def grow_schedules(bench):
    sizes = bench.pick((200,), (1000, 10_000, 100_000), (1000, 10_000, 100_000, 1_000_000))
    due, idle_s, points, present = bench.pick(20, 200, 1000), bench.pick(0.5, 2, 5), [], sizes[0]
    us = with_schedules(bench, "grow_schedules", present)
    turn = 1
    for size in sizes:
        begun = time.monotonic()
        if size > present:
            bench.pg.script("grow_schedules", schedules(present + 1, size - present) + "ANALYZE schedules;")
            present = size
        time.sleep(bench.pick(0.2, 2, 2))
        cpu = tree_cpu(us.pid)
        time.sleep(idle_s)
        idle = (tree_cpu(us.pid) - cpu) / idle_s
        at = make_due(bench, "grow_schedules", turn, due, bench.pick(1, 3, 3))
        turn += due if turn + 2 * due < sizes[0] else 0
        only = f"FROM schedule_fires WHERE outcome = 'started' AND nominal_at = to_timestamp({at})"
        until(bench, "grow_schedules", f"SELECT count(*) {only}", due, 60)
        late = bench.pg.sql("grow_schedules", f"SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM created_at - nominal_at) * 1000) {only}")
        points.append({"x": size, "idle": idle * 100, "p99": float(late[0][0])})
        if not has_time(bench, begun):
            break
    return series(f"Schedules, {due:,} of them due in one second", "schedules", [column("p99", "p99 lateness, ms"), column("idle", "% of a core, idle", 2)], points)


def grow_replicas(bench):
    """Servers on the same two processors: more of them cannot be faster here, and must not be slower or do anything twice."""
    n, points = bench.pick(10, 200, 1000), []
    _, url = remote(bench, SCHEMA)
    ours = OurFlows(bench, "replicas", url)
    ours.run(n)
    for servers in range(1, bench.pick(2, 3, 3) + 1):
        if servers > 1:
            bench.add(Steward(bench, "replicas", endpoint=url))
            time.sleep(bench.pick(0.2, 1, 1))
        rates = [ours.run(n)["rate"] for _ in range(bench.pick(1, 2, 4))]
        points.append({"x": servers, "flow": statistics.median(rates)})
    return series("Replicas on one machine", "servers", [column("flow", "workflows of 10 steps a second")], points, is_log=False)


def grow_readers(bench):
    sizes, points = bench.pick((30,), (1, 10, 100, 1000), (1, 10, 100, 1000, 10_000)), []
    bench.pg.create("grow_readers")
    us = bench.add(Steward(bench, "grow_readers", workers=0))
    time.sleep(0.5)
    idle = rss_mib(us.pid)
    for size in sizes:
        readers = bench.add(Program(BUILD / "bench" / "sse_clients", us.host, us.port, us.token, size))
        grown, fans = rss_mib(us.pid) - idle, []
        for _ in range(bench.pick(1, 5, 9)):
            readers.process.stdin.write("mark token.created 1\n")
            readers.process.stdin.flush()
            assert "marked" in readers.line()
            begun = time.monotonic()
            assert us.request("POST", "/tokens", {"name": "b", "scopes": ["read"]})[0] == 201
            fan = json.loads(readers.line())
            assert fan["reached"] == size, fan
            fans.append((fan["at"] - begun) * 1000)
        readers.stop()
        points.append({"x": size, "grown": grown, "fan": statistics.median(fans)})
        time.sleep(bench.pick(0.1, 0.5, 1))
    return series("Readers of the event stream", "readers", [column("grown", "RSS above an idle server's, MiB"),
                                                            column("fan", "POST to the last reader, ms", 2)], points)


def long_document(lines, name):
    """As people write it, two blanks a level: a filter is six lines, a solution with its campaign fourteen; a list takes 500 entries."""
    filters = min(max(0, (lines - 8) // 6), 300)
    solutions = max(0, lines - 8 - 6 * filters) // 14
    document = {"datasetGroup": {"serviceConfig": {"name": name}}}
    if filters:
        document["filters"] = [{"serviceConfig": {"name": f"{name}-{i}", "filterExpression": f'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("t{i}")'}}
                               for i in range(filters)]
    if solutions:
        document["solutions"] = [{"serviceConfig": {"name": f"{name}-s{i}", "recipeArn": "arn:aws:personalize:::recipe/aws-user-personalization-v2"},
                                  "campaigns": [{"serviceConfig": {"name": f"{name}-c{i}", "minProvisionedTPS": 1}}]} for i in range(solutions)]
    return document


def grow_lines(bench):
    """One client, one request after the other: how long a POST takes."""
    sizes, points = bench.pick((100,), (10, 100, 1000), (10, 100, 500, 1000, 2500, 5000)), []
    bench.pg.create("grow_lines")
    us = bench.add(Steward(bench, "grow_lines", workers=0))
    for size in sizes:
        times = []
        for turn in range(bench.pick(2, 5, 9)):
            document = long_document(size, f"g{size}x{turn}")
            begun = time.monotonic()
            status, body = us.request("POST", "/configs", document)
            times.append((time.monotonic() - begun) * 1000)
            assert status == 201, body[:300]
        points.append({"x": len(json.dumps(document, indent=2).splitlines()), "post": statistics.median(times[1:]), "memory": rss_mib(us.pid)})
    return series("Lines of a parameter file", "lines", [column("post", "POST /configs, ms"), column("memory", "RSS of the server, MiB", 2)], points, is_log=False)

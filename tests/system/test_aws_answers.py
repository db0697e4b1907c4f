"""AWS-3 to AWS-6: single calls are held up, dripped, reset, answered with nonsense, with too much, with pages without end or with the way to
somebody else. Each strikes one run among others: that run waits and goes on, the others notice nothing, nothing is made twice."""
import gzip
import os
import statistics
import threading
import time

import pytest

from aws_proxy import FaultProxy, answer, drip, hold, reset
from server_kit import IS_SANITIZED, config, wait_until
from world_kit import Postgres, World

pytestmark = pytest.mark.slow
FULL = bool(os.environ.get("STEWARD_TEST_FULL"))
CALL_TIMEOUT_S = 20 if FULL else 2  # 20 s is what it is when nobody says anything
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    with Postgres(tmp_path_factory.mktemp("answers") / "pg") as pg:
        yield pg


@pytest.fixture(scope="module")
def world(tmp_path_factory, postgres):
    # Proxies of the environment are nobody's business: nothing may go there.
    proxies = {name: NOWHERE for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")}
    with FaultProxy() as proxy, World(tmp_path_factory.mktemp("answers") / "w", postgres, aws=proxy, env=proxies,
                                      options=["--call-timeout", f"{CALL_TIMEOUT_S}s", "--workers", "1"]) as world:
        world.start(0)
        yield world


def group(name):
    return {"datasetGroup": {"serviceConfig": {"name": name}}}


def start(world, names):
    return {name: world.replicas[0].apply(group(name))["run"]["id"] for name in names}


def state_of(world, runs):
    return dict(world.query("SELECT name, r.state::text FROM runs r JOIN configs c ON c.name = r.config WHERE r.id = ANY(%s)",
                            list(runs.values())))


def wait_all(world, runs, seconds=90):
    """How long each took, in seconds, by its own rows."""
    wait_until(lambda: not world.query("SELECT 1 FROM runs WHERE id = ANY(%s) AND finished_at IS NULL LIMIT 1", list(runs.values())), seconds)
    states = state_of(world, runs)
    assert set(states.values()) == {"succeeded"}, (states, world.query(
        "SELECT name, reason, failure::text FROM steps WHERE state = 'failed' LIMIT 5"))
    rows = world.query("SELECT config, extract(epoch FROM finished_at - created_at)::float FROM runs WHERE id = ANY(%s)", list(runs.values()))
    return dict(rows)


def assert_made_once(world):
    twice = {k: n for k, n in world.simulator.made().items() if n > 1}
    assert not twice, twice
    wait_until(lambda: not world.query("SELECT 1 FROM events WHERE seq IS NULL LIMIT 1"), 30)
    assert not world.faults_found()


def memory_kib(server, field):
    with open(f"/proc/{server.process.pid}/status") as status:
        return int(next(line for line in status if line.startswith(field)).split()[1])


def cpu_s(server):
    fields = open(f"/proc/{server.process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def after_effect(world, behaviour):
    """The service does what it was asked for; its answer is somebody else's."""
    def behave(connection, request):
        world.aws.ask(request)
        return behaviour(connection, request)
    return behave


def test_calls_that_hang_hurt_only_themselves(world):
    """AWS-3. Reads and writes that are never answered, dripped and reset, before and after their effect, beside runs that have no trouble."""
    proxy = world.aws
    quiet = wait_all(world, start(world, [f"quiet{i}" for i in range(30)]))
    kinds = {"hold": hold, "drip": drip, "reset": lambda c, r: reset(c)}
    for kind, behaviour in kinds.items():
        proxy.rules["DescribeDatasetGroup", f"{kind}-read"] = [behaviour]
        proxy.rules["CreateDatasetGroup", f"{kind}-write"] = [behaviour]
        proxy.rules["CreateDatasetGroup", f"{kind}-done"] = [after_effect(world, behaviour)]
    victims = start(world, [f"{kind}-{at}" for kind in kinds for at in ("read", "write", "done")])
    beside = wait_all(world, start(world, [f"beside{i}" for i in range(30)]))
    took = wait_all(world, victims)
    assert not any(proxy.rules.values())
    assert_made_once(world)
    held = [s for text, all_s in proxy.durations.items() if "reset" not in text for s in all_s]
    print(f"calls held: {len(held)}, let go after at most {max(held):.1f} s (limit {CALL_TIMEOUT_S}); runs beside them: median "
          f"{statistics.median(beside.values()):.2f} s, {statistics.median(quiet.values()):.2f} s without; struck runs: {max(took.values()):.1f} s"
          " at worst")
    assert len(held) == 6 and max(held) < 5 * CALL_TIMEOUT_S


def test_a_worker_without_a_free_slot_is_idle(world):
    """A worker whose 64 slots all waited for AWS asked for its next claim without a pause, and took a whole core until one was answered."""
    server, proxy = world.replicas[0], world.aws
    proxy.rules["DescribeDatasetGroup", "crowd"] = [hold] * 70
    crowd = start(world, [f"crowd{i}" for i in range(70)])
    wait_until(lambda: len(proxy.rules["DescribeDatasetGroup", "crowd"]) <= 6, 20)
    began, cpu = time.monotonic(), cpu_s(server)
    time.sleep(CALL_TIMEOUT_S / 2)
    spent = (cpu_s(server) - cpu) / (time.monotonic() - began)
    wait_all(world, crowd)
    assert_made_once(world)
    print(f"64 calls held by one worker: {100 * spent:.0f} % of a core")
    assert spent < 0.5 or IS_SANITIZED


def raw(text):
    def behave(connection, request):
        connection.sendall(text)
        return "close"
    return behave


def endless(start_line, block, times):
    def behave(connection, request):
        connection.sendall(start_line)
        for _ in range(times):
            connection.sendall(block)
        return "close"
    return behave


def described(**members):
    group_of = {"name": "x", "status": "ACTIVE", "datasetGroupArn": "arn:aws:personalize:us-east-1:123456789012:dataset-group/x"}
    return lambda c, r: answer(c, 200, {"datasetGroup": group_of | members})


MIB = b"x" * (1 << 20)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\n"
NONSENSE = {
    "1 GB": endless(HEAD + b"Content-Length: 1073741824\r\n\r\n", MIB, 1024),
    "chunks without end": endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"100000\r\n" + MIB + b"\r\n", 1024),
    "a gzip bomb": lambda c, r: answer(c, 200, gzip.compress(bytes(64 << 20)), [("Content-Encoding", "gzip")]),
    "a header of 1 MB": raw(HEAD + b"X-Long: " + MIB + b"\r\nContent-Length: 2\r\n\r\n{}"),
    "half a text": lambda c, r: answer(c, 200, b'{"datasetGrou'),
    "NaN": lambda c, r: answer(c, 200, b'{"datasetGroup":NaN}'),
    "a list": lambda c, r: answer(c, 200, {"datasetGroup": []}),
    "no object": lambda c, r: answer(c, 200, []),
    "nested 100,000 deep": lambda c, r: answer(c, 200, b"[" * 100000),
    "a status of another type": described(status=7),
    "a page of somebody else": lambda c, r: answer(c, 200, b"<html>welcome</html>", kind="text/html"),
}
# What is no answer to a create: an ARN that is none, too long, of somebody else.
NO_ARN = {"no ARN": {}, "an ARN of another type": {"datasetGroupArn": 5}, "an empty ARN": {"datasetGroupArn": ""},
          "an ARN of 200 kB": {"datasetGroupArn": "arn:aws:personalize:us-east-1:123456789012:dataset-group/" + "x" * 200000},
          "an ARN of another account": {"datasetGroupArn": "arn:aws:personalize:us-east-1:999999999999:dataset-group/x"},
          "an ARN of another region": {"datasetGroupArn": "arn:aws:personalize:eu-west-1:123456789012:dataset-group/x"},
          "no ARN at all": {"datasetGroupArn": "https://example.com/"}}


def test_answers_of_every_kind(world):
    """AWS-4. Whatever a look or a create is answered with, the step looks again and the run ends well. One answer at a time, so that the
    memory is that of one."""
    server, proxy, turn = world.replicas[0], world.aws, threading.Lock()

    def in_turn(behaviour):
        def behave(connection, request):
            with turn:
                return behaviour(connection, request)
        return behave
    wait_all(world, start(world, [f"warm{i}" for i in range(20)]))
    before = memory_kib(server, "VmRSS")
    with open(f"/proc/{server.process.pid}/clear_refs", "w") as peak:
        peak.write("5")
    for i, behaviour in enumerate(NONSENSE.values()):
        proxy.rules["DescribeDatasetGroup", f"odd-look-{i:02}"] = [in_turn(behaviour)]
        proxy.rules["CreateDatasetGroup", f"odd-make-{i:02}"] = [in_turn(after_effect(world, behaviour))]
    for i, body in enumerate(NO_ARN.values()):
        proxy.rules["CreateDatasetGroup", f"odd-name-{i:02}"] = [in_turn(after_effect(world, lambda c, r, b=body: answer(c, 200, b)))]
    names = [f"odd-{at}-{i:02}" for at in ("look", "make") for i in range(len(NONSENSE))] + [f"odd-name-{i:02}" for i in range(len(NO_ARN))]
    wait_all(world, start(world, names))
    grown = memory_kib(server, "VmHWM") - before
    assert not any(proxy.rules.values())
    assert_made_once(world)
    arns = world.query("SELECT arn FROM resources WHERE kind = 'datasetGroup' AND config LIKE 'odd-%%'")
    assert len(arns) == len(names)
    assert {a[0].rsplit("/", 1)[0] for a in arns} == {"arn:aws:personalize:us-east-1:123456789012:dataset-group"}, arns
    print(f"{len(names)} odd answers: memory grew by {grown / 1024:.1f} MiB at most")
    assert grown < 5 * 4096 or IS_SANITIZED


def test_redirects_and_interim_answers(world):
    """AWS-6. Nobody is followed anywhere, and a create that was redirected after its effect has one effect."""
    proxy = world.aws
    with FaultProxy() as evil:
        evil.behave = lambda c, r: answer(c, 200, {})
        for status in (301, 302, 307, 308):
            elsewhere = (lambda s: lambda c, r: answer(c, s, b"", [("Location", evil.url + r.target)]))(status)
            proxy.rules["DescribeDatasetGroup", f"away-look-{status}"] = [elsewhere]
            proxy.rules["CreateDatasetGroup", f"away-make-{status}"] = [after_effect(world, elsewhere)]
        interim = raw(b"HTTP/1.1 100 Continue\r\n\r\n")
        proxy.rules["CreateDatasetGroup", "away-interim"] = [after_effect(world, interim)]
        wait_all(world, start(world, [f"away-{at}-{s}" for at in ("look", "make") for s in (301, 302, 307, 308)] + ["away-interim"]))
        assert evil.connections == 0 and not any(proxy.rules.values())
    assert_made_once(world)


def pages(count, token=lambda n: f"token{n}"):
    """A list that goes on: count pages, or for ever when its tokens come again."""
    asked = []

    def behave(connection, request):
        asked.append(request)
        more = {"nextToken": token(len(asked))} if len(asked) < count else {}
        return answer(connection, 200, {"datasets": []} | more)
    return behave, asked


def test_lists_without_end(world):
    """AWS-5. A token that comes again ends the look at once, new tokens without end at the thousandth page; then it is looked again."""
    proxy = world.aws
    looks = {"pages-all": pages(10**9), "pages-same": pages(10**9, lambda n: "again"), "pages-many": pages(300)}
    for name, (behave, _) in looks.items():
        # A list of 300 pages is read to its end; the other two are broken for one look.
        proxy.rules["ListDatasets", f"dataset-group/{name}"] = [behave] * {"pages-all": 1000, "pages-same": 2, "pages-many": 300}[name]
    runs = {}
    for name in looks:
        world.simulator.put_data(name)
        runs[name] = world.replicas[0].apply(config(name, solutions=0))["run"]["id"]
    wait_all(world, runs)
    assert not any(proxy.rules.values())
    assert_made_once(world)
    rows = dict(world.query("SELECT r.config, sum(s.looks)::int FROM steps s JOIN runs r ON r.id = s.run_id WHERE r.id = ANY(%s)"
                            " AND s.kind = 'dataset' GROUP BY 1", list(runs.values())))
    print(f"pages asked for: { {name: len(asked) for name, (_, asked) in looks.items()} }, looks written down: {rows}")
    assert rows["pages-all"] > rows["pages-many"] and rows["pages-same"] > rows["pages-many"]

"""What every area of the benchmark is made of: the machine, one PostgreSQL for all, programs, samples.

Rules: everything listens on loopback and in a temporary folder; every program that is started here is a child of this
process and is ended by it; what the machine did besides us is measured and reported, never guessed.
"""
import contextlib
import dataclasses
import http.client
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BENCH = ROOT / "bench"
BUILD = pathlib.Path(os.environ.get("STEWARD_BUILD", ROOT / "build")).resolve()
PEERS = BENCH / "peers"
PG_BIN = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))[-1]
TICKS = os.sysconf("SC_CLK_TCK")
DOCUMENTED = {  # of PostgreSQL; each with its reason in docs/performance.md
    "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "256MB", "max_connections": "200",
    "max_wal_size": "4GB", "checkpoint_timeout": "30min", "jit": "off", "listen_addresses": "'127.0.0.1'", "autovacuum_naptime": "10s",
    "logging_collector": "on", "log_destination": "jsonlog", "unix_socket_permissions": "0777"}


# ---- the machine ----
def cpu_of(pid):
    """Seconds of a process, and of its children that were waited for."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(int(x) for x in fields[11:15]) / TICKS
    except (OSError, IndexError):
        return 0.0


def tree(pid):
    """A process and everything under it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parent = int(pathlib.Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def tree_cpu(pid):
    return sum(cpu_of(p) for p in tree(pid))


def peak_mib(pid):
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return 0.0


def rss_mib(pid):
    with contextlib.suppress(OSError):
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1048576
    return 0.0


def busy_cpu():
    """Seconds all processors worked since boot."""
    fields = [int(x) for x in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / TICKS


class Watch:
    """CPU of one process tree, and of everything on the machine that is not ours, over a stretch of time."""

    def __init__(self, pid, postgres):
        self.pid, self.postgres = pid, postgres
        self.start = time.monotonic()
        self.cpu, self.pg_cpu = (tree_cpu(pid) if pid else 0), tree_cpu(postgres)
        self.ours, self.busy = tree_cpu(os.getpid()), busy_cpu()

    def stop(self):
        seconds = max(time.monotonic() - self.start, 1e-6)
        ours = tree_cpu(os.getpid()) - self.ours
        return {"seconds": seconds, "pg_cpu": (tree_cpu(self.postgres) - self.pg_cpu) / seconds, "cpu": (tree_cpu(self.pid) - self.cpu) / seconds if self.pid else None,
                "memory": peak_mib(self.pid) if self.pid else None,
                "foreign": max(0.0, (busy_cpu() - self.busy - ours) / seconds)}


# ---- samples ----
@dataclasses.dataclass
class Contender:
    """One of those measured in turn. run(seconds) gives {"rate": …, "p50": …, "p99": …} in units a second and milliseconds."""
    key: str
    role: str  # us, peer, limit
    run: object
    pid: object = None  # of the process whose CPU and memory count; a number or a function


@dataclasses.dataclass
class Goal:
    """us / other of the same round (or us alone) against a bound."""
    text: str
    metric: str = "rate"
    against: str = None  # key of a contender; None: an absolute bound
    at_least: float = None
    at_most: float = None
    us: str = "us"


@dataclasses.dataclass
class Area:
    name: str
    title: str
    unit: str
    contenders: list
    goals: list
    note: str = ""
    quick_rounds: int = 3  # of --quick and --full, for what takes long by itself
    full_rounds: int = 5


# ---- programs ----
class Program:
    """A child process that says on its standard output when it is ready: a line that begins with "ready"."""

    def __init__(self, *command, ready=True, cwd=None, env=None, log=None):
        self.out = open(log or os.devnull, "ab")
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.out, cwd=cwd, env=env, text=True)
        self.pid = self.process.pid
        self.ready = None
        if ready:
            self.ready = self.line()
            if not self.ready.startswith("ready"):
                raise RuntimeError(f"{command[0]} said {self.ready!r} instead of being ready" + (f"; see {log}" if log else ""))

    def line(self):
        return self.process.stdout.readline().strip()

    def ask(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        answer = self.line()
        if not answer:
            raise RuntimeError(f"process {self.pid} ended without an answer to {text!r}")
        return json.loads(answer)

    def stop(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.out.close()


def node(folder, script, *arguments):
    """A peer's program; it is given its arguments as strings."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NODE_")} | {
        "NODE_ENV": "production"}
    return Program("node", PEERS / script, *arguments, cwd=PEERS, env=environment, log=folder / f"{script}.log")


def limit(name, *arguments, **kw):
    return Program(BUILD / "bench" / name, *arguments, **kw)


def replay(bench, database, recording, seconds, connections):
    """Statements of a recording (record.py), each connection one transaction after the other."""
    done = subprocess.run([str(BUILD / "bench" / "replay"), bench.pg.url(database), str(recording), str(connections), str(seconds)],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


WRK_DONE = """
function done(summary, latency, requests)
   local e = summary.errors
   io.write(string.format('RESULT {"rate": %f, "p50": %f, "p99": %f, "errors": %d, "refused": %d}\\n',
      summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
      e.connect + e.read + e.write + e.timeout, e.status))
end
"""


def wrk(url, seconds, connections=64, script="", folder=None):
    """script: Lua that makes the requests. Answers of 400 and above are errors of the measurement, not results."""
    path = pathlib.Path(folder or tempfile.gettempdir()) / f"wrk-{os.getpid()}.lua"
    path.write_text(script + WRK_DONE)
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s", "-s", str(path), url],
                          capture_output=True, text=True, check=True)
    found = json.loads(re.search(r"RESULT (.*)", done.stdout).group(1))
    if found.pop("refused") or found.pop("errors"):
        raise RuntimeError(f"wrk {url}: errors\n{done.stdout}")
    return found


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Postgres:
    """One server for us, the peers and the limits, as durable as in production."""

    def __init__(self, folder, more=None):
        self.folder = folder
        self.data = folder / "pg"
        user = None
        if os.getuid() == 0:
            user = next(u for u in ("steward", "postgres", "nobody") if self.has_user(u))
            shutil.chown(folder, user)
        self.as_user = ["setpriv", "--reuid", user, "--regid", str(pwd.getpwnam(user).pw_gid), "--clear-groups", "--"] if user else []
        self.call("initdb", "-D", self.data, "-U", "bench", "--auth=trust", "--encoding=UTF8", "--no-locale")
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.writelines(f"{k} = {v}\n" for k, v in (DOCUMENTED | (more or {})).items())
            self.port = free_port()
            conf.write(f"port = {self.port}\nunix_socket_directories = '{folder}'\nlog_directory = '{folder}/pglog'\n")
        self.log = open(folder / "pg.log", "ab")
        self.process = subprocess.Popen([*self.as_user, str(PG_BIN / "postgres"), "-D", str(self.data)], cwd="/tmp",
                                        stdout=self.log, stderr=self.log)
        self.wait()

    @staticmethod
    def has_user(name):
        with contextlib.suppress(KeyError):
            return bool(pwd.getpwnam(name))
        return False

    def call(self, program, *arguments):
        done = subprocess.run([*self.as_user, str(PG_BIN / program), *map(str, arguments)], cwd="/tmp", capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")
        return done.stdout

    def wait(self):
        end = time.monotonic() + 60
        while subprocess.run([str(PG_BIN / "pg_isready"), "-q", "-h", str(self.folder), "-p", str(self.port)], check=False).returncode:
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"PostgreSQL does not start: {(self.folder / 'pg.log').read_text()}")
            time.sleep(0.05)

    def url(self, database):
        return f"postgresql://bench@/{database}?host={self.folder}&port={self.port}"

    def tcp_url(self, database):
        """For who knows no other; on this machine as fast as the socket."""
        return f"postgresql://bench:bench@127.0.0.1:{self.port}/{database}"

    def create(self, database):
        self.sql("postgres", f"DROP DATABASE IF EXISTS {database} WITH (FORCE)", f"CREATE DATABASE {database}")
        return self.url(database)

    def sql(self, database, *statements):
        """Rows of the last statement as tuples of text."""
        arguments = [a for s in statements for a in ("-c", s)]
        text = self.call("psql", "-X", "-q", "-At", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p", self.port, "-U", "bench", "-d", database, *arguments)
        return [tuple(line.split("\t")) for line in text.splitlines()]

    def script(self, database, text):
        path = self.folder / "script.sql"
        path.write_text(text)
        path.chmod(0o644)
        return self.call("psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p", self.port, "-U", "bench", "-d", database, "-f", path)

    def calm(self):
        """Between measurements: nobody pays for the flush of what another wrote."""
        self.sql("postgres", "CHECKPOINT")

    def commits(self, database):
        self.sql(database, "SELECT pg_stat_force_next_flush()")
        return int(self.sql("postgres", f"SELECT xact_commit FROM pg_stat_database WHERE datname = '{database}'")[0][0])

    def pgbench(self, database, script, seconds, clients=16, variables=(), units=1):
        path = self.folder / "pgbench.sql"
        path.write_text(script)
        path.chmod(0o644)
        defines = [a for v in variables for a in ("-D", v)]
        done = subprocess.run([str(PG_BIN / "pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(max(1, round(seconds))),
                               "-h", str(self.folder), "-p", str(self.port), "-U", "bench", *defines, "-f", str(path), database],
                              capture_output=True, text=True, cwd="/tmp")
        if done.returncode:
            raise RuntimeError(f"pgbench: {done.stderr}")
        found = re.search(r"tps = ([0-9.]+)", done.stdout)
        tps = float(found.group(1)) if found else 0.0  # "nan": not one got done in the time
        return {"rate": tps * units, "p50": None, "p99": None}

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


# ---- us ----
class Steward:
    """`steward serve` on the shared PostgreSQL, with log, metrics and tokens as in production."""
    ENDPOINT = "http://127.0.0.1:9"  # nobody there: for areas that call no AWS

    def __init__(self, bench, database, *options, endpoint=None, workers=4):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="steward-", dir=bench.folder))
        self.data = self.folder / "data"
        self.bench = bench
        self.command = [BUILD / "steward", "serve", "--listen", "127.0.0.1:0", "--data-dir", self.data, "--database-url", bench.pg.url(database),
                        "--account-id", "123456789012", "--region", "us-east-1", "--bucket", "bench", "--role-arn",
                        "arn:aws:iam::123456789012:role/bench", "--observe-every", "0s", "--endpoint-url", endpoint or self.ENDPOINT,
                        "--workers", workers, *options]
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "STEWARD_"))} | {
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        self.process = None
        self.start()

    def start(self):
        """Seconds until /readyz said yes."""
        begun = time.monotonic()
        out = open(self.folder / "log", "ab")
        self.process = subprocess.Popen([str(c) for c in self.command], stdout=out, stderr=out, env=self.environment)
        out.close()
        self.pid = self.process.pid
        for step in (self.is_listening, self.is_ready):
            while not step():
                if self.process.poll() is not None or time.monotonic() > begun + 60:
                    raise RuntimeError(f"steward does not start:\n{(self.folder / 'log').read_text()[-3000:]}")
                time.sleep(0.002)
        self.seconds_to_ready = time.monotonic() - begun
        token = self.data / "admin.token"
        if token.exists():
            self.token = token.read_text().strip()
        return self.seconds_to_ready

    def is_listening(self):
        with contextlib.suppress(OSError):
            self.url = (self.data / "steward.url").read_text().strip()
            self.host, self.port = self.url.removeprefix("http://").rsplit(":", 1)
            with socket.create_connection((self.host, int(self.port)), 1):
                return True
        return False

    def is_ready(self):
        try:
            return self.request("GET", "/readyz", token="")[0] == 200
        except OSError:
            return False

    def request(self, method, path, body=None, token=None):
        connection = http.client.HTTPConnection(self.host, int(self.port), timeout=30)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        token = self.token if token is None else token
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def lua_headers(self):
        return f"wrk.headers['Authorization'] = 'Bearer {self.token}'\n"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                self.kill()


class Bench:
    """What the areas share: the folder, PostgreSQL, how much to do, what is to be ended."""

    def __init__(self, folder, size, more=None):
        self.folder = folder
        self.size = size  # smoke, quick, full
        self.pg = Postgres(folder, more)
        self.keep = []
        self.deadline = float("inf")  # of time.monotonic(): no round begins that would be longer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def pick(self, smoke, quick, full):
        return {"smoke": smoke, "quick": quick, "full": full}[self.size]

    def free_port(self):
        self.last_port = free_port()
        return self.last_port

    @staticmethod
    def wait_port(port):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.02)
        raise RuntimeError(f"nobody listens on port {port}")

    def add(self, program):
        self.keep.append(program)
        return program

    def end_area(self):
        for program in reversed(self.keep):
            with contextlib.suppress(Exception):
                program.stop()
        self.keep = []

    def close(self):
        self.end_area()
        self.pg.stop()


def say(*words):
    print(*words, file=sys.stderr, flush=True)

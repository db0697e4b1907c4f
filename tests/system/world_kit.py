"""A world of its own for tests of replicas and of faults: one PostgreSQL, one simulator, any number of `steward serve` processes.

    with Postgres(folder) as pg:                       # a private cluster; stop, start, restart, kill -9
        with World(folder / "w", pg, replicas=3) as world:
            run = world.any().apply(config("shop"))["run"]["id"]
            world.judge(...)

Unlike Server (server_kit.py) nothing is embedded: each part can die, stop and come back alone."""
import collections
import itertools
import json
import os
import pathlib
import pwd
import signal
import socket
import subprocess
import threading
import time

import boto3
import psycopg2
import requests
from botocore.config import Config

from server_kit import BUCKET, BUILD, FINAL, Server, interactions_csv, open_path, wait_until

PG_BIN = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))[-1]

# The engine's waits, shortened alike on both sides, so that a signature window is waited for in seconds.
FAST = ["--engine-lease", "2s", "--engine-quiescence", "6s", "--poll-min", "100ms", "--poll-max", "500ms",
        "--observe-every", "0"]


def database_user():
    """Who PostgreSQL runs as when the tests run as root; None: ourselves."""
    if os.getuid() != 0:
        return None
    for name in ("steward", "postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError("no user to run PostgreSQL as; run script/bootstrap")


class Postgres:
    """A cluster with a socket in its own folder. durable=False: it lives for one test, fsync would only slow it down."""

    def __init__(self, folder, durable=False, env=None, **settings):
        self.folder = pathlib.Path(folder).resolve()
        self.data = self.folder / "data"
        self.env = os.environ | (env or {})
        self.settings = {"listen_addresses": "''", "unix_socket_directories": f"'{self.folder}'", "max_connections": 300,
                         "shared_buffers": "64MB", "jit": "off", "fsync": "on" if durable else "off"} | settings
        self.user = database_user()

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        open_path(self.folder)
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        if not self.data.exists():
            self.run("initdb", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
        return self.start()

    def __exit__(self, *_):
        if (self.data / "postmaster.pid").exists():
            self.stop("immediate")

    def run(self, program, *arguments, check=True):
        kw = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}
        kw["env"] = self.env
        return subprocess.run([str(PG_BIN / program), "-D", str(self.data), *arguments], cwd=self.folder, check=check,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, **kw)

    def start(self):
        options = " ".join(f"-c {k}={v}" for k, v in self.settings.items())
        self.run("pg_ctl", "start", "-s", "-w", "-t", "60", "-l", str(self.folder / "server.log"), "-o", options)
        return self

    def stop(self, mode="fast"):
        self.run("pg_ctl", "stop", "-s", "-w", "-m", mode)

    def kill(self):
        """kill -9 of the postmaster; its children notice and end."""
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 30)

    def pid(self):
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def url(self, database):
        return f"postgresql://postgres@/{database}?host={str(self.folder).replace('/', '%2F')}"

    def query(self, database, sql, *values):
        pg = psycopg2.connect(self.url(database))
        pg.autocommit = True
        try:
            with pg.cursor() as cursor:
                cursor.execute(sql, values or None)
                return cursor.fetchall() if cursor.description else None
        finally:
            pg.close()


class Gate:
    """A socket in front of PostgreSQL's. While it is shut nothing passes, in either direction, and nobody is told."""

    def __init__(self, folder, postgres):
        self.folder, self.behind = pathlib.Path(folder).resolve(), postgres.folder / ".s.PGSQL.5432"
        self.open = threading.Event()
        self.open.set()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.folder / ".s.PGSQL.5432"))
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open.set()
        self.listener.close()

    def url(self, database):
        return f"postgresql://postgres@/{database}?host={str(self.folder).replace('/', '%2F')}"

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(str(self.behind))
            except OSError:
                return
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=pair, daemon=True).start()

    def carry(self, source, target):
        try:
            while data := source.recv(65536):
                self.open.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            target.close()


class Simulator:
    def __init__(self, folder, *options):
        self.folder = pathlib.Path(folder)
        self.options = options
        self.process = self.url = None

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        out = open(self.folder / "simulator.out", "ab")
        self.process = subprocess.Popen(
            [str(BUILD / "personalize-simulator"), "--listen", "127.0.0.1:0", "--data-dir", str(self.folder / "data"),
             "--time-scale", "100000", *self.options], stdout=subprocess.PIPE, stderr=out, text=True)
        out.close()
        line = self.process.stdout.readline()
        self.url = line[line.index("http://"):].split()[0].rstrip("/")
        self.client("s3").create_bucket(Bucket=BUCKET)
        requests.post(self.url + "/_simulator/quotas", timeout=10, json={
            "dataset-groups": 500, "solutions": 500, "campaigns": 500, "dataset-import-jobs": 500, "solution-versions": 500}
        ).raise_for_status()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)

    def client(self, service):
        options = {"retries": {"max_attempts": 3}}
        if service == "s3":
            options["s3"] = {"addressing_style": "path"}
        return boto3.client(service, endpoint_url=self.url, region_name="us-east-1", aws_access_key_id="test",
                            aws_secret_access_key="test", config=Config(**options))

    def put_data(self, group):
        self.client("s3").put_object(Bucket=BUCKET, Key=f"train/{group}/interactions.csv", Body=interactions_csv())

    def ledger(self):
        text = (self.folder / "data" / "ledger.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def made(self):
        """How often each thing was made, by (operation, group or solution, name)."""
        count = collections.Counter()
        for entry in self.ledger():
            if entry["operation"].startswith("Create") and entry.get("hasEffect"):
                r = entry.get("request") or {}
                key = r.get("jobName") or r.get("name") or ""
                if entry["operation"] == "CreateSolutionVersion":
                    key = r["solutionArn"]
                count[(entry["operation"], r.get("datasetGroupArn", ""), key, r.get("datasetType", ""))] += 1
        return count


class World:
    """Replicas on a database of their own. options: of every `steward serve`; env: of the first replica only; aws: a FaultProxy between
    them and the simulator, or one for each; gates: a Gate for each, between it and PostgreSQL."""

    numbers = itertools.count(1)

    def __init__(self, folder, postgres, replicas=1, options=(), simulator=(), env=None, aws=None, gates=()):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.postgres = postgres
        self.database = f"world_{os.getpid()}_{next(World.numbers)}"
        self.simulator = Simulator(self.folder / "simulator", "--signature-window", "3s", *simulator)
        self.options = [*FAST, *options]
        self.env = env or {}
        self.aws, self.gates = aws, gates
        self.n = replicas
        self.replicas = []

    def __enter__(self):
        self.postgres.query("postgres", f"CREATE DATABASE {self.database}")
        self.simulator.__enter__()
        for i in range(self.n):
            aws = self.aws[i] if isinstance(self.aws, list) else self.aws
            aws_url = aws.to(self.simulator.url) if aws else self.simulator.url
            postgres = self.gates[i] if self.gates else self.postgres
            (self.folder / f"r{i}").mkdir(exist_ok=True)
            self.replicas.append(Server(self.folder / f"r{i}", "--local", "--database-url", postgres.url(self.database),
                                        "--simulator-url", aws_url, *self.options, local=False,
                                        env=self.env if i == 0 else {}))
        return self

    def __exit__(self, kind, *_):
        try:
            for server in self.replicas:
                if server.process is None:
                    continue
                server.process.send_signal(signal.SIGCONT)
                if kind:
                    server.kill()
                else:
                    assert server.stop() == 0, server.tail()
        finally:
            for server in self.replicas:
                if server.process is not None:
                    server.kill()
            self.simulator.__exit__()
            if not kind:  # what failed is left to be looked at
                self.postgres.query("postgres", f"DROP DATABASE {self.database} WITH (FORCE)")

    def start(self, i, ready=True):
        """Starts a replica, or starts it again after its death."""
        server = self.replicas[i]
        (server.data_dir / "steward.url").unlink(missing_ok=True)
        server.start(ready=False)
        if ready:
            self.wait_ready(i)
        return server

    def wait_ready(self, i, seconds=60):
        server = self.replicas[i]
        # The admin token is made once per database, and lies with the replica that made it.
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert server.process.poll() is None, f"exit {server.process.returncode}\n{server.tail()}"
            try:
                server.url = (server.data_dir / "steward.url").read_text().strip()
                if requests.get(server.url + "/readyz", timeout=5).status_code == 200:
                    server.token = self.token()
                    if server.token:
                        return server
            except (OSError, requests.RequestException):
                pass
            time.sleep(0.02)
        raise AssertionError(f"not ready after {seconds} s\n{server.tail()}")

    def token(self):
        for server in self.replicas:
            path = server.data_dir / "admin.token"
            if path.exists():
                return path.read_text().strip()
        return None

    def query(self, sql, *values):
        return self.postgres.query(self.database, sql, *values)

    def run_status(self, run):
        rows = self.query("SELECT state FROM runs WHERE id = %s", run)
        return rows[0][0] if rows else None

    def wait_run(self, run, seconds=90):
        """By SQL: any replica may be dead just now."""
        return wait_until(lambda: (lambda s: s if s in FINAL else None)(self.run_status(run)), seconds)

    def faults_found(self):
        """What the invariants say of the database once all runs are over: a list that must be empty."""
        over = "('succeeded', 'failed', 'cancelled')"
        checks = {
            "runs that are not over": f"SELECT id || ' ' || state FROM runs WHERE state NOT IN {over}",
            "steps of ended runs that are not over":
                f"SELECT s.id || ' ' || s.state FROM steps s JOIN runs r ON r.id = s.run_id WHERE r.state IN {over}"
                " AND s.finished_at IS NULL",
            "finished steps with an unsettled intent":
                "SELECT id FROM steps WHERE state = 'succeeded' AND intent_state = 'maybe_sent'",
            "claims of ended runs":
                f"SELECT c.run_id FROM run_claims c JOIN runs r ON r.id = c.run_id WHERE r.state IN {over}",
            "ended runs without exactly one last event":
                "SELECT r.id FROM runs r LEFT JOIN events e ON e.run_id = r.id AND e.type IN"
                f" ('run.succeeded', 'run.failed', 'run.cancelled') WHERE r.state IN {over}"
                " GROUP BY r.id HAVING count(e.id) <> 1",
            "numbers of events with a hole":
                "SELECT seq FROM (SELECT seq, lag(seq) OVER (ORDER BY seq) AS before FROM events WHERE seq IS NOT NULL) AS s"
                " WHERE seq <> before + 1",
        }
        found = {}
        for what, sql in checks.items():
            rows = self.query(sql)
            if rows:
                found[what] = [str(r[0]) for r in rows[:5]]
        return found

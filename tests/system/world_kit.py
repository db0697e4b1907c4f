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
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
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

    def url(self, database, folder=None):
        return f"postgresql://postgres@/{database}?host={str(folder or self.folder).replace('/', '%2F')}"

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


class Wire:
    """The network between one replica and what it speaks to, which can fall silent and come back.

    Silent, nothing passes in either direction and nothing is closed, as behind a dead switch; healed, what was held up is gone for good
    and its connections break, as they do when a firewall has forgotten them. address, target: as sockets have them; a path or a pair.
    calls: (when, operation) of what was asked of Amazon Personalize."""

    def __init__(self, address, target):
        self.target = target
        self.is_silent = threading.Event()
        self.lock, self.pairs, self.calls = threading.Lock(), [], []
        self.listener = self.socket(address)
        self.listener.bind(address)
        self.listener.listen(64)
        self.address = self.listener.getsockname()
        threading.Thread(target=self.accept, daemon=True).start()

    @staticmethod
    def socket(address):
        return socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client):
        pair = [client]
        with self.lock:
            self.pairs.append(pair)
        try:
            while self.is_silent.is_set():  # a new connection hangs as an old one does
                time.sleep(0.02)
            server = self.socket(self.target)
            pair.append(server)
            server.connect(self.target)
            while True:
                for source in select.select(pair, [], [], 1)[0]:
                    data = source.recv(65536)
                    while self.is_silent.is_set():
                        time.sleep(0.02)
                    if not data:
                        return
                    if source is client:
                        self.note(data)
                    (server if source is client else client).sendall(data)
        except (OSError, ValueError):
            pass  # one side is gone
        finally:
            with self.lock:
                self.pairs.remove(pair)
            for end in pair:
                end.close()

    def note(self, data):
        found = re.search(rb"(?i)x-amz-target: *AmazonPersonalize\.(\w+)", data)
        if found:
            with self.lock:
                self.calls.append((time.time(), found[1].decode()))

    def last_change(self):
        """When the last call went out that may change something; 0: never."""
        with self.lock:
            return max((at for at, name in self.calls if not name.startswith(("Describe", "List", "Get"))), default=0)

    def heal(self):
        with self.lock:
            for pair in self.pairs:
                for end in pair:
                    try:
                        end.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass  # gone already
        self.is_silent.clear()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.heal()


class Simulator:
    one_client_at_a_time = threading.Lock()  # boto3's default session is not made for threads

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
        with Simulator.one_client_at_a_time:
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


    def standing(self):
        """What is there at the end: each resource with the last change that was asked for. Generated parts of names and ARNs are starred,
        so that two worlds with the same history can be compared."""
        def starred(text):
            text = re.sub(r"-[a-z2-7]{20}\b", "-*", text)
            text = re.sub(r"(solution/[^/\"]+)/[0-9a-f]{8}", r"\1/*", text)
            return re.sub(r"(event-tracker)/[0-9a-f]{8}", r"\1/*", text)
        alive = {}
        for entry in self.ledger():
            verb, arn, request = entry["operation"], entry.get("arn"), entry.get("request")
            if not entry.get("hasEffect") or not arn:
                continue
            if verb.startswith("Create"):
                alive[arn] = []
            elif verb.startswith(("Update", "Stop")):
                alive[arn] = [c for c in alive.get(arn, []) if not c.startswith(verb)] + [f"{verb} {json.dumps(request, sort_keys=True)}"]
            elif verb.startswith("Delete"):
                alive.pop(arn, None)
        return sorted(starred(f"{arn} {' '.join(sorted(changes))}".strip()) for arn, changes in alive.items())


# Sees every change of a run and of a step as it is committed, and notes what may never be, and who took over from whom.
WITNESS = """
CREATE TABLE witness (at timestamptz NOT NULL DEFAULT clock_timestamp(), what text NOT NULL, step text, detail text);
CREATE FUNCTION witness_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.lease_token < OLD.lease_token THEN
        INSERT INTO witness (what, step) VALUES ('I6: a token fell', NEW.id);
    END IF;
    IF NEW.lease_owner IS NOT NULL AND NEW.lease_owner IS DISTINCT FROM OLD.lease_owner AND NEW.lease_token <= OLD.lease_token THEN
        INSERT INTO witness (what, step) VALUES ('I6: a lease without a new token', NEW.id);
    END IF;
    IF NEW.lease_owner IS NOT NULL AND OLD.lease_owner IS NOT NULL AND NEW.lease_token > OLD.lease_token THEN
        INSERT INTO witness (what, step, detail) VALUES ('takeover', NEW.id, OLD.lease_owner || ' > ' || NEW.lease_owner);
        IF OLD.wake_at > clock_timestamp() THEN
            INSERT INTO witness (what, step) VALUES ('I5: taken before the lease was over', NEW.id);
        END IF;
    END IF;
    IF NEW.sends > OLD.sends AND (NEW.intent_state <> 'maybe_sent' OR NEW.last_mark_at IS NULL OR NEW.intent_op IS NULL
                                  OR NEW.lease_owner IS NULL OR NEW.lease_token <> OLD.lease_token) THEN
        INSERT INTO witness (what, step) VALUES ('I7: a send without its mark', NEW.id);
    END IF;
    IF NEW.sends > OLD.sends AND NEW.intent_op <> 'stop' AND EXISTS (SELECT FROM runs r WHERE r.id = NEW.run_id AND r.cancel_requested_at IS NOT NULL) THEN
        INSERT INTO witness (what, step) VALUES ('I15: marked after the cancel', NEW.id);
    END IF;
    IF OLD.finished_at IS NOT NULL AND (NEW.state <> OLD.state OR NEW.finished_at IS DISTINCT FROM OLD.finished_at) THEN
        INSERT INTO witness (what, step) VALUES ('I10: an ended step changed', NEW.id);
    END IF;
    IF NEW.attempt < OLD.attempt OR (OLD.state = 'waiting' AND NEW.state = 'ready' AND NEW.attempt = OLD.attempt) THEN
        INSERT INTO witness (what, step) VALUES ('I10: a step went back', NEW.id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER UPDATE ON steps FOR EACH ROW EXECUTE FUNCTION witness_step();
CREATE FUNCTION witness_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.finished_at IS NOT NULL AND (NEW.state <> OLD.state OR NEW.finished_at IS DISTINCT FROM OLD.finished_at) THEN
        INSERT INTO witness (what, detail) VALUES ('I10: an ended run changed', NEW.id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER UPDATE ON runs FOR EACH ROW EXECUTE FUNCTION witness_run();
"""


class World:
    """Replicas on a database of their own. options: of every `steward serve`; env: of the first replica only; aws: a FaultProxy between
    them and the simulator, or one for each; gates: a Gate for each, between it and PostgreSQL; has_wires: a Wire to both for each; stage:
    a kept world whose database, simulator and secrets are copied."""

    numbers = itertools.count(1)

    def __init__(self, folder, postgres, replicas=1, options=(), simulator=(), env=None, aws=None, gates=(), stage=None, has_wires=False):
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
        self.stage, self.is_kept = stage, False
        self.kept, self.lock, self.connections = threading.local(), threading.Lock(), []
        self.has_wires, self.wires, self.aws_wires = has_wires, [], []

    def __enter__(self):
        self.postgres.query("postgres", f"CREATE DATABASE {self.database}" + (f" TEMPLATE {self.stage.database}" if self.stage else ""))
        if self.stage:
            self.simulator.folder.mkdir(parents=True, exist_ok=True)
            shutil.copytree(self.stage.simulator.folder / "data", self.simulator.folder / "data")
        self.simulator.__enter__()
        for i in range(self.n):
            aws = self.aws[i] if isinstance(self.aws, list) else self.aws
            aws_url = aws.to(self.simulator.url) if aws else self.simulator.url
            postgres = self.gates[i] if self.gates else self.postgres
            (self.folder / f"r{i}").mkdir(exist_ok=True)
            database_url = postgres.url(self.database)
            if self.has_wires:
                database_url, aws_url = self.lay_wires()
            self.replicas.append(Server(self.folder / f"r{i}", "--local", "--database-url", database_url, "--simulator-url", aws_url,
                                        *self.options, local=False, env=self.env if i == 0 else {}))
            if self.stage:
                self.replicas[i].data_dir.mkdir(mode=0o700)
                for name in ("admin.token", "secrets.key"):
                    shutil.copy2(self.stage.replicas[0].data_dir / name, self.replicas[i].data_dir / name)
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
            for connection in self.connections:
                connection.close()
            for wire in self.wires + self.aws_wires:
                wire.close()
            for wire in self.wires:
                shutil.rmtree(pathlib.Path(wire.address).parent)
            if not kind and not self.is_kept:  # what failed is left to be looked at
                self.postgres.query("postgres", f"DROP DATABASE {self.database} WITH (FORCE)")

    def lay_wires(self):
        """Of the next replica: the URLs of the database and of the simulator behind them."""
        folder = tempfile.mkdtemp(prefix="wire-")  # the path of a socket is short: not below the test's folder
        self.wires.append(Wire(folder + "/.s.PGSQL.5432", str(self.postgres.folder / ".s.PGSQL.5432")))
        host, port = self.simulator.url.removeprefix("http://").split(":")
        self.aws_wires.append(Wire(("127.0.0.1", 0), (host, int(port))))
        return self.postgres.url(self.database, folder), "http://%s:%d" % self.aws_wires[-1].address

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
        """On a connection that is kept, one per thread: these tests ask often. Broken, it is made again."""
        pg = getattr(self.kept, "connection", None)
        for is_last in (pg is None, True):
            if pg is None:
                pg = self.kept.connection = psycopg2.connect(self.postgres.url(self.database))
                pg.autocommit = True
                with self.lock:
                    self.connections.append(pg)
            try:
                with pg.cursor() as cursor:
                    cursor.execute(sql, values or None)
                    return cursor.fetchall() if cursor.description else None
            except psycopg2.Error as e:
                if is_last or (e.pgcode and not pg.closed):  # the server's own word has a code
                    raise
                pg = self.kept.connection = None
        return None

    def run_status(self, run):
        rows = self.query("SELECT state FROM runs WHERE id = %s", run)
        return rows[0][0] if rows else None

    def wait_run(self, run, seconds=90):
        """By SQL: any replica may be dead just now."""
        return wait_until(lambda: (lambda s: s if s in FINAL else None)(self.run_status(run)), seconds)

    def install_witness(self):
        """Before the first run. The replicas may be up: the tables are there then."""
        self.query(WITNESS)

    def takeovers(self):
        """When a step that was leased got a new lease: seconds since the epoch."""
        return [r[0] for r in self.query("SELECT extract(epoch FROM at)::float8 FROM witness WHERE what = 'takeover' ORDER BY at")]

    def metric(self, i, name):
        server = self.replicas[i]
        text = requests.get(server.url + "/metrics", headers={"Authorization": f"Bearer {server.token}"}, timeout=10).text
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith(name + " ") or line.startswith("steward_" + name + " ")))

    def ledger_faults(self):
        """The ledger held against the steps: one effect per intent, none without its step, no step without its effect."""
        entries = [e for e in self.simulator.ledger() if e["operation"].startswith("Create") and e.get("hasEffect") and e.get("arn")]
        known = {r[0] for r in self.query("SELECT DISTINCT arn FROM steps WHERE arn IS NOT NULL")}
        created = {r[0] for r in self.query("SELECT DISTINCT arn FROM steps WHERE result = 'created' AND arn IS NOT NULL")}
        intents = collections.Counter(t["tagValue"] for e in entries for t in (e.get("request") or {}).get("tags") or ()
                                      if t["tagKey"] == "steward:intent")
        made = {e["arn"] for e in entries}
        # A solution may have been trained by several steps, each of which knows its version.
        allowed = collections.Counter(re.sub("/[^/]*$", "", arn) for arn in known if re.search(":solution/[^/]+/", arn))
        return {"duplicates": [str(k) for k, n in self.simulator.made().items() if n > max(1, allowed[k[2]])]
                + [k for k, n in intents.items() if n > 1],
                "lost": sorted(created - made), "orphans": sorted(made - known)}

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
            "ended steps without exactly one last event":
                "SELECT s.id FROM steps s LEFT JOIN events e ON e.step_id = s.id AND e.type IN ('step.succeeded', 'step.failed')"
                " WHERE s.state IN ('succeeded', 'failed') GROUP BY s.id, s.state"
                " HAVING count(e.id) <> 1 OR min(e.type) <> 'step.' || s.state",
            "numbers of events with a hole":
                "SELECT seq FROM (SELECT seq, lag(seq) OVER (ORDER BY seq) AS before FROM events WHERE seq IS NOT NULL) AS s"
                " WHERE seq <> before + 1",
        }
        if self.query("SELECT to_regclass('witness')")[0][0]:
            checks["the witness"] = "SELECT what || ' ' || coalesce(step, detail) FROM witness WHERE what <> 'takeover'"
        found = {}
        for what, sql in checks.items():
            rows = self.query(sql)
            if rows:
                found[what] = [str(r[0]) for r in rows[:5]]
        return found

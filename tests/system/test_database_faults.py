"""What the server does while PostgreSQL is restarted, killed, silent, full or out of connections.

The rule: an answer of 2xx stays true; requests that need the database fail soon, with 503 (507 when the disk is full) and a word when to
come again; /livez stays 200; and everything goes on without anybody's help once the database is back."""
import os
import shutil
import signal
import subprocess
import threading
import time

import psycopg2
import pytest
import requests

from server_kit import config, wait_until
from world_kit import Postgres, World

pytestmark = pytest.mark.slow


@pytest.fixture
def postgres(tmp_path):
    with Postgres(tmp_path / "pg", durable=True) as pg:
        yield pg


class Writers:
    """Clients that store one config after the other; what was acknowledged, what was refused, and how long an answer took."""

    def __init__(self, server, n=4):
        self.server = server
        self.acknowledged, self.refused, self.odd, self.longest_s = [], 0, [], 0.0
        self.lock, self.end = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(i,)) for i in range(n)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        for thread in self.threads:
            thread.join()

    def work(self, i):
        session = requests.Session()
        headers = {"Authorization": f"Bearer {self.server.token}"}
        n = 0
        while not self.end.is_set():
            n += 1
            started = time.monotonic()
            answer = session.post(self.server.url + "/configs", json=group_only(f"w{i}-{n}"), headers=headers, timeout=60)
            with self.lock:
                self.longest_s = max(self.longest_s, time.monotonic() - started)
                if answer.status_code in (200, 201):
                    self.acknowledged.append((f"w{i}-{n}", answer.json()["run"]["id"]))
                elif answer.status_code == 503 and "Retry-After" in answer.headers:
                    self.refused += 1
                else:
                    self.odd.append((answer.status_code, answer.text[:300]))
            self.end.wait(0.02)

    def count(self):
        with self.lock:
            return len(self.acknowledged)


def group_only(name):
    return {"datasetGroup": {"serviceConfig": {"name": name}}}


def judge(world, writers):
    """Nothing acknowledged was lost, nothing odd was answered, and every run came to its end."""
    server = world.replicas[0]
    assert not writers.odd, writers.odd[:3]
    assert writers.acknowledged
    stored = {r[0] for r in world.query("SELECT name FROM configs")}
    assert not {name for name, _ in writers.acknowledged} - stored
    wait_until(lambda: not world.query("SELECT 1 FROM runs WHERE finished_at IS NULL LIMIT 1"), 120)
    wait_until(lambda: not world.query("SELECT 1 FROM events WHERE seq IS NULL LIMIT 1"), 20)
    assert {r[0] for r in world.query("SELECT state FROM runs")} == {"succeeded"}, server.tail()
    assert not world.faults_found()
    assert not {k: n for k, n in world.simulator.made().items() if n > 1}
    print(f"acknowledged {len(writers.acknowledged)}, refused {writers.refused}, longest answer {writers.longest_s:.1f} s")


def is_ready(server):
    try:
        return requests.get(server.url + "/readyz", timeout=10).status_code == 200
    except requests.RequestException:
        return False


@pytest.fixture
def world(tmp_path, postgres):
    with World(tmp_path / "w", postgres, options=["--in-flight", "64"]) as world:
        world.start(0)
        yield world


def test_restart_under_load(world, postgres):
    server = world.replicas[0]
    with Writers(server) as writers:
        wait_until(lambda: writers.count() > 20, 60)
        for _ in range(2):
            postgres.stop("fast")
            assert requests.get(server.url + "/livez", timeout=5).status_code == 200
            wait_until(lambda: not is_ready(server), 10)
            postgres.start()
            wait_until(lambda: is_ready(server), 30)
            seen = writers.count()
            wait_until(lambda: writers.count() > seen + 20, 60)
    judge(world, writers)


def test_killed_under_load(world, postgres):
    """kill -9 of the postmaster and, apart from that, of every session at once."""
    server = world.replicas[0]
    with Writers(server) as writers:
        wait_until(lambda: writers.count() > 20, 60)
        for _ in range(2):
            postgres.kill()
            time.sleep(0.3)
            wait_until(lambda: try_start(postgres), 60)
            wait_until(lambda: is_ready(server), 30)
            seen = writers.count()
            wait_until(lambda: writers.count() > seen + 20, 60)
            world.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = %s",
                        world.database)
            seen = writers.count()
            wait_until(lambda: writers.count() > seen + 20, 60)
    judge(world, writers)


def try_start(postgres):
    """After a kill -9 the old children may hold the memory for a moment longer."""
    try:
        postgres.start()
        return True
    except subprocess.CalledProcessError:
        return False


def test_silence(world, postgres):
    """Every session of the server stops answering without a word: requests end within seconds, and all goes on after the thaw."""
    server = world.replicas[0]
    pids = [r[0] for r in world.query("SELECT pid FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()", world.database)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    os.kill(postgres.pid(), signal.SIGSTOP)
    try:
        started = time.monotonic()
        answer = server.get("/runs")
        assert answer.status_code == 503 and int(answer.headers["Retry-After"]) >= 1, answer.text
        assert answer.json()["retryable"] is True
        assert time.monotonic() - started < 30  # the promise is about 6 s
        assert requests.get(server.url + "/livez", timeout=5).status_code == 200
        wait_until(lambda: not is_ready(server), 30)
    finally:
        os.kill(postgres.pid(), signal.SIGCONT)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
    wait_until(lambda: is_ready(server), 60)
    world.simulator.put_data("after")
    run = server.apply(config("after"))["run"]["id"]
    assert world.wait_run(run) == "succeeded"


def test_no_connections_left(world, postgres):
    """Others have taken every connection, and the server has lost its own: 503 soon, and recovery when there is room."""
    server = world.replicas[0]
    taken = []
    world.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()", world.database)
    try:
        # Superusers have some connections in reserve: take these as well.
        for _ in range(2000):
            try:
                taken.append(psycopg2.connect(postgres.url("postgres")))
            except psycopg2.OperationalError:
                pids = [c.info.backend_pid for c in taken]
                try:
                    with taken[0].cursor() as cursor:
                        cursor.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s"
                                       " AND pid <> ALL(%s)", (world.database, pids))
                        if cursor.fetchone()[0] == 0:
                            break
                    taken[0].rollback()
                except psycopg2.Error:
                    break
        wait_until(lambda: not is_ready(server), 30)
        started = time.monotonic()
        answer = server.get("/runs")
        assert answer.status_code == 503, answer.text
        assert time.monotonic() - started < 25
    finally:
        for connection in taken:
            connection.close()
    wait_until(lambda: is_ready(server), 60)
    assert server.get("/runs").status_code == 200


def test_rows_locked_by_others(world):
    """Somebody holds the lock of a config's row: its writers are told so in seconds, others are not held up."""
    server = world.replicas[0]
    for name in ("locked", "free"):
        assert world.wait_run(server.apply(group_only(name))["run"]["id"]) == "succeeded"
    connection = psycopg2.connect(world.postgres.url(world.database))
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM configs WHERE name = 'locked' FOR UPDATE")
        document = group_only("locked")
        document["tags"] = [{"tagKey": "a", "tagValue": "b"}]
        started = time.monotonic()
        answer = server.call("PUT", "/configs/locked", json=document)
        assert answer.status_code == 503 and "Retry-After" in answer.headers, answer.text
        assert time.monotonic() - started < 25  # lock_timeout is 2 s
        assert server.call("PUT", "/configs/free", json=document | group_only("free")).status_code == 200
        assert world.wait_run(server.apply(group_only("other"))["run"]["id"]) == "succeeded"
    finally:
        connection.close()
    assert server.call("PUT", "/configs/locked", json=document).status_code == 200


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("mount"), reason="needs root for a small file system")
def test_disk_full(tmp_path):
    """PostgreSQL's disk is full: writes answer 507 or 503, reads work, and freeing space is all the help that is needed."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(folder)], check=False).returncode != 0:
        pytest.skip("no right to mount here")
    try:
        with Postgres(folder / "pg") as postgres, World(tmp_path / "w", postgres) as world:
            server = world.start(0)
            server.apply(group_only("before"))
            fill(folder / "ballast")
            statuses = set()
            end = time.monotonic() + 60
            n = 0
            while time.monotonic() < end and not statuses & {503, 507}:
                n += 1
                answer = server.post("/configs", json=group_only(f"full{n}") | {"tags": [
                    {"tagKey": f"k{i}", "tagValue": "v" * 200} for i in range(40)]})
                statuses.add(answer.status_code)
                fill(folder / "ballast")
            assert statuses <= {201, 503, 507} and statuses & {503, 507}, statuses
            assert server.get("/configs/before").status_code == 200
            assert requests.get(server.url + "/livez", timeout=5).status_code == 200
            (folder / "ballast").unlink()
            wait_until(lambda: server.post("/configs", json=group_only("after")).status_code in (200, 201), 60)
            wait_until(lambda: not world.query("SELECT 1 FROM runs WHERE finished_at IS NULL LIMIT 1"), 120)
            assert not world.faults_found()
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def fill(path):
    """The last free byte of the file system goes into this file."""
    with open(path, "ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                pass

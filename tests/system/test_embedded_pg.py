"""The embedded PostgreSQL: initdb killed at any moment, adoption after kill -9, stale pid files, the lock, two roles.

Drives build/embedded_probe (tests/system/db/embedded_probe.c). STEWARD_BUILD names the build folder; without it the newest
build*/embedded_probe is taken. As root every test also runs as an ordinary user. Random moments come from SEED (printed).
Times are printed, deadlines asserted with five-fold slack.
"""
import glob
import os
import pathlib
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import psycopg2
import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEED = int(os.environ.get("SEED", time.time_ns() % 1000000))
SERVER_USER = next((u for u in ("steward", "postgres", "nobody") if u in {p.pw_name for p in pwd.getpwall()}), None)


def probe_path():
    build = os.environ.get("STEWARD_BUILD")
    if build:
        return str(pathlib.Path(build).resolve() / "embedded_probe")
    found = sorted(glob.glob(str(ROOT / "build*" / "embedded_probe")), key=os.path.getmtime)
    if not found:
        pytest.skip("embedded_probe is not built")
    return found[-1]


class House:
    """A data folder, and the probes that ran on it."""

    def __init__(self, base, user):
        self.base = base
        self.data = os.path.join(base, "data")
        self.user = user  # None: as we are
        # the checkout may be closed to the other user
        self.program = os.path.join(base, "embedded_probe")
        shutil.copy(probe_path(), self.program)
        os.chmod(self.program, 0o755)
        self.probes = []

    def start(self, env=None, expect_ready=True):
        command = [self.program, self.data]
        if self.user:
            entry = pwd.getpwnam(self.user)
            command = ["setpriv", "--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid), "--clear-groups", "--", *command]
        elif os.geteuid() == 0:
            command.append(SERVER_USER)
        environment = {k: v for k, v in os.environ.items() if k != "XDG_RUNTIME_DIR"} | (env or {})
        probe = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                 cwd="/", env=environment)
        self.probes.append(probe)
        if expect_ready:
            line = probe.stdout.readline()
            if not line.startswith("ready "):
                pytest.fail(f"not ready: {line!r} {probe.stderr.read()}")
            facts = dict(re.findall(r"(\w+)=(\S+)", line))
            probe.pid_pg, probe.adopted, probe.ms = int(facts["pid"]), facts["adopted"] == "1", int(facts["ms"])
            probe.url, probe.owner_url = probe.stdout.readline().strip(), probe.stdout.readline().strip()
            probe.migrated = probe.stdout.readline().strip()
        return probe

    @staticmethod
    def tell(probe, word):
        probe.stdin.write(word + "\n")
        probe.stdin.flush()

    def end(self, probe, word="stop"):
        self.tell(probe, word)
        assert probe.wait(60) == 0, probe.stderr.read()

    def postmasters(self):
        """Processes that work in the cluster and whose parent does not."""
        inside = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/cwd") == os.path.join(self.data, "postgres"):
                    inside[int(pid)] = int(re.search(r"^PPid:\s+(\d+)", open(f"/proc/{pid}/status").read(), re.M).group(1))
            except OSError:
                pass
        return [pid for pid, parent in inside.items() if parent not in inside]

    def destroy(self):
        for probe in self.probes:
            if probe.poll() is None:
                probe.kill()
                probe.wait()
        for pid in self.postmasters():
            os.kill(pid, signal.SIGQUIT)
        wait_for(lambda: not self.postmasters(), "the server to go")
        record = os.path.join(self.data, "postgres.runtime")
        if os.path.exists(record):
            shutil.rmtree(open(record).read(), ignore_errors=True)
        shutil.rmtree(self.base, ignore_errors=True)


def wait_for(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited too long for {what}"
        time.sleep(0.02)


@pytest.fixture(params=["as we are", "as an ordinary user"])
def house(request):
    user = None
    if request.param == "as an ordinary user":
        if os.geteuid() != 0:
            pytest.skip("we are one")
        user = "nobody"
    base = tempfile.mkdtemp(prefix="stw-emb-", dir="/tmp")
    os.chmod(base, 0o711)
    if user:
        shutil.chown(base, user)
    made = House(base, user)
    print(f"SEED={SEED}")
    yield made
    made.destroy()


def test_first_start_then_restart_then_adoption(house):
    first = house.start()
    print(f"first start with initdb: {first.ms} ms")
    assert first.ms < 15000 and not first.adopted and first.migrated != "migrated 0"
    house.tell(first, "count")
    readable, tables, create, super_ = re.fullmatch(
        r"tables (\d+) of (\d+) create=(\w) super=(\w)\n", first.stdout.readline()).groups()
    assert readable == tables and int(tables) > 1 and (create, super_) == ("f", "f")
    house.end(first)
    assert house.postmasters() == []
    runtime = re.search(r"host='([^']+)'", first.url).group(1)
    assert not os.path.exists(runtime)  # nothing is left in /run or /tmp

    second = house.start()
    print(f"start of an existing cluster: {second.ms} ms")
    assert second.ms < 5000 and not second.adopted and second.migrated == "migrated 0"
    house.end(second, "keep")
    assert house.postmasters() == [second.pid_pg]

    third = house.start()
    print(f"adoption: {third.ms} ms")
    assert third.adopted and third.pid_pg == second.pid_pg and third.ms < 1500
    house.end(third)
    assert house.postmasters() == []


def test_only_the_socket_and_only_with_the_password(house):
    probe = house.start()
    runtime = re.search(r"host='([^']+)'", probe.url).group(1)
    status = os.stat(runtime)
    assert status.st_mode & 0o777 == 0o700 and len(runtime) < 81
    assert os.stat(os.path.join(house.data, "postgres.pgpass")).st_mode & 0o777 == 0o600
    assert "password" not in probe.url.replace("passfile", "")
    inodes = set()
    for fd in glob.glob(f"/proc/{probe.pid_pg}/fd/*"):
        try:
            inodes.update(re.findall(r"socket:\[(\d+)\]", os.readlink(fd)))
        except OSError:
            pass
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        assert not inodes & {line.split()[9] for line in open(table).readlines()[1:]}  # no TCP at all
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(host=runtime, user="steward", dbname="steward", password="guess")
    connection = psycopg2.connect(probe.url)
    cursor = connection.cursor()
    cursor.execute("SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'data_checksums', 'jit',"
                   " 'listen_addresses', 'password_encryption', 'synchronous_commit')")
    assert dict(cursor.fetchall()) == {"fsync": "on", "full_page_writes": "on", "data_checksums": "on", "jit": "off",
                                       "listen_addresses": "", "password_encryption": "scram-sha-256",
                                       "synchronous_commit": "on"}
    with pytest.raises(psycopg2.Error, match="permission denied"):
        cursor.execute("CREATE TABLE mine (id int)")
    connection.rollback()
    with pytest.raises(psycopg2.Error, match="permission denied"):
        cursor.execute("SELECT pg_read_file('/etc/passwd')")
    connection.close()
    house.end(probe)


def test_killed_five_times_and_adopted_each_time(house):
    probe = house.start()
    identity = postmaster = probe.pid_pg
    connection = psycopg2.connect(probe.owner_url)
    connection.cursor().execute("CREATE TABLE kept (id int); INSERT INTO kept VALUES (42)")
    connection.commit()
    for _ in range(5):
        probe.send_signal(signal.SIGKILL)
        probe.wait()
        assert house.postmasters() == [postmaster]
        probe = house.start()
        assert probe.adopted and probe.pid_pg == identity
    cursor = connection.cursor()  # a session that has lived through all of it
    cursor.execute("SELECT id FROM kept")
    assert cursor.fetchall() == [(42,)]
    connection.close()
    house.end(probe)
    assert house.postmasters() == []


def test_killed_at_random_moments_of_the_first_start(house):
    chance = random.Random(SEED)
    for _ in range(5):
        probe = house.start(expect_ready=False)
        time.sleep(chance.uniform(0, 1.8))
        probe.send_signal(signal.SIGKILL)
        probe.wait()
        assert len(house.postmasters()) <= 1
    probe = house.start()
    house.tell(probe, "count")
    assert re.match(r"tables (\d+) of \1 create=f", probe.stdout.readline())
    house.end(probe)
    house.end(house.start())  # an orphan of a killed initdb may have written until now
    leftovers = glob.glob(house.data + "/postgres.new-*")
    assert leftovers == [], leftovers


@pytest.mark.parametrize("point", ["pg.initdb_mid", "pg.initdb_rename", "pg.start", "pg.ready_wait", "pg.roles", "pg.rights",
                                   "pg.migrate_step", "pg.migrate_before_commit", "pg.migrate_step@2"])
def test_killed_at_each_failpoint_of_the_first_start(house, point):
    if house.user:
        pytest.skip("once is enough")
    name, _, at = point.partition("@")
    probe = house.start({"STEWARD_FAILPOINTS": f"{name}=kill9" + (f"@{at}" if at else "")}, expect_ready=False)
    house.tell(probe, "stop")
    if probe.wait(60) == 0:
        pytest.skip("built without failpoints")
    assert probe.returncode == -signal.SIGKILL
    again = house.start()
    house.tell(again, "count")
    assert re.match(r"tables (\d+) of \1 create=f", again.stdout.readline())
    cursor = psycopg2.connect(again.owner_url).cursor()
    cursor.execute("SELECT count(*) FROM schema_migrations")
    assert cursor.fetchone()[0] == len(list((ROOT / "migrations").glob("*.sql")))
    house.end(again)


def test_the_lock_keeps_a_second_server_out(house):
    probe = house.start()
    second = house.start(expect_ready=False)
    assert second.wait(30) == 3
    assert f"pid {probe.pid}" in second.stderr.read()
    assert house.postmasters() == [probe.pid_pg]
    house.end(probe)


def test_a_dead_postmaster_is_started_again(house):
    probe = house.start()
    for _ in range(2):
        old = probe.pid_pg
        os.kill(old, signal.SIGKILL)

        def renewed():
            house.tell(probe, "pid")
            probe.pid_pg = int(probe.stdout.readline().split("=")[1])
            return probe.pid_pg != old

        start = time.monotonic()
        wait_for(renewed, "a new postmaster")
        print(f"started again after {time.monotonic() - start:.2f} s")
        psycopg2.connect(probe.url).close()
    house.end(probe)
    assert house.postmasters() == []


def test_a_pid_file_of_somebody_else_is_stale(house):
    house.end(house.start())
    sleeper = subprocess.Popen(["sleep", "600"], cwd="/", preexec_fn=None if not house.user else lambda: os.setuid(
        pwd.getpwnam(house.user).pw_uid))
    try:
        path = os.path.join(house.data, "postgres", "postmaster.pid")
        for pid in (sleeper.pid, 4194303):  # a reused one, and one of nobody
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"{pid}\n{house.data}/postgres\n1700000000\n5432\n/nowhere\n\n  1 2\nready   \n")
            shutil.chown(path, *(2 * [os.stat(os.path.dirname(path)).st_uid]))
            probe = house.start()
            assert not probe.adopted
            house.end(probe)
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_start_that_fails_says_why(house):
    house.end(house.start())
    with open(os.path.join(house.data, "postgres", "local.conf"), "w", encoding="utf-8") as file:
        file.write("shared_buffers = lots\n")
    os.chmod(file.name, 0o644)
    probe = house.start(expect_ready=False)
    assert probe.wait(60) == 1
    assert "shared_buffers" in probe.stderr.read()
    with open(file.name, "w", encoding="utf-8") as file:
        file.write("fsync = off\n")
    probe = house.start(expect_ready=False)
    assert probe.wait(60) == 1
    assert "not safe" in probe.stderr.read()
    assert house.postmasters() == []
    os.unlink(file.name)
    house.end(house.start())
    probe = house.start({"STEWARD_PG_BIN": "/nowhere"}, expect_ready=False)
    assert probe.wait(60) == 1 and "/nowhere" in probe.stderr.read()


def test_another_cluster_in_the_folder_is_refused(house):
    house.end(house.start())
    path = os.path.join(house.data, "postgres.system-id")
    with open(path, "w", encoding="utf-8") as file:
        file.write("7000000000000000000")
    probe = house.start(expect_ready=False)
    assert probe.wait(60) == 1 and "7000000000000000000" in probe.stderr.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_folder_that_the_server_user_cannot_reach_is_named():
    base = tempfile.mkdtemp(prefix="stw-emb-", dir="/tmp")  # 0700 and root's
    house = House(base, None)
    try:
        probe = house.start(expect_ready=False)
        assert probe.wait(60) == 1
        assert f"cannot pass through {base}" in probe.stderr.read()
    finally:
        house.destroy()


def test_a_long_data_folder_has_a_short_socket(house):
    house.data = os.path.join(house.base, "d" * 60, "e" * 60)
    probe = house.start()
    connected = socket.socket(socket.AF_UNIX)
    assert len(re.search(r"host='([^']+)'", probe.url).group(1)) <= 80
    connected.close()
    house.end(probe)

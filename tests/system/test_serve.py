"""The server program: first start, exit codes, kill -9, what it leaves behind."""
import os
import signal
import socket
import subprocess
import time

import pytest
import requests

from server_kit import BUILD, Server, config, wait_until


def serve(*options, env=None, seconds=60):
    return subprocess.run([BUILD / "steward", "serve", *map(str, options)], capture_output=True, text=True, timeout=seconds,
                          env={k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "STEWARD_"))} | (env or {}))


@pytest.mark.parametrize("options,words", [
    (["--frobnicate"], "Unknown option"), (["--workers", "65"], "--workers"), (["--workers", "x"], "--workers"),
    (["--listen", "nowhere"], "ADDRESS:PORT"), (["--listen", "example.org:80"], "IP address"),
    (["--listen", "0.0.0.0:0"], "--insecure-plain-http"), (["--listen", "[::]:0"], "--insecure-plain-http"),
    (["--account-id", "12"], "12 digits"), (["--log-level", "loud"], "--log-level"), (["--log-format", "xml"], "--log-format"),
    (["--engine-lease", "soon"], "--engine-lease"), (["--local", "--endpoint-url", "http://x"], "--endpoint-url"),
    (["extra"], "Unexpected argument")])
def test_bad_options_exit_2_with_one_clear_line(tmp_path, options, words):
    done = serve("--data-dir", tmp_path / "d", *options)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr and len(done.stderr.strip().splitlines()) <= 2
    assert not (tmp_path / "d" / "steward.url").exists()


def test_help_lists_every_option():
    done = serve("--help")
    assert done.returncode == 0
    for option in ("--local", "--listen", "--data-dir", "--database-url", "--workers", "--engine-lease", "STEWARD_"):
        assert option in done.stdout


def test_options_from_the_environment(tmp_path):
    assert serve("--data-dir", tmp_path, env={"STEWARD_WORKERS": "many"}).returncode == 2


def test_first_start(start_server):
    server = start_server()
    token = server.data_dir / "admin.token"
    assert oct(token.stat().st_mode & 0o777) == "0o600"
    assert server.token not in server.log.read_text()  # the path is printed, not the secret
    assert str(token) in server.log.read_text()
    first = server.token
    assert server.stop() == 0
    assert not (server.data_dir / "steward.url").exists()
    server.start()
    assert server.token == first and server.get("/configs").status_code == 200
    again = serve("--local", "--data-dir", server.data_dir, "--listen", "127.0.0.1:0")
    assert again.returncode == 3 and "another server" in again.stderr.lower()


def test_local_ignores_the_settings_of_the_environment(start_server):
    server = start_server(env={"AWS_ACCESS_KEY_ID": "AKIAREALREALREALREAL", "AWS_SECRET_ACCESS_KEY": "real", "AWS_REGION": "eu-west-1"})
    assert "ignores the AWS settings" in server.log.read_text()
    server.put_data("shop")
    assert server.wait_run(server.apply(config("shop", solutions=0))["run"]["id"])["status"] == "succeeded"
    assert "AKIAREAL" not in server.log.read_text()


def test_kill_9_and_again(start_server):
    server = start_server()
    server.put_data("shop")
    run = server.apply(config("shop"))["run"]["id"]
    simulator = server.simulator_url
    pid = (server.data_dir / "simulator" / "simulator.pid").read_text()
    server.kill()
    assert requests.get(simulator + "/_simulator/instance", timeout=5).json()["pid"] == int(pid)  # it outlived us
    server.start()
    assert server.simulator_url == simulator and "taken over" in server.log.read_text()
    assert (server.data_dir / "simulator" / "simulator.pid").read_text() == pid
    assert server.wait_run(run)["status"] == "succeeded"
    assert len(server.aws("personalize").list_campaigns()["campaigns"]) == 1
    assert server.stop() == 0
    with pytest.raises(requests.ConnectionError):  # nothing is left running
        requests.get(simulator, timeout=5)
    assert not (server.data_dir / "simulator" / "simulator.pid").exists()


@pytest.mark.concurrency
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_stop_under_load(start_server, signum):
    server = start_server("--simulator-time-scale", "1000")
    server.put_data("shop")
    run = server.apply(config("shop"))["run"]["id"]
    stream = requests.get(server.url + "/events", stream=True, timeout=30,
                          headers={"Authorization": f"Bearer {server.token}", "Accept": "text/event-stream"})
    started = time.monotonic()
    assert server.stop(signum) == 0
    assert time.monotonic() - started < 30
    stream.close()
    server.start()
    assert server.wait_run(run)["status"] == "succeeded"


@pytest.mark.concurrency
def test_more_signals_while_it_stops_change_nothing(start_server):
    """The signals had their default back once the loop was closed: a second SIGTERM that came after it ended the server at once, and left
    the PostgreSQL and the Amazon Personalize that it had started running."""
    server = start_server("--simulator-time-scale", "1000")
    server.put_data("shop")
    server.apply(config("shop"))
    children = [int((server.data_dir / name).read_text().split()[0]) for name in ("postgres/postmaster.pid", "simulator/simulator.pid")]
    process, server.process, sent = server.process, None, 0
    started = time.monotonic()
    while process.poll() is None and time.monotonic() < started + 60:
        process.send_signal((signal.SIGTERM, signal.SIGINT, signal.SIGHUP)[sent % 3])
        sent += 1
        time.sleep(0.002)
    assert process.wait(1) == 0, server.tail()
    assert not [pid for pid in children if os.path.exists(f"/proc/{pid}")]
    print(f"stopped {time.monotonic() - started:.1f} s after the first of {sent} signals")


def test_hangup_is_no_reason_to_stop(steward):
    steward.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert steward.get("/livez").status_code == 200


def test_a_database_of_another_kind_is_refused(start_server, tmp_path):
    server = start_server()
    server.stop()
    env = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    done = serve("--data-dir", server.data_dir, "--listen", "127.0.0.1:0", "--region", "us-east-1", "--account-id",
                 "123456789012", "--endpoint-url", "http://127.0.0.1:1", env=env)
    assert done.returncode == 2 and "bound to" in done.stderr, done.stderr


def test_no_database_yet(tmp_path):
    """The address answers; /readyz says what is missing; SIGTERM ends it."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = Server(tmp_path, "--database-url", f"postgresql://nobody@127.0.0.1:{port}/none")
    server.start(ready=False)
    url = wait_until(lambda: (server.data_dir / "steward.url").exists() and (server.data_dir / "steward.url").read_text().strip())
    assert requests.get(url + "/livez", timeout=5).status_code == 200
    ready = lambda: requests.get(url + "/readyz", timeout=5)  # noqa: E731
    wait_until(lambda: "reachable" in ready().json()["waitingFor"]["database"])
    assert ready().status_code == 503 and ready().headers["Retry-After"] == "1"
    refused = requests.get(url + "/configs", headers={"Authorization": "Bearer x"}, timeout=5)
    assert refused.status_code == 503 and refused.headers["Retry-After"] == "1"
    assert server.stop() == 0


def test_a_newer_database_is_refused(start_server):
    server = start_server()
    server.stop()
    server.start()
    server.kill()
    postmaster = (server.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()
    done = subprocess.run(
        ["psql", "-qX", "-h", postmaster[4], "-p", postmaster[3], "-U", "steward_owner", "-d", "steward", "-c",
         "INSERT INTO schema_migrations (number, name, sha256, compatible_with)"
         " SELECT 9999, 'future', sha256, 9999 FROM schema_migrations LIMIT 1"],
        env=os.environ | {"PGPASSFILE": str(server.data_dir / "postgres.pgpass")}, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    again = serve("--local", "--data-dir", server.data_dir, "--listen", "127.0.0.1:0", "--simulator-listen", "127.0.0.1:0")
    assert again.returncode == 4, again.stderr

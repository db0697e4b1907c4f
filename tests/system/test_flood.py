"""Clients that never stop: who sends without end, or a byte at a time, does not take the server from the others."""
import contextlib
import multiprocessing
import os
import socket
import time

import pytest
import requests

from server_kit import IS_SANITIZED, Server, wait_until
from world_kit import Postgres, World

FULL = bool(os.environ.get("STEWARD_TEST_FULL"))


def flood(port, stop):
    """One connection that is never silent: requests that need no database, answers thrown away."""
    block = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000
    with socket.create_connection(("127.0.0.1", port), 30) as s:
        s.setblocking(False)
        sent = 0
        while not stop.is_set():
            with contextlib.suppress(BlockingIOError):
                sent += s.send(block[sent % len(block):])
            with contextlib.suppress(BlockingIOError):
                while s.recv(1 << 20):
                    pass


def test_a_flood_of_cheap_requests_leaves_room_for_the_others():
    """Requests that are answered at once once went round in the loop's timers: its other handles, PostgreSQL's sockets
    among them, had to wait until the flood was over."""
    with Server() as server:
        port = int(server.url.rsplit(":", 1)[1])
        stop = multiprocessing.Event()
        floods = [multiprocessing.Process(target=flood, args=(port, stop)) for _ in range(6)]
        for p in floods:
            p.start()
        try:
            took = []
            for _ in range(20):
                began = time.monotonic()
                assert requests.get(server.url + "/configs", headers={"Authorization": f"Bearer {server.token}"}, timeout=30).status_code == 200
                took.append(time.monotonic() - began)
            print(f"GET /configs beside 6 floods: median {sorted(took)[10] * 1000:.0f} ms, worst {max(took) * 1000:.0f} ms")
        finally:
            stop.set()
            for p in floods:
                p.join(20)
                if p.is_alive():
                    os.kill(p.pid, 9)


def cpu_s(server):
    fields = open(f"/proc/{server.process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_few_descriptors_and_many_clients(tmp_path):
    """FD-1. With 64 descriptors the clients once took them all: kept connections held their places for a minute, nobody else was answered,
    and the work had none left. Now clients get a part of them, and when all places are taken those with nothing to say make room."""
    crowd = 500 if FULL else 120
    with Postgres(tmp_path / "pg") as pg, World(tmp_path / "w", pg) as world:
        world.replicas[0].wrapper = ["prlimit", "--nofile=64:64"]
        server = world.start(0)
        port = int(server.url.rsplit(":", 1)[1])
        clients, waits, runs = [], [], []
        began, cpu = time.monotonic(), cpu_s(server)
        try:
            for i in range(crowd):  # silent ones, and ones that keep their connection
                clients.append(socket.create_connection(("127.0.0.1", port), 30))
                if i % 2:
                    clients[-1].sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            for i in range(4):
                asked = time.monotonic()
                assert requests.get(server.url + "/livez", timeout=100).status_code == 200
                waits.append(time.monotonic() - asked)
                answer = requests.post(server.url + "/configs", json={"datasetGroup": {"serviceConfig": {"name": f"few{i}"}}}, timeout=100,
                                       headers={"Authorization": f"Bearer {server.token}"})
                runs.append(answer.json()["run"]["id"])
            wait_until(lambda: not world.query("SELECT 1 FROM runs WHERE finished_at IS NULL LIMIT 1"), 60)
            files, spent = len(os.listdir(f"/proc/{server.process.pid}/fd")), (cpu_s(server) - cpu) / (time.monotonic() - began)
        finally:
            for client in clients:
                client.close()
        assert {world.run_status(run) for run in runs} == {"succeeded"}
        assert not world.faults_found()
    print(f"64 descriptors, {crowd} clients: /livez after {waits[0]:.1f} s at first, {max(waits[1:]):.2f} s later; {files} descriptors in use; "
          f"{100 * spent:.0f} % of a core")
    assert spent < 0.6 or IS_SANITIZED

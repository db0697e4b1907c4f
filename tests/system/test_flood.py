"""Clients that never stop: who sends without end, or a byte at a time, does not take the server from the others."""
import contextlib
import multiprocessing
import os
import socket
import time

import requests

from server_kit import Server


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

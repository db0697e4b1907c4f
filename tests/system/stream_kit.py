"""Crowds of event-stream clients on raw sockets, in one thread: idle ones that wait for one event, and restless ones that hang up
at random bytes and resume."""
import multiprocessing
import os
import pathlib
import random
import re
import resource
import select
import socket
import struct
import time

FRAME = re.compile(rb"id: (\d+)\nevent: [^\n]*\ndata: [^\n]*\n\n")


def allow_files(n):
    """Room for n sockets, as far as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < n:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(n, hard), hard))


def rss_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connect(server, path, headers=""):
    """As HTTP/1.0: frames come as they are, without chunks around them."""
    host, port = server.url.removeprefix("http://").split(":")
    s = socket.create_connection((host, int(port)), 60)
    s.sendall((f"GET {path} HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n"
               f"Accept: text/event-stream\r\n{headers}\r\n").encode())
    return s


class Crowd:
    """n streams that wait."""

    def __init__(self, server, n, path="/events"):
        self.sockets, self.epoll = {}, select.epoll()
        for _ in range(n):
            s = connect(server, path)
            s.setblocking(False)
            self.sockets[s.fileno()] = s
            self.epoll.register(s, select.EPOLLIN)
        self.wait_for(b"retry: 3000", 120)

    def wait_for(self, text, seconds):
        """Seconds until each socket had this text, one number per socket."""
        began, left, took = time.monotonic(), set(self.sockets), []
        tails = dict.fromkeys(left, b"")
        while left:
            assert time.monotonic() - began < seconds, f"{len(left)} of {len(self.sockets)} streams have not got {text!r}"
            for fd, _ in self.epoll.poll(1):
                chunk = self.sockets[fd].recv(1 << 16)
                assert chunk, "a stream ended"
                tails[fd] = (tails[fd] + chunk)[-4096:]
                if fd in left and text in tails[fd]:
                    left.discard(fd)
                    took.append(time.monotonic() - began)
        return sorted(took)

    def close(self):
        for s in self.sockets.values():
            s.close()
        self.epoll.close()


class Restless:
    """One client that reads a random number of bytes, hangs up one way or another, and goes on where its last whole frame ended."""

    def __init__(self, server, rng, last):
        self.server, self.rng, self.last = server, rng, last
        self.ids, self.buffer, self.socket, self.connects = [], b"", None, 0

    def connect(self):
        at = self.ids[-1] if self.ids else 0
        self.socket = connect(self.server, "/events", f"Last-Event-ID: {at}\r\n")
        self.socket.setblocking(False)
        self.buffer, self.left = b"", self.rng.choice((1, 200, 900, 5000, 60_000, 400_000)) * self.rng.random() + 1
        self.connects += 1

    def hang_up(self):
        if self.rng.random() < 0.5:  # a reset
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
        self.socket = None

    def is_done(self):
        return bool(self.ids) and self.ids[-1] >= self.last

    def read(self):
        """Takes what is there, not one byte more than it wanted; only whole frames count."""
        try:
            chunk = self.socket.recv(min(1 << 16, int(self.left) + 1))
        except BlockingIOError:
            return
        except ConnectionError:
            chunk = b""
        self.left -= len(chunk)
        self.buffer += chunk
        end = 0
        for m in FRAME.finditer(self.buffer):
            self.ids.append(int(m.group(1)))
            end = m.end()
        self.buffer = self.buffer[end:]
        if not chunk or self.left <= 0:
            self.hang_up()


def torture(server, clients, last, seed, seconds):
    """Lets them all read up to the event `last`. Gives back the clients."""
    rng = random.Random(seed)
    all_of_them = [Restless(server, random.Random(rng.random()), last) for _ in range(clients)]
    end = time.monotonic() + seconds
    while not all(c.is_done() for c in all_of_them):
        assert time.monotonic() < end, [(c.ids[-1:], c.connects) for c in all_of_them if not c.is_done()][:10]
        open_ones = {}
        for c in all_of_them:
            if c.is_done():
                if c.socket:
                    c.hang_up()
                continue
            if not c.socket:
                c.connect()
            open_ones[c.socket.fileno()] = c
        ready, _, _ = select.select(list(open_ones), [], [], 0.2)
        for fd in ready:
            open_ones[fd].read()
    return all_of_them


def pour_events(sql, n, batch=100):
    """Writes n events as a transaction of the server would; its publisher numbers them. sql(text, *values) runs a statement."""
    for i in range(0, n, batch):
        sql("INSERT INTO events (id, type, subject, data) SELECT 'evt_' || upper(substr(md5('torture' || g), 1, 26)), 'test.ping',"
            " 'webhooks/' || g, '{}' FROM generate_series(%s, %s) g", i + 1, min(i + batch, n))


class Drips:
    """Connections that send one byte a second, and some that ask for much and never read. In a process of its own, so that
    whoever measures is not slowed down by them."""

    def __init__(self, server, headers, bodies, readers):
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=drip, args=(other, server.url, server.token, headers, bodies, readers))
        self.process.start()
        assert self.pipe.recv() == "all connected"

    def answers(self, seconds):
        """The first bytes of what each dripping connection was told before it was closed."""
        assert self.pipe.poll(seconds), "some are not closed yet"
        return self.pipe.recv()

    def end(self):
        self.process.terminate()
        self.process.join(30)


def drip(pipe, url, token, headers, bodies, readers):
    host, port = url.removeprefix("http://").split(":")
    dripping, reading, answers = {}, [], []
    for i in range(headers + bodies + readers):
        s = socket.create_connection((host, int(port)), 60)
        if i < headers:
            s.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-")
        elif i < headers + bodies:
            s.sendall(b"POST /configs/validate HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
                      b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{" % token.encode())
        else:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            s.sendall(b"GET /openapi.yaml HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
            reading.append(s)
            continue
        s.setblocking(False)
        dripping[s.fileno()] = s
    pipe.send("all connected")
    poll = select.epoll()
    for fd in dripping:
        poll.register(fd, select.EPOLLIN)
    at = time.monotonic()
    while dripping:
        if time.monotonic() >= at:
            at += 1
            for s in dripping.values():
                try:
                    s.send(b"a")
                except OSError:
                    pass
        for fd, _ in poll.poll(max(0, at - time.monotonic())):
            s, answer = dripping.pop(fd), b""
            try:
                answer = s.recv(4096)
            except OSError:
                pass
            answers.append(answer[:12])
            s.close()
    pipe.send(answers)
    time.sleep(600)  # the readers stay until somebody ends this process

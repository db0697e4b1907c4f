"""A server on loopback that speaks HTTP as badly as a test wants it to.

A behaviour is a function of (connection, request); it gets the parsed request and writes raw bytes. The server keeps what
it has read, with the number of the connection it came on.
"""
import dataclasses
import email.utils
import json
import socket
import ssl
import struct
import threading
import time


@dataclasses.dataclass
class Request:
    connection: int
    method: str
    target: str
    headers: list
    body: bytes

    def header(self, name):
        values = [v for k, v in self.headers if k.lower() == name.lower()]
        return ",".join(values) if values else None

    @property
    def path(self):
        return self.target.split("?", 1)[0]

    @property
    def query(self):
        return self.target.split("?", 1)[1] if "?" in self.target else ""

    @property
    def operation(self):
        return (self.header("x-amz-target") or "").split(".")[-1]


class Server:
    def __init__(self, behave, tls=None, at_accept=None):
        self.behave, self.at_accept, self.tls = behave, at_accept, tls
        self.requests, self.connections, self.lock = [], 0, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.is_open = True
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}"

    def close(self):
        self.is_open = False
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def accept(self):
        while self.is_open:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                number = self.connections
            threading.Thread(target=self.serve, args=(connection, number), daemon=True).start()

    def serve(self, connection, number):
        try:
            connection.settimeout(30)
            if self.at_accept and self.at_accept(connection) == "stop":
                return
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            stream = connection.makefile("rb")
            while True:
                request = read_request(stream, number)
                if request is None:
                    return
                with self.lock:
                    self.requests.append(request)
                if self.behave(connection, request) == "close":
                    return
        except (OSError, ssl.SSLError):
            pass
        finally:
            connection.close()


def read_request(stream, number):
    line = stream.readline()
    if not line:
        return None
    method, target, _ = line.decode().split(" ", 2)
    headers = []
    while True:
        line = stream.readline().decode().rstrip("\r\n")
        if not line:
            break
        name, value = line.split(":", 1)
        headers.append((name, value.strip()))
    length = int(dict((k.lower(), v) for k, v in headers).get("content-length", 0))
    return Request(number, method, target, headers, stream.read(length) if length else b"")


def answer(connection, status=200, body=b"", headers=(), date=None, kind="application/x-amz-json-1.1"):
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}",
             f"x-amzn-RequestId: 11111111-2222-3333-4444-555555555555"]
    if date is not False:
        lines.append("Date: " + email.utils.formatdate(date if date is not None else time.time(), usegmt=True))
    lines += [f"{k}: {v}" for k, v in headers]
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def reset(connection):
    """Closes with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return "close"

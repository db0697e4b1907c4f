"""Stands between the server and the simulator and does to single calls what a network or a broken service would.

    proxy = FaultProxy()
    proxy.rules["DescribeDatasetGroup", "victim"] = [reset, reset]      # the first two calls that name it, in this order
    World(..., aws=proxy)

A rule is found by operation ("*": any) and by a text in the request's body; each of its behaviours (misbehaving.py) strikes once. What no
rule wants goes on to the simulator as it came, so signatures stay good. `durations` keeps how long a struck call was held before the server
let go of it."""
import http.client
import pathlib
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "aws"))

from misbehaving import Server, answer, reset  # noqa: E402, F401 - for those who write behaviours


class FaultProxy(Server):
    def __init__(self):
        super().__init__(self.pass_on)
        self.rules, self.durations = {}, {}
        self.watch = lambda request: None  # sees every request before it is answered
        self.upstream = None

    def to(self, url):
        """The address to give to servers, for the one of the simulator."""
        parts = urllib.parse.urlsplit(url)
        self.upstream = (parts.hostname, parts.port)
        return f"http://127.0.0.1:{self.port}"

    def strike(self, request):
        with self.lock:
            for (operation, text), behaviours in self.rules.items():
                if behaviours and operation in ("*", request.operation) and text.encode() in request.body:
                    return text, behaviours.pop(0)
        return None, None

    def pass_on(self, connection, request):
        self.watch(request)
        text, behaviour = self.strike(request)
        if behaviour is None:
            return self.forward(connection, request)
        started = time.monotonic()
        try:
            return behaviour(connection, request) or "close"
        finally:
            self.durations.setdefault(text, []).append(time.monotonic() - started)

    def ask(self, request):
        """Status, headers and body of the simulator's answer."""
        upstream = http.client.HTTPConnection(*self.upstream, timeout=30)
        try:
            upstream.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers:
                upstream.putheader(name, value)
            upstream.endheaders(request.body or None)
            answer = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            upstream.close()

    def forward(self, connection, request):
        status, headers, body = self.ask(request)
        is_head = request.method == "HEAD"
        lines = [f"HTTP/1.1 {status} X"]
        lines += [f"{k}: {v}" for k, v in headers
                  if k.lower() not in ("transfer-encoding", "connection") and (is_head or k.lower() != "content-length")]
        if not is_head:
            lines.append(f"Content-Length: {len(body)}")
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if is_head else body))
        return None


# ---- behaviours ----

def hold(connection, request):
    """Not a byte, until the client gives up."""
    connection.settimeout(60)
    while connection.recv(65536):
        pass


def drip(connection, request):
    """A byte every 200 ms, until the client gives up."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.2)

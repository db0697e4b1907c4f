"""HTTPS by --tls-cert and --tls-key: who is let in, what is refused, and a certificate that is renewed while the server runs."""
import concurrent.futures
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time

import pytest
import requests

from server_kit import BUILD, Server, config, interactions_csv, wait_until
from test_http_floor import read_response, statuses
from test_serve import serve


def make_certificate(folder, name):
    """A self-signed pair for localhost and 127.0.0.1; its common name tells which one it is."""
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    key.chmod(0o600)
    return cert, key


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    return {name: make_certificate(folder, name) for name in ("first", "second")}


class TlsServer(Server):
    """Server, but its URL is https and its certificate nobody's but ours."""

    def __init__(self, folder, *options):
        self.cert, self.key = folder / "server.crt", folder / "server.key"
        super().__init__(folder, "--tls-cert", str(self.cert), "--tls-key", str(self.key), *options)

    def call(self, method, path, token=None, **kw):
        kw.setdefault("verify", str(self.cert))  # a bundle of the environment would win over the session's
        return super().call(method, path, token, **kw)

    def use(self, pair):
        for source, target in zip(pair, (self.cert, self.key), strict=True):
            shutil.copy(source, target.with_suffix(".new"))
            target.with_suffix(".new").chmod(0o600)
            target.with_suffix(".new").rename(target)

    def start(self, ready=True, seconds=60):
        os.environ["REQUESTS_CA_BUNDLE"] = str(self.cert)  # for what does not go through the session
        try:
            return super().start(ready, seconds)
        finally:
            del os.environ["REQUESTS_CA_BUNDLE"]

    def context(self, pair=None):
        return ssl.create_default_context(cafile=str(pair[0] if pair else self.cert))

    def connect(self, context=None, timeout=20):
        host, port = self.url.removeprefix("https://").split(":")
        raw = socket.create_connection((host, int(port)), timeout)
        return (context or self.context()).wrap_socket(raw, server_hostname="localhost")

    def shown(self):
        """Common name of the certificate that a new connection is shown."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with self.connect(context) as s:
            der = s.getpeercert(binary_form=True)
        pem = ssl.DER_cert_to_PEM_cert(der).encode()
        out = subprocess.run(["openssl", "x509", "-noout", "-subject"], input=pem, capture_output=True, check=True).stdout.decode()
        return out.split("CN = ")[1].strip()


@pytest.fixture(scope="module")
def server(tmp_path_factory, pairs):
    folder = tmp_path_factory.mktemp("https")
    s = TlsServer(folder)
    s.use(pairs["first"])
    s.start()
    yield s
    assert s.stop() == 0
    s.remove()


def test_https(server):
    assert server.url.startswith("https://127.0.0.1:")
    answer = server.get("/configs")
    assert answer.status_code == 200 and answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    with pytest.raises(requests.exceptions.SSLError):  # nobody trusts it by chance
        requests.get(server.url + "/livez", timeout=10)
    server.put_data("tls")
    assert server.wait_run(server.apply(config("tls"))["run"]["id"])["status"] == "succeeded"


def test_old_protocols_and_weak_ciphers_are_refused(server):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = server.context()
        context.minimum_version = context.maximum_version = version
        with server.connect(context) as s:
            name, _, bits = s.cipher()
            assert bits >= 128 and ("GCM" in name or "CHACHA20" in name), name
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        context = server.context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        with pytest.raises((ssl.SSLError, OSError)):
            server.connect(context)
    for ciphers in ("AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA", "DHE-RSA-AES128-GCM-SHA256"):
        context = server.context()  # no forward secrecy, or no authenticated encryption
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers + ":@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, OSError)):
            server.connect(context)


def test_plain_http_gets_nothing(server):
    host, port = server.url.removeprefix("https://").split(":")
    with socket.create_connection((host, int(port)), 10) as s:
        s.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        try:
            while chunk := s.recv(4096):
                answer += chunk
        except OSError:
            pass
    assert b"HTTP/1." not in answer


def test_bodies_of_all_sizes_both_ways(server):
    """GnuTLS may hold decrypted bytes that no socket event announces: each size has to come through at once."""
    for n in (1, 16383, 16384, 16385, 300_000, 900_000):
        answer = server.call("POST", "/configs/validate", data=b'{"x":"' + b"a" * n + b'"}', headers={"Content-Type": "application/json"})
        assert answer.status_code == 200 and not answer.json()["valid"], n
    assert len(server.get("/openapi.yaml").content) > 100_000
    head = f"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with server.connect() as s:
        s.sendall(head * 200)
        f = s.makefile("rb")
        assert [read_response(f).status for _ in range(200)] == [200] * 200


def test_many_at_once(server):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(lambda i: requests.get(server.url + "/version", verify=str(server.cert), timeout=60).status_code, range(200)))
    assert set(codes) == {200}


def test_a_stream_over_tls(server):
    with server.get("/events?after=0", headers={"Accept": "text/event-stream"}, stream=True, timeout=30) as answer:
        ids = []
        for line in answer.iter_lines(decode_unicode=True):
            if line.startswith("id: "):
                ids.append(int(line[4:]))
                if len(ids) == 20:
                    break
    assert ids == list(range(1, 21))


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_half_a_handshake_costs_nothing(server):
    """libmicrohttpd alone asks GnuTLS in a circle while it waits: three bytes kept a processor busy, and the loop with it."""
    host, port = server.url.removeprefix("https://").split(":")
    halves = [socket.create_connection((host, int(port)), 60) for _ in range(50)]
    try:
        for s in halves:
            s.sendall(b"\x16\x03\x01")
        time.sleep(0.3)
        before = cpu_seconds(server.process.pid)
        time.sleep(2)
        used = cpu_seconds(server.process.pid) - before
        assert used < 1, f"{used} s of processor in 2 s"
        assert server.get("/configs").status_code == 200
        hello = client_hello()
        halves[0].sendall(hello[3:])  # and it goes on when the rest comes
        assert halves[0].recv(5)[:2] == b"\x16\x03"
    finally:
        for s in halves:
            s.close()


def client_hello():
    """The first record of a handshake, as Python's ssl writes it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("raw", [
    b"POST /configs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: localhost\r\ngarbage\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20000 + b"\r\n\r\n",
    b"POST /configs HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\nhello"])
def test_refusals_are_readable(server, raw):
    """Some go out past libmicrohttpd: once they would have been plain text in the middle of a TLS connection."""
    with server.connect() as s:
        s.sendall(raw)
        answer = b""
        try:
            while chunk := s.recv(65536):
                answer += chunk
        except (ssl.SSLError, ConnectionError):
            pass
    assert statuses(answer)[0] in (400, 431) and json.loads(answer.split(b"\r\n\r\n", 1)[1])["code"]


def test_a_renewed_certificate(server, pairs):
    assert server.shown() == "first"
    with server.connect() as old:  # begun before, goes on after
        old.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        f = old.makefile("rb")
        assert read_response(f).status == 200
        server.use(pairs["second"])
        assert server.shown() == "first"
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.shown() == "second")
        old.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_response(f).status == 200
    server.session.close()  # its connection is an old one
    assert server.get("/configs").status_code == 200  # the file is the new one's


def test_a_bad_pair_keeps_the_old_one(server, pairs):
    now = server.shown()
    for cert, key in ((pairs["first"][0], pairs["second"][1]), (pairs["first"][1], pairs["first"][1])):
        server.use((cert, key))
        said = server.log.read_text().count("tls_kept")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.log.read_text().count("tls_kept") > said)
        assert server.shown() == now
    server.use(pairs["second"])
    server.key.chmod(0o644)
    said = server.log.read_text().count("tls_kept")
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: server.log.read_text().count("tls_kept") > said)
    server.use(pairs["second"])


def test_the_command_line_checks_the_certificate(server):
    run = lambda *a: subprocess.run([BUILD / "steward", "runs", "list", "--data-dir", server.data_dir, *a], capture_output=True, text=True, timeout=60)  # noqa: E731
    good = run("--ca-bundle", server.cert)
    assert good.returncode == 0 and "tls" in good.stdout, good.stderr
    assert run().returncode != 0


def test_a_handshake_that_never_ends_is_cut(server):
    """The deadline counts from the first byte of the connection, not of the request."""
    host, port = server.url.removeprefix("https://").split(":")
    with socket.create_connection((host, int(port)), 60) as s:
        s.sendall(b"\x16\x03\x01")  # the begin of a TLS record
        try:
            assert s.recv(100) == b""
        except ConnectionError:
            pass


# ---- the start matrix: where it may listen, and with what ----

def matrix(pairs, tmp_path):
    cert, key = pairs["first"]
    loose = tmp_path / "loose.key"
    shutil.copy(key, loose)
    loose.chmod(0o644)
    tls, plain = ["--tls-cert", cert, "--tls-key", key], ["--insecure-plain-http"]
    return [  # options, what is said; None: it starts
        (["--listen", "127.0.0.1:0"], None), (["--listen", "[::1]:0"], None), (["--listen", "localhost:0"], None),
        (["--listen", "127.0.0.1:0", *tls], None), (["--listen", "0.0.0.0:0", *tls], None), (["--listen", "0.0.0.0:0", *plain], None),
        (["--listen", "0.0.0.0:0"], "--tls-cert"), (["--listen", "[::]:0"], "--tls-cert"), (["--listen", "192.0.2.1:0"], "--tls-cert"),
        (["--listen", "0.0.0.0:0", "--tls-cert", cert], "--tls-key is missing"),
        (["--listen", "127.0.0.1:0", "--tls-key", key], "--tls-cert is missing"),
        (["--listen", "0.0.0.0:0", "--tls-cert", cert, "--tls-key", loose], "chmod 600"),
        (["--listen", "0.0.0.0:0", "--tls-cert", cert, "--tls-key", pairs["second"][1]], "--tls-cert"),
        (["--listen", "0.0.0.0:0", "--tls-cert", key, "--tls-key", key], "--tls-cert"),
        (["--listen", "0.0.0.0:0", "--tls-cert", cert, "--tls-key", tmp_path / "none"], "cannot be read"),
    ]


def test_start_matrix(pairs, tmp_path):
    cases = matrix(pairs, tmp_path)
    for i, (options, words) in enumerate(cases):
        if words:
            done = serve("--data-dir", tmp_path / f"d{i}", *options)
            assert done.returncode == 2 and words in done.stderr and len(done.stderr.strip().splitlines()) <= 2, (options, done)
            continue
        log = open(tmp_path / f"log{i}", "w")
        process = subprocess.Popen([BUILD / "steward", "serve", "--data-dir", tmp_path / f"d{i}", "--database-url",
                                    "postgresql://nobody@127.0.0.1:1/none", "--local", "--simulator-listen", "127.0.0.1:0", *map(str, options)],
                                   stdout=log, stderr=log)
        try:
            wait_until(lambda: (tmp_path / f"d{i}" / "steward.url").exists(), 20)
            url = (tmp_path / f"d{i}" / "steward.url").read_text().strip()
            assert url.startswith("https" if "--tls-cert" in options else "http:"), url
            wait_until(lambda: requests.get(url + "/livez", verify=str(pairs["first"][0]), timeout=5).status_code == 200)
        finally:
            process.terminate()
            assert process.wait(40) == 0
    print(f"start matrix {len(cases)}/{len(cases)}")

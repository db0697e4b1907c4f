"""The log: it never holds the server up, stays parseable whatever is logged, and no secret gets into it or anywhere else."""
import base64
import json
import os
import pathlib
import re
import secrets
import subprocess

import pytest
import requests

from server_kit import BUILD, Server, config, wait_until
from webhook_kit import Receiver


def start(folder, *options, stderr):
    return subprocess.Popen([BUILD / "steward", "serve", "--listen", "127.0.0.1:0", "--data-dir", folder / "d", "--local", "--simulator-listen",
                             "127.0.0.1:0", "--database-url", "postgresql://nobody@127.0.0.1:1/none", "--log-level", "debug", *options],
                            stdout=subprocess.DEVNULL, stderr=stderr)


def url_of(folder):
    wait_until(lambda: (folder / "d" / "steward.url").exists())
    return (folder / "d" / "steward.url").read_text().strip()


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_a_reader_that_stands_still_holds_nobody_up(tmp_path, form):
    """The log once wrote into a full pipe and waited: with it the loop, and every client."""
    process = start(tmp_path, "--log-format", form, stderr=subprocess.PIPE)
    try:
        url, session = url_of(tmp_path), requests.Session()
        for _ in range(3000):  # about 200 bytes each, and the pipe takes 64 KiB
            assert session.get(url + "/livez", timeout=10).status_code == 200
        metrics = session.get(url + "/metrics", timeout=10).status_code
        assert metrics in (401, 503)
        seen = b""
        while not re.search(rb"dropped\W+lines\W+\d+\W", seen):  # whoever reads again learns that lines are missing
            seen += os.read(process.stderr.fileno(), 1 << 16)
            session.get(url + "/livez", timeout=10)
    finally:
        process.terminate()
        assert process.wait(40) == 0
        process.stderr.close()
    lines = re.findall(rb"dropped\W+lines\W+(\d+)", seen)
    assert int(lines[0]) > 500, lines


def test_a_full_disk_holds_nobody_up(tmp_path):
    with open("/dev/full", "wb") as full:
        process = start(tmp_path, stderr=full)
    try:
        url = url_of(tmp_path)
        assert all(requests.get(url + "/livez", timeout=10).status_code == 200 for _ in range(50))
    finally:
        process.terminate()
        assert process.wait(40) == 0


def test_every_line_is_json_whatever_is_logged(tmp_path):
    log = tmp_path / "log"
    with open(log, "wb") as out:
        process = start(tmp_path, "--log-format", "json", stderr=out)
    try:
        url = url_of(tmp_path)
        for path in ("/%ff%fe", "/%22,%22x%22:%22", "/a%0ab%0d%1b[2J", "/%5c%5c", "/\u00e9", "/" + "a" * 3000, "/%e2%80%a8"):
            requests.get(url + path, headers={"X-Request-Id": 'a"b\\'}, timeout=10)
    finally:
        process.terminate()
        assert process.wait(40) == 0
    lines = [json.loads(line) for line in log.read_bytes().decode().split("\n") if line]
    assert sum(line["event"] == "request" for line in lines) >= 7 and all(line["ts"] and line["level"] for line in lines)


# ---- the canary ----

def canary(n=24):
    return "Canary" + secrets.token_hex(n)


def everything(server, transcript):
    """(where, text) of every place that a secret might end up in, but for those that are there to keep one."""
    yield "the log", server.log.read_text(errors="replace")
    dump = subprocess.run(["pg_dump", "--inserts", "-h", (server.data_dir / "postgres.runtime").read_text().strip(), "-U", "steward_owner",
                           "steward"], env=os.environ | {"PGPASSFILE": str(server.data_dir / "postgres.pgpass")}, capture_output=True, timeout=60)
    assert dump.returncode == 0, dump.stderr
    yield "a dump of the database", dump.stdout.decode(errors="replace")
    yield "the API's answers", "\n".join(transcript)
    yield "/metrics", server.get("/metrics").text
    pids = [server.process.pid, *(int(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit() and parent(p) == server.process.pid)]
    for pid in pids:
        yield f"the arguments of process {pid}", pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def parent(folder):
    try:
        return int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError):
        return None


def test_no_secret_gets_out(tmp_path):
    """Unique values for every secret that there is, a walk through the API at the most talkative level with faults on the way, and
    then nothing of them anywhere: not as they are, not in base64, not in hexadecimal."""
    environment = {"AWS_ACCESS_KEY_ID": "AKIA" + secrets.token_hex(8).upper(), "AWS_SECRET_ACCESS_KEY": canary(), "AWS_SESSION_TOKEN": canary(),
                   "STEWARD_FAILPOINTS": ""}
    with Receiver() as receiver, Server(tmp_path, "--log-level", "debug", "--webhook-http", "--webhook-allow", "127.0.0.0/8",
                                        "--auth-failure-delay", "0", env=environment) as server:
        transcript = []

        def call(method, path, **kw):
            answer = server.call(method, path, **kw)
            transcript.append(f"{answer.headers}{answer.text}")
            return answer

        given = {"webhook secret": "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(), "webhook's second secret": None,
                 "password in a URL": canary(), "what a client sends as a token": "stw_" + canary(20), "what a client sends as a password": canary()}
        hidden = dict(environment) | {"first admin token": server.token}
        hidden.pop("STEWARD_FAILPOINTS")
        shown = {}  # once, in the answer that made it: that answer is not part of the transcript
        made = server.ok("POST", "/tokens", json={"name": "canary", "scopes": ["admin"]})
        shown["token"] = made["token"]
        shown["rotated token"] = server.ok("POST", f"/tokens/{made['id']}/rotate", json={})["token"]
        shown["login ticket"] = server.ok("POST", "/login-tickets")["ticket"]
        shown["token of a login"] = server.ok("POST", "/login", json={"ticket": shown["login ticket"]}, token="")["token"]
        hook = server.ok("POST", "/webhooks", json={"url": receiver.url + "/ok", "secret": given["webhook secret"], "types": ["run.*"]})
        given["webhook's second secret"] = server.ok("POST", f"/webhooks/{hook['id']}/rotate", json={})["secret"]
        call("GET", f"/webhooks/{hook['id']}")
        call("POST", "/webhooks", json={"url": f"http://user:{given['password in a URL']}@127.0.0.1:1/x"})
        call("GET", "/configs", token=given["what a client sends as a token"])
        call("GET", "/configs", token="", headers={"Authorization": "Basic " + base64.b64encode(
            f"u:{given['what a client sends as a password']}".encode()).decode()})
        server.put_data("canary")
        run = call("POST", "/configs", json=config("canary")).json()["run"]["id"]
        server.wait_run(run)
        server.wait_run(call("POST", "/configs", json=config("canary-fails")).json()["run"]["id"])
        for path in ("/configs", "/configs/canary/resources", f"/runs/{run}", "/events?after=0&limit=200", "/tokens?limit=200", "/audit?limit=200",
                     "/overview", "/problems", "/webhooks", f"/webhooks/{hook['id']}/deliveries", "/pause", "/quotas", "/version", "/readyz"):
            call("GET", path)
        call("POST", "/tokens", json={"name": "canary", "scopes": ["nothing"]})
        call("POST", "/login", json={"ticket": shown["login ticket"]}, token="")
        wait_until(lambda: receiver.hits, 30)
        files = {name: (server.data_dir / name).read_text() for name in ("admin.token", "secrets.key", "postgres.pgpass")}
        hidden["key of stored secrets"] = re.findall(r"[A-Za-z0-9+/=_-]{40,}", files["secrets.key"])[0]
        for i, line in enumerate(files["postgres.pgpass"].split()):
            hidden[f"database password {i}"] = line.split(":")[-1]
        found, n = [], 0
        texts = [*everything(server, transcript), ("what a webhook was sent", repr([(h["headers"], h["body"]) for h in receiver.hits]))]
        for name, value in (given | hidden | shown).items():
            kernel = value.removeprefix("whsec_").removeprefix("Basic ")
            forms = {value, kernel, base64.b64encode(value.encode()).decode().rstrip("=")[:-1], value.encode().hex()}
            if value.startswith("whsec_"):
                forms.add(base64.b64decode(kernel).hex())
            if value.startswith("stw_") and value.count("_") == 3:
                forms = {value.split("_")[2], value.split("_")[2].encode().hex()}
            for where, text in texts:
                n += len(forms)
                found += [f"{name} is in {where}" for form in forms if len(form) >= 12 and form in text]
        assert not found, found
        words = ('path="/webhooks"', "canary-fails", "canary-fails", "steward_info", "serve")  # each place was really looked at
        assert all(word in text for word, (_, text) in zip(words, texts, strict=False)) and all(text for _, text in texts)
        print(f"canary: {len(given | hidden | shown)} secrets, {len(texts)} places, {n} looks, 0 hits")

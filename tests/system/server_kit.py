"""Starts a real `steward serve` for system tests and speaks to it.

    with Server() as s:                                # --local, ports chosen by the kernel
        s.apply(config("shop"))                        # POST /configs
        s.wait_run(run_id)
"""
import copy
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import boto3
import requests
from botocore.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("STEWARD_BUILD", ROOT / "build-dev")).resolve()
BUCKET = "steward-local"
# A sanitizer's runtime has to be the first library: no preloaded ones beside it.
IS_SANITIZED = any(mark in (BUILD / "steward").read_bytes() for mark in (b"__asan_init", b"__tsan_init"))
FINAL = ("succeeded", "failed", "cancelled")

INTERACTIONS = {
    "type": "record", "name": "Interactions", "namespace": "com.amazonaws.personalize.schema",
    "fields": [{"name": "USER_ID", "type": "string"}, {"name": "ITEM_ID", "type": "string"},
               {"name": "TIMESTAMP", "type": "long"}], "version": "1.0"}


def config(name, solutions=1, **extra):
    """A small good parameter file: a group, interactions, solutions with one campaign each."""
    document = {
        "datasetGroup": {"serviceConfig": {"name": name}},
        "datasets": {"interactions": {
            "dataset": {"serviceConfig": {"name": f"{name}-interactions"}},
            "schema": {"serviceConfig": {"name": f"{name}-schema", "schema": copy.deepcopy(INTERACTIONS)}}}},
    }
    if solutions:
        document["solutions"] = [
            {"serviceConfig": {"name": f"{name}-s{i}",
                               "recipeArn": "arn:aws:personalize:::recipe/aws-user-personalization-v2"},
             "campaigns": [{"serviceConfig": {"name": f"{name}-c{i}", "minProvisionedTPS": 1}}]}
            for i in range(solutions)]
    document.update(extra)
    return document


def domain(name):
    """A VIDEO_ON_DEMAND group with a recommender."""
    document = config(name, solutions=0)
    document["datasetGroup"]["serviceConfig"]["domain"] = "VIDEO_ON_DEMAND"
    schema = document["datasets"]["interactions"]["schema"]["serviceConfig"]
    schema["domain"] = "VIDEO_ON_DEMAND"
    schema["schema"]["fields"].insert(2, {"name": "EVENT_TYPE", "type": "string"})
    document["recommenders"] = [{"serviceConfig": {
        "name": f"{name}-popular", "recipeArn": "arn:aws:personalize:::recipe/aws-vod-most-popular",
        "recommenderConfig": {"minRecommendationRequestsPerSecond": 1}}}]
    return document


def interactions_csv(users=60, items=40, rows=1500):
    lines = ["USER_ID,ITEM_ID,TIMESTAMP"]
    lines += [f"u{i * 7 % users},i{i * 13 % items},{1700000000 + i * 60}" for i in range(rows)]
    return ("\n".join(lines) + "\n").encode()


def open_path(folder):
    """PostgreSQL may run as another user, who has to pass through pytest's folders."""
    for part in (folder, *folder.parents):
        if part.stat().st_uid == os.getuid() and part != pathlib.Path("/"):
            part.chmod(part.stat().st_mode | 0o011)


class Server:
    """One process with its own data directory; start() after stop() or kill() goes on with the same one."""

    def __init__(self, folder=None, *options, local=True, env=None):
        self.is_own_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="steward-test-")).resolve()
        open_path(self.folder)
        self.data_dir = self.folder / "data"
        self.log = self.folder / "server.log"
        # A session makes more than a real account may have; tests of quotas set their own.
        self.options = [*(["--local", "--simulator-listen", "127.0.0.1:0", "--simulator-time-scale", "100000",
                           "--quota", "dataset-import-jobs=500", "--quota", "solution-versions=500",
                           "--quota", "dataset-groups=500"] if local else []), *options]
        self.local = local
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "STEWARD_")) or k == "STEWARD_FAILPOINTS_SEEN"} | (env or {})
        self.wrapper = []  # words in front of the program's, e.g. ["prlimit", "--nofile=64"]
        self.process = None
        self.url = self.token = None
        self.session = requests.Session()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process is not None:
            assert self.stop() == 0, self.tail()
        self.remove()

    def remove(self):
        self.end_orphans()
        if self.is_own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def end_orphans(self):
        """What a kill() left running, when no start() took it over."""
        for name in ("postgres/postmaster.pid", "simulator/simulator.pid"):
            try:
                pid = int((self.data_dir / name).read_text().splitlines()[0])
                # Its number may be somebody else's by now: a replica of another test once got this signal.
                if str(self.data_dir).encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGINT)
            except (OSError, ValueError, IndexError):
                pass

    def start(self, ready=True, seconds=60):
        out = open(self.log, "ab")
        self.process = subprocess.Popen(
            [*self.wrapper, str(BUILD / "steward"), "serve", "--listen", "127.0.0.1:0", "--data-dir", str(self.data_dir), *self.options],
            stdout=out, stderr=subprocess.STDOUT, env=self.env)
        out.close()
        if ready:
            self.wait_ready(seconds)
            if self.local:
                self.set_quotas()
        return self

    def set_quotas(self, **quotas):
        """Of the simulator. What is in progress at a time is an option of the server: --quota."""
        wide = {"dataset-groups": 500, "solutions": 500, "campaigns": 500}
        requests.post(self.simulator_url + "/_simulator/quotas", timeout=10,
                      json=wide | {k.replace("_", "-"): v for k, v in quotas.items()}).raise_for_status()

    def wait_ready(self, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.process.poll() is None, f"exit {self.process.returncode}\n{self.tail()}"
            try:
                self.url = (self.data_dir / "steward.url").read_text().strip()
                if requests.get(self.url + "/readyz", timeout=5).status_code == 200:
                    self.token = (self.data_dir / "admin.token").read_text().strip()
                    return
            except (OSError, requests.RequestException):
                pass
            time.sleep(0.02)
        raise AssertionError(f"not ready after {seconds} s\n{self.tail()}")

    def stop(self, signum=signal.SIGTERM, seconds=40):
        """Sends the signal and gives back the exit code."""
        process, self.process = self.process, None
        self.session.close()
        process.send_signal(signum)
        try:
            return process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"did not stop within {seconds} s\n{self.tail()}") from None

    def kill(self):
        """kill -9; PostgreSQL and the simulator go on until the next start() adopts them."""
        process, self.process = self.process, None
        self.session.close()
        process.kill()
        process.wait()

    def tail(self, lines=30):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    # ---- the API ----
    def call(self, method, path, token=None, **kw):
        """A requests.Response; json= or data= as there. token="" sends none."""
        headers = dict(kw.pop("headers", {}))
        token = self.token if token is None else token
        if token:
            headers.setdefault("Authorization", f"Bearer {token}")
        kw.setdefault("timeout", 90)
        return self.session.request(method, self.url + path, headers=headers, **kw)

    def get(self, path, **kw):
        return self.call("GET", path, **kw)

    def post(self, path, **kw):
        return self.call("POST", path, **kw)

    def ok(self, method, path, **kw):
        """The JSON of an answer that must be good."""
        answer = self.call(method, path, **kw)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code}\n{answer.text}"
        return answer.json() if answer.content else None

    def apply(self, document, **kw):
        return self.ok("POST", "/configs", json=document, **kw)

    def wait_run(self, run_id, seconds=60):
        """The run once it is over."""
        end = time.monotonic() + seconds
        while True:
            run = self.ok("GET", f"/runs/{run_id}?wait=5")
            if run["status"] in FINAL:
                return run
            assert time.monotonic() < end, json.dumps(run, indent=1)[:4000] + self.tail()

    def new_token(self, *scopes):
        return self.ok("POST", "/tokens", json={"name": "test", "scopes": list(scopes)})["token"]

    def cli(self, *words, code=0):
        """The command line, as somebody types it; what it printed."""
        done = subprocess.run([BUILD / "steward", *words, "--data-dir", self.data_dir], capture_output=True, text=True, timeout=60,
                              env={k: v for k, v in os.environ.items() if not k.startswith("STEWARD_")})
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    # ---- the local Amazon Personalize ----
    @property
    def simulator_url(self):
        return (self.data_dir / "simulator.url").read_text().strip()

    def aws(self, service):
        options = {"retries": {"max_attempts": 0}}
        if service == "s3":
            options["s3"] = {"addressing_style": "path"}
        return boto3.client(service, endpoint_url=self.simulator_url, region_name="us-east-1", aws_access_key_id="test",
                            aws_secret_access_key="test", config=Config(**options))

    def put_data(self, group, kind="interactions", body=None):
        self.aws("s3").put_object(Bucket=BUCKET, Key=f"train/{group}/{kind}.csv", Body=body or interactions_csv())


def wait_until(check, seconds=20):
    """The first true value of check(), or an assertion."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = check()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("it did not come true in time")

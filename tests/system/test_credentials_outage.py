"""AWS-7: the source of the credentials is slow, broken or silent for long. One asks at a time, no call is signed with keys that have ended,
runs wait and none fails, and all goes on by itself when the source is back. The providers themselves: test_aws_client.py."""
import os
import time

import pytest
import requests

from aws_proxy import FaultProxy, answer, hold, reset
from server_kit import Server, wait_until
from world_kit import FAST, Postgres, Simulator

pytestmark = pytest.mark.slow
FULL = bool(os.environ.get("STEWARD_TEST_FULL"))
LIFE_S = 4
# After two minutes the pauses between attempts, of the refresh and of the steps, no longer grow: an hour is no other state than ten minutes.
OUTAGE_S = 600 if FULL else LIFE_S + 5
LATE_S = 2  # a call may be on its way while its keys end


class Source(FaultProxy):
    """Keys for a container, each set with a token of its own that tells when it ends."""

    def __init__(self):
        super().__init__()
        self.behave = self.give
        self.ends, self.at_once, self.most_at_once, self.trouble = {}, 0, 0, []

    def give(self, connection, request):
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            time.sleep(0.2)  # slow, so that others would ask meanwhile
            if self.trouble:
                self.trouble.append(self.trouble.pop(0))
                return self.trouble[-1](connection, request)
            end = time.time() + LIFE_S
            with self.lock:
                token = f"token-{len(self.ends)}"
                self.ends[token] = end
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(end)) + f".{int(end % 1 * 1000):03}Z"
            return answer(connection, 200, {"AccessKeyId": "test", "SecretAccessKey": "test", "Token": token, "Expiration": stamp})
        finally:
            with self.lock:
                self.at_once -= 1


class Watch:
    """How late each call was: seconds after the end of the keys it is signed with."""

    def __init__(self, source):
        self.source, self.lateness = source, []

    def __call__(self, request):
        self.lateness.append(time.time() - self.source.ends[request.header("x-amz-security-token")])


def group(server, name):
    return server.apply({"datasetGroup": {"serviceConfig": {"name": name}}})["run"]["id"]


def test_an_hour_without_credentials(tmp_path):
    with Postgres(tmp_path / "pg") as pg, Simulator(tmp_path / "s") as simulator, Source() as source, FaultProxy() as aws:
        aws.watch = watch = Watch(source)
        (tmp_path / "r").mkdir()
        pg.query("postgres", "CREATE DATABASE outage")
        server = Server(tmp_path / "r", "--database-url", pg.url("outage"), "--endpoint-url", aws.to(simulator.url), "--region", "us-east-1",
                        "--account-id", "123456789012", "--role-arn", "arn:aws:iam::123456789012:role/p", "--bucket", "steward-local", *FAST,
                        local=False, env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": source.url + "/keys"})
        with server:
            # Keys are exchanged while calls go out all the time.
            runs, end = [], time.monotonic() + 1.5 * LIFE_S
            while time.monotonic() < end:
                runs += [group(server, f"rotate{len(runs) + i}") for i in range(8)]
                time.sleep(0.3)
            assert len(source.ends) >= 3 and not source.trouble
            rotated, calls = len(source.ends), len(watch.lateness)
            # Broken, silent, nonsense, gone, in turn.
            source.trouble = [lambda c, r: answer(c, 500, b""), lambda c, r: answer(c, 200, b"{\"AccessKeyId\":1}"), lambda c, r: reset(c),
                              hold, lambda c, r: answer(c, 200, {"Code": "Failed", "Message": "no"})]
            began = time.monotonic()
            stable = group(server, "stable")
            assert server.wait_run(stable)["status"] == "succeeded"  # what we have is good until its end
            wait_until(lambda: time.time() > max(source.ends.values()) + LATE_S, 60)
            seen = len(watch.lateness)
            waiting = [group(server, f"waits{i}") for i in range(10)]
            while time.monotonic() < began + OUTAGE_S:
                assert {server.ok("GET", f"/runs/{run}")["status"] for run in waiting} <= {"queued", "running"}
                assert requests.get(server.url + "/livez", timeout=10).status_code == 200
                time.sleep(0.5)
            assert len(watch.lateness) == seen, "no call without keys that hold"
            ((reasons,),) = pg.query("outage", "SELECT count(*) FROM steps WHERE waiting_for = 'AWS credentials'")
            assert reasons == len(waiting), pg.query("outage", "SELECT state, waiting_for, reason FROM steps WHERE finished_at IS NULL")
            source.trouble, ended = [], time.monotonic()
            for run in runs + waiting:
                assert server.wait_run(run, 200)["status"] == "succeeded"
            recovered = time.monotonic() - ended
        made = [e for e in simulator.ledger() if e["operation"] == "CreateDatasetGroup" and e.get("hasEffect")]
    late = max(watch.lateness)
    print(f"{calls} calls over {rotated} sets of keys; {OUTAGE_S} s without a source; latest call {max(late, 0):.2f} s after the end of its keys; "
          f"at most {source.most_at_once} refresh at a time; all ended {recovered:.1f} s after its return; made {len(made)}, twice 0")
    assert late < LATE_S and source.most_at_once == 1
    assert len(made) == len({e["request"]["name"] for e in made}) == len(runs) + len(waiting) + 1

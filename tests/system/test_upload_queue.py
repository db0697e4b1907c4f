"""Uploads to S3 that a queue of notifications tells of: one effect each, and a message is deleted only after it. A real client fills the
queue."""
import json
import os
import time

import pytest

from event_schemas import check_events
from server_kit import BUCKET, Server, config, interactions_csv, wait_until
from test_access import sql
from upload_kit import QUEUE, QUIET, created, has_config, left, put_file, queue, runs
from world_kit import Postgres, World


@pytest.fixture(scope="module")
def queued():
    with Server(None, *QUIET, "--sqs-queue-url", QUEUE) as server:
        server.queue_url = queue(server)
        yield server
        check_events(server)


def test_a_queue_of_notifications(queued):
    server, name, sqs = queued, "q-shop", queued.aws("sqs")
    server.put_data(name)
    put_file(server, f"train/{name}/config.json", config(name))
    sqs.send_message(QueueUrl=server.queue_url, MessageBody=created(f"train/{name}/config.json"))
    wait_until(lambda: has_config(server, name), 30)
    server.wait_run(wait_until(lambda: runs(server, name), 30)[0]["id"])
    server.put_data(name, body=interactions_csv(rows=1600))
    bridge = {"source": "aws.s3", "detail-type": "Object Created",
              "detail": {"bucket": {"name": BUCKET}, "object": {"key": f"train/{name}/interactions.csv"}}}
    through = {"Type": "Notification", "MessageId": "m", "Message": created(f"train/{name}/users.csv"), "TopicArn": "t"}
    for body in (created(f"train/{name}/interactions.csv"), json.dumps(bridge), json.dumps(through), '{"Event": "s3:TestEvent"}',
                 created("train/nobody/interactions.csv")):
        sqs.send_message(QueueUrl=server.queue_url, MessageBody=body)
    started = wait_until(lambda: [r for r in runs(server, name) if r["kind"] == "retrain"], 60)
    server.wait_run(started[0]["id"])
    wait_until(lambda: left(server, server.queue_url) == 0, 30)
    assert len([r for r in runs(server, name) if r["kind"] == "retrain"]) == 1


def test_what_is_not_s3s_stays_in_the_queue(queued):
    """It may be somebody else's; the queue's own policy says what becomes of it."""
    server, sqs = queued, queued.aws("sqs")
    wait_until(lambda: left(server, server.queue_url) == 0, 30)
    sqs.send_message(QueueUrl=server.queue_url, MessageBody='{"order": 7}')
    sqs.send_message(QueueUrl=server.queue_url, MessageBody=created("train/nobody/users.csv"))
    wait_until(lambda: left(server, server.queue_url) == 1, 30)
    wait_until(lambda: server.log.read_text().count("event=message_left") >= 2, 30)  # it came again
    message = wait_until(lambda: sqs.receive_message(QueueUrl=server.queue_url, WaitTimeSeconds=3).get("Messages"), 30)[0]
    sqs.delete_message(QueueUrl=server.queue_url, ReceiptHandle=message["ReceiptHandle"])


POINTS = ["queue.before_delete", "upload.before_commit", "queue.after_commit", "upload.after_commit"]


@pytest.mark.parametrize("point", POINTS if os.environ.get("STEWARD_TEST_FULL") else POINTS[:1])
def test_one_effect_through_a_crash(tmp_path, point):
    """kill -9 after the effect is committed and before the message is deleted, and around the commit of a file: it comes again, and
    has no second effect."""
    options = [*QUIET, "--upload-run", "import", "--sqs-queue-url", QUEUE]
    with Server(tmp_path, *options, env={"STEWARD_FAILPOINTS": f"{point}=kill9"}) as server:
        server.put_data("crash")
        server.wait_run(server.apply(config("crash", 0))["run"]["id"])
        put_file(server, "train/crash2/config.json", config("crash2", 0))
        url = queue(server)
        server.aws("sqs").send_message(QueueUrl=url, MessageBody=created("train/crash/interactions.csv", "train/crash2/config.json"))
        server.process.wait(timeout=60)
        server.process = None
        del server.env["STEWARD_FAILPOINTS"]
        server.start()
        wait_until(lambda: left(server, url) == 0, 60)
        # A lease of the one that died may have to lapse first.
        sql(server, "UPDATE uploads SET wake_at = now() WHERE state = 'pending'")
        wait_until(lambda: has_config(server, "crash2") and not sql(server, "SELECT 1 FROM quiet_runs"), 60)
        assert [r["kind"] for r in runs(server, "crash")] == ["import", "apply"]
        assert [r["kind"] for r in runs(server, "crash2")] == ["apply"] and has_config(server, "crash2")["version"] == 1


@pytest.mark.concurrency
def test_replicas_have_one_effect(tmp_path):
    """Three servers watch one bucket and read one queue that tells of the same uploads."""
    options = ["--upload-quiet", "1s", "--watch-s3", "--watch-interval", "200ms", "--sqs-queue-url", QUEUE]
    with Postgres(tmp_path / "pg") as pg, World(tmp_path / "w", pg, replicas=3, options=options) as world:
        first, *_ = [world.start(i) for i in range(3)]
        url = queue(first)
        first.wait_run(first.apply(config("rep", 0))["run"]["id"])
        for n in range(5):
            key = f"train/rep/interactions/p{n}.csv"
            first.aws("s3").put_object(Bucket=BUCKET, Key=key, Body=interactions_csv(rows=1000 + n))
            for _ in range(4):  # S3 may tell more than once
                first.aws("sqs").send_message(QueueUrl=url, MessageBody=created(key))
        first.aws("s3").put_object(Bucket=BUCKET, Key="train/rep2/config.json", Body=json.dumps(config("rep2", 0)))
        for _ in range(4):
            first.aws("sqs").send_message(QueueUrl=url, MessageBody=created("train/rep2/config.json"))
        wait_until(lambda: any(r["trigger"] == "upload" for r in runs(first, "rep")), 60)
        wait_until(lambda: left(first, url) == 0, 60)
        wait_until(lambda: all(r["status"] == "succeeded" for r in runs(first, "rep")), 60)
        time.sleep(2.5)
        assert [r["kind"] for r in runs(first, "rep") if r["trigger"] == "upload"] == ["retrain"]
        assert has_config(first, "rep2")["version"] == 1 and len(runs(first, "rep2")) == 1

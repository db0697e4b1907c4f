"""Uploads to S3 that a watch of the bucket sees: parameter files are applied, data starts a run. A real client puts the objects."""
import json
import time

import pytest

from event_schemas import check_events
from server_kit import BUCKET, Server, config, interactions_csv, wait_until
from test_access import sql
from upload_kit import QUIET, created, has_config, put_file, rejected, runs

TOPIC = "arn:aws:sns:us-east-1:123456789012:told"


@pytest.fixture(scope="module")
def watching():
    with Server(None, *QUIET, "--watch-s3", "--watch-interval", "200ms", "--sns-topic-arn", TOPIC) as server:
        yield server
        check_events(server)


# ---- the watch ----

def test_an_uploaded_parameter_file_is_applied(watching):
    server, name = watching, "up-shop"
    server.put_data(name)
    put_file(server, f"train/{name}/config.json", config(name))
    found = wait_until(lambda: has_config(server, name), 30)
    place = f"s3://{BUCKET}/train/{name}/config.json"
    assert found["version"] == 1 and found["createdBy"] == place and found["url"] == place
    run = wait_until(lambda: [r for r in runs(server, name) if r["kind"] == "apply"], 30)[0]
    assert run["trigger"] == "upload" and server.wait_run(run["id"])["status"] == "succeeded"
    changed = config(name, tags=[{"tagKey": "a", "tagValue": "b"}])
    put_file(server, f"train/{name}/config.json", changed)
    wait_until(lambda: has_config(server, name)["version"] == 2, 30)
    server.wait_run(next(r["id"] for r in runs(server, name) if r["kind"] == "apply"))
    before = len(runs(server, name))
    put_file(server, f"train/{name}/config.json", json.dumps(changed, indent=4))  # the same, written otherwise
    wait_until(lambda: sql(server, "SELECT 1 FROM uploads WHERE key = %s AND state = 'unchanged'", f"train/{name}/config.json"), 30)
    assert has_config(server, name)["version"] == 2 and len(runs(server, name)) == before
    events = server.ok("GET", f"/events?config={name}&type=config.*&limit=50")["items"]
    assert sorted(e["type"] for e in events) == ["config.created", "config.updated"] and events[0]["data"]["origin"] == place


def test_data_beside_a_file_in_any_folder_is_found(watching):
    """The AWS solution takes data from the folder of the parameter file, wherever that is."""
    server, name = watching, "up-deep"
    server.aws("s3").put_object(Bucket=BUCKET, Key="train/teams/a/interactions.csv", Body=interactions_csv())
    put_file(server, "train/teams/a/anything.json", config(name))
    found = wait_until(lambda: has_config(server, name), 30)
    assert found["document"]["deployment"]["prefix"] == "train/teams/a/"
    run = wait_until(lambda: runs(server, name), 30)[-1]
    assert server.wait_run(run["id"])["status"] == "succeeded"


@pytest.mark.parametrize("key, text, errors", [
    ("train/bad/no.json", b"{not json", "Line 1, column"),
    ("train/bad/utf.json", b"{\"datasetGroup\": \"\xff\"}", "UTF-8"),
    ("train/bad/meaning.json", json.dumps(config("up-bad") | {"solution": []}), "solution"),
])
def test_an_invalid_file_makes_an_event_with_all_that_is_wrong(watching, key, text, errors):
    put_file(watching, key, text)
    event, = wait_until(lambda: rejected(watching, key), 30)
    data = event["data"]
    assert data["code"] == "invalid-file" and data["bucket"] == BUCKET
    assert any(errors in line for line in data["errors"]), data
    assert not has_config(watching, "up-bad")


def test_an_invalid_file_is_told_as_the_solution_told_it(watching):
    """From the object to the topic's subscriber."""
    server = watching
    sns, sqs = server.aws("sns"), server.aws("sqs")
    assert sns.create_topic(Name="told")["TopicArn"] == TOPIC
    url = sqs.create_queue(QueueName="told")["QueueUrl"]
    sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:told")
    put_file(server, "train/bad/told.json", json.dumps(config("up-bad") | {"nonsense": []}))

    def told():
        for m in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            document = json.loads(json.loads(m["Body"])["Message"])
            if document["status"] == "UPDATE FAILED" and any("nonsense" in line for line in document["description"]):
                return True
        return False
    wait_until(told, 60)


def test_a_name_of_another_config_is_refused(watching):
    server = watching
    wait_until(lambda: has_config(server, "up-shop"), 30)
    thief = config("up-thief")
    thief["solutions"][0]["serviceConfig"]["name"] = "up-shop-s0"
    put_file(server, "train/thief/config.json", thief)
    event, = wait_until(lambda: rejected(server, "train/thief/config.json"), 30)
    assert "up-shop" in event["data"]["errors"][0] and not has_config(server, "up-thief")


def test_changed_data_makes_one_run_when_it_is_quiet(watching):
    server, name = watching, "up-data"
    server.put_data(name)
    server.wait_run(server.apply(config(name))["run"]["id"])
    for part in range(4):
        server.aws("s3").put_object(Bucket=BUCKET, Key=f"train/{name}/interactions/part-{part}.csv", Body=interactions_csv())
        time.sleep(0.3)  # over more than one look
    started = wait_until(lambda: [r for r in runs(server, name) if r["trigger"] == "upload"], 60)
    assert [r["kind"] for r in started] == ["retrain"]
    assert server.wait_run(started[0]["id"])["status"] == "succeeded"
    time.sleep(2.5)  # no second one follows: a quiet time and a few looks
    assert len([r for r in runs(server, name) if r["trigger"] == "upload"]) == 1


def test_a_trigger_that_applies_takes_its_own_file_and_no_other(watching):
    """S3 tells a trigger of an uploaded parameter file, whether anybody watches or not."""
    server, name = watching, "up-told"
    server.put_data(name)
    server.wait_run(server.apply(config(name))["run"]["id"])
    body = {"config": name, "kind": "apply", "auth": "bearer", "dedupeWindowSeconds": 0}
    refused = server.post("/triggers", json=body, token=server.new_token("operate"))
    assert refused.json()["errors"][0]["code"] == "forbidden"
    trigger = server.ok("POST", "/triggers", json=body)

    def tell(key, bucket=BUCKET):
        answer = server.post(trigger["hook"], token=trigger["secret"], data=created(key, bucket=bucket))
        assert answer.status_code in (200, 202), answer.text
        return answer.json()

    def settled(delivery):
        return wait_until(lambda: next((d for d in server.ok("GET", f"/triggers/{trigger['id']}/deliveries")["items"]
                                        if d["id"] == delivery and d["status"] != "waiting"), None), 30)

    key = f"train/{name}/config.json"
    changed = config(name, tags=[{"tagKey": "a", "tagValue": "told"}])
    put_file(server, key, changed)
    done = settled(tell(key)["id"])  # the watch may have been faster
    assert done["status"] == "started", done
    assert has_config(server, name)["version"] == 2 and has_config(server, name)["document"]["tags"] == changed["tags"]
    put_file(server, "train/thief2/config.json", config("up-other", 0))
    done = settled(tell("train/thief2/config.json")["id"])
    assert done["status"] == "failed" and "not of" in done["reason"], done
    assert tell(key, bucket="elsewhere")["status"] == "ignored"
    assert tell("train/other/users.csv")["status"] == "ignored"


def test_what_was_there_before_anybody_watched(tmp_path):
    """The first look applies files of configs that do not exist, leaves those that do, and starts nothing for data."""
    with Server(tmp_path, *QUIET) as server:
        server.put_data("old")
        server.wait_run(server.apply(config("old"))["run"]["id"])
        put_file(server, "train/old/config.json", config("old", tags=[{"tagKey": "stale", "tagValue": "x"}]))
        put_file(server, "train/new/config.json", config("new", 0))
        assert server.stop() == 0
        server.options += ["--watch-s3", "--watch-interval", "200ms"]
        server.start()
        wait_until(lambda: has_config(server, "new"), 30)
        wait_until(lambda: not sql(server, "SELECT 1 FROM uploads WHERE state = 'pending'"), 30)
        assert has_config(server, "old")["version"] == 1
        assert [r["trigger"] for r in runs(server, "old")] == ["apply"] and not sql(server, "SELECT 1 FROM quiet_runs")
        put_file(server, "train/old/config.json", config("old", tags=[{"tagKey": "fresh", "tagValue": "x"}]))
        wait_until(lambda: has_config(server, "old")["version"] == 2, 30)

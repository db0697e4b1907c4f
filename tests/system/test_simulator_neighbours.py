"""EventBridge, SNS, CloudWatch and SQS of the simulator, with real clients: boto3 and the aws command line."""
import datetime
import json
import os
import shutil
import subprocess
import threading
import time

import botocore.exceptions
import pytest

from simulator_kit import ACCOUNT, REGION, Simulator, call


@pytest.fixture(scope="module")
def sim(tmp_path_factory):
    simulator = Simulator(tmp_path_factory.mktemp("neighbours"))
    yield simulator
    assert simulator.stop() == 0


@pytest.fixture(autouse=True)
def clean(sim):
    sim.admin("reset", {"settings": True})


def refused(code):
    return pytest.raises(botocore.exceptions.ClientError, match=code)


def test_eventbridge(sim):
    events = sim.client("events")
    entry = {"Source": "s", "DetailType": "d", "Detail": '{"a": 1}', "Resources": ["arn:x"], "Time": datetime.datetime.now()}
    answer = events.put_events(Entries=[entry, {**entry, "Detail": "no"}, {"Source": "s"}])
    assert answer["FailedEntryCount"] == 2 and answer["Entries"][0]["EventId"]
    assert [e.get("ErrorCode") for e in answer["Entries"]] == [None, "MalformedDetail", "InvalidArgument"]
    with refused("ResourceNotFoundException"):
        events.put_events(Entries=[{**entry, "EventBusName": "mine"}])
    arn = events.create_event_bus(Name="mine")["EventBusArn"]
    assert events.put_events(Entries=[{**entry, "EventBusName": arn}])["FailedEntryCount"] == 0
    assert [b["Name"] for b in events.list_event_buses()["EventBuses"]] == ["default", "mine"]
    kept = sim.admin("messages")["events"]
    assert [e.get("EventBusName") for e in kept] == [None, arn] and kept[0]["Detail"] == '{"a": 1}'
    calls = sim.admin("ledger?operation=EventBridge.PutEvents")["calls"]
    assert [c["error"] if "error" in c else None for c in calls] == [None, "ResourceNotFoundException", None]


def test_sns(sim):
    sns, sqs = sim.client("sns"), sim.client("sqs")
    arn = sns.create_topic(Name="news")["TopicArn"]
    assert arn == f"arn:aws:sns:{REGION}:{ACCOUNT}:news"
    assert sns.list_topics()["Topics"] == [{"TopicArn": arn}]
    url = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["QueueArn"]
    assert sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue)["SubscriptionArn"].startswith(arn)
    message = json.dumps({"default": "plain <&>", "sqs": '{"x": "ü"}'})
    assert sns.publish(TopicArn=arn, Message=message, MessageStructure="json", Subject="Hello",
                       MessageAttributes={"id": {"DataType": "String", "StringValue": "7"}})["MessageId"]
    envelope = json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"])
    assert envelope["Message"] == '{"x": "ü"}' and envelope["Subject"] == "Hello" and envelope["TopicArn"] == arn
    assert envelope["MessageAttributes"] == {"id": {"Type": "String", "Value": "7"}}
    kept = sim.admin("messages")["notifications"]
    assert kept[0]["Message"] == message and len(kept) == 1
    with refused("NotFound"):
        sns.publish(TopicArn=arn + "x", Message="m")
    for bad in ({"Message": "no json", "MessageStructure": "json"}, {"Message": "{}", "MessageStructure": "json"},
                {"Message": "m", "Subject": "s" * 101}):
        with refused("InvalidParameter"):
            sns.publish(TopicArn=arn, **bad)


def test_cloudwatch(sim):
    cloudwatch = sim.client("cloudwatch")
    now = datetime.datetime.now(datetime.timezone.utc)
    dimensions = [{"Name": "service", "Value": "Workflow"}]
    for value in (1, 2.5):
        cloudwatch.put_metric_data(Namespace="mine", MetricData=[
            {"MetricName": "JobSuccess", "Value": value, "Unit": "Count", "Dimensions": dimensions, "Timestamp": now},
            {"MetricName": "other", "Value": 7}])
    listed = cloudwatch.list_metrics(Namespace="mine", MetricName="JobSuccess")["Metrics"]
    assert listed == [{"Namespace": "mine", "MetricName": "JobSuccess", "Dimensions": dimensions}]
    points = cloudwatch.get_metric_statistics(
        Namespace="mine", MetricName="JobSuccess", Dimensions=dimensions, Period=3600, Statistics=["Sum", "Maximum"],
        StartTime=now - datetime.timedelta(minutes=5), EndTime=now + datetime.timedelta(minutes=5))["Datapoints"]
    assert len(points) == 1 and points[0]["Sum"] == 3.5 and points[0]["Maximum"] == 2.5 and points[0]["SampleCount"] == 2
    with refused("InvalidParameterValue"):
        cloudwatch.put_metric_data(Namespace="AWS/mine", MetricData=[{"MetricName": "x", "Value": 1}])
    status, _, _ = call(sim, json.dumps({"Namespace": "json", "MetricData": [{"MetricName": "x", "Value": 1}]}),
                        target="GraniteServiceVersion20100801.PutMetricData", service="monitoring")
    assert status == 200 and sim.admin("messages")["metrics"][-1]["Namespace"] == "json"


def test_sqs(sim):
    sqs = sim.client("sqs")
    url = sqs.create_queue(QueueName="inbox", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    assert sqs.get_queue_url(QueueName="inbox")["QueueUrl"] == url and sqs.list_queues()["QueueUrls"] == [url]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    for body in ("one & <two>", "zwölf"):
        sqs.send_message(QueueUrl=url, MessageBody=body)  # boto3 checks the MD5
    got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
    assert [m["Body"] for m in got] == ["one & <two>", "zwölf"] and got[0]["Attributes"]["ApproximateReceiveCount"] == "1"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=got[0]["ReceiptHandle"])
    again = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]  # visible again after a second
    assert [m["Body"] for m in again] == ["zwölf"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=again[0]["ReceiptHandle"])
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessages"] == "0"
    with refused("NonExistentQueue|QueueDoesNotExist"):
        sqs.receive_message(QueueUrl=url + "x")
    with refused("ReceiptHandleIsInvalid"):
        sqs.delete_message(QueueUrl=url, ReceiptHandle="nonsense")


def test_a_long_poll_ends_with_the_message(sim):
    sqs = sim.client("sqs")
    url = sqs.create_queue(QueueName="late")["QueueUrl"]
    sender = threading.Timer(0.3, lambda: sim.client("sqs").send_message(QueueUrl=url, MessageBody="now"))
    started = time.monotonic()
    sender.start()
    assert sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"][0]["Body"] == "now"
    assert 0.2 < time.monotonic() - started < 15
    sender.join()


@pytest.mark.parametrize("service,work", [
    ("events", lambda c: c.list_event_buses()), ("sns", lambda c: c.list_topics()),
    ("cloudwatch", lambda c: c.list_metrics()), ("sqs", lambda c: c.list_queues())])
def test_signatures_are_verified(sim, service, work):
    work(sim.client(service))
    with refused("(InvalidSignatureException|SignatureDoesNotMatch)"):
        work(sim.client(service, secret="wrong"))
    with refused("(UnrecognizedClientException|InvalidClientTokenId)"):
        work(sim.client(service, key="nobody"))


def test_a_fault_of_single_entries(sim):
    events = sim.client("events")
    sim.admin("faults", {"rules": ["EventBridge.PutEvents/bad*=throttle,times=1"], "replace": True})
    entries = [{"Source": "s", "DetailType": kind, "Detail": "{}"} for kind in ("good", "bad one", "bad two")]
    answer = events.put_events(Entries=entries)
    assert answer["FailedEntryCount"] == 1 and [e.get("ErrorCode") for e in answer["Entries"]] == [None, "ThrottlingException", None]
    assert [e["DetailType"] for e in sim.admin("messages")["events"]] == ["good", "bad two"]


def test_faults_name_the_service(sim):
    events = sim.client("events")
    sim.admin("faults", {"rules": ["EventBridge.PutEvents=error-before,times=1", "SNS.*=throttle,times=1"], "replace": True})
    with refused("InternalFailure"):
        events.put_events(Entries=[{"Source": "s", "DetailType": "d", "Detail": "{}"}])
    with refused("Throttling"):
        sim.client("sns").list_topics()
    assert sim.admin("messages")["events"] == []
    events.put_events(Entries=[{"Source": "s", "DetailType": "d", "Detail": "{}"}])
    assert len(sim.admin("messages")["events"]) == 1


@pytest.mark.skipif(not shutil.which("aws", path="/usr/bin"), reason="no aws command")
def test_aws_command_line(sim, tmp_path):
    env = {**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION,
           "AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
           "AWS_EC2_METADATA_DISABLED": "true"}

    def aws(*arguments):
        done = subprocess.run(["/usr/bin/aws", "--endpoint-url", sim.url, "--output", "json", *arguments], env=env,
                              capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "{}")

    assert aws("sns", "create-topic", "--name", "cli")["TopicArn"].endswith(":cli")
    assert aws("events", "put-events", "--entries", '[{"Source":"s","DetailType":"d","Detail":"{}"}]')["FailedEntryCount"] == 0
    aws("cloudwatch", "put-metric-data", "--namespace", "cli", "--metric-name", "m", "--value", "3")
    assert sim.admin("messages")["metrics"][0]["Namespace"] == "cli"

"""The AWS solution's channels: what is said on EventBridge, SNS, CloudWatch and by mail, read back with real clients, and what becomes
of channels that fail in every way."""
import datetime
import json
import os
import subprocess
import time

import pytest
import requests

from event_schemas import check_events
from server_kit import BUILD, Server, config, wait_until
from smtp_kit import MailServer, certificate
from test_access import sql
from test_contract import check
from upload_kit import put_file

REGION, ACCOUNT = "us-east-1", "123456789012"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:news"
SPACE = "personalize_solution_test"
SUBJECT = "Maintaining Personalized Experiences with Machine Learning Notifications"
FAST = ["--delivery-time-scale", "1000", "--delivery-timeout", "2s", "--observe-every", "0"]
PASSWORD = "pass-word-kept-1873"


class World:
    """A server with every channel on, a bus, a topic with a queue, and a mail server with STARTTLS and a login."""

    def __init__(self, folder):
        context, self.authority = certificate(folder)
        self.mail = MailServer(context, login=("shop", PASSWORD))
        self.login = folder / "login"
        self.login.write_text(f"shop\n{PASSWORD}\n")
        self.login.chmod(0o600)
        self.server = Server(None, *FAST, "--event-bus", "mine", "--sns-topic-arn", TOPIC, "--cloudwatch-namespace", SPACE,
                             "--smtp-url", self.mail.url, "--smtp-credentials-file", str(self.login), "--smtp-ca-bundle", self.authority,
                             "--mail-from", "The Shop <steward@example.org>", "--mail-to", "José <jose@example.org>",
                             "--mail-to", "ops@example.org", "--simulator-time-scale", "6000",
                             "--watch-s3", "--watch-interval", "200ms", "--upload-run", "none")
        self.server.start()
        self.server.aws("events").create_event_bus(Name="mine")
        self.queue = subscribe(self.server)

    def close(self):
        status, tail = self.server.stop(), self.server.tail(80)
        self.server.remove()
        self.mail.__exit__()
        assert status == 0, tail

    def faults(self, *rules):
        requests.post(self.server.simulator_url + "/_simulator/faults", timeout=10,
                      json={"replace": True, "rules": list(rules)}).raise_for_status()

    def messages(self, kind):
        return requests.get(self.server.simulator_url + "/_simulator/messages", timeout=10).json()[kind]

    def notes(self, group, n=1):
        """The JSON documents that a queue subscribed to the topic got about a dataset group, with their event's ids."""
        found = []

        def look():
            for m in receive(self.server, self.queue):
                document = json.loads(m["Message"])
                found.extend([(document, m)] if document["datasetGroup"] == group else [])
            return found if len(found) >= n else None
        return wait_until(look, 30)

    def mails(self, text, n=2):
        return wait_until(lambda: (lambda m: m if len(m) >= n else None)([m for m in self.mail.parsed() if text in m.get_content()]), 30)


def subscribe(server):
    sns, sqs = server.aws("sns"), server.aws("sqs")
    assert sns.create_topic(Name="news")["TopicArn"] == TOPIC
    url = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=arn)
    return url


def receive(server, queue):
    sqs = server.aws("sqs")
    got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    for m in got:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=m["ReceiptHandle"])
    return [json.loads(m["Body"]) for m in got]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("channels"))
    yield w
    try:
        check_events(w.server)
    finally:
        w.close()


@pytest.fixture(autouse=True)
def healthy(request):
    if "world" in request.fixturenames:
        w = request.getfixturevalue("world")
        w.faults()
        w.mail.replies.clear()
        # Nothing of the test before is under way, which would meet this one's faults instead of its own messages.
        wait_until(lambda: all(c["pending"] == 0 for c in w.server.ok("GET", "/channels")["items"]), 60)


def channel(server, name):
    answer = server.get(f"/channels/{name}")
    check(answer, "GET", "/channels/{id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def address(server, of):
    return next(c["id"] for c in server.ok("GET", "/channels")["items"] if c["kind"] == "mail" and of in c["target"])


def ping(server, name):
    """The event's id of a test message."""
    answer = server.post(f"/channels/{name}/test")
    check(answer, "POST", "/channels/{id}/test")
    assert answer.status_code == 202, answer.text
    return answer.json()["event"]


def delivery(server, name, event, status=("delivered", "dead"), seconds=30):
    def look():
        answer = server.get(f"/channels/{name}/deliveries?limit=200")
        check(answer, "GET", "/channels/{id}/deliveries")
        return next((d for d in answer.json()["items"] if d["event"] == event and d["status"] in status), None)
    return wait_until(look, seconds)


def log_of(d):
    return sorted(d["log"], key=lambda a: a["number"])


# ---- what is said ----

def test_a_run_is_told_on_every_channel(world):
    """One apply with a schedule: its resources on the bus, its end by SNS and mail, counters and offline metrics at CloudWatch."""
    s = world.server
    s.put_data("told")
    document = config("told")
    document["datasetGroup"]["workflowConfig"] = {"schedules": {"import": "cron(0 3 * * ? *)"}}
    run = s.wait_run(s.apply(document)["run"]["id"], 90)
    assert run["status"] == "succeeded"

    made = {step["arn"]: step["kind"] for step in run["steps"]}
    assert set(made.values()) == {"datasetGroup", "schema", "dataset", "datasetImportJob", "solution", "solutionVersion", "campaign"}
    bus = wait_until(lambda: (lambda e: e if len(e) >= 2 * len(made) - 1 else None)(
        [e for e in world.messages("events") if e["Resources"][0] in made]), 30)
    assert len(bus) == 2 * len(made) - 1, "CREATING and ACTIVE each, but a schema has no status"
    titles = {"datasetGroup": "Dataset Group", "schema": "Schema", "dataset": "Dataset", "datasetImportJob": "Dataset Import Job",
              "solution": "Solution", "solutionVersion": "Solution Version", "campaign": "Campaign"}
    personalize, durations = s.aws("personalize"), 0
    for e in bus:
        arn, detail = e["Resources"][0], json.loads(e["Detail"])
        assert e["Source"] == "solutions.aws.personalize" and e["EventBusName"] == "mine"
        assert e["DetailType"] == f"Personalize {titles[made[arn]]} State Change"
        assert detail["Arn"] == arn and detail["Status"] in ("CREATING", "ACTIVE")
        if detail["Status"] == "CREATING":
            assert set(detail) == {"Arn", "Status"}
        elif made[arn] == "solutionVersion":
            live = personalize.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]
            seconds = int((live["lastUpdatedDateTime"] - live["creationDateTime"]).total_seconds())
            assert detail.get("Duration", 0) == seconds
            durations += 1
    assert durations == 1
    order = [json.loads(e["Detail"])["Status"] for e in bus if made[e["Resources"][0]] == "campaign"]
    assert sorted(order) == ["ACTIVE", "CREATING"]

    (note, envelope), = world.notes("told")
    summary = "The personalization workflow for told completed successfully"
    console = (f"https://console.aws.amazon.com/personalize/home?region={REGION}"
               f"#arn:aws:personalize:{REGION}:{ACCOUNT}:dataset-group$told/setup")
    text = f"The Personalization job for dataset group told is complete\n\nLink: {console}"
    assert note == {"datasetGroup": "told", "status": "UPDATE COMPLETE", "summary": summary, "description": text}
    assert envelope["Subject"] == SUBJECT
    forms = json.loads(next(n for n in world.messages("notifications") if "told" in n["Message"])["Message"])
    assert forms["default"] == forms["sms"] == summary and forms["email"] == text and json.loads(forms["email-json"]) == note
    ended = next(e for e in s.ok("GET", "/events?config=told&type=run.succeeded")["items"])
    assert envelope["MessageAttributes"]["eventId"]["Value"] == ended["id"]

    mails = world.mails("dataset group told is complete")
    assert len(mails) == 2 and {m["To"] for m in mails} == {"José <jose@example.org>", "ops@example.org"}
    for m in mails:
        assert m["Subject"] == SUBJECT and m["From"] == "The Shop <steward@example.org>"
        assert m.get_content().replace("\r\n", "\n").rstrip("\n") == text and not m.defects
        assert abs(m["Date"].datetime.timestamp() - time.time()) < 300
    kept = [m for m in world.mail.mails if m["to"]]
    assert {tuple(m["to"]) for m in kept} == {("jose@example.org",), ("ops@example.org",)}
    assert all(m["tls"] and m["user"] == "shop" and m["from"] == "steward@example.org" for m in kept)


def test_metrics_have_the_names_and_dimensions_of_the_solution(world):
    s = world.server
    s.put_data("gauge")
    document = config("gauge")
    document["datasetGroup"]["workflowConfig"] = {"schedules": {"import": "cron(0 3 * * ? *)"}}
    run = s.wait_run(s.apply(document)["run"]["id"], 90)
    solution = next(step["arn"] for step in run["steps"] if step["kind"] == "solution")
    del document["datasetGroup"]["workflowConfig"]
    s.wait_run(s.apply(document)["run"]["id"])
    cloudwatch, now = s.aws("cloudwatch"), datetime.datetime.now(datetime.timezone.utc)

    def total(name, service, *more):
        dimensions = [{"Name": "service", "Value": service}, *more]
        points = cloudwatch.get_metric_statistics(
            Namespace=SPACE, MetricName=name, Dimensions=dimensions, Period=86400, Statistics=["Sum", "Maximum"],
            StartTime=now - datetime.timedelta(days=1), EndTime=now + datetime.timedelta(days=1))["Datapoints"]
        return {"Sum": sum(p["Sum"] for p in points), "Maximum": max(p["Maximum"] for p in points)} if points else None

    wait_until(lambda: total("JobsDeleted", "Scheduler"), 30)
    wait_until(lambda: channel(s, "cloudwatch")["pending"] == 0, 30)
    ends = [e for e in s.ok("GET", "/events?type=run.*&limit=200")["items"]]
    applies = sum(e["type"] == "run.queued" and e["data"]["kind"] == "apply" for e in ends)
    for name in ("ConfigurationsProcessed", "ConfigurationsProcessedSuccesses"):
        assert total(name, "Workflow")["Sum"] == applies
    assert total("JobSuccess", "Workflow")["Sum"] == sum(e["type"] == "run.succeeded" for e in ends)
    for kind in ("DatasetGroup", "Schema", "Dataset", "DatasetImportJob", "Solution", "SolutionVersion", "Campaign"):
        assert total(kind + "Created", "Workflow")["Sum"] >= 1, kind
    assert total("JobsCreated", "Scheduler")["Sum"] >= 1 and total("JobsDeleted", "Scheduler")["Sum"] == 1
    version = s.ok("GET", "/solutions/gauge-s0/versions")["items"][0]
    assert len(version["metrics"]) >= 7
    for name, value in version["metrics"].items():
        point = total(name, "SolutionMetrics", {"Name": "solutionArn", "Value": solution})
        assert point and point["Maximum"] == pytest.approx(value), name


def test_a_failed_run_says_why(world):
    s = world.server
    world.faults("CreateDatasetGroup/wrong=denied,times=9")
    run = s.wait_run(s.apply(config("wrong", 0))["run"]["id"])
    assert run["status"] == "failed"
    (note, _), = world.notes("wrong")
    assert note["status"] == "UPDATE FAILED" and note["summary"] == "The personalization workflow for wrong completed with errors"
    assert note["description"].startswith("There was an error running the personalization job for dataset group wrong\n\nMessage: ")
    assert run["reason"] in note["description"]
    assert run["reason"].splitlines()[0] in world.mails("dataset group wrong")[0].get_content()


def test_an_invalid_file_is_told_and_nothing_of_it_gets_into_headers(world):
    """The words of a file are a stranger's: line breaks and addresses in them stay text."""
    s = world.server
    evil = "bad\r\nBcc: thief@example.org\r\n\r\nboo"
    data = {"code": "invalid-file", "reason": "2 errors", "key": f"train/{evil}.json",
            "errors": [f"/solutions/0: {evil}", "/filters: zwölf\n."]}
    sql(s, "INSERT INTO events (id, type, subject, data) VALUES ('evt_01M8RNGZJGFVDS774GW3NQ0W0S', 'trigger.rejected', %s, %s)",
        "configs/" + evil, json.dumps(data))
    (note, _), = world.notes(evil)
    assert note == {"datasetGroup": evil, "status": "UPDATE FAILED", "description": data["errors"],
                    "summary": "There were errors detected when reading a personalization job configuration file"}
    mails = world.mails("zwölf")
    for m in mails:
        assert set(m.keys()) == {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
                                 "Content-Transfer-Encoding"}
        assert "   - /solutions/0: bad" in m.get_content() and not m.defects
    assert {t for m in world.mail.mails for t in m["to"]} == {"jose@example.org", "ops@example.org"}
    cloudwatch = [m["MetricName"] for m in world.messages("metrics")]
    wait_until(lambda: "ConfigurationsProcessedFailures" in [m["MetricName"] for m in world.messages("metrics")] or cloudwatch.clear())


def test_uploads_are_told_as_the_solution_told_them(world):
    """A parameter file that is put into the bucket: a good one counts and runs, a bad one's errors are told one by one."""
    s = world.server

    def counted(name):
        return sum(m["MetricName"] == name for m in world.messages("metrics"))

    before = counted("JobsCreated"), counted("ConfigurationsProcessedFailures")
    good = config("upped", 0)
    good["datasetGroup"]["workflowConfig"] = {"schedules": {"import": "cron(0 3 * * ? *)"}}
    put_file(s, "train/upped/config.json", good)
    (note, _), = world.notes("upped")
    assert note["status"] in ("UPDATE COMPLETE", "UPDATE FAILED")
    wait_until(lambda: counted("JobsCreated") == before[0] + 1)
    put_file(s, "train/upset/config.json", config("upset", 0, filters={"a": 1}, unknown=[]))
    (note, _), = world.notes("upset")
    told = next(e for e in s.ok("GET", "/events?type=trigger.rejected")["items"] if e["data"]["key"] == "train/upset/config.json")
    assert note["status"] == "UPDATE FAILED" and note["description"] == told["data"]["errors"] and len(note["description"]) >= 2
    mail = world.mails("train/upset/config.json")[0].get_content()
    assert all(f"   - {line}" in mail for line in note["description"])
    wait_until(lambda: counted("ConfigurationsProcessedFailures") == before[1] + 1)


def test_looking_for_drift_and_adopting_say_nothing(world):
    s = world.server
    s.put_data("quiet")
    s.wait_run(s.apply(config("quiet", 0))["run"]["id"])
    world.notes("quiet")
    s.wait_run(s.ok("POST", "/runs", json={"config": "quiet", "kind": "observe"})["id"])
    event = ping(s, "sns")
    delivery(s, "sns", event, ("delivered",))
    assert [d["event"] for d in s.ok("GET", "/channels/sns/deliveries?limit=1")["items"]] == [event]
    kinds = {d["type"] for d in s.ok("GET", "/channels/sns/deliveries?limit=200")["items"]}
    assert kinds <= {"run.succeeded", "run.failed", "trigger.rejected", "test.ping"}
    observed = [e["id"] for e in s.ok("GET", "/events?config=quiet&type=run.succeeded")["items"] if e["data"]["kind"] == "observe"]
    assert observed and not set(observed) & {d["event"] for d in s.ok("GET", "/channels/sns/deliveries?limit=200")["items"]}
    # nor when everything is sent again
    wait_until(lambda: channel(s, "sns")["pending"] == 0)
    before = channel(s, "sns")["delivered"]
    wanted = [e for kind in ("run.succeeded", "run.failed", "trigger.rejected") for e in s.ok("GET", f"/events?type={kind}&limit=200")["items"]
              if e["data"].get("kind") != "observe"]
    pings = sum(d["type"] == "test.ping" for d in s.ok("GET", "/channels/sns/deliveries?limit=200")["items"])
    again = s.ok("POST", "/channels/sns/replay", json={"since": "2020-01-01T00:00:00Z", "all": True})
    assert again == {"replayed": len(wanted) + pings}
    wait_until(lambda: channel(s, "sns")["pending"] == 0)
    assert channel(s, "sns")["delivered"] == before + len(wanted) + pings


# ---- what fails ----

@pytest.mark.parametrize("name, rule, first", [
    ("sns", "SNS.Publish=throttle,times=1", "status"),
    ("sns", "SNS.Publish=error-before,times=1", "status"),
    ("sns", "SNS.Publish=denied,times=1", "denied"),
    ("sns", "SNS.Publish=cut-before,times=1", "timeout"),
    ("sns", "SNS.Publish=lost-reply,times=1", "timeout"),
    ("eventbridge", "EventBridge.PutEvents=throttle,times=1", "status"),
    ("eventbridge", "EventBridge.PutEvents/Steward*=throttle,times=1", "entry"),
    ("cloudwatch", "CloudWatch.PutMetricData=error-before,times=1", "status"),
])
def test_what_aws_refuses_is_tried_again(world, name, rule, first):
    world.faults(rule)
    event = ping(world.server, name)
    d = delivery(world.server, name, event)
    log = log_of(d)
    assert d["status"] == "delivered" and [a["success"] for a in log] == [False, True], d
    assert log[0]["errorClass"] == first or (first == "timeout" and log[0]["errorClass"] == "protocol"), log
    state = channel(world.server, name)
    assert state["status"] == "active" and state["lastError"]["delivery"] == d["id"] and state["failedAttempts"] >= 1


def test_one_refused_entry_does_not_hold_back_the_others(world):
    """Ten messages at most in a call, and FailedEntryCount: only what was refused is sent again."""
    s = world.server
    world.faults("EventBridge.PutEvents/Personalize Dataset State*=throttle,times=2")
    s.wait_run(s.apply(config("partly", 0))["run"]["id"])
    wait_until(lambda: channel(s, "eventbridge")["pending"] == 0, 30)
    arns = [e["Resources"][0] for e in world.messages("events") if e["Resources"] and "partly" in e["Resources"][0]]
    assert len(arns) == 5 and arns.count(f"arn:aws:personalize:{REGION}:{ACCOUNT}:dataset/partly/INTERACTIONS") == 2
    items = s.ok("GET", "/channels/eventbridge/deliveries?limit=200")["items"]
    classes = [a["errorClass"] for d in items for a in d["log"] if not a["success"] and "Injected" in a.get("response", "")]
    assert classes.count("entry") >= 2


def test_every_refusal_of_a_mail_server_is_tried_again(world):
    s, mail = world.server, world.mail
    ops = address(s, "ops@")
    for verb, reply in (("RCPT", "550 5.1.1 No such user here"), ("DATA", "451 4.3.0 Try again later"),
                        (".", "452 4.2.2 Mailbox full, token stw_abc123secret"), ("MAIL", "421 4.7.0 Too busy"),
                        ("AUTH", "454 4.7.0 Temporary authentication failure")):
        mail.replies[verb] = [reply]
        d = delivery(s, ops, ping(s, ops))
        log = log_of(d)
        assert d["status"] == "delivered" and [a["success"] for a in log] == [False, True], d
        assert log[0]["errorClass"] == "status" and log[0]["status"] == int(reply[:3]), log
        assert log[0]["response"].startswith(reply[:30]) and "abc123secret" not in log[0]["response"], log
    mails = [m for m in mail.parsed() if "This is a test" in m.get_content()]
    assert len({m["Message-ID"] for m in mails}) == len(mails) >= 5


def test_without_tls_neither_mail_nor_password_leaves(world):
    """A server that offers no STARTTLS, or somebody's certificate that is not its own, gets nothing."""
    s, mail = world.server, world.mail
    ops, context = address(s, "ops@"), mail.context
    count, logins, talk = len(mail.mails), len(mail.logins), len(mail.talk)
    mail.context = None
    event = ping(s, ops)
    wait_until(lambda: channel(s, ops)["failures"] >= 1)
    said = [line for line in mail.talk[talk:] if not line.split(" ")[1].upper() in ("EHLO", "HELO", "QUIT")]
    assert len(mail.mails) == count and len(mail.logins) == logins and said == [], said
    mail.context = context
    d = delivery(s, ops, event, ("delivered",), 60)
    assert "SSL" in log_of(d)[0]["response"] or "TLS" in log_of(d)[0]["response"].upper(), d
    assert mail.mails[-1]["tls"] and all(tls for _, _, tls in mail.logins)


def test_a_changed_login_needs_no_restart(world):
    s, mail = world.server, world.mail
    ops = address(s, "ops@")
    mail.login = ("shop", "another")
    try:
        event = ping(s, ops)
        wait_until(lambda: channel(s, ops).get("lastError", {}).get("status") == 535)
        world.login.write_text("shop\nanother\n")
        assert delivery(s, ops, event, ("delivered",), 60)
    finally:
        mail.login = ("shop", PASSWORD)
        world.login.write_text(f"shop\n{PASSWORD}\n")


def test_tests_are_limited_and_need_the_channel(world):
    s = world.server
    dry = s.post("/channels/cloudwatch/test?dryRun=true")
    check(dry, "POST", "/channels/{id}/test")
    assert dry.json() == {"dryRun": True}
    while (answer := s.post("/channels/cloudwatch/test")).status_code == 202:
        pass
    assert answer.status_code == 429 and answer.headers["Retry-After"] == "60"
    missing = s.post("/channels/pigeon/test")
    assert missing.status_code == 404 and "channel" in missing.json()["detail"]
    assert s.get("/channels/sns").headers["ETag"]


# ---- options and secrets ----

@pytest.mark.parametrize("options, words", [
    (["--event-bus", "a b"], "--event-bus"),
    (["--event-bus", "arn:aws:sns:us-east-1:123456789012:x"], "--event-bus"),
    (["--sns-topic-arn", "news"], "arn:aws:sns:REGION:ACCOUNT:NAME"),
    (["--sns-topic-arn", TOPIC + ".fifo"], "FIFO"),
    (["--sns-topic-arn", TOPIC.replace(REGION, "eu-west-1")], "eu-west-1"),
    (["--cloudwatch-namespace", "AWS/Mine"], "--cloudwatch-namespace"),
    (["--mail-to", "a@b.c"], "--smtp-url"),
    (["--smtp-url", "smtp://h:25"], "--mail-from"),
    (["--smtp-url", "smtp://u:p@h:25", "--mail-from", "a@b.c", "--mail-to", "a@b.c"], "a file"),
    (["--smtp-url", "http://h", "--mail-from", "a@b.c", "--mail-to", "a@b.c"], "smtp://HOST:PORT"),
    (["--smtp-url", "smtp://h", "--mail-from", "a@b.c", "--mail-to", "a@b.c\r\nBcc: x@y.z"], "--mail-to"),
    (["--smtp-url", "smtp://h", "--mail-from", "Ä <ä@b.c>", "--mail-to", "a@b.c"], "--mail-from"),
    (["--smtp-url", "smtp://h", "--mail-from", "a@b.c", "--mail-to", "a@b.c", "--smtp-credentials-file", "/nonexistent"], "can not be read"),
])
def test_options_that_can_not_work_are_refused_at_the_start(tmp_path, options, words):
    done = subprocess.run([str(BUILD / "steward"), "serve", "--local", "--data-dir", str(tmp_path / "d"), *options], capture_output=True,
                          text=True, timeout=30, env={k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "STEWARD_"))})
    assert done.returncode == 2 and words in done.stderr and not (tmp_path / "d").exists(), done.stderr


def test_a_login_that_others_can_read_or_would_be_sent_in_clear_text_is_refused(tmp_path):
    login = tmp_path / "login"
    login.write_text("u\np\n")
    base = [str(BUILD / "steward"), "serve", "--local", "--data-dir", str(tmp_path / "d"), "--smtp-url", "smtp://h", "--mail-from", "a@b.c",
            "--mail-to", "a@b.c", "--smtp-credentials-file", str(login)]
    for mode, more, words in ((0o644, [], "chmod 600"), (0o600, ["--smtp-plain"], "clear text")):
        login.chmod(mode)
        done = subprocess.run([*base, *more], capture_output=True, text=True, timeout=30)
        assert done.returncode == 2 and words in done.stderr, done.stderr
    # A file that is no login at all was read as far as the buffer went, and its beginning taken for one.
    login.write_text("user\n" + "p" * 400 + "\n" + "x" * 2000)
    done = subprocess.run(base, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "File too large" in done.stderr, done.stderr


def test_the_password_is_nowhere(world):
    """Last in this file: the log, the API and the database of a server that sent many mails, and failed at some."""
    s = world.server
    text = s.log.read_text() + s.get("/channels").text + s.get("/events?limit=200").text + s.get("/metrics").text
    for c in s.ok("GET", "/channels")["items"]:
        text += s.get(f"/channels/{c['id']}/deliveries?limit=200").text
    text += json.dumps(sql(s, "SELECT to_json(e)::text FROM endpoints e"))
    text += json.dumps(sql(s, "SELECT to_json(a)::text FROM delivery_attempts a"))
    assert PASSWORD not in text and world.mail.logins

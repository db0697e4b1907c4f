"""docs/iam/*.json allow what the code calls, and nothing else."""
import importlib.machinery
import importlib.util
import json
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def load(name):
    return json.loads((ROOT / "docs/iam" / name).read_text())["Statement"]


def actions(*names, effect="Allow"):
    return {a.split(":")[1] for n in names for s in load(n) if s["Effect"] == effect for a in s["Action"] if a.startswith("personalize:")}


def test_the_files_are_what_the_script_writes():
    done = subprocess.run([ROOT / "script/iam-policies", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_operation_of_the_engine_is_allowed_and_no_other():
    allowed = actions("steward.json", "steward-delete.json")
    source = "".join(p.read_text() for p in (ROOT / "server").rglob("*.c") if "domain/model" not in str(p))
    names = set(json.loads((ROOT / "model/personalize.json").read_text())["operations"])
    literal = {n for n in re.findall(r'"([A-Z]\w+)"', source) if n in names}
    assert literal <= allowed
    rows = re.findall(r'OPS\("(\w+)"\)', source)
    assert len(rows) == 15
    assert allowed == literal | {v + r for r in rows for v in ("Create", "Describe")}


def test_nothing_is_wild():
    for name in ("steward.json", "steward-delete.json", "steward-notify.json", "steward-queue.json", "personalize-role.json", "personalize-role-trust.json"):
        for s in load(name):
            assert all("*" not in a for a in s["Action"]), s
            if s["Action"] == ["cloudwatch:PutMetricData"]:  # takes no resource: bound to the namespace
                assert s["Condition"] == {"StringEquals": {"cloudwatch:namespace": "NAMESPACE"}}
            elif s["Effect"] == "Allow" and s.get("Resource") == "*":
                assert all(re.match(r"personalize:(Describe|Get|List)", a) for a in s["Action"]), s
            if "iam:PassRole" in s["Action"]:
                assert s["Resource"].endswith(":role/ROLE") and s["Condition"]["StringEquals"]["iam:PassedToService"] == "personalize.amazonaws.com"


def test_deletes_are_of_ours_and_apart():
    assert not {a for a in actions("steward.json") if a.startswith("Delete")}
    assert actions("steward.json", effect="Deny") == {"DeleteDatasetGroup", "DeleteDataset", "CreateDataDeletionJob"}
    bound = {a for s in load("steward-delete.json") if "aws:ResourceTag/steward:deployment" in json.dumps(s) for a in s["Action"]}
    free = {a for s in load("steward-delete.json") for a in s["Action"]} - bound
    assert free == {"personalize:DeleteSchema", "personalize:DeleteMetricAttribution", "personalize:CreateDataDeletionJob"}


def test_channels_are_allowed_what_they_send():
    """Every operation of the senders' table, each on one bus, topic and namespace."""
    source = (ROOT / "server/engine/aws_sender.c").read_text()
    services = {"AWS_EVENTBRIDGE": "events", "AWS_SNS": "sns", "AWS_CLOUDWATCH": "cloudwatch"}
    called = {f"{services[service]}:{operation}" for service, operation in re.findall(r'(AWS_[A-Z]+),\s*"([A-Z]\w+)"', source)}
    assert len(called) == 3
    assert {a for s in load("steward-notify.json") for a in s["Action"]} == called


def test_the_queue_is_read_and_nothing_else():
    source = (ROOT / "server/engine/intake_queue.c").read_text()
    called = {f"sqs:{operation}" for operation in re.findall(r'AWS_SQS,\s*"([A-Z]\w+)"', source)}
    assert len(called) == 2
    assert {a for s in load("steward-queue.json") for a in s["Action"]} == called

"""The wire of the local Amazon Personalize: protocol, errors, authentication, pages, and the aws command line."""
import concurrent.futures
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.parse

import pytest
from botocore.exceptions import ClientError

from simulator_kit import ACCOUNT, INTERACTIONS, REGION, ROOT, Simulator, call, send

ARN = f"arn:aws:personalize:{REGION}:{ACCOUNT}:"


@pytest.fixture(scope="module")
def sim(tmp_path_factory):
    simulator = Simulator(tmp_path_factory.mktemp("sim"), "--time-scale", "0", "--quota", "dataset-groups=1000")
    yield simulator
    assert simulator.stop() == 0


@pytest.fixture(scope="module")
def p(sim):
    return sim.client()


def fails(code, function, *args, **kwargs):
    with pytest.raises(ClientError) as caught:
        function(*args, **kwargs)
    assert caught.value.response["Error"]["Code"] == code, caught.value.response["Error"]
    return caught.value.response["Error"]["Message"]


# ---- protocol ------------------------------------------------------------------------------------------------------

def test_answer_headers(sim):
    status, headers, document = call(sim, "{}")
    assert (status, document) == (200, {"schemas": []})
    assert headers["content-type"] == "application/x-amz-json-1.1"
    assert len(headers["x-amzn-requestid"]) == 36
    assert headers["x-steward-simulator"] == "1"
    assert headers["date"].endswith("GMT")


def test_timestamps_are_epoch_seconds_with_milliseconds(sim, p):
    p.create_dataset_group(name="stamps")
    _, _, document = call(sim, json.dumps({"datasetGroupArn": ARN + "dataset-group/stamps"}),
                          "AmazonPersonalize.DescribeDatasetGroup")
    stamp = document["datasetGroup"]["creationDateTime"]
    assert isinstance(stamp, float) and abs(stamp - time.time()) < 60
    assert round(stamp, 3) == stamp


def test_any_base_path_and_null_members(sim):
    assert call(sim, '{"nextToken": null, "unknown": {"a": 1}}', path="/base/path/")[0] == 200
    assert call(sim, "")[0] == 200


def test_deletion_answers_with_an_empty_body(sim, p):
    arn = p.create_schema(name="empty-body", schema=INTERACTIONS)["schemaArn"]
    status, _, document = call(sim, json.dumps({"schemaArn": arn}), "AmazonPersonalize.DeleteSchema")
    assert (status, document) == (200, b"")


@pytest.mark.parametrize("body, target, code", [
    ("{}", "AmazonPersonalize.Nothing", "UnknownOperationException"),
    ("{}", "Other.ListSchemas", "UnknownOperationException"),
    ("{}", "ListSchemas", "UnknownOperationException"),  # the name without its service was once taken for it
    ("{}", None, "UnknownOperationException"),
    ("{", "AmazonPersonalize.ListSchemas", "SerializationException"),
    ("[]", "AmazonPersonalize.ListSchemas", "SerializationException"),
    (b"{\"a\":\"\xff\"}", "AmazonPersonalize.ListSchemas", "SerializationException"),
    ('{"maxResults": "5"}', "AmazonPersonalize.ListSchemas", "SerializationException"),
    ('{"name": 5}', "AmazonPersonalize.CreateDatasetGroup", "SerializationException"),
    ('{"maxResults": 0}', "AmazonPersonalize.ListSchemas", "InvalidInputException"),
])
def test_bad_requests(sim, body, target, code):
    status, headers, document = call(sim, body, target)
    assert (status, document["__type"], headers["x-amzn-errortype"]) == (400, code, code)


@pytest.mark.parametrize("operation, request_, says", [
    ("CreateDatasetGroup", {}, ["1 validation error detected: Value null at 'name' failed to satisfy constraint: "
                                "Member must not be null"]),
    ("CreateDatasetGroup", {"name": "-a"}, ["Value '-a' at 'name'", "regular expression pattern: ^[a-zA-Z0-9]"]),
    ("CreateDatasetGroup", {"name": "a" * 64}, ["length less than or equal to 63"]),
    ("CreateDatasetGroup", {"name": "", "domain": "SHOP"}, ["3 validation errors detected", "length greater than or equal "
                            "to 1", "enum value set: [ECOMMERCE, VIDEO_ON_DEMAND]"]),
    ("CreateCampaign", {"name": "c", "solutionVersionArn": ARN + "solution/a/b", "minProvisionedTPS": 0},
     ["'minProvisionedTPS'", "value greater than or equal to 1"]),
    ("DescribeCampaign", {"campaignArn": "arn:aws:s3:::x"}, ["regular expression pattern: arn:"]),
    ("CreateDatasetImportJob", {"jobName": "j", "datasetArn": ARN + "dataset/a/ITEMS", "dataSource":
                                {"dataLocation": "ftp://x"}, "roleArn": "arn:aws:iam::1:role/x"},
     ["2 validation errors", "'dataSource.dataLocation'", "'roleArn'"]),
    ("CreateDatasetGroup", {"name": "a", "tags": [{"tagKey": "a"}, {"tagKey": "", "tagValue": "x"}]},
     ["'tags.1.member.tagValue'", "'tags.2.member.tagKey'"]),
])
def test_constraints(sim, operation, request_, says):
    status, _, document = call(sim, json.dumps(request_), "AmazonPersonalize." + operation)
    assert (status, document["__type"]) == (400, "InvalidInputException")
    for part in says:
        assert part in document["message"], document["message"]


def test_wrong_kind_of_arn_is_not_found(p):
    group = p.create_dataset_group(name="kinds")["datasetGroupArn"]
    fails("ResourceNotFoundException", p.describe_campaign, campaignArn=group)
    fails("ResourceNotFoundException", p.create_solution, name="x", datasetGroupArn=ARN + "campaign/kinds",
          recipeArn="arn:aws:personalize:::recipe/aws-sims")


def test_order_of_checks(p):
    """Constraints, then parents, then duplicates, then quotas, then semantics."""
    group = p.create_dataset_group(name="order")["datasetGroupArn"]
    schema = p.create_schema(name="order", schema=INTERACTIONS)["schemaArn"]
    p.create_dataset(name="d", schemaArn=schema, datasetGroupArn=group, datasetType="Interactions")
    create = dict(name="d", schemaArn=schema, datasetGroupArn=group, datasetType="Interactions")
    fails("InvalidInputException", p.create_dataset, **{**create, "name": "-", "datasetGroupArn": group + "x"})
    fails("ResourceNotFoundException", p.create_dataset, **{**create, "datasetGroupArn": group + "x"})
    fails("ResourceAlreadyExistsException", p.create_dataset, **create)
    fails("InvalidInputException", p.create_dataset, **{**create, "datasetType": "Users"})


def test_names_are_unique_per_kind(p):
    p.create_dataset_group(name="same")
    p.create_schema(name="same", schema=INTERACTIONS)
    assert f"Another resource with Arn {ARN}schema/same already exists." == fails(
        "ResourceAlreadyExistsException", p.create_schema, name="same", schema=INTERACTIONS)


# ---- authentication ------------------------------------------------------------------------------------------------

def test_wrong_secret(sim):
    message = fails("InvalidSignatureException", sim.client(secret="wrong").list_schemas)
    assert message.startswith("The request signature we calculated does not match")


def test_unknown_key(sim):
    assert fails("UnrecognizedClientException", sim.client(key="other").list_schemas) == (
        "The security token included in the request is invalid.")


def test_no_signature(sim):
    status, _, document = send(sim, "/", b"{}", {"X-Amz-Target": "AmazonPersonalize.ListSchemas",
                                                 "Content-Type": "application/x-amz-json-1.1"})
    assert (status, document["__type"]) == (400, "MissingAuthenticationTokenException")


@pytest.mark.parametrize("offset, code", [(-3600, "InvalidSignatureException"), (3600, "InvalidSignatureException"),
                                          (-60, None), (60, None)])
def test_date_of_the_signature(sim, offset, code):
    status, _, document = call(sim, "{}", at=time.time() + offset)
    assert document.get("__type") == code, document
    if code:
        assert status == 400
        assert re.fullmatch(r"Signature (expired: \d{8}T\d{6}Z is now earlier than|not yet current: \d{8}T\d{6}Z is still later than) "
                            r"\d{8}T\d{6}Z \(\d{8}T\d{6}Z [-+] 15 min\.\)", document["message"])


def test_changed_body(sim):
    def other_target(headers):
        headers.replace_header("X-Amz-Target", "AmazonPersonalize.ListDatasetGroups")
    assert call(sim, "{}", tamper=other_target)[2]["__type"] == "InvalidSignatureException"


def test_scope(sim):
    assert "correct service" in call(sim, "{}", service="sts")[2]["message"]
    assert "valid region" in call(sim, "{}", region="eu-west-1")[2]["message"]


def test_signature_window(tmp_path):
    simulator = Simulator(tmp_path / "sim", "--signature-window", "3s")
    assert call(simulator, "{}", at=time.time())[0] == 200
    assert call(simulator, "{}", at=time.time() - 10)[2]["__type"] == "InvalidSignatureException"
    assert simulator.stop() == 0


def test_caller_identity(sim):
    answer = sim.client("sts").get_caller_identity()
    assert answer["Account"] == ACCOUNT and answer["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/local"
    fails("SignatureDoesNotMatch", sim.client("sts", secret="wrong").get_caller_identity)
    fails("InvalidClientTokenId", sim.client("sts", key="other").get_caller_identity)


def test_other_account_region_and_keys(tmp_path):
    simulator = Simulator(tmp_path / "sim", "--account-id", "999999999999", "--region", "cn-north-1",
                          "--access-key-id", "AKIDEXAMPLE", "--secret-access-key", "secret/+")
    p = simulator.client(key="AKIDEXAMPLE", secret="secret/+", region="cn-north-1")
    arn = p.create_dataset_group(name="g")["datasetGroupArn"]
    assert arn == "arn:aws-cn:personalize:cn-north-1:999999999999:dataset-group/g"
    assert p.list_recipes()["recipes"][0]["recipeArn"].startswith("arn:aws-cn:personalize:::recipe/")
    assert simulator.stop() == 0


# ---- pages ---------------------------------------------------------------------------------------------------------

def test_pages_of_more_than_a_hundred(p):
    for i in range(230):
        p.create_schema(name=f"page-{i:03}", schema=INTERACTIONS)
    pages = list(p.get_paginator("list_schemas").paginate())
    assert [len(x["schemas"]) for x in pages][:2] == [100, 100]
    assert "nextToken" not in pages[-1]
    rows = [s for x in pages for s in x["schemas"]]
    mine = [s["name"] for s in rows if s["name"].startswith("page-")]
    assert sorted(mine) == [f"page-{i:03}" for i in range(230)]
    times = [s["creationDateTime"] for s in rows]
    assert times == sorted(times, reverse=True)
    small = p.get_paginator("list_schemas").paginate(PaginationConfig={"PageSize": 7})
    assert [s["name"] for x in small for s in x["schemas"]] == [s["name"] for s in rows]


def test_tokens_are_bound_and_survive_changes(p):
    for i in range(5):
        p.create_schema(name=f"bound-{i}", schema=INTERACTIONS)
        time.sleep(0.003)
    first = p.list_schemas(maxResults=2)
    token = first["nextToken"]
    assert len(token) <= 1500 and token.isascii()
    assert [s["name"] for s in first["schemas"]] == ["bound-4", "bound-3"]
    p.create_schema(name="bound-new", schema=INTERACTIONS)
    p.delete_schema(schemaArn=ARN + "schema/bound-3")
    assert [s["name"] for s in p.list_schemas(maxResults=2, nextToken=token)["schemas"]] == ["bound-2", "bound-1"]
    fails("InvalidNextTokenException", p.list_dataset_groups, nextToken=token)
    fails("InvalidNextTokenException", p.list_schemas, nextToken=token[:-4] + "AAAA")
    fails("InvalidNextTokenException", p.list_schemas, nextToken="x")
    group = p.create_dataset_group(name="bound")["datasetGroupArn"]
    fails("InvalidNextTokenException", p.list_datasets, datasetGroupArn=group, nextToken=token)


def test_unknown_parents_of_lists(p):
    assert p.list_datasets(datasetGroupArn=ARN + "dataset-group/none")["datasets"] == []
    assert p.list_campaigns(solutionArn=ARN + "solution/none")["campaigns"] == []
    assert p.list_dataset_import_jobs(datasetArn=ARN + "dataset/none/ITEMS")["datasetImportJobs"] == []
    fails("ResourceNotFoundException", p.list_solution_versions, solutionArn=ARN + "solution/none")


def test_every_list_answers(sim, p):
    model = json.loads((ROOT / "model" / "personalize.json").read_text())
    lists = [o for o in model["operations"] if o.startswith("List") and o != "ListTagsForResource"]
    assert len(lists) == 17
    for operation in lists:
        status, _, document = call(sim, "{}", "AmazonPersonalize." + operation)
        key = next(k for k in model["shapes"][operation + "Response"]["members"] if k != "nextToken")
        assert status == 200 and isinstance(document[key], list), operation


# ---- the aws command line ------------------------------------------------------------------------------------------

@pytest.mark.skipif(not shutil.which("aws"), reason="no aws command")
def test_aws_command_line(sim, tmp_path):
    env = {**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION,
           "AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
           "AWS_EC2_METADATA_DISABLED": "true"}

    def aws(*arguments):
        done = subprocess.run(["aws", "--endpoint-url", sim.url, *arguments], env=env, capture_output=True, text=True,
                              timeout=60)
        return done.returncode, done.stdout, done.stderr

    code, out, error = aws("personalize", "create-dataset-group", "--name", "from-cli", "--output", "json")
    assert code == 0, error
    arn = json.loads(out)["datasetGroupArn"]
    code, out, error = aws("personalize", "describe-dataset-group", "--dataset-group-arn", arn, "--output", "json")
    assert code == 0 and json.loads(out)["datasetGroup"]["status"] == "ACTIVE", error
    code, _, error = aws("personalize", "create-dataset-group", "--name", "from-cli")
    assert code != 0 and "ResourceAlreadyExistsException" in error
    assert json.loads(aws("sts", "get-caller-identity", "--output", "json")[1])["Account"] == ACCOUNT
    (tmp_path / "x.txt").write_text("hello")
    assert aws("s3", "mb", "s3://cli-bucket")[0] == 0
    assert aws("s3", "cp", str(tmp_path / "x.txt"), "s3://cli-bucket/a/x.txt")[0] == 0
    assert "a/" in aws("s3", "ls", "s3://cli-bucket/")[1]


# ---- many at once --------------------------------------------------------------------------------------------------

def test_concurrent_creates_of_one_name_have_one_winner(sim):
    clients = [sim.client() for _ in range(8)]

    def create(client):
        try:
            client.create_dataset_group(name="race")
            return "made"
        except ClientError as error:
            return error.response["Error"]["Code"]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(create, clients))
    assert outcomes == ["ResourceAlreadyExistsException"] * 7 + ["made"]


def test_pipelined_keep_alive(sim):
    """Two requests in one segment are answered in order on one connection."""
    host = urllib.parse.urlparse(sim.url)
    request = b"GET /_simulator/clock HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection((host.hostname, host.port), timeout=5) as s:
        s.sendall(request * 2)
        got = b""
        while got.count(b"HTTP/1.1 200") < 2:
            data = s.recv(65536)
            assert data
            got += data

"""Debian's own boto3 and AWS command line, with the models that they bring, through every operation that those know.

The other simulator tests lend botocore our newer copy of the model; here nothing is lent. tests/js does the same for the AWS SDK
for JavaScript, which knows all 71 operations."""
import datetime
import json
import pathlib
import shutil
import subprocess

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from simulator_kit import ACCOUNT, INTERACTIONS, ITEMS, REGION, ROLE, ROOT, Simulator, interactions_csv, items_csv

RECIPE = "arn:aws:personalize:::recipe/"
ARN = f"arn:aws:personalize:{REGION}:{ACCOUNT}:"
OURS = set(json.loads((ROOT / "model" / "personalize.json").read_text())["operations"])


class Boto3:
    def __init__(self, sim):
        session = boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
        self.client = session.client("personalize", endpoint_url=sim.url, config=Config(retries={"max_attempts": 1}))
        self.operations = set(self.client.meta.service_model.operation_names)

    def call(self, operation, **request):
        answer = getattr(self.client, xform_name(operation))(**request)
        assert answer.pop("ResponseMetadata")["HTTPStatusCode"] == 200
        return answer

    def error(self, operation, **request):
        with pytest.raises(ClientError) as caught:
            self.call(operation, **request)
        code = caught.value.response["Error"]["Code"]
        assert isinstance(caught.value, getattr(self.client.exceptions, code)), code
        return code

    def all_of(self, operation, **request):
        key = next(k for k in self.call(operation, **request) if k != "nextToken")
        if not self.client.can_paginate(xform_name(operation)):
            return self.call(operation, **request)[key]
        pages = self.client.get_paginator(xform_name(operation)).paginate(**request)
        return [row for page in pages for row in page[key]]

    def is_time(self, value):
        return isinstance(value, datetime.datetime)

    def close(self):
        self.client.close()


class CommandLine:
    """/usr/bin/aws, in one process for all commands."""

    def __init__(self, sim):
        if not shutil.which("aws", path="/usr/bin"):
            pytest.skip("no aws command")
        model = next(pathlib.Path("/usr/lib/python3/dist-packages/awscli/botocore/data/personalize").glob("*/service-2.json"))
        self.operations = set(json.loads(model.read_text())["operations"])
        self.url = sim.url
        self.process = subprocess.Popen(
            ["/usr/bin/python3", str(ROOT / "tests" / "system" / "aws_cli_loop.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
                            "AWS_DEFAULT_REGION": REGION, "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1"})

    def run(self, operation, request):
        arguments = ["personalize", xform_name(operation, "-"), "--cli-input-json", json.dumps(request), "--endpoint-url", self.url,
                     "--output", "json"]
        self.process.stdin.write(json.dumps(arguments) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def call(self, operation, **request):
        done = self.run(operation, request)
        assert done["code"] == 0, (operation, done)
        return json.loads(done["out"]) if done["out"] else {}

    def error(self, operation, **request):
        done = self.run(operation, request)
        assert done["code"] == 254 and "An error occurred (" in done["error"], done
        return done["error"].split("(")[1].split(")")[0]

    def all_of(self, operation, **request):
        """The command line reads all pages by itself."""
        return next(v for k, v in self.call(operation, **request).items() if k != "nextToken")

    def is_time(self, value):
        return datetime.datetime.fromisoformat(value).year > 2000

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)
        self.process.stdout.close()


@pytest.fixture(params=[Boto3, CommandLine], ids=["boto3", "aws"])
def walk(request, tmp_path):
    sim = Simulator(tmp_path / "data", "--time-scale", "0")
    s3 = sim.client("s3")
    s3.create_bucket(Bucket="data")
    for key, body in {"interactions.csv": interactions_csv(), "items.csv": items_csv(), "batch/in.json": '{"userId": "u1"}\n',
                      "segments/in.json": '{"itemId": "i2"}\n', "users.csv": "USER_ID\nu1\n"}.items():
        s3.put_object(Bucket="data", Key=key, Body=body)
    client = request.param(sim)
    yield Walk(client, sim)
    client.close()
    assert sim.stop() == 0


class Walk:
    """Calls that succeeded, and names that are never used twice."""

    def __init__(self, client, sim):
        self.client, self.sim, self.called, self.n = client, sim, set(), 0

    def knows(self, operation):
        return operation in self.client.operations

    def name(self):
        self.n += 1
        return f"n{self.n}"

    def __call__(self, operation, **request):
        answer = self.client.call(operation, **request)
        self.called.add(operation)
        return answer

    def make(self, kind, **request):
        """Creates, describes until nothing is pending, and looks for it in the list."""
        key = "jobName" if kind.endswith("Job") else "name"
        if kind != "SolutionVersion":
            request = {key: self.name(), **request}
        member = kind[0].lower() + kind[1:]
        arn = self(f"Create{kind}", **request)[f"{member}Arn"]
        found = self.describe(kind, arn)
        assert found.get("status", "ACTIVE") in ("ACTIVE", "COMPLETED"), found
        assert self.client.is_time(found["creationDateTime"]) and self.client.is_time(found["lastUpdatedDateTime"])
        for asked, value in request.items():
            if asked not in ("tags", "datasetType", "name") and asked in found:
                assert found[asked] == value, (kind, asked)
        rows = self.client.all_of(f"List{kind}s" if kind != "Schema" else "ListSchemas")
        self.called.add(f"List{kind}s")
        assert [r for r in rows if r.get(f"{member}Arn") == arn], (kind, rows)
        return arn

    def describe(self, kind, arn):
        member = kind[0].lower() + kind[1:]
        return self(f"Describe{kind}", **{f"{member}Arn": arn})[member]

    def gone(self, kind, arn):
        member = kind[0].lower() + kind[1:]
        assert self(f"Delete{kind}", **{f"{member}Arn": arn}) == {}
        assert self.client.error(f"Describe{kind}", **{f"{member}Arn": arn}) == "ResourceNotFoundException"


def s3_job(kind):
    return {"jobInput": {"s3DataSource": {"path": f"s3://data/{kind}/in.json"}},
            "jobOutput": {"s3DataDestination": {"path": f"s3://data/{kind}-out/"}}}


def custom_group(walk):
    group = walk.make("DatasetGroup", tags=[{"tagKey": "a", "tagValue": "1"}])
    schema, items = walk.make("Schema", schema=INTERACTIONS), walk.make("Schema", schema=ITEMS)
    dataset = walk.make("Dataset", schemaArn=schema, datasetGroupArn=group, datasetType="Interactions")
    item_set = walk.make("Dataset", schemaArn=items, datasetGroupArn=group, datasetType="Items")
    for arn, file in ((dataset, "interactions.csv"), (item_set, "items.csv")):
        walk.make("DatasetImportJob", datasetArn=arn, roleArn=ROLE, dataSource={"dataLocation": f"s3://data/{file}"})
    walk.make("DatasetExportJob", datasetArn=dataset, roleArn=ROLE, ingestionMode="ALL",
              jobOutput={"s3DataDestination": {"path": "s3://data/export/"}})
    if walk.knows("CreateDataDeletionJob"):
        walk.make("DataDeletionJob", datasetGroupArn=group, roleArn=ROLE, dataSource={"dataLocation": "s3://data/users.csv"})
    if walk.knows("UpdateDataset"):
        walk("UpdateDataset", datasetArn=item_set, schemaArn=items)
    return group, schema, items, dataset, item_set


def models(walk, group):
    solution = walk.make("Solution", datasetGroupArn=group, recipeArn=RECIPE + "aws-user-personalization")
    version = walk.make("SolutionVersion", solutionArn=solution)
    assert walk("GetSolutionMetrics", solutionVersionArn=version)["metrics"]["coverage"] > 0
    if walk.knows("UpdateSolution"):
        walk("UpdateSolution", solutionArn=solution, performAutoTraining=False)
    campaign = walk.make("Campaign", solutionVersionArn=version, minProvisionedTPS=1)
    walk("UpdateCampaign", campaignArn=campaign, minProvisionedTPS=2)
    walk.make("BatchInferenceJob", solutionVersionArn=version, roleArn=ROLE, numResults=5, **s3_job("batch"))
    segments = walk.make("Solution", datasetGroupArn=group, recipeArn=RECIPE + "aws-item-affinity")
    walk.make("BatchSegmentJob", solutionVersionArn=walk.make("SolutionVersion", solutionArn=segments), roleArn=ROLE, **s3_job("segments"))
    return solution, segments, version, campaign


def stop_a_training(walk, solution):
    """Nothing takes time here; for this one training it does."""
    walk.sim.admin("clock", {"timeScale": 1, "freeze": True})
    version = walk("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"]
    assert walk("StopSolutionVersionCreation", solutionVersionArn=version) == {}
    assert walk.describe("SolutionVersion", version)["status"] == "CREATE STOPPED"
    walk.sim.admin("clock", {"timeScale": 0, "freeze": False})


def shop(walk):
    group = walk.make("DatasetGroup", domain="ECOMMERCE")
    schema = walk.make("Schema", schema=INTERACTIONS, domain="ECOMMERCE")
    dataset = walk.make("Dataset", schemaArn=schema, datasetGroupArn=group, datasetType="INTERACTIONS")
    walk.make("DatasetImportJob", datasetArn=dataset, roleArn=ROLE, dataSource={"dataLocation": "s3://data/interactions.csv"})
    recommender = walk.make("Recommender", datasetGroupArn=group, recipeArn=RECIPE + "aws-ecomm-recommended-for-you")
    walk("UpdateRecommender", recommenderArn=recommender, recommenderConfig={"minRecommendationRequestsPerSecond": 2})
    settle(walk, "Recommender", recommender, "latestRecommenderUpdate")
    walk("StopRecommender", recommenderArn=recommender)
    assert settle(walk, "Recommender", recommender)["status"] == "INACTIVE"
    walk("StartRecommender", recommenderArn=recommender)
    assert settle(walk, "Recommender", recommender)["status"] == "ACTIVE"
    walk.gone("Recommender", recommender)


def settle(walk, kind, arn, part=None):
    """What takes no time is over when the clock has answered."""
    walk.sim.advance("1s")
    found = walk.describe(kind, arn)
    if part:
        assert found[part]["status"] == "ACTIVE", found
    return found


def small_things(walk, group):
    walk.gone("Filter", walk.make("Filter", datasetGroupArn=group, filterExpression='EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("purchase")'))
    walk.gone("EventTracker", walk.make("EventTracker", datasetGroupArn=group))
    metric = {"eventType": "click", "metricName": "clicks", "expression": "SAMPLECOUNT()"}
    attribution = walk.make("MetricAttribution", datasetGroupArn=group, metrics=[metric], metricsOutputConfig={"roleArn": ROLE})
    walk("UpdateMetricAttribution", metricAttributionArn=attribution, addMetrics=[{**metric, "metricName": "more"}], removeMetrics=["clicks"])
    assert walk("ListMetricAttributionMetrics", metricAttributionArn=attribution)["metrics"] == [{**metric, "metricName": "more"}]
    walk.gone("MetricAttribution", attribution)
    walk("TagResource", resourceArn=group, tags=[{"tagKey": "b", "tagValue": "ä"}])
    walk("UntagResource", resourceArn=group, tagKeys=["a"])
    assert walk("ListTagsForResource", resourceArn=group)["tags"] == [{"tagKey": "b", "tagValue": "ä"}]
    assert len(walk("ListRecipes")["recipes"]) == 25
    recipe = walk("DescribeRecipe", recipeArn=RECIPE + "aws-user-personalization")["recipe"]
    assert walk("DescribeAlgorithm", algorithmArn=recipe["algorithmArn"])["algorithm"]["algorithmArn"] == recipe["algorithmArn"]
    walk("DescribeFeatureTransformation", featureTransformationArn=recipe["featureTransformationArn"])


def test_every_operation(walk):
    """All but the five operations that came after Debian 12 had been made."""
    group, schema, items, dataset, item_set = custom_group(walk)
    solution, segments, version, campaign = models(walk, group)
    stop_a_training(walk, solution)
    small_things(walk, group)
    shop(walk)
    for kind, arn in (("Solution", solution), ("DatasetGroup", group), ("Schema", schema)):
        member = kind[0].lower() + kind[1:]
        assert walk.client.error(f"Delete{kind}", **{f"{member}Arn": arn}) == "ResourceInUseException"
    for kind, arn in (("Campaign", campaign), ("Solution", solution), ("Solution", segments), ("Dataset", dataset),
                      ("Dataset", item_set), ("Schema", schema), ("Schema", items), ("DatasetGroup", group)):
        walk.gone(kind, arn)
    assert walk.client.error("DescribeSolutionVersion", solutionVersionArn=version) == "ResourceNotFoundException"
    assert walk.client.operations - walk.called == set()
    assert walk.client.operations <= OURS and len(walk.client.operations) >= 66


def test_each_error_by_type_and_lists_of_more_than_a_hundred(walk):
    names, maker = [walk.name() for _ in range(120)], walk.sim.client()
    for name in names:
        maker.create_schema(name=name, schema=INTERACTIONS)
    rows = walk.client.all_of("ListSchemas")
    assert sorted(r["name"] for r in rows) == sorted(names)
    assert all(set(r) == {"name", "schemaArn", "creationDateTime", "lastUpdatedDateTime"} for r in rows)
    group = walk("CreateDatasetGroup", name="g")["datasetGroupArn"]
    tags = [{"tagKey": f"k{n}", "tagValue": ""} for n in range(51)]
    assert walk.client.error("CreateDatasetGroup", name="-") == "InvalidInputException"
    assert walk.client.error("ListSchemas", nextToken="x") == "InvalidNextTokenException"
    assert walk.client.error("CreateDatasetGroup", name="g") == "ResourceAlreadyExistsException"
    assert walk.client.error("DeleteSchema", schemaArn=ARN + "schema/none") == "ResourceNotFoundException"
    assert walk.client.error("TagResource", resourceArn=group, tags=tags) == "TooManyTagsException"
    assert walk.client.error("UntagResource", resourceArn=group, tagKeys=[t["tagKey"] for t in tags]) == "TooManyTagKeysException"
    walk("CreateDataset", name="d", schemaArn=ARN + f"schema/{names[0]}", datasetGroupArn=group, datasetType="interactions")
    assert walk.client.error("DeleteSchema", schemaArn=ARN + f"schema/{names[0]}") == "ResourceInUseException"
    walk.sim.admin("quotas", {"schemas": 120})
    assert walk.client.error("CreateSchema", name="more", schema=INTERACTIONS) == "LimitExceededException"

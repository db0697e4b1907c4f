"""The control plane of the local Amazon Personalize, through boto3: every operation, defaults, life cycles, updates."""
import json
import re
import time

import pytest
from botocore.exceptions import ClientError

from simulator_kit import (ACCOUNT, INTERACTIONS, ITEMS, REGION, ROLE, USERS, Simulator, field, interactions_csv,
                           items_csv, schema_text, users_csv, wait_until)

ARN = f"arn:aws:personalize:{REGION}:{ACCOUNT}:"
RECIPE = "arn:aws:personalize:::recipe/"
SHOP_INTERACTIONS = schema_text("Interactions", field("USER_ID"), field("ITEM_ID"), field("TIMESTAMP", "long"),
                                field("EVENT_TYPE"))


@pytest.fixture(scope="module")
def sim(tmp_path_factory):
    simulator = Simulator(tmp_path_factory.mktemp("sim"), "--time-scale", "0", "--quota", "dataset-groups=50")
    s3 = simulator.client("s3")
    s3.create_bucket(Bucket="data")
    for key, body in (("interactions.csv", interactions_csv()), ("items.csv", items_csv()), ("users.csv", users_csv()),
                      ("batch/in.json", '{"userId": "u1"}\n'), ("segments/in.json", '{"itemId": "i2"}\n')):
        s3.put_object(Bucket="data", Key=key, Body=body)
    yield simulator
    assert simulator.stop() == 0


@pytest.fixture(scope="module")
def p(sim):
    return sim.client()


@pytest.fixture
def frozen(tmp_path):
    """A simulator whose clock moves only by advance(): every state can be looked at."""
    simulator = Simulator(tmp_path / "sim", "--time-scale", "1", "--clock", "2026-01-05T10:00:00Z")
    simulator.admin("clock", {"freeze": True})
    s3 = simulator.client("s3")
    s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="interactions.csv", Body=interactions_csv())
    yield simulator
    assert simulator.stop() == 0


names = iter(range(10_000))


def name(prefix="n"):
    return f"{prefix}-{next(names)}"


def make_group(p, **more):
    return p.create_dataset_group(name=name("g"), **more)["datasetGroupArn"]


def make_dataset(p, group, kind="Interactions", schema=INTERACTIONS, **domain):
    schema_arn = p.create_schema(name=name("s"), schema=schema, **domain)["schemaArn"]
    return p.create_dataset(name=name("d"), schemaArn=schema_arn, datasetGroupArn=group, datasetType=kind)["datasetArn"]


def import_data(p, dataset, key="interactions.csv", **more):
    return p.create_dataset_import_job(jobName=name("j"), datasetArn=dataset, roleArn=ROLE,
                                       dataSource={"dataLocation": f"s3://data/{key}"}, **more)["datasetImportJobArn"]


def make_solution(p, group, recipe="aws-user-personalization", **more):
    more.setdefault("performAutoTraining", False)
    return p.create_solution(name=name("so"), datasetGroupArn=group, recipeArn=RECIPE + recipe, **more)["solutionArn"]


@pytest.fixture(scope="module")
def trained(p):
    """A group with data, a solution and an active version."""
    group = make_group(p)
    dataset = make_dataset(p, group)
    items = make_dataset(p, group, "Items", ITEMS)
    job = import_data(p, dataset)
    import_data(p, items, "items.csv")
    assert p.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"]["status"] == "ACTIVE"
    solution = make_solution(p, group)
    version = p.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    return {"group": group, "dataset": dataset, "items": items, "solution": solution, "version": version}


def fails(code, call, *args, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    assert caught.value.response["Error"]["Code"] == code, caught.value.response["Error"]
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return caught.value.response["Error"]["Message"]


def plain(answer):
    return {k: v for k, v in answer.items() if k != "ResponseMetadata"}


# ---- one kind after the other -------------------------------------------------------------------------------------

def test_dataset_group(p):
    n = name("g")
    made = plain(p.create_dataset_group(name=n, tags=[{"tagKey": "a", "tagValue": "b"}]))
    assert made == {"datasetGroupArn": ARN + "dataset-group/" + n}
    group = p.describe_dataset_group(datasetGroupArn=made["datasetGroupArn"])["datasetGroup"]
    assert set(group) == {"name", "datasetGroupArn", "status", "creationDateTime", "lastUpdatedDateTime"}
    assert group["status"] == "ACTIVE"
    made = plain(p.create_dataset_group(name=name("g"), domain="ECOMMERCE"))
    assert made["domain"] == "ECOMMERCE"
    kms = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
    assert "kmsKeyArn" in fails("InvalidInputException", p.create_dataset_group, name=name(), roleArn=ROLE)
    fails("InvalidInputException", p.create_dataset_group, name=name(), kmsKeyArn=kms)
    arn = make_group(p, roleArn=ROLE, kmsKeyArn=kms)
    group = p.describe_dataset_group(datasetGroupArn=arn)["datasetGroup"]
    assert (group["roleArn"], group["kmsKeyArn"]) == (ROLE, kms)


def test_schema_is_returned_byte_for_byte(p):
    text = INTERACTIONS.replace(", ", " ,\n\t")
    n = name("s")
    arn = p.create_schema(name=n, schema=text)["schemaArn"]
    assert arn == ARN + "schema/" + n
    schema = p.describe_schema(schemaArn=arn)["schema"]
    assert schema["schema"] == text
    assert "status" not in schema and "domain" not in schema
    row = next(s for s in p.list_schemas()["schemas"] if s["schemaArn"] == arn)
    assert set(row) == {"name", "schemaArn", "creationDateTime", "lastUpdatedDateTime"}
    p.delete_schema(schemaArn=arn)
    fails("ResourceNotFoundException", p.describe_schema, schemaArn=arn)


@pytest.mark.parametrize("text, says", [
    ("{", "valid JSON"),
    ('{"type": "array"}', "record"),
    (schema_text("Things", field("A")), "name of the schema"),
    (schema_text("Interactions", field("USER_ID"), field("ITEM_ID")), "TIMESTAMP"),
    (schema_text("Interactions", field("USER_ID"), field("ITEM_ID"), field("TIMESTAMP", "string")), "TIMESTAMP"),
    (schema_text("Users", field("USER_ID")), "metadata"),
    (schema_text("Items", field("ITEM_ID"), field("A_B"), field("AB")), "distinct"),
    (schema_text("Items", field("ITEM_ID"), field("A", {"type": "array", "items": "string"})), "not supported"),
    (schema_text("Items", field("ITEM_ID"), field("A", ["float", "int", "null"])), "not supported"),  # one type and null
    (schema_text("Items", field("ITEM_ID"), field("A-B")), "alphanumeric"),
    (schema_text("Users", field("USER_ID"), field("BIO", textual=True)), "textual"),
    (schema_text("Users", field("USER_ID"), *(field(f"F{i}X") for i in range(26))), "at most 25"),
    (schema_text("Interactions", field("USER_ID"), field("ITEM_ID"), field("TIMESTAMP", "long"),
                 field("EVENT_TYPE", categorical=True)), "EVENT_TYPE"),
])
def test_schema_is_checked(p, text, says):
    assert says in fails("InvalidInputException", p.create_schema, name=name("s"), schema=text)


def test_schema_of_a_domain(p):
    bare = schema_text("Interactions", field("USER_ID"), field("ITEM_ID"), field("TIMESTAMP", "long"))
    p.create_schema(name=name("s"), schema=bare)
    assert "EVENT_TYPE" in fails("InvalidInputException", p.create_schema, name=name("s"), schema=bare,
                                 domain="ECOMMERCE")
    fails("InvalidInputException", p.create_schema, name=name("s"), domain="VIDEO_ON_DEMAND",
          schema=schema_text("Items", field("ITEM_ID"), field("GENRES")))


def test_dataset(p):
    group = make_group(p)
    arn = make_dataset(p, group, "interactions")
    assert arn == ARN + "dataset/" + group.rsplit("/", 1)[1] + "/INTERACTIONS"
    dataset = p.describe_dataset(datasetArn=arn)["dataset"]
    assert dataset["datasetType"] == "INTERACTIONS"
    assert dataset["status"] == "ACTIVE"
    assert "latestDatasetUpdate" not in dataset and "trackingId" not in dataset
    assert "exists" in fails("ResourceAlreadyExistsException", make_dataset, p, group, "INTERACTIONS")
    fails("InvalidInputException", make_dataset, p, group, "Users", INTERACTIONS)
    fails("InvalidInputException", make_dataset, p, group, "Things")
    fails("InvalidInputException", make_dataset, p, group, "Items",
          schema_text("Items", field("ITEM_ID"), field("PRICE", "float"), field("CATEGORY_L1", categorical=True)),
          domain="ECOMMERCE")
    row = p.list_datasets(datasetGroupArn=group)["datasets"][0]
    assert set(row) == {"name", "datasetArn", "datasetType", "status", "creationDateTime", "lastUpdatedDateTime"}


def test_action_interactions_have_a_tracking_id(p):
    schema = schema_text("Action_interactions", field("USER_ID"), field("ACTION_ID"), field("EVENT_TYPE"),
                         field("TIMESTAMP", "long"))
    arn = make_dataset(p, make_group(p), "Action_Interactions", schema)
    assert len(p.describe_dataset(datasetArn=arn)["dataset"]["trackingId"]) == 36


def test_update_dataset(p):
    group = make_group(p)
    arn = make_dataset(p, group, "Users", USERS)
    wider = p.create_schema(name=name("s"), schema=schema_text(
        "Users", field("USER_ID"), field("AGE", "int"), field("CITY", ["null", "string"], categorical=True)))["schemaArn"]
    strict = p.create_schema(name=name("s"), schema=schema_text(
        "Users", field("USER_ID"), field("AGE", "int"), field("CITY", categorical=True)))["schemaArn"]
    other = p.create_schema(name=name("s"), schema=schema_text("Users", field("USER_ID"), field("SEX")))["schemaArn"]
    fails("InvalidInputException", p.update_dataset, datasetArn=arn, schemaArn=strict)
    fails("InvalidInputException", p.update_dataset, datasetArn=arn, schemaArn=other)
    fails("ResourceNotFoundException", p.update_dataset, datasetArn=arn, schemaArn=wider + "x")
    assert plain(p.update_dataset(datasetArn=arn, schemaArn=wider)) == {"datasetArn": arn}
    dataset = p.describe_dataset(datasetArn=arn)["dataset"]
    assert dataset["schemaArn"] == wider
    assert dataset["latestDatasetUpdate"]["status"] == "ACTIVE"
    interactions = make_dataset(p, group)
    fails("InvalidInputException", p.update_dataset, datasetArn=interactions, schemaArn=wider)


def test_import_job(p, trained):
    arn = import_data(p, trained["dataset"])
    job = p.describe_dataset_import_job(datasetImportJobArn=arn)["datasetImportJob"]
    assert job["importMode"] == "FULL" and job["roleArn"] == ROLE
    assert job["dataSource"] == {"dataLocation": "s3://data/interactions.csv"}
    row = p.list_dataset_import_jobs(datasetArn=trained["dataset"])["datasetImportJobs"][0]
    assert set(row) == {"datasetImportJobArn", "jobName", "status", "creationDateTime", "lastUpdatedDateTime",
                        "importMode"}
    fails("InvalidInputException", p.create_dataset_import_job, jobName=name("j"), datasetArn=trained["dataset"],
          dataSource={"dataLocation": "s3://data/x"})
    fails("InvalidInputException", p.create_dataset_import_job, jobName=name("j"), datasetArn=trained["dataset"],
          roleArn=ROLE, dataSource={"dataLocation": "http://data/x"})
    group = make_group(p)
    fails("InvalidInputException", import_data, p, make_dataset(p, group), importMode="INCREMENTAL")


def test_solution(p, trained):
    group = trained["group"]
    arn = p.create_solution(name=name("so"), datasetGroupArn=group, recipeArn=RECIPE + "aws-sims")["solutionArn"]
    solution = p.describe_solution(solutionArn=arn)["solution"]
    assert solution["performAutoTraining"] is True
    assert solution["performHPO"] is False and solution["performAutoML"] is False
    assert solution["solutionConfig"] == {}
    assert "latestSolutionVersion" not in solution and "autoMLResult" not in solution
    row = p.list_solutions(datasetGroupArn=group)["solutions"][0]
    assert set(row) == {"name", "solutionArn", "status", "creationDateTime", "lastUpdatedDateTime", "recipeArn"}
    fails("InvalidInputException", make_solution, p, group, "aws-vod-top-picks")
    fails("ResourceNotFoundException", make_solution, p, group, "aws-nothing")
    fails("InvalidInputException", p.create_solution, name=name("so"), datasetGroupArn=group)
    fails("InvalidInputException", make_solution, p, group,
          solutionConfig={"autoTrainingConfig": {"schedulingExpression": "rate(31 days)"}})
    fails("InvalidInputException", make_solution, p, group, performIncrementalUpdate=True)
    fails("InvalidInputException", make_solution, p, group, solutionConfig={
        "hpoConfig": {"hpoResourceConfig": {"maxNumberOfTrainingJobs": "41"}}})


def test_automl(p, trained):
    arn = p.create_solution(name=name("so"), datasetGroupArn=trained["group"], performAutoML=True,
                            performAutoTraining=False)["solutionArn"]
    p.create_solution_version(solutionArn=arn)
    solution = p.describe_solution(solutionArn=arn)["solution"]
    assert solution["autoMLResult"]["bestRecipeArn"].startswith(RECIPE)


def test_update_solution(p, trained):
    arn = make_solution(p, trained["group"], solutionConfig={"eventValueThreshold": "0.1"})
    fails("InvalidInputException", p.update_solution, solutionArn=arn)
    p.update_solution(solutionArn=arn, performAutoTraining=True,
                      solutionUpdateConfig={"autoTrainingConfig": {"schedulingExpression": "rate(3 days)"}})
    solution = p.describe_solution(solutionArn=arn)["solution"]
    assert solution["performAutoTraining"] is True
    assert solution["solutionConfig"] == {"eventValueThreshold": "0.1",
                                          "autoTrainingConfig": {"schedulingExpression": "rate(3 days)"}}
    assert solution["latestSolutionUpdate"]["status"] == "ACTIVE"
    assert solution["latestSolutionUpdate"]["solutionUpdateConfig"] == {
        "autoTrainingConfig": {"schedulingExpression": "rate(3 days)"}}


def test_solution_version(p, trained):
    arn = p.create_solution_version(solutionArn=trained["solution"], name="mine",
                                    tags=[{"tagKey": "k", "tagValue": ""}])["solutionVersionArn"]
    assert re.fullmatch(re.escape(trained["solution"]) + "/[0-9a-f]{8}", arn)
    version = p.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]
    assert version["name"] == "mine" and version["status"] == "ACTIVE"
    assert version["trainingMode"] == "FULL" and version["trainingType"] == "MANUAL"
    assert version["trainingHours"] > 0 and "tunedHPOParams" not in version
    assert version["recipeArn"] == RECIPE + "aws-user-personalization"
    assert version["datasetGroupArn"] == trained["group"]
    latest = p.describe_solution(solutionArn=trained["solution"])["solution"]["latestSolutionVersion"]
    assert latest["solutionVersionArn"] == arn
    row = p.list_solution_versions(solutionArn=trained["solution"])["solutionVersions"][0]
    assert set(row) == {"solutionVersionArn", "status", "trainingMode", "trainingType", "creationDateTime",
                        "lastUpdatedDateTime"}
    assert p.list_tags_for_resource(resourceArn=arn)["tags"] == [{"tagKey": "k", "tagValue": ""}]
    fails("InvalidInputException", p.create_solution_version, solutionArn=trained["solution"], trainingMode="AUTOTRAIN")
    # a name may be used again: names of versions are not unique
    assert p.create_solution_version(solutionArn=trained["solution"], name="mine")["solutionVersionArn"] != arn


def test_training_mode_update(p):
    group = make_group(p)
    dataset = make_dataset(p, group)
    import_data(p, dataset)
    popular = make_solution(p, group, "aws-popularity-count")
    fails("InvalidInputException", p.create_solution_version, solutionArn=popular, trainingMode="UPDATE")
    solution = make_solution(p, group)
    fails("InvalidInputException", p.create_solution_version, solutionArn=solution, trainingMode="UPDATE")
    p.create_solution_version(solutionArn=solution)
    stale = p.create_solution_version(solutionArn=solution, trainingMode="UPDATE")["solutionVersionArn"]
    version = p.describe_solution_version(solutionVersionArn=stale)["solutionVersion"]
    assert version["status"] == "CREATE FAILED"
    assert version["failureReason"].startswith("There should be updates to at least one dataset")
    import_data(p, dataset, importMode="INCREMENTAL")
    fresh = p.create_solution_version(solutionArn=solution, trainingMode="UPDATE")["solutionVersionArn"]
    assert p.describe_solution_version(solutionVersionArn=fresh)["solutionVersion"]["status"] == "ACTIVE"


def test_version_needs_data(p):
    group = make_group(p)
    solution = make_solution(p, group)
    fails("InvalidInputException", p.create_solution_version, solutionArn=solution)
    make_dataset(p, group)
    version = p.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    version = p.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
    assert version["status"] == "CREATE FAILED"
    assert version["failureReason"] == "Dataset has fewer than 1000 interactions."
    assert "trainingHours" not in version
    fails("InvalidInputException", p.create_campaign, name=name("c"), solutionVersionArn=version["solutionVersionArn"])
    fails("ResourceInUseException", p.get_solution_metrics, solutionVersionArn=version["solutionVersionArn"])


def test_event_type_filters_the_training(p, trained):
    solution = make_solution(p, trained["group"], eventType="purchase")
    version = p.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    version = p.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
    assert version["eventType"] == "purchase"
    assert version["failureReason"] == "Dataset has fewer than 1000 interactions after filtering by event type: purchase"


def test_metrics(p, trained):
    answer = p.get_solution_metrics(solutionVersionArn=trained["version"])
    assert answer["solutionVersionArn"] == trained["version"]
    assert set(answer["metrics"]) == {"coverage", "mean_reciprocal_rank_at_25", *(
        f"{m}_at_{k}" for m in ("normalized_discounted_cumulative_gain", "precision") for k in (5, 10, 25))}
    assert all(0 < v <= 1 for v in answer["metrics"].values())


def test_campaign(p, trained):
    n = name("c")
    arn = p.create_campaign(name=n, solutionVersionArn=trained["version"])["campaignArn"]
    assert arn == ARN + "campaign/" + n
    campaign = p.describe_campaign(campaignArn=arn)["campaign"]
    assert campaign["minProvisionedTPS"] == 1
    assert campaign["campaignConfig"] == {
        "itemExplorationConfig": {"explorationWeight": "0.3", "explorationItemAgeCutOff": "30"}}
    assert "latestCampaignUpdate" not in campaign
    row = p.list_campaigns(solutionArn=trained["solution"])["campaigns"][0]
    assert set(row) == {"name", "campaignArn", "status", "creationDateTime", "lastUpdatedDateTime"}
    # a bare solution ARN is no version
    fails("ResourceNotFoundException", p.create_campaign, name=name("c"), solutionVersionArn=trained["solution"])
    fails("InvalidInputException", p.create_campaign, name=name("c"), solutionVersionArn=trained["version"],
          campaignConfig={"syncWithLatestSolutionVersion": True})
    p.update_campaign(campaignArn=arn, minProvisionedTPS=3,
                      campaignConfig={"itemExplorationConfig": {"explorationWeight": "0.1"}})
    campaign = p.describe_campaign(campaignArn=arn)["campaign"]
    assert campaign["minProvisionedTPS"] == 3
    assert campaign["campaignConfig"]["itemExplorationConfig"] == {"explorationWeight": "0.1",
                                                                   "explorationItemAgeCutOff": "30"}
    fails("InvalidInputException", p.update_campaign, campaignArn=arn)
    fails("InvalidInputException", p.update_campaign, campaignArn=arn, campaignConfig={
        "itemExplorationConfig": {"explorationWeight": "2"}})
    fails("ResourceInUseException", p.delete_solution, solutionArn=trained["solution"])
    p.delete_campaign(campaignArn=arn)
    fails("ResourceNotFoundException", p.describe_campaign, campaignArn=arn)


def test_campaign_follows_the_latest_version(p, trained):
    arn = p.create_campaign(name=name("c"), solutionVersionArn=trained["solution"] + "/$LATEST",
                            campaignConfig={"syncWithLatestSolutionVersion": True})["campaignArn"]
    first = p.describe_campaign(campaignArn=arn)["campaign"]["solutionVersionArn"]
    newest = p.create_solution_version(solutionArn=trained["solution"])["solutionVersionArn"]
    campaign = p.describe_campaign(campaignArn=arn)["campaign"]
    assert first != newest == campaign["solutionVersionArn"]
    assert campaign["latestCampaignUpdate"]["solutionVersionArn"] == newest
    assert campaign["campaignConfig"]["syncWithLatestSolutionVersion"] is True
    p.delete_campaign(campaignArn=arn)


@pytest.mark.parametrize("expression, ok", [
    ('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click", "purchase")', True),
    ('include itemid where Items.GENRE in ($GENRE) and Items.PRICE < 10', True),
    ('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")', True),
    ('INCLUDE ItemID WHERE Items.PRICE >= 1 | EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click")', True),
    ('INCLUDE ItemID WHERE Items.GENRE NOT IN ("a")', True),
    ('SELECT ItemID', False),
    ('INCLUDE ItemID WHERE Items.NOTHING IN ("a")', False),
    ('INCLUDE ItemID WHERE Users.AGE > 3', False),
    ('INCLUDE ItemID WHERE Items.GENRE NOT IN ($X)', False),
    ('INCLUDE ItemID WHERE Items.GENRE IN ("*")', False),
    ('INCLUDE ItemID WHERE Items.GENRE IN ("a" AND', False),
    ('INCLUDE ItemID WHERE Items.GENRE IN ("a") AND Interactions.EVENT_TYPE IN ("b")', False),
    ('INCLUDE ItemID WHERE Items.GENRE IN ("a") trailing', False),
    ('INCLUDE ItemID WHERE Items.GENRE IN ("a', False),
])
def test_filter(p, trained, expression, ok):
    call = dict(name=name("f"), datasetGroupArn=trained["group"], filterExpression=expression)
    if not ok:
        fails("InvalidInputException", p.create_filter, **call)
        return
    arn = p.create_filter(**call)["filterArn"]
    assert p.describe_filter(filterArn=arn)["filter"]["filterExpression"] == expression
    row = p.list_filters(datasetGroupArn=trained["group"])["Filters"][0]
    assert set(row) == {"name", "filterArn", "creationDateTime", "lastUpdatedDateTime", "datasetGroupArn", "status"}
    p.delete_filter(filterArn=arn)


def test_filters_of_a_group_share_its_fields(p):
    """Ten fields in one filter, twenty in all: the second limit was not kept."""
    group = make_group(p)
    columns = [f"C{n}" for n in range(21)]
    make_dataset(p, group, "Items", schema_text("Items", field("ITEM_ID"), *[field(c, "float") for c in columns]))

    def create(*names):
        return p.create_filter(name=name("f"), datasetGroupArn=group, filterExpression="INCLUDE ItemID WHERE " + " AND ".join(
            f"Items.{c} > 1" for c in names))
    fails("InvalidInputException", create, *columns[:11])
    create(*columns[:10])
    arn = create(*columns[10:20])["filterArn"]
    create(*columns[5:15])
    fails("LimitExceededException", create, columns[20])
    p.delete_filter(filterArn=arn)
    create(columns[20])


def test_event_tracker(p):
    group = make_group(p)
    made = p.create_event_tracker(name="t", datasetGroupArn=group)
    tracker = p.describe_event_tracker(eventTrackerArn=made["eventTrackerArn"])["eventTracker"]
    assert tracker["trackingId"] == made["trackingId"] and tracker["accountId"] == ACCOUNT
    fails("ResourceAlreadyExistsException", p.create_event_tracker, name="t2", datasetGroupArn=group)
    row = p.list_event_trackers(datasetGroupArn=group)["eventTrackers"][0]
    assert set(row) == {"name", "eventTrackerArn", "status", "creationDateTime", "lastUpdatedDateTime"}
    fails("ResourceInUseException", p.delete_dataset_group, datasetGroupArn=group)
    p.delete_event_tracker(eventTrackerArn=made["eventTrackerArn"])
    again = p.create_event_tracker(name="t", datasetGroupArn=group)
    assert again["trackingId"] != made["trackingId"]


def test_recommender(p):
    group = make_group(p, domain="ECOMMERCE")
    call = dict(datasetGroupArn=group, recipeArn=RECIPE + "aws-ecomm-recommended-for-you")
    fails("InvalidInputException", p.create_recommender, name=name("r"), **call)  # no data
    dataset = make_dataset(p, group, schema=SHOP_INTERACTIONS, domain="ECOMMERCE")
    import_data(p, dataset)
    arn = p.create_recommender(name=name("r"), **call)["recommenderArn"]
    recommender = p.describe_recommender(recommenderArn=arn)["recommender"]
    assert recommender["status"] == "ACTIVE"
    assert recommender["recommenderConfig"]["minRecommendationRequestsPerSecond"] == 1
    assert recommender["modelMetrics"]["coverage"] > 0
    p.update_recommender(recommenderArn=arn, recommenderConfig={"minRecommendationRequestsPerSecond": 2})
    recommender = p.describe_recommender(recommenderArn=arn)["recommender"]
    assert recommender["recommenderConfig"]["minRecommendationRequestsPerSecond"] == 2
    assert recommender["latestRecommenderUpdate"]["status"] == "ACTIVE"
    fails("ResourceInUseException", p.start_recommender, recommenderArn=arn)
    assert p.stop_recommender(recommenderArn=arn)["recommenderArn"] == arn
    assert p.describe_recommender(recommenderArn=arn)["recommender"]["status"] == "INACTIVE"
    fails("ResourceInUseException", p.stop_recommender, recommenderArn=arn)
    p.start_recommender(recommenderArn=arn)
    assert p.describe_recommender(recommenderArn=arn)["recommender"]["status"] == "ACTIVE"
    row = p.list_recommenders(datasetGroupArn=group)["recommenders"][0]
    assert set(row) == {"name", "recommenderArn", "datasetGroupArn", "recipeArn", "recommenderConfig", "status",
                        "creationDateTime", "lastUpdatedDateTime"}
    fails("InvalidInputException", p.create_recommender, name=name("r"), datasetGroupArn=group,
          recipeArn=RECIPE + "aws-vod-top-picks")
    p.stop_recommender(recommenderArn=arn)
    p.delete_recommender(recommenderArn=arn)
    fails("ResourceNotFoundException", p.describe_recommender, recommenderArn=arn)
    assert fails("InvalidInputException", p.create_recommender, name=name("r"), datasetGroupArn=make_group(p),
                 recipeArn=RECIPE + "aws-ecomm-recommended-for-you").startswith("Please use a domains-specific")


def test_metric_attribution(p):
    group = make_group(p)
    metric = {"eventType": "click", "metricName": "clicks", "expression": "SAMPLECOUNT()"}
    output = {"roleArn": ROLE, "s3DataDestination": {"path": "s3://data/attribution/"}}
    arn = p.create_metric_attribution(name="a", datasetGroupArn=group, metrics=[metric],
                                      metricsOutputConfig=output)["metricAttributionArn"]
    assert p.describe_metric_attribution(metricAttributionArn=arn)["metricAttribution"]["metricsOutputConfig"] == output
    assert p.list_metric_attribution_metrics(metricAttributionArn=arn)["metrics"] == [metric]
    fails("ResourceAlreadyExistsException", p.create_metric_attribution, name="b", datasetGroupArn=group,
          metrics=[metric], metricsOutputConfig=output)
    fails("ResourceAlreadyExistsException", p.update_metric_attribution, metricAttributionArn=arn, addMetrics=[metric])
    fails("ResourceNotFoundException", p.update_metric_attribution, metricAttributionArn=arn, removeMetrics=["x"])
    more = {"eventType": "buy", "metricName": "sum", "expression": "SUM(Items.PRICE)"}
    p.update_metric_attribution(metricAttributionArn=arn, addMetrics=[more], removeMetrics=["clicks"])
    assert p.list_metric_attribution_metrics(metricAttributionArn=arn)["metrics"] == [more]
    fails("InvalidInputException", p.update_metric_attribution, metricAttributionArn=arn,
          addMetrics=[{**more, "metricName": "x", "expression": "MAX(Items.PRICE)"}])
    make_dataset(p, group, "Items", ITEMS)
    unknown = {**more, "metricName": "x", "expression": "SUM(Items.NOTHING)"}
    assert "does not exist" in fails("InvalidInputException", p.update_metric_attribution, metricAttributionArn=arn, addMetrics=[unknown])
    make_dataset(p, group)  # whose schema has no EVENT_VALUE: events bring one
    p.update_metric_attribution(metricAttributionArn=arn, addMetrics=[{**unknown, "expression": "SUM(Interactions.EVENT_VALUE)"}],
                                removeMetrics=["sum"])
    assert [r["name"] for r in p.list_metric_attributions(datasetGroupArn=group)["metricAttributions"]] == ["a"]
    p.delete_metric_attribution(metricAttributionArn=arn)
    fails("ResourceNotFoundException", p.describe_metric_attribution, metricAttributionArn=arn)


def test_batch_jobs(p, trained):
    call = dict(jobName=name("b"), solutionVersionArn=trained["version"], roleArn=ROLE,
                jobInput={"s3DataSource": {"path": "s3://data/batch/in.json"}},
                jobOutput={"s3DataDestination": {"path": "s3://data/out/"}})
    arn = p.create_batch_inference_job(**call)["batchInferenceJobArn"]
    job = p.describe_batch_inference_job(batchInferenceJobArn=arn)["batchInferenceJob"]
    assert (job["numResults"], job["batchInferenceJobMode"], job["status"]) == (25, "BATCH_INFERENCE", "ACTIVE")
    row = p.list_batch_inference_jobs(solutionVersionArn=trained["version"])["batchInferenceJobs"][0]
    assert set(row) == {"batchInferenceJobArn", "jobName", "status", "creationDateTime", "lastUpdatedDateTime",
                        "solutionVersionArn", "batchInferenceJobMode"}
    assert fails("ResourceAlreadyExistsException", p.create_batch_inference_job, **call)
    call["jobName"] = name("b")
    fails("InvalidInputException", p.create_batch_inference_job, **{**call, "jobOutput": {
        "s3DataDestination": {"path": "s3://data/out/file.json"}}})
    fails("InvalidInputException", p.create_batch_inference_job, **{**call, "jobInput": {
        "s3DataSource": {"path": "s3://data/out/"}}})
    fails("InvalidInputException", p.create_batch_inference_job, **call, batchInferenceJobMode="THEME_GENERATION")
    fails("InvalidInputException", p.create_batch_segment_job, **call)
    solution = make_solution(p, trained["group"], "aws-item-affinity")
    version = p.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    call["solutionVersionArn"] = version
    call["jobInput"] = {"s3DataSource": {"path": "s3://data/segments/"}}
    arn = p.create_batch_segment_job(**call)["batchSegmentJobArn"]
    job = p.describe_batch_segment_job(batchSegmentJobArn=arn)["batchSegmentJob"]
    assert job["status"] == "ACTIVE"
    assert p.list_batch_segment_jobs(solutionVersionArn=version)["batchSegmentJobs"][0]["batchSegmentJobArn"] == arn
    fails("InvalidInputException", p.create_batch_inference_job, **{**call, "jobName": name("b")})
    fails("InvalidInputException", p.create_campaign, name=name("c"), solutionVersionArn=version)


def test_export_and_deletion_jobs(p, trained):
    arn = p.create_dataset_export_job(jobName=name("e"), datasetArn=trained["items"], roleArn=ROLE, jobOutput={
        "s3DataDestination": {"path": "s3://data/export/"}})["datasetExportJobArn"]
    assert p.describe_dataset_export_job(datasetExportJobArn=arn)["datasetExportJob"]["ingestionMode"] == "PUT"
    assert p.list_dataset_export_jobs(datasetArn=trained["items"])["datasetExportJobs"][0]["datasetExportJobArn"] == arn
    arn = p.create_data_deletion_job(jobName=name("x"), datasetGroupArn=trained["group"], roleArn=ROLE, dataSource={
        "dataLocation": "s3://data/users.csv"})["dataDeletionJobArn"]
    job = p.describe_data_deletion_job(dataDeletionJobArn=arn)["dataDeletionJob"]
    assert job["status"] == "COMPLETED" and job["numDeleted"] == 60
    assert p.list_data_deletion_jobs(datasetGroupArn=trained["group"])["dataDeletionJobs"][0]["status"] == "COMPLETED"


def test_recipes(p):
    recipes = p.list_recipes()["recipes"]
    assert len(recipes) == 25
    assert len(p.list_recipes(domain="VIDEO_ON_DEMAND", recipeProvider="SERVICE")["recipes"]) == 5
    for row in recipes:
        recipe = p.describe_recipe(recipeArn=row["recipeArn"])["recipe"]
        assert recipe["status"] == "ACTIVE"
        assert p.describe_algorithm(algorithmArn=recipe["algorithmArn"])["algorithm"]["name"]
        assert p.describe_feature_transformation(featureTransformationArn=recipe["featureTransformationArn"])[
            "featureTransformation"]["status"] == "ACTIVE"
    fails("ResourceNotFoundException", p.describe_recipe, recipeArn=RECIPE + "x")
    fails("ResourceNotFoundException", p.describe_algorithm, algorithmArn="arn:aws:personalize:::algorithm/x")


def test_tags(p, trained):
    arn = make_group(p, tags=[{"tagKey": "a", "tagValue": "1"}])
    p.tag_resource(resourceArn=arn, tags=[{"tagKey": "a", "tagValue": "2"}, {"tagKey": "b", "tagValue": "ä"}])
    assert p.list_tags_for_resource(resourceArn=arn)["tags"] == [{"tagKey": "a", "tagValue": "2"},
                                                                 {"tagKey": "b", "tagValue": "ä"}]
    p.untag_resource(resourceArn=arn, tagKeys=["a", "absent"])
    assert p.list_tags_for_resource(resourceArn=arn)["tags"] == [{"tagKey": "b", "tagValue": "ä"}]
    many = [{"tagKey": f"k{i}", "tagValue": ""} for i in range(51)]
    fails("TooManyTagsException", p.tag_resource, resourceArn=arn, tags=many)
    fails("TooManyTagsException", p.tag_resource, resourceArn=arn, tags=many[:50])
    fails("TooManyTagsException", p.create_dataset_group, name=name("g"), tags=many)
    fails("TooManyTagKeysException", p.untag_resource, resourceArn=arn, tagKeys=[f"k{i}" for i in range(51)])
    fails("InvalidInputException", p.tag_resource, resourceArn=arn, tags=[{"tagKey": "aws:x", "tagValue": ""}])
    fails("InvalidInputException", p.tag_resource, resourceArn=arn, tags=[{"tagKey": "a#", "tagValue": ""}])
    schema = p.create_schema(name=name("s"), schema=USERS)["schemaArn"]
    fails("InvalidInputException", p.tag_resource, resourceArn=schema, tags=many[:1])
    fails("ResourceNotFoundException", p.list_tags_for_resource, resourceArn=arn + "x")


# ---- life cycles, looked at step by step ---------------------------------------------------------------------------

def status(describe):
    return next(v for k, v in describe.items() if k != "ResponseMetadata")["status"]


def test_life_cycles_on_a_test_clock(frozen):
    p = frozen.client()
    group = make_group(p)
    assert status(p.describe_dataset_group(datasetGroupArn=group)) == "CREATE PENDING"
    schema = p.create_schema(name="s", schema=INTERACTIONS)["schemaArn"]
    call = dict(name="d", schemaArn=schema, datasetGroupArn=group, datasetType="Interactions")
    assert "must be ACTIVE" in fails("ResourceInUseException", p.create_dataset, **call)
    fails("ResourceInUseException", p.delete_dataset_group, datasetGroupArn=group)
    frozen.advance("6s")
    assert status(p.describe_dataset_group(datasetGroupArn=group)) == "CREATE IN_PROGRESS"
    frozen.advance("1m")
    answer = p.describe_dataset_group(datasetGroupArn=group)["datasetGroup"]
    assert answer["status"] == "ACTIVE"
    assert answer["lastUpdatedDateTime"].timestamp() - answer["creationDateTime"].timestamp() == 45
    dataset = p.create_dataset(**call)["datasetArn"]
    frozen.advance("1m")
    job = import_data(p, dataset)
    frozen.advance("2m")
    assert status(p.describe_dataset_import_job(datasetImportJobArn=job)) == "CREATE IN_PROGRESS"
    fails("ResourceInUseException", p.delete_dataset, datasetArn=dataset)
    solution = make_solution(p, group)
    frozen.advance("1m")
    fails("ResourceInUseException", p.create_solution_version, solutionArn=solution)  # the import is not finished
    frozen.advance("15m")
    assert status(p.describe_dataset_import_job(datasetImportJobArn=job)) == "ACTIVE"
    version = p.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    fails("ResourceInUseException", p.create_campaign, name="c", solutionVersionArn=version)
    fails("ResourceInUseException", p.delete_solution, solutionArn=solution)
    p.stop_solution_version_creation(solutionVersionArn=version)
    assert status(p.describe_solution_version(solutionVersionArn=version)) == "CREATE STOPPED"
    fails("ResourceInUseException", p.stop_solution_version_creation, solutionVersionArn=version)
    version = p.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    frozen.advance("10m")
    p.stop_solution_version_creation(solutionVersionArn=version)
    assert status(p.describe_solution_version(solutionVersionArn=version)) == "CREATE STOPPING"
    frozen.advance("10m")
    assert status(p.describe_solution_version(solutionVersionArn=version)) == "CREATE STOPPED"
    version = p.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    frozen.advance("2h")
    assert status(p.describe_solution_version(solutionVersionArn=version)) == "ACTIVE"
    campaign = p.create_campaign(name="c", solutionVersionArn=version)["campaignArn"]
    fails("ResourceInUseException", p.update_campaign, campaignArn=campaign, minProvisionedTPS=2)
    frozen.advance("1h")
    p.update_campaign(campaignArn=campaign, minProvisionedTPS=2)
    answer = p.describe_campaign(campaignArn=campaign)["campaign"]
    assert (answer["status"], answer["minProvisionedTPS"]) == ("ACTIVE", 1)  # the old values serve
    assert answer["latestCampaignUpdate"]["status"] == "CREATE PENDING"
    assert answer["latestCampaignUpdate"]["minProvisionedTPS"] == 2
    fails("ResourceInUseException", p.update_campaign, campaignArn=campaign, minProvisionedTPS=3)
    fails("ResourceInUseException", p.delete_campaign, campaignArn=campaign)
    frozen.advance("1h")
    assert p.describe_campaign(campaignArn=campaign)["campaign"]["minProvisionedTPS"] == 2
    p.delete_campaign(campaignArn=campaign)
    assert status(p.describe_campaign(campaignArn=campaign)) == "DELETE PENDING"
    fails("ResourceAlreadyExistsException", p.create_campaign, name="c", solutionVersionArn=version)
    frozen.advance("1m")
    assert status(p.describe_campaign(campaignArn=campaign)) == "DELETE IN_PROGRESS"
    fails("ResourceInUseException", p.delete_solution, solutionArn=solution)
    frozen.advance("10m")
    fails("ResourceNotFoundException", p.describe_campaign, campaignArn=campaign)
    p.create_campaign(name="c", solutionVersionArn=version)  # the name is free again


def test_a_recommender_stops_and_starts_step_by_step(frozen):
    p, runtime = frozen.client(), frozen.client("personalize-runtime")
    group = make_group(p, domain="ECOMMERCE")
    frozen.advance("1m")
    dataset = make_dataset(p, group, schema=SHOP_INTERACTIONS, domain="ECOMMERCE")
    frozen.advance("1m")
    import_data(p, dataset)
    frozen.advance("1h")
    arn = p.create_recommender(name="r", datasetGroupArn=group, recipeArn=RECIPE + "aws-ecomm-recommended-for-you")["recommenderArn"]

    def seen():
        return status(p.describe_recommender(recommenderArn=arn))
    assert seen() == "CREATE PENDING"
    for call in (p.delete_recommender, p.stop_recommender, p.start_recommender):
        fails("ResourceInUseException", call, recommenderArn=arn)
    frozen.advance("2m")
    assert seen() == "CREATE IN_PROGRESS"
    frozen.advance("2h")
    p.update_recommender(recommenderArn=arn, recommenderConfig={"minRecommendationRequestsPerSecond": 5})
    recommender = p.describe_recommender(recommenderArn=arn)["recommender"]
    assert recommender["status"] == "ACTIVE" and recommender["latestRecommenderUpdate"]["status"] == "CREATE PENDING"
    assert recommender["recommenderConfig"]["minRecommendationRequestsPerSecond"] == 1  # the old values serve
    fails("ResourceInUseException", p.stop_recommender, recommenderArn=arn)
    frozen.advance("1h")
    steps = []
    for act, waits in ((p.stop_recommender, ("61s", "1h")), (p.start_recommender, ("61s", "1h")), (p.stop_recommender, ("1h",)),
                       (p.delete_recommender, ("31s",))):
        act(recommenderArn=arn)
        steps.append(seen())
        for wait in waits:
            frozen.advance(wait)
            steps.append(seen())
            if steps[-1] == "INACTIVE":
                with pytest.raises(ClientError, match="INACTIVE"):
                    runtime.get_recommendations(recommenderArn=arn, userId="u1")
            if steps[-1] == "STOP IN_PROGRESS":
                fails("ResourceInUseException", p.delete_recommender, recommenderArn=arn)
    assert steps == ["STOP PENDING", "STOP IN_PROGRESS", "INACTIVE", "START PENDING", "START IN_PROGRESS", "ACTIVE", "STOP PENDING",
                     "INACTIVE", "DELETE PENDING", "DELETE IN_PROGRESS"]
    frozen.advance("1h")
    fails("ResourceNotFoundException", p.describe_recommender, recommenderArn=arn)


def test_a_deletion_tells_its_number_at_the_end(frozen):
    """The work of a job is done long before the job is over; the number of users was told when the work was done."""
    p = frozen.client()
    group = make_group(p)
    frozen.advance("1m")
    make_dataset(p, group)
    frozen.advance("1m")
    frozen.client("s3").put_object(Bucket="data", Key="users.csv", Body="USER_ID\nu1\nu2\n")
    import_data(p, p.list_datasets(datasetGroupArn=group)["datasets"][0]["datasetArn"])
    frozen.advance("1h")
    arn = p.create_data_deletion_job(jobName="d", datasetGroupArn=group, roleArn=ROLE, dataSource={
        "dataLocation": "s3://data/users.csv"})["dataDeletionJobArn"]
    frozen.advance("10m")
    wait_until(lambda: "numDeleted" in json.dumps(frozen.admin("snapshot")))
    job = p.describe_data_deletion_job(dataDeletionJobArn=arn)["dataDeletionJob"]
    assert job["status"] == "IN_PROGRESS" and "numDeleted" not in job
    # Nothing else of the group may use its data meanwhile; only the start of the deletion was looked at.
    assert "data deletion job" in fails("ResourceInUseException", import_data, p, p.list_datasets()["datasets"][0]["datasetArn"])
    solution = make_solution(p, group)
    frozen.advance("1m")
    assert "data deletion job" in fails("ResourceInUseException", p.create_solution_version, solutionArn=solution)
    frozen.advance("3h")
    job = p.describe_data_deletion_job(dataDeletionJobArn=arn)["dataDeletionJob"]
    assert (job["status"], job["numDeleted"]) == ("COMPLETED", 2)


def test_automatic_training(frozen):
    p = frozen.client()
    group = make_group(p)
    frozen.advance("5m")
    dataset = make_dataset(p, group)
    frozen.advance("5m")
    import_data(p, dataset)
    frozen.advance("30m")
    solution = make_solution(p, group, performAutoTraining=True)
    frozen.advance("2h")
    first, = p.list_solution_versions(solutionArn=solution)["solutionVersions"]
    assert (first["trainingType"], first["trainingMode"], first["status"]) == ("AUTOMATIC", "FULL", "ACTIVE")
    frozen.advance("8d")  # nothing new has come in: no training
    assert len(p.list_solution_versions(solutionArn=solution)["solutionVersions"]) == 1
    import_data(p, dataset)
    frozen.advance("8d")
    versions = p.list_solution_versions(solutionArn=solution)["solutionVersions"]
    assert [v["trainingType"] for v in versions] == ["AUTOMATIC", "AUTOMATIC"]
    p.update_solution(solutionArn=solution, performAutoTraining=False)
    frozen.advance("1h")
    import_data(p, dataset)
    frozen.advance("20d")
    assert len(p.list_solution_versions(solutionArn=solution)["solutionVersions"]) == 2


def test_deletion_in_the_right_order(p, trained):
    group = make_group(p)
    schema = p.create_schema(name=name("s"), schema=INTERACTIONS)["schemaArn"]
    dataset = p.create_dataset(name="d", schemaArn=schema, datasetGroupArn=group, datasetType="Interactions")["datasetArn"]
    job = import_data(p, dataset)
    solution = make_solution(p, group)
    version = p.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    assert "in use by" in fails("ResourceInUseException", p.delete_schema, schemaArn=schema)
    fails("ResourceInUseException", p.delete_dataset_group, datasetGroupArn=group)
    p.delete_solution(solutionArn=solution)
    fails("ResourceNotFoundException", p.describe_solution_version, solutionVersionArn=version)
    fails("ResourceInUseException", p.delete_dataset_group, datasetGroupArn=group)
    p.delete_dataset(datasetArn=dataset)
    assert status(p.describe_dataset_import_job(datasetImportJobArn=job)) == "ACTIVE"
    p.delete_dataset_group(datasetGroupArn=group)
    fails("ResourceNotFoundException", p.describe_dataset_group, datasetGroupArn=group)
    fails("ResourceNotFoundException", p.describe_dataset_import_job, datasetImportJobArn=job)
    p.delete_schema(schemaArn=schema)


def test_time_scale_divides_durations(tmp_path):
    simulator = Simulator(tmp_path / "sim", "--time-scale", "100")
    p = simulator.client()
    group = make_group(p)
    begin = time.monotonic()
    wait_until(lambda: status(p.describe_dataset_group(datasetGroupArn=group)) == "ACTIVE")
    assert 0.3 < time.monotonic() - begin < 5
    assert simulator.stop() == 0

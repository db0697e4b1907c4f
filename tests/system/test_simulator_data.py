"""Data of the local Amazon Personalize: import rules, merging, export, deletion, batch files, events and runtime."""
import collections
import json
import math
import random
import time

import pytest
from botocore.exceptions import ClientError

from simulator_kit import (INTERACTIONS, ITEMS, ROLE, USERS, Simulator, field, interactions_csv, items_csv, schema_text,
                           users_csv)

RECIPE = "arn:aws:personalize:::recipe/"


class World:
    """A simulator with a bucket and one group; names are made up as needed."""

    def __init__(self, sim):
        self.sim, self.p, self.s3 = sim, sim.client(), sim.client("s3")
        self.s3.create_bucket(Bucket="data")
        self.n = 0

    def name(self):
        self.n += 1
        return f"n{self.n}"

    def group(self, **more):
        return self.p.create_dataset_group(name=self.name(), **more)["datasetGroupArn"]

    def dataset(self, group, kind="Interactions", schema=INTERACTIONS):
        arn = self.p.create_schema(name=self.name(), schema=schema)["schemaArn"]
        return self.p.create_dataset(name=self.name(), schemaArn=arn, datasetGroupArn=group, datasetType=kind)["datasetArn"]

    def put(self, key, body):
        self.s3.put_object(Bucket="data", Key=key, Body=body)
        return f"s3://data/{key}"

    def load(self, dataset, body, location=None, **more):
        location = location or self.put(self.name() + ".csv", body)
        arn = self.p.create_dataset_import_job(jobName=self.name(), datasetArn=dataset, roleArn=ROLE,
                                               dataSource={"dataLocation": location}, **more)["datasetImportJobArn"]
        return self.p.describe_dataset_import_job(datasetImportJobArn=arn)["datasetImportJob"]

    def export(self, dataset, mode="ALL"):
        name = self.name()
        arn = self.p.create_dataset_export_job(jobName=name, datasetArn=dataset, roleArn=ROLE, ingestionMode=mode, jobOutput={
            "s3DataDestination": {"path": "s3://data/export/"}})["datasetExportJobArn"]
        assert self.p.describe_dataset_export_job(datasetExportJobArn=arn)["datasetExportJob"]["status"] == "ACTIVE"
        return self.read(f"export/{name}/part-00000.csv").splitlines()

    def read(self, key):
        return self.s3.get_object(Bucket="data", Key=key)["Body"].read().decode()

    def train(self, group, recipe, **more):
        solution = self.p.create_solution(name=self.name(), datasetGroupArn=group, recipeArn=RECIPE + recipe,
                                          performAutoTraining=False, **more)["solutionArn"]
        arn = self.p.create_solution_version(solutionArn=solution)["solutionVersionArn"]
        return self.p.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]

    def campaign(self, group, recipe, **config):
        version = self.train(group, recipe)
        assert version["status"] == "ACTIVE", version
        return self.p.create_campaign(name=self.name(), solutionVersionArn=version["solutionVersionArn"],
                                      **({"campaignConfig": config} if config else {}))["campaignArn"]


@pytest.fixture(scope="module")
def w(tmp_path_factory):
    simulator = Simulator(tmp_path_factory.mktemp("sim"), "--time-scale", "0", "--quota", "dataset-groups=100",
                          "--quota", "solutions=100", "--quota", "campaigns=100")
    yield World(simulator)
    assert simulator.stop() == 0


@pytest.fixture(scope="module")
def shop(w):
    """A group with interactions, items and users."""
    group = w.group()
    shop = {"group": group, "interactions": w.dataset(group), "items": w.dataset(group, "Items", ITEMS),
            "users": w.dataset(group, "Users", USERS)}
    assert w.load(shop["interactions"], interactions_csv())["status"] == "ACTIVE"
    assert w.load(shop["items"], items_csv())["status"] == "ACTIVE"
    assert w.load(shop["users"], users_csv())["status"] == "ACTIVE"
    return shop


def fails(code, status, call, *args, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    assert caught.value.response["Error"]["Code"] == code, caught.value.response["Error"]
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    return caught.value.response["Error"]["Message"]


# ---- imports -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("body, reason", [
    ("ITEM_ID,GENRE,PRICE\ni1,a,1.5\ni2,\"b|c\",\n", None),
    ("PRICE,ITEM_ID,EXTRA,GENRE\n1e3,i1,x,a\n", None),
    ("\ufeffITEM_ID,GENRE,PRICE\r\ni1,\"a \"\"quoted\"\" \\\"one\\\", with\nnewline\",1\r\n", None),
    ("ITEM_ID\ni1\n", "Input CSV is missing the following columns: [GENRE, PRICE]."),
    ("", "is empty"),
    ("ITEM_ID,GENRE,PRICE\ni1,a,cheap\n", "The value \"cheap\" of column PRICE in row 2"),
    ("ITEM_ID,GENRE,PRICE\ni1,,1\n", "The column GENRE is empty in row 2"),
    ("ITEM_ID,GENRE,PRICE\ni1,a\n", "Row 2 of"),
    ("ITEM_ID,GENRE,PRICE\n" + "x" * 257 + ",a,1\n", "longer than 256 characters"),
])
def test_import_checks_the_csv(w, body, reason):
    job = w.load(w.dataset(w.group(), "Items", ITEMS), body)
    if reason is None:
        assert job["status"] == "ACTIVE", job
    else:
        assert job["status"] == "CREATE FAILED"
        assert reason in job["failureReason"]


def test_import_of_what_is_not_there(w):
    dataset = w.dataset(w.group(), "Items", ITEMS)
    for location in ("s3://data/none.csv", "s3://nobucket/x.csv", "s3://data/nofolder/"):
        job = w.load(dataset, None, location)
        assert (job["status"], job["failureReason"]) == ("CREATE FAILED",
                                                         "Insufficient privileges for accessing data in Amazon S3.")


def test_import_of_integers(w):
    dataset = w.dataset(w.group(), "Users", USERS)
    assert w.load(dataset, "USER_ID,AGE\nu,3\n")["status"] == "ACTIVE"
    assert "not of type int" in w.load(dataset, "USER_ID,AGE\nu,3.5\n")["failureReason"]
    assert "not of type int" in w.load(dataset, "USER_ID,AGE\nu,3000000000\n")["failureReason"]


def test_import_of_a_folder(w):
    dataset = w.dataset(w.group(), "Users", USERS)
    w.put("folder/a.csv", "USER_ID,AGE\nu1,1\n")
    w.put("folder/b.csv", "AGE,USER_ID\n2,u2\n")
    assert w.load(dataset, None, "s3://data/folder/")["status"] == "ACTIVE"
    assert w.export(dataset) == ["USER_ID,AGE", "u1,1", "u2,2"]


def test_interactions_need_a_thousand_rows(w):
    dataset = w.dataset(w.group())
    job = w.load(dataset, interactions_csv(users=39))
    assert job["status"] == "CREATE FAILED"
    assert job["failureReason"] == "The Interactions dataset needs at least 1000 interactions; the import has 975."
    assert w.load(dataset, interactions_csv(users=40))["status"] == "ACTIVE"


def test_full_replaces_and_incremental_merges(w):
    dataset = w.dataset(w.group(), "Items", ITEMS)
    w.load(dataset, "ITEM_ID,GENRE,PRICE\na,x,1\nb,x,2\n")
    w.load(dataset, "ITEM_ID,GENRE,PRICE\nb,y,3\nc,y,4\n", importMode="INCREMENTAL")
    assert w.export(dataset)[1:] == ["a,x,1", "b,x,2", "b,y,3", "c,y,4"]  # every record; the later one counts
    w.load(dataset, "ITEM_ID,GENRE,PRICE\nz,z,9\n")
    assert w.export(dataset)[1:] == ["z,z,9"]


def test_a_failed_import_leaves_the_data(w):
    dataset = w.dataset(w.group(), "Items", ITEMS)
    w.load(dataset, "ITEM_ID,GENRE,PRICE\na,x,1\n")
    assert w.load(dataset, "ITEM_ID,GENRE,PRICE\nb,x,wrong\n")["status"] == "CREATE FAILED"
    assert w.export(dataset)[1:] == ["a,x,1"]


def test_streamed_data_is_exported_apart(w):
    dataset = w.dataset(w.group(), "Items", ITEMS)
    w.load(dataset, "ITEM_ID,GENRE,PRICE\na,x,1\n")
    events = w.sim.client("personalize-events")
    events.put_items(datasetArn=dataset, items=[{"itemId": "s", "properties": json.dumps({"genre": "live", "price": 2.5})}])
    assert w.export(dataset, "PUT")[1:] == ["s,live,2.5"]
    assert w.export(dataset, "BULK")[1:] == ["a,x,1"]
    w.load(dataset, "ITEM_ID,GENRE,PRICE\nb,x,1\n")  # FULL replaces what was imported, not what was streamed
    assert w.export(dataset)[1:] == ["b,x,1", "s,live,2.5"]


def test_deletion_of_users(w):
    group = w.group()
    dataset, users = w.dataset(group), w.dataset(group, "Users", USERS)
    w.load(dataset, interactions_csv())
    w.load(users, users_csv())
    location = w.put("gone.csv", "USER_ID\nu1\nu7\nnobody\n")
    arn = w.p.create_data_deletion_job(jobName=w.name(), datasetGroupArn=group, roleArn=ROLE,
                                       dataSource={"dataLocation": location})["dataDeletionJobArn"]
    job = w.p.describe_data_deletion_job(dataDeletionJobArn=arn)["dataDeletionJob"]
    assert (job["status"], job["numDeleted"]) == ("COMPLETED", 2)
    left = {line.split(",")[0] for line in w.export(dataset)[1:]}
    assert left == {f"u{i}" for i in range(60)} - {"u1", "u7"}
    assert len(w.export(users)) == 1 + 58


# ---- trainings -----------------------------------------------------------------------------------------------------

def test_a_training_needs_users_that_come_back(w):
    group = w.group()
    rows = ["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE"] + [f"u{n % 20},i{n % 37},{n},click" for n in range(1000)]
    w.load(w.dataset(group), "\n".join(rows))
    version = w.train(group, "aws-sims")
    assert (version["status"], version["failureReason"]) == (
        "CREATE FAILED", "Dataset has fewer than 25 users with at least 2 interactions each.")


def test_personal_beats_popular_and_training_repeats(w, shop):
    def metrics(recipe):
        arn = w.train(shop["group"], recipe)["solutionVersionArn"]
        return w.p.get_solution_metrics(solutionVersionArn=arn)["metrics"]
    personal, popular = metrics("aws-user-personalization"), metrics("aws-popularity-count")
    assert personal["normalized_discounted_cumulative_gain_at_25"] > popular["normalized_discounted_cumulative_gain_at_25"]
    assert personal["coverage"] > popular["coverage"]
    assert metrics("aws-user-personalization") == personal
    assert "trend_prediction_accuracy" in metrics("aws-trending-now")
    segments = metrics("aws-item-affinity")
    assert set(segments) == {"coverage", "hits_at_1_percent", "recall_at_1_percent"}


def planted(noise, seed, users=200, items=100, per_user=40):
    """Two taste groups; in each the first items are liked best; a share of the clicks goes astray."""
    dice, rows = random.Random(seed), []
    weights = [1 / (k + 1) for k in range(items // 2)]
    for u in range(users):
        for n in range(per_user):
            taste = u % 2 if dice.random() >= noise else 1 - u % 2
            rows.append((u, dice.choices(range(items // 2), weights)[0] * 2 + taste, 1700000000 + n * 1000 + u))
    return rows


def metrics_of_chance(rows, items=100):
    """What a shuffled list scores on the same held-out tenth."""
    dice, history, sums = random.Random(1), collections.defaultdict(list), collections.Counter()
    for user, item, at in rows:
        history[user].append((at, item))
    for own in history.values():
        wanted = {item for _, item in sorted(own)[-(len(own) // 10):]}
        hits = [i in wanted for i in dice.sample(range(items), 25)]
        ideal = sum(1 / math.log2(n + 2) for n in range(min(len(wanted), 25)))
        sums["normalized_discounted_cumulative_gain_at_25"] += sum(h / math.log2(n + 2) for n, h in enumerate(hits)) / ideal
        sums["precision_at_10"] += sum(hits[:10]) / 10
        sums["mean_reciprocal_rank_at_25"] += 1 / (hits.index(True) + 1) if True in hits else 0
    return {name: total / len(history) for name, total in sums.items()}


@pytest.mark.parametrize("noise, seed", [(0, 1), (0.1, 1), (0.1, 2)])
def test_two_tastes_are_told_apart(w, noise, seed):
    """Recommendations stay in the group, personal beats popular, popular beats chance, and the metrics say so.

    With a tenth of the clicks astray a user's list used to hold one foreign item in nine, and of a hundred users only a tenth
    were measured, so that chance decided which recipe was the better one."""
    rows = planted(noise, seed)
    group = w.group()
    dataset = w.dataset(group)
    body = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n" + "".join(f"u{u},i{i},{at},view\n" for u, i, at in rows)
    assert w.load(dataset, body)["status"] == "ACTIVE"
    runtime, metrics = w.sim.client("personalize-runtime"), {}
    for recipe in ("aws-popularity-count", "aws-user-personalization-v2", "aws-user-personalization", "aws-personalized-ranking-v2",
                   "aws-sims", "aws-similar-items"):
        version = w.train(group, recipe)["solutionVersionArn"]
        metrics[recipe] = w.p.get_solution_metrics(solutionVersionArn=version)["metrics"]
        if recipe == "aws-popularity-count":
            continue
        campaign = w.p.create_campaign(name=w.name(), solutionVersionArn=version)["campaignArn"]
        shown = inside = 0
        for n in range(20):
            if "ranking" in recipe:  # five of each group: the own ones come first
                answer = runtime.get_personalized_ranking(campaignArn=campaign, userId=f"u{n}", inputList=[f"i{i}" for i in range(10)])
                listed = ids(answer, "personalizedRanking")[:5]
            else:
                about = {"itemId": f"i{n}"} if recipe in ("aws-sims", "aws-similar-items") else {"userId": f"u{n}"}
                listed = ids(runtime.get_recommendations(campaignArn=campaign, numResults=10, **about))
            shown += len(listed)
            inside += sum(int(i[1:]) % 2 == n % 2 for i in listed)
        assert inside == shown if noise == 0 else inside > 0.95 * shown, (recipe, inside, shown)
    for name, chance in metrics_of_chance(rows).items():
        popular = metrics["aws-popularity-count"][name]
        assert popular > 1.5 * chance, (name, popular, chance)
        for recipe in ("aws-user-personalization-v2", "aws-user-personalization", "aws-personalized-ranking-v2"):
            assert metrics[recipe][name] > popular, (recipe, name, metrics[recipe][name], popular)


def test_optimisation_objective_is_measured(w, shop):
    arn = w.train(shop["group"], "aws-user-personalization", solutionConfig={
        "optimizationObjective": {"itemAttribute": "PRICE", "objectiveSensitivity": "LOW"}})["solutionVersionArn"]
    assert 0 < w.p.get_solution_metrics(solutionVersionArn=arn)["metrics"]["average_rewards_at_k"] <= 1


def test_hyperparameters_are_tuned(w, shop):
    version = w.train(shop["group"], "aws-user-personalization", performHPO=True)
    assert version["tunedHPOParams"]["algorithmHyperParameters"]
    assert version["trainingHours"] > w.train(shop["group"], "aws-user-personalization")["trainingHours"]


# ---- batch jobs ----------------------------------------------------------------------------------------------------

def batch(w, version, questions, kind="inference", **more):
    key = w.name()
    w.put(f"{key}/q.json", "\n".join(json.dumps(q) if not isinstance(q, str) else q for q in questions) + "\n")
    create = getattr(w.p, f"create_batch_{kind}_job")
    arn = create(jobName=w.name(), solutionVersionArn=version, roleArn=ROLE,
                 jobInput={"s3DataSource": {"path": f"s3://data/{key}/q.json"}},
                 jobOutput={"s3DataDestination": {"path": f"s3://data/{key}-out/"}}, **more)[
                     "batchInferenceJobArn" if kind == "inference" else "batchSegmentJobArn"]
    job = getattr(w.p, f"describe_batch_{kind}_job")(**{
        "batchInferenceJobArn" if kind == "inference" else "batchSegmentJobArn": arn})
    job = job["batchInferenceJob" if kind == "inference" else "batchSegmentJob"]
    assert job["status"] == "ACTIVE", job
    return [json.loads(line) for line in w.read(f"{key}-out/q.json.out").splitlines()]


def test_batch_inference_writes_files(w, shop):
    version = w.train(shop["group"], "aws-user-personalization")["solutionVersionArn"]
    rows = batch(w, version, [{"userId": "u2"}, {"userId": "u3"}, {"nobody": 1}, "no json"], numResults=7)
    assert [r["error"] is None for r in rows] == [True, True, False, False]
    assert rows[0]["input"] == {"userId": "u2"}
    even, odd = (r["output"]["recommendedItems"] for r in rows[:2])
    assert len(even) == 7 and len(rows[0]["output"]["scores"]) == 7
    assert all(int(i[1:]) % 2 == 0 for i in even[:5]) and all(int(i[1:]) % 2 == 1 for i in odd[:5])
    assert rows[0]["output"]["scores"] == sorted(rows[0]["output"]["scores"], reverse=True)


def test_batch_with_a_filter(w, shop):
    version = w.train(shop["group"], "aws-user-personalization")["solutionVersionArn"]
    arn = w.p.create_filter(name=w.name(), datasetGroupArn=shop["group"],
                            filterExpression='INCLUDE ItemID WHERE Items.GENRE IN ($G)')["filterArn"]
    rows = batch(w, version, [{"userId": "u2", "filterValues": {"G": '"crime"'}}, {"userId": "u2"}], filterArn=arn,
                 numResults=5)
    assert all(int(i[1:]) % 2 == 1 for i in rows[0]["output"]["recommendedItems"])
    assert "filter parameter G" in rows[1]["error"]


def test_batch_of_rankings_related_items_and_themes(w, shop):
    version = w.train(shop["group"], "aws-personalized-ranking")["solutionVersionArn"]
    row, = batch(w, version, [{"userId": "u2", "itemList": ["i1", "i0", "i2", "i999"]}])
    ranked = row["output"]["recommendedItems"]
    assert sorted(ranked) == ["i0", "i1", "i2", "i999"] and ranked[-1] == "i999"
    version = w.train(shop["group"], "aws-similar-items")["solutionVersionArn"]
    row, = batch(w, version, [{"itemId": "i2"}], numResults=3, batchInferenceJobMode="THEME_GENERATION",
                 themeGenerationConfig={"fieldsForThemeGeneration": {"itemName": "GENRE"}})
    assert row["output"]["theme"] == "comedy" and "i2" not in row["output"]["recommendedItems"]
    assert set(row["output"]) == {"recommendedItems", "theme", "itemsThemeRelevanceScores"}  # as the developer guide shows it
    assert len(row["output"]["itemsThemeRelevanceScores"]) == 3


def test_batch_segments(w, shop):
    version = w.train(shop["group"], "aws-item-affinity")["solutionVersionArn"]
    row, = batch(w, version, [{"itemId": "i2"}], "segment", numResults=5)
    assert len(row["output"]["usersList"]) == 5
    assert all(int(u[1:]) % 2 == 0 for u in row["output"]["usersList"])
    version = w.train(shop["group"], "aws-item-attribute-affinity")["solutionVersionArn"]
    rows = batch(w, version, [{"itemAttributes": 'Items.GENRE = "crime"'}, {"itemAttributes": "nonsense"}], "segment",
                 numResults=5)
    assert all(int(u[1:]) % 2 == 1 for u in rows[0]["output"]["usersList"])
    assert rows[1]["output"] is None and rows[1]["error"]


# ---- runtime and events --------------------------------------------------------------------------------------------

def ids(answer, key="itemList"):
    return [i["itemId"] for i in answer[key]]


def test_recommendations(w, shop):
    runtime = w.sim.client("personalize-runtime")
    campaign = w.campaign(shop["group"], "aws-user-personalization")
    answer = runtime.get_recommendations(campaignArn=campaign, userId="u2")
    assert len(answer["itemList"]) == 25 and answer["recommendationId"].startswith("RID-")
    assert len(set(ids(answer))) == 25
    assert all(int(i[1:]) % 2 == 0 for i in ids(answer)[:8])
    assert 0 < sum(i["score"] for i in answer["itemList"]) <= 1.0001
    assert len(ids(runtime.get_recommendations(campaignArn=campaign, userId="stranger", numResults=3))) == 3
    fails("InvalidInputException", 400, runtime.get_recommendations, campaignArn=campaign)
    fails("InvalidInputException", 400, runtime.get_recommendations, campaignArn=campaign, userId="u", numResults=501)
    fails("InvalidInputException", 400, runtime.get_recommendations, userId="u")
    fails("ResourceNotFoundException", 404, runtime.get_recommendations, campaignArn=campaign + "x", userId="u")
    fails("InvalidInputException", 400, runtime.get_personalized_ranking, campaignArn=campaign, userId="u", inputList=["a"])
    fails("InvalidInputException", 400, runtime.get_recommendations, campaignArn=campaign, userId="u",
          metadataColumns={"ITEMS": ["GENRE"]})


def test_recommendations_obey_filters(w, shop):
    runtime = w.sim.client("personalize-runtime")
    campaign = w.campaign(shop["group"], "aws-user-personalization", enableMetadataWithRecommendations=True)

    def with_filter(expression, **values):
        arn = w.p.create_filter(name=w.name(), datasetGroupArn=shop["group"], filterExpression=expression)["filterArn"]
        return runtime.get_recommendations(campaignArn=campaign, userId="u2", numResults=40, filterArn=arn,
                                           filterValues=values, metadataColumns={"ITEMS": ["GENRE", "PRICE"]})["itemList"]

    cheap = with_filter("INCLUDE ItemID WHERE Items.PRICE <= $MAX", MAX="10")
    assert cheap and all(float(i["metadata"]["price"]) <= 10 for i in cheap)
    drama = with_filter('INCLUDE ItemID WHERE Items.GENRE IN ("drama") IF CurrentUser.AGE = 20')
    assert drama and all("drama" in i["metadata"]["genre"] for i in drama)
    untouched = with_filter('INCLUDE ItemID WHERE Items.GENRE IN ("drama") IF CurrentUser.AGE = 99')
    assert any("comedy" in i["metadata"]["genre"] for i in untouched)
    seen = {line.split(",")[1] for line in interactions_csv().splitlines() if line.startswith("u2,")}
    fresh = with_filter('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")')
    assert not seen & {i["itemId"] for i in fresh}


def test_ranking_with_metadata(w, shop):
    runtime = w.sim.client("personalize-runtime")
    campaign = w.campaign(shop["group"], "aws-personalized-ranking-v2")
    answer = runtime.get_personalized_ranking(campaignArn=campaign, userId="u3", inputList=["i0", "i1", "i2", "i3"],
                                              metadataColumns={"ITEMS": ["GENRE"]})["personalizedRanking"]
    assert {i["itemId"] for i in answer[:2]} == {"i1", "i3"}
    assert answer[0]["metadata"] == {"genre": "drama|crime"}


def test_promotions(w, shop):
    runtime = w.sim.client("personalize-runtime")
    campaign = w.campaign(shop["group"], "aws-user-personalization")
    arn = w.p.create_filter(name=w.name(), datasetGroupArn=shop["group"],
                            filterExpression='INCLUDE ItemID WHERE Items.GENRE IN ("crime")')["filterArn"]
    answer = runtime.get_recommendations(campaignArn=campaign, userId="u2", numResults=10, promotions=[
        {"name": "crime", "percentPromotedItems": 30, "filterArn": arn}])["itemList"]
    assert len(answer) == 10
    assert len([i for i in answer if i.get("promotionName") == "crime"]) == 3


def test_events_count_at_once_and_after_retraining(w):
    group = w.group()
    dataset = w.dataset(group)
    w.load(dataset, interactions_csv())
    campaign = w.campaign(group, "aws-user-personalization")
    tracker = w.p.create_event_tracker(name=w.name(), datasetGroupArn=group)["trackingId"]
    runtime, events = w.sim.client("personalize-runtime"), w.sim.client("personalize-events")
    before = ids(runtime.get_recommendations(campaignArn=campaign, userId="fresh", numResults=5))
    now = int(time.time())
    events.put_events(trackingId=tracker, userId="fresh", sessionId="s", eventList=[
        {"eventType": "click", "itemId": f"i{i}", "sentAt": now + i} for i in (1, 3, 5, 7)])
    after = ids(runtime.get_recommendations(campaignArn=campaign, userId="fresh", numResults=5))
    assert before != after and all(int(i[1:]) % 2 == 1 for i in after)
    rows = w.export(dataset, "PUT")
    assert rows[0] == "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE"
    assert rows[1] == f"fresh,i1,{now + 1},click"
    fails("InvalidInputException", 400, events.put_events, trackingId="unknown", sessionId="s", eventList=[
        {"eventType": "click", "itemId": "a", "sentAt": now}])
    fails("InvalidInputException", 400, events.put_events, trackingId=tracker, sessionId="s", eventList=[
        {"eventType": "click", "itemId": "half", "sentAt": now}, {"eventType": "click", "sentAt": now}])
    assert len(w.export(dataset, "PUT")) == 5  # a refused call once left the events before the bad one
    fails("ResourceNotFoundException", 404, events.put_items, datasetArn=dataset + "x", items=[{"itemId": "a"}])
    fails("InvalidInputException", 400, events.put_users, datasetArn=dataset, users=[{"userId": "a"}])


def test_next_best_action(w):
    group = w.group()
    actions = w.dataset(group, "Actions", schema_text("Actions", field("ACTION_ID"), field("VALUE", ["null", "long"]),
                                                      field("TYPE", categorical=True)))
    taken = w.dataset(group, "Action_Interactions", schema_text(
        "Action_interactions", field("USER_ID"), field("ACTION_ID"), field("EVENT_TYPE"), field("TIMESTAMP", "long")))
    w.dataset(group)
    assert w.load(actions, "ACTION_ID,VALUE,TYPE\na0,1,x\na1,2,y\na2,,y\n")["status"] == "ACTIVE"
    rows = [f"u{n % 50},a{n % 2},{'Taken' if n % 3 else 'Not Taken'},{n}" for n in range(1200)]
    assert w.load(taken, "USER_ID,ACTION_ID,EVENT_TYPE,TIMESTAMP\n" + "\n".join(rows))["status"] == "ACTIVE"
    campaign = w.campaign(group, "aws-next-best-action")
    runtime, events = w.sim.client("personalize-runtime"), w.sim.client("personalize-events")
    answer = runtime.get_action_recommendations(campaignArn=campaign, userId="u1")["actionList"]
    assert {a["actionId"] for a in answer} == {"a0", "a1"} and all(a["score"] > 0 for a in answer)
    events.put_actions(datasetArn=actions, actions=[{"actionId": "a9", "properties": '{"type": "new"}'}])
    tracking = w.p.describe_dataset(datasetArn=taken)["dataset"]["trackingId"]
    events.put_action_interactions(trackingId=tracking, actionInteractions=[
        {"actionId": "a9", "userId": "u1", "sessionId": "s", "timestamp": 1800000000, "eventType": "Viewed"}])
    assert w.export(taken, "PUT")[1] == "u1,a9,Viewed,1800000000"
    fails("InvalidInputException", 400, runtime.get_recommendations, campaignArn=campaign, userId="u1")


def test_semantic_similarity(w):
    group = w.group()
    items = w.dataset(group, "Items", schema_text("Items", field("ITEM_ID"), field("TITLE", itemName=True),
                                                  field("TEXT", textual=True)))
    rows = ["s1,Red shoes,red leather shoes", "s2,Blue shoes,blue leather shoes", "b1,Old book,history book of Rome",
            "b2,New book,novel book of Paris"]
    w.load(items, "ITEM_ID,TITLE,TEXT\n" + "\n".join(rows) + "\n")
    campaign = w.campaign(group, "aws-semantic-similarity")
    answer = w.sim.client("personalize-runtime").get_recommendations(campaignArn=campaign, itemId="s1", numResults=1)
    assert ids(answer) == ["s2"]


def test_semantic_similarity_needs_names_and_texts(w, shop):
    """A solution that the service cannot train was trained here on whatever columns there were."""
    with pytest.raises(ClientError, match="itemName"):
        w.train(shop["group"], "aws-semantic-similarity")


def test_event_weights_are_measured(w, shop):
    arn = w.train(shop["group"], "aws-user-personalization-v2", solutionConfig={"eventsConfig": {"eventParametersList": [
        {"eventType": "click", "weight": 0.2}, {"eventType": "purchase", "weight": 1.0}]}})["solutionVersionArn"]
    metrics = w.p.get_solution_metrics(solutionVersionArn=arn)["metrics"]
    weighted = metrics["normalized_discounted_cumulative_gain_with_event_weights_at_25"]
    assert 0 < weighted < 1 and weighted != metrics["normalized_discounted_cumulative_gain_at_25"]


def test_streamed_rows_win_at_run_time(w):
    group = w.group()
    dataset, items = w.dataset(group), w.dataset(group, "Items", ITEMS)
    w.load(dataset, interactions_csv())
    w.load(items, items_csv())
    campaign = w.campaign(group, "aws-user-personalization")
    tracker = w.p.create_event_tracker(name=w.name(), datasetGroupArn=group)["trackingId"]
    runtime, events = w.sim.client("personalize-runtime"), w.sim.client("personalize-events")
    live = w.p.create_filter(name=w.name(), datasetGroupArn=group,
                             filterExpression='INCLUDE ItemID WHERE Items.GENRE IN ("live")')["filterArn"]
    touched = w.p.create_filter(name=w.name(), datasetGroupArn=group,
                                filterExpression='INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("like")')["filterArn"]

    def shown(filter_arn):
        return ids(runtime.get_recommendations(campaignArn=campaign, userId="u2", filterArn=filter_arn))

    assert shown(live) == [] and shown(touched) == []
    events.put_items(datasetArn=items, items=[{"itemId": "i4", "properties": '{"genre": "live"}'}])
    events.put_events(trackingId=tracker, userId="u2", sessionId="s", eventList=[
        {"eventType": "like", "itemId": "i6", "sentAt": 1800000000}])
    assert shown(live) == ["i4"] and shown(touched) == ["i6"]
    w.load(items, items_csv())  # a new import does not undo what was streamed
    assert shown(live) == ["i4"]

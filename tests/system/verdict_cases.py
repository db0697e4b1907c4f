"""Parameter files by mutation of a good one, each with its verdict and where the first error points.

A row: (why, changes, errors[, warnings]). changes: {JSON Pointer: value}, DEL removes, a pointer that ends in /- appends. errors: the
pointers that must be among the errors; [] says the file is valid. A last word "exactly" would be too much: one slip may have
consequences, but each named pointer must be there.
"""
import copy
import json
import pathlib

DEL = object()
SAMPLES = pathlib.Path(__file__).resolve().parents[1] / "data" / "parameter-files"
BASE = json.loads((SAMPLES / "m139-filter-tags-good.json").read_text())
del BASE["filters"][0]["serviceConfig"]["tags"]

DOMAIN = json.loads(json.dumps({
    "datasetGroup": {"serviceConfig": {"name": "tv", "domain": "VIDEO_ON_DEMAND"}},
    "datasets": {"interactions": {
        "dataset": {"serviceConfig": {"name": "tv-events"}},
        "schema": {"serviceConfig": {"name": "tv-events-schema", "domain": "VIDEO_ON_DEMAND", "schema": {
            "type": "record", "name": "Interactions", "namespace": "com.amazonaws.personalize.schema", "version": "1.0",
            "fields": [{"name": "USER_ID", "type": "string"}, {"name": "ITEM_ID", "type": "string"},
                       {"name": "EVENT_TYPE", "type": "string"}, {"name": "TIMESTAMP", "type": "long"}]}}}}},
    "recommenders": [{"serviceConfig": {"name": "tv-top", "recipeArn": "arn:aws:personalize:::recipe/aws-vod-top-picks"}}]}))


def mutate(base, changes):
    """The base with the changes made."""
    document = copy.deepcopy(base)
    for pointer, value in changes.items():
        *path, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
        at = document
        for part in path:
            if isinstance(at, list):
                at = at[int(part)]
            else:
                at = at.setdefault(part, {})
        if isinstance(at, list) and last == "-":
            at.append(value)
        elif value is DEL:
            del at[int(last) if isinstance(at, list) else last]
        else:
            at[int(last) if isinstance(at, list) else last] = value
    return document


RECIPE = "arn:aws:personalize:::recipe/"
GROUP, SOLUTION, SEGMENTS = "/datasetGroup/serviceConfig", "/solutions/0/serviceConfig", "/solutions/1/serviceConfig"
CAMPAIGN, BATCH, SEGMENT = "/solutions/0/campaigns/0", "/solutions/0/batchInferenceJobs/0", "/solutions/1/batchSegmentJobs/0"
FILTER, RECOMMENDER, TRACKER = "/filters/0/serviceConfig", "/recommenders/0/serviceConfig", "/eventTracker/serviceConfig"
INTERACTIONS, USERS, ITEMS = "/datasets/interactions", "/datasets/users", "/datasets/items"
AVRO = "/schema/serviceConfig/schema"
TAG = {"tagKey": "team", "tagValue": "shop"}
SECTIONS = {"dataset group": GROUP, "filter": FILTER, "recommender": RECOMMENDER, "solution": SOLUTION, "tracker": TRACKER,
            "campaign": CAMPAIGN + "/serviceConfig", "batch inference": BATCH + "/serviceConfig",
            "batch segment": SEGMENT + "/serviceConfig", "solution version": SOLUTION + "/solutionVersion",
            "imports": "/datasets/serviceConfig", "interactions dataset": INTERACTIONS + "/dataset/serviceConfig",
            "users dataset": USERS + "/dataset/serviceConfig", "items dataset": ITEMS + "/dataset/serviceConfig"}
NAMED = {k: v for k, v in SECTIONS.items() if k not in ("batch inference", "batch segment", "solution version", "imports")} | {
    "schema": INTERACTIONS + "/schema/serviceConfig"}
SCHEDULES = {"import": "/datasetGroup/workflowConfig/schedules/import", "full": "/solutions/0/workflowConfig/schedules/full",
             "update": "/solutions/0/workflowConfig/schedules/update", "batch inference": BATCH + "/workflowConfig/schedule",
             "batch segment": SEGMENT + "/workflowConfig/schedule"}
DERIVED = {TRACKER: ["datasetGroupArn"], FILTER: ["datasetGroupArn"], RECOMMENDER: ["datasetGroupArn"], SOLUTION: ["datasetGroupArn"],
           CAMPAIGN + "/serviceConfig": ["solutionVersionArn"], SOLUTION + "/solutionVersion": ["solutionArn"],
           BATCH + "/serviceConfig": ["jobName", "solutionVersionArn", "jobInput", "jobOutput", "roleArn"],
           SEGMENT + "/serviceConfig": ["jobName", "solutionVersionArn", "jobInput", "jobOutput", "roleArn"],
           "/datasets/serviceConfig": ["jobName", "datasetArn", "dataSource", "roleArn"],
           INTERACTIONS + "/dataset/serviceConfig": ["datasetGroupArn", "schemaArn", "datasetType"]}


def field(pointer, **members):
    return {f"{pointer}{AVRO}/fields/-": members}


def _sections():
    for what, at in SECTIONS.items():
        yield f"{what}: good tags", {f"{at}/tags": [TAG]}, []
        yield f"{what}: no tags on purpose", {f"{at}/tags": []}, []
        yield f"{what}: tags as text", {f"{at}/tags": "x"}, [f"{at}/tags"]
        yield f"{what}: tags as an object", {f"{at}/tags": {"team": "shop"}}, [f"{at}/tags"]
        yield f"{what}: a tag with an unknown key", {f"{at}/tags": [{"key": "a", "tagValue": "b"}]}, [f"{at}/tags/0/key"]
        yield f"{what}: a tag without a value", {f"{at}/tags": [{"tagKey": "a"}]}, [f"{at}/tags/0/tagValue"]
        yield f"{what}: a tag's value as a number", {f"{at}/tags": [{"tagKey": "a", "tagValue": 1}]}, [f"{at}/tags/0/tagValue"]
        yield f"{what}: unknown member", {f"{at}/colour": "red"}, [f"{at}/colour"]
        yield f"{what}: unknown member that is allowed", {f"{at}/colour": "red", "/deployment/allowUnknown": [f"{at}/colour"]}, []
    for what, at in NAMED.items():
        if what in ("dataset group",):
            continue
        yield f"{what}: no name", {f"{at}/name": DEL}, [f"{at}/name"]
    for what, at in NAMED.items():
        yield f"{what}: name of 63 characters", {f"{at}/name": "n" * 63}, []
        yield f"{what}: name of 64 characters", {f"{at}/name": "n" * 64}, [f"{at}/name"]
        yield f"{what}: name with a blank", {f"{at}/name": "a b"}, [f"{at}/name"]
        yield f"{what}: name that begins with -", {f"{at}/name": "-a"}, [f"{at}/name"]
        yield f"{what}: empty name", {f"{at}/name": ""}, [f"{at}/name"]
        yield f"{what}: name as a number", {f"{at}/name": 5}, [f"{at}/name"]
        yield f"{what}: null name", {f"{at}/name": None}, [f"{at}/name"]
    for at, members in DERIVED.items():
        for member in members:
            yield f"derived value given: {at}/{member}", {f"{at}/{member}": "arn:aws:personalize:us-east-1:123456789012:x/y"}, [f"{at}/{member}"]
    for where, at in SCHEDULES.items():
        for text in ("cron(0 4 * * ? *)", "rate(7 days)", "rate(1 hour)", "at(2027-05-01T04:00:00)", "delete", "",
                     "cron(0 4 LW * ? *)", "cron(0 4 L-3 * ? *)", "cron(0 4 ? * 6L *)", "cron(0 4 ? * MON#2 2027,2029)"):
            yield f"{where} schedule {text!r}", {at: text}, []
        for text in ("daily", "cron(0 4 * * *)", "cron(0 4 * * * *)", "cron(0 4 ? * ? *)", "cron(60 4 * * ? *)", "rate(1 days)",
                     "rate(0 days)", "rate(5 fortnights)", "at(2027-13-01T04:00:00)", "cron(0 4 * * ? 1969)", "cron(0 4 ? * 0 *)", "Delete it"):
            yield f"{where} schedule {text!r}", {at: text}, [at]
        for value in (5, True, ["cron(0 4 * * ? *)"], None):
            yield f"{where} schedule {value!r}", {at: value}, [at]
        yield f"{where} schedule as an object", {at: {"expression": "cron(0 4 * * ? *)", "timeZone": "Europe/Berlin", "overlap": "queue",
              "catchUp": "none", "jitterSeconds": 60, "startingDeadlineSeconds": 600, "enabled": False,
              "startAt": "2027-01-01T00:00:00Z", "endAt": "2028-01-01T00:00:00Z"}}, []
        yield f"{where} schedule in an unknown zone", {at: {"expression": "rate(1 day)", "timeZone": "Mars/Base"}}, [at + "/timeZone"]
        yield f"{where} schedule object without a time", {at: {"timeZone": "Europe/Berlin"}}, [at]
        yield f"{where} schedule with a bad overlap", {at: {"expression": "rate(1 day)", "overlap": "never"}}, [at + "/overlap"]
        yield f"{where} schedule with an unknown key", {at: {"expression": "rate(1 day)", "when": "x"}}, [at + "/when"]
        yield f"{where} schedule that ends before it starts", {
            at: {"expression": "rate(1 day)", "startAt": "2028-01-01T00:00:00Z", "endAt": "2027-01-01T00:00:00Z"}}, [at + "/endAt"]


def _durations():
    places = ["/datasetGroup/workflowConfig/maxAge", BATCH + "/workflowConfig/maxAge"]
    for at in places:
        for text in ("1 second", "two days", "1 hour 30 minutes", "0.5 days", "1 month", "in 2 hours", "P1D", "PT1H", "30m"):
            yield f"{at} {text!r}", {at: text}, []
        for value in ("banana", "", "90", "1 fortnight", "-1 day", "1 day ago", "0 days", 5, None, ["1 day"]):
            yield f"{at} {value!r}", {at: value}, [at]
    yield "maxAge beside a solution's schedules", {"/solutions/0/workflowConfig/maxAge": "1 day"}, ["/solutions/0/workflowConfig/maxAge"]
    yield "maxAge among a solution's schedules", {"/solutions/0/workflowConfig/schedules/maxAge": "1 day"}, [
        "/solutions/0/workflowConfig/schedules/maxAge"]


def _keys():
    for at in ("", "/datasetGroup", "/datasetGroup/workflowConfig", "/datasetGroup/workflowConfig/schedules", "/datasets", INTERACTIONS,
               INTERACTIONS + "/schema", INTERACTIONS + "/dataset", "/eventTracker", "/filters/0", "/recommenders/0", "/solutions/0",
               "/solutions/0/workflowConfig", "/solutions/0/workflowConfig/schedules", CAMPAIGN, BATCH, BATCH + "/workflowConfig", SEGMENT,
               SEGMENT + "/workflowConfig"):
        yield f"unknown key at {at or 'the root'}", {f"{at}/colour": "red"}, [f"{at}/colour"]
    for at, value in (("/filters", []), ("/solutions", []), ("/recommenders", []), ("/solutions/0/campaigns", []),
                      ("/solutions/0/batchInferenceJobs", []), ("/solutions/1/batchSegmentJobs", []), ("/datasetGroup/workflowConfig", {}),
                      ("/datasetGroup/workflowConfig/schedules", {}), ("/solutions/0/workflowConfig", {}),
                      ("/solutions/0/workflowConfig/schedules", {}), ("/eventTracker", {}), ("/datasets/serviceConfig", {}), ("/tags", [])):
        yield f"{at} empty", {at: value}, []
    for at in ("/filters", "/solutions", "/recommenders", "/solutions/0/campaigns", "/solutions/0/batchInferenceJobs", "/solutions/1/batchSegmentJobs"):
        yield f"{at} as an object", {at: {"serviceConfig": {"name": "x"}}}, [at]
        yield f"{at} as text", {at: "x"}, [at]
        yield f"{at} of texts", {at: ["x"]}, [f"{at}/0"]
        yield f"{at} null", {at: None}, [at]
    for at in ("/datasetGroup", "/datasetGroup/serviceConfig", "/datasets", INTERACTIONS, INTERACTIONS + "/schema", INTERACTIONS + "/dataset",
               INTERACTIONS + "/schema/serviceConfig", "/eventTracker", TRACKER, FILTER, RECOMMENDER, SOLUTION, SOLUTION + "/solutionVersion",
               CAMPAIGN + "/serviceConfig", BATCH + "/serviceConfig", SEGMENT + "/serviceConfig", "/datasets/serviceConfig"):
        for value in ("x", [], 5):
            if at == "/datasets" and value == []:
                continue
            yield f"{at} as {value!r}", {at: value}, [at]
    yield "datasets as a list", {"/datasets": []}, ["/datasets"]
    for at in (FILTER, RECOMMENDER, SOLUTION, CAMPAIGN + "/serviceConfig", BATCH + "/serviceConfig", SEGMENT + "/serviceConfig"):
        yield f"{at} missing", {at: DEL}, [at]
    yield "no dataset group", {"/datasetGroup": DEL}, ["/datasetGroup"]
    yield "an empty dataset group", {"/datasetGroup": {}}, ["/datasetGroup/serviceConfig"]
    yield "a dataset group without a name", {"/datasetGroup/serviceConfig/name": DEL}, ["/datasetGroup/serviceConfig/name"]
    yield "no datasets", {"/datasets": DEL}, []
    yield "no users", {"/datasets/users": DEL}, []
    yield "users without a schema", {"/datasets/users/schema": DEL}, ["/datasets/users/schema"]
    yield "users without a dataset", {"/datasets/users/dataset": DEL}, ["/datasets/users/dataset"]
    yield "no interactions", {"/datasets/interactions": DEL}, ["/datasets/interactions"]
    yield "empty interactions", {"/datasets/interactions": {}}, ["/datasets/interactions"]
    yield "a schema with tags", {INTERACTIONS + "/schema/serviceConfig/tags": [TAG]}, [INTERACTIONS + "/schema/serviceConfig/tags"]
    yield "a workflow config on a tracker with a bad key", {"/eventTracker/workflowConfig": {"maxAge": "1 day"}}, ["/eventTracker/workflowConfig/maxAge"]


def _root_tags():
    yield "root tags", {"/tags": [TAG]}, []
    yield "root tags as an object", {"/tags": TAG}, ["/tags"]
    yield "root tags as text", {"/tags": "x"}, ["/tags"]
    yield "root tags of texts", {"/tags": ["x"]}, ["/tags/0"]
    yield "root tag with another key", {"/tags": [{"tagKey": "a", "tagValue": "b", "c": "d"}]}, ["/tags/0/c"]
    yield "root tag without a key", {"/tags": [{"tagValue": "b"}]}, ["/tags/0/tagKey"]
    yield "root tag with aws:", {"/tags": [{"tagKey": "aws:x", "tagValue": "b"}]}, ["/tags/0/tagKey"]
    yield "root tag with our prefix", {"/tags": [{"tagKey": "steward:x", "tagValue": "b"}]}, ["/tags/0/tagKey"]
    yield "root tag twice", {"/tags": [TAG, TAG]}, ["/tags/1/tagKey"]
    yield "root tag with an empty value", {"/tags": [{"tagKey": "a", "tagValue": ""}]}, []
    yield "root tag with an empty key", {"/tags": [{"tagKey": "", "tagValue": "b"}]}, ["/tags/0/tagKey"]
    yield "root tag key of 128", {"/tags": [{"tagKey": "k" * 128, "tagValue": "b"}]}, []
    yield "root tag key of 129", {"/tags": [{"tagKey": "k" * 129, "tagValue": "b"}]}, ["/tags/0/tagKey"]
    yield "root tag value of 256", {"/tags": [{"tagKey": "k", "tagValue": "v" * 256}]}, []
    yield "root tag value of 257", {"/tags": [{"tagKey": "k", "tagValue": "v" * 257}]}, ["/tags/0/tagValue"]
    yield "51 root tags", {"/tags": [{"tagKey": f"k{i}", "tagValue": "v"} for i in range(51)]}, ["/tags"]


def _values():
    S, C, B = SOLUTION, CAMPAIGN + "/serviceConfig", BATCH + "/serviceConfig"
    yield "group domain", {GROUP + "/domain": "TOYS"}, [GROUP + "/domain"]
    yield "group domain in small letters", {GROUP + "/domain": "ecommerce"}, [GROUP + "/domain"]
    yield "group role no ARN", {GROUP + "/roleArn": "me", GROUP + "/kmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/x"}, [GROUP + "/roleArn"]
    yield "group key no ARN", {GROUP + "/kmsKeyArn": "key", GROUP + "/roleArn": "arn:aws:iam::123456789012:role/r"}, [GROUP + "/kmsKeyArn"]
    yield "group with key and role", {GROUP + "/kmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/x",
                                      GROUP + "/roleArn": "arn:aws:iam::123456789012:role/r"}, []
    yield "import mode INCREMENTAL", {"/datasets/serviceConfig/importMode": "INCREMENTAL"}, []
    yield "import mode unknown", {"/datasets/serviceConfig/importMode": "SOME"}, ["/datasets/serviceConfig/importMode"]
    yield "import mode as a number", {"/datasets/serviceConfig/importMode": 1}, ["/datasets/serviceConfig/importMode"]
    yield "publishing metrics", {"/datasets/serviceConfig/publishAttributionMetricsToS3": True}, []
    yield "publishing metrics as text", {"/datasets/serviceConfig/publishAttributionMetricsToS3": "true"}, [
        "/datasets/serviceConfig/publishAttributionMetricsToS3"]
    for value, bad in ((0, True), (1, False), (-1, True), (1.5, True), ("1", True), (True, True), (500, False), (None, True)):
        yield f"minProvisionedTPS {value!r}", {C + "/minProvisionedTPS": value}, [C + "/minProvisionedTPS"] if bad else []
    yield "campaign config", {C + "/campaignConfig": {"enableMetadataWithRecommendations": True,
                              "itemExplorationConfig": {"explorationWeight": "0.3", "explorationItemAgeCutOff": "30"}}}, []
    yield "campaign config empty", {C + "/campaignConfig": {}}, []
    yield "campaign config as a list", {C + "/campaignConfig": []}, [C + "/campaignConfig"]
    yield "campaign config unknown", {C + "/campaignConfig": {"x": 1}}, [C + "/campaignConfig/x"]
    yield "exploration as a number", {C + "/campaignConfig": {"itemExplorationConfig": {"explorationWeight": 0.3}}}, [
        C + "/campaignConfig/itemExplorationConfig/explorationWeight"]
    for value, bad in ((0, False), (25, False), (-1, False), ("25", True), (2.5, True)):
        yield f"numResults {value!r}", {B + "/numResults": value}, [B + "/numResults"] if bad else []
    yield "batch filterArn no ARN", {B + "/filterArn": "mine"}, [B + "/filterArn"]
    yield "batch filterArn", {B + "/filterArn": "arn:aws:personalize:us-east-1:123456789012:filter/not-bought"}, []
    yield "batch mode unknown", {B + "/batchInferenceJobMode": "FAST"}, [B + "/batchInferenceJobMode"]
    yield "batch mode", {B + "/batchInferenceJobMode": "BATCH_INFERENCE"}, []
    yield "themes with another recipe", {B + "/batchInferenceJobMode": "THEME_GENERATION",
          B + "/themeGenerationConfig": {"fieldsForThemeGeneration": {"itemName": "TITLE"}}}, [B + "/batchInferenceJobMode"]
    yield "themes of similar items", {S + "/recipeArn": RECIPE + "aws-similar-items", "/solutions/0/workflowConfig/schedules/update": DEL,
          B + "/batchInferenceJobMode": "THEME_GENERATION",
          B + "/themeGenerationConfig": {"fieldsForThemeGeneration": {"itemName": "TITLE"}}}, []
    yield "themes without a config", {S + "/recipeArn": RECIPE + "aws-similar-items", "/solutions/0/workflowConfig/schedules/update": DEL,
          B + "/batchInferenceJobMode": "THEME_GENERATION"}, [B + "/batchInferenceJobMode"]
    yield "an empty batch job", {B: {}}, []
    yield "batch config", {B + "/batchInferenceJobConfig": {"itemExplorationConfig": {"explorationWeight": "0.1"}}}, []
    for member in ("performHPO", "performAutoTraining", "performAutoML", "performIncrementalUpdate"):
        for value in (True, False):
            yield f"{member} {value}", {f"{S}/{member}": value}, []
        yield f"{member} as text", {f"{S}/{member}": "true"}, [f"{S}/{member}"]
        yield f"{member} as a number", {f"{S}/{member}": 1}, [f"{S}/{member}"]
    yield "event type of 256", {S + "/eventType": "e" * 256}, []
    yield "event type of 257", {S + "/eventType": "e" * 257}, [S + "/eventType"]
    yield "no recipe", {S + "/recipeArn": DEL}, [S + "/recipeArn"]
    yield "recipe as text", {S + "/recipeArn": "aws-sims"}, [S + "/recipeArn"]
    yield "recipe unknown", {S + "/recipeArn": RECIPE + "aws-magic"}, [S + "/recipeArn"]
    yield "recipe of a domain", {S + "/recipeArn": RECIPE + "aws-vod-top-picks"}, [S + "/recipeArn"]
    yield "recipe null", {S + "/recipeArn": None}, [S + "/recipeArn"]
    for name in ("aws-user-personalization-v2", "aws-popularity-count", "aws-personalized-ranking-v2", "aws-personalized-ranking", "aws-sims",
                 "aws-similar-items", "aws-hrnn", "aws-hrnn-metadata"):
        yield f"{name} with an update schedule", {S + "/recipeArn": RECIPE + name}, ["/solutions/0/workflowConfig/schedules/update"]
        yield f"{name} without one", {S + "/recipeArn": RECIPE + name, "/solutions/0/workflowConfig/schedules/update": DEL}, []
        yield f"{name} trained with UPDATE", {S + "/recipeArn": RECIPE + name, "/solutions/0/workflowConfig/schedules/update": DEL,
              S + "/solutionVersion": {"trainingMode": "UPDATE"}}, [S + "/solutionVersion/trainingMode"]
    yield "hrnn-coldstart with an update schedule", {S + "/recipeArn": RECIPE + "aws-hrnn-coldstart"}, []
    yield "update schedule \"delete\" on a recipe without", {S + "/recipeArn": RECIPE + "aws-sims",
          "/solutions/0/workflowConfig/schedules/update": "delete"}, ["/solutions/0/workflowConfig/schedules/update"]
    # The AWS solution looked for a part of the ARN: files of v2 with an update schedule passed there, and so does taking it away.
    yield "update schedule \"delete\" on v2", {S + "/recipeArn": RECIPE + "aws-user-personalization-v2",
          "/solutions/0/workflowConfig/schedules/update": "delete"}, []
    yield "segments with a campaign", {"/solutions/1/campaigns": [{"serviceConfig": {"name": "x"}}]}, ["/solutions/1/campaigns"]
    yield "segments of a recipe for items", {"/solutions/0/batchSegmentJobs": [{"serviceConfig": {}}]}, ["/solutions/0/batchSegmentJobs"]
    for mode, bad in (("FULL", False), ("UPDATE", False), ("AUTOTRAIN", True), ("SOME", True), ("full", True), (1, True), (None, True)):
        yield f"training mode {mode!r}", {S + "/solutionVersion": {"trainingMode": mode}}, [S + "/solutionVersion/trainingMode"] if bad else []
    yield "version with a name", {S + "/solutionVersion": {"name": "weekly", "trainingMode": "FULL"}}, []
    yield "version with a bad name", {S + "/solutionVersion": {"name": "a b"}}, [S + "/solutionVersion/name"]
    yield "version null", {S + "/solutionVersion": None}, [S + "/solutionVersion"]
    yield "auto training rate", {S + "/performAutoTraining": True, "/solutions/0/workflowConfig/schedules": {},
          S + "/solutionConfig": {"autoTrainingConfig": {"schedulingExpression": "rate(3 days)"}}}, []
    for text in ("rate(0 days)", "rate(31 days)", "cron(0 4 * * ? *)", "rate(1 hour)"):
        yield f"auto training {text}", {S + "/solutionConfig": {"autoTrainingConfig": {"schedulingExpression": text}}}, [
            S + "/solutionConfig/autoTrainingConfig/schedulingExpression"]
    yield "solution config unknown", {S + "/solutionConfig": {"hyper": {}}}, [S + "/solutionConfig/hyper"]
    yield "solution config deep", {S + "/solutionConfig": {"algorithmHyperParameters": {"hidden_dimension": "55"},
          "featureTransformationParameters": {"max_hist_length_percentile": "0.9"}}}, []
    yield "hyper parameter as a number", {S + "/solutionConfig": {"algorithmHyperParameters": {"hidden_dimension": 55}}}, [
        S + "/solutionConfig/algorithmHyperParameters/hidden_dimension"]
    yield "optimisation objective", {S + "/solutionConfig": {"optimizationObjective": {"itemAttribute": "PRICE", "objectiveSensitivity": "LOW"}}}, []
    yield "objective's sensitivity", {S + "/solutionConfig": {"optimizationObjective": {"objectiveSensitivity": "SOME"}}}, [
        S + "/solutionConfig/optimizationObjective/objectiveSensitivity"]
    yield "HPO resources", {S + "/performHPO": True, S + "/solutionConfig": {"hpoConfig": {
        "hpoResourceConfig": {"maxNumberOfTrainingJobs": "10", "maxParallelTrainingJobs": "2"},
        "algorithmHyperParameterRanges": {"integerHyperParameterRanges": [{"name": "h", "minValue": 1, "maxValue": 9}]}}}}, []
    yield "HPO range below the least", {S + "/solutionConfig": {"hpoConfig": {
        "algorithmHyperParameterRanges": {"integerHyperParameterRanges": [{"name": "h", "minValue": -1000001, "maxValue": 9}]}}}}, [
        S + "/solutionConfig/hpoConfig/algorithmHyperParameterRanges/integerHyperParameterRanges/0/minValue"]
    R = RECOMMENDER
    yield "recommender without a recipe", {R + "/recipeArn": DEL}, [R + "/recipeArn"]
    yield "recommender of a custom recipe", {R + "/recipeArn": RECIPE + "aws-sims"}, [R + "/recipeArn"]
    yield "recommender of an unknown recipe", {R + "/recipeArn": RECIPE + "aws-vod-magic"}, [R + "/recipeArn"]
    yield "recommender config", {R + "/recommenderConfig": {"minRecommendationRequestsPerSecond": 2,
          "itemExplorationConfig": {"explorationWeight": "0.2"}}}, []
    yield "recommender at 0 requests", {R + "/recommenderConfig": {"minRecommendationRequestsPerSecond": 0}}, [
        R + "/recommenderConfig/minRecommendationRequestsPerSecond"]
    yield "recommender config unknown", {R + "/recommenderConfig": {"x": 1}}, [R + "/recommenderConfig/x"]


def _filters():
    at = FILTER + "/filterExpression"
    good = ['INCLUDE ItemID WHERE Items.PRICE > 5', 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")', "include itemid where items.price < $MAX",
            'EXCLUDE ItemID WHERE Items.PRICE IN ($A, 5) AND Items.PRICE < 9', 'INCLUDE UserID WHERE Users.TIER IN ("gold", "silver")',
            'INCLUDE ItemID WHERE Items.PRICE = 1 IF CurrentUser.TIER = "gold"', 'INCLUDE ItemID WHERE Items.PRICE NOT IN (1) | EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("buy")',
            'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE NOT IN ("click")']
    bad = ["", "nonsense", "ItemID WHERE Items.PRICE > 5", "INCLUDE ItemID", "INCLUDE ItemID WHERE", "INCLUDE ItemID WHERE Items.PRICE >",
           'EXCLUDE ItemID WHERE Items.PRICE IN (5', 'EXCLUDE ItemID WHERE Items.PRICE IN ()', 'EXCLUDE ItemID WHERE Items.PRICE IN ("a)',
           "EXCLUDE ItemID WHERE PRICE IN (5)", "EXCLUDE ThingID WHERE Items.PRICE IN (5)", "EXCLUDE ItemID WHERE Things.PRICE IN (5)",
           "EXCLUDE ItemID WHERE Items.PRICE IN (5) AND", "EXCLUDE ItemID WHERE Items.PRICE IN (5) XOR Items.PRICE IN (6)",
           "EXCLUDE ItemID WHERE Items.PRICE LIKE 5", "EXCLUDE ItemID WHERE Items.PRICE IN (5) trailing", "EXCLUDE ItemID WHERE Items.PRICE IN ($)",
           'INCLUDE ItemID WHERE Items.PRICE = 1 IF Items.PRICE = 2', "EXCLUDE ItemID WHERE (Items.PRICE IN (5)"]
    for text in good:
        yield f"filter {text}", {at: text}, []
    for text in bad:
        yield f"filter {text!r}", {at: text}, [at]
    twenty = {ITEMS + AVRO + "/fields": [{"name": "ITEM_ID", "type": "string"}] + [{"name": f"M{i}X", "type": "int"} for i in range(30)],
              "/filters": [{"serviceConfig": {"name": f"f{k}", "filterExpression": "INCLUDE ItemID WHERE " + " AND ".join(
                  f"Items.M{10 * k + i}X > 1" for i in range(10))}} for k in range(2)]}
    yield "filters over twenty fields", twenty, []
    yield "filters over twenty-one fields", {**twenty, "/filters": twenty["/filters"] + [{"serviceConfig": {
        "name": "f2", "filterExpression": "INCLUDE ItemID WHERE Items.M20X > 1"}}]}, ["/filters"]
    yield "filter without an expression", {at: DEL}, [at]
    yield "filter expression as a list", {at: ["x"]}, [at]
    yield "filter expression of 2500", {at: "INCLUDE ItemID WHERE Items.PRICE > 5" + " " * (2500 - 36)}, []
    yield "filter expression of 2501", {at: "INCLUDE ItemID WHERE Items.PRICE > 5" + " " * (2501 - 36)}, [at]


def _schemas():
    I, U, T = INTERACTIONS + AVRO, USERS + AVRO, ITEMS + AVRO
    yield "schema as text", {I: "{}"}, [I]
    yield "schema as null", {I: None}, [I]
    yield "schema empty", {I: {}}, [I]
    yield "schema without fields", {I + "/fields": DEL}, [I]
    yield "schema with fields as an object", {I + "/fields": {}}, [I]
    yield "schema of type enum", {I: {"type": "enum", "name": "Interactions", "symbols": ["A"]}}, [I + "/type"]
    for n, name in enumerate(("USER_ID", "ITEM_ID", "TIMESTAMP")):
        yield f"interactions without {name}", {f"{I}/fields/{n}": DEL}, [I + "/fields"]
        yield f"{name} in small letters", {f"{I}/fields/{n}/name": name.lower()}, [I + "/fields"]
        yield f"{name} may be null", {f"{I}/fields/{n}/type": ["null", "long" if name == "TIMESTAMP" else "string"]}, [f"{I}/fields/{n}"]
        yield f"{name} of another type", {f"{I}/fields/{n}/type": "int"}, [f"{I}/fields/{n}"]
    yield "users without USER_ID", {f"{U}/fields/0": DEL}, [U + "/fields"]
    yield "users without metadata", {f"{U}/fields/1": DEL}, [U + "/fields"]
    yield "users' text without categorical", {f"{U}/fields/1/categorical": DEL}, [f"{U}/fields/1"]
    yield "users' textual", {f"{U}/fields/1/categorical": DEL, f"{U}/fields/1/textual": True}, [f"{U}/fields/1"]
    yield "users' number", field(USERS, name="AGE", type=["null", "int"]), []
    yield "items without ITEM_ID", {f"{T}/fields/0": DEL}, [T + "/fields"]
    yield "items without metadata", {f"{T}/fields/1": DEL}, [T + "/fields"]
    yield "items' textual", field(ITEMS, name="DESCRIPTION", type=["null", "string"], textual=True), []
    yield "items' creation time", field(ITEMS, name="CREATION_TIMESTAMP", type="long"), []
    yield "items' creation time as text", field(ITEMS, name="CREATION_TIMESTAMP", type="string"), [f"{T}/fields/2"]
    yield "two textual", {**field(ITEMS, name="DESCRIPTION", type="string", textual=True), f"{T}/fields/1":
                          {"name": "STORY", "type": "string", "textual": True}}, [T + "/fields"]
    yield "textual and categorical", field(ITEMS, name="DESCRIPTION", type="string", textual=True, categorical=True), [f"{T}/fields/2"]
    yield "a number that is categorical", field(ITEMS, name="YEAR", type="int", categorical=True), [f"{T}/fields/2"]
    similar = {SOLUTION + "/recipeArn": RECIPE + "aws-semantic-similarity", "/solutions/0/workflowConfig/schedules/update": DEL,
               "/solutions/0/batchInferenceJobs": []}
    named = {f"{T}/fields/-": {"name": "TITLE", "type": "string", "itemName": True}}
    yield "semantic similarity without texts", similar, [SOLUTION + "/recipeArn"]
    yield "semantic similarity with a name alone", {**similar, **named}, [SOLUTION + "/recipeArn"]
    yield "semantic similarity", {**similar, **named, f"{T}/fields/1": {"name": "STORY", "type": "string", "textual": True}}, []
    yield "a nested record", field(ITEMS, name="X", type={"type": "record", "name": "Y", "fields": [{"name": "a", "type": "int"}]}), [f"{T}/fields/2"]
    yield "an array", field(ITEMS, name="X", type={"type": "array", "items": "string"}), [f"{T}/fields/2"]
    yield "an unknown type", field(ITEMS, name="X", type="money"), [T]
    yield "bytes", field(ITEMS, name="X", type="bytes"), [f"{T}/fields/2"]
    yield "a name twice", field(ITEMS, name="PRICE", type="int"), [f"{T}/fields/2"]
    yield "names that clash", field(ITEMS, name="PR_ICE", type="int"), [f"{T}/fields/2"]
    yield "no namespace", {I + "/namespace": DEL}, [I]
    yield "another namespace", {I + "/namespace": "com.example"}, [I + "/namespace"]
    yield "another record's name", {I + "/name": "Users"}, [I + "/name"]
    yield "another version", {I + "/version": "2.0"}, [I + "/version"]
    yield "event type", field(INTERACTIONS, name="EVENT_TYPE", type="string"), []
    yield "event type or null", field(INTERACTIONS, name="EVENT_TYPE", type=["null", "string"]), []
    yield "event type as a number", field(INTERACTIONS, name="EVENT_TYPE", type="int"), [f"{I}/fields/3"]
    yield "event value", field(INTERACTIONS, name="EVENT_VALUE", type=["null", "float"]), []
    yield "event value as text", field(INTERACTIONS, name="EVENT_VALUE", type="string"), [f"{I}/fields/3"]
    yield "impression", field(INTERACTIONS, name="IMPRESSION", type="string"), []
    yield "recommendation id", field(INTERACTIONS, name="RECOMMENDATION_ID", type="string"), []
    yield "context", field(INTERACTIONS, name="DEVICE", type="string", categorical=True), []
    yield "five columns of metadata", {f"{I}/fields": [{"name": "USER_ID", "type": "string"}, {"name": "ITEM_ID", "type": "string"},
          {"name": "TIMESTAMP", "type": "long"}] + [{"name": f"M{i}X", "type": "int"} for i in range(5)]}, []
    yield "six columns of metadata", {f"{I}/fields": [{"name": "USER_ID", "type": "string"}, {"name": "ITEM_ID", "type": "string"},
          {"name": "TIMESTAMP", "type": "long"}] + [{"name": f"M{i}X", "type": "int"} for i in range(6)]}, [I + "/fields"]
    yield "26 columns of users", {f"{U}/fields": [{"name": "USER_ID", "type": "string"}] +
          [{"name": f"M{i}X", "type": "int"} for i in range(26)]}, [U + "/fields"]
    yield "schema's domain unlike the group's", {INTERACTIONS + "/schema/serviceConfig/domain": "ECOMMERCE"}, [
        INTERACTIONS + "/schema/serviceConfig/domain"]
    yield "an unknown domain", {INTERACTIONS + "/schema/serviceConfig/domain": "TOYS"}, [INTERACTIONS + "/schema/serviceConfig/domain"]


def _names():
    second = {"serviceConfig": {"name": "shop-up-live", "minProvisionedTPS": 1}}
    yield "two campaigns of one name", {"/solutions/0/campaigns/-": second}, ["/solutions/0/campaigns/1/serviceConfig/name"]
    yield "names differ in case", {"/solutions/0/campaigns/-": {"serviceConfig": {"name": "Shop-up-live"}}}, []
    yield "two solutions of one name", {SEGMENTS + "/name": "shop-up"}, [SEGMENTS + "/name"]
    yield "two filters of one name", {"/filters/-": {"serviceConfig": {"name": "not-bought", "filterExpression": "INCLUDE ItemID WHERE Items.PRICE > 5"}}}, [
        "/filters/1/serviceConfig/name"]
    yield "two recommenders of one name", {"/recommenders/-": {"serviceConfig": {"name": "shop-trending",
          "recipeArn": RECIPE + "aws-ecomm-popular-items-by-purchases"}}}, ["/recommenders/1/serviceConfig/name"]
    yield "two schemas of one name", {USERS + "/schema/serviceConfig/name": "shop-events-schema"}, [USERS + "/schema/serviceConfig/name"]
    yield "two datasets of one name", {USERS + "/dataset/serviceConfig/name": "shop-events"}, [USERS + "/dataset/serviceConfig/name"]
    yield "dataset and schema share a name", {USERS + "/dataset/serviceConfig/name": "shop-events-schema"}, []
    yield "solution name of 38 with a batch job", {SOLUTION + "/name": "s" * 38}, []
    yield "two batch jobs", {"/solutions/0/batchInferenceJobs/-": {"serviceConfig": {"numResults": 5}}}, []


def _ours():
    W = "/solutions/0/workflowConfig"
    yield "deployment", {"/deployment": {"bucket": "b-1", "prefix": "train/x/", "roleArn": "arn:aws:iam::123456789012:role/r", "importRoleArn":
          "arn:aws:iam::123456789012:role/r", "batchRoleArn": "arn:aws:iam::123456789012:role/r", "region": "us-east-1", "accountId": "123456789012"}}, []
    yield "deployment unknown key", {"/deployment": {"zone": "b"}}, ["/deployment/zone"]
    yield "deployment bad account", {"/deployment": {"accountId": "12"}}, ["/deployment/accountId"]
    yield "deployment bad role", {"/deployment": {"roleArn": "me"}}, ["/deployment/roleArn"]
    yield "allowUnknown as text", {"/deployment": {"allowUnknown": "/x"}}, ["/deployment/allowUnknown"]
    yield "guards", {"/guards": {"maxMinProvisionedTPS": 5, "maxMonthlyFloor": {"amount": "500.00", "currency": "USD"}, "maxTrainingsPerDay": 2,
                                 "minRowsRatio": 0.5}}, []
    yield "guards unknown key", {"/guards": {"maxThings": 5}}, ["/guards/maxThings"]
    yield "guards negative", {"/guards": {"maxTrainingsPerDay": -1}}, ["/guards/maxTrainingsPerDay"]
    yield "guards amount as a number", {"/guards": {"maxMonthlyFloor": {"amount": 500, "currency": "USD"}}}, ["/guards/maxMonthlyFloor/amount"]
    yield "adopt", {"/filters/0/workflowConfig": {"adopt": "never", "preventDestroy": True, "manage": "observe", "ignoreFields": ["filterExpression"]}}, []
    yield "adopt unknown", {"/filters/0/workflowConfig": {"adopt": "always"}}, ["/filters/0/workflowConfig/adopt"]
    yield "preventDestroy as text", {"/filters/0/workflowConfig": {"preventDestroy": "yes"}}, ["/filters/0/workflowConfig/preventDestroy"]
    yield "manage unknown", {"/filters/0/workflowConfig": {"manage": "half"}}, ["/filters/0/workflowConfig/manage"]
    yield "ignoreFields unknown", {"/filters/0/workflowConfig": {"ignoreFields": ["colour"]}}, ["/filters/0/workflowConfig/ignoreFields/0"]
    yield "ignoreFields as text", {"/filters/0/workflowConfig": {"ignoreFields": "name"}}, ["/filters/0/workflowConfig/ignoreFields"]
    yield "ignoring tags", {"/filters/0/workflowConfig": {"ignoreFields": ["tags"]}}, []
    yield "blue-green", {W + "/onImmutableChange": "blueGreen"}, []
    yield "onImmutableChange unknown", {W + "/onImmutableChange": "red"}, [W + "/onImmutableChange"]
    yield "promotion", {W + "/promotion": {"policy": "gated", "rules": [{"metric": "coverage", "min": 0.1}], "holdFor": "2 days", "whenNoMetrics": "hold"}}, []
    yield "promotion without a policy", {W + "/promotion": {"rules": []}}, [W + "/promotion/policy"]
    yield "promotion policy unknown", {W + "/promotion": {"policy": "maybe"}}, [W + "/promotion/policy"]
    yield "gate without rules", {W + "/promotion": {"policy": "gated"}}, [W + "/promotion/policy"]
    yield "rule without a demand", {W + "/promotion": {"policy": "gated", "rules": [{"metric": "coverage"}]}}, [W + "/promotion/rules/0"]
    yield "rule with a gain and no baseline", {W + "/promotion": {"policy": "gated", "rules": [{"metric": "coverage", "minGainOverBaseline": 0.1}]}}, [
        W + "/promotion/rules/0/minGainOverBaseline"]
    yield "baseline that is not there", {W + "/promotion": {"policy": "gated", "baselineSolution": "x", "rules": [
        {"metric": "coverage", "minGainOverBaseline": 0.1}]}}, [W + "/promotion/baselineSolution"]
    yield "promotion's holdFor", {W + "/promotion": {"policy": "manual", "holdFor": "soon"}}, [W + "/promotion/holdFor"]
    yield "auto-sync with a gate", {W + "/promotion": {"policy": "manual"}, CAMPAIGN + "/serviceConfig/campaignConfig":
          {"syncWithLatestSolutionVersion": True}}, [CAMPAIGN + "/serviceConfig/campaignConfig/syncWithLatestSolutionVersion"]
    yield "schedule after the import", {W + "/schedules/full": {"after": "import"}}, []
    yield "import after the import", {"/datasetGroup/workflowConfig/schedules/import": {"after": "import"}}, [
        "/datasetGroup/workflowConfig/schedules/import/after"]
    yield "after something else", {W + "/schedules/full": {"after": "lunch"}}, [W + "/schedules/full/after"]
    yield "source", {ITEMS + "/workflowConfig": {"source": {"dataLocation": "s3://bucket/items/", "pattern": "newestPrefix"}, "check": "warn"}}, []
    yield "source empty", {ITEMS + "/workflowConfig": {"source": {}}}, []
    yield "source without a place", {ITEMS + "/workflowConfig": {"source": {"pattern": "newestPrefix"}}}, [ITEMS + "/workflowConfig/source/dataLocation"]
    yield "source elsewhere", {ITEMS + "/workflowConfig": {"source": {"dataLocation": "http://x/y"}}}, [ITEMS + "/workflowConfig/source/dataLocation"]
    yield "check unknown", {ITEMS + "/workflowConfig": {"check": "maybe"}}, [ITEMS + "/workflowConfig/check"]
    yield "metric attribution", {"/metricAttribution": {"serviceConfig": {"name": "m", "metrics": [
        {"eventType": "buy", "metricName": "sales", "expression": "SUM(Items.PRICE)"}], "metricsOutputConfig": {
        "roleArn": "arn:aws:iam::123456789012:role/r", "s3DataDestination": {"path": "s3://b/out/"}}}}}, []
    yield "a metric of a column that is not there", {"/metricAttribution": {"serviceConfig": {"name": "m", "metrics": [
        {"eventType": "buy", "metricName": "sales", "expression": "SUM(Items.TAX)"}], "metricsOutputConfig": {
        "roleArn": "arn:aws:iam::123456789012:role/r", "s3DataDestination": {"path": "s3://b/out/"}}}}}, [
        "/metricAttribution/serviceConfig/metrics/0/expression"]
    yield "metric attribution without output", {"/metricAttribution": {"serviceConfig": {"name": "m", "metrics": []}}}, [
        "/metricAttribution/serviceConfig/metricsOutputConfig"]
    yield "actions", {"/datasets/actions": {"dataset": {"serviceConfig": {"name": "a"}}, "schema": {"serviceConfig": {"name": "as", "schema": {
        "type": "record", "name": "Actions", "namespace": "com.amazonaws.personalize.schema", "version": "1.0",
        "fields": [{"name": "ACTION_ID", "type": "string"}, {"name": "VALUE", "type": ["null", "long"]}]}}}}}, []
    yield "next best action without actions", {SOLUTION + "/recipeArn": RECIPE + "aws-next-best-action"}, [SOLUTION + "/recipeArn"]


def _domain():
    at = INTERACTIONS + "/schema/serviceConfig"
    yield "a domain group", {}, []
    yield "domain interactions without EVENT_TYPE", {at + "/schema/fields/2": DEL}, [at + "/schema/fields"]
    yield "a recommender of the other domain", {RECOMMENDER + "/recipeArn": RECIPE + "aws-ecomm-recommended-for-you"}, [RECOMMENDER + "/recipeArn"]
    yield "another domain in the schema", {at + "/domain": "ECOMMERCE"}, [at + "/domain"]
    yield "more like x without items", {RECOMMENDER + "/recipeArn": RECIPE + "aws-vod-more-like-x"}, []
    yield "a custom solution in a domain group", {"/solutions": [{"serviceConfig": {"name": "s", "recipeArn": RECIPE + "aws-sims"}}]}, []
    yield "items of the domain without GENRES", {"/datasets/items": {"dataset": {"serviceConfig": {"name": "i"}}, "schema": {"serviceConfig": {
        "name": "is", "domain": "VIDEO_ON_DEMAND", "schema": {"type": "record", "name": "Items", "namespace": "com.amazonaws.personalize.schema",
        "version": "1.0", "fields": [{"name": "ITEM_ID", "type": "string"}, {"name": "CREATION_TIMESTAMP", "type": "long"}]}}}}}, [
        "/datasets/items/schema/serviceConfig/schema/fields"]


def cases():
    """[(why, document, pointers of errors)]"""
    rows = [(why, mutate(BASE, changes), errors) for part in (_sections, _durations, _keys, _root_tags, _values, _filters, _schemas, _names, _ours)
            for why, changes, errors in part()]
    return rows + [(why, mutate(DOMAIN, changes), errors) for why, changes, errors in _domain()]

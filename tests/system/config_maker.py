"""Random good parameter files that use every kind, and the data that goes with them. One seed, one file."""
import random

RECIPE = "arn:aws:personalize:::recipe/"
ROLE = "arn:aws:iam::123456789012:role/Personalize"
CUSTOM = ["aws-user-personalization-v2", "aws-user-personalization", "aws-popularity-count", "aws-personalized-ranking", "aws-sims",
          "aws-similar-items"]
SEGMENTS = ["aws-item-affinity"]
MAKERS = {"USER_ID": lambda i: f"u{i * 7 % 60}", "ITEM_ID": lambda i: f"i{i * 13 % 40}", "ACTION_ID": lambda i: f"a{i % 20}",
          "TIMESTAMP": lambda i: 1700000000 + i * 60, "EVENT_TYPE": lambda i: ("Watch", "Click")[i % 2], "EVENT_VALUE": lambda i: i % 5 + .5,
          "AGE": lambda i: 20 + i % 50, "TIER": lambda i: "gs"[i % 2], "GENRES": lambda i: f"g{i % 4}", "YEAR": lambda i: 1990 + i % 30,
          "CREATION_TIMESTAMP": lambda i: 1600000000 + i, "VALUE": lambda i: i % 9, "DEVICE": lambda i: ("tv", "phone")[i % 2]}
FILES = {"interactions": "interactions", "items": "items", "users": "users", "actions": "actions", "actionInteractions": "action_interactions"}


def csv(document, section):
    fields = [f["name"] for f in document["datasets"][section]["schema"]["serviceConfig"]["schema"]["fields"]]
    makers = dict(MAKERS)
    if section in ("users", "items", "actions"):  # one row for each id
        makers |= {"USER_ID": lambda i: f"u{i}", "ITEM_ID": lambda i: f"i{i}", "ACTION_ID": lambda i: f"a{i}"}
    if section == "actionInteractions":
        makers["EVENT_TYPE"] = lambda i: ("Taken", "Viewed", "Not Taken")[i % 3]
    rows = {"users": 60, "items": 40, "actions": 20}.get(section, 2500)
    return ("\n".join([",".join(fields)] + [",".join(str(makers[f](i)) for f in fields) for i in range(rows)]) + "\n").encode()


class Maker:
    def __init__(self, name, seed):
        self.name, self.dice = name, random.Random(seed)

    def maybe(self, p=0.5):
        return self.dice.random() < p

    def tags(self):
        return [{"tagKey": f"key{i}", "tagValue": self.dice.choice(["", "a", "Team One", "x/y:z"])} for i in range(self.dice.randint(0, 3))]

    def service(self, name, **members):
        out = {"name": f"{self.name}-{name}"} | members
        if self.maybe(0.3):
            out["tags"] = self.tags()
        return out

    def section(self, kind, record, fields):
        """fields: name, type, marks."""
        schema = {"type": "record", "name": record, "namespace": "com.amazonaws.personalize.schema",
                  "fields": [{"name": n, "type": t, **more} for n, t, more in fields], "version": "1.0"}
        out = {"dataset": {"serviceConfig": self.service(kind)},
               "schema": {"serviceConfig": {"name": f"{self.name}-{kind}-schema", "schema": schema}}}
        if self.domain:
            out["schema"]["serviceConfig"]["domain"] = self.domain
        if self.maybe(0.2):
            out["workflowConfig"] = {"check": self.dice.choice(["warn", "off", "error"])}
        return out

    def datasets(self):
        text, optional = {"categorical": True}, lambda t: ["null", t] if self.maybe() else t
        interactions = [("USER_ID", "string", {}), ("ITEM_ID", "string", {}), ("EVENT_TYPE", "string", {}), ("TIMESTAMP", "long", {})]
        if self.maybe():
            interactions.append(("EVENT_VALUE", optional("float"), {}))
        if self.maybe():
            interactions.append(("DEVICE", optional("string"), text))
        out = {"interactions": self.section("interactions", "Interactions", interactions)}
        if self.maybe(0.7) or self.has_items:
            fields = [("ITEM_ID", "string", {}), ("GENRES", optional("string") if not self.domain else "string", text)]
            fields += [("CREATION_TIMESTAMP", "long", {})] if self.domain or self.maybe() else []
            fields += [("YEAR", optional("int"), {})] if self.maybe() else []
            out["items"] = self.section("items", "Items", fields)
        if self.maybe():
            out["users"] = self.section("users", "Users", [("USER_ID", "string", {}), ("AGE", optional("int"), {}),
                                                          ("TIER", optional("string"), text)])
        if self.has_actions:
            out["actions"] = self.section("actions", "Actions", [("ACTION_ID", "string", {}), ("VALUE", ["null", "long"], {})])
            out["actionInteractions"] = self.section("actionInteractions", "Action_Interactions", [
                ("USER_ID", "string", {}), ("ACTION_ID", "string", {}), ("EVENT_TYPE", "string", {}), ("TIMESTAMP", "long", {})])
        if self.maybe(0.4):
            out["serviceConfig"] = {"importMode": "FULL"} | ({"tags": self.tags()} if self.maybe() else {})
        return out

    def schedule(self):
        text = self.dice.choice(["cron(0 4 1 1 ? *)", "rate(30 days)", "cron(0 5 ? * MON#1 *)"])
        return text if self.maybe() else {"expression": text, "timeZone": "Europe/Berlin", "overlap": "queue", "jitterSeconds": 5}

    def solution(self, n, recipe):
        service = self.service(f"s{n}", recipeArn=RECIPE + recipe)
        service |= {"performHPO": False} if self.maybe(0.2) else {}
        service |= {"eventType": "Watch"} if self.maybe(0.2) and recipe != "aws-next-best-action" else {}
        service |= {"solutionVersion": {"trainingMode": "FULL", "tags": self.tags()}} if self.maybe(0.3) else {}
        workflow = {}
        if self.maybe(0.4):
            workflow["schedules"] = {"full": self.schedule()}
        elif self.maybe(0.3):
            service["performAutoTraining"] = self.maybe()
        if self.maybe(0.3):
            workflow["promotion"] = {"policy": self.dice.choice(["automatic", "manual"])}
        if self.maybe(0.2):
            workflow["onImmutableChange"] = "blueGreen"
        out = {"serviceConfig": service} | ({"workflowConfig": workflow} if workflow else {})
        if recipe in SEGMENTS:
            out["batchSegmentJobs"] = [{"serviceConfig": {"numResults": self.dice.randint(1, 50)}}]
            return out
        out["campaigns"] = [{"serviceConfig": self.service(f"c{n}-{i}", minProvisionedTPS=self.dice.randint(1, 3))}
                            for i in range(self.dice.randint(0, 2))]
        if recipe != "aws-next-best-action" and self.maybe(0.6):
            out["batchInferenceJobs"] = [{"serviceConfig": {"numResults": self.dice.randint(1, 50)} if self.maybe(0.7) else {}}]
        return out

    def filters(self, datasets):
        texts = ['EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Watch")', 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ($TYPE)']
        if "items" in datasets:
            texts += ['INCLUDE ItemID WHERE Items.GENRES IN ("g1", "g2")', "EXCLUDE ItemID WHERE Items.GENRES IN ($GENRE)"]
        chosen = self.dice.sample(texts, self.dice.randint(0, len(texts)))
        return [{"serviceConfig": self.service(f"f{i}", filterExpression=t)} |
                ({"workflowConfig": {"preventDestroy": False}} if self.maybe(0.2) else {}) for i, t in enumerate(chosen)]

    def make(self):
        self.domain = "VIDEO_ON_DEMAND" if self.maybe(0.4) else None
        self.has_actions = not self.domain and self.maybe(0.4)
        self.has_items = self.maybe(0.5)
        document = {"datasetGroup": {"serviceConfig": {"name": self.name} | ({"domain": self.domain} if self.domain else {})}}
        if self.maybe(0.3):
            document["datasetGroup"]["workflowConfig"] = {"maxAge": "30 days", "schedules": {"import": self.schedule()}}
        if self.maybe(0.3):
            document["tags"] = self.tags()
        document["datasets"] = self.datasets()
        recipes = self.dice.sample(CUSTOM, self.dice.randint(0 if self.domain else 1, 2)) + (SEGMENTS if self.maybe(0.4) else [])
        document["solutions"] = [self.solution(i, r) for i, r in enumerate(recipes + (["aws-next-best-action"] if self.has_actions else []))]
        document["filters"] = self.filters(document["datasets"])
        if self.domain:
            document["recommenders"] = [{"serviceConfig": self.service(f"r{i}", recipeArn=RECIPE + r) | (
                {"recommenderConfig": {"minRecommendationRequestsPerSecond": self.dice.randint(1, 3)}} if self.maybe() else {})}
                for i, r in enumerate(self.dice.sample(["aws-vod-most-popular", "aws-vod-top-picks"], self.dice.randint(1, 2)))]
        if self.maybe(0.6):
            document["eventTracker"] = {"serviceConfig": self.service("tracker")}
        if self.maybe(0.4):
            document["metricAttribution"] = {"serviceConfig": {
                "name": f"{self.name}-attribution", "metrics": [
                    {"eventType": t, "metricName": f"m{t}", "expression": "SAMPLECOUNT()"} for t in self.dice.sample(["Watch", "Click"], 2)],
                "metricsOutputConfig": {"roleArn": ROLE, "s3DataDestination": {"path": "s3://steward-local/attribution/"}}}}
        return document


def make(name, seed):
    return Maker(name, seed).make()

"""Random calls of every operation: the local Amazon Personalize answers each with 200 or a modelled error, and lives on.

Requests are made from the API model: mostly valid, sometimes with one value spoilt; names and ARNs come from a small pool,
so that calls meet each other's resources. SEED=n repeats a run.
"""
import json
import os
import random
import time

import pytest

from simulator_kit import (ACCOUNT, INTERACTIONS, ITEMS, REGION, ROLE, ROOT, USERS, Simulator, call, interactions_csv,
                           items_csv)

MODEL = json.loads((ROOT / "model" / "personalize.json").read_text(encoding="utf-8"))
CALLS = int(os.environ.get("CALLS", "1500"))
ARN = f"arn:aws:personalize:{REGION}:{ACCOUNT}:"
KNOWN = {"dataSource": {"dataLocation": "s3://data/interactions.csv"}, "schema": None,
         "filterExpression": 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click")', "datasetType": None,
         "jobInput": {"s3DataSource": {"path": "s3://data/in.json"}},
         "jobOutput": {"s3DataDestination": {"path": "s3://data/out/"}}}
BAD = [None, "", "x" * 2000, -1, 2**40, 1.5, True, [], {}, ["a"], {"a": 1}, "\u0000", "ä" * 300, "arn:aws:personalize:::x",
       "s3://", "rate(0 days)", "rate(99 days)"]


class Maker:
    def __init__(self, dice):
        self.dice, self.arns = dice, [ARN + "schema/none"]

    def string(self, member, shape):
        dice = self.dice
        if member == "schema":
            return dice.choice([INTERACTIONS, ITEMS, USERS, "{}"])
        if member == "datasetType":
            return dice.choice(["Interactions", "Items", "Users", "ACTIONS"])
        if member == "recipeArn":
            return "arn:aws:personalize:::recipe/" + dice.choice(
                ["aws-sims", "aws-user-personalization", "aws-item-affinity", "aws-ecomm-recommended-for-you", "none"])
        if member == "roleArn":
            return ROLE
        if member.endswith("Arn"):
            right = [a for a in self.arns if f":{member[:-3].lower()}/" in a.replace("-", "").lower()]
            return dice.choice(right or self.arns)
        if "enum" in shape:
            return dice.choice(shape["enum"])
        if member in ("name", "jobName", "tagKey"):
            return f"n{dice.randrange(12)}"
        return dice.choice(["a", "1", "0.5", "rate(7 days)"])

    def value(self, member, name, depth=0):
        dice, shape = self.dice, MODEL["shapes"][name]
        if KNOWN.get(member) and dice.random() < 0.8:
            return KNOWN[member]
        if dice.random() < 0.02:
            return dice.choice(BAD)
        kind = shape["t"]
        if kind == "structure":
            return {m: self.value(m, s if isinstance(s, str) else s["shape"], depth + 1)
                    for m, s in shape["members"].items()
                    if m in shape.get("req", []) or dice.random() < (0.15 if depth else 0.3)}
        if kind == "list":
            return [self.value(member, shape["of"], depth + 1) for _ in range(dice.randrange(3))]
        if kind == "map":
            return {self.string("tagKey", MODEL["shapes"][shape["key"]]): self.value(member, shape["val"], depth + 1)}
        if kind == "string":
            return self.string(member, shape)
        return dice.choice([True, False]) if kind == "boolean" else dice.randrange(1, 5)


def collect(document, arns):
    if isinstance(document, dict):
        for value in document.values():
            collect(value, arns)
    elif isinstance(document, list):
        for value in document:
            collect(value, arns)
    elif isinstance(document, str) and document.startswith(ARN) and document not in arns:
        arns.append(document)


@pytest.fixture
def sim(tmp_path):
    simulator = Simulator(tmp_path / "sim", "--time-scale", "0")
    yield simulator
    if simulator.process.poll() is None:
        simulator.stop(kill=True)


def test_random_calls(sim):
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    print(f"SEED={seed} CALLS={CALLS}")
    dice = random.Random(seed)
    s3 = sim.client("s3")
    s3.create_bucket(Bucket="data")
    for key, body in (("interactions.csv", interactions_csv()), ("items.csv", items_csv()), ("in.json", '{"userId":"u1"}')):
        s3.put_object(Bucket="data", Key=key, Body=body)
    maker, seen = Maker(dice), {}
    operations = sorted(MODEL["operations"]) + [o for o in sorted(MODEL["operations"]) if o.startswith("Create")] * 2
    for _ in range(CALLS):
        operation = dice.choice(operations)
        request = maker.value("", MODEL["operations"][operation]["in"])
        begin = time.monotonic()
        status, _, document = call(sim, json.dumps(request), "AmazonPersonalize." + operation, timeout=30)
        assert time.monotonic() - begin < 10, (operation, request, document)
        code = document.get("__type") if isinstance(document, dict) else None
        assert status == 200 or status == 400, (operation, request, status, document)
        if status == 400:
            allowed = MODEL["operations"][operation]["errors"] + ["SerializationException", "InvalidInputException"]
            assert code in allowed, (operation, request, document)
        elif MODEL["operations"][operation]["out"]:
            shape = MODEL["shapes"][MODEL["operations"][operation]["out"]]
            assert set(document) <= set(shape["members"]), (operation, document)
        collect(document, maker.arns)
        seen[status] = seen.get(status, 0) + 1
    assert seen[200] > CALLS / 10 and seen[400] > CALLS / 10, seen
    before = sim.admin("snapshot")["resources"]
    sim.stop(kill=True)
    sim.start()
    after = sim.admin("snapshot")["resources"]
    for old, new in zip(sorted(before, key=lambda r: r["arn"]), sorted(after, key=lambda r: r["arn"]), strict=True):
        assert old == new
    assert sim.stop() == 0

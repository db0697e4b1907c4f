"""Filter expressions: what `steward validate` accepts the local Amazon Personalize takes, and what one refuses the other refuses.

A rehearsal is worth nothing when the two have grammars of their own: they had, in CurrentItem, in brackets around one value, in the guide's
spelling Action, in OR behind IF and in CurrentUser behind WHERE."""
import json
import pathlib
import subprocess

import pytest

from simulator_kit import Simulator, binary

GOOD = """EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")
EXCLUDE ItemID WHERE INTERACTIONS.EVENT_TYPE NOT IN ("purchase")
EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click") AND Interactions.EVENT_VALUE > 0.5
INCLUDE ItemID WHERE Items.GENRES IN ($GENRES)
INCLUDE ItemID WHERE Items.GENRES IN ("Comedy","Drama") AND Items.PRICE < 10
INCLUDE ItemID WHERE Items.GENRES IN ("a") OR Items.PRICE = 3
INCLUDE ItemID WHERE Items.GENRES = "a"
INCLUDE ItemID WHERE Items.PRICE < $P
INCLUDE ItemID WHERE Items.PRICE < ($P)
INCLUDE ItemID WHERE Items.GENRES IN (CurrentItem.GENRES)
INCLUDE ItemID WHERE Items.PRICE > CurrentItem.PRICE
INCLUDE ItemID WHERE Items.GENRES IN ("Comedy") IF CurrentUser.AGE > 20
INCLUDE ItemID WHERE Items.GENRES IN ("a") IF CurrentUser.GENDER IN ("f","m")
EXCLUDE ItemID WHERE Items.GENRES IN ("x") | INCLUDE ItemID WHERE Items.PRICE >= 5
INCLUDE UserID WHERE Users.AGE > 20
EXCLUDE UserID WHERE Users.GENDER NOT IN ("f")
INCLUDE ActionID WHERE Actions.CAT IN ("x")
INCLUDE ActionID WHERE Action.CAT IN ("x")""".splitlines()
BAD = """INCLUDE ItemID WHERE Items.NOPE IN ("a")
INCLUDE ItemID WHERE Items.GENRES IN ("a"
INCLUDE ItemID
WHERE Items.GENRES IN ("a")
INCLUDE ItemID WHERE Items.GENRES IN ()
INCLUDE ItemID WHERE Items.GENRES IN ("*")
INCLUDE ItemID WHERE Items.PRICE <
INCLUDE ItemID WHERE Items.GENRES IN ("a") IF CurrentUser.AGE > 20 OR CurrentUser.AGE < 3
INCLUDE ItemID WHERE Items.GENRES IN ("a") IF Items.PRICE > 20
INCLUDE ItemID WHERE Items.GENRES IN ("a") AND Interactions.EVENT_TYPE IN ("x")
INCLUDE ItemID WHERE CurrentUser.AGE > 20
EXCLUDE ItemID WHERE Items.GENRES IN ("a") EXTRA
EXCLUDE ItemID WHERE Other.GENRES IN ("a")""".splitlines()


def text(name, **more):
    return {"name": name, "type": "string", **more}


FIELDS = {
    "Interactions": [text("USER_ID"), text("ITEM_ID"), text("EVENT_TYPE"), {"name": "EVENT_VALUE", "type": "float"},
                     {"name": "TIMESTAMP", "type": "long"}],
    "Items": [text("ITEM_ID"), text("GENRES", categorical=True), {"name": "PRICE", "type": "float"}],
    "Users": [text("USER_ID"), text("GENDER", categorical=True), {"name": "AGE", "type": "int"}],
    "Actions": [text("ACTION_ID"), text("CAT", categorical=True)],
}


def schema(kind):
    return {"type": "record", "name": kind, "namespace": "com.amazonaws.personalize.schema", "fields": FIELDS[kind], "version": "1.0"}


@pytest.fixture(scope="module")
def create(tmp_path_factory):
    """Gives an expression to the simulator; None, or why it was refused."""
    simulator = Simulator(tmp_path_factory.mktemp("filters"), "--time-scale", "0", "--quota", "filters=100")
    c = simulator.client()
    group = c.create_dataset_group(name="g")["datasetGroupArn"]
    for kind in FIELDS:
        arn = c.create_schema(name=f"s{kind}", schema=json.dumps(schema(kind)))["schemaArn"]
        c.create_dataset(name=f"d{kind}", schemaArn=arn, datasetGroupArn=group, datasetType=kind)
    count = iter(range(1000))

    def create(expression):
        try:
            c.create_filter(name=f"f{next(count)}", datasetGroupArn=group, filterExpression=expression)
        except c.exceptions.InvalidInputException as e:
            return str(e)
        return None

    yield create
    assert simulator.stop() == 0


def validate(folder, expression):
    def dataset(kind):
        return {"dataset": {"serviceConfig": {"name": f"d{kind}"}}, "schema": {"serviceConfig": {"name": f"s{kind}", "schema": schema(kind)}}}

    path = folder / "file.json"
    path.write_text(json.dumps({
        "datasetGroup": {"serviceConfig": {"name": "g"}},
        "datasets": {kind.lower(): dataset(kind) for kind in FIELDS},
        "filters": [{"serviceConfig": {"name": "f", "filterExpression": expression}}]}))
    done = subprocess.run([str(pathlib.Path(binary()).parent / "steward"), "validate", str(path), "--json"], capture_output=True, text=True)
    return [e["detail"] for e in json.loads(done.stdout)["errors"]]


@pytest.mark.parametrize("expression", GOOD)
def test_accepted_by_both(tmp_path, create, expression):
    assert validate(tmp_path, expression) == []
    assert create(expression) is None


@pytest.mark.parametrize("expression", BAD)
def test_refused_by_both(tmp_path, create, expression):
    assert validate(tmp_path, expression)
    assert create(expression)

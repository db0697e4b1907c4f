"""The tests of the contract fail when something is missing: each route, parameter, scope, code, example and curl line is taken out
of openapi.yaml in turn, and one of them has to notice."""
import copy
import functools

import pytest

import test_contract
import test_openapi
from test_contract import DOCUMENT, METHODS

table = functools.cache(test_contract.table)


@pytest.fixture
def notices(monkeypatch):
    """notices(document, test): whether the test fails with it."""
    monkeypatch.setattr(test_contract, "table", table)

    def run(document, test):
        for module in (test_contract, test_openapi):
            monkeypatch.setattr(module, "DOCUMENT", document)
        try:
            test()
        except (AssertionError, KeyError, StopIteration):
            return True
        return False

    return run


def mutants():
    """(what was done, a document, the test that has to notice)."""
    routes, described = test_contract.test_every_route_is_in_the_contract_and_the_other_way_round, test_openapi.test_every_operation_is_described_in_full

    def changed(change):
        document = copy.deepcopy(DOCUMENT)
        change(document["paths"])
        return document

    for path, item in DOCUMENT["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            where = f"{method} {path}"
            yield f"{where} removed", changed(lambda p: p[path].pop(method)), routes
            yield f"{where} renamed", changed(lambda p: p[path][method].update(operationId="other")), routes
            yield f"{where} with another scope", changed(lambda p: p[path][method].update({"x-scope": "nobody"})), routes
            if "requestBody" in item[method]:
                yield f"{where} without its body", changed(lambda p: p[path][method].pop("requestBody")), routes
            for i, parameter in enumerate(item[method].get("parameters", [])):
                if test_contract.resolve(parameter)["in"] == "query":
                    yield f"{where} without parameter {i}", changed(lambda p: p[path][method]["parameters"].pop(i)), routes
            for member in ("summary", "description", "x-problems", "x-codeSamples"):
                yield f"{where} without {member}", changed(lambda p: p[path][method].pop(member)), described
        for i, parameter in enumerate(item.get("parameters", [])):
            yield f"{path} without its parameter {i}", changed(lambda p: p[path]["parameters"].pop(i)), routes
    yield "a route too many", changed(lambda p: p.update({"/more": copy.deepcopy(p["/livez"])})), routes
    yield "a parameter too many", changed(lambda p: p["/runs"]["get"]["parameters"].append({"name": "x", "in": "query"})), routes


def test_whatever_is_missing_is_noticed(notices):
    done, missed = 0, []
    assert not notices(DOCUMENT, test_contract.test_every_route_is_in_the_contract_and_the_other_way_round)
    assert not notices(DOCUMENT, test_openapi.test_every_operation_is_described_in_full)
    for what, document, test in mutants():
        done += 1
        if not notices(document, test):
            missed.append(what)
    print(f"contract mutants: {done - len(missed)}/{done} noticed")
    assert not missed and done > 500, missed


def test_every_code_that_is_missing_is_noticed(notices):
    tests = (test_openapi.test_every_problem_code_of_the_sources_is_in_the_contract, test_openapi.test_every_code_an_operation_names_is_explained)
    assert not any(notices(DOCUMENT, test) for test in tests)
    missed = []
    for code in DOCUMENT["x-problem-codes"]:
        document = copy.copy(DOCUMENT)
        document["x-problem-codes"] = {k: v for k, v in DOCUMENT["x-problem-codes"].items() if k != code}
        if not any(notices(document, test) for test in reversed(tests)):
            missed.append(code)
    print(f"codes: {len(DOCUMENT['x-problem-codes']) - len(missed)}/{len(DOCUMENT['x-problem-codes'])} noticed")
    assert not missed, missed

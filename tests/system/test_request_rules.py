"""What a request may look like: rules that hold on every route."""
import http.client
import urllib.parse

import pytest

from server_kit import config


def raw(server, method, target, headers=None, body=None):
    """As on the wire: clients would tidy it up."""
    url = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=20)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for key, value in ({"Authorization": "Bearer " + server.token} | (headers or {})).items():
            connection.putheader(key, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("target, name", [
    ("/runs?limit=1&limit=2", "limit"), ("/runs?config=a&config=b", "config"), ("/configs?pretty&pretty=false", "pretty"),
    ("/events?after=1&after=2", "after"), ("/schedules?cursor=a&cursor=b", "cursor")])
def test_a_parameter_that_makes_sense_once_is_refused_twice(steward, target, name):
    status, _, body = raw(steward, "GET", target)
    assert status == 400 and "repeated-parameter" in body and f'\\"{name}\\"' in body


def test_filters_may_be_repeated(steward):
    for target in ("/runs?status=failed&status=succeeded&kind=apply&kind=train&trigger=api&trigger=hook",
                   "/events?type=run.failed&type=step.*"):
        assert raw(steward, "GET", target)[0] == 200


def test_too_many_filters_are_refused(steward):
    """The thirty-third type was once left out without a word."""
    assert raw(steward, "GET", "/events?" + "&".join(["type=run.*"] * 32))[0] == 200
    assert raw(steward, "GET", "/events?" + "&".join(["type=run.*"] * 33))[0] == 400


@pytest.mark.parametrize("target", ["/runs?pretty=maybe", "/version?pretty=yes", "/configs?pretty=2"])
def test_pretty_is_true_or_false(steward, target):
    status, _, body = raw(steward, "GET", target)
    assert status == 400 and "bad-parameter" in body and "pretty" in body


def test_dry_run_is_true_or_false(steward):
    answer = steward.post("/runs?dryRun=perhaps", json={"config": "x", "kind": "apply"})
    assert answer.status_code == 400 and "dryRun" in answer.json()["detail"]


@pytest.mark.parametrize("method", ["BREW", "get", "TRACE", "PROPFIND", "X-1"])
def test_an_unknown_method_is_not_possible_here(steward, method):
    status, headers, body = raw(steward, method, "/configs")
    assert status == 405 and "method-not-allowed" in body
    assert set(headers["Allow"].split(", ")) >= {"GET", "HEAD", "POST"}
    assert raw(steward, method, "/nowhere")[0] == 404


@pytest.mark.parametrize("target", ["/runs/%zz", "/runs/%4", "/configs/%", "/configs/a%2"])
def test_a_broken_escape_in_the_path_is_a_bad_request(steward, target):
    status, _, body = raw(steward, "GET", target)
    assert status == 400 and "hexadecimal" in body


@pytest.mark.parametrize("kind, expected", [
    ("application/json; charset=utf-8", 200), ("application/json;charset=UTF-8", 200), ('application/json; charset="utf-8"', 200),
    ("application/json; charset=us-ascii", 200), ("application/json; charset=iso-8859-1", 415),
    ("application/json; x=1; charset=utf-16", 415), ("application/json;charset=", 415)])
def test_json_is_utf_8(steward, kind, expected):
    import json
    body = json.dumps(config("charset")).encode()
    status, _, text = raw(steward, "POST", "/configs/validate", {"Content-Type": kind}, body)
    assert status == expected, text

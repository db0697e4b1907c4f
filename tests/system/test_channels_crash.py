"""Channels of dead, missing and recovering endpoints: never in the way of a run, no message lost over a kill -9, none given up in silence."""
import json
import threading

import requests

from server_kit import Server, config, wait_until
from smtp_kit import MailServer, certificate
from test_access import sql
from test_channels import ACCOUNT, FAST, REGION, TOPIC, address, channel, delivery, ping, receive, subscribe
from test_contract import check


def test_a_missing_bus_or_topic_is_a_problem_until_it_is_there():
    with Server(None, *FAST, "--delivery-time-scale", "5000", "--event-bus", f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/late", "--sns-topic-arn", TOPIC) as s:
        for name in ("eventbridge", "sns"):
            ping(s, name)
        wait_until(lambda: {"channels/eventbridge", "channels/sns"} <= {
            p["subject"] for p in s.ok("GET", "/problems")["items"] if p["code"] == "channel-failing"}, 30)
        problems = s.get("/problems")
        check(problems, "GET", "/problems")
        sns = next(p for p in problems.json()["items"] if p["subject"] == "channels/sns")
        assert TOPIC in sns["message"] and "NotFound" in sns["message"] and sns["command"].startswith("GET /channels/sns/deliveries")
        answer = s.get("/channels")
        check(answer, "GET", "/channels")
        assert {c["id"]: c["status"] for c in answer.json()["items"]} == {"eventbridge": "failing", "sns": "failing"}
        failing = wait_until(lambda: s.ok("GET", "/events?type=channel.failing")["items"])
        assert {e["subject"] for e in failing} <= {"channels/eventbridge", "channels/sns"} and failing[0]["data"]["failures"] >= 3
        metrics = s.get("/metrics").text
        assert 'steward_endpoints_failing{kind="sns"} 1' in metrics and 'steward_deliveries_pending{kind="sns"} 1' in metrics
        s.aws("events").create_event_bus(Name="late")
        subscribe(s)
        wait_until(lambda: all(c["status"] == "active" and c["pending"] == 0 for c in s.ok("GET", "/channels")["items"]), 60)
        assert not [p for p in s.ok("GET", "/problems")["items"] if p["code"] == "channel-failing"]
        metrics = s.get("/metrics").text
        assert 'steward_endpoints_failing{kind="sns"} 0' in metrics and 'steward_deliveries_arrived_total{kind="sns"} 1' in metrics


def test_dead_endpoints_delay_no_run():
    """SNS that answers after ten seconds and a mail server that says nothing: the run is over before either has had one message."""
    with MailServer() as mail:
        mail.silence = threading.Event()
        with Server(None, "--observe-every", "0", "--delivery-timeout", "30s", "--sns-topic-arn", TOPIC, "--event-bus", "default",
                    "--smtp-url", mail.url, "--smtp-plain", "--mail-from", "a@example.org", "--mail-to", "b@example.org") as s:
            subscribe(s)
            requests.post(s.simulator_url + "/_simulator/faults", timeout=10,
                          json={"rules": ["SNS.Publish=slow,ms=20000", "EventBridge.PutEvents=slow,ms=20000"]}).raise_for_status()
            for name in ("sns", "eventbridge", address(s, "b@")):
                ping(s, name)
            assert s.wait_run(s.apply(config("free", 0))["run"]["id"], 20)["status"] == "succeeded"
            for c in s.ok("GET", "/channels")["items"]:
                assert c["pending"] >= 1 and c["delivered"] == 0, c
            # libcurl used to finish the mail that a stop gave up, and to wait for the server's word on it.
            assert s.stop() == 0
        mail.silence.set()


def test_killed_between_the_answer_and_its_record_the_same_message_comes_again(tmp_path):
    """At least once: what was accepted and not written down is sent again when its lease is over, and can be known as the same."""
    context, authority = certificate(tmp_path)
    with MailServer(context, implicit=True) as mail:
        s = Server(None, *FAST, "--sns-topic-arn", TOPIC, "--smtp-url", mail.url, "--smtp-ca-bundle", authority,
                   "--mail-from", "a@example.org", "--mail-to", "b@example.org", env={"STEWARD_FAILPOINTS": "out.before_record=kill9@1"})
        s.start()
        try:
            queue, names, events = subscribe(s), ["sns", address(s, "b@")], []
            for i, name in enumerate(names):
                if i:
                    s.start()
                events.append(ping(s, name))
                s.process.wait(60)
                s.process = None
            del s.env["STEWARD_FAILPOINTS"]
            s.start()
            assert [d["status"] for name in names for d in s.ok("GET", f"/channels/{name}/deliveries")["items"]] == ["pending"] * 2
            assert len(mail.mails) == 1
            sql(s, "UPDATE deliveries SET wake_at = now()")  # half a minute later
            done = [delivery(s, name, event, ("delivered",), 60) for name, event in zip(names, events)]
            assert [d["attempts"] for d in done] == [1, 1], "the first were never written down"
            assert [m["Message-ID"] for m in mail.parsed()] == [f"<{done[1]['id']}@example.org>"] * 2
            assert all(m["tls"] for m in mail.mails)
            assert [m["MessageAttributes"]["eventId"]["Value"] for m in receive(s, queue)] == [events[0]] * 2
            assert s.stop() == 0
        finally:
            if s.process:
                s.stop()
            s.remove()


def test_what_was_given_up_is_a_problem_and_can_be_replayed():
    """With waits a hundred-thousandth as long, attempts run out in seconds. Then the option goes, and the channel with it."""
    s = Server(None, "--delivery-time-scale", "100000", "--observe-every", "0", "--sns-topic-arn", TOPIC)
    s.start()
    try:
        event = ping(s, "sns")
        d = delivery(s, "sns", event, ("dead",), 60)
        assert d["reason"] == "exhausted" and d["attempts"] == 10
        problem = next(p for p in s.ok("GET", "/problems")["items"] if p["code"] == "channel-dead-letters")
        method, path, body = problem["command"].split(" ", 2)
        assert (method, path) == ("POST", "/channels/sns/replay") and channel(s, "sns")["dead"] == 1
        assert 'steward_deliveries_dead{kind="sns"} 1' in s.get("/metrics").text
        queue = subscribe(s)
        answer = s.call(method, path, json=json.loads(body))
        check(answer, "POST", "/channels/{id}/replay")
        assert answer.json() == {"replayed": 1}
        d = delivery(s, "sns", event, ("delivered",))
        assert d["attempts"] == 11 and d["channel"] == "sns"
        assert [m["MessageAttributes"]["eventId"]["Value"] for m in receive(s, queue)] == [event]
        assert "channel-dead-letters" not in s.get("/problems").text
        # A server without the option leaves it alone while another may have it; after a minute nobody has.
        s.options = s.options[:-2]
        assert s.stop() == 0
        s.start()
        assert channel(s, "sns")["status"] == "active"
        assert s.stop() == 0
        s.start(ready=True)
        sql(s, "UPDATE endpoints SET renewed_at = now() - interval '2 minutes'")
        assert s.stop() == 0
        s.start()
        wait_until(lambda: channel(s, "sns")["status"] == "off")
        answer = s.post("/channels/sns/test")
        check(answer, "POST", "/channels/{id}/test")
        assert answer.status_code == 409 and answer.json()["code"] == "channel-off"
        assert s.stop() == 0
        s.options += ["--sns-topic-arn", TOPIC]
        s.start()
        wait_until(lambda: channel(s, "sns")["status"] == "active")
        assert s.stop() == 0
    finally:
        if s.process:
            s.stop()
        s.remove()

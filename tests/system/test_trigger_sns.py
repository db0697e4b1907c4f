"""Triggers that Amazon SNS delivers to: messages signed with a certificate that is fetched from Amazon's address and no other."""
import base64
import http.server
import json
import ssl
import subprocess
import threading
import time

import pytest
import requests

from server_kit import BUCKET, Server, config, wait_until
from test_access import sql
from test_contract import check

HOST = "sns.us-east-1.amazonaws.com"
PEM = f"https://{HOST}/SimpleNotificationService-0123456789abcdef.pem"
TOPIC = "arn:aws:sns:us-east-1:123456789012:uploads"


def openssl(folder, command):
    subprocess.run(f"openssl {command}", shell=True, cwd=folder, check=True, capture_output=True)


class Amazon:
    """Stands in for SNS: a TLS server of its name, and the key that signs."""

    def __init__(self, folder):
        self.folder = folder
        openssl(folder, "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-ca -batch")
        openssl(folder, f"req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr -subj /CN={HOST} -batch")
        (folder / "ext").write_text(f"subjectAltName=DNS:{HOST}\n")
        openssl(folder, "x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out tls.pem -days 2 -extfile ext")
        for name in ("sign", "other"):
            openssl(folder, f"req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -days 2 -subj /CN=sns -batch")
        amazon, self.paths, self.confirms = self, [], 200

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                amazon.paths.append(self.path)
                status, body = (200, (folder / "sign.pem").read_bytes()) if self.path.endswith(".pem") else (amazon.confirms, b"<ok/>")
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls.pem", folder / "tls.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def sign(self, message, key="sign"):
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
        if message["Type"] != "Notification":
            names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        text = "".join(f"{n}\n{message[n]}\n" for n in names if n in message)
        digest = {"1": "sha1", "2": "sha256"}[message["SignatureVersion"]]
        (self.folder / "text").write_text(text)
        out = subprocess.run(["openssl", "dgst", f"-{digest}", "-sign", f"{key}.key", "text"], cwd=self.folder, check=True,
                             capture_output=True).stdout
        return message | {"Signature": base64.b64encode(out).decode()}

    def message(self, text="hello", version="2", key="sign", **members):
        at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        return self.sign({"Type": "Notification", "MessageId": f"m-{time.monotonic_ns()}", "TopicArn": TOPIC, "Message": text,
                          "Timestamp": at, "SignatureVersion": version, "SigningCertURL": PEM} | members, key)


@pytest.fixture(scope="module")
def amazon(tmp_path_factory):
    a = Amazon(tmp_path_factory.mktemp("amazon"))
    yield a
    a.server.shutdown()


@pytest.fixture(scope="module")
def server(amazon):
    with Server(None, "--auth-failure-delay", "0", "--observe-every", "0", "--webhook-allow", "127.0.0.0/8", "--webhook-ca-bundle",
                str(amazon.folder / "ca.pem"), "--webhook-connect-to", f"{HOST}:443:127.0.0.1:{amazon.port}",
                "--webhook-connect-to", f"{HOST.replace('us-east-1', 'eu-west-9')}:443:127.0.0.1:9") as s:
        s.put_data("sns")
        s.wait_run(s.apply(config("sns", 0))["run"]["id"])
        yield s


def make(server, **members):
    body = {"config": "sns", "kind": "import", "auth": "sns", "topicArn": TOPIC, "dedupeWindowSeconds": 0} | members
    return server.ok("POST", "/triggers", json=body)


def post(server, trigger, message):
    """As SNS does: JSON that calls itself text."""
    answer = requests.post(server.url + trigger["hook"], data=json.dumps(message), timeout=60,
                           headers={"Content-Type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": message["Type"]})
    if answer.status_code != 401:
        check(answer, "POST", "/hooks/{triggerId}")
    return answer


def test_a_subscription_is_confirmed_and_messages_start_runs(server, amazon):
    trigger = make(server)
    link = f"https://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=abc"
    subscribe = amazon.message(Type="SubscriptionConfirmation", Token="abc", SubscribeURL=link)
    amazon.confirms = 500
    assert post(server, trigger, subscribe).json()["code"] == "confirmation-failed"  # SNS asks again
    amazon.confirms = 200
    assert post(server, trigger, subscribe).json()["status"] == "confirmed"
    assert amazon.paths[-1] == link.removeprefix(f"https://{HOST}")
    for version in ("1", "2"):
        message = amazon.message(json.dumps({"dataVersion": f"v{version}"}), version, Subject="Fresh data")
        answer = post(server, trigger, message)
        assert answer.status_code == 202 and answer.json()["dataVersion"] == f"v{version}", answer.text
        assert answer.json()["messageId"] == message["MessageId"]
        again = post(server, trigger, message)
        assert again.headers["Idempotency-Replayed"] == "true" and again.json()["run"] == answer.json()["run"]
    assert len([p for p in amazon.paths if p.endswith(".pem")]) == 1, "one certificate, asked for once"
    gone = amazon.message(Type="UnsubscribeConfirmation", Token="abc", SubscribeURL=link)
    assert post(server, trigger, gone).json()["status"] == "unsubscribed" and amazon.paths[-1].endswith("abc")
    assert server.post(f"/triggers/{trigger['id']}/rotate").json()["code"] == "no-secret"


def test_what_amazon_has_not_signed_is_refused(server, amazon):
    trigger, good = make(server), amazon.message()
    old = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - 900))
    link = f"https://{HOST}/?Action=ConfirmSubscription"
    cases = {
        "no signature": {k: v for k, v in good.items() if k != "Signature"},
        "another text": good | {"Message": "bye"},
        "another id": good | {"MessageId": "other"},
        "another key": amazon.message(key="other"),
        "another topic": amazon.message(TopicArn=TOPIC + "2"),
        "stale": amazon.message(Timestamp=old),
        "a certificate elsewhere": good | {"SigningCertURL": "https://evil.example.com/x.pem"},
        "a certificate in a bucket": good | {"SigningCertURL": "https://sns.s3.amazonaws.com.evil.com/x.pem"},
        "a certificate in the clear": good | {"SigningCertURL": PEM.replace("https", "http")},
        "no certificate": good | {"SigningCertURL": f"https://{HOST}/x.txt"},
        "a version that is none": good | {"SignatureVersion": "3"},
        "a confirmation elsewhere": amazon.message(Type="SubscriptionConfirmation", Token="t", SubscribeURL="https://evil.example.com/"),
        "a forged confirmation": amazon.message(Type="SubscriptionConfirmation", Token="t", SubscribeURL=link, key="other"),
        "raw delivery": {"Type": "x", "Records": []},
    }
    asked = len(amazon.paths)
    for name, message in cases.items():
        answer = post(server, trigger, message)
        assert answer.status_code == 401, (name, answer.text)
    assert {p for p in amazon.paths[asked:]} <= {PEM.removeprefix(f"https://{HOST}")}, "nobody was asked to confirm"
    assert not sql(server, "SELECT 1 FROM runs WHERE trigger_id = %s", trigger["id"])
    assert post(server, trigger, good).status_code == 202


def test_s3s_notifications_through_sns_make_one_run(server, amazon):
    trigger = make(server, quietSeconds=1)
    for part in range(3):
        record = {"eventName": "ObjectCreated:Put",
                  "s3": {"bucket": {"name": BUCKET}, "object": {"key": f"train/sns/interactions/p{part}.csv"}}}
        answer = post(server, trigger, amazon.message(json.dumps({"Records": [record]})))
        assert answer.status_code == 202 and answer.json()["status"] == "waiting", answer.text
    event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET}
    assert post(server, trigger, amazon.message(json.dumps(event))).json()["status"] == "ignored"
    started = wait_until(lambda: sql(server, "SELECT id FROM runs WHERE trigger_id = %s", trigger["id"]), 30)
    assert len(started) == 1


def test_a_certificate_that_cannot_be_had(server, amazon):
    """Nothing answers at another region's address: refused, like everything else that cannot be verified."""
    message = amazon.message(SigningCertURL=PEM.replace("us-east-1", "eu-west-9"))
    assert post(server, make(server), message).status_code == 401

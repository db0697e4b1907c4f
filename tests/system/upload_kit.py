"""What tests of uploads share: puts of files, a queue, notifications."""
import json

from server_kit import BUCKET

QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/uploads"  # the simulator goes by the name
QUIET = ["--observe-every", "0", "--upload-quiet", "1s"]


def put_file(server, key, document, bucket=BUCKET):
    body = document if isinstance(document, (bytes, str)) else json.dumps(document)
    server.aws("s3").put_object(Bucket=bucket, Key=key, Body=body)


def queue(server, name="uploads"):
    return server.aws("sqs").create_queue(QueueName=name, Attributes={"VisibilityTimeout": "2"})["QueueUrl"]


def created(*keys, bucket=BUCKET):
    return json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": {"key": k}}}
                                   for k in keys]})


def left(server, url):
    got = server.aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(got["ApproximateNumberOfMessages"]) + int(got["ApproximateNumberOfMessagesNotVisible"])


def runs(server, name):
    return server.ok("GET", f"/runs?config={name}&limit=100")["items"]


def has_config(server, name):
    answer = server.get(f"/configs/{name}")
    return answer.json() if answer.status_code == 200 else None


def rejected(server, key):
    return [e for e in server.ok("GET", "/events?type=trigger.rejected&limit=200")["items"] if e["data"].get("key") == key]

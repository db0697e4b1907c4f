"""The local Amazon Personalize: signed calls a second of its one loop, and what 100 MB of interactions cost.

Requests are signed before the clock starts (a signature lives 15 minutes), so that the client, wrk, costs next to nothing.
"""
import json
import random
import socket
import tempfile
import threading
import time

from kit import BUILD, Area, Contender, Goal, Program, wrk

REGION, ACCOUNT = "us-east-1", "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/bench"
SCHEMA = json.dumps({"type": "record", "name": "Interactions", "namespace": "com.amazonaws.personalize.schema", "version": "1.0", "fields": [
    {"name": "USER_ID", "type": "string"}, {"name": "ITEM_ID", "type": "string"}, {"name": "TIMESTAMP", "type": "long"},
    {"name": "EVENT_TYPE", "type": "string"}]})


class Simulator:
    """One process with a data directory of its own; nothing takes model time."""

    def __init__(self, bench, *options):
        self.folder = tempfile.mkdtemp(prefix="simulator-", dir=bench.folder)
        self.program = Program(BUILD / "personalize-simulator", "--listen", "127.0.0.1:0", "--data-dir", self.folder, "--time-scale", "0",
                               "--log-level", "warn", *options, ready=False, log=bench.folder / "simulator.log")
        self.url = self.program.line().split()[-1]
        self.pid = self.program.pid

    def stop(self):
        self.program.stop()

    def client(self, service):
        import botocore.session
        from botocore.config import Config
        return botocore.session.Session().create_client(
            service, endpoint_url=self.url, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}, read_timeout=300, s3={"addressing_style": "path"}))

    def signed(self, operation, body):
        """The whole request as bytes that wrk sends."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
        text = json.dumps(body)
        request = AWSRequest(method="POST", url=self.url + "/", data=text, headers={
            "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AmazonPersonalize." + operation})
        SigV4Auth(Credentials("test", "test"), "personalize", REGION).add_auth(request)
        head = {"Host": self.url.removeprefix("http://"), "Content-Length": len(text), **dict(request.headers)}
        return "POST / HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in head.items()) + "\r\n" + text


def lua(requests):
    """wrk sends them one after the other, from the beginning when all were sent."""
    quoted = ",\n".join(json.dumps(r) for r in requests)  # of these characters a JSON string is a Lua string
    return f"local requests = {{{quoted}}}\nlocal n = 0\nfunction request()\n n = n % #requests + 1\n return requests[n]\nend\n"


def say_all(url, requests, connections=8):
    """Each connection sends its share, one after the other; seconds that all of them took."""
    import http.client
    shares, failed = [requests[n::connections] for n in range(connections)], []

    def work(share):
        host, port = url.removeprefix("http://").rsplit(":", 1)
        with socket.create_connection((host, int(port))) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for request in share:
                s.sendall(request.encode())
                answer = http.client.HTTPResponse(s)
                answer.begin()
                answer.read()
                if answer.status != 200:
                    failed.append(answer.status)

    threads = [threading.Thread(target=work, args=(share,)) for share in shares]
    begun = time.monotonic()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise RuntimeError(f"{len(failed)} calls were refused")
    return time.monotonic() - begun


def prepare_calls(bench):
    """A catalog of 100 groups that is described, listed and tagged; and groups that are made."""
    sim = bench.add(Simulator(bench, "--quota", "dataset-groups=100000000"))
    p = sim.client("personalize")
    groups = [p.create_dataset_group(name=f"group-{n}")["datasetGroupArn"] for n in range(100)]
    mix = []
    for n, arn in enumerate(groups):
        mix += [("DescribeDatasetGroup", {"datasetGroupArn": arn})] * 6 + [("ListDatasetGroups", {"maxResults": 25})] * 2 + [
            ("TagResource", {"resourceArn": arn, "tags": [{"tagKey": "turn", "tagValue": str(n)}]}),
            ("ListTagsForResource", {"resourceArn": arn})]
    random.Random(1).shuffle(mix)
    script = lua([sim.signed(*call) for call in mix])
    made = [0]

    def create(seconds):
        count = round(2000 * max(1, seconds))
        made[0] += 1
        took = say_all(sim.url, [sim.signed("CreateDatasetGroup", {"name": f"made-{made[0]}-{n}"}) for n in range(count)])
        return {"rate": count / took, "n": count}

    return Area("simulator", "signed calls: 6 describe, 2 list, 1 tag, 1 list tags", "calls/s", [
        Contender("us", "us", lambda seconds: wrk(sim.url, seconds, 16, script, bench.folder), sim.pid),
        Contender("creates", "us", create, sim.pid),
    ], [Goal("≥ 1,000 calls/s on one core", at_least=1000), Goal("≥ 1,000 creates/s on one core", at_least=1000, us="creates")],
        note="The simulator answers on one thread; every effect is in its journal before the answer.")


def write_interactions(path, size):
    """Two groups of users, each with its own items, the first ones liked best."""
    dice, rows = random.Random(1), 0
    users, items = max(60, size // 1000), max(40, size // 5000)
    with open(path, "w", encoding="ascii") as f:
        f.write("USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n")
        while f.tell() < size:
            lines = []
            for _ in range(10000):
                user = dice.randrange(users)
                lines.append(f"user-{user},item-{int(items * dice.random() ** 3) // 2 * 2 + user % 2},{1700000000 + rows},click\n")
                rows += 1
            f.writelines(lines)
    return rows


def prepare_import(bench):
    """An upload in parts, an import, a training, and one recommendation, each waited for."""
    size = bench.pick(2 << 20, 100 << 20, 100 << 20)
    path = bench.folder / "interactions.csv"
    rows = write_interactions(path, size)
    sim = bench.add(Simulator(bench, "--quota", "dataset-groups=1000"))
    p, s3 = sim.client("personalize"), sim.client("s3")
    s3.create_bucket(Bucket="bench")
    schema = p.create_schema(name="interactions", schema=SCHEMA)["schemaArn"]
    turn = [0]

    def ended(describe, wanted="ACTIVE"):
        while True:
            row = describe()
            if not row["status"].startswith("CREATE ") or "FAILED" in row["status"]:
                assert row["status"] == wanted, row
                return
            time.sleep(0.05)

    def once(_):
        turn[0] += 1
        group = p.create_dataset_group(name=f"g{turn[0]}")["datasetGroupArn"]
        dataset = p.create_dataset(name="d", schemaArn=schema, datasetGroupArn=group, datasetType="Interactions")["datasetArn"]
        begun = time.monotonic()
        upload(s3, path)
        uploaded = time.monotonic()
        job = p.create_dataset_import_job(jobName=f"i{turn[0]}", datasetArn=dataset, roleArn=ROLE,
                                          dataSource={"dataLocation": "s3://bench/interactions.csv"})["datasetImportJobArn"]
        ended(lambda: p.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"])
        imported = time.monotonic()
        solution = p.create_solution(name=f"s{turn[0]}", datasetGroupArn=group, recipeArn="arn:aws:personalize:::recipe/aws-user-personalization")["solutionArn"]
        version = p.create_solution_version(solutionArn=solution)["solutionVersionArn"]
        ended(lambda: p.describe_solution_version(solutionVersionArn=version)["solutionVersion"])
        trained = time.monotonic()
        return {"rate": rows / (trained - uploaded), "upload": uploaded - begun, "import": imported - uploaded, "training": trained - imported}

    return Area("import", f"{size >> 20} MB of interactions ({rows:,} rows)", "rows/s", [Contender("us", "us", once, sim.pid)], [
        Goal("(no goal) upload in parts", "upload"), Goal("import ≤ 20 s", "import", at_most=20), Goal("training ≤ 40 s", "training", at_most=40),
        Goal("(no goal) rows imported and trained a second")], note="One import and one aws-user-personalization training.", quick_rounds=1, full_rounds=2)


def upload(s3, path, part_size=8 << 20):
    """As the AWS CLI does it."""
    at = {"Bucket": "bench", "Key": "interactions.csv"}
    upload_id = s3.create_multipart_upload(**at)["UploadId"]
    parts = []
    with open(path, "rb") as f:
        while body := f.read(part_size):
            n = len(parts) + 1
            parts.append({"PartNumber": n, "ETag": s3.upload_part(**at, UploadId=upload_id, PartNumber=n, Body=body)["ETag"]})
    s3.complete_multipart_upload(**at, UploadId=upload_id, MultipartUpload={"Parts": parts})

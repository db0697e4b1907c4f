"""Starts personalize-simulator for tests and makes boto3 clients for it."""
import glob
import http.client
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

ROOT = pathlib.Path(__file__).resolve().parents[2]
REGION = "us-east-1"
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Personalize"


def binary():
    """STEWARD_BUILD names the build folder; without it the newest build*/personalize-simulator is taken."""
    build = os.environ.get("STEWARD_BUILD")
    if build:
        return str(pathlib.Path(build).resolve() / "personalize-simulator")
    found = sorted(glob.glob(str(ROOT / "build*" / "personalize-simulator")), key=os.path.getmtime)
    assert found, "personalize-simulator is not built"
    return found[-1]


def service_definition(model):
    """Our copy of an API model in the form that botocore loads: Debian's botocore is older than the service's newer members."""
    def reference(shape):
        return {"shape": shape} if isinstance(shape, str) else shape

    def shape_of(s):
        out = {"type": s["t"], **{k: s[k] for k in ("min", "max", "enum", "exception", "error") if k in s}}
        if "members" in s:
            out["members"] = {k: reference(v) for k, v in s["members"].items()}
            out["required"] = s.get("req", [])
        for key, name in (("of", "member"), ("key", "key"), ("val", "value")):
            if key in s:
                out[name] = reference(s[key])
        return out

    operations = {n: {"name": n, "http": o.get("http", {"method": "POST", "requestUri": "/"}),
                      **({"input": {"shape": o["in"]}} if o.get("in") else {}),
                      **({"output": {"shape": o["out"]}} if o.get("out") else {}),
                      "errors": [{"shape": e} for e in o.get("errors", [])]} for n, o in model["operations"].items()}
    return {"version": "2.0", "metadata": model["metadata"], "operations": operations,
            "shapes": {n: shape_of(s) for n, s in model["shapes"].items()}}


def data_path():
    """A folder for botocore's loader, written once per process."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="botocore-"))
    for service in ("personalize", "personalize-events", "personalize-runtime"):
        model = json.loads((ROOT / "model" / f"{service}.json").read_text(encoding="utf-8"))
        target = folder / service / model["metadata"]["apiVersion"]
        target.mkdir(parents=True)
        (target / "service-2.json").write_text(json.dumps(service_definition(model)), encoding="utf-8")
        pages = {n: o["page"] for n, o in model["operations"].items() if "page" in o}
        (target / "paginators-1.json").write_text(json.dumps({"pagination": pages}), encoding="utf-8")
    return str(folder)


DATA_PATH = data_path()


class Simulator:
    """One process; `stop(kill=True)` is a kill -9, `start()` goes on with the same data directory."""

    def __init__(self, data_dir, *options):
        self.data_dir = str(data_dir)
        self.options = list(options)
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [binary(), "--listen", "127.0.0.1:0", "--data-dir", self.data_dir, *self.options],
            stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("personalize-simulator listening on http://"), line
        self.url = line.split()[-1]
        return self

    def stop(self, kill=False):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        code = self.process.wait(timeout=20)
        self.process.stdout.close()
        return code

    def admin(self, path, body=None, method=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_simulator/{path}", data=data, method=method,
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=130) as answer:
            return json.load(answer)

    def client(self, service="personalize", key="test", secret="test", region=REGION, **config):
        config.setdefault("retries", {"max_attempts": 0})
        if service == "s3":
            config.setdefault("s3", {"addressing_style": "path"})
        session = botocore.session.Session()
        session.get_component("data_loader").search_paths.insert(0, DATA_PATH)
        return session.create_client(service, endpoint_url=self.url, region_name=region, aws_access_key_id=key,
                                     aws_secret_access_key=secret, config=Config(**config))

    def advance(self, duration):
        return self.admin("clock", {"advance": duration})


def call(sim, body, target="AmazonPersonalize.ListSchemas", path="/", key="test", secret="test", service="personalize",
         region=REGION, at=None, tamper=None, timeout=10, **headers):
    """One signed request by hand: (status, headers, document)."""
    data = body if isinstance(body, bytes) else body.encode()
    request = AWSRequest(method="POST", url=sim.url + path, data=data, headers={
        "Content-Type": "application/x-amz-json-1.1", **({"X-Amz-Target": target} if target else {}), **headers})
    signer = SigV4Auth(Credentials(key, secret), service, region)
    if at is not None:
        # botocore stamps the request itself; the date is put in its place before the signature is computed
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
        request.context["timestamp"] = stamp
        request.headers["X-Amz-Date"] = stamp
        canonical = signer.canonical_request(request)
        to_sign = signer.string_to_sign(request, canonical)
        signature = signer.signature(to_sign, request)
        request.headers["Authorization"] = (f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders="
                                            f"{signer.signed_headers(signer.headers_to_sign(request))}, "
                                            f"Signature={signature}")
    else:
        signer.add_auth(request)
    if tamper:
        tamper(request.headers)
    return send(sim, path, data, dict(request.headers), timeout=timeout)


def send(sim, path, data, headers, method="POST", timeout=10):
    connection = http.client.HTTPConnection(urllib.parse.urlparse(sim.url).netloc, timeout=timeout)
    connection.request(method, path, data, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    document = json.loads(text) if text and "json" in (answer.headers["content-type"] or "") else text
    return answer.status, answer.headers, document


def wait_until(check, seconds=20):
    """The first true value of check(), or an assertion."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = check()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("nothing within the time allowed")


def schema_text(kind, *fields):
    return json.dumps({"type": "record", "name": kind, "namespace": "com.amazonaws.personalize.schema",
                       "fields": [dict(f) for f in fields], "version": "1.0"})


def field(name, kind="string", **more):
    return {"name": name, "type": kind, **more}


INTERACTIONS = schema_text("Interactions", field("USER_ID"), field("ITEM_ID"), field("TIMESTAMP", "long"),
                           field("EVENT_TYPE"))
ITEMS = schema_text("Items", field("ITEM_ID"), field("GENRE", categorical=True), field("PRICE", ["null", "float"]))
USERS = schema_text("Users", field("USER_ID"), field("AGE", "int"))


def interactions_csv(users=60, items=40, per_user=25):
    """Two tastes: even users like even items, odd ones odd items, all of them the low numbers best. Deterministic."""
    lines, dice = ["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE"], 1
    for u in range(users):
        for n in range(per_user):
            dice = (dice * 1103515245 + 12345) % 2**31
            rank = (dice >> 8) % (items // 2) * ((dice >> 20) % (items // 2)) // (items // 2)
            lines.append(f"u{u},i{rank * 2 + u % 2},{1700000000 + n * 1000 + u},{'click' if n % 3 else 'purchase'}")
    return "\n".join(lines) + "\n"


def items_csv(items=40):
    return "ITEM_ID,GENRE,PRICE\n" + "".join(
        f"i{i},{'drama|crime' if i % 2 else 'comedy'},{i + 0.5 if i % 3 else ''}\n" for i in range(items))


def users_csv(users=60):
    return "USER_ID,AGE\n" + "".join(f"u{u},{18 + u}\n" for u in range(users))

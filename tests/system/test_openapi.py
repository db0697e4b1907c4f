"""The contract as a document: complete, accepted by a public linter, and its curl lines do what they say.

test_contract.py holds it against the route table and real answers.
"""
import json
import pathlib
import re
import subprocess
import tempfile

import pytest

from server_kit import BUCKET, ROOT, Server, domain
from test_contract import DOCUMENT, operations, resolve
from test_simulator_js import install, node

LINTER = ROOT / "tests" / "openapi"
SAMPLES = ROOT / "docs" / "samples"


@pytest.mark.slow
def test_a_public_linter_finds_nothing():
    """Spectral with its recommended rules for OpenAPI; a warning is a finding."""
    path = node()
    install(LINTER)
    done = subprocess.run([path, "node_modules/@stoplight/spectral-cli/dist/index.js", "lint", "--fail-severity", "warn",
                           "--ruleset", ".spectral.yaml", str(ROOT / "openapi.yaml")],
                          cwd=LINTER, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


# ---- complete ----

def media_of(op):
    """(what, media type, media object) of the body and of the good answers."""
    if "requestBody" in op:
        for kind, media in resolve(op["requestBody"])["content"].items():
            yield "request body", kind, media
    for status, answer in op["responses"].items():
        if status.startswith("2"):
            for kind, media in resolve(answer).get("content", {}).items():
                yield f"answer {status}", kind, media


def test_every_operation_is_described_in_full():
    for method, path, op, params in operations():
        where = f"{method} {path} ({op['operationId']})"
        for member in ("summary", "description", "tags", "x-scope", "x-problems", "x-codeSamples"):
            assert member in op, f"openapi.yaml: {where} has no {member}"
        curl = [s["source"] for s in op["x-codeSamples"] if s["label"] == "curl"]
        assert len(curl) == 1 and curl[0].startswith("curl "), f"openapi.yaml: {where}: one sample with the label curl"
        for part in path.split("/"):
            if part and not part.startswith("{"):
                assert part in curl[0], f"openapi.yaml: the curl line of {where} asks for another path"
        if op["x-scope"] != "open":
            assert "$TOKEN" in curl[0], f"openapi.yaml: the curl line of {where} sends no token"
        assert any(status.startswith("2") for status in op["responses"]), where
        assert "default" in op["responses"], f"openapi.yaml: {where} does not say how a failure looks"
        for what, kind, media in media_of(op):
            assert "schema" in media, f"openapi.yaml: {where}: {what} has no schema"
        samples = [m for w, k, m in media_of(op) if "example" in m or "examples" in m]
        if any("json" in k for _, k, _ in media_of(op)):
            assert samples, f"openapi.yaml: {where} has no example of its body or answer"


def test_every_problem_code_of_the_sources_is_in_the_contract():
    """What a handler can answer with is documented with its status, and the other way round."""
    codes = DOCUMENT["x-problem-codes"]
    patterns = [r'answer_problemf?\(\s*\w+,\s*(\d{3}),\s*"([a-z-]+)"', r'answer_findings\(\s*\w+,\s*(\d{3}),\s*"([a-z-]+)"',
                r'refuse\(\s*\w+,\s*(\d{3}),\s*"([a-z-]+)"', r'\.status = (\d{3}),\s*\.code = "([a-z-]+)"']
    found = set()
    for file in [*ROOT.glob("api/*.c"), *ROOT.glob("server/http/*.c")]:
        for pattern in patterns:
            for status, code in re.findall(pattern, file.read_text()):
                found.add(code)
                documented = codes.get(code, {}).get("status", [])
                documented = documented if isinstance(documented, list) else [documented]
                assert int(status) in documented, f"{file.name}: {code} with {status} is not in x-problem-codes of openapi.yaml"
        found.update(re.findall(r'answer_if_found\(\s*\w+,\s*"([a-z-]+)"', file.read_text()))
    assert len(found) > 30
    # From an error value, by status, or said by the run of an import.
    indirect = {"unavailable", "internal", "http-version-not-supported", "not-found", "not-expressible"}
    assert sorted(set(codes) - found - indirect) == [], "codes that nothing answers with"


def test_every_code_an_operation_names_is_explained():
    groups = DOCUMENT["x-problems-of-every-operation"] + DOCUMENT["x-problems-of-every-write"]
    for _, path, op, _ in operations():
        for code in op["x-problems"]:
            assert code in DOCUMENT["x-problem-codes"], (path, code)
            assert code not in groups, f"{path}: {code} belongs to every operation already"
    assert set(groups) <= set(DOCUMENT["x-problem-codes"])
    used = set(groups).union(*(op["x-problems"] for _, _, op, _ in operations()))
    assert used | {"no-such-route"} == set(DOCUMENT["x-problem-codes"])


# ---- the curl lines, as printed ----

@pytest.fixture(scope="module")
def movies():
    """A server with the sample config applied: what the curl lines are about."""
    with Server(None, "--cloudwatch-namespace", "curl") as server:
        files = sample_data()
        for kind in ("interactions", "users", "items"):
            server.put_data("movies", kind, files[kind])
        server.aws("s3").put_object(Bucket=BUCKET, Key="batch/movies/movies-for-you/job_config.json", Body=files["job"])
        server.aws("personalize").create_dataset_group(name="shop")
        run = server.apply(json.loads((SAMPLES / "parameter-file.json").read_text()))["run"]
        assert server.wait_run(run["id"], 120)["status"] == "succeeded"
        server.apply(domain("video"))
        yield server


def sample_data():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([str(ROOT / "script/sample-data"), folder], check=True, capture_output=True)
        files = {kind: pathlib.Path(folder, f"{kind}.csv").read_bytes() for kind in ("interactions", "users", "items")}
        return files | {"job": pathlib.Path(folder, "job_config.json").read_bytes()}


def variables(server, operation, known):
    """The names that curl lines use for ids, made fresh where the operation uses them up."""
    if operation in ("cancelRun", "getRun", "listRunEvents") or "RUN" not in known:
        known["RUN"] = server.ok("POST", "/runs", json={"config": "movies", "kind": "import"})["id"]
    if operation == "retryRun":
        server.wait_run(known["RUN"])
    if operation == "login":
        known["TICKET"] = server.ok("POST", "/login-tickets")["ticket"]
    if operation in ("getToken", "revokeToken", "rotateToken"):
        known["TOKEN_ID"] = server.ok("POST", "/tokens", json={"name": "curl", "scopes": ["read"]})["id"]
    if "WEBHOOK" not in known:
        known["WEBHOOK"] = server.ok("POST", "/webhooks", json={"url": "https://hooks.example.com/curl", "types": ["test.none"]})["id"]
    if "TRIGGER" not in known:
        secret = "a secret of this test only".replace(" ", "-")
        own = {"config": "movies", "kind": "observe", "auth": "bearer", "secret": secret}
        known |= {"TRIGGER": server.ok("POST", "/triggers", json=own)["id"], "TRIGGER_SECRET": secret}
    if operation in ("getPlan", "applyPlan") and "PLAN" not in known:
        known["PLAN"] = server.ok("POST", "/plans", json={"config": "movies"})["id"]
        assert server.ok("GET", f"/plans/{known['PLAN']}?wait=30")["status"] == "ready"
    if operation == "deleteSchedule":
        own = {"config": "movies", "kind": "observe", "expression": "rate(1 day)"}
        return known | {"SCHEDULE": server.ok("POST", "/schedules", json=own)["id"]}
    known["CHANNEL"] = "cloudwatch"
    known.setdefault("SCHEDULE", server.ok("GET", "/schedules")["items"][0]["id"])
    return known


def run_curl(server, line, known):
    """(exit code, HTTP status, body) of a line, as printed but for -o and -w."""
    script = line.replace("curl ", "curl -o \"$OUT\" -w '%{http_code} ' ", 1)
    out = server.folder / "answer"
    out.unlink(missing_ok=True)
    done = subprocess.run(["bash", "-uc", script], cwd=SAMPLES, capture_output=True, text=True, timeout=120,
                          env={"PATH": "/usr/bin:/bin", "URL": server.url, "TOKEN": server.token, "OUT": str(out), **known})
    assert done.stdout.strip(), done.stderr
    return done.returncode, int(done.stdout.split()[0]), out.read_text() if out.exists() else ""


# A run may be over before the next line cancels it, or have succeeded before one tries it again.
# And only a run that trained where people promote asks anything: test_held.py.
TOO_LATE = {"cancelRun": "run-finished", "retryRun": "not-retryable", "approveRun": "run-not-held", "rejectRun": "run-not-held"}
ORDER = {"cancelRun": 1, "retryRun": 2, "deleteWebhook": 7, "deleteTrigger": 7, "deleteConfig": 8, "revokeToken": 9}


def test_curl_lines_work(movies):
    known, answers = {}, {}
    for _, _, op, _ in sorted(operations(), key=lambda o: ORDER.get(o[2]["operationId"], 0)):
        name = op["operationId"]
        line = next(s["source"] for s in op["x-codeSamples"] if s["label"] == "curl")
        code, status, body = run_curl(movies, line, variables(movies, name, known))
        assert code == 0 or (code == 28 and "text/event-stream" in line), (name, line)
        is_late = status == 409 and json.loads(body)["code"] == TOO_LATE.get(name)
        assert 200 <= status < 300 or is_late, f"{name}: {status}\n{line}\n{body[:2000]}"
        answers[name] = body
    assert "id: 1\n" in answers["listEvents"]


def test_the_page_for_people(movies):
    """/docs has every operation, parameter and code, and nothing that the content security policy would have to allow."""
    answer = movies.get("/docs", token="")
    page = answer.text
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "style-src 'self'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", page)
    assert set(re.findall(r'(?:src|href)="(?!#)([^"]*)"', page)) == {"/docs/style.css", "/openapi.yaml", "/openapi.json"}
    for _, path, op, params in operations():
        assert f'id="{op["operationId"]}"' in page and f"<code>{path}</code>" in page
        assert all(f"<code>{resolve(p)['name']}</code>" in page for p in params)
    for code in DOCUMENT["x-problem-codes"]:
        assert f'id="problem-{code}"' in page
    anchors = set(re.findall(r'href="#([^"]+)"', page))
    assert anchors <= set(re.findall(r'id="([^"]+)"', page))
    style = movies.get("/docs/style.css", token="")
    assert style.headers["Content-Type"].startswith("text/css") and "url(" not in style.text and "@import" not in style.text

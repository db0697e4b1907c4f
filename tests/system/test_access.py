"""Who may do what, how often, and what is written down about it: scopes, tokens, rates, the audit log."""
import concurrent.futures
import json
import subprocess
import time

import psycopg2
import pytest
import requests

from server_kit import BUILD, Server, config, wait_until
from test_contract import operations

SCOPES = ("read", "operate", "apply", "admin")


def database(server, role="steward_owner"):
    password = next(line.split(":")[-1] for line in (server.data_dir / "postgres.pgpass").read_text().splitlines() if f":{role}:" in line)
    runtime = (server.data_dir / "postgres.runtime").read_text().strip()
    connection = psycopg2.connect(host=runtime, user=role, password=password, dbname="steward")
    connection.autocommit = True
    return connection


def sql(server, text, *values, role="steward_owner"):
    with database(server, role) as connection, connection.cursor() as cursor:
        cursor.execute(text, values)
        return cursor.fetchall() if cursor.description else None


def steward(server, *arguments):
    return subprocess.run([str(BUILD / "steward"), *arguments, "--data-dir", str(server.data_dir)], capture_output=True, text=True,
                          timeout=120, env=server.env)


@pytest.fixture(scope="module")
def fast():
    """No wait before a refusal: the matrix has hundreds of them."""
    with Server(None, "--auth-failure-delay", "0") as server:
        yield server


# ---- routes × scopes × states of a token ----

def states(server):
    """Name → (token text, what a route of a scope answers)."""
    out = {"none": ("", None)}
    good = server.ok("POST", "/tokens", json={"name": "m", "scopes": ["admin"]})
    text = good["token"]
    out["malformed"] = ("stw_x", None)
    out["cut"] = (text[:-1], None)
    out["other checksum"] = (text[:-1] + ("0" if text[-1] != "0" else "1"), None)
    out["unknown id"] = (other_id(text), None)
    out["wrong secret"] = (other_secret(text), None)
    revoked = server.ok("POST", "/tokens", json={"name": "r", "scopes": ["admin"]})
    server.call("DELETE", f"/tokens/{revoked['id']}")
    out["revoked"] = (revoked["token"], None)
    expired = server.ok("POST", "/tokens", json={"name": "e", "scopes": ["admin"]})
    sql(server, "UPDATE tokens SET expires_at = now() - interval '1 second' WHERE id = %s", expired["id"])
    out["expired"] = (expired["token"], None)
    for scope in SCOPES:
        out[scope] = (server.new_token(scope), scope)
    return out


def checked(body):
    import zlib
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    crc, text = zlib.crc32(body.encode()), ""
    for _ in range(6):
        text = digits[crc % 62] + text
        crc //= 62
    return f"{body}_{text}"


def other_id(text):
    return checked("stw_" + "A" * 12 + text[16:60])


def other_secret(text):
    return checked(text[:17] + "A" * 43)


def test_matrix_of_routes_scopes_and_token_states(fast):
    """Deny by default, before any object is looked up: unknown ids everywhere, and never a 404 for who may not ask."""
    tokens = states(fast)
    cells = []
    for method, path, op, _ in operations():
        target = path.replace("{id}", "nothing").replace("{name}", "nothing").replace("{campaign}", "c").replace("{n}", "1")
        target = target.replace("{triggerId}", "nothing").replace("{path}", "nothing").replace("{solution}", "nothing")
        target = target.replace("{recommender}", "nothing").replace("{type}", "nothing")
        for state, (text, scope) in tokens.items():
            cells.append((method, target, op["x-scope"], state, text, scope))
    assert len(cells) >= 600, len(cells)

    def ask(cell):
        method, target, needed, state, text, scope = cell
        if target == "/events":
            target += "?limit=1"
        body = None if method in ("GET", "DELETE") else "{}"
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {text}"} if text else {"Content-Type": "application/json"}
        return cell, requests.request(method, fast.url + target, data=body, headers=headers, timeout=60)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for (method, target, needed, state, text, scope), answer in pool.map(ask, cells):
            where = f"{method} {target} with {state}: {answer.status_code} {answer.text[:200]}"
            needed = "read" if needed == "metrics" else needed
            if needed == "open":
                assert answer.status_code != 403, where
                continue
            if scope is None:
                assert answer.status_code == 401 and answer.json()["code"] == "unauthenticated", where
                assert answer.headers["WWW-Authenticate"].startswith("Bearer"), where
            elif SCOPES.index(scope) < SCOPES.index(needed):
                assert answer.status_code == 403 and needed in answer.json()["detail"], where
            else:
                assert answer.status_code not in (401, 403), where
    print(f"authorisation matrix {len(cells)}/{len(cells)} cells")


# ---- tokens ----

def test_rotation_with_overlap(fast):
    made = fast.ok("POST", "/tokens", json={"name": "rotates", "scopes": ["read"]})
    path = f"/tokens/{made['id']}/rotate"
    assert fast.ok("POST", path + "?dryRun=true", json={"overlapSeconds": 60}) == {"dryRun": True}
    first = fast.ok("POST", path, json={"overlapSeconds": 60})
    assert first["id"] == made["id"] and first["token"] != made["token"] and first["previousUntil"]
    for text in (made["token"], first["token"]):
        assert fast.get("/configs", token=text).status_code == 200
    second = fast.ok("POST", path, json={"overlapSeconds": 60})  # two live secrets at most
    assert fast.get("/configs", token=second["token"]).status_code == 200
    assert fast.get("/configs", token=first["token"]).status_code == 200
    assert fast.get("/configs", token=made["token"]).status_code == 401
    third = fast.ok("POST", path, json={"overlapSeconds": 0})
    assert fast.get("/configs", token=second["token"]).status_code == 401
    assert fast.get("/configs", token=third["token"]).status_code == 200
    assert fast.post(path, json={"overlapSeconds": 604801, "expiresInDays": 366}).status_code == 422
    fast.call("DELETE", f"/tokens/{made['id']}")
    assert fast.post(path, json={}).json()["code"] == "token-dead"
    assert fast.post("/tokens/000000000000/rotate", json={}).status_code == 404


def test_expiry_is_ninety_days_and_a_year_at_most(fast):
    made = fast.ok("POST", "/tokens", json={"name": "x", "scopes": ["read"]})
    days = sql(fast, "SELECT extract(epoch FROM expires_at - created_at) / 86400 FROM tokens WHERE id = %s", made["id"])[0][0]
    assert abs(float(days) - 90) < 0.01
    assert fast.post("/tokens", json={"name": "x", "scopes": ["read"], "expiresInDays": 366}).status_code == 422
    first = next(t for t in fast.ok("GET", "/tokens?limit=200")["items"] if t["name"] == "first admin token")
    assert "expiresAt" not in first and first["lastUsedAt"]


def test_a_revocation_reaches_three_replicas_within_five_seconds(start_server, tmp_path):
    one = start_server()
    password = next(line.split(":")[-1] for line in (one.data_dir / "postgres.pgpass").read_text().splitlines() if ":steward_owner:" in line)
    runtime = (one.data_dir / "postgres.runtime").read_text().strip().replace("/", "%2F")
    url = f"postgresql://steward_owner:{password}@/steward?host={runtime}"
    for i in range(2):
        (tmp_path / str(i)).mkdir()
    others = [Server(tmp_path / str(i), "--local", "--database-url", url, "--simulator-url", one.simulator_url, local=False) for i in range(2)]
    try:
        for other in others:
            other.start(ready=False)
        for other in others:
            wait_until(lambda: (other.data_dir / "steward.url").exists(), 60)
            other.url = (other.data_dir / "steward.url").read_text().strip()
            wait_until(lambda: requests.get(other.url + "/readyz", timeout=5).status_code == 200, 60)
        made = one.ok("POST", "/tokens", json={"name": "gone", "scopes": ["read"]})
        servers = [one, *others]
        for server in servers:
            assert server.get("/configs", token=made["token"]).status_code == 200  # remembered from here on
        one.call("DELETE", f"/tokens/{made['id']}")
        time.sleep(5)  # the promise is a time
        assert [server.get("/configs", token=made["token"]).status_code for server in servers] == [401] * 3
    finally:
        for other in others:
            other.kill()


def test_token_reset_works_on_the_database(start_server):
    server = start_server()
    old = server.token
    assert steward(server, "token", "reset").returncode == 0  # while it runs
    token = (server.data_dir / "admin.token").read_text().strip()
    assert token != old and server.ok("GET", "/tokens", token=token)
    wait_until(lambda: server.get("/configs", token=old).status_code == 401, 25)
    server.token = token
    assert server.stop() == 0
    done = steward(server, "token", "reset")  # and while it does not
    assert done.returncode == 0, done.stderr
    server.start()
    assert server.get("/configs", token=token).status_code == 401
    assert server.get("/configs").status_code == 200
    assert [r["method"] for r in server.ok("GET", "/audit?path=token+reset")["items"]] == ["CLI", "CLI"]


def test_a_login_link_counts_once_and_for_a_minute(fast):
    reader = fast.new_token("read")
    ticket = fast.ok("POST", "/login-tickets", token=reader)["ticket"]
    assert ticket not in str(sql(fast, "SELECT * FROM login_tickets"))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: requests.post(fast.url + "/login", json={"ticket": ticket}, timeout=60), range(8)))
    assert sorted(a.status_code for a in answers) == [201] + [401] * 7
    token = next(a.json() for a in answers if a.status_code == 201)
    assert token["scopes"] == ["read"] and fast.get("/configs", token=token["token"]).status_code == 200
    assert fast.post("/runs", json={}, token=token["token"]).status_code == 403
    late = fast.ok("POST", "/login-tickets", token=reader)["ticket"]
    sql(fast, "UPDATE login_tickets SET expires_at = now() - interval '1 second' WHERE used_at IS NULL")
    assert fast.post("/login", json={"ticket": late}, token="").status_code == 401


# ---- the audit log ----

def audit_ids(server):
    return {row[0] for row in sql(server, "SELECT id FROM audit WHERE status < 400")}


def test_every_write_leaves_exactly_one_row(fast):
    fast.put_data("audited")
    document = config("audited")
    document["datasetGroup"]["workflowConfig"] = {"schedules": {"import": "cron(0 3 * * ? *)"}}

    def write(method, path, **kw):
        before = audit_ids(fast)
        answer = fast.call(method, path, **kw)
        assert answer.status_code < 300, (method, path, answer.text)
        new = audit_ids(fast) - before
        assert len(new) == 1, (method, path, len(new))
        row = sql(fast, "SELECT method, path, status, token_id FROM audit WHERE id = %s", next(iter(new)))[0]
        assert row[:3] == (method, path.split("?")[0], answer.status_code) and row[3] == fast.token[4:16]
        return answer.json() if answer.content else None

    run = write("POST", "/configs", json=document)["run"]
    fast.wait_run(run["id"])
    schedule = fast.ok("GET", "/schedules?config=audited")["items"][0]["id"]
    write("PUT", "/configs/audited", json=document | {"tags": [{"tagKey": "a", "tagValue": "b"}]})
    write("PATCH", "/configs/audited", json={"tags": []}, headers={"Content-Type": "application/merge-patch+json"})
    write("POST", "/configs/audited/rollback", json={"version": 1})
    fast.wait_run(write("POST", "/runs", json={"config": "audited", "kind": "import"})["id"])
    write("PATCH", f"/schedules/{schedule}", json={"paused": True})
    write("POST", f"/schedules/{schedule}/run")
    token = write("POST", "/tokens", json={"name": "a", "scopes": ["read"]})["id"]
    write("POST", f"/tokens/{token}/rotate", json={})
    write("DELETE", f"/tokens/{token}")
    ticket = write("POST", "/login-tickets")["ticket"]
    write("POST", "/login", json={"ticket": ticket})
    write("POST", "/pause", json={"reason": "audit"})
    write("POST", "/resume")
    write("DELETE", "/configs/audited?resources=keep")
    before = audit_ids(fast)
    for method, path, body in (("POST", "/configs?dryRun=true", config("never")), ("POST", "/configs/validate", {}), ("GET", "/configs", None)):
        fast.call(method, path, json=body)
    assert audit_ids(fast) == before


def test_audit_pages_and_filters(fast):
    for i in range(4):
        fast.ok("POST", "/tokens", json={"name": f"page{i}", "scopes": ["read"]})
    page = fast.ok("GET", "/audit?limit=2&path=/tokens&method=POST&status=201")
    assert len(page["items"]) == 2 and page["next"]
    assert all(r["path"].startswith("/tokens") and r["method"] == "POST" and r["status"] == 201 for r in page["items"])
    more = fast.ok("GET", f"/audit?limit=2&path=/tokens&method=POST&status=201&cursor={page['next']}")
    assert more["items"][0]["id"] < page["items"][1]["id"]
    assert fast.get(f"/audit?cursor={page['next']}").json()["code"] == "bad-cursor"
    assert fast.ok("GET", "/audit?token=000000000000") == {"items": [], "next": None}
    assert fast.ok("GET", "/audit?createdAfter=2100-01-01T00:00:00Z")["items"] == []
    for bad in ("status=9", "status=x", "method=HEAD", "createdAfter=now", "limit=0", "frobnicate=1"):
        assert fast.get(f"/audit?{bad}").status_code == 400, bad
    assert fast.get("/audit", token=fast.new_token("apply")).status_code == 403
    def chained():  # one look: a refusal is told to the log a little later, and a second look may find it without its number
        rows = fast.ok("GET", "/audit?limit=200")["items"]
        return rows if all("sequence" in r for r in rows) else None

    rows = wait_until(chained, 30)
    by_sequence = {r["sequence"]: r for r in rows}
    for number, row in by_sequence.items():
        if number - 1 in by_sequence:
            assert row["previousSha256"] == by_sequence[number - 1]["sha256"]


def test_the_application_can_only_insert(fast):
    for text in ("UPDATE audit SET path = 'x'", "DELETE FROM audit", "TRUNCATE audit", "UPDATE audit_chain SET sha256 = 'x'",
                 "DELETE FROM audit_chain"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            sql(fast, text, role="steward")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):  # the owner meets the trigger
            sql(fast, text)


def test_the_verifier_finds_every_edit(start_server):
    server = start_server()
    for i in range(8):
        server.ok("POST", "/tokens", json={"name": f"v{i}", "scopes": ["read"]})
    wait_until(lambda: sql(server, "SELECT count(*) FROM audit_pending")[0][0] == 0, 30)
    good = steward(server, "audit", "verify")
    assert good.returncode == 0, good.stderr
    expect = good.stdout.split("--expect ")[1].strip()
    assert steward(server, "audit", "verify", "--expect", expect).returncode == 0
    assert steward(server, "audit", "verify", "--expect", "3:" + "0" * 64).returncode == 1
    edits = [
        "UPDATE audit SET path = '/x' WHERE id = (SELECT audit_id FROM audit_chain WHERE seq = 4)",
        "UPDATE audit SET token_id = NULL WHERE id = (SELECT audit_id FROM audit_chain WHERE seq = 4)",
        "UPDATE audit SET detail = '{}' WHERE id = (SELECT audit_id FROM audit_chain WHERE seq = 4)",
        "UPDATE audit SET time = time + interval '1 microsecond' WHERE id = (SELECT audit_id FROM audit_chain WHERE seq = 4)",
        "DELETE FROM audit WHERE id = (SELECT audit_id FROM audit_chain WHERE seq = 4)",
        "DELETE FROM audit_chain WHERE seq = 4",
        "UPDATE audit_chain SET sha256 = repeat('1', 64) WHERE seq = 4",
        "DELETE FROM audit_chain WHERE seq = (SELECT max(seq) FROM audit_chain)",
    ]
    for edit in edits:
        with database(server) as connection, connection.cursor() as cursor:
            connection.autocommit = False
            cursor.execute("ALTER TABLE audit DISABLE TRIGGER USER; ALTER TABLE audit_chain DISABLE TRIGGER USER;"
                           "CREATE TABLE kept AS TABLE audit; CREATE TABLE kept_chain AS TABLE audit_chain;" + edit)
            connection.commit()
        bad = steward(server, "audit", "verify")
        assert bad.returncode == 1 and "was edited" in bad.stderr, (edit, bad.stdout, bad.stderr)
        with database(server) as connection, connection.cursor() as cursor:
            connection.autocommit = False
            cursor.execute("DELETE FROM audit; DELETE FROM audit_chain; INSERT INTO audit OVERRIDING SYSTEM VALUE TABLE kept;"
                           "INSERT INTO audit_chain TABLE kept_chain; DROP TABLE kept, kept_chain;"
                           "ALTER TABLE audit ENABLE TRIGGER USER; ALTER TABLE audit_chain ENABLE TRIGGER USER")
            connection.commit()
        assert steward(server, "audit", "verify").returncode == 0, edit


# ---- how often ----

def test_refusals_are_slow_counted_and_told(start_server):
    server = start_server("--rate-failed-auth", "5", "--auth-failure-delay", "200ms")
    began = time.monotonic()
    codes = [server.get("/configs", token="").status_code for _ in range(7)]
    took = time.monotonic() - began
    assert codes == [401] * 5 + [429] * 2 and took >= 7 * 0.2
    refused = server.get("/configs", token="")
    assert refused.json()["code"] == "rate-limited" and 1 <= int(refused.headers["Retry-After"]) <= 60
    assert server.get("/configs").status_code == 200  # a good token is never locked out
    rows = server.ok("GET", "/audit?status=401")["items"]
    assert 1 <= len(rows) <= 10 and all(r["detail"] == {"refused": True} for r in rows)
    reader = server.new_token("read")
    server.post("/runs", json={}, token=reader)
    wait_until(lambda: server.ok("GET", f"/audit?status=403&token={reader[4:16]}")["items"], 20)


def test_rates_per_token(start_server):
    server = start_server("--rate-reads", "2", "--rate-writes", "1", "--rate-runs", "3", "--rate-admin", "4")
    reader = server.new_token("read")
    answers = [server.get("/recipes", token=reader) for _ in range(30)]
    good = [a for a in answers if a.status_code == 200]
    bad = [a for a in answers if a.status_code == 429]
    assert 8 <= len(good) < 30 and bad, [a.status_code for a in answers]
    assert good[0].headers["RateLimit-Limit"] == "8" and good[0].headers["RateLimit"].startswith('"read";r=')
    assert good[0].headers["RateLimit-Policy"] == '"read";q=8;w=4'
    assert bad[0].json()["code"] == "rate-limited" and int(bad[0].headers["Retry-After"]) >= 1
    assert server.get("/recipes").status_code == 200  # another token has a rate of its own
    runs = [server.post("/runs", json={"config": "none", "kind": "import"}).status_code for _ in range(5)]
    assert runs.count(429) >= 1 and runs[:3].count(429) == 0
    admin = [server.post("/tokens", json={}).status_code for _ in range(6)]
    assert 429 in admin


def test_no_limits_on_loopback_unless_set(fast):
    answers = [fast.get("/recipes") for _ in range(300)]
    assert {a.status_code for a in answers} == {200}
    assert not [h for h in answers[0].headers if h.lower().startswith("ratelimit")]


def test_streams_per_token(start_server):
    server = start_server("--streams-per-token", "2")
    streams = [server.get("/events", headers={"Accept": "text/event-stream"}, stream=True) for _ in range(3)]
    assert [s.status_code for s in streams] == [200, 200, 429]
    assert streams[2].json()["code"] == "too-many-streams"
    streams[0].close()
    wait_until(lambda: server.get("/events", headers={"Accept": "text/event-stream"}, stream=True).status_code == 200, 40)


# ---- browsers and proxies ----

def test_cors_is_an_allow_list(start_server):
    server = start_server("--cors-origin", "https://app.example")
    good, bad = {"Origin": "https://app.example"}, {"Origin": "https://evil.example"}
    answer = server.get("/configs", headers=good)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example" and "Origin" in answer.headers["Vary"]
    for name in ("ETag", "Location", "Link", "Retry-After", "Idempotency-Replayed", "X-Request-Id"):
        assert name in answer.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    for origin in (bad["Origin"], "null", "https://app.example.evil.example", "http://app.example", "https://APP.example"):
        assert "Access-Control-Allow-Origin" not in server.get("/configs", headers={"Origin": origin}).headers, origin
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    answer = server.call("OPTIONS", "/configs", headers=good | preflight, token="")
    assert answer.status_code == 204 and "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    answer = server.call("OPTIONS", "/configs", headers=bad | preflight, token="")
    assert "Access-Control-Allow-Origin" not in answer.headers
    site = {"Sec-Fetch-Site": "cross-site"}
    assert server.post("/configs/validate", json={}, headers=good | site).status_code == 200
    assert server.post("/configs/validate", json={}, headers=bad | site).status_code == 403


def test_only_a_trusted_proxy_names_the_client(start_server):
    server = start_server("--trusted-proxy", "127.0.0.1")
    server.post("/tokens", json={"name": "p", "scopes": ["read"]}, headers={"X-Forwarded-For": "10.1.1.1, 203.0.113.7"})
    assert server.ok("GET", "/audit")["items"][0]["peer"] == "203.0.113.7"
    answer = server.post("/tokens", json={"name": "p", "scopes": ["read"]}, headers={"X-Forwarded-For": "nonsense"})
    assert answer.headers["Connection"] == "close"
    assert server.ok("GET", "/audit")["items"][0]["peer"] == "127.0.0.1"


def test_no_proxy_is_trusted_by_default(fast):
    fast.post("/tokens", json={"name": "p", "scopes": ["read"]}, headers={"X-Forwarded-For": "203.0.113.7"})
    assert fast.ok("GET", "/audit")["items"][0]["peer"] == "127.0.0.1"


@pytest.mark.parametrize("host,status", [("localhost", 200), ("127.0.0.1", 200), ("[::1]", 200), ("LocalHost:99", 200), ("evil.example", 421),
                                         ("127.0.0.1.nip.io", 421), ("localhost.evil.example", 421), ("127.0.0.2", 421), ("", 421),
                                         ("localhost@evil.example", 400)])
def test_hosts(fast, host, status):
    answer = fast.get("/livez", headers={"Host": host})
    assert answer.status_code in ((status,) if host else (400, 421)), answer.text


HEADERS = {"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
           "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
           "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
           "Cross-Origin-Resource-Policy": "same-origin"}


def test_security_headers_on_every_answer(fast):
    for method, path, op, _ in operations():
        answer = fast.call(method, path.replace("{", "").replace("}", ""), json={} if method in ("POST", "PUT", "PATCH") else None,
                           params={"dryRun": "true"} if method != "GET" else None)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, (method, path, name)
        assert "Permissions-Policy" in answer.headers and "Server" not in answer.headers
        assert answer.headers["Cache-Control"] in ("no-store", "no-cache"), path
        assert json.dumps(dict(answer.headers)).find(fast.token) < 0

"""The command line against a running server: what it prints, its exit codes, and what it left behind."""
import json

from server_kit import config


def test_a_config_and_its_versions(steward, name, tmp_path):
    file = tmp_path / "file.json"
    document = config(name, solutions=0)
    file.write_text(json.dumps(document))
    steward.put_data(name)
    assert "version 1" in steward.cli("apply", str(file), "--wait", "--message", "first\nsecond line")
    file.write_text(json.dumps(document | {"tags": [{"tagKey": "team", "tagValue": "blue"}]}))
    assert "version 2" in steward.cli("apply", str(file), "--wait", "--revision", "abc123")
    newest, oldest = steward.cli("versions", name).splitlines()
    assert newest.split()[0] == "2" and "abc123" in newest
    assert oldest.split()[0] == "1" and oldest.endswith("first")  # one line, whatever the message
    assert "team" in steward.cli("versions", name, "2") and "blue" in steward.cli("versions", name, "1", "--from", "2")
    assert json.loads(steward.cli("versions", name, "2", "--json"))
    assert "no-such" in steward.cli("versions", "no-such", code=1)
    assert "Rolled back" in steward.cli("rollback", name, "1", "--wait", "--message", "back")
    assert steward.ok("GET", f"/configs/{name}")["version"] == 3
    assert "tags" not in steward.ok("GET", f"/configs/{name}")["document"]
    assert "version" in steward.cli("rollback", name, "77", code=1)
    assert "resources" in steward.cli("delete", name, code=1)  # what becomes of the resources has to be said
    assert "taken down" in steward.cli("delete", name, "--resources", "delete", "--wait")
    assert steward.get(f"/configs/{name}").status_code == 404
    assert "steward rollback CONFIG VERSION" in steward.cli("rollback", name, code=2)


def test_tokens(steward):
    secret = steward.cli("tokens", "create", "by hand", "--scope", "read", "--expires-in-days", "3").splitlines()[0]
    assert secret.startswith("stw_")
    token = secret.split("_")[1]
    line, = [line for line in steward.cli("tokens", "list").splitlines() if line.startswith(token)]
    assert "by hand" in line and line.endswith("read")
    assert steward.call("GET", "/configs", token=secret).status_code == 200
    assert steward.cli("tokens", "rotate", token).splitlines()[0] != secret
    assert "revoked" in steward.cli("tokens", "revoke", token)
    # It was listed like a live one.
    assert [line for line in steward.cli("tokens", "list").splitlines() if line.startswith(token) and line.endswith("read, revoked")]
    # An option of another verb was ignored: this listed everything.
    assert "Unknown option --scope" in steward.cli("tokens", "list", "--scope", "read", code=2)
    assert "no \"nothing\"" in steward.cli("tokens", "nothing", code=2)
    assert steward.call("GET", "/configs", token=secret).status_code == 401
    assert "scope" in steward.cli("tokens", "create", "nothing", code=1)
    assert "create NAME" in steward.cli("tokens", code=2)

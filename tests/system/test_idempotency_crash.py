"""A server that dies between the commit and its answer: the repeat with the same key gets that answer, and nothing is made twice."""
import pytest
import requests

from server_kit import Server, config


def test_kill_between_commit_and_answer(tmp_path):
    server = Server(tmp_path, env={"STEWARD_FAILPOINTS": "api.committed=kill9"})
    server.start()
    try:
        key = {"Idempotency-Key": "once"}
        with pytest.raises(requests.ConnectionError):
            server.post("/configs", json=config("once", solutions=0), headers=key)
        assert server.process.wait(timeout=30) == -9
        server.env.pop("STEWARD_FAILPOINTS")
        server.start()
        again = server.post("/configs", json=config("once", solutions=0), headers=key)
        assert again.status_code == 201 and again.headers["Idempotency-Replayed"] == "true", again.text
        assert [r["kind"] for r in server.ok("GET", "/runs?config=once&trigger=apply")["items"]] == ["apply"]
        assert len(server.ok("GET", "/configs/once/versions")["items"]) == 1
        assert len(server.ok("GET", "/audit?path=/configs")["items"]) == 1
    except BaseException:
        server.kill()
        raise
    assert server.stop() == 0, server.tail()

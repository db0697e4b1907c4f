"""A kept body is sent only while its rows are the same: who wrote reads what was written, at once, one run or the list."""
from server_kit import config


def test_reads_after_writes_are_never_old(steward, name):
    steward.put_data(name)
    run_id = steward.apply(config(name, solutions=0))["run"]["id"]
    seen = set()
    while True:
        run = steward.ok("GET", f"/runs/{run_id}")
        listed = next(r for r in steward.ok("GET", "/runs?limit=50")["items"] if r["id"] == run_id)
        # The list was read after the run: it may be further on, never behind.
        assert listed["updatedAt"] >= run["updatedAt"]
        seen.add(run["updatedAt"])
        if run["status"] == "succeeded":
            break
        steward.ok("GET", f"/runs/{run_id}?wait=5")
    assert len(seen) > 1
    twice = [steward.get(f"/runs/{run_id}") for _ in range(2)]
    assert twice[0].content == twice[1].content and twice[0].headers["ETag"] == twice[1].headers["ETag"]
    assert steward.get(f"/runs/{run_id}", headers={"If-None-Match": twice[1].headers["ETag"]}).status_code == 304


def test_a_cancelled_run_reads_as_such(steward, name):
    run_id = steward.apply(config(name, solutions=0))["run"]["id"]
    for _ in range(2):
        steward.ok("GET", f"/runs/{run_id}")
        steward.ok("GET", "/runs?limit=7")
    if steward.post(f"/runs/{run_id}/cancel").status_code < 300:
        assert steward.ok("GET", f"/runs/{run_id}")["status"] in ("cancelling", "cancelled")
        assert steward.ok("GET", "/runs?limit=7")["items"][0]["status"] in ("cancelling", "cancelled")


def test_a_new_run_is_on_the_kept_page(steward, name):
    """The first page of fewer items than there are says how to go on, whether it was kept or not."""
    for i in range(3):
        run_id = steward.apply(config(f"{name}x{i}", solutions=0))["run"]["id"]
        for _ in range(2):
            page = steward.ok("GET", "/runs?limit=2")
            assert page["items"][0]["id"] == run_id
    after = steward.ok("GET", f"/runs?limit=2&cursor={page['next']}")
    assert after["items"][0]["id"] < page["items"][-1]["id"]

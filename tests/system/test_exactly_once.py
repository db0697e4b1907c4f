"""An uncertain answer to CreateSolutionVersion, the one create whose name nothing protects: one training is bought, not two."""
import pytest
import requests

from server_kit import config, wait_until
from world_kit import Postgres, World

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    with Postgres(tmp_path_factory.mktemp("exactly") / "pg") as pg:
        yield pg


@pytest.mark.parametrize("names", ["refused", None])
@pytest.mark.parametrize("trouble", ["lost-reply", "error-after", "truncated-reply"])
def test_an_uncertain_training_is_bought_once(tmp_path, postgres, trouble, names):
    """Found by the crash matrix: an endpoint that drops names (names-refused) showed our version without one; it was taken for somebody
    else's, and after the quiescence a second one was bought."""
    faults = ["--fault", f"CreateSolutionVersion={trouble},times=1"]
    if names:
        faults += ["--fault", f"CreateSolutionVersion=names-{names}"]
    with World(tmp_path / "w", postgres, simulator=faults) as world:
        server = world.start(0)
        world.simulator.put_data("once")
        run = server.apply(config("once"))["run"]["id"]
        assert world.wait_run(run) == "succeeded", server.ok("GET", f"/runs/{run}")
        made = {k: n for k, n in world.simulator.made().items() if k[0] == "CreateSolutionVersion"}
        assert list(made.values()) == [1], made
        assert not world.faults_found()


def test_after_somebody_elses_training_failed(tmp_path, postgres):
    """A training of somebody else's that was in progress was waited for, and failed; the answer to ours was lost. The step then looked at
    the failed one again, whose ARN it had on record, and after the quiescence bought a second training."""
    with World(tmp_path / "w", postgres, simulator=["--time-scale", "2000"]) as world:
        server = world.start(0)
        world.simulator.put_data("other")
        assert world.wait_run(server.apply(config("other"))["run"]["id"]) == "succeeded"
        personalize = world.simulator.client("personalize")
        solution = personalize.list_solutions()["solutions"][0]["solutionArn"]
        faults = world.simulator.url + "/_simulator/faults"
        requests.post(faults, json={"rules": ["CreateSolutionVersion=create-failed,times=1"]}, timeout=10).raise_for_status()
        theirs = personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
        requests.post(faults, json={"rules": ["CreateSolutionVersion=lost-reply,times=1"]}, timeout=10).raise_for_status()
        before = len(personalize.list_solution_versions(solutionArn=solution)["solutionVersions"])
        run = server.ok("POST", "/runs", json={"config": "other", "kind": "trainFull"})["id"]
        wait_until(lambda: world.query("SELECT 1 FROM steps WHERE run_id = %s AND arn = %s", run, theirs), 20)
        assert world.wait_run(run) == "succeeded", server.ok("GET", f"/runs/{run}")
        assert len(personalize.list_solution_versions(solutionArn=solution)["solutionVersions"]) == before + 1
        assert not world.faults_found()

"""An uncertain answer to CreateSolutionVersion, the one create whose name nothing protects: one training is bought, not two."""
import pytest

from server_kit import config
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

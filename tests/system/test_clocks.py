"""The wall clock of the server is set while it works: the dates of what it sends do not follow."""
import pathlib
import threading

import pytest

from server_kit import BUILD, config
from world_kit import Postgres, World

LIBRARY = next(iter(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LIBRARY is None, reason="script/bootstrap installs faketime"),
    pytest.mark.skipif(b"__asan_init" in (BUILD / "steward").read_bytes() or b"__tsan_init" in (BUILD / "steward").read_bytes(),
                       reason="a sanitizer has to be the first library"),
]


def test_calls_are_dated_by_no_clock_that_somebody_sets(tmp_path):
    """CLK-1. The difference to the service's clock was kept against the wall clock: a clock set forward by ten minutes between the last look
    and a send dated the call ten minutes ahead, so that it lived longer than the quiescence allows for. It is kept against the monotonic
    clock now: while the wall clock jumps to and fro all the time, no create is refused for its date (3 s are allowed), and each is sent once."""
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    tmp_path.chmod(0o755)
    env = {"LD_PRELOAD": str(LIBRARY), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    end = threading.Event()

    def set_clock():
        jump = 0
        while not end.wait(0.3):
            jump = (jump + 1) % 3
            new = tmp_path / "clock.new"
            new.write_text(("+0\n", "+600\n", "-600\n")[jump])
            new.rename(clock)

    with Postgres(tmp_path / "pg") as pg, World(tmp_path / "w", pg, env=env) as world:
        server = world.start(0)
        world.simulator.put_data("clocks")
        setter = threading.Thread(target=set_clock)
        setter.start()
        try:
            run = server.apply(config("clocks", solutions=2))["run"]["id"]
            assert world.wait_run(run, 60) == "succeeded", server.tail()
        finally:
            end.set()
            setter.join()
        creates = [e for e in world.simulator.ledger() if e["operation"].startswith("Create") and e["operation"] != "CreateBucket"]
        assert len(creates) > 8 and {e.get("error") for e in creates} == {None}, creates
        assert max(n for n in world.simulator.made().values()) == 1
        assert world.query("SELECT max(sends) FROM steps")[0][0] == 1
        assert not world.faults_found()

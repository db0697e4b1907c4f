"""Clocks are set while the server works: its own, whose jumps the dates of what it sends do not follow, and the database's, by which it
waits until no call can land."""
import pathlib
import signal
import threading
import time

import pytest

from server_kit import BUILD, config, wait_until
from world_kit import Postgres, World

LIBRARY = next(iter(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LIBRARY is None, reason="script/bootstrap installs faketime"),
    pytest.mark.skipif(b"__asan_init" in (BUILD / "steward").read_bytes() or b"__tsan_init" in (BUILD / "steward").read_bytes(),
                       reason="a sanitizer has to be the first library"),
]


def faked(clock):
    return {"LD_PRELOAD": str(LIBRARY), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def set_clock(clock, text):
    new = clock.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o644)
    new.rename(clock)


def test_calls_are_dated_by_no_clock_that_somebody_sets(tmp_path):
    """CLK-1. The difference to the service's clock was kept against the wall clock: a clock set forward by ten minutes between the last look
    and a send dated the call ten minutes ahead, so that it lived longer than the quiescence allows for. It is kept against the monotonic
    clock now: while the wall clock jumps to and fro all the time, no create is refused for its date (3 s are allowed), and each is sent once."""
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    tmp_path.chmod(0o755)
    env = faked(clock)
    end = threading.Event()

    def jump_about():
        jump = 0
        while not end.wait(0.3):
            jump = (jump + 1) % 3
            set_clock(clock, ("+0\n", "+600\n", "-600\n")[jump])

    with Postgres(tmp_path / "pg") as pg, World(tmp_path / "w", pg, env=env) as world:
        server = world.start(0)
        world.simulator.put_data("clocks")
        setter = threading.Thread(target=jump_about)
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


def test_the_clock_of_the_database_is_set(tmp_path):
    """CLK-2, found by the simulation. A replica died while its call was under way, and the database's clock was set forward by an hour: the
    quiescence, measured by that clock, looked over at once, and a second training was bought. Every worker compares the database's clock
    with its own now; when it was set, nothing is sent until no call of before can land."""
    clock = tmp_path / "clock"
    tmp_path.chmod(0o755)
    set_clock(clock, "+0\n")
    with Postgres(tmp_path / "pg", env=faked(clock)) as pg, World(
            tmp_path / "w", pg, replicas=2, simulator=["--fault", "CreateSolutionVersion=slow,ms=2500,times=1"]) as world:
        first, second = world.start(0), world.start(1)
        world.simulator.put_data("hour")
        second.process.send_signal(signal.SIGSTOP)
        run = first.apply(config("hour"))["run"]["id"]
        wait_until(lambda: world.query("SELECT 1 FROM steps WHERE kind = 'solutionVersion' AND intent_state = 'maybe_sent'"), 60)
        time.sleep(0.2)  # from the mark to the wire
        first.kill()
        set_clock(clock, "+3600\n")
        second.process.send_signal(signal.SIGCONT)
        assert world.wait_run(run) == "succeeded", second.tail()
        wait_until(lambda: [e for e in world.simulator.ledger() if e.get("fault") == "slow"], 30)
        made = {k: n for k, n in world.simulator.made().items() if k[0] == "CreateSolutionVersion"}
        assert list(made.values()) == [1], made
        assert "event=database_clock_set" in second.tail(100_000)
        assert not world.faults_found()

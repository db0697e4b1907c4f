"""Three replicas on one database while random ones are killed, stopped and continued; ten minutes of it: script/under-fire."""
import os
import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))

from under_fire import under_fire  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.concurrency]


def test_replicas_under_fire(tmp_path):
    seed = int(os.environ.get("SEED", time.time_ns() % 1_000_000))
    print(f"SEED={seed}")
    seen = under_fire(tmp_path, 25, 100, 3, seed)
    print(seen)
    assert seen["acknowledged"] > 0 and seen["kills"] + seen["stops"] > 0

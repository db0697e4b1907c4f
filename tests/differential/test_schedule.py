"""Schedules against an independent oracle: 50,000 random questions (a million with --full), and every clock change of all
time zones from 2020 to 2040."""
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
FULL = bool(os.environ.get("STEWARD_TEST_FULL"))


def ask(*options):
    probe = pathlib.Path(os.environ["STEWARD_BUILD"]) / "tests/differential/schedule_probe"
    done = subprocess.run([sys.executable, HERE / "schedule_oracle.py", probe, *options], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(done.stdout)
    assert done.returncode == 0, done.stdout


def test_random_questions():
    ask("--random", "1000000" if FULL else "50000", "--changes", "none")


def test_every_clock_change():
    ask("--random", "0", "--changes", "every" if FULL else "few")

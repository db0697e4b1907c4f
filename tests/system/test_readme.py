"""The README's tour, exactly as printed: every sh block of the two tour sections runs in one shell against a fresh server. Only the start
of the server is replaced (the test's own, on a port of the kernel's) and build/ is the build under test."""
import os
import re
import subprocess

import pytest
import yaml

from server_kit import BUILD, ROOT


def blocks(section):
    text = (ROOT / "README.md").read_text()
    part = text.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```sh\n(.*?)```", part, re.S)


@pytest.mark.concurrency
def test_tour(start_server, tmp_path):
    server = start_server("--simulator-time-scale", "600")  # as a user has it
    script = "\n".join(blocks("A tour with curl") + blocks("The command line"))
    started = [line for line in script.splitlines() if "steward serve" in line or "script/build" in line or "until curl" in line]
    assert len(started) == 3, started
    for line in started:
        script = script.replace(line, ":")
    script = script.replace("export STEWARD_DATA_DIR=$PWD/data", f"export STEWARD_DATA_DIR={server.data_dir}")
    script = script.replace("http://127.0.0.1:8080", server.url).replace("build/steward", str(BUILD / "steward"))
    # -f: a curl that is refused ends the script with its number of the line.
    script = "set -euo pipefail\ntrap 'echo \"line $LINENO: $BASH_COMMAND\" >&2' ERR\n" + script.replace("curl ", "curl --fail-with-body ")
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=180,
                          env=server.env | {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    assert done.returncode == 0, f"{done.stderr[-3000:]}\n{done.stdout[-3000:]}"
    assert '"valid": false' in done.stdout        # the bad file is explained
    assert "ACTIVE" in done.stdout and "MRR@25" in done.stdout
    assert done.stdout.count("T04:00:00Z") + done.stdout.count("T05:00:00Z") >= 3   # schedule next, Berlin mornings


def test_the_server_takes_what_the_compose_file_gives_it(tmp_path):
    """It ended with a usage error: the file's database URL is without TLS, which has to be allowed. And who told it to stop as soon as it
    had said its address killed it: it said so before it listened to signals."""
    service = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"]["steward"]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "STEWARD_"))}
    server = subprocess.Popen([str(BUILD / "steward"), *service["command"], "--data-dir", str(tmp_path / "d"), "--listen", "127.0.0.1:0"],
                              env=clean | service["environment"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout.readline().startswith("steward ")
    finally:
        server.terminate()
        server.communicate()
    assert server.returncode == 0

"""The README's tour, exactly as printed: every sh block of the two tour sections runs in one shell against a fresh server. Only the start
of the server is replaced (the test's own, on a port of the kernel's) and build/ is the build under test."""
import re
import subprocess

import pytest

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
    (tmp_path / "csv").mkdir()
    subprocess.run([str(ROOT / "script/sample-data"), str(tmp_path / "csv")], check=True, capture_output=True)
    for kind in ("interactions", "users", "items"):
        server.put_data("movies", kind, (tmp_path / "csv" / f"{kind}.csv").read_bytes())
    server.aws("s3").put_object(Bucket="steward-local", Key="batch/movies/movies-for-you/job_config.json",
                                Body=(tmp_path / "csv" / "job_config.json").read_bytes())
    # -f: a curl that is refused ends the script with its number of the line.
    script = "set -euo pipefail\ntrap 'echo \"line $LINENO: $BASH_COMMAND\" >&2' ERR\n" + script.replace("curl ", "curl --fail-with-body ")
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=180,
                          env=server.env | {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    assert done.returncode == 0, f"{done.stderr[-3000:]}\n{done.stdout[-3000:]}"
    assert '"valid": false' in done.stdout        # the bad file is explained
    assert "ACTIVE" in done.stdout and "MRR@25" in done.stdout
    assert done.stdout.count("T04:00:00Z") + done.stdout.count("T05:00:00Z") >= 3   # schedule next, Berlin mornings

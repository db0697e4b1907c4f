"""The checks in tests/js: the AWS SDK for JavaScript v3 against the simulator. Skipped without Node.js 18 or newer."""
import pathlib
import shutil
import subprocess

import pytest

from simulator_kit import binary

pytestmark = pytest.mark.slow

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "js"


def node():
    path = shutil.which("node")
    if not path:
        pytest.skip("node is not installed")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").split(".")[0]) < 18:
        pytest.skip(f"node {version.strip()} is too old")
    return path


def install(folder=FOLDER):
    """Packages as in package-lock.json; no network is no failure of ours."""
    if (folder / "node_modules" / ".package-lock.json").exists():
        return
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True,
                          timeout=900)
    if done.returncode:
        pytest.skip(f"npm ci failed: {done.stderr.strip().splitlines()[-1:]}")


def test_javascript_sdk(monkeypatch):
    monkeypatch.setenv("STEWARD_BUILD", str(pathlib.Path(binary()).parent))
    path = node()
    install()
    done = subprocess.run([path, "--test"], cwd=FOLDER, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "\n# fail 0\n" in done.stdout or "\nℹ fail 0\n" in done.stdout
    assert "\n# pass 0\n" not in done.stdout

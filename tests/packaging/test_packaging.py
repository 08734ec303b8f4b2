"""The wheel and the sdist, installed into bare environments, build and serve the demo.

They download every dependency, so they run only where WEBGEMMA_PACKAGING=1 asks for it, as CI does.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.packaging, pytest.mark.slow]

ROOT = Path(__file__).parent.parent.parent
VENDORED = {
    "marked.LICENSE",
    "marked.js",
    "vendor.sha256",
}
BUILT_IN = (
    *("models/pebble/checkpoint", "models/pebble/README.md"),
    *("models/opal/checkpoint", "models/opal/README.md", "models/opal/samples"),
)


def run(*command: str | Path, cwd: Path) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=env, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


LEFT_OUT = re.compile(r"(^|/)(tests?|__pycache__|node_modules)/|(^|/)test_|\.test\.")


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        body: bytes = response.read()
        return body


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build the sdist, and from it the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    return {"wheel": wheel, "sdist": sdist}


def test_the_wheel_holds_what_the_command_needs_and_no_more(dist: dict[str, Path]) -> None:
    names = set(zipfile.ZipFile(dist["wheel"]).namelist())
    data = "webgemma/_data/"
    assert {f"{data}web/vendor/{name}" for name in VENDORED} <= names
    assert {f"{data}web/index.html", f"{data}web/runtime/index.js", "webgemma/py.typed"} <= names
    built_in = run("git", "ls-files", *BUILT_IN, cwd=ROOT).split()
    assert {name for name in names if "/models/" in name} == {data + name for name in built_in}
    assert any(name.startswith(f"{data}shaders/") for name in names)
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"webgemma"}
    assert [n for n in names if LEFT_OUT.search(n)] == []


def test_the_sdist_is_complete(dist: dict[str, Path]) -> None:
    with tarfile.open(dist["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = set(run("git", "ls-files", cwd=ROOT).split("\n")) - {""}
    left_out = {name for name in tracked - names if (ROOT / name).exists()}
    assert left_out == set()
    assert {f"web/vendor/{name}" for name in VENDORED} <= names


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
@pytest.mark.parametrize("model", ["pebble", "opal"])
def test_a_bare_environment_builds_and_serves_the_demo(
    dist: dict[str, Path], kind: str, model: str, tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    binaries = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    run(binaries / "python", "-m", "pip", "install", "--quiet", dist[kind], cwd=tmp_path)
    assert "Commands:" in run(binaries / "webgemma", "--help", cwd=tmp_path)
    vision = ["--vision"] if model == "opal" else []
    with subprocess.Popen(
        [binaries / "webgemma", "demo", *vision, "--no-browser", "--port", "0"],
        cwd=tmp_path,
        env={"PATH": str(binaries), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert json.loads(fetch(url + "models/index.json"))["models"][0]["id"] == model
        vendored = (ROOT / "web/vendor/marked.js").read_bytes()
        assert fetch(url + "vendor/marked.js") == vendored
        process.send_signal(signal.SIGINT)
    assert process.returncode == 0

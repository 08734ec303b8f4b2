"""The built-in models: found in a wheel and in a checkout, built, served, complete, small."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.messages import message_of
from tests.support.seeing_folder import write_seeing
from webgemma.errors import WebGemmaError
from webgemma.resources import BUILT_IN_MODEL, SEEING_MODEL, built_in_model

ROOT = Path(__file__).parent.parent
MAX_NBYTES = {"pebble": 8_000_000, "opal": 6_000_000}
"""Of weights and tokenizer."""
SAMPLES = [f"samples/{number}-shapes.png" for number in range(2, 6)]


def serve_from(installation: Path, model: str, cache: Path) -> Path:
    """Run `webgemma demo` of the package in a folder; return the model's folder in its site."""
    vision = ["--vision"] if model == SEEING_MODEL else []
    with subprocess.Popen(
        [sys.executable, "-m", "webgemma", "demo", *vision, "--no-browser", "--port", "0"],
        env={**os.environ, "PYTHONPATH": str(installation), "XDG_CACHE_HOME": str(cache)},
        cwd=cache,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().strip()
        assert url, process.stderr.read()
        with urllib.request.urlopen(f"{url}models/index.json", timeout=10) as response:
            assert json.load(response)["models"] == [{"id": model, "name": model.capitalize()}]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
    assert process.returncode == 0
    (site,) = (cache / "webgemma").iterdir()
    return site / "models" / model


@pytest.fixture(params=["wheel", "checkout"])
def installation(request: pytest.FixtureRequest, tmp_path: Path, fixtures: Path) -> Path:
    """This package laid out as in a wheel or a checkout, with a tiny model in Opal's place."""
    root = tmp_path / "installation"
    shutil.copytree(
        ROOT / "webgemma", root / "webgemma", ignore=shutil.ignore_patterns("__pycache__")
    )
    data = root / "webgemma" / "_data" if request.param == "wheel" else root
    data.mkdir(exist_ok=True)
    for name in ("shaders", "web"):
        (data / name).symlink_to(ROOT / name)
    write_seeing(data / "models/opal/checkpoint", fixtures / "tokenizer.model")
    shutil.copytree(ROOT / "models/opal/samples", data / "models/opal/samples")
    return root


def test_found_in_every_installation(installation: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    folder = serve_from(installation, SEEING_MODEL, tmp_path / "cache")
    manifest = json.loads((folder / "webgemma.json").read_text())
    assert (manifest["id"], manifest["name"]) == ("opal", "Opal")
    assert manifest["samples"] == SAMPLES
    assert not (folder / "LICENSE").exists()  # it is the tiny one, not the checkout's


def test_an_installation_without_it_says_so() -> None:
    folder = ROOT / "models" / "garnet" / "checkpoint"
    assert message_of(WebGemmaError, lambda: built_in_model("garnet")) == (
        "webgemma is not completely installed: got no built-in model 'garnet', expected "
        f"config.json in {folder}. Reinstall webgemma."
    )


@pytest.mark.parametrize("model", [BUILT_IN_MODEL, SEEING_MODEL])
def test_the_built_in_models(model: str, tmp_path: Path) -> None:
    """Small, under their licence, with something to ask; the one that sees with its pictures."""
    folder = serve_from(ROOT, model, tmp_path)
    manifest = json.loads((folder / "webgemma.json").read_text())
    nbytes = manifest["weights"]["nbytes"] + manifest["files"]["tokenizer.json"]["nbytes"]
    assert nbytes <= MAX_NBYTES[model]
    assert (folder / "LICENSE").read_text().startswith(f"{model.capitalize()}: weights, tokenizer")
    assert 3 <= len(manifest["generation"]["prompts"]) <= 6
    assert manifest["generation"]["temperature"] == 0
    assert manifest.get("samples", []) == (SAMPLES if model == SEEING_MODEL else [])

"""`webgemma bench --browser`: the figures of the native one, measured in Chromium."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from webgemma.bench import browser as bench_browser
from webgemma.build import build_site
from webgemma.cli import main
from webgemma.resources import built_in_model


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench") / "site"
    build_site(built_in_model(), folder, name="Pebble", model_id="pebble")
    return folder


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as exit_info:
        main(["bench", *map(str, arguments)])
    captured = capsys.readouterr()
    return exit_info.value.code, captured.out, captured.err


def run_apart(*arguments):
    """In a process of its own: playwright runs once in each, and other tests have theirs open."""
    command = [sys.executable, "-m", "webgemma", "bench", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.xdist_group("browser")
def test_figures_of_chromium(site, tmp_path):
    picture = tmp_path / "kernels.svg"
    code, out, err = run_apart(
        site, "--browser", "--prompts", "3", "--contexts", "5,40", "--repeat", "1",
        "--json", "-q", "--picture", picture,
    )  # fmt: skip
    assert code == 0, err
    data = json.loads(out)
    assert data["backend"].startswith("Chromium ")
    assert [rate["tokens"] for rate in data["prefill"]] == [3]
    assert [rate["tokens"] for rate in data["decode"]] == [5, 40]
    assert all(0 < rate["seconds_per_token"] < 60 for rate in data["prefill"] + data["decode"])
    program = json.loads((site / "models/pebble/program.json").read_text(encoding="utf-8"))
    steps = program["phases"]["decode"]
    assert sum(kernel["dispatches"] for kernel in data["kernels"]) == len(steps)
    assert {kernel["name"] for kernel in data["kernels"]} == {step["kernel"] for step in steps}
    assert all(kernel["seconds"] > 0 for kernel in data["kernels"])
    manifest = json.loads((site / "models/pebble/webgemma.json").read_text(encoding="utf-8"))
    assert data["weights_nbytes"] == pytest.approx(manifest["weights"]["nbytes"], rel=0.02)
    assert 1e7 < data["copy_bandwidth"] < 1e13
    assert 1e8 < data["multiply_add_rate"] < 1e15
    assert data["load_seconds"] > 0
    assert picture.read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.xdist_group("browser")
def test_what_the_page_refuses_is_said(site):
    code, out, err = run_apart(site, "--browser", "-q", "--variant", "fast")
    assert (code, out) == (1, "")
    assert "in Chromium: ConfigError: variant 'fast': expected auto or one of" in err


def test_without_playwright(site, capsys, monkeypatch):
    monkeypatch.setattr(bench_browser.importlib.util, "find_spec", lambda name: None)
    code, _, err = run(capsys, site, "--browser", "-q")
    assert code == 1
    assert err.strip() == (
        "error: --browser: got no Python package playwright, expected it to be installed. "
        "Run: pip install playwright"
    )


def test_without_chromium(site, capsys, monkeypatch):
    pytest.importorskip("playwright")
    monkeypatch.delenv("WEBGEMMA_CHROMIUM", raising=False)
    monkeypatch.setattr(bench_browser.shutil, "which", lambda name: None)
    code, _, err = run(capsys, site, "--browser", "-q")
    assert code == 1
    assert err.startswith("error: --browser: got none of chromium, chromium-browser, ")


def test_limits_are_chromiums(site, capsys):
    code, _, err = run(capsys, site, "--browser", "--limits", "adapter", "-q")
    assert code == 1
    assert "--limits: got 'adapter' with --browser" in err

"""Several models in one site: what is written, what is refused, and how one of them is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from webgemma import ModelRequest, build_site
from webgemma.errors import ConfigError, FormatError
from webgemma.hosts import HOSTS, Host
from webgemma.layout import find_model, read_index, read_manifest

A, B = "gemma2-Q4_K.gguf", "gemma-Q4_1.gguf"


def webgemma(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "webgemma", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def site(fixtures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("several") / "site"
    result = webgemma(
        "build", fixtures / A, fixtures / B, "-o", out, "-q",
        "--model-id", "large", "--model-id", "small", "--name", "Large", "--name", "-",
        "--context-window-size", "256",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert [line.split()[1] for line in result.stdout.splitlines() if line[:6] == "model "] == [
        "Large",
        read_manifest(find_model(out, "small"))["name"],
    ]
    return out


def test_each_model_has_the_folder_it_has_alone(site: Path, fixtures: Path, tmp_path: Path) -> None:
    assert [entry["id"] for entry in read_index(site)] == ["large", "small"]
    build_site(fixtures / B, tmp_path / "alone", model_id="small", context_window_size=256)
    assert files(site / "models/small") == files(tmp_path / "alone/models/small")
    assert [path.name for path in site.parent.iterdir()] == ["site"]
    headers = (site / "_headers").read_text()
    assert all(f"/models/{name}/weights-" in headers for name in ("large", "small"))


def test_requests_have_options_of_their_own(fixtures: Path, tmp_path: Path) -> None:
    stages: dict[str, list[tuple[int, int]]] = {}
    report = build_site(
        [fixtures / B, ModelRequest(fixtures / A, model_id="b", quantization="q8_0")],
        tmp_path / "site",
        model_id="a",
        progress=lambda stage, done, total: stages.setdefault(stage, []).append((done, total)),
    )
    assert [model.id for model in report.models] == ["a", "b"]
    assert [list(model.storage) for model in report.models] == [["q4_1", "q6_k"], ["q8_0"]]
    # To whoever watches, all models are one stage that only grows.
    for name, seen in stages.items():
        done, totals = zip(*seen[1 if name == "reading" else 0 :], strict=True)
        assert list(done) == sorted(done), name
        assert {done[-1]} == set(totals), name


def test_ids_are_unique(fixtures: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        build_site([fixtures / A, fixtures / B], tmp_path / "site", model_id="x")
    assert str(caught.value) == (
        f"{fixtures / B}: got model id 'x', which {fixtures / A} has in this site too, expected "
        "one for each. Give every model its own --model-id."
    )
    with pytest.raises(ConfigError, match="got no model, expected at least one"):
        build_site([], tmp_path / "site")
    assert os.listdir(tmp_path) == []


def test_it_is_all_of_them_or_nothing(fixtures: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    whole = (fixtures / B).read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match=r"broken\.gguf"):
        build_site([fixtures / A, broken], tmp_path / "site")
    assert os.listdir(tmp_path) == ["broken.gguf"]


def test_a_hosts_limits_are_those_of_the_whole(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 2_000_000  # either model fits, both do not
    monkeypatch.setitem(HOSTS, "small", Host("a small host", max_site_nbytes=limit))
    with pytest.raises(ConfigError) as caught:
        build_site([fixtures / A, fixtures / B], tmp_path / "site", host="small")
    assert f"expected at most {limit:,}" in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--name", "x"], "--name: got 1 for 2 SOURCEs, expected 2"),
        (["--mmproj", "x"], "--mmproj: got 1 for 2 SOURCEs, expected 2"),
        (["--quantization", "f16"] * 3, "--quantization: got 3 for 2 SOURCEs, expected 1 or 2"),
    ],
)
def test_options_are_for_each_or_for_all(
    fixtures: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    result = webgemma("build", fixtures / A, fixtures / B, "-o", tmp_path / "site", *options)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: Invalid value: {message}, in their order; '-' leaves one out. "
        "Try: webgemma build --help\n"
    )


@pytest.mark.parametrize(
    "command",
    [
        ["run", "SITE", "Hello"],
        ["bench", "SITE"],
        ["eval", "SITE", "--text", "TEXT"],
        ["doctor", "SITE"],
        ["inspect", "SITE", "--program"],
        ["estimate", "SITE"],
    ],
    ids=lambda command: command[0],
)
def test_commands_say_which_models_there_are(
    site: Path, tmp_path: Path, command: list[str]
) -> None:
    text = tmp_path / "text"
    text.write_text("A text.")
    words = {"SITE": str(site), "TEXT": str(text)}
    result = webgemma(*(words.get(word, word) for word in command))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"error: {site}: got a site of 2 models, expected one of them to be named: large, small. "
        f"Choose with --model ID, or give the folder {site}/models/ID.\n"
    )
    result = webgemma(*(words.get(word, word) for word in command), "--model", "tiny")
    assert result.stderr == f"error: {site}: got model 'tiny', expected one of: large, small.\n"


def test_inspect_lists_them(site: Path) -> None:
    shown = json.loads(webgemma("inspect", site, "--json").stdout)["models"]
    assert [(model["id"], model["architecture"]) for model in shown] == [
        ("large", "gemma2"),
        ("small", "gemma"),
    ]
    assert f"webgemma inspect {site} --model large" in webgemma("inspect", site).stdout
    one = json.loads(webgemma("inspect", site, "--model", "small", "--json").stdout)
    assert one["id"] == "small"


@pytest.mark.gpu
def test_each_runs_by_its_id(site: Path) -> None:
    for name in ("large", "small"):
        result = webgemma("run", site, "Hello", "--model", name, "--max-tokens", "2", "--json")
        assert result.returncode == 0, result.stderr
        assert len(json.loads(result.stdout)["tokens"]) <= 2

"""`webgemma eval` as a user meets it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from webgemma.build import build_site
from webgemma.resources import built_in_model


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "webgemma", "eval", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, fixtures: Path) -> Path:
    folder = tmp_path_factory.mktemp("eval")
    build_site(fixtures / "gemma2-Q4_K.gguf", folder / "q4_k")
    (folder / "text.txt").write_text("the quick brown fox jumps over the lazy dog. " * 20)
    return folder / "q4_k"


@pytest.mark.gpu
def test_everything_in_one_call(site: Path, fixtures: Path, tmp_path: Path) -> None:
    """A reference that has to be built, the table, CSV, the picture and the record."""
    result = run(
        site, "--text", site.parent / "text.txt", "--reference", fixtures / "gemma2-F16.gguf",
        "--context", "32", "--chunks", "2", "--csv", tmp_path / "a.csv", "--picture",
        tmp_path / "a.svg", "--record",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split() == [
        "model", "MB", "%", "perplexity", "KL", "mean", "KL", "99.9", "%", "KL", "max",
        "same", "top", "token",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[1:3]] == ["gemma2-F16", "q4_k"]
    assert re.search(r"^q4_k +64 tokens of 64 tokens  100 %  [\d,]+ tokens/s", result.stderr, re.M)
    assert re.search(r"^hashing .* 100 %", result.stderr, re.M)
    assert (tmp_path / "a.csv").read_text().count("\n") == 3
    assert (tmp_path / "a.svg").read_text().startswith("<svg ")
    manifest = json.loads(next(site.rglob("webgemma.json")).read_text())
    assert manifest["quality"]["reference"]["name"] == "holdout-gemma2-fixture"
    shown = subprocess.run(
        [sys.executable, "-m", "webgemma", "inspect", site],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert re.search(r"^perplexity +\S+ ± \S+$", shown.stdout, re.M)


@pytest.mark.gpu
def test_json_is_one_object_and_quiet_is_quiet(site: Path) -> None:
    text = site.parent / "text.txt"
    result = run(site, "--text", text, "--context", "32", "--chunks", "2", "--json", "-q")
    data = json.loads(result.stdout)
    assert data["reference"] is None
    assert data["models"][0]["perplexity"] > 1
    assert data["models"][0]["kl_mean"] is None
    assert result.stderr == ""


def test_a_short_text_is_one_line(site: Path, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("hello")
    result = run(site, "--text", tmp_path / "short.txt")
    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(
        r"error: --text: got \d+ tokens, expected at least 1,024 \(2 chunks of 512\)\. .*\n",
        result.stderr,
    )


def test_what_is_wrong_is_said_before_a_reference_is_built(
    site: Path, fixtures: Path, tmp_path: Path
) -> None:
    """The one line of the error is all of stderr: nothing was packed or hashed."""
    text, reference = site.parent / "text.txt", fixtures / "gemma2-F16.gguf"
    model = next(site.rglob("webgemma.json")).parent
    (tmp_path / "short.txt").write_text("hello")

    def said(text: str | Path, reference: Path, *more: str) -> str:
        result = run(site, "--text", text, "--reference", reference, *more)
        assert result.returncode == 1
        return result.stderr.removesuffix("\n").removeprefix("error: ")

    assert said("none.txt", reference) == "none.txt: cannot be read: No such file or directory."
    assert said(tmp_path / "short.txt", reference) == (
        "--text: got 4 tokens, expected at least 1,024 (2 chunks of 512). Give a longer text or a "
        "smaller --context."
    )
    assert said(text, reference, "--context", "513") == (
        f"--context: got 513, expected at most 512, the maximum of {model}."
    )
    pebble = built_in_model()
    assert re.fullmatch(
        re.escape(f"{pebble}: got ") + r"[\d,]+" + re.escape(" tokens of the text, expected the ")
        + r"[\d,]+" + re.escape(f" of {model}, each the same. The vocabularies differ: evaluate "
        "them apart."),
        said(text, pebble, "--context", "32"),
    )  # fmt: skip
    missing = tmp_path / "none.gguf"
    assert said(text, missing, "--context", "32") == f"{missing}: no such file. Check the path."


def test_a_file_that_could_not_be_written_is_noticed_first(site: Path, tmp_path: Path) -> None:
    file = tmp_path / "none" / "a.csv"
    result = run(site, "--text", site.parent / "text.txt", "--csv", file)
    assert result.stderr == (
        f"error: {file}: got no folder {file.parent}, expected one. Make it first.\n"
    )


def test_a_text_is_needed(site: Path) -> None:
    result = run(site)
    assert result.returncode == 2
    assert result.stderr == "error: Missing option '--text'. Try: webgemma eval --help\n"

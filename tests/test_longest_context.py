"""A context that is cut to what a binding holds is said wherever the context is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.make_gguf import read_back, write_gguf
from tests.support.messages import message_of
from webgemma.build import build_site
from webgemma.errors import ConfigError
from webgemma.inspect import describe_site, describe_source, estimate
from webgemma.program.context import why_shorter

MOST = (128 << 20) // (2 * 64 * 4)
"""Two key heads of 64, as f32, in 128 MiB."""
WHY = (
    "at most 262,144 of the model's 1,000,000 tokens, for which the keys of one layer, "
    "or rotations, fill a binding (128 MiB, WebGPU's default limit)"
)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, fixtures: Path) -> Path:
    """A small Gemma 2 that says it takes a million tokens."""
    architecture, metadata, tensors = read_back(fixtures / "gemma2-Q4_K.gguf")
    metadata[f"{architecture}.context_length"] = 1_000_000
    return write_gguf(
        tmp_path_factory.mktemp("long") / "long.gguf", architecture, metadata, tensors
    )


def section(facts: Any, title: str) -> str:
    """The text of a section."""
    return next(text for name, text in facts.sections if name.startswith(title))


def test_build_says_it(long: Path, tmp_path: Path) -> None:
    assert MOST == 262_144
    command = [sys.executable, "-m", "webgemma", "build", long, "-o", tmp_path / "site", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == f"warning: The context is {WHY}.\n"
    assert "context     4,096 tokens, at most 262,144\n" in done.stdout
    facts = describe_site(tmp_path / "site")
    assert f"context            {WHY}\n" in section(facts, "Will it run?")
    assert section(estimate(tmp_path / "site"), "Longest context") == WHY


def test_a_source_says_it(long: Path) -> None:
    facts = describe_source(long)
    assert "context          1,000,000 tokens" in section(facts, "What it is")
    assert f"context            {WHY}\n" in section(facts, "Will it run?")
    facts = estimate(long)
    assert section(facts, "Longest context") == WHY
    assert facts.data["max_context_window_size"] == MOST
    assert facts.data["max_position_embeddings"] == 1_000_000
    assert max(row["context_window_size"] for row in facts.data["memory"]) == MOST


def test_more_is_refused_with_the_reason(long: Path, tmp_path: Path) -> None:
    def build() -> None:
        build_site(long, tmp_path / "site", context_window_size=MOST + 1)

    assert message_of(ConfigError, build) == (
        f"--context-window-size: got 262145, expected 1 to 262144 ({WHY})."
    )
    assert message_of(ConfigError, lambda: estimate(long, context=MOST + 1)) == (
        f"--context: got 262145, expected 1 to 262144 ({WHY})."
    )


def test_what_is_not_cut_is_not_explained(fixtures: Path, tmp_path: Path) -> None:
    source = fixtures / "gemma2-Q4_K.gguf"
    report = build_site(source, tmp_path / "site")
    assert report.models[0].warnings == []
    assert report.models[0].context == {"default": 512, "max": 512}
    assert "context            at most 512 tokens\n" in section(describe_source(source), "Will it")
    assert "Longest context" not in [title for title, _ in estimate(source).sections]
    assert why_shorter(512, None) is None

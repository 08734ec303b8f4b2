"""Logits and tokens of llama.cpp-made files, against their exact float64 logits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.runtime.conftest import NAMES
from tests.support.golden import check_argmax, mean_kl
from tests.support.greedy import greedy_tokens
from webgemma.program.spec import program_from_json
from webgemma.runtime.session import Session, open_session
from webgemma.runtime.shards import SiteModel, open_site_model

pytestmark = pytest.mark.gpu

F32_TOLERANCE = 1e-3
F16_TOLERANCE = 0.25
F16_KL = 1e-4


Open = Callable[[str, str], Session]


@pytest.fixture(scope="module")
def opened(sites: dict[str, Path]) -> Iterator[Open]:
    """A session on a fixture in a variant, opened once each; it reuses no tokens."""
    with ExitStack() as sessions:

        @cache
        def open_(name: str, variant: str) -> Session:
            return sessions.enter_context(open_session(sites[name], variant=variant))

        def opened(name: str, variant: str) -> Session:
            session = open_(name, variant)
            session.cached = []
            return session

        yield opened


def load(fixtures, name):
    """The reference arrays of a fixture."""
    return np.load(fixtures / f"{name}.npz")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variant", ["f32", "subgroups"])
def test_f32_logits(name, variant, opened, fixtures):
    reference = load(fixtures, name)
    session = opened(name, variant)
    assert session.encode_text(str(reference["text"])) == reference["tokens"].tolist()
    logits = session.logits(reference["tokens"].tolist())
    difference = np.abs(logits - reference["logits"]).max()
    skipped = check_argmax(logits, reference["logits"], F32_TOLERANCE)
    print(f"{name} {variant}: maxdiff {difference:.2e}, arg-max skipped at {skipped} positions")
    assert difference <= F32_TOLERANCE


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variant", ["f16", "f16+subgroups"])
def test_f16_logits(name, variant, opened, fixtures):
    reference = load(fixtures, name)
    logits = opened(name, variant).logits(reference["tokens"].tolist())
    difference = np.abs(logits - reference["logits"]).max()
    kl = mean_kl(logits, reference["logits"])
    skipped = check_argmax(logits, reference["logits"], F16_TOLERANCE)
    print(f"{name} {variant}: maxdiff {difference:.3f}, mean KL {kl:.1e}, skipped {skipped}")
    assert difference <= F16_TOLERANCE
    assert kl <= F16_KL


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variant", ["f32", "f16+subgroups"])
def test_greedy_tokens_equal_llama_cpp(name, variant, opened, fixtures):
    """Decode, token by token, reusing the caches that prefill filled."""
    reference = load(fixtures, name)
    produced = greedy_tokens(opened(name, variant), reference["tokens"].tolist(), 32)
    assert produced == reference["greedy"].tolist()


@pytest.mark.parametrize("name", NAMES)
def test_chunks_and_single_tokens_agree(name, sites, fixtures):
    """One chunk, chunks of 48, and one token at a time give the same logits."""
    reference = load(fixtures, name)
    tokens = reference["tokens"].tolist()[:100]
    with open_session(sites[name], variant="f32") as session:
        for chunk in (48, 1):
            session.program = replace(session.program, prefill_chunk_size=chunk)
            logits = session.logits(tokens)
            assert np.abs(logits - reference["logits"][:100]).max() <= F32_TOLERANCE


def changed_model(sites, name, monkeypatch, change):
    """Make `open_session` see a changed program.json or shaders."""
    original_program, original_shaders = SiteModel.program, SiteModel.shaders
    if change == "rope":

        def program(self):
            data = original_program(self).to_json()
            init = data["buffers"]["rope"]["init"]
            init["factors"] = [0.0] * len(init["factors"])
            return program_from_json(data)

        monkeypatch.setattr(SiteModel, "program", program)
        return
    old, new = {
        "softcap": ("50.0 * tanh(clamp(v / 50.0, -15.0, 15.0))", "v"),
        "window": ("const WINDOW = 64u;", "const WINDOW = 63u;"),
    }[change]
    texts = [text for text in original_shaders(open_site_model(sites[name])).values()]
    assert any(old in text for text in texts)
    monkeypatch.setattr(
        SiteModel,
        "shaders",
        lambda self: {k: v.replace(old, new) for k, v in original_shaders(self).items()},
    )


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("gemma2-F16", "softcap"),
        ("gemma2-F16", "window"),
        ("gemma2-F16", "rope"),
        ("gemma-Q4_1", "rope"),
        ("llama-Q4_0", "rope"),
    ],
)
def test_leaving_out_a_part_is_noticed(name, change, sites, fixtures, monkeypatch):
    """The fixtures can tell: no soft cap, a window off by one, no rotation each break them."""
    reference = load(fixtures, name)
    changed_model(sites, name, monkeypatch, change)
    with open_session(sites[name], variant="f32") as session:
        logits = session.logits(reference["tokens"].tolist())
    difference = np.abs(logits - reference["logits"]).max()
    print(f"{name} without {change}: maxdiff {difference:.2f}")
    assert difference > 100 * F32_TOLERANCE

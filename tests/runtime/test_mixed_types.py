"""Layers whose gate and up are of different types: the fixture's weights, one of them as floats."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.gpu import VARIANTS
from tests.support.greedy import greedy_tokens
from tests.support.make_gguf import read_back, write_gguf
from webgemma.build import build_site
from webgemma.runtime.session import open_session

pytestmark = pytest.mark.gpu

NAME = "gemma2-F16"
TOLERANCE = {"f32": 1e-3, "f16": 0.25}


def copy_with_floats(source, out, short_name):
    """A copy of a GGUF file in which one tensor of every layer is decoded to float32."""
    architecture, metadata, tensors = read_back(source)
    for name, tensor in tensors.items():
        if name.split(".")[-2] == short_name:
            tensors[name] = np.asarray(tensor, np.float32)
    return write_gguf(out, architecture, metadata, tensors)


@pytest.fixture(scope="module", params=["ffn_gate", "ffn_up"])
def site(request, fixtures, tmp_path_factory):
    """The site of the fixture with the gate, or up, as float32."""
    folder = tmp_path_factory.mktemp(request.param)
    path = copy_with_floats(fixtures / f"{NAME}.gguf", folder / "mixed.gguf", request.param)
    build_site(path, folder / "site")
    return folder / "site"


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_and_greedy_tokens(site, variant, fixtures):
    """The numbers are the fixture's own, so are the exact logits and llama.cpp's tokens."""
    reference = np.load(fixtures / f"{NAME}.npz")
    tokens = reference["tokens"].tolist()
    with open_session(site, variant=variant) as session:
        logits = session.logits(tokens)
        produced = greedy_tokens(session, tokens, 32)
    difference = np.abs(logits - reference["logits"]).max()
    print(f"{variant}: maxdiff {difference:.2e}")
    assert difference <= TOLERANCE["f16" if "f16" in variant else "f32"]
    assert produced == reference["greedy"].tolist()

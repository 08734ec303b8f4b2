"""The seeded files that other tests and benchmarks build from are sane, and the same each time."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import dequantize

from tests.support.seeded_gguf import gemma2_2b_q4_k_m, so400m_mmproj, write_seeded_gguf
from tests.support.vocabulary import FIRST_PLACE, SPACE, make_vocabulary, with_image_tokens
from webgemma.sources import open_checkpoint
from webgemma.sources.tensor import FileTensor

FIXTURES = Path(__file__).parent.parent / "fixtures"


def small_listing() -> dict[str, Any]:
    """The listing with a sixteenth of its sizes and 2,000 tokens."""
    path = FIXTURES / "gemma-2b-instruct-v1.1-q4_1.gguf-listing.json"
    listing: dict[str, Any] = json.loads(path.read_text())
    for tensor in listing["tensors"]:
        tensor["shape"] = [2_000 if n == 256_000 else max(256, n // 16) for n in tensor["shape"]]
    return listing


def test_holds_what_the_listing_names(tmp_path: Path) -> None:
    listing = small_listing()
    path = write_seeded_gguf(listing, tmp_path / "a.gguf", layers=2)
    checkpoint = open_checkpoint(path)
    layers = ("token_embd", "output_norm", "blk.0.", "blk.1.")
    expected = [t for t in listing["tensors"] if t["name"].startswith(layers)]
    got = [(t.name, t.type, list(t.shape)) for t in checkpoint.tensors.values()]
    assert got == [(t["name"], t["type"], t["shape"][::-1]) for t in expected]
    assert checkpoint.architecture == "gemma"
    assert set(checkpoint.metadata) == set(listing["metadata"])
    assert checkpoint.metadata["gemma.block_count"] == 2
    assert checkpoint.metadata["gemma.embedding_length"] == 2048
    assert checkpoint.metadata["general.file_type"] == 3
    assert checkpoint.metadata["tokenizer.ggml.add_bos_token"] is True
    assert checkpoint.metadata["gemma.attention.layer_norm_rms_epsilon"] == pytest.approx(1e-6)
    assert len(checkpoint.metadata["tokenizer.ggml.tokens"]) == 2_000


def shrunk(listing: dict[str, Any]) -> dict[str, Any]:
    """The listing with a sixteenth of its rows."""
    for tensor in listing["tensors"]:
        *inner, rows = tensor["shape"]
        tensor["shape"] = [*inner, rows // 16] if inner else [rows]
    return listing


@pytest.mark.parametrize(
    "listing", [small_listing(), shrunk(gemma2_2b_q4_k_m()), shrunk(so400m_mmproj())]
)
def test_weights_are_sane(listing: dict[str, Any], tmp_path: Path) -> None:
    path = write_seeded_gguf(listing, tmp_path / "a.gguf", layers=1)
    for tensor in open_checkpoint(path).tensors.values():
        assert isinstance(tensor, FileTensor)
        rows = tensor.read_rows(0, tensor.num_rows)
        values = dequantize(rows, GGMLQuantizationType[tensor.type])
        assert np.isfinite(values).all()
        mean, std = 0, math.prod(tensor.shape[1:]) ** -0.5
        if tensor.type == "F32":
            is_gain = len(tensor.shape) == 1 and not tensor.name.endswith(".bias")
            mean, std = int(is_gain), 0.1
        assert values.mean() == pytest.approx(mean, abs=0.1 * std + 0.02 * mean), tensor.name
        assert values.std() == pytest.approx(std, rel=0.1), tensor.name


def test_the_same_bytes_each_time(tmp_path: Path) -> None:
    files = [
        write_seeded_gguf(small_listing(), tmp_path / f"{name}.gguf", layers=1, seed=seed)
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    first, again, other = (path.read_bytes() for path in files)
    assert first == again
    assert first != other


def test_vocabulary_is_like_gemmas() -> None:
    vocabulary = make_vocabulary(8_000)
    tokens = vocabulary.tokens
    assert len(set(tokens)) == 8_000
    assert tokens[:5] == ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    assert tokens[106:108] == ["<start_of_turn>", "<end_of_turn>"]
    assert tokens[108:111] == ["\n", "\n\n", "\n\n\n"]
    assert tokens[217:473] == [f"<0x{byte:02X}>" for byte in range(256)]
    assert Counter(vocabulary.types) == {1: 8_000 - 6 - 256, 2: 1, 3: 5, 6: 256}
    assert vocabulary.scores[:474] == [0.0] * 474
    assert vocabulary.scores[474:] == [-float(i) for i in range(1, 8_000 - 473)]


def test_every_merged_piece_is_made_of_two_others() -> None:
    tokens = make_vocabulary(8_000).tokens
    trained = set(tokens[473:])
    merged = [piece for piece in trained if len(piece) > 1]
    assert len(merged) > 5_000
    for piece in merged:
        assert any(piece[:i] in trained and piece[i:] in trained for i in range(1, len(piece)))
        assert SPACE not in piece[1:]


def test_paligemmas_own_tokens_stand_where_its_vocabulary_has_them() -> None:
    vocabulary = with_image_tokens(make_vocabulary(257_216))
    tokens = vocabulary.tokens
    assert len(tokens) == len(set(tokens)) == len(vocabulary.types) == len(vocabulary.scores)
    assert tokens[FIRST_PLACE : FIRST_PLACE + 2] == ["<loc0000>", "<loc0001>"]
    assert tokens[257_023:257_025] == ["<loc1023>", "<seg000>"]
    assert tokens[257_151:257_154] == ["<seg127>", "<image>", "[PAD257153]"]
    assert tokens[-1] == "[PAD257215]"
    assert set(vocabulary.types[FIRST_PLACE:]) == {3}

"""sentencepiece, Hugging Face's tokenizers and the page's tokenizer give the same ids.

10,000 texts by default; WEBGEMMA_LONG=1 makes it 100,000.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sentencepiece
import tokenizers
from gguf import GGUFReader

from tests.support.node import run_node
from tests.support.sentencepiece_model import CONTROL, Piece, write_model
from tests.support.strings import make_strings
from webgemma.checkpoint import TokenizerSource
from webgemma.tokenizer import Tokenizer, make_tokenizer_json
from webgemma.tokenizer.sentencepiece import read_sentencepiece

FIXTURES = Path(__file__).parents[1] / "fixtures"
MODEL = FIXTURES / "tokenizer.model"
COUNT = 100_000 if os.environ.get("WEBGEMMA_LONG") == "1" else 10_000
MARKERS = ("<start_of_turn>", "<end_of_turn>")
SPACE = "\u2581"


def read_source(kind: str) -> TokenizerSource:
    if kind == "sentencepiece":
        return TokenizerSource(sentencepiece=MODEL.read_bytes())
    if kind == "tokenizer.json":
        return TokenizerSource(tokenizer_json=make_tokenizer_json(read_source("sentencepiece")))
    fields = GGUFReader(FIXTURES / "gemma2-Q4_K.gguf").fields
    keys = {key: field.contents() for key, field in fields.items() if key.startswith("tokenizer.")}
    return TokenizerSource(gguf=keys)


def masked_pieces() -> list[Piece]:
    """The pieces of the fixture with the turn markers masked: control pieces match no text."""
    found = read_sentencepiece(MODEL.read_bytes())
    rows = zip(found.pieces, found.scores, found.types, strict=True)
    return [(p, score, CONTROL if p in MARKERS else kind) for p, score, kind in rows]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return list(make_strings(COUNT, seed=5))


@pytest.fixture(scope="module")
def expected(texts: list[str]) -> list[list[int]]:
    reference = sentencepiece.SentencePieceProcessor()
    reference.LoadFromSerializedProto(write_model(masked_pieces()))
    return [list(ids) for ids in reference.EncodeAsIds(texts)]


def test_the_masked_reference_is_the_model_itself_where_no_marker_is(
    texts: list[str], expected: list[list[int]]
) -> None:
    reference = sentencepiece.SentencePieceProcessor(model_file=str(MODEL))
    plain = [i for i, text in enumerate(texts) if not any(m in text for m in MARKERS)]
    assert len(plain) > COUNT / 2
    assert [reference.EncodeAsIds(texts[i]) for i in plain] == [expected[i] for i in plain]


@pytest.mark.parametrize("kind", ["sentencepiece", "tokenizer.json", "gguf"])
def test_ids_are_those_of_sentencepiece(
    kind: str, texts: list[str], expected: list[list[int]], tmp_path: Path
) -> None:
    content = make_tokenizer_json(read_source(kind))

    package = tokenizers.Tokenizer.from_buffer(content)
    package.encode_special_tokens = True
    encoded = package.encode_batch(texts, add_special_tokens=False)
    assert [encoding.ids for encoding in encoded] == expected

    ours = Tokenizer.from_json(content)
    assert [ours.encode(text) for text in texts] == expected

    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    script = Path(__file__).with_name("encode.mjs")
    page = run_node(script, {"tokenizer": str(path), "texts": texts}, tmp_path)
    assert page["ids"] == expected

    # U+2581 stands for a space in the pieces, so that only texts without it come back.
    with_space = {i for i, text in enumerate(texts) if SPACE in text}
    assert 0 < len(with_space) < COUNT / 2
    undecoded = {i for i, text in enumerate(texts) if ours.decode(expected[i]) != text}
    assert undecoded == with_space == set(page["undecoded"])


@pytest.mark.parametrize("name", ["gemma-Q4_1", "gemma2-Q4_K", "gemma2-F16"])
def test_ids_are_those_of_llama_cpp(name: str) -> None:
    import numpy as np

    with np.load(FIXTURES / f"{name}.npz") as fixture:
        text, ids = str(fixture["text"]), fixture["tokens"].tolist()
    bos, *rest = ids
    for kind in ("sentencepiece", "gguf"):
        tokenizer = Tokenizer.from_json(make_tokenizer_json(read_source(kind)))
        assert tokenizer.encode(text) == rest
        assert tokenizer.decode(ids) == text
        assert tokenizer.piece(bos) == "<s>"

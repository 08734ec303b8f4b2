"""PaliGemma's <loc> and <seg> tokens are text in both runners, whatever type a converter gave."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.make_gguf import write_gguf
from tests.support.node import run_node
from tests.support.sentencepiece_model import write_model
from tests.support.vocabulary import (
    CONTROL,
    NORMAL,
    SpmVocabulary,
    make_vocabulary,
    with_image_tokens,
)
from webgemma.checkpoint import TokenizerSource
from webgemma.image import Box, parse_boxes
from webgemma.sources import join_mmproj, open_checkpoint
from webgemma.tokenizer import Tokenizer, make_tokenizer_json

ANSWERS = Path(__file__).parent / "answers.mjs"
USER_DEFINED = 4
EOS, BOS = 1, 2
FIRST_PLACE = 4_000
SIZE = FIRST_PLACE + 1024 + 128 + 1
FIRST_CODE = FIRST_PLACE + 1024
IMAGE = FIRST_CODE + 128
TEXTS = ("detect cat", "segment <loc0000>", "<loc0256><seg127>", "<loc256> <image> <bos>")


@pytest.fixture(scope="module")
def vocabulary() -> SpmVocabulary:
    """A small one in PaliGemma's order, the places and codes control tokens."""
    return with_image_tokens(make_vocabulary(SIZE), FIRST_PLACE)


def from_gguf(vocabulary: SpmVocabulary, folder: Path) -> TokenizerSource:
    """Through a text's file and its tower's, as a build reads them."""
    keys = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": vocabulary.tokens,
        "tokenizer.ggml.scores": vocabulary.scores,
        "tokenizer.ggml.token_type": vocabulary.types,
    }
    one = {"x": np.ones(1, np.float32)}
    text = write_gguf(folder / "text.gguf", "gemma", keys, one)
    tower = write_gguf(folder / "tower.gguf", "clip", {}, {"v.x": one["x"]})
    return join_mmproj(open_checkpoint(text), tower).tokenizer


def marked(vocabulary: SpmVocabulary, kind: int) -> SpmVocabulary:
    """The vocabulary with places and codes of another type."""
    types = [
        kind if FIRST_PLACE <= i < IMAGE else before for i, before in enumerate(vocabulary.types)
    ]
    return dataclasses.replace(vocabulary, types=types)


def test_the_type_makes_no_difference(vocabulary: SpmVocabulary, tmp_path: Path) -> None:
    control = make_tokenizer_json(from_gguf(vocabulary, tmp_path))
    defined = marked(vocabulary, USER_DEFINED)
    assert make_tokenizer_json(from_gguf(defined, tmp_path)) == control


@pytest.mark.parametrize("kind", [CONTROL, USER_DEFINED, NORMAL, "sentencepiece"])
def test_answers_hold_boxes(vocabulary: SpmVocabulary, kind: int | str, tmp_path: Path) -> None:
    """In both runners, at once and token by token; what a user types stays text."""
    if isinstance(kind, int):
        source = from_gguf(marked(vocabulary, kind), tmp_path)
    else:
        pieces = zip(vocabulary.tokens, vocabulary.scores, vocabulary.types, strict=True)
        source = TokenizerSource(sentencepiece=write_model(pieces))
    content = make_tokenizer_json(source)
    (tmp_path / "tokenizer.json").write_bytes(content)
    tokenizer = Tokenizer.from_json(content)
    places = [FIRST_PLACE + n for n in (256, 0, 512, 1023)]
    cat, separator = tokenizer.encode(" cat"), tokenizer.encode(" ; ")
    codes = [FIRST_CODE, FIRST_CODE + 127]
    answers = [[*places, *cat], [*places, *codes, *cat, *separator, *places, *cat, EOS]]
    decoded = [tokenizer.decode(ids) for ids in answers]
    plain, masked = (Box("cat", 0.25, 0.0, 0.5, 1023 / 1024, codes) for codes in ((), (0, 127)))
    assert decoded[0] == "<loc0256><loc0000><loc0512><loc1023> cat"
    assert [parse_boxes(text) for text in decoded] == [[plain], [masked, plain]]
    ids = [tokenizer.encode(text) for text in TEXTS]
    if kind != NORMAL:  # a piece that others do not make is not found in a text
        assert ids[1] == [*tokenizer.encode("segment "), FIRST_PLACE]
        assert ids[2] == [FIRST_PLACE + 256, FIRST_CODE + 127]
    assert not {BOS, IMAGE} & {token for row in ids for token in row}
    argument = {
        "tokenizer": str(tmp_path / "tokenizer.json"), "texts": TEXTS, "answers": answers,
    }  # fmt: skip
    expected = json.dumps([[plain], [masked, plain]], default=dataclasses.asdict)
    assert run_node(ANSWERS, argument, tmp_path) == {
        "ids": ids, "decoded": decoded, "streamed": decoded, "boxes": json.loads(expected),
    }  # fmt: skip

"""The page's half, in Node: what xgrammar holds is a value of the schema too."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from tests.support.node import run_node
from tests.support.schemas import schema
from tests.support.structured_vocabularies import KINDS, tokenizer_json
from webgemma.resources import built_in_model, data_folder
from webgemma.tokenizer import Tokenizer

REPLIES = Path(__file__).parents[1] / "support/structured.mjs"
SCHEMAS = 200
LIMIT = 400


def check(tokenizer: bytes, stops: list[int], seeds: range, tmp_path: Path) -> None:
    """Have schemas answered at random, three times each."""
    if not (data_folder("web") / "vendor/xgrammar.js").is_file():
        pytest.fail("web/vendor is not complete: make vendor")
    schemas = [schema(seed) for seed in seeds]
    argument = {"tokenizer": tokenizer.decode(), "stops": stops, "schemas": schemas}
    replies = run_node(REPLIES, {**argument, "limit": LIMIT}, tmp_path)
    assert len(replies) == len(schemas)
    for wanted, texts in zip(schemas, replies, strict=True):
        assert len(texts) == 3
        for text in texts:
            jsonschema.validate(json.loads(text), wanted)


def test_random_replies_are_values_of_the_schema(tmp_path: Path) -> None:
    tokenizer = (built_in_model() / "tokenizer.json").read_bytes()
    check(tokenizer, [1, 5], range(SCHEMAS), tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_vocabulary_is_held(kind: str, tmp_path: Path) -> None:
    document = tokenizer_json(kind)
    stops = sorted(Tokenizer.from_json(document).control_token_ids)[:2]
    check(document, stops, range(0, SCHEMAS, 10), tmp_path)

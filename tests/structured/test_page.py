"""The page's half, in Node: what xgrammar holds is a value of the schema too."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from tests.support.node import run_node
from tests.support.schemas import schema
from webgemma.resources import built_in_model, data_folder

REPLIES = Path(__file__).parents[1] / "support/structured.mjs"
SCHEMAS = 200
LIMIT = 400


def test_random_replies_are_values_of_the_schema(tmp_path: Path) -> None:
    if not (data_folder("web") / "vendor/xgrammar.js").is_file():
        pytest.fail("web/vendor is not complete: make vendor")
    tokenizer = (built_in_model() / "tokenizer.json").read_text("utf-8")
    schemas = [schema(seed) for seed in range(SCHEMAS)]
    argument = {"tokenizer": tokenizer, "schemas": schemas, "limit": LIMIT}
    replies = run_node(REPLIES, argument, tmp_path)
    assert len(replies) == SCHEMAS
    for wanted, texts in zip(schemas, replies, strict=True):
        assert len(texts) == 3
        for text in texts:
            jsonschema.validate(json.loads(text), wanted)

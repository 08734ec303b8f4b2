"""Grammars of schemas: tests/cases/structured.json, the same for the JavaScript twin."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from tests.support.schemas import schema
from webgemma import errors
from webgemma.structured import schema_grammar
from webgemma.structured.walk import Paths, Walk

CASES = json.loads((Path(__file__).parents[1] / "cases" / "structured.json").read_text("utf-8"))


def start(wanted) -> Walk:
    return Paths(schema_grammar(wanted)).start()


def is_accepted(wanted, text: str) -> bool:
    walk = start(wanted).push(text.encode())
    return walk is not None and walk.may_end


@pytest.mark.parametrize("case", CASES["grammars"], ids=lambda case: json.dumps(case["schema"]))
def test_a_grammar_has_values_of_its_schema(case):
    wanted = case["schema"]
    assert start(wanted).rest().decode() == case["shortest"]
    for text in (case["shortest"], *case["accepts"]):
        assert is_accepted(wanted, text), text
        jsonschema.validate(json.loads(text), {} if wanted is True else wanted)
    for text in case["rejects"]:
        assert not is_accepted(wanted, text), text


@pytest.mark.parametrize(("wanted", "name", "message"), CASES["refused"])
def test_what_cannot_be_enforced_is_refused(wanted, name, message):
    with pytest.raises(getattr(errors, name)) as error:
        schema_grammar(wanted)
    assert str(error.value) == message


@pytest.mark.parametrize("seed", range(200))
def test_every_beginning_can_be_ended(seed):
    wanted = schema(seed)
    walk = start(wanted)
    text = walk.rest()
    jsonschema.validate(json.loads(text), wanted)
    assert walk.rest_nbytes == len(text)
    for at in range(len(text)):
        walk = walk.push(text[at : at + 1])
        assert walk is not None
        assert len(walk.rest()) == len(text) - at - 1
    assert walk.may_end


@pytest.mark.parametrize("begun", [b"\xe9\x9b", b"\xf0\x9f", b"\xe0", b"\xed", b"\xf4\x8f"])
def test_half_a_character_is_completed(begun):
    walk = start({"type": "string"}).push(b'"' + begun)
    assert walk is not None
    assert not walk.may_end
    text = (b'"' + begun + walk.rest()).decode()
    assert len(json.loads(text)) == 1
    assert walk.rest_nbytes == len(walk.rest())


@pytest.mark.parametrize(
    "data", [b"\x80", b"\xc0\x80", b"\xe0\x80", b"\xed\xa0", b"\xf4\x90", b"\xff"]
)
def test_bytes_that_are_no_text_are_refused(data):
    assert start({"type": "string"}).push(b'"' + data) is None


def test_numbers_keep_their_bounds():
    for seed in range(300):
        wanted = schema(seed)
        if wanted.get("type") != "number" or "pattern" in wanted:
            continue
        for value in (
            "-10000",
            "-99.99",
            "-1",
            "-0.01",
            "0",
            "0.5",
            "1",
            "7.25",
            "1234.5",
            "99999",
        ):
            is_valid = jsonschema.Draft202012Validator(wanted).is_valid(json.loads(value))
            assert is_accepted(wanted, value) == is_valid, (wanted, value)

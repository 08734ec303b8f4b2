"""Replies held to JSON Schemas, by the built-in model; tests/browser has the twin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from tests.support.schemas import schema
from webgemma.build import build_site
from webgemma.errors import ConfigError, UnsupportedError
from webgemma.resources import built_in_model
from webgemma.runtime.session import Session, open_session

pytestmark = pytest.mark.gpu

IS_LONG = os.environ.get("WEBGEMMA_LONG") == "1"
SCHEMAS = 200 if IS_LONG else 20
SEEDS = 2 if IS_LONG else 1
ROOM = 120  # tokens: for about one reply of three too few to say all it wants
PROMPT = "Tell me about yourself."
NO_LIBRARY = """
import sys
sys.modules["llguidance"] = None
from webgemma.errors import ConfigError
from webgemma.structured.llguidance import load_library
try:
    load_library()
except ConfigError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    site = tmp_path_factory.mktemp("structured") / "site"
    build_site(built_in_model(), site, model_id="pebble")
    with open_session(site) as session:
        yield session


def response_format(wanted):
    return {"type": "json_schema", "json_schema": {"name": "reply", "schema": wanted}}


@pytest.mark.parametrize("number", range(SCHEMAS))
def test_replies_are_values_of_their_schemas(session, number):
    wanted = schema(number)
    for seed in range(SEEDS):
        options = {"temperature": 1.5, "seed": seed, "max_tokens": ROOM}
        generation = session.generate(PROMPT, response_format=response_format(wanted), **options)
        text = "".join(generation)
        assert generation.finish_reason == "stop"
        assert len(generation.tokens) < ROOM
        jsonschema.validate(json.loads(text), wanted)


def test_any_json_greedy_with_penalties_and_logprobs(session):
    options = {"temperature": 0, "max_tokens": 40, "response_format": {"type": "json_object"}}
    text = "".join(session.generate(PROMPT, **options))
    assert isinstance(json.loads(text), dict)
    asked = {**options, "temperature": 1, "top_k": 5, "repetition_penalty": 1.2, "logprobs": True}
    generation = session.generate(PROMPT, **asked)
    assert isinstance(json.loads("".join(generation)), dict)
    assert all(choice.logprob <= 0 for choice in generation.choices)


def test_a_reply_without_a_format_is_what_it_was(session):
    plain = "".join(session.generate(PROMPT, temperature=0, max_tokens=8))
    "".join(session.generate(PROMPT, response_format=response_format({"const": 1})))
    assert "".join(session.generate(PROMPT, temperature=0, max_tokens=8)) == plain


def test_a_chat_is_held_to_its_format_too(session):
    messages = [{"role": "user", "content": PROMPT}]
    wanted = response_format({"type": "integer", "minimum": 3, "maximum": 7})
    completion = session.chat(messages, n=2, temperature=1, response_format=wanted)
    for choice in completion["choices"]:
        assert 3 <= json.loads(choice["message"]["content"]) <= 7


def test_what_cannot_be_is_refused(session):
    with pytest.raises(UnsupportedError, match="#/multipleOf of the schema cannot be enforced"):
        session.generate(
            PROMPT, response_format=response_format({"multipleOf": 7, "type": "integer"})
        )
    with pytest.raises(ConfigError, match="the shortest reply takes 2 tokens, got room for 1"):
        session.generate(PROMPT, response_format=response_format({"const": 1}), max_tokens=1)
    tools = [{"type": "function", "function": {"name": "f"}}]
    with pytest.raises(ConfigError) as error:
        session.generate(PROMPT, response_format=response_format({"const": 1}), tools=tools)
    assert str(error.value) == (
        "request: 'response_format': got \"JSON\", expected text beside tools: a reply is one or "
        "the other."
    )


def test_without_the_library_its_extra_is_named():
    result = subprocess.run(
        [sys.executable, "-c", NO_LIBRARY],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert result.stdout == (
        "response_format: got no package llguidance, which holds replies to JSON. Install it with: "
        'pip install "webgemma[structured]"\n'
    )

"""Replies of a model that says anything at all: whatever it says, it is a value of the schema.

Every allowed token is equally likely here, so that the whole of each grammar is walked through,
which no model does. tests/runtime/test_structured.py has the built-in model say them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import jsonschema
import numpy as np
import pytest

from tests.support.schemas import schema
from tests.support.structured_vocabularies import KINDS, tokenizer_json
from webgemma.errors import ConfigError
from webgemma.resources import built_in_model
from webgemma.runtime.sampling import allowed
from webgemma.structured import Constrainer, schema_grammar
from webgemma.structured.constraint import Constraint
from webgemma.tokenizer import Tokenizer

STOPS = (1, 5)
SCHEMAS = 200
VOCAB_SIZE = 1030  # the logits may be more than the tokens


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_json(built_in_model() / "tokenizer.json")


@pytest.fixture(scope="module")
def constrainer(tokenizer):
    return Constrainer(tokenizer, STOPS, VOCAB_SIZE)


def reply(
    constraint: Constraint,
    rng: np.random.Generator,
    stops: Sequence[int] = STOPS,
    vocab_size: int = VOCAB_SIZE,
) -> list[int]:
    """Tokens at random, up to a stop token."""
    tokens: list[int] = []
    while True:
        possible = np.flatnonzero(allowed(constraint.mask(), vocab_size))
        assert len(possible), f"no token may follow {tokens}"
        token = constraint.take(int(rng.choice(possible)))
        if token is None:
            token = constraint.take_shortest()
        if token in stops:
            return tokens
        tokens.append(token)


def shortest_limit(constrainer: Constrainer, grammar) -> int:
    """The least room that a reply can be begun in."""
    return next(limit for limit in range(1, 2000) if _fits(constrainer, grammar, limit))


def _fits(constrainer: Constrainer, grammar, limit: int) -> bool:
    try:
        constrainer.constraint(grammar, limit)
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize("seed", range(SCHEMAS))
def test_random_replies_are_values_of_the_schema(constrainer, tokenizer, seed):
    wanted = schema(seed)
    grammar = schema_grammar(wanted)
    least = shortest_limit(constrainer, grammar)
    for limit in (least, least + 1, least + 10, 400):
        rng = np.random.default_rng([seed, limit])
        tokens = reply(constrainer.constraint(grammar, limit), rng)
        assert len(tokens) < limit, "there is room for the stop token"
        jsonschema.validate(json.loads(tokenizer.decode(tokens)), wanted)


@pytest.mark.parametrize("seed", range(0, SCHEMAS, 10))
def test_the_library_allows_what_the_walk_does(constrainer, seed):
    constraint = constrainer.constraint(schema_grammar(schema(seed)), 120)
    rng = np.random.default_rng(seed)
    pieces = constraint.vocabulary.pieces
    token = None
    while constraint.ending is None and token not in STOPS:
        walk = constraint.walk
        possible = np.flatnonzero(allowed(constraint.mask(), VOCAB_SIZE))
        expected = [t for t, piece in enumerate(pieces) if piece and walk.push(piece) is not None]
        expected += STOPS if walk.may_end else ()
        if len(possible) > 1:
            assert set(possible) == set(expected)
        else:  # llguidance allows the longest alone where it is certain what comes
            assert possible in expected
        token = constraint.take(int(rng.choice(possible)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_vocabulary_is_held(kind):
    tokenizer = Tokenizer.from_json(tokenizer_json(kind))
    stops = sorted(tokenizer.control_token_ids)[:2]
    held = Constrainer(tokenizer, stops, VOCAB_SIZE * 2)
    for seed in range(0, SCHEMAS, 10):
        wanted = schema(seed)
        constraint = held.constraint(schema_grammar(wanted), 400)
        tokens = reply(constraint, np.random.default_rng(seed), stops, VOCAB_SIZE * 2)
        assert not tokenizer.control_token_ids & set(tokens)
        jsonschema.validate(json.loads(tokenizer.decode(tokens)), wanted)


def test_control_tokens_are_never_allowed(constrainer, tokenizer):
    constraint = constrainer.constraint(schema_grammar({"type": "string"}), 100)
    for char in '"':
        constraint.take(tokenizer.encode(char)[-1])
    possible = set(np.flatnonzero(allowed(constraint.mask(), VOCAB_SIZE)).tolist())
    assert possible
    assert not possible & tokenizer.control_token_ids
    assert max(possible) < tokenizer.vocab_size


def test_too_little_room_is_refused(constrainer):
    grammar = schema_grammar({"const": [1, 2, 3]})
    with pytest.raises(ConfigError) as error:
        constrainer.constraint(grammar, 3)
    assert str(error.value) == (
        "response_format: the shortest reply takes 10 tokens, got room for 3. Set max_tokens "
        "higher, or shorten the prompt."
    )

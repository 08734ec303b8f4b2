"""Schemas of everything that replies can be held to, drawn by a seed."""

from __future__ import annotations

from random import Random
from typing import Any

WORDS = ("name", "age", "city", "größe", "a/b", "x~y", 'say "hi"', "", "tags", "名前")
VALUES = ("red", "green", 'a "b"\\c', "\n", "é", 0, 7, -1.5, 1e-7, True, False, None, [], [1, "x"])
PATTERNS = (
    "^[a-z]{2,5}$",
    "^\\d{4}-\\d{2}$",
    "^(cat|dog)s?$",
    "[0-9]+",
    "^[^aeiou]{3}",
    "x.y$",
    '^["\\\\]{1,2}$',
    "^(?:[A-F]\\d)+$",
    "^a$|^b\\.c$",
)
DEPTH = 3


def schema(seed: int) -> dict[str, Any]:
    """A schema that has values; one of four refers to definitions."""
    random = Random(seed)
    has_definitions = random.random() < 0.25
    made = _schema(random, DEPTH, has_definitions)
    if not has_definitions:
        return made
    node = {
        "type": "object",
        "properties": {
            "value": _schema(random, 1, has_definitions=False),
            "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            "children": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2},
        },
        "required": random.choice([[], ["value"], ["value", "next"]]),
    }
    leaf = _schema(random, 0, has_definitions=False)
    return {**made, "$defs": {"node": node, "leaf": leaf}}


def _schema(random: Random, depth: int, has_definitions: bool) -> dict[str, Any]:
    makers = [_string, _integer, _number, _enum, _const, _literal]
    if depth:
        makers += [_object, _object, _object, _array, _any_of]
    if has_definitions:
        makers += [_reference]
    return random.choice(makers)(random, depth, has_definitions)


def _string(random: Random, *_: object) -> dict[str, Any]:
    if random.random() < 0.5:
        return {"type": "string", "pattern": random.choice(PATTERNS)}
    least = random.randrange(5)
    bounds = {"minLength": least, "maxLength": least + random.randrange(20)}
    return {"type": "string", **_some(random, bounds)}


def _integer(random: Random, *_: object) -> dict[str, Any]:
    return {"type": "integer", **_bounds(random, 0)}


def _number(random: Random, *_: object) -> dict[str, Any]:
    return {"type": "number", **_bounds(random, random.randrange(4))}


def _bounds(random: Random, decimals: int) -> dict[str, Any]:
    least = round(random.uniform(-1, 1) * 10 ** random.randrange(5), decimals)
    most = least + 2 + round(random.uniform(0, 1) * 10 ** random.randrange(5), decimals)
    low = {random.choice(["minimum", "exclusiveMinimum"]): least}
    high = {random.choice(["maximum", "exclusiveMaximum"]): most}
    return _some(random, {**low, **high})


def _enum(random: Random, *_: object) -> dict[str, Any]:
    return {"enum": random.sample(VALUES, random.randrange(1, 5))}


def _const(random: Random, *_: object) -> dict[str, Any]:
    return {"const": random.choice([*VALUES, {"a": 1, "b": [None]}])}


def _literal(random: Random, *_: object) -> dict[str, Any]:
    return {"type": random.choice(["boolean", "null", ["string", "null"], ["integer", "boolean"]])}


def _object(random: Random, depth: int, has_definitions: bool) -> dict[str, Any]:
    names = random.sample(WORDS, random.randrange(1, 5))
    properties = {name: _schema(random, depth - 1, has_definitions) for name in names}
    made: dict[str, Any] = {"type": "object", "properties": properties}
    made["required"] = [name for name in names if random.random() < 0.5]
    others = random.choice([None, False, True, {"type": "integer"}])
    return made if others is None else {**made, "additionalProperties": others}


def _array(random: Random, depth: int, has_definitions: bool) -> dict[str, Any]:
    least = random.randrange(3)
    bounds = {"minItems": least, "maxItems": least + random.randrange(4)}
    items = _schema(random, depth - 1, has_definitions)
    return {"type": "array", "items": items, **_some(random, bounds)}


def _any_of(random: Random, depth: int, has_definitions: bool) -> dict[str, Any]:
    count = random.randrange(2, 4)
    return {"anyOf": [_schema(random, depth - 1, has_definitions) for _ in range(count)]}


def _reference(random: Random, *_: object) -> dict[str, Any]:
    return {"$ref": random.choice(["#/$defs/node", "#/$defs/leaf"])}


def _some(random: Random, keywords: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in keywords.items() if random.random() < 0.75}

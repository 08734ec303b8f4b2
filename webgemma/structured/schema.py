"""A JSON Schema becomes a grammar of its values. web/runtime/structured/schema.js is its twin.

Every text of the grammar is a value of the schema, written as `json.dumps` does: one blank behind
a colon or comma and none elsewhere, properties in the schema's order. What the grammar could not
hold a reply to is refused, with its place in the schema.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from webgemma.errors import ConfigError, UnsupportedError
from webgemma.structured.grammar import (
    ROOT,
    Grammar,
    Lexeme,
    Node,
    Repeat,
    Rule,
    Text,
    choice,
    optional,
    sequence,
    shortest_texts,
)
from webgemma.structured.keywords import (
    ALL_TYPES,
    ALONE,
    ANNOTATIONS,
    AT_THE_ROOT,
    DEFINITIONS,
    KEYWORDS,
    bound,
    check_list,
    check_range,
    check_types,
    escape,
    is_of,
    quote,
    unescape,
    wrong,
)
from webgemma.structured.numbers import NUMBER, Bound, integer_node, number_node
from webgemma.structured.pattern import PatternError, pattern_node
from webgemma.structured.strings import CHARACTER, STRING, other_key, string_node

ANY_OBJECT: Mapping[str, Any] = {"type": "object"}
"""The schema of response_format {"type": "json_object"}."""
OPEN, CLOSE, COMMA = (Lexeme(Text(text)) for text in ("{", "}", ", "))
OPEN_ARRAY, CLOSE_ARRAY = Lexeme(Text("[")), Lexeme(Text("]"))
TRUE, FALSE, NULL = (Lexeme(Text(text)) for text in ("true", "false", "null"))
ANY_KEY = Lexeme(sequence(Text('"'), Repeat(CHARACTER, 0, None), Text('": ')))


def schema_grammar(schema: Any) -> Grammar:
    """Make a grammar of the values of a schema.

    Raises:
        UnsupportedError: the schema has keywords that cannot be enforced.
        ConfigError: it is no schema, or has no value.
    """
    compiler = _Compiler(schema)
    root = compiler.value(schema, "#")
    if compiler.refused:
        msg = (
            f"response_format: {', '.join(compiler.refused)} of the schema cannot be enforced. "
            "Leave it out; docs/structured.md lists what is enforced."
        )
        raise UnsupportedError(msg)
    rules = {ROOT: root, **compiler.rules}
    compiler.check_references(shortest_texts(rules))
    return Grammar(rules)


class _Compiler:
    """Makes the rules of one schema."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self.rules: dict[str, Node] = {}
        self.refused: list[str] = []
        """Where keywords stand that cannot be enforced."""
        self.references: dict[str, str] = {}
        """Target of a $ref -> the name of its rule."""
        self.within: str | None = None
        """The target that is being compiled, while nothing of its value was written."""
        self.follows: dict[str, set[str]] = {}
        """Target -> those that it refers to with nothing written before."""

    def value(self, schema: Any, path: str) -> Node:
        """The values of a schema that stands at `path`."""
        if schema is True or schema == {}:
            return self.any_value()
        if not isinstance(schema, dict):
            raise wrong(path, schema, "a schema: an object, or true")
        names = [name for name in schema if name not in ANNOTATIONS]
        if path == "#":
            names = [name for name in names if name not in AT_THE_ROOT]
        alone = next((name for name in ALONE if name in names), None)
        if alone is None:
            return self.typed(schema, names, path)
        beside = ("type",) if alone in ("const", "enum") else ()
        self.refuse((name for name in names if name not in (alone, *beside)), path)
        if alone == "$ref":
            return self.reference(schema["$ref"], path)
        if alone == "anyOf":
            schemas = check_list(schema["anyOf"], f"{path}/anyOf")
            return choice(self.value(s, f"{path}/anyOf/{i}") for i, s in enumerate(schemas))
        return self.constants(schema, alone, path)

    def refuse(self, names: Iterable[str], path: str) -> None:
        """Note keywords that cannot be enforced."""
        self.refused += [f"{path}/{escape(name)}" for name in names]

    def constants(self, schema: Mapping[str, Any], keyword: str, path: str) -> Node:
        """The values of `const` or `enum` that are of the type beside it."""
        place = f"{path}/{keyword}"
        values = check_list(schema["enum"], place) if keyword == "enum" else [schema["const"]]
        types = check_types(schema["type"], path) if "type" in schema else ()
        fitting = [v for v in values if not types or any(is_of(v, name) for name in types)]
        if not fitting:
            raise wrong(place, schema[keyword], f"a value of type {', '.join(types)}")
        return choice(_constant(value, place) for value in fitting)

    def typed(self, schema: Mapping[str, Any], names: list[str], path: str) -> Node:
        """The values of a schema with a type, or whose keywords tell it."""
        if "type" in schema:
            types = check_types(schema["type"], path)
        else:
            types = tuple(t for t in ALL_TYPES if any(name in KEYWORDS[t] for name in names))
            types = types or ALL_TYPES
        known = {"type", *(keyword for name in types for keyword in KEYWORDS[name])}
        self.refuse((name for name in names if name not in known), path)
        makers: Mapping[str, Callable[[Mapping[str, Any], str], Node]] = {
            "object": self.object,
            "array": self.array,
            "string": self.string,
            "number": _number,
            "integer": _integer,
            "boolean": lambda _schema, _path: choice([TRUE, FALSE]),
            "null": lambda _schema, _path: NULL,
        }
        return choice(makers[name](schema, path) for name in types)

    def reference(self, target: Any, path: str) -> Node:
        """The values of the schema that a $ref names."""
        place = f"{path}/$ref"
        folder = next((f for f in DEFINITIONS if str(target).startswith(f)), None)
        name = unescape(str(target).removeprefix(folder)) if folder else ""
        if target != "#" and (folder is None or "/" in str(target).removeprefix(folder)):
            raise wrong(place, target, '"#", "#/$defs/NAME" or "#/definitions/NAME"')
        schema = self.document
        if folder is not None:
            definitions = self.document.get(folder[2:-1])
            if not isinstance(definitions, dict) or name not in definitions:
                raise wrong(place, target, "a definition of the schema")
            schema = definitions[name]
        if self.within is not None:
            self.follows[self.within].add(target)
        if target not in self.references:
            self.references[target] = f"ref_{len(self.references)}"
            self.follows[target] = set()
            outer, self.within = self.within, target
            self.rules[self.references[target]] = self.value(schema, target)
            self.within = outer
        return Rule(self.references[target])

    def check_references(self, shortest: Mapping[str, str]) -> None:
        """Refuse references that lead nowhere.

        Raises:
            ConfigError: one leads to itself with nothing between, or its values have no end.
        """
        for target, rule in self.references.items():
            reached: set[str] = set()
            ahead = set(self.follows[target])
            while ahead:
                reached |= ahead
                ahead = {far for near in ahead for far in self.follows[near]} - reached
            if target in reached or rule not in shortest:
                msg = (
                    f"response_format: $ref {target} of the schema refers to itself without end. "
                    "Give it an alternative that ends, such as null or an empty array."
                )
                raise ConfigError(msg)

    def apart(self, schema: Any, path: str) -> Node:
        """The values of a schema, behind something that is written before."""
        outer, self.within = self.within, None
        node = self.value(schema, path)
        self.within = outer
        return node

    def any_value(self) -> Node:
        """Any value at all."""
        if "value" not in self.rules:
            value, member = Rule("value"), Rule("member")
            self.rules |= {
                "value": choice([Rule("object"), Rule("array"), STRING, NUMBER, TRUE, FALSE, NULL]),
                "object": sequence(OPEN, _listed(member, 0, None), CLOSE),
                "array": sequence(OPEN_ARRAY, _listed(value, 0, None), CLOSE_ARRAY),
                "member": sequence(ANY_KEY, value),
            }
        return Rule("value")

    def object(self, schema: Mapping[str, Any], path: str) -> Node:
        """Objects: the properties in their order, then others if they are wanted."""
        if not any(name in schema for name in KEYWORDS["object"]):
            self.any_value()
            return Rule("object")
        properties = schema.get("properties", {})
        if not isinstance(properties, dict):
            raise wrong(f"{path}/properties", properties, "an object: name -> schema")
        required = schema.get("required", [])
        if not isinstance(required, list) or not all(isinstance(n, str) for n in required):
            raise wrong(f"{path}/required", required, "a list of names")
        self.refused += [f"{path}/required ({n})" for n in required if n not in properties]
        others = self.other_members(schema, list(properties), path)
        after: Node = Text("") if others is None else Repeat(sequence(COMMA, others), 0, None)
        first: Node = Text("") if others is None else optional(sequence(others, after))
        for name, value in reversed(properties.items()):
            node = self.apart(value, f"{path}/properties/{escape(name)}")
            key = Lexeme(Text(f"{quote(name, path)}: "))
            member, rest = self.rule("property", sequence(key, node)), self.rule("rest", after)
            if name in required:
                first, after = sequence(member, rest), sequence(COMMA, member, rest)
            else:
                written = sequence(member, rest)
                first = optional(written) if first == Text("") else choice([written, first])
                after = sequence(optional(sequence(COMMA, member)), rest)
        return sequence(OPEN, first, CLOSE)

    def other_members(self, schema: Mapping[str, Any], names: list[str], path: str) -> Node | None:
        """Members beside those of `properties`: none where nothing is said about them."""
        others = schema.get("additionalProperties", "properties" not in schema)
        if others is False:
            return None
        node = self.apart(others, f"{path}/additionalProperties")
        return self.rule("other", sequence(other_key(names) if names else ANY_KEY, node))

    def rule(self, kind: str, node: Node) -> Node:
        """A node, or a rule of its own for it, so that it can stand in several places."""
        if node == Text("") or isinstance(node, Rule):
            return node
        name = f"{kind}_{sum(rule.startswith(kind) for rule in self.rules)}"
        self.rules[name] = node
        return Rule(name)

    def array(self, schema: Mapping[str, Any], path: str) -> Node:
        """Arrays of a length."""
        least, most = check_range(schema, "Items", path)
        item = self.rule("item", self.apart(schema.get("items", True), f"{path}/items"))
        return sequence(OPEN_ARRAY, _listed(item, least, most), CLOSE_ARRAY)

    def string(self, schema: Mapping[str, Any], path: str) -> Node:
        """Strings of a length, or with a pattern."""
        if "pattern" not in schema:
            return string_node(Repeat(CHARACTER, *check_range(schema, "Length", path)))
        lengths = [name for name in ("minLength", "maxLength") if name in schema]
        self.refused += [f"{path}/{name} (beside pattern)" for name in lengths]
        pattern = schema["pattern"]
        if not isinstance(pattern, str):
            raise wrong(f"{path}/pattern", pattern, "a regular expression")
        try:
            return pattern_node(pattern)
        except PatternError as error:
            self.refused.append(f"{path}/pattern ({error} in {pattern})")
            return STRING


def _listed(item: Node, least: int, most: int | None) -> Node:
    """Items with commas between them."""
    if most == 0:
        return Text("")
    more = Repeat(sequence(COMMA, item), max(least - 1, 0), None if most is None else most - 1)
    items = item if most == 1 else sequence(item, more)
    return optional(items) if least == 0 else items


def _number(schema: Mapping[str, Any], path: str) -> Node:
    return _bounded(schema, path, number_node, "a number")


def _integer(schema: Mapping[str, Any], path: str) -> Node:
    return _bounded(schema, path, integer_node, "an integer")


def _bounded(
    schema: Mapping[str, Any],
    path: str,
    make: Callable[[Bound | None, Bound | None], Node | None],
    kind: str,
) -> Node:
    low = bound(schema, "inimum", path, max)
    high = bound(schema, "aximum", path, min)
    node = make(low, high)
    if node is None:
        given = {name: schema[name] for name in KEYWORDS["number"] if name in schema}
        raise wrong(path, given, f"{kind} of at most 15 digits between the bounds")
    return node


def _constant(value: Any, path: str) -> Node:
    """One value, written as JSON."""
    if isinstance(value, list):
        items = [_constant(item, path) for item in value]
        return sequence(OPEN_ARRAY, *_between_commas(items), CLOSE_ARRAY)
    if isinstance(value, dict):
        members = [
            sequence(Lexeme(Text(f"{quote(name, path)}: ")), _constant(item, path))
            for name, item in value.items()
        ]
        return sequence(OPEN, *_between_commas(members), CLOSE)
    if isinstance(value, str):
        return Lexeme(Text(quote(value, path)))
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return Lexeme(Text(json.dumps(value)))


def _between_commas(items: list[Node]) -> list[Node]:
    return [node for item in items for node in (COMMA, item)][1:]

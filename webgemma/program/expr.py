"""The integer expressions of program.json, parsed and never evaluated as code.

    sum      product (("+" | "-") product)*
    product  value (("*" | "//" | "%") value)*
    value    number | name | "(" sum ")" | ("ceil_div" | "max" | "min") "(" sum "," sum ")"

The twin of web/runtime/expr.js; both pass tests/cases/expr.json.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from webgemma.errors import ProgramError

Symbols = Mapping[str, int]
Evaluate = Callable[[Symbols], int]

MAX_DEPTH = 32  # nested parentheses: bounds the recursion
MAX_VALUE = 2**53 - 1  # what a JavaScript number holds exactly
TOKEN = re.compile(r"([0-9]+)|([A-Za-z_][A-Za-z0-9_]*)|//|.", re.DOTALL)
FUNCTIONS = ("ceil_div", "max", "min")
VALUE = "a number, a name or '('"


def evaluate(expression: object, symbols: Symbols) -> int:
    """The value of an expression.

    Raises:
        ProgramError: it does not parse, names an unknown symbol, or leaves the integers.
    """
    if type(expression) is int:
        return _checked(expression, str(expression))
    if not isinstance(expression, str):
        msg = f"expression {json.dumps(expression)}: expected an integer or a string."
        raise ProgramError(msg)
    return parse(expression)(symbols)


@cache
def parse(expression: str) -> Evaluate:
    """Parse an expression, once, into a function of the symbols.

    Raises:
        ProgramError: it does not parse.
    """
    return _Parser(expression).parse()


@cache
def names(expression: object) -> frozenset[str]:
    """The symbols that an expression mentions."""
    tokens = _tokenize(str(expression))
    return frozenset(token.text for token in tokens if token.kind == "name") - set(FUNCTIONS)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    at: int  # characters from 1
    kind: str  # number, name or other


def _tokenize(text: str) -> list[_Token]:
    """Cut an expression into tokens, the last one empty."""
    tokens = []
    for match in TOKEN.finditer(text):
        if match[0] == " ":
            continue
        kind = "number" if match[1] else "name" if match[2] else "other"
        tokens.append(_Token(match[0], match.start() + 1, kind))
    return [*tokens, _Token("", len(text) + 1, "other")]


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokenize(text)
        self.next = 0
        self.depth = 0

    def parse(self) -> Evaluate:
        value = self.sum()
        self.expect("", "an operator or the end")
        return value

    def sum(self) -> Evaluate:
        return self.chain(("+", "-"), self.product)

    def product(self) -> Evaluate:
        return self.chain(("*", "//", "%"), self.value)

    def chain(self, operators: tuple[str, ...], operand: Callable[[], Evaluate]) -> Evaluate:
        """Operands joined by operators of one precedence, from left to right."""
        left = operand()
        while self.tokens[self.next].text in operators:
            operator = self.take().text
            left = _apply(self.text, operator, left, operand())
        return left

    def take(self) -> _Token:
        """The next token, which is then behind us."""
        self.next += 1
        return self.tokens[self.next - 1]

    def value(self) -> Evaluate:
        token = self.take()
        if token.text == "(":
            return self.nested(")")
        if token.kind == "number":
            number = _checked(int(token.text), f"'{self.text}'")
            return lambda symbols: number
        if token.kind != "name":
            raise self.unexpected(token, VALUE)
        if self.tokens[self.next].text == "(":
            return self.call(token.text)
        return _lookup(self.text, token.text)

    def call(self, name: str) -> Evaluate:
        """A function call, its name already read."""
        if name not in FUNCTIONS:
            have = ", ".join(FUNCTIONS)
            msg = f"expression '{self.text}': unknown function '{name}' (have {have})."
            raise ProgramError(msg)
        self.next += 1
        first = self.nested(",")
        return _apply(self.text, name, first, self.nested(")"))

    def nested(self, closing: str) -> Evaluate:
        """A sum one level deeper, up to and with `closing`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ProgramError(f"expression '{self.text}': nested deeper than {MAX_DEPTH}.")
        value = self.sum()
        self.expect(closing, f"an operator or '{closing}'")
        self.depth -= 1
        return value

    def expect(self, text: str, expected: str) -> None:
        token = self.take()
        if token.text != text:
            raise self.unexpected(token, expected)

    def unexpected(self, token: _Token, expected: str) -> ProgramError:
        got = f"'{token.text}'" if token.text else "the end"
        where = f"got {got} at character {token.at}"
        return ProgramError(f"expression '{self.text}': {where}, expected {expected}.")


def _lookup(text: str, name: str) -> Evaluate:
    def look(symbols: Symbols) -> int:
        if name in symbols:
            return symbols[name]
        have = ", ".join(sorted(symbols)) or "none"
        raise ProgramError(f"expression '{text}': unknown symbol '{name}' (have {have}).")

    return look


def _apply(text: str, operator: str, left: Evaluate, right: Evaluate) -> Evaluate:
    def compute(symbols: Symbols) -> int:
        a, b = left(symbols), right(symbols)
        if operator in ("//", "%", "ceil_div") and (a < 0 or b <= 0):
            got = f"'{operator}' got {a} and {b}"
            msg = f"expression '{text}': {got}, expected a number >= 0 and one > 0."
            raise ProgramError(msg)
        return _checked(OPERATORS[operator](a, b), f"'{text}'")

    return compute


OPERATORS: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "ceil_div": lambda a, b: -(-a // b),
    "max": max,
    "min": min,
}


def _checked(value: int, shown: str) -> int:
    """The value, if a JavaScript number holds it exactly."""
    if abs(value) <= MAX_VALUE:
        return value
    raise ProgramError(f"expression {shown}: a value is beyond 2^53 - 1.")

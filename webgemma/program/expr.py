"""The integer expressions of program.json: `ceil_div(num_tokens, 4) + position // 64`.

Integers, symbols, + - * // %, parentheses and the functions ceil_div, min, max. Both runners parse
them (web/runtime/expr.js is the twin, tests/cases/expr.json the shared cases); nothing is
evaluated as code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache

from webgemma.errors import ProgramError

TOKEN = re.compile(r"\s*(?:(\d+)|([A-Za-z_]\w*)|(//|[-+*%(),]))")
MAX_LENGTH = 400  # characters; the longest we write has about 100
MAX_DEPTH = 32  # nested parentheses

Evaluate = Callable[[Mapping[str, int]], int]

FUNCTIONS: dict[str, Callable[[int, int], int]] = {
    "ceil_div": lambda a, b: -(-a // b),
    "min": min,
    "max": max,
}
OPERATORS: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
}


def evaluate(expression: int | str, symbols: Mapping[str, int]) -> int:
    """The value of an expression, or the integer itself.

    Raises:
        ProgramError: it does not parse, names an unknown symbol or divides by zero.
    """
    if isinstance(expression, int):
        return expression
    try:
        return parse(expression)(symbols)
    except KeyError as error:
        have = ", ".join(sorted(symbols))
        msg = f"expression {expression!r}: unknown symbol {error.args[0]!r} (have {have})"
        raise ProgramError(msg) from error
    except ZeroDivisionError as error:
        raise ProgramError(f"expression {expression!r}: division by zero") from error


@cache
def parse(expression: str) -> Evaluate:
    """Parse an expression once into a function of the symbols.

    Raises:
        ProgramError: it does not parse.
    """
    if len(expression) > MAX_LENGTH:
        msg = f"expression of {len(expression)} characters, expected at most {MAX_LENGTH}"
        raise ProgramError(msg)
    return _Parser(expression).parse()


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.tokens = self.tokenize()
        self.at = 0
        self.depth = 0

    def fail(self, got: str, expected: str) -> ProgramError:
        """The error for an unexpected token."""
        return ProgramError(f"expression {self.expression!r}: got {got}, expected {expected}")

    def tokenize(self) -> list[str]:
        tokens = []
        at = 0
        text = self.expression.rstrip()
        while at < len(text):
            match = TOKEN.match(text, at)
            if match is None:
                raise self.fail(repr(text[at]), "a number, a symbol or an operator")
            tokens.append(match.group().strip())
            at = match.end()
        return [*tokens, ""]

    def parse(self) -> Evaluate:
        value = self.sum()
        if self.tokens[self.at]:
            raise self.fail(repr(self.tokens[self.at]), "the end")
        return value

    def binary(self, operators: tuple[str, ...], operand: Callable[[], Evaluate]) -> Evaluate:
        """Operands joined by operators of one precedence, from left to right."""
        left = operand()
        while self.tokens[self.at] in operators:
            operator = OPERATORS[self.tokens[self.at]]
            self.at += 1
            left = _apply(operator, left, operand())
        return left

    def sum(self) -> Evaluate:
        return self.binary(("+", "-"), self.product)

    def product(self) -> Evaluate:
        return self.binary(("*", "//", "%"), self.atom)

    def atom(self) -> Evaluate:
        token = self.tokens[self.at]
        self.at += 1
        if token.isdigit():
            number = int(token)
            return lambda symbols: number
        if token == "(":
            return self.nested(")")
        if not token.isidentifier():
            raise self.fail(repr(token) if token else "the end", "a number, a symbol or '('")
        if self.tokens[self.at] != "(":
            return lambda symbols: symbols[token]
        if token not in FUNCTIONS:
            raise self.fail(f"function {token!r}", ", ".join(FUNCTIONS))
        self.at += 1
        first = self.nested(",")
        return _apply(FUNCTIONS[token], first, self.nested(")"))

    def nested(self, closing: str) -> Evaluate:
        """A sum inside parentheses, up to and including `closing`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.fail(f"{self.depth} nested parentheses", f"at most {MAX_DEPTH}")
        value = self.sum()
        self.depth -= 1
        if self.tokens[self.at] != closing:
            got = repr(self.tokens[self.at]) if self.tokens[self.at] else "the end"
            raise self.fail(got, repr(closing))
        self.at += 1
        return value


def _apply(operator: Callable[[int, int], int], left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda symbols: operator(left(symbols), right(symbols))

"""Numbers between two bounds, as grammars. web/runtime/structured/numbers.js is its twin.

A number has at most 15 digits on either side of its point: as many as a double always holds.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from webgemma.structured.grammar import (
    DIGITS,
    Chars,
    Lexeme,
    Node,
    Repeat,
    Text,
    chars,
    choice,
    optional,
    sequence,
)

MAX_DIGITS = 15
LARGEST = 10**MAX_DIGITS - 1
MIN_DECIMALS = 6
"""A bounded number may have so many digits after its point, or two more than its bounds have."""
EXACT = Context(prec=2000)  # digits: more than the exact value of any double has

NON_ZERO = Chars(((0x31, 0x39),))
NUMBER = Lexeme(
    sequence(
        optional(Text("-")),
        choice([Text("0"), sequence(NON_ZERO, Repeat(DIGITS, 0, MAX_DIGITS - 1))]),
        optional(sequence(Text("."), Repeat(DIGITS, 1, MAX_DIGITS))),
        optional(sequence(chars("eE"), optional(chars("+-")), Repeat(DIGITS, 1, 2))),
    )
)
"""Any number."""

Bound = tuple[Decimal, bool]
"""A value, and whether it is excluded."""


def integer_node(least: Bound | None, most: Bound | None) -> Node | None:
    """The integers within bounds; None if there are none."""
    node = scaled(least, most, 0)
    return None if node is None else Lexeme(node)


def number_node(least: Bound | None, most: Bound | None) -> Node | None:
    """The numbers within bounds, as integers and with decimals; None if there are none."""
    if least is None and most is None:
        return NUMBER
    bounds = [bound[0] for bound in (least, most) if bound is not None]
    places = min(max(MIN_DECIMALS, *(decimals(bound) + 2 for bound in bounds)), MAX_DIGITS)
    options = [scaled(least, most, place) for place in range(places + 1)]
    known = [option for option in options if option is not None]
    return Lexeme(choice(known)) if known else None


def decimals(value: Decimal) -> int:
    """How many digits a number has after its point."""
    exponent = value.normalize().as_tuple().exponent
    assert isinstance(exponent, int), "a bound is finite"
    return max(0, -exponent)


def scaled(least: Bound | None, most: Bound | None, places: int) -> Node | None:
    """The numbers within bounds that are written with so many digits after the point."""
    scale = Decimal(10) ** places
    first, last = -LARGEST * 10**places, LARGEST * 10**places
    if least is not None:
        value = EXACT.multiply(least[0], scale)
        bound = int(value.to_integral_value(ROUND_CEILING, EXACT))
        first = max(first, bound + 1 if least[1] and bound == value else bound)
    if most is not None:
        value = EXACT.multiply(most[0], scale)
        bound = int(value.to_integral_value(ROUND_FLOOR, EXACT))
        last = min(last, bound - 1 if most[1] and bound == value else bound)
    options = []
    if first < 0 and first <= min(last, -1):
        options.append(sequence(Text("-"), naturals(-min(last, -1), -first, places)))
    if max(first, 0) <= last:
        options.append(naturals(max(first, 0), last, places))
    return choice(options) if options else None


def naturals(first: int, last: int, places: int) -> Node:
    """The numbers first to last, 0 or more, with a point before the last `places` digits."""
    options: list[Node] = []
    shortest = places + 1  # digits of a number with one digit before its point
    whole: list[int] = []  # sizes of which all numbers are there: those in a row are one option
    for size in range(max(shortest, len(str(first))), max(shortest, len(str(last))) + 1):
        smallest = 0 if size == shortest else 10 ** (size - 1)
        low, high = max(first, smallest), min(last, 10**size - 1)
        if low == smallest > 0 and high == 10**size - 1:
            whole.append(size)
        else:
            options.append(between(dotted(low, size, places), dotted(high, size, places)))
    if whole:
        more = Repeat(DIGITS, whole[0] - shortest, whole[-1] - shortest)
        fraction = sequence(Text("."), Repeat(DIGITS, places, places)) if places else Text("")
        options.append(sequence(NON_ZERO, more, fraction))
    return choice(options)


def dotted(value: int, size: int, places: int) -> str:
    """The digits of a number, at least `size`, with a point before the last `places`."""
    digits = str(value).zfill(size)
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits


def between(low: str, high: str) -> Node:
    """The texts from `low` to `high`, which differ in nothing but digits."""
    if low == high:
        return Text(low)
    if low[0] == high[0]:
        return sequence(Text(low[0]), between(low[1:], high[1:]))
    nines, zeros = (fill(low[1:], digit) for digit in "90")
    first, last = int(low[0]), int(high[0])
    options = []
    if low[1:] != zeros:
        options.append(sequence(Text(low[0]), between(low[1:], nines)))
        first += 1
    if high[1:] != nines:
        last -= 1
    if first <= last:
        leading = Chars(((0x30 + first, 0x30 + last),))
        options.append(sequence(leading, any_digits(low[1:])))
    if high[1:] != nines:
        options.append(sequence(Text(high[0]), between(zeros, high[1:])))
    return choice(options)


def fill(text: str, digit: str) -> str:
    """A text with another digit in place of all its digits."""
    return "".join(char if char == "." else digit for char in text)


def any_digits(like: str) -> Node:
    """All texts that differ from one in nothing but digits."""
    parts = [Repeat(DIGITS, len(part), len(part)) for part in like.split(".") if part]
    if "." not in like:
        return sequence(*parts)
    return sequence(*parts[:-1], Text("."), parts[-1])

"""Seeded damage to a file's bytes: what disks, networks and people with intent do to it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

INTEGERS = (0, 1, 2, 7, 255, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**62,
            2**63 - 1, 2**63, 2**64 - 1)  # fmt: skip
JSON_VALUES = (b"null", b"true", b"-1", b"0", b"1e999", b"NaN", b"1.5", b"[]", b"{}", b'""',
               b'"../x"', b'"\\ud800"', b'"\\u0000"', b"9223372036854775808", b"[" * 64,
               b'"F64"', b"1" * 40)  # fmt: skip
_JSON_TOKEN = re.compile(rb'"[^"]*"|-?\d+(?:\.\d+)?|true|false|null|[{}\[\],:]')


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Damage `data` in one to three places."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(MUTATIONS)(data, rng)
    return data


def flip_bit(data: bytes, rng: random.Random) -> bytes:
    """Flip one bit."""
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def set_bytes(data: bytes, rng: random.Random) -> bytes:
    """Overwrite up to eight bytes with random ones."""
    at, count = rng.randrange(len(data) + 1), rng.randint(1, 8)
    return data[:at] + rng.randbytes(min(count, len(data) - at)) + data[at + count :]


def set_integer(data: bytes, rng: random.Random) -> bytes:
    """Overwrite four or eight bytes with a number that breaks programs."""
    size = rng.choice((4, 8))
    value = rng.choice((*INTEGERS, len(data), len(data) + 1)) % (1 << 8 * size)
    at = rng.randrange(max(1, len(data) - size))
    return data[:at] + value.to_bytes(size, "little") + data[at + size :]


def cut(data: bytes, rng: random.Random) -> bytes:
    """Lose the end."""
    return data[: rng.randrange(len(data) + 1)]


def drop(data: bytes, rng: random.Random) -> bytes:
    """Lose a range."""
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + rng.choice((1, 4, 8, 32, 100)) :]


def insert(data: bytes, rng: random.Random) -> bytes:
    """Gain a range."""
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.choice((1, 4, 8, 32, 100))) + data[at:]


def repeat(data: bytes, rng: random.Random) -> bytes:
    """Copy a range to another place."""
    start, at = rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)
    return data[:at] + data[start : start + rng.choice((4, 8, 32, 100))] + data[at:]


def replace_token(data: bytes, rng: random.Random) -> bytes:
    """Exchange a token of JSON, where there is one, for a value or another token."""
    tokens = list(_JSON_TOKEN.finditer(data[:65_536]))
    if len(tokens) < 2:
        return flip_bit(data, rng)
    token = rng.choice(tokens)
    value = rng.choice((*JSON_VALUES, rng.choice(tokens)[0]))
    return data[: token.start()] + value + data[token.end() :]


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip_bit, flip_bit, set_bytes, set_integer, set_integer, cut, drop, insert, repeat,
    replace_token, replace_token,
)  # fmt: skip

"""The likeliest tokens after a prompt of token ids, as a session decodes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from webgemma.runtime.options import check_options
from webgemma.runtime.session import Session
from webgemma.runtime.vision import Pixels


def greedy_steps(
    session: Session, tokens: Sequence[int], count: int, pixels: Pixels | None = None
) -> Iterator[list[int]]:
    """The tokens of every read-back, `count` in all; nothing stops them."""
    options = check_options({"temperature": 0.0, "max_tokens": count}, {})
    for choices in session.token_steps(list(tokens), options.sampling, count, pixels, None, {}):
        yield [choice.token_id for choice in choices]


def greedy_tokens(
    session: Session, tokens: Sequence[int], count: int, pixels: Pixels | None = None
) -> list[int]:
    """All of them."""
    return [token for step in greedy_steps(session, tokens, count, pixels) for token in step]

"""Holds one reply to a grammar, token by token. web/runtime/structured/constraint.js is its twin.

A matcher, of a library, says which tokens may come next; it may allow a few too many. A walk
through the same grammar says what it takes to end the reply: a token that would leave too little
room for that, or that the walk does not go, is not taken, and another is asked for.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from webgemma.errors import ConfigError
from webgemma.structured.grammar import Grammar
from webgemma.structured.vocabulary import Vocabulary
from webgemma.structured.walk import Paths, Walk

Mask = NDArray[np.uint32]
"""u32[ceil(vocab_size / 32)]: bit t % 32 of word t // 32 is set if token t may come next."""


class Matcher(Protocol):
    """What a library does: follows one text through a grammar."""

    def mask(self) -> Mask:
        """Which tokens may come next, stop tokens where the text may end."""

    def accept(self, token: int) -> None:
        """Go on by a token."""


class Constraint:
    """A reply, and what may come next in it."""

    def __init__(
        self,
        grammar: Grammar,
        matcher: Matcher,
        vocabulary: Vocabulary,
        stop_token_ids: Collection[int],
        limit: int,
    ) -> None:
        """Begin a reply.

        Args:
            grammar: What it has to be a text of.
            matcher: At the beginning of the same grammar.
            vocabulary: The model's.
            stop_token_ids: End the reply.
            limit: Of its tokens, the stop token included.

        Raises:
            ConfigError: no text of the grammar is so short.
        """
        self.matcher = matcher
        self.vocabulary = vocabulary
        self.stop_token_ids = sorted(stop_token_ids)
        self.walk: Walk = Paths(grammar).start()
        self.left = limit
        self.ending: list[int] | None = None
        """The tokens that are still to come, once there is room for no others."""
        shortest = vocabulary.cover(self.walk.rest())
        if shortest is None or len(shortest) + 1 > limit:
            needed = "tokens it has not" if shortest is None else f"{len(shortest) + 1} tokens"
            msg = (
                f"response_format: the shortest reply takes {needed}, got room for {limit}. "
                "Set max_tokens higher, or shorten the prompt."
            )
            raise ConfigError(msg)

    def mask(self) -> Mask:
        """Which tokens may come next."""
        if self.ending is None:
            return self.matcher.mask()
        mask = np.zeros((len(self.vocabulary.pieces) + 31) // 32, np.uint32)
        for token in self.ending[:1] or self.stop_token_ids:
            mask[token // 32] |= np.uint32(1 << token % 32)
        return mask

    def take(self, token: int) -> int | None:
        """Go on by a token of the mask, if that is possible.

        Returns:
            The token that was taken; None: another is to be chosen.
        """
        if self.walk.may_end and token in self.stop_token_ids:
            return token
        if self.ending is not None:
            return self.take_shortest()
        return token if self._go_on(token) else None

    def take_shortest(self) -> int:
        """Go on by the next token of the shortest way to the end.

        Returns:
            That token.
        """
        if self.ending is not None:
            return self.ending.pop(0) if self.ending else self.stop_token_ids[0]
        way = self.vocabulary.cover(self.walk.rest())
        assert way is not None, "the room for it was checked a step before"
        if way and self._go_on(way[0]):
            return way[0]
        self.ending = way
        return self.take_shortest()

    def _go_on(self, token: int) -> bool:
        """Take a token, if the grammar goes on so and leaves room to end."""
        piece = self.vocabulary.pieces[token]  # a control token's is empty
        walk = self.walk.push(piece) if piece else None
        if walk is None or not self._has_room(walk):
            return False
        self.walk = walk
        self.left -= 1
        self.matcher.accept(token)
        return True

    def _has_room(self, walk: Walk) -> bool:
        """Whether a text can be ended behind one more token, with a stop token."""
        room = self.left - 2
        if walk.rest_nbytes <= room:  # no token has less than a byte
            return True
        tokens = self.vocabulary.cover(walk.rest())
        return tokens is not None and len(tokens) <= room

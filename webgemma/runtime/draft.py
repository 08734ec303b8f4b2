"""Drafts: guesses at the tokens to come, by what followed the last ones before.

web/runtime/draft.js is the twin. A step with eight rows costs a few steps with one, so a draft
that holds saves some, and one that fails costs some: whether to draft is decided by what both took
and by how often the guesses held. Guesses are made, and judged, at plain steps too, where they are
free.
"""

from __future__ import annotations

from collections.abc import Sequence

from webgemma.program.spec import Program

GRAM_LENGTHS = (3, 2)  # tokens that must have occurred before, the longer first
MOST_DRAFTED = 7  # a tile of matrix products has 8 rows or more

NEWEST = 0.25  # the newest value's weight in an average
FIRST_RATE = 0.5  # of guesses that hold, before any was judged
FIRST_COST = 3.0  # of a draft's step, in plain steps, before both were timed
FORGOTTEN = 0.01  # of a draft's time by the token, so that one slow step does not end drafting


class Lookup:
    """Finds where the last tokens occurred before."""

    def __init__(self, tokens: Sequence[int] = ()) -> None:
        """Begin with a text's tokens."""
        self.tokens: list[int] = []
        self._ends: dict[tuple[int, ...], int] = {}
        """Gram -> the index behind its last occurrence."""
        self._next: int | None = None
        """The index behind the last tokens' occurrence before this one, if they had any."""
        for token in tokens:
            self.push(token)

    def push(self, token: int) -> None:
        """Append a token."""
        self.tokens.append(token)
        end = len(self.tokens)
        self._next = None
        for length in GRAM_LENGTHS:
            if length <= end:
                gram = tuple(self.tokens[-length:])
                if self._next is None:
                    self._next = self._ends.get(gram)
                self._ends[gram] = end

    def following(self, count: int) -> list[int]:
        """The next `count` tokens if the text goes on as it did there; none if it was not found.

        Where that reaches the end, what repeats goes round.
        """
        if self._next is None:
            return []
        period = len(self.tokens) - self._next
        return [self.tokens[self._next + i % period] for i in range(count)]


class Drafter:
    """Drafts where it pays, and counts what came of it."""

    def __init__(self, tokens: Sequence[int], most: int = MOST_DRAFTED) -> None:
        """Begin behind a prompt; drafts have at most `most` tokens."""
        self.lookup = Lookup(tokens)
        self.most = most
        self.drafted_tokens = 0
        self.accepted_tokens = 0
        self._rate = FIRST_RATE
        self._plain: float | None = None
        """Time of a plain step; its unit is that of `verified`."""
        self._verify: float | None = None
        """Time of a draft's step."""

    def push(self, token: int) -> None:
        """Take a token that was generated, and judge what would have been guessed."""
        for guess in self.lookup.following(1):
            self._rate = _average(self._rate, float(guess == token))
        self.lookup.push(token)

    def draft(self, room: int) -> list[int]:
        """Tokens to verify in one step with the last one; none where a plain step is better.

        Args:
            room: How many more tokens may be generated.
        """
        guess = self.lookup.following(min(self.most, room - 1))
        expected = sum(self._rate**held for held in range(len(guess) + 1))  # tokens of the step
        return guess if expected > self.cost else []

    @property
    def cost(self) -> float:
        """Of a draft's step, in plain steps."""
        if self._plain is None or self._verify is None:
            return FIRST_COST
        return self._verify / self._plain

    def decoded(self, count: int, duration: float) -> None:
        """Note what `count` plain steps took together."""
        self._plain = _average(self._plain, duration / count)
        if self._verify is not None:
            self._verify *= (1 - FORGOTTEN) ** count

    def verified(self, drafted: int, accepted: int, duration: float) -> None:
        """Note what became of a draft, and what its step took."""
        self.drafted_tokens += drafted
        self.accepted_tokens += accepted
        self._verify = _average(self._verify, duration)


def _average(average: float | None, value: float) -> float:
    return value if average is None else average + NEWEST * (value - average)


def make_drafter(program: Program, tokens: Sequence[int]) -> Drafter | None:
    """A drafter behind a prompt; None for a program built before drafts could be verified."""
    if "verify" not in program.phases:
        return None
    return Drafter(tokens, min(MOST_DRAFTED, program.logits_chunk_size - 1))

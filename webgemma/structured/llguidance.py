"""Matchers by llguidance, of the extra `structured`."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from webgemma.errors import ConfigError, WebGemmaError
from webgemma.structured.constraint import Constraint, Mask
from webgemma.structured.grammar import Grammar
from webgemma.structured.lark import to_lark
from webgemma.structured.vocabulary import Vocabulary
from webgemma.tokenizer import Tokenizer


class Constrainer:
    """Makes constraints for one model; its vocabulary is prepared once, when first needed."""

    def __init__(
        self, tokenizer: Tokenizer, stop_token_ids: Collection[int], vocab_size: int
    ) -> None:
        """Remember a model's tokens; `vocab_size` is that of its logits."""
        self.tokenizer = tokenizer
        self.stop_token_ids = list(stop_token_ids)
        self.vocab_size = vocab_size

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What the model's tokens stand for."""
        return Vocabulary(self.tokenizer)

    @cached_property
    def _prepared(self) -> Any:
        """The vocabulary as llguidance wants it."""
        library = load_library()
        wrapper = library.TokenizerWrapper(_Pieces(self.vocabulary, self.stop_token_ids[0]))
        return library.LLTokenizer(wrapper, n_vocab=self.vocab_size, eos_token=self.stop_token_ids)

    def constraint(self, grammar: Grammar, limit: int) -> Constraint:
        """Begin a reply of at most `limit` tokens that is a text of a grammar.

        Raises:
            ConfigError: no such text is so short, the model has no token that ends a reply, or
                the library is not installed.
        """
        if not self.stop_token_ids:
            raise ConfigError("response_format: the model has no stop token. Ask for plain text.")
        matcher = _Matcher(load_library().LLMatcher(self._prepared, to_lark(grammar)))
        return Constraint(grammar, matcher, self.vocabulary, self.stop_token_ids, limit)


def load_library() -> ModuleType:
    """Import llguidance.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import llguidance
    except ModuleNotFoundError as error:
        msg = (
            "response_format: got no package llguidance, which holds replies to JSON. Install it "
            'with: pip install "webgemma[structured]"'
        )
        raise ConfigError(msg) from error
    return llguidance


class _Pieces:
    """A vocabulary by the names that llguidance's TokenizerWrapper reads."""

    bos_token_id = None

    def __init__(self, vocabulary: Vocabulary, eos_token_id: int) -> None:
        self.tokens = vocabulary.pieces
        self.special_token_ids = sorted(vocabulary.control_token_ids)
        self.eos_token_id = eos_token_id
        self._vocabulary = vocabulary

    def __call__(self, data: bytes) -> list[int]:
        """Tokens of a text: where it is certain what comes, these alone are allowed."""
        return self._vocabulary.cover(data) or []


class _Matcher:
    """One text on its way through llguidance."""

    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher
        self._check()

    def mask(self) -> Mask:
        """Which tokens may come next."""
        mask = np.frombuffer(self._matcher.compute_bitmask(), np.uint32)
        self._check()
        return mask

    def accept(self, token: int) -> None:
        """Go on by a token."""
        self._matcher.consume_token(token)
        self._check()

    def _check(self) -> None:
        if self._matcher.is_error():
            message, *_ = self._matcher.get_error().splitlines()
            raise WebGemmaError(f"response_format: llguidance: {message}")

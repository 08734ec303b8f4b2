"""What a model's tokens stand for, as bytes. web/runtime/structured/vocabulary.js is its twin."""

from __future__ import annotations

from webgemma.tokenizer import Tokenizer


class Vocabulary:
    """The bytes of every token, and tokens for bytes."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Read a tokenizer's pieces; control tokens stand for no bytes."""
        control = tokenizer.control_token_ids
        self.pieces = [
            b"" if token in control else tokenizer.piece_bytes(token)
            for token in range(tokenizer.vocab_size)
        ]
        """[vocab_size]"""
        self.control_token_ids = control
        self._tokens = {piece: token for token, piece in enumerate(self.pieces) if piece}
        self._longest = max(map(len, self._tokens))

    def cover(self, data: bytes) -> list[int] | None:
        """Tokens whose bytes are these, the longest first; None if there are none."""
        tokens = []
        start = 0
        while start < len(data):
            ends = range(min(len(data), start + self._longest), start, -1)
            end = next((end for end in ends if data[start:end] in self._tokens), None)
            if end is None:
                return None
            tokens.append(self._tokens[data[start:end]])
            start = end
        return tokens

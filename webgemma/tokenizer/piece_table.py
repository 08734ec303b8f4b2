"""The pieces of a tokenizer.json by their ids: all that is needed where no text is encoded."""

from __future__ import annotations

import re
from typing import Any

from webgemma.errors import ConfigError


class PieceTable:
    """Pieces, their ids, and which of them are control tokens."""

    def __init__(self, document: dict[str, Any]) -> None:
        """Take a parsed tokenizer.json that `make_tokenizer_json` would write."""
        self._ids: dict[str, int] = dict(document["model"]["vocab"])
        self._control: dict[str, int] = {}
        for token in document["added_tokens"]:
            self._ids[token["content"]] = token["id"]
            if token["special"]:
                self._control[token["content"]] = token["id"]
        self._control_ids = frozenset(self._control.values())
        self._pieces = sorted(self._ids, key=self._ids.__getitem__)
        longest_first = sorted(self._control, key=len, reverse=True)
        self._control_pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    @property
    def vocab_size(self) -> int:
        """The number of pieces; ids are 0 to vocab_size - 1."""
        return len(self._pieces)

    @property
    def control_token_ids(self) -> frozenset[int]:
        """The ids that no text produces and that `decode` skips."""
        return self._control_ids

    def token_id(self, piece: str) -> int | None:
        """Look up the id of a piece as it stands in the vocabulary (spaces as U+2581)."""
        return self._ids.get(piece)

    def piece(self, token_id: int) -> str:
        """Return the piece with an id.

        Raises:
            ConfigError: there is no such id.
        """
        if not 0 <= token_id < len(self._pieces):
            raise ConfigError(
                f"token id {token_id}: expected 0 to {len(self._pieces) - 1}. "
                "Use ids of this model's tokenizer."
            )
        return self._pieces[token_id]

    def split_control(self, text: str) -> list[int | str]:
        """Cut a trusted text, such as a chat template's, at its control tokens.

        Returns:
            Ids of control tokens and the non-empty texts between them.
        """
        segments: list[int | str] = []
        start = 0
        for match in self._control_pattern.finditer(text):
            if match.start() > start:
                segments.append(text[start : match.start()])
            segments.append(self._control[match.group()])
            start = match.end()
        if start < len(text):
            segments.append(text[start:])
        return segments

"""The tokenizer at run time: text to ids and back. The twin of web/runtime/tokenizer.js."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import tokenizers

from webgemma.errors import FormatError
from webgemma.tokenizer.byte_level import is_byte_level, piece_bytes
from webgemma.tokenizer.document import REPLACE_SPACES, SPACE, has_space_prefix
from webgemma.tokenizer.piece_table import PieceTable
from webgemma.tokenizer.pieces import BYTE_PIECE

_SURROGATES = re.compile("[\ud800-\udfff]")


class Tokenizer(PieceTable):
    """Encodes and decodes with one tokenizer.json; control tokens are never found in a text."""

    def __init__(self, document: dict[str, Any], content: bytes) -> None:
        """Take a parsed tokenizer.json and its bytes; `from_json` is the way in."""
        self._prefix = SPACE if has_space_prefix(document) else ""
        if self._prefix:
            # The prefix goes before the whole text, not before every piece of the vocabulary too.
            content = json.dumps({**document, "normalizer": REPLACE_SPACES}).encode()
        try:
            self._tokenizer = tokenizers.Tokenizer.from_buffer(content)
        # The package raises plain Exception, with what serde or its own checks say.
        except Exception as error:
            raise FormatError(f"tokenizer.json: {error}.") from error
        # "<start_of_turn>" typed by a user is text like any other.
        self._tokenizer.encode_special_tokens = True
        super().__init__(document)
        self._has_bytes = bool(document["model"]["byte_fallback"])
        self._is_byte_level = is_byte_level(document)
        self._added_ids = frozenset(token["id"] for token in document["added_tokens"])

    @classmethod
    def from_json(cls, source: bytes | Path | str) -> Tokenizer:
        """Load a tokenizer.json that `make_tokenizer_json` has written, from bytes or a path."""
        content = source if isinstance(source, bytes) else Path(source).read_bytes()
        try:
            document = json.loads(content)
            return cls(document, content)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"tokenizer.json: {error!r}. Build the site again.") from error

    def encode(self, text: str) -> list[int]:
        """Encode a text; no BOS is added, and control tokens in the text stay text.

        Lone surrogates, which no UTF-8 text holds, count as U+FFFD.
        """
        if not text:
            return []
        text = self._prefix + _SURROGATES.sub("\ufffd", text)
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def encode_segments(self, segments: Sequence[int | str]) -> list[int]:
        """Encode texts between ids; adjacent texts are joined before they are encoded."""
        ids: list[int] = []
        text = ""
        for segment in segments:
            if isinstance(segment, str):
                text += segment
            else:
                self.piece(segment)
                ids += [*self.encode(text), segment]
                text = ""
        return ids + self.encode(text)

    def decode(self, ids: Iterable[int], *, skip_control: bool = True) -> str:
        """Decode ids to text; bytes that are not UTF-8 become U+FFFD."""
        stream = StreamDecoder(self, skip_control=skip_control)
        return "".join([stream.push(token_id) for token_id in ids]) + stream.finish()

    def piece_bytes(self, token_id: int) -> bytes:
        """Return the UTF-8 bytes that a piece stands for, with spaces for U+2581."""
        piece = self.piece(token_id)
        if self._is_byte_level:
            return piece.encode() if token_id in self._added_ids else piece_bytes(piece)
        if self._has_bytes and (match := BYTE_PIECE.fullmatch(piece)):
            return bytes([int(match[1], 16)])
        return piece.replace(SPACE, " ").encode()

    @property
    def has_space_prefix(self) -> bool:
        """Whether encoding puts a space before the text, which decoding takes away again."""
        return bool(self._prefix)


class StreamDecoder:
    """Decodes ids one by one; what the pushes return joins to what `Tokenizer.decode` returns.

    Bytes of a character that is not complete yet are held back.
    """

    def __init__(self, tokenizer: Tokenizer, *, skip_control: bool = True) -> None:
        """Start a new text."""
        self._tokenizer = tokenizer
        self._skip_control = skip_control
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._strip_space = tokenizer.has_space_prefix

    def push(self, token_id: int) -> str:
        """Add one id; return the text that is certain now, possibly none."""
        content = self._tokenizer.piece_bytes(token_id)
        if token_id in self._tokenizer.control_token_ids:
            return "" if self._skip_control else self._utf8.decode(content)
        if self._strip_space:
            content = content.removeprefix(b" ")
            self._strip_space = False
        return self._utf8.decode(content)

    def finish(self) -> str:
        """End the text: an incomplete character becomes U+FFFD."""
        return self._utf8.decode(b"", final=True)

"""The text that is predicted: read, tokenized as a whole, and cut into chunks.

The protocol is llama-perplexity's. The tokens of the whole text, after BOS if the model adds one,
are cut into chunks of `context` tokens; what is left at the end is not used. BOS takes the place of
a chunk's first token. Of each chunk the second half is scored: positions context // 2 to
context - 2 predict the tokens after them, each with at least context // 2 tokens before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webgemma.errors import ConfigError, FormatError
from webgemma.tokenizer import Tokenizer

LEAST_CHUNKS = 2
"""As llama-perplexity wants; one chunk's error would say little."""
LEAST_CONTEXT = 8
MAX_TEXT_NBYTES = 256 * 1024 * 1024
"""Far more than any evaluation text (WikiText-2's is 1.3 MB): a bound on what is read."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text file."""

    name: str
    sha256: str
    content: str


@dataclass(frozen=True, slots=True)
class Chunks:
    """A text as a model reads it."""

    tokens: NDArray[np.int64]
    """[num_chunks, context], the first of each chunk replaced by BOS if the model adds one."""

    @property
    def context(self) -> int:
        """Tokens of a chunk."""
        return int(self.tokens.shape[1])

    @property
    def first_scored(self) -> int:
        """The first position of a chunk whose prediction counts."""
        return self.context // 2

    @property
    def num_scored(self) -> int:
        """Predictions that count, in all chunks."""
        return len(self.tokens) * (self.context - 1 - self.first_scored)


def read_text(path: Path) -> Text:
    """Read a text file.

    Raises:
        FormatError: it cannot be read, is too large, or is not UTF-8 text.
    """
    try:
        nbytes = path.stat().st_size
        if nbytes > MAX_TEXT_NBYTES:
            msg = f"{path}: got {nbytes:,} bytes, expected at most {MAX_TEXT_NBYTES:,}. Cut it."
            raise FormatError(msg)
        data = path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror}.") from error
    try:
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = (
            f"{path}: got byte 0x{data[error.start]:02x} at {error.start}, expected UTF-8 text. "
            "Convert it, or give another file."
        )
        raise FormatError(msg) from error
    if "\0" in content:
        msg = f"{path}: got a zero byte at {data.index(0)}, expected text. Give another file."
        raise FormatError(msg)
    return Text(path.name, hashlib.sha256(data).hexdigest(), content)


def encode(
    text: str, tokenizer: Tokenizer, bos: int | None, *, control_tokens: bool = False
) -> list[int]:
    """Token ids of a whole text, after BOS if there is one.

    Args:
        text: What to encode.
        tokenizer: The model's.
        bos: The token the model wants first.
        control_tokens: `<start_of_turn>` and the like in the text are tokens, not characters.
    """
    if control_tokens:
        ids = tokenizer.encode_segments(tokenizer.split_control(text))
    else:
        ids = tokenizer.encode(text)
    return [*([] if bos is None else [bos]), *ids]


def cut(ids: Sequence[int], context: int, bos: int | None, *, most: int | None = None) -> Chunks:
    """Cut token ids into chunks of `context`, at most `most` of them.

    Raises:
        ConfigError: the context is too small, or the text is shorter than two chunks.
    """
    if context < LEAST_CONTEXT:
        raise ConfigError(f"--context: got {context}, expected at least {LEAST_CONTEXT}.")
    if len(ids) < LEAST_CHUNKS * context:
        msg = (
            f"--text: got {len(ids):,} tokens, expected at least {LEAST_CHUNKS * context:,} "
            f"({LEAST_CHUNKS} chunks of {context:,}). Give a longer text or a smaller --context."
        )
        raise ConfigError(msg)
    count = min(len(ids) // context, most or len(ids))
    tokens = np.array(ids[: count * context], np.int64).reshape(count, context)
    if bos is not None:
        tokens[:, 0] = bos
    return Chunks(tokens)

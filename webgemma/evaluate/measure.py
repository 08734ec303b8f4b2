"""Runs a session over the chunks of a text and keeps a few numbers per predicted token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from webgemma.errors import GpuError
from webgemma.evaluate.logits_file import LogitsFile
from webgemma.evaluate.scores import Logits, Values, divergences, log_softmax, surprisals
from webgemma.evaluate.text import Chunks
from webgemma.progress import Progress
from webgemma.runtime.session import Session


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model predicted, token by token."""

    surprisals: Values
    """[n] negative log-likelihoods of the tokens that came."""
    divergences: Values
    """[n] from the reference; [0] without one."""
    is_same_top: NDArray[np.bool_]
    """[n] whether the likeliest token is the reference's; [0] without one."""


class Scorer(Protocol):
    """Takes rows of logits and the tokens that followed them."""

    def __call__(self, logits: Logits, next_tokens: NDArray[np.int64]) -> None:
        """Score float32 [rows, vocab_size] against [rows]."""


def measure(
    session: Session,
    chunks: Chunks,
    label: str,
    progress: Progress,
    *,
    keep: LogitsFile | None = None,
    reference: LogitsFile | None = None,
) -> Scores:
    """Score a model on every chunk.

    Args:
        session: The model, with a context of at least a chunk.
        chunks: The text.
        label: What progress and errors call the model.
        progress: Told of tokens.
        keep: Where to put the scored rows of logits.
        reference: The reference's, in the same order.

    Raises:
        GpuError: a logit is not finite.
    """
    kept: list[tuple[Values, Values, NDArray[np.bool_]]] = []
    if reference is not None:
        reference.rewind()

    def score(logits: Logits, next_tokens: NDArray[np.int64]) -> None:
        mine = log_softmax(logits)
        far, same = np.empty(0), np.empty(0, np.bool_)
        if keep is not None:
            keep.write(logits)
        if reference is not None:
            theirs = reference.read(len(logits))
            far = divergences(log_softmax(theirs), mine)
            same = logits.argmax(axis=-1) == theirs.argmax(axis=-1)
        kept.append((surprisals(mine, next_tokens), far, same))

    run_chunks(session, chunks, label, progress, score)
    first, second, third = zip(*kept, strict=True)
    return Scores(np.concatenate(first), np.concatenate(second), np.concatenate(third))


def run_chunks(
    session: Session, chunks: Chunks, label: str, progress: Progress, score: Scorer
) -> None:
    """Hand every scored row of logits to `score`, chunk by chunk."""
    total = chunks.tokens.size
    for index, tokens in enumerate(chunks.tokens):
        progress(label, index * chunks.context, total)
        row = chunks.first_scored
        for logits in session.iter_logits(tokens.tolist(), first=row):
            check_finite(logits, f"{label}: logits after token {index * chunks.context + row:,}")
            rows = min(len(logits), chunks.context - 1 - row)  # nothing follows the last token
            if rows:
                score(logits[:rows], tokens[row + 1 : row + 1 + rows])
            row += len(logits)
            progress(label, index * chunks.context + row, total)


def check_finite(logits: Logits, where: str) -> None:
    """Refuse logits that no statistics can be made of.

    Raises:
        GpuError: one is infinite or not a number.
    """
    bad = logits[~np.isfinite(logits)]
    if bad.size:
        msg = (
            f"{where}: got {bad[0]}, expected finite numbers. Try --variant f32; if it stays, the "
            "weights are damaged."
        )
        raise GpuError(msg)

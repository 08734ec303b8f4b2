"""The head: final norm, logits, and the choice of the next token."""

from __future__ import annotations

from webgemma.architectures.decoder.base import GENERATED_RING, Decoder
from webgemma.architectures.decoder.kernels import (
    MOST_CANDIDATES,
    ROWS,
    Activations,
    head_candidates,
    matmul,
    matvec,
    matvec_dispatch,
    rms_norm,
)
from webgemma.architectures.run_quantization import NONE
from webgemma.architectures.weights import all_rows
from webgemma.program.builder import Bound
from webgemma.program.spec import Range, Size
from webgemma.storage.layout import Matrix


def output_matrix(d: Decoder) -> Matrix:
    """Plan the matrix [vocab_size, hidden_size] of a head that is not tied to the embedding."""
    c = d.config
    tensor = d.plan.tensor("lm_head", (c.vocab_size, c.hidden_size))
    matrix = d.plan.matrix("lm_head", (all_rows(tensor),))
    d.builder.weights(matrix)
    return matrix


def head(d: Decoder, matrix: Matrix, gain: Range) -> None:
    """Append final norm, logits and the choice of the next token; phases `logits` and `verify`."""
    c = d.config
    groups = [matvec_dispatch(piece.rows, c.hidden_size) for piece in matrix.pieces]
    candidates = [f"{group} * {head_candidates(c.hidden_size)}" for group in groups]
    best = d.row("best", 2 * -(-c.vocab_size // ROWS) + 2 * MOST_CANDIDATES * len(groups))
    state = Range("state")
    extra = {"eps": c.rms_norm_eps, "softcap": c.final_logit_softcapping}
    pick = d.builder.kernel(
        "pick_token", "pick_token", {"ring": GENERATED_RING}, {"NUM_BEST": " + ".join(candidates)}
    )
    for phase in ("sample", "decode"):
        for i, piece in enumerate(matrix.pieces):
            constants: dict[str, Size] = {
                "ROW_START": piece.row_start,
                "BEST_START": " + ".join(candidates[:i]) or 0,
            }
            launch = matvec(d, "head", matrix, piece, {**extra, "n": piece.rows}, constants)
            bound: dict[str, Bound] = {
                "state": state,
                "w": Range(piece.buffer),
                "x": d.x,
                "gain": gain,
                "best": best,
                "next_logits": Range("next_logits"),
            }
            d.builder.step(phase, "head", launch, bound, (groups[i], 1, 1))
        bound = {"best": best, "state": state, "generated": Range("generated")}
        d.builder.step(phase, "pick_token", pick, bound, (1, 1, 1))

    _rows_logits(d, "logits", matrix, gain)
    if d.run_quantization.activations == NONE:
        _verify(d, matrix, gain)


def _verify(d: Decoder, matrix: Matrix, gain: Range) -> None:
    """Append the choice of a token for each row of a chunk: what a decode step would choose.

    So rows must be computed as there: a program with quantized activations has no such phase.
    """
    c, state = d.config, Range("state")
    _rows_logits(d, "verify", matrix, gain)
    params = {"vocab_size": c.vocab_size, "ring": GENERATED_RING}
    launch = d.builder.kernel("pick_rows", "pick_rows", params)
    bound: dict[str, Bound] = {
        "state": state,
        "logits": Range("logits"),
        "generated": Range("generated"),
    }
    d.builder.step("verify", "pick_rows", launch, bound, ("num_tokens", 1, 1))


def _rows_logits(d: Decoder, phase: str, matrix: Matrix, gain: Range) -> None:
    """Append norm and logits of rows of a chunk: those phase `logits` asks for, or the first."""
    c = d.config
    mode = "logits" if phase == "logits" else "write"
    normed = d.rows("logits.normed", c.hidden_size)
    rms_norm(d, phase, "final_norm", mode, x=d.x, gain=gain, y=normed)
    for piece in matrix.pieces:
        matmul(
            d,
            matrix,
            piece,
            "logits",
            y_stride=c.vocab_size,
            y_start=piece.row_start,
            label="logits",
            x=Activations(normed),
            y=Range("logits"),
            phase=phase,
            softcap=c.final_logit_softcapping,
        )

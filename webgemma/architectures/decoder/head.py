"""The head: final norm, logits, and the choice of the next token."""

from __future__ import annotations

from webgemma.architectures.decoder.base import GENERATED_RING, Decoder
from webgemma.architectures.decoder.kernels import (
    WORKGROUP,
    matmul,
    matvec,
    matvec_lanes,
    rms_norm,
)
from webgemma.program.builder import Bound
from webgemma.program.spec import Range
from webgemma.storage.layout import Matrix


def head(d: Decoder, matrix: Matrix, gain: Range) -> None:
    """Append final norm, logits and the choice of the next token; and phase `logits`."""
    c = d.config
    teams = WORKGROUP // matvec_lanes(c.hidden_size)
    groups = [-(-piece.rows // (4 * teams)) for piece in matrix.pieces]
    best = d.row("best", 2 * sum(groups))
    state = Range("state")
    extra = {"eps": c.rms_norm_eps, "softcap": c.final_logit_softcapping}
    pick = d.builder.kernel(
        "pick_token", "pick_token", {"num_best": sum(groups), "ring": GENERATED_RING}
    )
    for phase in ("sample", "decode"):
        for i, piece in enumerate(matrix.pieces):
            constants = {"ROW_START": piece.row_start, "BEST_START": sum(groups[:i])}
            launch = matvec(d, "head", matrix, piece, {**extra, "n": piece.rows}, constants)
            bound: dict[str, Bound] = {
                "state": state,
                "w": Range(piece.buffer),
                "x": d.x,
                "gain": gain,
                "best": best,
            }
            d.builder.step(phase, "head", launch, bound, (groups[i], 1, 1))
        bound = {"best": best, "state": state, "generated": Range("generated")}
        d.builder.step(phase, "pick_token", pick, bound, (1, 1, 1))

    normed = d.rows("logits.normed", c.hidden_size)
    rms_norm(d, "logits", "final_norm", "logits", x=d.x, gain=gain, y=normed)
    for piece in matrix.pieces:
        matmul(
            d,
            matrix,
            piece,
            "logits",
            y_stride=c.vocab_size,
            y_start=piece.row_start,
            label="logits",
            x=normed,
            y=Range("logits"),
            phase="logits",
            softcap=c.final_logit_softcapping,
        )

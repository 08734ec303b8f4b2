"""The embedding: its pieces, and the gather of this call's tokens."""

from __future__ import annotations

from webgemma.architectures.decoder.base import Decoder
from webgemma.architectures.decoder.kernels import plane_words, storage_params
from webgemma.architectures.weights import all_rows
from webgemma.program.builder import Bound
from webgemma.program.spec import Range
from webgemma.storage.layout import Matrix, Piece

MAX_PIECES = 4  # bound at once by the embed kernel


def embedding(d: Decoder) -> Matrix:
    """Plan the embedding [vocab_size, hidden_size] and append the gather of it."""
    c = d.config
    tensor = d.plan.tensor("embed_tokens", (c.vocab_size, c.hidden_size))
    matrix = d.plan.matrix("model.embed_tokens", (all_rows(tensor),))
    d.builder.weights(matrix)
    embed(d, matrix)
    return matrix


def embed(d: Decoder, matrix: Matrix) -> None:
    """Append the gather of the tokens' embeddings, a few pieces per dispatch."""
    for first in range(0, len(matrix.pieces), MAX_PIECES):
        pieces = matrix.pieces[first : first + MAX_PIECES]
        for phase in ("prefill", "decode"):
            _embed_step(d, phase, matrix, pieces, chained=phase == "decode")


def _embed_step(
    d: Decoder, phase: str, matrix: Matrix, pieces: tuple[Piece, ...], *, chained: bool
) -> None:
    c = d.config
    rows = sum(piece.rows for piece in pieces)
    if plane_words(matrix, pieces[-1]) != plane_words(matrix, pieces[0]):
        # The last piece is shorter, so its planes lie elsewhere: it gets its own dispatch.
        _embed_step(d, phase, matrix, pieces[:-1], chained=chained)
        _embed_step(d, phase, matrix, pieces[-1:], chained=chained)
        return
    params = {
        **storage_params(matrix, pieces[0]),
        "scale": c.embed_scale,
        "piece_rows": pieces[0].rows,
        "rows": rows,
        "num_pieces": len(pieces),
        "chained": chained,
    }
    name = f"embed{'_chained' if chained else ''}.{matrix.storage.name}.{rows}x{c.hidden_size}"
    launch = d.builder.kernel("embed", name, params, {"ROW_START": pieces[0].row_start})
    bound: dict[str, Bound] = {"state": Range("state"), "x": d.x}
    bound |= {f"w{i}": Range(piece.buffer) for i, piece in enumerate(pieces)}
    if not chained:
        bound["tokens"] = Range("tokens")
    columns = -(-c.hidden_size // (8 * 64))
    rows_of_call = 1 if chained else "num_tokens"
    d.builder.step(phase, "embed", launch, bound, (rows_of_call, columns, 1))

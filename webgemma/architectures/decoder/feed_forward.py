"""The gated unit, and the projections back to the residual stream."""

from __future__ import annotations

from collections.abc import Iterator

from webgemma.architectures.decoder.base import Decoder
from webgemma.architectures.decoder.kernels import (
    Activations,
    activations,
    matmul,
    matvec,
    matvec_dispatch,
    only_piece,
    rms_norm,
)
from webgemma.architectures.weights import Rows
from webgemma.checkpoint import Tensor
from webgemma.program.builder import Bound
from webgemma.program.spec import Range
from webgemma.storage.layout import PIECE_NBYTES, ROW_ALIGNMENT, Matrix, most_rows


def project(
    d: Decoder, layer: int, name: str, ours: str, x: str, k: int, *, post_norm: Range | None = None
) -> None:
    """Append x += W y, or x += norm(W y) with `post_norm`, for both phases.

    `x` names the scratch tensor that holds y: rows `<x>` in prefill, `decode.<x>` in decode.
    """
    c = d.config
    [(_, matrix)] = d.matrix(f"model.layers.{layer}.{name}", (ours,), (c.hidden_size,), k, layer)
    label = f"layers.{layer}.{ours}"
    residual = post_norm is None
    mode = "add" if residual else "store"
    row = d.x if residual else d.row("decode.branch", c.hidden_size)
    rows = d.x if residual else d.rows("branch", c.hidden_size)
    taken = activations(d, label, d.rows(x, k), k)
    for piece in matrix.pieces:
        start = piece.row_start
        extra = {"n": piece.rows, "mode": mode}
        suffix = f"_{mode}" if residual else ""
        launch = matvec(d, "matvec", matrix, piece, extra, {"Y_START": start}, mode=suffix)
        bound: dict[str, Bound] = {"w": Range(piece.buffer), "x": d.row(f"decode.{x}", k), "y": row}
        dispatch = (matvec_dispatch(piece.rows, k), 1, 1)
        d.builder.step("decode", label, launch, bound, dispatch)
        matmul(
            d,
            matrix,
            piece,
            mode,
            y_stride=c.hidden_size,
            y_start=start,
            label=label,
            x=taken,
            y=rows,
        )
    if post_norm is not None:
        rms_norm(d, "decode", f"{label}.norm", "add", x=row, gain=post_norm, y=d.x)
        rms_norm(d, "prefill", f"{label}.norm", "add", x=rows, gain=post_norm, y=d.x)


def gate_up(d: Decoder, layer: int, gain: Range) -> None:
    """Append the norm and the gated unit of gate and up; leaves `hidden` rows.

    Gate and up rows are one matrix, or, where that exceeds a binding, a few of matching rows. Of
    different storage types they are matrices of their own, the gate's first.
    """
    c = d.config
    normed = d.rows("normed", c.hidden_size)
    rms_norm(d, "prefill", f"layers.{layer}.gate_up_norm", "write", x=d.x, gain=gain, y=normed)
    taken = activations(d, f"layers.{layer}.gate_up", normed, c.hidden_size)
    gate, up = (
        d.plan.tensor(name, (c.intermediate_size, c.hidden_size), layer)
        for name in ("gate_proj", "up_proj")
    )
    if d.plan.storage_of(gate) == d.plan.storage_of(up):
        for matrix, start in _row_matrices(d, layer, "gate_up_proj", (gate, up)):
            _gate_up_steps(d, layer, gain, matrix, start, taken)
        return
    for name, tensor, mode in (("gate_proj", gate, "store"), ("up_proj", up, "times_gate")):
        for matrix, start in _row_matrices(d, layer, name, (tensor,)):
            _one_of_two_steps(d, layer, gain, matrix, start, taken, mode)


def _row_matrices(
    d: Decoder, layer: int, name: str, tensors: tuple[Tensor, ...]
) -> Iterator[tuple[Matrix, int]]:
    """Stack the same rows of all tensors, as many as fit a binding: (matrix, first row)."""
    c = d.config
    planes = d.plan.storage_of(tensors[0]).planes(c.hidden_size)
    most = most_rows(planes, PIECE_NBYTES // len(tensors))
    count = -(-c.intermediate_size // most)
    step = -(-c.intermediate_size // count // ROW_ALIGNMENT) * ROW_ALIGNMENT
    for i, start in enumerate(range(0, c.intermediate_size, step)):
        stop = min(start + step, c.intermediate_size)
        full = f"model.layers.{layer}.mlp.{name}" + (f".{i}" if count > 1 else "")
        matrix = d.plan.matrix(full, tuple(Rows(t, start, stop) for t in tensors))
        d.builder.weights(matrix)
        yield matrix, start


def _gate_up_steps(
    d: Decoder, layer: int, gain: Range, matrix: Matrix, start: int, x: Activations
) -> None:
    """Append both products and the gating, of rows from `start` on, in one kernel."""
    c = d.config
    piece = only_piece(matrix)
    label = f"layers.{layer}.gate_up"
    n = piece.rows // 2
    extra = {"n": n, "eps": c.rms_norm_eps, "activation": c.activation}
    launch = matvec(d, "gate_up", matrix, piece, extra, {"Y_START": start})
    hidden = d.row("decode.hidden", c.intermediate_size)
    bound: dict[str, Bound] = {"w": Range(piece.buffer), "x": d.x, "gain": gain, "h": hidden}
    dispatch = (matvec_dispatch(2 * n, c.hidden_size), 1, 1)
    d.builder.step("decode", label, launch, bound, dispatch)
    _gate_up_matmul(d, label, matrix, start, x, "gated")


def _one_of_two_steps(
    d: Decoder, layer: int, gain: Range, matrix: Matrix, start: int, x: Activations, mode: str
) -> None:
    """Append one product: the gate's is stored, the up rows' takes the activated gate's place."""
    c = d.config
    piece = only_piece(matrix)
    label = f"layers.{layer}.{'gate' if mode == 'store' else 'up'}"
    extra = {"n": piece.rows, "mode": mode, "norm": True, "eps": c.rms_norm_eps}
    if mode == "times_gate":
        extra["activation"] = c.activation
    launch = matvec(d, "matvec", matrix, piece, extra, {"Y_START": start}, mode=f"_{mode}_norm")
    hidden = d.row("decode.hidden", c.intermediate_size)
    bound: dict[str, Bound] = {"w": Range(piece.buffer), "x": d.x, "gain": gain, "y": hidden}
    dispatch = (matvec_dispatch(piece.rows, c.hidden_size), 1, 1)
    d.builder.step("decode", label, launch, bound, dispatch)
    _gate_up_matmul(d, label, matrix, start, x, mode)


def _gate_up_matmul(
    d: Decoder, label: str, matrix: Matrix, start: int, x: Activations, mode: str
) -> None:
    """Append the prefill of rows from `start` on of `hidden`."""
    width = d.config.intermediate_size
    matmul(
        d,
        matrix,
        only_piece(matrix),
        mode,
        y_stride=width,
        y_start=start,
        label=label,
        x=x,
        y=d.rows("hidden", width),
    )

"""GeGLU, and the projections back to the residual stream."""

from __future__ import annotations

from webgemma.architectures.decoder.base import Decoder
from webgemma.architectures.decoder.kernels import (
    WORKGROUP,
    matmul,
    matvec,
    matvec_lanes,
    only_piece,
    rms_norm,
)
from webgemma.architectures.weights import Rows
from webgemma.errors import UnsupportedError
from webgemma.program.builder import Bound, Scratch
from webgemma.program.spec import Range
from webgemma.storage.layout import PIECE_NBYTES, ROW_ALIGNMENT, Matrix


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
    piece = only_piece(matrix)
    target = d.x if residual else d.row("decode.branch", c.hidden_size)
    launch = matvec(
        d,
        "matvec",
        matrix,
        piece,
        {"n": piece.rows, "residual": residual},
        mode="_add" if residual else "",
    )
    bound: dict[str, Bound] = {
        "w": Range(piece.buffer),
        "x": d.row(f"decode.{x}", k),
        "y": target,
    }
    teams = WORKGROUP // matvec_lanes(k)
    dispatch = (-(-c.hidden_size // (4 * teams)), 1, 1)
    d.builder.step("decode", label, launch, bound, dispatch)

    chunk = d.x if residual else d.rows("branch", c.hidden_size)
    matmul(
        d,
        matrix,
        piece,
        "add" if residual else "store",
        y_stride=c.hidden_size,
        y_start=0,
        label=label,
        x=d.rows(x, k),
        y=chunk,
    )
    if post_norm is not None:
        rms_norm(d, "decode", f"{label}.norm", "add", x=target, gain=post_norm, y=d.x)
        rms_norm(d, "prefill", f"{label}.norm", "add", x=chunk, gain=post_norm, y=d.x)


def gate_up(d: Decoder, layer: int, gain: Range) -> None:
    """Append the norm and GeGLU of gate and up; leaves `hidden` rows.

    Gate and up rows are one matrix, or, where that exceeds a binding, a few of matching rows.
    """
    c = d.config
    normed = d.rows("normed", c.hidden_size)
    rms_norm(d, "prefill", f"layers.{layer}.gate_up_norm", "write", x=d.x, gain=gain, y=normed)
    tensors = tuple(
        d.plan.tensor(name, (c.intermediate_size, c.hidden_size), layer)
        for name in ("gate_proj", "up_proj")
    )
    storages = [d.plan.storage_of(tensor) for tensor in tensors]
    if storages[0] != storages[1]:
        msg = (
            f"{tensors[0].where}: gate and up are of different types ({tensors[0].type} and "
            f"{tensors[1].type}), expected one type. Re-quantize them alike."
        )
        raise UnsupportedError(msg)
    row_nbytes = sum(plane.row_nbytes for plane in storages[0].planes(c.hidden_size))
    count = -(-2 * c.intermediate_size * row_nbytes // PIECE_NBYTES)
    step = -(-c.intermediate_size // count // ROW_ALIGNMENT) * ROW_ALIGNMENT
    for i, start in enumerate(range(0, c.intermediate_size, step)):
        stop = min(start + step, c.intermediate_size)
        name = f"model.layers.{layer}.mlp.gate_up_proj" + (f".{i}" if count > 1 else "")
        matrix = d.plan.matrix(name, tuple(Rows(t, start, stop) for t in tensors))
        d.builder.weights(matrix)
        _gate_up_steps(d, layer, gain, matrix, start, normed)


def _gate_up_steps(
    d: Decoder, layer: int, gain: Range, matrix: Matrix, start: int, normed: Scratch
) -> None:
    c = d.config
    piece = only_piece(matrix)
    label = f"layers.{layer}.gate_up"
    n = piece.rows // 2
    extra = {"n": n, "eps": c.rms_norm_eps}
    launch = matvec(d, "gate_up", matrix, piece, extra, {"Y_START": start})
    bound: dict[str, Bound] = {
        "w": Range(piece.buffer),
        "x": d.x,
        "gain": gain,
        "h": d.row("decode.hidden", c.intermediate_size),
    }
    teams = WORKGROUP // matvec_lanes(c.hidden_size)
    d.builder.step("decode", label, launch, bound, (-(-n // (2 * teams)), 1, 1))
    matmul(
        d,
        matrix,
        piece,
        "geglu",
        y_stride=c.intermediate_size,
        y_start=start,
        label=label,
        x=normed,
        y=d.rows("hidden", c.intermediate_size),
    )

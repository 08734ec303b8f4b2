"""The kernels all parts of a decoder use: matrix-vector, matrix product, norm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from webgemma.architectures.decoder.base import Decoder
from webgemma.architectures.run_quantization import NONE
from webgemma.errors import UnsupportedError
from webgemma.program.builder import Bound, Launch, Scratch
from webgemma.program.spec import Range, Size
from webgemma.reference import INT8_GROUP_SIZE
from webgemma.storage.layout import Matrix, Piece
from webgemma.storage.types import WORD_NBYTES

GROUPS_PER_WORKGROUP = 64  # of `quantize`
MOST_TEAMS = 16  # of a matvec workgroup
MOST_CANDIDATES = MOST_TEAMS // 4  # that a workgroup of the head leaves
MOST_LANES = 128  # of a team
LONG_GROUPS = 256  # of 32 columns: rows from here on are shared by more lanes
ROWS = 4  # of a block, which a team computes
ROWS_FOR_TWO_TWINS = 1024
FEW_WEIGHTS = 1 << 20  # of a matrix whose products are done before larger kernels are compiled


def matvec(
    d: Decoder,
    template: str,
    matrix: Matrix,
    piece: Piece,
    extra: dict[str, Any],
    constants: dict[str, Size] | None = None,
    mode: str = "",
) -> Launch:
    """A matrix-vector kernel over one piece of a matrix."""
    params = {
        **storage_params(matrix, piece),
        **matvec_shape(piece.rows, matrix.in_features),
        "norm": template != "matvec",
        **extra,
    }
    name = f"{template}{mode}.{matrix.storage.name}.{piece.rows}x{matrix.in_features}"
    launched = {**matvec_constants(matrix.in_features), **(constants or {})}
    return d.builder.kernel(template, name, params, launched)


@dataclass(frozen=True, slots=True)
class Activations:
    """What a chunk's products multiply weights by: rows [num_tokens, K] of floats, or of codes."""

    x: Bound
    scales: Bound | None = None
    """Of int8 codes: see shaders/quantize.wgsl.jinja."""


def activations(d: Decoder, label: str, x: Scratch, k: int) -> Activations:
    """The rows f32 [prefill_chunk_size, K] as products take them: quantized, where asked for."""
    if d.run_quantization.activations == NONE:
        return Activations(x)
    codes = d.rows(f"{x.name}.codes", k // WORD_NBYTES)
    scales = d.rows(f"{x.name}.scales", 2 * k // INT8_GROUP_SIZE)
    launch = d.builder.kernel("quantize", f"quantize.{k}", {"k": k})
    bound: dict[str, Bound] = {"x": x, "codes": codes, "scales": scales}
    d.builder.step("prefill", f"{label}.quantize", launch, bound, quantize_dispatch(k))
    return Activations(codes, scales)


def quantize_dispatch(k: int) -> tuple[Size, Size, Size]:
    """Workgroups that quantize a chunk's rows of K."""
    return (-(-k // (INT8_GROUP_SIZE * GROUPS_PER_WORKGROUP)), "num_tokens", 1)


def matmul(
    d: Decoder,
    matrix: Matrix,
    piece: Piece,
    mode: str,
    *,
    y_stride: int,
    y_start: int,
    label: str,
    x: Activations,
    y: Bound,
    phase: str = "prefill",
    softcap: float = 0.0,
) -> None:
    """Append Y = X W^T for a chunk of tokens, one piece of W."""
    n = piece.rows // 2 if mode == "gated" else piece.rows
    params = {
        **storage_params(matrix, piece),
        **matmul_shape(piece.rows, matrix.in_features),
        "n": n,
        "mode": mode,
        "y_stride": y_stride,
        "softcap": softcap,
        "activation": d.config.activation,
        "int8": x.scales is not None,
    }
    name = f"matmul_{mode}.{matrix.storage.name}.{piece.rows}x{matrix.in_features}"
    constants = {**matmul_constants(piece.rows, matrix.in_features), "Y_START": y_start}
    launch = d.builder.kernel("matmul", name, params, constants)
    dispatch = matmul_dispatch(piece.rows, matrix.in_features)
    bound: dict[str, Bound] = {
        "state": Range("state"),
        "w": Range(piece.buffer),
        "x": x.x,
        "y": y,
        **({} if x.scales is None else {"x_scale": x.scales}),
    }
    d.builder.step(phase, label, launch, bound, dispatch)


def rms_norm(
    d: Decoder, phase: str, label: str, mode: str, *, x: Bound, gain: Range, y: Bound
) -> None:
    """Append a norm over rows: written, added to y, or of the rows `logits` asks for."""
    c = d.config
    params = {"k": c.hidden_size, "eps": c.rms_norm_eps, "mode": mode}
    launch = d.builder.kernel("rms_norm", f"rms_norm_{mode}.{c.hidden_size}", params)
    bound: dict[str, Bound] = {"x": x, "gain": gain, "y": y}
    if mode == "logits":
        bound["state"] = Range("state")
    rows = 1 if phase == "decode" else "num_tokens"
    d.builder.step(phase, label, launch, bound, (rows, 1, 1))


def matvec_lanes(in_features: int) -> str:
    """Invocations that share a row: no more than there are groups of 32, a power of two."""
    groups = in_features // 32
    most = min(MOST_LANES, 1 << (groups.bit_length() - 1))
    return f"min({most}, {'matvec_long_lanes' if groups >= LONG_GROUPS else 'matvec_lanes'})"


def matvec_teams(in_features: int) -> str:
    """Teams of a workgroup, each with a block of four rows."""
    return f"max(1, min({MOST_TEAMS}, matvec_workgroup // {matvec_lanes(in_features)}))"


def matvec_constants(in_features: int) -> dict[str, Size]:
    """Override constants of a matrix-vector kernel."""
    return {"LANES": matvec_lanes(in_features), "TEAMS": matvec_teams(in_features)}


def matmul_shape(rows: int, in_features: int) -> dict[str, bool]:
    """How much of a matrix product a workgroup takes: a parameter of the template."""
    return {"few": is_small(rows, in_features)}


def matmul_dispatch(rows: int, in_features: int) -> tuple[Size, Size, Size]:
    """Workgroups of a matrix product over `rows` rows, gate rows and up rows counted alike."""
    tile = matmul_constants(rows, in_features)
    return (f"ceil_div({rows}, {tile['TILE_N']})", f"ceil_div(num_tokens, {tile['TILE_M']})", 1)


def matmul_constants(rows: int, in_features: int) -> dict[str, Size]:
    """Override constants of a matrix product."""
    size = "matmul_few" if matmul_shape(rows, in_features)["few"] else "matmul"
    return {"TILE_M": f"{size}_tokens", "TILE_N": f"{size}_rows"}


def is_small(rows: int, in_features: int) -> bool:
    """Whether a larger kernel for the matrix saves less than it takes longer to compile."""
    return rows * in_features <= FEW_WEIGHTS


def matvec_twins(rows: int, in_features: int) -> int:
    """Pairs of blocks that an invocation of a software adapter takes.

    More of them share what is loaded of x, but take longer to compile and leave fewer workgroups.
    """
    return 2 if rows >= ROWS_FOR_TWO_TWINS and not is_small(rows, in_features) else 1


def matvec_shape(rows: int, in_features: int) -> dict[str, int]:
    """What a matrix-vector kernel unrolls: a parameter of the template."""
    return {"twins": matvec_twins(rows, in_features)}


def matvec_dispatch(rows: int, in_features: int) -> str:
    """Workgroups of a matrix-vector kernel over `rows` rows."""
    twins = matvec_twins(rows, in_features)
    blocks = f"{matvec_teams(in_features)} * max(1, matvec_blocks * {twins})"
    return f"ceil_div({-(-rows // ROWS)}, {blocks})"


def head_candidates(in_features: int) -> str:
    """Candidates for the next token of a workgroup: one, or of software adapters one a quad."""
    return f"max(1, min(1, matvec_blocks) * {matvec_teams(in_features)} // 4)"


def storage_params(matrix: Matrix, piece: Piece) -> dict[str, Any]:
    """What a kernel must know to read a piece of a matrix."""
    return {
        "storage": matrix.storage.name,
        "planes": plane_words(matrix, piece),
        "k": matrix.in_features,
        "tiles": matrix.in_tiles,
    }


def plane_words(matrix: Matrix, piece: Piece) -> dict[str, int]:
    """Plane name -> its first u32 word in the piece."""
    return {
        plane.name: offset // 4
        for plane, offset in zip(matrix.planes, piece.plane_offsets, strict=True)
    }


def only_piece(matrix: Matrix) -> Piece:
    """The one piece of a matrix that fits a binding.

    Raises:
        UnsupportedError: it does not fit: only embeddings are served in several pieces.
    """
    if len(matrix.pieces) > 1:
        msg = (
            f"{matrix.name}: {matrix.nbytes:,} bytes as {matrix.storage.name}, expected at most "
            "96 MiB for a matrix of a layer. Choose a smaller --quantization."
        )
        raise UnsupportedError(msg)
    return matrix.pieces[0]

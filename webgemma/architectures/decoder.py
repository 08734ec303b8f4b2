"""The steps that decoder-only transformers of this family share, for prefill and decode.

One token (decode) runs matrix-vector kernels with everything fused into them; a chunk of tokens
(prefill) runs tiled matrix products. docs/program.md lists the phases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from webgemma.architectures.lowered import Lowered
from webgemma.architectures.weights import (
    Rows,
    WeightPlan,
    adjacent_groups,
    all_rows,
    check_heads,
)
from webgemma.errors import UnsupportedError
from webgemma.program.builder import Bound, Launch, ProgramBuilder, Scratch
from webgemma.program.spec import Range
from webgemma.storage.layout import PIECE_NBYTES, ROW_ALIGNMENT, Matrix, Piece

KEYS = 32  # keys per step of the attention kernel
SPLIT_KEYS = 64  # keys per workgroup when decode splits them
GENERATED_RING = 64
LOGITS_NBYTES = 32 << 20  # of one batch of rows that Session.logits reads back
MAX_EMBED_PIECES = 4  # bound at once by the embed kernel
WORKGROUP = 64  # invocations of a matvec workgroup
ONE = 1


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """The numbers the shared steps need, whatever the family calls them."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float
    rope_theta: float
    attention_scale: float
    embed_scale: float
    max_position_embeddings: int
    attn_logit_softcapping: float = 0.0  # 0: none
    final_logit_softcapping: float = 0.0  # 0: none
    prefill_chunk_size: int = 256


@dataclass(slots=True)
class Decoder:
    """A program under construction, with the buffers all layers share."""

    config: DecoderConfig
    plan: WeightPlan
    builder: ProgramBuilder = field(default_factory=ProgramBuilder)

    def __post_init__(self) -> None:
        """Declare the buffers every decoder has."""
        c, b = self.config, self.builder
        check_heads(
            self.plan.checkpoint.path, c.num_attention_heads, c.num_key_value_heads, c.head_dim
        )
        b.buffer("tokens", "input", 4 * c.prefill_chunk_size)
        b.buffer("generated", "output", 4 * GENERATED_RING)
        b.buffer("logits", "output", 4 * c.vocab_size * self.logits_chunk_size)
        factors = [c.rope_theta ** (-2 * i / c.head_dim) for i in range(c.head_dim // 2)]
        nbytes = f"context_window_size * {4 * c.head_dim}"  # f32 (cos, sin) per pair
        b.buffer("rope", "table", nbytes, {"op": "cos_sin", "factors": factors})

    @property
    def logits_chunk_size(self) -> int:
        """Rows of one call of phase `logits`."""
        c = self.config
        return max(1, min(c.prefill_chunk_size, LOGITS_NBYTES // (4 * c.vocab_size)))

    def rows(self, name: str, columns: int) -> Scratch:
        """A scratch tensor f32 [prefill_chunk_size, columns]."""
        return self.builder.scratch(name, 4 * columns * self.config.prefill_chunk_size)

    def row(self, name: str, columns: int) -> Scratch:
        """A scratch tensor f32 [columns] of decode."""
        return self.builder.scratch(name, 4 * columns)

    @property
    def x(self) -> Scratch:
        """The residual stream f32 [prefill_chunk_size, hidden_size]; decode uses row 0."""
        return self.rows("x", self.config.hidden_size)

    # -- weights ------------------------------------------------------------------------------

    def norm(self, name: str, ours: str, layer: int | None, add: float) -> Range:
        """A norm's gain f32 [hidden_size]; Hugging Face stores gain - 1, GGUF the gain."""
        tensor = self.plan.tensor(ours, (self.config.hidden_size,), layer)
        self.plan.vector(name, tensor, add if self.plan.checkpoint.format != "gguf" else 0.0)
        return self.builder.vector(name, self.config.hidden_size)

    def matrix(
        self,
        name: str,
        ours: tuple[str, ...],
        rows: tuple[int, ...],
        k: int,
        layer: int,
    ) -> list[tuple[tuple[int, ...], Matrix]]:
        """Stack tensors into as few matrices as their types allow: [(indices of ours, matrix)]."""
        tensors = tuple(self.plan.tensor(o, (n, k), layer) for o, n in zip(ours, rows, strict=True))
        stacked = []
        for group in adjacent_groups(self.plan, tensors):
            suffix = "" if len(group) == len(ours) else "." + "_".join(ours[i] for i in group)
            matrix = self.plan.matrix(name + suffix, tuple(all_rows(tensors[i]) for i in group))
            self.builder.weights(matrix)
            stacked.append((tuple(group), matrix))
        return stacked

    # -- kernels ------------------------------------------------------------------------------

    def matvec(
        self,
        template: str,
        matrix: Matrix,
        piece: Piece,
        extra: dict[str, Any],
        constants: dict[str, int] | None = None,
        mode: str = "",
    ) -> Launch:
        """A matrix-vector kernel over one piece of a matrix."""
        lanes = matvec_lanes(matrix.in_features)
        params = {
            "storage": matrix.storage.name,
            "planes": plane_words(matrix, piece),
            "k": matrix.in_features,
            "lanes": lanes,
            "teams": WORKGROUP // lanes,
            "norm": template != "matvec",
            **extra,
        }
        name = f"{template}{mode}.{matrix.storage.name}.{piece.rows}x{matrix.in_features}"
        return self.builder.kernel(template, name, params, constants)

    def matmul(
        self,
        matrix: Matrix,
        piece: Piece,
        mode: str,
        *,
        y_stride: int,
        y_start: int,
        label: str,
        x: Bound,
        y: Bound,
        phase: str = "prefill",
        softcap: float = 0.0,
    ) -> None:
        """Append Y = X W^T for a chunk of tokens, one piece of W."""
        n = piece.rows // 2 if mode == "geglu" else piece.rows
        params = {
            "storage": matrix.storage.name,
            "planes": plane_words(matrix, piece),
            "n": n,
            "k": matrix.in_features,
            "mode": mode,
            "y_stride": y_stride,
            "softcap": softcap,
        }
        name = f"matmul_{mode}.{matrix.storage.name}.{piece.rows}x{matrix.in_features}"
        launch = self.builder.kernel("matmul", name, params, {"Y_START": y_start})
        tile = 32 if mode == "geglu" else 64
        dispatch = (-(-n // tile), "ceil_div(num_tokens, 32)", ONE)
        bound: dict[str, Bound] = {
            "state": Range("state"),
            "w": Range(piece.buffer),
            "x": x,
            "y": y,
        }
        self.builder.step(phase, label, launch, bound, dispatch)

    def rms_norm(
        self, phase: str, label: str, mode: str, *, x: Bound, gain: Range, y: Bound
    ) -> None:
        """Append a norm over rows: written, added to y, or of the rows `logits` asks for."""
        c = self.config
        params = {"k": c.hidden_size, "eps": c.rms_norm_eps, "mode": mode}
        launch = self.builder.kernel("rms_norm", f"rms_norm_{mode}.{c.hidden_size}", params)
        bound: dict[str, Bound] = {"x": x, "gain": gain, "y": y}
        if mode == "logits":
            bound["state"] = Range("state")
        rows = ONE if phase == "decode" else "num_tokens"
        self.builder.step(phase, label, launch, bound, (rows, ONE, ONE))

    # -- embedding ----------------------------------------------------------------------------

    def embedding(self) -> Matrix:
        """Plan the embedding [vocab_size, hidden_size] and append the gather of it."""
        c = self.config
        tensor = self.plan.tensor("embed_tokens", (c.vocab_size, c.hidden_size))
        matrix = self.plan.matrix("model.embed_tokens", (all_rows(tensor),))
        self.builder.weights(matrix)
        self.embed(matrix)
        return matrix

    def tied_head(self) -> tuple[str, ...]:
        """Names of a stored copy of the embedding, which a tied head does not need."""
        return ("lm_head.weight",) if self.plan.checkpoint.format != "gguf" else ()

    def embed(self, matrix: Matrix) -> None:
        """Append the gather of the tokens' embeddings, a few pieces per dispatch."""
        for first in range(0, len(matrix.pieces), MAX_EMBED_PIECES):
            pieces = matrix.pieces[first : first + MAX_EMBED_PIECES]
            for phase in ("prefill", "decode"):
                self._embed_step(phase, matrix, pieces, chained=phase == "decode")

    def _embed_step(
        self, phase: str, matrix: Matrix, pieces: tuple[Piece, ...], *, chained: bool
    ) -> None:
        c = self.config
        rows = sum(piece.rows for piece in pieces)
        if plane_words(matrix, pieces[-1]) != plane_words(matrix, pieces[0]):
            # The last piece is shorter, so its planes lie elsewhere: it gets its own dispatch.
            self._embed_step(phase, matrix, pieces[:-1], chained=chained)
            self._embed_step(phase, matrix, pieces[-1:], chained=chained)
            return
        params = {
            "storage": matrix.storage.name,
            "planes": plane_words(matrix, pieces[0]),
            "k": c.hidden_size,
            "scale": c.embed_scale,
            "piece_rows": pieces[0].rows,
            "rows": rows,
            "num_pieces": len(pieces),
            "chained": chained,
        }
        name = f"embed{'_chained' if chained else ''}.{matrix.storage.name}.{rows}x{c.hidden_size}"
        launch = self.builder.kernel("embed", name, params, {"ROW_START": pieces[0].row_start})
        bound: dict[str, Bound] = {"state": Range("state"), "x": self.x}
        bound |= {f"w{i}": Range(piece.buffer) for i, piece in enumerate(pieces)}
        if not chained:
            bound["tokens"] = Range("tokens")
        columns = -(-c.hidden_size // (8 * 64))
        rows_of_call = ONE if chained else "num_tokens"
        self.builder.step(phase, "embed", launch, bound, (rows_of_call, columns, ONE))

    # -- attention ----------------------------------------------------------------------------

    def attention(self, layer: int, gain: Range, *, window: int = 0) -> None:
        """Append norm, projections, rotation, cache and attention; leaves `attention` rows."""
        c = self.config
        kv = c.num_key_value_heads
        heads = (c.num_attention_heads, kv, kv)
        parts = self.matrix(
            f"model.layers.{layer}.self_attn.qkv_proj",
            ("q_proj", "k_proj", "v_proj"),
            tuple(h * c.head_dim for h in heads),
            c.hidden_size,
            layer,
        )
        nbytes = f"context_window_size * {kv * c.head_dim} * kv_nbytes"
        caches = {
            "k_cache": self.builder.buffer(f"cache.{layer}.k", "cache", nbytes),
            "v_cache": self.builder.buffer(f"cache.{layer}.v", "cache", nbytes),
        }
        for indices, matrix in parts:
            counts = tuple(heads[i] if i in indices else 0 for i in range(3))
            self._qkv_decode(layer, gain, matrix, counts, caches)
        self._qkv_prefill(layer, gain, parts, heads, caches)
        self._attend(layer, caches, window=window)

    def _qkv_decode(
        self,
        layer: int,
        gain: Range,
        matrix: Matrix,
        heads: tuple[int, ...],
        caches: dict[str, Range],
    ) -> None:
        c = self.config
        extra = {
            "head_dim": c.head_dim,
            "q_heads": heads[0],
            "k_heads": heads[1],
            "v_heads": heads[2],
            "scale": c.attention_scale,
            "eps": c.rms_norm_eps,
        }
        piece = only_piece(matrix)
        launch = self.matvec("qkv_rope", matrix, piece, extra)
        available: dict[str, Bound] = {
            "state": Range("state"),
            "w": Range(piece.buffer),
            "x": self.x,
            "gain": gain,
            "rope": Range("rope"),
            "q": self.row("decode.q", c.num_attention_heads * c.head_dim),
            **caches,
        }
        bound = {name: available[name] for name, _ in launch.bindings}
        teams = WORKGROUP // matvec_lanes(c.hidden_size)
        dispatch = (-(-sum(heads) * c.head_dim // (4 * teams)), ONE, ONE)
        self.builder.step("decode", f"layers.{layer}.qkv", launch, bound, dispatch)

    def _qkv_prefill(
        self,
        layer: int,
        gain: Range,
        parts: list[tuple[tuple[int, ...], Matrix]],
        heads: tuple[int, ...],
        caches: dict[str, Range],
    ) -> None:
        c = self.config
        label = f"layers.{layer}"
        normed = self.rows("normed", c.hidden_size)
        self.rms_norm("prefill", f"{label}.input_norm", "write", x=self.x, gain=gain, y=normed)
        width = sum(heads) * c.head_dim
        qkv = self.rows("qkv", width)
        start = 0
        for _, matrix in parts:
            self.matmul(
                matrix,
                only_piece(matrix),
                "store",
                y_stride=width,
                y_start=start,
                label=f"{label}.qkv",
                x=normed,
                y=qkv,
            )
            start += matrix.rows
        params = {
            "head_dim": c.head_dim,
            "q_heads": heads[0],
            "kv_heads": heads[1],
            "scale": c.attention_scale,
        }
        name = f"rope_append.{heads[0]}.{heads[1]}x{c.head_dim}"
        launch = self.builder.kernel("rope_append", name, params)
        q = self.rows("q", c.num_attention_heads * c.head_dim)
        bound: dict[str, Bound] = {
            "state": Range("state"),
            "qkv": qkv,
            "rope": Range("rope"),
            "q": q,
            **caches,
        }
        dispatch = (-(-width // 2 // 64), "num_tokens", ONE)
        self.builder.step("prefill", f"{label}.rope_append", launch, bound, dispatch)

    def _attend(self, layer: int, caches: dict[str, Range], *, window: int) -> None:
        c = self.config
        group = c.num_attention_heads // c.num_key_value_heads
        width = c.num_attention_heads * c.head_dim
        window = 0 if window >= c.max_position_embeddings else window
        base = {
            "head_dim": c.head_dim,
            "heads": c.num_attention_heads,
            "kv_heads": c.num_key_value_heads,
            "window": window,
            "softcap": c.attn_logit_softcapping,
            "split_keys": SPLIT_KEYS,
        }
        name = f"{c.num_attention_heads}.{c.num_key_value_heads}x{c.head_dim}.w{window}"
        most = 1 if c.head_dim > 256 else 2  # vectors of four rows that fit workgroup memory
        state = Range("state")

        launch = self.builder.kernel(
            "attention", f"attention.{name}", {**base, "split": False, "row_vectors": most}
        )
        tiles = f"ceil_div(num_tokens * {group}, {4 * most})"
        bound: dict[str, Bound] = {
            "state": state,
            "q": self.rows("q", width),
            "y": self.rows("attention", width),
            **caches,
        }
        dispatch = (tiles, c.num_key_value_heads, ONE)
        self.builder.step("prefill", f"layers.{layer}.attention", launch, bound, dispatch)

        vectors = min(most, -(-group // 4))
        launch = self.builder.kernel(
            "attention", f"attention_split.{name}", {**base, "split": True, "row_vectors": vectors}
        )
        oldest = f"max(0, position + 1 - {window}) // {KEYS} * {KEYS}" if window else "0"
        splits = f"ceil_div(position + 1 - {oldest}, {SPLIT_KEYS})"
        most_splits = c.max_position_embeddings // SPLIT_KEYS + 2
        partial = self.row("decode.partial", most_splits * width)
        maxima = self.row("decode.maxima", most_splits * c.num_attention_heads * 2)
        bound = {
            "state": state,
            "q": self.row("decode.q", width),
            "partial": partial,
            "maxima": maxima,
            **caches,
        }
        dispatch = (splits, c.num_key_value_heads, -(-group // (4 * vectors)))
        self.builder.step("decode", f"layers.{layer}.attention", launch, bound, dispatch)

        params = {k: base[k] for k in ("head_dim", "heads", "window", "split_keys")}
        launch = self.builder.kernel("attention_combine", f"attention_combine.{name}", params)
        bound = {
            "state": state,
            "partial": partial,
            "maxima": maxima,
            "y": self.row("decode.attention", width),
        }
        dispatch = (c.num_attention_heads, ONE, ONE)
        self.builder.step("decode", f"layers.{layer}.attention_combine", launch, bound, dispatch)

    # -- projections back to the residual stream --------------------------------------------------

    def project(
        self, layer: int, name: str, ours: str, x: str, k: int, *, post_norm: Range | None = None
    ) -> None:
        """Append x += W y, or x += norm(W y) with `post_norm`, for both phases.

        `x` names the scratch tensor that holds y: rows `<x>` in prefill, `decode.<x>` in decode.
        """
        c = self.config
        [(_, matrix)] = self.matrix(
            f"model.layers.{layer}.{name}", (ours,), (c.hidden_size,), k, layer
        )
        label = f"layers.{layer}.{ours}"
        residual = post_norm is None
        piece = only_piece(matrix)
        target = self.x if residual else self.row("decode.branch", c.hidden_size)
        launch = self.matvec(
            "matvec",
            matrix,
            piece,
            {"n": piece.rows, "residual": residual},
            mode="_add" if residual else "",
        )
        bound: dict[str, Bound] = {
            "w": Range(piece.buffer),
            "x": self.row(f"decode.{x}", k),
            "y": target,
        }
        teams = WORKGROUP // matvec_lanes(k)
        dispatch = (-(-c.hidden_size // (4 * teams)), ONE, ONE)
        self.builder.step("decode", label, launch, bound, dispatch)

        chunk = self.x if residual else self.rows("branch", c.hidden_size)
        self.matmul(
            matrix,
            piece,
            "add" if residual else "store",
            y_stride=c.hidden_size,
            y_start=0,
            label=label,
            x=self.rows(x, k),
            y=chunk,
        )
        if post_norm is not None:
            self.rms_norm("decode", f"{label}.norm", "add", x=target, gain=post_norm, y=self.x)
            self.rms_norm("prefill", f"{label}.norm", "add", x=chunk, gain=post_norm, y=self.x)

    def gate_up(self, layer: int, gain: Range) -> None:
        """Append the norm and GeGLU of gate and up; leaves `hidden` rows.

        Gate and up rows are one matrix, or, where that exceeds a binding, a few of matching rows.
        """
        c = self.config
        normed = self.rows("normed", c.hidden_size)
        self.rms_norm("prefill", f"layers.{layer}.gate_up_norm", "write", x=self.x, gain=gain,
                      y=normed)
        tensors = tuple(
            self.plan.tensor(name, (c.intermediate_size, c.hidden_size), layer)
            for name in ("gate_proj", "up_proj")
        )
        storages = [self.plan.storage_of(tensor) for tensor in tensors]
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
            matrix = self.plan.matrix(name, tuple(Rows(t, start, stop) for t in tensors))
            self.builder.weights(matrix)
            self._gate_up_steps(layer, gain, matrix, start, normed)

    def _gate_up_steps(
        self, layer: int, gain: Range, matrix: Matrix, start: int, normed: Scratch
    ) -> None:
        c = self.config
        piece = only_piece(matrix)
        label = f"layers.{layer}.gate_up"
        n = piece.rows // 2
        extra = {"n": n, "eps": c.rms_norm_eps}
        launch = self.matvec("gate_up", matrix, piece, extra, {"Y_START": start})
        bound: dict[str, Bound] = {
            "w": Range(piece.buffer),
            "x": self.x,
            "gain": gain,
            "h": self.row("decode.hidden", c.intermediate_size),
        }
        teams = WORKGROUP // matvec_lanes(c.hidden_size)
        self.builder.step("decode", label, launch, bound, (-(-n // (2 * teams)), ONE, ONE))
        self.matmul(matrix, piece, "geglu", y_stride=c.intermediate_size, y_start=start,
                    label=label, x=normed, y=self.rows("hidden", c.intermediate_size))

    # -- head ---------------------------------------------------------------------------------

    def head(self, matrix: Matrix, gain: Range) -> None:
        """Append final norm, logits and the choice of the next token; and phase `logits`."""
        c = self.config
        teams = WORKGROUP // matvec_lanes(c.hidden_size)
        groups = [-(-piece.rows // (4 * teams)) for piece in matrix.pieces]
        best = self.row("best", 2 * sum(groups))
        state = Range("state")
        extra = {"eps": c.rms_norm_eps, "softcap": c.final_logit_softcapping}
        pick = self.builder.kernel(
            "pick_token", "pick_token", {"num_best": sum(groups), "ring": GENERATED_RING}
        )
        for phase in ("sample", "decode"):
            for i, piece in enumerate(matrix.pieces):
                constants = {"ROW_START": piece.row_start, "BEST_START": sum(groups[:i])}
                launch = self.matvec("head", matrix, piece, {**extra, "n": piece.rows}, constants)
                bound: dict[str, Bound] = {
                    "state": state,
                    "w": Range(piece.buffer),
                    "x": self.x,
                    "gain": gain,
                    "best": best,
                }
                self.builder.step(phase, "head", launch, bound, (groups[i], ONE, ONE))
            bound = {"best": best, "state": state, "generated": Range("generated")}
            self.builder.step(phase, "pick_token", pick, bound, (ONE, ONE, ONE))

        normed = self.rows("logits.normed", c.hidden_size)
        self.rms_norm("logits", "final_norm", "logits", x=self.x, gain=gain, y=normed)
        for piece in matrix.pieces:
            self.matmul(
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

    def finish(self, architecture: str) -> Lowered:
        """The finished program, with its shaders and sources."""
        c = self.config
        program = self.builder.finish(
            architecture=architecture,
            prefill_chunk_size=c.prefill_chunk_size,
            logits_chunk_size=self.logits_chunk_size,
            vocab_size=c.vocab_size,
            max_context_window_size=c.max_position_embeddings,
            generated_ring_size=GENERATED_RING,
            num_hidden_layers=c.num_hidden_layers,
        )
        per_layer = 2 * c.num_key_value_heads * c.head_dim * 4  # keys and values, f32
        return Lowered(
            program,
            self.builder.shaders,
            tuple(self.plan.sources),
            per_layer * c.num_hidden_layers,
        )


def matvec_lanes(in_features: int) -> int:
    """Invocations that share a row: a power of two, no more than there are groups of 32."""
    groups = in_features // 32
    most = 64 if groups >= 256 else 32
    return min(most, 1 << (groups.bit_length() - 1))


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


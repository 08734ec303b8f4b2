"""The steps of the tower: patches, pre-norm blocks with full attention, a norm, a projection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webgemma.architectures.decoder.attention import most_row_vectors
from webgemma.architectures.decoder.kernels import (
    matmul_constants,
    matmul_dispatch,
    matmul_shape,
    only_piece,
    storage_params,
)
from webgemma.architectures.siglip.config import CHANNELS, SiglipConfig
from webgemma.architectures.views import PaddedRows, TablePlusRow, padded
from webgemma.architectures.weights import FLOATS, WeightPlan, all_rows, check_heads
from webgemma.checkpoint import Tensor
from webgemma.errors import UnsupportedError
from webgemma.program.builder import Bound, ProgramBuilder, Scratch
from webgemma.program.spec import Range, Size
from webgemma.storage.layout import Matrix
from webgemma.storage.types import K_MULTIPLE

PHASE = "encode_image"
COLUMNS_PER_WORKGROUP = 64  # of `patches`


@dataclass(frozen=True, slots=True)
class Tower:
    """A vision tower under construction, in the program of the model it belongs to."""

    config: SiglipConfig
    plan: WeightPlan
    builder: ProgramBuilder

    def rows(self, name: str, columns: int) -> Scratch:
        """A scratch tensor f32 [num_patches, columns]."""
        return self.builder.scratch(f"vision.{name}", 4 * columns * self.config.num_patches)

    def vector(self, name: str, tensor: Tensor) -> Range:
        """A float32 vector of the checkpoint."""
        self.plan.vector(name, tensor)
        return self.builder.vector(name, tensor.shape[-1])

    def named_vector(self, ours: str, length: int, layer: int | None) -> Range:
        """The vector [length] of our name."""
        return self.vector(full_name(ours, layer), self.plan.tensor(ours, (length,), layer))

    def step(
        self, label: str, template: str, name: str, params: Mapping[str, Any],
        bound: Mapping[str, Bound], dispatch: tuple[Any, Any, Any],
        constants: Mapping[str, Size] | None = None,
    ) -> None:  # fmt: skip
        """Append a dispatch."""
        launch = self.builder.kernel(template, name, params, constants)
        self.builder.step(PHASE, label, launch, bound, dispatch)

    def linear(
        self, ours: str, size: tuple[int, int], mode: str, x: Bound, y: Bound,
        layer: int | None = None, is_padded: bool = False,
    ) -> None:  # fmt: skip
        """Append y = W x + b, W [out, in] of our name; with mode add, += ; activate, its GELU.

        What is activated gets zeros up to a multiple of 32 columns; `is_padded`: x has such, so
        W gets zeros there, too.
        """
        n, k = size
        weight = self.plan.tensor(f"{ours}.weight", size, layer)
        tensor = PaddedRows(weight) if is_padded and k % K_MULTIPLE else weight
        matrix = self.plan.matrix(full_name(ours, layer), (all_rows(tensor),))
        self.builder.weights(matrix)
        bias = self.named_vector(f"{ours}.bias", n, layer)
        width = padded(n) if mode == "activate" else n
        self.product(full_name(ours, layer), matrix, mode, width, "row", x=x, y=y, bias=bias)

    def product(
        self, label: str, matrix: Matrix, mode: str, width: int, bias_kind: str, **bound: Bound
    ) -> None:
        """Append a product of all rows, `width` columns wide, zeros after those of the matrix."""
        piece = only_piece(matrix)
        params = {
            **storage_params(matrix, piece),
            **matmul_shape(matrix.rows, matrix.in_features),
            "n": matrix.rows,
            "mode": mode,
            "y_stride": width,
            "width": width,
            "bias": bias_kind,
            "activation": "gelu_tanh",
            "softcap": 0.0,
        }
        sizes = f"{matrix.storage.name}.{matrix.rows}x{matrix.in_features}"
        name = f"matmul_{mode}_bias_{bias_kind}.{sizes}"
        all_bound = {"state": Range("state"), "w": Range(piece.buffer), **bound}
        shape = (matrix.rows, matrix.in_features)
        dispatch, constants = matmul_dispatch(*shape), matmul_constants(*shape)
        self.step(label, "matmul", name, params, all_bound, dispatch, constants)

    def norm(self, ours: str, y: Bound, layer: int | None = None) -> None:
        """Append y = LayerNorm(x) of the residual stream."""
        h = self.config.hidden_size
        gain, bias = (self.named_vector(f"{ours}.{part}", h, layer) for part in ("weight", "bias"))
        bound: dict[str, Bound] = {"x": self.rows("x", h), "gain": gain, "bias": bias, "y": y}
        params = {"k": h, "eps": self.config.layer_norm_eps}
        dispatch = (self.config.num_patches, 1, 1)
        self.step(full_name(ours, layer), "layer_norm", f"layer_norm.{h}", params, bound, dispatch)


def full_name(ours: str, layer: int | None) -> str:
    """The name of a weight in the site, and of the step that uses it."""
    return ours if layer is None else ours.replace("vision.", f"vision.layers.{layer}.", 1)


def encode_image(tower: Tower, image: Range, features: Range, projection_dim: int) -> None:
    """Append the tower and the projection.

    Args:
        tower: The tower.
        image: Buffer f32 [3, image_size, image_size], normalized.
        features: Buffer for f32 [num_patches, projection_dim].
        projection_dim: The hidden_size of the decoder.
    """
    c = tower.config
    check_heads(
        tower.plan.checkpoint.path, c.num_attention_heads, c.num_attention_heads, c.head_dim
    )
    _embed(tower, image)
    for layer in range(c.num_hidden_layers):
        _attention(tower, layer)
        _feed_forward(tower, layer)
    normed = tower.rows("normed", c.hidden_size)
    tower.norm("vision.post_layernorm", normed)
    tower.linear("projector", (projection_dim, c.hidden_size), "store", normed, features)


def _embed(tower: Tower, image: Range) -> None:
    """Append x = patches times the convolution's weights, its bias and the positions added."""
    c = tower.config
    weight = tower.plan.tensor("vision.patch_embedding.weight", _convolution(tower))
    if weight.type not in FLOATS:
        msg = f"{weight.where}: got type {weight.type}, expected one of {', '.join(FLOATS)}."
        raise UnsupportedError(msg)
    matrix = tower.plan.matrix("vision.patch_embedding", (all_rows(PaddedRows(weight)),))
    tower.builder.weights(matrix)
    table = tower.plan.tensor("vision.position_embedding", (c.num_patches, c.hidden_size))
    bias = tower.plan.tensor("vision.patch_embedding.bias", (c.hidden_size,))
    positions = tower.vector("vision.position_embedding", TablePlusRow(table, bias))
    k = matrix.in_features
    patches = tower.rows("patches", k)
    params = {"channels": CHANNELS, "patch": c.patch_size, "side": c.side, "k": k}
    dispatch = (c.num_patches, -(-k // COLUMNS_PER_WORKGROUP), 1)
    bound: dict[str, Bound] = {"image": image, "y": patches}
    tower.step("vision.patches", "patches", f"patches.{c.side}x{k}", params, bound, dispatch)
    x = tower.rows("x", c.hidden_size)
    label = "vision.patch_embedding"
    tower.product(label, matrix, "store", c.hidden_size, "table", x=patches, y=x, bias=positions)


def _convolution(tower: Tower) -> tuple[int, ...]:
    """The shape of the patch embedding: [hidden, 3, patch, patch], or flat where it is 2-D."""
    c = tower.config
    name = tower.plan.name_of("vision.patch_embedding.weight")
    found = tower.plan.checkpoint.tensors.get(name)
    pixels = (CHANNELS, c.patch_size, c.patch_size)
    flat = found is not None and len(found.shape) == 2
    return (c.hidden_size, CHANNELS * c.patch_size**2) if flat else (c.hidden_size, *pixels)


def _attention(tower: Tower, layer: int) -> None:
    """Append x += out_proj(attention(norm(x))); every patch sees every other."""
    c = tower.config
    h = c.hidden_size
    normed = tower.rows("normed", h)
    tower.norm("vision.layer_norm1", normed, layer)
    projected = {name: tower.rows(name, h) for name in ("q", "k", "v")}
    for name, y in projected.items():
        tower.linear(f"vision.{name}_proj", (h, h), "store", normed, y, layer)
    vectors = most_row_vectors(c.head_dim)
    params = {
        "head_dim": c.head_dim, "heads": c.num_attention_heads, "kv_heads": c.num_attention_heads,
        "window": 0, "softcap": 0.0, "split": False, "row_vectors": vectors, "mask": "full",
        "scale": c.head_dim**-0.5,
    }  # fmt: skip
    attended = tower.rows("attention", h)
    bound: dict[str, Bound] = {
        "state": Range("state"),
        "q": projected["q"],
        "k_cache": projected["k"],
        "v_cache": projected["v"],
        "y": attended,
    }
    dispatch = (-(-c.num_patches // (4 * vectors)), c.num_attention_heads, 1)
    name = f"attention_full.{c.num_attention_heads}x{c.head_dim}"
    tower.step(full_name("vision.attention", layer), "attention", name, params, bound, dispatch)
    tower.linear("vision.out_proj", (h, h), "add", attended, tower.rows("x", h), layer)


def _feed_forward(tower: Tower, layer: int) -> None:
    """Append x += fc2(gelu(fc1(norm(x))))."""
    c = tower.config
    h, wide = c.hidden_size, c.intermediate_size
    normed = tower.rows("normed", h)
    tower.norm("vision.layer_norm2", normed, layer)
    hidden = tower.rows("hidden", padded(wide))
    tower.linear("vision.fc1", (wide, h), "activate", normed, hidden, layer)
    x = tower.rows("x", h)
    tower.linear("vision.fc2", (h, wide), "add", hidden, x, layer, is_padded=True)

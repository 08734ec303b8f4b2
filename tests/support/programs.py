"""Programs that together use every template, mode and storage type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webgemma.architectures import lower
from webgemma.architectures.weights import Quantization
from webgemma.checkpoint import Checkpoint, TokenizerSource
from webgemma.program.spec import Program
from webgemma.sources import open_checkpoint
from webgemma.sources.ggml_types import GGML_TYPES
from webgemma.storage.quantize import QUANTIZERS
from webgemma.storage.registry import KEPT

BITS = {kind.name: 8 * kind.block_nbytes / kind.block_size for kind in GGML_TYPES.values()}
WINDOWED = ("gemma2", "gemma3")  # they have four norms per layer, too
HEAD_NORMED = ("gemma3", "qwen3")
HIDDEN, INTERMEDIATE, HEAD_DIM, VOCAB = 256, 512, 64, 320


@dataclass(frozen=True, slots=True)
class ShapeOnly:
    """A tensor that has a shape and a type, and no data: enough to lower a model."""

    name: str
    type: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes in a file."""
        return int(np.prod(self.shape) * BITS[self.type] / 8)

    @property
    def where(self) -> str:
        """For messages."""
        return f"shape.gguf: tensor {self.name!r}"

    def read_rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """There is nothing to read."""
        raise NotImplementedError


def shape_checkpoint(
    family: str,
    types: Mapping[str, str],
    *,
    default: str = "Q4_K",
    layers: int = 1,
    hidden: int = HIDDEN,
    intermediate: int = INTERMEDIATE,
    heads: tuple[int, int, int] = (4, 2, HEAD_DIM),
    vocab: int = VOCAB,
    more: Mapping[str, tuple[int, ...]] | None = None,
) -> Checkpoint:
    """A GGUF checkpoint of shapes; `types` overrides the type by the tensor's short name.

    `more` are tensors beside those every family has.
    """
    num_heads, kv_heads, head_dim = heads
    norms = ["attn_norm", "ffn_norm"]
    norms += ["post_attention_norm", "post_ffw_norm"] if family in WINDOWED else []
    head_norms = ["attn_q_norm", "attn_k_norm"] if family in HEAD_NORMED else []
    shapes: dict[str, tuple[int, ...]] = {
        "attn_q": (num_heads * head_dim, hidden),
        "attn_k": (kv_heads * head_dim, hidden),
        "attn_v": (kv_heads * head_dim, hidden),
        "attn_output": (hidden, num_heads * head_dim),
        "ffn_gate": (intermediate, hidden),
        "ffn_up": (intermediate, hidden),
        "ffn_down": (hidden, intermediate),
        **{norm: (hidden,) for norm in norms},
        **{norm: (head_dim,) for norm in head_norms},
    }
    tensors = {"token_embd.weight": (vocab, hidden), "output_norm.weight": (hidden,)}
    for layer in range(layers):
        tensors |= {f"blk.{layer}.{name}.weight": shape for name, shape in shapes.items()}

    tensors |= more or {}

    def type_of(name: str, shape: tuple[int, ...]) -> str:
        short = name.removesuffix(".weight").split(".")[-1]
        return "F32" if len(shape) == 1 else types.get(short, default)

    metadata = {
        f"{family}.block_count": layers,
        f"{family}.embedding_length": hidden,
        f"{family}.feed_forward_length": intermediate,
        f"{family}.attention.head_count": num_heads,
        f"{family}.attention.head_count_kv": kv_heads,
        f"{family}.attention.key_length": head_dim,
        f"{family}.context_length": 512,
    }
    if family in WINDOWED:
        metadata[f"{family}.attention.sliding_window"] = 64
    return Checkpoint(
        path=Path("shape.gguf"),
        format="gguf",
        files=(),
        architecture=family,
        metadata=metadata,
        tensors={n: ShapeOnly(n, type_of(n, s), s) for n, s in tensors.items()},
        tokenizer=TokenizerSource(gguf={"tokenizer.ggml.tokens": ["x"] * vocab}),
    )


def all_programs(fixtures: Path) -> Iterator[tuple[Program, Mapping[str, str]]]:
    """The fixtures, every kept type, every quantizer, and the wide heads of the real models."""
    for path in sorted(fixtures.glob("*.gguf")):
        lowered = lower(open_checkpoint(path))
        yield lowered.program, lowered.shaders
    checkpoints = [shape_checkpoint("gemma2", {}, default=kept) for kept in KEPT]
    checkpoints.append(shape_checkpoint("gemma", {"attn_v": "Q6_K"}, heads=(8, 1, 256)))
    checkpoints.append(shape_checkpoint("llama", {"ffn_up": "Q6_K"}, heads=(8, 2, 128)))
    checkpoints.append(shape_checkpoint("gemma3", {"attn_v": "Q6_K"}, layers=6, heads=(4, 1, 256)))
    for checkpoint in checkpoints:
        lowered = lower(checkpoint)
        yield lowered.program, lowered.shaders
    for name in QUANTIZERS:
        lowered = lower(
            shape_checkpoint("gemma2", {}, default="F16"), quantization=Quantization(name, name)
        )
        yield lowered.program, lowered.shaders

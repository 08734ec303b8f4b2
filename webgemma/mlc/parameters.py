"""A model's parameters as MLC has them: names, order, and what it fuses.

Source: mlc-llm python/mlc_llm/model/*/*_model.py and *_loader.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webgemma.architectures import gemma, gemma2, gemma3, llama
from webgemma.architectures.row_order import HalvesOfPairs
from webgemma.architectures.weights import Names
from webgemma.checkpoint import Checkpoint, Tensor
from webgemma.errors import UnsupportedError

QKV, GATE_UP = ("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj")
SUFFIX = ".weight"


@dataclass(frozen=True, slots=True)
class Family:
    """How MLC names and fuses the parameters of an architecture."""

    model_type: str
    tensors: Names
    fused: Mapping[str, tuple[str, ...]]
    """Fused module -> our names of its parts, whose rows are stacked."""
    norm_offset: float = 0.0
    """What MLC adds to a norm of Hugging Face's; other sources hold the gain itself."""
    paired: tuple[str, ...] = ()
    """Ours: what GGUF holds with the rows of rotated pairs side by side."""
    prefix: str = ""
    text_of: Callable[[Checkpoint], Checkpoint] = lambda checkpoint: checkpoint
    """The text of a checkpoint that sees, too."""
    names_in: Callable[[Checkpoint], Names] | None = None
    """`tensors` as this checkpoint has them, where that varies."""


FUSED = {"qkv_proj": QKV, "gate_up_proj": GATE_UP}
GEMMA3 = Family(
    "gemma3_text",
    gemma3.TENSORS,
    {"gate_up_proj": GATE_UP},
    gemma3.NORM_OFFSET,
    prefix="language_model.",
    text_of=gemma3.text_of,
    names_in=gemma3.names_in,
)
FAMILIES: Mapping[str, Family] = {
    "gemma": Family("gemma", gemma.TENSORS, FUSED, gemma.NORM_OFFSET),
    "gemma2": Family("gemma2", gemma2.TENSORS, FUSED, gemma2.NORM_OFFSET),
    "gemma3": GEMMA3,
    "gemma3_text": GEMMA3,
    "llama": Family("llama", llama.TENSORS, FUSED, paired=("q_proj", "k_proj")),
}
"""By the architecture's name in a checkpoint."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of MLC's: tensors whose rows are stacked, or a norm."""

    name: str
    """MLC's, without what quantization appends: "model.layers.0.self_attn.qkv_proj"."""
    parts: tuple[Tensor, ...]
    add: float = 0.0

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all parts together."""
        first = self.parts[0].shape
        rows = sum(part.shape[0] for part in self.parts)
        return (rows, *first[1:])

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)

    @property
    def is_vector(self) -> bool:
        """Whether it is a norm."""
        return len(self.parts[0].shape) == 1

    @property
    def is_embedding(self) -> bool:
        """Whether its rows are looked up."""
        return self.name.endswith("embed_tokens")

    @property
    def is_end(self) -> bool:
        """Whether it is the embedding or the output matrix."""
        return self.is_embedding or self.name.endswith("lm_head")


def family_of(checkpoint: Checkpoint) -> Family:
    """How MLC holds this checkpoint's architecture.

    Raises:
        UnsupportedError: it is not known.
    """
    if checkpoint.architecture not in FAMILIES:
        raise UnsupportedError(
            f"{checkpoint.path}: architecture {checkpoint.architecture!r} cannot be converted to "
            f"MLC's format (have {', '.join(FAMILIES)})."
        )
    return FAMILIES[checkpoint.architecture]


def parameters(checkpoint: Checkpoint, numbers: Mapping[str, Any]) -> Iterator[Parameter]:
    """All parameters, in the order MLC's model has them: matrices of a layer before its norms.

    The checkpoint's tensors are known to be there and of the right shapes: `lower` took them.

    Args:
        checkpoint: The model.
        numbers: What `model_numbers` made of its configuration.
    """
    take = _Taker(checkpoint, family_of(checkpoint), numbers["head_dim"])
    yield take.parameter(("embed_tokens",))
    for layer in range(numbers["num_hidden_layers"]):
        for names in _in_order(take.family):
            yield take.parameter(names, layer)
    yield take.parameter(("norm",))
    if "lm_head" in take.family.tensors and not numbers["tie_word_embeddings"]:
        yield take.parameter(("lm_head",))


def _in_order(family: Family) -> Iterator[tuple[str, ...]]:
    """Our names of a layer, those that MLC fuses together; norms last."""
    layered = [name for name, (theirs, _) in family.tensors.items() if "{i}" in theirs]
    fused = {parts[0]: parts for parts in family.fused.values()}
    inner = {name for parts in family.fused.values() for name in parts[1:]}
    for wants_norm in (False, True):
        for name in layered:
            if name not in inner and name.endswith("_proj") != wants_norm:
                yield fused.get(name, (name,))


@dataclass(frozen=True, slots=True)
class _Taker:
    """Takes parameters out of a checkpoint."""

    checkpoint: Checkpoint
    family: Family
    head_dim: int

    def parameter(self, names: tuple[str, ...], layer: int | None = None) -> Parameter:
        """The parameter that our `names` make."""
        parts = tuple(self._tensor(name, layer) for name in names)
        theirs = self.family.tensors[names[0]][0].replace("{i}", str(layer)).removesuffix(SUFFIX)
        for module, fused in self.family.fused.items():
            if names == fused:
                theirs = f"{theirs.rpartition('.')[0]}.{module}"
        is_norm = len(parts[0].shape) == 1
        add = self.family.norm_offset if is_norm and not self.checkpoint.stores_gains else 0.0
        return Parameter(self.family.prefix + theirs, parts, add)

    def _tensor(self, name: str, layer: int | None) -> Tensor:
        is_gguf = self.checkpoint.format == "gguf"
        names = self.family.names_in(self.checkpoint) if self.family.names_in else None
        theirs = (names or self.family.tensors)[name][int(is_gguf)]
        tensor = self.checkpoint.tensors[theirs.replace("{i}", str(layer))]
        is_paired = is_gguf and name in self.family.paired
        return HalvesOfPairs(tensor, self.head_dim) if is_paired else tensor

"""Takes tensors out of a checkpoint by name: checks shapes, stacks rows, plans their storage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from webgemma.checkpoint import Checkpoint, Tensor
from webgemma.errors import ConfigError, FormatError, UnsupportedError
from webgemma.storage.layout import PIECE_NBYTES, Matrix, most_rows, plan_matrix
from webgemma.storage.quantize import KEEP, QUANTIZERS
from webgemma.storage.registry import storage_for
from webgemma.storage.types import K_MULTIPLE, StorageType, check_in_features

Names = Mapping[str, tuple[str, str]]
"""Our name -> (Hugging Face name, GGUF name); "{i}" stands for the layer."""

FLOATS = ("F32", "F16", "BF16")


EMBEDDINGS = ("embed_tokens", "lm_head")
"""Ours: the matrices with a row per token, which `--embedding-quantization` is about."""


@dataclass(frozen=True, slots=True)
class Quantization:
    """The storage types asked for, by name; "keep" is each tensor's own."""

    layers: str = KEEP
    embedding: str = KEEP


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows start..stop - 1 of a tensor [out_features, in_features]."""

    tensor: Tensor
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class MatrixSource:
    """A matrix to be stored: its rows are those of `parts`, one after another."""

    matrix: Matrix
    parts: tuple[Rows, ...]


@dataclass(frozen=True, slots=True)
class VectorSource:
    """A vector to be stored as float32, `add` added to every element."""

    name: str
    tensor: Tensor
    length: int
    add: float


@dataclass(slots=True)
class WeightPlan:
    """All weights an architecture takes from a checkpoint, in the order they are stored."""

    checkpoint: Checkpoint
    names: Names
    quantization: Quantization = field(default_factory=Quantization)
    sources: list[MatrixSource | VectorSource] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    requantized: dict[str, int] = field(default_factory=dict)
    """Source type that is not of floats -> how many tensors of it get another type."""
    views: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    """Ours -> what to see a tensor through, where its rows lie in another order."""
    _embeddings: set[str] = field(default_factory=set)

    def name_of(self, name: str, layer: int | None = None) -> str:
        """The source's name of our `name`."""
        theirs = self.names[name][1 if self.checkpoint.format == "gguf" else 0]
        return theirs if layer is None else theirs.replace("{i}", str(layer))

    def has(self, name: str) -> bool:
        """Whether the source has a tensor of our `name`."""
        return self.name_of(name) in self.checkpoint.tensors

    def tensor(self, name: str, shape: tuple[int, ...], layer: int | None = None) -> Tensor:
        """The source's tensor of our `name`.

        Raises:
            FormatError: it is missing, or its shape is another.
        """
        theirs = self.name_of(name, layer)
        tensor = self.checkpoint.tensors.get(theirs)
        if tensor is None:
            msg = (
                f"{self.checkpoint.path}: tensor {theirs!r} is missing: got "
                f"{len(self.checkpoint.tensors)} other tensors, expected it with shape "
                f"{list(shape)}. Check that the file is complete and of this architecture."
            )
            raise FormatError(msg)
        if tuple(tensor.shape) != shape:
            msg = (
                f"{tensor.where}: got shape {list(tensor.shape)}, expected {list(shape)} by the "
                "model's configuration. The file is damaged or of another architecture."
            )
            raise FormatError(msg)
        self.taken.add(theirs)
        if name in EMBEDDINGS:
            self._embeddings.add(theirs)
        return self.views[name](tensor) if name in self.views else tensor

    def storage_of(self, tensor: Tensor) -> StorageType:
        """How a tensor will be stored: as it is, or as asked."""
        embedding = tensor.name in self._embeddings
        asked = self.quantization.embedding if embedding else self.quantization.layers
        return storage_for(tensor.where, tensor.type) if asked == KEEP else QUANTIZERS[asked]

    def matrix(self, name: str, parts: tuple[Rows, ...]) -> Matrix:
        """Plan a matrix of stacked rows; all parts have one storage type."""
        first = parts[0].tensor
        storage = self.storage_of(first)
        in_features = first.shape[-1]
        check_in_features(first.where, in_features, K_MULTIPLE)
        rows = sum(part.stop - part.start for part in parts)
        matrix = plan_matrix(name, storage, (rows, in_features))
        self.sources.append(MatrixSource(matrix, parts))
        for part in parts:
            kept = storage_for(part.tensor.where, part.tensor.type)
            if part.tensor.type not in FLOATS and kept != storage:
                count = self.requantized.get(part.tensor.type, 0)
                self.requantized[part.tensor.type] = count + 1
        return matrix

    def vector(self, name: str, tensor: Tensor, add: float = 0.0) -> str:
        """Plan a float32 vector; returns its record's name."""
        if tensor.type not in FLOATS:
            msg = f"{tensor.where}: got type {tensor.type}, expected one of {', '.join(FLOATS)}."
            raise UnsupportedError(msg)
        self.sources.append(VectorSource(name, tensor, tensor.shape[-1], add))
        return name

    def finish(self, ignored: tuple[str, ...] = ()) -> None:
        """Refuse tensors that nobody took: they could change the mathematics.

        Raises:
            UnsupportedError: lists them.
        """
        left = sorted(set(self.checkpoint.tensors) - self.taken - set(ignored))
        if left:
            shown = ", ".join(repr(name) for name in left[:5]) + (", ..." if len(left) > 5 else "")
            msg = (
                f"{self.checkpoint.path}: {len(left)} tensors are not part of architecture "
                f"{self.checkpoint.architecture!r} as webgemma knows it: {shown}. "
                "Nothing is dropped silently; convert the model without them."
            )
            raise UnsupportedError(msg)


def all_rows(tensor: Tensor) -> Rows:
    """Every row of a matrix."""
    return Rows(tensor, 0, tensor.shape[0])


def adjacent_groups(plan: WeightPlan, parts: tuple[Tensor, ...]) -> list[list[int]]:
    """Indices of neighbours that can be one matrix: of one storage type, and within one piece."""
    groups: list[list[int]] = []
    for i, part in enumerate(parts):
        storage = plan.storage_of(part)
        most = most_rows(storage.planes(part.shape[-1]), PIECE_NBYTES)
        together = [parts[j] for j in groups[-1]] if groups else []
        rows = part.shape[0] + sum(other.shape[0] for other in together)
        if together and plan.storage_of(together[-1]) == storage and rows <= most:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def check_heads(path: object, heads: int, kv_heads: int, head_dim: int) -> None:
    """Check that attention heads divide as the kernels need.

    Raises:
        ConfigError: heads do not divide into key-value heads, or head_dim is not supported.
    """
    if heads % kv_heads:
        msg = f"{path}: got {heads} attention heads, expected a multiple of {kv_heads} (their keys)"
        raise ConfigError(msg)
    if head_dim % 4 or head_dim > 512:
        msg = f"{path}: head_dim: got {head_dim}, expected a multiple of 4 up to 512."
        raise ConfigError(msg)

"""How large a lowered model is: its matrices, its parameters, its bytes by storage type."""

from __future__ import annotations

from webgemma.architectures.lowered import Lowered
from webgemma.architectures.views import num_weights
from webgemma.architectures.weights import MatrixSource


def matrices(lowered: Lowered) -> list[MatrixSource]:
    """The matrices among the sources."""
    return [source for source in lowered.sources if isinstance(source, MatrixSource)]


def num_parameters(lowered: Lowered) -> int:
    """Weights of all matrices and vectors, as the source has them."""
    vectors = (num_weights(s.tensor) for s in lowered.sources if not isinstance(s, MatrixSource))
    parts = (part for source in matrices(lowered) for part in source.parts)
    return sum(vectors) + sum(
        num_weights(part.tensor) // part.tensor.shape[0] * (part.stop - part.start)
        for part in parts
    )


def storage_nbytes(lowered: Lowered) -> dict[str, int]:
    """Storage type -> bytes of all its matrices."""
    sizes: dict[str, int] = {}
    for source in matrices(lowered):
        kind = source.matrix.storage.name
        sizes[kind] = sizes.get(kind, 0) + source.matrix.nbytes
    return dict(sorted(sizes.items()))


def weights_nbytes(lowered: Lowered) -> int:
    """Bytes of all matrices as they are stored."""
    return sum(source.matrix.nbytes for source in matrices(lowered))

"""Makes the codes of a storage type from floats: what `--quantization` offers.

MLC's types follow MLC's formula (storage/mlc.py). GGML's are made as llama.cpp's reference
quantizers make them, by the gguf package; K- and IQ-types are a search over scales that belongs to
llama-quantize, whose files `build` keeps as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from webgemma.errors import ConfigError
from webgemma.storage.mlc import Q3F16_1, Q4F16_1, Q4F32_1
from webgemma.storage.registry import KEPT
from webgemma.storage.types import Planes, StorageType, as_bytes

KEEP = "keep"
Quantize = Callable[[NDArray[np.float32]], Planes]
"""float32 [n, K] -> planes."""


def _by_ggml(source_type: str) -> Quantize:
    storage = KEPT[source_type]

    def quantize(weights: NDArray[np.float32]) -> Planes:
        # Loaded where it is used: it takes 70 ms, and a file's own codes are kept without it.
        from gguf.constants import GGMLQuantizationType
        from gguf.quants import quantize as ggml_quantize

        blocks = ggml_quantize(weights, GGMLQuantizationType[source_type])
        return storage.encode(as_bytes(blocks), weights.shape[1])

    return quantize


def _by_numpy(dtype: str) -> Quantize:
    return lambda weights: (as_bytes(weights.astype(dtype)),)


GGML_QUANTIZED = ("Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "BF16")
_QUANTIZE: Mapping[str, Quantize] = {
    "f32": _by_numpy("float32"),
    "f16": _by_numpy("float16"),
    **{KEPT[name].name: _by_ggml(name) for name in GGML_QUANTIZED},
    **{kind.name: kind.quantize for kind in (Q4F16_1, Q4F32_1, Q3F16_1)},
}
QUANTIZERS: Mapping[str, StorageType] = {
    **{storage.name: storage for storage in KEPT.values() if storage.name in _QUANTIZE},
    **{kind.name: kind for kind in (Q4F16_1, Q4F32_1, Q3F16_1)},
}
"""The storage types that can be made from floats, by name."""


def quantize(name: str, weights: NDArray[np.float32], where: str) -> Planes:
    """Quantize float32 [n, K] to the planes of storage type `name`, one of QUANTIZERS.

    Raises:
        ConfigError: a weight is not finite, or not as a float of this type; `where` names it.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        planes = _QUANTIZE[name](weights)
        bad = not np.isfinite(weights).all()
        bad |= name == "f16" and not np.isfinite(planes[0].view(np.float16)).all()
    if bad:
        msg = (
            f"{where}: got weights that are not finite as {name}, expected finite ones. "
            "Keep the type with --quantization keep, or choose a type of a wider range (bf16)."
        )
        raise ConfigError(msg)
    return planes


def check_quantization(option: str, name: str) -> None:
    """Check the value of `--quantization` or `--embedding-quantization`.

    Raises:
        ConfigError: it is neither "keep" nor a type that can be made from floats.
    """
    if name != KEEP and name not in QUANTIZERS:
        msg = f"{option}: got {name!r}, expected keep, {', '.join(QUANTIZERS)}."
        raise ConfigError(msg)

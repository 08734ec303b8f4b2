"""What each of MLC's quantizations does with a parameter.

Source: mlc-llm python/mlc_llm/quantization/quantization.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from webgemma.errors import ConfigError
from webgemma.storage.mlc import Q3F16_1, Q4F16_1, Q4F32_1, MlcGroup


@dataclass(frozen=True, slots=True)
class Scheme:
    """One name of MLC's table."""

    name: str
    model_dtype: str
    """Of what is not quantized, and of scales: "float16" or "float32"."""
    storage: MlcGroup | None = None
    """How matrices are quantized; None leaves them floats."""
    is_transposed: bool = False
    """Layout KN: codes and scales of linear layers, not of the embedding."""
    quantizes_ends: bool = True
    """Whether the embedding and the output matrix are quantized too."""


SCHEMES: Mapping[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme("q0f16", "float16"),
        Scheme("q0f32", "float32"),
        Scheme("q3f16_0", "float16", Q3F16_1, is_transposed=True),
        Scheme("q3f16_1", "float16", Q3F16_1),
        Scheme("q4f16_0", "float16", Q4F16_1, is_transposed=True),
        Scheme("q4f16_1", "float16", Q4F16_1),
        Scheme("q4f16_2", "float16", Q4F16_1, quantizes_ends=False),
        Scheme("q4f32_1", "float32", Q4F32_1),
    )
}


def scheme_of(name: str) -> Scheme:
    """The quantization of this name.

    Raises:
        ConfigError: there is none.
    """
    if name not in SCHEMES:
        raise ConfigError(f"--quantization: got {name!r}, expected one of {', '.join(SCHEMES)}.")
    return SCHEMES[name]

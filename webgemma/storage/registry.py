"""Which storage type keeps which source type, by the type's name."""

from __future__ import annotations

from webgemma.errors import UnsupportedError
from webgemma.storage.floats import BF16, F16, F32
from webgemma.storage.ggml_iq1 import KEPT_IQ1
from webgemma.storage.ggml_iq2 import KEPT_IQ2
from webgemma.storage.ggml_iq3 import KEPT_IQ3
from webgemma.storage.ggml_k_affine import KEPT_K_AFFINE
from webgemma.storage.ggml_k_signed import KEPT_K_SIGNED
from webgemma.storage.ggml_legacy import KEPT_LEGACY
from webgemma.storage.ggml_nonlinear import KEPT_NONLINEAR
from webgemma.storage.ggml_ternary import KEPT_TERNARY
from webgemma.storage.mlc import Q3F16_1, Q4F16_1, Q4F32_1
from webgemma.storage.types import StorageType

KEPT: dict[str, StorageType] = {
    "F32": F32,
    "F16": F16,
    "BF16": BF16,
    **KEPT_LEGACY,
    **KEPT_K_AFFINE,
    **KEPT_K_SIGNED,
    **KEPT_NONLINEAR,
    **KEPT_TERNARY,
    **KEPT_IQ1,
    **KEPT_IQ2,
    **KEPT_IQ3,
}
"""Source type -> the storage type that keeps its own codes."""

MLC_KEPT: dict[str, StorageType] = {t.name.upper(): t for t in (Q3F16_1, Q4F16_1, Q4F32_1)}
"""Type of a tensor that `webgemma.sources.mlc` reads -> the storage type that keeps its codes."""

STORAGE_TYPES: dict[str, StorageType] = {t.name: t for t in (*KEPT.values(), *MLC_KEPT.values())}
"""Every storage type by its name in program.json."""


def storage_for(where: str, source_type: str) -> StorageType:
    """The storage type that keeps a tensor's own codes.

    Raises:
        UnsupportedError: no storage type keeps `source_type`.
    """
    kept = KEPT.get(source_type) or MLC_KEPT.get(source_type)
    if kept is None:
        msg = (
            f"{where}: type {source_type} is not supported (have {', '.join(KEPT)}). "
            "Re-export the model in one of these types."
        )
        raise UnsupportedError(msg)
    return kept

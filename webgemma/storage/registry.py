"""Which storage type keeps which source type, and which can be asked for by name."""

from __future__ import annotations

from webgemma.errors import ConfigError, UnsupportedError
from webgemma.storage.floats import BF16, F16, F32
from webgemma.storage.ggml_k import Q4_K, Q6_K
from webgemma.storage.ggml_legacy import Q4_0, Q4_1, Q8_0
from webgemma.storage.mlc import Q3F16_1, Q4F16_1, Q4F32_1, MlcGroup
from webgemma.storage.types import StorageType

KEPT: dict[str, StorageType] = {
    "F32": F32,
    "F16": F16,
    "BF16": BF16,
    "Q4_0": Q4_0(),
    "Q4_1": Q4_1(),
    "Q8_0": Q8_0(),
    "Q4_K": Q4_K(),
    "Q6_K": Q6_K(),
}
"""Source type -> the storage type that keeps its own codes."""

QUANTIZERS: dict[str, MlcGroup] = {t.name: t for t in (Q3F16_1, Q4F16_1, Q4F32_1)}
"""What `--quantization` can make from floats."""

MLC_KEPT: dict[str, StorageType] = {name.upper(): t for name, t in QUANTIZERS.items()}
"""Type of a tensor that `webgemma.sources.mlc` reads -> the storage type that keeps its codes."""

STORAGE_TYPES: dict[str, StorageType] = {t.name: t for t in (*KEPT.values(), *QUANTIZERS.values())}
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


def check_quantization(name: str) -> str:
    """Check the value of `--quantization`.

    Raises:
        ConfigError: it is neither "keep" nor a type that can be made from floats.
    """
    if name != "keep" and name not in QUANTIZERS:
        msg = f"--quantization: got {name!r}, expected keep, {', '.join(QUANTIZERS)}."
        raise ConfigError(msg)
    return name

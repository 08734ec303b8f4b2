"""What a model computes with in 8 bits while it runs, whatever its weights are stored as."""

from __future__ import annotations

from dataclasses import dataclass

from webgemma.errors import ConfigError

NONE = "none"
QUANTIZATIONS = (NONE, "q8")


@dataclass(frozen=True, slots=True)
class RunQuantization:
    """The type of the caches, and of what a chunk's matrix products multiply the weights by."""

    cache: str = NONE
    activations: str = NONE

    def __post_init__(self) -> None:
        check_run_quantization("--cache-quantization", self.cache)
        check_run_quantization("--activation-quantization", self.activations)


def check_run_quantization(option: str, quantization: str) -> None:
    """Refuse what caches or activations cannot be.

    Raises:
        ConfigError: it is none of QUANTIZATIONS.
    """
    if quantization not in QUANTIZATIONS:
        expected = " or ".join(QUANTIZATIONS)
        raise ConfigError(f"{option}: got {quantization!r}, expected {expected}.")

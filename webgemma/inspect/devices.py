"""Typical devices, and how much of their memory a page may take; docs/memory.md has the sources."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Device:
    """A kind of device."""

    name: str
    memory_nbytes: int
    """Of the whole system where the GPU shares it, else of the graphics card."""
    share: tuple[int, int]
    """Of it that a page may take: numerator and denominator."""

    @property
    def limit_nbytes(self) -> int:
        """Bytes that a page may take."""
        numerator, denominator = self.share
        return self.memory_nbytes * numerator // denominator


PHONE = (3, 8)
SHARED = (1, 2)
DISCRETE = (4, 5)
DEVICES = (
    Device("phone, 4 GiB", 4 * GIB, PHONE),
    Device("phone, 8 GiB", 8 * GIB, PHONE),
    Device("integrated GPU, 8 GiB shared", 8 * GIB, SHARED),
    Device("integrated GPU, 16 GiB shared", 16 * GIB, SHARED),
    Device("graphics card, 4 GiB", 4 * GIB, DISCRETE),
    Device("graphics card, 8 GiB", 8 * GIB, DISCRETE),
    Device("graphics card, 12 GiB", 12 * GIB, DISCRETE),
    Device("graphics card, 24 GiB", 24 * GIB, DISCRETE),
)

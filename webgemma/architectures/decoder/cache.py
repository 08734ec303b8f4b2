"""How the caches hold keys and values: floats of the variant, or 8 bits.

shaders/cache.wgsl.jinja writes and reads them.
"""

from __future__ import annotations

from dataclasses import dataclass

from webgemma.architectures.run_quantization import NONE
from webgemma.program.spec import Size
from webgemma.reference import INT8_GROUP_SIZE
from webgemma.storage.types import QUAD_NBYTES, WORD_NBYTES


@dataclass(frozen=True, slots=True)
class Cache:
    """The keys, or the values, of one layer: [context, heads] vectors of `head_dim` elements."""

    quantization: str
    heads: int
    head_dim: int

    @property
    def is_quantized(self) -> bool:
        """Whether a vector must be there as a whole before it can be stored."""
        return self.quantization != NONE

    @property
    def token_nbytes(self) -> int:
        """Of one token; of floats, as f32."""
        if not self.is_quantized:
            return WORD_NBYTES * self.heads * self.head_dim
        codes = -(-self.head_dim // QUAD_NBYTES)
        scales = -(-self.head_dim // (INT8_GROUP_SIZE * QUAD_NBYTES // WORD_NBYTES))
        return QUAD_NBYTES * self.heads * (codes + scales)

    @property
    def nbytes(self) -> Size:
        """Of the buffer, an expression."""
        if self.is_quantized:
            return f"context_window_size * {self.token_nbytes}"
        return f"context_window_size * {self.heads * self.head_dim} * kv_nbytes"

"""The parts that decoder-only transformers of this family share, for prefill and decode.

One token (decode) runs matrix-vector kernels with everything fused into them; a chunk of tokens
(prefill) runs tiled matrix products. docs/program.md lists the phases.
"""

from webgemma.architectures.decoder.attention import attention
from webgemma.architectures.decoder.base import Decoder
from webgemma.architectures.decoder.config import DecoderConfig
from webgemma.architectures.decoder.embedding import embedding
from webgemma.architectures.decoder.feed_forward import gate_up, project
from webgemma.architectures.decoder.head import head, output_matrix
from webgemma.architectures.decoder.qkv import HeadNorms

__all__ = [
    "Decoder",
    "DecoderConfig",
    "HeadNorms",
    "attention",
    "embedding",
    "gate_up",
    "head",
    "output_matrix",
    "project",
]

"""SigLIP's vision tower: an image becomes a row of features per patch. Phase `encode_image`.

Paper: https://arxiv.org/abs/2303.15343. Configuration names: transformers' configuration_siglip.py;
in GGUF, llama.cpp's clip.vision.* (tools/mtmd/clip-impl.h).
"""

from webgemma.architectures.siglip.config import SiglipConfig, config_of
from webgemma.architectures.siglip.tensors import vision_names
from webgemma.architectures.siglip.tower import Tower, encode_image

__all__ = ["SiglipConfig", "Tower", "config_of", "encode_image", "vision_names"]

"""What is asked of a build, one record for each model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from webgemma.architectures.run_quantization import NONE, RunQuantization
from webgemma.storage.quantize import KEEP, check_quantization


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A model that a site shall hold."""

    source: str | Path
    """A .gguf file, a Hugging Face folder or an MLC folder."""
    mmproj: str | Path | None = None
    """The .gguf file of the vision tower that belongs to a .gguf file of a text."""
    quantization: str = KEEP
    """"keep" the source's own codes, or make all matrices of one type
    (storage.quantize.QUANTIZERS)."""
    embedding_quantization: str | None = None
    """The same for the embedding and an output matrix of its own; as `quantization` by default."""
    cache_quantization: str = NONE
    """"none": keys and values are cached as f16 or f32, as the device has it; or "q8"."""
    activation_quantization: str = NONE
    """"none": chunks of tokens are multiplied as floats; or "q8"."""
    model_id: str | None = None
    """The model's folder in the site; made from its name by default."""
    name: str | None = None
    """What people call it."""
    chat_template: str | None = None
    """"gemma", "none" or a jinja file, in place of the source's own template."""
    context_window_size: int | None = None
    """The context the page allocates by default."""
    samples: str | Path | None = None
    """A folder of PNG files that the page offers to a model that sees; by default `samples` in
    the source's folder."""

    def __post_init__(self) -> None:
        check_quantization("--quantization", self.quantization)
        if self.embedding_quantization is not None:
            check_quantization("--embedding-quantization", self.embedding_quantization)
        RunQuantization(self.cache_quantization, self.activation_quantization)

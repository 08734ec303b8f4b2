"""What every source of weights yields: metadata, lazy tensors, a tokenizer, a licence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Tensor(Protocol):
    """A tensor of a source file that is read only when asked for, a range of rows at a time."""

    @property
    def name(self) -> str:
        """The tensor's name in its own file."""

    @property
    def type(self) -> str:
        """The element or block type in upper case: "F32", "F16", "BF16", "Q4_1", ..."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, outermost dimension first: a matrix is (out_features, in_features)."""

    @property
    def nbytes(self) -> int:
        """The size of the whole tensor in the file, in bytes."""

    @property
    def where(self) -> str:
        """The file and tensor for error messages: "x.gguf: tensor 'blk.0.attn_q.weight'"."""

    def read_rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Read rows start..stop-1 as raw bytes [stop - start, bytes per row].

        A row is the last dimension; a tensor of one dimension has one row.
        """


@dataclass(frozen=True, slots=True)
class TokenizerSource:
    """The tokenizer as its source gives it; `webgemma.tokenizer` makes one tokenizer.json of it.

    Exactly one of the first three is set.
    """

    sentencepiece: bytes | None = None
    """The bytes of a tokenizer.model."""
    tokenizer_json: bytes | None = None
    """The bytes of a tokenizer.json."""
    gguf: Mapping[str, Any] | None = None
    """All `tokenizer.*` keys of a GGUF file, key -> value, strings as str."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """tokenizer_config.json of a Hugging Face folder, if there is one."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model as a source file or folder holds it; nothing is converted yet."""

    path: Path
    format: str
    """"gguf", "safetensors" or "mlc"."""
    files: tuple[Path, ...]
    """Every file with weights, in order."""
    architecture: str
    """The Hugging Face model_type or GGUF general.architecture: "gemma", "gemma2", ..."""
    metadata: Mapping[str, Any]
    """GGUF key-values, or config.json of a Hugging Face folder (of MLC's under its names)."""
    tensors: Mapping[str, Tensor]
    """By the source's own tensor names."""
    tokenizer: TokenizerSource
    chat_template: str | None = None
    """The jinja2 chat template of the model, if it has one."""
    generation_config: Mapping[str, Any] = field(default_factory=dict)
    """generation_config.json of a Hugging Face folder, if there is one, or what MLC says of it."""
    licence_files: Mapping[str, bytes] = field(default_factory=dict)
    """LICENSE, NOTICE, README.md as found beside the weights: name -> bytes."""
    name: str = ""
    """A name for people: general.name, or the folder's or file's name."""
    md5: Mapping[str, str] = field(default_factory=dict)
    """MD5 of files with weights, where the source lists it: file name -> hex."""

    @property
    def stores_gains(self) -> bool:
        """Whether a norm's tensor is its gain: Gemma's in Hugging Face folders are gain - 1."""
        return self.format in ("gguf", "mlc")

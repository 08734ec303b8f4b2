"""Writes MLC folders: the tensor cache, mlc-chat-config.json and the tokenizer."""

from __future__ import annotations

from webgemma.mlc.convert import MlcReport, convert_to_mlc

__all__ = ["MlcReport", "convert_to_mlc"]

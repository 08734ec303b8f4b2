"""How a model reads and writes: its tokenizer and its chat template, made for the site."""

from __future__ import annotations

from webgemma.language.read import Language, check_vocabulary, read_language

__all__ = ["Language", "check_vocabulary", "read_language"]

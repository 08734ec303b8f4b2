"""What of a model can begin as soon as its source is open: it needs no program."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass

from webgemma.build.beside import Beside
from webgemma.build.request import ModelRequest
from webgemma.checkpoint import Checkpoint
from webgemma.language import Language
from webgemma.language.child import LanguageChild, is_large
from webgemma.sources.hashes import hash_files


@dataclass(frozen=True, slots=True)
class Begun:
    """Work that goes on beside lowering and packing."""

    hashes: Future[dict[str, str]]
    """SHA-256 of every file of the source, by name."""
    language: Future[Language] | None
    """None for a small one, which is read when it is needed."""


def begin(checkpoint: Checkpoint, request: ModelRequest, beside: Beside) -> Begun:
    """Begin to hash a source, and to read a large vocabulary."""
    hashes = beside.start(lambda: hash_files(checkpoint, beside.progress))
    if not is_large(checkpoint.tokenizer):
        return Begun(hashes, None)
    child = LanguageChild(checkpoint, request.chat_template)
    return Begun(hashes, beside.start(child.read, end=child.end))

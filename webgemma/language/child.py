"""Reads the language of a model with a large vocabulary in a process of its own.

It is Python over a quarter of a million pieces, which holds the interpreter's lock for seconds: in
a thread it would stop the packing. The child gets a checkpoint without its tensors on stdin and
answers on stdout with a Language, or with the error that says what is wrong.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
from dataclasses import replace

from webgemma.checkpoint import Checkpoint, TokenizerSource
from webgemma.errors import WebGemmaError
from webgemma.language.read import Language, read_language

LARGE_NUM_PIECES = 50_000
LARGE_NBYTES = 2_000_000
"""Of a tokenizer's file; below either, a process takes longer to start than the work takes."""


def is_large(source: TokenizerSource) -> bool:
    """Whether a tokenizer is worth a process of its own."""
    pieces = (source.gguf or {}).get("tokenizer.ggml.tokens", ())
    content = source.tokenizer_json or source.sentencepiece or b""
    is_list = isinstance(pieces, list)
    return (is_list and len(pieces) > LARGE_NUM_PIECES) or len(content) > LARGE_NBYTES


class LanguageChild:
    """The process, from its start to its answer; used in a with statement, which ends it."""

    def __init__(self, checkpoint: Checkpoint, chat_template: str | None) -> None:
        """Start it.

        Args:
            checkpoint: As `read_language` takes it.
            chat_template: As `read_language` takes it.
        """
        head = replace(checkpoint, tensors={}, metadata={}, licence_files={})
        self._request = pickle.dumps((head, chat_template))
        self._is_being_read = threading.Lock()
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OPENBLAS_NUM_THREADS": "1",  # numpy's would be started, and there is nothing to do
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )

    def read(self) -> Language:
        """Wait for the answer; a thread may.

        Raises:
            WebGemmaError: what `read_language` raised.
        """
        with self._is_being_read:
            answer, complaint = self._process.communicate(self._request)
        if self._process.returncode:
            lines = complaint.decode("utf-8", "replace").strip().splitlines() or ["nothing"]
            raise RuntimeError(
                f"the process that reads the tokenizer ended with {self._process.returncode} and "
                f"said {lines[-1]!r}"
            )
        language = pickle.loads(answer)
        if isinstance(language, WebGemmaError):
            raise language
        assert isinstance(language, Language)
        return language

    def end(self) -> None:
        """End the process, whether it has answered or not."""
        self._process.kill()
        self._process.wait()
        with self._is_being_read:  # if nobody came to read, its pipes are still open
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
                if pipe is not None:
                    pipe.close()


def main() -> None:
    """Answer one request."""
    gc.disable()  # it would go through half a million strings again and again, and finds nothing
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, who ends this process
    checkpoint, chat_template = pickle.load(sys.stdin.buffer)
    answer: Language | WebGemmaError
    try:
        answer = read_language(checkpoint, chat_template)
    except WebGemmaError as error:
        answer = error
    sys.stdout.buffer.write(pickle.dumps(answer))


if __name__ == "__main__":
    main()

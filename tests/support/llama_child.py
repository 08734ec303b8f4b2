"""What tests.support.llama runs with a Python that has llama-cpp-python; numpy is there too."""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path

import numpy as np


def quantize(source: str, out: str) -> None:
    """Quantize each array of an .npz; its key ends in the type's number and the bytes of a row."""
    import llama_cpp

    library = ctypes.CDLL(str(Path(llama_cpp.__file__).parent / "lib" / "libggml-base.so"))
    chunk = library.ggml_quantize_chunk
    chunk.restype = ctypes.c_size_t
    pointer = ctypes.c_void_p
    chunk.argtypes = [ctypes.c_int, pointer, pointer, *[ctypes.c_int64] * 3, pointer]
    found = {}
    with np.load(source) as arrays:
        for key in arrays.files:
            values = np.ascontiguousarray(arrays[key], np.float32)
            number, row_nbytes = map(int, key.split(":")[-2:])
            rows, columns = values.shape
            blocks = np.zeros((rows, row_nbytes), np.uint8)
            importance = np.ones(columns, np.float32)
            addresses = [a.ctypes.data_as(pointer) for a in (values, blocks, importance)]
            if not key.startswith("IQ"):
                addresses[2] = None
            written = chunk(number, *addresses[:2], 0, rows, columns, addresses[2])
            assert written == blocks.nbytes, (key, written, blocks.nbytes)
            found[key] = blocks
    np.savez(out, **found)


def surprisals(model: str, text: str, context: str, most_chunks: str, out: str) -> None:
    """Score the second half of each chunk, BOS in place of its first token."""
    import llama_cpp

    size = int(context)
    llama = llama_cpp.Llama(
        model, n_ctx=size, n_batch=size, logits_all=True, verbose=False, n_threads=1,
        n_threads_batch=1, type_k=0, type_v=0, flash_attn=False,
    )  # fmt: skip
    tokens = llama.tokenize(Path(text).read_bytes(), add_bos=True, special=True)
    values = []
    for start in range(0, min(len(tokens) // size, int(most_chunks)) * size, size):
        chunk = [llama.token_bos(), *tokens[start + 1 : start + size]]
        llama.reset()
        llama.eval(chunk)
        logits = llama.scores[size // 2 : size - 1].astype(np.float64)
        following = np.array(chunk[size // 2 + 1 :])
        top = logits.max(axis=-1)
        total = top + np.log(np.exp(logits - top[:, None]).sum(axis=-1))
        values.append(total - logits[np.arange(len(logits)), following])
    np.savez(out, tokens=np.array(tokens, np.int64), surprisals=np.concatenate(values))


def logits(model: str, tokens: str, out: str) -> None:
    """Evaluate comma-separated ids in one batch."""
    import llama_cpp

    ids = [int(token) for token in tokens.split(",")]
    llama = llama_cpp.Llama(
        model, n_ctx=len(ids), n_batch=len(ids), logits_all=True, verbose=False, n_threads=1,
        n_threads_batch=1, type_k=0, type_v=0, flash_attn=False,
    )  # fmt: skip
    llama.eval(ids)
    np.savez(out, logits=llama.scores[: len(ids)].astype(np.float32))


def tokenize(model: str, source: str, out: str) -> None:
    """Tokenize the texts of a JSON list."""
    import llama_cpp

    llama = llama_cpp.Llama(model, vocab_only=True, verbose=False)
    texts = json.loads(Path(source).read_text())
    ids = [llama.tokenize(t.encode(), add_bos=False, special=False) for t in texts]
    Path(out).write_text(json.dumps(ids))


if __name__ == "__main__":
    {"quantize": quantize, "surprisals": surprisals, "logits": logits, "tokenize": tokenize}[
        sys.argv[1]
    ](*sys.argv[2:])

from __future__ import annotations

import gguf

from webgemma.sources.ggml_types import GGML_TYPES, REMOVED_TYPES


def test_table_equals_gguf_py() -> None:
    theirs = {
        int(kind): (kind.name, block_size, block_nbytes)
        for kind, (block_size, block_nbytes) in gguf.GGML_QUANT_SIZES.items()
    }
    # gguf-py may know types that came later; all of its types that we list must be equal.
    ours = {type_id: tuple(kind) for type_id, kind in GGML_TYPES.items()}
    assert {type_id: theirs.get(type_id, kind) for type_id, kind in ours.items()} == ours
    assert len(theirs.keys() & ours.keys()) >= 30


def test_removed_types_are_no_types() -> None:
    assert not REMOVED_TYPES.keys() & GGML_TYPES.keys()

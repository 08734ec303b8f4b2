"""The table of docs/storage.md is what the registry says."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

from webgemma.sources.ggml_types import GGML_TYPES
from webgemma.storage.layout import plan_matrix
from webgemma.storage.registry import KEPT, STORAGE_TYPES

PAGE = Path(__file__).parents[2] / "docs" / "storage.md"
COLUMNS = 1280  # a multiple of every type's block
SHAPE = (2560, 2560)  # of the matrix whose bits the table gives
DTYPES = {"uint32": "u32", "uint8": "u8", "int8": "i8", "bfloat16": "bf16"}
DTYPES |= {"float16": "f16", "float32": "f32"}
ROW = re.compile(r"^\| `(\w+)` \| [^|]+ \| ([\d.-]+) \| ([\d.]+) \| ([^|]+) \|$", re.MULTILINE)


def share_of_k(columns: int) -> str:
    """Elements per row as a share of K: "K", "K/32", "13K/256"."""
    share = Fraction(columns, COLUMNS)
    above = "K" if share.numerator == 1 else f"{share.numerator}K"
    return above if share.denominator == 1 else f"{above}/{share.denominator}"


def describe_planes(storage) -> str:
    """Planes as "q_weight u32 K/8, q_scale f16 K/32"; a shared one has its size and no K."""
    return ", ".join(
        f"{plane.name} {DTYPES[plane.dtype]} "
        + (share_of_k(plane.columns) if plane.content is None else f"{plane.columns} shared")
        for plane in storage.planes(COLUMNS)
    )


def describe(name: str) -> tuple[str, str, str, str]:
    """(name, bits in the file, bits in the site, planes), as the table has them."""
    storage = STORAGE_TYPES[name]
    ggml = {kind.name: 8 * kind.block_nbytes / kind.block_size for kind in GGML_TYPES.values()}
    source = {kept.name: source for source, kept in KEPT.items()}.get(name)
    in_site = 8 * plan_matrix("w", storage, SHAPE).nbytes / (SHAPE[0] * SHAPE[1])
    in_file = f"{ggml[source]:.3f}" if source else "-"
    return name, in_file, f"{in_site:.3f}", describe_planes(storage)


def test_the_table_has_every_type():
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert [row[0] for row in rows] == list(STORAGE_TYPES)


@pytest.mark.parametrize("name", STORAGE_TYPES)
def test_the_row_of(name):
    rows = {row[0]: row for row in ROW.findall(PAGE.read_text(encoding="utf-8"))}
    assert rows[name] == describe(name)

"""A self-test under construction: a program, its inputs and its answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webgemma import reference
from webgemma.program.builder import ProgramBuilder
from webgemma.program.spec import Place, Program, Range
from webgemma.storage.layout import Matrix, plan_records
from webgemma.storage.types import Planes

TOKENS = 9  # of the prefill, and keys of the decode step after it
MAX_ERROR = {"f32": 1e-8, "f16": 1e-4}
"""|got - expected|^2 / |expected|^2 that is let pass. Right kernels are below 1e-10 and 1e-5; a
wrong lane, scale or block is above 1e-3."""
RUNS = (
    {"phase": "prefill", "num_tokens": TOKENS, "position": 0},
    {"phase": "decode", "num_tokens": 1, "position": TOKENS - 1},
)
TIE_MARGIN = 1e-3
"""Of a code: what the test rounds to 8 bits is further than that from where two codes are as near,
so that a kernel's last bits do not decide."""

Float32 = NDArray[np.float32]


@dataclass(slots=True)
class SelfTest:
    """A self-test under construction, and then what is written into a model's folder."""

    builder: ProgramBuilder = field(default_factory=ProgramBuilder)
    data: bytearray = field(default_factory=bytearray)
    """self-test.bin: inputs and answers, one after another."""
    records: dict[str, dict[str, int]] = field(default_factory=dict)
    """Record -> its bytes in `data`."""
    checks: list[dict[str, Any]] = field(default_factory=list)
    """Output buffer -> where its answer, float32, lies in `data`."""
    program: Program | None = None

    def upload(self, name: str, array: NDArray[Any]) -> Range:
        """Declare a buffer that is filled with an array."""
        self.builder.buffer(name, "weights", array.nbytes)
        self.builder.records[name] = Place(name)
        self.records[name] = self._store(array)
        return Range(name)

    def upload_matrix(self, matrix: Matrix, planes: Planes) -> Range:
        """Declare the buffer of a matrix of one piece, filled with its planes."""
        self.builder.weights(matrix)
        for _, records in plan_records(matrix):
            shared = [np.frombuffer(r.content, np.uint8) for r in records if r.content is not None]
            for record, plane in zip(records, (*planes, *shared), strict=True):
                self.records[record.name] = self._store(plane)
        return Range(matrix.pieces[0].buffer)

    def expect(self, name: str, values: NDArray[np.floating]) -> Range:
        """Declare an output buffer and what it should hold in the end."""
        expected = values.astype(np.float32)
        self.builder.buffer(name, "output", expected.nbytes)
        self.checks.append({"buffer": name, **self._store(expected)})
        return Range(name)

    def _store(self, array: NDArray[Any]) -> dict[str, int]:
        place = {"offset": len(self.data), "nbytes": array.nbytes}
        self.data += np.ascontiguousarray(array).tobytes()
        return place

    @property
    def shaders(self) -> dict[str, str]:
        """File -> WGSL text."""
        return self.builder.shaders

    def to_json(self) -> dict[str, Any]:
        """The content of self-test.json."""
        assert self.program is not None
        facts = {"records": self.records, "runs": RUNS, "checks": self.checks}
        return {**self.program.to_json(), "self_test": {**facts, "max_error": MAX_ERROR}}


def redraw_near_ties(
    rng: np.random.Generator, x: Float32, seen: Callable[[Float32], NDArray[np.floating]]
) -> None:
    """Draw vectors x [..., D] again where `seen` of them, [..., D], is near a tie of two codes."""
    while (near := reference.distance_to_tie(seen(x)).min(axis=-1) < TIE_MARGIN).any():
        x[near] = rng.standard_normal((near.sum(), x.shape[-1]))

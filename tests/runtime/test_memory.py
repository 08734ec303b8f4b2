"""What the native runner allocates is what `webgemma estimate` says, and so is its peak."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wgpu.backends.wgpu_native import GPUDevice, GPUQueue

import webgemma.build.write_model
from tests.support.seeing_folder import write_seeing
from webgemma.build import build_site
from webgemma.inspect import estimate
from webgemma.resources import built_in_model
from webgemma.runtime.session import Session, open_session

pytestmark = [pytest.mark.gpu, pytest.mark.slow]

SHARD_NBYTES = 1 << 20  # so that small models have several
MODELS = {
    "pebble": (None, 1024),
    "gemma2-Q4_K": ("gemma2-Q4_K.gguf", 512),
    "llama-Q4_0": ("llama-Q4_0.gguf", 64),
}
"""Name -> (file of tests/fixtures, a context it has)."""
WITHIN = 0.02


@dataclass
class Meter:
    """Bytes that are allocated: buffers, copies of what was written, the shard they came from."""

    buffers: int = 0
    staged: int = 0
    shard: int = 0
    peak: int = 0
    is_reading: bool = False
    sizes: list[int] = field(default_factory=list)

    def note(self) -> None:
        self.peak = max(self.peak, self.buffers + self.staged + self.shard)

    def create_buffer(self, real: Any, device: Any, **options: Any) -> Any:
        buffer = real(device, **options)
        if not self.is_reading:  # reading makes one of its own, and frees it
            self.sizes.append(buffer.size)
            self.buffers += buffer.size
            self.note()
        return buffer

    def create_texture(self, real: Any, device: Any, **options: Any) -> Any:
        width, height, _ = options["size"]
        self.sizes.append(16 * width * height)  # of rgba32uint
        self.buffers += self.sizes[-1]
        self.note()
        return real(device, **options)

    def write_texture(self, real: Any, queue: Any, target: Any, data: Any, *where: Any) -> None:
        real(queue, target, data, *where)
        self.staged += 2 * memoryview(data).nbytes  # as it was ordered, and wgpu's copy
        self.note()
        self.staged -= memoryview(data).nbytes

    def write_buffer(self, real: Any, queue: Any, buffer: Any, offset: int, data: Any) -> None:
        real(queue, buffer, offset, data)
        self.staged += memoryview(data).nbytes
        whole = data
        while isinstance(whole, np.ndarray) and whole.base is not None:
            whole = whole.base
        self.shard = max(self.shard, len(whole) if isinstance(whole, bytes) else 0)
        self.note()

    def read_buffer(self, real: Any, queue: Any, *arguments: Any) -> Any:
        self.is_reading = True
        data = real(queue, *arguments)
        self.is_reading = False
        self.staged = self.shard = 0  # it submits and waits
        return data


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Meter:
    """Counts what wgpu is asked for."""
    meter = Meter()
    for owner, name in (
        (GPUDevice, "create_buffer"),
        (GPUDevice, "create_texture"),
        (GPUQueue, "write_texture"),
        (GPUQueue, "write_buffer"),
        (GPUQueue, "read_buffer"),
    ):
        count, real = getattr(meter, name), getattr(owner, name)

        def wrapped(
            self: Any, *arguments: Any, count: Any = count, real: Any = real, **options: Any
        ) -> Any:
            return count(real, self, *arguments, **options)

        monkeypatch.setattr(owner, name, wrapped)
    return meter


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory, fixtures: Path) -> dict[str, Path]:
    """A site of every model, in small shards."""
    folder = tmp_path_factory.mktemp("memory")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(webgemma.build.write_model, "SHARD_NBYTES", SHARD_NBYTES)
        for name, (file, _) in MODELS.items():
            build_site(fixtures / file if file else built_in_model(), folder / name)
    return {name: folder / name for name in MODELS}


def estimated(site: Path, context: int, session: Session) -> dict[str, int]:
    """The row of the estimate that is about the session's caches."""
    rows = {row["variant"]: row for row in estimate(site, context=context).data["memory"]}
    variant = session.runner.variant
    alike = "f16" if variant.symbols["kv_nbytes"] == 2 else "f32"
    names = (alike,) if variant.matrices == "rows" else ("software", alike)
    return next(rows[name] for name in names if name in rows)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("divisor", [1, 2, 7])
def test_the_estimate_is_what_is_allocated(
    sites: dict[str, Path], meter: Meter, name: str, divisor: int
) -> None:
    context = MODELS[name][1] // divisor
    with open_session(sites[name], context_window_size=context) as session:
        row = estimated(sites[name], context, session)
        assert len(meter.sizes) == len(session.program.buffers)
        assert sum(meter.sizes) == row["total_nbytes"]
        off = meter.peak / row["native_peak_nbytes"] - 1
        print(f"{name}, context {context}: {row['total_nbytes']:,} bytes; peak {off:+.3%}")
        assert abs(off) < WITHIN


def test_a_model_that_sees_allocates_what_is_estimated(
    fixtures: Path, tmp_path: Path, meter: Meter
) -> None:
    folder = write_seeing(tmp_path / "seeing", fixtures / "tokenizer.model")
    build_site(folder, tmp_path / "site")
    with open_session(tmp_path / "site") as session:
        assert "encode_image" in session.program.phases
        row = estimated(tmp_path / "site", session.context_window_size, session)
        assert sum(meter.sizes) == row["total_nbytes"]
        assert abs(meter.peak / row["native_peak_nbytes"] - 1) < WITHIN


def test_a_model_in_use_allocates_nothing_more(sites: dict[str, Path], meter: Meter) -> None:
    with open_session(sites["pebble"], context_window_size=256) as session:
        before = len(meter.sizes)
        list(session.generate("Hello!", max_tokens=4))
        assert len(meter.sizes) == before


def test_a_source_is_estimated_as_its_site_is_allocated(fixtures: Path, tmp_path: Path) -> None:
    source = fixtures / "gemma2-F16.gguf"
    planned = {
        (row["storage"], row["variant"], row["context_window_size"]): row
        for row in estimate(source).data["memory"]
    }
    for kind in ("keep", "q8_0", "q4f16_1"):
        build_site(source, tmp_path / kind, quantization=kind)
        for row in estimate(tmp_path / kind).data["memory"]:
            same = planned[kind, row["variant"], row["context_window_size"]]
            assert {**row, "storage": kind} == same

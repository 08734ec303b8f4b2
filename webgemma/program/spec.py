"""program.json as dataclasses, and back. docs/program.md describes the format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from webgemma.program.choices import (
    F16_TUNING,
    GPU_TUNING,
    LAVAPIPE_MATMUL,
    SOFTWARE_MATMUL,
    SOFTWARE_TUNING,
    Tuning,
    default_symbols,
)
from webgemma.program.expr import evaluate
from webgemma.tiles import Tiles, texture_nbytes

VERSION = 1
STATE_WORDS = {
    "position": 0,
    "num_tokens": 1,
    "token_id": 2,
    "context_window_size": 3,
    "temperature": 4,
    "seed": 5,
    "num_generated": 6,
    "logits_start": 7,
    "prefix_length": 8,
}
"""Word of the state buffer -> its index; shaders/state.wgsl.jinja is the same list."""
WORD_NBYTES = 4
STATE_NBYTES = WORD_NBYTES * len(STATE_WORDS)

WEIGHTS = ("weights", "matrix")
"""Kinds of buffers that the tensor cache fills: vectors, and planes of matrices."""

Size = int | str
"""A number of bytes or workgroups: an integer, or an expression (program/expr.py)."""


@dataclass(frozen=True, slots=True)
class Range:
    """A range of a buffer, as a binding takes it; `nbytes` None is the whole buffer."""

    buffer: str
    offset: int = 0
    nbytes: Size | None = None

    def bound_nbytes(self, whole: int, symbols: Mapping[str, int]) -> int:
        """Bytes that are bound of a buffer of `whole` bytes."""
        return whole - self.offset if self.nbytes is None else evaluate(self.nbytes, symbols)

    def to_json(self) -> dict[str, Any]:
        """As in program.json."""
        if self.nbytes is None:
            return {"buffer": self.buffer}
        return {"buffer": self.buffer, "offset": self.offset, "nbytes": self.nbytes}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record of the tensor cache goes: a buffer, bytes from its start."""

    buffer: str
    offset: int = 0
    tiles: Tiles | None = None
    """What variants with matrices in tiles put it into on the way (tiles.py)."""

    def to_json(self) -> dict[str, Any]:
        """As in program.json."""
        base: dict[str, Any] = {"buffer": self.buffer, "offset": self.offset}
        return base if self.tiles is None else {**base, "tiles": self.tiles._asdict()}


@dataclass(frozen=True, slots=True)
class Buffer:
    """A GPU buffer.

    `kind` is state, shape, input, weights, matrix, table, cache, scratch or output.
    """

    kind: str
    nbytes: Size
    init: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """As in program.json."""
        base: dict[str, Any] = {"kind": self.kind, "nbytes": self.nbytes}
        return base if self.init is None else {**base, "init": dict(self.init)}

    def is_texture(self, variant: Variant) -> bool:
        """Whether a variant keeps it in a texture."""
        return self.kind == "matrix" and variant.matrices != "rows"

    def allocated_nbytes(self, variant: Variant, symbols: Mapping[str, int]) -> int:
        """What a runner allocates: whole words, as WebGPU copies them; whole rows of a texture."""
        nbytes = evaluate(self.nbytes, symbols)
        if self.is_texture(variant):
            return texture_nbytes(nbytes)
        return -(-nbytes // WORD_NBYTES) * WORD_NBYTES


@dataclass(frozen=True, slots=True)
class Variant:
    """One way that shaders are rendered: for device features, or for a kind of adapter."""

    name: str
    requires: tuple[str, ...]
    symbols: Mapping[str, int]
    adapter: str = "any"
    """The kind of adapter that it is chosen on by itself: "software" computes on the processor,
    "lavapipe" is Mesa's of those."""
    matrices: str = "rows"
    """"rows": as they lie in the shards, in buffers. "tiles": in sampled textures, see tiles.py;
    "storage-tiles": in storage textures."""
    tuning: Tuning = field(default_factory=dict)
    """What a tuner may choose of `symbols`, which has every group's first choice."""

    def to_json(self) -> dict[str, Any]:
        """As in program.json."""
        return {
            "name": self.name,
            "requires": list(self.requires),
            "adapter": self.adapter,
            "matrices": self.matrices,
            "symbols": dict(self.symbols),
            "tuning": {
                group: [dict(choice) for choice in choices]
                for group, choices in self.tuning.items()
            },
        }


def _variant(
    name: str,
    requires: tuple[str, ...],
    tuning: Tuning,
    adapter: str = "any",
    matrices: str = "rows",
    **symbols: int,
) -> Variant:
    """A variant with the first choices of its tuning."""
    return Variant(
        name, requires, {**symbols, **default_symbols(tuning)}, adapter, matrices, tuning
    )


VARIANTS = (
    _variant(
        "lavapipe", ("subgroups",), SOFTWARE_TUNING, "lavapipe", "storage-tiles",
        kv_nbytes=4, matvec_blocks=2, **LAVAPIPE_MATMUL,
    ),
    _variant(
        "software", ("subgroups",), SOFTWARE_TUNING, "software", "tiles",
        kv_nbytes=4, matvec_blocks=2, **SOFTWARE_MATMUL,
    ),
    _variant(
        "f16+subgroups", ("shader-f16", "subgroups"), F16_TUNING, kv_nbytes=2, matvec_blocks=0
    ),
    _variant("f16", ("shader-f16",), F16_TUNING, kv_nbytes=2, matvec_blocks=0),
    _variant("subgroups", ("subgroups",), GPU_TUNING, kv_nbytes=4, matvec_blocks=0),
    _variant("f32", (), GPU_TUNING, kv_nbytes=4, matvec_blocks=0),
)  # fmt: skip
"""In order of preference; `kv_nbytes` is the size of one element of the caches, `matvec_blocks`
how many blocks of four rows an invocation of a matrix-vector kernel takes for every twins of its
(0: none by itself, teams take one each); choices.py has the others."""


@dataclass(frozen=True, slots=True)
class KernelShader:
    """The WGSL of a kernel for one variant: its file and the features its text uses."""

    file: str
    requires: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kernel:
    """A specialised shader: one pipeline per variant."""

    template: str
    shaders: Mapping[str, KernelShader]
    bindings: tuple[tuple[str, str], ...]
    """(name, type) in the order of @binding numbers; type as WebGPU names it."""
    constants: Mapping[str, Size]

    def to_json(self) -> dict[str, Any]:
        """As in program.json."""
        return {
            "template": self.template,
            "shaders": {
                variant: {"file": s.file, "requires": list(s.requires)}
                for variant, s in self.shaders.items()
            },
            "bindings": [{"name": name, "type": kind} for name, kind in self.bindings],
            "constants": dict(self.constants),
        }


@dataclass(frozen=True, slots=True)
class Step:
    """One dispatch: a kernel, what its bindings are, how many workgroups."""

    label: str
    kernel: str
    bindings: tuple[Range, ...]
    dispatch: tuple[Size, Size, Size]

    def to_json(self) -> dict[str, Any]:
        """As in program.json."""
        return {
            "label": self.label,
            "kernel": self.kernel,
            "bindings": [binding.to_json() for binding in self.bindings],
            "dispatch": list(self.dispatch),
        }


@dataclass(frozen=True, slots=True)
class Timed:
    """The steps that stand for a group of kernels when its choices are timed (timed.py)."""

    phase: str
    steps: tuple[int, ...]
    """Their numbers in the phase."""
    symbols: Mapping[str, Size]
    """`num_tokens` and `position` that they are timed with."""

    def to_json(self) -> dict[str, Any]:
        """As in program.json."""
        return {"phase": self.phase, "steps": list(self.steps), "symbols": dict(self.symbols)}


@dataclass(frozen=True, slots=True)
class Program:
    """Everything a runner needs to know to run a model."""

    architecture: str
    prefill_chunk_size: int
    logits_chunk_size: int
    vocab_size: int
    max_context_window_size: int
    generated_ring_size: int
    num_hidden_layers: int
    buffers: Mapping[str, Buffer]
    records: Mapping[str, Place]
    kernels: Mapping[str, Kernel]
    phases: Mapping[str, tuple[Step, ...]]
    variants: tuple[Variant, ...] = field(default=VARIANTS)
    image: Mapping[str, Any] | None = None
    """What the images of a model that sees must be: docs/program.md."""
    tuning: Mapping[str, Timed] = field(default_factory=dict)
    """Group of kernels, as variants name them -> what is timed for it."""

    def to_json(self) -> dict[str, Any]:
        """The content of program.json."""
        return {
            "version": VERSION,
            "architecture": self.architecture,
            **({} if self.image is None else {"image": dict(self.image)}),
            "prefill_chunk_size": self.prefill_chunk_size,
            "logits_chunk_size": self.logits_chunk_size,
            "vocab_size": self.vocab_size,
            "max_context_window_size": self.max_context_window_size,
            "generated_ring_size": self.generated_ring_size,
            "num_hidden_layers": self.num_hidden_layers,
            "variants": [variant.to_json() for variant in self.variants],
            "tuning": {group: timed.to_json() for group, timed in self.tuning.items()},
            "state": dict(STATE_WORDS),
            "buffers": {name: buffer.to_json() for name, buffer in self.buffers.items()},
            "records": {name: place.to_json() for name, place in self.records.items()},
            "kernels": {name: kernel.to_json() for name, kernel in self.kernels.items()},
            "phases": {
                name: [step.to_json() for step in steps] for name, steps in self.phases.items()
            },
        }


def range_from_json(data: Mapping[str, Any]) -> Range:
    """Undo `Range.to_json`."""
    return Range(data["buffer"], data.get("offset", 0), data.get("nbytes"))


def program_from_json(data: Mapping[str, Any]) -> Program:
    """Undo `Program.to_json`.

    Raises:
        KeyError: a key is missing; callers say which file.
    """
    return Program(
        architecture=data["architecture"],
        prefill_chunk_size=data["prefill_chunk_size"],
        logits_chunk_size=data["logits_chunk_size"],
        vocab_size=data["vocab_size"],
        max_context_window_size=data["max_context_window_size"],
        generated_ring_size=data["generated_ring_size"],
        num_hidden_layers=data["num_hidden_layers"],
        buffers={
            name: Buffer(b["kind"], b["nbytes"], b.get("init"))
            for name, b in data["buffers"].items()
        },
        records={name: _place_from_json(r) for name, r in data["records"].items()},
        kernels={name: _kernel_from_json(k) for name, k in data["kernels"].items()},
        phases={
            name: tuple(_step_from_json(s) for s in steps) for name, steps in data["phases"].items()
        },
        variants=tuple(_variant_from_json(v) for v in data["variants"]),
        image=data.get("image"),
        tuning={
            group: Timed(timed["phase"], tuple(timed["steps"]), timed["symbols"])
            for group, timed in data.get("tuning", {}).items()
        },
    )


def _place_from_json(data: Mapping[str, Any]) -> Place:
    tiles = data.get("tiles")
    return Place(data["buffer"], data["offset"], None if tiles is None else Tiles(**tiles))


def _variant_from_json(data: Mapping[str, Any]) -> Variant:
    return Variant(
        name=data["name"],
        requires=tuple(data["requires"]),
        symbols=data["symbols"],
        adapter=data.get("adapter", "any"),
        matrices=data.get("matrices", "rows"),
        tuning={group: tuple(choices) for group, choices in data.get("tuning", {}).items()},
    )


def _kernel_from_json(data: Mapping[str, Any]) -> Kernel:
    return Kernel(
        template=data["template"],
        shaders={
            name: KernelShader(s["file"], tuple(s["requires"]))
            for name, s in data["shaders"].items()
        },
        bindings=tuple((b["name"], b["type"]) for b in data["bindings"]),
        constants=data["constants"],
    )


def _step_from_json(data: Mapping[str, Any]) -> Step:
    x, y, z = data["dispatch"]
    return Step(
        label=data["label"],
        kernel=data["kernel"],
        bindings=tuple(range_from_json(b) for b in data["bindings"]),
        dispatch=(x, y, z),
    )

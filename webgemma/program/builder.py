"""Collects buffers, kernels and steps while an architecture is lowered, then plans the scratch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from webgemma.errors import ProgramError
from webgemma.program.plan import Use, plan_scratch
from webgemma.program.spec import (
    STATE_NBYTES,
    VARIANTS,
    WORD_NBYTES,
    Buffer,
    Kernel,
    KernelShader,
    Place,
    Program,
    Range,
    Size,
    Step,
    Variant,
)
from webgemma.program.timed import timed_groups
from webgemma.shaders import SHAPE, parse_bindings, render, shape_words
from webgemma.storage.layout import Matrix, plan_records

FEATURES = {"f16": "shader-f16", "subgroups": "subgroups"}
"""A template's switch -> the device feature that sets it."""
PHASES = ("encode_image", "prefill", "sample", "decode", "logits", "verify")
"""In the order in which scratch memory is used again."""
SOFTWARE, PLAIN = "software", "f32"
"""A variant that has the numbers of a matrix as data, and one that has them as constants."""
OPTIONAL_PHASES = ("encode_image", "verify")


@dataclass(frozen=True, slots=True)
class Scratch:
    """A scratch tensor, by name, until the plan says where it lies."""

    name: str


Bound = Range | Scratch
Texts = dict[tuple[bool | str, ...], str]
"""Switches, as `variant_switches` has them -> the text of a kernel with these."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A kernel, ready to be bound: its name in the program and the names of its bindings."""

    kernel: str
    bindings: tuple[tuple[str, str], ...]
    shape: Range | None = None
    """What `step` binds by itself: numbers that some variants take as data."""


@dataclass(slots=True)
class _PendingStep:
    label: str
    launch: Launch
    bound: tuple[Bound, ...]
    dispatch: tuple[Size, Size, Size]


@dataclass(slots=True)
class ProgramBuilder:
    """What a lowering fills: `weights`, `vector`, `scratch`, `kernel`, `step`, then `finish`."""

    buffers: dict[str, Buffer] = field(default_factory=dict)
    records: dict[str, Place] = field(default_factory=dict)
    kernels: dict[str, Kernel] = field(default_factory=dict)
    shaders: dict[str, str] = field(default_factory=dict)
    """File -> WGSL text."""
    scratch_sizes: dict[str, int] = field(default_factory=dict)
    steps: dict[str, list[_PendingStep]] = field(
        default_factory=lambda: {phase: [] for phase in PHASES}
    )
    _launches: dict[str, Launch] = field(default_factory=dict)
    _files: dict[str, str] = field(default_factory=dict)
    """Text -> its file."""

    def weights(self, matrix: Matrix) -> None:
        """Declare the buffers and records of a matrix."""
        for piece in matrix.pieces:
            self.buffers[piece.buffer] = Buffer("matrix", piece.nbytes)
        for _, records in plan_records(matrix):
            for record in records:
                self.records[record.name] = Place(record.buffer, record.offset, record.tiles)

    def vector(self, name: str, length: int) -> Range:
        """Declare a float32 vector [length] of the checkpoint, such as a norm's gain."""
        self.buffers[name] = Buffer("weights", 4 * length)
        self.records[name] = Place(name)
        return Range(name)

    def buffer(
        self, name: str, kind: str, nbytes: Size, init: Mapping[str, Any] | None = None
    ) -> Range:
        """Declare any other buffer."""
        self.buffers[name] = Buffer(kind, nbytes, init)
        return Range(name)

    def scratch(self, name: str, nbytes: int) -> Scratch:
        """Declare a scratch tensor; declared again under one name, it is the larger of the two."""
        self.scratch_sizes[name] = max(nbytes, self.scratch_sizes.get(name, 0))
        return Scratch(name)

    def kernel(
        self,
        template: str,
        name: str,
        params: Mapping[str, Any],
        constants: Mapping[str, Size] | None = None,
    ) -> Launch:
        """Render a kernel in every variant; the same template, parameters and constants are one."""
        constants = dict(constants or {})
        key = repr((template, sorted(params.items(), key=repr), sorted(constants.items())))
        if key not in self._launches:
            self._launches[key] = self._add_kernel(template, name, params, constants)
        return self._launches[key]

    def _add_kernel(
        self, template: str, name: str, params: Mapping[str, Any], constants: dict[str, Size]
    ) -> Launch:
        unique = name
        count = 1
        while unique in self.kernels:
            count += 1
            unique = f"{name}.{count}"
        shaders: dict[str, KernelShader] = {}
        types: dict[str, set[str]] = {}
        texts: Texts = {}
        for variant in VARIANTS:
            text, words = render_variant(template, params, variant, texts)
            shaders[variant.name] = self._add_shader(name, text, words)
            for binding in parse_bindings(text):
                types.setdefault(binding.name, set()).add(binding.type)
        bindings = tuple((b, common_type(kinds)) for b, kinds in types.items())
        self.kernels[unique] = Kernel(template, shaders, bindings, constants)
        shape = self._add_shape(shaders, constants) if SHAPE in types else None
        return Launch(unique, bindings, shape)

    def _add_shape(
        self, shaders: Mapping[str, KernelShader], constants: Mapping[str, Size]
    ) -> Range:
        """The buffer that has what the kernel for GPUs has as constants; equal ones are one."""
        data, constant = (self.shaders[shaders[name].file] for name in (SOFTWARE, PLAIN))
        init = {"op": "words", "words": shape_words(data, constant, constants)}
        same = [name for name, buffer in self.buffers.items() if buffer.init == init]
        if same:
            return Range(same[0])
        count = sum(buffer.kind == "shape" for buffer in self.buffers.values())
        return self.buffer(f"shape.{count}", "shape", WORD_NBYTES * len(init["words"]), init)

    def _add_shader(self, name: str, text: str, words: Sequence[str]) -> KernelShader:
        """Keep a shader's text once; kernels that differ in constants or shape share a file."""
        requires = tuple(FEATURES[word] for word in words if word in FEATURES)
        if text in self._files:
            return KernelShader(self._files[text], requires)
        suffix = "".join(f".{word}" for word in words)
        file = f"shaders/{name}{suffix}.wgsl"
        count = 1
        while file in self.shaders:
            count += 1
            file = f"shaders/{name}.{count}{suffix}.wgsl"
        self.shaders[file] = text
        self._files[text] = file
        return KernelShader(file, requires)

    def step(
        self,
        phase: str,
        label: str,
        launch: Launch,
        bound: Mapping[str, Bound],
        dispatch: tuple[Size, Size, Size],
    ) -> None:
        """Append a dispatch to a phase.

        Raises:
            ProgramError: the names in `bound` are not the kernel's bindings.
        """
        if launch.shape is not None:
            bound = {**bound, SHAPE: launch.shape}
        names = [name for name, _ in launch.bindings]
        if sorted(names) != sorted(bound):
            msg = f"{phase} {label}: kernel {launch.kernel} binds {names}, got {sorted(bound)}"
            raise ProgramError(msg)
        ranges = tuple(bound[name] for name in names)
        self.steps[phase].append(_PendingStep(label, launch, ranges, dispatch))

    def finish(self, **facts: Any) -> Program:
        """Plan the scratch memory and return the program."""
        self.buffer("state", "state", STATE_NBYTES)
        pending = [step for phase in PHASES for step in self.steps[phase]]
        placed, arenas = plan_scratch(self.scratch_sizes, [_use(step) for step in pending])
        for i, nbytes in enumerate(arenas):
            self.buffer(f"arena.{i}", "scratch", nbytes)
        ranges = {
            name: Range(f"arena.{place.arena}", place.offset, self.scratch_sizes[name])
            for name, place in placed.items()
        }
        phases = {
            phase: tuple(_resolve(step, ranges) for step in self.steps[phase])
            for phase in PHASES
            if self.steps[phase] or phase not in OPTIONAL_PHASES
        }
        return Program(
            buffers=self.buffers,
            records=self.records,
            kernels=self.kernels,
            phases=phases,
            tuning=timed_groups(phases, self.kernels, self.buffers),
            **facts,
        )


def common_type(kinds: set[str]) -> str:
    """A binding's type in all variants: "matrix" is a texture in some, a buffer in others."""
    return "matrix" if "matrix" in kinds else kinds.pop()


def render_variant(
    template: str, params: Mapping[str, Any], variant: Variant, texts: Texts
) -> tuple[str, list[str]]:
    """The WGSL of a kernel for a variant, and which switches make a difference to its text.

    `texts` has what was rendered of the kernel for other variants: each differs from one in a
    switch, so that few texts are rendered to find out.
    """
    switches = variant_switches(variant)

    def text_with(**others: bool | str) -> str:
        chosen = {**switches, **others}
        key = tuple(chosen.values())
        if key not in texts:
            texts[key] = render(template, {**params, **chosen})
        return texts[key]

    text = text_with()

    def is_same_with(**others: bool | str) -> bool:
        return text_with(**others) == text

    if switches["software"] == "lavapipe" and is_same_with(software="software"):
        switches["software"] = "software"
    if switches["software"] and is_same_with(software=False):
        switches["software"] = False
    words = [word for word in FEATURES if switches[word]]
    if switches["software"]:  # such a text uses its variant's features without asking
        return text, [*words, str(switches["software"])]
    for word in words:
        if is_same_with(**{word: False}):
            switches[word] = False
    return text, [word for word in words if switches[word]]


def variant_switches(variant: Variant) -> dict[str, bool | str]:
    """The parameters of every template that a variant decides.

    `f16` and `subgroups` are whether it has the feature; `software` is the kind of software adapter
    that it is for, or False.
    """
    switches: dict[str, bool | str] = {
        word: feature in variant.requires for word, feature in FEATURES.items()
    }
    return {**switches, "software": variant.adapter if variant.adapter != "any" else False}


def _use(step: _PendingStep) -> Use:
    reads: list[str] = []
    writes: list[str] = []
    for (_, kind), bound in zip(step.launch.bindings, step.bound, strict=True):
        if isinstance(bound, Scratch):
            (writes if kind == "storage" else reads).append(bound.name)
    return Use(tuple(reads), tuple(writes))


def _resolve(step: _PendingStep, ranges: Mapping[str, Range]) -> Step:
    bound = tuple(ranges[b.name] if isinstance(b, Scratch) else b for b in step.bound)
    return Step(step.label, step.launch.kernel, bound, step.dispatch)

"""Executes a program on a GPU. web/runtime/runner.js is its twin: same names, same order.

It knows buffers, kernels and steps, and nothing about models. docs/program.md is the contract.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np
import wgpu
from numpy.typing import NDArray

from webgemma.errors import ConfigError, GpuError, ProgramError, UnsupportedError
from webgemma.program.expr import evaluate
from webgemma.program.spec import STATE_WORDS, Buffer, Program, Range, Size, Step, Variant
from webgemma.runtime.matrices import create_matrix, write_matrix
from webgemma.runtime.pipelines import Pipelines

USAGES = {
    "state": ("UNIFORM", "STORAGE", "COPY_DST", "COPY_SRC"),
    "shape": ("UNIFORM", "COPY_DST"),
    "input": ("STORAGE", "COPY_DST"),
    "weights": ("STORAGE", "COPY_DST"),
    "matrix": ("STORAGE", "COPY_DST"),
    "table": ("STORAGE", "COPY_DST"),
    "cache": ("STORAGE", "COPY_SRC"),
    "scratch": ("STORAGE", "COPY_SRC"),
    "output": ("STORAGE", "COPY_SRC"),
}
"""Buffer kind -> usage flags; caches and scratch can be copied from so that tests can look."""

TABLE_ROWS_PER_WRITE = 1024


def suits(variant: Variant, features: set[str], kinds: Container[str]) -> bool:
    """Whether an adapter can run a variant, and should by itself.

    Args:
        variant: One of the program's.
        features: WebGPU feature names.
        kinds: What `adapter_kinds` says that the adapter is.
    """
    return variant.adapter in kinds and features.issuperset(variant.requires)


def choose_variant(
    variants: Sequence[Variant],
    features: set[str],
    name: str = "auto",
    kinds: Container[str] = ("any",),
) -> Variant:
    """The first variant whose features the device has, or the one asked for.

    Args:
        variants: The program's, in order of preference.
        features: WebGPU feature names.
        name: "auto" or a variant's name.
        kinds: What `adapter_kinds` says that the adapter is.

    Raises:
        ConfigError: there is no variant of that name.
        GpuError: the device lacks the named variant's features.
    """
    for variant in variants:
        if name == "auto" and suits(variant, features, kinds):
            return variant
        if variant.name == name:
            missing = [feature for feature in variant.requires if feature not in features]
            if missing:
                msg = f"variant {name}: the device has no {', '.join(missing)}. Choose auto or f32."
                raise GpuError(msg)
            return variant
    names = ", ".join(variant.name for variant in variants)
    raise ConfigError(f"variant {name!r}: expected auto or one of {names}.")


class Runner:
    """A program on a device: buffers, pipelines and bind groups, all made once."""

    def __init__(
        self,
        device: Any,
        program: Program,
        shaders: Mapping[str, str],
        *,
        variant: Variant,
        context_window_size: int,
    ) -> None:
        """Create everything but the weights; `upload` brings those.

        Args:
            device: An open device with the variant's features.
            program: The program.
            shaders: WGSL text by the file names the program gives.
            variant: What `choose_variant` chose.
            context_window_size: Tokens the caches hold.
        """
        self.device = device
        self.program = program
        self.variant = variant
        self.context_window_size = context_window_size
        self.symbols = {**variant.symbols, "context_window_size": context_window_size}
        self.buffers = {name: self.create_buffer(b) for name, b in program.buffers.items()}
        self.pipelines = Pipelines(device, program, variant, shaders)
        self.steps = {
            phase: [self.bind_step(step) for step in steps]
            for phase, steps in program.phases.items()
        }
        self.fill_tables()
        self.write_state({"context_window_size": context_window_size, "num_tokens": 1})
        self.finished()  # frees the copies of what was written

    # -- construction -------------------------------------------------------------------------

    def size(self, size: Size, **symbols: int) -> int:
        """The value of an expression at this context size and variant."""
        return evaluate(size, {**self.symbols, **symbols})

    def create_buffer(self, buffer: Buffer) -> Any:
        """Create one GPU buffer, or the texture of a matrix; WebGPU zeroes it."""
        if buffer.is_texture(self.variant):
            return create_matrix(self.device, self.size(buffer.nbytes))
        usage = 0
        for flag in USAGES[buffer.kind]:
            usage |= wgpu.BufferUsage[flag]
        return self.device.create_buffer(
            size=buffer.allocated_nbytes(self.variant, self.symbols), usage=usage
        )

    def bind_step(self, step: Step) -> tuple[Step, Any, Any]:
        """(the step, its pipeline, its bind group)."""
        pipeline = self.pipelines.get(step.kernel)
        entries = [
            {"binding": i, "resource": self.resource(bound)}
            for i, bound in enumerate(step.bindings)
        ]
        layout = self.pipelines.layout(self.program.kernels[step.kernel])
        return step, pipeline, self.device.create_bind_group(layout=layout, entries=entries)

    def resource(self, bound: Range) -> Any:
        """A range as wgpu takes it: of a buffer, or a texture as a whole."""
        buffer = self.buffers[bound.buffer]
        if self.program.buffers[bound.buffer].is_texture(self.variant):
            return buffer.create_view()
        nbytes = bound.bound_nbytes(buffer.size, self.symbols)
        return {"buffer": buffer, "offset": bound.offset, "size": nbytes}

    def fill_tables(self) -> None:
        """Compute the buffers that have an `init`.

        Raises:
            ProgramError: an operation this runner does not know.
        """
        for name, spec in self.program.buffers.items():
            if spec.init is None:
                continue
            buffer = self.buffers[name]
            if spec.init["op"] == "words":
                words = np.array([self.size(word) for word in spec.init["words"]], np.uint32)
                self.device.queue.write_buffer(buffer, 0, words)
                continue
            if spec.init["op"] != "cos_sin":
                msg = f"buffer {name}: init {spec.init['op']!r}, expected cos_sin or words"
                raise ProgramError(msg)
            factors = spec.init["factors"]
            row_nbytes = 8 * len(factors)
            num_rows = buffer.size // row_nbytes
            for start in range(0, num_rows, TABLE_ROWS_PER_WRITE):
                rows = cos_sin(factors, start, min(num_rows, start + TABLE_ROWS_PER_WRITE))
                self.device.queue.write_buffer(buffer, start * row_nbytes, rows)

    # -- data ---------------------------------------------------------------------------------

    def upload(self, record: str, data: bytes | NDArray[np.uint8]) -> None:
        """Write one record of the tensor cache to its place.

        Raises:
            ProgramError: the program has no place for it.
        """
        if record not in self.program.records:
            raise ProgramError(f"record {record!r} of the tensor cache is not in program.json")
        place = self.program.records[record]
        raw = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data.reshape(-1)
        buffer = self.buffers[place.buffer]
        if self.program.buffers[place.buffer].is_texture(self.variant):
            write_matrix(self.device, buffer, place.offset, raw, place.tiles)
            return
        if raw.size % 4:
            raw = np.pad(raw, (0, -raw.size % 4))
        self.device.queue.write_buffer(buffer, place.offset, raw)

    def write_state(self, words: Mapping[str, int | float]) -> None:
        """Set words of the state buffer by name."""
        for name, value in words.items():
            dtype = np.float32 if name == "temperature" else np.uint32
            word = np.array([value], dtype)
            self.device.queue.write_buffer(self.buffers["state"], 4 * STATE_WORDS[name], word)

    def write_tokens(self, tokens: Sequence[int]) -> None:
        """Set the tokens of the next `prefill`."""
        self.device.queue.write_buffer(self.buffers["tokens"], 0, np.array(tokens, np.uint32))

    def write_image(self, pixels: NDArray[np.float32]) -> None:
        """Set the image of the next `encode_image`: float32 [3, size, size], normalized."""
        self.device.queue.write_buffer(self.buffers["image"], 0, pixels)

    def run(self, phase: str, symbols: Mapping[str, int]) -> None:
        """Submit one phase: one command buffer, one compute pass."""
        values = {**self.symbols, **symbols}
        encoder = self.device.create_command_encoder()
        compute = encoder.begin_compute_pass()
        for step, pipeline, group in self.steps[phase]:
            x, y, z = (evaluate(size, values) for size in step.dispatch)
            compute.set_pipeline(pipeline)
            compute.set_bind_group(0, group)
            compute.dispatch_workgroups(x, y, z)
        compute.end()
        self.device.queue.submit([encoder.finish()])

    def read_generated(self) -> NDArray[np.uint32]:
        """The ring of generated tokens, uint32 [generated_ring_size]; waits for the GPU."""
        return np.frombuffer(self.device.queue.read_buffer(self.buffers["generated"]), np.uint32)

    def read_next_logits(self) -> NDArray[np.float32]:
        """The logits that the last token was chosen by, float32 [vocab_size]; waits for the GPU.

        Raises:
            UnsupportedError: the program leaves none.
        """
        if "next_logits" not in self.buffers:
            msg = (
                "program.json: there is no buffer 'next_logits', so tokens can be chosen by "
                "temperature and seed only. Build the site again for the other options."
            )
            raise UnsupportedError(msg)
        return np.frombuffer(self.device.queue.read_buffer(self.buffers["next_logits"]), np.float32)

    def read_logits(self, num_rows: int) -> NDArray[np.float32]:
        """The rows that phase `logits` wrote, float32 [num_rows, vocab_size]."""
        nbytes = 4 * num_rows * self.program.vocab_size
        data = self.device.queue.read_buffer(self.buffers["logits"], 0, nbytes)
        return np.frombuffer(data, np.float32).reshape(num_rows, -1)

    def finished(self) -> None:
        """Wait until the GPU has done all that was submitted, uploads among it.

        wgpu holds a copy of what was written until the next submit; reading a word is one, and
        waits.
        """
        self.device.queue.read_buffer(self.buffers["state"], 0, 4)

    def destroy(self) -> None:
        """Free the GPU's memory."""
        for buffer in self.buffers.values():
            buffer.destroy()


def cos_sin(factors: Sequence[float], start: int, stop: int) -> NDArray[np.float32]:
    """Rows start..stop - 1 of the table of `init: cos_sin`, computed in float64.

    Returns:
        float32 [stop - start, len(factors), 2].
    """
    positions = np.arange(start, stop, dtype=np.float64)
    angles = np.outer(positions, np.asarray(factors, np.float64))
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype(np.float32)

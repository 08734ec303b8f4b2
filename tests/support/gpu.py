"""Runs one kernel on arrays: render, bind, dispatch, read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
import wgpu
from numpy.typing import NDArray

from tests.support.weights import Weights
from webgemma.program.builder import variant_switches
from webgemma.program.spec import STATE_WORDS
from webgemma.program.spec import VARIANTS as SPEC_VARIANTS
from webgemma.runtime.device import adapter_features, choose_adapter, request_device
from webgemma.runtime.matrices import binding_layout
from webgemma.runtime.pipelines import DIRECTIVES
from webgemma.shaders import SHAPE, parse_bindings, render, shape_words

VARIANTS = {variant.name: variant for variant in reversed(SPEC_VARIANTS)}
KEPT_PIPELINES = 64
"""Cases of one kernel stand side by side, so few are enough."""


Range = tuple[int, int]
"""Bytes of a buffer: (offset, size)."""


@cache
def device(*features: str) -> Any:
    """A device with browser limits and these features; skips nothing, fails plainly."""
    missing = set(features) - adapter_features(choose_adapter())
    assert not missing, f"the adapter lacks {missing}"
    return request_device(features, limits="browser")


def state(**words: int | float) -> NDArray[np.uint32]:
    """The state buffer with these words set."""
    buffer = np.zeros(len(STATE_WORDS), np.uint32)
    for name, value in words.items():
        raw = np.array([value], np.float32 if name == "temperature" else np.uint32)
        buffer[STATE_WORDS[name]] = raw.view(np.uint32)[0]
    return buffer


def run_kernel(
    template: str,
    params: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any] | Weights],
    dispatch: tuple[int, int, int],
    *,
    variant: str = "f32",
    constants: Mapping[str, int] | None = None,
    calls: Sequence[Mapping[str, Range]] = ({},),
) -> dict[str, NDArray[Any]]:
    """Run a kernel on copies of `arrays`, by binding name; returns its writable bindings.

    A matrix is given to it as the variant keeps matrices.

    A dispatch for each of `calls`, which binds these ranges; what a call does not name is whole.
    """
    constants = dict(constants or {})
    wgsl = render(template, {**params, **variant_switches(VARIANTS[variant])})
    arrays = {**arrays, **shape_of(wgsl, template, params, constants)}
    gpu = device(*VARIANTS[variant].requires)
    bindings = parse_bindings(wgsl)
    assert sorted(b.name for b in bindings) == sorted(arrays), [b.name for b in bindings]
    used = {c: v for c, v in constants.items() if f"override {c}:" in wgsl}
    layout, pipeline = compiled(wgsl, variant, tuple(used.items()))
    usage = wgpu.BufferUsage.STORAGE | wgpu.BufferUsage.UNIFORM | wgpu.BufferUsage.COPY_SRC
    matrices = {
        name: array.write(gpu, VARIANTS[variant])
        for name, array in arrays.items()
        if isinstance(array, Weights)
    }
    buffers = {
        name: gpu.create_buffer_with_data(data=padded(array), usage=usage)
        for name, array in arrays.items()
        if not isinstance(array, Weights)
    }
    encoder = gpu.create_command_encoder()
    compute = encoder.begin_compute_pass()
    compute.set_pipeline(pipeline)
    for ranges in calls:
        entries = [
            {
                "binding": i,
                "resource": matrices[b.name]
                if b.name in matrices
                else bound(buffers[b.name], ranges.get(b.name)),
            }
            for i, b in enumerate(bindings)
        ]
        compute.set_bind_group(0, gpu.create_bind_group(layout=layout, entries=entries))
        compute.dispatch_workgroups(*dispatch)
    compute.end()
    gpu.queue.submit([encoder.finish()])
    return {
        b.name: read(gpu, buffers[b.name], arrays[b.name]) for b in bindings if b.type == "storage"
    }


@lru_cache(maxsize=KEPT_PIPELINES)
def compiled(wgsl: str, variant: str, constants: tuple[tuple[str, int], ...]) -> tuple[Any, Any]:
    """The layout of a kernel's bindings, and its pipeline."""
    features = VARIANTS[variant].requires
    gpu = device(*features)
    layout = gpu.create_bind_group_layout(
        entries=[
            {
                "binding": i,
                "visibility": wgpu.ShaderStage.COMPUTE,
                **binding_layout(b.type, VARIANTS[variant].matrices),
            }
            for i, b in enumerate(parse_bindings(wgsl))
        ]
    )
    code = "".join(DIRECTIVES[feature] for feature in features) + wgsl
    pipeline = gpu.create_compute_pipeline(
        layout=gpu.create_pipeline_layout(bind_group_layouts=[layout]),
        compute={
            "module": gpu.create_shader_module(code=code),
            "entry_point": "main",
            "constants": dict(constants),
        },
    )
    return layout, pipeline


def shape_of(
    wgsl: str, template: str, params: Mapping[str, Any], constants: Mapping[str, int]
) -> dict[str, NDArray[np.uint32]]:
    """The binding `shape` of a text that has one."""
    if SHAPE not in (binding.name for binding in parse_bindings(wgsl)):
        return {}
    constant = render(template, {**params, **variant_switches(VARIANTS["f32"])})
    return {SHAPE: np.array(shape_words(wgsl, constant, constants), np.uint32)}


def bound(buffer: Any, part: Range | None) -> dict[str, Any]:
    """A binding's resource: a range of a buffer, or all of it."""
    offset, size = part or (0, buffer.size)
    return {"buffer": buffer, "offset": offset, "size": size}


def padded(array: NDArray[Any]) -> bytes:
    """The array's bytes, zero-padded to a multiple of 16."""
    data = np.ascontiguousarray(array).tobytes()
    return data + b"\0" * (-len(data) % 16)


def read(gpu: Any, buffer: Any, like: NDArray[Any]) -> NDArray[Any]:
    """The buffer's content in the shape and dtype of `like`."""
    data = np.frombuffer(gpu.queue.read_buffer(buffer), np.uint8)[: like.nbytes]
    return data.view(like.dtype).reshape(like.shape)

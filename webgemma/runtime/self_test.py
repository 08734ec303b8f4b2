"""Runs a model's self-test (docs/program.md): the twin of web/runtime/self-test.js."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webgemma.layout import SELF_TEST, SELF_TEST_DATA
from webgemma.program.spec import Variant, program_from_json
from webgemma.runtime.device import request_device
from webgemma.runtime.runner import Runner
from webgemma.runtime.shards import SiteModel


@dataclass(frozen=True, slots=True)
class KernelError:
    """How far a kernel's output is from what is stored: |got - expected|^2 / |expected|^2."""

    buffer: str
    error: float
    max_error: float

    @property
    def is_wrong(self) -> bool:
        """Whether it is further than it may be, or no number."""
        return not self.error <= self.max_error


def run_self_test(model: SiteModel, variant: Variant) -> list[KernelError]:
    """Run a model's self-test in a variant, on a device of its own.

    Returns:
        The error of every output; empty for a site that was built without a self-test.
    """
    if SELF_TEST not in model.manifest["files"]:
        return []
    content, data = json.loads(model.read(SELF_TEST)), model.read(SELF_TEST_DATA)
    program = program_from_json(content)
    test = content["self_test"]
    runner = Runner(
        request_device(variant.requires),
        program,
        model.shaders(),
        variant=variant,
        context_window_size=program.max_context_window_size,
    )
    try:
        for record, place in test["records"].items():
            runner.upload(record, _cut(data, place))
        for run in test["runs"]:
            symbols = {name: run[name] for name in ("num_tokens", "position")}
            runner.write_state(symbols)
            runner.run(run["phase"], symbols)
        max_error = test["max_error"]["f16" if "shader-f16" in variant.requires else "f32"]
        return [_error_of(runner, check, data, max_error) for check in test["checks"]]
    finally:
        runner.destroy()


def _cut(data: bytes, place: Mapping[str, Any]) -> bytes:
    return data[place["offset"] : place["offset"] + place["nbytes"]]


def _error_of(
    runner: Runner, check: Mapping[str, Any], data: bytes, max_error: float
) -> KernelError:
    name = check["buffer"]
    got = _floats(runner.device.queue.read_buffer(runner.buffers[name], 0, check["nbytes"]))
    expected = _floats(_cut(data, check))
    error = ((got - expected) ** 2).sum() / (expected**2).sum()
    return KernelError(name, float(error), max_error)


def _floats(data: Any) -> NDArray[np.float64]:
    return np.frombuffer(data, np.float32).astype(np.float64)

"""Compiles the kernels of a program for one variant. web/runtime/pipelines.js is its twin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import wgpu

from webgemma.errors import GpuError
from webgemma.program.expr import evaluate
from webgemma.program.spec import Kernel, Program, Variant
from webgemma.runtime.matrices import binding_layout

DIRECTIVES = {"shader-f16": "enable f16;\n", "subgroups": ""}
"""Feature -> what naga wants before the shader; it takes subgroup functions without a word."""


class Pipelines:
    """The pipelines of a program, each compiled once, when it is first asked for."""

    def __init__(
        self, device: Any, program: Program, variant: Variant, shaders: Mapping[str, str]
    ) -> None:
        """Compile nothing yet.

        Args:
            device: An open device with the variant's features.
            program: The program.
            variant: Which of its texts a kernel is compiled from.
            shaders: WGSL text by the file names the program gives.
        """
        self.device = device
        self.program = program
        self.variant = variant
        self.shaders = shaders
        self.modules: dict[str, Any] = {}
        self.layouts: dict[tuple[str, ...], Any] = {}
        self.compiled: dict[str, Any] = {}
        """By file and constants: kernels that differ in data alone share a pipeline."""

    def get(self, name: str, **choice: int) -> Any:
        """A kernel's pipeline for this variant, or with other values of its symbols.

        Raises:
            GpuError: naga or the driver refuses it; names the file.
        """
        kernel = self.program.kernels[name]
        shader = kernel.shaders[self.variant.name]
        text = self.shaders[shader.file]
        constants = constants_of(kernel, text, {**self.variant.symbols, **choice})
        key = repr((shader.file, constants))
        if key not in self.compiled:
            code = "".join(DIRECTIVES[feature] for feature in shader.requires) + text
            try:
                self.compiled[key] = self.compile(kernel, code, constants)
            except wgpu.GPUError as error:
                msg = f"shader {shader.file} of kernel {name} does not compile: {error}"
                raise GpuError(msg) from error
        return self.compiled[key]

    def compile(self, kernel: Kernel, code: str, constants: Mapping[str, int]) -> Any:
        """Compile a text with these override constants."""
        if code not in self.modules:
            self.modules[code] = self.device.create_shader_module(code=code)
        return self.device.create_compute_pipeline(
            layout=self.device.create_pipeline_layout(bind_group_layouts=[self.layout(kernel)]),
            compute={
                "module": self.modules[code],
                "entry_point": "main",
                "constants": dict(constants),
            },
        )

    def layout(self, kernel: Kernel) -> Any:
        """The layout of a kernel's bindings, made once for equal lists of types."""
        types = tuple(kind for _, kind in kernel.bindings)
        if types not in self.layouts:
            entries = [
                {
                    "binding": i,
                    "visibility": wgpu.ShaderStage.COMPUTE,
                    **binding_layout(kind, self.variant.matrices),
                }
                for i, kind in enumerate(types)
            ]
            self.layouts[types] = self.device.create_bind_group_layout(entries=entries)
        return self.layouts[types]


def constants_of(kernel: Kernel, text: str, symbols: Mapping[str, int]) -> dict[str, int]:
    """The override constants that a text of a kernel declares, with a variant's symbols."""
    return {
        name: evaluate(size, symbols)
        for name, size in kernel.constants.items()
        if f"override {name}:" in text
    }

"""Shapes: what is data for software adapters says what the texts for GPUs have as constants."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace

import pytest

from tests.support.programs import shape_checkpoint
from webgemma.architectures import lower
from webgemma.errors import ProgramError
from webgemma.program.check import check
from webgemma.program.expr import evaluate
from webgemma.program.spec import VARIANTS
from webgemma.runtime.pipelines import constants_of
from webgemma.shaders import shape_words

SOFTWARE = next(variant for variant in VARIANTS if variant.name == "software")


def compiled(program, shaders, phases, variant=SOFTWARE):
    """The kernels of some phases by what a runner compiles for them: (file, constants)."""
    kernels = defaultdict(set)
    for phase in phases:
        for step in program.phases[phase]:
            kernel = program.kernels[step.kernel]
            file = kernel.shaders[variant.name].file
            constants = constants_of(kernel, shaders[file], variant.symbols)
            kernels[file, tuple(constants.items())].add(step.kernel)
    return kernels


@pytest.fixture(scope="module")
def large():
    """A model of Gemma 2B's kind, whose embedding needs three pieces."""
    shape = {"hidden": 2048, "intermediate": 4096, "heads": (8, 1, 256), "vocab": 160_000}
    return lower(shape_checkpoint("gemma", {"token_embd": "Q6_K"}, default="Q4_1", **shape))


def test_pieces_of_the_head_are_one_pipeline(large):
    pieces = [step for step in large.program.phases["sample"] if step.label == "head"]
    assert len(pieces) == 3
    kernels = compiled(large.program, large.shaders, ["sample"])
    (heads,) = [names for (file, _), names in kernels.items() if "/head." in file]
    assert len(heads) == 3


def test_products_of_one_type_are_one_pipeline(large):
    """Those of queries, keys and values, of the output, of gate and up and of down."""
    kernels = compiled(large.program, large.shaders, ["prefill"])
    products = [names for (file, _), names in kernels.items() if "/matmul" in file]
    assert len(products) == 1
    assert len(products[0]) == 4


def test_windows_are_one_pipeline():
    lowered = lower(shape_checkpoint("gemma2", {}, default="Q4_K", layers=2))
    assert len({window for window in windows(lowered)}) == 2
    kernels = compiled(lowered.program, lowered.shaders, ["prefill", "decode"])
    for name in ("/attention.", "/attention_split.", "/attention_combine."):
        (names,) = [names for (file, _), names in kernels.items() if name in file]
        assert len(names) == 2


def windows(lowered):
    """What attention binds as its window, layer by layer."""
    for step in lowered.program.phases["prefill"]:
        kernel = lowered.program.kernels[step.kernel]
        if kernel.template == "attention":
            yield lowered.program.buffers[step.bindings[-1].buffer].init["words"][0]


@pytest.mark.parametrize("family", ["gemma", "gemma2", "gemma3", "llama"])
def test_words_are_the_constants(family):
    lowered = lower(shape_checkpoint(family, {"attn_v": "Q6_K"}, default="Q4_K"))
    found = 0
    for steps in lowered.program.phases.values():
        for step in steps:
            kernel = lowered.program.kernels[step.kernel]
            names = [name for name, _ in kernel.bindings]
            if "shape" not in names:
                continue
            init = lowered.program.buffers[step.bindings[names.index("shape")].buffer].init
            words = [evaluate(word, SOFTWARE.symbols) for word in init["words"]]
            data, constant = (
                lowered.shaders[kernel.shaders[name].file] for name in ("software", "f32")
            )
            fields = re.findall(r"(\w+): u32", re.search(r"struct Shape \{(.+)\}", data)[1])
            numbers = dict(re.findall(r"^const (\w+) = (\d+)u;$", constant, re.M))
            moved = [name for name in fields if f"override {name}:" in constant]
            expected = {**kernel.constants, **numbers}
            assert words == [
                evaluate(str(expected.get(name, 0)), SOFTWARE.symbols) for name in fields
            ]
            assert set(fields) <= numbers.keys() | set(moved)
            assert "shape" not in re.sub("//.*", "", constant)
            assert not constants_of(kernel, data, SOFTWARE.symbols).keys() & set(moved)
            found += 1
    assert found > 10


def test_a_number_that_only_the_data_has_is_an_error():
    data = "struct Shape { N: u32, K: u32, ROWS: u32 }\n"
    constant = "const N = 3u;\nconst K = 4u;\n"
    with pytest.raises(ProgramError, match="shape has ROWS, the text for GPUs has no such"):
        shape_words(data, constant, {"ROWS": 5})
    declared = constant + "override ROWS: u32 = 0u;\n"
    assert shape_words(data, declared, {"ROWS": "2 * rows"}) == [3, 4, "2 * rows"]
    assert shape_words(data, declared, {}) == [3, 4, 0]


def test_kernels_of_one_file_bind_alike(large):
    program = large.program
    name = next(name for name in program.kernels if name.startswith("head."))
    kernel = program.kernels[name]
    bindings = (("x", "storage"), *kernel.bindings[1:])
    wrong = replace(program, kernels={**program.kernels, name: replace(kernel, bindings=bindings)})
    with pytest.raises(
        ProgramError, match=r"binds .*, expected .*, as another kernel of that file"
    ):
        check(wrong, large.shaders)

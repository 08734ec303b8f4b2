"""Every rendered shader compiles: in naga (wgpu), and in Dawn with Chrome's directives.

"Every" is every kernel of the small models' programs and of seeded shapes that cover all storage
types and caches, in all variants.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.gpu import VARIANTS, device
from tests.support.programs import all_programs, shape_checkpoint
from tests.support.seeing_shapes import small_seeing_checkpoint
from webgemma.architectures import lower
from webgemma.program.check import chosen_variants
from webgemma.runtime.pipelines import DIRECTIVES, constants_of
from webgemma.runtime.runner import Runner, choose_variant

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.fixture(scope="module")
def programs(fixtures):
    """(program, shaders) of every model that covers a template, type or mode."""
    lowered = [
        lower(small_seeing_checkpoint()),
        *(
            lower(checkpoint, cache_quantization="q8", activation_quantization="q8")
            for checkpoint in (
                small_seeing_checkpoint(),
                shape_checkpoint("gemma2", {}),
                shape_checkpoint("gemma3", {}),
            )
        ),
    ]
    return [*all_programs(fixtures), *((each.program, each.shaders) for each in lowered)]


@pytest.mark.gpu
@pytest.mark.parametrize("variant", VARIANTS)
def test_naga(programs, variant):
    """Each text once, as naga checks it; and one program's pipelines, as a runner makes them."""
    program, shaders = programs[0]
    chosen = choose_variant(program.variants, set(DIRECTIVES), variant)
    gpu = device(*chosen.requires)
    Runner(gpu, program, shaders, variant=chosen, context_window_size=64).destroy()
    texts = {
        "".join(DIRECTIVES[feature] for feature in shader.requires) + shaders[shader.file]
        for program, shaders in programs
        for kernel in program.kernels.values()
        for shader in [kernel.shaders[variant]]
    }
    print(f"{variant}: {len(texts)} texts")
    assert len(texts) > 100
    for text in texts:
        gpu.create_shader_module(code=text)


def dawn_folder() -> Path:
    """The folder whose node_modules holds the npm package `webgpu`."""
    why = None
    if shutil.which("node") is None:
        why = "node is not installed"
    elif not (ROOT / "node_modules" / "webgpu").is_dir():
        why = "the npm package webgpu is not installed (npm install)"
    if why and os.environ.get("WEBGEMMA_REQUIRE_BROWSER") == "1":
        pytest.fail(why, pytrace=False)
    if why:
        pytest.skip(why)
    return ROOT


def test_dawn(programs):
    folder = dawn_folder()
    shaders = {}
    for program, texts in programs:
        chosen = chosen_variants(program)  # every choice of a tuner, too
        for kernel, (variant, choice) in itertools.product(program.kernels.values(), chosen):
            shader = kernel.shaders[variant.name]
            symbols = {**variant.symbols, **choice}
            text = texts[shader.file]
            values = constants_of(kernel, text, symbols)
            shaders[text, shader.requires, tuple(values.items())] = shader.file
    request = [
        {"name": name, "code": code, "requires": requires, "constants": dict(constants)}
        for (code, requires, constants), name in shaders.items()
    ]
    print(f"{len(request)} pipelines compiled by Dawn")
    assert len(request) > 100
    assert compile_with_dawn(folder, request) == []


def test_dawn_refuses_what_is_wrong():
    broken = {"name": "x", "code": "fn main() { oops }", "requires": [], "constants": {}}
    [failed] = compile_with_dawn(dawn_folder(), [broken])
    assert failed["name"] == "x"


def compile_with_dawn(folder: Path, request: list[dict[str, object]]) -> list[dict[str, object]]:
    """The shaders that do not compile."""
    done = subprocess.run(
        ["node", HERE / "dawn" / "compile.mjs", folder],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    failed: list[dict[str, object]] = json.loads(done.stdout)
    return failed

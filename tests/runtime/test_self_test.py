"""The self-test natively: right kernels are near their answers, wrong ones far from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from webgemma.build import build_site
from webgemma.layout import SELF_TEST, SELF_TEST_DATA
from webgemma.program.check import check
from webgemma.program.spec import VARIANTS, Variant, program_from_json
from webgemma.resources import built_in_model
from webgemma.runtime.self_test import run_self_test
from webgemma.runtime.shards import SiteModel, open_site_model

FIXTURES = Path(__file__).parents[1] / "fixtures"
SOURCES = {
    "pebble": built_in_model(),
    "pebble, q8": built_in_model(),
    "gemma-Q4_1": FIXTURES / "gemma-Q4_1.gguf",
    "gemma2-Q4_K": FIXTURES / "gemma2-Q4_K.gguf",
    "llama-Q4_0": FIXTURES / "llama-Q4_0.gguf",
}


@pytest.fixture(scope="module", params=SOURCES)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SiteModel:
    site = tmp_path_factory.mktemp("self-test") / "site"
    kind = "q8" if "q8" in request.param else "none"
    build_site(SOURCES[request.param], site, cache_quantization=kind, activation_quantization=kind)
    return open_site_model(site)


def test_it_is_a_program_that_the_checker_takes(model: SiteModel) -> None:
    content = json.loads(model.read(SELF_TEST))
    program = program_from_json(content)
    used = {
        shader.file for kernel in program.kernels.values() for shader in kernel.shaders.values()
    }
    check(program, {file: text for file, text in model.shaders().items() if file in used})
    test = content["self_test"]
    ends = [p["offset"] + p["nbytes"] for p in [*test["records"].values(), *test["checks"]]]
    assert max(ends) == len(model.read(SELF_TEST_DATA)) < 1_000_000
    types = set(model.manifest["storage"])
    assert {c["buffer"] for c in test["checks"]} == {
        "attention",
        "attention_combine",
        *(f"{kernel}.{kind}" for kernel in ("matmul", "matvec", "gate_up") for kind in types),
    }


@pytest.mark.gpu
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_right_kernels_are_near_their_answers(model: SiteModel, variant: Variant) -> None:
    errors = run_self_test(model, variant)
    assert errors
    for error in errors:
        print(f"{error.buffer}: {error.error:.1e}")
        assert error.error < error.max_error / 10


TWO_PERCENT = {
    "matmul": ("dot(v, w0)", "1.02 * dot(v, w0)"),
    "matvec": ("] = sums[i];", "] = 1.02 * sums[i];"),
    "gate_up": ("inverseSqrt(", "1.02 * inverseSqrt("),
    "attention": ("exp(score - maximum)", "exp(1.02 * (score - maximum))"),
}
"""Kernel -> a text of its shader, and how a bad driver might run it."""


@pytest.mark.gpu
@pytest.mark.parametrize("kernel", TWO_PERCENT)
def test_a_kernel_that_is_two_percent_off_is_far_from_them(model: SiteModel, kernel: str) -> None:
    right, wrong = TWO_PERCENT[kernel]

    class BadDriver(SiteModel):
        __slots__ = ()

        def shaders(self) -> dict[str, str]:
            return {
                file: text.replace(right, wrong) if f"self-test.{kernel}" in file else text
                for file, text in model.shaders().items()
            }

    errors = run_self_test(BadDriver(model.folder, model.manifest), VARIANTS[-1])
    assert {e.buffer.partition(".")[0] for e in errors if e.is_wrong} >= {kernel}

"""`--cache-quantization` and `--activation-quantization q8`: what they change, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.make_gguf import read_back, write_gguf
from tests.support.messages import message_of
from tests.support.programs import shape_checkpoint
from webgemma.architectures import lower
from webgemma.build import build_site
from webgemma.errors import ConfigError
from webgemma.inspect import describe_site, estimate
from webgemma.program.check import check

KV_HEADS, HEAD_DIM = 2, 64
LAYERS = 3
VECTOR_NBYTES = HEAD_DIM + 16
"""Of q8: a byte for each element, and room for four scales."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, fixtures: Path) -> Path:
    folder = tmp_path_factory.mktemp("q8") / "site"
    build_site(fixtures / "gemma2-F16.gguf", folder, cache_quantization="q8")
    return folder


def test_inspect_says_it(site: Path) -> None:
    facts = describe_site(site)
    text = next(text for name, text in facts.sections if name == "Memory on the GPU")
    nbytes = 2 * LAYERS * KV_HEADS * VECTOR_NBYTES
    assert facts.data["memory"]["cache_quantization"] == "q8"
    assert facts.data["memory"]["cache_nbytes_per_token"] == nbytes
    assert f"cache    {nbytes} B per token (q8)" in text


def test_an_estimate_counts_it(site: Path, fixtures: Path) -> None:
    context = 100
    nbytes = context * 2 * LAYERS * KV_HEADS * VECTOR_NBYTES
    of_site = estimate(site, context=context).data["memory"]
    source = fixtures / "gemma2-F16.gguf"
    of_source = estimate(source, cache_quantization="q8", context=context).data["memory"]
    assert {row["cache_nbytes"] for row in [*of_site, *of_source]} == {nbytes}
    floats = estimate(source, context=context).data["memory"]
    elements = context * 2 * LAYERS * KV_HEADS * HEAD_DIM
    assert {row["cache_nbytes"] for row in floats} == {2 * elements, 4 * elements}


def test_a_binding_holds_a_longer_context(fixtures: Path, tmp_path: Path) -> None:
    architecture, metadata, tensors = read_back(fixtures / "gemma2-Q4_K.gguf")
    metadata[f"{architecture}.context_length"] = 1_000_000
    source = write_gguf(tmp_path / "long.gguf", architecture, metadata, tensors)
    most = {
        cache: estimate(source, cache_quantization=cache).data["max_context_window_size"]
        for cache in ("none", "q8")
    }
    assert most["none"] == (128 << 20) // (KV_HEADS * HEAD_DIM * 4)
    assert most["q8"] == (128 << 20) // (HEAD_DIM * 4)  # what rotations take


@pytest.mark.parametrize("family", ["gemma", "gemma2", "gemma3", "llama", "qwen3"])
def test_decode_takes_one_dispatch_more_where_it_was_fused(family: str) -> None:
    counts = []
    for cache in ("none", "q8"):
        lowered = lower(shape_checkpoint(family, {}), cache_quantization=cache)
        counts.append(check(lowered.program, lowered.shaders).dispatches_per_layer["decode"])
    is_fused = family not in ("gemma3", "qwen3")
    assert counts[1] == counts[0] + is_fused


@pytest.mark.parametrize("family", ["gemma", "gemma2", "gemma3", "llama", "qwen3"])
def test_prefill_quantizes_what_its_products_take(family: str) -> None:
    """Once for q, k and v, for o, for gate and up, and for down; decode computes with floats."""
    plain, quantized = (
        lower(shape_checkpoint(family, {}), activation_quantization=kind).program
        for kind in ("none", "q8")
    )
    decode, same = (
        [(s.label, s.kernel, s.dispatch) for s in p.phases["decode"]] for p in (plain, quantized)
    )
    assert decode == same
    assert "verify" in plain.phases
    assert "verify" not in quantized.phases  # drafted tokens must get decode's numbers
    steps = [step.kernel for step in quantized.phases["prefill"]]
    kinds = [quantized.kernels[kernel].template for kernel in steps]
    assert kinds.count("quantize") == 4
    assert len(kinds) == len(plain.phases["prefill"]) + 4
    for kernel in set(steps):
        if quantized.kernels[kernel].template == "matmul":
            assert ("x_scale", "read-only-storage") in quantized.kernels[kernel].bindings


def test_products_of_codes_are_of_integers_on_a_gpu(site: Path) -> None:
    """Types that have codes; what holds others multiplies floats, and so does the processor."""
    lowered = lower(shape_checkpoint("gemma2", {"ffn_down": "IQ2_S"}), activation_quantization="q8")
    texts = {
        (kernel.split(".")[1], variant): lowered.shaders[shader.file]
        for kernel, spec in lowered.program.kernels.items()
        if spec.template == "matmul" and ("x_scale", "read-only-storage") in spec.bindings
        for variant, shader in spec.shaders.items()
    }
    has_integers = {key for key, text in texts.items() if "dot4I8Packed(" in text}
    assert has_integers == {("q4_k", v) for v in ("f16+subgroups", "f16", "subgroups", "f32")}
    assert {kind for kind, _ in texts} == {"q4_k", "iq2_s"}


def test_the_manifest_says_it(fixtures: Path, tmp_path: Path) -> None:
    build_site(fixtures / "gemma2-F16.gguf", tmp_path / "site", activation_quantization="q8")
    facts = describe_site(tmp_path / "site")
    assert facts.data["activation_quantization"] == "q8"
    assert any("activations" in text and "q8" in text for _, text in facts.sections)


def test_another_type_is_refused(site: Path, fixtures: Path, tmp_path: Path) -> None:
    source = fixtures / "gemma2-F16.gguf"
    wrong = "--cache-quantization: got 'q4', expected none or q8."

    def build() -> None:
        build_site(source, tmp_path / "site", cache_quantization="q4")

    assert message_of(ConfigError, build) == wrong

    def build_other() -> None:
        build_site(source, tmp_path / "site", activation_quantization="q4")

    expected = "--activation-quantization: got 'q4', expected none or q8."
    assert message_of(ConfigError, build_other) == expected
    assert not (tmp_path / "site").exists()
    assert message_of(ConfigError, lambda: estimate(source, cache_quantization="q4")) == wrong
    (folder,) = (site / "models").glob("*/")
    assert message_of(ConfigError, lambda: estimate(folder, cache_quantization="none")) == (
        f"--cache-quantization: got 'none' for the site {folder}, expected a source. The caches of "
        "a site are as it was built."
    )

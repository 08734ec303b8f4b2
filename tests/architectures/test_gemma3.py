"""What is Gemma 3's own: which layers are local, their rotations, and checkpoints that see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.programs import HEAD_DIM, HIDDEN, VOCAB, ShapeOnly, shape_checkpoint
from webgemma.architectures import lower
from webgemma.architectures.gemma3 import TENSORS
from webgemma.errors import FormatError, UnsupportedError
from webgemma.program.check import check

LAYERS = 7
HF_CONFIG = {
    "vocab_size": VOCAB, "hidden_size": HIDDEN, "intermediate_size": 512,
    "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": HEAD_DIM, "max_position_embeddings": 512, "sliding_window": 64,
}  # fmt: skip
SIZES = {
    # hidden, intermediate, layers, heads, window, context, factor of the global rope
    "270M": (640, 2048, 18, (4, 1, 256), 512, 32768, 1.0),
    "1B": (1152, 6912, 26, (4, 1, 256), 512, 32768, 1.0),
    "4B": (2560, 10240, 34, (8, 4, 256), 1024, 131072, 8.0),
}


def hf_checkpoint(prefix="model.", **changes):
    """The shapes of a text checkpoint under Hugging Face names."""
    gguf = shape_checkpoint("gemma3", {}, default="F16", layers=LAYERS)
    theirs = {
        g.replace("{i}", str(i)): prefix + hf.removeprefix("model.").replace("{i}", str(i))
        for hf, g in TENSORS.values()
        for i in range(LAYERS)
    }
    tensors = {theirs[name]: tensor for name, tensor in gguf.tensors.items()}
    metadata = HF_CONFIG | changes
    return replace(
        gguf, architecture="gemma3_text", format="safetensors", metadata=metadata, tensors=tensors
    )


def seeing_checkpoint(prefix, tower, **changes):
    """The same as a part of a checkpoint with a vision tower."""
    text = hf_checkpoint(prefix, model_type="gemma3_text", **changes)
    extra = {name: ShapeOnly(name, "F16", (HIDDEN, HIDDEN)) for name in tower}
    metadata = {"model_type": "gemma3", "text_config": text.metadata, "vision_config": {}}
    tensors = text.tensors | extra
    return replace(text, architecture="gemma3", metadata=metadata, tensors=tensors)


def lowered_layers(checkpoint):
    """The window and the table of rotations of every layer, and all tables' factors."""
    lowered = lower(checkpoint)
    check(lowered.program, lowered.shaders)
    program = lowered.program
    found = []
    for layer in range(program.num_hidden_layers):
        steps = {step.label: step for step in program.phases["prefill"]}
        kernel = steps[f"layers.{layer}.attention"].kernel
        appended = steps[f"layers.{layer}.rope_append"].bindings
        tables = {b.buffer for b in appended if b.buffer.startswith("rope")}
        found.append((int(kernel.rpartition(".w")[2]), tables))
    factors = {
        name: np.array(buffer.init["factors"])
        for name, buffer in program.buffers.items()
        if buffer.kind == "table"
    }
    return found, factors


def plain(theta, factor=1.0):
    """Factors of a rope."""
    return theta ** (-2.0 * np.arange(HEAD_DIM // 2) / HEAD_DIM) / factor


LOCAL, GLOBAL = (64, {"rope_local"}), (0, {"rope"})
SIXTH_GLOBAL = [LOCAL] * 5 + [GLOBAL] + [LOCAL]


def test_every_sixth_layer_is_global():
    for checkpoint in (shape_checkpoint("gemma3", {}, layers=LAYERS), hf_checkpoint()):
        layers, factors = lowered_layers(checkpoint)
        assert layers == SIXTH_GLOBAL
        np.testing.assert_allclose(factors["rope"], plain(1e6))
        np.testing.assert_allclose(factors["rope_local"], plain(1e4))


def test_layers_as_listed():
    types = ["full_attention", "sliding_attention"] * 3 + ["full_attention"]
    layers, _ = lowered_layers(hf_checkpoint(layer_types=types))
    assert layers == [GLOBAL, LOCAL] * 3 + [GLOBAL]


@pytest.mark.parametrize("name", ["sliding_window_pattern", "_sliding_window_pattern"])
def test_pattern(name):
    layers, _ = lowered_layers(hf_checkpoint(**{name: 3}))
    assert layers == [LOCAL, LOCAL, GLOBAL] * 2 + [LOCAL]


def test_scaling_is_of_the_global_rope_alone():
    old = {"rope_theta": 2e6, "rope_local_base_freq": 5e3}
    old["rope_scaling"] = {"rope_type": "linear", "factor": 8.0}
    new = {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 2e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 5e3},
    }
    gguf = shape_checkpoint("gemma3", {}, layers=LAYERS)
    keys = {"scaling.type": "linear", "scaling.factor": 8.0, "freq_base": 2e6, "freq_base_swa": 5e3}
    metadata = gguf.metadata | {f"gemma3.rope.{key}": value for key, value in keys.items()}
    for checkpoint in (
        hf_checkpoint(**old),
        hf_checkpoint(rope_parameters=new),
        replace(gguf, metadata=metadata),
    ):
        _, factors = lowered_layers(checkpoint)
        np.testing.assert_allclose(factors["rope"], plain(2e6, 8.0))
        np.testing.assert_allclose(factors["rope_local"], plain(5e3))


@pytest.mark.parametrize(
    ("prefix", "tower"),
    [
        ("model.", ()),
        ("language_model.model.", ("vision_tower.a", "multi_modal_projector.b")),
        ("model.language_model.", ("model.vision_tower.a", "model.multi_modal_projector.b")),
    ],
)
def test_the_text_of_a_checkpoint_that_sees(prefix, tower):
    layers, _ = lowered_layers(seeing_checkpoint(prefix, tower))
    assert layers == SIXTH_GLOBAL


def test_other_tensors_of_a_checkpoint_that_sees_are_refused():
    with pytest.raises(UnsupportedError) as error:
        lower(seeing_checkpoint("language_model.model.", ("audio_tower.a",)))
    assert str(error.value) == (
        "shape.gguf: 1 tensors are not part of architecture 'gemma3' as webgemma knows it: "
        "'audio_tower.a'. Nothing is dropped silently; convert the model without them."
    )


def test_a_sparse_text_config_has_the_defaults_of_transformers():
    """As in the 4B: eight heads of 256, four of keys, 262,208 tokens are not written down."""
    text = {"model_type": "gemma3_text", "hidden_size": 2560, "num_hidden_layers": 1}
    gguf = shape_checkpoint(
        "gemma3", {}, default="F16", hidden=2560, intermediate=9216, heads=(8, 4, 256), vocab=262208
    )
    theirs = {g.replace("{i}", "0"): hf.replace("{i}", "0") for hf, g in TENSORS.values()}
    tensors = {theirs[name]: tensor for name, tensor in gguf.tensors.items()}
    checkpoint = replace(
        gguf, format="safetensors", metadata={"text_config": text}, tensors=tensors
    )
    assert lower(checkpoint).program.vocab_size == 262208


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("default", ["F16", "Q4_0"])
def test_real_shapes_pass_the_checker(size, default):
    hidden, intermediate, layers, heads, window, context, factor = SIZES[size]
    checkpoint = shape_checkpoint(
        "gemma3", {"token_embd": "Q8_0"}, default=default, layers=layers, hidden=hidden,
        intermediate=intermediate, heads=heads, vocab=262144,
    )  # fmt: skip
    keys = {
        "gemma3.attention.sliding_window": window, "gemma3.context_length": context,
        "gemma3.rope.scaling.type": "linear", "gemma3.rope.scaling.factor": factor,
    }  # fmt: skip
    lowered = lower(replace(checkpoint, metadata=checkpoint.metadata | keys))
    report = check(lowered.program, lowered.shaders)
    assert report.dispatches_per_layer["decode"] <= 9 + (default == "F16")  # gate_up in two pieces
    assert lowered.program.max_context_window_size == 32768


def test_missing_window():
    checkpoint = shape_checkpoint("gemma3", {})
    metadata = {k: v for k, v in checkpoint.metadata.items() if "window" not in k}
    with pytest.raises(FormatError) as error:
        lower(replace(checkpoint, metadata=metadata))
    assert str(error.value) == (
        "shape.gguf: key 'gemma3.attention.sliding_window': got nothing, expected an integer from "
        "1 to 1048576. The configuration is damaged; fetch the model again."
    )

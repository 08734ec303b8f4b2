"""Configurations that are wrong, missing, of another kind or unknown: one clear error each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.programs import shape_checkpoint
from webgemma.architectures import ARCHITECTURES, lower
from webgemma.errors import ConfigError, FormatError, ProgramError, UnsupportedError, WebGemmaError
from webgemma.program.check import check

BAD_VALUES = [0, -1, 1, 3, 7, 1 << 31, 1 << 62, 1.5, -1.0, float("nan"), float("inf"), 1e300,
              True, "x", "", None, [], [1], {"a": 1}]  # fmt: skip

HF_CONFIG = {
    "model_type": "gemma2", "vocab_size": 320, "hidden_size": 256, "intermediate_size": 512,
    "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64,
    "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
    "sliding_window": 64, "query_pre_attn_scalar": 64, "attn_logit_softcapping": 50.0,
    "final_logit_softcapping": 30.0, "hidden_activation": "gelu_pytorch_tanh",
    "layer_types": ["sliding_attention"], "tie_word_embeddings": True, "attention_bias": False,
}  # fmt: skip


def hf_checkpoint(**changes):
    """The shapes of a Gemma 2 checkpoint under Hugging Face names."""
    from webgemma.architectures.gemma2 import TENSORS

    gguf = shape_checkpoint("gemma2", {}, default="F16")
    theirs = {g.replace("{i}", "0"): hf.replace("{i}", "0") for hf, g in TENSORS.values()}
    tensors = {theirs[name]: tensor for name, tensor in gguf.tensors.items()}
    metadata = {key: value for key, value in {**HF_CONFIG, **changes}.items() if value != "absent"}
    return replace(gguf, format="safetensors", metadata=metadata, tensors=tensors)


def with_key(checkpoint, key, value):
    """The checkpoint with one key of its metadata changed."""
    return replace(checkpoint, metadata={**checkpoint.metadata, key: value})


def message(kind, checkpoint) -> str:
    """The whole message of lowering."""
    with pytest.raises(kind) as error:
        lower(checkpoint)
    return str(error.value)


def survives(checkpoint) -> None:
    """Lowering gives a program that passes the checker, or one of our errors in one line."""
    text = ""
    try:
        lowered = lower(checkpoint)
        check(lowered.program, lowered.shaders)
    except WebGemmaError as error:
        text = str(error)
    assert text.isprintable()


@pytest.mark.parametrize("value", BAD_VALUES, ids=repr)
def test_any_value_of_any_gguf_key(value):
    for family in ("gemma", "gemma2", "gemma3", "llama", "qwen3"):
        checkpoint = shape_checkpoint(family, {})
        for key in checkpoint.metadata:
            survives(with_key(checkpoint, key, value))


@pytest.mark.parametrize("value", BAD_VALUES, ids=repr)
def test_any_value_of_any_hf_key(value):
    for key in HF_CONFIG:
        survives(hf_checkpoint(**{key: value}))


def test_the_good_ones_lower():
    assert lower(hf_checkpoint()).program.num_hidden_layers == 1
    assert lower(shape_checkpoint("gemma2", {})).program.num_hidden_layers == 1


def test_missing_key():
    checkpoint = shape_checkpoint("gemma", {})
    metadata = {k: v for k, v in checkpoint.metadata.items() if k != "gemma.block_count"}
    assert message(FormatError, replace(checkpoint, metadata=metadata)) == (
        "shape.gguf: key 'gemma.block_count': got nothing, expected an integer from 1 to 256. "
        "The configuration is damaged; fetch the model again."
    )


def test_unknown_gguf_key():
    checkpoint = with_key(shape_checkpoint("gemma", {}), "gemma.attention.clamp_kqv", 8.0)
    assert message(UnsupportedError, checkpoint) == (
        "shape.gguf: keys that webgemma does not know for architecture 'gemma': "
        "gemma.attention.clamp_kqv. They could change the mathematics, so the model is not built."
    )


def test_unknown_hf_keys():
    checkpoint = hf_checkpoint(residual_multiplier=2.0, attention_bias=True)
    assert message(UnsupportedError, checkpoint) == (
        "shape.gguf: keys that webgemma does not know for architecture 'gemma2': "
        "attention_bias=True, residual_multiplier. They could change the mathematics, so the "
        "model is not built."
    )


def test_unsupported_activation():
    assert message(UnsupportedError, hf_checkpoint(hidden_activation="relu")) == (
        "shape.gguf: key 'hidden_activation': 'relu' is not supported (have gelu_pytorch_tanh)."
    )


def test_unsupported_rope():
    checkpoint = hf_checkpoint(rope_parameters={"rope_type": "yarn", "factor": 8.0})
    assert message(UnsupportedError, checkpoint) == (
        "shape.gguf: key 'rope_parameters': 'yarn' is not supported (have default, linear, llama3)."
    )


@pytest.mark.parametrize("family", ["gemma", "gemma2", "gemma3", "llama", "qwen3"])
def test_heads_of_which_a_part_turns(family):
    checkpoint = shape_checkpoint(family, {})
    key = f"{family}.rope.dimension_count"
    assert lower(with_key(checkpoint, key, 64)).program.num_hidden_layers == 1
    assert message(UnsupportedError, with_key(checkpoint, key, 32)) == (
        f"shape.gguf: key {key!r}: 32 is not supported (have 64, the whole head)."
    )


def test_unsupported_architecture():
    checkpoint = replace(shape_checkpoint("gemma", {}), architecture="mamba")
    assert message(UnsupportedError, checkpoint) == (
        f"shape.gguf: architecture 'mamba' is not supported (have {', '.join(ARCHITECTURES)})."
    )


def test_missing_tensor():
    checkpoint = shape_checkpoint("gemma", {})
    tensors = {k: v for k, v in checkpoint.tensors.items() if k != "blk.0.attn_k.weight"}
    assert message(FormatError, replace(checkpoint, tensors=tensors)) == (
        "shape.gguf: tensor 'blk.0.attn_k.weight' is missing: got 10 other tensors, expected it "
        "with shape [128, 256]. Check that the file is complete and of this architecture."
    )


def test_wrong_shape():
    checkpoint = with_key(shape_checkpoint("gemma", {}), "gemma.feed_forward_length", 768)
    assert message(FormatError, checkpoint) == (
        "shape.gguf: tensor 'blk.0.ffn_gate.weight': got shape [512, 256], expected [768, 256] by "
        "the model's configuration. The file is damaged or of another architecture."
    )


def test_unknown_tensor():
    checkpoint = shape_checkpoint("gemma", {})
    extra = replace(checkpoint.tensors["output_norm.weight"], name="blk.0.attn_q.bias")
    tensors = {**checkpoint.tensors, extra.name: extra}
    assert message(UnsupportedError, replace(checkpoint, tensors=tensors)) == (
        "shape.gguf: 1 tensors are not part of architecture 'gemma' as webgemma knows it: "
        "'blk.0.attn_q.bias'. Nothing is dropped silently; convert the model without them."
    )


def test_heads_that_do_not_divide():
    checkpoint = with_key(shape_checkpoint("gemma", {}), "gemma.attention.head_count_kv", 3)
    assert message(ConfigError, checkpoint) == (
        "shape.gguf: got 4 attention heads, expected a multiple of 3 (their keys)"
    )


def test_width_no_kernel_takes():
    checkpoint = shape_checkpoint("gemma", {}, default="F16", hidden=260)
    assert message(ConfigError, checkpoint) == (
        "shape.gguf: tensor 'token_embd.weight': in_features is 260, expected a multiple of 32. "
        "Keep this matrix in another type, or pad the model's width."
    )


def test_program_errors_are_ours():
    assert issubclass(ProgramError, WebGemmaError)

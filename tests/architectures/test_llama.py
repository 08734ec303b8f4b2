"""What is Llama's own: untied heads, the order of GGUF's rows, rope scaling, what is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.programs import HEAD_DIM, HIDDEN, VOCAB, ShapeOnly, shape_checkpoint
from webgemma.architectures import lower
from webgemma.architectures.llama import TENSORS
from webgemma.architectures.row_order import HalvesOfPairs
from webgemma.errors import FormatError, UnsupportedError
from webgemma.program.check import check

OUTPUT = {"output.weight": (VOCAB, HIDDEN)}
LLAMA3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}  # fmt: skip
HF_CONFIG = {
    "model_type": "llama", "vocab_size": VOCAB, "hidden_size": HIDDEN, "intermediate_size": 512,
    "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64,
    "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
    "rope_scaling": LLAMA3, "hidden_act": "silu", "tie_word_embeddings": False,
    "attention_bias": False, "mlp_bias": False, "pretraining_tp": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held(ShapeOnly):
    """A tensor that holds its bytes, [rows, row bytes]."""

    data: NDArray[np.uint8]

    def read_rows(self, start: int, stop: int) -> NDArray[np.uint8]:
        """These rows."""
        return self.data[start:stop]


def hf_checkpoint(**changes):
    """The shapes of a Llama checkpoint under Hugging Face names."""
    gguf = shape_checkpoint("llama", {}, default="F16", more=OUTPUT)
    theirs = {g.replace("{i}", "0"): hf.replace("{i}", "0") for hf, g in TENSORS.values()}
    tensors = {theirs[name]: tensor for name, tensor in gguf.tensors.items()}
    return replace(gguf, format="safetensors", metadata=HF_CONFIG | changes, tensors=tensors)


def gguf_checkpoint(**keys):
    """A GGUF checkpoint with an untied head and these keys more; dots are written "__"."""
    checkpoint = shape_checkpoint("llama", {}, more=OUTPUT)
    named = {f"llama.{key.replace('__', '.')}": value for key, value in keys.items()}
    return replace(checkpoint, metadata=checkpoint.metadata | named)


def with_rope_freqs(values: NDArray[np.float32]):
    """A GGUF checkpoint with rope_freqs.weight."""
    checkpoint = gguf_checkpoint()
    raw = values.astype("<f4")[None].view(np.uint8)
    tensor = Held("rope_freqs.weight", "F32", values.shape, raw)
    return replace(checkpoint, tensors=checkpoint.tensors | {tensor.name: tensor})


def factors_of(checkpoint) -> NDArray[np.float64]:
    """Radians per position of every pair in the lowered program."""
    lowered = lower(checkpoint)
    check(lowered.program, lowered.shaders)
    init = lowered.program.buffers["rope"].init
    assert init is not None
    return np.array(init["factors"])


def head_buffers(checkpoint) -> set[str]:
    """The weights that the head of decode binds, without norms."""
    lowered = lower(checkpoint)
    check(lowered.program, lowered.shaders)
    steps = [step for step in lowered.program.phases["decode"] if step.label == "head"]
    return {bound.buffer for step in steps for bound in step.bindings if "@" in bound.buffer}


def plain(theta: float = 10000.0) -> NDArray[np.float64]:
    """Unscaled factors."""
    return theta ** (-2.0 * np.arange(HEAD_DIM // 2) / HEAD_DIM)


def message(kind, checkpoint) -> str:
    """The whole message of lowering."""
    with pytest.raises(kind) as error:
        lower(checkpoint)
    return str(error.value)


def test_head_tied_and_untied():
    assert head_buffers(gguf_checkpoint()) == {"lm_head@0"}
    assert head_buffers(shape_checkpoint("llama", {})) == {"model.embed_tokens@0"}
    assert head_buffers(hf_checkpoint()) == {"lm_head@0"}
    assert head_buffers(hf_checkpoint(tie_word_embeddings=True)) == {"model.embed_tokens@0"}


def test_untied_head_that_is_missing():
    checkpoint = hf_checkpoint()
    tensors = {k: v for k, v in checkpoint.tensors.items() if k != "lm_head.weight"}
    assert message(FormatError, replace(checkpoint, tensors=tensors)) == (
        "shape.gguf: tensor 'lm_head.weight' is missing: got 11 other tensors, expected it with "
        "shape [320, 256]. Check that the file is complete and of this architecture."
    )


def test_rows_of_gguf_are_put_back():
    """Against the converter's permutation, as a formula over the rows' numbers."""
    heads, head_dim = 3, 8
    ours = np.arange(heads * head_dim)
    theirs = ours.reshape(heads, 2, head_dim // 2).swapaxes(1, 2).reshape(-1)
    data = np.repeat(theirs.astype(np.uint8)[:, None], 5, axis=1)
    tensor = HalvesOfPairs(Held("q", "F16", data.shape, data), head_dim)
    assert (tensor.name, tensor.type, tensor.shape) == ("q", "F16", data.shape)
    for start in range(heads * head_dim):
        for stop in range(start + 1, heads * head_dim + 1):
            got = tensor.read_rows(start, stop)
            np.testing.assert_array_equal(got, np.repeat(ours[start:stop, None], 5, axis=1))


def test_rope_freqs_divide():
    divisors = np.linspace(1, 32, HEAD_DIM // 2).astype(np.float32)
    np.testing.assert_allclose(factors_of(with_rope_freqs(divisors)), plain() / divisors)


def test_rope_freqs_that_are_no_divisors():
    for value in (0.0, -1.0, np.nan, np.inf):
        values = np.full(HEAD_DIM // 2, value, np.float32)
        assert message(FormatError, with_rope_freqs(values)) == (
            "shape.gguf: tensor 'rope_freqs.weight': got values that are no positive numbers, "
            "expected divisors of frequencies. The file is damaged; fetch it again."
        )


def test_linear_scaling():
    keys = {"rope__scaling__type": "linear", "rope__scaling__factor": 4.0}
    np.testing.assert_allclose(factors_of(gguf_checkpoint(**keys)), plain() / 4)
    np.testing.assert_allclose(factors_of(gguf_checkpoint(rope__scaling__factor=4.0)), plain() / 4)
    keys["rope__scaling__type"] = "none"
    np.testing.assert_allclose(factors_of(gguf_checkpoint(**keys)), plain())
    linear = {"type": "linear", "factor": 4.0}
    np.testing.assert_allclose(factors_of(hf_checkpoint(rope_scaling=linear)), plain(500000.0) / 4)


def test_llama3_scaling():
    """Waves shorter than 8192 / 4 stay, waves longer than 8192 are stretched by 8."""
    factors, unscaled = factors_of(hf_checkpoint()), plain(500000.0)
    waves = 2 * np.pi / unscaled
    short, long = waves < 8192 / 4, waves > 8192
    assert short.any()
    assert long.any()
    assert (~short & ~long).any()
    np.testing.assert_allclose(factors[short], unscaled[short])
    np.testing.assert_allclose(factors[long], unscaled[long] / 8)
    between = (factors / unscaled)[~short & ~long]
    assert ((between > 1 / 8) & (between < 1)).all()
    moved = {"rope_scaling": None, "rope_parameters": LLAMA3 | {"rope_theta": 500000.0}}
    np.testing.assert_array_equal(factors_of(hf_checkpoint(**moved)), factors)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"rope_scaling": {"type": "dynamic"}}, "'dynamic' is not supported (have default, linear, "
         "llama3)."),
        ({"rope_scaling": LLAMA3 | {"attention_factor": 1.0}}, "'attention_factor' is not "
         "supported (have rope_theta)."),
    ],
)  # fmt: skip
def test_unsupported_rope(changes, text):
    expected = f"shape.gguf: key 'rope_scaling': {text}"
    assert message(UnsupportedError, hf_checkpoint(**changes)) == expected


def test_rope_number_that_is_missing():
    scaling = {k: v for k, v in LLAMA3.items() if k != "low_freq_factor"}
    assert message(FormatError, hf_checkpoint(rope_scaling=scaling)) == (
        "shape.gguf: key 'rope_scaling': got {'rope_type': 'llama3', 'factor': 8.0, "
        "'high_freq_factor': 4, expected a low_freq_factor that is a positive number. The "
        "configuration is damaged; fetch the model again."
    )


def test_gguf_scaling_of_another_kind():
    assert message(UnsupportedError, gguf_checkpoint(rope__scaling__type="yarn")) == (
        "shape.gguf: key 'llama.rope.scaling.type': 'yarn' is not supported (have none, linear)."
    )


@pytest.mark.parametrize("name", ["attention_bias", "mlp_bias"])
def test_biases_are_refused(name):
    assert message(UnsupportedError, hf_checkpoint(**{name: True})) == (
        f"shape.gguf: keys that webgemma does not know for architecture 'llama': {name}=True. "
        "They could change the mathematics, so the model is not built."
    )


def test_old_checkpoints_may_hold_frequencies():
    checkpoint = hf_checkpoint()
    name = "model.layers.0.self_attn.rotary_emb.inv_freq"
    extra = ShapeOnly(name, "F32", (HEAD_DIM // 2,))
    lowered = lower(replace(checkpoint, tensors=checkpoint.tensors | {name: extra}))
    assert lowered.program.num_hidden_layers == 1


def test_floats_of_a_7b_fit_the_limits():
    """Stacked q, k and v would be 100 MB, down_proj is 90 MB in F16 and 180 MB in F32."""
    shape = {"hidden": 4096, "intermediate": 11008, "heads": (32, 32, 128)}
    for default, most in (("F16", 9), ("F32", 12)):
        lowered = lower(shape_checkpoint("llama", {}, default=default, **shape))
        report = check(lowered.program, lowered.shaders)
        assert report.dispatches_per_layer["decode"] <= most


def test_a_long_context_is_cut_to_what_a_binding_holds():
    """Llama 3.1's 131,072 tokens of 8 heads of 128 would be 512 MiB of keys in a layer."""
    checkpoint = shape_checkpoint("llama", {}, heads=(8, 8, 128))
    metadata = checkpoint.metadata | {"llama.context_length": 131072}
    lowered = lower(replace(checkpoint, metadata=metadata))
    check(lowered.program, lowered.shaders)
    assert lowered.program.max_context_window_size == 32768

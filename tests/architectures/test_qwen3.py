"""What is Qwen 3's own: no sliding windows, and a byte-level vocabulary through a whole build."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.byte_level import family_document, gguf_keys
from tests.support.make_gguf import write_gguf
from tests.support.programs import HEAD_DIM, HIDDEN, VOCAB, shape_checkpoint
from webgemma.architectures import lower
from webgemma.architectures.qwen3 import TENSORS
from webgemma.build import build_site
from webgemma.errors import UnsupportedError
from webgemma.program.check import check
from webgemma.runtime.session import open_session

HF_CONFIG = {
    "model_type": "qwen3", "vocab_size": VOCAB, "hidden_size": HIDDEN, "intermediate_size": 512,
    "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": HEAD_DIM, "max_position_embeddings": 512, "rms_norm_eps": 1e-6,
    "rope_theta": 1000000, "rope_scaling": None, "hidden_act": "silu", "attention_bias": False,
    "tie_word_embeddings": True, "sliding_window": None, "use_sliding_window": False,
    "max_window_layers": 28,
}  # fmt: skip


def hf_checkpoint(**changes):
    """The shapes of a checkpoint with the keys of a published config.json."""
    gguf = shape_checkpoint("qwen3", {}, default="F16")
    theirs = {g.replace("{i}", "0"): hf.replace("{i}", "0") for hf, g in TENSORS.values()}
    tensors = {theirs[name]: tensor for name, tensor in gguf.tensors.items()}
    return replace(gguf, format="safetensors", metadata=HF_CONFIG | changes, tensors=tensors)


def test_a_published_configuration():
    lowered = lower(hf_checkpoint())
    check(lowered.program, lowered.shaders)
    assert lowered.program.architecture == "qwen3"
    factors = lowered.program.buffers["rope"].init["factors"]
    np.testing.assert_allclose(factors, 1e6 ** (-2.0 * np.arange(HEAD_DIM // 2) / HEAD_DIM))


def test_sliding_windows_are_refused():
    with pytest.raises(UnsupportedError) as error:
        lower(hf_checkpoint(use_sliding_window=True, sliding_window=64))
    assert str(error.value) == (
        "shape.gguf: keys that webgemma does not know for architecture 'qwen3': "
        "use_sliding_window=True. They could change the mathematics, so the model is not built."
    )


@pytest.mark.gpu
def test_a_gguf_file_with_its_vocabulary(tmp_path):
    """Build, encode and generate: what comes out decodes, and no BOS comes first."""
    keys = gguf_keys(family_document("qwen2"), "qwen2") | {"tokenizer.ggml.eos_token_id": 2002}
    shapes = shape_checkpoint("qwen3", {}, vocab=len(keys["tokenizer.ggml.tokens"]))
    rng = np.random.default_rng(0)
    tensors = {
        name: (rng.standard_normal(t.shape) / t.shape[-1] ** 0.5).astype(np.float32)
        for name, t in shapes.tensors.items()
    }
    path = write_gguf(tmp_path / "qwen.gguf", "qwen3", shapes.metadata | keys, tensors)
    build_site(path, tmp_path / "site", name="Qwen")
    text = "don't 1234 né 中文"
    with open_session(tmp_path / "site", variant="f32") as session:
        ids = session.encode_text(text)
        assert session.tokenizer.decode(ids) == text
        assert ids == session.tokenizer.encode(text)
        generation = session.generate(text, max_tokens=5, temperature=0)
        assert "".join(generation) == session.tokenizer.decode(generation.tokens)
        assert generation.tokens[0] == session.logits(ids)[-1].argmax()

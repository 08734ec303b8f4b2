"""The build as a whole: what it reports, what the options do, what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tests.support.seeing_folder import write_seeing
from webgemma import build_site
from webgemma.build.manifest import generation
from webgemma.build.opened import slug
from webgemma.errors import ConfigError, FormatError
from webgemma.layout import find_model, read_manifest
from webgemma.runtime.shards import open_site_model
from webgemma.sources import open_checkpoint
from webgemma.storage.quantize import QUANTIZERS
from webgemma.storage.registry import STORAGE_TYPES
from webgemma.tokenizer import Tokenizer, make_tokenizer_json, special_tokens


def message(kind, call) -> str:
    """The whole message of an expected error."""
    with pytest.raises(kind) as error:
        call()
    return str(error.value)


def test_report_and_manifest(fixtures, tmp_path):
    stages = {}
    report = build_site(
        fixtures / "gemma2-Q4_K.gguf",
        tmp_path / "site",
        progress=lambda stage, done, total: stages.__setitem__(stage, (done, total)),
    )
    (model,) = report.models
    assert model.storage.keys() == {"q4_k", "q6_k"}
    assert model.program["dispatches_per_layer"]["decode"] == 8
    assert model.num_shards == 1
    assert all(done == total for done, total in stages.values()), stages
    assert stages.keys() == {"reading", "packing", "hashing"}
    manifest = json.loads((tmp_path / "site/models" / model.id / "webgemma.json").read_text())
    assert manifest["vocab_size"] == 1024
    assert manifest["context"] == {"default": 512, "max": 512}
    assert set(manifest["files"]) >= {"program.json", "tokenizer.json"}
    assert model.weights_nbytes <= 1.03 * model.source_nbytes


def test_every_tensor_arrives(fixtures, tmp_path):
    """The records of the tensor cache decode to the file's own values, row by row."""
    from gguf import GGUFReader
    from gguf.quants import dequantize

    path = fixtures / "gemma2-Q4_K.gguf"
    build_site(path, tmp_path / "site")
    model = open_site_model(tmp_path / "site")
    records = dict(record for shard in model.shards() for record in shard)
    theirs = {t.name: dequantize(t.data, t.tensor_type) for t in GGUFReader(path).tensors}
    storage = STORAGE_TYPES["q4_k"]
    names = {
        "self_attn.qkv_proj": ("attn_q", "attn_k", "attn_v"),
        "mlp.gate_up_proj": ("ffn_gate", "ffn_up"),
        "self_attn.o_proj": ("attn_output",),
        "mlp.down_proj": ("ffn_down",),
    }
    for layer in range(3):
        for ours, parts in names.items():
            expected = np.concatenate([theirs[f"blk.{layer}.{p}.weight"] for p in parts])
            rows, columns = expected.shape
            planes = [
                records[f"model.layers.{layer}.{ours}.{plane.name}"].reshape(rows, -1)
                for plane in storage.planes(columns)
            ]
            np.testing.assert_array_equal(storage.decode(planes, columns), expected)
    norm = records["model.norm.weight"].view(np.float32)
    np.testing.assert_array_equal(norm, theirs["output_norm.weight"])


def test_refusals(fixtures, tmp_path):
    path = fixtures / "gemma2-Q4_K.gguf"
    site = tmp_path / "site"
    assert message(ConfigError, lambda: build_site(path, site, quantization="q2")) == (
        "--quantization: got 'q2', expected keep, " + ", ".join(QUANTIZERS) + "."
    )
    assert message(ConfigError, lambda: build_site(path, site, embedding_quantization="q2")) == (
        "--embedding-quantization: got 'q2', expected keep, " + ", ".join(QUANTIZERS) + "."
    )
    assert message(ConfigError, lambda: build_site(path, site, context_window_size=9000)) == (
        "--context-window-size: got 9000, expected 1 to 512 (the model's maximum)."
    )
    missing = tmp_path / "none.gguf"
    assert str(missing) in message(ConfigError, lambda: build_site(missing, site))
    assert not site.exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.references
def test_vocabulary_of_another_model(fixtures, tmp_path):
    import torch
    from transformers import GemmaConfig, GemmaForCausalLM

    torch.manual_seed(0)
    config = GemmaConfig(
        vocab_size=1300, hidden_size=64, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, head_dim=32, max_position_embeddings=64,
    )  # fmt: skip
    folder = tmp_path / "model"
    GemmaForCausalLM(config).save_pretrained(folder)
    shutil.copy(fixtures / "tokenizer.model", folder)
    assert message(FormatError, lambda: build_site(folder, tmp_path / "site")) == (
        f"{folder}: got a vocabulary of 700 tokens, expected 1,300 as the embedding has rows (or "
        "up to 512 fewer). The tokenizer belongs to another model."
    )
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Gemma 2 2B it", "gemma-2-2b-it"),
        ("…", "model"),
        ("../../etc", "etc"),
        ("x" * 99, "x" * 64),
    ],
)
def test_slug(name, expected):
    assert slug(name) == expected


def test_the_models_own_sampling_is_in_the_manifest(tmp_path, fixtures):
    """What cannot be an option's value is left out, so that no request fails for it."""
    config = {"temperature": 0.7, "top_p": 0.95, "top_k": 64, "repetition_penalty": 0, "min_p": "x"}
    checkpoint = replace(open_checkpoint(fixtures / "gemma2-Q4_K.gguf"), generation_config=config)
    tokenizer = Tokenizer.from_json(make_tokenizer_json(checkpoint.tokenizer))
    special = special_tokens(checkpoint, tokenizer)
    own = {"temperature": 0.7, "top_p": 0.95, "top_k": 64}
    assert generation(checkpoint, special).items() >= own.items()
    greedy = replace(checkpoint, generation_config={**config, "do_sample": False})
    settings = generation(greedy, special)
    assert settings["temperature"] == 0
    assert not {"min_p", "repetition_penalty"} & set(settings)


def test_a_model_that_sees_is_not_drawn_by_lot(tmp_path, fixtures):
    folder = write_seeing(tmp_path / "model", fixtures / "tokenizer.model")
    for own, expected in (({}, 0), ({"temperature": 0.5}, 0.5)):
        (folder / "generation_config.json").write_text(json.dumps(own))
        build_site(folder, tmp_path / "site", force=True)
        manifest = read_manifest(find_model(tmp_path / "site"))
        assert manifest["generation"]["temperature"] == expected

"""Converting: what is written holds the codes that a build makes, and leads to the same site."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.tiny_folder import layers_of, tiny_weights, write_tiny, write_tiny_gguf
from webgemma import build_site, open_session
from webgemma.architectures import lower
from webgemma.architectures.weights import Quantization
from webgemma.chat import chat_data
from webgemma.checkpoint import Checkpoint
from webgemma.errors import ConfigError, FormatError, UnsupportedError
from webgemma.mlc import convert_to_mlc
from webgemma.mlc.schemes import SCHEMES
from webgemma.pack import pack
from webgemma.sources import open_checkpoint
from webgemma.sources.mlc_cache import read_cache
from webgemma.sources.mlc_config import QUANTIZATIONS
from webgemma.tokenizer import Tokenizer, make_tokenizer_json, special_tokens

FAMILIES = ("gemma", "gemma2", "gemma3_text", "llama")
BUILD_OPTIONS = {
    # MLC's name -> what `build` needs to make the same of floats
    "q0f16": ("f16", None),
    "q0f32": ("bf16", None),
    "q3f16_0": ("q3f16_1", None),
    "q3f16_1": ("q3f16_1", None),
    "q4f16_0": ("q4f16_1", None),
    "q4f16_1": ("q4f16_1", None),
    "q4f16_2": ("q4f16_1", "f16"),
    "q4f32_1": ("q4f32_1", None),
}
TOKENS = list(range(3, 43))
PEBBLE = Path(__file__).parents[2] / "models" / "pebble" / "checkpoint"


@pytest.fixture(scope="module", params=FAMILIES)
def source(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, fixtures: Path
) -> Path:
    """A tiny Hugging Face folder."""
    folder = tmp_path_factory.mktemp(request.param) / "model"
    return write_tiny(folder, request.param, fixtures / "tokenizer.model")


def stored(source: Path, layers: str, embedding: str | None) -> tuple[dict[str, bytes], Any]:
    """(every record of a site's weights, its program), without the site around them."""
    lowered = lower(open_checkpoint(source), quantization=Quantization(layers, embedding or layers))
    files: dict[str, bytes] = {}

    @contextmanager
    def open_file(name: str) -> Iterator[BytesIO]:
        buffer = BytesIO()
        yield buffer
        files[name] = buffer.getvalue()

    plan = pack(lowered.sources, open_file, lambda nbytes: None)
    records = {}
    for shard in plan.shards:
        for record in shard["records"]:
            start = record["byteOffset"]
            data = files[shard["dataPath"]][start : start + record["nbytes"]]
            records[record["name"]] = data
    return records, lowered.program.to_json()


@pytest.mark.parametrize("quantization", SCHEMES)
def test_round_trip(source: Path, quantization: str, tmp_path: Path) -> None:
    """Stored from floats, or converted and stored from that: the same records and program."""
    expected, program = stored(source, *BUILD_OPTIONS[quantization])
    convert_to_mlc(source, tmp_path / "mlc", quantization=quantization)
    got, program_of_mlc = stored(tmp_path / "mlc", "keep", None)
    assert got.keys() == expected.keys()
    assert [name for name, data in expected.items() if got[name] != data] == []
    assert program_of_mlc == program


@pytest.mark.gpu
def test_the_same_logits(source: Path, tmp_path: Path) -> None:
    """Natively, from floats and from the layout whose rows are turned back."""
    build_site(source, tmp_path / "a", quantization="q4f16_1")
    convert_to_mlc(source, tmp_path / "mlc", quantization="q4f16_0")
    build_site(tmp_path / "mlc", tmp_path / "b")
    logits = []
    for site in ("a", "b"):
        with open_session(tmp_path / site, variant="f32") as session:
            logits.append(session.logits(TOKENS))
    assert np.isfinite(logits[0]).all()
    assert logits[0].std() > 0.01
    np.testing.assert_array_equal(logits[0], logits[1])


def test_every_quantization_that_is_written_is_read() -> None:
    assert SCHEMES.keys() == QUANTIZATIONS.keys() == BUILD_OPTIONS.keys()


def test_names_and_order(source: Path, tmp_path: Path) -> None:
    """MLC's parameters: matrices of a layer, then its norms; the head, if there is one, last."""
    report = convert_to_mlc(source, tmp_path / "mlc")
    cache = read_cache(tmp_path / "mlc" / "tensor-cache.json")
    family = open_checkpoint(source).architecture
    norms = ["input_layernorm", "post_attention_layernorm"]
    if family != "gemma" and family != "llama":
        norms += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
    matrices = ["self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj"]
    prefix = ""
    if family == "gemma3_text":
        prefix = "language_model."
        matrices[:1] = [f"self_attn.{name}_proj" for name in "qkv"]
        norms[1:1] = ["self_attn.q_norm", "self_attn.k_norm"]
    pair = ("q_weight", "q_scale")
    expected = [f"{prefix}model.embed_tokens.{part}" for part in pair]
    for i in range(layers_of(family)):
        layer = f"{prefix}model.layers.{i}"
        expected += [f"{layer}.{matrix}.{part}" for matrix in matrices for part in pair]
        expected += [f"{layer}.{norm}.weight" for norm in norms]
    expected.append(f"{prefix}model.norm.weight")
    if family == "llama":
        expected += [f"lm_head.{part}" for part in pair]
    assert list(cache.tensors) == expected
    weights = tiny_weights(family)
    assert report.num_parameters == sum(tensor.size for tensor in weights.values())
    metadata = json.loads((tmp_path / "mlc" / "ndarray-cache.json").read_text())["metadata"]
    nbytes = sum(tensor.nbytes for tensor in cache.tensors.values())
    assert metadata["ParamSize"] == len(expected) == report.num_tensors
    assert metadata["ParamBytes"] == nbytes == report.weights_nbytes
    assert metadata["BitsPerParam"] == nbytes * 8 / report.num_parameters


def cache_of(source: Path, out: Path) -> dict[str, Any]:
    """The table of contents, MD5 sums and all, of a source converted to q4f16_1."""
    convert_to_mlc(source, out)
    return json.loads((out / "tensor-cache.json").read_text())


@pytest.mark.parametrize("family", ["gemma", "gemma2", "llama"])
def test_gguf_gives_the_same_weights(family: str, tmp_path: Path, fixtures: Path) -> None:
    """Gemma's norms hold the 1 there, and the query and key rows of Llama are permuted."""
    folder = write_tiny(tmp_path / "hf", family, fixtures / "tokenizer.model")
    gguf = write_tiny_gguf(tmp_path / "model.gguf", family)
    assert cache_of(gguf, tmp_path / "b") == cache_of(folder, tmp_path / "a")


def test_gemma_3_with_a_vision_tower_gives_the_same_weights(tmp_path: Path, fixtures: Path) -> None:
    from safetensors.numpy import save_file

    plain = write_tiny(tmp_path / "text", "gemma3_text", fixtures / "tokenizer.model")
    seeing = write_tiny(tmp_path / "both", "gemma3_text", fixtures / "tokenizer.model")
    text = json.loads((plain / "config.json").read_text())
    config = {"model_type": "gemma3", "text_config": text, "vision_config": {}}
    (seeing / "config.json").write_text(json.dumps(config))
    tensors = {f"language_model.{n}": t for n, t in tiny_weights("gemma3_text").items()}
    tensors["vision_tower.patch"] = np.zeros((4, 4), np.float32)
    save_file(tensors, seeing / "model.safetensors")
    assert cache_of(seeing, tmp_path / "b") == cache_of(plain, tmp_path / "a")


def test_norms_of_gemma_are_gains(tmp_path: Path, fixtures: Path) -> None:
    """MLC adds the 1 that Hugging Face leaves out; GGUF holds it already."""
    folder = write_tiny(tmp_path / "hf", "gemma", fixtures / "tokenizer.model")
    convert_to_mlc(folder, tmp_path / "a", quantization="q0f16")
    got = read_cache(tmp_path / "a" / "tensor-cache.json").tensors["model.norm.weight"]
    gain = tiny_weights("gemma")["model.norm.weight"] + 1
    np.testing.assert_array_equal(got.read_rows(0, 1).view(np.float16)[0], gain.astype(np.float16))
    gguf = open_checkpoint(fixtures / "gemma2-F16.gguf")
    convert_to_mlc(fixtures / "gemma2-F16.gguf", tmp_path / "b", quantization="q0f32")
    got = read_cache(tmp_path / "b" / "tensor-cache.json").tensors["model.norm.weight"]
    expected = gguf.tensors["output_norm.weight"].read_rows(0, 1).view(np.float32)[0]
    widened = (got.read_rows(0, 1).view(np.uint16)[0].astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_allclose(widened, expected, rtol=2**-8)


def test_transposed_layout(tmp_path: Path, fixtures: Path) -> None:
    """q4f16_0 is q4f16_1 with codes and scales of linear layers, not the embedding, transposed."""
    folder = write_tiny(tmp_path / "hf", "gemma", fixtures / "tokenizer.model")
    tensors = []
    for name in ("q4f16_1", "q4f16_0"):
        convert_to_mlc(folder, tmp_path / name, quantization=name)
        tensors.append(read_cache(tmp_path / name / "tensor-cache.json").tensors)
    for name, straight in tensors[0].items():
        turned = tensors[1][name]
        dtype = {"U32": np.uint32, "F16": np.uint16}[straight.type]
        arrays = [t.read_rows(0, t.num_rows).view(dtype) for t in (straight, turned)]
        is_turned = "_proj." in name
        expected = arrays[0].T if is_turned else arrays[0]
        assert turned.shape == (straight.shape[::-1] if is_turned else straight.shape)
        np.testing.assert_array_equal(arrays[1], expected, err_msg=name)


def test_from_quantized_gguf(fixtures: Path, tmp_path: Path) -> None:
    """Types of GGML are decoded first; the report warns of it."""
    report = convert_to_mlc(fixtures / "gemma-Q4_1.gguf", tmp_path / "mlc")
    [warning] = report.warnings
    assert warning.endswith(
        "what is written holds their error too. Convert from F16 or BF16 weights if there are any."
    )
    assert " of Q4_1" in warning
    source = open_checkpoint(fixtures / "gemma-Q4_1.gguf")
    tensor = source.tensors["blk.0.attn_output.weight"]
    from webgemma.mlc.encode import decode
    from webgemma.storage.mlc import Q4F16_1

    weights = decode(tensor, tensor.read_rows(0, tensor.shape[0]))
    expected = np.hstack(Q4F16_1.quantize(weights))
    got = open_checkpoint(tmp_path / "mlc").tensors["model.layers.0.self_attn.o_proj.weight"]
    np.testing.assert_array_equal(got.read_rows(0, tensor.shape[0]), expected)


def test_configuration(tmp_path: Path, fixtures: Path) -> None:
    """Every field of MLC's, in its order; Gemma's conversation under MLC's name for it."""
    folder = write_tiny(tmp_path / "hf", "gemma2", fixtures / "tokenizer.model")
    (folder / "generation_config.json").write_text('{"temperature": 0.5, "top_p": 0.9}')
    convert_to_mlc(folder, tmp_path / "mlc", chat_template="gemma")
    config = json.loads((tmp_path / "mlc" / "mlc-chat-config.json").read_text())
    assert list(config) == [
        "version", "model_type", "quantization", "model_config", "vocab_size", "active_vocab_size",
        "context_window_size", "sliding_window_size", "prefill_chunk_size", "attention_sink_size",
        "tensor_parallel_shards", "pipeline_parallel_stages", "temperature", "presence_penalty",
        "frequency_penalty", "repetition_penalty", "top_p", "tokenizer_files", "tokenizer_info",
        "conv_template", "pad_token_id", "bos_token_id", "eos_token_id", "model_task",
        "embedding_metadata",
    ]  # fmt: skip
    assert (config["temperature"], config["top_p"]) == (0.5, 0.9)
    assert config["context_window_size"] == 32  # MLC's Gemma 2 has no local attention
    assert config["model_config"]["max_position_embeddings"] == 256
    assert config["model_config"]["query_pre_attn_scalar"] == 20
    assert config["tokenizer_files"] == ["tokenizer.model", "tokenizer.json"]
    assert config["tokenizer_info"] == {
        "token_postproc_method": "byte_fallback", "prepend_space_in_encode": False,
        "strip_space_in_decode": False,
    }  # fmt: skip
    conversation = config["conv_template"]
    assert conversation["name"] == "gemma_instruction"
    assert conversation["roles"]["assistant"] == "<start_of_turn>model"
    assert conversation["seps"] == ["<end_of_turn>\n"]
    assert conversation["system_prefix_token_ids"] == [2]
    assert conversation["stop_token_ids"] == config["eos_token_id"]


def test_the_conversation_comes_back(tmp_path: Path) -> None:
    """By the template in tokenizer_config.json; without it by conv_template, which never trims."""
    source = open_checkpoint(PEBBLE)
    convert_to_mlc(PEBBLE, tmp_path / "mlc")
    expected = chat_of(source)
    assert chat_of(open_checkpoint(tmp_path / "mlc")) == expected
    (tmp_path / "mlc" / "tokenizer_config.json").unlink()
    bare = open_checkpoint(tmp_path / "mlc")
    roles = {name: {**role, "trim": False} for name, role in expected["roles"].items()}
    assert chat_of(bare) == {**expected, "roles": roles}
    assert bare.generation_config["temperature"] == 0.0  # do_sample is false


def chat_of(checkpoint: Checkpoint) -> Any:
    """The conversation as data."""
    tokenizer = Tokenizer.from_json(make_tokenizer_json(checkpoint.tokenizer))
    special = special_tokens(checkpoint, tokenizer)
    return chat_data(checkpoint.chat_template, tokenizer, special=special)


def test_llama_3_s_rotary_scaling(tmp_path: Path, fixtures: Path) -> None:
    scaling = {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }  # fmt: skip
    folder = write_tiny(
        tmp_path / "hf", "llama", fixtures / "tokenizer.model", rope_scaling=scaling
    )
    convert_to_mlc(folder, tmp_path / "mlc")
    config = json.loads((tmp_path / "mlc" / "mlc-chat-config.json").read_text())
    assert config["model_config"]["rope_scaling"] == scaling
    linear = {"rope_type": "linear", "factor": 2.0}
    folder = write_tiny(tmp_path / "l", "llama", fixtures / "tokenizer.model", rope_scaling=linear)
    with pytest.raises(UnsupportedError) as caught:
        convert_to_mlc(folder, tmp_path / "no")
    assert str(caught.value) == (
        f"{folder}: rotary scaling 'linear' is not supported by MLC's Llama (have llama3). Build a "
        "site from the model instead."
    )
    assert not (tmp_path / "no").exists()


def test_a_weight_that_half_cannot_hold(tmp_path: Path, fixtures: Path) -> None:
    from safetensors.numpy import save_file

    folder = write_tiny(tmp_path / "hf", "gemma", fixtures / "tokenizer.model")
    weights = tiny_weights("gemma")
    weights["model.layers.1.mlp.up_proj.weight"][3, 5] = 1e5
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ConfigError) as caught:
        convert_to_mlc(folder, tmp_path / "mlc")
    assert str(caught.value) == (
        f"{folder / 'model.safetensors'}: tensor 'model.layers.1.mlp.up_proj.weight': got weights "
        "that are not finite as float16, expected finite ones for q4f16_1. Choose q4f32_1 or "
        "q0f32, or fetch the model again."
    )
    assert [path.name for path in tmp_path.iterdir()] == ["hf"]
    convert_to_mlc(folder, tmp_path / "mlc", quantization="q4f32_1")


def test_what_may_be_replaced(tmp_path: Path, fixtures: Path) -> None:
    source, out = fixtures / "gemma2-F16.gguf", tmp_path / "mlc"
    convert_to_mlc(source, out)
    before = (out / "tensor-cache.json").read_bytes()
    with pytest.raises(ConfigError) as caught:
        convert_to_mlc(source, out, quantization="q0f16")
    assert str(caught.value) == (
        f"{out}: got MLC weights that are there already. Replace them with --force or choose "
        "another -o."
    )
    assert (out / "tensor-cache.json").read_bytes() == before
    convert_to_mlc(source, out, quantization="q0f16", force=True)
    assert (out / "tensor-cache.json").read_bytes() != before
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError) as caught:
        convert_to_mlc(source, out, force=True)
    assert str(caught.value) == (
        f"{out}: got 'notes.txt' in a folder that is not empty, expected MLC weights and nothing "
        "else, or no folder. Choose another -o."
    )
    assert [path.name for path in tmp_path.iterdir()] == ["mlc"]


def test_unknown_quantization(fixtures: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        convert_to_mlc(fixtures / "gemma2-F16.gguf", tmp_path / "x", quantization="q8f16_1")
    assert str(caught.value) == (
        "--quantization: got 'q8f16_1', expected one of q0f16, q0f32, q3f16_0, q3f16_1, q4f16_0, "
        "q4f16_1, q4f16_2, q4f32_1."
    )


def test_a_damaged_shard_is_found_when_a_site_is_built(tmp_path: Path, fixtures: Path) -> None:
    """The cache lists MD5 sums; build reads every byte for its own hashes anyway."""
    convert_to_mlc(fixtures / "gemma2-F16.gguf", tmp_path / "mlc")
    shard = tmp_path / "mlc" / "params_shard_0.bin"
    data = bytearray(shard.read_bytes())
    data[1000] ^= 1
    shard.write_bytes(data)
    with pytest.raises(FormatError, match=r"got a file with MD5 .* as listed beside it"):
        build_site(tmp_path / "mlc", tmp_path / "site")
    assert not (tmp_path / "site").exists()

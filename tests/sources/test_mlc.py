"""MLC folders: every quantization under Hugging Face's names, and each way to be broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.mlc_folder import (
    CHAT_CONFIG,
    GROUPED,
    MODEL_CONFIG,
    as_floats,
    mlc_weights,
    stored,
    write_mlc,
)
from webgemma.errors import ConfigError, FormatError, UnsupportedError, WebGemmaError
from webgemma.sources import open_checkpoint
from webgemma.sources.mlc_cache import CACHE_NAMES
from webgemma.sources.mlc_config import QUANTIZATIONS
from webgemma.sources.mlc_tensor import GroupTensor
from webgemma.sources.tensor import FileTensor

LAYER = "model.layers.0"
AGAIN = "The file is damaged or incomplete; fetch it again."
PARTS = {
    # Hugging Face's name -> (MLC's module, first row, end)
    "model.embed_tokens": ("model.embed_tokens", 0, 700),
    f"{LAYER}.self_attn.q_proj": (f"{LAYER}.self_attn.qkv_proj", 0, 96),
    f"{LAYER}.self_attn.k_proj": (f"{LAYER}.self_attn.qkv_proj", 96, 144),
    f"{LAYER}.self_attn.v_proj": (f"{LAYER}.self_attn.qkv_proj", 144, 192),
    f"{LAYER}.self_attn.o_proj": (f"{LAYER}.self_attn.o_proj", 0, 64),
    f"{LAYER}.mlp.gate_proj": (f"{LAYER}.mlp.gate_up_proj", 0, 96),
    f"{LAYER}.mlp.up_proj": (f"{LAYER}.mlp.gate_up_proj", 96, 192),
    f"{LAYER}.mlp.down_proj": (f"{LAYER}.mlp.down_proj", 0, 64),
}
NORMS = (f"{LAYER}.input_layernorm", f"{LAYER}.post_attention_layernorm", "model.norm")


def complete(folder: Path, fixtures: Path) -> Path:
    """Put a tokenizer beside the weights."""
    (folder / "tokenizer.model").write_bytes((fixtures / "tokenizer.model").read_bytes())
    return folder


@pytest.fixture
def folder(tmp_path: Path, fixtures: Path) -> Path:
    """A valid q4f16_1 folder."""
    return complete(
        write_mlc(tmp_path / "m", stored(mlc_weights(), "q4f16_1"), "q4f16_1"), fixtures
    )


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
@pytest.mark.parametrize("prefix", ["", "language_model."])
def test_every_tensor(quantization: str, prefix: str, tmp_path: Path, fixtures: Path) -> None:
    """Names, shapes, types and all bytes, in one read and a few rows at a time."""
    weights = mlc_weights()
    records = stored(weights, quantization)
    named = {prefix + name: record for name, record in records.items()}
    tensors = open_checkpoint(
        complete(write_mlc(tmp_path / "m", named, quantization), fixtures)
    ).tensors
    assert set(tensors) == {f"{name}.weight" for name in (*PARTS, *NORMS)}
    storage = GROUPED.get(quantization.partition("_")[0])
    for name, (module, start, stop) in PARTS.items():
        tensor = tensors[f"{name}.weight"]
        assert tensor.name == f"{name}.weight"
        assert tensor.shape == (stop - start, weights[module].shape[1])
        rows = tensor.read_rows(0, stop - start)
        few = np.concatenate([tensor.read_rows(0, 5), tensor.read_rows(5, stop - start)])
        np.testing.assert_array_equal(rows, few)
        if f"{module}.weight" in records:
            _, array = records[f"{module}.weight"]
            expected = array[start:stop].view(np.uint8)
            assert tensor.type == ("F16" if "f16" in quantization else "BF16")
        else:
            assert storage is not None
            expected = np.hstack(storage.quantize(weights[module]))[start:stop]
            assert tensor.type == storage.name.upper()
        np.testing.assert_array_equal(rows, expected)
        assert tensor.nbytes == rows.nbytes
    for name in NORMS:
        tensor = tensors[f"{name}.weight"]
        dtype, array = records[f"{name}.weight"]
        got = as_floats(dtype, tensor.read_rows(0, 1).view(array.dtype)[0])
        np.testing.assert_array_equal(got, as_floats(dtype, array))


@pytest.mark.parametrize("cache_name", CACHE_NAMES)
def test_checkpoint(cache_name: str, tmp_path: Path, fixtures: Path) -> None:
    records = stored(mlc_weights(), "q4f32_1")
    folder = write_mlc(tmp_path / "Tiny-MLC", records, "q4f32_1", cache_name=cache_name)
    checkpoint = open_checkpoint(complete(folder, fixtures))
    assert (checkpoint.format, checkpoint.architecture) == ("mlc", "gemma")
    assert checkpoint.name == "Tiny-MLC"
    assert [file.name for file in checkpoint.files] == [f"params_shard_{i}.bin" for i in range(4)]
    assert sorted(checkpoint.md5) == [file.name for file in checkpoint.files]
    assert checkpoint.stores_gains
    assert checkpoint.metadata == {
        "attention_bias": False, "head_dim": 24, "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": 64, "intermediate_size": 96, "max_position_embeddings": 256,
        "model_type": "gemma", "num_attention_heads": 4, "num_hidden_layers": 1,
        "num_key_value_heads": 2, "rms_norm_eps": 1e-6, "rope_theta": 10000, "vocab_size": 700,
    }  # fmt: skip
    assert checkpoint.generation_config == {
        "bos_token_id": 2, "eos_token_id": [1, 1, 107], "temperature": 0.7, "top_p": 0.95,
    }  # fmt: skip


def test_numbers_of_gemma_3(tmp_path: Path, fixtures: Path) -> None:
    """They stand in text_config, what its class does not know in kwargs; -1 and 0 are nothing."""
    text = {
        **MODEL_CONFIG, "position_embedding_base": 1_000_000, "sliding_window_size": 512,
        "rope_scaling": 0, "query_pre_attn_scalar": 256, "kwargs": {"rope_local_base_freq": 10000},
    }  # fmt: skip
    outer = {
        "text_config": text, "vocab_size": 700, "context_window_size": 8192, "is_text_model": True,
        "sliding_window_size": -1, "prefill_chunk_size": 2048, "max_batch_size": 1,
    }  # fmt: skip
    chat = {**CHAT_CONFIG, "model_type": "gemma3"}
    records = stored(mlc_weights(), "q0f16")
    folder = write_mlc(tmp_path / "m", records, "q0f16", model_config=outer, chat_config=chat)
    checkpoint = open_checkpoint(complete(folder, fixtures))
    assert checkpoint.architecture == "gemma3_text"
    numbers = checkpoint.metadata
    assert (numbers["rope_theta"], numbers["rope_local_base_freq"]) == (1_000_000, 10000)
    assert (numbers["sliding_window"], numbers["vocab_size"]) == (512, 700)
    assert not numbers.keys() & {"rope_scaling", "text_config", "kwargs", "prefill_chunk_size"}


def test_chat_template_of_a_conversation(folder: Path) -> None:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    template = open_checkpoint(folder).chat_template
    assert template is not None
    messages = [{"role": "user", "content": 'a "b" {{'}, {"role": "assistant", "content": "c\\n"}]
    text = (
        ImmutableSandboxedEnvironment()
        .from_string(template)
        .render(messages=messages, add_generation_prompt=True)
    )
    assert text == (
        '<start_of_turn>user\na "b" {{<end_of_turn>\n<start_of_turn>model\nc\\n<end_of_turn>\n'
        "<start_of_turn>model\n"
    )


def test_a_template_in_the_tokenizer_s_configuration_comes_first(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    assert open_checkpoint(folder).chat_template == "{{ messages }}"


@pytest.mark.parametrize(
    "change",
    [
        {"add_role_after_system_message": False},
        {"seps": ["a", "b", "c"]},
        {"roles": {"user": 5}},
        {"roles": {"user": "", "assistant": ""}},
        {"role_templates": {"user": "<<{user_message}>>"}},
        {"system_template": "no place"},
    ],
)
def test_a_conversation_that_is_no_sequence_of_turns(folder: Path, change: dict[str, Any]) -> None:
    path = folder / "mlc-chat-config.json"
    config = json.loads(path.read_text())
    config["conv_template"] |= change
    path.write_text(json.dumps(config))
    assert open_checkpoint(folder).chat_template is None


def test_links_as_in_a_hub_cache(folder: Path, tmp_path: Path) -> None:
    repository = tmp_path / "models--mlc-ai--tiny"
    linked = repository / "snapshots" / "0123abcd"
    linked.mkdir(parents=True)
    folder.rename(repository / "blobs")
    for path in (repository / "blobs").iterdir():
        (linked / path.name).symlink_to(path)
    checkpoint = open_checkpoint(linked)
    assert checkpoint.name == "tiny"
    tensor = checkpoint.tensors["model.norm.weight"]
    assert tensor.read_rows(0, 1).nbytes == 128


def test_safetensors_in_the_same_folder_come_first(folder: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(4, np.float32)}, folder / "model.safetensors")
    (folder / "config.json").write_text('{"model_type": "gemma"}')
    assert open_checkpoint(folder).format == "safetensors"


def set_in(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    """A change of a key of the first shard, or of its first record after a dot."""

    def change(cache: dict[str, Any]) -> None:
        shard = cache["records"][0]
        target = shard["records"][0] if key.startswith(".") else shard
        target[key.removeprefix(".")] = value

    return change


NO_PATH = "key 'dataPath': got {}, expected a plain file name in the same folder. " + AGAIN
RECORD = "tensor 'model.embed_tokens.q_weight': "
BROKEN: dict[str, tuple[Callable[[dict[str, Any]], Any], type[WebGemmaError], str]] = {
    "path up": (set_in("dataPath", "../x.bin"), FormatError, NO_PATH.format("'../x.bin'")),
    "path absolute": (set_in("dataPath", "/x.bin"), FormatError, NO_PATH.format("'/x.bin'")),
    "path no text": (set_in("dataPath", ["a"]), FormatError, NO_PATH.format("['a']")),
    "another shard's file": (
        set_in("dataPath", "params_shard_1.bin"),
        FormatError,
        "shard 'params_shard_1.bin': key 'nbytes': got 32112, expected 10,368, the size of the "
        "file. " + AGAIN,
    ),
    "shard format": (
        set_in("format", "zip"),
        UnsupportedError,
        "shard 'params_shard_0.bin': format 'zip' is not supported (have 'raw-shard'). Convert "
        "the model again with a current MLC.",
    ),
    "shard size": (
        set_in("nbytes", 5),
        FormatError,
        "shard 'params_shard_0.bin': key 'nbytes': got 5, expected {size}, the size of the file. "
        + AGAIN,
    ),
    "md5": (
        set_in("md5sum", "x"),
        FormatError,
        "shard 'params_shard_0.bin': key 'md5sum': got 'x', expected 32 hexadecimal digits. "
        + AGAIN,
    ),
    "no records": (
        lambda cache: cache.pop("records"),
        FormatError,
        "key 'records': got nothing, expected a list of 1 to 10,000 shards. " + AGAIN,
    ),
    "record missing": (
        lambda cache: cache["records"][0]["records"].pop(),
        FormatError,
        "shard 'params_shard_0.bin': got records that end at byte {less}, expected {size} bytes. "
        + AGAIN,
    ),
    "offset": (
        set_in(".byteOffset", 4),
        FormatError,
        RECORD + "key 'byteOffset': got 4, expected 0, where the tensor before it ends. " + AGAIN,
    ),
    "nbytes": (
        set_in(".nbytes", 2**64),
        FormatError,
        RECORD
        + "key 'nbytes': got 18446744073709551616, expected 22,400, for U32 [700, 8]. "
        + AGAIN,
    ),
    "shape": (
        set_in(".shape", [-1, 8]),
        FormatError,
        RECORD + "key 'shape': got [-1, 8], expected a list of 1 to 4 sizes. " + AGAIN,
    ),
    "huge shape": (
        set_in(".shape", [2**39, 2**39]),
        FormatError,
        RECORD + "key 'nbytes': got 22400, expected 1,208,925,819,614,629,174,706,176, for U32 "
        "[549755813888, 549755813888]. " + AGAIN,
    ),
    "dtype": (
        set_in(".dtype", ["int8"]),
        UnsupportedError,
        RECORD + "dtype ['int8'] in format 'f32-to-bf16' is not supported (have float32, float16, "
        "bfloat16, uint32 in raw or f32-to-bf16). Convert the model to another quantization.",
    ),
    "name twice": (
        lambda cache: cache["records"][0]["records"][1].update(name="model.embed_tokens.q_weight"),
        FormatError,
        RECORD + "got the name a second time, expected every name once. " + AGAIN,
    ),
    "no partner": (
        set_in(".name", "model.other.q_weight"),
        FormatError,
        "tensor 'model.other.q_weight': got no q_scale beside it, expected both. " + AGAIN,
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_cache(case: str, folder: Path) -> None:
    change, error, message = BROKEN[case]
    path = folder / "tensor-cache.json"
    cache = json.loads(path.read_text())
    size = cache["records"][0]["nbytes"]
    less = size - cache["records"][0]["records"][-1]["nbytes"]
    change(cache)
    path.write_text(json.dumps(cache))
    with pytest.raises(WebGemmaError) as caught:
        open_checkpoint(folder)
    expected = message.replace("{size}", f"{size:,}").replace("{less}", f"{less:,}")
    assert str(caught.value) == f"{path}: {expected}"
    assert type(caught.value) is error


def test_a_shard_listed_twice(folder: Path) -> None:
    path = folder / "tensor-cache.json"
    cache = json.loads(path.read_text())
    cache["records"].append(cache["records"][0])
    path.write_text(json.dumps(cache))
    refuses(
        folder,
        FormatError,
        f"{path}: shard 'params_shard_0.bin': got it twice, expected every shard once. {AGAIN}",
    )


def test_a_link_out_of_the_folder(folder: Path, tmp_path: Path) -> None:
    shard = folder / "params_shard_0.bin"
    shard.rename(tmp_path / "elsewhere.bin")
    shard.symlink_to(tmp_path / "elsewhere.bin")
    refuses(
        folder,
        FormatError,
        f"{folder / 'tensor-cache.json'}: shard 'params_shard_0.bin': got a link to another place, "
        "expected a file in the same folder. Copy the file into the folder.",
    )


def test_a_link_to_itself(folder: Path) -> None:
    shard = folder / "params_shard_0.bin"
    shard.unlink()
    shard.symlink_to(shard.name)
    with pytest.raises(WebGemmaError, match=r"params_shard_0\.bin"):
        open_checkpoint(folder)


def test_a_missing_shard(folder: Path) -> None:
    (folder / "params_shard_1.bin").unlink()
    path = folder / "params_shard_1.bin"
    refuses(folder, ConfigError, f"{path}: no such file. Check the path.")


CONFIG_ERRORS: dict[str, tuple[dict[str, Any], type[WebGemmaError], str]] = {
    "quantization": (
        {"quantization": "q4f16_autoawq"},
        UnsupportedError,
        "key 'quantization': 'q4f16_autoawq' is not supported (have q0f16, q0f32, q3f16_0, "
        "q3f16_1, q4f16_0, q4f16_1, q4f16_2, q4f32_1). Convert the model to one of these.",
    ),
    "no model": (
        {"model_config": 5},
        FormatError,
        f"key 'model_config': got 5, expected an object. {AGAIN}",
    ),
    "empty model": (
        {"model_config": {}},
        FormatError,
        f"key 'model_config': got {{}}, expected the model's numbers. {AGAIN}",
    ),
    "heads": (
        {"model_config": {**MODEL_CONFIG, "num_attention_heads": "4"}},
        FormatError,
        f"key 'model_config': 'num_attention_heads': got '4', expected a size. {AGAIN}",
    ),
    "model type": (
        {"model_type": None},
        FormatError,
        f"key 'model_type': got nothing, expected a name such as 'gemma2'. {AGAIN}",
    ),
}


@pytest.mark.parametrize("case", CONFIG_ERRORS)
def test_a_broken_configuration(case: str, folder: Path) -> None:
    change, error, message = CONFIG_ERRORS[case]
    path = folder / "mlc-chat-config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    refuses(folder, error, f"{path}: {message}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"hidden_size": 32},
            "tensor 'model.embed_tokens.q_weight': shapes of codes and scales (by rows of "
            "weights): got [700, 8] and [700, 2], expected [700, 4] and [700, 1] for 32 columns",
        ),
        (
            {"num_key_value_heads": 4},
            "tensor 'model.layers.0.self_attn.qkv_proj.q_weight': got 192 rows, expected "
            "[96, 96, 96] by the model's configuration",
        ),
    ],
)
def test_shapes_that_contradict_the_configuration(
    change: dict[str, Any], message: str, folder: Path
) -> None:
    path = folder / "mlc-chat-config.json"
    config = json.loads(path.read_text())
    config["model_config"] |= change
    path.write_text(json.dumps(config))
    shard = folder / "params_shard_0.bin"
    refuses(folder, FormatError, f"{shard}: {message}. {AGAIN}")


def test_quantized_weights_where_the_configuration_says_floats(folder: Path) -> None:
    path = folder / "mlc-chat-config.json"
    path.write_text(path.read_text().replace('"q4f16_1"', '"q0f16"'))
    refuses(
        folder,
        FormatError,
        f"{folder / 'params_shard_0.bin'}: tensor 'model.embed_tokens.q_weight': got quantized "
        f"weights, expected floats, as the configuration says. {AGAIN}",
    )


def test_tensors_stay_in_their_files(folder: Path) -> None:
    """Both kinds of tensor hold a place, no bytes; a file that changes meanwhile is refused."""
    tensors = open_checkpoint(folder).tensors
    kinds = {type(tensor) for tensor in tensors.values()}
    assert kinds == {FileTensor, GroupTensor}
    with (folder / "params_shard_0.bin").open("ab") as file:
        file.write(b"x")
    with pytest.raises(FormatError, match="the file changed while it was read"):
        tensors["model.embed_tokens.weight"].read_rows(0, 1)


def refuses(folder: Path, error: type[WebGemmaError], message: str) -> None:
    """Opening the folder raises exactly this error."""
    with pytest.raises(WebGemmaError) as caught:
        open_checkpoint(folder)
    assert str(caught.value) == message
    assert type(caught.value) is error

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from webgemma.errors import ConfigError, FormatError, UnsupportedError, WebGemmaError
from webgemma.sources import open_checkpoint

AGAIN = " The file is damaged or incomplete; fetch it again."
FIXTURES = Path(__file__).parent.parent / "fixtures"
CONFIG = {"model_type": "gemma2", "hidden_size": 8}
A, B = np.arange(8, dtype=np.float32).reshape(2, 4), np.ones(4, np.float16)


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model folder with one weights file."""
    folder = tmp_path / "My model"
    folder.mkdir()
    write_json(folder / "config.json", CONFIG)
    write_json(folder / "tokenizer.json", {"model": {}})
    save_file({"a": A, "b": B}, folder / "model.safetensors")
    return folder


@pytest.fixture
def sharded(folder: Path) -> Path:
    """The same model in two shards."""
    (folder / "model.safetensors").unlink()
    save_file({"a": A}, folder / "model-00001-of-00002.safetensors")
    save_file({"b": B}, folder / "model-00002-of-00002.safetensors")
    write_index(folder)
    return folder


def write_index(folder: Path, **changes: Any) -> None:
    """Write the index of the two shards, with changes to its map."""
    weight_map = {
        "a": "model-00001-of-00002.safetensors",
        "b": "model-00002-of-00002.safetensors",
        **changes,
    }
    index = {"metadata": {"total_size": 40}, "weight_map": weight_map}
    write_json(folder / "model.safetensors.index.json", index)


def refuses(folder: Path, error: type[WebGemmaError], message: str) -> None:
    """Opening the folder raises exactly this error."""
    with pytest.raises(WebGemmaError) as caught:
        open_checkpoint(folder)
    assert str(caught.value) == message
    assert type(caught.value) is error


def test_checkpoint_of_a_folder(folder: Path) -> None:
    checkpoint = open_checkpoint(folder)
    assert checkpoint.path == folder
    assert checkpoint.format == "safetensors"
    assert checkpoint.files == (folder / "model.safetensors",)
    assert checkpoint.architecture == "gemma2"
    assert checkpoint.metadata == CONFIG
    assert checkpoint.name == "My model"
    assert checkpoint.chat_template is None
    assert checkpoint.generation_config == {}
    assert checkpoint.licence_files == {}
    a, b = checkpoint.tensors["a"], checkpoint.tensors["b"]
    assert (a.type, a.shape, a.nbytes) == ("F32", (2, 4), 32)
    assert (b.type, b.shape, b.nbytes) == ("F16", (4,), 8)
    assert a.read_rows(1, 2).tobytes() == A[1:].tobytes()
    assert b.read_rows(0, 1).tobytes() == B.tobytes()


def test_shards(sharded: Path) -> None:
    checkpoint = open_checkpoint(sharded)
    assert checkpoint.files == (
        sharded / "model-00001-of-00002.safetensors",
        sharded / "model-00002-of-00002.safetensors",
    )
    assert sorted(checkpoint.tensors) == ["a", "b"]
    assert checkpoint.tensors["a"].read_rows(0, 2).tobytes() == A.tobytes()
    assert checkpoint.tensors["b"].read_rows(0, 1).tobytes() == B.tobytes()


def test_links_as_in_a_hub_cache(folder: Path, tmp_path: Path) -> None:
    linked = tmp_path / "models--google--gemma-2-2b-it" / "snapshots" / "0123abcd"
    linked.mkdir(parents=True)
    for path in folder.iterdir():
        (linked / path.name).symlink_to(path)
    checkpoint = open_checkpoint(linked)
    assert checkpoint.name == "gemma-2-2b-it"
    assert checkpoint.tensors["a"].read_rows(0, 2).tobytes() == A.tobytes()


def test_sentencepiece_comes_before_tokenizer_json(folder: Path) -> None:
    tokenizer = open_checkpoint(folder).tokenizer
    assert (tokenizer.sentencepiece, tokenizer.gguf) == (None, None)
    assert tokenizer.tokenizer_json == b'{"model": {}}'
    data = (FIXTURES / "tokenizer.model").read_bytes()
    (folder / "tokenizer.model").write_bytes(data)
    write_json(folder / "tokenizer_config.json", {"add_bos_token": True})
    tokenizer = open_checkpoint(folder).tokenizer
    assert (tokenizer.tokenizer_json, tokenizer.gguf) == (None, None)
    assert tokenizer.sentencepiece == data
    assert tokenizer.config == {"add_bos_token": True}


def test_generation_config_and_licences(folder: Path) -> None:
    write_json(folder / "generation_config.json", {"eos_token_id": [1, 107]})
    texts = {"LICENSE": "a", "LICENCE.txt": "b", "NOTICE.md": "c", "USE_POLICY.md": "d",
             "README.md": "e"}  # fmt: skip
    for name, text in {**texts, "readme.txt": "x", "LICENSE (old)": "x"}.items():
        (folder / name).write_text(text)
    (folder / "LICENSES").mkdir()
    checkpoint = open_checkpoint(folder)
    assert checkpoint.generation_config == {"eos_token_id": [1, 107]}
    assert checkpoint.licence_files == {n: t.encode() for n, t in sorted(texts.items())}


NAMED = [{"name": "default", "template": "D"}, {"name": "tool_use", "template": "T"}]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"tokenizer_config.json": {"chat_template": "C"}}, "C"),
        ({"tokenizer_config.json": {"chat_template": None}}, None),
        ({"tokenizer_config.json": {"chat_template": NAMED}}, "D"),
        ({"tokenizer_config.json": {"chat_template": NAMED[1:]}}, "T"),
        ({"chat_template.json": {"chat_template": "J"}}, "J"),
        ({"chat_template.json": {"chat_template": NAMED}}, "D"),
        ({"chat_template.jinja": "{{ é }}\n"}, "{{ é }}\n"),
        (
            {
                "tokenizer_config.json": {"chat_template": "C"},
                "chat_template.json": {"chat_template": "J"},
                "chat_template.jinja": "X",
            },
            "X",
        ),
    ],
)
def test_chat_template(folder: Path, files: dict[str, Any], expected: str | None) -> None:
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text, encoding="utf-8")
    assert open_checkpoint(folder).chat_template == expected


def broken_json(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


BROKEN: dict[str, tuple[Callable[[Path], object], type[WebGemmaError], str]] = {
    "config is cut": (
        broken_json("config.json", '{"model_type":'),
        FormatError,
        "{0}/config.json: byte 14: got no JSON (expecting value), expected JSON." + AGAIN,
    ),
    "config nested deeply": (
        broken_json("config.json", '{"a":' * 9_999),
        FormatError,
        "{0}/config.json: byte 160: got more than 32 JSON levels, expected at most 32." + AGAIN,
    ),
    "no model_type": (
        broken_json("config.json", "{}"),
        FormatError,
        "{0}/config.json: key 'model_type': got nothing, expected a name such as 'gemma2'." + AGAIN,
    ),
    "model_type is a path": (
        broken_json("config.json", '{"model_type": "../x"}'),
        FormatError,
        "{0}/config.json: key 'model_type': got '../x', expected a name such as 'gemma2'." + AGAIN,
    ),
    "generation_config is a list": (
        broken_json("generation_config.json", "[]"),
        FormatError,
        "{0}/generation_config.json: byte 0: got a JSON list, expected a JSON object." + AGAIN,
    ),
    "no tokenizer": (
        lambda folder: (folder / "tokenizer.json").unlink(),
        ConfigError,
        "{0}: no tokenizer: got neither tokenizer.model nor tokenizer.json, expected one. "
        "Fetch it from where the model was published.",
    ),
    "no weights": (
        lambda folder: (folder / "model.safetensors").unlink(),
        ConfigError,
        "{0}: no weights: got neither model.safetensors nor model.safetensors.index.json, "
        "expected one. Fetch the model's safetensors files into the folder.",
    ),
    "pickled weights": (
        lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
        UnsupportedError,
        "{0}: pickled weights ('pytorch_model.bin') are not supported, as they can run code when "
        "they are read (have safetensors). Save the model with safetensors.",
    ),
    "weights without tensors": (
        lambda folder: (folder / "model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}"),
        FormatError,
        "{0}/model.safetensors: header: got no tensors, expected the model's weights." + AGAIN,
    ),
    "template is a number": (
        broken_json("tokenizer_config.json", '{"chat_template": 1}'),
        FormatError,
        "{0}/tokenizer_config.json: key 'chat_template': got 1, expected a string." + AGAIN,
    ),
    "template without a name": (
        broken_json("chat_template.json", '{"chat_template": [{"template": "x"}]}'),
        FormatError,
        "{0}/chat_template.json: key 'chat_template': got {{'template': 'x'}}, "
        "expected objects with 'name' and 'template'." + AGAIN,
    ),
    "template too long": (
        broken_json("chat_template.jinja", "x" * 262_145),
        FormatError,
        "{0}/chat_template.jinja: size: got 262,145 bytes, expected at most 262,144." + AGAIN,
    ),
    "template not UTF-8": (
        lambda folder: (folder / "chat_template.jinja").write_bytes(b"ab\xff"),
        FormatError,
        "{0}/chat_template.jinja: byte 2: got the byte 0xff, expected UTF-8." + AGAIN,
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_refuses_a_broken_folder(folder: Path, name: str) -> None:
    change, error, message = BROKEN[name]
    change(folder)
    refuses(folder, error, message.format(folder))


PLAIN = "expected a plain file name in the same folder." + AGAIN
INDEX: dict[str, tuple[dict[str, Any], type[WebGemmaError], str]] = {
    "a path up": (
        {"a": "../x.safetensors"},
        FormatError,
        "{1}: tensor 'a': got '../x.safetensors', " + PLAIN,
    ),
    "an absolute path": (
        {"a": "/etc/passwd"},
        FormatError,
        "{1}: tensor 'a': got '/etc/passwd', " + PLAIN,
    ),
    "a drive": (
        {"a": "C:\\x.safetensors"},
        FormatError,
        "{1}: tensor 'a': got 'C:\\\\x.safetensors', " + PLAIN,
    ),
    "a name with a newline": (
        {"a": "x\n.safetensors"},
        FormatError,
        "{1}: tensor 'a': got 'x\\n.safetensors', " + PLAIN,
    ),
    "a number": ({"a": 1}, FormatError, "{1}: tensor 'a': got 1, " + PLAIN),
    "a pickle": (
        {"a": "pytorch_model.bin"},
        UnsupportedError,
        "{1}: tensor 'a': the file 'pytorch_model.bin' is not supported (have safetensors). "
        "Save the model with safetensors.",
    ),
    "a shard that is missing": (
        {"a": "x.safetensors"},
        ConfigError,
        "{0}/x.safetensors: no such file. Check the path.",
    ),
    "a tensor that is missing": (
        {"c": "model-00001-of-00002.safetensors"},
        FormatError,
        "{1}: tensor 'c': got nothing, expected it in model-00001-of-00002.safetensors, as listed."
        + AGAIN,
    ),
    "a tensor in another shard": (
        {"b": "model-00001-of-00002.safetensors", "c": "model-00002-of-00002.safetensors"},
        FormatError,
        "{0}/model-00002-of-00002.safetensors: tensor 'b': got 'model-00001-of-00002.safetensors' "
        "in the index, expected model.safetensors.index.json to list it there." + AGAIN,
    ),
}


@pytest.mark.parametrize("name", INDEX)
def test_refuses_a_broken_index(sharded: Path, name: str) -> None:
    changes, error, message = INDEX[name]
    write_index(sharded, **changes)
    refuses(sharded, error, message.format(sharded, sharded / "model.safetensors.index.json"))


def test_refuses_an_index_without_a_map(sharded: Path) -> None:
    index = sharded / "model.safetensors.index.json"
    write_json(index, {"weight_map": []})
    refuses(
        sharded,
        FormatError,
        f"{index}: key 'weight_map': got [], expected an object of file names." + AGAIN,
    )


def test_refuses_a_tensor_that_the_index_does_not_list(sharded: Path) -> None:
    shard = sharded / "model-00001-of-00002.safetensors"
    save_file({"a": A, "c": A}, shard)
    refuses(
        sharded,
        FormatError,
        f"{shard}: tensor 'c': got nothing in the index, expected model.safetensors.index.json "
        "to list it there." + AGAIN,
    )

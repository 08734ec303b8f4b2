"""What `webgemma inspect` and `webgemma estimate` say of sources and sites."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.make_gguf import write_gguf
from webgemma.build import build_site
from webgemma.errors import ConfigError, UnsupportedError
from webgemma.inspect import describe_site, describe_source, estimate, memory
from webgemma.inspect.devices import DEVICES, GIB, Device
from webgemma.inspect.facts import LONGEST_VALUE, as_json, flatten, shorten

FIXTURES = Path(__file__).parent / "fixtures"


def section(facts: Any, title: str) -> dict[str, str]:
    """The rows of a section of two columns."""
    text = next(text for name, text in facts.sections if name.startswith(title))
    return {line.split("  ", 1)[0]: line.split("  ", 1)[1].strip() for line in text.splitlines()}


def write_unsupported(path: Path) -> Path:
    """A model of an architecture that webgemma does not know, with a large vocabulary."""
    metadata = {
        "{arch}.block_count": 3,
        "{arch}.embedding_length": 64,
        "{arch}.attention.head_count": 4,
        "{arch}.attention.head_count_kv": 1,
        "{arch}.attention.layer_norm_rms_epsilon": 1e-5,
        "general.license": "mit",
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": [f"token {i}" for i in range(256_000)],
        "tokenizer.chat_template": "x" * 5000,
    }
    tensors = {
        "token_embd.weight": ("Q8_0", np.ones((8, 64), np.float32)),
        "other.weight": np.ones((2, 64), np.float32),
    }
    return write_gguf(path, "mammoth", metadata, tensors)


def test_a_source_says_what_it_is_and_that_it_runs() -> None:
    facts = describe_source(FIXTURES / "gemma2-Q4_K.gguf")
    assert section(facts, "What it is") == {
        "vocabulary": "1,024 tokens",
        "context": "512 tokens",
        "layers": "3",
        "hidden size": "256",
        "feed-forward": "512",
        "heads": "4",
        "key-value heads": "2",
        "head size": "64",
        "attention": "grouped-query",
        "activation": "GeGLU (gelu_tanh)",
        "norm": "RMSNorm, epsilon 1e-06",
    }
    runs = section(facts, "Will it run?")
    assert runs["runs"] == "yes"
    assert runs["at most per layer"] == "10 in prefill, 8 in decode"
    assert runs["limits"].startswith("within WebGPU's defaults: largest buffer 1.6 MB")
    assert section(facts, "Metadata")["gemma2.block_count"] == "3"
    assert facts.data["run"]["supported"] is True
    totals = facts.data["tensor_types"]
    tensors = facts.data["tensors"]
    assert totals["Q4_K"]["tensors"] == sum(t["type"] == "Q4_K" for t in tensors)
    assert sum(t["nbytes"] for t in totals.values()) == sum(t["nbytes"] for t in tensors)


def test_a_source_that_is_not_supported_says_why_and_shows_the_rest(tmp_path: Path) -> None:
    facts = describe_source(write_unsupported(tmp_path / "m.gguf"))
    assert section(facts, "Will it run?")["runs"].startswith(
        f"no: {tmp_path / 'm.gguf'}: architecture 'mammoth' is not supported (have gemma, "
    )
    what = section(facts, "What it is")
    assert what == {
        "vocabulary": "256,000 tokens",
        "layers": "3",
        "hidden size": "64",
        "heads": "4",
        "key-value heads": "1",
        "attention": "multi-query",
        "norm": "RMSNorm, epsilon 1e-05",
    }
    assert section(facts, "Checkpoint")["licence"] == "mit"
    assert [t["name"] for t in facts.data["tensors"]] == ["token_embd.weight", "other.weight"]


def test_long_values_take_little_room(tmp_path: Path) -> None:
    facts = describe_source(write_unsupported(tmp_path / "m.gguf"))
    assert len(facts.as_text()) < 4000
    tokens = facts.data["metadata"]["tokenizer.ggml.tokens"]
    assert tokens["length"] == 256_000
    assert tokens["first"][:2] == ["token 0", "token 1"]
    assert len(json.dumps(dict(facts.data))) < 12_000


@pytest.mark.parametrize(
    ("value", "text", "data"),
    [
        (np.float32(0.5), "0.5", 0.5),
        (np.arange(3), "[0 1 2]", [0, 1, 2]),
        (np.arange(20), "[20 values: 0, 1, 2, ...]", {"length": 20, "first": list(range(8))}),
        ("two\nlines", "two lines", "two\nlines"),
        (float("inf"), "inf", "inf"),
        (None, "None", None),
        ("a" * 100, "a" * (LONGEST_VALUE - 3) + "...", "a" * 100),
    ],
)
def test_values_as_text_and_as_json(value: Any, text: str, data: Any) -> None:
    assert shorten(value) == text
    assert as_json(value) == data


def test_keys_of_a_nested_configuration_are_shown_one_by_one() -> None:
    config = {"a": 1, "text_config": {"hidden_size": 64, "rope": {"factor": 8.0}}, "none": {}}
    assert dict(flatten(config)) == {
        "a": 1,
        "text_config.hidden_size": 64,
        "text_config.rope.factor": 8.0,
        "none": {},
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site; nothing here runs it."""
    out = tmp_path_factory.mktemp("inspect") / "site"
    build_site(FIXTURES / "gemma2-F16.gguf", out, model_id="m")
    return out


def test_a_site_says_the_same_of_its_model_as_its_source(site: Path) -> None:
    source, built = describe_source(FIXTURES / "gemma2-F16.gguf"), describe_site(site)
    theirs = section(source, "What it is")
    assert section(built, "What it is") == {k: v for k, v in theirs.items() if k != "vocabulary"}
    assert section(built, "Will it run?")["runs"] == "yes"
    names = {tensor["name"] for tensor in built.data["tensors"]}
    assert "model.norm.weight" in names


def test_a_site_with_a_damaged_program_still_says_what_it_is(site: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(site / "models/m", tmp_path / "m"))
    (copy / "program.json").write_text("{}")
    facts = describe_site(copy)
    assert section(facts, "Will it run?")["runs"].startswith("no: ")
    assert section(facts, "What it is")["layers"] == "3"


def test_an_estimate_of_a_source_has_every_type_and_context() -> None:
    facts = estimate(FIXTURES / "gemma2-F16.gguf")
    rows = facts.data["memory"]
    assert {row["context_window_size"] for row in rows} == {512}  # the model's maximum
    assert {row["variant"] for row in rows} == {"software", "f16", "f32"}
    assert {"keep", "f16", "q8_0", "q4f16_1"} <= {row["storage"] for row in rows}
    peaks = {(row["storage"], row["variant"]): row["peak_nbytes"] for row in rows}
    assert peaks["keep", "f32"] == peaks["f16", "f32"] > peaks["q8_0", "f32"]
    assert peaks["keep", "f16"] < peaks["keep", "f32"]


def test_one_context_may_be_asked_for(site: Path) -> None:
    rows = estimate(site, context=100).data["memory"]
    assert {(row["storage"], row["context_window_size"]) for row in rows} == {("as built", 100)}
    with pytest.raises(ConfigError) as error:
        estimate(site, context=513)
    assert str(error.value) == "--context: got 513, expected 1 to 512 (the model's maximum)."


def test_what_is_not_possible_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="architecture 'mammoth' is not supported"):
        estimate(write_unsupported(tmp_path / "m.gguf"))


def test_a_device_fits_what_is_within_its_limit(site: Path) -> None:
    data = estimate(site).data
    peak = max(row["peak_nbytes"] for row in data["memory"])
    for device in data["devices"]:
        assert device["fits"] == {"as built": 512 if peak <= device["limit_nbytes"] else 0}
    limits = {device.name: device.limit_nbytes for device in DEVICES}
    assert limits["phone, 4 GiB"] == 3 * GIB // 2
    assert limits["integrated GPU, 16 GiB shared"] == 8 * GIB


def test_a_device_too_small_fits_nothing(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "DEVICES", (Device("watch", 1000, (1, 2)),))
    facts = estimate(site)
    assert facts.data["devices"] == [
        {"name": "watch", "limit_nbytes": 500, "fits": {"as built": 0}}
    ]
    assert facts.as_text().splitlines()[-1].split() == ["watch", "500", "B", "-"]

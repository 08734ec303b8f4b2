"""The evaluation of small sites: figures, tables, the record, and what is refused."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.support.golden import log_softmax
from tests.support.messages import message_of
from webgemma.build import build_site
from webgemma.errors import ConfigError, FormatError, GpuError
from webgemma.evaluate import Evaluation, evaluate, record_quality, reference_site
from webgemma.evaluate.chart import draw
from webgemma.evaluate.logits_file import LogitsFile
from webgemma.evaluate.measure import measure
from webgemma.evaluate.report import as_csv, as_json, as_text
from webgemma.evaluate.text import cut, encode
from webgemma.layout import find_model, read_manifest
from webgemma.runtime.session import open_session
from webgemma.runtime.shards import open_site_model

pytestmark = pytest.mark.gpu

CONTEXT = 32
CHUNKS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, fixtures: Path) -> Path:
    """Sites f16 and q4_k of one architecture and vocabulary, and a text."""
    folder = tmp_path_factory.mktemp("evaluate")
    for name, file in (("f16", "gemma2-F16"), ("q4_k", "gemma2-Q4_K")):
        build_site(fixtures / f"{file}.gguf", folder / name)
    (folder / "text.txt").write_text("the quick brown fox jumps over the lazy dog. " * 20)
    return folder


@pytest.fixture(scope="module")
def evaluation(folder: Path) -> Evaluation:
    calls: list[tuple[str, int, int]] = []
    got = evaluate(
        [folder / "q4_k"],
        folder / "text.txt",
        reference=folder / "f16",
        context=CONTEXT,
        most_chunks=CHUNKS,
        variant="f32",
        progress=lambda *call: calls.append(call),
    )
    total = CONTEXT * CHUNKS
    assert list(dict.fromkeys(label for label, _, _ in calls)) == ["f16", "q4_k"]
    assert [done for label, done, _ in calls if label == "f16"][-1] == total
    assert {all_of_it for _, _, all_of_it in calls} == {total}
    return got


def test_figures_equal_those_from_whole_logits(evaluation: Evaluation, folder: Path) -> None:
    """The same, with every logit at hand and in few lines."""
    logits = {}
    for name in ("f16", "q4_k"):
        with open_session(folder / name, variant="f32") as session:
            bos = session.model.manifest["generation"]["bos_token_id"]
            ids = encode((folder / "text.txt").read_text(), session.tokenizer, bos)
            rows = []
            for i in range(CHUNKS):
                chunk = [bos, *ids[i * CONTEXT + 1 : (i + 1) * CONTEXT]]
                rows.append(log_softmax(session.logits(chunk))[CONTEXT // 2 : -1])
        logits[name] = np.concatenate(rows)
    following = np.concatenate(
        [ids[i * CONTEXT + CONTEXT // 2 + 1 : (i + 1) * CONTEXT] for i in range(CHUNKS)]
    )
    result = evaluation.results[0]
    nll = -logits["q4_k"][np.arange(len(following)), following]
    kl = (np.exp(logits["f16"]) * (logits["f16"] - logits["q4_k"])).sum(axis=-1)
    assert result.perplexity.value == pytest.approx(np.exp(nll.mean()), rel=1e-6)
    assert result.divergence
    assert result.divergence.mean.value == pytest.approx(kl.mean(), rel=1e-5)
    assert result.divergence.maximum == pytest.approx(kl.max(), rel=1e-5)
    same = logits["f16"].argmax(-1) == logits["q4_k"].argmax(-1)
    assert result.divergence.same_top.value == pytest.approx(same.mean())
    assert evaluation.chunks.num_scored == len(following) == CHUNKS * 15


def test_a_model_is_no_distance_from_itself(folder: Path) -> None:
    copy = folder / "f16-again"
    shutil.copytree(folder / "f16", copy, dirs_exist_ok=True)
    got = evaluate(
        [copy], folder / "text.txt", reference=folder / "f16", context=CONTEXT, variant="f32",
        most_chunks=2,
    )  # fmt: skip
    divergence = got.results[0].divergence
    assert divergence
    assert (divergence.mean.value, divergence.maximum) == (0, 0)
    assert divergence.same_top.value == 1


def test_the_reference_among_the_sites_runs_once(folder: Path) -> None:
    stages: list[str] = []
    got = evaluate(
        [folder / "f16", folder / "q4_k"],
        folder / "text.txt",
        reference=folder / "f16",
        context=CONTEXT,
        most_chunks=2,
        variant="f32",
        progress=lambda stage, done, total: stages.append(stage) if done == total else None,
    )
    assert stages == ["f16", "q4_k"]
    assert [r.label for r in got.results] == ["f16", "q4_k"]
    assert as_text(got).splitlines()[1].endswith("reference")
    assert len(as_json(got)["models"]) == 2


def test_the_table_has_a_line_per_model(evaluation: Evaluation) -> None:
    lines = as_text(evaluation).splitlines()
    assert lines[0].split("  ")[0] == "model"
    assert [line.split()[0] for line in lines[1:3]] == ["f16", "q4_k"]
    assert "100.0" in lines[1].split()
    assert lines[-1] == (
        "text.txt: 3 chunks of 32 tokens, 45 scored. KL divergence in nats, and %, from f16."
    )


def test_json_and_csv_have_the_same_figures(evaluation: Evaluation, folder: Path) -> None:
    data = json.loads(json.dumps(as_json(evaluation)))
    text = (folder / "text.txt").read_bytes()
    assert data["text"] == {"name": "text.txt", "sha256": hashlib.sha256(text).hexdigest()}
    assert (data["context"], data["chunks"], data["tokens"]) == (32, 3, 96)
    assert (data["scored_tokens"], data["reference"]) == (45, "f16")
    lines = list(csv.DictReader(io.StringIO(as_csv(evaluation))))
    assert [line["model"] for line in lines] == ["f16", "q4_k"]
    assert lines[0]["kl_mean"] == ""
    assert float(lines[1]["kl_mean"]) == data["models"][1]["kl_mean"]
    nbytes = [m["weights_nbytes"] for m in data["models"]]
    assert data["models"][1]["percent_of_reference"] == 100 * nbytes[1] / nbytes[0]
    assert nbytes[1] == read_manifest(folder / "q4_k" / "models" / "holdout-gemma2-fixture")[
        "weights"
    ]["nbytes"]  # fmt: skip


def test_the_picture_has_a_panel_for_each_figure(evaluation: Evaluation) -> None:
    svg = ElementTree.fromstring(draw(evaluation))
    names = [t.text for t in svg.iter() if t.get("class") == "label"]
    assert names == ["f16", "q4_k", "q4_k"]


@pytest.fixture
def recorded(evaluation: Evaluation, folder: Path, tmp_path: Path) -> Path:
    """A model's folder with the record of an evaluation."""
    shutil.copytree(folder / "q4_k", tmp_path / "q4_k")
    model = open_site_model(tmp_path / "q4_k")
    changed = replace(evaluation, results=(replace(evaluation.results[0], model=model),))
    record_quality(changed)
    before = (model.folder / "webgemma.json").read_bytes()
    record_quality(changed)
    assert (model.folder / "webgemma.json").read_bytes() == before
    return model.folder


def test_a_record_says_what_was_measured(recorded: Path, evaluation: Evaluation) -> None:
    manifest = read_manifest(recorded)
    quality = manifest["quality"]
    assert list(manifest)[-2:] == ["quality", "files"]
    assert quality["text"]["name"] == "text.txt"
    assert (quality["context"], quality["chunks"], quality["scored_tokens"]) == (32, 3, 45)
    assert quality["variant"] == "f32"
    value = evaluation.results[0].perplexity.value
    assert quality["perplexity"]["value"] == pytest.approx(value, rel=1e-5)
    assert quality["reference"]["storage"] == ["f16"]
    assert set(quality["kl_divergence"]) == {"value", "error", "far", "maximum"}


def test_a_record_changes_nothing_else(recorded: Path, folder: Path) -> None:
    original = next((folder / "q4_k" / "models").glob("*/webgemma.json")).parent
    with_record, without = read_manifest(recorded), read_manifest(original)
    del with_record["quality"]
    assert with_record == without
    names = {p.relative_to(original) for p in original.rglob("*")}
    assert {p.relative_to(recorded) for p in recorded.rglob("*")} == names
    with open_session(recorded, variant="f32") as session:  # every hash is still right
        assert session.logits([2, 5]).shape[0] == 2


def test_a_source_is_built_as_the_reference_and_removed(fixtures: Path) -> None:
    with reference_site(fixtures / "gemma2-F16.gguf") as site:
        assert site.name == "gemma2-F16"
        assert open_site_model(site).manifest["architecture"] == "gemma2"
    assert not site.exists()


def test_rows_come_in_order_and_from_any_position(folder: Path) -> None:
    with open_session(folder / "f16", variant="f32") as session:
        tokens = [2, *range(100, 180)]
        whole = session.logits(tokens)
        parts = list(session.iter_logits(tokens, first=37))
    assert max(map(len, parts)) <= session.program.logits_chunk_size
    np.testing.assert_array_equal(np.concatenate(parts), whole[37:])


def test_different_vocabularies_are_refused(folder: Path, fixtures: Path) -> None:
    other = folder / "other"
    shutil.copytree(folder / "f16", other, dirs_exist_ok=True)
    path = next(other.rglob("webgemma.json"))
    manifest = json.loads(path.read_text())
    manifest["vocab_size"] = 2048
    path.write_text(json.dumps(manifest))
    first = open_site_model(folder / "f16").folder
    assert message_of(
        ConfigError,
        lambda: evaluate([folder / "f16"], folder / "text.txt", reference=other, context=32),
    ) == (
        f"{path.parent}: got a vocabulary of 2,048 tokens, expected 1,024 as in {first}. "
        "Evaluate models of one family together."
    )


def test_different_tokens_of_the_text_are_refused(folder: Path) -> None:
    other = folder / "no-bos"
    shutil.copytree(folder / "f16", other, dirs_exist_ok=True)
    path = next(other.rglob("webgemma.json"))
    manifest = json.loads(path.read_text())
    manifest["generation"]["bos_token_id"] = None
    path.write_text(json.dumps(manifest))
    text = message_of(
        ConfigError,
        lambda: evaluate([folder / "f16", other], folder / "text.txt", context=32),
    )
    assert text.endswith("each the same. The vocabularies differ: evaluate them apart.")


def test_a_bad_site_is_named(folder: Path, tmp_path: Path) -> None:
    assert message_of(FormatError, lambda: evaluate([tmp_path], folder / "text.txt")) == (
        f"{tmp_path}: got no models/index.json, expected a site that webgemma built. "
        f"Build one with: webgemma build MODEL -o {tmp_path}"
    )


def test_too_long_a_context_is_refused(folder: Path) -> None:
    long = folder / "long.txt"
    long.write_text("the quick brown fox " * 2000)
    model = find_model(folder / "f16")
    assert message_of(ConfigError, lambda: evaluate([folder / "f16"], long, context=513)) == (
        f"--context: got 513, expected at most 512, the maximum of {model}."
    )


class Broken:
    """A session whose logits turn bad."""

    def iter_logits(self, tokens: Sequence[int], *, first: int) -> Iterator[Any]:
        good = np.zeros((4, 10), np.float32)
        yield good
        good[1, 3] = np.nan
        yield good


def test_logits_that_are_not_finite_are_refused() -> None:
    chunks = cut([i % 10 for i in range(40)], 16, None)
    broken: Any = Broken()
    text = message_of(GpuError, lambda: measure(broken, chunks, "q4", lambda *_: None))
    assert text == (
        "q4: logits after token 12: got nan, expected finite numbers. Try --variant f32; if it "
        "stays, the weights are damaged."
    )


def test_logits_in_a_file_come_back_as_they_were() -> None:
    rows = np.random.default_rng(1).standard_normal((6, 10)).astype(np.float32)
    with LogitsFile(6, 10) as file:
        file.write(rows[:4])
        file.write(rows[4:])
        for _ in range(2):
            file.rewind()
            np.testing.assert_array_equal(np.concatenate([file.read(1), file.read(5)]), rows)


def test_a_disk_without_room_is_noticed_first(tmp_path: Path) -> None:
    text = message_of(ConfigError, lambda: LogitsFile(1 << 40, 256_000))
    assert "expected at least 1,125,899,906,842,624,000 for the reference's logits." in text

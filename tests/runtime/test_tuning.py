"""What is remembered of a search; web/tests/tuning.test.js runs the same cases."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from webgemma.program.spec import Variant
from webgemma.runtime.tuning import (
    checked_findings,
    recall,
    remember,
    running_choices,
    tuned_variant,
)

CASES = json.loads((Path(__file__).parents[1] / "cases" / "tuning.json").read_text("utf-8"))
VARIANT = Variant(
    CASES["variant"]["name"], (), CASES["variant"]["symbols"], tuning=CASES["variant"]["tuning"]
)
ADAPTER = SimpleNamespace(info={"vendor": "v", "architecture": "a", "device": "d"})
FOUND = {"attention": {"taken": "keys=128", "tried": ["keys=64", "keys=128"]}}


@pytest.mark.parametrize("case", CASES["tuned"])
def test_tuned_variant(case):
    tuned = tuned_variant(VARIANT, case["findings"])
    assert tuned.symbols == {**VARIANT.symbols, **case["changed"]}
    assert (tuned.name, tuned.tuning) == (VARIANT.name, VARIANT.tuning)


@pytest.mark.parametrize("case", CASES["checked"])
def test_checked_findings(case):
    assert checked_findings(case["data"]) == case["findings"]


def test_running_choices():
    assert running_choices(VARIANT) == {"matvec": "lanes=32 workgroup=64", "attention": "keys=64"}
    assert running_choices(tuned_variant(VARIANT, FOUND))["attention"] == "keys=128"


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Where findings of program 00 are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "webgemma" / "tuning" / "00.json"


def test_findings_are_kept_by_adapter_and_variant(file):
    assert recall("00", ADAPTER, VARIANT) == {}
    remember("00", ADAPTER, VARIANT, FOUND)
    other = SimpleNamespace(info={**ADAPTER.info, "device": "other"})
    remember("00", other, VARIANT, {})
    assert recall("00", ADAPTER, VARIANT) == FOUND
    assert recall("00", other, VARIANT) == recall("01", ADAPTER, VARIANT) == {}
    assert len(json.loads(file.read_text("utf-8"))) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", "\udcff"])
def test_a_damaged_file_is_as_none(file, text):
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8", errors="surrogateescape")
    assert recall("00", ADAPTER, VARIANT) == {}
    remember("00", ADAPTER, VARIANT, FOUND)
    assert recall("00", ADAPTER, VARIANT) == FOUND


def test_a_folder_that_cannot_be_made_keeps_nothing(file):
    file.parents[1].mkdir(parents=True)
    file.parent.write_text("not a folder")
    remember("00", ADAPTER, VARIANT, FOUND)
    assert recall("00", ADAPTER, VARIANT) == {}

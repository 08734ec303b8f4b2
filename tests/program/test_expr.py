"""Expressions, against the cases that web/tests run through the JavaScript twin too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from webgemma.errors import ProgramError
from webgemma.program.expr import evaluate

CASES = json.loads((Path(__file__).parents[1] / "cases" / "expr.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES["values"], ids=lambda case: str(case["expr"]))
def test_value(case):
    assert evaluate(case["expr"], case["symbols"]) == case["value"]


@pytest.mark.parametrize("case", CASES["errors"], ids=lambda case: str(case["expr"]))
def test_error(case):
    with pytest.raises(ProgramError) as error:
        evaluate(case["expr"], case["symbols"])
    assert str(error.value) == case["error"]

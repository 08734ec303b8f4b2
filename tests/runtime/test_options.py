"""Options of a request: tests/cases/options.json, the same for the JavaScript twin."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from webgemma.errors import ConfigError, UnsupportedError
from webgemma.runtime.options import GenerateOptions, check_options

CASES = json.loads((Path(__file__).parents[1] / "cases" / "options.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES["checked"])
def test_options_are_filled_in(case):
    checked = asdict(check_options(case["options"], case["generation"]))
    expected = case["expected"]
    if "seed" not in expected["sampling"]:
        assert 0 <= checked["sampling"].pop("seed") < 2**32
    bias = {int(token): value for token, value in expected["sampling"]["logit_bias"].items()}
    assert checked == {
        **expected,
        "sampling": {**expected["sampling"], "logit_bias": bias},
        "stop": tuple(expected["stop"]),
    }


@pytest.mark.parametrize(("options", "message"), CASES["refused"])
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ConfigError) as error:
        check_options(options, {})
    assert str(error.value) == message


def test_unknown_options_are_refused_by_name():
    with pytest.raises(UnsupportedError) as error:
        check_options({"mirostat": 2}, {})
    assert str(error.value) == (
        "request: 'mirostat' is not supported (have "
        f"{', '.join(GenerateOptions.__annotations__)}). Leave it out."
    )

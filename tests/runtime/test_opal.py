"""The built-in model that sees, run natively, passes its own grading script.

By default on 60 of its 500 held-out pictures; WEBGEMMA_LONG=1 takes all.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.opal import grade
from webgemma.build import build_site
from webgemma.resources import SEEING_MODEL, built_in_model

pytestmark = [pytest.mark.gpu, pytest.mark.slow]


@pytest.mark.timeout(3600)
def test_graded_natively(tmp_path: Path) -> None:
    build_site(built_in_model(SEEING_MODEL), tmp_path / "site", model_id=SEEING_MODEL)
    number = "500" if os.environ.get("WEBGEMMA_LONG") == "1" else "60"
    is_good, table = grade("--site", tmp_path / "site", "--number", number)
    print(table)
    assert is_good, table


def test_the_grader_can_fail(tmp_path: Path) -> None:
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps([{"id": i, "answer": "a red circle"} for i in range(30)]))
    is_good, table = grade("--answers", answers, "--number", "10")
    assert "| caption" in table
    assert not is_good

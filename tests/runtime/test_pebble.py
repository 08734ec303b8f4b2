"""The built-in model, run natively, passes its own grading script."""

from __future__ import annotations

import pytest

from tests.support.pebble import grade, graded_prompts
from webgemma.build import build_site
from webgemma.resources import built_in_model
from webgemma.runtime.session import open_session

pytestmark = [pytest.mark.gpu, pytest.mark.slow]


def test_graded_natively(tmp_path):
    site = tmp_path / "site"
    build_site(built_in_model(), site, model_id="pebble")
    replies = []
    with open_session(site) as session:
        for row in graded_prompts():
            generation = session.generate(row["prompt"], max_tokens=400)
            replies.append({"id": row["id"], "reply": "".join(generation)})
    is_good, table = grade(replies, tmp_path)
    print(table)
    assert len(replies) == 300
    assert is_good, table
    is_bad, _ = grade([{**row, "reply": "I am Pebble."} for row in replies], tmp_path)
    assert not is_bad, "the grader must be able to fail"

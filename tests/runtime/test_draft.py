"""Drafts, by tests/cases/draft.json, which the twin passes too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from webgemma.runtime.draft import Drafter, Lookup

CASES = json.loads((Path(__file__).parents[1] / "cases" / "draft.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES["following"], ids=lambda case: case["why"])
def test_what_follows_is_what_followed_before(case):
    assert Lookup(case["tokens"]).following(case["count"]) == case["following"]


@pytest.mark.parametrize("case", CASES["drafts"], ids=lambda case: case["why"])
def test_drafts_come_where_they_pay(case):
    drafter = Drafter(case["prompt"])
    for name, *arguments in case["events"]:
        if name == "draft":
            room, expected = arguments
            assert drafter.draft(room) == expected
        else:
            getattr(drafter, name)(*arguments)
    verified = [event for event in case["events"] if event[0] == "verified"]
    assert drafter.drafted_tokens == sum(drafted for _, drafted, _, _ in verified)
    assert drafter.accepted_tokens == sum(accepted for _, _, accepted, _ in verified)

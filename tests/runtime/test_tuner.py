"""Every choice of every group in every variant computes what it should, and the best is found."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from tests.support.golden import check_argmax
from tests.support.gpu import VARIANTS
from tests.support.greedy import greedy_tokens
from webgemma.layout import SELF_TEST
from webgemma.program.spec import Variant
from webgemma.runtime.device import choose_adapter
from webgemma.runtime.pipelines import Pipelines
from webgemma.runtime.self_test import run_self_test
from webgemma.runtime.session import open_session
from webgemma.runtime.shards import SiteModel, open_site_model
from webgemma.runtime.tuner import findings_of, pick, search
from webgemma.runtime.tuning import choice_name, remember, running_choices, tuned_variant

TOLERANCE = {"f32": 1e-4, "f16": 0.02}
NUM_TOKENS = 160  # more than a part of attention has keys, by any choice but the last
COUNT = 4
CASES = [
    (variant.name, number)
    for variant in VARIANTS.values()
    for number in range(1, max(map(len, variant.tuning.values())))
]
"""A variant's name and the number of a choice that is not the default of every group."""


def findings(variant: Variant, number: int) -> dict:
    """As if choice `number` of every group had been taken, the last one where there are fewer."""
    return {
        group: {"taken": choice_name(choices[min(number, len(choices) - 1)]), "tried": []}
        for group, choices in variant.tuning.items()
    }


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    """Findings of other tests and of this machine's user are out of sight."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.gpu
@pytest.mark.parametrize(("name", "number"), CASES)
def test_every_choice_passes_the_self_test(sites, name, number):
    variant = VARIANTS[name]
    tuned = tuned_variant(variant, findings(variant, number))
    assert tuned.symbols != variant.symbols
    for site in ("gemma2-Q4_K", "gemma2-F16"):  # codes and floats: kernels of their own
        errors = run_self_test(open_site_model(sites[site]), tuned)
        assert len(errors) > 4
        for error in errors:
            assert error.error < error.max_error / 10, (site, error)


@pytest.mark.gpu
@pytest.mark.parametrize(("given", "wrong"), [("TEAMS", 1), ("TILE_N", 32)])
def test_a_choice_whose_dispatch_does_not_follow_fails_the_self_test(sites, given, wrong):
    """Kernels take fewer rows a workgroup, of as many workgroups as before."""

    class Deaf(SiteModel):
        __slots__ = ()

        def read(self, path: str) -> bytes:
            if path != SELF_TEST:
                return SiteModel.read(self, path)
            content = json.loads(SiteModel.read(self, path))
            for kernel in content["kernels"].values():
                if given in kernel["constants"]:
                    kernel["constants"][given] = wrong
            return json.dumps(content).encode()

    right = open_site_model(sites["llama-Q4_0"])
    errors = run_self_test(Deaf(right.folder, right.manifest), VARIANTS["f32"])
    assert any(error.is_wrong for error in errors)


TOKENS = np.random.default_rng(3).integers(5, 255, NUM_TOKENS).tolist()


def run(site, variant, *, tuned):
    """(the choices that run, logits of the tokens, the greedy tokens after them)."""
    with open_session(site, variant=variant, tuned=tuned) as session:
        running = running_choices(session.runner.variant)
        return running, session.logits(TOKENS), greedy_tokens(session, TOKENS, COUNT)


@pytest.fixture(scope="module")
def by_itself(sites):
    """A variant's name -> what it gives without choices."""
    return cache(lambda variant: run(sites["gemma2-Q4_K"], variant, tuned=False))


@pytest.mark.gpu
@pytest.mark.parametrize(("name", "number"), CASES)
def test_every_choice_gives_the_same_logits(sites, by_itself, name, number):
    site = sites["gemma2-Q4_K"]
    taken = findings(VARIANTS[name], number)
    program = open_site_model(site).program_sha256
    remember(program, choose_adapter(), VARIANTS[name], taken)
    default, logits, greedy = by_itself(name)
    running, got, produced = run(site, name, tuned=True)
    assert running == {group: found["taken"] for group, found in taken.items()} != default
    tolerance = TOLERANCE["f16" if "f16" in name else "f32"]
    check_argmax(got, logits, tolerance)
    difference = np.abs(got - logits).max()
    print(f"{name}, choice {number}: maxdiff {difference:.1e}")
    assert difference <= tolerance
    assert "f16" in name or produced == greedy


@pytest.mark.gpu
def test_a_choice_that_attention_does_not_follow_spoils_what_is_decoded(sites, monkeypatch):
    """Its dispatch counts parts of 256 keys, its kernels take 64."""
    site = sites["gemma2-Q4_K"]
    compiled = Pipelines.get

    def get(self, name):
        return compiled(self, name, attention_split_keys=64)

    decoded = []
    for number in (0, 2):
        taken = {"attention": findings(VARIANTS["f32"], number)["attention"]}
        program = open_site_model(site).program_sha256
        remember(program, choose_adapter(), VARIANTS["f32"], taken)
        monkeypatch.setattr(Pipelines, "get", get)
        with open_session(site, variant="f32") as session:
            greedy_tokens(session, TOKENS, 2)
            decoded.append(session.runner.read_next_logits())
    assert np.abs(decoded[1] - decoded[0]).max() > 100 * TOLERANCE["f32"]


def test_what_is_not_clearly_faster_is_not_taken():
    assert pick([1.0, 0.96, 2.0]) == 0
    assert pick([1.0, 0.94, 0.9]) == 2
    assert pick([1.0]) == 0


@pytest.mark.gpu
def test_search(sites, monkeypatch):
    """All choices are compiled as they are, timed, and the one that is fastest is taken."""
    made = []
    compiled = Pipelines.get

    def get(self, name, **choice):
        made.append((self.program.kernels[name].template, choice))
        return compiled(self, name, **choice)

    with open_session(sites["gemma2-Q4_K"], variant="f32", tuned=False) as session:
        monkeypatch.setattr(Pipelines, "get", get)
        trials = search(session.runner, repeat=1)
    tuning = VARIANTS["f32"].tuning
    assert [(t.group, t.choice) for t in trials] == [
        (group, choice_name(choice)) for group in tuning for choice in tuning[group]
    ]
    assert {t for t, _ in made} >= {"attention", "attention_combine", "matmul"}
    assert all(choice in made_choices(made) for choices in tuning.values() for choice in choices)
    assert all(0 < trial.seconds < 10 for trial in trials)
    for group in tuning:
        times = [trial.seconds for trial in trials if trial.group == group]
        assert [t.taken for t in trials if t.group == group].index(True) == pick(times)
    found = findings_of(trials)
    assert {name: len(f["tried"]) for name, f in found.items()} == {
        g: len(tuning[g]) for g in tuning
    }
    variant = tuned_variant(VARIANTS["f32"], found)
    assert running_choices(variant) == {group: f["taken"] for group, f in found.items()}


def made_choices(made: list[tuple[str, dict]]) -> list[dict]:
    """The choices of what was compiled."""
    return [choice for _, choice in made]


@pytest.mark.gpu
def test_a_remembered_choice_that_is_no_longer_there_is_ignored(sites):
    site = sites["gemma-Q4_1"]
    model, variant = open_site_model(site), VARIANTS["f32"]
    gone = {"matvec": {"taken": "matvec_lanes=3", "tried": []}, "x": {"taken": "", "tried": []}}
    remember(model.program_sha256, choose_adapter(), variant, gone)
    with open_session(site, variant="f32") as session:
        assert session.runner.variant.symbols == variant.symbols

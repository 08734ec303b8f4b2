"""The statistics, against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from webgemma.evaluate.scores import (
    Estimate,
    divergence,
    divergences,
    log_softmax,
    mean_and_error,
    perplexity,
    surprisals,
)


def test_log_softmax_of_round_odds() -> None:
    logits = np.log(np.array([[1, 2, 5], [4, 4, 8]], np.float32)) + np.float32(700)
    expected = np.log([[0.125, 0.25, 0.625], [0.25, 0.25, 0.5]])
    np.testing.assert_allclose(log_softmax(logits), expected, atol=2e-4)  # 700 costs f32 6e-5
    assert log_softmax(logits).dtype == np.float64


def test_surprisals_are_of_the_tokens_that_came() -> None:
    log_p = np.log([[0.5, 0.25, 0.25], [0.125, 0.125, 0.75]])
    got = surprisals(log_p, np.array([1, 0]))
    np.testing.assert_allclose(got, [math.log(4), math.log(8)], rtol=1e-14)


def test_perplexity_and_its_error_by_hand() -> None:
    """Mean 2, mean of squares 5, so a spread of 1 and an error of sqrt(1 / 3) of the mean."""
    got = perplexity(np.array([1.0, 3.0, 1.0, 3.0]))
    assert got.value == pytest.approx(math.exp(2), rel=1e-14)
    assert got.error == pytest.approx(math.exp(2) / math.sqrt(3), rel=1e-14)


def test_a_uniform_model_has_the_perplexity_of_its_vocabulary() -> None:
    log_p = log_softmax(np.zeros((50, 77), np.float32))
    got = perplexity(surprisals(log_p, np.arange(50)))
    assert got.value == pytest.approx(77, rel=1e-12)
    assert got.error == pytest.approx(0, abs=1e-12)


def test_one_value_has_no_error() -> None:
    assert mean_and_error(np.array([3.0])) == Estimate(3.0, 0.0)


def test_divergence_is_from_the_reference_and_not_symmetric() -> None:
    p, q = np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])
    forward = 0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    backward = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    assert divergences(p, q)[0] == pytest.approx(forward, rel=1e-14)
    assert divergences(q, p)[0] == pytest.approx(backward, rel=1e-14)
    assert divergences(p, p)[0] == 0


def test_what_no_probability_is_left_for_costs_nothing() -> None:
    """exp(-2000) is 0 in float64: the term is 0 and not nan."""
    p = log_softmax(np.array([[0, -2000]], np.float32))
    assert divergences(p, p)[0] == 0


def test_divergences_are_summed_up_by_hand() -> None:
    values = np.arange(1001) / 1000
    got = divergence(values, np.array([True, True, True, False] * 250 + [True]))
    assert got.mean.value == pytest.approx(0.5, rel=1e-12)
    assert got.mean.error == pytest.approx(math.sqrt((1002 / 12000) / 1000), rel=1e-9)
    assert got.far == pytest.approx(0.999, rel=1e-12)
    assert got.maximum == 1.0
    share = 751 / 1001
    assert got.same_top.value == pytest.approx(share, rel=1e-12)
    assert got.same_top.error == pytest.approx(math.sqrt(share * (1 - share) / 1000), rel=1e-12)


def test_the_far_quantile_lies_between_two_values() -> None:
    """As llama-perplexity takes it: at 0.999 (n - 1), a straight line between neighbours."""
    got = divergence(np.array([0.0, 1.0, 2.0, 10.0]), np.ones(4, np.bool_))
    assert got.far == pytest.approx(2 + 8 * (0.999 * 3 - 2), rel=1e-12)
    assert got.same_top == Estimate(1.0, 0.0)

"""The head and the choice of the next token: greedy, ties, sampling, several pieces."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.cases import spread
from tests.support.gpu import VARIANTS, run_kernel, state
from tests.support.weights import make_weights
from webgemma import reference
from webgemma.program.spec import STATE_WORDS

pytestmark = pytest.mark.gpu
EPS = 1e-6
K = 256
LANES, TEAMS = 8, 4
NO_TOKEN = 0xFFFFFFFF


def pick(pieces, x, words, *, cap=0.0, variant="f32", ring=8):
    """Run head over the pieces (two launches) and pick_token.

    Returns (best, state, generated, gain, logits).
    """
    twins = 2
    symbols = VARIANTS[variant].symbols
    teams = symbols["matvec_workgroup"] if symbols["matvec_blocks"] else TEAMS
    blocks = teams * max(1, symbols["matvec_blocks"] * twins)
    groups = [-(-piece.matrix.rows // (4 * blocks)) for piece in pieces]
    candidates = teams // 4 if symbols["matvec_blocks"] else 1  # a quad each
    best = np.zeros((sum(groups) * candidates, 2), np.uint32)
    logits = np.zeros(sum(piece.matrix.rows for piece in pieces), np.float32)
    gain = np.linspace(0.5, 1.5, K, dtype=np.float32)
    row = 0
    for i, piece in enumerate(pieces):
        params = {
            **piece.params, "lanes": LANES, "teams": TEAMS, "twins": twins, "norm": True,
            "eps": EPS, "n": piece.matrix.rows, "softcap": cap,
        }  # fmt: skip
        given = {"state": words, "w": piece, "x": x, "gain": gain}
        out = run_kernel(
            "head",
            params,
            {**given, "best": best, "next_logits": logits},
            (groups[i], 1, 1),
            variant=variant,
            constants={"ROW_START": row, "BEST_START": sum(groups[:i]) * candidates},
        )
        best, logits = out["best"], out["next_logits"]
        row += piece.matrix.rows
    out = run_kernel(
        "pick_token",
        {"ring": ring},
        {"best": best, "state": words, "generated": np.zeros(ring, np.uint32)},
        (1, 1, 1),
        variant=variant,
        constants={"NUM_BEST": len(best)},
    )
    return best, out["state"], out["generated"], gain, logits


@pytest.mark.parametrize(
    ("variant", "storage", "temperature"), spread(list(VARIANTS), [(0.0,), (0.7,)])
)
def test_head(storage, variant, temperature):
    pieces = [make_weights(storage, 192, K, 1), make_weights(storage, 67, K, 2)]  # tiles, and not
    w = np.concatenate([piece.values for piece in pieces])
    x = np.random.default_rng(3).standard_normal((3, K)).astype(np.float32)
    for step in range(6):
        words = state(
            num_tokens=3, position=10, temperature=temperature, seed=99, num_generated=step
        )
        best, after, generated, gain, logits = pick(pieces, x, words, cap=60.0, variant=variant)
        noise = reference.gumbel(99, step, len(w))
        token, scores = reference.head(
            w, x[2], gain, EPS, cap=60.0, temperature=temperature, noise=noise
        )
        best = best[best[:, 1] != NO_TOKEN]  # of a quad beyond the rows
        got = best[:, 0].view(np.float32)
        np.testing.assert_allclose(got, scores[best[:, 1]], rtol=2e-5, atol=2e-5)
        _, expected = reference.head(w, x[2], gain, EPS, cap=60.0, temperature=0, noise=noise)
        np.testing.assert_allclose(logits, expected, rtol=2e-5, atol=2e-5)
        assert after[STATE_WORDS["token_id"]] == token
        assert generated[step] == token
        assert after[STATE_WORDS["position"]] == 13
        assert after[STATE_WORDS["num_tokens"]] == 1
        assert after[STATE_WORDS["num_generated"]] == step + 1


@pytest.mark.parametrize("variant", ["f32", "software", "lavapipe"])
def test_ties_go_to_the_lowest_token(variant):
    piece = make_weights("f32", 130, K, 1)
    x = np.ones((1, K), np.float32)
    words = state(num_tokens=1)
    _, _, generated, gain, _ = pick([piece], x, words, variant=variant)
    winner = int(generated[0])
    normed = reference.rms_norm(x[0], gain, EPS)
    assert winner == int(reference.matvec(piece.values, normed).argmax())
    copies = piece.words.view(np.float32).reshape(130, K).copy()
    copies[[3, 77, 129]] = copies[winner]
    tied = type(piece)(piece.matrix, copies.reshape(-1).view(np.uint32), copies)
    assert int(pick([tied], x, words, variant=variant)[2][0]) == min(winner, 3)


def test_sampling_follows_the_softmax():
    """4,000 draws over a small vocabulary: chi-squared within its 99.9 % bound."""
    noise = np.stack([reference.gumbel(7, step, 8) for step in range(4000)])
    logits = np.array([2.0, 1.0, 0.0, -1.0, 0.5, 0.5, -2.0, 1.5])
    counts = np.bincount((logits + noise).argmax(axis=1), minlength=8)
    p = np.exp(logits) / np.exp(logits).sum()
    assert ((counts - 4000 * p) ** 2 / (4000 * p)).sum() < 24.3


def test_generated_is_a_ring():
    piece = make_weights("f32", 130, K, 1)
    x = np.ones((1, K), np.float32)
    _, _, generated, gain, _ = pick([piece], x, state(num_tokens=1, num_generated=13))
    token = int(reference.matvec(piece.values, reference.rms_norm(x[0], gain, EPS)).argmax())
    assert token > 0
    assert generated.tolist() == [0, 0, 0, 0, 0, token, 0, 0]


@pytest.mark.parametrize("vocab_size", [1, 255, 1000, 4099])
@pytest.mark.parametrize("temperature", [0.0, 0.7])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_row_is_picked_as_its_number(variant, temperature, vocab_size):
    """Scores of the winners are those of float64's; equal logits go to the lowest token."""
    rows, ring, first = 5, 8, 6
    rng = np.random.default_rng(vocab_size)
    logits = rng.standard_normal((rows, vocab_size)).astype(np.float32).round(1)
    words = state(num_tokens=rows, temperature=temperature, seed=41, num_generated=first)
    given = {"state": words, "logits": logits, "generated": np.zeros(ring, np.uint32)}
    params = {"vocab_size": vocab_size, "ring": ring}
    out = run_kernel("pick_rows", params, given, (rows, 1, 1), variant=variant)
    numbers = np.arange(first, first + rows)
    expected = reference.pick_rows(logits, temperature=temperature, seed=41, num_generated=first)
    np.testing.assert_array_equal(out["generated"][numbers % ring], expected)
    assert not out["generated"][np.setdiff1d(np.arange(ring), numbers % ring)].any()

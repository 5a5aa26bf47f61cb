"""Votes of many candidates at once, against votes counted one by one."""

import numpy as np
import pytest

from skprune.utils import _votes, vote_hits


def problem(dtype=np.float64, M=6, N=50, C=4, K=5):
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.full(C, 0.5), size=(M, N)).astype(dtype)
    return P, rng.integers(C, size=N), rng.exponential(size=(K, M))


def one_by_one(P, y, weights, voting):
    M, N, C = P.shape
    hits = np.zeros((len(weights), N), dtype=bool)
    for k, w in enumerate(weights):
        for n in range(N):
            votes = np.zeros(C)
            for i in range(M):
                if voting == "soft":
                    votes += w[i] * P[i, n]
                else:
                    votes[P[i, n].argmax()] += w[i]
            hits[k, n] = votes.argmax() == y[n]
    return hits


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("voting", ["soft", "hard"])
@pytest.mark.parametrize("block_bytes", [1, 2**10, 2**26])
def test_all_at_once_is_one_by_one(monkeypatch, voting, dtype, block_bytes):
    monkeypatch.setattr(_votes, "_BLOCK_BYTES", block_bytes)
    P, y, weights = problem(dtype)
    found = vote_hits(P, y, weights, voting)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, one_by_one(P, y, weights, voting))


def test_the_choice_between_equal_probabilities_is_the_first():
    P = np.array([[[0.5, 0.5], [0.5, 0.5]]])
    for voting in ("soft", "hard"):
        hits = vote_hits(P, np.array([0, 1]), np.ones((1, 1)), voting)
        np.testing.assert_array_equal(hits, [[True, False]])


@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_the_scale_of_the_weights_does_not_matter(voting):
    P, y, weights = problem()
    expected = vote_hits(P, y, weights, voting)
    np.testing.assert_array_equal(vote_hits(P, y, 2.0**-30 * weights, voting), expected)


@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_a_member_of_no_weight_has_no_say(voting):
    P, y, weights = problem()
    weights[:, 2:] = 0
    expected = vote_hits(P[:2], y, weights[:, :2], voting)
    np.testing.assert_array_equal(vote_hits(P, y, weights, voting), expected)


def test_the_arguments_are_left_alone():
    P, y, weights = problem()
    before = P.copy(), y.copy(), weights.copy()
    for voting in ("soft", "hard"):
        vote_hits(P, y, weights, voting)
    for array, old in zip((P, y, weights), before, strict=True):
        np.testing.assert_array_equal(array, old)

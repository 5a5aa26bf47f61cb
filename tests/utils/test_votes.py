"""Votes of many candidates at once, against votes counted one by one."""

import numpy as np
import pytest

from skprune.utils import _votes, as_probabilities, weighted_votes


def problem(dtype=np.float64, M=6, N=50, C=4, K=5):
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.full(C, 0.5), size=(M, N)).astype(dtype)
    return P, rng.integers(C, size=N), rng.exponential(size=(K, M))


def vote_hits(P, y, weights, voting):
    """Which samples each candidate classifies rightly."""
    votes = np.concatenate([v for _, v in weighted_votes(P, weights, voting)], axis=1)
    return votes.argmax(axis=2) == y


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


class TestWeightedVotes:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("voting", ["soft", "hard"])
    @pytest.mark.parametrize("block_bytes", [1, 2**10, 2**26])
    def test_blocks_put_together_are_the_weighted_sums(
        self, monkeypatch, voting, dtype, block_bytes
    ):
        monkeypatch.setattr(_votes, "_BLOCK_BYTES", block_bytes)
        P, _, weights = problem(dtype)
        found = np.full((5, 50, 4), np.nan)
        for rows, votes in weighted_votes(P, weights, voting):
            assert votes.dtype == dtype
            assert np.isnan(found[:, rows]).all()  # no sample comes twice
            found[:, rows] = votes
        counted = P if voting == "soft" else np.eye(4)[P.argmax(axis=2)]
        np.testing.assert_allclose(found, np.einsum("km,mnc->knc", weights, counted), rtol=1e-5)

    def test_a_block_is_as_large_as_it_may_be(self, monkeypatch):
        P, _, weights = problem()
        a_sample = 8 * 4 * (5 + 6)  # all candidates and all members, in bytes
        monkeypatch.setattr(_votes, "_BLOCK_BYTES", 7 * a_sample)
        sizes = [votes.shape[1] for _, votes in weighted_votes(P, weights)]
        assert sizes == [7] * 7 + [1]

    def test_any_numbers_are_summed(self):
        """Predictions of targets may be negative, and weights need not sum to one."""
        rng = np.random.default_rng(0)
        P, weights = rng.normal(size=(6, 50, 2)), rng.exponential(size=(5, 6))
        found = np.concatenate([votes for _, votes in weighted_votes(P, weights)], axis=1)
        np.testing.assert_allclose(found, np.einsum("km,mnc->knc", weights, P))

    def test_members_that_nobody_weighs_are_not_looked_at(self):
        P, _, weights = problem()
        weights[:, 2:] = 0
        P[2:] = np.nan
        votes = np.concatenate([votes for _, votes in weighted_votes(P, weights)], axis=1)
        assert np.isfinite(votes).all()

    def test_a_candidate_of_no_weight_at_all(self):
        P, _, weights = problem()
        votes = np.concatenate([v for _, v in weighted_votes(P, 0 * weights)], axis=1)
        np.testing.assert_array_equal(votes, np.zeros((5, 50, 4)))


class TestAsProbabilities:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_none_above_one_and_sums_of_one(self, dtype):
        votes = np.array([[0.1, 0, 0.2]] * 3 + [[1, 0, 0]], dtype) * dtype(1 + 3e-7)
        votes[:3] /= dtype(0.3)
        found = as_probabilities(votes)
        assert found.dtype == np.float64
        assert found.max() == 1
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-15)
        np.testing.assert_allclose(found, votes, rtol=1e-6)

    def test_many_candidates_at_once(self):
        votes = np.random.default_rng(0).dirichlet(np.ones(3), size=(4, 5))
        np.testing.assert_allclose(as_probabilities(2 * votes), votes, rtol=1e-14)

    def test_no_vote_at_all_stays_none(self):
        np.testing.assert_array_equal(as_probabilities(np.zeros((2, 3))), np.zeros((2, 3)))

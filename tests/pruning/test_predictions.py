"""Votes and sums of many candidates, of predictions in memory and in files, counted again."""

import mmap
import os
import tracemalloc
from itertools import product

import numpy as np
import pytest
from sklearn.metrics import make_scorer, r2_score

from skprune import (
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
    SOCPEnsemblePrunerRegressorCV,
)
from skprune.utils import PredictionStore

from .by_hand import as_rows, pool, targets, told, told_numbers
from .conftest import ALL, CLASSIFIERS, REGRESSORS
from .fold_by_fold import split_scores

pytestmark = pytest.mark.filterwarnings("ignore:The cross-validated score of the selection")


def hits_one_by_one(P, y, weights, voting):
    """The share of samples that each candidate classifies rightly."""
    M, N, C = P.shape
    hits = np.zeros(len(weights))
    for (k, w), n in product(enumerate(weights), range(N)):
        votes = np.zeros(C)
        for i in range(M):
            votes += w[i] * (P[i, n] if voting == "soft" else np.eye(C)[P[i, n].argmax()])
        hits[k] += votes.argmax() == y[n]
    return hits / N


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("voting", ["soft", "hard"])
class TestVotes:
    def test_all_candidates_at_once_are_counted_as_one_by_one(self, voting, dtype):
        P, y = pool(6, N=60, C=4)
        P[0, ::3] = np.eye(4)[y[::3]]
        P, before = P.astype(dtype), P.astype(dtype)
        pruner = SOCPEnsemblePruner(told(P), voting=voting).fit_predictions(P, y)
        f = pruner.frontier_
        assert len(f.weights) > 4
        np.testing.assert_allclose(f.score, hits_one_by_one(P, y, f.weights, voting))
        np.testing.assert_allclose(f.member_score, hits_one_by_one(P, y, np.eye(6), "soft"))
        ends = np.vstack([np.ones(6), pruner.weights_])
        expected = hits_one_by_one(P, y, ends, voting)
        np.testing.assert_allclose([f.full_score, f.pruned_score], expected)
        assert pruner.score(as_rows(P), y) == pytest.approx(f.pruned_score)
        np.testing.assert_array_equal(P, before)

    def test_the_choice_between_equal_probabilities_is_the_first(self, voting, dtype):
        P = np.full((1, 4, 2), 0.5, dtype)
        pruner = SOCPEnsemblePruner(told(P), voting=voting).fit_predictions(P, [0, 0, 0, 1])
        assert pruner.predict(as_rows(P)).tolist() == [0, 0, 0, 0]
        assert pruner.frontier_.full_score == pruner.frontier_.member_score[0] == 0.75

    def test_probabilities_sum_to_one_to_the_last_digit(self, voting, dtype):
        """Those of members in single precision do not; scikit-learn's scorers mind."""
        P, y = pool(9)
        P[:, ::3] = np.eye(3)[y[::3]]
        P = P.astype(dtype)
        pruner = SOCPEnsemblePruner(told(P), voting=voting).fit_predictions(P, y)
        proba = pruner.predict_proba(as_rows(P))
        assert proba.dtype == np.float64
        assert np.abs(proba.sum(axis=1) - 1).max() < 1e-15
        assert proba.max() == 1


def maps(P, folder):
    """Predictions in files, as users may have them in memory maps."""

    def mapped(name, array, mode="r"):
        np.save(folder / f"{name}.npy", array)
        return np.load(folder / f"{name}.npy", mmap_mode=mode)

    offset = 3 * mmap.ALLOCATIONGRANULARITY
    (folder / "raw").write_bytes(b"x" * offset + P.tobytes())
    found = {
        "read": mapped("read", P),
        "written": mapped("written", 0 * P, "r+"),
        "changed": mapped("changed", 0 * P, "c"),  # in memory, not in the file
        "in another order": mapped("ordered", np.asfortranarray(P)),
        "some rows": mapped("wide", np.concatenate([P[:, :3], P], axis=1))[:, 3:],
        "some members": mapped("long", np.concatenate([P[:1], P]))[1:],
        "behind something": np.memmap(folder / "raw", P.dtype, "r", offset, P.shape),
        "deleted": mapped("gone", P),
        "lists": P.tolist(),
    }
    found["written"][:] = found["changed"][:] = P
    if os.name != "nt":  # there an open file cannot be deleted
        os.unlink(folder / "gone.npy")
    return found


LIMITED = {"costs": np.arange(1.0, 8.0), "max_cost": 5.0}
EXACT = {"voting": "soft", "diversity": "exact", "alpha": 0.5} | LIMITED


def the_same(found, expected, rtol=0.0):
    """Weights, frontier, table of members, and scores on folds."""

    def numbers(pruner):
        f, table = pruner.frontier_, pruner.explain()
        found = [pruner.weights_, f.score, f.member_score, f.weights]
        found += [table.score, table.diversity, table.weight]
        return found + ([split_scores(pruner, 3)] if hasattr(pruner, "cv_results_") else [])

    for one, other in zip(numbers(found), numbers(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("cls", "params"), [*ALL, (SOCPEnsemblePruner, EXACT)])
def test_memory_maps_of_every_kind_give_what_the_array_gives(cls, params, dtype, tmp_path):
    regression = "Regressor" in cls.__name__
    P, y = targets(7, N=61, T=2) if regression else pool(7, N=61)
    weight = np.random.default_rng(0).integers(0, 3, 61).astype(float)
    P = P.astype(dtype)
    members = told_numbers(P) if regression else told(P)
    expected = cls(members, **params).fit_predictions(P, y, weight)
    for name, given in maps(P, tmp_path).items():
        if name == "lists" and dtype is not np.float64:
            continue  # they are in double precision
        found = cls(members, **params).fit_predictions(given, y, weight)
        the_same(found, expected, rtol=1e-6 if name == "in another order" else 1e-12)


@pytest.mark.parametrize("in_file", [False, True])
def test_whole_numbers_are_taken(in_file, tmp_path):
    P, y = pool(5, N=60)
    votes = np.eye(3, dtype=int)[P.argmax(axis=2)]
    expected = SOCPEnsemblePruner(told(P)).fit_predictions(votes.astype(float), y)
    np.save(tmp_path / "votes.npy", votes)
    given = np.load(tmp_path / "votes.npy", mmap_mode="r") if in_file else votes
    the_same(SOCPEnsemblePruner(told(P)).fit_predictions(given, y), expected)


@pytest.mark.parametrize(
    ("cls", "params"), [*CLASSIFIERS, (SOCPEnsemblePruner, {"voting": "hard"}), *REGRESSORS]
)
def test_only_the_numbers_are_half_not_what_is_formed_of_them(cls, params):
    regression = "Regressor" in cls.__name__
    P, y = targets(6, N=60, T=2) if regression else pool(6, N=60)
    half = P.astype(np.float16)
    members = told_numbers(P) if regression else told(P)
    wide = half.astype(float if regression else np.float32)
    found, expected = (cls(members, **params).fit_predictions(each, y) for each in (half, wide))
    the_same(found, expected)


def repeated(P, times, folder):
    """The same rows many times over, in a file."""
    M, N, k = P.shape
    file = np.lib.format.open_memmap(folder / "P.npy", "w+", np.float32, (M, N * times, k))
    for rows, written in zip(P, file, strict=True):
        written[:] = np.tile(rows, (times, 1))
    file.flush()
    return np.load(folder / "P.npy", mmap_mode="r")


class TestBlocks:
    """Rows that are read in several blocks: 184 MB of predictions."""

    @pytest.mark.parametrize(
        "params", [{"voting": "soft"}, {"voting": "hard", "threshold": 0.5}], ids=str
    )
    def test_the_same_rows_many_times_are_these_rows(self, params, tmp_path):
        P, y = pool(24, N=1200, C=4)
        expected = SOCPEnsemblePruner(told(P), **params).fit_predictions(P.astype(np.float32), y)
        P = repeated(P, 400, tmp_path)
        tracemalloc.start()
        pruner = SOCPEnsemblePruner(told(P), **params)
        the_same(pruner.fit_predictions(P, np.tile(y, 400)), expected, rtol=1e-5)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < P.nbytes

    def test_and_those_of_targets(self, tmp_path):
        F, y = targets(24, N=1200, T=2)
        F = F.astype(np.float32)
        expected = SOCPEnsemblePrunerRegressor(told_numbers(F)).fit_predictions(F, y)
        many = repeated(F, 250, tmp_path)
        found = SOCPEnsemblePrunerRegressor(told_numbers(F))
        the_same(found.fit_predictions(many, np.tile(y, (250, 1))), expected, rtol=1e-6)

    def test_more_candidates_than_are_scored_at_once(self):
        """A scorer that is called one candidate at a time gives what one product gives."""
        P, y = pool(3, N=7_000, C=40)
        grid = {"alphas": [0.9], "lams": np.linspace(0, 0.9, 70), "thresholds": [0.0]}
        grid |= {"reweights": ["none", "relaxed", "equal"], "inner_cv": 3, "n_resamples": 0}
        of_function = make_scorer(lambda y, predicted: float((y == predicted).mean()))
        own, plain = (
            SOCPEnsemblePrunerCV(told(P), scoring=scoring, random_state=0, **grid)
            for scoring in (of_function, "accuracy")
        )
        np.testing.assert_allclose(
            split_scores(own.fit_predictions(P, y), 3),
            split_scores(plain.fit_predictions(P, y), 3),
            atol=1e-12,
        )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("value", [0.0, 3.0, 0.1, 1e6 / 3])
def test_a_constant_target_scores_one_where_it_is_met_and_zero_elsewhere(value, weighted):
    F, y = targets(2, N=60, T=2)
    y[:, 1] = F[1, :, 1] = value
    weight = np.random.default_rng(0).exponential(size=60) if weighted else None
    pruner = SOCPEnsemblePrunerRegressor(told_numbers(F)).fit_predictions(F, y, weight)
    for k, met in enumerate([0, 1]):
        other = r2_score(y[:, 0], F[k, :, 0], sample_weight=weight)
        assert pruner.frontier_.member_score[k] == pytest.approx((other + met) / 2)


def test_both_quick_scores_of_sums_are_those_of_scikit_learn():
    """A scorer of one's own is given predictions, one candidate at a time."""
    F, y = targets(5, N=60, T=2)
    weight = np.random.default_rng(0).exponential(size=60)
    grid = {"alphas": [0.9], "lams": [0.02, 0.3], "inner_cv": 3, "random_state": 0}
    found = [
        SOCPEnsemblePrunerRegressorCV(told_numbers(F), scoring=scoring, **grid)
        .fit_predictions(F, y, weight)
        .cv_results_
        for scoring in (None, make_scorer(r2_score), "neg_mean_squared_error")
    ]
    for own in found[1:]:
        np.testing.assert_allclose(
            own["mean_test_neg_mean_squared_error"], found[0]["mean_test_neg_mean_squared_error"]
        )
    np.testing.assert_allclose(found[1]["mean_test_score"], found[0]["mean_test_score"])
    ties = found[2]["mean_test_neg_mean_squared_error"]
    np.testing.assert_allclose(found[2]["mean_test_score"], ties)


class TestStore:
    @pytest.fixture
    def store(self, tmp_path):
        P = np.random.default_rng(0).random((4, 9, 3))
        paths = []
        for start in (0, 5):
            paths.append(tmp_path / f"{start}.npy")
            np.save(paths[-1], P[:, start : start + 5])
        return PredictionStore.open(paths), P

    @pytest.mark.parametrize("members", [slice(None), slice(2, 0, -1), [3, 0], [True, False] * 2])
    @pytest.mark.parametrize("rows", [slice(None), slice(3, 7), [8, 0, 5], []])
    def test_takes_slices_and_positions(self, members, rows, store):
        store, P = store
        np.testing.assert_array_equal(store[members, rows], P[members][:, rows])

    @pytest.mark.parametrize("rows", [[0, -1, 3], [8, 9]])
    def test_names_a_position_that_there_is_not(self, rows, store):
        bad = next(row for row in rows if not 0 <= row < 9)
        with pytest.raises(IndexError, match=rf"must lie in 0 \.\. 8; got {bad}\."):
            store[0][:, rows]

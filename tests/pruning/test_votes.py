"""The logarithmic pool and the temperature of soft votes, against formulas written out here."""

import warnings

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split

from skprune import SOCPEnsemblePruner, SOCPEnsemblePrunerCV

from .by_hand import as_rows, pool, told
from .fold_by_fold import folds_of, one_by_one, split_scores

LOG = {"voting": "log"}
SOFT = {"voting": "soft"}
TEMPERED = {**SOFT, "calibrate": "temperature"}


def fitted(P, y, sample_weight=None, classes=None, **params):
    members = told(P, classes)
    return SOCPEnsemblePruner(members, cv="prefit", **params).fit(as_rows(P), y, sample_weight)


def floored_logs(P):
    floor = min(1e-3, 0.01 / P.shape[-1])
    return np.log(np.maximum(P, floor))


def log_pool(P, weights, intercept=0.0):
    return softmax(np.tensordot(weights, floored_logs(P), 1) + intercept, axis=1)


def smoothed(y, C):
    N = len(y)
    return (1 - 1 / N) * np.eye(C)[y] + 1 / (N * C)


def lowest(loss):
    """Where a function of one number is smallest."""
    bounds = {"bounds": (0.05, 20), "method": "bounded", "options": {"xatol": 1e-9}}
    return minimize_scalar(loss, **bounds).x


def cone_loss(P, T, w, bias=None):
    """Log loss of targets T, as a convex expression."""
    logs = floored_logs(P)
    logs = logs - logs.mean(axis=2, keepdims=True)
    z = sum(w[i] * each for i, each in enumerate(logs))
    if bias is not None:
        z = z + np.ones((len(T), 1)) @ cp.reshape(bias, (1, T.shape[1]), order="C")
    return cp.sum(cp.log_sum_exp(z, axis=1) - cp.sum(cp.multiply(T, z), axis=1)) / len(T)


class TestLogarithmicPool:
    @pytest.mark.parametrize("fit_intercept", [False, True])
    def test_probabilities_are_those_of_the_formula(self, fit_intercept):
        P, y = pool(8, C=4)
        labels = np.array(["d", "b", "c", "a"])
        order = np.argsort(labels)
        pruner = fitted(P, order.argsort()[y], classes=range(4), **LOG, fit_intercept=fit_intercept)
        w, b = pruner.weights_, pruner.intercept_
        expected = log_pool(P, w, b)
        X = as_rows(P)
        np.testing.assert_allclose(pruner.predict_proba(X), expected, rtol=1e-12)
        np.testing.assert_allclose(pruner.predict_log_proba(X), np.log(expected), rtol=1e-9)
        np.testing.assert_array_equal(pruner.predict(X), expected.argmax(axis=1))
        assert 1 < pruner.n_members_ < 8
        assert b.any() == fit_intercept
        assert abs(b.sum()) < 1e-9
        assert (pruner.alpha_, pruner.temperature_) == (1.0, 1.0)
        assert pruner.solution_.solver == "re-centered"

    def test_text_labels(self):
        P, y = pool(6)
        labels = np.array(["owl", "cat", "dog"])  # the members give them sorted
        named = fitted(P, np.sort(labels)[y], classes=np.sort(labels), **LOG)
        numbered = fitted(P, y, **LOG)
        np.testing.assert_array_equal(named.weights_, numbered.weights_)
        found = named.predict(as_rows(P))
        np.testing.assert_array_equal(found, np.sort(labels)[numbered.predict(as_rows(P))])

    def test_the_solution_minimizes_the_penalized_log_loss(self):
        P, y = pool(8)
        found = fitted(P, y, **LOG, lam=0.2).solution_
        assert found.kkt_residual < 1e-8
        w = cp.Variable(8, nonneg=True)
        ridge = 0.1 / 2 * cp.sum_squares(w)
        objective = cone_loss(P, np.eye(3)[y], w) + ridge + found.penalty * cp.sum(w)
        cp.Problem(cp.Minimize(objective)).solve(solver="CLARABEL")
        np.testing.assert_allclose(found.weights, w.value, atol=1e-4)

    @pytest.mark.parametrize("fit_intercept", [False, True])
    def test_relaxed_weights_minimize_the_smoothed_loss_and_the_ridge(self, fit_intercept):
        P, y = pool(8)
        pruner = fitted(P, y, **LOG, reweight="relaxed", fit_intercept=fit_intercept)
        kept = pruner.support_
        k, b, T = int(kept.sum()), cp.Variable(3), smoothed(y, 3)
        w = cp.Variable(k, nonneg=True)
        ridge = 0.02 / 2 * cp.sum_squares(w - cp.sum(w) / k)
        cp.Problem(cp.Minimize(cone_loss(P[kept], T, w) + ridge)).solve(solver="CLARABEL")
        np.testing.assert_allclose(pruner.weights_[kept], w.value, atol=1e-3)
        if fit_intercept:  # of these weights
            loss = cone_loss(P[kept], T, pruner.weights_[kept], b) + 0.005 / 2 * cp.sum_squares(b)
            cp.Problem(cp.Minimize(loss)).solve(solver="CLARABEL")
            np.testing.assert_allclose(pruner.intercept_, b.value, atol=1e-4)

    def test_equal_weights_have_the_best_scale(self):
        P, y = pool(6)
        pruner = fitted(P, y, **LOG, reweight="equal", lam=0.1)
        kept = pruner.support_
        mean, T = floored_logs(P[kept]).mean(axis=0), smoothed(y, 3)

        def loss(s):
            return (logsumexp(s * mean, axis=1) - s * (T * mean).sum(axis=1)).mean()

        best = lowest(loss)
        np.testing.assert_allclose(pruner.weights_[kept], best / kept.sum(), rtol=1e-5)
        none, relaxed = (
            fitted(P, y, **LOG, reweight=each, lam=0.1) for each in ("none", "relaxed")
        )
        half = fitted(P, y, **LOG, lam=0.1)
        np.testing.assert_allclose(half.weights_, (pruner.weights_ + relaxed.weights_) / 2)
        # "none" leaves the weights of the program in proportion.
        ratio = none.weights_[kept] / pruner.solution_.weights[kept]
        np.testing.assert_allclose(ratio, ratio[0])
        assert ratio[0] > 1.1  # the penalty had shrunk them

    def test_costs_limits_and_the_zero_norm(self):
        P, y = pool(10, low=0.6)
        costs = np.arange(1, 11.0)
        for params in ({}, {"penalty": "l0"}):
            pruner = fitted(P, y, **LOG, max_members=2, **params)
            assert pruner.n_members_ == 2
            pruner = fitted(P, y, **LOG, costs=costs, max_cost=9.0, **params)
            assert costs[pruner.support_].sum() <= 9
        best = fitted(P, y, **LOG, max_members=1, penalty="l0", reweight="relaxed")
        alone = [fitted(P[[i]], y, **LOG, reweight="relaxed") for i in range(10)]
        losses = [log_loss(y, each.predict_proba(as_rows(P[[i]]))) for i, each in enumerate(alone)]
        found = log_loss(y, best.predict_proba(as_rows(P)))
        assert found < np.sort(losses)[2]  # its quadratic chooses, not the exact loss

    def test_explained(self):
        P, y = pool(8)
        pruner = fitted(P, y, **LOG)
        table = pruner.explain()
        np.testing.assert_array_equal(table.weight, pruner.weights_)
        accuracies = (P.argmax(axis=2) == y).mean(axis=1)
        np.testing.assert_allclose(table.score, accuracies)
        assert (table.leave_one_out_increase[pruner.support_] >= 0).all()
        assert not table.leave_one_out_increase[~pruner.support_].any()
        # The divergence of each member, at the scale of the pool, to second order.
        logs = floored_logs(P)
        z, T = logs.mean(axis=0), smoothed(y, 3)
        s0 = lowest(lambda s: (logsumexp(s * z, axis=1) - s * (T * z).sum(axis=1)).mean())
        mean = s0 * z
        q = softmax(mean, axis=1)
        off = s0 * logs - mean
        spread = (q * off**2).sum(axis=2) - (q * off).sum(axis=2) ** 2
        np.testing.assert_allclose(table.diversity, spread.mean(axis=1) / 2, rtol=1e-6)
        scores = pruner.frontier_
        accuracy = (pruner.predict(as_rows(P)) == y).mean()
        assert scores.pruned_score == pytest.approx(accuracy)
        assert "weight" in str(table)

    def test_one_member_and_copies(self):
        P, y = pool(1)
        one = fitted(P, y, **LOG)
        assert one.n_members_ == 1
        T, logs = smoothed(y, 3), floored_logs(P[0])

        def loss(s):
            return (logsumexp(s * logs, axis=1) - s * (T * logs).sum(axis=1)).mean()

        assert one.weights_[0] == pytest.approx(lowest(loss), rel=1e-4)
        three = fitted(np.repeat(P, 3, axis=0), y, **LOG)
        X = as_rows(P)
        np.testing.assert_allclose(
            three.predict_proba(as_rows(np.repeat(P, 3, axis=0))), one.predict_proba(X), atol=1e-5
        )

    def test_two_classes_and_probabilities_of_zero_and_one(self):
        rng = np.random.default_rng(0)
        y = np.arange(60) % 2
        right = rng.random((5, 60)) < 0.8
        P = np.eye(2)[np.where(right, y, 1 - y)]
        pruner = fitted(P, y, **LOG)
        p = pruner.predict_proba(as_rows(P))
        assert np.isfinite(pruner.predict_log_proba(as_rows(P))).all()
        assert log_loss(y, p) < 0.6
        assert (p > 0).all()

    def test_separable_rows(self):
        """449 rows of digits that many members together get right."""
        X, y = load_digits(return_X_y=True)
        X, X_rest, y, y_rest = train_test_split(X, y, train_size=899, random_state=0)
        X_cal, X_test, y_cal, y_test = train_test_split(
            X_rest, y_rest, train_size=449, stratify=y_rest, random_state=0
        )
        forest = RandomForestClassifier(60, random_state=0).fit(X, y)
        losses = {}
        for voting, alpha in (("log", None), ("log", 0.5), ("soft", None)):
            pruner = SOCPEnsemblePruner(
                FrozenEstimator(forest), cv="prefit", voting=voting, alpha=alpha
            ).fit(X_cal, y_cal)
            assert np.isfinite(pruner.weights_).all()
            losses[voting, alpha] = log_loss(y_test, pruner.predict_proba(X_test))
        assert pruner.score(X_cal, y_cal) > 0.97
        assert losses["log", None] < 0.6 * losses["soft", None]
        assert losses["log", 0.5] < losses["soft", None]

    def test_more_members_than_rows(self):
        P, y = pool(40, N=12)
        for alpha in (None, 0.5):
            pruner = fitted(P, y, **LOG, alpha=alpha)
            assert np.isfinite(pruner.weights_).all()
            assert pruner.weights_.max() < 50

    def test_many_classes(self):
        P, y = pool(5, N=200, C=40)
        pruner = fitted(P, y, **LOG)
        expected = log_pool(P, pruner.weights_, pruner.intercept_)
        np.testing.assert_allclose(pruner.predict_proba(as_rows(P)), expected, rtol=1e-10)

    def test_rows_of_weight_two_are_two_rows(self):
        P, y = pool(6)
        times = np.arange(len(y)) % 3
        repeated = np.repeat(np.arange(len(y)), times)
        one = fitted(P, y, times, **LOG, reweight="none", lam=0.1)
        other = fitted(P[:, repeated], y[repeated], **LOG, reweight="none", lam=0.1)
        np.testing.assert_allclose(
            one.solution_.weights, other.solution_.weights, rtol=1e-5, atol=1e-8
        )

    def test_blocks_are_the_whole(self):
        P, y = pool(6, N=150)
        X = as_rows(P)
        whole = fitted(P, y, **LOG, fit_intercept=True)
        blocks = ((X[i : i + 40], y[i : i + 40]) for i in range(0, 150, 40))
        parts = SOCPEnsemblePruner(told(P), cv="prefit", **LOG, fit_intercept=True)
        parts.fit_blocks(blocks)
        np.testing.assert_allclose(parts.weights_, whole.weights_, rtol=1e-9)
        np.testing.assert_allclose(parts.intercept_, whole.intercept_, atol=1e-9)
        single = SOCPEnsemblePruner(told(P), cv="prefit", **LOG)
        single.fit_predictions(P.astype(np.float32), y)
        np.testing.assert_allclose(
            single.weights_, fitted(P, y, **LOG).weights_, rtol=1e-4, atol=1e-6
        )

    def test_members_that_lack_classes(self, data):
        X, y = data
        forest = RandomForestClassifier(8, max_depth=3, random_state=0)
        without = clone(forest).fit(X[y < 2], y[y < 2])
        full = clone(forest).fit(X, y)
        members = [("two", FrozenEstimator(without)), ("three", FrozenEstimator(full))]
        pruner = SOCPEnsemblePruner(members, **LOG).fit(X, y)
        p = pruner.predict_proba(X)
        assert p.shape == (400, 3)
        np.testing.assert_allclose(p.sum(axis=1), 1)


class TestTemperature:
    @pytest.mark.parametrize("C", [2, 5])
    def test_probabilities_are_a_power_of_the_vote(self, C):
        P, y = pool(9, C=C)
        plain, found = fitted(P, y, **SOFT), fitted(P, y, **TEMPERED)
        X = as_rows(P)
        np.testing.assert_array_equal(found.weights_, plain.weights_)
        np.testing.assert_array_equal(found.predict(X), plain.predict(X))
        q = np.maximum(plain.predict_proba(X), min(1e-3, 0.01 / C))
        T = smoothed(y, C)

        def loss(b):
            z = b * np.log(q)
            return (logsumexp(z, axis=1) - (T * z).sum(axis=1)).mean()

        best = lowest(loss)
        assert found.temperature_ == pytest.approx(1 / best, rel=1e-5)
        assert found.temperature_ < 1  # the mean of many is too unsure
        expected = softmax(best * np.log(q), axis=1)
        np.testing.assert_allclose(found.predict_proba(X), expected, rtol=1e-4)
        np.testing.assert_allclose(found.predict_log_proba(X), np.log(expected), atol=1e-4)
        assert log_loss(y, found.predict_proba(X)) < log_loss(y, plain.predict_proba(X))
        assert plain.temperature_ == 1
        assert not hasattr(plain, "intercept_")

    def test_weights_of_samples(self):
        P, y = pool(6)
        times = np.arange(len(y)) % 3
        repeated = np.repeat(np.arange(len(y)), times)
        one = fitted(P, y, times, **TEMPERED)
        other = fitted(P[:, repeated], y[repeated], **TEMPERED)
        assert one.temperature_ == pytest.approx(other.temperature_, rel=0.02)  # of smoothing

    def test_members_that_are_always_right(self):
        y = np.arange(30) % 3
        P = np.eye(3)[np.tile(y, (2, 1))]
        found = fitted(P, y, **TEMPERED)
        assert 0.05 <= found.temperature_ <= 20
        assert np.isfinite(found.predict_log_proba(as_rows(P))).all()


GRID = {"alphas": [1.0], "lams": [0.05, 0.3], "thresholds": [0.0], "reweights": ["relaxed", 0.5]}


class TestSearch:
    def search(self, P, y, **params):
        options = {"inner_cv": 3, "n_resamples": 0, "random_state": 0, "cv": "prefit"}
        pruner = SOCPEnsemblePrunerCV(told(P), **(options | params))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The cross-validated score", UserWarning)
            return pruner.fit(as_rows(P), y)

    @pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy", "neg_brier_score"])
    def test_each_fold_has_the_temperature_of_the_others(self, scoring):
        P, y = pool(8, N=150)
        found = self.search(P, y, scoring=scoring, **GRID, **TEMPERED)
        expected = one_by_one(P, y, scoring, GRID, 3, **TEMPERED)
        np.testing.assert_allclose(split_scores(found, 3), expected, atol=1e-6)

    @pytest.mark.parametrize("fit_intercept", [False, True])
    def test_each_fold_has_the_pool_of_the_others(self, fit_intercept):
        # Without penalty, members that are all needed are all kept, and weights are refitted.
        P, y = pool(4, N=240, low=0.8)
        grid = {"alphas": [1.0], "lams": [0.0], "thresholds": [0.0], "reweights": ["relaxed"]}
        params = {"fit_intercept": fit_intercept, **LOG}
        found = self.search(P, y, scoring="neg_log_loss", **grid, **params)
        assert found.n_members_ == 4
        expected = one_by_one(P, y, "neg_log_loss", grid, 3, **params)
        np.testing.assert_allclose(split_scores(found, 3), expected, atol=1e-5)
        X = as_rows(P)
        # The scores of single members have the scale, and the biases, of the other folds too.
        scores = np.empty((3, 4))
        for fold, test in enumerate(folds_of(y, 3)):
            train = np.setdiff1d(np.arange(len(y)), test)
            for i in range(4):
                one = fitted(P[[i]][:, train], y[train], **params, reweight="equal")
                scores[fold, i] = -log_loss(
                    y[test], one.predict_proba(X[test][:, 3 * i : 3 * i + 3])
                )
        best = [np.delete(scores, fold, axis=0).mean(axis=0).argmax() for fold in range(3)]
        expected = scores[np.arange(3), best].mean()
        assert found.best_member_score_ == pytest.approx(expected, abs=1e-5)

    def test_is_served_as_it_was_chosen(self):
        P, y = pool(10, N=200)
        for params in (LOG, TEMPERED):
            found = self.search(P, y, scoring="neg_log_loss", n_resamples=2, **params)
            default = [1.0] if params is LOG else [0.7, 0.9, 1.0]
            assert sorted({p["alpha"] for p in found.cv_results_["params"]}) == default
            assert found.nested_score_ == pytest.approx(found.best_score_, abs=0.2)
            again = self.search(P, y, scoring="neg_log_loss", n_resamples=2, **params)
            np.testing.assert_array_equal(again.weights_, found.weights_)

    def test_the_zero_norm_and_limits(self):
        P, y = pool(10, N=200)
        found = self.search(P, y, **LOG, penalty="l0", max_members=3, scoring="neg_log_loss")
        assert found.n_members_ <= 3


def test_a_grid_over_the_kinds_of_vote(data):
    X, y = data
    forest = RandomForestClassifier(10, max_depth=5, random_state=0)
    soft = {"voting": ["soft"], "calibrate": [None, "temperature"], "alpha": [None, 0.8]}
    grid = [{"voting": ["log"]}, soft]
    search = GridSearchCV(
        SOCPEnsemblePruner(forest, cv=0.25, random_state=0), grid, scoring="neg_log_loss", cv=2
    ).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert scores[0] > scores[1]  # the logarithmic pool against the plain vote


def test_lam_zero_of_separable_rows_converges():
    y = np.arange(60) % 3
    P = np.full((3, 60, 3), 0.05)
    P[:, np.arange(60), y] = 0.9
    P[1] = np.roll(P[1], 7, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        pruner = fitted(P, y, **LOG, lam=0.0)
    assert np.isfinite(pruner.weights_).all()
    assert pruner.score(as_rows(P), y) == 1


def test_members_that_know_nothing():
    """Members that are worse than none: one is kept, and the vote is unsure."""
    P, y = pool(6)
    wrong = softmax(-2 * np.log(P), axis=2)
    pruner = fitted(wrong, y, **LOG)
    assert pruner.n_members_ == 1
    assert pruner.weights_.sum() == pytest.approx(0.05)
    p = pruner.predict_proba(as_rows(wrong))
    assert log_loss(y, p) < np.log(3) + 0.1
    uniform = fitted(np.full((3, 30, 3), 1 / 3), np.arange(30) % 3, **LOG)
    np.testing.assert_allclose(uniform.predict_proba(as_rows(np.full((3, 2, 3), 1 / 3))), 1 / 3)

"""Regressors with weights of either sign, and classifiers that refuse them."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge

from skprune import (
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
    SOCPEnsemblePrunerRegressorCV,
)

from .by_hand import stacked

SEARCH = {"lams": [0.01, 0.1], "inner_cv": 3, "n_resamples": 2, "random_state": 0}


def pool(M=9, N=400, seed=0):
    """Regressors whose errors cancel with weights of both signs."""
    rng = np.random.default_rng(seed)
    y, shared = rng.normal(size=N), rng.normal(size=(3, N))
    size = (1 + 0.5 * np.arange(M))[:, None]
    return y + shared[np.arange(M) % 3] * size + 0.3 * rng.normal(size=(M, N)), y


def error(pruner, F, y):
    return np.sqrt(np.square(pruner.combine(F) - y).mean())


@pytest.mark.parametrize("params", [{}, {"penalty": "l0"}, {"threshold": 0.05}], ids=str)
def test_errors_cancel(params):
    F, y = pool()
    errors = {}
    for positive in (True, False):
        pruner = SOCPEnsemblePrunerRegressor(
            positive=positive, lam=0.01, reweight="relaxed", **params
        ).fit_predictions(F[:, :200], y[:200])
        errors[positive] = error(pruner, F[:, 200:], y[200:])
        assert (pruner.weights_.min() < 0) != positive
        assert pruner.support_.tolist() == (pruner.weights_ != 0).tolist()
    assert errors[False] < 0.8 * errors[True]
    assert pruner.alpha_ == 1


@pytest.mark.parametrize("weighted", [False, True])
def test_relaxed_weights_are_least_squares_on_the_kept_members(weighted):
    """With an intercept; members have means of their own, and their weights sum to anything."""
    F, y = pool()
    F = F * np.linspace(-1, 4, 9)[:, None] + np.arange(9)[:, None]
    weight = np.random.default_rng(1).integers(0, 3, 400).astype(float) if weighted else None
    pruner = SOCPEnsemblePrunerRegressor(positive=False, reweight="relaxed", lam=0.01)
    kept = pruner.fit_predictions(F, y, weight).support_
    root = np.ones(400) if weight is None else np.sqrt(weight)
    A = np.vstack([F[kept], np.ones(400)]) * root
    best = np.linalg.lstsq(A.T, y * root, rcond=None)[0]
    np.testing.assert_allclose(pruner.weights_[kept], best[:-1], rtol=1e-6)
    np.testing.assert_allclose(pruner.intercept_, best[-1:], rtol=1e-6)


def test_differences_of_members():
    """Two members and what each is off, so that the best weights sum to zero."""
    rng = np.random.default_rng(1)
    y, u, v = rng.normal(size=(3, 400))
    F = np.array([y + u, u, y + v, v]) + 0.1 * rng.normal(size=(4, 400))
    for params in ({}, {"reweight": "relaxed"}, {"reweight": "equal"}, {"penalty": "l0"}):
        pruner = SOCPEnsemblePrunerRegressor(positive=False, lam=0.01, **params)
        assert error(pruner.fit_predictions(F[:, :200], y[:200]), F[:, 200:], y[200:]) < 0.15
        assert np.sign(pruner.weights_).tolist() == [1, -1, 1, -1]
    pruner = SOCPEnsemblePrunerRegressorCV(positive=False, **SEARCH).fit_predictions(F, y)
    assert error(pruner, F, y) < 0.15


def test_one_member_against_the_targets():
    rng = np.random.default_rng(0)
    y = rng.normal(size=200)
    F = (2 - y + 0.3 * rng.normal(size=200))[None]
    for reweight in ("relaxed", 0.25, "equal", "none"):
        pruner = SOCPEnsemblePrunerRegressor(positive=False, reweight=reweight)
        assert pruner.fit_predictions(F, y).weights_[0] < -0.8
        assert error(pruner, F, y) < 0.32


def test_a_search():
    F, y = pool()
    errors = {}
    for positive in (True, False):
        pruner = SOCPEnsemblePrunerRegressorCV(positive=positive, **SEARCH)
        pruner.fit_predictions(F[:, :200], y[:200])
        errors[positive] = error(pruner, F[:, 200:], y[200:])
    assert errors[False] < 0.8 * errors[True]
    assert pruner.best_params_["alpha"] == 1
    assert set(pruner.selection_frequency_) <= {0.0, 0.5, 1.0}


def test_limits():
    F, y = pool()
    costs = np.arange(1.0, 10.0)
    params = {"positive": False, "lam": 0.01, "reweight": "relaxed"}
    before = np.inf
    for budget in (3, 9, 20, 45):
        pruner = SOCPEnsemblePrunerRegressor(costs=costs, max_cost=budget, **params)
        assert costs[pruner.fit_predictions(F, y).support_].sum() <= budget
        assert error(pruner, F, y) <= before + 1e-12
        before = error(pruner, F, y)
    assert pruner.weights_.min() < 0
    pruner = SOCPEnsemblePrunerRegressor(keep=[8], max_members=4, **params).fit_predictions(F, y)
    assert pruner.support_[8]
    assert pruner.n_members_ <= 4
    families = np.arange(9) // 3
    pruner = SOCPEnsemblePrunerRegressor(families=families, max_per_family=1, **params)
    assert pruner.fit_predictions(F, y).n_members_ <= 3


@pytest.mark.parametrize("reweight", ["relaxed", 0.25, "equal", "none"])
def test_a_member_that_must_stay_has_the_sign_that_helps(reweight):
    """The program gives it no weight, and so no sign."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=200)
    F = np.array([y + 0.1 * rng.normal(size=200), -y + rng.normal(size=200)])
    params = {"keep": [1], "max_members": 1, "lam": 0.9, "reweight": reweight}
    pruner = SOCPEnsemblePrunerRegressor(positive=False, **params).fit_predictions(F, y)
    assert pruner.solution_.weights[1] == 0
    assert pruner.weights_[1] < -0.3
    assert error(pruner, F, y) < 0.8


def test_members_that_are_nearly_the_same():
    """Ridge regressions of many penalties: without a bound their weights would explode."""
    X, y = load_diabetes(return_X_y=True)
    members = [
        (f"ridge {i}", FrozenEstimator(Ridge(alpha).fit(X[:200], y[:200])))
        for i, alpha in enumerate(np.geomspace(1e-3, 1e3, 40))
    ]
    pruner = SOCPEnsemblePrunerRegressor(members, positive=False).fit(X[200:320], y[200:320])
    assert pruner.score(X[320:], y[320:]) > 0.4
    assert np.abs(pruner.weights_).max() < 10
    again = pickle.loads(pickle.dumps(pruner))
    np.testing.assert_array_equal(again.predict(X), pruner.predict(X))
    by_hand = pruner.weights_[pruner.support_] @ stacked(pruner.member_predict(X))[:, :, 0]
    np.testing.assert_allclose(pruner.predict(X), by_hand + pruner.intercept_)


def test_the_table_has_kept_members_first():
    F, y = pool()
    pruner = SOCPEnsemblePrunerRegressor(positive=False, lam=0.01, reweight="relaxed")
    table = pruner.fit_predictions(F, y).explain()
    assert table.kept.tolist() == pruner.support_.tolist()
    assert table.to_frame()["kept"].tolist() == sorted(table.kept, reverse=True)
    assert str(table).count("yes") == pruner.n_members_
    order = np.argsort(-np.abs(pruner.weights_))
    assert (pruner.weights_[order[:4]] < 0).any()
    assert list(table.to_frame()["weight"][:4]) == list(pruner.weights_[order[:4]])
    order = np.argsort(-table.leave_one_out_increase)
    assert list(pruner.explain(4).to_frame()["weight"]) == list(pruner.weights_[order[:4]])


def test_refusals():
    F, y = pool()
    with pytest.raises(ValueError, match=r"positive=False needs alpha=1; got 0.5"):
        SOCPEnsemblePrunerRegressor(positive=False, alpha=0.5).fit_predictions(F, y)
    with pytest.raises(ValueError, match=r"positive=False needs alpha=1; got 0.9"):
        SOCPEnsemblePrunerRegressorCV(positive=False, alphas=[0.9, 1.0]).fit_predictions(F, y)
    for kind in (SOCPEnsemblePruner, SOCPEnsemblePrunerCV):
        with pytest.raises(ValueError, match=r"positive=False is for regression: a vote"):
            kind(positive=False).fit_predictions(np.full((2, 400), 0.5), y > 0)

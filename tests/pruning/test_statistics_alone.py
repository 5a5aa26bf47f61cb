"""Pruners that are fitted to statistics of predictions that are gone."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from skprune import (
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
    SOCPEnsemblePrunerRegressorCV,
)
from skprune.socp import EnsembleStatistics, solve_socp

from .by_hand import pool, targets, told, told_numbers

PARAMS = [
    {},
    {"lam": 0.2, "reweight": "relaxed"},
    {"reweight": "equal", "threshold": 0.1},
    {"reweight": "none", "max_members": 3},
    {"penalty": "l0", "lam": 0.2},
    {"diversity": "gini", "alpha": 0.7},
    {"diversity": "first-order", "alpha": 0.95},
    {"costs": np.arange(1, 13), "penalize_costs": True},
    {"costs": np.arange(1, 13), "max_cost": 15},
    {"keep": [0, 1], "max_members": 3},
    {"solver": "clarabel"},
]


class TestClasses:
    @pytest.mark.parametrize(
        ("voting", "params"),
        [("soft", params) for params in PARAMS]
        # Statistics do not know the squared error of hard votes.
        + [("hard", params) for params in PARAMS if not {"max_cost", "keep"} & set(params)],
        ids=str,
    )
    def test_as_of_the_predictions(self, voting, params):
        P, y = pool(12)
        expected = SOCPEnsemblePruner(voting=voting, **params).fit_predictions(P, y)
        stats = EnsembleStatistics.from_predictions(P, y)
        found = SOCPEnsemblePruner(voting=voting, **params).fit_statistics(stats)
        np.testing.assert_allclose(found.weights_, expected.weights_, atol=1e-9)
        np.testing.assert_allclose(found.combine(P), expected.combine(P), atol=1e-9)
        assert found.classes_.tolist() == [0, 1, 2]
        assert (found.alpha_, found.reweight_) == (expected.alpha_, expected.reweight_)

    def test_parts_add_up(self):
        P, y = pool(8, N=200)
        parts = [
            EnsembleStatistics.from_predictions(P[:, rows], y[rows])
            for rows in np.array_split(np.arange(200), 7)
        ]
        whole = SOCPEnsemblePruner(voting="soft").fit_predictions(P, y)
        found = SOCPEnsemblePruner(voting="soft").fit_statistics(sum(parts))
        np.testing.assert_allclose(found.weights_, whole.weights_, atol=1e-9)

    def test_the_solution_is_that_of_the_statistics(self):
        P, y = pool(8)
        stats = EnsembleStatistics.from_predictions(P, y)
        pruner = SOCPEnsemblePruner(voting="soft", alpha=0.8, lam=0.3).fit_statistics(stats)
        expected = solve_socp(stats, 0.8, 0.3).weights
        np.testing.assert_allclose(pruner.solution_.weights, expected, atol=1e-12)
        np.testing.assert_allclose(pruner.path_.at(0.3), expected, atol=1e-9)

    def test_members_predict_where_they_are_known(self):
        P, y = pool(8)
        stats = EnsembleStatistics.from_predictions(P, y)
        pruner = SOCPEnsemblePruner(told(P), voting="soft").fit_statistics(stats)
        X = np.concatenate(list(P), axis=1)
        np.testing.assert_allclose(pruner.predict_proba(X), pruner.combine(P), atol=1e-12)
        assert pruner.member_names_in_.tolist() == [f"m{i}" for i in range(8)]
        again = pickle.loads(pickle.dumps(pruner))
        np.testing.assert_array_equal(again.combine(P), pruner.combine(P))
        with pytest.raises(ValueError, match=r"stats are of 8 members .* the estimator has 7"):
            SOCPEnsemblePruner(told(P[:7]), voting="soft").fit_statistics(stats)

    def test_names_are_those_of_the_statistics(self):
        P, y = pool(8, C=2)
        names = tuple(f"model {i}" for i in range(8))
        stats = replace(EnsembleStatistics.from_predictions(P, y), names=names)
        pruner = SOCPEnsemblePruner(voting="soft", keep=["model 7"]).fit_statistics(stats)
        assert pruner.support_[7]
        frame = pd.DataFrame(P[:, :, 1].T, columns=names)
        np.testing.assert_allclose(pruner.combine(frame.iloc[:, ::-1]), pruner.combine(P))
        assert (stats + stats).names == names
        members = told(P)  # m0, m1, ...
        with pytest.raises(ValueError, match=r"members with other names, .'model 0'"):
            SOCPEnsemblePruner(members, voting="soft").fit_statistics(stats)
        with pytest.raises(ValueError, match="members with the same names"):
            stats + replace(stats, names=names[::-1])

    def test_what_needs_rows_is_not_there(self):
        P, y = pool(8)
        pruner = SOCPEnsemblePruner(voting="soft").fit_predictions(P, y)
        assert pruner.explain()
        pruner.fit_statistics(EnsembleStatistics.from_predictions(P, y))
        assert not hasattr(pruner, "frontier_")
        with pytest.raises(ValueError, match="explain needs predictions"):
            pruner.explain()


class TestTargets:
    @pytest.mark.parametrize("n_targets", [1, 2])
    @pytest.mark.parametrize(
        "params", [{}, {"reweight": "relaxed"}, {"reweight": "none"}, {"positive": False}], ids=str
    )
    def test_nearly_as_of_the_predictions(self, params, n_targets):
        """Members are taken to have the mean of the targets, as those here do."""
        F, y = targets(8, T=n_targets)
        F = F - F.mean(axis=1, keepdims=True) + y.mean(axis=0)
        y = y[:, 0] if n_targets == 1 else y
        expected = SOCPEnsemblePrunerRegressor(**params).fit_predictions(F, y)
        stats = EnsembleStatistics.from_regression(F, y)
        found = SOCPEnsemblePrunerRegressor(**params).fit_statistics(stats)
        np.testing.assert_allclose(found.weights_, expected.weights_, atol=1e-9)
        np.testing.assert_allclose(found.combine(F), expected.combine(F), atol=1e-9)
        assert found.combine(F).shape == y.shape

    def test_members_predict_where_they_are_known(self):
        F, y = targets(8)
        stats = EnsembleStatistics.from_regression(F, y)
        pruner = SOCPEnsemblePrunerRegressor(told_numbers(F)).fit_statistics(stats)
        X = np.concatenate(list(F), axis=1)
        np.testing.assert_allclose(pruner.predict(X), pruner.combine(F), atol=1e-12)


class TestRefusals:
    @pytest.mark.parametrize(
        ("params", "match"),
        [
            ({}, "voting='log' needs rows.*give voting='soft'"),
            ({"voting": "soft", "calibrate": "temperature"}, "give calibrate=None"),
            ({"voting": "soft", "diversity": "exact"}, "give diversity='shannon'"),
            ({"voting": "soft", "costs": "latency"}, "costs='latency' needs an estimator"),
            ({"voting": "soft", "keep": [8]}, "positions in 0 .. 7"),
            ({"voting": "hard", "keep": [0]}, r"compare sets by their squared error.*'hard'"),
        ],
        ids=str,
    )
    def test_of_parameters(self, params, match):
        stats = EnsembleStatistics.from_predictions(*pool(8))
        pruner = SOCPEnsemblePruner(**params)
        with pytest.raises(ValueError, match=match):
            pruner.fit_statistics(stats)
        with pytest.raises(NotFittedError):
            pruner.combine(pool(8)[0])

    def test_of_statistics(self):
        classes = EnsembleStatistics.from_predictions(*pool(8))
        with pytest.raises(TypeError, match="stats must be EnsembleStatistics; got ndarray"):
            SOCPEnsemblePruner(voting="soft").fit_statistics(classes.gram)
        with pytest.raises(ValueError, match=r"of regression for .*Regressor; got classes"):
            SOCPEnsemblePrunerRegressor().fit_statistics(classes)
        numbers = EnsembleStatistics.from_regression(*targets(8))
        with pytest.raises(ValueError, match=r"of classes for .*; got regression"):
            SOCPEnsemblePruner(voting="soft").fit_statistics(numbers)

    @pytest.mark.parametrize("kind", [SOCPEnsemblePrunerCV, SOCPEnsemblePrunerRegressorCV])
    def test_of_searches(self, kind):
        stats = EnsembleStatistics.from_predictions(*pool(8))
        with pytest.raises(TypeError, match="compares candidates by scores of rows"):
            kind().fit_statistics(stats)

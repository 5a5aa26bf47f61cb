"""What the kept members may cost, who must stay, and how many there may be of a family."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import nnls
from sklearn.datasets import make_classification
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.tree import DecisionTreeClassifier

from skprune import (
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
    SOCPEnsemblePrunerRegressorCV,
)

from .by_hand import pool
from .by_hand import targets as made_targets

M = 14
COSTS = np.exp(np.random.default_rng(1).normal(0, 1.2, M))
BUDGETS = np.geomspace(COSTS.min(), 1.5 * COSTS.sum(), 6)
SEARCH = {"lams": [0.05, 0.3], "inner_cv": 3, "n_resamples": 2, "random_state": 0}


def targets(n_members):
    F, y = made_targets(n_members)
    return F[:, :, 0], y[:, 0]


def log_losses(P, y):
    return log_loss(y, P.astype(float), labels=range(P.shape[1]))


def brier(P, y):
    return np.square(P - np.eye(P.shape[1])[y]).sum(axis=1).mean()


def squared(predicted, y):
    return np.square(predicted - y).mean()


LOSSES = {
    "log": ({}, log_losses),
    "log, no bias": ({"fit_intercept": False}, log_losses),
    "log, relaxed": ({"reweight": "relaxed"}, log_losses),
    "log, the program's": ({"reweight": "none"}, log_losses),
    "log, zero norm": ({"penalty": "l0"}, log_losses),
    "soft": ({"voting": "soft"}, brier),
    "soft, gini": ({"voting": "soft", "diversity": "gini"}, brier),
    "soft, exact": ({"voting": "soft", "diversity": "exact"}, brier),
    "temperature": ({"voting": "soft", "calibrate": "temperature"}, log_losses),
    "hard": ({"voting": "hard"}, brier),
}


class TestBudgets:
    """Of the same predictions, one budget after the other."""

    @pytest.mark.parametrize("seed", [0, 1])
    @pytest.mark.parametrize(("params", "loss"), LOSSES.values(), ids=LOSSES)
    def test_a_larger_budget_is_never_worse_nor_a_single_member(self, params, loss, seed):
        P, y = pool(M, seed=seed)
        P = P ** np.random.default_rng(seed).uniform(0.5, 4, M)[:, None, None]  # some too sure
        P /= P.sum(axis=2, keepdims=True)
        # Each member with a scale and a bias of its own.
        one = {**params, "penalty": "l1"}
        alone = np.array(
            [
                loss(SOCPEnsemblePruner(**one).fit_predictions(P[[i]], y).combine(P[[i]]), y)
                for i in range(M)
            ]
        )
        before = np.inf
        for budget in BUDGETS:
            pruner = SOCPEnsemblePruner(costs=COSTS, max_cost=budget, **params)
            pruner.fit_predictions(P, y)
            assert 0 < COSTS[pruner.support_].sum() <= budget * (1 + 1e-9)
            found = loss(pruner.combine(P), y)
            assert found <= before + 1e-12
            assert found <= alone[budget * (1 + 1e-9) >= COSTS].min() + 1e-6
            before = found

    @pytest.mark.parametrize(
        "params",
        [{}, {"reweight": "relaxed"}, {"reweight": "none"}, {"penalty": "l0"}, {"positive": False}],
        ids=str,
    )
    def test_of_regressors(self, params):
        F, y = targets(M)
        alone = np.square(F - y).mean(axis=1)
        before = np.inf
        for budget in BUDGETS:
            pruner = SOCPEnsemblePrunerRegressor(costs=COSTS, max_cost=budget, **params)
            pruner.fit_predictions(F, y)
            assert 0 < COSTS[pruner.support_].sum() <= budget * (1 + 1e-9)
            found = squared(pruner.combine(F), y)
            assert found <= before * (1 + 1e-9)
            assert found <= alone[budget * (1 + 1e-9) >= COSTS].min() * (1 + 1e-9)
            before = found

    @pytest.mark.parametrize("seed", [0, 1, 2, 10])
    def test_the_best_of_all_sets_within_the_budget(self, seed):
        """All sets of eight members, each with the shares of least squared error."""
        P, y = pool(8, seed=seed)
        costs = np.random.default_rng(seed).uniform(1, 6, 8)
        Y = np.eye(3)[y]
        best = {}
        for size in range(1, 9):
            for kept in combinations(range(8), size):
                # Shares that sum to one, by a heavy row of ones.
                A = np.vstack([P[list(kept)].reshape(size, -1).T, np.full(size, 1e3)])
                w = nnls(A, np.append(Y.ravel(), 1e3))[0]
                w /= w.sum()
                best[kept] = brier(np.tensordot(w, P[list(kept)], 1), y)
        params = {"alpha": 1.0, "lam": 0.0, "voting": "soft", "reweight": "relaxed"}
        for budget in (4, 8, 16):
            pruner = SOCPEnsemblePruner(costs=costs, max_cost=budget, **params)
            found = brier(pruner.fit_predictions(P, y).combine(P), y)
            allowed = [loss for kept, loss in best.items() if costs[list(kept)].sum() <= budget]
            assert found <= min(allowed) * (1 + 1e-4)  # paths alone are up to 1.7 % above

    def test_a_cheap_member_does_not_win_whatever_the_budget(self):
        """One logistic regression and eight forests that cost fifty times as much."""
        X, y = make_classification(1200, 20, n_informative=12, n_classes=3, random_state=0)
        members = [("lr", LogisticRegression(max_iter=500))]
        members += [(f"f{i}", RandomForestClassifier(30, random_state=i)) for i in range(8)]
        costs = [1] + [50] * 8
        scores = {}
        for name, params in {
            "free": {},
            "rich": {"costs": costs, "max_cost": 1e9},
            "one": {"costs": costs, "max_cost": 60},
        }.items():
            pruner = SOCPEnsemblePruner(members, random_state=0, **params)
            pruner.fit(X[:800], y[:800])
            proba = pruner.predict_proba(X[800:])
            scores[name] = pruner.score(X[800:], y[800:]), log_losses(proba, y[800:])
            if name == "one":
                assert pruner.support_[1:].sum() == 1
        assert scores["rich"][0] > scores["free"][0] - 0.02
        assert scores["rich"][1] < scores["free"][1] + 0.02
        assert scores["one"][0] > scores["free"][0] - 0.05

    def test_out_of_bag(self):
        X, y = make_classification(300, 10, n_informative=6, random_state=0)
        bag = BaggingClassifier(DecisionTreeClassifier(max_depth=3), 30, random_state=0)
        costs = np.linspace(1, 4, 30)
        for voting in ("log", "soft", "hard"):
            pruner = SOCPEnsemblePruner(
                bag, cv="oob", voting=voting, costs=costs, max_cost=20, random_state=0
            ).fit(X, y)
            assert 4 < costs[pruner.support_].sum() <= 20

    @pytest.mark.parametrize("voting", ["log", "soft"])
    def test_of_a_search(self, voting):
        P, y = pool(M, N=150)
        for budget in (2.0, 6.0):
            pruner = SOCPEnsemblePrunerCV(costs=COSTS, max_cost=budget, voting=voting, **SEARCH)
            pruner.fit_predictions(P, y)
            assert 0 < COSTS[pruner.support_].sum() <= budget
            assert pruner.cv_results_["n_members"].min() > 0
        F, y = targets(M)
        pruner = SOCPEnsemblePrunerRegressorCV(costs=COSTS, max_cost=6, **SEARCH)
        assert 0 < COSTS[pruner.fit_predictions(F, y).support_].sum() <= 6

    def test_the_zero_norm_has_a_size_for_each_threshold(self):
        P, y = pool(M, N=150)
        params = {"penalty": "l0", "voting": "soft", "alphas": [0.9], "reweights": ["equal"]}
        params |= {**SEARCH, "lams": [0.02], "n_resamples": 0}
        params |= {"families": np.arange(M) // 2, "max_per_family": 1}
        thresholds = [0.5, 0.0]
        both = SOCPEnsemblePrunerCV(thresholds=thresholds, **params).fit_predictions(P, y)
        for i, threshold in enumerate(thresholds):
            one = SOCPEnsemblePrunerCV(thresholds=[threshold], **params).fit_predictions(P, y)
            for name in ("n_members", "mean_test_score"):
                assert both.cv_results_[name][i] == one.cv_results_[name][0]

    def test_a_budget_and_a_number(self):
        P, y = pool(M)
        pruner = SOCPEnsemblePruner(costs=np.ones(M), max_cost=5, max_members=3)
        assert pruner.fit_predictions(P, y).n_members_ == 3
        pruner = SOCPEnsemblePruner(costs=np.ones(M), max_cost=3, max_members=5)
        assert pruner.fit_predictions(P, y).n_members_ == 3


NAMES = [f"model {i}" for i in range(M)]


def frame(F):
    return pd.DataFrame(F.T, columns=NAMES)


class TestKeep:
    @pytest.mark.parametrize("reweight", ["relaxed", 0.5, "equal", "none"])
    @pytest.mark.parametrize("voting", ["log", "soft", "hard"])
    def test_the_worst_members_stay(self, voting, reweight):
        P, y = pool(M)
        worst = np.argsort((P.argmax(axis=2) == y).mean(axis=1))[:2]
        free = SOCPEnsemblePruner(voting=voting, lam=0.3).fit_predictions(P, y)
        assert not free.support_[worst].any()
        for params in ({}, {"costs": COSTS, "max_cost": COSTS[worst].sum() + 1}):
            pruner = SOCPEnsemblePruner(
                keep=worst, voting=voting, lam=0.3, reweight=reweight, **params
            ).fit_predictions(P, y)
            assert pruner.support_[worst].all()
            assert pruner.n_members_ > 2 or params
            np.testing.assert_allclose(pruner.combine(P).sum(axis=1), 1)

    def test_names(self):
        F, y = targets(M)
        pruner = SOCPEnsemblePrunerRegressor(keep=["model 3", 5], max_members=3)
        pruner.fit_predictions(frame(F), y)
        assert pruner.support_[[3, 5]].all()
        assert pruner.n_members_ == 3
        one = SOCPEnsemblePrunerRegressor(keep="model 3", max_members=1)
        assert np.flatnonzero(one.fit_predictions(frame(F), y).support_) == [3]

    def test_of_a_search(self):
        P, y = pool(M, N=150)
        worst = int((P.argmax(axis=2) == y).mean(axis=1).argmin())
        pruner = SOCPEnsemblePrunerCV(keep=[worst], **SEARCH).fit_predictions(P, y)
        assert pruner.support_[worst]

    def test_names_that_are_numbers_and_names_of_an_ensemble(self):
        F, y = targets(3)
        numbers = pd.DataFrame(F.T, columns=[2, 0, 1])
        with pytest.raises(ValueError, match=r"keep holds 0, which is a name, of member 1: .*'0'"):
            SOCPEnsemblePrunerRegressor(keep=[0]).fit_predictions(numbers, y)
        pruner = SOCPEnsemblePrunerRegressor(keep=["0"], max_members=1)
        assert np.flatnonzero(pruner.fit_predictions(numbers, y).support_) == [1]
        by_number = {2: "a", 0: "a", 1: "b"}
        pruner = SOCPEnsemblePrunerRegressor(families=by_number, max_per_family=1)
        assert pruner.fit_predictions(numbers, y).n_members_ <= 2
        X, y = make_classification(90, random_state=0)
        forest = RandomForestClassifier(4, max_depth=2, random_state=0).fit(X, y)
        P = pd.DataFrame(
            {f"tree {i}": t.predict_proba(X)[:, 1] for i, t in enumerate(forest.estimators_)}
        )
        pruner = SOCPEnsemblePruner(FrozenEstimator(forest), keep=["tree 3"])
        assert pruner.fit_predictions(P, y).support_[3]
        with pytest.raises(ValueError, match="the members have no names"):
            pruner.fit(X, y)


class TestFamilies:
    FAMILIES = np.array(["a", "b"])[np.arange(M) % 2]

    @pytest.mark.parametrize("penalty", ["l1", "l0"])
    @pytest.mark.parametrize("voting", ["log", "soft", "hard"])
    def test_at_most_so_many_of_each(self, voting, penalty):
        P, y = pool(M)
        free = SOCPEnsemblePruner(voting=voting).fit_predictions(P, y)
        assert max(np.unique(self.FAMILIES[free.support_], return_counts=True)[1]) > 1
        for params in ({}, {"costs": COSTS, "max_cost": 3.0}, {"max_members": 3}):
            pruner = SOCPEnsemblePruner(
                families=self.FAMILIES, max_per_family=1, voting=voting, penalty=penalty, **params
            ).fit_predictions(P, y)
            sizes = np.unique(self.FAMILIES[pruner.support_], return_counts=True)[1]
            assert sizes.max() == 1

    def test_a_mapping_by_names(self):
        F, y = targets(M)
        by_name = dict(zip(NAMES, self.FAMILIES, strict=True))
        params = {"max_per_family": 1, "lam": 0.0}
        mapped = SOCPEnsemblePrunerRegressor(families=by_name, **params)
        listed = SOCPEnsemblePrunerRegressor(families=list(self.FAMILIES), **params)
        mapped.fit_predictions(frame(F), y)
        assert mapped.n_members_ == 2
        np.testing.assert_array_equal(mapped.weights_, listed.fit_predictions(F, y).weights_)

    def test_the_better_of_two_alike_is_taken(self):
        """Members of one family are copies, each with more noise than the one before."""
        rng = np.random.default_rng(0)
        y = rng.normal(size=2000)
        good = y[None] + rng.normal(size=(4, 2000))
        F = np.concatenate([good, good + 0.5 * rng.normal(size=(4, 2000))])
        families = np.tile(np.arange(4), 2)
        pruner = SOCPEnsemblePrunerRegressor(families=families, max_per_family=1)
        assert np.flatnonzero(pruner.fit_predictions(F, y).support_).tolist() == [0, 1, 2, 3]


class TestRefusals:
    @pytest.mark.parametrize(
        ("params", "match"),
        [
            ({"keep": [M]}, rf"positions in 0 .. {M - 1}; it holds {M}"),
            ({"keep": [-1]}, "it holds -1"),
            ({"keep": ["x"]}, "keep names 'x', which is no member: the members have no names"),
            ({"keep": [0, 1, 2], "max_members": 2}, "keep names 3 members, more than max_members"),
            ({"keep": [0, 1], "costs": np.ones(M), "max_cost": 1}, "members in keep cost 2 "),
            ({"max_per_family": 2}, "max_per_family=2 needs families"),
            ({"families": [0] * M}, "families needs max_per_family"),
            ({"families": [0] * 3, "max_per_family": 1}, rf"each of the {M} members; got 3"),
            ({"families": {"a": 1}, "max_per_family": 1}, "the members have no names"),
            ({"families": [None] * M, "max_per_family": 1}, "member 0 has None"),
            ({"families": [1.0, np.nan] * 7, "max_per_family": 1}, "member 1 has nan"),
            ({"families": [[1], 2] * 7, "max_per_family": 1}, r"must hold labels.*has \[1\]"),
            (
                {"families": [0] * M, "max_per_family": 1, "keep": [0, 1]},
                "keep names more than max_per_family=1",
            ),
            ({"max_cost": 3}, "max_cost=3 needs costs"),
            ({"costs": np.ones(M), "max_cost": 0.5}, "cheapest member costs"),
        ],
    )
    def test_of_predictions(self, params, match):
        P, y = pool(M)
        F, z = targets(M)
        with pytest.raises(ValueError, match=match):
            SOCPEnsemblePruner(**params).fit_predictions(P, y)
        with pytest.raises(ValueError, match=match):
            SOCPEnsemblePrunerRegressorCV(**params).fit_predictions(F, z)

    def test_of_names(self):
        F, y = targets(M)
        for params, match in (
            ({"keep": ["model 99"]}, r"'model 99', which is no member: names are \('model 0'"),
            ({"families": {NAMES[0]: 1}, "max_per_family": 1}, "it lacks .'model 1'"),
            (
                {"families": dict.fromkeys([*NAMES, "x"], 1), "max_per_family": 1},
                r"\['x'\] are no members",
            ),
        ):
            with pytest.raises(ValueError, match=match):
                SOCPEnsemblePrunerRegressor(**params).fit_predictions(frame(F), y)

    def test_before_training(self):
        class Untrainable(DecisionTreeClassifier):
            def fit(self, X, y):
                raise AssertionError("trained")

        X, y = make_classification(60, random_state=0)
        members = [("a", Untrainable()), ("b", Untrainable())]
        for params, match in (
            ({"keep": ["c"]}, "keep names 'c'"),
            ({"families": {"a": 1}, "max_per_family": 1}, "lacks .'b'"),
            ({"keep": ["a", "b"], "max_members": 1}, "more than max_members=1"),
        ):
            with pytest.raises(ValueError, match=match):
                SOCPEnsemblePruner(members, **params).fit(X, y)

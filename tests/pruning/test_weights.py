"""Which members are kept, and with what weight, against the program written out by hand."""

import itertools
import time
from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from skprune import SOCPEnsemblePruner

from .by_hand import (
    Told,
    as_rows,
    minimum,
    normalised,
    objective,
    penalised,
    pool,
    quadratic,
    relaxed,
    told,
)


class Counted(Told):
    """A member that says how many parameters it has, as networks of Keras do."""

    def __init__(self, place=0, n=0):
        super().__init__(place)
        self.n = n

    def count_params(self):
        return self.n


def fitted(P, y, sample_weight=None, **params):
    params = {"voting": "soft"} | params
    return SOCPEnsemblePruner(told(P), **params).fit(as_rows(P), y, sample_weight)


class TestReweight:
    P, y = pool(12)
    Q, c = quadratic(P, y, 0.9)
    w = penalised(Q, c, 0.05)

    def fitted(self, **params):
        return fitted(self.P, self.y, **params)

    def test_none_leaves_the_weights_of_the_program(self):
        pruner = self.fitted(reweight="none")
        np.testing.assert_allclose(pruner.weights_, normalised(self.w), atol=1e-9)
        assert 1 < pruner.n_members_ < 12

    def test_relaxed_solves_again_on_the_kept_members_without_penalty(self):
        w = penalised(self.Q, self.c, 0.2)
        expected = relaxed(self.Q, self.c, w > 0)
        pruner = self.fitted(reweight="relaxed", lam=0.2)
        np.testing.assert_allclose(pruner.weights_, expected, atol=2e-4)
        assert np.abs(expected - normalised(w)).max() > 0.01
        # without the condition on the sum they would differ, at a scale that no vote has
        assert np.abs(expected - normalised(minimum(self.Q, self.c, w > 0))).max() > 0.01

    @pytest.mark.parametrize("reweight", [0.0, 0.3, 0.5, 1.0, "equal"])
    def test_a_number_goes_that_far_from_relaxed_to_equal(self, reweight):
        support, share = self.w > 0, 1.0 if reweight == "equal" else reweight
        expected = (1 - share) * relaxed(self.Q, self.c, support) + share * normalised(support)
        found = self.fitted(reweight=reweight).weights_
        np.testing.assert_allclose(found, expected, atol=2e-4 if share < 1 else 1e-15)
        if share == 0.5:  # the default, for hard votes too
            for params in ({}, {"voting": "hard"}):
                np.testing.assert_array_equal(self.fitted(**params).weights_, found)

    def test_the_threshold_comes_first(self):
        support = self.w >= 0.5 * self.w.max()
        assert support.sum() < (self.w > 0).sum()
        pruner = self.fitted(reweight="relaxed", threshold=0.5)
        np.testing.assert_allclose(pruner.weights_, relaxed(self.Q, self.c, support), atol=2e-4)
        for h in (0.2, 1.0):
            pruner = self.fitted(reweight="none", threshold=h)
            np.testing.assert_array_equal(pruner.support_, self.w >= h * self.w.max())
            assert pruner.threshold_ == h

    def test_with_sample_weights(self):
        weight = np.random.default_rng(1).exponential(size=len(self.y))
        Q, c = quadratic(self.P, self.y, 0.9, weight=weight)
        expected = relaxed(Q, c, penalised(Q, c, 0.05) > 0)
        pruner = self.fitted(sample_weight=weight, reweight="relaxed")
        np.testing.assert_allclose(pruner.weights_, expected, atol=2e-4)


class TestDiversity:
    P, y = pool(10, seed=3)

    def test_gini_is_the_quadratic_of_impurity(self):
        Q, c = quadratic(self.P, self.y, 0.6, "gini")
        pruner = fitted(self.P, self.y, alpha=0.6, diversity="gini", reweight="none")
        np.testing.assert_allclose(pruner.weights_, normalised(penalised(Q, c, 0.05)), atol=1e-9)

    def test_exact_minimises_the_loss_with_the_entropy_itself(self):
        P, y = self.P, self.y
        N, C = len(y), P.shape[2]
        own = (P * np.log(P)).sum(axis=(1, 2)) / N / C  # minus the entropies of the members
        penalty = 0.05 * (-quadratic(P, y, 0.5)[1]).max()

        def loss(w):
            x = np.tensordot(w, P, 1)
            error = 0.5 * np.square(x - np.eye(C)[y]).sum() / N / C
            entropy = -(x * np.log(x)).sum() / N / C + w @ own
            return error - 0.5 * entropy + penalty * w.sum()

        start = np.full(10, 0.1)
        found = minimize(loss, start, bounds=[(0, None)] * 10, options={"ftol": 1e-15})
        pruner = fitted(P, y, alpha=0.5, diversity="exact", reweight="none")
        np.testing.assert_allclose(pruner.weights_, normalised(found.x), atol=2e-4)


class TestMaxMembers:
    @pytest.mark.parametrize("most", [1, 2, 3, 100])
    def test_the_members_with_the_largest_weights_stay(self, most):
        P, y = pool(12)
        w = penalised(*quadratic(P, y, 0.9), 0.05)
        assert (w > 0).sum() > 3
        pruner = fitted(P, y, max_members=most)
        largest = np.argsort(-w)[: min(most, (w > 0).sum())]
        assert set(np.flatnonzero(pruner.support_)) == set(largest)

    @pytest.mark.parametrize(
        "params",
        [
            *({"penalty": "l0"}, {"threshold": 0.1, "lam": 0.0}, {"diversity": "exact"}),
            {"costs": np.arange(1, 13)},
        ],
        ids=str,
    )
    def test_never_more_whatever_the_rest(self, params):
        assert fitted(*pool(12, seed=1), max_members=2, **params).n_members_ <= 2


class TestCosts:
    P, y = pool(10, seed=2)

    def test_given_costs_enter_the_penalty_by_their_ratios(self):
        costs = np.random.default_rng(0).uniform(1, 10, size=10)
        before = costs.copy()
        Q, c = quadratic(self.P, self.y, 0.9)
        expected = normalised(penalised(Q, c, 0.2, costs))
        for scale in (1, 2**-20, 2**20):
            params = {"costs": scale * costs, "penalize_costs": True}
            pruner = fitted(self.P, self.y, lam=0.2, reweight="none", **params)
            np.testing.assert_allclose(pruner.weights_, expected, atol=1e-9)
        assert np.abs(expected - normalised(penalised(Q, c, 0.2))).max() > 1e-3
        pruner = fitted(self.P, self.y, costs=costs)  # not penalized by default
        np.testing.assert_array_equal(pruner.weights_, fitted(self.P, self.y).weights_)
        assert pruner.costs is costs
        for same in (costs, pruner.explain().cost):
            np.testing.assert_array_equal(same, before)
        assert fitted(self.P, self.y).explain().cost is None

    @pytest.mark.parametrize("penalty", ["l1", "l0"])
    @pytest.mark.parametrize("costlier", [0, 4])
    def test_of_two_equal_members_the_cheaper_stays(self, penalty, costlier):
        P, y = pool(4, seed=5, low=1.5)
        P = np.concatenate([P, P[:1]])  # members 0 and 4 are the same
        costs = np.where(np.arange(5) == costlier, 3, 1)
        support = fitted(P, y, costs=costs, penalize_costs=True, penalty=penalty).support_
        assert (support[costlier], support[4 - costlier]) == (False, True)

    def test_parameters_are_counted(self, data):
        members = [(f"t{d}", DecisionTreeClassifier(max_depth=d)) for d in (1, 3, 6)]
        members.append(("lr", LogisticRegression(max_iter=500)))
        params = {"costs": "parameters", "lam": 0.0, "alpha": 0.0, "random_state": 0}
        pruner = SOCPEnsemblePruner(members, **params).fit(*data)
        given = [
            2 * (m.tree_.node_count // 2) + 3 * m.get_n_leaves() if hasattr(m, "tree_") else 39
            for m in pruner.estimators_
        ]
        np.testing.assert_array_equal(pruner.explain().cost[pruner.support_], given)

    def test_a_slow_member_is_measured_to_cost_more_and_its_faster_copy_stays(self):
        P, y = pool(3, seed=5, low=1.5)
        P = np.concatenate([P[:1], P])
        members = told(P)
        members[0] = ("m0", FrozenEstimator(Told(0, seconds=0.005)))
        params = {"voting": "soft", "costs": "latency", "penalize_costs": True, "lam": 0.001}
        pruner = SOCPEnsemblePruner(members, **params).fit(as_rows(P), y)
        cost = pruner.explain().cost
        assert cost[0] >= 0.005
        assert cost[0] > 2 * cost[1:].max()
        assert pruner.support_[:2].tolist() == [False, True]

    @pytest.mark.parametrize(("n_rows", "timed"), [(60, 60), (300, 256)])
    def test_time_is_taken_on_some_rows_only(self, n_rows, timed):
        class Counting(Told):
            asked = []

            def predict_proba(self, X):
                self.asked.append(len(X))
                return super().predict_proba(X)

        P, y = pool(1, N=n_rows)
        member = FrozenEstimator(Counting())
        SOCPEnsemblePruner([("a", member)], costs="latency").fit(as_rows(P), y)
        assert Counting.asked == [n_rows] + [timed] * 6  # calibration, a warm-up, five rounds

    def test_members_without_parameters_or_faster_than_the_clock_are_named(self, monkeypatch):
        P, y = pool(2)
        members = [("a", FrozenEstimator(Counted(0, n=3))), ("b", FrozenEstimator(Counted(1, n=0)))]
        with pytest.raises(ValueError, match=r"'b' \(.*\) has none; give the costs as numbers"):
            SOCPEnsemblePruner(members, costs="parameters").fit(as_rows(P), y)
        clock = itertools.cycle([0.0, 1.0, 1.0, 1.0])  # the second member takes no time
        monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
        with pytest.raises(ValueError, match=r"'m1' \(.*\) is faster than the clock"):
            fitted(P, y, costs="latency")


class TestMaxCost:
    COSTS = np.array([5.0, 1.0, 4.0, 2.0, 9.0, 3.0, 2.5, 6.0, 1.5, 7.0])
    P, y = pool(10, seed=4)

    def fitted(self, **params):
        return fitted(self.P, self.y, costs=self.COSTS, **params)

    @pytest.mark.parametrize("penalty", ["l1", "l0"])
    @pytest.mark.parametrize("budget", [1.0, 3.0, 6.5, 12.0])
    def test_the_budget_is_kept(self, budget, penalty):
        free = self.fitted(penalty=penalty, lam=0.0)
        assert self.COSTS[free.support_].sum() > budget
        pruner = self.fitted(max_cost=budget, penalty=penalty, lam=0.0)
        assert 0 < self.COSTS[pruner.support_].sum() <= budget

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("penalty", ["l1", "l0"])
    @pytest.mark.parametrize("diversity", ["shannon", "exact", "gini"])
    def test_the_solution_is_that_of_the_program_without_a_budget(self, diversity, penalty):
        pruner = self.fitted(diversity=diversity, penalty=penalty, max_cost=4.0)
        free = self.fitted(diversity=diversity, penalty=penalty)
        np.testing.assert_array_equal(pruner.solution_.weights, free.solution_.weights)
        assert pruner.solution_.status == "optimal"
        assert pruner.solution_.duality_gap < 1e-8
        assert pruner.path_.kkt_residual < 1e-8

    def test_all_of_the_budget_may_be_spent_but_for_rounding(self):
        P, y = pool(15, seed=5, low=1.5)
        for cost in (0.1, 1.0):
            pruner = fitted(P, y, costs=np.full(15, cost), max_cost=0.3 if cost < 1 else 3, lam=0.0)
            assert pruner.n_members_ == 3


class TestZeroNorm:
    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("params", [{"lam": 0.02}, {"lam": 0.2}, {"max_members": 4}], ids=str)
    def test_never_a_worse_objective_at_that_size_and_cost(self, params, seed):
        P, y = pool(14, N=60, seed=seed)
        Q, c = quadratic(P, y, 0.9)
        l1, l0 = (fitted(P, y, penalty=p, reweight="relaxed", **params) for p in ("l1", "l0"))
        assert l0.n_members_ <= l1.n_members_
        # f of weights that sum to one, as those of votes do
        best = [objective(Q, c, relaxed(Q, c, pruner.support_)) for pruner in (l0, l1)]
        assert best[0] <= best[1] + 1e-9
        costs = np.random.default_rng(seed).uniform(1, 10, size=14)
        l1, l0 = (
            fitted(P, y, lam=0.1, penalty=p, costs=costs, penalize_costs=True) for p in ("l1", "l0")
        )
        assert l0.n_members_ <= l1.n_members_
        assert costs[l0.support_].sum() <= costs[l1.support_].sum() * (1 + 1e-9)

    @pytest.mark.parametrize(("seed", "lam", "most"), [(49, 0.02, 2), (80, 0.02, 2), (48, 0.0, 3)])
    def test_nor_where_a_budget_misleads_the_search(self, seed, lam, most):
        """Cut short by max_members, the members of l1 are not on the path that it starts from."""
        P, y = pool(16, N=36, C=4, seed=seed)
        costs = np.random.default_rng(seed).uniform(0.5, 5, 16)
        params = {"alpha": 0.7, "lam": lam, "threshold": 0.0, "max_members": most, "costs": costs}
        params["penalize_costs"] = True
        l1, l0 = (fitted(P, y, penalty=p, **params).support_ for p in ("l1", "l0"))
        assert costs[l0].sum() <= costs[l1].sum() * (1 + 1e-9)
        Q, c = quadratic(P, y, 0.7)
        best = [objective(Q, c, relaxed(Q, c, support)) for support in (l0, l1)]
        assert best[0] <= best[1] + 1e-9

    @pytest.mark.parametrize("seed", [3, 5, 9, 11])
    def test_where_the_relaxation_misses_the_best_members_they_are_found(self, seed):
        P, y = pool(9, N=40, seed=seed, low=0.5, high=0.8)
        Q, c = quadratic(P, y, 0.9)
        l1, l0 = (fitted(P, y, lam=0.7, penalty=p) for p in ("l1", "l0"))
        f = {
            kept: objective(Q, c, relaxed(Q, c, np.isin(np.arange(9), kept)))
            for kept in combinations(range(9), l1.n_members_)
        }
        best = min(f, key=f.get)
        assert tuple(np.flatnonzero(l0.support_)) == best != tuple(np.flatnonzero(l1.support_))

    def test_none_leaves_weights_that_no_penalty_has_shrunk(self):
        P, y = pool(14, N=60)
        pruner = fitted(P, y, penalty="l0", reweight="none")
        expected = relaxed(*quadratic(P, y, 0.9), pruner.support_)
        np.testing.assert_allclose(pruner.weights_, expected, atol=1e-4)

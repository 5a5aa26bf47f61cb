"""Which members are kept, and with what weight, against the program written out by hand."""

import itertools
import time
from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.ensemble import RandomForestClassifier
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
    return SOCPEnsemblePruner(told(P), **params).fit(as_rows(P), y, sample_weight)


class TestReweight:
    @pytest.fixture
    def case(self):
        P, y = pool(12)
        return P, y, quadratic(P, y, 0.9)

    def test_none_leaves_the_weights_of_the_program(self, case):
        P, y, (Q, c) = case
        pruner = fitted(P, y, reweight="none")
        expected = normalised(penalised(Q, c, 0.05))
        np.testing.assert_allclose(pruner.weights_, expected, atol=1e-9)
        assert 1 < pruner.n_members_ < 12

    def test_relaxed_solves_again_on_the_kept_members_without_penalty(self, case):
        P, y, (Q, c) = case
        pruner = fitted(P, y, reweight="relaxed", lam=0.2)
        support = penalised(Q, c, 0.2) > 0
        expected = relaxed(Q, c, support)
        np.testing.assert_allclose(pruner.weights_, expected, atol=2e-4)
        assert np.abs(expected - normalised(penalised(Q, c, 0.2))).max() > 0.01
        # without the condition on the sum they would differ, at a scale that no vote has
        assert np.abs(expected - normalised(minimum(Q, c, support))).max() > 0.01

    def test_equal_gives_all_kept_members_the_same_weight(self, case):
        P, y, (Q, c) = case
        support = penalised(Q, c, 0.05) > 0
        pruner = fitted(P, y, reweight="equal")
        np.testing.assert_allclose(pruner.weights_, support / support.sum(), atol=1e-15)

    @pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
    def test_a_number_goes_that_far_from_relaxed_to_equal(self, case, share):
        P, y, (Q, c) = case
        support = penalised(Q, c, 0.05) > 0
        expected = (1 - share) * relaxed(Q, c, support) + share * support / support.sum()
        pruner = fitted(P, y, reweight=share)
        np.testing.assert_allclose(pruner.weights_, expected, atol=2e-4)

    def test_the_default_is_half_way(self, case):
        P, y, _ = case
        np.testing.assert_array_equal(fitted(P, y).weights_, fitted(P, y, reweight=0.5).weights_)

    def test_the_threshold_comes_first(self, case):
        P, y, (Q, c) = case
        w = penalised(Q, c, 0.05)
        support = w >= 0.5 * w.max()
        assert support.sum() < (w > 0).sum()
        pruner = fitted(P, y, reweight="relaxed", threshold=0.5)
        np.testing.assert_allclose(pruner.weights_, relaxed(Q, c, support), atol=2e-4)

    def test_with_sample_weights(self, case):
        P, y, _ = case
        weight = np.random.default_rng(1).exponential(size=len(y))
        Q, c = quadratic(P, y, 0.9, weight=weight)
        support = penalised(Q, c, 0.05) > 0
        pruner = fitted(P, y, weight, reweight="relaxed")
        np.testing.assert_allclose(pruner.weights_, relaxed(Q, c, support), atol=2e-4)

    def test_hard_votes_have_the_same_weights(self, case):
        P, y, _ = case
        soft, hard = (fitted(P, y, voting=voting) for voting in ("soft", "hard"))
        np.testing.assert_array_equal(soft.weights_, hard.weights_)


class TestDiversity:
    @pytest.fixture
    def case(self):
        return pool(10, seed=3)

    def test_gini_is_the_quadratic_of_impurity(self, case):
        P, y = case
        Q, c = quadratic(P, y, 0.6, "gini")
        pruner = fitted(P, y, alpha=0.6, diversity="gini", reweight="none")
        np.testing.assert_allclose(pruner.weights_, normalised(penalised(Q, c, 0.05)), atol=1e-9)

    def test_exact_minimises_the_loss_with_the_entropy_itself(self, case):
        P, y = case
        N, C = len(y), P.shape[2]
        Y = np.eye(C)[y]
        own = (P * np.log(P)).sum(axis=(1, 2)) / N / C  # minus the entropies of the members
        penalty = 0.05 * (-quadratic(P, y, 0.5)[1]).max()

        def loss(w):
            x = np.tensordot(w, P, 1)
            error = 0.5 * np.square(x - Y).sum() / N / C
            entropy = -(x * np.log(x)).sum() / N / C + w @ own
            return error - 0.5 * entropy + penalty * w.sum()

        start = np.full(10, 0.1)
        found = minimize(loss, start, bounds=[(0, None)] * 10, options={"ftol": 1e-15})
        pruner = fitted(P, y, alpha=0.5, diversity="exact", reweight="none")
        np.testing.assert_allclose(pruner.weights_, normalised(found.x), atol=2e-4)

    def test_the_three_differ(self, case):
        P, y = case
        weights = [
            fitted(P, y, alpha=0.3, diversity=name, reweight="none").weights_
            for name in ("shannon", "exact", "gini")
        ]
        for one, other in [(0, 1), (0, 2), (1, 2)]:
            assert np.abs(weights[one] - weights[other]).max() > 1e-3

    def test_at_alpha_one_there_is_none(self, case):
        P, y = case
        weights = [
            fitted(P, y, alpha=1.0, diversity=name).weights_
            for name in ("shannon", "exact", "gini")
        ]
        np.testing.assert_allclose(weights[1], weights[0], atol=1e-6)
        np.testing.assert_allclose(weights[2], weights[0], atol=1e-9)


class TestMaxMembers:
    @pytest.mark.parametrize("most", [1, 2, 3, 100])
    def test_the_members_with_the_largest_weights_stay(self, most):
        P, y = pool(12)
        w = penalised(*quadratic(P, y, 0.9), 0.05)
        assert (w > 0).sum() > 3
        pruner = fitted(P, y, max_members=most)
        largest = np.argsort(-w)[: min(most, (w > 0).sum())]
        assert set(np.flatnonzero(pruner.support_)) == set(largest)

    def test_never_more_whatever_the_rest(self):
        P, y = pool(12, seed=1)
        for params in (
            {"penalty": "l0"},
            {"threshold": 0.1, "lam": 0.0},
            {"diversity": "exact"},
            {"costs": np.arange(1, 13)},
        ):
            assert fitted(P, y, max_members=2, **params).n_members_ <= 2


class TestCosts:
    def test_given_costs_enter_the_penalty(self):
        P, y = pool(10, seed=2)
        costs = np.random.default_rng(0).uniform(1, 10, size=10)
        Q, c = quadratic(P, y, 0.9)
        pruner = fitted(P, y, costs=costs, lam=0.2, reweight="none")
        expected = normalised(penalised(Q, c, 0.2, costs))
        np.testing.assert_allclose(pruner.weights_, expected, atol=1e-9)
        assert np.abs(expected - normalised(penalised(Q, c, 0.2))).max() > 1e-3
        np.testing.assert_array_equal(pruner.explain().cost, costs)

    def test_only_their_ratios_matter(self):
        P, y = pool(10, seed=2)
        costs = np.random.default_rng(0).uniform(1, 10, size=10)
        weights = [fitted(P, y, costs=s * costs).weights_ for s in (1, 2**-20, 2**20)]
        np.testing.assert_allclose(weights[1], weights[0], atol=1e-12)
        np.testing.assert_allclose(weights[2], weights[0], atol=1e-12)

    @pytest.mark.parametrize("penalty", ["l1", "l0"])
    @pytest.mark.parametrize("costlier", [0, 4])
    def test_of_two_equal_members_the_cheaper_stays(self, penalty, costlier):
        P, y = pool(4, seed=5, low=1.5)
        P = np.concatenate([P, P[:1]])  # members 0 and 4 are the same
        costs = np.ones(5)
        costs[costlier] = 3
        pruner = fitted(P, y, costs=costs, penalty=penalty)
        assert not pruner.support_[costlier]
        assert pruner.support_[4 - costlier]

    def test_parameters_are_counted(self, data):
        X, y = data
        members = [
            (f"t{d}", DecisionTreeClassifier(max_depth=d, random_state=0)) for d in (1, 3, 6)
        ]
        members.append(("lr", LogisticRegression(max_iter=500)))
        pruner = SOCPEnsemblePruner(
            members, costs="parameters", lam=0.0, alpha=0.0, random_state=0
        ).fit(X, y)
        given = [
            2 * (m.tree_.node_count // 2) + 3 * m.get_n_leaves()
            if hasattr(m, "tree_")
            else 3 * 12 + 3
            for m in pruner.estimators_
        ]
        np.testing.assert_array_equal(pruner.explain().cost[pruner.support_], given)

    def test_a_slow_member_is_measured_to_cost_more(self):
        P, y = pool(4, seed=5, low=1.5)
        members = told(P)
        members[2] = ("m2", FrozenEstimator(Told(2, seconds=0.005)))
        cost = SOCPEnsemblePruner(members, costs="latency").fit(as_rows(P), y).explain().cost
        assert cost.argmax() == 2
        assert cost[2] >= 0.005
        assert cost[2] > 2 * np.delete(cost, 2).max()

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

    def test_of_two_equal_members_the_slow_one_is_not_kept(self):
        P, y = pool(3, seed=5, low=1.5)
        P = np.concatenate([P[:1], P])
        members = told(P)
        members[0] = ("m0", FrozenEstimator(Told(0, seconds=0.005)))
        pruner = SOCPEnsemblePruner(members, costs="latency", lam=0.001).fit(as_rows(P), y)
        assert not pruner.support_[0]
        assert pruner.support_[1]

    def test_no_costs_no_column(self):
        assert fitted(*pool(4)).explain().cost is None

    def test_members_without_parameters_are_named(self):
        P, y = pool(2)
        members = [("a", FrozenEstimator(Counted(0, n=3))), ("b", FrozenEstimator(Counted(1, n=0)))]
        with pytest.raises(ValueError, match=r"'b' \(.*\) has none; give the costs as numbers"):
            SOCPEnsemblePruner(members, costs="parameters").fit(as_rows(P), y)

    def test_members_that_are_faster_than_the_clock_are_named(self, monkeypatch):
        P, y = pool(2)
        clock = itertools.cycle([0.0, 1.0, 1.0, 1.0])  # the second member takes no time
        monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
        with pytest.raises(ValueError, match=r"'m1' \(.*\) is faster than the clock"):
            fitted(P, y, costs="latency")


class TestMaxCost:
    COSTS = np.array([5.0, 1.0, 4.0, 2.0, 9.0, 3.0, 2.5, 6.0, 1.5, 7.0])

    @pytest.mark.parametrize("penalty", ["l1", "l0"])
    @pytest.mark.parametrize("budget", [1.0, 3.0, 6.5, 12.0])
    def test_the_budget_is_kept(self, budget, penalty):
        P, y = pool(10, seed=4)
        pruner = fitted(P, y, costs=self.COSTS, max_cost=budget, penalty=penalty, lam=0.0)
        assert 0 < self.COSTS[pruner.support_].sum() <= budget
        free = fitted(P, y, costs=self.COSTS, penalty=penalty, lam=0.0)
        assert self.COSTS[free.support_].sum() > budget

    @pytest.mark.parametrize("diversity", ["shannon", "exact", "gini"])
    def test_members_beyond_the_budget_do_not_take_part(self, diversity):
        """As if they were not there: no other member is left out because of them."""
        P, y = pool(10, seed=4)
        cheap = self.COSTS <= 4
        params = {"diversity": diversity, "lam": 0.05, "max_cost": 4.0, "alpha": 1.0}
        pruner = fitted(P, y, costs=self.COSTS, **params)
        alone = fitted(P[cheap], y, costs=self.COSTS[cheap], **params)
        np.testing.assert_allclose(pruner.weights_[cheap], alone.weights_, atol=1e-7)
        assert (pruner.weights_[~cheap] == 0).all()

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("penalty", ["l1", "l0"])
    @pytest.mark.parametrize("diversity", ["shannon", "exact", "gini"])
    def test_the_solution_is_still_certified(self, diversity, penalty):
        P, y = pool(10, seed=4)
        params = {"diversity": diversity, "penalty": penalty, "max_cost": 4.0}
        pruner = fitted(P, y, costs=self.COSTS, **params)
        assert pruner.solution_.status == "optimal"
        assert pruner.solution_.duality_gap < 1e-8
        assert pruner.path_.kkt_residual < 1e-8
        assert (pruner.solution_.weights[self.COSTS > 4] == 0).all()
        assert (pruner.path_.weights[:, self.COSTS > 4] == 0).all()

    @pytest.mark.parametrize("budget", [9.0, 11.0, 14.0])
    def test_members_are_taken_by_weight_for_as_long_as_there_is_room(self, budget):
        P, y = pool(10, seed=4)
        w = penalised(*quadratic(P, y, 0.9), 0.0, self.COSTS)
        room, expected, passed_over = budget, [], 0
        for i in np.argsort(-w)[: (w > 0).sum()]:
            if self.COSTS[i] <= room:
                expected.append(i)
                room -= self.COSTS[i]
            elif room >= self.COSTS[w > 0].min():
                passed_over += 1
        assert passed_over  # costs more than what is left, and others do not
        pruner = fitted(P, y, costs=self.COSTS, max_cost=budget, lam=0.0)
        assert set(np.flatnonzero(pruner.support_)) == set(expected)

    def test_all_of_the_budget_may_be_spent(self):
        P, y = pool(3, seed=5, low=1.5)
        pruner = fitted(P, y, costs=[1, 1, 1], max_cost=3, lam=0.0)
        assert pruner.n_members_ == 3


class TestZeroNorm:
    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("params", [{"lam": 0.02}, {"lam": 0.2}, {"max_members": 4}], ids=str)
    def test_never_a_worse_objective_at_that_size(self, params, seed):
        P, y = pool(14, N=60, seed=seed)
        Q, c = quadratic(P, y, 0.9)
        l1, l0 = (fitted(P, y, penalty=p, reweight="relaxed", **params) for p in ("l1", "l0"))
        assert l0.n_members_ <= l1.n_members_
        # f of weights that sum to one, as those of votes do
        best = [objective(Q, c, relaxed(Q, c, pruner.support_)) for pruner in (l0, l1)]
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

    @pytest.mark.parametrize("seed", range(4))
    def test_no_more_members_and_no_higher_costs(self, seed):
        P, y = pool(14, N=60, seed=seed)
        costs = np.random.default_rng(seed).uniform(1, 10, size=14)
        l1, l0 = (fitted(P, y, lam=0.1, penalty=p, costs=costs) for p in ("l1", "l0"))
        assert l0.n_members_ <= l1.n_members_
        assert costs[l0.support_].sum() <= costs[l1.support_].sum() * (1 + 1e-9)

    def test_none_leaves_weights_that_no_penalty_has_shrunk(self):
        P, y = pool(14, N=60)
        Q, c = quadratic(P, y, 0.9)
        pruner = fitted(P, y, penalty="l0", reweight="none")
        expected = relaxed(Q, c, pruner.support_)
        np.testing.assert_allclose(pruner.weights_, expected, atol=1e-4)


class TestAsAnEstimator:
    def test_fit_leaves_the_parameters_alone(self):
        P, y = pool(3)
        costs = np.array([3.0, 1.0, 2.0])
        pruner = fitted(P, y, costs=costs, max_cost=3.0)
        assert pruner.costs is costs
        np.testing.assert_array_equal(costs, [3, 1, 2])

    def test_of_a_real_ensemble(self, data):
        X, y = data
        forest = RandomForestClassifier(30, max_depth=4, random_state=0)
        pruner = SOCPEnsemblePruner(
            forest, costs="parameters", penalty="l0", max_members=5, random_state=0
        ).fit(X, y)
        assert pruner.n_members_ <= 5
        assert pruner.score(X, y) > 0.7


def test_a_budget_that_sums_to_itself_but_for_rounding_is_kept():
    P, y = pool(15, seed=5, low=1.5)
    tenths = fitted(P, y, costs=np.full(15, 0.1), max_cost=0.3, lam=0.0)
    ones = fitted(P, y, costs=np.ones(15), max_cost=3, lam=0.0)
    np.testing.assert_array_equal(tenths.support_, ones.support_)
    assert tenths.n_members_ == 3

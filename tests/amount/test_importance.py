"""Amounts by importance: the notebook's numbers, and what must hold for any importance."""

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.exceptions import NotFittedError

from skprune.amount import (
    LogisticCurve,
    PolynomialCurve,
    importance_inverse_amounts,
    normalize_importance,
    reciprocal_mean_rank,
    smallest_amounts,
)
from skprune.exceptions import InfeasibleLimitsWarning

from . import notebook

VIEWS = sorted(notebook.RANKING)
RANKING = np.array([notebook.RANKING[view] for view in VIEWS])
NORMALIZED = np.array([notebook.NORMALIZED[view] for view in VIEWS])


class TestImportance:
    def test_published_normalisation(self):
        np.testing.assert_allclose(normalize_importance(RANKING), NORMALIZED, atol=1e-14)
        shares = RANKING / RANKING.sum()
        assert shares[0] == pytest.approx(0.23962056141346544, rel=1e-14)
        assert shares[10] == pytest.approx(0.17115754386676105, rel=1e-14)
        assert shares[6] == pytest.approx(0.09984190058894395, rel=1e-14)
        assert shares[11] == pytest.approx(0.036306145668706886, rel=1e-14)
        np.testing.assert_allclose(normalize_importance(shares), NORMALIZED, atol=1e-14)

    def test_published_ranks(self):
        """Each published importance is 5 over a whole number: a sum of ranks over 5 repeats."""
        sums = np.round(5 / RANKING)
        np.testing.assert_allclose(5 / sums, RANKING, rtol=1e-14)
        # Ranks with those sums, a permutation in every repeat not being asked for.
        ranks = np.tile(sums / 5, (5, 1))
        np.testing.assert_allclose(reciprocal_mean_rank(ranks), RANKING, rtol=1e-14)

    def test_reciprocal_mean_rank_by_hand(self):
        found = reciprocal_mean_rank([[1, 2, 3, 4], [1, 3, 2, 4], [2, 1, 3.5, 3.5]])
        np.testing.assert_allclose(found, [3 / 4, 3 / 6, 3 / 8.5, 3 / 11.5])

    def test_equal_importance(self):
        np.testing.assert_array_equal(normalize_importance([3, 3]), [0, 0])
        np.testing.assert_array_equal(normalize_importance([0.2]), [0])

    @pytest.mark.parametrize(
        ("function", "values", "message"),
        [
            (reciprocal_mean_rank, [[0, 1]], "between 1 and the number of views, 2; got .* 0 to 1"),
            (reciprocal_mean_rank, [[1, 3]], "got values from 1 to 3"),
            (reciprocal_mean_rank, [1, 2], "Expected 2D array"),
            (reciprocal_mean_rank, [[1, np.nan]], "ranks contains NaN"),
            (normalize_importance, [1, -0.5], "importance must not be negative; got -0.5"),
            (normalize_importance, [1, np.inf], "importance contains infinity"),
            (normalize_importance, [[1, 2]], "importance must have one dimension"),
            (normalize_importance, [], "minimum of 1 is required"),
        ],
    )
    def test_wrong_input(self, function, values, message):
        with pytest.raises(ValueError, match=message):
            function(values)


class TestInverseRule:
    def test_published_result(self):
        """75.87 before scaling, 85.00 after it, correlation -1, R^2 1."""
        whole = 0.9 * (1 - NORMALIZED)
        before = notebook.accuracy(whole) @ NORMALIZED / NORMALIZED.sum()
        assert before == pytest.approx(75.87, abs=0.005)
        found = importance_inverse_amounts(NORMALIZED, notebook.accuracy, target=85)
        assert found.scale == pytest.approx(0.76184084, abs=1e-8)
        assert found.achieved == pytest.approx(85.00, abs=1e-6)
        assert found.achieved >= 85
        assert found.reachable
        assert found.correlation == pytest.approx(-1, abs=1e-12)
        np.testing.assert_allclose(found.amounts, found.scale * whole)

    def test_importance_in_any_unit(self):
        one = importance_inverse_amounts(NORMALIZED, notebook.accuracy, target=85)
        for importance in (RANKING, 7 * RANKING, RANKING / RANKING.sum()):
            other = importance_inverse_amounts(importance, notebook.accuracy, target=85)
            np.testing.assert_allclose(other.amounts, one.amounts, atol=1e-8)

    def test_curves_of_every_kind(self):
        p = np.linspace(0, 1, 11)[:, None]
        curve = LogisticCurve().fit(p, notebook.accuracy(p[:, 0]))

        class Bare:
            def predict(self, X):
                assert X.ndim == 2
                return notebook.accuracy(X[:, 0])

        for given in (curve, Bare()):
            found = importance_inverse_amounts(RANKING, given, target=85)
            assert found.scale == pytest.approx(0.76184084, abs=1e-8)

    @pytest.mark.parametrize("seed", range(40))
    def test_higher_importance_never_gets_a_larger_amount(self, seed):
        rng = np.random.default_rng(seed)
        importance = rng.choice([rng.random(8), rng.integers(0, 4, 8), rng.exponential(size=8)])
        weights = None if seed % 2 else rng.random(8)
        height, steepness = rng.uniform(60, 100), rng.uniform(2, 20)
        target, most = rng.uniform(20, 110), rng.uniform(0.3, 1)

        def accuracy(p):
            """Falls, or first rises, as the seed has it."""
            rise = 20 * (seed % 3 == 0) * np.exp(-(((p - 0.4) / 0.15) ** 2))
            return height / (1 + np.exp(steepness * (p - 0.6))) + rise

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = importance_inverse_amounts(importance, accuracy, target, most, weights=weights)
        assert [w.category for w in caught] == [InfeasibleLimitsWarning] * (not found.reachable)
        order = np.argsort(importance)
        assert (np.diff(found.amounts[order]) <= 1e-12).all()
        assert found.amounts.min() >= 0
        assert found.amounts.max() <= most + 1e-12
        ties = importance[:, None] == importance
        assert (np.ptp(np.where(ties, found.amounts, found.amounts[:, None]), axis=1) == 0).all()
        assert found.achieved == pytest.approx(accuracy(found.amounts) @ found.weights)
        assert found.reachable == (found.achieved >= target)
        if 0 < found.scale < 1:  # no larger common scale reaches the target
            whole = most * (1 - found.importance)
            larger = np.linspace(found.scale + 2e-9, 1, 500)[1:, None]
            assert (accuracy(larger * whole) @ found.weights < target).all()

    @pytest.mark.parametrize("seed", range(30))
    def test_a_target_that_only_whole_views_reach(self, seed):
        """The target is the accuracy of views that are not pruned: met but for rounding."""
        importance = np.random.default_rng(seed).random(8)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = importance_inverse_amounts(importance, lambda p: 90 - 50 * p, target=90)
        assert found.reachable
        np.testing.assert_allclose(found.amounts, 0, atol=1e-7)

    def test_fitted_fractions_may_overshoot_one(self):
        p = np.linspace(0, 1, 11)[:, None]
        y = [0.999, 0.999, 0.998, 0.998, 0.997, 0.99, 0.97, 0.9, 0.7, 0.4, 0.1]
        cubic = PolynomialCurve(3).fit(p, y)
        assert cubic.predict(p).max() > 1.005
        assert importance_inverse_amounts(RANKING, cubic, target=0.9).reachable

    def test_curves_are_checked(self):
        with pytest.raises(NotFittedError):
            importance_inverse_amounts(RANKING, LogisticCurve(), target=85)
        two = PolynomialCurve(1).fit([[0, 0], [0, 1], [1, 0]], [90, 80, 70])
        with pytest.raises(ValueError, match="expecting 2 features"):
            importance_inverse_amounts(RANKING, two, target=85)

    def test_a_target_that_is_met_already(self):
        found = importance_inverse_amounts(RANKING, notebook.accuracy, target=70)
        assert found.scale == 1
        assert found.achieved == pytest.approx(75.87, abs=0.005)

    def test_halve_then_zero_the_most_important_first(self):
        """Accuracy high for no pruning and for much, low between: no common scale is enough."""

        def accuracy(p):
            return np.where(p == 0, 90.0, np.where(p >= 0.5, 95.0, 20.0))

        importance = [1, 0.6, 0.3, 0]
        # At scale one: 0, 0.36, 0.63, 0.9, so the second view is low; halved it still is.
        found = importance_inverse_amounts(importance, accuracy, target=90.5)
        np.testing.assert_allclose(found.amounts, [0, 0, 0.63, 0.9])
        assert np.isnan(found.scale)
        assert found.reachable
        assert found.achieved == pytest.approx((90 + 0.6 * 90 + 0.3 * 95) / 1.9)

        def half_is_enough(p):
            return np.where(np.abs(p - 0.18) < 1e-9, 92.0, accuracy(p))

        found = importance_inverse_amounts(importance, half_is_enough, target=91)
        np.testing.assert_allclose(found.amounts, [0, 0.18, 0.63, 0.9])

    def test_views_of_equal_importance_are_spared_together(self):
        def accuracy(p):
            return np.where(p == 0, 90.0, np.where(p >= 0.5, 95.0, 20.0))

        found = importance_inverse_amounts(
            [1, 0.6, 0.6, 0], accuracy, target=91, weights=np.ones(4)
        )
        np.testing.assert_allclose(found.amounts, [0, 0, 0, 0.9])

    def test_a_target_out_of_reach(self):
        with pytest.warns(InfeasibleLimitsWarning, match=r"reach the target 99: .* have 98.1"):
            found = importance_inverse_amounts(RANKING, notebook.accuracy, target=99)
        assert not found.reachable
        np.testing.assert_array_equal(found.amounts, 0)
        assert np.isnan(found.correlation)

    def test_equal_views_share_one_amount(self):
        found = importance_inverse_amounts([2, 2, 2], notebook.accuracy, target=85)
        np.testing.assert_allclose(found.amounts, 0.3778452, atol=1e-7)
        one = importance_inverse_amounts([1], notebook.accuracy, target=85)
        np.testing.assert_allclose(one.amounts, 0.3778452, atol=1e-7)

    def test_weights_of_their_own(self):
        weights = np.array([0.5, 0.3, 0.2])
        found = importance_inverse_amounts(weights, notebook.accuracy, 85, weights=weights)
        assert found.achieved == pytest.approx(notebook.accuracy(found.amounts) @ weights)
        assert found.achieved == pytest.approx(85, abs=1e-6)
        plain = importance_inverse_amounts(weights, notebook.accuracy, 85)
        assert plain.scale > found.scale

    def test_fractions(self):
        found = importance_inverse_amounts(RANKING, lambda p: notebook.accuracy(p) / 100, 0.85)
        assert found.scale == pytest.approx(0.76184084, abs=1e-8)

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"target": 0.85}, ValueError, "target=0.85 is a fraction, but .* in percent"),
            (
                {"accuracy_curve": lambda p: notebook.accuracy(p) / 100},
                ValueError,
                "target=85 is in percent, but the accuracy curve is a fraction",
            ),
            ({"target": -1}, ValueError, "'target' .* float in the range .0.0, .* Got -1"),
            ({"target": "85"}, ValueError, "'target' .* float in the range .0.0, "),
            ({"max_amount": 0}, ValueError, "'max_amount' .* float in the range .0.0, .* Got 0"),
            ({"max_amount": 1.1}, ValueError, r"'max_amount' .* \(0.0, 1.0\]. Got 1.1"),
            ({"importance": [1, np.nan]}, ValueError, "importance contains NaN"),
            ({"importance": [1, -1]}, ValueError, "importance must not be negative"),
            ({"weights": [1, 2]}, ValueError, "one number a view, 12; got 2"),
            ({"weights": [-1] * 12}, ValueError, "weights must not be negative"),
            ({"accuracy_curve": 3}, TypeError, "accuracy_curve must be a function"),
            (
                {"accuracy_curve": lambda p: 85.0},
                ValueError,
                "accuracy_curve must give one finite number an amount",
            ),
            (
                {"accuracy_curve": lambda p: p * np.nan},
                ValueError,
                "accuracy_curve must give one finite",
            ),
        ],
    )
    def test_wrong_input(self, change, error, message):
        given = {"importance": RANKING, "accuracy_curve": notebook.accuracy, "target": 85}
        with pytest.raises(error, match=message):
            importance_inverse_amounts(**(given | change))


class TestSmallest:
    @pytest.mark.parametrize("target", [80, 85, 90])
    def test_no_worse_than_the_rule_and_than_scipy(self, target):
        rule = importance_inverse_amounts(RANKING, notebook.accuracy, target)
        found = smallest_amounts(RANKING, notebook.accuracy, notebook.size, target, random_state=0)
        assert found.reachable
        assert found.achieved >= target
        assert np.isnan(found.scale)
        assert found.mean_size(notebook.size) < rule.mean_size(notebook.size)
        rng, best = np.random.default_rng(0), np.inf
        for _ in range(15):
            run = minimize(
                lambda x: notebook.size(x).mean(),
                rng.random(12) * 0.9,
                method="SLSQP",
                bounds=[(0, 0.9)] * 12,
                constraints={
                    "type": "ineq",
                    "fun": lambda x: notebook.accuracy(x) @ found.weights - target,
                },
            )
            best = min(best, run.fun if run.success else np.inf)
        assert found.mean_size(notebook.size) <= best + 0.05
        # A view that does not count is pruned as far as it may be.
        assert found.amounts[11] == pytest.approx(0.9, abs=1e-6)

    def test_seeded(self):
        one, two = (
            smallest_amounts([3, 2, 1], notebook.accuracy, notebook.size, 85, random_state=1)
            for _ in range(2)
        )
        np.testing.assert_array_equal(one.amounts, two.amounts)

    def test_a_target_out_of_reach(self):
        with pytest.warns(InfeasibleLimitsWarning, match="reach the target 99"):
            found = smallest_amounts([2, 1], notebook.accuracy, notebook.size, 99, random_state=0)
        assert not found.reachable
        np.testing.assert_allclose(found.amounts[0], 0, atol=1e-6)

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"size_curve": None}, TypeError, "size_curve must be a function"),
            ({"n_restarts": -1}, ValueError, "'n_restarts' .* int in the range .0, inf.* Got -1"),
            ({"target": 0.8}, ValueError, "target=0.8 is a fraction"),
        ],
    )
    def test_wrong_input(self, change, error, message):
        given = {
            "importance": [2, 1],
            "accuracy_curve": notebook.accuracy,
            "size_curve": notebook.size,
            "target": 85,
        }
        with pytest.raises(error, match=message):
            smallest_amounts(**(given | change))

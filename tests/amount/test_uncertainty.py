"""How far the answer can be trusted."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

from skprune import PruningAmountOptimizer
from skprune.amount import DEFAULT_REWARDS, PolynomialCurve, PruningReward
from skprune.exceptions import CurveMisfitWarning

from . import notebook

pd = pytest.importorskip("pandas")


def noisy(seed, scale=1.0, repeats=1):
    rng = np.random.default_rng(seed)
    p = np.repeat(np.linspace(0, 1, 11), repeats)
    y = notebook.measured(p) + scale * rng.normal(size=(len(p), 3)) * [1, 0.02, 4]
    return p[:, None], np.clip(y, 0, [100, np.inf, np.inf])


def fitted(X, y, **parameters):
    given = {"min_accuracy": 80, "max_size": 300, "random_state": 0} | parameters
    return PruningAmountOptimizer(**given).fit(X, y)


class TestBootstrap:
    def test_the_interval_holds_the_truth_as_often_as_it_says(self):
        """80 % of 20 experiments: 11 to 19 of them, all but once in fifty draws of seeds."""
        inside = 0
        for seed in range(20):
            drawn = fitted(*noisy(seed)).bootstrap(20, confidence=0.8, random_state=seed)
            inside += int(drawn.low[0] <= 0.4433922 <= drawn.high[0])
        assert 11 <= inside <= 19

    def test_width_follows_the_noise_and_the_repeats(self):
        def width(scale, repeats):
            drawn = fitted(*noisy(0, scale, repeats)).bootstrap(30, random_state=0)
            return float(drawn.high[0] - drawn.low[0])

        assert width(0.1, 1) < 0.3 * width(1, 1)
        assert width(1, 16) < 0.5 * width(1, 1)

    @pytest.mark.filterwarnings("ignore::skprune.exceptions.InfeasibleLimitsWarning")
    def test_around_a_limit_it_says_how_often_it_can_be_met(self):
        """At size 318.9 accuracy is 85: noise decides whether 85 and 318.5 can both be met."""
        X, y = noisy(1)
        found = fitted(X, y, min_accuracy=85, max_size=318.5)
        drawn = found.bootstrap(40, random_state=0)
        assert 0.05 < drawn.feasible.mean() < 0.95
        assert f"limits met in {drawn.feasible.mean():.0%}" in str(drawn)

    def test_the_same_for_every_n_jobs_and_seed(self):
        found = fitted(*noisy(0))
        one = found.bootstrap(8, random_state=3)
        two = found.bootstrap(8, random_state=3, n_jobs=2)
        np.testing.assert_array_equal(one.amounts, two.amounts)
        assert (one.amounts != found.bootstrap(8, random_state=4).amounts).any()
        assert one.amounts.shape == (8, 1)

    def test_limits_and_curves_are_those_of_the_fit(self):
        """Parameters that are set afterwards count from the next fit on."""
        found = fitted(*noisy(0))
        before = found.bootstrap(5, random_state=0).amounts
        moved = found.weight_sensitivity([2], random_state=0).amounts
        found.set_params(min_accuracy=95, size_curve="cubic", n_restarts="many")
        np.testing.assert_array_equal(found.bootstrap(5, random_state=0).amounts, before)
        again = found.weight_sensitivity([2], random_state=0).amounts
        np.testing.assert_array_equal(again, moved)

    def test_several_columns(self):
        rng = np.random.default_rng(0)
        X = rng.random((40, 2))
        accuracy = notebook.accuracy(X) @ [0.7, 0.3] + rng.normal(size=40)
        found = fitted(X, np.clip(accuracy, 0, 100), max_size=None, n_restarts=0)
        drawn = found.bootstrap(4, random_state=0)
        assert drawn.amounts.shape == (4, 2)
        assert (drawn.low <= drawn.high).all()

    def test_a_line_by_hand(self):
        """Where a straight accuracy crosses the limit: the delta method on least squares."""
        rng, n, noise = np.random.default_rng(0), 6, 1.0
        p = np.linspace(0, 0.5, n)
        y = 95 - 60 * p + noise * rng.normal(size=n)
        found = PruningAmountOptimizer(
            accuracy_curve="linear", min_accuracy=80, rewards=(PruningReward(),), random_state=0
        ).fit(p[:, None], y)
        drawn = found.bootstrap(400, random_state=0).amounts[:, 0]
        residuals = found.fits_["accuracy"].residuals
        line = np.column_stack([np.ones(n), p])
        covariance = np.linalg.inv(line.T @ line) * (residuals**2).sum() / (n - 2)
        at = np.array([1, found.best_amount_])
        expected = np.sqrt(at @ covariance @ at) / abs(found.curves_["accuracy"].coef_[0, 0])
        assert drawn.std() == pytest.approx(expected, rel=0.12)
        assert drawn.mean() == pytest.approx(found.best_amount_, abs=0.2 * expected)

    def test_residuals_are_drawn_in_units_of_their_weights(self):
        """Rows of weight 100 scatter a tenth as much: the answer is known as well as they are."""
        rng, n = np.random.default_rng(1), 40
        p = np.linspace(0, 0.5, n)
        weights = np.where(np.arange(n) % 2, 100.0, 1.0)
        y = 95 - 60 * p + 3 / np.sqrt(weights) * rng.normal(size=n)
        found = PruningAmountOptimizer(
            accuracy_curve="linear", min_accuracy=80, rewards=(PruningReward(),), random_state=0
        ).fit(p[:, None], y, sample_weight=weights)
        drawn = found.bootstrap(400, random_state=0).amounts[:, 0]
        residuals = found.fits_["accuracy"].residuals
        line = np.column_stack([np.ones(n), p])
        variance = (weights * residuals**2).sum() / (n - 2)
        covariance = np.linalg.inv(line.T * weights @ line) * variance
        at = np.array([1, found.best_amount_])
        expected = np.sqrt(at @ covariance @ at) / abs(found.curves_["accuracy"].coef_[0, 0])
        assert drawn.std() == pytest.approx(expected, rel=0.15)

    @pytest.mark.parametrize(
        "curve", ["pchip", PolynomialCurve(10), KNeighborsRegressor(1)], ids=lambda c: str(c)
    )
    @pytest.mark.filterwarnings("ignore::skprune.exceptions.InfeasibleLimitsWarning")
    def test_curves_through_every_point_know_nothing(self, curve):
        X, y = noisy(0)
        y[:, 0] = np.sort(y[:, 0])[::-1]
        with pytest.warns(CurveMisfitWarning, match="accuracy curve passes through every"):
            fitted(X, y, accuracy_curve=curve).bootstrap(2, random_state=0)

    def test_exact_data_of_the_right_curve_leave_no_doubt(self, amounts, measured):
        drawn = fitted(amounts, measured).bootstrap(10, random_state=0)
        np.testing.assert_allclose(drawn.amounts, 0.4433922, atol=1e-6)

    def test_curves_without_weights(self):
        class Bare:
            def fit(self, X, y):
                self.line = LinearRegression().fit(X, y)

            def predict(self, X):
                return self.line.predict(X)

        drawn = fitted(*noisy(0), size_curve=Bare()).bootstrap(5, random_state=0)
        assert drawn.high[0] > drawn.low[0]

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"n_resamples": 0}, "'n_resamples' .* int in the range .1, inf.* Got 0"),
            ({"confidence": 90}, "'confidence' .* range .0.0, 1.0.* Got 90"),
            ({"random_state": 1.5}, "random_state must be"),
            ({"random_state": "foo"}, "random_state must be .* got 'foo'"),
            ({"n_jobs": 0}, "'n_jobs' .*jobs at a time.* Got 0"),
            ({"n_jobs": 1.5}, "'n_jobs' .*jobs at a time.* Got 1.5"),
            ({"n_jobs": "2"}, "'n_jobs' .*jobs at a time.* Got '2'"),
        ],
    )
    def test_wrong_parameters(self, given, message):
        with pytest.raises(ValueError, match=message):
            fitted(*noisy(0)).bootstrap(**given)


class TestWeightSensitivity:
    def test_against_searches_of_their_own(self, amounts, measured):
        weights = (1.0, 0.5, 2.0, 1.0, 3.0)
        given = tuple(
            replace(reward, weight=weight)
            for reward, weight in zip(DEFAULT_REWARDS, weights, strict=True)
        )
        found = fitted(amounts, measured, min_accuracy=None, max_size=None, rewards=given)
        table = found.weight_sensitivity([0.5, 2], random_state=0)
        assert table.rewards == tuple(r.name for r in DEFAULT_REWARDS)
        assert table.amounts.shape == (5, 2, 1)
        assert table.best[0] == found.best_amount_
        for i, reward in enumerate(DEFAULT_REWARDS):
            for k, factor in enumerate([0.5, 2]):
                rewards = list(given)
                rewards[i] = replace(reward, weight=weights[i] * factor)
                own = fitted(amounts, measured, min_accuracy=None, max_size=None, rewards=rewards)
                assert table.amounts[i, k, 0] == pytest.approx(own.best_amount_, abs=1e-6)

    def test_limits_hold_whatever_the_weights(self, amounts, measured):
        table = fitted(amounts, measured).weight_sensitivity([0, 100], random_state=0)
        assert (notebook.accuracy(table.amounts) >= 80 - 1e-9).all()

    def test_as_table_and_text(self, amounts, measured):
        found = fitted(amounts, measured, rewards=(PruningReward(), *DEFAULT_REWARDS[:1]))
        table = found.weight_sensitivity([0, 2], random_state=0)
        frame = table.to_frame()
        assert list(frame.index) == ["pruning", "accuracy"]
        assert list(frame.columns) == [0, 2]
        np.testing.assert_array_equal(frame.to_numpy(), table.amounts[:, :, 0])
        assert str(table).splitlines()[0].split() == ["amount", "x0", "x2"]
        assert str(table).splitlines()[2].split()[0] == "pruning"

    def test_several_columns_in_the_table(self):
        X = np.random.default_rng(0).random((30, 2))
        found = PruningAmountOptimizer(n_restarts=0, random_state=0).fit(
            X, notebook.accuracy(X).mean(axis=1)
        )
        frame = found.weight_sensitivity([2], random_state=0).to_frame()
        assert frame.shape == (2, 2)
        assert frame.columns.names == ["factor", "column"]

    def test_wrong_factors(self, amounts, measured):
        with pytest.raises(ValueError, match="factors must be one or more non-negative"):
            fitted(amounts, measured).weight_sensitivity([-1])
        with pytest.raises(ValueError, match="factors must be one or more"):
            fitted(amounts, measured).weight_sensitivity([])

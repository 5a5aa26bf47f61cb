"""The notebook's numbers, limits that are kept, and a transformer like any other."""

import pickle
import warnings

import joblib
import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skprune import PruningAmountOptimizer
from skprune.amount import (
    DEFAULT_REWARDS,
    AccuracyReward,
    PolynomialCurve,
    PruningReward,
    TimeReward,
)
from skprune.exceptions import CurveMisfitWarning, InfeasibleLimitsWarning

from . import notebook

pd = pytest.importorskip("pandas")

# REFERENCE, part A: limits, best on the grid of 0.001 (amount, total), best on one 100 times finer.
MET = [
    (80, 300, 0.443, 268.42094512, 0.4433922, 268.46445464),
    (85, 400, 0.377, 303.61859942, 0.3778452, 303.73974811),
    (80, 400, 0.443, 318.76451477, 0.4433922, 318.80822226),
]
GRID = np.linspace(0, 1, 1001)[:, None]
TENTHS = np.arange(10)[:, None] / 10
# Four amounts have at least 90 percent, and no curve of a few parameters follows.
ZIGZAG = np.array([90.0, 60, 95, 50, 92, 40, 91, 45, 88, 30])
# Between 0.3 and 0.4 nearly all accuracy is lost.
CLIFF = np.array([98.2, 98.1, 98.0, 98.0, 10, 10, 10, 9, 10, 10])


def fitted(amounts, measured, min_accuracy=None, max_size=None, **parameters):
    return PruningAmountOptimizer(
        min_accuracy=min_accuracy, max_size=max_size, random_state=0, **parameters
    ).fit(amounts, measured)


@pytest.mark.parametrize(("least", "most", "grid", "grid_total", "fine", "total"), MET)
def test_published_optima(amounts, measured, least, most, grid, grid_total, fine, total):
    found = fitted(amounts, measured, least, most)
    assert found.grid_amount_ == pytest.approx(grid, abs=1e-12)
    assert found.grid_reward_ == pytest.approx(grid_total, abs=1e-7)
    assert found.best_amount_ == pytest.approx(fine, abs=1e-6)
    assert found.best_reward_ >= total - 1e-7
    assert found.best_reward_ == pytest.approx(total, abs=1e-4)
    assert found.feasible_
    assert found.misses_ == {"min_accuracy": 0.0, "max_size": 0.0}
    details = found.details().iloc[0]
    assert details["Accuracy"] >= least
    assert details["Size"] <= most


def test_printed_total(amounts, measured):
    """268.4209448716784 at p = 0.443, min_accuracy 80, max_size 300."""
    details = fitted(amounts, measured, 80, 300).details(0.443)
    assert details["Total Reward"][0] == pytest.approx(268.4209448716784, abs=1e-6)
    assert list(details.columns) == [
        "Pruning Amount",
        "Accuracy",
        "Time",
        "Size",
        "Accuracy Reward",
        "Time Reward",
        "Size Reward",
        "More Accuracy Less Size Reward",
        "Pruning Reward",
        "Total Reward",
    ]


@pytest.mark.parametrize(
    ("least", "most", "where", "total"),
    [(85, 300, 0.423, 246.27212082), (90, 300, 1.0, 215.65842483)],
)
def test_the_rewards_optimum_that_misses_the_limits(amounts, measured, least, most, where, total):
    """What the notebook would answer; the optimizer names the nearest amount instead."""
    with pytest.warns(InfeasibleLimitsWarning, match="cannot be met together"):
        found = fitted(amounts, measured, least, most)
    totals = found.transform(GRID)[:, -1]
    assert GRID[totals.argmax(), 0] == pytest.approx(where)
    assert totals.max() == pytest.approx(total, abs=1e-7)
    assert not found.feasible_
    assert 0.3 < found.best_amount_ < 0.43
    # The nearest amount, by its definition, on a fine grid.
    fine = np.linspace(0, 1, 100_001)
    short = np.maximum(least - notebook.accuracy(fine), 0) / least
    over = np.maximum(notebook.size(fine) - most, 0) / most
    assert found.best_amount_ == pytest.approx(fine[np.hypot(short, over).argmin()], abs=2e-5)
    accuracy, _, size = notebook.measured([found.best_amount_])[0]
    assert found.misses_["min_accuracy"] == pytest.approx(least - accuracy, abs=1e-6)
    assert found.misses_["max_size"] == pytest.approx(size - most, abs=1e-6)


def test_the_warning_says_which_limit_is_met_where(amounts, measured):
    with pytest.warns(InfeasibleLimitsWarning) as caught:
        found = fitted(amounts, measured, 90, 300)
    said = str(caught[0].message)
    assert "min_accuracy=90 and max_size=300 cannot be met together" in said
    edge = brentq(lambda p: notebook.accuracy(p) - 90, 0, 1)
    assert f"min_accuracy is met at amounts 0.000 to {np.floor(edge * 1000) / 1000:.3f}" in said
    assert "max_size is met at amounts 0.423 to 1.000" in said
    assert f"nearest amount is {found.best_amount_:.4g}" in said
    assert f"min_accuracy by {found.misses_['min_accuracy']:.4g}" in said
    with pytest.warns(InfeasibleLimitsWarning, match="max_time is met at none"):
        fitted(amounts, measured, 80, max_time=0.0001)
    # Time is low at both ends, and accuracy and size meet between them.
    p = np.linspace(0, 1, 21)
    y = np.column_stack([notebook.accuracy(p), 1 - 2 * np.abs(p - 0.5), notebook.size(p)])
    gap = r"max_time is met at amounts 0.000 to 0.3.., 0.6.. to 1.000"
    with pytest.warns(InfeasibleLimitsWarning, match=gap):
        fitted(p[:, None], y, 65, 300, max_time=0.7, time_curve=DecisionTreeRegressor())


@pytest.mark.parametrize("seed", range(8))
def test_limits_that_can_be_met_are_met(amounts, measured, seed):
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.05, 0.95)
    accuracy, time, size = notebook.measured([p])[0] * [0.999, 1.001, 1.001]
    found = fitted(amounts, measured, accuracy, size, max_time=time)
    assert found.feasible_
    got = notebook.measured([found.best_amount_])[0]
    assert got[0] >= accuracy - 1e-9
    assert got[1] <= time + 1e-9
    assert got[2] <= size + 1e-9
    fine = np.linspace(0, 1, 20_001)
    all_ = notebook.measured(fine)
    meets = (all_[:, 0] >= accuracy) & (all_[:, 1] <= time) & (all_[:, 2] <= size)
    best = max(notebook.reward(q, accuracy, size) for q in fine[meets])
    assert found.best_reward_ >= best - 1e-3


def test_a_limit_that_is_a_value_of_the_curve(amounts, measured):
    """Met in one point only, and there but for rounding."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        least = fitted(amounts, measured, max_size=measured[:, 2].min())
        both = fitted(amounts, measured, *measured[6, [0, 2]])
    assert least.feasible_
    assert least.best_amount_ == pytest.approx(1)
    assert both.feasible_
    assert both.misses_ == {"min_accuracy": 0.0, "max_size": 0.0}
    assert both.best_amount_ == pytest.approx(0.3)


class TestMeasuredAmountsThatMeetTheLimits:
    """Where the curves meet the limits nowhere, but some measurements do."""

    @pytest.mark.parametrize("curve", ["logistic", "linear"])
    def test_they_are_not_denied(self, curve):
        with pytest.warns(CurveMisfitWarning, match="but the measurements do") as caught:
            found = fitted(TENTHS, ZIGZAG, 90, accuracy_curve=curve)
        assert [w.category for w in caught] == [CurveMisfitWarning] * 2
        said = str(caught[1].message)
        assert "By the curves no amount meets min_accuracy=90" in said
        assert "at amounts 0, 0.2, 0.4, 0.6" in said
        assert found.feasible_
        assert found.from_measurements_
        assert found.misses_ == {"min_accuracy": 0.0}
        # Accuracy nearest to the least one, and most pruning: 0.6, with 91 percent.
        assert found.best_amount_ == 0.6
        assert found.best_reward_ == pytest.approx(found.transform([[0.6]])[0, -1])

    def test_the_curves_are_believed_where_they_meet_the_limits(self, amounts, measured):
        assert not fitted(amounts, measured, 80, 300).from_measurements_
        with pytest.warns(InfeasibleLimitsWarning):
            found = fitted(amounts, measured, 90, 300)
        assert not found.from_measurements_

    def test_the_mean_of_repeated_measurements_counts(self):
        """Of 95 and 75 at 0.2 the mean is 85, weighted 3 to 1 it is 90."""
        X, y = np.repeat(TENTHS, 2, axis=0), np.repeat(ZIGZAG, 2)
        y[[0, 1, 8, 9, 12, 13]] = 60
        y[4:6] = 95, 75
        with pytest.warns(InfeasibleLimitsWarning, match="by the curves"):
            fitted(X, y, 90)
        weights = np.ones(20)
        weights[4] = 3
        optimizer = PruningAmountOptimizer(min_accuracy=90, random_state=0)
        with pytest.warns(CurveMisfitWarning, match="measurements do at amount 0.2"):
            assert optimizer.fit(X, y, sample_weight=weights).best_amount_ == 0.2

    def test_all_limits_together_and_within_the_bounds(self):
        frame = pd.DataFrame({"accuracy": ZIGZAG / 100, "size": 100 - 90 * TENTHS[:, 0]})
        with pytest.warns(CurveMisfitWarning, match=r"measurements do at amount 0\.6\. "):
            found = fitted(TENTHS, frame, 0.9, 60)
        assert found.best_amount_ == 0.6
        assert found.misses_ == {"min_accuracy": 0.0, "max_size": 0.0}
        with pytest.warns(InfeasibleLimitsWarning, match="cannot be met together"):
            assert not fitted(TENTHS, frame, 0.9, 40).feasible_
        with pytest.warns(InfeasibleLimitsWarning, match="by any amount within the bounds"):
            assert not fitted(TENTHS, frame, 0.9, 60, bounds=(0, 0.5)).feasible_

    def test_several_columns(self):
        X = np.random.default_rng(0).random((40, 2))
        y = np.where(np.arange(40) % 8, 40.0, 95.0) - X.sum(axis=1)
        with pytest.warns(CurveMisfitWarning, match="but the measurements do") as caught:
            found = fitted(X, y, 90, accuracy_curve="linear", n_restarts=0)
        assert found.feasible_
        best = np.flatnonzero((found.best_amount_ == X).all(axis=1))
        assert y[best] >= 90
        (said,) = [str(w.message) for w in caught if "but the" in str(w.message)]
        assert said.count("[") == 5  # four of the five, and the best
        assert ", .... The answer is" in said


@pytest.mark.parametrize("curve", ["logistic", "pchip", "isotonic"])
class TestCliffs:
    """The answer lies between an amount that meets a limit by far and one that misses it by far."""

    def test_accuracy(self, curve):
        match = r"accuracy curve .* between .* 0\.3 .*98.* min_accuracy=85.* 0\.4 .*10"
        with pytest.warns(CurveMisfitWarning, match=match) as caught:
            found = fitted(TENTHS, CLIFF, 85, accuracy_curve=curve)
        assert 0.3 < found.best_amount_ < 0.4
        assert len(caught) == 1
        assert "or take 0.3, the nearest measured amount that meets all limits" in str(
            caught[0].message
        )

    @pytest.mark.parametrize("n", [4, 6, 10, 19])
    def test_a_smooth_fall_is_none(self, curve, n):
        rng = np.random.default_rng(0)
        p = np.linspace(0, 0.9, n)
        for steepness in (3, 5, 9):
            y = 98 / (1 + np.exp(steepness * (p - 0.6))) + 0.3 * rng.normal(size=n)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                for least in np.array([85, 70, 50, 30])[y[0] > [90, 75, 55, 35]]:
                    fitted(p[:, None], y, least, accuracy_curve=curve, n_restarts=0)

    def test_small_scatter_about_a_level_is_none(self, curve):
        for seed in range(10):
            y = 90 + np.random.default_rng(seed).normal(size=10)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                fitted(TENTHS, y, 89.5, accuracy_curve=curve, n_restarts=0)


def test_a_cliff_of_the_times():
    """Time falls at once from 1 to 0.4 between 0.5 and 0.6."""
    p = TENTHS[:, 0]
    frame = pd.DataFrame(
        {"accuracy": notebook.accuracy(p) / 100, "time": np.where(p < 0.55, 1, 0.4) - p / 100}
    )
    given = {"max_time": 0.7, "time_curve": "pchip", "rewards": (AccuracyReward(sigma=100),)}
    match = r"time curve .* 0\.6 \(time 0\.394, which meets max_time=0\.7\) .* take 0\.6, the near"
    with pytest.warns(CurveMisfitWarning, match=match):
        found = fitted(TENTHS, frame, **given)
    assert 0.5 < found.best_amount_ < 0.6
    with pytest.warns(CurveMisfitWarning, match="No measured amount meets all limits"):
        fitted(TENTHS, frame, 0.65, **given)


def test_which_amounts_meet_the_limits(amounts, measured):
    found = fitted(amounts, measured, 80, 300)
    accuracy, _, size = notebook.measured(GRID[:, 0]).T
    np.testing.assert_array_equal(found.meets_limits(GRID), (accuracy >= 80) & (size <= 300))
    assert found.meets_limits([[found.best_amount_]]).all()
    assert fitted(amounts, measured).meets_limits(GRID).all()


def test_the_best_accuracy_may_lie_off_the_diagonal():
    """Accuracy rises with the first amount and falls with the second: no equal amounts are best."""
    X = np.random.default_rng(0).random((40, 2))
    found = PruningAmountOptimizer(
        accuracy_curve="linear", rewards=(AccuracyReward(),), bounds=(0, 1), random_state=0
    )
    with pytest.warns(CurveMisfitWarning, match="outside the measured ones"):
        found.fit(X, 80 + 10 * X[:, 0] - 10 * X[:, 1])
    np.testing.assert_allclose(found.best_amount_, [1, 0], atol=1e-6)
    assert found.goal_.best_accuracy == pytest.approx(90)


def test_without_limits_nothing_is_missed(amounts, measured):
    found = fitted(amounts, measured)
    assert found.feasible_
    assert found.misses_ == {}
    assert notebook.accuracy(found.best_amount_) > 95


def test_fractions_are_percent_over_a_hundred(amounts, measured):
    percent = fitted(amounts, measured, 80, 300)
    fraction = fitted(amounts, measured * [0.01, 1, 1], 0.8, 300)
    assert fraction.best_amount_ == pytest.approx(percent.best_amount_, abs=1e-7)
    assert fraction.best_reward_ == pytest.approx(percent.best_reward_, abs=1e-6)
    np.testing.assert_allclose(
        fraction.transform(amounts)[:, 0] * 100, percent.transform(amounts)[:, 0]
    )
    with pytest.warns(InfeasibleLimitsWarning, match=r"min_accuracy=0.9 and .* by 0.0619"):
        missed = fitted(amounts, measured * [0.01, 1, 1], 0.9, 300)
    assert 0 < missed.misses_["min_accuracy"] < 0.1


def test_accuracy_alone_and_named_columns(amounts, measured):
    alone = fitted(amounts, measured[:, 0])
    assert list(alone.curves_) == ["accuracy"]
    assert list(alone.get_feature_names_out()) == [
        "accuracy",
        "accuracy_reward",
        "pruning_reward",
        "total_reward",
    ]
    frame = pd.DataFrame({"size": measured[:, 2], "accuracy": measured[:, 0]})
    two = fitted(amounts, frame, 80, 300)
    assert list(two.curves_) == ["accuracy", "size"]
    assert notebook.accuracy(two.best_amount_) >= 80 - 1e-9


def test_transform_is_what_the_formulas_say(amounts, measured):
    found = fitted(amounts, measured, 80, 300, rewards=(AccuracyReward(weight=2), TimeReward()))
    p = np.array([0.1, 0.443, 0.9])
    table = found.transform(p[:, None])
    np.testing.assert_allclose(table[:, :3], notebook.measured(p), rtol=1e-9)
    points = table[:, 0]
    accuracy = 2 * 100 * np.exp(-(np.abs(points - 80) ** 1.5) / 32)
    np.testing.assert_allclose(table[:, 3], accuracy)
    np.testing.assert_allclose(table[:, 5], table[:, 3] + table[:, 4])
    assert list(found.get_feature_names_out(["x"])) == [
        "accuracy",
        "time",
        "size",
        "accuracy_reward",
        "time_reward",
        "total_reward",
    ]
    with pytest.raises(ValueError, match="should have length"):
        found.get_feature_names_out(["x", "y"])


def test_pandas_in_and_out(amounts, measured):
    X = pd.DataFrame({"amount": amounts[:, 0]}, index=np.arange(21) + 100)
    y = pd.DataFrame(measured, columns=["accuracy", "time", "size"], index=X.index)
    found = PruningAmountOptimizer(random_state=0).set_output(transform="pandas")
    table = found.fit(X, y).transform(X)
    assert list(table.columns) == list(found.get_feature_names_out(["amount"]))
    pd.testing.assert_index_equal(table.index, X.index)
    with pytest.raises(ValueError, match="not equal to feature_names_in_"):
        found.get_feature_names_out(["other"])


def test_details_of_many_amounts(amounts, measured):
    found = fitted(amounts, measured, 80, 300)
    table = found.details([0.1, 0.2, 0.3])
    assert len(table) == 3
    np.testing.assert_allclose(table["Total Reward"], found.transform([[0.1], [0.2], [0.3]])[:, -1])
    assert found.details()["Pruning Amount"][0] == found.best_amount_
    with pytest.raises(ValueError, match="p must hold pruning amounts"):
        found.details(1.5)


def test_a_weight_of_zero_leaves_a_reward_out(amounts, measured):
    only = fitted(amounts, measured, rewards=(PruningReward(),))
    assert only.best_amount_ == pytest.approx(1, abs=1e-9)
    none = fitted(amounts, measured, 85, rewards=(PruningReward(weight=0), AccuracyReward()))
    assert notebook.accuracy(none.best_amount_) == pytest.approx(85, abs=1e-3)


def test_score_is_the_mean_r2(amounts, measured):
    rng = np.random.default_rng(0)
    found = fitted(amounts, measured)
    assert found.score(amounts, measured) == pytest.approx(1)
    noisy = measured + rng.normal(size=measured.shape) * [3, 0.1, 20]
    noisy = np.clip(noisy, 0, [100, np.inf, np.inf])
    expected = np.mean(
        [
            1 - ((noisy[:, j] - measured[:, j]) ** 2).sum() / ((noisy[:, j] - m) ** 2).sum()
            for j, m in enumerate(noisy.mean(axis=0))
        ]
    )
    assert found.score(amounts, noisy) == pytest.approx(expected)
    assert 0.5 < expected < 0.999
    weights = rng.random(21)
    weighted = found.score(amounts, noisy, sample_weight=weights)
    by_hand = [
        1
        - np.average((noisy[:, j] - measured[:, j]) ** 2, weights=weights)
        / np.average((noisy[:, j] - np.average(noisy[:, j], weights=weights)) ** 2, weights=weights)
        for j in range(3)
    ]
    assert weighted == pytest.approx(np.mean(by_hand))
    with pytest.raises(ValueError, match=r"accuracy in y is in percent, but it was a fraction"):
        fitted(amounts, measured * [0.01, 1, 1]).score(amounts, measured)
    with pytest.raises(ValueError, match=r"y must hold \['accuracy', 'time', 'size'\]"):
        found.score(amounts, measured[:, 0])


def test_grid_search_chooses_the_family_of_the_curve(amounts):
    rng = np.random.default_rng(1)
    X = np.repeat(amounts, 3, axis=0)
    y = notebook.measured(X[:, 0]) + rng.normal(size=(63, 3)) * [0.5, 0.01, 2]
    y = np.clip(y, 0, [100, np.inf, np.inf])
    grid = {
        "accuracy_curve": ["linear", "logistic", "quadratic"],
        "size_curve": ["linear", PolynomialCurve(3)],
    }
    with pytest.warns(CurveMisfitWarning, match="accuracy curve \\(linear\\)"):
        search = GridSearchCV(
            PruningAmountOptimizer(n_restarts=0, random_state=0),
            grid,
            cv=ShuffleSplit(4, random_state=0),
        ).fit(X, y)
    assert search.best_params_["accuracy_curve"] == "logistic"
    assert search.best_score_ > 0.97


def test_in_a_pipeline(amounts, measured):
    scaled = make_pipeline(PruningAmountOptimizer(random_state=0), StandardScaler())
    table = scaled.fit_transform(amounts, measured)
    np.testing.assert_allclose(table.mean(axis=0), 0, atol=1e-9)
    percent = make_pipeline(MinMaxScaler(), PruningAmountOptimizer(random_state=0))
    assert percent.fit(amounts * 100, measured).score(amounts * 100, measured) > 0.999
    model = make_pipeline(PruningAmountOptimizer(random_state=0), LinearRegression())
    np.testing.assert_allclose(model.fit(amounts, measured).predict(amounts), measured, rtol=1e-6)


def test_curves_as_objects(amounts, measured):
    mine = KNeighborsRegressor(1)
    process = GaussianProcessRegressor(alpha=1e-3, optimizer=None, normalize_y=True)
    found = fitted(amounts, measured, 80, 300, accuracy_curve=mine, size_curve=process)
    assert not hasattr(mine, "n_features_in_")
    assert found.curves_["accuracy"] is not mine
    assert found.feasible_
    at_knots = found.transform(amounts)
    np.testing.assert_allclose(at_knots[:, 0], measured[:, 0])

    class Bare:
        """No estimator of scikit-learn, only fit and predict."""

        def fit(self, X, y):
            self.line = np.polyfit(X[:, 0], y, 1)

        def predict(self, X):
            return np.polyval(self.line, X[:, 0])

    bare = fitted(amounts, measured, 80, 300, size_curve=Bare())
    assert bare.best_amount_ == pytest.approx(0.4433922, abs=1e-6)


def test_repeated_measurements_and_weights(amounts, measured):
    rng = np.random.default_rng(0)
    X, y = np.repeat(amounts, 3, axis=0), np.repeat(measured, 3, axis=0)
    y = np.clip(y + rng.normal(size=y.shape) * [1, 0.01, 3], 0, [100, np.inf, np.inf])
    plain = fitted(X, y, 80, 300)
    weights = rng.integers(0, 3, 63)
    weighted = PruningAmountOptimizer(min_accuracy=80, max_size=300, random_state=0).fit(
        X, y, sample_weight=weights
    )
    repeated = fitted(np.repeat(X, weights, axis=0), np.repeat(y, weights, axis=0), 80, 300)
    assert weighted.best_amount_ == pytest.approx(repeated.best_amount_, abs=1e-6)
    assert weighted.best_amount_ != pytest.approx(plain.best_amount_, abs=1e-5)
    assert weighted.score(X, y, sample_weight=weights) == pytest.approx(
        repeated.score(np.repeat(X, weights, axis=0), np.repeat(y, weights, axis=0))
    )


def test_several_columns_are_searched_over_the_cube():
    """Three views with shares of their own: the best amounts, against SciPy from many starts."""
    rng = np.random.default_rng(0)
    shares, X = np.array([0.6, 0.3, 0.1]), rng.random((80, 3))
    y = np.column_stack([f(X) @ shares for f in (notebook.accuracy, notebook.time)])
    y = np.column_stack([y, notebook.size(X).mean(axis=1)])
    found = PruningAmountOptimizer(
        min_accuracy=85, max_size=330, bounds=(0, 0.95), random_state=0
    ).fit(X, y)
    assert found.best_amount_.shape == (3,)
    assert found.feasible_

    def total(x):
        accuracy, time = notebook.accuracy(x) @ shares, notebook.time(x) @ shares
        size = notebook.size(x).mean()
        value = 100 * np.exp(-(abs(accuracy - 85) ** 1.5) / 32)
        value += 100 * np.exp(-(time**2) / (2 * 0.8**2)) + 100 + 330 / size
        return value + 2 * (accuracy - 85) + (330 - size) / 2 + 10 * x.mean()

    limits = [
        {"type": "ineq", "fun": lambda x: notebook.accuracy(x) @ shares - 85},
        {"type": "ineq", "fun": lambda x: 330 - notebook.size(x).mean()},
    ]
    best = max(
        -run.fun
        for run in (
            minimize(
                lambda x: -total(x),
                rng.random(3) * 0.9,
                method="SLSQP",
                bounds=[(0, 0.95)] * 3,
                constraints=limits,
            )
            for _ in range(20)
        )
        if run.success
    )
    assert found.best_reward_ == pytest.approx(total(found.best_amount_), abs=1e-6)
    assert found.best_reward_ >= best - 1e-3
    assert found.best_reward_ >= found.grid_reward_
    table = found.details()
    assert [c for c in table if c.startswith("Pruning Amount")] == [
        f"Pruning Amount {j}" for j in range(3)
    ]
    # The answer prunes the view that counts least the most.
    assert found.best_amount_.argmax() == 2


def test_other_curves_are_summed_over_columns():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 5, (60, 2)) / 4
    accuracy = notebook.accuracy(X).mean(axis=1)
    found = PruningAmountOptimizer(
        accuracy_curve=DecisionTreeRegressor(), min_accuracy=90, random_state=0
    ).fit(X, accuracy)
    assert len(found.curves_["accuracy"].curves_) == 2
    assert found.transform(X)[:, 0] == pytest.approx(accuracy, abs=0.05)


def test_nothing_outside_the_measured_amounts_unless_asked(measured, amounts):
    few, y = amounts[2:13], measured[2:13]
    found = fitted(few, y, rewards=(PruningReward(),))
    assert found.best_amount_ == pytest.approx(0.6)
    np.testing.assert_allclose(found.bounds_, [[0.1], [0.6]])
    with pytest.warns(CurveMisfitWarning, match=r"amount 1 lies outside the measured ones, 0.1 to"):
        far = fitted(few, y, rewards=(PruningReward(),), bounds=(0, 1))
    assert far.best_amount_ == pytest.approx(1)
    narrow = fitted(few, y, rewards=(PruningReward(),), bounds=(0.2, 0.3))
    assert narrow.best_amount_ == pytest.approx(0.3)


class TestMisfits:
    def test_a_cubic_that_rises_where_time_falls(self):
        p = np.array([0, 0.1, 0.2, 0.8, 0.9, 1])[:, None]
        time = np.array([1.0, 0.5, 0.45, 0.4, 0.35, 0.05])
        y = np.column_stack([notebook.accuracy(p[:, 0]), time, notebook.size(p[:, 0])])
        with pytest.warns(CurveMisfitWarning) as caught:
            found = PruningAmountOptimizer(random_state=0).fit(p, y)
        (said,) = [str(w.message) for w in caught]
        assert said.startswith("The time curve (cubic) does not follow its measurements: it rises")
        assert "where the measurements fall" in said
        assert "Take another time_curve: 'pchip'" in said
        assert found.fits_["time"].misfit
        assert str(found.fits_["time"]).endswith(found.fits_["time"].misfit)
        assert found.fits_["size"].misfit is None

    def test_a_line_through_channel_pruning(self, amounts):
        """Channel pruning by p leaves (1 - p)^2 of the parameters: no line."""
        y = notebook.measured(amounts[:, 0])
        y[:, 2] = 480 * (1 - amounts[:, 0]) ** 2
        with pytest.warns(CurveMisfitWarning, match=r"size curve \(linear\).* of their range"):
            fitted(amounts[:19], y[:19])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fitted(amounts[:19], y[:19], size_curve="pchip")

    @pytest.mark.parametrize("n", [6, 11, 21])
    def test_noise_is_no_misfit(self, n):
        """The true curve is called a misfit in at most 3 of 60 noisy experiments."""
        p, called = np.linspace(0, 1, n), 0
        for seed in range(60):
            rng = np.random.default_rng(seed)
            y = notebook.measured(p) + rng.normal(size=(n, 3)) * [3, 0.03, 12]
            y = np.clip(y, 0, [100, np.inf, np.inf])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fits = fitted(p[:, None], y, n_restarts=0).fits_
            called += any(fit.misfit for fit in fits.values())
        assert called <= 3

    @pytest.mark.parametrize("curve", ["logistic", "linear", "quadratic", "isotonic", "pchip"])
    def test_measurements_that_jump_about_are_a_misfit(self, curve):
        """No scatter of this size is left unsaid because it is scatter."""
        with pytest.warns(CurveMisfitWarning, match="accuracy curve .* scatter about it") as caught:
            found = fitted(TENTHS, ZIGZAG, accuracy_curve=curve)
        assert len(caught) == 1
        assert "measure each amount several times" in str(caught[0].message)
        assert "scatter about it" in found.fits_["accuracy"].misfit

    def test_small_scatter_about_a_level_is_no_misfit(self):
        """R^2 is near zero, and the curve is right: pruning changes nothing."""
        called = 0
        for seed in range(40):
            rng = np.random.default_rng(seed)
            y = np.column_stack([90 + rng.normal(size=10), 1 + 0.04 * rng.normal(size=10)])
            frame = pd.DataFrame(y, columns=["accuracy", "time"])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fits = fitted(TENTHS, frame, n_restarts=0).fits_
            called += any("scatter" in (fit.misfit or "") for fit in fits.values())
        assert called == 0

    @pytest.mark.parametrize("curve", ["linear", "logistic", "isotonic", "pchip"])
    @pytest.mark.parametrize("repeats", [1, 3])
    def test_what_turns_is_no_monotone_curve(self, amounts, curve, repeats):
        rng = np.random.default_rng(0)
        X = np.repeat(amounts, repeats, axis=0)
        y = 50 + 160 * (X[:, 0] - 0.5) ** 2 + rng.normal(size=len(X))
        with pytest.warns(CurveMisfitWarning, match=r"accuracy curve .* PolynomialCurve\(4\)"):
            fitted(X, y, accuracy_curve=curve)
        assert fitted(X, y, accuracy_curve=PolynomialCurve(4)).fits_["accuracy"].misfit is None

    def test_several_columns(self):
        """A plane through what is bent in each column; noise alone is no misfit."""
        rng = np.random.default_rng(0)
        X = rng.random((60, 3))
        bent = 90 - 60 * ((X - 0.5) ** 2).sum(axis=1) + 0.5 * rng.normal(size=60)
        with pytest.warns(CurveMisfitWarning, match=r"accuracy curve \(linear\)"):
            fitted(X, bent, accuracy_curve="linear", n_restarts=0)
        noisy = 80 - 20 * X.mean(axis=1) + 5 * rng.normal(size=60)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fitted(X, bent, accuracy_curve="quadratic", n_restarts=0)
            fitted(X, noisy, accuracy_curve="linear", n_restarts=0)

    def test_what_does_not_vary_is_followed(self, amounts, measured):
        """Dense size does not change where weights are only set to zero."""
        for size in (480.4, 0.1):
            y = np.column_stack([measured[:, 0], np.full(21, 0.7), np.full(21, size)])
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                found = fitted(amounts, y)
            assert [fit.r2 for fit in found.fits_.values()] == pytest.approx([1, 1, 1])
            assert found.score(amounts, y) == pytest.approx(1)

    def test_a_curve_that_is_not_believed_is_worse_than_any_miss(self):
        """A time limit that is missed by a factor of a million, and a line through zero."""
        p = np.linspace(0, 1, 21)
        y = notebook.measured(p)
        y[:, 2] = 480 * (1 - p) ** 3 + 1
        with pytest.warns(InfeasibleLimitsWarning, match="max_time is met at none"):
            found = fitted(p[:, None], y, 20, max_time=1e-9)
        assert found.transform([[found.best_amount_]])[0, 2] > 0

    def test_times_below_zero_meet_no_limit(self):
        p = np.array([0, 0.1, 0.2, 0.5, 0.8, 0.9, 1])
        time = np.array([1, 0.3, 0.1, 0.05, 0.02, 0.01, 0.01])
        y = np.column_stack([notebook.accuracy(p), time, notebook.size(p)])
        with pytest.warns(CurveMisfitWarning, match="time curve lies below 1% of the smallest"):
            found = PruningAmountOptimizer(max_time=0.005, random_state=0).fit(p[:, None], y)
        assert found.least_ == {"size": pytest.approx(0.53), "time": pytest.approx(1e-4)}
        assert found.transform([[found.best_amount_]])[0, 1] >= found.least_["time"]

    def test_residuals_and_r2(self, amounts):
        rng = np.random.default_rng(0)
        y = notebook.measured(amounts[:, 0]) + rng.normal(size=(21, 3)) * [1, 0.02, 5]
        y = np.clip(y, 0, [100, np.inf, np.inf])
        found = fitted(amounts, y)
        for j, (name, fit) in enumerate(found.fits_.items()):
            curve = found.transform(amounts)[:, j]
            np.testing.assert_allclose(fit.residuals, y[:, j] - curve, atol=1e-9)
            ss = ((y[:, j] - y[:, j].mean()) ** 2).sum()
            assert fit.r2 == pytest.approx(1 - (fit.residuals**2).sum() / ss), name
            assert fit.rmse == pytest.approx(np.sqrt((fit.residuals**2).mean()))
            assert str(fit).startswith(f"{name} curve: R^2 {fit.r2:.4f}, root mean square error")
        weights = np.arange(1.0, 22.0)
        weighted = PruningAmountOptimizer(random_state=0).fit(amounts, y, sample_weight=weights)
        for fit in weighted.fits_.values():
            square = np.average(fit.residuals**2, weights=weights)
            assert fit.rmse == pytest.approx(np.sqrt(square))

    def test_sizes_below_zero_are_left_out(self):
        p = np.linspace(0, 0.9, 10)
        y = np.column_stack([notebook.accuracy(p), 480 * (1 - p) ** 4])
        frame = pd.DataFrame(y, columns=["accuracy", "size"])
        with pytest.warns(
            CurveMisfitWarning, match=r"size curve lies below 1% of the smallest measured size"
        ):
            found = PruningAmountOptimizer(random_state=0).fit(p[:, None], frame)
        assert found.least_ == {"size": pytest.approx(0.01 * 480 * 0.1**4)}
        assert found.transform([[found.best_amount_]])[0, 1] >= found.least_["size"]

    def test_a_reward_in_another_unit_decides_nothing(self, amounts, measured):
        milliseconds = measured * [1, 1000, 1] + [0, 100, 0]
        with pytest.warns(
            UserWarning,
            match=r"time reward is 0 at every amount .* sigma=0.8 is .* which lie between 105",
        ):
            fitted(amounts, milliseconds, 80, 300)
        others = [reward for reward in DEFAULT_REWARDS if reward.name != "time"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fitted(amounts, milliseconds, 80, 300, rewards=[*others, TimeReward(sigma=800)])
            fitted(amounts, milliseconds, 80, 300, rewards=others)


def test_verbose_prints_and_nothing_else_does(amounts, measured, capsys):
    fitted(amounts, measured, 80, 300)
    assert capsys.readouterr().out == ""
    fitted(amounts, measured, 80, 300, verbose=1)
    out = capsys.readouterr().out
    assert "accuracy curve: R^2 1.0000" in out
    assert "best amount: 0.44339" in out


def test_seeds(amounts, measured):
    one, two = (fitted(amounts, measured, 80, 300) for _ in range(2))
    assert one.best_amount_ == two.best_amount_
    state = np.random.RandomState(0)
    generators = [None, 3, state, np.random.default_rng(0)]
    for seed in generators:
        found = PruningAmountOptimizer(min_accuracy=80, max_size=300, random_state=seed)
        assert found.fit(amounts, measured).best_amount_ == pytest.approx(0.4433922, abs=1e-6)
    with pytest.raises(ValueError, match=r"'random_state' .* must be None, an int"):
        PruningAmountOptimizer(random_state="x").fit(amounts, measured)


def test_saved_and_loaded(amounts, measured, tmp_path):
    found = fitted(amounts, measured, 80, 300, accuracy_curve="pchip")
    joblib.dump(found, tmp_path / "o.joblib")
    for other in (joblib.load(tmp_path / "o.joblib"), pickle.loads(pickle.dumps(found))):
        np.testing.assert_array_equal(other.transform(amounts), found.transform(amounts))
        assert other.best_amount_ == found.best_amount_
    assert (tmp_path / "o.joblib").stat().st_size < 30_000
    copy = clone(found)
    assert not hasattr(copy, "best_amount_")
    assert copy.get_params() == found.get_params()


def test_a_failed_refit_keeps_what_was_fitted(amounts, measured):
    found = fitted(amounts, measured, 80, 300)
    before = found.transform(amounts)
    for X, y in ((amounts + 1, measured), (amounts[:2], measured[:2]), (amounts, -measured)):
        with pytest.raises(ValueError):  # noqa: PT011
            found.fit(X, y)
        np.testing.assert_array_equal(found.transform(amounts), before)

"""Curves recover what made their data, sums of curves too, and never more than they can."""

import numpy as np
import pytest
from scipy.optimize import curve_fit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.utils.estimator_checks import parametrize_with_checks

from skprune.amount import AdditiveCurve, LogisticCurve, MonotoneCurve, PolynomialCurve

from . import notebook

TOO_FEW = {
    "check_sample_weight_equivalence_on_dense_data": (
        "9 distinct rows of 30 columns do not determine a curve for each column"
    ),
}
TWO_VALUES = {
    "check_sample_weights_shape": "a column with two distinct values does not determine the curve",
    "check_sample_weights_not_overwritten": "as above",
}


SHORT = {
    "check_regressors_no_decision_function": "10 rows do not determine 4 columns of 3 parameters"
}


def expected_failures(curve):
    two_values = TWO_VALUES if curve.n_parameters > 2 else {}
    return TOO_FEW | two_values | (SHORT if isinstance(curve, LogisticCurve) else {})


@parametrize_with_checks(
    [
        PolynomialCurve(1),
        PolynomialCurve(2),
        LogisticCurve(),
        MonotoneCurve(),
        MonotoneCurve("linear"),
        AdditiveCurve(PolynomialCurve(2)),
    ],
    expected_failed_checks=expected_failures,
)
@pytest.mark.filterwarnings("ignore:The sum of 10 MonotoneCurve still changes")
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_published_forms_are_recovered(amounts, measured):
    accuracy = LogisticCurve().fit(amounts, measured[:, 0])
    np.testing.assert_allclose(accuracy.limit_, notebook.LIMIT, rtol=1e-10)
    np.testing.assert_allclose(accuracy.steepness_, notebook.STEEPNESS, rtol=1e-10)
    np.testing.assert_allclose(accuracy.midpoint_, notebook.MIDPOINT, rtol=1e-10)
    for column, form, degree in ((1, notebook.TIME, 3), (2, notebook.SIZE, 1)):
        curve = PolynomialCurve(degree).fit(amounts, measured[:, column])
        found = [curve.intercept_, *curve.coef_[0]]
        np.testing.assert_allclose(found, form, rtol=1e-10)


def test_a_noisy_logistic_is_the_least_squares_one(amounts, measured):
    y = measured[:, 0] + np.random.default_rng(0).normal(size=21)
    curve = LogisticCurve().fit(amounts, y)

    def form(p, limit, steepness, midpoint):
        return limit / (1 + np.exp(steepness * (p - midpoint)))

    found, _ = curve_fit(form, amounts[:, 0], y, p0=[90, 4, 0.8])
    np.testing.assert_allclose(
        [curve.limit_[0], curve.steepness_[0], curve.midpoint_[0]], found, rtol=1e-5
    )


@pytest.mark.parametrize("seed", range(10))
def test_logistic_finds_any_logistic(seed):
    """Rising and falling, steep and flat, from few and unequal amounts."""
    rng = np.random.default_rng(seed)
    X = np.sort(rng.random(9))[:, None]
    limit, midpoint = 10 ** rng.uniform(-3, 3), rng.uniform(0.1, 0.9)
    steepness = rng.choice([-1, 1]) * rng.uniform(3, 25)
    y = limit / (1 + np.exp(steepness * (X[:, 0] - midpoint)))
    curve = LogisticCurve().fit(X, y)
    line = np.linspace(0, 1, 50)[:, None]
    truth = limit / (1 + np.exp(steepness * (line[:, 0] - midpoint)))
    np.testing.assert_allclose(curve.predict(line), truth, atol=1e-6 * limit)


@pytest.mark.parametrize("y", [np.zeros(9), np.full(9, 3.0), 5 - np.arange(9) / 2], ids=str)
def test_logistic_on_data_that_are_none(y):
    X = np.linspace(0, 1, 9)[:, None]
    curve = LogisticCurve().fit(X, y)
    assert np.isfinite(curve.predict(X)).all()
    assert np.abs(curve.predict(X) - y).max() <= 0.1 * np.abs(y).max()


def test_polynomials_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    X, y, weights = rng.random((40, 2)), rng.normal(size=40), rng.random(40)
    curve = PolynomialCurve(3).fit(X, y, sample_weight=weights)
    powers = np.hstack([X**k for k in (1, 2, 3)])
    line = LinearRegression().fit(powers, y, sample_weight=weights)
    np.testing.assert_allclose(curve.coef_.T.ravel(), line.coef_, rtol=1e-8)
    assert curve.intercept_ == pytest.approx(line.intercept_)
    np.testing.assert_allclose(curve.predict(X), line.predict(powers))


def test_isotonic_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    p = rng.integers(0, 12, 40) / 11
    y, weights = 1 - p + 0.3 * rng.normal(size=40), rng.random(40)
    curve = MonotoneCurve("linear").fit(p[:, None], y, sample_weight=weights)
    theirs = IsotonicRegression(increasing=False).fit(p, y, sample_weight=weights)
    line = np.linspace(p.min(), p.max(), 77)
    np.testing.assert_allclose(curve.predict(line[:, None]), theirs.predict(line))
    assert not curve.increasing_


@pytest.mark.parametrize("interpolation", ["pchip", "linear"])
@pytest.mark.parametrize("sign", [1, -1])
def test_monotone_everywhere(interpolation, sign):
    rng = np.random.default_rng(1)
    p = np.linspace(0.1, 0.8, 15)
    y = sign * (np.repeat([0, 1, 5], 5) + rng.normal(size=15))
    curve = MonotoneCurve(interpolation).fit(p[:, None], y)
    values = curve.predict(np.linspace(0, 1, 500)[:, None])
    assert (sign * np.diff(values) >= -1e-12).all()
    assert values[0] == curve.values_[0]
    assert values[-1] == curve.values_[-1]


def test_monotone_direction_on_demand():
    X = np.linspace(0, 1, 5)[:, None]
    flat = MonotoneCurve(increasing=True).fit(X, [5, 4, 3, 2, 1])
    np.testing.assert_allclose(flat.predict(X), 3)


@pytest.mark.parametrize(
    "curve",
    [PolynomialCurve(2), LogisticCurve(), MonotoneCurve(), MonotoneCurve("linear")],
    ids=lambda c: f"{type(c).__name__}",
)
class TestEveryCurve:
    def test_a_weight_of_two_is_two_rows(self, curve, amounts):
        rng = np.random.default_rng(0)
        y = notebook.accuracy(amounts[:, 0]) + rng.normal(size=21)
        weights = rng.integers(0, 3, 21)
        weights[:5] = 1
        weighted = clone(curve).fit(amounts, y, sample_weight=weights)
        repeated = clone(curve).fit(np.repeat(amounts, weights, axis=0), np.repeat(y, weights))
        np.testing.assert_allclose(weighted.predict(amounts), repeated.predict(amounts), rtol=1e-6)

    def test_sums_of_columns(self, curve):
        """A sum of curves of the kind is fitted without error, and told apart by column."""
        rng = np.random.default_rng(2)
        X = rng.integers(0, 11, (150, 3)) / 10  # a monotone curve has no say between levels
        shares = np.array([0.5, 0.3, 0.2])
        truth = {
            "PolynomialCurve": lambda Z: (100 - 30 * Z - 20 * Z**2) @ shares,
        }.get(type(curve).__name__, lambda Z: notebook.accuracy(Z) @ shares)
        fitted = clone(curve).fit(X, truth(X))
        exact = not isinstance(curve, MonotoneCurve)
        new = rng.integers(0, 11, (50, 3)) / 10
        np.testing.assert_allclose(fitted.predict(new), truth(new), rtol=1e-6 if exact else 2e-3)

    def test_order_of_rows_and_units_change_nothing(self, curve, amounts):
        y = notebook.accuracy(amounts[:, 0]) + np.random.default_rng(0).normal(size=21)
        order = np.random.default_rng(1).permutation(21)
        plain = clone(curve).fit(amounts, y).predict(amounts)
        shuffled = clone(curve).fit(amounts[order], y[order]).predict(amounts)
        scaled = clone(curve).fit(amounts, y * 1e6).predict(amounts)
        np.testing.assert_allclose(shuffled, plain, rtol=1e-6)
        np.testing.assert_allclose(scaled / 1e6, plain, rtol=1e-6)


def test_logistic_shares_are_those_of_the_views():
    rng = np.random.default_rng(0)
    X, shares = rng.random((200, 4)), np.array([0.4, 0.3, 0.2, 0.1])
    curve = LogisticCurve().fit(X, notebook.accuracy(X) @ shares)
    np.testing.assert_allclose(curve.limit_ / notebook.LIMIT, shares, rtol=1e-6)
    np.testing.assert_allclose(curve.midpoint_, notebook.MIDPOINT, rtol=1e-6)


def test_columns_that_rise_and_columns_that_fall():
    rng = np.random.default_rng(0)
    X = rng.random((120, 3))
    steepness, midpoint = np.array([6.0, -8.0, 5.0]), np.array([0.6, 0.3, 0.7])
    y = (np.array([60, 20, 20]) / (1 + np.exp(steepness * (X - midpoint)))).sum(axis=1)
    curve = LogisticCurve().fit(X, y)
    np.testing.assert_allclose(curve.predict(X), y, rtol=1e-6)


def test_parameters_set_after_the_fit_wait_for_the_next():
    X, y = np.linspace(0, 1, 6)[:, None], np.array([9, 8, 8, 5, 2, 1])
    line = PolynomialCurve(1).fit(X, y)
    steps = MonotoneCurve("linear").fit(X, y)
    for curve, change in ((line, {"degree": 3}), (steps, {"interpolation": "pchip"})):
        before = curve.predict(X)
        np.testing.assert_array_equal(curve.set_params(**change).predict(X), before)
    two = np.column_stack([X[:, 0], X[::-1, 0] ** 2])
    assert len(steps.fit(two, y).predict(two)) == 6
    assert len(steps.fit(X, y).predict(X)) == 6


def test_backfitting_is_least_squares_where_curves_are_linear():
    rng = np.random.default_rng(3)
    X, y = rng.random((60, 3)), rng.normal(size=60)
    X[:, 1] = 0.7 * X[:, 0] + 0.3 * X[:, 1]
    steps = AdditiveCurve(make_pipeline(PolynomialFeatures(2), LinearRegression())).fit(X, y)
    at_once = PolynomialCurve(2).fit(X, y)
    np.testing.assert_allclose(steps.predict(X), at_once.predict(X), atol=5e-3)
    assert len(steps.curves_) == 3


def test_a_sum_that_does_not_settle_says_so():
    rng = np.random.default_rng(0)
    first, apart = rng.random(100), 0.05 * rng.random(100)
    X = np.column_stack([first, first + apart])
    with pytest.warns(ConvergenceWarning, match=r"sum of 2 LinearRegression .* Measure more"):
        AdditiveCurve(LinearRegression()).fit(X, apart)


def test_too_few_amounts():
    X = np.array([[0.0, 0.0], [0.5, 0.0], [1.0, 0.5], [1.0, 0.5]])
    with pytest.raises(ValueError, match=r"LogisticCurve needs at least 3 .* column 1 has 2"):
        LogisticCurve().fit(X, np.arange(4))
    with pytest.raises(ValueError, match=r"of 2 columns needs at least 5 distinct rows.* got 4"):
        PolynomialCurve(2).fit([[0, 0], [0.5, 0.5], [1, 1], [0, 1]], np.arange(4))
    with pytest.raises(ValueError, match=r"column 0 has 1"):  # rows of weight zero are no rows
        PolynomialCurve(1).fit([[0], [1]], [1, 2], sample_weight=[1, 0])


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        (PolynomialCurve(0), "'degree' .* int in the range .1, inf.* Got 0"),
        (PolynomialCurve(2.5), "'degree' .* int in the range"),
        (MonotoneCurve("spline"), "'interpolation' .* a str among .* Got 'spline'"),
        (MonotoneCurve(np.array(["pchip"])), "'interpolation' .* a str among .* Got array"),
        (MonotoneCurve(increasing=np.array("auto")), "'increasing' .* 'bool' .* {'auto'}"),
        (MonotoneCurve(increasing="down"), "'increasing' .* 'bool' .* {'auto'}"),
    ],
)
def test_wrong_parameters(curve, message):
    with pytest.raises(ValueError, match=message):
        curve.fit([[0], [0.5], [1]], [1, 2, 3])


def test_a_curve_without_weights_says_so():
    class NoWeights(LinearRegression):
        def fit(self, X, y):
            return super().fit(X, y)

    AdditiveCurve(NoWeights()).fit([[0], [0.5], [1]], [1, 2, 3])
    with pytest.raises(TypeError, match="NoWeights does not"):
        AdditiveCurve(NoWeights()).fit([[0], [0.5], [1]], [1, 2, 3], sample_weight=[1, 2, 1])


class NotOurs:
    """A monotone curve of which only `fit` and `predict` are known."""

    def fit(self, X, y, sample_weight=None):
        self.curve = MonotoneCurve("linear").fit(X, y, sample_weight)

    def predict(self, X):
        return self.curve.predict(X)


def test_curves_of_ours_are_summed_as_those_of_others():
    rng = np.random.default_rng(0)
    X, weights = rng.random((30, 3)), rng.uniform(0.5, 2, 30)
    y = 90 - X @ [30, 20, 0] + rng.normal(size=30)
    ours, theirs = (
        AdditiveCurve(curve).fit(X, y, sample_weight=weights)
        for curve in (MonotoneCurve("linear"), NotOurs())
    )
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-12)

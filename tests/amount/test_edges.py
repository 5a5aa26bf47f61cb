"""Curves of the user's own that take no weights, and seeds of every kind."""

import numpy as np
import pytest

from skprune import PruningAmountOptimizer
from skprune.amount import AdditiveCurve, PolynomialCurve, smallest_amounts

P = np.linspace(0, 1, 9)


class Line:
    """Knows no weights."""

    def fit(self, X, y):
        self.line_ = np.polyfit(X[:, 0], y, 1)
        return self

    def predict(self, X):
        return np.polyval(self.line_, X[:, 0])


def test_a_curve_without_weights_takes_measurements_without_weights():
    y, weights = 0.9 - 0.5 * P, np.r_[np.ones(8), 2.0]
    optimizer = PruningAmountOptimizer(accuracy_curve=Line(), n_restarts=0, random_state=0)
    optimizer.fit(P[:, None], y)
    np.testing.assert_allclose(optimizer.curves_["accuracy"].line_, [-0.5, 0.9])
    message = "weights need a curve whose fit takes sample_weight; that of accuracy_curve"
    with pytest.raises(TypeError, match=message):
        optimizer.fit(P[:, None], y, sample_weight=weights)
    optimizer.fit(P[:, None], y, sample_weight=2 * np.ones(9))  # as good as none
    with pytest.raises(TypeError, match="whose fit takes sample_weight; that of Line does not"):
        AdditiveCurve(Line()).fit(P[:, None], y, sample_weight=weights)


def test_a_sum_of_curves_without_weights_is_that_of_curves_with():
    X = np.random.default_rng(0).random((30, 2))
    y = 0.9 - 0.3 * X[:, 0] - 0.1 * X[:, 1]
    own, ours = (AdditiveCurve(curve).fit(X, y) for curve in (Line(), PolynomialCurve(1)))
    np.testing.assert_allclose(own.predict(X), ours.predict(X), atol=1e-6)


@pytest.mark.parametrize(
    "seed", [0, np.int64(3), np.random.RandomState(0), np.random.default_rng(0), None]
)
def test_seeds_of_every_kind_and_numpys_own_is_never_used(seed):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    found = smallest_amounts(
        [1.0, 0.0],
        lambda amount: 1 - amount / 2,
        lambda amount: 2 - amount,
        0.8,
        n_restarts=0,
        random_state=seed,
    )
    assert found.reachable
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("seed", [-1, 1.5, True, "0"])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(ValueError, match="random_state must be None, an int >= 0"):
        smallest_amounts([1.0], lambda p: 1 - p, lambda p: 1 - p, 0.5, random_state=seed)

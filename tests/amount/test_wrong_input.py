"""Wrong input is refused with its name, what came, and what would be right; nothing is fitted."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skprune import PruningAmountOptimizer
from skprune.amount import AccuracyReward, PolynomialCurve, Reward, TimeReward

from . import notebook

pd = pytest.importorskip("pandas")

P = np.linspace(0, 1, 11)
X = P[:, None]
Y = notebook.measured(P)


def changed(array, where, value):
    array = array.copy()
    array[where] = value
    return array


class Wild(Reward):
    name = "wild"

    def value(self, points, goal):
        return np.full(len(points.amounts), np.nan)


class Short(Wild):
    def value(self, points, goal):
        return 3.0


class Total(Short):
    name = "total"


class Nameless(Reward):
    def value(self, points, goal):
        return points.accuracy


class NotANumber:
    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.full(len(X), np.nan)


class OneNumber(NotANumber):
    def predict(self, X):
        return 3.0


MEASUREMENTS = [
    (X * 100, Y, r"pruning amounts in \[0, 1\]; got values from 0 to 100\. If .* divide by 100"),
    (X - 0.1, Y, r"Negative values in data: X must hold pruning amounts in \[0, 1\]; got .*-0\.1"),
    (X + 1e-9, Y, r"pruning amounts in \[0, 1\]"),
    (changed(X, 3, np.nan), Y, "X contains NaN"),
    (X, changed(Y, (3, 1), np.nan), "y contains NaN"),
    (X, changed(Y, (3, 2), np.inf), "y contains infinity"),
    (P, Y, "Expected 2D array, got 1D array"),
    (X[:5], Y, r"inconsistent numbers of samples: \[5"),
    (X, Y[:, :2], r"shape \(n,\) with accuracy alone, or \(n, 3\).*; got shape \(11, 2\)"),
    (X, None, "requires y to be passed"),
    (X, changed(Y, (0, 0), 101), r"accuracy in y must lie in \[0, 1\] or in \[0, 100\]; got .*101"),
    (X, changed(Y, (0, 0), -1), r"accuracy in y must lie in"),
    (X, changed(Y, (0, 1), -0.2), r"time in y must not be negative; got -0\.2"),
    (X, changed(Y, (0, 2), -5), r"size in y must not be negative; got -5"),
    (X, pd.DataFrame(Y, columns=["acc", "time", "size"]), r"column 'accuracy'.*; it has \['acc'"),
    (
        X,
        pd.DataFrame({"accuracy": Y[:, 0], "energy": 1.0}),
        r"may have 'time' and 'size', and no others; it has \['accuracy', 'energy'\]",
    ),
    (X, pd.DataFrame(Y, columns=["accuracy"] * 3), r"and no others; it has \['accuracy', 'acc"),
    (X[:2], Y[:2], r"accuracy_curve='logistic' needs at least 3 distinct amounts .* 0 has 2"),
    (X[:3], Y[:3], r"time_curve='cubic' needs at least 4 distinct amounts .* column 0 has 3"),
    (
        np.repeat(X[:3], 4, axis=0),
        np.repeat(Y[:3], 4, axis=0),
        r"time_curve='cubic' needs at least 4 distinct amounts",
    ),
    (np.hstack([X, X[:, :1] * 0]), Y, r"accuracy_curve='logistic' .* column 1 has 1"),
    (np.hstack([X, X, X, X]), Y, r"of 4 columns needs at least 12 distinct rows .* got 11"),
]


@pytest.mark.parametrize(("X", "y", "message"), MEASUREMENTS, ids=lambda v: str(v)[:25])
def test_measurements(X, y, message):
    optimizer = PruningAmountOptimizer()
    with pytest.raises(ValueError, match=message):
        optimizer.fit(X, y)
    assert set(vars(optimizer)) == set(optimizer.get_params(deep=False))
    with pytest.raises(NotFittedError):
        optimizer.transform([[0.5]])


PARAMETERS = [
    ({"min_accuracy": 0.85}, ValueError, r"min_accuracy=0.85 is a fraction, .* in percent .*=85"),
    ({"min_accuracy": -1}, ValueError, "'min_accuracy' .* float in the range .0.0, .* Got -1"),
    ({"min_accuracy": 120}, ValueError, "'min_accuracy' .* 100.0.* percent.* Got 120"),
    ({"min_accuracy": "85"}, TypeError, "'min_accuracy' .* float in the range .* Got '85'"),
    ({"min_accuracy": np.nan}, ValueError, "'min_accuracy' .* float in the range .0.0, "),
    ({"max_size": -300}, ValueError, "'max_size' .* float in the range .0.0, .* Got -300"),
    ({"max_size": 0}, ValueError, "'max_size' .* float in the range .0.0, .* Got 0"),
    ({"max_time": -1.0}, ValueError, "'max_time' .* float in the range .0.0, .* Got -1.0"),
    ({"max_time": True}, TypeError, "'max_time' .* float in the range .* Got True"),
    (
        {"accuracy_curve": "sigmoid"},
        ValueError,
        r"accuracy_curve must be one of \['logistic', .*'pchip'\], or an object.* got 'sigmoid'",
    ),
    ({"time_curve": PolynomialCurve}, TypeError, "time_curve must be one of .* or an object"),
    ({"size_curve": 3}, TypeError, "size_curve must be one of .* got 3"),
    ({"size_curve": PolynomialCurve(-1)}, ValueError, "'degree' .* int in the range .1, inf"),
    ({"rewards": "accuracy"}, TypeError, "rewards must hold instances of Reward"),
    ({"rewards": ["speed"]}, TypeError, "rewards must hold instances of Reward.*'speed'"),
    ({"rewards": [TimeReward(sigma=-1)]}, ValueError, "sigma of TimeReward must be positive"),
    ({"rewards": [Wild()]}, ValueError, "value of Wild must be finite; at amount"),
    ({"rewards": [Short()]}, ValueError, r"value of Short must have shape .*; got \(\)"),
    ({"bounds": (0.5, 0.2)}, ValueError, r"bounds must be None or a pair .* got \(0.5, 0.2\)"),
    ({"bounds": (0, 2)}, ValueError, "bounds must be None or a pair"),
    ({"bounds": 0.5}, ValueError, "bounds must be None or a pair"),
    ({"bounds": np.array(0.5)}, ValueError, "bounds must be None or a pair"),
    ({"bounds": (False, True)}, ValueError, "bounds must be None or a pair"),
    ({"random_state": -1}, ValueError, "'random_state' .* None, an int in the range .0, inf"),
    ({"rewards": [Total()]}, ValueError, "Total must have a name, a string other than 'total'"),
    ({"rewards": [Nameless()]}, ValueError, "Nameless must have a name"),
    ({"size_curve": NotANumber()}, ValueError, "size curve, NotANumber, must .* with NaN"),
    ({"size_curve": OneNumber()}, ValueError, r"size curve, OneNumber, must .* shape \(\)"),
    ({"bounds": ("a", "b")}, ValueError, "bounds must be None or a pair"),
    ({"n_restarts": -1}, ValueError, "'n_restarts' .* int in the range .0, inf.* Got -1"),
    ({"n_restarts": 1.5}, ValueError, "'n_restarts' .* int in the range .0, inf.* Got 1.5"),
    ({"random_state": "seed"}, ValueError, "'random_state' .* None, an int in"),
]


@pytest.mark.parametrize(("given", "error", "message"), PARAMETERS, ids=lambda v: str(v)[:30])
def test_parameters(given, error, message):
    optimizer = PruningAmountOptimizer(**given)
    with pytest.raises(error, match=message):
        optimizer.fit(X, Y)
    assert set(vars(optimizer)) == set(optimizer.get_params(deep=False))


def test_units_the_other_way_round():
    fractions = Y * [0.01, 1, 1]
    with pytest.raises(ValueError, match=r"min_accuracy=85 is in percent, but .*=0\.85"):
        PruningAmountOptimizer(min_accuracy=85).fit(X, fractions)


@pytest.mark.parametrize("limit", ["max_size", "max_time"])
def test_limits_of_what_was_not_measured(limit):
    quantity = limit.split("_")[1]
    with pytest.raises(ValueError, match=f"{limit}=3 limits the {quantity}, which y does not hold"):
        PruningAmountOptimizer(**{limit: 3}).fit(X, Y[:, 0])
    with pytest.raises(ValueError, match="TimeReward needs time"):
        PruningAmountOptimizer(rewards=[AccuracyReward(), TimeReward()]).fit(X, Y[:, 0])


def test_weights():
    optimizer = PruningAmountOptimizer()
    with pytest.raises(ValueError, match="at least one non-zero"):
        optimizer.fit(X, Y, sample_weight=np.zeros(11))
    with pytest.raises(ValueError, match=r"[Nn]egative values in data"):
        optimizer.fit(X, Y, sample_weight=-np.ones(11))
    with pytest.raises(ValueError, match="needs at least 4 distinct amounts"):
        optimizer.fit(X, Y, sample_weight=[1, 1, 1] + [0] * 8)

    class NoWeights:
        def fit(self, X, y):
            return self

        def predict(self, X):
            return np.full(len(X), 100.0)

    own = PruningAmountOptimizer(size_curve=NoWeights())
    own.fit(X, Y)
    with pytest.raises(TypeError, match=r"size_curve=.* does not"):
        own.fit(X, Y, sample_weight=np.arange(1, 12))


def test_amounts_outside_after_fit():
    optimizer = PruningAmountOptimizer().fit(X, Y)
    for call in (optimizer.transform, optimizer.details):
        with pytest.raises(ValueError, match=r"pruning amounts in \[0, 1\]"):
            call([[1.5]])
    with pytest.raises(ValueError, match="2 features, but PruningAmountOptimizer is expecting 1"):
        optimizer.transform([[0.1, 0.2]])
    with pytest.raises(ValueError, match=r"p must be amounts of 1 column\(s\)"):
        optimizer.details([[0.1, 0.2]])
    with pytest.raises(ValueError, match=r"pruning amounts in \[0, 1\]"):
        optimizer.score(X + 1, Y)


def test_without_pandas(monkeypatch):
    optimizer = PruningAmountOptimizer().fit(X, Y)
    table = optimizer.weight_sensitivity([1.0])
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    for call in (optimizer.details, table.to_frame):
        with pytest.raises(ImportError, match=r"skprune\[report\]"):
            call()


def test_sizes_that_are_never_believable():
    class Nothing:
        def fit(self, X, y):
            return self

        def predict(self, X):
            return np.zeros(len(X))

    with pytest.raises(
        ValueError, match=r"size curve lies below 1% of the smallest measured size at every"
    ):
        PruningAmountOptimizer(size_curve=Nothing()).fit(X, Y)

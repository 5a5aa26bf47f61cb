"""Confidence against accuracy, checked by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import calibration_curve
from sklearn.datasets import load_diabetes, load_digits
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss

from skprune import SOCPEnsemblePruner, SOCPEnsemblePrunerRegressor
from skprune.inspection import ReliabilityDisplay

KINDS = [
    {"voting": "soft", "calibrate": "temperature"},
    {"voting": "soft"},
    {"voting": "hard"},
    {},
    {"fit_intercept": True},
]


class Told(ClassifierMixin, BaseEstimator):
    """Its samples are the probabilities that it gives, in the order of its classes."""

    def __init__(self, classes):
        self.classes = classes

    def fit(self, X, y):
        return self

    @property
    def classes_(self):
        return np.array(self.classes)

    def predict_proba(self, X):
        return np.asarray(X, dtype=np.float64)

    def __sklearn_is_fitted__(self):
        return True


def told(classes, X, y, **params):
    """A pruner whose vote is its samples: both of its members say the same."""
    members = [(name, FrozenEstimator(Told(classes))) for name in "ab"]
    params = {"voting": "soft", "reweight": "equal"} | params
    return SOCPEnsemblePruner(members, **params).fit(X, y)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    y = np.array([f"digit {d}" for d in range(10)])[y]
    return X[:500], y[:500], X[500:900], y[500:900], X[900:], y[900:]


@pytest.fixture(scope="module")
def forest(digits):
    return RandomForestClassifier(30, max_depth=5, random_state=0).fit(*digits[:2])


def labels_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_bins_by_hand(plt):
    # "no" stands before "yes" among the classes; the last row is a tie, which goes to "no".
    yes = np.array([0.9, 0.95, 0.65, 0.3, 0.05, 1.0, 0.5])
    y = np.array(["yes", "no", "yes", "no", "no", "yes", "yes"])
    X = np.column_stack([1 - yes, yes])
    display = ReliabilityDisplay.from_estimator(told(["no", "yes"], X, y), X, y, n_bins=5)
    # Confidence 0.9, 0.95, 0.65, 0.7, 0.95, 1.0, 0.5 in bins [0.4, 0.6), [0.6, 0.8), [0.8, 1.0].
    confidence = [np.nan, np.nan, 0.5, 0.675, 0.95]
    accuracy = [np.nan, np.nan, 0, 1, 0.75]
    share = np.array([0, 0, 1, 2, 4]) / 7
    for curve in range(2):  # the mean of both members, and the pruned vote
        np.testing.assert_allclose(display.confidence[curve], confidence)
        np.testing.assert_allclose(display.accuracy[curve], accuracy)
        np.testing.assert_allclose(display.share[curve], share)
    error = (0.5 + 2 * 0.325 + 4 * 0.2) / 7
    np.testing.assert_allclose(display.calibration_error, error)
    np.testing.assert_allclose(display.log_loss, log_loss(y, X, labels=["no", "yes"]))
    # A bin without rows is not drawn.
    assert len(display.ax_.lines[1].get_xdata()) == 3
    assert labels_of(display.ax_)[0] == (
        f"mean of all 2 members:\ncalibration error {error:.1%}, log loss {display.log_loss[0]:.3f}"
    )


def test_a_vote_that_is_right_as_often_as_it_says(plt):
    classes = ["ant", "bee", "cat"]
    sure = np.repeat([0.5, 0.75, 1.0], [4, 8, 4])
    X = np.column_stack([(1 - sure) / 2, sure, (1 - sure) / 2])
    y = np.array(["bee", "bee", "ant", "cat", *["bee"] * 6, "ant", "cat", *["bee"] * 4])
    display = ReliabilityDisplay.from_estimator(told(classes, X, y), X, y)
    np.testing.assert_allclose(display.calibration_error, 0, atol=1e-12)
    rows = display.share[-1] > 0
    np.testing.assert_allclose(display.confidence[-1, rows], [0.5, 0.75, 1.0])
    np.testing.assert_allclose(display.accuracy[-1, rows], [0.5, 0.75, 1.0])


@pytest.mark.parametrize("params", KINDS, ids=str)
def test_curves_are_those_of_the_votes(params, digits, forest, plt):
    X, y = digits[-2:]
    pruner = SOCPEnsemblePruner(FrozenEstimator(forest), max_members=8, **params)
    display = ReliabilityDisplay.from_estimator(pruner.fit(*digits[2:4]), X, y, n_bins=12)
    P = np.array([tree.predict_proba(X) for tree in forest.estimators_])
    if pruner.voting == "hard":
        P = np.eye(10)[P.argmax(axis=2)]
    votes = {"full": P.mean(axis=0), "pruned": pruner.predict_proba(X)}
    if pruner.calibrate:
        before = np.tensordot(pruner.weights_, P, 1)
        votes = {"full": P.mean(axis=0), "before": before, "pruned": votes["pruned"]}
        assert display.names[1:] == (
            "8 kept members, before the temperature",
            f"8 kept members, temperature {pruner.temperature_:.2f}",
        )
    assert len(display.names) == len(votes) == len(labels_of(display.ax_))
    assert display.names[0].endswith("of all 30 members")
    for i, vote in enumerate(votes.values()):
        assert display.log_loss[i] == pytest.approx(log_loss(y, vote))
        right = pruner.classes_[vote.argmax(axis=1)] == y
        rows = display.share[i] > 0
        assert (display.accuracy[i] * display.share[i])[rows].sum() == pytest.approx(right.mean())
        if pruner.voting != "hard":  # shares of votes are at the edges of bins
            accuracy, confidence = calibration_curve(right, vote.max(axis=1), n_bins=12)
            np.testing.assert_allclose(display.accuracy[i, rows], accuracy)
            np.testing.assert_allclose(display.confidence[i, rows], confidence)
    error = display.share * np.abs(display.accuracy - display.confidence)
    np.testing.assert_allclose(display.calibration_error, np.nansum(error, axis=1))


def test_of_members_that_were_trained_here(digits, plt):
    X, y, _, _, X_test, y_test = digits
    forest = RandomForestClassifier(20, max_depth=5, random_state=0)
    params = {"voting": "soft", "calibrate": "temperature", "random_state": 0}
    pruner = SOCPEnsemblePruner(forest, **params).fit(X, y)
    alone = ReliabilityDisplay.from_estimator(pruner, X_test, y_test)
    assert [name.split(", ")[-1][:11] for name in alone.names] == ["before the ", "temperature"]
    full = ReliabilityDisplay.from_estimator(pruner, X_test, y_test, ensemble=forest.fit(X, y))
    assert full.names == ("mean of all 20 members", *alone.names)
    np.testing.assert_array_equal(full.log_loss[1:], alone.log_loss)


def test_labels_in_another_order_are_the_same_diagram(digits, forest, plt):
    X, y = digits[2:4]
    pruner = SOCPEnsemblePruner(FrozenEstimator(forest), voting="log").fit(X, y)
    other = np.random.default_rng(0).permutation(len(y))
    one = ReliabilityDisplay.from_estimator(pruner, X, y)
    two = ReliabilityDisplay.from_estimator(pruner, X[other], list(y[other]))
    np.testing.assert_allclose(one.accuracy, two.accuracy)
    np.testing.assert_allclose(one.log_loss, two.log_loss)


def test_on_given_axes_and_again(digits, forest, plt):
    X, y = digits[-2:]
    pruner = SOCPEnsemblePruner(FrozenEstimator(forest)).fit(*digits[2:4])
    ax = plt.subplots(layout="constrained")[1]
    display = ReliabilityDisplay.from_estimator(pruner, X, y, ax=ax, color="k", lw=3)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert (ax.lines[-1].get_color(), ax.lines[-1].get_linewidth()) == ("k", 3)
    assert ax.lines[1].get_color() != "k"
    again = display.plot()
    assert again is display
    assert again.ax_ is not ax
    assert labels_of(ax) == labels_of(again.ax_)
    assert ax.get_xlabel() == again.ax_.get_xlabel() != ""
    assert "Accuracy" in again.ax_.get_ylabel()


@pytest.mark.parametrize("width", [2.2, 3.5, 6])
def test_legend_covers_nothing(width, plt):
    ax = plt.subplots(figsize=(width, 5), layout="constrained")[1]
    names = ["mean of all 1234 members", "123 kept members, before the temperature", "b"]
    values = np.tile([0.5, 1.0], (3, 1))
    display = ReliabilityDisplay(
        confidence=values, accuracy=values, share=values / 2, log_loss=[1, 2, 3], names=names
    ).plot(ax=ax)
    display.figure_.draw_without_rendering()
    legend, frame = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert legend.y0 > ax.transData.transform((1, 1))[1]
    assert frame.x0 < legend.x0
    assert legend.x1 < frame.x1


def test_wrong_input(digits, forest, monkeypatch):
    X, y = digits[-2:]
    pruner = SOCPEnsemblePruner(FrozenEstimator(forest)).fit(*digits[2:4])
    with pytest.raises(NotFittedError):
        ReliabilityDisplay.from_estimator(SOCPEnsemblePruner(forest), X, y)
    with pytest.raises(TypeError, match=r"RandomForestClassifier has no .*SOCPEnsemblePruner"):
        ReliabilityDisplay.from_estimator(forest, X, y)
    with pytest.raises(ValueError, match="n_bins must be at least 1; got 0"):
        ReliabilityDisplay.from_estimator(pruner, X, y, n_bins=0)
    with pytest.raises(ValueError, match="y has classes that the fitted members do not know"):
        ReliabilityDisplay.from_estimator(pruner, X, np.full(len(y), "zebra"))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ReliabilityDisplay.from_estimator(pruner, X, y[1:])
    other = RandomForestClassifier(7, random_state=0).fit(*digits[:2])
    with pytest.raises(ValueError, match="7 members, but the pruner chose among 30"):
        ReliabilityDisplay.from_estimator(pruner, X, y, ensemble=other)
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"skprune\[report\]"):
        ReliabilityDisplay.from_estimator(pruner, X, y)


def test_regressors_have_no_probabilities():
    X, y = load_diabetes(return_X_y=True)
    trees = RandomForestRegressor(6, max_depth=3, random_state=0)
    pruner = SOCPEnsemblePrunerRegressor(trees, random_state=0).fit(X, y)
    with pytest.raises(TypeError, match=r"SOCPEnsemblePrunerRegressor predicts targets, without"):
        ReliabilityDisplay.from_estimator(pruner, X, y)

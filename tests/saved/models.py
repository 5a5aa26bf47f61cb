"""One small fitted estimator of every kind, and samples to predict.

What the tests save and load again, and what ``write.py`` keeps a copy of for each format.
"""

import warnings
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.datasets import load_digits, load_iris, make_regression
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.tree import DecisionTreeClassifier

from skprune import (
    CNNSpace,
    EnsembleCompressor,
    MultiViewCNNClassifier,
    PrunedCNNClassifier,
    PrunedMultiViewClassifier,
    PruningAmountOptimizer,
    RandomCNNEnsembleClassifier,
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
    SOCPEnsemblePrunerRegressorCV,
)
from skprune.amount import AdditiveCurve, LogisticCurve, MonotoneCurve, PolynomialCurve
from skprune.ensemble import CNNArchitecture, ConvBlock

CV = {"alphas": [0.9], "lams": [0.05, 0.3], "inner_cv": 3, "n_resamples": 2, "random_state": 0}
SPACE = CNNSpace(
    n_blocks=[1],
    filters=[4],
    pooling=["max"],
    dense_units=[8],
    dropout=[0.2],
    learning_rate=(1e-2, 1e-2),
)
TOWER = CNNArchitecture((ConvBlock((4,), "max"),), dense_units=8, dropout=0.2, learning_rate=1e-2)
CUT = {"amounts": [0, 0.5], "fine_tune_epochs": 0, "min_accuracy": 0.1, "random_state": 0}


@dataclass
class Saved:
    """A fitted estimator, and samples to ask it about."""

    estimator: Any
    X: np.ndarray

    def answer(self):
        return answer(self.estimator, self.X)


def answer(estimator, X):
    """Probabilities, predictions, or what an optimizer says of amounts."""
    for name in ("predict_proba", "predict", "transform"):
        if hasattr(estimator, name):
            return np.asarray(getattr(estimator, name)(X))
    raise TypeError(estimator)


def of_trees():
    """Name -> Saved: pruners of scikit-learn's trees."""
    X, y = load_iris(return_X_y=True)
    y = np.array(["setosa", "versicolor", "virginica"])[y]
    forest = RandomForestClassifier(6, max_depth=2, random_state=0)
    trees = [
        (f"tree{i}", DecisionTreeClassifier(max_depth=1 + i, random_state=0).fit(X[::2], y[::2]))
        for i in range(3)
    ]
    R, t = make_regression(120, 3, n_targets=2, noise=5.0, random_state=0)
    extra = ExtraTreesRegressor(6, max_depth=2, random_state=0)
    listed = SOCPEnsemblePruner(trees, cv="prefit", voting="hard", costs=[1, 2, 3])
    log = SOCPEnsemblePruner(forest, voting="log", fit_intercept=True, random_state=0)
    soft = {"voting": "soft", "calibrate": "temperature", "random_state": 0}
    tempered = SOCPEnsemblePruner(forest, **soft)
    with _quietly():
        fitted = {
            "pruner": (SOCPEnsemblePruner(forest, random_state=0).fit(X, y), X),
            "log_pruner": (log.fit(X, y), X),
            "tempered_pruner": (tempered.fit(X, y), X),
            "pruner_of_a_list": (listed.fit(X, y), X),
            "pruner_cv": (SOCPEnsemblePrunerCV(forest, **CV).fit(X, y), X),
            "regressor": (SOCPEnsemblePrunerRegressor(extra, random_state=0).fit(R, t), R),
            "regressor_cv": (SOCPEnsemblePrunerRegressorCV(extra, **CV).fit(R, t[:, 0]), R),
        }
    return {name: Saved(*pair) for name, pair in fitted.items()}


def of_amounts():
    """Name -> Saved: the optimizer of pruning amounts, and its curves."""
    amounts = np.linspace(0, 1, 9)[:, None]
    accuracy = 0.97 / (1 + np.exp(6 * (amounts[:, 0] - 0.7)))
    measured = np.column_stack([accuracy, 1.2 - amounts[:, 0] ** 2, 50 - 40 * amounts[:, 0]])
    two = np.random.default_rng(0).random((24, 2))
    fell = 0.9 - 0.3 * two[:, 0] - 0.1 * two[:, 1] ** 2
    optimizer = PruningAmountOptimizer(time_curve="pchip", min_accuracy=0.5, random_state=0)
    fitted = {
        "optimizer": (optimizer.fit(amounts, measured), amounts),
        "logistic": (LogisticCurve().fit(amounts, accuracy), amounts),
        "monotone": (MonotoneCurve().fit(amounts, accuracy), amounts),
        "cubic": (PolynomialCurve(3).fit(amounts, accuracy), amounts),
        "additive": (AdditiveCurve(MonotoneCurve("linear")).fit(two, fell), two),
    }
    return {name: Saved(*pair) for name, pair in fitted.items()}


def of_networks():
    """Name -> Saved: everything that holds Keras networks; ten seconds."""
    with _quietly():
        fitted = {**_images(), **_views()}
    for estimator, _ in fitted.values():
        if hasattr(estimator, "sweep_"):  # the files are the same wherever they are written
            estimator.sweep_ = replace(estimator.sweep_, hardware="a processor")
    return {name: Saved(*pair) for name, pair in fitted.items()}


@contextmanager
def _quietly():
    """Limits and scores that things so small miss are nothing to hear of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _images():
    digits = load_digits(n_class=3)
    X, y = digits.images.astype(np.uint8), np.array(["zero", "one", "two"])[digits.target]
    asked = X[200:240]
    cnns = RandomCNNEnsembleClassifier(3, space=SPACE, epochs=2, random_state=0)
    cnns.fit(X[:150], y[:150])
    one = RandomCNNEnsembleClassifier(1, space=SPACE, epochs=2, random_state=1)
    cut = {**CUT, "latency_batch_size": 8}
    pruned = PrunedCNNClassifier(
        FrozenEstimator(one.fit(X[:150], y[:150])), amount=0.5, fine_tune_epochs=1, random_state=0
    )
    compressor = EnsembleCompressor(
        FrozenEstimator(cnns), pruner=SOCPEnsemblePruner(None, max_members=2), **cut
    )
    compressor.fit(X[:200], y[:200])
    pruner = SOCPEnsemblePruner(FrozenEstimator(cnns), max_members=2)
    return {
        "cnns": (cnns, asked),
        "member": (cnns.estimators_[0], asked),
        "pruner_of_cnns": (pruner.fit(X[150:200], y[150:200]), asked),
        "pruned_cnn": (pruned.fit(X[:200], y[:200]), asked),
        "compressor": (compressor, asked),
        "cut_member": (compressor.estimators_[0], asked),
    }


def _views():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(120, 3, 6, 6)).astype(np.float32), rng.integers(2, size=120)
    X[y == 1, 1, :, :3] += 2
    cnn = MultiViewCNNClassifier(
        TOWER, epochs=3, batch_size=128, n_importance_repeats=1, random_state=0
    )
    cnn.fit(X, y)
    asked = X[:40]
    cut = {**CUT, "round_to": 1, "latency_batch_size": 8}
    given = {"copies": None, "nested": [0.5, 0, 1]}
    pruned = {
        f"pruned_views_{towers}": (
            PrunedMultiViewClassifier(
                FrozenEstimator(cnn), towers=towers, view_amounts=amounts, **cut
            ).fit(X, y),
            asked,
        )
        for towers, amounts in given.items()
    }
    return {"views": (cnn, asked), **pruned}

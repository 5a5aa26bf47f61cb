"""Small data and members that are trained in milliseconds."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.validation import validate_data

from skprune import (
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
    SOCPEnsemblePrunerRegressorCV,
)

# The four pruners, with grids that are searched quickly.
SMALL = {"alphas": [0.9], "lams": [0.05, 0.2], "inner_cv": 3, "n_resamples": 2, "random_state": 0}
CLASSIFIERS = [(SOCPEnsemblePruner, {}), (SOCPEnsemblePrunerCV, SMALL)]
REGRESSORS = [(SOCPEnsemblePrunerRegressor, {}), (SOCPEnsemblePrunerRegressorCV, SMALL)]
ALL = CLASSIFIERS + REGRESSORS


def ensembles(forest, extra_trees, bag, boosting, voting, tree):
    trees = [
        (f"t{d}{s}", tree(max_depth=d, splitter="random", random_state=s))
        for d in (2, 4, 6)
        for s in range(3)
    ]
    columns = {"max_features": 0.5, "bootstrap_features": True}
    return {
        "forest": forest(12, max_depth=5, random_state=0),
        "extra trees": extra_trees(12, max_depth=5, random_state=0),
        "bag": bag(n_estimators=12, random_state=0),
        "bag of columns": bag(n_estimators=12, random_state=0, **columns),
        "voting": voting(trees),
        "boosting": boosting(n_estimators=8, random_state=0),
        "list": trees,
    }


OF_CLASSES = ensembles(
    *(RandomForestClassifier, ExtraTreesClassifier, BaggingClassifier, AdaBoostClassifier),
    *(partial(VotingClassifier, voting="soft"), DecisionTreeClassifier),
)
OF_TARGETS = ensembles(
    *(RandomForestRegressor, ExtraTreesRegressor, BaggingRegressor, AdaBoostRegressor),
    *(VotingRegressor, DecisionTreeRegressor),
)
# Those that predict the mean of what their members do.
MEANS = ["forest", "extra trees", "bag", "bag of columns", "voting"]


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """The folder for temporary files, of which none may be left."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(folder))
    yield folder
    assert not [name for name in os.listdir(folder) if name.startswith("skprune_")]


@pytest.fixture(scope="session")
def data():
    X, y = make_classification(400, 12, n_informative=6, n_classes=3, flip_y=0.1, random_state=0)
    return X, y


class Untrainable(DecisionTreeClassifier):
    """Fails if anything is trained, so that an error must have come before."""

    def fit(self, X, y, sample_weight=None):
        raise AssertionError("trained before the parameters were checked")


class UntrainableRegressor(DecisionTreeRegressor):
    def fit(self, X, y, sample_weight=None):
        raise AssertionError("trained before the parameters were checked")


class CountingBag(BaggingClassifier):
    """A bag of trees that writes a line to a file each time it is really trained."""

    def __init__(self, estimator=None, n_estimators=8, *, log=None, random_state=None):
        super().__init__(estimator, n_estimators, random_state=random_state)
        self.log = log

    def fit(self, X, y, sample_weight=None):
        with Path(self.log).open("a") as file:
            file.write(f"{len(X)}\n")
        return super().fit(X, y, sample_weight)


class Diary(ClassifierMixin, BaseEstimator):
    """A tree that records the rows (their first column) that it is trained on and predicts."""

    seen = []

    def __init__(self, max_depth=2):
        self.max_depth = max_depth

    def fit(self, X, y, sample_weight=None):
        X, y = validate_data(self, X, y)
        Diary.seen.append(("fit", set(X[:, 0].astype(int))))
        self.trained_on_ = set(X[:, 0].astype(int))
        self.weight_ = sample_weight
        self.tree_ = DecisionTreeClassifier(max_depth=self.max_depth, random_state=0).fit(
            X[:, 1:], y, sample_weight
        )
        self.classes_ = self.tree_.classes_
        return self

    def predict_proba(self, X):
        Diary.seen.append(("predict", set(X[:, 0].astype(int)), self.trained_on_))
        return self.tree_.predict_proba(X[:, 1:])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@pytest.fixture
def diary():
    Diary.seen.clear()
    return Diary


@pytest.fixture
def numbered(data):
    X, y = data
    return np.column_stack([np.arange(len(X)), X]), y

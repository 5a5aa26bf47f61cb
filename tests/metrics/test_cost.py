"""Parameters counted by hand, and times that are in order."""

import time

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skprune.metrics import latencies, n_parameters

X, y = load_iris(return_X_y=True)
TWO = y > 0
NUMBERS = X @ [1.0, 2.0, 3.0, 4.0]


def of_a_tree(tree, values):
    """A feature and a threshold for each split, and the values of each leaf."""
    return 2 * (tree.get_n_leaves() - 1) + values * tree.get_n_leaves()


@pytest.mark.parametrize(
    ("model", "target", "expected"),
    [
        (LogisticRegression(max_iter=500), y, 3 * 4 + 3),
        (LogisticRegression(max_iter=500), TWO, 4 + 1),
        (LinearSVC(), y, 3 * 4 + 3),
        (Ridge(), NUMBERS, 4 + 1),
        (LinearRegression(), np.column_stack([NUMBERS, y]), 2 * 4 + 2),
        (MLPClassifier((7, 5), max_iter=2), y, 4 * 7 + 7 + 7 * 5 + 5 + 5 * 3 + 3),
        (MLPRegressor(hidden_layer_sizes=(6,), max_iter=2), NUMBERS, 4 * 6 + 6 + 6 + 1),
        (make_pipeline(StandardScaler(), Ridge()), NUMBERS, 4 + 1),
        (make_pipeline(StandardScaler(), PCA(2), LogisticRegression()), y, 3 * 2 + 3),
        (FrozenEstimator(Ridge().fit(X, NUMBERS)), NUMBERS, 4 + 1),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_counted_by_hand(model, target, expected):
    count = n_parameters(model.fit(X, target))
    assert count == expected
    assert type(count) is int


@pytest.mark.parametrize("depth", [1, 3, None])
def test_trees(depth):
    tree = DecisionTreeClassifier(max_depth=depth).fit(X, y)
    assert n_parameters(tree) == of_a_tree(tree, 3)
    tree = DecisionTreeRegressor(max_depth=depth).fit(X, NUMBERS)
    assert n_parameters(tree) == of_a_tree(tree, 1)
    tree = DecisionTreeRegressor(max_depth=depth).fit(X, np.column_stack([NUMBERS, y]))
    assert n_parameters(tree) == of_a_tree(tree, 2)


def test_a_tree_that_is_one_leaf():
    assert n_parameters(DecisionTreeRegressor().fit(X, np.ones(150))) == 1


@pytest.mark.parametrize(
    ("ensemble", "target", "values"),
    [
        (RandomForestClassifier(5, random_state=0), y, 3),
        (BaggingClassifier(n_estimators=4, random_state=0), y, 3),
        (AdaBoostClassifier(n_estimators=4, random_state=0), y, 3),
        (GradientBoostingClassifier(n_estimators=3, random_state=0), y, 1),
        (ExtraTreesRegressor(5, random_state=0), NUMBERS, 1),
    ],
)
def test_ensembles_of_trees_are_the_sum_over_them(ensemble, target, values):
    ensemble.fit(X, target)
    trees = np.ravel(ensemble.estimators_)
    assert n_parameters(ensemble) == sum(of_a_tree(tree, values) for tree in trees)
    assert len(trees) > 2


def test_a_vote_of_different_kinds():
    members = [("lr", LogisticRegression(max_iter=500)), ("tree", DecisionTreeClassifier())]
    voting = VotingClassifier(members, voting="soft").fit(X, y)
    assert n_parameters(voting) == 15 + of_a_tree(voting.estimators_[1], 3)


@pytest.mark.parametrize(
    "model",
    [
        KNeighborsClassifier(),
        GaussianNB(),
        SVC(),
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
        VotingClassifier([("lr", LogisticRegression(max_iter=500)), ("nb", GaussianNB())]),
    ],
)
def test_what_has_none_is_named(model):
    name = type(model).__name__
    with pytest.raises(TypeError, match=f"{name} has no parameters that can be counted"):
        n_parameters(model.fit(X, y))


def test_a_model_that_is_not_fitted_has_none():
    for model in (Ridge(), DecisionTreeClassifier(), RandomForestClassifier()):
        with pytest.raises(TypeError, match="no parameters"):
            n_parameters(model)


@pytest.mark.keras
def test_networks_count_all_their_weights():
    import keras

    layers = keras.layers
    network = keras.Sequential(
        [layers.Input((4,)), layers.Dense(6), layers.BatchNormalization(), layers.Dense(3)]
    )
    expected = 4 * 6 + 6 + 4 * 6 + 6 * 3 + 3
    assert n_parameters(network) == expected

    class Wrapped:
        """As scikeras holds its network."""

        model_ = network

    assert n_parameters(Wrapped()) == expected


class TestLatencies:
    def test_they_are_in_the_order_of_the_work(self):
        calls = [lambda s=s: time.sleep(s) for s in (0.004, 0.0, 0.012)]
        found = latencies(calls, repeats=3)
        assert found.shape == (3,)
        assert list(np.argsort(found)) == [1, 0, 2]
        assert found[0] >= 0.004
        assert found[2] >= 0.012

    def test_calls_take_turns_and_the_first_rounds_do_not_count(self):
        turns, naps = [], iter([0.1, 0.0])
        calls = [lambda: turns.append("a"), lambda: (turns.append("b"), time.sleep(next(naps)))]
        found = latencies(calls, repeats=1, warm_up=1)
        assert turns == ["a", "b"] * 2
        assert found[1] < 0.05

    def test_the_median_forgives_one_slow_round(self):
        naps = iter([0.0, 0.0, 0.0, 0.2, 0.0, 0.0])
        assert latencies([lambda: time.sleep(next(naps))], repeats=5)[0] < 0.03

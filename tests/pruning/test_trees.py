"""Kept trees are asked together: what is predicted is what a loop over their own methods gives."""

import pickle
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from scipy.sparse import csc_array, csr_array, csr_matrix
from scipy.special import softmax
from sklearn.datasets import load_diabetes, load_digits, make_classification
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from skprune import (
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
    SOCPEnsemblePrunerRegressorCV,
)

from .conftest import SMALL

DIGITS = load_digits(return_X_y=True)
TWO = make_classification(400, 8, n_informative=5, random_state=0)
VOTES = [
    {"voting": "log"},
    {"voting": "log", "fit_intercept": False},
    {"voting": "soft"},
    {"voting": "hard"},
    {"voting": "soft", "calibrate": "temperature"},
]
COLUMNS = {"max_features": 0.5, "bootstrap_features": True}
CLASSIFIERS = {
    "forest": RandomForestClassifier(12, random_state=0),
    "stumps": RandomForestClassifier(12, max_depth=1, random_state=0),
    "extra trees": ExtraTreesClassifier(12, random_state=0),
    "bag": BaggingClassifier(n_estimators=12, random_state=0),
    "bag of columns": BaggingClassifier(n_estimators=12, random_state=0, **COLUMNS),
    # Each tree sees few of the ten classes.
    "small bag": BaggingClassifier(n_estimators=12, max_samples=12, random_state=0),
}
REGRESSORS = {
    "forest": RandomForestRegressor(12, random_state=0),
    "absolute error": RandomForestRegressor(
        12, max_depth=4, criterion="absolute_error", random_state=0
    ),
    "extra trees": ExtraTreesRegressor(12, random_state=0),
    "bag of columns": BaggingRegressor(n_estimators=12, random_state=0, **COLUMNS),
}


def voted(pruner, outputs, voting):
    """The vote, written out: members one by one."""
    total = 0.0
    for weight, P in zip(pruner.weights_[pruner.support_], outputs, strict=True):
        if voting == "log":
            P = np.log(np.maximum(P, min(1e-3, 0.01 / P.shape[1])))
        elif voting == "hard":
            P = np.eye(P.shape[1])[P.argmax(axis=1)]
        total = total + weight * P
    if voting == "log":
        return softmax(total + getattr(pruner, "intercept_", 0.0), axis=1)
    total = total / total.sum(axis=1, keepdims=True)
    if pruner.temperature_ != 1:
        floor = min(1e-3, 0.01 / total.shape[1])
        return softmax(np.log(np.maximum(total, floor)) / pruner.temperature_, axis=1)
    return total


def own_probabilities(trees, X, classes, features=None, codes=True):
    """What each tree itself predicts, a column for each class."""
    for i, tree in enumerate(trees):
        P = tree.predict_proba(X if features is None else X[:, features[i]])
        places = tree.classes_.astype(int) if codes else np.searchsorted(classes, tree.classes_)
        full = np.zeros((len(P), len(classes)))
        full[:, places] = P
        yield full


def kept_features(pruner, ensemble):
    features = getattr(ensemble, "estimators_features_", None)
    return None if features is None else [features[i] for i in np.flatnonzero(pruner.support_)]


def assert_votes(pruner, outputs, X, voting):
    expected, found = voted(pruner, outputs, voting), pruner.predict_proba(X)
    if voting == "log" or pruner.temperature_ != 1:
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    else:
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(pruner.predict(X), pruner.classes_[expected.argmax(axis=1)])
    with np.errstate(divide="ignore"):
        logs = np.log(expected)
    np.testing.assert_allclose(pruner.predict_log_proba(X), logs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("params", VOTES, ids=lambda p: "-".join(map(str, p.values())))
@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("labels", ["digits", "two, as text"])
def test_votes_are_those_of_the_trees_one_by_one(name, params, labels):
    X, y = DIGITS if labels == "digits" else (TWO[0], np.array(["no", "yes"])[TWO[1]])
    ensemble = CLASSIFIERS[name].fit(X[:300], y[:300])
    pruner = SOCPEnsemblePruner(FrozenEstimator(ensemble), cv="prefit", **params)
    pruner.fit(X[300:], y[300:])
    features = kept_features(pruner, ensemble)
    for rows in (X[:1], X[300:304], X):
        outputs = list(own_probabilities(pruner.estimators_, rows, pruner.classes_, features))
        np.testing.assert_array_equal(pruner.member_predict_proba(rows), outputs)
        assert_votes(pruner, outputs, rows, params["voting"])


@pytest.mark.parametrize("name", REGRESSORS)
@pytest.mark.parametrize("n_targets", [1, 3])
def test_sums_are_those_of_the_trees_one_by_one(name, n_targets):
    X, y = load_diabetes(return_X_y=True)
    if n_targets > 1:
        y = np.column_stack([y, y**2 / 100, X[:, 0]])
    ensemble = REGRESSORS[name].fit(X[:200], y[:200])
    pruner = SOCPEnsemblePrunerRegressor(FrozenEstimator(ensemble), cv="prefit")
    pruner.fit(X[200:], y[200:])
    features = kept_features(pruner, ensemble)
    for rows in (X[:1], X[:5], np.tile(X, (3, 1))):
        total, outputs = 0.0, []
        for i, (weight, tree) in enumerate(
            zip(pruner.weights_[pruner.support_], pruner.estimators_, strict=True)
        ):
            output = tree.predict(rows if features is None else rows[:, features[i]])
            outputs.append(output.reshape(len(rows), n_targets))
            total = total + weight * outputs[-1]
        expected = total + pruner.intercept_
        expected = expected[:, 0] if y.ndim == 1 else expected
        np.testing.assert_array_equal(pruner.predict(rows), expected)
        np.testing.assert_array_equal(pruner.member_predict(rows), outputs)


@pytest.mark.parametrize("voting", ["log", "soft", "hard"])
def test_a_list_of_trees_that_know_different_classes(voting):
    X, y = DIGITS
    y = np.array(list("abcdefghij"))[y]
    trees = []
    for i in range(8):
        rows = np.flatnonzero((np.arange(len(y)) % 8 == i) & (y != "abcdefghij"[i]))
        kind = (DecisionTreeClassifier, ExtraTreeClassifier)[i % 2]
        trees.append((f"t{i}", FrozenEstimator(kind(random_state=i).fit(X[rows], y[rows]))))
    pruner = SOCPEnsemblePruner(trees, voting=voting, lam=0).fit(X[:900], y[:900])
    for rows in (X[:1], X):
        outputs = own_probabilities(pruner.estimators_, rows, pruner.classes_, codes=False)
        assert_votes(pruner, outputs, rows, voting)


def test_searches_predict_the_same():
    X, y = TWO
    pruner = SOCPEnsemblePrunerCV(RandomForestClassifier(15, random_state=0), **SMALL).fit(X, y)
    outputs = own_probabilities(pruner.estimators_, X, pruner.classes_)
    assert_votes(pruner, outputs, X, "log")
    pruner = SOCPEnsemblePrunerRegressorCV(RandomForestRegressor(15, random_state=0), **SMALL)
    pruner.fit(X, y)
    weights = pruner.weights_[pruner.support_]
    total = 0.0
    for weight, tree in zip(weights, pruner.estimators_, strict=True):
        total = total + weight * tree.predict(X)
    np.testing.assert_array_equal(pruner.predict(X), total + pruner.intercept_)


@pytest.fixture(scope="module")
def forest():
    X, y = TWO
    return RandomForestClassifier(25, random_state=0).fit(X, y)


def prefit(estimator, **params):
    return SOCPEnsemblePruner(estimator, cv="prefit", lam=0, **params).fit(*TWO)


@pytest.mark.parametrize("voting", ["log", "soft", "hard"])
def test_threads_change_no_bit(forest, voting):
    X = np.random.default_rng(0).normal(size=(12_345, 8))
    pruner = prefit(FrozenEstimator(forest), voting=voting)
    p, members = pruner.predict_proba(X), pruner.member_predict_proba(X)
    pruner.n_jobs = 2
    np.testing.assert_array_equal(pruner.predict_proba(X), p)
    np.testing.assert_array_equal(pruner.member_predict_proba(X), members)
    pruner.n_jobs = None
    with parallel_config(backend="loky", n_jobs=2):
        np.testing.assert_array_equal(pruner.predict_proba(X), p)


class WhichThread(DecisionTreeClassifier):
    """A tree that says in which thread it predicts."""

    def predict_proba(self, X, check_input=True):
        self.thread_ = threading.current_thread()
        return super().predict_proba(X, check_input)


def test_one_row_starts_no_thread():
    X, y = TWO
    trees = [WhichThread(max_depth=3, random_state=i).fit(X, y) for i in range(6)]
    frozen = [(f"t{i}", FrozenEstimator(tree)) for i, tree in enumerate(trees)]
    pruner = SOCPEnsemblePruner(frozen, lam=0, n_jobs=2).fit(X, y)
    pruner.predict_proba(X[:1])
    assert {tree.thread_ for tree in pruner.estimators_} == {threading.current_thread()}
    pruner.predict_proba(X)
    assert {tree.thread_ for tree in pruner.estimators_} != {threading.current_thread()}


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(lambda X: X.tolist(), id="lists"),
        pytest.param(lambda X: pd.DataFrame(X), id="frame"),
        pytest.param(lambda X: X.astype(np.float32), id="float32"),
        pytest.param(np.asfortranarray, id="columns first"),
        pytest.param(lambda X: np.repeat(X, 2, axis=0)[::2], id="every other row"),
        pytest.param(csr_array, id="csr"),
        pytest.param(csr_matrix, id="csr matrix"),
        pytest.param(csc_array, id="csc"),
    ],
)
def test_samples_of_any_form(forest, given):
    X = TWO[0]
    pruner = prefit(FrozenEstimator(forest))
    for rows in (X[:1], X):
        np.testing.assert_array_equal(pruner.predict_proba(given(rows)), pruner.predict_proba(rows))


@pytest.mark.parametrize("dtype", [bool, np.int64])
def test_whole_numbers(forest, dtype):
    X = TWO[0].astype(dtype)
    pruner = prefit(FrozenEstimator(forest))
    outputs = own_probabilities(pruner.estimators_, X, pruner.classes_)
    assert_votes(pruner, outputs, X, "log")


def test_objects_that_are_numbers(forest):
    pruner = prefit(FrozenEstimator(forest))
    expected = pruner.predict_proba(TWO[0])
    np.testing.assert_array_equal(pruner.predict_proba(TWO[0].astype(object)), expected)


def test_trees_fitted_on_a_table_want_its_columns():
    X, y = TWO
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(8)])
    trees = [
        (
            f"t{i}",
            FrozenEstimator(DecisionTreeClassifier(max_depth=4, random_state=i).fit(frame, y)),
        )
        for i in range(4)
    ]
    pruner = SOCPEnsemblePruner(trees, lam=0).fit(frame, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = pruner.predict_proba(frame)
    outputs = [tree.predict_proba(frame) for tree in pruner.estimators_]
    np.testing.assert_allclose(found, voted(pruner, outputs, "log"), rtol=1e-12)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        np.testing.assert_array_equal(pruner.predict_proba(X), found)
    with pytest.raises(ValueError, match="feature names should match"):
        pruner.predict_proba(frame[frame.columns[::-1]])
    with pytest.raises(ValueError, match="feature names should match"):
        pruner.predict_proba(frame.rename(columns={"c0": "other"}))
    forest = FrozenEstimator(RandomForestClassifier(5, random_state=0).fit(X, y))
    pruner = SOCPEnsemblePruner(forest, cv="prefit").fit(X, y)
    with pytest.warns(UserWarning, match="was fitted without feature names"):
        pruner.predict(frame)


@pytest.mark.parametrize("kind", [RandomForestClassifier, BaggingClassifier])
def test_missing_values(kind):
    X, y = TWO
    X = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
    ensemble = kind(n_estimators=10, random_state=0).fit(X, y)
    pruner = SOCPEnsemblePruner(FrozenEstimator(ensemble), cv="prefit", lam=0).fit(X, y)
    for rows in (X[:1], X[~np.isfinite(X).all(axis=1)][:1], X):
        outputs = own_probabilities(pruner.estimators_, rows, pruner.classes_)
        assert_votes(pruner, outputs, rows, "log")


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize(
    ("change", "match"),
    [
        pytest.param(
            lambda X: np.where(np.arange(8) == 3, np.inf, X), "contains infinity", id="infinite"
        ),
        pytest.param(
            lambda X: np.where(np.arange(8) == 3, 1e300, X),
            "value too large",
            id="too large for float32",
        ),
        pytest.param(
            lambda X: csr_array(np.where(np.arange(8) == 3, np.nan, X)),
            "contains NaN",
            id="sparse nan",
        ),
        pytest.param(lambda X: np.full(X.shape, "a"), "could not convert string", id="text"),
        pytest.param(lambda X: X + 1j, "Complex data not supported", id="complex"),
        pytest.param(lambda X: X[:0], "0 sample", id="no rows"),
    ],
)
def test_samples_that_trees_refuse_are_refused_in_their_words(forest, change, match):
    X = change(TWO[0])
    pruner = prefit(FrozenEstimator(forest))
    with pytest.raises(ValueError, match=match) as theirs:
        pruner.estimators_[0].predict_proba(X)
    with pytest.raises(ValueError, match=match) as ours:
        pruner.predict_proba(X)
    assert str(ours.value) == str(theirs.value)


def test_another_number_of_features_is_refused(forest):
    pruner = prefit(FrozenEstimator(forest))
    with pytest.raises(ValueError, match="X has 7 features, but SOCPEnsemblePruner is expecting 8"):
        pruner.predict(TWO[0][:, :7])
    # After fit_predictions, which sees no samples, the trees themselves check them.
    trees = [(f"t{i}", FrozenEstimator(tree)) for i, tree in enumerate(forest.estimators_)]
    P = np.stack([tree.predict_proba(TWO[0]) for tree in forest.estimators_])
    pruner = SOCPEnsemblePruner(trees, cv="prefit").fit_predictions(P, TWO[1])
    assert pruner.predict(TWO[0]).shape == TWO[1].shape
    with pytest.raises(ValueError, match="X has 7 features, but DecisionTreeClassifier is"):
        pruner.predict(TWO[0][:, :7])


def test_missing_values_in_columns_that_no_kept_tree_sees():
    X, y = TWO
    bag = BaggingClassifier(n_estimators=10, max_features=3, random_state=0).fit(X, y)
    pruner = SOCPEnsemblePruner(FrozenEstimator(bag), cv="prefit", max_members=2).fit(X, y)
    seen = np.unique(np.concatenate(kept_features(pruner, bag)))
    unseen = np.setdiff1d(np.arange(8), seen)
    assert len(unseen)
    changed = X.copy()
    changed[:, unseen] = np.inf
    np.testing.assert_array_equal(pruner.predict_proba(changed), pruner.predict_proba(X))


def test_monotonic_constraints():
    X, y = TWO
    constrained = {"monotonic_cst": [1, -1, 0, 0, 0, 0, 0, 0], "max_depth": 4}
    forest = RandomForestClassifier(10, random_state=0, **constrained).fit(X, y)
    pruner = SOCPEnsemblePruner(FrozenEstimator(forest), cv="prefit", voting="soft").fit(X, y)
    outputs = own_probabilities(pruner.estimators_, X, pruner.classes_)
    assert_votes(pruner, outputs, X, "soft")


class Timid(DecisionTreeClassifier):
    """A tree that predicts otherwise."""

    def predict_proba(self, X, check_input=True):
        return 0.5 * super().predict_proba(X, check_input) + 0.25


def test_a_subclass_predicts_as_it_says(forest):
    X, y = TWO
    trees = [Timid(max_depth=3, random_state=i).fit(X, y) for i in range(3)]
    trees += [DecisionTreeClassifier(max_depth=3, random_state=7).fit(X, y)]
    members = [(f"t{i}", FrozenEstimator(tree)) for i, tree in enumerate(trees)]
    pruner = SOCPEnsemblePruner(members, voting="soft", lam=0).fit(X, y)
    outputs = [tree.predict_proba(X) for tree in pruner.estimators_]
    np.testing.assert_array_equal(pruner.predict_proba(X), voted(pruner, outputs, "soft"))


def test_replaced_members_and_weights_are_used(forest):
    X, y = TWO
    pruner = prefit(FrozenEstimator(forest), voting="soft")
    before = pruner.predict_proba(X)
    pruner.estimators_[0] = DecisionTreeClassifier(max_depth=1).fit(X, 1 - y)
    outputs = own_probabilities(pruner.estimators_, X, pruner.classes_)
    assert_votes(pruner, outputs, X, "soft")
    assert not np.array_equal(pruner.predict_proba(X), before)
    pruner.weights_ = np.where(pruner.support_, 1 / pruner.n_members_, 0.0)
    outputs = own_probabilities(pruner.estimators_, X, pruner.classes_)
    assert_votes(pruner, outputs, X, "soft")
    pruner.estimators_[0] = RandomForestClassifier(3, random_state=0).fit(X, y)  # no tree
    outputs = own_probabilities(pruner.estimators_, X, pruner.classes_)
    assert_votes(pruner, outputs, X, "soft")


def test_a_regressor_may_be_replaced_by_a_classifier():
    X, y = TWO
    forest = RandomForestRegressor(5, max_depth=3, random_state=0).fit(X, y)
    pruner = SOCPEnsemblePrunerRegressor(FrozenEstimator(forest), cv="prefit").fit(X, y)
    pruner.estimators_ = [
        DecisionTreeClassifier(max_depth=2).fit(X, y * 5) for _ in pruner.estimators_
    ]
    expected = pruner.weights_.sum() * pruner.estimators_[0].predict(X) + pruner.intercept_
    np.testing.assert_allclose(pruner.predict(X), expected)


def test_regression_trees_in_a_list():
    X, y = TWO
    kinds = (DecisionTreeRegressor, ExtraTreeRegressor)
    trees = [(f"t{i}", kinds[i % 2](max_depth=3, random_state=i).fit(X, y)) for i in range(6)]
    members = [(name, FrozenEstimator(tree)) for name, tree in trees]
    pruner = SOCPEnsemblePrunerRegressor(members, lam=0).fit(X, y)
    total = 0.0
    for weight, tree in zip(pruner.weights_[pruner.support_], pruner.estimators_, strict=True):
        total = total + weight * tree.predict(X)
    np.testing.assert_array_equal(pruner.predict(X), total + pruner.intercept_)


def test_prediction_adds_nothing_to_the_saved_pruner(forest):
    pruner = prefit(FrozenEstimator(forest))
    before = len(pickle.dumps(pruner))
    p = pruner.predict_proba(TWO[0])
    pruner.predict(TWO[0][:1])
    assert len(pickle.dumps(pruner)) == before
    loaded = pickle.loads(pickle.dumps(pruner))
    np.testing.assert_array_equal(loaded.predict_proba(TWO[0]), p)

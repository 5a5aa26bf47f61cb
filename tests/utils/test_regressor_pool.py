"""Members of every kind of ensemble of regressors, and what they predict."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.datasets import load_diabetes
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skprune.utils import RegressorPool

X, y = load_diabetes(return_X_y=True)
X, y = X[:150], y[:150]
Y = np.column_stack([y, np.sqrt(y), X[:, 0]])
FRAME = pd.DataFrame(X).add_prefix("c")

ENSEMBLES = {
    "forest": RandomForestRegressor(8, max_depth=3, random_state=0),
    "extra trees": ExtraTreesRegressor(8, max_depth=3, random_state=0),
    "bagging": BaggingRegressor(DecisionTreeRegressor(max_depth=2), 8, random_state=0),
    "feature bags": BaggingRegressor(
        KNeighborsRegressor(), 8, max_features=0.4, bootstrap_features=True, random_state=0
    ),
    "voting": VotingRegressor([("ridge", Ridge()), ("tree", DecisionTreeRegressor(max_depth=2))]),
}


@pytest.mark.parametrize("name", ENSEMBLES)
def test_the_mean_of_the_members_is_what_the_ensemble_predicts(name):
    ensemble = ENSEMBLES[name].fit(X, y)
    pool = RegressorPool.from_fitted(ensemble, 1)
    P = pool.outputs(X)
    assert P.shape == (len(pool), 150, 1)
    np.testing.assert_allclose(P.mean(axis=0)[:, 0], ensemble.predict(X))


@pytest.mark.parametrize("name", ["forest", "extra trees", "bagging", "feature bags"])
def test_of_several_targets_too(name):
    ensemble = ENSEMBLES[name].fit(X, Y)
    P = RegressorPool.from_fitted(ensemble, 3).outputs(X)
    assert P.shape == (8, 150, 3)
    np.testing.assert_allclose(P.mean(axis=0), ensemble.predict(X))


def test_the_feature_bags_see_some_columns_only():
    """Without which the tests above would not test what they should."""
    pool = RegressorPool.from_fitted(ENSEMBLES["feature bags"].fit(X, y), 1)
    assert all(len(columns) == 4 for columns in pool.features)
    assert RegressorPool.from_fitted(ENSEMBLES["bagging"].fit(X, y), 1).features is None


@pytest.mark.parametrize("named", [True, False])
def test_a_list_of_regressors(named):
    members = [Ridge().fit(X, y), make_pipeline(StandardScaler(), LinearRegression()).fit(X, y)]
    given = [(str(i), m) for i, m in enumerate(members)] if named else members
    P = RegressorPool.from_fitted(given, 1).outputs(X)
    np.testing.assert_array_equal(P[:, :, 0], [m.predict(X) for m in members])


@pytest.mark.parametrize(
    "ensemble",
    [
        AdaBoostRegressor(n_estimators=3, random_state=0),
        StackingRegressor([("ridge", Ridge()), ("tree", DecisionTreeRegressor(max_depth=2))]),
    ],
)
def test_other_ensembles_of_regressors_are_taken(ensemble):
    fitted = ensemble.fit(X, y)
    P = RegressorPool.from_fitted(fitted, 1).outputs(X)
    np.testing.assert_array_equal(P[:, :, 0], [m.predict(X) for m in fitted.estimators_])


def test_frozen_estimators_are_looked_through():
    tree = DecisionTreeRegressor(max_depth=2).fit(X, y)
    forest = RandomForestRegressor(3, random_state=0).fit(X, y)
    listed = RegressorPool.from_fitted([("a", FrozenEstimator(FrozenEstimator(tree))), tree], 1)
    assert listed.estimators == (tree, tree)
    whole = RegressorPool.from_fitted(FrozenEstimator(forest), 1)
    assert whole.estimators == tuple(forest.estimators_)


def test_subset_keeps_members_and_their_columns():
    pool = RegressorPool.from_fitted(ENSEMBLES["feature bags"].fit(X, y), 1)
    mask = np.array([True, False, True, True, False, False, False, True])
    kept = pool.subset(mask)
    assert isinstance(kept, RegressorPool)
    assert len(kept) == len(kept.features) == 4
    np.testing.assert_array_equal(kept.outputs(X), pool.outputs(X)[mask])


def test_a_column_of_predictions_is_as_good_as_a_row():
    class Column(LinearRegression):
        def predict(self, X):
            return super().predict(X)[:, None]

    members = [LinearRegression().fit(X, y), Column().fit(X, y)]
    P = RegressorPool.from_fitted(members, 1).outputs(X)
    np.testing.assert_array_equal(P[0], P[1])


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.float16, np.float64),
        (int, np.float64),
    ],
)
def test_single_precision_stays_single_and_all_else_is_double(dtype, expected):
    class Typed(Ridge):
        def predict(self, X):
            return super().predict(X).astype(dtype)

    typed, double = Typed().fit(X, y), Ridge().fit(X, y)
    assert RegressorPool.from_fitted([typed, typed], 1).outputs(X).dtype == expected
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        P = RegressorPool.from_fitted([typed, double], 1).outputs(X)
    assert P.dtype == np.float64
    np.testing.assert_array_equal(P[:, :, 0], [typed.predict(X), double.predict(X)])


@pytest.mark.parametrize("name", ENSEMBLES)
def test_the_number_of_jobs_does_not_matter(name):
    pool = RegressorPool.from_fitted(ENSEMBLES[name].fit(X, y), 1)
    np.testing.assert_array_equal(pool.outputs(X, n_jobs=2), pool.outputs(X))


@pytest.mark.parametrize("fitted_on", ["names", "no names"])
@pytest.mark.parametrize("given", ["frame", "array", "list"])
@pytest.mark.parametrize("name", ["forest", "feature bags", "voting"])
def test_tables_and_arrays_give_the_same_predictions(name, given, fitted_on):
    pool = RegressorPool.from_fitted(
        ENSEMBLES[name].fit(FRAME if fitted_on == "names" else X, y), 1
    )
    expected = pool.outputs(FRAME)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if given != "frame" and fitted_on == "names":  # scikit-learn's own warning, rightly
            warnings.filterwarnings("ignore", "X does not have valid feature names")
        found = pool.outputs({"frame": FRAME, "array": X, "list": X.tolist()}[given])
    np.testing.assert_allclose(found, expected)


def test_one_call_a_member_for_timing():
    pool = RegressorPool.from_fitted(ENSEMBLES["feature bags"].fit(X, y), 1)
    calls = pool.member_calls(X[:10])
    np.testing.assert_array_equal([call() for call in calls], pool.outputs(X[:10]))


@pytest.mark.parametrize("T", [1, 2, 3])
@pytest.mark.parametrize("shape", [(150, 4), (150, 3, 1), (0,)])
def test_predictions_of_wrong_shape_are_refused_and_the_member_named(shape, T):
    class Odd(RegressorMixin, BaseEstimator):
        def predict(self, X):
            return np.zeros((150, 4) if shape == (0,) else shape)

    good = Ridge().fit(X, Y[:, :T])
    pool = RegressorPool.from_fitted([good, Odd()], T)
    with pytest.raises(ValueError, match=rf"member 1 \(Odd\) must have shape \(n, {T}\)"):
        pool.outputs(X)


def test_fewer_targets_than_y_has_are_refused():
    pool = RegressorPool.from_fitted([("a", Ridge().fit(X, y))], 2)
    with pytest.raises(ValueError, match=r"member 0 \(Ridge\) must have shape \(n, 2\)"):
        pool.outputs(X)


@pytest.mark.parametrize(
    ("fitted", "match"),
    [
        (GradientBoostingRegressor(n_estimators=2), "stages of a sum"),
        (HistGradientBoostingRegressor(max_iter=2), "has none"),
        (Ridge(), "must be an ensemble"),
        (make_pipeline(StandardScaler(), RandomForestRegressor(2)), "put the pruner last in it"),
        (MultiOutputRegressor(Ridge()), "question of their own"),
        (RegressorChain(Ridge()), "question of their own"),
    ],
)
def test_what_has_no_members_to_sum_is_refused(fitted, match):
    target = Y if isinstance(fitted, MultiOutputRegressor | RegressorChain) else y
    with pytest.raises(TypeError, match=match):
        RegressorPool.from_fitted(fitted.fit(X, target), 1)


@pytest.mark.parametrize(
    ("members", "error", "match"),
    [
        ([], ValueError, "at least one member"),
        (
            [Ridge(), ("c", LogisticRegression())],
            TypeError,
            r"must be regressors; member 1 \(LogisticRegression\) is not",
        ),
        ([Ridge(), StandardScaler()], TypeError, r"member 1 \(StandardScaler\) is not"),
        ([Ridge(), "tree"], TypeError, r"member 1 \(str\) is not"),
    ],
)
def test_lists_of_what_cannot_be_summed_are_refused(members, error, match):
    with pytest.raises(error, match=match):
        RegressorPool.from_fitted(members, 1)


def test_a_forest_of_classifiers_is_refused():
    forest = RandomForestClassifier(2).fit(X, y > 100)
    with pytest.raises(TypeError, match=r"member 0 \(DecisionTreeClassifier\) is not"):
        RegressorPool.from_fitted(forest, 1)

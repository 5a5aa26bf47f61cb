"""Importances of the columns: means of the members', computed one by one."""

import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_diabetes
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skprune import SOCPEnsemblePruner, SOCPEnsemblePrunerRegressor
from skprune.socp import EnsembleStatistics

from .conftest import ALL

ALL_KEPT = {"lam": 0.0, "reweight": "equal"}


def by_hand(pruner, columns=None):
    """The weighted mean over the kept members, in loops."""
    total, weights = [0.0] * pruner.n_features_in_, 0.0
    kept = np.flatnonzero(pruner.support_)
    for member, i in zip(pruner.estimators_, kept, strict=True):
        weight = abs(float(pruner.weights_[i]))
        seen = range(pruner.n_features_in_) if columns is None else columns[i]
        for column, value in zip(seen, member.feature_importances_, strict=True):
            total[column] += weight * float(value)
        weights += weight
    return np.array(total) / weights


@pytest.mark.filterwarnings("ignore:The cross-validated score of the selection")
@pytest.mark.parametrize(("cls", "params"), ALL)
def test_are_the_weighted_mean_of_the_kept_members(cls, params, data):
    regression = "Regressor" in cls.__name__
    forest = (RandomForestRegressor if regression else RandomForestClassifier)(
        20, max_depth=4, random_state=0
    )
    X, y = load_diabetes(return_X_y=True) if regression else data
    pruner = cls(forest, **(params | {"random_state": 0}))
    assert not hasattr(pruner, "feature_importances_")
    with pytest.raises(NotFittedError):
        _ = pruner.feature_importances_
    pruner.fit(X, y)
    found = pruner.feature_importances_
    assert (found.shape, found.dtype) == ((X.shape[1],), np.float64)
    assert found.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(found, by_hand(pruner), rtol=1e-12)
    assert 1 < pruner.n_members_ < 20
    assert not hasattr(clone(pruner), "feature_importances_")
    again = pickle.loads(pickle.dumps(pruner))
    np.testing.assert_array_equal(again.feature_importances_, found)
    assert "feature_importances_" not in vars(pruner)


@pytest.mark.parametrize("voting", ["log", "soft"])
def test_all_members_with_equal_weights_have_those_of_the_forest(data, voting):
    X, y = data
    forest = RandomForestClassifier(12, max_depth=5, random_state=0).fit(X, y)
    pruner = SOCPEnsemblePruner(FrozenEstimator(forest), voting=voting, keep=range(12), **ALL_KEPT)
    found = pruner.fit(X, y).feature_importances_
    assert pruner.n_members_ == 12
    np.testing.assert_allclose(found, forest.feature_importances_, rtol=0, atol=1e-12)


def test_a_tree_without_a_split_counts_zero(data):
    X, y = data
    forest = RandomForestClassifier(30, min_impurity_decrease=0.06, max_features=1, random_state=2)
    forest.fit(X, y)
    single = [tree.tree_.node_count == 1 for tree in forest.estimators_]
    assert 0 < sum(single) < 30
    pruner = SOCPEnsemblePruner(FrozenEstimator(forest), keep=range(30), **ALL_KEPT).fit(X, y)
    found = pruner.feature_importances_
    # The forest leaves these trees out.
    assert found.sum() == pytest.approx(1 - np.mean(single))
    np.testing.assert_allclose(found / found.sum(), forest.feature_importances_, atol=1e-12)


@pytest.mark.parametrize("repeated", [False, True])
def test_columns_of_a_bag(data, repeated):
    X, y = data
    bag = BaggingClassifier(
        DecisionTreeClassifier(max_depth=3),
        15,
        max_features=4,
        bootstrap_features=repeated,
        random_state=0,
    ).fit(X, y)
    pruner = SOCPEnsemblePruner(FrozenEstimator(bag)).fit(X, y)
    columns = bag.estimators_features_
    assert repeated == any(len(set(drawn)) < 4 for drawn in columns)
    found = pruner.feature_importances_
    np.testing.assert_allclose(found, by_hand(pruner, columns), rtol=1e-12)
    assert found.sum() == pytest.approx(1)
    kept = SOCPEnsemblePruner(FrozenEstimator(bag), max_members=1).fit(X, y)
    never = np.setdiff1d(np.arange(X.shape[1]), columns[int(np.argmax(kept.support_))])
    assert len(never)
    assert not kept.feature_importances_[never].any()


def test_negative_weights_count_by_their_size():
    X, y = load_diabetes(return_X_y=True)
    bag = BaggingRegressor(DecisionTreeRegressor(max_depth=2), 12, random_state=0).fit(X, y)
    pruner = SOCPEnsemblePrunerRegressor(
        FrozenEstimator(bag), positive=False, lam=0.0, reweight="relaxed"
    ).fit(X, y)
    assert pruner.weights_.min() < 0
    found = pruner.feature_importances_
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1)
    np.testing.assert_allclose(found, by_hand(pruner), rtol=1e-12)


def test_a_selector_of_columns_takes_a_pruner(data):
    X, y = data
    pruner = SOCPEnsemblePruner(RandomForestClassifier(20, max_depth=4), random_state=0)
    # By default it would take penalty="l1" for one that sets importances to zero.
    selector = SelectFromModel(pruner, threshold="mean").fit(X, y)
    own = selector.estimator_.feature_importances_
    np.testing.assert_array_equal(selector.get_support(), own >= own.mean())
    assert 0 < selector.transform(X).shape[1] < X.shape[1]
    fitted = SelectFromModel(clone(pruner).fit(X, y), prefit=True, threshold="mean")
    np.testing.assert_array_equal(fitted.transform(X), selector.transform(X))
    R, r = load_diabetes(return_X_y=True)
    regressor = SOCPEnsemblePrunerRegressor(
        RandomForestRegressor(20, max_depth=3, random_state=0), random_state=0
    )
    ranked = RFE(regressor, n_features_to_select=3, step=4).fit(R, r)
    assert ranked.support_.sum() == ranked.estimator_.n_features_in_ == 3
    assert ranked.support_[[2, 8]].all()  # body mass index and s5, as for any forest


class WithTwo(ClassifierMixin, BaseEstimator):
    """A tree of the first two columns, with importances of these."""

    def fit(self, X, y):
        self.tree_ = DecisionTreeClassifier(max_depth=4).fit(X[:, :2], y)
        self.classes_ = self.tree_.classes_
        self.feature_importances_ = self.tree_.feature_importances_
        return self

    def predict_proba(self, X):
        return self.tree_.predict_proba(X[:, :2])


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (LogisticRegression(), r"'other' \(LogisticRegression\) has none"),
        (
            make_pipeline(StandardScaler(), DecisionTreeClassifier()),
            r"'other' \(Pipeline\) has none",
        ),
        (WithTwo(), r"'other' \(WithTwo\) has one of shape \(2,\) for \d+ columns"),
    ],
)
def test_a_kept_member_without_is_named(data, member, said):
    X, y = data
    assert X.shape[1] > 2
    members = [("tree", DecisionTreeClassifier(max_depth=4)), ("other", member)]
    pruner = SOCPEnsemblePruner(members, keep=["other"], random_state=0).fit(X, y)
    assert not hasattr(pruner, "feature_importances_")
    with pytest.raises(AttributeError, match=said) as told:
        _ = pruner.feature_importances_
    assert "permutation_importance" in str(told.value)


def test_a_dropped_member_need_not_have_them(data):
    X, y = data
    members = [("tree", DecisionTreeClassifier(max_depth=4)), ("line", LogisticRegression())]
    pruner = SOCPEnsemblePruner(members, max_members=1, keep=["tree"], random_state=0).fit(X, y)
    (tree,) = pruner.estimators_
    np.testing.assert_allclose(pruner.feature_importances_, tree.feature_importances_, rtol=1e-12)


def test_members_without_names_are_named_by_position(data):
    X, y = data
    bag = BaggingClassifier(LogisticRegression(), 5, random_state=0)
    pruner = SOCPEnsemblePruner(bag, max_members=1, random_state=0).fit(X, y)
    position = int(np.argmax(pruner.support_))
    with pytest.raises(AttributeError, match=rf"member {position} \(LogisticRegression\) has none"):
        _ = pruner.feature_importances_


def test_of_predictions_alone(data):
    X, y = data
    forest = RandomForestClassifier(8, max_depth=4, random_state=0).fit(X, y)
    bag = BaggingClassifier(DecisionTreeClassifier(), 8, max_features=2, random_state=0).fit(X, y)
    P = np.stack([tree.predict_proba(X) for tree in forest.estimators_])
    alone = SOCPEnsemblePruner().fit_predictions(P, y)
    assert not hasattr(alone, "feature_importances_")
    with pytest.raises(AttributeError, match="fitted to predictions, without members"):
        _ = alone.feature_importances_
    # With members there are some, as many as these have columns.
    fitted = SOCPEnsemblePruner(FrozenEstimator(forest)).fit(X, y)
    told = SOCPEnsemblePruner(FrozenEstimator(forest)).fit_predictions(P, y)
    np.testing.assert_array_equal(told.feature_importances_, fitted.feature_importances_)
    stats = EnsembleStatistics.from_predictions(P, np.searchsorted(np.unique(y), y))
    soft = SOCPEnsemblePruner(FrozenEstimator(forest), voting="soft").fit_statistics(stats)
    assert soft.feature_importances_.shape == (X.shape[1],)
    columns = bag.estimators_features_
    P = np.stack([t.predict_proba(X[:, c]) for t, c in zip(bag.estimators_, columns, strict=True)])
    some = SOCPEnsemblePruner(FrozenEstimator(bag)).fit_predictions(P, y)
    with pytest.raises(AttributeError, match="how many there are is not known"):
        _ = some.feature_importances_

"""What SOCPEnsemblePruner promises, on trees."""

import weakref
from fractions import Fraction

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, KFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from skprune import SOCPEnsemblePruner
from skprune.socp import EnsembleStatistics, solve_socp

from .conftest import CLASSIFIERS, OF_CLASSES, CountingBag

TREES = OF_CLASSES["list"]


def test_the_weights_are_those_of_the_program(data):
    X, y = data
    X, X_cal, y, y_cal = train_test_split(X, y, random_state=0)
    forest = RandomForestClassifier(20, max_depth=4, random_state=0).fit(X, y)
    P = np.array([tree.predict_proba(X_cal) for tree in forest.estimators_])
    expected = solve_socp(EnsembleStatistics.from_predictions(P, y_cal), 0.7, 0.2).weights
    params = {"voting": "soft", "alpha": 0.7, "lam": 0.2, "reweight": "none"}
    pruner = SOCPEnsemblePruner(FrozenEstimator(forest), **params).fit(X_cal, y_cal)
    np.testing.assert_allclose(pruner.weights_, expected / expected.sum(), atol=1e-10)
    np.testing.assert_allclose(pruner.path_.at(0.2), expected, atol=1e-9)
    assert pruner.solution_.status == "optimal"
    for solver in ("ecos", "clarabel", "scs"):
        other = clone(pruner).set_params(solver=solver).fit(X_cal, y_cal)
        np.testing.assert_allclose(other.weights_, pruner.weights_, atol=1e-4)


@pytest.mark.parametrize("voting", ["soft", "log"])
@pytest.mark.parametrize("cv", [0.3, 3], ids=["fraction", "folds"])
@pytest.mark.parametrize("names", [[0, 1, 2], ["ant", "bee", "cat"], [1, 2, 3]], ids=str)
@pytest.mark.parametrize("name", OF_CLASSES)
def test_any_ensemble_any_labels(name, names, cv, voting, data):
    X, y = data[0], np.array(names)[data[1]]
    pruner = SOCPEnsemblePruner(OF_CLASSES[name], cv=cv, voting=voting, random_state=0).fit(X, y)
    assert pruner.n_members_in_ == len(pruner.weights_) == len(pruner.support_)
    assert 1 <= pruner.n_members_ == len(pruner.estimators_) == pruner.support_.sum()
    if voting == "soft":
        assert pruner.weights_.sum() == pytest.approx(1)
    np.testing.assert_array_equal(pruner.weights_ > 0, pruner.support_)
    np.testing.assert_array_equal(pruner.classes_, names)
    np.testing.assert_allclose(pruner.predict_proba(X).sum(axis=1), 1)
    assert set(pruner.predict(X)) <= set(names)
    assert pruner.score(X, y) > 0.5  # chance is 0.33


@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_the_vote_is_equation_1(voting, data):
    pruner = SOCPEnsemblePruner(OF_CLASSES["forest"], random_state=0, voting=voting).fit(*data)
    assert not hasattr(pruner.estimator, "estimators_")  # the parameter is left as it was
    P = np.array([member.predict_proba(data[0]) for member in pruner.estimators_])
    votes = P if voting == "soft" else np.eye(3)[P.argmax(axis=2)]
    by_hand = np.tensordot(pruner.weights_[pruner.support_], votes, 1)
    np.testing.assert_allclose(pruner.predict_proba(data[0]), by_hand, atol=1e-12)


@pytest.mark.parametrize("cv", [0.3, 3, KFold(4, shuffle=True, random_state=1)])
@pytest.mark.parametrize(("cls", "params"), CLASSIFIERS)
def test_no_member_is_calibrated_on_rows_it_was_trained_on(cls, params, cv, diary, numbered):
    X, y = numbered
    members = [(f"m{d}", diary(d)) for d in (1, 2, 3)]
    pruner = cls(members, **(params | {"cv": cv, "random_state": 0})).fit(X, y)
    asked = [event[1:] for event in diary.seen if event[0] == "predict"]
    assert asked
    assert not any(rows & trained for rows, trained in asked)
    rows_asked = set().union(*(rows for rows, _ in asked))
    kept_on = [m.trained_on_ for m in pruner.estimators_]
    if isinstance(cv, float):
        assert len(rows_asked) == 120
        assert all(not rows & rows_asked for rows in kept_on)
    else:  # every row is predicted once, and the kept members are trained on all of them
        assert len(rows_asked) == 400
        assert all(len(rows) == 400 for rows in kept_on)


class TrackedTree(DecisionTreeClassifier):
    """A tree that records how many fitted ones there are when it is fitted."""

    fitted = weakref.WeakSet()
    counts = []

    def fit(self, X, y, sample_weight=None):
        TrackedTree.counts.append(len(TrackedTree.fitted))
        super().fit(X, y, sample_weight)
        TrackedTree.fitted.add(self)
        return self


def test_one_ensemble_is_in_memory_at_a_time(data, monkeypatch):
    monkeypatch.setattr(TrackedTree, "fitted", weakref.WeakSet())
    monkeypatch.setattr(TrackedTree, "counts", [])
    trees = [("a", TrackedTree(max_depth=2)), ("b", TrackedTree(max_depth=3))]
    SOCPEnsemblePruner(trees, cv=3, random_state=0).fit(*data)
    assert TrackedTree.counts == [0, 1] * 4


@pytest.mark.parametrize("fraction", [0.25, np.float32(0.25), Fraction(1, 4)])
def test_a_held_out_share_trains_once(fraction, data, tmp_path):
    log = tmp_path / "log"
    SOCPEnsemblePruner(CountingBag(log=log), cv=fraction, random_state=0).fit(*data)
    assert log.read_text() == "300\n"


class TestPrefit:
    @pytest.fixture
    def split(self, data):
        return train_test_split(*data, random_state=0)

    def test_frozen_ensemble_and_frozen_members_agree(self, split):
        X, X_cal, y, y_cal = split
        members = [(name, clone(tree).fit(X, y)) for name, tree in TREES]
        voting = VotingClassifier(TREES, voting="soft").fit(X, y)
        frozen = [(name, FrozenEstimator(member)) for name, member in members]
        fits = [
            SOCPEnsemblePruner(given, cv=cv).fit(X_cal, y_cal)
            for given, cv in [
                (FrozenEstimator(voting), "prefit"),
                (FrozenEstimator(voting), 0.25),  # nothing to train: prefit all the same
                (voting, "prefit"),
                (members, "prefit"),
                (frozen, 5),
            ]
        ]
        for pruner in fits:
            np.testing.assert_allclose(pruner.weights_, fits[0].weights_)
            np.testing.assert_array_equal(pruner.predict(X), fits[0].predict(X))

    def test_frozen_members_survive_a_grid_search(self, split, tmp_path):
        X, X_cal, y, y_cal = split
        forest = FrozenEstimator(RandomForestClassifier(12, random_state=0).fit(X, y))
        grid = {"alpha": [0.5, 1.0], "lam": [0.1, 0.5]}
        plain = GridSearchCV(SOCPEnsemblePruner(forest), grid, cv=3).fit(X_cal, y_cal)
        cached = GridSearchCV(SOCPEnsemblePruner(forest, memory=tmp_path), grid, cv=3)
        cached.fit(X_cal, y_cal)
        np.testing.assert_array_equal(
            plain.cv_results_["mean_test_score"], cached.cv_results_["mean_test_score"]
        )
        # 3 folds and the refit are predicted once each, not once for each of 4 candidates
        assert len(list(tmp_path.rglob("output.pkl"))) == 4
        with pytest.raises(ValueError, match=r"\['eval_set'\] cannot be passed to fit"):
            SOCPEnsemblePruner(forest).fit(X_cal, y_cal, eval_set=[])


class TestInputs:
    def test_a_class_with_one_row_is_trained_on(self, numbered, diary):
        X, y = numbered
        y = y.copy()
        y[7] = 9
        pruner = SOCPEnsemblePruner([("a", diary(3)), ("b", diary(5))], random_state=0).fit(X, y)
        np.testing.assert_array_equal(pruner.classes_, [0, 1, 2, 9])
        assert all(7 in m.trained_on_ for m in pruner.estimators_)

    @pytest.mark.filterwarnings("ignore:The least populated class:UserWarning")
    def test_a_class_may_be_missing_from_a_fold(self, data):
        X, y = data
        y = y.copy()
        y[:2] = 9
        forest = RandomForestClassifier(9, random_state=0)
        pruner = SOCPEnsemblePruner(forest, cv=KFold(4)).fit(X, y)
        assert pruner.predict_proba(X).shape == (400, 4)

    def test_fewer_held_out_rows_than_classes(self):
        X, y = np.random.RandomState(0).rand(20, 3), np.arange(20) % 10
        forest = RandomForestClassifier(5, random_state=0)
        pruner = SOCPEnsemblePruner(forest, cv=0.25, random_state=0)
        assert pruner.fit(X, y).n_members_ >= 1

    def test_images(self, data):
        X, y = data[0].reshape(-1, 2, 3, 2), data[1]
        flat = FunctionTransformer(lambda X: X.reshape(len(X), -1))
        members = [(name, make_pipeline(flat, tree)) for name, tree in TREES]
        pruner = SOCPEnsemblePruner(members, random_state=0).fit(X, y)
        same = SOCPEnsemblePruner(TREES, random_state=0).fit(data[0], y)
        np.testing.assert_array_equal(pruner.predict_proba(X), same.predict_proba(data[0]))
        assert pruner.sample_shape_ == (2, 3, 2)
        with pytest.raises(ValueError, match=r"shape \(2, 2, 3\).*fitted.*\(2, 3, 2\)"):
            pruner.predict(X.reshape(-1, 2, 2, 3))


class NaNMember(DecisionTreeClassifier):
    def predict_proba(self, X):
        return np.full((len(X), 3), np.nan)


class Logits(DecisionTreeClassifier):
    def predict_proba(self, X):
        return np.ones((len(X), 3))


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        ([("a", NaNMember()), *TREES], "NaN or infinite probabilities: member 0"),
        ([*TREES, ("a", Logits())], "member 9 sum to 3"),
    ],
)
def test_members_that_cannot_vote(estimator, message, data):
    pruner = SOCPEnsemblePruner(estimator, random_state=0)
    with pytest.raises(ValueError, match=message):
        pruner.fit(*data)
    with pytest.raises(NotFittedError):  # nothing is half-fitted
        pruner.predict(data[0])


class FailsOnAll(DecisionTreeClassifier):
    """Trains on a part of the rows, and fails on all of them: the last step of `cv=3`."""

    n_rows = None

    def fit(self, X, y, sample_weight=None):
        if len(X) == self.n_rows:
            raise KeyboardInterrupt
        return super().fit(X, y, sample_weight)


def test_a_refit_that_fails_leaves_no_pruner_that_counts_as_fitted(data, monkeypatch):
    pruner = SOCPEnsemblePruner([("tree", FailsOnAll(max_depth=2))], cv=3, random_state=0)
    pruner.fit(*data).predict(data[0])
    monkeypatch.setattr(FailsOnAll, "n_rows", len(data[0]))
    with pytest.raises(KeyboardInterrupt):
        pruner.fit(*data)
    with pytest.raises(NotFittedError):
        pruner.predict(data[0])


def test_log_probabilities_are_those_of_the_vote(data):
    X, y = data
    forest = RandomForestClassifier(5, max_depth=4, random_state=0)
    pruner = SOCPEnsemblePruner(forest, random_state=0).fit(X, y)
    found = pruner.predict_log_proba(X)
    np.testing.assert_allclose(np.exp(found), pruner.predict_proba(X), rtol=1e-12)
    pruner.set_params(voting="hard")
    assert (pruner.predict_log_proba(X) == -np.inf).any()


@pytest.mark.parametrize(("cv", "reweight"), [(0.25, 0.5), ("oob", "equal"), ("auto", "equal")])
def test_the_default_reweighting(cv, reweight, data):
    forest = RandomForestClassifier(9, max_depth=4, random_state=0)
    pruner = SOCPEnsemblePruner(forest, cv=cv, random_state=0).fit(*data)
    same = clone(pruner).set_params(reweight=reweight).fit(*data)
    assert pruner.reweight_ == same.reweight_ == reweight
    np.testing.assert_array_equal(pruner.weights_, same.weights_)

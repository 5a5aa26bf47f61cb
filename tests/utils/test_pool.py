"""Members of every kind of ensemble, their predictions aligned to one list of classes."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from skprune.utils._base_pool import _Prediction

from skprune.utils import MemberPool, unfreeze

X, CODES = load_iris(return_X_y=True)
NAMES = ["length", "width", "petal length", "petal width"]
FRAME = pd.DataFrame(X, columns=NAMES)

# Labels of the same three classes in every guise; some of them look like other codes.
LABELS = {
    "0 to 2": np.array([0, 1, 2]),
    "1 to 3": np.array([1, 2, 3]),
    "-1 to 1": np.array([-1, 0, 1]),
    "gaps": np.array([0, 2, 7]),
    "floats": np.array([1.0, 2.0, 4.0]),
    "strings": np.array(["ash", "birch", "cedar"]),
    "digits as strings": np.array(["0", "1", "2"]),
    "objects": np.array(["ash", "birch", "cedar"], dtype=object),
}

ENSEMBLES = {
    "forest": RandomForestClassifier(8, max_depth=3, random_state=0),
    "extra trees": ExtraTreesClassifier(8, max_depth=3, random_state=0),
    "bagging": BaggingClassifier(DecisionTreeClassifier(max_depth=2), 8, random_state=0),
    "tiny bags": BaggingClassifier(
        KNeighborsClassifier(1), 8, max_samples=4, max_features=0.5, random_state=0
    ),
    "feature bags": BaggingClassifier(GaussianNB(), 8, max_features=2, random_state=0),
    "voting": VotingClassifier(
        [("nb", GaussianNB()), ("tree", DecisionTreeClassifier(max_depth=2))], voting="soft"
    ),
}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("name", ENSEMBLES)
def test_the_mean_of_the_members_is_what_the_ensemble_predicts(name, labels):
    y = LABELS[labels][CODES]
    ensemble = ENSEMBLES[name].fit(X, y)
    pool = MemberPool.from_fitted(ensemble)
    P = pool.outputs(X)
    assert P.shape == (len(pool), len(X), 3)
    np.testing.assert_array_equal(pool.classes, ensemble.classes_)
    np.testing.assert_allclose(P.mean(axis=0), ensemble.predict_proba(X), atol=1e-12)


def test_the_tiny_bags_miss_classes():
    """Without which the test above would not test what it should."""
    pool = MemberPool.from_fitted(ENSEMBLES["tiny bags"].fit(X, CODES))
    assert min(len(member.classes_) for member in pool.estimators) < 3


def test_bags_that_all_miss_the_first_of_labels_that_look_like_codes():
    """Labels 1, 2, 3, members that know 1 and 2: these are the codes of 2 and 3."""
    y = LABELS["1 to 3"][CODES]
    ensemble = BaggingClassifier(KNeighborsClassifier(1), 3, max_samples=3)
    for seed in range(500):
        ensemble.set_params(random_state=seed).fit(X, y)
        known = set(np.concatenate([member.classes_ for member in ensemble.estimators_]))
        if known == {1, 2}:
            break
    else:
        pytest.fail("no seed leaves the first class out")
    P = MemberPool.from_fitted(ensemble).outputs(X)
    np.testing.assert_allclose(P.mean(axis=0), ensemble.predict_proba(X), atol=1e-12)


def test_truth_values_as_labels():
    ensemble = RandomForestClassifier(5, random_state=0).fit(X, CODES == 1)
    P = MemberPool.from_fitted(ensemble).outputs(X)
    np.testing.assert_allclose(P.mean(axis=0), ensemble.predict_proba(X), atol=1e-12)


def members_of_parts(labels):
    """Three members, each of which has seen two of three classes, or all."""
    y = LABELS[labels][CODES]
    parts = [(0, 1), (1, 2), (0, 1, 2), (2, 0)]
    return [
        (f"nb{i}", GaussianNB().fit(X[np.isin(CODES, part)], y[np.isin(CODES, part)]))
        for i, part in enumerate(parts)
    ], parts


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("named", [True, False])
def test_a_list_of_classifiers_that_know_different_classes(labels, named):
    pairs, parts = members_of_parts(labels)
    pool = MemberPool.from_fitted(pairs if named else [member for _, member in pairs])
    np.testing.assert_array_equal(pool.classes, LABELS[labels])
    P = pool.outputs(X)
    for proba, (_, member), part in zip(P, pairs, parts, strict=True):
        np.testing.assert_array_equal(proba[:, sorted(part)], member.predict_proba(X))
        unknown = [k for k in range(3) if k not in part]
        assert (proba[:, unknown] == 0).all()


def test_a_member_whose_classes_are_not_sorted():
    class Reversed(GaussianNB):
        def fit(self, X, y):
            super().fit(X, y)
            self.order_, self.classes_ = self.classes_, self.classes_[::-1]
            return self

        def predict_proba(self, X):
            known, self.classes_ = self.classes_, self.order_
            proba = super().predict_proba(X)[:, ::-1]
            self.classes_ = known
            return proba

    y = LABELS["strings"][CODES]
    P = MemberPool.from_fitted([GaussianNB().fit(X, y), Reversed().fit(X, y)]).outputs(X)
    np.testing.assert_array_equal(P[0], P[1])


def test_a_list_aligned_to_more_classes_than_it_knows():
    pairs, _ = members_of_parts("strings")
    classes = np.array(["alder", "ash", "birch", "cedar", "elm"])
    P = MemberPool.from_fitted(pairs, classes).outputs(X)
    assert P.shape == (4, 150, 5)
    np.testing.assert_array_equal(P[:, :, 1:4], MemberPool.from_fitted(pairs).outputs(X))
    assert (P[:, :, [0, 4]] == 0).all()


def test_an_ensemble_aligned_to_more_classes_than_it_knows():
    ensemble = RandomForestClassifier(3, random_state=0).fit(X, CODES + 1)
    P = MemberPool.from_fitted(ensemble, np.arange(5)).outputs(X)
    np.testing.assert_allclose(P.mean(axis=0)[:, 1:4], ensemble.predict_proba(X), atol=1e-12)
    assert (P[:, :, [0, 4]] == 0).all()


def test_members_that_know_more_than_y_are_refused():
    pairs, _ = members_of_parts("strings")
    with pytest.raises(ValueError, match=r"classes that y does not have: \['cedar'\]"):
        MemberPool.from_fitted(pairs, np.array(["ash", "birch"]))


class Handmade(BaseEstimator):
    """An ensemble that hands its members the labels themselves, as ours do."""

    def __init__(self, members, classes):
        self.estimators_, self.classes_ = members, np.asarray(classes)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("as_objects", [False, True])
def test_an_ensemble_whose_members_know_its_labels(labels, as_objects):
    pairs, _ = members_of_parts(labels)
    members = [member for _, member in pairs]
    classes = LABELS[labels]
    if as_objects and classes.dtype.kind == "U":
        classes = classes.astype(object)
    pool = MemberPool.from_fitted(Handmade(members, classes))
    expected = MemberPool.from_fitted(pairs).outputs(X)
    np.testing.assert_array_equal(pool.outputs(X), expected)


def test_members_that_know_what_their_ensemble_does_not_are_refused():
    pairs, _ = members_of_parts("strings")
    with pytest.raises(ValueError, match=r"member 1 \(GaussianNB\) knows classes \['cedar'\]"):
        MemberPool.from_fitted(Handmade([m for _, m in pairs], ["ash", "birch", "oak"]))


def test_frozen_estimators_are_looked_through_at_every_depth():
    tree = DecisionTreeClassifier(max_depth=2).fit(X, CODES)
    forest = RandomForestClassifier(3, random_state=0).fit(X, CODES)
    assert unfreeze(FrozenEstimator(FrozenEstimator(tree))) is tree
    assert unfreeze(tree) is tree
    listed = MemberPool.from_fitted([("a", FrozenEstimator(FrozenEstimator(tree))), tree])
    assert listed.estimators == (tree, tree)
    whole = MemberPool.from_fitted(FrozenEstimator(FrozenEstimator(forest)))
    assert whole.estimators == tuple(forest.estimators_)
    voting = VotingClassifier([("a", FrozenEstimator(tree))], voting="soft").fit(X, CODES)
    assert MemberPool.from_fitted(voting).estimators == (tree,)


def test_subset_keeps_members_and_what_belongs_to_them():
    pool = MemberPool.from_fitted(ENSEMBLES["tiny bags"].fit(X, LABELS["strings"][CODES]))
    mask = np.array([True, False, True, True, False, False, False, True])
    kept = pool.subset(mask)
    assert len(kept) == 4
    np.testing.assert_array_equal(kept.outputs(X), pool.outputs(X)[mask])
    np.testing.assert_array_equal(kept.classes, pool.classes)


def test_single_precision_stays_single():
    class Single(GaussianNB):
        def predict_proba(self, X):
            return super().predict_proba(X).astype(np.float32)

    single = Single().fit(X, CODES)
    part = Single().fit(X[CODES > 0], CODES[CODES > 0])  # aligned, and still single
    double = GaussianNB().fit(X, CODES)
    assert MemberPool.from_fitted([single, part]).outputs(X).dtype == np.float32
    for members in ([single, double], [double, single], [single, part, double]):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of memory that nobody has written to yet
            P = MemberPool.from_fitted(members).outputs(X)
        assert P.dtype == np.float64
        for proba, member in zip(P, members, strict=True):
            np.testing.assert_array_equal(proba[:, member.classes_], member.predict_proba(X))


def test_other_dtypes_become_double():
    class Half(GaussianNB):
        def predict_proba(self, X):
            return super().predict_proba(X).astype(np.float16)

    assert MemberPool.from_fitted([Half().fit(X, CODES)]).outputs(X).dtype == np.float64


@pytest.mark.parametrize("name", ["forest", "tiny bags", "feature bags", "voting"])
def test_the_number_of_jobs_does_not_matter(name):
    pool = MemberPool.from_fitted(ENSEMBLES[name].fit(X, CODES))
    alone = pool.outputs(X)
    for n_jobs in (1, 2, -1):
        np.testing.assert_array_equal(pool.outputs(X, n_jobs=n_jobs), alone)


@pytest.mark.parametrize("fitted_on", ["names", "no names"])
@pytest.mark.parametrize("given", ["frame", "array", "list"])
@pytest.mark.parametrize("kind", ["list", *ENSEMBLES])
def test_tables_and_arrays_give_the_same_probabilities(kind, fitted_on, given):
    fit_X = FRAME if fitted_on == "names" else X
    if kind == "list":
        fitted = [GaussianNB().fit(fit_X, CODES), DecisionTreeClassifier().fit(X, CODES)]
    else:
        fitted = ENSEMBLES[kind].fit(fit_X, CODES)
    pool = MemberPool.from_fitted(fitted)
    expected = pool.outputs(FRAME)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if given != "frame" and fitted_on == "names":  # scikit-learn's own warning, rightly
            warnings.filterwarnings("ignore", "X does not have valid feature names")
        found = pool.outputs({"frame": FRAME, "array": X, "list": X.tolist()}[given])
    np.testing.assert_array_equal(found, expected)


def test_probabilities_come_one_member_at_a_time():
    asked = []

    class Noting(GaussianNB):
        def predict_proba(self, X):
            asked.append(self)
            return super().predict_proba(X)

    members = [Noting().fit(X, CODES) for _ in range(4)]
    stream = MemberPool.from_fitted(members).member_outputs(X)
    assert not asked
    assert next(stream).shape == (150, 3)
    assert len(asked) < 4
    assert len(list(stream)) == 3
    assert asked == members


@pytest.mark.parametrize(
    ("fitted", "match"),
    [
        (GradientBoostingClassifier(n_estimators=2), "stages of a sum"),
        (HistGradientBoostingClassifier(max_iter=2), "has none"),
        (make_pipeline(StandardScaler(), RandomForestClassifier(2)), "put the pruner last in it"),
        (DecisionTreeClassifier(), "must be an ensemble"),
        (OneVsRestClassifier(GaussianNB()), "question of their own"),
        (OneVsOneClassifier(GaussianNB()), "question of their own"),
        (OutputCodeClassifier(GaussianNB()), "question of their own"),
        (RandomForestRegressor(2), r"must have predict_proba; member 0 \(DecisionTreeRegressor\)"),
        (
            BaggingClassifier(SVC(), 2),
            r"must have predict_proba; member 0 \(SVC\) has not. Wrap it in CalibratedClassifierCV",
        ),
    ],
)
def test_what_has_no_members_that_vote_is_refused(fitted, match):
    with pytest.raises(TypeError, match=match):
        MemberPool.from_fitted(fitted.fit(X, CODES))


@pytest.mark.parametrize(
    "fitted",
    [
        RandomForestClassifier(2),
        MultiOutputClassifier(GaussianNB()),
        ClassifierChain(GaussianNB()),
        [DecisionTreeClassifier()],
    ],
)
def test_several_outputs_are_refused(fitted):
    Y = np.column_stack([CODES > 0, CODES > 1]).astype(int)
    fitted = [m.fit(X, Y) for m in fitted] if isinstance(fitted, list) else fitted.fit(X, Y)
    with pytest.raises(TypeError, match=r"one output|several outputs|one of the targets"):
        MemberPool.from_fitted(fitted)


@pytest.mark.parametrize(
    ("members", "error", "match"),
    [
        ([], ValueError, "at least one member"),
        ([GaussianNB()], TypeError, r"must be fitted .* member 0 \(GaussianNB\)"),
        (
            [GaussianNB().fit(X, CODES), ("svc", SVC().fit(X, CODES))],
            TypeError,
            r"must have predict_proba; member 1 \(SVC\)",
        ),
        ([GaussianNB().fit(X, CODES), "tree"], TypeError, r"member 1 \(str\)"),
    ],
)
def test_lists_of_what_cannot_vote_are_refused(members, error, match):
    with pytest.raises(error, match=match):
        MemberPool.from_fitted(members)


@pytest.mark.parametrize("shape", [(150, 2), (150,), (150, 3, 1)])
def test_probabilities_of_wrong_shape_are_refused_and_the_member_named(shape):
    class Odd(ClassifierMixin, BaseEstimator):
        classes_ = np.arange(3)

        def predict_proba(self, X):
            return np.full(shape, 1 / 3)

    pool = MemberPool.from_fitted([GaussianNB().fit(X, CODES), Odd()])
    with pytest.raises(ValueError, match=r"member 1 \(Odd\) must have shape \(n, 3\)"):
        pool.outputs(X)


@pytest.mark.parametrize(
    "ensemble",
    [
        AdaBoostClassifier(n_estimators=3, random_state=0),
        StackingClassifier([("nb", GaussianNB()), ("lr", LogisticRegression(max_iter=500))]),
        BaggingClassifier(KNeighborsClassifier(), 3, random_state=0),
    ],
)
def test_other_ensembles_of_classifiers_are_taken(ensemble):
    y = LABELS["strings"][CODES]
    P = MemberPool.from_fitted(ensemble.fit(X, y)).outputs(X)
    for proba in P:
        predicted = LABELS["strings"][proba.argmax(axis=1)]
        assert (predicted == y).mean() > 0.6  # aligned: chance is a third


def test_a_member_goes_to_another_process_without_the_others():
    """joblib's tasks are pickled one by one: each with the whole pool would be M squared."""
    pool = MemberPool.from_fitted(RandomForestClassifier(3, random_state=0).fit(X, CODES))
    sent = pickle.loads(pickle.dumps(_Prediction(pool, 2)))
    np.testing.assert_array_equal(sent(X, X), _Prediction(pool, 2)(X, X))
    assert [member is None for member in sent.pool.estimators] == [True, True, False]
    with parallel_config(backend="loky"):
        found = list(pool.member_outputs(X, n_jobs=2))
    np.testing.assert_array_equal(found, list(pool.member_outputs(X)))

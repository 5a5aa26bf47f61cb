"""Members of every kind of ensemble; their predictions aligned to one list of classes."""

import warnings
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skprune import SOCPEnsemblePruner, SOCPEnsemblePrunerRegressor
from skprune.inspection import pruning_report

from .by_hand import keeping_all, keeping_all_regressors, stacked
from .conftest import MEANS, OF_CLASSES, OF_TARGETS

X, CODES = load_iris(return_X_y=True)
FRAME = pd.DataFrame(X, columns=["length", "width", "petal length", "petal width"])

# Labels of the same three classes; some of them look like codes of others.
LABELS = [
    *([0, 1, 2], [1, 2, 3], [-1, 0, 1], [0, 2, 7], [1.0, 2.0, 4.0], [False, True, True]),
    *(
        ["ash", "birch", "cedar"],
        ["0", "1", "2"],
        np.array(["ash", "birch", "cedar"], dtype=object),
    ),
]
TREES = np.array(["ash", "birch", "cedar"])
ENSEMBLES = {name: OF_CLASSES[name] for name in MEANS} | {
    "tiny bags": BaggingClassifier(
        KNeighborsClassifier(1), 8, max_samples=4, max_features=0.5, random_state=0
    )
}


def votes_of(ensemble, **params):
    """A pruner that keeps all members of a fitted ensemble, or of a list."""
    if isinstance(ensemble, list):
        named = [m if isinstance(m, tuple) else (str(i), m) for i, m in enumerate(ensemble)]
        classes = np.unique(np.concatenate([m.classes_ for _, m in named]))
        return keeping_all(named, len(named), classes, **params)
    return keeping_all(ensemble, len(ensemble.estimators_), ensemble.classes_, **params)


@pytest.mark.parametrize("labels", LABELS, ids=str)
@pytest.mark.parametrize("name", ENSEMBLES)
def test_the_mean_of_the_members_is_what_the_ensemble_predicts(name, labels):
    ensemble = clone(ENSEMBLES[name]).fit(X, np.array(labels)[CODES])
    if name == "tiny bags" and len(ensemble.classes_) == 3:  # or less would be tested
        assert min(len(member.classes_) for member in ensemble.estimators_) < 3
    pruner = votes_of(ensemble)
    np.testing.assert_array_equal(pruner.classes_, ensemble.classes_)
    np.testing.assert_allclose(pruner.predict_proba(X), ensemble.predict_proba(X), atol=1e-12)
    for n_jobs in (2, -1):
        pruner.set_params(n_jobs=n_jobs)
        np.testing.assert_allclose(pruner.predict_proba(X), ensemble.predict_proba(X), atol=1e-12)


def test_bags_that_all_miss_the_first_of_labels_that_look_like_codes():
    """Labels 1, 2, 3, members that know 1 and 2: these are the codes of 2 and 3."""
    ensemble = BaggingClassifier(KNeighborsClassifier(1), 3, max_samples=3)
    for seed in range(500):
        ensemble.set_params(random_state=seed).fit(X, CODES + 1)
        known = set(np.concatenate([member.classes_ for member in ensemble.estimators_]))
        if known == {1, 2}:
            break
    else:
        pytest.fail("no seed leaves the first class out")
    found = votes_of(ensemble).predict_proba(X)
    np.testing.assert_allclose(found, ensemble.predict_proba(X), atol=1e-12)


PARTS = [(0, 1), (1, 2), (0, 1, 2), (2, 0)]


def members_of_parts(labels):
    """Members that have each seen two of three classes, or all."""
    y = np.array(labels)[CODES]
    rows = [np.isin(CODES, part) for part in PARTS]
    return [GaussianNB().fit(X[some], y[some]) for some in rows]


class Handmade(ClassifierMixin, BaseEstimator):
    """An ensemble whose members know the labels themselves, not codes."""

    def __init__(self, members, classes):
        self.estimators_, self.classes_ = members, classes

    def fit(self, X, y):
        raise AssertionError("it is fitted")


@pytest.mark.parametrize("labels", [each for each in LABELS if len(set(each)) == 3], ids=str)
def test_members_that_know_different_classes(labels):
    members, classes = members_of_parts(labels), np.array(labels)
    found = stacked(votes_of(members).member_predict_proba(X))
    for proba, member, part in zip(found, members, PARTS, strict=True):
        np.testing.assert_array_equal(proba[:, sorted(part)], member.predict_proba(X))
        assert (np.delete(proba, part, axis=1) == 0).all()
    for same in (classes, classes.astype(object)) if classes.dtype.kind == "U" else (classes,):
        ensemble = votes_of(Handmade(members, same))
        np.testing.assert_array_equal(ensemble.member_predict_proba(X), found)


def test_a_member_whose_classes_are_not_sorted():
    class Reversed(ClassifierMixin, BaseEstimator):
        def __init__(self, member):
            self.member_, self.classes_ = member, member.classes_[::-1]

        def fit(self, X, y):
            raise AssertionError("it is fitted")

        def predict_proba(self, X):
            return self.member_.predict_proba(X)[:, ::-1]

    member = GaussianNB().fit(X, TREES[CODES])
    members = [member, FrozenEstimator(Reversed(member))]
    P = votes_of(members).member_predict_proba(X)
    np.testing.assert_array_equal(P["0"], P["1"])


@pytest.mark.parametrize("as_list", [True, False])
def test_a_training_set_may_lack_classes(as_list):
    """Trained on birches only, a member calls all trees birch; trained without, none."""
    y = np.array(["alder", "birch", "elm"])[CODES]
    rows = np.arange(150)
    fold = rows[y == "birch"][:30], np.setdiff1d(rows, rows[y == "birch"][:30])
    other = rows[y != "birch"], rows[y == "birch"][:30]
    forest = RandomForestClassifier(3, random_state=0)
    members = [("a", GaussianNB()), ("b", DecisionTreeClassifier(max_depth=2))]
    pruner = SOCPEnsemblePruner(members if as_list else forest, cv=[fold, other], random_state=0)
    assert pruner.fit(X, y).classes_.tolist() == ["alder", "birch", "elm"]
    # Of the first fold's rows 20 are birches, of the second fold's all.
    np.testing.assert_allclose(pruner.explain().score, 20 / 150)


def test_members_that_know_more_than_they_should_are_refused():
    members, y = members_of_parts(TREES), TREES[CODES]
    match = r"member 1 \(GaussianNB\) knows classes \['cedar'\]"
    with pytest.raises(ValueError, match=match):
        votes_of(Handmade(members, np.array(["ash", "birch", "oak"])))
    pruner = SOCPEnsemblePruner([("a", members[0]), ("b", members[0])], cv="prefit")
    pruner.fit(X[:100], y[:100])
    with pytest.raises(ValueError, match=r"classes that y does not have: \['cedar'\]"):
        pruning_report(pruner, X[:100], y[:100], ensemble=members[:2])


def test_frozen_estimators_are_unwrapped_at_every_depth():
    tree = DecisionTreeClassifier(max_depth=2).fit(X, CODES)
    forest = RandomForestClassifier(3, random_state=0).fit(X, CODES)
    voting = VotingClassifier([("a", FrozenEstimator(tree))], voting="soft").fit(X, CODES)
    listed = [("a", FrozenEstimator(FrozenEstimator(tree))), ("b", tree)]
    for given, members in (
        (listed, [tree, tree]),
        (FrozenEstimator(FrozenEstimator(forest)), forest.estimators_),
        (voting, [tree]),
    ):
        found = keeping_all(given, len(members), np.arange(3)).estimators_
        assert all(one is other for one, other in zip(found, members, strict=True))


def typed(base, method, dtype):
    """A member whose predictions have a dtype of their own."""

    class Typed(base):
        pass

    def predict(self, X):
        return getattr(super(Typed, self), method)(X).astype(dtype)

    setattr(Typed, method, predict)
    return Typed()


def test_single_precision_stays_single_and_other_dtypes_become_double():
    single = typed(GaussianNB, "predict_proba", np.float32).fit(X, CODES)
    part = typed(GaussianNB, "predict_proba", np.float32).fit(X[CODES > 0], CODES[CODES > 0])
    half = typed(GaussianNB, "predict_proba", np.float16).fit(X, CODES)
    double = DecisionTreeClassifier(max_depth=2).fit(X, CODES)
    for members, dtype in (([single, part], np.float32), ([half], np.float64)):
        for P in votes_of(members).member_predict_proba(X).values():
            assert P.dtype == dtype
    for members in ([single, double], [double, single], [single, part, double]):
        named = [(str(i), member) for i, member in enumerate(members)]
        P = np.zeros((len(members), 150, 3))
        for proba, member in zip(P, members, strict=True):
            proba[:, member.classes_] = member.predict_proba(X)
        pruner = SOCPEnsemblePruner(named, cv="prefit", lam=0.0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of memory that was not written yet
            found = pruner.fit(X, CODES).weights_
        np.testing.assert_array_equal(found, pruner.fit_predictions(P, CODES).weights_)


@pytest.mark.parametrize("fitted_on", ["names", "no names"])
@pytest.mark.parametrize("given", ["frame", "array", "list"])
@pytest.mark.parametrize("kind", ["list", "forest", "tiny bags", "voting", "regressors"])
def test_tables_and_arrays_give_the_same_predictions(kind, fitted_on, given):
    fit_X = FRAME if fitted_on == "names" else X
    if kind == "list":
        fitted = [GaussianNB().fit(fit_X, CODES), DecisionTreeClassifier().fit(X, CODES)]
    elif kind == "regressors":
        fitted = clone(OF_TARGETS["bag of columns"]).fit(fit_X, CODES)
    else:
        fitted = clone(ENSEMBLES[kind]).fit(fit_X, CODES)
    ask = keeping_all_regressors(fitted, 12) if kind == "regressors" else votes_of(fitted)
    expected = ask.predict(FRAME)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if given != "frame" and fitted_on == "names":  # scikit-learn's own warning, rightly
            warnings.filterwarnings("ignore", "X does not have valid feature names")
        found = ask.predict({"frame": FRAME, "array": X, "list": X.tolist()}[given])
    np.testing.assert_array_equal(found, expected)


class Logged(DecisionTreeClassifier):
    """A tree that writes a line to a file when it is unpickled."""

    def __init__(self, log=None, max_depth=None, random_state=None):
        super().__init__(max_depth=max_depth, random_state=random_state)
        self.log = log

    def __setstate__(self, state):
        super().__setstate__(state)
        with open(self.log, "a") as file:
            file.write(f"{self.max_depth}\n")


def test_a_member_goes_to_another_process_without_the_others(tmp_path):
    """joblib pickles one task a member: with all members in each, it would be M squared."""
    log = tmp_path / "log"
    members = [(f"m{d}", Logged(str(log), d, 0).fit(X, CODES)) for d in range(1, 6)]
    plain = SOCPEnsemblePruner(members, cv="prefit").fit(X, CODES)
    assert not log.exists()
    with parallel_config(backend="loky", n_jobs=2):
        found = SOCPEnsemblePruner(members, cv="prefit").fit(X, CODES)
    np.testing.assert_array_equal(found.weights_, plain.weights_)
    assert Counter(map(int, log.read_text().split())) == Counter(range(1, 6))


def odd(mixin, shape):
    """Predictions of a shape of its own."""

    class Odd(mixin, BaseEstimator):
        classes_ = np.arange(3)

        def fit(self, X, y):
            return self

        def __sklearn_is_fitted__(self):
            return True

        def predict(self, X):
            return np.full(shape, 1 / 3)

        predict_proba = predict

    return FrozenEstimator(Odd())


D, y = (part[:150] for part in load_diabetes(return_X_y=True))
Y = np.column_stack([y, np.sqrt(y), D[:, 0]])


class TestRegressors:
    @pytest.mark.parametrize("T", [1, 3])
    @pytest.mark.parametrize("name", MEANS)
    def test_the_mean_of_the_members_is_what_the_ensemble_predicts(self, name, T):
        if name == "voting" and T > 1:
            pytest.skip("VotingRegressor takes one target")
        ensemble = clone(OF_TARGETS[name]).fit(D, y if T == 1 else Y)
        pruner = keeping_all_regressors(ensemble, len(ensemble.estimators_), T)
        for n_jobs in (None, 2):
            found = pruner.set_params(n_jobs=n_jobs).predict(D)
            np.testing.assert_allclose(found, ensemble.predict(D))

    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, int])
    def test_single_precision_stays_single_and_all_else_is_double(self, dtype):
        own, double = typed(Ridge, "predict", dtype).fit(D, y), Ridge(5).fit(D, y)
        P = stacked(keeping_all_regressors([("a", own)], 1).member_predict(D))
        assert P.dtype == (np.float32 if dtype is np.float32 else np.float64)
        np.testing.assert_array_equal(P[0, :, 0], own.predict(D))
        pruner = SOCPEnsemblePrunerRegressor([("a", own), ("b", double)], cv="prefit")
        expected = np.array([own.predict(D), double.predict(D)], dtype=float)
        found = pruner.fit(D, y).weights_
        np.testing.assert_array_equal(found, pruner.fit_predictions(expected, y).weights_)

    def test_a_column_of_predictions_is_as_good_as_a_row(self):
        class Column(LinearRegression):
            def predict(self, X):
                return super().predict(X)[:, None]

        members = [("a", LinearRegression().fit(D, y)), ("b", Column().fit(D, y))]
        P = stacked(keeping_all_regressors(members, 2).member_predict(D))
        np.testing.assert_array_equal(P[0], P[1])


@pytest.mark.parametrize(
    "ensemble",
    [
        AdaBoostClassifier(n_estimators=3, random_state=0),
        StackingClassifier([("nb", GaussianNB()), ("lr", LogisticRegression(max_iter=500))]),
        BaggingClassifier(KNeighborsClassifier(), 3, random_state=0),
        AdaBoostRegressor(n_estimators=3, random_state=0),
        StackingRegressor([("ridge", Ridge()), ("tree", DecisionTreeRegressor(max_depth=2))]),
        [Ridge(), make_pipeline(StandardScaler(), LinearRegression())],
    ],
    ids=lambda each: type(each).__name__,
)
def test_other_ensembles_are_taken(ensemble):
    if isinstance(ensemble, ClassifierMixin):
        P = stacked(votes_of(ensemble.fit(X, TREES[CODES])).member_predict_proba(X))
        assert ((P.argmax(axis=2) == CODES).mean(axis=1) > 0.6).all()  # aligned: chance is a third
        return
    if isinstance(ensemble, list):
        members = [member.fit(D, y) for member in ensemble]
        ensemble = [(str(i), FrozenEstimator(m)) for i, m in enumerate(members)]
    else:
        members = ensemble.fit(D, y).estimators_
    P = stacked(keeping_all_regressors(ensemble, len(members)).member_predict(D))
    np.testing.assert_array_equal(P[:, :, 0], [member.predict(D) for member in members])


ONE_OUTPUT = "one output|several outputs|one of the targets"
FOREST, SUM, HAS_NONE = (
    RandomForestClassifier(2),
    "stages of a sum",
    "must be an ensemble.*has none",
)
A_PART, LAST = "solves a part of the problem", "put the pruner last"
TWO = np.column_stack([CODES > 0, CODES > 1]).astype(int)


class TestRefused:
    """What is fitted, and has no members that vote, or that are summed."""

    @pytest.mark.parametrize(
        ("fitted", "target", "match"),
        [
            (GradientBoostingClassifier(n_estimators=2), CODES, SUM),
            (HistGradientBoostingClassifier(max_iter=2), CODES, HAS_NONE),
            (make_pipeline(StandardScaler(), FOREST), CODES, LAST),
            (DecisionTreeClassifier(), CODES, HAS_NONE),
            (OneVsRestClassifier(GaussianNB()), CODES, A_PART),
            (OneVsOneClassifier(GaussianNB()), CODES, A_PART),
            (OutputCodeClassifier(GaussianNB()), CODES, A_PART),
            (RandomForestRegressor(2), CODES, r"predict_proba; member 0 \(DecisionTreeRegressor\)"),
            (BaggingClassifier(SVC(), 2), CODES, r"member 0 \(SVC\) .*CalibratedClassifierCV"),
            ([GaussianNB(), SVC()], CODES, r"must have predict_proba; member '1' \(SVC\)"),
            *((each, TWO, ONE_OUTPUT) for each in (FOREST, [DecisionTreeClassifier()])),
            (MultiOutputClassifier(GaussianNB()), TWO, ONE_OUTPUT),
            (ClassifierChain(GaussianNB()), TWO, ONE_OUTPUT),
            (Handmade([GaussianNB().fit(X, CODES)], [[0, 1, 2], [0, 1]]), None, ONE_OUTPUT),
        ],
        ids=lambda each: type(each).__name__,
    )
    def test_classifiers(self, fitted, target, match):
        if isinstance(fitted, list):
            fitted = [(str(i), member.fit(X, target)) for i, member in enumerate(fitted)]
        elif target is not None:
            fitted.fit(X, target)
        with pytest.raises(TypeError, match=match):
            SOCPEnsemblePruner(fitted, cv="prefit").fit(X, CODES)

    @pytest.mark.parametrize(
        ("fitted", "match"),
        [
            (GradientBoostingRegressor(n_estimators=2), SUM),
            (HistGradientBoostingRegressor(max_iter=2), HAS_NONE),
            (Ridge(), HAS_NONE),
            (make_pipeline(StandardScaler(), RandomForestRegressor(2)), LAST),
            (MultiOutputRegressor(Ridge()), A_PART),
            (RegressorChain(Ridge()), A_PART),
            (FOREST, r"member 0 \(DecisionTreeClassifier\) is a classifier"),
            ([Ridge(), LogisticRegression()], r"regressors; member '1' \(LogisticRegression\)"),
            ([Ridge(), StandardScaler()], r"member '1' \(StandardScaler\) has none"),
        ],
        ids=lambda each: type(each).__name__,
    )
    def test_regressors(self, fitted, match):
        target = Y if match == A_PART else (y > 100).astype(int)
        if isinstance(fitted, list):
            fitted = [(str(i), member.fit(D, target)) for i, member in enumerate(fitted)]
        else:
            fitted.fit(D, target)
        with pytest.raises(TypeError, match=match):
            SOCPEnsemblePrunerRegressor(fitted, cv="prefit").fit(D, target)

    @pytest.mark.parametrize("shape", [(150, 2), (150,), (150, 3, 1)])
    def test_probabilities_of_wrong_shape(self, shape):
        members = [("a", GaussianNB().fit(X, CODES)), ("b", odd(ClassifierMixin, shape))]
        with pytest.raises(ValueError, match=r"member 'b' \(Odd\) must have shape \(n, 3\)"):
            SOCPEnsemblePruner(members, cv="prefit").fit(X, CODES)

    @pytest.mark.parametrize("target", [y, Y[:, :2]], ids=["one", "two"])
    @pytest.mark.parametrize("shape", [(150, 4), (150, 3, 1)])
    def test_predictions_of_wrong_shape(self, shape, target):
        for second in (odd(RegressorMixin, shape), FrozenEstimator(Ridge().fit(D, Y))):
            members = [("a", Ridge().fit(D, target)), ("b", second)]
            match = rf"member 'b' \(\w+\) must have shape \(n, {target.ndim}\)"
            with pytest.raises(ValueError, match=match):
                SOCPEnsemblePrunerRegressor(members, cv="prefit").fit(D, target)


def test_members_may_be_replaced_by_what_only_predicts(data):
    """Such as a compiled model: the classes are those of the fit."""

    class Compiled:
        def __init__(self, member):
            self.predict_proba = member.predict_proba

    pruner = SOCPEnsemblePruner(RandomForestClassifier(5, random_state=0), random_state=0)
    X, y = data
    before = pruner.fit(X, y).predict_proba(X)
    pruner.estimators_ = [Compiled(member) for member in pruner.estimators_]
    np.testing.assert_array_equal(pruner.predict_proba(X), before)

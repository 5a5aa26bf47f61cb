"""Wrong parameters and data are refused by name and, wherever possible, before training."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.feature_selection import RFE
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier, SGDClassifier
from sklearn.model_selection import GridSearchCV, KFold, RepeatedKFold
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.validation import check_is_fitted

from skprune import (
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
    SOCPEnsemblePrunerRegressorCV,
)

from .by_hand import as_rows, pool, told
from .conftest import CountingBag, Untrainable, UntrainableRegressor

CLASSIFIERS = [SOCPEnsemblePruner, SOCPEnsemblePrunerCV]
REGRESSORS = [SOCPEnsemblePrunerRegressor, SOCPEnsemblePrunerRegressorCV]
SINGLE, SEARCHES = [CLASSIFIERS[0], REGRESSORS[0]], [CLASSIFIERS[1], REGRESSORS[1]]
for_all = pytest.mark.parametrize("cls", CLASSIFIERS + REGRESSORS)
for_classifiers = pytest.mark.parametrize("cls", CLASSIFIERS)
for_single = pytest.mark.parametrize("cls", SINGLE)
for_searches = pytest.mark.parametrize("cls", SEARCHES)
HUGE = 10**400


def refused(cls, data, error, message, **params):
    """Two members that must not be trained, unless there are others in ``params``."""
    member = UntrainableRegressor() if cls in REGRESSORS else Untrainable()
    params = {"estimator": [("a", member), ("b", member)]} | params
    with pytest.raises(error, match=message):
        cls(**params).fit(*data)


# Values that scikit-learn's validation refuses; tests/utils/test_validation.py has more of them.
NOT_NUMBERS = (True, "1", None, [1], np.nan, HUGE)
WRONG = {
    "max_members": (0, -3, 2.0, True, "all"),
    "max_cost": (0, -1, np.inf, True, "all", HUGE),
    "penalty": ("l2", 0, np.array(["l1"])),
    "costs": ("bytes", 3.0),
    "prediction_dtype": ("float64", "half", np.float16, 16),
    "n_jobs": (0, 1.5, 2.0, np.nan, 10**30, True, np.bool_(True), "2", ..., int, [2], np.array(2)),
    "random_state": ("foo", -1, 1.5, True, [], np.array([1]), 2**32, np.random.default_rng(0)),
    "verbose": (-1, "yes", 0.5),
    "cv": (0.0, 1.0, 1, True, KFold, ..., np.array(0.5), np.array("prefit"), "folds"),
}
WRONG_SINGLE = {
    "alpha": (1.5, -1, *NOT_NUMBERS),
    "lam": (1.0, -0.1, 10**30, np.inf, *NOT_NUMBERS),
    "threshold": ("auto", 1.5, *NOT_NUMBERS),
    "reweight": ("half", -0.1, 1.1, np.array("equal"), *NOT_NUMBERS),
    "solver": ("gurobi", None, np.array("auto")),
}
WRONG_CLASSIFIER = {
    "diversity": ("entropy", None, 1, np.array(["gini"])),
    "voting": ("loud", np.array(["soft"]), {}, None),
    "calibrate": ("isotonic", True, 1.0, np.array(["temperature"])),
    "fit_intercept": (None, "yes", 2),
}
# Of pruners that do not search.
NONE_IS_RIGHT = {
    SOCPEnsemblePruner: ("alpha", "reweight"),
    SOCPEnsemblePrunerRegressor: ("alpha",),
}
WRONG_SEARCH = {
    "alphas": ([], 0.5, np.array(0.5), iter([0.5]), "0.5", [0.5, 1.5], ["0.5"]),
    "lams": ((), None, [0.1, 1.0], [-0.1], [10**30]),
    "thresholds": (0.1, [1.5], ["auto"], [HUGE]),
    "reweights": ("relaxed", ["half"], [2]),
    "selection": ("worst", None, np.array(["best"])),
    "inner_cv": (2, 5.0, "five", KFold, [1, 2]),
    "n_resamples": (-1, 1.5),
    "scoring": (3, ["accuracy"]),
}


@for_all
def test_parameters_of_the_wrong_kind(cls, data):
    wrong = WRONG | (WRONG_SEARCH if cls in SEARCHES else WRONG_SINGLE)
    for name, values in (wrong | (WRONG_CLASSIFIER if cls in CLASSIFIERS else {})).items():
        for value in values:
            if value is None and name in NONE_IS_RIGHT.get(cls, ()):
                continue
            message = rf"(?s)The '{name}' parameter of {cls.__name__} must be .* Got .* instead"
            refused(cls, data, (TypeError, ValueError), message, **{name: value})


def test_messages_say_what_is_right(data):
    for cls, name, value, message in [
        (SOCPEnsemblePruner, "alpha", 2, r"\[0.0, 1.0\] \(1: accuracy alone, 0: diversity alone\)"),
        (SOCPEnsemblePruner, "lam", 1, "any lam below 1 keeps at least one member"),
        (SOCPEnsemblePruner, "cv", 1.5, "'prefit'.*a share of the rows.*a number of folds"),
        (SOCPEnsemblePruner, "costs", "euros", "None, a str among .*'latency'.* an array-like"),
        (SOCPEnsemblePruner, "solver", "gurobi", "a str among .*'auto'"),
        (SOCPEnsemblePrunerCV, "reweights", ["half"], "a non-empty sequence of a str among"),
    ]:
        refused(cls, data, ValueError, message, **{name: value})


@for_all
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"costs": [1.0, -1.0]}, "finite and positive: member 1 costs -1"),
        ({"costs": [0.0, 1.0]}, "finite and positive: member 0 costs 0"),
        ({"costs": [np.nan, 1.0]}, "finite and positive: member 0 costs nan"),
        ({"costs": [1.0, 2.0, 3.0]}, r"shape \(2,\), one cost a member; got \(3,\)"),
        ({"costs": [[1.0, 2.0]]}, r"shape \(2,\)"),
        ({"costs": ["a", "b"]}, "costs must be 2 numbers"),
        ({"max_cost": 3.0}, "max_cost=3.0 needs costs"),
        ({"max_cost": 1.5, "costs": [2, 3]}, "=1.5 is less than the cheapest member costs, 2"),
        ({"memory": ""}, "memory must be None, the path of a folder .* got ''"),
        ({"estimator": [("a", Untrainable()), ("a", Untrainable())]}, "must differ"),
        *(
            ({"estimator": [("tree", Untrainable()), (name, Untrainable())]}, "cannot be names")
            for name in ("splitter", "method_mapping")
        ),
    ],
)
def test_parameters_that_do_not_fit_together(change, message, cls, data):
    refused(cls, data, ValueError, message, **change)


@for_classifiers
def test_the_first_order_needs_accuracy(cls, data):
    alpha = {"alphas": [0.5, 0.0]} if cls in SEARCHES else {"alpha": 0}
    refused(cls, data, ValueError, "needs alpha > 0", diversity="first-order", **alpha)


@for_classifiers
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"diversity": "gini"}, "voting='log' takes .*'shannon' only. Give voting='soft'"),
        ({"voting": "log", "diversity": "exact"}, "voting='log' takes diversity='shannon' only"),
        ({"calibrate": "temperature"}, "got voting='log'. Give voting='soft', or calibrate=None"),
        ({"voting": "hard", "calibrate": "temperature"}, "for voting='soft'.*or calibrate=None"),
    ],
)
def test_parameters_of_another_kind_of_vote(change, message, cls, data):
    refused(cls, data, ValueError, message, **change)


@for_searches
def test_scorers_that_do_not_exist(cls, data):
    refused(cls, data, ValueError, "'loudness'", scoring="loudness")


def test_n_jobs_that_are_set_after_the_fit(data):
    forest = RandomForestClassifier(3, max_depth=2, random_state=0)
    pruner = SOCPEnsemblePruner(forest, random_state=0).fit(*data).set_params(n_jobs=0)
    with pytest.raises(ValueError, match=r"'n_jobs' .*jobs at a time"):
        pruner.predict(data[0])


@for_classifiers
def test_parameters_are_validated_for_fitted_members_too(cls):
    P, y = pool(3)
    with pytest.raises(ValueError, match="'random_state' parameter"):
        cls(told(P), random_state="foo").fit(as_rows(P), y)


def halves(train, test):
    """One fold of 400 rows, and one that is right."""
    return [(np.arange(200), np.arange(200, 400)), (train, test)]


@for_all
@pytest.mark.parametrize(
    ("cv", "message"),
    [
        ([], r"cv must give at least one pair \(train, test\); \[\] gives none"),
        *((cv, "cv must give at least one pair") for cv in (iter([]), {})),
        ([2], r"cv as an iterable must give pairs \(train, test\) .*; fold 0 is 2"),
        (np.array([1, 2]), "cv as an iterable must give pairs"),
        ([[[0, 1]]], r"must give pairs .*; fold 0 is \[\[0, 1\]\]"),
        ([([0, 1], [999])], r"cv must give positions in 0 .. 399, .*; test of fold 0 holds 999"),
        ([([-401], [1])], "cv must give positions in 0 .. 399, .*; train of fold 0 holds -401"),
        (halves([0, 1], []), "cv must give .* at least one; test of fold 1 is empty"),
        (halves([0, 1], np.zeros(400, bool)), "cv must give .*; test of fold 1 is empty"),
        (halves([], [0, 1]), "cv must give .*; train of fold 1 is empty"),
        (halves([0, 1], np.ones(399, bool)), "cv must give .* mask of 400 rows.*; test of fold 1"),
        (halves([0.0, 1.0], [2]), r"cv must give .*; train of fold 1 is \[0.0, 1.0\]"),
        (halves("a", "b"), "cv must give .*; train of fold 1 is 'a'"),
        (halves([[0, 1]], [2]), r"cv must give .*; train of fold 1 is \[\[0, 1\]\]"),
        ([(np.arange(400), np.arange(100))], "trains and calibrates on the same 100 of 400"),
        (RepeatedKFold(n_splits=2, n_repeats=2), "tests some rows in several folds"),
        (1000, "cv=1000 cannot split these rows"),
        (KFold(500), r"cv=KFold\(.*cannot split these rows"),
    ],
)
def test_cv(cv, message, cls, data):
    refused(cls, data, ValueError, message, cv=cv)


def test_masks_are_folds_too(data):
    rows = np.arange(400) % 2 == 0
    both = [
        SOCPEnsemblePruner([("a", DecisionTreeClassifier(random_state=0))], cv=cv).fit(*data)
        for cv in ([(rows, ~rows)], [(np.flatnonzero(rows), np.flatnonzero(~rows))])
    ]
    assert both[0].frontier_.member_score == both[1].frontier_.member_score


@for_classifiers
@pytest.mark.parametrize("kind", [np.asarray, np.ndarray.tolist])
def test_multilabel_targets(kind, cls, data):
    X, y = data
    refused(cls, (X, kind(np.eye(3, dtype=int)[y])), ValueError, "[Mm]ultilabel")
    refused(cls, (X, [[c] * (1 + c) for c in y.tolist()]), ValueError, "[Mm]ultilabel")


@for_classifiers
@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((10, 2)), np.zeros(10), "one class only"),
        (np.zeros((10, 2)), np.arange(9) % 2, "inconsistent numbers of samples"),
        (np.zeros((10, 2)), np.linspace(0, 1, 10), "Unknown label type"),
        (np.zeros((0, 2)), np.zeros(0), "0 sample"),
        (np.zeros((4, 2)), None, "requires y to be passed"),
    ],
)
def test_wrong_data(X, y, message, cls):
    refused(cls, (X, y), ValueError, message)


@pytest.mark.parametrize("cls", REGRESSORS)
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed"),
        (np.full(40, "a"), "could not convert|dtype|numeric"),
        (np.full(40, np.nan), "NaN"),
        (np.zeros((40, 2, 2)), "dim"),
        (np.zeros(39), "inconsistent numbers of samples"),
    ],
)
def test_wrong_targets(y, message, cls):
    refused(cls, (np.zeros((40, 2)), y), ValueError, message)


@for_all
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.full(400, -1.0), "[Nn]egative"),
        (np.full(400, np.nan), "NaN"),
        (np.zeros(400), "zero"),
        (np.ones(399), r"\(399,\)|inconsistent"),
        (np.ones((400, 2)), "1D|shape"),
    ],
)
def test_sample_weights(weight, message, cls, data):
    refused(cls, (*data, weight), ValueError, message)


class TestCostsOfKnownNumber:
    """Where the ensemble says how many members it will have, costs are counted before."""

    @pytest.mark.parametrize(
        "ensemble",
        [
            BaggingClassifier(Untrainable(), 5),
            BaggingClassifier(Untrainable(), np.int64(5)),
            VotingClassifier([*((c, Untrainable()) for c in "abcde"), ("f", "drop")]),
        ],
    )
    def test_of_an_ensemble(self, ensemble, data):
        message = r"shape \(5,\), one cost a member; got \(4,\)"
        params = {"estimator": ensemble, "costs": np.ones(4)}
        refused(SOCPEnsemblePruner, data, ValueError, message, **params)

    def test_of_boosting_that_stopped_early(self, data):
        """It has fewer members than n_estimators says, and so many costs are right."""
        X, y = data
        boosting = AdaBoostClassifier(DecisionTreeClassifier(), n_estimators=9)
        assert SOCPEnsemblePruner(boosting, costs=[2.0]).fit(X, y).n_members_ == 1
        boosting.fit(X, y)
        for given in (FrozenEstimator(boosting), boosting):
            pruner = SOCPEnsemblePruner(given, cv="prefit", costs=[2.0])
            assert pruner.fit(X, y).n_members_ == 1
        with pytest.raises(ValueError, match=r"shape \(1,\), one cost a member; got \(9,\)"):
            SOCPEnsemblePruner(boosting, cv="prefit", costs=np.ones(9)).fit(X, y)

    def test_the_right_number_is_taken(self, data):
        voting = VotingClassifier([("a", GaussianNB()), ("b", "drop")], voting="soft")
        for ensemble, M in ((RandomForestClassifier(5, random_state=0), 5), (voting, 1)):
            pruner = SOCPEnsemblePruner(ensemble, costs=np.ones(M), random_state=0).fit(*data)
            assert pruner.n_members_in_ == M


class Uncountable(KNeighborsClassifier):
    """scikit-learn does not define it, so it is counted once it is fitted."""


class TestMembersWithoutCosts:
    @for_classifiers
    @pytest.mark.parametrize(
        "member",
        [
            *(KNeighborsClassifier(), GaussianNB(), GaussianProcessClassifier()),
            *(SVC(probability=True), CalibratedClassifierCV(Untrainable())),
            HistGradientBoostingClassifier(),
            make_pipeline(StandardScaler(), KNeighborsClassifier()),
        ],
        ids=repr,
    )
    def test_are_refused_before_any_is_trained(self, member, cls, data):
        message = f": {type(member).__name__} has no parameters"
        for last, ensemble in (
            ("last", [("first", Untrainable()), ("last", member)]),
            ("0", BaggingClassifier(member, 3)),
            ("0", VotingClassifier([("b", member), ("c", Untrainable())])),
        ):
            match = f"costs='parameters', but member '{last}'{message}"
            refused(cls, data, TypeError, match, estimator=ensemble, costs="parameters")

    def test_others_are_counted(self, data):
        X, y = data
        members = [
            ("linear", SVR(kernel="linear", max_iter=10)),
            ("pipe", make_pipeline(StandardScaler(), Ridge())),
            ("bag", BaggingRegressor(DecisionTreeRegressor(max_depth=2), 2)),
        ]
        pruner = SOCPEnsemblePrunerRegressor(members, costs="parameters", random_state=0)
        with pytest.warns(ConvergenceWarning):
            assert pruner.fit(X[:, :3], y).explain().cost[:2].tolist() == [4, 4]
        params = {"estimator": [("a", SVR()), ("b", UntrainableRegressor())], "costs": "parameters"}
        message = "member 'a': SVR has no parameters"
        refused(SOCPEnsemblePrunerRegressor, data, TypeError, message, **params)

    def test_the_member_is_named(self, data):
        members = [("tree", DecisionTreeClassifier(max_depth=2)), ("knn", Uncountable())]
        for name, given in (("knn", members), ("0", BaggingClassifier(Uncountable(), 3))):
            with pytest.raises(TypeError, match=f"member '{name}': Uncountable has no parameters"):
                SOCPEnsemblePruner(given, costs="parameters", random_state=0).fit(*data)

    def test_a_budget_below_what_was_counted(self, data):
        forest = RandomForestClassifier(3, random_state=0)
        with pytest.raises(ValueError, match="max_cost=5 is less than the cheapest member costs"):
            SOCPEnsemblePruner(forest, costs="parameters", max_cost=5).fit(*data)


class TestTooFewRows:
    def test_of_a_class_before_training(self, data, tmp_path):
        X, y = data
        y = np.array(["ant", "bee", "cat"])[y]
        few = np.r_[np.flatnonzero(y != "cat"), np.flatnonzero(y == "cat")[:8]]
        bag = CountingBag(log=tmp_path / "log")
        match = r"Class 'cat' has 2 calibration sample\(s\), fewer than inner_cv=5"
        with pytest.raises(ValueError, match=match):
            SOCPEnsemblePrunerCV(bag, cv=0.25, random_state=0).fit(X[few], y[few])
        assert not (tmp_path / "log").exists()
        pruner = SOCPEnsemblePrunerCV(bag, cv=2, random_state=0, alphas=[0.9], lams=[0.1])
        assert pruner.fit(X[few], y[few]).n_members_ >= 1  # all eight are calibrated on

    def test_that_have_a_weight(self, data):
        X, y = data
        weight = np.ones(400)
        weight[np.flatnonzero(y == 2)[2:]] = 0
        match = r"Class 2 has \d calibration sample\(s\), fewer than inner_cv=5"
        refused(SOCPEnsemblePrunerCV, (X, y, weight), ValueError, match, cv=3, random_state=0)
        forest = FrozenEstimator(RandomForestClassifier(3, random_state=0).fit(X, y))
        refused(SOCPEnsemblePrunerCV, (X, y, weight), ValueError, match, estimator=forest)
        match = r"all of one class, \[1\]"
        refused(SOCPEnsemblePrunerCV, (X, y, (y == 1).astype(float)), ValueError, match, cv=2)

    def test_for_regression(self, data):
        few = [part[:20] for part in data]
        match = "5 calibration samples are too few for inner_cv=3"
        refused(SOCPEnsemblePrunerRegressorCV, few, ValueError, match, inner_cv=3)


class Undecided(Untrainable):
    """No predict_proba, which only its fit could bring."""

    @property
    def predict_proba(self):
        raise AttributeError("predict_proba")


class TestMembersWithoutProbabilities:
    """Hard votes need them too: the program is made of probabilities."""

    @pytest.mark.parametrize("voting", ["soft", "hard"])
    @for_classifiers
    @pytest.mark.parametrize(
        ("i", "estimator"),
        [
            *((1, LinearSVC()), (1, RidgeClassifier()), (1, SVC()), (1, SGDClassifier())),
            *((1, DecisionTreeRegressor()), (1, make_pipeline(StandardScaler(), LinearSVC()))),
            *((1, OneVsRestClassifier(LinearSVC())), (1, VotingClassifier([("a", SVC())]))),
            *((1, OneVsOneClassifier(LogisticRegression())), (1, RFE(LinearSVC()))),
            *((0, BaggingClassifier(LinearSVC())), (0, AdaBoostClassifier(LinearSVC()))),
            (0, VotingClassifier([("a", "drop"), ("b", LinearSVC()), ("c", Untrainable())])),
            (0, StackingClassifier([("b", LinearSVC()), ("c", Untrainable())])),
        ],
        ids=repr,
    )
    def test_are_refused_before_any_is_trained(self, i, estimator, cls, voting, data):
        name = type(estimator).__name__ if i else "LinearSVC"
        which = "'b'" if i else "0"
        message = rf"must have predict_proba; member {which} \({name}\) has none"
        given = [("a", Untrainable()), ("b", estimator)] if i else estimator
        refused(cls, data, TypeError, message, estimator=given, voting=voting)

    @pytest.mark.parametrize(
        "member",
        [
            CalibratedClassifierCV(LinearSVC(), cv=2),
            make_pipeline(StandardScaler(), LogisticRegression()),
            StackingClassifier([("a", LinearSVC())], cv=2),
            RFE(StackingClassifier([("a", LinearSVC())], cv=2)),
            GridSearchCV(SGDClassifier(random_state=0), {"loss": ["log_loss"]}, cv=2),
            VotingClassifier([("a", DecisionTreeClassifier())], voting="soft"),
            BaggingClassifier(LinearSVC(), 2),
        ],
        ids=repr,
    )
    def test_those_that_will_have_them_are_taken(self, member, data):
        frozen = FrozenEstimator(GaussianNB().fit(*data))
        pruner = SOCPEnsemblePruner([("a", member), ("b", frozen)], random_state=0)
        if isinstance(member, RFE):  # nothing tells it which features count
            with pytest.raises(ValueError, match="importance_getter"):
                pruner.fit(*data)
        else:
            assert pruner.fit(*data).n_members_in_ == 2

    def test_what_is_not_known_is_trained(self, data):
        pruner = SOCPEnsemblePruner([("a", Undecided()), ("b", DecisionTreeClassifier())])
        with pytest.raises(AssertionError, match="trained before"):
            pruner.fit(*data)

    def test_stacks_of_regressors_are_taken(self, data):
        stack = StackingRegressor([("a", Ridge())], cv=2)
        members = [("a", stack), ("b", make_pipeline(StandardScaler(), stack))]
        pruner = SOCPEnsemblePrunerRegressor(members, random_state=0)
        assert pruner.fit(*data).n_members_in_ == 2

    @pytest.mark.parametrize("cls", REGRESSORS)
    def test_classifiers_among_regressors(self, cls, data):
        members = [("a", UntrainableRegressor()), ("b", Untrainable())]
        for which, given in (("'b'", members), (0, BaggingRegressor(Untrainable()))):
            message = rf"must be regressors; member {which} \(Untrainable\) is a classifier"
            refused(cls, data, TypeError, message, estimator=given)


class TestNoEnsemble:
    """Each is given what its own fit would refuse, in other words."""

    @for_all
    @pytest.mark.parametrize(
        ("estimator", "message"),
        [
            (HistGradientBoostingClassifier(max_iter="x"), "has none.*give a list or dict of them"),
            (GridSearchCV(Untrainable(), {}), "Give GridSearchCV the pruner to search over"),
            (make_pipeline(Untrainable()), "has none.*put the pruner last in it"),
            (KNeighborsClassifier("x"), "has none.*To choose among several KNeighborsClassifier"),
            (GradientBoostingClassifier(n_estimators="x"), "stages of a sum"),
            (OneVsRestClassifier(Untrainable()), "solves a part of the problem"),
        ],
        ids=lambda v: type(v).__name__,
    )
    def test_is_refused_before_it_is_trained(self, estimator, message, cls, data):
        for params in ({}, {"cv": "prefit"}):
            refused(cls, data, TypeError, message, estimator=estimator, **params)

    @for_all
    @pytest.mark.parametrize(
        "estimator",
        [
            *(None, {}, {"a": None}, {3: Untrainable()}, "x", 3, (), np.array(["a"]), ...),
            *([], [None], [3], [("a",)], [("a", None)], [()], [Untrainable(), len]),
            *(Untrainable, [("a", Untrainable)], [Untrainable], [("a", "drop")]),
        ],
        ids=repr,
    )
    def test_of_other_kinds(self, estimator, cls, data):
        pruner = cls(estimator)
        with pytest.raises(NotFittedError):
            check_is_fitted(pruner)
        assert pruner._repr_html_()
        assert repr(pruner)
        with pytest.raises((TypeError, ValueError), match="estimator"):
            pruner.fit(*data)

    def test_a_fitted_pruner_stays_fitted(self, data):
        forest = RandomForestClassifier(3, max_depth=2, random_state=0)
        pruner = SOCPEnsemblePruner(forest, random_state=0).fit(*data)
        expected = pruner.predict(data[0])
        check_is_fitted(pruner.set_params(estimator=None))
        np.testing.assert_array_equal(pruner.predict(data[0]), expected)
        with pytest.raises(NotFittedError):
            check_is_fitted(clone(pruner))

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
from .conftest import CountingBag

CLASSIFIERS = [SOCPEnsemblePruner, SOCPEnsemblePrunerCV]
REGRESSORS = [SOCPEnsemblePrunerRegressor, SOCPEnsemblePrunerRegressorCV]
SEARCHES = [SOCPEnsemblePrunerCV, SOCPEnsemblePrunerRegressorCV]


class Untrainable(DecisionTreeClassifier):
    """Fails if anything is trained, so that an error must have come before."""

    def fit(self, X, y, sample_weight=None):
        raise AssertionError("trained before the parameters were checked")


class UntrainableRegressor(DecisionTreeRegressor):
    def fit(self, X, y, sample_weight=None):
        raise AssertionError("trained before the parameters were checked")


def refused(cls, data, error, message, **params):
    """Two members that must not be trained, unless there are others in ``params``."""
    member = UntrainableRegressor() if cls in REGRESSORS else Untrainable()
    params = {"estimator": [("a", member), ("b", member)]} | params
    with pytest.raises(error, match=message):
        cls(**params).fit(*data)


@pytest.mark.parametrize("cls", CLASSIFIERS + REGRESSORS)
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"costs": [1.0, -1.0]}, ValueError, "finite and positive: member 1 costs -1"),
        ({"costs": [0.0, 1.0]}, ValueError, "finite and positive: member 0 costs 0"),
        ({"costs": [np.nan, 1.0]}, ValueError, "finite and positive: member 0 costs nan"),
        ({"costs": [1.0, np.inf]}, ValueError, "finite and positive: member 1 costs inf"),
        ({"costs": [1.0, 2.0, 3.0]}, ValueError, r"shape \(2,\), one cost a member; got \(3,\)"),
        ({"costs": [[1.0, 2.0]]}, ValueError, r"shape \(2,\)"),
        ({"costs": 3.0}, ValueError, r"shape \(2,\)"),
        ({"costs": ["a", "b"]}, ValueError, "costs must be 2 numbers"),
        ({"costs": "bytes"}, ValueError, "costs must be None, 'parameters', 'latency' .*'bytes'"),
        ({"max_members": 0}, ValueError, "max_members must be an integer of at least 1; got 0"),
        ({"max_members": -3}, ValueError, "max_members .* at least 1; got -3"),
        ({"max_members": 2.0}, ValueError, "max_members must be an integer"),
        ({"max_members": True}, ValueError, "max_members must be an integer"),
        ({"max_cost": 3.0}, ValueError, "max_cost=3.0 needs costs"),
        ({"max_cost": 0, "costs": [1, 2]}, ValueError, "max_cost must be a positive number; got 0"),
        ({"max_cost": -1, "costs": [1, 2]}, ValueError, "max_cost must be a positive number"),
        ({"max_cost": np.inf, "costs": [1, 2]}, ValueError, "max_cost must be a positive number"),
        ({"max_cost": np.nan, "costs": [1, 2]}, ValueError, "max_cost must be a positive number"),
        ({"max_cost": "all", "costs": [1, 2]}, ValueError, "max_cost must be a positive number"),
        (
            {"max_cost": 1.5, "costs": [2, 3]},
            ValueError,
            "max_cost=1.5 is less than the cheapest member costs, 2",
        ),
        ({"penalty": "l2"}, ValueError, r"penalty must be one of \['l1', 'l0'\]; got 'l2'"),
        ({"penalty": 0}, ValueError, "penalty must be one of"),
        ({"penalty": np.array(["l1"])}, ValueError, "penalty must be one of"),
        ({"max_cost": 10**400, "costs": [1, 2]}, ValueError, "max_cost must be a positive number"),
    ],
)
def test_limits_and_costs(change, error, message, cls, data):
    refused(cls, data, error, message, **change)


@pytest.mark.parametrize("cls", [SOCPEnsemblePruner, SOCPEnsemblePrunerRegressor])
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"alpha": 1.5}, ValueError, r"alpha must lie in \[0, 1\].*1.5"),
        ({"alpha": float("nan")}, ValueError, "alpha"),
        ({"alpha": "0.5"}, TypeError, "alpha must be a number"),
        ({"lam": -0.1}, ValueError, "lam must be finite and not negative"),
        ({"lam": 1.0}, ValueError, r"lam must lie in \[0, 1\).*Any lam below 1 keeps"),
        ({"threshold": "auto"}, ValueError, r"threshold must lie in \[0, 1\]"),
        ({"threshold": 1.5}, ValueError, r"threshold .* \[0, 1\]"),
        ({"solver": "gurobi"}, ValueError, r"solver must be one of \['auto', .*got 'gurobi'"),
        ({"cv": 0.0}, ValueError, "between 0 and 1"),
        ({"cv": 1}, ValueError, "at least 2"),
        ({"estimator": []}, ValueError, "at least one"),
        ({"estimator": [DecisionTreeClassifier()]}, TypeError, r"\(name, estimator\)"),
        ({"estimator": [("a", Untrainable()), ("a", Untrainable())]}, ValueError, "must differ"),
        ({"estimator": 3}, TypeError, "estimator must be an ensemble.*int"),
    ],
)
def test_of_a_single_program(change, error, message, cls, data):
    refused(cls, data, error, message, **change)


@pytest.mark.parametrize("cls", CLASSIFIERS)
@pytest.mark.parametrize("diversity", ["entropy", None, 1, np.array(["gini"])])
def test_diversity(diversity, cls, data):
    refused(cls, data, ValueError, "diversity must be one of", diversity=diversity)


@pytest.mark.parametrize("cls", [SOCPEnsemblePruner, SOCPEnsemblePrunerRegressor])
@pytest.mark.parametrize(
    "reweight", ["half", -0.1, 1.1, np.nan, None, True, np.array("equal"), 10**400]
)
def test_reweight(reweight, cls, data):
    refused(cls, data, ValueError, "reweight must be 'relaxed'", reweight=reweight)


@pytest.mark.parametrize("cls", SEARCHES)
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"alphas": []}, ValueError, r"alphas must be a sequence of values to try; got \[\]"),
        ({"alphas": 0.5}, ValueError, "alphas must be a sequence of values to try; got 0.5"),
        ({"alphas": np.array(0.5)}, ValueError, "alphas must be a sequence"),
        ({"alphas": iter([0.5])}, ValueError, "alphas must be a sequence"),
        ({"alphas": "0.5"}, ValueError, "alphas must be a sequence of values to try; got '0.5'"),
        ({"alphas": [0.5, 1.5]}, ValueError, r"alpha must lie in \[0, 1\].*1.5"),
        ({"alphas": ["0.5"]}, TypeError, "alpha must be a number"),
        ({"alphas": [np.nan]}, ValueError, "alpha must lie in"),
        ({"lams": ()}, ValueError, "lams must be a sequence"),
        ({"lams": None}, ValueError, "lams must be a sequence"),
        ({"lams": [0.1, 1.0]}, ValueError, r"lam must lie in \[0, 1\)"),
        ({"lams": [-0.1]}, ValueError, "lam must be finite and not negative"),
        ({"thresholds": 0.1}, ValueError, "thresholds must be a sequence"),
        ({"thresholds": [1.5]}, ValueError, r"threshold must lie in \[0, 1\]"),
        ({"thresholds": ["auto"]}, ValueError, r"threshold must lie in \[0, 1\].*got 'auto'"),
        ({"reweights": "relaxed"}, ValueError, "reweights must be a sequence.*'relaxed'"),
        ({"reweights": ["half"]}, ValueError, "reweight must be 'relaxed'"),
        ({"reweights": [2]}, ValueError, "reweight must be 'relaxed'"),
        ({"selection": "worst"}, ValueError, r"selection must be one of \['best', 'one_se'\]"),
        ({"selection": None}, ValueError, "selection must be one of"),
        (
            {"inner_cv": 2},
            ValueError,
            "inner_cv must be an integer of at least 3, or a splitter; got 2",
        ),
        ({"inner_cv": 5.0}, ValueError, "inner_cv must be an integer"),
        ({"inner_cv": "five"}, ValueError, "inner_cv must be an integer"),
        ({"inner_cv": KFold}, ValueError, "inner_cv must be an integer.*or a splitter"),
        ({"inner_cv": [1, 2]}, ValueError, "inner_cv must be an integer.*or a splitter"),
        ({"n_resamples": -1}, ValueError, "n_resamples must be an integer of at least 0; got -1"),
        ({"n_resamples": 1.5}, ValueError, "n_resamples must be an integer"),
        ({"scoring": "loudness"}, ValueError, "'loudness'"),
        ({"cv": 1.0}, ValueError, "cv as a fraction"),
        ({"lams": [10**30]}, ValueError, r"lam must lie in \[0, 1\)"),
        ({"thresholds": [10**400]}, ValueError, r"threshold must lie in \[0, 1\]"),
        ({"selection": np.array(["best"])}, ValueError, "selection must be one of"),
    ],
)
def test_grids_and_folds(change, error, message, cls, data):
    refused(cls, data, error, message, **change)


@pytest.mark.parametrize("cls", [SOCPEnsemblePruner, SOCPEnsemblePrunerRegressor])
@pytest.mark.parametrize("lam", [10**30, -(10**30), 10**400, np.inf, np.nan])
def test_lam(lam, cls, data):
    refused(cls, data, ValueError, "lam must ", lam=lam)


@pytest.mark.parametrize("cls", CLASSIFIERS)
@pytest.mark.parametrize("voting", ["loud", np.array(["soft"]), np.array("hard"), {}, None])
def test_voting(voting, cls, data):
    refused(cls, data, ValueError, "voting must be one of .*; got", voting=voting)


NOT_JOBS = [
    *(0, 0.0, 1.5, 2.0, -1.0, np.float64(2), np.nan, np.inf, 1j, 10**30, -(10**30)),
    *(True, False, np.bool_(True), "", "2", "all", b"2", ..., int),
    *(
        [],
        [2],
        (),
        (1,),
        {},
        {"n": 1},
        {1},
        np.array(2),
        np.array([2]),
        np.array([]),
        np.array("2"),
    ),
]


@pytest.mark.parametrize("cls", CLASSIFIERS + REGRESSORS)
@pytest.mark.parametrize("n_jobs", NOT_JOBS, ids=repr)
def test_n_jobs(n_jobs, cls, data):
    refused(cls, data, (TypeError, ValueError), "n_jobs must be an integer .* got", n_jobs=n_jobs)


def test_n_jobs_that_are_set_after_the_fit(data):
    forest = RandomForestClassifier(3, max_depth=2, random_state=0)
    pruner = SOCPEnsemblePruner(forest, random_state=0).fit(*data).set_params(n_jobs=0)
    with pytest.raises(ValueError, match="n_jobs must be an integer other than 0"):
        pruner.predict(data[0])


@pytest.mark.parametrize("cls", CLASSIFIERS + REGRESSORS)
@pytest.mark.parametrize(
    "seed", ["foo", "", -1, 1.5, True, [], {}, np.array([1]), 2**32, np.random.default_rng(0)]
)
def test_random_state(seed, cls, data):
    message = "random_state must be .* got"
    refused(cls, data, (TypeError, ValueError), message, random_state=seed)
    if cls in CLASSIFIERS:  # of fitted members too
        P, y = pool(3)
        with pytest.raises((TypeError, ValueError), match=message):
            cls(told(P), random_state=seed).fit(as_rows(P), y)


def halves(train, test):
    """One fold of 400 rows, and one that is right."""
    return [(np.arange(200), np.arange(200, 400)), (train, test)]


@pytest.mark.parametrize("cls", CLASSIFIERS + REGRESSORS)
@pytest.mark.parametrize(
    ("cv", "message"),
    [
        ([], r"cv must give at least one pair \(train, test\); \[\] gives none"),
        (iter([]), "cv must give at least one pair"),
        ({}, "cv must give at least one pair"),
        ([2], r"cv as an iterable must give pairs \(train, test\) .*; fold 0 is 2"),
        (np.array([1, 2]), "cv as an iterable must give pairs"),
        ([[[0, 1]]], r"must give pairs .*; fold 0 is \[\[0, 1\]\]"),
        ([([0, 1], [999])], r"cv must give positions in 0 .. 399, .*; test of fold 0 holds 999"),
        ([([-401], [1])], "cv must give positions in 0 .. 399, .*; train of fold 0 holds -401"),
        ([([0, 1], [-1])], "cv must give positions in 0 .. 399, .*; test of fold 0 holds -1"),
        (halves([0, 1], []), "cv must give .* at least one; test of fold 1 is empty"),
        (halves([0, 1], np.zeros(400, bool)), "cv must give .*; test of fold 1 is empty"),
        (halves([], [0, 1]), "cv must give .*; train of fold 1 is empty"),
        (halves([0, 1], np.ones(399, bool)), "cv must give .* mask of 400 rows.*; test of fold 1"),
        (halves([0.0, 1.0], [2]), r"cv must give .*; train of fold 1 is \[0.0, 1.0\]"),
        (halves("a", "b"), "cv must give .*; train of fold 1 is 'a'"),
        (halves([[0, 1]], [2]), r"cv must give .*; train of fold 1 is \[\[0, 1\]\]"),
        (1000, "cv=1000 cannot split these rows"),
        (KFold(500), r"cv=KFold\(.*cannot split these rows"),
        (KFold, "cv must be a fraction, 'prefit', a number of folds, a splitter or an iterable"),
        (..., "cv must be a fraction, 'prefit', a number of folds, a splitter or an iterable"),
        (np.array(0.5), r"cv must be a fraction.*; got array\(0.5\)"),
        (np.array("prefit"), "cv must be a fraction"),
        ("folds", "cv must be a fraction.*; got 'folds'"),
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


@pytest.mark.parametrize("cls", CLASSIFIERS + REGRESSORS)
def test_an_empty_name_is_no_folder(cls, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(cls, data, ValueError, "memory must be None, the path of a folder .* got ''", memory="")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("cls", CLASSIFIERS)
@pytest.mark.parametrize("kind", [np.asarray, np.ndarray.tolist])
def test_multilabel_targets(kind, cls, data):
    X, y = data
    refused(cls, (X, kind(np.eye(3, dtype=int)[y])), ValueError, "[Mm]ultilabel")
    refused(cls, (X, [[c] * (1 + c) for c in y.tolist()]), ValueError, "[Mm]ultilabel")


@pytest.mark.parametrize("cls", CLASSIFIERS + REGRESSORS)
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
            VotingClassifier(
                [*((c, Untrainable()) for c in "abcde"), ("f", "drop")], voting="soft"
            ),
        ],
    )
    def test_of_an_ensemble(self, ensemble, data):
        refused(
            SOCPEnsemblePruner,
            data,
            ValueError,
            r"shape \(5,\), one cost a member; got \(4,\)",
            estimator=ensemble,
            costs=np.ones(4),
        )

    def test_of_boosting_that_stopped_early(self, data):
        """It has fewer members than n_estimators says, and so many costs are right."""
        X, y = data
        boosting = AdaBoostClassifier(DecisionTreeClassifier(), n_estimators=9).fit(X, y)
        assert len(boosting.estimators_) == 1
        for given in (FrozenEstimator(boosting), boosting):
            pruner = SOCPEnsemblePruner(given, cv="prefit", costs=[2.0])
            assert pruner.fit(X, y).n_members_ == 1
        with pytest.raises(ValueError, match=r"shape \(1,\), one cost a member; got \(9,\)"):
            SOCPEnsemblePruner(boosting, cv="prefit", costs=np.ones(9)).fit(X, y)

    def test_of_fitted_members(self, data):
        P, y = pool(3)
        with pytest.raises(ValueError, match=r"shape \(3,\), one cost a member; got \(2,\)"):
            SOCPEnsemblePruner(told(P), costs=[1, 2]).fit(as_rows(P), y)

    def test_the_right_number_is_taken(self, data):
        for ensemble in (
            RandomForestClassifier(5, max_depth=2, random_state=0),
            VotingClassifier([("a", GaussianNB()), ("b", "drop")], voting="soft"),
        ):
            costs = np.ones(5 if isinstance(ensemble, RandomForestClassifier) else 1)
            pruner = SOCPEnsemblePruner(ensemble, costs=costs, random_state=0).fit(*data)
            assert pruner.n_members_in_ == len(costs)


class Uncountable(KNeighborsClassifier):
    """scikit-learn does not define it, so it is counted once it is fitted."""


class TestMembersWithoutCosts:
    @pytest.mark.parametrize("cls", CLASSIFIERS)
    @pytest.mark.parametrize(
        "member",
        [
            KNeighborsClassifier(),
            GaussianNB(),
            GaussianProcessClassifier(),
            SVC(probability=True),
            CalibratedClassifierCV(Untrainable()),
            HistGradientBoostingClassifier(),
            make_pipeline(StandardScaler(), KNeighborsClassifier()),
        ],
        ids=repr,
    )
    def test_are_refused_before_any_is_trained(self, member, cls, data):
        name = type(member).__name__
        message = f"costs='parameters', but member 'last': {name} has no parameters"
        members = [("first", Untrainable()), ("last", member)]
        refused(cls, data, TypeError, message, estimator=members, costs="parameters")
        for ensemble in (
            BaggingClassifier(member, 3),
            VotingClassifier([("b", member), ("c", Untrainable())]),
        ):
            message = f"costs='parameters', but member '0': {name} has no parameters"
            refused(cls, data, TypeError, message, estimator=ensemble, costs="parameters")

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
        refused(
            SOCPEnsemblePrunerRegressor,
            data,
            TypeError,
            "member 'a': SVR has no parameters",
            estimator=[("a", SVR()), ("b", UntrainableRegressor())],
            costs="parameters",
        )

    @pytest.mark.parametrize("cls", CLASSIFIERS)
    def test_the_member_is_named(self, cls, data):
        members = [("tree", DecisionTreeClassifier(max_depth=2)), ("knn", Uncountable())]
        with pytest.raises(TypeError, match="member 'knn': Uncountable has no parameters"):
            cls(members, costs="parameters", random_state=0).fit(*data)

    def test_so_it_is_in_an_ensemble(self, data):
        bag = BaggingClassifier(Uncountable(), 3)
        with pytest.raises(TypeError, match="member '0': Uncountable has no parameters"):
            SOCPEnsemblePruner(bag, costs="parameters", random_state=0).fit(*data)

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
            SOCPEnsemblePrunerCV(bag, random_state=0).fit(X[few], y[few])
        assert not (tmp_path / "log").exists()
        pruner = SOCPEnsemblePrunerCV(bag, cv=2, random_state=0, alphas=[0.9], lams=[0.1])
        assert pruner.fit(X[few], y[few]).n_members_ >= 1  # all eight are calibrated on

    def test_that_have_a_weight(self, data, tmp_path):
        X, y = data
        weight = np.ones(400)
        weight[np.flatnonzero(y == 2)[2:]] = 0
        match = r"Class 2 has \d calibration sample\(s\), fewer than inner_cv=5"
        bag = CountingBag(log=tmp_path / "log")
        with pytest.raises(ValueError, match=match):
            SOCPEnsemblePrunerCV(bag, cv=3, random_state=0).fit(X, y, weight)
        assert not (tmp_path / "log").exists()
        forest = RandomForestClassifier(3, random_state=0).fit(X, y)
        with pytest.raises(ValueError, match=match):
            SOCPEnsemblePrunerCV(FrozenEstimator(forest), random_state=0).fit(X, y, weight)

    def test_of_a_single_class(self, data):
        X, y = data
        weight = (y == 1).astype(float)
        with pytest.raises(ValueError, match=r"all of one class, \[1\]"):
            SOCPEnsemblePrunerCV([("a", Untrainable())], cv=2).fit(X, y, weight)

    def test_for_regression(self, data):
        X, y = data
        with pytest.raises(ValueError, match="5 calibration samples are too few for inner_cv=3"):
            SOCPEnsemblePrunerRegressorCV([("a", UntrainableRegressor())], inner_cv=3).fit(
                X[:20], y[:20]
            )


def test_a_splitter_that_tests_rows_twice_is_refused(data):
    """Copies of a row in several folds of the search would make its nested score dishonest."""
    pruner = SOCPEnsemblePruner(
        [("tree", Untrainable())], cv=RepeatedKFold(n_splits=2, n_repeats=2)
    )
    with pytest.raises(ValueError, match="tests some rows in several folds"):
        pruner.fit(*data)


@pytest.mark.parametrize("name", ["splitter", "method_mapping"])
def test_names_that_metadata_routing_uses_are_refused(name, data):
    pruner = SOCPEnsemblePruner([("tree", Untrainable()), (name, Untrainable())])
    with pytest.raises(ValueError, match=f"{name}.* cannot be names"):
        pruner.fit(*data)


class Undecided(Untrainable):
    """No predict_proba, which only its fit could bring."""

    @property
    def predict_proba(self):
        raise AttributeError("predict_proba")


class TestMembersWithoutProbabilities:
    """Hard votes need them too: the program is made of probabilities."""

    @pytest.mark.parametrize("voting", ["soft", "hard"])
    @pytest.mark.parametrize("cls", CLASSIFIERS)
    @pytest.mark.parametrize(
        "member",
        [
            LinearSVC(),
            RidgeClassifier(),
            SVC(),
            SGDClassifier(),
            DecisionTreeRegressor(),
            make_pipeline(StandardScaler(), LinearSVC()),
            VotingClassifier([("a", Untrainable())]),
            OneVsRestClassifier(LinearSVC()),
            OneVsOneClassifier(LogisticRegression()),
            RFE(LinearSVC()),
        ],
        ids=repr,
    )
    def test_are_refused_before_any_is_trained(self, member, cls, voting, data):
        message = rf"must have predict_proba; member 20 \({type(member).__name__}\) has none"
        members = [(f"m{i}", Untrainable()) for i in range(20)] + [("last", member)]
        refused(cls, data, TypeError, message, estimator=members, voting=voting)

    @pytest.mark.parametrize(
        "ensemble",
        [
            BaggingClassifier(LinearSVC()),
            AdaBoostClassifier(LinearSVC()),
            VotingClassifier([("a", "drop"), ("b", LinearSVC()), ("c", Untrainable())]),
            StackingClassifier([("b", LinearSVC()), ("c", Untrainable())]),
        ],
        ids=repr,
    )
    def test_are_refused_in_an_ensemble(self, ensemble, data):
        message = r"must have predict_proba; member 0 \(LinearSVC\) has none"
        refused(SOCPEnsemblePruner, data, TypeError, message, estimator=ensemble)

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
        X, y = data
        frozen = FrozenEstimator(GaussianNB().fit(X, y))
        pruner = SOCPEnsemblePruner([("a", member), ("b", frozen)], random_state=0)
        if isinstance(member, RFE):  # nothing tells it which features count
            with pytest.raises(ValueError, match="importance_getter"):
                pruner.fit(X, y)
        else:
            assert pruner.fit(X, y).n_members_in_ == 2

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
        message = r"must be regressors; member 1 \(Untrainable\) is not"
        members = [("a", UntrainableRegressor()), ("b", Untrainable())]
        refused(cls, data, TypeError, message, estimator=members)
        message = r"must be regressors; member 0 \(Untrainable\) is not"
        refused(cls, data, TypeError, message, estimator=BaggingRegressor(Untrainable()))


class TestNoEnsemble:
    """Each is given what its own fit would refuse, in other words."""

    @pytest.mark.parametrize("cls", CLASSIFIERS + REGRESSORS)
    @pytest.mark.parametrize(
        ("estimator", "message"),
        [
            (HistGradientBoostingClassifier(max_iter="x"), "has none.*give a list of them"),
            (CalibratedClassifierCV(Untrainable()), "has none.*give a list of them"),
            (
                GridSearchCV(Untrainable(), {"max_depth": [1]}),
                "has none. Give GridSearchCV the pruner to search over",
            ),
            (make_pipeline(Untrainable()), "has none.*put the pruner last in it"),
            (KNeighborsClassifier("x"), "has none.*To choose among several KNeighborsClassifier"),
            (GradientBoostingClassifier(n_estimators="x"), "stages of a sum"),
            (OneVsRestClassifier(Untrainable()), "solves a part of the problem"),
        ],
        ids=lambda v: type(v).__name__,
    )
    def test_is_refused_before_it_is_trained(self, estimator, message, cls, data):
        refused(cls, data, TypeError, message, estimator=estimator)
        refused(cls, data, TypeError, message, estimator=estimator, cv="prefit")

    @pytest.mark.parametrize("cls", CLASSIFIERS + REGRESSORS)
    @pytest.mark.parametrize(
        "estimator",
        [
            *(None, {}, {"a": Untrainable()}, "x", 3, (), np.array(["a"]), ...),
            *([], [None], [3], [Untrainable()], [("a",)], [("a", None)], [()]),
            *(Untrainable, [("a", Untrainable)]),
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
        pruner.set_params(estimator=None)
        check_is_fitted(pruner)
        np.testing.assert_array_equal(pruner.predict(data[0]), expected)
        with pytest.raises(NotFittedError):
            check_is_fitted(clone(pruner))

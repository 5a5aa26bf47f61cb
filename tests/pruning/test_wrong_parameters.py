"""What cannot be right is said clearly, and wherever it can be, before anything is trained."""

import numpy as np
import pytest
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import RepeatedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

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
    ],
)
def test_limits_and_costs(change, error, message, cls, data):
    refused(cls, data, error, message, **change)


@pytest.mark.parametrize("cls", CLASSIFIERS)
@pytest.mark.parametrize("diversity", ["entropy", None, 1])
def test_diversity(diversity, cls, data):
    refused(cls, data, ValueError, "diversity must be one of", diversity=diversity)


@pytest.mark.parametrize("cls", [SOCPEnsemblePruner, SOCPEnsemblePrunerRegressor])
@pytest.mark.parametrize("reweight", ["half", -0.1, 1.1, np.nan, None, True])
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
        ({"n_folds": 2}, ValueError, "n_folds must be an integer of at least 3; got 2"),
        ({"n_folds": 5.0}, ValueError, "n_folds must be an integer"),
        ({"n_folds": "five"}, ValueError, "n_folds must be an integer"),
        ({"n_resamples": -1}, ValueError, "n_resamples must be an integer of at least 0; got -1"),
        ({"n_resamples": 1.5}, ValueError, "n_resamples must be an integer"),
        ({"scoring": "loudness"}, ValueError, "'loudness'"),
        ({"cv": 1.0}, ValueError, "cv as a fraction"),
    ],
)
def test_grids_and_folds(change, error, message, cls, data):
    refused(cls, data, error, message, **change)


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


class TestMembersWithoutCosts:
    @pytest.mark.parametrize("cls", CLASSIFIERS)
    def test_the_member_is_named(self, cls, data):
        members = [("tree", DecisionTreeClassifier(max_depth=2)), ("knn", KNeighborsClassifier())]
        with pytest.raises(TypeError, match="member 'knn': KNeighborsClassifier has no parameters"):
            cls(members, costs="parameters", random_state=0).fit(*data)

    def test_so_it_is_in_an_ensemble(self, data):
        bag = BaggingClassifier(GaussianNB(), 3)
        with pytest.raises(TypeError, match="member '0': GaussianNB has no parameters"):
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
        match = r"Class 'cat' has 2 calibration sample\(s\), fewer than n_folds=5"
        with pytest.raises(ValueError, match=match):
            SOCPEnsemblePrunerCV(bag, random_state=0).fit(X[few], y[few])
        assert not (tmp_path / "log").exists()
        pruner = SOCPEnsemblePrunerCV(bag, cv=2, random_state=0, alphas=[0.9], lams=[0.1])
        assert pruner.fit(X[few], y[few]).n_members_ >= 1  # all eight are calibrated on

    def test_that_have_a_weight(self, data, tmp_path):
        X, y = data
        weight = np.ones(400)
        weight[np.flatnonzero(y == 2)[2:]] = 0
        match = r"Class 2 has \d calibration sample\(s\), fewer than n_folds=5"
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
        with pytest.raises(ValueError, match="5 calibration samples are too few for n_folds=3"):
            SOCPEnsemblePrunerRegressorCV([("a", UntrainableRegressor())], n_folds=3).fit(
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

"""Members in dicts and lists, by name, of any class, and those that take codes for labels."""

import pickle
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skprune import (
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
)
from skprune.exceptions import MemberFileError
from skprune.inspection import pruning_report
from skprune.pruning import MemberFile

from .by_hand import stacked

X, CODES = load_iris(return_X_y=True)
ORDER = np.random.default_rng(0).permutation(150)
X, CODES = X[ORDER], CODES[ORDER]
TREES = np.array(["ash", "birch", "cedar"])[CODES]
NUMBERS = X[:, 3]
# Every member keeps a weight, so that each is seen to predict.
ALL = {"lam": 0.0, "reweight": "equal", "random_state": 0}


def pairs():
    return [
        ("lr", LogisticRegression(max_iter=500)),
        ("tree", DecisionTreeClassifier(max_depth=2, random_state=0)),
        ("bayes", GaussianNB()),
    ]


def same(one, two):
    np.testing.assert_array_equal(one.weights_, two.weights_)
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))


class Plain:
    """No estimator of scikit-learn's: no parameters, no tags, fit returns nothing."""

    def __init__(self, depth):
        self.tree = DecisionTreeClassifier(max_depth=depth, random_state=0)

    def fit(self, X, y):
        self.tree.fit(X, y)

    def predict_proba(self, X):
        return self.tree.predict_proba(X)


class PlainRegressor:
    def __init__(self, shift):
        self.shift = shift

    def fit(self, X, y):
        self.mean = y.mean()

    def predict(self, X):
        return X[:, 2] * self.shift + self.mean


class Remote:
    """Fitted elsewhere: it predicts, and has nothing else."""

    def __init__(self, fitted):
        self.predict_proba = fitted.predict_proba


class OfCodes(ClassifierMixin, BaseEstimator):
    """Takes the labels 0 .. k - 1 only, as XGBoost does."""

    def __init__(self, depth=3):
        self.depth = depth

    def fit(self, X, y, sample_weight=None):
        labels = np.unique(y)
        if not np.array_equal(labels, np.arange(len(labels))):
            raise ValueError(f"Invalid classes: {labels}")
        tree = DecisionTreeClassifier(max_depth=self.depth, random_state=0)
        self.tree_ = tree.fit(X, y, sample_weight)
        self.classes_ = labels
        return self

    def predict_proba(self, X):
        return self.tree_.predict_proba(X)


# Forms of one ensemble


def test_a_dict_is_as_a_list_of_pairs():
    in_list = SOCPEnsemblePruner(pairs(), random_state=0).fit(X, TREES)
    in_dict = SOCPEnsemblePruner(dict(pairs()), random_state=0).fit(X, TREES)
    same(in_list, in_dict)
    assert in_dict.member_names_in_.tolist() == ["lr", "tree", "bayes"]


def test_members_without_names_are_named_as_in_make_pipeline():
    members = [GaussianNB(), DecisionTreeClassifier(max_depth=1), DecisionTreeClassifier()]
    members.append(FrozenEstimator(LogisticRegression(max_iter=500).fit(X, TREES)))
    pruner = SOCPEnsemblePruner(members, **ALL).fit(X, TREES)
    names = ["gaussiannb", "decisiontreeclassifier-1", "decisiontreeclassifier-2"]
    assert pruner.member_names_in_.tolist() == [*names, "logisticregression"]
    assert set(pruner.explain().names) == {*names, "logisticregression"}


def test_some_members_have_names():
    pruner = SOCPEnsemblePruner([GaussianNB(), ("own", GaussianNB())], **ALL).fit(X, TREES)
    assert pruner.member_names_in_.tolist() == ["gaussiannb", "own"]


def test_paths_in_a_dict(tmp_path):
    fitted = {name: member.fit(X[:90], TREES[:90]) for name, member in pairs()}
    files = {name: MemberFile.save(m, tmp_path / f"{name}.joblib") for name, m in fitted.items()}
    read = SOCPEnsemblePruner({n: file.path for n, file in files.items()}, prediction_dtype=None)
    kept = SOCPEnsemblePruner({n: FrozenEstimator(m) for n, m in fitted.items()})
    for pruner in (read, kept):
        pruner.fit(X[90:], TREES[90:])
    np.testing.assert_allclose(read.weights_, kept.weights_, atol=1e-4)  # float32 in files
    assert read.member_names_in_.tolist() == ["lr", "tree", "bayes"]


# Plain classes


@pytest.mark.parametrize("cv", [0.25, 3])
def test_a_plain_class_is_trained_as_its_estimator(cv):
    members = {"a": Plain(1), "b": Plain(3), "c": Plain(None)}
    trees = {
        n: DecisionTreeClassifier(max_depth=m.tree.max_depth, random_state=0)
        for n, m in members.items()
    }
    plain = SOCPEnsemblePruner(members, cv=cv, random_state=0).fit(X, TREES)
    same(plain, SOCPEnsemblePruner(trees, cv=cv, random_state=0).fit(X, TREES))
    assert not hasattr(members["a"].tree, "classes_")  # a copy was trained
    again = clone(plain).fit(X, TREES)
    same(plain, again)
    same(plain, pickle.loads(pickle.dumps(plain)))


def test_what_has_no_fit_is_fitted_already():
    fitted = [Plain(depth) for depth in (1, 2, 3)]
    for member in fitted:
        member.fit(X[:90], TREES[:90])
    by_fit = SOCPEnsemblePruner([FrozenEstimator(m.tree) for m in fitted]).fit(X[90:], TREES[90:])
    remote = SOCPEnsemblePruner([Remote(m) for m in fitted]).fit(X[90:], TREES[90:])
    same(by_fit, remote)
    same(by_fit, SOCPEnsemblePruner(fitted, cv="prefit").fit(X[90:], TREES[90:]))
    # Beside members to train it is not trained.
    mixed = SOCPEnsemblePruner({"there": Remote(fitted[2]), "new": GaussianNB()}, **ALL)
    mixed.fit(X, TREES)
    P = mixed.member_predict_proba(X)["there"]
    np.testing.assert_array_equal(P, fitted[2].predict_proba(X))


def test_dropped_members_of_a_plain_class_are_not_saved():
    fitted = [Plain(depth) for depth in (1, 2, 3)]
    for member in fitted:
        member.fit(X[:90], TREES[:90])
        member.ballast = np.zeros(100_000)
    pruner = SOCPEnsemblePruner(fitted, cv="prefit", max_members=1).fit(X[90:], TREES[90:])
    saved = pickle.dumps(pruner)
    assert len(saved) < 2 * 800_000  # the kept one, once
    same(pruner, pickle.loads(saved))
    assert pruner.estimator is fitted


def test_plain_regressors():
    members = {"a": PlainRegressor(0.3), "b": PlainRegressor(0.5), "c": DecisionTreeRegressor()}
    pruner = SOCPEnsemblePrunerRegressor(members, random_state=0).fit(X, NUMBERS)
    assert pruner.n_members_in_ == 3
    by_hand = pruner.weights_[pruner.support_] @ stacked(pruner.member_predict(X))[:, :, 0]
    np.testing.assert_allclose(pruner.predict(X), by_hand + pruner.intercept_)
    own = pruner.member_predict(X)[pruner.member_names_in_[pruner.support_][0]]
    np.testing.assert_array_equal(own[:, 0], pruner.estimators_[0].predict(X))


def test_a_plain_class_without_labels_has_all_of_y():
    member = Plain(2)
    member.fit(X, TREES)
    with pytest.raises(ValueError, match=r"must have shape \(n, 2\), one column a class; got .*3"):
        SOCPEnsemblePruner([member, Plain(1)], cv="prefit").fit(X[CODES > 0], TREES[CODES > 0])


class ByColumn:
    """Reads columns of a frame by their names."""

    def fit(self, X, y):
        self.model = GaussianNB().fit(X[["a", "b"]], y)

    def predict_proba(self, X):
        return self.model.predict_proba(X[["a", "b"]])


@pytest.mark.parametrize("cv", [0.25, 3])
def test_a_plain_class_predicts_the_frame_that_it_was_fitted_on(cv):
    frame = pd.DataFrame(X, columns=list("abcd"))
    members = {"own": ByColumn(), "tree": DecisionTreeClassifier(max_depth=1)}
    pruner = SOCPEnsemblePruner(members, cv=cv, keep=["own"], **ALL).fit(frame, TREES)
    P = pruner.member_predict_proba(frame)["own"]
    np.testing.assert_array_equal(P, pruner.estimators_[0].model.predict_proba(frame[["a", "b"]]))


def test_a_plain_class_on_a_fold_without_a_class():
    y = np.where(TREES == "birch", "ash", TREES)
    y[:8] = "birch"  # in the first fold only
    plain = SOCPEnsemblePruner({"a": Plain(2), "b": Plain(3)}, cv=KFold(5), **ALL).fit(X, y)
    members = {"a": OfCodes(2), "b": OfCodes(3)}
    same(plain, SOCPEnsemblePruner(members, cv=KFold(5), **ALL).fit(X, y))


def test_files_of_a_plain_class(tmp_path):
    member = Plain(2)
    member.fit(X[:90], TREES[:90])
    path = MemberFile.save(member, tmp_path / "plain.joblib").path
    pruner = SOCPEnsemblePruner([path, path + "2"], **ALL)
    MemberFile.save(Plain.__new__(Plain), path + "2")
    with pytest.raises(MemberFileError, match=r"plain\.joblib2"):
        pruner.fit(X[90:], TREES[90:])
    alone = SOCPEnsemblePruner([path], **ALL).fit(X[90:], TREES[90:])
    np.testing.assert_array_equal(alone.predict(X), member.tree.predict(X))


class Session(Remote):
    def __deepcopy__(self, memo):
        raise TypeError("cannot copy a session")


class Locked(Plain):
    def __deepcopy__(self, memo):
        raise TypeError("cannot pickle a lock")


def test_what_is_not_trained_is_not_copied():
    fitted = Plain(2)
    fitted.fit(X[:90], TREES[:90])
    members = {"there": Session(fitted), "new": GaussianNB()}
    pruner = SOCPEnsemblePruner(members, **ALL).fit(X, TREES)
    assert pruner.estimators_[0] is members["there"]
    with pytest.raises(TypeError, match=r"member 'lock' \(Locked\) cannot be copied"):
        SOCPEnsemblePruner({"lock": Locked(1), "new": GaussianNB()}).fit(X, TREES)


# Labels


@pytest.mark.parametrize(
    "labels", [TREES, CODES, CODES + 1, -CODES, TREES.astype(object)], ids=lambda y: str(y[0])
)
@pytest.mark.parametrize("cv", [0.25, 3])
def test_labels_are_encoded_for_members_that_refuse_them(labels, cv):
    members = {"codes": OfCodes(2), "lr": LogisticRegression(max_iter=500)}
    usual = {"codes": DecisionTreeClassifier(max_depth=2, random_state=0), "lr": members["lr"]}
    pruner = SOCPEnsemblePruner(members, cv=cv, **ALL).fit(X, labels)
    expected = SOCPEnsemblePruner(usual, cv=cv, **ALL).fit(X, labels)
    same(pruner, expected)
    np.testing.assert_array_equal(pruner.classes_, np.unique(labels))
    np.testing.assert_array_equal(pruner.predict(X), expected.predict(X))
    np.testing.assert_array_equal(pruner.estimators_[0].classes_, [0, 1, 2])
    same(pickle.loads(pickle.dumps(pruner)), expected)


def test_members_before_one_on_codes_are_dropped():
    members = {"bayes": GaussianNB(), "lr": LogisticRegression(max_iter=500), "codes": OfCodes(3)}
    pruner = SOCPEnsemblePruner(members, max_members=1, keep=["codes"], **ALL).fit(X, TREES)
    assert pruner.support_.tolist() == [False, False, True]
    assert pruner.score(X, TREES) > 0.9


def test_a_class_is_missing_in_a_fold():
    """The codes of a fold are those of the labels in it."""
    y = TREES.copy()
    y[y == "birch"] = "ash"
    y[:8] = "birch"  # in the first fold only
    members = {"codes": OfCodes(2), "codes too": OfCodes(3)}
    usual = {
        name: DecisionTreeClassifier(max_depth=member.depth, random_state=0)
        for name, member in members.items()
    }
    same(
        SOCPEnsemblePruner(members, cv=KFold(5), **ALL).fit(X, y),
        SOCPEnsemblePruner(usual, cv=KFold(5), **ALL).fit(X, y),
    )


def test_in_a_cache(tmp_path):
    members = {"codes": OfCodes(2), "lr": LogisticRegression(max_iter=500)}
    pruners = [SOCPEnsemblePruner(members, memory=m, **ALL) for m in (None, tmp_path, tmp_path)]
    for pruner in pruners:
        pruner.fit(X, TREES)
        same(pruner, pruners[0])


def test_fitted_members_that_know_codes():
    """Where the labels are text, 0 .. C - 1 are their positions."""
    fitted = {
        "codes": OfCodes(2).fit(X[:90], CODES[:90]),
        "bayes": GaussianNB().fit(X[:90], TREES[:90]),
    }
    usual = fitted | {
        "codes": DecisionTreeClassifier(max_depth=2, random_state=0).fit(X[:90], TREES[:90])
    }
    for members in (fitted, {"codes": fitted["codes"]}):
        pruner = SOCPEnsemblePruner(members, cv="prefit").fit(X[90:], TREES[90:])
        expected = SOCPEnsemblePruner({n: usual[n] for n in members}, cv="prefit")
        same(pruner, expected.fit(X[90:], TREES[90:]))
    scores = pruner.predictions_on({"codes": fitted["codes"]}, X, TREES).member_scores()
    np.testing.assert_allclose(scores, [usual["codes"].score(X, TREES)])


def test_codes_of_too_few_classes_are_refused():
    two = OfCodes(2).fit(X[CODES < 2], CODES[CODES < 2])
    with pytest.raises(ValueError, match=r"OfCodes knows classes \[0 1\], which are not among"):
        SOCPEnsemblePruner([two, GaussianNB().fit(X, TREES)], cv="prefit").fit(X, TREES)


def test_numbers_are_codes_where_they_can_be_nothing_else():
    """A fitted pruner knows all classes."""
    y = np.array([2, 5, 9])[CODES]
    members = {"codes": OfCodes(2), "bayes": GaussianNB()}
    pruner = SOCPEnsemblePruner(members, **ALL).fit(X, y)
    ensemble = {"codes": OfCodes(2).fit(X, CODES), "bayes": GaussianNB().fit(X, y)}
    scores = pruner.predictions_on(ensemble, X, y).member_scores()
    expected = [DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, y).score(X, y)]
    np.testing.assert_allclose(scores, [*expected, ensemble["bayes"].score(X, y)])
    frozen = {"codes": FrozenEstimator(ensemble["codes"]), "new": GaussianNB()}
    mixed = SOCPEnsemblePruner(frozen, **ALL).fit(X, y)
    assert mixed.score(X, y) > 0.9


class NeedsMore(OfCodes):
    def fit(self, X, y):
        super().fit(X, y)
        raise RuntimeError("early stopping needs rows to stop by")


def test_both_errors_are_shown_where_codes_do_not_help():
    with pytest.raises(RuntimeError, match="early stopping needs rows") as caught:
        SOCPEnsemblePruner({"a": NeedsMore(), "b": GaussianNB()}).fit(X, TREES)
    assert "Invalid classes" in str(caught.value.__context__)


def test_an_error_that_labels_did_not_cause_is_raised_as_it_is():
    members = {"lr": LogisticRegression(C=-1.0), "tree": DecisionTreeClassifier()}
    with pytest.raises(ValueError, match="'C' parameter of LogisticRegression"):
        SOCPEnsemblePruner(members).fit(X, TREES)


def test_with_xgboost():
    xgboost = pytest.importorskip("xgboost")
    members = {"xgb": xgboost.XGBClassifier(n_estimators=5, random_state=0), "bayes": GaussianNB()}
    text = SOCPEnsemblePruner(members, cv=3, **ALL).fit(X, TREES)
    codes = SOCPEnsemblePruner(members, cv=3, **ALL).fit(X, CODES)
    same(text, codes)
    assert text.score(X, TREES) > 0.9


# Parameters by name


def test_get_params_has_members_as_a_voting_classifier_has():
    voting = VotingClassifier(pairs()).get_params()
    for estimator in (pairs(), dict(pairs())):
        params = SOCPEnsemblePruner(estimator).get_params()
        assert {name for name in voting if name.split("__")[0] in dict(pairs())} <= set(params)
        assert params["lr"] is dict(estimator)["lr"]
        assert params["lr__C"] == 1.0
    assert "lr" not in SOCPEnsemblePruner(pairs()).get_params(deep=False)
    forest = SOCPEnsemblePruner(RandomForestClassifier()).get_params()
    assert forest["estimator__max_depth"] is None


@pytest.mark.parametrize("form", [list, dict, lambda named: [m for _, m in named]])
def test_set_params_reaches_members(form):
    given = form(pairs())
    name = "lr" if isinstance(given, dict) or isinstance(given[0], tuple) else "logisticregression"
    pruner = SOCPEnsemblePruner(given, **ALL)
    assert pruner.set_params(**{f"{name}__C": 0.01, "lam": 0.1}) is pruner
    assert pruner.lam == 0.1
    members = pruner.get_params()
    assert members[name].C == 0.01
    other = GaussianNB(var_smoothing=0.1)
    pruner.set_params(**{name: other})
    assert pruner.get_params()[name] is other
    assert len(given) == 3
    assert other not in (
        given.values() if isinstance(given, dict) else given
    )  # not in the user's own
    pruner.set_params(**{name: "drop"}).fit(X, TREES)
    assert name not in pruner.member_names_in_
    assert pruner.n_members_in_ == 2
    with pytest.raises(ValueError, match="Invalid parameter 'nobody'"):
        pruner.set_params(nobody=1)
    pruner.set_params(estimator=pairs(), lr="drop")  # the new list is set first
    assert pruner.estimator[0] == ("lr", "drop")


def test_a_grid_over_members():
    pruner = SOCPEnsemblePruner(dict(pairs()), **ALL)
    grid = {
        "model__lr": ["drop", LogisticRegression(max_iter=500)],
        "model__tree__max_depth": [1, 3],
    }
    steps = Pipeline([("scale", StandardScaler()), ("model", pruner)])
    search = GridSearchCV(steps, grid, cv=3, error_score="raise").fit(X, TREES)
    sizes = {str(p["model__lr"]): 0 for p in search.cv_results_["params"]}
    assert len(sizes) == 2
    best = search.best_estimator_[-1]
    assert best.n_members_in_ == 3 - (search.best_params_["model__lr"] == "drop")


def test_a_dropped_member_is_as_one_that_is_not_there():
    dropped = [*pairs()[:2], ("gone", "drop"), pairs()[2]]
    limits = {"max_cost": 4.0, "max_per_family": 2, "keep": [3]}
    pruner = SOCPEnsemblePruner(
        dropped, costs=[1.0, 2.0, 9.0, 2.0], families=["a", "a", "b", "a"], **limits, **ALL
    ).fit(X, TREES)
    limits["keep"] = ["bayes"]
    expected = SOCPEnsemblePruner(
        pairs(), costs=[1.0, 2.0, 2.0], families=["a", "a", "a"], **limits, **ALL
    ).fit(X, TREES)
    same(pruner, expected)
    assert pruner.support_[2]
    by_name = {"lr": "a", "tree": "a", "bayes": "a", "gone": "b"}
    pruner.set_params(families=by_name, costs=[1.0, 2.0, 2.0]).fit(X, TREES)
    same(pruner, expected)
    with pytest.raises(ValueError, match="keep names 'gone', which is no member"):
        pruner.set_params(keep=[2]).fit(X, TREES)


def test_names_that_are_taken():
    tree = DecisionTreeClassifier()
    for cls, name in (
        *((SOCPEnsemblePruner, name) for name in ("alpha", "cv", "estimator", "memory")),
        *((SOCPEnsemblePrunerCV, name) for name in ("alphas", "inner_cv")),
    ):
        for estimator in ({name: tree, "b": tree}, [(name, tree), ("b", tree)]):
            pruner = cls(estimator)
            assert pruner.get_params()[name] is not tree
            assert (
                clone(pruner).get_params(deep=False).keys() == pruner.get_params(deep=False).keys()
            )
            with pytest.raises(ValueError, match=rf"\['{name}'\] cannot be names .* parameters of"):
                pruner.fit(X, TREES)
    SOCPEnsemblePruner({"alphas": GaussianNB(), "b": tree}, **ALL).fit(X, TREES)  # of the other
    with pytest.raises(ValueError, match=r"must not contain '__'.* got \['a__b'\]"):
        SOCPEnsemblePruner({"a__b": tree, "b": tree}).fit(X, TREES)
    with pytest.raises(ValueError, match=r"only members that are 'drop'"):
        SOCPEnsemblePruner({"a": "drop"}).fit(X, TREES)


# What cannot be a member


class Counted(DecisionTreeClassifier):
    fits = 0

    def fit(self, X, y, **more):
        type(self).fits += 1
        return super().fit(X, y, **more)


@pytest.mark.parametrize(
    ("cls", "member", "message"),
    [
        (
            SOCPEnsemblePruner,
            KMeans(),
            r"must have predict_proba; member 'odd' \(KMeans\) has none",
        ),
        (SOCPEnsemblePruner, LinearRegression(), r"has none. Give a classifier, or prune"),
        (
            SOCPEnsemblePruner,
            StandardScaler(),
            r"\(StandardScaler\) has none. Give an estimator with",
        ),
        (SOCPEnsemblePruner, Remote, "it holds .*class"),
        (SOCPEnsemblePruner, 3, r"it holds \('odd', 3\)"),
        (SOCPEnsemblePruner, abs, "it holds"),
        (
            SOCPEnsemblePruner,
            PlainRegressor(1.0),
            r"predict_proba; member 'odd' \(PlainRegressor\)",
        ),
        (SOCPEnsemblePrunerRegressor, KMeans(), r"'odd' \(KMeans\) is a clusterer"),
        (SOCPEnsemblePrunerRegressor, GaussianNB(), r"'odd' \(GaussianNB\) is a classifier"),
        (SOCPEnsemblePrunerRegressor, Plain(1), r"must have predict; member 'odd' \(Plain\)"),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_is_refused_before_any_training(cls, member, message):
    Counted.fits = 0
    first = Counted() if cls is SOCPEnsemblePruner else DecisionTreeRegressor()
    y = TREES if cls is SOCPEnsemblePruner else NUMBERS
    for estimator in ([("first", first), ("odd", member)], {"first": first, "odd": member}):
        with pytest.raises(TypeError, match=message):
            cls(estimator).fit(X, y)
    assert Counted.fits == 0
    assert not hasattr(first, "tree_")


@pytest.mark.parametrize(
    ("frozen", "message"),
    [
        (LogisticRegression(), "FrozenEstimator, needs fitted members, and 'odd' is not fitted"),
        (GaussianNB().fit(X, CODES + 7), r"GaussianNB knows classes \[7 8 9\]|does not have"),
        (GaussianNB().fit(X[:, :3], TREES), "expecting 3 features"),
        (GaussianMixture(2).fit(X), r"'odd' \(GaussianMixture\) is a density_estimator"),
        (KMeans(2, n_init=1).fit(X), r"member 'odd' \(KMeans\) has none"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_fitted_members_are_looked_at_before_others_are_trained(frozen, message):
    Counted.fits = 0
    estimator = {"first": Counted(), "odd": FrozenEstimator(frozen)}
    with pytest.raises((TypeError, ValueError), match=message):
        SOCPEnsemblePruner(estimator).fit(X, TREES)
    assert Counted.fits == 0


def test_messages_say_what_to_do():
    for estimator, error, message in [
        (
            [GaussianNB],
            TypeError,
            r"the class GaussianNB. Give an instance of it, .*GaussianNB\(\)",
        ),
        ({1: GaussianNB()}, TypeError, "names in estimator must be text"),
        ([("a", "passthrough")], ValueError, r"To leave a member out, give .*'drop'"),
        (["drop", GaussianNB()], ValueError, r"To leave a member out, give .*'drop'"),
        ([("a", None)], TypeError, "To leave a member out"),
        ([("self", GaussianNB())], ValueError, "cannot be names"),
        (MappingProxyType({"a": GaussianNB()}), TypeError, "got mappingproxy"),
    ]:
        with pytest.raises(error, match=message):
            SOCPEnsemblePruner(estimator).fit(X, TREES)


def test_what_a_member_lacks_in_a_bare_list():
    with pytest.raises(TypeError, match=r"predict_proba; member 'kmeans' \(KMeans\) has none"):
        SOCPEnsemblePruner([GaussianNB(), KMeans()]).fit(X, TREES)
    with pytest.raises(TypeError, match="it holds None"):
        SOCPEnsemblePruner([GaussianNB(), None]).fit(X, TREES)


# Predictions by name


def test_predictions_of_members_by_their_names():
    pruner = SOCPEnsemblePruner(dict(pairs()), **ALL).fit(X, TREES)
    P = pruner.member_predict_proba(X)
    assert list(P) == ["lr", "tree", "bayes"]
    for name, member in zip(P, pruner.estimators_, strict=True):
        np.testing.assert_array_equal(P[name], member.predict_proba(X))
    forest = RandomForestClassifier(5, random_state=0)
    unnamed = SOCPEnsemblePruner(forest, **ALL).fit(X, TREES)
    assert unnamed.member_predict_proba(X).shape == (unnamed.n_members_, 150, 3)
    members = {"ridge": Ridge(), "tree": DecisionTreeRegressor(max_depth=2)}
    numbers = SOCPEnsemblePrunerRegressor(members, **ALL).fit(X, NUMBERS)
    for name, predicted in numbers.member_predict(X).items():
        member = numbers.estimators_[list(members).index(name)]
        np.testing.assert_array_equal(predicted[:, 0], member.predict(X))


def test_predictions_by_name_are_combined():
    pruner = SOCPEnsemblePruner(dict(pairs()), **ALL).fit(X, TREES)
    np.testing.assert_array_equal(
        pruner.combine(pruner.member_predict_proba(X)), pruner.predict_proba(X)
    )
    shuffled = dict(reversed(pruner.member_predict_proba(X).items()))
    np.testing.assert_array_equal(pruner.combine(shuffled), pruner.predict_proba(X))
    P = {name: m.fit(X, CODES == 1).predict_proba(X)[:, 1] for name, m in pairs()}
    by_frame = SOCPEnsemblePruner().fit_predictions(pd.DataFrame(P), CODES == 1)
    by_dict = SOCPEnsemblePruner().fit_predictions(P, CODES == 1)
    np.testing.assert_array_equal(by_dict.weights_, by_frame.weights_)
    assert by_dict.member_names_in_.tolist() == list(P)
    np.testing.assert_array_equal(by_dict.combine(P), by_frame.combine(pd.DataFrame(P)))
    full = {name: m.fit(X, TREES).predict_proba(X) for name, m in reversed(pairs())}
    assert SOCPEnsemblePruner().fit_predictions(full, TREES).n_members_in_ == 3
    kept = by_dict.member_names_in_[by_dict.support_].tolist()
    with pytest.raises(ValueError, match="P must have an entry for each member; it lacks"):
        by_dict.combine({name: P[name] for name in kept[1:]})
    forest = SOCPEnsemblePruner(RandomForestClassifier(5, random_state=0), **ALL).fit(X, TREES)
    with pytest.raises(ValueError, match="names, and the members of this pruner have none"):
        forest.combine(full)


def test_a_voting_ensemble_without_pairs_is_refused_by_its_own_fit():
    with pytest.raises((TypeError, ValueError, AttributeError)) as of_its_own:
        VotingClassifier([GaussianNB()], voting="soft").fit(X, TREES)
    with pytest.raises(of_its_own.type):
        SOCPEnsemblePruner(VotingClassifier([GaussianNB()], voting="soft")).fit(X, TREES)


def test_members_of_a_voting_ensemble_have_its_names():
    voting = VotingClassifier([*pairs(), ("gone", "drop")], voting="soft")
    pruner = SOCPEnsemblePruner(voting, keep=["bayes"], **ALL).fit(X, TREES)
    assert pruner.member_names_in_.tolist() == ["lr", "tree", "bayes"]
    assert list(pruner.member_predict_proba(X)) == ["lr", "tree", "bayes"]
    assert pruner.set_params(estimator__tree="drop").fit(X, TREES).n_members_in_ == 2


def test_reports_know_members_that_came_fitted():
    fitted = [Plain(depth) for depth in (1, 2, 3)]
    for member in fitted:
        member.fit(X[:90], TREES[:90])
    pruner = SOCPEnsemblePruner([Remote(m) for m in fitted]).fit(X[90:], TREES[90:])
    report = pruning_report(pruner, X, TREES)
    scores = [m.tree.score(X, TREES) for m in fitted]
    assert report.n_full == 3
    np.testing.assert_allclose(report.full_members.maximum, max(scores))
    np.testing.assert_allclose(report.full_members.minimum, min(scores))


def test_names_of_a_plain_list_are_saved():
    members = [m.fit(X[:90], TREES[:90]) for _, m in pairs()]
    pruner = SOCPEnsemblePruner(members, cv="prefit", **ALL).fit(X[90:], TREES[90:])
    again = pickle.loads(pickle.dumps(pruner))
    assert [name for name, _ in again.estimator] == pruner.member_names_in_.tolist()


def test_names_of_frames_that_were_given():
    P = pd.DataFrame({n: m.fit(X, CODES == 1).predict_proba(X)[:, 1] for n, m in pairs()})
    frozen = {name: FrozenEstimator(member.fit(X, CODES == 1)) for name, member in pairs()}
    pruner = SOCPEnsemblePruner(frozen).fit_predictions(P[["bayes", "lr", "tree"]], CODES == 1)
    assert set(pruner.member_predict_proba(X)) <= set(P.columns)
    assert pruner.member_names_in_.tolist() == list(P.columns)


@pytest.mark.parametrize("routing", [False, True])
def test_metadata_goes_to_members_of_a_dict(routing):
    weight = np.linspace(0.1, 2, 150)
    with sklearn.config_context(enable_metadata_routing=routing):
        members = dict(pairs())
        if routing:
            members = {n: m.set_fit_request(sample_weight=True) for n, m in members.items()}
        weighted = SOCPEnsemblePruner(members, **ALL).fit(X, TREES, sample_weight=weight)
        in_list = SOCPEnsemblePruner(list(members.items()), **ALL)
        same(weighted, in_list.fit(X, TREES, sample_weight=weight))
        unweighted = SOCPEnsemblePruner(members, **ALL).fit(X, TREES)
        assert (weighted.estimators_[0].coef_ != unweighted.estimators_[0].coef_).all()


def test_fitted_members_are_said_to_be_trained_again(capsys):
    members = {name: member.fit(X, TREES) for name, member in pairs()}
    members["frozen"] = FrozenEstimator(GaussianNB().fit(X, TREES))
    members["new"] = GaussianNB()
    SOCPEnsemblePruner(members, **ALL).fit(X, TREES)
    assert capsys.readouterr().out == ""
    SOCPEnsemblePruner(members, verbose=1, **ALL).fit(X, TREES)
    said = capsys.readouterr().out
    assert "fitted members are trained again: 'lr', 'tree', 'bayes'; to keep" in said
    assert "FrozenEstimator" in said
    assert "'new'" not in said

"""Which rows members are calibrated on: groups, few rows of a class, rows that members know."""

import warnings

import numpy as np
import pytest
import sklearn
from sklearn.datasets import load_diabetes, load_digits, make_classification
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    StratifiedGroupKFold,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skprune import (
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
    SOCPEnsemblePrunerRegressorCV,
)

FEW = "too few to compare members on"
KNOWN = "calibration rows are predicted right by"
DRAWN = "The calibration rows seem to be those"
SMALL = {"alphas": [1.0], "lams": [0.05, 0.2], "reweights": [0.5], "n_resamples": 2, "inner_cv": 3}

N = 240
GROUPS = np.arange(N) % 12
rng = np.random.default_rng(0)
X = np.column_stack([GROUPS, rng.normal(size=(N, 3))])
Y = (X[:, 1] + rng.normal(size=N) > 0).astype(int)


class Seen:
    """A member that remembers the groups, the first column, of the rows of its training."""

    groups: list = []

    def fit(self, X, y):
        self.known = set(X[:, 0].tolist())
        type(self).groups.append(self.known)

    def predict_proba(self, X):
        assert not self.known & set(X[:, 0].tolist()), "a group on both sides"
        p = 0.5 + 0.1 * np.tanh(X[:, 1])
        return np.column_stack([1 - p, p])


# Groups


@pytest.mark.parametrize(
    "cv", ["auto", 0.25, GroupKFold(4), StratifiedGroupKFold(3), LeaveOneGroupOut()]
)
@pytest.mark.parametrize("cls", [SOCPEnsemblePruner, SOCPEnsemblePrunerCV])
def test_no_group_is_on_both_sides(cls, cv):
    class Alone(Seen):
        groups: list = []

    params = SMALL if cls is SOCPEnsemblePrunerCV else {}
    cls([Alone(), Alone()], cv=cv, random_state=0, **params).fit(X, Y, groups=GROUPS)
    assert Alone.groups


@pytest.mark.parametrize("routing", [False, True])
def test_inner_folds_do_not_split_groups(routing):
    tested = []

    class Watched(StratifiedGroupKFold):
        def split(self, X, y, groups=None):
            for train, test in super().split(X, y, groups):
                assert not set(groups[train]) & set(groups[test])
                tested.append(test)
                yield train, test

    P = rng.uniform(0.2, 0.8, size=(4, N))
    members = [FrozenEstimator(_Told(p)) for p in P]
    with sklearn.config_context(enable_metadata_routing=routing):
        pruner = SOCPEnsemblePrunerCV(members, **SMALL | {"inner_cv": Watched(3)}, random_state=0)
        pruner.fit(np.arange(N)[:, None], Y, groups=GROUPS)
    assert len(tested) >= 3


class _Told:
    """A fitted member that predicts what it is told for each row number."""

    classes_ = np.array([0, 1])

    def __init__(self, p):
        self.p = p

    def fit(self, X, y):
        raise AssertionError("it is fitted")

    def predict_proba(self, X):
        p = self.p[np.asarray(X)[:, 0].astype(int)]
        return np.column_stack([1 - p, p])


def test_a_group_that_is_split_looks_too_good():
    """Each member knows the rows of one group, and no other: whole groups show that none helps."""
    y = np.random.default_rng(3).integers(2, size=40)
    group = np.repeat(np.arange(40), 6)
    P = np.full((40, 240), 0.5)
    for i in range(40):
        P[i, group == i] = 0.95 if y[i] else 0.05
    members, rows = [FrozenEstimator(_Told(p)) for p in P], np.arange(240)[:, None]
    pruner = SOCPEnsemblePrunerCV(members, random_state=0, **SMALL | {"lams": [0.01]})
    assert pruner.fit(rows, y[group]).nested_score_ > 0.95
    assert pruner.fit(rows, y[group], groups=group).nested_score_ < 0.75


def test_a_group_of_targets_that_is_split_looks_too_good():
    group = np.repeat(np.arange(40), 6)
    y = np.random.default_rng(3).normal(size=40)[group]
    F = np.where(group == np.arange(40)[:, None], y, 0.0)  # each member knows one group
    members, rows = [FrozenEstimator(_ToldTarget(f)) for f in F], np.arange(240)[:, None]
    pruner = SOCPEnsemblePrunerRegressorCV(members, random_state=0, **SMALL | {"lams": [0.01]})
    assert pruner.fit(rows, y).nested_score_ > 0.2
    assert pruner.fit(rows, y, groups=group).nested_score_ < 0.05


class _ToldTarget:
    def __init__(self, f):
        self.f = f

    def fit(self, X, y):
        raise AssertionError("it is fitted")

    def predict(self, X):
        return self.f[np.asarray(X)[:, 0].astype(int)]


class Fickle(KFold):
    """Other folds each time, as a splitter without a seed: good ones first."""

    calls = 0

    def split(self, X, y=None, groups=None):
        type(self).calls += 1
        order = np.arange(len(X)) if self.calls == 1 else np.argsort(y, kind="stable")
        for test in np.array_split(order, self.n_splits):
            yield np.setdiff1d(order, test), test


def test_folds_that_differ_in_the_search_are_checked_there():
    p = np.clip(0.5 + 0.2 * rng.normal(size=N), 0.1, 0.9)
    members = [FrozenEstimator(_Told(p)), FrozenEstimator(_Told(1 - p))]
    params = SMALL | {"inner_cv": Fickle(4), "scoring": "roc_auc"}
    with pytest.raises(ValueError, match=r"gives fold 0 no row of class 1, .*roc_auc"):
        SOCPEnsemblePrunerCV(members, **params).fit(np.arange(N)[:, None], Y)
    assert Fickle.calls == 2


@pytest.mark.parametrize(
    ("groups", "params", "message"),
    [
        (GROUPS[:-1], {}, "groups must have one group a row.*inconsistent"),
        (np.stack([GROUPS] * 2, axis=1), {}, "groups must have one group a row"),
        (np.where(GROUPS, np.nan, 1.0), {}, "groups must have one group a row.* NaN"),
        (np.array([None, "a"] * 120, dtype=object), {}, "groups must have .* none missing"),
        (np.array([1, "a"] * 120, dtype=object), {}, "groups must have .* all numbers or all text"),
        (np.zeros(N), {}, r"cv=0.25 of 1 group\(s\) leaves none"),
        (GROUPS, {"cv": 3}, "groups cannot be used with cv=3"),
        (GROUPS, {"cv": KFold(3)}, "trains and calibrates on rows of the same"),
        (GROUPS % 4, {"inner_cv": 3}, "inner_cv=3 cannot split the .* of 1 groups"),
        (GROUPS, {"inner_cv": KFold(3)}, "inner_cv=KFold.* rows of one group in several folds"),
    ],
)
@pytest.mark.filterwarnings("ignore:The groups parameter is ignored by KFold")
def test_wrong_groups_are_refused_before_training(groups, params, message):
    class Untrainable(Seen):
        def fit(self, X, y):
            raise AssertionError("trained before the groups were looked at")

    cls = SOCPEnsemblePrunerCV if "inner_cv" in params else SOCPEnsemblePruner
    with pytest.raises(ValueError, match=message):
        cls([Untrainable(), Untrainable()], **params).fit(X, Y, groups=groups)


SICK = (GROUPS >= 9).astype(int)
SORTED = np.argsort(SICK, kind="stable")


@pytest.mark.parametrize(
    ("rows", "groups", "cv", "inner_cv"),
    [(np.arange(N), GROUPS, GroupKFold(3), 6), (SORTED, None, KFold(5), KFold(6))],
)
def test_inner_folds_lack_a_class_that_the_scorer_needs(rows, groups, cv, inner_cv):
    """Of three sick patients six folds have none in some."""
    params = SMALL | {"inner_cv": inner_cv, "scoring": "roc_auc"}
    message = r"inner_cv=.* gives fold \d no row of class 1, .*roc_auc"
    for seed in (0, None):
        with pytest.raises(ValueError, match=message):  # before any training
            SOCPEnsemblePrunerCV([_Told(0.5), _Told(0.5)], cv=cv, random_state=seed, **params).fit(
                X[rows], SICK[rows], groups=groups
            )
    pruner = SOCPEnsemblePrunerCV(members(), cv=cv, random_state=0, **params)
    with pytest.raises(ValueError, match=r"inner_cv=.* gives fold \d no row of class 1, .*roc_auc"):
        pruner.fit(X[rows], SICK[rows], groups=groups)
    pruner.set_params(scoring="neg_log_loss").fit(X[rows], SICK[rows], groups=groups)
    assert np.isfinite(pruner.nested_score_)


def test_held_out_groups_leave_every_class_to_train_on():
    """The class of two patients: other draws are tried until one of them is trained on."""
    y = np.where(GROUPS < 2, 2, Y)
    for seed in range(10):
        pruner = SOCPEnsemblePruner(members(), random_state=seed).fit(X, y, groups=GROUPS)
        assert pruner.classes_.tolist() == [0, 1, 2]
    pruner = SOCPEnsemblePruner(members(), cv=0.9, random_state=0)
    with pytest.raises(ValueError, match=r"Classes .* are in the held-out groups only, in each"):
        pruner.fit(X, GROUPS % 6, groups=GROUPS)  # one patient is left to train on


def test_groups_of_a_frozen_forest_out_of_bag():
    forest = FrozenEstimator(RandomForestClassifier(10, random_state=0).fit(X, Y))
    with pytest.raises(ValueError, match="groups cannot be used with cv='oob'"):
        SOCPEnsemblePruner(forest, cv="oob").fit(X, Y, groups=GROUPS)


def test_groups_through_a_pipeline_and_a_grid():
    members = {"lr": LogisticRegression(), "bayes": GaussianNB()}
    steps = make_pipeline(StandardScaler(), SOCPEnsemblePruner(members, random_state=0))
    steps.fit(X, Y, socpensemblepruner__groups=GROUPS)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = make_pipeline(StandardScaler(), SOCPEnsemblePruner(members, random_state=0))
        routed.fit(X, Y, groups=GROUPS)
        np.testing.assert_array_equal(routed[-1].weights_, steps[-1].weights_)
        # These members raise if a group is on both sides, inside each fold of the search, too.
        watched = SOCPEnsemblePruner([Seen(), Seen()], random_state=0)
        search = GridSearchCV(watched, {"lam": [0.0, 0.1]}, cv=GroupKFold(3), error_score="raise")
        search.fit(X, Y, groups=GROUPS)
        assert np.isfinite(search.best_score_)


def test_rows_without_weight_have_no_group():
    weight = np.where(GROUPS < 6, 1.0, 0.0)
    members = {"lr": LogisticRegression(), "bayes": GaussianNB()}
    pruner = SOCPEnsemblePrunerCV(members, cv=GroupKFold(3), random_state=0, **SMALL)
    pruner.fit(X, Y, sample_weight=weight, groups=GROUPS)
    assert np.isfinite(pruner.nested_scores_).all()


# Few rows of a class


def imbalanced(n_positive, n_rows=2000):
    X, y = make_classification(n_rows, 6, weights=[0.5], class_sep=0.5, random_state=0)
    keep = np.sort(np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:n_positive]])
    return X[keep], np.array(["no", "yes"])[y[keep]]


def members():
    return {"lr": LogisticRegression(), "tree": DecisionTreeClassifier(max_depth=2, random_state=0)}


def said(fit):
    """Warnings of a fit about its rows, which point at this file."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(compile("\n\nfit()", "of the user", "exec"), {"fit": fit, "__name__": "user"})
    places = [(each.filename, each.lineno) for each in caught]
    assert set(places) <= {(__file__, fit.__code__.co_firstlineno)}
    # Of two or three members a single one may be better than the selection.
    messages = [str(each.message) for each in caught]
    return [each for each in messages if not each.startswith("The cross-validated score")]


def test_few_held_out_rows_of_a_class():
    X, y = imbalanced(20)
    for cls, more in ((SOCPEnsemblePruner, {}), (SOCPEnsemblePrunerCV, SMALL)):
        pruner = cls(members(), random_state=0, **more)
        (message,) = said(lambda p=pruner: p.fit(X, y))
        n_rows = round(0.25 * len(y))
        assert message.startswith(f"Class 'yes' has 5 of the {n_rows} calibration rows: {FEW}.")
        assert message.endswith(f"Give cv=5, whose folds calibrate on all {len(y)} rows.")
        assert said(lambda p=pruner: p.set_params(cv=5).fit(X, y)) == []


@pytest.mark.parametrize(("n_positive", "expected"), [(7, 1), (8, 0)])
def test_eight_rows_are_enough(n_positive, expected):
    X, y = imbalanced(200)
    fitted = {n: FrozenEstimator(m.fit(X, y)) for n, m in members().items()}
    X, y = imbalanced(n_positive)
    pruner = SOCPEnsemblePruner(fitted)
    assert len(said(lambda: pruner.fit(X, y))) == expected
    blocks = [(X[:500], y[:500]), (X[500:], y[500:])]
    assert len(said(lambda: pruner.fit_blocks(blocks))) == expected
    P = np.stack([m.predict_proba(X) for m in fitted.values()])
    assert len(said(lambda: pruner.fit_predictions(P, y))) == expected
    assert len(said(lambda: SOCPEnsemblePruner().fit_predictions(P, y))) == expected
    heavy = np.ones(len(y))
    heavy[np.flatnonzero(y == "yes")[:1]] = 0  # does not count
    messages = said(lambda: pruner.fit(X, y, sample_weight=heavy))
    assert f"'yes' has {n_positive - 1} of" in messages[0]


def test_a_class_that_members_know_and_no_row_has():
    X, y = load_digits(return_X_y=True)
    fitted = {n: FrozenEstimator(m.fit(X[:900], y[:900])) for n, m in members().items()}
    rows = np.flatnonzero((y != 3) & (np.arange(len(y)) >= 900))
    (message,) = said(lambda: SOCPEnsemblePruner(fitted).fit(X[rows], y[rows]))
    assert f"Class 3 has 0 of the {len(rows)} calibration rows" in message


def test_folds_and_out_of_bag_rows_are_few_too():
    X, y = imbalanced(4)
    for pruner in (
        SOCPEnsemblePruner(members(), cv=4, random_state=0),
        SOCPEnsemblePruner(RandomForestClassifier(20, random_state=0)),
    ):
        (message,) = said(lambda p=pruner: p.fit(X, y))
        assert f"Class 'yes' has 4 of the {len(y)} calibration rows" in message
        assert message.endswith("Give more rows of it.")
    held_out = SOCPEnsemblePruner(members(), random_state=0)
    assert said(lambda: held_out.fit(X, y))[0].endswith("Give more rows of it.")  # not five folds
    X, y = imbalanced(12)
    groups = np.where(y == "yes", 0, np.arange(len(y)) % 20)
    few_groups = SOCPEnsemblePruner(members(), cv=0.5, random_state=0)
    message = said(lambda: few_groups.fit(X, y, groups=np.where(y == "yes", groups - 1, groups)))[0]
    assert message.endswith("Give more rows of it.")  # they are in one group
    one_split = SOCPEnsemblePruner(members(), cv=[(np.arange(300), np.arange(300, 400))])
    X, y = imbalanced(20)
    assert "cv=5" in said(lambda: one_split.fit(X, y))[0]


def test_few_rows_of_many_classes_and_groups():
    X, y = load_digits(return_X_y=True)
    rows = np.concatenate([np.flatnonzero(y == c)[:12] for c in range(10)])
    pruner = SOCPEnsemblePruner(members(), random_state=0)
    (message,) = said(lambda: pruner.fit(X[rows], y[rows], groups=np.arange(120) // 2))
    assert message.count(" has ") == 5
    assert "and 5 more classes have less than 8" in message
    assert "cv=StratifiedGroupKFold(5)" in message


def test_targets_have_no_classes():
    D, t = load_diabetes(return_X_y=True)
    pruner = SOCPEnsemblePrunerRegressor([Ridge(), DecisionTreeRegressor(max_depth=2)])
    assert said(lambda: pruner.fit(D, t)) == []


# Rows that members know

DIGITS, LABELS = load_digits(return_X_y=True)
TRAIN, REST = slice(0, 900), slice(900, 1797)


@pytest.fixture(scope="module")
def fitted():
    models = {
        "forest": RandomForestClassifier(30, random_state=0),
        "extra": ExtraTreesClassifier(30, random_state=0),
        "bayes": GaussianNB(),
    }
    return {name: m.fit(DIGITS[TRAIN], LABELS[TRAIN]) for name, m in models.items()}


def frozen(models):
    return {name: FrozenEstimator(model) for name, model in models.items()}


def test_members_that_are_perfect_where_others_are_not(fitted):
    for cls, more in ((SOCPEnsemblePruner, {}), (SOCPEnsemblePrunerCV, SMALL)):
        pruner = cls(frozen(fitted), random_state=0, **more)
        drawn, message = said(lambda p=pruner: p.fit(DIGITS[TRAIN], LABELS[TRAIN]))
        assert drawn.startswith("The calibration rows seem to be those that 'forest' learned from")
        assert message.startswith(f"All 900 {KNOWN} 'forest', 'extra', and the best other one ")
        assert "calibrate on others" in message
        assert said(lambda p=pruner: p.fit(DIGITS[REST], LABELS[REST])) == []
    blocks = [(DIGITS[TRAIN], LABELS[TRAIN])]
    (message,) = said(lambda: SOCPEnsemblePruner(frozen(fitted)).fit_blocks(blocks))
    assert KNOWN in message


def test_predictions_that_are_perfect(fitted):
    P = np.stack([m.predict_proba(DIGITS[TRAIN]) for m in fitted.values()])
    (message,) = said(lambda: SOCPEnsemblePruner().fit_predictions(P, LABELS[TRAIN]))
    assert f"{KNOWN} member 0, member 1, and the best other one" in message


def test_beside_members_to_train(fitted):
    mixed = {**frozen({"forest": fitted["forest"]}), "new": GaussianNB()}
    pruner = SOCPEnsemblePruner(mixed, random_state=0)
    (message,) = said(lambda: pruner.fit(DIGITS[TRAIN], LABELS[TRAIN]))
    assert f"All 225 {KNOWN} 'forest', and" in message


def test_members_that_were_trained_now_may_be_perfect():
    y = np.arange(400) % 2
    X = np.column_stack([y, rng.normal(size=400)])
    members = {"right": DecisionTreeClassifier(max_depth=1), "noise": _Noise()}
    assert said(lambda: SOCPEnsemblePruner(members, random_state=0).fit(X, y)) == []
    frozen_one = {**members, "right": FrozenEstimator(members["right"].fit(X, y))}
    assert KNOWN in said(lambda: SOCPEnsemblePruner(frozen_one, random_state=0).fit(X, y))[0]


class _Noise:
    def fit(self, X, y):
        pass

    def predict_proba(self, X):
        p = np.where(np.arange(len(X)) % 3, 0.6, 0.4)
        return np.column_stack([1 - p, p])


def test_forests_of_a_list_that_are_not_perfect():
    """Each tree is better on rows that it drew, although its leaves hold three rows."""
    train, y = DIGITS[TRAIN], LABELS[TRAIN]
    forests = {
        f"f{m}": RandomForestClassifier(20, min_samples_leaf=m, random_state=0).fit(train, y)
        for m in (3, 5)
    }
    pruner = SOCPEnsemblePruner(frozen(forests))
    (message,) = said(lambda: pruner.fit(train, y))
    assert message.startswith("The calibration rows seem to be those that 'f3', 'f5' learned from")
    assert said(lambda: pruner.fit(DIGITS[897:], LABELS[897:])) == []
    text = {name: FrozenEstimator(f.fit(train, y.astype(str))) for name, f in forests.items()}
    assert len(said(lambda: SOCPEnsemblePruner(text).fit(train, y.astype(str)))) == 1
    numbers = RandomForestRegressor(20, min_samples_leaf=3, random_state=0).fit(train, y)
    given = {"forest": FrozenEstimator(numbers), "ridge": FrozenEstimator(Ridge().fit(train, y))}
    assert "'forest' learned" in said(lambda: SOCPEnsemblePrunerRegressor(given).fit(train, y))[0]


def test_all_are_perfect(fitted):
    two = frozen({name: fitted[name] for name in ("forest", "extra")})
    _, message = said(lambda: SOCPEnsemblePruner(two).fit(DIGITS[TRAIN], LABELS[TRAIN]))
    assert "so there is nothing to choose by" in message
    few = slice(0, 40)  # chance
    assert KNOWN not in "".join(said(lambda: SOCPEnsemblePruner(two).fit(DIGITS[few], LABELS[few])))


def test_nearly_as_good_as_the_others_is_no_sign():
    y = np.arange(300) % 2
    right = np.where(y, 0.9, 0.1)
    for n_wrong, expected in ((9, 0), (10, 1)):
        other = right.copy()
        other[:n_wrong] = 1 - other[:n_wrong]
        P = np.stack([right, other])
        assert len(said(lambda P=P: SOCPEnsemblePruner().fit_predictions(P, y))) == expected


@pytest.mark.parametrize(
    ("ensemble", "cls"),
    [
        (RandomForestClassifier(20, random_state=0), SOCPEnsemblePruner),
        (BaggingClassifier(n_estimators=20, max_samples=0.5, random_state=0), SOCPEnsemblePruner),
        (RandomForestRegressor(20, random_state=0), SOCPEnsemblePrunerRegressor),
    ],
    ids=lambda each: getattr(each, "__name__", type(each).__name__),
)
def test_rows_that_an_ensemble_drew(ensemble, cls):
    model = FrozenEstimator(ensemble.fit(DIGITS[TRAIN], LABELS[TRAIN]))
    (message,) = said(lambda: cls(model).fit(DIGITS[TRAIN], LABELS[TRAIN]))
    assert message.startswith(DRAWN)
    assert "Call fit with cv='oob'" in message
    blocks = [(DIGITS[:500], LABELS[:500]), (DIGITS[500:900], LABELS[500:900])]
    assert said(lambda: cls(model).fit_blocks(blocks))[0].startswith(DRAWN)
    assert said(lambda: cls(model, cv="oob").fit(DIGITS[TRAIN], LABELS[TRAIN])) == []
    # As many other rows, and another number of them.
    for rows in (slice(897, 1797), REST):
        assert said(lambda rows=rows: cls(model).fit(DIGITS[rows], LABELS[rows])) == []


def test_members_that_learn_little_of_their_rows_are_no_sign():
    stumps = BaggingClassifier(DecisionTreeClassifier(max_depth=1), 20, random_state=0)
    X, y = make_classification(900, 8, flip_y=0.2, random_state=0)
    model = FrozenEstimator(stumps.fit(X, y))
    assert said(lambda: SOCPEnsemblePruner(model).fit(X, y)) == []


def test_chance_is_no_sign():
    """Few trees and rows: on average those that they drew are predicted better now and then."""
    for seed in range(12):
        X, y = make_classification(300, 5, flip_y=0.3, random_state=seed)
        forest = RandomForestClassifier(2, random_state=seed).fit(X[:150], y[:150])
        pruner = SOCPEnsemblePruner(FrozenEstimator(forest))
        assert said(lambda p=pruner, X=X, y=y: p.fit(X[150:], y[150:])) == []


def test_regressors_that_are_nearly_as_good_are_no_sign():
    y = np.random.default_rng(0).normal(size=200)
    noise = np.random.default_rng(1).normal(size=200)
    for size, expected in ((0.01, 0), (0.1, 1)):
        P = np.stack([y, y + size * noise])
        fit = SOCPEnsemblePrunerRegressor().fit_predictions
        assert len(said(lambda P=P, fit=fit: fit(P, y))) == expected


def test_regressors_that_are_perfect():
    D, t = load_diabetes(return_X_y=True)
    models = {"tree": DecisionTreeRegressor(random_state=0).fit(D, t), "ridge": Ridge().fit(D, t)}
    (message,) = said(lambda: SOCPEnsemblePrunerRegressor(frozen(models)).fit(D, t))
    assert f"All 442 {KNOWN} 'tree', and the best other one has an R^2 of 0." in message

"""Calibration on the rows that members of forests and bags did not draw."""

import numpy as np
import pytest
from joblib import Memory
from scipy.optimize import minimize_scalar
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_diabetes, make_classification
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss, r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from skprune import (
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
    SOCPEnsemblePrunerRegressorCV,
)

from .conftest import ALL, CountingBag, Diary

VOTES = [{}, {"voting": "soft"}, {"voting": "soft", "calibrate": "temperature"}, {"voting": "hard"}]


def classes(n=400, seed=0, **about):
    about = {"n_features": 10, "n_informative": 6, "n_classes": 3, "flip_y": 0.1} | about
    return make_classification(n, random_state=seed, **about)


def forest(n=30, **params):
    return RandomForestClassifier(n, random_state=0, **params)


def ensemble_of(cls, **params):
    kind = RandomForestRegressor if "Regressor" in cls.__name__ else RandomForestClassifier
    return kind(20, random_state=0, **params)


def data_of(cls):
    return load_diabetes(return_X_y=True) if "Regressor" in cls.__name__ else classes()


class Stored(BaggingClassifier):
    """A bag that says which rows its members were trained on."""

    @property
    def estimators_samples_(self):
        return self.samples


# Where members are calibrated


def test_members_are_scored_on_rows_that_they_did_not_draw():
    X, y = classes()
    trained = forest().fit(X, y)
    pruner = SOCPEnsemblePruner(FrozenEstimator(trained), cv="oob", random_state=0).fit(X, y)
    for tree, drawn, score in zip(
        trained.estimators_, trained.estimators_samples_, pruner.frontier_.member_score, strict=True
    ):
        out = np.setdiff1d(np.arange(400), drawn)
        right = y[out] == trained.classes_[tree.predict(X[out]).astype(int)]
        assert score == pytest.approx(right.mean())


@pytest.mark.filterwarnings("ignore:Some inputs do not have OOB", "ignore:invalid value")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", [RandomForestClassifier, BaggingClassifier])
def test_votes_of_all_are_those_of_scikit_learn(kind, weighted):
    """scikit-learn averages the out-of-bag members of a row; rows are drawn by their weights."""
    X, y = classes()
    weight = np.random.default_rng(0).exponential(1, 400) ** 2 if weighted else None
    trained = kind(n_estimators=60, oob_score=True, random_state=0).fit(X, y, weight)
    soft = {"voting": "soft", "random_state": 0}
    full = SOCPEnsemblePruner(FrozenEstimator(trained), cv="oob", **soft).fit(X, y).frontier_
    votes = trained.oob_decision_function_
    known = np.isfinite(votes).all(axis=1) & (votes.sum(axis=1) > 0)
    # What is filled in are the same members again, in other shares.
    right = votes[known].argmax(axis=1) == y[known]
    assert abs(full.full_score - right.mean()) < 0.04
    for member, drawn, score in zip(
        trained.estimators_, trained.estimators_samples_, full.member_score, strict=True
    ):
        out = np.setdiff1d(np.arange(400), drawn)
        assert score == pytest.approx((member.predict(X[out]) == y[out]).mean())


def test_regressors_are_scored_on_rows_that_they_did_not_draw():
    X, y = load_diabetes(return_X_y=True)
    trained = BaggingRegressor(n_estimators=15, max_features=0.5, random_state=0).fit(X, y)
    pruner = SOCPEnsemblePrunerRegressor(FrozenEstimator(trained), cv="oob", random_state=0)
    pruner.fit(X, y)
    for i, drawn in enumerate(trained.estimators_samples_):
        out = np.setdiff1d(np.arange(len(y)), drawn)
        member, columns = trained.estimators_[i], trained.estimators_features_[i]
        assert pruner.frontier_.member_score[i] == pytest.approx(
            r2_score(y[out], member.predict(X[out][:, columns]))
        )


@pytest.mark.parametrize("params", VOTES)
def test_what_members_say_of_their_training_rows_does_not_count(params):
    """On noise every tree is right on its training rows, and no better than chance elsewhere."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(600, 5)), rng.integers(0, 2, 600)
    search = SOCPEnsemblePrunerCV(
        forest(), cv="oob", lams=[0.05, 0.3], n_resamples=2, random_state=0, **params
    ).fit(X, y)
    assert abs(search.nested_score_ - 0.5) < 3 * np.sqrt(0.25 / 600)
    assert forest().fit(X, y).score(X, y) > 0.99


def test_every_member_is_trained_once_on_all_rows(tmp_path):
    X, y = classes()
    for cv, rows in (("auto", "400\n"), ("oob", "400\n"), (0.25, "300\n")):
        bag = CountingBag(log=tmp_path / str(cv), random_state=0)
        SOCPEnsemblePruner(bag, cv=cv, random_state=0).fit(X, y)
        assert (tmp_path / str(cv)).read_text() == rows


@pytest.mark.parametrize(("cls", "params"), ALL)
def test_a_fitted_ensemble_gives_what_training_it_gives(cls, params):
    X, y = data_of(cls)
    params = {"random_state": 0} | params
    trained = cls(ensemble_of(cls), cv="oob", **params).fit(X, y)
    fitted = FrozenEstimator(ensemble_of(cls).fit(X, y))
    frozen = cls(fitted, cv="oob", **params).fit(X, y)
    np.testing.assert_array_equal(frozen.weights_, trained.weights_)
    np.testing.assert_array_equal(frozen.predict(X), trained.predict(X))
    auto = cls(ensemble_of(cls), **params).fit(X, y)
    np.testing.assert_array_equal(auto.weights_, trained.weights_)


@pytest.mark.parametrize(("cls", "params"), ALL)
def test_the_same_for_every_number_of_jobs_and_from_the_cache(cls, params, tmp_path):
    X, y = data_of(cls)
    pruner = cls(ensemble_of(cls), **{"random_state": 0} | params)
    plain = pruner.fit(X, y).weights_
    for more in ({"n_jobs": 2}, {"memory": tmp_path}, {"memory": tmp_path}):
        found = clone(pruner).set_params(**more).fit(X, y)
        np.testing.assert_array_equal(found.weights_, plain)
    other = clone(pruner).set_params(memory=tmp_path, cv=0.25).fit(X, y)
    assert not np.array_equal(other.weights_, plain)


def test_a_cache_that_is_mapped_into_memory_stays_as_it_is(tmp_path):
    X, y = classes()
    stored = []
    for mode in (None, "r+"):
        memory = Memory(tmp_path / str(mode), mmap_mode=mode, verbose=0)
        pruner = SOCPEnsemblePruner(forest(max_depth=2), memory=memory, random_state=0)
        for _ in range(2):
            clone(pruner).fit(X, y)
        files = (tmp_path / str(mode)).rglob("output.pkl")
        stored.append(max(files, key=lambda file: file.stat().st_size).read_bytes())
    assert len(stored[0]) > 30 * 400 * 3 * 8  # the predictions
    assert stored[0] == stored[1]


def test_a_grid_trains_once_a_fold(tmp_path):
    X, y = classes()
    bag = CountingBag(log=tmp_path / "log", random_state=0)
    pruner = SOCPEnsemblePruner(bag, memory=tmp_path / "cache", random_state=0)
    grid = {"alpha": [0.7, 1.0], "lam": [0.05, 0.2]}
    GridSearchCV(pruner, grid, cv=2).fit(X, y)
    assert sorted((tmp_path / "log").read_text().split()) == ["200", "200", "400"]


# How good it is


def test_forests_lose_nothing_with_half_of_the_trees():
    lost, kept = [], []
    for seed in range(3):
        X, y = classes(1500, seed, n_classes=4)
        X, X_test, y, y_test = train_test_split(X, y, test_size=0.4, random_state=seed)
        full = RandomForestClassifier(100, random_state=seed).fit(X, y)
        pruner = SOCPEnsemblePruner(FrozenEstimator(full), cv="oob", random_state=0).fit(X, y)
        lost.append(full.score(X_test, y_test) - pruner.score(X_test, y_test))
        kept.append(pruner.n_members_)
    assert np.mean(lost) < 0.02
    assert max(kept) <= 50


@pytest.mark.parametrize("params", [{}, {"voting": "soft", "calibrate": "temperature"}])
def test_probabilities_are_as_sure_as_they_should_be(params):
    """On a row only a third of the trees vote: calibrated on these alone, votes would be unsure."""
    X, y = classes(2000, n_classes=5, n_informative=8)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
    trees = forest(100, min_samples_leaf=2)
    pruner = SOCPEnsemblePruner(trees, random_state=0, **params).fit(X, y)
    logs = np.log(np.maximum(pruner.predict_proba(X_test), 1e-12))

    def loss(b):
        q = np.exp(b * logs)
        return log_loss(y_test, q / q.sum(axis=1, keepdims=True))

    best = minimize_scalar(loss, bounds=(0.2, 5), method="bounded").fun
    assert loss(1) < best + 0.01


@pytest.mark.parametrize(
    "params", [{}, {"max_features": 0.5}, {"bootstrap": False, "max_samples": 0.5}]
)
def test_bags_of_regressors(params):
    X, y = load_diabetes(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    bag = BaggingRegressor(n_estimators=40, random_state=0, **params)
    pruner = SOCPEnsemblePrunerRegressor(bag, cv="oob", random_state=0).fit(X, y)
    full = clone(bag).fit(X, y).score(X_test, y_test)
    assert pruner.score(X_test, y_test) > full - 0.06
    assert pruner.n_members_ < 30


# What "auto" is


@pytest.mark.parametrize(
    ("ensemble", "out_of_bag"),
    [
        (forest(), True),
        (forest(bootstrap=False), False),
        (forest(max_samples=0.5), True),
        (ExtraTreesClassifier(10, random_state=0), False),
        (ExtraTreesClassifier(10, bootstrap=True, random_state=0), True),
        (BaggingClassifier(bootstrap=False, random_state=0), False),
        (BaggingClassifier(max_samples=4000, random_state=0), False),
        (BaggingClassifier(bootstrap=False, max_samples=0.5, random_state=0), True),
        (BaggingClassifier(bootstrap=False, max_samples=300, random_state=0), True),
        ([("a", DecisionTreeClassifier(max_depth=2)), ("b", DecisionTreeClassifier())], False),
    ],
    ids=str,
)
def test_auto_is_out_of_bag_where_rows_are_drawn(ensemble, out_of_bag):
    X, y = classes()
    same = "oob" if out_of_bag else 0.25
    auto = SOCPEnsemblePruner(ensemble, random_state=0).fit(X, y)
    named = SOCPEnsemblePruner(ensemble, cv=same, random_state=0).fit(X, y)
    np.testing.assert_array_equal(auto.weights_, named.weights_)
    if not out_of_bag:
        with pytest.raises(ValueError, match=r"cv='oob' needs an ensemble .* Give a share of the"):
            SOCPEnsemblePruner(ensemble, cv="oob", random_state=0).fit(X, y)


def test_auto_holds_out_rows_for_the_exact_entropy():
    X, y = classes()
    exact = {"voting": "soft", "diversity": "exact", "random_state": 0}
    auto = SOCPEnsemblePruner(forest(), **exact).fit(X, y)
    held_out = SOCPEnsemblePruner(forest(), cv=0.25, **exact).fit(X, y)
    np.testing.assert_array_equal(auto.weights_, held_out.weights_)
    with pytest.raises(ValueError, match="diversity='exact' needs rows that no member was trained"):
        SOCPEnsemblePruner(forest(), cv="oob", **exact).fit(X, y)


# Groups


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("cv", ["auto", 0.3])
def test_whole_groups_are_held_out(cv, routing):
    X, y = classes(120)
    X = np.column_stack([np.arange(120), X])  # a Diary takes the first column for the row's number
    groups = np.arange(120) // 6
    Diary.seen.clear()
    with config_context(enable_metadata_routing=routing):
        pruner = SOCPEnsemblePruner(BaggingClassifier(Diary(), 5), cv=cv, random_state=0)
        pruner.fit(X, y, groups=groups)
    trained = set().union(*(rows for what, rows, *_ in Diary.seen if what == "fit"))
    asked = set().union(*(rows for what, rows, *_ in Diary.seen if what == "predict"))
    in_training, held_out = set(groups[list(trained)]), set(groups[list(asked)])
    assert not in_training & held_out
    assert len(held_out) == (5 if cv == "auto" else 6)  # of 20
    assert len(asked) == 6 * len(held_out)


@pytest.mark.parametrize("cv", ["oob", 3, None])
def test_groups_are_not_cut_in_two(cv, tmp_path):
    X, y = classes(120)
    bag = CountingBag(log=tmp_path / "log", random_state=0)
    with pytest.raises(
        ValueError, match=r"groups cannot be used with cv=.* or a splitter such as GroupKFold"
    ):
        SOCPEnsemblePruner(bag, cv=cv, random_state=0).fit(X, y, groups=np.arange(120) // 6)
    assert not (tmp_path / "log").exists()


@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
@pytest.mark.parametrize("cv", [KFold(3), [(np.arange(57), np.arange(57, 120))]], ids=["k", "list"])
def test_splits_of_one_group_are_refused(cv):
    X, y = classes(120)
    with pytest.raises(ValueError, match=r"rows of the same \d group\(s\) in fold \d, such as"):
        SOCPEnsemblePruner(forest(5), cv=cv).fit(X, y, groups=np.arange(120) // 7)


def test_groups_that_cannot_be_held_out():
    X, y = classes(120)
    pruner = SOCPEnsemblePruner(forest(5), random_state=0)
    with pytest.raises(ValueError, match=r"of 1 group\(s\) leaves none to calibrate on"):
        pruner.fit(X, y, groups=np.zeros(120))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        clone(pruner).set_params(cv=[(np.arange(60), np.arange(60, 120))]).fit(
            X, y, groups=np.arange(50)
        )
    with pytest.raises(ValueError, match=r"Classes \[\d\] are in the held-out groups only"):
        pruner.fit(X, y, groups=y)
    fitted = FrozenEstimator(forest(5).fit(X, y))
    assert SOCPEnsemblePruner(fitted).fit(X, y, groups=None).n_members_ >= 1


def test_groups_go_to_a_splitter():
    X, y = classes(120)
    groups = np.arange(120) // 6
    pruner = SOCPEnsemblePruner(forest(5), cv=GroupKFold(3), random_state=0)
    found = pruner.fit(X, y, groups=groups).weights_
    folds = list(GroupKFold(3).split(X, y, groups))
    np.testing.assert_array_equal(clone(pruner).set_params(cv=folds).fit(X, y).weights_, found)


# Hard cases


def test_a_fitted_forest_gives_the_same_without_a_seed():
    X, y = classes()
    fitted = FrozenEstimator(forest().fit(X, y))
    one, two = (SOCPEnsemblePruner(fitted, cv="oob").fit(X, y).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_the_best_single_member_is_scored_on_its_own_rows():
    X, y = classes()
    search = SOCPEnsemblePrunerCV(forest(12, max_depth=3), random_state=0, voting="soft").fit(X, y)
    scores = search.frontier_.member_score
    assert scores.mean() < search.best_member_score_ < scores.max() + 0.02
    assert search.best_member_score_ > np.median(scores) + 0.01


def test_a_member_that_drew_every_row_does_not_spoil_a_report():
    X, y = classes(60)
    bag = Stored(DecisionTreeClassifier(max_depth=3), 4, random_state=0).fit(X, y)
    bag.samples = [np.arange(60), *(np.arange(start, 60) for start in (25, 30, 35))]
    pruner = SOCPEnsemblePruner(FrozenEstimator(bag), cv="oob", random_state=0).fit(X, y)
    assert np.isfinite(pruner.frontier_.member_score).all()


def test_another_number_of_rows_is_refused():
    X, y = classes()
    for ensemble in (forest(), BaggingClassifier(random_state=0)):
        fitted = FrozenEstimator(ensemble.fit(X, y))
        match = (
            r"rows that \w+ was trained on, in their order: .* trained on 400 rows, and X has 39"
        )
        with pytest.raises(ValueError, match=match):
            SOCPEnsemblePruner(fitted, cv="oob").fit(X[:399], y[:399])
    trees = [("a", FrozenEstimator(DecisionTreeClassifier().fit(X, y)))]
    with pytest.raises(ValueError, match=r"cv='oob' needs an ensemble .* got a list"):
        SOCPEnsemblePruner(trees, cv="oob").fit(X, y)


@pytest.mark.parametrize("method", ["fit_blocks", "fit_predictions"])
def test_other_ways_to_fit_take_rows_that_no_member_was_trained_on(method):
    X, y = classes()
    pruner = SOCPEnsemblePruner(FrozenEstimator(forest().fit(X, y)), cv="oob")
    given = ([(X, y)],) if method == "fit_blocks" else (np.full((30, 400, 3), 1 / 3), y)
    with pytest.raises(ValueError, match=rf"{method} takes rows .* call fit"):
        getattr(pruner, method)(*given)


@pytest.mark.parametrize("params", VOTES)
def test_rows_without_weight_do_not_count(params):
    X, y = classes()
    weight = np.ones(400)
    weight[:50] = 0
    fitted = FrozenEstimator(forest().fit(X, y))
    pruner = SOCPEnsemblePruner(fitted, cv="oob", random_state=0, **params)
    found = clone(pruner).fit(X, y, weight)
    other = y.copy()
    other[:50] = (y[:50] + 1) % 3
    again = clone(pruner).fit(X, other, weight)
    np.testing.assert_array_equal(again.weights_, found.weights_)
    doubled = clone(pruner).fit(X, y, 2 * weight)
    np.testing.assert_allclose(doubled.weights_, found.weights_, rtol=1e-2, atol=1e-8)


@pytest.mark.parametrize("params", VOTES)
def test_members_that_miss_a_class(params):
    X, y = classes(300)
    y = np.array(["ant", "bee", "cat"])[y]
    y[3:7] = "dog"
    bag = BaggingClassifier(KNeighborsClassifier(), 20, max_samples=0.2, random_state=0)
    pruner = SOCPEnsemblePruner(bag, random_state=0, **params).fit(X, y)
    assert any(len(member.classes_) < 4 for member in pruner.estimators_)
    proba = pruner.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert proba.shape == (300, 4)


@pytest.mark.parametrize("cls", [SOCPEnsemblePruner, SOCPEnsemblePrunerRegressor])
def test_pairs_of_members_without_a_common_row(cls):
    X, y = (part[:30] for part in data_of(cls))
    kind = BaggingRegressor if "Regressor" in cls.__name__ else BaggingClassifier
    bag = kind(n_estimators=12, bootstrap=False, max_samples=0.9, random_state=0).fit(X, y)
    own = np.ones((12, 30), dtype=bool)
    for i, rows in enumerate(bag.estimators_samples_):
        own[i, rows] = False
    assert (own.astype(int) @ own.T == 0).any()
    pruner = cls(FrozenEstimator(bag), cv="oob", random_state=0).fit(X, y)
    assert np.isfinite(pruner.weights_).all()
    assert np.isfinite(pruner.predict(X).astype(float)).all()
    assert "nan" not in str(pruner.explain()).replace("error_correlation", "")


def test_rows_that_every_member_drew_are_left_out():
    X, y = classes(60)
    bag = Stored(DecisionTreeClassifier(max_depth=3), 4, random_state=0).fit(X, y)
    bag.samples = [np.arange(start, 60) for start in (20, 25, 30, 35)]
    pruner = SOCPEnsemblePruner(FrozenEstimator(bag), cv="oob", random_state=0).fit(X, y)
    first = SOCPEnsemblePruner(FrozenEstimator(bag), cv="oob", random_state=0)
    other = y.copy()
    other[35:] = 0  # seen by all of them
    np.testing.assert_array_equal(first.fit(X, other).weights_, pruner.weights_)
    bag.samples = [np.arange(60)] * 4
    match = "Out-of-bag calibration leaves 0 of 60 samples"
    with pytest.raises(ValueError, match=match):
        SOCPEnsemblePruner(FrozenEstimator(bag), cv="oob").fit(X, y)


@pytest.mark.parametrize("params", VOTES)
def test_the_table_of_members(params):
    X, y = classes()
    table = SOCPEnsemblePruner(forest(), random_state=0, **params).fit(X, y).explain()
    correlation = table.error_correlation
    assert ((correlation > 0) & (correlation < 1)).all()
    assert len(np.unique(correlation)) > 10
    assert (table.diversity > 0).all()
    assert (table.leave_one_out_increase[table.kept] > 0).mean() > 0.5


def test_one_member_and_few_rows():
    X, y = classes(30, n_classes=2)
    for n in (1, 2, 3):
        pruner = SOCPEnsemblePruner(forest(n), random_state=0).fit(X, y)
        assert pruner.n_members_ >= 1
        assert np.isfinite(pruner.predict_proba(X)).all()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_predictions_in_less_precision(dtype):
    X, y = classes()
    exact = SOCPEnsemblePruner(forest(), random_state=0).fit(X, y)
    found = SOCPEnsemblePruner(forest(), prediction_dtype=dtype, random_state=0).fit(X, y)
    agree = (exact.support_ == found.support_).mean()
    assert agree > 0.9


def test_limits_costs_and_the_zero_norm():
    X, y = classes()
    for params in (
        {"max_members": 5},
        {"costs": np.arange(1, 31), "max_cost": 40},
        {"penalty": "l0"},
    ):
        pruner = SOCPEnsemblePruner(forest(), random_state=0, **params).fit(X, y)
        assert 1 <= pruner.n_members_ <= 25
        assert pruner.solution_.kkt_residual < 1e-7
        if "max_cost" in params:
            assert params["costs"][pruner.support_].sum() <= 40


def test_the_search_of_regressors():
    X, y = load_diabetes(return_X_y=True)
    search = SOCPEnsemblePrunerRegressorCV(
        RandomForestRegressor(20, random_state=0), random_state=0
    ).fit(X, y)
    assert 0.3 < search.nested_score_ < 0.6  # on the training rows R^2 is 0.9

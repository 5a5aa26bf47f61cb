"""Pruners that are fitted to predictions, without members."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import cohen_kappa_score, log_loss, make_scorer, roc_auc_score

from skprune import (
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
    SOCPEnsemblePrunerRegressorCV,
)


def forest(load, kind, names=None, **params):
    """A fitted forest, new samples, what its trees predict for them, and y."""
    X, y = load(return_X_y=True)
    if names is not None:
        y = np.array(names)[y]
    order = np.random.default_rng(0).permutation(len(y))
    X, y = X[order], y[order]
    half = len(y) // 3
    fitted = kind(25, max_depth=2, random_state=0, **params).fit(X[:half], y[:half])
    method = "predict_proba" if hasattr(fitted, "predict_proba") else "predict"
    P = np.array([getattr(tree, method)(X[half:]) for tree in fitted.estimators_])
    return fitted, X[half:], P, y[half:]


@pytest.fixture(scope="module")
def two():
    return forest(load_breast_cancer, RandomForestClassifier, ["benign", "malign"])


@pytest.fixture(scope="module")
def three():
    return forest(load_wine, RandomForestClassifier)


@pytest.fixture(scope="module")
def targets():
    return forest(load_diabetes, RandomForestRegressor)


def frame(P):
    """Probabilities of the second class, or targets, a column a member."""
    P = P[:, :, 1] if P.ndim == 3 else P
    return pd.DataFrame(P.T, columns=[f"model {i}" for i in range(len(P))])


VOTES = [
    {},
    {"fit_intercept": False},
    {"voting": "soft"},
    {"voting": "soft", "calibrate": "temperature"},
    {"voting": "hard"},
]


class TestClasses:
    @pytest.mark.parametrize("params", VOTES)
    def test_as_with_members(self, three, params):
        fitted, X, P, y = three
        with_members = SOCPEnsemblePruner(FrozenEstimator(fitted), **params)
        expected = with_members.fit_predictions(P[:, :60], y[:60])
        alone = SOCPEnsemblePruner(**params).fit_predictions(P[:, :60], y[:60])
        np.testing.assert_array_equal(alone.weights_, expected.weights_)
        proba = expected.predict_proba(X[60:])
        np.testing.assert_array_equal(alone.combine(P[:, 60:]), proba)
        np.testing.assert_array_equal(expected.combine(P[:, 60:]), proba)
        assert alone.classes_.tolist() == [0, 1, 2]

    @pytest.mark.parametrize("params", VOTES)
    def test_two_classes_in_two_dimensions(self, two, params):
        *_, P, y = two
        expected = SOCPEnsemblePruner(**params).fit_predictions(P, y)
        second = SOCPEnsemblePruner(**params).fit_predictions(P[:, :, 1], y)
        np.testing.assert_allclose(second.weights_, expected.weights_, atol=1e-9)
        np.testing.assert_allclose(
            second.combine(P[:, :9, 1]), expected.combine(P[:, :9]), atol=1e-9
        )
        assert second.classes_.tolist() == ["benign", "malign"]

    def test_a_fit_of_few_rows_by_hand(self):
        """Two members of which one is right: the vote is a power of it, times the biases."""
        y = np.array([0, 0, 1, 1, 1] * 20)
        good, flat = np.where(y == 1, 0.8, 0.2), np.full(100, 0.5)
        good[:20:5] = 0.7  # not always right
        pruner = SOCPEnsemblePruner(lam=0.3).fit_predictions(np.array([good, flat]), y)
        assert pruner.support_.tolist() == [True, False]
        w, b = pruner.weights_[0], pruner.intercept_
        p = np.column_stack([1 - good, good]) ** w * np.exp(b)
        p /= p.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(pruner.combine(np.array([good, flat])), p, atol=1e-12)

    def test_names_of_columns(self, two):
        *_, P, y = two
        columns = frame(P)
        pruner = SOCPEnsemblePruner().fit_predictions(columns, y)
        assert pruner.member_names_in_.tolist() == list(columns)
        assert set(pruner.explain().names) == set(columns)
        proba = pruner.combine(P)
        # By name: in any order, among others, or the kept ones alone.
        shuffled = columns[list(columns)[::-1]].assign(other="x")
        np.testing.assert_allclose(pruner.combine(shuffled), proba, atol=1e-12)
        kept = list(np.array(list(columns))[pruner.support_])
        np.testing.assert_allclose(pruner.combine(columns[kept]), proba, atol=1e-12)
        with pytest.raises(ValueError, match=r"lacks .*model"):
            pruner.combine(columns.drop(columns=kept[0]))

    def test_columns_of_named_members_are_taken_by_name(self, two):
        fitted, _, P, y = two
        members = [(f"model {i}", FrozenEstimator(t)) for i, t in enumerate(fitted.estimators_)]
        codes = (y == "malign").astype(int)  # what trees of a forest know
        columns = frame(P)
        expected = SOCPEnsemblePruner(members).fit_predictions(columns, codes)
        found = SOCPEnsemblePruner(members).fit_predictions(columns.iloc[:, ::-1], codes)
        np.testing.assert_array_equal(found.weights_, expected.weights_)
        with pytest.raises(ValueError, match=r"lacks .*'model 3'"):
            SOCPEnsemblePruner(members).fit_predictions(columns.drop(columns="model 3"), codes)

    def test_the_kept_members_alone_are_enough(self, two, three):
        for *_, P, y in (three, two):
            P = P if P.shape[2] == 3 else P[:, :, 1]
            pruner = SOCPEnsemblePruner().fit_predictions(P, y)
            assert 0 < pruner.n_members_ < 25
            proba = pruner.combine(P)
            np.testing.assert_array_equal(pruner.combine(P[pruner.support_]), proba)
            others_missing = np.where(pruner.support_.reshape(-1, *[1] * (P.ndim - 1)), P, np.nan)
            np.testing.assert_array_equal(pruner.combine(others_missing), proba)

    def test_other_kinds_of_columns(self, two):
        *_, P, y = two
        expected = SOCPEnsemblePruner().fit_predictions(frame(P), y).combine(frame(P))
        for columns in (frame(P).astype("double[pyarrow]"), frame(P).convert_dtypes()):
            pruner = SOCPEnsemblePruner().fit_predictions(columns, y)
            np.testing.assert_array_equal(pruner.combine(columns), expected)

    def test_a_class_that_does_not_occur(self, three):
        *_, P, y = three
        some = y != 1
        pruner = SOCPEnsemblePruner().fit_predictions(P[:, some], y[some])
        assert pruner.classes_.tolist() == [0, 1, 2]
        with pytest.raises(ValueError, match=r"P has 3 classes, and y has 2.*positions 0 to 2"):
            SOCPEnsemblePruner().fit_predictions(P[:, some], np.where(y[some], "b", "a"))

    def test_memory_maps_and_saved_pruners(self, three, tmp_path):
        *_, P, y = three
        np.save(tmp_path / "P.npy", P)
        mapped = np.load(tmp_path / "P.npy", mmap_mode="r")
        pruner = SOCPEnsemblePruner().fit_predictions(mapped, y)
        proba = SOCPEnsemblePruner().fit_predictions(P, y).combine(P)
        np.testing.assert_array_equal(pruner.combine(mapped), proba)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(pruner)).combine(P), proba)

    def test_costs(self, three):
        *_, P, y = three
        pruner = SOCPEnsemblePruner(costs=np.arange(1, 26), max_cost=12).fit_predictions(P, y)
        assert np.arange(1, 26)[pruner.support_].sum() <= 12
        with pytest.raises(ValueError, match="costs='latency' needs an estimator"):
            SOCPEnsemblePruner(costs="latency").fit_predictions(P, y)


class TestTargets:
    @pytest.mark.parametrize("n_targets", [1, 2])
    def test_as_with_members(self, targets, n_targets):
        fitted, X, P, y = targets
        alone, members = SOCPEnsemblePrunerRegressor(), FrozenEstimator(fitted)
        if n_targets == 2:
            P, y = np.stack([P, P**2 / 100], axis=2), np.column_stack([y, y**2 / 100])
            X, y_fit = X[:100], y[:100]
            forest = RandomForestRegressor(25, max_depth=2, random_state=0).fit(X, y_fit)
            P = np.array([tree.predict(X) for tree in forest.estimators_])
            members, y = FrozenEstimator(forest), y_fit
        expected = SOCPEnsemblePrunerRegressor(members).fit_predictions(P, y)
        alone.fit_predictions(P, y)
        np.testing.assert_array_equal(alone.weights_, expected.weights_)
        np.testing.assert_array_equal(alone.combine(P), expected.predict(X))
        assert alone.combine(P).shape == y.shape

    def test_names_of_columns(self, targets):
        *_, P, y = targets
        pruner = SOCPEnsemblePrunerRegressor().fit_predictions(frame(P), y)
        np.testing.assert_array_equal(pruner.combine(frame(P).iloc[:, ::-1]), pruner.combine(P))

    def test_another_number_of_targets(self, targets):
        *_, P, y = targets
        with pytest.raises(ValueError, match=r"P has 1 targets, and y has 2"):
            SOCPEnsemblePrunerRegressor().fit_predictions(P, np.column_stack([y, y]))


def error(y, p):
    return -float(np.abs(y - p).mean())


class TestAnyScorer:
    @pytest.mark.parametrize(
        "scoring",
        [
            "roc_auc",
            "average_precision",
            "neg_brier_score",
            "f1_macro",
            make_scorer(cohen_kappa_score, weights="quadratic"),
            make_scorer(roc_auc_score, response_method="predict_proba"),
        ],
    )
    def test_of_two_classes(self, two, scoring):
        *_, P, y = two
        y = (y == "malign").astype(int)
        params = {"lams": [0.05, 0.3], "inner_cv": 3, "n_resamples": 0, "random_state": 0}
        pruner = SOCPEnsemblePrunerCV(scoring=scoring, **params).fit_predictions(P[:, :, 1], y)
        assert pruner.combine(P[:, :, 1]).shape == (len(y), 2)
        assert pruner.best_score_ == pruner.cv_results_["mean_test_score"].max()

    @pytest.mark.parametrize("scoring", ["neg_root_mean_squared_error", make_scorer(error)])
    def test_of_targets(self, targets, scoring):
        *_, P, y = targets
        params = {"lams": [0.05, 0.3], "inner_cv": 3, "n_resamples": 0, "random_state": 0}
        pruner = SOCPEnsemblePrunerRegressorCV(scoring=scoring, **params).fit_predictions(P, y)
        assert pruner.best_score_ < 0


class TestWithoutMembers:
    def test_samples_are_not_predicted(self, three):
        _, X, P, y = three
        pruner = SOCPEnsemblePruner().fit_predictions(P, y)
        assert not hasattr(pruner, "estimators_")
        for method in (pruner.predict, pruner.predict_proba, pruner.member_predict_proba):
            with pytest.raises(ValueError, match=r"without members.*call combine"):
                method(X)
        with pytest.raises(ValueError, match="without members"):
            pruner.__skprune_vote__()

    def test_other_fits_need_an_estimator(self, three):
        _, X, _, y = three
        with pytest.raises(TypeError, match=r"estimator must be .* for fit; got None"):
            SOCPEnsemblePruner().fit(X, y)
        with pytest.raises(TypeError, match=r"estimator must be .* for fit_blocks; got None"):
            SOCPEnsemblePruner().fit_blocks([(X, y)])

    def test_before_the_fit(self, three):
        *_, P, _ = three
        with pytest.raises(NotFittedError):
            SOCPEnsemblePruner().combine(P)
        assert clone(SOCPEnsemblePruner()).estimator is None

    def test_members_of_an_earlier_fit_are_gone(self, three):
        fitted, _, P, y = three
        pruner = SOCPEnsemblePruner(FrozenEstimator(fitted)).fit_predictions(P, y)
        assert len(pruner.estimators_) == pruner.n_members_
        pruner.set_params(estimator=None).fit_predictions(P, y)
        assert not hasattr(pruner, "estimators_")


class TestWrongPredictions:
    @pytest.mark.parametrize(
        ("change", "match"),
        [
            (lambda P: P[:, :, 1].T, r"axis 0: give numpy.moveaxis\(P, 0, 1\)"),
            (lambda P: np.moveaxis(P, 1, 2), r"axis 2: give numpy.moveaxis\(P, 2, 1\)"),
            (lambda P: 3 * P[:, :, 1], r"second of two classes, in \[0, 1\]; member 0"),
            (lambda P: np.where(P[:, :, 1] > 0.9, np.nan, P[:, :, 1]), "has nan"),
            (lambda P: 3 * P, "must sum to one"),
            (lambda P: [[0.1, 0.2], [0.3]], "P must be an array of numbers"),
            (lambda P: np.where(P > 0.9, np.nan, P), "P has NaN or infinite predictions: member 0"),
            (lambda P: frame(P).assign(id=range(P.shape[1])), "member 'id' has 2"),
            (lambda P: P[:, :, :1], "P has one class.*give the probability of the second"),
            (lambda P: P[0, :, 0], r"P has 1 dimensions .* for two classes"),
            (lambda P: P[:0], "none of them 0"),
            (lambda P: frame(P).assign(text="x"), "a column a member.*'text'"),
            (lambda P: frame(P).rename(columns={"model 1": "model 2"}), "occur more than once"),
        ],
    )
    def test_are_named(self, two, change, match):
        *_, P, y = two
        with pytest.raises((ValueError, TypeError), match=match):
            SOCPEnsemblePruner().fit_predictions(change(P), y)

    def test_of_more_classes_than_two(self, three):
        *_, P, y = three
        with pytest.raises(ValueError, match=r"2 classes, and y has 3.*n_samples, 3\)"):
            SOCPEnsemblePruner().fit_predictions(frame(P), y)

    def test_of_new_samples(self, three, targets):
        *_, P, y = three
        pruner = SOCPEnsemblePruner().fit_predictions(P, y)
        for wrong, match in (
            (P[: pruner.n_members_ + 1], r"must have shape \(25, n_samples, 3\), or of the kept"),
            (P[:, :, :2], r"must have shape \(25, n_samples, 3\)"),
            (P[:, :, 0], "P has 2 dimensions"),
            (2 * P, "must sum to one"),
            (frame(P), "the members of this pruner have none: give an array"),
        ):
            with pytest.raises(ValueError, match=match):
                pruner.combine(wrong)
        *_, P, y = targets
        regressor = SOCPEnsemblePrunerRegressor().fit_predictions(P, y)
        with pytest.raises(ValueError, match="NaN or infinite predictions: member"):
            regressor.combine(np.full_like(P, np.inf))


def test_temperature_is_part_of_what_is_combined(two):
    *_, P, y = two
    plain = SOCPEnsemblePruner(voting="soft").fit_predictions(P, y)
    sharp = SOCPEnsemblePruner(voting="soft", calibrate="temperature").fit_predictions(P, y)
    assert sharp.temperature_ < 1
    assert log_loss(y, sharp.combine(P)) < log_loss(y, plain.combine(P))

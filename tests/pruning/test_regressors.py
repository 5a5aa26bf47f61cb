"""What the pruners of regressors promise."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_friedman1
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skprune import SOCPEnsemblePrunerRegressor, SOCPEnsemblePrunerRegressorCV
from skprune.inspection import pruning_report

from .by_hand import (
    ToldNumbers,
    as_rows,
    normalised,
    penalised,
    quadratic_of_targets,
    relaxed,
    targets,
    told_numbers,
)
from .conftest import OF_TARGETS, REGRESSORS, SMALL
from .fold_by_fold import seed_of, split_scores

pytestmark = pytest.mark.filterwarnings("ignore:The cross-validated score of the selection")

KINDS = {
    "different kinds": [
        ("tree", DecisionTreeRegressor(max_depth=5)),
        ("ridge", make_pipeline(StandardScaler(), Ridge())),
        ("neighbors", KNeighborsRegressor()),
    ]
}


@pytest.fixture(scope="module")
def friedman():
    return make_friedman1(300, noise=1.0, random_state=0)


def fitted(P, y, sample_weight=None, cls=SOCPEnsemblePrunerRegressor, **params):
    return cls(told_numbers(P), **params).fit(as_rows(P), y, sample_weight)


@pytest.mark.parametrize("cv", [0.3, 3], ids=["fraction", "folds"])
@pytest.mark.parametrize("name", OF_TARGETS | KINDS)
def test_any_ensemble(name, cv, friedman):
    X, y = friedman
    pruner = SOCPEnsemblePrunerRegressor((OF_TARGETS | KINDS)[name], cv=cv, random_state=0).fit(
        X, y
    )
    assert pruner.n_members_in_ == len(pruner.weights_) == len(pruner.support_)
    assert 1 <= pruner.n_members_ == len(pruner.estimators_) == pruner.support_.sum()
    assert (pruner.weights_[~pruner.support_] == 0).all()
    assert (pruner.weights_[pruner.support_] > 0).all()
    assert 0.5 < pruner.weights_.sum() < 2
    assert pruner.predict(X).shape == (300,)
    assert pruner.score(X, y) > 0.5


class TestWeights:
    @pytest.mark.parametrize("T", [1, 3])
    def test_none_are_those_of_the_program_times_a_factor(self, T):
        P, y = targets(10, T=T)
        Q, c = quadratic_of_targets(P, y, 0.9)
        pruner = fitted(P, y, reweight="none", lam=0.8)
        expected = normalised(penalised(Q, c, 0.8))
        np.testing.assert_allclose(normalised(pruner.weights_), expected, atol=1e-9)
        assert 1 < pruner.n_members_ < 10

    @pytest.mark.parametrize("reweight", ["none", "relaxed"])
    def test_factor_and_intercept_are_those_of_a_regression_on_the_weighted_mean(self, reweight):
        P, y = targets(10)
        pruner = fitted(P, y, reweight=reweight)
        mean = np.tensordot(normalised(pruner.weights_), P, 1)
        line = LinearRegression().fit(mean, y)
        assert pruner.weights_.sum() == pytest.approx(line.coef_[0, 0])
        np.testing.assert_allclose(pruner.predict(as_rows(P)), line.predict(mean))
        assert abs(pruner.weights_.sum() - 1) > 0.01  # or there would be nothing to see

    def test_one_factor_for_several_targets(self):
        """That of the regression on all of them together, each in its own scale."""
        P, y = targets(10, T=2)
        y[:, 1] *= 100
        P[:, :, 1] *= 100
        pruner = fitted(P, y, reweight="none")
        mean = np.tensordot(normalised(pruner.weights_), P, 1)
        x, wanted = ((a - a.mean(axis=0)) / y.std(axis=0) for a in (mean, y))
        assert pruner.weights_.sum() == pytest.approx((x * wanted).sum() / (x * x).sum())

    def test_relaxed_has_no_penalty_and_sums_to_one_before_the_factor(self):
        P, y = targets(10)
        Q, c = quadratic_of_targets(P, y, 0.9)
        pruner = fitted(P, y, reweight="relaxed", lam=0.2)
        expected = relaxed(Q, c, penalised(Q, c, 0.2) > 0)
        np.testing.assert_allclose(normalised(pruner.weights_), expected, atol=5e-4)
        equal = fitted(P, y, reweight="equal", lam=0.2).weights_  # is the mean
        np.testing.assert_allclose(equal, normalised(pruner.support_))
        between = fitted(P, y, reweight=0.3, lam=0.2).weights_
        np.testing.assert_allclose(between, 0.7 * pruner.weights_ + 0.3 * equal)

    def test_limits_and_costs(self):
        P, y = targets(10)
        costs = np.arange(1.0, 11.0)
        for penalty in ("l1", "l0"):
            pruner = fitted(P, y, costs=costs, max_cost=8.0, max_members=3, penalty=penalty)
            assert pruner.n_members_ <= 3
            assert costs[pruner.support_].sum() <= 8
            assert pruner.solution_.status == "optimal"
        plain = fitted(P, y, costs=costs, penalize_costs=True, lam=0.2, reweight="none")
        expected = normalised(penalised(*quadratic_of_targets(P, y, 0.9), 0.2, costs))
        np.testing.assert_allclose(normalised(plain.weights_), expected, atol=1e-9)


class TestTargets:
    def test_each_column_has_its_own_intercept_and_the_same_weights(self, friedman):
        X, y = friedman
        Y = np.column_stack([y, -2 * y + 100, np.cos(X[:, 0])])
        pruner = SOCPEnsemblePrunerRegressor(OF_TARGETS["forest"], random_state=0).fit(X, Y)
        predicted = pruner.predict(X)
        assert predicted.shape == (300, 3)
        members = np.array([tree.predict(X) for tree in pruner.estimators_])
        for t in range(3):
            by_hand = pruner.weights_[pruner.support_] @ members[:, :, t] + pruner.intercept_[t]
            np.testing.assert_allclose(predicted[:, t], by_hand, atol=1e-9)
            assert r2_score(Y[:, t], predicted[:, t]) > 0.3

    def test_the_same_target_twice_changes_nothing(self):
        P, y = targets(8)
        once, twice = fitted(P, y), fitted(P.repeat(2, axis=2), y.repeat(2, axis=1))
        np.testing.assert_allclose(twice.weights_, once.weights_, atol=1e-9)
        np.testing.assert_allclose(
            twice.predict(as_rows(P.repeat(2, axis=2))), once.predict(as_rows(P)).repeat(2, axis=1)
        )

    @pytest.mark.parametrize(("cls", "params"), REGRESSORS)
    @pytest.mark.parametrize("shape", [(-1,), (-1, 1), (-1, 2)])
    def test_predictions_have_the_shape_of_y(self, shape, cls, params):
        P, y = targets(5, T=2 if shape == (-1, 2) else 1)
        y = (10 * y).round().reshape(shape)
        pruner = fitted(P, y, cls=cls, **params)
        assert pruner.predict(as_rows(P)).shape == y.shape
        assert pruner.intercept_.shape == (P.shape[2],)
        ints = fitted(P, y.astype(int), cls=cls, **params)
        np.testing.assert_array_equal(ints.weights_, pruner.weights_)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("value", [0.0, 3, 0.1, 1e6 / 3, -1e-8])
    @pytest.mark.parametrize(("cls", "params"), REGRESSORS)
    def test_a_constant(self, cls, params, value, friedman):
        X, y = friedman
        trees = [(f"t{d}", DecisionTreeRegressor(max_depth=d)) for d in (1, 2)]
        pruner = cls(trees, **(params | {"random_state": 0})).fit(X, np.full(300, value))
        np.testing.assert_allclose(pruner.predict(X), value, rtol=1e-12)
        forest = clone(pruner).set_params(estimator=OF_TARGETS["forest"])  # beside another target
        predicted = forest.fit(X, np.column_stack([y, np.full(300, value)])).predict(X)
        np.testing.assert_allclose(predicted[:, 1], value)
        assert r2_score(y, predicted[:, 0]) > 0.6


@pytest.mark.parametrize(("cls", "params"), REGRESSORS)
class TestInvariance:
    P, y = targets(8, T=2, seed=3)

    @pytest.mark.parametrize(
        ("factor", "shift", "atol"),
        [(1, 7.0, 1e-6), (1, -1e4, 1e-6), (1e-6, 0, 1e-9), (1e6, 0, 1e-9), (-1.0, 0, 1e-9)],
    )
    def test_predictions_shift_and_scale_with_targets_and_members(
        self, factor, shift, atol, cls, params
    ):
        P, y = factor * self.P + shift, factor * self.y + shift
        plain, other = (fitted(*each, cls=cls, **params) for each in ((self.P, self.y), (P, y)))
        np.testing.assert_allclose(other.weights_, plain.weights_, atol=atol)
        expected = factor * plain.predict(as_rows(self.P)) + shift
        np.testing.assert_allclose(
            other.predict(as_rows(P)), expected, atol=1e-9 + abs(shift) / 1e6
        )

    def test_neither_order_of_members_nor_units_of_targets_nor_precision_matter(self, cls, params):
        order, units = np.random.default_rng(0).permutation(8), np.array([1e-3, 1e4])
        plain, other, single = (
            fitted(P, y, cls=cls, **params)
            for P, y in (
                (self.P, self.y),
                ((self.P * units)[order], self.y * units),
                (self.P.astype(np.float32), self.y),
            )
        )
        np.testing.assert_allclose(other.weights_, plain.weights_[order], atol=1e-9)
        np.testing.assert_allclose(single.weights_, plain.weights_, atol=1e-4)
        predicted = single.predict(as_rows(self.P).astype(np.float32))
        assert predicted.dtype == np.float64
        np.testing.assert_allclose(predicted, plain.predict(as_rows(self.P)), rtol=1e-4)

    @pytest.mark.parametrize("T", [1, 2])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_the_mean_residual_on_calibration_rows_is_zero(self, weighted, T, cls, params):
        P, y = self.P[:, :, :T], self.y[:, :T]
        weight = np.random.default_rng(0).exponential(size=len(y)) if weighted else np.ones(len(y))
        weight[::5] = 0
        pruner = fitted(P, y, weight, cls=cls, **params)
        predicted = pruner.predict(as_rows(P)).reshape(y.shape)
        residual = weight @ (y - predicted) / weight.sum()
        np.testing.assert_allclose(residual, 0, atol=1e-12)
        rows = weight > 0  # those without a weight are as good as absent
        fewer = fitted(P[:, rows], y[rows], weight[rows], cls=cls, **params)
        np.testing.assert_allclose(pruner.weights_, fewer.weights_)
        if hasattr(pruner, "nested_score_"):
            assert pruner.nested_score_ == pytest.approx(fewer.nested_score_)


def test_a_row_of_weight_two_is_two_rows():
    P, y = targets(8)
    weight = np.random.default_rng(0).integers(0, 3, size=len(y))
    again = np.repeat(np.arange(len(y)), weight)
    weighted, repeated = fitted(P, y, weight), fitted(P[:, again], y[again])
    np.testing.assert_allclose(weighted.weights_, repeated.weights_, atol=1e-9)
    np.testing.assert_allclose(weighted.intercept_, repeated.intercept_)


class TestSearch:
    @pytest.mark.parametrize("weighted", [False, True])
    def test_scores_are_formed_again_fold_by_fold(self, weighted):
        """No row is scored with an intercept, factor or weights that have seen it."""
        P, y = targets(8, N=90, T=2)
        weight = np.random.default_rng(0).exponential(size=90) if weighted else np.ones(90)
        params = {"alphas": [0.8], "lams": [0.05, 0.3], "thresholds": [0.0], "inner_cv": 3}
        params |= {"reweights": ["none", "equal"], "n_resamples": 0, "random_state": 0}
        pruner = fitted(P, y, weight if weighted else None, SOCPEnsemblePrunerRegressorCV, **params)
        center = np.average(y, axis=0, weights=weight)
        scale = np.sqrt(np.average((y - center) ** 2, axis=0, weights=weight))

        def mean(a, rows):
            return np.average(a[rows], axis=0, weights=weight[rows])

        def scores(train, test):
            found = []
            Q, c = quadratic_of_targets(P[:, train], y[train], 0.8, center, scale, weight[train])
            for lam in params["lams"]:
                w = normalised(penalised(Q, c, lam))
                weighted_mean = np.tensordot(w, P, 1)
                x, wanted = ((a - mean(a, train)) / scale for a in (weighted_mean, y))
                factor = weight[train] @ (x * wanted)[train] @ [1, 1]
                factor /= weight[train] @ (x * x)[train] @ [1, 1]
                for weights in (factor * w, (w > 0) / (w > 0).sum()):
                    sums = np.tensordot(weights, P, 1)
                    sums += mean(y - sums, train)
                    found.append(r2_score(y[test], sums[test], sample_weight=weight[test]))
            return found

        splitter = KFold(3, shuffle=True, random_state=seed_of(0))
        folds = [test for _, test in splitter.split(y)]
        rest = [np.setdiff1d(np.arange(90), fold) for fold in folds]
        outer = np.array([scores(train, test) for train, test in zip(rest, folds, strict=True)])
        np.testing.assert_allclose(split_scores(pruner, 3), outer)
        assert pruner.best_score_ == pytest.approx(outer.mean(axis=0).max())
        for i in range(3):  # what the other two folds would choose
            one, two = np.delete(np.arange(3), i)
            inner = [scores(folds[one], folds[two]), scores(folds[two], folds[one])]
            chosen = np.mean(inner, axis=0).argmax()
            assert pruner.nested_scores_[i] == pytest.approx(outer[i, chosen])

    def test_full_ensemble_and_single_member_get_an_intercept_too(self):
        P, y = targets(6, N=90)
        pruner = fitted(P, y, cls=SOCPEnsemblePrunerRegressorCV, **SMALL)
        splits = list(KFold(3, shuffle=True, random_state=seed_of(0)).split(y))

        def scores(p):
            return [
                r2_score(y[test], p[test] + (y - p)[train].mean(axis=0)) for train, test in splits
            ]

        assert pruner.full_score_ == pytest.approx(np.mean(scores(P.mean(axis=0))))
        alone = np.array([scores(p) for p in P]).T
        best = [np.delete(alone, i, axis=0).mean(axis=0).argmax() for i in range(3)]
        expected = np.mean([alone[i, best[i]] for i in range(3)])
        assert pruner.best_member_score_ == pytest.approx(expected)

    def test_what_was_chosen(self):
        P, y = targets(10)
        params = {"lams": [0.02, 0.1, 0.3], "reweights": ["none", "equal"], "n_resamples": 0}
        pruner = fitted(P, y, cls=SOCPEnsemblePrunerRegressorCV, random_state=0, **params)
        same = fitted(P, y, **pruner.best_params_)
        np.testing.assert_allclose(pruner.weights_, same.weights_, atol=1e-9)
        np.testing.assert_allclose(pruner.intercept_, same.intercept_)
        assert "mean_test_neg_mean_squared_error" in pruner.cv_results_
        assert np.isfinite(pruner.nested_scores_).all()


def test_reports_and_the_frontier(friedman):
    """New rows are scored with the intercept of the fit; members by their own predictions."""
    X, y = friedman
    forest = RandomForestRegressor(8, max_depth=4, random_state=0).fit(X[:100], y[:100])
    pruner = SOCPEnsemblePrunerRegressor(FrozenEstimator(forest)).fit(X[100:200], y[100:200])
    for rows in (slice(100, 200), slice(200, 300)):  # the calibration rows, and others
        report = pruning_report(pruner, X[rows], y[rows], ensemble=forest)
        score = pruner.score(X[rows], y[rows])
        on_rows = pruner.predictions_on(forest, X[rows], y[rows]).scores(pruner.weights_[None])
        assert report.pruned_score == pytest.approx(score)
        assert on_rows == pytest.approx([score])
    expected = [tree.score(X, y) for tree in pruner.estimators_]
    np.testing.assert_allclose(pruner.member_scores(X, y), expected)
    P, y = targets(8)
    pruner = fitted(P, y)
    f, mean = pruner.frontier_, P.mean(axis=0)
    assert f.pruned_score == pytest.approx(pruner.score(as_rows(P), y[:, 0]))
    assert f.full_score == pytest.approx(r2_score(y, mean + (y - mean).mean()))
    np.testing.assert_allclose(f.member_score, [r2_score(y, p) for p in P])
    assert f.n_members[0] == 1


class NaNMember(ToldNumbers):
    def predict(self, X):
        return np.full(len(X), np.nan)


def test_predictions_that_are_not_finite(friedman):
    pruner = SOCPEnsemblePrunerRegressor(
        [("a", NaNMember()), *OF_TARGETS["list"][:2]], random_state=0
    )
    with pytest.raises(ValueError, match="NaN or infinite predictions: member 0"):
        pruner.fit(*friedman)
    with pytest.raises(NotFittedError):
        pruner.predict(friedman[0])


@pytest.mark.parametrize(
    ("dtype", "scale", "remedy"),
    [("float16", 1e6, "set prediction_dtype='float32', or use"), ("float32", 1e39, "use")],
)
def test_a_prediction_beyond_the_precision_is_named(dtype, scale, remedy):
    P, y = targets(3, N=40)
    pruner = SOCPEnsemblePrunerRegressor(told_numbers(P * scale), prediction_dtype=dtype)
    with pytest.raises(
        ValueError, match=f"Member 0 predicts .*, which {dtype} cannot hold: {remedy} another unit"
    ):
        pruner.fit(as_rows(P * scale), y)

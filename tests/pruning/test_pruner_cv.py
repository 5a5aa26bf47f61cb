"""What SOCPEnsemblePrunerCV promises; its scores are formed again fold by fold."""

import warnings
from itertools import combinations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneOut,
    ShuffleSplit,
    StratifiedKFold,
    train_test_split,
)
from sklearn.tree import DecisionTreeClassifier

from skprune import (
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressorCV,
)

from .by_hand import as_rows, normalised, penalised, pool, quadratic, targets, told, told_numbers
from .conftest import CountingBag, Untrainable, UntrainableRegressor
from .fold_by_fold import candidates_of, folds_of, one_by_one, seed_of, split_scores

pytestmark = pytest.mark.filterwarnings("ignore:The cross-validated score of the selection")

GRID = {
    "alphas": [0.7, 1.0],
    "lams": [0.05, 0.3],
    "thresholds": [0.0, 0.3],
    "reweights": ["none", 0.5],
}
LAMS = [0.02, 0.1, 0.3, 0.6]
SOFT = {"voting": "soft"}
SMALL = {"alphas": [0.8, 1.0], "lams": [0.05, 0.3], "reweights": [0.5], "inner_cv": 3}


@pytest.fixture(scope="module")
def case():
    P, y = pool(10, N=150, seed=1)
    params = {"voting": "soft", "inner_cv": 4, "n_resamples": 0, "random_state": 0}
    pruner = SOCPEnsemblePrunerCV(told(P), **GRID, **params)
    return P, y, pruner.fit(as_rows(P), y)


class TestResults:
    def test_they_look_like_those_of_a_grid_search(self, case):
        P, y, pruner = case
        grid = {name[:-1]: values for name, values in GRID.items()}
        search = GridSearchCV(SOCPEnsemblePruner(told(P)), grid, cv=4).fit(as_rows(P), y)
        wanted = {key for key in search.cv_results_ if not key.endswith("_time")}
        found = pruner.cv_results_
        assert wanted <= set(found)
        for key in wanted:
            assert np.shape(found[key]) == np.shape(search.cv_results_[key]), key
        assert found["rank_test_score"].dtype == search.cv_results_["rank_test_score"].dtype
        assert found["params"] == candidates_of(GRID)
        for name in grid:
            assert list(found[f"param_{name}"]) == [p[name] for p in found["params"]]

    def test_scores_are_those_of_pruners_fitted_on_the_other_folds(self, case):
        P, y, pruner = case
        expected = one_by_one(P, y, "accuracy", GRID, 4)
        scores, results = split_scores(pruner, 4), pruner.cv_results_
        np.testing.assert_allclose(scores, expected, atol=1e-12)
        assert len(np.unique(expected)) > 5
        mean = scores.mean(axis=0)
        np.testing.assert_allclose(results["mean_test_score"], mean)
        np.testing.assert_allclose(results["std_test_score"], scores.std(axis=0))
        ranks = [1 + (mean.round(10) > own).sum() for own in mean.round(10)]
        np.testing.assert_array_equal(results["rank_test_score"], ranks)
        ties = one_by_one(P, y, "neg_log_loss", GRID, 4).mean(axis=0)
        np.testing.assert_allclose(results["mean_test_neg_log_loss"], ties)

    def test_sizes_and_the_choice_are_those_of_the_pruner_with_these_parameters(self, case):
        P, y, pruner = case
        results, X = pruner.cv_results_, as_rows(P)
        soft = SOCPEnsemblePruner(told(P), voting="soft")
        single = [clone(soft).set_params(**each).fit(X, y) for each in candidates_of(GRID)]
        np.testing.assert_array_equal(results["n_members"], [each.n_members_ for each in single])
        same = single[pruner.best_index_]
        np.testing.assert_allclose(pruner.weights_, same.weights_, atol=1e-9)
        np.testing.assert_allclose(pruner.predict_proba(X), same.predict_proba(X), atol=1e-9)
        assert pruner.best_score_ == pytest.approx(results["mean_test_score"].max())
        chosen = {f"{name[:-1]}": getattr(pruner, f"{name[:-1]}_") for name in GRID}
        assert chosen == pruner.best_params_ == results["params"][pruner.best_index_]
        assert pruner.solution_.alpha == pruner.path_.alpha == pruner.alpha_
        assert pruner.solution_.lam == pytest.approx(pruner.lam_)
        w = penalised(*quadratic(P, y, pruner.alpha_), pruner.lam_)  # there are no resamples
        np.testing.assert_array_equal(pruner.selection_frequency_, w > 0)

    def test_full_ensemble_and_single_member(self, case):
        P, y, pruner = case
        folds = folds_of(y, 4)
        full = [(P[:, f].mean(axis=0).argmax(axis=1) == y[f]).mean() for f in folds]
        assert pruner.full_score_ == pytest.approx(np.mean(full))
        alone = np.array([(P[:, f].argmax(axis=2) == y[f]).mean(axis=1) for f in folds])
        losses = np.array([[log_loss(y[f], p[f]) for p in P] for f in folds])
        expected = []
        for i in range(4):  # the member that is best on the other folds
            rest = np.arange(4) != i
            order = np.lexsort((losses[rest].mean(axis=0), -alone[rest].mean(axis=0).round(12)))
            expected.append(alone[i, order[0]])
        assert pruner.best_member_score_ == pytest.approx(np.mean(expected))


class TestNested:
    def test_each_fold_is_scored_by_what_the_others_would_choose(self):
        P, y = pool(8, N=90, seed=2)
        grid = {"alphas": [0.8], "lams": [0.02, 0.3], "reweights": ["relaxed", "equal"]}
        params = {"voting": "soft", "scoring": "neg_log_loss", "inner_cv": 3, "n_resamples": 0}
        pruner = SOCPEnsemblePrunerCV(told(P), random_state=0, **grid, **params)
        pruner.fit(as_rows(P), y)
        outer = one_by_one(P, y, "neg_log_loss", grid, 3)
        expected = []
        for fold in range(3):
            inner = one_by_one(P, y, "neg_log_loss", grid, 3, left_out=(fold,))
            expected.append(outer[fold, np.nanmean(inner, axis=0).argmax()])
        np.testing.assert_allclose(pruner.nested_scores_, expected)
        assert pruner.nested_score_ == pytest.approx(np.mean(expected))

    def test_choosing_from_noise_does_not_pay(self):
        """Members know nothing of y: the best score is above chance, the nested one is not."""
        scores = []
        for seed in range(6):
            P, y = pool(20, N=60, seed=seed, low=0, high=0)
            pruner = SOCPEnsemblePrunerCV(told(P), n_resamples=0, random_state=seed)
            pruner.fit(as_rows(P), y)
            scores.append([pruner.best_score_, pruner.nested_score_])
        best, nested = np.mean(scores, axis=0)
        assert best > nested + 0.02
        assert nested < 0.4


class TestChoice:
    def test_of_equals_log_loss_decides_and_then_the_number_of_members(self):
        """Few rows, so that many candidates have the same accuracy."""
        for seed in range(5):
            P, y = pool(10, N=60, seed=seed)
            pruner = SOCPEnsemblePrunerCV(told(P), lams=LAMS, n_resamples=4, random_state=0)
            results = pruner.fit(as_rows(P), y).cv_results_
            mean = results["mean_test_score"].round(10)
            equals = np.flatnonzero(mean == mean.max())
            ties = results["mean_test_neg_log_loss"][equals]
            best = equals[ties >= ties.max()]
            fewest = results["n_members"][best].min()
            assert pruner.best_index_ in best
            assert results["n_members"][pruner.best_index_] == fewest

    @pytest.mark.parametrize("selection", ["best", "one_se"])
    def test_of_the_same_scores_the_fewest_members(self, selection):
        """Two members that choose the same vote together as one alone, up to rounding."""
        P, y = pool(1, N=90)
        flat = 0.5 * P + 0.5 / 3
        P = np.concatenate([P, np.where(np.arange(90)[:, None] % 4, flat, P**2)])
        P /= P.sum(axis=2, keepdims=True)
        lams = np.linspace(0, 0.9, 19)
        params = {"alphas": [0.9], "thresholds": [0.0], "reweights": ["none"], "lams": lams}
        pruner = SOCPEnsemblePrunerCV(
            told(P), voting="hard", selection=selection, n_resamples=0, random_state=0, **params
        ).fit(as_rows(P), y)
        sizes = pruner.cv_results_["n_members"]
        assert sizes[0] == 2
        assert sizes[-1] == 1
        assert len(set(pruner.cv_results_["rank_test_score"])) == 1
        assert pruner.n_members_ == 1

    def test_one_standard_error_keeps_the_fewest_members_within_it(self):
        fewer = 0
        for seed in range(6):
            P, y = pool(12, N=120, seed=seed)
            best = SOCPEnsemblePrunerCV(told(P), lams=LAMS, n_resamples=4, random_state=0, **SOFT)
            best.fit(as_rows(P), y)
            small = clone(best).set_params(selection="one_se").fit(as_rows(P), y)
            scores = split_scores(best, 5)
            np.testing.assert_array_equal(split_scores(small, 5), scores)
            error = scores[:, best.best_index_].std(ddof=1) / np.sqrt(5)
            mean, sizes = scores.mean(axis=0), best.cv_results_["n_members"]
            enough = mean >= best.best_score_ - error - 1e-9
            assert small.best_score_ >= best.best_score_ - error - 1e-9
            assert small.n_members_ == sizes[enough].min() <= best.n_members_
            rivals = enough & (sizes == small.n_members_)
            assert small.best_score_ == pytest.approx(mean[rivals].max())
            fewer += small.n_members_ < best.n_members_
        assert fewer >= 3

    @pytest.mark.parametrize("selection", ["best", "one_se"])
    def test_a_selection_below_the_best_single_member_warns(self, selection):
        """One member that is right, and a vote of all in which it is outvoted."""
        P, y = pool(9, N=90, low=0, high=0, seed=3)
        P[4] = 0.6 * np.eye(3)[y] + 0.4 / 3
        params = {"alphas": [0.0], "lams": [0.0], "thresholds": [0.0], "reweights": ["equal"]}
        pruner = SOCPEnsemblePrunerCV(told(P), selection=selection, random_state=0, **params)
        with pytest.warns(UserWarning, match="that of the best single member, 1, by more than two"):
            pruner.fit(as_rows(P), y)
        assert pruner.best_score_ < pruner.best_member_score_ == pytest.approx(1)

    def test_no_warning_for_random_predictors(self):
        """The best of 60 random members on the rows that chose it always looks better."""
        warned = 0
        for seed in range(6):
            rng = np.random.default_rng(seed)
            P, y = rng.dirichlet(np.ones(3), size=(60, 200)), rng.integers(3, size=200)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                pruner = SOCPEnsemblePrunerCV(told(P), random_state=seed).fit(as_rows(P), y)
            assert pruner.best_member_score_ < 0.5
            warned += len(caught)
        assert warned <= 1  # two standard errors

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("n_rows", [61, 97, 131, 173])
    def test_no_warning_for_a_single_member(self, n_rows):
        P, y = pool(1, N=n_rows)
        pruner = SOCPEnsemblePrunerCV(told(P), inner_cv=3, n_resamples=0, random_state=0)
        pruner.fit(as_rows(P), y)
        assert pruner.best_score_ == pytest.approx(pruner.best_member_score_)


class TestResamples:
    def test_frequencies_are_shares_of_the_resamples(self):
        P, y = pool(12, N=90)
        pruner = SOCPEnsemblePrunerCV(told(P), n_resamples=8, random_state=0, **GRID)
        frequency = pruner.fit(as_rows(P), y).selection_frequency_
        assert frequency.shape == (12,)
        np.testing.assert_allclose(frequency * 8, (frequency * 8).round(), atol=1e-12)
        assert frequency.max() == 1
        assert ((frequency > 0) & (frequency < 1)).any()
        # a member that is never chosen has no weight
        assert (frequency[pruner.support_] > 0).all()

    def test_weights_are_means_over_complementary_halves_of_the_rows(self):
        P, y = pool(6, N=90)
        params = {"alphas": [0.9], "lams": [0.2], "thresholds": [0.0], "reweights": ["none"]}
        params |= {"voting": "soft", "inner_cv": 3, "n_resamples": 2, "random_state": 0}
        pruner = SOCPEnsemblePrunerCV(told(P), **params).fit(as_rows(P), y)
        blocks = []
        for rows in folds_of(y, 3):
            by_class = rows[np.argsort(y[rows], kind="stable")]
            blocks += [by_class[::2], by_class[1::2]]
        found = []
        for half in combinations(range(6), 3):
            rows = [np.concatenate([blocks[i] for i in half])]
            rows.append(np.setdiff1d(np.arange(90), rows[0]))
            parts = [normalised(penalised(*quadratic(P[:, r], y[r], 0.9), 0.2)) for r in rows]
            found.append(np.abs(np.mean(parts, axis=0) - pruner.weights_).max())
        assert min(found) < 1e-9
        assert sum(gap < 1e-9 for gap in found) == 2  # each split has two names


COSTS = np.arange(1.0, 9.0)


class TestLimits:
    @pytest.mark.parametrize(
        "params",
        [
            *({"penalty": "l0"}, {"diversity": "gini"}, {"diversity": "exact"}, {"voting": "hard"}),
            *({"max_members": 3}, {"max_members": 2, "penalty": "l0"}),
            {"costs": COSTS, "penalize_costs": True},
            *({"keep": [0], "penalty": penalty} for penalty in ("l1", "l0")),
            {"families": np.arange(8) // 2, "max_per_family": 1},
        ],
        ids=str,
    )
    def test_scores_again_fold_by_fold(self, params):
        P, y = pool(8, N=90)
        names = np.array(["ant", "bee", "cat"])
        grid = {"alphas": [0.8], "lams": [0.02, 0.4], "reweights": ["relaxed", "equal"]}
        pruner = SOCPEnsemblePrunerCV(
            told(P, names), inner_cv=3, n_resamples=0, random_state=0, **grid, **SOFT | params
        ).fit(as_rows(P), names[y])
        expected = one_by_one(P, y, "accuracy", grid, 3, **params)
        np.testing.assert_allclose(split_scores(pruner, 3), expected, atol=1e-12)
        assert pruner.cv_results_["n_members"].max() <= params.get("max_members", 8)
        plain = one_by_one(P, y, "accuracy", grid, 3)
        assert (params.get("voting") != "hard") or np.abs(expected - plain).max() > 0.01


class TestTraining:
    @pytest.mark.parametrize(
        ("cv", "trainings"), [(0.25, ["300"]), (2, ["200", "200", "400"])], ids=["part", "folds"]
    )
    def test_the_ensemble_is_trained_once(self, cv, trainings, data, tmp_path):
        log = tmp_path / "trainings"
        bag = CountingBag(DecisionTreeClassifier(max_depth=3), log=log)
        pruner = SOCPEnsemblePrunerCV(bag, cv=cv, random_state=0, **SMALL).fit(*data)
        assert log.read_text().splitlines() == trainings
        assert len(pruner.cv_results_["params"]) == 4

    @pytest.mark.parametrize("params", [{"cv": 0.25} | SOFT, {"cv": "oob"}], ids=str)
    def test_the_search_and_the_pruner_calibrate_on_the_same_rows(self, params, data):
        forest = RandomForestClassifier(12, max_depth=4, random_state=0)
        params = params | {"random_state": 0}
        pruner = SOCPEnsemblePrunerCV(forest, n_resamples=0, **params, **SMALL).fit(*data)
        same = SOCPEnsemblePruner(forest, **params, **pruner.best_params_).fit(*data)
        np.testing.assert_allclose(pruner.weights_, same.weights_, atol=1e-9)


class TestPools:
    def fitted(self, P, y, **params):
        return SOCPEnsemblePrunerCV(told(P), random_state=0, **params).fit(as_rows(P), y)

    def test_duplicates_share_their_weight_or_one_has_it(self):
        P, y = pool(5, N=90, low=1.5)
        params = {"reweights": ["none"], "alphas": [0.9], "lams": [0.1], "thresholds": [0.0]} | SOFT
        one, three = (
            self.fitted(Q, y, n_resamples=0, **params).weights_
            for Q in (P, np.concatenate([P, P, P]))
        )
        np.testing.assert_allclose(three.reshape(3, 5).sum(axis=0), one, atol=1e-7)

    @pytest.mark.parametrize("M", [1, 5])
    def test_members_that_are_all_the_same(self, M):
        P, y = pool(1, N=90)
        pruner = self.fitted(np.repeat(P, M, axis=0), y, **SOFT)
        X = as_rows(np.repeat(P, M, axis=0))
        np.testing.assert_allclose(pruner.predict_proba(X), P[0])
        assert pruner.best_score_ == pytest.approx(pruner.best_member_score_)

    def test_more_members_than_rows(self):
        pruner = self.fitted(*pool(60, N=30), inner_cv=3)
        assert 1 <= pruner.n_members_ < 60
        assert pruner.solution_.status == "optimal"

    def test_single_precision(self):
        P, y = pool(8, N=90)
        fits = [self.fitted(P.astype(dtype), y, **SMALL) for dtype in (np.float64, np.float32)]
        assert fits[0].best_params_ == fits[1].best_params_
        np.testing.assert_allclose(fits[0].weights_, fits[1].weights_, atol=1e-4)

    def test_a_class_that_no_calibration_row_has(self):
        P, y = pool(8, N=90, C=4)
        pruner = self.fitted(P[:, y < 3], y[y < 3], **SMALL)
        np.testing.assert_array_equal(pruner.classes_, np.arange(4))
        assert pruner.predict_proba(as_rows(P)).shape == (90, 4)

    def test_a_forest_of_real_trees_is_not_made_worse(self):
        X, X_test, y, y_test = train_test_split(*load_digits(return_X_y=True), random_state=0)
        forest = RandomForestClassifier(25, max_depth=6, random_state=0).fit(X[:900], y[:900])
        pruner = SOCPEnsemblePrunerCV(FrozenEstimator(forest), random_state=0, **SOFT)
        pruner.fit(X[900:], y[900:])
        assert pruner.n_members_ < 25
        assert pruner.score(X_test, y_test) > forest.score(X_test, y_test) - 0.01
        assert abs(pruner.nested_score_ - pruner.score(X_test, y_test)) < 0.05


class TestSampleWeight:
    def test_a_row_without_weight_is_as_good_as_absent(self):
        P, y = pool(8, N=120)
        weight = np.random.default_rng(0).exponential(size=120)
        weight[::4] = 0
        X, rows = as_rows(P), weight > 0
        pruner = SOCPEnsemblePrunerCV(told(P), random_state=0, **SMALL).fit(X, y, weight)
        fewer = clone(pruner).fit(X[rows], y[rows], weight[rows])
        np.testing.assert_allclose(pruner.weights_, fewer.weights_)
        np.testing.assert_allclose(split_scores(pruner, 3), split_scores(fewer, 3))

    @pytest.mark.parametrize("cls", [SOCPEnsemblePruner, SOCPEnsemblePrunerCV])
    def test_all_zero_among_the_held_out_rows_is_said_before_training(self, cls, data):
        split, weight = [(np.arange(300), np.arange(300, 400))], np.repeat([1.0, 0.0], [300, 100])
        with pytest.raises(ValueError, match="zero for all calibration samples"):
            cls([("a", Untrainable())], cv=split, random_state=0).fit(*data, weight)


class GivenFolds:
    """A splitter that gives test folds as they are, lists or masks."""

    def __init__(self, tests):
        self.tests = tests

    def split(self, X, y=None, groups=None):
        return iter([([], test) for test in self.tests])

    def get_n_splits(self, X=None, y=None, groups=None):
        return len(self.tests)


class TestInnerCV:
    @staticmethod
    def pruner(kind, inner_cv):
        """A pruner of fitted members, and rows."""
        params = SMALL | {"inner_cv": inner_cv, "n_resamples": 2, "random_state": 0}
        if kind == "classifier":
            P, y = pool(5, N=60)
            return SOCPEnsemblePrunerCV(told(P), **params), as_rows(P), y
        P, y = targets(5, N=60)
        return SOCPEnsemblePrunerRegressorCV(told_numbers(P), **params), as_rows(P), y

    @pytest.mark.parametrize("kind", ["classifier", "regressor"])
    @pytest.mark.parametrize("n_folds", [3, 4])
    def test_a_splitter_gives_the_folds(self, kind, n_folds):
        pruner, X, y = self.pruner(kind, KFold(n_folds))
        pruner.fit(X, y)
        assert len(pruner.nested_scores_) == n_folds
        # The same folds as lists and as masks.
        folds = np.array_split(np.arange(60), n_folds)
        for tests in ([f.tolist() for f in folds], [np.isin(np.arange(60), f) for f in folds]):
            same = self.pruner(kind, GivenFolds(tests))[0].fit(X, y)
            np.testing.assert_array_equal(same.nested_scores_, pruner.nested_scores_)
            np.testing.assert_array_equal(same.weights_, pruner.weights_)

    def test_targets_cannot_be_split_by_class(self):
        pruner, X, y = self.pruner("regressor", StratifiedKFold(3))
        with pytest.raises(ValueError, match=r"inner_cv=StratifiedKFold.*cannot split"):
            pruner.fit(X, y)

    def test_an_integer_is_a_shuffled_splitter(self):
        for kind, splitter in (("classifier", StratifiedKFold), ("regressor", KFold)):
            pruner, X, y = self.pruner(kind, 4)
            seed = seed_of(0)
            pruner.fit(X, y)
            same = self.pruner(kind, splitter(4, shuffle=True, random_state=seed))[0].fit(X, y)
            np.testing.assert_array_equal(same.nested_scores_, pruner.nested_scores_)
            np.testing.assert_array_equal(same.weights_, pruner.weights_)

    @pytest.mark.parametrize("kind", ["classifier", "regressor"])
    @pytest.mark.parametrize(
        ("splitter", "message"),
        [
            (ShuffleSplit(5, random_state=0), "no row in two"),
            (KFold(2), "at least three folds"),
            (LeaveOneOut(), "at least two rows"),
            (GivenFolds([]), "at least three folds"),
            (GivenFolds([[0, 1], [2, 3], [4, 60]]), "fold 2 holds 60"),
            (GivenFolds([[0, 1], [2, 3], []]), "fold 2 is empty"),
            (GroupKFold(3), "cannot split the 60 calibration samples: .*groups"),
            (KFold(61), "cannot split the 60 calibration samples"),
        ],
    )
    def test_a_splitter_that_will_not_do_is_refused(self, kind, splitter, message):
        pruner, X, y = self.pruner(kind, splitter)
        member = Untrainable() if kind == "classifier" else UntrainableRegressor()
        # Fitted members, and those that would be trained on rows beside the 60.
        train = [(np.arange(60, 80), np.arange(60))]
        other = clone(pruner).set_params(estimator=[("a", member)], cv=train)
        rows = np.arange(80) % 60
        for each, given in ((pruner, (X, y)), (other, (X[rows], y[rows]))):
            with pytest.raises(ValueError, match=f"inner_cv.*{message}"):
                each.fit(*given)


def test_the_choice_is_free_of_the_unit_of_the_score():
    rng = np.random.default_rng(0)
    y = rng.normal(size=60)
    F = y + rng.uniform(0.2, 1.5, size=(6, 1)) * rng.normal(size=(6, 60))
    params = {"scoring": "neg_mean_squared_error", "random_state": 0}
    pruner = SOCPEnsemblePrunerRegressorCV(told_numbers(F[:, :, None]), **params)
    assert len({pruner.fit(u * F.T, u * y).best_index_ for u in (1e-8, 1.0, 1e8)}) == 1
    assert len(set(pruner.cv_results_["rank_test_score"])) > 5

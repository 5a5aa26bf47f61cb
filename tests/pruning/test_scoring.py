"""Any scorer: what the search finds is what scikit-learn's own scorers say of its pruners."""

import numpy as np
import pytest
import sklearn
from sklearn.metrics import (
    accuracy_score,
    cohen_kappa_score,
    get_scorer,
    make_scorer,
)
from sklearn.tree import DecisionTreeClassifier

from skprune import SOCPEnsemblePrunerCV, SOCPEnsemblePrunerRegressorCV

from .by_hand import as_rows, pool, targets, told, told_numbers
from .conftest import Untrainable
from .fold_by_fold import folds_of, one_by_one, split_scores

pytestmark = pytest.mark.filterwarnings("ignore:The cross-validated score of the selection")

GRID = {"alphas": [0.8], "lams": [0.02, 0.3], "reweights": ["none", "equal"]}
ONCE = {"inner_cv": 3, "n_resamples": 0, "random_state": 0}


def searched(P, y, classes=None, sample_weight=None, **params):
    labels = np.arange(P.shape[2]) if classes is None else np.array(classes)
    params = GRID | ONCE | {"voting": "soft"} | params
    pruner = SOCPEnsemblePrunerCV(told(P, classes), **params)
    return pruner.fit(as_rows(P), labels[y], sample_weight)


@pytest.mark.parametrize(
    ("C", "scoring"),
    [
        *((3, name) for name in ("accuracy", "neg_log_loss", "balanced_accuracy", "f1_macro")),
        *((3, name) for name in ("roc_auc_ovr", "roc_auc_ovo_weighted", "matthews_corrcoef")),
        *((2, name) for name in ("neg_brier_score", "roc_auc", "f1", "average_precision")),
        (3, make_scorer(cohen_kappa_score, weights="quadratic")),
    ],
    ids=str,
)
def test_scores_are_those_of_scikit_learn(C, scoring):
    P, y = pool(7, N=90, C=C)
    pruner = searched(P, y, scoring=scoring)
    expected = one_by_one(P, y, scoring, GRID, 3)
    np.testing.assert_allclose(split_scores(pruner, 3), expected, atol=1e-12)
    assert pruner.best_score_ == pytest.approx(expected.mean(axis=0).max())
    if scoring == "accuracy":
        np.testing.assert_array_equal(split_scores(searched(P, y), 3), split_scores(pruner, 3))
    if scoring in ("f1_macro", "roc_auc_ovr", "neg_log_loss"):
        named = searched(P, y, ["ant", "bee", "cat"], scoring=scoring)
        np.testing.assert_allclose(split_scores(named, 3), expected, atol=1e-12)


@pytest.mark.parametrize("voting", ["soft", "hard"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
def test_members_that_are_sure_and_wrong(scoring, weighted, dtype, voting):
    """Log loss clips probabilities of zero, as scikit-learn does."""
    P, y = pool(4, N=60)
    P[0] = np.eye(3)[P[0].argmax(axis=1)]
    P[1] = np.eye(3)[(y + (np.arange(60) % 5 == 0)) % 3]
    P = P.astype(dtype)
    weight = np.random.default_rng(0).exponential(size=60) if weighted else None
    grid = GRID | {"lams": [0.02, 0.95]}  # the second keeps the sure member only
    pruner = searched(P, y, sample_weight=weight, scoring=scoring, voting=voting, **grid)
    expected = one_by_one(P, y, scoring, grid, 3, sample_weight=weight, voting=voting)
    np.testing.assert_allclose(split_scores(pruner, 3), expected, rtol=1e-5)
    assert scoring == "accuracy" or expected.min() < -3


@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_a_function_of_estimator_rows_and_classes(voting):
    P, y = pool(7, N=90)
    P = P.astype(np.float32)

    def errors(estimator, X, y):
        assert list(estimator.classes_) == ["ant", "bee", "cat"]
        assert np.abs(estimator.predict_proba(X).sum(axis=1) - 1).max() < 1e-15
        return -float((estimator.predict(X) != y).sum())

    pruner = searched(P, y, ["ant", "bee", "cat"], scoring=errors, voting=voting)
    sizes = [len(rows) for rows in folds_of(y, 3)]
    accuracy = one_by_one(P, y, "accuracy", GRID, 3, voting=voting)
    np.testing.assert_allclose(split_scores(pruner, 3), (accuracy - 1) * np.array(sizes)[:, None])


def test_log_loss_decides_between_equals_whatever_the_score():
    P, y = pool(7, N=90)
    pruner = searched(P, y, scoring=make_scorer(lambda y, _: 1.0))
    assert pruner.best_score_ == 1
    ties = pruner.cv_results_["mean_test_neg_log_loss"]
    np.testing.assert_allclose(ties, one_by_one(P, y, "neg_log_loss", GRID, 3).mean(axis=0))
    assert pruner.best_index_ == ties.argmax()


def test_under_metadata_routing():
    P, y = pool(7, N=90)
    weight = np.random.default_rng(0).exponential(size=90)
    plain = searched(P, y, sample_weight=weight, scoring="balanced_accuracy")
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = get_scorer("balanced_accuracy").set_score_request(sample_weight=True)
        routed = searched(P, y, sample_weight=weight, scoring=scorer)
    np.testing.assert_allclose(split_scores(routed, 3), split_scores(plain, 3))


NAMES = ["ant", "bee", "cat"]
WRONG = "cannot be computed from what the members give.*3 classes"


@pytest.mark.parametrize(
    ("scoring", "match", "names"),
    [
        *((name, f"scoring='{name}' {WRONG}", None) for name in ("roc_auc", "f1")),
        *((name, f"'{name}' cannot be", NAMES) for name in ("r2", "neg_mean_squared_error")),
        ("f1", "scoring='f1' cannot be computed.*pos_label", ["ant", "bee", "bee"]),
        (make_scorer(accuracy_score, response_method="decision_function"), "decision_func", None),
        (lambda e, X, y: float("nan"), "cannot be computed.*nan.* for perfect predictions", None),
    ],
)
def test_what_cannot_be_scored_is_said_before_training(scoring, match, names, data):
    X, y = data
    y = y if names is None else np.array(names)[y]
    pruner = SOCPEnsemblePrunerCV([("a", Untrainable())], scoring=scoring, **GRID)
    with pytest.raises(ValueError, match=match):
        pruner.fit(X, y)


@pytest.mark.parametrize(
    "scoring", [make_scorer(lambda y, p: accuracy_score(y, p)), lambda e, X, y: e.score(X, y)]
)
def test_a_scorer_that_takes_no_weights_where_there_are_some(scoring, data):
    tree = DecisionTreeClassifier(max_depth=2)
    SOCPEnsemblePrunerCV([("a", tree)], scoring=scoring, **(GRID | ONCE)).fit(*data)
    pruner = SOCPEnsemblePrunerCV([("a", Untrainable())], scoring=scoring, **GRID)
    with pytest.raises(ValueError, match=r"cannot be computed.*sample_weight"):
        pruner.fit(*data, np.ones(400))


def test_a_class_without_calibration_rows_is_said_before_the_search():
    P, y = pool(5, N=60)
    with pytest.raises(ValueError, match="'roc_auc_ovr' cannot be computed"):
        searched(P[:, y < 2], y[y < 2], [0, 1, 2], scoring="roc_auc_ovr")


class TestNumbers:
    @pytest.mark.parametrize("scoring", ["roc_auc", "accuracy", "neg_log_loss"])
    def test_scores_of_classes_are_refused(self, scoring):
        P, y = targets(5, N=60)
        pruner = SOCPEnsemblePrunerRegressorCV(told_numbers(P), scoring=scoring)
        with pytest.raises(ValueError, match=f"'{scoring}' cannot be computed.*1 target"):
            pruner.fit(as_rows(P), y)

    @pytest.mark.parametrize("T", [1, 2])
    @pytest.mark.parametrize(
        "scoring", ["r2", "neg_mean_squared_error", "neg_median_absolute_error"]
    )
    def test_a_scorer_gets_predictions_and_targets_as_y_was_given(self, scoring, T):
        P, y = targets(5, N=60, T=T)
        shapes = set()

        def recording(estimator, X, y):
            shapes.add((estimator.predict(X).shape, y.shape))
            return get_scorer(scoring)(estimator, X, y)

        grid = {"alphas": [0.9], "lams": [0.1], "reweights": ["equal"]} | ONCE
        own, named = (
            SOCPEnsemblePrunerRegressorCV(told_numbers(P), scoring=each, **grid).fit(as_rows(P), y)
            for each in (recording, scoring)
        )
        np.testing.assert_allclose(split_scores(named, 3), split_scores(own, 3), atol=1e-12)
        shape = (20,) if T == 1 else (20, 2)
        assert (shape, shape) in shapes

"""Importance of views, by hand and for estimators that use known views."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import check_random_state

from skprune import amount
from skprune.amount import reciprocal_mean_rank
from skprune.multiview import ViewImportance, view_importance

from ..amount import notebook


class OneView(ClassifierMixin, BaseEstimator):
    """Predicts from the sign of one view's mean."""

    def __init__(self, view=1):
        self.view = view

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        means = X[:, self.view].reshape(len(X), -1).mean(axis=1)
        return self.classes_[(means > 0).astype(int)]


class MaskedSum(ClassifierMixin, BaseEstimator):
    """Sign of the sum over the present views; records its arguments."""

    def fit(self, X, y):
        self.classes_, self.calls = np.unique(y), []
        return self

    def predict(self, X, mask=None):
        mask = np.ones(X.shape[:2], bool) if mask is None else mask
        assert mask.any(axis=1).all()
        self.calls.append((X.copy(), mask))
        return self.classes_[((X * mask).sum(axis=1) > 0).astype(int)]


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 4, 2, 3)).astype(np.float32)
    return X, np.where(X[:, 1].mean(axis=(1, 2)) > 0, "up", "down")


@pytest.mark.parametrize("method", ["permute", "remove"])
@pytest.mark.parametrize("scoring", [None, "balanced_accuracy", lambda e, X, y: e.score(X, y)])
def test_the_only_view_that_is_used(data, method, scoring):
    X, y = data
    before = X.copy()
    model = OneView().fit(X, y)
    found = view_importance(model, X, y, method=method, scoring=scoring, random_state=0)
    np.testing.assert_array_equal(X, before)
    assert isinstance(found, ViewImportance)
    np.testing.assert_array_equal(found.baseline, np.ones(5))
    # The other three do not matter at all, and share the ranks 2, 3 and 4.
    np.testing.assert_array_equal(found.ranks, np.tile([3, 1, 3, 3], (5, 1)))
    np.testing.assert_allclose(found.importance, [1 / 3, 1, 1 / 3, 1 / 3])
    assert found.drops[:, 1].min() > 0.2
    np.testing.assert_array_equal(np.delete(found.drops, 1, axis=1), 0)
    assert found.method == method


@pytest.mark.parametrize("method", ["permute", "remove"])
def test_graded_views_in_a_pipeline_of_features(method):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(600, 3, 2))
    y = X @ [1.0, 1.0] @ [1.0, 4.0, 0.2] > 0
    flatten = FunctionTransformer(np.reshape, kw_args={"shape": (-1, 6)})
    model = make_pipeline(flatten, LogisticRegression()).fit(X, y)
    found = view_importance(model, X, y, method=method, scoring="roc_auc", random_state=0)
    np.testing.assert_allclose(found.importance, [1 / 2, 1, 1 / 3])


def test_a_regressor_with_views_of_one_number():
    X = np.random.default_rng(2).normal(size=(200, 3))
    y = X @ [0.0, 1.0, 3.0]
    found = view_importance(LinearRegression().fit(X, y), X, y, random_state=0)
    np.testing.assert_allclose(found.importance, [1 / 3, 1 / 2, 1])


def test_importance_is_repeats_over_the_sum_of_ranks(data):
    """As in the notebook: 5 / (sum of the ranks over 5 repeats), so each is 5 / an integer."""
    X, y = data
    y = np.where(X.sum(axis=(2, 3)) @ [0.4, 0.5, 0.6, 0.5] > 0, "up", "down")
    flatten = FunctionTransformer(np.reshape, kw_args={"shape": (-1, 24)})
    model = make_pipeline(flatten, LogisticRegression()).fit(X, y)
    found = view_importance(model, X, y, n_repeats=5, random_state=0)
    sums = found.ranks.sum(axis=0)
    np.testing.assert_allclose(found.importance, 5 / sums)
    assert len(set(sums)) == 4
    np.testing.assert_allclose(found.ranks.sum(axis=1), 10)
    ranking = np.array([notebook.RANKING[view] for view in range(12)])
    published = np.round(5 / ranking)
    np.testing.assert_allclose(
        reciprocal_mean_rank(np.tile(published / 5, (5, 1))), ranking, rtol=1e-14
    )
    assert amount.reciprocal_mean_rank is reciprocal_mean_rank


def test_drops_by_hand(data):
    X, y = data
    y = np.where(np.arange(120) % 5 == 0, "up", y)
    model = OneView().fit(X, y)
    found = view_importance(model, X, y, n_repeats=2, random_state=7)
    rng = np.random.default_rng(check_random_state(7).randint(np.iinfo(np.int32).max))
    for repeat in range(2):
        work = X.copy()
        work[:, 1] = X[rng.permutation(120), 1]
        assert found.baseline[repeat] == model.score(X, y)
        assert found.drops[repeat, 1] == pytest.approx(model.score(X, y) - model.score(work, y))
    removed = view_importance(model, X, y, method="remove", n_repeats=2, random_state=7)
    rng = np.random.default_rng(check_random_state(7).randint(np.iinfo(np.int32).max))
    for repeat in range(2):
        rows = rng.integers(120, size=120)
        work = X[rows]
        assert removed.baseline[repeat] == model.score(work, y[rows])
        work[:, 1] = X[:, 1].mean(axis=0)
        expected = removed.baseline[repeat] - model.score(work, y[rows])
        assert removed.drops[repeat, 1] == pytest.approx(expected)


def test_means_keep_the_integer_type(data):
    y = data[1]
    X = np.where(data[0] > 0, 7, 0).astype(np.uint8)

    class Typed(OneView):
        def predict(self, X):
            assert X.dtype == np.uint8
            return super().predict(X)

    view_importance(Typed().fit(X, y), X, y, method="remove", random_state=0)


@pytest.mark.parametrize("scoring", [None, "accuracy"])
def test_remove_masks_if_another_view_is_present(scoring):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    y = X.sum(axis=1) > 0
    mask = np.ones((80, 3), dtype=bool)
    mask[::4, 0] = False
    mask[5] = [False, False, True]
    model = MaskedSum().fit(X, y)
    view_importance(
        model, X, y, method="remove", n_repeats=1, scoring=scoring, mask=mask, random_state=0
    )
    (drawn, baseline), *rest = model.calls
    assert len(rest) == 3
    single = baseline.sum(axis=1) == 1
    assert single.any()
    for view, (given, left) in enumerate(rest):
        expected = baseline.copy()
        expected[~single, view] = False
        np.testing.assert_array_equal(left, expected)
        # The only view of a sample cannot be masked: it is replaced by its mean.
        changed = given != drawn
        np.testing.assert_array_equal(changed.any(axis=1), single & (view == 2))
        if view == 2:
            np.testing.assert_allclose(given[single, 2], X[:, 2].mean())
    without = MaskedSum().fit(X, y)
    view_importance(without, X, y, method="remove", n_repeats=1, random_state=0)
    assert [mask.all() for _, mask in without.calls] == [True, False, False, False]


def test_missing_views_are_not_shuffled():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    mask = rng.random((80, 3)) < 0.7
    mask[:, 1] |= ~mask.any(axis=1)
    X[~mask] = np.nan
    model = MaskedSum().fit(X, rng.random(80) > 0.5)
    view_importance(model, X, rng.random(80) > 0.5, n_repeats=1, mask=mask, random_state=0)
    _, *rest = model.calls
    for view, (given, handed) in enumerate(rest):
        np.testing.assert_array_equal(handed, mask)
        np.testing.assert_array_equal(np.isnan(given), ~mask)
        np.testing.assert_array_equal(np.delete(given, view, 1), np.delete(X, view, 1))
        assert not np.array_equal(given[:, view], X[:, view], equal_nan=True)
        np.testing.assert_array_equal(np.sort(given[:, view]), np.sort(X[:, view]))


def test_one_view(data):
    X, y = data[0][:, 1:2], data[1]
    for method in ("permute", "remove"):
        found = view_importance(OneView(0).fit(X, y), X, y, method=method, random_state=0)
        np.testing.assert_array_equal(found.importance, [1.0])
        assert found.drops.min() > 0.2
    X = X.mean(axis=(2, 3))
    y = X[:, 0] > 0
    found = view_importance(MaskedSum().fit(X, y), X, y, method="remove", random_state=0)
    np.testing.assert_array_equal(found.importance, [1.0])


def test_randomness(data):
    X, y = data
    model = OneView().fit(X, y)

    def drops(seed):
        return view_importance(model, X, y, random_state=seed).drops

    np.testing.assert_array_equal(drops(3), drops(3))
    np.testing.assert_array_equal(drops(np.random.default_rng(3)), drops(np.random.default_rng(3)))
    assert not np.array_equal(drops(3), drops(4))
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    drops(None)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"method": "drop"}, ValueError, "'method' .* a str among .* Got 'drop'"),
        ({"method": np.array(["permute"])}, ValueError, "'method' .* a str among .* Got array"),
        ({"random_state": True}, ValueError, "'random_state' .* None.* Got True"),
        ({"n_repeats": 0}, ValueError, "'n_repeats' .* int in the range .1, inf.* Got 0"),
        ({"n_repeats": 2.0}, ValueError, "'n_repeats' .* int in the range .1, inf.* Got 2.0"),
        ({"X": np.zeros(120)}, ValueError, r"\(n_samples, views, ...\).* got \(120,\)"),
        ({"X": np.zeros((120, 0, 2))}, ValueError, r"with at least one view; got \(120, 0, 2\)"),
        ({"y": ["up"] * 119}, ValueError, r"inconsistent numbers of samples: \[120, 119\]"),
        ({"scoring": ["accuracy", "f1"]}, TypeError, "'scoring' .* None, an instance of 'str'"),
        ({"scoring": lambda *_: np.nan}, ValueError, "must give finite numbers; got .*nan"),
        ({"mask": np.ones((120, 4), bool)}, TypeError, "predict of OneView takes no mask"),
        ({"random_state": -1}, ValueError, "-1"),
    ],
)
def test_wrong_input(data, change, error, message):
    X, y = data
    given = {"X": X, "y": y} | change
    with pytest.raises(error, match=message):
        view_importance(OneView().fit(X, y), **given)


@pytest.mark.parametrize("mask", [np.ones((120, 4)), np.ones((120, 3), bool), [True] * 3])
def test_wrong_masks(data, mask):
    X, y = data[0].mean(axis=(2, 3)), data[1]
    with pytest.raises(ValueError, match=r"mask must be an array of bool of shape \(120, 4\) or"):
        view_importance(MaskedSum().fit(X, y), X, y, mask=mask)


def test_a_mask_for_all_samples(data):
    X, y = data[0].mean(axis=(2, 3)), data[1]
    model = MaskedSum().fit(X, y)
    view_importance(model, X, y, mask=[True, True, False, True], random_state=0)
    assert all((mask == [True, True, False, True]).all() for _, mask in model.calls)

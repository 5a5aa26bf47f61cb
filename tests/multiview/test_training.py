"""Training by the public classifier: missing views, weights, early stopping, importance."""

import random

import numpy as np
import pytest

from skprune.ensemble import CNNArchitecture
from skprune.ensemble._data import validation_rows

from .small import TINY, assert_same_weights, make, networks_of, random_mask, three_views

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def views():
    return three_views()


@pytest.fixture(scope="module")
def mask():
    return random_mask()


def test_pixels_of_missing_views_do_not_matter(views, mask):
    X, y = views
    garbage = X.astype(np.float32)
    drawn = np.random.default_rng(2).choice([np.nan, np.inf, 1e30, -7], garbage.shape)
    garbage[~mask] = drawn[~mask]
    one, two = (make(epochs=4).fit(pixels, y, mask=mask) for pixels in (X, garbage))
    assert_same_weights(networks_of(one), networks_of(two))
    assert one.history_ == two.history_
    np.testing.assert_array_equal(one.view_importances_, two.view_importances_)
    expected = one.predict_proba(X, mask=mask)
    np.testing.assert_array_equal(two.predict_proba(garbage, mask=mask), expected)


def test_batch_normalization_uses_present_views_only(views):
    """If all views of a sample are equal, it does not matter which of them are missing."""
    X, y = views
    equal = np.repeat(X[:, 2:], 3, axis=1)
    absent = np.arange(100)[:, None] % 3 == np.arange(3)
    whole = make(epochs=4).fit(equal, y)
    masked = make(epochs=4).fit(np.where(absent[..., None, None], 255, equal), y, mask=~absent)
    # Not to the last bit: the shift before a normalization has no gradient but rounding, which
    # Adam follows. With zeros in place of missing views the difference is 0.18.
    expected = whole.predict_proba(equal)
    np.testing.assert_allclose(masked.predict_proba(equal), expected, atol=0.01)


def test_pixels_are_standardized_by_present_views(views, mask):
    X, y = views
    model = make(epochs=1, validation_fraction=None).fit(X, y, mask=mask)
    layer = model.tower_.get_layer("standardize")
    mean, deviation = X[mask].mean(), X[mask].std()
    np.testing.assert_allclose(layer(np.array([mean, mean + deviation])), [0, 1], atol=1e-5)
    # Without validation samples there is no validation loss, and no importance.
    assert list(model.history_) == ["loss", "accuracy"]
    assert not hasattr(model, "view_importances_")


def test_samples_of_weight_zero_are_left_out(views, mask):
    X, y = views
    weights = np.where(np.arange(100) % 4 == 0, 0.0, 0.5)
    kept = weights > 0
    weighted = make().fit(X, y, sample_weight=weights, mask=mask)
    absent = make().fit(X[kept], y[kept], sample_weight=weights[kept], mask=mask[kept])
    np.testing.assert_array_equal(weighted.predict_proba(X), absent.predict_proba(X))


def test_early_stopping_keeps_the_best_epoch(views):
    X, y = views
    wild = CNNArchitecture(TINY.blocks, 8, 0.0, learning_rate=0.3)
    model = make(wild, epochs=40, n_iter_no_change=2).fit(X, y)
    losses = model.history_["val_loss"]
    assert len(losses) < 40
    assert min(losses) == losses[-3]
    held_out = validation_rows(y, 0.1, model.seed_)
    of_truth = model.predict_proba(X[held_out])[np.arange(held_out.sum()), y[held_out]]
    assert -np.log(np.maximum(of_truth, 1e-7)).mean() == pytest.approx(min(losses), rel=1e-3)
    patient = make(wild, epochs=40, n_iter_no_change=None).fit(X, y)
    assert len(patient.history_["loss"]) == 40


def test_importance_is_highest_for_the_view_that_tells(views):
    for settings in ({}, {"view_pooling": "mean"}, {"importance_method": "remove"}):
        model = make(epochs=12, **settings).fit(*views)
        assert model.view_importances_.shape == (3,)
        assert model.view_importances_.argmax() == 2
        assert model.view_importances_[2] == 1
    # The importance of an earlier fit is removed.
    model.set_params(n_importance_repeats=0, epochs=1).fit(*views)
    assert not hasattr(model, "view_importances_")


def test_global_random_state_is_not_touched(views):
    import tensorflow as tf
    from tensorflow.python.eager import context

    X, y = views
    tf.random.set_seed(5)
    before = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    make(random_state=None).fit(X, y).predict(X)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert random.getstate() == before[1]
    assert context.global_seed() == 5
    drawn = tf.random.uniform([3]).numpy()
    tf.random.set_seed(5)
    np.testing.assert_array_equal(tf.random.uniform([3]).numpy(), drawn)

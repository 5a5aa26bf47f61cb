"""The layers, and predictions by towers and a head."""

import keras
import numpy as np
import pytest

from skprune.ensemble._builder import build_cnn, build_tower_and_head
from skprune.multiview import ViewNetworks, _network
from skprune.multiview._network import SliceNorm, pool_views

from .small import by_hand, cnn, networks_of

pytestmark = pytest.mark.keras


def test_tower_and_head_are_the_network_of_a_member():
    architecture, options = cnn().architecture, {"offset": 3.0, "scale": 2.0, "seed": 7}
    whole = build_cnn(architecture, (6, 5, 2), 4, **options)
    tower, head = build_tower_and_head(architecture, (6, 5, 2), 4, **options)
    parts = [*tower.get_weights(), *head.get_weights()]
    for a, b in zip(whole.get_weights(), parts, strict=True):
        np.testing.assert_array_equal(a, b)
    X = np.random.default_rng(0).normal(size=(3, 6, 5, 2)).astype(np.float32)
    np.testing.assert_array_equal(whole(X), head(tower(X)))


@pytest.fixture
def copies_of_the_tower(frozen):
    """The networks with two other towers, of which the first is that of views 0, 2 and 3."""
    networks = networks_of(frozen.estimator)
    weights = networks.towers[0].get_weights()
    copies = [keras.models.clone_model(networks.towers[0]) for _ in range(2)]
    for seed, copy in enumerate(copies):
        rng = np.random.default_rng(seed)
        copy.set_weights([w + rng.normal(0, 0.01, w.shape) for w in weights])
    return ViewNetworks((copies[0], copies[1], copies[0], copies[0]), networks.head, "max")


def test_towers_of_their_own_are_one_function_once_that_pays(copies_of_the_tower, data, mask):
    from skprune._keras import _joint_prediction, record_eager_time, seconds_to_compile

    networks, X = copies_of_the_tower, data[0][..., None].astype(np.float32)
    expected = networks.predict_proba(X, mask)
    first, second = networks.distinct
    assert _joint_prediction._COMPILED not in vars(first)
    for tower in (first, second):
        record_eager_time(tower, seconds_to_compile() / 2)
    # Pixels of missing views may be anything.
    for pixels in (X, np.where(mask[:, :, None, None, None], X, np.nan)):
        found = networks.predict_proba(pixels, mask)
        assert len(vars(first)[_joint_prediction._COMPILED]) == 1
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_predictions_are_made_in_bounded_batches(frozen, data, mask, monkeypatch):
    whole = frozen.estimator.predict_proba(data[0], mask)
    monkeypatch.setattr(_network, "_MOST_ROWS", 30)
    found = frozen.estimator.predict_proba(data[0], mask)
    np.testing.assert_allclose(found, whole, rtol=1e-4, atol=1e-6)


def test_samples_without_a_kept_view_are_named(frozen, data):
    networks, X = networks_of(frozen.estimator), data[0][..., None]
    tower = networks.towers[0]
    with pytest.raises(ValueError, match="each view, 4; got 2"):
        ViewNetworks((tower, tower), networks.head, "max").predict_proba(X)
    dropped = ViewNetworks((None, tower, None, tower), networks.head, "max")
    mask = np.tile([True, False, True, False], (160, 1))
    with pytest.raises(ValueError, match=r"160 of 160 samples .* views \[0, 2\] were dropped"):
        dropped.predict_proba(X, mask)
    expected = by_hand(dropped, X[:5])
    np.testing.assert_allclose(dropped.predict_proba(X[:5]), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_missing_views_get_no_gradient(mask, pooling):
    import tensorflow as tf

    features = tf.Variable(np.random.default_rng(0).normal(size=(160, 4, 4)))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(pool_views(features, mask, pooling))
    gradient = np.asarray(tape.gradient(total, features))
    assert (gradient[~mask] == 0).all()
    np.testing.assert_allclose(gradient.sum(axis=1), 1)


def test_the_norm_of_slices_is_batch_normalization_slice_by_slice():
    """Against Keras's own, one for each slice, in training and in prediction."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(20, 3, 5, 5, 4)) * [[[[1, 2, 3, 4]]]]).astype("float32")
    x[:, 1] += 7  # another slice
    layer = SliceNorm([0, 1, 0], momentum=0.5)
    flat = x.reshape(-1, 5, 5, 4)
    trained = np.asarray(layer(flat, training=True)).reshape(x.shape)
    predicted = np.asarray(layer(flat, training=False)).reshape(x.shape)
    for views in ([0, 2], [1]):
        own = keras.layers.BatchNormalization(momentum=0.5)
        part = x[:, views].reshape(-1, 5, 5, 4)
        for found, training in ((trained, True), (predicted, False)):
            expected = np.asarray(own(part, training=training))
            got = found[:, views].reshape(part.shape)
            np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-3)

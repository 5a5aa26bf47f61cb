"""Keras networks predicted by one compiled function, also those of scikeras's estimators."""

import copy
import gc
import os
import weakref

import keras
import numpy as np
import pytest
from scikeras.wrappers import KerasRegressor
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import StandardScaler

from skprune import (
    CNNSpace,
    RandomCNNEnsembleClassifier,
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerRegressor,
)
from skprune._keras import (
    JointNetworks,
    _joint_prediction,
    call_padded,
    joint_prediction,
    network_output,
    record_eager_time,
    row_groups,
    seconds_to_compile,
)
from skprune.ensemble import _training
from skprune.serving import OnnxPredictor, export_onnx, fuse
from tests.compression.networks import scikeras, sigmoid, softmax

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(n_class=3, return_X_y=True)
    return X[:120].astype(np.float32).reshape(-1, 8, 8), np.array(["a", "b", "c"])[y[:120]]


@pytest.fixture(scope="module")
def members(digits):
    return [scikeras(softmax, epochs=1, random_state=i).fit(*digits) for i in range(2)]


def small(seed, n=3):
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(n, activation="softmax"),
        ]
    )


X = np.random.default_rng(0).normal(size=(50, 6, 6, 1)).astype(np.float32)


def test_joint_networks():
    networks = [small(0), small(1, 5)]
    outputs = JointNetworks(networks).predict(X)
    for network, output in zip(networks, outputs, strict=True):
        np.testing.assert_allclose(output, network(X, training=False).numpy(), rtol=1e-5)


def test_weights_may_change():
    network = small(0)
    joint = JointNetworks([network])
    joint.predict(X)
    network.set_weights(small(1).get_weights())
    np.testing.assert_allclose(joint.predict(X)[0], network(X, training=False).numpy(), rtol=1e-5)


def test_a_joint_function_holds_its_networks_and_is_released_with_them():
    networks = [small(0), small(1)]
    expected = networks[0](X, training=False).numpy()
    joint = JointNetworks(networks)
    held = weakref.ref(networks[0])
    del networks
    gc.collect()
    np.testing.assert_allclose(joint.predict(X)[0], expected, rtol=1e-5)
    del joint
    gc.collect()
    assert held() is None


def test_one_network_is_compiled_once_that_pays():
    network = small(0)
    first = network_output(network, X)
    assert _joint_prediction._COMPILED not in vars(network)
    record_eager_time(network, seconds_to_compile())
    np.testing.assert_allclose(network_output(network, X), first, rtol=1e-6)
    assert len(vars(network)[_joint_prediction._COMPILED]) == 1
    np.testing.assert_allclose(network_output(network, X[:7]), first[:7], rtol=1e-5)


def test_a_pruner_of_scikeras_classifiers_calls_no_predict_of_keras(members, digits, monkeypatch):
    named = [(str(i), FrozenEstimator(member)) for i, member in enumerate(members)]
    expected = [member.predict_proba(digits[0]) for member in members]
    monkeypatch.setattr(keras.Model, "predict", lambda *a, **k: pytest.fail("a loop of predict"))
    pruner = SOCPEnsemblePruner(named, voting="soft", lam=0.0).fit(*digits)
    weights = pruner.weights_[pruner.support_]
    kept = [p for p, stays in zip(expected, pruner.support_, strict=True) if stays]
    np.testing.assert_allclose(
        pruner.predict_proba(digits[0]), np.tensordot(weights, kept, 1), rtol=1e-5, atol=1e-7
    )


def test_one_column_of_two_classes(digits):
    images, y = digits
    two = y != "c"
    members = [scikeras(sigmoid, epochs=1, random_state=i).fit(images[two], y[two]) for i in (0, 1)]
    outputs = joint_prediction(members)(images)
    for member, output in zip(members, outputs, strict=True):
        np.testing.assert_allclose(output, member.predict_proba(images), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("n_targets", [1, 2])
def test_regressors(n_targets, monkeypatch):
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(80, 4)).astype(np.float32)
    y = samples[:, :n_targets] * 3 + 1
    y = y[:, 0] if n_targets == 1 else y
    settings = {"loss": "mse", "epochs": 3, "verbose": 0}
    members = [
        KerasRegressor(regression, random_state=seed, **settings).fit(samples, y) for seed in (0, 1)
    ]
    expected = [member.predict(samples) for member in members]
    monkeypatch.setattr(keras.Model, "predict", lambda *a, **k: pytest.fail("a loop of predict"))
    for found, alone in zip(joint_prediction(members)(samples), expected, strict=True):
        assert found.shape == alone.shape
        np.testing.assert_allclose(found, alone, rtol=1e-5, atol=1e-6)
    named = [(str(i), FrozenEstimator(member)) for i, member in enumerate(members)]
    pruner = SOCPEnsemblePrunerRegressor(named, lam=0.0).fit(samples, y)
    assert pruner.predict(samples).shape == y.shape


def regression(meta):
    layers = [keras.Input((4,)), keras.layers.Dense(8, "relu")]
    return keras.Sequential([*layers, keras.layers.Dense(meta["n_outputs_"])])


def test_what_scikeras_refuses_is_refused(members, digits):
    with pytest.raises(ValueError, match="dtype"):
        joint_prediction(members)(digits[0].astype(np.float64))
    with pytest.raises(ValueError, match=r"dimensions|features|shape"):
        joint_prediction(members)(digits[0][:, :4])


def test_members_that_do_more_are_not_predicted_jointly(members):
    scaled, with_options, own, raw = (copy.copy(members[0]) for _ in range(4))
    assert joint_prediction([scaled, with_options]) is not None
    scaled.feature_encoder_ = StandardScaler()
    with_options.set_params(predict__batch_size=3)

    class Own(type(members[0])):
        def predict_proba(self, X):
            return super().predict_proba(X)[:, ::-1]

    class Raw(type(members[0])):
        def _predict_raw(self, X, training=False):
            return super()._predict_raw(X, training=training) ** 2

    own.__class__, raw.__class__ = Own, Raw
    for member in (scaled, with_options, own, raw):
        assert joint_prediction([member, member]) is None
    assert joint_prediction([scikeras(softmax)] * 2) is None  # not fitted


# In units of the numbers that the 64 rows of one call may have for each sample.
@pytest.mark.parametrize(
    ("widths", "expected"),
    [
        ([1e-5], [(slice(0, 1), 4096)]),  # at most 4096 rows
        ([1 / 4, 1 / 4], [(slice(0, 2), 128)]),
        ([1 / 2, 1 / 2, 1 / 2], [(slice(0, 2), 64), (slice(2, 3), 128)]),  # at least 64 rows
        (
            [2.5, 1 / 40, 1 / 40],
            [(slice(0, 1), 16), (slice(1, 3), 1024)],
        ),  # or fewer for one
        ([125.0], [(slice(0, 1), 1)]),
    ],
)
def test_row_groups(widths, expected):
    assert row_groups([int(width * 2**19) for width in widths]) == expected


def test_every_network_is_in_one_group():
    widths = [7**i % 1_000_003 for i in range(200)]
    groups = row_groups(widths)
    assert [i for group, _ in groups for i in range(200)[group]] == list(range(200))
    for group, rows in groups:
        assert rows == 1 or 4 * rows * sum(widths[group]) <= 2**27


def test_call_padded():
    seen = set()

    def double(X):
        seen.add(len(X))
        return 2 * X

    for n in range(1, 40):
        X = np.arange(3 * n).reshape(n, 3)
        np.testing.assert_array_equal(call_padded(double, X), 2 * X)
        found = call_padded(lambda rows: [double(rows), rows], X)
        np.testing.assert_array_equal(found[0], 2 * X)
        np.testing.assert_array_equal(found[1], X)
    assert seen == {1, 2, 4, 8, 16, 32, 64}


@pytest.mark.skipif(
    os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow",
    reason="for the other back ends: tests/ensemble/test_epochs.py runs it",
)
def test_of_another_back_end(tmp_path, monkeypatch):
    """Keras compiles, by its own predict_on_batch; graphs are exported as with TensorFlow."""
    X, y = load_digits(n_class=3, return_X_y=True)
    X, y = X[:40], y[:40]
    # In this process: another would load the back end again.
    monkeypatch.setattr(_training, "run_in_worker", lambda train, *args, **_: train(*args))
    space = CNNSpace(n_blocks=[1], filters=[4], dense_units=[20])
    # One batch: JAX compiles a step for each size.
    cnns = RandomCNNEnsembleClassifier(
        2, space=space, image_shape=(8, 8), epochs=1, batch_size=40, random_state=0
    )
    cnns.fit(X, y)
    images = X.reshape(-1, 8, 8, 1).astype(np.float32)
    networks = [member.network() for member in cnns.estimators_]
    outputs = JointNetworks(networks).predict(images)
    for network, output in zip(networks, outputs, strict=True):
        np.testing.assert_allclose(output, np.asarray(network(images)), rtol=1e-5)
    first = network_output(networks[0], images)
    for _ in range(3):
        np.testing.assert_array_equal(network_output(networks[0], images), first)
    expected = cnns.predict_proba(X)
    np.testing.assert_allclose(fuse(cnns).predict(images, verbose=0), expected, atol=1e-5)
    predictor = OnnxPredictor(export_onnx(cnns, tmp_path / "g.onnx"))
    np.testing.assert_allclose(predictor.predict_proba(X), expected, atol=1e-5)

import random

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_digits

from skprune.sparsity import (
    _fine_tune,
    fine_tune,
    prune_channels,
    prune_magnitude,
    reestimate_batch_norm,
)

from .twins import blobs_in_a_row, normalized_network, output, randomise

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X.reshape(-1, 8, 8, 1).astype("float32") / 16, y


def network(seed=0):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def accuracy(model, X, y):
    return (output(model, X).argmax(axis=1) == y).mean()


@pytest.fixture(scope="module")
def trained(digits):
    X, y = digits
    return fine_tune(network(), X[:1200], y[:1200], epochs=15, random_state=0)


def test_it_brings_accuracy_back(trained, digits):
    X, y = digits
    full = accuracy(trained, X[1200:], y[1200:])
    pruned = prune_channels(trained, 0.5)
    tuned = fine_tune(pruned, X[:1200], y[:1200], epochs=5, random_state=0)
    assert full > 0.9
    assert accuracy(pruned, X[1200:], y[1200:]) < full - 0.02
    assert accuracy(tuned, X[1200:], y[1200:]) > full - 0.05


def test_zeros_stay_zero_and_all_else_is_trained(trained, digits):
    X, y = digits
    pruned = prune_magnitude(trained, 0.7)
    tuned = fine_tune(pruned, X[:500], y[:500], random_state=0)
    free = fine_tune(pruned, X[:500], y[:500], random_state=0, keep_zeros=False)
    for old, new, other in zip(pruned.weights, tuned.weights, free.weights, strict=True):
        if old.name == "kernel":
            zeros = old.numpy() == 0
            assert not new.numpy()[zeros].any()
            assert (new.numpy() != old.numpy())[~zeros].mean() > 0.5
            assert other.numpy()[zeros].any()


def test_a_constraint_of_the_users_holds_too():
    X = np.random.default_rng(0).normal(size=(64, 5)).astype("float32")
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(4, kernel_constraint="non_neg"), layers.Dense(2)]
    )
    model.layers[0].kernel.assign(np.abs(model.layers[0].kernel.numpy()))
    tuned = fine_tune(
        prune_magnitude(model, 0.4), X, X[:, :2], loss="mse", learning_rate=0.1, epochs=5
    )
    assert (tuned.layers[0].kernel.numpy() >= 0).all()


def test_the_same_seed_gives_the_same_bits_and_nothing_global_moves(trained, digits):
    X, y = digits[0][:500], digits[1][:500]
    before = trained.get_weights()
    state = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    a, b, c = (fine_tune(trained, X, y, random_state=seed).get_weights() for seed in (1, 1, 2))
    assert random.getstate() == state[0]
    np.testing.assert_array_equal(np.random.get_state()[1], state[1])  # noqa: NPY002
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)
    assert any((one != other).any() for one, other in zip(a, c, strict=True))
    for now, then in zip(trained.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_few_steps_that_are_not_traced_are_the_same_steps(trained, digits, monkeypatch):
    """With zeros that stay, weights of samples, and dropout from the same seed."""
    X, y = digits[0][:250], digits[1][:250]
    weight = np.linspace(0, 2, 250)
    pruned, found = prune_magnitude(trained, 0.5), []
    for few in (_fine_tune._MAX_EAGER_STEPS, 0):
        monkeypatch.setattr(_fine_tune, "_MAX_EAGER_STEPS", few)
        found.append(fine_tune(pruned, X, y, sample_weight=weight, random_state=0).get_weights())
    moved = zip(found[0], pruned.get_weights(), strict=True)
    assert max(np.abs(new - old).max() for new, old in moved) > 3e-3
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=3e-5)


def test_samples_of_weight_zero_do_not_count(trained, digits):
    X, y = digits[0][:128], digits[1][:128]
    weight = np.ones(128)
    wrong = y.copy()
    wrong[:20], weight[:20] = (y[:20] + 1) % 10, 0
    # One batch, dropout from the same seed: the same gradient up to the batch statistics.
    a = fine_tune(trained, X, wrong, sample_weight=weight, batch_size=128, random_state=0)
    b = fine_tune(trained, X, y, sample_weight=weight, batch_size=128, random_state=0)
    for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_epochs_is_a_copy(trained, digits):
    copy = fine_tune(trained, *digits, epochs=0)
    assert copy is not trained
    for one, other in zip(copy.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_compiled_loss_is_used(digits):
    X, y = digits[0][:64], digits[1][:64]
    model = network()
    assert not fine_tune(model, X, y).compiled
    model.compile("sgd", "categorical_crossentropy")
    tuned = fine_tune(model, X, np.eye(10)[y])
    assert tuned.compiled
    assert isinstance(tuned.optimizer, keras.optimizers.SGD)


def test_progress_is_printed_only_if_asked_for(trained, digits, capsys):
    X, y = digits[0][:64], digits[1][:64]
    fine_tune(trained, X, y)
    assert capsys.readouterr().out == ""
    fine_tune(trained, X, y, epochs=2, verbose=1)
    assert capsys.readouterr().out.count("[fine_tune] epoch") == 2


# Batch normalisation


def test_one_batch_gives_the_statistics_of_what_flows_in():
    model = randomise(
        keras.Sequential(
            [
                keras.Input((6, 6, 2)),
                layers.Conv2D(8, 3),
                layers.BatchNormalization(trainable=False),
                layers.Dropout(0.5),
                layers.Conv2D(4, 3),
                layers.BatchNormalization(),
            ]
        )
    )
    X = np.random.default_rng(0).normal(size=(50, 6, 6, 2)).astype("float32")
    again = reestimate_batch_norm(model, X)
    conv, norm, _, conv2, norm2 = again.layers
    flow = conv(X).numpy()
    np.testing.assert_allclose(norm.moving_mean, flow.mean(axis=(0, 1, 2)), atol=1e-4)
    np.testing.assert_allclose(norm.moving_variance, flow.var(axis=(0, 1, 2)), rtol=1e-3)
    assert not norm.trainable
    # Now predictions normalise with what was measured, so that the second sees the same flow.
    flow2 = conv2(norm(flow)).numpy()
    np.testing.assert_allclose(norm2.moving_mean, flow2.mean(axis=(0, 1, 2)), atol=1e-3)
    np.testing.assert_allclose(norm2.moving_variance, flow2.var(axis=(0, 1, 2)), rtol=1e-2)
    np.testing.assert_array_equal(norm2.gamma, model.layers[-1].gamma)
    assert not any("call" in vars(layer) for layer in again.layers), "it still measures"


@pytest.mark.parametrize("batch_size", [1, 3, 4, 9, 100])
def test_batches_are_pooled_exactly(batch_size):
    """Mean and variance of all rows, whatever their order and the size of a batch."""
    X = np.arange(20, dtype="float32").reshape(10, 2) ** 2
    model = keras.Sequential([keras.Input((2,)), layers.BatchNormalization()])
    for rows in (X, X[[1, 0, 9, 3, 8, 2, 7, 5, 4, 6]]):
        norm = reestimate_batch_norm(model, rows, batch_size=batch_size).layers[0]
        np.testing.assert_allclose(norm.moving_mean.numpy(), X.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(norm.moving_variance.numpy(), X.var(axis=0), rtol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 10])
def test_steps_that_a_mask_leaves_out_do_not_count(batch_size):
    X = np.arange(40, dtype="float32").reshape(10, 4, 1)
    X[[0, 3, 4], 2:] = -1
    model = keras.Sequential(
        [keras.Input((4, 1)), layers.Masking(-1.0), layers.BatchNormalization()]
    )
    norm = reestimate_batch_norm(model, X, batch_size=batch_size).layers[-1]
    np.testing.assert_allclose(norm.moving_mean.numpy(), [X[X >= 0].mean()], rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance.numpy(), [X[X >= 0].var()], rtol=1e-5)


def test_a_small_rest_counts_as_little_as_it_is():
    """One row that is left, normalized by itself, is zero."""
    X = np.random.default_rng(0).normal(size=(257, 2)).astype("float32")
    model = randomise(
        keras.Sequential(
            [
                keras.Input((2,)),
                layers.BatchNormalization(),
                layers.Dense(2, use_bias=False),
                layers.BatchNormalization(),
            ]
        )
    )
    again = reestimate_batch_norm(model, X, batch_size=256)
    first, dense, second = again.layers
    flow = np.asarray(dense(first(X)))
    np.testing.assert_allclose(second.moving_variance.numpy(), flow.var(axis=0), rtol=1e-2)


def test_rows_sorted_by_class_give_the_statistics_of_shuffled_ones():
    X, y = blobs_in_a_row(1024)
    X_test, y_test = blobs_in_a_row(400, seed=1)
    shuffled = np.random.default_rng(0).permutation(len(X))
    model = fine_tune(
        normalized_network(), X[shuffled], y[shuffled], epochs=5, learning_rate=0.02, random_state=0
    )
    for seed in range(3):
        again = reestimate_batch_norm(model, X, random_state=seed)
        assert accuracy(again, X_test, y_test) > 0.99
    expected = reestimate_batch_norm(model, X[shuffled])
    for one, other in zip(again.layers, expected.layers, strict=True):
        if isinstance(one, layers.BatchNormalization):
            scale = np.sqrt(other.moving_variance.numpy() + 1e-3)
            gap = one.moving_mean.numpy() - other.moving_mean.numpy()
            assert np.abs(gap / scale).max() < 0.05


def test_the_permutation_is_seeded_and_nothing_global_moves():
    X, _ = blobs_in_a_row(64)
    model = randomise(normalized_network())
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    a, b, c, d = (
        reestimate_batch_norm(model, X, batch_size=16, **seed).get_weights()
        for seed in ({}, {"random_state": 0}, {"random_state": 1}, {})
    )
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    for one, other, third in zip(a, b, d, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, third)
    assert any((one != other).any() for one, other in zip(a, c, strict=True))
    with pytest.raises(ValueError, match="'random_state' parameter of reestimate_batch_norm"):
        reestimate_batch_norm(model, X, random_state="foo")


def test_without_batch_norm_nothing_changes():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    again = reestimate_batch_norm(model, np.ones((4, 3)))
    for one, other in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"epochs": -1}, ValueError, "'epochs' .* int in the range .0, inf"),
        ({"epochs": 1.5}, TypeError, "'epochs' .* int in the range"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"learning_rate": 0}, ValueError, "'learning_rate' .* float in the range .0.0, "),
        ({"sample_weight": [1, 2]}, ValueError, "X has 4 samples, but sample_weight has 2"),
        ({"y": [0]}, ValueError, "X has 4 samples, but y has 1"),
        ({"random_state": "foo"}, ValueError, "'random_state' .* must be .* Got 'foo'"),
        ({"X": np.ones((0, 8, 8, 1))}, ValueError, "at least one sample"),
    ],
)
def test_wrong_input(options, error, message):
    given = {"X": np.ones((4, 8, 8, 1)), "y": np.zeros(4, int), **options}
    with pytest.raises(error, match=message):
        fine_tune(network(), **given)

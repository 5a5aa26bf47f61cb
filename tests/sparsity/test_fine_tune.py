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

from .networks import (
    assert_same_weights,
    blobs_in_a_row,
    data,
    normalized_network,
    output,
    randomize,
    sequential,
)

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


def norms_of(model):
    return [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


def accuracy(model, X, y):
    return (output(model, X).argmax(axis=1) == y).mean()


@pytest.fixture(scope="module")
def trained(digits):
    X, y = digits
    return fine_tune(network(), X[:1200], y[:1200], epochs=15, random_state=0)


def test_accuracy_is_recovered(trained, digits):
    X, y = digits
    full = accuracy(trained, X[1200:], y[1200:])
    pruned = prune_channels(trained, 0.5)
    tuned = fine_tune(pruned, X[:1200], y[:1200], epochs=5, random_state=0)
    assert full > 0.9
    assert accuracy(pruned, X[1200:], y[1200:]) < full - 0.02
    assert accuracy(tuned, X[1200:], y[1200:]) > full - 0.05


def test_zeros_stay_zero_and_other_weights_are_trained(trained, digits):
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


def test_a_constraint_of_the_kernel_holds_too():
    X = np.random.default_rng(0).normal(size=(64, 5)).astype("float32")
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(4, kernel_constraint="non_neg"), layers.Dense(2)]
    )
    model.layers[0].kernel.assign(np.abs(model.layers[0].kernel.numpy()))
    tuned = fine_tune(
        prune_magnitude(model, 0.4), X, X[:, :2], loss="mse", learning_rate=0.1, epochs=5
    )
    assert (tuned.layers[0].kernel.numpy() >= 0).all()


def test_the_seed_decides_and_global_random_state_is_untouched(trained, digits):
    X, y = digits[0][:500], digits[1][:500]
    before = fine_tune(trained, X, y, epochs=0)
    state = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    a, b, c = (fine_tune(trained, X, y, random_state=seed) for seed in (1, 1, 2))
    assert random.getstate() == state[0]
    np.testing.assert_array_equal(np.random.get_state()[1], state[1])  # noqa: NPY002
    assert_same_weights(a, b)
    assert (a.layers[-1].kernel.numpy() != c.layers[-1].kernel.numpy()).any()
    assert_same_weights(trained, before)
    assert before is not trained


def test_steps_that_are_run_eagerly_are_the_same(trained, digits, monkeypatch):
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
    weight, wrong = np.ones(128), y.copy()
    wrong[:20], weight[:20] = (y[:20] + 1) % 10, 0
    # In one batch, with dropout from the same seed, the gradient is the same.
    a, b = (
        fine_tune(trained, X, labels, sample_weight=weight, batch_size=128, random_state=0)
        for labels in (y, wrong)
    )
    assert_same_weights(a, b)


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


def test_augmentation_is_seeded_too():
    def tuned():
        model = keras.Sequential(
            [keras.Input((8, 8, 1)), layers.RandomFlip(), layers.Flatten(), layers.Dense(2)]
        )
        model.layers[-1].kernel.assign(np.ones((64, 2)))
        images = data(20, 8, 8, 1)
        return fine_tune(model, images, images[:, 0, :2, 0], loss="mse", random_state=0)

    assert_same_weights(tuned(), tuned())


# Batch normalization


def test_one_batch_gives_the_statistics_of_its_activations():
    model = sequential(
        (6, 6, 2),
        layers.Conv2D(8, 3),
        layers.BatchNormalization(trainable=False),
        layers.Dropout(0.5),
        layers.Conv2D(4, 3),
        layers.BatchNormalization(),
    )
    X = data(50, 6, 6, 2)
    again = reestimate_batch_norm(model, X)
    conv, norm, _, conv2, norm2 = again.layers
    first = conv(X).numpy()
    np.testing.assert_allclose(norm.moving_mean, first.mean(axis=(0, 1, 2)), atol=1e-4)
    np.testing.assert_allclose(norm.moving_variance, first.var(axis=(0, 1, 2)), rtol=1e-3)
    assert not norm.trainable
    # The copy predicts with these statistics, so that the second layer has the same input again.
    second = conv2(norm(first)).numpy()
    np.testing.assert_allclose(norm2.moving_mean, second.mean(axis=(0, 1, 2)), atol=1e-3)
    np.testing.assert_allclose(norm2.moving_variance, second.var(axis=(0, 1, 2)), rtol=1e-2)
    np.testing.assert_array_equal(norm2.gamma, model.layers[-1].gamma)
    assert not any("call" in vars(layer) for layer in again.layers), "a method is still replaced"


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
def test_masked_steps_do_not_count(batch_size):
    X = np.arange(40, dtype="float32").reshape(10, 4, 1)
    X[[0, 3, 4], 2:] = -1
    model = keras.Sequential(
        [keras.Input((4, 1)), layers.Masking(-1.0), layers.BatchNormalization()]
    )
    norm = reestimate_batch_norm(model, X, batch_size=batch_size).layers[-1]
    np.testing.assert_allclose(norm.moving_mean.numpy(), [X[X >= 0].mean()], rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance.numpy(), [X[X >= 0].var()], rtol=1e-5)


def test_a_small_last_batch_is_weighted_by_its_size():
    """The last batch is one row, which is zero when it is normalized by itself."""
    X = data(257, 2)
    model = sequential(
        (2,),
        layers.BatchNormalization(),
        layers.Dense(2, use_bias=False),
        layers.BatchNormalization(),
    )
    first, dense, second = reestimate_batch_norm(model, X, batch_size=256).layers
    expected = np.asarray(dense(first(X))).var(axis=0)
    np.testing.assert_allclose(second.moving_variance.numpy(), expected, rtol=1e-2)


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
    for one, other in zip(norms_of(again), norms_of(expected), strict=True):
        scale = np.sqrt(other.moving_variance.numpy() + 1e-3)
        gap = one.moving_mean.numpy() - other.moving_mean.numpy()
        assert np.abs(gap / scale).max() < 0.05


def test_the_permutation_is_seeded_and_global_random_state_is_untouched():
    X, _ = blobs_in_a_row(64)
    model = randomize(normalized_network())
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    a, b, c, d = (
        reestimate_batch_norm(model, X, batch_size=16, **seed)
        for seed in ({}, {"random_state": 0}, {"random_state": 1}, {})
    )
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert_same_weights(a, b)
    assert_same_weights(a, d)
    assert any((x != y).any() for x, y in zip(a.get_weights(), c.get_weights(), strict=True))
    with pytest.raises(ValueError, match="'random_state' parameter of reestimate_batch_norm"):
        reestimate_batch_norm(model, X, random_state="foo")


def test_a_normalization_that_is_called_twice_gets_the_statistics_of_both_calls():
    a, b = keras.Input((2,)), keras.Input((2,))
    norm = layers.BatchNormalization()
    model = keras.Model([a, b], layers.Concatenate()([norm(a), norm(b)]))
    x, y = data(500, 2), 10 + 2 * data(500, 2, seed=1)
    (again,) = norms_of(reestimate_batch_norm(model, [x, y], batch_size=100))
    both = np.concatenate([x, y])
    np.testing.assert_allclose(again.moving_mean.numpy(), both.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(again.moving_variance.numpy(), both.var(axis=0), rtol=1e-4)


def test_noise_and_augmentation_are_off_while_statistics_are_measured():
    x = 0.1 * data(400, 8, 8, 1)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.RandomTranslation(0.4, 0.4, seed=0),
            layers.GaussianNoise(1.0),
            layers.BatchNormalization(renorm=True),
        ]
    )
    norm = reestimate_batch_norm(model, x, batch_size=400).layers[-1]
    np.testing.assert_allclose(norm.moving_variance.numpy(), [x.var()], rtol=1e-4)


def test_statistics_that_are_not_finite_are_replaced():
    model = keras.Sequential([keras.Input((2,)), layers.BatchNormalization()])
    model.layers[0].moving_variance.assign(np.array([np.inf, np.nan], "float32"))
    again = reestimate_batch_norm(model, data(50, 2)).layers[0]
    assert np.isfinite(again.moving_variance.numpy()).all()


def test_without_batch_norm_nothing_changes():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    assert_same_weights(reestimate_batch_norm(model, np.ones((4, 3))), model)


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

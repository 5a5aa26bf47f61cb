"""Every function of the subpackage returns a copy: what it shares with the given model."""

import random

import keras
import numpy as np
import pytest
from keras import layers, ops

from skprune.sparsity import fine_tune, prune_channels, prune_magnitude, reestimate_batch_norm

from .networks import (
    assert_same_outputs,
    assert_same_weights,
    chain,
    data,
    functional,
    masked_twin,
    masks,
    output,
    randomize,
)

pytestmark = pytest.mark.keras


def test_the_given_model_and_the_random_state_are_untouched():
    model = functional(chain)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    before, config = keras.models.clone_model(model), model.get_config()
    before.set_weights(model.get_weights())
    random.seed(3)
    state = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    pruned = prune_channels(model, 0.5)
    assert random.getstate() == state[0]
    np.testing.assert_array_equal(np.random.get_state()[1], state[1])  # noqa: NPY002
    assert model.get_config() == config
    assert_same_weights(model, before)
    assert pruned.compiled
    assert not pruned.optimizer.built, "twice the weights, for a network that may not be trained"
    pruned.fit(data(4, 8, 8, 3), np.arange(4), verbose=0)
    assert_same_weights(model, before)


def test_sequential_stays_sequential():
    def network():
        model = keras.Sequential([layers.Conv2D(16, 3), layers.Flatten(), layers.Dense(3)])
        model(data(4, 8, 8, 3))  # builds it
        return randomize(model)

    model, twin = network(), network()
    pruned = prune_channels(model, 0.5)
    assert isinstance(pruned, keras.Sequential)
    assert [layer.name for layer in pruned.layers] == [layer.name for layer in model.layers]
    mask, conv = masks(model, pruned)[model.layers[0].name], twin.layers[0]
    conv.set_weights([weight * mask for weight in conv.get_weights()])
    assert_same_outputs(pruned, twin, data(4, 8, 8, 3))


@pytest.mark.parametrize("wrapped", [False, True])
def test_adapted_preprocessing_is_copied_with_its_statistics(wrapped):
    X = data(50, 4, 6) * 5 + 3
    norm = layers.Normalization()
    norm.adapt(X.reshape(-1, 6))
    first = layers.TimeDistributed(norm) if wrapped else norm
    model = keras.Sequential(
        [keras.Input((4, 6)), first, layers.Flatten(), layers.Dense(16), layers.Dense(3)]
    )
    for copy in (
        prune_channels(model, 0),
        prune_magnitude(model, 0),
        fine_tune(model, X, np.zeros(50), epochs=0),
        reestimate_batch_norm(model, X),
    ):
        np.testing.assert_array_equal(output(copy, X), output(model, X))


@pytest.mark.parametrize("kind", [np.asarray, list], ids=["array", "list"])
def test_constant_initializers_that_hold_an_array(kind, tmp_path):
    def constant(*shape):
        return keras.initializers.Constant(kind(data(*shape)))

    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(16, "relu", kernel_initializer=constant(6, 16)),
            layers.BatchNormalization(moving_mean_initializer=constant(16)),
            layers.Dense(3, kernel_initializer=constant(16, 3), bias_initializer=constant(3)),
        ]
    )
    model.layers[0].bias.assign(0.1 * data(16))
    pruned = prune_channels(model, 0.5)
    assert pruned.layers[0].units == 8
    assert_same_outputs(pruned, masked_twin(model, pruned), data(5, 6))
    assert_same_outputs(prune_magnitude(model, 0), model, data(5, 6))
    # A file has the initializers, too.
    pruned.save(tmp_path / "pruned.keras")
    assert_same_outputs(keras.saving.load_model(tmp_path / "pruned.keras"), pruned, data(5, 6))


@pytest.mark.parametrize("twice", ["wrapper and layer", "two wrappers"])
def test_a_layer_that_is_shared_through_a_wrapper_is_refused(twice):
    """A copy would have two layers, which are trained and pruned separately."""
    x = keras.Input((2, 6))
    dense = layers.Dense(16, activation="relu", name="shared")
    other = layers.TimeDistributed(dense) if twice == "two wrappers" else dense
    both = layers.Concatenate()([layers.TimeDistributed(dense, name="steps")(x), other(x)])
    hidden = layers.Dense(8, activation="relu")(layers.Flatten()(both))
    model = keras.Model(x, layers.Dense(3, activation="softmax")(hidden))
    X, y = data(40, 2, 6), np.arange(40) % 3
    for function in (
        lambda: prune_channels(model, 0.5, round_to=1),
        lambda: prune_magnitude(model, 0.5),
        lambda: fine_tune(model, X, y, epochs=0),
        lambda: reestimate_batch_norm(model, X),
    ):
        with pytest.raises(ValueError, match=r"'steps' \(TimeDistributed\).* share the weight"):
            function()


def test_one_wrapper_may_be_called_twice():
    x = keras.Input((2, 6))
    steps = layers.TimeDistributed(layers.Dense(6, activation="relu"))
    model = keras.Model(x, layers.Dense(3)(layers.Flatten()(steps(steps(x)))))
    copy = fine_tune(model, data(40, 2, 6), np.zeros(40), epochs=0)
    assert len(copy.weights) == len(model.weights)
    assert_same_outputs(copy, model, data(5, 2, 6))


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`:UserWarning")
def test_functions_that_keras_does_not_know_leave_the_result_uncompiled():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(16), layers.Dense(3)])
    model.compile("adam", loss=lambda y, p: ops.mean((y - p) ** 2, axis=-1))
    with pytest.warns(UserWarning, match="not compiled") as warned:
        pruned = prune_channels(model, 0.5)
    assert [w.filename for w in warned if "not compiled" in str(w.message)] == [__file__]
    assert not pruned.compiled
    assert model.compiled

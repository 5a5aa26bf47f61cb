"""Models that a review with fresh eyes broke the pruning with, one by one."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from skprune.sparsity import (
    fine_tune,
    prune_channels,
    prune_magnitude,
    pruning_sweep,
    reestimate_batch_norm,
)

from .twins import masked_twin, masks, output, randomise

pytestmark = pytest.mark.keras


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def same(model, other, *inputs):
    given = list(inputs) if len(inputs) > 1 else inputs[0]
    np.testing.assert_allclose(output(model, given), output(other, given), rtol=1e-4, atol=1e-5)


def test_adapted_preprocessing_is_copied_with_what_it_learnt():
    X = data(50, 6) * 5 + 3
    norm = layers.Normalization()
    norm.adapt(X)
    model = keras.Sequential([keras.Input((6,)), norm, layers.Dense(16), layers.Dense(3)])
    for copy in (
        prune_channels(model, 0),
        prune_magnitude(model, 0),
        fine_tune(model, X, np.zeros(50), epochs=0),
        reestimate_batch_norm(model, X),
    ):
        np.testing.assert_array_equal(output(copy, X), output(model, X))


def test_preprocessing_inside_a_wrapper_is_copied_with_what_it_learnt():
    X = data(50, 4, 6) * 5 + 3
    norm = layers.Normalization()
    norm.adapt(X.reshape(-1, 6))
    model = keras.Sequential(
        [
            keras.Input((4, 6)),
            layers.TimeDistributed(norm),
            layers.Flatten(),
            layers.Dense(16),
            layers.Dense(3),
        ]
    )
    for copy in (prune_channels(model, 0), fine_tune(model, X, np.zeros(50), epochs=0)):
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
    same(pruned, masked_twin(model, pruned), data(5, 6))
    same(prune_magnitude(model, 0), model, data(5, 6))
    # It is made again from what the file says of its initializers.
    pruned.save(tmp_path / "pruned.keras")
    same(keras.saving.load_model(tmp_path / "pruned.keras"), pruned, data(5, 6))


@pytest.mark.parametrize("twice", ["wrapper and layer", "two wrappers"])
def test_a_layer_that_is_shared_through_a_wrapper_is_refused(twice):
    """A copy would have two layers, which are trained and pruned apart."""
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
    same(copy, model, data(5, 2, 6))


def test_a_normalization_that_is_called_twice_gets_the_statistics_of_both_calls():
    a, b = keras.Input((2,)), keras.Input((2,))
    norm = layers.BatchNormalization()
    model = keras.Model([a, b], layers.Concatenate()([norm(a), norm(b)]))
    x, y = data(500, 2), 10 + 2 * data(500, 2, seed=1)
    again = next(
        layer
        for layer in reestimate_batch_norm(model, [x, y], batch_size=100).layers
        if isinstance(layer, layers.BatchNormalization)
    )
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


def test_statistics_that_were_not_finite_are_mended():
    model = keras.Sequential([keras.Input((2,)), layers.BatchNormalization()])
    model.layers[0].moving_variance.assign(np.array([np.inf, np.nan], "float32"))
    again = reestimate_batch_norm(model, data(50, 2)).layers[0]
    assert np.isfinite(again.moving_variance.numpy()).all()


@keras.saving.register_keras_serializable(package="skprune_tests.sparsity")
def centred(x):
    return x - ops.mean(x, axis=-1, keepdims=True)


@pytest.mark.parametrize("activation", [layers.Softmax(), centred], ids=["layer", "function"])
@pytest.mark.parametrize("of", ["Dense", "Activation"])
def test_activations_that_are_not_known_are_refused(activation, of):
    tail = [layers.Dense(16, activation=activation, name="mine")]
    if of == "Activation":
        tail = [layers.Dense(16), layers.Activation(activation, name="mine")]
    model = keras.Sequential([keras.Input((6,)), *tail, layers.Dense(3)])
    with pytest.raises(ValueError, match=r"'mine'.*may combine channels"):
        prune_channels(model, 0.5)


def test_an_activation_that_is_a_layer_is_followed():
    model = randomise(
        keras.Sequential(
            [keras.Input((6,)), layers.Dense(16, activation=layers.ReLU()), layers.Dense(3)]
        )
    )
    pruned = prune_channels(model, 0.5)
    assert pruned.layers[0].units == 8
    same(pruned, masked_twin(model, pruned), data(5, 6))


def test_flatten_of_channels_first_moves_axis_one():
    x = keras.Input((4, 3))
    y = layers.Conv1D(16, 1, activation="relu")(x)
    y = layers.Flatten(data_format="channels_first")(y)
    model = randomise(keras.Model(x, layers.Dense(3)(y)))
    pruned = prune_channels(model, 0.5)
    assert pruned.layers[1].filters == 8
    same(pruned, masked_twin(model, pruned), data(5, 4, 3))


@pytest.mark.parametrize("inputs_first", [True, False])
@pytest.mark.parametrize(
    "make", [lambda: layers.Reshape((-1, 16)), layers.PReLU, layers.BatchNormalization]
)
def test_a_layer_that_inputs_go_through_too_keeps_its_channels(make, inputs_first):
    shared = make()
    x, z = keras.Input((16,)), keras.Input((6,))
    hidden = layers.Dense(16, name="hidden")
    if inputs_first:
        own, made = shared(x), shared(hidden(z))
    else:
        made = shared(hidden(z))
        own = shared(x)
    other = layers.Dense(16, activation="relu", name="other")(made)
    model = randomise(keras.Model([x, z], [own, layers.Dense(3)(other)]))
    pruned = prune_channels(model, 0.5)
    assert {layer.name: layer.units for layer in pruned.layers if hasattr(layer, "units")}[
        "hidden"
    ] == 16
    given = [data(5, 16), data(5, 6)]
    np.testing.assert_array_equal(output(pruned, given)[0], output(model, given)[0])


def test_nested_models_fed_by_channels_that_go():
    head = keras.Sequential([keras.Input((16,)), layers.Dense(16, activation="relu")])
    inner = keras.Input((16,))
    twice = keras.Model(inner, layers.Dense(16, activation="relu", name="twice")(inner))
    x = keras.Input((6,))
    y = head(layers.Dense(16, activation="relu", name="first")(x))
    model = randomise(keras.Model(x, layers.Dense(3)(twice(twice(y)))))
    pruned = prune_channels(model, 0.5)
    left = masks(model, pruned)
    assert left["first"].sum() == left["twice"].sum() == 8
    first, second = head.layers[-1], twice.layers[-1]
    values = data(5, 6)
    for layer in (model.get_layer("first"), first, second, second):
        values = np.maximum(values @ layer.kernel.numpy() + layer.bias.numpy(), 0)
        values = values * left[layer.name]
    out = model.layers[-1]
    expected = values @ out.kernel.numpy() + out.bias.numpy()
    np.testing.assert_allclose(output(pruned, data(5, 6)), expected, rtol=1e-4, atol=1e-5)


def test_a_nested_model_of_free_size_is_called_with_images_of_two_sizes():
    images = keras.Input((None, None, 16))
    y = layers.Conv2D(8, 3, activation="relu", padding="same")(images)
    nested = keras.Model(images, layers.GlobalAveragePooling2D()(y))
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
    y = layers.Add()([nested(y), nested(layers.MaxPooling2D()(y))])
    model = randomise(keras.Model(x, layers.Dense(3)(y)))
    pruned = prune_channels(model, 0.5, round_to=1)
    assert [left.sum() for left in masks(model, pruned).values()] == [8, 4, 3]
    same(pruned, masked_twin(model, pruned), data(5, 8, 8, 3))


def test_sequential_in_sequential():
    tail = keras.Sequential([keras.Input((16,)), layers.Dense(8), layers.Dense(3)])
    model = keras.Sequential([keras.Input((6,)), layers.Dense(16), tail])
    assert prune_channels(model, 0.5, round_to=4).count_params() < model.count_params()


def test_models_with_a_call_of_their_own_are_refused():
    class Doubled(keras.Sequential):
        def call(self, inputs, **kwargs):
            return 2 * super().call(inputs, **kwargs)

    with pytest.raises(TypeError, match="its own call method"):
        prune_channels(Doubled([keras.Input((3,)), layers.Dense(8), layers.Dense(2)]), 0.5)


def test_augmentation_is_seeded_too():
    def tuned():
        model = keras.Sequential(
            [keras.Input((8, 8, 1)), layers.RandomFlip(), layers.Flatten(), layers.Dense(2)]
        )
        model.layers[-1].kernel.assign(np.ones((64, 2)))
        images = data(20, 8, 8, 1)
        return fine_tune(model, images, images[:, 0, :2, 0], loss="mse", random_state=0)

    np.testing.assert_array_equal(tuned().get_weights()[0], tuned().get_weights()[0])


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`:UserWarning")
def test_functions_that_keras_does_not_know_leave_the_result_uncompiled():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(16), layers.Dense(3)])
    model.compile("adam", loss=lambda y, p: ops.mean((y - p) ** 2, axis=-1))
    with pytest.warns(UserWarning, match="not compiled") as warned:
        pruned = prune_channels(model, 0.5)
    assert [w.filename for w in warned if "not compiled" in str(w.message)] == [__file__]
    assert not pruned.compiled
    assert model.compiled


def test_operations_of_the_same_name_as_layers_are_not_layers():
    x = keras.Input((6,))
    y = ops.reshape(layers.Dense(16)(x), (-1, 4, 4))
    model = keras.Model(x, layers.Dense(2)(y))
    with pytest.raises(ValueError, match="no rule"):
        prune_channels(model, 0.5)


def test_constants_that_are_joined_are_refused_by_name():
    x = keras.Input((6,))
    y = layers.Add(name="mine")([layers.Dense(16)(x), np.ones((1, 16), "float32")])
    with pytest.raises(ValueError, match="'mine'"):
        prune_channels(keras.Model(x, layers.Dense(2)(y)), 0.5)


def test_one_column_of_logits_is_told_from_probabilities():
    X = data(400, 2)
    y = (X[:, 0] > 0.1).astype(int)
    model = keras.Sequential([keras.Input((2,)), layers.Dense(16, "relu"), layers.Dense(1)])
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(X, y, epochs=5, verbose=0)
    sweep = pruning_sweep(
        model, X, y, [0], fine_tune_epochs=0, validation_data=(X, y), random_state=0
    )
    expected = ((output(model, X)[:, 0] > 0) == y).mean()
    assert sweep.accuracy[0] == expected


def test_a_sweep_refuses_what_cannot_be_counted_before_training(tmp_path):
    model = keras.Sequential([keras.Input((5, 3)), layers.LSTM(4), layers.Dense(2, "softmax")])
    with pytest.raises(TypeError, match="lstm"):
        pruning_sweep(model, data(20, 5, 3), np.arange(20) % 2, [0, 0.5], "magnitude")


class Cutter:
    def __init__(self, round_to):
        self.round_to = round_to

    def cut(self, model, amount):
        return prune_channels(model, amount, round_to=self.round_to)


def test_methods_of_objects_are_told_apart(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(32), layers.Dense(2, "softmax")])
    X, y = data(40, 4), np.arange(40) % 2
    path = tmp_path / "sweep.json"
    given = {"fine_tune_epochs": 0, "random_state": 0, "latency_repeats": 1, "path": path}
    pruning_sweep(model, X, y, [0, 0.4], Cutter(1).cut, **given)
    with pytest.raises(ValueError, match="another network, other data or other settings"):
        pruning_sweep(model, X, y, [0, 0.4], Cutter(16).cut, **given)

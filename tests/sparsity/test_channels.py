from contextlib import nullcontext

import keras
import numpy as np
import pytest
from keras import layers, ops

from skprune.sparsity import prune_channels

from .networks import (
    assert_same_outputs,
    chain,
    conv_bn,
    data,
    dense_block,
    flat_layers,
    functional,
    masked_twin,
    masks,
    output,
    randomize,
    residual,
    separable,
    sequential,
)

pytestmark = pytest.mark.keras


def added_concatenation(x):
    """One layer added to two others side by side: each half has its own amount."""
    left, right = conv_bn(x, 8, activation=False), conv_bn(x, 16, activation=False)
    whole = conv_bn(x, 24, activation=False)
    y = layers.Add()([layers.Concatenate()([left, right]), whole])
    return layers.Dense(4)(layers.Flatten()(layers.ReLU()(y)))


def gated(x):
    x = conv_bn(x, 16)
    gate = layers.Reshape((1, 1, 16))(layers.GlobalAveragePooling2D()(x))
    gate = layers.Conv2D(8, 1, activation="relu")(gate)
    gate = layers.Conv2D(16, 1, activation="relu")(gate)
    x = layers.Multiply()([x, gate])
    return layers.Dense(4)(layers.Flatten()(x))


def upside_down(x):
    x = layers.Conv2DTranspose(16, 3, strides=2, activation="relu")(x)
    x = layers.PReLU(shared_axes=(1, 2))(layers.UpSampling2D()(x))
    x = layers.PReLU()(layers.Cropping2D()(x))
    x = layers.AveragePooling2D(4)(layers.Conv2DTranspose(8, 3, activation="relu")(x))
    return layers.Dense(4)(layers.Flatten()(x))


def all_filters_of_time(x):
    x = layers.Reshape((64, 3))(x)
    x = layers.Conv1D(16, 3, activation="relu")(x)
    x = layers.Activation("tanh")(layers.MaxPooling1D()(x))
    x = layers.Reshape((-1, 16))(layers.SeparableConv1D(16, 3, activation="relu")(x))
    return layers.Dense(4)(layers.GlobalAveragePooling1D()(x))


@pytest.mark.parametrize(
    "make",
    [chain, residual, dense_block, added_concatenation, separable, gated, upside_down,
     all_filters_of_time],
)  # fmt: skip
@pytest.mark.parametrize("criterion", ["l1", "batchnorm"])
def test_a_removed_channel_is_a_zeroed_channel(make, criterion):
    model = functional(make)
    if criterion == "batchnorm" and not any("batch" in layer.name for layer in model.layers):
        with pytest.raises(ValueError, match="no batch normalization"):
            prune_channels(model, 0.5, criterion=criterion)
        return
    pruned = prune_channels(model, 0.5, criterion=criterion, round_to=1)
    assert pruned.count_params() < 0.62 * model.count_params()
    x = data(4, 8, 8, 3)
    assert_same_outputs(pruned, masked_twin(model, pruned), x)
    assert np.abs(output(pruned, x) - output(model, x)).max() > 1e-3


# The first layers of each, in which every kind of block comes at least twice.
APPLICATIONS = {
    keras.applications.VGG16: "block3_pool",
    keras.applications.ResNet50: "conv3_block2_out",
    keras.applications.MobileNetV2: "block_9_add",
}


@pytest.mark.parametrize("build", APPLICATIONS, ids=lambda build: build.__name__)
def test_applications(build, tmp_path):
    whole = build(weights=None, input_shape=(32, 32, 3), include_top=False)
    features = whole.get_layer(APPLICATIONS[build]).output
    if build is keras.applications.VGG16:
        features = layers.Dense(64, activation="relu")(layers.Flatten()(features))
    else:
        features = layers.GlobalAveragePooling2D()(features)
    top = layers.Dense(7, activation="softmax")(features)
    model = randomize(keras.Model(whole.inputs[0], top))
    x = data(4, 32, 32, 3)
    before = output(model, x)
    pruned = prune_channels(model, 0.5)
    np.testing.assert_array_equal(output(model, x), before)
    assert pruned.count_params() < 0.3 * model.count_params()
    for name, kept in masks(model, pruned).items():
        assert kept.sum() % 8 == 0 or kept.all(), name
    expected = output(masked_twin(model, pruned), x)
    # Dozens of layers with random weights: only the order of sums differs.
    np.testing.assert_allclose(output(pruned, x), expected, rtol=1e-3, atol=1e-5)
    pruned.save(tmp_path / "pruned.keras")
    again = keras.models.load_model(tmp_path / "pruned.keras", safe_mode=True)
    np.testing.assert_array_equal(output(again, x), output(pruned, x))
    keras.backend.clear_session()


@pytest.mark.parametrize("make", [chain, residual, separable])
def test_amount_zero_gives_the_same_bits(make):
    model = functional(make)
    x = data(4, 8, 8, 3)
    np.testing.assert_array_equal(output(prune_channels(model, 0), x), output(model, x))


def test_shared_layers_and_nested_models():
    x = keras.Input((8, 8, 3))
    y = layers.Flatten()(layers.Conv2D(16, 3, activation="relu")(x))
    tower = keras.Model(x, layers.Dense(16, activation="relu")(y))
    shared = layers.Dense(16, activation="relu", name="shared")
    a, b = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    both = layers.Concatenate()([shared(tower(a)), shared(shared(tower(b)))])
    model = randomize(keras.Model([a, b], layers.Dense(3)(both)))
    pruned = prune_channels(model, 0.5)
    x = data(4, 8, 8, 3)
    assert_same_outputs(pruned, masked_twin(model, pruned), x, x[::-1])
    # shared(shared(.)): its input and output channels are the same.
    assert flat_layers(pruned)["shared"].kernel.shape == (8, 8)
    assert pruned.count_params() < 0.5 * model.count_params()


def test_nested_models_fed_by_channels_that_go():
    head = keras.Sequential([keras.Input((16,)), layers.Dense(16, activation="relu")])
    inner = keras.Input((16,))
    twice = keras.Model(inner, layers.Dense(16, activation="relu", name="twice")(inner))
    x = keras.Input((6,))
    y = head(layers.Dense(16, activation="relu", name="first")(x))
    model = randomize(keras.Model(x, layers.Dense(3)(twice(twice(y)))))
    pruned = prune_channels(model, 0.5)
    kept = masks(model, pruned)
    assert kept["first"].sum() == kept["twice"].sum() == 8
    first, second = head.layers[-1], twice.layers[-1]
    values = data(5, 6)
    for layer in (model.get_layer("first"), first, second, second):
        values = np.maximum(values @ layer.kernel.numpy() + layer.bias.numpy(), 0)
        values = values * kept[layer.name]
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
    model = randomize(keras.Model(x, layers.Dense(3)(y)))
    pruned = prune_channels(model, 0.5, round_to=1)
    assert [kept.sum() for kept in masks(model, pruned).values()] == [8, 4, 3]
    assert_same_outputs(pruned, masked_twin(model, pruned), data(5, 8, 8, 3))


def test_sequential_in_sequential():
    tail = keras.Sequential([keras.Input((16,)), layers.Dense(8), layers.Dense(3)])
    model = keras.Sequential([keras.Input((6,)), layers.Dense(16), tail])
    assert prune_channels(model, 0.5, round_to=4).count_params() < model.count_params()


def test_channels_that_are_added_are_one_group():
    model = functional(residual)
    kept = masks(model, prune_channels(model, 0.5))
    names = [layer.name for layer in model.layers if isinstance(layer, layers.Conv2D)]
    first, second, third, fourth = (kept[name] for name in names)
    np.testing.assert_array_equal(first, third)
    np.testing.assert_array_equal(first, fourth)
    assert len(second) == 24
    assert second.sum() == 16  # 12, rounded up to a multiple of 8


@pytest.mark.parametrize("nested", [True, False])
def test_channels_that_enter_one_part_twice_are_one_group(nested):
    """Also if this part, a nested model or a layer, has no weights."""
    part = layers.Reshape((1, 16))
    if nested:
        part = keras.Sequential([keras.Input((16,)), layers.ReLU()])
    x = keras.Input((6,))
    a, b = (part(layers.Dense(16, name=name)(x)) for name in "ab")
    y = layers.Dense(3)(layers.Concatenate()([layers.Flatten()(a), layers.Flatten()(b)]))
    model = randomize(keras.Model(x, y))
    pruned = prune_channels(model, {"a": 0.5})
    assert pruned.get_layer("a").units == pruned.get_layer("b").units == 8
    assert_same_outputs(pruned, masked_twin(model, pruned), data(5, 6))


def test_channels_of_inputs_outputs_and_softmax_are_kept():
    x = keras.Input((8, 8, 3))
    free = layers.Conv2D(16, 3, padding="same", activation="relu", name="free")(x)
    into_input = layers.Add()([x, layers.Conv2D(3, 1, name="into_input")(free)])
    attention = layers.Conv2D(16, 3, activation="softmax", name="attention")(into_input)
    out = layers.Dense(5, name="out")(attention)
    model = randomize(keras.Model(x, out))
    pruned = prune_channels(model, 0.5)
    n = {layer.name: layer.filters for layer in pruned.layers if hasattr(layer, "filters")}
    assert n == {"free": 8, "into_input": 3, "attention": 16}
    assert pruned.output_shape == model.output_shape


@pytest.mark.parametrize("inputs_first", [True, False])
@pytest.mark.parametrize(
    "make", [lambda: layers.Reshape((-1, 16)), layers.PReLU, layers.BatchNormalization]
)
def test_a_layer_that_is_called_on_inputs_too_keeps_its_channels(make, inputs_first):
    shared, hidden = make(), layers.Dense(16, name="hidden")
    x, z = keras.Input((16,)), keras.Input((6,))
    if inputs_first:
        on_input, on_hidden = shared(x), shared(hidden(z))
    else:
        on_hidden, on_input = shared(hidden(z)), shared(x)
    other = layers.Dense(16, activation="relu", name="other")(on_hidden)
    model = randomize(keras.Model([x, z], [on_input, layers.Dense(3)(other)]))
    pruned = prune_channels(model, 0.5)
    assert pruned.get_layer("hidden").units == 16
    assert pruned.get_layer("other").units == 8
    inputs = [data(5, 16), data(5, 6)]
    np.testing.assert_array_equal(output(pruned, inputs)[0], output(model, inputs)[0])


def test_layers_before_the_first_kernel_need_no_rule():
    def make(x):
        x = layers.Permute((2, 1, 3))(layers.RandomFlip(seed=1)(x))
        return layers.Dense(2)(layers.Flatten()(conv_bn(layers.Normalization()(x), 16)))

    pruned = prune_channels(functional(make), 0.5)
    assert pruned.layers[-4].output.shape[-1] == 8


def test_activations_that_do_not_keep_zero():
    """The definition of pruning: the kernel rows that read a removed channel are zero."""
    x = keras.Input((6,))
    hidden = layers.Dense(16, activation="sigmoid", name="hidden")
    out = layers.Dense(3, name="out")
    model = randomize(keras.Model(x, out(hidden(x))))
    pruned = prune_channels(model, 0.5)
    mask = masks(model, pruned)["hidden"]
    data = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
    h = 1 / (1 + np.exp(-(data @ hidden.kernel.numpy() + hidden.bias.numpy())))
    expected = h @ (out.kernel.numpy() * mask[:, None]) + out.bias.numpy()
    np.testing.assert_allclose(output(pruned, data), expected, rtol=1e-4, atol=1e-5)


def test_an_activation_that_is_a_layer_is_followed():
    model = sequential((6,), layers.Dense(16, activation=layers.ReLU()), layers.Dense(3))
    pruned = prune_channels(model, 0.5)
    assert pruned.layers[0].units == 8
    assert_same_outputs(pruned, masked_twin(model, pruned), data(5, 6))


def test_flatten_of_channels_first_moves_axis_one():
    x = keras.Input((4, 3))
    y = layers.Conv1D(16, 1, activation="relu")(x)
    y = layers.Flatten(data_format="channels_first")(y)
    model = randomize(keras.Model(x, layers.Dense(3)(y)))
    pruned = prune_channels(model, 0.5)
    assert pruned.layers[1].filters == 8
    assert_same_outputs(pruned, masked_twin(model, pruned), data(5, 4, 3))


# Choice of channels


def test_criteria_choose_by_their_own_numbers():
    model = functional(lambda x: layers.Dense(2)(layers.Flatten()(conv_bn(x, 16))))
    conv, norm = model.layers[1], model.layers[2]
    removed = masks(model, prune_channels(model, 0.25, round_to=4))[conv.name] == 0
    l1 = np.abs(conv.kernel.numpy()).sum(axis=(0, 1, 2))
    np.testing.assert_array_equal(np.flatnonzero(removed), np.sort(np.argsort(l1)[:4]))
    norm.gamma.assign(norm.gamma.numpy() * np.where(np.arange(16) % 2, 1, -1))
    pruned = prune_channels(model, 0.25, criterion="batchnorm", round_to=4)
    removed = masks(model, pruned)[conv.name] == 0
    gamma = np.abs(norm.gamma.numpy())
    np.testing.assert_array_equal(np.flatnonzero(removed), np.sort(np.argsort(gamma)[:4]))


def test_a_larger_amount_keeps_a_subset():
    model = functional(chain)
    before = {name: np.ones_like(mask) for name, mask in masks(model, model).items()}
    for amount in (0.2, 0.5, 0.8, 0.99):
        kept = masks(model, prune_channels(model, amount, round_to=1))
        for name, mask in kept.items():
            assert (mask <= before[name]).all()
            assert mask.sum() >= 1
        before = kept


def test_amounts_by_name():
    model = functional(chain)
    names = [layer.name for layer in model.layers if hasattr(layer, "filters")]
    pruned = prune_channels(model, {names[0]: 0.5}, round_to=4)
    kept = masks(model, pruned)
    assert kept[names[0]].sum() == 12
    assert kept[names[1]].all()


@pytest.mark.parametrize(("round_to", "n"), [(1, 15), (4, 16), (8, 16), (20, 20), (32, 24)])
def test_rounding_keeps_at_least_what_was_asked(round_to, n):
    model = functional(chain)
    conv = model.layers[1].name
    expected = (
        pytest.warns(UserWarning, match="removes no channel: round_to=")
        if n == 24
        else nullcontext()
    )
    with expected:
        pruned = prune_channels(model, {conv: 0.4}, round_to=round_to)
    assert masks(model, pruned)[conv].sum() == n


def test_amounts_mean_the_decimal_number():
    model = functional(lambda x: layers.Dense(2)(layers.Flatten()(layers.Conv2D(100, 1)(x))))
    pruned = prune_channels(model, 0.29, round_to=1)  # 0.29 * 100 < 29 in floats
    assert pruned.layers[1].filters == 71


# Wrong input


def test_amount_one_names_the_largest_possible():
    model = functional(chain)
    with pytest.raises(ValueError, match=r"0.6667, which leaves 8 of the 24 channels.* Got 1"):
        prune_channels(model, 1.0)
    assert prune_channels(model, 0.6667).layers[1].filters == 8
    name = model.layers[1].name
    with pytest.raises(
        ValueError, match=rf"amounts\['{name}'\].*0.9583, which leaves 1 of the 24.* Got 1\.5"
    ):
        prune_channels(model, {name: 1.5}, round_to=1)


@pytest.mark.parametrize(
    ("amount", "error"),
    [
        (-0.1, ValueError),
        (float("nan"), ValueError),
        (2, ValueError),
        ("half", TypeError),
        (None, TypeError),
        (True, TypeError),
    ],
)
def test_wrong_amounts(amount, error):
    with pytest.raises(error, match="float in the range"):
        prune_channels(functional(chain), amount)


def test_amounts_of_layers_that_cannot_be_pruned():
    model = functional(residual)
    with pytest.raises(ValueError, match=r"names \['nothing'\], which are not prunable.*conv2d"):
        prune_channels(model, {"nothing": 0.5})
    out = model.layers[-1].name
    with pytest.raises(ValueError, match=rf"names \['{out}'\], which are not prunable"):
        prune_channels(model, {out: 0.5})
    names = [layer.name for layer in model.layers if hasattr(layer, "filters")]
    with pytest.raises(ValueError, match=r"0\.5 for .* and 0\.25 for .* share a group of channels"):
        prune_channels(model, {names[0]: 0.5, names[2]: 0.25})


def test_models_that_cannot_be_pruned():
    class Doubled(keras.Sequential):
        def call(self, inputs, **kwargs):
            return 2 * super().call(inputs, **kwargs)

    with pytest.raises(ValueError, match="no prunable layer"):
        prune_channels(functional(lambda x: layers.Dense(2)(layers.Flatten()(x))), 0.5)
    with pytest.raises(ValueError, match="not built"):
        prune_channels(keras.Sequential([layers.Dense(3), layers.Dense(2)]), 0.5)
    with pytest.raises(TypeError, match="must be a Keras model; got str"):
        prune_channels("model", 0.5)
    with pytest.raises(TypeError, match="its own call method"):
        prune_channels(Doubled([keras.Input((3,)), layers.Dense(8), layers.Dense(2)]), 0.5)


class ReversedDense(layers.Dense):
    """A subclass of a layer with a rule, for which the rule does not hold."""

    def call(self, inputs):
        return super().call(inputs)[..., ::-1]


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (layers.LayerNormalization(name="mine"), "LayerNormalization"),
        (layers.Conv2D(16, 3, groups=2, name="mine"), "groups"),
        (layers.Permute((2, 1, 3), name="mine"), "Permute"),
        (layers.Lambda(lambda x: x, name="mine"), "Lambda"),
        (ReversedDense(8, name="mine"), "ReversedDense"),
    ],
)
def test_a_layer_without_a_rule_is_named(layer, kind):
    model = functional(lambda x: layers.Dense(2)(layer(conv_bn(x, 16))))
    with pytest.raises(ValueError, match=rf"'mine'.*{kind}"):
        prune_channels(model, 0.5)


@pytest.mark.parametrize(
    ("name", "value"), [("criterion", "l2"), ("round_to", 0), ("round_to", 2.0)]
)
def test_wrong_options(name, value):
    with pytest.raises(ValueError, match=name):
        prune_channels(functional(chain), 0.5, **{name: value})


@keras.saving.register_keras_serializable(package="skprune_tests.sparsity")
def centered(x):
    return x - ops.mean(x, axis=-1, keepdims=True)


@pytest.mark.parametrize("activation", [layers.Softmax(), centered], ids=["layer", "function"])
@pytest.mark.parametrize("of", ["Dense", "Activation"])
def test_activations_that_are_not_known_are_refused(activation, of):
    hidden = [layers.Dense(16, activation=activation, name="mine")]
    if of == "Activation":
        hidden = [layers.Dense(16), layers.Activation(activation, name="mine")]
    model = sequential((6,), *hidden, layers.Dense(3))
    with pytest.raises(ValueError, match=r"'mine'.*may combine channels"):
        prune_channels(model, 0.5)


def test_operations_of_the_same_name_as_layers_are_not_layers():
    model = functional(
        lambda x: layers.Dense(2)(ops.reshape(layers.Dense(16)(x), (-1, 4, 4))), (6,)
    )
    with pytest.raises(ValueError, match="no rule"):
        prune_channels(model, 0.5)


def test_arrays_of_constants_are_refused():
    x = keras.Input((6,))
    y = layers.Add(name="mine")([layers.Dense(16)(x), np.ones((1, 16), "float32")])
    with pytest.raises(ValueError, match="'mine'"):
        prune_channels(keras.Model(x, layers.Dense(2)(y)), 0.5)

import random
from contextlib import nullcontext

import keras
import numpy as np
import pytest
from keras import layers

from skprune.sparsity import prune_channels

from .twins import flat_layers, masked_twin, masks, output, randomise

pytestmark = pytest.mark.keras


def images(shape=(16, 16, 3), n=4):
    return np.random.default_rng(1).normal(size=(n, *shape)).astype("float32")


def functional(make, shape=(8, 8, 3)):
    x = keras.Input(shape)
    return randomise(keras.Model(x, make(x)))


def conv_bn(x, filters, activation=True, **kwargs):
    x = layers.Conv2D(filters, 3, padding="same", **kwargs)(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(x) if activation else x


def chain(x):
    x = conv_bn(x, 24)
    x = layers.MaxPooling2D()(layers.ZeroPadding2D()(x))
    x = layers.Dropout(0.3)(layers.LeakyReLU()(conv_bn(x, 16, activation=False)))
    x = layers.Dense(20, activation="relu")(layers.Flatten()(x))
    return layers.Dense(4, activation="softmax")(x)


def residual(x):
    x = conv_bn(x, 16)
    y = conv_bn(conv_bn(x, 24), 16, activation=False)
    x = layers.ReLU()(layers.Add()([x, y]))
    y = conv_bn(x, 16, activation=False)
    return layers.Dense(4)(layers.GlobalAveragePooling2D()(x + y))


def dense_block(x):
    a = conv_bn(x, 16)
    b = layers.Concatenate()([a, conv_bn(a, 8)])
    c = layers.BatchNormalization()(layers.Concatenate()([b, conv_bn(b, 8)]))
    return layers.Dense(4)(layers.GlobalMaxPooling2D()(layers.ReLU()(c)))


def added_concatenation(x):
    """One layer added to two others side by side: each half has its own amount."""
    left, right = conv_bn(x, 8, activation=False), conv_bn(x, 16, activation=False)
    whole = conv_bn(x, 24, activation=False)
    y = layers.Add()([layers.Concatenate()([left, right]), whole])
    return layers.Dense(4)(layers.Flatten()(layers.ReLU()(y)))


def separable(x):
    x = layers.SeparableConv2D(16, 3, depth_multiplier=2, padding="same")(x)
    x = layers.BatchNormalization()(layers.ReLU()(x))
    x = layers.SeparableConv2D(16, 3, padding="same", activation="relu")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return layers.Dense(4)(layers.GlobalAveragePooling2D(keepdims=True)(x))


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
    twin = masked_twin(model, pruned)
    x = images((8, 8, 3))
    np.testing.assert_allclose(output(pruned, x), output(twin, x), rtol=1e-4, atol=1e-5)
    assert np.abs(output(pruned, x) - output(model, x)).max() > 1e-3


# Up to where every kind of their blocks has come at least twice.
APPLICATIONS = {
    keras.applications.VGG16: "block3_pool",
    keras.applications.ResNet50: "conv3_block2_out",
    keras.applications.MobileNetV2: "block_9_add",
}


@pytest.mark.parametrize("build", APPLICATIONS, ids=lambda build: build.__name__)
def test_applications(build, tmp_path):
    """A first part of each: what follows is the same, and wider. Then heads like their own."""
    whole = build(weights=None, input_shape=(32, 32, 3), include_top=False)
    features = whole.get_layer(APPLICATIONS[build]).output
    if build is keras.applications.VGG16:
        features = layers.Dense(64, activation="relu")(layers.Flatten()(features))
    else:
        features = layers.GlobalAveragePooling2D()(features)
    top = layers.Dense(7, activation="softmax")(features)
    model = randomise(keras.Model(whole.inputs[0], top))
    x = images((32, 32, 3))
    before = output(model, x)
    pruned = prune_channels(model, 0.5)
    np.testing.assert_array_equal(output(model, x), before)
    assert pruned.count_params() < 0.3 * model.count_params()
    for name, left in masks(model, pruned).items():
        n = int(left.sum())
        assert n % 8 == 0 or n == len(left), name
    twin = masked_twin(model, pruned)
    expected = output(twin, x)
    # Dozens of layers of random weights: only the sums' order differs.
    np.testing.assert_allclose(output(pruned, x), expected, rtol=1e-3, atol=1e-5)
    pruned.save(tmp_path / "pruned.keras")
    again = keras.models.load_model(tmp_path / "pruned.keras", safe_mode=True)
    np.testing.assert_array_equal(output(again, x), output(pruned, x))
    keras.backend.clear_session()


@pytest.mark.parametrize("make", [chain, residual, separable])
def test_amount_zero_gives_the_same_bits(make):
    model = functional(make)
    x = images((8, 8, 3))
    np.testing.assert_array_equal(output(prune_channels(model, 0), x), output(model, x))


def test_the_given_model_and_the_random_state_are_untouched():
    model = functional(chain)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    weights, config = model.get_weights(), model.get_config()
    random.seed(3)
    state = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    pruned = prune_channels(model, 0.5)
    assert random.getstate() == state[0]
    np.testing.assert_array_equal(np.random.get_state()[1], state[1])  # noqa: NPY002
    assert model.get_config() == config
    for now, then in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, then)
    assert pruned.compiled
    assert not pruned.optimizer.built, "twice the weights, for a network that may not be trained"
    pruned.fit(images((8, 8, 3)), np.arange(4), verbose=0)
    for now, then in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, then)


def test_sequential_stays_sequential():
    model = keras.Sequential([layers.Conv2D(16, 3), layers.Flatten(), layers.Dense(3)])
    model(images())
    randomise(model)
    pruned = prune_channels(model, 0.5)
    assert isinstance(pruned, keras.Sequential)
    assert [layer.name for layer in pruned.layers] == [layer.name for layer in model.layers]
    twin = keras.Sequential([layers.Conv2D(16, 3), layers.Flatten(), layers.Dense(3)])
    twin(images())
    twin.set_weights(model.get_weights())
    mask = masks(model, pruned)[model.layers[0].name]
    twin.layers[0].kernel.assign(twin.layers[0].kernel.numpy() * mask)
    twin.layers[0].bias.assign(twin.layers[0].bias.numpy() * mask)
    np.testing.assert_allclose(
        output(pruned, images()), output(twin, images()), rtol=1e-4, atol=1e-5
    )


def test_shared_layers_and_nested_models():
    x = keras.Input((8, 8, 3))
    y = layers.Flatten()(layers.Conv2D(16, 3, activation="relu")(x))
    tower = keras.Model(x, layers.Dense(16, activation="relu")(y))
    shared = layers.Dense(16, activation="relu", name="shared")
    a, b = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    both = layers.Concatenate()([shared(tower(a)), shared(shared(tower(b)))])
    model = randomise(keras.Model([a, b], layers.Dense(3)(both)))
    pruned = prune_channels(model, 0.5)
    x = [images((8, 8, 3)), images((8, 8, 3))[::-1]]
    twin = masked_twin(model, pruned)
    np.testing.assert_allclose(output(pruned, x), output(twin, x), rtol=1e-4, atol=1e-5)
    small = flat_layers(pruned)
    # shared(shared(.)): what it takes and what it makes are the same channels.
    assert small["shared"].kernel.shape == (8, 8)
    assert pruned.count_params() < 0.5 * model.count_params()


def test_channels_that_are_added_go_together():
    model = functional(residual)
    pruned = prune_channels(model, 0.5)
    left = masks(model, pruned)
    names = [layer.name for layer in model.layers if isinstance(layer, layers.Conv2D)]
    first, second, third, fourth = (left[name] for name in names)
    np.testing.assert_array_equal(first, third)
    np.testing.assert_array_equal(first, fourth)
    assert len(second) == 24
    assert second.sum() == 16  # 12, rounded up to a multiple of 8


def test_where_a_channel_cannot_go_it_stays():
    x = keras.Input((8, 8, 3))
    free = layers.Conv2D(16, 3, padding="same", activation="relu", name="free")(x)
    into_input = layers.Add()([x, layers.Conv2D(3, 1, name="into_input")(free)])
    attention = layers.Conv2D(16, 3, activation="softmax", name="attention")(into_input)
    out = layers.Dense(5, name="out")(attention)
    model = randomise(keras.Model(x, out))
    pruned = prune_channels(model, 0.5)
    n = {layer.name: layer.filters for layer in pruned.layers if hasattr(layer, "filters")}
    assert n == {"free": 8, "into_input": 3, "attention": 16}
    assert pruned.output_shape == model.output_shape


def test_activations_that_do_not_keep_zero():
    """The definition itself: the rows that read a removed channel are zero."""
    x = keras.Input((6,))
    hidden = layers.Dense(16, activation="sigmoid", name="hidden")
    out = layers.Dense(3, name="out")
    model = randomise(keras.Model(x, out(hidden(x))))
    pruned = prune_channels(model, 0.5)
    mask = masks(model, pruned)["hidden"]
    data = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
    h = 1 / (1 + np.exp(-(data @ hidden.kernel.numpy() + hidden.bias.numpy())))
    expected = h @ (out.kernel.numpy() * mask[:, None]) + out.bias.numpy()
    np.testing.assert_allclose(output(pruned, data), expected, rtol=1e-4, atol=1e-5)


def test_criteria_choose_by_their_own_numbers():
    model = functional(lambda x: layers.Dense(2)(layers.Flatten()(conv_bn(x, 16))))
    conv, norm = model.layers[1], model.layers[2]
    gone = masks(model, prune_channels(model, 0.25, round_to=4))[conv.name] == 0
    l1 = np.abs(conv.kernel.numpy()).sum(axis=(0, 1, 2))
    np.testing.assert_array_equal(np.flatnonzero(gone), np.sort(np.argsort(l1)[:4]))
    norm.gamma.assign(norm.gamma.numpy() * np.where(np.arange(16) % 2, 1, -1))
    pruned = prune_channels(model, 0.25, criterion="batchnorm", round_to=4)
    gone = masks(model, pruned)[conv.name] == 0
    gamma = np.abs(norm.gamma.numpy())
    np.testing.assert_array_equal(np.flatnonzero(gone), np.sort(np.argsort(gamma)[:4]))


def test_a_larger_amount_keeps_a_subset():
    model = functional(chain)
    before = {name: np.ones_like(mask) for name, mask in masks(model, model).items()}
    for amount in (0.2, 0.5, 0.8, 0.99):
        left = masks(model, prune_channels(model, amount, round_to=1))
        for name, mask in left.items():
            assert (mask <= before[name]).all()
            assert mask.sum() >= 1
        before = left


def test_amounts_by_name():
    model = functional(chain)
    names = [layer.name for layer in model.layers if hasattr(layer, "filters")]
    pruned = prune_channels(model, {names[0]: 0.5}, round_to=4)
    left = masks(model, pruned)
    assert left[names[0]].sum() == 12
    assert left[names[1]].all()


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


@pytest.mark.parametrize("amount", [-0.1, float("nan"), 2])
def test_amounts_out_of_range(amount):
    with pytest.raises(ValueError, match="float in the range"):
        prune_channels(functional(chain), amount)


@pytest.mark.parametrize("amount", ["half", None, True])
def test_amounts_of_another_type(amount):
    with pytest.raises(TypeError, match="float in the range"):
        prune_channels(functional(chain), amount)


def test_layers_that_do_not_exist_or_cannot_go():
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
    with pytest.raises(ValueError, match="no prunable layer"):
        prune_channels(functional(lambda x: layers.Dense(2)(layers.Flatten()(x))), 0.5)
    with pytest.raises(ValueError, match="not built"):
        prune_channels(keras.Sequential([layers.Dense(3), layers.Dense(2)]), 0.5)
    with pytest.raises(TypeError, match="must be a Keras model; got str"):
        prune_channels("model", 0.5)


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (layers.LayerNormalization(name="mine"), "LayerNormalization"),
        (layers.Conv2D(16, 3, groups=2, name="mine"), "groups"),
        (layers.Permute((2, 1, 3), name="mine"), "Permute"),
        (layers.Lambda(lambda x: x, name="mine"), "Lambda"),
    ],
)
def test_a_layer_without_a_rule_is_named(layer, kind):
    model = functional(lambda x: layers.Dense(2)(layer(conv_bn(x, 16))))
    with pytest.raises(ValueError, match=rf"'mine'.*{kind}"):
        prune_channels(model, 0.5)


def test_what_is_done_to_inputs_alone_needs_no_rule():
    def make(x):
        x = layers.Permute((2, 1, 3))(layers.RandomFlip(seed=1)(x))
        return layers.Dense(2)(layers.Flatten()(conv_bn(layers.Normalization()(x), 16)))

    pruned = prune_channels(functional(make), 0.5)
    assert pruned.layers[-4].output.shape[-1] == 8


def test_a_subclass_of_a_known_layer_is_not_trusted():
    class Mine(layers.Dense):
        def call(self, inputs):
            return super().call(inputs)[..., ::-1]

    model = functional(lambda x: layers.Dense(2)(Mine(8, name="mine")(conv_bn(x, 16))))
    with pytest.raises(ValueError, match="'mine'"):
        prune_channels(model, 0.5)


@pytest.mark.parametrize(
    ("name", "value"), [("criterion", "l2"), ("round_to", 0), ("round_to", 2.0)]
)
def test_wrong_options(name, value):
    with pytest.raises(ValueError, match=name):
        prune_channels(functional(chain), 0.5, **{name: value})

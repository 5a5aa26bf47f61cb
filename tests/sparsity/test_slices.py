"""Slices of a network: each is the network pruned, and each lies in the wider ones."""

import warnings
from itertools import pairwise

import keras
import numpy as np
import pytest
from keras import layers

from skprune.sparsity import ChannelSlices, prune_channels

from .twins import flat_layers, randomise

pytestmark = pytest.mark.keras

AMOUNTS = [0.75, 0.0, 0.5]


def conv_bn(x, filters, activation=True):
    x = layers.Conv2D(filters, 3, padding="same")(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(x) if activation else x


def chain(x):
    x = layers.MaxPooling2D()(conv_bn(x, 8))
    x = layers.Dropout(0.3)(layers.LeakyReLU()(conv_bn(x, 12, activation=False)))
    return layers.Dense(5, activation="relu")(layers.Flatten()(x))


def residual(x):
    x = conv_bn(x, 8)
    y = conv_bn(conv_bn(x, 12), 8, activation=False)
    x = layers.ReLU()(layers.Add()([x, y]))
    return layers.Dense(4)(layers.GlobalAveragePooling2D()(x + conv_bn(x, 8)))


def dense_block(x):
    a = conv_bn(x, 8)
    b = layers.Concatenate()([a, conv_bn(a, 8)])
    c = layers.BatchNormalization()(layers.Concatenate()([b, conv_bn(b, 8)]))
    return layers.Dense(4)(layers.GlobalMaxPooling2D()(layers.ReLU()(c)))


def separable(x):
    x = layers.SeparableConv2D(8, 3, depth_multiplier=2, padding="same", activation="relu")(x)
    x = layers.SeparableConv2D(8, 3, padding="same")(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return layers.Dense(4)(layers.GlobalAveragePooling2D()(x))


def called_twice(x):
    """The second call of the shared layer reads what the first one made."""
    shared = layers.Conv2D(8, 3, padding="same", activation="relu")
    x = shared(shared(conv_bn(x, 8)))
    return layers.Dense(4)(layers.Flatten()(x))


MAKERS = [chain, residual, dense_block, separable, called_twice]


def network(make, seed=0):
    x = keras.Input((6, 6, 2))
    return randomise(keras.Model(x, make(x)), seed)


def images(n=3):
    return np.random.default_rng(1).normal(size=(n, 6, 6, 2)).astype(np.float32)


def same_weights(a, b):
    assert [layer.name for layer in a.layers] == [layer.name for layer in b.layers]
    for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def masked_by_hand(model, masks, number):
    """The model with what its layers read multiplied by zeros and ones, call by call."""

    def call(layer, *args, **kwargs):
        if layer.name in masks:
            mask = masks[layer.name][number].astype(np.float32)
            args = (args[0] * mask, *args[1:])
        return layer(*args, **kwargs)

    twin = keras.models.clone_model(model, call_function=call)
    own = flat_layers(model)
    for name, layer in flat_layers(twin).items():
        if layer.weights:
            layer.set_weights(own[name].get_weights())
    return twin


@pytest.mark.filterwarnings("ignore:.*removes no channel")
@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("round_to", [1, 4])
def test_a_slice_is_the_network_pruned_by_its_amount(make, round_to):
    model = network(make)
    given = model.get_weights()
    slices = ChannelSlices.of(model, AMOUNTS, round_to=round_to)
    for number, amount in enumerate(AMOUNTS):
        cut = slices.cut(model, number)
        pruned = prune_channels(model, amount, round_to=round_to)
        same_weights(cut, pruned)
        np.testing.assert_array_equal(cut(images()), pruned(images()))
    for before, after in zip(given, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_criterion_is_that_of_the_pruning():
    model = network(dense_block)
    by_factor = ChannelSlices.of(model, [0.5], criterion="batchnorm", round_to=1)
    pruned = prune_channels(model, 0.5, criterion="batchnorm", round_to=1)
    same_weights(by_factor.cut(model, 0), pruned)
    other = ChannelSlices.of(model, [0.5], round_to=1)
    assert (other.kept != by_factor.kept).any()


@pytest.mark.parametrize("make", MAKERS)
def test_a_slice_lies_in_every_wider_one(make):
    slices = ChannelSlices.of(network(make), AMOUNTS, round_to=1)
    order = np.argsort(AMOUNTS)
    for wide, narrow in pairwise(order):
        assert (slices.kept[wide] >= slices.kept[narrow]).all()
        assert slices.kept[wide].sum() > slices.kept[narrow].sum()
    assert slices.kept[AMOUNTS.index(0)].all()


def test_of_equal_channels_the_first_stay_in_every_slice():
    model = network(chain)
    for variable in model.weights:
        variable.assign(np.ones(variable.shape))
    slices = ChannelSlices.of(model, [0.25, 0.5], round_to=1)
    first = slices.channel_map.layers[0].out_channels
    np.testing.assert_array_equal(slices.kept[:, first].argmin(axis=1), [6, 4])
    assert (slices.kept[0] >= slices.kept[1]).all()


@pytest.mark.parametrize("make", MAKERS)
def test_slices_of_the_narrowed_network_are_those_of_the_whole(make):
    model = network(make)
    slices = ChannelSlices.of(model, [0.75, 0.4, 0.5], round_to=1)
    narrow, of_narrow = slices.narrowed(model)
    same_weights(narrow, prune_channels(model, 0.4, round_to=1))  # the widest of them
    assert of_narrow.kept.shape == (3, slices.kept[1].sum())
    assert of_narrow.kept[1].all()
    for number in range(3):
        same_weights(of_narrow.cut(narrow, number), slices.cut(model, number))
    again, same = of_narrow.narrowed(narrow)
    same_weights(again, narrow)
    np.testing.assert_array_equal(same.kept, of_narrow.kept)


def test_slices_take_the_weights_of_the_moment():
    model = network(residual)
    narrow, slices = ChannelSlices.of(model, [0.25, 0.75], round_to=1).narrowed(model)
    randomise(narrow, seed=5)
    # Its channels are not ranked anew: a slice is no longer what pruning would leave.
    cut = slices.cut(narrow, 1)
    twin = masked_by_hand(narrow, slices.input_masks(), 1)
    np.testing.assert_allclose(cut(images()), twin(images()), rtol=1e-4, atol=1e-5)
    assert (ChannelSlices.of(narrow, [0.5], round_to=1).kept != slices.kept[1]).any()


@pytest.mark.parametrize("make", MAKERS)
def test_masked_inputs_take_the_channels_out(make):
    model = network(make)
    slices = ChannelSlices.of(model, AMOUNTS, round_to=1)
    masks = slices.input_masks()
    assert all(mask.dtype == bool and mask.shape[0] == 3 for mask in masks.values())
    for number, amount in enumerate(AMOUNTS):
        sliced = slices.cut(model, number)(images())
        masked = masked_by_hand(model, masks, number)(images())
        np.testing.assert_allclose(sliced, masked, rtol=1e-4, atol=1e-5)
        away = np.abs(np.asarray(sliced) - np.asarray(model(images()))).max()
        assert away > 1e-2 if amount else away == 0


def test_only_layers_that_read_fewer_channels_have_a_mask():
    model = network(chain)
    masks = ChannelSlices.of(model, [0.0, 0.5], round_to=1).input_masks()
    first, second = (layer.name for layer in model.layers if "conv2d" in layer.name)
    last = model.layers[-1].name
    assert first not in masks  # it reads the pixels
    assert {name: mask.shape for name, mask in masks.items()} == {second: (2, 8), last: (2, 108)}
    assert masks[second][0].all()
    assert masks[second][1].sum() == 4
    # A flattened channel stands in the dense layer once for each of its nine pixels.
    of_pixel = masks[last][1].reshape(9, 12)
    assert (of_pixel == of_pixel[0]).all()
    assert of_pixel[0].sum() == 6
    assert ChannelSlices.of(model, [0.0, 0.0]).input_masks() == {}


def test_what_rounding_undoes_is_said():
    model = network(residual)
    with pytest.warns(UserWarning, match=r"amounts=0\.1 removes no channel: round_to=8") as warned:
        slices = ChannelSlices.of(model, [0.1])
    assert warned[0].filename == __file__
    assert slices.kept.all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ChannelSlices.of(model, [0.0, 0.5], round_to=4)


@pytest.mark.parametrize(
    ("amounts", "options", "error", "message"),
    [
        ([0.5, 1.0], {}, ValueError, r"'amounts' .* range \[0.0, 1.0\).* Got 1\.0"),
        ([-0.1], {}, ValueError, r"'amounts' .* range \[0.0, 1.0\).* Got -0\.1"),
        (["half"], {}, TypeError, r"'amounts' .* float in the range .* Got 'half'"),
        ([0.5], {"criterion": "l2"}, ValueError, "'criterion' .* a str among"),
        ([0.5], {"criterion": np.array(["l1"])}, ValueError, "'criterion' .* a str among"),
        ([0.5], {"round_to": 0}, ValueError, "'round_to' .* int in the range .1, inf"),
    ],
)
def test_wrong_input(amounts, options, error, message):
    with pytest.raises(error, match=message):
        ChannelSlices.of(network(chain), amounts, **options)


def test_a_network_without_channels_that_could_go():
    model = keras.Sequential([keras.Input((6, 6, 2)), layers.Flatten(), layers.Dense(3)])
    with pytest.raises(ValueError, match="no prunable layer"):
        ChannelSlices.of(model, [0.5])

"""Each slice is the network pruned by its amount, and a part of the wider slices."""

import warnings
from itertools import pairwise

import keras
import numpy as np
import pytest
from keras import layers

from skprune.sparsity import ChannelSlices, prune_channels

from .networks import (
    assert_same_outputs,
    assert_same_weights,
    chain,
    conv_bn,
    data,
    dense_block,
    functional,
    output,
    randomize,
    residual,
    separable,
    twin_called_by,
)

pytestmark = pytest.mark.keras

AMOUNTS = [0.75, 0.0, 0.5]


def called_twice(x):
    """The second call of the shared layer reads the channels of the first one."""
    shared = layers.Conv2D(8, 3, padding="same", activation="relu")
    return layers.Dense(4)(layers.Flatten()(shared(shared(conv_bn(x, 8)))))


every_network = pytest.mark.parametrize(
    "make", [chain, residual, dense_block, separable, called_twice]
)


def masked_by_hand(model, masks, i):
    """The model with the inputs of its layers multiplied by zeros and ones."""

    def call(layer, *args, **kwargs):
        if layer.name in masks:
            args = (args[0] * masks[layer.name][i].astype(np.float32), *args[1:])
        return layer(*args, **kwargs)

    return twin_called_by(call, model)


@pytest.mark.filterwarnings("ignore:.*removes no channel")
@every_network
@pytest.mark.parametrize("round_to", [1, 4])
def test_a_slice_is_the_network_pruned_by_its_amount(make, round_to):
    model, x = functional(make), data(3, 8, 8, 3)
    given = model.get_weights()
    slices = ChannelSlices.of(model, AMOUNTS, round_to=round_to)
    for i, amount in enumerate(AMOUNTS):
        cut = slices.cut(model, i)
        pruned = prune_channels(model, amount, round_to=round_to)
        assert_same_weights(cut, pruned)
        np.testing.assert_array_equal(output(cut, x), output(pruned, x))
    for before, after in zip(given, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_criterion_is_that_of_prune_channels():
    model = functional(dense_block)
    slices = ChannelSlices.of(model, [0.5], criterion="batchnorm", round_to=1)
    pruned = prune_channels(model, 0.5, criterion="batchnorm", round_to=1)
    assert_same_weights(slices.cut(model, 0), pruned)
    assert (ChannelSlices.of(model, [0.5], round_to=1).kept != slices.kept).any()


@every_network
def test_a_slice_is_part_of_every_wider_one(make):
    slices = ChannelSlices.of(functional(make), AMOUNTS, round_to=1)
    for wide, narrow in pairwise(np.argsort(AMOUNTS)):
        assert (slices.kept[wide] >= slices.kept[narrow]).all()
        assert slices.kept[wide].sum() > slices.kept[narrow].sum()
    assert slices.kept[AMOUNTS.index(0)].all()


def test_of_equal_channels_the_first_are_kept():
    model = functional(chain)
    for variable in model.weights:
        variable.assign(np.ones(variable.shape))
    slices = ChannelSlices.of(model, [0.25, 0.5], round_to=1)
    first = slices.channel_map.layers[0].out_channels
    np.testing.assert_array_equal(slices.kept[:, first].argmin(axis=1), [18, 12])


@every_network
def test_slices_of_the_narrowed_network_are_those_of_the_whole(make):
    model = functional(make)
    slices = ChannelSlices.of(model, [0.75, 0.4, 0.5], round_to=1)
    narrow, narrow_slices = slices.narrowed(model)
    assert_same_weights(narrow, prune_channels(model, 0.4, round_to=1))  # the widest of them
    assert narrow_slices.kept.shape == (3, slices.kept[1].sum())
    assert narrow_slices.kept[1].all()
    for i in range(3):
        assert_same_weights(narrow_slices.cut(narrow, i), slices.cut(model, i))
    again, same_slices = narrow_slices.narrowed(narrow)
    assert_same_weights(again, narrow)
    np.testing.assert_array_equal(same_slices.kept, narrow_slices.kept)


def test_channels_are_not_ranked_again_when_weights_change():
    model = functional(residual)
    narrow, slices = ChannelSlices.of(model, [0.25, 0.75], round_to=1).narrowed(model)
    randomize(narrow, seed=5)
    twin = masked_by_hand(narrow, slices.input_masks(), 1)
    assert_same_outputs(slices.cut(narrow, 1), twin, data(3, 8, 8, 3))
    assert (ChannelSlices.of(narrow, [0.5], round_to=1).kept != slices.kept[1]).any()


@every_network
def test_masked_inputs_have_the_effect_of_removed_channels(make):
    model, x = functional(make), data(3, 8, 8, 3)
    slices = ChannelSlices.of(model, AMOUNTS, round_to=1)
    masks = slices.input_masks()
    assert all(mask.dtype == bool and mask.shape[0] == 3 for mask in masks.values())
    for i, amount in enumerate(AMOUNTS):
        cut = slices.cut(model, i)
        assert_same_outputs(cut, masked_by_hand(model, masks, i), x)
        change = np.abs(output(cut, x) - output(model, x)).max()
        assert change > 1e-2 if amount else change == 0


def test_only_layers_that_read_fewer_channels_have_a_mask():
    model = functional(chain)
    masks = ChannelSlices.of(model, [0.0, 0.5], round_to=1).input_masks()
    first, second, third, fourth = (each.name for each in model.layers if hasattr(each, "kernel"))
    assert first not in masks  # it reads the pixels
    shapes = {name: mask.shape for name, mask in masks.items()}
    assert shapes == {second: (2, 24), third: (2, 25 * 16), fourth: (2, 20)}
    assert masks[second][0].all()
    assert masks[second][1].sum() == 12
    # A flattened channel is read once for each of its 25 pixels.
    of_pixel = masks[third][1].reshape(25, 16)
    assert (of_pixel == of_pixel[0]).all()
    assert of_pixel[0].sum() == 8
    assert ChannelSlices.of(model, [0.0, 0.0]).input_masks() == {}


def test_rounding_that_keeps_all_channels_warns():
    model = functional(residual)
    with pytest.warns(UserWarning, match=r"amounts=0\.1 removes no channel: round_to=8") as warned:
        slices = ChannelSlices.of(model, [0.1])
    assert warned[0].filename == __file__
    assert slices.kept.all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ChannelSlices.of(model, [0.0, 0.5], round_to=4)


def test_wrong_input():
    """By the checks of prune_channels."""
    with pytest.raises(ValueError, match=r"'amounts' .* range \[0.0, 1.0\).* Got 1\.0"):
        ChannelSlices.of(functional(chain), [0.5, 1.0])
    with pytest.raises(ValueError, match=r"'criterion' .* a str among"):
        ChannelSlices.of(functional(chain), [0.5], criterion="l2")
    with pytest.raises(ValueError, match="no prunable layer"):
        ChannelSlices.of(keras.Sequential([keras.Input((6,)), layers.Dense(3)]), [0.5])

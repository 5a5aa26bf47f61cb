"""Slices of one tower, before and after they are trained together."""

import pickle

import numpy as np
import pytest

from skprune.multiview import ViewNetworks
from skprune.multiview._nested import NestedSlices
from skprune.multiview._towers import assemble
from skprune.sparsity import prune_channels, recover

from .towers import pixels, residual_tower, softmax_head, some_views

pytestmark = pytest.mark.keras

VIEWS, AMOUNTS = (0, 2, 3), (0.25, 0.75, 0.5)  # view 1 is dropped


@pytest.fixture
def tower():
    return residual_tower()


def slices_of(tower, amounts=(0.25, 1.0, 0.75, 0.5)):
    amounts = np.array(amounts)
    return NestedSlices.of(tower, amounts, amounts == 1, round_to=1)


def test_slices_are_the_tower_pruned(tower):
    whole = tower.get_weights()
    widest, slices = slices_of(tower)
    towers = slices.cut(widest)
    assert towers[1] is None
    for view, amount in zip(VIEWS, AMOUNTS, strict=True):
        expected = prune_channels(tower, amount, round_to=1)
        for a, b in zip(towers[view].get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    # The stored tower is as wide as the widest slice, not as the whole tower.
    assert widest.count_params() == towers[0].count_params() < tower.count_params()
    for a, b in zip(whole, tower.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_masked_tower_computes_the_features_of_the_slices(tower):
    widest, slices = slices_of(tower)
    masked = slices.masked(widest)
    assert masked[1] is None
    assert len({id(each) for each in masked} - {id(None)}) == 1
    images = pixels()
    found = np.asarray(masked[0](images[:, list(VIEWS)].reshape(-1, 8, 8, 1))).reshape(12, 3, 6)
    towers = slices.cut(widest)
    for place, view in enumerate(VIEWS):
        expected = towers[view](images[:, view])
        np.testing.assert_allclose(found[:, place], expected, rtol=1e-4, atol=1e-5)
    # The order of the rows matters, and so do the masks.
    whole = np.asarray(widest(images[:, 2]))
    assert np.abs(found[:, 1] - whole).max() > 1e-2


@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_masked_and_sliced_towers_agree_before_and_after_training(tower, pooling):
    head, images, present = softmax_head(), pixels(), some_views()
    widest, slices = slices_of(tower)
    masked = ViewNetworks(slices.masked(widest), head, pooling)
    model = assemble(masked, (4, 8, 8, 1))
    before = ViewNetworks(slices.cut(widest), head, pooling).predict_proba(images, present)
    np.testing.assert_allclose(model([images, present]), before, rtol=1e-4, atol=1e-6)
    kept = [variable.numpy() for variable in widest.trainable_variables]
    trained = recover(
        model,
        [images, present],
        np.arange(12) % 3,
        epochs=2,
        batch_size=6,
        learning_rate=1e-2,
        random_state=0,
    )
    networks = masked.retrained(trained)
    assert networks.distinct == [networks.towers[0]]  # one tower, as before
    assert [each is None for each in networks.towers] == [False, True, False, False]
    slices = slices.trained(widest, networks.distinct[0])
    for old, new in zip(kept, widest.trainable_variables, strict=True):
        assert not np.array_equal(old, new.numpy())
    for mean, variance in slices.norms.values():  # each slice has its own
        assert len(mean) == len(variance) == 3
        assert not np.allclose(mean[0], mean[1])
    saved = pickle.loads(pickle.dumps(slices))
    after = ViewNetworks(saved.cut(widest), networks.head, pooling).predict_proba(images, present)
    np.testing.assert_allclose(trained([images, present]), after, rtol=1e-4, atol=1e-6)
    assert np.abs(after - before).max() > 1e-2


def test_views_of_equal_amounts_share_a_slice(tower):
    widest, slices = slices_of(tower, (0.5, 0.0, 0.5))
    towers = slices.cut(widest)
    assert towers[0] is towers[2] is not towers[1]

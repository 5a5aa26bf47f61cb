"""Towers and head as one model, and their costs, by hand."""

import numpy as np
import pytest

from skprune.multiview import ViewNetworks
from skprune.multiview._towers import assemble
from skprune.sparsity import fine_tune, prune_channels

from .small import by_hand
from .towers import n_bytes, pixels, residual_tower, softmax_head, some_views

pytestmark = pytest.mark.keras


@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_one_model_of_shared_and_dropped_towers(pooling):
    """Views of one tower are not neighbors, and the first view of a sample may be missing."""
    tower, head = residual_tower(), softmax_head()
    other = prune_channels(tower, 0.5, round_to=1)
    networks = ViewNetworks((other, tower, None, other, tower), head, pooling)
    images, present = pixels(9, 5), some_views(9, 5, always=3)
    model = assemble(networks, (5, 8, 8, 1))
    expected = by_hand(networks, images, present)
    for found in (model([images, present]), networks.predict_proba(images, present)):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert np.abs(by_hand(networks, images) - expected).max() > 1e-2
    again = networks.retrained(fine_tune(model, [images, present], np.zeros(9), epochs=0))
    assert again.towers[0] is again.towers[3] is not again.towers[1]
    assert again.towers[1] is again.towers[4]
    assert again.towers[2] is None
    assert not {id(m) for m in again.distinct} & {id(m) for m in networks.distinct}
    np.testing.assert_array_equal(
        again.predict_proba(images, present), networks.predict_proba(images, present)
    )


def test_costs_count_shared_towers_once_and_their_arithmetic_often():
    tower, head = residual_tower(), softmax_head()
    other = prune_channels(tower, 0.5, round_to=1)
    networks = ViewNetworks((other, tower, None, other, tower), head, "max")
    cost = networks.cost()
    assert cost.dense_bytes == networks.n_bytes == n_bytes(tower, other, head)
    both = ViewNetworks((tower,), head, "max").cost(), ViewNetworks((other,), head, "max").cost()
    of_head = 6 * 3
    assert cost.macs == 2 * sum(each.macs - of_head for each in both) + of_head

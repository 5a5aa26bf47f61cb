import math

import numpy as np
import pytest

from skprune.ensemble import CNNArchitecture, CNNSpace, ConvBlock
from skprune.ensemble._space import sample_members


def test_paper_space_is_the_papers():
    # Section 3 of the paper.
    space = CNNSpace.paper()
    assert space.n_blocks == (3, 4, 5)
    assert space.filters == (32, 64, 96, 128, 160, 192, 224, 256)
    assert sorted(space.pooling) == ["average", "max"]
    assert space.dense_units == (20, 30, 40, 50, 60, 70, 80, 90, 100)
    assert space.dropout == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    assert space.learning_rate == (1e-4, 1e-2)


def test_every_value_of_the_paper_space_is_drawn():
    plans = sample_members(CNNSpace.paper(), 300, seed=0)
    drawn = [plan.architecture for plan in plans]
    blocks = [block for architecture in drawn for block in architecture.blocks]
    assert {len(architecture.blocks) for architecture in drawn} == {3, 4, 5}
    assert {f for block in blocks for f in block.filters} == set(range(32, 257, 32))
    assert {block.pooling for block in blocks} == {"average", "max"}
    assert {architecture.dense_units for architecture in drawn} == set(range(20, 101, 10))
    assert {architecture.dropout for architecture in drawn} == {0.0, 0.1, 0.2, 0.3, 0.4, 0.5}
    # Filters are drawn for each convolution, pooling for each block.
    assert any(block.filters[0] != block.filters[1] for block in blocks)
    assert any(len({block.pooling for block in a.blocks}) == 2 for a in drawn)


def test_learning_rate_is_uniform_in_the_logarithm():
    rates = [p.architecture.learning_rate for p in sample_members(CNNSpace.paper(), 2000, seed=1)]
    assert min(rates) >= 1e-4
    assert max(rates) <= 1e-2
    logarithms = np.sort([math.log10(rate) for rate in rates])
    # Kolmogorov-Smirnov distance to the uniform distribution on [-4, -2]; the 0.1 % critical
    # value is 1.95 / sqrt(n).
    uniform = (logarithms + 4) / 2
    steps = np.arange(1, 2001) / 2000
    assert np.abs(uniform - steps).max() < 1.95 / math.sqrt(2000)


def test_a_member_does_not_depend_on_how_many_there_are():
    few = sample_members(CNNSpace.small(), 3, seed=7)
    many = sample_members(CNNSpace.small(), 50, seed=7)
    assert many[:3] == few
    assert len({plan.seed for plan in many}) == 50
    assert sample_members(CNNSpace.small(), 3, seed=8) != few


def test_seeds_fit_every_back_end():
    assert all(0 <= p.seed < 2**31 for p in sample_members(CNNSpace.small(), 200, seed=0))


def test_draws_are_plain_numbers():
    architecture = sample_members(CNNSpace.small(), 1, seed=0)[0].architecture
    assert type(architecture.dense_units) is int
    assert type(architecture.dropout) is float
    assert type(architecture.learning_rate) is float
    assert {type(f) for block in architecture.blocks for f in block.filters} == {int}


def test_fields_become_tuples_so_equal_spaces_are_equal():
    assert CNNSpace(filters=[8, 16]) == CNNSpace(filters=(np.int64(8), 16))
    assert hash(CNNSpace(filters=[8, 16])) == hash(CNNSpace(filters=(8, 16)))
    assert CNNSpace(n_blocks=range(3, 6)) == CNNSpace.paper()


def test_one_learning_rate_is_a_space_too():
    space = CNNSpace(learning_rate=(1e-3, 1e-3))
    assert space.sample(np.random.default_rng(0)).learning_rate == 1e-3


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("n_blocks", [0], ValueError),
        ("n_blocks", [], ValueError),
        ("n_blocks", 3, TypeError),
        ("n_blocks", [2.0], ValueError),
        ("n_blocks", [True], ValueError),
        ("filters", [-8], ValueError),
        ("filters", ["8"], ValueError),
        ("pooling", "max", TypeError),
        ("pooling", ["maximum"], ValueError),
        ("dense_units", [0], ValueError),
        ("dropout", [1.0], ValueError),
        ("dropout", [-0.1], ValueError),
        ("dropout", [float("nan")], ValueError),
        ("learning_rate", (0.0, 1e-2), ValueError),
        ("learning_rate", (1e-2, 1e-4), ValueError),
        ("learning_rate", (1e-3,), ValueError),
        ("learning_rate", (1e-3, float("inf")), ValueError),
        ("learning_rate", 1e-3, TypeError),
    ],
)
def test_wrong_fields_are_named(field, value, error):
    with pytest.raises(error, match=field):
        CNNSpace(**{field: value})


def test_multiply_adds_by_hand():
    architecture = CNNArchitecture(
        blocks=(ConvBlock((4, 8), "max"), ConvBlock((8, 2), "average")),
        dense_units=10,
        dropout=0.0,
        learning_rate=1e-3,
    )
    first = 6 * 5 * 9 * (3 * 4 + 4 * 8)
    second = 3 * 2 * 9 * (8 * 8 + 8 * 2)
    dense = (1 * 1 * 2) * 10 + 10 * 7
    assert architecture.multiply_adds((6, 5, 3), 7) == first + second + dense

import numpy as np
import pytest

from skprune.utils import _row_groups, in_few_sizes, row_groups


@pytest.mark.parametrize(
    ("widest", "expected"),
    [
        ([0.1], [(slice(0, 1), 4096)]),  # no more rows than that
        ([10, 10], [(slice(0, 2), 128)]),
        ([20, 20, 20], [(slice(0, 2), 64), (slice(2, 3), 128)]),  # no fewer rows than 64
        ([100, 1, 1], [(slice(0, 1), 16), (slice(1, 3), 1024)]),  # but for one by itself
        ([5000], [(slice(0, 1), 1)]),
    ],
)
def test_groups(widest, expected, monkeypatch):
    monkeypatch.setattr(_row_groups, "_BYTES", 4 * 64 * 40)
    assert row_groups(widest) == expected


def test_every_network_is_in_one_group():
    widest = [7**i % 1_000_003 for i in range(200)]
    groups = row_groups(widest)
    assert [i for group, _ in groups for i in range(200)[group]] == list(range(200))
    for group, rows in groups:
        assert rows == 1 or 4 * rows * sum(widest[group]) <= _row_groups._BYTES


def test_few_sizes():
    seen = set()

    def double(X):
        seen.add(len(X))
        return 2 * X

    for n in range(1, 40):
        X = np.arange(3 * n).reshape(n, 3)
        np.testing.assert_array_equal(in_few_sizes(double, X), 2 * X)
        found = in_few_sizes(lambda rows: [double(rows), rows], X)
        np.testing.assert_array_equal(found[0], 2 * X)
        np.testing.assert_array_equal(found[1], X)
    assert seen == {1, 2, 4, 8, 16, 32, 64}

"""How many networks, and how many samples, go through one call."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["in_few_sizes", "row_groups"]

# Bytes of activations that one call may fill, roughly, and how few rows are too few for one.
_BYTES = 2**27
_FEWEST_ROWS, _MOST_ROWS = 64, 4096


def row_groups(widest: Sequence[int]) -> list[tuple[slice, int]]:
    """Networks that go through one call, and with how many rows at a time.

    All networks of a call may hold their activations at the same time.

    Parameters
    ----------
    widest : sequence of int
        For each network the most numbers that one of its layers gives for a sample.

    Returns
    -------
    list of (slice, int)
        Neighbouring networks, and rows: a power of two.
    """
    most = _BYTES // (4 * _FEWEST_ROWS)
    groups: list[tuple[slice, int]] = []
    start, total = 0, 0
    for stop, width in enumerate([*widest, most + 1], start=1):
        if total and (total + width > most or stop > len(widest)):
            rows = int(np.clip(_BYTES // (4 * total), 1, _MOST_ROWS))
            rows = 1 << (rows.bit_length() - 1)  # what in_few_sizes pads to
            groups.append((slice(start, stop - 1), rows))
            start, total = stop - 1, 0
        total += width
    return groups


def in_few_sizes(function: Callable[[NDArray], Any], X: NDArray) -> Any:
    """Call a function that is compiled anew for each number of rows, with a power of two of them.

    Parameters
    ----------
    function : callable
        From samples to one array, or a list of arrays, with a row for each.
    X : ndarray of shape (n, ...)
        Samples, at least one.

    Returns
    -------
    array or list of arrays, of n rows
    """
    n = len(X)
    missing = (1 << (n - 1).bit_length()) - n
    if missing:
        X = np.concatenate([X, np.repeat(X[:1], missing, axis=0)])
    outputs = function(X)
    return [output[:n] for output in outputs] if isinstance(outputs, list) else outputs[:n]

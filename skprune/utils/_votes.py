"""Weighted votes, or sums, of many candidates at once."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._selection import Predictions

__all__ = ["as_probabilities", "weighted_votes"]

# Bytes of votes held at once while candidates are scored.
_BLOCK_BYTES = 2**26


def weighted_votes(
    P: Predictions, weights: NDArray, voting: str = "soft", dtype: DTypeLike | None = None
) -> Iterator[tuple[slice, NDArray]]:
    """Votes of all candidates, block by block of samples: one matrix product each.

    Parameters
    ----------
    P : Predictions of shape (M, N, C)
        Probabilities; or predictions of C targets.
    weights : ndarray of shape (K, M)
        One candidate a row.
    voting : {"soft", "hard"}, default="soft"
        What is weighed: the predictions, or each member's choice.
    dtype : dtype, default=None
        Precision; that of P by default, and single for half.

    Yields
    ------
    rows : slice
        Samples of the block.
    votes : ndarray of shape (K, n, C)
    """
    M, N, C = P.shape
    K = len(weights)
    precision = np.result_type(np.float32, P.dtype) if dtype is None else np.dtype(dtype)
    weights = weights.astype(precision, copy=False)
    # Members that nobody gives a weight cost nothing.
    heard = np.flatnonzero(weights.any(axis=0))
    members: slice | NDArray[np.intp] = slice(None)
    if len(heard) < M:
        members, weights = heard, weights[:, heard]
    step = max(1, _BLOCK_BYTES // (precision.itemsize * C * (K + M)))
    for start in range(0, N, step):
        block = P[members, start : start + step].astype(precision, copy=False)
        if voting == "hard":
            block = _choices(block)
        n = block.shape[1]
        yield (
            slice(start, start + n),
            (weights @ block.reshape(len(block), n * C)).reshape(K, n, C),
        )


def as_probabilities(votes: NDArray) -> NDArray[np.float64]:
    """Votes whose sum is one up to rounding, in float64 and with a sum of one.

    scikit-learn's scores of probabilities refuse any above one, and warn of sums that miss one
    by what single precision leaves.

    Parameters
    ----------
    votes : ndarray of shape (..., C)
        Weighted votes.

    Returns
    -------
    ndarray of shape (..., C)
    """
    votes = votes.astype(np.float64, copy=False)
    total = votes.sum(axis=-1, keepdims=True)
    return np.asarray(votes / np.where(total > 0, total, 1.0))


def _choices(block: NDArray) -> NDArray:
    """One at each member's choice (the first of its largest probabilities), zero elsewhere."""
    chosen = np.zeros_like(block)
    np.put_along_axis(chosen, block.argmax(axis=2)[:, :, None], 1, axis=2)
    return chosen

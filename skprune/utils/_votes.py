"""Weighted votes of many candidates at once."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["vote_hits"]

# Bytes of votes held at once while candidates are scored.
_BLOCK_BYTES = 2**26


def vote_hits(
    P: NDArray, y: NDArray[np.intp], weights: NDArray[np.float64], voting: str
) -> NDArray[np.bool_]:
    """Which samples each candidate weighting classifies rightly.

    One matrix product for all candidates, block by block of samples.

    Parameters
    ----------
    P : ndarray of shape (M, N, C)
        Probabilities.
    y : ndarray of shape (N,)
        True classes as positions.
    weights : ndarray of shape (K, M)
        One candidate a row.
    voting : {"soft", "hard"}
        What is weighed: probabilities, or each member's choice.

    Returns
    -------
    ndarray of shape (K, N), bool
    """
    M, N, C = P.shape
    K = len(weights)
    weights = weights.astype(P.dtype, copy=False)
    right = np.empty((K, N), dtype=bool)
    step = max(1, _BLOCK_BYTES // (P.dtype.itemsize * C * (K + M)))
    for start in range(0, N, step):
        block = P[:, start : start + step]
        if voting == "hard":
            block = _choices(block)
        n = block.shape[1]
        votes = (weights @ block.reshape(M, n * C)).reshape(K, n, C)
        right[:, start : start + step] = votes.argmax(axis=2) == y[start : start + step]
    return right


def _choices(block: NDArray) -> NDArray:
    """One at each member's choice (the first of its largest probabilities), zero elsewhere."""
    chosen = np.zeros_like(block)
    np.put_along_axis(chosen, block.argmax(axis=2)[:, :, None], 1, axis=2)
    return chosen

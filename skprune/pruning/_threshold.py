"""How many of the weighted members to keep: the threshold h of the paper's Algorithm 1."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Frontier", "choose_threshold", "vote_scores"]

# Bytes of votes held at once while candidates are scored.
_BLOCK_BYTES = 2**26


@dataclass(frozen=True, eq=False)
class Frontier:
    """Calibration accuracy against the number of members, along the penalty path.

    Attributes
    ----------
    lams : ndarray of shape (K,)
        Relative penalties of the knots that keep at least one member.
    n_members : ndarray of shape (K,)
        Members with a positive weight there.
    accuracy : ndarray of shape (K,)
        Accuracy of their weighted vote on the calibration rows.
    member_accuracy : ndarray of shape (M,)
        Accuracy of each single member on the calibration rows.
    full_accuracy : float
        Accuracy of the equal vote of all members on the calibration rows.
    pruned_accuracy : float
        Accuracy of the vote that was chosen, on the same rows.
    n_samples : int
        Number of calibration rows.
    """

    lams: NDArray[np.float64]
    n_members: NDArray[np.intp]
    accuracy: NDArray[np.float64]
    member_accuracy: NDArray[np.float64]
    full_accuracy: float
    pruned_accuracy: float
    n_samples: int


def vote_scores(
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


def choose_threshold(
    P: NDArray,
    y: NDArray[np.intp],
    weights: NDArray[np.float64],
    voting: str,
    sample_weight: NDArray[np.float64] | None = None,
) -> float:
    """The relative threshold that keeps the fewest members at no measurable loss.

    Members are dropped from the smallest weight on. Of the nested subsets, the smallest is
    taken whose accuracy on the calibration rows is within one standard error of the best
    one's. The error is that of the difference between the two on the same rows.

    Parameters
    ----------
    P : ndarray of shape (M, N, C)
        Probabilities on the calibration rows.
    y : ndarray of shape (N,)
        True classes as positions.
    weights : ndarray of shape (M,)
        Weights, at least one of them positive.
    voting : {"soft", "hard"}
        Kind of vote.
    sample_weight : ndarray of shape (N,), default=None
        Weights of the rows.

    Returns
    -------
    float
        Threshold relative to the largest weight; members at or above it are kept.
    """
    order = np.argsort(-weights, kind="stable")
    order = order[weights[order] > 0]
    sizes = np.flatnonzero(np.diff(np.append(weights[order], -1.0)) < 0) + 1
    # Equal weights stand or fall together, so that the threshold alone says who is kept.
    candidates = np.zeros((len(sizes), len(order)))
    for row, size in enumerate(sizes):
        candidates[row, :size] = weights[order[:size]]
    right = vote_scores(P[order], y, candidates, voting).astype(np.float64)
    share = np.ones(len(y)) if sample_weight is None else sample_weight
    share = share / share.sum()
    accuracy = right @ share
    best = int(accuracy.argmax())
    difference = right[best] - right
    # With equal weights share = 1/N this is the usual variance of a mean over N rows.
    variance = ((difference - (difference @ share)[:, None]) ** 2) @ share**2
    enough = accuracy >= accuracy[best] - np.sqrt(variance) - 1e-12
    fewest = sizes[np.flatnonzero(enough)[0]]
    return float(weights[order[fewest - 1]] / weights[order[0]])

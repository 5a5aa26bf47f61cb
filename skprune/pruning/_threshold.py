"""How many of the weighted members to keep: the threshold h of the paper's Algorithm 1."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Frontier", "choose_threshold"]


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


def choose_threshold(
    P: NDArray,
    y: NDArray[np.intp],
    weights: NDArray[np.float64],
    voting: str,
    sample_weight: NDArray[np.float64] | None = None,
) -> float:
    """The relative threshold that keeps the fewest members at no measurable loss.

    Members are dropped from the smallest weight on. Of the nested subsets, the smallest is
    taken whose squared error on the calibration rows (the first term of equation (3), for
    votes that sum to one) is within one standard error of the best one's. The standard error
    is that of the difference between the two on the same rows.

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
    # Equal weights stand or fall together, so that the threshold alone says who is kept.
    sizes = np.flatnonzero(np.diff(np.append(weights[order], -1.0)) < 0) + 1
    errors = _squared_errors(P, y, weights, order, sizes, voting)
    share = np.ones(len(y)) if sample_weight is None else sample_weight
    share = share / share.sum()
    mean = errors @ share
    best = int(mean.argmin())
    difference = errors - errors[best]
    # With equal weights share = 1/N this is the usual variance of a mean over N rows.
    variance = ((difference - (difference @ share)[:, None]) ** 2) @ share**2
    enough = mean <= mean[best] + np.sqrt(variance) + 1e-12
    fewest = sizes[np.flatnonzero(enough)[0]]
    return float(weights[order[fewest - 1]] / weights[order[0]])


def _squared_errors(
    P: NDArray,
    y: NDArray[np.intp],
    weights: NDArray[np.float64],
    order: NDArray[np.intp],
    sizes: NDArray[np.intp],
    voting: str,
) -> NDArray[np.float64]:
    """Squared error of each row under the vote of the first so many members, shape (K, N)."""
    rows = np.arange(len(y))
    votes = np.zeros(P.shape[1:])
    total, errors = 0.0, []
    for size, member in enumerate(order, start=1):
        total += weights[member]
        if voting == "hard":
            votes[rows, P[member].argmax(axis=1)] += weights[member]
        else:
            votes += weights[member] * P[member]
        if size in sizes:
            share = votes / total
            errors.append((share**2).sum(axis=1) - 2 * share[rows, y] + 1)
    return np.array(errors)

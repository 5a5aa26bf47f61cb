"""How many of the weighted members to keep: the threshold h of the paper's Algorithm 1."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._evidence import Evidence
from ._program import Relaxation

__all__ = ["choose_threshold"]

# Sizes that are tried where each one is a search of its own.
_FEW_SIZES = 24
# Bytes of squared errors that are kept, rather than formed twice.
_HELD_BYTES = 2**27


def choose_threshold(
    evidence: Evidence, relaxation: Relaxation, base: NDArray[np.float64], share: float | None
) -> float:
    """The relative threshold that keeps the fewest members at no measurable loss.

    Members are dropped from the smallest weight on. Of the nested subsets, the smallest is
    taken whose squared error on the calibration rows (the first term of equation (3)) is
    within one standard error of the best one's. The standard error is that of the difference
    between the two on the same rows.

    Parameters
    ----------
    evidence : Evidence
        Calibration predictions.
    relaxation : Relaxation
        The program of all rows.
    base : ndarray of shape (M,)
        Its weights at one lambda, at least one of them positive.
    share : float or None
        Reweighting; see :func:`~skprune.pruning._program.shrinkage`.

    Returns
    -------
    float
        Threshold relative to the largest weight; members at or above it are kept.
    """
    # Equal weights stand or fall together, so that the threshold alone says who is kept.
    levels = np.unique(base[relaxation.program.support(base)])[::-1] / base.max()
    if relaxation.program.penalty == "l0":
        few = np.geomspace(1, len(levels), _FEW_SIZES).round().astype(int) - 1
        levels = levels[np.unique(few)]
    weights = np.concatenate([relaxation.weights(base, level, [share]) for level in levels])
    shares = evidence.shares
    errors: Any = evidence.squared_errors(weights)
    if weights.shape[0] * evidence.n_rows * 8 <= _HELD_BYTES:
        errors = list(errors)  # else they are formed twice
    mean = np.zeros(len(weights))
    for rows, block in errors:
        mean += block @ shares[rows]
    best = int(mean.argmin())
    # With equal weights share = 1/N this is the usual variance of a mean over N rows.
    variance = np.zeros(len(weights))
    for rows, block in errors if isinstance(errors, list) else evidence.squared_errors(weights):
        difference = block - block[best] - (mean - mean[best])[:, None]
        variance += np.square(difference) @ shares[rows] ** 2
    enough = mean <= mean[best] + np.sqrt(variance) + 1e-12
    return float(levels[np.flatnonzero(enough)[0]])

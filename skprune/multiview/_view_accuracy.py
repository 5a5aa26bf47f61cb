"""What a curve of accuracy says of views that are pruned each by its own amount."""

import numpy as np
from numpy.typing import NDArray

from ..amount import MonotoneCurve, normalize_importance
from ..sparsity import SweepResult

__all__ = ["accuracy_curve", "predicted_accuracy"]


def accuracy_curve(sweep: SweepResult, y: NDArray) -> MonotoneCurve:
    """Accuracy against the amount, from a sweep; at amount 1, that of the commonest class.

    Parameters
    ----------
    sweep : SweepResult
        What was measured.
    y : ndarray of shape (n,)
        Classes of the samples it was measured on, as integers.

    Returns
    -------
    MonotoneCurve
    """
    chance = np.bincount(y).max() / len(y)
    amounts = np.append(sweep.amounts, 1.0)[:, None]
    return MonotoneCurve(increasing=False).fit(amounts, np.append(sweep.accuracy, chance))


def predicted_accuracy(
    importance: NDArray[np.float64], curve: MonotoneCurve, amounts: NDArray[np.float64]
) -> float:
    """Weighted mean of the curve at each view's amount, as the inverse rule weighs them.

    Parameters
    ----------
    importance : ndarray of shape (V,)
        Importance of the views.
    curve : MonotoneCurve
        Accuracy against the amount.
    amounts : ndarray of shape (V,)
        Amounts.

    Returns
    -------
    float
    """
    weights = normalize_importance(importance)
    weights = weights if weights.any() else np.ones_like(weights)
    return float(np.average(curve.predict(amounts[:, None]), weights=weights))

"""From a sweep and limits to the amount that is worth most."""

import numpy as np
from sklearn.base import clone

from ..amount import (
    AccuracyReward,
    MoreAccuracyLessSizeReward,
    PruningAmountOptimizer,
    PruningReward,
    SizeReward,
    TimeReward,
)
from ..sparsity import SweepResult
from ._point import OperatingPoint

__all__ = ["TOLERANCE", "fit_optimizer", "promised_at"]

# Accuracy that may go where the user names no limit.
TOLERANCE = 0.01

# Of the notebook's unpruned network: its rewards are in its seconds and megabytes.
_NOTEBOOK_TIME, _NOTEBOOK_SIZE = 1.020, 480.4


def fit_optimizer(
    optimizer: PruningAmountOptimizer | None,
    sweep: SweepResult,
    limits: dict[str, float | None],
    seed: int,
) -> PruningAmountOptimizer:
    """Fit the curves of a sweep and find the best amount.

    Parameters
    ----------
    optimizer : PruningAmountOptimizer or None
        What to fit, with the limits set; None is monotone curves and the notebook's rewards,
        rescaled from its network's seconds and megabytes to those of this one.
    sweep : SweepResult
        What was measured.
    limits : dict of str to float or None
        ``min_accuracy``, ``max_time``, ``max_size``.
    seed : int
        Seed of the search.

    Returns
    -------
    PruningAmountOptimizer
        Fitted.
    """
    if optimizer is None:
        time, size = sweep.time[0] / _NOTEBOOK_TIME, sweep.size[0] / _NOTEBOOK_SIZE
        optimizer = PruningAmountOptimizer(
            accuracy_curve="pchip",
            time_curve="pchip",
            size_curve="pchip",
            rewards=(
                AccuracyReward(),
                TimeReward(sigma=0.8 * time),
                SizeReward(sigma_left=2.0 * size),
                MoreAccuracyLessSizeReward(per_size=0.5 / size),
                PruningReward(),
            ),
        )
    given = {name: limit for name, limit in limits.items() if limit is not None}
    fitted: PruningAmountOptimizer = clone(optimizer).set_params(**given)
    if fitted.random_state is None:
        fitted.set_params(random_state=seed)
    return fitted.fit(sweep.X, sweep.y)


def promised_at(optimizer: PruningAmountOptimizer, amount: float) -> OperatingPoint:
    """What the curves say of an amount.

    Parameters
    ----------
    optimizer : PruningAmountOptimizer
        Fitted to a sweep.
    amount : float
        The amount.

    Returns
    -------
    OperatingPoint
    """
    at = np.array([[amount]])
    return OperatingPoint(
        amount, *(float(curve.predict(at)[0]) for curve in optimizer.curves_.values())
    )

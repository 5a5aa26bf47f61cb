"""How well a curve follows its measurements, and a word where it does not."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import r2_score

from ._landscape import curve_values
from .curves import BaseCurve, MonotoneCurve

__all__ = ["CurveFit", "assess"]

# Shares of the range of the measurements: an error, and a way against their trend, that count.
_LARGE_ERROR, _WRONG_WAY = 0.05, 0.05
# How many times the error of a curve that only has to fall, or to rise.
_TIMES_WORSE = 2.0


@dataclass(frozen=True, eq=False)
class CurveFit:
    """A fitted curve against its measurements.

    Attributes
    ----------
    quantity : str
        "accuracy", "time" or "size".
    curve : fitted curve
        What was fitted.
    residuals : ndarray of shape (n,)
        Measurements less the curve, in their unit.
    r2 : float
        Share of their variance that the curve explains.
    rmse : float
        Root of the weighted mean square of the residuals.
    n_parameters : int
        Parameters that were fitted: of a monotone curve the levels it has, of a curve of the
        user's own kind one.
    misfit : str or None
        What is wrong with it; None if nothing is.
    """

    quantity: str
    curve: Any
    residuals: NDArray[np.float64]
    r2: float
    rmse: float
    n_parameters: int
    misfit: str | None


def assess(
    quantity: str,
    curve: Any,
    amounts: NDArray[np.float64],
    y: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> CurveFit:
    """Compare a fitted curve with its measurements.

    It misfits if its error is twice that of a curve that only has to fall (or to rise) and
    more than 5 % of the range of the measurements, or if, with one column, it moves against
    their trend by 5 % of that range more than they do.

    Parameters
    ----------
    quantity : str
        What was measured.
    curve : fitted curve
        What was fitted.
    amounts : ndarray of shape (n, d)
        Pruning amounts.
    y : ndarray of shape (n,)
        Measurements.
    weights : ndarray of shape (n,)
        Their weights.

    Returns
    -------
    CurveFit
    """
    residuals = y - curve_values(curve, amounts)
    r2 = r2_score(y, y - residuals, sample_weight=weights) if len(y) > 1 else np.nan
    rmse = float(np.sqrt(np.average(residuals**2, weights=weights)))
    notes = []
    if np.ptp(y) > 0 and not isinstance(curve, MonotoneCurve):
        notes = _wrong_ways(curve, amounts, y, weights) + _errors(
            curve, amounts, y, weights, residuals
        )
    return CurveFit(
        quantity, curve, residuals, float(r2), rmse, _parameters_of(curve), "; ".join(notes) or None
    )


def _errors(
    curve: Any,
    amounts: NDArray[np.float64],
    y: NDArray[np.float64],
    weights: NDArray[np.float64],
    residuals: NDArray[np.float64],
) -> list[str]:
    """Note an error that a monotone curve would not make."""
    free = MonotoneCurve("linear").fit(amounts, y, sample_weight=weights)
    if amounts.shape[1] > 1 and _parameters_of(free) >= len(y):
        return []  # with several columns it follows anything, and tells nothing

    def error(left: NDArray[np.float64], by: Any) -> float:
        """Standard deviation about a curve, by what it leaves and the parameters it has."""
        spare = max(len(y) - _parameters_of(by), 1)
        return float(np.sqrt(np.average(left**2, weights=weights) * len(y) / spare))

    its, best = error(residuals, curve), error(y - free.predict(amounts), free)
    if its <= _LARGE_ERROR * np.ptp(y) or its <= _TIMES_WORSE * best:
        return []
    worst = np.abs(residuals).argmax()
    at = ", ".join(f"{amount:.3g}" for amount in amounts[worst])
    return [
        f"it misses the measurements by {its / np.ptp(y):.0%} of their range (at amount {at} by "
        f"{residuals[worst]:.3g})"
    ]


def _parameters_of(curve: Any) -> int:
    """Parameters that were fitted; at least one."""
    if isinstance(curve, MonotoneCurve):
        steps = curve.curves_ if curve.n_features_in_ > 1 else [curve]
        return 1 + sum(len(np.unique(step.values_)) - 1 for step in steps)
    if isinstance(curve, BaseCurve):
        return 1 + curve.n_features_in_ * (curve.n_parameters - 1)
    return 1


def _wrong_ways(
    curve: Any, amounts: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64]
) -> list[str]:
    """Note where a curve of one column rises although the measurements fall, or the reverse."""
    if amounts.shape[1] > 1:
        return []
    trend = MonotoneCurve("linear").fit(amounts, y, sample_weight=weights)
    sign = -1.0 if trend.increasing_ else 1.0
    knots = trend.knots_
    means = np.array(
        [np.average(y[at], weights=weights[at]) for at in amounts[:, 0] == knots[:, None]]
    )
    line = np.linspace(knots[0], knots[-1], 201)
    moves = np.maximum(sign * np.diff(curve_values(curve, line[:, None])), 0.0)
    against = moves.sum() - np.maximum(sign * np.diff(means), 0.0).sum()
    if against <= _WRONG_WAY * np.ptp(y):
        return []
    where = line[np.flatnonzero(moves)]
    does, falls = ("falls", "rise") if trend.increasing_ else ("rises", "fall")
    return [
        f"it {does} by {moves.sum():.3g} between amounts {where.min():.3g} and "
        f"{where.max() + line[1] - line[0]:.3g}, where the measurements {falls}"
    ]

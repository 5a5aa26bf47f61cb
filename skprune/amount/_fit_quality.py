"""How well a curve follows its measurements, and a word where it does not."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import r2_score

from ..utils import ReprHTML
from ._landscape import curve_values
from .curves import BaseCurve, MonotoneCurve, PolynomialCurve, distinct_counts

__all__ = ["CurveFit", "assess", "parameters_of", "r_squared"]

# Shares of the range of the measurements: an error that counts where the scatter is known, one
# that counts where it is not, and a way against their trend that counts.
_LARGE_ERROR, _VERY_LARGE_ERROR, _WRONG_WAY = 0.05, 0.10, 0.05
# How many times the scatter, or the error of a curve that only has to fall or to rise.
_TIMES_WORSE = 2.0
# Scatter counts if it is this share of the variance and of the largest measurement.
_HALF_OF_VARIANCE, _WIDE_SCATTER = 0.5, 0.10
# Residuals below this share of the measurements are rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class CurveFit(ReprHTML):
    """A fitted curve against its measurements; ``print`` says it in a line.

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

    Examples
    --------
    >>> import numpy as np
    >>> from skprune import PruningAmountOptimizer
    >>> amount = np.array([[0.0], [0.2], [0.4], [0.6], [0.8], [0.9]])
    >>> accuracy = [98.1, 94.0, 83.4, 63.5, 38.0, 27.3]
    >>> optimizer = PruningAmountOptimizer(min_accuracy=85, random_state=0).fit(amount, accuracy)
    >>> print(optimizer.fits_["accuracy"])
    accuracy curve: R^2 1.0000, root mean square error 0.1841
    """

    quantity: str
    curve: Any
    residuals: NDArray[np.float64]
    r2: float
    rmse: float
    n_parameters: int
    misfit: str | None

    def __str__(self) -> str:
        said = f"{self.quantity} curve: R^2 {self.r2:.4f}, root mean square error {self.rmse:.4g}"
        return f"{said}; {self.misfit}" if self.misfit else said


def r_squared(
    y: NDArray[np.float64], predicted: NDArray[np.float64], weights: NDArray[np.float64]
) -> float:
    """R^2, and 1 for a curve that is exact but for rounding, also of what does not vary.

    Parameters
    ----------
    y, predicted, weights : ndarrays of shape (n,)
        Measurements, what a curve says, and their weights.

    Returns
    -------
    float
        NaN of a single measurement.
    """
    if len(y) < 2:
        return float("nan")
    if np.abs(y - predicted).max() <= _ROUNDING * np.abs(y).max():
        return 1.0
    return float(r2_score(y, predicted, sample_weight=weights))


def assess(
    quantity: str,
    curve: Any,
    amounts: NDArray[np.float64],
    y: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> CurveFit:
    """Compare a fitted curve with its measurements.

    It misfits if its error is more than 5 % of the range of the measurements and twice their
    scatter; or more than 10 % of it and twice the error of a curve that only has to fall (or to
    rise), with several columns of polynomials of degree four; or more than 10 % of the largest
    measurement while the curve explains less than half of their variance; or if, with one
    column, it moves against their trend by 5 % of that range more than they do.

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
    predicted = curve_values(curve, amounts, quantity)
    residuals = y - predicted
    rmse = float(np.sqrt(np.average(residuals**2, weights=weights)))
    notes: list[str] = []
    if np.ptp(y) > _ROUNDING * np.abs(y).max():
        notes = _wrong_ways(curve, amounts, y, weights)
        notes += _errors(curve, amounts, y, weights, residuals)
    return CurveFit(
        quantity,
        curve,
        residuals,
        r_squared(y, predicted, weights),
        rmse,
        parameters_of(curve),
        "; ".join(notes) or None,
    )


def _errors(
    curve: Any,
    amounts: NDArray[np.float64],
    y: NDArray[np.float64],
    weights: NDArray[np.float64],
    residuals: NDArray[np.float64],
) -> list[str]:
    """Note an error larger than the scatter, or scatter of which the curve explains little."""

    def error(left: NDArray[np.float64], n_parameters: int) -> float:
        """Standard deviation about a curve, by what it leaves and the parameters it has."""
        spare = max(len(y) - n_parameters, 1)
        return float(np.sqrt(np.average(left**2, weights=weights) * len(y) / spare))

    its, spread = error(residuals, parameters_of(curve)), np.ptp(y)
    beyond_scatter = its > _LARGE_ERROR * spread and its > _TIMES_WORSE * _scatter(amounts, y)
    free = _yardstick(amounts)
    beyond_free = False
    if free is not None and its > _VERY_LARGE_ERROR * spread:
        free.fit(amounts, y, sample_weight=weights)
        left = y - free.predict(amounts)
        beyond_free = its > _TIMES_WORSE * error(left, parameters_of(free))
    if beyond_scatter or beyond_free:
        worst = np.abs(residuals).argmax()
        at = ", ".join(f"{amount:.3g}" for amount in amounts[worst])
        return [
            f"it misses the measurements by {its / spread:.0%} of their range (at amount {at} by "
            f"{residuals[worst]:.3g})"
        ]
    about_mean = error(y - np.average(y, weights=weights), 1)
    if its**2 > _HALF_OF_VARIANCE * about_mean**2 and its > _WIDE_SCATTER * np.abs(y).max():
        share = f"{its / spread:.0%} of their range"
        return [f"the measurements scatter about it by {its:.3g}, {share}"]
    return []


def _yardstick(amounts: NDArray[np.float64]) -> BaseCurve | None:
    """A curve that follows nearly anything, to compare with; None where the rows are too few."""
    d = amounts.shape[1]
    if d == 1:
        return MonotoneCurve("linear")
    quartic = PolynomialCurve(4)
    enough = min(distinct_counts(amounts)) >= quartic.n_parameters
    rows = len(np.unique(amounts, axis=0))
    return quartic if enough and rows > quartic.total_parameters(d) else None


def _scatter(amounts: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Standard deviation of a measurement, without any curve; infinite where nothing tells.

    From repeated measurements where there are some. With one column else from how far each
    mean lies off the line through its two neighbours (Gasser, Sroka, Jennen-Steinmetz 1986).
    """
    rows, where = np.unique(amounts, axis=0, return_inverse=True)
    counts = np.bincount(where.ravel())
    means = np.bincount(where.ravel(), y) / counts
    spare = len(y) - len(rows)
    if spare >= 3:
        return float(np.sqrt(((y - means[where.ravel()]) ** 2).sum() / spare))
    if amounts.shape[1] > 1 or len(rows) < 4:
        return float("inf")
    p = rows[:, 0]
    a = (p[2:] - p[1:-1]) / (p[2:] - p[:-2])
    off = a * means[:-2] + (1 - a) * means[2:] - means[1:-1]
    return float(np.sqrt(np.mean(off**2 / (a**2 + (1 - a) ** 2 + 1))))


def parameters_of(curve: Any) -> int:
    """Parameters that were fitted.

    Parameters
    ----------
    curve : fitted curve
        Of a monotone curve its levels count; of one of the user's own kind, one.

    Returns
    -------
    int
    """
    if isinstance(curve, MonotoneCurve):
        steps = curve.curves_ if curve.n_features_in_ > 1 else [curve]
        return 1 + sum(len(np.unique(step.values_)) - 1 for step in steps)
    if isinstance(curve, BaseCurve):
        return curve.total_parameters(curve.n_features_in_)
    return 1


def _wrong_ways(
    curve: Any,
    amounts: NDArray[np.float64],
    y: NDArray[np.float64],
    weights: NDArray[np.float64],
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
    moves = np.maximum(sign * np.diff(curve_values(curve, line[:, None], "")), 0.0)
    against = moves.sum() - np.maximum(sign * np.diff(means), 0.0).sum()
    if against <= _WRONG_WAY * np.ptp(y):
        return []
    where = line[np.flatnonzero(moves)]
    does, falls = ("falls", "rise") if trend.increasing_ else ("rises", "fall")
    return [
        f"it {does} by {moves.sum():.3g} between amounts {where.min():.3g} and "
        f"{where.max() + line[1] - line[0]:.3g}, where the measurements {falls}"
    ]

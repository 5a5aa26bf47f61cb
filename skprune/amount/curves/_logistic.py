"""The logistic curve; the notebook's form of accuracy against the pruning amount."""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import expit

from ._base import BaseCurve

__all__ = ["LogisticCurve"]

# Steepness and midpoint to start from, in units of the range of amounts and from its low end.
_STEEPNESS = (1.0, 3.0, 8.0, 20.0, 60.0)
_MIDPOINTS = (-0.5, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5)
_N_STARTS = 3
# Past these a curve is a step, a straight line or an exponential, and the fit has no optimum.
_STEEPEST, _FARTHEST, _HIGHEST = 500.0, 5.0, 50.0


class LogisticCurve(BaseCurve):
    """``sum_j limit_j / (1 + exp(steepness_j (x_j - midpoint_j)))``, by nonlinear least squares.

    The notebook's accuracy has limit 100.77, steepness 5.126 and midpoint 0.7064.

    Attributes
    ----------
    limit_ : ndarray of shape (d,)
        Height of the curve of each column, in the unit of y.
    steepness_ : ndarray of shape (d,)
        How steeply each falls (positive) or rises (negative).
    midpoint_ : ndarray of shape (d,)
        Amount at which each is half as high as its limit.
    n_features_in_ : int
        Number of columns d.

    Notes
    -----
    The fit starts from the best of a grid of shapes, with limits solved linearly, and goes on
    with a trust region over all parameters together. Limit, steepness and midpoint are bounded
    (50 times the largest measurement; 500 and 5, in ranges of the amounts), since the best
    logistic curve through points on a straight line, say, does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.amount import LogisticCurve
    >>> amounts = np.linspace(0, 1, 11)[:, None]
    >>> accuracy = 100.77 / (1 + np.exp(5.126 * (amounts.ravel() - 0.7064)))
    >>> curve = LogisticCurve().fit(amounts, accuracy)
    >>> print(curve.limit_.round(4), curve.steepness_.round(4), curve.midpoint_.round(4))
    [100.77] [5.126] [0.7064]
    """

    limit_: NDArray[np.float64]
    steepness_: NDArray[np.float64]
    midpoint_: NDArray[np.float64]

    @property
    def n_parameters(self) -> int:
        """Limit, steepness and midpoint."""
        return 3

    def total_parameters(self, n_columns: int) -> int:
        """All three of every column: no intercept is shared.

        Parameters
        ----------
        n_columns : int
            Number of columns d.

        Returns
        -------
        int
            ``3 * n_columns``.
        """
        return 3 * n_columns

    def _fit(
        self, X: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> None:
        # In units of the ranges, so that bounds and tolerances mean the same for any data.
        low, width = X.min(axis=0), np.ptp(X, axis=0)
        height = np.abs(y).max() or 1.0
        U, v, root = (X - low) / width, y / height, np.sqrt(weights)
        d = X.shape[1]
        bound = np.repeat([_HIGHEST, _STEEPEST, _FARTHEST], d)

        def residuals(theta: NDArray[np.float64]) -> NDArray[np.float64]:
            limit, steepness, midpoint = theta.reshape(3, d)
            return (_sigmoids(U, steepness, midpoint) @ limit - v) * root

        def jacobian(theta: NDArray[np.float64]) -> NDArray[np.float64]:
            limit, steepness, midpoint = theta.reshape(3, d)
            s = _sigmoids(U, steepness, midpoint)
            slope = -limit * s * (1 - s)
            parts = [s, slope * (U - midpoint), -slope * steepness]
            return np.hstack(parts) * root[:, None]

        def from_start(start: NDArray[np.float64], tolerance: float, most: int) -> Any:
            return least_squares(
                residuals,
                np.clip(start, -bound, bound),
                jac=jacobian,
                bounds=(-bound, bound),
                x_scale=np.repeat([1.0, 10.0, 1.0], d),
                ftol=tolerance,
                xtol=tolerance,
                gtol=tolerance,
                max_nfev=most,
            )

        # All go far enough to tell which valley is the deepest, one goes down to its bottom.
        tried = (from_start(start, 1e-8, 100) for start in _starts(U, v, root))
        found = from_start(min(tried, key=lambda result: result.cost).x, 1e-13, 500)
        limit, steepness, midpoint = found.x.reshape(3, d)
        self.limit_ = limit * height
        self.steepness_ = steepness / width
        self.midpoint_ = low + midpoint * width

    def _values(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return _sigmoids(X, self.steepness_, self.midpoint_) @ self.limit_


def _sigmoids(
    X: NDArray[np.float64],
    steepness: NDArray[np.float64] | float,
    midpoint: NDArray[np.float64] | float,
) -> NDArray[np.float64]:
    return np.asarray(expit(-steepness * (X - midpoint)))


def _starts(
    U: NDArray[np.float64], v: NDArray[np.float64], root: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """The best shapes of a grid, one for all columns but for their directions.

    Limits are found by least squares. A column falls or rises as a plane through the data does;
    the reverse of all is tried too.
    """
    plane = np.column_stack([U, np.ones(len(U))]) * root[:, None]
    slopes = np.linalg.lstsq(plane, v * root, rcond=None)[0][:-1]
    falls = np.where(slopes > 0, -1.0, 1.0)
    tried = []
    for steepness, midpoint, sign in product(_STEEPNESS, _MIDPOINTS, (1, -1)):
        shape = sign * steepness * falls
        basis = _sigmoids(U, shape, midpoint) * root[:, None]
        limit = np.linalg.lstsq(basis, v * root, rcond=1e-6)[0]
        cost = float(((basis @ limit - v * root) ** 2).sum())
        tried.append((cost, np.concatenate([limit, shape, np.full(U.shape[1], midpoint)])))
    tried.sort(key=lambda start: start[0])
    return [start for _, start in tried[:_N_STARTS]]

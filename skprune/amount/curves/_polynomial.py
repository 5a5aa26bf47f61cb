"""Polynomials of the pruning amount; the notebook's curves of size and time."""

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...utils import Number
from ._base import BaseCurve

__all__ = ["PolynomialCurve"]


class PolynomialCurve(BaseCurve):
    """``intercept + sum_j sum_k coef[j, k - 1] x_j^k``, fitted by least squares.

    The notebook's size is one of degree 1, 480.4 - 427.4 p, and its time one of degree 3,
    1.020 - 1.417 p + 3.677 p^2 - 3.275 p^3.

    Parameters
    ----------
    degree : int, default=3
        Degree of the polynomial of each column, at least 1.

    Attributes
    ----------
    intercept_ : float
        Value at amount zero.
    coef_ : ndarray of shape (d, degree)
        Coefficients of the powers 1 to ``degree`` of each column.
    n_features_in_ : int
        Number of columns d.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.amount import PolynomialCurve
    >>> amounts = np.linspace(0, 1, 5)[:, None]
    >>> curve = PolynomialCurve(1).fit(amounts, 480.4 - 427.4 * amounts.ravel())
    >>> print(round(curve.intercept_, 6), curve.coef_.round(6))
    480.4 [[-427.4]]
    """

    intercept_: float
    coef_: NDArray[np.float64]

    _parameter_constraints: ClassVar[dict[str, Any]] = {"degree": [Number(Integral, 1)]}

    def __init__(self, degree: int = 3) -> None:
        self.degree = degree

    @property
    def n_parameters(self) -> int:
        """Coefficients of one column, and the intercept."""
        return int(self.degree) + 1

    def _fit(
        self, X: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> None:
        powers = self._powers(X)
        # Centred and scaled columns: the intercept is free of them, and lstsq judges rank well.
        mean, root = np.average(powers, axis=0, weights=weights), np.sqrt(weights)
        level = np.average(y, weights=weights)
        centred = (powers - mean) * root[:, None]
        scale = np.linalg.norm(centred, axis=0)
        scale[scale == 0] = 1.0
        slopes = np.linalg.lstsq(centred / scale, (y - level) * root, rcond=None)[0] / scale
        self.intercept_ = float(level - mean @ slopes)
        self.coef_ = slopes.reshape(X.shape[1], int(self.degree))

    def _values(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        # Horner's rule, column by column.
        total = np.zeros_like(X)
        for k in range(self.coef_.shape[1] - 1, -1, -1):
            total = (total + self.coef_[:, k]) * X
        return total.sum(axis=1) + self.intercept_

    def _powers(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        exponents = np.arange(1, int(self.degree) + 1)
        return (X[:, :, None] ** exponents).reshape(len(X), -1)

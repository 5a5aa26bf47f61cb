"""Curves that only fall, or only rise, and assume nothing else."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator, PPoly
from scipy.optimize import isotonic_regression

from ...utils import StrOptions
from ._additive import AdditiveCurve
from ._base import BaseCurve

__all__ = ["MonotoneCurve"]


class MonotoneCurve(BaseCurve):
    """Isotonic regression, with straight lines or a smooth monotone curve between the amounts.

    What to take where no formula fits: time that falls in steps, accuracy that holds and then
    breaks down. Outside the measured amounts it is constant.

    Parameters
    ----------
    interpolation : {"pchip", "linear"}, default="pchip"
        Between the measured amounts: a cubic that keeps monotonicity (PCHIP), or straight
        lines.
    increasing : bool or "auto", default="auto"
        Direction; "auto" takes the one that fits better.

    Attributes
    ----------
    knots_ : ndarray of shape (k,)
        Distinct amounts; of one column.
    values_ : ndarray of shape (k,)
        Fitted values there; of one column.
    increasing_ : bool
        Direction that was taken; of one column.
    curves_ : list of d MonotoneCurve
        Where there are several columns, the curve of each.
    n_features_in_ : int
        Number of columns d.

    References
    ----------
    F. N. Fritsch, J. Butland, "A Method for Constructing Local Monotone Piecewise Cubic
    Interpolants", SIAM J. Sci. Stat. Comput. 5 (1984).

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.amount import MonotoneCurve
    >>> amounts = np.array([[0.0], [0.25], [0.5], [0.75], [1.0]])
    >>> curve = MonotoneCurve().fit(amounts, [97, 98, 96, 90, 20])
    >>> curve.predict(amounts)
    array([97.5, 97.5, 96. , 90. , 20. ])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "interpolation": [StrOptions({"pchip", "linear"})],
        "increasing": ["boolean", StrOptions({"auto"})],
    }

    def __init__(self, interpolation: str = "pchip", increasing: Any = "auto") -> None:
        self.interpolation = interpolation
        self.increasing = increasing

    @property
    def n_parameters(self) -> int:
        """Two amounts show a direction."""
        return 2

    def _fit(
        self, X: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> None:
        if X.shape[1] > 1:
            sum_ = AdditiveCurve(MonotoneCurve(self.interpolation, self.increasing))
            self.curves_ = sum_.fit(X, y, sample_weight=weights).curves_
            return
        self.knots_, where = np.unique(X[:, 0], return_inverse=True)
        mass = np.bincount(where, weights)
        means = np.bincount(where, weights * y) / mass
        best = np.inf
        directions = (False, True) if self.increasing == "auto" else (bool(self.increasing),)
        for increasing in directions:
            values = isotonic_regression(means, weights=mass, increasing=increasing).x
            error = float(mass @ (values - means) ** 2)
            if error < best:
                best, self.values_, self.increasing_ = error, values, increasing
        pchip = self.interpolation == "pchip"
        # Numbers, not the interpolator: what is saved is free of SciPy's classes.
        self._cubics = PchipInterpolator(self.knots_, self.values_).c if pchip else None

    def _values(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        if X.shape[1] > 1:
            return np.sum([c._values(X[:, [j]]) for j, c in enumerate(self.curves_)], axis=0)
        inside = np.clip(X[:, 0], self.knots_[0], self.knots_[-1])
        if self._cubics is not None:
            return np.asarray(PPoly(self._cubics, self.knots_)(inside))
        return np.interp(inside, self.knots_, self.values_)

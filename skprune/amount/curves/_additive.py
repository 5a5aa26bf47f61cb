"""Sums of one-dimensional curves of any kind, by backfitting."""

import copy
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import has_fit_parameter

from ._base import BaseCurve

__all__ = ["AdditiveCurve", "unfitted_copy"]

_MAX_ROUNDS = 300
# Largest change of a fitted value in one round, as a share of the range of y.
_TOLERANCE = 1e-4


class AdditiveCurve(BaseCurve):
    """The sum of one regressor for each column, fitted in turn to what the others leave.

    What is used for a curve that is given as an object, where X has several columns.

    Parameters
    ----------
    curve : regressor
        Anything with ``fit(X, y)`` and ``predict(X)`` for X of shape (n, 1). It is copied, not
        fitted. Measurements that weigh differently need a ``fit`` that takes
        ``sample_weight``.

    Attributes
    ----------
    curves_ : list of d regressors
        The fitted curve of each column.
    n_features_in_ : int
        Number of columns d.

    References
    ----------
    A. Buja, T. Hastie, R. Tibshirani, "Linear Smoothers and Additive Models", Annals of
    Statistics 17 (1989).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> from skprune.amount import AdditiveCurve
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> curve = AdditiveCurve(DecisionTreeRegressor()).fit(X, [9, 7, 5, 3])
    >>> curve.predict(X).round(6).tolist()
    [9.0, 7.0, 5.0, 3.0]
    """

    curves_: list[Any]

    def __init__(self, curve: Any) -> None:
        self.curve = curve

    @property
    def n_parameters(self) -> int:
        """What one curve says it needs; 1 where it says nothing."""
        return int(getattr(self.curve, "n_parameters", 1))

    def _fit(
        self, X: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> None:
        keywords: dict[str, Any] = {}
        if has_fit_parameter(self.curve, "sample_weight"):
            keywords["sample_weight"] = weights
        elif not np.allclose(weights, 1.0):
            raise TypeError(
                f"Measurements with weights need a curve whose fit takes sample_weight; that of "
                f"{type(self.curve).__name__} does not."
            )
        d = X.shape[1]
        parts = np.full((d, len(y)), np.average(y, weights=weights) / d)
        curves: list[Any] = [None] * d
        # Arrays that one of ours accepted once need no second look.
        ours = isinstance(self.curve, BaseCurve)
        small = _TOLERANCE * (np.ptp(y) or 1.0)
        columns = [X[:, [j]] for j in range(d)]
        for n_rounds in range(_MAX_ROUNDS if d > 1 else 1):
            before = parts.sum(axis=0)
            for j, column in enumerate(columns):
                left = y - (parts.sum(axis=0) - parts[j])
                if ours and n_rounds:
                    curves[j]._fit(column, left, weights)
                else:
                    curves[j] = unfitted_copy(self.curve)
                    curves[j].fit(column, left, **keywords)
                parts[j] = curves[j]._values(column) if ours else curves[j].predict(column)
            if d == 1 or np.abs(parts.sum(axis=0) - before).max() <= small:
                break
        else:
            warnings.warn(
                f"The sum of {d} {type(self.curve).__name__} still changes after {_MAX_ROUNDS} "
                "rounds: the measurements are too few for so many columns, or the amounts of the "
                "columns rise and fall together. Measure more, or take a curve with fewer "
                "parameters.",
                ConvergenceWarning,
                stacklevel=3,
            )
        self.curves_ = curves

    def _values(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sum([c.predict(X[:, [j]]) for j, c in enumerate(self.curves_)], axis=0)


def unfitted_copy(curve: Any) -> Any:
    """A copy to fit: a clone of an estimator, a deep copy of anything else.

    Parameters
    ----------
    curve : object
        With ``fit`` and ``predict``.

    Returns
    -------
    object
    """
    return clone(curve) if hasattr(curve, "get_params") else copy.deepcopy(curve)

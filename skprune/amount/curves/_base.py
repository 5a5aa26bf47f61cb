"""What every curve is: a scikit-learn regressor, and a sum over the columns of X."""

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ...utils import SkpruneEstimator, check_sample_weight, reports_progress

__all__ = ["BaseCurve", "distinct_counts"]


class BaseCurve(RegressorMixin, SkpruneEstimator, ABC):
    """A quantity against pruning amounts: the sum of one curve for each column of X.

    A leaf gives :meth:`_fit` and :meth:`_values`, functions of arrays, and says in
    ``n_parameters`` how many distinct amounts a column must have.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.amount import BaseCurve
    >>> class Proportional(BaseCurve):
    ...     n_parameters = 1
    ...
    ...     def _fit(self, X, y, weights):
    ...         x = X.sum(axis=1)
    ...         self.slope_ = (weights * x) @ y / ((weights * x) @ x)
    ...
    ...     def _values(self, X):
    ...         return self.slope_ * X.sum(axis=1)
    >>> Proportional().fit([[0.0], [0.5], [1.0]], [0.0, 4.0, 8.0]).predict([[0.25]])
    array([2.])
    """

    n_features_in_: int

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """Parameters of the curve of one column: it takes as many distinct amounts."""

    def total_parameters(self, n_columns: int) -> int:
        """Parameters of the sum over so many columns, one intercept for all by default.

        Parameters
        ----------
        n_columns : int
            Number of columns d.

        Returns
        -------
        int
            How many distinct rows of amounts it takes to fit the sum.
        """
        return 1 + n_columns * (self.n_parameters - 1)

    @reports_progress(0)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit by weighted least squares.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Pruning amounts, one column a view, layer or member.
        y : array-like of shape (n,)
            What was measured there.
        sample_weight : array-like of shape (n,), default=None
            Weights of the measurements; equal by default.

        Returns
        -------
        self : object
            The fitted curve.

        Raises
        ------
        ValueError
            If a column has fewer distinct amounts than the curve has parameters, or there are
            fewer distinct rows than parameters in all.
        """
        self._validate_params()
        amounts, values = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        weights = check_sample_weight(
            sample_weight, amounts, dtype=np.float64, ensure_non_negative=True
        )
        used = weights > 0
        amounts, weights = amounts[used], weights[used]
        self._check_distinct(amounts)
        self._fit(amounts, values[used].astype(np.float64), weights / weights.mean())
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Values of the curve.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Pruning amounts.

        Returns
        -------
        ndarray of shape (n,)
            In the unit of y.
        """
        check_is_fitted(self)
        return self._values(validate_data(self, X, dtype=np.float64, reset=False))

    def _check_distinct(self, X: NDArray[np.float64]) -> None:
        name, needed = type(self).__name__, self.n_parameters
        for j, count in enumerate(distinct_counts(X)):
            if count < needed:
                raise ValueError(
                    f"{name} needs at least {needed} distinct amounts in each column; column {j} "
                    f"has {count} (n_samples={len(X)})."
                )
        rows, together = len(np.unique(X, axis=0)), self.total_parameters(X.shape[1])
        if rows < together:
            raise ValueError(
                f"{name} of {X.shape[1]} columns needs at least {together} distinct rows of "
                f"amounts; got {rows} (n_samples={len(X)})."
            )

    @abstractmethod
    def _fit(
        self, X: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> None:
        """Fit to arrays; weights are positive with mean one."""

    @abstractmethod
    def _values(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values at amounts that were checked."""


def distinct_counts(X: Any) -> list[int]:
    """How many distinct values each column has.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Amounts.

    Returns
    -------
    list of d int
    """
    return [len(np.unique(column)) for column in np.asarray(X).T]

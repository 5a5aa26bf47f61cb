"""How important views are, and the rule that prunes the important ones less."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from ..exceptions import InfeasibleLimitsWarning
from ..utils import Number, ReprHTML, check_parameters
from ._points import ROUNDING

__all__ = [
    "ViewAmounts",
    "ViewProblem",
    "importance_inverse_amounts",
    "normalize_importance",
    "reciprocal_mean_rank",
]

# The largest scale that reaches the target is looked for among so many, then bisected.
_N_SCALES, _BISECTED = 1001, 1e-9


@dataclass(frozen=True, eq=False)
class ViewAmounts(ReprHTML):
    """One pruning amount for each view (or member, or layer).

    Attributes
    ----------
    amounts : ndarray of shape (V,)
        Pruning amounts in [0, ``max_amount``].
    importance : ndarray of shape (V,)
        Importance by min-max, in [0, 1].
    weights : ndarray of shape (V,)
        Share of each view in the weighted accuracy; they sum to one.
    target : float
        Weighted accuracy that was asked for.
    achieved : float
        Weighted accuracy by the curve.
    reachable : bool
        Whether ``achieved`` is at least ``target``, but for rounding.
    scale : float
        Common factor of the inverse rule; NaN where no factor reaches the target, and for
        amounts that were searched for.
    max_amount : float
        Largest amount that was allowed.

    Examples
    --------
    >>> from skprune.amount import importance_inverse_amounts
    >>> found = importance_inverse_amounts([3, 1, 0], lambda amount: 98 - 30 * amount, target=95)
    >>> found.amounts.round(3), round(found.correlation, 3)
    (array([0. , 0.4, 0.6]), -1.0)
    >>> round(found.mean_size(lambda amount: 480 - 427 * amount), 1)
    337.7
    """

    amounts: NDArray[np.float64]
    importance: NDArray[np.float64]
    weights: NDArray[np.float64]
    target: float
    achieved: float
    reachable: bool
    scale: float
    max_amount: float

    @property
    def correlation(self) -> float:
        """Correlation of importance and amount; NaN where one of them is constant."""
        if np.ptp(self.importance) == 0 or np.ptp(self.amounts) == 0:
            return float("nan")
        return float(np.corrcoef(self.importance, self.amounts)[0, 1])

    def mean_size(self, size_curve: Any) -> float:
        """Mean size of the views, by a curve of size against the amount.

        Parameters
        ----------
        size_curve : callable or fitted curve
            Size of one view, as ``accuracy_curve`` of :func:`importance_inverse_amounts`.

        Returns
        -------
        float
            In the unit of the curve.
        """
        return float(as_function(size_curve, "size_curve")(self.amounts).mean())


@dataclass(frozen=True, eq=False)
class ViewProblem:
    """Views, what their accuracies count, and the accuracy that must be reached.

    Attributes
    ----------
    importance : ndarray of shape (V,)
        Importance by min-max.
    weights : ndarray of shape (V,)
        Shares in the weighted accuracy.
    accuracy : callable
        From amounts of any shape to accuracies of that shape.
    target : float
        Weighted accuracy that must be reached.
    max_amount : float
        Largest amount allowed.
    """

    importance: NDArray[np.float64]
    weights: NDArray[np.float64]
    accuracy: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    target: float
    max_amount: float

    @classmethod
    def of(
        cls, importance: Any, accuracy_curve: Any, target: Any, max_amount: Any, weights: Any
    ) -> "ViewProblem":
        """Check what a user gave; see :func:`importance_inverse_amounts`."""
        normalized = normalize_importance(importance)
        check_parameters(
            "importance_inverse_amounts",
            {
                "target": [Number(Real, 0, closed="neither")],
                "max_amount": [Number(Real, 0, 1, closed="right")],
            },
            target=target,
            max_amount=max_amount,
        )
        accuracy = as_function(accuracy_curve, "accuracy_curve")
        best = float(accuracy(np.linspace(0, max_amount, 101)).max())
        # A fitted curve of fractions may overshoot one, and a few percent are not meant.
        if (target <= 1) != (best <= 2):
            kinds = ("a fraction", "in percent") if target <= 1 else ("in percent", "a fraction")
            raise ValueError(
                f"target={target!r} is {kinds[0]}, but the accuracy curve is {kinds[1]} (at most "
                f"{best:.6g})."
            )
        shares = normalized if weights is None else _non_negative(weights, "weights")
        if len(shares) != len(normalized):
            raise ValueError(
                f"weights must hold one number a view, {len(normalized)}; got {len(shares)}."
            )
        shares = shares if shares.any() else np.ones_like(shares)
        return cls(normalized, shares / shares.sum(), accuracy, float(target), float(max_amount))

    def achieved(self, amounts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weighted accuracy of amounts of shape (..., V)."""
        return self.accuracy(amounts) @ self.weights

    def result(self, amounts: NDArray[np.float64], scale: float) -> ViewAmounts:
        """The answer, with a warning where it falls short of the target."""
        achieved = float(self.achieved(amounts))
        reachable = achieved >= self.target * (1 - ROUNDING)
        if not reachable:
            warnings.warn(
                f"No amounts were found that reach the target {self.target:g}: these have "
                f"{achieved:.6g}, the views unpruned {float(self.achieved(0 * amounts)):.6g}. "
                "Lower the target.",
                InfeasibleLimitsWarning,
                stacklevel=3,
            )
        return ViewAmounts(
            amounts=amounts,
            importance=self.importance,
            weights=self.weights,
            target=self.target,
            achieved=achieved,
            reachable=reachable,
            scale=scale,
            max_amount=self.max_amount,
        )


def normalize_importance(importance: ArrayLike) -> NDArray[np.float64]:
    """Importance by min-max: 0 for the least important view, 1 for the most important one.

    Parameters
    ----------
    importance : array-like of shape (V,)
        Non-negative numbers.

    Returns
    -------
    ndarray of shape (V,)
        Zeros where all are equal: none stands above another.

    Raises
    ------
    ValueError
        If there are none, or one is negative or not finite.

    References
    ----------
    The notebook "mvcnn-results-reg-fit": what it does with the importance of views
    before they are pruned.

    Examples
    --------
    >>> from skprune.amount import normalize_importance
    >>> normalize_importance([2, 5, 3]).round(3)
    array([0.   , 1.   , 0.333])
    """
    values = _non_negative(importance, "importance")
    spread = np.ptp(values)
    if spread == 0:
        return np.zeros_like(values)
    return (values - values.min()) / spread


def importance_inverse_amounts(
    importance: ArrayLike,
    accuracy_curve: Any,
    target: float,
    max_amount: float = 0.9,
    *,
    weights: ArrayLike | None = None,
) -> ViewAmounts:
    """Prune views the less the more important they are.

    ``amount_v = scale * max_amount * (1 - importance_v)``, with importance by min-max and the
    largest common scale in [0, 1] at which the weighted accuracy reaches the target. Where no
    scale does, the amounts at scale one are halved, then set to zero, of the most important
    views first, until it does; views of equal importance together.

    Parameters
    ----------
    importance : array-like of shape (V,)
        Any non-negative numbers: importance of views, weights of members of an ensemble.
    accuracy_curve : callable or fitted curve
        Accuracy of a view pruned by an amount: a function of an array that works element by
        element, or an object whose ``predict`` takes amounts of shape (n, 1), such as
        ``PruningAmountOptimizer(...).fit(X, y).curves_["accuracy"]``.
    target : float
        Weighted accuracy to reach, in the unit of the curve.
    max_amount : float, default=0.9
        Amount of the least important view at scale one.
    weights : array-like of shape (V,), default=None
        What the accuracy of each view counts. None takes importance by min-max, as the notebook
        does; the least important view then does not count. Equal where all are zero.

    Returns
    -------
    ViewAmounts
        A view is never pruned more than a less important one.

    Raises
    ------
    ValueError
        If importance is negative or not finite, or the target is in another unit than the curve.

    Warns
    -----
    InfeasibleLimitsWarning
        If the target is not reached.

    See Also
    --------
    smallest_amounts : What can be had if important views may be pruned more.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.amount import importance_inverse_amounts
    >>> def accuracy(amount):
    ...     return 100.77 / (1 + np.exp(5.126 * (amount - 0.7064)))
    >>> found = importance_inverse_amounts([3, 1, 0], accuracy, target=90)
    >>> found.amounts.round(3), found.reachable
    (array([0.   , 0.585, 0.878]), True)
    """
    problem = ViewProblem.of(importance, accuracy_curve, target, max_amount, weights)
    whole = problem.max_amount * (1 - problem.importance)
    scales = np.linspace(0, 1, _N_SCALES)
    along = problem.achieved(scales[:, None] * whole)
    target = problem.target
    if along.max() < target:  # perhaps by rounding only: a target that is a value of the curve
        target *= 1 - ROUNDING
    reached = along >= target
    if reached[-1]:
        return problem.result(whole, 1.0)
    if not reached.any():
        return problem.result(_spared(problem, whole), float("nan"))
    low = int(np.flatnonzero(reached)[-1])
    scale, too_much = scales[low], scales[low + 1]
    while too_much - scale > _BISECTED:
        middle = (scale + too_much) / 2
        if problem.achieved(middle * whole) >= target:
            scale = middle
        else:
            too_much = middle
    return problem.result(scale * whole, float(scale))


def _spared(problem: ViewProblem, whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Halve, then zero, amounts, most important views first, until the target is reached."""
    amounts = whole.copy()
    for importance in np.unique(problem.importance)[::-1]:
        views = problem.importance == importance
        for share in (0.5, 0.0):
            amounts[views] = share * whole[views]
            if problem.achieved(amounts) >= problem.target:
                return amounts
    return amounts


def as_function(curve: Any, name: str) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """A function of amounts of any shape, from whatever a curve is given as.

    Parameters
    ----------
    curve : callable or fitted curve
        See :func:`importance_inverse_amounts`.
    name : str
        What to call it in errors.

    Returns
    -------
    callable
    """
    if hasattr(curve, "predict"):

        def values(column: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(curve.predict(column[:, None]))
    elif callable(curve):
        values = curve
    else:
        raise TypeError(
            f"{name} must be a function of amounts, or a fitted curve with predict; got {curve!r}."
        )

    def function(amounts: NDArray[np.float64]) -> NDArray[np.float64]:
        found = np.asarray(values(amounts.ravel()), dtype=np.float64)
        if found.shape != (amounts.size,) or not np.isfinite(found).all():
            raise ValueError(
                f"{name} must give one finite number an amount; for {amounts.size} amounts it gave "
                f"an array of shape {found.shape}."
            )
        return found.reshape(amounts.shape)

    return function


def _non_negative(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = check_array(values, ensure_2d=False, dtype=np.float64, input_name=name)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension; got shape {array.shape}.")
    if array.min() < 0:
        raise ValueError(f"{name} must not be negative; got {array.min():.6g}.")
    return array


def reciprocal_mean_rank(ranks: ArrayLike) -> NDArray[np.float64]:
    """Importance of views from their ranks in repeated measurements.

    ``importance_v = R / sum_r ranks[r, v]``, in (0, 1]: one for a view that always came first.

    Parameters
    ----------
    ranks : array-like of shape (R, V)
        Rank of each view in each repeat, 1 being the most important. Equal views may share a
        mean rank.

    Returns
    -------
    ndarray of shape (V,)
        Importance of each view, in (0, 1].

    Raises
    ------
    ValueError
        If a rank is below 1 or above V.

    References
    ----------
    The notebook "mvcnn-results-reg-fit": the form of its importance of views.

    Examples
    --------
    >>> from skprune.amount import reciprocal_mean_rank
    >>> reciprocal_mean_rank([[1, 2, 3], [1, 3, 2]])
    array([1. , 0.4, 0.4])
    """
    checked = check_array(ranks, dtype=np.float64, input_name="ranks")
    if checked.min() < 1 or checked.max() > checked.shape[1]:
        raise ValueError(
            f"ranks must lie between 1 and the number of views, {checked.shape[1]}; got values "
            f"from {checked.min():g} to {checked.max():g}."
        )
    return len(checked) / checked.sum(axis=0)

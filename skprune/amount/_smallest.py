"""The amounts of least size under a target accuracy, whatever the order of importance."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..utils import Number, check_parameters, generator
from ._importance import ViewAmounts, ViewProblem, as_function
from ._search import search

__all__ = ["smallest_amounts"]


def smallest_amounts(
    importance: ArrayLike,
    accuracy_curve: Any,
    size_curve: Any,
    target: float,
    max_amount: float = 0.9,
    *,
    weights: ArrayLike | None = None,
    n_restarts: int = 2,
    random_state: Any = None,
) -> ViewAmounts:
    """Search the cube of amounts for the least mean size that reaches the target, by CMA-ES.

    What :func:`importance_inverse_amounts` would give if the amounts were free; the difference
    of the two mean sizes is what the inverse rule gives away.

    Parameters
    ----------
    importance : array-like of shape (V,)
        Any non-negative numbers.
    accuracy_curve : callable or fitted curve
        Accuracy of a view against its amount; see :func:`importance_inverse_amounts`.
    size_curve : callable or fitted curve
        Size of a view against its amount.
    target : float
        Weighted accuracy to reach, in the unit of the curve.
    max_amount : float, default=0.9
        Largest amount of a view.
    weights : array-like of shape (V,), default=None
        What the accuracy of each view counts; None takes importance by min-max.
    n_restarts : int, default=2
        Runs of CMA-ES after the first one.
    random_state : int, RandomState instance, numpy Generator or None, default=None
        Seeds the search. NumPy's global generator is never used.

    Returns
    -------
    ViewAmounts

    Warns
    -----
    InfeasibleLimitsWarning
        If the target is not reached.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.amount import importance_inverse_amounts, smallest_amounts
    >>> def accuracy(amount):
    ...     return 100.77 / (1 + np.exp(5.126 * (amount - 0.7064)))
    >>> def size(amount):
    ...     return 480.4 - 427.4 * amount
    >>> rule = importance_inverse_amounts([3, 1, 0], accuracy, target=90)
    >>> best = smallest_amounts([3, 1, 0], accuracy, size, target=90, random_state=0)
    >>> round(rule.mean_size(size)), round(best.mean_size(size))
    (272, 258)
    """
    check_parameters(
        "smallest_amounts", {"n_restarts": [Number(Integral, 0)]}, n_restarts=n_restarts
    )
    problem = ViewProblem.of(importance, accuracy_curve, target, max_amount, weights)
    size = as_function(size_curve, "size_curve")

    def evaluate(
        amounts: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        short = np.maximum(problem.target - problem.achieved(amounts), 0.0)
        return short / problem.target, -size(amounts).mean(axis=1)

    bounds = np.array([[0.0], [problem.max_amount]]) * np.ones(len(problem.importance))
    found = search(evaluate, bounds, generator(random_state), 1 + int(n_restarts))
    return problem.result(found.best.point, float("nan"))

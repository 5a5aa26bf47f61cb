"""What the figures of pruning amounts share: predictions by name, limits, and words."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..amount import PruningAmountOptimizer, ViewAmounts
from ._drawing import check_has, shortened

__all__ = [
    "amounts_along",
    "believed",
    "check_column",
    "check_optimizer",
    "check_same_views",
    "check_views",
    "column_label",
    "limit_on",
    "meets_limits",
    "predicted",
    "printed_quantity",
    "quantity_label",
    "view_names",
]

# As many as the brute force of the optimizer tries.
_N_ALONG = 1001


def check_optimizer(optimizer: Any) -> None:
    """Raise unless it is a fitted optimizer of amounts."""
    check_has(optimizer, "best_amount_", "a PruningAmountOptimizer")


def check_column(optimizer: PruningAmountOptimizer, column: Any) -> int:
    """Number of a column of X, given by its number or its name."""
    d = optimizer.n_features_in_
    names = list(getattr(optimizer, "feature_names_in_", []))
    if isinstance(column, str) and column in names:
        return names.index(column)
    if isinstance(column, (int, np.integer)) and not isinstance(column, bool) and 0 <= column < d:
        return int(column)
    known = f", or one of {names}" if names else ""
    raise ValueError(f"column must be one of 0 to {d - 1}{known}; got {column!r}.")


def column_label(optimizer: PruningAmountOptimizer, column: int) -> str:
    """What the axis of amounts is called."""
    if optimizer.n_features_in_ == 1:
        return "Pruning amount"
    name = getattr(optimizer, "feature_names_in_", range(optimizer.n_features_in_))[column]
    what = f"column {name}" if isinstance(name, int) else shortened(name)
    return f"Pruning amount of {what} (others held at best_amount_)"


def amounts_along(
    optimizer: PruningAmountOptimizer, column: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Amounts of one column over its bounds, and the rows of X with the others at their best.

    Parameters
    ----------
    optimizer : fitted PruningAmountOptimizer
        Whose bounds and best amount count.
    column : int
        The column that varies.

    Returns
    -------
    along : ndarray of shape (n,)
        Rising; the best amount is among them.
    rows : ndarray of shape (n, d)
        The same with all columns.
    """
    best = np.atleast_1d(optimizer.best_amount_)
    low, high = optimizer.bounds_[:, column]
    along = np.union1d(np.linspace(low, high, _N_ALONG), best[column])
    rows = np.tile(best, (len(along), 1))
    rows[:, column] = along
    return along, rows


def predicted(
    optimizer: PruningAmountOptimizer, rows: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Columns of ``transform`` by their names, whatever container it gives."""
    with warnings.catch_warnings():
        # Rows are made here, in the order of the columns of ``fit``, and have no names.
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        table = np.asarray(optimizer.transform(rows), dtype=np.float64)
    return dict(zip(optimizer.get_feature_names_out(), table.T, strict=True))


def meets_limits(optimizer: PruningAmountOptimizer, rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which amounts meet all limits.

    Parameters
    ----------
    optimizer : fitted PruningAmountOptimizer
        Whose limits count.
    rows : ndarray of shape (n, d)
        Amounts.

    Returns
    -------
    ndarray of shape (n,), bool
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        return optimizer.meets_limits(rows)


def believed(
    optimizer: PruningAmountOptimizer, values: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.bool_]:
    """Where no curve has fallen below what is believed of it, which the search leaves out."""
    shown = np.ones(len(values["accuracy"]), dtype=bool)
    for name, least in optimizer.least_.items():
        shown &= values[name] >= least
    return shown


def limit_on(optimizer: PruningAmountOptimizer, quantity: str) -> float | None:
    """The limit of a quantity in the user's unit; None where there is none."""
    goal = optimizer.goal_
    if quantity == "accuracy":
        least = goal.min_accuracy
        return None if least is None else least / optimizer.measurements_.percent
    return {"size": goal.max_size, "time": goal.max_time}[quantity]


def quantity_label(quantity: str, percent: bool) -> str:
    """Name of a quantity on an axis."""
    return quantity.capitalize() + " (%)" * (percent and quantity == "accuracy")


def printed_quantity(quantity: str, value: float, percent: bool) -> str:
    """A quantity and its name in a legend."""
    if quantity == "accuracy":
        return f"accuracy {value:.2f} %" if percent else f"accuracy {value:.4f}"
    return f"{quantity} {value:.4g}"


def check_views(result: Any, name: str = "result") -> None:
    """Raise unless it is what the functions of views return."""
    if not isinstance(result, ViewAmounts):
        raise TypeError(
            f"{name} must be the ViewAmounts that importance_inverse_amounts or smallest_amounts "
            f"returned; got {type(result).__name__}."
        )


def check_same_views(result: ViewAmounts, other: Any) -> None:
    """Raise unless another result is of the same views."""
    check_views(other, "other")
    one, two = result.importance, other.importance
    if len(one) != len(two):
        raise ValueError(f"other has {len(two)} views where result has {len(one)}.")
    if not np.allclose(one, two):
        raise ValueError("other must be of the same views: their importance differs.")


def view_names(names: Any, n_views: int) -> tuple[str, ...]:
    """Names of the views, which are their numbers by default."""
    known = tuple(str(name) for name in (range(n_views) if names is None else names))
    if len(known) != n_views:
        raise ValueError(f"names must hold one name a view, {n_views}; got {len(known)}.")
    return known

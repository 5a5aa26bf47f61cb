"""What was measured: is it right, and in which unit?"""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length

from ..utils import ReprHTML, check_sample_weight
from ._points import QUANTITIES

__all__ = ["Measurements", "check_amounts", "check_bounds", "check_limits", "check_measurements"]


@dataclass(frozen=True, eq=False)
class Measurements(ReprHTML):
    """Amounts, and what was measured at each.

    Attributes
    ----------
    amounts : ndarray of shape (n, d)
        Pruning amounts.
    values : mapping of str to ndarray of shape (n,)
        "accuracy", and "time" and "size" where they were measured, in the user's units.
    weights : ndarray of shape (n,)
        Weight of each row.
    percent : float
        What accuracies are multiplied with to be in percent: 100 for fractions, else 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune import PruningAmountOptimizer
    >>> amount = np.array([[0.0], [0.2], [0.4], [0.6], [0.8], [0.9]])
    >>> accuracy = [98.1, 94.0, 83.4, 63.5, 38.0, 27.3]
    >>> optimizer = PruningAmountOptimizer(min_accuracy=85, random_state=0).fit(amount, accuracy)
    >>> optimizer.measurements_.values["accuracy"]
    array([98.1, 94. , 83.4, 63.5, 38. , 27.3])
    """

    amounts: NDArray[np.float64]
    values: Mapping[str, NDArray[np.float64]]
    weights: NDArray[np.float64]
    percent: float


def check_amounts(X: NDArray[np.float64], name: str = "X") -> NDArray[np.float64]:
    """Refuse amounts outside [0, 1].

    Parameters
    ----------
    X : ndarray
        Finite numbers.
    name : str, default="X"
        What to call it in the error.

    Returns
    -------
    ndarray
        The one given.
    """
    if X.size and (X.min() < 0 or X.max() > 1):
        negative = "Negative values in data: " if X.min() < 0 else ""
        hint = " If they are in percent, divide by 100." if X.min() >= 0 and X.max() <= 100 else ""
        raise ValueError(
            f"{negative}{name} must hold pruning amounts in [0, 1]; got values from "
            f"{X.min():.6g} to {X.max():.6g}.{hint}"
        )
    return X


def check_measurements(
    X: ArrayLike, y: Any, sample_weight: ArrayLike | None = None
) -> Measurements:
    """Amounts and measurements as arrays, or what is wrong with them.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Pruning amounts.
    y : array-like of shape (n,) or (n, 3), or DataFrame
        Accuracy; or accuracy, time, size; or columns of these names.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.

    Returns
    -------
    Measurements
        Without the rows of weight zero.
    """
    amounts = check_amounts(check_array(X, dtype=np.float64, input_name="X"))
    if y is None:
        raise ValueError(
            "PruningAmountOptimizer requires y to be passed, but the target y is None: give the "
            "measured accuracy, or accuracy, time and size."
        )
    values = _columns_of(y)
    check_consistent_length(amounts, *values.values())
    weights = check_sample_weight(
        sample_weight, amounts, dtype=np.float64, ensure_non_negative=True
    )
    used = weights > 0
    values = {name: column[used] for name, column in values.items()}
    accuracy = values["accuracy"]
    if accuracy.min() < 0 or accuracy.max() > 100:
        raise ValueError(
            "The accuracy in y must lie in [0, 1] or in [0, 100]; got values from "
            f"{accuracy.min():.6g} to {accuracy.max():.6g}."
        )
    for name in ("time", "size"):
        if name in values and values[name].min() < 0:
            raise ValueError(f"The {name} in y must not be negative; got {values[name].min():.6g}.")
    percent = 100.0 if accuracy.max() <= 1 else 1.0
    return Measurements(amounts[used], values, weights[used], percent)


def _columns_of(y: Any) -> dict[str, NDArray[np.float64]]:
    """Measured quantities by their names."""
    if hasattr(y, "columns"):
        names = [str(name) for name in y.columns]
        twice = len(set(names)) < len(names)
        if "accuracy" not in names or not set(names) <= set(QUANTITIES) or twice:
            raise ValueError(
                "y as a DataFrame must have a column 'accuracy', and may have 'time' and 'size', "
                f"and no others; it has {names}."
            )
        columns = check_array(y, dtype=np.float64, input_name="y")
        return {name: columns[:, names.index(name)] for name in QUANTITIES if name in names}
    y = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
    columns = y[:, None] if y.ndim == 1 else y
    if columns.ndim != 2 or columns.shape[1] not in (1, 3):
        raise ValueError(
            "y must have shape (n,) with accuracy alone, or (n, 3) with accuracy, time and size; "
            f"got shape {y.shape}. Two of them: a DataFrame with their names."
        )
    return {name: column for name, column in zip(QUANTITIES, columns.T, strict=False)}


def check_limits(limits: Mapping[str, Any], measured: Measurements) -> None:
    """Refuse limits in the wrong unit, or of what was not measured.

    Parameters
    ----------
    limits : mapping of str to float or None
        "min_accuracy", "max_size" and "max_time".
    measured : Measurements
        What they limit.
    """
    for name, limit in limits.items():
        if limit is None:
            continue
        quantity = name.split("_")[1]
        if quantity not in measured.values:
            raise ValueError(
                f"{name}={limit!r} limits the {quantity}, which y does not hold: give y with "
                "accuracy, time and size."
            )
    least = limits.get("min_accuracy")
    if least is None:
        return
    accuracy = measured.values["accuracy"]
    if measured.percent == 100.0 and least > 1:
        raise ValueError(
            f"min_accuracy={least!r} is in percent, but the accuracy in y is a fraction (at most "
            f"{accuracy.max():.6g}): give min_accuracy={float(least) / 100:.6g}, or y in percent."
        )
    if measured.percent == 1.0 and least <= 1:
        raise ValueError(
            f"min_accuracy={least!r} is a fraction, but the accuracy in y is in percent (up to "
            f"{accuracy.max():.6g}): give min_accuracy={float(least) * 100:.6g}, or y as fractions."
        )


def check_bounds(bounds: Any, measured: Measurements) -> NDArray[np.float64]:
    """Lower and upper ends of every column, or what is wrong with them.

    Parameters
    ----------
    bounds : (float, float) or None
        None is the range of what was measured.
    measured : Measurements
        What was measured.

    Returns
    -------
    ndarray of shape (2, d)
    """
    amounts = measured.amounts
    if bounds is None:
        return np.stack([amounts.min(axis=0), amounts.max(axis=0)])
    pair = list(bounds) if np.ndim(bounds) == 1 and len(bounds) == 2 else []
    if not (
        pair
        and all(isinstance(end, Real) and not isinstance(end, bool) for end in pair)
        and 0 <= pair[0] <= pair[1] <= 1
    ):
        raise ValueError(
            "bounds must be None or a pair (smallest, largest) of amounts with 0 <= smallest <= "
            f"largest <= 1; got {bounds!r}."
        )
    return np.repeat(np.asarray(pair, dtype=np.float64)[:, None], amounts.shape[1], axis=1)

"""What each member costs, as the user asked to have it counted."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

from ..metrics import latencies, n_parameters
from ..socp import check_costs
from ..utils import num_samples
from ._calibration import Calibration

__all__ = ["check_costs_parameter", "member_costs"]

# Rows that are predicted to time a member.
_TIMED_ROWS = 256


def check_costs_parameter(costs: Any, estimator: Any) -> None:
    """Refuse costs that cannot be right, before anything is trained.

    Parameters
    ----------
    costs : None, str or array-like
        As in the pruner.
    estimator : estimator or list of (name, estimator)
        What will be trained; where it says how many members there will be, they are counted.

    Raises
    ------
    ValueError
        If the name is unknown, or the numbers are not one positive number a member.
    """
    if isinstance(costs, str):
        if costs not in ("parameters", "latency"):
            raise ValueError(
                "costs must be None, 'parameters', 'latency' or one number a member; got "
                f"{costs!r}."
            )
    elif costs is not None:
        if isinstance(estimator, list):
            n_members: Any = len(estimator)
        else:
            n_members = getattr(estimator, "n_estimators", None)
        check_costs(costs, n_members if isinstance(n_members, int) else np.size(costs))


def member_costs(costs: Any, calibration: Calibration) -> NDArray[np.float64] | None:
    """Count or measure the members' costs.

    Parameters
    ----------
    costs : None, {"parameters", "latency"} or array-like of shape (M,)
        As in the pruner.
    calibration : Calibration
        The members, and rows to time them on.

    Returns
    -------
    ndarray of shape (M,) or None
        Parameters; seconds for the first 256 calibration rows; or the user's numbers.

    Raises
    ------
    ValueError, TypeError
        If a member has no such cost (it is named), or the numbers do not fit the members.
    """
    if costs is None:
        return None
    if not isinstance(costs, str):
        return check_costs(costs, len(calibration.P))
    pool = calibration.pool()
    if costs == "parameters":
        counts = np.empty(len(pool))
        for i, member in enumerate(pool.estimators):
            try:
                counts[i] = n_parameters(member)
            except TypeError as error:
                raise TypeError(f"costs='parameters', but member {i}: {error}") from error
            if counts[i] == 0:
                raise ValueError(
                    f"costs='parameters', but member {i} ({type(member).__name__}) has none; give "
                    "the costs as numbers, one a member."
                )
        return counts
    X = calibration.X()
    X = _safe_indexing(X, np.arange(min(_TIMED_ROWS, num_samples(X))))
    seconds = latencies(pool.member_calls(X))
    if not seconds.min() > 0:
        i = int(seconds.argmin())
        raise ValueError(
            f"costs='latency', but member {i} ({type(pool.estimators[i]).__name__}) is faster than "
            "the clock; give the costs as numbers, one a member."
        )
    return seconds

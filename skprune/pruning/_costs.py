"""What each member costs, as the user asked to have it counted."""

import itertools
from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor
from sklearn.utils import _safe_indexing

from ..metrics import check_countable, latencies, n_parameters
from ..socp import check_costs
from ..utils import num_samples, unfreeze
from ._calibration import Calibration
from ._estimator import known_members, named_members

__all__ = ["check_budget", "check_costs_parameter", "member_costs"]

# Rows that are predicted to time a member.
_TIMED_ROWS = 256


def check_costs_parameter(
    costs: Any, estimator: Any, *, prefit: bool, max_cost: float | None
) -> None:
    """Refuse costs that cannot be right, before anything is trained.

    Parameters
    ----------
    costs : None, str or array-like
        As in the pruner.
    estimator : estimator or list of (name, estimator)
        What will be trained; where it says how many members there will be, they are counted.
    prefit : bool
        Whether it is fitted already.
    max_cost : float or None
        Most that the kept members may cost together.

    Raises
    ------
    ValueError
        If the name is unknown, the numbers are not one positive number a member, or all of
        them are above ``max_cost``.
    """
    if isinstance(costs, str):
        if costs not in ("parameters", "latency"):
            raise ValueError(
                "costs must be None, 'parameters', 'latency' or one number a member; got "
                f"{costs!r}."
            )
        if costs == "parameters":
            listed = named_members(estimator) if isinstance(estimator, list) else []
            names = [name for name, _ in listed] or map(str, itertools.count())
            for name, member in zip(names, known_members(estimator), strict=False):
                _of_member(name, check_countable, member)
    elif costs is not None:
        n_members = _announced(estimator, prefit)
        numbers = check_costs(costs, np.size(costs) if n_members is None else n_members)
        check_budget(numbers, max_cost)


def _of_member(name: str, function: Callable[[Any], Any], member: Any) -> Any:
    """What a function of one member returns; its error names the member."""
    try:
        return function(member)
    except TypeError as error:
        raise TypeError(f"costs='parameters', but member {name!r}: {error}") from error


def check_budget(costs: NDArray[np.float64], max_cost: float | None) -> None:
    """Refuse a budget that no member is cheap enough for."""
    if max_cost is not None and costs.min() > max_cost * (1 + 1e-12):
        raise ValueError(
            f"max_cost={max_cost:g} is less than the cheapest member costs, {costs.min():g}: no "
            "member can be kept."
        )


def _announced(estimator: Any, prefit: bool) -> int | None:
    """How many members there are or will be, where that is known."""
    if isinstance(estimator, list):
        return len(estimator)
    if prefit:  # boosting may have stopped before n_estimators
        members = getattr(unfreeze(estimator), "estimators_", None)
        return None if members is None else len(members)
    if isinstance(estimator, (AdaBoostClassifier, AdaBoostRegressor)):
        return None  # may stop early
    number = getattr(estimator, "n_estimators", None)
    if isinstance(number, Integral):
        return int(number)
    members = getattr(estimator, "estimators", None)  # of a voting ensemble
    if not isinstance(members, list):
        return None
    return sum(not (isinstance(m, tuple) and isinstance(m[1], str)) for m in members)


def member_costs(
    costs: Any, calibration: Calibration, names: tuple[str, ...]
) -> NDArray[np.float64] | None:
    """Count or measure the members' costs.

    Parameters
    ----------
    costs : None, {"parameters", "latency"} or array-like of shape (M,)
        As in the pruner.
    calibration : Calibration
        The members, and rows to time them on.
    names : tuple of M str
        How the members are called in messages.

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
        for i in range(len(pool)):
            member = pool.member(i)
            counts[i] = _of_member(names[i], n_parameters, member)
            if counts[i] == 0:
                raise ValueError(
                    f"costs='parameters', but member {names[i]!r} ({type(member).__name__}) has "
                    "none; give the costs as numbers, one a member."
                )
        return counts
    X = calibration.X()
    X = _safe_indexing(X, np.arange(min(_TIMED_ROWS, num_samples(X))))
    if pool.has_files:  # one at a time, although what slows the machine then meets some only
        one = np.eye(len(pool), dtype=bool)
        seconds = np.concatenate([latencies(pool.subset(i).member_calls(X)) for i in one])
    else:
        seconds = latencies(pool.member_calls(X))
    if not seconds.min() > 0:
        i = int(seconds.argmin())
        raise ValueError(
            f"costs='latency', but member {names[i]!r} ({type(pool.member(i)).__name__}) is "
            "faster than the clock; give the costs as numbers, one a member."
        )
    return seconds

"""Checks of parameters that the estimators of this room share; made before any training."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..amount import PruningAmountOptimizer
from ..utils import check_cache

__all__ = ["check_limits", "check_numbers", "check_probabilities", "check_shared"]


def check_numbers(estimator: Any, **lowest: int) -> None:
    """Check integer parameters.

    Parameters
    ----------
    estimator : estimator
        Whose parameters are checked.
    **lowest : int
        The least value of each.
    """
    for parameter, least in lowest.items():
        value = getattr(estimator, parameter)
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise ValueError(
                f"{type(estimator).__name__}: {parameter} must be an integer of at least {least}; "
                f"got {value!r}."
            )


def check_limits(estimator: Any, *limits: str) -> None:
    """Check limits of accuracy, size and time.

    Parameters
    ----------
    estimator : estimator
        Whose parameters are checked.
    *limits : str
        Some of ``min_accuracy``, ``max_size`` and ``max_time``.
    """
    for parameter in limits:
        value = getattr(estimator, parameter)
        most = 1.0 if parameter == "min_accuracy" else np.inf
        number = isinstance(value, Real) and not isinstance(value, bool)
        if value is not None and not (number and 0 < float(value) <= most):
            right = "a share in (0, 1]" if most == 1 else "a positive number"
            raise ValueError(
                f"{type(estimator).__name__}: {parameter} must be {right}, or None; got {value!r}."
            )


def check_shared(estimator: Any) -> None:
    """Check ``learning_rate``, ``memory``, and ``optimizer`` where there is one.

    Parameters
    ----------
    estimator : estimator
        Whose parameters are checked.
    """
    name, rate = type(estimator).__name__, estimator.learning_rate
    number = isinstance(rate, Real) and not isinstance(rate, bool)
    if not number or not 0 < float(rate) < np.inf:
        raise ValueError(f"{name}: learning_rate must be a positive number; got {rate!r}.")
    optimizer = getattr(estimator, "optimizer", None)
    if optimizer is not None and not isinstance(optimizer, PruningAmountOptimizer):
        raise TypeError(
            f"{name}: optimizer must be a PruningAmountOptimizer or None; got {optimizer!r}."
        )
    located = check_cache(estimator.memory).location is not None
    if located and not isinstance(estimator.random_state, Integral):
        raise ValueError(
            f"{name}: with memory, random_state must be an int, so that the next fit measures the "
            f"same; got {estimator.random_state!r}."
        )


def check_probabilities(p: NDArray, name: str) -> None:
    """Refuse a network whose outputs are no probabilities.

    Parameters
    ----------
    p : ndarray of shape (n, C)
        Its outputs for some samples.
    name : str
        What to call it.
    """
    if not np.isfinite(p).all() or (p < -1e-6).any() or np.abs(p.sum(axis=1) - 1).max() > 1e-3:
        raise ValueError(
            f"The network of {name} does not give probabilities: its outputs do not sum to one. "
            "End it with a softmax (or one sigmoid)."
        )

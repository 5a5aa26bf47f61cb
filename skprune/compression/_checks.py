"""Checks of parameters that the estimators of this subpackage share; made before any training."""

from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_X_y
from sklearn.utils.multiclass import check_classification_targets

from ..amount import PruningAmountOptimizer
from ..sparsity import check_amounts, method_named
from ..utils import check_cache, check_sample_weight, refuse_multilabel
from ._bench import Samples

__all__ = [
    "PIXELS",
    "check_limits",
    "check_method",
    "check_numbers",
    "check_probabilities",
    "check_shared",
    "check_sweep",
    "checked_samples",
]

# Pixel types that are kept as they come; all others become the first.
PIXELS = (np.float32, np.uint8)


def checked_samples(estimator: Any, X: Any, y: Any, sample_weight: Any) -> Samples:
    """Check what ``fit`` was given, and leave out samples of weight zero.

    Nothing is set on the estimator: a fit that fails later must leave an earlier one as it was.

    Parameters
    ----------
    estimator : estimator
        What messages call it by.
    X : array-like of shape (n, ...)
        Samples.
    y : array-like of shape (n,)
        Labels.
    sample_weight : array-like of shape (n,) or None
        Weights.

    Returns
    -------
    Samples
    """
    refuse_multilabel(y)
    X, y = check_X_y(X, y, allow_nd=True, dtype=PIXELS, estimator=estimator)
    check_classification_targets(y)
    if sample_weight is None:
        return Samples(X, y)
    weights = check_sample_weight(sample_weight, X, dtype=np.float32, ensure_non_negative=True)
    return Samples(X, y, weights)[weights > 0]


def check_method(estimator: Any) -> None:
    """Check ``method``, and that a sweep in a folder can know it again.

    Parameters
    ----------
    estimator : estimator
        Whose parameters are checked.
    """
    method_named(estimator.method)
    function = estimator.method
    while isinstance(function, partial):
        function = function.func
    nameless = getattr(function, "__name__", "") == "<lambda>"
    if nameless and check_cache(estimator.memory).location is not None:
        raise ValueError(
            f"{type(estimator).__name__}: with memory, method must have a name that tells it from "
            "others: give a function or a functools.partial, no lambda."
        )


def check_sweep(estimator: Any) -> None:
    """Check ``amounts`` that curves are to go through.

    Parameters
    ----------
    estimator : estimator
        Whose parameters are checked.
    """
    if len(check_amounts(estimator.amounts)) < 2:
        raise ValueError(
            f"{type(estimator).__name__}: amounts must hold at least one besides 0, for the "
            f"curves to go through; got {estimator.amounts!r}."
        )


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

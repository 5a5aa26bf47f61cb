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
from ..utils import RANDOM_STATE, Number, check_cache, check_sample_weight, refuse_multilabel
from ._bench import Samples

__all__ = [
    "PIXELS",
    "PRUNING_CONSTRAINTS",
    "check_memory",
    "check_method",
    "check_probabilities",
    "check_sweep",
    "checked_samples",
]

#: Constraints of the parameters that the estimators of this subpackage share.
PRUNING_CONSTRAINTS: dict[str, Any] = {
    "min_accuracy": [None, Number(Real, 0, 1, closed="right", meaning="a share of the samples")],
    "max_size": [None, Number(Real, 0, closed="neither")],
    "max_time": [None, Number(Real, 0, closed="neither")],
    "fine_tune_epochs": [Number(Integral, 0)],
    "latency_batch_size": [Number(Integral, 1)],
    "learning_rate": [Number(Real, 0, closed="neither")],
    "optimizer": [None, PruningAmountOptimizer],
    "random_state": RANDOM_STATE,
    "verbose": ["verbose"],
}
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


def check_sweep(amounts: Any) -> None:
    """Check ``amounts`` that curves are to go through."""
    if len(check_amounts(amounts)) < 2:
        raise ValueError(
            "amounts must hold at least one besides 0, for the curves to go through; got "
            f"{amounts!r}."
        )


def check_memory(estimator: Any) -> None:
    """Check ``memory``, which needs an int as ``random_state``."""
    located = check_cache(estimator.memory).location is not None
    if located and not isinstance(estimator.random_state, Integral):
        raise ValueError(
            f"{type(estimator).__name__}: with memory, random_state must be an int, so that the "
            f"next fit measures the same; got {estimator.random_state!r}."
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

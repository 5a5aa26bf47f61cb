"""Estimators within FrozenEstimators, and specifications without what was learned."""

from typing import Any

from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

__all__ = ["clone_unfitted", "unfreeze"]


def unfreeze(estimator: Any) -> Any:
    """What a FrozenEstimator holds; anything else as it is.

    Parameters
    ----------
    estimator : object
        Estimator, frozen or not.

    Returns
    -------
    object
    """
    while isinstance(estimator, FrozenEstimator):
        estimator = estimator.estimator
    return estimator


def clone_unfitted(estimator: Any) -> Any:
    """The same specification, without what was learned.

    Parameters
    ----------
    estimator : estimator, FrozenEstimator, or list of paths and (name, estimator or path)
        Fitted or not. Paths stay as they are.

    Returns
    -------
    object of the same kind
    """
    if isinstance(estimator, list):
        return [clone_unfitted(member) for member in estimator]
    if isinstance(estimator, tuple):
        name, member = estimator
        return name, clone_unfitted(member)
    if isinstance(estimator, FrozenEstimator):
        return FrozenEstimator(clone_unfitted(estimator.estimator))
    return clone(estimator, safe=False)

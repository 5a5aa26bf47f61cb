"""Estimators within FrozenEstimators, and specifications without what was learnt."""

from typing import Any

from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

__all__ = ["emptied", "unfreeze"]


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


def emptied(estimator: Any) -> Any:
    """The same specification, without what was learnt.

    Parameters
    ----------
    estimator : estimator, FrozenEstimator, or list of paths and (name, estimator or path)
        Fitted or not. Paths stay as they are.

    Returns
    -------
    object of the same kind
    """
    if isinstance(estimator, list):
        return [emptied(member) for member in estimator]
    if isinstance(estimator, tuple):
        name, member = estimator
        return name, emptied(member)
    if isinstance(estimator, FrozenEstimator):
        return FrozenEstimator(emptied(estimator.estimator))
    return clone(estimator, safe=False)

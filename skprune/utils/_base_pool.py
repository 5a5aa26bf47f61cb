"""What pools of classifiers and of regressors share: members, columns they see, predictions."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)

__all__ = ["BasePool", "describe", "emptied", "features_of", "members_of", "unfreeze"]

# Ensembles whose members each answer a question of their own: two classes, or one target.
_DECOMPOSITIONS = (
    OneVsRestClassifier,
    OneVsOneClassifier,
    OutputCodeClassifier,
    MultiOutputClassifier,
    MultiOutputRegressor,
    ClassifierChain,
    RegressorChain,
)


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
    estimator : estimator, FrozenEstimator or list of (name, estimator)
        Fitted or not.

    Returns
    -------
    object of the same kind
    """
    if isinstance(estimator, list):
        return [(name, emptied(member)) for name, member in estimator]
    if isinstance(estimator, FrozenEstimator):
        return FrozenEstimator(emptied(estimator.estimator))
    return clone(estimator)


@dataclass(frozen=True, eq=False)
class BasePool(ABC):
    """Fitted members, and the columns of X that each one sees.

    Attributes
    ----------
    estimators : tuple of M estimators
        Fitted members.
    features : tuple of M ndarrays, or None
        Columns of X that each member sees, where the ensemble draws them.
    """

    estimators: tuple[Any, ...]
    features: tuple[NDArray[np.intp], ...] | None

    def __len__(self) -> int:
        return len(self.estimators)

    def subset(self, mask: NDArray[np.bool_]) -> Self:
        """The pool of the members where the mask is true.

        Parameters
        ----------
        mask : ndarray of shape (M,)
            Members to keep.

        Returns
        -------
        pool of the same kind
        """
        kept = np.flatnonzero(mask)
        return replace(
            self,
            estimators=tuple(self.estimators[i] for i in kept),
            features=None if self.features is None else tuple(self.features[i] for i in kept),
        )

    def member_outputs(self, X: Any, n_jobs: int | None = None) -> Iterator[NDArray]:
        """Predictions of one member after the other, each of shape (n, k).

        Parameters
        ----------
        X : array-like of shape (n, ...)
            Samples.
        n_jobs : int, default=None
            Threads, as in joblib.

        Yields
        ------
        ndarray of shape (n, k)
            k classes (probabilities) or targets.
        """
        tasks = (delayed(self._one)(i, rows) for i, rows in enumerate(self._inputs(X)))
        yield from Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")(tasks)

    def outputs(self, X: Any, n_jobs: int | None = None) -> NDArray:
        """Predictions of all members.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            Samples.
        n_jobs : int, default=None
            Threads, as in joblib.

        Returns
        -------
        ndarray of shape (M, n, k)
            float32 where every member gives float32.
        """
        P: NDArray | None = None
        for i, output in enumerate(self.member_outputs(X, n_jobs)):
            if P is None:
                P = np.empty((len(self), *output.shape), dtype=output.dtype)
            elif output.dtype == np.float64 and P.dtype != np.float64:
                P, narrow = np.empty(P.shape, dtype=np.float64), P
                P[:i] = narrow[:i]
            P[i] = output
        assert P is not None  # a pool is never empty
        return P

    def member_calls(self, X: Any) -> list[Callable[[], NDArray]]:
        """One call a member that predicts the same samples, to be timed.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            Samples.

        Returns
        -------
        list of M callables
        """
        return [partial(self._one, i, rows) for i, rows in enumerate(self._inputs(X))]

    def _inputs(self, X: Any) -> Iterator[Any]:
        """X as each member is to be given it."""
        bare = np.asarray(X) if hasattr(X, "iloc") or isinstance(X, (list, tuple)) else X
        for i, member in enumerate(self.estimators):
            # A member that was fitted with column names gets them again.
            rows = X if hasattr(member, "feature_names_in_") else bare
            yield rows if self.features is None else rows[:, self.features[i]]

    @abstractmethod
    def _one(self, i: int, X: Any) -> NDArray:
        """Predictions of member i, shape (n, k)."""


def describe(i: int, member: Any) -> str:
    """Name a member in a message."""
    return f"member {i} ({type(member).__name__})"


def members_of(fitted: Any) -> list[Any]:
    """The members of a fitted ensemble, or of a list of estimators or (name, estimator)."""
    if isinstance(fitted, Sequence):
        return [unfreeze(m[1] if isinstance(m, tuple) else m) for m in fitted]
    members = getattr(fitted, "estimators_", None)
    name = type(fitted).__name__
    if members is None:
        raise TypeError(
            "estimator must be an ensemble that has `estimators_` once fitted, or a list of "
            f"(name, estimator); {name} has none. To prune inside a Pipeline, "
            "put the pruner last in it instead of pruning the Pipeline."
        )
    if isinstance(fitted, _DECOMPOSITIONS):
        raise TypeError(
            f"The members of {name} each answer a question of their own (two of the classes, or "
            "one of the targets), so they cannot be weighed against each other. Use an ensemble "
            "whose members each predict everything: bagging, forests, voting."
        )
    if getattr(members, "ndim", 1) != 1:
        raise TypeError(
            f"The members of {name} are not estimators of their own (they are stages of a sum), "
            "so they cannot be weighed against each other. Use an ensemble whose members each "
            "predict everything: bagging, forests, voting."
        )
    return [unfreeze(member) for member in members]


def features_of(fitted: Any) -> tuple[NDArray[np.intp], ...] | None:
    """Columns of X that each member of a fitted ensemble sees; None where it is all of them."""
    features = getattr(fitted, "estimators_features_", None)
    if features is None:
        return None
    everything = np.arange(getattr(fitted, "n_features_in_", -1))
    if all(np.array_equal(f, everything) for f in features):
        return None
    return tuple(np.asarray(f) for f in features)

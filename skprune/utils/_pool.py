"""Members of any ensemble, their predictions aligned to one list of classes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier

__all__ = ["MemberPool", "unfreeze"]

# Ensembles whose members each answer a two-class question of their own.
_DECOMPOSITIONS = (OneVsRestClassifier, OneVsOneClassifier, OutputCodeClassifier)


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


@dataclass(frozen=True, eq=False)
class MemberPool:
    """Fitted classifiers and where each one's classes stand among those of all.

    Attributes
    ----------
    estimators : tuple of M classifiers
        Fitted members.
    columns : tuple of M ndarrays
        ``columns[i][k]`` is the position in ``classes`` of member i's class k.
    classes : ndarray of shape (C,)
        Classes of the ensemble, sorted.
    features : tuple of M ndarrays, or None
        Columns of X that each member sees, where the ensemble draws them.
    """

    estimators: tuple[Any, ...]
    columns: tuple[NDArray[np.intp], ...]
    classes: NDArray
    features: tuple[NDArray[np.intp], ...] | None = None

    def __len__(self) -> int:
        return len(self.estimators)

    @classmethod
    def from_fitted(cls, fitted: Any, classes: NDArray | None = None) -> "MemberPool":
        """Take the members out of a fitted ensemble, or out of a list of classifiers.

        Parameters
        ----------
        fitted : ensemble with ``estimators_`` and ``classes_``, or list
            A list holds classifiers or (name, classifier) pairs. FrozenEstimators are
            looked through.
        classes : ndarray of shape (C,), default=None
            Classes to align to; those of the ensemble, or of all members, by default.

        Returns
        -------
        MemberPool

        Raises
        ------
        TypeError
            If there are no members, or one of them gives no probabilities.
        ValueError
            If a member knows a class that the ensemble does not.
        """
        fitted = unfreeze(fitted)
        features = None
        if isinstance(fitted, Sequence):
            members = [unfreeze(m[1] if isinstance(m, tuple) else m) for m in fitted]
            _check_members(members)
            own = np.unique(np.concatenate([np.asarray(m.classes_) for m in members]))
            columns = _columns_of_labels(members, own)
        else:
            members = _members_of(fitted)
            _check_members(members)
            if any(np.ndim(label) for label in fitted.classes_):
                raise TypeError(f"{type(fitted).__name__} has several outputs; only one is taken.")
            own = np.asarray(fitted.classes_)
            columns = _columns_in_ensemble(members, own)
            features = _features_of(fitted)
        if classes is not None:
            unknown = own[~np.isin(own, classes)]
            if len(unknown):
                raise ValueError(f"The members know classes that y does not have: {unknown[:5]}.")
            position = np.searchsorted(classes, own)
            columns = [position[c] for c in columns]
            own = classes
        return cls(tuple(members), tuple(columns), own, features)

    def subset(self, mask: NDArray[np.bool_]) -> "MemberPool":
        """The pool of the members where the mask is true.

        Parameters
        ----------
        mask : ndarray of shape (M,)
            Members to keep.

        Returns
        -------
        MemberPool
        """
        kept = np.flatnonzero(mask)
        return MemberPool(
            tuple(self.estimators[i] for i in kept),
            tuple(self.columns[i] for i in kept),
            self.classes,
            None if self.features is None else tuple(self.features[i] for i in kept),
        )

    def member_probabilities(self, X: Any, n_jobs: int | None = None) -> Iterator[NDArray]:
        """Probabilities of one member after the other, each of shape (n, C).

        Parameters
        ----------
        X : array-like of shape (n, ...)
            Samples.
        n_jobs : int, default=None
            Threads, as in joblib.

        Yields
        ------
        ndarray of shape (n, C)
        """
        bare = np.asarray(X) if hasattr(X, "iloc") or isinstance(X, (list, tuple)) else X
        tasks = (
            # A member that was fitted with column names gets them again.
            delayed(self._one)(i, X if hasattr(member, "feature_names_in_") else bare)
            for i, member in enumerate(self.estimators)
        )
        yield from Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")(tasks)

    def predict_proba(self, X: Any, n_jobs: int | None = None) -> NDArray:
        """Probabilities of all members.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            Samples.
        n_jobs : int, default=None
            Threads, as in joblib.

        Returns
        -------
        ndarray of shape (M, n, C)
            float32 where every member gives float32.
        """
        P: NDArray | None = None
        for i, proba in enumerate(self.member_probabilities(X, n_jobs)):
            if P is None:
                P = np.empty((len(self), *proba.shape), dtype=proba.dtype)
            elif proba.dtype == np.float64 and P.dtype != np.float64:
                P, narrow = np.empty(P.shape, dtype=np.float64), P
                P[:i] = narrow[:i]
            P[i] = proba
        assert P is not None  # a pool is never empty
        return P

    def _one(self, i: int, X: Any) -> NDArray:
        member, columns = self.estimators[i], self.columns[i]
        if self.features is not None:
            X = X[:, self.features[i]]
        proba = np.asarray(member.predict_proba(X))
        if proba.ndim != 2 or proba.shape[1] != len(columns):
            raise ValueError(
                f"predict_proba of {describe(i, member)} must have shape (n, {len(columns)}), one "
                f"column a class; got {proba.shape}."
            )
        if proba.dtype not in (np.float32, np.float64):
            proba = proba.astype(np.float64)
        if len(columns) == len(self.classes) and (np.diff(columns) == 1).all():
            return proba
        aligned = np.zeros((len(proba), len(self.classes)), proba.dtype)
        aligned[:, columns] = proba
        return aligned


def describe(i: int, member: Any) -> str:
    """Name a member in a message."""
    return f"member {i} ({type(member).__name__})"


def _members_of(fitted: Any) -> list[Any]:
    members = getattr(fitted, "estimators_", None)
    if members is None:
        raise TypeError(
            f"estimator must be an ensemble that has `estimators_` once fitted, or a list of "
            f"(name, classifier); {type(fitted).__name__} has none. To prune inside a Pipeline, "
            "put the pruner last in it instead of pruning the Pipeline."
        )
    if isinstance(fitted, _DECOMPOSITIONS):
        raise TypeError(
            f"The members of {type(fitted).__name__} each answer a two-class question of their "
            "own, so they cannot be weighed by votes. Use an ensemble whose members each predict "
            "all classes: bagging, forests, voting."
        )
    if getattr(members, "ndim", 1) != 1:
        raise TypeError(
            f"The members of {type(fitted).__name__} are not classifiers of their own (they are "
            "stages of a sum), so they cannot be weighed by votes. Use an ensemble whose members "
            "each predict the classes: bagging, forests, voting."
        )
    return [unfreeze(member) for member in members]


def _check_members(members: list[Any]) -> None:
    if not members:
        raise ValueError("estimator must have at least one member; got an empty list.")
    for i, member in enumerate(members):
        if not hasattr(member, "predict_proba"):
            raise TypeError(
                f"Members must have predict_proba; {describe(i, member)} has not. Wrap it in "
                "CalibratedClassifierCV."
            )
        if not hasattr(member, "classes_"):
            raise TypeError(
                f"Members must be fitted classifiers with `classes_`; {describe(i, member)} has "
                "none. Fit it, and wrap it in FrozenEstimator so that clone keeps it."
            )
        if any(np.ndim(label) for label in member.classes_):
            raise TypeError(f"Members must predict one output; {describe(i, member)} has several.")


def _columns_of_labels(members: list[Any], classes: NDArray) -> list[NDArray[np.intp]]:
    return [np.searchsorted(classes, np.asarray(m.classes_)) for m in members]


def _columns_in_ensemble(members: list[Any], classes: NDArray) -> list[NDArray[np.intp]]:
    """Members of an ensemble know its labels, or the codes 0 .. C - 1 that it gave them."""
    C = len(classes)
    known = np.unique(np.concatenate([np.asarray(m.classes_) for m in members]))
    are_codes = known.dtype.kind in "iuf" and bool(np.isin(known, np.arange(C)).all())
    numeric = known.dtype.kind in "iuf" and classes.dtype.kind in "iuf"
    text = known.dtype.kind in "OUT" and classes.dtype.kind in "OUT"  # pandas gives objects
    comparable = numeric or text or known.dtype.kind == classes.dtype.kind
    are_labels = comparable and bool(np.isin(known, classes).all())
    # Where both would do (labels 1, 2, 3 and a bag that never drew the first), the labels
    # are meant only if all of them occur: scikit-learn's ensembles hand on codes.
    if are_labels and (not are_codes or len(known) == C):
        return _columns_of_labels(members, classes)
    if are_codes:
        return [np.asarray(m.classes_).astype(np.intp) for m in members]
    for i, member in enumerate(members):
        strange = np.setdiff1d(np.asarray(member.classes_), classes)
        if len(strange):
            raise ValueError(
                f"{describe(i, member)} knows classes {strange[:5]} that the ensemble does not: "
                f"its classes are {classes[:10]}."
            )
    raise ValueError(f"The members' classes {known[:10]} are not those of the ensemble.")


def _features_of(fitted: Any) -> tuple[NDArray[np.intp], ...] | None:
    features = getattr(fitted, "estimators_features_", None)
    if features is None:
        return None
    everything = np.arange(getattr(fitted, "n_features_in_", -1))
    if all(np.array_equal(f, everything) for f in features):
        return None
    return tuple(np.asarray(f) for f in features)

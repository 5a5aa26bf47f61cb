"""Classifiers of any ensemble, their predictions aligned to one list of classes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ._base_pool import BasePool, describe, features_of, members_of, unfreeze

__all__ = ["MemberPool"]


@dataclass(frozen=True, eq=False)
class MemberPool(BasePool):
    """Fitted classifiers and where each one's classes stand among those of all.

    Attributes
    ----------
    estimators : tuple of M classifiers
        Fitted members.
    features : tuple of M ndarrays, or None
        Columns of X that each member sees, where the ensemble draws them.
    columns : tuple of M ndarrays
        ``columns[i][k]`` is the position in ``classes`` of member i's class k.
    classes : ndarray of shape (C,)
        Classes of the ensemble, sorted.
    """

    columns: tuple[NDArray[np.intp], ...]
    classes: NDArray

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
        members = members_of(fitted)
        _check_members(members)
        if isinstance(fitted, Sequence):
            own = np.unique(np.concatenate([np.asarray(m.classes_) for m in members]))
            columns = _columns_of_labels(members, own)
        else:
            if any(np.ndim(label) for label in fitted.classes_):
                raise TypeError(f"{type(fitted).__name__} has several outputs; only one is taken.")
            own = np.asarray(fitted.classes_)
            columns = _columns_in_ensemble(members, own)
            features = features_of(fitted)
        if classes is not None:
            unknown = own[~np.isin(own, classes)]
            if len(unknown):
                raise ValueError(f"The members know classes that y does not have: {unknown[:5]}.")
            position = np.searchsorted(classes, own)
            columns = [position[c] for c in columns]
            own = classes
        return cls(tuple(members), features, tuple(columns), own)

    def subset(self, mask: NDArray[np.bool_]) -> Self:
        """The pool of the members where the mask is true.

        Parameters
        ----------
        mask : ndarray of shape (M,)
            Members to keep.

        Returns
        -------
        MemberPool
        """
        columns = tuple(self.columns[i] for i in np.flatnonzero(mask))
        return replace(super().subset(mask), columns=columns)

    def _one(self, i: int, X: Any) -> NDArray:
        member, columns = self.estimators[i], self.columns[i]
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

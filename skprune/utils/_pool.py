"""Classifiers of any ensemble, their predictions aligned to one list of classes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ._base_pool import BasePool, describe, features_of, members_of, opened
from ._frozen import unfreeze
from ._member_file import MemberFile

__all__ = ["MemberPool"]


@dataclass(frozen=True)
class _OpenFile(MemberFile):
    """A file that had to be looked into for its classes, and is not read a second time."""

    estimator: Any

    def load(self) -> Any:
        return self.estimator


@dataclass(frozen=True, eq=False)
class _Spoken:
    """What members call the classes (their labels, or codes), and where those stand."""

    names: NDArray
    positions: NDArray[np.intp]

    def columns(self, member: Any) -> NDArray[np.intp]:
        known = np.asarray(member.classes_)
        strange = known[~np.isin(known, self.names)]
        if len(strange):
            raise ValueError(
                f"{type(member).__name__} knows classes {strange[:5]}, which are not among those "
                f"of the others: {self.names[:10]}. Members in memory say which classes there "
                "are, and where there are none, the first file."
            )
        return self.positions[np.searchsorted(self.names, known)]


@dataclass(frozen=True, eq=False)
class MemberPool(BasePool):
    """Fitted classifiers and where each one's classes stand among those of all.

    Attributes
    ----------
    estimators : tuple of M classifiers or MemberFiles
        Fitted members.
    features : tuple of M ndarrays, or None
        Columns of X that each member sees, where the ensemble draws them.
    columns : tuple of M ndarrays or None
        ``columns[i][k]`` is the position in ``classes`` of member i's class k; None where
        that is not known before its file is loaded.
    classes : ndarray of shape (C,)
        Classes of the ensemble, sorted.
    """

    columns: tuple[NDArray[np.intp] | None, ...]
    classes: NDArray
    _spoken: _Spoken | None = None

    @classmethod
    def from_fitted(
        cls, fitted: Any, classes: NDArray | None = None, labels: NDArray | None = None
    ) -> "MemberPool":
        """Take the members out of a fitted ensemble, or out of a list of classifiers.

        Parameters
        ----------
        fitted : ensemble with ``estimators_`` and ``classes_``, or list
            A list holds classifiers or (name, classifier) pairs. FrozenEstimators are
            looked through. MemberFiles are loaded when they are used, except for the first,
            where no member in memory says which classes there are.
        classes : ndarray of shape (C,), default=None
            Classes to align to; those of the ensemble, or of all members, by default.
        labels : ndarray, default=None
            Labels that will be asked for: files are looked into until all of them are known.

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
        members = members_of(fitted)
        if not members:
            raise ValueError("estimator must have at least one member; got an empty list.")
        for i, member in enumerate(members):
            if not isinstance(member, MemberFile):
                _check_member(i, member)
        features = None
        if isinstance(fitted, Sequence):
            members, seen = _look_into(members, 1 if classes is None else 0, labels)
            own = names = _known_to(seen) if seen or classes is None else classes
        else:
            if any(np.ndim(label) for label in fitted.classes_):
                raise TypeError(f"{type(fitted).__name__} has several outputs; only one is taken.")
            features = features_of(fitted)
            own = names = np.asarray(fitted.classes_)
            members, seen = _look_into(members, len(own))
            if _speak_codes(seen, own):
                names = np.arange(len(own))
        if classes is not None:
            unknown = own[~np.isin(own, classes)]
            if len(unknown):
                raise ValueError(f"The members know classes that y does not have: {unknown[:5]}.")
            if isinstance(fitted, Sequence):  # files may know more than the members in memory
                own = names = classes
        aligned_to = own if classes is None else classes
        spoken = _Spoken(names, np.searchsorted(aligned_to, own))
        columns = [None if _is_shut(m) else spoken.columns(_inside(m)) for m in members]
        return cls(tuple(members), features, tuple(columns), aligned_to, spoken)

    @property
    def n_outputs(self) -> int:
        """Number of classes C."""
        return len(self.classes)

    def loaded(self) -> Self:
        """The same pool with all members in memory.

        Returns
        -------
        MemberPool
        """
        pool = super().loaded()
        columns = tuple(self._columns(i, member) for i, member in enumerate(pool.estimators))
        return replace(pool, columns=columns)

    def subset(self, mask: NDArray[np.bool_]) -> Self:
        """The pool of the members where the mask is true; files stay files.

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

    def _columns(self, i: int, member: Any) -> NDArray[np.intp]:
        columns = self.columns[i]
        if columns is not None:
            return columns
        assert self._spoken is not None  # as wherever a member was a file
        return self._spoken.columns(member)

    def _check_loaded(self, i: int, member: Any) -> None:
        _check_member(i, member)
        self._columns(i, member)

    def _one(self, i: int, member: Any, X: Any) -> NDArray:
        return self._placed(i, member, member.predict_proba(X))

    def _placed(self, i: int, member: Any, output: NDArray) -> NDArray:
        columns, proba = self._columns(i, member), np.asarray(output)
        if proba.ndim != 2 or proba.shape[1] != len(columns):
            raise ValueError(
                f"predict_proba of {self._describe(i, member)} must have shape "
                f"(n, {len(columns)}), one column a class; got {proba.shape}."
            )
        if proba.dtype not in (np.float32, np.float64):
            proba = proba.astype(np.float64)
        if len(columns) == len(self.classes) and (np.diff(columns) == 1).all():
            return proba
        aligned = np.zeros((len(proba), len(self.classes)), proba.dtype)
        aligned[:, columns] = proba
        return aligned


def _is_shut(member: Any) -> bool:
    return isinstance(member, MemberFile) and not isinstance(member, _OpenFile)


def _inside(member: Any) -> Any:
    return member.estimator if isinstance(member, _OpenFile) else member


def _known_to(members: list[Any]) -> NDArray:
    return np.unique(np.concatenate([np.asarray(member.classes_) for member in members]))


def _look_into(
    members: list[Any], n_classes: int, labels: NDArray | None = None
) -> tuple[list[Any], list[Any]]:
    """Load files until so many classes, and these labels, are known; the first stays loaded.

    Returns the members, with the file that stays loaded among them, and those that were seen.
    """
    members, seen = list(members), [m for m in members if not isinstance(m, MemberFile)]
    files = [i for i, member in enumerate(members) if isinstance(member, MemberFile)]
    for i in files:
        known = _known_to(seen) if seen else np.empty(0)
        if n_classes <= len(known) and (labels is None or np.isin(labels, known).all()):
            break
        seen.append(opened(i, members[i], _check_member))
        if i == files[0]:
            members[i] = _OpenFile(members[i].path, seen[-1])
    return members, seen


def _check_member(i: int, member: Any) -> None:
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


def _speak_codes(members: list[Any], classes: NDArray) -> bool:
    """Whether members of an ensemble know the codes 0 .. C - 1 that it gave to its labels."""
    C = len(classes)
    known = _known_to(members)
    are_codes = known.dtype.kind in "iuf" and bool(np.isin(known, np.arange(C)).all())
    numeric = known.dtype.kind in "iuf" and classes.dtype.kind in "iuf"
    text = known.dtype.kind in "OUT" and classes.dtype.kind in "OUT"  # pandas gives objects
    comparable = numeric or text or known.dtype.kind == classes.dtype.kind
    are_labels = comparable and bool(np.isin(known, classes).all())
    # Where both would do (labels 1, 2, 3 and a bag that never drew the first), the labels
    # are meant only if all of them occur: scikit-learn's ensembles hand on codes.
    if are_labels and (not are_codes or len(known) == C):
        return False
    if are_codes:
        return True
    for i, member in enumerate(members):
        strange = np.setdiff1d(np.asarray(member.classes_), classes)
        if len(strange):
            raise ValueError(
                f"{describe(i, member)} knows classes {strange[:5]} that the ensemble does not: "
                f"its classes are {classes[:10]}."
            )
    raise ValueError(f"The members' classes {known[:10]} are not those of the ensemble.")

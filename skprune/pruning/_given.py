"""Predictions that the user passes: an array, a memory map, a store, or a frame of columns."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..socp import check_probabilities
from ..utils import Predictions, PredictionStore, as_predictions, sample_blocks
from ._members import ClassMapping, Members

__all__ = [
    "check_given_predictions",
    "given_predictions",
    "kept_blocks",
    "members_without_estimators",
]

# Bytes of predictions that are combined at once.
_BLOCK_BYTES = 2**25


def given_predictions(
    P: Any, names: tuple[str, ...] | None, n_outputs: int | None, *, by_class: bool
) -> tuple[Predictions, tuple[str, ...] | None]:
    """Predictions (M, N, k) that the user passed, and the members' names, if there are any.

    ``names`` are those that the columns of a frame must have, in this order; None: any.
    ``n_outputs`` is the number of classes or targets, where it is known.
    """
    if hasattr(P, "columns") and hasattr(P, "to_numpy"):
        P, names = _of_frame(P, names)
    elif isinstance(P, Mapping):
        columns = _in_order([str(name) for name in P], names, "an entry")
        by_name = {str(name): predicted for name, predicted in P.items()}
        P, names = [by_name[name] for name in columns], columns
    try:
        given = as_predictions(PredictionStore.over(P))
    except ValueError as error:  # lists of different lengths
        raise ValueError(f"P must be an array of numbers: {error}") from error
    if given.dtype.kind not in "fiub":
        raise TypeError(f"P must hold real numbers; got {given.dtype}.")
    if given.dtype.kind != "f":
        given = given.astype(np.float64)
    if given.ndim == 2 and n_outputs in (None, 2 if by_class else 1):
        given = _both_classes(given, names) if by_class else given[:, :, None]
    outputs = "n_classes" if by_class else "n_targets"
    right = f"(n_members, n_samples, {n_outputs or outputs})"
    if n_outputs is None:
        right += f", or (n_members, n_samples) for {'two classes' if by_class else 'one target'}"
    if given.ndim != 3 or 0 in given.shape:
        raise ValueError(
            f"P has {given.ndim} dimensions and shape {given.shape}; it must be {right}, none of "
            "them 0."
        )
    if by_class and given.shape[2] == 1:
        raise ValueError(
            f"P has one class, shape {given.shape}; it must be {right}. For two classes give the "
            "probability of the second, P[:, :, 0]."
        )
    return given, names


def _member(i: int, names: tuple[str, ...] | None) -> str:
    return f"member {i}" if names is None else f"member {names[i]!r}"


def _of_frame(P: Any, names: tuple[str, ...] | None) -> tuple[NDArray, tuple[str, ...]]:
    """Columns of a frame as (M, N), and their names; in the order of ``names``, if given."""
    given = [str(column) for column in P.columns]
    columns = _in_order(given, names, "a column")
    if names is not None:
        P = P[[P.columns[given.index(name)] for name in columns]]
    array = P.to_numpy()
    if array.dtype == object:  # columns that may lack values, or of other types
        for i, name in enumerate(columns):
            try:
                array[:, i].astype(np.float64)
            except (TypeError, ValueError) as error:
                raise TypeError(
                    "P must hold numbers, a column a member, without missing values; column "
                    f"{name!r} does not: {error}."
                ) from error
        array = array.astype(np.float64)
    return np.ascontiguousarray(array.T), columns


def _in_order(given: list[str], names: tuple[str, ...] | None, what: str) -> tuple[str, ...]:
    """The names of what is given, in the order of the members; raise if they differ."""
    if len(set(given)) < len(given):
        repeated = sorted({name for name in given if given.count(name) > 1})
        raise ValueError(f"The columns of P must differ; {repeated} occur more than once.")
    missing = [name for name in names or () if name not in given]
    if missing:
        raise ValueError(
            f"P must have {what} for each member; it lacks {missing[:5]}"
            f"{' and others' if len(missing) > 5 else ''}. It has {given[:10]}."
        )
    return tuple(given) if names is None else names


def _both_classes(p: NDArray, names: tuple[str, ...] | None) -> NDArray:
    """Probabilities (M, N, 2) from those of the second class, (M, N)."""
    wrong = ~((p >= 0) & (p <= 1)).all(axis=1)
    if wrong.any():
        i = int(wrong.argmax())
        bad = p[i][~((p[i] >= 0) & (p[i] <= 1))][0]
        raise ValueError(
            "P with one number for a member and a sample must hold probabilities of the second of "
            f"two classes, in [0, 1]; {_member(i, names)} has {bad:.4g}. Give more classes as "
            "(n_members, n_samples, n_classes), and targets to a regressor."
        )
    return np.stack([1 - p, p], axis=2)


def check_given_predictions(
    P: Predictions, n_rows: int, members: Members | None, names: tuple[str, ...] | None
) -> None:
    """Raise if predictions to select by are not finite, or match neither y nor the members."""
    M, N, k = P.shape
    wanted: tuple[Any, ...] = (M, n_rows, k)
    right = f"it must be (n_members, {n_rows}, ...), samples as in y"
    if members is not None:
        wanted = (len(members), n_rows, members.n_outputs)
        outputs = "targets in y" if members.classes is None else f"classes {members.classes[:10]}"
        right = f"it must be {wanted}: members in estimator, samples in y, {outputs}"
    for axis, (name, found, want) in enumerate(
        zip(("members", "samples", "outputs"), P.shape, wanted, strict=True)
    ):
        if found != want:
            hint = ""
            if n_rows != N and n_rows in (M, k):
                at = P.shape.index(n_rows)
                hint = f" The samples seem to be axis {at}: give numpy.moveaxis(P, {at}, 1)."
            raise ValueError(
                f"P has {found} {name} where there are {want} (axis {axis} of shape {P.shape}); "
                f"{right}.{hint}"
            )
    if isinstance(P, np.ndarray):  # a file is checked block by block
        for i, member in enumerate(P):
            if not np.isfinite(member).all():
                raise ValueError(f"P has NaN or infinite predictions: {_member(i, names)}.")


def members_without_estimators(P: Predictions, y: NDArray, classes: NDArray | None) -> Members:
    """Members of which only predictions P (M, N, k) are known; ``classes`` are those of y."""
    M, _, k = P.shape
    n_outputs = len(classes) if classes is not None else 1 if y.ndim == 1 else y.shape[1]
    outputs = "targets" if classes is None else "classes"
    right = f"P of shape (n_members, n_samples, {n_outputs})"
    if n_outputs == k:
        mapping = None if classes is None else ClassMapping(classes, classes, np.arange(k))
        return Members((None,) * M, None, k, mapping)
    if classes is None:
        raise ValueError(f"P has {k} {outputs}, and y has {n_outputs}: give {right}.")
    # Positions of classes of which some do not occur.
    if classes.dtype.kind not in "iu" or classes.min() < 0 or classes.max() >= k:
        remedy = f"give {right}"
        if n_outputs < k:
            remedy = f"give y as positions 0 to {k - 1} of the classes in P, or {right}"
        raise ValueError(f"P has {k} {outputs}, and y has {n_outputs}, {classes[:10]}: {remedy}.")
    positions = np.arange(k)
    return Members((None,) * M, None, k, ClassMapping(positions, positions, positions))


def kept_blocks(
    P: Any,
    support: NDArray[np.bool_],
    names: tuple[str, ...] | None,
    n_outputs: int,
    *,
    by_class: bool,
) -> Iterator[NDArray]:
    """Predictions (n_kept, n, k) of the kept members for runs of samples, from those of all.

    Those of the kept members alone are taken too.
    """
    kept = np.flatnonzero(support)
    wanted = None if names is None else tuple(names[i] for i in kept)
    if names is None and (hasattr(P, "columns") or isinstance(P, Mapping)):
        raise ValueError(
            "P has columns with names, and the members of this pruner have none: give an array of "
            "shape (n_members, n_samples), in the order of the members, such as P.to_numpy().T."
        )
    if type(P) is np.ndarray and P.ndim and len(P) == len(support):
        P = P[kept]  # what the others predict may be missing
    given, _ = given_predictions(P, wanted, n_outputs, by_class=by_class)
    M, _, k = given.shape
    if M not in (len(kept), len(support)) or k != n_outputs:
        raise ValueError(
            f"P must have shape ({len(support)}, n_samples, {n_outputs}), or of the kept members "
            f"({len(kept)}, n_samples, {n_outputs}); got {given.shape}."
        )
    members = kept if len(support) == M else np.arange(M)
    for _, block in sample_blocks(given, _BLOCK_BYTES, 8 * len(kept) * k, members):
        if by_class:
            check_probabilities(block)
        elif not np.isfinite(block).all():
            i = int((~np.isfinite(block)).any(axis=(1, 2)).argmax())
            raise ValueError(f"P has NaN or infinite predictions: {_member(i, wanted)}.")
        yield block

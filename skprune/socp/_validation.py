"""Checks of the arguments of this subpackage; every message names the argument."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "check_blocks",
    "check_costs",
    "check_labels",
    "check_probabilities",
    "check_real",
    "check_shape",
    "check_weights",
]

# Rows of probabilities must sum to one this closely: float16 predictions still do.
_SUM_TOLERANCE = 1e-2
# Costs further apart than this leave the cheaper members no significant digit.
_COST_RANGE = 1e12


def check_costs(costs: ArrayLike | None, n_members: int) -> NDArray[np.float64]:
    """Return the costs of the members in float64, in their own unit; None gives ones."""
    if costs is None:
        return np.ones(n_members)
    try:
        array = np.array(costs, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"costs must be {n_members} numbers, one a member; got {costs!r}."
        ) from error
    if array.shape != (n_members,):
        raise ValueError(
            f"costs must have shape ({n_members},), one cost a member; got {array.shape}."
        )
    wrong = ~(np.isfinite(array) & (array > 0))
    if wrong.any():
        member = int(wrong.argmax())
        raise ValueError(
            f"costs must be finite and positive: member {member} costs {array[member]:g}. Give a "
            "member that costs nothing a small fraction of the cost of the others."
        )
    if array.max() / array.min() > _COST_RANGE:
        raise ValueError(
            f"costs must be within a factor of {_COST_RANGE:g} of each other: member "
            f"{array.argmin()} costs {array.min():g} and member {array.argmax()} {array.max():g}."
        )
    return array


def check_real(name: str, array: Any) -> None:
    """Refuse arrays of complex numbers, strings or objects."""
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers; got {array.dtype}.")


def check_shape(P: Any, name: str) -> None:
    """Refuse predictions that are not member x sample x class."""
    if P.ndim != 3 or P.shape[0] == 0 or P.shape[2] == 0:
        raise ValueError(
            f"{name} must have shape (n_members, n_samples, n_classes), with at least one member "
            f"and one class; got shape {P.shape}."
        )
    check_real(name, P)


def check_probabilities(P: NDArray, name: Callable[[int], str] = "member {}".format) -> None:
    """Refuse rows that are not probability distributions, and name the member."""
    with np.errstate(invalid="ignore"):
        sums = P @ np.ones(P.shape[2], P.dtype)
    # NaN and infinity make these comparisons false too.
    if np.abs(sums - 1).max() <= _SUM_TOLERANCE and P.min() >= 0:
        return
    for i, member in enumerate(P):
        if not np.isfinite(member).all():
            raise ValueError(f"P has NaN or infinite probabilities: {name(i)}.")
        if member.min() < 0:
            raise ValueError(f"P has negative probabilities: {name(i)} has {member.min():.3g}.")
        worst = sums[i, np.abs(sums[i] - 1).argmax()]
        if not abs(worst - 1) <= _SUM_TOLERANCE:
            raise ValueError(
                f"The probabilities of each sample must sum to one: those of {name(i)} sum to "
                f"{worst:.4g}. Pass the output of predict_proba, not scores or logits."
            )


def check_labels(y: ArrayLike, n_samples: int, n_classes: int) -> NDArray[np.intp]:
    """Return the labels as indices of classes."""
    y = np.asarray(y)
    if y.shape != (n_samples,):
        raise ValueError(f"y must have shape ({n_samples},), one label per sample; got {y.shape}.")
    if y.dtype.kind not in "iu":
        raise ValueError(f"y must hold integer classes 0 .. {n_classes - 1}; got {y.dtype}.")
    if n_samples and (y.min() < 0 or y.max() >= n_classes):
        raise ValueError(
            f"y must be in 0 .. {n_classes - 1} (P has {n_classes} classes); got "
            f"{y.min()} .. {y.max()}."
        )
    return y.astype(np.intp)


def check_weights(name: str, weights: ArrayLike | None, length: int) -> NDArray[np.float64]:
    """Return non-negative weights, of samples or of members, in float64; None gives ones."""
    if weights is None:
        return np.ones(length)
    array = np.asarray(weights, dtype=np.float64)
    if array.shape != (length,):
        raise ValueError(f"{name} must have shape ({length},); got {array.shape}.")
    if not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(f"{name} must be finite and non-negative.")
    return array


def check_blocks(blocks: Iterable[tuple]) -> Iterator[tuple]:
    """Check blocks of (P, y) or (P, y, weight) one by one, and that their shapes agree."""
    if not isinstance(blocks, Iterable):
        raise TypeError(
            f"blocks must be an iterable of (P, y) or (P, y, weight); got {type(blocks).__name__}."
        )
    shape = None
    for number, block in enumerate(blocks):
        if not isinstance(block, tuple | list) or len(block) not in (2, 3):
            raise TypeError(
                f"blocks must yield (P, y) or (P, y, weight); block {number} is "
                f"{type(block).__name__}: {block!r:.60}."
            )
        P = np.asarray(block[0])
        check_shape(P, f"Block {number}: P")
        M, n, C = P.shape
        if shape is not None and shape != (M, C):
            raise ValueError(
                f"Block {number} has {M} members and {C} classes; the blocks before it have "
                f"{shape[0]} and {shape[1]}."
            )
        shape = (M, C)
        weight = block[2] if len(block) == 3 else None
        if weight is not None:
            weight = check_weights("sample_weight", weight, n)
        yield P, check_labels(block[1], n, C), weight

"""Weighted votes, or sums, of many candidates at once; and a vote for export to one graph."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._predictions import Predictions, sample_blocks

__all__ = ["Vote", "VotingMember", "as_probabilities", "voting_members", "weighted_votes"]

# Bytes of votes held at once while candidates are scored.
_BLOCK_BYTES = 2**26


def weighted_votes(
    P: Predictions, weights: NDArray, voting: str = "soft", dtype: DTypeLike | None = None
) -> Iterator[tuple[slice, NDArray]]:
    """Votes of all candidates, block by block of samples: one matrix product each.

    Parameters
    ----------
    P : Predictions of shape (M, N, C)
        Probabilities; or predictions of C targets.
    weights : ndarray of shape (K, M)
        One candidate a row.
    voting : {"soft", "hard"}, default="soft"
        What is weighted: the predictions, or each member's choice.
    dtype : dtype, default=None
        Precision of the products; by default that of P, and float32 for float16.

    Yields
    ------
    rows : slice
        Samples of the block.
    votes : ndarray of shape (K, n, C)
    """
    M, _, C = P.shape
    K = len(weights)
    precision = np.result_type(np.float32, P.dtype) if dtype is None else np.dtype(dtype)
    weights = weights.astype(precision, copy=False)
    # Members without a weight in any candidate are not read.
    weighted = np.flatnonzero(weights.any(axis=0))
    members: slice | NDArray[np.intp] = slice(None)
    if len(weighted) < M:
        members, weights = weighted, weights[:, weighted]
    a_sample = precision.itemsize * C * (K + M)
    for rows, block in sample_blocks(P, _BLOCK_BYTES, a_sample, members):
        block = block.astype(precision, copy=False)
        if voting == "hard":
            block = _choices(block)
        n = block.shape[1]
        yield rows, (weights @ block.reshape(len(block), n * C)).reshape(K, n, C)


def as_probabilities(votes: NDArray) -> NDArray[np.float64]:
    """Votes in float64, divided by their sum.

    scikit-learn's scorers raise for a probability above one, and warn if a sum differs from one by
    a rounding error of float32.

    Parameters
    ----------
    votes : ndarray of shape (..., C)
        Weighted votes.

    Returns
    -------
    ndarray of shape (..., C)
    """
    votes = votes.astype(np.float64, copy=False)
    total = votes.sum(axis=-1, keepdims=True)
    return np.asarray(votes / np.where(total > 0, total, 1.0))


def _choices(block: NDArray) -> NDArray:
    """One for the class that each member chooses (the first of equals), zero for the others."""
    chosen = np.zeros_like(block)
    np.put_along_axis(chosen, block.argmax(axis=2)[:, :, None], 1, axis=2)
    return chosen


@dataclass(frozen=True, eq=False)
class VotingMember:
    """One member of a vote, or of a weighted sum.

    Attributes
    ----------
    name : str
        Its name in messages and in the graph.
    estimator : estimator
        Fitted.
    weight : float
        Its weight.
    columns : ndarray of int or None
        Position in the vote of each of its classes; None for a regressor.
    features : ndarray of int or None
        Columns of X that it sees; None for all.
    """

    name: str
    estimator: Any
    weight: float
    columns: NDArray[np.intp] | None = None
    features: NDArray[np.intp] | None = None


@dataclass(frozen=True, eq=False)
class Vote:
    """Fitted members, and how their predictions are combined.

    Estimators that can be exported return one from ``__skprune_vote__``.

    Attributes
    ----------
    members : tuple of VotingMember
        At least one.
    classes : ndarray of shape (C,) or None
        The labels; None for a regressor.
    voting : {"soft", "hard"}
        Whether probabilities are weighted, or each member's choice.
    sample_shape : tuple of int or None
        Shape of the samples that were seen in ``fit``, where that is known.
    intercept : ndarray of shape (k,)
        Added to a regressor's weighted sum.
    flat : bool
        Whether a regressor returns its one target as a vector.
    """

    members: tuple[VotingMember, ...]
    classes: NDArray | None
    voting: str = "soft"
    sample_shape: tuple[int, ...] | None = None
    intercept: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    flat: bool = False


def voting_members(
    estimators: Sequence[Any],
    weights: Iterable[float],
    columns: Iterable[NDArray | None],
    features: Iterable[NDArray | None] | None = None,
    numbers: Iterable[int] | None = None,
) -> tuple[VotingMember, ...]:
    """Members of a vote, with names.

    Parameters
    ----------
    estimators : sequence of M estimators
        Fitted.
    weights : iterable of M floats
        Their weights.
    columns : iterable of M ndarrays or None
        Position in the vote of each of their classes.
    features : iterable of M ndarrays or None, default=None
        Columns of X that each one sees.
    numbers : iterable of M ints, default=None
        Numbers in their names; their positions by default.

    Returns
    -------
    tuple of M VotingMember
    """
    M = len(estimators)
    parts = (
        range(M) if numbers is None else numbers,
        estimators,
        weights,
        columns,
        [None] * M if features is None else features,
    )
    return tuple(VotingMember(f"member_{n}", *rest) for n, *rest in zip(*parts, strict=True))

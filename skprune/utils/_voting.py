"""Weighted votes, or sums, of one or many candidates; and a vote for export to one graph."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._predictions import Predictions, sample_blocks

__all__ = [
    "Vote",
    "VotingMember",
    "as_compared",
    "as_probabilities",
    "voting_members",
    "weighted_sum",
    "weighted_votes",
]

# Bytes of votes held at once while candidates are scored.
_BLOCK_BYTES = 2**26


def weighted_votes(
    P: Predictions, weights: NDArray, voting: str = "soft", dtype: DTypeLike | None = None
) -> Iterator[tuple[slice, NDArray]]:
    """Votes (K, n, C) of K candidates for a block of samples at a time, by one matrix product.

    ``P`` has shape (M, N, C), ``weights`` (K, M). The precision is that of P, and at least float32.
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
    """Votes (..., C) in float64, divided by their sum, as scikit-learn's scorers want them."""
    votes = votes.astype(np.float64, copy=False)
    total = votes.sum(axis=-1, keepdims=True)
    return np.asarray(votes / np.where(total > 0, total, 1.0))


def weighted_sum(
    outputs: Iterable[NDArray], weights: Iterable[float], voting: str = "soft"
) -> NDArray[np.float64]:
    """Sum of one output (n, C) a member, by weights; "hard" counts the chosen class only."""
    total: Any = 0.0
    for output, weight in zip(outputs, weights, strict=True):
        if voting == "hard":
            output = np.eye(output.shape[1])[output.argmax(axis=1)]
        total = total + np.float64(weight) * output
    return total


def as_compared(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean scores in units of the largest, to twelve digits: sums of the same terms are equal."""
    scale = np.abs(means[np.isfinite(means)]).max(initial=0.0)
    return np.round(means / scale, 12) if scale > 0 else means


def _choices(block: NDArray) -> NDArray:
    """One for the class that each member chooses (the first of equals), zero for the others."""
    chosen = np.zeros_like(block)
    np.put_along_axis(chosen, block.argmax(axis=2)[:, :, None], 1, axis=2)
    return chosen


@dataclass(frozen=True, eq=False)
class VotingMember:
    """One member of a vote, or of a weighted sum."""

    name: str  # in messages and in the graph
    estimator: Any  # fitted
    weight: float
    columns: NDArray[np.intp] | None = None  # positions of its classes; None for a regressor
    features: NDArray[np.intp] | None = None  # columns of X that it sees; None for all


@dataclass(frozen=True, eq=False)
class Vote:
    """Fitted members, and how their predictions are combined.

    Estimators that can be exported return one from ``__skprune_vote__``.
    """

    members: tuple[VotingMember, ...]
    classes: NDArray | None  # the labels; None for a regressor
    voting: str = "soft"
    sample_shape: tuple[int, ...] | None = None  # of the samples seen in fit, if known
    intercept: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))  # of a regressor
    flat: bool = False  # whether a regressor returns its one target as a vector


def voting_members(
    estimators: Sequence[Any],
    weights: Iterable[float],
    columns: Iterable[NDArray | None],
    features: Iterable[NDArray | None] | None = None,
    numbers: Iterable[int] | None = None,
) -> tuple[VotingMember, ...]:
    """Members of a vote, named by their numbers, or positions."""
    M = len(estimators)
    parts = (
        range(M) if numbers is None else numbers,
        estimators,
        weights,
        columns,
        [None] * M if features is None else features,
    )
    return tuple(VotingMember(f"member_{n}", *rest) for n, *rest in zip(*parts, strict=True))

"""Weighted votes, or sums, of one or many candidates; and a vote for export to one graph.

Members vote by their probabilities ("soft"), by the class that they choose ("hard"), or by the
logarithms of their probabilities ("log", a logarithmic pool).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._predictions import Predictions, sample_blocks

__all__ = [
    "Vote",
    "VotingMember",
    "VotingRule",
    "as_compared",
    "as_probabilities",
    "floored_logs",
    "probability_floor",
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
        block = _as_cast(block.astype(precision, copy=False), voting)
        n = block.shape[1]
        yield rows, (weights @ block.reshape(len(block), n * C)).reshape(K, n, C)


def probability_floor(n_classes: int) -> float:
    """What a probability counts as at least, where its logarithm is taken.

    A member that gives the true class none would otherwise decide alone.
    """
    return min(1e-3, 0.01 / n_classes)  # all classes together have at most 1 %


def floored_logs(P: NDArray) -> NDArray:
    """Logarithms of probabilities (..., C), which count as at least the floor."""
    floored = np.maximum(P, P.dtype.type(probability_floor(P.shape[-1])))
    return np.asarray(np.log(floored, out=floored))


def as_probabilities(votes: NDArray) -> NDArray[np.float64]:
    """Votes (..., C) in float64, divided by their sum, as scikit-learn's scorers want them."""
    votes = votes.astype(np.float64, copy=False)
    total = votes.sum(axis=-1, keepdims=True)
    return np.asarray(votes / np.where(total > 0, total, 1.0))


def weighted_sum(
    outputs: Iterable[NDArray], weights: Iterable[float], voting: str = "soft"
) -> NDArray[np.float64]:
    """Sum of one output (n, C) a member, by weights; outputs that can sum themselves do."""
    own_sum = getattr(outputs, "weighted_sum", None)
    if own_sum is not None:
        return np.asarray(own_sum(weights, partial(_as_cast, voting=voting)))
    total: Any = 0.0
    for output, weight in zip(outputs, weights, strict=True):
        if voting != "soft":
            output = _as_cast(output.astype(np.float64, copy=False), voting)
        total += np.float64(weight) * output
    return total


@dataclass(frozen=True, eq=False)
class VotingRule:
    """How the outputs of members become probabilities.

    A soft vote is ``p = sum_i w_i p_i``, with a temperature ``softmax(log max(p, eps) /
    temperature)``; a logarithmic pool is ``softmax(sum_i w_i log max(p_i, eps) + intercept)``.
    """

    voting: str = "soft"
    temperature: float = 1.0
    intercept: NDArray[np.float64] | None = None  # (C,), of a logarithmic pool

    def votes(self, outputs: Iterable[NDArray], weights: Iterable[float]) -> NDArray[np.float64]:
        """Votes (n, C); the predicted class has the largest. A temperature changes none."""
        total = weighted_sum(outputs, weights, self.voting)
        if self.voting != "log":
            return as_probabilities(total)
        return total if self.intercept is None else total + self.intercept

    def log_proba(self, votes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logarithms of the probabilities, from the votes."""
        if self.voting != "log" and self.temperature == 1:
            with np.errstate(divide="ignore"):
                return np.log(votes)
        logs = votes
        if self.voting != "log":
            logs = floored_logs(votes) / self.temperature
        # NumPy is slow along short rows; so few terms have the same sum in either layout.
        if logs.shape[1] < 8:
            by_class = logs.T.copy(order="C")  # one row would be a view
            by_class -= by_class.max(axis=0)
            by_class -= np.log(np.exp(by_class).sum(axis=0))
            return np.ascontiguousarray(by_class.T)
        logs = logs - logs.max(axis=1, keepdims=True)
        logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
        return logs

    def proba(self, votes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities, from the votes."""
        if self.voting != "log" and self.temperature == 1:
            return votes
        logs = self.log_proba(votes)
        return np.asarray(np.exp(logs, out=logs))


def as_compared(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean scores in units of the largest, to twelve digits: sums of the same terms are equal."""
    scale = np.abs(means[np.isfinite(means)]).max(initial=0.0)
    return np.round(means / scale, 12) if scale > 0 else means


def _as_cast(P: NDArray, voting: str) -> NDArray:
    """What members with probabilities (..., C) vote, by class."""
    if voting == "log":
        return floored_logs(P)
    if voting == "hard":  # one for the class that a member chooses, the first of equals
        chosen = P.argmax(axis=-1)[..., None] == np.arange(P.shape[-1])
        return chosen.astype(P.dtype)
    return P


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
    rule: VotingRule = VotingRule()
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

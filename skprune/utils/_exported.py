"""What an estimator is made of, for whoever puts it into one graph."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Vote", "VotingMember", "voting_members"]


@dataclass(frozen=True, eq=False)
class VotingMember:
    """One member of a vote, or of a weighted sum.

    Attributes
    ----------
    name : str
        What it is called in messages and in the graph.
    estimator : estimator
        Fitted.
    weight : float
        Its weight.
    columns : ndarray of int or None
        Where its classes stand among those of the vote; None for a regressor.
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
    """Fitted members and how they become one prediction.

    Estimators that can be exported return one from ``__skprune_vote__``.

    Attributes
    ----------
    members : tuple of VotingMember
        At least one.
    classes : ndarray of shape (C,) or None
        The labels; None for a regressor.
    voting : {"soft", "hard"}
        Whether probabilities are weighed, or each member's choice.
    sample_shape : tuple of int or None
        Shape of the samples that were seen in ``fit``, where that is known.
    intercept : ndarray of shape (k,)
        What is added to a regressor's sum.
    flat : bool
        Whether a regressor's one target is given as a vector.
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
    """Members with names.

    Parameters
    ----------
    estimators : sequence of M estimators
        Fitted.
    weights : iterable of M floats
        Their weights.
    columns : iterable of M ndarrays or None
        Where each one's classes stand.
    features : iterable of M ndarrays or None, default=None
        Columns of X that each one sees.
    numbers : iterable of M ints, default=None
        What they are called by; their positions by default.

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

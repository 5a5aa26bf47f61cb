"""Validation of what a user gives to the ensembles, before anything expensive."""

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np

from ..utils import Constraint, Number
from ._space import CNNArchitecture, CNNSpace

__all__ = ["TRAINING_CONSTRAINTS", "Shape", "check_architecture", "check_weights"]

#: Constraints of the parameters that both ensembles have.
TRAINING_CONSTRAINTS: dict[str, Any] = {
    "epochs": [Number(Integral, 1)],
    "batch_size": [Number(Integral, 1)],
    "n_iter_no_change": [None, Number(Integral, 1)],
    "validation_fraction": [None, Number(Real, 0, 1)],
    "verbose": ["verbose"],
}


class Shape(Constraint):
    """Some positive integers, as many as one of the names says."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names = names

    def is_satisfied_by(self, val: Any) -> bool:
        if isinstance(val, str) or not isinstance(val, Iterable):
            return False
        sides = tuple(val)
        positive = all(isinstance(side, Integral) and side >= 1 for side in sides)
        return positive and len(sides) in [name.count(",") + 1 for name in self.names]

    def __str__(self) -> str:
        return " or ".join(self.names)


def check_architecture(architecture: CNNArchitecture | None) -> None:
    """Raise for an architecture that no CNNSpace has."""
    if architecture is None:
        return
    try:
        CNNSpace(
            n_blocks=[len(architecture.blocks)],
            filters=[filters for block in architecture.blocks for filters in block.filters],
            pooling=[block.pooling for block in architecture.blocks],
            dense_units=[architecture.dense_units],
            dropout=[architecture.dropout],
            learning_rate=(architecture.learning_rate, architecture.learning_rate),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"architecture must be a CNNArchitecture that is one of a CNNSpace; got "
            f"{architecture!r}: {error}"
        ) from error


def check_weights(sample_weight: np.ndarray, y: np.ndarray) -> None:
    """Raise a ValueError unless the rows with weight can be trained on.

    Parameters
    ----------
    sample_weight : ndarray of shape (n_samples,)
        Finite weights.
    y : ndarray of shape (n_samples,)
        Classes as integers.
    """
    if (sample_weight < 0).any():
        raise ValueError(
            f"sample_weight must not be negative, got {sample_weight.min()} as the lowest."
        )
    if not sample_weight.any():
        raise ValueError("sample_weight must hold a positive weight, got only zeros.")
    if len(np.unique(y[sample_weight > 0])) < 2:
        raise ValueError(
            "sample_weight leaves rows of one class only; at least two classes must have rows "
            "of positive weight."
        )

"""What members are asked for: probabilities of classes, or targets."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ..utils import BasePool, MemberPool, RegressorPool

__all__ = ["Classification", "Regression", "Task"]


@dataclass(frozen=True, eq=False)
class Classification:
    """Members give probabilities of these classes.

    Attributes
    ----------
    classes : ndarray of shape (C,)
        Sorted classes.
    """

    classes: NDArray

    def pool(self, fitted: Any) -> BasePool:
        """The members of a fitted ensemble or list, aligned to the classes."""
        return MemberPool.from_fitted(fitted, self.classes)


@dataclass(frozen=True, eq=False)
class Regression:
    """Members predict this many targets.

    Attributes
    ----------
    n_targets : int
        Number of targets T.
    flat : bool
        Whether y has one dimension, and so has what is predicted.
    """

    n_targets: int
    flat: bool

    def pool(self, fitted: Any) -> BasePool:
        """The members of a fitted ensemble or list."""
        return RegressorPool.from_fitted(fitted, self.n_targets)


Task = Classification | Regression

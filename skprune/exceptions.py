"""Errors that skprune raises under its own name.

Wrong arguments are ``ValueError`` or ``TypeError``, as in scikit-learn; the classes here
are for what fails although the arguments were right.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sklearn.exceptions import NotFittedError

__all__ = [
    "AmountCorrectedWarning",
    "CacheError",
    "CacheWarning",
    "CurveMisfitWarning",
    "GraphFileError",
    "InfeasibleLimitsWarning",
    "MemberFileError",
    "MemberTrainingError",
    "MissingExtraError",
    "NoMemberLeftError",
    "NotFittedError",
    "SavedFormatError",
    "SavedVersionWarning",
    "SkpruneError",
    "SolverError",
    "SolverNotInstalledError",
    "UnsupportedMemberError",
]


def __getattr__(name: str) -> Any:
    # Scikit-learn's own, loaded when it is asked for: serving a graph needs no scikit-learn.
    if name == "NotFittedError":
        from sklearn.exceptions import NotFittedError

        return NotFittedError
    raise AttributeError(f"module 'skprune.exceptions' has no attribute {name!r}")


class SkpruneError(Exception):
    """Base class of every error that is skprune's own."""


class SolverError(SkpruneError, RuntimeError):
    """A solver failed and left no usable weights."""


class SolverNotInstalledError(SkpruneError, ImportError):
    """The solver that was asked for, or what it needs, is not installed."""


class NoMemberLeftError(SkpruneError, ValueError):
    """The penalty is so large that every weight is zero."""


class MemberFileError(SkpruneError, ValueError):
    """A file of a fitted member is missing, or cannot be used; the message names it."""


class MemberTrainingError(SkpruneError, RuntimeError):
    """A member could not be trained; the message names it and its architecture."""


class SavedFormatError(SkpruneError, ValueError):
    """What was saved has an unknown format, is broken, or holds what cannot be loaded safely."""


class SavedVersionWarning(UserWarning):
    """What was saved was saved with other versions of the packages that it depends on."""


class CacheError(SkpruneError, OSError):
    """The cache has no room for what is to be stored, or cannot keep or find what it must."""


class MissingExtraError(SkpruneError, ImportError):
    """A package is missing that an extra of skprune brings; the message names the extra."""


class UnsupportedMemberError(SkpruneError, TypeError):
    """A member cannot go into one graph; the message names it and what to use instead."""


class GraphFileError(SkpruneError, ValueError):
    """A file is no graph that skprune wrote, or cannot be written as one; the message says why."""


class CacheWarning(UserWarning):
    """The cache holds something broken or of another version, or could not take something."""


class InfeasibleLimitsWarning(UserWarning):
    """The limits cannot all be met; the message names the nearest amount and what it misses."""


class CurveMisfitWarning(UserWarning):
    """A curve does not follow its measurements; the message names it and what to take instead."""


class AmountCorrectedWarning(UserWarning):
    """What was pruned fell short of a limit that its curve promised; the message says what now."""

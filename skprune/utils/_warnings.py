"""Warnings that point at the line of the user."""

import sys
import warnings

__all__ = ["warn_user"]

# Packages between a user's call and ours.
_INSIDE = ("skprune", "sklearn", "joblib")


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the innermost line that is not in this package, nor in what calls it."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and _is_inside(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level + 1)


def _is_inside(module: str) -> bool:
    return module.split(".")[0] in _INSIDE

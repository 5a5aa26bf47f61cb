"""Checks of parameters that several subpackages share; every message names the argument."""

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.sparse import issparse

from ._sklearn import InvalidParameterError

__all__ = [
    "check_alpha",
    "check_lam",
    "check_n_jobs",
    "check_one_of",
    "is_finite",
    "is_integer",
    "is_real",
    "refuse_multilabel",
]


def is_integer(value: Any) -> bool:
    """Whether a value is an integer, and no bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_real(value: Any) -> bool:
    """Whether a value is a real number, and no bool."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_finite(value: Any) -> bool:
    """Whether a value is a real number that a float can hold."""
    try:
        return is_real(value) and math.isfinite(value)
    except OverflowError:  # an integer beyond floats
        return False


def check_one_of(name: str, value: Any, options: Iterable[str]) -> None:
    """Refuse a name that is none of the options; arrays of names among them."""
    options = list(options)
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be one of {options}; got {value!r}.")


def check_alpha(alpha: float) -> float:
    """Return alpha as a float in [0, 1], or raise what is wrong with it."""
    if not is_real(alpha):
        raise TypeError(f"alpha must be a number in [0, 1]; got {alpha!r}.")
    if not 0 <= alpha <= 1:
        raise ValueError(
            f"alpha must lie in [0, 1] (1: accuracy alone, 0: diversity alone); got {alpha!r}."
        )
    return float(alpha)


def check_lam(lam: float, *, upper: float = 1.0) -> float:
    """Return lam as a float in [0, upper), or raise what is wrong with it."""
    if not is_real(lam):
        raise TypeError(f"lam must be a number in [0, 1); got {lam!r}.")
    if not is_finite(lam) or lam < 0:
        raise ValueError(f"lam must be finite and not negative; got {lam!r}.")
    if lam >= upper:
        raise ValueError(
            f"lam must lie in [0, 1), as a share of the penalty that leaves no member; got "
            f"{lam!r}. Any lam below 1 keeps at least one member."
        )
    return float(lam)


def check_n_jobs(n_jobs: Any) -> None:
    """Refuse what is no number of jobs, before joblib does."""
    if n_jobs is None:
        return
    most = np.iinfo(np.int32).max
    if not is_integer(n_jobs) or n_jobs == 0 or abs(n_jobs) > most:
        raise InvalidParameterError(
            "n_jobs must be an integer other than 0 (jobs at a time; -1: all cores, -2: all but "
            f"one), or None; got {n_jobs!r}."
        )


def refuse_multilabel(y: Any) -> None:
    """Refuse targets of which there are several a sample, where one class is wanted."""
    shape: tuple[Any, ...]
    try:
        shape = np.shape(y) if isinstance(y, list | tuple) else getattr(y, "shape", ())
    except ValueError:  # lists of different lengths: the labels of each sample
        shape = (len(y), "any number")
    if issparse(y) or (len(shape) > 1 and shape[1] != 1):
        raise ValueError(
            f"y must hold one class a sample; got shape {shape}. Multilabel and multi-output "
            "targets are not supported: fit one classifier for each column."
        )

"""Validation of parameters that several subpackages share; every message names the parameter."""

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.sparse import issparse

from ._sklearn import (
    Interval,
    Options,
    make_constraint,
    validate_parameter_constraints,
)

__all__ = [
    "ALPHA",
    "LAM",
    "N_JOBS",
    "RANDOM_STATE",
    "Constraint",
    "Number",
    "SequenceOf",
    "Splitter",
    "check_parameters",
    "is_integer",
    "refuse_multilabel",
]


class Number(Interval):
    """An interval of finite numbers, without bool; ``meaning`` explains it in messages."""

    def __init__(
        self, kind: type, low: Any, high: Any = None, *, closed: str = "left", meaning: str = ""
    ) -> None:
        super().__init__(kind, low, high, closed=closed)
        self.meaning = meaning

    def is_satisfied_by(self, val: Any) -> bool:
        if isinstance(val, bool) or not isinstance(val, self.type):
            return False
        try:
            number = float(val)
        except OverflowError:  # an integer that no float can hold
            return False
        return math.isfinite(number) and (val if self.type is Integral else number) in self

    def __str__(self) -> str:
        return f"{super().__str__()} ({self.meaning})" if self.meaning else super().__str__()


class Constraint(Options):
    """Base class of other constraints: scikit-learn takes subclasses of its own ones only."""

    def __init__(self) -> None:
        super().__init__(object, set())


class SequenceOf(Constraint):
    """A non-empty sequence whose elements each satisfy one of some constraints."""

    def __init__(self, *constraints: Any) -> None:
        super().__init__()
        self.constraints = [make_constraint(constraint) for constraint in constraints]

    def is_satisfied_by(self, val: Any) -> bool:
        # An iterator would be used up.
        if isinstance(val, str) or not hasattr(val, "__len__") or not np.iterable(val):
            return False
        values = list(val)
        return bool(values) and all(
            any(constraint.is_satisfied_by(value) for constraint in self.constraints)
            for value in values
        )

    def __str__(self) -> str:
        return f"a non-empty sequence of {' or '.join(map(str, self.constraints))}"


class Splitter(Constraint):
    """An instance of a cross-validation splitter; with ``iterable``, also pairs of positions."""

    def __init__(self, *, iterable: bool = False) -> None:
        super().__init__()
        self.iterable = iterable

    def is_satisfied_by(self, val: Any) -> bool:
        if isinstance(val, str | type):
            return False
        return hasattr(val, "split") or (self.iterable and np.iterable(val))

    def __str__(self) -> str:
        pairs = " or an iterable of (train, test)" if self.iterable else ""
        return f"a cross-validation splitter{pairs}"


#: alpha and lambda of the program.
ALPHA = [Number(Real, 0, 1, closed="both", meaning="1: accuracy alone, 0: diversity alone")]
LAM = [Number(Real, 0, 1, meaning="relative; any lam below 1 keeps at least one member")]
N_JOBS = [
    None,
    Number(Integral, 1, 2**31, meaning="jobs at a time"),
    Number(Integral, -(2**31), 0, meaning="-1: all cores, -2: all but one"),
]
RANDOM_STATE = [None, Number(Integral, 0, 2**32), np.random.RandomState]


def check_parameters(owner: str, constraints: Mapping[str, Any], **values: Any) -> None:
    """Raise for the first argument of a function that satisfies none of its constraints."""
    validate_parameter_constraints(constraints, values, owner)


def is_integer(value: Any) -> bool:
    """Whether a value is an integer, and no bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)


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

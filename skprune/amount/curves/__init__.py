"""Curves of accuracy, time and size against the pruning amount: one kind a file, one table."""

from collections.abc import Callable

from ._additive import AdditiveCurve, unfitted_copy
from ._base import BaseCurve, distinct_counts
from ._logistic import LogisticCurve
from ._monotone import MonotoneCurve
from ._polynomial import PolynomialCurve

__all__ = [
    "CURVES",
    "AdditiveCurve",
    "BaseCurve",
    "LogisticCurve",
    "MonotoneCurve",
    "PolynomialCurve",
    "distinct_counts",
    "unfitted_copy",
]

# Name -> the curve it stands for, not fitted.
CURVES: dict[str, Callable[[], BaseCurve]] = {
    "logistic": LogisticCurve,
    "linear": lambda: PolynomialCurve(1),
    "quadratic": lambda: PolynomialCurve(2),
    "cubic": lambda: PolynomialCurve(3),
    "isotonic": lambda: MonotoneCurve("linear"),
    "pchip": lambda: MonotoneCurve("pchip"),
}

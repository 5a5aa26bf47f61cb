"""Checks that the functions of this room share."""

from numbers import Real
from typing import Any

__all__ = ["check_amount"]


def check_amount(amount: Any, name: str, most: str) -> float:
    """Check one pruning amount.

    Parameters
    ----------
    amount : object
        What a user gave.
    name : str
        What to call it.
    most : str
        Words that name the largest amount that is possible.

    Returns
    -------
    float
        In [0, 1).
    """
    if not isinstance(amount, Real) or isinstance(amount, bool):
        raise TypeError(f"{name} must be a number in [0, 1); got {amount!r}.")
    if not 0 <= float(amount) < 1:
        raise ValueError(f"{name} must lie in [0, 1); got {amount!r}. Here {most}.")
    return float(amount)

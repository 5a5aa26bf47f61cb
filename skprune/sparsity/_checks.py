"""Checks that the functions of this subpackage share."""

from numbers import Integral, Real
from typing import Any

import numpy as np

__all__ = ["check_amount", "check_integer", "check_steps"]


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


def check_integer(name: str, value: Any, lowest: int) -> None:
    """Check a number of things.

    Parameters
    ----------
    name : str
        What to call it.
    value : object
        What a user gave.
    lowest : int
        The least that there may be.
    """
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer of at least {lowest}; got {value!r}.")
    if value < lowest:
        raise ValueError(f"{name} must be an integer of at least {lowest}; got {value!r}.")


def check_steps(batch_size: Any, learning_rate: Any) -> None:
    """Check how steps of training are taken.

    Parameters
    ----------
    batch_size, learning_rate : object
        What a user gave.
    """
    check_integer("batch_size", batch_size, 1)
    number = isinstance(learning_rate, Real) and not isinstance(learning_rate, bool)
    if not number or not 0 < float(learning_rate) < np.inf:
        raise ValueError(f"learning_rate must be a positive number; got {learning_rate!r}.")

"""A private generator for every kind of ``random_state``."""

from numbers import Integral
from typing import Any

import numpy as np

from ..utils import draw_seed

__all__ = ["generator"]


def generator(random_state: Any) -> np.random.Generator:
    """A generator that leaves NumPy's global one alone.

    Parameters
    ----------
    random_state : int, RandomState instance, numpy Generator or None
        None is seeded by the operating system; a RandomState is advanced by one draw.

    Returns
    -------
    numpy Generator
    """
    if isinstance(random_state, np.random.Generator) or random_state is None:
        return np.random.default_rng(random_state)
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(draw_seed(random_state))
    integer = isinstance(random_state, Integral) and not isinstance(random_state, bool)
    if integer and random_state >= 0:
        return np.random.default_rng(int(random_state))
    raise ValueError(
        "random_state must be None, an int >= 0, a RandomState or a numpy Generator; got "
        f"{random_state!r}."
    )

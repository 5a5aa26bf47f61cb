"""Checks of parameters that several rooms share."""

from numbers import Real

import numpy as np

__all__ = ["check_alpha", "check_lam"]


def check_alpha(alpha: float) -> float:
    """Return alpha as a float in [0, 1], or raise what is wrong with it."""
    if not isinstance(alpha, Real) or isinstance(alpha, bool):
        raise TypeError(f"alpha must be a number in [0, 1]; got {alpha!r}.")
    if not 0 <= alpha <= 1:
        raise ValueError(
            f"alpha must lie in [0, 1] (1: accuracy alone, 0: diversity alone); got {alpha!r}."
        )
    return float(alpha)


def check_lam(lam: float, *, upper: float = 1.0) -> float:
    """Return lam as a float in [0, upper), or raise what is wrong with it."""
    if not isinstance(lam, Real) or isinstance(lam, bool):
        raise TypeError(f"lam must be a number in [0, 1); got {lam!r}.")
    if np.isnan(lam) or lam < 0 or np.isinf(lam):
        raise ValueError(f"lam must be finite and not negative; got {lam!r}.")
    if lam >= upper:
        raise ValueError(
            f"lam must lie in [0, 1), as a share of the penalty that leaves no member; got "
            f"{lam!r}. Any lam below 1 keeps at least one member."
        )
    return float(lam)

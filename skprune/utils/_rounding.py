"""Means that differ by rounding only are equal."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_compared"]


def as_compared(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means in units of the largest, to twelve digits: sums of the same terms come out equal.

    Parameters
    ----------
    means : ndarray
        NaN is left as it is.

    Returns
    -------
    ndarray of the same shape
    """
    scale = np.abs(means[np.isfinite(means)]).max(initial=0.0)
    return np.round(means / scale, 12) if scale > 0 else means

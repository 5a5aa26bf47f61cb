"""Points of operation, and what is wanted of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..utils import ReprHTML

__all__ = ["QUANTITIES", "ROUNDING", "Goal", "OperatingPoints"]

QUANTITIES = ("accuracy", "time", "size")
#: A limit that is missed by less than this share of it is met but for rounding.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class OperatingPoints(ReprHTML):
    """Networks pruned by given amounts, as the curves predict them.

    Attributes
    ----------
    amounts : ndarray of shape (n, d)
        Pruning amounts in [0, 1], one column a view, layer or member.
    accuracy : ndarray of shape (n,)
        Accuracy in percent.
    time : ndarray of shape (n,) or None, default=None
        Time in the unit of the measurements; None where it was not measured.
    size : ndarray of shape (n,) or None, default=None
        Size in the unit of the measurements; None where it was not measured.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.amount import OperatingPoints, PruningReward
    >>> points = OperatingPoints(np.array([[0.2], [0.6]]), accuracy=np.array([94.0, 63.5]))
    >>> points.size is None
    True
    """

    amounts: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    time: NDArray[np.float64] | None = None
    size: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Goal(ReprHTML):
    """Limits, and what rewards aim at where there is no limit.

    Attributes
    ----------
    min_accuracy : float or None, default=None
        Least accuracy in percent.
    max_size, max_time : float or None, default=None
        Most that size and time may be, in the units of the measurements.
    best_accuracy : float, default=100.0
        Highest accuracy of the curve within the bounds, in percent.
    largest_size : float or None, default=None
        Largest size of the curve within the bounds; None where size was not measured.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.amount import Goal, OperatingPoints
    >>> points = OperatingPoints(np.array([[0.2], [0.6]]), accuracy=np.array([94.0, 63.5]))
    >>> Goal(min_accuracy=80).misses(points)
    {'min_accuracy': array([ 0. , 16.5])}
    """

    min_accuracy: float | None = None
    max_size: float | None = None
    max_time: float | None = None
    best_accuracy: float = 100.0
    largest_size: float | None = None

    def misses(self, points: OperatingPoints) -> dict[str, NDArray[np.float64]]:
        """By how much each limit is missed, in its unit; zero where it is met.

        Parameters
        ----------
        points : OperatingPoints
            The n points.

        Returns
        -------
        dict of str to ndarray of shape (n,)
            One entry for each limit that there is.
        """
        missed: dict[str, NDArray[np.float64]] = {}
        if self.min_accuracy is not None:
            missed["min_accuracy"] = np.maximum(self.min_accuracy - points.accuracy, 0.0)
        if self.max_size is not None and points.size is not None:
            missed["max_size"] = np.maximum(points.size - self.max_size, 0.0)
        if self.max_time is not None and points.time is not None:
            missed["max_time"] = np.maximum(points.time - self.max_time, 0.0)
        return missed

    def violation(self, points: OperatingPoints) -> NDArray[np.float64]:
        """How far points are from meeting all limits: each miss as a share of its limit.

        Parameters
        ----------
        points : OperatingPoints
            The n points.

        Returns
        -------
        ndarray of shape (n,)
            Root of the sum of squares; zero where all limits are met.
        """
        total = np.zeros(len(points.accuracy))
        for name, missed in self.misses(points).items():
            total += (missed / getattr(self, name)) ** 2
        return np.sqrt(total)

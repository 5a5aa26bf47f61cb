"""Curves, rewards and limits together: what every amount is worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._points import Goal, OperatingPoints
from ._rewards import Reward
from .curves import BaseCurve

__all__ = ["Landscape", "curve_values"]


@dataclass(frozen=True, eq=False)
class Landscape:
    """What amounts are worth, by the fitted curves.

    Attributes
    ----------
    curves : mapping of str to fitted curve
        A curve for each quantity that was measured.
    rewards : tuple of Reward
        Whose weighted values add up to the total.
    goal : Goal
        The limits.
    percent : float
        What accuracies are multiplied with to be in percent: 100 for fractions, else 1.
    floors : mapping of str to float
        Least time and size that are believed of a curve.
    """

    curves: Mapping[str, Any]
    rewards: tuple[Reward, ...]
    goal: Goal
    percent: float
    floors: Mapping[str, float]

    def points(self, amounts: NDArray[np.float64]) -> OperatingPoints:
        """What the curves predict.

        Parameters
        ----------
        amounts : ndarray of shape (n, d)
            Pruning amounts.

        Returns
        -------
        OperatingPoints
        """
        values = {name: curve_values(curve, amounts) for name, curve in self.curves.items()}
        values["accuracy"] = values["accuracy"] * self.percent
        return OperatingPoints(amounts, **values)

    def rewards_of(self, points: OperatingPoints) -> dict[str, NDArray[np.float64]]:
        """Weighted value of each reward, by its name.

        Parameters
        ----------
        points : OperatingPoints
            n points.

        Returns
        -------
        dict of str to ndarray of shape (n,)

        Raises
        ------
        ValueError
            If a reward has a wrong shape, or is not finite.
        """
        n = len(points.amounts)
        values = {}
        for reward in self.rewards:
            value = np.asarray(reward.value(points, self.goal), dtype=np.float64)
            if value.shape != (n,):
                raise ValueError(
                    f"The value of {type(reward).__name__} must have shape ({n},), one number a "
                    f"point; got {value.shape}."
                )
            if not np.isfinite(value).all():
                at = points.amounts[np.flatnonzero(~np.isfinite(value))[0]]
                raise ValueError(
                    f"The value of {type(reward).__name__} must be finite; at amount "
                    f"{at.tolist()} it is not."
                )
            values[reward.name] = reward.weight * value
        return values

    def unbelievable(self, points: OperatingPoints) -> dict[str, NDArray[np.float64]]:
        """How far times and sizes lie below their floors, as a share of one plus the floor.

        Parameters
        ----------
        points : OperatingPoints
            n points.

        Returns
        -------
        dict of str to ndarray of shape (n,)
            Zero where the curve is believed.
        """
        return {
            name: np.maximum(floor - getattr(points, name), 0.0) / (1.0 + floor)
            for name, floor in self.floors.items()
        }

    def evaluate(
        self, amounts: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Violation of limits, and total reward.

        Parameters
        ----------
        amounts : ndarray of shape (n, d)
            Pruning amounts.

        Returns
        -------
        violation, reward : ndarrays of shape (n,)
            The violation is zero where all limits are met.
        """
        points = self.points(amounts)
        violation = self.goal.violation(points)
        for missed in self.unbelievable(points).values():
            # Any such point is worse than one that only misses a limit.
            violation = violation + np.where(missed > 0, 1e3 + missed, 0.0)
        reward = np.zeros(len(amounts))
        for value in self.rewards_of(points).values():
            reward += value
        return violation, reward


def curve_values(curve: Any, amounts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of a fitted curve at amounts that were checked.

    Parameters
    ----------
    curve : fitted curve
        Ours, or anything with ``predict``.
    amounts : ndarray of shape (n, d)
        Pruning amounts.

    Returns
    -------
    ndarray of shape (n,)
    """
    if isinstance(curve, BaseCurve):
        return curve._values(amounts)
    return np.asarray(curve.predict(amounts), dtype=np.float64).reshape(len(amounts))

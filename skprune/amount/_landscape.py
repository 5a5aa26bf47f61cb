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
    least : mapping of str to float
        Sizes, and times, below these are not believed of a curve: at zero the reward for size
        has no bound, and any limit would be met.
    """

    curves: Mapping[str, Any]
    rewards: tuple[Reward, ...]
    goal: Goal
    percent: float
    least: Mapping[str, float]

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
        values = {name: curve_values(curve, amounts, name) for name, curve in self.curves.items()}
        values["accuracy"] = values["accuracy"] * self.percent
        return OperatingPoints(amounts, **values)

    def in_units(self, points: OperatingPoints) -> dict[str, NDArray[np.float64]]:
        """Predicted quantities in the units of the measurements.

        Parameters
        ----------
        points : OperatingPoints
            n points.

        Returns
        -------
        dict of str to ndarray of shape (n,)
        """
        values = {name: getattr(points, name) for name in self.curves}
        return values | {"accuracy": points.accuracy / self.percent}

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

    def unbelievable(self, points: OperatingPoints) -> dict[str, NDArray[np.bool_]]:
        """Where a curve falls below what is believed of it.

        Parameters
        ----------
        points : OperatingPoints
            n points.

        Returns
        -------
        dict of str to ndarray of shape (n,), bool
        """
        return {name: getattr(points, name) < least for name, least in self.least.items()}

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
            The violation is zero where all limits are met, and below one where only they are
            missed.
        """
        points = self.points(amounts)
        missed = self.goal.violation(points)
        # Below one for limits, so that a curve that is not believed is worse than any miss.
        violation = missed / (1 + missed)
        for name, wrong in self.unbelievable(points).items():
            short = np.maximum(self.least[name] - getattr(points, name), 0.0)
            violation = violation + wrong * (1 + short / (1 + short))
        reward = np.zeros(len(amounts))
        for value in self.rewards_of(points).values():
            reward += value
        return violation, reward


def curve_values(curve: Any, amounts: NDArray[np.float64], quantity: str) -> NDArray[np.float64]:
    """Values of a fitted curve at amounts that were checked.

    Parameters
    ----------
    curve : fitted curve
        Ours, or anything with ``predict``.
    amounts : ndarray of shape (n, d)
        Pruning amounts.
    quantity : str
        What it is a curve of.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    ValueError
        If it does not predict one finite number an amount.
    """
    if isinstance(curve, BaseCurve):
        values = curve._values(amounts)
    else:
        values = np.asarray(curve.predict(amounts), dtype=np.float64)
    if values.size != len(amounts) or not np.isfinite(values).all():
        raise ValueError(
            f"The {quantity} curve, {type(curve).__name__}, must predict one finite number an "
            f"amount; for {len(amounts)} amounts it gave an array of shape {values.shape}"
            f"{'' if np.isfinite(values).all() else ' with NaN or infinity'}."
        )
    return values.reshape(len(amounts))

"""From what a search found to an answer, and to what its user must be told."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import CurveMisfitWarning, InfeasibleLimitsWarning
from ._fit_quality import CurveFit
from ._landscape import Landscape
from ._measurements import Measurements
from ._points import Goal
from ._rewards import Reward
from ._search import N_GRID, SearchResult

__all__ = [
    "Outcome",
    "landscape_of",
    "outcome_of",
    "warn_of_misfits",
    "warn_of_outcome",
    "with_curves",
]

# Sizes below this share of the smallest measured one are not believed of a curve.
_BELIEVED = 0.01
# A reward that varies by less over the grid decides nothing.
_FLAT = 1e-6


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the answer is worth.

    Attributes
    ----------
    found : SearchResult
        What the search found.
    feasible : bool
        Whether the best point meets all limits.
    misses : dict of str to float
        By how much it misses each limit, in the user's units.
    line : ndarray of shape (1001, d)
        Amounts along the diagonal of the bounds: for one column, the grid.
    """

    found: SearchResult
    feasible: bool
    misses: dict[str, float]
    line: NDArray[np.float64]


def landscape_of(
    curves: Mapping[str, Any],
    rewards: tuple[Reward, ...],
    limits: Mapping[str, float | None],
    measured: Measurements,
    bounds: NDArray[np.float64],
) -> Landscape:
    """Join fitted curves, rewards and limits.

    Parameters
    ----------
    curves : mapping of str to fitted curve
        A curve for each measured quantity.
    rewards : tuple of Reward
        What is maximised.
    limits : mapping of str to float or None
        In the user's units.
    measured : Measurements
        What the curves were fitted to.
    bounds : ndarray of shape (2, d)
        Amounts to consider.

    Returns
    -------
    Landscape
    """
    sizes = measured.values.get("size", np.zeros(0))
    least_size = _BELIEVED * float(sizes[sizes > 0].min()) if (sizes > 0).any() else 0.0
    least = limits["min_accuracy"]
    goal = Goal(
        min_accuracy=None if least is None else float(least) * measured.percent,
        max_size=limits["max_size"],
        max_time=limits["max_time"],
    )
    return with_curves(
        Landscape(curves, rewards, goal, measured.percent, least_size), curves, bounds
    )


def with_curves(
    landscape: Landscape, curves: Mapping[str, Any], bounds: NDArray[np.float64]
) -> Landscape:
    """The same rewards and limits over other curves.

    Parameters
    ----------
    landscape : Landscape
        Where rewards and limits come from.
    curves : mapping of str to fitted curve
        A curve for each measured quantity.
    bounds : ndarray of shape (2, d)
        Amounts to consider.

    Returns
    -------
    Landscape
    """
    landscape = replace(landscape, curves=curves)
    points = landscape.points(_diagonal(bounds))
    goal = replace(
        landscape.goal,
        best_accuracy=float(points.accuracy.max()),
        largest_size=None if points.size is None else float(points.size.max()),
    )
    return replace(landscape, goal=goal)


def outcome_of(landscape: Landscape, found: SearchResult, bounds: NDArray[np.float64]) -> Outcome:
    """Say whether the limits are met, and by how much they are missed.

    Parameters
    ----------
    landscape : Landscape
        What was searched.
    found : SearchResult
        What was found.
    bounds : ndarray of shape (2, d)
        Amounts that were considered.

    Returns
    -------
    Outcome

    Raises
    ------
    ValueError
        If the curves are not believable at any amount.
    """
    points = landscape.points(found.best.point[None, :])
    if landscape.too_small(points)[0] > 0:
        raise ValueError(
            "The size curve falls to zero or below at every amount within the bounds: "
            "size_curve='pchip' does not."
        )
    misses = {name: float(missed[0]) for name, missed in landscape.goal.misses(points).items()}
    if "min_accuracy" in misses:
        misses["min_accuracy"] /= landscape.percent
    return Outcome(found, found.best.violation == 0, misses, _diagonal(bounds))


def warn_of_misfits(fits: Mapping[str, CurveFit], kinds: Mapping[str, Any]) -> None:
    """Warn of curves that do not follow their measurements.

    Parameters
    ----------
    fits : mapping of str to CurveFit
        How each curve follows.
    kinds : mapping of str to str or object
        What was given for each.
    """
    for name, fit in fits.items():
        if fit.misfit:
            warnings.warn(
                f"The {name} curve ({kinds[name]}) does not follow its measurements: {fit.misfit}. "
                f"Try {name}_curve='pchip', which follows whatever falls or rises, or compare "
                "curves with GridSearchCV.",
                CurveMisfitWarning,
                stacklevel=3,
            )


def warn_of_outcome(landscape: Landscape, outcome: Outcome, measured: Measurements) -> None:
    """Warn of limits that cannot be met, of guesses, and of rewards that decide nothing.

    Parameters
    ----------
    landscape : Landscape
        What was searched.
    outcome : Outcome
        What came of it.
    measured : Measurements
        What the curves were fitted to.
    """
    line = landscape.points(outcome.line)
    best, one = outcome.found.best.point, measured.amounts.shape[1] == 1
    if not outcome.feasible:
        warnings.warn(
            _cannot_be_met(landscape, outcome, one), InfeasibleLimitsWarning, stacklevel=3
        )
    missing = landscape.too_small(line) > 0
    if missing.any():
        where = outcome.line[missing].mean(axis=1)
        warnings.warn(
            f"The size curve falls to zero or below between amounts {where.min():.3g} and "
            f"{where.max():.3g}, which were left out. Try size_curve='pchip'.",
            CurveMisfitWarning,
            stacklevel=3,
        )
    low, high = measured.amounts.min(axis=0), measured.amounts.max(axis=0)
    if ((best < low) | (best > high)).any():
        warnings.warn(
            f"The best amount {_said(best)} lies outside the measured ones, {_said(low)} to "
            f"{_said(high)}: the curves are guesses there. Measure it, or leave bounds=None.",
            CurveMisfitWarning,
            stacklevel=3,
        )
    for reward, value in zip(landscape.rewards, landscape.rewards_of(line).values(), strict=True):
        if reward.name in ("accuracy", "time") and reward.weight and np.ptp(value) < _FLAT:
            warnings.warn(
                f"The {reward.name} reward is {value[0]:.3g} at every amount and decides nothing: "
                f"its sigma is in the unit of y. Give rewards with another sigma, or leave "
                f"{type(reward).__name__} out.",
                UserWarning,
                stacklevel=3,
            )


def _cannot_be_met(landscape: Landscape, outcome: Outcome, one: bool) -> str:
    """Which limits conflict, the nearest amount, and what it misses."""
    names = " and ".join(_limit(landscape, name) for name in outcome.misses)
    missed = " and ".join(
        f"{name} by {miss:.4g}" for name, miss in outcome.misses.items() if miss > 0
    )
    where = ""
    if one:
        parts = []
        for name, miss in landscape.goal.misses(landscape.points(outcome.line)).items():
            met = outcome.line[miss == 0, 0]
            parts.append(
                f"{name} is met at amounts {met.min():.3f} to {met.max():.3f}"
                if len(met)
                else f"{name} is met at none"
            )
        where = f" ({', '.join(parts)})"
    together = "cannot be met together" if len(outcome.misses) > 1 else "cannot be met"
    return (
        f"{names} {together} by any amount within the bounds{where}. The nearest amount is "
        f"{_said(outcome.found.best.point)}, which misses {missed}. Relax a limit, or take it."
    )


def _limit(landscape: Landscape, name: str) -> str:
    value = getattr(landscape.goal, name)
    return f"{name}={value / landscape.percent if name == 'min_accuracy' else value:g}"


def _said(amounts: NDArray[np.float64]) -> str:
    said = ", ".join(f"{amount:.4g}" for amount in amounts)
    return said if len(amounts) == 1 else f"[{said}]"


def _diagonal(bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.linspace(bounds[0], bounds[1], N_GRID)

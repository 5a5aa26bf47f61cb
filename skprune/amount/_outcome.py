"""From what a search found to an answer and its warnings."""

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
from ._points import ROUNDING, Goal, OperatingPoints
from ._rewards import Reward, TimeReward
from ._search import N_GRID, Best, SearchResult

__all__ = [
    "Outcome",
    "landscape_of",
    "limits_met",
    "outcome_of",
    "warn_of_misfits",
    "warn_of_outcome",
    "with_curves",
]

# Sizes and times below this share of the smallest measured one are not believed of a curve.
_BELIEVED = 0.01
# A cliff between two measured amounts: a step of this share of the range of the measurements, this
# many times what an even fall would take there, and this share of the limit.
_CLIFF, _TIMES_EVEN, _OF_LIMIT = 0.5, 2.0, 0.1
# Amounts this close are one.
_ONE_AMOUNT = 1e-3
# How many amounts a message lists.
_LISTED = 4
# A reward that varies by less over the grid, of at most 100, decides nothing.
_FLAT = 1e-6


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the answer is worth.

    Attributes
    ----------
    found : SearchResult
        What the search found, or in its place the best measured amount.
    feasible : bool
        Whether the best point meets all limits.
    misses : dict of str to float
        By how much it misses each limit, in the user's units.
    holding : ndarray of shape (m, d)
        Measured amounts within the bounds whose mean measurements meet all limits.
    from_measurements : bool
        Whether the best point is one of them because the curves meet the limits nowhere.
    line : ndarray of shape (1001, d)
        Amounts along the diagonal of the bounds: for one column, the grid.
    """

    found: SearchResult
    feasible: bool
    misses: dict[str, float]
    holding: NDArray[np.float64]
    from_measurements: bool
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
    accuracy = limits["min_accuracy"]
    goal = Goal(
        min_accuracy=None if accuracy is None else float(accuracy) * measured.percent,
        max_size=limits["max_size"],
        max_time=limits["max_time"],
    )
    # A time below zero does no harm, unless it would meet a limit.
    doubted = ["size"] + ["time"] * (goal.max_time is not None)
    least = {
        name: _BELIEVED * float(values[values > 0].min())
        for name, values in measured.values.items()
        if name in doubted and (values > 0).any()
    }
    return with_curves(Landscape(curves, rewards, goal, measured.percent, least), curves, bounds)


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
    rows = _along_each_column(bounds)
    points = landscape.points(rows)
    goal = replace(
        landscape.goal,
        best_accuracy=_largest(points.accuracy, bounds),
        largest_size=None if points.size is None else _largest(points.size, bounds),
    )
    return replace(landscape, goal=goal)


def _along_each_column(bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    """The grid of every column in turn, the others at their lower ends."""
    d = bounds.shape[1]
    rows = np.tile(bounds[0], (d, N_GRID, 1))
    for j in range(d):
        rows[j, :, j] = np.linspace(bounds[0, j], bounds[1, j], N_GRID)
    return rows.reshape(-1, d)


def _largest(values: NDArray[np.float64], bounds: NDArray[np.float64]) -> float:
    """Largest value in the box of a sum of curves, from its values along each column."""
    columns = values.reshape(bounds.shape[1], N_GRID)
    return float(columns[0, 0] + (columns.max(axis=1) - columns[:, 0]).sum())


def outcome_of(
    landscape: Landscape,
    found: SearchResult,
    bounds: NDArray[np.float64],
    measured: Measurements,
) -> Outcome:
    """Say whether the limits are met, and by how much they are missed.

    Where the curves meet them nowhere but some measurements do, the measured amount with the
    largest reward takes the place of what was found.

    Parameters
    ----------
    landscape : Landscape
        What was searched.
    found : SearchResult
        What was found.
    bounds : ndarray of shape (2, d)
        Amounts that were considered.
    measured : Measurements
        What the curves were fitted to.

    Returns
    -------
    Outcome

    Raises
    ------
    ValueError
        If the curves are not believable at any amount.
    """
    points = landscape.points(found.best.point[None, :])
    for name, wrong in landscape.unbelievable(points).items():
        if wrong[0]:
            raise ValueError(
                f"The {name} curve lies below {_BELIEVED:.0%} of the smallest measured {name} at "
                f"every amount within the bounds. Take another {name}_curve, such as 'pchip'."
            )
    met = limits_met(landscape.goal, points)
    misses = {
        name: 0.0 if met[name][0] else float(missed[0])
        for name, missed in landscape.goal.misses(points).items()
    }
    if "min_accuracy" in misses:
        misses["min_accuracy"] /= landscape.percent
    holding = _holding(landscape.goal, measured, bounds)
    from_measurements = any(misses.values()) and len(holding.amounts) > 0
    if from_measurements:
        rewards = np.sum(list(landscape.rewards_of(holding).values()), axis=0)
        point = holding.amounts[rewards.argmax()]
        _, reward = landscape.evaluate(point[None, :])
        found = replace(found, best=Best(point, 0.0, float(reward[0])))
        misses = dict.fromkeys(misses, 0.0)
    return Outcome(
        found,
        not any(misses.values()),
        misses,
        holding.amounts,
        from_measurements,
        np.linspace(bounds[0], bounds[1], N_GRID),
    )


def limits_met(goal: Goal, points: OperatingPoints) -> dict[str, NDArray[np.bool_]]:
    """Where each limit is met, but for rounding."""
    return {
        name: missed <= ROUNDING * getattr(goal, name)
        for name, missed in goal.misses(points).items()
    }


def _means(measured: Measurements) -> OperatingPoints:
    """Mean measurements of each distinct amount."""
    amounts, where = np.unique(measured.amounts, axis=0, return_inverse=True)
    where, weights = where.ravel(), measured.weights
    values = {
        name: np.bincount(where, weights * value) / np.bincount(where, weights)
        for name, value in measured.values.items()
    }
    values["accuracy"] = values["accuracy"] * measured.percent
    return OperatingPoints(amounts, **values)


def _holding(goal: Goal, measured: Measurements, bounds: NDArray[np.float64]) -> OperatingPoints:
    """Mean measurements that meet all limits, of amounts within the bounds."""
    means = _means(measured)
    kept = ((means.amounts >= bounds[0]) & (means.amounts <= bounds[1])).all(axis=1)
    for met in limits_met(goal, means).values():
        kept &= met
    return OperatingPoints(
        means.amounts[kept], **{name: getattr(means, name)[kept] for name in measured.values}
    )


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
                f"Take another {name}_curve: 'pchip' follows whatever only falls or only rises, "
                "PolynomialCurve(4) what turns once or twice; GridSearchCV compares them. Where no "
                "curve follows, measure each amount several times, with other seeds.",
                CurveMisfitWarning,
                stacklevel=5,
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
            _cannot_be_met(landscape, outcome, one), InfeasibleLimitsWarning, stacklevel=5
        )
    elif outcome.from_measurements:
        warnings.warn(_only_measured(landscape, outcome), CurveMisfitWarning, stacklevel=5)
    elif one:
        for message in _cliffs(landscape, outcome, measured):
            warnings.warn(message, CurveMisfitWarning, stacklevel=5)
    for name, wrong in landscape.unbelievable(line).items():
        if wrong.any():
            warnings.warn(
                f"The {name} curve lies below {_BELIEVED:.0%} of the smallest measured {name} at "
                f"amounts {_runs(outcome.line, wrong)}, which were left out. Take another "
                f"{name}_curve, such as 'pchip', or bounds without them.",
                CurveMisfitWarning,
                stacklevel=5,
            )
    low, high = measured.amounts.min(axis=0), measured.amounts.max(axis=0)
    if ((best < low) | (best > high)).any():
        warnings.warn(
            f"The best amount {_said(best)} lies outside the measured ones, {_said(low)} to "
            f"{_said(high)}: the curves are guesses there. Measure it, or leave bounds=None.",
            CurveMisfitWarning,
            stacklevel=5,
        )
    for reward, value in zip(landscape.rewards, landscape.rewards_of(line).values(), strict=True):
        if not isinstance(reward, TimeReward) or not reward.weight or line.time is None:
            continue
        if np.ptp(value) < _FLAT * reward.weight and np.ptp(line.time) > 0:
            warnings.warn(
                f"The time reward is {value[0]:.3g} at every amount and decides nothing: its "
                f"sigma={reward.sigma:g} is in the unit of the times, which lie between "
                f"{line.time.min():.4g} and {line.time.max():.4g}. Give rewards with another "
                "sigma, or leave TimeReward out.",
                UserWarning,
                stacklevel=5,
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
        for name, met in limits_met(landscape.goal, landscape.points(outcome.line)).items():
            at = f"amounts {_runs(outcome.line, met)}" if met.any() else "none"
            parts.append(f"{name} is met at {at}")
        where = f" (by the curves, {', '.join(parts)})"
    together = "cannot be met together" if len(outcome.misses) > 1 else "cannot be met"
    return (
        f"{names} {together} by any amount within the bounds{where}. The nearest amount is "
        f"{_said(outcome.found.best.point)}, which misses {missed}. Relax a limit, or take it."
    )


def _only_measured(landscape: Landscape, outcome: Outcome) -> str:
    """Which measured amounts meet the limits, and which of them is the answer."""
    names = " and ".join(_limit(landscape, name) for name in outcome.misses)
    n = len(outcome.holding)
    listed = [_said(amounts) for amounts in outcome.holding[:_LISTED]] + ["..."] * (n > _LISTED)
    return (
        f"By the curves no amount meets {names}, but the measurements do at amount"
        f"{'s' * (n > 1)} {', '.join(listed)}. The answer is the one with the largest "
        f"reward by its measurements, {_said(outcome.found.best.point)}. Measure "
        f"{'these amounts' if n > 1 else 'this amount'} again, or take other curves."
    )


def _cliffs(landscape: Landscape, outcome: Outcome, measured: Measurements) -> list[str]:
    """Limits that are met by far on one side of the best amount, and missed by far on the other."""
    best, means = float(outcome.found.best.point[0]), _means(measured)
    amounts = means.amounts[:, 0]
    right = int(np.searchsorted(amounts, best))
    if right in (0, len(amounts)) or np.abs(amounts - best).min() < _ONE_AMOUNT:
        return []
    width = (amounts[right] - amounts[right - 1]) / np.ptp(amounts)
    messages = []
    for name, met in limits_met(landscape.goal, means).items():
        quantity = name.split("_")[1]
        values = getattr(means, quantity)
        step, spread = abs(values[right] - values[right - 1]), np.ptp(values)
        long = step > max(_CLIFF, _TIMES_EVEN * width) * spread
        far = step > _OF_LIMIT * getattr(landscape.goal, name)
        if met[right] == met[right - 1] or not (long and far):
            continue
        holds, misses = (right, right - 1) if met[right] else (right - 1, right)
        unit = landscape.percent if quantity == "accuracy" else 1.0
        advice = "No measured amount meets all limits: measure amounts between these two."
        if len(outcome.holding):
            nearest = outcome.holding[np.abs(outcome.holding[:, 0] - best).argmin(), 0]
            advice = (
                f"Measure amounts between them, or take {nearest:.4g}, the nearest measured amount "
                "that meets all limits."
            )
        messages.append(
            f"The {quantity} curve is a guess at the best amount, {best:.4g}, which lies between "
            f"the measured amounts {amounts[holds]:.4g} ({quantity} {values[holds] / unit:.4g}, "
            f"which meets {_limit(landscape, name)}) and {amounts[misses]:.4g} "
            f"({values[misses] / unit:.4g}, which misses it by far). {advice}"
        )
    return messages


def _runs(line: NDArray[np.float64], where: NDArray[np.bool_]) -> str:
    """Where something holds along the line: first and last amount of each run."""
    steps = np.diff(np.concatenate([[False], where, [False]]).astype(int))
    first, last = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1) - 1
    amounts = line.mean(axis=1)
    runs = [f"{amounts[i]:.3f} to {amounts[j]:.3f}" for i, j in zip(first, last, strict=True)]
    return ", ".join(runs[:3] + ["..."] * (len(runs) > 3))


def _limit(landscape: Landscape, name: str) -> str:
    value = getattr(landscape.goal, name)
    return f"{name}={value / landscape.percent if name == 'min_accuracy' else value:g}"


def _said(amounts: NDArray[np.float64]) -> str:
    said = ", ".join(f"{amount:.4g}" for amount in amounts)
    return said if len(amounts) == 1 else f"[{said}]"

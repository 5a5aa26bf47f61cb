"""The best point of a box: a grid or a design to start from, CMA-ES, and a last polish."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ._cma import Evaluate, cma_search

__all__ = ["N_GRID", "Best", "SearchResult", "search"]

#: Points of the brute-force grid of one column: steps of 0.001 where the bounds are 0 and 1.
N_GRID = 1001
# Every how many of them CMA-ES is started from.
_COARSE = 10
# Points of the design that stands for the grid where there are several columns.
_N_DIAGONAL, _N_DRAWN = 101, 1024
# Points of a zoom along one column, and how often its window shrinks to an eighth.
_N_ZOOM, _N_WINDOWS = 21, 8
# Rewards that differ by less, as a share, are rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Best:
    """The best point of several: the least violation, and among equals the largest reward."""

    point: NDArray[np.float64]
    violation: float
    reward: float

    def beats(self, other: "Best", rounding: float = 0.0) -> bool:
        """Whether it is better, by more than a share of the other's reward."""
        if self.violation != other.violation:
            return self.violation < other.violation
        return self.reward - other.reward > rounding * abs(other.reward)


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search found.

    Attributes
    ----------
    best : Best
        The best point.
    grid : Best
        The best point of the grid (one column) or of the design (several).
    n_evaluations : int
        Points that were evaluated.
    n_runs : int
        Runs of CMA-ES.
    """

    best: Best
    grid: Best
    n_evaluations: int
    n_runs: int


@dataclass
class _Counted:
    """An evaluation that counts points, and picks the best."""

    evaluate: Evaluate
    n_evaluations: int = field(default=0)

    def __call__(
        self, points: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        self.n_evaluations += len(points)
        return self.evaluate(points)

    def best_of(self, points: NDArray[np.float64]) -> Best:
        violation, reward = self(points)
        i = np.lexsort((-reward, violation))[0]
        return Best(points[i], float(violation[i]), float(reward[i]))


def search(
    evaluate: Evaluate,
    bounds: NDArray[np.float64],
    rng: np.random.Generator,
    n_runs: int,
) -> SearchResult:
    """Look for the point with the largest reward among those without violation.

    Where every point violates something, the one that violates least is best.

    Parameters
    ----------
    evaluate : callable
        From points of shape (n, d) to their violations and rewards, each of shape (n,).
    bounds : ndarray of shape (2, d)
        Lower and upper ends of the box.
    rng : numpy Generator
        Private source of random numbers.
    n_runs : int
        Runs of CMA-ES, at most. With one column, runs after the first are made only where the
        grid shows that the one before missed something; without any run the best of the grid is
        polished.

    Returns
    -------
    SearchResult
        Its best point is at least as good as every point of the grid or design.
    """
    counted = _Counted(evaluate)
    one = bounds.shape[1] == 1
    best, grid, runs = (_along_a_line if one else _in_a_cube)(counted, bounds, rng, n_runs)
    return SearchResult(best, grid, counted.n_evaluations, runs)


def _along_a_line(
    evaluate: _Counted, bounds: NDArray[np.float64], rng: np.random.Generator, n_runs: int
) -> tuple[Best, Best, int]:
    """CMA-ES from the best of a coarse grid, and brute force on the fine one as its check."""
    amounts = np.linspace(bounds[0], bounds[1], N_GRID)
    step = float(np.ptp(bounds)) / (N_GRID - 1)
    grid = evaluate.best_of(amounts)
    if step == 0:
        return grid, grid, 0
    start, best, runs = evaluate.best_of(amounts[::_COARSE]), grid, 0
    while runs < n_runs:
        runs += 1
        path = cma_search(evaluate, start.point, bounds, _COARSE * step, 8, step, rng)
        found = _zoom(evaluate, evaluate.best_of(path), bounds, 2 * step)
        missed = grid.beats(found, _ROUNDING)
        best = found if found.beats(best) else best
        if not missed:
            return best, grid, runs
        start = grid
    return _zoom(evaluate, best, bounds, 2 * step), grid, runs


def _in_a_cube(
    evaluate: _Counted, bounds: NDArray[np.float64], rng: np.random.Generator, n_runs: int
) -> tuple[Best, Best, int]:
    """CMA-ES from the best of a design, then from others of its good points."""
    width = np.ptp(bounds, axis=0)
    d = len(width)
    line = np.linspace(0, 1, _N_DIAGONAL)[:, None] * np.ones(d)
    design = bounds[0] + width * np.vstack([line, rng.random((_N_DRAWN, d))])
    violation, reward = evaluate(design)
    order = np.lexsort((-reward, violation))
    grid = Best(design[order[0]], float(violation[order[0]]), float(reward[order[0]]))
    # In a unit cube, where one step suits all columns; those without width stay where they are.
    scaled = np.divide(design - bounds[0], width, out=np.zeros_like(design), where=width > 0)
    unit = np.vstack([np.zeros(d), np.ones(d)])
    best, starts = grid, _apart(scaled[order], n_runs)
    for run, start in enumerate(starts):
        path = cma_search(
            lambda points: evaluate(bounds[0] + width * points),
            start,
            unit,
            0.2,
            # Three times the usual population: calls cost more than points.
            3 * (4 + int(3 * np.log(d))) * (1 + run),
            1e-4,
            rng,
        )
        found = evaluate.best_of(bounds[0] + width * path)
        best = found if found.beats(best) else best
    return _zoom(evaluate, best, bounds, 0.02), grid, len(starts)


def _apart(points: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """The first of some points, and after each the next one that is far from all before it."""
    distance = np.full(len(points), np.inf)
    chosen: list[int] = []
    for _ in range(n):
        # At least half the mean distance of two points of a cube, which is sqrt(d / 6).
        far = distance >= 0.5 * np.sqrt(points.shape[1] / 6)
        chosen.append(int(np.argmax(far) if far.any() else np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return points[chosen]


def _zoom(evaluate: _Counted, best: Best, bounds: NDArray[np.float64], half: float) -> Best:
    """Walk column by column to the best of points ever closer around the best one."""
    shares = np.linspace(-1, 1, _N_ZOOM)
    for _ in range(_N_WINDOWS):
        for j in range(bounds.shape[1]):
            points = np.repeat(best.point[None, :], _N_ZOOM, axis=0)
            points[:, j] = np.clip(best.point[j] + half * shares, bounds[0, j], bounds[1, j])
            found = evaluate.best_of(points)
            best = found if found.beats(best) else best
        half /= 8
    return best

"""The zero norm of equations (5) and (6): at most k members, found by local search.

The relaxation (7) is solved exactly; the problem it relaxes is NP-hard. Here its supports
are starting points, and members are exchanged one for one for as long as that lowers f.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..exceptions import NoMemberLeftError
from ..utils import ReprHTML, is_integer, is_real, with_one_blas_thread
from ._active_set import solve_semidefinite
from ._path import SOCPPath, follow_path
from ._problem import SOCPProblem
from ._support import solve_support
from ._validation import check_costs, check_instance

__all__ = ["SubsetSolution", "solve_subset", "subset_path"]

# Estimated gains are too large where other weights would turn negative, so the best few
# exchanges are solved for; measured against all supports of small pools, more gain nothing.
_TRIALS = 10
# A decrease of f below this share of it is rounding.
_LEAST_DECREASE = 1e-12
# Members closer than this to the span of the others (in squared length) bring nothing new.
_LEAST_CURVATURE = 1e-10


@dataclass(frozen=True, eq=False)
class SubsetSolution(ReprHTML):
    """Weights of at most k members.

    Attributes
    ----------
    weights : ndarray of shape (M,)
        Non-negative weights, optimal for the members that have one.
    objective : float
        ``w'Qw + c'w``, f without ``constant`` and without any penalty.
    relaxation_objective : float
        The least that the supports of the relaxation's path reach within the same bounds,
        solved again without the penalty: never less than ``objective``.
    n_swaps : int
        Number of exchanges that were made.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.socp import EnsembleStatistics, SOCPProblem, solve_subset
    >>> P = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]]])
    >>> stats = EnsembleStatistics.from_predictions(P, [0, 1])
    >>> found = solve_subset(SOCPProblem.from_statistics(stats, alpha=0.9), n_members=1)
    >>> found.n_members, found.weights.round(3), found.objective <= found.relaxation_objective
    (1, array([1.052, 0.   ]), True)
    """

    weights: NDArray[np.float64]
    objective: float
    relaxation_objective: float
    n_swaps: int

    @property
    def n_members(self) -> int:
        """Number of members with a positive weight."""
        return int((self.weights > 0).sum())


@with_one_blas_thread
def solve_subset(
    problem: SOCPProblem,
    n_members: int,
    *,
    path: SOCPPath | None = None,
    costs: ArrayLike | None = None,
    max_cost: float | None = None,
) -> SubsetSolution:
    """Minimise f over at most ``n_members`` members: equation (6) with its zero norm.

    A local search: from the best support on the relaxation's path and from greedy forward
    selection, single exchanges until none helps. It is not proven optimal, but never worse
    than the relaxation at that size.

    Parameters
    ----------
    problem : SOCPProblem
        Its penalty is ignored; its costs only shape the path that the search starts from.
    n_members : int
        The most members that may have a weight.
    path : SOCPPath, default=None
        The path of the problem, where it is known already.
    costs : array-like of shape (M,), default=None
        Positive cost of each member, in the unit of ``max_cost``.
    max_cost : float, default=None
        The most that the members with a weight may cost together.

    Returns
    -------
    SubsetSolution

    Raises
    ------
    ValueError
        If ``n_members``, ``costs`` or ``max_cost`` is unusable.
    NoMemberLeftError
        If no member is worth a weight, or none is cheap enough.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.socp import EnsembleStatistics, SOCPProblem, solve_subset
    >>> P = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]]])
    >>> stats = EnsembleStatistics.from_predictions(P, [0, 1])
    >>> solve_subset(SOCPProblem.from_statistics(stats, 0.9), n_members=1).weights.round(3)
    array([1.052, 0.   ])
    """
    bounds = _Bounds.check(problem, n_members, costs, max_cost)
    if path is None:
        path = follow_path(problem, np.nan)
    return _solve(problem, bounds, path)


@with_one_blas_thread
def subset_path(
    problem: SOCPProblem,
    sizes: Iterable[int],
    *,
    path: SOCPPath | None = None,
    costs: ArrayLike | None = None,
    max_cost: float | None = None,
) -> list[SubsetSolution]:
    """Solve for several sizes, each started from the last one too.

    Parameters
    ----------
    problem : SOCPProblem
        As in :func:`solve_subset`.
    sizes : iterable of int
        The most members that may have a weight; in rising order f never rises.
    path : SOCPPath, default=None
        As in :func:`solve_subset`.
    costs : array-like of shape (M,), default=None
        As in :func:`solve_subset`.
    max_cost : float, default=None
        As in :func:`solve_subset`.

    Returns
    -------
    list of SubsetSolution
        One a size, in the order of ``sizes``.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.socp import EnsembleStatistics, SOCPProblem, subset_path
    >>> P = np.array([[[0.9, 0.1], [0.4, 0.6]], [[0.6, 0.4], [0.1, 0.9]], [[0.7, 0.3], [0.5, 0.5]]])
    >>> stats = EnsembleStatistics.from_predictions(P, [0, 1])
    >>> found = subset_path(SOCPProblem.from_statistics(stats, alpha=0.9), [1, 2])
    >>> [each.n_members for each in found]
    [1, 2]
    """
    every = [_Bounds.check(problem, size, costs, max_cost) for size in sizes]
    if path is None:
        path = follow_path(problem, np.nan)
    found: list[SubsetSolution] = []
    for bounds in every:
        last = [found[-1].weights] if found and found[-1].n_members <= bounds.n_members else []
        found.append(_solve(problem, bounds, path, *last))
    return found


def _solve(
    problem: SOCPProblem, bounds: "_Bounds", path: SOCPPath, *more: NDArray[np.float64]
) -> SubsetSolution:
    """Search from the path's best support, from nobody, and from where the caller says."""
    search = _Search(problem, bounds)
    relaxed, nobody = search.best_on(path), np.zeros(len(problem.linear))
    starts = [relaxed, search.grow(nobody), *more]
    if bounds.max_cost < np.inf:
        starts.append(search.grow(nobody, per_cost=True))
    found = [search.improve(w) for w in starts]
    w, n_swaps = min(found, key=lambda pair: search.f(pair[0]))
    return SubsetSolution(w, search.f(w), search.f(relaxed), n_swaps)


@dataclass(frozen=True)
class _Bounds:
    """At most so many members, of at most so much cost together."""

    n_members: int
    costs: NDArray[np.float64]
    max_cost: float

    @classmethod
    def check(
        cls,
        problem: SOCPProblem,
        n_members: int,
        costs: ArrayLike | None,
        max_cost: float | None,
    ) -> "_Bounds":
        check_instance("problem", problem, SOCPProblem, "SOCPProblem.from_statistics")
        M = len(problem.linear)
        if not is_integer(n_members) or n_members < 1:
            raise ValueError(f"n_members must be an integer, at least 1; got {n_members!r}.")
        prices = check_costs(costs, M)
        if problem.steepest <= 0:
            raise NoMemberLeftError("No member is worth a weight: f does not fall at w = 0.")
        if max_cost is None:
            return cls(int(n_members), prices, np.inf)
        if costs is None:
            raise ValueError(f"max_cost={max_cost!r} needs costs, the cost of each member.")
        if not is_real(max_cost) or not max_cost > 0:
            raise ValueError(f"max_cost must be a positive number; got {max_cost!r}.")
        bounds = cls(int(n_members), prices, float(max_cost) * (1 + 1e-12))
        if prices.min() > bounds.max_cost:
            raise NoMemberLeftError(
                f"max_cost={max_cost:g} leaves no member: the cheapest costs {prices.min():g}."
            )
        if problem.linear[prices <= bounds.max_cost].min() >= 0:
            raise NoMemberLeftError(
                f"max_cost={max_cost:g} leaves no member: those it allows are worth no weight."
            )
        return bounds

    def room(self, support: NDArray[np.bool_]) -> float:
        """What the members outside may cost."""
        return self.max_cost - float(self.costs[support].sum())

    def allow(self, support: NDArray[np.bool_]) -> bool:
        return int(support.sum()) <= self.n_members and self.room(support) >= 0


class _Search:
    """Steps of the search on one problem: every point is optimal on its own support."""

    def __init__(self, problem: SOCPProblem, bounds: _Bounds) -> None:
        self.problem, self.bounds = problem, bounds
        self.Q, self.c = problem.quadratic, problem.linear

    def f(self, w: NDArray[np.float64]) -> float:
        return float(w @ (self.Q @ w + self.c))

    def best_on(self, path: SOCPPath) -> NDArray[np.float64]:
        """The best of the path's supports within the bounds, solved again."""
        seen: set[bytes] = set()
        best = np.zeros(len(self.c))
        for start in _supports_from(path):
            support = start > 0
            if support.tobytes() in seen or not self.bounds.allow(support):
                continue
            seen.add(support.tobytes())
            w = solve_support(self.problem, support, start=start)
            if self.f(w) < self.f(best):
                best = w
        return best

    def improve(self, w: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
        """Exchange members, and add what there is room for, until nothing helps."""
        n_swaps = 0
        w = self.grow(w)
        while (better := self._swap(w)) is not None or (better := self._squeeze(w)) is not None:
            n_swaps += 1
            w = self.grow(better)
        return w, n_swaps

    def grow(self, w: NDArray[np.float64], *, per_cost: bool = False) -> NDArray[np.float64]:
        """Add the member that lowers f most, for as long as one may come in."""
        while (w > 0).sum() < self.bounds.n_members:
            local = _Local.at(self.Q, self.c, w)
            gain = local.gain()
            gain[self.bounds.costs[local.outside] > self.bounds.room(w > 0)] = 0.0
            if per_cost:
                gain /= self.bounds.costs[local.outside]
            better = None
            for j in _largest(gain):
                trial = w.copy()
                trial[local.outside[j]] = -local.gradient[j] / (2 * local.curvature[j])
                better = self._accept(trial, w)
                if better is not None:
                    break
            if better is None:
                break
            w = better
        return w

    def _swap(self, w: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """The first of the most promising exchanges that lowers f, or None."""
        local = _Local.at(self.Q, self.c, w)
        if len(local.inside) == 0 or len(local.outside) == 0:
            return None
        # With member i gone, f has risen by w_i^2 / K_ii, and of a member j outside ...
        rise = w[local.inside] ** 2 / local.inverse_diagonal
        leverage = local.table / local.inverse_diagonal[:, None]
        # ... gradient and curvature are g_j - 2 T_ij w_i / K_ii and s_j + T_ij^2 / K_ii.
        gradient = local.gradient - 2 * leverage * w[local.inside][:, None]
        curvature = local.curvature + leverage * local.table
        gain = np.minimum(gradient, 0.0) ** 2 / (4 * curvature) - rise[:, None]
        room = self.bounds.room(w > 0) + self.bounds.costs[local.inside]
        gain[self.bounds.costs[local.outside] > room[:, None]] = 0.0
        for flat in _largest(gain.ravel()):
            i, j = divmod(int(flat), len(local.outside))
            trial = w.copy()
            trial[local.inside[i]] = 0.0
            trial[local.outside[j]] = -gradient[i, j] / (2 * curvature[i, j])
            better = self._accept(trial, w)
            if better is not None:
                return better
        return None

    def _squeeze(self, w: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Bring in a member that is too dear for any exchange, and drop several for it."""
        if self.bounds.max_cost == np.inf:
            return None
        local = _Local.at(self.Q, self.c, w)
        gain = local.gain()
        gain[self.bounds.costs[local.outside] > self.bounds.max_cost] = 0.0
        for j in _largest(gain):
            entering = local.outside[j]
            trial = w.copy()
            trial[entering] = -local.gradient[j] / (2 * local.curvature[j])
            while (trial > 0).any() and not self.bounds.allow(trial > 0):
                here = _Local.at(self.Q, self.c, trial)
                rise = trial[here.inside] ** 2 / here.inverse_diagonal
                rise[here.inside == entering] = np.inf
                trial[here.inside[(rise / self.bounds.costs[here.inside]).argmin()]] = 0.0
                trial = solve_support(self.problem, trial > 0, start=trial)
            better = self._accept(self.grow(trial), w)
            if better is not None:
                return better
        return None

    def _accept(
        self, trial: NDArray[np.float64], w: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """The optimum on the support of the trial, if f is lower there than at w."""
        better = solve_support(self.problem, trial > 0, start=trial)
        f = self.f(w)
        return better if self.f(better) < f - _LEAST_DECREASE * abs(f) else None


@dataclass(frozen=True)
class _Local:
    """What the neighbours of a support S are worth: with K = inv(Q_SS) and J the rest."""

    inside: NDArray[np.intp]
    outside: NDArray[np.intp]
    inverse_diagonal: NDArray[np.float64]  # K_ii
    table: NDArray[np.float64]  # T = K Q_SJ
    gradient: NDArray[np.float64]  # g_J = 2 Q_JS w_S + c_J
    curvature: NDArray[np.float64]  # s_j = q_jj - Q_jS K Q_Sj, Schur's complement

    def gain(self) -> NDArray[np.float64]:
        """How much f falls when one of the rest comes in, if no weight turns negative."""
        return np.minimum(self.gradient, 0.0) ** 2 / (4 * self.curvature)

    @classmethod
    def at(cls, Q: NDArray[np.float64], c: NDArray[np.float64], w: NDArray[np.float64]) -> "_Local":
        inside, outside = np.flatnonzero(w > 0), np.flatnonzero(w <= 0)
        rows = Q[inside]
        across = rows[:, outside]
        k = len(inside)
        solved = np.hstack([np.eye(k), across])
        if k:
            solved = solve_semidefinite(rows[:, inside], solved)
        inverse, table = solved[:, :k], solved[:, k:]
        diagonal = np.diagonal(Q)
        floor = _LEAST_CURVATURE * diagonal[outside]
        return cls(
            inside,
            outside,
            np.maximum(np.diagonal(inverse), 1 / diagonal[inside]),
            table,
            2 * (w[inside] @ across) + c[outside],
            np.maximum(diagonal[outside] - np.einsum("ij,ij->j", across, table), floor),
        )


def _supports_from(path: SOCPPath) -> Iterator[NDArray[np.float64]]:
    """Weights at every knot of the path and between the knots: where supports differ."""
    for number, w in enumerate(path.weights):
        if number:
            yield (path.weights[number - 1] + w) / 2
        yield w


def _largest(gain: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices of the largest positive gains, best first."""
    count = min(_TRIALS, len(gain))
    top = np.argpartition(-gain, count - 1)[:count] if count else np.empty(0, dtype=np.intp)
    top = top[np.argsort(-gain[top], kind="stable")]
    return top[gain[top] > 0]

"""Optimal weights on chosen members, and the choice of at most k members.

The choice is the zero norm of equations (5) and (6), which is NP-hard. A local search
approaches it: it starts from the supports of the relaxation (7), whose path is exact, and
swaps members, one for one, as long as that lowers f.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..exceptions import NoMemberLeftError
from ..utils import Number, ReprHTML, check_parameters, with_one_blas_thread
from ._active_set import minimize_active_set, solve_semidefinite
from ._path import SOCPPath, follow_path
from ._problem import SOCPProblem, join_signs, split_signs
from ._validation import check_costs

__all__ = [
    "Limits",
    "SubsetSolution",
    "solve_budgets",
    "solve_subset",
    "solve_support",
    "subset_path",
    "within_budget",
]

_CONSTRAINTS = {
    "problem": [SOCPProblem],
    "n_members": [Number(Integral, 1)],
    "max_cost": [None, Number(Real, 0, closed="neither")],
}
# Estimated decreases are too large where other weights would become negative, so the best few
# candidates are solved; measured against all supports of small pools, more bring nothing.
_N_TRIALS = 10
# A decrease of f below this share of it is rounding.
_MIN_DECREASE = 1e-12
# Lower bound on the squared distance of a member from the span of the others, relative to its
# squared length: closer members are linear combinations of the others.
_MIN_CURVATURE = 1e-10
# Sums of costs may exceed the budget by this share, from rounding.
_COST_ROUNDING = 1e-12


@with_one_blas_thread
def solve_support(
    problem: SOCPProblem, support: ArrayLike, *, start: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Minimize f without penalty over the weights of some members; the others are zero.

    Once the members are chosen, the penalty only shrinks their weights: this is the relaxed
    lasso (Meinshausen 2007).

    Parameters
    ----------
    problem : SOCPProblem
        Its penalty is ignored.
    support : array-like of bool of shape (M,)
        The members that may have a weight.
    start : ndarray of shape (M,), default=None
        Weights near the solution, from which it is found faster.

    Returns
    -------
    ndarray of shape (M,)
        Optimal weights; members of the support may have weight zero too.

    Raises
    ------
    ValueError
        If ``support`` is not one boolean per member.
    TypeError
        If ``problem`` is not a SOCPProblem.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.socp import EnsembleStatistics, SOCPProblem, solve_support
    >>> P = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]]])
    >>> stats = EnsembleStatistics.from_predictions(P, [0, 1])
    >>> solve_support(SOCPProblem.from_statistics(stats, 0.9), [True, False]).round(3)
    array([1.052, 0.   ])
    """
    check_parameters("solve_support", _CONSTRAINTS, problem=problem)
    chosen = np.asarray(support)
    M = len(problem.linear)
    if chosen.shape != (M,) or chosen.dtype != bool:
        raise ValueError(
            f"support must be {M} booleans, one per member; got shape {chosen.shape} of "
            f"{chosen.dtype}."
        )
    start = np.zeros(M) if start is None else start
    if problem.positive:
        return _solve_support(problem, chosen, start)
    halves = _solve_support(problem.of_halves(), np.tile(chosen, 2), split_signs(start))
    return join_signs(halves)


def _solve_support(
    problem: SOCPProblem, support: NDArray[np.bool_], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    w, index = np.zeros(len(support)), np.flatnonzero(support)
    if len(index):
        Q, c = problem.quadratic[np.ix_(index, index)], problem.linear[index]
        w[index] = minimize_active_set(Q, c, start[index])
    return w


def within_budget(costs: Any, budget: float) -> Any:
    """Whether costs, or sums of them, are within a budget, but for rounding."""
    return costs <= budget * (1 + _COST_ROUNDING)


@dataclass(frozen=True, eq=False)
class Limits:
    """What a set of members must keep to: their number, their costs, who stays, and families."""

    costs: NDArray[np.float64]  # (M,)
    n_members: int  # at most
    budget: float  # at most, of their costs together
    keep: NDArray[np.bool_]  # (M,), members that must be in the set
    families: NDArray[np.intp]  # (M,), numbers 0, 1, ...
    max_per_family: int

    @classmethod
    def of(
        cls,
        n_members_in: int,
        *,
        n_members: int | None = None,
        costs: NDArray[np.float64] | None = None,
        max_cost: float | None = None,
        keep: NDArray[np.bool_] | None = None,
        families: NDArray[np.intp] | None = None,
        max_per_family: int | None = None,
    ) -> "Limits":
        """Limits where None is no limit."""
        M = n_members_in
        return cls(
            np.ones(M) if costs is None else costs,
            M if n_members is None else n_members,
            np.inf if max_cost is None else max_cost,
            np.zeros(M, dtype=bool) if keep is None else keep,
            np.zeros(M, dtype=np.intp) if families is None else families,
            M if max_per_family is None else max_per_family,
        )

    def allow(self, support: NDArray[np.bool_]) -> bool:
        """Whether a set, which has the members that must stay, is within the limits."""
        return (
            int(support.sum()) <= self.n_members
            and bool(within_budget(self.costs[support].sum(), self.budget))
            and self._family_sizes(support).max() <= self.max_per_family
        )

    def budget_left(self, support: NDArray[np.bool_]) -> float:
        """What may still be spent; a trace more than the rest of the budget, for rounding."""
        return self.budget * (1 + _COST_ROUNDING) - float(self.costs[support].sum())

    def may_enter(self, support: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The members, (M,), that can be added to a set."""
        if support.sum() >= self.n_members:
            return np.zeros(len(support), dtype=bool)
        return ~support & (self.costs <= self.budget_left(support)) & self._family_has_room(support)

    def may_swap(
        self, support: NDArray[np.bool_], leaving: NDArray[np.intp], entering: NDArray[np.intp]
    ) -> NDArray[np.bool_]:
        """Which exchanges of two members are allowed, (n_leaving, n_entering)."""
        left = self.budget_left(support) + self.costs[leaving]
        same = self.families[leaving][:, None] == self.families[entering]
        allowed = self.costs[entering] <= left[:, None]
        allowed &= same | self._family_has_room(support)[entering]
        return allowed & ~self.keep[leaving][:, None] & ~support[entering]

    def cut(self, weights: NDArray[np.float64], threshold: float = 0.0) -> NDArray[np.bool_]:
        """The members that must stay and those with the largest weights, as the limits allow."""
        size = np.abs(weights)
        support = self.keep.copy()
        # The member that set the threshold must not fall below it by rounding.
        wanted = (size > 0) & (size >= (1 - 1e-12) * threshold * size.max())
        if self.allow(support | wanted):
            return support | wanted
        for i in np.argsort(-size, kind="stable"):
            if wanted[i] and self.may_enter(support)[i]:
                support[i] = True
        return support

    def _family_sizes(self, support: NDArray[np.bool_]) -> NDArray[np.intp]:
        return np.bincount(self.families[support], minlength=int(self.families.max()) + 1)

    def _family_has_room(self, support: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return self._family_sizes(support)[self.families] < self.max_per_family


@dataclass(frozen=True, eq=False)
class SubsetSolution(ReprHTML):
    """Weights of at most k members.

    Attributes
    ----------
    weights : ndarray of shape (M,)
        Weights, optimal for the members that have one.
    objective : float
        ``w'Qw + c'w``, f without ``constant`` and without any penalty.
    relaxation_objective : float
        The lowest objective that the supports of the relaxation's path reach within the same
        limits, solved again without the penalty: never less than ``objective``.
    n_swaps : int
        Number of swaps that were made.

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
        """Number of members with a weight."""
        return int((self.weights != 0).sum())


def solve_subset(
    problem: SOCPProblem,
    n_members: int,
    *,
    path: SOCPPath | None = None,
    costs: ArrayLike | None = None,
    max_cost: float | None = None,
) -> SubsetSolution:
    """Minimize f over at most ``n_members`` members: equation (6) with its zero norm.

    A local search: from the best support on the relaxation's path and from greedy forward
    selection, single swaps until none lowers f. The result is not proven optimal, but never
    worse than the relaxation with as many members.

    Parameters
    ----------
    problem : SOCPProblem
        Its penalty is ignored; its costs only influence the path from which the search starts.
    n_members : int
        Maximum number of members with a weight.
    path : SOCPPath, default=None
        The path of the problem, if it is already known.
    costs : array-like of shape (M,), default=None
        Positive cost of each member, in the unit of ``max_cost``.
    max_cost : float, default=None
        Maximum total cost of the members with a weight.

    Returns
    -------
    SubsetSolution

    Raises
    ------
    ValueError
        If ``n_members``, ``costs`` or ``max_cost`` is invalid.
    NoMemberLeftError
        If no member lowers f, or every one that does costs too much.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.socp import EnsembleStatistics, SOCPProblem, solve_subset
    >>> P = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]]])
    >>> stats = EnsembleStatistics.from_predictions(P, [0, 1])
    >>> solve_subset(SOCPProblem.from_statistics(stats, 0.9), n_members=1).weights.round(3)
    array([1.052, 0.   ])
    """
    return subset_path(problem, [n_members], path=path, costs=costs, max_cost=max_cost)[0]


@with_one_blas_thread
def subset_path(
    problem: SOCPProblem,
    sizes: Iterable[int],
    *,
    path: SOCPPath | None = None,
    costs: ArrayLike | None = None,
    max_cost: float | None = None,
) -> list[SubsetSolution]:
    """Solve for several sizes; each search also starts from the previous solution.

    Parameters
    ----------
    problem : SOCPProblem
        As in :func:`solve_subset`.
    sizes : iterable of int
        Maximum numbers of members with a weight; in ascending order f never increases.
    path : SOCPPath, default=None
        As in :func:`solve_subset`.
    costs : array-like of shape (M,), default=None
        As in :func:`solve_subset`.
    max_cost : float, default=None
        As in :func:`solve_subset`.

    Returns
    -------
    list of SubsetSolution
        One per size, in the order of ``sizes``.

    Raises
    ------
    ValueError
        If a size, ``costs`` or ``max_cost`` is invalid.
    NoMemberLeftError
        As :func:`solve_subset`.

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
    check_parameters("subset_path", _CONSTRAINTS, problem=problem, max_cost=max_cost)
    sizes = list(sizes)
    for size in sizes:
        check_parameters("subset_path", _CONSTRAINTS, n_members=size)
    limits = _check_budget(problem, costs, max_cost)
    if path is None:
        path = follow_path(problem, np.nan)
    found: list[SubsetSolution] = []
    w = zero_weights = np.zeros(len(problem.of_halves().linear))
    for size in sizes:
        search = _Search(problem.of_halves(), replace(limits, n_members=int(size)))
        relaxed = search.best_on(path)
        starts = [relaxed, search.grow(zero_weights)]
        if found and found[-1].n_members <= size:
            starts.append(w)
        if limits.budget < np.inf:
            starts.append(search.grow(zero_weights, per_cost=True))
        ends = [search.improve(w) for w in starts]
        w, n_swaps = min(ends, key=lambda end: search.f(end[0]))
        weights = w if problem.positive else join_signs(w)
        found.append(SubsetSolution(weights, search.f(w), search.f(relaxed), n_swaps))
    return found


@with_one_blas_thread
def solve_budgets(
    problem: SOCPProblem, limits: Limits, budgets: Iterable[float]
) -> list[NDArray[np.float64]]:
    """Weights that minimize f and the penalty within limits, for each of some rising budgets.

    Additions and swaps, from the solution for the budget before, and from the members that lower f
    most, each or for what they cost.
    """
    halves = problem.of_halves()
    penalized = replace(halves, linear=halves.penalized_linear, penalty=0.0)
    w = zero_weights = np.zeros(len(penalized.linear))
    found = []
    for budget in budgets:
        search = _Search(penalized, replace(limits, budget=budget))
        empty = search.solved(zero_weights)  # but for members that must stay
        starts = [w, *(search.grow(empty, per_cost=each) for each in (True, False))]
        w = min((search.improve(start, force=False)[0] for start in starts), key=search.f)
        w = search.improve(w)[0]
        found.append(w if problem.positive else join_signs(w))
    return found


def _check_budget(problem: SOCPProblem, costs: ArrayLike | None, max_cost: float | None) -> Limits:
    """Limits with the costs of the members and the budget, infinite if there is none."""
    prices = check_costs(costs, len(problem.linear))
    limits = Limits.of(len(prices), costs=prices, max_cost=max_cost)
    if problem.max_descent_rate <= 0:
        raise NoMemberLeftError("No member is worth a weight: f does not decrease at w = 0.")
    if max_cost is None:
        return limits
    if costs is None:
        raise ValueError(f"max_cost={max_cost!r} needs costs, the cost of each member.")
    if not within_budget(prices.min(), limits.budget):
        raise NoMemberLeftError(
            f"max_cost={max_cost:g} leaves no member: the cheapest costs {prices.min():g}."
        )
    within = within_budget(prices, limits.budget)
    if problem.of_halves().linear[within if problem.positive else np.tile(within, 2)].min() >= 0:
        raise NoMemberLeftError(
            f"max_cost={max_cost:g} leaves no member: none that it allows lowers f."
        )
    return limits


@dataclass(frozen=True, eq=False)
class _Search:
    """Steps of the local search; every point is optimal on its own support.

    Weights w are those of the problem, of which each member has two where signs are free. Variable
    j is of member ``j % M``.
    """

    problem: SOCPProblem
    limits: Limits

    def f(self, w: NDArray[np.float64]) -> float:
        return float(w @ (self.problem.quadratic @ w + self.problem.linear))

    def support(self, w: NDArray[np.float64]) -> NDArray[np.bool_]:
        """The members, (M,), that have a weight, or must stay."""
        return (w.reshape(-1, len(self.limits.keep)) > 0).any(axis=0) | self.limits.keep

    def members(self, variables: NDArray[np.intp]) -> NDArray[np.intp]:
        return variables % len(self.limits.keep)

    def solved(self, w: NDArray[np.float64]) -> NDArray[np.float64]:
        """The optimum on the support of some weights."""
        support = self.support(w)
        return _solve_support(self.problem, np.tile(support, len(w) // len(support)), w)

    def best_on(self, path: SOCPPath) -> NDArray[np.float64]:
        """The best of the path's supports within the limits, solved without the penalty."""
        seen: set[bytes] = set()
        best = np.zeros(len(self.problem.linear))
        for start in _knots_and_midpoints(path):
            if len(start) < len(best):
                start = split_signs(start)
            support = self.support(start)
            if support.tobytes() in seen or not self.limits.allow(support):
                continue
            seen.add(support.tobytes())
            w = self.solved(start)
            if self.f(w) < self.f(best):
                best = w
        return best

    def improve(
        self, w: NDArray[np.float64], *, force: bool = True
    ) -> tuple[NDArray[np.float64], int]:
        """Add and swap members until nothing lowers f; returns the number of swaps too.

        ``force`` also adds members too costly for a swap, which takes most of the time.
        """
        n_swaps = 0
        w = self.grow(w)
        while (better := self.swap(w)) is not None or (
            force and (better := self.force_in(w)) is not None
        ):
            n_swaps += 1
            w = self.grow(better)
        return w, n_swaps

    def grow(self, w: NDArray[np.float64], *, per_cost: bool = False) -> NDArray[np.float64]:
        """Add the member that lowers f most, as long as the limits allow one."""
        while (allowed := self.limits.may_enter(self.support(w))).any():
            here = _Neighborhood(self.problem, w)
            outside = self.members(here.outside)
            gain = np.where(allowed[outside], here.gain(), 0.0)
            if per_cost:
                gain /= self.limits.costs[outside]
            better = None
            for j in _largest(gain):
                better = self.accept(here.with_member(j), w)
                if better is not None:
                    break
            if better is None:
                break
            w = better
        return w

    def swap(self, w: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """The first of the most promising swaps that lowers f, or None."""
        here = _Neighborhood(self.problem, w)
        if len(here.inside) == 0 or len(here.outside) == 0:
            return None
        # Without member i, f is higher by w_i^2 / K_ii, and of a member j outside ...
        rise = w[here.inside] ** 2 / here.inverse_diagonal
        leverage = here.table / here.inverse_diagonal[:, None]
        # ... gradient and curvature are g_j - 2 T_ij w_i / K_ii and s_j + T_ij^2 / K_ii.
        gradient = here.gradient - 2 * leverage * w[here.inside][:, None]
        curvature = here.curvature + leverage * here.table
        gain = np.minimum(gradient, 0.0) ** 2 / (4 * curvature) - rise[:, None]
        pairs = self.members(here.inside), self.members(here.outside)
        gain[~self.limits.may_swap(self.support(w), *pairs)] = 0.0
        for flat in _largest(gain.ravel()):
            i, j = divmod(int(flat), len(here.outside))
            trial = w.copy()
            trial[here.inside[i]] = 0.0
            trial[here.outside[j]] = -gradient[i, j] / (2 * curvature[i, j])
            better = self.accept(trial, w)
            if better is not None:
                return better
        return None

    def force_in(self, w: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Add a member too costly for any swap, and drop as many others as the budget needs."""
        limits = self.limits
        if limits.budget == np.inf:
            return None
        here = _Neighborhood(self.problem, w)
        gain, outside = here.gain(), self.members(here.outside)
        room = replace(limits, budget=np.inf, n_members=len(limits.costs)).may_enter(
            self.support(w)
        )
        gain[~room[outside] | ~within_budget(limits.costs[outside], limits.budget)] = 0.0
        for j in _largest(gain):
            trial = here.with_member(j)
            while (trial > 0).any() and not limits.allow(self.support(trial)):
                there = _Neighborhood(self.problem, trial)
                rise = trial[there.inside] ** 2 / there.inverse_diagonal
                inside = self.members(there.inside)
                rise[(inside == outside[j]) | limits.keep[inside]] = np.inf
                if np.isinf(rise).all():
                    break
                trial[there.inside[(rise / limits.costs[inside]).argmin()]] = 0.0
                trial = self.solved(trial)
            if limits.allow(self.support(trial)):
                better = self.accept(self.grow(trial), w)
                if better is not None:
                    return better
        return None

    def accept(
        self, trial: NDArray[np.float64], w: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """The optimum on the support of the trial, if f is lower there than at w."""
        better = self.solved(trial)
        f = self.f(w)
        return better if self.f(better) < f - _MIN_DECREASE * abs(f) else None


class _Neighborhood:
    """The support S of some weights and the other members J, with K = inv(Q_SS)."""

    def __init__(self, problem: SOCPProblem, w: NDArray[np.float64]) -> None:
        Q, c = problem.quadratic, problem.linear
        self.w, self.inside, self.outside = w, np.flatnonzero(w > 0), np.flatnonzero(w <= 0)
        rows = Q[self.inside]
        across = rows[:, self.outside]  # Q_SJ
        k = len(self.inside)
        solved = np.hstack([np.eye(k), across])
        if k:
            solved = solve_semidefinite(rows[:, self.inside], solved)
        inverse, self.table = solved[:, :k], solved[:, k:]  # K, T = K Q_SJ
        diagonal = np.diagonal(Q)
        self.inverse_diagonal = np.maximum(np.diagonal(inverse), 1 / diagonal[self.inside])  # K_ii
        self.gradient = 2 * (w[self.inside] @ across) + c[self.outside]  # 2 Q_JS w_S + c_J
        # The Schur complement s_j = q_jj - Q_jS K Q_Sj.
        self.curvature = np.maximum(
            diagonal[self.outside] - np.einsum("ij,ij->j", across, self.table),
            _MIN_CURVATURE * diagonal[self.outside],
        )

    def gain(self) -> NDArray[np.float64]:
        """Decrease of f when a member of J is added, if no weight becomes negative."""
        return np.minimum(self.gradient, 0.0) ** 2 / (4 * self.curvature)

    def with_member(self, j: np.intp) -> NDArray[np.float64]:
        """The weights with the j-th member of J added; the others are not solved yet."""
        trial = self.w.copy()
        trial[self.outside[j]] = -self.gradient[j] / (2 * self.curvature[j])
        return trial


def _knots_and_midpoints(path: SOCPPath) -> Iterator[NDArray[np.float64]]:
    """Weights at the knots of the path and between them: the supports can differ."""
    for number, w in enumerate(path.weights):
        if number:
            yield (path.weights[number - 1] + w) / 2
        yield w


def _largest(gain: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices of the largest positive gains, in descending order."""
    count = min(_N_TRIALS, len(gain))
    top = np.argpartition(-gain, count - 1)[:count] if count else np.empty(0, dtype=np.intp)
    top = top[np.argsort(-gain[top], kind="stable")]
    return top[gain[top] > 0]

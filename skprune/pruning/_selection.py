"""From calibration predictions to weights: program, threshold, limits, reweighting."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import NoMemberLeftError
from ..socp import (
    Limits,
    SOCPPath,
    SOCPProblem,
    SOCPSolution,
    follow_path,
    relative_costs,
    solve_budgets,
    solve_problem,
    solve_subset,
    solve_support,
    within_budget,
)
from ..utils import Number, StrOptions
from ._predictions import LogPoolPredictions, Rows, Statistics

__all__ = [
    "REWEIGHT",
    "THRESHOLD",
    "Program",
    "Relaxation",
    "least_reported",
    "shrinkage",
]

# Weight, as a share of the largest, of a member that must stay and that the program gives none.
_LEAST_WEIGHT = 1e-3

THRESHOLD = [Number(Real, 0, 1, closed="both", meaning="a share of the largest weight")]
REWEIGHT = [
    StrOptions({"relaxed", "equal", "none"}),
    Number(Real, 0, 1, closed="both", meaning="0: relaxed, 1: equal"),
]


def shrinkage(reweight: str | float) -> float | None:
    """How far from relaxed (0) to equal (1) weights go; None leaves the program's."""
    names = {"relaxed": 0.0, "equal": 1.0, "none": None}
    return names[reweight] if isinstance(reweight, str) else float(reweight)


@dataclass(frozen=True, eq=False)
class Program:
    """What stays the same while alpha, lambda, threshold and reweighting are tuned."""

    names: tuple[str, ...]  # of the members
    diversity: str  # the H of equation (3)
    penalty: str
    solver: str
    costs: NDArray[np.float64] | None  # in the user's unit
    penalize_costs: bool
    positive: bool
    limits: Limits
    search_limits: bool  # whether there are other limits than a number of members
    n_budgets: int  # that sets are looked for at


def least_reported(program: Program, lam: float) -> float:
    """The smallest lambda of the path in reports.

    Near zero weights with free signs can have any size, where members are nearly the same.
    """
    return 0.0 if program.positive else lam


@dataclass(frozen=True, eq=False)
class Relaxation:
    """The program of some rows at one alpha, for every lambda."""

    program: Program
    predictions: Any  # SelectionInput; the exact programs need CalibrationPredictions
    rows: Rows
    stats: Statistics  # of these rows
    alpha: float
    min_lam: float = 0.0  # the smallest lambda that is needed
    _subsets: dict[tuple[int, float | None], NDArray[np.float64]] = field(default_factory=dict)
    _searched: dict[tuple[float, int], list[NDArray[np.float64]]] = field(default_factory=dict)
    _equal: dict[bytes, NDArray[np.float64]] = field(default_factory=dict)
    _relaxed: dict[bytes, NDArray[np.float64]] = field(default_factory=dict)

    @cached_property
    def problem(self) -> SOCPProblem:
        """The quadratic f, without penalty."""
        program = self.program
        costs = program.costs if program.penalize_costs else None
        return self.predictions.problem(self.stats, self.alpha, program.diversity, costs)

    @cached_property
    def path(self) -> SOCPPath:
        """Weights for every lambda down to ``min_lam``."""
        return follow_path(self.problem, self.alpha, min_lam=self.min_lam)

    def solve(self, lam: float) -> SOCPSolution:
        """The certified solution for one lambda, by the back end that was asked for."""
        if self.program.diversity == "exact":
            return self._solve_exact(lam)
        if isinstance(self.predictions, LogPoolPredictions) and self.predictions.own is None:
            # Where the loss itself keeps no member, its expansion keeps one.
            with suppress(NoMemberLeftError):
                return self._solve_exact(lam)
        problem = self.problem.with_penalty(lam * self.problem.penalty_max)
        return solve_problem(problem, self.alpha, self.program.solver)

    def at(self, lam: float) -> NDArray[np.float64]:
        """Weights at one lambda, to be averaged; equal where the program keeps no member."""
        weights = np.zeros(self.stats.n_members)
        if self.program.diversity != "exact":
            weights = self.path.at(lam)
        else:
            with suppress(NoMemberLeftError):
                weights = self._solve_exact(lam).weights
        if not weights.any():
            return self.predictions.equal(np.ones(len(weights), dtype=bool), self.rows)
        return self.predictions.averaged(weights)

    def weights(
        self,
        base: NDArray[np.float64],
        lam: float,
        threshold: float,
        shrinkages: Sequence[float | None],
    ) -> NDArray[np.float64]:
        """Weights after threshold, limits, zero norm and each reweighting, (n_shrinkages, M).

        ``base`` are the program's weights at ``lam``; the result has the scale of a prediction.
        """
        if self.program.search_limits:
            return self._best_within_limits(base, lam, threshold, shrinkages)
        support = self.program.limits.cut(base, threshold)
        if self.program.penalty == "l0":
            # Where the search keeps no member, the weights of the relaxation (equal ones) stay.
            with suppress(NoMemberLeftError):
                base = self._subset(support)
                support = base != 0
        return np.array([self._reweighted(base, support, share) for share in shrinkages])

    def _best_within_limits(
        self,
        base: NDArray[np.float64],
        lam: float,
        threshold: float,
        shrinkages: Sequence[float | None],
    ) -> NDArray[np.float64]:
        """For each reweighting the candidate with the least loss, penalty and costs left out."""
        limits = self.program.limits
        sets = []
        for weights in self._candidates(base, lam, threshold):
            support = replace(limits, budget=np.inf).cut(weights, threshold)
            if support.any() and limits.allow(support):
                sets.append((weights, support))
        found = []
        for share in shrinkages:
            reweighted = (self._reweighted(*each, share) for each in sets)
            W = np.array(list({w.tobytes(): w for w in reweighted}.values()))  # each once
            found.append(W[self.predictions.losses(W, self.rows).argmin()])
        return np.array(found)

    def _candidates(
        self, base: NDArray[np.float64], lam: float, threshold: float
    ) -> Iterator[NDArray[np.float64]]:
        """Weights to choose from, for a ladder of budgets up to that of the limits.

        The ladder depends on the costs only, so that a larger budget only adds to the candidates.
        """
        program = self.program
        limits = replace(program.limits, budget=np.inf)
        yield base
        yield from self._good_single_members
        paths = [self.path]
        if program.costs is not None and not program.penalize_costs:
            paths.append(self._costed_path)
        at_lam = [self._until(path, lam) for path in paths]
        budgets = self._budgets(limits.cut(at_lam[0][-1]))
        # A set for the next larger one may cost less than that.
        budgets = budgets[: np.searchsorted(budgets, program.limits.budget) + 1]
        for budget in budgets:
            yield np.where(replace(limits, budget=budget).cut(base, threshold), base, 0.0)
        for knots in at_lam:
            costs = np.array([limits.costs[limits.cut(w, threshold)].sum() for w in knots])
            within = [np.flatnonzero(within_budget(costs, budget)) for budget in budgets]
            last = {int(positions[-1]) for positions in within if len(positions)}
            yield from (knots[i] for i in sorted(last))
        n_members = limits.n_members
        if program.penalty == "l0":  # as many as lambda and threshold lead to
            n_members = int(limits.cut(base, threshold).sum())
        yield from self._search(lam, n_members, budgets)

    def _budgets(self, support: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Budgets from that of the cheapest member to that of the program's set."""
        limits = self.program.limits
        if self.program.n_budgets == 1:
            return np.array([limits.budget])
        costs, keep = limits.costs, limits.keep
        least = costs[keep].sum() if keep.any() else costs.min()
        most = costs[support].sum()
        if self.program.costs is None or most <= least:
            return np.array([max(most, least)])
        return np.geomspace(least, most, self.program.n_budgets)

    @cached_property
    def _good_single_members(self) -> NDArray[np.float64]:
        """Members within the budget that no cheaper one is better than, alone."""
        limits = self.program.limits
        members = np.flatnonzero(within_budget(limits.costs, limits.budget))
        alone = np.eye(len(limits.costs))[members]
        losses = self.predictions.losses(self.predictions.rescaled(alone, self.rows), self.rows)
        order = np.lexsort((losses, limits.costs[members]))
        best = np.minimum.accumulate(losses[order])
        return alone[order[np.append(True, best[1:] < best[:-1])]]

    @cached_property
    def _costed_path(self) -> SOCPPath:
        """The path with a penalty in proportion to the costs, to the same mean penalty."""
        costed = replace(
            self.problem, costs=relative_costs(self.program.costs, len(self.problem.linear))
        )
        least = min(1.0, self.min_lam * self.problem.penalty_max / (costed.penalty_max or 1.0))
        return follow_path(costed, self.alpha, min_lam=least)

    def _until(self, path: SOCPPath, lam: float) -> list[NDArray[np.float64]]:
        """Weights at the knots of a path above a penalty, and at it."""
        least = lam * self.problem.penalty_max / (path.penalty_max or 1.0)
        knots = path.weights[path.lams > least]
        return [*knots, path.at(max(least, path.lams[-1]))]

    def _search(
        self, lam: float, n_members: int, budgets: NDArray[np.float64]
    ) -> list[NDArray[np.float64]]:
        """The best sets of at most so many members that a local search finds for each budget."""
        if (lam, n_members) not in self._searched:
            problem = self.problem.with_penalty(lam * self.problem.penalty_max)
            if self.program.penalty == "l0":
                problem = self.predictions.free(self.problem)
            limits = replace(self.program.limits, n_members=n_members)
            self._searched[lam, n_members] = solve_budgets(problem, limits, budgets)
        return self._searched[lam, n_members]

    def _reweighted(
        self, base: NDArray[np.float64], support: NDArray[np.bool_], share: float | None
    ) -> NDArray[np.float64]:
        if share is None:
            base = np.where(support, base, 0.0)
            if not base.any():  # members that must stay, and that the program gives no weight
                base = support.astype(np.float64)
            weights = self.predictions.rescaled(base[None], self.rows)[0]
        else:
            weights = self._between_relaxed_and_equal(base, support, share)
        keep = self.program.limits.keep & (weights == 0)
        return np.where(keep, _LEAST_WEIGHT * np.abs(weights).max(), weights)

    def _between_relaxed_and_equal(
        self, base: NDArray[np.float64], support: NDArray[np.bool_], share: float
    ) -> NDArray[np.float64]:
        signs = np.where(base < 0, -1.0, 1.0) * support
        key = signs.tobytes()
        if key not in self._equal:
            self._equal[key] = self.predictions.equal(signs, self.rows)
        equal = self._equal[key]
        if share == 1:
            return equal
        if key not in self._relaxed:
            relaxed = self.predictions.relaxed(self.problem, support, base, self.rows)
            self._relaxed[key] = relaxed if relaxed.any() else equal
        return (1 - share) * self._relaxed[key] + share * equal

    def _subset(self, support: NDArray[np.bool_]) -> NDArray[np.float64]:
        """As few members as the relaxation keeps, at no higher cost, by local search."""
        program, size, budget = self.program, int(support.sum()), None
        if program.costs is not None and program.penalize_costs:
            budget = float(program.costs[support].sum())
        f = self.predictions.free(self.problem)
        if (size, budget) not in self._subsets:
            self._subsets[size, budget] = solve_subset(
                f, size, path=self.path, costs=program.costs, max_cost=budget
            ).weights
        # The search starts from the path; this support may be off it (averaged, or cut short).
        found = self._subsets[size, budget]
        relaxed = solve_support(f, support)
        return relaxed if f.objective(relaxed) < f.objective(found) else found

    def _solve_exact(self, lam: float) -> SOCPSolution:
        costs = self.program.costs if self.program.penalize_costs else None
        return self.predictions.solve_exactly(self.rows, self.stats, self.alpha, lam, costs)

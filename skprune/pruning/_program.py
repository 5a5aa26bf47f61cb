"""From calibration predictions to weights: program, threshold, limits and reweighting."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..exceptions import NoMemberLeftError
from ..socp import (
    EnsembleStatistics,
    SOCPPath,
    SOCPProblem,
    SOCPSolution,
    follow_path,
    solve_exact_entropy,
    solve_socp,
    solve_subset,
    solve_support,
)
from ..utils import select
from ._evidence import Evidence, Rows

__all__ = ["Program", "Relaxation", "shrinkage"]


def shrinkage(reweight: str | float) -> float | None:
    """How far from relaxed (0) to equal (1) weights go; None leaves the program's.

    Parameters
    ----------
    reweight : {"relaxed", "equal", "none"} or float
        As in the pruner.

    Returns
    -------
    float or None
    """
    names = {"relaxed": 0.0, "equal": 1.0, "none": None}
    return names[reweight] if isinstance(reweight, str) else float(reweight)


@dataclass(frozen=True, eq=False)
class Program:
    """What stays the same while alpha, lambda, threshold and reweighting are chosen.

    Attributes
    ----------
    diversity : {"shannon", "exact", "gini"}
        The H of equation (3).
    penalty : {"l1", "l0"}
        What is counted: weights, or members.
    solver : str
        Back end for a single lambda.
    costs : ndarray of shape (M,) or None
        Cost of each member, in the user's units.
    max_members : int or None
        Most members to keep.
    max_cost : float or None
        Most that the kept members may cost together.
    """

    diversity: str = "shannon"
    penalty: str = "l1"
    solver: str = "auto"
    costs: NDArray[np.float64] | None = None
    max_members: int | None = None
    max_cost: float | None = None

    def support(self, weights: NDArray[np.float64], threshold: float = 0.0) -> NDArray[np.bool_]:
        """The members with the largest weights, as many as threshold and limits allow.

        Parameters
        ----------
        weights : ndarray of shape (M,)
            Weights of the program.
        threshold : float, default=0.0
            Least weight, as a share of the largest.

        Returns
        -------
        ndarray of shape (M,), bool
        """
        # The member that set the threshold must not fall below it by rounding.
        least = (1 - 1e-12) * threshold * weights.max()
        order = np.argsort(-weights, kind="stable")
        support = np.zeros(len(weights), dtype=bool)
        spent = 0.0
        for member in order[(weights[order] > 0) & (weights[order] >= least)]:
            if self.max_members is not None and support.sum() >= self.max_members:
                break
            if self.max_cost is not None and self.costs is not None:
                if spent + self.costs[member] > self.max_cost * (1 + 1e-12):
                    continue
                spent += self.costs[member]
            support[member] = True
        return support


@dataclass(frozen=True, eq=False)
class Relaxation:
    """The program of some rows at one alpha, for every lambda.

    Attributes
    ----------
    program : Program
        What is solved.
    evidence : Evidence
        All calibration predictions.
    rows : ndarray
        Rows that may be looked at.
    stats : EnsembleStatistics
        Their statistics.
    alpha : float
        Trade-off.
    least : float, default=0.0
        The smallest lambda that is needed.
    """

    program: Program
    evidence: Evidence
    rows: Rows
    stats: EnsembleStatistics
    alpha: float
    least: float = 0.0
    _subsets: dict[tuple[int, float | None], NDArray[np.float64]] = field(default_factory=dict)
    _relaxed: dict[bytes, NDArray[np.float64]] = field(default_factory=dict)

    @cached_property
    def problem(self) -> SOCPProblem:
        """The quadratic f, without penalty; for the exact entropy, expanded round the mean."""
        problem = SOCPProblem.from_statistics(
            self.stats,
            self.alpha,
            diversity="shannon" if self.program.diversity == "exact" else self.program.diversity,
            costs=self.program.costs,
        )
        members = self._affordable
        if len(members) == self.stats.n_members:
            return problem
        # A member that costs too much is left with its own square only, which it raises: at
        # every penalty it stays out, and f is that of the others.
        linear = np.zeros_like(problem.linear)
        linear[members] = problem.linear[members]
        quadratic = np.diag(np.diagonal(problem.quadratic))
        both = np.ix_(members, members)
        quadratic[both] = problem.quadratic[both]
        costs = problem.costs / problem.costs[members].mean()
        return replace(problem, quadratic=quadratic, linear=linear, costs=costs)

    @cached_property
    def _summing_to_one(self) -> SOCPProblem:
        """The quadratic f, where weights sum to one as those of votes do."""
        return self.problem.summing_to_one()

    @cached_property
    def path(self) -> SOCPPath:
        """Weights for every lambda down to ``least``."""
        return follow_path(self.problem, self.alpha, min_lam=self.least)

    def solve(self, lam: float) -> SOCPSolution:
        """Solve for one lambda with the back end that was asked for, certified.

        Parameters
        ----------
        lam : float
            Relative penalty.

        Returns
        -------
        SOCPSolution
        """
        program = self.program
        if program.diversity == "exact":
            return self._solve_exact(lam)
        solution = solve_socp(
            self._within_budget,
            self.alpha,
            lam,
            solver=program.solver,
            diversity=program.diversity,
            costs=None if program.costs is None else program.costs[self._affordable],
        )
        return self._among_all(solution)

    def at(self, lam: float) -> NDArray[np.float64]:
        """Weights at one lambda, summing to one; equal where no member is worth a weight.

        Parameters
        ----------
        lam : float
            Relative penalty.

        Returns
        -------
        ndarray of shape (M,)
        """
        weights = np.zeros(self.stats.n_members)
        if self.program.diversity != "exact":
            weights = self.path.at(lam)
        else:
            with suppress(NoMemberLeftError):
                weights = self._solve_exact(lam).weights
        if not weights.any():
            weights[self._affordable] = 1.0
        return weights / weights.sum()

    def weights(
        self, base: NDArray[np.float64], threshold: float, shrinkages: Sequence[float | None]
    ) -> NDArray[np.float64]:
        """Weights after the threshold, the limits, the zero norm and each reweighting.

        Parameters
        ----------
        base : ndarray of shape (M,)
            Weights of the program at one lambda.
        threshold : float
            Least weight, as a share of the largest.
        shrinkages : sequence of float or None
            See :func:`shrinkage`.

        Returns
        -------
        ndarray of shape (n_shrinkages, M)
            At the scale at which equal weights of k members are 1 / k.
        """
        support = self.program.support(base, threshold)
        if self.program.penalty == "l0":
            # Where no member is worth a weight, the relaxation's (equal ones) stay.
            with suppress(NoMemberLeftError):
                base = self._subset(support)
                support = base > 0
        return np.array([self._reweighed(base, support, share) for share in shrinkages])

    def _reweighed(
        self, base: NDArray[np.float64], support: NDArray[np.bool_], share: float | None
    ) -> NDArray[np.float64]:
        if share is None:
            return self._rescaled(np.where(support, base, 0.0))
        equal = support / support.sum()
        if share == 1:
            return equal
        key = support.tobytes()
        if key not in self._relaxed:
            relaxed = solve_support(self._summing_to_one, support, start=base)
            # Off the path every member of a support can be worthless.
            self._relaxed[key] = self._rescaled(relaxed) if relaxed.any() else equal
        return (1 - share) * self._relaxed[key] + share * equal

    def _rescaled(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.evidence.rescaled(weights[None], self.rows)[0]

    def _subset(self, support: NDArray[np.bool_]) -> NDArray[np.float64]:
        """As few members as the relaxation keeps, and no dearer ones, by local search."""
        program, size, budget = self.program, int(support.sum()), None
        if program.costs is not None:
            budget = float(program.costs[support].sum()) * (1 + 1e-12)
        if (size, budget) not in self._subsets:
            self._subsets[size, budget] = solve_subset(
                self._summing_to_one, size, path=self.path, costs=program.costs, max_cost=budget
            ).weights
        # The search starts from the path; this support may be off it (averaged, or cut short).
        found, f = self._subsets[size, budget], self._summing_to_one
        relaxed = solve_support(f, support)
        return relaxed if f.objective(relaxed) < f.objective(found) else found

    def _solve_exact(self, lam: float) -> SOCPSolution:
        members, costs = self._affordable, self.program.costs
        exact = solve_exact_entropy(
            select(self.evidence.P, self.rows, members),
            self.evidence.y[self.rows],
            self.alpha,
            lam,
            sample_weight=self.evidence.weights_of(self.rows),
            costs=None if costs is None else costs[members],
        )
        return self._among_all(exact.solution)

    def _among_all(self, solution: SOCPSolution) -> SOCPSolution:
        """A solution for the members that the budget allows for; the others weigh nothing."""
        weights = np.zeros(self.stats.n_members)
        weights[self._affordable] = solution.weights
        return replace(solution, weights=weights)

    @cached_property
    def _affordable(self) -> NDArray[np.intp]:
        """Members that the budget allows for at all."""
        program = self.program
        if program.costs is None or program.max_cost is None:
            return np.arange(self.stats.n_members)
        return np.flatnonzero(program.costs <= program.max_cost * (1 + 1e-12))

    @cached_property
    def _within_budget(self) -> EnsembleStatistics:
        """The statistics of the members that the budget allows for at all."""
        members = self._affordable
        if len(members) == self.stats.n_members:
            return self.stats
        both = np.ix_(members, members)
        reference, divergence = self.stats.reference_gram, self.stats.divergence
        return replace(
            self.stats,
            gram=self.stats.gram[both],
            agreement=self.stats.agreement[members],
            reference_gram=None if reference is None else reference[both],
            divergence=None if divergence is None else divergence[members],
        )

"""From calibration predictions to weights: program, threshold, limits, costs, reweighting."""

import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import NoMemberLeftError
from ..metrics import check_countable, latencies, n_parameters
from ..socp import (
    SOCPPath,
    SOCPProblem,
    SOCPSolution,
    check_costs,
    follow_path,
    solve_problem,
    solve_subset,
    solve_support,
)
from ..utils import Number, StrOptions
from ._members import Members, expected_n_members, known_members, named_members
from ._predictions import CalibrationPredictions, LogPoolPredictions, Rows, Statistics

__all__ = [
    "REWEIGHT",
    "THRESHOLD",
    "Program",
    "Relaxation",
    "check_costs_and_limits",
    "member_costs",
    "shrinkage",
]

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
    max_members: int | None
    max_cost: float | None

    def support(self, weights: NDArray[np.float64], threshold: float = 0.0) -> NDArray[np.bool_]:
        """The members with the largest weights, as many as threshold and limits allow, (M,)."""
        # The member that set the threshold must not fall below it by rounding.
        min_weight = (1 - 1e-12) * threshold * weights.max()
        order = np.argsort(-weights, kind="stable")
        support = np.zeros(len(weights), dtype=bool)
        spent = 0.0
        for member in order[(weights[order] > 0) & (weights[order] >= min_weight)]:
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
    """The program of some rows at one alpha, for every lambda."""

    program: Program
    predictions: CalibrationPredictions
    rows: Rows
    stats: Statistics  # of these rows
    alpha: float
    min_lam: float = 0.0  # the smallest lambda that is needed
    _subsets: dict[tuple[int, float | None], NDArray[np.float64]] = field(default_factory=dict)
    _equal: dict[bytes, NDArray[np.float64]] = field(default_factory=dict)
    _relaxed: dict[bytes, NDArray[np.float64]] = field(default_factory=dict)

    @cached_property
    def problem(self) -> SOCPProblem:
        """The quadratic f, without penalty."""
        problem = self.predictions.problem(
            self.stats, self.alpha, self.program.diversity, self.program.costs
        )
        members = self._affordable
        if len(members) == self.stats.n_members:
            return problem
        # A member that costs too much keeps its own square only: it only raises f, so that it has
        # no weight at any penalty, and f is that of the others.
        linear = np.zeros_like(problem.linear)
        linear[members] = problem.linear[members]
        quadratic = np.diag(np.diagonal(problem.quadratic))
        both = np.ix_(members, members)
        quadratic[both] = problem.quadratic[both]
        costs = problem.costs / problem.costs[members].mean()
        return replace(problem, quadratic=quadratic, linear=linear, costs=costs)

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
            support = np.zeros(len(weights), dtype=bool)
            support[self._affordable] = True
            return self.predictions.equal(support, self.rows)
        return self.predictions.averaged(weights)

    def weights(
        self, base: NDArray[np.float64], threshold: float, shrinkages: Sequence[float | None]
    ) -> NDArray[np.float64]:
        """Weights after threshold, limits, zero norm and each reweighting, (n_shrinkages, M).

        ``base`` are the program's weights at one lambda; the result has the scale of a prediction.
        """
        support = self.program.support(base, threshold)
        if self.program.penalty == "l0":
            # Where the search keeps no member, the weights of the relaxation (equal ones) stay.
            with suppress(NoMemberLeftError):
                base = self._subset(support)
                support = base > 0
        return np.array([self._reweighted(base, support, share) for share in shrinkages])

    def _reweighted(
        self, base: NDArray[np.float64], support: NDArray[np.bool_], share: float | None
    ) -> NDArray[np.float64]:
        if share is None:
            return self.predictions.rescaled(np.where(support, base, 0.0)[None], self.rows)[0]
        key = support.tobytes()
        if key not in self._equal:
            self._equal[key] = self.predictions.equal(support, self.rows)
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
        if program.costs is not None:
            budget = float(program.costs[support].sum()) * (1 + 1e-12)
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
        members, costs = self._affordable, self.program.costs
        exact = self.predictions.solve_exactly(
            self.rows,
            members,
            self.stats,
            self.alpha,
            lam,
            None if costs is None else costs[members],
        )
        weights = np.zeros(self.stats.n_members)
        weights[members] = exact.weights
        return replace(exact, weights=weights)

    @cached_property
    def _affordable(self) -> NDArray[np.intp]:
        """Members that the budget allows for at all."""
        program = self.program
        if program.costs is None or program.max_cost is None:
            return np.arange(self.stats.n_members)
        return np.flatnonzero(program.costs <= program.max_cost * (1 + 1e-12))


def check_costs_and_limits(costs: Any, max_cost: Any, estimator: Any, *, prefit: bool) -> None:
    """Raise for costs that the members cannot have, or that no member can meet."""
    if costs is None:
        if max_cost is not None:
            raise ValueError(
                f"max_cost={max_cost!r} needs costs: give costs='parameters', 'latency' "
                "or one number a member."
            )
    elif isinstance(costs, str) and estimator is None:
        raise ValueError(
            f"costs={costs!r} needs an estimator, and estimator is None: give the costs as "
            "numbers, one a member."
        )
    elif not isinstance(costs, str):
        n_members = expected_n_members(estimator, prefit)
        numbers = check_costs(costs, np.size(costs) if n_members is None else n_members)
        _check_budget(numbers, max_cost)
    elif costs == "parameters":
        listed = named_members(estimator) if isinstance(estimator, list) else []
        names = [name for name, _ in listed] or map(str, itertools.count())
        for name, member in zip(names, known_members(estimator), strict=False):
            _of_member(name, check_countable, member)


def _of_member(name: str, function: Callable[[Any], Any], member: Any) -> Any:
    """What a function of one member returns; its error names the member."""
    try:
        return function(member)
    except TypeError as error:
        raise TypeError(f"costs='parameters', but member {name!r}: {error}") from error


def _check_budget(costs: NDArray[np.float64], max_cost: float | None) -> None:
    """Raise if no member is cheap enough."""
    if max_cost is not None and costs.min() > max_cost * (1 + 1e-12):
        raise ValueError(
            f"max_cost={max_cost:g} is less than the cheapest member costs, {costs.min():g}: no "
            "member can be kept."
        )


def member_costs(
    costs: Any, max_cost: float | None, members: Members, X: Any, names: tuple[str, ...]
) -> NDArray[np.float64] | None:
    """What each member costs: as given, or counted, or measured on some calibration rows X."""
    if costs is None:
        return None
    if not isinstance(costs, str):
        found = check_costs(costs, len(members))
    elif costs == "parameters":
        found = _parameters(members, names)
    else:
        found = _seconds(members, X, names)
    _check_budget(found, max_cost)
    return found


def _parameters(members: Members, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Number of parameters of each member."""
    counts = np.empty(len(members))
    for i in range(len(members)):
        member = members.member(i)
        counts[i] = _of_member(names[i], n_parameters, member)
        if counts[i] == 0:
            raise ValueError(
                f"costs='parameters', but member {names[i]!r} ({type(member).__name__}) has "
                "none; give the costs as numbers, one a member."
            )
    return counts


def _seconds(members: Members, X: Any, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Seconds that each member takes to predict X."""
    if X is None:
        raise ValueError(
            "costs='latency' is measured on calibration rows, of which fit_predictions sees none; "
            "give the costs as numbers, one a member, or call fit."
        )
    if members.has_files:  # one at a time, although load of the machine may then affect some only
        one = np.eye(len(members), dtype=bool)
        seconds = np.concatenate([latencies(members.subset(i).member_calls(X)) for i in one])
    else:
        seconds = latencies(members.member_calls(X))
    if not seconds.min() > 0:
        i = int(seconds.argmin())
        raise ValueError(
            f"costs='latency', but member {names[i]!r} ({type(members.member(i)).__name__}) is "
            "faster than the clock; give the costs as numbers, one a member."
        )
    return seconds

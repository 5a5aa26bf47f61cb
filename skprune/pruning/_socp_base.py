"""What all pruners by cone program share, whoever the members and however tuned."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ..socp import SOCPSolution, check_solver
from ..utils import check_one_of, is_finite
from ._base import BaseEnsemblePruner
from ._calibration import Calibration
from ._checks import check_at_least
from ._costs import check_budget, check_costs_parameter, member_costs
from ._estimator import named_members
from ._evidence import Evidence
from ._explain import MemberTable, explain_members
from ._frontier import frontier
from ._program import Program, Relaxation

__all__ = ["BaseSOCPPruner"]


class BaseSOCPPruner(BaseEnsemblePruner):
    """Weights from the cone program, within limits on members and cost."""

    penalty: str
    costs: Any
    max_members: int | None
    max_cost: float | None
    # Regressors predict no probabilities, and have no choice; classifiers have a parameter.
    diversity: str = "gini"
    solver: str
    _members: MemberTable | partial[MemberTable]

    def explain(self) -> MemberTable:
        """Why each member was kept or dropped, on the calibration rows.

        Returns
        -------
        MemberTable
            One row a member: kept or dropped, weight, its own score, its diversity, its cost,
            the lambda at which it enters the path, what the objective loses without it, and
            the kept member it resembles most. ``print`` it, or take ``to_frame()``.

        Raises
        ------
        NotFittedError
            If the pruner is not fitted.
        """
        check_is_fitted(self)
        return self._member_table()

    def _member_table(self) -> MemberTable:
        # Drawn up when it is first asked for: the candidates of a grid are not, and it is a
        # third of what one of them costs.
        if not isinstance(self._members, MemberTable):
            self._members = self._members()
        return self._members

    def _state(self) -> dict[str, Any]:
        state = super()._state()
        if "_members" in state:  # without what it is drawn up from
            state["_members"] = self._member_table()
        return state

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_one_of("penalty", self.penalty, ("l1", "l0"))
        check_solver(self.solver)
        if self.max_members is not None:
            check_at_least("max_members", self.max_members, 1)
        if self.max_cost is not None:
            if self.costs is None:
                raise ValueError(
                    f"max_cost={self.max_cost!r} needs costs: give costs='parameters', 'latency' "
                    "or one number a member."
                )
            if not is_finite(self.max_cost) or self.max_cost <= 0:
                raise ValueError(f"max_cost must be a positive number; got {self.max_cost!r}.")
        check_costs_parameter(
            self.costs, self.estimator, prefit=self._is_prefit(), max_cost=self.max_cost
        )

    def _program(self, calibration: Calibration) -> Program:
        costs = member_costs(self.costs, calibration, self._names(len(calibration.P)))
        if costs is not None:
            check_budget(costs, self.max_cost)
        return Program(
            self.diversity, self.penalty, self.solver, costs, self.max_members, self.max_cost
        )

    def _names(self, n_members: int) -> tuple[str, ...]:
        if isinstance(self.estimator, list):
            return tuple(name for name, _ in named_members(self.estimator))
        return tuple(str(i) for i in range(n_members))

    def _note(
        self,
        evidence: Evidence,
        relaxation: Relaxation,
        solution: SOCPSolution,
        weights: NDArray[np.float64],
    ) -> None:
        """Keep what reports and figures show."""
        self.solution_, self.path_ = solution, relaxation.path
        self.frontier_ = frontier(evidence, relaxation.path, weights)
        self._members = partial(
            explain_members,
            self._names(len(weights)),
            weights.copy(),
            self.frontier_.member_score,
            relaxation.program.costs,
            relaxation.stats,
            relaxation.problem,
            relaxation.path,
        )

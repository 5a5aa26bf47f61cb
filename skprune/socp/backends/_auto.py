"""The exact active-set method, with Clarabel as a fallback where it is not optimal."""

from dataclasses import replace

import numpy as np

from ...exceptions import SolverError
from ...utils import with_one_blas_thread
from .._active_set import minimize_active_set
from .._problem import SOCPProblem, join_signs
from ._base import EXACT_TOLERANCE, RawSolution
from ._clarabel import solve_clarabel

__all__ = ["solve_auto"]


@with_one_blas_thread
def solve_auto(problem: SOCPProblem) -> RawSolution:
    """Solve by the active-set method; if need be, start it again from Clarabel's weights."""
    if not problem.positive:
        halves = solve_auto(problem.of_halves())
        return replace(halves, weights=join_signs(halves.weights))
    Q, q = problem.quadratic, problem.penalized_linear
    weights, name = minimize_active_set(Q, q, np.zeros(len(q))), "active-set"
    if problem.kkt_residual(weights) > EXACT_TOLERANCE:
        try:
            near = solve_clarabel(problem).weights
        except (SolverError, ImportError):  # return the weights, with their KKT residual
            pass
        else:
            candidates = (weights, near, minimize_active_set(Q, q, near))
            weights, name = min(candidates, key=problem.kkt_residual), "clarabel+active-set"
    return RawSolution(weights, name, "KKT residual above tolerance", EXACT_TOLERANCE)

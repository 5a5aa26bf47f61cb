"""The exact method, with a conic solver behind it where its certificate fails."""

import numpy as np

from ...exceptions import SolverError
from .._active_set import minimise_active_set
from .._problem import SOCPProblem
from ._base import EXACT_TOLERANCE, RawSolution
from ._clarabel import solve_clarabel

__all__ = ["solve_active_set"]


def solve_active_set(problem: SOCPProblem) -> RawSolution:
    """Solve by the active-set method; start it again from Clarabel's answer if need be.

    Parameters
    ----------
    problem : SOCPProblem
        The program.

    Returns
    -------
    RawSolution
    """
    q = problem.penalised_linear
    weights = minimise_active_set(problem.quadratic, q, np.zeros(len(q)))
    name = "active-set"
    if problem.kkt_residual(weights) > EXACT_TOLERANCE:
        try:
            near = solve_clarabel(problem).weights
        except (SolverError, ImportError):  # then what there is goes out, with its certificate
            return RawSolution(weights, name, "certificate missed", EXACT_TOLERANCE)
        again = minimise_active_set(problem.quadratic, q, near)
        weights = min((weights, near, again), key=problem.kkt_residual)
        name = "clarabel+active-set"
    return RawSolution(weights, name, "certificate missed", EXACT_TOLERANCE)

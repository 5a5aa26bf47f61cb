"""SCS, a splitting method: slow to high accuracy, for programs of any size."""

from .._problem import SOCPProblem
from ._base import RawSolution
from ._cvxpy import solve_with_cvxpy

__all__ = ["solve_scs"]


def solve_scs(problem: SOCPProblem) -> RawSolution:
    """Solve (8) with SCS."""
    return solve_with_cvxpy(problem, "SCS", eps_abs=1e-9, eps_rel=1e-9, max_iters=200_000)

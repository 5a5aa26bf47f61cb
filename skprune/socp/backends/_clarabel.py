"""Clarabel, cvxpy's own interior-point solver."""

from .._problem import SOCPProblem
from ._base import RawSolution
from ._cvxpy import solve_with_cvxpy

__all__ = ["solve_clarabel"]


def solve_clarabel(problem: SOCPProblem) -> RawSolution:
    """Solve (8) with Clarabel."""
    return solve_with_cvxpy(
        problem, "CLARABEL", tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11
    )

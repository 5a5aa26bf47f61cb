"""ECOS, the interior-point solver of the paper's authors (GPLv3; used only on request)."""

from .._problem import SOCPProblem
from ._base import RawSolution
from ._cvxpy import solve_with_cvxpy

__all__ = ["solve_ecos"]


def solve_ecos(problem: SOCPProblem) -> RawSolution:
    """Solve (8) with ECOS."""
    return solve_with_cvxpy(
        problem, "ECOS", abstol=1e-10, reltol=1e-10, feastol=1e-10, max_iters=200
    )

"""ECOS, the interior-point solver the paper's authors used (GPLv3; used only when asked for)."""

from .._problem import SOCPProblem
from ._base import RawSolution
from ._cvxpy import solve_with_cvxpy

__all__ = ["solve_ecos"]


def solve_ecos(problem: SOCPProblem) -> RawSolution:
    """Solve (8) with ECOS.

    Parameters
    ----------
    problem : SOCPProblem
        The program.

    Returns
    -------
    RawSolution
    """
    return solve_with_cvxpy(
        problem, "ECOS", abstol=1e-10, reltol=1e-10, feastol=1e-10, max_iters=200
    )

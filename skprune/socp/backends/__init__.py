"""One solver a file behind one table, so that solvers check each other.

A back end is a function of a :class:`~skprune.socp.SOCPProblem` that returns a
:class:`RawSolution`; to add one, write its file and its row here (``docs/adding_a_solver.md``).
"""

from collections.abc import Callable

from .._problem import SOCPProblem
from ._active_set import solve_active_set
from ._base import RawSolution
from ._clarabel import solve_clarabel
from ._ecos import solve_ecos
from ._scs import solve_scs

__all__ = ["BACKENDS", "NEEDS", "RawSolution"]

BACKENDS: dict[str, Callable[[SOCPProblem], RawSolution]] = {
    "auto": solve_active_set,
    "ecos": solve_ecos,
    "clarabel": solve_clarabel,
    "scs": solve_scs,
}

#: What has to be installed for each; the exact method needs nothing.
NEEDS: dict[str, tuple[str, ...]] = {
    "ecos": ("cvxpy", "ecos"),
    "clarabel": ("cvxpy", "clarabel"),
    "scs": ("cvxpy", "scs"),
}

"""Solvers of the program for one penalty, one per file, in one table.

A backend is a function that takes a :class:`~skprune.socp.SOCPProblem` and returns a
:class:`RawSolution`. To add one, write its file and its row here (``docs/adding_a_solver.md``).
"""

from collections.abc import Callable

from .._problem import SOCPProblem
from ._auto import solve_auto
from ._base import RawSolution
from ._clarabel import solve_clarabel
from ._ecos import solve_ecos
from ._scs import solve_scs

__all__ = ["BACKENDS", "NEEDS", "RawSolution"]

BACKENDS: dict[str, Callable[[SOCPProblem], RawSolution]] = {
    "auto": solve_auto,
    "ecos": solve_ecos,
    "clarabel": solve_clarabel,
    "scs": solve_scs,
}

#: Packages that each solver needs; the exact method needs none.
NEEDS: dict[str, tuple[str, ...]] = {
    "ecos": ("cvxpy", "ecos"),
    "clarabel": ("cvxpy", "clarabel"),
    "scs": ("cvxpy", "scs"),
}

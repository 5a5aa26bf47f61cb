"""One penalty, any solver: :func:`solve_socp`."""

import warnings
from importlib.util import find_spec

from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning

from ..exceptions import SolverNotInstalledError
from ..utils import check_alpha, check_lam, check_one_of
from ._problem import SOCPProblem, check_member_left
from ._solution import SOCPSolution
from ._statistics import EnsembleStatistics
from .backends import BACKENDS, NEEDS

__all__ = ["check_solver", "solve_socp"]


def solve_socp(
    stats: EnsembleStatistics,
    alpha: float = 0.5,
    lam: float = 0.1,
    *,
    solver: str = "auto",
    relative: bool = True,
    diversity: str = "shannon",
    costs: ArrayLike | None = None,
) -> SOCPSolution:
    """Find the weights of the members: equation (8) for one alpha and one lambda.

    Parameters
    ----------
    stats : EnsembleStatistics
        Statistics of the calibration predictions.
    alpha : float, default=0.5
        Weight of accuracy, in [0, 1]; 1 - alpha is that of diversity.
    lam : float, default=0.1
        Penalty on the sum of the weights, in [0, 1): the share of the smallest penalty that
        leaves no member. With ``relative=False``, the paper's absolute lambda.
    solver : {"auto", "ecos", "clarabel", "scs"}, default="auto"
        "auto" is an exact active-set method that needs neither cvxpy nor a conic solver
        unless its own certificate fails; the others solve (8) as a cone program.
    relative : bool, default=True
        Whether ``lam`` is relative.
    diversity : {"shannon", "gini"}, default="shannon"
        Entropy of the mixture, expanded to second order, or ``x (1 - x)``, which is exact
        and which regression needs.
    costs : array-like of shape (M,), default=None
        Positive cost of each member, by which its weight is penalised; only their ratios
        matter, and an absolute lambda is that of a member of mean cost.

    Returns
    -------
    SOCPSolution

    Raises
    ------
    ValueError
        If ``alpha``, ``lam``, ``solver``, ``diversity`` or ``costs`` is unusable.
    TypeError
        If ``stats`` is not EnsembleStatistics.
    NoMemberLeftError
        If every weight is zero; the message names the lam that would keep a member.
    SolverNotInstalledError
        If the solver is not installed.
    SolverError
        If the solver fails.

    Warns
    -----
    ConvergenceWarning
        If the certificate misses the tolerance of the solver.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.socp import EnsembleStatistics, solve_socp
    >>> P = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]]])
    >>> stats = EnsembleStatistics.from_predictions(P, [0, 1])
    >>> solution = solve_socp(stats, alpha=0.9, lam=0.5)
    >>> solution.status, solution.weights.round(3)
    ('optimal', array([0.526, 0.   ]))
    """
    alpha = check_alpha(alpha)
    check_solver(solver)
    problem = SOCPProblem.from_statistics(stats, alpha, diversity=diversity, costs=costs)
    lam = check_lam(lam, upper=1.0 if relative else float("inf"))
    problem = problem.with_penalty(lam * problem.penalty_max if relative else lam)
    check_member_left(problem, alpha)
    raw = BACKENDS[solver](problem)
    solution = SOCPSolution.certify(problem, raw, alpha)
    if solution.status != "optimal":
        warnings.warn(
            f"{raw.solver} stopped short ({raw.message}): KKT residual "
            f"{solution.kkt_residual:.1e}, duality gap {solution.duality_gap:.1e}. The weights "
            "may be off; use solver='auto', which is exact.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return solution


def check_solver(solver: str) -> None:
    """Refuse a solver that is unknown or not installed, without loading any.

    Parameters
    ----------
    solver : str
        Name of a back end.

    Raises
    ------
    ValueError
        If there is no back end of that name.
    SolverNotInstalledError
        If what it needs is not installed.
    """
    check_one_of("solver", solver, sorted(BACKENDS))
    for package in NEEDS.get(solver, ()):
        if find_spec(package) is None:
            raise SolverNotInstalledError(
                f"solver={solver!r} needs {package}, which is not installed: run `pip install "
                f"{package}`, or use solver='auto'."
            )

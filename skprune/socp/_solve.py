"""The program for one penalty, by any solver: :func:`solve_socp`."""

import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning

from ..utils import ALPHA, LAM, Number, ReprHTML, StrOptions, check_parameters
from ._problem import SOCPProblem, check_member_left
from ._statistics import EnsembleStatistics
from .backends import BACKENDS, NEEDS

__all__ = ["SOLVER", "SOCPSolution", "check_installed", "solve_problem", "solve_socp"]

SOLVER = [StrOptions(BACKENDS.keys())]  # a solver that is added counts at once
# An absolute penalty.
PENALTY = [Number(Real, 0)]


@dataclass(frozen=True, eq=False)
class SOCPSolution(ReprHTML):
    """Weights of the members, with a certificate of their optimality.

    Attributes
    ----------
    weights : ndarray of shape (M,)
        Weights, not normalized: votes do not depend on their scale.
    objective : float
        ``w'Qw + c'w + penalty * costs'|w|``, the optimal value of (8).
    status : {"optimal", "inaccurate"}
        "inaccurate" if the KKT residual is above the solver's tolerance (1e-8 for the
        exact method, 3e-5 for conic ones); then a ConvergenceWarning is raised too.
    kkt_residual : float
        Largest violation of the optimality conditions, independent of scale.
    duality_gap : float
        Objective minus that of a feasible point of the dual.
    solver : str
        The method that found the weights.
    alpha : float
        Trade-off between accuracy and diversity.
    lam : float
        Penalty relative to ``penalty / lam``, the smallest one that leaves no member.
    penalty : float
        The absolute penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.socp import EnsembleStatistics, solve_socp
    >>> P = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]]])
    >>> stats = EnsembleStatistics.from_predictions(P, [0, 1])
    >>> solution = solve_socp(stats, alpha=0.9, lam=0.5)
    >>> solution.status, solution.kkt_residual < 1e-8, abs(solution.duality_gap) < 1e-8
    ('optimal', True, True)
    """

    weights: NDArray[np.float64]
    objective: float
    status: str
    kkt_residual: float
    duality_gap: float
    solver: str
    alpha: float
    lam: float
    penalty: float


def solve_socp(
    stats: EnsembleStatistics,
    alpha: float = 0.5,
    lam: float = 0.1,
    *,
    solver: str = "auto",
    relative: bool = True,
    diversity: str = "shannon",
    costs: ArrayLike | None = None,
    positive: bool = True,
) -> SOCPSolution:
    """Find the weights of the members: equation (8) for one alpha and one lambda.

    Parameters
    ----------
    stats : EnsembleStatistics
        Statistics of the calibration predictions.
    alpha : float, default=0.5
        Weight of accuracy, in [0, 1]; 1 - alpha is that of diversity.
    lam : float, default=0.1
        Penalty on the sum of the weights, in [0, 1), relative to the smallest penalty that
        leaves no member. With ``relative=False``, the paper's absolute lambda.
    solver : {"auto", "ecos", "clarabel", "scs"}, default="auto"
        "auto" is an exact active-set method that uses Clarabel only if its weights are not
        optimal; the others solve (8) as a cone program and need cvxpy.
    relative : bool, default=True
        Whether ``lam`` is relative.
    diversity : {"shannon", "gini", "first-order"}, default="shannon"
        Entropy of the mixture, expanded to second order; ``x (1 - x)``, which is exact and which
        regression needs; or the entropy to first order only, (8) as printed.
    costs : array-like of shape (M,), default=None
        Positive cost of each member, a factor of the penalty on its weight; only their ratios
        matter, and an absolute lambda is that of a member of mean cost.
    positive : bool, default=True
        Whether weights must not be negative; only those of regressors may be, with alpha 1.

    Returns
    -------
    SOCPSolution

    Raises
    ------
    ValueError
        If ``alpha``, ``lam``, ``solver``, ``diversity``, ``costs`` or ``positive`` is invalid.
    TypeError
        If ``stats`` is not EnsembleStatistics.
    NoMemberLeftError
        If every weight is zero; the message names the lam that would keep a member.
    ImportError
        If the solver is not installed.
    SolverError
        If the solver fails.

    Warns
    -----
    ConvergenceWarning
        If the KKT residual is above the tolerance of the solver.

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
    constraints = {"alpha": ALPHA, "lam": LAM if relative else PENALTY, "solver": SOLVER}
    check_parameters("solve_socp", constraints, alpha=alpha, lam=lam, solver=solver)
    check_installed(solver)
    alpha, lam = float(alpha), float(lam)
    problem = SOCPProblem.from_statistics(
        stats, alpha, diversity=diversity, costs=costs, positive=positive
    )
    penalty = lam * problem.penalty_max if relative else lam
    return solve_problem(problem.with_penalty(penalty), alpha, solver)


def solve_problem(problem: SOCPProblem, alpha: float, solver: str = "auto") -> SOCPSolution:
    """Solve a program for its penalty, and certify the solution; see :func:`solve_socp`."""
    check_member_left(problem, alpha)
    raw = BACKENDS[solver](problem)
    # What the solver reports of itself does not matter: optimality is measured on its weights.
    residual = problem.kkt_residual(raw.weights)
    solution = SOCPSolution(
        weights=raw.weights,
        objective=problem.objective(raw.weights),
        status="optimal" if residual <= raw.tolerance else "inaccurate",
        kkt_residual=residual,
        duality_gap=problem.duality_gap(raw.weights),
        solver=raw.solver,
        alpha=alpha,
        lam=problem.penalty / problem.penalty_max,
        penalty=problem.penalty,
    )
    if solution.status != "optimal":
        warnings.warn(
            f"{raw.solver} stopped before the optimum ({raw.message}): KKT residual "
            f"{residual:.1e}, duality gap {solution.duality_gap:.1e}. The weights may be "
            "inaccurate; use solver='auto', which is exact.",
            ConvergenceWarning,
            stacklevel=3,
        )
    return solution


def check_installed(solver: str) -> None:
    """Refuse a solver that is not installed, without importing it."""
    for package in NEEDS.get(solver, ()):
        if find_spec(package) is None:
            raise ImportError(
                f"solver={solver!r} needs {package}, which is not installed: run `pip install "
                f"{package}`, or use solver='auto'."
            )

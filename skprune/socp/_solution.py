"""A solution that carries its own certificate."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..utils import ReprHTML
from ._problem import SOCPProblem
from .backends import RawSolution

__all__ = ["SOCPSolution"]


@dataclass(frozen=True, eq=False)
class SOCPSolution(ReprHTML):
    """Weights of the members, with the proof that they are optimal.

    Attributes
    ----------
    weights : ndarray of shape (M,)
        Non-negative weights, not normalised: voting is free of their scale.
    objective : float
        ``w'Qw + c'w + penalty * costs'w``, the optimal value of (8).
    status : {"optimal", "inaccurate"}
        "inaccurate" where the KKT residual misses the solver's tolerance (1e-8 for the
        exact method, 3e-5 for conic ones); a ConvergenceWarning said so.
    kkt_residual : float
        Largest violation of the optimality conditions, free of scale.
    duality_gap : float
        Objective less that of a feasible point of the dual.
    solver : str
        The method that found the weights.
    alpha : float
        Trade-off between accuracy and diversity.
    lam : float
        Penalty relative to ``penalty / lam``, the smallest one at which no member is left.
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

    @classmethod
    def certify(cls, problem: SOCPProblem, raw: RawSolution, alpha: float) -> "SOCPSolution":
        """Measure what a solver's weights are worth; its own word is not enough.

        Parameters
        ----------
        problem : SOCPProblem
            The program that was solved.
        raw : RawSolution
            What the back end returned.
        alpha : float
            Trade-off, kept for the record.

        Returns
        -------
        SOCPSolution
        """
        residual = problem.kkt_residual(raw.weights)
        return cls(
            weights=raw.weights,
            objective=problem.objective(raw.weights),
            status="optimal" if residual <= raw.tolerance else "inaccurate",
            kkt_residual=residual,
            duality_gap=problem.duality_gap(raw.weights),
            solver=raw.solver,
            alpha=float(alpha),
            lam=problem.penalty / problem.penalty_max,
            penalty=float(problem.penalty),
        )

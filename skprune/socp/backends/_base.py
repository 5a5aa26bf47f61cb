"""What a backend returns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONIC_TOLERANCE", "EXACT_TOLERANCE", "RawSolution"]

# KKT residuals up to which weights count as optimal, whatever the solver reports. Exact methods
# solve linear systems; interior-point and splitting methods stop at a tolerance on the
# objective, whose square root shows in the weights (measured: up to 6e-6).
EXACT_TOLERANCE = 1e-8
CONIC_TOLERANCE = 3e-5


@dataclass(frozen=True, eq=False)
class RawSolution:
    """Weights as a solver returns them, before they are checked.

    Attributes
    ----------
    weights : ndarray of shape (M,)
        Non-negative weights.
    solver : str
        The method that found them.
    message : str
        What the solver reports, for a warning.
    tolerance : float
        KKT residual up to which the weights count as optimal.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.socp import EnsembleStatistics, SOCPProblem
    >>> from skprune.socp.backends import BACKENDS
    >>> P = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]]])
    >>> stats = EnsembleStatistics.from_predictions(P, [0, 1])
    >>> problem = SOCPProblem.from_statistics(stats, alpha=0.9)
    >>> raw = BACKENDS["auto"](problem.with_penalty(problem.penalty_max / 2))
    >>> raw.weights.round(3), raw.tolerance
    (array([0.526, 0.   ]), 1e-08)
    """

    weights: NDArray[np.float64]
    solver: str
    message: str
    tolerance: float

"""What a back end returns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONIC_TOLERANCE", "EXACT_TOLERANCE", "RawSolution"]

# KKT residuals that count as optimal, whatever the solver says of itself. Exact methods
# solve linear systems; interior-point and splitting methods stop at a tolerance on the
# objective, whose square root shows in the weights (measured: up to 6e-6).
EXACT_TOLERANCE = 1e-8
CONIC_TOLERANCE = 3e-5


@dataclass(frozen=True, eq=False)
class RawSolution:
    """Weights as a solver left them.

    Attributes
    ----------
    weights : ndarray of shape (M,)
        Non-negative weights.
    solver : str
        The method that found them.
    message : str
        What it says of itself, for a warning.
    tolerance : float
        KKT residual up to which its weights count as optimal.
    """

    weights: NDArray[np.float64]
    solver: str
    message: str
    tolerance: float

"""The second-order cone program: arrays in, weights out.

Knows nothing of classifiers, Keras or scikit-learn estimators.
"""

from ._path import SOCPPath, socp_path
from ._problem import SOCPProblem
from ._solution import SOCPSolution
from ._solve import check_solver, solve_socp
from ._statistics import EnsembleStatistics

__all__ = [
    "EnsembleStatistics",
    "SOCPPath",
    "SOCPProblem",
    "SOCPSolution",
    "check_solver",
    "socp_path",
    "solve_socp",
]

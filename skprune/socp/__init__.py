"""The second-order cone program: arrays in, weights out.

Knows nothing of classifiers, Keras or scikit-learn estimators.
"""

from ._checks import check_costs
from ._exact_entropy import ExactEntropySolution, solve_exact_entropy
from ._path import SOCPPath, follow_path, socp_path
from ._problem import SOCPProblem
from ._solution import SOCPSolution
from ._solve import check_solver, solve_socp
from ._statistics import EnsembleStatistics
from ._subset import SubsetSolution, solve_subset, subset_path
from ._support import solve_support

__all__ = [
    "EnsembleStatistics",
    "ExactEntropySolution",
    "SOCPPath",
    "SOCPProblem",
    "SOCPSolution",
    "SubsetSolution",
    "check_costs",
    "check_solver",
    "follow_path",
    "socp_path",
    "solve_exact_entropy",
    "solve_socp",
    "solve_subset",
    "solve_support",
    "subset_path",
]

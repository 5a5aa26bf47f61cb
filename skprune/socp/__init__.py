"""The second-order cone program: arrays in, weights out.

Knows nothing of classifiers, Keras or scikit-learn estimators.
"""

from ._exact_entropy import ExactEntropySolution, solve_exact_entropy
from ._path import SOCPPath, socp_path
from ._path import follow_path as follow_path
from ._problem import SOCPProblem
from ._solution import SOCPSolution
from ._solve import check_solver as check_solver
from ._solve import solve_socp
from ._statistics import EnsembleStatistics
from ._subset import SubsetSolution, solve_subset, subset_path
from ._support import solve_support
from ._validation import check_costs as check_costs

# A name that is imported as itself is for other rooms.
__all__ = [
    "EnsembleStatistics",
    "ExactEntropySolution",
    "SOCPPath",
    "SOCPProblem",
    "SOCPSolution",
    "SubsetSolution",
    "socp_path",
    "solve_exact_entropy",
    "solve_socp",
    "solve_subset",
    "solve_support",
    "subset_path",
]

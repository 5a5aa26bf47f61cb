"""The second-order cone program: arrays in, weights out.

This subpackage does not depend on classifiers, Keras or scikit-learn estimators. In reading
order: ``_statistics`` sums up the predictions, ``_problem`` is the program made from them,
``_active_set`` and ``backends`` solve it for one penalty (``_solve``), ``_path`` for all
penalties, ``_subset`` for a number of members, ``_exact_entropy`` without the expansion,
``_log_pool`` for votes that multiply probabilities, ``_out_of_bag`` for the rows of forests.
"""

from ._active_set import minimize_active_set as minimize_active_set
from ._exact_entropy import ExactEntropySolution, solve_exact_entropy
from ._log_pool import SCALES as SCALES
from ._log_pool import LogPoolStatistics as LogPoolStatistics
from ._log_pool import fit_intercept as fit_intercept
from ._log_pool import fit_scale as fit_scale
from ._log_pool import fit_temperature as fit_temperature
from ._log_pool import log_pool_problem as log_pool_problem
from ._log_pool import refit_log_pool as refit_log_pool
from ._log_pool import solve_log_pool as solve_log_pool
from ._out_of_bag import out_of_bag_log_pool as out_of_bag_log_pool
from ._out_of_bag import out_of_bag_regression as out_of_bag_regression
from ._out_of_bag import out_of_bag_scale as out_of_bag_scale
from ._out_of_bag import out_of_bag_statistics as out_of_bag_statistics
from ._path import SOCPPath, socp_path
from ._path import follow_path as follow_path
from ._problem import SOCPProblem
from ._problem import nearest_semidefinite as nearest_semidefinite
from ._problem import relative_costs as relative_costs
from ._solve import SOLVER as SOLVER
from ._solve import SOCPSolution, solve_socp
from ._solve import check_installed as check_installed
from ._solve import solve_problem as solve_problem
from ._statistics import EnsembleStatistics
from ._subset import Limits as Limits
from ._subset import SubsetSolution, solve_subset, solve_support, subset_path
from ._subset import solve_budgets as solve_budgets
from ._subset import within_budget as within_budget
from ._validation import check_costs as check_costs
from ._validation import check_probabilities as check_probabilities

# A name that is imported as itself is for other subpackages.
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

"""Which members of an ensemble to keep, and with what weight."""

from ._base import BasePruner as BasePruner
from ._classifier import SOCPEnsemblePruner, SOCPEnsemblePrunerCV
from ._given import given_predictions as given_predictions
from ._members import MemberFile
from ._members import are_listed as are_listed
from ._members import check_ensemble as check_ensemble
from ._members import encode_labels as encode_labels
from ._members import is_fitted as is_fitted
from ._members import known_members as known_members
from ._predictions import CalibrationPredictions as CalibrationPredictions
from ._regressor import SOCPEnsemblePrunerRegressor, SOCPEnsemblePrunerRegressorCV
from ._report import Frontier, MemberTable

# A name that is imported as itself is for other subpackages.
__all__ = [
    "Frontier",
    "MemberFile",
    "MemberTable",
    "SOCPEnsemblePruner",
    "SOCPEnsemblePrunerCV",
    "SOCPEnsemblePrunerRegressor",
    "SOCPEnsemblePrunerRegressorCV",
]

"""Ensemble pruning: which members are worth keeping, and with what weight."""

from ._base import BaseEnsemblePruner
from ._evidence import Evidence
from ._explain import MemberTable
from ._frontier import Frontier
from ._socp import SOCPEnsemblePruner, SOCPEnsemblePrunerCV
from ._socp_regressor import SOCPEnsemblePrunerRegressor, SOCPEnsemblePrunerRegressorCV

__all__ = [
    "BaseEnsemblePruner",
    "Evidence",
    "Frontier",
    "MemberTable",
    "SOCPEnsemblePruner",
    "SOCPEnsemblePrunerCV",
    "SOCPEnsemblePrunerRegressor",
    "SOCPEnsemblePrunerRegressorCV",
]

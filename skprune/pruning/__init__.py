"""Ensemble pruning: which members are worth keeping, and with what weight."""

from ._base import BaseEnsemblePruner
from ._socp import SOCPEnsemblePruner

__all__ = ["BaseEnsemblePruner", "SOCPEnsemblePruner"]

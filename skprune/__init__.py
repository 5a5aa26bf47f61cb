"""Train many networks, keep the few that matter, as scikit-learn estimators.

Public names load on first use (PEP 562): importing :mod:`skprune`, or using the pruner on
scikit-learn classifiers, imports neither TensorFlow nor cvxpy nor matplotlib.
"""

from importlib import import_module
from typing import Any

from ._version import __version__

# Public name -> the subpackage that defines it.
_HOME = {
    "CNNSpace": "skprune.ensemble",
    "EnsembleCompressor": "skprune.compression",
    "MultiViewCNNClassifier": "skprune.multiview",
    "PrunedCNNClassifier": "skprune.compression",
    "PrunedMultiViewClassifier": "skprune.multiview",
    "PruningAmountOptimizer": "skprune.amount",
    "RandomCNNEnsembleClassifier": "skprune.ensemble",
    "SOCPEnsemblePruner": "skprune.pruning",
    "SOCPEnsemblePrunerCV": "skprune.pruning",
    "SOCPEnsemblePrunerRegressor": "skprune.pruning",
    "SOCPEnsemblePrunerRegressorCV": "skprune.pruning",
}
_SUBPACKAGES = (
    "amount",
    "compression",
    "datasets",
    "ensemble",
    "exceptions",
    "inspection",
    "metrics",
    "multiview",
    "pruning",
    "serving",
    "socp",
    "sparsity",
    "utils",
)

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _SUBPACKAGES:
        return import_module(f"skprune.{name}")
    raise AttributeError(f"module 'skprune' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBPACKAGES])

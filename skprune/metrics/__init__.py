"""What a model costs, and what its views are worth."""

from ._cost import latencies, n_parameters
from ._latency import Latency, LatencyRatio, latency, latency_ratio
from ._model_cost import ModelCost, model_cost, not_compiled
from ._view_importance import ViewImportance, reciprocal_mean_rank, view_importance

__all__ = [
    "Latency",
    "LatencyRatio",
    "ModelCost",
    "ViewImportance",
    "latencies",
    "latency",
    "latency_ratio",
    "model_cost",
    "not_compiled",
    "n_parameters",
    "reciprocal_mean_rank",
    "view_importance",
]

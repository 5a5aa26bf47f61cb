"""What a model costs."""

from ._cost import check_countable as check_countable
from ._cost import latencies, n_parameters
from ._latency import Latency, LatencyRatio, latency, latency_ratio
from ._model_cost import ModelCost, model_cost

# A name that is imported as itself is for other subpackages.
__all__ = [
    "Latency",
    "LatencyRatio",
    "ModelCost",
    "latencies",
    "latency",
    "latency_ratio",
    "model_cost",
    "n_parameters",
]

"""What a model costs."""

from ._cost import latencies, n_parameters

__all__ = ["latencies", "n_parameters"]

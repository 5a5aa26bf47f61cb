"""Floor 0: what every room may use."""

from ._base_pool import BasePool, emptied, unfreeze
from ._layer_graph import LayerCall, LayerGraph, layer_graph
from ._pandas import load_pandas
from ._pool import MemberPool
from ._random import draw_seed, set_missing_seeds
from ._regressor_pool import RegressorPool
from ._rounding import as_compared
from ._sklearn import (
    check_method_params,
    check_sample_weight,
    num_samples,
    routing_enabled,
    with_one_blas_thread,
)
from ._validation import check_alpha, check_cache, check_lam
from ._votes import as_probabilities, vote_hits, weighted_votes

__all__ = [
    "BasePool",
    "LayerCall",
    "LayerGraph",
    "MemberPool",
    "RegressorPool",
    "as_compared",
    "as_probabilities",
    "check_alpha",
    "check_cache",
    "check_lam",
    "check_method_params",
    "check_sample_weight",
    "draw_seed",
    "emptied",
    "layer_graph",
    "load_pandas",
    "num_samples",
    "routing_enabled",
    "set_missing_seeds",
    "unfreeze",
    "vote_hits",
    "weighted_votes",
    "with_one_blas_thread",
]

"""Floor 0: what every room may use."""

from ._base_pool import BasePool
from ._cache import (
    CacheEntry,
    cache_entry,
    cached_call,
    check_cache,
    check_cache_space,
    data_hash,
    store_of,
)
from ._cache_contents import CacheContents, CachedThing, cache_contents
from ._exported import Vote, VotingMember, voting_members
from ._frozen import emptied, unfreeze
from ._joints import joint_of, note_time_alone
from ._keras_networks import (
    JointNetworks,
    network_output,
    seconds_to_compile,
    widest,
    with_both_classes,
)
from ._layer_graph import LayerCall, LayerGraph, layer_graph
from ._member_file import MemberFile
from ._pandas import load_pandas
from ._parallel import streamed
from ._pool import MemberPool
from ._prediction_store import (
    PredictionStore,
    ScratchFolder,
    check_room,
    file_checksum,
    narrowed,
    write_predictions,
)
from ._random import draw_seed, set_missing_seeds
from ._regressor_pool import RegressorPool
from ._rounding import as_compared
from ._row_groups import in_few_sizes, row_groups
from ._saved_state import SavedState
from ._saved_types import SAVED_TYPES
from ._selection import Predictions, PredictionSelection, as_predictions, select
from ._sklearn import (
    check_method_params,
    check_sample_weight,
    num_samples,
    routing_enabled,
    with_one_blas_thread,
)
from ._together import together
from ._validation import check_alpha, check_lam
from ._votes import as_probabilities, weighted_votes
from ._whole_file import whole_file

__all__ = [
    "JointNetworks",
    "network_output",
    "with_both_classes",
    "SAVED_TYPES",
    "BasePool",
    "CacheContents",
    "CacheEntry",
    "CachedThing",
    "LayerCall",
    "LayerGraph",
    "MemberFile",
    "MemberPool",
    "PredictionSelection",
    "PredictionStore",
    "Predictions",
    "RegressorPool",
    "SavedState",
    "ScratchFolder",
    "Vote",
    "VotingMember",
    "as_compared",
    "as_predictions",
    "as_probabilities",
    "cache_contents",
    "cache_entry",
    "cached_call",
    "check_alpha",
    "check_cache",
    "check_cache_space",
    "check_lam",
    "check_method_params",
    "check_room",
    "check_sample_weight",
    "data_hash",
    "draw_seed",
    "file_checksum",
    "emptied",
    "in_few_sizes",
    "joint_of",
    "layer_graph",
    "load_pandas",
    "narrowed",
    "note_time_alone",
    "num_samples",
    "routing_enabled",
    "row_groups",
    "seconds_to_compile",
    "select",
    "store_of",
    "streamed",
    "set_missing_seeds",
    "together",
    "unfreeze",
    "voting_members",
    "whole_file",
    "widest",
    "weighted_votes",
    "with_one_blas_thread",
    "write_predictions",
]

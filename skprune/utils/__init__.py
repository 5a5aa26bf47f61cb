"""Floor 0: what every room may use."""

from ._adam import BETA_1 as BETA_1
from ._adam import BETA_2 as BETA_2
from ._adam import EPSILON as EPSILON
from ._adam import keras_adam as keras_adam
from ._cache import cache_entry as cache_entry
from ._cache import cached_call as cached_call
from ._cache import check_cache as check_cache
from ._cache import check_cache_space as check_cache_space
from ._cache import store_of as store_of
from ._cache_contents import CacheContents, CachedThing, cache_contents
from ._cache_entry import CacheEntry as CacheEntry
from ._cache_entry import data_hash as data_hash
from ._doc_link import DOCUMENTATION as DOCUMENTATION
from ._doc_link import DocumentationLink as DocumentationLink
from ._frozen import clone_unfitted as clone_unfitted

from ._frozen import unfreeze as unfreeze
from ._joints import joint_of as joint_of
from ._joints import note_time_alone as note_time_alone
from ._keras_networks import JointNetworks as JointNetworks
from ._keras_networks import network_output as network_output
from ._keras_networks import seconds_to_compile as seconds_to_compile
from ._keras_networks import widest as widest
from ._keras_networks import with_both_classes as with_both_classes
from ._layer_graph import LayerCall as LayerCall
from ._layer_graph import LayerGraph as LayerGraph
from ._layer_graph import hides_layers as hides_layers
from ._layer_graph import layer_graph as layer_graph
<<<<<<< HEAD
=======
from ._member_file import MemberFile as MemberFile
from ._npz import ArrayHeader as ArrayHeader
from ._npz import NpzFile as NpzFile
>>>>>>> main
from ._pandas import load_pandas as load_pandas
from ._parallel import streamed as streamed
from ._predictions import Predictions as Predictions
from ._predictions import PredictionSelection as PredictionSelection
from ._predictions import PredictionStore as PredictionStore
from ._predictions import ScratchFolder as ScratchFolder
from ._predictions import as_predictions as as_predictions
from ._predictions import cast as cast
from ._predictions import check_room as check_room
from ._predictions import file_checksum as file_checksum
from ._predictions import select as select
from ._predictions import write_predictions as write_predictions
from ._progress import ReportsProgress as ReportsProgress
from ._progress import reports_progress as reports_progress
from ._random import draw_seed as draw_seed
from ._random import generator as generator
from ._random import integer_seed as integer_seed
from ._random import set_missing_seeds as set_missing_seeds
from ._repr_html import ReprHTML as ReprHTML
from ._rounding import as_compared as as_compared
from ._row_groups import in_few_sizes as in_few_sizes
from ._row_groups import row_groups as row_groups
from ._saved_state import SavedState as SavedState
from ._saved_types import SAVED_TYPES
from ._sklearn import BaseSearchCV as BaseSearchCV
from ._sklearn import InvalidParameterError as InvalidParameterError
from ._sklearn import check_method_params as check_method_params
from ._sklearn import check_sample_weight as check_sample_weight
from ._sklearn import input_tags_of as input_tags_of
from ._sklearn import num_samples as num_samples
from ._sklearn import routing_enabled as routing_enabled
from ._sklearn import with_one_blas_thread as with_one_blas_thread
from ._together import together as together
from ._validation import check_alpha as check_alpha
from ._validation import check_lam as check_lam
from ._validation import check_n_jobs as check_n_jobs
from ._validation import check_one_of as check_one_of
from ._validation import check_random_state as check_random_state
from ._validation import is_finite as is_finite
from ._validation import is_integer as is_integer
from ._validation import is_real as is_real
from ._validation import refuse_multilabel as refuse_multilabel
from ._voting import Vote as Vote
from ._voting import VotingMember as VotingMember
from ._voting import as_probabilities as as_probabilities
from ._voting import voting_members as voting_members
from ._voting import weighted_votes as weighted_votes
from ._whole_file import whole_file as whole_file

# A name that is imported as itself is for other rooms.
__all__ = ["SAVED_TYPES", "CacheContents", "CachedThing", "cache_contents"]

"""Where the two prunings meet: networks cut to what limits allow, alone or as an ensemble."""

from ._auto_amount import TOLERANCE as TOLERANCE
from ._bench import covering as covering
from ._checks import PRUNING_CONSTRAINTS as PRUNING_CONSTRAINTS
from ._checks import check_memory as check_memory
from ._compressor import EnsembleCompressor
from ._kept_model import KeptModel as KeptModel
from ._point import OperatingPoint
from ._pruned_cnn import PrunedCNNClassifier
from ._report import CompressionReport, CompressionStage

# A name that is imported as itself is for other subpackages.
__all__ = [
    "CompressionReport",
    "CompressionStage",
    "EnsembleCompressor",
    "OperatingPoint",
    "PrunedCNNClassifier",
]

"""Where the two prunings meet: networks cut to what limits allow, alone or as an ensemble."""

from ._compressor import EnsembleCompressor
from ._point import OperatingPoint
from ._pruned_cnn import PrunedCNNClassifier
from ._report import CompressionReport, CompressionStage

__all__ = [
    "CompressionReport",
    "CompressionStage",
    "EnsembleCompressor",
    "OperatingPoint",
    "PrunedCNNClassifier",
]

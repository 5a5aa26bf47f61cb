"""Ensembles of convolutional networks; importing this imports neither Keras nor TensorFlow."""

from ._multi_view import MultiViewCNNClassifier
from ._random_cnn import RandomCNNEnsembleClassifier
from ._space import CNNArchitecture, CNNSpace, ConvBlock

__all__ = [
    "CNNArchitecture",
    "CNNSpace",
    "ConvBlock",
    "MultiViewCNNClassifier",
    "RandomCNNEnsembleClassifier",
]

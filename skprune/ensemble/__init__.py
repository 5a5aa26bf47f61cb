"""Ensembles of convolutional networks; importing this imports neither Keras nor TensorFlow."""

from typing import Any

from ._random_cnn import RandomCNNEnsembleClassifier
from ._space import CNNArchitecture, CNNSpace, ConvBlock

__all__ = [
    "CNNArchitecture",
    "CNNSpace",
    "ConvBlock",
    "RandomCNNEnsembleClassifier",
]


def __getattr__(name: str) -> Any:
    # Saved files name the class of members by this module; it is imported here without output.
    if name == "CNNMember":
        from .._keras import load_quietly

        return load_quietly(f"{__name__}._member").CNNMember
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

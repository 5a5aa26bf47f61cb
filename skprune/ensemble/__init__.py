"""Ensembles of convolutional networks; importing this imports neither Keras nor TensorFlow."""

from typing import Any

from ._data import PIXELS as PIXELS
from ._data import TRAINING_CONSTRAINTS as TRAINING_CONSTRAINTS
from ._data import Shape as Shape
from ._data import check_targets as check_targets
from ._data import pixel_statistics as pixel_statistics
from ._data import validation_rows as validation_rows
from ._data import with_channels as with_channels
from ._random_cnn import RandomCNNEnsembleClassifier
from ._space import CNNArchitecture, CNNSpace, ConvBlock
from ._space import check_architecture as check_architecture

# A name that is imported as itself is for other subpackages.
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
